/* Random numbers drawn many at a time: each is the same however a stream is cut, and normals are as Box and Muller have them. */
#include "../../nn/kernels/draw.h"
#include "test.h"

enum { N = 1003 };

static real unit(uint32_t word) {
  return (real)((word >> 8) / 16777216.0);
}

/* Against single blocks; the counter's low half overflows on the way. */
static void test_blocks(void) {
  const Random at = {0x123456789abcdef, 0xfffffff0};
  real u[N], z[N];
  draw_uniform(at, u, N);
  draw_normal(at, z, N);
  double worst = 0;
  bool same = true;
  for (int i = 0; i < N; i += 4) {
    uint32_t word[4];
    draw_block((Random){at.seed, at.position + (uint64_t)i / 4}, word);
    for (int k = 0; k < 4 && i + k < N; k++) {
      double r = sqrt(-2 * log(1 - (double)unit(word[k & 2]))), angle = 6.283185307179586 * word[k | 1] / 4294967296.0;
      double want = k & 1 ? r * sin(angle) : r * cos(angle);
      same = same && u[i + k] == unit(word[k]);
      worst = fmax(worst, fabs((double)z[i + k] - want) / (fabs(want) + 1e-30));
    }
  }
  CHECK(same);
  CHECK(worst < 5e-7); /* four units in the last place of a float */
}

__extension__ typedef unsigned __int128 Wide;

/* Integers below n are the high halves of what single blocks give times n, also when the stream jumps; some of these n refuse
 * every other block. */
static void test_integers(void) {
  const uint64_t below[] = {1, 2, 10, 1000003, (uint64_t)3 << 62, ((uint64_t)1 << 63) + 1};
  long wrong = 0;
  for (uint64_t i = 0; i < 1200; i++) {
    Random stream = {i / 400, i % 7 * 1000 + i}, at = stream, *before = random_use(&stream);
    const uint64_t n = below[i % 6];
    for (int k = 0; k < 3; k++) {
      uint64_t got = random_below(n);
      Wide product;
      do {
        uint32_t word[4];
        draw_block(at, word);
        at.position++;
        product = (Wide)((uint64_t)word[1] << 32 | word[0]) * n;
      } while ((uint64_t)product < -n % n);
      wrong += got != (uint64_t)(product >> 64);
    }
    wrong += at.position != stream.position;
    random_use(before);
  }
  CHECK(wrong == 0);
}

/* Integers of a range are the high halves of words times its size, but where the low half is refused. */
static void test_ranges(void) {
  const int32_t most = 1 << 24, low[] = {0, -3, 1, -most, 1 - most}, high[] = {0, 4, 10, most, most};
  for (int i = 0; i < 5; i++) {
    const uint32_t range = (uint32_t)(high[i] - low[i]) + 1, least = -range % range;
    real out[N];
    long wrong = 0, refused = 0;
    Random stream = {(uint64_t)i, 5}, *before = random_use(&stream);
    random_integers(out, N, low[i], high[i]);
    for (long k = 0; k < N; k++) {
      uint32_t word[4];
      draw_block((Random){(uint64_t)i, 5 + (uint64_t)k / 4}, word);
      const uint64_t product = (uint64_t)word[k % 4] * range;
      if ((uint32_t)product < least)
        refused++, wrong += !(out[k] >= (real)low[i] && out[k] <= (real)high[i]);
      else
        wrong += out[k] != (real)(low[i] + (int32_t)(product >> 32));
    }
    CHECK(wrong == 0 && stream.position == 5 + (N + 3) / 4 + (uint64_t)refused);
    random_use(before);
  }
}

/* Pieces of any number of blocks are parts of one stream, and touch nothing behind their end. */
static void test_pieces(void) {
  const Random at = {42, 7};
  real whole[N], part[N + 1];
  draw_normal(at, whole, N);
  for (int from = 0; from < 300; from += 4)
    for (int n = 1; n < 300; n += 97) {
      part[n] = 77;
      draw_normal((Random){at.seed, at.position + (uint64_t)from / 4}, part, n);
      CHECK(!memcmp(part, whole + from, (size_t)n * sizeof(real)) && part[n] == 77);
    }
}

/* dropout's mask is made of the uniform numbers that rand would have given, for tensors of any size. */
static void test_dropout(void) {
  const long sizes[] = {1, 31, 32, 33, 127, 129, N, 40000};
  const double p[] = {0.3, 0.5, 1e-9, 1};
  for (int i = 0; i < 32; i++) {
    long n = sizes[i / 4], wrong = 0;
    size_t scope = scope_enter();
    random_seed((uint64_t)i);
    Tensor *u = tensor_rand(1, &n), *after = tensor_rand(1, (long[]){1});
    random_seed((uint64_t)i);
    Tensor *x = tensor_shift(tensor_arange(1, (double)n, 1), 0.5), *grad;
    tensor_set_requires_grad(x, true);
    Tensor *y = tensor_dropout(x, p[i % 4], true), *next = tensor_rand(1, (long[]){1});
    CHECK(tensor_gradients(y, x, 1, &x, 0, &grad));
    for (long k = 0; k < n; k++) {
      real factor = (double)u->data[k] < p[i % 4] ? 0 : (real)(1 / (1 - p[i % 4]));
      wrong += y->data[k] != x->data[k] * factor || grad->data[k] != x->data[k] * factor;
    }
    CHECK(wrong == 0);
    CHECK(next->data[0] == after->data[0]);
    scope_leave(scope, NULL);
  }
}

int main(void) {
  test_blocks();
  test_integers();
  test_ranges();
  test_pieces();
  test_dropout();
  return test_done();
}
