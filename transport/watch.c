/* watch: changes of this host's addresses and routes, for Linux.
 *
 * The kernel's route socket tells of far more than changes: every router advertisement repeats its
 * addresses, wireless drivers report their scans. So a message only arms a timer. When it fires,
 * the addresses of all interfaces that are up are summed into a fingerprint, and only a fingerprint
 * other than the last one is a change. Routes are not listed (there may be very many); messages
 * about those of the main table that do not follow from an address come for real changes only, and
 * count at once. So does losing messages. Whether the way out is another one is not read from them
 * (routes go without a word when a link or an address goes, and managers tell the same ones again
 * and again): the kernel is asked which one it would take.
 *
 * Anybody on the LAN can move the way out as often as he likes (router advertisements), and to our
 * owner each move is dear. So after one was told the next has to wait, and is told only if the way
 * is another still when it may be. What could not be asked is as it was, and asked again soon. */
#include "transport/watch.h"

#include "transport/gateway.h"
#include "transport/sockaddr.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEBOUNCE_MS   250
#define RETRY_MS      1000 /* when the kernel could not be asked */
#define READS         16   /* in one loop turn */
#define MESSAGE_BYTES 32768
#define USABLE        (IFF_UP | IFF_RUNNING)

struct ov_watch {
    uv_poll_t poll;
    uv_timer_t timer; /* to the next look */
    unsigned open_handles;
    int fd;
    bool closing;
    bool changed; /* for certain, whatever the fingerprint */
    uint64_t fingerprint;
    struct ov_way way[2];  /* of IPv4 and IPv6, when last asked; all zeroes: none */
    struct ov_way told[2]; /* that the owner goes by */
    uv_timer_t cool[2];    /* while it runs, no move of that way is told */
    unsigned ignored[OV_WATCH_IGNORE_MAX];
    size_t nignored;
    ov_watch_cb cb;
    void *arg;
    union {
        struct nlmsghdr align;
        uint8_t bytes[MESSAGE_BYTES];
    } buf;
};

static bool is_ignored(const struct ov_watch *w, unsigned ifindex)
{
    for (size_t i = 0; i < w->nignored; i++)
        if (w->ignored[i] == ifindex)
            return true;
    return false;
}

/* ---- fingerprint ---- */

/* FNV-1a: nobody gains from making two lists alike, so any good mixing will do. */
static uint64_t mix(uint64_t h, const void *data, size_t len)
{
    const uint8_t *p = data;

    for (size_t i = 0; i < len; i++)
        h = (h ^ p[i]) * 0x100000001b3ull;
    return h;
}

static bool ip_from_sockaddr(const struct sockaddr *sa, struct ov_ip *out)
{
    struct ov_endpoint ep;
    bool known = ov_sockaddr_to_endpoint(sa, &ep);
    *out = ep.ip;
    return known;
}

/* A sum over the addresses of interfaces that are up, so that their order does not matter. False:
 * they could not be listed. */
static bool take_fingerprint(const struct ov_watch *w, uint64_t *out)
{
    struct ifaddrs *list;
    uint64_t sum = 0;

    if (getifaddrs(&list) != 0)
        return false;
    for (const struct ifaddrs *a = list; a; a = a->ifa_next) {
        struct ov_ip ip, mask;
        uint64_t h = 0xcbf29ce484222325ull;
        if ((a->ifa_flags & USABLE) != USABLE || !ip_from_sockaddr(a->ifa_addr, &ip) ||
            is_ignored(w, if_nametoindex(a->ifa_name)))
            continue;
        h = mix(h, a->ifa_name, strlen(a->ifa_name));
        h = mix(h, &ip.family, sizeof ip.family);
        h = mix(h, ip.b, sizeof ip.b);
        if (ip_from_sockaddr(a->ifa_netmask, &mask))
            h = mix(h, mask.b, sizeof mask.b);
        sum += h;
    }
    freeifaddrs(list);
    *out = sum;
    return true;
}

/* Ask for both ways out; one that leads into ours is none of ours. False: one could not be asked.
 */
static bool find_ways(struct ov_watch *w)
{
    bool asked = true;

    for (int i = 0; i < 2; i++) {
        struct ov_way now;
        if (ov_gateway_way(i == 0 ? 4 : 6, &now) != OV_OK)
            asked = false;
        else if (!is_ignored(w, now.ifindex))
            w->way[i] = now;
    }
    return asked;
}

