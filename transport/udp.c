/* udp: batched UDP sockets for Linux.
 *
 * In: recvmmsg fills up to SLOTS slots of 64 KB. With UDP_GRO the kernel may join datagrams of one
 * flow into one slot and tell their size; they are split in place into the batch for the callback.
 * The slots are allocated once and never cleared, so an idle socket has touched next to none of
 * them.
 *
 * Out: sends are gathered as message headers that point at the caller's data, and leave by one
 * sendmmsg. A train is one message with UDP_SEGMENT, cut where the kernel's limits are. When the
 * kernel or the path refuses a train, it goes as single datagrams, so the caller never sees a
 * difference.
 *
 * A host may have several addresses, and who asked one of them takes an answer from no other: a
 * socket bound to none tells where each datagram came to (IP_PKTINFO), and a message may be pinned
 * to leave from there. A pin that the kernel refuses, since the address went away, is taken off. */
#include "transport/udp.h"

#include "transport/sockaddr.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define SLOTS         16
#define SLOT_BYTES    65536
#define ROUNDS        4           /* recvmmsg calls in one loop turn, */
#define TURN_BYTES    (512 << 10) /* or fewer when so much has come: others want their turn */
#define MESSAGES      64          /* gathered before they leave on their own */
#define SEGMENTS_MAX  64          /* UDP_MAX_SEGMENTS of the first kernels that had it */
#define PAYLOAD_MAX   (65535 - 40 - 8)
#define SOCKET_BUFFER (4 << 20)
#define GSO_PAUSE     1024 /* trains that go without UDP_SEGMENT after a device could not do it */

#define PIN_CONTROL CMSG_SPACE(sizeof(struct in6_pktinfo)) /* the larger of both families */
#define RX_CONTROL  (CMSG_SPACE(sizeof(int)) + PIN_CONTROL)
#define TX_CONTROL  (PIN_CONTROL + CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(uint16_t)))

struct rx {
    struct mmsghdr msgs[SLOTS];
    struct iovec iov[SLOTS];
    union ov_sockaddr from[SLOTS];
    union {
        struct cmsghdr align;
        uint8_t bytes[RX_CONTROL];
    } control[SLOTS];
    struct ov_udp_packet packets[OV_UDP_BATCH_MAX];
    size_t npackets;
};

struct tx {
    struct mmsghdr msgs[MESSAGES];
    struct iovec iov[MESSAGES];
    union ov_sockaddr to[MESSAGES];
    union {
        struct cmsghdr align;
        uint8_t bytes[TX_CONTROL];
    } control[MESSAGES];
    size_t pin[MESSAGES];         /* bytes of control that pin it, the first ones; 0: it is not */
    size_t ttl_control[MESSAGES]; /* bytes of control without UDP_SEGMENT */
    size_t segment[MESSAGES];     /* 0: a single datagram */
    unsigned n;
};

struct ov_udp {
    uv_poll_t poll;
    int fd;
    int family; /* AF_INET or AF_INET6 */
    uint16_t port;
    bool closing;
    bool gso;           /* the kernel knows UDP_SEGMENT */
    unsigned gso_pause; /* trains yet to be sent without it */
    ov_udp_recv_cb cb;
    void *arg;
    struct ov_udp_stats stats;
    struct area *area;
};

/* What a socket works with while it receives or gathers. Nothing of it outlives a callback or a
 * flush, so sockets of one loop may share it. */
struct area {
    unsigned refs;
    struct ov_udp *sender; /* of what is gathered in tx */
    struct rx rx;
    struct tx tx;
    uint8_t slots[SLOTS][SLOT_BYTES];
};

/* ---- in ---- */

/* What the kernel tells of a message: the size of the datagrams that it joined into it (0: it did
 * not), and the address of ours that they came to. */
static size_t read_control(struct msghdr *m, struct ov_ip *to)
{
    size_t segment = 0;

    memset(to, 0, sizeof *to);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
            int size;
            memcpy(&size, CMSG_DATA(c), sizeof size);
            segment = size > 0 ? (size_t)size : 0;
        } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            to->family = 4;
            memcpy(to->b, &info.ipi_spec_dst, 4);
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            if (IN6_IS_ADDR_MULTICAST(&info.ipi6_addr))
                continue;
            to->family = 6;
            memcpy(to->b, &info.ipi6_addr, 16);
        }
    }
    return segment;
}

