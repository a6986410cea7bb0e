#include "winograd_kernel.h"

#include <string.h>

#include "turn.h"

enum { CHANNELS = 16 }; /* of a piece of work, whose taps stay in the first cache */

typedef struct Pack {
  Kernel *k;
  const Gather *g;
  const Filter *filter;
  real *room; /* for each thread: the taps of a piece, and a line of them mixed */
  long runs;  /* of channels */
} Pack;

const real *kernel_panel(const Kernel *k, const Filter *filter, int term, int point, long panel) {
  long row = term * filter[1].terms, depth = k->terms[point];
  for (int p = 0; p < point; p++) row += k->terms[p];
  return k->memory->data + (row * k->panels + depth * panel) * k->channels * k->width;
}

/* One tap's rows from channel c on, from the first of `columns` columns on; panels are filled up with zeros. */
static void load_tap(const Gather *g, const real *from, long rows, long columns, int width, real *to) {
  if (g->column_step != 1) turn(columns, rows, from, g->column_step, to, width, false); /* then rows follow each other */
  for (long i = 0; i < rows; i++) {
    if (g->column_step == 1) memcpy(to + i * width, from + i * g->row_step, (size_t)columns * sizeof(real));
    for (long j = columns; j < width; j++) to[i * width + j] = 0;
  }
}

static void load_taps(const Pack *p, long panel, long c, long rows, real *to) {
  const Gather *g = p->g;
  int width = p->k->width;
  long columns = g->columns - panel * width < width ? g->columns - panel * width : width;
  for (long u = 0; u < g->taps[0]; u++)
    for (long v = 0; v < g->taps[1]; v++, to += rows * width)
      load_tap(g, g->weight + u * g->weight_step[0] + v * g->weight_step[1] + c * g->row_step + panel * width * g->column_step,
               rows, columns, width, to);
}

/* A part's mix of taps for one of its points: taps stand `step` numbers apart. */
static void mix_taps(const Filter *f, const Term *t, const real *taps, long step, real *to, long n) {
  const Part *p = &f->part[t->part];
  const Mix *m = &winograd_kernel[p->kind][t->point];
  const real *from[3];
  for (int i = 0; i < 3; i++) from[i] = taps + (p->tap + m->from[i] * f->every) * step;
  mix_row(m->how, to, from[0], from[1], from[2], n);
}

static void pack_piece(const Pack *p, long panel, long c, long rows, real *taps) {
  const Filter *down = &p->filter[0], *across = &p->filter[1];
  long n = rows * p->k->width, line = p->g->taps[1] * n;
  real *mixed = taps + p->g->taps[0] * line;
  load_taps(p, panel, c, rows, taps);
  for (int y = 0; y < down->terms; y++) {
    long place[POINTS] = {0};
    mix_taps(down, &down->term[y], taps, line, mixed, line);
    for (int x = 0; x < across->terms; x++) {
      const Term *t = &across->term[x];
      real *to = (real *)kernel_panel(p->k, p->filter, y, t->point, panel);
      mix_taps(across, t, mixed, n, to + (place[t->point]++ * p->k->channels + c) * p->k->width, n);
    }
  }
}

static void pack_pieces(void *job, long from, long to) {
  const Pack *p = job;
  long taps = (p->g->taps[0] + 1) * p->g->taps[1];
  real *room = p->room + workers_self() * taps * CHANNELS * p->k->width;
  for (long piece = from; piece < to; piece++) {
    long c = piece % p->runs * CHANNELS, rows = p->k->channels - c < CHANNELS ? p->k->channels - c : CHANNELS;
    pack_piece(p, piece / p->runs, c, rows, room);
  }
}

static bool pack(Kernel *k, const Gather *g, const Filter *filter) {
  Pack p = {k, g, filter, NULL, (g->channels + CHANNELS - 1) / CHANNELS};
  long taps = (g->taps[0] + 1) * g->taps[1];
  Tensor *room = tensor_new(3, (long[]){workers_count(), taps * CHANNELS, k->width});
  if (!room) return false;
  p.room = room->data;
  workers_for(k->panels * p.runs, 1, pack_pieces, &p);
  tensor_drop(room);
  return true;
}

bool kernel_make(Kernel *k, const Gather *g, const Filter *filter) {
  const Tile *tile = tile_best();
  if (!tile) return false;
  *k = (Kernel){.width = tile->width, .panels = (g->columns + tile->width - 1) / tile->width, .channels = g->channels};
  for (int x = 0; x < filter[1].terms; x++) k->terms[filter[1].term[x].point]++;
  long shape = 0; /* what parts' kinds depend on but the taps */
  for (int i = 0; i < 2; i++) shape = 2 * (POINTS * shape + filter[i].results) + filter[i].even;
  KeptKey key = gather_key(g, KEPT_WINOGRAD, shape);
  k->memory = kept_find(g->keep, &key);
  if (k->memory) return true;
  k->memory = tensor_new(3, (long[]){(long)filter[0].terms * filter[1].terms * k->panels, g->channels, k->width});
  if (k->memory && pack(k, g, filter) && kept_add(g->keep, &key, k->memory)) return true;
  kernel_drop(k);
  return false;
}

void kernel_drop(Kernel *k) {
  tensor_drop(k->memory);
  k->memory = NULL;
}
