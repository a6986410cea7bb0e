/* Exponentials and their relatives without branches, so that loops over them become vector loops.
 *
 * Polynomials are minimax fits (Remez) of this project; errors are given in units in the last place of a float, and
 * tests/nn/math_test.c measures them. In the build with doubles the functions are the C library's. */
#ifndef GANDER_KERNELS_MATH_H
#define GANDER_KERNELS_MATH_H

#include <float.h>
#include <math.h>
#include <string.h>

#include "../nn.h"
#include "kernel.h"

#ifdef NN_DOUBLE

INLINE real exp_of(real x) {
  return exp(x);
}
INLINE real exp_below(real x) {
  return exp(x);
}
INLINE real expm1_of(real x) {
  return expm1(x);
}
INLINE real log_of(real x) {
  return log(x);
}
INLINE real log1p_of(real x) {
  return log1p(x);
}
INLINE real tanh_of(real x) {
  return tanh(x);
}
INLINE real sigmoid_of(real x) {
  return 1 / (1 + exp(-x));
}
INLINE real erf_of(real x) {
  return erf(x);
}
INLINE real normal_with(real x, real *falling) {
  *falling = exp(x * x * -0.5);
  return erfc(-x * 0.70710678118654752440) / 2;
}
INLINE real gelu_of(real x) {
  return x * erfc(-x * 0.70710678118654752440) / 2;
}

#else

