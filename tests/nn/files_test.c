/* Files: IDX, NumPy, the drawn digits, and writing that leaves the old file or the new one. */
#include "folder.h"

#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <zlib.h>

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
  file_put(path_of("images"), images, IMAGES);
  file_put(path_of("labels"), labels, LABELS);
  put_packed(path_of("images.gz"), images, IMAGES);
  put_packed(path_of("labels.gz"), labels, LABELS);
  check_set(data_idx(path_of("images"), path_of("labels")));
  check_set(data_idx(path_of("images.gz"), path_of("labels.gz")));
  Dataset *set = data_idx(path_of("images.gz"), NULL);
  CHECK(set && !set->labels && !strcmp(set->name, "images.gz"));
  dataset_drop(set);
}

static void refuse_idx(const char *images_path, const char *labels_path, const char *words) {
  CHECK(data_idx(images_path, labels_path) == NULL);
  CHECK_ERROR(words);
}

static void broken_idx_is_refused(void) {
  uint8_t bad[IMAGES + 1] = {0}, packed[200];
  size_t n = file_get(path_of("images.gz"), packed, sizeof packed);
  for (size_t cut = 0; cut < IMAGES; cut++) {
    file_put(path_of("cut"), images, cut);
    refuse_idx(path_of("cut"), NULL, "expected");
  }
  for (size_t cut = 1; cut < n; cut++) { /* cut to nothing it is an empty plain file */
    file_put(path_of("cut.gz"), packed, cut);
    refuse_idx(path_of("cut.gz"), NULL, "expected");
  }
  file_put(path_of("cut"), images, 30);
  refuse_idx(path_of("cut"), NULL, "cut: truncated at byte 16, expected 30 bytes as the header's (5,2,3) says");
  packed[n - 6] ^= 1; /* the checksum */
  file_put(path_of("damaged.gz"), packed, n);
  refuse_idx(path_of("damaged.gz"), NULL, "checksum does not match");
  memcpy(bad, images, IMAGES);
  file_put(path_of("long"), bad, IMAGES + 1);
  refuse_idx(path_of("long"), NULL, "it goes on at byte 46, expected its end");
  bad[2] = 13;
  file_put(path_of("floats"), bad, IMAGES);
  refuse_idx(path_of("floats"), NULL, "magic number 0x00000d03 at byte 0, expected 0x00000802");
  bad[2] = 8, bad[4] = 255, bad[8] = 255, bad[12] = 255;
  put_packed(path_of("huge.gz"), bad, IMAGES);
  refuse_idx(path_of("huge.gz"), NULL, "truncated");
  refuse_idx(path_of("missing"), NULL, "missing: cannot open it: No such file");
  refuse_idx(folder, NULL, "is a folder, expected an IDX file");
  refuse_idx(path_of("images"), path_of("images"), "0x00000801");
  labels[7] = 4;
  file_put(path_of("few"), labels, LABELS - 1);
  labels[7] = 5;
  refuse_idx(path_of("images"), path_of("few"), "has 4 labels, expected 5");
  if (geteuid()) {
    chmod(path_of("images"), 0);
    refuse_idx(path_of("images"), NULL, "Permission denied");
  }
}

/* ---- copies of what large packed files hold ---- */

enum { LARGE = 5 << 20 };
static uint8_t large[16 + LARGE] = {0, 0, 8, 3, 0, 0, 0, 5, 0, 0, 4, 0, 0, 0, 4, 0};

static void check_large(void) {
  Dataset *set = data_idx(path_of("large.gz"), NULL);
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
  put_packed(path_of("large.gz"), large, sizeof large);
  snprintf(copy, sizeof copy, "cache/gander/%08lx-%zu", crc32(0, large, sizeof large), sizeof large);

  setenv("XDG_CACHE_HOME", path_of("labels"), 1); /* a file: there is no place for a copy, nor is one needed */
  check_large();
  setenv("XDG_CACHE_HOME", path_of("cache"), 1);
  struct rlimit was, small = {1 << 20, 1 << 20};
  getrlimit(RLIMIT_FSIZE, &was);
  signal(SIGXFSZ, SIG_IGN);
  small.rlim_max = was.rlim_max;
  setrlimit(RLIMIT_FSIZE, &small); /* as on a full disk */
  check_large();
  setrlimit(RLIMIT_FSIZE, &was);
  CHECK(rmdir(path_of("cache/gander")) == 0); /* nothing in it */

  check_large();
  CHECK(file_get(path_of(copy), (uint8_t[1]){0}, 1) == 1);
  spoil(path_of(copy), 1000); /* a damaged copy is not believed, and is made again */
  check_large();
  check_large();
  spoil(path_of("large.gz"), 2000); /* shows that it is the copy that is read */
  check_large();
  unlink(path_of(copy));
  refuse_idx(path_of("large.gz"), NULL, "damaged");
  CHECK(rmdir(path_of("cache/gander")) == 0); /* nothing in it */
}

