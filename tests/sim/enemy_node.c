/* Nodes with a real engine that send what they like past it. */
#include "enemy.h"

#include "core/node_state.h"
#include "core/peer.h"

#include <assert.h>
#include <string.h>

#define BUF 4096

/* One message from `n` to its peer `p`; `to` is the node that is there. */
struct shot {
    struct enemy *e;
    struct sim_node *n, *to;
    struct ov_peer *p;
    uint8_t buf[BUF];
    struct ov_writer w;
};

static void fire(struct shot *s, const uint8_t *msg, size_t len)
{
    (void)ov_peer_send(s->p, msg, len, OV_SEND_QUIET);
}

static void fire_written(struct shot *s)
{
    assert(!s->w.failed);
    fire(s, s->buf, s->w.len);
}

static ov_addr any_addr(struct enemy *e)
{
    return e->s->nodes[enemy_pick(e, e->s->nnodes)]->addr;
}

static const struct sim_node *third(struct shot *s)
{
    return s->e->s->nodes[enemy_pick(s->e, s->e->s->nnodes)];
}

/* ---- frames ---- */

/* An IPv4 packet with the mark of all frames and a number of its own. */
static size_t make_frame(struct shot *s, const struct ov_mac *src, const struct ov_ip *src_ip,
                         const struct ov_mac *dst, uint8_t *f)
{
    size_t len = OV_ETH_LEN + 28 + WIREWATCH_MARK + 4;

    memset(f, 0, len);
    memcpy(f, dst->b, 6);
    memcpy(f + 6, src->b, 6);
    f[12] = 0x08;
    f[14] = 0x45;
    f[17] = (uint8_t)(len - OV_ETH_LEN);
    f[22] = 64;
    f[23] = 17;
    memcpy(f + 26, src_ip->b, 4);
    memcpy(f + 30, s->to->ip.b, 4);
    memcpy(f + 42, s->e->safety->wire.mark, WIREWATCH_MARK);
    ov_store32(f + 42 + WIREWATCH_MARK, ++s->e->frames);
    return len;
}

static void fire_frame(struct shot *s, uint8_t *f, size_t len)
{
    ov_msg_frame_header(s->e->net, f - OV_MSG_FRAME_HEADER);
    fire(s, f - OV_MSG_FRAME_HEADER, len + OV_MSG_FRAME_HEADER);
}

/* Whatever of MAC, IP and destination is not ours makes a frame that nobody may get. */
static void send_frame(struct shot *s)
{
    uint8_t buf[OV_MSG_FRAME_HEADER + 256], *f = buf + OV_MSG_FRAME_HEADER;
    struct ov_mac mac = ov_mac_derive(s->n->addr, s->e->net);
    struct ov_mac dst = ov_mac_derive(s->to->addr, s->e->net);
    struct ov_ip ip = s->n->ip;
    const struct sim_node *other = third(s);
    uint64_t lie = enemy_pick(s->e, 6);

    if (lie == 1)
        mac = ov_mac_derive(other->addr, s->e->net);
    if (lie == 2)
        ip = other->ip;
    if (lie == 3)
        mac.b[0] |= 1;
    if (lie == 4)
        dst = ov_mac_derive(other->addr, s->e->net);
    size_t len = make_frame(s, &mac, &ip, &dst, f);
    bool honest = ov_ip_equal(&ip, &s->n->ip) && ip.family == 4 && s->n->net == s->e->net &&
                  memcmp(&mac, &s->n->mac, sizeof(mac)) == 0;
    sim_leave();
    if (honest)
        safety_given(s->e->safety, s->n, f, len);
    sim_enter(s->n);
    fire_frame(s, f, len);
}

/* An ARP reply that claims somebody's address. */
static void send_arp(struct shot *s)
{
    uint8_t buf[OV_MSG_FRAME_HEADER + 64] = {0}, *f = buf + OV_MSG_FRAME_HEADER;
    struct ov_mac mac = ov_mac_derive(s->n->addr, s->e->net);
    struct ov_mac dst = ov_mac_derive(s->to->addr, s->e->net);
    static const uint8_t head[] = {0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 2};
    const struct sim_node *other = third(s);

    if (other == s->n)
        return;
    memcpy(f, dst.b, 6);
    memcpy(f + 6, mac.b, 6);
    memcpy(f + 12, head, sizeof(head));
    memcpy(f + 22, mac.b, 6);
    memcpy(f + 28, other->ip.b, 4);
    memcpy(f + 32, dst.b, 6);
    memcpy(f + 38, s->to->ip.b, 4);
    fire_frame(s, f, 42);
}

/* ---- papers ---- */

static void send_hello(struct shot *s, const uint8_t *cert, size_t len)
{
    struct ov_msg_net_hello h = {
        .netid = s->e->net, .flags = OV_HELLO_WANT_REPLY, .cert = {cert, len}};

    if (len == 0)
        return;
    ov_msg_net_hello_encode(&s->w, &h);
    fire_written(s);
}

