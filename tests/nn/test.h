/* What the C tests are written with: CHECK(condition) anywhere, `return test_done();` at the end of main. */
#ifndef GANDER_TEST_H
#define GANDER_TEST_H

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "nn.h"

static int test_passed, test_failed;

#define CHECK(condition) test_check(condition, #condition, __FILE__, __LINE__)
#define CHECK_NEAR(got, want, tolerance) test_near(got, want, tolerance, #got, __FILE__, __LINE__)
/* The library must have failed with `text` in its message, which is cleared. */
#define CHECK_ERROR(text) test_error(text, __FILE__, __LINE__)

static inline void test_check(int ok, const char *what, const char *file, int line) {
  if (ok) {
    test_passed++;
    return;
  }
  test_failed++;
  printf("FAILED %s:%d: %s%s%s\n", file, line, what, nn_failed() ? "; error: " : "", nn_error());
}

static inline void test_near(double got, double want, double tolerance, const char *what, const char *file, int line) {
  int ok = fabs(got - want) <= tolerance;
  if (!ok) printf("%s is %.9g, not %.9g\n", what, got, want);
  test_check(ok, what, file, line);
}

static inline void test_error(const char *text, const char *file, int line) {
  int ok = nn_failed() && strstr(nn_error(), text) != NULL;
  if (!ok) printf("the error should say: %s\n", text);
  test_check(ok, "error text", file, line);
  nn_clear_error();
}

/* sqrt(sum of squared errors / sum of squares) of `got`, with 0.1 for each: what should be 0 is a sum of numbers of about one. */
static inline double test_distance(const Tensor *got, const double *want) {
  double errors = 0, squares = 1e-30;
  for (long i = 0, n = got ? tensor_numel(got) : 0; i < n; i++) {
    double e = (double)got->data[i] - want[i];
    errors += e * e;
    squares += want[i] * want[i] + 0.1;
  }
  return got ? sqrt(errors / squares) : INFINITY;
}

/* Is it as near to what was computed in double as rounding lets it be? */
static inline void test_close(const Tensor *got, const double *want, const char *what, const char *shape) {
  double distance = test_distance(got, want);
  int ok = distance < (sizeof(real) == 4 ? 2e-6 : 1e-14);
  if (!ok) printf("%s of %s: error %.3g\n", what, shape, distance);
  test_check(ok, "as computed in double", what, 0);
}

static inline int test_done(void) {
  if (nn_failed()) test_check(0, "no error is left over", __FILE__, __LINE__);
  printf("%d passed, %d failed\n", test_passed, test_failed);
  return test_failed != 0;
}

#endif
