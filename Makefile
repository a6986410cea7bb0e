# gander: `make help` lists what can be made.

CC      ?= gcc
PREFIX  ?= /usr/local
BUILD   ?= build
OPT     ?= -O2 -g -gz
# What is needed: when it is needed, how to see that it is there, and its name in Debian, Fedora, Arch and Homebrew.
define NEEDS
build command:gcc            gcc                       gcc                     gcc              gcc
build command:make           make                      make                    make             make
build command:pkg-config     pkg-config                pkgconf-pkg-config      pkgconf          pkgconf
build module:lua5.4          liblua5.4-dev             lua-devel               lua              lua
build module:openblas        libopenblas-pthread-dev   openblas-devel          openblas         openblas
build module:sdl2            libsdl2-dev               SDL2-devel              sdl2             sdl2
build module:SDL2_ttf        libsdl2-ttf-dev           SDL2_ttf-devel          sdl2_ttf         sdl2_ttf
build module:libpng          libpng-dev                libpng-devel            libpng           libpng
build module:libjpeg         libjpeg-dev               libjpeg-turbo-devel     libjpeg-turbo    jpeg-turbo
build module:zlib            zlib1g-dev                zlib-devel              zlib             zlib
build module:libdeflate      libdeflate-dev            libdeflate-devel        libdeflate       libdeflate
build header:gif_lib.h       libgif-dev                giflib-devel            giflib           giflib
build module:readline        libreadline-dev           readline-devel          readline         readline
run   font:DejaVuSans.ttf    fonts-dejavu-core         dejavu-sans-fonts       ttf-dejavu       font-dejavu
run   data:fashion-mnist     dataset-fashion-mnist     (by-hand)               (by-hand)        (by-hand)
test  command:Xvfb           xvfb                      xorg-x11-server-Xvfb    xorg-server-xvfb xquartz
test  command:xdotool        xdotool                   xdotool                 xdotool          xdotool
test  command:python3        python3                   python3                 python           python
check command:valgrind       valgrind                  valgrind                valgrind         valgrind
check command:clang          clang                     clang                   clang            llvm
check command:clang-format   clang-format              clang-tools-extra       clang            clang-format
endef
export NEEDS
WHEN = build run test

WARN     = -Wall -Wextra -Wpedantic -Werror
# products and sums are rounded one by one, so that every CPU gives the same bits
CFLAGS   = -std=c11 -D_GNU_SOURCE $(OPT) $(WARN) -ffp-contract=off -fno-math-errno -pthread -MMD -MP $(EXTRA)
KERNELFLAGS = -O3 -fno-trapping-math -g1
# two vectors at a time and their instructions interleaved: each waits for the one before it (clang needs no telling)
EACHFLAGS = -funroll-loops --param max-unroll-times=2 -fschedule-insns \
  -Wno-ignored-optimization-argument -Wno-unused-command-line-argument
NN_PC    = libpng libjpeg zlib libdeflate
LUA_PC  := $(firstword $(shell for name in lua5.4 lua-5.4 lua54 lua; do pkg-config --exists $$name 2>&1 && echo $$name; done))
VM_PC    = $(LUA_PC) readline
SDL_PC   = sdl2 SDL2_ttf
VERSION  = 0.1.0
NN_CFLAGS := $(shell pkg-config --cflags $(NN_PC) openblas 2>&1)
VM_CFLAGS := $(shell pkg-config --cflags $(VM_PC) $(SDL_PC) 2>&1) -DGANDER_BUILD='"$(VERSION)"'
NN_LIBS := $(shell pkg-config --libs $(NN_PC) 2>&1)
LIBS    := $(shell pkg-config --libs $(VM_PC) 2>&1) $(NN_LIBS) -lgif -lm -ldl -pthread

