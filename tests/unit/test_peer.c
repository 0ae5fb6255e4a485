#include "core/peer.h"

#include "wire_up.h"

#include "core/punch.h"
#include "core/relay.h"

static bool drop_all(void *arg, struct wu_packet *p)
{
    (void)arg;
    (void)p;
    return false;
}

static unsigned initiations(const struct wu *w, const struct wu_node *n)
{
    unsigned k = 0;

    for (size_t i = 0; i < w->nlog; i++)
        k += w->log[i]->src == n && w->log[i]->data[0] == OV_WIRE_INITIATION;
    return k;
}

static void send_frame(struct wu_node *n, struct ov_peer *p)
{
    static const uint8_t msg[OV_MSG_FRAME_HEADER + 60] = {OV_MSG_FRAME};

    ov_node_tick(n->n, n->w->now);
    ov_peer_send(p, msg, sizeof msg, OV_SEND_FRAME);
    wu_drain(n);
}

/* ---- the queue of a connecting peer ---- */

static void test_queue_bounds(void **state)
{
    struct wu *w = wu_new(1);
    struct wu_node *a = wu_node(w, 0), *b = wu_node(w, 0);
    struct ov_peer *p = wu_know(a, b);
    static uint8_t big[OV_QUEUE_BYTES + 1] = {OV_MSG_FRAME};

    (void)state;
    for (uint8_t i = 0; i < OV_QUEUE_MAX + 5; i++) {
        uint8_t msg[2] = {0xee, i};
        assert_int_equal(ov_peer_send(p, msg, sizeof msg, 0), OV_OK);
    }
    assert_int_equal(p->queued, OV_QUEUE_MAX);
    assert_int_equal(p->queued_bytes, OV_QUEUE_MAX * 2);
    assert_int_equal(wu_drops(a, QUEUE_FULL), 5);
    assert_int_equal(p->queue->msg[1], 5); /* the oldest gave way */
    /* Bytes are bounded too. */
    assert_int_equal(ov_peer_send(p, big, sizeof big, 0), OV_EFULL);
    assert_int_equal(wu_drops(a, QUEUE_FULL), 6);
    assert_int_equal(p->queued, OV_QUEUE_MAX);
    assert_int_equal(ov_peer_send(p, big, OV_QUEUE_BYTES, 0), OV_OK);
    assert_int_equal(p->queued, 1);
    assert_int_equal(p->queued_bytes, OV_QUEUE_BYTES);
    assert_int_equal(ov_peer_send(p, big, 1000, 0), OV_OK);
    assert_int_equal(p->queued, 1);
    assert_int_equal(p->queued_bytes, 1000);
    wu_free(w);
}

/* What waited goes out in order once there is a session, an empty message too. */
static void test_queue_flushed(void **state)
{
    struct wu *w = wu_new(2);
    struct wu_node *a = wu_node(w, 0), *b = wu_node(w, 0);
    struct ov_peer *p = wu_know(a, b);

    (void)state;
    ov_peer_hint(p, &b->ep);
    ov_peer_send(p, NULL, 0, 0);
    for (int i = 0; i < 10; i++)
        ov_peer_send(p, (uint8_t[]){0xee}, 1, 0);
    wu_drain(a);
    wu_run(w, OV_SEC);
    assert_int_equal(p->queued, 0);
    assert_null(p->queue);
    assert_int_equal(wu_drops(b, MALFORMED_MESSAGE), 10); /* 0xee is no message: each arrived */
    wu_free(w);
}

/* ---- handshakes ---- */

static void test_handshake_retries_and_gives_up(void **state)
{
    struct wu *w = wu_new(3);
    struct wu_node *a = wu_node(w, 0), *b = wu_node(w, 0);
    struct ov_peer *p = wu_know(a, b);
    ov_time began = w->now, last = 0, gap = 0, before = 0;
    size_t at = 0;

    (void)state;
    w->hook = drop_all;
    ov_peer_hint(p, &b->ep);
    ov_peer_send(p, (uint8_t[]){0xee}, 1, 0);
    wu_drain(a);
    wu_run(w, 120 * OV_SEC);
    for (size_t i = 0; i < w->nlog; i++, at++) {
        ov_time sent = w->log[i]->at - w->delay;
        assert_int_equal(w->log[i]->data[0], OV_WIRE_INITIATION);
        assert_int_equal(w->log[i]->len, OV_INITIATION_LEN);
        if (i > 0 && i < 10) /* slower and slower, at first */
            assert_true(sent - last > before);
        if (i == 4)
            assert_true(sent - began < 2 * OV_SEC);
        if (i > 0)
            assert_in_range(sent - last, 250 * OV_MS, 6250 * OV_MS);
        before = gap;
        gap = i ? sent - last : 0;
        last = sent;
    }
    assert_in_range(at, 15, 30);
    assert_true(last < began + 90 * OV_SEC);
    assert_false(p->hs_wanted);
    assert_int_equal(p->queued, 0);
    assert_int_equal(wu_drops(a, NO_PATH), 1); /* what waited */
    /* Something to send starts it again. */
    wu_log_clear(w);
    w->hook = NULL;
    ov_peer_send(p, (uint8_t[]){0xee}, 1, 0);
    wu_drain(a);
    wu_run(w, OV_SEC);
    assert_true(ov_peer_up(p));
    wu_free(w);
}

/* Roots and controllers are called for ever, at a slower pace. */
static void test_kept_peer_is_called_for_ever(void **state)
{
    struct wu *w = wu_new(4);
    struct wu_node *a = wu_node(w, 0), *root = wu_node(w, OV_CAP_ROOT);

    (void)state;
    w->hook = drop_all;
    wu_root(a, root);
    wu_run(w, 600 * OV_SEC);
    wu_log_clear(w);
    wu_run(w, 300 * OV_SEC);
    assert_in_range(initiations(w, a), 300 * 4 / 75, 20);
    w->hook = NULL;
    wu_run(w, 20 * OV_SEC);
    assert_true(ov_peer_up(wu_peer(a, root)));
    wu_free(w);
}

