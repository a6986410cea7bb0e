/* gander's library: tensors, gradients, networks and their training, in plain C.
 *
 * This header is the manual. The library prints nothing, never exits, and knows neither Lua nor
 * a window. Five rules hold everywhere:
 *
 * 1. One thread at a time calls it (its own workers only run kernels).
 * 2. Whoever makes an object with X_new owns it and ends it with X_drop; X_keep takes a further
 *    reference. A *function of tensors* (tensor_add, ...) returns a tensor that belongs to the
 *    open scope: scope_leave() drops all that were made since scope_enter(), but for the result.
 *    So expressions nest, `tensor_mean(tensor_square(tensor_sub(a, b)), ...)`, and leak nothing.
 * 3. What fails returns NULL (or false) and leaves a message in nn_error(); the first message
 *    wins. Functions of tensors given a NULL return NULL, so one check at the end is enough.
 * 4. Dimensions and positions given as C integers count from 0; dimensions may be negative (-1 is
 *    the last). Tensors that *hold* indices or class labels hold them counted from 1, since the
 *    same tensor is seen by scripts; index_at() is the one place that converts.
 * 5. The channel is the last dimension: images are N,H,W,C, sequences N,T,C.
 *
 * Letters in shapes: N samples, H height, W width, C channels, T time, D features, K kernel;
 * m,k,n the sides of a matrix product. */
#ifndef GANDER_NN_H
#define GANDER_NN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef NN_DOUBLE
typedef double real; /* the build in which gradients are checked */
#else
typedef float real;
#endif

enum { NN_DIMS = 8 }; /* most dimensions a tensor has */

typedef struct Storage Storage;
typedef struct Node Node;
typedef struct Op Op;
typedef struct Call Call; /* in row.h, for those who write ops */
typedef struct Module Module;

/* ---- errors ---------------------------------------------------------------------------- */

void *nn_fail(const char *format, ...) __attribute__((format(printf, 1, 2))); /* keep the first message; always NULL */
bool nn_failed(void);                                                         /* is a message waiting? */
const char *nn_error(void);                                                   /* the message, "" when there is none */
void nn_clear_error(void);                                                    /* after it was reported */

/* ---- memory ---------------------------------------------------------------------------- */

typedef struct MemoryUse {
  size_t live, cached, peak; /* bytes in tensors, in the cache, most ever live */
  size_t limit;              /* live may not pass this; by default what the machine has */
  unsigned long fresh;       /* blocks ever asked of the system: stands still once a step is warm */
} MemoryUse;

MemoryUse memory_use(void);
void memory_limit(size_t bytes);                          /* 0: what the machine (or its container) has */
void memory_drop_cache(void);                             /* and packed weights, which are in use as long as their tensors */
void memory_on_full(void (*collect)(void *), void *data); /* called once before an allocation fails */
void memory_fail_after(long allocations);                 /* for tests: the n-th allocation from now fails; -1 never */
void *memory_new(size_t bytes);                           /* zeroed bookkeeping memory; NULL and nn_error() when full */
void memory_free(void *p);

size_t scope_enter(void);
struct Tensor *scope_leave(size_t scope, struct Tensor *result); /* drops all since, hands result outwards */

/* ---- workers --------------------------------------------------------------------------- */

/* Calls body(job, from, to) for pieces of 0..n, `grain` at a time, on all threads. Pieces must not depend on each
 * other; they are cut by n and grain only, never by the number of threads, so results have the same bits on any. */
void workers_for(long n, long grain, void (*body)(void *job, long from, long to), void *job);
int workers_count(void);
int workers_self(void);        /* which thread runs this piece, 0..workers_count()-1: for room to work in, never for results */
void workers_set(int threads); /* 1..64; the first use takes GANDER_THREADS or as many as it has cores */
double work_done(void);        /* floating-point operations of all products and convolutions so far */

