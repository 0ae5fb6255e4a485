#include "core/fragment.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define NOW   (10 * OV_SEC)
#define LIMIT 1000000

struct box {
    struct ov_fragments f;
    struct ov_fragment_pool pool;
    int slots;
    uint64_t lost;
    struct ov_slice msg;
    uint8_t data[OV_MESSAGE_MAX];
};

static struct box *box_new(void)
{
    struct box *b = calloc(1, sizeof *b);

    assert_non_null(b);
    b->pool.limit = LIMIT;
    b->slots = OV_FRAGMENT_SLOTS;
    for (size_t i = 0; i < sizeof b->data; i++)
        b->data[i] = (uint8_t)(i * 7 + i / 256);
    return b;
}

static void box_free(struct box *b)
{
    ov_fragments_free(&b->f);
    assert_int_equal(b->pool.bytes, 0);
    free(b);
}

static int add_limited(struct box *b, uint16_t id, size_t offset, size_t len, size_t total,
                       ov_time now, size_t limit)
{
    struct ov_msg_fragment m = {id, (uint16_t)offset, (uint16_t)total, {b->data + offset, len}};
    struct ov_fragment_seal seal = {1, 100};

    b->pool.limit = limit;
    return ov_fragments_add(&b->f, &m, &seal, now, &b->pool, b->slots, &b->lost, &b->msg);
}

/* A piece of 100 bytes, all `fill`, of message 7 with 200, sealed so. */
static int add_sealed(struct box *b, size_t offset, uint8_t fill, uint32_t key, uint64_t counter)
{
    uint8_t bytes[100];
    struct ov_msg_fragment m = {7, (uint16_t)offset, 200, {bytes, sizeof bytes}};
    struct ov_fragment_seal seal = {key, counter};

    memset(bytes, fill, sizeof bytes);
    return ov_fragments_add(&b->f, &m, &seal, NOW, &b->pool, b->slots, &b->lost, &b->msg);
}

static int add(struct box *b, uint16_t id, size_t offset, size_t len, size_t total)
{
    return add_limited(b, id, offset, len, total, NOW, LIMIT);
}

static void expect_whole(struct box *b, size_t total)
{
    assert_int_equal(b->msg.len, total);
    assert_memory_equal(b->msg.p, b->data, total);
}

