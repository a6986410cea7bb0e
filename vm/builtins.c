/* The program's own functions: time, memory, threads, a script's options, the end. */
#include <time.h>

#include "engine.h"

static int clock_call(lua_State *L) {
  struct timespec now;
  Arguments a;
  bind_own_arguments(L, &a);
  clock_gettime(CLOCK_MONOTONIC, &now);
  lua_pushnumber(L, (double)now.tv_sec + 1e-9 * (double)now.tv_nsec);
  return 1;
}

static int memory_call(lua_State *L) {
  Arguments a;
  bind_own_arguments(L, &a);
  MemoryUse use = memory_use();
  const struct {
    const char *name;
    size_t value;
  } fields[] = {{"live", use.live},   {"cached", use.cached}, {"peak", use.peak},
                {"limit", use.limit}, {"fresh", use.fresh},   {"objects", (size_t)value_count()}};
  lua_createtable(L, 0, 6);
  for (int i = 0; i < 6; i++) {
    lua_pushinteger(L, (lua_Integer)fields[i].value);
    lua_setfield(L, -2, fields[i].name);
  }
  return 1;
}

static int threads_call(lua_State *L) {
  Arguments a;
  bind_own_arguments(L, &a);
  double n = a.param[0].number;
  if (a.place[0] && !(n >= 1 && n <= 64))
    return bind_fail(L, "threads: argument 1 (n) must be from 1 to 64, got %I", (lua_Integer)n);
  if (a.place[0]) workers_set((int)n);
  lua_pushinteger(L, workers_count());
  return 1;
}

static int flops_call(lua_State *L) {
  Arguments a;
  bind_own_arguments(L, &a);
  lua_pushnumber(L, work_done());
  return 1;
}

static int quit_call(lua_State *L) {
  Arguments a;
  bind_own_arguments(L, &a);
  engine_exit(L, (int)((long)a.param[0].number & 255), false);
}

const Function functions_engine[] = {
    {"clock", "", "Seconds of a clock that only goes forward, to measure how long something takes.", "clock() - clock() <= 0",
     clock_call},
    {"memory", "",
     "What tensors take: live, cached for the next ones, peak and limit in bytes; fresh counts the blocks ever asked of the "
     "system, objects what scripts hold of tensors, modules and the like.",
     "memory().live", memory_call},
    {"threads", "n:integer=nil", "How many threads compute; sets it when n is given (1 to 64).", "threads()", threads_call},
    {"flops", "",
     "How many floating-point operations the products and convolutions so far are, each multiply-add two; padding counts.",
     "flops()", flops_call},
    {"args", "options:table",
     "Declares the options of a script, {name = {default, help}, ...} or in order {{name, default, help}, ...}, and returns a "
     "table of "
     "their values. The type is the default's: 1 takes whole numbers, 1.0 numbers, \"\" text, false a flag.",
     "args{lr = {2e-4, \"learning rate\"}}.lr", args_call},
    {"quit", "status:integer=0", "Ends the program.", "quit", quit_call},
    {"exit", "status:integer=0", "Ends the program, as quit().", "exit", quit_call},
    {0}};