/* Products and convolutions run kernels for AVX-512, AVX2 or neither, as the CPU has it; the environment's GANDER_CPU=avx512, avx2
 * or generic chooses. All give the same bits where the CPU has fused multiply-add. GANDER_BLAS=1: OpenBLAS multiplies matrices
 * (not convolutions). */

/* Convolutions whose shapes suit it are computed with fewer multiplications, by Winograd's algorithm; exact: by the sums written
 * out, which differ in the last bits and are no nearer to the true result. */
bool exact_enable(bool on); /* returns the state before; off at start */
bool exact_enabled(void);

/* ---- random numbers -------------------------------------------------------------------- */

/* Philox 4x32-10 (Salmon et al. 2011): number i of a stream is a function of (seed, position + i) alone. */
typedef struct Random {
  uint64_t seed, position;
} Random;

Random *random_current(void);           /* the stream that makers and dropout draw from */
Random *random_use(Random *stream);     /* draw from another; returns the one before. NULL: the global one */
void random_seed(uint64_t seed);        /* the current stream from its beginning */
Random random_take(long n);             /* where the next n numbers of the current stream begin, which is moved past them */
void random_uniform(real *out, long n); /* [0, 1) */
void random_normal(real *out, long n);  /* mean 0, variance 1 */
uint64_t random_below(uint64_t n);      /* one integer in 0..n-1, without bias */
void random_shuffle(long *order, long n);

/* ---- tensors --------------------------------------------------------------------------- */

typedef struct Tensor {
  int refs, ndim;
  long shape[NN_DIMS];
  real *data;       /* contiguous, last dimension fastest; NULL when only the shape was kept */
  Storage *storage; /* shared by views */
  Node *node;       /* how it was made, or that it is a leaf that wants a gradient; else NULL */
} Tensor;

Tensor *tensor_new(int ndim, const long *shape);                          /* contents undefined */
Tensor *tensor_from(int ndim, const long *shape, const real *values);     /* copies */
Tensor *tensor_scalar(double value);                                      /* no dimensions */
Tensor *tensor_view(Tensor *t, int ndim, const long *shape, long offset); /* same memory, no gradient */
Tensor *tensor_detach(Tensor *t);                                         /* same memory, no gradient */
Tensor *tensor_keep(Tensor *t);                                           /* a reference of one's own; NULL gives NULL */
void tensor_drop(Tensor *t);
void tensor_free_memory(Tensor *t); /* lets its memory go now; using it afterwards is an error */
long tensor_numel(const Tensor *t);
double tensor_item(const Tensor *t); /* of one element; NaN and an error otherwise */
bool tensor_same_shape(const Tensor *a, const Tensor *b);
const char *tensor_shape_text(const Tensor *t); /* "(2,3)"; good for the next 16 calls */
const char *shape_text(int ndim, const long *shape);
bool dim_check(const char *who, int ndim, long *dim); /* -1 becomes ndim-1; error if outside */
long index_at(const Tensor *indices, long i, long n); /* the i-th index, from 0; -1 and an error if not whole or not in 1..n */
unsigned tensor_version(const Tensor *t);             /* counts in-place writes to its memory */

/* In-place writes; refused for tensors inside a graph that is being recorded. They bump the version: who writes to data by hand
 * calls tensor_begin_write first, or what was packed of the old numbers is used. */
bool tensor_begin_write(Tensor *t, const char *who);
bool tensor_fill(Tensor *t, double value);
bool tensor_copy_to(Tensor *t, Tensor *from);              /* from is broadcast to t */
bool tensor_add_to(Tensor *t, Tensor *from, double scale); /* t += scale * from, same shape */

/* ---- gradients ------------------------------------------------------------------------- */

bool grad_enabled(void);
bool grad_enable(bool on); /* returns what it was: bool was = grad_enable(false); ...; grad_enable(was); */

