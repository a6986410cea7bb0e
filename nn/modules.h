/* Networks and how they learn: modules, layers, losses, optimizers, schedules. See nn.h for the rules. */
#ifndef GANDER_MODULES_H
#define GANDER_MODULES_H

#include "ops.h"

typedef struct Module Module;

/* ---- modules --------------------------------------------------------------------------- */

typedef struct Named {
  char *name;
  Tensor *tensor; /* may be NULL: declared but absent, like the bias of a layer without one */
  bool buffer;    /* saved but not trained */
} Named;

typedef struct Child {
  char *name;
  Module *module;
} Child;

/* A row of the table of layers. build() makes parameters and children from m->param; forward composes ops. The modules
 * of an argument of kind `modules` become children "1", "2", ... by module_add_child after module_new. */
typedef struct Layer {
  const char *name, *args, *help, *example;
  bool (*build)(Module *m);
  Tensor *(*forward)(Module *m, int n, Tensor *const *x);
} Layer;

/* A network or a part of one. Layers in C fill it; one written in a script has its own forward and data. */
struct Module {
  int refs;
  char *name;           /* "Conv2d", or what a script called it */
  const Layer *layer;   /* NULL for a script's own */
  Param param[NN_ARGS]; /* the layer's arguments in the order of its signature */
  bool training;
  int tensors, children;
  Named *tensor;
  Child *child;
  Tensor *(*forward)(Module *m, int n, Tensor *const *x);
  void *data; /* forward's own */
  void (*free_data)(void *data);
  int depth;       /* the most modules that stand above it in any tree; below MODULE_DEPTH */
  int more;        /* results that a layer has besides the first */
  int output_ndim; /* shape of the last forward's result; -1 before the first */
  long output[NN_DIMS];
  uint64_t called; /* forwards are counted: the number of its last one */
  uint64_t walk;   /* the last walk over a tree that met it, so that shared modules are met once */
};
enum { MODULE_DEPTH = 100 }; /* modules nest less deep than this */

int layers_count(void);
const Layer *layers_at(int i);
const Layer *layers_find(const char *name);

Module *module_new(const Layer *layer, const Param *params); /* in signature order */
/* For C: module_make("Conv2d", 3, 64, 4, 2, NN_END): numbers in order, a pair or a size takes one, the rest have defaults. */
#define module_make(layer, ...) module_from(layer, (const double[]){__VA_ARGS__})
Module *module_from(const char *layer, const double *numbers);
#define NN_END ((double)-1e300)
Module *module_custom(const char *name, Tensor *(*forward)(Module *, int, Tensor *const *), void *data, void (*free_data)(void *));
Module *module_sequential(int n, Module *const *modules); /* keeps them */
Module *module_keep(Module *m);
void module_drop(Module *m);
/* The same name again replaces. A parameter is a leaf and will require a gradient; t may be NULL (declared but absent).
 * A child may stand in several places, but not contain m. */
bool module_add_tensor(Module *m, const char *name, Tensor *t, bool buffer);
bool module_add_child(Module *m, const char *name, Module *child);
Tensor *module_call(Module *m, int n, Tensor *const *x); /* forward, with the road to the layer in errors */
/* The same with the further results of a layer that has m->more of them, like the last states of an LSTM. */
enum { MODULE_MORE = 4 }; /* at most */
Tensor *module_call_all(Module *m, int n, Tensor *const *x, Tensor **more);
Tensor *module_forward(Module *m, Tensor *x); /* of one input */
void module_train(Module *m, bool training);
Tensor **module_parameters(Module *m, int *n); /* each once; borrowed tensors in an array to memory_free() */
/* Visits every parameter and buffer with its dotted name, "1.weight", a shared module once; false when visit was. */
bool module_visit(Module *m, bool (*visit)(void *data, const char *name, Module *owner, Named *entry), void *data);
void module_zero_grad(Module *m);
/* print(G): a table of layers, output shapes and parameters as text; shapes are those of the last forward.
 * To memory_free(). */
char *module_text(Module *m);
const char *module_label(const Module *m); /* "Conv2d(3, 64, 4, stride=2)"; good for the next 8 calls */

/* Initialisation in place, whether or not t requires a gradient. Gains are PyTorch's, and so are the fans, which come from
 * the layout: (out,in) has fan_in = in; (KH,KW,in,out) and the transposed (KH,KW,out,in) have fan_in = KH*KW*shape[2] and
 * fan_out = KH*KW*shape[3]. Orthogonal means the columns or rows of (out,in), or of (KH*KW*in,out). */
