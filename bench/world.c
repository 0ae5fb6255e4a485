#include "world.h"

#include "core/frame.h"
#include "core/offload.h"

#include <assert.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define START     (1000 * OV_SEC)
#define WALL      1767225600000ull
#define PORT      4793
#define LINK_MTU  1472 /* larger datagrams do not arrive */
#define OUT_SMALL ((size_t)256 << 10)
#define PACE      (15 * OV_MS) /* between handshakes: a node takes a hundred a second unasked */
#define STEP      (10 * OV_MS)
#define PROTO_UDP 17
#define PROTO_TCP 6
#define HEADERS   (OV_ETH_LEN + 20 + 20)

static const struct ov_pow pow_cheap = {8, 0};

/* ---- memory: the linker sends all calls of the allocator here (--wrap) ---- */

static bool counting;
static size_t counted;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);
void __wrap_free(void *p);

static size_t size_of(void *p)
{
    return p != NULL ? malloc_usable_size(p) + sizeof(size_t) : 0;
}

static void *count(void *p)
{
    if (counting)
        counted += size_of(p);
    return p;
}

void *__wrap_malloc(size_t n)
{
    return count(__real_malloc(n));
}

void *__wrap_calloc(size_t n, size_t size)
{
    return count(__real_calloc(n, size));
}

void *__wrap_realloc(void *p, size_t n)
{
    if (counting)
        counted -= size_of(p);
    return count(__real_realloc(p, n));
}

void *__wrap_aligned_alloc(size_t align, size_t n)
{
    return count(__real_aligned_alloc(align, n));
}

void __wrap_free(void *p)
{
    if (counting)
        counted -= size_of(p);
    __real_free(p);
}

size_t world_bytes(void)
{
    return counted;
}

/* ---- time and chance ---- */

uint64_t world_cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

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

static ov_wall wall(const struct world *w)
{
    return WALL + (w->now - START) / OV_MS;
}

static void must(int rc)
{
    if (rc < 0) {
        fprintf(stderr, "engine: %s\n", ov_strerror(rc));
        abort();
    }
}

/* ---- carrying datagrams ---- */

/* Peer k is at 100.64.0.0 + k; the place is the index. */
static struct ov_endpoint place(size_t k)
{
    return (struct ov_endpoint){
        {4, {100, (uint8_t)(64 + (k >> 16)), (uint8_t)(k >> 8), (uint8_t)k}}, PORT, 0};
}

static struct world_peer *at(struct world *w, const struct ov_endpoint *ep)
{
    size_t k = (size_t)(ep->ip.b[1] - 64) << 16 | (size_t)ep->ip.b[2] << 8 | ep->ip.b[3];

    return ep->ip.b[0] == 100 && k < w->npeers ? &w->peers[k] : NULL;
}

/* Everything that `node` has to say goes to whom it is for, until nobody says anything more. */
static void carry(struct world *w, struct world_peer *from);

static void deliver(struct world *w, struct world_peer *from, const struct ov_out_datagrams *d)
{
    uint8_t *copy = __real_malloc(d->len);
    struct ov_datagram in = {.from = from ? from->ep : w->ep};
    struct world_peer *to = from ? NULL : at(w, &d->to);
    size_t len = d->len, segment = d->segment;

    assert(copy != NULL);
    memcpy(copy, d->data, len);
    for (size_t i = 0; i < len && segment <= LINK_MTU; i += segment) {
        in.data = copy + i;
        w->now += OV_MS / 1000;
        in.len = len - i < segment ? len - i : segment;
        if (from == NULL && to != NULL && to->node != NULL) {
            ov_node_datagrams(to->node, &in, 1, w->now);
            carry(w, to);
        } else if (from != NULL) {
            counting = true;
            ov_node_datagrams(w->us, &in, 1, w->now);
            counting = false;
        }
    }
    __real_free(copy);
}

