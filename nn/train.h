/* Data, files and trainers. See nn.h for the rules. */
#ifndef GANDER_TRAIN_H
#define GANDER_TRAIN_H

#include "modules.h"

/* ---- data ------------------------------------------------------------------------------ */

/* Samples in memory: bytes (pixels 0..255, given out as -1..1) or reals, and optionally a label 1..classes each. */
enum { DATASET_HEAD = 64 };
typedef struct Dataset {
  int refs, ndim; /* of one sample, at most NN_DIMS-1 */
  long n, shape[NN_DIMS];
  uint8_t *bytes;  /* n samples, or NULL; DATASET_HEAD bytes before them are free, for a file's header */
  Storage *memory; /* of bytes */
  Tensor *reals;   /* (n, shape...), or NULL */
  int32_t *labels; /* from 1; NULL when there are none */
  long classes;
  char name[64];
  char **class_name; /* classes of them, or NULL */
} Dataset;
Dataset *dataset_new(int ndim, const long *shape, long n, bool bytes, bool labels);
Dataset *dataset_keep(Dataset *d);
void dataset_drop(Dataset *d);
Tensor *dataset_batch(Dataset *d, long n, const long *which, Tensor **labels); /* labels may be NULL */

typedef struct Loader {
  int refs;
  Dataset *set;
  long batch;
  bool shuffle, drop_last;
  Random random;      /* its own stream: what it gives does not depend on what else draws */
  Random epoch_start; /* the stream when this epoch's order was drawn */
  long epoch, place;  /* epochs finished; samples given out in this one */
  long *order;
  /* optional augmentation: returns the batch to use instead (scope's) */
  Tensor *(*augment)(void *data, Tensor *x);
  void *data;
  void (*free_data)(void *data);
  struct Batch *next; /* being made while the last one is used, or empty */
} Loader;
Loader *loader_new(Dataset *set, long batch, bool shuffle, bool drop_last);
Loader *loader_keep(Loader *l);
void loader_drop(Loader *l);
long loader_batches(const Loader *l); /* in an epoch */
bool loader_ended(const Loader *l);   /* was that the epoch's last batch? */
/* The next batch; *x NULL (and true) at the end of an epoch, after which it goes on with the next one. */
bool loader_next(Loader *l, Tensor **x, Tensor **labels);
void loader_rewind(Loader *l); /* to the beginning of an epoch */
bool loader_seek(Loader *l, Random epoch_start, long epoch, long place);

Dataset *data_idx(const char *images, const char *labels); /* IDX files, plain or gzipped; labels may be NULL; files/unpacked.h */
/* PNG or JPEG files as (size,size,3): the middle square of each, resized. Labels from 1, or NULL. */
Dataset *data_images(int n, const char *const *files, const int32_t *labels, long size, void (*progress)(void *, long done, long n),
                     void *data);
Dataset *data_glyphs(long n, uint64_t seed);      /* 28x28 digits drawn by code */
Tensor *image_load(const char *path);             /* PNG, JPEG -> (H,W,C), 0..1, C 1 or 3 */
bool image_save(const char *path, Tensor *image); /* (H,W), (H,W,1) or (H,W,3), 0..1 -> PNG */
Tensor *npy_load(const char *path);
bool npy_save(const char *path, Tensor *t);
/* Writes through a temporary file that is synced and then renamed: the old file or the new one, never half of one. */
typedef struct SafeFile SafeFile;
SafeFile *safe_open(const char *path);
bool safe_write(SafeFile *f, const void *bytes, size_t n);
bool safe_close(SafeFile *f); /* false: nothing was changed; nn_error() says why */
void safe_cancel(SafeFile *f);

/* ---- training -------------------------------------------------------------------------- */

enum { REPORT_VALUES = 16 };

/* What a trainer tells of itself after a step. Names: "loss_g", "loss_d", "D(x)", "D(G(z))", "grad_g", "accuracy", ... */
typedef struct Report {
  long step, epoch, epoch_steps; /* steps done, whole epochs done, steps in an epoch (0: unknown) */
  double seconds_per_step;       /* lately */
  int n;
  char name[REPORT_VALUES][16];
  double value[REPORT_VALUES];
} Report;

typedef struct Trainer Trainer;
enum { TRAINER_PARTS = 8 }; /* most networks, optimizers, ... of a trainer */

