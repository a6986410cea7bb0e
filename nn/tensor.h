/* Tensors and their gradients, and what they stand on: errors, memory, workers, random numbers. See nn.h for the rules. */
#ifndef GANDER_TENSOR_H
#define GANDER_TENSOR_H

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

/* ---- errors ---------------------------------------------------------------------------- */

void *nn_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));   /* keep the first message; always NULL */
void nn_fail_in(const char *format, ...) __attribute__((format(printf, 1, 2))); /* put "where it failed: " before the message */
bool nn_failed(void);                                                           /* is a message waiting? */
const char *nn_error(void);                                                     /* the message, "" when there is none */
void nn_clear_error(void);                                                      /* after it was reported */

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
/* The same, once, by workers that wait for something to do; false: they do another. The job is needed until workers_finish. */
bool workers_for_later(long n, long grain, void (*body)(void *job, long from, long to), void *job);
void workers_finish(const void *job); /* does what is left of it */
int workers_count(void);
int workers_self(void);        /* which thread runs this piece, 0..workers_count()-1: for room to work in, never for results */
void workers_set(int threads); /* 1..64; the first use takes GANDER_THREADS or as many as it has cores */
double work_done(void);        /* floating-point operations of all products and convolutions so far */

/* Kernels are there for AVX-512, AVX2 or neither, as the CPU has it; the environment's GANDER_CPU=avx512, avx2 or generic
 * chooses. All give the same bits where the CPU has fused multiply-add. GANDER_BLAS=1: OpenBLAS multiplies matrices
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
Random random_split(void);              /* a stream of its own, whose seed is the current one's next 64 bits */
Random random_take(long n);             /* where the next n numbers of the current stream begin, which is moved past them */
void random_uniform(real *out, long n); /* [0, 1) */
void random_normal(real *out, long n);  /* mean 0, variance 1 */
void random_integers(real *out, long n, int32_t low, int32_t high); /* low..high, from -2^24 to 2^24, without bias */
uint64_t random_below(uint64_t n);                                  /* one integer in 0..n-1, without bias */
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
bool dim_check(int ndim, long *dim);                  /* -1 becomes ndim-1; error if outside */
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

#endif
