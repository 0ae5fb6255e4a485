# ovpn: `make` builds, `make demo` shows it, `make check` proves it. See README.md.
#
#   make                 build/ovpn; installs missing Debian packages first (packaging/deps)
#   make check           everything: layers, purity, unit tests, simulation, fuzz corpora, network lab
#   make unit|sim|net    one part of it; ONLY=WORD runs what has WORD in its name
#   make check-load      the load tests with LOAD_MB (1000) MB for every case; takes minutes
#   make check-links     no UDP: LINKS_MB (100) MB by TCP, TLS and a proxy, pings meanwhile
#   make check-idle      what an idle node sends and receives, by five minutes of it
#   make check-nat       the whole matrix of NATs (tests/nat/rows), in build/nat/matrix.md; ROWS='port-*' for some
#   make check-nat-sim   every pair of NATs in the simulation, SEEDS runs each (200)
#   make taint           no branch or memory index depends on a secret (valgrind; a minute or two)
#   make check-threads   the daemon and what uses threads, under ThreadSanitizer
#   make check-kill      a busy controller killed KILLS (200) times: nothing acknowledged is lost; takes minutes
#   make fuzz            fuzz every parser and state machine, FUZZ_TIME seconds each (clang); ONLY=WORD
#   make fuzz-minimize   what fuzzing found beyond tests/fuzz/corpus into it, as little as covers as much
#   make coverage        what unit tests, simulation and fuzz corpora reach of core/ (gcov); MISSING=1: and what not
#   make soak            faults and enemies in the simulation, SEEDS worlds (1000: some minutes); SEED=n for one
#   make soak-mutants    faults planted in a copy of the code, each of which the simulation has to catch; ONLY=NAME
#   make soak-day        24 simulated hours of a network of 200 with churn: nothing grows (some minutes)
#   make layers|purity|format
#   make lint            cppcheck, clang-tidy, gcc's analyzer, shellcheck
#   make bench           ovpn beside other VPNs, in build/bench/ (see docs/performance.md; takes minutes)
#   make bench-publish   its results into README.md and docs/
#   make bench-profile   where the processor time of a packet goes, step by step (perf)
#   make bench-engine    what a packet and a peer cost the engine, with 2 and 1,000 peers (a minute)
#   make demo            a root, a controller and two homes behind NATs, on this machine
#   make install         into DESTDIR/PREFIX (/usr/local); make uninstall
#   SAN=1                the same with ASan and UBSan, in build-san/
#   SAN=thread           with ThreadSanitizer, in build-tsan/
#   V=1                  show the commands
BUILD     ?= build
SAN       ?= 0
V         ?= 0
ifeq ($(origin CC),default)
CC         = gcc
endif
JOBS      ?= $(shell nproc)
PREFIX    ?= /usr/local
FUZZ_TIME ?= 30
LOAD_MB   ?= 1000
SEEDS     ?= 200
LINKS_MB  ?= 100
PKGS       = libsodium libuv libmicrohttpd jansson sqlite3 libnl-route-3.0 libcurl inih miniupnpc libseccomp

