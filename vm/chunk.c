/* Compiling and running pieces of Lua, and telling what went wrong with them. */
#include <stdlib.h>
#include <string.h>

#include "engine.h"

static const char *typed = ""; /* the text that runs, for chunks that are no file */

static int ground; /* the calls that were open when it began: what it interrupted is not its story */

const char *chunk_typed(void) {
  return typed;
}

int chunk_floor(void) {
  return ground;
}

/* ---- errors ---- */

int chunk_handler(lua_State *L) {
  if (!lua_isstring(L, 1)) {
    if (luaL_callmeta(L, 1, "__tostring") && lua_isstring(L, -1)) return 1;
    lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
    lua_replace(L, 1);
  }
  luaL_Buffer text;
  luaL_buffinit(L, &text);
  trace_message(L, lua_tostring(L, 1), &text);
  strict_hint(L, lua_tostring(L, 1), &text);
  trace_add(L, &text);
  luaL_pushresult(&text);
  return 1;
}

bool chunk_call(lua_State *L, int arguments, int results) {
  int handler = lua_gettop(L) - arguments;
  lua_pushcfunction(L, chunk_handler);
  lua_insert(L, handler);
  int status = lua_pcall(L, arguments, results, handler);
  lua_remove(L, handler);
  return status == LUA_OK;
}

void chunk_report(lua_State *L) {
  const char *message = lua_tostring(L, -1);
  fflush(stdout);
  if (!engine_quitting()) fprintf(stderr, "%s%s\n", terminal_interactive() ? "" : "gander: ", message ? message : "(no message)");
  lua_pop(L, 1);
}

/* ---- compiling ---- */

/* Without running anything: does the error say that the text ended too early? */
static bool ends_early(lua_State *L) {
  static const char mark[] = "<eof>";
  size_t n;
  const char *message = lua_tolstring(L, -1, &n);
  return n >= sizeof mark - 1 && !strcmp(message + n - (sizeof mark - 1), mark);
}

/* Leaves the function or the error. An expression is one that `return` before it makes a chunk of. */
static int load_statement(lua_State *L, const char *text) {
  const char *expression = *text == '=' ? text + 1 : text;
  lua_pushfstring(L, "return %s", expression);
  int status = luaL_loadbufferx(L, lua_tostring(L, -1), lua_rawlen(L, -1), "=stdin", "t");
  lua_remove(L, -2);
  if (status == LUA_OK || *text == '=') return status;
  lua_pop(L, 1);
  return luaL_loadbufferx(L, text, strlen(text), "=stdin", "t");
}

bool chunk_complete(lua_State *scratch, const char *text) {
  if (*text == '?') return true;
  bool complete = load_statement(scratch, text) != LUA_ERRSYNTAX || !ends_early(scratch);
  lua_settop(scratch, 0);
  return complete;
}

/* ---- running ---- */

static bool run(lua_State *L, int loaded, int arguments) {
  bool ok = loaded == LUA_OK;
  if (ok) {
    lua_insert(L, -(arguments + 1));
    ok = chunk_call(L, arguments, 0);
  }
  if (!ok) {
    chunk_report(L);
    if (loaded != LUA_OK) lua_pop(L, arguments);
  }
  return ok;
}

bool chunk_text(lua_State *L, const char *text, const char *name) {
  const char *outer = typed;
  typed = text;
  bool ok = run(L, luaL_loadbufferx(L, text, strlen(text), name, NULL), 0);
  typed = outer;
  return ok;
}

bool chunk_file(lua_State *L, const char *path, int arguments) {
  return run(L, luaL_loadfile(L, path), arguments);
}

static int print_results(lua_State *L) {
  int n = lua_gettop(L);
  for (int i = 1; i <= n; i++) {
    char *text = print_value(L, i);
    if (!text) return luaL_error(L, "not enough memory to print the value");
    fputs(text, stdout);
    fputc(i < n && !strchr(text, '\n') ? '\t' : '\n', stdout);
    free(text);
  }
  return 0;
}

static void trim(const char **text, size_t *n) {
  while (*n && strchr(" \t\n", **text)) ++*text, --*n;
  while (*n && strchr(" \t\n", (*text)[*n - 1])) --*n;
}

/* ?name, or ?expression: what help() says */
static int print_help(lua_State *L, const char *text) {
  size_t n = strlen(text);
  trim(&text, &n);
  const char *name = lua_pushlstring(L, text, n);
  char *known = help_text(L, name);
  if (known) {
    puts(known);
    free(known);
    return 0;
  }
  lua_getglobal(L, "help");
  lua_pushfstring(L, "return %s", name);
  if (luaL_loadbufferx(L, lua_tostring(L, -1), lua_rawlen(L, -1), "=stdin", "t")) return lua_error(L);
  lua_remove(L, -2);
  lua_call(L, 0, 1);
  if (n && lua_isnil(L, -1)) lua_pushstring(L, name), lua_replace(L, -2);
  lua_call(L, n > 0, 0);
  return 0;
}

static int run_line(lua_State *L) {
  const char *text = lua_touserdata(L, 1);
  if (*text == '?') return print_help(L, text + 1);
  if (load_statement(L, text) != LUA_OK) return lua_error(L);
  lua_call(L, 0, LUA_MULTRET);
  lua_remove(L, 1);
  return print_results(L);
}

bool chunk_line(lua_State *L, const char *text) {
  const char *outer = typed;
  int below = ground;
  typed = text;
  ground = trace_depth(L);
  lua_pushcfunction(L, run_line);
  lua_pushlightuserdata(L, (void *)text);
  bool ok = chunk_call(L, 1, 0);
  if (!ok) chunk_report(L);
  fflush(stdout);
  typed = outer;
  ground = below;
  return ok;
}
