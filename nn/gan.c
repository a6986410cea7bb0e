/* Generative adversarial networks (Goodfellow et al. 2014): D learns to tell data from what G makes of noise, G to make D
 * err. A step is d_steps updates of D, then one of G. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "training.h"

enum { ROWS = 16384 }; /* weights that a worker clips at a time */

/* ---- losses: of D's score for data, of D's score for what G made, and of G ---- */

typedef struct GanLoss {
  const char *name;
  bool smooth, logits; /* takes label smoothing; scores become probabilities by a sigmoid */
  Tensor *(*real)(Tensor *score, double label);
  Tensor *(*fake)(Tensor *score);
  Tensor *(*generator)(Tensor *score);
} GanLoss;

static Tensor *mean(Tensor *x) {
  return tensor_mean(x, 0, NULL, false);
}

static Tensor *against(const char *loss, Tensor *score, double label) {
  return score ? loss_call(loss, score, tensor_scalar(label)) : NULL;
}

/* bce: -log D(x) - log(1 - D(G(z))) for D; for G -log D(G(z)), which does not saturate. */
static Tensor *bce_real(Tensor *score, double label) {
  return against("BCELoss", score, label);
}

static Tensor *bce_fake(Tensor *score) {
  return against("BCELoss", score, 0);
}

static Tensor *bce_generator(Tensor *score) {
  return against("BCELoss", score, 1);
}

static Tensor *logits_real(Tensor *score, double label) {
  return against("BCEWithLogitsLoss", score, label);
}

static Tensor *logits_fake(Tensor *score) {
  return against("BCEWithLogitsLoss", score, 0);
}

static Tensor *logits_generator(Tensor *score) {
  return against("BCEWithLogitsLoss", score, 1);
}

/* lsgan: (score - label)^2 / 2 (Mao et al. 2017, with a = 0, b = c = 1) */
static Tensor *lsgan_real(Tensor *score, double label) {
  return tensor_scale(mean(tensor_square(tensor_shift(score, -label))), 0.5);
}

static Tensor *lsgan_fake(Tensor *score) {
  return lsgan_real(score, 0);
}

static Tensor *lsgan_generator(Tensor *score) {
  return lsgan_real(score, 1);
}

/* hinge: max(0, 1 - score) for data, max(0, 1 + score) for fakes (Lim & Ye 2017) */
static Tensor *hinge_real(Tensor *score, double label) {
  (void)label;
  return mean(tensor_relu(tensor_shift(tensor_neg(score), 1)));
}

static Tensor *hinge_fake(Tensor *score) {
  return mean(tensor_relu(tensor_shift(score, 1)));
}

/* wgan: the score itself (Arjovsky et al. 2017) */
static Tensor *wgan_real(Tensor *score, double label) {
  (void)label;
  return tensor_neg(mean(score));
}

static Tensor *wgan_generator(Tensor *score) {
  return tensor_neg(mean(score));
}

static const GanLoss losses[] = {
    /* in the order of the GAN_... constants */
    {"bce", true, false, bce_real, bce_fake, bce_generator},
    {"bce-logits", true, true, logits_real, logits_fake, logits_generator},
    {"lsgan", true, false, lsgan_real, lsgan_fake, lsgan_generator},
    {"hinge", false, false, hinge_real, hinge_fake, wgan_generator},
    {"wgan", false, false, wgan_real, mean, wgan_generator},
    {"wgan-gp", false, false, wgan_real, mean, wgan_generator},
};
enum { LOSSES = sizeof losses / sizeof *losses };

const char *gan_loss_name(int loss) {
  return loss >= 0 && loss < LOSSES ? losses[loss].name : NULL;
}

/* ---- the trainer ---- */

typedef struct Gan {
  Module *generator, *discriminator;
  Optimizer *optim_g, *optim_d;
  Tensor *latent; /* of the picture */
  int latent_ndim;
  long latent_shape[NN_DIMS]; /* without N */
  double loss, d_steps, label_smoothing, instance_noise, clip, gp_weight;
  double d_done; /* updates of D done in this step */
} Gan;

static const GanLoss *loss_of(const Gan *g) {
  return &losses[(int)g->loss];
}

static Tensor *draw_latent(const Gan *g, long n) {
  long shape[NN_DIMS] = {n};
  memcpy(shape + 1, g->latent_shape, (size_t)g->latent_ndim * sizeof *shape);
  return tensor_randn(g->latent_ndim + 1, shape);
}

/* What D is shown: with instance noise, if there is any (Soenderby et al. 2017). */
static Tensor *shown(const Gan *g, Tensor *x) {
  if (!x || g->instance_noise <= 0) return x;
  return tensor_add(x, tensor_scale(tensor_randn(x->ndim, x->shape), g->instance_noise));
}

