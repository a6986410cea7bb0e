/* Trainers: they learn, and they fail whole or not at all. */
#include "trainers.h"

/* ---- learning ---- */

static void a_gan_learns_the_ring(void) {
  random_seed(1);
  Dataset *data = ring(2000);
  Loader *loader = loader_new(data, 64, true, false);
  Module *g = network(2, 32, 2, false), *d = network(2, 32, 1, false);
  Optimizer *og = optim_make("Adam", g, 4e-3), *od = optim_make("Adam", d, 4e-3);
  optim_set(og, "beta1", 0.5), optim_set(od, "beta1", 0.5);
  Trainer *t = gan_trainer_new(&(GanOptions){.generator = g,
                                             .discriminator = d,
                                             .optim_g = og,
                                             .optim_d = od,
                                             .data = loader,
                                             .latent = 2,
                                             .loss = GAN_BCE_LOGITS,
                                             .samples = 400});
  for (int i = 0; i < 600; i++) CHECK(trainer_step(t));
  size_t scope = scope_enter();
  Tensor *points = trainer_picture(t);
  long near = 0, place[8] = {0};
  for (int i = 0; points && i < 400; i++) {
    double x = (double)points->data[2 * i], y = (double)points->data[2 * i + 1];
    int k = (int)lround(atan2(y, x) / 0.78539816339744831 + 8) % 8;
    if (hypot(x - cos(k * 0.78539816339744831), y - sin(k * 0.78539816339744831)) < 0.3) near++, place[k]++;
  }
  scope_leave(scope, NULL);
  CHECK(near > 240);
  for (int k = 0; k < 8; k++) CHECK(place[k] > 8);
  CHECK(t->report.step == 600 && t->report.epoch == 600 / 32 && t->report.epoch_steps == 32 && t->report.seconds_per_step > 0);
  trainer_drop(t), optim_drop(og), optim_drop(od), module_drop(g), module_drop(d), loader_drop(loader), dataset_drop(data);
}

static void every_loss_steps(void) {
  for (int loss = GAN_BCE; gan_loss_name(loss); loss++) {
    Set s = gan_set(loss, 3);
    CHECK(steps(&s, 12));
    CHECK(isfinite(value_of(s.t, "loss_d")) && isfinite(value_of(s.t, "loss_g")) && value_of(s.t, "grad_d") > 0);
    CHECK(value_of(s.t, "grad_g") > 0 && isfinite(value_of(s.t, "D(x)")) && isfinite(value_of(s.t, "D(G(z))")));
    if (loss == GAN_WGAN)
      for (int i = 0; i < s.d->child[0].module->tensor[0].tensor->shape[0] * 2; i++)
        CHECK(fabs((double)s.d->child[0].module->tensor[0].tensor->data[i]) <= 0.0100001);
    CHECK(isfinite(value_of(s.t, "penalty")) == (loss == GAN_WGAN_GP));
    CHECK(s.t->report.epoch_steps == (loss >= GAN_WGAN ? 4 : 7) && s.t->report.epoch == (loss >= GAN_WGAN ? 3 : 1));
    set_drop(&s);
  }
}

