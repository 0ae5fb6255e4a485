#include "core/output.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct ov_endpoint here = {{4, {192, 0, 2, 1}}, 4793, 0};
static const struct ov_endpoint there = {{4, {192, 0, 2, 2}}, 4793, 0};

static struct ov_outq queue(size_t bytes)
{
    struct ov_outq q;

    assert_int_equal(ov_outq_init(&q, bytes), OV_OK);
    return q;
}

static void put(struct ov_outq *q, const struct ov_endpoint *to, size_t len, uint8_t value)
{
    uint8_t *p = ov_outq_datagram(q, 0, 0, NULL, to, len);

    assert_non_null(p);
    memset(p, value, len);
}

/* The next output, a train of this length and segment. */
static void expect_train(struct ov_outq *q, size_t len, size_t segment)
{
    struct ov_output out;

    assert_true(ov_outq_pull(q, &out));
    assert_int_equal(out.kind, OV_OUT_DATAGRAMS);
    assert_int_equal(out.datagrams.len, len);
    assert_int_equal(out.datagrams.segment, segment);
}

static void expect_nothing(struct ov_outq *q)
{
    struct ov_output out;

    assert_false(ov_outq_pull(q, &out));
}

static void test_train(void **state)
{
    struct ov_outq q = queue(1 << 20);
    struct ov_output out;

    (void)state;
    for (uint8_t i = 0; i < 10; i++)
        put(&q, &here, 1000, i);
    put(&q, &here, 10, 10); /* a shorter last one ends the train */
    put(&q, &here, 10, 11);
    assert_true(ov_outq_pull(&q, &out));
    assert_int_equal(out.datagrams.len, 10010);
    assert_int_equal(out.datagrams.segment, 1000);
    assert_true(ov_endpoint_equal(&out.datagrams.to, &here));
    for (size_t i = 0; i < out.datagrams.len; i++)
        assert_int_equal(out.datagrams.data[i], i / 1000);
    expect_train(&q, 10, 10);
    expect_nothing(&q);
    assert_int_equal(q.used, 0); /* everything pulled: from the start again */
    ov_outq_free(&q);
}

/* What ends a train: another endpoint, socket, TTL, source, a larger datagram, another output, the
 * pull. */
static void test_train_ends(void **state)
{
    struct ov_outq q = queue(1 << 20);
    struct ov_output out;

    (void)state;
    put(&q, &here, 100, 1);
    put(&q, &there, 100, 1);
    assert_non_null(ov_outq_datagram(&q, 1, 0, NULL, &there, 100));
    assert_non_null(ov_outq_datagram(&q, 1, 3, NULL, &there, 100));
    assert_non_null(ov_outq_datagram(&q, 1, 3, NULL, &there, 101));
    assert_non_null(ov_outq_datagram(&q, 1, 3, &here.ip, &there, 101));
    assert_non_null(ov_outq_datagram(&q, 1, 3, &here.ip, &there, 101)); /* the same: no end */
    assert_non_null(ov_outq_datagram(&q, 1, 3, &there.ip, &there, 101));
    assert_true(ov_outq_event(&q, &(struct ov_out_event){.kind = OV_EVENT_PEER}));
    assert_non_null(ov_outq_datagram(&q, 1, 3, NULL, &there, 101));
    assert_non_null(ov_outq_copy(&q, "x", 1));
    assert_non_null(ov_outq_datagram(&q, 1, 3, NULL, &there, 101));
    for (int i = 0; i < 4; i++)
        expect_train(&q, 100, 100);
    expect_train(&q, 101, 101);
    assert_true(ov_outq_pull(&q, &out));
    assert_true(ov_ip_equal(&out.datagrams.from, &here.ip));
    assert_int_equal(out.datagrams.len, 202);
    assert_true(ov_outq_pull(&q, &out));
    assert_true(ov_ip_equal(&out.datagrams.from, &there.ip));
    assert_int_equal(out.datagrams.len, 101);
    assert_true(ov_outq_pull(&q, &out));
    assert_int_equal(out.kind, OV_OUT_EVENT);
    expect_train(&q, 101, 101);
    expect_train(&q, 101, 101);
    /* A train that is already in the edge's hands does not grow. */
    put(&q, &here, 50, 1);
    put(&q, &here, 50, 2);
    expect_train(&q, 100, 50);
    put(&q, &here, 50, 3);
    expect_train(&q, 50, 50);
    expect_nothing(&q);
    ov_outq_free(&q);
}

static void test_train_bounds(void **state)
{
    struct ov_outq q = queue(1 << 20);

    (void)state;
    for (int i = 0; i < OV_TRAIN_SEGMENTS + 1; i++)
        put(&q, &here, 64, 0);
    expect_train(&q, OV_TRAIN_SEGMENTS * 64, 64);
    expect_train(&q, 64, 64);
    for (int i = 0; i < 10; i++)
        put(&q, &here, 9000, 0);
    expect_train(&q, OV_TRAIN_BYTES / 9000 * 9000, 9000);
    expect_train(&q, 3 * 9000, 9000);
    expect_nothing(&q);
    ov_outq_free(&q);
}

