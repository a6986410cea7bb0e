/* The time loops of an LSTM, one sample beside the other. */
#ifndef GANDER_LSTM_H
#define GANDER_LSTM_H

#include "../nn.h"

/* Of samples N, steps T and H hidden numbers; gates are i, f, g, o, each H wide. */
typedef struct Lstm {
  long n, steps, hidden;
  const real *weight;            /* weight_hh (4H,H) */
  const real *first_h, *first_c; /* (N,H): before the first step */
  real *gates;                   /* (N,T,4H) */
  real *h, *c;                   /* (N,T,H): after each step */
} Lstm;

/* Fills gates with what the sigmoids and tanh gave, h and c. inputs is what the gates get besides the weighted state: (N,T,4H),
 * or, with index (N,T), rows of 4H, of which each step takes the one with its index, from 1. */
bool lstm_run(const Lstm *l, const real *inputs, const real *index);

/* grad (2,N,T,H) is the gradient of h and of c. Fills that of what the gates were made from, slope (N,T,4H), and that of the
 * states before the first step, before (2,N,H). */
bool lstm_back(const Lstm *l, const real *grad, real *slope, real *before);

#endif