static double seen_score(const Gan *g, Tensor *score) {
  bool was = grad_enable(false);
  Tensor *value = loss_of(g)->logits ? tensor_sigmoid(score) : score;
  double mean_score = tensor_item(mean(value));
  grad_enable(was);
  return mean_score;
}

/* ---- the discriminator's half ---- */

/* A pass of D over data (or fakes) with its backward pass; adds to the loss and tells the mean score. */
static bool judge(Gan *g, const Update *u, Tensor *x, bool real, double *loss, double *score) {
  size_t scope = scope_enter();
  Tensor *out = update_forward("discriminator", g->discriminator, x);
  Tensor *l = real ? loss_of(g)->real(out, 1 - g->label_smoothing) : loss_of(g)->fake(out);
  bool ok = l && tensor_backward(l, NULL, u->n, u->param, 0);
  if (ok) {
    *loss += tensor_item(l);
    *score = seen_score(g, out);
  }
  scope_leave(scope, NULL);
  return ok && !nn_failed();
}

/* Points between data and fakes, each at a place of its own on the line: e x + (1 - e) fake. */
static Tensor *between(Tensor *x, Tensor *fake) {
  long shape[NN_DIMS] = {x->shape[0], 1, 1, 1, 1, 1, 1, 1};
  bool was = grad_enable(false);
  Tensor *points = tensor_detach(tensor_add(fake, tensor_mul(tensor_rand(x->ndim, shape), tensor_sub(x, fake))));
  grad_enable(was);
  return points && tensor_set_requires_grad(points, true) ? points : NULL;
}

/* gp_weight (|dD/dx| - 1)^2, the norm being each sample's (Gulrajani et al. 2017) */
static bool punish(Gan *g, const Update *u, Tensor *x, Tensor *fake, double *loss, Report *report) {
  size_t scope = scope_enter();
  Tensor *slope = NULL, *points = between(x, fake), *score = update_forward("discriminator", g->discriminator, points);
  bool ok = score && tensor_gradients(tensor_sum(score, 0, NULL, false), NULL, 1, &points, GRAD_CREATE_GRAPH, &slope);
  if (ok) {
    Tensor *norm = tensor_norm(tensor_reshape(slope, 2, (long[]){x->shape[0], -1}), 1, (long[]){1}, false);
    Tensor *penalty = tensor_scale(mean(tensor_square(tensor_shift(norm, -1))), g->gp_weight);
    ok = penalty && tensor_backward(penalty, NULL, u->n, u->param, 0);
    if (ok) *loss += tensor_item(penalty), report_set(report, "penalty", tensor_item(penalty));
  }
  scope_leave(scope, NULL);
  return ok;
}

static Tensor *make_fakes(const Gan *g, const Tensor *x) {
  bool was = grad_enable(false);
  Tensor *z = draw_latent(g, x->shape[0]), *fake = z ? update_forward("generator", g->generator, z) : NULL;
  grad_enable(was);
  if (!fake || tensor_same_shape(fake, x)) return fake;
  return nn_fail("the generator makes %s of %s, the data are %s", tensor_shape_text(fake), tensor_shape_text(z),
                 tensor_shape_text(x));
}

static bool discriminator_gradients(Trainer *t, const Update *u, double *loss) {
  Gan *g = t->self;
  Tensor *x;
  double real, made;
  if (!trainer_batch(t, &x, NULL)) return false;
  Tensor *fake = make_fakes(g, x);
  if (!fake) return false;
  x = shown(g, x);
  fake = shown(g, fake);
  bool ok = judge(g, u, x, true, loss, &real) && judge(g, u, fake, false, loss, &made);
  if (ok && (int)g->loss == GAN_WGAN_GP) ok = punish(g, u, x, fake, loss, &t->report);
  if (!ok) return false;
  report_set(&t->report, "loss_d", *loss);
  report_set(&t->report, "D(x)", real);
  report_set(&t->report, "D(G(z))", made);
  return true;
}

/* ---- the generator's half: D's weights need no gradients ---- */

static bool generator_gradients(Trainer *t, const Update *u, double *loss) {
  Gan *g = t->self;
  Tensor *z = draw_latent(g, t->loader->batch), *fake = z ? update_forward("generator", g->generator, z) : NULL;
  Tensor *score = fake ? update_forward("discriminator", g->discriminator, shown(g, fake)) : NULL;
  Tensor *l = score ? loss_of(g)->generator(score) : NULL;
  if (!l || !tensor_backward(l, NULL, u->n, u->param, 0)) return false;
  *loss = tensor_item(l);
  report_set(&t->report, "loss_g", *loss);
  return true;
}

