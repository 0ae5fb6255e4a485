#include "core/input.h"

#include "wire_up.h"

#include "core/replay.h"

/* Everything of a node that input from strangers must leave alone. */
struct state {
    size_t peers, indices, sessions, timers;
    uint64_t tx, handshakes;
    unsigned frames, persists;
    struct ov_session s[WU_NODES_MAX];
    int active[WU_NODES_MAX];
};

static struct state look(const struct wu_node *n)
{
    struct state s = {.peers = n->e->peers.len,
                      .indices = n->e->indices.len,
                      .timers = n->e->timers.len,
                      .tx = n->e->stats.tx_datagrams,
                      .handshakes = n->e->stats.handshakes,
                      .frames = n->frames};

    for (size_t i = 0; i < n->w->nnodes; i++) {
        const struct ov_peer *p = wu_peer(n, n->w->node[i]);
        if (p)
            s.s[i] = p->s;
        s.active[i] = p && p->paths ? p->paths->active : -9;
    }
    return s;
}

static void expect_untouched(const struct wu_node *n, const struct state *before)
{
    struct state now = look(n);

    assert_memory_equal(&now, before, sizeof now);
}

static uint64_t all_drops(const struct wu_node *n)
{
    uint64_t sum = 0;

    for (int i = 0; i < OV_DROP_COUNT; i++)
        sum += n->e->stats.drops[i];
    return sum;
}

/* A root and two members that have talked, directly and by the root. */
static struct wu *busy(uint64_t seed)
{
    struct wu *w = wu_lan(seed, 2);
    uint8_t frame[OV_FRAME_MAX];
    struct ov_mac ma = wu_mac(w->node[1]), mb = wu_mac(w->node[2]);
    struct ov_ip ia = wu_ip(w->node[1]), ib = wu_ip(w->node[2]);

    wu_frame(w->node[1], frame, wu_ip4(frame, &mb, &ma, &ia, &ib, 100));
    wu_run(w, 5 * OV_SEC);
    assert_int_equal(w->node[2]->frames, 1);
    return w;
}

/* ---- strangers ---- */

/* Every type with every length, and random bytes behind it: dropped and counted, never answered
 * with more than came, and nothing changes. */
static void test_every_type_every_length(void **state)
{
    struct wu *w = busy(1);
    struct wu_node *n = w->node[1];
    static const struct ov_endpoint stranger = {{4, {203, 0, 113, 1}}, 999, 0};
    uint8_t buf[2001];

    (void)state;
    struct state before = look(n);
    for (unsigned type = 0; type < 10; type++)
        for (size_t len = 0; len <= 2000; len += len < 300 ? 1 : 17) {
            uint64_t drops = all_drops(n);
            memset(buf, 0, sizeof buf);
            buf[0] = type < 9 ? (uint8_t)type : 0xff;
            wu_inject(n, &stranger, buf, len);
            assert_int_equal(all_drops(n) - drops, len == OV_OPENER_LEN ? 0 : 1);
        }
    expect_untouched(n, &before);
    wu_free(w);
}

static void test_random_bytes(void **state)
{
    struct wu *w = busy(2);
    static const struct ov_endpoint stranger = {{4, {203, 0, 113, 1}}, 999, 0};
    uint8_t buf[2001];

    (void)state;
    for (int k = 0; k < 3; k++) {
        struct wu_node *n = w->node[k];
        struct state before = look(n);
        for (size_t len = 0; len <= 2000; len++)
            for (uint8_t type = 1; type <= 7; type++) {
                wu_random(w, buf, len ? len : 1);
                if (len && len % 2)
                    buf[0] = type;
                wu_inject(n, k ? &w->node[0]->ep : &stranger, buf, len);
            }
        expect_untouched(n, &before);
    }
    wu_free(w);
}

