/* Animations: frames with a palette each, kept until the file is written. */
#include <gif_lib.h>
#include <stdlib.h>
#include <string.h>

#include "view.h"

enum { MOST_FRAMES = 120, LIMIT = 1000000, COLOURS = 128, GREYS = 64, BINS = 32 * 32 * 32 };

typedef struct Frame {
  int colours;
  GifColorType palette[COLOURS];
  uint8_t *index; /* width * height */
} Frame;

struct Gif {
  char path[512];
  int width, height, frames;
  long stride; /* only frames whose number it divides are wanted */
  Frame frame[MOST_FRAMES];
};

Gif *gif_new(const char *path) {
  Gif *g = calloc(1, sizeof *g);
  if (!g) return nn_fail("%s: no memory for an animation", path);
  snprintf(g->path, sizeof g->path, "%s", path);
  g->stride = 1;
  return g;
}

void gif_free(Gif *g) {
  for (int i = 0; g && i < g->frames; i++) free(g->frame[i].index);
  free(g);
}

bool gif_wants(const Gif *g, long number) {
  return number % g->stride == 0;
}

static void thin(Gif *g) {
  int kept = 0;
  for (int i = 0; i < g->frames; i++) {
    if (i % 2)
      free(g->frame[i].index);
    else
      g->frame[kept++] = g->frame[i];
  }
  g->frames = kept;
  g->stride *= 2;
}

/* ---- palettes ---- */

/* Colours that agree in the five high bits of each channel. */
typedef struct Bin {
  long count, sum[3];
  uint8_t axis[3];
  uint8_t colour; /* its place in the palette */
} Bin;

typedef struct Part { /* bins from..to-1 of the order */
  int from, to;
} Part;

static const Bin *sorted_bins;
static int sorted_axis;

static int by_axis(const void *a, const void *b) {
  const Bin *x = &sorted_bins[*(const int *)a], *y = &sorted_bins[*(const int *)b];
  int d = x->axis[sorted_axis] - y->axis[sorted_axis];
  return d ? d : *(const int *)a - *(const int *)b;
}

static int longest(const Bin *bin, const int *order, Part box, int *length) {
  int best = 0;
  *length = -1;
  for (int axis = 0; axis < 3; axis++) {
    int low = 31, high = 0;
    for (int i = box.from; i < box.to; i++) {
      int at = bin[order[i]].axis[axis];
      if (at < low) low = at;
      if (at > high) high = at;
    }
    if (high - low > *length) *length = high - low, best = axis;
  }
  return best;
}

/* Cuts a box at the median of its pixels along its longest side. */
static Part cut(const Bin *bin, int *order, Part *box, int axis) {
  sorted_bins = bin;
  sorted_axis = axis;
  qsort(order + box->from, (size_t)(box->to - box->from), sizeof *order, by_axis);
  long all = 0, half = 0;
  for (int i = box->from; i < box->to; i++) all += bin[order[i]].count;
  int at = box->from;
  while (at < box->to - 1 && (half += bin[order[at]].count) * 2 < all) at++;
  if (at == box->from) at++;
  Part upper = {at, box->to};
  box->to = at;
  return upper;
}

/* The box most worth cutting: the longest, of equals the one with more bins; -1 when each is one bin. */
static int widest(const Bin *bin, const int *order, const Part *box, int n) {
  int best = -1, most = 0;
  for (int i = 0; i < n; i++) {
    int length;
    longest(bin, order, box[i], &length);
    int worth = length * 64 + (box[i].to - box[i].from < 64 ? box[i].to - box[i].from : 63);
    if (box[i].to - box[i].from > 1 && worth > most) most = worth, best = i;
  }
  return best;
}

static void colour_of(Bin *bin, const int *order, Part box, int place, GifColorType *out) {
  long sum[3] = {0}, count = 0;
  for (int i = box.from; i < box.to; i++) {
    Bin *b = &bin[order[i]];
    for (int k = 0; k < 3; k++) sum[k] += b->sum[k];
    count += b->count;
    b->colour = (uint8_t)place;
  }
  *out = (GifColorType){(GifByteType)(sum[0] / count), (GifByteType)(sum[1] / count), (GifByteType)(sum[2] / count)};
}

/* Heckbert's median cut (SIGGRAPH 1982). */
static void median_cut(Frame *f, Bin *bin, int *order) {
  int used = 0, n = 1;
  for (int i = 0; i < BINS; i++)
    if (bin[i].count) order[used++] = i;
  Part box[COLOURS] = {{0, used}};
  while (n < COLOURS) {
    int which = widest(bin, order, box, n), length;
    if (which < 0) break;
    int axis = longest(bin, order, box[which], &length);
    box[n] = cut(bin, order, &box[which], axis);
    n++;
  }
  f->colours = n;
  for (int i = 0; i < n; i++) colour_of(bin, order, box[i], i, &f->palette[i]);
}

static int bin_of(const uint8_t *p) {
  return (p[0] >> 3) << 10 | (p[1] >> 3) << 5 | p[2] >> 3;
}

static bool index_colours(Frame *f, const Canvas *c) {
  size_t n = (size_t)c->width * (size_t)c->height;
  Bin *bin = calloc(BINS, sizeof *bin);
  int *order = malloc(BINS * sizeof *order);
  if (bin && order) {
    for (size_t i = 0; i < n; i++) {
      const uint8_t *p = c->pixel + 4 * i;
      Bin *b = &bin[bin_of(p)];
      b->count++;
      for (int k = 0; k < 3; k++) b->sum[k] += p[k], b->axis[k] = p[k] >> 3;
    }
    median_cut(f, bin, order);
    for (size_t i = 0; i < n; i++) f->index[i] = bin[bin_of(c->pixel + 4 * i)].colour;
  }
  bool ok = bin && order;
  free(bin);
  free(order);
  return ok;
}

