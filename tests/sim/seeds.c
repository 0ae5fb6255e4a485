/* seeds COUNT [FIRST [JOBS]]: so many worlds of soak.h, in JOBS processes.
 * seeds -1 SEED [LINES]: this one, and its diagram however it ends.
 *
 * Each seed that fails prints what was wrong, how to run it again and a diagram. Exit code 1 when
 * one failed. */
#include "soak.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define JOBS_MAX   64
#define SHOWN_MAX  5  /* failures with their diagrams */
#define TELL_EVERY 10 /* s */
#define SEED_TAKES 60 /* s of processor time at most */

/* What a worker tells of a seed. */
struct told {
    uint64_t seed;
    uint64_t events, delivered;
    uint64_t faults[FAULT_KINDS];
    int good;
};

static struct soak *running; /* for the handler of fatal signals */
static size_t lines;

/* An assertion, a sanitizer or a loop without end: tell what led to it. */
static void on_fatal(int sig)
{
    struct soak *k = running;

    running = NULL;
    if (k != NULL) {
        k->safety.wrong = sig == SIGXCPU || sig == SIGALRM ? "it does not end"
                                                           : "an assertion failed, or it crashed";
        k->safety.node = -1;
        soak_print(k, stdout);
        fflush(stdout);
    }
    signal(sig, SIG_DFL);
    raise(sig);
}

static void watch_signals(void)
{
    static const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGALRM};

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        signal(signals[i], on_fatal);
}

static bool run_seed(uint64_t seed, bool show, struct told *t)
{
    struct soak *k = soak_new(seed);

    running = k;
    alarm(SEED_TAKES * 10);
    bool good = soak_run(k);
    alarm(0);
    if (lines > 0)
        k->lines = lines;
    if (show && (!good || lines > 0))
        soak_print(k, stdout);
    fflush(stdout);
    running = NULL;
    if (t != NULL) {
        *t = (struct told){
            .seed = seed, .events = k->s->events, .delivered = k->safety.delivered, .good = good};
        memcpy(t->faults, k->faults.began, sizeof(t->faults));
    }
    soak_free(k);
    return good;
}

/* ---- workers ---- */

struct worker {
    pid_t pid;
    int fd;
    uint64_t next; /* the seed that it is at */
};

struct team {
    struct worker w[JOBS_MAX];
    uint64_t jobs, first, count, done, failed;
    struct told sum;
};

static void work(struct team *t, uint64_t from, int fd, bool show)
{
    watch_signals();
    for (uint64_t seed = from; seed < t->first + t->count; seed += t->jobs) {
        struct told told;
        run_seed(seed, show, &told);
        if (write(fd, &told, sizeof(told)) != (ssize_t)sizeof(told))
            _exit(2);
    }
    _exit(0);
}

static bool hire(struct team *t, struct worker *w, uint64_t from)
{
    int fds[2];

    w->next = from;
    w->pid = 0;
    if (from >= t->first + t->count)
        return true;
    fflush(stdout);
    if (pipe(fds) != 0 || (w->pid = fork()) < 0)
        return false;
    if (w->pid == 0) {
        close(fds[0]);
        work(t, from, fds[1], t->failed < SHOWN_MAX);
    }
    close(fds[1]);
    w->fd = fds[0];
    return true;
}

static void take(struct team *t, const struct told *told)
{
    t->done++;
    t->failed += !told->good;
    t->sum.events += told->events;
    t->sum.delivered += told->delivered;
    for (size_t i = 0; i < FAULT_KINDS; i++)
        t->sum.faults[i] += told->faults[i];
    if (!told->good)
        printf("FAILED: seed %llu\n", (unsigned long long)told->seed);
}

/* One of them has something to say, or is gone. False: out of resources. */
static bool hear(struct team *t, struct worker *w)
{
    struct told told;
    int status = 0;

    if (read(w->fd, &told, sizeof(told)) == (ssize_t)sizeof(told)) {
        take(t, &told);
        w->next = told.seed + t->jobs;
        return true;
    }
    close(w->fd);
    waitpid(w->pid, &status, 0);
    w->pid = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    take(t, &(struct told){.seed = w->next});
    return hire(t, w, w->next + t->jobs);
}

static bool all(struct team *t)
{
    time_t told = time(NULL);

    for (uint64_t i = 0; i < t->jobs; i++) {
        if (!hire(t, &t->w[i], t->first + i))
            return false;
    }
    for (;;) {
        struct pollfd p[JOBS_MAX];
        struct worker *who[JOBS_MAX];
        nfds_t n = 0;
        for (uint64_t i = 0; i < t->jobs; i++) {
            if (t->w[i].pid > 0) {
                p[n] = (struct pollfd){.fd = t->w[i].fd, .events = POLLIN};
                who[n++] = &t->w[i];
            }
        }
        if (n == 0)
            return true;
        if (poll(p, n, 1000) < 0)
            return false;
        for (nfds_t i = 0; i < n; i++) {
            if (p[i].revents != 0 && !hear(t, who[i]))
                return false;
        }
        if (time(NULL) - told >= TELL_EVERY) {
            told = time(NULL);
            printf("%llu of %llu seeds, %llu failed\n", (unsigned long long)t->done,
                   (unsigned long long)t->count, (unsigned long long)t->failed);
            fflush(stdout);
        }
    }
}

static int number(const char *text, uint64_t *out)
{
    char *end;

    *out = strtoull(text, &end, 10);
    return *text != '\0' && *end == '\0' ? 0 : -1;
}

static int single(int argc, char **argv)
{
    uint64_t seed, want = 1;

    if (argc < 3 || number(argv[2], &seed) != 0 || (argc > 3 && number(argv[3], &want) != 0))
        return 2;
    lines = (size_t)want;
    watch_signals();
    return run_seed(seed, true, NULL) ? 0 : 1;
}

int main(int argc, char **argv)
{
    static struct team t;
    time_t began = time(NULL);

    if (argc > 1 && strcmp(argv[1], "-1") == 0)
        return single(argc, argv);
    t.first = 1;
    t.jobs = 2;
    if (argc < 2 || number(argv[1], &t.count) != 0 ||
        (argc > 2 && number(argv[2], &t.first) != 0) ||
        (argc > 3 && number(argv[3], &t.jobs) != 0) || t.count == 0 || t.jobs == 0)
        return 2;
    if (t.jobs > JOBS_MAX)
        t.jobs = JOBS_MAX;
    if (!all(&t)) {
        perror("seeds");
        return 2;
    }
    printf("faults:");
    for (size_t i = 0; i < FAULT_KINDS; i++)
        printf(" %s %llu%s", fault_names[i], (unsigned long long)t.sum.faults[i],
               i + 1 < FAULT_KINDS ? "," : "\n");
    printf("%llu seeds, %llu failed, %llu events, %llu frames delivered, in %ld s\n",
           (unsigned long long)t.done, (unsigned long long)t.failed,
           (unsigned long long)t.sum.events, (unsigned long long)t.sum.delivered,
           (long)(time(NULL) - began));
    return t.failed != 0 || t.done != t.count;
}
