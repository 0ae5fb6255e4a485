/* What one of many peers may cost: memory, and nothing that grows with the others. */
#include "core/member.h"
#include "core/punch.h"
#include "wire_up.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <malloc.h>
#include <string.h>

#define MANY       2000
#define IDLE_MAX   2048  /* bytes of a peer that is only known */
#define ACTIVE_MAX 16384 /* and of one with a session and traffic */

static size_t size_of(void *p)
{
    return p ? malloc_usable_size(p) + sizeof(size_t) : 0;
}

/* A peer's part of the tables that hold all. */
static size_t share(const struct ov_engine *e)
{
    size_t tables = size_of(e->peers.slots) + size_of(e->by_key.slots) + size_of(e->timers.heap) +
                    size_of(e->indices.slots);

    return tables / (e->peers.len ? e->peers.len : 1);
}

static size_t key_bytes(struct ov_keypair *kp)
{
    return kp ? size_of(kp) + size_of(kp->relay_replay) : 0;
}

static size_t peer_bytes(struct ov_peer *p)
{
    return size_of(p) + size_of(p->paths) + size_of(p->punch) + size_of(p->fragments) +
           size_of(p->s.hs) + key_bytes(p->s.current) + key_bytes(p->s.previous) +
           key_bytes(p->s.next) + share(p->e);
}

static size_t member_bytes(struct ov_member *m)
{
    return size_of(m) + size_of(m->groups) + 2 * 4 * 24; /* and two entries of tables half empty */
}

static void know(struct wu_node *n, const struct ov_identity *id)
{
    uint8_t buf[128], raw[OV_IDENTITY_LEN];
    struct ov_writer w;

    ov_identity_encode(id, raw);
    ov_writer_init(&w, buf, sizeof buf);
    ov_writer_u8(&w, 1);
    ov_writer_bytes(&w, raw, sizeof raw);
    ov_writer_u64(&w, 0);
    ov_writer_endpoint(&w, &(struct ov_endpoint){0});
    assert_int_equal(ov_node_restore(n->n, OV_PERSIST_PEER, id->addr, buf, w.len, n->w->now),
                     OV_OK);
}

static void test_idle(void **state)
{
    struct wu *w = wu_new(1);
    struct wu_node *n = wu_node(w, 0);

    (void)state;
    for (ov_addr a = 1; a <= MANY; a++) {
        struct ov_identity id = wu_fake(w, 0x8000000000 + a);
        know(n, &id);
        wu_drain(n);
    }
    assert_int_equal(n->e->peers.len, MANY);
    for (ov_addr a = 1; a <= MANY; a++)
        assert_in_range(peer_bytes(ov_peer_find(n->e, 0x8000000000 + a)), 1, IDLE_MAX);
    /* One timer each, and none is due before the first is: a tick has nobody to look at. */
    assert_in_range(n->e->timers.len, MANY, MANY + 4);
    assert_in_range(ov_node_deadline(n->n), w->now + OV_PEER_FORGET - OV_SEC, OV_NEVER - 1);
    wu_free(w);
}

static void send(struct wu_node *from, struct wu_node *to, size_t payload)
{
    uint8_t f[OV_FRAME_MAX];
    struct ov_mac dst = wu_mac(to), src = wu_mac(from);
    struct ov_ip a = wu_ip(from), b = wu_ip(to);

    wu_frame(from, f, wu_ip4(f, &dst, &src, &a, &b, payload));
}

static void talk(struct wu_node *a, struct wu_node *b)
{
    for (int i = 0; i < 3; i++) {
        send(a, b, 100);
        wu_run(a->w, 100 * OV_MS);
        send(b, a, 100);
        wu_run(a->w, 100 * OV_MS);
    }
}

