#include "sockets.h"

#include "extras.h"
#include "networks.h"
#include "state.h"
#include "transport/udp.h"
#include "transport/watch.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define PORT_FIRST 16384 /* random ports: below the kernel's ephemeral ones where it can be */
#define PORT_COUNT 32768
#define PORT_TRIES 32

/* All in one turn of the engine: segments of a flow are put together as far as a turn reaches. */
void ov_sockets_on_packets(void *arg, struct ov_udp *u, const struct ov_udp_packet *v, size_t count)
{
    struct ov_daemon_socket *s = arg;
    struct ov_datagram batch[OV_UDP_BATCH_MAX];
    (void)u;
    for (size_t i = 0; i < count; i++)
        batch[i] = (struct ov_datagram){s->index, v[i].from, v[i].data, v[i].len, v[i].to};
    ov_node_datagrams(s->d->node, batch, count, ov_daemon_now(s->d));
    ov_daemon_drain(s->d);
}

struct ov_udp *ov_sockets_udp(const struct ov_daemon *d, uint16_t number)
{
    if (number < d->nsockets)
        return d->sockets[number].udp;
    return number == OV_SOCKET_REFLECT ? d->reflect.udp : ov_extras_udp(d, number);
}

bool ov_sockets_have_port(const struct ov_daemon *d, uint16_t port)
{
    for (size_t i = 0; i < d->nsockets; i++)
        if (d->sockets[i].bound.port == port)
            return true;
    return (d->reflect.udp != NULL && d->reflect.bound.port == port) || ov_extras_has_port(d, port);
}

void ov_sockets_close(struct ov_daemon *d)
{
    ov_extras_close(d);
    ov_udp_close(d->reflect.udp);
    d->reflect.udp = NULL;
    for (size_t i = 0; i < d->nsockets; i++)
        ov_udp_close(d->sockets[i].udp);
    d->nsockets = 0;
}

/* Both families on `port`, or nothing. A host without IPv6 gets along with IPv4. */
static int open_on(struct ov_daemon *d, uint16_t port, char why[OV_WHY_MAX])
{
    const struct ov_ip *only = &d->settings->bind;
    int err = OV_OK;
    for (uint8_t family = 4; family <= 6; family = (uint8_t)(family + 2)) {
        struct ov_endpoint ep = {.ip = {.family = family}, .port = port};
        if (only->family != 0 && only->family != family)
            continue;
        if (only->family != 0)
            ep.ip = *only;
        struct ov_daemon_socket *s = &d->sockets[d->nsockets];
        *s = (struct ov_daemon_socket){.d = d, .index = (uint16_t)d->nsockets, .bound = ep};
        err = ov_udp_open(&d->loop, &ep, ov_sockets_on_packets, s, &s->udp, why);
        if (err != OV_OK && family == 6 && d->nsockets > 0 && err != OV_EEXIST) {
            ov_log(&d->log, OV_LOG_INFO, "no IPv6 here: %s", why);
            return OV_OK;
        }
        if (err != OV_OK)
            break;
        d->nsockets++;
    }
    if (err != OV_OK)
        ov_sockets_close(d);
    return err;
}

static int open_fixed(struct ov_daemon *d, uint16_t port, char why[OV_WHY_MAX])
{
    int err = open_on(d, port, why);
    if (err == OV_EEXIST)
        snprintf(why, OV_WHY_MAX,
                 "UDP port %u is in use: stop the program that has it (ss -ulpn shows it), or set "
                 "another port in [%s]",
                 port, d->settings->root ? "root" : "node");
    return err;
}

/* The port on which nobody has sent to anybody: what gets through from there shows how a NAT
 * filters. Nodes get along without it. */
static void open_reflect(struct ov_daemon *d)
{
    struct ov_daemon_socket *s = &d->reflect;
    char why[OV_WHY_MAX];
    if (d->sockets[0].bound.ip.family != 4)
        return;
    *s =
        (struct ov_daemon_socket){.d = d, .index = OV_SOCKET_REFLECT, .bound = d->sockets[0].bound};
    s->bound.port = OV_REFLECT_PORT(s->bound.port);
    if (ov_udp_open_beside(&d->loop, d->sockets[0].udp, &s->bound, ov_sockets_on_packets, s,
                           &s->udp, why) == OV_OK)
        return;
    s->udp = NULL;
    ov_log(&d->log, OV_LOG_WARN, "nodes learn less of their NATs from this root: %s", why);
}

