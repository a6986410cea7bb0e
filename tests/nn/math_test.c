/* How far the vector functions are from the true values, in units in the last place of a float, over the whole range. */
#include "test.h"

#include <float.h>

enum { EVERY = 509 }; /* of all 2^32 floats, one in this many is tried */

static Tensor *all_floats(void) {
  long n = (long)(UINT32_MAX / EVERY) + 1;
  Tensor *x = tensor_zeros(1, &n);
  for (long i = 0; i < n && x; i++) {
    uint32_t bits = (uint32_t)i * EVERY;
    float value;
    memcpy(&value, &bits, sizeof value);
    x->data[i] = (real)value;
  }
  return x;
}

static double ulps(real got, double want) {
  if (isnan(want)) return isnan(got) ? 0 : INFINITY;
  if (isinf((float)want)) return (float)got == (float)want ? 0 : INFINITY;
  int exponent;
  frexp(fmax(fabs(want), (double)FLT_MIN), &exponent);
  return fabs((double)got - want) / ldexp(1, exponent - 24);
}

/* Elements outside from..to are not looked at. */
static void measure(const char *name, Tensor *x, Tensor *y, double (*truth)(double), double from, double to, double most) {
  double worst = 0, at = 0;
  for (long i = 0, n = tensor_numel(x); i < n && y; i++) {
    double value = (double)x->data[i];
    if (value < from || value > to) continue;
    double off = ulps(y->data[i], truth(value));
    if (!(off <= worst)) worst = off, at = value;
  }
  printf("%-10s %.2f ulp at %.9g\n", name, worst, at);
  CHECK(y != NULL && worst <= most);
}

static double sigmoid(double x) {
  return 1 / (1 + exp(-x));
}

static double gelu(double x) {
  return x * erfc(-x * sqrt(0.5)) / 2;
}

static double silu(double x) {
  return x / (1 + exp(-x));
}

static double softplus(double x) {
  return fmax(x, 0) + log1p(exp(-fabs(x)));
}

static double elu(double x) {
  return x > 0 ? x : expm1(x);
}

/* Of all kinds of base and exponent, against the C library's in double; special ones must be as C has them, zeros' signs too. */
static void powers(void) {
  const real special[] = {
      0,        -0.0f, 1,  -1,      2,          -2,   3,     -3,    0.5f,  -0.5f,      1e-40f,     -1e-40f,        FLT_MAX,
      -FLT_MAX, 15,    16, 8388609, 8388607.5f, 1e9f, -1e9f, 1e-9f, 0.75f, 1.0000001f, 0.9999999f, (real)INFINITY, -(real)INFINITY,
      (real)NAN};
  const long n = sizeof special / sizeof *special, random = 100000, all = n * n + random;
  Tensor *a = tensor_new(1, &all), *b = tensor_new(1, &all), *size = tensor_randn(1, &random), *exponent = tensor_randn(1, &random);
  for (long i = 0; i < n * n; i++) a->data[i] = special[i / n], b->data[i] = special[i % n];
  for (long i = 0; i < random; i++) {
    a->data[n * n + i] = (real)exp(5 * (double)size->data[i]);
    b->data[n * n + i] = exponent->data[i] * 7;
  }
  Tensor *y = tensor_pow(a, b);
  double worst = 0;
  for (long i = 0; i < all; i++) {
    double want = pow((double)a->data[i], (double)b->data[i]), off = ulps(y->data[i], want);
    if (sizeof(real) == sizeof(float) && fabs(want) < (double)FLT_MIN) off = fabs((double)y->data[i] - want) > 1.5e-45;
    if (signbit(want) != signbit((double)y->data[i]) && !isnan(want)) off = INFINITY;
    if (!(off <= worst)) worst = off;
  }
  printf("%-10s %.2f ulp\n", "pow", worst);
  CHECK(worst <= 1);
  tensor_drop(a), tensor_drop(b);
}

int main(void) {
  size_t scope = scope_enter();
  Tensor *x = all_floats();
  measure("exp", x, tensor_exp(x), exp, -INFINITY, INFINITY, 1);
  measure("log", x, tensor_log(x), log, -INFINITY, INFINITY, 1);
  measure("log1p", x, tensor_log1p(x), log1p, -INFINITY, INFINITY, 2);
  measure("sin", x, tensor_sin(x), sin, -INFINITY, INFINITY, 2);
  measure("cos", x, tensor_cos(x), cos, -INFINITY, INFINITY, 2);
  powers();
  measure("tanh", x, tensor_tanh(x), tanh, -INFINITY, INFINITY, 2);
  measure("sigmoid", x, tensor_sigmoid(x), sigmoid, -INFINITY, INFINITY, 2);
  measure("erf", x, tensor_erf(x), erf, -INFINITY, INFINITY, 2);
  measure("elu", x, tensor_elu(x, 1), elu, -INFINITY, INFINITY, 2);
  measure("softplus", x, tensor_softplus(x), softplus, -87, INFINITY, 3);
  measure("silu", x, tensor_silu(x), silu, -87, FLT_MAX, 3);
  measure("gelu", x, tensor_gelu(x), gelu, -2, FLT_MAX, 3);
  measure("gelu", x, tensor_gelu(x), gelu, -13, -2, 4);
  scope_leave(scope, NULL);
  return test_done();
}
