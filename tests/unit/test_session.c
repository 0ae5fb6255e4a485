#include "core/session.h"

#include "wire_up.h"

/* Two engines whose sessions are driven by hand. */
struct two {
    struct wu *w;
    struct wu_node *a, *b;
    struct ov_peer *ab, *ba; /* b as a knows it, and the other way round */
    uint8_t init[OV_INITIATION_LEN], resp[OV_RESPONSE_LEN];
};

static struct two two(uint64_t seed)
{
    struct two t = {.w = wu_new(seed)};

    t.a = wu_node(t.w, 0);
    t.b = wu_node(t.w, 0);
    t.ab = wu_know(t.a, t.b);
    t.ba = wu_know(t.b, t.a);
    return t;
}

static int respond(struct two *t)
{
    uint8_t payload[OV_INITIATION_PAYLOAD];
    struct ov_initiation init;
    struct ov_noise hs;

    ov_noise_init_responder(&hs, OV_PROLOGUE, sizeof OV_PROLOGUE - 1, &t->b->id.pub.dh,
                            &t->b->id.dh);
    assert_int_equal(ov_noise_read1(&hs, t->init + 8, OV_INITIATION_LEN - 8 - OV_MACS_LEN, payload),
                     OV_OK);
    assert_int_equal(ov_initiation_decode(payload, &init), OV_OK);
    int err =
        ov_session_respond(t->b->e, &t->ba->s, t->ba, &hs, &init, ov_load32(t->init + 4), t->resp);
    ov_noise_wipe(&hs);
    return err;
}

static void initiate(struct two *t)
{
    assert_int_equal(ov_session_initiate(t->a->e, &t->ab->s, t->ab, &t->b->id.pub, t->init), OV_OK);
}

static void finish(struct two *t)
{
    struct ov_response r;

    assert_int_equal(ov_session_finish(t->a->e, &t->ab->s, t->ab, t->resp, sizeof t->resp, &r),
                     OV_OK);
}

static void shake_hands(struct two *t)
{
    initiate(t);
    assert_int_equal(respond(t), OV_OK);
    finish(t);
}

/* One message from a to b under b's `to`; returns what opening said. */
static int pass(struct ov_keypair *from, struct ov_keypair *to)
{
    uint8_t d[5 + OV_DATA_OVERHEAD], *msg;
    size_t len;

    ov_keypair_seal(from, (const uint8_t *)"hello", 5, d);
    int err = ov_keypair_open(to, d, sizeof d, &msg, &len);
    if (err == OV_OK) {
        assert_int_equal(len, 5);
        assert_memory_equal(msg, "hello", 5);
    }
    return err;
}

/* The initiator may send at once; the responder once it has heard under the new key. */
static void test_three_slots(void **state)
{
    struct two t = two(1);

    (void)state;
    assert_null(ov_session_sender(t.a->e, &t.ab->s));
    shake_hands(&t);
    assert_non_null(ov_session_sender(t.a->e, &t.ab->s));
    assert_null(ov_session_sender(t.b->e, &t.ba->s));
    struct ov_keypair *first = t.ba->s.next;
    assert_int_equal(pass(t.ab->s.current, first), OV_OK);
    assert_true(ov_session_confirm(t.b->e, &t.ba->s, first));
    assert_false(ov_session_confirm(t.b->e, &t.ba->s, first));
    assert_ptr_equal(t.ba->s.current, first);
    assert_null(t.ba->s.next);
    assert_int_equal(pass(t.ba->s.current, t.ab->s.current), OV_OK);
    /* Again: the old key stays for what is under way, the one before it goes. */
    struct ov_keypair *old = t.ab->s.current;
    shake_hands(&t);
    assert_ptr_equal(t.ab->s.previous, old);
    assert_ptr_equal(t.ba->s.current, first); /* until confirmed */
    assert_int_equal(pass(old, first), OV_OK);
    assert_int_equal(pass(t.ab->s.current, t.ba->s.next), OV_OK);
    assert_true(ov_session_confirm(t.b->e, &t.ba->s, t.ba->s.next));
    assert_ptr_equal(t.ba->s.previous, first);
    assert_int_equal(pass(old, first), OV_OK);
    shake_hands(&t);
    assert_int_equal(t.a->e->indices.len, 2);
    /* An unconfirmed key gives way to the next one. */
    shake_hands(&t);
    assert_int_equal(t.b->e->indices.len, 3);
    ov_session_clear(t.a->e, &t.ab->s);
    ov_session_clear(t.b->e, &t.ba->s);
    assert_int_equal(t.a->e->indices.len, 0);
    assert_int_equal(t.b->e->indices.len, 0);
    wu_free(t.w);
}

