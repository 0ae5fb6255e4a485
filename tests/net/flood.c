/* flood: what somebody who wants a node down sends it, as fast as he likes.
 *
 *   flood HOST PORT IDENTITY rate=N seconds=N [from=PREFIX] [kind=initiation|who|data|relay]
 * [seed=S]
 *
 * The datagrams are forged as well as a stranger can: an initiation has random keys and the mac1
 * that everybody can make who knows whom he calls, so the node cannot tell it from an honest one
 * before a Diffie-Hellman. With from=A.B their sources are random addresses A.B.x.y (a raw socket),
 * and every answer goes to somebody who did not ask; else they come from one socket.
 *
 * It keeps to `rate` a second by the clock, catching up after a short wait for the processor, and
 * says at the end how many that were. Answers are counted where they arrive: in the machine's own
 * counters. */
#include "core/cookie.h"
#include "core/identity.h"
#include "core/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH   64
#define HEADERS (sizeof(struct iphdr) + sizeof(struct udphdr))
#define BEHIND  (OV_SEC / 5) /* of what was missed for longer than this, nothing is made up */

struct flood {
    struct in_addr to;
    uint16_t port;
    uint64_t rate, seconds, random;
    uint64_t start, origin, base, sent; /* `base` were sent at `origin`, from where `rate` counts */
    uint32_t from;                      /* the first half of the source addresses; 0: our own */
    uint8_t type;
    size_t len;
    struct ov_cookie_maker macs;
    int fd;
    uint8_t data[BATCH][HEADERS + OV_INITIATION_LEN];
};

static uint64_t clock_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * OV_SEC + (uint64_t)t.tv_nsec;
}

/* xorshift64*: nobody has to be unable to foresee it. */
static uint64_t next(struct flood *f)
{
    f->random ^= f->random >> 12;
    f->random ^= f->random << 25;
    f->random ^= f->random >> 27;
    return f->random * UINT64_C(0x2545f4914f6cdd1d);
}

static void forge(struct flood *f, uint8_t *msg)
{
    for (size_t i = 0; i < f->len; i += 8) {
        uint64_t r = next(f);
        memcpy(msg + i, &r, f->len - i < 8 ? f->len - i : 8);
    }
    if (f->type == OV_WIRE_WHO) {
        ov_who_encode(next(f), msg);
        return;
    }
    memset(msg, 0, 4);
    msg[0] = f->type;
    if (f->type == OV_WIRE_INITIATION)
        ov_cookie_mac(&f->macs, msg, f->len, 1);
}

static void address(struct flood *f, uint8_t *packet)
{
    struct iphdr ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP};
    struct udphdr udp = {.source = htons((uint16_t)(1024 + next(f) % 60000)),
                         .dest = htons(f->port),
                         .len = htons((uint16_t)(sizeof(udp) + f->len))};
    ip.tot_len = htons((uint16_t)(HEADERS + f->len));
    ip.saddr = htonl(f->from | (uint32_t)(next(f) % 65534 + 1));
    ip.daddr = f->to.s_addr;
    memcpy(packet, &ip, sizeof(ip)); /* the kernel makes the IP checksum; UDP goes without */
    memcpy(packet + sizeof(ip), &udp, sizeof(udp));
}

static int open_socket(const struct flood *f)
{
    int big = 4 << 20;
    int fd = f->from != 0 ? socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW)
                          : socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &big, sizeof(big));
    return fd;
}

/* `n` of them. What the kernel does not take now (no route, no buffer) is sent never. */
static void send_some(struct flood *f, unsigned n)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr = f->to, .sin_port = htons(f->port)};
    size_t head = f->from != 0 ? HEADERS : 0;
    struct mmsghdr m[BATCH];
    struct iovec v[BATCH];
    memset(m, 0, sizeof(m));
    for (unsigned i = 0; i < n; i++) {
        if (head > 0)
            address(f, f->data[i]);
        forge(f, f->data[i] + head);
        v[i] = (struct iovec){f->data[i], head + f->len};
        m[i].msg_hdr = (struct msghdr){
            .msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = &v[i], .msg_iovlen = 1};
    }
    for (unsigned done = 0; done < n;) {
        int r = sendmmsg(f->fd, m + done, n - done, 0);
        done += r > 0 ? (unsigned)r : 1;
    }
}

