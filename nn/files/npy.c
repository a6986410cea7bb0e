/* NumPy's format: "\x93NUMPY", version, length of the header, the header as a Python dictionary, the values.
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../row.h"

enum { LONGEST_HEADER = 65536, CHUNK = 1 << 16 };

typedef struct Npy {
  const char *path;
  FILE *file;
  char *header;
  char kind; /* f float, i signed, u unsigned, b boolean */
  int size;  /* bytes of a value */
  bool swapped, fortran;
  int ndim;
  long shape[NN_DIMS];
} Npy;

static bool is_big_endian(void) {
  return *(const uint8_t *)&(uint16_t){1} == 0;
}

static bool npy_fail(const Npy *f, const char *what, const char *wanted) {
  return nn_fail("tensor.load: %s: %s, expected %s", f->path, what, wanted), false;
}

/* ---- the header ---- */

static bool read_header(Npy *f) {
  uint8_t head[12];
  size_t got = fread(head, 1, 8, f->file);
  if (got < 8 || memcmp(head, "\x93NUMPY", 6)) return npy_fail(f, "not a .npy file", "\\x93NUMPY at byte 0");
  if (head[6] < 1 || head[6] > 3) return npy_fail(f, "unknown version at byte 6", "1, 2 or 3");
  size_t digits = head[6] == 1 ? 2 : 4, length = 0;
  if (fread(head + 8, 1, digits, f->file) < digits) return npy_fail(f, "it ends at byte 8", "the length of the header");
  for (size_t i = digits; i--;) length = length << 8 | head[8 + i];
  if (length > LONGEST_HEADER) return npy_fail(f, "the header's length at byte 8 is absurd", "at most 65536 bytes");
  f->header = memory_new(length + 1);
  if (!f->header) return false;
  if (fread(f->header, 1, length, f->file) < length) return npy_fail(f, "it ends inside the header", "a dictionary and its values");
  return true;
}

/* What follows 'key': in the dictionary. */
static const char *value_of(const Npy *f, const char *key) {
  char quoted[24];
  snprintf(quoted, sizeof quoted, "'%s'", key);
  const char *at = strstr(f->header, quoted);
  if (!at) return npy_fail(f, "the header lacks a key", quoted), NULL;
  at += strlen(quoted);
  at += strspn(at, " ");
  if (*at != ':') return npy_fail(f, "the header is malformed", "a colon after each key"), NULL;
  at++;
  return at + strspn(at, " ");
}

static bool parse_type(Npy *f) {
  static const char known[] = "f4, f8, i1, i2, i4, i8, u1, u2, u4, u8 or b1";
  const char *at = value_of(f, "descr");
  if (!at) return false;
  char what[40];
  snprintf(what, sizeof what, "values of type %.*s", (int)(strcspn(at, ",}") < 12 ? strcspn(at, ",}") : 12), at);
  if (*at != '\'' || strlen(at) < 5 || !strchr("<>|=", at[1]) || at[4] != '\'') return npy_fail(f, what, known);
  f->kind = at[2];
  f->size = at[3] - '0';
  bool sized = strchr("1248", at[3]) != NULL;
  bool good = f->kind == 'f' ? f->size == 4 || f->size == 8 : f->kind == 'b' ? f->size == 1 : strchr("iu", f->kind) && sized;
  if (!good) return npy_fail(f, what, known);
  f->swapped = f->size > 1 && (at[1] == '>' ? !is_big_endian() : at[1] == '<' && is_big_endian());
  return true;
}

static bool parse_shape(Npy *f) {
  const char *at = value_of(f, "shape"), *tuple = "a tuple of at most 8 sizes";
  if (!at) return false;
  if (*at++ != '(') return npy_fail(f, "the header's shape is malformed", tuple);
  for (;;) {
    at += strspn(at, " ");
    if (*at == ')') return true;
    char *end;
    errno = 0;
    long size = strtol(at, &end, 10);
    if (end == at || size < 0 || errno || f->ndim == NN_DIMS) return npy_fail(f, "the header's shape is malformed", tuple);
    f->shape[f->ndim++] = size;
    at = end + strspn(end, "L ");
    if (*at == ',')
      at++;
    else if (*at != ')')
      return npy_fail(f, "the header's shape is malformed", tuple);
  }
}

static bool parse_order(Npy *f) {
  const char *at = value_of(f, "fortran_order");
  if (!at) return false;
  f->fortran = !strncmp(at, "True", 4);
  return f->fortran || !strncmp(at, "False", 5) || npy_fail(f, "the header's fortran_order is malformed", "True or False");
}

