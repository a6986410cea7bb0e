/* Learning-rate schedules: closed forms of PyTorch's. */
#include <math.h>
#include <string.h>

#include "nn.h"

/* ---- rows ---- */

static double step_rate(const Param *p, double base, long step) {
  return base * pow(p[1].number, (double)(step / (long)p[0].number));
}

static const ScheduleRow step_lr = {
    "StepLR",
    "optimizer:any, step_size:integer, gamma:number=0.1",
    "Multiplies lr by gamma every step_size steps.",
    "optim.StepLR(optim.SGD(nn.Linear(2, 3):parameters()), {step_size=30, gamma=0.5})",
    step_rate,
};

static double exponential_rate(const Param *p, double base, long step) {
  return base * pow(p[0].number, (double)step);
}

static const ScheduleRow exponential_lr = {
    "ExponentialLR",
    "optimizer:any, gamma:number",
    "Multiplies lr by gamma at every step.",
    "optim.ExponentialLR(optim.SGD(nn.Linear(2, 3):parameters()), {gamma=0.99})",
    exponential_rate,
};

/* eta_min + (base - eta_min) (1 + cos(pi step / T_max)) / 2 (Loshchilov & Hutter 2017) */
static double cosine_rate(const Param *p, double base, long step) {
  const double pi = 3.14159265358979323846, eta_min = p[1].number;
  return eta_min + (base - eta_min) * (1 + cos(pi * (double)step / p[0].number)) / 2;
}

static const ScheduleRow cosine_annealing_lr = {
    "CosineAnnealingLR",
    "optimizer:any, T_max:integer, eta_min:number=0",
    "Lets lr fall to eta_min over T_max steps along half a cosine.",
    "optim.CosineAnnealingLR(optim.SGD(nn.Linear(2, 3):parameters()), {T_max=1000})",
    cosine_rate,
};

static double linear_rate(const Param *p, double base, long step) {
  double done = (double)step < p[2].number ? (double)step / p[2].number : 1;
  return base * (p[0].number + (p[1].number - p[0].number) * done);
}

static const ScheduleRow linear_lr = {
    "LinearLR",
    "optimizer:any, start_factor:number=0.3333333333333333, end_factor:number=1, total_iters:integer=5",
    "Warm-up: lr times a factor that goes from start_factor to end_factor in total_iters steps.",
    "optim.LinearLR(optim.SGD(nn.Linear(2, 3):parameters()), {start_factor=0.1, total_iters=100})",
    linear_rate,
};

static double constant_rate(const Param *p, double base, long step) {
  return (double)step < p[1].number ? base * p[0].number : base;
}

static const ScheduleRow constant_lr = {
    "ConstantLR",
    "optimizer:any, factor:number=0.3333333333333333, total_iters:integer=5",
    "lr times factor for the first total_iters steps.",
    "optim.ConstantLR(optim.SGD(nn.Linear(2, 3):parameters()), {factor=0.1, total_iters=100})",
    constant_rate,
};

static const ScheduleRow *const rows[] = {&step_lr, &exponential_lr, &cosine_annealing_lr, &linear_lr, &constant_lr};
enum { ROWS = sizeof rows / sizeof *rows };

int schedules_count(void) {
  return ROWS;
}

const ScheduleRow *schedules_at(int i) {
  return rows[i];
}

/* ---- schedules ---- */

static bool take_params(Schedule *s, const Param *params) {
  Signature signature;
  if (!signature_parse(s->row->args, &signature)) return false;
  for (int i = 1; i < signature.count; i++) {
    const Arg *arg = &signature.arg[i];
    Param *p = &s->param[i - 1];
    bool given = params && !params[i - 1].nil, count = arg->kind == ARG_INTEGER;
    if (!given && !arg->optional) return nn_fail("optim.%s: %s is missing", s->row->name, arg->name), false;
    *p = given ? params[i - 1] : arg->fallback;
    bool fits = count ? p->number >= 1 && p->number < 1e15 && p->number == floor(p->number) : p->number >= 0 && isfinite(p->number);
    if (fits) continue;
    return nn_fail("optim.%s: %s must be %s, got %g", s->row->name, arg->name,
                   count ? "a whole number of at least 1" : "at least 0", p->number),
           false;
  }
  return true;
}

static double rate(const Schedule *s, int group) {
  return s->row->rate(s->param, s->base[group], s->step);
}

Schedule *schedule_new(const ScheduleRow *row, Optimizer *o, const Param *params) {
  if (!o || nn_failed()) return NULL;
  Schedule *s = memory_new(sizeof *s);
  if (!s) return NULL;
  s->refs = 1;
  s->row = row;
  s->optim = optim_keep(o);
  if (!take_params(s, params)) {
    schedule_drop(s);
    return NULL;
  }
  for (int g = 0; g < OPTIM_GROUPS; g++) s->base[g] = g < o->groups ? o->group[g].hyper[0] : NAN;
  for (int g = 0; g < o->groups; g++) o->group[g].hyper[0] = rate(s, g);
  return s;
}

/* An lr that is not what the schedule last set was changed by someone else, whose factor the base takes on. A group that is
 * new to the schedule, and an lr that was 0, begin with the lr they have. */
static void follow(Schedule *s, int group, double lr) {
  double set = rate(s, group);
  if (lr == set) return;
  s->base[group] = set > 0 ? s->base[group] * (lr / set) : lr;
}

void schedule_step(Schedule *s) {
  Optimizer *o = s->optim;
  for (int g = 0; g < o->groups; g++) follow(s, g, o->group[g].hyper[0]);
  s->step++;
  for (int g = 0; g < o->groups; g++) o->group[g].hyper[0] = rate(s, g);
}

Schedule *schedule_keep(Schedule *s) {
  if (s) s->refs++;
  return s;
}

void schedule_drop(Schedule *s) {
  if (!s || --s->refs) return;
  optim_drop(s->optim);
  memory_free(s);
}