/* Batches as the clock says; false once it is over. */
static bool turn(struct flood *f, uint64_t now)
{
    uint64_t due = f->base + (now - f->origin) * f->rate / OV_SEC;
    if (now - f->start >= f->seconds * OV_SEC)
        return false;
    if (due < f->sent + BATCH) {
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    } else if (due - f->sent > f->rate * BEHIND / OV_SEC) {
        f->origin = now;
        f->base = f->sent;
    } else {
        send_some(f, BATCH);
        f->sent += BATCH;
    }
    return true;
}

static void run(struct flood *f)
{
    f->start = f->origin = clock_ns();
    while (turn(f, clock_ns()))
        ;
    double s = (double)(clock_ns() - f->start) / (double)OV_SEC;
    printf("%llu datagrams of %zu bytes in %.2f s: %.0f a second\n", (unsigned long long)f->sent,
           f->len, s, (double)f->sent / s);
}

static int usage(void)
{
    fprintf(stderr,
            "usage: flood HOST PORT IDENTITY rate=N seconds=N [from=A.B] [kind=initiation|who|"
            "data|relay] [seed=S]\n");
    return 2;
}

static bool option(struct flood *f, const char *text)
{
    static const struct {
        const char *name;
        uint8_t type;
        size_t len;
    } KINDS[] = {{"initiation", OV_WIRE_INITIATION, OV_INITIATION_LEN},
                 {"who", OV_WIRE_WHO, OV_WHO_LEN},
                 {"data", OV_WIRE_DATA, 120},
                 {"relay", OV_WIRE_RELAY, 120}};
    unsigned a, b;
    if (strncmp(text, "rate=", 5) == 0)
        f->rate = strtoull(text + 5, NULL, 10);
    else if (strncmp(text, "seconds=", 8) == 0)
        f->seconds = strtoull(text + 8, NULL, 10);
    else if (strncmp(text, "seed=", 5) == 0)
        f->random = strtoull(text + 5, NULL, 10) | 1;
    else if (sscanf(text, "from=%u.%u", &a, &b) == 2)
        f->from = a << 24 | b << 16;
    else if (strncmp(text, "kind=", 5) == 0) {
        for (size_t i = 0; i < sizeof(KINDS) / sizeof(KINDS[0]); i++)
            if (strcmp(text + 5, KINDS[i].name) == 0) {
                f->type = KINDS[i].type;
                f->len = KINDS[i].len;
                return true;
            }
        return false;
    } else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    static struct flood f = {.random = 4793,
                             .type = OV_WIRE_INITIATION,
                             .len = OV_INITIATION_LEN,
                             .rate = 1,
                             .seconds = 1};
    struct ov_identity id;
    if (argc < 4 || inet_pton(AF_INET, argv[1], &f.to) != 1 || ov_crypto_init() != OV_OK)
        return usage();
    f.port = (uint16_t)atoi(argv[2]);
    if (ov_identity_parse(argv[3], &OV_POW_DEFAULT, &id) != OV_OK) {
        fprintf(stderr, "flood: %s is no identity\n", argv[3]);
        return 2;
    }
    for (int i = 4; i < argc; i++)
        if (!option(&f, argv[i]))
            return usage();
    ov_cookie_maker_init(&f.macs, &id.dh);
    f.fd = open_socket(&f);
    if (f.fd < 0) {
        fprintf(stderr, "flood: %s\n", strerror(errno));
        return 1;
    }
    run(&f);
    close(f.fd);
    return 0;
}
