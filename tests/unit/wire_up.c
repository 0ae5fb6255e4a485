#include "wire_up.h"

#include <assert.h>
#include <stdio.h>

#define START (1000 * OV_SEC)

const struct ov_pow wu_pow = {8, 0};
const struct ov_mac wu_broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

/* ---- randomness, time, places ---- */

/* SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t mix(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static void fill(void *arg, void *buf, size_t len)
{
    uint8_t *p = buf;
    uint64_t v = 0;

    for (size_t i = 0; i < len; i++, v >>= 8) {
        if (i % 8 == 0)
            v = mix(arg);
        p[i] = (uint8_t)v;
    }
}

void wu_random(struct wu *w, void *buf, size_t len)
{
    fill(&w->random, buf, len);
}

ov_wall wu_wall(const struct wu *w)
{
    return WU_WALL + (w->now - START) / OV_MS;
}

struct ov_endpoint wu_endpoint(unsigned host, uint16_t port)
{
    return (struct ov_endpoint){{4, {192, 0, 2, (uint8_t)host}}, port, 0};
}

struct wu *wu_new(uint64_t seed)
{
    struct wu *w = calloc(1, sizeof *w);

    assert(w && ov_crypto_init() == OV_OK);
    w->now = START;
    w->delay = 5 * OV_MS;
    w->random = seed;
    w->tail = &w->head;
    return w;
}

/* ---- nodes ---- */

static void start(struct wu_node *n)
{
    int rc = ov_node_new(&n->cfg, n->w->now, wu_wall(n->w), &n->n);

    assert(rc == OV_OK);
    n->e = &n->n->e;
}

static void plug_in(struct wu_node *n)
{
    uint8_t family = 4;

    ov_node_set_sockets(n->n, &family, 1, n->w->now);
    ov_node_set_locals(n->n, &(struct ov_local){0, n->ep}, 1, n->w->now);
    wu_drain(n);
}

struct wu_node *wu_node_with(struct wu *w, const struct ov_node_config *cfg)
{
    struct wu_node *n = calloc(1, sizeof *n);
    uint8_t seed[32];

    assert(n && w->nnodes < WU_NODES_MAX);
    n->w = w;
    n->index = w->nnodes;
    n->ep = wu_endpoint((unsigned)n->index + 1, (uint16_t)(WU_PORT + n->index));
    w->node[w->nnodes++] = n;
    wu_random(w, seed, sizeof seed);
    int rc = ov_identity_make(seed, &wu_pow, NULL, NULL, &n->id);
    assert(rc == OV_OK);
    n->addr = n->id.pub.addr;
    n->random = mix(&w->random);
    n->cfg = *cfg;
    n->cfg.identity = &n->id;
    n->cfg.pow = wu_pow;
    n->cfg.random = (struct ov_random){fill, &n->random};
    start(n);
    plug_in(n);
    return n;
}

struct wu_node *wu_node(struct wu *w, uint8_t caps)
{
    return wu_node_with(w, &(struct ov_node_config){.caps = caps});
}

static enum ov_tie member(void *arg, const struct ov_peer *p)
{
    (void)arg;
    (void)p;
    return OV_TIE_MEMBER;
}

static enum ov_tie stranger(void *arg, const struct ov_peer *p)
{
    (void)arg;
    (void)p;
    return OV_TIE_NONE;
}

void wu_tie_all(struct wu_node *n, bool members)
{
    n->ops = *n->e->ops;
    n->ops.tie = members ? member : stranger;
    n->e->ops = &n->ops;
}

void wu_crash(struct wu_node *n)
{
    ov_node_free(n->n);
    n->n = NULL;
    n->e = NULL;
}

void wu_restart(struct wu_node *n)
{
    if (n->n)
        wu_crash(n);
    start(n);
    for (int i = 0; i < WU_STORED_MAX; i++) {
        struct wu_stored s = n->stored[i];
        if (!s.data)
            continue;
        n->stored[i].data = NULL;
        int rc = ov_node_restore(n->n, s.kind, s.id, s.data, s.len, n->w->now);
        assert(rc == OV_OK);
        wu_drain(n);
        if (!wu_stored(n, s.kind, s.id))
            n->stored[i] = s;
        else
            free(s.data);
    }
    plug_in(n);
}

