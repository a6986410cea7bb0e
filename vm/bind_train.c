/* Trainers as objects of the language. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "module.h"

/* ---- making trainers ---- */

static int argument_called(const Arguments *a, const char *name) {
  int i = 0;
  while (i < a->s->count - 1 && strcmp(a->s->arg[i].name, name)) i++;
  return i;
}

static void *given(lua_State *L, const Arguments *a, const char *who, const char *name, Kind kind) {
  const int place = a->place[argument_called(a, name)];
  return place ? value_check(L, place, kind, who, name) : NULL;
}

/* A trainer's row has no tensors, so parameters are numbered as arguments are. */
static const Param *param_of(const Arguments *a, const char *name) {
  return &a->param[argument_called(a, name)];
}

/* The objects among the arguments live as long as the trainer's box. */
static void anchor_parts(lua_State *L, int box, const Arguments *a) {
  for (int i = 0; i < a->s->count; i++)
    if (a->place[i] && value_kind(L, a->place[i]) >= 0) value_anchor(L, box, a->place[i]);
}

static int gan_trainer_call(lua_State *L) {
  const char *who = "gan.Trainer";
  Arguments a;
  const int box = bind_begin(L, KIND_TRAINER, &a);
  const Param *latent = param_of(&a, "latent");
  GanOptions o = {
      .generator = given(L, &a, who, "generator", KIND_MODULE),
      .discriminator = given(L, &a, who, "discriminator", KIND_MODULE),
      .optim_g = given(L, &a, who, "optim_g", KIND_OPTIM),
      .optim_d = given(L, &a, who, "optim_d", KIND_OPTIM),
      .data = given(L, &a, who, "data", KIND_LOADER),
      .latent_ndim = latent->count,
      .loss = (int)param_of(&a, "loss")->number,
      .d_steps = (long)param_of(&a, "d_steps")->number,
      .label_smoothing = param_of(&a, "label_smoothing")->number,
      .instance_noise = param_of(&a, "instance_noise")->number,
      .clip = param_of(&a, "clip")->number,
      .gp_weight = param_of(&a, "gp_weight")->number,
      .samples = (long)param_of(&a, "samples")->number,
  };
  o.latent = 1;
  for (int i = 0; i < latent->count; i++) o.latent *= o.latent_shape[i] = latent->list[i];
  value_give(L, box, gan_trainer_new(&o));
  anchor_parts(L, box, &a);
  return 1;
}

/* A loss of nn's, or a module or a function of output and target. */
static void take_loss(lua_State *L, Arguments *a, FitOptions *o) {
  int *place = &a->place[argument_called(a, "loss")];
  const LossValue *loss = value_test(L, *place, KIND_LOSS);
  if (loss) {
    o->loss = loss->row;
    o->loss_params = loss->param;
    return;
  }
  if (lua_type(L, *place) == LUA_TFUNCTION) {
    push_function_module(L, "loss", *place);
    *place = lua_gettop(L);
  }
  o->own_loss = value_test(L, *place, KIND_MODULE);
  if (!o->own_loss)
    bind_fail(L, "nn.Trainer: loss: a loss, or a module or a function of output and target expected, got %s",
              value_type(L, *place));
}

static int fit_trainer_call(lua_State *L) {
  const char *who = "nn.Trainer";
  Arguments a;
  const int box = bind_begin(L, KIND_TRAINER, &a);
  FitOptions o = {.model = given(L, &a, who, "model", KIND_MODULE)};
  take_loss(L, &a, &o);
  o.optim = given(L, &a, who, "optim", KIND_OPTIM);
  o.data = given(L, &a, who, "data", KIND_LOADER);
  o.test = given(L, &a, who, "test", KIND_LOADER);
  int pushed = value_give(L, box, fit_trainer_new(&o));
  anchor_parts(L, box, &a);
  value_fields(L, box);
  value_push(L, KIND_LOADER, o.test);
  lua_setfield(L, -2, "test");
  lua_pop(L, 1);
  return pushed;
}

/* ---- what a trainer has ---- */

static Trainer *own_trainer(lua_State *L) {
  return value_check(L, 1, KIND_TRAINER, bind_topic(L)->who, "self");
}

