/* Pictures: every kind of PNG and JPEG, and data sets of them. */
#include "folder.h"

#include <jpeglib.h>
#include <png.h>

static void png_goes_round(void) {
  size_t scope = scope_enter();
  for (int channels = 1; channels <= 3; channels += 2) {
    long shape[] = {5, 7, channels};
    Tensor *x = tensor_rand(3, shape);
    CHECK(image_save(path_of("x.png"), x));
    Tensor *y = image_load(path_of("x.png"));
    CHECK(y && tensor_same_shape(x, y));
    double worst = 0;
    for (long i = 0; y && i < tensor_numel(x); i++) worst = fmax(worst, fabs((double)(x->data[i] - y->data[i])));
    CHECK(worst <= 0.5001 / 255);
  }
  Tensor *wild = tensor_from(2, (long[]){1, 3}, (real[]){-4, (real)NAN, 9});
  CHECK(image_save(path_of("x.png"), wild));
  Tensor *y = image_load(path_of("x.png"));
  CHECK(y && y->data[0] == 0 && y->data[1] == 0 && y->data[2] == 1);
  CHECK(!image_save(path_of("x.png"), tensor_zeros(3, (long[]){2, 2, 2})));
  CHECK_ERROR("x must be (H,W), (H,W,1) or (H,W,3), got (2,2,2)");
  CHECK(!image_save(path_of("x.png"), tensor_zeros(2, (long[]){0, 2})));
  CHECK_ERROR("no pixels");
  CHECK(!image_save(path_of("no/where/x.png"), wild));
  CHECK_ERROR("No such file or directory");
  scope_leave(scope, NULL);
}

