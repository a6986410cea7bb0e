/* Everything that reaches a terminal goes through here, so that nothing is written into the line that is being typed.
 * While the prompt is shown only the terminal's thread writes; what others print waits for it. */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "engine.h"

enum { WAITING = 1 << 20, QUIET = 30 }; /* bytes that may wait; seconds between two lines of progress into a file */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t written = PTHREAD_COND_INITIALIZER;
static Wake *prompt; /* rings the terminal's thread while that has the terminal */
static char *waiting;
static size_t waiting_size, waiting_room;
static bool writing; /* the terminal's thread has taken lines and writes them */
static FILE *screen; /* the terminal itself, for readline */
static int screen_fd = STDOUT_FILENO;
static bool open_line;      /* the last character written was no newline */
static bool progress_drawn; /* the last line on the terminal is the progress line */
static char progress_last[256];
static time_t progress_time;

static void write_all(int fd, const char *bytes, size_t n) {
  while (n) {
    ssize_t done = write(fd, bytes, n);
    if (done < 0 && (errno != EINTR || engine_quitting())) return;
    if (done < 0) continue;
    bytes += done;
    n -= (size_t)done;
  }
}

static void erase_progress(void) {
  if (progress_drawn) write_all(STDERR_FILENO, "\r\033[K", 4);
  progress_drawn = false;
}

/* False: no memory. */
static bool append(const char *bytes, size_t n) {
  if (waiting_size + n > waiting_room) {
    size_t room = 2 * (waiting_size + n);
    char *more = realloc(waiting, room);
    if (!more) return false;
    waiting = more;
    waiting_room = room;
  }
  memcpy(waiting + waiting_size, bytes, n);
  waiting_size += n;
  return true;
}

void output_write(int fd, const char *bytes, size_t n) {
  if (!n) return;
  pthread_mutex_lock(&lock);
  while (prompt && waiting_size > WAITING) pthread_cond_wait(&written, &lock);
  if (prompt && append(bytes, n)) {
    wake_ring(prompt);
  } else {
    erase_progress();
    write_all(fd, bytes, n);
    open_line = bytes[n - 1] != '\n';
  }
  pthread_mutex_unlock(&lock);
}

char *output_take(size_t *n) {
  pthread_mutex_lock(&lock);
  char *lines = NULL;
  size_t whole = waiting_size;
  while (whole && waiting[whole - 1] != '\n') whole--;
  if (whole && (lines = malloc(whole))) {
    memcpy(lines, waiting, whole);
    waiting_size -= whole;
    memmove(waiting, waiting + whole, waiting_size);
    writing = true;
  }
  *n = lines ? whole : 0;
  pthread_mutex_unlock(&lock);
  return lines;
}

void output_written(void) {
  pthread_mutex_lock(&lock);
  writing = false;
  pthread_cond_broadcast(&written);
  pthread_mutex_unlock(&lock);
}

void output_give(Wake *to) {
  pthread_mutex_lock(&lock);
  while (writing) pthread_cond_wait(&written, &lock);
  erase_progress();
  if (to && open_line) write_all(screen_fd, "\n", 1);
  open_line = false;
  prompt = to;
  if (!to && waiting_size) {
    write_all(screen_fd, waiting, waiting_size);
    open_line = waiting[waiting_size - 1] != '\n';
    waiting_size = 0;
  }
  pthread_cond_broadcast(&written);
  pthread_mutex_unlock(&lock);
}

/* ---- the streams of Lua and C ---- */

static ssize_t stream_write(void *fd, const char *bytes, size_t n) {
  output_write((int)(intptr_t)fd, bytes, n);
  return (ssize_t)n;
}

static FILE *open_stream(int fd, int buffering) {
  FILE *stream = fopencookie((void *)(intptr_t)fd, "w", (cookie_io_functions_t){.write = stream_write});
  if (stream) setvbuf(stream, NULL, buffering, BUFSIZ);
  return stream;
}

void output_open(void) {
  FILE *stream;
  if (!isatty(STDOUT_FILENO))
    screen = stderr, screen_fd = STDERR_FILENO;
  else
    screen = stdout;
  if (isatty(STDOUT_FILENO) && (stream = open_stream(STDOUT_FILENO, _IOLBF))) stdout = stream;
  if (isatty(STDERR_FILENO) && (stream = open_stream(STDERR_FILENO, _IONBF))) stderr = stream;
}

FILE *output_screen(void) {
  return screen;
}

void engine_say(const char *format, ...) {
  char *text;
  va_list list;
  va_start(list, format);
  int n = vasprintf(&text, format, list);
  va_end(list);
  if (n < 0) return;
  text[n] = '\n'; /* in place of the end: it is written by its length */
  output_write(STDERR_FILENO, text, (size_t)n + 1);
  free(text);
}

/* ---- the progress line ---- */

static void draw_progress(const char *text) {
  struct winsize size;
  int columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1 : 79;
  char line[512];
  int n = snprintf(line, sizeof line, "\r%.*s\033[K", columns, text);
  if (open_line && !progress_drawn) write_all(STDERR_FILENO, "\n", 1);
  open_line = false;
  if (*text || progress_drawn) write_all(STDERR_FILENO, line, n < (int)sizeof line ? (size_t)n : sizeof line - 1);
  progress_drawn = *text;
}

/* Into a file or a pipe: a line now and then, and the last one. */
static void log_progress(const char *text) {
  time_t now = time(NULL);
  if (*text && !progress_time) progress_time = now;
  if (*text && now - progress_time < QUIET) {
    snprintf(progress_last, sizeof progress_last, "%s\n", text);
    return;
  }
  if (*text) snprintf(progress_last, sizeof progress_last, "%s\n", text);
  write_all(STDERR_FILENO, progress_last, strlen(progress_last));
  *progress_last = 0;
  progress_time = *text ? now : 0;
}

void engine_progress(const char *text) {
  pthread_mutex_lock(&lock);
  if (!isatty(STDERR_FILENO))
    log_progress(text);
  else if (!prompt)
    draw_progress(text);
  pthread_mutex_unlock(&lock);
}
