/* NAT-PMP and PCP as bytes (the figures of RFC 6886 and RFC 6887), and the epoch. */
#include "transport/pcp.h"
#include "transport/pmp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct ov_ip CLIENT = {4, {10, 0, 1, 2}};

static void test_pmp_requests(void **state)
{
    static const uint8_t MAP[] = {0, 1, 0, 0, 0x9d, 0x27, 0xa1, 0x12, 0, 0, 0x1c, 0x20};
    uint8_t out[OV_PMP_MAP_LEN];

    (void)state;
    memset(out, 0xee, sizeof out);
    ov_pmp_address_encode(out);
    assert_memory_equal(out, ((uint8_t[]){0, 0, 0xee}), 3);
    ov_pmp_map_encode(40231, 41234, 7200, out);
    assert_memory_equal(out, MAP, sizeof MAP);
}

static void test_pmp_answers(void **state)
{
    static const uint8_t ADDRESS[] = {0, 128, 0, 0, 0, 1, 0, 2, 20, 0, 0, 10};
    static const uint8_t MAP[] = {0,    129,  0,    0,    0, 0, 1,    0,
                                  0x9d, 0x27, 0xa1, 0x12, 0, 0, 0x0e, 0x10};
    static const uint8_t REFUSED[] = {0, 129, 0, 2, 0, 0, 1, 0};
    struct ov_pmp_answer a;

    (void)state;
    assert_int_equal(ov_pmp_decode(ADDRESS, sizeof ADDRESS, &a), OV_OK);
    assert_int_equal(a.op, OV_PMP_ADDRESS);
    assert_int_equal(a.epoch, 0x10002);
    assert_int_equal(a.address.family, 4);
    assert_memory_equal(a.address.b, ((uint8_t[]){20, 0, 0, 10}), 4);
    assert_int_equal(ov_pmp_decode(MAP, sizeof MAP, &a), OV_OK);
    assert_int_equal(a.op, OV_PMP_MAP_UDP);
    assert_int_equal(a.internal, 40231);
    assert_int_equal(a.external, 41234);
    assert_int_equal(a.lifetime, 3600);
    assert_int_equal(ov_pmp_decode(REFUSED, sizeof REFUSED, &a), OV_OK);
    assert_int_equal(a.result, OV_PMP_REFUSED);
    assert_int_equal(a.epoch, 256);
    assert_int_equal(ov_pmp_decode(REFUSED, 4, &a), OV_OK); /* some leave the rest out */
    for (size_t n = 0; n < sizeof MAP; n++)
        assert_int_equal(ov_pmp_decode(MAP, n, &a), OV_ETRUNC);
    for (size_t n = 0; n < sizeof ADDRESS; n++)
        assert_int_equal(ov_pmp_decode(ADDRESS, n, &a), OV_ETRUNC);
    /* A request, another version, TCP's mapping. */
    assert_int_equal(ov_pmp_decode((uint8_t[]){0, 0, 0, 0, 0, 0, 0, 0}, 8, &a), OV_EINVAL);
    assert_int_equal(ov_pmp_decode((uint8_t[]){1, 128, 0, 0, 0, 0, 0, 0}, 8, &a), OV_EINVAL);
    assert_int_equal(ov_pmp_decode((uint8_t[16]){0, 130}, 16, &a), OV_EINVAL);
    for (unsigned r = 0; r < 70000; r += 1 + r / 8)
        assert_non_null(ov_pmp_result_text((uint16_t)r));
}

/* MAP of port 40231 with a wish for 20.0.0.10:41234, as in RFC 6887, figures 2 and 9. */
static const uint8_t MAP_REQUEST[OV_PCP_MAP_LEN] = {
    2,  1, 0, 0, 0,    0,    0x1c, 0x20, /* version, MAP, lifetime */
    0,  0, 0, 0, 0,    0,    0,    0,    0, 0,  0xff, 0xff, 10, 0, 1, 2, /* client */
    1,  2, 3, 4, 5,    6,    7,    8,    9, 10, 11,   12,                /* nonce */
    17, 0, 0, 0, 0x9d, 0x27, 0xa1, 0x12,                                 /* UDP, ports */
    0,  0, 0, 0, 0,    0,    0,    0,    0, 0,  0xff, 0xff, 20, 0, 0, 10,
};

