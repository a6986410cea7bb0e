/* Workers: threads that share the pieces of a loop. They spin briefly for the next loop, since a training step has
 * hundreds of them, then sleep. Each begins with the same part of every loop, since what that worked on is in its core's cache
 * yet, and then takes pieces that others have not come to: a thread that is held up delays only the piece it is at. While they
 * spin, workers do pieces of one loop that is needed later, if there is one. */
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/resource.h>
#include <sys/syscall.h>
#endif

#include "machine.h"
#include "nn.h"

enum { MOST = 64, SPIN = 4000, NICE = 10 };

typedef struct Loop {
  void (*body)(void *, long, long);
  void *job;
  long n, grain;
} Loop;

/* What one thread begins with: pieces that nobody has taken yet. Each in a line of the cache of its own. */
typedef struct Share {
  _Alignas(64) atomic_long next;
  long end;
} Share;

/* A loop that threads share. */
typedef struct Round {
  Loop loop;
  Share share[MOST];
  int shares;
  atomic_bool open;   /* may a thread still join? */
  atomic_int members; /* threads that joined and have not left */
} Round;

static Round now, later;
static atomic_uint round_number; /* of the loop run now; a change of it starts the workers */
static atomic_int asleep;
static atomic_bool ending;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static pthread_t thread[MOST];
static int threads;               /* with the caller's; 0 before the first use */
static int forked_threads;        /* what the process had that this one was forked from */
static unsigned born;             /* the round before the threads' first */
static _Thread_local bool inside; /* a loop within a loop runs on the thread that met it */
static _Thread_local int self;    /* 0: the caller's */

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

/* The next piece of the share; false: none is left. */
static bool do_piece(Round *r, Share *s) {
  if (atomic_load_explicit(&s->next, memory_order_relaxed) >= s->end) return false; /* without taking the line from its owner */
  const long piece = atomic_fetch_add(&s->next, 1), from = piece * r->loop.grain;
  if (piece >= s->end) return false;
  r->loop.body(r->loop.job, from, from + r->loop.grain < r->loop.n ? from + r->loop.grain : r->loop.n);
  return true;
}

/* Does pieces, at most so many, until none is left. */
static void join_round(Round *r, long most) {
  atomic_fetch_add(&r->members, 1); /* before looking whether it is open: who ends it closes it, then looks here */
  inside = true;
  for (int others = 0; most && atomic_load(&r->open);)
    if (do_piece(r, &r->share[(self + others) % r->shares]))
      most--;
    else if (++others == r->shares)
      atomic_store(&r->open, false); /* who comes now finds nothing to do and is not waited for: the core may be another's */
  inside = false;
  atomic_fetch_sub_explicit(&r->members, 1, memory_order_release);
}

static void start_round(Round *r, Loop loop) {
  const long pieces = (loop.n + loop.grain - 1) / loop.grain;
  r->loop = loop;
  r->shares = threads ? threads : 1; /* none yet: a loop taken over by a forked process */
  for (int i = 0; i < r->shares; i++) {
    atomic_store_explicit(&r->share[i].next, i * pieces / r->shares, memory_order_relaxed);
    r->share[i].end = (i + 1) * pieces / r->shares;
  }
  atomic_store(&r->open, true);
}

static void wait_for_members(Round *r) {
  for (long spins = 0; atomic_load(&r->members); spins++) {
    relax();
    if (spins > SPIN) sched_yield();
  }
}

static void end_round(Round *r) {
  join_round(r, LONG_MAX);
  wait_for_members(r);
}

static void wait_for_round(unsigned seen) {
  for (int i = 0; i < SPIN; i++) {
    if (atomic_load_explicit(&round_number, memory_order_acquire) != seen) return;
    if (atomic_load_explicit(&later.open, memory_order_relaxed))
      join_round(&later, 1);
    else
      relax();
  }
  pthread_mutex_lock(&lock);
  atomic_fetch_add(&asleep, 1);
  while (atomic_load(&round_number) == seen) pthread_cond_wait(&wake, &lock);
  atomic_fetch_sub(&asleep, 1);
  pthread_mutex_unlock(&lock);
}

static void *worker(void *number) {
  unsigned seen = born;
  self = (int)(intptr_t)number;
#ifdef __linux__
  id_t thread_id = (id_t)syscall(SYS_gettid); /* the window and the prompt come first */
  setpriority(PRIO_PROCESS, thread_id, getpriority(PRIO_PROCESS, thread_id) + NICE);
#endif
  for (;;) {
    wait_for_round(seen);
    seen = atomic_load(&round_number);
    if (atomic_load(&ending)) return NULL;
    join_round(&now, LONG_MAX);
  }
}

static void call_workers(void) {
  atomic_fetch_add(&round_number, 1);
  if (!atomic_load(&asleep)) return;
  pthread_mutex_lock(&lock);
  pthread_cond_broadcast(&wake);
  pthread_mutex_unlock(&lock);
}

static void stop_all(void) {
  if (threads < 2) return;
  atomic_store(&ending, true);
  call_workers();
  for (int i = 1; i < threads; i++) pthread_join(thread[i], NULL);
  atomic_store(&ending, false);
}

/* A forked process has only the thread that called fork: the others are started anew when they are needed, and what they
 * were in the middle of is done again. */
static void forget_threads(void) {
  if (threads) forked_threads = threads;
  threads = 0;
  lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
  wake = (pthread_cond_t)PTHREAD_COND_INITIALIZER;
  atomic_store(&now.members, 0);
  atomic_store(&later.members, 0);
  atomic_store(&asleep, 0);
  if (later.loop.job) start_round(&later, later.loop);
}

void workers_set(int n) {
  static bool watching;
  if (!watching) watching = !pthread_atfork(NULL, NULL, forget_threads);
  int most = n < 1 ? 1 : n > MOST ? MOST : n;
  if (threads == most) return;
  stop_all();
  born = atomic_load(&round_number);
  for (threads = 1; threads < most; threads++)
    if (pthread_create(&thread[threads], NULL, worker, (void *)(intptr_t)threads)) break; /* fewer threads do the same work */
}

int workers_count(void) {
  if (!threads) {
    const char *wish = getenv("GANDER_THREADS");
    int wished = wish ? atoi(wish) : 0;
    workers_set(forked_threads ? forked_threads : wished > 0 ? wished : cores_usable(MACHINE_GROUPS));
  }
  return threads;
}

int workers_self(void) {
  return self;
}

void workers_for(long n, long grain, void (*body)(void *, long, long), void *job) {
  if (n <= 0) return;
  if (inside || n <= grain || workers_count() == 1) {
    for (long from = 0; from < n; from += grain) body(job, from, from + grain < n ? from + grain : n);
    return;
  }
  start_round(&now, (Loop){body, job, n, grain});
  call_workers();
  end_round(&now);
}

bool workers_for_later(long n, long grain, void (*body)(void *, long, long), void *job) {
  if (workers_count() == 1 || atomic_load(&later.open)) return false;
  wait_for_members(&later);
  start_round(&later, (Loop){body, job, n, grain});
  return true;
}

void workers_finish(const void *job) {
  if (later.loop.job != job) return; /* done, since another was taken on after it */
  end_round(&later);
  later.loop.job = NULL;
}