static void push_report(lua_State *L, const Report *r) {
  lua_createtable(L, 0, r->n + 4);
  const char *names[] = {"step", "epoch", "epoch_steps"};
  const long counts[] = {r->step, r->epoch, r->epoch_steps};
  for (int i = 0; i < 3; i++) {
    lua_pushinteger(L, counts[i]);
    lua_setfield(L, -2, names[i]);
  }
  lua_pushnumber(L, r->seconds_per_step);
  lua_setfield(L, -2, "seconds_per_step");
  for (int i = 0; i < r->n; i++) {
    lua_pushnumber(L, r->value[i]);
    lua_setfield(L, -2, r->name[i]);
  }
}

static bool push_part(lua_State *L, Trainer *t, const char *key) {
  const char *name[TRAINER_PARTS];
  Module *m[TRAINER_PARTS];
  Optimizer *o[TRAINER_PARTS];
  Tensor **place[TRAINER_PARTS];
  for (int i = 0, n = t->kind->modules ? t->kind->modules(t, name, m) : 0; i < n; i++)
    if (!strcmp(name[i], key)) return value_push(L, KIND_MODULE, m[i]), true;
  for (int i = 0, n = t->kind->optims ? t->kind->optims(t, name, o) : 0; i < n; i++)
    if (!strcmp(name[i], key)) return value_push(L, KIND_OPTIM, o[i]), true;
  for (int i = 0, n = t->kind->tensors ? t->kind->tensors(t, name, place) : 0; i < n; i++)
    if (!strcmp(name[i], key)) return value_push(L, KIND_TENSOR, *place[i]), true;
  return false;
}

static bool find_number(Trainer *t, const char *key, TrainerNumber *found) {
  TrainerNumber number[TRAINER_PARTS];
  for (int i = 0, n = t->kind->numbers ? t->kind->numbers(t, number) : 0; i < n; i++)
    if (!strcmp(number[i].name, key)) return *found = number[i], true;
  return false;
}

/* The values of the report whose name begins with "loss": t.losses.loss_g */
static void push_losses(lua_State *L, const Report *r) {
  lua_newtable(L);
  for (int i = 0; i < r->n; i++) {
    if (strncmp(r->name[i], "loss", 4) != 0) continue;
    lua_pushnumber(L, r->value[i]);
    lua_setfield(L, -2, r->name[i]);
  }
}

/* Short names for the two networks of a GAN, as papers write them. */
static const char *full_name(const char *key) {
  return !strcmp(key, "G") ? "generator" : !strcmp(key, "D") ? "discriminator" : key;
}

static bool trainer_get_field(lua_State *L, void *object, const char *key) {
  Trainer *t = object;
  TrainerNumber number;
  if (!key) return false;
  if (!strcmp(key, "report"))
    push_report(L, &t->report);
  else if (!strcmp(key, "step_number"))
    lua_pushinteger(L, t->report.step);
  else if (!strcmp(key, "epoch"))
    lua_pushinteger(L, t->report.epoch);
  else if (!strcmp(key, "losses"))
    push_losses(L, &t->report);
  else if (!strcmp(key, "running"))
    lua_pushboolean(L, engine_running(t));
  else if (!strcmp(key, "data"))
    value_push(L, KIND_LOADER, t->loader);
  else if (push_part(L, t, full_name(key)))
    return true;
  else if (!find_number(t, key, &number))
    return false;
  else if (!strcmp(key, "loss"))
    lua_pushstring(L, gan_loss_name((int)*number.value));
  else if (number.whole)
    lua_pushinteger(L, (lua_Integer)*number.value);
  else
    lua_pushnumber(L, *number.value);
  return true;
}

static bool trainer_set_field(lua_State *L, void *object, const char *key) {
  Trainer *t = object;
  TrainerNumber number;
  if (!key) return false;
  if (!strcmp(key, "latent")) {
    Tensor *z = value_check(L, 3, KIND_TENSOR, "trainer", "latent");
    if (!gan_trainer_set_latent(t, z)) bind_error(L);
    return true;
  }
  if (!find_number(t, key, &number) || !strcmp(key, "loss")) return false;
  double value = lua_type(L, 3) == LUA_TNUMBER ? lua_tonumber(L, 3) : NAN;
  if (!(value >= number.least && value <= number.most) || (number.whole && value != floor(value))) {
    char range[80];
    snprintf(range, sizeof range, "%snumber from %.15g to %.15g", number.whole ? "whole " : "", number.least, number.most);
    bind_fail(L, "trainer: %s must be a %s, got %s", key, range, value_type(L, 3));
  }
  *number.value = value;
  return true;
}