/* Larger than anything we would send. */
static void test_too_large(void **state)
{
    struct wu *w = busy(3);
    struct wu_node *n = w->node[1];
    static uint8_t buf[OV_DATAGRAM_MAX + 1] = {OV_WIRE_DATA};
    uint64_t before = wu_drops(n, MALFORMED);

    (void)state;
    wu_inject(n, &w->node[0]->ep, buf, sizeof buf);
    assert_int_equal(wu_drops(n, MALFORMED), before + 1);
    wu_free(w);
}

/* A well-formed datagram for an index that is nobody's. */
static void test_unknown_index(void **state)
{
    static const struct {
        uint8_t type;
        size_t len, index;
    } t[] = {{OV_WIRE_RESPONSE, OV_RESPONSE_LEN, 8},
             {OV_WIRE_COOKIE, OV_COOKIE_LEN, 4},
             {OV_WIRE_DATA, 100, 4},
             {OV_WIRE_RELAY, 200, 4}};
    struct wu *w = busy(4);
    struct wu_node *n = w->node[1];
    struct state before = look(n);
    uint8_t buf[256];

    (void)state;
    for (size_t i = 0; i < sizeof t / sizeof t[0]; i++) {
        uint64_t drops = wu_drops(n, UNKNOWN_SESSION);
        memset(buf, 0, sizeof buf);
        buf[0] = t[i].type;
        if (t[i].type == OV_WIRE_RELAY)
            buf[1] = 1;
        buf[t[i].index] = 0x77;
        if (t[i].type == OV_WIRE_RELAY) /* any valid address */
            buf[16] = 0x12;
        wu_inject(n, &w->node[0]->ep, buf, t[i].len);
        assert_int_equal(wu_drops(n, UNKNOWN_SESSION), drops + 1);
        /* An index of a session is none of a handshake. */
        if (t[i].type == OV_WIRE_RESPONSE || t[i].type == OV_WIRE_COOKIE) {
            ov_store32(buf + t[i].index, wu_peer(n, w->node[0])->s.current->index.id);
            wu_inject(n, &w->node[0]->ep, buf, t[i].len);
            assert_int_equal(wu_drops(n, UNKNOWN_SESSION), drops + 2);
        }
    }
    expect_untouched(n, &before);
    wu_free(w);
}

/* ---- replays and flipped bits ---- */

/* Everything that was ever sent, once more: nothing is taken twice. */
static void test_replay_of_everything(void **state)
{
    struct wu *w = busy(5);
    size_t n = w->nlog;

    (void)state;
    wu_run(w, OV_SEC);
    struct state before[3];
    for (int k = 0; k < 3; k++)
        before[k] = look(w->node[k]);
    for (size_t i = 0; i < n; i++) {
        const struct wu_packet *p = w->log[i];
        if (p->data[0] == OV_WIRE_WHO || p->data[0] == OV_WIRE_IAM || p->len == OV_OPENER_LEN)
            continue;
        for (int k = 0; k < 3; k++)
            if (ov_endpoint_equal(&w->node[k]->ep, &p->to)) {
                uint64_t drops = all_drops(w->node[k]);
                wu_inject(w->node[k], &p->from, p->data, p->len);
                assert_int_equal(all_drops(w->node[k]), drops + 1);
            }
    }
    for (int k = 0; k < 3; k++)
        expect_untouched(w->node[k], &before[k]);
    assert_true(wu_drops(w->node[0], HANDSHAKE_REPLAY) > 0);
    assert_true(wu_drops(w->node[0], REPLAY) > 0);
    wu_free(w);
}

static bool lose(void *arg, struct wu_packet *p)
{
    (void)arg;
    (void)p;
    return false;
}

struct want {
    const struct wu *w;
    const struct ov_endpoint *to;
    uint8_t type;
};

static const struct wu_packet *find(const struct want *t)
{
    for (size_t i = t->w->nlog; i-- > 0;)
        if (t->w->log[i]->data[0] == t->type && ov_endpoint_equal(&t->w->log[i]->to, t->to))
            return t->w->log[i];
    return NULL;
}

static bool found(void *arg)
{
    return find(arg) != NULL;
}

/* Nothing arrives by itself here. Flip each of the first `most` bytes' bits in the last datagram of
 * this type to `to`: only the true one is taken. */
