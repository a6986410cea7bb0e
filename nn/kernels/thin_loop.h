/* The loops of thin products, for inclusion behind tile_loop.h: large operands and results pass by in the order of memory, a
 * row at a time, since they are used so little that fetching them is what takes the time. */

/* ---- mix ---- */

enum { ZEROS, BEGIN, GROW }; /* what a sum begins with */

INLINE void mix_rows(const int depth, const int from, long columns, const real *x, const real *restrict b, long b_step,
                     const real *restrict start, real *restrict out) {
  const real x0 = x[0], x1 = x[1], x2 = x[2], x3 = x[3];
  const real *b1 = b + b_step, *b2 = b1 + b_step, *b3 = b2 + b_step;
  for (long i = 0; i < columns; i++) {
    real s = from == ZEROS ? 0 : from == BEGIN ? start[i] : out[i];
    s += x0 * b[i];
    if (depth > 1) s += x1 * b1[i];
    if (depth > 2) s += x2 * b2[i];
    if (depth > 3) s += x3 * b3[i];
    out[i] = s;
  }
}

static void mix(int depth, long columns, const real *a, long a_step, const real *b, long b_step, const real *start, real *out) {
  real x[MIX_DEPTH] = {0};
  for (int k = 0; k < depth; k++) x[k] = a[k * a_step];
#define CASE(d)                                                                                                                    \
  case 3 * d + ZEROS: mix_rows(d, ZEROS, columns, x, b, b_step, NULL, out); break;                                                 \
  case 3 * d + BEGIN: mix_rows(d, BEGIN, columns, x, b, b_step, start, out); break;                                                \
  case 3 * d + GROW: mix_rows(d, GROW, columns, x, b, b_step, NULL, out); break;
  switch (3 * depth + (!start ? ZEROS : start == out ? GROW : BEGIN)) { CASE(1) CASE(2) CASE(3) CASE(4) }
#undef CASE
}

/* ---- line ---- */

enum { QUARTERS = 4, CHAINS = QUARTERS * DOT_LANES, HELD = CHAINS / LANES };

INLINE void sum_quarters(const Vector *chains, Lanes *sum) {
  Lanes q[QUARTERS];
  memcpy(q, chains, sizeof q);
  *sum = (q[0] + q[2]) + (q[1] + q[3]);
}

/* a times one row, or two at once. */
INLINE void line_part(const int rows, long depth, const real *a, const real *b, const real *c, real *out) {
  Vector s[HELD] = {{0}}, t[HELD] = {{0}};
  long k = 0;
  for (; k + CHAINS <= depth; k += CHAINS)
    for (int i = 0; i < HELD; i++) {
      const Vector x = *(const Vector *)(a + k + i * LANES);
      s[i] += x * *(const Vector *)(b + k + i * LANES);
      if (rows > 1) t[i] += x * *(const Vector *)(c + k + i * LANES);
    }
  Lanes u, v;
  sum_quarters(s, &u), sum_quarters(t, &v);
  for (; k + DOT_LANES <= depth; k += DOT_LANES) {
    const Lanes x = *(const Lanes *)(a + k);
    u += x * *(const Lanes *)(b + k);
    if (rows > 1) v += x * *(const Lanes *)(c + k);
  }
  if (k < depth) {
    Lanes x, y;
    load_part(&x, a + k, depth - k), load_part(&y, b + k, depth - k);
    u += x * y;
    if (rows > 1) load_part(&y, c + k, depth - k), v += x * y;
  }
  out[0] = sum_lanes(&u);
  if (rows > 1) out[1] = sum_lanes(&v);
}

static void line(int rows, long depth, const real *a, const real *b, long b_step, real *out) {
  const long span = SPAN * CHAINS;
  for (int r = 0; r < rows; r += 2)
    for (long k = 0; k < depth; k += span) {
      const long part = depth - k < span ? depth - k : span;
      const int pair = r + 1 < rows ? 2 : 1;
      real sum[2];
      if (pair == 2)
        line_part(2, part, a + k, b + r * b_step + k, b + (r + 1) * b_step + k, sum);
      else
        line_part(1, part, a + k, b + r * b_step + k, NULL, sum);
      for (int i = 0; i < pair; i++) out[r + i] = k ? out[r + i] + sum[i] : sum[i];
    }
}