/* A full arena and a full list refuse, and leave what is there as it is. */
static void test_full(void **state)
{
    struct ov_outq q = queue(8192);
    struct ov_identity id = {.addr = 7};
    struct ov_msg_net_request req = {.netid = 9};
    struct ov_output out;
    uint8_t bytes[4096] = {1};

    (void)state;
    assert_null(ov_outq_datagram(&q, 0, 0, NULL, &here, 8193));
    put(&q, &here, 4000, 5);
    put(&q, &there, 4000, 6);
    assert_null(ov_outq_datagram(&q, 0, 0, NULL, &there, 4000));
    assert_null(ov_outq_copy(&q, bytes, sizeof bytes));
    assert_non_null(ov_outq_copy(&q, bytes, 150));
    assert_false(ov_outq_persist(&q, OV_PERSIST_PEER, 1, bytes, sizeof bytes));
    assert_false(ov_outq_event(
        &q, &(struct ov_out_event){.kind = OV_EVENT_REQUEST, .from = &id, .request = &req}));
    expect_train(&q, 4000, 4000);
    expect_train(&q, 4000, 4000);
    expect_nothing(&q);

    for (size_t i = 0; i < 8192 / 512; i++)
        assert_true(ov_outq_frame(&q, i, bytes, 1, NULL));
    assert_false(ov_outq_frame(&q, 99, bytes, 1, NULL));
    assert_false(ov_outq_persist(&q, OV_PERSIST_PEER, 1, bytes, 1));
    assert_null(ov_outq_datagram(&q, 0, 0, NULL, &here, 1));
    for (size_t i = 0; i < q.kept; i++) /* events have some room of their own */
        assert_true(ov_outq_event(&q, &(struct ov_out_event){.kind = OV_EVENT_PEER}));
    assert_false(ov_outq_event(&q, &(struct ov_out_event){.kind = OV_EVENT_PEER}));
    assert_false(ov_outq_frame(&q, 99, bytes, 1, NULL));
    assert_null(ov_outq_datagram(&q, 0, 0, NULL, &here, 1));
    for (size_t i = 0; i < 8192 / 512; i++) {
        assert_true(ov_outq_pull(&q, &out));
        assert_int_equal(out.frame.net, i);
    }
    for (size_t i = 0; i < q.kept; i++)
        assert_true(ov_outq_pull(&q, &out));
    expect_nothing(&q);
    ov_outq_free(&q);
}

/* New input forgets frames nobody took, and nothing else. */
static void test_begin(void **state)
{
    struct ov_outq q = queue(8192);
    struct ov_output out;
    uint8_t frame[60] = {0};

    (void)state;
    assert_true(ov_outq_frame(&q, 1, frame, sizeof frame, NULL));
    assert_true(ov_outq_event(&q, &(struct ov_out_event){.kind = OV_EVENT_PEER, .addr = 3}));
    assert_true(ov_outq_frame(&q, 2, frame, sizeof frame, NULL));
    assert_true(ov_outq_pull(&q, &out));
    assert_int_equal(ov_outq_begin(&q), 1);
    assert_int_equal(ov_outq_begin(&q), 0);
    assert_true(ov_outq_frame(&q, 3, frame, sizeof frame, NULL));
    assert_true(ov_outq_pull(&q, &out));
    assert_int_equal(out.kind, OV_OUT_EVENT);
    assert_true(ov_outq_pull(&q, &out));
    assert_int_equal(out.frame.net, 3);
    expect_nothing(&q);
    ov_outq_free(&q);
}

/* Events and things to persist do not depend on what they were made of. */
static void test_copies(void **state)
{
    struct ov_outq q = queue(8192);
    struct ov_identity id = {.addr = 7};
    struct ov_msg_net_request req = {.netid = 9, .hostname = "pc"};
    struct ov_output out;
    char text[] = "to persist";

    (void)state;
    assert_true(ov_outq_event(
        &q, &(struct ov_out_event){.kind = OV_EVENT_REQUEST, .from = &id, .request = &req}));
    assert_true(ov_outq_persist(&q, OV_PERSIST_NETWORK, 5, text, sizeof text));
    assert_true(ov_outq_persist(&q, OV_PERSIST_NETWORK, 6, NULL, 0));
    id.addr = 0;
    memset(&req, 0, sizeof req);
    memset(text, 0, sizeof text);
    assert_true(ov_outq_pull(&q, &out));
    assert_int_equal(out.event.from->addr, 7);
    assert_int_equal(out.event.request->netid, 9);
    assert_string_equal(out.event.request->hostname, "pc");
    assert_true(ov_outq_pull(&q, &out));
    assert_int_equal(out.persist.kind, OV_PERSIST_NETWORK);
    assert_int_equal(out.persist.id, 5);
    assert_int_equal(out.persist.len, sizeof text);
    assert_string_equal((const char *)out.persist.data, "to persist");
    assert_true(ov_outq_pull(&q, &out));
    assert_int_equal(out.persist.id, 6);
    assert_int_equal(out.persist.len, 0);
    ov_outq_free(&q);
}

/* An event's secret is gone once all was pulled; datagrams are sent after that, and stay. */
static void test_secret(void **state)
{
    struct ov_outq q = queue(1 << 20);
    struct ov_msg_net_request req = {.netid = 9, .hostname = "pc"};
    struct ov_output event, train;

    (void)state;
    assert_true(
        ov_outq_event(&q, &(struct ov_out_event){.kind = OV_EVENT_REQUEST, .request = &req}));
    put(&q, &here, 100, 7);
    assert_true(ov_outq_pull(&q, &event));
    assert_true(ov_outq_pull(&q, &train));
    expect_nothing(&q);
    for (size_t i = 0; i < train.datagrams.len; i++)
        assert_int_equal(train.datagrams.data[i], 7);
    const uint8_t *copy = (const uint8_t *)event.event.request;
    for (size_t i = 0; i < sizeof req; i++)
        assert_int_equal(copy[i], 0);
    ov_outq_free(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_train),        cmocka_unit_test(test_train_ends),
        cmocka_unit_test(test_train_bounds), cmocka_unit_test(test_full),
        cmocka_unit_test(test_begin),        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_secret),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
