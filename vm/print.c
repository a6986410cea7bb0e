/* Values as the prompt shows them. */
#include <stdlib.h>
#include <string.h>

#include "print.h"

enum { DEPTH = 3, ITEMS = 40, INNER_ITEMS = 12, SORTED = 1000, LINE = 78 };

/* ---- objects ---- */

/* "step_size=3, gamma=0.5": numbers of a row from argument `from` on */
static void print_params(FILE *out, const char *args, const Param *params, int from) {
  Signature s;
  if (!signature_parse(args, &s)) s.count = 0;
  int shown = 0;
  for (int i = from; i < s.count; i++) {
    const Param *p = &params[i - from];
    const Arg *arg = &s.arg[i];
    if (p->nil) continue;
    fprintf(out, "%s%s=", shown++ ? ", " : "", arg->name);
    print_param(out, arg, p);
  }
}

static void print_module(FILE *out, Module *m, bool brief) {
  char *text = brief ? NULL : module_text(m);
  fprintf(out, "%s", text ? text : module_label(m));
  memory_free(text);
}

static void print_loss(FILE *out, const LossValue *l) {
  fprintf(out, "nn.%s{", l->row->name);
  print_params(out, l->row->args, l->param, 0);
  fprintf(out, "}");
}

/* The settings of the first group, in the form of the row's arguments. */
static void print_hyper(FILE *out, const Optimizer *o) {
  Signature s;
  const double *hyper = o->group[0].hyper;
  if (!signature_parse(o->row->args, &s)) s.count = 0;
  for (int i = 1; i < s.count; i++) {
    Param p = {.number = *hyper, .count = s.arg[i].kind == ARG_NUMBERS ? s.arg[i].fallback.count : 0};
    memcpy(p.value, hyper, (size_t)p.count * sizeof *hyper);
    hyper += p.count ? p.count : 1;
    fprintf(out, "%s%s=", i > 1 ? ", " : "{", s.arg[i].name);
    print_param(out, &s.arg[i], &p);
  }
}

static void print_optim(FILE *out, const Optimizer *o) {
  long tensors = 0, numbers = 0;
  for (int g = 0; g < o->groups; g++)
    for (int i = 0; i < o->group[g].n; i++, tensors++) numbers += tensor_numel(o->group[g].param[i]);
  fprintf(out, "optim.%s", o->row->name);
  print_hyper(out, o);
  fprintf(out, "} of %ld parameters, %ld numbers", tensors, numbers);
  if (o->groups > 1) fprintf(out, ", in %d groups (the first is shown)", o->groups);
}

static void print_schedule(FILE *out, const Schedule *s) {
  fprintf(out, "optim.%s{", s->row->name);
  print_params(out, s->row->args, s->param, 1);
  fprintf(out, "} at step %ld, lr ", s->step);
  print_number(out, optim_get(s->optim, "lr"));
}

static void print_dataset(FILE *out, const Dataset *d) {
  fprintf(out, "%s: %ld samples %s", *d->name ? d->name : "dataset", d->n, shape_text(d->ndim, d->shape));
  if (d->labels) fprintf(out, ", %ld classes", d->classes);
}

static void print_loader(FILE *out, const Loader *l) {
  fprintf(out, "loader of %s: %ld samples in batches of %ld%s%s%s, %ld in an epoch", *l->set->name ? l->set->name : "a dataset",
          l->set->n, l->batch, l->shuffle ? ", shuffled" : "", l->drop_last ? ", the last one dropped when smaller" : "",
          l->augment ? ", augmented" : "", loader_batches(l));
}

static void print_trainer(FILE *out, const Trainer *t) {
  const Report *r = &t->report;
  fprintf(out, "%s at step %ld, epoch %ld%s", t->kind->name, r->step, r->epoch, engine_running(t) ? ", training" : "");
  if (r->seconds_per_step > 0) fprintf(out, ", %.3g steps per second", 1 / r->seconds_per_step);
  for (int i = 0; i < r->n; i++) fprintf(out, "\n  %-12s %.5g", r->name[i], r->value[i]);
}

static void print_object(FILE *out, lua_State *L, int index, bool brief) {
  int kind = value_kind(L, index);
  void *object = value_test(L, index, kind);
  switch (kind) {
    case KIND_TENSOR:
      if (brief && ((Tensor *)object)->ndim)
        fprintf(out, "tensor %s", tensor_shape_text(object));
      else
        print_tensor(out, object);
      break;
    case KIND_MODULE: print_module(out, object, brief); break;
    case KIND_LOSS: print_loss(out, object); break;
    case KIND_OPTIM: print_optim(out, object); break;
    case KIND_SCHEDULE: print_schedule(out, object); break;
    case KIND_DATASET: print_dataset(out, object); break;
    case KIND_LOADER: print_loader(out, object); break;
    case KIND_TRAINER:
      if (brief)
        fprintf(out, "%s", ((Trainer *)object)->kind->name);
      else
        print_trainer(out, object);
      break;
    default: fprintf(out, "%s", kind_name(kind)); break;
  }
}

/* ---- tables ---- */

static void print_any(FILE *out, lua_State *L, int index, int depth, int indent);

static void print_string(FILE *out, const char *text, size_t n) {
  fputc('"', out);
  for (size_t i = 0; i < n; i++) {
    unsigned char c = (unsigned char)text[i];
    if (c == '\n')
      fprintf(out, "\\n");
    else if (c == '"' || c == '\\')
      fprintf(out, "\\%c", c);
    else if (c < 32 || c == 127)
      fprintf(out, "\\%d", c);
    else
      fputc(c, out);
  }
  fputc('"', out);
}

