/* Checkpoints: training goes on from them to the bit; what is damaged or does not fit is refused whole. */
#include "trainers.h"

static void resuming_goes_on_to_the_bit(void) {
  for (int loss = GAN_BCE; gan_loss_name(loss); loss++) {
    Set whole = gan_set(loss, 12), first = gan_set(loss, 12);
    CHECK(steps(&whole, 20) && steps(&first, 9)); /* in the middle of an epoch */
    CHECK(trainer_save(first.t, path_of("run.ckpt"), "--lr 1e-3"));
    set_drop(&first);
    Set second = gan_set(loss, 99); /* other weights, other streams */
    char *note = NULL;
    CHECK(trainer_load(second.t, path_of("run.ckpt"), &note));
    CHECK(note && !strcmp(note, "--lr 1e-3"));
    memory_free(note);
    CHECK(second.t->report.step == 9 && second.t->report.n >= 6);
    CHECK(steps(&second, 11) && state_of(&second) == state_of(&whole));
    size_t scope = scope_enter();
    Tensor *a = trainer_picture(whole.t), *b = trainer_picture(second.t);
    CHECK(a && b && !memcmp(a->data, b->data, 18 * sizeof(real)));
    scope_leave(scope, NULL);
    set_drop(&whole), set_drop(&second);
  }
}

static size_t read_file(const char *path, uint8_t **bytes) {
  FILE *f = fopen(path, "rb");
  *bytes = NULL;
  if (!f) return 0;
  fseek(f, 0, SEEK_END);
  size_t n = (size_t)ftell(f);
  rewind(f);
  *bytes = malloc(n);
  CHECK(fread(*bytes, 1, n, f) == n);
  fclose(f);
  return n;
}

static void damage_is_refused_and_changes_nothing(void) {
  uint8_t *bytes;
  Set s = gan_set(GAN_HINGE, 13);
  CHECK(steps(&s, 5) && trainer_save(s.t, path_of("good.ckpt"), "note"));
  size_t n = read_file(path_of("good.ckpt"), &bytes), live = live_memory();
  CHECK(n > 5000 && steps(&s, 2));
  uint64_t before = state_of(&s);
  for (size_t i = 0, accepted = 0; i < n; i += 1 + i / 100) { /* densest at the beginning */
    bytes[i] ^= (uint8_t)(1 << i % 8);
    file_put(path_of("bad.ckpt"), bytes, n);
    bytes[i] ^= (uint8_t)(1 << i % 8);
    accepted += trainer_load(s.t, path_of("bad.ckpt"), NULL);
    CHECK(!accepted);
    CHECK_ERROR("bad.ckpt");
    CHECK(state_of(&s) == before);
  }
  for (size_t cut = 0; cut < n; cut += 1 + cut / 50) {
    file_put(path_of("bad.ckpt"), bytes, cut);
    CHECK(!trainer_load(s.t, path_of("bad.ckpt"), NULL));
    CHECK_ERROR("bad.ckpt is");
    CHECK(state_of(&s) == before);
  }
  for (long at = 1;; at++) { /* memory that runs out while loading */
    memory_fail_after(at);
    bool ok = trainer_load(s.t, path_of("good.ckpt"), NULL);
    memory_fail_after(-1);
    if (ok) break;
    CHECK_ERROR("out of memory");
    CHECK(state_of(&s) == before);
  }
  CHECK(live_memory() == live && state_of(&s) != before && s.t->report.step == 5);
  CHECK(!trainer_load(s.t, path_of("missing.ckpt"), NULL));
  CHECK_ERROR("missing.ckpt: cannot read it: No such file");
  free(bytes);
  set_drop(&s);
}

static void what_does_not_fit_is_refused(void) {
  Set s = gan_set(GAN_HINGE, 14), f;
  uint64_t before = state_of(&s);
  CHECK(fit_set(&f, NULL, "CrossEntropyLoss") && steps(&f, 1) && trainer_save(f.t, path_of("fit.ckpt"), NULL));
  CHECK(!trainer_load(s.t, path_of("fit.ckpt"), NULL));
  CHECK_ERROR("fit.ckpt: its kind is nn.Trainer, here it is gan.Trainer");
  Set sgd = gan_set(GAN_HINGE, 14), wgan = gan_set(GAN_WGAN, 14);
  CHECK(steps(&wgan, 1) && trainer_save(wgan.t, path_of("wgan.ckpt"), NULL));
  CHECK(!trainer_load(s.t, path_of("wgan.ckpt"), NULL));
  CHECK_ERROR("wgan.ckpt: its optim_d is RMSprop, here it is Adam");
  CHECK(state_of(&s) == before);
  Module *wide = network(LATENT, 9, 2, true), *longer = module_sequential(2, (Module *[]){wide, wide});
  CHECK(module_save(s.g, path_of("net.ckpt")));
  CHECK(!module_load(wide, path_of("net.ckpt")));
  CHECK_ERROR("net.ckpt holds 1.weight (8,4), the network wants (9,4)");
  CHECK(!module_load(longer, path_of("net.ckpt")));
  CHECK_ERROR("net.ckpt lacks 1.1.weight (9,4), which the network has");
  Module *linear = module_make("Linear", LATENT, 8, NN_END), *head = module_sequential(1, &linear);
  CHECK(!module_load(head, path_of("net.ckpt")));
  CHECK_ERROR("net.ckpt holds 2.weight (8), which the network lacks");
  CHECK(!module_load(s.g, path_of("fit.ckpt")));
  CHECK_ERROR("its kind is nn.Trainer, here it is network");
  module_drop(wide), module_drop(longer), module_drop(linear), module_drop(head);
  set_drop(&s), set_drop(&sgd), set_drop(&wgan), fit_drop(&f);
}

static void a_network_goes_round(void) {
  Set a = gan_set(GAN_HINGE, 15), b = gan_set(GAN_HINGE, 16);
  CHECK(steps(&a, 3));
  uint64_t one = 1, two = 1;
  CHECK(module_save(a.g, path_of("g.ckpt")) && module_load(b.g, path_of("g.ckpt")));
  CHECK(module_visit(a.g, mix_tensor, &one) && module_visit(b.g, mix_tensor, &two) && one == two);
  CHECK(!module_save(a.g, path_of("no/where/g.ckpt")));
  CHECK_ERROR("cannot write: No such file");
  set_drop(&a), set_drop(&b);
}

int main(void) {
  if (!folder_new()) return 1;
  size_t live = memory_use().live;
  resuming_goes_on_to_the_bit();
  damage_is_refused_and_changes_nothing();
  what_does_not_fit_is_refused();
  a_network_goes_round();
  CHECK(memory_use().live == live);
  return test_done();
}
