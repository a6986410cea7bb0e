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
INLINE real normal_below(real x) {
  return erfc(-x * 0.70710678118654752440) / 2;
}
INLINE real normal_with(real x, real *falling) {
  *falling = exp(x * x * -0.5);
  return normal_below(x);
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

INLINE real power_of_two(int32_t n) {
  return from_bits((uint32_t)(n + 127) << 23);
}

/* e^(r + rest) - 1 for |r| <= log(2)/2 and a rest of a rounding error */
INLINE real expm1_near_0(real r, real rest) {
  real p = 1.39466464e-3f;
  p = p * r + 8.3666984e-3f;
  p = p * r + 4.16662805e-2f;
  p = p * r + 1.66665420e-1f;
  p = p * r + 0.5f;
  return p * r * r + rest + r;
}

/* x = n log(2) + r + rest. Adding 1.5 2^23 rounds to a whole number and leaves it in the low bits; log(2) is taken off in
 * two parts, of which the first has few enough bits for an exact product. */
INLINE real split_power(real x, int32_t *n, real *rest) {
  const real to_whole = 12582912.0f, shifted = x * 1.44269504f + to_whole, whole = shifted - to_whole;
  const real near = x - whole * 0.693359375f, far = whole * 2.12194440e-4f, r = near + far;
  *n = (int32_t)(bits_of(shifted) - bits_of(to_whole));
  *rest = near - r + far;
  return r;
}

/* 1 ulp. 2^n is multiplied in as two factors, so that results below FLT_MIN and infinity come out right. */
INLINE real exp_of(real x) {
  int32_t n;
  real rest, bounded = x < -104 ? -104 : x > 89 ? 89 : x, r = split_power(bounded, &n, &rest);
  return (1 + expm1_near_0(r, rest)) * power_of_two(n >> 1) * power_of_two(n - (n >> 1));
}

/* e^x - 1 for x <= 88; 2 ulp */
INLINE real expm1_of(real x) {
  int32_t n;
  real rest, bounded = x < -30 ? -30 : x, r = split_power(bounded, &n, &rest), scale = power_of_two(n);
  return scale * expm1_near_0(r, rest) + (scale - 1);
}

/* 1 ulp. x = 2^e (1 + f) with 1 + f from sqrt(1/2) to sqrt(2). */
INLINE real log_of(real x) {
  const uint32_t root_half = 0x3f3504f3, one = 0x3f800000;
  const real scaled = x * 8388608.0f, normal = x < FLT_MIN ? scaled : x;
  const uint32_t bits = bits_of(normal) + (one - root_half);
  const real e = (real)((int32_t)(bits >> 23) - 127 - (x < FLT_MIN ? 23 : 0));
  const real f = from_bits((bits & 0x7fffff) + root_half) - 1;
  real p = -7.63670206e-2f;
  p = p * f + 1.27633676e-1f;
  p = p * f - 1.31601557e-1f;
  p = p * f + 1.42015114e-1f;
  p = p * f - 1.66233435e-1f;
  p = p * f + 2.00012371e-1f;
  p = p * f - 2.50008225e-1f;
  p = p * f + 3.33333313e-1f;
  real y = f + (f * f * f * p - e * 2.12194440e-4f - 0.5f * f * f) + e * 0.693359375f;
  y = x > FLT_MAX ? x : y;
  y = x == 0 ? -INFINITY : y;
  return x >= 0 ? y : NAN;
}

/* log(1 + x) with what rounding took from 1 + x put back; 2 ulp */
INLINE real log1p_of(real x) {
  const real u = 1 + x, lost = x - (u - 1), y = log_of(u) + lost / (u == 0 ? 1 : u);
  return u > FLT_MAX ? u : y;
}

/* x + x^3 p(x^2) near 0, else 1 - 2 / (e^2|x| + 1); 2 ulp */
INLINE real tanh_of(real x) {
  const real a = fabsf(x), s = a * a, far = 1 - 2 / (exp_of(2 * a) + 1);
  real p = -6.20742980e-3f;
  p = p * s + 2.10272186e-2f;
  p = p * s - 5.38422763e-2f;
  p = p * s + 1.33324996e-1f;
  p = p * s - 3.33333164e-1f;
  return copysignf(a < 0.56f ? a + a * s * p : far, x);
}

/* With e = e^-|x| it is 1 / (1 + e), or e / (1 + e) where x is negative; what rounding took from 1 + e is made good,
 * 1 - e/2 standing for 1 / (1 + e). 2 ulp */
INLINE real sigmoid_of(real x) {
  const real e = exp_of(-fabsf(x)), sum = 1 + e, lost = e - (sum - 1), y = (x < 0 ? e : 1) / sum;
  return y - y * (lost * (1 - 0.5f * e));
}

/* erf(x) / x - 1 for 0 <= x <= 1, as a polynomial in s = x^2 */
INLINE real erf_near_0(real s) {
  real p = 7.85386146e-5f;
  p = p * s - 8.01019371e-4f;
  p = p * s + 5.18832775e-3f;
  p = p * s - 2.68538129e-2f;
  p = p * s + 1.12835854e-1f;
  p = p * s - 3.76126260e-1f;
  return p * s + 1.28379166e-1f;
}

/* e^(-x^2 / d) for d 1 or 2 and 0 <= x <= 15. x^2 is taken in two parts, of which the first is exact: an error in it would be
 * multiplied by the exponential. They are split as split_power does. */
INLINE real exp_of_square(real x, real d) {
  const real head = from_bits(bits_of(x) & 0xfffff000), most = -head * head / d, more = (head - x) * (head + x) / d;
  const real to_whole = 12582912.0f, shifted = (most + more) * 1.44269504f + to_whole, whole = shifted - to_whole;
  const real near = most - whole * 0.693359375f, far = whole * 2.12194440e-4f, r = near + far;
  const int32_t n = (int32_t)(bits_of(shifted) - bits_of(to_whole));
  return (1 + expm1_near_0(r + more, near - r + far)) * power_of_two(n >> 1) * power_of_two(n - (n >> 1));
}

/* (1 - erf(x)) e^(x^2) for x >= 0: u p(u) with u = 1 / (1 + 0.4 x) */
INLINE real erfc_far(real x) {
  const real u = 1 / (1 + 0.4f * x);
  real p = -2.82663368e-2f;
  p = p * u + 1.90821886e-1f;
  p = p * u - 4.81957912e-1f;
  p = p * u + 5.25047243e-1f;
  p = p * u - 2.65830427e-1f;
  p = p * u + 2.62168884e-1f;
  p = p * u + 1.33080214e-1f;
  p = p * u + 2.14195549e-1f;
  p = p * u + 2.25038394e-1f;
  p = p * u + 2.25702509e-1f;
  return u * p;
}

/* 2 ulp */
INLINE real erf_of(real x) {
  const real a = fabsf(x) > 10 ? 10 : fabsf(x), near = a + a * erf_near_0(a * a), far = 1 - erfc_far(a) * exp_of_square(a, 1);
  return copysignf(a < 1 ? near : far, x);
}

/* The share of the normal distribution below x, erfc(-x / sqrt(2)) / 2; 8 ulp. *falling becomes e^(-x^2 / 2). */
INLINE real normal_with(real x, real *falling) {
  const real a = fabsf(x) > 15 ? 15 : fabsf(x), e = exp_of_square(a, 2), beyond = 0.5f * erfc_far(a * 0.707106781f) * e;
  *falling = e;
  return x < 0 ? beyond : 1 - beyond;
}

INLINE real normal_below(real x) {
  real falling;
  return normal_with(x, &falling);
}

/* sin(r) and cos(r) for |r| <= pi/4 */
INLINE real sin_near_0(real r) {
  const real z = r * r;
  real p = -1.95171699e-4f;
  p = p * z + 8.33217707e-3f;
  p = p * z - 1.66666552e-1f;
  return r + r * z * p;
}

INLINE real cos_near_0(real r) {
  const real z = r * r, half = 0.5f * z, w = 1 - half;
  real p = 2.44383082e-5f;
  p = p * z - 1.38873665e-3f;
  p = p * z + 4.16666456e-2f;
  return w + ((1 - w - half) + z * z * p);
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