bool tensor_requires_grad(const Tensor *t);
bool tensor_set_requires_grad(Tensor *t, bool on); /* leaves only */
bool tensor_is_leaf(const Tensor *t);
Tensor *tensor_grad(const Tensor *t);          /* the accumulated gradient or NULL (borrowed) */
void tensor_set_grad(Tensor *t, Tensor *grad); /* NULL clears */

enum { GRAD_CREATE_GRAPH = 1, GRAD_RETAIN_GRAPH = 2 };

/* Adds d out / d leaf into .grad of every leaf, or only of `inputs` when given: then nothing that does not lead to
 * them is computed. seed is the gradient of out, by default 1 for one element. The graph is freed as it goes. */
bool tensor_backward(Tensor *out, Tensor *seed, int n, Tensor *const *inputs, int flags);
/* Gradients of out for `inputs` into grads[n] (scope's; zeros where out does not depend on it); .grad is untouched. */
bool tensor_gradients(Tensor *out, Tensor *seed, int n, Tensor *const *inputs, int flags, Tensor **grads);

/* ---- ops ------------------------------------------------------------------------------- */

/* An argument that is no tensor. */
typedef struct Param {
  double number; /* number, integer, boolean, dimension and position (from 0), choice (its place from 0) */
  int count;     /* of list or value */
  bool nil;      /* not given, and without a default */
  union {
    long list[NN_DIMS];    /* sizes, dimensions, pairs */
    double value[NN_DIMS]; /* numbers */
  };
} Param;

/* What a row's argument string declares, `name[:kind][=default][?]` between commas:
 *   x            a tensor (or a number)       bias?          a tensor that may be missing
 *   y:constant   a tensor without gradient    xs:tensors     a list of tensors
 *   a:number=1   n:integer   keepdim:boolean=false   at:position   dim:dim   dims:dims=nil (all)   shape:size   stride:pair=1
 *   betas:numbers=0.9|0.999                   a list of so many numbers
 *   mode:nearest|bilinear=nearest             a choice
 *   net:module   nets:modules   params:tensors   f:function  opt:any        for rows that are not ops */
typedef enum ArgKind {
  ARG_TENSOR,
  ARG_CONSTANT,
  ARG_TENSORS,
  ARG_NUMBER,
  ARG_INTEGER,
  ARG_BOOLEAN,
  ARG_DIM,
  ARG_POSITION,
  ARG_DIMS,
  ARG_SIZE,
  ARG_PAIR,
  ARG_NUMBERS,
  ARG_CHOICE,
  ARG_TEXT,
  ARG_MODULE,
  ARG_MODULES,
  ARG_FUNCTION,
  ARG_TABLE,
  ARG_ANY
} ArgKind;

enum { NN_ARGS = 24 };

typedef struct Arg {
  char name[32];
  ArgKind kind;
  bool optional;    /* may be left out: it has a default or a ? */
  Param fallback;   /* the default */
  char choices[64]; /* of a choice: nearest|bilinear; of a text: its default */
} Arg;

typedef struct Signature {
  int count, tensors, params; /* arguments in all; those that are tensors; the others */
  bool list;                  /* the tensor argument is a list */
  Arg arg[NN_ARGS];
} Signature;

bool signature_parse(const char *args, Signature *out); /* false and an error for a malformed row */
int choice_find(const Arg *arg, const char *word);      /* its place, or -1 */

/* A row of the table of ops: what scripts, help, manual, completion and gradient checks are made from. */
struct Op {
  const char *name, *args, *help;
  const char *example;         /* Lua, runnable, one a line; the gradient check runs each and checks this op at its arguments */
  bool (*shape)(Call *call);   /* check the arguments, set ndim and shape of the result; the only step that explains errors */
  bool (*forward)(Call *call); /* fill call->out; NULL for ops that only view */
  void (*backward)(Call *call, Tensor *grad, Tensor **grads); /* in ops; NULL: no gradient */
  const char *needs; /* what backward reads of: names of arguments and "out"; only these stay in memory */
};

