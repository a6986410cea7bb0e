/* Losses, composed of ops, with PyTorch's formulas and defaults. The first argument of each is the reduction. */
#include <math.h>
#include <string.h>

#include "nn.h"

enum { BATCHMEAN = REDUCTION_NONE + 1 }; /* KLDivLoss: the sum divided by the number of samples */

static Tensor *reduce(const Param *params, Tensor *loss) {
  switch (loss ? (int)params[0].number : REDUCTION_NONE) {
    case REDUCTION_MEAN: return tensor_mean(loss, 0, NULL, false);
    case REDUCTION_SUM: return tensor_sum(loss, 0, NULL, false);
    case BATCHMEAN: return tensor_scale(tensor_sum(loss, 0, NULL, false), 1 / (double)(loss->ndim ? loss->shape[0] : 1));
    default: return loss;
  }
}

/* Do they have one shape, or is target one number for all? */
static bool matching(const char *name, const Tensor *input, const Tensor *target) {
  if (!input || !target || nn_failed()) return false;
  if (tensor_same_shape(input, target) || !target->ndim) return true;
  return nn_fail("%s(input, target): both must have the same shape, got %s and %s", name, tensor_shape_text(input),
                 tensor_shape_text(target)),
         false;
}

/* ---- distances ---- */

static Tensor *mse(const Param *params, Tensor *input, Tensor *target) {
  if (!matching("MSELoss", input, target)) return NULL;
  return reduce(params, tensor_square(tensor_sub(input, target)));
}

static const Loss mse_loss = {
    "MSELoss",
    "reduction:mean|sum|none=mean",
    "Squared difference of input and target.",
    "nn.MSELoss()(tensor.randn(2, 3), tensor.randn(2, 3))\nnn.MSELoss{reduction=\"sum\"}(tensor.randn(2, 3), 1)",
    mse,
};

static Tensor *l1(const Param *params, Tensor *input, Tensor *target) {
  if (!matching("L1Loss", input, target)) return NULL;
  return reduce(params, tensor_abs(tensor_sub(input, target)));
}

static const Loss l1_loss = {
    "L1Loss",
    "reduction:mean|sum|none=mean",
    "Absolute difference of input and target.",
    "nn.L1Loss()(tensor.randn(2, 3), tensor.randn(2, 3))",
    l1,
};

/* ---- classes ---- */

/* Are the labels whole numbers from 1 to the number of classes, one for each row of input? */
static bool labels_fit(const char *name, const Tensor *input, const Tensor *labels) {
  long classes = input->shape[input->ndim - 1];
  if (!labels->data) return nn_fail("%s(input, target): the memory of target was freed", name), false;
  for (long i = 0, n = tensor_numel(labels); i < n; i++) {
    double label = (double)labels->data[i];
    if (label >= 1 && label <= (double)classes && label == floor(label)) continue;
    return nn_fail("%s(input, target): label %g at position %ld; labels are whole numbers from 1 to %ld for input %s", name, label,
                   i + 1, classes, tensor_shape_text(input)),
           false;
  }
  return true;
}

static bool is_labels(const Tensor *input, const Tensor *target) {
  return input->ndim && target->ndim == input->ndim - 1 &&
         !memcmp(target->shape, input->shape, (size_t)target->ndim * sizeof *target->shape);
}

static bool classes_fit(const char *name, const Tensor *input, const Tensor *target, bool probabilities) {
  if (!input || !target || nn_failed()) return false;
  if (is_labels(input, target)) return labels_fit(name, input, target);
  if (probabilities && input->ndim && tensor_same_shape(input, target)) return true;
  if (!input->ndim) return nn_fail("%s(input, target): input must be (...,C), got one number", name), false;
  return nn_fail("%s(input, target): target must hold a label for each row%s: shape %s%s%s for input %s, got %s", name,
                 probabilities ? ", or probabilities" : "", shape_text(input->ndim - 1, input->shape), probabilities ? " or " : "",
                 probabilities ? tensor_shape_text(input) : "", tensor_shape_text(input), tensor_shape_text(target)),
         false;
}

