/* args{lr = {2e-4, "learning rate"}, ...}: the options a script takes, with their defaults and help, read from `arg`. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"

enum { RESULT = 2, WORDS = 3 }; /* places on the stack: the values by name, and arg */

typedef enum Type { WHOLE, NUMBER, TEXT, FLAG } Type;

typedef struct Option {
  const char *name, *help; /* in the declaration, which stays on the stack */
  Type type;
} Option;

typedef struct Parser {
  lua_State *L;
  Option *option;
  int n;  /* options declared */
  int at; /* the word of arg that is read */
} Parser;

/* ---- the declaration ---- */

static int compare_names(const void *a, const void *b) {
  return strcmp(((const Option *)a)->name, ((const Option *)b)->name);
}

/* From the default at the top, which goes. */
static Type take_default(lua_State *L, const char *name) {
  Type type = WHOLE;
  if (lua_isboolean(L, -1))
    type = FLAG;
  else if (lua_type(L, -1) == LUA_TSTRING)
    type = TEXT;
  else if (lua_type(L, -1) != LUA_TNUMBER)
    luaL_error(L, "args: the default of '%s' must be a number, a string or a boolean, got %s", name, luaL_typename(L, -1));
  else if (!lua_isinteger(L, -1))
    type = NUMBER;
  lua_setfield(L, RESULT, name);
  return type;
}

/* {default, help} at the top, or {name, default, help} in a list (from = 2), or the default alone. */
static Option declare(lua_State *L, const char *name, int from) {
  Option option = {.name = name, .help = ""};
  bool table = lua_istable(L, -1);
  if (table) {
    lua_rawgeti(L, -1, from + 1);
    if (lua_type(L, -1) == LUA_TSTRING) option.help = lua_tostring(L, -1);
    lua_pop(L, 1);
    lua_rawgeti(L, -1, from);
  } else {
    lua_pushvalue(L, -1);
  }
  option.type = take_default(L, name);
  return option;
}

static void read_list(Parser *p) {
  lua_State *L = p->L;
  for (int i = 1; lua_rawgeti(L, 1, i) == LUA_TTABLE; i++, lua_pop(L, 1)) {
    if (lua_rawgeti(L, -1, 1) != LUA_TSTRING) luaL_error(L, "args: entry %d must be {name, default, help}", i);
    const char *name = lua_tostring(L, -1);
    lua_pop(L, 1);
    p->option[p->n++] = declare(L, name, 2);
  }
  lua_pop(L, 1);
}

static void read_named(Parser *p) {
  lua_State *L = p->L;
  for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING)
      luaL_error(L, "args: names must be strings, as in args{lr = {2e-4, \"learning rate\"}}, got a %s", luaL_typename(L, -2));
    p->option[p->n++] = declare(L, lua_tostring(L, -2), 1);
  }
  qsort(p->option, (size_t)p->n, sizeof *p->option, compare_names); /* a table has no order */
}

static void read_declaration(Parser *p) {
  lua_State *L = p->L;
  size_t count = 0;
  for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) count++;
  p->option = lua_newuserdatauv(L, (count + 1) * sizeof *p->option, 0);
  if (lua_rawlen(L, 1))
    read_list(p);
  else
    read_named(p);
}

/* ---- help ---- */

/* The comment a script begins with says what it is. */
static void print_purpose(void) {
  FILE *file = options.script < options.argc ? fopen(options.argv[options.script], "r") : NULL;
  char line[512];
  bool any = false;
  while (file && fgets(line, sizeof line, file)) {
    if (!strncmp(line, "#!", 2)) continue;
    if (strncmp(line, "--", 2)) break;
    fputs(line + 2 + strspn(line + 2, "- "), stdout);
    any = true;
  }
  if (file) fclose(file);
  if (any) putchar('\n');
}

static void print_row(const char *name, const char *value, const char *help, const char *standard) {
  char left[80];
  snprintf(left, sizeof left, "%s%s%s", name, *value ? " " : "", value);
  for (char *c = left; *c; c++)
    if (*c == '_') *c = '-';
  printf("  %-18s %s", left, help);
  printf(*standard ? " (default: %s)\n" : "\n", standard);
}

static void print_option(lua_State *L, const Option *option) {
  static const char *const value[] = {"N", "X", "TEXT", ""};
  char name[72];
  snprintf(name, sizeof name, "--%s", option->name);
  lua_getfield(L, RESULT, option->name);
  const char *standard = option->type == FLAG ? (lua_toboolean(L, -1) ? "on" : "") : luaL_tolstring(L, -1, NULL);
  print_row(name, value[option->type], option->help, standard);
  lua_settop(L, WORDS);
}

static void print_help(const Parser *p) {
  const char *name, *value, *help, *script = options.script < options.argc ? options.argv[options.script] : "script.lua";
  printf("usage: gander %s [options]\n\n", script);
  print_purpose();
  for (int i = 0; i < p->n; i++) print_option(p->L, p->option + i);
  for (int i = 0; options_common_row(i, &name, &value, &help); i++) print_row(name, value ? value : "", help, "");
  print_row("--help", "", "show this", "");
}

/* ---- the words ---- */