/* A dead root costs next to nothing, however long it stays away, and its old keys are wiped. */
static void test_long_dead_root(void **state)
{
    struct wu *w = wu_new(5);
    struct wu_node *a = wu_node(w, 0), *root = wu_node(w, OV_CAP_ROOT);
    unsigned turns = 0;

    (void)state;
    wu_root(a, root);
    wu_run(w, 5 * OV_SEC);
    assert_true(ov_peer_up(wu_peer(a, root)));
    wu_crash(root);
    wu_run(w, OV_WIPE_AFTER);
    ov_time end = w->now + 60 * OV_SEC;
    for (ov_time t; (t = ov_node_deadline(a->n)) <= end; turns++) {
        assert_true(turns < 1000);
        w->now = t > w->now ? t : w->now;
        ov_node_tick(a->n, w->now);
        wu_drain(a);
    }
    const struct ov_session *s = &wu_peer(a, root)->s;
    assert_null(s->current);
    assert_null(s->previous);
    assert_null(s->next);
    assert_true(wu_peer(a, root)->hs_wanted);
    wu_restart(root);
    wu_run(w, 30 * OV_SEC);
    assert_true(ov_peer_up(wu_peer(a, root)));
    wu_free(w);
}

/* Who starts anew elsewhere, a moment after it was met, is answered there at once. */
static void test_restart_elsewhere(void **state)
{
    struct wu *w = wu_new(20);
    struct wu_node *a = wu_node(w, 0), *root = wu_node(w, OV_CAP_ROOT);

    (void)state;
    wu_root(a, root);
    wu_run(w, 300 * OV_MS);
    struct ov_peer *p = wu_peer(root, a);
    assert_true(p && p->paths->active >= 0 && w->now - p->paths->since < OV_SEC);
    wu_crash(a);
    a->ep = wu_endpoint(98, 9998);
    wu_restart(a);
    wu_root(a, root);
    wu_run(w, 300 * OV_MS);
    assert_true(ov_peer_up(wu_peer(a, root)));
    assert_true(p->paths->active >= 0);
    assert_true(ov_endpoint_equal(&p->paths->p[p->paths->active].remote, &a->ep));
    wu_free(w);
}

/* Both call at the same moment: one session comes of it that works both ways. */
static void test_crossing_handshakes(void **state)
{
    struct wu *w = wu_new(6);
    struct wu_node *a = wu_node(w, 0), *b = wu_node(w, 0);
    struct ov_peer *pa = wu_know(a, b), *pb = wu_know(b, a);

    (void)state;
    ov_peer_hint(pa, &b->ep);
    ov_peer_hint(pb, &a->ep);
    ov_peer_connect(pa);
    ov_peer_connect(pb);
    wu_run(w, OV_SEC);
    assert_true(ov_peer_up(pa) && ov_peer_up(pb));
    uint64_t rx = pa->rx_datagrams, tx = pb->rx_datagrams;
    wu_message(a, b, (uint8_t[]){0xee}, 1);
    wu_message(b, a, (uint8_t[]){0xee}, 1);
    assert_true(pa->rx_datagrams > rx && pb->rx_datagrams > tx);
    assert_int_equal(wu_drops(a, UNKNOWN_SESSION) + wu_drops(b, UNKNOWN_SESSION), 0);
    assert_int_equal(wu_drops(a, AUTH) + wu_drops(b, AUTH), 0);
    wu_free(w);
}

/* The answer under the new key comes another way than our response went, and no root is there: that
 * the response arrived is proven, and nothing of the other place. */
static void test_answer_from_elsewhere(void **state)
{
    struct wu *w = wu_new(7);
    struct wu_node *a = wu_node(w, 0), *b = wu_node(w, 0);
    struct ov_peer *p = wu_know(a, b);
    static const struct ov_endpoint moved = {{4, {203, 0, 113, 9}}, 5000, 0};

    (void)state;
    ov_peer_hint(p, &b->ep);
    ov_peer_connect(p);
    while (!wu_sent(w, a, OV_WIRE_DATA))
        wu_run(w, OV_MS);
    wu_inject(b, &moved, wu_sent(w, a, OV_WIRE_DATA)->data, wu_sent(w, a, OV_WIRE_DATA)->len);
    struct ov_peer *q = wu_peer(b, a);
    assert_true(ov_peer_up(q));
    int i = ov_paths_find(q->paths, 0, &a->ep), k = ov_paths_find(q->paths, 0, &moved);
    assert_true(i >= 0 && k >= 0);
    assert_int_equal(q->paths->p[i].state, OV_PATH_VALID);
    assert_int_equal(q->paths->p[k].state, OV_PATH_TRYING);
    assert_int_equal(q->paths->active, i);
    wu_run(w, 15 * OV_SEC);
    wu_message(a, b, (uint8_t[]){0xee}, 1);
    assert_int_equal(wu_drops(b, MALFORMED_MESSAGE), 1);
    assert_int_not_equal(q->paths->p[k].state, OV_PATH_VALID); /* never answered */
    wu_free(w);
}

/* A node with several addresses goes on from the one where it was last heard of, until that is its
 * own no more. */
