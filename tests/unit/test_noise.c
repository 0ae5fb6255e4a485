/* The published vectors of the Noise implementation in Go (Debian: golang-github-flynn-noise-dev),
 * and what they do not cover: forged, truncated and misordered messages leave the state as it was.
 */
#include "core/noise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#ifndef NOISE_VECTORS
#define NOISE_VECTORS "/usr/share/gocode/src/github.com/flynn/noise/vectors.txt"
#endif
#define NAME  "Noise_IK_25519_ChaChaPoly_BLAKE2b"
#define BYTES 512
#define MSGS  8

struct blob {
    uint8_t b[BYTES];
    size_t len;
};

struct vector {
    char name[64];
    struct blob init_static, resp_static, init_e, resp_e, prologue, psk;
    struct blob payload[MSGS], ciphertext[MSGS];
    size_t nmsgs;
};

static void unhex(const char *text, struct blob *out)
{
    size_t n = strlen(text);

    assert_true(n % 2 == 0 && n / 2 <= sizeof(out->b));
    for (out->len = 0; out->len < n / 2; out->len++) {
        unsigned v;

        assert_int_equal(sscanf(text + 2 * out->len, "%2x", &v), 1);
        out->b[out->len] = (uint8_t)v;
    }
}

/* One "key=value" line of a vector; an unknown key fails, so that nothing is silently left out. */
static void vector_line(struct vector *v, const char *key, const char *value)
{
    unsigned i;
    char kind[16];

    if (!strcmp(key, "handshake")) {
        assert_true(strlen(value) < sizeof(v->name));
        strcpy(v->name, value);
    } else if (!strcmp(key, "init_static")) {
        unhex(value, &v->init_static);
    } else if (!strcmp(key, "resp_static")) {
        unhex(value, &v->resp_static);
    } else if (!strcmp(key, "gen_init_ephemeral")) {
        unhex(value, &v->init_e);
    } else if (!strcmp(key, "gen_resp_ephemeral")) {
        unhex(value, &v->resp_e);
    } else if (!strcmp(key, "prologue")) {
        unhex(value, &v->prologue);
    } else if (!strcmp(key, "preshared_key")) {
        unhex(value, &v->psk);
    } else if (sscanf(key, "msg_%u_%15s", &i, kind) == 2 && i < MSGS) {
        unhex(value, strcmp(kind, "payload") ? &v->ciphertext[i] : &v->payload[i]);
        if (i >= v->nmsgs)
            v->nmsgs = i + 1;
    } else {
        fail_msg("unknown key %s", key);
    }
}

static void transport_message(const uint8_t key[32], uint64_t n, const struct blob *plain,
                              const struct blob *cipher)
{
    struct ov_aead_key k;
    uint8_t buf[BYTES + OV_TAG_LEN];

    ov_aead_init(&k, OV_AEAD_CHACHA20POLY1305, key);
    ov_aead_seal(&k, n, NULL, 0, plain->b, plain->len, buf);
    assert_int_equal(cipher->len, plain->len + OV_TAG_LEN);
    assert_memory_equal(buf, cipher->b, cipher->len);
    assert_int_equal(ov_aead_open(&k, n, NULL, 0, buf, cipher->len, buf), OV_OK);
    assert_memory_equal(buf, plain->b, plain->len);
}