void wu_log_clear(struct wu *w)
{
    while (w->nlog)
        free(w->log[--w->nlog]);
}

void wu_free(struct wu *w)
{
    for (size_t i = 0; i < w->nnodes; i++) {
        struct wu_node *n = w->node[i];
        ov_node_free(n->n);
        for (int k = 0; k < WU_STORED_MAX; k++)
            free(n->stored[k].data);
        free(n);
    }
    while (w->head) {
        struct wu_packet *p = w->head;
        w->head = p->next;
        free(p);
    }
    wu_log_clear(w);
    free(w);
}

/* ---- what nodes say ---- */

static struct wu_packet *copy(const struct wu_packet *p)
{
    struct wu_packet *c = malloc(sizeof *c + p->len);

    assert(c);
    memcpy(c, p, sizeof *c + p->len);
    c->next = NULL;
    return c;
}

static void post(struct wu_node *n, const struct ov_out_datagrams *d, const uint8_t *data,
                 size_t len)
{
    struct wu *w = n->w;
    struct wu_packet *p = calloc(1, sizeof *p + len);

    const struct wu_stream *s = NULL;
    for (size_t i = 0; d->socket == OV_SOCKET_LINK && i < w->nstreams; i++)
        for (int k = 0; k < 2; k++)
            if (w->stream[i].end[k] == n && ov_endpoint_equal(&w->stream[i].ep[k], &d->to))
                s = &w->stream[i];
    assert(p && len > 0 && len <= OV_DATAGRAM_MAX && (d->socket == 0 || s));
    *p = (struct wu_packet){.at = w->now + w->delay,
                            .src = n,
                            .stream = s,
                            .from = s ? s->ep[s->end[0] == n] : n->ep,
                            .to = d->to,
                            .pin = d->from,
                            .ttl = d->ttl,
                            .len = len};
    memcpy(p->data, data, len);
    if (w->nlog < WU_LOG_MAX)
        w->log[w->nlog++] = copy(p);
    if (w->hook && !w->hook(w->hook_arg, p)) {
        free(p);
        return;
    }
    *w->tail = p;
    w->tail = &p->next;
}

static void take_datagrams(struct wu_node *n, const struct ov_out_datagrams *d)
{
    assert(d->segment > 0);
    for (size_t at = 0; at < d->len; at += d->segment)
        post(n, d, d->data + at, d->len - at < d->segment ? d->len - at : d->segment);
}

static void take_persist(struct wu_node *n, const struct ov_out_persist *p)
{
    int slot = -1;

    for (int i = WU_STORED_MAX - 1; i >= 0; i--)
        if (!n->stored[i].data)
            slot = i;
    for (int i = 0; i < WU_STORED_MAX; i++)
        if (n->stored[i].data && n->stored[i].kind == p->kind && n->stored[i].id == p->id) {
            free(n->stored[i].data);
            n->stored[i].data = NULL;
            slot = i;
        }
    if (p->len == 0)
        return;
    assert(slot >= 0);
    n->stored[slot] = (struct wu_stored){p->kind, p->id, p->len, malloc(p->len)};
    assert(n->stored[slot].data);
    memcpy(n->stored[slot].data, p->data, p->len);
}

static void take_frame(struct wu_node *n, const struct ov_out_frame *f)
{
    assert(f->len <= sizeof n->frame);
    n->frames++;
    memcpy(n->frame, f->data, f->len);
    n->frame_len = f->len;
    if (n->on_frame)
        n->on_frame(n, f);
}

/* The controller part: admit, or say what the test wants said. */
static void answer(struct wu *w, const struct ov_identity *from)
{
    struct wu_net *net = &w->net;
    struct ov_msg_net_reply r = {.netid = net->config.netid, .status = (uint8_t)net->answer};
    uint8_t config[OV_CONFIG_MAX], cert[OV_CERT_MAX], buf[OV_CONFIG_MAX + OV_CERT_MAX + 256];
    struct ov_writer out;
    struct ov_ip ip = {0};

    for (size_t i = 0; i < w->nnodes; i++)
        if (w->node[i]->addr == from->addr)
            ip = wu_ip(w->node[i]);
    snprintf(r.name, sizeof r.name, "member-%d", ip.b[3]);
    if (net->answer == OV_NET_OK) {
        int len = ov_net_config_issue(&net->config, &net->controller->id, config);
        assert(len > 0);
        r.config = (struct ov_slice){config, (size_t)len};
        r.cert = (struct ov_slice){cert, wu_cert(w, from, net->stamp, net->perms, &ip, cert)};
    }
    ov_writer_init(&out, buf, sizeof buf);
    ov_msg_net_reply_encode(&out, &r);
    assert(!out.failed);
    int rc = ov_node_send(net->controller->n, from->addr, buf, out.len, w->now);
    assert(rc == OV_OK);
    wu_drain(net->controller);
}

