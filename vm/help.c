/* Help from the rows: how something is called, what it does, an example; or lists of what there is. */
#include <stdlib.h>
#include <string.h>

#include "print.h"

enum { LINE = 78 };

/* ---- one topic ---- */

static const char *kind_words(ArgKind kind) {
  switch (kind) {
    case ARG_TENSOR: return "a tensor or a number";
    case ARG_CONSTANT: return "a tensor (it gets no gradient) or a number";
    case ARG_TENSORS: return "a table of tensors";
    case ARG_NUMBER: return "a number";
    case ARG_INTEGER: return "a whole number";
    case ARG_BOOLEAN: return "true or false";
    case ARG_DIM:
    case ARG_POSITION: return "counted from 1, or from -1 backwards";
    case ARG_DIMS: return "dimensions counted from 1, or from -1 backwards: one or several";
    case ARG_SIZE: return "numbers, or a table of them";
    case ARG_PAIR: return "a whole number or {height, width}";
    case ARG_NUMBERS: return "a table of numbers";
    case ARG_TEXT: return "a string";
    case ARG_MODULE: return "a module";
    case ARG_MODULES: return "a table of modules";
    case ARG_FUNCTION: return "a function";
    case ARG_TABLE: return "a table";
    default: return "";
  }
}

static bool is_list(ArgKind kind) {
  return kind == ARG_SIZE || kind == ARG_DIMS || kind == ARG_PAIR || kind == ARG_NUMBERS;
}

static void print_list(FILE *out, const Param *p, ArgKind kind) {
  bool one = kind == ARG_PAIR && p->count == 2 && p->list[0] == p->list[1];
  if (!one) fputc('{', out);
  for (int i = 0; i < (one ? 1 : p->count); i++) {
    if (i) fprintf(out, ", ");
    print_number(out, kind == ARG_NUMBERS ? p->value[i] : (double)(p->list[i] + (kind == ARG_DIMS && p->list[i] >= 0)));
  }
  if (!one) fputc('}', out);
}

void print_param(FILE *out, const Arg *arg, const Param *p) {
  const char *word = arg->choices;
  if (p->nil)
    fprintf(out, "nil");
  else if (is_list(arg->kind))
    print_list(out, p, arg->kind);
  else if (arg->kind == ARG_BOOLEAN)
    fprintf(out, p->number != 0 ? "true" : "false");
  else if (arg->kind == ARG_TEXT)
    fprintf(out, "\"%s\"", arg->choices);
  else if (arg->kind == ARG_CHOICE) {
    for (int k = 0; k < (int)p->number; k++) word += strcspn(word, "|") + 1;
    fprintf(out, "\"%.*s\"", (int)strcspn(word, "|"), word);
  } else
    print_number(out, p->number + ((arg->kind == ARG_DIM || arg->kind == ARG_POSITION) && p->number >= 0));
}

/* Stands by position in the usage line; the others are options. */
static bool is_positional(const Arg *arg) {
  return !arg->optional || arg->kind == ARG_TENSOR || arg->kind == ARG_CONSTANT || arg->kind == ARG_DIMS || arg->kind == ARG_DIM;
}

/* "(x, weight, [bias], {stride=1, padding=0})", beginning with argument `first` */
static void print_usage(FILE *out, const Signature *s, int first) {
  bool options = false, any = false;
  fputc('(', out);
  for (int i = first; i < s->count; i++) {
    const Arg *arg = &s->arg[i];
    if (any) fprintf(out, ", ");
    any = true;
    if (!options && !is_positional(arg)) fputc('{', out), options = true;
    fprintf(out, arg->optional && !options ? "[%s]" : "%s", arg->name);
    if (options && arg->optional) fprintf(out, "="), print_param(out, arg, &arg->fallback);
  }
  fprintf(out, options ? "})\n" : ")\n");
}

static void print_indented(FILE *out, const char *text) {
  for (const char *at = text; *at;) {
    size_t n = strcspn(at, "\n");
    fprintf(out, "  %.*s\n", (int)n, at);
    at += n + (at[n] == '\n');
  }
}

/* Sentences, broken at LINE. */
static void print_words(FILE *out, const char *text) {
  size_t column = 0;
  for (const char *at = text; *at;) {
    size_t n = strcspn(at, " ");
    if (column && column + 1 + n > LINE) fputc('\n', out), column = 0;
    column += (size_t)fprintf(out, column ? " %.*s" : "%.*s", (int)n, at);
    at += n + (at[n] == ' ');
  }
  fputc('\n', out);
}