static void carry(struct world *w, struct world_peer *from)
{
    struct ov_output out;

    while (ov_node_pull(from ? from->node : w->us, &out))
        if (out.kind == OV_OUT_DATAGRAMS)
            deliver(w, from, &out.datagrams);
    if (from != NULL)
        carry(w, NULL);
}

void world_run(struct world *w, ov_time span, uint64_t *ticks, uint64_t *tick_ns)
{
    for (ov_time end = w->now + span; w->now < end; w->now += STEP) {
        while (ov_node_deadline(w->us) <= w->now) {
            uint64_t start = world_cpu_ns();
            counting = true;
            ov_node_tick(w->us, w->now);
            counting = false;
            if (tick_ns != NULL)
                *tick_ns += world_cpu_ns() - start;
            if (ticks != NULL)
                ++*ticks;
            carry(w, NULL);
        }
        for (size_t k = 0; k < w->npeers; k++)
            if (w->peers[k].node != NULL && ov_node_deadline(w->peers[k].node) <= w->now) {
                ov_node_tick(w->peers[k].node, w->now);
                carry(w, &w->peers[k]);
            }
    }
}

/* ---- making nodes, networks, sessions ---- */

static void make_identity(struct world *w, struct ov_identity_secret *id)
{
    uint8_t seed[32];

    fill(&w->random, seed, sizeof(seed));
    must(ov_identity_make(seed, &pow_cheap, NULL, NULL, id));
}

static struct ov_node *make_node(struct world *w, const struct ov_identity_secret *id,
                                 uint64_t *random, const struct ov_endpoint *ep, size_t out_bytes)
{
    struct ov_node_config cfg = {.identity = id, .pow = pow_cheap, .out_bytes = out_bytes};
    struct ov_node *n;
    uint8_t family = 4;

    *random = mix(&w->random);
    cfg.random = (struct ov_random){fill, random};
    must(ov_node_new(&cfg, w->now, wall(w), &n));
    ov_node_set_sockets(n, &family, 1, w->now);
    ov_node_set_locals(n, &(struct ov_local){0, *ep}, 1, w->now);
    return n;
}

/* What a node persists of a peer; `ep` NULL: it is not called at once. */
static void restore_peer(struct world *w, struct ov_node *n, const struct ov_identity *id,
                         const struct ov_endpoint *ep)
{
    uint8_t buf[128], raw[OV_IDENTITY_LEN];
    struct ov_writer out;

    ov_identity_encode(id, raw);
    ov_writer_init(&out, buf, sizeof(buf));
    ov_writer_u8(&out, 1);
    ov_writer_bytes(&out, raw, sizeof(raw));
    ov_writer_u64(&out, ep != NULL ? wall(w) : 0);
    ov_writer_endpoint(&out, ep != NULL ? ep : &(struct ov_endpoint){0});
    must(ov_node_restore(n, OV_PERSIST_PEER, id->addr, buf, out.len, w->now));
}

/* 10.0.0.1 is us in every network, peer k is 10.1.0.0 + k. */
static struct ov_ip inner_ip(size_t k)
{
    return (struct ov_ip){4, {10, (uint8_t)(1 + (k >> 16)), (uint8_t)(k >> 8), (uint8_t)k}};
}

static const struct ov_ip our_ip = {4, {10, 0, 0, 1}};

static size_t make_cert(const struct world *w, const struct ov_identity *id, ov_netid net,
                        const struct ov_ip *ip, uint8_t out[OV_CERT_MAX])
{
    struct ov_cert c = {.netid = net, .member = *id, .timestamp = WALL, .naddrs = 1};

    c.addrs[0] = (struct ov_prefix){*ip, 8};
    int len = ov_cert_issue(&c, &w->controller, out);
    must(len);
    return (size_t)len;
}

