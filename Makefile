# hedgerow: `make help` lists the targets. One folder per mode (build/release, build/asan, build/fuzz,
# build/lint), no configure step; a first `make` installs what is missing (appliance/deploy/deps.sh).

MODE   ?= release
PREFIX ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 20
SEEDS  ?= 2000

# Where the libraries are that the system's packages do not provide (README, "Building").
DEPS_PREFIX      ?= build/deps
BORINGSSL_PREFIX ?= build/deps/boringssl
export DEPS_PREFIX_GIVEN := $(filter-out build/deps,$(DEPS_PREFIX))
export BORINGSSL_PREFIX_GIVEN := $(filter-out build/deps/boringssl,$(BORINGSSL_PREFIX))
DEPS := appliance/deploy/deps.sh

B := build/$(MODE)
ifeq ($(origin CC),default)
CC := gcc
endif

# `make V=1` shows the commands.
Q := $(if $(V),,@)
shown = $(if $(V),,@echo "$(1)  $(patsubst build/%,%,$@)")

# ---- flags ----

CFLAGS_all := -std=gnu17 -g -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wvla -fno-omit-frame-pointer -pthread
CPPFLAGS_all := -D_GNU_SOURCE -I. -isystem $(DEPS_PREFIX)/include -isystem $(BORINGSSL_PREFIX)/include

ifeq ($(MODE),release)
CFLAGS_mode := -O2 -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fPIE
LDFLAGS_mode := -pie -Wl,-z,relro,-z,now
else ifeq ($(MODE),asan)
# The sanitizers' own code makes gcc warn without cause (gcc(1), -fsanitize); the other modes are strict.
CFLAGS_mode := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -Wno-error
LDFLAGS_mode := -fsanitize=address,undefined
else ifeq ($(MODE),fuzz)
CC := clang
CFLAGS_mode := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
LDFLAGS_mode := -fsanitize=address,undefined
else ifeq ($(MODE),lint)
CC := clang
CFLAGS_mode := -O0
else
$(error MODE is one of release, asan, fuzz, lint)
endif

COMPILE = $(CC) $(CFLAGS_all) $(CFLAGS_mode) $(CFLAGS) $(CPPFLAGS_all) $(CPPFLAGS)
LINK = $(CC) $(CFLAGS_all) $(LDFLAGS_mode) $(LDFLAGS)

# clang 19 objects to liburing's own struct, whose last member has no size, inside of another.
ifeq ($(CC),clang)
CFLAGS_mode += -Wno-gnu-variable-sized-type-not-at-end
endif

# ---- libraries ----

# $(call library,PREFIX,NAME): the archive where there is one, else the shared library.
library = $(or $(wildcard $(1)/lib/lib$(2).a),-L$(1)/lib -l$(2))

LIBS_ring = $(call library,$(DEPS_PREFIX),uring)
LIBS_test = $(call library,$(DEPS_PREFIX),llhttp) $(call library,$(DEPS_PREFIX),yyjson)
LIBS_system = $(call library,$(DEPS_PREFIX),cares) -Wl,--as-needed -lyaml -lnghttp2 -lz -lm -Wl,--no-as-needed

# BoringSSL: archives (a mainline build) need the C++ library. Of the shared form (Debian's) the program
# must name libcrypto itself: libssl would look for it in the system's folders only.
LIBS_tls = $(if $(wildcard $(BORINGSSL_PREFIX)/lib/libssl.a),$(addprefix $(BORINGSSL_PREFIX)/lib/, \
	libssl.a libcrypto.a) -lstdc++,-L$(BORINGSSL_PREFIX)/lib -lssl -lcrypto)

# Where a program looks for what is not an archive: build/hedgerow beside itself, so that the tree can be
# moved; the installed one in ../lib/hedgerow; a test program nowhere but here.
comma := ,
rpath = -Wl$(comma)-rpath$(comma)'$(subst $() ,:,$(strip $(1)))'
RPATH_shipped := $(if $(BORINGSSL_PREFIX_GIVEN),$(abspath $(BORINGSSL_PREFIX)/lib),$$ORIGIN/deps/boringssl/lib) \
	$(if $(DEPS_PREFIX_GIVEN),$(abspath $(DEPS_PREFIX)/lib),$$ORIGIN/deps/lib)
