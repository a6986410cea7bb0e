/* OpenBLAS and its LAPACK, loaded when first needed: starting its threads takes longer than starting gander. */
#ifndef GANDER_OPENBLAS_H
#define GANDER_OPENBLAS_H

#include <cblas.h>

#include "nn.h"

#ifdef NN_DOUBLE
#define OPENBLAS_GEMM cblas_dgemm
#define OPENBLAS_PREFIX "d"
#else
#define OPENBLAS_GEMM cblas_sgemm
#define OPENBLAS_PREFIX "s"
#endif

typedef struct OpenBlas {
  __typeof__(&OPENBLAS_GEMM) gemm;
  /* QR of an (m,n) matrix by columns, and Q of the first k columns of that (Fortran: all by reference) */
  void (*geqrf)(const int *m, const int *n, real *a, const int *lda, real *tau, real *work, const int *room, int *info);
  void (*orgqr)(const int *m, const int *n, const int *k, real *a, const int *lda, const real *tau, real *work, const int *room,
                int *info);
} OpenBlas;

/* On one thread: the workers are ours. NULL with nn_error() when it is not installed, named after `who` wants it. */
const OpenBlas *openblas(const char *who);

#endif
