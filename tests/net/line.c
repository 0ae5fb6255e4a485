/* line: joins two network interfaces, and can be as bad as real lines are: frames come late, twice,
 * or not at all. It can also be one side of a VLAN, for kernels that have no VLAN devices.
 *
 *   line A B [late=N] [by=K] [twice=N] [lost=N] [seed=S]
 *   line A B tag=V
 *
 * Theory of operation. Both interfaces are opened as packet sockets; what comes from one leaves by
 * the other. Of all UDP datagrams of at least SMALL bytes, in both directions, one in N on average
 * is held until up to K (50) later frames have passed, or HOLD_MS at the longest; one in N leaves
 * twice, the copy up to K frames later; one in N is lost. Chance comes from the seed alone.
 * Superframes are refused then: their segments could not be told apart, so whoever sets up such a
 * line has the other ends' segmentation switched off (ethtool -K .. tso off gso off
 * tx-udp-segmentation off).
 *
 * With a tag, frames from A leave by B with it, and those on B that have it leave by A without it.
 * Virtio headers go along, so superframes and partial checksums stay what they are.
 *
 * Prints "ready", and what it did when told to end. */
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

#define SMALL    100 /* handshakes and keepalives pass unharmed */
#define HOLD     256 /* frames held at a time, each direction; above it nothing is */
#define HOLD_MS  5
#define BUFFER   (64 << 20) /* of sockets: the tunnel shall be what drops */
#define FRAME    (ETH_HLEN + 4 + 65535)
#define HELD_MAX 9300 /* frames longer than this are superframes */
#define BATCH    64   /* frames of one direction before the other has its turn */
#define TAG_LEN  4

struct held {
    size_t len; /* with its virtio header; 0: free */
    uint64_t seq, due;
    int64_t until;
    uint8_t *bytes;
};

struct direction {
    int in, out;
    bool tags, untags;
    uint64_t seq; /* frames passed */
    struct held held[HOLD];
    size_t nheld;
    uint64_t late, furthest, twice, lost, refused;
};

struct line {
    struct direction d[2];
    unsigned late, by, twice, lost, tag; /* one in so many; 0: none */
    uint64_t random;
    int64_t now; /* ms */
    /* a frame, its virtio header before it, and room for a tag between */
    uint8_t buf[sizeof(struct virtio_net_hdr) + TAG_LEN + FRAME];
};

static void die(const char *what)
{
    fprintf(stderr, "line: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* xorshift64* (Vigna 2016). */
static uint64_t roll(struct line *l)
{
    l->random ^= l->random >> 12;
    l->random ^= l->random << 25;
    l->random ^= l->random >> 27;
    return l->random * 0x2545f4914f6cdd1dull >> 16;
}

static bool one_in(struct line *l, unsigned n)
{
    return n > 0 && roll(l) % n == 0;
}

static void set(int fd, int level, int option, int value)
{
    if (setsockopt(fd, level, option, &value, sizeof(value)) < 0)
        die("setsockopt");
}

static int open_interface(const char *name)
{
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int buffer = BUFFER;

    at.sll_ifindex = (int)if_nametoindex(name);
    if (fd < 0 || at.sll_ifindex == 0)
        die(name);
    set(fd, SOL_PACKET, PACKET_VNET_HDR, 1);
    set(fd, SOL_PACKET, PACKET_AUXDATA, 1);
    set(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
    /* As much as may be had: in a namespace without real root, not all of it. */
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) < 0)
        set(fd, SOL_SOCKET, SO_RCVBUF, buffer);
    if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
        die(name);
    return fd;
}

/* The frame leaves now. What the interface does not take is lost, as on any line. */
static void pass(struct direction *d, const uint8_t *bytes, size_t len)
{
    d->seq++;
    if (send(d->out, bytes, len, 0) < 0)
        d->refused++;
}

static void hold(struct line *l, struct direction *d, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < HOLD; i++) {
        struct held *h = &d->held[i];
        if (h->len > 0)
            continue;
        if (h->bytes == NULL &&
            (h->bytes = malloc(sizeof(struct virtio_net_hdr) + HELD_MAX)) == NULL)
            die("malloc");
        memcpy(h->bytes, bytes, len);
        h->len = len;
        h->seq = d->seq;
        h->due = d->seq + 1 + roll(l) % l->by;
        h->until = l->now + HOLD_MS;
        d->nheld++;
        return;
    }
}