/* One step by hand, as in PyTorch's DCGAN tutorial: two passes of D, then G through the new D. */
static void a_step_is_the_textbooks(void) {
  Set a = gan_set(GAN_LSGAN, 5), b = gan_set(GAN_LSGAN, 5);
  size_t scope = scope_enter();
  a.t->random = b.t->random;
  CHECK(trainer_step(a.t));
  Random *before = random_use(&b.t->random);
  Tensor *x, *noise;
  CHECK(loader_next(b.loader, &x, NULL));
  bool was = grad_enable(false);
  Tensor *fake = module_forward(b.g, tensor_randn(2, (long[]){BATCH, LATENT}));
  noise = tensor_randn(2, x->shape);
  x = tensor_add(x, tensor_scale(noise, 0.01));
  noise = tensor_randn(2, x->shape);
  fake = tensor_add(fake, tensor_scale(noise, 0.01));
  grad_enable(was);
  Tensor *real_loss = tensor_scale(tensor_mean(tensor_square(tensor_shift(module_forward(b.d, x), -1)), 0, NULL, false), 0.5);
  Tensor *fake_loss = tensor_scale(tensor_mean(tensor_square(module_forward(b.d, fake)), 0, NULL, false), 0.5);
  CHECK(tensor_backward(tensor_add(real_loss, fake_loss), NULL, 0, NULL, 0) && optim_step(b.optim_d));
  CHECK_NEAR(value_of(a.t, "loss_d"), tensor_item(real_loss) + tensor_item(fake_loss), 1e-6);
  fake = module_forward(b.g, tensor_randn(2, (long[]){BATCH, LATENT}));
  noise = tensor_randn(2, fake->shape);
  Tensor *score = module_forward(b.d, tensor_add(fake, tensor_scale(noise, 0.01)));
  Tensor *loss_g = tensor_scale(tensor_mean(tensor_square(tensor_shift(score, -1)), 0, NULL, false), 0.5);
  CHECK(tensor_backward(loss_g, NULL, 0, NULL, 0) && optim_step(b.optim_g));
  random_use(before);
  CHECK_NEAR(value_of(a.t, "loss_g"), tensor_item(loss_g), 1e-6);
  int n;
  Tensor **p = module_parameters(a.g, &n), **q = module_parameters(b.g, &n);
  for (int i = 0; i < n; i++)
    for (long k = 0; k < tensor_numel(p[i]); k++) CHECK_NEAR((double)p[i]->data[k], (double)q[i]->data[k], 1e-5);
  memory_free(p), memory_free(q);
  CHECK(tensor_grad(a.d->child[0].module->tensor[0].tensor) != NULL);
  scope_leave(scope, NULL);
  set_drop(&a), set_drop(&b);
}

static void a_classifier_is_fitted_and_tested(void) {
  Set s;
  Dataset *test_data = ring(80);
  Loader *test = loader_new(test_data, 32, false, false);
  CHECK(fit_set(&s, test, "CrossEntropyLoss") != NULL);
  CHECK(steps(&s, 6) && isnan(value_of(s.t, "test_loss")));
  CHECK(steps(&s, 1) && s.t->report.epoch == 1 && value_of(s.t, "test_loss") > 0);
  double first = value_of(s.t, "test_loss"), loss, accuracy;
  CHECK(steps(&s, 200));
  CHECK(value_of(s.t, "test_loss") < first && value_of(s.t, "test_accuracy") > 0.9 && value_of(s.t, "accuracy") > 0.9);
  s.g->child[0].module->training = false; /* flags come back as they were */
  uint64_t before = mix_network(1, s.g, s.optim_g);
  Random stream = s.t->random;
  CHECK(fit_trainer_evaluate(s.t, s.loader, &loss, &accuracy) && accuracy > 0.9);
  CHECK(before == mix_network(1, s.g, s.optim_g) && stream.position == s.t->random.position);
  CHECK(s.g->training && !s.g->child[0].module->training);
  CHECK(test->place == 0 && test->epoch == 0);
  fit_drop(&s);
  loader_drop(test);
  dataset_drop(test_data);
}

/* Without labels the target is the input. */
static void an_autoencoder_is_fitted(void) {
  Set s;
  CHECK(fit_set(&s, NULL, "MSELoss") != NULL);
  memory_free(s.data->labels);
  s.data->labels = NULL;
  CHECK(steps(&s, 1));
  double first = value_of(s.t, "loss");
  CHECK(steps(&s, 150) && value_of(s.t, "loss") < first / 4 && isnan(value_of(s.t, "accuracy")));
  fit_drop(&s);
}

