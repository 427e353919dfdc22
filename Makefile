# Carillon's one Makefile. `./dev` is the friendly door to it.
#
# Layout: src/<room>/*.c make build/$(PROFILE)/libcarillon.a; src/app/main.c and that library make
# the program; every test/{unit,contract}/**/test_*.c is a cmocka program of its own.
# PROFILE chooses how: release (default), asan (ASan+UBSan), tsan, or clang.

PROFILE ?= release
BUILD   := build/$(PROFILE)
PKGS    := libmicrohttpd libcurl jansson sqlite3 openssl

CC      := $(if $(filter clang,$(PROFILE)),clang,gcc)
WARN    := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
           -Wvla -Wwrite-strings -Wformat=2 -Werror
HARDEN  := -fstack-protector-strong -fPIE -D_FORTIFY_SOURCE=2 -fno-strict-overflow
OPT     := -O2
ifeq ($(PROFILE),asan)
  OPT    := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
  HARDEN := -fPIE
endif
ifeq ($(PROFILE),tsan)
  OPT    := -O1 -fsanitize=thread -fno-omit-frame-pointer
  HARDEN := -fPIE
endif
CFLAGS  += -std=gnu17 -g $(OPT) $(HARDEN) $(WARN) -pthread -Isrc -MMD -MP \
           $(shell pkg-config --cflags $(PKGS))
LDFLAGS += -pie -Wl,-z,relro,-z,now -pthread $(if $(filter asan tsan,$(PROFILE)),$(OPT))
LDLIBS  += $(shell pkg-config --libs $(PKGS))

SRC     := $(filter-out src/app/main.c,$(wildcard src/*/*.c src/*/*/*.c))
OBJ     := $(SRC:%.c=$(BUILD)/%.o)
LIB     := $(BUILD)/libcarillon.a
TESTS   := $(patsubst %.c,$(BUILD)/%,$(wildcard test/unit/*/test_*.c test/contract/test_*.c test/sim/test_*.c))

.PHONY: all build test-programs clean
all: build
build: build/carillon

build/carillon: $(BUILD)/carillon
	cp $< $@.new && mv $@.new $@

$(BUILD)/carillon: $(BUILD)/src/app/main.o $(LIB)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(LIB): $(OBJ)
	rm -f $@ && ar rcs $@ $^

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -c -o $@ $<

$(BUILD)/test/%: $(BUILD)/test/%.o $(LIB)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka

test-programs: $(TESTS)

clean:
	rm -rf build

-include $(shell find build -name '*.d' 2>/dev/null)
