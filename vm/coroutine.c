/* coroutine.resume, wrap and close as in Lua, but the interrupt knows which coroutine runs: hooks belong to one Lua thread. And
 * setmetatable as in Lua, but finalizers run in coroutines: the thread that collects garbage calls no hooks meanwhile, so that
 * one that never ends could not be interrupted. */
#include <lualib.h>

#include "engine.h"

static lua_State *check_coroutine(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  if (!co) luaL_typeerror(L, 1, "coroutine");
  return co;
}

/* Moves the top n values to co and runs it. The number of results, on L, or -1 with the error there. */
static int resume(lua_State *L, lua_State *co, int n) {
  if (!lua_checkstack(co, n)) {
    lua_pushliteral(L, "too many arguments to resume");
    return -1;
  }
  lua_xmove(L, co, n);
  Running running;
  int results;
  interrupt_enter(&running, co);
  int status = lua_resume(co, L, n, &results);
  interrupt_leave(&running);
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_xmove(co, L, 1);
    return -1;
  }
  if (!lua_checkstack(L, results + 1)) {
    lua_pop(co, results);
    lua_pushliteral(L, "too many results to resume");
    return -1;
  }
  lua_xmove(co, L, results);
  return results;
}

/* Closes what is pending in a dead or suspended coroutine; the error, if any, is left on it. */
static int reset(lua_State *co) {
  Running running;
  interrupt_enter(&running, co);
  int status = lua_resetthread(co);
  interrupt_leave(&running);
  return status;
}

static int coroutine_resume(lua_State *L) {
  lua_State *co = check_coroutine(L);
  int n = resume(L, co, lua_gettop(L) - 1);
  lua_pushboolean(L, n >= 0);
  if (n < 0) n = 1;
  lua_insert(L, -(n + 1));
  return n + 1;
}

/* The coroutine has died of the error on top of L: its variables are closed, which may change the error. */
static int bury(lua_State *L, lua_State *co) {
  int status = lua_status(co);
  if (status == LUA_OK || status == LUA_YIELD) return status;
  status = reset(co);
  lua_xmove(co, L, 1);
  return status;
}

static int call_wrapped(lua_State *L) {
  lua_State *co = lua_tothread(L, lua_upvalueindex(1));
  int n = resume(L, co, lua_gettop(L));
  if (n >= 0) return n;
  int status = bury(L, co);
  if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

static int coroutine_wrap(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_State *co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  lua_pushcclosure(L, call_wrapped, 1);
  return 1;
}

/* "running", "normal", "suspended" or "dead" */
static const char *state_of(lua_State *L, lua_State *co) {
  lua_Debug ar;
  if (L == co) return "running";
  if (lua_status(co) == LUA_YIELD) return "suspended";
  if (lua_status(co) != LUA_OK) return "dead";
  if (lua_getstack(co, 0, &ar)) return "normal";
  return lua_gettop(co) ? "suspended" : "dead";
}

static int coroutine_close(lua_State *L) {
  lua_State *co = check_coroutine(L);
  const char *state = state_of(L, co);
  if (*state == 'r' || *state == 'n') return luaL_error(L, "cannot close a %s coroutine", state);
  if (reset(co) == LUA_OK) {
    lua_pushboolean(L, true);
    return 1;
  }
  lua_pushboolean(L, false);
  lua_xmove(co, L, 1);
  return 2;
}

/* ---- finalizers ---- */

static int finalize(lua_State *L) { /* upvalue: the function that is to be called with the object */
  lua_settop(L, 1);
  lua_State *co = lua_newthread(L);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_xmove(L, co, 1);
  lua_pushvalue(L, 1);
  if (resume(L, co, 1) < 0) {
    bury(L, co);
    return lua_error(L);
  }
  if (lua_status(co) != LUA_YIELD) return 0;
  reset(co);
  return luaL_error(L, "attempt to yield in a finalizer");
}

/* Puts finalize() around the __gc of the metatable at index 2, once. */
static void guard_finalizer(lua_State *L) {
  lua_pushliteral(L, "__gc");
  lua_pushvalue(L, -1);
  if (lua_rawget(L, 2) != LUA_TFUNCTION || lua_iscfunction(L, -1)) return;
  lua_pushcclosure(L, finalize, 1);
  lua_rawset(L, 2);
}

static int set_metatable(lua_State *L) {
  int type = lua_type(L, 2);
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
  if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL) return luaL_error(L, "cannot change a protected metatable");
  if (type == LUA_TTABLE) guard_finalizer(L);
  lua_settop(L, 2);
  lua_setmetatable(L, 1);
  return 1;
}

void coroutine_open(lua_State *L) {
  static const luaL_Reg functions[] = {
      {"resume", coroutine_resume}, {"wrap", coroutine_wrap}, {"close", coroutine_close}, {NULL, NULL}};
  lua_getglobal(L, LUA_COLIBNAME);
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
  lua_register(L, "setmetatable", set_metatable);
}
