/* What the command line asks of the engine, in lua's order: LUA_INIT, -e and -l, the script. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lualib.h>

#include "engine.h"

/* os.exit([code [, close]]): other threads must let go of window and terminal before the process ends. */
static int os_exit(lua_State *L) {
  int status = lua_isboolean(L, 1) ? !lua_toboolean(L, 1) : (int)luaL_optinteger(L, 1, 0);
  engine_exit(L, status & 255, lua_toboolean(L, 2));
}

/* arg: the script at 0, its arguments from 1 on, what stands before it at negative places. */
static void set_arg(lua_State *L) {
  int script = options.script == options.argc ? 0 : options.script;
  lua_createtable(L, options.argc - script, script + 1);
  for (int i = 0; i < options.argc; i++) {
    lua_pushstring(L, options.argv[i]);
    lua_rawseti(L, -2, i - script);
  }
  lua_setglobal(L, "arg");
}

static void seed_math(lua_State *L) {
  lua_getglobal(L, LUA_MATHLIBNAME);
  lua_getfield(L, -1, "randomseed");
  lua_pushinteger(L, (lua_Integer)options.seed);
  lua_call(L, 1, 0);
  lua_pop(L, 1);
}

static int open_libraries(lua_State *L) {
  if (options.bare) {
    lua_pushboolean(L, true);
    lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
  }
  luaL_openlibs(L);
  coroutine_open(L);
  lua_getglobal(L, LUA_OSLIBNAME);
  lua_pushcfunction(L, os_exit);
  lua_setfield(L, -2, "exit");
  lua_pop(L, 1);
  set_arg(L);
  bind_all(L);
  stdlib_open(L);
  if (options.seeded) seed_math(L);
  if (options.strict) strict_open(L);
  return 0;
}

static bool run_environment(lua_State *L) {
  static const char *const names[] = {"=LUA_INIT_5_4", "=LUA_INIT"};
  for (int i = 0; i < 2 && !options.bare; i++) {
    const char *code = getenv(names[i] + 1);
    if (code) return *code == '@' ? chunk_file(L, code + 1, 0) : chunk_text(L, code, names[i]);
  }
  return true;
}

/* -l NAME, or -l GLOBAL=NAME; a version behind a hyphen is not part of the global's name */
static int require_library(lua_State *L) {
  const char *text = lua_touserdata(L, 1), *equals = strchr(text, '='), *name = equals ? equals + 1 : text;
  lua_getglobal(L, "require");
  lua_pushstring(L, name);
  lua_call(L, 1, 1);
  lua_pushglobaltable(L);
  lua_pushlstring(L, text, equals ? (size_t)(equals - text) : strcspn(text, "-"));
  lua_pushvalue(L, -3);
  lua_settable(L, -3);
  return 0;
}

static bool run_step(lua_State *L, const Step *step) {
  if (step->letter == 'e') return chunk_text(L, step->text, "=(command line)");
  if (step->letter == 'W') return lua_warning(L, "@on", 0), true;
  lua_pushcfunction(L, require_library);
  lua_pushlightuserdata(L, (void *)step->text);
  bool ok = chunk_call(L, 1, 0);
  if (!ok) chunk_report(L);
  return ok;
}

static bool has_code(void) {
  for (int i = 0; i < options.steps; i++)
    if (options.step[i].letter == 'e') return true;
  return false;
}

static bool has_script(void) {
  return options.script < options.argc;
}

static bool wants_prompt(void) {
  return options.interactive || (!has_script() && !has_code() && !options.version && isatty(STDIN_FILENO));
}

static bool prepare(lua_State *L) {
  if (options.version) options_version();
  lua_pushcfunction(L, open_libraries);
  bool ok = chunk_call(L, 0, 0);
  if (!ok) chunk_report(L);
  ok = ok && run_environment(L);
  for (int i = 0; ok && i < options.steps; i++) ok = run_step(L, options.step + i);
  return ok;
}

/* The values of arg, which -e may have changed. */
static int push_arguments(lua_State *L) {
  if (lua_getglobal(L, "arg") != LUA_TTABLE) return luaL_error(L, "'arg' is not a table");
  int n = (int)luaL_len(L, 1);
  luaL_checkstack(L, n + 3, "too many arguments to script");
  for (int i = 1; i <= n; i++) lua_rawgeti(L, 1, i);
  return n;
}

static bool run_script(lua_State *L) {
  if (!has_script()) return has_code() || options.version || wants_prompt() || chunk_file(L, NULL, 0);
  int bottom = lua_gettop(L);
  lua_pushcfunction(L, push_arguments);
  if (!chunk_call(L, 0, LUA_MULTRET)) return chunk_report(L), false;
  const char *name = options.argv[options.script];
  bool standard_input = !strcmp(name, "-") && strcmp(options.argv[options.script - 1], "--");
  return chunk_file(L, standard_input ? NULL : name, lua_gettop(L) - bottom);
}

static int run(lua_State *L) {
  bool *ok = lua_touserdata(L, 1);
  lua_settop(L, 0);
  *ok = prepare(L) && run_script(L);
  return 0;
}

bool program_run(lua_State *L, bool *prompt) {
  bool ok = false;
  *prompt = wants_prompt();
  lua_pushcfunction(L, run);
  lua_pushlightuserdata(L, &ok);
  if (lua_pcall(L, 1, 0, 0) != LUA_OK) chunk_report(L); /* memory ran out between two protected calls */
  return ok;
}