int ops_count(void);
const Op *ops_at(int i);
const Op *ops_find(const char *name);
const Signature *op_signature(const Op *op);
Tensor *op_call(const Op *op, int n, Tensor *const *in, const Param *params);

/* Checks an op's first and second derivatives against central differences at the arguments of its next call:
 * gradcheck_watch(op), run the example, gradcheck_result(). Meant for the double build. */
typedef struct GradCheck {
  bool called, ok;
  double first, second; /* worst relative errors */
  char where[160];
} GradCheck;
void gradcheck_watch(const Op *op);
GradCheck gradcheck_result(void);

/* ---- ops by name, for C: `dims` are given as a count and a list, count 0 meaning all --------------------- */

/* makers */
Tensor *tensor_zeros(int ndim, const long *shape);
Tensor *tensor_ones(int ndim, const long *shape);
Tensor *tensor_full(double value, int ndim, const long *shape);
Tensor *tensor_eye(long n);
Tensor *tensor_arange(double from, double to, double step); /* from, from+step, ... up to and with to */
Tensor *tensor_linspace(double from, double to, long n);
Tensor *tensor_rand(int ndim, const long *shape);
Tensor *tensor_randn(int ndim, const long *shape);
Tensor *tensor_randint(long low, long high, int ndim, const long *shape); /* low..high, both included */
Tensor *tensor_randperm(long n);                                          /* 1..n shuffled */
Tensor *tensor_bernoulli(double p, int ndim, const long *shape);          /* 1 with probability p, else 0 */
/* element by element */
Tensor *tensor_neg(Tensor *x);
Tensor *tensor_abs(Tensor *x);
Tensor *tensor_sign(Tensor *x);
Tensor *tensor_exp(Tensor *x);
Tensor *tensor_log(Tensor *x);
Tensor *tensor_log1p(Tensor *x);
Tensor *tensor_sqrt(Tensor *x);
Tensor *tensor_rsqrt(Tensor *x);
Tensor *tensor_square(Tensor *x);
Tensor *tensor_sin(Tensor *x);
Tensor *tensor_cos(Tensor *x);
Tensor *tensor_tanh(Tensor *x);
Tensor *tensor_sigmoid(Tensor *x);
Tensor *tensor_erf(Tensor *x);
Tensor *tensor_relu(Tensor *x);
Tensor *tensor_leaky_relu(Tensor *x, double negative_slope);
Tensor *tensor_elu(Tensor *x, double alpha);
Tensor *tensor_gelu(Tensor *x);
Tensor *tensor_silu(Tensor *x);
Tensor *tensor_softplus(Tensor *x);
Tensor *tensor_clamp(Tensor *x, double min, double max); /* -INFINITY, INFINITY for no bound */
Tensor *tensor_add(Tensor *a, Tensor *b);                /* two tensors broadcast as in NumPy */
Tensor *tensor_sub(Tensor *a, Tensor *b);
Tensor *tensor_mul(Tensor *a, Tensor *b);
Tensor *tensor_div(Tensor *a, Tensor *b);
Tensor *tensor_pow(Tensor *a, Tensor *b);
Tensor *tensor_maximum(Tensor *a, Tensor *b);
Tensor *tensor_minimum(Tensor *a, Tensor *b);
Tensor *tensor_eq(Tensor *a, Tensor *b); /* comparisons give 1 or 0 and have no gradient */
Tensor *tensor_ne(Tensor *a, Tensor *b);
Tensor *tensor_lt(Tensor *a, Tensor *b);
Tensor *tensor_le(Tensor *a, Tensor *b);
Tensor *tensor_gt(Tensor *a, Tensor *b);
Tensor *tensor_ge(Tensor *a, Tensor *b);
Tensor *tensor_where(Tensor *condition, Tensor *a, Tensor *b);
Tensor *tensor_scale(Tensor *x, double factor); /* x * factor + 0; with tensor_shift the numbers of formulas */
Tensor *tensor_shift(Tensor *x, double term);
/* reductions */
Tensor *tensor_sum(Tensor *x, int count, const long *dims, bool keepdim);
Tensor *tensor_mean(Tensor *x, int count, const long *dims, bool keepdim);
Tensor *tensor_var(Tensor *x, int count, const long *dims, bool keepdim, bool unbiased);
Tensor *tensor_std(Tensor *x, int count, const long *dims, bool keepdim, bool unbiased);
Tensor *tensor_max(Tensor *x, int count, const long *dims, bool keepdim);
Tensor *tensor_min(Tensor *x, int count, const long *dims, bool keepdim);
Tensor *tensor_prod(Tensor *x, int count, const long *dims, bool keepdim);
Tensor *tensor_norm(Tensor *x, int count, const long *dims, bool keepdim); /* sqrt of the sum of squares; gradient 0 at 0 */
Tensor *tensor_logsumexp(Tensor *x, int count, const long *dims, bool keepdim);
Tensor *tensor_argmax(Tensor *x, long dim, bool keepdim); /* counted from 1 */
Tensor *tensor_argmin(Tensor *x, long dim, bool keepdim);
Tensor *tensor_softmax(Tensor *x, long dim);
Tensor *tensor_log_softmax(Tensor *x, long dim);
Tensor *tensor_bce_with_logits(Tensor *x, Tensor *target, double pos_weight); /* element by element */
Tensor *tensor_cross_entropy(Tensor *x, Tensor *labels);                      /* of each row of x (...,C); labels from 1 */
Tensor *tensor_sum_to(Tensor *x, int ndim, const long *shape);                /* undoes a broadcast: sums down to shape */
/* shape */
Tensor *tensor_reshape(Tensor *x, int ndim, const long *shape); /* one -1 is worked out; shares memory */
Tensor *tensor_flatten(Tensor *x, long from, long to);
Tensor *tensor_transpose(Tensor *x, long a, long b);
Tensor *tensor_permute(Tensor *x, int ndim, const long *order);
Tensor *tensor_narrow(Tensor *x, long dim, long from, long n); /* shares memory for dimension 0 */
Tensor *tensor_select(Tensor *x, long dim, long at);
Tensor *tensor_cat(int n, Tensor *const *xs, long dim);
Tensor *tensor_stack(int n, Tensor *const *xs, long dim);
Tensor *tensor_expand(Tensor *x, int ndim, const long *shape);
Tensor *tensor_repeat(Tensor *x, int ndim, const long *times);
Tensor *tensor_pad(Tensor *x, int count, const long *before_after, double value); /* pairs, from the first dimension on */
Tensor *tensor_flip(Tensor *x, int count, const long *dims);
Tensor *tensor_index_select(Tensor *x, long dim, Tensor *indices);
Tensor *tensor_gather(Tensor *x, long dim, Tensor *indices);
Tensor *tensor_index_add(Tensor *x, long dim, Tensor *indices, Tensor *source);   /* x with source's slices added */
Tensor *tensor_scatter_add(Tensor *x, long dim, Tensor *indices, Tensor *source); /* gather's derivative */
/* An activation function that some ops apply to their result on its way out; slope is leaky_relu's. */
enum { ACTIVATION_NONE, ACTIVATION_RELU, ACTIVATION_LEAKY_RELU, ACTIVATION_SIGMOID, ACTIVATION_TANH };
typedef struct Activation {
  int kind;
  double slope;
} Activation;
/* products and networks */
Tensor *tensor_matmul(Tensor *a,
                      Tensor *b); /* (m,k)(k,n), batched over leading dimensions with broadcasting; vectors as in NumPy */
