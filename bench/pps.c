/* pps: how many small UDP datagrams a second go through a tunnel with less than 1 % lost.
 *
 * One process is generator and sink: a socket belongs to the network namespace in which it was
 * made, so both ends are here, and what was sent and what came are compared without any protocol
 * between them. A trial sends at a steady rate, and passes when less than 1 % is lost.
 *
 * A rate has several trials and the best counts. Where four busy threads share two cores, what is
 * lost depends on which of them share one: the same daemon at the same rate loses nothing or half,
 * as the scheduler placed it, and it may stay so for seconds. A search that believes one or two
 * trials measures that. So each trial of a rate begins with the generator on another core, which
 * makes the scheduler think anew. Nor is the first rate that fails the end: with a generator that
 * never sleeps, a higher one may do better. The search goes up until two rates in a row fail, then
 * halves the gap above the highest that passed.
 *
 * What queues hold at the end of a trial still counts as received, but so does the time they need:
 * a rate is what came, divided by the time from the first send to the last arrival.
 *
 *   pps FROM TO ADDRESS SECONDS [BYTES]
 *
 * FROM and TO are files of namespaces, ADDRESS (IPv4) is TO's in the tunnel, SECONDS is the length
 * of a trial, BYTES the payload (100). Prints one line of JSON, and each trial on stderr. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORT      5300
#define BATCH     32 /* datagrams in one sendmmsg or recvmmsg at most */
#define BYTES_MIN 16 /* room for the trial's number */
#define BYTES_MAX 1400
#define SECOND    1000000000     /* in nanoseconds */
#define BEHIND    (SECOND / 200) /* a generator this late forgets what it owes: no bursts */
#define SILENCE   (SECOND / 10)  /* after the last arrival: the trial is over */
#define BUFFER    (4 << 20)      /* of sockets: the tunnel shall be what drops */
#define RATE_MIN  16e3
#define RATE_MAX  16e6
#define STEP      1.4142 /* from a rate to the next one, on the way up */
#define HALVINGS  4      /* to 1/40 of the rate */
#define ATTEMPTS  10     /* trials of a rate before it is said to be too much */
#define LOSS_MAX  0.01   /* of a trial that passes */
#define SENT_MIN  0.8    /* of the rate: less than this, and it is the generator that is slow */

struct sink {
    int fd;
    atomic_uint trial;
    atomic_ullong received; /* of this trial */
    atomic_ullong last;     /* when the last one came */
    atomic_bool end;
};

struct trial {
    double asked, sent_rate, rate; /* a second: wanted, sent, received */
    double loss;                   /* 0 to 1 */
};

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static void nap(uint64_t ns)
{
    struct timespec t = {.tv_sec = (time_t)(ns / SECOND), .tv_nsec = (long)(ns % SECOND)};
    nanosleep(&t, NULL);
}

static void die(const char *what)
{
    fprintf(stderr, "pps: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* A UDP socket of another namespace. */
static int socket_in(const char *space)
{
    int ns = open(space, O_RDONLY | O_CLOEXEC), fd, size = BUFFER;
    if (ns < 0 || setns(ns, CLONE_NEWNET) != 0)
        die(space);
    close(ns);
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket");
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) != 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    return fd;
}

/* Counts what comes of the trial that is on; late ones of an earlier trial are not its. */
static void *sink_run(void *arg)
{
    struct sink *s = arg;
    static uint8_t data[BATCH][BYTES_MAX];
    struct iovec iov[BATCH];
    struct mmsghdr msgs[BATCH];

    memset(msgs, 0, sizeof msgs);
    for (unsigned i = 0; i < BATCH; i++) {
        iov[i] = (struct iovec){.iov_base = data[i], .iov_len = sizeof data[i]};
        msgs[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
    }
    while (!atomic_load(&s->end)) {
        int n = recvmmsg(s->fd, msgs, BATCH, MSG_WAITFORONE, NULL);
        unsigned count = 0, wanted = atomic_load(&s->trial);
        for (int i = 0; i < n; i++) {
            unsigned trial;
            memcpy(&trial, data[i], sizeof trial);
            count += trial == wanted;
        }
        if (count > 0) {
            atomic_store(&s->last, now());
            atomic_fetch_add(&s->received, count);
        }
    }
    return NULL;
}

/* Send `rate` datagrams a second for `length`; returns how many were sent. */
static uint64_t generate(int fd, unsigned trial, double rate, uint64_t length, size_t bytes)
{
    static uint8_t data[BYTES_MAX];
    struct iovec iov = {.iov_base = data, .iov_len = bytes};
    struct mmsghdr msgs[BATCH];
    uint64_t start = now(), t = start, sent = 0, forgotten = 0;
    uint64_t late = (uint64_t)(rate * BEHIND / SECOND) + BATCH;

    memset(msgs, 0, sizeof msgs);
    for (unsigned i = 0; i < BATCH; i++)
        msgs[i].msg_hdr = (struct msghdr){.msg_iov = &iov, .msg_iovlen = 1};
    memcpy(data, &trial, sizeof trial);
    for (; t - start < length; t = now()) {
        uint64_t due = (uint64_t)((double)(t - start) * rate / SECOND) - sent - forgotten;
        if (due == 0) {
            nap(20000);
            continue;
        }
        if (due > late) {
            forgotten += due - late;
            due = late;
        }
        int n = sendmmsg(fd, msgs, due < BATCH ? (unsigned)due : BATCH, 0);
        if (n > 0)
            sent += (uint64_t)n;
        else
            nap(20000); /* ENOBUFS and the like: as good as not sent */
    }
    return sent;
}

static struct trial try_once(struct sink *s, int fd, double rate, uint64_t length, size_t bytes)
{
    struct trial t = {.asked = rate};
    unsigned number = atomic_fetch_add(&s->trial, 1) + 1;
    uint64_t start, end, last, sent, received;

    atomic_store(&s->received, 0);
    start = now();
    atomic_store(&s->last, start);
    sent = generate(fd, number, rate, length, bytes);
    end = now();
    while (now() - (last = atomic_load(&s->last)) < SILENCE || now() - end < SILENCE)
        nap(SILENCE / 10);
    received = atomic_load(&s->received);
    if (last < end)
        last = end;
    t.sent_rate = (double)sent * SECOND / (double)(end - start);
    t.rate = (double)received * SECOND / (double)(last - start);
    t.loss = sent == 0 || received > sent ? 1 : 1 - (double)received / (double)sent;
    fprintf(stderr, "asked %8.0f  sent %8.0f  received %8.0f a second  lost %6.2f %%\n", rate,
            t.sent_rate, t.rate, t.loss * 100);
    return t;
}

static bool passed(const struct trial *t)
{
    return t->loss < LOSS_MAX;
}

/* Move to the nth of the cores that we may use, then be free again. */
static void move_to_core(unsigned n)
{
    cpu_set_t all, one;
    unsigned seen = 0;

    if (sched_getaffinity(0, sizeof all, &all) != 0)
        return;
    n %= (unsigned)CPU_COUNT(&all);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &all) || seen++ < n)
            continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        (void)sched_setaffinity(0, sizeof one, &one);
        (void)sched_setaffinity(0, sizeof all, &all);
        return;
    }
}