ifeq ($(filter -j%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(JOBS)
endif
ifneq ($(V),1)
say = @printf '  %-5s %s\n' $(1) $@;
endif

ifeq ($(SAN),1)
override BUILD := $(BUILD)-san
SANFLAGS = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
else ifeq ($(SAN),thread)
override BUILD := $(BUILD)-tsan
SANFLAGS = -fsanitize=thread -fno-omit-frame-pointer
else
HARDEN = $(if $(filter -O1 -O2 -O3 -Os,$(CFLAGS)),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif

WARN = -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla
CFLAGS ?= -O2 -g
ALL_CFLAGS = -std=c11 $(WARN) $(WERROR) $(HARDEN) $(CFLAGS) $(SANFLAGS) -fstack-protector-strong \
             -I. -MMD -MP $(PKG_CFLAGS)
ALL_LDFLAGS = $(SANFLAGS) -Wl,--as-needed,-z,relro,-z,now $(LDFLAGS)
EDGE = -D_GNU_SOURCE

comma     := ,
objects    = $(patsubst %.c,$(BUILD)/%.o,$(wildcard $(1)/*.c))
programs   = $(patsubst %.c,$(BUILD)/%,$(wildcard $(1)))
CORE       = $(call objects,core)
CONTROLLER = $(call objects,controller)
TRANSPORT  = $(call objects,transport)
TUN        = $(call objects,tun)
CLI        = $(call objects,cli)
# cli/ without main.c is an archive too, so that tests can link what they test of it
CLILIB     = $(BUILD)/libcli.a
ARCHIVES   = $(BUILD)/libcontroller.a $(BUILD)/libtransport.a $(BUILD)/libtun.a $(BUILD)/libcore.a
UNIT       = $(call programs,tests/unit/test_*.c)
UNITLIB    = $(filter-out $(BUILD)/tests/unit/test_%,$(call objects,tests/unit))
SIM        = $(call programs,tests/sim/test_*.c)
SIMLIB     = $(filter-out $(BUILD)/tests/sim/test_% %/matrix.o %/seeds.o %/day.o,$(call objects,tests/sim))
COUNTED    = -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free,--wrap=aligned_alloc
FUZZ       = $(call programs,tests/fuzz/fuzz_*.c)
FUZZ_MAIN  = $(BUILD)/tests/fuzz/replay.o
FUZZ_NULL  = session handshake
NET        = $(wildcard tests/net/[0-9]*.sh)
NETTOOLS   = $(call programs,tests/net/*.c)
CODE       = $(wildcard $(addsuffix /*.[ch],core controller transport tun cli tests/* bench))
SCRIPTS    = packaging/deps packaging/user packaging/ovpn.bash .ci/run tests/purity tests/completion tests/install tests/demo tests/fuzz/run $(wildcard tests/net/*.sh) tests/nat/row \
             bench/run bench/publish bench/profile $(wildcard bench/peers/*.sh)

all: $(BUILD)/ovpn

# The first thing a build makes: the libraries' flags. packaging/deps installs what is missing.
ifneq ($(filter-out clean help layers format uninstall bench-publish,$(or $(MAKECMDGOALS),all)),)
-include $(BUILD)/flags.mk
endif
$(BUILD)/flags.mk: packaging/deps Makefile
	@packaging/deps build
	@mkdir -p $(@D)
	@ipsec=$$(echo '#include <intel-ipsec-mb.h>' | $(CC) -E - >/dev/null 2>&1 && echo yes || true); \
	printf 'PKG_CFLAGS = %s\nPKG_LIBS = %s\n' \
	    "$$(pkg-config --cflags $(PKGS)) $${ipsec:+-DOV_HAVE_IPSEC_MB}" \
	    "$$(pkg-config --libs $(PKGS)) $${ipsec:+-lIPSec_MB}" > $@.tmp && mv $@.tmp $@
$(BUILD)/test-deps: packaging/deps
	@packaging/deps check
	@mkdir -p $(@D) && touch $@

$(BUILD)/ovpn: $(BUILD)/cli/main.o $(CLILIB) $(ARCHIVES)
	$(call say,LINK)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(BUILD)/libcli.a: $(filter-out %/main.o,$(CLI))
$(BUILD)/libcore.a: $(CORE)
$(BUILD)/libcontroller.a: $(CONTROLLER)
$(BUILD)/libtransport.a: $(TRANSPORT)
$(BUILD)/libtun.a: $(TUN)
$(BUILD)/lib%.a:
	$(call say,AR)rm -f $@ && ar rcs $@ $^

$(BUILD)/core/%.o: core/%.c $(BUILD)/flags.mk
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(ALL_CFLAGS) -c -o $@ $<
$(BUILD)/%.o: %.c $(BUILD)/flags.mk
	@mkdir -p $(@D)
	$(call say,CC)$(CC) $(ALL_CFLAGS) $(EDGE) -c -o $@ $<

# A test is one file and one program. What its directory has besides test_*.c is shared by them.
$(BUILD)/tests/unit/%: tests/unit/%.c $(UNITLIB) $(CLILIB) $(ARCHIVES) | $(BUILD)/test-deps
	@mkdir -p $(@D)
	$(call say,TEST)$(CC) $(ALL_CFLAGS) $(EDGE) $(ALL_LDFLAGS) -o $@ $< $(UNITLIB) $(CLILIB) $(ARCHIVES) $(PKG_LIBS) -lcmocka
$(BUILD)/tests/unit/test_commands: $(BUILD)/ovpn
# An allocator that refuses, inside the engine.
$(BUILD)/tests/unit/test_memory: override LDFLAGS += -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc \
    -Wl,--wrap=ov_node_datagrams,--wrap=ov_node_frames,--wrap=ov_node_tick
# A library that cannot be loaded for a while.
$(BUILD)/tests/unit/test_links: override LDFLAGS += -Wl,--wrap=ov_tls_context_new
# A disk that is slow, full or silent.
$(BUILD)/tests/unit/test_state: override LDFLAGS += -Wl,--wrap=fsync
$(BUILD)/tests/unit/test_end: override LDFLAGS += -Wl,--wrap=fsync,--wrap=ov_node_pull
$(BUILD)/tests/sim/%: tests/sim/%.c $(SIMLIB) $(ARCHIVES) | $(BUILD)/test-deps
	@mkdir -p $(@D)
	$(call say,TEST)$(CC) $(ALL_CFLAGS) $(EDGE) $(ALL_LDFLAGS) $(COUNTED) -o $@ $< $(SIMLIB) $(ARCHIVES) $(PKG_LIBS) -lcmocka

# Their shared objects need cmocka's headers as well, on a machine that had none before.
$(UNITLIB) $(SIMLIB): | $(BUILD)/test-deps

# What network tests need besides the shell and wire.py.
$(BUILD)/tests/net/%: tests/net/%.c $(BUILD)/libcore.a $(BUILD)/flags.mk
	@mkdir -p $(@D)
	$(call say,TEST)$(CC) $(ALL_CFLAGS) $(EDGE) $(ALL_LDFLAGS) -o $@ $< $(BUILD)/libcore.a $(PKG_LIBS)

# Fuzz targets are libFuzzer's; `make check` only replays their corpora, with any compiler. They may use the
# worlds that the unit tests and the simulation run in. Some are linked with an AEAD that seals nothing.
$(BUILD)/libworlds.a: $(UNITLIB) $(SIMLIB)
$(FUZZ): $(BUILD)/tests/fuzz/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(FUZZ_MAIN) $(BUILD)/libworlds.a $(CLILIB) $(ARCHIVES)
	$(call say,FUZZ)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $(filter %.o,$^) $(FUZZ_ENGINE) $(filter %.a,$^) $(PKG_LIBS)
$(addprefix $(BUILD)/tests/fuzz/fuzz_,$(FUZZ_NULL)): $(BUILD)/tests/fuzz/null_aead.o

REPLAY = $(foreach f,$(FUZZ),'$f tests/fuzz/corpus/$(patsubst fuzz_%,%,$(notdir $f))')
RUN    = tests/run --build $(BUILD) --san $(SAN) --jobs $(JOBS) $(if $(ONLY),--only '$(ONLY)')

check: $(BUILD)/ovpn $(UNIT) $(SIM) $(FUZZ) $(NETTOOLS) $(BUILD)/test-deps
	@$(RUN) --again 3 'tests/layers' 'tests/layers --self-test' 'tests/purity $(BUILD)/libcore.a' \
	    'tests/purity --self-test' \
	    'tests/run --self-test' 'tests/completion $(BUILD)/ovpn' 'tests/install $(BUILD)' $(UNIT) $(SIM) $(REPLAY) $(NET) 'tests/nat/run --short' 'tests/kill --kills 10'
unit: $(UNIT)
	@$(RUN) $(UNIT)
sim: $(SIM)
	@$(RUN) $(SIM)
soak: $(BUILD)/tests/sim/seeds
	@$< $(if $(SEED),-1 $(SEED) $(LINES),$(SEEDS) $(or $(FIRST),1) $(JOBS))
soak-day: $(BUILD)/tests/sim/day
	@$< $(NODES) $(HOURS)
soak-mutants: $(BUILD)/tests/sim/seeds $(BUILD)/tests/unit/test_attack_paths
	@tests/mutate --build $(BUILD) --jobs $(JOBS) $(ONLY)
check-nat-sim: $(BUILD)/tests/sim/matrix
	@$< $(SEEDS)
net: $(BUILD)/ovpn $(NETTOOLS) $(BUILD)/tests/unit/test_sandbox $(BUILD)/test-deps
	@$(RUN) $(NET)
check-load: $(BUILD)/ovpn $(NETTOOLS) $(BUILD)/test-deps
	@LOAD_MB=$(LOAD_MB) $(RUN) --timeout 3600 --jobs 1 $(filter %-load.sh %-load-frames.sh,$(NET))
check-links: $(BUILD)/ovpn $(BUILD)/test-deps
	@LINKS_MB=$(LINKS_MB) $(RUN) --timeout 3600 --jobs 1 tests/net/17-links.sh
check-idle: $(BUILD)/ovpn $(BUILD)/test-deps
	@IDLE_SETTLE=75 IDLE_SECONDS=305 $(RUN) --timeout 900 --jobs 1 tests/net/30-idle.sh
check-nat: $(BUILD)/ovpn $(BUILD)/test-deps
	@BUILD=$(BUILD) SAN=$(SAN) tests/nat/run $(ROWS)
.PHONY: check-kill
check-kill: $(BUILD)/ovpn $(BUILD)/test-deps
	@BUILD=$(BUILD) SAN=$(SAN) tests/kill --kills $(or $(KILLS),200)
# The program's own wrappers are where secrets end; it says which.
TAINTED = sodium_memcmp crypto_scalarmult crypto_aead_chacha20poly1305_ietf_decrypt crypto_aead_xchacha20poly1305_ietf_decrypt \
          crypto_aead_aes256gcm_decrypt_afternm ov_aead_open ov_xaead_open
$(BUILD)/tests/taint/taint: tests/taint/taint.c $(UNITLIB) $(CLILIB) $(ARCHIVES) | $(BUILD)/test-deps
	@packaging/deps taint
	@mkdir -p $(@D)
	$(call say,TEST)$(CC) $(filter-out -MMD -MP,$(ALL_CFLAGS)) $(EDGE) $(ALL_LDFLAGS) $(addprefix -Wl$(comma)--wrap=,$(TAINTED)) \
	    -o $@ $(filter %.c %.o %.a,$^) $(PKG_LIBS) -lcmocka
.PHONY: taint check-threads threaded
taint: $(BUILD)/tests/taint/taint
	@tests/taint/run $<
# What runs beside the loop: name look-ups and writing peers, by libuv's pool; and the daemon as a whole.
THREADED = $(addprefix $(BUILD)/tests/unit/,test_state test_end test_api) \
           tests/net/01-homes.sh tests/net/20-errors.sh
check-threads:
	@$(MAKE) SAN=thread threaded
threaded: $(BUILD)/ovpn $(filter $(BUILD)/%,$(THREADED)) $(NETTOOLS) $(BUILD)/test-deps
	@$(RUN) $(THREADED)
layers:
	@tests/layers
purity: $(BUILD)/libcore.a
	@tests/purity $<
# The same targets with libFuzzer and the sanitizers, in a build of its own.
FUZZ_BUILD = BUILD=build-fuzz CC=clang HARDEN= FUZZ_MAIN= FUZZ_ENGINE=-fsanitize=fuzzer LDFLAGS='-fsanitize=address,undefined' \
             CFLAGS='-O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all'
fuzz fuzz-minimize: $(BUILD)/fuzz-deps
	@$(MAKE) --no-print-directory $(FUZZ_BUILD) $@-built
fuzz-built: $(FUZZ)
	@tests/fuzz/run fuzz $(FUZZ_TIME) $(if $(ONLY),$(foreach f,$^,$(if $(findstring $(ONLY),$f),$f)),$^)
fuzz-minimize-built: $(FUZZ)
	@tests/fuzz/run minimize $(if $(ONLY),$(foreach f,$^,$(if $(findstring $(ONLY),$f),$f)),$^)

# What all tests that need no second program reach of core/.
coverage: $(BUILD)/coverage-deps
	@$(MAKE) --no-print-directory BUILD=build-cov HARDEN= CFLAGS='-O0 -g --coverage' LDFLAGS=--coverage coverage-built
coverage-built: $(UNIT) $(SIM) $(FUZZ) $(BUILD)/ovpn
	@find $(BUILD) -name '*.gcda' -delete
	@$(RUN) --timeout 600 $(UNIT) $(SIM) $(REPLAY)
	@tests/coverage $(BUILD) 95 85 $(if $(MISSING),--missing)
$(BUILD)/fuzz-deps $(BUILD)/coverage-deps $(BUILD)/lint-deps: $(BUILD)/%-deps: packaging/deps
	@packaging/deps $*
	@mkdir -p $(@D) && touch $@
# Other VPNs are installed for this only. BENCH_ROUNDS, BENCH_SECONDS, BENCH_PEERS, BENCH_WIRE, ZT_BIN: see bench/run.
$(BUILD)/bench/%: bench/%.c $(BUILD)/libcore.a
	@mkdir -p $(@D)
	$(call say,BENCH)$(CC) $(ALL_CFLAGS) $(EDGE) $(ALL_LDFLAGS) -o $@ $< $(BUILD)/libcore.a $(PKG_LIBS) -lpthread
$(BUILD)/bench/engine: bench/engine.c bench/world.c bench/world.h $(BUILD)/libcore.a
	@mkdir -p $(@D)
	$(call say,BENCH)$(CC) $(filter-out -MMD -MP,$(ALL_CFLAGS)) $(EDGE) $(ALL_LDFLAGS) \
	    $(COUNTED) -o $@ $(filter %.c %.a,$^) $(PKG_LIBS)
bench-engine: $(BUILD)/bench/engine
	@$< $(BENCH_ENGINE)
bench: $(BUILD)/ovpn $(BUILD)/bench/pps $(BUILD)/bench/limit
	@packaging/deps bench
	@BUILD=$(BUILD) bench/run
bench-profile: $(BUILD)/ovpn
	@mkdir -p $(BUILD)/bench
	@packaging/deps profile
	@BUILD=$(BUILD) bench/profile
bench-publish:
	@BUILD=$(BUILD) bench/publish
demo: $(BUILD)/ovpn $(BUILD)/test-deps
	@BUILD=$(BUILD) tests/demo

format:
	@clang-format --dry-run -Werror $(CODE)
# Static proof. clang-tidy (.clang-tidy) and gcc's analyzer look at a file at a time, and only at what has
# changed since; with nothing cached it takes minutes. gcc loses track of what is in lists and calls it leaked: leaks
# are for the sanitizers (SAN=1).
LINTED  = $(wildcard $(addsuffix /*.c,core controller transport tun cli))
LINT_ON = $(wildcard $(addsuffix /*.h,core controller transport tun cli)) .clang-tidy $(BUILD)/lint-deps
lint: lint-cppcheck lint-scripts lint-tidy lint-analyzer
lint-cppcheck: $(BUILD)/lint-deps
	@cppcheck --quiet --std=c11 --enable=warning,portability --inline-suppr --error-exitcode=1 \
	    --suppress=missingIncludeSystem -I. core controller transport tun cli
lint-scripts: $(BUILD)/lint-deps
	@shellcheck -x $(SCRIPTS)
lint-tidy: $(LINTED:%.c=$(BUILD)/lint/%.tidy)
lint-analyzer: $(LINTED:%.c=$(BUILD)/lint/%.analyzed)
$(BUILD)/lint/%.tidy: %.c $(LINT_ON)
	@mkdir -p $(@D)
	$(call say,TIDY)clang-tidy --quiet $< -- -std=c11 $(EDGE) -I. $(PKG_CFLAGS) 2>/dev/null && touch $@
$(BUILD)/lint/%.analyzed: %.c $(LINT_ON)
	@mkdir -p $(@D)
	$(call say,GCC)gcc -std=c11 -O0 -fanalyzer -Wno-analyzer-malloc-leak -Werror $(EDGE) -I. $(PKG_CFLAGS) -c -o /dev/null $< && touch $@

# ovpn.conf may have a proxy's password in it: it is root's, and packaging/user gives it to the daemon's group (not in a
# DESTDIR: a package's own script has to call it). One that is there already is kept, by uninstall too, as are the state
# in /var/lib/ovpn and its user.
BINDIR  = $(DESTDIR)$(PREFIX)/bin
MANDIR  = $(DESTDIR)$(PREFIX)/share/man/man1
BASHDIR = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
UNITDIR = $(DESTDIR)$(PREFIX)/lib/systemd/system
USERDIR = $(DESTDIR)$(PREFIX)/lib/sysusers.d
CONFDIR = $(DESTDIR)/etc/ovpn
install: $(BUILD)/ovpn
	install -D -m 755 $< $(BINDIR)/ovpn
	install -D -m 644 docs/ovpn.1 $(MANDIR)/ovpn.1
	install -D -m 644 packaging/ovpn.bash $(BASHDIR)/ovpn
	install -d $(UNITDIR) && sed 's|/usr/local/bin|$(PREFIX)/bin|' packaging/ovpn.service > $(UNITDIR)/ovpn.service
	install -d $(CONFDIR) && { test -e $(CONFDIR)/ovpn.conf || install -m 640 packaging/ovpn.conf $(CONFDIR); }
	install -D -m 644 packaging/ovpn.sysusers $(USERDIR)/ovpn.conf
	@test -n "$(DESTDIR)" || packaging/user $(USERDIR)/ovpn.conf $(CONFDIR)/ovpn.conf
	@test -n "$(DESTDIR)" || { ! test -d /run/systemd/system || systemctl daemon-reload; }
	@test -n "$(DESTDIR)" || echo "installed; start it with: sudo systemctl enable --now ovpn"
uninstall:
	rm -f $(BINDIR)/ovpn $(MANDIR)/ovpn.1 $(BASHDIR)/ovpn $(UNITDIR)/ovpn.service $(USERDIR)/ovpn.conf

help:
	@sed -n '1,/^BUILD/s/^# \{0,1\}//p' Makefile
clean:
	rm -rf build build-san build-tsan build-fuzz build-cov

.PHONY: all check check-load check-idle check-links check-nat check-nat-sim soak soak-mutants soak-day unit sim net layers purity fuzz fuzz-built fuzz-minimize fuzz-minimize-built \
        coverage coverage-built bench bench-publish bench-profile bench-engine demo format lint lint-cppcheck lint-scripts lint-tidy lint-analyzer install uninstall help clean
.SECONDARY: $(UNITLIB) $(SIMLIB)
.DELETE_ON_ERROR:
.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