RPATH_installed := $$ORIGIN/../lib/hedgerow
RPATH_tests := $(abspath $(BORINGSSL_PREFIX)/lib $(DEPS_PREFIX)/lib)

# The heap of the programs; the sanitizers bring their own.
LIBS_heap = $(shell a=$$($(CC) -print-file-name=libjemalloc_pic.a); \
	if [ -e "$$a" ]; then echo "$$a"; else echo -ljemalloc; fi)

# ---- sources ----

MAIN := appliance/control/main.c
RING := core/ring_uring.c
LIB_SOURCES := $(filter-out $(MAIN) $(RING),$(wildcard core/*.c net/*.c providers/*.c \
	appliance/race/*.c appliance/replay/*.c appliance/control/*.c))
BENCH_SOURCES := $(filter-out %/main.c,$(wildcard bench/*.c bench/replay/*.c bench/yard/*.c))
RELAY_SOURCES := $(wildcard bench/relay/*.c)
SIM_SOURCES := $(wildcard tests/sim/*.c)
objects = $(patsubst %.c,$(B)/%.o,$(1))

# The kernel's ring is an archive of its own, after the others: whoever brings another ring (the
# simulator) does not get this one.
LIB := $(B)/libhedgerow.a
LIB_RING := $(B)/libring.a
LIB_BENCH := $(B)/libbench.a

UNIT := $(patsubst %.c,$(B)/%,$(wildcard tests/unit/*/test_*.c))
FUZZ := $(patsubst tests/fuzz/%.c,$(B)/%,$(filter-out %/fuzz_main.c,$(wildcard tests/fuzz/fuzz_*.c)))
SIM := $(if $(SIM_SOURCES),$(B)/sim)
# Each where its main is.
PROGRAMS := $(if $(wildcard $(MAIN)),build/hedgerow) $(if $(wildcard bench/main.c),build/hedgerow-bench) \
	$(if $(RELAY_SOURCES),build/raw-relay)

.PHONY: all test demo run replay bench bench-short fuzz sim lint format tidy asan unit fuzzers install clean \
	distclean help FORCE
.DELETE_ON_ERROR:
.SECONDARY:

all: $(PROGRAMS)

# Including the stamp makes make start over after deps.sh has run, so that $(wildcard) sees the libraries.
BUILD_STAMP := build/deps/build.stamp
ifneq ($(filter-out clean distclean help print-%,$(or $(MAKECMDGOALS),all)),)
include $(BUILD_STAMP)
endif
DEPS_MISSING := $(if $(and $(or $(DEPS_PREFIX_GIVEN),$(wildcard build/deps/lib/liburing.a)),$(or \
	$(BORINGSSL_PREFIX_GIVEN),$(wildcard build/deps/boringssl/lib/libssl.*))),,FORCE)
$(BUILD_STAMP): $(DEPS) $(DEPS_MISSING)
	@$(DEPS) build
FORCE:

# ---- objects, archives, programs ----

$(B)/%.o: %.c Makefile | $(BUILD_STAMP)
	@mkdir -p $(@D)
	$(call shown,cc)
	$(Q)$(COMPILE) -MMD -MP -c $< -o $@

$(LIB): $(call objects,$(LIB_SOURCES))
$(LIB_RING): $(call objects,$(wildcard $(RING)))
$(LIB_BENCH): $(call objects,$(BENCH_SOURCES))
$(LIB) $(LIB_RING) $(LIB_BENCH):
	@mkdir -p $(@D)
	@rm -f $@
	$(call shown,ar)
	$(Q)ar rcs $@ $^

