/* Watching a trainer: what it reports becomes curves and the status line, its pictures are made when there is time. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "view.h"

static const double picture_pause = 0.25, picture_share = 0.012; /* seconds between pictures; part of the time they may take */
static const double message_time = 4;                            /* seconds */

/* Where a reported value is drawn; without a row it gets a plot of its own, with an empty title it is only in log.csv. */
static const struct Place {
  const char *value, *plot, *curve;
  bool held; /* measured now and then and reported until the next time: drawn when it changes */
} place[] = {{"loss_g", "Loss", "G", false},
             {"loss_d", "Loss", "D", false},
             {"loss", "Loss", "training", false},
             {"test_loss", "Loss", "test", true},
             {"D(x)", "Discriminator", "D(x)", false},
             {"D(G(z))", "Discriminator", "D(G(z))", false},
             {"accuracy", "Accuracy", "training", false},
             {"test_accuracy", "Accuracy", "test", true},
             {"penalty", "Gradient penalty", "penalty", false},
             {"grad", "", "", false},
             {"grad_g", "", "", false},
             {"grad_d", "", "", false},
             {NULL, NULL, NULL, false}};

/* ---- curves and status ---- */

static bool add_value(View *v, const Report *r, int i) {
  const struct Place *p = place;
  while (p->value && strcmp(p->value, r->name[i])) p++;
  if (p->value && !p->plot[0]) return true;
  Panel *panel = scene_panel(&v->scene, &panel_plot, p->value ? p->plot : r->name[i]);
  if (panel && p->held && plot_last(panel, p->curve) == r->value[i]) return true;
  if (!panel || !plot_add(panel, p->value ? p->curve : r->name[i], r->step, r->value[i])) return false;
  panel->version++;
  return true;
}

static void add_report(View *v, const Report *r) {
  view_lock(v);
  for (int i = 0; i < r->n; i++)
    if (!add_value(v, r, i)) nn_clear_error(); /* no room for one more curve: the others are drawn */
  view_publish(v, NULL);
}

static int optims_of(Trainer *t, Optimizer **o) {
  const char *name[TRAINER_PARTS];
  return t->kind->optims ? t->kind->optims(t, name, o) : 0;
}

static void fill_training(Status *s, Trainer *t) {
  Optimizer *optim[TRAINER_PARTS];
  const Report *r = &t->report;
  s->trains = true;
  s->epoch = r->epoch;
  s->epoch_steps = r->epoch_steps;
  s->step = r->step;
  s->until = engine_until(t);
  s->seconds_per_step = r->seconds_per_step;
  int n = optims_of(t, optim);
  for (int i = 0; i < n && s->lrs < (int)(sizeof s->lr / sizeof *s->lr); i++) s->lr[s->lrs++] = optim_get(optim[i], "lr");
}

void watch_status(View *v, const char *message) {
  Watch *w = &v->watch;
  Status s = {.until = -1, .paused = engine_paused(), .walk = w->direction, .angle = w->angle, .hint = v->files ? NULL : "h  keys"};
  if (w->trainer) fill_training(&s, w->trainer);
  view_lock(v);
  Status *shown = v->scene.status.data;
  memcpy(s.message, shown->message, sizeof s.message);
  s.message_until = shown->message_until;
  if (message) {
    snprintf(s.message, sizeof s.message, "%s", message);
    s.message_until = view_clock() + message_time;
  }
  *shown = s;
  view_publish(v, &v->scene.status);
}

bool watch_report(Report *out, const View *v) {
  if (v->watch.trainer) *out = v->watch.trainer->report;
  return v->watch.trainer;
}

/* ---- pictures ---- */

static bool show(View *v, const Tensor *x) {
  static const char *const who = "window:watch(trainer)";
  bool points = x->ndim == 2 && x->shape[1] == 2;
  if (!points && !images_fits(x)) return true; /* nothing that has a picture */
  view_lock(v);
  Panel *p = scene_panel(&v->scene, points ? &panel_scatter : &panel_images, "Samples");
  bool ok = p && (points ? scatter_set(p, x, who) : images_set(p, x, who));
  view_publish(v, ok ? p : NULL);
  return ok;
}

bool watch_picture(View *v) {
  double began = view_clock();
  size_t scope = scope_enter();
  const Tensor *x = trainer_picture(v->watch.trainer);
  bool ok = !nn_failed() && (!x || show(v, x));
  scope_leave(scope, NULL);
  if (ok && x) view_recorded(v);
  double now = view_clock(), rest = (now - began) / picture_share;
  v->watch.picture_due = now + fmax(picture_pause, rest);
  return ok;
}

