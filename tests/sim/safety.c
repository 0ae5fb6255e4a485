#include "safety.h"

#include "core/node_state.h"
#include "core/peer.h"
#include "core/reflect_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES     16384
#define EAGER_MAX  100
#define SAMPLE     OV_SEC
#define CALL_MAX   (600 * OV_SEC) /* who has joined a network wants to be called by then */
#define WIPE_OVER  (2 * OV_SEC)
#define BYTES_MAX  ((size_t)12 << 20)
#define TIMERS_MAX 256 /* besides one for each peer, and one for each late reflection */
#define LATER_MAX  4096

struct given {
    uint64_t hash;
    const struct sim_node *from;
    uint32_t times;
    uint8_t got[SAFETY_NODES];
};

void safety_fail(struct safety *f, const struct sim_node *n, const char *wrong)
{
    if (f->wrong != NULL)
        return;
    f->wrong = wrong;
    f->node = n != NULL ? (int)n->index : -1;
    f->s->stop = true;
}

static void check(struct safety *f, const struct sim_node *n, const char *wrong)
{
    if (wrong != NULL)
        safety_fail(f, n, wrong);
}

static struct sim_node *node_at(const struct sim *s, ov_addr a)
{
    for (size_t i = 0; i < s->nnodes; i++) {
        if (s->nodes[i]->addr == a)
            return s->nodes[i];
    }
    return NULL;
}

/* ---- what the controllers say ---- */

static void certified(struct safety *f, const struct ov_slice *blob)
{
    struct ov_cert c;

    if (blob->len == 0 || ov_cert_decode(blob->p, blob->len, &c) != OV_OK)
        return;
    const struct sim_node *n = node_at(f->s, c.member.addr);
    if (n == NULL || n->net != c.netid)
        return;
    struct safety_member *m = &f->member[n->index];
    if (c.timestamp < m->newest)
        return;
    m->newest = c.timestamp;
    m->mac = ov_mac_derive(n->addr, n->net);
    m->naddrs = c.naddrs;
    for (size_t i = 0; i < c.naddrs; i++)
        m->ip[i] = c.addrs[i].ip;
}

static void on_said(void *arg, const struct sim_node *n, ov_addr to, const uint8_t *msg, size_t len)
{
    struct safety *f = arg;
    struct ov_msg_net_reply r;
    struct ov_revocation v;
    struct sim_node *who;

    (void)n;
    (void)to;
    if (len > 1 && msg[0] == OV_MSG_NET_REPLY &&
        ov_msg_net_reply_decode(msg + 1, len - 1, &r) == OV_OK)
        certified(f, &r.cert);
    if (len > 1 && msg[0] == OV_MSG_REVOKE && ov_revocation_decode(msg + 1, len - 1, &v) == OV_OK &&
        (who = node_at(f->s, v.member)) != NULL && who->net == v.netid &&
        v.timestamp > f->member[who->index].revoked)
        f->member[who->index].revoked = v.timestamp;
}

/* ---- what nodes know of revocations ---- */

/* The revocations in what a node stores of a network (network.c tells the format). */
static void learn(struct safety *f, const struct sim_node *n, ov_netid net, const uint8_t *data,
                  size_t len)
{
    struct ov_reader r;
    char text[OV_NET_NAME_MAX];

    if (net != n->net || len == 0)
        return;
    ov_reader_init(&r, data, len);
    ov_reader_take(&r, 1 + OV_IDENTITY_LEN);
    ov_reader_take(&r, ov_reader_u8(&r));
    ov_reader_text(&r, text, sizeof(text));
    ov_reader_text(&r, text, sizeof(text));
    ov_reader_u8(&r);
    ov_reader_take(&r, ov_reader_u16(&r));
    ov_reader_take(&r, ov_reader_u16(&r));
    for (uint16_t left = ov_reader_u16(&r); left > 0; left--) {
        const struct sim_node *of = node_at(f->s, ov_reader_u40(&r));
        ov_wall when = ov_reader_u64(&r);
        ov_wall *known = of ? &f->known[n->index * SAFETY_NODES + of->index] : NULL;
        if (known != NULL && when > *known)
            *known = when;
    }
    ov_reader_u64(&r); /* the floor: who is below it is refused as well, which harms nobody here */
    if (!ov_reader_done(&r))
        safety_fail(f, n, "what it stores of a network cannot be read");
}

/* After a restart a node knows what its disk does. */
static void relearn(struct safety *f, const struct sim_node *n)
{
    if (f->known_life[n->index] == n->life)
        return;
    f->known_life[n->index] = n->life;
    memset(&f->known[n->index * SAFETY_NODES], 0, SAFETY_NODES * sizeof(*f->known));
    for (size_t i = 0; i < n->nstored; i++) {
        if (n->stored[i].kind == OV_PERSIST_NETWORK)
            learn(f, n, n->stored[i].id, n->stored[i].data, n->stored[i].len);
    }
}

