/* A data set from picture files of any size: the middle square of each, made small. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../row.h"
#include "picture.h"

enum { TOGETHER = 64 }; /* files between two reports of progress */

/* How one side of `from` pixels becomes `to`: pixel i is the weighted sum of `taps` pixels from first[i] on. The
 * weights are a triangle as wide as two pixels of the coarser picture, so that making small blurs instead of aliasing. */
typedef struct Resize {
  long from, to, taps;
  long *first;
  real *weight; /* (to, taps) */
} Resize;

static bool resize_plan(Resize *r, long from, long to) {
  double scale = (double)from / (double)to, support = scale > 1 ? scale : 1;
  *r = (Resize){.from = from, .to = to, .taps = 2 * (long)ceil(support) + 1};
  r->first = calloc((size_t)to, sizeof *r->first);
  r->weight = calloc((size_t)(to * r->taps), sizeof *r->weight);
  if (!r->first || !r->weight) return false;
  for (long i = 0; i < to; i++) {
    double centre = ((double)i + 0.5) * scale, sum = 0;
    long first = (long)floor(centre - support);
    first = first < 0 ? 0 : first;
    for (long k = 0; k < r->taps && first + k < from; k++) {
      double weight = 1 - fabs(((double)(first + k) + 0.5 - centre) / support);
      r->weight[i * r->taps + k] = (real)(weight > 0 ? weight : 0);
      sum += weight > 0 ? weight : 0;
    }
    for (long k = 0; k < r->taps; k++) r->weight[i * r->taps + k] /= (real)sum;
    r->first[i] = first;
  }
  return true;
}

static void resize_end(Resize *r) {
  free(r->first);
  free(r->weight);
}

/* The middle square's rows, made narrow: (side, size, 3). */
static void narrow_rows(const Resize *r, const Picture *p, real *out) {
  long top = (p->height - r->from) / 2, left = (p->width - r->from) / 2;
  for (long y = 0; y < r->from; y++)
    for (long x = 0; x < r->to; x++)
      for (int c = 0; c < 3; c++) {
        real sum = 0;
        const uint8_t *row = p->pixel + ((top + y) * p->width + left + r->first[x]) * p->channels + (p->channels == 3 ? c : 0);
        for (long k = 0; k < r->taps && r->first[x] + k < r->from; k++) sum += r->weight[x * r->taps + k] * row[k * p->channels];
        *out++ = sum;
      }
}

static void shorten_columns(const Resize *r, const real *rows, uint8_t *out) {
  long stride = r->to * 3;
  for (long y = 0; y < r->to; y++)
    for (long x = 0; x < stride; x++) {
      real sum = 0;
      for (long k = 0; k < r->taps && r->first[y] + k < r->from; k++)
        sum += r->weight[y * r->taps + k] * rows[(r->first[y] + k) * stride + x];
      *out++ = (uint8_t)(sum > 254.5 ? 255 : sum + (real)0.5);
    }
}

static bool square(const Picture *p, long size, uint8_t *out) {
  long side = p->height < p->width ? p->height : p->width;
  Resize r;
  real *rows = malloc((size_t)(side * size * 3) * sizeof *rows);
  bool ok = resize_plan(&r, side, size) && rows;
  if (ok) {
    narrow_rows(&r, p, rows);
    shorten_columns(&r, rows, out);
  }
  resize_end(&r);
  free(rows);
  return ok;
}

typedef struct Files {
  const char *const *file;
  Dataset *set;
  size_t room;
  long from; /* the file that piece 0 is */
  Picture picture[TOGETHER];
} Files;

static void decode_files(void *job, long from, long to) {
  Files *f = job;
  for (long i = from; i < to; i++) {
    Picture *p = &f->picture[i];
    long at = f->from + i, size = f->set->shape[0];
    if (!picture_decode(f->file[at], f->room, p)) continue;
    if (!square(p, size, f->set->bytes + at * size * size * 3)) strcpy(p->error, "out of memory");
    free(p->pixel);
  }
}

static bool decode_all(Files *f, void (*progress)(void *, long, long), void *data) {
  long n = f->set->n;
  for (f->from = 0; f->from < n; f->from += TOGETHER) {
    long count = n - f->from < TOGETHER ? n - f->from : TOGETHER;
    workers_for(count, 1, decode_files, f);
    for (long i = 0; i < count; i++)
      if (*f->picture[i].error) return nn_fail("data.folder: %s: %s", f->file[f->from + i], f->picture[i].error), false;
    if (progress) progress(data, f->from + count, n);
    if (nn_failed()) return false;
  }
  return true;
}

Dataset *data_images(int n, const char *const *files, const int32_t *labels, long size, void (*progress)(void *, long done, long n),
                     void *data) {
  if (nn_failed()) return NULL;
  if (n < 1) return nn_fail("data.folder: no PNG or JPEG files found");
  if (size < 1 || size > 16384) return nn_fail("data.folder: size must be 1 to 16384 pixels, got %ld", size);
  Dataset *set = dataset_new(3, (long[]){size, size, 3}, n, true, labels != NULL);
  Files *f = set ? memory_new(sizeof *f) : NULL;
  bool ok = f != NULL;
  for (int i = 0; ok && labels && i < n; i++) {
    ok = labels[i] >= 1 || nn_fail("data.folder: label %d of %s is not counted from 1", (int)labels[i], files[i]);
    set->labels[i] = labels[i];
    if (labels[i] > set->classes) set->classes = labels[i];
  }
  if (ok) {
    MemoryUse use = memory_use();
    f->file = files, f->set = set, f->room = use.limit / (size_t)(4 * workers_count());
    ok = decode_all(f, progress, data);
  }
  memory_free(f);
  if (ok) return set;
  dataset_drop(set);
  return NULL;
}
