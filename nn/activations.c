/* Activations as layers, with PyTorch's names and defaults. */
#include "network.h"

static bool one(int n, Tensor *const *x) {
  if (n == 1 && x[0]) return true;
  return nn_fail("takes one tensor, got %d", n == 1 ? 0 : n), false;
}

static Tensor *relu_forward(Module *m, int n, Tensor *const *x) {
  (void)m;
  return one(n, x) ? tensor_relu(x[0]) : NULL;
}
static const Layer relu_layer = {
    "ReLU", "", "max(x, 0).", "nn.ReLU()(tensor.randn(2, 3))", NULL, relu_forward,
};

static Tensor *leaky_relu_forward(Module *m, int n, Tensor *const *x) {
  return one(n, x) ? tensor_leaky_relu(x[0], m->param[0].number) : NULL;
}
static const Layer leaky_relu_layer = {
    "LeakyReLU",
    "negative_slope:number=0.01",
    "x where it is positive, else x times negative_slope.",
    "nn.LeakyReLU(0.2)(tensor.randn(2, 3))",
    NULL,
    leaky_relu_forward,
};

static Tensor *elu_forward(Module *m, int n, Tensor *const *x) {
  return one(n, x) ? tensor_elu(x[0], m->param[0].number) : NULL;
}
static const Layer elu_layer = {
    "ELU", "alpha:number=1", "x where it is positive, else alpha (e^x - 1).", "nn.ELU()(tensor.randn(2, 3))", NULL, elu_forward,
};

static Tensor *gelu_forward(Module *m, int n, Tensor *const *x) {
  (void)m;
  return one(n, x) ? tensor_gelu(x[0]) : NULL;
}
static const Layer gelu_layer = {
    "GELU", "", "x times the normal distribution function of x.", "nn.GELU()(tensor.randn(2, 3))", NULL, gelu_forward,
};

static Tensor *silu_forward(Module *m, int n, Tensor *const *x) {
  (void)m;
  return one(n, x) ? tensor_silu(x[0]) : NULL;
}
static const Layer silu_layer = {
    "SiLU", "", "x times sigmoid(x).", "nn.SiLU()(tensor.randn(2, 3))", NULL, silu_forward,
};

static Tensor *tanh_forward(Module *m, int n, Tensor *const *x) {
  (void)m;
  return one(n, x) ? tensor_tanh(x[0]) : NULL;
}
static const Layer tanh_layer = {
    "Tanh", "", "Hyperbolic tangent, into -1..1.", "nn.Tanh()(tensor.randn(2, 3))", NULL, tanh_forward,
};

static Tensor *sigmoid_forward(Module *m, int n, Tensor *const *x) {
  (void)m;
  return one(n, x) ? tensor_sigmoid(x[0]) : NULL;
}
static const Layer sigmoid_layer = {
    "Sigmoid", "", "1 / (1 + e^-x), into 0..1.", "nn.Sigmoid()(tensor.randn(2, 3))", NULL, sigmoid_forward,
};

static Tensor *softplus_forward(Module *m, int n, Tensor *const *x) {
  (void)m;
  return one(n, x) ? tensor_softplus(x[0]) : NULL;
}
static const Layer softplus_layer = {
    "Softplus", "", "log(1 + e^x), a smooth ReLU.", "nn.Softplus()(tensor.randn(2, 3))", NULL, softplus_forward,
};

static Tensor *softmax_forward(Module *m, int n, Tensor *const *x) {
  return one(n, x) ? tensor_softmax(x[0], (long)m->param[0].number) : NULL;
}
static const Layer softmax_layer = {
    "Softmax", "dim:dim=-1",    "e^x divided by its sum over dim: probabilities.", "nn.Softmax()(tensor.randn(2, 3))",
    NULL,      softmax_forward,
};

static Tensor *log_softmax_forward(Module *m, int n, Tensor *const *x) {
  return one(n, x) ? tensor_log_softmax(x[0], (long)m->param[0].number) : NULL;
}
static const Layer log_softmax_layer = {
    "LogSoftmax", "dim:dim=-1", "Logarithm of softmax over dim.", "nn.LogSoftmax()(tensor.randn(2, 3))", NULL, log_softmax_forward,
};

/* A slope that leaky_relu refuses is left to it to complain of. */
bool layer_is_activation(const Module *m, Activation *a) {
  *a = (Activation){0};
  if (!m) return false;
  if (m->forward == relu_forward) a->kind = ACTIVATION_RELU;
  if (m->forward == sigmoid_forward) a->kind = ACTIVATION_SIGMOID;
  if (m->forward == tanh_forward) a->kind = ACTIVATION_TANH;
  if (m->forward == leaky_relu_forward && m->param[0].number >= 0) *a = (Activation){ACTIVATION_LEAKY_RELU, m->param[0].number};
  return a->kind != ACTIVATION_NONE;
}

const Layer *const layers_activation[] = {&relu_layer, &leaky_relu_layer, &elu_layer,      &gelu_layer,    &silu_layer,
                                          &tanh_layer, &sigmoid_layer,    &softplus_layer, &softmax_layer, &log_softmax_layer,
                                          NULL};