static void deliver(struct ov_udp *u)
{
    size_t n = u->area->rx.npackets;
    u->area->rx.npackets = 0;
    if (n > 0 && !u->closing)
        u->cb(u->arg, u, u->area->rx.packets, n);
}

/* Split one message into datagrams and put them into the batch. */
static void take_message(struct ov_udp *u, unsigned i)
{
    struct rx *r = &u->area->rx;
    struct msghdr *m = &r->msgs[i].msg_hdr;
    struct ov_endpoint from;
    struct ov_ip to;
    size_t len = r->msgs[i].msg_len, segment = read_control(m, &to);
    uint8_t *data = m->msg_iov->iov_base;

    if (segment == 0)
        segment = len;
    if ((m->msg_flags & MSG_TRUNC) || segment > OV_UDP_DATAGRAM_MAX) {
        u->stats.recv_truncated++;
        return;
    }
    (void)ov_sockaddr_to_endpoint(&r->from[i].any, &from);
    for (size_t at = 0; at < len; at += segment) {
        if (r->npackets == OV_UDP_BATCH_MAX)
            deliver(u);
        r->packets[r->npackets++] =
            (struct ov_udp_packet){.from = from,
                                   .to = to,
                                   .data = data + at,
                                   .len = len - at < segment ? len - at : segment};
    }
}

/* One recvmmsg and its callbacks; true if there may be more. */
static bool receive_round(struct ov_udp *u, size_t *bytes)
{
    struct rx *r = &u->area->rx;
    int n;

    for (unsigned i = 0; i < SLOTS; i++) {
        struct msghdr *m = &r->msgs[i].msg_hdr;
        m->msg_namelen = sizeof r->from[i];
        m->msg_controllen = sizeof r->control[i].bytes;
        m->msg_flags = 0;
    }
    do {
        n = recvmmsg(u->fd, r->msgs, SLOTS, MSG_DONTWAIT, NULL);
    } while (n < 0 && errno == EINTR);
    for (int i = 0; i < n; i++) {
        *bytes += r->msgs[i].msg_len;
        take_message(u, (unsigned)i);
    }
    deliver(u);
    return n == SLOTS && !u->closing;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct ov_udp *u = poll->data;

    (void)events;
    if (status < 0) {
        /* libuv stops polling on an error condition. It is one that a datagram of ours caused, and
         * nothing is wrong with the socket: take it off and go on. */
        int pending;
        socklen_t len = sizeof pending;
        (void)getsockopt(u->fd, SOL_SOCKET, SO_ERROR, &pending, &len);
        (void)uv_poll_start(poll, UV_READABLE, on_poll);
    }
    size_t bytes = 0;
    for (unsigned i = 0; i < ROUNDS && receive_round(u, &bytes) && bytes < TURN_BYTES; i++)
        ;
}

/* ---- out ---- */

/* Datagrams of one size that `len` bytes make. */
static uint64_t datagrams(size_t len, size_t segment)
{
    return segment ? (len + segment - 1) / segment : 1;
}

static void count_failure(struct ov_udp *u, int err, uint64_t n)
{
    switch (err) {
    case EMSGSIZE:
        u->stats.send_too_large += n;
        break;
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
    case EADDRNOTAVAIL: /* no source address towards there */
    case ECONNREFUSED:
    case EACCES: /* a prohibit route, or broadcast */
        u->stats.send_dropped += n;
        break;
    case EPERM: /* a packet filter of this host */
        u->stats.send_denied += n;
        u->stats.denied_ms = uv_now(u->poll.loop);
        break;
    default:
        u->stats.send_errors += n;
    }
}

static void append_control(struct msghdr *m, int level, int type, const void *value, size_t len)
{
    struct cmsghdr *c = (struct cmsghdr *)(void *)((uint8_t *)m->msg_control + m->msg_controllen);

    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(c), value, len);
    m->msg_controllen += CMSG_SPACE(len);
}

/* Have the message leave from an address of ours. An IPv6 one that is only the link's own needs the
 * interface too. */
