/* attack: a few engines on a wire of the test's own, for what the simulated internet does not do:
 * hosts with two addresses, hosts that move, datagrams that vanish, clocks that jump. */
#ifndef OV_TESTS_ATTACK_H
#define OV_TESTS_ATTACK_H

#include "core/node.h"
#include "core/node_state.h"
#include "core/member.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define HOSTS_MAX 4
#define LATENCY   (10 * OV_MS)

static const struct ov_pow pow_cheap = {8, 0};

struct flying {
    struct flying *next;
    ov_time at;
    struct ov_endpoint from, to;
    size_t len;
    uint8_t data[];
};

struct host {
    struct ov_node *n;
    ov_addr addr;
    struct ov_endpoint ep[2];                 /* the second is optional, and nearer */
    bool cut;                                 /* nothing gets in or out */
    bool asleep;                              /* no ticks */
    uint64_t ticks, sent, sent_bytes, strays; /* strays: sent to where nobody can be */
    uint64_t random, pongs;
};

struct wire {
    ov_time now;
    struct flying *first;
    struct host h[HOSTS_MAX];
    size_t nh, max_peers;
};

static inline void wire_fill(void *arg, void *buf, size_t len)
{
    uint64_t *s = arg;
    uint8_t *p = buf;
    for (size_t i = 0; i < len; i++) {
        *s = *s * 6364136223846793005ull + 1442695040888963407ull;
        p[i] = (uint8_t)(*s >> 56);
    }
}

static inline struct ov_endpoint wire_ep(uint8_t net, uint8_t last, uint16_t port)
{
    return (struct ov_endpoint){.ip = {4, {20, net, 0, last}}, .port = port};
}

static inline void wire_identity(uint64_t seed, struct ov_identity_secret *out)
{
    uint8_t raw[32];
    wire_fill(&seed, raw, sizeof raw);
    assert_int_equal(ov_identity_make(raw, &pow_cheap, NULL, NULL, out), OV_OK);
}

/* Put a datagram on the wire. To a second address the way is half as long, and it comes from the
 * sender's second address if it has one. */
static inline void wire_send(struct wire *w, struct host *from, const struct ov_endpoint *to,
                             const uint8_t *data, size_t len)
{
    struct flying *f = malloc(sizeof *f + len), **at = &w->first;
    bool near = to->ip.b[1] == 2;
    assert_non_null(f);
    f->at = w->now + (near ? LATENCY / 2 : LATENCY);
    f->from = near && from->ep[1].port ? from->ep[1] : from->ep[0];
    f->to = *to;
    f->len = len;
    memcpy(f->data, data, len);
    while (*at && (*at)->at <= f->at)
        at = &(*at)->next;
    f->next = *at;
    *at = f;
}

static inline void wire_drain(struct wire *w, struct host *h)
{
    struct ov_output o;
    while (ov_node_pull(h->n, &o)) {
        if (o.kind == OV_OUT_EVENT && o.event.kind == OV_EVENT_PONG && o.event.rtt)
            h->pongs++;
        if (o.kind != OV_OUT_DATAGRAMS)
            continue;
        const struct ov_out_datagrams *d = &o.datagrams;
        for (size_t at = 0; at < d->len; at += d->segment) {
            size_t len = d->len - at < d->segment ? d->len - at : d->segment;
            h->sent++;
            h->sent_bytes += len;
            if (d->to.ip.family == 0 || d->to.port == 0)
                h->strays++;
            else if (!h->cut)
                wire_send(w, h, &d->to, d->data + at, len);
        }
    }
}

static inline struct host *wire_host(struct wire *w, uint8_t caps)
{
    struct host *h = &w->h[w->nh];
    struct ov_identity_secret id;
    uint8_t family = 4;
    if (w->now == 0)
        w->now = 1000 * OV_SEC;
    h->random = 77 + w->nh;
    wire_identity(1000 + w->nh, &id);
    struct ov_node_config cfg = {.identity = &id,
                                 .caps = caps,
                                 .pow = pow_cheap,
                                 .max_peers = w->max_peers,
                                 .random = {wire_fill, &h->random}};
    assert_int_equal(ov_node_new(&cfg, w->now, 1767225600000ull, &h->n), OV_OK);
    h->addr = id.pub.addr;
    h->ep[0] = wire_ep(1, (uint8_t)(w->nh + 1), 4000);
    ov_node_set_sockets(h->n, &family, 1, w->now);
    wire_drain(w, h);
    w->nh++;
    return h;
}

static inline struct host *wire_at(struct wire *w, const struct ov_endpoint *ep)
{
    for (size_t i = 0; i < w->nh; i++)
        if (ov_endpoint_equal(&w->h[i].ep[0], ep) || ov_endpoint_equal(&w->h[i].ep[1], ep))
            return &w->h[i];
    return NULL;
}

