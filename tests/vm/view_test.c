/* What windows and pictures are drawn with: shapes, images, ticks, panels, animations and the log. */
#include <gif_lib.h>
#include <stdarg.h>

#include "../../vm/view.h"
#include "../nn/folder.h"

static char said[400];

void engine_say(const char *format, ...) {
  va_list list;
  va_start(list, format);
  vsnprintf(said, sizeof said, format, list);
  va_end(list);
}

static const Colour black = {0, 0, 0, 255}, white = {255, 255, 255, 255};

static Canvas blank(int width, int height) {
  Canvas c = {.scale = 1};
  CHECK(canvas_resize(&c, width, height));
  canvas_fill(&c, (Rect){0, 0, width, height}, black);
  return c;
}

static int red(const Canvas *c, int x, int y) {
  return c->pixel[(y * c->width + x) * 4];
}

static double light(const Canvas *c) { /* sum of all pixels, white is 1 */
  double sum = 0;
  for (int i = 0; i < c->width * c->height; i++) sum += c->pixel[4 * i] / 255.0;
  return sum;
}

/* ---- canvas ---- */

static void test_fill(void) {
  Canvas c = blank(10, 8);
  canvas_fill(&c, (Rect){-5, -5, 8, 7}, white); /* what lies outside is cut off */
  CHECK(red(&c, 2, 1) == 255 && red(&c, 3, 1) == 0 && red(&c, 2, 2) == 0);
  CHECK_NEAR(light(&c), 6, 1e-9);
  canvas_fill(&c, (Rect){0, 0, 10, 8}, (Colour){255, 255, 255, 0});
  CHECK_NEAR(light(&c), 6, 1e-9);
  canvas_fill(&c, (Rect){9, 7, 100, 100}, (Colour){255, 255, 255, 128});
  CHECK(red(&c, 9, 7) == 128);
  canvas_fill(&c, (Rect){20, 20, 5, 5}, white);
  canvas_free(&c);
}

static void test_lines(void) {
  Canvas c = blank(64, 64);
  Rect all = {0, 0, 64, 64};
  canvas_line(&c, all, (Point){8, 20.5F}, (Point){40, 20.5F}, 1, white);
  CHECK(red(&c, 20, 20) == 255 && red(&c, 20, 19) == 0 && red(&c, 20, 21) == 0);
  canvas_fill(&c, all, black);
  canvas_line(&c, all, (Point){8, 20}, (Point){40, 20}, 1, white); /* between two rows: half in each */
  CHECK(abs(red(&c, 20, 19) - 128) <= 1 && abs(red(&c, 20, 20) - 128) <= 1);
  for (int angle = 0; angle < 12; angle++) { /* as much light whatever the direction */
    canvas_fill(&c, all, black);
    float x = cosf((float)angle * 0.2618F), y = sinf((float)angle * 0.2618F);
    canvas_line(&c, all, (Point){32 - 20 * x, 32 - 20 * y}, (Point){32 + 20 * x, 32 + 20 * y}, 2, white);
    CHECK_NEAR(light(&c), 40 * 2 + 3.1, 2.5);
  }
  canvas_free(&c);
}

/* A line that crosses itself is painted once. */
static void test_crossing(void) {
  Canvas c = blank(40, 40);
  Point p[] = {{5, 20.5F}, {35, 20.5F}, {20.5F, 35}, {20.5F, 5}};
  mask_begin(&c, (Rect){0, 0, 40, 40});
  mask_line(&c, 4, p, 3);
  mask_paint(&c, (Colour){255, 255, 255, 100});
  CHECK(red(&c, 20, 20) == 100 && red(&c, 10, 20) == 100);
  mask_begin(&c, (Rect){0, 0, 40, 40}); /* and leaves nothing behind */
  mask_paint(&c, white);
  CHECK(red(&c, 0, 0) == 0 && red(&c, 20, 20) == 100);
  Point wild[] = {{NAN, NAN}, {1e30F, -1e30F}, {-1e30F, 1e30F}, {INFINITY, 3}};
  mask_line(&c, 4, wild, 2);
  mask_disc(&c, wild[0], 3);
  mask_paint(&c, black);
  canvas_free(&c);
}

static double far_from(Point a, Point b, double x, double y) {
  double dx = (double)b.x - (double)a.x, dy = (double)b.y - (double)a.y, length = dx * dx + dy * dy;
  double t = length > 0 ? ((x - (double)a.x) * dx + (y - (double)a.y) * dy) / length : 0;
  t = fmin(fmax(t, 0), 1);
  return hypot(x - (double)a.x - t * dx, y - (double)a.y - t * dy);
}

