/* Loading SDL2 and SDL2_ttf: each function into its typed pointer. */
#include <dlfcn.h>
#include <stdbool.h>
#include <string.h>

#include "sdl.h"

struct Sdl sdl;
struct Ttf ttf;

typedef struct Symbol {
  const char *name;
  void *place;
} Symbol;

static const char *const sdl_names[] = {"libSDL2-2.0.so.0", "libSDL2.so", "libSDL2-2.0.0.dylib", NULL};
static const char *const ttf_names[] = {"libSDL2_ttf-2.0.so.0", "libSDL2_ttf.so", "libSDL2_ttf-2.0.0.dylib", NULL};

static const Symbol sdl_symbols[] = {{"SDL_Init", &sdl.Init},
                                     {"SDL_Quit", &sdl.Quit},
                                     {"SDL_SetHint", &sdl.SetHint},
                                     {"SDL_GetError", &sdl.GetError},
                                     {"SDL_CreateWindow", &sdl.CreateWindow},
                                     {"SDL_DestroyWindow", &sdl.DestroyWindow},
                                     {"SDL_SetWindowMinimumSize", &sdl.SetWindowMinimumSize},
                                     {"SDL_SetWindowFullscreen", &sdl.SetWindowFullscreen},
                                     {"SDL_GetWindowFlags", &sdl.GetWindowFlags},
                                     {"SDL_GetWindowSize", &sdl.GetWindowSize},
                                     {"SDL_GetWindowID", &sdl.GetWindowID},
                                     {"SDL_GetCurrentVideoDriver", &sdl.GetCurrentVideoDriver},
                                     {"SDL_GetWindowSurface", &sdl.GetWindowSurface},
                                     {"SDL_UpdateWindowSurfaceRects", &sdl.UpdateWindowSurfaceRects},
                                     {"SDL_CreateRGBSurfaceWithFormatFrom", &sdl.CreateRGBSurfaceWithFormatFrom},
                                     {"SDL_SetSurfaceBlendMode", &sdl.SetSurfaceBlendMode},
                                     {"SDL_UpperBlit", &sdl.UpperBlit},
                                     {"SDL_FreeSurface", &sdl.FreeSurface},
                                     {"SDL_PollEvent", &sdl.PollEvent},
                                     {NULL, NULL}};

static const Symbol ttf_symbols[] = {{"TTF_Init", &ttf.Init},
                                     {"TTF_OpenFont", &ttf.OpenFont},
                                     {"TTF_CloseFont", &ttf.CloseFont},
                                     {"TTF_FontAscent", &ttf.FontAscent},
                                     {"TTF_SetFontHinting", &ttf.SetFontHinting},
                                     {"TTF_GlyphMetrics", &ttf.GlyphMetrics},
                                     {"TTF_RenderGlyph_Blended", &ttf.RenderGlyph_Blended},
                                     {NULL, NULL}};

static const Symbol surface_symbols[] = {{"SDL_FreeSurface", &ttf.FreeSurface}, {NULL, NULL}};

/* A data pointer becomes a function pointer by its bytes, as POSIX promises of dlsym. */
static bool load(const char *const *names, const Symbol *symbols) {
  void *library = NULL;
  for (; *names && !library; names++) library = dlopen(*names, RTLD_NOW | RTLD_LOCAL);
  if (!library) return false;
  for (; symbols->name; symbols++) {
    void *symbol = dlsym(library, symbols->name);
    if (!symbol) return false;
    memcpy(symbols->place, &symbol, sizeof symbol);
  }
  return true;
}

const char *sdl_load(void) {
  static bool loaded;
  if (!loaded && !(loaded = load(sdl_names, sdl_symbols))) return "SDL2 is not installed (Debian: libsdl2-2.0-0)";
  return NULL;
}

const char *ttf_load(void) {
  static bool loaded;
  if (!loaded && !(loaded = load(ttf_names, ttf_symbols) && load(sdl_names, surface_symbols) && ttf.Init() == 0))
    return "SDL2_ttf is not installed (Debian: libsdl2-ttf-2.0-0)";
  return NULL;
}
