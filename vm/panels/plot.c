/* Curves: the values pale, a smooth line over them, a legend with where they stand. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "panel.h"

enum { BUCKETS = 4096, CURVES = ACCENTS, CURVE_NAME = 24, LONGEST_GAP = 10000000 };

typedef struct Bucket {
  float low, mean, high; /* NaN when it has no finite value */
} Bucket;

typedef struct Curve {
  char name[CURVE_NAME];
  long first, stride; /* step of the first value; steps in a bucket */
  int n;              /* full buckets */
  long filled, finite;
  double sum;
  Bucket open; /* the bucket being filled */
  double last;
  Bucket *bucket; /* BUCKETS of them */
} Curve;

typedef struct Plot {
  int curves;
  Curve curve[CURVES];
} Plot;

/* ---- filling ---- */

static void begin_bucket(Curve *c) {
  c->filled = c->finite = 0;
  c->sum = 0;
  c->open = (Bucket){NAN, NAN, NAN};
}

static Bucket merged(Bucket a, Bucket b) {
  if (isnan(a.mean)) return b;
  if (isnan(b.mean)) return a;
  return (Bucket){fminf(a.low, b.low), (a.mean + b.mean) / 2, fmaxf(a.high, b.high)};
}

static void add(Curve *c, double value) {
  float v = (float)value;
  if (isfinite(v)) {
    c->sum += value;
    c->finite++;
    c->last = value;
    c->open = (Bucket){fminf(c->open.low, v), (float)(c->sum / (double)c->finite), fmaxf(c->open.high, v)};
  }
  if (++c->filled < c->stride) return;
  c->bucket[c->n++] = c->open;
  begin_bucket(c);
  if (c->n < BUCKETS) return;
  for (int i = 0; i < BUCKETS / 2; i++) c->bucket[i] = merged(c->bucket[2 * i], c->bucket[2 * i + 1]);
  c->n = BUCKETS / 2;
  c->stride *= 2;
}

static Curve *find(Plot *p, const char *name) {
  for (int i = 0; i < p->curves; i++)
    if (!strncmp(p->curve[i].name, name, CURVE_NAME - 1)) return &p->curve[i];
  return NULL;
}

static Curve *new_curve(Plot *p, const char *name, long step) {
  if (p->curves == CURVES)
    return nn_fail("window:plot(name, values): a plot has at most %d curves, \"%s\" is one more", CURVES, name);
  Curve *c = &p->curve[p->curves];
  if (!c->bucket && !(c->bucket = malloc(BUCKETS * sizeof *c->bucket))) return nn_fail("window:plot(name, values): no memory");
  snprintf(c->name, sizeof c->name, "%s", name);
  c->first = step;
  c->stride = 1;
  c->n = 0;
  c->last = NAN;
  begin_bucket(c);
  p->curves++;
  return c;
}

bool plot_add(Panel *p, const char *name, long step, double value) {
  Curve *c = find(p->data, name);
  long next = c ? c->first + c->n * c->stride + c->filled : step;
  if (!c) c = new_curve(p->data, name, step < 0 ? 1 : step);
  if (!c) return false;
  if (step >= 0 && step < next) return true; /* a trainer that went back to a checkpoint: drawn from where it was */
  for (long i = next; i < step && i - next < LONGEST_GAP; i++) add(c, (double)NAN);
  add(c, value);
  return true;
}

double plot_last(const Panel *p, const char *name) {
  const Curve *c = find(p->data, name);
  return c ? c->last : (double)NAN;
}

static bool copy(void *to, const void *from) {
  Plot *a = to;
  const Plot *b = from;
  for (int i = 0; i < b->curves; i++) {
    Bucket *mine = a->curve[i].bucket;
    if (!mine && !(mine = malloc(BUCKETS * sizeof *mine))) return false;
    a->curve[i] = b->curve[i];
    a->curve[i].bucket = mine;
    memcpy(mine, b->curve[i].bucket, (size_t)b->curve[i].n * sizeof *mine);
  }
  a->curves = b->curves;
  return true;
}

static void clear(void *data) {
  for (int i = 0; i < CURVES; i++) free(((Plot *)data)->curve[i].bucket);
}

