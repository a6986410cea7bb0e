/* IDX, the format of MNIST and its like: two zero bytes, the type of the values, the number of dimensions, the sizes as
 * big-endian 32-bit integers, the values. http://yann.lecun.com/exdb/mnist */
#include <errno.h>
#include <fcntl.h>
#include <libdeflate.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "unpacked.h"

enum { UNSIGNED_BYTES = 8, PACKED_MOST = 1032 }; /* a packed byte holds at most that many (zlib's technical notes) */

typedef struct Idx {
  const char *path;
  gzFile file;
  uint64_t offset, most; /* bytes read, unpacked; the most that the file can hold */
  int ndim;
  long shape[4], n; /* the first dimension counts samples; n values in all */
} Idx;

static bool idx_fail(const Idx *f, const char *what, const char *wanted) {
  return nn_fail("data.idx: %s: %s at byte %llu%s, expected %s", f->path, what, (unsigned long long)f->offset,
                 f->file && !gzdirect(f->file) ? " of what it unpacks to" : "", wanted),
         false;
}

static bool idx_open(Idx *f, const char *path) {
  struct stat s;
  *f = (Idx){.path = path};
  bool there = !stat(path, &s);
  if (there && S_ISDIR(s.st_mode)) return nn_fail("data.idx: %s is a folder, expected an IDX file", path), false;
  errno = 0;
  f->file = there ? gzopen(path, "rb") : NULL;
  if (!f->file) return nn_fail("data.idx: %s: cannot open it: %s", path, strerror(errno ? errno : there ? ENOMEM : ENOENT)), false;
  gzbuffer(f->file, 1 << 17);
  f->most = S_ISREG(s.st_mode) ? (uint64_t)s.st_size * (gzdirect(f->file) ? 1 : PACKED_MOST) : UINT64_MAX;
  return true;
}

/* What stopped the reading, in words. */
static const char *reason(const Idx *f) {
  int error;
  const char *words = gzerror(f->file, &error);
  if (error == Z_ERRNO) return strerror(errno);
  if (error == Z_DATA_ERROR)
    return strstr(words, "check") ? "damaged (its checksum does not match)" : "damaged (it does not unpack)";
  return error == Z_BUF_ERROR || error == Z_OK ? "it ends" : words;
}

static bool read_bytes(Idx *f, void *bytes, size_t n, const char *wanted) {
  for (uint8_t *to = bytes; n;) {
    int got = gzread(f->file, to, n < 1 << 20 ? (unsigned)n : 1 << 20);
    if (got > 0) f->offset += (unsigned)got, to += got, n -= (unsigned)got;
    if (got <= 0) return idx_fail(f, reason(f), wanted);
  }
  return true;
}

static bool read_header(Idx *f, int least, int most, const char *wanted) {
  uint8_t head[4], size[16];
  if (!read_bytes(f, head, 4, wanted)) return false;
  if (head[0] || head[1] || head[2] != UNSIGNED_BYTES || head[3] < least || head[3] > most) {
    char what[40];
    snprintf(what, sizeof what, "magic number 0x%02x%02x%02x%02x", head[0], head[1], head[2], head[3]);
    f->offset = 0;
    return idx_fail(f, what, wanted);
  }
  f->ndim = head[3];
  if (!read_bytes(f, size, 4 * (size_t)f->ndim, "the sizes of its dimensions")) return false;
  f->n = 1;
  for (int i = 0; i < f->ndim; i++) {
    const uint8_t *b = size + 4 * i;
    f->shape[i] = (long)b[0] << 24 | (long)b[1] << 16 | (long)b[2] << 8 | (long)b[3];
    bool countable = !f->shape[i] || f->n <= LONG_MAX / f->shape[i];
    f->n = countable ? f->n * f->shape[i] : LONG_MAX;
  }
  return true;
}

/* Before memory is asked for: can the file hold what its header promises? */
static bool check_promise(Idx *f) {
  if ((uint64_t)f->n + f->offset <= f->most) return true;
  char wanted[200];
  snprintf(wanted, sizeof wanted, "%ld bytes as the header's %s says; the file has room for %llu at most", f->n,
           shape_text(f->ndim, f->shape), (unsigned long long)(f->most - f->offset));
  return idx_fail(f, "truncated", wanted);
}

