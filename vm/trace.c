/* The road to an error, told in the user's own functions: no C, and none of the Lua inside the program. */
#include <string.h>

#include "engine.h"

enum { HEAD = 6, TAIL = 3 }; /* frames shown of a long road, at the error and at the top level */

static const char inside[] = "[gander "; /* how chunks of the program's own Lua are called */

bool trace_user(lua_State *L, int *level, lua_Debug *ar) {
  for (; lua_getstack(L, *level, ar); ++*level) {
    lua_getinfo(L, "Slntf", ar);
    bool typed = chunk_is_line(lua_tocfunction(L, -1));
    lua_pop(L, 1);
    if (typed) return false; /* below a statement lies what it interrupted */
    if (*ar->what != 'C' && strncmp(ar->short_src, inside, sizeof inside - 1)) return true;
  }
  return false;
}

static int count_user(lua_State *L) {
  lua_Debug ar;
  int n = 0;
  for (int level = 0; trace_user(L, &level, &ar); level++) n++;
  return n;
}

void trace_message(lua_State *L, const char *message, luaL_Buffer *out) {
  lua_Debug ar;
  int level = 0;
  const char *rest = strncmp(message, inside, sizeof inside - 1) ? NULL : strstr(message, "]:");
  if (rest && (rest = strstr(rest + 2, ": "))) { /* the place is in our Lua, of which the user knows nothing */
    message = rest + 2;
    if (trace_user(L, &level, &ar)) {
      lua_pushfstring(L, "%s:%d: ", ar.short_src, ar.currentline);
      luaL_addvalue(out);
    }
  }
  luaL_addstring(out, message);
}

static const char *name_of(lua_State *L, const lua_Debug *ar) {
  if (*ar->what == 'm') return lua_pushliteral(L, "main chunk");
  if (!strcmp(ar->namewhat, "global")) return lua_pushfstring(L, "function '%s'", ar->name);
  if (*ar->namewhat) return lua_pushfstring(L, "%s '%s'", ar->namewhat, ar->name);
  return lua_pushfstring(L, "function <%s:%d>", ar->short_src, ar->linedefined);
}

void trace_add(lua_State *L, luaL_Buffer *out) {
  lua_Debug ar;
  int n = count_user(L), i = 0;
  if (n == 1 && terminal_interactive()) return; /* the line just typed */
  if (n) luaL_addstring(out, "\nstack traceback:");
  for (int level = 0; trace_user(L, &level, &ar); level++, i++) {
    if (n > HEAD + TAIL && i >= HEAD && i < n - TAIL) {
      if (i > HEAD) continue;
      lua_pushfstring(L, "\n\t... (%d more)", n - HEAD - TAIL);
    } else {
      lua_pushfstring(L, "\n\t%s:%d: in %s", ar.short_src, ar.currentline, name_of(L, &ar));
      lua_remove(L, -2);
    }
    luaL_addvalue(out);
  }
}
