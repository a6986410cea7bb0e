/* log.csv: what a trainer reported at each step. A resumed run goes on in the same file. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "view.h"

struct Log {
  FILE *file;
  char path[512];
  double began; /* by view_clock(), less the seconds of the lines that were kept */
};

static void *fail(const char *path) {
  return nn_fail("%s: %s", path, strerror(errno));
}

static size_t heading(char *out, size_t size, const Report *r) {
  size_t at = (size_t)snprintf(out, size, "step,epoch");
  for (int i = 0; i < r->n && at < size; i++) at += (size_t)snprintf(out + at, size - at, ",%s", r->name[i]);
  if (at < size) at += (size_t)snprintf(out + at, size - at, ",seconds\n");
  return at;
}

static char *read_all(const char *path) {
  FILE *f = fopen(path, "rb");
  char *text = NULL;
  long n = f && !fseek(f, 0, SEEK_END) ? ftell(f) : -1;
  if (n >= 0 && !fseek(f, 0, SEEK_SET) && (text = malloc((size_t)n + 1))) text[fread(text, 1, (size_t)n, f)] = 0;
  if (f) fclose(f);
  return text;
}

/* How much of an earlier log with the same heading comes before the step; sets the seconds it took. */
static size_t keep(const char *old, const char *head, long step, double *seconds) {
  if (strncmp(old, head, strlen(head))) return 0;
  const char *line = old + strlen(head), *end;
  while ((end = strchr(line, '\n')) && strtol(line, NULL, 10) < step) {
    const char *last = end;
    while (last > line && last[-1] != ',') last--;
    *seconds = strtod(last, NULL);
    line = end + 1;
  }
  return (size_t)(line - old);
}

Log *log_open(const char *path, const Report *first) {
  char head[REPORT_VALUES * 17 + 32];
  size_t length = heading(head, sizeof head, first);
  double seconds = 0;
  char *old = first->step > 1 ? read_all(path) : NULL;
  size_t kept = old ? keep(old, head, first->step, &seconds) : 0;
  bool ok = file_write(path, kept ? old : head, kept ? kept : length);
  free(old);
  if (!ok) return NULL;
  Log *log = malloc(sizeof *log);
  if (!log) return nn_fail("%s: no memory", path);
  *log = (Log){.file = fopen(path, "ab"), .began = view_clock() - seconds};
  snprintf(log->path, sizeof log->path, "%s", path);
  if (log->file) return log;
  free(log);
  return fail(path);
}

bool log_row(Log *log, const Report *r) {
  fprintf(log->file, "%ld,%ld", r->step, r->epoch);
  for (int i = 0; i < r->n; i++) fprintf(log->file, ",%.6g", r->value[i]);
  fprintf(log->file, ",%.3f\n", view_clock() - log->began);
  return !ferror(log->file) || fail(log->path);
}

bool log_flush(Log *log) {
  return !fflush(log->file) || fail(log->path);
}

void log_close(Log *log) {
  if (!log) return;
  if (fclose(log->file)) fail(log->path);
  free(log);
}