/* From the copy that an earlier time left, or all at once, three times as fast as in pieces. */
static bool unpack_packed(const uint8_t *packed, size_t n, uint8_t *to, size_t room) {
  Unpacked u = n < 8 ? (Unpacked){0, 0} : unpacked_of(packed, n);
  if (u.size == room && unpacked_read(u, to)) return true;
  struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
  size_t used = 0;
  bool ok = d && libdeflate_gzip_decompress_ex(d, packed, n, to, room, &used, NULL) == LIBDEFLATE_SUCCESS && used == n;
  if (d) libdeflate_free_decompressor(d);
  if (ok && u.size == room) unpacked_keep(u, to);
  return ok;
}

/* The whole file, header and all: `to` has room before it. Where that does not work it does not tell why: then the values
 * are read in pieces. */
static bool unpack(const Idx *f, uint8_t *to) {
  struct stat s;
  int file = gzdirect(f->file) ? -1 : open(f->path, O_RDONLY);
  size_t n = file >= 0 && !fstat(file, &s) && S_ISREG(s.st_mode) ? (size_t)s.st_size : 0;
  void *packed = n ? mmap(NULL, n, PROT_READ, MAP_PRIVATE, file, 0) : MAP_FAILED;
  if (file >= 0) close(file);
  if (packed == MAP_FAILED) return false;
  bool ok = unpack_packed(packed, n, to - f->offset, (size_t)f->n + f->offset);
  munmap(packed, n);
  return ok;
}

static bool read_values(Idx *f, uint8_t *to) {
  char wanted[160];
  snprintf(wanted, sizeof wanted, "%ld bytes for %s after the header", f->n, shape_text(f->ndim, f->shape));
  if (!read_bytes(f, to, (size_t)f->n, wanted)) return false;
  uint8_t more;
  int got = gzread(f->file, &more, 1); /* reaches the end, where the checksum is */
  return got > 0 ? idx_fail(f, "it goes on", "its end") : got < 0 ? idx_fail(f, reason(f), "its end") : true;
}

static bool idx_close(Idx *f, bool ok) {
  bool ended = !f->file || gzclose(f->file) != Z_BUF_ERROR;
  f->file = NULL;
  return ended || !ok ? ok : idx_fail(f, "it ends", "the checksum");
}

static Dataset *read_images(const char *path, bool labels) {
  Idx f;
  Dataset *set = NULL;
  bool ok = idx_open(&f, path) && read_header(&f, 2, 4, "0x00000802 to 0x00000804: unsigned bytes in 2 to 4 dimensions") &&
            check_promise(&f);
  if (ok) {
    long shape[4] = {0, 0, 1, 1}; /* grey pictures get their one channel */
    memcpy(shape, f.shape + 1, (size_t)(f.ndim - 1) * sizeof *shape);
    set = dataset_new(f.ndim == 3 ? 3 : f.ndim - 1, shape, f.shape[0], true, labels);
    ok = set && (unpack(&f, set->bytes) || read_values(&f, set->bytes));
  }
  if (idx_close(&f, ok)) return set;
  dataset_drop(set);
  return NULL;
}

static void take_labels(Dataset *set, const uint8_t *byte) {
  for (long i = 0; i < set->n; i++) {
    set->labels[i] = byte[i] + 1;
    if (set->labels[i] > set->classes) set->classes = set->labels[i];
  }
}

static bool read_labels(Dataset *set, const char *path, const char *images) {
  Idx f;
  uint8_t *byte = NULL;
  bool ok = idx_open(&f, path) && read_header(&f, 1, 1, "0x00000801: unsigned bytes in 1 dimension");
  if (ok && f.shape[0] != set->n) {
    nn_fail("data.idx: %s has %ld labels, expected %ld, as many as %s has images", path, f.shape[0], set->n, images);
    ok = false;
  }
  ok = ok && check_promise(&f) && (byte = memory_new((size_t)f.n)) && read_values(&f, byte);
  ok = idx_close(&f, ok);
  if (ok) take_labels(set, byte);
  memory_free(byte);
  return ok;
}

Dataset *data_idx(const char *images, const char *labels) {
  if (nn_failed()) return NULL;
  Dataset *set = read_images(images, labels != NULL);
  if (!set) return NULL;
  const char *slash = strrchr(images, '/');
  snprintf(set->name, sizeof set->name, "%.63s", slash ? slash + 1 : images);
  if (!labels || read_labels(set, labels, images)) return set;
  dataset_drop(set);
  return NULL;
}
