/* PNG and JPEG. Both libraries report errors by a jump; here each ends as a text. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <jpeglib.h>
#include <jerror.h>
#include <png.h>

#include "../row.h"
#include "picture.h"

enum { EXIF_MARKER = JPEG_APP0 + 1 };

/* What a decoder needs to keep across a jump. */
typedef struct Decoding {
  jmp_buf out;
  Picture *picture;
  FILE *file;
  size_t room;
  uint8_t **rows;
} Decoding;

static void say(Decoding *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(Decoding *d, const char *format, ...) {
  va_list list;
  if (*d->picture->error) return;
  va_start(list, format);
  vsnprintf(d->picture->error, sizeof d->picture->error, format, list);
  va_end(list);
}

/* Room for the pixels, or an error before any is asked for. */
static bool make_room(Decoding *d, long height, long width, int channels) {
  Picture *p = d->picture;
  p->height = height, p->width = width, p->channels = channels;
  size_t bytes = (size_t)height * (size_t)width * (size_t)channels;
  if (bytes <= d->room) p->pixel = malloc(bytes ? bytes : 1);
  if (!p->pixel) say(d, "%ldx%ld pixels do not fit into the %.0f MB of memory that are free", width, height, (double)d->room / 1e6);
  return p->pixel != NULL;
}

/* ---- PNG ---- */

static void png_stop(png_structp png, png_const_charp message) {
  Decoding *d = png_get_error_ptr(png);
  long at = d->file ? ftell(d->file) : -1;
  if (at >= 0)
    say(d, "%s at byte %ld, expected a whole PNG", message, at);
  else
    say(d, "%s", message);
  longjmp(d->out, 1);
}

static void png_quiet(png_structp png, png_const_charp message) {
  (void)png, (void)message;
}

/* Everything becomes 8 bits of grey or colour, with or without alpha. */
static void png_plain(png_structp png, png_infop info) {
  png_set_expand(png); /* palettes to colours, few bits to 8, a transparent colour to alpha */
  png_set_scale_16(png);
  png_set_interlace_handling(png);
  png_read_update_info(png, info);
}

/* c over white: c a + 255 (1 - a), rounded; drops the alpha. */
static void over_white(uint8_t *pixel, size_t n, int channels) {
  uint8_t *out = pixel;
  for (size_t i = 0; i < n; i++, pixel += channels + 1)
    for (int c = 0; c < channels; c++) {
      int alpha = pixel[channels];
      *out++ = (uint8_t)((pixel[c] * alpha + 255 * (255 - alpha) + 127) / 255);
    }
}

static void png_pixels(Decoding *d, png_structp png, png_infop info) {
  png_init_io(png, d->file);
  png_read_info(png, info);
  png_plain(png, info);
  long height = (long)png_get_image_height(png, info), width = (long)png_get_image_width(png, info);
  int channels = png_get_channels(png, info);
  if (!make_room(d, height, width, channels)) longjmp(d->out, 1);
  d->rows = malloc((size_t)height * sizeof *d->rows);
  if (!d->rows) png_stop(png, "out of memory");
  for (long y = 0; y < height; y++) d->rows[y] = d->picture->pixel + (size_t)y * (size_t)width * (size_t)channels;
  png_read_image(png, d->rows);
  png_read_end(png, NULL);
  if (channels % 2) return;
  d->picture->channels--;
  over_white(d->picture->pixel, (size_t)height * (size_t)width, channels - 1);
}

static bool png_decode(Decoding *d) {
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, d, png_stop, png_quiet);
  png_infop info = png ? png_create_info_struct(png) : NULL;
  volatile bool ok = false;
  if (!info) {
    say(d, "out of memory");
  } else if (!setjmp(d->out)) {
    png_pixels(d, png, info);
    ok = true;
  }
  png_destroy_read_struct(&png, &info, NULL);
  free(d->rows);
  return ok;
}

/* ---- JPEG ---- */

static void jpeg_stop(j_common_ptr jpeg) {
  Decoding *d = jpeg->client_data;
  char message[JMSG_LENGTH_MAX];
  jpeg->err->format_message(jpeg, message);
  say(d, "%s, expected a whole JPEG", message);
  longjmp(d->out, 1);
}

