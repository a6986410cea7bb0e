/* The check of derivatives as functions of the language: tests/gradients.lua walks all rows with them. */
#include <string.h>

#include "vm.h"

static int ops_names(lua_State *L) {
  lua_createtable(L, ops_count(), 0);
  for (int i = 0; i < ops_count(); i++) {
    lua_pushstring(L, ops_at(i)->name);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* Runs one line of an op's example while its next call is watched. */
static GradCheck check_line(lua_State *L, const Op *op, const char *line, size_t n) {
  luaL_Buffer code;
  luaL_buffinit(L, &code);
  luaL_addstring(&code, "return ");
  luaL_addlstring(&code, line, n);
  luaL_pushresult(&code);
  gradcheck_watch(op);
  bool failed = luaL_loadstring(L, lua_tostring(L, -1)) || lua_pcall(L, 0, 0, 0);
  GradCheck result = gradcheck_result();
  if (failed) lua_error(L);
  if (!result.called) luaL_error(L, "gradcheck: the example '%s' does not call %s", lua_tostring(L, -1), op->name);
  lua_pop(L, 1);
  return result;
}

static int ops_gradcheck(lua_State *L) {
  const char *name = luaL_checkstring(L, 1);
  const Op *op = ops_find(name);
  if (!op) return luaL_error(L, "gradcheck: there is no op '%s'", name);
  GradCheck worst = {.ok = true};
  for (const char *line = op->example; *line;) {
    size_t n = strcspn(line, "\n");
    GradCheck now = check_line(L, op, line, n);
    if (!now.ok || (worst.ok && now.second >= worst.second)) worst = now;
    if (!worst.ok) break;
    line += n + (line[n] == '\n');
  }
  lua_createtable(L, 0, 4);
  lua_pushboolean(L, worst.ok);
  lua_setfield(L, -2, "ok");
  lua_pushnumber(L, worst.first);
  lua_setfield(L, -2, "first");
  lua_pushnumber(L, worst.second);
  lua_setfield(L, -2, "second");
  lua_pushstring(L, worst.where);
  lua_setfield(L, -2, "where");
  return 1;
}

const Function functions_gradcheck[] = {{"tensor.ops", "", "The names of all ops.", "#tensor.ops()", ops_names},
                                        {"tensor.gradcheck", "name:text",
                                         "Checks an op's first and second derivatives against central differences at its examples; "
                                         "exact only in the build with doubles.",
                                         "tensor.gradcheck(\"tanh\").first", ops_gradcheck},
                                        {0}};
