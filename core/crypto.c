#include "crypto.h"

#include "aead.h"
#include "bytes.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#define HMAC_BLOCK 128

_Static_assert(crypto_aead_xchacha20poly1305_ietf_ABYTES == OV_TAG_LEN, "a tag fits");

int ov_crypto_init(void)
{
    return sodium_init() < 0 ? OV_EIO : ov_aead_setup();
}

void ov_wipe(void *p, size_t len)
{
    sodium_memzero(p, len);
}

bool ov_equal_ct(const void *a, const void *b, size_t len)
{
    return sodium_memcmp(a, b, len) == 0;
}

/* ---- randomness ---- */

uint64_t ov_random_u64(const struct ov_random *r)
{
    uint8_t b[8];

    r->fill(r->arg, b, sizeof(b));
    return ov_load64(b);
}

/* Values from the incomplete last run of n are thrown away, so that all results are equally likely.
 */
uint32_t ov_random_below(const struct ov_random *r, uint32_t n)
{
    uint64_t v, limit;

    assert(n > 0);
    limit = UINT64_MAX - UINT64_MAX % n;
    do {
        v = ov_random_u64(r);
    } while (v >= limit);
    return (uint32_t)(v % n);
}

/* ---- X25519, Ed25519 ---- */

void ov_dh_from_seed(const uint8_t seed[32], struct ov_dh_public *pub, struct ov_dh_secret *sec)
{
    int err;

    memcpy(sec->b, seed, sizeof(sec->b));
    err = crypto_scalarmult_base(pub->b, sec->b);
    assert(err == 0);
    (void)err;
}

int ov_dh(const struct ov_dh_secret *sec, const struct ov_dh_public *pub, uint8_t out[32])
{
    return crypto_scalarmult(out, sec->b, pub->b) == 0 ? OV_OK : OV_EAUTH;
}

void ov_sign_from_seed(const uint8_t seed[32], struct ov_sign_public *pub,
                       struct ov_sign_secret *sec)
{
    crypto_sign_ed25519_seed_keypair(pub->b, sec->b, seed);
}

/* Domain, its NUL and the message in one piece, as Ed25519 reads it twice. */
struct signed_text {
    uint8_t b[64 + OV_SIGN_MAX];
    size_t len;
};

static void signed_text_make(struct signed_text *t, const char *domain, const void *msg, size_t len)
{
    size_t dlen = strlen(domain) + 1;

    assert(dlen <= sizeof(t->b) - OV_SIGN_MAX);
    memcpy(t->b, domain, dlen);
    if (len > 0)
        memcpy(t->b + dlen, msg, len);
    t->len = dlen + len;
}

void ov_sign(const struct ov_sign_secret *sec, const char *domain, const void *msg, size_t len,
             struct ov_signature *out)
{
    struct signed_text t;

    assert(len <= OV_SIGN_MAX);
    signed_text_make(&t, domain, msg, len);
    crypto_sign_detached(out->b, NULL, t.b, t.len, sec->b);
}

int ov_sign_verify(const struct ov_sign_public *pub, const char *domain, const void *msg,
                   size_t len, const struct ov_signature *sig)
{
    struct signed_text t;

    if (len > OV_SIGN_MAX)
        return OV_EAUTH;
    signed_text_make(&t, domain, msg, len);
    return crypto_sign_verify_detached(sig->b, t.b, t.len, pub->b) == 0 ? OV_OK : OV_EAUTH;
}

/* ---- hashes ---- */

void ov_hash(void *out, size_t outlen, const void *key, size_t keylen, const void *msg, size_t len)
{
    int err = crypto_generichash(out, outlen, msg, len, key, keylen);

    assert(err == 0);
    (void)err;
}

void ov_hash2(void *out, size_t outlen, const void *a, size_t alen, const void *b, size_t blen)
{
    crypto_generichash_state st;

    crypto_generichash_init(&st, NULL, 0, outlen);
    if (alen > 0)
        crypto_generichash_update(&st, a, alen);
    if (blen > 0)
        crypto_generichash_update(&st, b, blen);
    crypto_generichash_final(&st, out, outlen);
    ov_wipe(&st, sizeof(st));
}

