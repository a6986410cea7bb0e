/* Ops: the table of them, as scripts and help see it, and each as a function. See nn.h for the rules. */
#ifndef GANDER_OPS_H
#define GANDER_OPS_H

#include "tensor.h"

typedef struct Op Op;
typedef struct Call Call; /* in row.h, for those who write ops */

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

/* A row of the table of ops: what scripts, help, manual, completion and gradient checks are made from. Rows give the texts in
 * order and the rest by name, as far as there is something to give. */
struct Op {
  const char *name, *args, *help;
  const char *example;         /* Lua, runnable, one a line; the gradient check runs each and checks this op at its arguments */
  bool (*shape)(Call *call);   /* check the arguments, set ndim and shape of the result; the only step that explains errors */
  bool (*forward)(Call *call); /* fill call->out; NULL for ops that only view */
  void (*backward)(Call *call, Tensor *grad, Tensor **grads); /* in ops; NULL: no gradient */
  void (*fused)(Call *call, Tensor *grad, Tensor **grads);    /* the same by kernels, where no graph is asked for; NULL: backward */
  const char *needs; /* what both read of: names of arguments and "out"; only these stay in memory */
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
Tensor *tensor_attention(Tensor *query, Tensor *key, Tensor *value, Tensor *attn_mask, bool is_causal, long heads);
/* x (N,T,in), weight_ih (4H,in), weight_hh (4H,H), biases (4H), h and c (N,H) or NULL: (2,N,T,H), h and c after each step */
Tensor *tensor_lstm(Tensor *inputs, Tensor *weight_hh, Tensor *indices, Tensor *h, Tensor *c);

#endif