/* Both sides begin at once: nothing under way is lost, and both end up with the same key. */
static void test_crossing(void **state)
{
    (void)state;
    for (uint64_t seed = 20; seed < 30; seed++) {
        struct two t = two(seed);
        struct two back = {.w = t.w, .a = t.b, .b = t.a, .ab = t.ba, .ba = t.ab};
        struct ov_session *a = &t.ab->s, *b = &t.ba->s;

        shake_hands(&t);
        assert_true(ov_session_confirm(t.b->e, b, b->next));
        struct ov_keypair *old_a = a->current, *old_b = b->current;
        for (int round = 0; round < 3; round++) {
            t.a->e->now = t.b->e->now += OV_SEC;
            initiate(&t);
            initiate(&back);
            assert_int_equal(respond(&t), OV_OK);
            assert_int_equal(respond(&back), OV_OK);
            finish(&t);
            finish(&back);
            assert_int_equal(pass(old_a, old_b), OV_OK);
            assert_int_equal(pass(old_b, old_a), OV_OK);
            struct ov_keypair *ours = a->current, *theirs = b->current;
            assert_int_equal(pass(ours, b->next), OV_OK);
            assert_int_equal(pass(theirs, a->next), OV_OK);
            bool a_moved = ov_session_confirm(t.a->e, a, a->next);
            bool b_moved = ov_session_confirm(t.b->e, b, b->next);
            assert_int_not_equal(a_moved, b_moved);
            assert_null(a->next);
            assert_null(b->next);
            assert_int_not_equal(a->current->initiator, b->current->initiator);
            /* What was sent before the other side had decided still opens. */
            assert_int_equal(pass(ours, b_moved ? b->current : b->previous), OV_OK);
            assert_int_equal(pass(theirs, a_moved ? a->current : a->previous), OV_OK);
            assert_int_equal(pass(a->current, b->current), OV_OK);
            assert_int_equal(pass(b->current, a->current), OV_OK);
            assert_int_equal(t.a->e->indices.len, 2);
            assert_int_equal(t.b->e->indices.len, 2);
            old_a = a->current;
            old_b = b->current;
        }
        /* One that is never used does not stay for ever. */
        t.a->e->now = t.b->e->now += OV_SEC;
        initiate(&t);
        initiate(&back);
        assert_int_equal(respond(&t), OV_OK);
        assert_int_equal(respond(&back), OV_OK);
        finish(&t);
        assert_int_equal(t.a->e->indices.len, 3);
        shake_hands(&t);
        assert_int_equal(t.a->e->indices.len, 2);
        ov_session_clear(t.a->e, a);
        ov_session_clear(t.b->e, b);
        wu_free(t.w);
    }
}