static void flip_bits(struct wu *w, struct wu_node *to, uint8_t type, size_t most)
{
    struct want t = {w, &to->ep, type};
    struct state before = look(to);

    w->hook = lose;
    assert_true(wu_until(w, found, &t, OV_SEC));
    const struct wu_packet *got = find(&t);
    uint8_t *data = malloc(got->len);
    assert_non_null(data);
    memcpy(data, got->data, got->len);
    for (size_t bit = 0; bit < got->len * 8 && bit < most * 8; bit++) {
        uint64_t drops = all_drops(to);
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        wu_inject(to, &got->from, data, got->len);
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_true(all_drops(to) > drops);
        expect_untouched(to, &before);
    }
    uint64_t drops = all_drops(to);
    wu_inject(to, &got->from, data, got->len);
    assert_int_equal(all_drops(to), drops);
    free(data);
}

static void test_flipped_handshake(void **state)
{
    struct wu *w = wu_new(6);
    struct wu_node *a = wu_node(w, 0), *b = wu_node(w, 0);
    struct ov_peer *p = wu_know(a, b);

    (void)state;
    ov_peer_hint(p, &b->ep);
    ov_peer_connect(p);
    /* mac2 is not looked at without load. */
    flip_bits(w, b, OV_WIRE_INITIATION, OV_INITIATION_LEN - OV_MAC_LEN);
    flip_bits(w, a, OV_WIRE_RESPONSE, OV_RESPONSE_LEN - OV_MAC_LEN);
    flip_bits(w, b, OV_WIRE_DATA, 9999); /* unconfirmed keys are no easier */
    w->hook = NULL;
    wu_run(w, OV_SEC);
    assert_true(ov_peer_up(p) && ov_peer_up(wu_peer(b, a)));
    wu_free(w);
}

static void test_flipped_data(void **state)
{
    struct wu *w = wu_new(7);
    struct wu_node *a = wu_node(w, 0), *b = wu_node(w, 0);

    (void)state;
    wu_connect(a, b);
    wu_log_clear(w);
    w->hook = lose;
    assert_int_equal(ov_node_ping(a->n, b->addr, 1, w->now), OV_OK);
    wu_drain(a);
    flip_bits(w, b, OV_WIRE_DATA, 9999);
    flip_bits(w, a, OV_WIRE_DATA, 9999);
    assert_int_equal(a->last[OV_EVENT_PONG].id, 1);
    wu_free(w);
}

static void test_flipped_relay(void **state)
{
    struct wu *w = wu_new(8);
    struct wu_node *root = wu_node(w, OV_CAP_ROOT), *a = wu_node(w, 0), *b = wu_node(w, 0);

    (void)state;
    wu_root(a, root);
    wu_root(b, root);
    wu_run(w, OV_SEC);
    wu_know(a, b);
    ov_peer_connect(wu_peer(a, b));
    w->hook = lose;
    ov_node_tick(a->n, w->now);
    wu_drain(a);
    flip_bits(w, root, OV_WIRE_RELAY, OV_RELAY_HEADER);
    flip_bits(w, b, OV_WIRE_RELAY, OV_RELAY_HEADER);
    w->hook = NULL;
    wu_run(w, 2 * OV_SEC);
    assert_true(ov_peer_up(wu_peer(a, b)));
    wu_free(w);
}

/* ---- handshake floods ---- */

/* An initiation of a node that just started, to `to`; `out` has OV_INITIATION_LEN bytes. */
static void make_initiation(struct wu *w, struct wu_node *from, struct wu_node *to, uint8_t *out)
{
    wu_log_clear(w);
    struct ov_peer *p = wu_know(from, to);
    uint8_t msg[OV_INITIATION_LEN];

    ov_node_tick(from->n, w->now);
    assert_int_equal(ov_session_initiate(from->e, &p->s, p, &to->id.pub, msg), OV_OK);
    memcpy(out, msg, sizeof msg);
    wu_drain(from);
}

/* Under load, whoever has not shown that it can be reached gets a cookie, no state is kept for it,
 * and the cookie opens the door. */
