/* SDL2 and SDL2_ttf, loaded when first needed: a program that opens no window does not pay for them. */
#ifndef GANDER_SDL_H
#define GANDER_SDL_H

#include <SDL.h>
#include <SDL_ttf.h>

extern struct Sdl {
  __typeof__(SDL_Init) *Init;
  __typeof__(SDL_Quit) *Quit;
  __typeof__(SDL_SetHint) *SetHint;
  __typeof__(SDL_GetError) *GetError;
  __typeof__(SDL_CreateWindow) *CreateWindow;
  __typeof__(SDL_DestroyWindow) *DestroyWindow;
  __typeof__(SDL_SetWindowMinimumSize) *SetWindowMinimumSize;
  __typeof__(SDL_SetWindowFullscreen) *SetWindowFullscreen;
  __typeof__(SDL_GetWindowFlags) *GetWindowFlags;
  __typeof__(SDL_GetWindowSize) *GetWindowSize;
  __typeof__(SDL_GetWindowID) *GetWindowID;
  __typeof__(SDL_GetCurrentVideoDriver) *GetCurrentVideoDriver;
  __typeof__(SDL_GetWindowSurface) *GetWindowSurface;
  __typeof__(SDL_UpdateWindowSurfaceRects) *UpdateWindowSurfaceRects;
  __typeof__(SDL_CreateRGBSurfaceWithFormatFrom) *CreateRGBSurfaceWithFormatFrom;
  __typeof__(SDL_SetSurfaceBlendMode) *SetSurfaceBlendMode;
  __typeof__(SDL_UpperBlit) *UpperBlit;
  __typeof__(SDL_FreeSurface) *FreeSurface;
  __typeof__(SDL_PollEvent) *PollEvent;
} sdl;

extern struct Ttf {
  __typeof__(TTF_Init) *Init;
  __typeof__(TTF_OpenFont) *OpenFont;
  __typeof__(TTF_CloseFont) *CloseFont;
  __typeof__(TTF_FontAscent) *FontAscent;
  __typeof__(TTF_SetFontHinting) *SetFontHinting;
  __typeof__(TTF_GlyphMetrics) *GlyphMetrics;
  __typeof__(TTF_RenderGlyph_Blended) *RenderGlyph_Blended;
  __typeof__(SDL_FreeSurface) *FreeSurface;
} ttf;

const char *sdl_load(void); /* NULL, or why it cannot be used. Main thread */
const char *ttf_load(void);

#endif
