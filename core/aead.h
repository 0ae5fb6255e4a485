/* aead: the AEADs of the data path, by whichever library does them fastest here.
 *
 * On x86 that is Intel's libipsec-mb, everywhere else libsodium; docs/decisions.md has the numbers.
 * Both make the same bytes. A key is expanded once, when it is made. */
#ifndef OV_CORE_AEAD_H
#define OV_CORE_AEAD_H

#include "types.h"

#define OV_TAG_LEN 16

enum ov_aead { OV_AEAD_NONE = 0, OV_AEAD_CHACHA20POLY1305 = 1, OV_AEAD_AES256GCM = 2 };

/* What a key needs of memory: libipsec-mb keeps powers of the hash key beside AES's key schedule.
 */
#ifdef OV_HAVE_IPSEC_MB
#define OV_AEAD_STATE 1008
#else
#define OV_AEAD_STATE 512
#endif

struct ov_aead_key {
    /* the expanded AES key, or the raw ChaCha20 key */
    _Alignas(16) uint8_t state[OV_AEAD_STATE];
    enum ov_aead alg;
};

/* Find out what this processor can do. Once a process, by ov_crypto_init(). OV_ENOMEM. */
OV_CHECK int ov_aead_setup(void);
/* Which library does them: "libipsec-mb" or "libsodium". */
const char *ov_aead_provider(void);
/* Use libsodium whatever is there, or no longer; for tests and benchmarks that compare. Keys made
 * before are of no use after. */
void ov_aead_plain(bool plain);
bool ov_aead_available(enum ov_aead a); /* AES-256-GCM only with hardware support */

/* The nonce is 4 zero bytes and the 64-bit counter: little-endian for ChaCha20-Poly1305, big-endian
 * for AES-256-GCM (Noise sections 12.3, 12.4; RFC 8439; NIST SP 800-38D). */
void ov_aead_init(struct ov_aead_key *k, enum ov_aead alg, const uint8_t raw[32]);
/* in may equal out; out has room for len + OV_TAG_LEN. */
void ov_aead_seal(const struct ov_aead_key *k, uint64_t counter, const void *ad, size_t adlen,
                  const uint8_t *in, size_t len, uint8_t *out);
/* `len` includes the tag; in may equal out. OV_EAUTH leaves out undefined. */
OV_CHECK int ov_aead_open(const struct ov_aead_key *k, uint64_t counter, const void *ad,
                          size_t adlen, const uint8_t *in, size_t len, uint8_t *out);

#endif
