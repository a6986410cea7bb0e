/* Initialisation in place (Glorot & Bengio 2010, He et al. 2015, Saxe et al. 2013), as in torch.nn.init. */
#include <math.h>
#include <stdlib.h>

#include "openblas.h"

/* Parameters may be written to here, since nothing is recorded. */
static bool begin(Tensor *t, const char *who) {
  bool was = grad_enable(false), ok = tensor_begin_write(t, who);
  grad_enable(was);
  return ok;
}

bool init_constant(Tensor *t, double value) {
  if (!begin(t, "init.constant")) return false;
  for (long i = 0, n = tensor_numel(t); i < n; i++) t->data[i] = (real)value;
  return true;
}

bool init_uniform(Tensor *t, double low, double high) {
  if (!begin(t, "init.uniform")) return false;
  long n = tensor_numel(t);
  random_uniform(t->data, n);
  for (long i = 0; i < n; i++) t->data[i] = (real)(low + (high - low) * (double)t->data[i]);
  return true;
}

bool init_normal(Tensor *t, double mean, double std) {
  if (std < 0) return nn_fail("init.normal: std must be at least 0, got %g", std), false;
  if (!begin(t, "init.normal")) return false;
  long n = tensor_numel(t);
  random_normal(t->data, n);
  for (long i = 0; i < n; i++) t->data[i] = (real)(mean + std * (double)t->data[i]);
  return true;
}

/* How many inputs an output depends on, and how many outputs an input. */
static bool fans(const Tensor *t, const char *who, double *in, double *out) {
  if (!t) return false;
  if (t->ndim < 2) return nn_fail("%s: fans need a weight of 2 or more dimensions, got %s", who, tensor_shape_text(t)), false;
  double field = 1;
  for (int i = 0; i < t->ndim - 2; i++) field *= (double)t->shape[i];
  *in = field * (double)t->shape[t->ndim == 2 ? 1 : t->ndim - 2];
  *out = field * (double)t->shape[t->ndim == 2 ? 0 : t->ndim - 1];
  if (*in > 0 && *out > 0) return true;
  return nn_fail("%s: a weight without elements, got %s", who, tensor_shape_text(t)), false;
}

bool init_xavier_uniform(Tensor *t, double gain) {
  double in, out;
  if (!fans(t, "init.xavier_uniform", &in, &out)) return false;
  double bound = gain * sqrt(6 / (in + out));
  return init_uniform(t, -bound, bound);
}

bool init_xavier_normal(Tensor *t, double gain) {
  double in, out;
  return fans(t, "init.xavier_normal", &in, &out) && init_normal(t, 0, gain * sqrt(2 / (in + out)));
}

/* gain^2 = 2 / (1 + a^2), for a leaky ReLU of that slope */
bool init_kaiming_uniform(Tensor *t, double a) {
  double in, out;
  if (!fans(t, "init.kaiming_uniform", &in, &out)) return false;
  double bound = sqrt(2 / (1 + a * a)) * sqrt(3 / in);
  return init_uniform(t, -bound, bound);
}

bool init_kaiming_normal(Tensor *t, double a) {
  double in, out;
  return fans(t, "init.kaiming_normal", &in, &out) && init_normal(t, 0, sqrt(2 / (1 + a * a)) / sqrt(in));
}

/* Replaces the long x wide matrix at a (by columns) by the Q of its QR, with the signs that make R's diagonal positive:
 * so Q is uniform over orthogonal matrices when a was normal (Mezzadri 2007). work holds 64 times wide, tau and sign wide. */
static bool orthonormalise(const OpenBlas *lapack, real *a, int tall, int wide, real *tau, real *sign, real *work) {
  int room = 64 * wide, info;
  lapack->geqrf(&tall, &wide, a, &tall, tau, work, &room, &info);
  for (int i = 0; i < wide && !info; i++) sign[i] = a[i + (long)i * tall] < 0 ? -1 : 1;
  if (!info) lapack->orgqr(&tall, &wide, &wide, a, &tall, tau, work, &room, &info);
  if (info) return nn_fail("init.orthogonal: LAPACK refused argument %d", -info), false;
  for (int c = 0; c < wide; c++)
    for (int r = 0; r < tall; r++) a[r + (long)c * tall] *= sign[c];
  return true;
}

/* The columns of Q become the rows of t, or its columns when it is taller than wide. */
static void place(real *t, long rows, long columns, const real *q, double gain) {
  for (long r = 0; r < rows; r++)
    for (long c = 0; c < columns; c++)
      t[r * columns + c] = (real)(gain * (double)(rows > columns ? q[r + c * rows] : q[c + r * columns]));
}

bool init_orthogonal(Tensor *t, double gain) {
  double in, out;
  if (!fans(t, "init.orthogonal", &in, &out) || !begin(t, "init.orthogonal")) return false;
  long n = tensor_numel(t), columns = t->shape[t->ndim - 1], rows = n / columns;
  long tall = rows > columns ? rows : columns, wide = n / tall;
  if (tall > INT32_MAX || wide > INT32_MAX / 64)
    return nn_fail("init.orthogonal: too large a matrix, %s", tensor_shape_text(t)), false;
  const OpenBlas *lapack = openblas("init.orthogonal");
  real *a = lapack ? memory_new((size_t)(n + 66 * wide) * sizeof *a) : NULL;
  if (!a) return false;
  random_normal(a, n);
  bool ok = orthonormalise(lapack, a, (int)tall, (int)wide, a + n, a + n + wide, a + n + 2 * wide);
  if (ok) place(t->data, rows, columns, a, gain);
  memory_free(a);
  return ok;
}
