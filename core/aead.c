#include "aead.h"

#include "aead_ipsec.h"
#include "bytes.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

_Static_assert(sizeof(crypto_aead_aes256gcm_state) <= OV_AEAD_STATE, "an expanded AES key fits");
_Static_assert(crypto_aead_chacha20poly1305_ietf_ABYTES == OV_TAG_LEN &&
                   crypto_aead_aes256gcm_ABYTES == OV_TAG_LEN,
               "both AEADs have one tag length");

int ov_aead_setup(void)
{
    return ov_ipsec_setup();
}

void ov_aead_plain(bool plain)
{
    ov_ipsec_use(!plain);
}

const char *ov_aead_provider(void)
{
    return ov_ipsec_used() ? "libipsec-mb" : "libsodium";
}

bool ov_aead_available(enum ov_aead a)
{
    if (a == OV_AEAD_AES256GCM)
        return ov_ipsec_used() || crypto_aead_aes256gcm_is_available() != 0;
    return a == OV_AEAD_CHACHA20POLY1305;
}

/* Four zero bytes and the counter, in the byte order that Noise gives each cipher. */
static void nonce_make(enum ov_aead alg, uint64_t counter, uint8_t nonce[12])
{
    memset(nonce, 0, 4);
    if (alg == OV_AEAD_AES256GCM) {
        ov_store64(nonce + 4, counter);
        return;
    }
    for (size_t i = 0; i < 8; i++)
        nonce[4 + i] = (uint8_t)(counter >> 8 * i);
}

void ov_aead_init(struct ov_aead_key *k, enum ov_aead alg, const uint8_t raw[32])
{
    assert(ov_aead_available(alg));
    memset(k->state, 0, sizeof(k->state));
    k->alg = alg;
    if (ov_ipsec_used()) {
        ov_ipsec_init(k, raw);
        return;
    }
    if (alg == OV_AEAD_AES256GCM)
        crypto_aead_aes256gcm_beforenm((crypto_aead_aes256gcm_state *)(void *)k->state, raw);
    else
        memcpy(k->state, raw, 32);
}

void ov_aead_seal(const struct ov_aead_key *k, uint64_t counter, const void *ad, size_t adlen,
                  const uint8_t *in, size_t len, uint8_t *out)
{
    const void *state = k->state;
    uint8_t nonce[12];

    assert(k->alg != OV_AEAD_NONE);
    nonce_make(k->alg, counter, nonce);
    if (ov_ipsec_used()) {
        ov_ipsec_seal(k, nonce, ad, adlen, in, len, out);
        return;
    }
    if (k->alg == OV_AEAD_AES256GCM)
        crypto_aead_aes256gcm_encrypt_afternm(out, NULL, in, len, ad, adlen, NULL, nonce, state);
    else
        crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, in, len, ad, adlen, NULL, nonce,
                                                  state);
}

int ov_aead_open(const struct ov_aead_key *k, uint64_t counter, const void *ad, size_t adlen,
                 const uint8_t *in, size_t len, uint8_t *out)
{
    const void *state = k->state;
    uint8_t nonce[12];
    int err;

    assert(k->alg != OV_AEAD_NONE);
    if (len < OV_TAG_LEN)
        return OV_EAUTH;
    nonce_make(k->alg, counter, nonce);
    if (ov_ipsec_used())
        return ov_ipsec_open(k, nonce, ad, adlen, in, len - OV_TAG_LEN, out);
    if (k->alg == OV_AEAD_AES256GCM)
        err = crypto_aead_aes256gcm_decrypt_afternm(out, NULL, NULL, in, len, ad, adlen, nonce,
                                                    state);
    else
        err = crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, in, len, ad, adlen, nonce,
                                                        state);
    return err == 0 ? OV_OK : OV_EAUTH;
}