/* The library would fill in grey for what is missing and go on: a broken file is an error here. */
static void jpeg_warn(j_common_ptr jpeg, int level) {
  int code = jpeg->err->msg_code;
  if (level < 0 && (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE)) jpeg_stop(jpeg);
}

/* What the pixels become: grey or colour, or inks as printers have them, which is as far as the library goes. */
static J_COLOR_SPACE jpeg_colours(J_COLOR_SPACE in_file) {
  if (in_file == JCS_CMYK || in_file == JCS_YCCK) return JCS_CMYK;
  return in_file == JCS_GRAYSCALE ? JCS_GRAYSCALE : JCS_RGB;
}

/* Cyan, magenta, yellow and black to red, green and blue: c (255 - ink) / 255 of what black leaves. Adobe's programs write 255
 * less the ink. */
static void from_inks(Picture *p, bool inverted) {
  const uint8_t *ink = p->pixel;
  uint8_t *out = p->pixel;
  for (long i = 0, n = p->height * p->width; i < n; i++, ink += 4) {
    const int left = inverted ? ink[3] : 255 - ink[3];
    for (int c = 0; c < 3; c++) *out++ = (uint8_t)(((inverted ? ink[c] : 255 - ink[c]) * left + 127) / 255);
  }
  p->channels = 3;
}

static void jpeg_turn(Decoding *d, const struct jpeg_decompress_struct *jpeg) {
  for (jpeg_saved_marker_ptr m = jpeg->marker_list; m; m = m->next)
    if (m->marker == EXIF_MARKER && !picture_turn(d->picture, exif_orientation(m->data, m->data_length)))
      say(d, "out of memory to turn it upright"), longjmp(d->out, 1);
}

static void jpeg_pixels(Decoding *d, struct jpeg_decompress_struct *jpeg) {
  jpeg_stdio_src(jpeg, d->file);
  jpeg_save_markers(jpeg, EXIF_MARKER, 0xffff);
  jpeg_read_header(jpeg, TRUE);
  jpeg->out_color_space = jpeg_colours(jpeg->jpeg_color_space);
  jpeg_start_decompress(jpeg);
  size_t stride = (size_t)jpeg->output_width * (size_t)jpeg->output_components;
  if (!make_room(d, (long)jpeg->output_height, (long)jpeg->output_width, jpeg->output_components)) longjmp(d->out, 1);
  while (jpeg->output_scanline < jpeg->output_height) {
    uint8_t *row = d->picture->pixel + stride * jpeg->output_scanline;
    jpeg_read_scanlines(jpeg, &row, 1);
  }
  if (jpeg->out_color_space == JCS_CMYK) from_inks(d->picture, jpeg->saw_Adobe_marker);
  jpeg_turn(d, jpeg); /* before the markers go */
  jpeg_finish_decompress(jpeg);
}

static bool jpeg_decode(Decoding *d) {
  struct jpeg_decompress_struct jpeg = {.client_data = d};
  struct jpeg_error_mgr errors;
  volatile bool ok = false;
  jpeg.err = jpeg_std_error(&errors);
  errors.error_exit = jpeg_stop;
  errors.emit_message = jpeg_warn;
  if (!setjmp(d->out)) {
    jpeg_create_decompress(&jpeg);
    jpeg_pixels(d, &jpeg);
    ok = true;
  }
  jpeg_destroy_decompress(&jpeg);
  return ok;
}

/* ---- either ---- */

bool picture_decode(const char *path, size_t room, Picture *out) {
  uint8_t head[8];
  *out = (Picture){0};
  Decoding d = {.picture = out, .room = room, .file = fopen(path, "rb")};
  if (!d.file) return say(&d, "cannot open it: %s", strerror(errno)), false;
  errno = 0;
  size_t n = fread(head, 1, 8, d.file);
  bool ok = false;
  if (n == 8 && !memcmp(head, "\x89PNG\r\n\x1a\n", 8) && !fseek(d.file, 0, SEEK_SET))
    ok = png_decode(&d);
  else if (n > 2 && !memcmp(head, "\xff\xd8\xff", 3) && !fseek(d.file, 0, SEEK_SET))
    ok = jpeg_decode(&d);
  else if (ferror(d.file))
    say(&d, "cannot read it: %s", strerror(errno));
  else
    say(&d, "neither a PNG (which begins with 89 50 4e 47) nor a JPEG (ff d8 ff)");
  fclose(d.file);
  if (ok) return true;
  free(out->pixel);
  out->pixel = NULL;
  return false;
}

