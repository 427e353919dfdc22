# Carillon's one Makefile. `./dev` is the friendly door to it: it installs what is missing first.
#
# src/<room>/*.c become build/$(PROFILE)/libcarillon.a; src/app/main.c and that library are the
# program. Every test_*.c under test/unit, contract, sim and faults is a cmocka program of its own,
# linked with its folder's other .c files. test/target/*.c is one program, test/teller/*.c another,
# and so is each bench/*.c; each test/chaos/*.c is a library to preload.
# test/fuzz/*_fuzz.c are libFuzzer targets, and linked with replay.c tests of their corpora.
#
# PROFILE chooses how to compile: release (default), asan (ASan and UBSan), tsan, clang, or fuzz
# (clang with libFuzzer's coverage). Assertions stay on in every profile. Each profile has its own
# folder under build/, so they never mix. V=1 shows the commands.

PROFILE ?= release
PROFILES := release asan tsan clang fuzz
ifeq ($(filter $(PROFILE),$(PROFILES)),)
  $(error PROFILE is one of: $(PROFILES))
endif

BUILD   := build/$(PROFILE)
VERSION := $(shell cat VERSION)
PKGS    := libcurl libcares jansson sqlite3 openssl libpq hiredis libpcre2-8
# TLS to Redis, which the hiredis of Debian 12 lacks.
TLS_PKG := $(shell pkg-config --exists hiredis_ssl && echo hiredis_ssl)
PYTHON  ?= python3
PREFIX  ?= /usr/local

# --- How to compile ------------------------------------------------------------------------------

SANITIZE_asan := -fsanitize=address,undefined -fno-sanitize-recover=all
SANITIZE_tsan := -fsanitize=thread
SANITIZE_fuzz := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
SANITIZE      := $(SANITIZE_$(PROFILE))

CC   := $(if $(filter clang fuzz,$(PROFILE)),clang,gcc)
WARN := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
        -Wvla -Wwrite-strings -Wformat=2 -Werror
ifdef SANITIZE
  HOW := -O1 -fno-omit-frame-pointer $(SANITIZE)
else
  HOW := -O2 -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 \
         $(if $(filter gcc,$(CC)),-fstack-clash-protection)
endif

# A section per function lets the linker drop what is unused, and lets tools/purity.py follow calls.
CFLAGS  += -std=gnu17 -g $(HOW) $(WARN) -fPIE -fno-strict-overflow -ffunction-sections \
           -fdata-sections -pthread -Isrc -DCARILLON_VERSION='"$(VERSION)"' \
           $(shell pkg-config --cflags $(PKGS) $(TLS_PKG)) $(if $(TLS_PKG),-DHAVE_HIREDIS_SSL)
LDFLAGS += -pie -pthread $(SANITIZE) -Wl,-z,relro,-z,now -Wl,--as-needed -Wl,--gc-sections
LDLIBS  += $(shell pkg-config --libs $(PKGS) $(TLS_PKG))

# --- What there is -------------------------------------------------------------------------------

