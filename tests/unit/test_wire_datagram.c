/* Datagrams and handshake payloads against their golden bytes: an accidental change of the wire
 * format fails here. */
#include "core/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "wire_golden.h"

static void test_initiation_payload(void **state)
{
    struct ov_initiation p = {.nonce = TXID, .stamp = BIG, .aeads = 6, .caps = 3, .boot = 0xb0b1},
                         got;
    uint8_t b[OV_INITIATION_PAYLOAD];

    (void)state;
    memset(p.sign.b, 0x22, 32);
    ov_initiation_encode(&p, b);
    assert_hex(b, sizeof(b), HEX_INITIATION);
    assert_int_equal(ov_initiation_decode(b, &got), 0);
    assert_memory_equal(&got.sign, &p.sign, sizeof(p.sign));
    assert_int_equal(got.nonce, TXID);
    assert_int_equal(got.stamp, BIG);
    assert_int_equal(got.aeads, 6);
    assert_int_equal(got.caps, 3);
    assert_int_equal(got.boot, 0xb0b1);
    b[48] = 1 << OV_AEAD_AES256GCM; /* everybody must have ChaCha20-Poly1305 */
    assert_int_equal(ov_initiation_decode(b, &got), OV_EINVAL);
    b[48] = 1 << OV_AEAD_CHACHA20POLY1305;
    assert_int_equal(ov_initiation_decode(b, &got), 0);
}

static void test_response_payload(void **state)
{
    struct ov_response p = {.aead = OV_AEAD_AES256GCM, .caps = OV_CAP_ROOT, .boot = 0xb0b1}, got;
    uint8_t b[OV_RESPONSE_PAYLOAD];

    (void)state;
    ov_response_encode(&p, b);
    assert_hex(b, sizeof(b), HEX_RESPONSE);
    assert_int_equal(ov_response_decode(b, &got), 0);
    assert_int_equal(got.aead, p.aead);
    assert_int_equal(got.caps, p.caps);
    assert_int_equal(got.boot, 0xb0b1);
    for (unsigned aead = 0; aead < 256; aead++) {
        b[0] = (uint8_t)aead;
        assert_int_equal(ov_response_decode(b, &got), aead == 1 || aead == 2 ? OV_OK : OV_EINVAL);
    }
}

static void test_sizes(void **state)
{
    (void)state;
    assert_int_equal(OV_INITIATION_LEN, 188);
    assert_int_equal(OV_RESPONSE_LEN, 96);
    assert_int_equal(OV_COOKIE_LEN, 64);
    assert_int_equal(OV_DATA_OVERHEAD, 32);
    assert_int_equal(OV_RELAY_HEADER, 40);
    /* Nothing that answers an unproven sender is longer than what it answers. */
    assert_true(OV_RESPONSE_LEN <= OV_INITIATION_LEN);
    assert_true(OV_COOKIE_LEN <= OV_RESPONSE_LEN);
    assert_true(OV_IAM_LEN <= OV_WHO_LEN);
    /* The default MTU never fragments through a relay on a 1492-byte IPv6 path. */
    assert_int_equal(OV_RELAY_HEADER + OV_DATA_OVERHEAD + OV_MSG_FRAME_HEADER + OV_ETH_LEN +
                             OV_MTU_DEFAULT <=
                         OV_PATH_MTU_SAFE,
                     1);
}

static void test_relay_header(void **state)
{
    const char hex[] = "05010000a1a2a3a401020304050607088056c2e21c000000"
                       "e900612d43e34f8ab8795072c3ca287d";
    const struct ov_relay h = {
        .relayed = true, .receiver = 0xa1a2a3a4, .counter = TXID, .addr = ADDR1};
    uint8_t key[16], b[OV_RELAY_HEADER + OV_DATAGRAM_MIN] = {0};
    struct ov_relay got;

    (void)state;
    for (size_t i = 0; i < sizeof(key); i++)
        key[i] = (uint8_t)i;
    ov_relay_encode(&h, key, b);
    assert_hex(b, OV_RELAY_HEADER, hex);
    assert_int_equal(ov_relay_decode(b, sizeof(b), &got), 0);
    assert_true(got.relayed);
    assert_int_equal(got.receiver, h.receiver);
    assert_int_equal(got.counter, h.counter);
    assert_int_equal(got.addr, h.addr);
    assert_int_equal(ov_relay_verify(b, key), 0);
    for (size_t len = 0; len < sizeof(b); len++)
        assert_int_equal(ov_relay_decode(b, len, &got), OV_ETRUNC);
    for (size_t bit = 0; bit < 8 * OV_RELAY_HEADER; bit++) {
        b[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(ov_relay_verify(b, key), OV_EAUTH);
        b[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t i = 0; i < 24; i++) {
        uint8_t was = b[i];

        b[i] = 0xff;
        if (i < 4 || i == 16 || i > 20) /* type, zeroes, a reserved address */
            assert_int_equal(ov_relay_decode(b, sizeof(b), &got), OV_EINVAL);
        else
            assert_int_equal(ov_relay_decode(b, sizeof(b), &got), OV_OK);
        b[i] = was;
    }
    key[0] ^= 1;
    assert_int_equal(ov_relay_verify(b, key), OV_EAUTH);
}

static void test_who_iam(void **state)
{
    struct ov_iam iam = {.nonce = TXID, .caps = OV_CAP_ROOT, .id = some_identity()}, got;
    uint8_t who[OV_WHO_LEN + 1] = {0}, b[OV_IAM_LEN + 1] = {0};
    uint64_t nonce = 0;

    (void)state;
    ov_who_encode(TXID, who);
    assert_hex(who, 12, "060000000102030405060708");
    for (size_t i = 12; i < OV_WHO_LEN; i++)
        assert_int_equal(who[i], 0);
    assert_int_equal(ov_who_decode(who, OV_WHO_LEN, &nonce), 0);
    assert_int_equal(nonce, TXID);
    for (size_t i = 0; i < OV_WHO_LEN; i++) {
        who[i] ^= 0x80;
        assert_int_equal(ov_who_decode(who, OV_WHO_LEN, &nonce),
                         i >= 4 && i < 12 ? OV_OK : OV_EINVAL);
        who[i] ^= 0x80;
    }
    for (size_t len = 0; len <= sizeof(who); len++)
        if (len != OV_WHO_LEN)
            assert_int_equal(ov_who_decode(who, len, &nonce), OV_ETRUNC);

    ov_iam_encode(&iam, b);
    assert_hex(b, OV_IAM_LEN, HEX_IAM);
    assert_int_equal(ov_iam_decode(b, OV_IAM_LEN, &got), 0);
    assert_int_equal(got.nonce, TXID);
    assert_int_equal(got.caps, OV_CAP_ROOT);
    assert_true(ov_identity_equal(&got.id, &iam.id));
    assert_int_equal(got.id.addr, 0);
    for (size_t len = 0; len <= sizeof(b); len++)
        if (len != OV_IAM_LEN)
            assert_int_equal(ov_iam_decode(b, len, &got), OV_ETRUNC);
    b[0] = OV_WIRE_WHO;
    assert_int_equal(ov_iam_decode(b, OV_IAM_LEN, &got), OV_EINVAL);
    b[0] = OV_WIRE_IAM;
    b[3] = 1;
    assert_int_equal(ov_iam_decode(b, OV_IAM_LEN, &got), OV_EINVAL);
}

static int setup(void **state)
{
    (void)state;
    return ov_crypto_init();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_initiation_payload),
        cmocka_unit_test(test_response_payload),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_relay_header),
        cmocka_unit_test(test_who_iam),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