NN_SRC   = $(wildcard nn/*.c nn/ops/*.c nn/kernels/*.c nn/files/*.c)
VM_SRC   = $(wildcard vm/*.c vm/panels/*.c)
STDLIB   = $(sort $(wildcard stdlib/*.lua))
NN_OBJ   = $(NN_SRC:%.c=$(BUILD)/%.o)
VM_OBJ   = $(VM_SRC:%.c=$(BUILD)/%.o) $(BUILD)/stdlib.o
PROGRAM  = $(BUILD)/gander

.PHONY: all tests deps ready missing run test bench check-all valgrind install uninstall clean format help double
all: $(PROGRAM) gander ## build the program (the default)

HAS_HEADER = $(CC) -fsyntax-only -x c -include stdio.h -include

# without headers there is nothing to compile; the goals that need none go on
ifneq ($(filter-out deps ready missing run test check-all uninstall clean format help,$(or $(MAKECMDGOALS),all)),)
ifneq ($(shell pkg-config --exists $(VM_PC) $(NN_PC) $(SDL_PC) openblas 2>&1 && $(HAS_HEADER) gif_lib.h /dev/null 2>&1 && echo there),there)
$(error something gander is built with is missing: `make deps` installs it, `make missing` says what it is)
endif
endif

$(BUILD)/libgander.a: $(NN_OBJ)
	@rm -f $@
	@echo '  AR  $@'
	@ar rcs $@ $^

$(PROGRAM): $(VM_OBJ) $(BUILD)/libgander.a
	@echo '  LD  $@'
	@$(CC) $(CFLAGS) $^ -o $@ $(LIBS) -Wl,-E

gander:
	ln -sf build/gander gander

$(BUILD)/nn/%.o: nn/%.c
	@mkdir -p $(@D)
	@echo '  CC  $<'
	@$(CC) $(CFLAGS) $(NN_CFLAGS) -c $< -o $@

$(BUILD)/nn/kernels/%.o: OPT += $(KERNELFLAGS)
$(BUILD)/nn/kernels/each_%.o: OPT += $(EACHFLAGS)

# the tiles of products: one source for several instruction sets, chosen at run time; sums are fused multiply-adds in each
# (sanitizers would take minutes over these; valgrind looks at their memory)
$(BUILD)/nn/kernels/tile_%.o: NN_CFLAGS += -O3 -ffp-contract=fast -fno-unroll-loops -fno-sanitize=all
ifeq ($(shell uname -m),x86_64)
$(BUILD)/nn/kernels/tile_avx512.o: NN_CFLAGS += -mavx512f -mavx512vl -mavx512dq -mavx512bw -mfma -mprefer-vector-width=512
$(BUILD)/nn/kernels/tile_avx2.o: NN_CFLAGS += -mavx2 -mfma
$(BUILD)/nn/kernels/tile_fma.o: NN_CFLAGS += -mfma
endif

$(BUILD)/vm/%.o: vm/%.c
	@mkdir -p $(@D)
	@echo '  CC  $<'
	@$(CC) $(CFLAGS) $(NN_CFLAGS) $(VM_CFLAGS) -c $< -o $@

# the Lua library, as bytes in the program: no files to find at run time
$(BUILD)/stdlib.c: $(STDLIB) Makefile
	@mkdir -p $(@D)
	@{ echo '#include "../vm/stdlib.h"'; n=0; \
	for f in $(STDLIB); do \
	  echo "static const unsigned char file_$$n[] = {"; od -An -v -tx1 $$f | sed 's/ \(..\)/0x\1,/g'; echo '0};'; n=$$((n+1)); \
	done; \
	echo 'const StdlibFile stdlib_files[] = {'; n=0; \
	for f in $(STDLIB); do echo "{\"$$(basename $$f .lua)\", (const char *)file_$$n, sizeof file_$$n - 1},"; n=$$((n+1)); done; \
	echo '{0}};'; } > $@

$(BUILD)/stdlib.o: $(BUILD)/stdlib.c
	@$(CC) $(CFLAGS) -Ivm -c $< -o $@

# the same program with double for float, in which derivatives are checked
double:
	@$(MAKE) --no-print-directory BUILD=build/double EXTRA=-DNN_DOUBLE build/double/gander

# every *_test.c is a program of its own; the double build checks derivatives
C_TESTS  = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/nn/*_test.c tests/vm/*_test.c))
LUA_TESTS = $(filter-out tests/check.lua tests/networks.lua tests/gradients.lua,$(wildcard tests/*.lua))
PY_TESTS = $(wildcard tests/*_test.py)

$(BUILD)/tests/%: tests/%.c $(BUILD)/libgander.a
	@mkdir -p $(@D)
	@echo '  CC  $<'
	@$(CC) $(CFLAGS) -Inn $(NN_CFLAGS) $< $(BUILD)/libgander.a -o $@ $(NN_LIBS) -lm -ldl -pthread

# what windows are drawn with needs neither Lua nor the engine
DRAWING = $(patsubst %.c,$(BUILD)/%.o,$(addprefix vm/,canvas.c files.c gif.c log.c scene.c sdl.c text.c) $(wildcard vm/panels/*.c))
$(BUILD)/tests/vm/%: tests/vm/%.c $(DRAWING) $(BUILD)/libgander.a
	@mkdir -p $(@D)
	@echo '  CC  $<'
	@$(CC) $(CFLAGS) -Inn $(NN_CFLAGS) $(VM_CFLAGS) $< $(DRAWING) $(BUILD)/libgander.a -o $@ $(NN_LIBS) -lgif -lm -ldl -pthread

# runs the tests on whatever BUILD names
tests: all $(C_TESTS)
	@tests/run $(BUILD) $(C_TESTS) $(LUA_TESTS) $(PY_TESTS) $(EXTRA_TESTS)

test: ready ## run all tests
	@$(MAKE) --no-print-directory double
	@$(MAKE) --no-print-directory tests EXTRA_TESTS=tests/gradients.sh

# the machine's peak: sums are fused multiply-adds, as in the tiles
$(BUILD)/tests/bench/peak: tests/bench/peak.c
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) -ffp-contract=fast $< -o $@

bench: all $(BUILD)/tests/bench/peak ## time the workloads (WORK=dcgan32, PEER=/path/to/python with torch)
	@BUILD=$(BUILD) python3 tests/bench/run.py

check-all: test ## run them again under sanitizers and valgrind: slow
	@$(MAKE) --no-print-directory ready WHEN='$(WHEN) check'
	@$(MAKE) --no-print-directory tests BUILD=build/asan OPT='-O1 -g' EXTRA='-fsanitize=address,undefined -fno-omit-frame-pointer -DNN_SEPARATE_BLOCKS'
	@$(MAKE) --no-print-directory tests BUILD=build/tsan OPT='-O1 -g' EXTRA='-fsanitize=thread'
	@$(MAKE) --no-print-directory valgrind BUILD=build/separate EXTRA=-DNN_SEPARATE_BLOCKS

valgrind: all $(C_TESTS)
	@tests/valgrind $(BUILD) $(C_TESTS)

# prints the lines of NEEDS of which something is missing
LACKING = printf '%s\n' "$$NEEDS" | while IFS=': ' read -r when kind what names; do \
    case " $(WHEN) " in *" $$when "*) ;; *) continue;; esac; \
    case $$kind:$$what in \
      command:*) command -v $$what >/dev/null;; \
      module:lua*) test -n "$(LUA_PC)";; \
      module:*) pkg-config --exists $$what 2>/dev/null;; \
      header:*) $(HAS_HEADER) $$what /dev/null 2>/dev/null;; \
      font:*) find -L /usr/share/fonts /usr/local/share/fonts /opt/homebrew/share/fonts -name $$what 2>/dev/null | grep -q .;; \
      data:*) test -e /usr/share/datasets/$$what -o -e /usr/local/share/datasets/$$what -o -e data/$$what;; \
    esac || echo "$$when $$names"; done

missing: ## say what is not installed, and how other systems call it
	@lacking=$$($(LACKING)); \
	if [ -z "$$lacking" ]; then echo 'nothing is missing'; exit; fi; \
	format='%-9s%-25s%-23s%-18s%s\n'; \
	printf "$$format" 'for' Debian Fedora Arch Homebrew; \
	printf '%s\n' "$$lacking" | while read -r when debian fedora arch brew; do \
	  printf "$$format" "$$when" "$$debian" "$$fedora" "$$arch" "$$brew"; done

deps: ## install what is missing (Debian, Ubuntu)
	@packages=$$($(LACKING) | while read -r when debian others; do echo $$debian; done); \
	if [ -z "$$packages" ]; then echo 'nothing is missing'; exit; fi; \
	if ! command -v apt-get >/dev/null; then \
	  echo 'there is no apt-get here; please install:'; $(MAKE) --no-print-directory missing WHEN='$(WHEN)'; exit 1; fi; \
	if [ "$$(id -u)" = 0 ]; then root=; else root=sudo; fi; \
	$$root apt-get update -q; \
	$$root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $$packages

ready:
	@test -z "$$($(LACKING))" || $(MAKE) --no-print-directory deps WHEN='$(WHEN)'

# a prompt beside the window, when there is somebody to type at it
run: ## install what is missing, build, train a GAN on Fashion-MNIST (ARGS='--epochs 5')
	@$(MAKE) --no-print-directory ready WHEN='build run'
	@$(MAKE) --no-print-directory all
	@if [ -t 0 ]; then exec ./gander -i scripts/dcgan.lua $(ARGS); else exec ./gander scripts/dcgan.lua $(ARGS); fi

SHARE = $(DESTDIR)$(PREFIX)/share/gander
HEADERS = nn.h $(shell sed -n 's/^.include "\([^"]*\)".*/\1/p' nn/nn.h)

install: all ## install to PREFIX, /usr/local by default
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib $(DESTDIR)$(PREFIX)/include/gander $(SHARE)/scripts
	install -m 755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/gander
	install -m 644 $(BUILD)/libgander.a $(DESTDIR)$(PREFIX)/lib/libgander.a
	install -m 644 $(HEADERS:%=nn/%) $(DESTDIR)$(PREFIX)/include/gander
	install -m 644 $(wildcard scripts/*.lua) $(SHARE)/scripts

uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(PREFIX)/bin/gander $(DESTDIR)$(PREFIX)/lib/libgander.a $(HEADERS:%=$(DESTDIR)$(PREFIX)/include/gander/%)
	rm -f $(patsubst scripts/%,$(SHARE)/scripts/%,$(wildcard scripts/*.lua))
	-rmdir $(SHARE)/scripts $(SHARE) $(DESTDIR)$(PREFIX)/include/gander

clean: ## remove what was built
	rm -rf build gander

format: ## lay out the C code
	clang-format -i $(wildcard nn/*.[ch] nn/*/*.[ch] vm/*.[ch] vm/*/*.[ch] tests/*/*.[ch])

help: ## show this
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
