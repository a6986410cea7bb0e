/* LSTM over whole sequences. With the gates i, f, o (sigmoid) and g (tanh) of inputs_t + h_{t-1} weight_hhT,
 *   c_t = f c_{t-1} + i g,  h_t = o tanh(c_t). */
#include "../kernels/lstm.h"

#include <string.h>

#include "../row.h"

enum { INPUTS, WEIGHT_HH, INDICES, H, C, TENSORS };

static Tensor *given(const Call *c, int i) {
  return i < c->n ? c->in[i] : NULL;
}

static bool check_shape(Call *c, int i, int ndim, const long *shape) {
  Tensor *t = given(c, i);
  if (!t || (t->ndim == ndim && !memcmp(t->shape, shape, (size_t)ndim * sizeof *shape))) return true;
  return call_fail(c, "%s must be %s for weight_hh %s, got %s", op_signature(c->op)->arg[i].name, shape_text(ndim, shape),
                   tensor_shape_text(c->in[WEIGHT_HH]), tensor_shape_text(t));
}

static bool lstm_shape(Call *c) {
  Tensor *w = c->in[WEIGHT_HH], *indices = given(c, INDICES), *over = indices ? indices : c->in[INPUTS];
  if (w->ndim != 2 || w->shape[0] != 4 * w->shape[1])
    return call_fail(c, "weight_hh must be (4*hidden,hidden), got %s", tensor_shape_text(w));
  if (over->ndim != (indices ? 2 : 3) || !over->shape[1])
    return call_fail(c, "%s of at least one step, got %s", indices ? "indices must be (N,T)" : "inputs must be (N,T,4*hidden)",
                     tensor_shape_text(over));
  const long n = over->shape[0], steps = over->shape[1], gates = w->shape[0], hidden = w->shape[1];
  const long table[] = {c->in[INPUTS]->shape[0], gates}, all[] = {n, steps, gates}, state[] = {n, hidden};
  if (!check_shape(c, INPUTS, indices ? 2 : 3, indices ? table : all)) return false;
  for (int i = H; i <= C; i++)
    if (!check_shape(c, i, 2, state)) return false;
  return call_shape(c, 4, (long[]){2, n, steps, hidden});
}

/* The state before the first step. */
static Tensor *first(const Call *c, int i) {
  Tensor *t = given(c, i);
  return t ? t : tensor_zeros(2, (long[]){c->shape[1], c->shape[3]});
}

static Lstm lstm_of(const Call *c, Tensor *h, Tensor *cell) {
  const long size = tensor_numel(c->out) / 2;
  return (Lstm){.n = c->shape[1],
                .steps = c->shape[2],
                .hidden = c->shape[3],
                .weight = c->in[WEIGHT_HH]->data,
                .first_h = h->data,
                .first_c = cell->data,
                .gates = c->extra[0]->data,
                .h = c->out->data,
                .c = c->out->data + size};
}

/* extra[0]: the gates (N,T,4*hidden) */
static bool lstm_forward(Call *c) {
  Tensor *indices = given(c, INDICES), *h = first(c, H), *cell = first(c, C);
  if (indices && !call_check_indices(c, indices, c->in[INPUTS]->shape[0])) return false;
  c->extra[0] = tensor_new(3, (long[]){c->shape[1], c->shape[2], 4 * c->shape[3]});
  if (nn_failed()) return false;
  const Lstm l = lstm_of(c, h, cell);
  return lstm_run(&l, c->in[INPUTS]->data, indices ? indices->data : NULL);
}

/* The gradients of inputs and weight_hh from slope (N,T,4*hidden), that of what the gates were made of; h_before (N,T,hidden) is
 * the state before each step. */
static void parts_backward(Call *c, Tensor *slope, Tensor *h_before, Tensor **d) {
  Tensor *inputs = c->in[INPUTS], *indices = given(c, INDICES);
  const long steps = c->shape[1] * c->shape[2];
  if (c->want[INPUTS])
    d[INPUTS] = indices ? tensor_index_add(tensor_zeros(2, inputs->shape), 0, tensor_reshape(indices, 1, &steps),
                                           tensor_reshape(slope, 2, (long[]){steps, inputs->shape[1]}))
                        : slope;
  if (c->want[WEIGHT_HH]) d[WEIGHT_HH] = tensor_linear_weight(h_before, slope);
}

static Tensor *shifted(const Lstm *l) {
  Tensor *t = tensor_own(tensor_new(3, (long[]){l->n, l->steps, l->hidden}));
  for (long n = 0; t && n < l->n; n++) {
    real *to = t->data + n * l->steps * l->hidden;
    memcpy(to, l->first_h + n * l->hidden, (size_t)l->hidden * sizeof(real));
    memcpy(to + l->hidden, l->h + n * l->steps * l->hidden, (size_t)((l->steps - 1) * l->hidden) * sizeof(real));
  }
  return t;
}

static void lstm_fused(Call *c, Tensor *g, Tensor **d) {
  Tensor *h = first(c, H), *cell = first(c, C);
  Tensor *slope = tensor_own(tensor_new(3, c->extra[0]->shape));
  Tensor *before = tensor_own(tensor_new(3, (long[]){2, c->shape[1], c->shape[3]}));
  if (nn_failed()) return;
  const Lstm l = lstm_of(c, h, cell);
  if (!lstm_back(&l, g->data, slope->data, before->data)) return;
  parts_backward(c, slope, c->want[WEIGHT_HH] ? shifted(&l) : NULL, d);
  for (int i = H; i <= C; i++)
    if (i < c->n && c->want[i]) d[i] = tensor_select(before, 0, i - H);
}