static void test_flood(void **state)
{
    struct wu *w = wu_new(9);
    struct wu_node *n = wu_node(w, 0), *a = wu_node(w, 0);
    uint8_t msg[OV_INITIATION_LEN];
    unsigned cookies = 0;

    (void)state;
    w->hook = lose;
    make_initiation(w, a, n, msg);
    /* The very same initiation from everywhere: the first is answered, the others are replays
     * until the load makes them pointless. */
    for (unsigned i = 0; i < 5000; i++) {
        struct ov_endpoint from = {{4, {198, 18, (uint8_t)(i >> 8), (uint8_t)i}}, 1000, 0};
        uint64_t tx = n->e->stats.tx_bytes;
        wu_inject(n, &from, msg, sizeof msg);
        assert_true(n->e->stats.tx_bytes - tx <= sizeof msg);
        cookies += n->e->stats.tx_bytes - tx == OV_COOKIE_LEN;
    }
    assert_int_equal(n->e->peers.len, 1);
    assert_int_equal(n->e->indices.len, 1);
    assert_true(cookies >= 4700);
    assert_true(wu_drops(n, HANDSHAKE_LIMIT) >= cookies);
    assert_true(n->e->timers.len < 10);
    /* Somebody real comes at that very time: the cookie is taken, and the next try gets in. */
    struct wu_node *b = wu_node(w, 0);
    make_initiation(w, b, n, msg);
    wu_peer(b, n)->hs_wanted = true;
    wu_inject(n, &b->ep, msg, sizeof msg);
    const struct wu_packet *c = wu_sent(w, n, OV_WIRE_COOKIE);
    assert_non_null(c);
    assert_true(ov_endpoint_equal(&c->to, &b->ep));
    struct wu_packet *copy = malloc(sizeof *c + c->len);
    assert_non_null(copy);
    memcpy(copy, c, sizeof *c + c->len);
    for (size_t bit = 32; bit < copy->len * 8; bit++) { /* a forged one is not */
        copy->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        wu_inject(b, &n->ep, copy->data, copy->len);
        copy->data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(wu_peer(b, n)->s.macs.cookie_born, 0);
    }
    wu_inject(b, &n->ep, copy->data, copy->len);
    free(copy);
    assert_int_not_equal(wu_peer(b, n)->s.macs.cookie_born, 0);
    make_initiation(w, b, n, msg);
    /* From elsewhere that cookie is worth nothing. */
    struct ov_endpoint other = wu_endpoint(77, 77);
    wu_inject(n, &other, msg, sizeof msg);
    assert_null(wu_peer(n, b));
    wu_inject(n, &b->ep, msg, sizeof msg);
    assert_non_null(wu_peer(n, b));
    assert_non_null(wu_peer(n, b)->s.next);
    wu_free(w);
}

/* A flood from everywhere does not take all our time, one from a single place takes none of
 * others'. */
static void test_flood_is_answered_so_far(void **state)
{
    struct wu *w = wu_new(12);
    struct wu_node *n = wu_node(w, OV_CAP_ROOT), *a = wu_node(w, 0);
    uint8_t msg[OV_INITIATION_LEN], who[OV_WHO_LEN];
    struct ov_endpoint from = {{4, {198, 18, 0, 1}}, 1000, 0};
    uint64_t before;

    (void)state;
    w->hook = lose;
    make_initiation(w, a, n, msg);
    ov_who_encode(1, who);
    for (unsigned i = 0; i < 1000; i++)
        wu_inject(n, &from, msg, sizeof msg);
    assert_in_range(n->e->stats.tx_datagrams, 1,
                    101); /* a response, and a source's share of cookies */
    before = n->e->stats.tx_datagrams;
    for (unsigned i = 0; i < 20000; i++) {
        from.ip.b[2] = (uint8_t)(i >> 8);
        from.ip.b[3] = (uint8_t)i;
        wu_inject(n, &from, i % 2 ? msg : who, i % 2 ? sizeof msg : sizeof who);
        wu_log_clear(w);
    }
    assert_in_range(n->e->stats.tx_datagrams - before, 4800, 5000);
    /* A moment later there is room again. */
    w->now += OV_SEC / 10;
    before = n->e->stats.tx_datagrams;
    for (unsigned i = 0; i < 40; i++)
        wu_inject(n, &a->ep, msg, sizeof msg);
    assert_in_range(n->e->stats.tx_datagrams - before, 25, 40); /* the others are replays */
    assert_true(ov_ratelimit_sources(n->e->cookie_sources) <= 4096);
    wu_free(w);
}

