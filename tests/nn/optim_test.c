/* Optimizers, clipping and schedules against PyTorch 2 (float64): ten steps from w_i = sin(i + 1) with the gradient
 * cos(1.7 i + step) + 0.3 w_i, i from 0. */
#include <stdlib.h>

#include "test.h"

enum { N = 6, STEPS = 10, RATES = 12 };

static Tensor *leaf(long n, double (*value)(long i)) {
  Tensor *t = tensor_new(1, &n);
  for (long i = 0; i < n; i++) t->data[i] = (real)value(i);
  tensor_set_requires_grad(t, true);
  return t;
}

static double sine(long i) {
  return sin((double)i + 1);
}

static double zero(long i) {
  (void)i;
  return 0;
}

static void give_grad(Tensor *w, int step) {
  Tensor *g = tensor_new(1, w->shape);
  for (long i = 0; i < w->shape[0]; i++) g->data[i] = (real)(cos(1.7 * (double)i + step) + 0.3 * (double)w->data[i]);
  tensor_set_grad(w, g);
  tensor_drop(g);
}

static Optimizer *make(const char *name, Tensor *w, const double *hyper) {
  Optimizer *o = optim_new(optims_find(name), 1, &w, NULL);
  for (int i = 0; o && optim_hyper_name(o->row, i); i++) optim_set(o, optim_hyper_name(o->row, i), hyper[i]);
  return o;
}

static const struct {
  const char *name;
  double hyper[5], w[N];
} runs[] = {
    {"SGD", {0.1, 0, 0, 0, 0}, {0.754305199, 0.767481281, -0.0547001458, -0.614115732, -0.533929799, -0.194649206}},
    {"SGD", {0.1, 0.9, 0, 0.01, 0}, {0.239971787, 0.415364735, -0.312144833, -0.329517999, 0.368042677, 0.19791292}},
    {"SGD", {0.1, 0.9, 0.5, 0, 0}, {0.32086955, 0.838796607, -0.0722645949, -0.748046566, -0.121783527, 0.289310315}},
    {"SGD", {0.1, 0.9, 0, 0.01, 1}, {0.290784602, 0.360324209, -0.377260543, -0.262118842, 0.439499279, 0.142141115}},
    {"RMSprop", {0.01, 0.99, 1e-8, 0, 0}, {0.766654725, 0.891745128, 0.0493672841, -0.727236362, -0.621709333, -0.195226095}},
    {"RMSprop", {0.02, 0.9, 1e-3, 0.1, 0.5}, {0.676965717, 0.851507891, 0.0479586844, -0.696593509, -0.542994785, -0.144884803}},
    {"Adam", {0.001, 0.9, 0.999, 1e-8, 0}, {0.838725096, 0.909986594, 0.139289905, -0.757408839, -0.952530095, -0.276152173}},
    {"Adam", {0.05, 0.5, 0.9, 1e-2, 0.1}, {0.703391014, 0.846291302, 0.052441025, -0.69758945, -0.660102942, -0.169496609}},
    {"AdamW", {0.001, 0.9, 0.999, 1e-8, 0.01}, {0.838641179, 0.90989561, 0.139275869, -0.757333106, -0.952434617, -0.276124467}},
    {"AdamW", {0.05, 0, 0.99, 1e-8, 0.2}, {0.722200273, 0.744769757, 0.00428773624, -0.598540615, -0.586975773, -0.218102646}},
};

static void test_runs(void) {
  for (size_t r = 0; r < sizeof runs / sizeof *runs; r++) {
    Tensor *w = leaf(N, sine);
    Optimizer *o = make(runs[r].name, w, runs[r].hyper);
    for (int step = 1; step <= STEPS; step++) {
      give_grad(w, step);
      CHECK(optim_step(o));
    }
    for (int i = 0; i < N; i++) CHECK_NEAR((double)w->data[i], runs[r].w[i], 1e-6);
    CHECK(tensor_version(w) == STEPS);
    optim_drop(o);
    tensor_drop(w);
  }
}