static void test_orders(void **state)
{
    static const uint8_t order[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                        {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    struct box *b = box_new();

    (void)state;
    for (uint16_t i = 0; i < 6; i++) {
        for (int k = 0; k < 2; k++)
            assert_int_equal(add(b, i, order[i][k] * 1000u, order[i][k] == 2 ? 1 : 1000, 2001),
                             OV_EFULL);
        assert_int_equal(b->pool.bytes, 2001);
        assert_int_equal(add(b, i, order[i][2] * 1000u, order[i][2] == 2 ? 1 : 1000, 2001), OV_OK);
        expect_whole(b, 2001);
        assert_int_equal(b->pool.bytes, 2001); /* as long as it is handed out */
        ov_fragments_release(&b->f);
        assert_int_equal(b->pool.bytes, 0);
    }
    assert_int_equal(add(b, 9, 0, 5, 5), OV_OK); /* one piece that is all */
    expect_whole(b, 5);
    assert_int_equal(b->lost, 0);
    box_free(b);
}

/* Messages that come mixed up with each other, up to as many as there are slots. */
static void test_interleaved(void **state)
{
    struct box *b = box_new();

    (void)state;
    for (uint16_t id = 0; id < OV_FRAGMENT_SLOTS; id++)
        assert_int_equal(add(b, id, 0, 100, 200), OV_EFULL);
    for (uint16_t id = 0; id < OV_FRAGMENT_SLOTS; id++) {
        assert_int_equal(add(b, id, 100, 100, 200), OV_OK);
        expect_whole(b, 200);
    }
    assert_int_equal(b->lost, 0);
    box_free(b);
}

/* An id comes again while a message that lost a piece still waits for it: two frames must not be
 * made one. The same when a peer starts anew, or changes keys. */
static void test_id_comes_again(void **state)
{
    struct box *b = box_new();

    (void)state;
    assert_int_equal(add_sealed(b, 0, 'a', 1, 50), OV_EFULL);
    assert_int_equal(add_sealed(b, 100, 'b', 1, 50 + 2 * 65536 + 1), OV_EFULL);
    assert_int_equal(add_sealed(b, 0, 'b', 1, 50 + 2 * 65536), OV_OK);
    assert_memory_equal(b->msg.p, "bbbb", 4);
    assert_memory_equal(b->msg.p + 196, "bbbb", 4);
    assert_int_equal(add_sealed(b, 100, 'c', 2, 51), OV_EFULL);
    assert_int_equal(add_sealed(b, 100, 'a', 1, 50 + OV_FRAGMENTS_MAX), OV_EFULL);
    assert_int_equal(add_sealed(b, 100, 'a', 1, 51), OV_OK); /* late, and still right */
    assert_memory_equal(b->msg.p, "aaaa", 4);
    assert_memory_equal(b->msg.p + 196, "aaaa", 4);
    assert_int_equal(b->lost, 0);
    box_free(b);
}

static void test_overlap(void **state)
{
    static const struct {
        size_t offset, len;
    } bad[] = {{100, 100}, {100, 1}, {199, 1}, {50, 51}, {150, 100}, {199, 200}, {0, 400}};
    struct box *b = box_new();

    (void)state;
    assert_int_equal(add(b, 1, 100, 100, 400), OV_EFULL);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(add(b, 1, bad[i].offset, bad[i].len, 400), OV_EINVAL);
    assert_int_equal(add(b, 1, 0, 100, 400), OV_EFULL); /* what was good still is */
    assert_int_equal(add(b, 1, 200, 200, 400), OV_OK);
    expect_whole(b, 400);
    assert_int_equal(add(b, 2, 0, 0, 400), OV_EINVAL);
    assert_int_equal(add(b, 2, 0, 0, 0), OV_EINVAL);
    ov_fragments_release(&b->f);
    assert_int_equal(b->pool.bytes, 0);
    box_free(b);
}

static void test_too_many_pieces(void **state)
{
    struct box *b = box_new();

    (void)state;
    for (size_t i = 0; i < OV_FRAGMENTS_MAX; i++)
        assert_int_equal(add(b, 1, i, 1, OV_FRAGMENTS_MAX + 1), OV_EFULL);
    assert_int_equal(add(b, 1, OV_FRAGMENTS_MAX, 1, OV_FRAGMENTS_MAX + 1), OV_EINVAL);
    for (size_t i = 0; i + 1 < OV_FRAGMENTS_MAX; i++)
        assert_int_equal(add(b, 2, i * 1024, 1024, OV_MESSAGE_MAX), OV_EFULL);
    assert_int_equal(add(b, 2, OV_MESSAGE_MAX - 1024, 1024, OV_MESSAGE_MAX), OV_OK);
    expect_whole(b, OV_MESSAGE_MAX);
    box_free(b);
}

/* With all slots taken the oldest message gives way, and is counted. */
static void test_slots_full(void **state)
{
    struct box *b = box_new();

    (void)state;
    for (uint16_t id = 0; id <= OV_FRAGMENT_SLOTS; id++)
        assert_int_equal(add_limited(b, id, 0, 10, 20, NOW + id, LIMIT), OV_EFULL);
    assert_int_equal(b->lost, 1);
    assert_int_equal(b->pool.bytes, OV_FRAGMENT_SLOTS * 20);
    assert_int_equal(add_limited(b, 1, 10, 10, 20, NOW + 9, LIMIT), OV_OK);
    assert_int_equal(add_limited(b, 0, 10, 10, 20, NOW + 9, LIMIT), OV_EFULL); /* starts anew */
    /* The same id with another length is another message. */
    assert_int_equal(add_limited(b, 2, 10, 10, 21, NOW + 9, LIMIT), OV_EFULL);
    assert_int_equal(b->lost, 2);
    box_free(b);
}

static void test_expiry(void **state)
{
    struct box *b = box_new();

    (void)state;
    assert_int_equal(add(b, 1, 0, 10, 20), OV_EFULL);
    assert_int_equal(add_limited(b, 1, 10, 10, 20, NOW + OV_FRAGMENT_LIFE - 1, LIMIT), OV_OK);
    assert_int_equal(add(b, 1, 0, 10, 20), OV_EFULL);
    assert_int_equal(add_limited(b, 1, 10, 10, 20, NOW + OV_FRAGMENT_LIFE, LIMIT), OV_EFULL);
    assert_int_equal(b->lost, 1);
    assert_int_equal(b->pool.bytes, 20);
    box_free(b);
}

/* The node's memory for reassembly is a bound over all peers. */
static void test_memory_limit(void **state)
{
    struct box *b = box_new();

    (void)state;
    assert_int_equal(add_limited(b, 1, 0, 10, 1000, NOW, 1999), OV_EFULL);
    assert_int_equal(add_limited(b, 2, 0, 10, 1000, NOW, 1999), OV_ELIMIT);
    assert_int_equal(b->pool.bytes, 1000);
    assert_int_equal(add_limited(b, 2, 0, 10, 999, NOW, 1999), OV_EFULL);
    assert_int_equal(b->pool.bytes, 1999);
    assert_int_equal(add_limited(b, 1, 10, 990, 1000, NOW, 1999), OV_OK);
    assert_int_equal(b->pool.bytes, 1999);
    ov_fragments_release(&b->f);
    assert_int_equal(b->pool.bytes, 999);
    box_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orders),          cmocka_unit_test(test_interleaved),
        cmocka_unit_test(test_id_comes_again),  cmocka_unit_test(test_overlap),
        cmocka_unit_test(test_too_many_pieces), cmocka_unit_test(test_slots_full),
        cmocka_unit_test(test_expiry),          cmocka_unit_test(test_memory_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