/* Lines anywhere, partly or wholly outside, level and upright ones too, against the distance of each pixel. */
static void test_distances(void) {
  Canvas c = blank(61, 47);
  random_seed(7);
  for (int k = 0; k < 300; k++) {
    Point p[3];
    Rect area = {k % 3 * 10 - 5, k % 4 * 8 - 5, 50, 30};
    real u[7];
    random_uniform(u, 7);
    double half = 0.4 + 3 * (double)u[6], worst = 0;
    for (int i = 0; i < 3; i++) {
      p[i] = (Point){140 * (float)u[2 * i] - 40, 120 * (float)u[2 * i + 1] - 40};
      if (i && k % 5 == 1) p[i].x = p[i - 1].x;
      if (i && k % 5 == 2) p[i].y = p[i - 1].y + (k % 2 ? 0 : 1e-6F);
      if (i && k % 5 == 3) p[i] = (Point){p[i - 1].x + 1, p[i - 1].y + 30};
    }
    canvas_fill(&c, (Rect){0, 0, c.width, c.height}, black);
    mask_begin(&c, area);
    mask_line(&c, 3, p, (float)(2 * half));
    mask_paint(&c, white);
    for (int y = 0; y < c.height; y++)
      for (int x = 0; x < c.width; x++) {
        double far = fmin(far_from(p[0], p[1], x + 0.5, y + 0.5), far_from(p[1], p[2], x + 0.5, y + 0.5));
        bool inside = x >= area.x && y >= area.y && x < area.x + area.w && y < area.y + area.h;
        double want = inside ? 255 * fmin(fmax(half + 0.5 - far, 0), 1) : 0;
        worst = fmax(worst, fabs(red(&c, x, y) - want));
      }
    CHECK_NEAR(worst, 0, 0.6);
  }
  canvas_free(&c);
}

static void test_disc(void) {
  Canvas c = blank(40, 40);
  mask_begin(&c, (Rect){0, 0, 40, 40});
  mask_disc(&c, (Point){20, 20}, 8);
  mask_paint(&c, white);
  CHECK_NEAR(light(&c), 3.14159 * 64, 3);
  canvas_fill(&c, (Rect){0, 0, 40, 40}, black);
  canvas_round(&c, (Rect){4, 4, 32, 32}, 6, white);
  CHECK_NEAR(light(&c), 32 * 32 - (4 - 3.14159) * 36, 3);
  canvas_free(&c);
}

static void test_images(void) {
  const uint8_t pixel[4] = {0, 255, 100, 200};
  Canvas c = blank(12, 12);
  canvas_image(&c, (Rect){0, 0, 12, 12}, pixel, 2, 2, 1, false); /* a whole multiple: sharp */
  CHECK(red(&c, 5, 5) == 0 && red(&c, 6, 5) == 255 && red(&c, 5, 6) == 100 && red(&c, 11, 11) == 200);
  canvas_image(&c, (Rect){0, 0, 3, 2}, pixel, 2, 2, 1, false); /* the middle pixel lies over both */
  CHECK(red(&c, 0, 0) == 0 && red(&c, 1, 0) == 128 && red(&c, 2, 0) == 255);
  canvas_image(&c, (Rect){0, 0, 1, 1}, pixel, 2, 2, 1, false);
  CHECK(red(&c, 0, 0) == 139);
  canvas_image(&c, (Rect){0, 0, 12, 12}, pixel, 2, 2, 1, true); /* bilinear: even steps between the two centres */
  CHECK(red(&c, 0, 0) == 0 && red(&c, 2, 0) == 0 && red(&c, 3, 0) == 21 && red(&c, 8, 0) == 234 && red(&c, 9, 0) == 255);
  canvas_image(&c, (Rect){-6, -6, 12, 12}, pixel, 2, 2, 1, false);
  CHECK(red(&c, 0, 0) == 200);
  canvas_free(&c);
}

/* ---- axes ---- */

static void check_ticks(double low, double high, int most, double first, double step, int count) {
  Ticks t = ticks_for(low, high, most);
  CHECK_NEAR(t.first, first, 1e-9 * (fabs(high) + 1));
  CHECK_NEAR(t.step, step, 1e-9 * step);
  CHECK(t.count == count);
}

