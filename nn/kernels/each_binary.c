/* Functions of two and three elements. */
#include "each_loop.h"
#include "power.h"

#include <tgmath.h>

INLINE real add(real a, real b) {
  return a + b;
}
KERNEL(each_add, (const Run *r), (r)) {
  each2(r, add);
}

INLINE real sub(real a, real b) {
  return a - b;
}
KERNEL(each_sub, (const Run *r), (r)) {
  each2(r, sub);
}

INLINE real mul(real a, real b) {
  return a * b;
}
KERNEL(each_mul, (const Run *r), (r)) {
  each2(r, mul);
}

INLINE real divide(real a, real b) {
  return a / b;
}
KERNEL(each_div, (const Run *r), (r)) {
  each2(r, divide);
}

INLINE real itself(real x) {
  return x;
}
INLINE real square(real x) {
  return x * x;
}
INLINE real cube(real x) {
  return x * x * x;
}
INLINE real root(real x) {
  return sqrt(x);
}
INLINE real inverse(real x) {
  return 1 / x;
}

/* An exponent that is one number for all is mostly one of these. */
KERNEL(each_pow, (const Run *r), (r)) {
  const real b = *r->x[1];
  if (r->step[1] || !r->step[0])
    each2(r, power);
  else if (b == 1)
    each1(r, itself);
  else if (b == 2)
    each1(r, square);
  else if (b == 3)
    each1(r, cube);
  else if (b == (real)0.5)
    each1(r, root);
  else if (b == -1)
    each1(r, inverse);
  else
    each2(r, power);
}

INLINE real maximum(real a, real b) {
  return a > b || a != a ? a : b;
}
KERNEL(each_maximum, (const Run *r), (r)) {
  each2(r, maximum);
}

INLINE real minimum(real a, real b) {
  return a < b || a != a ? a : b;
}
KERNEL(each_minimum, (const Run *r), (r)) {
  each2(r, minimum);
}

INLINE real eq(real a, real b) {
  return a == b;
}
KERNEL(each_eq, (const Run *r), (r)) {
  each2(r, eq);
}

INLINE real ne(real a, real b) {
  return a != b;
}
KERNEL(each_ne, (const Run *r), (r)) {
  each2(r, ne);
}

INLINE real lt(real a, real b) {
  return a < b;
}
KERNEL(each_lt, (const Run *r), (r)) {
  each2(r, lt);
}

INLINE real le(real a, real b) {
  return a <= b;
}
KERNEL(each_le, (const Run *r), (r)) {
  each2(r, le);
}

INLINE real gt(real a, real b) {
  return a > b;
}
KERNEL(each_gt, (const Run *r), (r)) {
  each2(r, gt);
}

INLINE real ge(real a, real b) {
  return a >= b;
}
KERNEL(each_ge, (const Run *r), (r)) {
  each2(r, ge);
}

KERNEL(each_where, (const Run *r), (r)) {
  real *restrict y = r->y;
  const real *condition = r->x[0], *a = r->x[1], *b = r->x[2];
  const long sc = r->step[0], sa = r->step[1], sb = r->step[2];
  if (sc && sa && sb)
    for (long i = 0; i < r->n; i++) y[i] = condition[i] != 0 ? a[i] : b[i];
  else
    for (long i = 0; i < r->n; i++) y[i] = condition[i * sc] != 0 ? a[i * sa] : b[i * sb];
}