static void test_learns_its_own_address(void **state)
{
    struct wu *w = wu_new(70);
    struct wu_node *a = wu_node(w, 0), *b = wu_node(w, 0);
    static const struct ov_local ours[] = {{0, {{4, {198, 51, 100, 1}}, 4001, 0}},
                                           {0, {{4, {198, 51, 100, 2}}, 4001, 0}}};

    (void)state;
    ov_node_set_locals(a->n, ours, 2, w->now);
    a->local = ours[1].ep.ip;
    wu_connect(b, a);
    assert_true(ov_ip_equal(&wu_sent(w, a, OV_WIRE_RESPONSE)->pin, &a->local));
    wu_message(a, b, (uint8_t[]){0xee}, 1);
    assert_true(ov_ip_equal(&wu_sent(w, a, OV_WIRE_DATA)->pin, &a->local));
    assert_int_equal(wu_sent(w, b, OV_WIRE_DATA)->pin.family, 0); /* it knows of no address */

    a->local = ours[0].ep.ip;
    wu_message(b, a, (uint8_t[]){0xee}, 1);
    wu_message(a, b, (uint8_t[]){0xee}, 1);
    assert_true(ov_ip_equal(&wu_sent(w, a, OV_WIRE_DATA)->pin, &a->local));

    struct ov_peer *p = wu_peer(a, b);
    ov_node_set_locals(a->n, &ours[0], 1, w->now); /* another one goes: this stays */
    assert_true(ov_ip_equal(&p->paths->p[p->paths->active].local, &a->local));
    ov_node_set_locals(a->n, &ours[1], 1, w->now);
    assert_int_equal(p->paths->p[p->paths->active].local.family, 0);
    wu_free(w);
}

/* Forged or repeated packets teach it nothing. */
static void test_learns_of_none_but_the_peer(void **state)
{
    struct wu *w = wu_new(71);
    struct wu_node *a = wu_node(w, 0), *b = wu_node(w, 0);
    uint8_t copy[256];

    (void)state;
    a->local = (struct ov_ip){4, {198, 51, 100, 1}};
    wu_connect(b, a);
    wu_message(b, a, (uint8_t[]){0xee}, 1);
    const struct ov_path *path = &wu_peer(a, b)->paths->p[wu_peer(a, b)->paths->active];
    const struct wu_packet *data = wu_sent(w, b, OV_WIRE_DATA);
    struct ov_ip learned = a->local;
    assert_true(ov_ip_equal(&path->local, &learned));
    assert_true(data->len <= sizeof copy);
    memcpy(copy, data->data, data->len);
    a->local = (struct ov_ip){4, {198, 51, 100, 66}};
    wu_inject(a, &b->ep, copy, data->len);
    copy[8] ^= 0x40;
    wu_inject(a, &b->ep, copy, data->len);
    assert_int_equal(wu_drops(a, REPLAY) + wu_drops(a, AUTH), 2);
    assert_true(ov_ip_equal(&path->local, &learned));
    wu_free(w);
}

/* One that is met for months is stored anew each day, so that it does not look forgotten. */
static void test_stored_again(void **state)
{
    struct wu *w = wu_new(72);
    struct wu_node *root = wu_node(w, OV_CAP_ROOT), *n = wu_node(w, 0);
    const struct wu_stored *s;
    uint8_t first[256];

    (void)state;
    wu_root(n, root);
    wu_run(w, 60 * OV_SEC);
    assert_non_null(s = wu_stored(n, OV_PERSIST_PEER, root->addr));
    assert_true(s->len <= sizeof first);
    memcpy(first, s->data, s->len);
    wu_run(w, 20 * 3600 * OV_SEC);
    assert_non_null(s = wu_stored(n, OV_PERSIST_PEER, root->addr));
    assert_memory_equal(s->data, first, s->len);
    wu_run(w, 5 * 3600 * OV_SEC);
    assert_non_null(s = wu_stored(n, OV_PERSIST_PEER, root->addr));
    assert_memory_not_equal(s->data, first, s->len);
    wu_free(w);
}

/* ---- silence ---- */

struct silence {
    struct wu *w;
    struct wu_node *a, *b, *root;
    struct ov_peer *p;
};

/* Two that talk directly, with a root to fall back to. */
static struct silence talking(uint64_t seed)
{
    struct silence s = {.w = wu_new(seed)};

    s.root = wu_node(s.w, OV_CAP_ROOT);
    s.a = wu_node(s.w, 0);
    s.b = wu_node(s.w, 0);
    wu_root(s.a, s.root);
    wu_root(s.b, s.root);
    wu_run(s.w, OV_SEC);
    wu_connect(s.a, s.b);
    s.p = wu_peer(s.a, s.b);
    send_frame(s.a, s.p);
    wu_run(s.w, 3 * OV_SEC);
    assert_true(s.p->paths->active >= 0);
    return s;
}

/* Only the direct way is dead: root and relay live. */
static bool no_direct(void *arg, struct wu_packet *p)
{
    const struct silence *s = arg;

    return !(p->src == s->a && ov_endpoint_equal(&p->to, &s->b->ep)) &&
           !(p->src == s->b && ov_endpoint_equal(&p->to, &s->a->ep));
}

static bool relayed(void *arg)
{
    const struct silence *s = arg;

    return wu_sent(s->w, s->a, OV_WIRE_RELAY) != NULL;
}

static bool path_gone(void *arg)
{
    const struct silence *s = arg;

    return s->p->paths->active == OV_PATH_RELAY;
}

static bool probed(void *arg)
{
    const struct silence *s = arg;

    return wu_count_sent(s->w, s->a, &s->b->ep) > 1;
}

static bool unpinned(void *arg) /* what leaves now does so from wherever the host thinks best */
{
    const struct silence *s = arg;

    return s->p->paths->p[s->p->paths->active].local.family == 0;
}