/* Before memory is asked for: does the file have as many bytes as the shape needs? */
static bool check_length(Npy *f) {
  struct stat s;
  long at = ftell(f->file);
  if (at < 0 || fstat(fileno(f->file), &s) || !S_ISREG(s.st_mode)) return npy_fail(f, "its size is unknown", "a file");
  uint64_t have = (uint64_t)(s.st_size - at), want = (uint64_t)f->size;
  for (int i = 0; i < f->ndim; i++)
    want = f->shape[i] && want > UINT64_MAX / (uint64_t)f->shape[i] ? UINT64_MAX : want * (uint64_t)f->shape[i];
  if (have == want) return true;
  char what[60], wanted[240];
  snprintf(what, sizeof what, "%llu bytes after byte %ld", (unsigned long long)have, at);
  snprintf(wanted, sizeof wanted, "%llu for %s of %d bytes each", (unsigned long long)want, shape_text(f->ndim, f->shape), f->size);
  return npy_fail(f, what, wanted);
}

/* ---- the values ---- */

static double value_at(const Npy *f, const uint8_t *at) {
  union {
    uint8_t byte[8];
    float f4;
    double f8;
    int8_t i1;
    int16_t i2;
    int32_t i4;
    int64_t i8;
    uint16_t u2;
    uint32_t u4;
    uint64_t u8;
  } v;
  for (int i = 0; i < f->size; i++) v.byte[i] = at[f->swapped ? f->size - 1 - i : i];
  if (f->kind == 'f') return f->size == 4 ? (double)v.f4 : v.f8;
  if (f->kind == 'i') return f->size == 1 ? v.i1 : f->size == 2 ? v.i2 : f->size == 4 ? v.i4 : (double)v.i8;
  return f->size == 1 ? v.byte[0] : f->size == 2 ? v.u2 : f->size == 4 ? v.u4 : (double)v.u8;
}

static bool read_values(Npy *f, Tensor *t) {
  uint8_t bytes[CHUNK];
  long n = tensor_numel(t), at = 0;
  while (at < n) {
    size_t values = (size_t)(n - at) < (size_t)(CHUNK / f->size) ? (size_t)(n - at) : (size_t)(CHUNK / f->size);
    if (fread(bytes, (size_t)f->size, values, f->file) < values) return npy_fail(f, "it cannot be read to its end", "more values");
    for (size_t i = 0; i < values; i++) t->data[at++] = (real)value_at(f, bytes + i * (size_t)f->size);
  }
  return true;
}

/* Fortran's order is that of the reversed shape, with the dimensions reversed. */
static Tensor *read_tensor(Npy *f) {
  long shape[NN_DIMS], reversed[NN_DIMS];
  for (int i = 0; i < f->ndim; i++) {
    shape[i] = f->shape[f->fortran ? f->ndim - 1 - i : i];
    reversed[i] = f->ndim - 1 - i;
  }
  Tensor *t = tensor_own(tensor_new(f->ndim, shape));
  if (!t || !read_values(f, t)) return NULL;
  return f->fortran && f->ndim > 1 ? tensor_permute(t, f->ndim, reversed) : t;
}

Tensor *npy_load(const char *path) {
  if (nn_failed()) return NULL;
  Npy f = {.path = path, .file = fopen(path, "rb")};
  if (!f.file) return nn_fail("tensor.load: %s: cannot open it: %s", path, strerror(errno));
  size_t scope = scope_enter();
  bool ok = read_header(&f) && parse_type(&f) && parse_order(&f) && parse_shape(&f) && check_length(&f);
  Tensor *t = ok ? read_tensor(&f) : NULL;
  fclose(f.file);
  memory_free(f.header);
  return scope_leave(scope, t);
}

/* The header is padded so that the values begin at a multiple of 64. */
static bool write_header(SafeFile *f, const Tensor *t) {
  char dictionary[256], shape[NN_DIMS * 22 + 4], head[10] = "\x93NUMPY\x01";
  int at = snprintf(shape, sizeof shape, "(");
  for (int i = 0; i < t->ndim; i++) at += snprintf(shape + at, sizeof shape - (size_t)at, "%ld,", t->shape[i]);
  snprintf(shape + at, sizeof shape - (size_t)at, ")");
  int n = snprintf(dictionary, sizeof dictionary, "{'descr': '%cf4', 'fortran_order': False, 'shape': %s, }",
                   is_big_endian() ? '>' : '<', shape);
  int length = (10 + n + 1 + 63) / 64 * 64 - 10;
  head[7] = 0;
  head[8] = (char)(length & 255), head[9] = (char)(length >> 8);
  return safe_write(f, head, 10) && safe_write(f, dictionary, (size_t)n) &&
         safe_write(f, "                                                                ", (size_t)(length - n - 1)) &&
         safe_write(f, "\n", 1);
}

bool npy_save(const char *path, Tensor *t) {
  if (!t || nn_failed()) return false;
  if (!t->data) return nn_fail("tensor:save: the tensor's memory was freed"), false;
  SafeFile *f = safe_open(path);
  if (!f) return nn_fail_in("tensor:save"), false;
  write_header(f, t); /* what goes wrong with writing is told by safe_close */
  float chunk[4096];
  for (long at = 0, n = tensor_numel(t); at < n;) {
    int count = 0;
    while (at < n && count < 4096) chunk[count++] = (float)t->data[at++];
    safe_write(f, chunk, (size_t)count * sizeof *chunk);
  }
  bool ok = safe_close(f);
  if (!ok) nn_fail_in("tensor:save");
  return ok;
}