static void vector_run(const struct vector *v)
{
    struct ov_dh_public i_pub, r_pub;
    struct ov_dh_secret i_sec, r_sec;
    struct ov_noise i, r;
    uint8_t msg[BYTES + OV_NOISE_MSG1_LEN], got[BYTES], k[4][32];

    ov_dh_from_seed(v->init_static.b, &i_pub, &i_sec);
    ov_dh_from_seed(v->resp_static.b, &r_pub, &r_sec);
    ov_noise_init_initiator(&i, v->prologue.b, v->prologue.len, &i_pub, &i_sec, &r_pub);
    ov_noise_init_responder(&r, v->prologue.b, v->prologue.len, &r_pub, &r_sec);

    assert_int_equal(ov_noise_write1(&i, v->init_e.b, v->payload[0].b, v->payload[0].len, msg), 0);
    assert_int_equal(v->ciphertext[0].len, v->payload[0].len + OV_NOISE_MSG1_LEN);
    assert_memory_equal(msg, v->ciphertext[0].b, v->ciphertext[0].len);
    assert_int_equal(ov_noise_read1(&r, msg, v->ciphertext[0].len, got), 0);
    assert_memory_equal(got, v->payload[0].b, v->payload[0].len);
    assert_memory_equal(&r.rs, &i_pub, sizeof(i_pub));

    assert_int_equal(ov_noise_write2(&r, v->resp_e.b, v->payload[1].b, v->payload[1].len, msg), 0);
    assert_int_equal(v->ciphertext[1].len, v->payload[1].len + OV_NOISE_MSG2_LEN);
    assert_memory_equal(msg, v->ciphertext[1].b, v->ciphertext[1].len);
    assert_int_equal(ov_noise_read2(&i, msg, v->ciphertext[1].len, got), 0);
    assert_memory_equal(got, v->payload[1].b, v->payload[1].len);

    assert_memory_equal(i.h, r.h, sizeof(i.h));
    ov_noise_split(&i, k[0], k[1]);
    ov_noise_split(&r, k[2], k[3]);
    assert_memory_equal(k[0], k[2], 32);
    assert_memory_equal(k[1], k[3], 32);
    for (size_t m = 2; m < v->nmsgs; m++)
        transport_message(k[m % 2], (m - 2) / 2, &v->payload[m], &v->ciphertext[m]);
}

static void test_published_vectors(void **state)
{
    FILE *f = fopen(NOISE_VECTORS, "r");
    static struct vector v;
    static char line[4 * BYTES];
    size_t ran = 0, with_prologue = 0, with_payload = 0, transport = 0;
    bool more = true;

    (void)state;
    if (!f) {
        fprintf(stderr,
                "SKIPPED, NOT PROVEN: no Noise vectors at %s; "
                "install golang-github-flynn-noise-dev\n",
                NOISE_VECTORS);
        skip();
    }
    memset(&v, 0, sizeof(v));
    while (more) {
        more = fgets(line, sizeof(line), f) != NULL;
        line[more ? strcspn(line, "\r\n") : 0] = '\0';
        if (line[0] != '\0') {
            char *eq = strchr(line, '=');

            assert_non_null(eq);
            *eq = '\0';
            vector_line(&v, line, eq + 1);
            continue;
        }
        if (!strcmp(v.name, NAME) && v.psk.len == 0) { /* an empty line or the end ends a vector */
            vector_run(&v);
            ran++;
            with_prologue += v.prologue.len > 0;
            with_payload += v.payload[0].len > 0;
            transport += v.nmsgs - 2;
        }
        memset(&v, 0, sizeof(v));
    }
    fclose(f);
    assert_int_equal(ran, 4); /* without and with prologue, without and with payload */
    assert_int_equal(with_prologue, 2);
    assert_int_equal(with_payload, 2);
    assert_true(transport >= 8);
}

/* ---- what the vectors do not cover ---- */

struct pair {
    struct ov_dh_public i_pub, r_pub;
    struct ov_dh_secret i_sec, r_sec;
    struct ov_noise i, r;
};

/* Clamping clears the three low bits, so keys must differ above them. */
static const uint8_t e1[32] = {0x18}, e2[32] = {0x20};

static void pair_init(struct pair *p)
{
    const uint8_t s1[32] = {0x08}, s2[32] = {0x10};

    ov_dh_from_seed(s1, &p->i_pub, &p->i_sec);
    ov_dh_from_seed(s2, &p->r_pub, &p->r_sec);
    ov_noise_init_initiator(&p->i, "p", 1, &p->i_pub, &p->i_sec, &p->r_pub);
    ov_noise_init_responder(&p->r, "p", 1, &p->r_pub, &p->r_sec);
}