/* The controller's answer, as if it had come from it. */
static void join(struct world *w, struct ov_node *n, const struct ov_identity *id, ov_netid net,
                 const struct ov_ip *ip)
{
    uint8_t config[OV_CONFIG_MAX], cert[OV_CERT_MAX], buf[OV_CONFIG_MAX + OV_CERT_MAX + 256];
    struct ov_net_config c = {.netid = net,
                              .revision = 1,
                              .timestamp = WALL,
                              .name = "bench",
                              .flags = OV_NET_CHECK_IP | OV_NET_BROADCAST,
                              .mtu = OV_MTU_DEFAULT,
                              .window_s = OV_WINDOW_DEFAULT,
                              .multicast_limit = 1000};
    struct ov_msg_net_reply r = {.netid = net, .status = OV_NET_OK};
    struct ov_writer out;

    int len = ov_net_config_issue(&c, &w->controller, config);
    must(len);
    r.config = (struct ov_slice){config, (size_t)len};
    r.cert = (struct ov_slice){cert, make_cert(w, id, net, ip, cert)};
    ov_writer_init(&out, buf, sizeof(buf));
    ov_msg_net_reply_encode(&out, &r);
    must(ov_node_join(n, net, &w->controller.pub, NULL, NULL, w->now));
    must(ov_node_send(n, id->addr, buf, out.len, w->now));
}

/* A peer calls us and shows its certificate; it sees ours in return. */
static void connect_peer(struct world *w, struct world_peer *p)
{
    uint8_t cert[OV_CERT_MAX], buf[OV_CERT_MAX + 64];
    struct ov_msg_net_hello hello = {.netid = w->nets[p->net], .flags = OV_HELLO_WANT_REPLY};
    struct ov_writer out;

    p->node = make_node(w, &p->id, &p->random, &p->ep, OUT_SMALL);
    join(w, p->node, &p->id.pub, w->nets[p->net], &p->ip);
    restore_peer(w, p->node, &w->id.pub, &w->ep);
    ov_node_tick(p->node, w->now);
    carry(w, p);
    hello.cert = (struct ov_slice){cert, make_cert(w, &p->id.pub, hello.netid, &p->ip, cert)};
    ov_writer_init(&out, buf, sizeof(buf));
    ov_msg_net_hello_encode(&out, &hello);
    must(ov_node_send(p->node, w->id.pub.addr, buf, out.len, w->now));
    carry(w, p);
}

/* One frame each way, so that path MTU is looked for; then time for it. */
static void settle(struct world *w)
{
    static uint8_t buf[WORLD_FRAME_MAX];

    for (size_t k = 0; k < w->npeers; k++) {
        struct ov_frame f = world_frame(w, k, true, 100, buf);
        counting = true;
        ov_node_frames(w->us, w->nets[w->peers[k].net], &f, 1, w->now);
        counting = false;
        carry(w, NULL);
        f = world_frame(w, k, false, 100, buf);
        ov_node_frames(w->peers[k].node, w->nets[w->peers[k].net], &f, 1, w->now);
        carry(w, &w->peers[k]);
    }
    world_run(w, 10 * OV_SEC, NULL, NULL);
}

struct world *world_new(size_t known, size_t live, size_t nets)
{
    struct world *w = __real_calloc(1, sizeof(*w));
    size_t base;

    assert(w != NULL && live <= known && nets <= OV_NETWORKS_MAX);
    must(ov_crypto_init());
    w->now = START;
    w->random = known * 1000003 + live * 1009 + nets;
    w->npeers = live;
    w->nnets = nets;
    w->ep = (struct ov_endpoint){{4, {192, 0, 2, 1}}, PORT, 0};
    w->peers = __real_calloc(live, sizeof(*w->peers));
    assert(w->peers != NULL);
    make_identity(w, &w->controller);
    make_identity(w, &w->id);
    base = counted;
    counting = true;
    w->us = make_node(w, &w->id, &w->our_random, &w->ep, 0);
    for (size_t i = 0; i < nets; i++) {
        w->nets[i] = w->controller.pub.addr << 24 | (i + 1);
        join(w, w->us, &w->id.pub, w->nets[i], &our_ip);
    }
    w->bytes_bare = counted - base;
    counting = false;
    for (size_t k = 0; k < known; k++) {
        struct world_peer p = {.ep = place(k), .net = k % nets, .ip = inner_ip(k)};
        make_identity(w, &p.id);
        counting = true;
        restore_peer(w, w->us, &p.id.pub, NULL);
        counting = false;
        if (k < live)
            w->peers[k] = p;
    }
    w->bytes_known = counted - base;
    carry(w, NULL);
    for (size_t k = 0; k < live; k++) {
        connect_peer(w, &w->peers[k]);
        w->now += PACE;
    }
    settle(w);
    w->bytes_live = counted - base;
    return w;
}