static void test_defaults(void) {
  Tensor *w = leaf(N, sine);
  Optimizer *o = optim_new(optims_find("Adam"), 1, &w, NULL);
  CHECK_NEAR(optim_get(o, "lr"), 1e-3, 0);
  CHECK_NEAR(optim_get(o, "beta1"), 0.9, 0);
  CHECK_NEAR(optim_get(o, "beta2"), 0.999, 0);
  CHECK(optim_hyper(o, "lr") == 0 && optim_hyper(o, "betas") == 1 && optim_hyper(o, "beta2") == 2);
  CHECK(optim_hyper(o, "params") == -1 && optim_hyper(o, "momentum") == -1);
  CHECK(!strcmp(optim_hyper_name(o->row, 4), "weight_decay") && !optim_hyper_name(o->row, 5));
  optim_drop(o);
  o = optim_new(optims_find("Adam"), 1, &w,
                (Param[]){{.nil = true}, {.count = 2, .value = {0.5, 0.99}}, {.nil = true}, {.nil = true}});
  CHECK_NEAR(optim_get(o, "lr"), 1e-3, 0);
  CHECK_NEAR(optim_get(o, "beta1"), 0.5, 0);
  CHECK_NEAR(optim_get(o, "eps"), 1e-8, 0);
  optim_drop(o);
  tensor_drop(w);
}

/* A parameter larger than a block: the same bits on any number of threads. */
static void test_threads(void) {
  real *first = NULL;
  const long n = 40001;
  for (int threads = 1; threads <= 3; threads++) {
    workers_set(threads);
    Tensor *w = leaf(n, sine), *b = leaf(7, sine);
    Optimizer *o = optim_new(optims_find("Adam"), 2, (Tensor *[]){w, b}, NULL);
    give_grad(w, 1), give_grad(b, 1);
    double norm = clip_grad_norm(2, (Tensor *[]){w, b}, 1);
    optim_step(o);
    if (!first) {
      first = malloc((size_t)n * sizeof *first + sizeof norm);
      memcpy(first, &norm, sizeof norm);
      memcpy((char *)first + sizeof norm, w->data, (size_t)n * sizeof *first);
    }
    CHECK(!memcmp(first, &norm, sizeof norm));
    CHECK(!memcmp((char *)first + sizeof norm, w->data, (size_t)n * sizeof *first));
    optim_drop(o);
    tensor_drop(w), tensor_drop(b);
  }
  free(first);
}

static void test_groups(void) {
  Tensor *a = leaf(2, sine), *b = leaf(3, sine), *c = leaf(2, sine);
  Optimizer *o = optim_new(optims_find("SGD"), 2, (Tensor *[]){a, c}, NULL);
  CHECK(optim_add_group(o, 1, &b, (Param[5]){{.number = 1}}));
  give_grad(a, 0), give_grad(b, 0); /* c has none and is passed over */
  CHECK(optim_step(o));
  CHECK_NEAR((double)a->data[0], sin(1) - 1e-3 * (1 + 0.3 * sin(1)), 1e-6);
  CHECK_NEAR((double)b->data[0], sin(1) - 1 * (1 + 0.3 * sin(1)), 1e-6);
  CHECK_NEAR((double)c->data[0], sin(1), 1e-6);
  CHECK(o->group[0].step[0] == 1 && o->group[0].step[1] == 0);
  CHECK(optim_set_group(o, 1, "lr", 0.5) && optim_get(o, "lr") == 1e-3 && o->group[1].hyper[0] == 0.5);
  CHECK(optim_set(o, "lr", 0.25) && o->group[0].hyper[0] == 0.25 && o->group[1].hyper[0] == 0.25);
  CHECK(!optim_add_group(o, 1, &a, NULL));
  CHECK_ERROR("optim.SGD: parameter 1, of shape (2), is given twice");
  CHECK(!optim_set_group(o, 2, "lr", 1));
  CHECK_ERROR("optim.SGD: there is no parameter group 3, only 2");
  optim_zero_grad(o);
  CHECK(!tensor_grad(a) && !tensor_grad(b));
  optim_drop(o);
  tensor_drop(a), tensor_drop(b), tensor_drop(c);
}

