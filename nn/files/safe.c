/* Writing a file so that a crash or a full disk leaves the old one as it was. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../nn.h"

struct SafeFile {
  char path[PATH_MAX]; /* where links lead to */
  char temporary[PATH_MAX];
  FILE *file;
  int error; /* errno of the first write that failed */
};

/* The file itself rather than a link to it, which rename would replace. */
static bool resolve(const char *path, char *out) {
  char *real_path = realpath(path, NULL);
  int n = snprintf(out, PATH_MAX, "%s", real_path ? real_path : path);
  free(real_path);
  struct stat s;
  if (n >= PATH_MAX - 8) return nn_fail("%.60s...: the path is too long", path), false;
  if (!*out) return nn_fail("the name of the file to write is empty"), false;
  if (!stat(out, &s) && !S_ISREG(s.st_mode)) return nn_fail("%s: cannot write: it is not a file", path), false;
  return true;
}

/* Permissions as the old file's, or as any new file's. */
static mode_t wanted_mode(const char *path) {
  struct stat s;
  if (!stat(path, &s)) return s.st_mode & 0777;
  mode_t mask = umask(0);
  umask(mask);
  return 0666 & ~mask;
}

static bool open_temporary(SafeFile *f) {
  snprintf(f->temporary, PATH_MAX, "%.*s.XXXXXX", PATH_MAX - 8, f->path);
  int fd = mkstemp(f->temporary);
  if (fd >= 0) {
    if (fchmod(fd, wanted_mode(f->path)) == 0 && (f->file = fdopen(fd, "wb"))) return true;
    int error = errno;
    close(fd);
    unlink(f->temporary);
    errno = error;
  }
  return nn_fail("%s: cannot write: %s", f->path, strerror(errno)), false;
}

SafeFile *safe_open(const char *path) {
  if (nn_failed()) return NULL;
  SafeFile *f = memory_new(sizeof *f);
  if (!f) return NULL;
  if (resolve(path, f->path) && open_temporary(f)) return f;
  memory_free(f);
  return NULL;
}

bool safe_write(SafeFile *f, const void *bytes, size_t n) {
  if (f->error) return false;
  errno = 0;
  if (fwrite(bytes, 1, n, f->file) == n) return true;
  f->error = errno ? errno : EIO;
  return false;
}

void safe_cancel(SafeFile *f) {
  if (!f) return;
  if (f->file) fclose(f->file);
  unlink(f->temporary);
  memory_free(f);
}

/* A rename is on the disk once its folder is. A file system that cannot do this has still renamed. */
static void sync_folder(const char *path) {
  char folder[PATH_MAX];
  snprintf(folder, sizeof folder, "%s", path);
  char *slash = strrchr(folder, '/');
  if (slash) slash[slash == folder] = 0;
  int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY);
  if (fd < 0) return;
  fsync(fd);
  close(fd);
}

bool safe_close(SafeFile *f) {
  if (!f) return false;
  if (!f->error && (fflush(f->file) || fsync(fileno(f->file)))) f->error = errno;
  if (fclose(f->file) && !f->error) f->error = errno;
  f->file = NULL;
  if (!f->error && rename(f->temporary, f->path)) f->error = errno;
  if (f->error) {
    nn_fail("%s: cannot write: %s; nothing was changed", f->path, strerror(f->error));
    safe_cancel(f);
    return false;
  }
  sync_folder(f->path);
  memory_free(f);
  return true;
}
