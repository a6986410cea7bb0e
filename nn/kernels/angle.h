/* Sine and cosine of any float, as vector loops: angles are brought to r, |r| <= pi/4, and a quarter of the circle. */
#ifndef GANDER_KERNELS_ANGLE_H
#define GANDER_KERNELS_ANGLE_H

#include "math.h"

#ifndef NN_DOUBLE

#define ANGLE_MOST 1.6e6f /* up to which whole numbers of quarters times the first part of pi/2 are exact in a double */

/* x = quarter pi/2 + r, for |x| <= ANGLE_MOST. pi/2 is taken off in two parts, of which the first has 33 bits; adding 1.5 2^52
 * rounds to a whole number and leaves it in the low bits. */
INLINE real split_angle(real x, uint32_t *quarter) {
  const double to_whole = 6755399441055744.0, shifted = (double)x * 0.6366197723675814 + to_whole, whole = shifted - to_whole;
  uint64_t bits;
  memcpy(&bits, &shifted, sizeof bits);
  *quarter = (uint32_t)bits;
  return (real)((double)x - whole * 1.5707963267341256 - whole * 6.077100506506192e-11);
}

/* The same for larger ones (Payne and Hanek 1983): x = m 2^e with a whole m of 24 bits, of whose product with 2/pi only the bits
 * below multiples of four quarters matter: m times 96 bits of 2/pi, modulo 2^96. */
static inline real split_large_angle(real x, uint32_t *quarter) {
  static const uint32_t two_by_pi[] = {0,          0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0,
                                       0xdb629599, 0x3c439041, 0xfe5163ab, 0xdebbc561, 0xb7246e3a};
  const uint32_t bits = bits_of(x), m = (bits & 0x7fffff) | 0x800000, first = 30 + (bits >> 23 & 0xff) - 150, shift = first % 32;
  uint64_t part[3], carry = 0; /* the bits from place `first` on, counted behind the leading word of zeros */
  for (int i = 0; i < 3; i++) {
    const uint32_t *at = two_by_pi + first / 32 + i;
    part[i] = (uint32_t)(((uint64_t)at[0] << 32 | at[1]) << shift >> 32);
  }
  for (int i = 2; i >= 0; i--) {
    carry = part[i] * m + (carry >> 32);
    part[i] = (uint32_t)carry;
  }
  const uint64_t turned = part[0] << 32 | part[1], whole = (turned + ((uint64_t)1 << 61)) >> 62;
  const real r = (real)((double)(int64_t)(turned - (whole << 62)) * (1.5707963267948966 / 4611686018427387904.0));
  *quarter = bits >> 31 ? (uint32_t)-whole : (uint32_t)whole;
  return bits >> 31 ? -r : r;
}

/* y[i] = sin(x[i] + ahead pi/2); 2 ulp */
INLINE void sines(const real *x, long n, uint32_t ahead, real *restrict y) {
  int large = 0;
  for (long i = 0; i < n; i++) {
    uint32_t quarter;
    const real near = x[i] > ANGLE_MOST ? 0 : x[i] < -ANGLE_MOST ? 0 : x[i], r = split_angle(near, &quarter);
    y[i] = sin_of_quarter(r, quarter + ahead);
    large |= x[i] > ANGLE_MOST || x[i] < -ANGLE_MOST;
  }
  for (long i = 0; large && i < n; i++) {
    if (!(x[i] > ANGLE_MOST || x[i] < -ANGLE_MOST)) continue;
    uint32_t quarter;
    const real r = x[i] - x[i] == 0 ? split_large_angle(x[i], &quarter) : 0;
    y[i] = x[i] - x[i] == 0 ? sin_of_quarter(r, quarter + ahead) : NAN;
  }
}

#endif
#endif