static void on_stored(void *arg, const struct sim_node *n, const struct ov_out_persist *p)
{
    struct safety *f = arg;

    relearn(f, n);
    if (p->kind == OV_PERSIST_NETWORK)
        learn(f, n, (ov_netid)p->id, p->data, p->len);
}

/* ---- frames ---- */

void safety_given(struct safety *f, const struct sim_node *from, const uint8_t *frame, size_t len)
{
    uint64_t hash = once_hash(frame, len);
    struct ov_key key = {hash, from->index};
    uint64_t *at = once_get(&f->frames, key);
    struct given *g;

    f->frames_given++;
    if (at != NULL) {
        f->given[*at].times++;
        return;
    }
    g = &f->given[f->next_given];
    *g = (struct given){.hash = hash, .from = from, .times = 1};
    once_put(&f->frames, key, f->next_given);
    f->next_given = (f->next_given + 1) % FRAMES;
}

static void on_given(void *arg, const struct sim_node *n, const uint8_t *frame, size_t len)
{
    safety_given(arg, n, frame, len);
}

/* Who gave it? Told by its source MAC, which is somebody's, or it is nobody's frame. */
static struct given *giver(struct safety *f, const uint8_t *frame, size_t len)
{
    uint64_t hash = once_hash(frame, len);

    for (size_t i = 0; i < f->s->nnodes; i++) {
        const struct sim_node *n = f->s->nodes[i];
        const struct ov_mac mac = ov_mac_derive(n->addr, n->net);
        uint64_t *at;
        if (n->net == 0 || memcmp(frame + 6, mac.b, 6) != 0)
            continue;
        at = once_get(&f->frames, (struct ov_key){hash, n->index});
        if (at != NULL && f->given[*at].hash == hash)
            return &f->given[*at];
    }
    return NULL;
}

/* An answer to ARP that the engine made of a certificate. */
static bool honest_answer(const struct safety *f, const struct sim_node *n, const uint8_t *frame,
                          size_t len)
{
    struct ov_frame_info i;

    if (ov_frame_parse(frame, len, &i) != OV_OK || i.kind != OV_FRAME_ARP_REPLY ||
        memcmp(i.link_mac.b, i.src.b, 6) != 0 || memcmp(i.dst.b, n->mac.b, 6) != 0)
        return false;
    for (size_t k = 0; k < f->s->nnodes; k++) {
        const struct safety_member *m = &f->member[k];
        for (size_t a = 0; f->s->nodes[k]->net == n->net && a < m->naddrs; a++) {
            if (ov_ip_equal(&m->ip[a], &i.src_ip) && memcmp(m->mac.b, i.src.b, 6) == 0)
                return true;
        }
    }
    return false;
}

/* The timestamp of the certificate that a node holds of itself; 0: none. */
static ov_wall own_stamp(const struct sim_node *n)
{
    const struct ov_network *net = ov_network_find(&n->engine->o, n->net);

    return net != NULL ? net->cert.timestamp : 0;
}

static const char *membership(struct safety *f, const struct sim_node *from,
                              const struct sim_node *at)
{
    const struct safety_member *m = &f->member[from->index];
    ov_wall known, own = own_stamp(at);

    if (from->net != at->net)
        return "a frame comes out of another network";
    if (m->newest == 0 || own == 0)
        return "a frame is delivered without a certificate";
    if (m->newest + f->window / OV_MS < own)
        return "a frame is delivered from who has an expired certificate";
    relearn(f, at);
    known = f->known[at->index * SAFETY_NODES + from->index];
    if (m->newest <= known)
        return "a frame is delivered from who it knows to be cut off";
    if (m->out)
        return "a frame is delivered from who was cut off long ago";
    return NULL;
}

static void on_frame(void *arg, const struct sim_node *n, const uint8_t *frame, size_t len)
{
    struct safety *f = arg;
    struct given *g = giver(f, frame, len);

    f->delivered++;
    if (f->diagram != NULL)
        diagram_note(f->diagram, f->s->now, n, "gets a frame of %zu", len);
    if (g == NULL) {
        if (!honest_answer(f, n, frame, len))
            safety_fail(f, n, "a frame is delivered that nobody sent in its own name");
        return;
    }
    if (g->from == n)
        safety_fail(f, n, "a host gets its own frame");
    if (++g->got[n->index] > g->times)
        safety_fail(f, n, "a frame is delivered twice");
    check(f, n, membership(f, g->from, n));
}

/* ---- engines ---- */

/* All of a peer's keys go together, so long after the newest of them was made. */
static const char *old_keys(const struct ov_peer *p, ov_time now)
{
    const struct ov_keypair *v[] = {p->s.current, p->s.next, p->s.previous};
    ov_time newest = 0;
    bool any = false;

    for (size_t i = 0; i < 3; i++) {
        any |= v[i] != NULL;
        if (v[i] != NULL && v[i]->born > newest)
            newest = v[i]->born;
    }
    return any && now - newest > OV_WIPE_AFTER + WIPE_OVER ? "old keys are not wiped" : NULL;
}

