/* The road to an error, told in the user's own functions: no C, and none of the Lua inside the program. */
#include <string.h>

#include "engine.h"

enum { HEAD = 6, TAIL = 3 }; /* frames shown of a long road, at the error and at the top level */

static const char inside[] = "[gander "; /* how chunks of the program's own Lua are called */

bool trace_user(lua_State *L, int *level, lua_Debug *ar) {
  for (; lua_getstack(L, *level, ar); ++*level) {
    lua_getinfo(L, "Slnt", ar);
    if (*ar->what != 'C' && strncmp(ar->short_src, inside, sizeof inside - 1)) return true;
  }
  return false;
}

/* How many calls are open. To reach a level costs its depth, and runaway recursion is 200000 deep: found by halving. */
int trace_depth(lua_State *L) {
  lua_Debug ar;
  int low = 0, high = 1;
  while (lua_getstack(L, high, &ar)) low = high, high *= 2;
  while (low < high) {
    int middle = (low + high) / 2;
    if (lua_getstack(L, middle, &ar))
      low = middle + 1;
    else
      high = middle;
  }
  return low;
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

static void add_frame(lua_State *L, lua_Debug *ar, luaL_Buffer *out) {
  lua_pushfstring(L, "\n\t%s:%d: in %s", ar->short_src, ar->currentline, name_of(L, ar));
  lua_remove(L, -2);
  luaL_addvalue(out);
}

/* Where the last few of the user's functions before `end` begin. */
static int find_tail(lua_State *L, int end) {
  lua_Debug ar;
  int found = 0, level = end;
  while (level > 0 && found < TAIL) {
    int same = --level;
    found += trace_user(L, &same, &ar) && same == level;
  }
  return level;
}

void trace_add(lua_State *L, luaL_Buffer *out) {
  lua_Debug ar;
  int end = trace_depth(L) - chunk_floor(), tail = find_tail(L, end), shown = 0;
  for (int level = 0; trace_user(L, &level, &ar) && level < end; level++, shown++) {
    if (!shown) {
      int next = level + 1;
      if (terminal_interactive() && !(trace_user(L, &next, &ar) && next < end)) return; /* only the line just typed */
      luaL_addstring(out, "\nstack traceback:");
      trace_user(L, &level, &ar);
    }
    if (shown == HEAD && level < tail) {
      lua_pushfstring(L, "\n\t... (%d more)", tail - level);
      luaL_addvalue(out);
      level = tail;
      trace_user(L, &level, &ar);
    }
    add_frame(L, &ar, out);
  }
}
