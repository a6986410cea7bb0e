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
  __typeof__(SDL_CreateRenderer) *CreateRenderer;
  __typeof__(SDL_DestroyRenderer) *DestroyRenderer;
  __typeof__(SDL_GetRendererOutputSize) *GetRendererOutputSize;
  __typeof__(SDL_CreateTexture) *CreateTexture;
  __typeof__(SDL_DestroyTexture) *DestroyTexture;
  __typeof__(SDL_UpdateTexture) *UpdateTexture;
  __typeof__(SDL_RenderClear) *RenderClear;
  __typeof__(SDL_RenderCopy) *RenderCopy;
  __typeof__(SDL_RenderPresent) *RenderPresent;
  __typeof__(SDL_RegisterEvents) *RegisterEvents;
  __typeof__(SDL_PushEvent) *PushEvent;
  __typeof__(SDL_PollEvent) *PollEvent;
  __typeof__(SDL_WaitEventTimeout) *WaitEventTimeout;
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
