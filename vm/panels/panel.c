/* What panels share: themes, headings, and the choice of round numbers on axes. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "panel.h"

#define RGB(hex)                                                                                                                   \
  { (hex) >> 16 & 255, (hex) >> 8 & 255, (hex)&255, 255 }

const Theme theme_dark = {
    RGB(0x0f1216), RGB(0x181c22),
    RGB(0xe8eaed), RGB(0x8d96a0),
    RGB(0x2b313a), {RGB(0xe69f00), RGB(0x56b4e9), RGB(0x1fb58a), RGB(0xcc79a7), RGB(0xf0e442), RGB(0xe8743b), RGB(0xa9b4c2)}};
const Theme theme_light = {
    RGB(0xeff1f4), RGB(0xffffff),
    RGB(0x1c2128), RGB(0x68717d),
    RGB(0xe3e7ec), {RGB(0xd55e00), RGB(0x0072b2), RGB(0x009e73), RGB(0xcc79a7), RGB(0xb8860b), RGB(0x56b4e9), RGB(0x59636e)}};

double view_clock(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

Rect panel_heading(Canvas *c, Rect area, const char *name, const char *right, const Theme *theme) {
  Rect in = rect_inset(area, canvas_units(c, 14));
  int line = canvas_units(c, 16), gap = canvas_units(c, 10);
  float y = (float)in.y + (float)line / 2;
  Face bold = {14, true}, plain = {13, false};
  text_draw(c, (float)in.x, y, ALIGN_LEFT, bold, theme->text, name);
  if (right && text_width(c, bold, name) + text_width(c, plain, right) + gap < in.w)
    text_draw(c, (float)(in.x + in.w), y, ALIGN_RIGHT, plain, theme->faint, right);
  return (Rect){in.x, in.y + line + gap, in.w, in.h > line + gap ? in.h - line - gap : 0};
}

Ticks ticks_for(double low, double high, int most) {
  double rough = (high - low) / (most > 1 ? most : 1);
  if (!(rough > 0) || !isfinite(rough)) return (Ticks){low, 1, 1, 0};
  double power = pow(10, floor(log10(rough))), part = rough / power;
  int factor = part <= 1.0001 ? 1 : part <= 2.0001 ? 2 : part <= 5.0001 ? 5 : 10;
  Ticks t = {.step = factor * power};
  t.first = ceil(low / t.step - 1e-6) * t.step;
  t.count = (int)floor((high - t.first) / t.step + 1e-6) + 1;
  t.decimals = (int)-floor(log10(t.step) + 1e-6);
  if (t.decimals < 0) t.decimals = 0;
  return t;
}

/* 12345 -> 12,345 */
static void with_commas(char *out, size_t size, long value) {
  char digits[32];
  int n = snprintf(digits, sizeof digits, "%ld", value < 0 ? -value : value);
  size_t at = 0;
  if (value < 0 && at + 1 < size) out[at++] = '-';
  for (int i = 0; i < n && at + 2 < size; i++) {
    if (i && (n - i) % 3 == 0) out[at++] = ',';
    out[at++] = digits[i];
  }
  out[at] = 0;
}

void tick_text(char *out, size_t size, double value, int decimals) {
  double most = fabs(value);
  if (decimals < 0)
    with_commas(out, size, lround(value));
  else if (most < 1e-300)
    snprintf(out, size, "0");
  else if (decimals > 4 || most >= 1e9)
    snprintf(out, size, "%.3g", value);
  else if (decimals == 0 && most >= 1e6 && fmod(most, 1e5) == 0)
    snprintf(out, size, "%gM", value / 1e6);
  else if (decimals == 0 && most >= 1e4 && fmod(most, 100) == 0)
    snprintf(out, size, "%gk", value / 1e3);
  else if (decimals == 0)
    with_commas(out, size, lround(value));
  else
    snprintf(out, size, "%.*f", decimals, value);
}

size_t rate_text(char *out, size_t size, double lr) {
  if (lr == 0 || fabs(lr) >= 1e-3) return (size_t)snprintf(out, size, "%.3g", lr);
  int exponent = (int)floor(log10(fabs(lr)) + 1e-9);
  return (size_t)snprintf(out, size, "%.3ge%d", lr / pow(10, exponent), exponent);
}