static void test_ticks(void) {
  check_ticks(0, 1, 5, 0, 0.2, 6);
  check_ticks(1, 300, 5, 100, 100, 3);
  check_ticks(-0.7, 0.7, 4, -0.5, 0.5, 3);
  check_ticks(0, 1e6, 10, 0, 1e5, 11);
  check_ticks(3e-5, 9e-5, 6, 3e-5, 1e-5, 7);
  check_ticks(2, 2, 5, 2, 1, 1);
  bool few = true, round = true;
  for (double high = 1e-8; high < 1e12; high *= 1.37)
    for (int most = 1; most < 12; most++) {
      Ticks t = ticks_for(0, high, most);
      double lead = t.step / pow(10, floor(log10(t.step * 1.000001)));
      few = few && t.count <= most + 1 && (t.count - 1) * t.step <= high * 1.00001;
      round = round && (fabs(lead - 1) < 1e-6 || fabs(lead - 2) < 1e-6 || fabs(lead - 5) < 1e-6);
    }
  CHECK(few && round);
}

static void check_tick(double value, int decimals, const char *want) {
  char text[32];
  tick_text(text, sizeof text, value, decimals);
  CHECK(!strcmp(text, want));
  if (strcmp(text, want)) printf("%g became %s, not %s\n", value, text, want);
}

static void test_tick_texts(void) {
  check_tick(0, 3, "0");
  check_tick(0.25, 2, "0.25");
  check_tick(-0.5, 1, "-0.5");
  check_tick(1500, 0, "1,500");
  check_tick(-1234, 0, "-1,234");
  check_tick(20000, 0, "20k");
  check_tick(12345, 0, "12,345");
  check_tick(2500000, 0, "2.5M");
  check_tick(100000, -1, "100,000");
  check_tick(3e-5, 5, "3e-05");
  char text[16];
  status_duration(text, sizeof text, 65.4);
  CHECK(!strcmp(text, "1:05"));
  status_duration(text, sizeof text, 7259);
  CHECK(!strcmp(text, "2:00:59"));
}

/* ---- panels ---- */

static Panel *new_panel(Scene *s, const PanelKind *kind) {
  Panel *p = scene_panel(s, kind, "panel");
  CHECK(p != NULL);
  return p;
}

/* Columns of the canvas, of the first plot's colour. */
static int coloured_columns(const Canvas *c) {
  int n = 0;
  for (int x = 0; x < c->width; x++)
    for (int y = 0; y < c->height; y++) {
      const uint8_t *p = c->pixel + 4 * ((size_t)y * (size_t)c->width + (size_t)x);
      Colour a = theme_dark.accent[0];
      if (abs(p[0] - a.r) + abs(p[1] - a.g) + abs(p[2] - a.b) > 12) continue;
      n++;
      break;
    }
  return n;
}

/* Values measured now and then are joined, those on either side of a short gap are not. */
static void test_sparse_plot(void) {
  for (long every = 1; every <= 100; every += 99) {
    Scene s;
    CHECK(scene_begin(&s, "t", true));
    Panel *p = new_panel(&s, &panel_plot);
    for (long i = 1; i <= 401; i += every)
      if (i < 120 || i > 280 || every > 1) CHECK(plot_add(p, "a", i, (double)(i % 3)));
    Canvas c = blank(600, 400);
    scene_draw(&s, &c, SCENE_ALL, NULL);
    CHECK(every > 1 ? coloured_columns(&c) > 450 : coloured_columns(&c) < 400);
    canvas_free(&c);
    scene_end(&s);
  }
}

/* What is drawn lies in the parts that are told. */
static void test_parts(void) {
  Scene s;
  CHECK(scene_begin(&s, "t", true));
  Panel *first = scene_panel(&s, &panel_plot, "first"), *second = scene_panel(&s, &panel_plot, "second");
  Status *status = s.status.data;
  status->trains = true;
  Canvas c = blank(600, 400), before = blank(600, 400);
  Rect part[SCENE_PARTS];
  CHECK(plot_add(first, "a", 1, 1) && plot_add(second, "a", 1, 1));
  CHECK(scene_draw(&s, &c, SCENE_ALL, part) == 1 && part[0].w == 600 && part[0].h == 400);
  for (int which = 0; which < 8; which++) {
    memcpy(before.pixel, c.pixel, (size_t)600 * 400 * 4);
    CHECK(plot_add(first, "a", which + 2, which % 3) && plot_add(second, "a", which + 2, which % 2));
    status->step += 111;
    int n = scene_draw(&s, &c, (unsigned)((which & 3) | (which & 4 ? SCENE_STATUS : 0)), part), outside = 0, changed = 0;
    CHECK(n == (which & 1) + (which >> 1 & 1) + (which >> 2));
    for (int i = 0; i < 600 * 400; i++) {
      if (!memcmp(c.pixel + 4 * i, before.pixel + 4 * i, 4)) continue;
      bool inside = false;
      for (int k = 0; k < n; k++) {
        int x = i % 600 - part[k].x, y = i / 600 - part[k].y;
        inside = inside || (x >= 0 && y >= 0 && x < part[k].w && y < part[k].h);
      }
      outside += !inside;
      changed++;
    }
    CHECK(!outside && (changed > 0) == (n > 0));
  }
  canvas_free(&c);
  canvas_free(&before);
  scene_end(&s);
}

