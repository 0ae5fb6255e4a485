#include "aead_ipsec.h"

#include "crypto.h"

#include <assert.h>
#include <string.h>

#ifdef OV_HAVE_IPSEC_MB

#include <intel-ipsec-mb.h>

_Static_assert(sizeof(struct gcm_key_data) <= OV_AEAD_STATE, "an expanded AES key fits");

/* The library's table of functions for this processor. Made once by ov_ipsec_setup() and only read
 * from then on, as libsodium does with its own inside. `mgr` NULL: not to be used. */
static IMB_MGR *found, *mgr;

/* Its code for processors without AES instructions, or with SSE alone, is not what we have it for.
 */
static bool is_fast(const IMB_MGR *m)
{
    return (m->features & IMB_FEATURE_AESNI) && m->used_arch >= (uint32_t)IMB_ARCH_AVX2;
}

int ov_ipsec_setup(void)
{
    if (found)
        return OV_OK;
    found = alloc_mb_mgr(0);
    if (!found)
        return OV_ENOMEM;
    init_mb_mgr_auto(found, NULL); /* runs its self test, too */
    if (imb_get_errno(found) != 0) {
        free_mb_mgr(found);
        found = NULL;
    }
    ov_ipsec_use(true);
    return OV_OK;
}

void ov_ipsec_use(bool use)
{
    mgr = use && found && is_fast(found) ? found : NULL;
}

bool ov_ipsec_used(void)
{
    return mgr != NULL;
}

static void gcm(const struct ov_aead_key *k, bool seal, const uint8_t nonce[12], const void *ad,
                size_t adlen, const uint8_t *in, size_t len, uint8_t *out, uint8_t tag[OV_TAG_LEN])
{
    const struct gcm_key_data *key = (const void *)k->state;
    struct gcm_context_data ctx;

    if (seal)
        IMB_AES256_GCM_ENC(mgr, key, &ctx, out, in, len, nonce, ad, adlen, tag, OV_TAG_LEN);
    else
        IMB_AES256_GCM_DEC(mgr, key, &ctx, out, in, len, nonce, ad, adlen, tag, OV_TAG_LEN);
    ov_wipe(&ctx, sizeof(ctx));
}

static void chacha(const struct ov_aead_key *k, bool seal, const uint8_t nonce[12], const void *ad,
                   size_t adlen, const uint8_t *in, size_t len, uint8_t *out,
                   uint8_t tag[OV_TAG_LEN])
{
    struct chacha20_poly1305_context_data ctx;

    IMB_CHACHA20_POLY1305_INIT(mgr, k->state, &ctx, nonce, ad, adlen);
    if (seal) {
        IMB_CHACHA20_POLY1305_ENC_UPDATE(mgr, k->state, &ctx, out, in, len);
        IMB_CHACHA20_POLY1305_ENC_FINALIZE(mgr, &ctx, tag, OV_TAG_LEN);
    } else {
        IMB_CHACHA20_POLY1305_DEC_UPDATE(mgr, k->state, &ctx, out, in, len);
        IMB_CHACHA20_POLY1305_DEC_FINALIZE(mgr, &ctx, tag, OV_TAG_LEN);
    }
    ov_wipe(&ctx, sizeof(ctx));
}

void ov_ipsec_init(struct ov_aead_key *k, const uint8_t raw[32])
{
    if (k->alg == OV_AEAD_AES256GCM)
        IMB_AES256_GCM_PRE(mgr, raw, (struct gcm_key_data *)(void *)k->state);
    else
        memcpy(k->state, raw, 32);
}

void ov_ipsec_seal(const struct ov_aead_key *k, const uint8_t nonce[12], const void *ad,
                   size_t adlen, const uint8_t *in, size_t len, uint8_t *out)
{
    if (k->alg == OV_AEAD_AES256GCM)
        gcm(k, true, nonce, ad, adlen, in, len, out, out + len);
    else
        chacha(k, true, nonce, ad, adlen, in, len, out, out + len);
}

/* The library gives the plain text and the tag that belongs to it; comparing is ours. */
int ov_ipsec_open(const struct ov_aead_key *k, const uint8_t nonce[12], const void *ad,
                  size_t adlen, const uint8_t *in, size_t len, uint8_t *out)
{
    uint8_t tag[OV_TAG_LEN], theirs[OV_TAG_LEN];
    bool same;

    memcpy(theirs, in + len, OV_TAG_LEN);
    if (k->alg == OV_AEAD_AES256GCM)
        gcm(k, false, nonce, ad, adlen, in, len, out, tag);
    else
        chacha(k, false, nonce, ad, adlen, in, len, out, tag);
    same = ov_equal_ct(tag, theirs, OV_TAG_LEN);
    ov_wipe(tag, sizeof(tag));
    if (!same && len > 0)
        ov_wipe(out, len); /* nobody sees what was not authentic */
    return same ? OV_OK : OV_EAUTH;
}

#else

int ov_ipsec_setup(void)
{
    return OV_OK;
}

void ov_ipsec_use(bool use)
{
    (void)use;
}

bool ov_ipsec_used(void)
{
    return false;
}

void ov_ipsec_init(struct ov_aead_key *k, const uint8_t raw[32])
{
    (void)k, (void)raw;
    assert(false);
}

void ov_ipsec_seal(const struct ov_aead_key *k, const uint8_t nonce[12], const void *ad,
                   size_t adlen, const uint8_t *in, size_t len, uint8_t *out)
{
    (void)k, (void)nonce, (void)ad, (void)adlen, (void)in, (void)len, (void)out;
    assert(false);
}

int ov_ipsec_open(const struct ov_aead_key *k, const uint8_t nonce[12], const void *ad,
                  size_t adlen, const uint8_t *in, size_t len, uint8_t *out)
{
    (void)k, (void)nonce, (void)ad, (void)adlen, (void)in, (void)len, (void)out;
    assert(false);
    return OV_EAUTH;
}

#endif