/* ---- running ---- */

/* The step at which a run ends: so many steps or epochs after the one it is at; -1 when neither is given. */
static long end_of_run(lua_State *L, Trainer *t) {
  Arguments a;
  bind_own_arguments(L, &a);
  const char *who = bind_topic(L)->who;
  double epochs = a.param[0].number, steps = a.param[1].number;
  if (!a.place[0] && !a.place[1]) return -1;
  if (a.place[0] && a.place[1]) bind_fail(L, "%s: epochs or steps, not both", who);
  if (epochs < 0 || steps < 0 || isnan(epochs)) bind_fail(L, "%s: epochs and steps must be at least 0", who);
  if (!a.place[0]) return t->report.step + (long)steps;
  long in_epoch = t->report.epoch_steps ? t->report.epoch_steps : loader_batches(t->loader);
  return t->report.step + (long)ceil(epochs * (double)in_epoch);
}

static int trainer_run_call(lua_State *L) {
  Trainer *t = own_trainer(L);
  long until = end_of_run(L, t);
  if (until < 0)
    return bind_fail(L, "trainer:run: how long? t:run{epochs = 2} or t:run{steps = 100}; t:start() trains without end");
  return engine_run(L, t, until) ? 0 : bind_error(L);
}

static int trainer_start_call(lua_State *L) {
  Trainer *t = own_trainer(L);
  engine_pause(false);
  engine_start(t, end_of_run(L, t));
  return nn_failed() ? bind_error(L) : 0;
}

static int trainer_stop_call(lua_State *L) {
  engine_stop(own_trainer(L));
  return 0;
}

static int trainer_pause_call(lua_State *L) {
  own_trainer(L);
  engine_pause(lua_isnoneornil(L, 2) || lua_toboolean(L, 2));
  return 0;
}

static int trainer_step_call(lua_State *L) {
  Trainer *t = own_trainer(L);
  if (!engine_step(L, t)) return bind_error(L);
  push_report(L, &t->report);
  return 1;
}

static int trainer_evaluate_call(lua_State *L) {
  Trainer *t = own_trainer(L);
  double loss, accuracy;
  if (strcmp(t->kind->name, "nn.Trainer"))
    return bind_fail(L, "trainer:evaluate: only an nn.Trainer has a test set, this is a %s", t->kind->name);
  if (lua_isnoneornil(L, 2)) {
    value_fields(L, 1);
    lua_getfield(L, -1, "test");
  } else {
    lua_pushvalue(L, 2);
  }
  if (lua_isnil(L, -1)) return bind_fail(L, "trainer:evaluate: give a loader, or the trainer a test = ...");
  Loader *data = value_check(L, lua_gettop(L), KIND_LOADER, "trainer:evaluate", "argument 1 (data)");
  if (!fit_trainer_evaluate(t, data, &loss, &accuracy)) return bind_error(L);
  lua_pushnumber(L, loss);
  lua_pushnumber(L, accuracy);
  return 2;
}

static int trainer_picture_call(lua_State *L) {
  Trainer *t = own_trainer(L);
  int at = lua_gettop(L) + 1;
  Box *box = value_new(L, KIND_TENSOR);
  size_t scope = scope_enter();
  Tensor *x = trainer_picture(t);
  if (x) value_set(L, at, box, x);
  scope_leave(scope, NULL);
  if (nn_failed()) return bind_error(L);
  if (!x) lua_pushnil(L);
  return 1;
}

static int trainer_schedule_call(lua_State *L) {
  Trainer *t = own_trainer(L);
  Schedule *s = value_check(L, 2, KIND_SCHEDULE, "trainer:add_schedule", "argument 1 (schedule)");
  return trainer_add_schedule(t, s) ? 0 : bind_error(L);
}

static int trainer_save_call(lua_State *L) {
  Trainer *t = own_trainer(L);
  Arguments a;
  bind_own_arguments(L, &a);
  const char *note = bind_text(L, &a, 1);
  return trainer_save(t, bind_text(L, &a, 0), note ? note : "") ? 0 : bind_error(L);
}