/* A path that falls silent while we send is asked, covered by the relay, then dead. */
static void test_doubt_cover_dead(void **state)
{
    struct silence s = talking(8);

    (void)state;
    s.w->hook = no_direct;
    s.w->hook_arg = &s;
    /* Not while a keepalive is about to be sent. */
    s.p->keepalive_next = s.w->now + 15 * OV_SEC;
    wu_log_clear(s.w);
    ov_time began = s.w->now;
    struct ov_path *path = &s.p->paths->p[s.p->paths->active];
    path->local = (struct ov_ip){4, {198, 51, 100, 1}};
    send_frame(s.a, s.p);
    assert_int_equal(wu_sent(s.w, s.a, OV_WIRE_DATA)->pin.family, 4);
    assert_true(wu_until(s.w, probed, &s, 10 * OV_SEC));
    ov_time quiet = s.w->now - began;
    assert_in_range(quiet, 200 * OV_MS, 300 * OV_MS); /* and a round trip of 10 ms */
    assert_null(wu_sent(s.w, s.a, OV_WIRE_RELAY));
    assert_true(wu_until(s.w, unpinned, &s, OV_SEC));
    /* Frames sent now go both ways, and arrive. */
    send_frame(s.a, s.p);
    assert_true(relayed(&s));
    assert_in_range(s.w->now - began, 2 * quiet, 2 * quiet + 250 * OV_MS);
    uint64_t heard = wu_peer(s.b, s.a)->rx_datagrams;
    send_frame(s.a, s.p);
    wu_run(s.w, 20 * OV_MS);
    assert_true(wu_peer(s.b, s.a)->rx_datagrams > heard);
    assert_true(wu_until(s.w, path_gone, &s, 10 * OV_SEC));
    assert_in_range(s.w->now - began, OV_PATH_DEAD, OV_PATH_DEAD + 10 * OV_MS);
    wu_free(s.w);
}

/* A path that answers again in time is not dead. */
static void test_doubt_ends(void **state)
{
    struct silence s = talking(9);
    int path = s.p->paths->active;

    (void)state;
    s.w->hook = no_direct;
    s.w->hook_arg = &s;
    send_frame(s.a, s.p);
    wu_run(s.w, 3 * OV_SEC);
    assert_int_not_equal(s.p->unanswered, 0);
    s.w->hook = NULL;
    wu_run(s.w, OV_SEC);
    assert_int_equal(s.p->unanswered, 0);
    assert_int_equal(s.p->unheard, 0);
    wu_run(s.w, 5 * OV_SEC);
    assert_int_equal(s.p->paths->active, path);
    wu_free(s.w);
}

/* One that has lost its keys is called anew after OV_UNHEARD. */
static void test_unheard_leads_to_handshake(void **state)
{
    struct wu *w = wu_new(10);
    struct wu_node *a = wu_node(w, 0), *b = wu_node(w, 0);

    (void)state;
    wu_connect(a, b);
    wu_restart(b);
    wu_log_clear(w);
    ov_time began = w->now;
    send_frame(a, wu_peer(a, b));
    wu_run(w, OV_UNHEARD - OV_MS);
    assert_null(wu_sent(w, a, OV_WIRE_INITIATION));
    wu_run(w, 10 * OV_MS);
    const struct wu_packet *i = wu_sent(w, a, OV_WIRE_INITIATION);
    assert_non_null(i);
    assert_int_equal(i->at - w->delay - began, OV_UNHEARD);
    wu_run(w, OV_SEC);
    wu_message(a, b, (uint8_t[]){0xee}, 1);
    assert_int_equal(wu_drops(b, MALFORMED_MESSAGE), 1);
    wu_free(w);
}

/* ---- keepalive, rekeying, forgetting ---- */

static void test_keepalive(void **state)
{
    struct wu *w = wu_new(11);
    struct wu_node *a = wu_node(w, 0), *b = wu_node(w, 0), *root = wu_node(w, OV_CAP_ROOT);

    (void)state;
    wu_root(a, root);
    wu_connect(a, b);
    wu_run(w, 5 * OV_SEC);
    wu_log_clear(w);
    wu_run(w, 100 * OV_SEC);
    /* The root about each 20 s; somebody we do not talk with, never. */
    assert_in_range(wu_count_sent(w, a, &root->ep), 4, 6);
    assert_int_equal(wu_count_sent(w, a, &b->ep), 0);
    send_frame(a, wu_peer(a, b));
    wu_run(w, 2 * OV_SEC);
    wu_log_clear(w);
    wu_run(w, 57 * OV_SEC);
    unsigned n = wu_count_sent(w, a, &b->ep);
    assert_in_range(n, 3, 16); /* path and path MTU, each 15 s */
    wu_run(w, 10 * OV_SEC);
    wu_log_clear(w);
    wu_run(w, 40 * OV_SEC);
    assert_int_equal(wu_count_sent(w, a, &b->ep), 0);
    wu_free(w);
}

static bool drop_large(void *arg, struct wu_packet *p)
{
    return p->len <= *(size_t *)arg;
}

/* A line that takes less from now on and says nothing of it is noticed while it matters. */
static void test_mtu_shrinks(void **state)
{
    struct wu *w = wu_new(9);
    struct wu_node *a = wu_node(w, 0), *b = wu_node(w, 0);
    static const uint8_t large[1300] = {OV_MSG_FRAME};
    size_t line = 1500;

    (void)state;
    w->hook = drop_large;
    w->hook_arg = &line;
    wu_connect(a, b);
    struct ov_peer *p = wu_peer(a, b);
    send_frame(a, p);
    wu_run(w, 3 * OV_SEC);
    const struct ov_path_quality *q = &p->paths->p[p->paths->active].q;
    assert_int_equal(q->mtu, 1472);
    /* No longer than a TCP has patience: it has sent, and goes silent more and more. */
    line = 1300;
    ov_peer_send(p, large, sizeof large, OV_SEND_FRAME);
    wu_drain(a);
    wu_run(w, 2 * OV_SEC);
    ov_peer_send(p, large, sizeof large, OV_SEND_FRAME);
    wu_drain(a);
    wu_run(w, 6 * OV_SEC);
    assert_int_equal(q->mtu, OV_PATH_MTU_MIN);
    assert_true(p->paths->active >= 0);
    /* Once it takes more again, that is found, too. */
    line = 1500;
    for (int i = 0; i < 70; i++) {
        send_frame(a, p);
        wu_run(w, OV_SEC);
    }
    assert_int_equal(q->mtu, 1472);
    /* Nobody asks while nothing large is sent. */
    wu_log_clear(w);
    send_frame(a, p);
    wu_run(w, 60 * OV_SEC);
    for (size_t i = 0; i < w->nlog; i++)
        assert_int_not_equal(w->log[i]->len, 1472);
    wu_free(w);
}