Tensor *tensor_linear(Tensor *x, Tensor *weight, Tensor *bias); /* x (...,in) weight (out,in) bias (out) or NULL */
Tensor *tensor_linear_activated(Tensor *x, Tensor *weight, Tensor *bias, Activation a);
Tensor *tensor_linear_weight(Tensor *x, Tensor *grad); /* linear's derivative by weight: gradT x */
/* Convolutions. x (N,H,W,Cin), weight (KH,KW,Cin/groups,Cout), bias (Cout) or NULL; pairs are {height, width}. */
typedef struct ConvShape {
  long stride[2], padding[2], dilation[2];
  long groups; /* parts of the channels: each of Cout is made of one part of Cin; 0 is as 1 */
} ConvShape;
Tensor *tensor_conv2d(Tensor *x, Tensor *weight, Tensor *bias, ConvShape s);
Tensor *tensor_conv2d_activated(Tensor *x, Tensor *weight, Tensor *bias, ConvShape s, Activation a);
Tensor *tensor_conv2d_input(Tensor *grad, Tensor *weight, long height, long width, ConvShape s);  /* conv2d's derivative by x */
Tensor *tensor_conv2d_weight(Tensor *x, Tensor *grad, long kernel_h, long kernel_w, ConvShape s); /* by weight */
/* x (N,H,W,Cin), weight (KH,KW,Cout/groups,Cin): out = (H-1)*stride - 2*padding + dilation*(K-1) + output_padding + 1 */
Tensor *tensor_conv_transpose2d(Tensor *x, Tensor *weight, Tensor *bias, ConvShape s, const long output_padding[2]);
Tensor *tensor_conv_transpose2d_activated(Tensor *x, Tensor *weight, Tensor *bias, ConvShape s, const long output_padding[2],
                                          Activation a);
