/* Layers over sequences (N,T,C), with PyTorch's names, initialisation and order of parameters. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "network.h"
#include "row.h"

/* ---- LSTM: input_size, hidden_size, num_layers, bias, dropout, bidirectional ---- */

enum { INPUT_SIZE, HIDDEN_SIZE, NUM_LAYERS, BIAS, DROPOUT, BIDIRECTIONAL };
enum { WEIGHT_IH, WEIGHT_HH, BIAS_IH, BIAS_HH, LSTM_PARTS, STATES = 2, MOST_LAYERS = 64, MOST_WAYS = 2 * MOST_LAYERS };

static long whole(const Module *m, int i) {
  return (long)m->param[i].number;
}

/* Checks a probability, which is argument i of the layer. */
static bool is_probability(const Module *m, int i) {
  const double p = m->param[i].number;
  if (p >= 0 && p < 1) return true;
  return nn_fail("nn.%s: dropout must be from 0 to less than 1, got %g", m->name, p), false;
}

/* 2 if there is a way back through the steps, too. Way w of layer l is number l * ways + w. */
static long ways_of(const Module *m) {
  return m->param[BIDIRECTIONAL].number != 0 ? 2 : 1;
}

static bool lstm_way_build(Module *m, long number) {
  static const char *const names[] = {"weight_ih", "weight_hh", "bias_ih", "bias_hh"};
  const long ways = ways_of(m), layer = number / ways, hidden = whole(m, HIDDEN_SIZE);
  const long width[] = {layer ? ways * hidden : whole(m, INPUT_SIZE), hidden};
  const double bound = 1 / sqrt((double)hidden);
  for (int i = 0; i < LSTM_PARTS; i++) {
    char name[32];
    snprintf(name, sizeof name, "%s_l%ld%s", names[i], layer, number % ways ? "_reverse" : "");
    const bool there = i < BIAS_IH || m->param[BIAS].number != 0;
    Tensor *t = there ? tensor_own(tensor_new(i < BIAS_IH ? 2 : 1, (long[]){4 * hidden, i < BIAS_IH ? width[i] : 1})) : NULL;
    if (there && (!t || !init_uniform(t, -bound, bound))) return false;
    if (!module_add_tensor(m, name, t, false)) return false;
  }
  return true;
}

static bool lstm_build(Module *m) {
  for (int i = INPUT_SIZE; i <= NUM_LAYERS; i++)
    if (!layer_at_least(m, i, 1)) return false;
  if (whole(m, NUM_LAYERS) > MOST_LAYERS)
    return nn_fail("nn.%s: num_layers must be at most %d, got %ld", m->name, MOST_LAYERS, whole(m, NUM_LAYERS)), false;
  if (!is_probability(m, DROPOUT)) return false;
  for (long i = 0; i < whole(m, NUM_LAYERS) * ways_of(m); i++)
    if (!lstm_way_build(m, i)) return false;
  m->more = STATES;
  return true;
}

/* Are x[1] and x[2] states before the first step, (layers*ways,N,hidden)? */
static bool check_states(const Module *m, int n, Tensor *const *x) {
  const long wanted[] = {whole(m, NUM_LAYERS) * ways_of(m), x[0]->shape[0], whole(m, HIDDEN_SIZE)};
  if (n == 1) return true;
  if (n != 1 + STATES) return nn_fail("takes x, or x, h and c, got %d tensors", n), false;
  for (int i = 1; i <= STATES; i++)
    if (!x[i] || x[i]->ndim != 3 || memcmp(x[i]->shape, wanted, sizeof wanted) != 0)
      return nn_fail("%s must be (num_layers%s,N,hidden_size), here %s, got %s", i == 1 ? "h" : "c", ways_of(m) > 1 ? "*2" : "",
                     shape_text(3, wanted), x[i] ? tensor_shape_text(x[i]) : "nothing"),
             false;
  return true;
}

static Tensor *turned(Tensor *t, long way) {
  return way ? tensor_flip(t, 1, (long[]){1}) : t;
}

/* One way through the steps of x, or of the table's rows that x names: h of all steps, (N,T,hidden). last gets h and c after the
 * way's last step. */
