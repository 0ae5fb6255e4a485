/* crypto: the primitives, and nothing that composes them. All by libsodium; the AEADs of the data
 * path are aead.h's.
 *
 * Keys are types of their own; every holder wipes them with ov_wipe() on its way out. Call
 * ov_crypto_init() once a process, before anything else here. */
#ifndef OV_CORE_CRYPTO_H
#define OV_CORE_CRYPTO_H

#include "aead.h"
#include "types.h"

#define OV_HASH_LEN 64 /* BLAKE2b-512, as Noise's BLAKE2b */

/* Randomness comes from outside core/. */
struct ov_random {
    void (*fill)(void *arg, void *buf, size_t len);
    void *arg;
};
uint64_t ov_random_u64(const struct ov_random *r);
/* Uniform in [0, n); n > 0. */
uint32_t ov_random_below(const struct ov_random *r, uint32_t n);

struct ov_dh_public {
    uint8_t b[32];
};
struct ov_dh_secret {
    uint8_t b[32];
};
struct ov_sign_public {
    uint8_t b[32];
};
struct ov_sign_secret {
    uint8_t b[64];
};
struct ov_signature {
    uint8_t b[64];
};
struct ov_secret32 {
    uint8_t b[32];
};

OV_CHECK int ov_crypto_init(void);
void ov_wipe(void *p, size_t len);
bool ov_equal_ct(const void *a, const void *b, size_t len); /* constant time */

/* `seed` is the raw X25519 secret scalar; clamping happens inside X25519. */
void ov_dh_from_seed(const uint8_t seed[32], struct ov_dh_public *pub, struct ov_dh_secret *sec);
/* X25519 (RFC 7748). OV_EAUTH when the result is all zero (a low-order point). */
OV_CHECK int ov_dh(const struct ov_dh_secret *sec, const struct ov_dh_public *pub, uint8_t out[32]);

void ov_sign_from_seed(const uint8_t seed[32], struct ov_sign_public *pub,
                       struct ov_sign_secret *sec);
/* Ed25519 (RFC 8032) over `domain` (NUL-terminated, its NUL is signed as separator) || msg. `msg`
 * may be at most OV_SIGN_MAX bytes (asserted when signing, OV_EAUTH when verifying). */
#define OV_SIGN_MAX 16384
void ov_sign(const struct ov_sign_secret *sec, const char *domain, const void *msg, size_t len,
             struct ov_signature *out);
OV_CHECK int ov_sign_verify(const struct ov_sign_public *pub, const char *domain, const void *msg,
                            size_t len, const struct ov_signature *sig);

/* BLAKE2b (RFC 7693). `key` may be NULL with keylen 0. outlen 16..64. */
void ov_hash(void *out, size_t outlen, const void *key, size_t keylen, const void *msg, size_t len);
/* Unkeyed BLAKE2b over a || b. */
void ov_hash2(void *out, size_t outlen, const void *a, size_t alen, const void *b, size_t blen);
/* out = HMAC-BLAKE2b(key, a || b); RFC 2104 with block 128; b may be NULL. */
void ov_hmac(uint8_t out[OV_HASH_LEN], const void *key, size_t keylen, const void *a, size_t alen,
             const void *b, size_t blen);
/* Noise section 4.3 HKDF; o3 may be NULL for two outputs. */
void ov_hkdf(const uint8_t ck[OV_HASH_LEN], const void *ikm, size_t len, uint8_t o1[OV_HASH_LEN],
             uint8_t o2[OV_HASH_LEN], uint8_t o3[OV_HASH_LEN]);
/* 16-byte SipHash-2-4 (key 16 bytes): header tags and hash tables. */
void ov_siphash128(uint8_t out[16], const uint8_t key[16], const void *msg, size_t len);
uint64_t ov_siphash64(const uint8_t key[16], const void *msg, size_t len);

/* Argon2id, one pass over mem_kib (>= 8) KiB. OV_ENOMEM. */
OV_CHECK int ov_argon2id(void *out, size_t outlen, const void *pw, size_t pwlen,
                         const uint8_t salt[16], uint32_t mem_kib);

/* XChaCha20-Poly1305 with a random 24-byte nonce, for cookies. out: len + OV_TAG_LEN. */
void ov_xaead_seal(const uint8_t key[32], const uint8_t nonce[24], const void *ad, size_t adlen,
                   const void *in, size_t len, uint8_t *out);
OV_CHECK int ov_xaead_open(const uint8_t key[32], const uint8_t nonce[24], const void *ad,
                           size_t adlen, const uint8_t *in, size_t len, uint8_t *out);

#endif