static void test_rekey(void **state)
{
    struct wu *w = wu_new(12);
    struct wu_node *a = wu_node(w, 0), *b = wu_node(w, 0);

    (void)state;
    wu_connect(a, b);
    struct ov_peer *p = wu_peer(a, b);
    uint32_t first = p->s.current->index.id;
    for (int i = 0; i < 115; i++) {
        send_frame(a, p);
        wu_run(w, OV_SEC);
    }
    assert_int_equal(p->s.current->index.id, first);
    for (int i = 0; i < 10; i++) {
        send_frame(a, p);
        wu_run(w, OV_SEC);
    }
    assert_int_not_equal(p->s.current->index.id, first);
    assert_non_null(p->s.previous); /* for packets under way */
    assert_int_equal(p->s.previous->index.id, first);
    assert_int_equal(wu_drops(b, UNKNOWN_SESSION) + wu_drops(b, AUTH), 0);
    wu_free(w);
}

/* Without traffic keys are refused after 180 s, wiped after 540 s, and the peer forgotten. */
static void test_forget(void **state)
{
    struct wu *w = wu_new(13);
    struct wu_node *a = wu_node(w, 0), *b = wu_node(w, 0);

    (void)state;
    wu_connect(a, b);
    ov_time began = w->now;
    wu_run(w, OV_REJECT_AFTER);
    ov_node_tick(a->n, w->now);
    assert_false(ov_peer_up(wu_peer(a, b)));
    assert_non_null(wu_peer(a, b)->s.current);
    wu_run(w, OV_WIPE_AFTER - OV_REJECT_AFTER);
    assert_null(wu_peer(a, b)->s.current);
    assert_null(wu_peer(b, a)->s.current);
    assert_int_equal(a->e->indices.len, 0);
    wu_run(w, OV_PEER_FORGET - (w->now - began) - 2 * OV_SEC);
    assert_non_null(wu_peer(a, b));
    wu_run(w, 3 * OV_SEC);
    assert_null(wu_peer(a, b));
    assert_null(wu_peer(b, a));
    assert_int_equal(a->e->by_key.len, 0);
    wu_free(w);
}

/* ---- the table ---- */

static void test_eviction(void **state)
{
    struct wu *w = wu_new(14);
    struct wu_node *a = wu_node_with(w, &(struct ov_node_config){.max_peers = 6});
    struct wu_node *b = wu_node(w, 0), *root = wu_node(w, OV_CAP_ROOT);
    struct ov_peer *p;

    (void)state;
    wu_root(a, root);
    wu_connect(a, b);
    for (ov_addr i = 1; i <= 50; i++) {
        struct ov_identity id = wu_fake(w, 0x1000000000 + i);
        ov_node_tick(a->n, w->now);
        assert_int_equal(ov_peer_get(a->e, &id, &p), OV_OK);
        assert_in_range(a->e->peers.len, 3, 6);
        assert_int_equal(a->e->peers.len, a->e->by_key.len);
        wu_run(w, 10 * OV_MS);
    }
    /* The kept one and the one with a session stay; of the rest, the last heard of. */
    assert_non_null(wu_peer(a, root));
    assert_non_null(wu_peer(a, b));
    for (ov_addr i = 47; i <= 50; i++)
        assert_non_null(ov_peer_find(a->e, 0x1000000000 + i));
    wu_free(w);
}

/* Who was here once, perhaps before a restart, and members stay longer than strangers who were
 * never heard to hold their key, however many and however new they are; whom we call, too. */
static void test_eviction_unproven(void **state)
{
    struct wu *w = wu_new(14);
    struct wu_node *a = wu_node_with(w, &(struct ov_node_config){.max_peers = 6});
    struct wu_node *b = wu_node(w, 0);
    struct ov_identity called = wu_fake(w, 0x1000000001), stored = wu_fake(w, 0x1000000002),
                       member = wu_fake(w, 0x1000000003);
    struct ov_peer *p;

    (void)state;
    wu_connect(a, b);
    wu_peer(a, b)->keep = false;
    wu_run(w, OV_WIPE_AFTER + OV_SEC);
    ov_node_tick(a->n, w->now);
    assert_non_null(wu_peer(a, b));
    assert_null(wu_peer(a, b)->s.current);
    assert_int_equal(ov_peer_get(a->e, &called, &p), OV_OK);
    ov_peer_connect(p);
    assert_true(p->hs_wanted);
    assert_int_equal(ov_peer_get(a->e, &stored, &p), OV_OK);
    p->remember = true;
    assert_int_equal(ov_peer_get(a->e, &member, &p), OV_OK);
    p->upper = w; /* (not looked into here) */
    for (ov_addr i = 4; i <= 50; i++) {
        struct ov_identity id = wu_fake(w, 0x1000000000 + i);
        w->now += OV_MS;
        ov_node_tick(a->n, w->now);
        assert_int_equal(ov_peer_get(a->e, &id, &p), OV_OK);
        assert_in_range(a->e->peers.len, 5, 6);
        assert_non_null(wu_peer(a, b));
        assert_non_null(ov_peer_find(a->e, called.addr));
        assert_non_null(ov_peer_find(a->e, stored.addr));
        assert_non_null(ov_peer_find(a->e, member.addr));
    }
    ov_peer_find(a->e, member.addr)->upper = NULL;
    wu_free(w);
}

static bool drop_responses(void *arg, struct wu_packet *p)
{
    (void)arg;
    return p->data[0] != OV_WIRE_RESPONSE;
}