/* A picture that cannot be made ends neither the training nor the curves. */
static void picture_or_say(View *v) {
  sliders_refresh(v);
  if (v->watch.failed || watch_picture(v)) return;
  v->watch.failed = true;
  engine_say("no more pictures of this trainer: %s", nn_error());
  nn_clear_error();
}

void watch_now(View *v) {
  if (v->watch.trainer) picture_or_say(v);
  watch_status(v, NULL);
}

void watch_step(View *v) {
  add_report(v, &v->watch.trainer->report);
  if (v->files) {
    files_log(v);
    if (files_want_picture(v)) {
      picture_or_say(v);
      watch_status(v, NULL);
    }
    files_step(v);
    return;
  }
  if (view_clock() >= v->watch.picture_due) picture_or_say(v);
  watch_status(v, NULL);
}

/* ---- beginning and end ---- */

/* Real points pale behind those that are made, when the data are points in the plane. */
static bool show_data(View *v, Trainer *t) {
  const Dataset *set = t->loader ? t->loader->set : NULL;
  if (!set || set->ndim != 1 || set->shape[0] != 2 || !set->reals) return true;
  view_lock(v);
  Panel *p = scene_panel(&v->scene, &panel_scatter, "Samples");
  bool ok = p && scatter_behind(p, set->reals, "window:watch(trainer)");
  view_publish(v, ok ? p : NULL);
  return ok;
}

bool watch_begin(View *v, Trainer *t) {
  watch_end(v);
  v->watch = (Watch){.trainer = trainer_keep(t)};
  if (!show_data(v, t) || !watch_picture(v)) {
    watch_end(v);
    return false;
  }
  v->watch.picture_due = 0; /* the first step shows */
  watch_status(v, NULL);
  if (v->files) files_step(v);
  return true;
}

void watch_end(View *v) {
  Watch *w = &v->watch;
  if (w->latent) gan_trainer_set_latent(w->trainer, w->latent); /* a walk leaves no trace */
  tensor_drop(w->latent);
  trainer_drop(w->trainer);
  *w = (Watch){.trainer = NULL};
}

/* ---- keys ---- */

void watch_rate(View *v, double factor) {
  Optimizer *optim[TRAINER_PARTS];
  int n = v->watch.trainer ? optims_of(v->watch.trainer, optim) : 0;
  char text[96] = "no learning rate to change: no trainer is watched";
  for (int i = 0; i < n; i++)
    for (int g = 0; g < optim[i]->groups; g++) {
      double lr = optim[i]->group[g].hyper[optim_hyper(optim[i], "lr")] * factor;
      if (optim_set_group(optim[i], g, "lr", lr)) snprintf(text, sizeof text, "learning rate × %.3g", factor);
    }
  nn_clear_error();
  sliders_refresh(v);
  watch_status(v, text);
}

/* Turns every latent towards one random direction d: z cos(a) + d sin(a), which keeps the length that G was trained on. */
static Tensor *turned(const Tensor *z, int direction, double angle) {
  long n = z->ndim ? z->shape[0] : 1, size = tensor_numel(z) / (n ? n : 1);
  Tensor *out = tensor_from(z->ndim, z->shape, z->data), *d = tensor_new(1, &size);
  if (out && d) {
    Random own = {.seed = (uint64_t)direction}, *before = random_use(&own);
    random_normal(d->data, size);
    random_use(before);
    for (long i = 0; i < n * size; i++) out->data[i] = (real)cos(angle) * z->data[i] + (real)sin(angle) * d->data[i % size];
  }
  tensor_drop(d);
  return out;
}

void watch_walk(View *v, int direction, double angle) {
  Watch *w = &v->watch;
  Tensor *z = w->trainer && !strcmp(w->trainer->kind->name, "gan.Trainer") ? gan_trainer_latent(w->trainer) : NULL;
  if (!z) {
    watch_status(v, "no latent to walk in: only a GAN has one");
    return;
  }
  if (!w->latent) w->latent = tensor_from(z->ndim, z->shape, z->data);
  w->direction += direction;
  if (w->direction < 1) w->direction = 1;
  w->angle = (direction ? 0 : w->angle) + angle;
  if (fabs(w->angle) < 1e-9) w->angle = 0; /* back where it began, to the bit */
  Tensor *new = w->latent ? turned(w->latent, w->direction, w->angle) : NULL;
  if (new &&gan_trainer_set_latent(w->trainer, new)) watch_picture(v);
  tensor_drop(new);
  if (nn_failed()) engine_say("%s", nn_error());
  nn_clear_error();
  watch_status(v, NULL);
}
