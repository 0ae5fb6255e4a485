/* engine: what a packet costs the engine, and what a peer costs it in memory, with few peers and
 * with many.
 *
 * The engine is called as the daemon calls it, in batches, and what it wants done is pulled and
 * thrown away; there are no sockets and no device, so nothing but the engine is measured. All
 * worlds stand side by side in one process and are measured in turns, round after round, so that
 * whatever else happens on the machine happens to all of them. A number is the median of the
 * rounds, in nanoseconds of this thread's processor time (and in instructions, where the kernel
 * counts them).
 *
 * What comes in is sealed beforehand by the other side's engine and copied into the same few
 * buffers batch by batch, as a kernel does; the copying is not measured. A lap over all peers that
 * is not measured goes before, since the sealing has emptied the caches.
 *
 *   engine [--json] [--rounds N] [--known N] [--live N] */
#include "world.h"

#include <assert.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BATCH      64 /* as many frames or datagrams as the daemon hands over at once */
#define PACKETS    8192
#define TRAINS     256
#define SMALL      100
#define SUPER      (64u << 10)
#define SEGMENTS   64 /* of a train at most */
#define SLOT       2048
#define ROUNDS     15
#define ROUNDS_MAX 101
#define TICK_SPAN  (30 * OV_SEC)

enum op { RX_SMALL, TX_SMALL, RX_TRAIN, TX_TRAIN, OPS };
static const char *const op_name[OPS] = {"rx_frame", "tx_frame", "rx_train", "tx_train"};
static const char *const op_text[OPS] = {"receive 100 B", "send 100 B", "receive 64 KB",
                                         "send 64 KB"};

struct scene {
    const char *name, *text;
    size_t world, spread; /* over how many of its peers */
    double ns[OPS][ROUNDS_MAX], instructions[OPS][ROUNDS_MAX];
};

/* What one measurement needs, allocated once. */
struct bench {
    struct world *w[3];
    int counter;                           /* of instructions; -1: there is none */
    uint64_t clock_ns, clock_instructions; /* what looking at the clock costs */
    uint8_t *sealed;                       /* datagrams to come, one after another */
    size_t sealed_cap, *lens;
    uint8_t *slots; /* where the kernel would put them */
    uint8_t *frames;
    unsigned rounds;
};

/* ---- clocks ---- */

static int open_counter(void)
{
    struct perf_event_attr a = {.type = PERF_TYPE_HARDWARE,
                                .size = sizeof(a),
                                .config = PERF_COUNT_HW_INSTRUCTIONS,
                                .exclude_kernel = 1,
                                .exclude_hv = 1};

    return (int)syscall(SYS_perf_event_open, &a, 0, -1, -1, 0);
}

struct reading {
    uint64_t ns, instructions;
};

static struct reading look(const struct bench *b)
{
    struct reading r = {0};

    if (b->counter >= 0 && read(b->counter, &r.instructions, 8) != 8)
        r.instructions = 0;
    r.ns = world_cpu_ns();
    return r;
}

static void add(const struct bench *b, struct reading *sum, const struct reading *from)
{
    struct reading to = look(b);
    uint64_t ns = to.ns - from->ns, in = to.instructions - from->instructions;

    sum->ns += ns > b->clock_ns ? ns - b->clock_ns : 0;
    sum->instructions += in > b->clock_instructions ? in - b->clock_instructions : 0;
}

static void calibrate(struct bench *b)
{
    uint64_t ns = UINT64_MAX, in = UINT64_MAX;

    for (int i = 0; i < 1000; i++) {
        struct reading from = look(b), to = look(b);
        ns = to.ns - from.ns < ns ? to.ns - from.ns : ns;
        in = to.instructions - from.instructions < in ? to.instructions - from.instructions : in;
    }
    b->clock_ns = ns;
    b->clock_instructions = in;
}

/* ---- turns of the engine ---- */

