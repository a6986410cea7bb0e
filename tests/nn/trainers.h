/* Small trainers, and all that their steps may change as one number: for the tests of trainers and of checkpoints. */
#ifndef GANDER_TESTS_TRAINERS_H
#define GANDER_TESTS_TRAINERS_H

#include "folder.h"

enum { SAMPLES = 100, BATCH = 16, LATENT = 4 };

/* Points around eight places on a circle. */
static inline Dataset *ring(long n) {
  Dataset *set = dataset_new(1, (long[]){2}, n, false, true);
  Random stream = {11, 0}, *before = random_use(&stream);
  random_normal(set->reals->data, 2 * n);
  random_use(before);
  for (long i = 0; i < n; i++) {
    double angle = (double)(i % 8) * 0.78539816339744831;
    real *point = set->reals->data + 2 * i;
    point[0] = (real)(cos(angle) + 0.05 * (double)point[0]);
    point[1] = (real)(sin(angle) + 0.05 * (double)point[1]);
    set->labels[i] = (int32_t)(i % 8 < 4) + 1;
  }
  set->classes = 2;
  return set;
}

/* in -> hidden -> out, with BatchNorm and Dropout if they are to matter. */
static inline Module *network(long in, long hidden, long out, bool norm) {
  Module *part[] = {
      module_make("Linear", (double)in, (double)hidden, NN_END),
      norm ? module_make("BatchNorm", (double)hidden, NN_END) : module_make("LeakyReLU", 0.2, NN_END),
      module_make("LeakyReLU", 0.2, NN_END),
      module_make("Linear", (double)hidden, (double)hidden, NN_END),
      module_make("LeakyReLU", 0.2, NN_END),
      norm ? module_make("Dropout", 0.3, NN_END) : module_make("LeakyReLU", 0.2, NN_END),
      module_make("Linear", (double)hidden, (double)out, NN_END),
  };
  Module *m = module_sequential(7, part);
  for (int i = 0; i < 7; i++) module_drop(part[i]);
  return m;
}

/* A trainer and what it is made of; networks start from the seed. */
typedef struct Set {
  Dataset *data;
  Loader *loader;
  Module *g, *d;
  Optimizer *optim_g, *optim_d;
  Trainer *t;
} Set;

static inline Set gan_set(int loss, uint64_t seed) {
  Set s;
  random_seed(seed);
  s.data = ring(SAMPLES);
  s.loader = loader_new(s.data, BATCH, true, false);
  s.g = network(LATENT, 8, 2, true);
  s.d = network(2, 8, 1, true);
  if (loss == GAN_BCE) { /* which wants probabilities */
    Module *part[] = {s.d, module_make("Sigmoid", NN_END)};
    s.d = module_sequential(2, part);
    module_drop(part[0]), module_drop(part[1]);
  }
  s.optim_g = optim_make("Adam", s.g, 1e-3);
  s.optim_d = optim_make(loss == GAN_WGAN ? "RMSprop" : "Adam", s.d, 1e-3);
  s.t = gan_trainer_new(&(GanOptions){.generator = s.g,
                                      .discriminator = s.d,
                                      .optim_g = s.optim_g,
                                      .optim_d = s.optim_d,
                                      .data = s.loader,
                                      .latent = LATENT,
                                      .loss = loss,
                                      .d_steps = loss >= GAN_WGAN ? 2 : 1,
                                      .label_smoothing = loss == GAN_BCE_LOGITS ? 0.1 : 0,
                                      .instance_noise = 0.01,
                                      .samples = 9});
  CHECK(s.t != NULL);
  return s;
}

static inline void set_drop(Set *s) {
  trainer_drop(s->t);
  optim_drop(s->optim_g), optim_drop(s->optim_d);
  module_drop(s->g), module_drop(s->d);
  loader_drop(s->loader);
  dataset_drop(s->data);
}

static inline Trainer *fit_set(Set *s, Loader *test, const char *loss) {
  random_seed(2);
  s->data = ring(SAMPLES);
  s->loader = loader_new(s->data, BATCH, true, false);
  s->g = network(2, 16, 2, false);
  s->optim_g = optim_make("Adam", s->g, 1e-2);
  return s->t = fit_trainer_new(
             &(FitOptions){.model = s->g, .loss = losses_find(loss), .optim = s->optim_g, .data = s->loader, .test = test});
}

static inline void fit_drop(Set *s) {
  trainer_drop(s->t);
  optim_drop(s->optim_g);
  module_drop(s->g);
  loader_drop(s->loader);
  dataset_drop(s->data);
}

/* ---- everything that a step may change, as one number ---- */

static inline uint64_t mix(uint64_t hash, const void *bytes, size_t n) {
  for (size_t i = 0; i < n; i++) hash = (hash ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3;
  return hash;
}

static inline bool mix_tensor(void *hash, const char *name, Module *owner, Named *entry) {
  (void)name, (void)owner;
  *(uint64_t *)hash = mix(*(uint64_t *)hash, entry->tensor->data, (size_t)tensor_numel(entry->tensor) * sizeof(real));
  return true;
}

static inline uint64_t mix_optim(uint64_t hash, const Optimizer *o) {
  for (int g = 0; g < o->groups; g++) {
    const ParamGroup *group = &o->group[g];
    hash = mix(hash, group->hyper, sizeof group->hyper);
    hash = mix(hash, group->step, (size_t)group->n * sizeof(long));
    for (int i = 0; i < group->n * o->row->slots; i++) /* a slot of zeros is as good as none */
      for (long k = 0, n = group->slot[i] ? tensor_numel(group->slot[i]) : 0; k < n; k++)
        if (group->slot[i]->data[k] != 0) hash = mix(hash, &group->slot[i]->data[k], sizeof(real));
  }
  return hash;
}

static inline uint64_t mix_network(uint64_t hash, Module *m, const Optimizer *o) {
  CHECK(module_visit(m, mix_tensor, &hash));
  return mix_optim(hash, o);
}

static inline uint64_t state_of(const Set *s) {
  uint64_t hash = mix_network(mix_network(14695981039346656037u, s->g, s->optim_g), s->d, s->optim_d);
  hash = mix(hash, &s->t->random, sizeof(Random));
  hash = mix(hash, &s->loader->random, sizeof(Random));
  hash = mix(hash, s->loader->order, SAMPLES * sizeof(long));
  hash = mix(hash, (long[]){s->loader->epoch, s->loader->place, s->t->report.step}, 3 * sizeof(long));
  return mix(hash, s->t->report.value, sizeof s->t->report.value);
}

/* Bytes in tensors, without what was packed of weights. */
static inline size_t live_memory(void) {
  memory_drop_cache();
  return memory_use().live;
}

static inline bool steps(Set *s, int n) {
  for (int i = 0; i < n; i++)
    if (!trainer_step(s->t)) return false;
  return true;
}

static inline double value_of(const Trainer *t, const char *name) {
  for (int i = 0; i < t->report.n; i++)
    if (!strcmp(t->report.name[i], name)) return t->report.value[i];
  return NAN;
}

#endif