SRC      := $(filter-out src/app/main.c,$(wildcard src/*/*.c src/*/*/*.c))
OBJ      := $(SRC:%.c=$(BUILD)/%.o)
LIB      := $(BUILD)/libcarillon.a
TEST_SRC := $(wildcard test/unit/*.c test/unit/*/*.c test/contract/*.c test/sim/*.c \
              test/faults/*.c)
TESTS    := $(patsubst %.c,$(BUILD)/%,$(foreach file,$(TEST_SRC),\
              $(if $(filter test_%,$(notdir $(file))),$(file))))
TARGETS  := $(BUILD)/test/target/target $(BUILD)/test/teller/teller
BENCHES  := $(patsubst %.c,$(BUILD)/%,$(wildcard bench/*.c))
FUZZERS  := $(patsubst %.c,$(BUILD)/%,$(wildcard test/fuzz/*_fuzz.c))
REPLAYS  := $(FUZZERS:%_fuzz=%_replay)
SHIMS    := $(patsubst %.c,$(BUILD)/%.so,$(wildcard test/chaos/*.c))
ALL_C    := $(SRC) $(wildcard src/app/main.c test/target/*.c test/teller/*.c test/fuzz/*.c \
            bench/*.c test/chaos/*.c) $(TEST_SRC)

# Every file that clang-format looks after; what npm has fetched for comparison is not ours.
C_FILES   = $(shell find src test bench -name node_modules -prune -o -name '*.[ch]' -print)

# The objects a test program needs from its own folder beside itself: every .c that is no test_*.c.
# The fault tests also use those of some other tests.
helpers_in = $(patsubst %.c,$(BUILD)/%.o,$(filter-out $(1)/test_%.c,$(wildcard $(1)/*.c)))
helpers = $(call helpers_in,$(1)) $(if $(filter test/faults,$(1)),\
            $(foreach folder,test/contract test/unit/routes,$(call helpers_in,$(folder))))

ifeq ($(V),)
  SAY = @echo "  $(1)  $@";
endif

.PHONY: all build objects test-programs bench-programs fuzz-programs chaos-programs test sanitize \
        mutants lint lint-rooms lint-style lint-once lint-docs lint-members lint-mutants \
        lint-format lint-warnings lint-purity lint-shell tidy format install clean
all: build
build: $(if $(filter release,$(PROFILE)),build/carillon,$(BUILD)/carillon)
objects: $(ALL_C:%.c=$(BUILD)/%.o)
test-programs: $(TESTS) $(TARGETS) $(REPLAYS) $(SHIMS)
bench-programs: $(BENCHES) $(TARGETS)
fuzz-programs: $(FUZZERS)
chaos-programs: $(SHIMS) $(TARGETS)

# --- Building ------------------------------------------------------------------------------------

# The copy is moved into place, so that a running program is never written over.
build/carillon: $(BUILD)/carillon
	@cp $< $@.new && mv $@.new $@

$(BUILD)/carillon: $(BUILD)/src/app/main.o $(LIB)
	$(call SAY,link   )$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(LIB): $(OBJ)
	$(call SAY,archive)rm -f $@ && ar rcs $@ $^

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call SAY,compile)$(CC) $(CFLAGS) -c -MMD -MP -o $@ $<

# A file of data that the assembler puts into the program, of which the compiler knows nothing.
$(BUILD)/src/api/openapi.o: src/api/openapi.json

# Changes only when the command line does, so that new flags or a new version rebuild everything.
# Written under a name of its own first: two makes may be at it in one tree.
$(BUILD)/flags: always
	@mkdir -p $(@D)
	@printf '%s\n' $(foreach word,$(CC) $(CFLAGS),'$(subst ','\'',$(word))') > $@.$$$$; \
	if cmp -s $@.$$$$ $@; then rm $@.$$$$; else mv $@.$$$$ $@; fi
.PHONY: always

.SECONDEXPANSION:
$(TESTS): $(BUILD)/%: $(BUILD)/%.o $$(call helpers,$$(subst $(BUILD)/,,$$(@D))) $(BUILD)/test/only.o $(LIB)
	$(call SAY,link   )$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka

$(TARGETS): $(BUILD)/%: $$(call helpers_in,$$(subst $(BUILD)/,,$$(@D))) $(LIB)
	$(call SAY,link   )$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BENCHES): $(BUILD)/%: $(BUILD)/%.o $(LIB)
	$(call SAY,link   )$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(FUZZERS): $(BUILD)/%: $(BUILD)/%.o $(LIB)
	$(call SAY,link   )$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LDLIBS)

# Goes in front of libc in the program under test, so it has neither its libraries nor sanitizers.
$(SHIMS): $(BUILD)/%.so: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call SAY,library)$(CC) -std=gnu17 -g -O2 $(WARN) -fPIC -shared -pthread -o $@ $<

# A fuzz target without libFuzzer, for its corpus only.
$(REPLAYS): $(BUILD)/%_replay: $(BUILD)/%_fuzz.o $(BUILD)/test/fuzz/replay.o $(LIB)
	$(call SAY,link   )$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# --- Mutants -------------------------------------------------------------------------------------

# `make MUTANT=NAME build/mutants/NAME/test/sim/test_sim` is a test program with one bug on purpose.
# tools/mutants.py, or tools/random_mutants.py, has put the mutated copies of some files into
# build/mutants/NAME/src; they are compiled, and all else is linked from the library. What a program
# says of its own source is the same as without the bug.
ifdef MUTANT
MUTATED := $(patsubst %.c,%.o,$(shell find build/mutants/$(MUTANT)/src -name '*.c'))

$(MUTATED): %.o: %.c $(BUILD)/flags
	$(call SAY,mutate )$(CC) $(CFLAGS) -Wno-error -fmacro-prefix-map=build/mutants/$(MUTANT)/= \
	    -c -MMD -MP -o $@ $<

# The library with the mutated objects instead of those that it has; it holds only their names.
MUTANT_LIB := build/mutants/$(MUTANT)/libcarillon.a
$(MUTANT_LIB): $(MUTATED) $(LIB)
	$(call SAY,archive)rm -f $@ && ar rcsT $@ $(MUTATED) \
	    $(filter-out $(MUTATED:build/mutants/$(MUTANT)/%=$(BUILD)/%),$(OBJ))

build/mutants/$(MUTANT)/carillon: $(BUILD)/src/app/main.o $(MUTANT_LIB)
	$(call SAY,link   )$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

build/mutants/$(MUTANT)/%: $(BUILD)/%.o $$(call helpers,$$(*D)) $(BUILD)/test/only.o $(MUTANT_LIB)
	@mkdir -p $(@D)
	$(call SAY,link   )$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka
endif

-include $(shell find $(BUILD) $(if $(MUTANT),build/mutants/$(MUTANT)) -name '*.d' 2>/dev/null)

# --- Testing -------------------------------------------------------------------------------------

# Everything: the cmocka programs, then the end-to-end tests against this profile's program.
test: build test-programs
	$(PYTHON) tools/run_tests.py $(BUILD)

sanitize:
	./dev sanitize

# Bugs on purpose, each of which a test must find.
mutants:
	$(PYTHON) tools/mutants.py

# --- Checking ------------------------------------------------------------------------------------

lint: lint-rooms lint-style lint-once lint-docs lint-members lint-mutants lint-format lint-shell \
      lint-warnings lint-purity
	@echo "lint: everything is in order"

lint-rooms:
	$(PYTHON) tools/rooms.py

lint-style:
	$(PYTHON) tools/style.py

lint-once:
	$(PYTHON) tools/once.py

lint-docs:
	$(PYTHON) tools/docs.py

lint-members:
	$(PYTHON) tools/members.py

lint-mutants:
	$(PYTHON) tools/mutants.py --check
	$(PYTHON) tools/random_mutants.py --check

lint-format:
	clang-format --dry-run -Werror $(C_FILES)

lint-shell:
	shellcheck -s bash deploy/carillon.bash
	shellcheck dev .ci/run $(wildcard bench/run tools/*.sh)

lint-warnings:
	$(MAKE) --no-print-directory PROFILE=release objects
	$(MAKE) --no-print-directory PROFILE=clang objects

# Looks at the objects which lint-warnings has made.
lint-purity: lint-warnings
	$(PYTHON) tools/purity.py build/release

# Slower, deeper, not part of lint: what clang-tidy thinks (.clang-tidy chooses the checks).
tidy:
	clang-tidy --quiet $(SRC) -- -std=gnu17 -Isrc -DCARILLON_VERSION='"$(VERSION)"'

format:
	clang-format -i $(C_FILES)

# --- Installing ----------------------------------------------------------------------------------

# What names a folder of its own names the one that it is installed in. docs/install.md has the list.
SHARE        = $(DESTDIR)$(PREFIX)/share
with_prefix  = sed 's|/usr/local|$(PREFIX)|g' $(1) > $(2).new && mv $(2).new $(2) && chmod 644 $(2)

install: build
	install -D -m 755 build/carillon $(DESTDIR)$(PREFIX)/bin/carillon
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system $(SHARE)/man/man1 $(SHARE)/doc/carillon
	$(call with_prefix,deploy/carillon.service,$(DESTDIR)$(PREFIX)/lib/systemd/system/carillon.service)
	$(call with_prefix,deploy/carillon.1,$(SHARE)/man/man1/carillon.1)
	install -D -m 644 deploy/carillon.bash $(SHARE)/bash-completion/completions/carillon
	install -m 644 LICENSE README.md CHANGELOG.md docs/*.md $(SHARE)/doc/carillon

clean:
	rm -rf build
