/* Line editing by GNU readline, which belongs to the terminal's thread and is set up when the first prompt is shown. */
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <readline/history.h>
#include <readline/readline.h>

#include "lines.h"

enum { HISTORY = 2000 }; /* statements kept */

static char history_file[4096]; /* "" when there is no place for one */
static char *line;              /* what came, until it is fetched */
static bool got_line, shown;
static char current[16]; /* the prompt */

/* ---- completion: names from the rows ---- */

static Completer *names;
static char **completions;
static int completions_count;

static char *next_completion(const char *word, int state) {
  static int i;
  if (!state) i = 0;
  if (i >= completions_count) return NULL;
  size_t stem = strlen(word);
  while (stem && !strchr(".:", word[stem - 1])) stem--; /* readline replaces the whole word, nn.Con */
  const char *name = completions[i++];
  char *full = malloc(stem + strlen(name) + 1);
  if (full) {
    memcpy(full, word, stem);
    strcpy(full + stem, name);
  }
  return full;
}

static char **complete(const char *word, int start, int end) {
  (void)start;
  (void)end;
  rl_attempted_completion_over = 1; /* never names of files */
  rl_completion_append_character = 0;
  size_t stem = strlen(word);
  while (stem && !strchr(".:", word[stem - 1])) stem--;
  char context[256];
  snprintf(context, sizeof context, "%.*s", (int)stem, word);
  if (!*word) return NULL;
  completions = names(word + stem, context, &completions_count);
  if (!completions) return NULL;
  char **matches = rl_completion_matches(word, next_completion);
  for (int i = 0; i < completions_count; i++) free(completions[i]);
  free(completions);
  return matches;
}

/* Shows only the last part of names in a list: Conv2d, not nn.Conv2d. */
static void show_matches(char **matches, int n, int longest) {
  for (int i = 0; i <= n; i++) {
    char *end = matches[i] + strlen(matches[i]);
    while (end > matches[i] && !strchr(".:", end[-1])) end--;
    memmove(matches[i], end, strlen(end) + 1);
  }
  rl_display_match_list(matches, n, longest);
  rl_forced_update_display();
}

/* ---- history ---- */

static void open_history(void) {
  const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
  struct passwd *user;
  if (!home && (user = getpwuid(getuid()))) home = user->pw_dir;
  if (state && *state)
    snprintf(history_file, sizeof history_file, "%s/gander_history", state);
  else if (home && *home)
    snprintf(history_file, sizeof history_file, "%s/.gander_history", home);
  using_history();
  history_comment_char = '#'; /* with time stamps a statement of several lines stays one */
  history_write_timestamps = 1;
  if (!*history_file) return;
  mode_t mask = umask(077);
  FILE *file = fopen(history_file, "a");
  umask(mask);
  if (file) fclose(file);
  read_history(history_file);
  stifle_history(HISTORY);
}

void lines_remember(const char *statement) {
  HIST_ENTRY *latest = history_length ? history_get(history_base + history_length - 1) : NULL;
  if (latest && !strcmp(latest->line, statement)) return;
  add_history(statement);
  if (*history_file) append_history(1, history_file);
}

/* ---- the line ---- */

static void take_line(char *text) {
  bool ended = !text && !strcmp(rl_variable_value("enable-bracketed-paste"), "on"); /* then readline ends the line itself */
  line = text;
  got_line = true;
  rl_callback_handler_remove(); /* or readline would show the next prompt at once */
  shown = false;
  if (!text && !ended) fputc('\n', rl_outstream);
}

void lines_open(FILE *out, Completer *completer) {
  names = completer;
  rl_readline_name = "gander";
  rl_instream = stdin;
  rl_outstream = out;
  rl_catch_signals = 0;
  rl_catch_sigwinch = 0;
  rl_attempted_completion_function = complete;
  rl_completion_display_matches_hook = show_matches;
  rl_completer_word_break_characters = " \t\n\"'`@$><=;|&{}()[]+-*/%^~#,";
  open_history();
}

void lines_close(void) {
  if (*history_file) history_truncate_file(history_file, HISTORY);
}

void lines_show(const char *prompt) {
  snprintf(current, sizeof current, "%s", prompt);
  got_line = false;
  rl_callback_handler_install(current, take_line);
  shown = true;
}

void lines_hide(void) {
  if (!shown) return;
  rl_callback_handler_remove();
  shown = false;
}

bool lines_key(char **text) {
  rl_callback_read_char();
  if (!got_line) return false;
  got_line = false;
  *text = line;
  return true;
}

void lines_above(const char *bytes, size_t n) {
  if (shown) rl_clear_visible_line();
  fwrite(bytes, 1, n, rl_outstream);
  fflush(rl_outstream);
  if (shown) {
    rl_on_new_line();
    rl_redisplay();
  }
}

bool lines_empty(void) {
  return !rl_end;
}

void lines_drop(void) {
  rl_callback_sigcleanup(); /* out of a search */
  lines_hide();
  fputs("^C\n", rl_outstream);
  fflush(rl_outstream);
}

void lines_resize(void) {
  rl_resize_terminal();
}

void lines_suspend(void) {
  if (shown) rl_deprep_terminal();
  pthread_kill(pthread_self(), SIGSTOP); /* this thread stops here, and the others with it */
  if (shown) {
    rl_prep_terminal(1);
    rl_forced_update_display();
  }
}