/* Pull what became of a batch; returns datagrams and frames. */
static size_t drain(struct world *w)
{
    struct ov_output out;
    size_t n = 0;

    while (ov_node_pull(w->us, &out)) {
        if (out.kind == OV_OUT_FRAME)
            n++;
        else if (out.kind == OV_OUT_DATAGRAMS)
            n += (out.datagrams.len + out.datagrams.segment - 1) / out.datagrams.segment;
    }
    return n;
}

/* Seal `n` frames of `len` bytes, from `spread` peers by turns. Returns the datagrams. */
static size_t seal(struct bench *b, struct world *w, size_t spread, size_t n, size_t len,
                   size_t *from)
{
    size_t datagrams = 0, used = 0;

    for (size_t i = 0; i < n; i++) {
        struct ov_frame f = world_frame(w, i % spread, false, len, b->frames);
        size_t got = world_seal(w, i % spread, &f, b->sealed + used, b->sealed_cap - used,
                                b->lens + datagrams, PACKETS * 2 + TRAINS * SEGMENTS - datagrams);
        for (size_t k = 0; k < got; k++) {
            used += b->lens[datagrams];
            from[datagrams++] = i % spread;
        }
    }
    return datagrams;
}

/* Receive sealed datagrams; what comes after the first `warm` is measured. Returns how many. */
static size_t receive(struct bench *b, struct world *w, const size_t *from, size_t n, size_t warm,
                      struct reading *sum)
{
    struct ov_datagram v[BATCH];
    const uint8_t *next = b->sealed;
    size_t measured = 0, frames = 0;

    for (size_t i = 0; i < n;) {
        size_t count = 0;
        bool counts = i >= warm;
        for (; count < BATCH && i < n; count++, i++) {
            uint8_t *slot = b->slots + count * SLOT;
            memcpy(slot, next, b->lens[i]);
            next += b->lens[i];
            v[count] =
                (struct ov_datagram){.from = w->peers[from[i]].ep, .data = slot, .len = b->lens[i]};
        }
        struct reading start = look(b);
        ov_node_datagrams(w->us, v, count, w->now);
        frames += drain(w);
        if (counts) {
            add(b, sum, &start);
            measured += count;
        }
        w->now += 10000;
    }
    if (frames < n) {
        fprintf(stderr, "engine: %zu of %zu frames arrived\n", frames, n);
        exit(1);
    }
    return measured;
}

/* Send `n` frames to `spread` peers by turns; the same of return and measuring. */
static size_t transmit(struct bench *b, struct world *w, size_t spread, size_t n, size_t len,
                       size_t warm, struct reading *sum)
{
    size_t slot = OV_FRAME_HEADROOM + len + 64, batch = len == SMALL ? BATCH : 1;
    size_t measured = 0, sent = 0, net_first = 0;
    struct ov_frame v[BATCH];

    for (size_t i = 0; i < n;) {
        size_t count = 0;
        bool counts = i >= warm;
        /* A batch is of one network: of its members by turns. */
        size_t nets = spread > 1 ? w->nnets : 1, net = net_first++ % nets;
        for (; count < batch && i < n; count++, i++) {
            size_t k = spread > 1 ? (i / nets * nets + net) % (spread / nets * nets) : 0;
            if (nets > 1)
                k = (i / (batch * nets) * batch + count) % (spread / nets) * nets + net;
            v[count] = world_frame(w, k, true, len, b->frames + count * slot);
        }
        struct reading start = look(b);
        ov_node_frames(w->us, w->nets[net], v, count, w->now);
        sent += drain(w);
        if (counts) {
            add(b, sum, &start);
            measured += count;
        }
        w->now += 10000;
    }
    if (sent < n) {
        fprintf(stderr, "engine: %zu of %zu frames left\n", sent, n);
        exit(1);
    }
    return measured;
}