Tensor *tensor_max_pool2d(Tensor *x, const long kernel[2], const long stride[2], const long padding[2]);
Tensor *tensor_avg_pool2d(Tensor *x, const long kernel[2], const long stride[2], const long padding[2]);
enum { UPSAMPLE_NEAREST, UPSAMPLE_BILINEAR };
Tensor *tensor_upsample(Tensor *x, long height, long width, int mode); /* x (N,H,W,C); bilinear as PyTorch's align_corners=False */
/* x (...,C). Training: normalises by the batch and moves the running statistics (may be NULL); else by them. */
Tensor *tensor_batch_norm(Tensor *x, Tensor *weight, Tensor *bias, Tensor *running_mean, Tensor *running_var, bool training,
                          double momentum, double eps);
Tensor *tensor_batch_norm_activated(Tensor *x, Tensor *weight, Tensor *bias, Tensor *running_mean, Tensor *running_var,
                                    bool training, double momentum, double eps, Activation a); /* relu or leaky_relu */
Tensor *tensor_layer_norm(Tensor *x, Tensor *weight, Tensor *bias,
                          double eps); /* over the last dimension; weight, bias (C) or NULL */
Tensor *tensor_dropout(Tensor *x, double p, bool training);
Tensor *tensor_embedding(Tensor *indices, Tensor *weight); /* (...) from 1, (V,D) -> (...,D) */

/* softmax(query keyT / sqrt(D)) value of heads side by side: query (...,T,heads*D), key (...,S,heads*D), value (...,S,heads*E);
 * key and value NULL: query is all three, one behind the other in the last dimension. is_causal: step t sees steps up to t. */
Tensor *tensor_attention(Tensor *query, Tensor *key, Tensor *value, bool is_causal, long heads);
/* x (N,T,in), weight_ih (4H,in), weight_hh (4H,H), biases (4H), h and c (N,H) or NULL: (2,N,T,H), h and c after each step */
Tensor *tensor_lstm(Tensor *x, Tensor *weight_ih, Tensor *weight_hh, Tensor *bias_ih, Tensor *bias_hh, Tensor *h, Tensor *c);

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

/* ---- data ------------------------------------------------------------------------------ */