bool init_normal(Tensor *t, double mean, double std);
bool init_uniform(Tensor *t, double low, double high);
bool init_constant(Tensor *t, double value);
bool init_xavier_uniform(Tensor *t, double gain);
bool init_xavier_normal(Tensor *t, double gain);
bool init_kaiming_uniform(Tensor *t, double negative_slope);
bool init_kaiming_normal(Tensor *t, double negative_slope);
bool init_orthogonal(Tensor *t, double gain);

/* ---- losses: rows whose function composes ops ------------------------------------------ */

typedef struct Loss {
  const char *name, *args, *help, *example; /* args are those of the constructor: reduction, label_smoothing, ... */
  Tensor *(*forward)(const Param *params, Tensor *input, Tensor *target);
} Loss;
int losses_count(void);
const Loss *losses_at(int i);
const Loss *losses_find(const char *name);
enum { REDUCTION_MEAN, REDUCTION_SUM, REDUCTION_NONE };
Tensor *loss_call(const char *name, Tensor *input, Tensor *target); /* with the defaults */

/* ---- optimizers and schedules ---------------------------------------------------------- */

typedef struct OptimRow {
  /* args: params, lr:number=..., ...; every number can be set later. Lists are so many hyperparameters, each with a name of
   * its own: betas:numbers=0.9|0.999 are beta1 and beta2. */
  const char *name, *args, *help, *example;
  int slots;                                   /* tensors of state for each parameter */
  const char *slot_names;                      /* "exp_avg exp_avg_sq" */
  bool (*uses)(int slot, const double *hyper); /* a slot is made when it is used; NULL: all are */
  bool (*check)(const double *hyper); /* further rules than that all are at least 0 and those of lists below 1; may be NULL */
  /* w, g and the slots have n elements; hyper in the order of args without params; step counts from 1 */
  void (*update)(real *w, const real *g, real *const *slot, long n, const double *hyper, long step);
} OptimRow;
enum { OPTIM_GROUPS = 64 };

typedef struct ParamGroup {
  int n;
  Tensor **param;        /* kept */
  Tensor **slot;         /* those of parameter i from [i * slots] on; NULL until first used */
  long *step;            /* of each parameter */
  double hyper[NN_ARGS]; /* lr first */
} ParamGroup;

typedef struct Optimizer {
  int refs;
  const OptimRow *row;
  int groups;
  ParamGroup *group;
} Optimizer;

int optims_count(void);
const OptimRow *optims_at(int i);
const OptimRow *optims_find(const char *name);
Optimizer *optim_new(const OptimRow *row, int n, Tensor *const *params,
                     const Param *hyper);                      /* hyper in order of args after params */
Optimizer *optim_make(const char *name, Module *m, double lr); /* for C, other hyperparameters as by default */
bool optim_add_group(Optimizer *o, int n, Tensor *const *params, const Param *hyper);
Optimizer *optim_keep(Optimizer *o);
void optim_drop(Optimizer *o);
bool optim_step(Optimizer *o);
void optim_zero_grad(Optimizer *o);
const char *optim_hyper_name(const OptimRow *row, int i);     /* "lr", "beta1"; NULL after the last; good for the next 8 calls */
int optim_hyper(const Optimizer *o, const char *name);        /* its place in hyper[], of a list that of its first; or -1 */
bool optim_set(Optimizer *o, const char *name, double value); /* in all groups; an error when the value cannot be */
bool optim_set_group(Optimizer *o, int group, const char *name, double value);
double optim_get(const Optimizer *o, const char *name);               /* of the first group */
double clip_grad_norm(int n, Tensor *const *params, double max_norm); /* returns the norm before */
bool clip_grad_value(int n, Tensor *const *params, double bound);

/* A schedule sets lr from a base of its own, once when it is made and again by each schedule_step. Who sets lr meanwhile,
 * by hand or by another schedule, changes it for good: the base is multiplied by what lr was multiplied by. So schedules
 * of one optimizer multiply, as in PyTorch. */
typedef struct ScheduleRow {
  const char *name, *args, *help, *example;                    /* args: optimizer:any, ... */
  double (*rate)(const Param *params, double base, long step); /* lr after so many steps; params without optimizer */
} ScheduleRow;
typedef struct Schedule {
  int refs;
  const ScheduleRow *row;
  Optimizer *optim;
  double base[OPTIM_GROUPS]; /* lr of each group when it began */
  Param param[NN_ARGS];
  long step;
} Schedule;
int schedules_count(void);
const ScheduleRow *schedules_at(int i);
Schedule *schedule_new(const ScheduleRow *row, Optimizer *o, const Param *params); /* params without optimizer */
void schedule_step(Schedule *s);
Schedule *schedule_keep(Schedule *s);
void schedule_drop(Schedule *s);

#endif