static int trainer_resume_call(lua_State *L) {
  Trainer *t = own_trainer(L);
  Arguments a;
  char *note = NULL;
  bind_own_arguments(L, &a);
  if (!trainer_load(t, bind_text(L, &a, 0), &note)) return bind_error(L);
  lua_pushstring(L, note ? note : "");
  memory_free(note);
  return 1;
}

/* The arguments of gan.Trainer, with the losses that nn/ knows. */
static char gan_args[640];

static void write_gan_args(void) {
  char losses[100];
  size_t at = 0;
  for (int i = 0; gan_loss_name(i); i++)
    at += (size_t)snprintf(losses + at, sizeof losses - at, i ? "|%s" : "%s", gan_loss_name(i));
  snprintf(gan_args, sizeof gan_args,
           "generator:module, discriminator:module, optim_g:any, optim_d:any, data:any, latent:size, loss:%s=bce-logits, "
           "d_steps:integer=1, label_smoothing:number=0, instance_noise:number=0, clip:number=0.01, gp_weight:number=10, "
           "samples:integer=64",
           losses);
}

static const char gan_example[] =
    "(function()\n"
    "  local G, D = nn.Linear(2, 2), nn.Linear(2, 1)\n"
    "  return gan.Trainer {generator = G, discriminator = D, latent = 2, data = data.loader(data.ring {n = 100}),\n"
    "    optim_g = optim.Adam(G:parameters()), optim_d = optim.Adam(D:parameters())}\n"
    "end)()";
static const char fit_example[] =
    "(function()\n"
    "  local net = nn.Sequential {nn.Flatten(), nn.Linear(784, 10)}\n"
    "  return nn.Trainer {model = net, loss = nn.CrossEntropyLoss(), optim = optim.Adam(net:parameters()),\n"
    "    data = data.loader(data.glyphs(100))}\n"
    "end)()";

static const Function functions_train[] = {
    {"gan.Trainer", gan_args,
     "Trains a generator against a discriminator. One step: d_steps updates of D on real and generated samples, one of G.",
     gan_example, gan_trainer_call},
    {"nn.Trainer", "model:module, loss:any, optim:any, data:any, test:any?",
     "Trains a network on a data set: forward, loss, backward, update. loss is one of nn's, or a function(output, target) that "
     "returns one number, the target being the label, or the sample itself where there are none. test is evaluated after each "
     "epoch.",
     fit_example, fit_trainer_call},
    {"trainer:run", "epochs:number?, steps:integer?", "Trains so much further, and returns when it is done.", "t:run{steps = 100}",
     trainer_run_call},
    {"trainer:start", "epochs:number?, steps:integer?",
     "Trains in the background, for so long or until t:stop(); the prompt stays live.", "t:start()", trainer_start_call},
    {"trainer:stop", "", "Ends training in the background at the next step.", "t:stop()", trainer_stop_call},
    {"trainer:pause", "on:boolean=true", "Pauses all training; t:pause(false) goes on.", "t:pause()", trainer_pause_call},
    {"trainer:step", "", "One step; returns its report.", "t:step()", trainer_step_call},
    {"trainer:evaluate", "data:any?", "Loss and accuracy over a loader's data set, by default over test.", "t:evaluate()",
     trainer_evaluate_call},
    {"trainer:picture", "", "What the trainer shows of itself: samples from its fixed latent.", "t:picture()",
     trainer_picture_call},
    {"trainer:add_schedule", "schedule:any", "A schedule that moves on after each step.",
     "t:add_schedule(optim.ExponentialLR(t.optim_g, {gamma = 0.999}))", trainer_schedule_call},
    {"trainer:save", "path:text, note:text?", "Writes a checkpoint with everything that the next step depends on.",
     "t:save(\"gan.ckpt\")", trainer_save_call},
    {"trainer:resume", "path:text", "Goes on from a checkpoint, bit for bit; returns its note.", "t:resume(\"gan.ckpt\")",
     trainer_resume_call},
    {0}};

void bind_training(lua_State *L) {
  write_gan_args();
  bind_fields(L, KIND_TRAINER,
              "report step_number epoch losses running data G D generator discriminator model optim optim_g optim_d latent loss "
              "d_steps label_smoothing "
              "instance_noise clip "
              "gp_weight",
              trainer_get_field, trainer_set_field);
  bind_functions(L, functions_train);
}