/* A number of a trainer's that the next step depends on. */
typedef struct TrainerNumber {
  const char *name;
  double *value, least, most; /* what a checkpoint may set it to; whole numbers when `whole` */
  bool whole;
} TrainerNumber;

typedef struct TrainerKind {
  const char *name;          /* "gan.Trainer" */
  bool (*step)(Trainer *t);  /* made of updates, each whole or not at all; after a failure it goes on with the one that failed */
  bool (*after)(Trainer *t); /* what follows a step once it counts, like an evaluation; may be NULL */
  Tensor *(*picture)(Trainer *t); /* something to look at, (N,H,W,C) or (N,D); NULL (no error) when there is nothing */
  /* Its state, for checkpoints: each fills lists of up to TRAINER_PARTS and returns how many. NULL: none. */
  int (*modules)(Trainer *t, const char **name, Module **m);
  int (*optims)(Trainer *t, const char **name, Optimizer **o);
  int (*tensors)(Trainer *t, const char **name, Tensor ***place);
  int (*numbers)(Trainer *t, TrainerNumber *number);
  void (*free)(Trainer *t);
} TrainerKind;

struct Trainer {
  int refs;
  const TrainerKind *kind;
  Loader *loader;
  Random random; /* its own stream, so that what is typed meanwhile changes nothing */
  Report report;
  bool running; /* a step */
  int schedules;
  Schedule **schedule; /* stepped after each step of training */
  void *self;          /* the kind's own */
};

/* The unit: foreground, background, tests and C programs all call this. The networks are in training mode meanwhile. When it
 * fails, the update that failed changed nothing: stepping on after the cause is cured gives what it would have given. */
bool trainer_step(Trainer *t);
Tensor *trainer_picture(Trainer *t); /* in evaluation mode; draws no random numbers of the trainer's and changes nothing */
bool trainer_add_schedule(Trainer *t, Schedule *s);
Trainer *trainer_keep(Trainer *t);
void trainer_drop(Trainer *t);

enum { GAN_BCE, GAN_BCE_LOGITS, GAN_LSGAN, GAN_HINGE, GAN_WGAN, GAN_WGAN_GP };
const char *gan_loss_name(int loss); /* "bce", "bce-logits", ...; NULL after the last */
typedef struct GanOptions {
  Module *generator, *discriminator;
  Optimizer *optim_g, *optim_d;
  Loader *data;
  long latent; /* size of z; its shape is (N,latent), or latent_shape when given */
  int latent_ndim;
  long latent_shape[NN_DIMS];
  int loss;               /* GAN_... */
  long d_steps;           /* updates of D for each of G; default 1 */
  double label_smoothing; /* real labels become 1 - this; bce, bce-logits and lsgan */
  double instance_noise;  /* standard deviation of noise added to what D sees */
  double clip;            /* wgan: bound of D's weights, default 0.01 */
  double gp_weight;       /* wgan-gp: default 10 */
  long samples;           /* in the picture: default 64 */
} GanOptions;
Trainer *gan_trainer_new(const GanOptions *options);
Tensor *gan_trainer_latent(Trainer *t); /* the fixed latent of the picture (borrowed) */
bool gan_trainer_set_latent(Trainer *t, Tensor *z);

typedef struct FitOptions {
  Module *model;
  const Loss *loss;
  const Param *loss_params; /* NULL: defaults */
  Module *own_loss;         /* instead of loss: gets output and target, gives one number */
  Optimizer *optim;
  Loader *data; /* the target is the label, or x itself in data without labels */
  Loader *test; /* evaluated after each epoch; may be NULL */
} FitOptions;
Trainer *fit_trainer_new(const FitOptions *options);
bool fit_trainer_evaluate(Trainer *t, Loader *data, double *loss, double *accuracy); /* accuracy NaN without labels */

/* A checkpoint holds everything that the next step depends on, and `note`, a text of the caller's, which may be NULL. What it
 * is loaded into must be made of the same parts. Loading gives the note back to memory_free(); it may be NULL. */
bool trainer_save(Trainer *t, const char *path, const char *note);
bool trainer_load(Trainer *t, const char *path, char **note); /* changes nothing when it fails */
bool module_save(Module *m, const char *path);
bool module_load(Module *m, const char *path);

#endif