static void write_png(const char *path, int width, int depth, int colour, uint8_t *row, bool key) {
  FILE *f = fopen(path, "wb");
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  png_infop info = png_create_info_struct(png);
  png_init_io(png, f);
  png_set_IHDR(png, info, (png_uint_32)width, 1, depth, colour, 0, 0, 0);
  if (colour == PNG_COLOR_TYPE_PALETTE) png_set_PLTE(png, info, (png_color[]){{255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {9, 9, 9}}, 4);
  if (key) png_set_tRNS(png, info, (png_byte[]){255, 0}, 2, NULL);
  png_write_info(png, info);
  png_write_row(png, row);
  png_write_end(png, NULL);
  png_destroy_write_struct(&png, &info);
  fclose(f);
}

static void check_pixels(const char *path, int channels, int n, const int *want) {
  size_t scope = scope_enter();
  Tensor *t = image_load(path);
  CHECK(t && t->ndim == 3 && t->shape[2] == channels && tensor_numel(t) == n);
  for (int i = 0; t && i < n; i++) CHECK(lround((double)t->data[i] * 255) == want[i]);
  scope_leave(scope, NULL);
}

static void every_kind_of_png_is_read(void) {
  write_png(path_of("1.png"), 4, 1, PNG_COLOR_TYPE_GRAY, (uint8_t[]){0x50}, false);
  check_pixels(path_of("1.png"), 1, 4, (int[]){0, 255, 0, 255});
  write_png(path_of("2.png"), 4, 2, PNG_COLOR_TYPE_GRAY, (uint8_t[]){0x1b}, false);
  check_pixels(path_of("2.png"), 1, 4, (int[]){0, 85, 170, 255});
  write_png(path_of("16.png"), 2, 16, PNG_COLOR_TYPE_GRAY, (uint8_t[]){0x80, 0x80, 0xff, 0xff}, false);
  check_pixels(path_of("16.png"), 1, 2, (int[]){128, 255});
  write_png(path_of("p.png"), 3, 2, PNG_COLOR_TYPE_PALETTE, (uint8_t[]){0x18}, false);
  check_pixels(path_of("p.png"), 3, 9, (int[]){255, 0, 0, 0, 255, 0, 0, 0, 255});
  write_png(path_of("pt.png"), 2, 2, PNG_COLOR_TYPE_PALETTE, (uint8_t[]){0x10}, true);
  check_pixels(path_of("pt.png"), 3, 6, (int[]){255, 0, 0, 255, 255, 255});
  write_png(path_of("a.png"), 2, 8, PNG_COLOR_TYPE_RGB_ALPHA, (uint8_t[]){10, 20, 30, 255, 100, 0, 255, 51}, false);
  check_pixels(path_of("a.png"), 3, 6, (int[]){10, 20, 30, 224, 204, 255});
  write_png(path_of("ga.png"), 2, 8, PNG_COLOR_TYPE_GRAY_ALPHA, (uint8_t[]){10, 0, 40, 255}, false);
  check_pixels(path_of("ga.png"), 1, 2, (int[]){255, 40});
}

typedef struct Jpeg {
  int width, height, channels;
  const uint8_t *pixel; /* of all of them when there is one only, else in their order */
  bool one_colour, adobe;
  const uint8_t *exif;
  unsigned exif_bytes;
} Jpeg;

static void write_jpeg(const char *path, Jpeg p) {
  const J_COLOR_SPACE colours[] = {[1] = JCS_GRAYSCALE, [3] = JCS_RGB, [4] = JCS_CMYK};
  struct jpeg_compress_struct jpeg;
  struct jpeg_error_mgr errors;
  FILE *f = fopen(path, "wb");
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  jpeg_stdio_dest(&jpeg, f);
  jpeg.image_width = (unsigned)p.width, jpeg.image_height = (unsigned)p.height;
  jpeg.input_components = p.channels, jpeg.in_color_space = colours[p.channels];
  jpeg_set_defaults(&jpeg);
  jpeg.write_Adobe_marker = p.adobe;
  jpeg_start_compress(&jpeg, TRUE);
  if (p.exif) jpeg_write_marker(&jpeg, JPEG_APP0 + 1, p.exif, p.exif_bytes);
  for (int y = 0; y < p.height; y++) {
    uint8_t row[4 * 64];
    for (int i = 0; i < p.width * p.channels; i++) row[i] = p.pixel[p.one_colour ? i % p.channels : y * p.width * p.channels + i];
    jpeg_write_scanlines(&jpeg, (JSAMPROW[]){row}, 1);
  }
  jpeg_finish_compress(&jpeg);
  jpeg_destroy_compress(&jpeg);
  fclose(f);
}

static void jpeg_is_read(void) {
  size_t scope = scope_enter();
  write_jpeg(path_of("x.jpg"), (Jpeg){20, 30, 3, (uint8_t[]){200, 100, 50}, .one_colour = true});
  const int colour[] = {200, 100, 50};
  Tensor *t = image_load(path_of("x.jpg"));
  CHECK(t && t->shape[0] == 30 && t->shape[1] == 20 && t->shape[2] == 3);
  for (int i = 0; t && i < 3; i++) CHECK_NEAR((double)t->data[900 + i] * 255, colour[i], 3);
  write_jpeg(path_of("grey.jpg"), (Jpeg){8, 8, 1, (uint8_t[]){77}, .one_colour = true});
  t = image_load(path_of("grey.jpg"));
  CHECK(t && t->shape[2] == 1);
  scope_leave(scope, NULL);
}

/* Half of cyan's ink, no magenta, all of yellow, and a fifth of black. */
static void inks_become_colours(void) {
  const double want[] = {127.5 * 0.8, 255 * 0.8, 0};
  for (int adobe = 0; adobe < 2; adobe++) {
    size_t scope = scope_enter();
    const uint8_t ink[] = {127, 0, 255, 51}, rest[] = {128, 255, 0, 204};
    write_jpeg(path_of("inks.jpg"), (Jpeg){8, 8, 4, adobe ? rest : ink, .one_colour = true, .adobe = adobe});
    Tensor *t = image_load(path_of("inks.jpg"));
    CHECK(t && t->shape[0] == 8 && t->shape[1] == 8 && t->shape[2] == 3);
    for (int i = 0; t && i < 3 * 64; i++) CHECK_NEAR((double)t->data[i] * 255, want[i % 3], 4);
    scope_leave(scope, NULL);
  }
}

/* Squares a b / c d / e f, as they lie in the file when the camera was held so; from "Orientation" in Exif 2.3, 4.6.4. */
static const char *const as_held[] = {"abcdef", "badcfe", "fedcba", "efcdab", "acebdf", "bdface", "fdbeca", "ecafdb"};

enum { SQUARE = 8, SQUARES = 6 };

static void check_upright(const char *path) {
  size_t scope = scope_enter();
  Tensor *t = image_load(path);
  CHECK(t && t->shape[0] == 3 * SQUARE && t->shape[1] == 2 * SQUARE && t->shape[2] == 1);
  for (int i = 0; t && i < SQUARES; i++) {
    const long y = i / 2 * SQUARE + SQUARE / 2, x = i % 2 * SQUARE + SQUARE / 2;
    CHECK_NEAR((double)t->data[y * t->shape[1] + x] * 255, 40 * i + 10, 3);
  }
  scope_leave(scope, NULL);
}

static void pictures_are_turned_upright(void) {
  uint8_t little[] = "Exif\0\0II*\0\10\0\0\0\2\0\17\1\2\0\1\0\0\0x\0\0\0\22\1\3\0\1\0\0\0?\0\0\0\0\0\0\0";
  uint8_t big[] = "Exif\0\0MM\0*\0\0\0\10\0\1\1\22\0\3\0\0\0\1\0?\0\0\0\0\0\0";
  uint8_t pixel[SQUARES * SQUARE * SQUARE];
  for (int held = 1; held <= 8; held++) {
    const int across = held > 4 ? 3 : 2, width = across * SQUARE, height = SQUARES / across * SQUARE;
    for (int i = 0; i < width * height; i++) {
      const char square = as_held[held - 1][i / width / SQUARE * across + i % width / SQUARE];
      pixel[i] = (uint8_t)(40 * (square - 'a') + 10);
    }
    little[36] = big[25] = (uint8_t)held;
    write_jpeg(path_of("little.jpg"), (Jpeg){width, height, 1, pixel, .exif = little, .exif_bytes = sizeof little - 1});
    check_upright(path_of("little.jpg"));
    write_jpeg(path_of("big.jpg"), (Jpeg){width, height, 1, pixel, .exif = big, .exif_bytes = sizeof big - 1});
    check_upright(path_of("big.jpg"));
  }
  for (unsigned cut = 0; cut < sizeof little - 1; cut++) { /* a block that says less is no reason not to show the picture */
    write_jpeg(path_of("cut.jpg"), (Jpeg){24, 16, 1, pixel, .exif = little, .exif_bytes = cut});
    size_t scope = scope_enter();
    CHECK(image_load(path_of("cut.jpg")) != NULL);
    scope_leave(scope, NULL);
  }
}

/* Cut anywhere, a picture is an error; with a bit flipped it is an error or a picture, but never a crash. */
static void broken_pictures_are_refused(void) {
  static uint8_t bytes[4096];
  const char *names[] = {"a.png", "x.jpg"};
  for (int kind = 0; kind < 2; kind++) {
    size_t n = file_get(path_of(names[kind]), bytes, sizeof bytes);
    CHECK(n > 60);
    for (size_t cut = 0; cut + 2 < n; cut += n > 200 ? 7 : 1) {
      file_put(path_of("broken"), bytes, cut);
      CHECK(image_load(path_of("broken")) == NULL);
      CHECK_ERROR("broken: ");
    }
    for (size_t flip = 0; flip < n; flip++) {
      size_t scope = scope_enter();
      bytes[flip] ^= 0x10;
      file_put(path_of("broken"), bytes, n);
      Tensor *t = image_load(path_of("broken"));
      CHECK(t || nn_failed());
      nn_clear_error();
      bytes[flip] ^= 0x10;
      scope_leave(scope, NULL);
    }
  }
  CHECK(image_load(path_of("missing.png")) == NULL);
  CHECK_ERROR("missing.png: cannot open it");
  CHECK(image_load(folder) == NULL);
  CHECK_ERROR("cannot read it: Is a directory");
}

static long told;

static void tell(void *data, long done, long n) {
  CHECK(data == &told && n == 3);
  told = done;
}

static void pictures_become_a_data_set(void) {
  size_t scope = scope_enter();
  Tensor *wide = tensor_zeros(3, (long[]){8, 16, 3}); /* black, but for a middle of red that is all that is kept */
  for (int y = 0; y < 8; y++)
    for (int x = 4; x < 12; x++) wide->data[(y * 16 + x) * 3] = 1;
  Tensor *stripes = tensor_zeros(2, (long[]){64, 64}); /* finer than the small picture can show: grey */
  for (int i = 0; i < 64 * 64; i++) stripes->data[i] = (real)(i % 2);
  CHECK(image_save(path_of("wide.png"), wide) && image_save(path_of("stripes.png"), stripes));
  const char *files[] = {path_of("wide.png"), path_of("x.jpg"), path_of("stripes.png")};
  Dataset *set = data_images(3, files, (int32_t[]){2, 1, 2}, 8, tell, &told);
  CHECK(set && set->n == 3 && set->shape[0] == 8 && set->shape[2] == 3 && set->classes == 2 && told == 3);
  for (int i = 0; set && i < 64; i++) {
    const uint8_t *p = set->bytes + 3 * i, *q = set->bytes + (128 + i) * 3;
    CHECK(p[0] == 255 && p[1] == 0 && p[2] == 0);
    CHECK(abs(q[0] - 128) <= 6 && q[0] == q[1] && q[0] == q[2]);
  }
  dataset_drop(set);
  set = data_images(1, files, NULL, 32, NULL, NULL); /* larger than the file */
  CHECK(set && set->bytes[3 * 500] == 255 && set->bytes[3 * 500 + 1] == 0);
  dataset_drop(set);
  CHECK(data_images(0, NULL, NULL, 8, NULL, NULL) == NULL);
  CHECK_ERROR("no PNG or JPEG files");
  file_put(path_of("broken"), "no picture", 10);
  CHECK(data_images(2, (const char *[]){files[0], path_of("broken")}, NULL, 8, NULL, NULL) == NULL);
  CHECK_ERROR("broken: neither a PNG");
  CHECK(data_images(1, files, (int32_t[]){0}, 8, NULL, NULL) == NULL);
  CHECK_ERROR("label 0 of");
  scope_leave(scope, NULL);
}

int main(void) {
  if (!folder_new()) return 1;
  size_t live = memory_use().live;
  png_goes_round();
  every_kind_of_png_is_read();
  jpeg_is_read();
  inks_become_colours();
  pictures_are_turned_upright();
  broken_pictures_are_refused();
  pictures_become_a_data_set();
  CHECK(memory_use().live == live);
  return test_done();
}
