#include "transport/tls.h"

#include "transport/tls_load.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct ov_pow EASY = {.mem_kib = 8, .bits = 0};

static struct ov_identity_secret person(uint8_t seed)
{
    struct ov_identity_secret id;
    uint8_t s[32] = {seed};
    assert_int_equal(ov_identity_make(s, &EASY, NULL, NULL, &id), OV_OK);
    return id;
}

static struct ov_tls_context *context(const struct ov_identity_secret *id)
{
    struct ov_tls_context *c = NULL;
    char why[OV_TLS_WHY];
    assert_int_equal(ov_tls_context_new(id, &c, why), OV_OK);
    return c;
}

/* All that `from` has to say, in pieces; the last result of feeding. */
static int carry(struct ov_tls *from, struct ov_tls *to, size_t piece, size_t *bytes)
{
    uint8_t buf[OV_TLS_WIRE];
    size_t n;
    int err = OV_OK;

    while ((n = ov_tls_take(from, buf, sizeof buf)) > 0)
        for (size_t at = 0; at < n; at += piece) {
            size_t len = n - at < piece ? n - at : piece;
            *bytes += len;
            if (err == OV_OK)
                err = ov_tls_feed(to, buf + at, len);
        }
    return err;
}

static int shake(struct ov_tls *client, struct ov_tls *server, size_t piece)
{
    int err = ov_tls_feed(client, NULL, 0);
    size_t bytes = 1;

    while (err == OV_OK && bytes > 0) {
        bytes = 0;
        err = carry(client, server, piece, &bytes);
        if (err == OV_OK)
            err = carry(server, client, piece, &bytes);
    }
    return err;
}

static void test_pair(void **state)
{
    struct ov_identity_secret root = person(1);
    struct ov_tls_context *sc = context(&root), *cc = context(NULL);
    static const size_t PIECES[] = {1, 7, 100, 100000};
    uint8_t data[OV_TLS_RECORD], got[OV_TLS_RECORD];
    (void)state;

    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7);
    for (size_t p = 0; p < 4; p++) {
        struct ov_tls *s, *c;
        size_t bytes = 0;
        assert_int_equal(ov_tls_server(sc, &s), OV_OK);
        assert_int_equal(ov_tls_client(cc, "vpn.example", p % 2 ? &root.pub : NULL, &c), OV_OK);
        assert_int_equal(ov_tls_write(c, data, 1), OV_ESTATE);
        assert_int_equal(shake(c, s, PIECES[p]), OV_OK);
        assert_true(ov_tls_open(c) && ov_tls_open(s));
        assert_true(ov_identity_equal(ov_tls_identity(c), &root.pub));
        assert_int_equal(ov_tls_read(s, got, sizeof got), 0);
        for (size_t len = 1; len <= sizeof data; len = len * 3 + 1) {
            size_t have = 0;
            assert_int_equal(ov_tls_write(c, data, len), OV_OK);
            assert_int_equal(carry(c, s, PIECES[p], &bytes), OV_OK);
            for (int n; (n = ov_tls_read(s, got + have, sizeof got - have)) > 0;)
                have += (size_t)n;
            assert_int_equal(have, len);
            assert_memory_equal(got, data, len);
        }
        assert_int_equal(ov_tls_write(s, data, sizeof data), OV_OK);
        assert_int_equal(carry(s, c, PIECES[p], &bytes), OV_OK);
        assert_int_equal(ov_tls_read(c, got, sizeof got), sizeof got);
        assert_memory_equal(got, data, sizeof data);
        ov_tls_free(s);
        ov_tls_free(c);
    }
    ov_tls_context_free(sc);
    ov_tls_context_free(cc);
}

/* Another root than the pinned one, and one that signed for another key. */
static void test_impostor(void **state)
{
    struct ov_identity_secret root = person(1), other = person(2), forged;
    (void)state;

    forged = other;
    forged.pub = root.pub; /* claims to be the root, signs with its own key */
    for (int i = 0; i < 2; i++) {
        struct ov_tls_context *sc = context(i ? &forged : &other), *cc = context(NULL);
        struct ov_tls *s, *c;
        assert_int_equal(ov_tls_server(sc, &s), OV_OK);
        assert_int_equal(ov_tls_client(cc, NULL, i ? NULL : &root.pub, &c), OV_OK);
        assert_int_equal(shake(c, s, 1000), OV_EAUTH);
        assert_true(ov_tls_refused(c));
        assert_non_null(strstr(ov_tls_why(c), "not the root"));
        assert_false(ov_tls_open(c));
        ov_tls_free(s);
        ov_tls_free(c);
        ov_tls_context_free(sc);
        ov_tls_context_free(cc);
    }
}