/* A million values keep their extremes, whatever is merged. */
static void test_long_plot(void) {
  Scene s, copy;
  CHECK(scene_begin(&s, "t", true) && scene_begin(&copy, "t", true));
  Panel *p = new_panel(&s, &panel_plot);
  bool ok = true;
  for (long i = 1; i <= 1000000; i++) ok = ok && plot_add(p, "a", i, i == 777777 ? 50 : i % 1000 ? 1 : (double)NAN);
  CHECK(ok);
  CHECK(plot_last(p, "a") == 1 && isnan(plot_last(p, "b")));
  CHECK(plot_add(p, "a", 999, 9) && plot_last(p, "a") == 1); /* steps that were already drawn */
  CHECK(scene_copy(&copy, &s, SCENE_STATUS) == SCENE_ALL && scene_copy(&copy, &s, SCENE_ALL) == 0);
  p->version++;
  s.status.version++;
  CHECK(scene_copy(&copy, &s, SCENE_STATUS) == SCENE_STATUS && scene_copy(&copy, &s, SCENE_ALL) == 1);
  Canvas c = blank(600, 400), d = blank(600, 400);
  scene_draw(&s, &c, SCENE_ALL, NULL);
  scene_draw(&copy, &d, SCENE_ALL, NULL);
  CHECK(!memcmp(c.pixel, d.pixel, (size_t)600 * 400 * 4));
  for (int i = 1; i < 7; i++) CHECK(plot_add(p, (const char[2]){(char)('a' + i), 0}, i, i));
  CHECK(!plot_add(p, "h", 1, 1));
  CHECK_ERROR("a plot has at most 7 curves");
  canvas_free(&c);
  canvas_free(&d);
  scene_end(&s);
  scene_end(&copy);
}

static Tensor *filled(int ndim, const long *shape, double value) {
  Tensor *x = tensor_new(ndim, shape);
  for (long i = 0; i < tensor_numel(x); i++) x->data[i] = (real)value;
  return x;
}

static void test_images_panel(void) {
  Scene s;
  Canvas c = {0};
  CHECK(scene_begin(&s, "t", true));
  Panel *p = new_panel(&s, &panel_images);
  CHECK(!images_grid(p, &c, 100));
  Tensor *x = filled(4, (const long[]){5, 2, 2, 3}, 0);
  const real edge[6] = {-1, 1, (real)-7, (real)7, (real)NAN, (real)0.5};
  memcpy(x->data, edge, sizeof edge);
  CHECK(images_set(p, x, "f"));
  CHECK(images_grid(p, &c, 18)); /* 3 columns, 3 times as large, gaps of 2 */
  CHECK(c.width == 26 && c.height == 18);
  const uint8_t *first = c.pixel + (2 * c.width + 2) * 4, *second = first + 3 * 4;
  CHECK(first[0] == 0 && first[1] == 255 && first[2] == 0);
  CHECK(second[0] == 255 && second[1] == 0 && second[2] == 191);
  CHECK(c.pixel[(c.width * 4 + 2 + 12) * 4] != 0 || c.pixel[(c.width * 4 + 14) * 4 + 2] != 0); /* the next picture, grey */
  tensor_drop(x);
  x = filled(3, (const long[]){4, 3, 2}, 0);
  CHECK(images_set(p, x, "f") && images_fits(x)); /* (N,H,W) */
  tensor_drop(x);
  x = filled(4, (const long[]){2, 3, 3, 2}, 0);
  CHECK(!images_set(p, x, "window:images(x)"));
  CHECK_ERROR("window:images(x): pictures are (N,H,W,1), (N,H,W,3), (H,W,1), (H,W,3) or (H,W), got (2,3,3,2)");
  tensor_drop(x);
  x = filled(2, (const long[]){7, 784}, 0);
  CHECK(images_set(p, x, "f") && images_grid(p, &c, 84));
  CHECK(c.width == 3 * 30 + 2 && c.height == 3 * 30 + 2);
  tensor_drop(x);
  canvas_free(&c);
  scene_end(&s);
}