static void print_arguments(FILE *out, const Signature *s, int first) {
  for (int i = first; i < s->count; i++) {
    const Arg *arg = &s->arg[i];
    bool choice = arg->kind == ARG_CHOICE, typed = choice || *kind_words(arg->kind);
    fprintf(out, "  %-16s %s", arg->name, choice ? "one of " : kind_words(arg->kind));
    if (choice)
      for (const char *c = arg->choices; *c; c++) fputc(*c == '|' ? ' ' : *c, out);
    if (arg->optional && !arg->fallback.nil) fprintf(out, typed ? "; default " : "default "), print_param(out, arg, &arg->fallback);
    if (arg->optional && arg->fallback.nil) fprintf(out, typed ? "; optional" : "optional");
    fputc('\n', out);
  }
}

static void print_topic(FILE *out, const Topic *t) {
  const Signature *s = topic_signature(t);
  if (!s) return;
  const char *colon = strchr(t->name, ':');
  if (t->method) {
    fprintf(out, "%s:%s", s->arg[0].name, t->who);
    print_usage(out, s, 1);
  }
  if (colon)
    fprintf(out, "%s%s", kind_name(t->self), colon);
  else
    fprintf(out, "%s", t->name);
  print_usage(out, s, 0);
  print_words(out, t->help);
  print_arguments(out, s, 0);
  if (*t->example) {
    fprintf(out, "Example:\n");
    print_indented(out, t->example);
  }
}

/* ---- lists ---- */

/* The length of the heading of a name: "nn" of "nn.init.normal", "trainer" of "trainer:run", 0 of "clock". */
static size_t heading(const char *name) {
  size_t n = strcspn(name, ".:");
  return name[n] ? n : 0;
}