/* Looks into all tables; for once a second. */
static const char *sample(const struct sim_node *n, ov_time now)
{
    struct ov_engine *e = n->inner;
    const struct ov_peer *p;
    const char *wrong = NULL;

    for (size_t it = 0; wrong == NULL && (p = ov_map_next(&e->peers, &it, NULL)) != NULL;) {
        wrong = old_keys(p, now);
        if (p->queued > OV_QUEUE_MAX || p->queued_bytes > OV_QUEUE_BYTES)
            wrong = "a peer's queue is over its bound";
    }
    if (e->by_key.len > e->peers.len)
        wrong = "there are more keys of peers than peers";
    if (e->reassembly.bytes > e->reassembly.limit ||
        e->reassembly_strangers.bytes > OV_REASSEMBLY_STRANGERS)
        wrong = "reassembly takes more than it may";
    if (e->reflect->nlater > LATER_MAX)
        wrong = "more late reflections are promised than may be";
    if (e->timers.len > e->peers.len + e->reflect->nlater + TIMERS_MAX)
        wrong = "there are more timers than what they are for";
    for (size_t i = 0; i < n->engine->o.n; i++) {
        const struct ov_network *net = n->engine->o.nets[i];
        if (net->members.len > OV_MEMBERS_MAX || net->learned.len > OV_LEARNED_MAX)
            wrong = "a table of the switch is over its bound";
    }
    return wrong;
}

static void on_turn(void *arg, struct sim_node *n)
{
    struct safety *f = arg;
    ov_time now = f->s->now, deadline = ov_node_deadline(n->engine);

    if (n->eager > EAGER_MAX)
        safety_fail(f, n, "it wants to be called at once, again and again");
    if (n->net != 0 && n->engine->o.n > 0 && deadline > now + CALL_MAX)
        safety_fail(f, n, "it does not want to be called any more");
    if (n->bytes > f->bytes_max)
        safety_fail(f, n, "its memory is over its bound");
    if (n->inner->peers.len > n->inner->max_peers)
        safety_fail(f, n, "it has more peers than it may");
    if (now - f->sampled[n->index] < SAMPLE)
        return;
    f->sampled[n->index] = now;
    check(f, n, sample(n, now));
    if (n->index == 0)
        wirewatch_sweep(&f->wire, now);
}

void safety_ended(struct safety *f, const struct sim_node *n)
{
    if (n->bytes != 0)
        safety_fail(f, n, "it ends and does not give its memory back");
}

/* ---- the wire ---- */

static void on_sent(void *arg, const struct sim_node *src, const struct ov_endpoint *to,
                    const uint8_t *data, size_t len)
{
    struct safety *f = arg;

    check(f, src, wirewatch_sent(&f->wire, src, to, data, len));
    if (f->wrong != NULL && f->diagram != NULL)
        diagram_packet(f->diagram, f->s->now, src, NULL, DIAGRAM_LOST, to, data, len);
}

static void on_came(void *arg, const struct sim_node *src, const struct sim_node *at,
                    const struct ov_endpoint *from, const struct ov_endpoint *to,
                    const uint8_t *data, size_t len)
{
    struct safety *f = arg;

    if (f->diagram != NULL)
        diagram_packet(f->diagram, f->s->now, src, at, at ? DIAGRAM_CAME : DIAGRAM_NOBODY,
                       at ? from : to, data, len);
    check(f, src, wirewatch_came(&f->wire, src, at, data, len));
}

static void on_lost(void *arg, const struct sim_node *src, const struct ov_endpoint *to,
                    const uint8_t *data, size_t len)
{
    struct safety *f = arg;

    if (f->diagram != NULL)
        diagram_packet(f->diagram, f->s->now, src, NULL, DIAGRAM_LOST, to, data, len);
}

/* ---- life ---- */

void safety_init(struct safety *f, struct sim *s, struct diagram *d)
{
    memset(f, 0, sizeof(*f));
    f->s = s;
    f->diagram = d;
    f->window = OV_WINDOW_DEFAULT * OV_SEC;
    f->bytes_max = BYTES_MAX;
    wirewatch_init(&f->wire);
    sim_fill(&s->random, f->wire.mark, sizeof(f->wire.mark));
    once_init(&f->frames, FRAMES);
    f->given = calloc(FRAMES, sizeof(*f->given));
    f->known = calloc(SAFETY_NODES * SAFETY_NODES, sizeof(*f->known));
    assert(f->given != NULL && f->known != NULL);
    s->watch = (struct sim_watch){.arg = f,
                                  .sent = on_sent,
                                  .came = on_came,
                                  .lost = on_lost,
                                  .given = on_given,
                                  .frame = on_frame,
                                  .said = on_said,
                                  .stored = on_stored,
                                  .turn = on_turn};
}

void safety_out(struct safety *f, const struct sim_node *n)
{
    f->member[n->index].out = true;
}

void safety_free(struct safety *f)
{
    wirewatch_free(&f->wire);
    once_free(&f->frames);
    free(f->given);
    free(f->known);
    memset(&f->s->watch, 0, sizeof(f->s->watch));
}