/* ---- drawing ---- */

typedef struct Dots { /* a curve reduced to at most one point for each pixel column */
  int n;
  bool sparse; /* measured now and then: dots joined by lines, nothing to smooth */
  double *x;   /* steps */
  float *low, *mean, *high, *smooth;
} Dots;

typedef struct Frame {
  Rect plot;
  double x0, x1, y0, y1;
} Frame;

static float at_x(const Frame *f, double x) {
  return (float)(f->plot.x + (x - f->x0) / (f->x1 - f->x0) * f->plot.w);
}

static float at_y(const Frame *f, double y) {
  return (float)(f->plot.y + f->plot.h - (y - f->y0) / (f->y1 - f->y0) * f->plot.h);
}

static bool dots_new(Dots *d, int most) {
  float *memory = malloc((size_t)most * (4 * sizeof(float) + sizeof(double)));
  *d = (Dots){.x = (double *)(void *)memory};
  if (!memory) return false;
  d->low = memory + 2 * most;
  d->mean = d->low + most;
  d->high = d->mean + most;
  d->smooth = d->high + most;
  return true;
}

static void dots_fill(Dots *d, const Curve *c, int most) {
  int all = c->n + (c->filled > 0), group = (all + most - 1) / most;
  d->n = 0;
  for (int i = 0; i < all; i += group) {
    Bucket sum = {NAN, NAN, NAN};
    float total = 0;
    int end = i + group < all ? i + group : all, finite = 0;
    for (int k = i; k < end; k++) {
      const Bucket *b = k < c->n ? &c->bucket[k] : &c->open;
      if (isnan(b->mean)) continue;
      sum = merged(sum, *b);
      total += b->mean;
      finite++;
    }
    long width = end < all || !c->filled ? (long)(end - i) * c->stride : (long)(end - i - 1) * c->stride + c->filled;
    d->x[d->n] = (double)c->first + (double)i * (double)c->stride + (double)(width - 1) / 2;
    d->low[d->n] = sum.low;
    d->mean[d->n] = finite ? total / (float)finite : NAN;
    d->high[d->n++] = sum.high;
  }
}

/* Leaves out the gaps of a curve that is mostly gaps. */
static void dots_close(Dots *d) {
  int kept = 0;
  for (int i = 0; i < d->n; i++) kept += !isnan(d->mean[i]);
  d->sparse = kept * 4 < d->n;
  if (!d->sparse) return;
  kept = 0;
  for (int i = 0; i < d->n; i++) {
    if (isnan(d->mean[i])) continue;
    d->x[kept] = d->x[i];
    d->low[kept] = d->low[i];
    d->mean[kept] = d->mean[i];
    d->high[kept++] = d->high[i];
  }
  d->n = kept;
}

/* Gaussian average over the neighbours; its width is a fixed part of what is shown, so it looks alike at every length. */
static void dots_smooth(Dots *d, float *weight) {
  if (d->sparse) {
    memcpy(d->smooth, d->mean, (size_t)d->n * sizeof *d->mean);
    return;
  }
  float sigma = 0.012F * (float)d->n;
  if (sigma < 0.3F) sigma = 0.3F;
  int reach = (int)ceilf(2.5F * sigma); /* less than d->n, or 1 */
  for (int i = 0; i <= reach; i++) weight[i] = expf(-(float)(i * i) / (2 * sigma * sigma));
  for (int i = 0; i < d->n; i++) {
    float sum = 0, all = 0;
    for (int k = i - reach < 0 ? 0 : i - reach; k <= i + reach && k < d->n; k++) {
      if (isnan(d->mean[k])) continue;
      sum += weight[abs(k - i)] * d->mean[k];
      all += weight[abs(k - i)];
    }
    d->smooth[i] = all > 0 && !isnan(d->mean[i]) ? sum / all : NAN;
  }
}

