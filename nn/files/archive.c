/* The file: 16 bytes "gander arrays 1\n", the number 0x01020304 in the writer's byte order, then entries. An entry is its
 * head, the sizes of its dimensions (8 bytes each), its name with a final zero, its values, and the CRC-32 of all these.
 * The last one is called "end" and holds the number of entries before it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "archive.h"

static const char magic[] = "gander arrays 1\n";
static const uint32_t order_mark = 0x01020304;
enum { MAGIC = 16, BEGINNING = MAGIC + 4, LONGEST_NAME = 4096 };

typedef struct Head {
  uint32_t name; /* bytes of the name with its zero */
  char type;
  uint8_t ndim;
  uint16_t zero;
} Head;

static size_t size_of(char type) {
  return type == 'f' ? 4 : type == 'd' || type == 'i' ? 8 : type == 'c' ? 1 : 0;
}

/* ---- writing; what goes wrong is told by safe_close ---- */

bool archive_create(ArchiveWriter *w, const char *path) {
  *w = (ArchiveWriter){safe_open(path), 0};
  if (!w->file) return false;
  safe_write(w->file, magic, MAGIC);
  safe_write(w->file, &order_mark, sizeof order_mark);
  return true;
}

static void put(ArchiveWriter *w, const void *bytes, size_t n, uint32_t *sum) {
  safe_write(w->file, bytes, n);
  *sum = (uint32_t)crc32_z(*sum, bytes, n);
}

void archive_put(ArchiveWriter *w, const char *name, char type, int ndim, const long *shape, const void *values) {
  uint32_t sum = 0;
  size_t bytes = size_of(type);
  Head head = {(uint32_t)strlen(name) + 1, type, (uint8_t)ndim, 0};
  put(w, &head, sizeof head, &sum);
  for (int i = 0; i < ndim; i++) {
    int64_t size = shape[i];
    put(w, &size, sizeof size, &sum);
    bytes *= (size_t)size;
  }
  put(w, name, head.name, &sum);
  if (bytes) put(w, values, bytes, &sum);
  safe_write(w->file, &sum, sizeof sum);
  w->entries++;
}

bool archive_finish(ArchiveWriter *w) {
  int64_t entries = w->entries;
  archive_put(w, "end", 'i', 0, NULL, &entries);
  return safe_close(w->file);
}

void archive_cancel(ArchiveWriter *w) {
  safe_cancel(w->file);
}

/* ---- reading ---- */

/* One entry at *at, which moves behind it. Returns what is wrong, or NULL. */
static const char *parse(const Archive *a, size_t *at, ArchiveEntry *e) {
  Head head;
  size_t from = *at, left = a->size - from, n = sizeof head, bytes;
  uint32_t sum;
  if (left < n + 4) return "it ends where an entry should begin";
  memcpy(&head, a->bytes + from, n);
  *e = (ArchiveEntry){.type = head.type, .ndim = head.ndim, .n = 1};
  bytes = size_of(head.type);
  if (!bytes || head.ndim > NN_DIMS || !head.name || head.name > LONGEST_NAME || head.zero)
    return "the head of an entry is damaged";
  if (left < n + 8 * (size_t)head.ndim + head.name + 4) return "it ends inside an entry";
  for (int i = 0; i < head.ndim; i++, n += 8) {
    int64_t size;
    memcpy(&size, a->bytes + from + n, 8);
    if (size < 0 || (size && (uint64_t)e->n > left / (uint64_t)size)) return "it ends inside an entry";
    e->shape[i] = (long)size;
    e->n *= (long)size;
  }
  e->name = (const char *)a->bytes + from + n;
  n += head.name;
  if ((uint64_t)e->n > left / bytes || (bytes *= (size_t)e->n) > left - n - 4) return "it ends inside an entry";
  e->bytes = a->bytes + from + n;
  n += bytes;
  memcpy(&sum, a->bytes + from + n, 4);
  if (sum != (uint32_t)crc32_z(0, a->bytes + from, n) || e->name[head.name - 1]) return "an entry's checksum does not match";
  *at = from + n + 4;
  return NULL;
}

/* Goes through all entries; with a list it fills it. Returns what is wrong, or NULL. */
static const char *parse_all(Archive *a, ArchiveEntry *list, size_t *at) {
  ArchiveEntry e;
  int64_t count;
  *at = BEGINNING;
  for (a->entries = 0;; a->entries++) {
    const char *wrong = parse(a, at, &e);
    if (wrong) return wrong;
    if (!strcmp(e.name, "end")) break;
    if (list) list[a->entries] = e;
  }
  if (e.type != 'i' || e.n != 1) return "the end is damaged";
  memcpy(&count, e.bytes, sizeof count);
  if (count != a->entries) return "entries are missing";
  return *at == a->size ? NULL : "it goes on after its end";
}

static bool read_all(Archive *a, const char *path) {
  struct stat s;
  errno = 0;
  FILE *f = fopen(path, "rb");
  if (!f || fstat(fileno(f), &s) || !S_ISREG(s.st_mode)) {
    nn_fail("%s: cannot read it: %s", path, f && !errno ? "it is not a file" : strerror(errno));
    if (f) fclose(f);
    return false;
  }
  a->size = (size_t)s.st_size;
  a->bytes = memory_new(a->size);
  size_t got = a->bytes ? fread(a->bytes, 1, a->size, f) : 0;
  fclose(f);
  if (!a->bytes) return false;
  return got == a->size || nn_fail("%s: cannot read it: it ends at byte %zu of %zu", path, got, a->size);
}

static bool check_beginning(const Archive *a, const char *path) {
  if (a->size < BEGINNING || memcmp(a->bytes, magic, MAGIC))
    return nn_fail("%s is not a checkpoint of gander: it should begin with \"gander arrays 1\"", path), false;
  if (memcmp(a->bytes + MAGIC, &order_mark, sizeof order_mark))
    return nn_fail("%s was damaged at byte %d, or written on a machine with another byte order", path, MAGIC), false;
  return true;
}

bool archive_open(Archive *a, const char *path) {
  size_t at;
  *a = (Archive){0};
  bool ok = !nn_failed() && read_all(a, path) && check_beginning(a, path);
  if (ok) {
    const char *wrong = parse_all(a, NULL, &at);
    if (wrong) nn_fail("%s is damaged: at byte %zu of %zu %s", path, at, a->size, wrong);
    a->entry = wrong ? NULL : memory_new((size_t)a->entries * sizeof *a->entry);
    ok = a->entry != NULL;
  }
  if (ok)
    parse_all(a, a->entry, &at);
  else
    archive_close(a);
  return ok;
}

ArchiveEntry *archive_find(Archive *a, const char *name) {
  for (int i = 0; i < a->entries; i++)
    if (!strcmp(a->entry[i].name, name)) return &a->entry[i];
  return NULL;
}

void archive_close(Archive *a) {
  memory_free(a->bytes);
  memory_free(a->entry);
  *a = (Archive){0};
}