static int by_name(const void *a, const void *b) {
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Words in lines of at most LINE, indented. */
static void print_columns(FILE *out, const char *const *names, int count) {
  size_t column = 0;
  for (int i = 0; i < count; i++) {
    size_t length = strlen(names[i]);
    if (column && column + length + 1 > LINE) fputc('\n', out), column = 0;
    column += (size_t)fprintf(out, column ? " %s" : "  %s", names[i]);
  }
  if (count) fputc('\n', out);
}

/* Derivatives of ops are ops too, but not what people look for. */
static bool is_shown(const char *name) {
  size_t n = strlen(name);
  return n < 9 || strcmp(name + n - 9, "_backward") != 0;
}

/* Names that stand under a heading of n letters, in columns. */
static int print_names(FILE *out, const char *head, size_t n, bool methods) {
  const char *names[1024];
  int count = 0;
  for (int i = 0; i < topics_count() && count < 1024; i++) {
    const char *name = topics_at(i)->name;
    if (heading(name) != n || strncmp(name, head, n) != 0 || (n && (name[n] == ':') != methods) || !is_shown(name)) continue;
    names[count++] = name + n + (n && !methods);
  }
  qsort(names, (size_t)count, sizeof *names, by_name);
  print_columns(out, names, count);
  return count;
}

static void print_fields(FILE *out, const char *fields) {
  char words[600], *at = words;
  const char *names[64];
  int count = 0;
  snprintf(words, sizeof words, "%s", fields);
  for (char *word; count < 64 && (word = strtok_r(at, " ", &at));) names[count++] = word;
  print_columns(out, names, count);
}

static bool print_heading(FILE *out, const char *head, size_t n) {
  int kind = kind_find(head, n);
  const char *article = strchr("aeiou", *head) ? "an" : "a";
  long from = ftell(out);
  fprintf(out, "%.*s.\n", (int)n, head);
  bool any = print_names(out, head, n, false) > 0;
  if (!any) fseek(out, from, SEEK_SET);
  if (kind < 0) return any;
  if (*bind_field_names(kind)) {
    fprintf(out, "fields of %s %s\n", article, kind_name(kind));
    print_fields(out, bind_field_names(kind));
  }
  fprintf(out, "methods of %s %s\n", article, kind_name(kind));
  print_names(out, head, n, true);
  if (kind == KIND_TENSOR) fprintf(out, "  and most of tensor.NAME(x, ...) as x:NAME(...)\n");
  return true;
}

static void print_everything(FILE *out) {
  fprintf(out, "help(\"nn.Conv2d\"), help(nn.Conv2d) or ?nn.Conv2d tells about one of these; help(\"nn\") lists one group.\n\n");
  print_names(out, "", 0, false);
  for (int i = 0; i < topics_count(); i++) {
    const char *name = topics_at(i)->name;
    size_t n = heading(name);
    bool first = n > 0;
    for (int k = 0; k < i && first; k++) first = heading(topics_at(k)->name) != n || strncmp(topics_at(k)->name, name, n) != 0;
    if (first) fputc('\n', out), print_heading(out, name, n);
  }
}

/* ---- finding ---- */

static const char *last_part(const char *name) {
  const char *colon = strchr(name, ':'), *dot = strrchr(name, '.');
  return colon ? colon + 1 : dot ? dot + 1 : name;
}

/* All topics whose last part is the word: "relu" finds tensor.relu. */
static bool print_matching(FILE *out, const char *word) {
  int found = 0;
  for (int i = 0; i < topics_count(); i++) {
    const Topic *t = topics_at(i);
    if (strcmp(last_part(t->name), last_part(word)) != 0) continue;
    if (found++) fputc('\n', out);
    print_topic(out, t);
  }
  return found > 0;
}

static bool print_help(FILE *out, const char *name) {
  const Topic *t = topics_find(name);
  bool group = false;
  if (t) print_topic(out, t);
  if (!*name) print_everything(out), group = true;
  for (int i = 0; i < topics_count() && !group; i++) {
    size_t n = heading(topics_at(i)->name);
    if (n != strlen(name) || strncmp(topics_at(i)->name, name, n) != 0) continue;
    if (t) fputc('\n', out);
    group = print_heading(out, name, n);
  }
  return t || group || print_matching(out, name);
}

/* name: "nn.Conv2d", "sum", "x:sum", "optim", "" for everything */
char *help_text(lua_State *L, const char *name) {
  char *text = NULL;
  size_t n;
  (void)L;
  FILE *out = open_memstream(&text, &n);
  if (!out) return NULL;
  bool found = print_help(out, name);
  fclose(out);
  if (n && text[n - 1] == '\n') text[n - 1] = 0;
  if (found) return text;
  free(text);
  return NULL;
}

/* ---- help(x) ---- */

/* Pushes the name under which the value at index has help, or returns false. */
static bool push_name(lua_State *L, int index) {
  if (lua_type(L, index) == LUA_TSTRING) return lua_pushvalue(L, index), true;
  const Topic *t = bind_topic_of(L, index);
  int kind = value_kind(L, index);
  void *object = value_test(L, index, kind);
  const Module *m = kind == KIND_MODULE ? object : NULL;
  if (t)
    lua_pushstring(L, t->name);
  else if (m && m->layer)
    lua_pushfstring(L, "nn.%s", m->layer->name);
  else if (kind == KIND_LOSS)
    lua_pushfstring(L, "nn.%s", ((LossValue *)object)->row->name);
  else if (kind == KIND_OPTIM)
    lua_pushfstring(L, "optim.%s", ((Optimizer *)object)->row->name);
  else if (kind == KIND_SCHEDULE)
    lua_pushfstring(L, "optim.%s", ((Schedule *)object)->row->name);
  else if (kind >= 0)
    lua_pushstring(L, kind_name(kind));
  else
    return lua_type(L, index) == LUA_TTABLE && luaL_getmetafield(L, index, "__name") == LUA_TSTRING;
  return true;
}

static int no_help(lua_State *L, const char *name) {
  const char *names[2048];
  int n = 0;
  for (int i = 0; i < topics_count() && n < 2046; i++) {
    names[n++] = topics_at(i)->name;
    names[n++] = last_part(topics_at(i)->name);
  }
  const char *near = nearest_name(name, names, n);
  if (!near) near = nearest_name(last_part(name), names, n);
  if (near) return bind_fail(L, "help: there is no help about '%s', did you mean '%s'?", name, near);
  return bind_fail(L, "help: there is no help about '%s'; help() lists what there is", name);
}

static int help(lua_State *L) {
  if (lua_isnoneornil(L, 1)) lua_settop(L, 0), lua_pushliteral(L, "");
  if (!push_name(L, 1))
    return bind_fail(L, "help: argument 1 (x): a name, a function or an object of gander's expected, got %s", value_type(L, 1));
  char *text = help_text(L, lua_tostring(L, -1));
  if (!text) return no_help(L, lua_tostring(L, -1));
  puts(text);
  free(text);
  return 0;
}

/* What this file makes help from, for programs that want to make something else of it. */
static int topics(lua_State *L) {
  static const char *const names[] = {"name", "who", "args", "help", "example"};
  lua_createtable(L, topics_count(), 0);
  for (int i = 0; i < topics_count(); i++) {
    const Topic *t = topics_at(i);
    const char *const texts[] = {t->name, t->who, t->args, t->help, t->example};
    lua_createtable(L, 0, 6);
    for (int k = 0; k < 5; k++) {
      lua_pushstring(L, texts[k]);
      lua_setfield(L, -2, names[k]);
    }
    lua_pushboolean(L, t->method || t->self >= 0);
    lua_setfield(L, -2, "method");
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

const Function functions_base[] = {
    {"help", "x:any", "Tells about a function, an object, or what a string names; without an argument lists all there is.",
     "help(nn.Conv2d)\nhelp(\"sum\")", help},
    {"topics", "", "All that has help, as a table of {name, who, args, help, example, method}.", "topics()[1].name", topics},
    {0}};