HEDGEROW_PARTS := $(call objects,$(MAIN)) $(LIB) $(LIB_RING)
HEDGEROW_LIBS = $(LIBS_ring) $(LIBS_tls) $(LIBS_system) $(LIBS_heap) -lm
BENCH_PARTS := $(call objects,bench/main.c) $(LIB_BENCH) $(LIB)
BENCH_LIBS = $(LIBS_test) $(LIBS_tls) $(LIBS_system) $(LIBS_heap) -lm

# In build/ itself are the release programs; a mode's own are in its folder. The second ones differ from
# the first in where they look for BoringSSL.
ifeq ($(MODE),release)
build/hedgerow: $(HEDGEROW_PARTS)
	$(call shown,ld)
	$(Q)$(LINK) $(call rpath,$(RPATH_shipped)) $^ $(HEDGEROW_LIBS) -o $@
build/hedgerow-bench: $(BENCH_PARTS)
	$(call shown,ld)
	$(Q)$(LINK) $(call rpath,$(RPATH_shipped)) $^ $(BENCH_LIBS) -o $@
build/raw-relay: $(call objects,$(RELAY_SOURCES))
	$(call shown,ld)
	$(Q)$(LINK) $^ $(LIBS_ring) -o $@
build/bench-yard: $(call objects,bench/yard/main.c) $(LIB_BENCH)
	$(call shown,ld)
	$(Q)$(LINK) $(call rpath,$(RPATH_shipped)) $^ $(LIBS_tls) -lm -o $@
$(B)/installed/hedgerow: $(HEDGEROW_PARTS)
	@mkdir -p $(@D)
	$(call shown,ld)
	$(Q)$(LINK) $(call rpath,$(RPATH_installed)) $^ $(HEDGEROW_LIBS) -o $@
$(B)/installed/hedgerow-bench: $(BENCH_PARTS)
	@mkdir -p $(@D)
	$(call shown,ld)
	$(Q)$(LINK) $(call rpath,$(RPATH_installed)) $^ $(BENCH_LIBS) -o $@
else
$(PROGRAMS): FORCE
	$(MAKE) MODE=release $@
$(B)/hedgerow: $(HEDGEROW_PARTS)
	$(call shown,ld)
	$(Q)$(LINK) $(call rpath,$(RPATH_tests)) $^ $(LIBS_ring) $(LIBS_tls) $(LIBS_system) -lm -o $@
endif

LIBS_all_tests = $(LIBS_test) $(LIBS_ring) $(LIBS_tls) $(LIBS_system) -lm

$(UNIT): $(B)/%: $(B)/%.o $(LIB_BENCH) $(LIB) $(LIB_RING)
	$(call shown,ld)
	$(Q)$(LINK) $(call rpath,$(RPATH_tests)) $(filter-out $(LIB_BENCH),$<) \
		$(if $(findstring /unit/bench/,$@),$(LIB_BENCH)) $(LIB) $(LIB_RING) $(LIBS_all_tests) -o $@

$(B)/sim: $(call objects,$(SIM_SOURCES)) $(LIB)
	$(call shown,ld)
	$(Q)$(LINK) $(call rpath,$(RPATH_tests)) $^ $(LIBS_test) $(LIBS_tls) $(LIBS_system) -lm -o $@

FUZZ_MAIN := $(if $(filter fuzz,$(MODE)),,$(call objects,tests/fuzz/fuzz_main.c))
$(FUZZ): $(B)/%: $(B)/tests/fuzz/%.o $(FUZZ_MAIN) $(LIB) $(LIB_RING)
	$(call shown,ld)
	$(Q)$(LINK) $(if $(FUZZ_MAIN),,-fsanitize=fuzzer) $(call rpath,$(RPATH_tests)) $^ $(LIBS_all_tests) -o $@

-include $(shell find $(B) -name '*.d' 2>/dev/null)

# ---- what people and tests/run.sh ask for ----

unit: $(UNIT)
fuzzers: $(FUZZ)
sim-program: $(SIM)
print-%:
	@echo $($*)