/* The certificate of whatever network it is in, for this one; or an old one. */
static void show_own(struct shot *s)
{
    struct enemy *e = s->e;
    const struct ov_network *net = ov_network_find(&s->n->engine->o, s->n->net);

    if (s->n == e->member)
        send_hello(s, e->old_cert, e->old_cert_len);
    else if (net != NULL)
        send_hello(s, net->cert_blob, net->cert_len);
}

/* One by another controller, for its own network or, as it cannot sign for this one, for this one
 * with its signature. */
static void show_forged(struct shot *s)
{
    uint8_t cert[OV_CERT_MAX];
    struct ov_cert c = {.netid = s->e->controller.pub.addr << 24 | 1,
                        .member = *ov_node_identity(s->n->engine),
                        .timestamp = sim_wall(s->n),
                        .naddrs = 1};
    struct ov_writer w;

    c.addrs[0] = (struct ov_prefix){third(s)->ip, 16};
    if (c.addrs[0].ip.family == 0)
        return;
    int len = ov_cert_issue(&c, &s->e->controller, cert);
    assert(len > 0);
    if (enemy_pick(s->e, 2)) {
        ov_writer_init(&w, cert + 1, 8);
        ov_writer_u64(&w, s->e->net);
    }
    send_hello(s, cert, (size_t)len);
}

/* Somebody else's, as its own. */
static void show_stolen(struct shot *s)
{
    const struct sim_node *other = third(s);
    const struct ov_network *net =
        other->engine ? ov_network_find(&other->engine->o, s->e->net) : NULL;

    if (net != NULL)
        send_hello(s, net->cert_blob, net->cert_len);
}

static void send_revocation(struct shot *s)
{
    uint8_t blob[OV_REVOCATION_LEN];
    struct ov_revocation r = {.netid = s->e->controller.pub.addr << 24 | 1,
                              .member = any_addr(s->e),
                              .timestamp = sim_wall(s->n) + 1000};
    struct ov_writer w;

    ov_revocation_issue(&r, &s->e->controller, blob);
    ov_writer_init(&w, blob + 1, 8);
    ov_writer_u64(&w, s->e->net);
    ov_msg_revoke_encode(&s->w, blob);
    fire_written(s);
}

static void send_reply(struct shot *s)
{
    struct ov_msg_net_reply r = {.netid = s->e->net,
                                 .status = (uint8_t)(1 + enemy_pick(s->e, OV_NET_UNAVAILABLE))};

    ov_msg_net_reply_encode(&s->w, &r);
    fire_written(s);
}

static void send_request(struct shot *s)
{
    struct ov_msg_net_request r = {.netid = s->e->net, .has_secret = enemy_pick(s->e, 2)};

    ov_msg_net_request_encode(&s->w, &r);
    fire_written(s);
}

/* ---- directories ---- */

static void send_announce(struct shot *s)
{
    const struct sim_node *other = third(s);
    const struct ov_network *net =
        other->engine ? ov_network_find(&other->engine->o, other->net) : NULL;
    struct ov_msg_announce a = {.controller = s->e->controller.pub};

    if (net == NULL || net->cert_len == 0)
        return;
    if (enemy_pick(s->e, 2))
        a.controller = net->controller;
    a.cert = (struct ov_slice){net->cert_blob, net->cert_len};
    ov_msg_announce_encode(&s->w, &a);
    fire_written(s);
}

static void send_lookup(struct shot *s)
{
    struct ov_msg_lookup l = {.netid = s->e->net,
                              .key = {.kind = OV_LOOKUP_MEMBER, .member = any_addr(s->e)}};

    ov_msg_lookup_encode(&s->w, &l);
    fire_written(s);
}

static void send_found(struct shot *s)
{
    const struct sim_node *other = third(s);
    const struct ov_network *net =
        other->engine ? ov_network_find(&other->engine->o, s->e->net) : NULL;
    struct ov_msg_found f = {
        .netid = s->e->net, .key = {.kind = OV_LOOKUP_IP, .ip = s->to->ip}, .n = 1};

    if (net == NULL || net->cert_len == 0 || s->to->ip.family == 0)
        return;
    f.certs[0] = (struct ov_slice){net->cert_blob, net->cert_len};
    ov_msg_found_encode(&s->w, &f);
    fire_written(s);
}

static void send_bye(struct shot *s)
{
    ov_msg_net_bye_encode(&s->w, s->e->net);
    fire_written(s);
}

/* ---- between any two ---- */

