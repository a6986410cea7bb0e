/* Files: IDX, NumPy, PNG and JPEG, the drawn digits, and writing that leaves the old file or the new one. */
#include "test.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <jpeglib.h>
#include <png.h>

static char folder[400];

/* A path in the test's folder; good for the next 8 calls. */
static const char *at(const char *name) {
  static char paths[8][512];
  static unsigned next;
  char *path = paths[next++ % 8];
  snprintf(path, sizeof paths[0], "%s/%s", folder, name);
  return path;
}

static void put(const char *path, const void *bytes, size_t n) {
  FILE *f = fopen(path, "wb");
  CHECK(f && fwrite(bytes, 1, n, f) == n);
  if (f) fclose(f);
}

static size_t get(const char *path, uint8_t *bytes, size_t room) {
  FILE *f = fopen(path, "rb");
  if (!f) return 0;
  size_t n = fread(bytes, 1, room, f);
  fclose(f);
  return n;
}

static void put_packed(const char *path, const void *bytes, size_t n) {
  gzFile f = gzopen(path, "wb");
  CHECK(f && gzwrite(f, bytes, (unsigned)n) == (int)n);
  if (f) gzclose(f);
}

/* ---- IDX ---- */

enum { IMAGES = 16 + 5 * 2 * 3, LABELS = 8 + 5 };
static uint8_t images[IMAGES] = {0, 0, 8, 3, 0, 0, 0, 5, 0, 0, 0, 2, 0, 0, 0, 3};
static uint8_t labels[LABELS] = {0, 0, 8, 1, 0, 0, 0, 5, 3, 0, 1, 0, 2};

static void check_set(Dataset *set) {
  CHECK(set != NULL);
  if (!set) return;
  CHECK(set->n == 5 && set->ndim == 3 && set->shape[0] == 2 && set->shape[1] == 3 && set->shape[2] == 1);
  CHECK(!memcmp(set->bytes, images + 16, IMAGES - 16));
  CHECK(set->classes == 4 && set->labels[0] == 4 && set->labels[1] == 1 && set->labels[4] == 3);
  dataset_drop(set);
}

static void idx_is_read_plain_and_packed(void) {
  for (int i = 16; i < IMAGES; i++) images[i] = (uint8_t)(i * 37);
  put(at("images"), images, IMAGES);
  put(at("labels"), labels, LABELS);
  put_packed(at("images.gz"), images, IMAGES);
  put_packed(at("labels.gz"), labels, LABELS);
  check_set(data_idx(at("images"), at("labels")));
  check_set(data_idx(at("images.gz"), at("labels.gz")));
  Dataset *set = data_idx(at("images.gz"), NULL);
  CHECK(set && !set->labels && !strcmp(set->name, "images.gz"));
  dataset_drop(set);
}

static void refuse_idx(const char *images_path, const char *labels_path, const char *words) {
  CHECK(data_idx(images_path, labels_path) == NULL);
  CHECK_ERROR(words);
}

static void broken_idx_is_refused(void) {
  uint8_t bad[IMAGES + 1] = {0}, packed[200];
  size_t n = get(at("images.gz"), packed, sizeof packed);
  for (size_t cut = 0; cut < IMAGES; cut++) {
    put(at("cut"), images, cut);
    refuse_idx(at("cut"), NULL, "expected");
  }
  for (size_t cut = 1; cut < n; cut++) { /* cut to nothing it is an empty plain file */
    put(at("cut.gz"), packed, cut);
    refuse_idx(at("cut.gz"), NULL, "expected");
  }
  put(at("cut"), images, 30);
  refuse_idx(at("cut"), NULL, "cut: truncated at byte 16, expected 30 bytes as the header's (5,2,3) says");
  packed[n - 6] ^= 1; /* the checksum */
  put(at("damaged.gz"), packed, n);
  refuse_idx(at("damaged.gz"), NULL, "checksum does not match");
  memcpy(bad, images, IMAGES);
  put(at("long"), bad, IMAGES + 1);
  refuse_idx(at("long"), NULL, "it goes on at byte 46, expected its end");
  bad[2] = 13;
  put(at("floats"), bad, IMAGES);
  refuse_idx(at("floats"), NULL, "magic number 0x00000d03 at byte 0, expected 0x00000802");
  bad[2] = 8, bad[4] = 255, bad[8] = 255, bad[12] = 255;
  put_packed(at("huge.gz"), bad, IMAGES);
  refuse_idx(at("huge.gz"), NULL, "truncated");
  refuse_idx(at("missing"), NULL, "missing: cannot open it: No such file");
  refuse_idx(folder, NULL, "is a folder, expected an IDX file");
  refuse_idx(at("images"), at("images"), "0x00000801");
  labels[7] = 4;
  put(at("few"), labels, LABELS - 1);
  labels[7] = 5;
  refuse_idx(at("images"), at("few"), "has 4 labels, expected 5");
  if (geteuid()) {
    chmod(at("images"), 0);
    refuse_idx(at("images"), NULL, "Permission denied");
  }
}