test:
	@$(DEPS) test
	+@tests/run.sh

demo: all
	tests/e2e/demo.sh
run: all
	tests/e2e/demo.sh run
replay: all
	bench/replay.sh
bench bench-short: all build/bench-yard
	@$(DEPS) bench
	bench/run.sh $(if $(filter bench-short,$@),--short)

asan:
	+$(MAKE) MODE=asan unit fuzzers sim-program $(if $(wildcard $(MAIN)),build/asan/hedgerow)

fuzz:
	@$(DEPS) test
	+@FUZZ_SECONDS=$(FUZZ_SECONDS) FUZZ_SEED=0 tests/run.sh fuzz

sim:
	+@SEEDS=$(SEEDS) tests/run.sh sim

lint:
	@$(DEPS) lint
	+@tests/lint.sh

format:
	@$(DEPS) lint
	clang-format -i $(shell find core net providers appliance bench tests -name '*.[ch]')

# Analysed again when the object is built again, that is when the file or a header of it has changed.
TIDY := $(patsubst %.o,%.tidy,$(call objects,$(LIB_SOURCES) $(wildcard $(MAIN) $(RING))))
tidy: $(TIDY)
$(B)/%.tidy: %.c $(B)/%.o .clang-tidy
	$(call shown,tidy)
	$(Q)clang-tidy --quiet --warnings-as-errors='*' $< -- $(CFLAGS_all) $(CPPFLAGS_all) 2>$@.log || \
		{ cat $@.log; exit 1; }
	@touch $@
.PHONY: objects
objects: $(call objects,$(LIB_SOURCES) $(BENCH_SOURCES) $(RELAY_SOURCES) $(SIM_SOURCES) \
	$(wildcard $(MAIN) $(RING) bench/main.c bench/yard/main.c tests/unit/*/test_*.c tests/fuzz/*.c))

INSTALLED := $(patsubst build/%,build/release/installed/%,$(filter-out %/raw-relay,$(PROGRAMS)))
ROOT := $(DESTDIR)$(PREFIX)
install: all $(INSTALLED)
	install -d $(ROOT)/bin $(ROOT)/lib/hedgerow $(ROOT)/share/hedgerow
	install -m 755 $(INSTALLED) $(ROOT)/bin
	install -m 644 LICENSE $(wildcard appliance/deploy/hedgerow.yaml) $(ROOT)/share/hedgerow
	ldd $(filter-out %/raw-relay,$(PROGRAMS)) | awk '{ print $$3 }' | sort -u | \
		grep -F $(patsubst %,-e %/,$(RPATH_tests)) | \
		xargs -r install -m 644 -t $(ROOT)/lib/hedgerow

# The unpacked packages stay: fetching them needs the network.
clean:
	rm -rf $(filter-out build/deps,$(wildcard build/*))
distclean:
	rm -rf build

help:
	@echo 'make                build/hedgerow and build/hedgerow-bench'
	@echo 'make demo           simulated clouds, the proxy, a completion, and the hedging table'
	@echo 'make run            the clouds and the proxy of the demo, kept running'
	@echo 'make test           everything, ends with "N passed, N failed"'
	@echo 'make lint           format, layers, warnings of gcc and clang, clang-tidy'
	@echo 'make format         rewrites the sources with clang-format'
	@echo 'make bench          full measurement; bench-short takes a minute'
	@echo 'make replay         hedging policies over recorded and generated times: tables, plots'
	@echo 'make fuzz           each fuzz target for FUZZ_SECONDS=$(FUZZ_SECONDS)'
	@echo 'make sim            the simulation with SEEDS=$(SEEDS)'
	@echo 'make asan           everything with the address and undefined behaviour sanitizers'
	@echo 'make install        to PREFIX=$(PREFIX), below DESTDIR='
	@echo 'make clean          removes build/ but for the unpacked packages; distclean those too'
	@echo 'DEPS_PREFIX=DIR BORINGSSL_PREFIX=DIR   libraries of your own (README, "Building")'
