/* The command line: one table of options, from which the help is made too. It takes what lua takes and a little more. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"

enum { USAGE = 2 }; /* the status of a command line that was not understood */

Options options;

typedef struct Row {
  const char *name, *value, *help;
  bool common;                           /* may also stand behind the script's name */
  const char *(*set)(const char *value); /* returns what is wrong, or NULL */
} Row;

static const char *set_step(char letter, const char *text) {
  options.step[options.steps++] = (Step){letter, text};
  return NULL;
}

static const char *set_code(const char *value) {
  return set_step('e', value);
}

static const char *set_module(const char *value) {
  return set_step('l', value);
}

static const char *set_warnings(const char *value) {
  return set_step('W', value);
}

static const char *set_interactive(const char *value) {
  (void)value;
  options.interactive = true;
  return NULL;
}

static const char *set_bare(const char *value) {
  (void)value;
  options.bare = true;
  return NULL;
}

static const char *set_headless(const char *value) {
  (void)value;
  options.headless = true;
  return NULL;
}

static const char *set_strict(const char *value) {
  (void)value;
  options.strict = true;
  return NULL;
}

static const char *set_version(const char *value) {
  (void)value;
  options.version = true;
  return NULL;
}

static const char *set_help(const char *value) {
  (void)value;
  options.help = true;
  return NULL;
}

static const char *set_threads(const char *value) {
  char *end;
  long n = strtol(value, &end, 10);
  if (*end || end == value || n < 1 || n > 64) return "a whole number from 1 to 64";
  options.threads = (int)n;
  return NULL;
}

static const char *set_seed(const char *value) {
  char *end;
  errno = 0;
  unsigned long long n = strtoull(value, &end, 10);
  if (*end || *value < '0' || *value > '9' || errno) return "a whole number that is not negative";
  options.seed = n;
  options.seeded = true;
  return NULL;
}

static const Row rows[] = {
    {"-e", "CODE", "run CODE", false, set_code},
    {"-l", "NAME", "require library NAME into global NAME; -l G=NAME into global G", false, set_module},
    {"-i", NULL, "prompt after the script; from a pipe, read statements", false, set_interactive},
    {"-", NULL, "run standard input as the script", false, NULL},
    {"--headless", NULL, "no window: views are written to files", true, set_headless},
    {"--threads", "N", "compute on N threads (default: GANDER_THREADS, or all cores)", true, set_threads},
    {"--seed", "N", "begin random numbers at N", true, set_seed},
    {"--strict", NULL, "reading an undefined global is an error", false, set_strict},
    {"-E", NULL, "ignore LUA_INIT, LUA_PATH and LUA_CPATH", false, set_bare},
    {"-W", NULL, "show warnings", false, set_warnings},
    {"--help", NULL, "show this; after a script: the script's own options", false, set_help},
    {"--version", NULL, "show the version; also -v", false, set_version},
    {"-v", NULL, NULL, false, set_version},
    {"--", NULL, "end of options", false, NULL},
};
enum { ROWS = sizeof rows / sizeof *rows };

void options_version(void) {
  printf("gander %s, %s\n", GANDER_BUILD, LUA_COPYRIGHT);
}

static void print_help(void) {
  printf("usage: gander [options] [script.lua [arguments]]\n\n"
         "Without a script: a prompt to type at; help() there shows what there is.\n\n");
  for (int i = 0; i < ROWS; i++) {
    char left[32];
    snprintf(left, sizeof left, "%s %s", rows[i].name, rows[i].value ? rows[i].value : "");
    if (rows[i].help) printf("  %-14s %s\n", left, rows[i].help);
  }
  printf("\nstatus: 0, 1 after an error in Lua, 2 when the command line was not understood, 130 after Ctrl-C,\n        143 after "
         "SIGTERM\n");
}

static const Row *find_row(const char *name, size_t n) {
  for (int i = 0; i < ROWS; i++)
    if (strlen(rows[i].name) == n && !memcmp(rows[i].name, name, n)) return &rows[i];
  return NULL;
}