static Tensor *lstm_way(Module *m, long number, Tensor *table, Tensor *x, Tensor *const *first, Tensor **last) {
  const long way = number % ways_of(m);
  Tensor *w[LSTM_PARTS];
  for (int i = 0; i < LSTM_PARTS; i++) w[i] = m->tensor[number * LSTM_PARTS + i].tensor;
  Tensor *bias = w[BIAS_IH] ? tensor_add(w[BIAS_IH], w[BIAS_HH]) : NULL;
  Tensor *inputs = tensor_linear(table ? table : turned(x, way), w[WEIGHT_IH], bias);
  Tensor *both = tensor_lstm(inputs, w[WEIGHT_HH], table ? turned(x, way) : NULL, first[0], first[1]);
  for (int i = 0; i < STATES && last; i++) last[i] = tensor_select(tensor_select(both, 0, i), 1, -1);
  return turned(tensor_select(both, 0, 0), way);
}

static Tensor *lstm_forward(Module *m, int n, Tensor *const *x) {
  Tensor *table = layer_take_table(m);
  if (!table && !layer_wants(n > 1 ? 1 : n, x, 3, whole(m, INPUT_SIZE), "(N,T,%ld)")) return NULL;
  if (!check_states(m, n, x)) return NULL;
  const long ways = ways_of(m), all = whole(m, NUM_LAYERS) * ways;
  const bool asked = layer_asked(m);
  Tensor *y = x[0], *last[MOST_WAYS][STATES], *sides[2];
  for (long number = 0; number < all; number++) {
    const long layer = number / ways, way = number % ways;
    Tensor *first[STATES];
    for (int i = 0; i < STATES; i++) first[i] = n > 1 ? tensor_select(x[1 + i], 0, number) : NULL;
    if (layer && !way) y = tensor_dropout(y, m->param[DROPOUT].number, m->training);
    sides[way] = lstm_way(m, number, layer ? NULL : table, y, first, asked ? last[number] : NULL);
    if (way == ways - 1) y = ways > 1 ? tensor_cat(2, sides, -1) : sides[0];
  }
  for (int i = 0; i < STATES && asked; i++) {
    Tensor *of[MOST_WAYS];
    for (long number = 0; number < all; number++) of[number] = last[number][i];
    layer_give(tensor_stack((int)all, of, 0));
  }
  return y;
}

static const Layer lstm = {
    "LSTM",
    "input_size:integer, hidden_size:integer, num_layers:integer=1, bias:boolean=true, dropout:number=0, "
    "bidirectional:boolean=false",
    "Long short-term memory over sequences x (N,T,input_size). Returns three tensors: the output (N,T,hidden_size), and h and c "
    "after the last step, (num_layers,N,hidden_size) each, which go on from there when given after the next x. Dropout is "
    "between layers. bidirectional: each layer goes through the steps from the last to the first, too, which doubles "
    "num_layers and hidden_size of the results.",
    "nn.LSTM(3, 4)(tensor.randn(2, 5, 3))\n"
    "local lstm = nn.LSTM(3, 4, {num_layers=2}); local y, h, c = lstm(tensor.randn(2, 5, 3)); lstm(tensor.randn(2, 1, 3), h, c)\n"
    "nn.LSTM(3, 4, {bidirectional=true})(tensor.randn(2, 5, 3))",
    lstm_build,
    lstm_forward,
};

bool layer_looks_up(const Module *m, const Tensor *table, const Tensor *x) {
  return m->forward == lstm_forward && table->shape[1] == whole(m, INPUT_SIZE) && x->ndim == 2;
}

/* ---- MultiheadAttention: embed_dim, num_heads, dropout, bias, causal ---- */

enum { EMBED_DIM, NUM_HEADS, ATTENTION_DROPOUT, ATTENTION_BIAS, CAUSAL };
enum { IN_PROJ_WEIGHT, IN_PROJ_BIAS }; /* query's, key's and value's, one above the other */
enum { QUERY, KEY, VALUE, SIDES, KEY_PADDING_MASK = SIDES, ATTN_MASK, MOST_GIVEN };

