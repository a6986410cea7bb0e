/* Signals, and how they reach Lua. Handlers run on the engine's thread only (another one that gets a signal hands it on), so
 * that children of the engine inherit no blocked signals and lua_sethook is called as lua.c does it. A hook stays armed, on
 * every coroutine that runs, until the top level: pcall cannot swallow it. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "engine.h"

enum { PATIENCE = 4 }; /* presses of Ctrl-C after which a script that does not answer is ended by force */

static pthread_t engine;
static atomic_bool alive;            /* the engine's thread takes signals */
static _Atomic(Running *) top;       /* the Lua thread that runs */
static atomic_int activity, presses; /* presses of Ctrl-C since the top level */
static atomic_bool stop, armed;      /* end at the next boundary; end at the next instruction */
static atomic_bool decided;          /* the terminal's thread has seen this Ctrl-C */

static void stop_hook(lua_State *L, lua_Debug *ar) {
  if (!armed) { /* a coroutine that was armed and survived */
    lua_sethook(L, NULL, 0, 0);
    return;
  }
  lua_getinfo(L, "Sl", ar);
  if (ar->currentline > 0)
    lua_pushfstring(L, "%s:%d: interrupted", ar->short_src, ar->currentline);
  else
    lua_pushliteral(L, "interrupted");
  lua_error(L);
}

static void arm_state(lua_State *L) {
  lua_sethook(L, stop_hook, LUA_MASKCOUNT, 1); /* at each instruction; calls and returns of C come here even at the top level */
}

void interrupt_arm(void) {
  stop = armed = true;
  for (Running *r = top; r; r = r->below) arm_state(r->L);
}

void interrupt_unhook(void) {
  if (engine_quitting()) return;
  armed = false;
  for (Running *r = top; r; r = r->below)
    if (lua_gethook(r->L) == stop_hook) lua_sethook(r->L, NULL, 0, 0);
}

void interrupt_disarm(void) {
  interrupt_unhook();
  if (engine_quitting()) return;
  stop = false;
  presses = 0;
}

void interrupt_enter(Running *r, lua_State *L) {
  *r = (Running){L, top};
  top = r;
  if (armed) arm_state(L);
}

void interrupt_leave(const Running *r) {
  top = r->below;
}

lua_State *interrupt_state(void) {
  Running *r = top;
  return r ? r->L : NULL;
}

Activity interrupt_activity(Activity now) {
  return (Activity)atomic_exchange(&activity, now);
}

bool interrupt_asked(void) {
  return stop;
}

bool interrupt_pressed(void) {
  return presses > 0;
}

void interrupt_taken(void) {
  if (!armed && !engine_quitting()) stop = false;
}

static void complain_busy(void) {
  static const char text[] = "\nstill inside one call that cannot be interrupted; Ctrl-\\ ends gander and loses everything\n";
  ssize_t n = write(STDERR_FILENO, text, sizeof text - 1);
  (void)n;
}

/* Ctrl-C when the engine is at work: training ends at the boundary of a step, Lua at once; a second press ends both. */
static void press(void) {
  int n = ++presses;
  if (n >= PATIENCE && !options.interactive && !terminal_interactive()) _exit(128 + SIGINT);
  if (n == PATIENCE) complain_busy();
  if (activity == RUNNING || (activity == TRAINING && n > 1)) interrupt_arm();
  stop = true;
  engine_ring();
}

/* Writing to a program that has gone: the end when it was our reader, an error for the writer otherwise. */
static bool reader_gone(void) {
  struct pollfd out = {STDOUT_FILENO, POLLOUT, 0};
  return poll(&out, 1, 0) > 0 && (out.revents & (POLLERR | POLLHUP));
}

static void handle(int number) {
  int saved = errno;
  if (!pthread_equal(pthread_self(), engine)) {
    if (alive) pthread_kill(engine, number);
  } else if (number == SIGINT) {
    if (!terminal_prompting() || atomic_exchange(&decided, false))
      press();
    else
      terminal_notice(number);
  } else if (number == SIGTERM || number == SIGHUP || (number == SIGPIPE && reader_gone())) {
    engine_set_status(128 + number);
    interrupt_arm();
    engine_ring();
  }
  errno = saved;
}

static void set(sigset_t *signals) {
  static const int taken[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXFSZ}; /* the last so that a full disk is an error */
  sigemptyset(signals);
  for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) sigaddset(signals, taken[i]);
}

void interrupt_block(void) {
  sigset_t signals;
  set(&signals);
  pthread_sigmask(SIG_BLOCK, &signals, NULL);
}

void interrupt_begin(lua_State *L) {
  static Running bottom;
  engine = pthread_self();
  alive = true;
  interrupt_enter(&bottom, L);
  sigset_t signals;
  set(&signals);
  struct sigaction action = {.sa_handler = handle}, old; /* without SA_RESTART: io.read() returns */
  action.sa_mask = signals;
  for (int number = 1; number < NSIG; number++) {
    if (sigismember(&signals, number) != 1) continue;
    sigaction(number, NULL, &old);
    if (number != SIGHUP || old.sa_handler != SIG_IGN) sigaction(number, &action, NULL); /* nohup stays */
  }
  pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
}

void interrupt_end(void) {
  interrupt_block();
  alive = false;
  top = NULL;
}

void interrupt_engine(int number) {
  if (number == SIGINT) decided = true;
  if (alive) pthread_kill(engine, number);
}