static void schedules_follow_the_steps(void) {
  Set s = gan_set(GAN_HINGE, 4);
  const ScheduleRow *row = NULL;
  for (int i = 0; i < schedules_count(); i++)
    if (!strcmp(schedules_at(i)->name, "ExponentialLR")) row = schedules_at(i);
  Schedule *schedule = schedule_new(row, s.optim_g, (Param[]){{.number = 0.5}});
  CHECK(trainer_add_schedule(s.t, schedule));
  schedule_drop(schedule);
  CHECK(steps(&s, 3));
  CHECK_NEAR(optim_get(s.optim_g, "lr"), 1e-3 / 8, 1e-12);
  CHECK(trainer_save(s.t, path_of("schedule.ckpt"), NULL) && steps(&s, 2) && trainer_load(s.t, path_of("schedule.ckpt"), NULL));
  CHECK(schedule->step == 3);
  CHECK(steps(&s, 1));
  CHECK_NEAR(optim_get(s.optim_g, "lr"), 1e-3 / 16, 1e-12);
  set_drop(&s);
}

/* ---- pictures ---- */

static void a_picture_changes_nothing(void) {
  Set s = gan_set(GAN_HINGE, 6);
  CHECK(steps(&s, 3));
  s.d->training = false;
  uint64_t before = state_of(&s);
  Random stream = *random_current();
  size_t scope = scope_enter();
  Tensor *one = trainer_picture(s.t), *two = trainer_picture(s.t);
  CHECK(one && two && one->shape[0] == 9 && one->shape[1] == 2 && !memcmp(one->data, two->data, 18 * sizeof(real)));
  CHECK(!one->node && grad_enabled());
  CHECK(state_of(&s) == before && random_current()->position == stream.position);
  CHECK(s.g->training && s.g->child[1].module->training && !s.d->training && s.d->child[1].module->training);
  CHECK(gan_trainer_set_latent(s.t, tensor_zeros(2, (long[]){5, LATENT})) && gan_trainer_latent(s.t)->shape[0] == 5);
  CHECK(trainer_picture(s.t)->shape[0] == 5);
  CHECK(!gan_trainer_set_latent(s.t, tensor_zeros(2, (long[]){5, LATENT + 1})));
  CHECK_ERROR("the latent must be (N,...) with (4) for each picture, got (5,5)");
  scope_leave(scope, NULL);
  s.g->training = false; /* a step is in training mode all the same */
  s.g->child[1].module->training = false;
  Set again = gan_set(GAN_HINGE, 6);
  CHECK(steps(&again, 4) && steps(&s, 1));
  CHECK(!s.g->training && !s.g->child[1].module->training && state_of(&s) == state_of(&again));
  set_drop(&s), set_drop(&again);
}

/* ---- failing ---- */

/* Any allocation of a step may fail, any number of times: the step is then as if it had not been tried. */
static void every_allocation_may_fail(void) {
  for (int loss = GAN_BCE_LOGITS; loss <= GAN_WGAN_GP; loss += GAN_WGAN_GP - GAN_BCE_LOGITS) {
    Set s = gan_set(loss, 7), never = gan_set(loss, 7);
    CHECK(steps(&s, 6) && steps(&never, 7)); /* the next one begins an epoch */
    size_t live = live_memory();
    long failures = 0, told = 0, halves = 0, n = 1;
    uint64_t before = state_of(&s);
    for (; n < 100000; n++) {
      memory_fail_after(n);
      bool ok = trainer_step(s.t);
      memory_fail_after(-1);
      if (ok) break;
      failures++;
      told += strstr(nn_error(), "gan.Trainer: step 7, the ") != NULL;
      CHECK_ERROR("out of memory");
      uint64_t after = state_of(&s);
      if (after != before) { /* an update of D is done and stays; the next one is tried from its first allocation on */
        before = after;
        halves++;
        n = 0;
      }
    }
    CHECK(failures > 400 && failures - told <= 3 * (halves + 1)); /* before the first half there is none to tell of */
    CHECK(halves == (loss == GAN_WGAN_GP ? 2 : 1));
    CHECK(state_of(&s) == state_of(&never));
    CHECK(live_memory() == live);
    set_drop(&s), set_drop(&never);
  }
}