/* ---- copies of what large packed files hold ---- */

enum { LARGE = 5 << 20 };
static uint8_t large[16 + LARGE] = {0, 0, 8, 3, 0, 0, 0, 5, 0, 0, 4, 0, 0, 0, 4, 0};

static void check_large(void) {
  Dataset *set = data_idx(at("large.gz"), NULL);
  CHECK(set && set->n == 5 && !memcmp(set->bytes, large + 16, LARGE));
  dataset_drop(set);
}

/* Spoils bytes of a file from `place` on. */
static void spoil(const char *path, long place) {
  FILE *f = fopen(path, "r+b");
  CHECK(f && !fseek(f, place, SEEK_SET) && fputs("spoilt bytes, many", f) > 0);
  if (f) fclose(f);
}

static void large_files_are_unpacked_once(void) {
  char copy[64];
  for (long i = 16; i < 16 + LARGE; i++) large[i] = (uint8_t)(i * i >> 7);
  put_packed(at("large.gz"), large, sizeof large);
  snprintf(copy, sizeof copy, "cache/gander/%08lx-%zu", crc32(0, large, sizeof large), sizeof large);

  setenv("XDG_CACHE_HOME", at("labels"), 1); /* a file: there is no place for a copy, nor is one needed */
  check_large();
  setenv("XDG_CACHE_HOME", at("cache"), 1);
  struct rlimit was, small = {1 << 20, 1 << 20};
  getrlimit(RLIMIT_FSIZE, &was);
  signal(SIGXFSZ, SIG_IGN);
  small.rlim_max = was.rlim_max;
  setrlimit(RLIMIT_FSIZE, &small); /* as on a full disk */
  check_large();
  setrlimit(RLIMIT_FSIZE, &was);
  CHECK(rmdir(at("cache/gander")) == 0); /* nothing in it */

  check_large();
  CHECK(get(at(copy), (uint8_t[1]){0}, 1) == 1);
  spoil(at(copy), 1000); /* a damaged copy is not believed, and is made again */
  check_large();
  check_large();
  spoil(at("large.gz"), 2000); /* shows that it is the copy that is read */
  check_large();
  unlink(at(copy));
  refuse_idx(at("large.gz"), NULL, "damaged");
  CHECK(rmdir(at("cache/gander")) == 0); /* nothing in it */
}

/* ---- NumPy ---- */

static void npy_goes_round(void) {
  size_t scope = scope_enter();
  random_seed(1);
  for (int ndim = 0; ndim <= 4; ndim++) {
    Tensor *x = tensor_randn(ndim, (long[]){3, 1, 4, 5});
    CHECK(npy_save(at("x.npy"), x));
    Tensor *y = npy_load(at("x.npy"));
    CHECK(y && tensor_same_shape(x, y));
    bool same = true;
    for (long i = 0; y && i < tensor_numel(x); i++) same = same && (float)x->data[i] == (float)y->data[i];
    CHECK(same);
  }
  CHECK(npy_save(at("x.npy"), tensor_zeros(2, (long[]){0, 3})));
  CHECK(npy_load(at("x.npy"))->shape[1] == 3);
  scope_leave(scope, NULL);
}

static size_t npy_bytes(uint8_t *out, int version, const char *header, const void *values, size_t bytes) {
  size_t n = strlen(header), head = version == 1 ? 10 : 12;
  memcpy(out, "\x93NUMPY", 6);
  out[6] = (uint8_t)version, out[7] = 0;
  memset(out + 8, 0, 4);
  out[8] = (uint8_t)(n & 255), out[9] = (uint8_t)(n >> 8);
  memcpy(out + head, header, n);
  memcpy(out + head + n, values, bytes);
  return head + n + bytes;
}

static void put_npy(int version, const char *header, const void *values, size_t bytes) {
  uint8_t out[512];
  put(at("t.npy"), out, npy_bytes(out, version, header, values, bytes));
}

