/* What the files of the program tell each other. Threads: main draws (SDL), terminal reads lines,
 * engine owns the Lua state, workers compute. No Lua runs outside the engine; no lock is held while Lua runs. */
#ifndef GANDER_VM_H
#define GANDER_VM_H

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>

#include "../nn/nn.h"

/* ---- values (value.c): C objects as Lua userdata ---- */

typedef enum Kind { /* of a boxed object; what value_keep and value_drop call */
                    KIND_TENSOR,
                    KIND_MODULE,
                    KIND_LOSS,
                    KIND_OPTIM,
                    KIND_SCHEDULE,
                    KIND_DATASET,
                    KIND_LOADER,
                    KIND_TRAINER,
                    KIND_WINDOW,
                    KIND_COUNT
} Kind;

typedef struct Box {
  Kind kind;
  void *object;
} Box;

void value_push(lua_State *L, Kind kind,
                void *object); /* takes a reference of its own; NULL pushes nil. The same object gives the same userdata */
void *value_test(lua_State *L, int index, Kind kind); /* the object or NULL */
void *value_check(lua_State *L, int index, Kind kind, const char *who,
                  const char *argument);         /* or a Lua error in the usual words */
const char *value_type(lua_State *L, int index); /* "tensor (2,3)", "number 5", "nil", for error messages */
lua_Integer value_count(void);                   /* live boxes, for tests */

/* ---- rows of the program's own functions (bind.c) ---- */

/* The name says where it lives: "clock", "tensor.load", "tensor:item" (a method), "window:plot". Arguments as in nn.h's
 * rows; functions without checked arguments may read the stack themselves. */
typedef struct Function {
  const char *name, *args, *help, *example;
  lua_CFunction call;
} Function;

void bind_functions(lua_State *L, const Function *rows); /* ends with a NULL name; they also appear in help and completion */
void bind_all(lua_State *L);                             /* ops, layers, losses, optimizers, ..., every table of functions */
int bind_error(lua_State *L);                            /* raises nn_error() as a Lua error, clears it; the one road */
Tensor *bind_tensor(lua_State *L, int index);            /* a tensor, or a number as a tensor without dimensions; else NULL */
/* Reads the arguments from `first` on as the signature says, positions first, then a table of named options.
 * Tensors go to in[] (borrowed, or the scope's), the rest to param[]; texts, functions, tables: *text holds stack indices. */
typedef struct Arguments {
  Tensor *in[64];
  Tensor **many; /* when a list is longer: scope's memory, else in */
  int n;
  Param param[NN_ARGS];
  int place[NN_ARGS]; /* stack index of each argument (absolute), 0 when not given */
} Arguments;
void bind_arguments(lua_State *L, int first, const char *who, const Signature *s, Arguments *out);

extern const Function functions_base[], functions_tensor[], functions_module[], functions_train[], functions_data[],
    functions_image[], functions_window[], functions_engine[], functions_gradcheck[];

/* ---- engine (engine.c) ---- */

bool engine_headless(void);   /* --headless, or no display */
const char *engine_out(void); /* the folder a headless run writes to, "out" by default */
/* Runs function(data) on the engine thread, between two steps. From any thread; wakes the engine. */
void engine_post(void (*function)(lua_State *L, void *data), void *data);
bool engine_interrupted(void);                  /* Ctrl-C, SIGTERM or quit asked: long loops in C end at the next boundary */
void engine_start(Trainer *t, long until_step); /* joins the background trainers; until_step < 0: for ever */
void engine_stop(Trainer *t);
bool engine_running(const Trainer *t);
void engine_pause(bool pause); /* all background and foreground training; space in the window */
bool engine_paused(void);
/* One step and what belongs to it: views are told, errors go to the caller. Foreground and background both call this. */
bool engine_step(lua_State *L, Trainer *t);
/* The foreground form: steps until then (< 0: for ever), doing what was posted between two steps, waiting while paused.
 * false with nn_error() when a step failed or Ctrl-C stopped it ("interrupted at step 12"). */
bool engine_run(lua_State *L, Trainer *t, long until_step);
lua_State *engine_state(void);  /* the main state or the coroutine that runs now: what callbacks from C into Lua use */
void engine_quit(int status);   /* end the program; from any thread */
bool engine_ended(int *status); /* the engine's thread is done (it calls window_wake() then): window_main returns this status */
long engine_until(const Trainer *t); /* the step at which its run or start ends; -1: none, or it does not run */
void engine_say(const char *format, ...) __attribute__((format(printf, 1, 2))); /* a line above the prompt, from any thread */
void engine_progress(const char *text); /* the one progress line of the terminal; "" removes it */

/* ---- window and headless views (view.c, window.c) ---- */

typedef struct View View; /* what a window shows; the object of KIND_WINDOW */
View *view_keep(View *v); /* engine only, for the boxes of value.c */
void view_drop(View *v);
int window_main(void);             /* the main thread's loop: sleeps until a window is wanted; returns the exit status */
void window_wake(void);            /* something to do for the main thread */
void views_after_step(Trainer *t); /* engine: publish what the views of t need, rarely and cheaply */
void views_finish(void);           /* engine, at the end: close files, wait for the writer */
bool views_open(void);             /* is any window open? the program stays until they close when a script ends */

/* ---- prompt, printing, help ---- */

void terminal_start(void);                       /* the thread that reads lines */
char *print_value(lua_State *L, int index);      /* as the prompt shows it; to free() */
char *help_text(lua_State *L, const char *name); /* NULL when there is none; to free() */
/* Names from the rows that begin with prefix; each and the array to free(). context is what stands before it, "nn." or "t:"
 * or "": one may type nn.Con<tab>. Called by the terminal's thread, so it touches no Lua state. */
char **complete_names(const char *prefix, const char *context, int *n);
const char *nearest_name(const char *word, const char *const *names, int n); /* for "did you mean", or NULL */
void stdlib_open(lua_State *L);                                              /* runs the embedded Lua files */

#endif