void wu_drain(struct wu_node *n)
{
    struct ov_output out;
    struct ov_identity asking[64];
    size_t nasking = 0;

    while (ov_node_pull(n->n, &out)) {
        if (out.kind == OV_OUT_DATAGRAMS)
            take_datagrams(n, &out.datagrams);
        else if (out.kind == OV_OUT_PERSIST)
            take_persist(n, &out.persist);
        else if (out.kind == OV_OUT_FRAME)
            take_frame(n, &out.frame);
        if (out.kind != OV_OUT_EVENT)
            continue;
        assert(out.event.kind < WU_EVENTS);
        n->events[out.event.kind]++;
        n->last[out.event.kind] = out.event;
        if (out.event.kind == OV_EVENT_REQUEST && n == n->w->net.controller) {
            assert(nasking < 64);
            asking[nasking++] = *out.event.from;
            n->w->net.requests++;
            n->w->net.last = *out.event.request;
        }
    }
    for (size_t i = 0; i < nasking && !n->w->net.silent; i++)
        answer(n->w, &asking[i]);
}

/* ---- running ---- */

static struct wu_node *at(const struct wu *w, const struct ov_endpoint *ep)
{
    for (size_t i = 0; i < w->nnodes; i++)
        if (ov_endpoint_equal(&w->node[i]->ep, ep))
            return w->node[i];
    return NULL;
}

struct wu_stream *wu_stream(struct wu_node *n, struct wu_node *root)
{
    struct wu *w = n->w;

    assert(w->nstreams < WU_STREAMS_MAX);
    struct wu_stream *s = &w->stream[w->nstreams++];
    *s = (struct wu_stream){.end = {n, root}, .ep = {root->ep, n->ep}};
    s->ep[0].port = 443;
    s->ep[1].port = 50000;
    s->ep[0].scope = s->ep[1].scope = (uint32_t)w->nstreams;
    return s;
}

static void inject(struct wu_node *n, uint16_t socket, const struct ov_endpoint *from,
                   const void *data, size_t len)
{
    uint8_t *buf = malloc(len ? len : 1);

    assert(buf);
    memcpy(buf, data, len);
    ov_node_datagrams(n->n, &(struct ov_datagram){socket, *from, buf, len, n->local}, 1, n->w->now);
    wu_drain(n);
    free(buf);
}

void wu_inject(struct wu_node *n, const struct ov_endpoint *from, const void *data, size_t len)
{
    inject(n, 0, from, data, len);
}

static void deliver(struct wu *w)
{
    struct wu_packet *p = w->head;
    const struct wu_stream *s = p->stream;
    struct wu_node *n = s ? s->end[s->end[0] == p->src] : at(w, &p->to);

    w->head = p->next;
    if (!w->head)
        w->tail = &w->head;
    if (n && n->n && !(s && s->closed))
        inject(n, s ? OV_SOCKET_LINK : 0, &p->from, p->data, p->len);
    free(p);
}

/* The next thing to happen, at or before `end`: a datagram, or a node's deadline. False: none. */
static bool step(struct wu *w, ov_time end)
{
    struct wu_node *due = NULL;
    ov_time t = w->head ? w->head->at : OV_NEVER;

    for (size_t i = 0; i < w->nnodes; i++) {
        ov_time d = w->node[i]->n ? ov_node_deadline(w->node[i]->n) : OV_NEVER;
        if (d < t) {
            t = d;
            due = w->node[i];
        }
    }
    if (t > end || t == OV_NEVER)
        return false;
    if (t > w->now)
        w->now = t;
    if (!due) {
        deliver(w);
        return true;
    }
    ov_node_tick(due->n, w->now);
    wu_drain(due);
    return true;
}