/* ---- NumPy ---- */

static void npy_goes_round(void) {
  size_t scope = scope_enter();
  random_seed(1);
  for (int ndim = 0; ndim <= 4; ndim++) {
    Tensor *x = tensor_randn(ndim, (long[]){3, 1, 4, 5});
    CHECK(npy_save(path_of("x.npy"), x));
    Tensor *y = npy_load(path_of("x.npy"));
    CHECK(y && tensor_same_shape(x, y));
    bool same = true;
    for (long i = 0; y && i < tensor_numel(x); i++) same = same && (float)x->data[i] == (float)y->data[i];
    CHECK(same);
  }
  CHECK(npy_save(path_of("x.npy"), tensor_zeros(2, (long[]){0, 3})));
  CHECK(npy_load(path_of("x.npy"))->shape[1] == 3);
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
  file_put(path_of("t.npy"), out, npy_bytes(out, version, header, values, bytes));
}

static void npy_types_are_read(void) {
  size_t scope = scope_enter();
  put_npy(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }\n", (double[]){1.5, -2}, 16);
  Tensor *t = npy_load(path_of("t.npy"));
  CHECK(t && t->ndim == 1 && t->data[0] == (real)1.5 && t->data[1] == -2);
  put_npy(2, "{'descr': '>i2', 'fortran_order': False, 'shape': (2, 1), }\n", "\x01\x02\xff\xff", 4);
  t = npy_load(path_of("t.npy"));
  CHECK(t && t->ndim == 2 && t->data[0] == 258 && t->data[1] == -1);
  put_npy(3, "{'shape': (2,2,), 'fortran_order': True, 'descr': '|u1'}", "\x01\x02\x03\xff", 4);
  t = npy_load(path_of("t.npy"));
  CHECK(t && t->data[0] == 1 && t->data[1] == 3 && t->data[2] == 2 && t->data[3] == 255);
  put_npy(1, "{'descr': '|b1', 'fortran_order': False, 'shape': (), }\n", "\x01", 1);
  t = npy_load(path_of("t.npy"));
  CHECK(t && t->ndim == 0 && t->data[0] == 1);
  put_npy(1, "{'descr': '<u8', 'fortran_order': False, 'shape': (1,), }\n", (uint64_t[]){1ull << 40}, 8);
  t = npy_load(path_of("t.npy"));
  CHECK(t && (double)t->data[0] == 1099511627776.0);
  scope_leave(scope, NULL);
}

static void refuse_npy(const char *words) {
  CHECK(npy_load(path_of("t.npy")) == NULL);
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
  file_put(path_of("t.npy"), images, IMAGES);
  refuse_npy("not a .npy file");
  uint8_t whole[512];
  size_t n = npy_bytes(whole, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n", "12345678", 8);
  for (size_t cut = 0; cut < n; cut++) {
    file_put(path_of("t.npy"), whole, cut);
    refuse_npy("expected");
  }
}

/* ---- drawn digits ---- */

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
  file_put(path_of("safe"), "old", 3);
  SafeFile *f = safe_open(path_of("safe"));
  CHECK(f && safe_write(f, "new file", 8) && files_beginning("safe") == 2);
  CHECK(file_get(path_of("safe"), bytes, 16) == 3);
  CHECK(safe_close(f) && files_beginning("safe") == 1);
  CHECK(file_get(path_of("safe"), bytes, 16) == 8 && !memcmp(bytes, "new file", 8));
  f = safe_open(path_of("safe"));
  safe_write(f, "x", 1);
  safe_cancel(f);
  CHECK(files_beginning("safe") == 1 && file_get(path_of("safe"), bytes, 16) == 8);
  CHECK(symlink("safe", path_of("link")) == 0);
  f = safe_open(path_of("link"));
  CHECK(f && safe_write(f, "by link", 7) && safe_close(f));
  CHECK(file_get(path_of("safe"), bytes, 16) == 7);
  struct stat s;
  CHECK(!lstat(path_of("link"), &s) && S_ISLNK(s.st_mode));
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
  SafeFile *f = safe_open(path_of("safe"));
  for (int i = 0; i < 10; i++) safe_write(f, chunk, sizeof chunk);
  bool closed = safe_close(f);
  setrlimit(RLIMIT_FSIZE, &was);
  CHECK(!closed);
  CHECK_ERROR("safe: cannot write: File too large; nothing was changed");
  CHECK(files_beginning("safe") == 1 && file_get(path_of("safe"), bytes, 16) == 7);
}

int main(void) {
  if (!folder_new()) return 1;
  size_t live = memory_use().live;
  idx_is_read_plain_and_packed();
  broken_idx_is_refused();
  large_files_are_unpacked_once();
  npy_goes_round();
  npy_types_are_read();
  broken_npy_is_refused();
  glyphs_are_drawn();
  old_file_or_new_one();
  full_disk_changes_nothing();
  CHECK(memory_use().live == live);
  return test_done();
}
