/* What the files of the program tell each other. Threads: main draws (SDL), terminal reads lines,
 * engine owns the Lua state, workers compute. No Lua runs outside the engine; no lock is held while Lua runs. */
#ifndef GANDER_VM_H
#define GANDER_VM_H

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>

#include "../nn/nn.h"

/* ---- values (value.c): C objects as Lua userdata ---- */

typedef enum Kind { /* of a boxed object */
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

typedef struct LossValue { /* the object of KIND_LOSS */
  int refs;
  const Loss *row;
  Param param[NN_ARGS];
} LossValue;

void value_open(lua_State *L);
const char *kind_name(Kind kind);          /* "optimizer" */
int kind_find(const char *name, size_t n); /* -1: none */
void value_push(lua_State *L, Kind kind,
                void *object); /* takes a reference of its own; NULL pushes nil. The same object gives the same userdata */
/* In two steps, for when Lua may run out of memory while the object exists: pushes an empty box; fills it, at that index. */
Box *value_new(lua_State *L, Kind kind);
void value_set(lua_State *L, int index, Box *box, void *object);
/* Ends a function that made an object: the empty box at that index takes over its reference and is pushed. NULL: bind_error(). */
int value_give(lua_State *L, int at, void *object);
void *value_test(lua_State *L, int index, Kind kind); /* the object or NULL */
int value_kind(lua_State *L, int index);              /* -1: not one of ours */
void *value_check(lua_State *L, int index, Kind kind, const char *who,
                  const char *argument);         /* or a Lua error in the usual words */
const char *value_type(lua_State *L, int index); /* "tensor (2,3)", "number 5", "nil", for error messages */
void value_remember(lua_State *L, int index);    /* from now on value_push finds this box for its object */
void value_fields(lua_State *L, int index);      /* pushes the box's table of fields */
/* Tells Lua that the object in the box at `owner` holds the one in the box at `part`, or no longer does. */
void value_anchor(lua_State *L, int owner, int part);
void value_release(lua_State *L, int owner, const void *object);
void value_forget(void *object);               /* the object of a box with fields is going: its free_data calls this */
void value_metatable(lua_State *L, Kind kind); /* pushes it */
lua_State *value_state(void);                  /* the main state, NULL once it is closed: for objects that outlive it */
lua_Integer value_count(void);                 /* live boxes, for tests */

/* ---- topics (topic.c): all that has a name and help: ops, layers, ..., functions of the program, of stdlib/ ---- */

typedef struct Topic {
  const char *name; /* "nn.Conv2d", "tensor.sum", "tensor:item" (a method) */
  const char *who;  /* in error messages: "Conv2d", "sum", "tensor:item" */
  const char *args, *help, *example;
  const void *row;      /* Op, Layer, Loss, OptimRow, ScheduleRow or Function */
  lua_CFunction call;   /* of a Function */
  bool method;          /* of an op that is x:sum() too */
  int self;             /* Kind of a method's object, -1: no method */
  Signature *signature; /* parsed when first asked for, by topic_signature */
} Topic;

int topics_count(void);
const Topic *topics_at(int i);
const Topic *topics_find(const char *name); /* NULL: none */
/* Texts are kept, not copied, but for the name ("nn." and "Conv2d"). NULL when memory or the list is full. */
Topic *topic_add(const char *place, const char *name, const char *args, const char *help, const char *example, const void *row);
const Signature *topic_signature(const Topic *topic); /* NULL and nn_error() for a malformed row */

/* ---- rows of the program's own functions (bind.c) ---- */

/* The name says where it lives: "clock", "tensor.load", "tensor:item" (a method; its object is checked before the call),
 * "window:plot". Arguments as in nn.h's rows, a method's without its object; functions without checked arguments may read
 * the stack themselves. */
typedef struct Function {
  const char *name, *args, *help, *example;
  lua_CFunction call;
} Function;

void bind_functions(lua_State *L, const Function *rows); /* ends with a NULL name; they also appear in help and completion */
void bind_all(lua_State *L);                             /* ops, layers, losses, optimizers, ..., every table of functions */
/* Makes the Lua function place.name ("nn.", "Conv2d") whose first upvalue is its topic, and the topic. */
Topic *bind_row(lua_State *L, const char *place, const char *name, const char *args, const char *help, const char *example,
                const void *row, lua_CFunction call);
void bind_place(lua_State *L, Topic *t);                            /* pops a function and puts it where the topic's name says */
void bind_ops(lua_State *L);                                        /* bind_op.c */
void bind_index(lua_State *L);                                      /* bind_index.c */
void bind_shape(lua_State *L, int ndim, const long *shape);         /* pushes a table {2, 3} that prints as (2,3) */
const Topic *bind_topic(lua_State *L);                              /* of the running function */
void bind_table(lua_State *L, const char *path);                    /* pushes the table "nn.init", made when there is none */
void bind_methods(lua_State *L, Kind kind);                         /* pushes the table of a kind's methods */
void bind_push_param(lua_State *L, const Arg *arg, const Param *p); /* as Lua writes it; nil when it has no value */
void bind_networks(lua_State *L);                                   /* bind_module.c */
void bind_datasets(lua_State *L);                                   /* bind_data.c */
void bind_loaders(lua_State *L);                                    /* bind_loader.c */
void bind_optimizers(lua_State *L);                                 /* bind_optim.c: optimizers, schedules */
void bind_training(lua_State *L);                                   /* bind_train.c: trainers */
void bind_window(lua_State *L);                                     /* bind_window.c */
/* What t.name reads and writes: get pushes the value of the key at index 2 and returns true, or returns false, upon which the
 * methods are looked up; set takes the value at index 3, and returns false for a name it does not know. names: for "did
 * you mean" and completion, "lr step"; either may be NULL. */
void bind_fields(lua_State *L, Kind kind, const char *names, bool (*get)(lua_State *L, void *object, const char *key),
                 bool (*set)(lua_State *L, void *object, const char *key));
const Topic *bind_topic_of(lua_State *L, int index);  /* of a function made from a row; else NULL */
const char *bind_field_names(Kind kind);              /* "lr step", "" */
int bind_error(lua_State *L);                         /* raises nn_error() as a Lua error, clears it; the one road */
int bind_fail(lua_State *L, const char *format, ...); /* raises an error with the user's line; format as lua_pushfstring */
/* From C that a network or a trainer calls into Lua: protected, call(job) must return a tensor, which becomes the scope's. What
 * goes wrong in Lua becomes an error of the library. */
Tensor *bind_call_back(lua_CFunction call, const void *job);
Tensor *bind_tensor(lua_State *L, int index); /* a tensor, or a number as a tensor without dimensions; else NULL */

/* ---- arguments (arguments.c) ---- */

/* What was given, read as a signature says: positions first, then a table of named options. Tensors go to in[] (borrowed, or
 * the scope's), the rest to param[], each in order; texts, modules, functions, tables are found by their stack index. Reading
 * may raise an error, but only while the scope holds nothing of it. */
typedef struct Arguments {
  const Signature *s;
  Tensor *in[64];
  Tensor **many; /* the tensors: in, or userdata on the stack when a list is longer */
  int n;
  Param param[NN_ARGS];
  int place[NN_ARGS]; /* stack index of each argument (absolute), 0 when not given */
} Arguments;
void bind_arguments(lua_State *L, int first, const char *who, const Signature *s, Arguments *out);
void bind_arguments_to(lua_State *L, int first, int last, const char *who, const Signature *s, Arguments *out);
void bind_own_arguments(lua_State *L, Arguments *out);          /* of the running Function, by its row */
int bind_begin(lua_State *L, Kind kind, Arguments *out);        /* then pushes an empty box for what it makes; the box's index */
const char *bind_text(lua_State *L, const Arguments *a, int i); /* argument i of kind text, or its default, or NULL */

extern const Function functions_define[], functions_base[], functions_tensor[], functions_index[], functions_module[],
    functions_data[], functions_image[], functions_window[], functions_engine[], functions_gradcheck[];

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
