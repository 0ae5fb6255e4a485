/* One socket for each family, bound to the port and joined to the group on each LAN. Which LANs
 * there are is read when the host's addresses change. Datagrams leave by interface and address as
 * IP_PKTINFO tells, and arrive with both; what did not come to the group, or from the LAN itself,
 * is not passed on. */
#include "transport/discovery.h"

#include "core/beacon.h"
#include "transport/sockaddr.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LANS_MAX 32
#define READS    16 /* in one loop turn */
#define BUFFER   2048
#define WANTED   (IFF_UP | IFF_RUNNING | IFF_MULTICAST)
#define UNWANTED (IFF_LOOPBACK | IFF_POINTOPOINT)

struct lan {
    unsigned ifindex;
    struct ov_prefix at; /* our address there */
};

struct room {
    struct ov_discovery *d;
    uint8_t family;
    int fd; /* -1: none */
    uv_poll_t poll;
};

struct ov_discovery {
    struct ov_discovery_config cfg;
    struct room rooms[2];
    unsigned open_handles;
    bool closing;
    struct lan lans[LANS_MAX];
    size_t n;
};

/* ---- LANs ---- */

static uint8_t mask_bits(const uint8_t *mask, size_t len)
{
    uint8_t bits = 0;
    while (bits < len * 8 && mask[bits / 8] >> (7 - bits % 8) & 1)
        bits++;
    return bits;
}

/* An IPv4 address with its subnet, or a link-local IPv6 one. */
static bool lan_address(const struct ifaddrs *a, struct ov_prefix *out)
{
    struct ov_endpoint at, mask;
    memset(out, 0, sizeof *out);
    if (!ov_sockaddr_to_endpoint(a->ifa_addr, &at))
        return false;
    out->ip = at.ip;
    out->bits = 64;
    if (at.ip.family == 6)
        return ov_ip_is_link_local(&at.ip);
    if (!ov_sockaddr_to_endpoint(a->ifa_netmask, &mask))
        return false;
    out->bits = mask_bits(mask.ip.b, 4);
    return out->bits < 32;
}

static size_t list_lans(const struct ov_discovery *d, struct lan *out)
{
    struct ifaddrs *list;
    size_t n = 0;
    if (getifaddrs(&list) != 0)
        return 0;
    for (const struct ifaddrs *a = list; a && n < LANS_MAX; a = a->ifa_next) {
        struct lan l = {0};
        if ((a->ifa_flags & WANTED) != WANTED || a->ifa_flags & UNWANTED ||
            !lan_address(a, &l.at) || (l.ifindex = if_nametoindex(a->ifa_name)) == 0 ||
            (d->cfg.skip && d->cfg.skip(d->cfg.arg, a->ifa_name)))
            continue;
        out[n++] = l;
    }
    freeifaddrs(list);
    return n;
}

/* Does it have an address of this family on this interface? */
static bool is_in(const struct lan *v, size_t n, unsigned ifindex, uint8_t family)
{
    for (size_t i = 0; i < n; i++)
        if (v[i].ifindex == ifindex && v[i].at.ip.family == family)
            return true;
    return false;
}

/* Failing is no trouble: the interface may be gone, or be joined already by another address. */
static void membership(const struct room *r, unsigned ifindex, bool join)
{
    if (r->fd < 0)
        return;
    if (r->family == 4) {
        struct ip_mreqn m = {.imr_ifindex = (int)ifindex};
        inet_pton(AF_INET, OV_BEACON_GROUP4, &m.imr_multiaddr);
        (void)setsockopt(r->fd, IPPROTO_IP, join ? IP_ADD_MEMBERSHIP : IP_DROP_MEMBERSHIP, &m,
                         sizeof m);
    } else {
        struct ipv6_mreq m = {.ipv6mr_interface = ifindex};
        inet_pton(AF_INET6, OV_BEACON_GROUP6, &m.ipv6mr_multiaddr);
        (void)setsockopt(r->fd, IPPROTO_IPV6, join ? IPV6_JOIN_GROUP : IPV6_LEAVE_GROUP, &m,
                         sizeof m);
    }
}