static int complain(const char *error) {
  fprintf(stderr, "gander: %s\n'gander --help' lists the options\n", error);
  return USAGE;
}

static int unknown(const char *word, size_t n) {
  char name[64], message[192];
  const char *names[ROWS];
  snprintf(name, sizeof name, "%.*s", (int)n, word);
  for (int i = 0; i < ROWS; i++) names[i] = rows[i].name;
  const char *near = n > 2 ? nearest_name(name, names, ROWS) : NULL;
  snprintf(message, sizeof message, near ? "unrecognized option '%s'; did you mean '%s'?" : "unrecognized option '%s'", name, near);
  return complain(message);
}

/* Applies the option argv[0]; its value stands behind = (or behind the letter) or is argv[1]. The words it used, or -1. */
static int apply(const Row *row, char **argv, int argc, const char *joined, const char **error) {
  static char message[160];
  const char *value = joined ? joined : argc > 1 ? argv[1] : NULL, *expected;
  *error = message;
  if (!row->value && joined) {
    snprintf(message, sizeof message, "'%s' takes no value, got '%s'", row->name, joined);
    return -1;
  }
  if (row->value && !value) {
    snprintf(message, sizeof message, "'%s' needs argument", row->name);
    return -1;
  }
  if ((expected = row->set(value))) {
    snprintf(message, sizeof message, "%s must be %s, got '%s'", row->name, expected, value);
    return -1;
  }
  return row->value && !joined ? 2 : 1;
}

/* The row that a word means, and where its value begins inside the word. */
static const Row *word_row(const char *word, size_t *length, const char **joined) {
  *joined = NULL;
  *length = strlen(word);
  if (word[1] == '-') {
    *length = strcspn(word, "=");
    if (word[*length]) *joined = word + *length + 1;
  } else if ((word[1] == 'e' || word[1] == 'l') && word[2]) {
    *length = 2;
    *joined = word + 2;
  }
  return find_row(word, *length);
}

static int read_word(char **argv, int argc, int *status) {
  size_t length;
  const char *joined, *error;
  const Row *row = word_row(*argv, &length, &joined);
  int used = row && row->set ? apply(row, argv, argc, joined, &error) : 0;
  if (used <= 0) *status = used ? complain(error) : unknown(*argv, length);
  return used > 0 ? used : 0;
}

int options_read(int argc, char **argv) {
  options = (Options){.argc = argc, .argv = argv};
  options.step = calloc((size_t)argc + 1, sizeof *options.step);
  if (!options.step) return complain("not enough memory");
  int i = 1, status = 0;
  while (i < argc && argv[i][0] == '-' && argv[i][1]) {
    if (!strcmp(argv[i], "--")) {
      i++;
      break;
    }
    int used = read_word(argv + i, argc - i, &status);
    if (!used) return status;
    i += used;
  }
  options.script = i < argc ? i : argc;
  if (options.help) {
    print_help();
    return 0;
  }
  const char *error;
  for (i = options.script + 1; i < argc && strcmp(argv[i], "--");) { /* what is wrong there is the script's to say */
    int used = options_common(argv + i, argc - i, &error);
    i += used > 0 ? used : 1;
  }
  return -1;
}

int options_common(char **argv, int argc, const char **error) {
  size_t length;
  const char *joined;
  *error = NULL;
  if (argv[0][0] != '-' || argv[0][1] != '-') return 0;
  const Row *row = word_row(*argv, &length, &joined);
  return row && row->common ? apply(row, argv, argc, joined, error) : 0;
}

bool options_common_row(int i, const char **name, const char **value, const char **help) {
  for (int k = 0; k < ROWS; k++)
    if (rows[k].common && !i--) {
      *name = rows[k].name;
      *value = rows[k].value;
      *help = rows[k].help;
      return true;
    }
  return false;
}
