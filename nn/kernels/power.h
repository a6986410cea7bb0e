/* Powers of floats, computed in double: a^b = 2^(b log2 a). */
#ifndef GANDER_KERNELS_POWER_H
#define GANDER_KERNELS_POWER_H

#include "math.h"

#ifdef NN_DOUBLE

INLINE real power(real a, real b) {
  return pow(a, b);
}

#else

INLINE uint64_t bits_of_double(double x) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

INLINE double double_from_bits(uint64_t bits) {
  double x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* Of a > 0: a = 2^e m, m from sqrt(1/2) to sqrt(2), log2(m) = s q(s^2), s = (m - 1) / (m + 1); 2^-45 of itself */
INLINE double log2_of(double a) {
  const uint64_t root_half = 0x3fe6a09e667f3bcd, bits = bits_of_double(a) + (0x3ff0000000000000 - root_half);
  const double e = (double)((int32_t)(bits >> 52) - 1023), m = double_from_bits((bits & 0xfffffffffffff) + root_half);
  const double s = (m - 1) / (m + 1), z = s * s;
  double q = 0.2829036061544758;
  q = q * z + 0.3199054685886875;
  q = q * z + 0.4122092576155046;
  q = q * z + 0.5770779423164143;
  q = q * z + 0.9617966941134971;
  q = q * z + 2.88539008177785;
  return e + s * q;
}

/* For |t| <= 1000; 2^-34 of itself */
INLINE double exp2_of(double t) {
  const double to_whole = 6755399441055744.0, shifted = t + to_whole, f = t - (shifted - to_whole);
  double p = 1.5201902929947356e-05;
  p = p * f + 0.00015469317329365394;
  p = p * f + 0.0013333922847386652;
  p = p * f + 0.009618027172691024;
  p = p * f + 0.05550410352842475;
  p = p * f + 0.24022651198755338;
  p = p * f + 0.6931471807287134;
  p = p * f + 0.9999999999616211;
  return p * double_from_bits((bits_of_double(shifted) + 1023) << 52);
}

/* Choices by masks: of `? :` compilers make branches here, and then no vector loop. */
INLINE uint32_t choose(int condition, uint32_t yes, uint32_t no) {
  const uint32_t mask = -(uint32_t)condition;
  return (yes & mask) | (no & ~mask);
}

/* The number without what is behind its point; from 2^23 on floats are whole. */
INLINE real whole_part(real x) {
  const int small = fabsf(x) < 8388608;
  const real whole = (real)(int32_t)from_bits(choose(small, bits_of(x), 0));
  return from_bits(choose(small, bits_of(whole), bits_of(x)));
}

/* t, but no further from 0 than 1000. */
INLINE double bounded(double t) {
  const uint64_t far = -(uint64_t)(fabs(t) > 1000), sign = bits_of_double(t) & (uint64_t)1 << 63;
  return double_from_bits((bits_of_double(t) & ~far) | ((bits_of_double(1000) | sign) & far));
}

/* Rounded once, with C's rules for zeros, infinities, NaN and negative a. log2_of gives something finite for all floats; `far`
 * makes it the size it has for 0 and infinity. */
INLINE real power(real a, real b) {
  const uint32_t nan = 0x7fc00000, one = 0x3f800000;
  const real size = fabsf(a), half = b * 0.5f;
  const int whole = whole_part(b) == b, odd = whole & (whole_part(half) != half), endless = fabsf(b) > FLT_MAX;
  const double far = 1e60 * ((size > FLT_MAX) - (size == 0));
  const real y = (real)exp2_of(bounded((double)b * (log2_of((double)size) + far)));
  const uint32_t sign = bits_of(a) & -(uint32_t)odd & 0x80000000;
  const int defined = ((a >= 0) | whole | (size > FLT_MAX)) & (a == a) & (b == b);
  const uint32_t bits = choose(defined, bits_of(y) ^ sign, nan);
  return from_bits(choose((b == 0) | (a == 1) | ((size == 1) & endless), one, bits));
}

#endif
#endif