/* Writes by hand to element i of the first tensor of the network's k-th layer; returns what was there. */
static real put(const Module *m, int layer, long i, real value) {
  Tensor *t = m->child[layer].module->tensor[0].tensor;
  bool recording = grad_enable(false);
  CHECK(tensor_begin_write(t, "put"));
  grad_enable(recording);
  real was = t->data[i];
  t->data[i] = value;
  return was;
}

static void nan_is_traced_to_its_layer(void) {
  Set s = gan_set(GAN_BCE_LOGITS, 8), never = gan_set(GAN_BCE_LOGITS, 8);
  CHECK(steps(&s, 4) && steps(&never, 5));
  uint64_t before = state_of(&s);
  real was = put(s.d, 3, 5, (real)NAN);
  CHECK(!trainer_step(s.t));
  CHECK_ERROR(
      "gan.Trainer: step 5, the discriminator's half: the loss is nan; first not finite: weight of layer 4 (Linear(8, 8)) of "
      "the discriminator");
  put(s.d, 3, 5, was);
  CHECK(state_of(&s) == before);
  real *point = s.data->reals->data + 2 * s.loader->order[s.loader->place], held = *point;
  *point = (real)INFINITY;
  CHECK(!trainer_step(s.t));
  CHECK_ERROR("first not finite: the input of layer 1 (Linear(2, 8)) of the discriminator");
  *point = held;
  real old = put(s.g, 1, 0, sizeof(real) == 4 ? (real)3e38 : (real)1.5e308); /* overflows where it is multiplied by more than 1 */
  CHECK(!trainer_step(s.t));
  CHECK_ERROR("of the generator");
  put(s.g, 1, 0, old);
  CHECK(state_of(&s) == before);
  CHECK(steps(&s, 1) && state_of(&s) == state_of(&never));
  set_drop(&s), set_drop(&never);
}

static bool broken;

/* The generator of the next test: fails, when told to, in the generator's half only. */
static Tensor *brittle(Module *m, int n, Tensor *const *x) {
  (void)n;
  if (broken && grad_enabled()) return nn_fail("it broke");
  return module_forward(m->child[0].module, x[0]);
}

static void a_failed_half_is_gone_on_with(void) {
  Set s = gan_set(GAN_HINGE, 9), never = gan_set(GAN_HINGE, 9);
  Module *custom = module_custom("Brittle", brittle, NULL, NULL);
  CHECK(module_add_child(custom, "net", s.g));
  Trainer *t = gan_trainer_new(&(GanOptions){.generator = custom,
                                             .discriminator = s.d,
                                             .optim_g = s.optim_g,
                                             .optim_d = s.optim_d,
                                             .data = s.loader,
                                             .latent = LATENT,
                                             .loss = GAN_HINGE,
                                             .instance_noise = 0.01,
                                             .samples = 9});
  t->random = s.t->random;
  trainer_drop(s.t);
  s.t = t;
  CHECK(steps(&s, 2) && steps(&never, 3));
  broken = true;
  uint64_t generator = mix_optim(1, s.optim_g);
  for (int i = 0; i < 3; i++) {
    CHECK(!trainer_step(t));
    CHECK_ERROR("gan.Trainer: step 3, the generator's half, in the generator: Brittle: it broke");
    CHECK(mix_optim(1, s.optim_g) == generator && mix_optim(1, s.optim_d) == mix_optim(1, never.optim_d));
  }
  broken = false;
  CHECK(trainer_save(t, path_of("half.ckpt"), NULL) && trainer_load(t, path_of("half.ckpt"), NULL)); /* the half is in it */
  CHECK(steps(&s, 1) && state_of(&s) == state_of(&never));
  module_drop(custom);
  set_drop(&s), set_drop(&never);
}