static bool add_in_proj(Module *m, long width) {
  const bool bias = m->param[ATTENTION_BIAS].number != 0;
  Tensor *weight = tensor_own(tensor_new(2, (long[]){SIDES * width, width}));
  Tensor *zeros = bias ? tensor_zeros(1, (long[]){SIDES * width}) : NULL;
  return weight && init_xavier_uniform(weight, 1) && module_add_tensor(m, "in_proj_weight", weight, false) &&
         module_add_tensor(m, "in_proj_bias", zeros, false);
}

static bool attention_build(Module *m) {
  for (int i = EMBED_DIM; i <= NUM_HEADS; i++)
    if (!layer_at_least(m, i, 1)) return false;
  const long width = whole(m, EMBED_DIM);
  if (width % whole(m, NUM_HEADS))
    return nn_fail("nn.%s: embed_dim must be a multiple of num_heads, got %ld and %ld", m->name, width, whole(m, NUM_HEADS)), false;
  if (!is_probability(m, ATTENTION_DROPOUT) || !add_in_proj(m, width)) return false;
  Module *out = module_make("Linear", (double)width, (double)width, m->param[ATTENTION_BIAS].number, NN_END);
  bool ok = out && (!out->tensor[1].tensor || init_constant(out->tensor[1].tensor, 0)) && module_add_child(m, "out_proj", out);
  module_drop(out);
  return ok;
}

/* (N,T,width) to (N,heads,T,D) */
static Tensor *split_heads(const Module *m, Tensor *t) {
  if (!t) return NULL;
  const long heads = whole(m, NUM_HEADS), shape[] = {t->shape[0], t->shape[1], heads, t->shape[2] / heads};
  return tensor_permute(tensor_reshape(t, 4, shape), 4, (long[]){0, 2, 1, 3});
}

/* With dropout of the weights that the values get. */
static Tensor *attend_dropping(const Module *m, Tensor *const *sides, Tensor *mask) {
  Tensor *q = split_heads(m, sides[QUERY]), *k = split_heads(m, sides[KEY]), *v = split_heads(m, sides[VALUE]);
  if (nn_failed()) return NULL;
  const long queries = q->shape[2], keys = k->shape[2];
  Tensor *score = tensor_scale(tensor_matmul(q, tensor_transpose(k, -1, -2)), 1 / sqrt((double)q->shape[3]));
  if (m->param[CAUSAL].number != 0) {
    Tensor *row = tensor_reshape(tensor_arange(1, (double)queries, 1), 2, (long[]){queries, 1});
    score = tensor_add(score, tensor_scale(tensor_gt(tensor_arange(1, (double)keys, 1), row), -1e30));
  }
  if (mask) score = tensor_add(score, mask);
  Tensor *p = tensor_dropout(tensor_softmax(score, -1), m->param[ATTENTION_DROPOUT].number, true);
  return tensor_reshape(tensor_permute(tensor_matmul(p, v), 4, (long[]){0, 2, 1, 3}), 3, sides[QUERY]->shape);
}

static bool check_masks(const Module *m, int n, Tensor *const *x) {
  const long heads = whole(m, NUM_HEADS), samples = x[QUERY]->shape[0], queries = x[QUERY]->shape[1], keys = x[KEY]->shape[1];
  const Tensor *padding = n > KEY_PADDING_MASK ? x[KEY_PADDING_MASK] : NULL, *mask = n > ATTN_MASK ? x[ATTN_MASK] : NULL;
  const long wanted[] = {samples * heads, queries, keys};
  if (padding && (padding->ndim != 2 || padding->shape[0] != samples || padding->shape[1] != keys))
    return nn_fail("key_padding_mask must be (N,S), here (%ld,%ld), got %s", samples, keys, tensor_shape_text(padding)), false;
  if (!mask || (mask->ndim == 2 && !memcmp(mask->shape, wanted + 1, 2 * sizeof *wanted)) ||
      (mask->ndim == 3 && !memcmp(mask->shape, wanted, sizeof wanted)))
    return true;
  return nn_fail("attn_mask must be (T,S), here (%ld,%ld), or (N*heads,T,S), here %s, got %s", queries, keys, shape_text(3, wanted),
                 tensor_shape_text(mask)),
         false;
}

