/* Where NaN or infinity came up first: the passes are run again with an eye on what every module returns. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "network.h"
#include "training.h"

enum { PATH = 80 };

typedef struct Watched {
  Module *module;
  Tensor *(*forward)(Module *m, int n, Tensor *const *x);
  const char *network;
  char path[PATH]; /* "3.1"; "" for the network itself */
} Watched;

static struct {
  Watched *list;
  int n;
  char *text;
  size_t size;
} watch;

static bool all_finite(const Tensor *t) {
  if (!t || !t->data) return true;
  for (long i = 0, n = tensor_numel(t); i < n; i++)
    if (!isfinite(t->data[i])) return false;
  return true;
}

static const char *first_bad_part(const Module *m) {
  for (int i = 0; i < m->tensors; i++)
    if (!all_finite(m->tensor[i].tensor)) return m->tensor[i].name;
  return NULL;
}

static void tell(const Watched *w, int n, Tensor *const *x) {
  bool given = true;
  for (int i = 0; i < n; i++) given = given && all_finite(x[i]);
  const char *part = first_bad_part(w->module), *what = !given ? "the input" : part ? part : "the output";
  if (*w->path)
    snprintf(watch.text, watch.size, "first not finite: %s of layer %s (%s) of the %s", what, w->path, module_label(w->module),
             w->network);
  else
    snprintf(watch.text, watch.size, "first not finite: %s of the %s (%s)", what, w->network, module_label(w->module));
}

/* Stands in for the forward of every module while the passes run again. */
static Tensor *look(Module *m, int n, Tensor *const *x) {
  const Watched *w = watch.list;
  while (w->module != m) w++;
  Tensor *y = w->forward(m, n, x);
  if (!*watch.text && y && !all_finite(y)) tell(w, n, x);
  return y;
}

static int count(Module *m, uint64_t walk) {
  if (m->walk == walk) return 0;
  m->walk = walk;
  int n = 1;
  for (int i = 0; i < m->children; i++) n += count(m->child[i].module, walk);
  return n;
}

static void watch_tree(const char *network, Module *m, const char *path) {
  if (m->forward == look) return;
  Watched *w = &watch.list[watch.n++];
  *w = (Watched){module_keep(m), m->forward, network, ""};
  snprintf(w->path, PATH, "%s", path);
  m->forward = look;
  for (int i = 0; i < m->children; i++) {
    char below[PATH + 100];
    snprintf(below, sizeof below, "%.70s%s%.90s", path, *path ? "." : "", m->child[i].name);
    watch_tree(network, m->child[i].module, below);
  }
}

static bool watch_begin(Trainer *t) {
  const char *name[TRAINER_PARTS];
  Module *network[TRAINER_PARTS];
  int networks = t->kind->modules(t, name, network), n = 0;
  uint64_t walk = walk_begin();
  for (int i = 0; i < networks; i++) n += count(network[i], walk);
  watch.n = 0;
  watch.list = memory_new((size_t)n * sizeof *watch.list);
  if (!watch.list) return false;
  for (int i = 0; i < networks; i++) watch_tree(name[i], network[i], "");
  return true;
}

static void watch_end(void) {
  for (int i = 0; i < watch.n; i++) {
    watch.list[i].module->forward = watch.list[i].forward;
    module_drop(watch.list[i].module);
  }
  memory_free(watch.list);
  watch.list = NULL;
}

/* module_visit stops at the first parameter whose gradient is not finite. */
static bool is_sound(void *data, const char *name, Module *owner, Named *entry) {
  (void)owner;
  if (entry->buffer || all_finite(tensor_grad(entry->tensor))) return true;
  snprintf(data, PATH, "%s", name);
  return false;
}

void nonfinite_find(Trainer *t, const Update *u, char *text, size_t size) {
  char name[PATH] = "";
  double loss = 0;
  *text = 0;
  watch.text = text;
  watch.size = size;
  if (!watch_begin(t)) return;
  size_t scope = scope_enter();
  for (int i = 0; i < u->n; i++) tensor_set_grad(u->param[i], NULL);
  bool ok = u->gradients(t, u, &loss);
  scope_leave(scope, NULL);
  watch_end();
  if (!ok || *text) return;
  if (!isfinite(loss))
    snprintf(text, size, "all layers' outputs are finite");
  else if (!module_visit(u->module, is_sound, name) && *name)
    snprintf(text, size, "all layers' outputs are finite, the gradient of %s is not", name);
}
