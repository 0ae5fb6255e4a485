/* aead_ipsec: the AEADs by Intel's libipsec-mb. Only for aead.c.
 *
 * It is there on x86-64 only; without it ov_ipsec_used() is always false and nothing else here is
 * called. */
#ifndef OV_CORE_AEAD_IPSEC_H
#define OV_CORE_AEAD_IPSEC_H

#include "aead.h"

OV_CHECK int ov_ipsec_setup(void); /* once a process. OV_ENOMEM */
void ov_ipsec_use(bool use);       /* if it can be */
bool ov_ipsec_used(void);

/* As their namesakes in aead.h; `len` is always without the tag. */
void ov_ipsec_init(struct ov_aead_key *k, const uint8_t raw[32]);
void ov_ipsec_seal(const struct ov_aead_key *k, const uint8_t nonce[12], const void *ad,
                   size_t adlen, const uint8_t *in, size_t len, uint8_t *out);
OV_CHECK int ov_ipsec_open(const struct ov_aead_key *k, const uint8_t nonce[12], const void *ad,
                           size_t adlen, const uint8_t *in, size_t len, uint8_t *out);

#endif