static bool has_moved(const struct ov_watch *w, int i)
{
    return w->way[i].ifindex != w->told[i].ifindex ||
           !ov_ip_equal(&w->way[i].router, &w->told[i].router);
}

/* ---- messages ---- */

/* The interface of a route; 0 when it has none, or several. */
static unsigned route_interface(const struct nlmsghdr *m)
{
    const struct rtmsg *route = NLMSG_DATA(m);
    long left = (long)RTM_PAYLOAD(m); /* signed: the macros may go below zero */

    for (const struct rtattr *a = RTM_RTA(route); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
        unsigned index;
        if (a->rta_type == RTA_OIF && RTA_PAYLOAD(a) >= sizeof index) {
            memcpy(&index, RTA_DATA(a), sizeof index);
            return index;
        }
    }
    return 0;
}

static bool has_payload(const struct nlmsghdr *m, size_t len)
{
    return m->nlmsg_len >= NLMSG_LENGTH(len);
}

/* Does this message make it worth to look? */
static bool is_relevant(struct ov_watch *w, const struct nlmsghdr *m)
{
    switch (m->nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK: {
        const struct ifinfomsg *link = NLMSG_DATA(m);
        return has_payload(m, sizeof *link) && link->ifi_family != AF_BRIDGE &&
               !is_ignored(w, (unsigned)link->ifi_index);
    }
    case RTM_NEWADDR:
    case RTM_DELADDR: {
        const struct ifaddrmsg *addr = NLMSG_DATA(m);
        return has_payload(m, sizeof *addr) && !is_ignored(w, addr->ifa_index);
    }
    case RTM_NEWROUTE:
    case RTM_DELROUTE: {
        const struct rtmsg *route = NLMSG_DATA(m);
        if (!has_payload(m, sizeof *route) || route->rtm_protocol == RTPROT_KERNEL ||
            (route->rtm_flags & RTM_F_CLONED) || is_ignored(w, route_interface(m)))
            return false;
        w->changed |= route->rtm_table == RT_TABLE_MAIN;
        return route->rtm_table == RT_TABLE_MAIN || route->rtm_dst_len == 0;
    }
    case RTM_NEWRULE: /* may lead to another table */
    case RTM_DELRULE:
        return true;
    default:
        return false;
    }
}

static void on_timer(uv_timer_t *timer);

/* Not restarted by further messages, so that a steady stream of them cannot keep it from firing. */
static void arm(struct ov_watch *w, uint64_t ms)
{
    if (!uv_is_active((uv_handle_t *)&w->timer))
        (void)uv_timer_start(&w->timer, on_timer, ms, 0);
}

/* All that is not told by messages. What could not be asked stays as it was, until it can be. */
static void ask(struct ov_watch *w)
{
    bool asked = take_fingerprint(w, &w->fingerprint);

    asked &= find_ways(w);
    if (!asked)
        arm(w, RETRY_MS);
}

/* Each of the timers: look, and tell what there is to tell. */
static void on_timer(uv_timer_t *timer)
{
    struct ov_watch *w = timer->data;
    uint64_t before = w->fingerprint;
    unsigned ways = 0;

    ask(w);
    for (int i = 0; i < 2; i++) {
        if (!has_moved(w, i) || uv_is_active((uv_handle_t *)&w->cool[i]))
            continue;
        ways |= i == 0 ? OV_WATCH_WAY4 : OV_WATCH_WAY6;
        w->told[i] = w->way[i];
        (void)uv_timer_start(&w->cool[i], on_timer, OV_WATCH_COOL_MS, 0);
    }
    bool changed = w->changed || ways != 0 || before != w->fingerprint;
    w->changed = false;
    if (changed)
        w->cb(w->arg, ways);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct ov_watch *w = poll->data;
    bool relevant = false;

    (void)events;
    if (status < 0) /* the kernel lost messages (see below), which libuv takes for an error */
        (void)uv_poll_start(poll, UV_READABLE, on_poll);
    for (unsigned i = 0; i < READS; i++) {
        struct sockaddr_nl from = {0};
        socklen_t fromlen = sizeof from;
        ssize_t r = recvfrom(w->fd, w->buf.bytes, sizeof w->buf.bytes, MSG_DONTWAIT,
                             (struct sockaddr *)&from, &fromlen);
        if (r < 0 && errno == ENOBUFS) { /* messages were lost: anything may have changed */
            w->changed = relevant = true;
            continue;
        }
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            break;
        if (fromlen != sizeof from || from.nl_pid != 0) /* not the kernel */
            continue;
        long left = r;
        for (struct nlmsghdr *m = &w->buf.align; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left))
            relevant |= is_relevant(w, m);
    }
    if (relevant)
        arm(w, DEBOUNCE_MS);
}

