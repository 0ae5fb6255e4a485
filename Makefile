# ovpn: `make` builds, `make demo` shows it, `make check` proves it. See README.md.
BUILD ?= build
SAN   ?= 0
CC    ?= gcc
PKGS   = libsodium libuv libmicrohttpd jansson sqlite3 libnl-route-3.0 libcurl

ifeq ($(SAN),1)
BUILD := $(BUILD)-san
SANFLAGS = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
endif

WARN = -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=c11 $(WARN) $(WERROR) $(CFLAGS) $(SANFLAGS) -fstack-protector-strong -I. -MMD -MP \
             $(shell pkg-config --cflags $(PKGS))
LIBS = $(shell pkg-config --libs $(PKGS)) -linih
EDGE = -D_GNU_SOURCE

CORE       = $(patsubst %.c,$(BUILD)/%.o,$(wildcard core/*.c))
CONTROLLER = $(patsubst %.c,$(BUILD)/%.o,$(wildcard controller/*.c))
TRANSPORT  = $(patsubst %.c,$(BUILD)/%.o,$(wildcard transport/*.c))
TUN        = $(patsubst %.c,$(BUILD)/%.o,$(wildcard tun/*.c))
CLI        = $(patsubst %.c,$(BUILD)/%.o,$(wildcard cli/*.c))
ARCHIVES   = $(BUILD)/libcontroller.a $(BUILD)/libtransport.a $(BUILD)/libtun.a $(BUILD)/libcore.a
UNIT       = $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(wildcard tests/unit/test_*.c))

all: $(BUILD)/ovpn
unit: $(UNIT)

$(BUILD)/ovpn: $(CLI) $(ARCHIVES)
	$(CC) $(SANFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(BUILD)/libcore.a: $(CORE)
$(BUILD)/libcontroller.a: $(CONTROLLER)
$(BUILD)/libtransport.a: $(TRANSPORT)
$(BUILD)/libtun.a: $(TUN)
$(BUILD)/lib%.a:
	rm -f $@ && ar rcs $@ $^

$(BUILD)/core/%.o: core/%.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<
$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(EDGE) -c -o $@ $<

$(BUILD)/tests/unit/%: tests/unit/%.c $(ARCHIVES)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(EDGE) -o $@ $< $(ARCHIVES) $(LIBS) -lcmocka

clean:
	rm -rf build build-san

.PHONY: all unit clean
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