/* Joining what is joined does nothing, and an interface that was away needs it again. */
void ov_discovery_refresh(struct ov_discovery *d)
{
    struct lan now[LANS_MAX];
    size_t n = list_lans(d, now);
    for (size_t i = 0; i < d->n; i++)
        if (!is_in(now, n, d->lans[i].ifindex, d->lans[i].at.ip.family))
            membership(&d->rooms[d->lans[i].at.ip.family == 6], d->lans[i].ifindex, false);
    for (size_t i = 0; i < n; i++)
        membership(&d->rooms[now[i].at.ip.family == 6], now[i].ifindex, true);
    memcpy(d->lans, now, n * sizeof *now);
    d->n = n;
}

size_t ov_discovery_lans(const struct ov_discovery *d)
{
    return d->n;
}

/* ---- out ---- */

union control {
    char b[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(struct in_pktinfo))];
    struct cmsghdr align;
};

static void attach(struct msghdr *m, int level, int type, const void *data, size_t len)
{
    struct cmsghdr *c = m->msg_control;
    m->msg_controllen = CMSG_SPACE(len);
    c->cmsg_level = level;
    c->cmsg_type = type;
    c->cmsg_len = CMSG_LEN(len);
    memcpy(CMSG_DATA(c), data, len);
}

static void send_from(const struct room *r, const struct lan *l, uint8_t *data, size_t len)
{
    struct sockaddr_in to4 = {.sin_family = AF_INET, .sin_port = htons(OV_BEACON_PORT)};
    struct sockaddr_in6 to6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(OV_BEACON_PORT), .sin6_scope_id = l->ifindex};
    struct iovec iov = {data, len};
    union control control = {0};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control};
    if (r->family == 4) {
        struct in_pktinfo info = {.ipi_ifindex = (int)l->ifindex};
        memcpy(&info.ipi_spec_dst, l->at.ip.b, 4);
        inet_pton(AF_INET, OV_BEACON_GROUP4, &to4.sin_addr);
        m.msg_name = &to4;
        m.msg_namelen = sizeof to4;
        attach(&m, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    } else {
        struct in6_pktinfo info = {.ipi6_ifindex = l->ifindex};
        memcpy(&info.ipi6_addr, l->at.ip.b, 16);
        inet_pton(AF_INET6, OV_BEACON_GROUP6, &to6.sin6_addr);
        m.msg_name = &to6;
        m.msg_namelen = sizeof to6;
        attach(&m, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    }
    (void)!sendmsg(r->fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL); /* lost ones are nothing special */
}

void ov_discovery_announce(struct ov_discovery *d)
{
    uint8_t buf[BUFFER];
    for (size_t i = 0; i < d->n; i++) {
        const struct room *r = &d->rooms[d->lans[i].at.ip.family == 6];
        size_t len = r->fd < 0 ? 0 : d->cfg.make(d->cfg.arg, &d->lans[i].at.ip, buf, sizeof buf);
        if (len > 0)
            send_from(r, &d->lans[i], buf, len);
    }
}

/* ---- in ---- */

/* The interface that it came by, if it came to the group; 0: it did not. */
static unsigned came_by(struct msghdr *m)
{
    struct in_addr group4;
    struct in6_addr group6;
    inet_pton(AF_INET, OV_BEACON_GROUP4, &group4);
    inet_pton(AF_INET6, OV_BEACON_GROUP6, &group6);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            return info.ipi_addr.s_addr == group4.s_addr ? (unsigned)info.ipi_ifindex : 0;
        }
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            return IN6_ARE_ADDR_EQUAL(&info.ipi6_addr, &group6) ? info.ipi6_ifindex : 0;
        }
    }
    return 0;
}

static bool source_of(const union ov_sockaddr *sa, unsigned ifindex, struct ov_endpoint *out)
{
    if (!ov_sockaddr_to_endpoint(&sa->any, out))
        return false;
    out->scope = out->ip.family == 6 ? ifindex : 0;
    return out->ip.family == 4 || ov_ip_is_link_local(&out->ip);
}