static void call(struct wu_node *n, struct wu_node *other)
{
    struct ov_peer *p = wu_know(n, other);

    ov_node_tick(n->n, n->w->now);
    ov_peer_hint(p, &other->ep);
    ov_peer_connect(p);
    wu_drain(n);
}

/* Who was just answered is given the time to prove itself, in a table full of those who were here
 * once; and no more than that. */
static void test_eviction_newcomers(void **state)
{
    struct wu *w = wu_new(15);
    struct wu_node *a = wu_node_with(w, &(struct ov_node_config){.max_peers = 4});
    struct wu_node *new[3] = {wu_node(w, 0), wu_node(w, 0), wu_node(w, 0)};
    struct ov_peer *p, *old;

    (void)state;
    for (ov_addr i = 1; i <= 4; i++) {
        struct ov_identity id = wu_fake(w, 0x1000000000 + i);
        assert_int_equal(ov_peer_get(a->e, &id, &p), OV_OK);
        p->remember = true;
    }
    w->hook = drop_responses;
    for (int i = 0; i < 3; i++) {
        call(new[i], a);
        wu_run(w, 100 * OV_MS);
        for (int k = 0; k <= i; k++) {
            p = wu_peer(a, new[k]);
            assert_non_null(p);
            assert_true(p->s.next && !p->s.current);
        }
        assert_int_equal(a->e->peers.len, 4);
    }
    old = ov_map_next(&a->e->peers, &(size_t){0}, NULL);
    for (size_t it = 0; !old->remember;)
        old = ov_map_next(&a->e->peers, &it, NULL);
    w->hook = NULL;
    wu_run(w, 3 * OV_SEC); /* they ask again */
    for (int i = 0; i < 3; i++)
        assert_true(ov_peer_up(wu_peer(a, new[i])));
    assert_ptr_equal(ov_peer_find(a->e, old->id.addr), old);
    wu_free(w);

    /* One that does not use the time goes before one that was here. */
    w = wu_new(16);
    a = wu_node_with(w, &(struct ov_node_config){.max_peers = 2});
    new[0] = wu_node(w, 0);
    struct ov_identity was = wu_fake(w, 0x1000000001), id = wu_fake(w, 0x1000000002);
    assert_int_equal(ov_peer_get(a->e, &was, &p), OV_OK);
    p->remember = true;
    w->hook = drop_responses;
    call(new[0], a);
    wu_run(w, 100 * OV_MS);
    assert_non_null(wu_peer(a, new[0]));
    w->hook = drop_all;
    wu_run(w, 6 * OV_SEC);
    ov_node_tick(a->n, w->now);
    assert_int_equal(ov_peer_get(a->e, &id, &p), OV_OK);
    assert_null(wu_peer(a, new[0]));
    assert_non_null(ov_peer_find(a->e, was.addr));
    wu_free(w);
}

/* Proven identities are made once, and kept up for a datagram now and then: a table full of them
 * takes the place of nobody whom we know, and of no newcomer. */
static void test_eviction_strangers(void **state)
{
    struct wu *w = wu_new(17);
    struct wu_node *a = wu_node_with(w, &(struct ov_node_config){.max_peers = 8});
    struct wu_node *member[3] = {wu_node(w, 0), wu_node(w, 0), wu_node(w, 0)}, *enemy[8], *new;
    static const uint8_t nothing[1] = {0xee};

    (void)state;
    wu_tie_all(a, true);
    for (int i = 0; i < 3; i++)
        wu_connect(member[i], a);
    wu_peer(a, member[0])->remember = true;
    wu_peer(a, member[1])->announced = OV_BOND_OURS;
    wu_peer(a, member[2])->announced = OV_BOND_ANNOUNCED;
    for (int i = 0; i < 8; i++)
        enemy[i] = wu_node(w, 0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 8; i++) { /* more of them than places, and all are alive */
            if (!wu_peer(enemy[i], a))
                wu_connect(enemy[i], a);
            ov_peer_rehandshake(wu_peer(enemy[i], a));
            wu_run(w, 300 * OV_MS);
            assert_true(ov_peer_up(wu_peer(a, enemy[i])));
            wu_message(enemy[i], a, nothing, 1);
        }
        assert_int_equal(a->e->peers.len, 8);
        new = wu_node(w, 0);
        wu_connect(new, a); /* gets in, and stays while those who are older are there */
        for (int i = 0; i < 4; i++) {
            assert_true(ov_peer_up(wu_peer(a, new)));
            wu_connect(wu_node(w, 0), a);
        }
        for (int i = 0; i < 3; i++)
            assert_true(ov_peer_up(wu_peer(a, member[i])));
    }
    assert_int_equal(wu_drops(a, TABLE_FULL), 0);
    wu_free(w);
}

/* When nobody can go, there is no room. */
static void test_eviction_refused(void **state)
{
    struct wu *w = wu_new(15);
    struct wu_node *a = wu_node_with(w, &(struct ov_node_config){.max_peers = 2});
    struct wu_node *b = wu_node(w, 0), *c = wu_node(w, 0);
    struct ov_identity id = wu_fake(w, 0x1000000001);
    struct ov_peer *p;

    (void)state;
    wu_tie_all(a, true);
    wu_connect(a, b);
    wu_connect(a, c);
    wu_peer(a, b)->remember = wu_peer(a, c)->remember = true;
    assert_int_equal(ov_peer_get(a->e, &id, &p), OV_EFULL);
    assert_int_equal(wu_drops(a, TABLE_FULL), 1);
    assert_int_equal(ov_peer_get(a->e, &a->id.pub, &p), OV_EINVAL);
    /* A member whose session was not used for a while may go. */
    wu_run(w, OV_PEER_ACTIVE + OV_SEC);
    ov_node_tick(a->n, w->now);
    assert_int_equal(ov_peer_get(a->e, &id, &p), OV_OK);
    assert_int_equal(a->e->peers.len, 2);
    wu_free(w);
}