static void npy_types_are_read(void) {
  size_t scope = scope_enter();
  put_npy(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }\n", (double[]){1.5, -2}, 16);
  Tensor *t = npy_load(at("t.npy"));
  CHECK(t && t->ndim == 1 && t->data[0] == (real)1.5 && t->data[1] == -2);
  put_npy(2, "{'descr': '>i2', 'fortran_order': False, 'shape': (2, 1), }\n", "\x01\x02\xff\xff", 4);
  t = npy_load(at("t.npy"));
  CHECK(t && t->ndim == 2 && t->data[0] == 258 && t->data[1] == -1);
  put_npy(3, "{'shape': (2,2,), 'fortran_order': True, 'descr': '|u1'}", "\x01\x02\x03\xff", 4);
  t = npy_load(at("t.npy"));
  CHECK(t && t->data[0] == 1 && t->data[1] == 3 && t->data[2] == 2 && t->data[3] == 255);
  put_npy(1, "{'descr': '|b1', 'fortran_order': False, 'shape': (), }\n", "\x01", 1);
  t = npy_load(at("t.npy"));
  CHECK(t && t->ndim == 0 && t->data[0] == 1);
  put_npy(1, "{'descr': '<u8', 'fortran_order': False, 'shape': (1,), }\n", (uint64_t[]){1ull << 40}, 8);
  t = npy_load(at("t.npy"));
  CHECK(t && (double)t->data[0] == 1099511627776.0);
  scope_leave(scope, NULL);
}

static void refuse_npy(const char *words) {
  CHECK(npy_load(at("t.npy")) == NULL);
  CHECK_ERROR(words);
}

static void broken_npy_is_refused(void) {
  put_npy(1, "{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }\n", "12345678", 8);
  refuse_npy("values of type '<c8', expected f4, f8");
  put_npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }\n", "12345678", 8);
  refuse_npy("8 bytes after byte 68, expected 12 for (3) of 4 bytes each");
  put_npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000000,9000000,), }\n", "12345678", 8);
  refuse_npy("8 bytes after");
  put_npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (-3,), }\n", "12345678", 8);
  refuse_npy("a tuple of at most 8 sizes");
  put_npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,2), }\n", "12345678", 8);
  refuse_npy("a tuple of at most 8 sizes");
  put_npy(1, "{'descr': '<f4', 'shape': (2,), }\n", "12345678", 8);
  refuse_npy("lacks a key, expected 'fortran_order'");
  put_npy(7, "{}", "", 0);
  refuse_npy("version");
  put(at("t.npy"), images, IMAGES);
  refuse_npy("not a .npy file");
  uint8_t whole[512];
  size_t n = npy_bytes(whole, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n", "12345678", 8);
  for (size_t cut = 0; cut < n; cut++) {
    put(at("t.npy"), whole, cut);
    refuse_npy("expected");
  }
}

/* ---- pictures ---- */

static void png_goes_round(void) {
  size_t scope = scope_enter();
  for (int channels = 1; channels <= 3; channels += 2) {
    long shape[] = {5, 7, channels};
    Tensor *x = tensor_rand(3, shape);
    CHECK(image_save(at("x.png"), x));
    Tensor *y = image_load(at("x.png"));
    CHECK(y && tensor_same_shape(x, y));
    double worst = 0;
    for (long i = 0; y && i < tensor_numel(x); i++) worst = fmax(worst, fabs((double)(x->data[i] - y->data[i])));
    CHECK(worst <= 0.5001 / 255);
  }
  Tensor *wild = tensor_from(2, (long[]){1, 3}, (real[]){-4, (real)NAN, 9});
  CHECK(image_save(at("x.png"), wild));
  Tensor *y = image_load(at("x.png"));
  CHECK(y && y->data[0] == 0 && y->data[1] == 0 && y->data[2] == 1);
  CHECK(!image_save(at("x.png"), tensor_zeros(3, (long[]){2, 2, 2})));
  CHECK_ERROR("x must be (H,W), (H,W,1) or (H,W,3), got (2,2,2)");
  CHECK(!image_save(at("x.png"), tensor_zeros(2, (long[]){0, 2})));
  CHECK_ERROR("no pixels");
  CHECK(!image_save(at("no/where/x.png"), wild));
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
  write_png(at("1.png"), 4, 1, PNG_COLOR_TYPE_GRAY, (uint8_t[]){0x50}, false);
  check_pixels(at("1.png"), 1, 4, (int[]){0, 255, 0, 255});
  write_png(at("2.png"), 4, 2, PNG_COLOR_TYPE_GRAY, (uint8_t[]){0x1b}, false);
  check_pixels(at("2.png"), 1, 4, (int[]){0, 85, 170, 255});
  write_png(at("16.png"), 2, 16, PNG_COLOR_TYPE_GRAY, (uint8_t[]){0x80, 0x80, 0xff, 0xff}, false);
  check_pixels(at("16.png"), 1, 2, (int[]){128, 255});
  write_png(at("p.png"), 3, 2, PNG_COLOR_TYPE_PALETTE, (uint8_t[]){0x18}, false);
  check_pixels(at("p.png"), 3, 9, (int[]){255, 0, 0, 0, 255, 0, 0, 0, 255});
  write_png(at("pt.png"), 2, 2, PNG_COLOR_TYPE_PALETTE, (uint8_t[]){0x10}, true);
  check_pixels(at("pt.png"), 3, 6, (int[]){255, 0, 0, 255, 255, 255});
  write_png(at("a.png"), 2, 8, PNG_COLOR_TYPE_RGB_ALPHA, (uint8_t[]){10, 20, 30, 255, 100, 0, 255, 51}, false);
  check_pixels(at("a.png"), 3, 6, (int[]){10, 20, 30, 224, 204, 255});
  write_png(at("ga.png"), 2, 8, PNG_COLOR_TYPE_GRAY_ALPHA, (uint8_t[]){10, 0, 40, 255}, false);
  check_pixels(at("ga.png"), 1, 2, (int[]){255, 40});
}

