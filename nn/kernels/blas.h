/* Products of matrices by OpenBLAS, for those who wish it. */
#ifndef GANDER_BLAS_H
#define GANDER_BLAS_H

#include "multiply.h"

bool blas_wanted(void);                /* the environment says GANDER_BLAS=1 */
bool blas_multiply(const Multiply *m); /* without the bias and what comes then; false with nn_error() if it is not installed */

#endif