/* ---- the gradient in ops ---- */

typedef struct Step {
  Tensor *gate[4], *h_before, *c_before, *y; /* y: tanh(c) */
} Step;

static Tensor *less_square(Tensor *y) { /* 1 - y^2 */
  return tensor_shift(tensor_neg(tensor_square(y)), 1);
}

static Tensor *sigmoid_slope(Tensor *g, Tensor *y) {
  return tensor_mul(g, tensor_mul(y, tensor_shift(tensor_neg(y), 1)));
}

static void run_steps(Call *c, Step *step) {
  const long hidden = c->shape[3];
  Tensor *h = first(c, H), *cell = first(c, C), *indices = given(c, INDICES);
  Tensor *inputs = indices ? tensor_embedding(indices, c->in[INPUTS]) : c->in[INPUTS];
  for (long t = 0; t < c->shape[2]; t++) {
    Step *s = &step[t];
    Tensor *sum = tensor_add(tensor_select(inputs, 1, t), tensor_linear(h, c->in[WEIGHT_HH], NULL));
    for (int i = 0; i < 4; i++) {
      Tensor *part = tensor_narrow(sum, 1, i * hidden, hidden);
      s->gate[i] = i == 2 ? tensor_tanh(part) : tensor_sigmoid(part);
    }
    s->h_before = h;
    s->c_before = cell;
    cell = tensor_add(tensor_mul(s->gate[1], cell), tensor_mul(s->gate[0], s->gate[2]));
    s->y = tensor_tanh(cell);
    h = tensor_mul(s->gate[3], s->y);
  }
}

/* One step back: the gradient of what its gates were made of; *dh and *dc are moved to the states before it. */
static Tensor *step_back(Call *c, const Step *s, Tensor *g, long t, Tensor **dh, Tensor **dc) {
  Tensor *i = s->gate[0], *f = s->gate[1], *y = s->gate[2], *o = s->gate[3];
  Tensor *of_h = tensor_add(tensor_select(tensor_select(g, 0, 0), 1, t), *dh);
  Tensor *of_c = tensor_add(tensor_select(tensor_select(g, 0, 1), 1, t), *dc);
  of_c = tensor_add(of_c, tensor_mul(tensor_mul(of_h, o), less_square(s->y)));
  Tensor *slope =
      tensor_cat(4,
                 (Tensor *[]){sigmoid_slope(tensor_mul(of_c, y), i), sigmoid_slope(tensor_mul(of_c, s->c_before), f),
                              tensor_mul(tensor_mul(of_c, i), less_square(y)), sigmoid_slope(tensor_mul(of_h, s->y), o)},
                 1);
  *dc = tensor_mul(of_c, f);
  *dh = tensor_matmul(slope, c->in[WEIGHT_HH]);
  return slope;
}

static void lstm_backward(Call *c, Tensor *g, Tensor **d) {
  const long steps = c->shape[2], state[] = {c->shape[1], c->shape[3]};
  Step *step = memory_new((size_t)steps * sizeof *step);
  Tensor **slopes = memory_new((size_t)steps * 2 * sizeof *slopes), *dh = tensor_zeros(2, state), *dc = dh;
  if (step && slopes) {
    run_steps(c, step);
    for (long t = steps - 1; t >= 0; t--) {
      slopes[t] = step_back(c, &step[t], g, t, &dh, &dc);
      slopes[steps + t] = step[t].h_before;
    }
    parts_backward(c, tensor_stack((int)steps, slopes, 1), tensor_stack((int)steps, slopes + steps, 1), d);
    if (c->n > H && c->want[H]) d[H] = dh;
    if (c->n > C && c->want[C]) d[C] = dc;
  }
  memory_free(step);
  memory_free(slopes);
}

static const Op lstm_row = {
    "lstm",
    "inputs, weight_hh, indices:constant?, h?, c?",
    "The steps of a long short-term memory: (2,N,T,hidden), first the output h of each step, then the cell c. inputs "
    "(N,T,4*hidden) "
    "is what the gates i, f, g, o get besides h weight_hhT: a linear of x with both biases makes PyTorch's LSTM of it. With "
    "indices (N,T), inputs is a table (V,4*hidden) and each step gets the row of its index. weight_hh is (4*hidden,hidden); h and "
    "c (N,hidden) are the states before, by default zeros.",
    "tensor.randn(2,3,8):lstm(tensor.randn(8,2), nil, tensor.randn(2,2), tensor.randn(2,2))\n"
    "tensor.randn(3,4):lstm(tensor.randn(4,1), tensor{{3,1,3},{2,2,3}})",
    .shape = lstm_shape,
    .forward = lstm_forward,
    .backward = lstm_backward,
    .fused = lstm_fused,
    .needs = "inputs weight_hh indices h c out"};

Tensor *tensor_lstm(Tensor *inputs, Tensor *weight_hh, Tensor *indices, Tensor *h, Tensor *c) {
  return op_call(&lstm_row, TENSORS, (Tensor *[]){inputs, weight_hh, indices, h, c}, NULL);
}

const Op *const ops_lstm[] = {&lstm_row, NULL};
