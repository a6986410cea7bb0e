# gander: `make help` lists what can be made.

CC      ?= gcc
PREFIX  ?= /usr/local
BUILD   ?= build
OPT     ?= -O2 -g
# one list of what the project needs, as Debian calls it
PACKAGES = gcc make pkg-config liblua5.4-dev libopenblas-pthread-dev libsdl2-dev libsdl2-ttf-dev libpng-dev \
           libjpeg-dev zlib1g-dev libgif-dev libreadline-dev fonts-dejavu-core dataset-fashion-mnist
TEST_PACKAGES = xvfb xdotool python3 lua5.4
CHECK_PACKAGES = valgrind clang libclang-rt-14-dev clang-format

WARN     = -Wall -Wextra -Wpedantic -Werror
# products and sums are rounded one by one, so that every CPU gives the same bits
CFLAGS   = -std=c11 -D_GNU_SOURCE $(OPT) $(WARN) -ffp-contract=off -fno-math-errno -pthread -MMD -MP $(EXTRA)
KERNELFLAGS = -O3 -fno-trapping-math
NN_PC    = openblas libpng libjpeg zlib
VM_PC    = lua5.4 readline
NN_CFLAGS = $(shell pkg-config --cflags $(NN_PC))
VM_CFLAGS = $(shell pkg-config --cflags $(VM_PC)) $(shell pkg-config --cflags sdl2 SDL2_ttf) -DGANDER_BUILD='"$(VERSION)"'
LIBS     = $(shell pkg-config --libs $(VM_PC) $(NN_PC)) -lgif -lm -ldl -pthread
VERSION  = 0.1.0

NN_SRC   = $(wildcard nn/*.c nn/ops/*.c nn/kernels/*.c nn/files/*.c)
VM_SRC   = $(wildcard vm/*.c vm/panels/*.c)
STDLIB   = $(sort $(wildcard stdlib/*.lua))
NN_OBJ   = $(NN_SRC:%.c=$(BUILD)/%.o)
VM_OBJ   = $(VM_SRC:%.c=$(BUILD)/%.o) $(BUILD)/stdlib.o
PROGRAM  = $(BUILD)/gander

.PHONY: all tests deps missing run test check-all install uninstall clean format help double
all: $(PROGRAM) gander

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
C_TESTS  = $(patsubst %.c,$(BUILD)/%,$(wildcard tests/nn/*_test.c))
LUA_TESTS = $(filter-out tests/check.lua tests/networks.lua tests/gradients.lua,$(wildcard tests/*.lua))
PY_TESTS = $(wildcard tests/*_test.py)

$(BUILD)/tests/%: tests/%.c $(BUILD)/libgander.a
	@mkdir -p $(@D)
	@echo '  CC  $<'
	@$(CC) $(CFLAGS) -Inn $(NN_CFLAGS) $< $(BUILD)/libgander.a -o $@ $(shell pkg-config --libs $(NN_PC)) -lm -pthread

# runs the tests on whatever BUILD names
tests: all $(C_TESTS)
	@tests/run $(BUILD) $(C_TESTS) $(LUA_TESTS) $(PY_TESTS) $(EXTRA_TESTS)

test: double
	@$(MAKE) --no-print-directory tests EXTRA_TESTS=tests/gradients.sh

# the tests again under sanitizers and valgrind: slow
check-all: test
	@$(MAKE) --no-print-directory tests BUILD=build/asan OPT='-O1 -g' EXTRA='-fsanitize=address,undefined -fno-omit-frame-pointer'
	@$(MAKE) --no-print-directory tests BUILD=build/tsan OPT='-O1 -g' EXTRA='-fsanitize=thread'
	@tests/valgrind $(BUILD) $(C_TESTS)

clean:
	rm -rf build gander

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