static void test_other_panels(void) {
  Scene s;
  CHECK(scene_begin(&s, "t", false));
  Panel *p = new_panel(&s, &panel_scatter), *h = new_panel(&s, &panel_heatmap);
  Tensor *x = filled(2, (const long[]){3, 2}, 0.5);
  x->data[0] = (real)NAN;
  x->data[3] = (real)INFINITY;
  CHECK(scatter_set(p, x, "f") && scatter_behind(p, x, "f") && heatmap_set(h, x, "f"));
  Canvas c = blank(500, 300);
  for (int size = 1; size < 500; size += 37) { /* no size is too small */
    CHECK(canvas_resize(&c, size, 1 + 300 / size));
    scene_draw(&s, &c, SCENE_ALL, NULL);
    scene_draw_wide(&s, &c);
  }
  tensor_drop(x);
  x = filled(1, (const long[]){3}, 0);
  CHECK(!scatter_set(p, x, "window:scatter(points)"));
  CHECK_ERROR("window:scatter(points): points are (N,2), got (3)");
  CHECK(!heatmap_set(h, x, "window:heatmap(x)"));
  CHECK_ERROR("window:heatmap(x): a heatmap is (H,W) with 1 to 8192 rows and columns, got (3)");
  for (int i = s.panels; i < SCENE_PANELS; i++) scene_panel(&s, &panel_plot, (const char[2]){(char)('a' + i), 0});
  CHECK(!scene_panel(&s, &panel_plot, "more"));
  CHECK_ERROR("it has 16 panels already");
  tensor_drop(x);
  canvas_free(&c);
  scene_end(&s);
}

static void test_text(void) {
  Canvas c = blank(200, 40);
  Face face = {14, false};
  int width = text_width(&c, face, "loss 0.25");
  if (said[0]) { /* no font: said once, and nothing is drawn */
    CHECK(strstr(said, "pictures have no text") && width == 0);
    text_draw(&c, 5, 20, ALIGN_LEFT, face, white, "loss");
    CHECK_NEAR(light(&c), 0, 0);
  } else {
    CHECK(width > 40 && width < 90);
    CHECK(text_width(&c, face, "11111") == text_width(&c, face, "80964")); /* digits do not dance */
    text_draw(&c, 195, 20, ALIGN_RIGHT, face, white, "loss 0.25");
    double sum = light(&c);
    CHECK(sum > 50);
    canvas_fill(&c, (Rect){195 - width, 0, width, 40}, black); /* all within the width it says */
    CHECK_NEAR(light(&c), 0, 2);
    text_draw(&c, 0, 0, ALIGN_CENTRE, face, white, "\xff\xc3(\xe2\x82 \xe2\x86\x92");
  }
  canvas_free(&c);
}

/* ---- files ---- */

static int inside[400][2]; /* of each frame: its middle's red and blue */
static int frames_of(const char *path, int *width) {
  int error = 0;
  GifFileType *gif = DGifOpenFileName(path, &error);
  if (!gif || DGifSlurp(gif) != GIF_OK) return -1;
  int n = gif->ImageCount;
  *width = gif->SWidth;
  for (int i = 0; i < n && i < 400; i++) {
    SavedImage *image = &gif->SavedImages[i];
    const ColorMapObject *map = image->ImageDesc.ColorMap;
    GifColorType colour = map->Colors[image->RasterBits[image->ImageDesc.Width * image->ImageDesc.Height / 2]];
    inside[i][0] = colour.Red;
    inside[i][1] = colour.Blue;
  }
  DGifCloseFile(gif, &error);
  return n;
}

