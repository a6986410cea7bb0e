/* Attention (Vaswani et al. 2017): each query gets the mean of the values, weighed by the softmax of its products with the keys. */
#include "../kernels/attention.h"

#include <math.h>
#include <string.h>

#include "../row.h"

enum { QUERY, KEY, VALUE, SIDES, ATTN_MASK = SIDES, TENSORS };
enum { IS_CAUSAL, HEADS }; /* parameters */

static const double HIDDEN = -1e30; /* added to a score so that its power is 0, where -INFINITY would spread */

static bool packed(const Call *c) {
  return c->n < SIDES || !c->in[VALUE];
}

static long last(const Tensor *t) {
  return t->shape[t->ndim - 1];
}

static long before_last(const Tensor *t) {
  return t->shape[t->ndim - 2];
}

static Tensor *side(const Call *c, int i) {
  return c->in[packed(c) ? QUERY : i];
}

/* Heads times numbers in a query; in a value. */
static long depth_of(const Call *c) {
  return packed(c) ? last(c->in[QUERY]) / 3 : last(c->in[QUERY]);
}

static long width_of(const Call *c) {
  return packed(c) ? last(c->in[QUERY]) / 3 : last(c->in[VALUE]);
}

static bool check_sides(Call *c) {
  Tensor *q = c->in[QUERY], *k = c->in[KEY], *v = c->in[VALUE];
  bool fits = k->ndim == q->ndim && v->ndim == q->ndim && last(k) == last(q) && before_last(k) == before_last(v);
  for (int i = 0; fits && i < q->ndim - 2; i++) fits = k->shape[i] == q->shape[i] && v->shape[i] == q->shape[i];
  if (fits) return true;
  return call_fail(c, "query (...,T,heads*D), key (...,S,heads*D) and value (...,S,heads*E) expected, got %s, %s and %s",
                   tensor_shape_text(q), tensor_shape_text(k), tensor_shape_text(v));
}

static Tensor *mask_of(const Call *c) {
  return c->n > ATTN_MASK ? c->in[ATTN_MASK] : NULL;
}

/* Of the scores, which the mask is broadcast to: (...,T,S), or (...,heads,T,S) if there are several or the mask has a dimension
 * for the only one. */
static int scores_shape(const Call *c, long *shape) {
  const Tensor *q = c->in[QUERY];
  const long heads = (long)c->param[HEADS].number;
  int n = q->ndim - 2;
  memcpy(shape, q->shape, (size_t)n * sizeof *shape);
  if (heads > 1 || mask_of(c)->ndim > q->ndim) shape[n++] = heads;
  shape[n++] = before_last(q);
  shape[n++] = before_last(side(c, KEY));
  return n;
}

static bool check_mask(Call *c) {
  const Tensor *mask = mask_of(c);
  long shape[NN_DIMS + 1];
  if (!mask) return true;
  const int n = scores_shape(c, shape);
  bool fits = n <= NN_DIMS && mask->ndim && mask->ndim <= n && last(mask) == shape[n - 1];
  for (int i = 1; fits && i < mask->ndim; i++) {
    const long is = mask->shape[mask->ndim - 1 - i];
    fits = is == 1 || is == shape[n - 1 - i];
  }
  return fits || call_fail(c, "attn_mask must end in the %ld keys and broadcast to the scores %s, got %s",
                           before_last(side(c, KEY)), shape_text(n, shape), tensor_shape_text(mask));
}

static Mask mask_lines(const Call *c) {
  const Tensor *mask = mask_of(c);
  long shape[NN_DIMS + 1], size = 1;
  if (!mask) return (Mask){0};
  const int n = scores_shape(c, shape);
  Mask m = {.data = mask->data, .ndim = n - 1};
  for (int i = 0; i < n; i++) {
    const long is = i < mask->ndim ? mask->shape[mask->ndim - 1 - i] : 1;
    if (i) m.side[n - 1 - i] = shape[n - 1 - i];
    if (i) m.step[n - 1 - i] = is > 1 ? size : 0;
    size *= is;
  }
  return m;
}