/* Pieces of messages that never get whole, overlap, or lie about their size. */
static void send_fragments(struct shot *s)
{
    struct enemy *e = s->e;
    uint8_t piece[600];

    sim_fill(&e->random, piece, sizeof(piece));
    for (int i = 0; i < 8; i++) {
        struct ov_msg_fragment f = {.id = (uint16_t)enemy_pick(e, 65536),
                                    .offset = (uint16_t)enemy_pick(e, 8000),
                                    .total = (uint16_t)(8600 + enemy_pick(e, 7784)),
                                    .bytes = {piece, 1 + enemy_pick(e, sizeof(piece))}};
        ov_writer_init(&s->w, s->buf, sizeof(s->buf));
        ov_msg_fragment_encode(&s->w, &f);
        fire_written(s);
    }
}

static void send_punch(struct shot *s)
{
    struct ov_msg_punch m = {.nonce = sim_random(&s->e->random), .n = 4};

    for (uint8_t i = 0; i < m.n; i++)
        m.c[i] = (struct ov_candidate){
            OV_CANDIDATE_LOCAL,
            {{4, {20, 99, (uint8_t)enemy_pick(s->e, 256), (uint8_t)enemy_pick(s->e, 256)}}, 7, 0}};
    if (enemy_pick(s->e, 3) == 0)
        m.flags = OV_PUNCH_ACK;
    ov_msg_punch_encode(&s->w, &m);
    fire_written(s);
}

static void send_identity(struct shot *s)
{
    struct ov_msg_identity m = {.n = 2};

    m.ids[0] = *ov_node_identity(s->n->engine);
    m.ids[1] = s->e->controller.pub;
    sim_fill(&s->e->random, &m.ids[0].sign, sizeof(m.ids[0].sign));
    ov_msg_identity_encode(&s->w, &m);
    fire_written(s);
}

static void send_probe_ok(struct shot *s)
{
    struct ov_msg_probe_ok m = {
        .txid = sim_random(&s->e->random), .size = 1400, .seen = {{4, {20, 99, 1, 1}}, 7, 0}};

    ov_msg_probe_ok_encode(&s->w, &m);
    fire_written(s);
}

static void send_garbage(struct shot *s)
{
    size_t len = 1 + enemy_pick(s->e, 200);

    sim_fill(&s->e->random, s->buf, len);
    s->buf[0] %= 0x30;
    fire(s, s->buf, len);
}

static void send_close(struct shot *s)
{
    if (enemy_pick(s->e, 8))
        return;
    ov_msg_close_encode(&s->w, OV_CLOSE_SHUTDOWN);
    fire_written(s);
}

static void (*const shots[])(struct shot *s) = {
    send_frame,    send_frame,      send_frame, send_arp,       show_own,      show_own,
    show_forged,   show_stolen,     send_reply, send_request,   send_announce, send_lookup,
    send_found,    send_revocation, send_bye,   send_fragments, send_punch,    send_identity,
    send_probe_ok, send_garbage,    send_close,
};

static struct sim_node *target(struct enemy *e, const struct sim_node *but)
{
    struct sim_node *n = e->s->nodes[enemy_pick(e, e->s->nnodes)];

    return n != but && n->engine != NULL ? n : NULL;
}

static void shoot(struct enemy *e, struct sim_node *n)
{
    struct shot s = {.e = e, .n = n};

    if (n == NULL || n->engine == NULL || n->asleep_until > e->s->now || !(s.to = target(e, n)))
        return;
    sim_enter(n);
    ov_node_tick(n->engine, e->s->now);
    if (ov_peer_get(n->inner, ov_node_identity(s.to->engine), &s.p) == OV_OK) {
        ov_writer_init(&s.w, s.buf, sizeof(s.buf));
        shots[enemy_pick(e, sizeof(shots) / sizeof(shots[0]))](&s);
    }
    sim_leave();
    sim_node_drain(n);
}

/* The member keeps its first certificate, and may leave it at that: its engine leaves the network,
 * so that nobody renews it. */
static void keep_certificate(struct enemy *e)
{
    struct sim_node *n = e->member;
    const struct ov_network *net =
        n != NULL && n->engine != NULL ? ov_network_find(&n->engine->o, e->net) : NULL;

    if (net == NULL || net->cert_len == 0)
        return;
    if (e->old_cert_len == 0) {
        memcpy(e->old_cert, net->cert_blob, net->cert_len);
        e->old_cert_len = net->cert_len;
    }
    if (e->stale == 0 || e->s->now < e->stale)
        return;
    sim_enter(n);
    int rc = ov_node_leave(n->engine, e->net, e->s->now);
    sim_leave();
    assert(rc == OV_OK);
    n->ready = false;
    sim_node_drain(n);
}

void enemy_node_step(struct enemy *e)
{
    struct sim_node *const foes[] = {e->member, e->guest, e->stranger, e->root};

    keep_certificate(e);
    for (size_t i = 0; i < sizeof(foes) / sizeof(foes[0]); i++)
        shoot(e, foes[i]);
}