bool wu_until(struct wu *w, bool (*done)(void *arg), void *arg, ov_time limit)
{
    ov_time end = w->now + limit;

    while (!done || !done(arg))
        if (!step(w, end)) {
            w->now = end;
            return done && done(arg);
        }
    return true;
}

void wu_run(struct wu *w, ov_time span)
{
    wu_until(w, NULL, NULL, span);
}

const struct wu_packet *wu_sent(const struct wu *w, const struct wu_node *src, uint8_t type)
{
    for (size_t i = w->nlog; i-- > 0;)
        if (w->log[i]->src == src && w->log[i]->data[0] == type)
            return w->log[i];
    return NULL;
}

unsigned wu_count_sent(const struct wu *w, const struct wu_node *src, const struct ov_endpoint *to)
{
    unsigned n = 0;

    for (size_t i = 0; i < w->nlog; i++)
        n += w->log[i]->src == src && (!to || ov_endpoint_equal(&w->log[i]->to, to));
    return n;
}

/* ---- peers ---- */

struct ov_peer *wu_peer(const struct wu_node *n, const struct wu_node *other)
{
    return ov_peer_find(n->e, other->addr);
}

struct ov_peer *wu_know(struct wu_node *n, const struct wu_node *other)
{
    struct ov_peer *p;
    int rc = ov_peer_get(n->e, &other->id.pub, &p);

    assert(rc == OV_OK);
    return p;
}

void wu_connect(struct wu_node *n, struct wu_node *other)
{
    struct ov_peer *p = wu_know(n, other);

    ov_node_tick(n->n, n->w->now);
    ov_peer_hint(p, &other->ep);
    ov_peer_connect(p);
    wu_run(n->w, OV_SEC);
    assert(ov_peer_up(p) && wu_peer(other, n) && ov_peer_up(wu_peer(other, n)));
}

void wu_root(struct wu_node *n, struct wu_node *root)
{
    char host[32];

    snprintf(host, sizeof host, "root%zu.example", root->index);
    int rc = ov_node_add_root(n->n, host, &root->id.pub, &root->ep, 1, n->w->now);
    assert(rc == OV_OK);
    wu_drain(n);
}

void wu_message(struct wu_node *n, struct wu_node *other, const void *msg, size_t len)
{
    ov_node_tick(n->n, n->w->now);
    ov_peer_send(wu_know(n, other), msg, len, OV_SEND_QUIET);
    wu_drain(n);
    wu_run(n->w, 2 * n->w->delay);
}

const struct wu_stored *wu_stored(const struct wu_node *n, enum ov_persist_kind kind, uint64_t id)
{
    for (int i = 0; i < WU_STORED_MAX; i++)
        if (n->stored[i].data && n->stored[i].kind == kind && n->stored[i].id == id)
            return &n->stored[i];
    return NULL;
}

struct ov_identity wu_fake(struct wu *w, ov_addr a)
{
    struct ov_identity id = {.addr = a};

    wu_random(w, &id.dh, sizeof id.dh);
    wu_random(w, &id.sign, sizeof id.sign);
    return id;
}

/* ---- networks ---- */

ov_netid wu_network(struct wu *w, struct wu_node *controller)
{
    w->net.controller = controller;
    w->net.stamp = WU_WALL;
    w->net.config = (struct ov_net_config){
        .netid = controller->addr << 24 | 1,
        .revision = 1,
        .timestamp = WU_WALL,
        .name = "unit",
        .flags = OV_NET_CHECK_IP | OV_NET_BROADCAST,
        .mtu = OV_MTU_DEFAULT,
        .window_s = OV_WINDOW_DEFAULT,
        .multicast_limit = 1000,
    };
    return w->net.config.netid;
}

struct ov_ip wu_ip(const struct wu_node *n)
{
    return (struct ov_ip){4, {10, 1, 0, (uint8_t)(n->index + 1)}};
}

struct ov_network *wu_net_of(const struct wu_node *n)
{
    return ov_network_find(&n->n->o, n->w->net.config.netid);
}

struct ov_member *wu_member(const struct wu_node *n, const struct wu_node *other)
{
    return ov_member_find(wu_net_of(n), other->addr);
}