static bool is_grey(const Canvas *c) {
  for (size_t i = 0; i < (size_t)c->width * (size_t)c->height; i++) {
    const uint8_t *p = c->pixel + 4 * i;
    if (p[0] != p[1] || p[1] != p[2]) return false;
  }
  return true;
}

static void index_greys(Frame *f, const Canvas *c) {
  f->colours = GREYS;
  for (int i = 0; i < GREYS; i++) {
    GifByteType v = (GifByteType)(i * 255 / (GREYS - 1));
    f->palette[i] = (GifColorType){v, v, v};
  }
  for (size_t i = 0; i < (size_t)c->width * (size_t)c->height; i++)
    f->index[i] = (uint8_t)((c->pixel[4 * i] * (GREYS - 1) + 127) / 255);
}

/* ---- frames ---- */

static bool add(Gif *g, const Canvas *c) {
  if (g->frames == MOST_FRAMES) thin(g);
  Frame *f = &g->frame[g->frames];
  f->index = malloc((size_t)c->width * (size_t)c->height);
  if (!f->index) return false;
  bool ok = true;
  if (is_grey(c))
    index_greys(f, c);
  else
    ok = index_colours(f, c);
  if (ok)
    g->frames++;
  else
    free(f->index);
  return ok;
}

static bool resized(Canvas *to, const Canvas *from, int width, int height) {
  size_t n = (size_t)from->width * (size_t)from->height;
  uint8_t *rgb = malloc(n * 3);
  bool ok = rgb && canvas_resize(to, width, height);
  for (size_t i = 0; ok && i < n; i++) memcpy(rgb + 3 * i, from->pixel + 4 * i, 3);
  if (ok) canvas_image(to, (Rect){0, 0, width, height}, rgb, from->width, from->height, 3, true);
  free(rgb);
  return ok;
}

bool gif_add(Gif *g, const Canvas *c) {
  if (!g->frames) g->width = c->width, g->height = c->height;
  if (c->width == g->width && c->height == g->height) return add(g, c);
  Canvas same = {0};
  bool ok = resized(&same, c, g->width, g->height) && add(g, &same);
  canvas_free(&same);
  return ok;
}

/* ---- the file ---- */

typedef struct Bytes {
  uint8_t *at;
  size_t n, room;
} Bytes;

static int collect(GifFileType *gif, const GifByteType *bytes, int n) {
  Bytes *b = gif->UserData;
  if (b->n + (size_t)n > b->room) {
    size_t room = (b->n + (size_t)n) * 2;
    uint8_t *more = realloc(b->at, room);
    if (!more) return 0;
    b->at = more;
    b->room = room;
  }
  memcpy(b->at + b->n, bytes, (size_t)n);
  b->n += (size_t)n;
  return n;
}

/* Hundredths of a second: ten seconds in all, where that is neither hasty nor slow; the last one stays. */
static int delay_of(const Gif *g, int frame) {
  int each = 1000 / g->frames;
  if (frame == g->frames - 1) return 200;
  return each < 6 ? 6 : each > 30 ? 30 : each;
}

static bool put_frame(GifFileType *gif, const Gif *g, int i) {
  const Frame *f = &g->frame[i];
  GraphicsControlBlock control = {DISPOSE_DO_NOT, false, delay_of(g, i), NO_TRANSPARENT_COLOR};
  GifByteType block[4];
  size_t length = EGifGCBToExtension(&control, block);
  int colours = 2;
  while (colours < f->colours) colours *= 2;
  ColorMapObject *map = GifMakeMapObject(colours, NULL);
  if (!map) return false;
  memset(map->Colors, 0, (size_t)colours * sizeof *map->Colors);
  memcpy(map->Colors, f->palette, (size_t)f->colours * sizeof *f->palette);
  bool ok = EGifPutExtension(gif, GRAPHICS_EXT_FUNC_CODE, (int)length, block) == GIF_OK &&
            EGifPutImageDesc(gif, 0, 0, g->width, g->height, false, map) == GIF_OK;
  for (int y = 0; ok && y < g->height; y++) ok = EGifPutLine(gif, f->index + (size_t)y * (size_t)g->width, g->width) == GIF_OK;
  GifFreeMapObject(map);
  return ok;
}

static bool encode(const Gif *g, Bytes *out) {
  int error = 0;
  out->n = 0;
  GifFileType *gif = EGifOpen(out, collect, &error);
  if (!gif) return false;
  EGifSetGifVersion(gif, true);
  const GifByteType for_ever[3] = {1, 0, 0};
  bool ok = EGifPutScreenDesc(gif, g->width, g->height, 8, 0, NULL) == GIF_OK &&
            EGifPutExtensionLeader(gif, APPLICATION_EXT_FUNC_CODE) == GIF_OK &&
            EGifPutExtensionBlock(gif, 11, "NETSCAPE2.0") == GIF_OK && EGifPutExtensionBlock(gif, 3, for_ever) == GIF_OK &&
            EGifPutExtensionTrailer(gif) == GIF_OK;
  for (int i = 0; ok && i < g->frames; i++) ok = put_frame(gif, g, i);
  return EGifCloseFile(gif, &error) == GIF_OK && ok;
}

bool gif_write(Gif *g) {
  if (!g->frames) return true;
  Bytes bytes = {0};
  bool ok = encode(g, &bytes);
  while (ok && bytes.n > LIMIT && g->frames > 8) {
    thin(g);
    ok = encode(g, &bytes);
  }
  if (!ok) nn_fail("%s: no memory for an animation of %d frames", g->path, g->frames);
  ok = ok && file_write(g->path, bytes.at, bytes.n);
  free(bytes.at);
  return ok;
}