/* A source that shows its cookie may still not come without end. */
static void test_flood_with_cookie(void **state)
{
    struct wu *w = wu_new(10);
    struct wu_node *n = wu_node(w, 0), *a = wu_node(w, 0);
    uint8_t msg[OV_INITIATION_LEN];
    unsigned answered = 0;

    (void)state;
    w->hook = lose;
    for (int i = 0; i < 1000; i++) {
        make_initiation(w, a, n, msg);
        wu_peer(a, n)->hs_wanted = false;
        wu_log_clear(w);
        wu_inject(n, &a->ep, msg, sizeof msg);
        answered += wu_sent(w, n, OV_WIRE_RESPONSE) != NULL;
        const struct wu_packet *c = wu_sent(w, n, OV_WIRE_COOKIE);
        if (c) {
            struct wu_packet *copy = malloc(sizeof *c + c->len);
            assert_non_null(copy);
            memcpy(copy, c, sizeof *c + c->len);
            wu_inject(a, &n->ep, copy->data, copy->len);
            free(copy);
        }
    }
    /* 200 before there is load, then 20 a second from one source: no time passed here. */
    assert_int_equal(answered, 220);
    assert_int_equal(n->e->peers.len, 1);
    wu_free(w);
}

/* Proven identities without end are held back too, and the table is bounded. */
static void test_many_identities(void **state)
{
    struct wu *w = wu_new(11);
    struct wu_node *n = wu_node_with(w, &(struct ov_node_config){.max_peers = 16});
    struct wu_node *a = wu_node(w, 0);
    uint8_t msg[OV_INITIATION_LEN], seed[32];

    (void)state;
    w->hook = lose;
    for (unsigned i = 0; i < 400; i++) {
        wu_random(w, seed, sizeof seed);
        assert_int_equal(ov_identity_make(seed, &wu_pow, NULL, NULL, &a->e->id), OV_OK);
        make_initiation(w, a, n, msg);
        w->now += 100 * OV_MS;
        wu_inject(n, &a->ep, msg, sizeof msg);
        assert_in_range(n->e->peers.len, 1, 16);
        assert_in_range(n->e->indices.len, 1, 16);
    }
    assert_int_equal(n->e->peers.len, 16);
    /* All at once: only so many proofs of work are looked at. */
    uint64_t limited = wu_drops(n, HANDSHAKE_LIMIT);
    for (unsigned i = 0; i < 400; i++) {
        wu_random(w, seed, sizeof seed);
        assert_int_equal(ov_identity_make(seed, &wu_pow, NULL, NULL, &a->e->id), OV_OK);
        make_initiation(w, a, n, msg);
        wu_inject(n, &a->ep, msg, sizeof msg);
    }
    assert_true(wu_drops(n, HANDSHAKE_LIMIT) - limited >= 190);
    wu_free(w);
}

/* An identity whose proof of work does not hold gets no answer. */
static void test_no_proof_of_work(void **state)
{
    struct wu *w = wu_new(12);
    struct wu_node *a = wu_node(w, 0);
    struct wu_node *n = wu_node_with(w, &(struct ov_node_config){0});
    uint8_t msg[OV_INITIATION_LEN];

    (void)state;
    n->e->pow = (struct ov_pow){8, 60};
    make_initiation(w, a, n, msg);
    uint64_t tx = n->e->stats.tx_bytes;
    wu_inject(n, &a->ep, msg, sizeof msg);
    assert_int_equal(wu_drops(n, BAD_IDENTITY), 1);
    assert_int_equal(n->e->stats.tx_bytes, tx);
    assert_int_equal(n->e->peers.len, 0);
    wu_free(w);
}

