/* The primitives against published vectors, or where those do not fit (a signature's domain, a
 * nonce's shape) against what OpenSSL and Python's hashlib give. */
#include "core/crypto.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void unhex(const char *text, uint8_t *out, size_t len)
{
    assert_int_equal(strlen(text), 2 * len);
    for (size_t i = 0; i < len; i++) {
        unsigned v;

        assert_int_equal(sscanf(text + 2 * i, "%2x", &v), 1);
        out[i] = (uint8_t)v;
    }
}

static void assert_hex(const void *got, size_t len, const char *hex)
{
    uint8_t want[256];

    assert_true(len <= sizeof(want));
    unhex(hex, want, len);
    assert_memory_equal(got, want, len);
}

static void count_up(uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)i;
}

/* ---- keys ---- */

static void test_x25519(void **state)
{
    struct ov_dh_public pub, low = {{0}};
    struct ov_dh_secret sec;
    uint8_t seed[32], out[32];

    (void)state;
    /* RFC 7748 section 6.1, Bob's side */
    unhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb", seed, 32);
    ov_dh_from_seed(seed, &pub, &sec);
    assert_hex(pub.b, 32, "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
    unhex("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a", pub.b, 32);
    assert_int_equal(ov_dh(&sec, &pub, out), 0);
    assert_hex(out, 32, "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");

    assert_int_equal(ov_dh(&sec, &low, out), OV_EAUTH);
    low.b[0] = 1;
    assert_int_equal(ov_dh(&sec, &low, out), OV_EAUTH);
    unhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800", low.b, 32);
    assert_int_equal(ov_dh(&sec, &low, out), OV_EAUTH); /* a point of order 8 */
}

static void test_ed25519(void **state)
{
    struct ov_sign_public pub;
    struct ov_sign_secret sec;
    struct ov_signature sig;
    uint8_t seed[32];
    char msg[] = "message";

    (void)state;
    /* The key of RFC 8032 section 7.1, test 1; the signature is over "domain\0message". */
    unhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", seed, 32);
    ov_sign_from_seed(seed, &pub, &sec);
    assert_hex(pub.b, 32, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
    ov_sign(&sec, "domain", msg, 7, &sig);
    assert_hex(sig.b, 64,
               "cf53257f4e0011ef19aaaa4b7237bf53d169c52b14129c1ec29a2ed17c58ea24"
               "ce0ff45d428a11731e6d621712319a479a4ead386bc404ea540149ab9279c303");

    assert_int_equal(ov_sign_verify(&pub, "domain", msg, 7, &sig), 0);
    assert_int_equal(ov_sign_verify(&pub, "domaim", msg, 7, &sig), OV_EAUTH);
    assert_int_equal(ov_sign_verify(&pub, "domain", msg, 6, &sig), OV_EAUTH);
    /* The NUL separates: a byte cannot move from the domain to the message. */
    assert_int_equal(ov_sign_verify(&pub, "domai", "nmessage", 8, &sig), OV_EAUTH);
    for (size_t bit = 0; bit < 512; bit++) {
        sig.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(ov_sign_verify(&pub, "domain", msg, 7, &sig), OV_EAUTH);
        sig.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    msg[0] ^= 1;
    assert_int_equal(ov_sign_verify(&pub, "domain", msg, 7, &sig), OV_EAUTH);
}

static void test_sign_sizes(void **state)
{
    static const uint8_t big[OV_SIGN_MAX + 1];
    const uint8_t seed[32] = {1};
    struct ov_sign_public pub;
    struct ov_sign_secret sec;
    struct ov_signature sig;

    (void)state;
    ov_sign_from_seed(seed, &pub, &sec);
    ov_sign(&sec, "d", NULL, 0, &sig);
    assert_int_equal(ov_sign_verify(&pub, "d", NULL, 0, &sig), 0);
    ov_sign(&sec, "d", big, OV_SIGN_MAX, &sig);
    assert_int_equal(ov_sign_verify(&pub, "d", big, OV_SIGN_MAX, &sig), 0);
    assert_int_equal(ov_sign_verify(&pub, "d", big, OV_SIGN_MAX + 1, &sig), OV_EAUTH);
}

/* ---- hashes ---- */

static void test_blake2b(void **state)
{
    const char abc[] = "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
                       "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923";
    uint8_t out[64], key[32];

    (void)state;
    ov_hash(out, 64, NULL, 0, "abc", 3); /* RFC 7693 appendix A */
    assert_hex(out, 64, abc);
    ov_hash2(out, 64, "a", 1, "bc", 2);
    assert_hex(out, 64, abc);
    ov_hash2(out, 64, "abc", 3, NULL, 0);
    assert_hex(out, 64, abc);
    count_up(key, sizeof(key));
    ov_hash(out, 16, key, 32, "abc", 3);
    assert_hex(out, 16, "1a64be47e4729d951c302ee543f97cf3");
}

static void test_hmac(void **state)
{
    const char fox[] = "The quick brown fox jumps over the lazy dog";
    uint8_t out[64], key[200];

    (void)state;
    for (size_t cut = 0; cut < sizeof(fox); cut++) { /* a || b, wherever it is cut */
        ov_hmac(out, "key", 3, fox, cut, fox + cut, sizeof(fox) - 1 - cut);
        assert_hex(out, 64,
                   "92294f92c0dfb9b00ec9ae8bd94d7e7d8a036b885a499f149dfe2fd2199394aa"
                   "af6b8894a1730cccb2cd050f9bcf5062a38b51b0dab33207f8ef35ae2c9df51b");
    }
    count_up(key, sizeof(key));
    ov_hmac(out, key, sizeof(key), "abc", 3, NULL, 0); /* longer than the block: hashed first */
    assert_hex(out, 64,
               "feb09eb5b1c557085c0a53bdf39ef7bc9af291f21d7c917cd1cf09542aab9536"
               "2de79b3925fe55d92997423b5a68be1bda2f6518df34fa1053bb3ef559b08200");
}

static void test_hkdf(void **state)
{
    const char h1[] = "26e13c279f04f79d2802e0d1c73c411339dcdb41dadc6420e2c4cfcfa9c311f5"
                      "6aeb66894b83562172c4a64556dda81e796a5ecffaca891d240d1d801a3921aa";
    const char h2[] = "f04fb652ce80a27aacf4728aa77c7c8b1a6f5524ba9414100616ef01aa105fc9"
                      "9536577da9f6006fbd7cc740ff504ece4221f2f7f26448d271373932022dfb9f";
    const char h3[] = "fc27a1c88e3abcc9f46b193c0e3fd371fc22810eaa646d1e9b6b5c80561d8c9d"
                      "01e5860a75e9d2f6aaed14cc03673de5907146f20a123c5ef303ef2f7fead1d2";
    uint8_t ck[64], o1[64], o2[64], o3[64];

    (void)state;
    count_up(ck, sizeof(ck));
    ov_hkdf(ck, "ikm", 3, o1, o2, o3);
    assert_hex(o1, 64, h1);
    assert_hex(o2, 64, h2);
    assert_hex(o3, 64, h3);
    ov_hkdf(ck, "ikm", 3, ck, o2, NULL); /* the chaining key replaced in place */
    assert_hex(ck, 64, h1);
    assert_hex(o2, 64, h2);
}

static void test_siphash(void **state)
{
    uint8_t key[16], msg[15], out[16];

    (void)state;
    /* The first vectors of the SipHash authors' reference code. */
    count_up(key, 16);
    count_up(msg, 15);
    ov_siphash128(out, key, NULL, 0);
    assert_hex(out, 16, "a3817f04ba25a8e66df67214c7550293");
    ov_siphash128(out, key, msg, 15);
    assert_hex(out, 16, "5493e99933b0a8117e08ec0f97cfc3d9");
    assert_true(ov_siphash64(key, msg, 15) == 0xe545be4961ca29a1); /* its bytes, big-endian */
}

static void test_argon2id(void **state)
{
    uint8_t a[32], b[32], salt[16] = {0};

    (void)state;
    assert_int_equal(ov_argon2id(a, 32, "pw", 2, salt, 8), 0);
    assert_int_equal(ov_argon2id(b, 32, "pw", 2, salt, 8), 0);
    assert_memory_equal(a, b, 32);
    assert_int_equal(ov_argon2id(b, 32, "pw", 2, salt, 9), 0);
    assert_memory_not_equal(a, b, 32);
    salt[0] = 1;
    assert_int_equal(ov_argon2id(b, 32, "pw", 2, salt, 8), 0);
    assert_memory_not_equal(a, b, 32);
    assert_int_equal(ov_argon2id(b, 32, "pw", 2, salt, 7),
                     OV_ENOMEM); /* too little to run at all */
}

/* ---- AEADs ---- */

static void test_xchacha(void **state)
{
    const char text[] = "Ladies and Gentlemen of the class of '99: If I could offer you only one "
                        "tip for the future, sunscreen would be it.";
    const size_t len = sizeof(text) - 1;
    uint8_t key[32], nonce[24], ad[12], out[sizeof(text) + OV_TAG_LEN], back[sizeof(text)];

    (void)state;
    /* draft-irtf-cfrg-xchacha-03 appendix A.3.1 */
    for (size_t i = 0; i < 32; i++)
        key[i] = (uint8_t)(0x80 + i);
    for (size_t i = 0; i < 24; i++)
        nonce[i] = (uint8_t)(0x40 + i);
    unhex("50515253c0c1c2c3c4c5c6c7", ad, sizeof(ad));
    ov_xaead_seal(key, nonce, ad, sizeof(ad), (const uint8_t *)text, len, out);
    assert_hex(out + len, OV_TAG_LEN, "c0875924c1c7987947deafd8780acf49");
    assert_int_equal(ov_xaead_open(key, nonce, ad, sizeof(ad), out, len + OV_TAG_LEN, back), 0);
    assert_memory_equal(back, text, len);
    ad[0] ^= 1;
    assert_int_equal(ov_xaead_open(key, nonce, ad, sizeof(ad), out, len + OV_TAG_LEN, back),
                     OV_EAUTH);
    assert_int_equal(ov_xaead_open(key, nonce, NULL, 0, out, OV_TAG_LEN - 1, back), OV_EAUTH);
}

static void aead_known_answer(enum ov_aead alg, const char *hex)
{
    struct ov_aead_key k;
    uint8_t raw[32], out[26];

    count_up(raw, 32);
    ov_aead_init(&k, alg, raw);
    ov_aead_seal(&k, 0x0102030405060708, "ad", 2, (const uint8_t *)"plain text", 10, out);
    assert_hex(out, sizeof(out), hex);
}

/* Every length around the ciphers' block sizes, in place and not, and every flipped bit. */
static void aead_promises(enum ov_aead alg)
{
    struct ov_aead_key k;
    uint8_t raw[32] = {9}, in[300], out[300 + OV_TAG_LEN], same[300 + OV_TAG_LEN];

    ov_aead_init(&k, alg, raw);
    count_up(in, sizeof(in));
    for (size_t len = 0; len <= sizeof(in); len++) {
        ov_aead_seal(&k, len, "header", 6, in, len, out);
        memcpy(same, in, len);
        ov_aead_seal(&k, len, "header", 6, same, len, same);
        assert_memory_equal(same, out, len + OV_TAG_LEN);
        assert_int_equal(ov_aead_open(&k, len + 1, "header", 6, out, len + OV_TAG_LEN, same),
                         OV_EAUTH);
        assert_int_equal(ov_aead_open(&k, len, "headex", 6, out, len + OV_TAG_LEN, same), OV_EAUTH);
        assert_int_equal(ov_aead_open(&k, len, "header", 6, out, len + OV_TAG_LEN, out), 0);
        assert_memory_equal(out, in, len);
    }
    ov_aead_seal(&k, 5, "header", 6, in, 20, out);
    for (size_t bit = 0; bit < 8 * (20 + OV_TAG_LEN); bit++) {
        out[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(ov_aead_open(&k, 5, "header", 6, out, 20 + OV_TAG_LEN, same), OV_EAUTH);
        out[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t len = 0; len < 20 + OV_TAG_LEN; len++)
        assert_int_equal(ov_aead_open(&k, 5, "header", 6, out, len, same), OV_EAUTH);
    raw[0]++;
    ov_aead_init(&k, alg, raw);
    assert_int_equal(ov_aead_open(&k, 5, "header", 6, out, 20 + OV_TAG_LEN, same), OV_EAUTH);
}

static void test_chacha20poly1305(void **state)
{
    (void)state;
    assert_true(ov_aead_available(OV_AEAD_CHACHA20POLY1305));
    aead_known_answer(OV_AEAD_CHACHA20POLY1305,
                      "8025cc8dc5199e7d1cdff05ee39dfc022d6eb579c8186cd22262");
    aead_promises(OV_AEAD_CHACHA20POLY1305);
}

static void test_aes256gcm(void **state)
{
    (void)state;
    if (!ov_aead_available(OV_AEAD_AES256GCM)) {
        fprintf(stderr, "SKIPPED, NOT PROVEN: this processor has no AES instructions\n");
        skip();
    }
    aead_known_answer(OV_AEAD_AES256GCM, "743d0467b3c17dfb7bebfd7c351c9fcb717a510ad6a3cb9c2544");
    aead_promises(OV_AEAD_AES256GCM);
}

/* What one library seals the other opens, at every length up to that of a large datagram. */
static void cross(enum ov_aead alg, bool seal_plain)
{
    static uint8_t in[1500], out[1500 + OV_TAG_LEN];
    struct ov_aead_key seal, open;
    uint8_t raw[32] = {7, 1}, ad[40];

    count_up(in, sizeof(in));
    count_up(ad, sizeof(ad));
    for (size_t len = 0; len <= sizeof(in); len += len < 300 ? 1 : 61) {
        ov_aead_plain(seal_plain);
        ov_aead_init(&seal, alg, raw);
        ov_aead_seal(&seal, len, ad, len % sizeof(ad), in, len, out);
        ov_aead_plain(!seal_plain);
        ov_aead_init(&open, alg, raw);
        assert_int_equal(ov_aead_open(&open, len, ad, len % sizeof(ad), out, len + OV_TAG_LEN, out),
                         OV_OK);
        assert_memory_equal(out, in, len);
        raw[3]++;
    }
    ov_aead_plain(false);
}

static void test_aead_providers(void **state)
{
    (void)state;
    if (strcmp(ov_aead_provider(), "libsodium") == 0) {
        fprintf(stderr, "SKIPPED, NOT PROVEN: this machine has no second library for AEADs\n");
        skip();
    }
    for (int plain = 0; plain < 2; plain++) {
        cross(OV_AEAD_CHACHA20POLY1305, plain);
        ov_aead_plain(true);
        bool aes = ov_aead_available(OV_AEAD_AES256GCM);
        ov_aead_plain(false);
        if (aes)
            cross(OV_AEAD_AES256GCM, plain);
    }
}

/* libsodium must do all that the other one does: it is what other processors use. */
static void test_aead_plain(void **state)
{
    ov_aead_plain(true);
    assert_string_equal(ov_aead_provider(), "libsodium");
    test_chacha20poly1305(state);
    if (ov_aead_available(OV_AEAD_AES256GCM))
        test_aes256gcm(state);
    ov_aead_plain(false);
}

static void test_aead_available(void **state)
{
    (void)state;
    assert_false(ov_aead_available(OV_AEAD_NONE));
    assert_false(ov_aead_available((enum ov_aead)3));
}

/* ---- randomness, memory ---- */

/* Gives eight bytes of 0xff first, and then counts up from zero. */
static void fill(void *arg, void *buf, size_t len)
{
    uint64_t *calls = arg;
    uint8_t *p = buf;

    memset(p, *calls == 0 ? 0xff : 0, len);
    if (*calls > 0)
        p[len - 1] = (uint8_t)*calls;
    (*calls)++;
}

static void test_random(void **state)
{
    uint64_t calls = 0;
    struct ov_random r = {fill, &calls};

    (void)state;
    assert_true(ov_random_u64(&r) == UINT64_MAX);
    assert_true(ov_random_u64(&r) == 1);
    calls = 0;
    /* 2^64 - 1 lies in the incomplete last run of ten: it is drawn again. */
    assert_int_equal(ov_random_below(&r, 10), 1);
    assert_int_equal(calls, 2);
    assert_int_equal(ov_random_below(&r, 1), 0);
    for (uint32_t i = 0; i < 100; i++)
        assert_true(ov_random_below(&r, 7) < 7);
}

static void test_memory(void **state)
{
    static const uint8_t zero[40];
    uint8_t a[40], b[40];

    (void)state;
    count_up(a, sizeof(a));
    count_up(b, sizeof(b));
    assert_true(ov_equal_ct(a, b, sizeof(a)));
    for (size_t bit = 0; bit < 8 * sizeof(a); bit++) {
        b[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(ov_equal_ct(a, b, sizeof(a)));
        b[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    ov_wipe(a, sizeof(a));
    assert_memory_equal(a, zero, sizeof(a));
}

static int setup(void **state)
{
    (void)state;
    return ov_crypto_init();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_x25519),     cmocka_unit_test(test_ed25519),
        cmocka_unit_test(test_sign_sizes), cmocka_unit_test(test_blake2b),
        cmocka_unit_test(test_hmac),       cmocka_unit_test(test_hkdf),
        cmocka_unit_test(test_siphash),    cmocka_unit_test(test_argon2id),
        cmocka_unit_test(test_xchacha),    cmocka_unit_test(test_chacha20poly1305),
        cmocka_unit_test(test_aes256gcm),  cmocka_unit_test(test_aead_providers),
        cmocka_unit_test(test_aead_plain), cmocka_unit_test(test_aead_available),
        cmocka_unit_test(test_random),     cmocka_unit_test(test_memory),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