/* A response that does not open changes nothing: the true one still does. */
static void test_bad_response(void **state)
{
    struct two t = two(2);
    struct ov_response r;

    (void)state;
    initiate(&t);
    assert_int_equal(respond(&t), OV_OK);
    struct ov_handshake before = *t.ab->s.hs;
    for (size_t i = 12; i < OV_RESPONSE_LEN - OV_MACS_LEN; i++) {
        t.resp[i] ^= 0x40;
        assert_int_not_equal(ov_session_finish(t.a->e, &t.ab->s, t.ab, t.resp, sizeof t.resp, &r),
                             OV_OK);
        t.resp[i] ^= 0x40;
    }
    assert_int_equal(ov_session_finish(t.a->e, &t.ab->s, t.ab, t.resp, sizeof t.resp - 1, &r),
                     OV_ESTATE);
    assert_memory_equal(t.ab->s.hs, &before, sizeof before);
    assert_null(t.ab->s.current);
    uint32_t asked = t.ab->s.hs->index.id;
    finish(&t);
    assert_int_equal(t.ab->s.current->index.id, asked); /* the peer knows it by that one */
    assert_ptr_equal(ov_indices_find(&t.a->e->indices, asked)->kp, t.ab->s.current);
    assert_int_equal(ov_session_finish(t.a->e, &t.ab->s, t.ab, t.resp, sizeof t.resp, &r),
                     OV_ESTATE);
    wu_free(t.w);
}

static void test_aead_choice(void **state)
{
    struct two t = two(3);

    (void)state;
    t.a->e->aeads = 1 << OV_AEAD_CHACHA20POLY1305;
    shake_hands(&t);
    assert_int_equal(t.ab->s.aead, OV_AEAD_CHACHA20POLY1305);
    if (ov_aead_available(OV_AEAD_AES256GCM)) {
        t.a->e->aeads = t.b->e->aeads = 1 << OV_AEAD_CHACHA20POLY1305 | 1 << OV_AEAD_AES256GCM;
        shake_hands(&t);
        assert_int_equal(t.ab->s.aead, OV_AEAD_AES256GCM);
    }
    t.a->e->aeads = 1 << OV_AEAD_CHACHA20POLY1305;
    t.b->e->aeads = 1 << OV_AEAD_AES256GCM;
    initiate(&t);
    assert_int_equal(respond(&t), OV_EVERSION);
    wu_free(t.w);
}

static void test_replay_and_forgery(void **state)
{
    struct two t = two(4);
    uint8_t d[20 + OV_DATA_OVERHEAD], again[sizeof d], *msg;
    size_t len;

    (void)state;
    shake_hands(&t);
    struct ov_keypair *to = t.ba->s.next;
    ov_keypair_seal(t.ab->s.current, (const uint8_t *)"twenty bytes of text", 20, d);
    for (size_t i = 0; i < sizeof d; i++) {
        if (i >= 4 && i < 8)
            continue; /* the index: looked up, and sealed too */
        memcpy(again, d, sizeof d);
        again[i] ^= 1;
        assert_int_not_equal(ov_keypair_open(to, again, sizeof again, &msg, &len), OV_OK);
    }
    memcpy(again, d, sizeof d);
    assert_int_equal(ov_keypair_open(to, again, sizeof again, &msg, &len), OV_OK);
    assert_int_equal(len, 20);
    assert_int_equal(ov_keypair_open(to, d, sizeof d, &msg, &len), OV_EREPLAY);
    wu_free(t.w);
}

static void test_relay_headers(void **state)
{
    struct two t = two(5);
    uint8_t h[OV_RELAY_HEADER + OV_DATAGRAM_MIN] = {0};
    struct ov_relay r;

    (void)state;
    shake_hands(&t);
    struct ov_keypair *to = t.ba->s.next;
    ov_keypair_relay_header(t.ab->s.current, 0x1234567890, false, h);
    assert_int_equal(ov_relay_decode(h, sizeof h, &r), OV_OK);
    assert_int_equal(ov_keypair_relay_check(t.ab->s.current, h, &r), OV_EAUTH); /* our own */
    for (size_t i = 0; i < OV_RELAY_HEADER; i++) {
        h[i] ^= 1;
        assert_int_equal(ov_keypair_relay_check(to, h, &r), OV_EAUTH);
        h[i] ^= 1;
    }
    assert_int_equal(ov_keypair_relay_check(to, h, &r), OV_OK);
    assert_int_equal(ov_keypair_relay_check(to, h, &r), OV_EREPLAY);
    wu_free(t.w);
}