INLINE uint32_t bits_of(real x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

INLINE real from_bits(uint32_t bits) {
  real x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* (e^r - 1 - r) / r^2 for |r| <= log(2)/2 */
INLINE real exp_beyond_line(real r) {
  real p = fma_of(1.39466464e-3f, r, 8.3666984e-3f);
  p = fma_of(p, r, 4.16662805e-2f);
  p = fma_of(p, r, 1.66665420e-1f);
  return fma_of(p, r, 0.5f);
}

#define WHOLE 12582912.0f /* 1.5 2^23: added, it rounds to a whole number and leaves that in the low bits */

#define WHOLE_TO(up) (WHOLE + 127 + (up))

/* x = n log(2) + r for a whole n. With to_whole = WHOLE_TO(up) the power is 2^(n + up), n + up being from -126 to 127: its bits
 * are what is left of the rounded x / log(2) when shifted. */
INLINE real split_power(real x, real to_whole, real *power) {
  const real shifted = fma_of(x, 1.44269504f, to_whole), whole = shifted - to_whole;
  *power = from_bits(bits_of(shifted) << 23);
  return fma_of(whole, 1.90465421e-9f, fma_of(whole, -0.693147182f, x));
}

/* e^r for |r| <= log(2)/2 */
INLINE real exp_near_0(real r) {
  return fma_of(fma_of(exp_beyond_line(r), r, 1), r, 1);
}

/* e^x 2^up, with to_whole = WHOLE_TO(up) */
INLINE real exp_scaled(real x, real to_whole) {
  real power, r = split_power(x, to_whole, &power);
  return exp_near_0(r) * power;
}

/* e^x; 1 ulp. 2^n is multiplied in as two factors, one of them 2^64 or, where x is negative, 2^-64, so that results below
 * FLT_MIN and infinity come out right. */
INLINE real exp_of(real x) {
  const real bounded = x < -104 ? -104 : x > 89 ? 89 : x;
  const real rest = from_bits(0x5f800000 - (bits_of(x) >> 31 << 30));
  return exp_scaled(bounded, WHOLE_TO(0) - copysignf(64, x)) * rest;
}

/* The same for x <= 0 */
INLINE real exp_below(real x) {
  return exp_scaled(x < -104 ? -104 : x, WHOLE_TO(64)) * 0x1p-64f;
}

/* e^x - 1 for x <= 88; 2 ulp */
INLINE real expm1_of(real x) {
  real scale, r = split_power(x < -30 ? -30 : x, WHOLE_TO(0), &scale);
  return fma_of(scale, fma_of(exp_beyond_line(r), r * r, r), scale - 1);
}

/* 1 ulp. x = 2^e (1 + f) with 1 + f from sqrt(1/2) to sqrt(2). */
INLINE real log_of(real x) {
  const uint32_t root_half = 0x3f3504f3, one = 0x3f800000;
  const real scaled = x * 8388608.0f, normal = x < FLT_MIN ? scaled : x;
  const uint32_t bits = bits_of(normal) + (one - root_half);
  const real e = (real)((int32_t)(bits >> 23) - 127 - (x < FLT_MIN ? 23 : 0));
  const real f = from_bits((bits & 0x7fffff) + root_half) - 1;
  real p = fma_of(-7.63670206e-2f, f, 1.27633676e-1f);
  p = fma_of(p, f, -1.31601557e-1f);
  p = fma_of(p, f, 1.42015114e-1f);
  p = fma_of(p, f, -1.66233435e-1f);
  p = fma_of(p, f, 2.00012371e-1f);
  p = fma_of(p, f, -2.50008225e-1f);
  p = fma_of(p, f, 3.33333313e-1f);
  p = fma_of(p, f, -0.5f);
  real y = fma_of(e, 0.693359375f, f + fma_of(e, -2.12194440e-4f, f * f * p));
  y = x > FLT_MAX ? x : y;
  y = x == 0 ? -INFINITY : y;
  return x >= 0 ? y : NAN;
}

/* log(1 + x) with what rounding took from 1 + x put back; 2 ulp */
INLINE real log1p_of(real x) {
  const real u = 1 + x, lost = x - (u - 1), y = log_of(u) + lost / (u == 0 ? 1 : u);
  return u > FLT_MAX ? u : y;
}

/* x + x^3 p(x^2) near 0, else 1 - 2 / (e^2|x| + 1), which is 1 from 10 on; 2 ulp */
INLINE real tanh_of(real x) {
  const real a = fabsf(x), s = a * a, far = 1 - 2 / (exp_scaled(a > 10 ? 20 : 2 * a, WHOLE_TO(0)) + 1);
  real p = fma_of(-6.20742980e-3f, s, 2.10272186e-2f);
  p = fma_of(p, s, -5.38422763e-2f);
  p = fma_of(p, s, 1.33324996e-1f);
  p = fma_of(p, s, -3.33333164e-1f);
  return copysignf(a < 0.56f ? fma_of(a * s, p, a) : far, x);
}

/* With e = e^-|x| it is 1 / (1 + e), or e / (1 + e) where x is negative; what rounding took from 1 + e and from the quotient is
 * made good. 2 ulp */
INLINE real sigmoid_of(real x) {
  const real e = exp_below(-fabsf(x)), sum = 1 + e, lost = e - (sum - 1), inverse = 1 / sum;
  const real above = x < 0 ? e : 1, y = above * inverse;
  return fma_of(fma_of(-lost, y, fma_of(-sum, y, above)), inverse, y);
}

/* erf(x) / x - 1 for 0 <= x <= 1, as a polynomial in s = x^2 */
INLINE real erf_near_0(real s) {
  real p = fma_of(7.85386146e-5f, s, -8.01019371e-4f);
  p = fma_of(p, s, 5.18832775e-3f);
  p = fma_of(p, s, -2.68538129e-2f);
  p = fma_of(p, s, 1.12835854e-1f);
  p = fma_of(p, s, -3.76126260e-1f);
  return fma_of(p, s, 1.28379166e-1f);
}

/* e^(factor x^2) 2^64 for 0 <= x <= 15 and a factor of -1 or -1/2. What rounding took from x^2 would be multiplied by the
 * exponential. */
INLINE real exp_of_square(real x, real factor) {
  const real square = x * x, lost = fma_of(x, x, -square);
  real power, r = split_power(square * factor, WHOLE_TO(64), &power);
  return exp_near_0(fma_of(lost, factor, r)) * power;
}

/* (1 - erf(x)) e^(x^2) for x = factor a >= 0: u p(u) with u = 1 / (1 + 0.4 x) */
INLINE real erfc_far(real a, real factor) {
  const real u = 1 / fma_of(0.4f * factor, a, 1);
  real p = fma_of(-2.82663368e-2f, u, 1.90821886e-1f);
  p = fma_of(p, u, -4.81957912e-1f);
  p = fma_of(p, u, 5.25047243e-1f);
  p = fma_of(p, u, -2.65830427e-1f);
  p = fma_of(p, u, 2.62168884e-1f);
  p = fma_of(p, u, 1.33080214e-1f);
  p = fma_of(p, u, 2.14195549e-1f);
  p = fma_of(p, u, 2.25038394e-1f);
  p = fma_of(p, u, 2.25702509e-1f);
  return u * p;
}

/* 2 ulp */
INLINE real erf_of(real x) {
  const real a = fabsf(x) > 10 ? 10 : fabsf(x), near = fma_of(a, erf_near_0(a * a), a);
  const real far = fma_of(-erfc_far(a, 1), exp_of_square(a, -1) * 0x1p-64f, 1);
  return copysignf(a < 1 ? near : far, x);
}

/* The share of the normal distribution below x, erfc(-x / sqrt(2)) / 2, but for NaN; 8 ulp. *falling becomes e^(-x^2 / 2).
 * Bits of positive floats are ordered as these are. */
INLINE real normal_with(real x, real *falling) {
  const uint32_t size = bits_of(x) & 0x7fffffff, most = 0x41700000; /* 15 */
  const real a = from_bits(size < most ? size : most), e = exp_of_square(a, -0.5f);
  const real beyond = erfc_far(a, 0.707106781f) * (e * 0x1p-65f);
  *falling = e * 0x1p-64f;
  return x < 0 ? beyond : 1 - beyond;
}

/* a^2 = 2 log(2) m + r for a whole m, 0 <= a <= 13.3: *power becomes 2^-m, but 0 for m = 127. m times the first part of 2 log(2),
 * which has 15 bits, is exact. */
INLINE real split_square(real a, real *power) {
  const real shifted = fma_of(a * a, -0.721347520f, WHOLE_TO(0)), m = shifted - WHOLE_TO(0);
  *power = from_bits(bits_of(shifted) << 23);
  return fma_of(m, 2.8572146e-6f, fma_of(a, a, m * 1.38629150390625f));
}

/* e^(-r/2) - 1 for |r| <= log(2) */
INLINE real exp_half_below(real r) {
  real p = fma_of(1.86018751e-5f, r, -2.61448848e-4f);
  p = fma_of(p, r, 2.60627363e-3f);
  p = fma_of(p, r, -2.08331794e-2f);
  p = fma_of(p, r, 1.24999687e-1f);
  p = fma_of(p, r, -0.5f);
  return r * p;
}

/* x Phi(x) = max(x, 0) - a Q(a) for a = |x|, Phi(x) and Q(x) being the shares of the normal distribution below and above x; 3 ulp
 * where x >= -2, 4 below, and 0 for x < -13.2, where the result is below FLT_MIN. a Q(a) e^(a^2 / 2) is v (1 + h(v)) with
 * v = a / (2.946 + 1.025 a): v itself is not rounded again, only what is added to it. Bits of positive floats are ordered as
 * these are. */
INLINE real gelu_of(real x) {
  const uint32_t size = bits_of(x) & 0x7fffffff, most = 0x41548000; /* 13.28 */
  const real a = from_bits(size < most ? size : most), v = a / fma_of(1.02526677f, a, 2.94602537f);
  real power, e = exp_half_below(split_square(a, &power));
  real h = fma_of(-1.03802823e-1f, v, 3.02694529e-1f);
  h = fma_of(h, v, -1.98202744e-1f);
  h = fma_of(h, v, -6.19470552e-2f);
  h = fma_of(h, v, -2.17471331e-1f);
  h = fma_of(h, v, 3.16323161e-1f);
  h = fma_of(h, v, 8.40452552e-1f);
  h = fma_of(h, v, -1.95220780f);
  h = v * fma_of(h, v, 4.73012656e-1f);
  return fma_of(-power, v + fma_of(v + h, e, h), x < 0 ? 0 : x);
}

/* sin(r) and cos(r) for |r| <= pi/4 */
INLINE real sin_near_0(real r) {
  const real z = r * r;
  real p = fma_of(-1.95171699e-4f, z, 8.33217707e-3f);
  p = fma_of(p, z, -1.66666552e-1f);
  return fma_of(r * z, p, r);
}

INLINE real cos_near_0(real r) {
  const real z = r * r;
  real p = fma_of(2.44383082e-5f, z, -1.38873665e-3f);
  p = fma_of(p, z, 4.16666456e-2f);
  p = fma_of(p, z, -0.5f);
  return fma_of(p, z, 1);
}

/* Those of r + quarter pi/2; 2 ulp */
INLINE real sin_of_quarter(real r, uint32_t quarter) {
  const real s = sin_near_0(r), c = cos_near_0(r);
  return from_bits(bits_of(quarter & 1 ? c : s) ^ (quarter & 2) << 30);
}

INLINE real cos_of_quarter(real r, uint32_t quarter) {
  return sin_of_quarter(r, quarter + 1);
}

#endif
#endif
