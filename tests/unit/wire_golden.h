/* Golden bytes of the wire format, and what compares with them. They were made from
 * docs/protocol.md by another program than the one under test. Include cmocka.h before. */
#ifndef OV_TESTS_UNIT_WIRE_GOLDEN_H
#define OV_TESTS_UNIT_WIRE_GOLDEN_H

#include "core/wire.h"

#include <stdio.h>
#include <string.h>

#define HEX_INITIATION                                                                             \
    "22222222222222222222222222222222222222222222222222222222222222220102030405060708"             \
    "11121314151617180603b0b1"
#define HEX_RESPONSE "0201b0b1"
#define HEX_IAM                                                                                    \
    "07010000010203040506070811111111111111111111111111111111111111111111111111111111"             \
    "11111111222222222222222222222222222222222222222222222222222222222222222201020304"             \
    "05060708"
#define HEX_FRAME_PARTIAL    "01018056c2e21c00000100220010000102030405060708090a0b0c0d"
#define HEX_FRAME            "01008056c2e21c000001000102030405060708090a0b0c0d"
#define HEX_FRAGMENT         "020102030403096162636465"
#define HEX_PROBE            "0301020304050607080000000000"
#define HEX_PROBE_OK         "04010203040506070805a404c000020112b9"
#define HEX_PROBE_OK_RELAYED "04010203040506070805a4000000"
#define HEX_REFLECT          "06010203040506070801000000000000000000000000000000000000000000"
#define HEX_REFLECT_LATER                                                                          \
    "0601020304050607080217000000000000000000000000000000000000000000"                             \
    "0000000000000000000000000000000000000000000000000000000000000000"                             \
    "0000000000000000000000000000000000000000000000000000000000000000"                             \
    "0000000000000000000000000000000000000000000000000000000000000000"                             \
    "0000000000000000000000000000"
#define HEX_REFLECT_OK   "0701020304050607080112ba04c000020112b9"
#define HEX_TWIN         "0804c000020112b9"
#define HEX_TWIN_RELAYED "08000000"
#define HEX_CLOSE        "0501"
#define HEX_WHOIS        "10028056c2e21c2001cc1ffc"
#define HEX_IDENTITY                                                                               \
    "11011111111111111111111111111111111111111111111111111111111111111111222222222222"             \
    "22222222222222222222222222222222222222222222222222220102030405060708"
#define HEX_IDENTITY_NONE "1100"
#define HEX_PUNCH                                                                                  \
    "1201020304050607080102012c030302fffe9c400010030201040a0000021388020620010db80000"             \
    "000000000000000000011770"
#define HEX_NET_REQUEST                                                                            \
    "208056c2e21c0000010000000000000007111213141516171807646f726d2d706310333333333333"             \
    "33333333333333333333"
#define HEX_NET_REQUEST_PLAIN "208056c2e21c000001000000000000000000000000000000000000"
#define HEX_NET_REPLY         "218056c2e21c0000010005616c6963650002f1f20003c1c2c3"
#define HEX_NET_REPLY_PENDING "218056c2e21c000001010000000000"
#define HEX_NET_HELLO         "228056c2e21c000001010003c1c2c302ffffffffffff01005e0000fb"
#define HEX_REVOKE                                                                                 \
    "23444444444444444444444444444444444444444444444444444444444444444444444444444444"             \
    "44444444444444444444444444444444444444444444444444444444444444444444444444444444"             \
    "44444444444444"
#define HEX_NET_BYE "248056c2e21c000001"
#define HEX_ANNOUNCE                                                                               \
    "28111111111111111111111111111111111111111111111111111111111111111122222222222222"             \
    "2222222222222222222222222222222222222222222222222201020304050607080003c1c2c30101"             \
    "005e0000fb"
#define HEX_LOOKUP_IP     "298056c2e21c00000101040a93110500000000000000090000000000"
#define HEX_LOOKUP_GROUP  "298056c2e21c00000102ffffffffffff00000000000000098056c2e21c"
#define HEX_LOOKUP_MEMBER "298056c2e21c000001032001cc1ffc00000000000000090000000000"
#define HEX_FOUND         "2a8056c2e21c000001032001cc1ffc000000000000000901020003c1c2c30002f1f2"

#define NET   0x8056c2e21c000001ull
#define ADDR1 0x8056c2e21cull
#define ADDR2 0x2001cc1ffcull
#define TXID  0x0102030405060708ull
#define BIG   0x1112131415161718ull

static inline struct ov_identity some_identity(void)
{
    struct ov_identity id = {.nonce = TXID};

    memset(id.dh.b, 0x11, 32);
    memset(id.sign.b, 0x22, 32);
    return id;
}

static inline size_t unhex(const char *text, uint8_t *out, size_t cap)
{
    size_t n = strlen(text) / 2;

    assert_true(n <= cap);
    for (size_t i = 0; i < n; i++) {
        unsigned v;

        assert_int_equal(sscanf(text + 2 * i, "%2x", &v), 1);
        out[i] = (uint8_t)v;
    }
    return n;
}

static inline void assert_hex(const void *got, size_t len, const char *hex)
{
    uint8_t want[1024];

    assert_int_equal(len, unhex(hex, want, sizeof(want)));
    assert_memory_equal(got, want, len);
}

#endif