/* Samples in memory: bytes (pixels 0..255, given out as -1..1) or reals, and optionally a label 1..classes each. */
enum { DATASET_HEAD = 64 };
typedef struct Dataset {
  int refs, ndim; /* of one sample, at most NN_DIMS-1 */
  long n, shape[NN_DIMS];
  uint8_t *bytes;  /* n samples, or NULL; DATASET_HEAD bytes before them are free, for a file's header */
  Storage *memory; /* of bytes */
  Tensor *reals;   /* (n, shape...), or NULL */
  int32_t *labels; /* from 1; NULL when there are none */
  long classes;
  char name[64];
  char **class_name; /* classes of them, or NULL */
} Dataset;
Dataset *dataset_new(int ndim, const long *shape, long n, bool bytes, bool labels);
Dataset *dataset_keep(Dataset *d);
void dataset_drop(Dataset *d);
Tensor *dataset_batch(Dataset *d, long n, const long *which, Tensor **labels); /* labels may be NULL */

typedef struct Loader {
  int refs;
  Dataset *set;
  long batch;
  bool shuffle, drop_last;
  Random random;      /* its own stream: what it gives does not depend on what else draws */
  Random epoch_start; /* the stream when this epoch's order was drawn */
  long epoch, place;  /* epochs finished; samples given out in this one */
  long *order;
  /* optional augmentation: returns the batch to use instead (scope's) */
  Tensor *(*augment)(void *data, Tensor *x);
  void *data;
  void (*free_data)(void *data);
} Loader;
Loader *loader_new(Dataset *set, long batch, bool shuffle, bool drop_last);
Loader *loader_keep(Loader *l);
void loader_drop(Loader *l);
long loader_batches(const Loader *l); /* in an epoch */
bool loader_ended(const Loader *l);   /* was that the epoch's last batch? */
/* The next batch; *x NULL (and true) at the end of an epoch, after which it goes on with the next one. */
bool loader_next(Loader *l, Tensor **x, Tensor **labels);
void loader_rewind(Loader *l); /* to the beginning of an epoch */
bool loader_seek(Loader *l, Random epoch_start, long epoch, long place);

Dataset *data_idx(const char *images, const char *labels); /* IDX files, plain or gzipped; labels may be NULL */
/* PNG or JPEG files as (size,size,3): the middle square of each, resized. Labels from 1, or NULL. */
Dataset *data_images(int n, const char *const *files, const int32_t *labels, long size, void (*progress)(void *, long done, long n),
                     void *data);
Dataset *data_glyphs(long n, uint64_t seed);      /* 28x28 digits drawn by code */
Tensor *image_load(const char *path);             /* PNG, JPEG -> (H,W,C), 0..1, C 1 or 3 */
bool image_save(const char *path, Tensor *image); /* (H,W), (H,W,1) or (H,W,3), 0..1 -> PNG */
Tensor *npy_load(const char *path);
bool npy_save(const char *path, Tensor *t);
/* Writes through a temporary file that is synced and then renamed: the old file or the new one, never half of one. */
typedef struct SafeFile SafeFile;
SafeFile *safe_open(const char *path);
bool safe_write(SafeFile *f, const void *bytes, size_t n);
bool safe_close(SafeFile *f); /* false: nothing was changed; nn_error() says why */
void safe_cancel(SafeFile *f);

/* ---- training -------------------------------------------------------------------------- */

enum { REPORT_VALUES = 16 };

/* What a trainer tells of itself after a step. Names: "loss_g", "loss_d", "D(x)", "D(G(z))", "grad_g", "accuracy", ... */
typedef struct Report {
  long step, epoch, epoch_steps; /* steps done, whole epochs done, steps in an epoch (0: unknown) */
  double seconds_per_step;       /* lately */
  int n;
  char name[REPORT_VALUES][16];
  double value[REPORT_VALUES];
} Report;

typedef struct Trainer Trainer;
enum { TRAINER_PARTS = 8 }; /* most networks, optimizers, ... of a trainer */

/* A number of a trainer's that the next step depends on. */
typedef struct TrainerNumber {
  const char *name;
  double *value, least, most; /* what a checkpoint may set it to; whole numbers when `whole` */
  bool whole;
} TrainerNumber;

