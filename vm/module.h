/* Modules written in Lua: what bind_module.c and bind_class.c share. */
#ifndef GANDER_MODULE_H
#define GANDER_MODULE_H

#include "vm.h"

bool class_of(lua_State *L, int index);                    /* was the module at index made by nn.module? */
bool class_field(lua_State *L, int index, bool own);       /* pushes the value of the key at 2 from its fields, or from its class */
int class_forward(lua_State *L, Module *m);                /* calls forward with all arguments on the stack */
bool put_child(lua_State *L, const char *name, int child); /* of the module at index 1; false with nn_error() */
void push_function_module(lua_State *L, const char *name, int function); /* a module that calls the function at that index */
void bind_modules(lua_State *L);
extern const Function functions_class[];

#endif
