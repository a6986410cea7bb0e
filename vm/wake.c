/* Sleeping until rung: a pipe, since a signal handler may write to one and to nothing else. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "engine.h"

bool wake_open(Wake *w) {
  int fd[2];
  if (pipe2(fd, O_CLOEXEC | O_NONBLOCK)) return false;
  *w = (Wake){fd[0], fd[1]};
  return true;
}

void wake_ring(Wake *w) {
  int saved = errno;
  ssize_t n = write(w->in, "", 1); /* a full pipe rings as well */
  (void)n;
  errno = saved;
}

bool wake_wait(Wake *w, int fd) {
  struct pollfd on[2] = {{w->out, POLLIN, 0}, {fd, POLLIN, 0}}; /* poll passes over a negative fd */
  if (poll(on, 2, -1) <= 0) return false;
  char drain[64];
  while (read(w->out, drain, sizeof drain) == sizeof drain) continue;
  return on[1].revents != 0;
}