static void test_hints(void **state)
{
    struct wu *w = wu_new(16);
    struct wu_node *a = wu_node(w, 0), *b = wu_node(w, 0);
    struct ov_peer *p = wu_know(a, b);

    (void)state;
    for (uint16_t i = 0; i < 10; i++) {
        struct ov_endpoint ep = wu_endpoint(200, i);
        ov_peer_hint(p, &ep);
        ov_peer_hint(p, &ep);
    }
    assert_int_equal(p->nhints, OV_HINTS_MAX);
    for (int i = 0; i < OV_HINTS_MAX; i++)
        assert_int_equal(p->hints[i].port, 10 - OV_HINTS_MAX + i);
    wu_free(w);
}

/* ---- network change ---- */

static void test_network_changed(void **state)
{
    struct silence s = talking(17);
    struct ov_peer *root = wu_peer(s.a, s.root);

    (void)state;
    wu_log_clear(s.w);
    s.a->ep = wu_endpoint(99, 9999); /* we are elsewhere now */
    ov_node_set_locals(s.a->n, &(struct ov_local){0, s.a->ep}, 1, s.w->now);
    for (int i = 0; i < OV_PATHS_MAX; i++)
        assert_int_not_equal(s.p->paths->p[i].state, OV_PATH_VALID);
    assert_int_equal(s.p->paths->active, OV_PATH_RELAY);
    wu_drain(s.a);
    assert_non_null(wu_sent(s.w, s.a, OV_WIRE_INITIATION)); /* to the root, at once */
    wu_run(s.w, OV_SEC);
    assert_true(ov_peer_online(root));
    assert_true(ov_endpoint_equal(&root->seen, &s.a->ep));
    send_frame(s.a, s.p);
    wu_run(s.w, 3 * OV_SEC);
    assert_true(s.p->paths->active >= 0); /* punched anew */
    struct ov_peer *q = wu_peer(s.b, s.a);
    assert_true(ov_endpoint_equal(&q->paths->p[q->paths->active].remote, &s.a->ep));
    /* The same list again is no change. */
    wu_log_clear(s.w);
    ov_node_set_locals(s.a->n, &(struct ov_local){0, s.a->ep}, 1, s.w->now);
    wu_drain(s.a);
    assert_true(s.p->paths->active >= 0);
    assert_int_equal(s.w->nlog, 0);
    wu_free(s.w);
}

/* The host routes elsewhere, though it has its addresses still: what was learned of the one to send
 * from counts no more, or its packets would leave by the new way with the address of the old one.
 */
static void test_rerouted(void **state)
{
    struct silence s = talking(20);
    struct ov_peer *root = wu_peer(s.a, s.root), *client = wu_peer(s.root, s.a);
    int i = s.p->paths->active;

    (void)state;
    assert_true(i >= 0);
    struct ov_path *path = &s.p->paths->p[i], *to_root = &root->paths->p[root->paths->active],
                   *to_client = &client->paths->p[client->paths->active];
    ov_node_set_locals(s.a->n, &(struct ov_local){0, s.a->ep}, 1, s.w->now);
    ov_node_set_locals(s.root->n, &(struct ov_local){0, s.root->ep}, 1, s.w->now);
    path->local = to_root->local = s.a->ep.ip;
    to_client->local = s.root->ep.ip;
    ov_node_network_changed(s.root->n, s.w->now);
    assert_true(ov_ip_equal(&to_client->local, &s.root->ep.ip)); /* or its router lets nothing in */
    ov_node_network_changed(s.a->n, s.w->now);
    assert_int_equal(to_root->local.family, 0);
    assert_int_equal(path->local.family, 0);
    assert_int_equal(path->state, OV_PATH_TRYING);
    assert_int_equal(s.p->paths->active, OV_PATH_RELAY);
    wu_drain(s.a);
    wu_run(s.w, OV_SEC);
    assert_int_equal(s.p->paths->active, i);
    wu_free(s.w);
}

/* Another way out for one family is none of the other's business. */
static void test_rerouted_family(void **state)
{
    struct silence s = talking(22);
    struct ov_endpoint six = {.ip = {6, {0x20, 0x01, 0x0d, 0xb8}}, .port = 7};

    (void)state;
    wu_run(s.w, 3 * OV_SEC);
    int i = s.p->paths->active;
    assert_true(i >= 0);
    int k = ov_paths_add(s.p->paths, 0, &six, OV_CANDIDATE_SEEN, s.w->now);
    s.p->paths->p[k].state = OV_PATH_VALID;
    s.p->paths->p[k].last_rx = s.p->paths->p[k].last_ok = s.w->now;
    ov_time nat = s.a->e->changed;
    wu_log_clear(s.w);
    ov_node_rerouted(s.a->n, 6, s.w->now);
    wu_drain(s.a);
    assert_int_equal(s.p->paths->active, i);
    assert_int_equal(s.p->paths->p[i].state, OV_PATH_VALID);
    assert_int_equal(s.p->paths->p[k].state, OV_PATH_TRYING);
    assert_int_equal(s.a->e->changed, nat);
    assert_null(wu_sent(s.w, s.a, OV_WIRE_INITIATION));
    s.p->paths->p[k].state = OV_PATH_VALID;
    ov_node_rerouted(s.a->n, 4, s.w->now);
    wu_drain(s.a);
    assert_int_equal(s.p->paths->active, OV_PATH_RELAY);
    assert_int_equal(s.p->paths->p[i].state, OV_PATH_TRYING);
    assert_int_equal(s.p->paths->p[k].state, OV_PATH_VALID);
    assert_int_equal(s.a->e->changed, s.w->now);
    assert_non_null(wu_sent(s.w, s.a, OV_WIRE_INITIATION)); /* to the root */
    wu_free(s.w);
}

/* ---- large messages ---- */

