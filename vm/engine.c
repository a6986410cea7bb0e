/* The engine: the one thread that owns the Lua state. It runs what was posted, then one step of each background trainer. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "engine.h"

enum { STACK = 64 << 20 };

typedef struct Post {
  void (*function)(lua_State *L, void *data);
  void *data;
  struct Post *next;
} Post;

static pthread_t thread;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Post *first, **last = &first; /* under the lock */
static Post *running;                /* innermost first */
static Wake wake;
static jmp_buf base;           /* where os.exit goes */
static atomic_int status = -1; /* to end with; -1 while nothing asks for it */
static atomic_bool ended;
static bool headless, failed; /* a statement from a pipe failed */
static char out[4096] = "out";

bool engine_headless(void) {
  return headless;
}

const char *engine_out(void) {
  return out;
}

void engine_set_out(const char *folder) {
  snprintf(out, sizeof out, "%s", folder);
}

lua_State *engine_state(void) {
  return interrupt_state();
}

/* ---- what other threads ask for ---- */

void engine_ring(void) {
  wake_ring(&wake);
}

void engine_sleep(void) {
  Activity before = interrupt_activity(IDLE);
  wake_wait(&wake, -1);
  interrupt_activity(before);
}

void engine_post(void (*function)(lua_State *L, void *data), void *data) {
  Post *post = malloc(sizeof *post);
  if (!post) return; /* no memory for 24 bytes: what was asked for is lost, as a key that nobody hears */
  *post = (Post){function, data, NULL};
  pthread_mutex_lock(&lock);
  *last = post;
  last = &post->next;
  pthread_mutex_unlock(&lock);
  engine_ring();
}

static Post *take_post(void) {
  pthread_mutex_lock(&lock);
  Post *post = first;
  if (post && !(first = post->next)) last = &first;
  pthread_mutex_unlock(&lock);
  return post;
}

static void end_post(void) {
  Post *post = running;
  running = post->next;
  free(post);
}

static int call_post(lua_State *L) {
  Post *post = lua_touserdata(L, 1);
  post->function(L, post->data);
  return 0;
}

void engine_serve(lua_State *L) {
  Post *post;
  while (!engine_quitting() && (post = take_post())) {
    post->next = running;
    running = post;
    Activity before = interrupt_activity(RUNNING);
    lua_checkstack(L, LUA_MINSTACK);
    lua_pushcfunction(L, call_post);
    lua_pushlightuserdata(L, post);
    if (!chunk_call(L, 1, 0)) chunk_report(L);
    interrupt_activity(before);
    interrupt_unhook(); /* Lua has ended; a request to stop training still stands */
    end_post();
  }
}

bool engine_quitting(void) {
  return status >= 0;
}

void engine_set_status(int to) {
  int none = -1;
  atomic_compare_exchange_strong(&status, &none, to);
}

void engine_quit(int to) {
  engine_set_status(to);
  interrupt_engine(SIGTERM);
}

bool engine_interrupted(void) {
  return interrupt_asked() || engine_quitting();
}

bool engine_ended(int *result) {
  *result = status < 0 ? 0 : status;
  return ended;
}

/* ---- statements ---- */

static void run_statement(lua_State *L, void *text) {
  bool asked = interrupt_asked();
  terminal_yield();
  if (!chunk_line(L, text)) failed = true;
  free(text);
  if (!asked) interrupt_disarm(); /* Ctrl-C was for this statement; the next one is for what is behind the prompt */
  terminal_ready();
}

void engine_statement(char *text) {
  engine_post(run_statement, text);
}

void engine_end_of_input(void) {
  engine_quit(failed && !terminal_interactive());
}

void engine_offer_prompt(void) {
  if (options.interactive && isatty(STDIN_FILENO)) terminal_start();
}

/* ---- life ---- */

static void prepare(void) {
  const char *display = getenv("DISPLAY"), *wayland = getenv("WAYLAND_DISPLAY"), *driver = getenv("SDL_VIDEODRIVER");
  headless = options.headless || !((display && *display) || (wayland && *wayland) || (driver && *driver));
  if (options.threads) workers_set(options.threads);
  if (options.seeded) random_seed(options.seed);
}

/* Ctrl-C at the top level: the background stops; without anybody at a prompt it is the end. */
static void obey_interrupt(void) {
  training_interrupt();
  if (terminal_interactive())
    interrupt_disarm();
  else
    engine_quit(128 + SIGINT);
}

static void work(lua_State *L, bool prompt) {
  while (!engine_quitting()) {
    engine_serve(L);
    if (interrupt_asked())
      obey_interrupt();
    else if (training_step(L))
      continue;
    else if (prompt || views_open() || training_waits())
      engine_sleep(); /* a window that closes posts something */
    else
      return;
  }
}

static void close_all(lua_State *L, bool close) {
  static bool done; /* a finalizer may call os.exit */
  if (!done) {
    done = true;
    training_end();
    views_finish();
  }
  if (close) lua_close(L);
  fflush(NULL);
}

void engine_exit(lua_State *L, int to, bool close) {
  engine_set_status(to);
  close_all(L, close);
  longjmp(base, 1);
}

static void live(void) {
  lua_State *L = luaL_newstate();
  if (!L) {
    engine_say("gander: not enough memory to begin");
    engine_set_status(1);
    return;
  }
  interrupt_begin(L);
  prepare();
  interrupt_activity(RUNNING);
  bool prompt, ok = program_run(L, &prompt);
  interrupt_activity(IDLE);
  if (!ok && !prompt) engine_set_status(interrupt_pressed() ? 128 + SIGINT : 1);
  failed = !ok;
  interrupt_disarm();
  if (prompt && !engine_quitting()) terminal_start();
  work(L, prompt);
  close_all(L, true);
}

static void *engine(void *unused) {
  if (!setjmp(base)) live();
  while (running) end_post(); /* os.exit left them */
  interrupt_end();
  terminal_end();
  ended = true;
  window_wake();
  return unused;
}

int engine_begin(void) {
  pthread_attr_t attributes;
  if (!wake_open(&wake)) return errno;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, STACK); /* deep recursion in C is Lua's to refuse, at 200 levels */
  int error = pthread_create(&thread, &attributes, engine, NULL);
  pthread_attr_destroy(&attributes);
  return error;
}

void engine_join(void) {
  pthread_join(thread, NULL);
}
