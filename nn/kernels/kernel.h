/* What the loops in this folder are compiled with, and for which processors. */
#ifndef GANDER_KERNEL_H
#define GANDER_KERNEL_H

#include <math.h>
#include <stdbool.h>

#include "../nn.h"

/* Inlined wherever it is used, with what is known there: a loop given a function becomes a vector loop of that function. */
#define INLINE static inline __attribute__((always_inline))

/* The sets of kernels; a processor runs the last that it has the instructions for. All but CPU_PLAIN have fused multiply-add
 * and give the same bits. Where processors are no x86 there is CPU_PLAIN only, whatever the compiler makes of it. */
typedef enum CpuSet { CPU_PLAIN, CPU_FMA, CPU_AVX2, CPU_AVX512 } CpuSet;

extern CpuSet cpu_set;             /* the best, or that of the environment's GANDER_CPU; decided before main */
bool cpu_check(void);              /* false and nn_error() if GANDER_CPU names none */
bool cpu_choose(const char *name); /* what GANDER_CPU does, later on; false and nn_error() if there is none of that name */

/* Defines a function of no value by the body that follows, compiled for each set; calls run that of cpu_set:
 *
 *   KERNEL(each_exp, (const Run *r), (r)) {
 *     each1(r, exp_of);
 *   }
 *
 * KERNEL_OF is for functions that have a value. */
#define KERNEL(name, parameters, arguments) KERNEL_SETS(void, , name, parameters, arguments)
#define KERNEL_OF(type, name, parameters, arguments) KERNEL_SETS(type, return, name, parameters, arguments)

#ifdef __x86_64__

#ifdef __clang__
#define VECTORS(bits)
#else
#define VECTORS(bits) ",prefer-vector-width=" #bits
#endif

#define KERNEL_SETS(type, give, name, parameters, arguments)                                                                       \
  type name parameters;                                                                                                            \
  INLINE type name##_body parameters;                                                                                              \
  __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma" VECTORS(512)))) static type name##_avx512 parameters {       \
    give name##_body arguments;                                                                                                    \
  }                                                                                                                                \
  __attribute__((target("avx2,fma"))) static type name##_avx2 parameters {                                                         \
    give name##_body arguments;                                                                                                    \
  }                                                                                                                                \
  __attribute__((target("fma" VECTORS(128)))) static type name##_fma parameters {                                                  \
    give name##_body arguments;                                                                                                    \
  }                                                                                                                                \
  static type name##_plain parameters {                                                                                            \
    give name##_body arguments;                                                                                                    \
  }                                                                                                                                \
  type name parameters {                                                                                                           \
    switch (cpu_set) {                                                                                                             \
      case CPU_AVX512: give name##_avx512 arguments; break;                                                                        \
      case CPU_AVX2: give name##_avx2 arguments; break;                                                                            \
      case CPU_FMA: give name##_fma arguments; break;                                                                              \
      default: give name##_plain arguments;                                                                                        \
    }                                                                                                                              \
  }                                                                                                                                \
  INLINE type name##_body parameters

#else

#define KERNEL_SETS(type, give, name, parameters, arguments) type name parameters

#endif

/* a b + c, rounded once. Without instructions for it (CPU_PLAIN) that takes a call. */
INLINE real fma_of(real a, real b, real c) {
#ifdef NN_DOUBLE
  return __builtin_fma(a, b, c);
#else
  return __builtin_fmaf(a, b, c);
#endif
}

#endif