/* The same X25519 key with another signing key is another identity, with an address of its own to
 * prove: the one we know is left alone. */
static void test_second_key(void **state)
{
    struct wu *w = wu_new(13);
    struct wu_node *a = wu_node(w, 0), *n = wu_node(w, 0);
    uint8_t msg[OV_INITIATION_LEN];

    (void)state;
    wu_connect(a, n);
    a->e->id.pub.sign.b[0] ^= 1;
    make_initiation(w, a, n, msg);
    wu_inject(n, &a->ep, msg, sizeof msg);
    assert_int_equal(n->events[OV_EVENT_CONFLICT], 0);
    assert_int_equal(n->e->peers.len, 2);
    assert_true(ov_peer_up(wu_peer(n, a)));
    assert_null(wu_peer(n, a)->s.next);
    a->e->id.pub.sign.b[0] ^= 1;
    assert_true(ov_identity_equal(&wu_peer(n, a)->id, &a->e->id.pub));
    wu_free(w);
}

/* ---- first contact ---- */

static void test_who(void **state)
{
    struct wu *w = wu_new(14);
    struct wu_node *root = wu_node(w, OV_CAP_ROOT), *plain = wu_node(w, 0);
    struct ov_endpoint from = wu_endpoint(50, 50);
    uint8_t who[OV_WHO_LEN];
    unsigned answered = 0;
    struct ov_iam iam;

    (void)state;
    ov_who_encode(0x1122334455667788, who);
    wu_inject(plain, &from, who, sizeof who);
    assert_int_equal(wu_drops(plain, UNEXPECTED), 1);
    assert_int_equal(wu_count_sent(w, plain, NULL), 0);
    wu_inject(root, &from, who, sizeof who - 1); /* shorter than it must be */
    assert_int_equal(wu_drops(root, MALFORMED), 1);
    assert_int_equal(wu_count_sent(w, root, NULL), 0);
    for (int i = 0; i < 50; i++) {
        uint64_t tx = root->e->stats.tx_bytes;
        wu_inject(root, &from, who, sizeof who);
        answered += root->e->stats.tx_bytes > tx;
        assert_true(root->e->stats.tx_bytes - tx <= sizeof who);
    }
    assert_int_equal(answered, 10);
    assert_int_equal(wu_drops(root, LIMIT), 40);
    const struct wu_packet *p = wu_sent(w, root, OV_WIRE_IAM);
    assert_int_equal(ov_iam_decode(p->data, p->len, &iam), OV_OK);
    assert_true(iam.nonce == 0x1122334455667788);
    assert_true(ov_identity_equal(&iam.id, &root->id.pub));
    assert_int_equal(root->e->peers.len, 0);
    wu_free(w);
}

/* ---- roaming ---- */

/* An authenticated packet from elsewhere is challenged; only the answer moves the peer. */
static void test_roaming(void **state)
{
    struct wu *w = wu_new(15);
    struct wu_node *a = wu_node(w, 0), *b = wu_node(w, 0);
    struct ov_endpoint old, thief = wu_endpoint(66, 6666);

    (void)state;
    wu_connect(a, b);
    struct ov_peer *q = wu_peer(b, a);
    int home = q->paths->active;
    old = a->ep;
    wu_run(w, 2 * OV_SEC);
    /* Somebody on the way passes a packet on from his own place. */
    w->hook = lose;
    wu_log_clear(w);
    ov_node_tick(a->n, w->now);
    ov_peer_send(wu_peer(a, b), (uint8_t[]){0xee}, 1, OV_SEND_QUIET);
    wu_drain(a);
    w->hook = NULL;
    wu_inject(b, &thief, w->log[0]->data, w->log[0]->len);
    assert_int_equal(wu_drops(b, MALFORMED_MESSAGE), 1);
    assert_true(wu_count_sent(w, b, &thief) > 0); /* challenged */
    wu_run(w, 3 * OV_SEC);
    assert_int_equal(q->paths->active, home);
    assert_true(ov_endpoint_equal(&q->paths->p[home].remote, &old));
    wu_message(b, a, (uint8_t[]){0xee}, 1);
    assert_int_equal(wu_drops(a, MALFORMED_MESSAGE), 1);
    /* It has really moved: packets from the new place, and answers. */
    a->ep = wu_endpoint(88, 8888);
    wu_message(a, b, (uint8_t[]){0xee}, 1);
    wu_run(w, OV_SEC);
    assert_true(ov_endpoint_equal(&q->paths->p[q->paths->active].remote, &a->ep));
    wu_free(w);
}