Tensor *image_load(const char *path) {
  if (nn_failed()) return NULL;
  Picture p;
  MemoryUse use = memory_use();
  if (!picture_decode(path, use.limit > use.live ? use.limit - use.live : 0, &p))
    return nn_fail("image.load: %s: %s", path, p.error);
  Tensor *t = tensor_own(tensor_new(3, (long[]){p.height, p.width, p.channels}));
  for (long i = 0, n = t ? tensor_numel(t) : 0; i < n; i++) t->data[i] = (real)p.pixel[i] / 255;
  free(p.pixel);
  return t;
}

/* ---- writing ---- */

static void png_put(png_structp png, png_bytep bytes, size_t n) {
  safe_write(png_get_io_ptr(png), bytes, n);
}

static void png_put_end(png_structp png) {
  (void)png;
}

static bool png_encode(Decoding *d, SafeFile *to) {
  Picture *p = d->picture;
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, d, png_stop, png_quiet);
  png_infop info = png ? png_create_info_struct(png) : NULL;
  volatile bool ok = false;
  if (!info) {
    say(d, "out of memory");
  } else if (!setjmp(d->out)) {
    png_set_write_fn(png, to, png_put, png_put_end);
    png_set_IHDR(png, info, (png_uint_32)p->width, (png_uint_32)p->height, 8,
                 p->channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    size_t stride = (size_t)p->width * (size_t)p->channels;
    for (long y = 0; y < p->height; y++) png_write_row(png, p->pixel + stride * (size_t)y);
    png_write_end(png, NULL);
    ok = true;
  }
  png_destroy_write_struct(&png, &info);
  return ok;
}

static uint8_t to_byte(real x) {
  return x > 0 ? x < 1 ? (uint8_t)lround((double)x * 255) : 255 : 0; /* NaN is black */
}

static bool picture_of(const Tensor *image, Picture *p) {
  bool grey = image->ndim == 2 || (image->ndim == 3 && image->shape[2] == 1);
  if (!grey && !(image->ndim == 3 && image->shape[2] == 3))
    return nn_fail("image.save(path, x): x must be (H,W), (H,W,1) or (H,W,3), got %s", tensor_shape_text(image)), false;
  if (!image->data) return nn_fail("image.save(path, x): the tensor's memory was freed"), false;
  *p = (Picture){.height = image->shape[0], .width = image->shape[1], .channels = grey ? 1 : 3};
  if (p->height < 1 || p->width < 1)
    return nn_fail("image.save(path, x): x has no pixels, got %s", tensor_shape_text(image)), false;
  long n = tensor_numel(image);
  p->pixel = memory_new((size_t)n);
  for (long i = 0; p->pixel && i < n; i++) p->pixel[i] = to_byte(image->data[i]);
  return p->pixel != NULL;
}

/* A PNG called .jpg would deceive other programs. */
static bool check_name(const char *path) {
  static const char *const others[] = {".jpg", ".jpeg", ".gif"};
  const char *ending = strrchr(path, '.');
  for (size_t i = 0; ending && i < sizeof others / sizeof *others; i++)
    if (!strcasecmp(ending, others[i]))
      return nn_fail("image.save: %s: pictures are written as PNG, so a name that ends in .png is expected", path), false;
  return true;
}

bool image_save(const char *path, Tensor *image) {
  Picture p;
  if (!image || nn_failed() || !check_name(path) || !picture_of(image, &p)) return false;
  SafeFile *to = safe_open(path);
  Decoding d = {.picture = &p};
  bool ok = to && png_encode(&d, to);
  memory_free(p.pixel);
  if (!ok) safe_cancel(to);
  if (*p.error) nn_fail("%s: %s", path, p.error);
  ok = ok && safe_close(to);
  if (!ok) nn_fail_in("image.save");
  return ok;
}
