/* One line after another by GNU readline; for the terminal's thread only. Without vm.h, whose names readline knows too. */
#ifndef GANDER_LINES_H
#define GANDER_LINES_H

#include <stdbool.h>
#include <stdio.h>

typedef char **Completer(const char *prefix, const char *context, int *n); /* as complete_names in vm.h */

void lines_open(FILE *out, Completer *completer);
void lines_close(void);
void lines_show(const char *prompt);
void lines_hide(void);
bool lines_key(char **line); /* a key came; true when it ended the line: to free(), NULL at Ctrl-D */
bool lines_empty(void);
void lines_drop(void);                         /* Ctrl-C */
void lines_above(const char *bytes, size_t n); /* writes whole lines above the one that is typed */
void lines_resize(void);
void lines_suspend(void); /* Ctrl-Z */
void lines_remember(const char *statement);

#endif
