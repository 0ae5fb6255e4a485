/* identity: who a node is.
 *
 * One 32-byte seed gives an X25519 and an Ed25519 key pair by domain-separated keyed BLAKE2b. The
 * public identity is both public keys and a proof-of-work nonce; the 40-bit address is taken from a
 * memory-hard hash (Argon2id) of the public identity, whose first bits must be zero. The short
 * address is a look-up hint and never authenticates: everything is bound to the 72 public bytes.
 *
 *     work = Argon2id(x_pub || ed_pub || nonce, salt "ovpn address v1\0", 1 pass, mem_kib)
 *
 * is 32 bytes, and valid when its first `bits` bits are zero and the address, work[8..12], is not
 * reserved. */
#ifndef OV_CORE_IDENTITY_H
#define OV_CORE_IDENTITY_H

#include "crypto.h"

#define OV_IDENTITY_LEN 72 /* x_pub 32, ed_pub 32, nonce 8 */

/* The difficulty. Every node of an overlay must use the same; only tests use another than
 * OV_POW_DEFAULT (about a second to make, milliseconds to check). */
struct ov_pow {
    uint32_t mem_kib;
    uint8_t bits;
};
extern const struct ov_pow OV_POW_DEFAULT;

struct ov_identity {
    struct ov_dh_public dh;
    struct ov_sign_public sign;
    uint64_t nonce;
    ov_addr addr; /* derived; set by decode+check, never read off the wire */
};

struct ov_identity_secret {
    uint8_t seed[32];
    struct ov_identity pub;
    struct ov_dh_secret dh;
    struct ov_sign_secret sign;
};

/* Make an identity from `seed`: tries nonces from 0 on. `progress` (may be NULL) is called once
 * a try and stops the search by returning false (then OV_ESTATE). OV_ENOMEM. */
OV_CHECK int ov_identity_make(const uint8_t seed[32], const struct ov_pow *pow,
                              bool (*progress)(void *arg, uint64_t tries), void *arg,
                              struct ov_identity_secret *out);
/* Rebuild a secret identity from its stored seed and nonce, proof of work checked. OV_EAUTH. */
OV_CHECK int ov_identity_load(const uint8_t seed[32], uint64_t nonce, const struct ov_pow *pow,
                              struct ov_identity_secret *out);
void ov_identity_wipe(struct ov_identity_secret *id);

/* The 72 bytes. decode leaves addr 0; check does the proof of work (milliseconds) and sets addr. */
void ov_identity_encode(const struct ov_identity *id, uint8_t out[OV_IDENTITY_LEN]);
void ov_identity_decode(const uint8_t in[OV_IDENTITY_LEN], struct ov_identity *out);
OV_CHECK int ov_identity_check(struct ov_identity *id, const struct ov_pow *pow);
/* Same keys and nonce. */
bool ov_identity_equal(const struct ov_identity *a, const struct ov_identity *b);

/* Text: "ADDRESS:HEX144" (10 + 1 + 144 characters). parse compares the claimed address with the
 * proven one: OV_EAUTH. */
#define OV_IDENTITY_TEXT 156
const char *ov_identity_format(const struct ov_identity *id, char out[OV_IDENTITY_TEXT]);
OV_CHECK int ov_identity_parse(const char *text, const struct ov_pow *pow, struct ov_identity *out);

#endif