static void write_jpeg(const char *path, int width, int height, int channels, const uint8_t *colour) {
  struct jpeg_compress_struct jpeg;
  struct jpeg_error_mgr errors;
  uint8_t row[3 * 64];
  for (int i = 0; i < width * channels; i++) row[i] = colour[i % channels];
  FILE *f = fopen(path, "wb");
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  jpeg_stdio_dest(&jpeg, f);
  jpeg.image_width = (unsigned)width, jpeg.image_height = (unsigned)height;
  jpeg.input_components = channels, jpeg.in_color_space = channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
  jpeg_set_defaults(&jpeg);
  jpeg_start_compress(&jpeg, TRUE);
  while (jpeg.next_scanline < jpeg.image_height) jpeg_write_scanlines(&jpeg, (JSAMPROW[]){row}, 1);
  jpeg_finish_compress(&jpeg);
  jpeg_destroy_compress(&jpeg);
  fclose(f);
}

static void jpeg_is_read(void) {
  size_t scope = scope_enter();
  write_jpeg(at("x.jpg"), 20, 30, 3, (uint8_t[]){200, 100, 50});
  const int colour[] = {200, 100, 50};
  Tensor *t = image_load(at("x.jpg"));
  CHECK(t && t->shape[0] == 30 && t->shape[1] == 20 && t->shape[2] == 3);
  for (int i = 0; t && i < 3; i++) CHECK_NEAR((double)t->data[900 + i] * 255, colour[i], 3);
  write_jpeg(at("grey.jpg"), 8, 8, 1, (uint8_t[]){77});
  t = image_load(at("grey.jpg"));
  CHECK(t && t->shape[2] == 1);
  scope_leave(scope, NULL);
}

/* Cut anywhere, a picture is an error; with a bit flipped it is an error or a picture, but never a crash. */
static void broken_pictures_are_refused(void) {
  static uint8_t bytes[4096];
  const char *names[] = {"a.png", "x.jpg"};
  for (int kind = 0; kind < 2; kind++) {
    size_t n = get(at(names[kind]), bytes, sizeof bytes);
    CHECK(n > 60);
    for (size_t cut = 0; cut + 2 < n; cut += n > 200 ? 7 : 1) {
      put(at("broken"), bytes, cut);
      CHECK(image_load(at("broken")) == NULL);
      CHECK_ERROR("broken: ");
    }
    for (size_t flip = 0; flip < n; flip++) {
      size_t scope = scope_enter();
      bytes[flip] ^= 0x10;
      put(at("broken"), bytes, n);
      Tensor *t = image_load(at("broken"));
      CHECK(t || nn_failed());
      nn_clear_error();
      bytes[flip] ^= 0x10;
      scope_leave(scope, NULL);
    }
  }
  CHECK(image_load(at("missing.png")) == NULL);
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
  CHECK(image_save(at("wide.png"), wide) && image_save(at("stripes.png"), stripes));
  const char *files[] = {at("wide.png"), at("x.jpg"), at("stripes.png")};
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
  put(at("broken"), "no picture", 10);
  CHECK(data_images(2, (const char *[]){files[0], at("broken")}, NULL, 8, NULL, NULL) == NULL);
  CHECK_ERROR("broken: neither a PNG");
  CHECK(data_images(1, files, (int32_t[]){0}, 8, NULL, NULL) == NULL);
  CHECK_ERROR("label 0 of");
  scope_leave(scope, NULL);
}