/* The element of each row of x (...,C) that its label names. */
static Tensor *pick(Tensor *x, Tensor *labels) {
  long shape[NN_DIMS];
  memcpy(shape, x->shape, sizeof shape);
  shape[x->ndim - 1] = 1;
  Tensor *picked = tensor_gather(x, -1, tensor_reshape(labels, x->ndim, shape));
  return picked ? tensor_reshape(picked, labels->ndim, labels->shape) : NULL;
}

static Tensor *nll(const Param *params, Tensor *input, Tensor *target) {
  if (!classes_fit("NLLLoss", input, target, false)) return NULL;
  return reduce(params, tensor_neg(pick(input, target)));
}

static const Loss nll_loss = {
    "NLLLoss",
    "reduction:mean|sum|none=mean",
    "Minus the log-probability, of input (...,C), of each label, counted from 1.",
    "nn.NLLLoss()(tensor.randn(4, 3):log_softmax(-1), tensor{1, 3, 2, 1})",
    nll,
};

/* (1 - e) times the label's or the probabilities' own part and e times that of all classes alike. */
static Tensor *cross_entropy(const Param *params, Tensor *input, Tensor *target) {
  double smoothing = params[1].number;
  if (!classes_fit("CrossEntropyLoss", input, target, true)) return NULL;
  if (!(smoothing >= 0 && smoothing <= 1))
    return nn_fail("CrossEntropyLoss: label_smoothing must lie between 0 and 1, got %g", smoothing);
  if (smoothing == 0 && is_labels(input, target)) return reduce(params, tensor_cross_entropy(input, target));
  const long last = -1;
  Tensor *log_p = tensor_log_softmax(input, last);
  if (!log_p) return NULL;
  Tensor *own = is_labels(input, target) ? pick(log_p, target) : tensor_sum(tensor_mul(target, log_p), 1, &last, false);
  if (smoothing > 0)
    own = tensor_add(tensor_scale(own, 1 - smoothing), tensor_scale(tensor_mean(log_p, 1, &last, false), smoothing));
  return reduce(params, tensor_neg(own));
}

static const Loss cross_entropy_loss = {
    "CrossEntropyLoss",
    "reduction:mean|sum|none=mean, label_smoothing:number=0",
    "Minus the log-probability that logits (...,C) give to each label (counted from 1), or expected under probabilities (...,C).",
    "nn.CrossEntropyLoss()(tensor.randn(4, 3), tensor{1, 3, 2, 1})\n"
    "nn.CrossEntropyLoss{label_smoothing=0.1}(tensor.randn(2, 3), tensor{{1, 0, 0}, {0.5, 0.5, 0}})",
    cross_entropy,
};

/* ---- yes or no ---- */

/* log x, but -100 near 0, where its slope is 0: so that 0 times it is 0. NaN stays NaN. */
static Tensor *bounded_log(Tensor *x) {
  const double smallest = 1e-37; /* whose logarithm and slope a float holds */
  Tensor *below = tensor_lt(x, tensor_scalar(smallest));
  return tensor_where(below, tensor_scalar(-100), tensor_log(tensor_where(below, tensor_scalar(1), x)));
}

static bool between_0_and_1(const Tensor *input) {
  if (!input->data) return nn_fail("BCELoss(input, target): the memory of input was freed"), false;
  for (long i = 0, n = tensor_numel(input); i < n; i++)
    if (input->data[i] < 0 || input->data[i] > 1)
      return nn_fail("BCELoss(input, target): input must lie between 0 and 1, got %g at position %ld; for logits take "
                     "BCEWithLogitsLoss",
                     (double)input->data[i], i + 1),
             false;
  return true;
}

/* -(t log x + (1 - t) log(1 - x)) */
static Tensor *bce(const Param *params, Tensor *input, Tensor *target) {
  if (!matching("BCELoss", input, target) || !between_0_and_1(input)) return NULL;
  Tensor *yes = tensor_mul(target, bounded_log(input));
  Tensor *no = tensor_mul(tensor_shift(tensor_neg(target), 1), bounded_log(tensor_shift(tensor_neg(input), 1)));
  return reduce(params, tensor_neg(tensor_add(yes, no)));
}