void wu_join(struct wu_node *n)
{
    struct wu_net *net = &n->w->net;
    int rc =
        ov_node_join(n->n, net->config.netid, &net->controller->id.pub, NULL, "host", n->w->now);

    assert(rc == OV_OK);
    wu_drain(n);
}

static bool all_ready(void *arg)
{
    const struct wu *w = arg;

    for (size_t i = 0; i < w->nnodes; i++) {
        const struct ov_network *net = wu_net_of(w->node[i]);
        if (net && !ov_network_ready(net))
            return false;
    }
    return true;
}

struct wu *wu_lan(uint64_t seed, size_t members)
{
    struct wu *w = wu_new(seed);
    struct wu_node *root = wu_node(w, OV_CAP_ROOT | OV_CAP_CONTROLLER);

    wu_network(w, root);
    for (size_t i = 0; i < members; i++) {
        struct wu_node *n = wu_node(w, 0);
        wu_root(n, root);
        wu_join(n);
    }
    bool ready = wu_until(w, all_ready, w, 10 * OV_SEC);
    assert(ready);
    wu_run(w, 2 * OV_SEC);
    return w;
}

size_t wu_cert(struct wu *w, const struct ov_identity *member, ov_wall stamp, uint16_t perms,
               const struct ov_ip *ip, uint8_t out[OV_CERT_MAX])
{
    struct ov_cert c = {.netid = w->net.config.netid,
                        .member = *member,
                        .timestamp = stamp,
                        .perms = perms,
                        .naddrs = ip ? 1 : 0};

    if (ip)
        c.addrs[0] = (struct ov_prefix){*ip, 24};
    int len = ov_cert_issue(&c, &w->net.controller->id, out);
    assert(len > 0);
    return (size_t)len;
}

void wu_revoke(struct wu *w, ov_addr member, ov_wall stamp, uint8_t out[OV_REVOCATION_LEN])
{
    struct ov_revocation r = {w->net.config.netid, member, stamp};

    ov_revocation_issue(&r, &w->net.controller->id, out);
}

/* ---- frames ---- */

struct ov_mac wu_mac(const struct wu_node *n)
{
    return ov_mac_derive(n->addr, n->w->net.config.netid);
}

void wu_frame(struct wu_node *n, const void *frame, size_t len)
{
    uint8_t *buf = malloc(OV_FRAME_HEADROOM + len);

    assert(buf);
    memcpy(buf + OV_FRAME_HEADROOM, frame, len);
    ov_node_frames(n->n, n->w->net.config.netid,
                   &(struct ov_frame){.data = buf + OV_FRAME_HEADROOM, .len = len}, 1, n->w->now);
    wu_drain(n);
    free(buf);
}

size_t wu_eth(uint8_t *out, const struct ov_mac *dst, const struct ov_mac *src, uint16_t type,
              const void *body, size_t len)
{
    memcpy(out, dst->b, 6);
    memcpy(out + 6, src->b, 6);
    out[12] = (uint8_t)(type >> 8);
    out[13] = (uint8_t)type;
    if (len)
        memcpy(out + OV_ETH_LEN, body, len);
    return OV_ETH_LEN + len;
}

size_t wu_ip4(uint8_t *out, const struct ov_mac *dst, const struct ov_mac *src,
              const struct ov_ip *from, const struct ov_ip *to, size_t payload)
{
    uint8_t ip[OV_FRAME_MAX] = {0x45, 0, (uint8_t)((20 + payload) >> 8), (uint8_t)(20 + payload)};

    ip[8] = 64;
    ip[9] = 253; /* for experiments (RFC 3692) */
    memcpy(ip + 12, from->b, 4);
    memcpy(ip + 16, to->b, 4);
    return wu_eth(out, dst, src, OV_ETH_IP4, ip, 20 + payload);
}

size_t wu_arp(uint8_t *out, uint16_t op, const struct ov_mac *dst, const struct ov_mac *src,
              const struct ov_ip *from, const struct ov_ip *to)
{
    uint8_t arp[28] = {0, 1, 8, 0, 6, 4, 0, (uint8_t)op};

    memcpy(arp + 8, src->b, 6);
    memcpy(arp + 14, from->b, 4);
    memcpy(arp + 24, to->b, 4);
    return wu_eth(out, dst, src, OV_ETH_ARP, arp, sizeof arp);
}