static bool attention_shape(Call *c) {
  const long heads = (long)c->param[HEADS].number;
  const int given = c->n < SIDES ? c->n : SIDES;
  for (int i = 0; i < given; i++)
    if (c->in[i] && c->in[i]->ndim < 2)
      return call_fail(c, "%s must be (...,T,heads*D), got %s", op_signature(c->op)->arg[i].name, tensor_shape_text(c->in[i]));
  if (packed(c) && c->n > KEY && c->in[KEY]) return call_fail(c, "key and value go together, got only key");
  if (!packed(c) && !c->in[KEY]) return call_fail(c, "key and value go together, got only value");
  if (!packed(c) && !check_sides(c)) return false;
  const long parts = packed(c) ? 3 * heads : heads;
  for (int i = 0; heads < 1 || i < given; i++)
    if (heads < 1 || (c->in[i] && (last(c->in[i]) % parts || !last(c->in[i]))))
      return call_fail(c, "the last dimension must be a multiple of %s, got heads=%ld and %s of shape %s",
                       packed(c) ? "3 * heads, for query, key and value" : "heads", heads, op_signature(c->op)->arg[i].name,
                       tensor_shape_text(c->in[i]));
  if (!before_last(side(c, KEY))) return call_fail(c, "there must be at least one key, got %s", tensor_shape_text(side(c, KEY)));
  if (!check_mask(c)) return false;
  call_same(c);
  c->shape[c->ndim - 1] = width_of(c);
  return true;
}

/* Query, key and value in tensors of their own or in one. */
static void sides(const Call *c, Tensor *const *t, Side *s) {
  for (int i = 0; i < SIDES; i++) {
    Tensor *from = t[packed(c) ? QUERY : i];
    s[i] = (Side){from ? from->data + (packed(c) ? i * depth_of(c) : 0) : NULL, from ? last(from) : 0};
  }
}

static Attention attention_of(const Call *c) {
  const long heads = (long)c->param[HEADS].number, size = tensor_numel(c->extra[0]) / 2;
  Side s[SIDES];
  sides(c, c->in, s);
  return (Attention){.n = shape_product(c->shape, 0, c->ndim - 2),
                     .heads = heads,
                     .queries = c->shape[c->ndim - 2],
                     .keys = before_last(side(c, KEY)),
                     .depth = depth_of(c) / heads,
                     .width = width_of(c) / heads,
                     .causal = c->param[IS_CAUSAL].number != 0,
                     .q = s[QUERY],
                     .k = s[KEY],
                     .v = s[VALUE],
                     .mask = mask_lines(c),
                     .out = {c->out->data, last(c->out)},
                     .largest = c->extra[0]->data,
                     .share = c->extra[0]->data + size};
}

/* extra[0]: (2,N*heads*T), of each query the largest score and what its powers are multiplied by */
static bool attention_forward(Call *c) {
  const long rows = shape_product(c->shape, 0, c->ndim - 1) * (long)c->param[HEADS].number;
  c->extra[0] = tensor_new(2, (long[]){2, rows});
  if (!c->extra[0]) return false;
  const Attention a = attention_of(c);
  return attention_run(&a);
}

static void attention_fused(Call *c, Tensor *g, Tensor **d) {
  const int n = packed(c) ? 1 : SIDES;
  Tensor *grad[SIDES] = {0};
  for (int i = 0; i < n; i++)
    if (!(grad[i] = tensor_own(tensor_new(c->in[i]->ndim, c->in[i]->shape)))) return;
  const Attention a = attention_of(c);
  Side s[SIDES];
  sides(c, grad, s);
  if (!attention_back(&a, (Side){g->data, last(g)}, s[QUERY], s[KEY], s[VALUE])) return;
  for (int i = 0; i < n; i++)
    if (c->want[i]) d[i] = grad[i];
}

/* ---- the gradient in ops ---- */

/* (...,T,heads*D) to (N,heads,T,D) */
static Tensor *split_heads(const Call *c, Tensor *t) {
  const long heads = (long)c->param[HEADS].number, batch = t ? shape_product(t->shape, 0, t->ndim - 2) : 0;
  if (!t) return NULL;
  return tensor_permute(tensor_reshape(t, 4, (long[]){batch, before_last(t), heads, last(t) / heads}), 4, (long[]){0, 2, 1, 3});
}

/* (N,heads,T,D) to (...,T,heads*D), with the leading dimensions of the call's */
static Tensor *join_heads(const Call *c, Tensor *t) {
  long shape[NN_DIMS];
  if (!t) return NULL;
  memcpy(shape, c->shape, sizeof shape);
  shape[c->ndim - 2] = t->shape[2];
  shape[c->ndim - 1] = t->shape[1] * t->shape[3];
  return tensor_reshape(tensor_permute(t, 4, (long[]){0, 2, 1, 3}), c->ndim, shape);
}

static Tensor *causal_mask(long queries, long keys) {
  Tensor *i = tensor_arange(1, (double)queries, 1), *j = tensor_arange(1, (double)keys, 1);
  return tensor_scale(tensor_gt(j, tensor_reshape(i, 2, (long[]){queries, 1})), HIDDEN);
}