/* ---- life ---- */

static void on_closed(uv_handle_t *handle)
{
    struct ov_watch *w = handle->data;

    if (--w->open_handles == 0)
        free(w);
}

static int open_socket(void)
{
    struct sockaddr_nl sa = {.nl_family = AF_NETLINK,
                             .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
                                          RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE | RTMGRP_IPV4_RULE |
                                          1u << (RTNLGRP_IPV6_RULE - 1)};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);

    if (fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof sa) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

int ov_watch_open(uv_loop_t *loop, ov_watch_cb changed, void *arg, struct ov_watch **out)
{
    struct ov_watch *w = calloc(1, sizeof *w);

    if (!w)
        return OV_ENOMEM;
    w->cb = changed;
    w->arg = arg;
    w->fd = open_socket();
    if (w->fd < 0 || uv_poll_init(loop, &w->poll, w->fd) != 0) {
        if (w->fd >= 0)
            close(w->fd);
        free(w);
        return OV_EIO;
    }
    (void)uv_timer_init(loop, &w->timer); /* cannot fail */
    w->poll.data = w->timer.data = w;
    w->open_handles = 4;
    for (int i = 0; i < 2; i++) {
        (void)uv_timer_init(loop, &w->cool[i]);
        w->cool[i].data = w;
    }
    ask(w);
    memcpy(w->told, w->way, sizeof w->told);
    if (uv_poll_start(&w->poll, UV_READABLE, on_poll) != 0) {
        ov_watch_close(w);
        return OV_EIO;
    }
    *out = w;
    return OV_OK;
}

int ov_watch_ignore(struct ov_watch *w, unsigned ifindex, bool ignore)
{
    size_t i = 0;

    while (i < w->nignored && w->ignored[i] != ifindex)
        i++;
    if (ignore && i == w->nignored) {
        if (i == OV_WATCH_IGNORE_MAX)
            return OV_EFULL;
        w->ignored[w->nignored++] = ifindex;
    } else if (!ignore && i < w->nignored) {
        w->ignored[i] = w->ignored[--w->nignored];
    }
    return OV_OK;
}

void ov_watch_proven(struct ov_watch *w)
{
    memcpy(w->told, w->way, sizeof w->told);
    for (int i = 0; i < 2; i++)
        (void)uv_timer_stop(&w->cool[i]);
}

void ov_watch_close(struct ov_watch *w)
{
    if (!w || w->closing)
        return;
    w->closing = true;
    uv_close((uv_handle_t *)&w->poll, on_closed);
    uv_close((uv_handle_t *)&w->timer, on_closed);
    for (int i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&w->cool[i], on_closed);
    close(w->fd); /* libuv has let go of it already */
}

/* ---- usable addresses ---- */

/* Append what is not in there yet; the new length. */
static size_t append_ip(struct ov_ip *out, size_t n, size_t cap, const struct ov_ip *ip)
{
    for (size_t i = 0; i < n; i++)
        if (out[i].family == ip->family && memcmp(out[i].b, ip->b, sizeof ip->b) == 0)
            return n;
    if (n < cap)
        out[n++] = *ip;
    return n;
}

static size_t collect(const struct ifaddrs *list, bool link_local, struct ov_ip *out, size_t cap,
                      bool (*skip)(void *arg, const char *ifname), void *arg)
{
    size_t n = 0;

    for (const struct ifaddrs *a = list; a; a = a->ifa_next) {
        struct ov_ip ip;
        if ((a->ifa_flags & USABLE) != USABLE || (a->ifa_flags & IFF_LOOPBACK) ||
            !ip_from_sockaddr(a->ifa_addr, &ip) || ov_ip_is_link_local(&ip) != link_local ||
            (skip && skip(arg, a->ifa_name)))
            continue;
        n = append_ip(out, n, cap, &ip);
    }
    return n;
}

int ov_watch_addresses(struct ov_ip *out, size_t cap, size_t *n,
                       bool (*skip)(void *arg, const char *ifname), void *arg)
{
    struct ifaddrs *list;

    if (getifaddrs(&list) != 0)
        return OV_EIO;
    *n = collect(list, false, out, cap, skip, arg);
    if (*n == 0)
        *n = collect(list, true, out, cap, skip, arg);
    freeifaddrs(list);
    return OV_OK;
}