static bool on_link(const struct ov_discovery *d, unsigned ifindex, const struct ov_ip *ip)
{
    for (size_t i = 0; i < d->n; i++)
        if (d->lans[i].ifindex == ifindex && ov_prefix_contains(&d->lans[i].at, ip))
            return true;
    return false;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct room *r = poll->data;
    struct ov_discovery *d = r->d;
    uint8_t buf[BUFFER];
    (void)events;
    if (status < 0) /* libuv has stopped listening */
        (void)uv_poll_start(poll, UV_READABLE, on_readable);
    for (int i = 0; i < READS && !d->closing; i++) {
        union ov_sockaddr sa = {0};
        union control control;
        struct iovec iov = {buf, sizeof buf};
        struct msghdr m = {.msg_name = &sa,
                           .msg_namelen = sizeof sa,
                           .msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = &control,
                           .msg_controllen = sizeof control};
        struct ov_endpoint from;
        ssize_t len = recvmsg(r->fd, &m, MSG_DONTWAIT);
        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0)
            return;
        unsigned ifindex = came_by(&m);
        if (len > 0 && (size_t)len <= d->cfg.largest && !(m.msg_flags & MSG_TRUNC) &&
            ifindex != 0 && source_of(&sa, ifindex, &from) && on_link(d, ifindex, &from.ip))
            d->cfg.heard(d->cfg.arg, &from, buf, (size_t)len);
    }
}

/* ---- life ---- */

static bool set(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

static int open_socket4(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(OV_BEACON_PORT)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && set(fd, SOL_SOCKET, SO_REUSEADDR, 1) && set(fd, IPPROTO_IP, IP_PKTINFO, 1) &&
        set(fd, IPPROTO_IP, IP_MULTICAST_TTL, 1) && set(fd, IPPROTO_IP, IP_MULTICAST_LOOP, 1) &&
        set(fd, IPPROTO_IP, IP_MULTICAST_ALL, 0) &&
        bind(fd, (struct sockaddr *)&any, sizeof any) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static int open_socket6(void)
{
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(OV_BEACON_PORT)};
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) && set(fd, SOL_SOCKET, SO_REUSEADDR, 1) &&
        set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) &&
        set(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 1) &&
        set(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 1) &&
        bind(fd, (struct sockaddr *)&any, sizeof any) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static void on_closed(uv_handle_t *h)
{
    struct ov_discovery *d = ((struct room *)h->data)->d;
    if (--d->open_handles == 0)
        free(d);
}

/* A family that this host does not have is done without. */
static void open_room(uv_loop_t *loop, struct room *r)
{
    r->fd = r->family == 4 ? open_socket4() : open_socket6();
    if (r->fd < 0)
        return;
    r->poll.data = r;
    if (uv_poll_init(loop, &r->poll, r->fd) != 0) {
        close(r->fd);
        r->fd = -1;
        return;
    }
    r->d->open_handles++;
    (void)uv_poll_start(&r->poll, UV_READABLE, on_readable);
}

int ov_discovery_open(uv_loop_t *loop, const struct ov_discovery_config *cfg,
                      struct ov_discovery **out)
{
    struct ov_discovery *d = calloc(1, sizeof *d);
    if (!d)
        return OV_ENOMEM;
    assert(cfg->largest <= BUFFER);
    d->cfg = *cfg;
    for (int i = 0; i < 2; i++) {
        d->rooms[i] = (struct room){.d = d, .family = i ? 6 : 4, .fd = -1};
        if (i ? cfg->ip6 : cfg->ip4)
            open_room(loop, &d->rooms[i]);
    }
    if (d->open_handles == 0) {
        free(d);
        return OV_EIO;
    }
    ov_discovery_refresh(d);
    *out = d;
    return OV_OK;
}

void ov_discovery_close(struct ov_discovery *d)
{
    if (!d || d->closing)
        return;
    d->closing = true;
    for (int i = 0; i < 2; i++) {
        if (d->rooms[i].fd < 0)
            continue;
        uv_close((uv_handle_t *)&d->rooms[i].poll, on_closed);
        close(d->rooms[i].fd);
    }
}