typedef struct TrainerKind {
  const char *name;          /* "gan.Trainer" */
  bool (*step)(Trainer *t);  /* made of updates, each whole or not at all; after a failure it goes on with the one that failed */
  bool (*after)(Trainer *t); /* what follows a step once it counts, like an evaluation; may be NULL */
  Tensor *(*picture)(Trainer *t); /* something to look at, (N,H,W,C) or (N,D); NULL (no error) when there is nothing */
  /* Its state, for checkpoints: each fills lists of up to TRAINER_PARTS and returns how many. NULL: none. */
  int (*modules)(Trainer *t, const char **name, Module **m);
  int (*optims)(Trainer *t, const char **name, Optimizer **o);
  int (*tensors)(Trainer *t, const char **name, Tensor ***place);
  int (*numbers)(Trainer *t, TrainerNumber *number);
  void (*free)(Trainer *t);
} TrainerKind;

struct Trainer {
  int refs;
  const TrainerKind *kind;
  Loader *loader;
  Random random; /* its own stream, so that what is typed meanwhile changes nothing */
  Report report;
  bool running; /* a step */
  int schedules;
  Schedule **schedule; /* stepped after each step of training */
  void *self;          /* the kind's own */
};

/* The unit: foreground, background, tests and C programs all call this. The networks are in training mode meanwhile. When it
 * fails, the update that failed changed nothing: stepping on after the cause is cured gives what it would have given. */
bool trainer_step(Trainer *t);
Tensor *trainer_picture(Trainer *t); /* in evaluation mode; draws no random numbers of the trainer's and changes nothing */
bool trainer_add_schedule(Trainer *t, Schedule *s);
Trainer *trainer_keep(Trainer *t);
void trainer_drop(Trainer *t);

enum { GAN_BCE, GAN_BCE_LOGITS, GAN_LSGAN, GAN_HINGE, GAN_WGAN, GAN_WGAN_GP };
const char *gan_loss_name(int loss); /* "bce", "bce-logits", ...; NULL after the last */
typedef struct GanOptions {
  Module *generator, *discriminator;
  Optimizer *optim_g, *optim_d;
  Loader *data;
  long latent; /* size of z; its shape is (N,latent), or latent_shape when given */
  int latent_ndim;
  long latent_shape[NN_DIMS];
  int loss;               /* GAN_... */
  long d_steps;           /* updates of D for each of G; default 1 */
  double label_smoothing; /* real labels become 1 - this; bce, bce-logits and lsgan */
  double instance_noise;  /* standard deviation of noise added to what D sees */
  double clip;            /* wgan: bound of D's weights, default 0.01 */
  double gp_weight;       /* wgan-gp: default 10 */
  long samples;           /* in the picture: default 64 */
} GanOptions;
Trainer *gan_trainer_new(const GanOptions *options);
Tensor *gan_trainer_latent(Trainer *t); /* the fixed latent of the picture (borrowed) */
bool gan_trainer_set_latent(Trainer *t, Tensor *z);

typedef struct FitOptions {
  Module *model;
  const Loss *loss;
  const Param *loss_params; /* NULL: defaults */
  Optimizer *optim;
  Loader *data; /* the target is the label, or x itself in data without labels */
  Loader *test; /* evaluated after each epoch; may be NULL */
} FitOptions;
Trainer *fit_trainer_new(const FitOptions *options);
bool fit_trainer_evaluate(Trainer *t, Loader *data, double *loss, double *accuracy); /* accuracy NaN without labels */

/* A checkpoint holds everything that the next step depends on, and `note`, a text of the caller's, which may be NULL. What it
 * is loaded into must be made of the same parts. Loading gives the note back to memory_free(); it may be NULL. */
bool trainer_save(Trainer *t, const char *path, const char *note);
bool trainer_load(Trainer *t, const char *path, char **note); /* changes nothing when it fails */
bool module_save(Module *m, const char *path);
bool module_load(Module *m, const char *path);

#endif