static void refuse(const Parser *p, const char *format, ...) {
  const char *script = options.script < options.argc ? options.argv[options.script] : "script.lua";
  va_list list;
  va_start(list, format);
  const char *text = lua_pushvfstring(p->L, format, list);
  va_end(list);
  fprintf(stderr, "gander: %s: %s\n'gander %s --help' lists its options\n", script, text, script);
  engine_exit(p->L, 2, false);
}

static bool same_name(const char *declared, const char *word, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (declared[i] != word[i] && !(declared[i] == '_' && word[i] == '-')) return false;
  return !declared[n];
}

static const Option *find(const Parser *p, const char *word, size_t n) {
  for (int i = 0; i < p->n; i++)
    if (same_name(p->option[i].name, word, n)) return p->option + i;
  return NULL;
}

static void refuse_unknown(const Parser *p, const char *word, size_t n) {
  lua_State *L = p->L;
  int count = 0;
  const char **names = lua_newuserdatauv(L, (size_t)(p->n + 8) * sizeof *names, 0), *value, *help;
  for (int i = 0; i < p->n; i++) names[count++] = p->option[i].name;
  for (int i = 0; i < 6 && options_common_row(i, &names[count], &value, &help); i++) names[count++] += 2;
  names[count++] = "help";
  const char *name = lua_pushlstring(L, word, n), *near = nearest_name(name, names, count);
  if (near) refuse(p, "unknown option '--%s'; did you mean '--%s'?", name, near);
  refuse(p, "unknown option '--%s'", name);
}

/* Pushes the value of an option from its text. */
static void push_value(const Parser *p, const Option *option, const char *text) {
  lua_State *L = p->L;
  int whole = 0;
  if (option->type == TEXT) {
    lua_pushstring(L, text);
    return;
  }
  bool number = lua_stringtonumber(L, text) != 0;
  if (!number) refuse(p, "--%s must be a %s, got '%s'", option->name, option->type == WHOLE ? "whole number" : "number", text);
  if (option->type == NUMBER) {
    lua_pushnumber(L, lua_tonumber(L, -1));
    return;
  }
  lua_Integer value = lua_tointegerx(L, -1, &whole); /* 1e3 is whole */
  if (!whole) refuse(p, "--%s must be a whole number, got '%s'", option->name, text);
  lua_pushinteger(L, value);
}

static void set_flag(const Parser *p, const Option *option, const char *joined, bool on) {
  if (joined && strcmp(joined, "true") && strcmp(joined, "false"))
    refuse(p, "--%s must be true or false, got '%s'", option->name, joined);
  lua_pushboolean(p->L, joined ? *joined == 't' : on);
  lua_setfield(p->L, RESULT, option->name);
}

/* arg[i], or NULL at its end; stays on the stack's side of the table, so the text lives. */
static char *word_at(const Parser *p, int i) {
  lua_State *L = p->L;
  char *word = lua_rawgeti(L, WORDS, i) == LUA_TSTRING ? (char *)lua_tostring(L, -1) : NULL;
  lua_pop(L, 1);
  return word;
}

static bool read_common(Parser *p) {
  char *words[] = {word_at(p, p->at), word_at(p, p->at + 1)};
  const char *error;
  int used = options_common(words, words[1] ? 2 : 1, &error);
  if (used < 0) refuse(p, "%s", error);
  p->at += used;
  return used > 0;
}

static void read_option(Parser *p, const char *word) {
  size_t n = strcspn(word, "=");
  const char *joined = word[n] ? word + n + 1 : NULL, *text = joined;
  const Option *option = find(p, word, n);
  if (!option && !strncmp(word, "no-", 3) && (option = find(p, word + 3, n - 3)) && option->type == FLAG && !joined) {
    set_flag(p, option, NULL, false);
    p->at++;
    return;
  }
  if (!option && read_common(p)) return;
  if (!option) refuse_unknown(p, word, n);
  p->at++;
  if (option->type == FLAG) {
    set_flag(p, option, joined, true);
    return;
  }
  if (!text && !(text = word_at(p, p->at++))) refuse(p, "--%s needs a value", option->name);
  push_value(p, option, text);
  lua_setfield(p->L, RESULT, option->name);
  lua_settop(p->L, WORDS);
}

static void read_words(Parser *p) {
  const char *word;
  while ((word = word_at(p, p->at))) {
    if (!strcmp(word, "--help")) {
      print_help(p);
      engine_exit(p->L, 0, false);
    }
    if (strncmp(word, "--", 2) || !word[2]) refuse(p, "unexpected argument '%s'", word);
    read_option(p, word + 2);
  }
}

int args_call(lua_State *L) {
  if (lua_type(L, 1) != LUA_TTABLE) return bind_fail(L, "args: a table of options expected, got %s", value_type(L, 1));
  lua_settop(L, 1);
  lua_newtable(L);
  lua_getglobal(L, "arg");
  Parser p = {.L = L, .at = 1};
  read_declaration(&p);
  lua_insert(L, 1); /* the parser's memory must live, out of the way */
  lua_remove(L, 1);
  if (lua_istable(L, WORDS)) read_words(&p);
  lua_settop(L, RESULT);
  if (lua_getfield(L, RESULT, "out") == LUA_TSTRING) engine_set_out(lua_tostring(L, -1));
  lua_settop(L, RESULT);
  return 1;
}