static void test_forged_messages_change_nothing(void **state)
{
    uint8_t m1[OV_NOISE_MSG1_LEN + 4], m2[OV_NOISE_MSG2_LEN + 4], out[16];
    struct ov_noise before;
    struct pair p;

    (void)state;
    pair_init(&p);
    assert_int_equal(ov_noise_write1(&p.i, e1, "abcd", 4, m1), 0);
    before = p.r;
    for (size_t bit = 0; bit < 8 * sizeof(m1); bit++) {
        m1[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(ov_noise_read1(&p.r, m1, sizeof(m1), out), OV_EAUTH);
        assert_memory_equal(&p.r, &before, sizeof(before));
        m1[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t len = 0; len < sizeof(m1); len++)
        assert_int_equal(ov_noise_read1(&p.r, m1, len, out),
                         len < OV_NOISE_MSG1_LEN ? OV_ETRUNC : OV_EAUTH);
    assert_int_equal(ov_noise_read1(&p.r, m1, sizeof(m1), out), 0);
    assert_memory_equal(out, "abcd", 4);

    assert_int_equal(ov_noise_write2(&p.r, e2, "efgh", 4, m2), 0);
    before = p.i;
    for (size_t bit = 0; bit < 8 * sizeof(m2); bit++) {
        m2[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(ov_noise_read2(&p.i, m2, sizeof(m2), out), OV_EAUTH);
        assert_memory_equal(&p.i, &before, sizeof(before));
        m2[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t len = 0; len < sizeof(m2); len++)
        assert_int_equal(ov_noise_read2(&p.i, m2, len, out),
                         len < OV_NOISE_MSG2_LEN ? OV_ETRUNC : OV_EAUTH);
    assert_int_equal(ov_noise_read2(&p.i, m2, sizeof(m2), out), 0);
    assert_memory_equal(out, "efgh", 4);
    assert_memory_equal(p.i.h, p.r.h, sizeof(p.i.h));
}

static void test_prologue_and_responder_are_bound(void **state)
{
    uint8_t m1[OV_NOISE_MSG1_LEN];
    struct ov_noise other;
    struct pair p;

    (void)state;
    pair_init(&p);
    assert_int_equal(ov_noise_write1(&p.i, e1, NULL, 0, m1), 0);
    ov_noise_init_responder(&other, "q", 1, &p.r_pub, &p.r_sec);
    assert_int_equal(ov_noise_read1(&other, m1, sizeof(m1), NULL), OV_EAUTH);
    ov_noise_init_responder(&other, "p", 1, &p.i_pub, &p.i_sec);
    assert_int_equal(ov_noise_read1(&other, m1, sizeof(m1), NULL), OV_EAUTH);
    assert_int_equal(ov_noise_read1(&p.r, m1, sizeof(m1), NULL), OV_OK);
}

static void test_low_order_keys(void **state)
{
    struct ov_dh_public zero = {{0}};
    uint8_t m[OV_NOISE_MSG1_LEN] = {0};
    struct pair p;

    (void)state;
    pair_init(&p);
    ov_noise_init_initiator(&p.i, "p", 1, &p.i_pub, &p.i_sec, &zero);
    assert_int_equal(ov_noise_write1(&p.i, e1, NULL, 0, m), OV_EAUTH);
    memset(m, 0, sizeof(m));
    assert_int_equal(ov_noise_read1(&p.r, m, sizeof(m), NULL), OV_EAUTH);
}

static void test_order(void **state)
{
    uint8_t m1[OV_NOISE_MSG1_LEN], m2[OV_NOISE_MSG2_LEN];
    struct pair p;

    (void)state;
    pair_init(&p);
    memset(m2, 0, sizeof(m2));
    assert_int_equal(ov_noise_write2(&p.r, e2, NULL, 0, m2), OV_ESTATE);
    assert_int_equal(ov_noise_read2(&p.i, m2, sizeof(m2), NULL), OV_ESTATE);
    assert_int_equal(ov_noise_write1(&p.i, e1, NULL, 0, m1), 0);
    assert_int_equal(ov_noise_write1(&p.i, e1, NULL, 0, m1), OV_ESTATE);
    assert_int_equal(ov_noise_read1(&p.r, m1, sizeof(m1), NULL), 0);
    assert_int_equal(ov_noise_read1(&p.r, m1, sizeof(m1), NULL), OV_ESTATE);
}

static void test_wipe(void **state)
{
    static const struct ov_noise zero;
    struct pair p;

    (void)state;
    pair_init(&p);
    ov_noise_wipe(&p.i);
    assert_memory_equal(&p.i, &zero, sizeof(zero));
}

static int setup(void **state)
{
    (void)state;
    return ov_crypto_init();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_vectors),
        cmocka_unit_test(test_forged_messages_change_nothing),
        cmocka_unit_test(test_prologue_and_responder_are_bound),
        cmocka_unit_test(test_low_order_keys),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_wipe),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