static void test_pcp_requests(void **state)
{
    static const uint8_t ANNOUNCE[OV_PCP_ANNOUNCE_LEN] = {2, 0, [18] = 0xff, 0xff, 10, 0, 1, 2};
    struct ov_pcp_map m = {
        {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, 40231, {.ip = {4, {20, 0, 0, 10}}, .port = 41234}};
    uint8_t out[OV_PCP_MAP_LEN], any[16] = {[10] = 0xff, [11] = 0xff};

    (void)state;
    ov_pcp_announce_encode(&CLIENT, out);
    assert_memory_equal(out, ANNOUNCE, sizeof ANNOUNCE);
    ov_pcp_map_encode(&CLIENT, 7200, &m, out);
    assert_memory_equal(out, MAP_REQUEST, sizeof MAP_REQUEST);
    m.external = (struct ov_endpoint){0};
    ov_pcp_map_encode(&CLIENT, 0, &m, out);
    assert_memory_equal(out + 4, "\0\0\0\0", 4);
    assert_memory_equal(out + 44, any, sizeof any); /* "any IPv4 address" */
}

static void test_pcp_answers(void **state)
{
    uint8_t b[OV_PCP_MAP_LEN + 8];
    struct ov_pcp_answer a;

    (void)state;
    memset(b, 0, sizeof b);
    memcpy(b, MAP_REQUEST, sizeof MAP_REQUEST);
    b[1] |= 0x80;
    memcpy(b + 8, "\0\0\x1\0\0\0\0\0\0\0\0\0\0\0\0\0", 16); /* epoch 256, reserved */
    assert_int_equal(ov_pcp_decode(b, OV_PCP_MAP_LEN, &a), OV_OK);
    assert_int_equal(a.op, OV_PCP_MAP);
    assert_int_equal(a.result, OV_PCP_OK);
    assert_int_equal(a.lifetime, 7200);
    assert_int_equal(a.epoch, 256);
    assert_true(a.has_map);
    assert_int_equal(a.map.nonce[11], 12);
    assert_int_equal(a.map.internal, 40231);
    assert_int_equal(a.map.external.port, 41234);
    assert_memory_equal(a.map.external.ip.b, ((uint8_t[]){20, 0, 0, 10}), 4);
    assert_int_equal(ov_pcp_decode(b, sizeof b, &a), OV_OK); /* with an option behind */
    for (size_t n = 0; n < OV_PCP_MAP_LEN; n++)
        assert_int_equal(ov_pcp_decode(b, n, &a), OV_ETRUNC);
    b[36] = 6; /* TCP */
    assert_int_equal(ov_pcp_decode(b, OV_PCP_MAP_LEN, &a), OV_EINVAL);
    b[36] = 17;
    b[44] = 0x20; /* IPv6 outside */
    assert_int_equal(ov_pcp_decode(b, OV_PCP_MAP_LEN, &a), OV_EINVAL);
    b[3] = OV_PCP_NOT_AUTHORIZED; /* with an error it says nothing */
    assert_int_equal(ov_pcp_decode(b, OV_PCP_MAP_LEN, &a), OV_OK);
    assert_int_equal(a.result, OV_PCP_NOT_AUTHORIZED);
    assert_int_equal(ov_pcp_decode(b, 24, &a), OV_OK);
    assert_false(a.has_map);
    b[1] &= 0x7f;
    assert_int_equal(ov_pcp_decode(b, 24, &a), OV_EINVAL); /* a request */
    b[1] |= 0x80;
    b[0] = 1;
    assert_int_equal(ov_pcp_decode(b, 24, &a), OV_EINVAL);
    for (unsigned r = 0; r < 256; r++)
        assert_non_null(ov_pcp_result_text((uint8_t)r));
    uint8_t *large = calloc(1, OV_PCP_MAX + 4);
    large[0] = 2;
    large[1] = 0x80;
    assert_int_equal(ov_pcp_decode(large, OV_PCP_MAX, &a), OV_OK);
    assert_int_equal(ov_pcp_decode(large, OV_PCP_MAX + 4, &a), OV_EINVAL);
    free(large);
}

static void test_epoch(void **state)
{
    struct ov_epoch e = {0};

    (void)state;
    assert_true(ov_epoch_note(&e, 1000, 50));
    assert_true(ov_epoch_note(&e, 1100, 150));
    assert_true(ov_epoch_note(&e, 1099, 150)); /* a late datagram */
    assert_true(ov_epoch_note(&e, 1099, 151));
    assert_true(ov_epoch_note(&e, 17099, 17000)); /* its clock is a little fast */
    assert_false(ov_epoch_note(&e, 3, 17010));    /* restarted */
    assert_true(ov_epoch_note(&e, 13, 17020));    /* and goes on from there */
    assert_false(ov_epoch_note(&e, 5000, 17030)); /* far too fast */
    assert_false(ov_epoch_note(&e, 5010, 30000)); /* far too slow: it restarted in between */
    assert_true(ov_epoch_note(&e, UINT32_MAX, 30000 + (uint64_t)(UINT32_MAX - 5010)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pmp_requests), cmocka_unit_test(test_pmp_answers),
        cmocka_unit_test(test_pcp_requests), cmocka_unit_test(test_pcp_answers),
        cmocka_unit_test(test_epoch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
