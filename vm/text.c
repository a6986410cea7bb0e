/* Text: glyphs from SDL2_ttf, loaded when the first text is drawn and kept as coverage by font, size and character. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "canvas.h"
#include "sdl.h"
#include "vm.h"

typedef struct Glyph {
  uint32_t key; /* character, size, bold; 0: an empty place */
  int left, width, height, advance;
  uint8_t *cover;
} Glyph;

typedef struct OpenFont {
  int size, ascent;
  bool bold;
  TTF_Font *font;
} OpenFont;

enum { GLYPHS = 4096, FONTS = 24, SMALLEST = 7, LARGEST = 200 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* the window and files draw on two threads */
static enum { UNTRIED, READY, MISSING } state;
static const char *path[2]; /* plain, bold */
static Glyph glyph[GLYPHS];
static int glyphs, fonts;
static OpenFont font[FONTS];

/* ---- finding the font ---- */

static const char *const folder[] = {"/usr/share/fonts/truetype/dejavu",
                                     "/usr/share/fonts/dejavu-sans-fonts",
                                     "/usr/share/fonts/TTF",
                                     "/usr/share/fonts/dejavu",
                                     "/usr/local/share/fonts/dejavu",
                                     "/usr/share/fonts/ttf-dejavu",
                                     "/opt/homebrew/share/fonts/dejavu",
                                     "/usr/local/share/fonts",
                                     "/Library/Fonts",
                                     "/System/Library/Fonts/Supplemental",
                                     "/usr/share/fonts/truetype/liberation",
                                     "/usr/share/fonts/liberation-sans"};
static const char *const file[][2] = {{"DejaVuSans.ttf", "DejaVuSans-Bold.ttf"},
                                      {"LiberationSans-Regular.ttf", "LiberationSans-Bold.ttf"},
                                      {"Arial.ttf", "Arial Bold.ttf"}};

static bool find_font(void) {
  static char found[2][256];
  for (size_t f = 0; f < sizeof file / sizeof *file; f++)
    for (size_t i = 0; i < sizeof folder / sizeof *folder; i++) {
      for (int bold = 0; bold < 2; bold++) snprintf(found[bold], sizeof found[bold], "%s/%s", folder[i], file[f][bold]);
      if (access(found[0], R_OK)) continue;
      path[0] = found[0];
      path[1] = access(found[1], R_OK) ? found[0] : found[1];
      return true;
    }
  return false;
}

static bool ready(void) {
  if (state == UNTRIED) {
    const char *why = ttf_load();
    if (!why && !find_font()) why = "no font was found (Debian: fonts-dejavu-core)";
    state = why ? MISSING : READY;
    if (why) engine_say("pictures have no text: %s", why);
  }
  return state == READY;
}

/* ---- glyphs ---- */

static void forget_all(void) {
  for (int i = 0; i < GLYPHS; i++) free(glyph[i].cover);
  memset(glyph, 0, sizeof glyph);
  for (int i = 0; i < fonts; i++) ttf.CloseFont(font[i].font);
  glyphs = fonts = 0;
}

static OpenFont *font_of(int size, bool bold) {
  for (int i = 0; i < fonts; i++)
    if (font[i].size == size && font[i].bold == bold) return &font[i];
  if (fonts == FONTS) forget_all();
  TTF_Font *opened = ttf.OpenFont(path[bold], size);
  if (!opened) return NULL;
  ttf.SetFontHinting(opened, TTF_HINTING_LIGHT);
  font[fonts] = (OpenFont){.size = size, .bold = bold, .ascent = ttf.FontAscent(opened), .font = opened};
  return &font[fonts++];
}

/* SDL_ttf's surface has the font's height, its baseline at the ascent, and begins at the glyph's left edge when that is
 * left of the origin, else at the origin. */
static bool render(Glyph *g, OpenFont *f, uint32_t character) {
  int left = 0, right, low, high;
  if (ttf.GlyphMetrics(f->font, (Uint16)character, &left, &right, &low, &high, &g->advance)) return false;
  SDL_Surface *s = ttf.RenderGlyph_Blended(f->font, (Uint16)character, (SDL_Color){255, 255, 255, 255});
  if (!s) return true; /* a space */
  g->cover = malloc((size_t)s->w * (size_t)s->h + 1);
  if (g->cover) {
    g->left = left < 0 ? left : 0;
    g->width = s->w;
    g->height = s->h;
    for (int y = 0; y < s->h; y++)
      for (int x = 0; x < s->w; x++) {
        uint32_t argb;
        memcpy(&argb, (const uint8_t *)s->pixels + (size_t)y * (size_t)s->pitch + (size_t)x * 4, 4);
        g->cover[y * s->w + x] = (uint8_t)(argb >> 24);
      }
  }
  ttf.FreeSurface(s);
  return true;
}

static Glyph *glyph_of(OpenFont *f, uint32_t character) {
  uint32_t key = character | (uint32_t)f->size << 16 | (uint32_t)f->bold << 31;
  uint32_t place = key * 2654435761U >> 20; /* Knuth's multiplicative hash, 12 bits */
  while (glyph[place].key && glyph[place].key != key) place = (place + 1) % GLYPHS;
  if (glyph[place].key) return &glyph[place];
  if (!render(&glyph[place], f, character)) return NULL;
  glyph[place].key = key;
  glyphs++;
  return &glyph[place];
}

/* The next character of UTF-8, of the first 65536; anything malformed is a question mark. */
static uint32_t next_character(const char **text) {
  const unsigned char *s = (const unsigned char *)*text;
  int more = s[0] < 0x80 ? 0 : s[0] >= 0xc2 && s[0] < 0xe0 ? 1 : s[0] >= 0xe0 && s[0] < 0xf0 ? 2 : -1;
  uint32_t value = more == 0 ? s[0] : more == 1 ? s[0] & 0x1fU : s[0] & 0x0fU;
  *text += 1;
  for (int i = 1; i <= more; i++, *text += 1) {
    if ((s[i] & 0xc0) != 0x80) return '?';
    value = value << 6 | (s[i] & 0x3fU);
  }
  return more < 0 ? '?' : value;
}

static OpenFont *prepare(const Canvas *c, Face face) {
  if (!ready()) return NULL;
  if (glyphs > GLYPHS / 2) forget_all();
  int size = (int)lroundf(face.size * c->scale);
  return font_of(size < SMALLEST ? SMALLEST : size > LARGEST ? LARGEST : size, face.bold);
}

static int measure(OpenFont *f, const char *text) {
  int width = 0;
  while (*text) {
    const Glyph *g = glyph_of(f, next_character(&text));
    if (g) width += g->advance;
  }
  return width;
}

static void paint(Canvas *c, const Glyph *g, int x, int y, Colour colour) {
  if (!g->cover) return;
  for (int v = 0; v < g->height; v++) {
    if (y + v < 0 || y + v >= c->height) continue;
    for (int u = 0; u < g->width; u++) {
      unsigned part = g->cover[v * g->width + u] * colour.a / 255;
      int at = x + g->left + u;
      if (!part || at < 0 || at >= c->width) continue;
      uint8_t *p = c->pixel + ((size_t)(y + v) * (size_t)c->width + (size_t)at) * 4;
      p[0] = (uint8_t)((p[0] * (255 - part) + colour.r * part + 127) / 255);
      p[1] = (uint8_t)((p[1] * (255 - part) + colour.g * part + 127) / 255);
      p[2] = (uint8_t)((p[2] * (255 - part) + colour.b * part + 127) / 255);
    }
  }
}

void text_draw(Canvas *c, float x, float y, Align align, Face face, Colour colour, const char *text) {
  pthread_mutex_lock(&lock);
  OpenFont *f = prepare(c, face);
  if (f) {
    int width = align == ALIGN_LEFT ? 0 : measure(f, text);
    int at = (int)lroundf(x) - (align == ALIGN_RIGHT ? width : width / 2);
    int top = (int)lroundf(y + 0.364F * (float)f->size) - f->ascent; /* capitals are 0.729 of the size high */
    while (*text) {
      const Glyph *g = glyph_of(f, next_character(&text));
      if (!g) continue;
      paint(c, g, at, top, colour);
      at += g->advance;
    }
  }
  pthread_mutex_unlock(&lock);
}

int text_width(const Canvas *c, Face face, const char *text) {
  pthread_mutex_lock(&lock);
  OpenFont *f = prepare(c, face);
  int width = f ? measure(f, text) : 0;
  pthread_mutex_unlock(&lock);
  return width;
}