static void measure(struct bench *b, struct scene *s, enum op op, unsigned round, size_t *from)
{
    struct world *w = b->w[s->world];
    struct reading sum = {0};
    size_t n = 0;

    if (op == RX_SMALL) {
        n = seal(b, w, s->spread, PACKETS, SMALL, from);
        n = receive(b, w, from, n, PACKETS / 4, &sum);
    } else if (op == TX_SMALL) {
        n = transmit(b, w, s->spread, PACKETS, SMALL, PACKETS / 4, &sum);
    } else if (op == RX_TRAIN) {
        size_t all = seal(b, w, s->spread, TRAINS, SUPER, from);
        receive(b, w, from, all, all / 4, &sum);
        n = TRAINS * 3 / 4;
    } else {
        n = transmit(b, w, s->spread, TRAINS, SUPER, TRAINS / 4, &sum);
    }
    s->ns[op][round] = (double)sum.ns / (double)n;
    s->instructions[op][round] = (double)sum.instructions / (double)n;
}

/* ---- results ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *v, unsigned n)
{
    qsort(v, n, sizeof(*v), by_value);
    return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* The median of the rounds' ratios: both sides of each were measured at the same time. */
static double ratio(const double *v, const double *base, unsigned n)
{
    double r[ROUNDS_MAX];

    for (unsigned i = 0; i < n; i++)
        r[i] = base[i] > 0 ? v[i] / base[i] : 0;
    return median(r, n);
}

struct ticks {
    uint64_t n, ns;
};

struct result {
    double ns[OPS], ratio[OPS], instructions[OPS], instructions_ratio[OPS];
};

static void print_memory(const struct world *w, size_t known, bool json)
{
    size_t idle = (w->bytes_known - w->bytes_bare) / known;
    size_t live = (w->bytes_live - w->bytes_known) / w->npeers + idle;

    printf(json ? "  \"memory\": {\"known\": %zu, \"live\": %zu}\n"
                : "\nmemory: a known peer %zu bytes, one with a session and traffic %zu bytes\n",
           idle, live);
}

static void print_table(const struct bench *b, const struct scene *scenes, const struct result *r,
                        size_t n, const struct ticks *t)
{
    printf("%-34s", "ns (times the first line)");
    for (int op = 0; op < OPS; op++)
        printf(" %16s", op_text[op]);
    printf("\n");
    for (size_t i = 0; i < n; i++) {
        printf("%-34s", scenes[i].text);
        for (int op = 0; op < OPS; op++)
            printf(" %8.0f (%5.3f)", r[i].ns[op], r[i].ratio[op]);
        printf("\n");
    }
    for (size_t i = 0; b->counter >= 0 && i < n; i++) {
        printf("%-34s", "  instructions");
        for (int op = 0; op < OPS; op++)
            printf(" %8.0f (%5.3f)", r[i].instructions[op], r[i].instructions_ratio[op]);
        printf("\n");
    }
    if (b->counter < 0)
        printf("instructions: not counted here (perf_event_open is refused)\n");
    for (size_t i = 0; i < 2; i++)
        printf("timers, %zu live: %.1f runs a second, %.0f ns each, %.3f %% of a processor\n",
               b->w[i]->npeers, (double)t[i].n / (double)(TICK_SPAN / OV_SEC),
               t[i].n ? (double)t[i].ns / (double)t[i].n : 0,
               (double)t[i].ns / (double)TICK_SPAN * 100);
}

static void print_json(const struct bench *b, const struct scene *scenes, const struct result *r,
                       size_t n, const struct ticks *t)
{
    printf("{\n  \"scenes\": {\n");
    for (size_t i = 0; i < n; i++) {
        printf("    \"%s\": {", scenes[i].name);
        for (int op = 0; op < OPS; op++) {
            printf("%s\"%s\": {\"ns\": %.1f, \"ratio\": %.4f", op ? ", " : "", op_name[op],
                   r[i].ns[op], r[i].ratio[op]);
            if (b->counter >= 0)
                printf(", \"instructions\": %.1f, \"instructions_ratio\": %.4f",
                       r[i].instructions[op], r[i].instructions_ratio[op]);
            printf("}");
        }
        printf("}%s\n", i + 1 < n ? "," : "");
    }
    printf("  },\n  \"timers\": [");
    for (size_t i = 0; i < 2; i++)
        printf("%s{\"live\": %zu, \"runs\": %llu, \"ns\": %llu, \"seconds\": %llu}", i ? ", " : "",
               b->w[i]->npeers, (unsigned long long)t[i].n, (unsigned long long)t[i].ns,
               (unsigned long long)(TICK_SPAN / OV_SEC));
    printf("],\n");
}