/* ---- a step ---- */

typedef struct Clip {
  real *weight, bound;
} Clip;

static void clip_values(void *job, long from, long to) {
  const Clip *c = job;
  for (long i = from; i < to; i++)
    c->weight[i] = c->weight[i] > c->bound ? c->bound : c->weight[i] < -c->bound ? -c->bound : c->weight[i];
}

static bool clip_weight(void *data, const char *name, Module *owner, Named *entry) {
  const Gan *g = data;
  (void)name, (void)owner;
  if (entry->buffer || !tensor_begin_write(entry->tensor, "gan.Trainer: clipping")) return true;
  workers_for(tensor_numel(entry->tensor), ROWS, clip_values, &(Clip){entry->tensor->data, (real)g->clip});
  return true;
}

static bool discriminator_step(Trainer *t, Gan *g) {
  double norm;
  Update u = {
      .half = "the discriminator's half", .module = g->discriminator, .optim = g->optim_d, .gradients = discriminator_gradients};
  if (!update_run(t, u, &norm)) return false;
  if ((int)g->loss == GAN_WGAN) {
    bool was = grad_enable(false);
    module_visit(g->discriminator, clip_weight, g);
    grad_enable(was);
  }
  report_set(&t->report, "grad_d", norm);
  return true;
}

static bool gan_step(Trainer *t) {
  Gan *g = t->self;
  double norm;
  for (; g->d_done < g->d_steps; g->d_done++)
    if (!discriminator_step(t, g)) return false;
  Update u = {.half = "the generator's half", .module = g->generator, .optim = g->optim_g, .gradients = generator_gradients};
  if (!update_run(t, u, &norm)) return false;
  report_set(&t->report, "grad_g", norm);
  g->d_done = 0;
  return true;
}

static Tensor *gan_picture(Trainer *t) {
  Gan *g = t->self;
  return module_forward(g->generator, g->latent);
}

/* ---- its state ---- */

static int gan_modules(Trainer *t, const char **name, Module **m) {
  Gan *g = t->self;
  name[0] = "generator", m[0] = g->generator;
  name[1] = "discriminator", m[1] = g->discriminator;
  return 2;
}

static int gan_optims(Trainer *t, const char **name, Optimizer **o) {
  Gan *g = t->self;
  name[0] = "optim_g", o[0] = g->optim_g;
  name[1] = "optim_d", o[1] = g->optim_d;
  return 2;
}

static int gan_tensors(Trainer *t, const char **name, Tensor ***place) {
  Gan *g = t->self;
  name[0] = "latent", place[0] = &g->latent;
  return 1;
}

static int gan_numbers(Trainer *t, TrainerNumber *number) {
  Gan *g = t->self;
  const TrainerNumber all[] = {
      {"loss", &g->loss, 0, LOSSES - 1, true},
      {"d_steps", &g->d_steps, 1, 1e6, true},
      {"d_done", &g->d_done, 0, 1e6, true},
      {"label_smoothing", &g->label_smoothing, 0, 1, false},
      {"instance_noise", &g->instance_noise, 0, 1e6, false},
      {"clip", &g->clip, 0, 1e6, false},
      {"gp_weight", &g->gp_weight, 0, 1e6, false},
  };
  memcpy(number, all, sizeof all);
  return sizeof all / sizeof *all;
}

static void gan_free(Trainer *t) {
  Gan *g = t->self;
  module_drop(g->generator);
  module_drop(g->discriminator);
  optim_drop(g->optim_g);
  optim_drop(g->optim_d);
  tensor_drop(g->latent);
}

static const TrainerKind gan_kind = {
    "gan.Trainer", gan_step, NULL, gan_picture, gan_modules, gan_optims, gan_tensors, gan_numbers, gan_free,
};

/* ---- making ---- */

static bool check_given(const GanOptions *o) {
  const char *missing = !o->generator       ? "generator"
                        : !o->discriminator ? "discriminator"
                        : !o->optim_g       ? "optim_g"
                        : !o->optim_d       ? "optim_d"
                        : !o->data          ? "data"
                                            : NULL;
  return !missing || nn_fail("gan.Trainer: %s is missing", missing);
}

