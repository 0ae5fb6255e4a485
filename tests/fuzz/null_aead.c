/* null_aead: an AEAD that hides nothing and believes everything, linked in place of core/aead.c.
 *
 * So a fuzzer writes what stands inside sealed datagrams without knowing any key, and sees in what
 * is sent what it does. Everything else of the engine is the real one. The tag is sixteen bytes as
 * ever, zeroes when sealing and not looked at when opening. */
#include "core/aead.h"

#include <assert.h>
#include <string.h>

int ov_aead_setup(void)
{
    return OV_OK;
}

void ov_aead_plain(bool plain)
{
    (void)plain;
}

const char *ov_aead_provider(void)
{
    return "none";
}

bool ov_aead_available(enum ov_aead a)
{
    return a == OV_AEAD_AES256GCM || a == OV_AEAD_CHACHA20POLY1305;
}

void ov_aead_init(struct ov_aead_key *k, enum ov_aead alg, const uint8_t raw[32])
{
    memset(k->state, 0, sizeof(k->state));
    memcpy(k->state, raw, 32);
    k->alg = alg;
}

void ov_aead_seal(const struct ov_aead_key *k, uint64_t counter, const void *ad, size_t adlen,
                  const uint8_t *in, size_t len, uint8_t *out)
{
    (void)counter, (void)ad, (void)adlen;
    assert(k->alg != OV_AEAD_NONE);
    if (len > 0)
        memmove(out, in, len);
    memset(out + len, 0, OV_TAG_LEN);
}

int ov_aead_open(const struct ov_aead_key *k, uint64_t counter, const void *ad, size_t adlen,
                 const uint8_t *in, size_t len, uint8_t *out)
{
    (void)counter, (void)ad, (void)adlen;
    assert(k->alg != OV_AEAD_NONE);
    if (len < OV_TAG_LEN)
        return OV_EAUTH;
    if (len > OV_TAG_LEN)
        memmove(out, in, len - OV_TAG_LEN);
    return OV_OK;
}