static void test_active(void **state)
{
    struct wu *w = wu_lan(2, 2);
    struct wu_node *root = w->node[0], *a = w->node[1], *b = w->node[2];

    (void)state;
    talk(a, b);
    ov_peer_rehandshake(wu_peer(a, b)); /* the key before is kept, too */
    ov_peer_rehandshake(wu_peer(a, root));
    wu_run(w, OV_SEC);
    talk(a, b);
    assert_non_null(wu_peer(a, b)->s.previous);
    assert_in_range(peer_bytes(wu_peer(a, b)) + member_bytes(wu_member(a, b)), 1, ACTIVE_MAX);
    assert_in_range(peer_bytes(wu_peer(b, a)) + member_bytes(wu_member(b, a)), 1, ACTIVE_MAX);
    assert_in_range(peer_bytes(wu_peer(root, a)), 1, ACTIVE_MAX);
    wu_free(w);
}

/* All three key slots taken, and all that is made on demand. */
static void test_largest(void **state)
{
    (void)state;
    assert_in_range(sizeof(struct ov_peer) + sizeof(struct ov_paths) + sizeof(struct ov_punch) +
                        3 * sizeof(struct ov_keypair) + sizeof(struct ov_handshake) +
                        sizeof(struct ov_member),
                    1, ACTIVE_MAX);
}

static void test_bindings(void **state)
{
    struct wu *w = wu_lan(3, 2);
    struct wu_node *a = w->node[1], *b = w->node[2];

    (void)state;
    talk(a, b);
    struct ov_peer *p = wu_peer(a, b);
    struct ov_member *m = wu_member(a, b);
    assert_ptr_equal(m->peer, p);
    assert_ptr_equal(p->upper, m);
    ov_member_remove(wu_net_of(a), b->addr);
    assert_null(p->upper);
    talk(a, b);
    m = wu_member(a, b);
    assert_non_null(m);
    assert_ptr_equal(p->upper, m);
    ov_peer_forget(p);
    assert_null(m->peer);
    unsigned before = b->frames;
    talk(a, b);
    assert_true(b->frames > before);
    assert_ptr_equal(wu_member(a, b)->peer, wu_peer(a, b));
    assert_int_equal(ov_node_leave(a->n, w->net.config.netid, w->now), OV_OK);
    assert_null(wu_peer(a, b)->upper);
    wu_free(w);
}

/* ---- batches ---- */

#define BATCH 40
struct caught {
    struct wu_node *to;
    size_t n;
    struct wu_packet *v[BATCH];
};

static bool catch (void *arg, struct wu_packet *p)
{
    struct caught *c = arg;

    if (!ov_endpoint_equal(&p->to, &c->to->ep) || c->n == BATCH)
        return true;
    struct wu_packet *copy = malloc(sizeof *copy + p->len);
    assert_non_null(copy);
    memcpy(copy, p, sizeof *copy + p->len);
    c->v[c->n++] = copy;
    return false;
}

/* Frames on both sides of a CLOSE in one batch: the keys end while packets are looked ahead at. */
static void test_end_within_batch(void **state)
{
    struct wu *w = wu_lan(4, 2);
    struct wu_node *a = w->node[1], *b = w->node[2];
    struct caught c = {.to = b};
    struct ov_datagram v[BATCH];
    uint8_t bye[4];
    struct ov_writer out;

    (void)state;
    talk(a, b);
    assert_true(wu_peer(a, b)->paths->active >= 0);
    w->hook = catch;
    w->hook_arg = &c;
    for (int i = 0; i < 10; i++)
        send(a, b, 100);
    ov_writer_init(&out, bye, sizeof bye);
    ov_msg_close_encode(&out, OV_CLOSE_SHUTDOWN);
    ov_peer_send(wu_peer(a, b), bye, out.len, OV_SEND_QUIET);
    wu_drain(a);
    for (int i = 0; i < 10; i++)
        send(a, b, 100);
    w->hook = NULL;
    assert_int_equal(c.n, 21);
    for (size_t i = 0; i < c.n; i++)
        v[i] = (struct ov_datagram){.from = c.v[i]->from, .data = c.v[i]->data, .len = c.v[i]->len};
    unsigned before = b->frames;
    uint64_t lost = b->e->stats.drops[OV_DROP_UNKNOWN_SESSION];
    ov_node_datagrams(b->n, v, c.n, w->now);
    wu_drain(b);
    assert_int_equal(b->frames - before, 10);
    assert_int_equal(b->e->stats.drops[OV_DROP_UNKNOWN_SESSION] - lost, 10);
    for (size_t i = 0; i < c.n; i++)
        free(c.v[i]);
    wu_free(w);
}