static void test_ages(void **state)
{
    struct two t = two(6);
    struct ov_session *s = &t.ab->s, *q = &t.ba->s;

    (void)state;
    shake_hands(&t);
    ov_session_confirm(t.b->e, q, q->next);
    ov_time born = s->current->born;
    static const struct {
        ov_time age;
        bool a, b, up; /* wants the initiator, the responder, new keys; may these be used */
    } at[] = {{0, false, false, true},
              {OV_REKEY_AFTER - 1, false, false, true},
              {OV_REKEY_AFTER, true, false, true},
              {OV_REKEY_AFTER + 20 * OV_SEC, true, true, true},
              {OV_REJECT_AFTER - 1, true, true, true},
              {OV_REJECT_AFTER, true, true, false}};
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        t.a->e->now = t.b->e->now = born + at[i].age;
        assert_int_equal(ov_session_wants_rekey(t.a->e, s), at[i].a);
        assert_int_equal(ov_session_wants_rekey(t.b->e, q), at[i].b);
        assert_int_equal(ov_session_sender(t.a->e, s) != NULL, at[i].up);
        assert_int_equal(ov_keypair_expired(t.b->e, q->current), !at[i].up);
    }
    t.a->e->now = born;
    s->current->counter = OV_REKEY_MESSAGES - 1;
    assert_false(ov_session_wants_rekey(t.a->e, s));
    s->current->counter++;
    assert_true(ov_session_wants_rekey(t.a->e, s));
    s->current->counter = OV_REJECT_MESSAGES - 1;
    assert_non_null(ov_session_sender(t.a->e, s));
    s->current->counter++;
    assert_null(ov_session_sender(t.a->e, s));
    wu_free(t.w);
}

/* Stamps grow whatever the clock does, over restarts too. */
static void test_stamps(void **state)
{
    struct wu *w = wu_new(7);
    struct wu_node *n = wu_node(w, 0);
    uint64_t last = 0;

    (void)state;
    for (int start = 0; start < 3; start++) {
        for (int i = 0; i < 1000; i++) {
            uint64_t s = ov_engine_stamp(n->e);
            assert_true(s > last);
            last = s;
        }
        wu_drain(n);
        const struct wu_stored *kept = wu_stored(n, OV_PERSIST_STAMP, 0);
        assert_non_null(kept);
        assert_true(ov_load64(kept->data) > last);
        w->now -= 100 * OV_SEC; /* the wall clock went back */
        wu_restart(n);
    }
    assert_int_equal(ov_engine_restore_stamp(n->e, "1234567", 7), OV_EINVAL);
    wu_free(w);
}

static void test_indices_bound(void **state)
{
    struct wu *w = wu_new(8);
    struct wu_node *n = wu_node_with(w, &(struct ov_node_config){.max_peers = 4});
    struct ov_index ix[17] = {0};

    (void)state;
    for (int i = 0; i < 16; i++) {
        assert_int_equal(ov_indices_add(&n->e->indices, &n->e->random, &ix[i]), OV_OK);
        assert_ptr_equal(ov_indices_find(&n->e->indices, ix[i].id), &ix[i]);
        assert_int_not_equal(ix[i].id, 0);
    }
    assert_int_equal(ov_indices_add(&n->e->indices, &n->e->random, &ix[16]), OV_EFULL);
    uint32_t gone = ix[3].id;
    ov_indices_remove(&n->e->indices, &ix[3]);
    assert_null(ov_indices_find(&n->e->indices, gone));
    assert_null(ov_indices_find(&n->e->indices, 0));
    assert_int_equal(ov_indices_add(&n->e->indices, &n->e->random, &ix[3]), OV_OK);
    for (int i = 0; i < 16; i++)
        ov_indices_remove(&n->e->indices, &ix[i]);
    wu_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_slots),
        cmocka_unit_test(test_crossing),
        cmocka_unit_test(test_bad_response),
        cmocka_unit_test(test_aead_choice),
        cmocka_unit_test(test_replay_and_forgery),
        cmocka_unit_test(test_relay_headers),
        cmocka_unit_test(test_ages),
        cmocka_unit_test(test_stamps),
        cmocka_unit_test(test_indices_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