/* A client of a root is now elsewhere, and a datagram that was late comes from its old place when
 * the new one has just been proven: that place seems to be alive. The root, which expects no
 * answers to what it relays, sees all the same that the client is heard by the new one only. */
static void test_late_datagram(void **state)
{
    struct wu *w = wu_new(21);
    struct wu_node *a = wu_node(w, 0), *root = wu_node(w, OV_CAP_ROOT);
    struct ov_endpoint old = a->ep;
    struct wu_packet *late;

    (void)state;
    wu_root(a, root);
    wu_run(w, 5 * OV_SEC);
    struct ov_peer *p = wu_peer(root, a);
    wu_message(a, root, NULL, 0); /* heard a moment ago */
    w->hook = lose;
    wu_log_clear(w);
    ov_peer_send(wu_peer(a, root), NULL, 0, OV_SEND_QUIET);
    wu_drain(a);
    w->hook = NULL;
    late = w->log[0];
    a->ep = wu_endpoint(88, 8888);
    wu_message(a, root, NULL, 0);
    wu_run(w, 100 * OV_MS);
    int k = ov_paths_find(p->paths, 0, &a->ep);
    assert_true(k >= 0 && k != p->paths->active && p->paths->p[k].state == OV_PATH_VALID);
    wu_inject(root, &old, late->data, late->len);
    for (int i = 0; i < 25; i++) {
        wu_run(w, 200 * OV_MS);
        wu_message(a, root, NULL, 0);
    }
    assert_true(ov_endpoint_equal(&p->paths->p[p->paths->active].remote, &a->ep));
    wu_free(w);
}

/* Packets of one peer from ever new places do not make us send without end. */
static void test_challenges_are_bounded(void **state)
{
    struct wu *w = wu_new(16);
    struct wu_node *a = wu_node(w, 0), *b = wu_node(w, 0);

    (void)state;
    wu_connect(a, b);
    wu_run(w, 2 * OV_SEC);
    w->hook = lose;
    for (int i = 0; i < 200; i++) {
        ov_peer_send(wu_peer(a, b), NULL, 0, OV_SEND_QUIET);
        wu_log_clear(w);
        wu_drain(a);
        struct ov_endpoint from = wu_endpoint(99, (uint16_t)(1000 + i));
        wu_inject(b, &from, w->log[0]->data, w->log[0]->len);
    }
    unsigned places = 0;
    for (int i = 0; i < OV_PATHS_MAX; i++)
        places += wu_peer(b, a)->paths->p[i].state == OV_PATH_TRYING;
    assert_in_range(places, 1, 10);
    wu_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type_every_length),
        cmocka_unit_test(test_random_bytes),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_unknown_index),
        cmocka_unit_test(test_replay_of_everything),
        cmocka_unit_test(test_flipped_handshake),
        cmocka_unit_test(test_flipped_data),
        cmocka_unit_test(test_flipped_relay),
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_flood_is_answered_so_far),
        cmocka_unit_test(test_flood_with_cookie),
        cmocka_unit_test(test_many_identities),
        cmocka_unit_test(test_no_proof_of_work),
        cmocka_unit_test(test_second_key),
        cmocka_unit_test(test_who),
        cmocka_unit_test(test_roaming),
        cmocka_unit_test(test_late_datagram),
        cmocka_unit_test(test_challenges_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