/* The mask over (N,heads,T,S) */
static Tensor *whole_mask(const Call *c, Tensor *mask) {
  long shape[NN_DIMS + 1], *all = (long[]){shape_product(c->shape, 0, c->ndim - 2), (long)c->param[HEADS].number,
                                           before_last(c->in[QUERY]), before_last(side(c, KEY))};
  const int n = scores_shape(c, shape);
  return tensor_reshape(tensor_expand(tensor_clamp(mask, HIDDEN, INFINITY), n, shape), 4, all);
}

/* Probabilities of the keys; 0 for what is hidden, even of a query from which all keys are. */
static Tensor *shares(const Call *c, Tensor *score) {
  Tensor *causal = c->param[IS_CAUSAL].number != 0 ? causal_mask(before_last(score), last(score)) : NULL, *mask = mask_of(c);
  if (mask) mask = causal ? tensor_add(whole_mask(c, mask), causal) : whole_mask(c, mask);
  if (!mask) return tensor_softmax(causal ? tensor_add(score, causal) : score, -1);
  return tensor_mul(tensor_softmax(tensor_add(score, mask), -1), tensor_gt(mask, tensor_full(HIDDEN, 0, NULL)));
}

static void attention_backward(Call *c, Tensor *g, Tensor **d) {
  Tensor *part[SIDES], *grad[SIDES];
  for (int i = 0; i < SIDES; i++) {
    Tensor *t = side(c, i);
    part[i] = split_heads(c, packed(c) ? tensor_narrow(t, -1, i * depth_of(c), depth_of(c)) : t);
  }
  g = split_heads(c, g);
  if (nn_failed()) return;
  const double scale = 1 / sqrt((double)last(part[QUERY]));
  Tensor *score = tensor_scale(tensor_matmul(part[QUERY], tensor_transpose(part[KEY], -1, -2)), scale);
  if (nn_failed()) return;
  Tensor *p = shares(c, score), *dp = tensor_matmul(g, tensor_transpose(part[VALUE], -1, -2));
  Tensor *sum = tensor_sum(tensor_mul(dp, p), 1, (long[]){-1}, true);
  Tensor *slope = tensor_scale(tensor_mul(p, tensor_sub(dp, sum)), scale);
  grad[QUERY] = join_heads(c, tensor_matmul(slope, part[KEY]));
  grad[KEY] = join_heads(c, tensor_matmul(tensor_transpose(slope, -1, -2), part[QUERY]));
  grad[VALUE] = join_heads(c, tensor_matmul(tensor_transpose(p, -1, -2), g));
  if (packed(c))
    d[QUERY] = tensor_cat(SIDES, grad, -1);
  else
    for (int i = 0; i < SIDES; i++)
      if (c->want[i]) d[i] = grad[i];
}

static const Op attention_row = {
    "scaled_dot_product_attention",
    "query, key?, value?, attn_mask:constant?, is_causal:boolean=false, heads:integer=1",
    "softmax(query keyT / sqrt(D) + attn_mask) value over the last two dimensions: query (...,T,D), key (...,S,D), value (...,S,E) "
    "to (...,T,E). "
    "attn_mask is broadcast to (...,T,S): 0 where a query sees a key, -math.huge where not. "
    "is_causal: query t sees only keys up to t. Several heads may stand side by side in the last dimension, (...,T,heads*D); "
    "attn_mask is then broadcast to (...,heads,T,S). "
    "Without key and value, query holds all three, one behind the other in the last dimension.",
    "tensor.randn(2,3,4):scaled_dot_product_attention(tensor.randn(2,5,4), tensor.randn(2,5,6), {heads=2})\n"
    "tensor.randn(1,2,4,3):scaled_dot_product_attention(tensor.randn(1,2,4,3), tensor.randn(1,2,4,2), {is_causal=true})\n"
    "tensor.randn(1,2,3):scaled_dot_product_attention(tensor.randn(1,3,3), tensor.randn(1,3,2), tensor{{0,-math.huge,1},{0,0,0}})\n"
    "tensor.randn(2,4,12):scaled_dot_product_attention({is_causal=true, heads=2})",
    .shape = attention_shape,
    .forward = attention_forward,
    .backward = attention_backward,
    .fused = attention_fused,
    .needs = "query key value attn_mask out"};

Tensor *tensor_attention(Tensor *query, Tensor *key, Tensor *value, Tensor *attn_mask, bool is_causal, long heads) {
  return op_call(&attention_row, TENSORS, (Tensor *[]){query, key, value, attn_mask},
                 (Param[]){{.number = is_causal}, {.number = (double)heads}});
}

const Op *const ops_attention[] = {&attention_row, NULL};