/* The first attempt that passes, or the last one. Few are enough where most is lost. */
static struct trial try(struct sink *s, int fd, double rate, uint64_t length, size_t bytes)
{
    struct trial t = {.loss = 1};
    unsigned hopeless = 0;

    for (unsigned i = 0; i < ATTEMPTS && hopeless < 3 && !passed(&t); i++) {
        move_to_core(i);
        t = try_once(s, fd, rate, length, bytes);
        hopeless += t.rate < rate / 2;
    }
    return t;
}

static struct trial search(struct sink *s, int fd, uint64_t length, size_t bytes)
{
    struct trial best = {.loss = 1}, t;
    double low = 0, high = 0; /* the highest that passed, the lowest above it that did not */
    unsigned failed = 0;

    for (double rate = RATE_MIN; rate < RATE_MAX && failed < 2; rate *= STEP) {
        t = try(s, fd, rate, length, bytes);
        if (!passed(&t)) {
            high = failed++ == 0 ? rate : high;
            continue;
        }
        failed = 0;
        low = rate;
        best = t.rate > best.rate ? t : best;
        if (t.sent_rate < SENT_MIN * rate)
            return best; /* the generator is what is slow */
    }
    for (unsigned i = 0; i < HALVINGS && failed > 0; i++) {
        double rate = (low + high) / 2;
        t = try(s, fd, rate, length, bytes);
        *(passed(&t) ? &low : &high) = rate;
        if (passed(&t) && t.rate > best.rate)
            best = t;
    }
    return best;
}

int main(int argc, char **argv)
{
    static struct sink sink;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    struct timeval patience = {.tv_usec = 100000};
    double seconds = argc > 4 ? strtod(argv[4], NULL) : 0;
    size_t bytes = argc > 5 ? strtoul(argv[5], NULL, 10) : 100;
    pthread_t thread;
    int fd;

    if (argc < 5 || argc > 6 || inet_pton(AF_INET, argv[3], &to.sin_addr) != 1 ||
        !(seconds >= 0.05 && seconds <= 60) || bytes < BYTES_MIN || bytes > BYTES_MAX) {
        fprintf(stderr, "usage: pps FROM TO ADDRESS SECONDS [BYTES]\n");
        return 2;
    }
    prctl(PR_SET_TIMERSLACK, 1000UL, 0, 0, 0);
    sink.fd = socket_in(argv[2]);
    if (bind(sink.fd, (struct sockaddr *)&to, sizeof to) != 0 ||
        setsockopt(sink.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0)
        die("sink");
    fd = socket_in(argv[1]);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        die("connect");
    if (pthread_create(&thread, NULL, sink_run, &sink) != 0)
        die("thread");
    struct trial t = search(&sink, fd, (uint64_t)(seconds * SECOND), bytes);
    atomic_store(&sink.end, true);
    pthread_join(thread, NULL);
    printf("{\"pps\": %.0f, \"loss\": %.5f, \"sent_pps\": %.0f, \"bytes\": %zu}\n", t.rate, t.loss,
           t.sent_rate, bytes);
    return t.rate > 0 ? 0 : 1;
}