static void glyphs_are_drawn(void) {
  Dataset *a = data_glyphs(200, 7), *b = data_glyphs(200, 7), *c = data_glyphs(200, 8);
  CHECK(a && b && c && a->classes == 10 && !strcmp(a->class_name[9], "9") && !strcmp(a->name, "glyphs"));
  CHECK(!memcmp(a->bytes, b->bytes, 200 * 784) && memcmp(a->bytes, c->bytes, 200 * 784));
  for (int i = 0; i < 200; i++) {
    long ink = 0;
    for (int p = 0; p < 784; p++) ink += a->bytes[i * 784 + p];
    CHECK(ink > 20 * 200 && ink < 250 * 255);
    CHECK(a->labels[i] == i % 10 + 1);
  }
  dataset_drop(a), dataset_drop(b), dataset_drop(c);
  CHECK(data_glyphs(0, 1) == NULL);
  CHECK_ERROR("at least 1, got 0");
}

/* ---- safe files ---- */

static int files_beginning(const char *name) {
  char command[600];
  snprintf(command, sizeof command, "ls '%s' | grep -c '^%s'", folder, name);
  FILE *f = popen(command, "r");
  int n = -1;
  CHECK(f && fscanf(f, "%d", &n) == 1);
  if (f) pclose(f);
  return n;
}

static void old_file_or_new_one(void) {
  uint8_t bytes[16];
  put(at("safe"), "old", 3);
  SafeFile *f = safe_open(at("safe"));
  CHECK(f && safe_write(f, "new file", 8) && files_beginning("safe") == 2);
  CHECK(get(at("safe"), bytes, 16) == 3);
  CHECK(safe_close(f) && files_beginning("safe") == 1);
  CHECK(get(at("safe"), bytes, 16) == 8 && !memcmp(bytes, "new file", 8));
  f = safe_open(at("safe"));
  safe_write(f, "x", 1);
  safe_cancel(f);
  CHECK(files_beginning("safe") == 1 && get(at("safe"), bytes, 16) == 8);
  CHECK(symlink("safe", at("link")) == 0);
  f = safe_open(at("link"));
  CHECK(f && safe_write(f, "by link", 7) && safe_close(f));
  CHECK(get(at("safe"), bytes, 16) == 7);
  struct stat s;
  CHECK(!lstat(at("link"), &s) && S_ISLNK(s.st_mode));
  CHECK(safe_open(folder) == NULL);
  CHECK_ERROR("cannot write: it is not a file");
  CHECK(safe_open("") == NULL);
  CHECK_ERROR("is empty");
}

/* A limit on the size of files stands in for a full disk. */
static void full_disk_changes_nothing(void) {
  static const char chunk[5000] = "x";
  uint8_t bytes[16];
  struct rlimit was, small;
  getrlimit(RLIMIT_FSIZE, &was);
  small = was;
  small.rlim_cur = 20000;
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  SafeFile *f = safe_open(at("safe"));
  for (int i = 0; i < 10; i++) safe_write(f, chunk, sizeof chunk);
  bool closed = safe_close(f);
  setrlimit(RLIMIT_FSIZE, &was);
  CHECK(!closed);
  CHECK_ERROR("safe: cannot write: File too large; nothing was changed");
  CHECK(files_beginning("safe") == 1 && get(at("safe"), bytes, 16) == 7);
}

int main(void) {
  const char *out = getenv("GANDER_TEST_OUT");
  snprintf(folder, sizeof folder, "%s/files-XXXXXX", out ? out : "/tmp");
  if (!mkdtemp(folder)) return 1;
  size_t live = memory_use().live;
  idx_is_read_plain_and_packed();
  broken_idx_is_refused();
  large_files_are_unpacked_once();
  npy_goes_round();
  npy_types_are_read();
  broken_npy_is_refused();
  png_goes_round();
  every_kind_of_png_is_read();
  jpeg_is_read();
  broken_pictures_are_refused();
  pictures_become_a_data_set();
  glyphs_are_drawn();
  old_file_or_new_one();
  full_disk_changes_nothing();
  CHECK(memory_use().live == live);
  return test_done();
}