void world_free(struct world *w)
{
    counting = true;
    ov_node_free(w->us);
    counting = false;
    for (size_t k = 0; k < w->npeers; k++)
        ov_node_free(w->peers[k].node);
    __real_free(w->peers);
    __real_free(w);
}

/* ---- frames ---- */

static void write_ip(uint8_t *ip, size_t total, uint8_t proto, const struct ov_ip *from,
                     const struct ov_ip *to)
{
    memset(ip, 0, 20);
    ip[0] = 0x45;
    ov_store16(ip + 2, (uint16_t)total);
    ip[6] = 0x40;
    ip[8] = 64;
    ip[9] = proto;
    memcpy(ip + 12, from->b, 4);
    memcpy(ip + 16, to->b, 4);
    ov_store16(ip + 10, (uint16_t)~ov_sum16(0, ip, 20));
}

struct ov_frame world_frame(const struct world *w, size_t k, bool outwards, size_t len,
                            uint8_t *buf)
{
    const struct world_peer *p = &w->peers[k];
    ov_netid net = w->nets[p->net];
    struct ov_mac us = ov_mac_derive(w->id.pub.addr, net),
                  them = ov_mac_derive(p->id.pub.addr, net);
    uint8_t *f = buf + OV_FRAME_HEADROOM, *ip = f + OV_ETH_LEN, *tcp = ip + 20;
    struct ov_frame out = {.data = f, .len = len};
    bool super = len > OV_ETH_LEN + OV_MTU_DEFAULT;

    memcpy(f, outwards ? them.b : us.b, 6);
    memcpy(f + 6, outwards ? us.b : them.b, 6);
    ov_store16(f + 12, OV_ETH_IP4);
    write_ip(ip, len - OV_ETH_LEN, super ? PROTO_TCP : PROTO_UDP, outwards ? &our_ip : &p->ip,
             outwards ? &p->ip : &our_ip);
    if (!super) {
        ov_store16(tcp, 5300);
        ov_store16(tcp + 2, 5300);
        ov_store16(tcp + 4, (uint16_t)(len - OV_ETH_LEN - 20));
        ov_store16(tcp + 6, 0);
        return out;
    }
    memset(tcp, 0, 20);
    ov_store16(tcp, 5201);
    ov_store16(tcp + 2, 5201);
    tcp[12] = 5 << 4;
    tcp[13] = 0x10;
    out.offload = (struct ov_offload){.partial = true,
                                      .gso = OV_GSO_TCP4,
                                      .gso_size = OV_MTU_DEFAULT - 40,
                                      .hdr_len = HEADERS,
                                      .csum_start = OV_ETH_LEN + 20,
                                      .csum_offset = 16};
    return out;
}

size_t world_seal(struct world *w, size_t k, const struct ov_frame *f, uint8_t *out, size_t cap,
                  size_t *lens, size_t max)
{
    struct world_peer *p = &w->peers[k];
    struct ov_output o;
    size_t n = 0, used = 0;

    ov_node_frames(p->node, w->nets[p->net], f, 1, w->now);
    while (ov_node_pull(p->node, &o)) {
        const struct ov_out_datagrams *d = &o.datagrams;
        if (o.kind != OV_OUT_DATAGRAMS)
            continue;
        for (size_t i = 0; i < d->len; i += d->segment) {
            size_t len = d->len - i < d->segment ? d->len - i : d->segment;
            assert(n < max && used + len <= cap);
            memcpy(out + used, d->data + i, len);
            used += len;
            lens[n++] = len;
        }
    }
    return n;
}