/* A batch to several, known and not, alike and not, leaves as its frames one by one would. */
static void test_frames_in_batch(void **state)
{
    struct wu *w = wu_lan(5, 3);
    struct wu_node *a = w->node[1];
    static uint8_t buf[BATCH][OV_FRAME_HEADROOM + 256];
    struct ov_frame v[BATCH] = {{0}};
    unsigned before[2];

    (void)state;
    for (int k = 0; k < 2; k++) {
        talk(a, w->node[2 + k]);
        before[k] = w->node[2 + k]->frames;
    }
    struct ov_mac src = wu_mac(a);
    struct ov_ip from = wu_ip(a);
    for (int i = 0; i < BATCH; i++) {
        struct wu_node *to = w->node[2 + (i / 3) % 2];
        struct ov_mac dst = wu_mac(to);
        struct ov_ip ip = wu_ip(to);
        if (i % 10 == 9)
            dst.b[5] ^= 0x55; /* nobody */
        v[i].data = buf[i] + OV_FRAME_HEADROOM;
        v[i].len = wu_ip4(v[i].data, &dst, &src, &from, &ip, 100);
        if (i % 10 == 8)
            v[i].len = 5; /* malformed */
    }
    ov_node_frames(a->n, w->net.config.netid, v, BATCH, w->now);
    wu_drain(a);
    wu_run(w, 100 * OV_MS);
    unsigned got = w->node[2]->frames - before[0] + w->node[3]->frames - before[1];
    assert_int_equal(got, BATCH - 2 * (BATCH / 10));
    wu_free(w);
}

/* ---- the table of session indices ---- */

static void test_indices(void **state)
{
    struct wu *w = wu_new(6);
    struct wu_node *n = wu_node(w, 0);
    struct ov_index *ix = calloc(MANY, sizeof *ix);
    struct ov_indices t;

    (void)state;
    assert_non_null(ix);
    ov_indices_init(&t, MANY);
    assert_null(ov_indices_find(&t, 1));
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(ov_indices_add(&t, &n->e->random, &ix[i]), OV_OK);
    struct ov_index more = {0}, other = {0};
    assert_int_equal(ov_indices_add(&t, &n->e->random, &more), OV_EFULL);
    assert_true(t.cap >= 2 * t.len);
    for (size_t i = 0; i < MANY; i++) {
        assert_ptr_equal(ov_indices_find(&t, ix[i].id), &ix[i]);
        assert_null(ov_indices_find(&t, ix[i].id ^ 0x80000000));
    }
    uint32_t id = ix[7].id;
    ov_indices_replace(&t, &ix[7], &other);
    assert_int_equal(ix[7].id, 0);
    assert_ptr_equal(ov_indices_find(&t, id), &other);
    ov_indices_remove(&t, &other);
    ov_indices_remove(&t, &other); /* once more does nothing */
    assert_null(ov_indices_find(&t, id));
    assert_int_equal(t.len, MANY - 1);
    ov_indices_free(&t);
    free(ix);
    wu_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_idle),
        cmocka_unit_test(test_active),
        cmocka_unit_test(test_largest),
        cmocka_unit_test(test_bindings),
        cmocka_unit_test(test_indices),
        cmocka_unit_test(test_end_within_batch),
        cmocka_unit_test(test_frames_in_batch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
