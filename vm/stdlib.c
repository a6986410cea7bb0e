/* Runs the Lua files embedded in the program. */
#include "stdlib.h"

#include "engine.h"

void stdlib_open(lua_State *L) {
  for (const StdlibFile *file = stdlib_files; file->name; file++) {
    const char *name = lua_pushfstring(L, "=[gander %s]", file->name);
    if (luaL_loadbufferx(L, file->text, file->size, name, "t") != LUA_OK) lua_error(L);
    lua_call(L, 0, 0);
    lua_pop(L, 1);
  }
}
