/* Attention of one or more heads, whose matrices stand side by side. */
#ifndef GANDER_ATTENTION_H
#define GANDER_ATTENTION_H

#include "../nn.h"

/* A matrix of each sample: rows `step` apart, a sample's rows following those of the sample before. */
typedef struct Side {
  real *data; /* of the first head of the first row */
  long step;
} Side;

/* What is added to the scores of a query, a line of S numbers: of the queries, counted with these sides, the last side fastest,
 * each is that many steps on. */
typedef struct Mask {
  const real *data; /* NULL: nothing */
  int ndim;
  long side[NN_DIMS], step[NN_DIMS];
} Mask;

/* Samples N, heads H, T queries, S keys and values, D numbers in a query or key of a head, E in a value. */
typedef struct Attention {
  long n, heads, queries, keys, depth, width;
  bool causal;
  Side q, k, v, out;
  Mask mask;             /* over (N,H,T) */
  real *largest, *share; /* (N,H,T): the largest score of each query, and 1 / the sum of e^(score - largest); both 0 if all
                            its scores are -INFINITY */
} Attention;

/* out = softmax(q kT / sqrt(D) + mask) v; fills largest and share. */
bool attention_run(const Attention *a);

/* From the gradient of out those of q, k and v. */
bool attention_back(const Attention *a, Side grad, Side dq, Side dk, Side dv);

#endif
