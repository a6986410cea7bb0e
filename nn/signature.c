/* The argument strings of rows: `x, bias?, stride:pair=1, mode:nearest|bilinear=nearest`. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nn.h"

typedef struct KindName {
  const char *name;
  ArgKind kind;
} KindName;

static const KindName kinds[] = {
    {"", ARG_TENSOR},         {"constant", ARG_CONSTANT}, {"tensors", ARG_TENSORS}, {"number", ARG_NUMBER},
    {"integer", ARG_INTEGER}, {"boolean", ARG_BOOLEAN},   {"dim", ARG_DIM},         {"position", ARG_POSITION},
    {"dims", ARG_DIMS},       {"size", ARG_SIZE},         {"pair", ARG_PAIR},       {"text", ARG_TEXT},
    {"module", ARG_MODULE},   {"modules", ARG_MODULES},   {"numbers", ARG_NUMBERS}, {"function", ARG_FUNCTION},
    {"table", ARG_TABLE},     {"any", ARG_ANY},
};

int choice_find(const Arg *arg, const char *word) {
  size_t n = strlen(word);
  int place = 0;
  for (const char *at = arg->choices; *at; place++) {
    size_t length = strcspn(at, "|");
    if (length == n && !strncmp(at, word, n)) return place;
    at += length + (at[length] == '|');
  }
  return -1;
}

static bool parse_kind(Arg *arg, const char *kind) {
  if (strchr(kind, '|')) {
    arg->kind = ARG_CHOICE;
    snprintf(arg->choices, sizeof arg->choices, "%s", kind);
    return true;
  }
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
    if (!strcmp(kind, kinds[i].name)) {
      arg->kind = kinds[i].kind;
      return true;
    }
  return nn_fail("row: argument %s has unknown kind %s", arg->name, kind), false;
}

/* "0.9|0.999" */
static bool parse_numbers(Param *p, const char *text) {
  for (char *end; *text && p->count < NN_DIMS; text = *end == '|' ? end + 1 : end) {
    p->value[p->count++] = strtod(text, &end);
    if (end == text) return false;
  }
  return p->count > 0 && !*text;
}

static bool parse_default(Arg *arg, const char *text) {
  Param *p = &arg->fallback;
  arg->optional = true;
  if (!strcmp(text, "nil")) return p->nil = true;
  switch (arg->kind) {
    case ARG_BOOLEAN: p->number = !strcmp(text, "true"); return true;
    case ARG_CHOICE: p->number = choice_find(arg, text); return p->number >= 0;
    case ARG_TEXT: snprintf(arg->choices, sizeof arg->choices, "%s", text); return true;
    case ARG_NUMBERS: return parse_numbers(p, text);
    case ARG_PAIR: p->count = 2, p->list[0] = p->list[1] = atol(text); return true;
    case ARG_DIM:
    case ARG_POSITION: p->number = atof(text) > 0 ? atof(text) - 1 : atof(text); return true; /* written as scripts do, from 1 */
    default: p->number = atof(text); return true;
  }
}

static bool parse_arg(Arg *arg, const char *from, size_t n) {
  char text[160];
  if (n >= sizeof text) return nn_fail("row: argument too long"), false;
  memcpy(text, from, n);
  text[n] = 0;
  char *fallback = strchr(text, '=');
  if (fallback) *fallback++ = 0;
  char *question = strchr(text, '?');
  if (question) *question = 0;
  char *kind = strchr(text, ':');
  if (kind) *kind++ = 0;
  snprintf(arg->name, sizeof arg->name, "%.31s", text);
  if (!parse_kind(arg, kind ? kind : "")) return false;
  if (question) arg->optional = arg->fallback.nil = true;
  return !fallback || parse_default(arg, fallback);
}

static bool parse(const char *args, Signature *out) {
  *out = (Signature){0};
  for (const char *at = args; *at;) {
    while (*at == ' ' || *at == ',') at++;
    size_t n = strcspn(at, ",");
    if (!n) break;
    if (out->count == NN_ARGS) return nn_fail("row: more than %d arguments", NN_ARGS), false;
    Arg *arg = &out->arg[out->count++];
    if (!parse_arg(arg, at, n)) return nn_fail("row: cannot read '%s'", args), false;
    if (arg->kind == ARG_TENSOR || arg->kind == ARG_CONSTANT || arg->kind == ARG_TENSORS)
      out->tensors++;
    else
      out->params++;
    if (arg->kind == ARG_TENSORS) out->list = true;
    at += n;
  }
  return true;
}

/* The last ones are remembered: scripts ask an optimizer for its fields in every step. */
bool signature_parse(const char *args, Signature *out) {
  enum { REMEMBERED = 16, LONGEST = 400 };
  static struct {
    char args[LONGEST];
    Signature signature;
  } remembered[REMEMBERED];
  static unsigned next;
  for (int i = 0; i < REMEMBERED; i++)
    if (*args && !strcmp(remembered[i].args, args)) return *out = remembered[i].signature, true;
  if (!parse(args, out)) return false;
  if (strlen(args) >= LONGEST) return true;
  strcpy(remembered[next % REMEMBERED].args, args);
  remembered[next++ % REMEMBERED].signature = *out;
  return true;
}
