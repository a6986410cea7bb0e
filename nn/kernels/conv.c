/* Convolution as matrix products over rows of patches: patch (y,x) is a row of KH*KW*C numbers, and
 * map = patches weight, patches' gradient = map weightT, weight's gradient = patchesT map. */
#include "conv.h"

#include <cblas.h>
#include <string.h>

#include "../row.h"

#ifdef NN_DOUBLE
#define gemm cblas_dgemm
#else
#define gemm cblas_sgemm
#endif

enum { PATCHES = 1 << 22, GROUPS = 8 }; /* numbers of patches held at a time; parts of the batch whose gradients are summed */

typedef struct Job {
  const Conv *v;
  const real *map, *weight, *bias;
  const real *in; /* image to read */
  real *image, *out, *patches;
  long first, count, pixels, row; /* images: the first and how many; pixels of a map, numbers in a patch */
} Job;

/* Goes over the rows of an image that lie under the kernel, for one map pixel. */
static void patch(const Conv *v, long y, long x, const real *image, real *row) {
  for (long i = 0; i < v->kernel[0]; i++)
    for (long j = 0; j < v->kernel[1]; j++, row += v->c) {
      long h = y * v->stride[0] - v->padding[0] + i * v->dilation[0], w = x * v->stride[1] - v->padding[1] + j * v->dilation[1];
      if (h < 0 || h >= v->image[0] || w < 0 || w >= v->image[1])
        memset(row, 0, (size_t)v->c * sizeof(real));
      else
        memcpy(row, image + (h * v->image[1] + w) * v->c, (size_t)v->c * sizeof(real));
    }
}

static void add_patch(const Conv *v, long y, long x, const real *row, real *image) {
  for (long i = 0; i < v->kernel[0]; i++)
    for (long j = 0; j < v->kernel[1]; j++, row += v->c) {
      long h = y * v->stride[0] - v->padding[0] + i * v->dilation[0], w = x * v->stride[1] - v->padding[1] + j * v->dilation[1];
      if (h < 0 || h >= v->image[0] || w < 0 || w >= v->image[1]) continue;
      real *to = image + (h * v->image[1] + w) * v->c;
      for (long c = 0; c < v->c; c++) to[c] += row[c];
    }
}

static void fill_rows(real *to, const real *row, long rows, long n) {
  for (long i = 0; i < rows; i++) {
    if (row)
      memcpy(to + i * n, row, (size_t)n * sizeof(real));
    else
      memset(to + i * n, 0, (size_t)n * sizeof(real));
  }
}

static void all_patches(const Job *j, const real *image, real *patches) {
  for (long p = 0; p < j->pixels; p++) patch(j->v, p / j->v->map[1], p % j->v->map[1], image, patches + p * j->row);
}

static void map_images(void *job, long from, long to) {
  const Job *j = job;
  const Conv *v = j->v;
  for (long n = from; n < to; n++) {
    real *patches = j->patches + n * j->pixels * j->row, *out = j->out + (j->first + n) * j->pixels * v->k;
    all_patches(j, j->in + (j->first + n) * v->image[0] * v->image[1] * v->c, patches);
    fill_rows(out, j->bias, j->pixels, v->k);
    gemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)j->pixels, (int)v->k, (int)j->row, 1, patches, (int)j->row, j->weight,
         (int)v->k, 1, out, (int)v->k);
  }
}

static void image_images(void *job, long from, long to) {
  const Job *j = job;
  const Conv *v = j->v;
  for (long n = from; n < to; n++) {
    real *patches = j->patches + n * j->pixels * j->row, *image = j->image + (j->first + n) * v->image[0] * v->image[1] * v->c;
    gemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)j->pixels, (int)j->row, (int)v->k, 1,
         j->map + (j->first + n) * j->pixels * v->k, (int)v->k, j->weight, (int)v->k, 0, patches, (int)j->row);
    fill_rows(image, j->bias, v->image[0] * v->image[1], v->c);
    for (long p = 0; p < j->pixels; p++) add_patch(v, p / v->map[1], p % v->map[1], patches + p * j->row, image);
  }
}

/* Group `from` of the batch: every GROUPS-th image, into a gradient of its own. */
static void weight_groups(void *job, long from, long to) {
  const Job *j = job;
  const Conv *v = j->v;
  for (long group = from; group < to; group++) {
    real *patches = j->patches + group * j->pixels * j->row, *sum = j->out + group * j->row * v->k;
    memset(sum, 0, (size_t)(j->row * v->k) * sizeof(real));
    for (long n = group; n < v->n; n += GROUPS) {
      all_patches(j, j->in + n * v->image[0] * v->image[1] * v->c, patches);
      gemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)j->row, (int)v->k, (int)j->pixels, 1, patches, (int)j->row,
           j->map + n * j->pixels * v->k, (int)v->k, 1, sum, (int)v->k);
    }
  }
}

static Job job_of(const Conv *v) {
  return (Job){.v = v, .pixels = v->map[0] * v->map[1], .row = v->kernel[0] * v->kernel[1] * v->c};
}

/* Images in as many runs as memory for their patches asks for. */
static bool run(Job j, void (*images)(void *, long, long)) {
  long one = j.pixels * j.row, at_once = one && PATCHES / one > 1 ? PATCHES / one : 1;
  Tensor *patches = tensor_new(2, (long[]){at_once < j.v->n ? at_once : j.v->n, one});
  if (!patches) return false;
  j.patches = patches->data;
  for (; j.first < j.v->n; j.first += at_once) workers_for(j.v->n - j.first < at_once ? j.v->n - j.first : at_once, 1, images, &j);
  tensor_drop(patches);
  return true;
}

bool conv_map(const Conv *v, const real *image, const real *weight, const real *bias, real *map) {
  Job j = job_of(v);
  j.in = image, j.weight = weight, j.bias = bias, j.out = map;
  if (j.row && v->k) return run(j, map_images);
  fill_rows(map, bias, v->n * j.pixels, v->k);
  return true;
}

bool conv_image(const Conv *v, const real *map, const real *weight, const real *bias, real *image) {
  Job j = job_of(v);
  j.map = map, j.weight = weight, j.bias = bias, j.image = image;
  if (j.row && v->k) return run(j, image_images);
  fill_rows(image, bias, v->n * v->image[0] * v->image[1], v->c);
  return true;
}

bool conv_weight(const Conv *v, const real *image, const real *map, real *weight) {
  Job j = job_of(v);
  long size = j.row * v->k, groups = v->n < GROUPS ? v->n : GROUPS;
  memset(weight, 0, (size_t)size * sizeof(real));
  if (!size || !v->n) return true;
  Tensor *patches = tensor_new(2, (long[]){groups, j.pixels * j.row}), *sums = tensor_new(2, (long[]){groups, size});
  if (patches && sums) {
    j.in = image, j.map = map, j.patches = patches->data, j.out = sums->data;
    workers_for(groups, 1, weight_groups, &j);
    for (long group = 0; group < groups; group++)
      for (long i = 0; i < size; i++) weight[i] += sums->data[group * size + i];
  }
  tensor_drop(patches);
  tensor_drop(sums);
  return patches && sums;
}
