/* Misspelled names. Reading an undefined global gives nil, as in Lua; when an error comes from that, the nearest name is added
 * to its message. --strict makes the reading an error. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"

enum { NAMES = 4096, WORD = 64 };

typedef struct Names { /* what could have been meant; the texts are Lua's or rows' */
  const char *name[NAMES];
  int n;
  char **rows; /* to free */
  int rows_count;
} Names;

static void add(Names *names, const char *name) {
  if (names->n < NAMES) names->name[names->n++] = name;
}

/* The string keys of the table at the top. */
static void add_keys(lua_State *L, Names *names) {
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
    if (lua_type(L, -2) == LUA_TSTRING) add(names, lua_tostring(L, -2));
}

/* The keys of the table at the top and of the tables it inherits from. */
static void add_fields(lua_State *L, Names *names) {
  lua_pushvalue(L, -1);
  for (int depth = 0; depth < 8 && lua_istable(L, -1); depth++) {
    add_keys(L, names);
    if (luaL_getmetafield(L, -1, "__index") == LUA_TNIL) break;
    lua_remove(L, -2);
  }
  lua_pop(L, 1);
}

static void add_rows(Names *names, const char *context) {
  names->rows = complete_names("", context, &names->rows_count);
  for (int i = 0; names->rows && i < names->rows_count; i++) add(names, names->rows[i]);
}

static void add_locals(lua_State *L, lua_Debug *ar, Names *names) {
  const char *name;
  for (int i = 1; (name = lua_getlocal(L, ar, i)); i++, lua_pop(L, 1))
    if (*name != '(') add(names, name);
}

/* ---- whose field it was: looked up where the source line says ---- */

static const char *skip_line(const char *text) {
  text += strcspn(text, "\n");
  return *text ? text + 1 : NULL;
}

/* The line at which ar stands, or "". */
static void source_line(const lua_Debug *ar, char *line, size_t size) {
  *line = 0;
  if (*ar->source == '@') {
    FILE *file = fopen(ar->source + 1, "r");
    for (int i = 0; file && i < ar->currentline; i++)
      if (!fgets(line, (int)size, file)) *line = 0;
    if (file) fclose(file);
    return;
  }
  const char *text = chunk_typed();
  for (int i = 1; text && i < ar->currentline; i++) text = skip_line(text);
  if (text) snprintf(line, size, "%.*s", (int)strcspn(text, "\n"), text);
}

static bool is_word(char c) {
  return isalnum((unsigned char)c) || c == '_';
}

/* "a.b" of "x = a.b:word(y)": what stands before .word or :word, into owner. */
static bool find_owner(const char *line, const char *word, char *owner, size_t size) {
  for (const char *at = line; (at = strstr(at, word)); at++) {
    if (at - line < 2 || !strchr(".:", at[-1]) || is_word(at[strlen(word)])) continue;
    const char *start = at - 1;
    while (start > line && (is_word(start[-1]) || start[-1] == '.')) start--;
    if (start == at - 1) continue;
    snprintf(owner, size, "%.*s", (int)(at - 1 - start), start);
    return true;
  }
  return false;
}

static bool push_local(lua_State *L, lua_Debug *ar, const char *name) {
  const char *found;
  int at = 0;
  for (int i = 1; (found = lua_getlocal(L, ar, i)); i++, lua_pop(L, 1))
    if (!strcmp(found, name)) at = i; /* the last is the innermost */
  if (at) return lua_getlocal(L, ar, at);
  lua_getinfo(L, "f", ar);
  for (int i = 1; (found = lua_getupvalue(L, -1, i)); i++, lua_pop(L, 1)) {
    if (strcmp(found, name)) continue;
    lua_remove(L, -2);
    return true;
  }
  lua_pop(L, 1);
  return false;
}