static void test_gif(void) {
  const char *path = path_of("a.gif");
  int width = 0;
  Gif *g = gif_new(path);
  Canvas c = blank(32, 32);
  CHECK(gif_write(g) && access(path, F_OK)); /* without frames no file */
  canvas_fill(&c, (Rect){0, 0, 32, 32}, (Colour){200, 10, 30, 255});
  CHECK(gif_add(g, &c));
  canvas_fill(&c, (Rect){0, 0, 32, 32}, (Colour){85, 85, 85, 255});
  CHECK(gif_add(g, &c));
  CHECK(canvas_resize(&c, 64, 64));
  canvas_fill(&c, (Rect){0, 0, 64, 64}, (Colour){10, 20, 250, 255});
  CHECK(gif_add(g, &c) && gif_write(g)); /* made as large as the first */
  CHECK(frames_of(path, &width) == 3 && width == 32);
  CHECK(inside[0][0] == 200 && inside[0][1] == 30 && inside[1][0] == 85 && inside[2][0] == 10 && inside[2][1] == 250);
  gif_free(g);
  canvas_free(&c);
}

/* Frames of noise: whatever their number, the file stays under a megabyte and keeps the first. */
static void test_long_gif(void) {
  const char *path = path_of("b.gif");
  int width = 0;
  Gif *g = gif_new(path);
  Canvas c = blank(128, 128);
  unsigned state = 1;
  int added = 0;
  for (long number = 0; number < 300; number++) {
    for (int i = 0; i < 128 * 128 * 4; i++) c.pixel[i] = (uint8_t)((state = state * 1664525U + 1013904223U) >> 24);
    canvas_fill(&c, (Rect){0, 60, 128, 8}, (Colour){(uint8_t)(number * 8 & 255), 0, 0, 255});
    if (gif_wants(g, number)) CHECK(gif_add(g, &c)), added++;
  }
  CHECK(gif_write(g) && added < 300);
  FILE *f = fopen(path, "rb");
  CHECK(f && !fseek(f, 0, SEEK_END) && ftell(f) < 1000000);
  if (f) fclose(f);
  int n = frames_of(path, &width);
  CHECK(n >= 8 && n <= 120 && inside[0][0] < 8);
  gif_free(g);
  canvas_free(&c);
}

static char *text_of(const char *path) {
  static char text[2000];
  FILE *f = fopen(path, "rb");
  size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
  text[n] = 0;
  if (f) fclose(f);
  return text;
}

static int lines(const char *text) {
  int n = 0;
  for (; *text; text++) n += *text == '\n';
  return n;
}

/* A run that is resumed at step 3 replaces the lines from there on. */
static void test_log(void) {
  const char *path = path_of("log.csv");
  Report r = {.step = 1, .n = 2, .name = {"loss_g", "D(x)"}, .value = {0.5, (double)NAN}};
  Log *log = log_open(path, &r);
  for (; r.step <= 5; r.step++) CHECK(log_row(log, &r));
  log_close(log);
  CHECK(!strncmp(text_of(path), "step,epoch,loss_g,D(x),seconds\n1,0,0.5,", 39) && lines(text_of(path)) == 6);
  r.step = 3;
  r.value[0] = 7;
  log = log_open(path, &r);
  CHECK(log_row(log, &r));
  log_close(log);
  CHECK(lines(text_of(path)) == 4 && strstr(text_of(path), "\n3,0,7,") && strstr(text_of(path), "\n2,0,0.5,"));
  CHECK(!log_open("/nowhere/at/all.csv", &r));
  CHECK_ERROR("/nowhere/at/all.csv");
  CHECK(!folder_make("/dev/null/x"));
  CHECK_ERROR("/dev/null/x");
}

static void test_png(void) {
  const char *path = path_of("a.png");
  Canvas c = blank(3, 2);
  canvas_fill(&c, (Rect){1, 0, 1, 1}, (Colour){255, 51, 0, 255});
  CHECK(canvas_save(&c, path));
  size_t scope = scope_enter();
  Tensor *x = image_load(path);
  CHECK(x && x->ndim == 3 && x->shape[0] == 2 && x->shape[1] == 3);
  if (x && x->shape[2] == 3) CHECK_NEAR(x->data[4], 0.2, 1e-6);
  scope_leave(scope, NULL);
  CHECK(!canvas_save(&c, "/nowhere/at/all.png"));
  CHECK_ERROR("/nowhere/at/all.png");
  canvas_free(&c);
}

int main(void) {
  if (!folder_new()) return 1;
  test_fill();
  test_lines();
  test_crossing();
  test_distances();
  test_disc();
  test_images();
  test_ticks();
  test_tick_texts();
  test_parts();
  test_long_plot();
  test_sparse_plot();
  test_images_panel();
  test_other_panels();
  test_text();
  test_gif();
  test_long_gif();
  test_log();
  test_png();
  return test_done();
}