static void conclude(struct bench *b, struct scene *scenes, struct result *r, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (int op = 0; op < OPS; op++) {
            r[i].ratio[op] = ratio(scenes[i].ns[op], scenes[0].ns[op], b->rounds);
            r[i].instructions_ratio[op] =
                ratio(scenes[i].instructions[op], scenes[0].instructions[op], b->rounds);
        }
    for (size_t i = 0; i < n; i++)
        for (int op = 0; op < OPS; op++) {
            r[i].ns[op] = median(scenes[i].ns[op], b->rounds);
            r[i].instructions[op] = median(scenes[i].instructions[op], b->rounds);
        }
}

/* ---- */

static bool number(const char *text, size_t min, size_t max, size_t *out)
{
    char *end;
    unsigned long v = text ? strtoul(text, &end, 10) : 0;

    if (!text || !*text || *end || v < min || v > max)
        return false;
    *out = v;
    return true;
}

static int usage(void)
{
    fprintf(stderr, "usage: engine [--json] [--rounds 1..%d] [--known N] [--live N]\n", ROUNDS_MAX);
    return 2;
}

int main(int argc, char **argv)
{
    size_t rounds = ROUNDS, known = 10000, live = 1000;
    bool json = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            json = true;
        else if (strcmp(argv[i], "--rounds") == 0 && number(argv[i + 1], 1, ROUNDS_MAX, &rounds))
            i++;
        else if (strcmp(argv[i], "--known") == 0 && number(argv[i + 1], 2, 16000, &known))
            i++;
        else if (strcmp(argv[i], "--live") == 0 && number(argv[i + 1], 32, 4000, &live))
            i++;
        else
            return usage();
    }
    if (live > known)
        return usage();
    struct bench b = {.counter = open_counter(), .rounds = (unsigned)rounds};
    struct scene *scenes = calloc(4, sizeof(*scenes));
    struct result results[4];
    struct ticks ticks[2] = {{0}};
    size_t max = PACKETS * 2 + TRAINS * SEGMENTS, *from = calloc(max, sizeof(*from));
    b.sealed_cap = (size_t)TRAINS * (SUPER + SEGMENTS * 128);
    b.sealed = malloc(b.sealed_cap);
    b.lens = calloc(max, sizeof(*b.lens));
    b.slots = calloc(BATCH, SLOT);
    b.frames = calloc(BATCH, WORLD_FRAME_MAX);
    assert(scenes && from && b.sealed && b.lens && b.slots && b.frames);
    b.w[0] = world_new(2, 2, 1);
    b.w[1] = world_new(known, live, 1);
    b.w[2] = world_new(known, live, OV_NETWORKS_MAX);
    scenes[0] = (struct scene){.name = "few", .text = "2 peers", .world = 0, .spread = 2};
    scenes[1] = (struct scene){
        .name = "many_one", .text = "many known and live, to one", .world = 1, .spread = 1};
    scenes[2] = (struct scene){
        .name = "many", .text = "many known and live, to all", .world = 1, .spread = live};
    scenes[3] = (struct scene){
        .name = "networks", .text = "the same over all networks", .world = 2, .spread = live};
    calibrate(&b);
    for (unsigned round = 0; round < b.rounds; round++)
        for (int op = 0; op < OPS; op++)
            for (size_t i = 0; i < 4; i++)
                measure(&b, &scenes[i], (enum op)op, round, from);
    for (size_t i = 0; i < 2; i++)
        world_run(b.w[i], TICK_SPAN, &ticks[i].n, &ticks[i].ns);
    conclude(&b, scenes, results, 4);
    (json ? print_json : print_table)(&b, scenes, results, 4, ticks);
    print_memory(b.w[1], known, json);
    if (json)
        printf("}\n");
    for (size_t i = 0; i < 3; i++)
        world_free(b.w[i]);
    free(scenes);
    free(from);
    free(b.sealed);
    free(b.lens);
    free(b.slots);
    free(b.frames);
    return 0;
}