static bool check_numbers(const GanOptions *o) {
  const char *name = gan_loss_name(o->loss);
  if (!name) return nn_fail("gan.Trainer: there is no loss number %d", o->loss), false;
  if (o->latent_ndim ? o->latent_ndim < 0 || o->latent_ndim > NN_DIMS - 1 : o->latent < 1)
    return nn_fail("gan.Trainer: latent must be at least 1, got %ld", o->latent), false;
  for (int i = 0; i < o->latent_ndim; i++)
    if (o->latent_shape[i] < 1)
      return nn_fail("gan.Trainer: latent must have sizes of at least 1, got %s", shape_text(o->latent_ndim, o->latent_shape)),
             false;
  if (o->d_steps < 0 || o->d_steps > 1000000) return nn_fail("gan.Trainer: d_steps must be at least 1, got %ld", o->d_steps), false;
  if (!(o->label_smoothing >= 0 && o->label_smoothing < 1))
    return nn_fail("gan.Trainer: label_smoothing must be at least 0 and below 1, got %g", o->label_smoothing), false;
  if (o->label_smoothing > 0 && !losses[o->loss].smooth)
    return nn_fail("gan.Trainer: label_smoothing is for bce, bce-logits and lsgan; %s has no labels", name), false;
  const double number[] = {o->instance_noise, o->clip, o->gp_weight};
  for (int i = 0; i < 3; i++)
    if (!(number[i] >= 0 && number[i] <= 1e6))
      return nn_fail("gan.Trainer: %s must be at least 0, got %g", (const char *const[]){"instance_noise", "clip", "gp_weight"}[i],
                     number[i]),
             false;
  return o->samples >= 0 || nn_fail("gan.Trainer: samples must be at least 1, got %ld", o->samples);
}

static void take_options(Gan *g, const GanOptions *o) {
  g->generator = module_keep(o->generator);
  g->discriminator = module_keep(o->discriminator);
  g->optim_g = optim_keep(o->optim_g);
  g->optim_d = optim_keep(o->optim_d);
  g->latent_ndim = o->latent_ndim ? o->latent_ndim : 1;
  g->latent_shape[0] = o->latent;
  if (o->latent_ndim) memcpy(g->latent_shape, o->latent_shape, sizeof g->latent_shape);
  g->loss = o->loss;
  g->d_steps = o->d_steps ? (double)o->d_steps : 1;
  g->label_smoothing = o->label_smoothing;
  g->instance_noise = o->instance_noise;
  g->clip = o->clip > 0 ? o->clip : 0.01;
  g->gp_weight = o->gp_weight > 0 ? o->gp_weight : 10;
}

/* The picture's latents come from a stream of their own, so that their number changes nothing else. */
static bool draw_picture_latent(Gan *g, long samples) {
  Random stream = random_split(), *before = random_use(&stream);
  size_t scope = scope_enter();
  g->latent = tensor_keep(draw_latent(g, samples));
  scope_leave(scope, NULL);
  random_use(before);
  return g->latent != NULL;
}

Trainer *gan_trainer_new(const GanOptions *o) {
  if (nn_failed() || !check_given(o) || !check_numbers(o)) return NULL;
  if (!update_check("gan.Trainer", "generator", o->generator, "optim_g", o->optim_g)) return NULL;
  if (!update_check("gan.Trainer", "discriminator", o->discriminator, "optim_d", o->optim_d)) return NULL;
  Trainer *t = trainer_new(&gan_kind, o->data, sizeof(Gan));
  if (!t) return NULL;
  Gan *g = t->self;
  take_options(g, o);
  t->report.epoch_steps = (loader_batches(o->data) + (long)g->d_steps - 1) / (long)g->d_steps;
  if (draw_picture_latent(g, o->samples ? o->samples : 64)) return t;
  trainer_drop(t);
  return NULL;
}

Tensor *gan_trainer_latent(Trainer *t) {
  return t && t->kind == &gan_kind ? ((Gan *)t->self)->latent : NULL;
}

bool gan_trainer_set_latent(Trainer *t, Tensor *z) {
  if (!t || !z || nn_failed()) return false;
  if (t->kind != &gan_kind) return nn_fail("latent: only a gan.Trainer has one, not a %s", t->kind->name), false;
  Gan *g = t->self;
  bool fits = z->ndim == g->latent_ndim + 1 && z->shape[0] > 0 &&
              !memcmp(z->shape + 1, g->latent_shape, (size_t)g->latent_ndim * sizeof(long));
  if (!fits || !z->data)
    return nn_fail("gan.Trainer: the latent must be (N,...) with %s for each picture, got %s",
                   shape_text(g->latent_ndim, g->latent_shape), tensor_shape_text(z)),
           false;
  size_t scope = scope_enter();
  Tensor *copy = tensor_keep(tensor_from(z->ndim, z->shape, z->data));
  scope_leave(scope, NULL);
  if (!copy) return false;
  tensor_drop(g->latent);
  g->latent = copy;
  return true;
}