static const Loss bce_loss = {
    "BCELoss",
    "reduction:mean|sum|none=mean",
    "Binary cross entropy of probabilities, logarithms bounded at -100; target from 0 to 1.",
    "nn.BCELoss()(tensor.rand(2, 3), tensor.bernoulli(0.5, 2, 3))\nnn.BCELoss()(tensor.rand(4, 1), 1)",
    bce,
};

/* p t softplus(-x) + (1 - t) softplus(x): exact for logits of any size */
static Tensor *bce_with_logits(const Param *params, Tensor *input, Tensor *target) {
  if (!matching("BCEWithLogitsLoss", input, target)) return NULL;
  return reduce(params, tensor_bce_with_logits(input, target, params[1].number));
}

static const Loss bce_with_logits_loss = {
    "BCEWithLogitsLoss",
    "reduction:mean|sum|none=mean, pos_weight:number=1",
    "Binary cross entropy of logits; target from 0 to 1; pos_weight multiplies the part of target.",
    "nn.BCEWithLogitsLoss()(tensor.randn(2, 3), tensor.bernoulli(0.5, 2, 3))\nnn.BCEWithLogitsLoss()(tensor.randn(4, 1), 1)",
    bce_with_logits,
};

static Tensor *hinge(const Param *params, Tensor *input, Tensor *target) {
  if (!matching("HingeLoss", input, target)) return NULL;
  return reduce(params, tensor_relu(tensor_shift(tensor_neg(tensor_mul(input, target)), 1)));
}

static const Loss hinge_loss = {
    "HingeLoss",
    "reduction:mean|sum|none=mean",
    "max(0, 1 - input target), target 1 or -1.",
    "nn.HingeLoss()(tensor.randn(2, 3), tensor.bernoulli(0.5, 2, 3) * 2 - 1)\nnn.HingeLoss()(tensor.randn(4, 1), -1)",
    hinge,
};

/* ---- distributions ---- */

/* t (log t - x), or e^t (t - x) of log-probabilities t; 0 where t is 0 */
static Tensor *kl_div(const Param *params, Tensor *input, Tensor *target) {
  if (!matching("KLDivLoss", input, target)) return NULL;
  if (params[1].number) return reduce(params, tensor_mul(tensor_exp(target), tensor_sub(target, input)));
  return reduce(params, tensor_mul(target, tensor_sub(bounded_log(target), input)));
}

static const Loss kl_div_loss = {
    "KLDivLoss",
    "reduction:mean|sum|none|batchmean=mean, log_target:boolean=false",
    "Kullback-Leibler divergence of target (probabilities) from input (log-probabilities); batchmean is the mathematical one.",
    "nn.KLDivLoss{reduction=\"batchmean\"}(tensor.randn(2, 3):log_softmax(-1), tensor.randn(2, 3):softmax(-1))",
    kl_div,
};

/* ---- the list ---- */

static const Loss *const rows[] = {&mse_loss,   &l1_loss,    &cross_entropy_loss, &nll_loss, &bce_loss, &bce_with_logits_loss,
                                   &hinge_loss, &kl_div_loss};
enum { ROWS = sizeof rows / sizeof *rows };

int losses_count(void) {
  return ROWS;
}

const Loss *losses_at(int i) {
  return rows[i];
}

const Loss *losses_find(const char *name) {
  for (int i = 0; i < ROWS; i++)
    if (!strcmp(rows[i]->name, name)) return rows[i];
  return NULL;
}

Tensor *loss_call(const char *name, Tensor *input, Tensor *target) {
  const Loss *row = losses_find(name);
  Signature s;
  Param params[NN_ARGS];
  if (!row) return nn_fail("loss_call: there is no loss called %s", name);
  if (!signature_parse(row->args, &s)) return NULL;
  for (int i = 0; i < s.count; i++) params[i] = s.arg[i].fallback;
  size_t scope = scope_enter();
  return scope_leave(scope, row->forward(params, input, target));
}