/* Pushes the value of "a.b.c" without running anything of the user's. */
static bool push_owner(lua_State *L, lua_Debug *ar, char *owner) {
  char *rest, *name = strtok_r(owner, ".", &rest);
  if (!name) return false;
  if (!push_local(L, ar, name)) {
    lua_pushglobaltable(L);
    lua_pushstring(L, name);
    lua_rawget(L, -2);
    lua_remove(L, -2);
  }
  while ((name = strtok_r(NULL, ".", &rest))) {
    if (!lua_istable(L, -1)) break;
    lua_pushstring(L, name);
    lua_rawget(L, -2);
    lua_remove(L, -2);
  }
  return true;
}

static void add_owner_fields(lua_State *L, const char *word, bool method, Names *names) {
  lua_Debug ar;
  int level = 0;
  char line[512], owner[128], context[WORD];
  if (lua_getstack(L, level, &ar) && trace_user(L, &level, &ar)) {
    source_line(&ar, line, sizeof line);
    if (find_owner(line, word, owner, sizeof owner) && push_owner(L, &ar, owner)) {
      if (luaL_getmetafield(L, -1, "__name") == LUA_TSTRING && lua_isuserdata(L, -2)) {
        snprintf(context, sizeof context, "%s:", lua_tostring(L, -1));
        add_rows(names, context);
      } else if (lua_istable(L, -1) || luaL_getmetafield(L, -1, "__index") == LUA_TTABLE) { /* strings have methods too */
        add_fields(L, names);
      }
    }
  }
  if (!names->n) add_rows(names, method ? "x:" : "");
}

/* ---- hints ---- */

/* "attempt to call a nil value (global 'tensr')": kind "global", word "tensr". */
static bool parse_message(const char *message, char *kind, char *word) {
  const char *at = strstr(message, "a nil value (");
  char end;
  return at && sscanf(at, "a nil value (%15s '%63[^']'%c", kind, word, &end) == 3 && end == ')';
}

static void add_globals(lua_State *L, Names *names) {
  lua_Debug ar;
  int level = 0;
  lua_pushglobaltable(L);
  add_keys(L, names);
  lua_pop(L, 1);
  if (trace_user(L, &level, &ar)) add_locals(L, &ar, names); /* a misspelled local reads as a global */
}

static void add_candidates(lua_State *L, const char *kind, const char *word, Names *names) {
  if (!strcmp(kind, "global"))
    add_globals(L, names);
  else if (!strcmp(kind, "field") || !strcmp(kind, "method"))
    add_owner_fields(L, word, *kind == 'm', names);
}

/* The nearest name, into near, or "". */
static void find_nearest(lua_State *L, const char *kind, const char *word, char *near) {
  Names names = {.n = 0};
  int top = lua_gettop(L);
  *near = 0;
  if (!lua_checkstack(L, LUA_MINSTACK)) return;
  add_candidates(L, kind, word, &names);
  const char *found = names.n ? nearest_name(word, names.name, names.n) : NULL;
  if (found && strcmp(found, word)) snprintf(near, WORD, "%s", found);
  for (int i = 0; names.rows && i < names.rows_count; i++) free(names.rows[i]);
  free(names.rows);
  lua_settop(L, top);
}

void strict_hint(lua_State *L, const char *message, luaL_Buffer *out) {
  char kind[16], word[WORD], near[WORD], hint[WORD + 32];
  if (!parse_message(message, kind, word)) return;
  find_nearest(L, kind, word, near);
  if (!*near) return;
  snprintf(hint, sizeof hint, "; did you mean '%s'?", near);
  luaL_addstring(out, hint);
}

static int refuse_undefined(lua_State *L) {
  char near[WORD] = "";
  if (lua_type(L, 2) != LUA_TSTRING) return 0;
  const char *name = lua_tostring(L, 2);
  find_nearest(L, "global", name, near);
  if (*near) return luaL_error(L, "undefined global '%s'; did you mean '%s'?", name, near);
  return luaL_error(L, "undefined global '%s'", name);
}

void strict_open(lua_State *L) {
  lua_pushglobaltable(L);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, refuse_undefined);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  lua_pop(L, 1);
}