static bool is_name(const char *text) {
  size_t letters = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
  return *text && !text[letters] && !strchr("0123456789", *text);
}

/* Strings in their order, before other keys. Leaves places j-1 and j of the table on top in order. */
static bool put_in_order(lua_State *L, int keys, int j) {
  lua_rawgeti(L, keys, j - 1);
  lua_rawgeti(L, keys, j);
  bool before =
      lua_type(L, -1) == LUA_TSTRING && (lua_type(L, -2) != LUA_TSTRING || strcmp(lua_tostring(L, -1), lua_tostring(L, -2)) < 0);
  if (!before) {
    lua_pop(L, 2);
    return false;
  }
  lua_rawseti(L, keys, j - 1);
  lua_rawseti(L, keys, j);
  return true;
}

/* Pushes a table of the keys behind the list part; returns how many. */
static int push_keys(lua_State *L, int table, lua_Integer list) {
  int n = 0;
  lua_newtable(L);
  int keys = lua_gettop(L);
  lua_pushnil(L);
  while (lua_next(L, table)) {
    lua_pop(L, 1);
    if (lua_isinteger(L, -1) && lua_tointeger(L, -1) >= 1 && lua_tointeger(L, -1) <= list) continue;
    lua_pushvalue(L, -1);
    lua_rawseti(L, keys, ++n);
  }
  for (int i = 2; i <= n && n <= SORTED; i++)
    for (int j = i; j > 1 && put_in_order(L, keys, j);) j--;
  return n;
}

static void print_key(FILE *out, lua_State *L, int depth, int indent) { /* of the key on top */
  if (lua_type(L, -1) == LUA_TSTRING && is_name(lua_tostring(L, -1)))
    fprintf(out, "%s = ", lua_tostring(L, -1));
  else
    fputc('[', out), print_any(out, L, lua_gettop(L), depth + 1, indent), fprintf(out, "] = ");
}

/* Items on one line, or each on a line of its own. */
static void print_items(FILE *out, lua_State *L, int table, int depth, int indent, bool lines) {
  lua_Integer list = (lua_Integer)lua_rawlen(L, table);
  int n = push_keys(L, table, list), keys = lua_gettop(L), most = depth ? INNER_ITEMS : ITEMS;
  fputc('{', out);
  for (lua_Integer i = 1; i <= list + n; i++) {
    if (i > 1) fputc(',', out);
    if (lines)
      fprintf(out, "\n%*s", indent + 2, "");
    else if (i > 1)
      fputc(' ', out);
    if (i > most) {
      fprintf(out, "... %lld more", (long long)(list + n - most));
      break;
    }
    if (i > list) {
      lua_rawgeti(L, keys, i - list);
      print_key(out, L, depth, indent + 2);
      lua_rawget(L, table);
    } else {
      lua_rawgeti(L, table, i);
    }
    print_any(out, L, lua_gettop(L), depth + 1, indent + 2);
    lua_pop(L, 1);
  }
  if (lines) fprintf(out, "\n%*s", indent, "");
  fputc('}', out);
  lua_settop(L, keys - 1);
}

static void print_table(FILE *out, lua_State *L, int table, int depth, int indent) {
  if (depth >= DEPTH) {
    fprintf(out, "{...}");
    return;
  }
  luaL_checkstack(L, 12, "printing a table");
  long from = ftell(out);
  print_items(out, L, table, depth, indent, false);
  if (ftell(out) - from + indent <= LINE) return;
  fseek(out, from, SEEK_SET);
  print_items(out, L, table, depth, indent, true);
}

/* ---- anything ---- */

static bool print_function(FILE *out, lua_State *L, int index) {
  const Topic *t = bind_topic_of(L, index);
  if (t) fprintf(out, "function %s(%s)", t->name, t->args);
  return t != NULL;
}

static void print_plain(FILE *out, lua_State *L, int index) {
  size_t n;
  const char *text = luaL_tolstring(L, index, &n);
  fwrite(text, 1, n, out);
  lua_pop(L, 1);
}

static void print_any(FILE *out, lua_State *L, int index, int depth, int indent) {
  int type = lua_type(L, index);
  size_t n;
  if (value_kind(L, index) >= 0) {
    print_object(out, L, index, depth > 0);
  } else if (type == LUA_TSTRING && depth) {
    const char *text = lua_tolstring(L, index, &n);
    print_string(out, text, n);
  } else if (type == LUA_TTABLE && luaL_getmetafield(L, index, "__tostring") == LUA_TNIL) {
    print_table(out, L, index, depth, indent);
  } else if (type != LUA_TFUNCTION || !print_function(out, L, index)) {
    if (type == LUA_TTABLE) lua_pop(L, 1); /* its __tostring */
    print_plain(out, L, index);
  }
}

static int print_protected(lua_State *L) {
  print_any(lua_touserdata(L, 2), L, 1, 0, 0);
  return 0;
}

char *print_value(lua_State *L, int index) {
  char *text = NULL;
  size_t n;
  FILE *out = lua_checkstack(L, 4) ? open_memstream(&text, &n) : NULL;
  if (!out) return NULL;
  index = lua_absindex(L, index);
  lua_pushcfunction(L, print_protected);
  lua_pushvalue(L, index);
  lua_pushlightuserdata(L, out);
  if (lua_pcall(L, 2, 0, 0)) {
    fprintf(out, "(cannot be shown: %s)", lua_tostring(L, -1) ? lua_tostring(L, -1) : "error");
    lua_pop(L, 1);
  }
  fclose(out);
  return text;
}