static void test_refused(void) {
  Tensor *a = leaf(2, sine), *b = leaf(3, sine), *all[] = {a, b};
  Optimizer *o = optim_new(optims_find("Adam"), 2, all, NULL);
  give_grad(a, 1);
  tensor_set_grad(b, a);
  CHECK(!optim_step(o));
  CHECK_ERROR("optim.Adam: the gradient of parameter 2 has shape (2), the parameter (3)");
  CHECK_NEAR((double)a->data[0], sin(1), 1e-6); /* nothing was changed */
  CHECK(o->group[0].step[0] == 0);
  tensor_set_grad(b, NULL);
  memory_fail_after(1);
  CHECK(!optim_step(o));
  memory_fail_after(-1);
  CHECK_ERROR("out of memory");
  CHECK(optim_step(o) && o->group[0].step[0] == 1);
  CHECK(!optim_set(o, "lr", -1));
  CHECK_ERROR("optim.Adam: lr must be at least 0, got -1");
  CHECK(!optim_set(o, "lr", NAN));
  CHECK_ERROR("optim.Adam: lr must be at least 0, got");
  CHECK(!optim_set(o, "beta1", 1));
  CHECK_ERROR("optim.Adam: beta1 must be at least 0 and below 1, got 1");
  CHECK(!optim_set(o, "momentum", 0.9));
  CHECK_ERROR("optim.Adam has no hyperparameter momentum");
  CHECK_NEAR(optim_get(o, "lr"), 1e-3, 0);
  optim_drop(o);
  CHECK(!optim_new(optims_find("SGD"), 1, all, (Param[5]){[0] = {.number = 1}, [4] = {.number = 1}}));
  CHECK_ERROR("optim.SGD: nesterov needs a momentum above 0");
  CHECK(!optim_new(optims_find("SGD"), 0, all, NULL));
  CHECK_ERROR("optim.SGD: the list of parameters is empty");
  CHECK(!optim_new(optims_find("Adam"), 1, all,
                   (Param[]){{.nil = true}, {.count = 1, .value = {0.5}}, {.nil = true}, {.nil = true}}));
  CHECK_ERROR("optim.Adam: betas must be 2 numbers, got 1");
  size_t scope = scope_enter();
  Tensor *result = tensor_neg(a);
  CHECK(!optim_new(optims_find("SGD"), 1, &result, NULL));
  CHECK_ERROR("optim.SGD: parameter 1, of shape (2), is the result of an operation");
  scope_leave(scope, NULL);
  tensor_drop(a), tensor_drop(b);
}

/* Turned on and off again while it trains. */
static void test_momentum_later(void) {
  Tensor *w = leaf(1, zero);
  Optimizer *o = make("SGD", w, (double[]){1, 0, 0, 0, 0});
  real values[] = {1, 1, 1, 1}, expected[] = {-1, -2, -3.5, -4.5};
  for (int step = 0; step < 4; step++) {
    long one = 1;
    Tensor *g = tensor_new(1, &one);
    g->data[0] = values[step];
    tensor_set_grad(w, g);
    tensor_drop(g);
    if (step == 1) optim_set(o, "momentum", 0.5);
    if (step == 3) optim_set(o, "momentum", 0);
    CHECK(optim_step(o));
    CHECK_NEAR((double)w->data[0], (double)expected[step], 1e-6);
  }
  optim_drop(o);
  tensor_drop(w);
}

static void test_clip(void) {
  Tensor *a = leaf(2, zero), *b = leaf(1, zero), *none = leaf(1, zero), *all[] = {a, none, b};
  Tensor *ga = tensor_from(1, (long[]){2}, (real[]){3, -4}), *gb = tensor_from(1, (long[]){1}, (real[]){12});
  tensor_set_grad(a, ga), tensor_set_grad(b, gb);
  CHECK_NEAR(clip_grad_norm(3, all, 20), 13, 1e-6);
  CHECK_NEAR((double)ga->data[1], -4, 0);
  CHECK_NEAR(clip_grad_norm(3, all, 6.5), 13, 1e-6);
  CHECK_NEAR((double)ga->data[1], -2, 1e-5);
  CHECK_NEAR((double)gb->data[0], 6, 1e-5);
  CHECK(clip_grad_value(3, all, 1.75));
  CHECK_NEAR((double)ga->data[0], 1.5, 1e-5);
  CHECK_NEAR((double)ga->data[1], -1.75, 0);
  CHECK_NEAR((double)gb->data[0], 1.75, 0);
  CHECK(isnan(clip_grad_norm(3, all, -1)));
  CHECK_ERROR("clip_grad_norm: max_norm must be at least 0, got -1");
  CHECK(!clip_grad_value(3, all, NAN));
  CHECK_ERROR("clip_grad_value: the bound must be at least 0, got");
  ga->data[0] = (real)INFINITY;
  CHECK(isinf(clip_grad_norm(3, all, 1)));
  tensor_drop(a), tensor_drop(b), tensor_drop(none);
}