static bool check_sides(const Module *m, int n, Tensor *const *x) {
  if (n != 1 && (n < SIDES || n > MOST_GIVEN))
    return nn_fail("takes x, or query, key, value and then, if need be, key_padding_mask and attn_mask, got %d tensors", n), false;
  for (int i = 0; i < n && i < SIDES; i++)
    if (!layer_wants(1, x + i, 3, whole(m, EMBED_DIM), "(N,T,%ld)")) return false;
  if (n == 1) return true;
  if (x[KEY]->shape[0] == x[QUERY]->shape[0] && tensor_same_shape(x[KEY], x[VALUE])) return check_masks(m, n, x);
  return nn_fail("query must be (N,T,%ld), key and value (N,S,%ld), got %s, %s and %s", whole(m, EMBED_DIM), whole(m, EMBED_DIM),
                 tensor_shape_text(x[QUERY]), tensor_shape_text(x[KEY]), tensor_shape_text(x[VALUE])),
         false;
}

/* Both masks in one, which broadcasts to (N,heads,T,S) */
static Tensor *both_masks(const Module *m, int n, Tensor *const *x) {
  Tensor *mask = n > ATTN_MASK ? tensor_detach(x[ATTN_MASK]) : NULL, *hidden = NULL;
  if (mask && mask->ndim == 3)
    mask = tensor_reshape(mask, 4, (long[]){x[0]->shape[0], whole(m, NUM_HEADS), mask->shape[1], mask->shape[2]});
  if (n > KEY_PADDING_MASK) {
    Tensor *padding = tensor_ne(tensor_detach(x[KEY_PADDING_MASK]), tensor_zeros(0, NULL));
    hidden = tensor_scale(tensor_reshape(padding, 4, (long[]){x[0]->shape[0], 1, 1, x[KEY]->shape[1]}), -1e30);
  }
  return mask ? tensor_add(mask, hidden) : hidden;
}

static Tensor *attention_forward(Module *m, int n, Tensor *const *x) {
  if (!check_sides(m, n, x)) return NULL;
  const long width = whole(m, EMBED_DIM);
  const bool to_itself = n == 1 || (x[KEY] == x[QUERY] && x[VALUE] == x[QUERY]);
  const bool dropping = m->training && m->param[ATTENTION_DROPOUT].number > 0, apart = !to_itself || dropping;
  Tensor *weight = m->tensor[IN_PROJ_WEIGHT].tensor, *bias = m->tensor[IN_PROJ_BIAS].tensor, *sides[SIDES] = {0};
  if (!apart) sides[QUERY] = tensor_linear(x[0], weight, bias);
  for (int i = 0; apart && i < SIDES; i++)
    sides[i] = tensor_linear(x[to_itself ? 0 : i], tensor_narrow(weight, 0, i * width, width),
                             bias ? tensor_narrow(bias, 0, i * width, width) : NULL);
  Tensor *mask = both_masks(m, n, x), *y;
  if (dropping)
    y = attend_dropping(m, sides, mask);
  else
    y = tensor_attention(sides[QUERY], sides[KEY], sides[VALUE], mask, m->param[CAUSAL].number != 0, whole(m, NUM_HEADS));
  return y ? module_forward(m->child[0].module, y) : NULL;
}

static const Layer attention = {
    "MultiheadAttention",
    "embed_dim:integer, num_heads:integer, dropout:number=0, bias:boolean=true, causal:boolean=false",
    "Attention of several heads: x (N,T,embed_dim) to itself, or query (N,T,embed_dim) to key and value (N,S,embed_dim), when "
    "three are given. causal: step t sees only steps up to t. Dropout is of the attention weights. After query, key and value may "
    "come key_padding_mask (N,S), not 0 where a key is to be left out, and attn_mask, (T,S) or (N*num_heads,T,S), which is added "
    "to the scores: -math.huge where a key is not to be seen.",
    "nn.MultiheadAttention(8, 2, {causal=true})(tensor.randn(2, 5, 8))\n"
    "nn.MultiheadAttention(8, 2)(tensor.randn(2, 5, 8), tensor.randn(2, 3, 8), tensor.randn(2, 3, 8))\n"
    "local x = tensor.randn(2, 3, 8); nn.MultiheadAttention(8, 2)(x, x, x, tensor{{0,0,0},{0,0,1}})",
    attention_build,
    attention_forward,
};

const Layer *const layers_sequence[] = {&lstm, &attention, NULL};