static int by_value(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

/* Widens low..high so that the curve's smooth line and 98 % of its pale values are inside: a single spike does not flatten all. */
static void include(const Dots *d, double *low, double *high, float *scratch) {
  int n = 0;
  for (int i = 0; i < d->n; i++) {
    if (isnan(d->mean[i])) continue;
    *low = fmin(*low, d->smooth[i]);
    *high = fmax(*high, d->smooth[i]);
    scratch[n++] = d->low[i];
    scratch[n++] = d->high[i];
  }
  if (!n) return;
  qsort(scratch, (size_t)n, sizeof *scratch, by_value);
  *low = fmin(*low, scratch[n / 100]);
  *high = fmax(*high, scratch[n - 1 - n / 100]);
}

static void round_range(double *low, double *high) {
  if (!(*low <= *high)) *low = 0, *high = 1;
  bool share = *low >= 0 && *high <= 1 && *high > 0.3; /* probabilities and accuracies: the whole of 0..1 */
  if (share) *low = 0, *high = 1;
  if (*high - *low < 1e-9 * fmax(1, fabs(*high))) *low -= 0.5, *high += 0.5;
  if (!share && *low > 0 && *low < 0.35 * *high) *low = 0;
  double pad = 0.06 * (*high - *low);
  if (*low != 0) *low -= pad;
  *high += share ? 0.03 : pad;
  if (share) *low = -0.03;
}

static void draw_axes(Canvas *c, const Frame *f, const Theme *theme, const Ticks *y) {
  Face face = {12, false};
  char text[32];
  Rect all = {0, 0, c->width, c->height};
  float width = fmaxf(1, roundf(c->scale));
  for (int i = 0; i < y->count; i++) {
    double value = y->first + i * y->step;
    float at = floorf(at_y(f, value)) + width / 2;
    canvas_line(c, all, (Point){(float)f->plot.x, at}, (Point){(float)(f->plot.x + f->plot.w), at}, width, theme->grid);
    tick_text(text, sizeof text, fabs(value) < y->step * 1e-6 ? 0 : value, y->decimals);
    text_draw(c, (float)(f->plot.x - canvas_units(c, 8)), at, ALIGN_RIGHT, face, theme->faint, text);
  }
  Ticks x = ticks_for(f->x0, f->x1, f->plot.w / canvas_units(c, 68));
  if (x.step < 1) x = ticks_for(f->x0, f->x1, (int)(f->x1 - f->x0));
  float below = (float)(f->plot.y + f->plot.h + canvas_units(c, 14));
  for (int i = 0; i < x.count; i++) {
    double value = x.first + i * x.step;
    tick_text(text, sizeof text, value, x.decimals);
    float half = (float)text_width(c, face, text) / 2, at = at_x(f, value);
    float right = (float)(f->plot.x + f->plot.w) + (float)canvas_units(c, 6) - half;
    text_draw(c, fminf(at, right), below, ALIGN_CENTRE, face, theme->faint, text);
  }
}

static void draw_curve(Canvas *c, const Frame *f, const Dots *d, Point *p, float *high, Colour colour) {
  Rect clip = f->plot;
  for (int i = 0; i < d->n; i++) {
    p[i] = (Point){at_x(f, d->x[i]), at_y(f, d->low[i])};
    high[i] = at_y(f, d->high[i]);
  }
  mask_begin(c, clip);
  mask_band(c, d->n, p, high);
  for (int i = 0; i < d->n; i++) p[i].y = at_y(f, d->mean[i]);
  mask_line(c, d->n, p, fmaxf(1, 0.8F * c->scale));
  mask_paint(c, colour_fade(colour, 0.28F));
  for (int i = 0; i < d->n; i++) p[i].y = at_y(f, d->smooth[i]);
  mask_begin(c, clip);
  mask_line(c, d->n, p, 2.2F * c->scale);
  for (int i = 0; d->sparse && i < d->n; i++) mask_disc(c, p[i], 4 * c->scale);
  mask_paint(c, colour);
}

/* From the right: value, name, dot of each curve, last to first. Returns where the legend begins. */
static void draw_legend(Canvas *c, const Plot *plot, Rect area, int left, const Theme *theme) {
  Face face = {13, false}, bold = {13, true};
  int right = area.x + area.w, y = area.y + canvas_units(c, 8);
  for (int i = plot->curves - 1; i >= 0; i--) {
    const Curve *curve = &plot->curve[i];
    char value[32];
    double last = curve->last, size = fabs(last);
    snprintf(value, sizeof value,
             isnan(last)                                ? "–"
             : size >= 1e5 || (size < 1e-3 && size > 0) ? "%.2e"
             : size >= 100                              ? "%.1f"
                                                        : "%.3f",
             last);
    int number = text_width(c, bold, "0.000"), own = text_width(c, bold, value);
    if (own > number) number = own;
    int wide = number + text_width(c, face, curve->name) + canvas_units(c, 20);
    if (right - wide < left) return;
    text_draw(c, (float)right, (float)y, ALIGN_RIGHT, bold, theme->text, value);
    text_draw(c, (float)(right - number - canvas_units(c, 7)), (float)y, ALIGN_RIGHT, face, theme->faint, curve->name);
    mask_begin(c, area);
    mask_disc(c, (Point){(float)(right - wide + canvas_units(c, 4)), (float)y}, 4 * c->scale);
    mask_paint(c, theme->accent[i]);
    right -= wide + canvas_units(c, 16);
  }
}

static Frame frame_of(Canvas *c, Rect in, const Ticks *y, double x0, double x1, double y0, double y1) {
  int label = 0;
  char text[32];
  for (int i = 0; i < y->count; i++) {
    tick_text(text, sizeof text, y->first + i * y->step, y->decimals);
    int width = text_width(c, (Face){12, false}, text);
    if (width > label) label = width;
  }
  int left = label + canvas_units(c, 8), below = canvas_units(c, 24);
  Rect plot = {in.x + left, in.y, in.w - left, in.h - below};
  return (Frame){plot, x0, x1 > x0 ? x1 : x0 + 1, y0, y1};
}

static void draw_curves(Canvas *c, const Plot *plot, Rect in, const Theme *theme, Dots *d, Point *p, float *scratch) {
  double x0 = INFINITY, x1 = -INFINITY, y0 = INFINITY, y1 = -INFINITY;
  for (int i = 0; i < plot->curves; i++) {
    if (!d[i].n) continue;
    const Curve *curve = &plot->curve[i];
    x0 = fmin(x0, (double)curve->first);
    x1 = fmax(x1, (double)(curve->first + curve->n * curve->stride + curve->filled - 1));
    include(&d[i], &y0, &y1, scratch);
  }
  round_range(&y0, &y1);
  Ticks y = ticks_for(y0, y1, in.h / canvas_units(c, 44) + 1);
  Frame f = frame_of(c, in, &y, x0, x1, y0, y1);
  if (f.plot.w < 8 || f.plot.h < 8) return;
  draw_axes(c, &f, theme, &y);
  for (int i = 0; i < plot->curves; i++) draw_curve(c, &f, &d[i], p, scratch, theme->accent[i]);
}

static void draw(const Panel *panel, Canvas *c, Rect area, const Theme *theme) {
  const Plot *plot = panel->data;
  Rect in = panel_heading(c, area, panel->name, NULL, theme), inner = rect_inset(area, canvas_units(c, 14));
  draw_legend(c, plot, inner, inner.x + text_width(c, (Face){14, true}, panel->name) + canvas_units(c, 12), theme);
  int most = in.w > 16 ? in.w : 16;
  Dots d[CURVES] = {{0}};
  Point *p = malloc((size_t)most * sizeof *p);
  float *scratch = malloc((size_t)most * 2 * sizeof *scratch);
  bool ok = p && scratch, any = false;
  for (int i = 0; ok && i < plot->curves; i++) {
    ok = dots_new(&d[i], most);
    if (!ok) break;
    dots_fill(&d[i], &plot->curve[i], most);
    dots_close(&d[i]);
    dots_smooth(&d[i], scratch);
    any = any || d[i].n;
  }
  if (ok && any) draw_curves(c, plot, in, theme, d, p, scratch);
  for (int i = 0; i < plot->curves; i++) free(d[i].x);
  free(p);
  free(scratch);
}

const PanelKind panel_plot = {sizeof(Plot), SHAPE_WIDE, copy, clear, draw};