int ov_sockets_open(struct ov_daemon *d, char why[OV_WHY_MAX])
{
    uint16_t port = ov_config_port(d->settings);
    if (port != 0) {
        int fixed = open_fixed(d, port, why);
        if (fixed == OV_OK && d->settings->root)
            open_reflect(d);
        return fixed;
    }
    uint16_t remembered = ov_state_port(d->state);
    if (remembered != 0 && open_on(d, remembered, why) == OV_OK)
        return OV_OK;
    if (remembered != 0)
        ov_log(&d->log, OV_LOG_WARN, "UDP port %u of last time cannot be used; taking another",
               remembered);
    int err = OV_EEXIST;
    for (int i = 0; i < PORT_TRIES && err == OV_EEXIST; i++) {
        port = (uint16_t)(PORT_FIRST + randombytes_uniform(PORT_COUNT));
        err = open_on(d, port, why);
    }
    if (err == OV_OK)
        ov_state_set_port(d->state, port);
    return err;
}

void ov_sockets_tell(struct ov_daemon *d)
{
    uint8_t families[OV_DAEMON_SOCKETS];
    for (size_t i = 0; i < d->nsockets; i++)
        families[i] = d->sockets[i].bound.ip.family;
    ov_node_set_sockets(d->node, families, d->nsockets, ov_daemon_now(d));
    ov_node_set_reflect_port(d->node, d->reflect.udp != NULL ? d->reflect.bound.port : 0,
                             ov_daemon_now(d));
    ov_daemon_drain(d);
}

bool ov_sockets_skip(void *arg, const char *ifname)
{
    struct ov_daemon *d = arg;
    const char *pattern = d->settings->interface, *percent = strchr(pattern, '%');
    if (ov_networks_owns(d->networks, ifname))
        return true;
    if (percent == NULL || percent == pattern)
        return false;
    size_t stem = (size_t)(percent - pattern);
    return strncmp(ifname, pattern, stem) == 0 && ifname[stem] != '\0' &&
           strspn(ifname + stem, "0123456789") == strlen(ifname + stem);
}

bool ov_sockets_reachable_at(const struct ov_daemon_socket *s, const struct ov_ip *ip)
{
    static const struct ov_ip ANY4 = {.family = 4}, ANY6 = {.family = 6};
    const struct ov_ip *b = &s->bound.ip;
    return b->family == ip->family &&
           (ov_ip_equal(b, &ANY4) || ov_ip_equal(b, &ANY6) || ov_ip_equal(b, ip));
}

bool ov_sockets_refresh(struct ov_daemon *d)
{
    struct ov_ip ips[OV_LOCALS_MAX];
    struct ov_local v[OV_LOCALS_MAX];
    size_t n = 0, nips;
    if (ov_watch_addresses(ips, OV_LOCALS_MAX, &nips, ov_sockets_skip, d) != OV_OK)
        return false;
    memset(v, 0, sizeof(v)); /* compared as bytes */
    for (size_t i = 0; i < nips; i++) {
        for (size_t k = 0; k < d->nsockets && n < OV_LOCALS_MAX; k++) {
            if (!ov_sockets_reachable_at(&d->sockets[k], &ips[i]))
                continue;
            v[n].socket = d->sockets[k].index;
            v[n].ep.ip = ips[i];
            v[n].ep.port = d->sockets[k].bound.port;
            n++;
        }
    }
    /* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c): zeroed */
    if (n == d->nlocals && memcmp(v, d->locals, sizeof(v)) == 0)
        return false;
    memcpy(d->locals, v, sizeof(v));
    d->nlocals = n;
    ov_node_set_locals(d->node, v, n, ov_daemon_now(d));
    ov_daemon_drain(d);
    return true;
}

/* Reachable from the whole internet, by the look of it. */
static bool is_public(const struct ov_ip *ip)
{
    static const char *const PRIVATE[] = {"10.0.0.0/8",    "172.16.0.0/12",  "192.168.0.0/16",
                                          "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8"};
    struct ov_prefix p;
    if (ip->family == 6)
        return (ip->b[0] & 0xe0) == 0x20;
    for (size_t i = 0; i < sizeof(PRIVATE) / sizeof(PRIVATE[0]); i++)
        if (ov_prefix_parse(PRIVATE[i], &p) == OV_OK && ov_prefix_contains(&p, ip))
            return false;
    return true;
}

size_t ov_daemon_endpoints(struct ov_daemon *d, struct ov_endpoint *out, size_t cap)
{
    size_t n = 0;
    for (int want_public = 1; want_public >= 0; want_public--)
        for (size_t i = 0; i < d->nlocals && n < cap; i++)
            if (is_public(&d->locals[i].ep.ip) == (want_public == 1))
                out[n++] = d->locals[i].ep;
    return n;
}
