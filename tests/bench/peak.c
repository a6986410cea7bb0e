/* What the machine can do at most: prints GFLOP/s of fused multiply-adds in registers on as many threads as the argument says,
 * with the widest vectors the CPU has. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SUMS = 12, ROUNDS = 3000000, MOST = 64 };

/* Twelve different sums that do not wait for each other hide a latency of 4 cycles at two or three a cycle. s a + b needs the
 * compiler's leave to be one instruction: -ffp-contract=fast. */
#define DEFINE_LOOP(name, bytes, target)                                                                                           \
  target static float name(float x) {                                                                                              \
    typedef float Vector __attribute__((vector_size(bytes)));                                                                      \
    Vector a = {x}, b = {1 - x}, s0 = a + 1, s1 = a + 2, s2 = a + 3, s3 = a + 4, s4 = a + 5, s5 = a + 6, s6 = a + 7;               \
    Vector s7 = a + 8, s8 = a + 9, s9 = a + 10, s10 = a + 11, s11 = a + 12;                                                        \
    for (long i = 0; i < ROUNDS; i++) {                                                                                            \
      s0 = s0 * a + b, s1 = s1 * a + b, s2 = s2 * a + b, s3 = s3 * a + b, s4 = s4 * a + b, s5 = s5 * a + b;                        \
      s6 = s6 * a + b, s7 = s7 * a + b, s8 = s8 * a + b, s9 = s9 * a + b, s10 = s10 * a + b, s11 = s11 * a + b;                    \
      __asm__ volatile("" ::: "memory");                                                                                           \
    }                                                                                                                              \
    return (s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7 + s8 + s9 + s10 + s11)[0];                                                       \
  }

DEFINE_LOOP(loop16, 16, )
#ifdef __x86_64__
DEFINE_LOOP(loop32, 32, __attribute__((target("avx2,fma"))))
DEFINE_LOOP(loop64, 64, __attribute__((target("avx512f"))))
#endif

static float (*loop)(float) = loop16;
static int lanes = 4;
static float result[MOST]; /* kept, or the compiler leaves the work out */

static void choose(void) {
#ifdef __x86_64__
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f"))
    loop = loop64, lanes = 16;
  else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    loop = loop32, lanes = 8;
#endif
}

static void *work(void *at) {
  *(float *)at = loop(0.5F);
  return NULL;
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int main(int argc, char **argv) {
  int threads = argc > 1 ? atoi(argv[1]) : 1;
  double best = 0;
  pthread_t thread[MOST];
  if (threads < 1 || threads > MOST) return fprintf(stderr, "peak: threads must be 1 to %d\n", MOST), 2;
  choose();
  for (int round = 0; round < 6; round++) {
    double start = seconds();
    for (int i = 1; i < threads; i++)
      if (pthread_create(&thread[i], NULL, work, &result[i])) return 1;
    work(&result[0]);
    for (int i = 1; i < threads; i++) pthread_join(thread[i], NULL);
    double rate = 2.0 * SUMS * ROUNDS * lanes * threads / (seconds() - start) / 1e9;
    if (rate > best) best = rate;
  }
  printf("%.1f\n", best);
  return 0;
}