/* One pass of HMAC: H(pad || a || b), with the padded key XORed by `x`. */
static void hmac_pass(uint8_t out[OV_HASH_LEN], const uint8_t key[HMAC_BLOCK], uint8_t x,
                      const void *a, size_t alen, const void *b, size_t blen)
{
    crypto_generichash_state st;
    uint8_t pad[HMAC_BLOCK];

    for (size_t i = 0; i < sizeof(pad); i++)
        pad[i] = key[i] ^ x;
    crypto_generichash_init(&st, NULL, 0, OV_HASH_LEN);
    crypto_generichash_update(&st, pad, sizeof(pad));
    if (alen > 0)
        crypto_generichash_update(&st, a, alen);
    if (blen > 0)
        crypto_generichash_update(&st, b, blen);
    crypto_generichash_final(&st, out, OV_HASH_LEN);
    ov_wipe(pad, sizeof(pad));
    ov_wipe(&st, sizeof(st));
}

void ov_hmac(uint8_t out[OV_HASH_LEN], const void *key, size_t keylen, const void *a, size_t alen,
             const void *b, size_t blen)
{
    uint8_t block[HMAC_BLOCK] = {0}, inner[OV_HASH_LEN];

    if (keylen > sizeof(block))
        ov_hash(block, OV_HASH_LEN, NULL, 0, key, keylen);
    else if (keylen > 0)
        memcpy(block, key, keylen);
    hmac_pass(inner, block, 0x36, a, alen, b, blen);
    hmac_pass(out, block, 0x5c, inner, sizeof(inner), NULL, 0);
    ov_wipe(block, sizeof(block));
    ov_wipe(inner, sizeof(inner));
}

void ov_hkdf(const uint8_t ck[OV_HASH_LEN], const void *ikm, size_t len, uint8_t o1[OV_HASH_LEN],
             uint8_t o2[OV_HASH_LEN], uint8_t o3[OV_HASH_LEN])
{
    const uint8_t one = 1, two = 2, three = 3;
    uint8_t temp[OV_HASH_LEN];

    /* `ck` may be o1: it is not read after this. */
    ov_hmac(temp, ck, OV_HASH_LEN, ikm, len, NULL, 0);
    ov_hmac(o1, temp, sizeof(temp), &one, 1, NULL, 0);
    ov_hmac(o2, temp, sizeof(temp), o1, OV_HASH_LEN, &two, 1);
    if (o3)
        ov_hmac(o3, temp, sizeof(temp), o2, OV_HASH_LEN, &three, 1);
    ov_wipe(temp, sizeof(temp));
}

void ov_siphash128(uint8_t out[16], const uint8_t key[16], const void *msg, size_t len)
{
    crypto_shorthash_siphashx24(out, msg, len, key);
}

uint64_t ov_siphash64(const uint8_t key[16], const void *msg, size_t len)
{
    uint8_t out[crypto_shorthash_BYTES];

    crypto_shorthash(out, msg, len, key);
    return ov_load64(out);
}

int ov_argon2id(void *out, size_t outlen, const void *pw, size_t pwlen, const uint8_t salt[16],
                uint32_t mem_kib)
{
    int err = crypto_pwhash(out, outlen, pw, pwlen, salt, 1, (size_t)mem_kib * 1024,
                            crypto_pwhash_ALG_ARGON2ID13);

    return err == 0 ? OV_OK : OV_ENOMEM;
}

/* ---- XChaCha20-Poly1305 ---- */

void ov_xaead_seal(const uint8_t key[32], const uint8_t nonce[24], const void *ad, size_t adlen,
                   const void *in, size_t len, uint8_t *out)
{
    crypto_aead_xchacha20poly1305_ietf_encrypt(out, NULL, in, len, ad, adlen, NULL, nonce, key);
}

int ov_xaead_open(const uint8_t key[32], const uint8_t nonce[24], const void *ad, size_t adlen,
                  const uint8_t *in, size_t len, uint8_t *out)
{
    int err =
        crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, in, len, ad, adlen, nonce, key);
    return err == 0 ? OV_OK : OV_EAUTH;
}