static void append_pin(struct msghdr *m, const struct ov_ip *from, const struct ov_endpoint *to)
{
    if (from->family == 4) {
        struct in_pktinfo info = {0};
        memcpy(&info.ipi_spec_dst, from->b, 4);
        append_control(m, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    } else {
        struct in6_pktinfo info = {.ipi6_ifindex = to->scope};
        memcpy(&info.ipi6_addr, from->b, 16);
        append_control(m, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    }
}

/* Gather one message: a datagram, or a train when `segment` is not 0. */
static void gather(struct ov_udp *u, const struct ov_ip *from, const struct ov_endpoint *to,
                   uint8_t ttl, const uint8_t *data, size_t len, size_t segment)
{
    struct tx *t = &u->area->tx;

    if (t->n == MESSAGES || (t->n > 0 && u->area->sender != u))
        ov_udp_flush(u);
    u->area->sender = u;
    unsigned i = t->n++;
    struct msghdr *m = &t->msgs[i].msg_hdr;
    t->iov[i] = (struct iovec){.iov_base = (void *)(uintptr_t)data, .iov_len = len};
    memset(&t->control[i], 0, sizeof t->control[i]);
    *m = (struct msghdr){.msg_name = &t->to[i],
                         .msg_namelen = ov_sockaddr_from_endpoint(to, &t->to[i]),
                         .msg_iov = &t->iov[i],
                         .msg_iovlen = 1,
                         .msg_control = &t->control[i]};
    if (from && from->family == to->ip.family)
        append_pin(m, from, to);
    t->pin[i] = m->msg_controllen;
    if (ttl != 0) {
        int value = ttl;
        if (u->family == AF_INET)
            append_control(m, IPPROTO_IP, IP_TTL, &value, sizeof value);
        else
            append_control(m, IPPROTO_IPV6, IPV6_HOPLIMIT, &value, sizeof value);
    }
    t->ttl_control[i] = m->msg_controllen;
    t->segment[i] = segment;
    if (segment != 0) {
        uint16_t size = (uint16_t)segment;
        append_control(m, SOL_UDP, UDP_SEGMENT, &size, sizeof size);
    }
    if (m->msg_controllen == 0)
        m->msg_control = NULL;
}

/* Send a gathered train that was refused as a whole as single datagrams. */
static void send_singly(struct ov_udp *u, unsigned i)
{
    struct msghdr m = u->area->tx.msgs[i].msg_hdr;
    struct iovec iov;
    uint8_t *data = u->area->tx.iov[i].iov_base;
    size_t len = u->area->tx.iov[i].iov_len, segment = u->area->tx.segment[i];

    m.msg_iov = &iov;
    m.msg_controllen = u->area->tx.ttl_control[i];
    if (m.msg_controllen == 0)
        m.msg_control = NULL;
    for (size_t at = 0; at < len; at += segment) {
        iov.iov_base = data + at;
        iov.iov_len = len - at < segment ? len - at : segment;
        ssize_t r;
        do {
            r = sendmsg(u->fd, &m, MSG_DONTWAIT);
        } while (r < 0 && errno == EINTR);
        if (r < 0 && errno == EAGAIN) {
            count_failure(u, EAGAIN, datagrams(len - at, segment));
            return;
        }
        if (r < 0)
            count_failure(u, errno, 1);
    }
}

/* Take off what pins a message to an address of ours. */
static void unpin(struct ov_udp *u, unsigned i)
{
    struct msghdr *m = &u->area->tx.msgs[i].msg_hdr;

    m->msg_control = (uint8_t *)m->msg_control + u->area->tx.pin[i];
    m->msg_controllen -= u->area->tx.pin[i];
    if (m->msg_controllen == 0)
        m->msg_control = NULL;
    u->area->tx.ttl_control[i] -= u->area->tx.pin[i];
    u->area->tx.pin[i] = 0;
    u->stats.send_unpinned++;
}

/* May it be the pin? An address that is gone is EINVAL; no route from there is unreachable. */
static bool blames_pin(int err)
{
    return err == EINVAL || err == EADDRNOTAVAIL || err == ENETUNREACH || err == EHOSTUNREACH;
}

/* Message `i` was not sent because of `err`; returns the message to go on with. */
static unsigned send_failed(struct ov_udp *u, unsigned i, int err)
{
    struct tx *t = &u->area->tx;

    if (err == EINTR)
        return i;
    if (err == EAGAIN) { /* the socket buffer is full, for all of them */
        for (; i < t->n; i++)
            count_failure(u, err, datagrams(t->iov[i].iov_len, t->segment[i]));
        return i;
    }
    if (t->pin[i] != 0 && blames_pin(err)) {
        unpin(u, i);
        return i;
    }
    if (t->segment[i] != 0 &&
        (err == EIO || err == EINVAL || err == EMSGSIZE || err == EOPNOTSUPP)) {
        if (err == EIO) /* this device cannot do it; another one may take over later */
            u->gso_pause = GSO_PAUSE;
        send_singly(u, i);
        return i + 1;
    }
    count_failure(u, err, datagrams(t->iov[i].iov_len, t->segment[i]));
    return i + 1;
}

void ov_udp_flush(struct ov_udp *u)
{
    struct tx *t = &u->area->tx;

    u = u->area->sender;
    for (unsigned i = 0; i < t->n;) {
        int r = sendmmsg(u->fd, &t->msgs[i], t->n - i, MSG_DONTWAIT);
        i = r > 0 ? i + (unsigned)r : send_failed(u, i, errno);
    }
    t->n = 0;
}

void ov_udp_send(struct ov_udp *u, const struct ov_ip *from, const struct ov_endpoint *to,
                 uint8_t ttl, const uint8_t *data, size_t len, size_t segment)
{
    size_t chunk;
    bool train = u->gso;

    if (len == 0 || u->closing)
        return;
    if (segment == 0 || segment > len)
        segment = len;
    if (to->ip.family != (u->family == AF_INET ? 4 : 6) || to->port == 0) {
        u->stats.send_errors += datagrams(len, segment);
        return;
    }
    if (train && segment < len && u->gso_pause > 0) {
        u->gso_pause--;
        train = false;
    }
    chunk = PAYLOAD_MAX / segment;
    if (chunk > SEGMENTS_MAX)
        chunk = SEGMENTS_MAX;
    chunk = train && chunk > 1 ? chunk * segment : segment;
    for (size_t at = 0; at < len; at += chunk) {
        size_t n = len - at < chunk ? len - at : chunk;
        gather(u, from, to, ttl, data + at, n, n > segment ? segment : 0);
    }
}

/* ---- life ---- */

static int set_int(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value);
}

/* Options without which the socket does its work less well: what the kernel does not have is left.
 */
static void set_options(struct ov_udp *u, bool any_address)
{
    int fd = u->fd, probe = 0;
    socklen_t len = sizeof probe;

    if (set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, SOCKET_BUFFER) != 0)
        (void)set_int(fd, SOL_SOCKET, SO_RCVBUF, SOCKET_BUFFER);
    if (set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, SOCKET_BUFFER) != 0)
        (void)set_int(fd, SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER);
    if (u->family == AF_INET)
        (void)set_int(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
    else
        (void)set_int(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
    if (any_address && u->family == AF_INET)
        (void)set_int(fd, IPPROTO_IP, IP_PKTINFO, 1);
    else if (any_address)
        (void)set_int(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    (void)set_int(fd, SOL_UDP, UDP_GRO, 1);
    u->gso = getsockopt(fd, SOL_UDP, UDP_SEGMENT, &probe, &len) == 0;
}

/* Say in words why a socket could not be had. */
static int explain(int err, const struct ov_endpoint *e, char why[256])
{
    int family = e->ip.family;

    switch (err) {
    case EADDRINUSE:
        snprintf(why, 256,
                 "UDP port %u (IPv%d) is in use by another program; stop it or choose "
                 "another port",
                 e->port, family);
        return OV_EEXIST;
    case EACCES:
    case EPERM:
        snprintf(why, 256,
                 "not allowed to use UDP port %u (IPv%d); ports below 1024 need root or "
                 "CAP_NET_BIND_SERVICE",
                 e->port, family);
        return OV_EPERM;
    case ENOMEM:
    case ENOBUFS:
        snprintf(why, 256, "no memory for a UDP socket");
        return OV_ENOMEM;
    case EAFNOSUPPORT:
        snprintf(why, 256, "this system has no IPv%d", family);
        return OV_EIO;
    case EADDRNOTAVAIL:
        snprintf(why, 256, "the address to bind to is not an IPv%d address of this host", family);
        return OV_EIO;
    default:
        snprintf(why, 256, "cannot open UDP port %u (IPv%d): %s", e->port, family, strerror(err));
        return OV_EIO;
    }
}

static bool is_any(const struct ov_ip *ip)
{
    static const uint8_t zero[16];
    return memcmp(ip->b, zero, ip->family == 4 ? 4 : 16) == 0;
}

/* Make and bind the socket; 0 or an errno. */
static int open_socket(struct ov_udp *u, const struct ov_endpoint *bind_to)
{
    union ov_sockaddr sa;
    socklen_t len = ov_sockaddr_from_endpoint(bind_to, &sa);

    u->family = sa.any.sa_family;
    u->fd = socket(u->family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (u->fd < 0)
        return errno;
    if (u->family == AF_INET6 && set_int(u->fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) != 0)
        return errno;
    set_options(u, is_any(&bind_to->ip));
    if (bind(u->fd, &sa.any, len) != 0)
        return errno;
    len = sizeof sa;
    if (getsockname(u->fd, &sa.any, &len) != 0)
        return errno;
    u->port = ntohs(u->family == AF_INET ? sa.in4.sin_port : sa.in6.sin6_port);
    return 0;
}

static struct area *area_new(void)
{
    struct area *a = malloc(sizeof *a); /* the slots are never cleared */
    if (!a)
        return NULL;
    memset(a, 0, offsetof(struct area, slots));
    a->refs = 1;
    for (unsigned i = 0; i < SLOTS; i++) {
        struct rx *r = &a->rx;
        r->iov[i] = (struct iovec){a->slots[i], SLOT_BYTES};
        r->msgs[i].msg_hdr = (struct msghdr){.msg_name = &r->from[i],
                                             .msg_iov = &r->iov[i],
                                             .msg_iovlen = 1,
                                             .msg_control = &r->control[i]};
    }
    return a;
}

static void free_udp(struct ov_udp *u)
{
    if (u->area && --u->area->refs == 0)
        free(u->area);
    free(u);
}

static void on_closed(uv_handle_t *handle)
{
    free_udp(handle->data);
}

int ov_udp_open(uv_loop_t *loop, const struct ov_endpoint *bind_to, ov_udp_recv_cb cb, void *arg,
                struct ov_udp **out, char why[256])
{
    return ov_udp_open_beside(loop, NULL, bind_to, cb, arg, out, why);
}

int ov_udp_open_beside(uv_loop_t *loop, struct ov_udp *other, const struct ov_endpoint *bind_to,
                       ov_udp_recv_cb cb, void *arg, struct ov_udp **out, char why[256])
{
    struct ov_udp *u = calloc(1, sizeof *u);
    int err = ENOMEM;

    if (bind_to->ip.family != 4 && bind_to->ip.family != 6) {
        free(u);
        snprintf(why, 256, "no IP address to bind a UDP socket to");
        return OV_EINVAL;
    }
    if (!u)
        return explain(ENOMEM, bind_to, why);
    u->fd = -1;
    u->cb = cb;
    u->arg = arg;
    u->area = other ? other->area : area_new();
    if (!u->area)
        goto out;
    u->area->refs += other != NULL;
    err = open_socket(u, bind_to);
    if (err != 0)
        goto out;
    err = -uv_poll_init(loop, &u->poll, u->fd);
    if (err != 0)
        goto out;
    u->poll.data = u;
    err = -uv_poll_start(&u->poll, UV_READABLE, on_poll);
    if (err != 0) {
        ov_udp_close(u);
        return explain(err, bind_to, why);
    }
    *out = u;
out:
    if (err != 0) {
        if (u->fd >= 0)
            close(u->fd);
        free_udp(u);
        return explain(err, bind_to, why);
    }
    return OV_OK;
}

uint16_t ov_udp_port(const struct ov_udp *u)
{
    return u->port;
}

size_t ov_udp_unsent(const struct ov_udp *u)
{
    int bytes = 0;

    return !u->closing && ioctl(u->fd, SIOCOUTQ, &bytes) == 0 && bytes > 0 ? (size_t)bytes : 0;
}

void ov_udp_stats(const struct ov_udp *u, struct ov_udp_stats *out)
{
    *out = u->stats;
}

void ov_udp_close(struct ov_udp *u)
{
    if (!u || u->closing)
        return;
    u->closing = true;
    if (u->area->sender == u)
        u->area->tx.n = 0;
    uv_close((uv_handle_t *)&u->poll, on_closed);
    close(u->fd); /* libuv has let go of it already */
}