static const struct {
  const char *name;
  double params[3], rates[RATES];
} plans[] = {
    {"StepLR", {3, 0.5}, {0.2, 0.2, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025, 0.025, 0.025}},
    {"ExponentialLR",
     {0.9},
     {0.2, 0.18, 0.162, 0.1458, 0.13122, 0.118098, 0.1062882, 0.09565938, 0.086093442, 0.0774840978, 0.069735688, 0.0627621192}},
    {"CosineAnnealingLR",
     {8, 0.01},
     {0.2, 0.192768556, 0.172175144, 0.141354926, 0.105, 0.0686450739, 0.0378248558, 0.0172314444, 0.01, 0.0172314444, 0.0378248558,
      0.0686450739}},
    {"LinearLR", {1 / 3.0, 1, 5}, {0.0666666667, 0.0933333333, 0.12, 0.146666667, 0.173333333, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2}},
    {"LinearLR", {0.25, 0.5, 4}, {0.05, 0.0625, 0.075, 0.0875, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1}},
    {"ConstantLR",
     {1 / 3.0, 5},
     {0.0666666667, 0.0666666667, 0.0666666667, 0.0666666667, 0.0666666667, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2}},
};

static const ScheduleRow *schedule_row(const char *name) {
  for (int i = 0; i < schedules_count(); i++)
    if (!strcmp(schedules_at(i)->name, name)) return schedules_at(i);
  return NULL;
}

static Schedule *plan(const char *name, Optimizer *o, const double *numbers) {
  Param params[3] = {{.number = numbers[0]}, {.number = numbers[1]}, {.number = numbers[2]}};
  return schedule_new(schedule_row(name), o, params);
}

static void test_schedules(void) {
  Tensor *w = leaf(1, zero);
  for (size_t p = 0; p < sizeof plans / sizeof *plans; p++) {
    Optimizer *o = make("SGD", w, (double[]){0.2, 0, 0, 0, 0});
    Schedule *s = plan(plans[p].name, o, plans[p].params);
    for (int step = 0; step < RATES; step++) {
      CHECK_NEAR(optim_get(o, "lr"), plans[p].rates[step], 1e-9);
      schedule_step(s);
    }
    schedule_drop(s);
    optim_drop(o);
  }
  tensor_drop(w);
}

static void test_schedules_together(void) {
  const double chained[] = {0.05, 0.07875, 0.10125, 0.1184625, 0.13122, 0.118098, 0.1062882, 0.09565938};
  Tensor *w = leaf(1, zero);
  Optimizer *o = make("SGD", w, (double[]){0.2, 0, 0, 0, 0});
  Schedule *a = plan("LinearLR", o, (double[]){0.25, 1, 4}), *b = plan("ExponentialLR", o, (double[]){0.9, 0, 0});
  for (int step = 0; step < 8; step++) {
    CHECK_NEAR(optim_get(o, "lr"), chained[step], 1e-8);
    schedule_step(a), schedule_step(b);
  }
  schedule_drop(a), schedule_drop(b);
  optim_set(o, "lr", 1);
  a = plan("ExponentialLR", o, (double[]){0.5, 0, 0});
  schedule_step(a), schedule_step(a);
  CHECK_NEAR(optim_get(o, "lr"), 0.25, 1e-12);
  optim_set(o, "lr", 1); /* by hand: stays four times what it would have been */
  schedule_step(a), schedule_step(a);
  CHECK_NEAR(optim_get(o, "lr"), 0.25, 1e-12);
  optim_set(o, "lr", 0), schedule_step(a);
  CHECK_NEAR(optim_get(o, "lr"), 0, 0);
  optim_set(o, "lr", 1), schedule_step(a);
  CHECK(optim_get(o, "lr") > 0);
  CHECK(!plan("StepLR", o, (double[]){0, 0.5, 0}));
  CHECK_ERROR("optim.StepLR: step_size must be a whole number of at least 1, got 0");
  CHECK(!plan("ExponentialLR", o, (double[]){-1, 0, 0}));
  CHECK_ERROR("optim.ExponentialLR: gamma must be at least 0, got -1");
  CHECK(!schedule_new(schedule_row("ExponentialLR"), o, NULL));
  CHECK_ERROR("optim.ExponentialLR: gamma is missing");
  schedule_drop(a);
  optim_drop(o);
  tensor_drop(w);
}

int main(void) {
  size_t scope = scope_enter();
  size_t before = memory_use().live;
  test_runs();
  test_defaults();
  test_threads();
  test_groups();
  test_refused();
  test_momentum_later();
  test_clip();
  test_schedules();
  test_schedules_together();
  scope_leave(scope, NULL);
  CHECK(memory_use().live == before);
  return test_done();
}