/* Those whose time has come. A frame was late when another one overtook it. */
static void release(struct line *l, struct direction *d)
{
    for (size_t i = 0; d->nheld > 0 && i < HOLD; i++) {
        struct held *h = &d->held[i];
        if (h->len == 0 || (h->due > d->seq && h->until > l->now))
            continue;
        uint64_t overtaken = d->seq - h->seq;
        d->late += overtaken > 0;
        if (overtaken > d->furthest)
            d->furthest = overtaken;
        pass(d, h->bytes, h->len);
        h->len = 0;
        d->nheld--;
    }
}

static bool is_datagram(const uint8_t *frame, size_t len)
{
    unsigned type = len < ETH_HLEN + 40 + SMALL ? 0 : (unsigned)frame[12] << 8 | frame[13];

    return (type == ETH_P_IP && frame[ETH_HLEN + 9] == IPPROTO_UDP) ||
           (type == ETH_P_IPV6 && frame[ETH_HLEN + 6] == IPPROTO_UDP);
}

/* One frame with its virtio header, on a line that may be bad. */
static void carry(struct line *l, struct direction *d, const uint8_t *bytes, size_t len)
{
    size_t header = sizeof(struct virtio_net_hdr);

    if ((l->late > 0 || l->twice > 0 || l->lost > 0) && is_datagram(bytes + header, len - header)) {
        if (len - header > HELD_MAX || bytes[1] != VIRTIO_NET_HDR_GSO_NONE) {
            fputs("line: a superframe: switch off segmentation\n", stderr);
            exit(1);
        }
        if (one_in(l, l->lost)) {
            d->lost++;
            return;
        }
        if (d->nheld < HOLD && one_in(l, l->late)) {
            hold(l, d, bytes, len);
            return;
        }
        if (d->nheld < HOLD && one_in(l, l->twice)) {
            d->twice++;
            hold(l, d, bytes, len);
        }
    }
    pass(d, bytes, len);
}

/* Put the tag behind the two addresses of a frame at `bytes`, which has TAG_LEN bytes of room
 * before its virtio header. */
static uint8_t *put_tag(const struct line *l, uint8_t *bytes)
{
    struct virtio_net_hdr h;
    uint8_t *frame = bytes + sizeof(h) - TAG_LEN, tag[TAG_LEN] = {0x81, 0};

    memcpy(&h, bytes, sizeof(h));
    if (h.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
        h.csum_start = (uint16_t)(h.csum_start + TAG_LEN);
    if (h.gso_type != VIRTIO_NET_HDR_GSO_NONE)
        h.hdr_len = (uint16_t)(h.hdr_len + TAG_LEN);
    memmove(frame, frame + TAG_LEN, 12);
    tag[2] = (uint8_t)(l->tag >> 8);
    tag[3] = (uint8_t)l->tag;
    memcpy(frame + 12, tag, sizeof(tag));
    memcpy(bytes - TAG_LEN, &h, sizeof(h));
    return bytes - TAG_LEN;
}

/* The VLAN of a frame just received, -1 without: the kernel takes tags off frames and tells them
 * beside. */
static int vlan_of(struct msghdr *m)
{
    struct tpacket_auxdata aux = {0};

    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA)
            memcpy(&aux, CMSG_DATA(c), sizeof(aux));
    }
    return aux.tp_status & TP_STATUS_VLAN_VALID ? aux.tp_vlan_tci & 0xfff : -1;
}

/* Take what came in by `d`, but no more than a batch. */
static void receive(struct line *l, struct direction *d)
{
    for (int i = 0; i < BATCH; i++) {
        uint8_t *bytes = l->buf + TAG_LEN;
        char control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
        struct iovec v = {bytes, sizeof(l->buf) - TAG_LEN};
        struct msghdr m = {.msg_iov = &v,
                           .msg_iovlen = 1,
                           .msg_control = control,
                           .msg_controllen = sizeof(control)};
        ssize_t n = recvmsg(d->in, &m, 0);
        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0 && errno != ENETDOWN)
            die("recvmsg");
        if (n < (ssize_t)sizeof(struct virtio_net_hdr) + ETH_HLEN)
            continue;
        size_t len = (size_t)n;
        int vlan = vlan_of(&m);
        if (d->untags ? vlan != (int)l->tag : vlan >= 0)
            continue; /* another VLAN's */
        if (d->tags) {
            bytes = put_tag(l, bytes);
            len += TAG_LEN;
        }
        carry(l, d, bytes, len);
        release(l, d);
    }
}

