/* What main, the engine, the terminal and the files around them tell each other; the rest of the program needs vm.h only. */
#ifndef GANDER_ENGINE_H
#define GANDER_ENGINE_H

#include <stdio.h>

#include "vm.h"

/* ---- wake.c: sleeping until another thread or a signal handler rings ---- */

typedef struct Wake {
  int out, in; /* a pipe that holds at most a few bytes */
} Wake;
bool wake_open(Wake *w);
void wake_ring(Wake *w);         /* from any thread and from signal handlers */
bool wake_wait(Wake *w, int fd); /* sleeps until rung or until fd (-1: none) can be read, and then says true */

/* ---- options.c: the command line ---- */

typedef struct Step { /* what -e, -l and -W ask for, in the order given */
  char letter;
  const char *text;
} Step;
typedef struct Options {
  int argc, script; /* argv[script] is the script's name; argc when there is none */
  char **argv;
  Step *step;
  int steps;
  bool interactive, headless, strict, bare; /* bare: -E, the environment is not looked at */
  bool version, help, seeded;
  int threads; /* 0: not given */
  uint64_t seed;
} Options;
extern Options options;
int options_read(int argc, char **argv); /* -1 to go on, or the status to end with */
void options_version(void);
/* Takes --headless, --threads N or --seed N off a script's arguments: how many words it used, 0 for another word, -1 for
 * a wrong one, of which *error tells. */
int options_common(char **argv, int argc, const char **error);
/* The i-th of them, from 0; false when there are no more. */
bool options_common_row(int i, const char **name, const char **value, const char **help);

/* ---- args.c ---- */

int args_call(lua_State *L); /* args{lr = {2e-4, "learning rate"}} */

/* ---- interrupt.c: signals, and how they reach Lua ---- */

typedef enum Activity { IDLE, RUNNING, TRAINING } Activity; /* of the engine: asleep, in Lua, in a step */

void interrupt_block(void);         /* in main, before there are threads: only the engine takes signals */
void interrupt_begin(lua_State *L); /* on the engine's thread */
void interrupt_end(void);
Activity interrupt_activity(Activity now); /* returns what it was */
void interrupt_stop(void);                 /* training stops at the next boundary; from any thread */
bool interrupt_asked(void);                /* has it been asked for? */
void interrupt_arm(void);                  /* Lua ends at its next instruction, up to the top level; engine and its handlers only */
void interrupt_unhook(void);               /* Lua has reached the top level */
void interrupt_disarm(void);               /* and all presses are forgotten */
bool interrupt_pressed(void);              /* was Ctrl-C pressed since the top level? */
void interrupt_taken(void);                /* the request to stop was obeyed */
void interrupt_engine(int signal);         /* from any thread: as if the signal came */

typedef struct Running { /* a Lua thread that runs, above the one that resumed it */
  lua_State *L;
  struct Running *below;
} Running;
void interrupt_enter(Running *r, lua_State *L);
void interrupt_leave(const Running *r);
lua_State *interrupt_state(void);

void coroutine_open(lua_State *L); /* coroutine.c: resume, wrap, close and finalizers that interrupts pass through */

/* ---- engine.c ---- */

int engine_begin(void); /* starts the engine's thread: 0, or an error number */
void engine_join(void);
bool engine_quitting(void);
void engine_set_status(int status); /* the program ends, with the first status given; also for handlers */
void engine_ring(void);             /* something to do */
void engine_sleep(void);            /* until rung */
void engine_serve(lua_State *L);    /* runs what was posted */
void engine_set_out(const char *folder);
void engine_set_headless(void);
void engine_offer_prompt(void);    /* a run begins: with -i its script's prompt is shown meanwhile */
void engine_statement(char *text); /* the terminal's thread: run it, then call terminal_ready(); takes the text */
void engine_end_of_input(void);    /* the terminal's thread */
_Noreturn void engine_exit(lua_State *L, int status, bool close); /* os.exit: leaves the engine from inside Lua */

/* ---- training.c ---- */

bool training_step(lua_State *L); /* one step of each background trainer; false when there is nothing to do */
bool training_waits(void);        /* is anything in the background, paused or not? */
void training_interrupt(void);    /* Ctrl-C: all of it stops, and says so */
void training_end(void);

/* ---- progress.c ---- */

void progress_step(const Trainer *t, long until); /* after a step of a run in the foreground */

/* ---- program.c ---- */

/* Libraries, LUA_INIT, -e and -l, the script: what failed is reported. *prompt: a prompt is wanted. */
bool program_run(lua_State *L, bool *prompt);

/* ---- chunk.c ---- */

int chunk_handler(lua_State *L);                                   /* the message, the nearest name, the road to it */
bool chunk_call(lua_State *L, int arguments, int results);         /* a pcall with it; false: the message is on the stack */
void chunk_report(lua_State *L);                                   /* prints and pops the message */
bool chunk_text(lua_State *L, const char *text, const char *name); /* runs it; what failed is reported */
bool chunk_file(lua_State *L, const char *path, int arguments);    /* NULL: standard input; the arguments are on the stack */
bool chunk_line(lua_State *L, const char *text);                   /* a statement typed: its values are printed */
bool chunk_complete(lua_State *scratch, const char *text);         /* false: more lines are needed */
const char *chunk_typed(void);                                     /* the text that runs, when it is no file */
int chunk_floor(void);                                             /* open calls that lie below it */

/* ---- trace.c ---- */

bool trace_user(lua_State *L, int *level, lua_Debug *ar);                /* the first function of the user's from level on */
int trace_depth(lua_State *L);                                           /* how many calls are open */
void trace_message(lua_State *L, const char *message, luaL_Buffer *out); /* with a place in the user's code */
void trace_add(lua_State *L, luaL_Buffer *out);                          /* the road of calls, the user's only */

/* ---- strict.c ---- */

void strict_open(lua_State *L);                                        /* --strict */
void strict_hint(lua_State *L, const char *message, luaL_Buffer *out); /* adds "; did you mean 'tensor'?" */

/* ---- output.c: everything that reaches the terminal ---- */

void output_open(void);    /* before Lua opens its io: stdout and stderr become streams that respect the prompt */
FILE *output_screen(void); /* the terminal itself, for readline */
void output_write(int fd, const char *bytes, size_t n);
/* Whom the terminal belongs to: while it is the prompt's thread, what others print waits and rings; NULL: to whoever prints. */
void output_give(Wake *to);
char *output_take(size_t *n); /* whole lines that wait, to write and free(), or NULL */
void output_written(void);    /* they are */

/* ---- terminal.c ---- */

bool terminal_interactive(void);  /* is somebody there to talk to? also for signal handlers, as the next two */
bool terminal_prompting(void);    /* is the prompt on the screen? */
void terminal_notice(int number); /* SIGINT, SIGTSTP, SIGWINCH, for the terminal's thread to act on */
void terminal_yield(void);        /* a statement begins: what it prints appears at once */
void terminal_ready(void);        /* the statement is done: show the prompt again */
void terminal_end(void);          /* gives the terminal back as it was */

#endif