static void test_fragmented(void **state)
{
    struct wu *w = wu_new(18);
    struct wu_node *a = wu_node(w, 0), *b = wu_node(w, 0);
    static uint8_t msg[OV_MESSAGE_MAX + 1] = {0xee};

    (void)state;
    wu_connect(a, b);
    wu_log_clear(w);
    wu_message(a, b, msg, OV_MESSAGE_MAX);
    assert_int_equal(wu_drops(b, MALFORMED_MESSAGE), 1); /* arrived whole: 0xee is no message */
    assert_int_equal(wu_drops(b, FRAGMENTS), 0);
    assert_int_equal(b->e->reassembly.bytes, 0);
    for (size_t i = 0; i < w->nlog; i++)
        assert_true(w->log[i]->len <= OV_PATH_MTU_MIN);
    assert_int_equal(ov_peer_send(wu_peer(a, b), msg, sizeof msg, 0), OV_EINVAL);
    assert_int_equal(wu_drops(a, TOO_LARGE), 1);
    wu_free(w);
}

/* One message's first piece. */
static void send_piece(struct wu_node *a, struct wu_node *b, uint16_t id)
{
    static const uint8_t bytes[100];
    struct ov_msg_fragment f = {id, 0, 1000, {bytes, sizeof bytes}};
    uint8_t buf[200];
    struct ov_writer w;

    ov_writer_init(&w, buf, sizeof buf);
    ov_msg_fragment_encode(&w, &f);
    wu_message(a, b, buf, w.len);
}

/* Pieces take memory of the whole node: it is bounded, given back in time, and with the peer. */
static void test_reassembly_memory(void **state)
{
    struct wu *w = wu_new(19);
    struct wu_node *a = wu_node(w, 0), *b = wu_node(w, 0);
    const size_t limit = OV_REASSEMBLY_TOTAL - OV_REASSEMBLY_STRANGERS;

    (void)state;
    wu_connect(a, b);
    wu_peer(b, a)->remember = true;
    for (uint16_t id = 0; id < 10; id++) {
        send_piece(a, b, id);
        assert_true(b->e->reassembly.bytes <= OV_FRAGMENT_SLOTS * 1000);
    }
    assert_int_equal(b->e->reassembly.bytes, OV_FRAGMENT_SLOTS * 1000);
    assert_int_equal(wu_drops(b, FRAGMENTS), 10 - OV_FRAGMENT_SLOTS);
    wu_run(w, OV_FRAGMENT_LIFE + OV_SEC);
    assert_int_equal(b->e->reassembly.bytes, 0);
    b->e->reassembly.bytes = limit - 1999; /* of others */
    for (uint16_t id = 20; id < 23; id++)
        send_piece(a, b, id);
    assert_int_equal(b->e->reassembly.bytes, limit - 999);
    ov_peer_forget(wu_peer(b, a));
    assert_int_equal(b->e->reassembly.bytes, limit - 1999);
    wu_free(w);
}

/* A session alone gives a place for one message, of memory that is not that of those we know. */
static void test_reassembly_of_strangers(void **state)
{
    struct wu *w = wu_new(20);
    struct wu_node *a = wu_node(w, 0), *b = wu_node(w, 0), *c = wu_node(w, 0);

    (void)state;
    wu_connect(a, b);
    wu_connect(c, b);
    for (uint16_t id = 0; id < 5; id++)
        send_piece(a, b, id);
    assert_int_equal(b->e->reassembly_strangers.bytes, 1000);
    assert_int_equal(b->e->reassembly.bytes, 0);
    assert_int_equal(wu_drops(b, FRAGMENTS), 4);
    b->e->reassembly_strangers.bytes = OV_REASSEMBLY_STRANGERS; /* many of them */
    wu_peer(b, c)->remember = true;
    send_piece(c, b, 7);
    assert_int_equal(b->e->reassembly.bytes, 1000);
    /* What was begun as a stranger's stays on that account. */
    b->e->reassembly_strangers.bytes = 1000;
    wu_peer(b, a)->remember = true;
    send_piece(a, b, 8);
    assert_int_equal(b->e->reassembly.bytes, 2000);
    wu_run(w, OV_FRAGMENT_LIFE + OV_SEC);
    assert_int_equal(b->e->reassembly.bytes, 0);
    assert_int_equal(b->e->reassembly_strangers.bytes, 0);
    wu_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queue_bounds),
        cmocka_unit_test(test_queue_flushed),
        cmocka_unit_test(test_handshake_retries_and_gives_up),
        cmocka_unit_test(test_kept_peer_is_called_for_ever),
        cmocka_unit_test(test_long_dead_root),
        cmocka_unit_test(test_restart_elsewhere),
        cmocka_unit_test(test_crossing_handshakes),
        cmocka_unit_test(test_answer_from_elsewhere),
        cmocka_unit_test(test_learns_its_own_address),
        cmocka_unit_test(test_learns_of_none_but_the_peer),
        cmocka_unit_test(test_stored_again),
        cmocka_unit_test(test_doubt_cover_dead),
        cmocka_unit_test(test_doubt_ends),
        cmocka_unit_test(test_unheard_leads_to_handshake),
        cmocka_unit_test(test_keepalive),
        cmocka_unit_test(test_mtu_shrinks),
        cmocka_unit_test(test_rekey),
        cmocka_unit_test(test_forget),
        cmocka_unit_test(test_eviction),
        cmocka_unit_test(test_eviction_unproven),
        cmocka_unit_test(test_eviction_newcomers),
        cmocka_unit_test(test_eviction_strangers),
        cmocka_unit_test(test_eviction_refused),
        cmocka_unit_test(test_hints),
        cmocka_unit_test(test_network_changed),
        cmocka_unit_test(test_rerouted),
        cmocka_unit_test(test_rerouted_family),
        cmocka_unit_test(test_fragmented),
        cmocka_unit_test(test_reassembly_memory),
        cmocka_unit_test(test_reassembly_of_strangers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