static void run(struct line *l, int ending)
{
    struct pollfd p[3] = {{l->d[0].in, POLLIN, 0}, {l->d[1].in, POLLIN, 0}, {ending, POLLIN, 0}};

    while (p[2].revents == 0) {
        int wait = l->d[0].nheld + l->d[1].nheld > 0 ? 1 : -1;
        if (poll(p, 3, wait) < 0)
            die("poll");
        l->now = now_ms();
        for (int i = 0; i < 2; i++) {
            if (p[i].revents != 0)
                receive(l, &l->d[i]);
            release(l, &l->d[i]);
        }
    }
}

/* Frames that the kernel could not queue for us. */
static unsigned missed(int fd)
{
    struct tpacket_stats s = {0};
    socklen_t len = sizeof(s);

    if (getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &s, &len) < 0)
        die("getsockopt");
    return s.tp_drops;
}

static void report(const struct line *l)
{
    uint64_t sum[6] = {0};

    for (int i = 0; i < 2; i++) {
        const struct direction *d = &l->d[i];
        sum[0] += d->seq;
        sum[1] += d->late;
        sum[2] = d->furthest > sum[2] ? d->furthest : sum[2];
        sum[3] += d->twice;
        sum[4] += d->lost;
        sum[5] += d->refused + missed(d->in);
    }
    printf("passed %llu late %llu furthest %llu twice %llu lost %llu overrun %llu\n",
           (unsigned long long)sum[0], (unsigned long long)sum[1], (unsigned long long)sum[2],
           (unsigned long long)sum[3], (unsigned long long)sum[4], (unsigned long long)sum[5]);
}

static unsigned number(const char *text, unsigned long max)
{
    char *end;
    unsigned long v = strtoul(text, &end, 10);

    if (*text == '\0' || *end != '\0' || v == 0 || v > max) {
        fprintf(stderr, "line: not a number from 1 to %lu: %s\n", max, text);
        exit(2);
    }
    return (unsigned)v;
}

static void option(struct line *l, const char *arg)
{
    const char *value = strchr(arg, '=');
    size_t len = value != NULL ? (size_t)(value - arg) : 0;
    struct {
        const char *name;
        unsigned *to;
        unsigned long max;
    } known[] = {{"late", &l->late, 1000000},
                 {"by", &l->by, 1000000},
                 {"twice", &l->twice, 1000000},
                 {"lost", &l->lost, 1000000},
                 {"tag", &l->tag, 4094}};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (len == strlen(known[i].name) && memcmp(arg, known[i].name, len) == 0) {
            *known[i].to = number(value + 1, known[i].max);
            return;
        }
    }
    if (len != 4 || memcmp(arg, "seed", 4) != 0) {
        fprintf(stderr, "line: what is %s?\n", arg);
        exit(2);
    }
    l->random = number(value + 1, UINT32_MAX);
}

int main(int argc, char **argv)
{
    struct line *l = calloc(1, sizeof(*l));
    sigset_t signals;

    if (argc < 3 || l == NULL) {
        fputs("usage: line A B [late=N] [by=K] [twice=N] [lost=N] [seed=S] [tag=V]\n", stderr);
        return 2;
    }
    l->random = 1;
    l->by = 50;
    for (int i = 3; i < argc; i++)
        option(l, argv[i]);
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    int ending = signalfd(-1, &signals, SFD_CLOEXEC);
    if (ending < 0)
        die("signalfd");
    int a = open_interface(argv[1]), b = open_interface(argv[2]);
    l->d[0] = (struct direction){.in = a, .out = b, .tags = l->tag != 0};
    l->d[1] = (struct direction){.in = b, .out = a, .untags = l->tag != 0};
    puts("ready");
    fflush(stdout);
    run(l, ending);
    report(l);
    for (int i = 0; i < 2; i++) {
        for (size_t j = 0; j < HOLD; j++)
            free(l->d[i].held[j].bytes);
    }
    free(l);
    return 0;
}