static inline void wire_root(struct wire *w, struct host *h, const struct host *root)
{
    assert_int_equal(ov_node_add_root(h->n, "root", ov_node_identity(root->n), root->ep,
                                      root->ep[1].port ? 2 : 1, w->now),
                     OV_OK);
    wire_drain(w, h);
}

static inline void wire_run(struct wire *w, ov_time span)
{
    ov_time end = w->now + span;
    for (;;) {
        ov_time next = w->first ? w->first->at : OV_NEVER;
        struct host *due = NULL;
        for (size_t i = 0; i < w->nh; i++) {
            ov_time t = w->h[i].n && !w->h[i].asleep ? ov_node_deadline(w->h[i].n) : OV_NEVER;
            if (t < next) {
                next = t;
                due = &w->h[i];
            }
        }
        if (next > end)
            break;
        if (next > w->now)
            w->now = next;
        if (due) {
            due->ticks++;
            ov_node_tick(due->n, w->now);
            wire_drain(w, due);
            continue;
        }
        struct flying *f = w->first;
        struct host *to = wire_at(w, &f->to);
        w->first = f->next;
        if (to && to->n && !to->cut && !to->asleep) {
            ov_node_datagrams(
                to->n, &(struct ov_datagram){.from = f->from, .data = f->data, .len = f->len}, 1,
                w->now);
            wire_drain(w, to);
        }
        free(f);
    }
    w->now = end;
}

static inline void wire_free(struct wire *w)
{
    for (size_t i = 0; i < w->nh; i++)
        if (w->h[i].n)
            ov_node_free(w->h[i].n);
    for (struct flying *f = w->first, *next; f; f = next) {
        next = f->next;
        free(f);
    }
}

static inline struct ov_peer *wire_peer(const struct host *h, const struct host *other)
{
    return ov_peer_find(&h->n->e, other->addr);
}

/* ---- one network, without a running controller ---- */

#define NOW_WALL 1767225600000ull

static struct ov_identity_secret controller; /* of the_net() */

static inline ov_netid the_net(void)
{
    return controller.pub.addr << 24 | 1;
}

static inline size_t make_cert(const struct ov_identity *who, uint8_t last, uint16_t perms,
                               uint8_t out[OV_CERT_MAX])
{
    struct ov_cert c = {.netid = the_net(), .member = *who, .timestamp = NOW_WALL, .naddrs = 1};
    c.perms = perms;
    c.addrs[0] = (struct ov_prefix){.ip = {4, {10, 0, 0, last}}, .bits = 24};
    int len = ov_cert_issue(&c, &controller, out);
    assert_true(len > 0);
    return (size_t)len;
}

/* Make this host a ready member, as if its state came from disk. */
static inline struct ov_network *make_member(struct wire *w, struct host *h, uint8_t last,
                                             uint16_t perms)
{
    static uint8_t config[OV_CONFIG_MAX], cert[OV_CERT_MAX], blob[8192];
    uint8_t id[OV_IDENTITY_LEN];
    struct ov_net_config c = {.netid = the_net(),
                              .revision = 1,
                              .timestamp = NOW_WALL,
                              .name = "test",
                              .flags = OV_NET_CHECK_IP | OV_NET_BROADCAST,
                              .mtu = 1344,
                              .window_s = OV_WINDOW_DEFAULT,
                              .multicast_limit = 32};
    struct ov_writer wr;
    int len = ov_net_config_issue(&c, &controller, config);
    assert_true(len > 0);
    size_t clen = make_cert(ov_node_identity(h->n), last, perms, cert);
    ov_identity_encode(&controller.pub, id);
    ov_writer_init(&wr, blob, sizeof blob);
    ov_writer_u8(&wr, 1);
    ov_writer_bytes(&wr, id, sizeof id);
    ov_writer_u8(&wr, 0);
    ov_writer_text(&wr, "host");
    ov_writer_text(&wr, "name");
    ov_writer_u8(&wr, 0);
    ov_writer_u16(&wr, (uint16_t)len);
    ov_writer_bytes(&wr, config, (size_t)len);
    ov_writer_u16(&wr, (uint16_t)clen);
    ov_writer_bytes(&wr, cert, clen);
    assert_int_equal(ov_node_restore(h->n, OV_PERSIST_NETWORK, the_net(), blob, wr.len, w->now),
                     OV_OK);
    wire_drain(w, h);
    struct ov_network *net = ov_network_find(&h->n->o, the_net());
    assert_true(net && ov_network_ready(net));
    return net;
}

#endif
