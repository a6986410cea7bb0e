/* Modules as text: one as it is written, a tree as a table, and the road to the layer that failed. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "network.h"

/* ---- text that grows ---- */

typedef struct Text {
  char *at;
  size_t n, room;
} Text;

static void text_add(Text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void text_add(Text *t, const char *format, ...) {
  char line[512];
  va_list list;
  va_start(list, format);
  int n = vsnprintf(line, sizeof line, format, list);
  va_end(list);
  if (n < 0 || nn_failed()) return;
  size_t length = (size_t)n < sizeof line ? (size_t)n : sizeof line - 1;
  if (t->n + length + 1 > t->room) {
    size_t room = 2 * (t->n + length + 1);
    char *grown = realloc(t->at, room);
    if (!grown) {
      nn_fail("out of memory: a text of %zu bytes", room);
      return;
    }
    t->at = grown;
    t->room = room;
  }
  memcpy(t->at + t->n, line, length + 1);
  t->n += length;
}

/* ---- a module as it is written ---- */

enum { LABEL = 160 };

static bool same_param(const Param *a, const Param *b, ArgKind kind) {
  if (a->nil || b->nil) return a->nil == b->nil;
  if (kind == ARG_NUMBERS) return a->count == b->count && !memcmp(a->value, b->value, (size_t)a->count * sizeof *a->value);
  if (kind == ARG_PAIR || kind == ARG_SIZE || kind == ARG_DIMS)
    return a->count == b->count && !memcmp(a->list, b->list, (size_t)a->count * sizeof *a->list);
  return a->number == b->number;
}

static void list_text(const Param *p, ArgKind kind, bool braces, char *out, size_t size) {
  size_t at = (size_t)snprintf(out, size, braces ? "{" : "");
  for (int i = 0; i < p->count && at < size; i++) {
    double number = kind == ARG_NUMBERS ? p->value[i] : (double)p->list[i];
    if (kind == ARG_DIMS && number >= 0) number++;
    at += (size_t)snprintf(out + at, size - at, i ? ", %g" : "%g", number);
  }
  if (braces && at < size) snprintf(out + at, size - at, "}");
}

static void choice_text(const Arg *arg, int place, char *out, size_t size) {
  const char *word = arg->choices;
  for (; place > 0 && *word; place--) word += strcspn(word, "|") + 1;
  snprintf(out, size, "\"%.*s\"", (int)strcspn(word, "|"), word);
}

/* As a script writes it; the only argument of a row does without braces. */
static void param_text(const Arg *arg, const Param *p, bool only, char *out, size_t size) {
  switch (p->nil ? ARG_ANY : arg->kind) {
    case ARG_ANY: snprintf(out, size, "nil"); break;
    case ARG_BOOLEAN: snprintf(out, size, p->number ? "true" : "false"); break;
    case ARG_DIM:
    case ARG_POSITION: snprintf(out, size, "%g", p->number < 0 ? p->number : p->number + 1); break;
    case ARG_CHOICE: choice_text(arg, (int)p->number, out, size); break;
    case ARG_PAIR:
      if (p->list[0] == p->list[1])
        snprintf(out, size, "%ld", p->list[0]);
      else
        list_text(p, arg->kind, true, out, size);
      break;
    case ARG_SIZE:
    case ARG_DIMS:
    case ARG_NUMBERS: list_text(p, arg->kind, !only, out, size); break;
    default: snprintf(out, size, "%g", p->number);
  }
}

const char *module_label(const Module *m) {
  static char labels[8][LABEL];
  static unsigned next;
  char *label = labels[next++ % 8];
  Signature s;
  size_t at = (size_t)snprintf(label, LABEL, "%.60s", m->name);
  if (!m->layer || m->layer == &sequential || !signature_parse(m->layer->args, &s)) return label;
  const char *between = "(";
  for (int i = 0; i < s.count && at < LABEL; i++) {
    char value[100];
    const Arg *arg = &s.arg[i];
    if (arg->optional && same_param(&m->param[i], &arg->fallback, arg->kind)) continue;
    bool named = arg->optional && i > 0;
    param_text(arg, &m->param[i], s.count == 1, value, sizeof value);
    at += (size_t)snprintf(label + at, LABEL - at, "%s%s%s%s", between, named ? arg->name : "", named ? "=" : "", value);
    between = ", ";
  }
  if (at < LABEL) snprintf(label + at, LABEL - at, *between == '(' ? "()" : ")");
  return label;
}

/* ---- the table ---- */

typedef struct Table {
  Text text;
  int layer, output, count; /* widths of the columns; 0 while they are measured */
  bool measuring;
  uint64_t walk;
} Table;

/* 1234567 as "1,234,567". */
static const char *thousands(long n, char out[32]) {
  char digits[24];
  int length = snprintf(digits, sizeof digits, "%ld", n), at = 0;
  for (int i = 0; i < length; i++) {
    if (i && (length - i) % 3 == 0) out[at++] = ',';
    out[at++] = digits[i];
  }
  out[at] = 0;
  return out;
}

static void output_text(const Module *m, char *out, size_t size) {
  if (m->output_ndim < 0)
    snprintf(out, size, "-");
  else if (!m->output_ndim)
    snprintf(out, size, "()");
  else
    snprintf(out, size, "(N%s%s", m->output_ndim > 1 ? "," : "", shape_text(m->output_ndim - 1, m->output + 1) + 1);
}

static long own_parameters(const Module *m) {
  long n = 0;
  for (int i = 0; i < m->tensors; i++)
    if (m->tensor[i].tensor && !m->tensor[i].buffer) n += tensor_numel(m->tensor[i].tensor);
  return n;
}

static void widen(int *width, const char *text) {
  if ((int)strlen(text) > *width) *width = (int)strlen(text);
}

static void table_row(Table *t, const char *layer, const char *output, const char *count) {
  if (t->measuring)
    widen(&t->layer, layer), widen(&t->output, output), widen(&t->count, count);
  else
    text_add(&t->text, "%-*s  %-*s  %*s\n", t->layer, layer, t->output, output, t->count, count);
}

static void table_module(Table *t, const Module *m, const char *name, int indent) {
  char layer[LABEL + 2 * MODULE_DEPTH + 80], output[200], count[32] = "-";
  snprintf(layer, sizeof layer, "%*s%.60s%s%s", 2 * indent, "", name, *name ? "  " : "", module_label(m));
  output_text(m, output, sizeof output);
  long n = own_parameters(m);
  if (n) thousands(n, count);
  table_row(t, layer, output, m->walk == t->walk ? "shared" : count);
}

static void table_tree(Table *t, Module *m, const char *name, int indent) {
  table_module(t, m, name, indent);
  if (m->walk == t->walk) return;
  m->walk = t->walk;
  for (int i = 0; i < m->children; i++) table_tree(t, m->child[i].module, m->child[i].name, indent + 1);
}

static void table_total(Table *t, Module *m) {
  long total = 0, frozen = 0;
  char text[32];
  int n;
  Tensor **list = module_parameters(m, &n);
  for (int i = 0; list && i < n; i++) {
    total += tensor_numel(list[i]);
    if (!tensor_requires_grad(list[i])) frozen += tensor_numel(list[i]);
  }
  memory_free(list);
  text_add(&t->text, "total: %s parameter%s, %.3g MB", thousands(total, text), total == 1 ? "" : "s",
           (double)total * sizeof(real) / 1e6);
  if (frozen) text_add(&t->text, ", %s of them frozen", thousands(frozen, text));
}

char *module_text(Module *m) {
  Table t = {.measuring = true};
  for (int pass = 0; pass < 2; pass++) {
    t.walk = walk_begin();
    t.measuring = pass == 0;
    table_row(&t, "layer", "output", "parameters");
    table_tree(&t, m, "", 0);
  }
  table_total(&t, m);
  if (!nn_failed()) return t.text.at;
  free(t.text.at);
  return NULL;
}

/* ---- the road to the layer that failed ---- */

enum { PATH = 80, TOLD = 24 }; /* bytes of a dotted name; layers that are told of */

typedef struct Stop {
  const Module *module;
  char path[PATH];
} Stop;

typedef struct Tour {
  Stop stop[TOLD]; /* the last ones that ran, in order */
  int n;
  uint64_t since, walk;
} Tour;

static void path_add(char *path, const char *name) {
  size_t at = strlen(path);
  snprintf(path + at, PATH - at, "%s%.40s", at ? "." : "", name);
}

static void tour_add(Tour *t, const Module *m, const char *path) {
  int at = t->n;
  while (at && t->stop[at - 1].module->called > m->called) at--;
  if (t->n == TOLD) {
    if (!at--) return;
    memmove(t->stop, t->stop + 1, (size_t)at * sizeof *t->stop);
  } else {
    memmove(t->stop + at + 1, t->stop + at, (size_t)(t->n++ - at) * sizeof *t->stop);
  }
  t->stop[at].module = m;
  snprintf(t->stop[at].path, PATH, "%s", path);
}

/* Those that ran in this call of the network. Sequential is left out: its last layer says the same. */
static void tour(Tour *t, Module *m, const char *path) {
  if (m->walk == t->walk) return;
  m->walk = t->walk;
  if (m->called > t->since && m->layer != &sequential) tour_add(t, m, path);
  for (int i = 0; i < m->children; i++) {
    char below[PATH];
    snprintf(below, PATH, "%s", path);
    path_add(below, m->child[i].name);
    tour(t, m->child[i].module, below);
  }
}

static void road_path(Module *const *road, int length, char path[PATH]) {
  *path = 0;
  for (int i = 1; i < length; i++)
    for (int c = 0; c < road[i - 1]->children; c++)
      if (road[i - 1]->child[c].module == road[i]) {
        path_add(path, road[i - 1]->child[c].name);
        break;
      }
}

static void tour_text(const Tour *t, const char *failed_path, const Module *failed, Text *out) {
  int paths = (int)strlen(failed_path), labels = (int)strlen(module_label(failed));
  for (int i = 0; i < t->n; i++) widen(&paths, t->stop[i].path), widen(&labels, module_label(t->stop[i].module));
  for (int i = 0; i < t->n; i++) {
    const Module *m = t->stop[i].module;
    text_add(out, "\n    %-*s  %-*s  %s", paths, t->stop[i].path, labels, module_label(m), shape_text(m->output_ndim, m->output));
  }
  text_add(out, "\n  > %-*s  %-*s  got", paths, failed_path, labels, module_label(failed));
}

void road_tell(Module *const *road, int length, uint64_t since, int n, Tensor *const *x) {
  static char told[PATH + LABEL + 20]; /* where the last one failed: a script's forward hands its error on */
  Module *failed = road[length - 1];
  char path[PATH], where[sizeof told];
  if (*told && strstr(nn_error(), told)) return;
  road_path(road, length, path);
  snprintf(where, sizeof where, *path ? "layer %s (%s)" : "%s%s", path, module_label(failed));
  Text text = {0};
  char *message = strdup(nn_error());
  nn_clear_error();
  text_add(&text, "%s: ", where);
  for (const char *at = message; at && *at; at += strnlen(at, 400)) text_add(&text, "%.400s", at);
  if (length > 1) {
    Tour t = {.since = since, .walk = walk_begin()};
    tour(&t, road[0], "");
    tour_text(&t, path, failed, &text);
    for (int i = 0; i < n; i++) text_add(&text, " %s", tensor_shape_text(x[i]));
  }
  nn_fail("%s", text.at ? text.at : message);
  strcpy(told, where);
  free(message);
  free(text.at);
}
