/* The terminal's thread: takes lines, gathers them to statements, hands those to the engine, and shows the prompt again when
 * they are done. It knows by a Lua state of its own, in which nothing ever runs, whether a statement is complete.
 * Input from a pipe goes the same way, without prompt and echo. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine.h"
#include "lines.h"

static pthread_t thread;
static bool started, editing; /* editing: a person is there, and readline */
static Wake wake;
static lua_State *scratch;
static char *statement; /* the lines so far */
static size_t statement_size;
static bool listening;                 /* takes lines now */
static atomic_bool talking, prompting; /* editing; the prompt is on the screen */
static atomic_bool ready, ending, dropped, resized, suspended;

bool terminal_interactive(void) {
  return talking;
}

bool terminal_prompting(void) {
  return prompting;
}

static void notify(atomic_bool *what) {
  *what = true;
  wake_ring(&wake);
}

void terminal_yield(void) {
  if (editing) output_give(NULL);
}

void terminal_ready(void) {
  if (editing) output_give(&wake);
  notify(&ready);
}

void terminal_notice(int number) {
  notify(number == SIGINT ? &dropped : number == SIGTSTP ? &suspended : &resized);
}

/* ---- lines and statements ---- */

static void listen_again(void) {
  listening = true;
  if (!editing) return;
  lines_show(statement_size ? ">> " : "> ");
  prompting = true;
}

static void listen_no_more(void) {
  listening = false;
  prompting = false;
  if (editing) lines_hide();
}

static void forget_statement(void) {
  free(statement);
  statement = NULL;
  statement_size = 0;
}

static bool add_line(const char *line) {
  size_t n = strlen(line);
  char *more = realloc(statement, statement_size + n + 2);
  if (!more) return false;
  statement = more;
  if (statement_size) statement[statement_size++] = '\n';
  memcpy(statement + statement_size, line, n + 1);
  statement_size += n;
  return true;
}

static void submit(void) {
  char *text = statement;
  statement = NULL;
  statement_size = 0;
  if (editing) lines_remember(text);
  listen_no_more();
  engine_statement(text);
}

static void take_line(const char *line) {
  if (!statement_size && !line[strspn(line, " \t\r")])
    listen_again();
  else if (!add_line(line))
    forget_statement(), listen_again();
  else if (chunk_complete(scratch, statement))
    submit();
  else
    listen_again();
}

static void end_of_input(void) {
  if (statement_size) { /* its error tells what is missing; then this comes again */
    submit();
    return;
  }
  listen_no_more();
  engine_end_of_input();
}

/* ---- what wakes the thread ---- */

static void take_key(void) {
  char *line;
  if (!lines_key(&line)) return;
  if (!line) {
    forget_statement();
    end_of_input();
    return;
  }
  take_line(line);
  free(line);
}

/* One byte at a time, so that io.read() in a statement finds what follows it. */
static void take_byte(void) {
  static char *line;
  static size_t size, room;
  char c;
  ssize_t n = read(STDIN_FILENO, &c, 1);
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
  if (n > 0 && c != '\n') {
    if (size + 2 > room) line = realloc(line, room = 2 * room + 256);
    if (line) line[size++] = c;
    return;
  }
  if (size) {
    line[size] = 0;
    size = 0;
    take_line(line);
  } else if (n > 0) {
    take_line("");
  }
  if (n <= 0 && listening) end_of_input();
}

/* Ctrl-C at the prompt drops what was typed; when that is nothing, it is meant for what runs behind. */
static void drop_line(void) {
  if (!prompting) {
    interrupt_engine(SIGINT); /* a statement began meanwhile */
    return;
  }
  bool nothing = lines_empty() && !statement_size;
  lines_drop();
  forget_statement();
  listen_again();
  if (nothing) interrupt_engine(SIGINT);
}

static void show_waiting(void) {
  size_t n;
  char *lines = output_take(&n);
  if (!lines) return;
  lines_above(lines, n);
  output_written();
  free(lines);
}

static void *run(void *unused) {
  if (editing) lines_open(output_screen(), complete_names);
  listen_again();
  while (!ending) {
    bool input = wake_wait(&wake, listening ? STDIN_FILENO : -1);
    if (atomic_exchange(&suspended, false)) lines_suspend();
    if (atomic_exchange(&resized, false)) lines_resize();
    if (atomic_exchange(&ready, false))
      listen_again();
    else if (atomic_exchange(&dropped, false))
      drop_line();
    else if (input && editing)
      take_key();
    else if (input)
      take_byte();
    if (prompting) show_waiting(); /* not between a statement and the prompt, where the terminal still echoes */
  }
  bool shown = prompting;
  listen_no_more();
  terminal_yield();
  if (shown) output_write(STDOUT_FILENO, "\n", 1);
  if (editing) lines_close();
  return unused;
}

/* ---- its life ---- */

static void on_signal(int number) {
  terminal_notice(number);
}

static void watch(int number) {
  struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, NULL);
}

void terminal_start(void) {
  if (started) return;
  editing = isatty(STDIN_FILENO);
  scratch = luaL_newstate();
  if (!scratch || !wake_open(&wake)) {
    engine_say("gander: cannot start the prompt: %s", strerror(errno));
    engine_quit(1);
    return;
  }
  if (editing && options.script == options.argc)
    engine_say("gander %s, Lua %s.%s; help() for help, Ctrl-D to end", GANDER_BUILD, LUA_VERSION_MAJOR, LUA_VERSION_MINOR);
  if (!editing) setvbuf(stdin, NULL, _IONBF, 0);
  talking = editing;
  started = true;
  if (editing) output_give(&wake);
  pthread_create(&thread, NULL, run, NULL);
  if (editing) watch(SIGWINCH), watch(SIGTSTP);
}

void terminal_end(void) {
  if (!started) return;
  notify(&ending);
  pthread_join(thread, NULL);
  lua_close(scratch);
}
