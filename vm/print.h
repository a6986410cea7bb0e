/* Values as text: what print.c and print_tensor.c share. */
#ifndef GANDER_PRINT_H
#define GANDER_PRINT_H

#include <stdio.h>

#include "vm.h"

void print_tensor(FILE *out, const Tensor *t);
void print_param(FILE *out, const Arg *arg, const Param *p); /* as a script writes it; in help.c */
void print_number(FILE *out, double x);                      /* in at most 6 digits, as 0.0002 or 1e-05 */

#endif
