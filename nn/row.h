/* How an op is written: what its shape, forward and backward functions are given. See ops/matmul.c for an example. */
#ifndef GANDER_ROW_H
#define GANDER_ROW_H

#include "nn.h"

enum { CALL_EXTRAS = 3 };

struct Call {
  const Op *op;
  int n;              /* tensors given; a missing optional one is NULL */
  Tensor *const *in;  /* in backward only those named by op->needs have data, all have shapes */
  const Param *param; /* the other arguments in order */
  int ndim;           /* set by shape(): the result's */
  long shape[NN_DIMS];
  bool view; /* set by shape(): the result shares in[0]'s memory from offset on; forward is not called */
  long offset;
  Tensor *out;                /* forward fills it; backward has it when needs says "out" */
  Tensor *extra[CALL_EXTRAS]; /* forward may leave tensors here (tensor_new, owned) for backward to use */
  const bool *want;           /* backward: which of in[] need a gradient */
};

/* Sets the error "name(arguments): message" and returns false. */
bool call_fail(Call *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool call_failed(Call *c);                             /* the same of a message that waits already */
bool call_shape(Call *c, int ndim, const long *shape); /* sets the result's shape; true */
bool call_same(Call *c);                               /* a shape function: as the first argument */
bool call_broadcast(Call *c);                          /* a shape function: all tensors broadcast together */
bool broadcast_shapes(int an, const long *a, int bn, const long *b, int *n, long *shape);
bool call_check_dims(Call *c, int param, int ndim);                 /* is the list of dimensions inside ndim, without repeats? */
long shape_product(const long *shape, int from, int to);            /* of the sides from .. to-1 */
bool call_check_indices(Call *c, const Tensor *indices, long side); /* in forward: are all of them whole numbers from 1 to side? */
int call_get_dim(Call *c, int param, int ndim); /* the dimension in a parameter, from 0; -1 and an error outside ndim */

/* The tables of ops, each at the end of its file in ops/, each ending with NULL. */
extern const Op *const ops_make[];
extern const Op *const ops_elementwise[];
extern const Op *const ops_activation[];
extern const Op *const ops_arithmetic[];
extern const Op *const ops_compare[];
extern const Op *const ops_loss[];
extern const Op *const ops_reduce[];
extern const Op *const ops_softmax[];
extern const Op *const ops_shape[];
extern const Op *const ops_slice[];
extern const Op *const ops_index[];
extern const Op *const ops_matmul[];
extern const Op *const ops_conv[];
extern const Op *const ops_pool[];
extern const Op *const ops_norm[];
extern const Op *const ops_lstm[];
extern const Op *const ops_attention[];

/* Graph (grad.c): a node is made by op_call when a gradient may be asked for. */
struct Node {
  int refs;
  const Op *op;       /* NULL for a leaf */
  uint64_t order;     /* grows with time, so parents have smaller ones */
  bool requires_grad; /* of a leaf */
  bool spent;         /* its graph was freed by a backward pass */
  Tensor *grad;       /* of a leaf: accumulated */
  Tensor *pending;    /* scratch of a backward pass */
  int mark;           /* scratch of a backward pass */
  int n, params;
  Tensor **in;                    /* with data where op->needs says so, else shapes only */
  unsigned *version, out_version; /* of their memory at the time of the call */
  Param *param;
  Tensor *extra[CALL_EXTRAS];
  Tensor *out; /* without node (no cycle); NULL unless needed. A shape-only tensor otherwise */
};

const Arg *signature_slot(const Signature *s, int i); /* the argument that tensor i of a call belongs to */
bool node_record(Call *c, Tensor *out);               /* out becomes the result of the call in the graph */
Node *node_keep(Node *node);
void node_drop(Node *node);
bool tensor_is_alone(const Tensor *t);            /* has nobody else a reference to it or its memory? */
Tensor *tensor_own(Tensor *t);                    /* puts a new tensor into the open scope: the scope owns it from now on */
Tensor *tensor_shell(const Tensor *t, bool data); /* a new reference to the same shape and node, with or without the memory */

/* An op that multiplies tells work_done() how often (and adds as often), whichever way it takes to the result. */
void work_add(double products);

/* Storage (storage.c). */
struct Storage {
  int refs;
  unsigned version;
  size_t bytes; /* as asked for */
  int size_class;
  int kept; /* how much was worked out from it */
  void *data;
};
Storage *storage_new(size_t bytes);
Storage *storage_keep(Storage *s);
void storage_drop(Storage *s);

/* What was worked out from a storage's numbers (kept.c), found again until they are written to. */
typedef struct KeptKey {
  long part[16]; /* all that the result depends on besides the numbers; the first is one of KEPT_... */
} KeptKey;
enum { KEPT_PANELS, KEPT_SCATTER, KEPT_WINOGRAD, KEPT_MATRIX };
Storage *keeper(const Tensor *weight);                      /* its storage, if it is worth keeping something with it, else NULL */
Tensor *kept_find(const Storage *from, const KeptKey *key); /* a reference to it, or NULL; from may be NULL */
bool kept_add(Storage *from, const KeptKey *key, Tensor *made);
void kept_drop(const Storage *from); /* NULL: of all */

void gradcheck_call(Call *c, Tensor *const *in);

#endif
