/* matrix [SEEDS [KIND]]: every pair of NATs in the simulation, SEEDS runs each (200), as a table;
 * or only those with one of this kind.
 *
 * Exit code 1 when a pair misses its goal. */
#include "pairs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS   2
#define CELLS     (PAIR_KINDS * PAIR_KINDS)
#define SEEDS_MAX 10000

struct cell {
    unsigned runs, direct, in_time, broken, gaps;
    unsigned long long p50_ms, p95_ms, out, hard, peak, flows, sockets;
};

static int by_size(const void *a, const void *b)
{
    const ov_time *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static unsigned long long larger(unsigned long long a, unsigned long long b)
{
    return a > b ? a : b;
}

static void run_cell(enum pair_kind a, enum pair_kind b, unsigned seeds, struct cell *c)
{
    static ov_time times[SEEDS_MAX];
    struct pair_goal goal = pair_goal(a, b);
    memset(c, 0, sizeof *c);
    for (unsigned i = 0; i < seeds; i++) {
        struct pair_result r = {0};
        bool ok = pair_run(1000000u * (unsigned)a + 10000u * (unsigned)b + i, a, b, &r);
        c->runs++;
        c->broken += !ok || !r.first || r.first > OV_SEC;
        c->gaps += r.gaps != 0;
        times[i] = r.direct ? r.direct : OV_NEVER;
        c->direct += r.direct != 0;
        c->in_time += r.direct && r.direct <= goal.within;
        for (int k = 0; k < 2; k++) {
            c->out = larger(c->out, r.out[k]);
            c->peak = larger(c->peak, r.peak[k]);
            c->flows = larger(c->flows, r.flows[k]);
            c->sockets = larger(c->sockets, r.sockets[k]);
        }
        c->hard = larger(c->hard, r.hard_out);
    }
    qsort(times, seeds, sizeof *times, by_size);
    c->p50_ms = times[seeds / 2] / OV_MS;
    c->p95_ms = times[seeds * 95 / 100] / OV_MS;
}

static bool good(enum pair_kind a, enum pair_kind b, const struct cell *c)
{
    struct pair_goal goal = pair_goal(a, b);
    if (c->broken || c->gaps)
        return false;
    if (!goal.direct)
        return c->direct == 0 && c->hard == 0;
    return c->in_time * 100 >= goal.percent * c->runs;
}

static void print_cell(enum pair_kind a, enum pair_kind b, const struct cell *c)
{
    char p50[16] = "-", p95[16] = "-";
    if (c->p50_ms < OV_NEVER / OV_MS)
        snprintf(p50, sizeof p50, "%llu", c->p50_ms);
    if (c->p95_ms < OV_NEVER / OV_MS)
        snprintf(p95, sizeof p95, "%llu", c->p95_ms);
    printf("%-8s x %-8s %4u/%-4u %6s %6s %6llu %6llu %6llu %6llu %6llu  %s%s%s\n", pair_names[a],
           pair_names[b], c->direct, c->runs, p50, p95, c->out, c->hard, c->peak, c->flows,
           c->sockets, good(a, b, c) ? "ok" : "FAILED", c->broken ? ", no first ping in 1 s" : "",
           c->gaps ? ", gaps" : "");
}

static bool wanted(enum pair_kind a, enum pair_kind b, const char *only)
{
    return a <= b &&
           (!only || strcmp(pair_names[a], only) == 0 || strcmp(pair_names[b], only) == 0);
}

static void work(int worker, unsigned seeds, const char *only, int fd)
{
    for (int i = 0, n = 0; i < CELLS; i++) {
        enum pair_kind a = (enum pair_kind)(i / PAIR_KINDS), b = (enum pair_kind)(i % PAIR_KINDS);
        struct {
            int index;
            struct cell c;
        } out = {.index = i};
        if (!wanted(a, b, only) || n++ % WORKERS != worker)
            continue;
        run_cell(a, b, seeds, &out.c);
        if (write(fd, &out, sizeof out) != (ssize_t)sizeof out)
            _exit(1);
    }
    _exit(0);
}

int main(int argc, char **argv)
{
    static struct cell cells[CELLS];
    unsigned seeds = argc > 1 ? (unsigned)atoi(argv[1]) : 200, failed = 0, runs = 0;
    const char *only = argc > 2 ? argv[2] : NULL;
    time_t began = time(NULL);
    struct {
        int index;
        struct cell c;
    } in;
    int fds[2];
    if (seeds == 0 || seeds > SEEDS_MAX || pipe(fds) != 0)
        return 2;
    for (int i = 0; i < WORKERS; i++)
        if (fork() == 0)
            work(i, seeds, only, fds[1]);
    close(fds[1]);
    while (read(fds[0], &in, sizeof in) == (ssize_t)sizeof in)
        cells[in.index] = in.c;
    while (wait(NULL) > 0)
        ;
    printf("%-19s %9s %6s %6s %6s %6s %6s %6s %6s\n", "pair", "direct", "p50ms", "p95ms", "sent",
           "hard", "peak/s", "flows", "socks");
    for (int i = 0; i < CELLS; i++) {
        enum pair_kind a = (enum pair_kind)(i / PAIR_KINDS), b = (enum pair_kind)(i % PAIR_KINDS);
        if (!wanted(a, b, only))
            continue;
        print_cell(a, b, &cells[i]);
        failed += !good(a, b, &cells[i]) || cells[i].runs == 0;
        runs += cells[i].runs;
    }
    printf("%u runs in %ld s, %u pairs failed\n", runs, (long)(time(NULL) - began), failed);
    return failed != 0;
}