/* An ordinary web server: a certificate without the extension. */
static void test_no_binding(void **state)
{
    struct ov_tls_library l;
    char why[OV_TLS_WHY];
    struct ov_tls_context *cc = context(NULL);
    struct ov_tls *c;
    uint8_t buf[OV_TLS_WIRE];
    size_t n;
    int err = OV_OK;
    (void)state;

    assert_int_equal(ov_tls_load(&l, OV_TLS_LIBRARY, why, sizeof why), OV_OK);
    SSL_CTX *ctx = l.SSL_CTX_new(l.TLS_method());
    EVP_PKEY *key = l.EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    X509 *cert = l.X509_new();
    l.X509_set_version(cert, 2);
    l.X509_gmtime_adj(l.X509_getm_notBefore(cert), 0);
    l.X509_gmtime_adj(l.X509_getm_notAfter(cert), 1000);
    l.X509_set_pubkey(cert, key);
    assert_true(l.X509_sign(cert, key, l.EVP_sha256()) > 0);
    l.SSL_CTX_use_certificate(ctx, cert);
    l.SSL_CTX_use_PrivateKey(ctx, key);
    SSL *ssl = l.SSL_new(ctx);
    BIO *in = l.BIO_new(l.BIO_s_mem()), *out = l.BIO_new(l.BIO_s_mem());
    l.SSL_set_bio(ssl, in, out);
    l.SSL_set_accept_state(ssl);
    assert_int_equal(ov_tls_client(cc, NULL, NULL, &c), OV_OK);
    assert_int_equal(ov_tls_feed(c, NULL, 0), OV_OK);
    for (int i = 0; i < 4 && err == OV_OK; i++) {
        while ((n = ov_tls_take(c, buf, sizeof buf)) > 0)
            l.BIO_write(in, buf, (int)n);
        l.SSL_do_handshake(ssl);
        for (int k; err == OV_OK && (k = l.BIO_read(out, buf, sizeof buf)) > 0;)
            err = ov_tls_feed(c, buf, (size_t)k);
    }
    assert_int_equal(err, OV_EAUTH);
    assert_true(ov_tls_refused(c));
    assert_true(ov_tls_take(c, buf, sizeof buf) > 0); /* the alert */
    ov_tls_free(c);
    l.SSL_free(ssl);
    l.X509_free(cert);
    l.EVP_PKEY_free(key);
    l.SSL_CTX_free(ctx);
    ov_tls_context_free(cc);
}

static void test_garbage(void **state)
{
    struct ov_identity_secret root = person(1);
    struct ov_tls_context *sc = context(&root), *cc = context(NULL);
    uint8_t buf[OV_TLS_WIRE];
    (void)state;

    /* Every byte of the first flight changed: never a crash, never open. */
    struct ov_tls *c;
    assert_int_equal(ov_tls_client(cc, "vpn.example", NULL, &c), OV_OK);
    assert_int_equal(ov_tls_feed(c, NULL, 0), OV_OK);
    size_t n = ov_tls_take(c, buf, sizeof buf);
    assert_true(n > 100 && n < 1500);
    for (size_t i = 0; i < n; i++) {
        struct ov_tls *s;
        uint8_t bad[OV_TLS_WIRE];
        memcpy(bad, buf, n);
        bad[i] ^= 0x55;
        assert_int_equal(ov_tls_server(sc, &s), OV_OK);
        (void)!ov_tls_feed(s, bad, n);
        assert_false(ov_tls_open(s));
        ov_tls_free(s);
    }
    assert_int_equal(ov_tls_feed(c, "HTTP/1.1 400 Bad Request\r\n\r\n", 28), OV_EAUTH);
    assert_int_equal(ov_tls_feed(c, "x", 1), OV_EAUTH);
    assert_false(ov_tls_refused(c));
    ov_tls_free(c);
    ov_tls_context_free(sc);
    ov_tls_context_free(cc);
}

static void test_broken_record(void **state)
{
    struct ov_identity_secret root = person(1);
    struct ov_tls_context *sc = context(&root), *cc = context(NULL);
    struct ov_tls *s, *c;
    uint8_t buf[OV_TLS_WIRE];
    (void)state;

    assert_int_equal(ov_tls_server(sc, &s), OV_OK);
    assert_int_equal(ov_tls_client(cc, NULL, &root.pub, &c), OV_OK);
    assert_int_equal(shake(c, s, 5000), OV_OK);
    assert_int_equal(ov_tls_write(c, (const uint8_t *)"hello", 5), OV_OK);
    size_t n = ov_tls_take(c, buf, sizeof buf);
    buf[n - 1] ^= 1;
    assert_int_equal(ov_tls_feed(s, buf, n), OV_OK);
    assert_int_equal(ov_tls_read(s, buf, sizeof buf), OV_EAUTH);
    ov_tls_free(s);
    ov_tls_free(c);
    ov_tls_context_free(sc);
    ov_tls_context_free(cc);
}

static void test_library(void **state)
{
    struct ov_tls_library l;
    char why[OV_TLS_WHY];
    (void)state;

    assert_int_equal(ov_tls_load(&l, "libnothing.so.99", why, sizeof why), OV_ENOENT);
    assert_non_null(strstr(why, "libnothing.so.99"));
    assert_int_equal(ov_tls_load(&l, "libm.so.6", why, sizeof why), OV_EVERSION);
    assert_null(l.SSL_new);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pair),          cmocka_unit_test(test_impostor),
        cmocka_unit_test(test_no_binding),    cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_broken_record), cmocka_unit_test(test_library),
    };
    if (ov_crypto_init() != OV_OK)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