static void bad_options_are_refused(void) {
  Set s = gan_set(GAN_HINGE, 9);
  GanOptions good = {.generator = s.g,
                     .discriminator = s.d,
                     .optim_g = s.optim_g,
                     .optim_d = s.optim_d,
                     .data = s.loader,
                     .latent = LATENT,
                     .loss = GAN_HINGE},
             o = good;
  o.discriminator = NULL;
  CHECK(!gan_trainer_new(&o));
  CHECK_ERROR("gan.Trainer: discriminator is missing");
  o = good, o.latent = 0;
  CHECK(!gan_trainer_new(&o));
  CHECK_ERROR("latent must be at least 1, got 0");
  o = good, o.loss = 17;
  CHECK(!gan_trainer_new(&o));
  CHECK_ERROR("no loss number 17");
  o = good, o.label_smoothing = 0.1;
  CHECK(!gan_trainer_new(&o));
  CHECK_ERROR("hinge has no labels");
  o = good, o.optim_g = s.optim_d, o.optim_d = s.optim_g;
  CHECK(!gan_trainer_new(&o));
  CHECK_ERROR("optim_g holds no parameter of the generator");
  o = good, o.instance_noise = -1;
  CHECK(!gan_trainer_new(&o));
  CHECK_ERROR("instance_noise must be at least 0, got -1");
  o = good, o.latent = LATENT + 1;
  Trainer *t = gan_trainer_new(&o);
  CHECK(!trainer_step(t));
  CHECK_ERROR("gan.Trainer: step 1, the discriminator's half, in the generator: layer 1 (Linear(4, 8)): wants x of shape (...,4)");
  trainer_drop(t);
  Dataset *wide = dataset_new(1, (long[]){3}, 40, false, false);
  tensor_fill(wide->reals, 0);
  Loader *loader = loader_new(wide, 8, true, false);
  o = good, o.data = loader;
  t = gan_trainer_new(&o);
  CHECK(!trainer_step(t) && loader->place == 0);
  CHECK_ERROR("the generator makes (8,2) of (8,4), the data are (8,3)");
  trainer_drop(t), loader_drop(loader), dataset_drop(wide);
  CHECK(!fit_trainer_new(&(FitOptions){.model = s.g, .optim = s.optim_g, .data = s.loader}));
  CHECK_ERROR("nn.Trainer: loss is missing");
  set_drop(&s);
}

/* ---- memory and threads ---- */

static void memory_is_flat(void) {
  Set s = gan_set(GAN_WGAN_GP, 17);
  CHECK(steps(&s, 20));
  MemoryUse before = memory_use();
  CHECK(steps(&s, 300));
  MemoryUse after = memory_use();
  CHECK(after.fresh == before.fresh && after.live == before.live && after.peak == before.peak);
  set_drop(&s);
}

static void bits_do_not_depend_on_threads(void) {
  uint64_t state[3];
  int threads = workers_count();
  for (int i = 0; i < 3; i++) {
    workers_set(i + 1);
    Set s = gan_set(GAN_WGAN_GP, 18);
    CHECK(steps(&s, 8));
    state[i] = state_of(&s);
    set_drop(&s);
  }
  workers_set(threads);
  CHECK(state[0] == state[1] && state[1] == state[2]);
}

int main(void) {
  if (!folder_new()) return 1;
  size_t live = memory_use().live;
  a_gan_learns_the_ring();
  every_loss_steps();
  a_step_is_the_textbooks();
  a_classifier_is_fitted_and_tested();
  an_autoencoder_is_fitted();
  schedules_follow_the_steps();
  a_picture_changes_nothing();
  every_allocation_may_fail();
  nan_is_traced_to_its_layer();
  a_failed_half_is_gone_on_with();
  bad_options_are_refused();
  memory_is_flat();
  bits_do_not_depend_on_threads();
  CHECK(memory_use().live == live);
  return test_done();
}
