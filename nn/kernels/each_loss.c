/* Binary cross entropy of logits and its gradient: x the logit, t the target, p the weight of the target's part. */
#include "each_loop.h"
#include "math.h"

/* p t log(1 + e^-x) + (1 - t) log(1 + e^x), written so that nothing overflows */
INLINE real entropy(real x, real t, real p) {
  const real rest = log1p_of(exp_of(x < 0 ? x : -x));
  return (t * p) * ((x < 0 ? -x : 0) + rest) + (1 - t) * ((x < 0 ? 0 : x) + rest);
}

/* g ((1 - t + p t) s - p t), s = sigmoid(x) */
INLINE real entropy_slope(real g, real x, real t, real p) {
  const real yes = t * p;
  return g * ((1 - t + yes) * sigmoid_of(x) - yes);
}

KERNEL(each_entropy, (const Run *r), (r)) {
  real *restrict y = r->y;
  const real *x = r->x[0], *t = r->x[1], p = r->p[0], one = *t;
  const long sx = r->step[0], st = r->step[1];
  if (sx && st)
    for (long i = 0; i < r->n; i++) y[i] = entropy(x[i], t[i], p);
  else if (sx)
    for (long i = 0; i < r->n; i++) y[i] = entropy(x[i], one, p);
  else
    for (long i = 0; i < r->n; i++) y[i] = entropy(*x, t[i * st], p);
}

KERNEL(each_entropy_slope, (const Run *r), (r)) {
  real *restrict y = r->y;
  const real *g = r->x[0], *x = r->x[1], *t = r->x[2], p = r->p[0], one = *t;
  const long sg = r->step[0], sx = r->step[1], st = r->step[2];
  if (sg && sx && st)
    for (long i = 0; i < r->n; i++) y[i] = entropy_slope(g[i], x[i], t[i], p);
  else
    for (long i = 0; i < r->n; i++) y[i] = entropy_slope(g[i * sg], x[i * sx], st ? t[i] : one, p);
}
