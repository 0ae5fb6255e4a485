#include "noise.h"

#include <string.h>

/* Theory of operation. The names are the specification's: ck is the chaining key, h the running
 * hash of all that both sides have seen, k and n the cipher state. Every token of a message is a
 * line or two below: `e` mixes a public key into h, a DH token mixes a shared secret into ck and k,
 * and a sealed field is encrypted under k with h as associated data and then mixed into h.
 *
 * has_key tells the phase: false before message 1, true after it. So message 1 cannot be handled
 * twice, nor message 2 before it. */

static const char protocol_name[] = "Noise_IK_25519_ChaChaPoly_BLAKE2b";

_Static_assert(sizeof(protocol_name) - 1 <= OV_HASH_LEN, "the name is h as it is, not hashed");

/* h = HASH(h || data) */
static void mix_hash(struct ov_noise *hs, const void *data, size_t len)
{
    ov_hash2(hs->h, sizeof(hs->h), hs->h, sizeof(hs->h), data, len);
}

/* ck, k = HKDF(ck, DH(sec, pub)) */
static int mix_dh(struct ov_noise *hs, const struct ov_dh_secret *sec,
                  const struct ov_dh_public *pub)
{
    uint8_t shared[32], k[OV_HASH_LEN];
    int err = ov_dh(sec, pub, shared);

    if (!err) {
        ov_hkdf(hs->ck, shared, sizeof(shared), hs->ck, k, NULL);
        memcpy(hs->k, k, sizeof(hs->k));
        hs->n = 0;
        hs->has_key = true;
    }
    ov_wipe(shared, sizeof(shared));
    ov_wipe(k, sizeof(k));
    return err;
}

/* out has room for len + OV_TAG_LEN. */
static void encrypt_and_hash(struct ov_noise *hs, const void *in, size_t len, uint8_t *out)
{
    struct ov_aead_key key;

    ov_aead_init(&key, OV_AEAD_CHACHA20POLY1305, hs->k);
    ov_aead_seal(&key, hs->n++, hs->h, sizeof(hs->h), in, len, out);
    mix_hash(hs, out, len + OV_TAG_LEN);
    ov_wipe(&key, sizeof(key));
}

/* `len` includes the tag. */
static int decrypt_and_hash(struct ov_noise *hs, const uint8_t *in, size_t len, uint8_t *out)
{
    struct ov_aead_key key;
    uint8_t h[OV_HASH_LEN];
    int err;

    memcpy(h, hs->h, sizeof(h));
    mix_hash(hs, in, len); /* first, as `out` may overwrite `in` */
    ov_aead_init(&key, OV_AEAD_CHACHA20POLY1305, hs->k);
    err = ov_aead_open(&key, hs->n++, h, sizeof(h), in, len, out);
    ov_wipe(&key, sizeof(key));
    return err;
}

/* Initialize(): the name, the prologue, and the pre-message `<- s`. */
static void start(struct ov_noise *hs, const void *prologue, size_t plen,
                  const struct ov_dh_public *s_pub, const struct ov_dh_secret *s,
                  const struct ov_dh_public *responder)
{
    memset(hs, 0, sizeof(*hs));
    memcpy(hs->h, protocol_name, sizeof(protocol_name) - 1);
    memcpy(hs->ck, hs->h, sizeof(hs->ck));
    hs->s_pub = *s_pub;
    hs->s = *s;
    mix_hash(hs, prologue, plen);
    mix_hash(hs, responder->b, sizeof(responder->b));
}

void ov_noise_init_initiator(struct ov_noise *hs, const void *prologue, size_t plen,
                             const struct ov_dh_public *s_pub, const struct ov_dh_secret *s,
                             const struct ov_dh_public *rs)
{
    start(hs, prologue, plen, s_pub, s, rs);
    hs->rs = *rs;
}

void ov_noise_init_responder(struct ov_noise *hs, const void *prologue, size_t plen,
                             const struct ov_dh_public *s_pub, const struct ov_dh_secret *s)
{
    start(hs, prologue, plen, s_pub, s, s_pub);
}

/* The token `e` of a message we write. */
static void write_e(struct ov_noise *hs, const uint8_t seed[32], uint8_t out[32])
{
    ov_dh_from_seed(seed, &hs->e_pub, &hs->e);
    memcpy(out, hs->e_pub.b, sizeof(hs->e_pub.b));
    mix_hash(hs, hs->e_pub.b, sizeof(hs->e_pub.b));
}

/* The token `e` of a message we read. */
static void read_e(struct ov_noise *hs, const uint8_t in[32])
{
    memcpy(hs->re.b, in, sizeof(hs->re.b));
    mix_hash(hs, hs->re.b, sizeof(hs->re.b));
}

int ov_noise_write1(struct ov_noise *hs, const uint8_t e_seed[32], const void *payload, size_t len,
                    uint8_t *out)
{
    struct ov_noise t = *hs;
    int err = OV_ESTATE;

    if (t.has_key)
        goto out;
    write_e(&t, e_seed, out);
    if ((err = mix_dh(&t, &t.e, &t.rs))) /* es */
        goto out;
    encrypt_and_hash(&t, t.s_pub.b, sizeof(t.s_pub.b), out + 32); /* s */
    if ((err = mix_dh(&t, &t.s, &t.rs)))                          /* ss */
        goto out;
    encrypt_and_hash(&t, payload, len, out + 32 + 48);
    *hs = t;
out:
    ov_noise_wipe(&t);
    return err;
}

int ov_noise_read1(struct ov_noise *hs, const uint8_t *msg, size_t len, uint8_t *payload)
{
    struct ov_noise t = *hs;
    int err = OV_ESTATE;

    if (t.has_key)
        goto out;
    err = OV_ETRUNC;
    if (len < OV_NOISE_MSG1_LEN)
        goto out;
    read_e(&t, msg);
    if ((err = mix_dh(&t, &t.s, &t.re))) /* es */
        goto out;
    if ((err = decrypt_and_hash(&t, msg + 32, 48, t.rs.b))) /* s */
        goto out;
    if ((err = mix_dh(&t, &t.s, &t.rs))) /* ss */
        goto out;
    if ((err = decrypt_and_hash(&t, msg + 32 + 48, len - 32 - 48, payload)))
        goto out;
    *hs = t;
out:
    ov_noise_wipe(&t);
    return err;
}

int ov_noise_write2(struct ov_noise *hs, const uint8_t e_seed[32], const void *payload, size_t len,
                    uint8_t *out)
{
    struct ov_noise t = *hs;
    int err = OV_ESTATE;

    if (!t.has_key)
        goto out;
    write_e(&t, e_seed, out);
    if ((err = mix_dh(&t, &t.e, &t.re))) /* ee */
        goto out;
    if ((err = mix_dh(&t, &t.e, &t.rs))) /* se */
        goto out;
    encrypt_and_hash(&t, payload, len, out + 32);
    *hs = t;
out:
    ov_noise_wipe(&t);
    return err;
}

int ov_noise_read2(struct ov_noise *hs, const uint8_t *msg, size_t len, uint8_t *payload)
{
    struct ov_noise t = *hs;
    int err = OV_ESTATE;

    if (!t.has_key)
        goto out;
    err = OV_ETRUNC;
    if (len < OV_NOISE_MSG2_LEN)
        goto out;
    read_e(&t, msg);
    if ((err = mix_dh(&t, &t.e, &t.re))) /* ee */
        goto out;
    if ((err = mix_dh(&t, &t.s, &t.re))) /* se */
        goto out;
    if ((err = decrypt_and_hash(&t, msg + 32, len - 32, payload)))
        goto out;
    *hs = t;
out:
    ov_noise_wipe(&t);
    return err;
}

void ov_noise_split(const struct ov_noise *hs, uint8_t initiator_to_responder[32],
                    uint8_t responder_to_initiator[32])
{
    uint8_t k1[OV_HASH_LEN], k2[OV_HASH_LEN];

    ov_hkdf(hs->ck, NULL, 0, k1, k2, NULL);
    memcpy(initiator_to_responder, k1, 32);
    memcpy(responder_to_initiator, k2, 32);
    ov_wipe(k1, sizeof(k1));
    ov_wipe(k2, sizeof(k2));
}

void ov_noise_wipe(struct ov_noise *hs)
{
    ov_wipe(hs, sizeof(*hs));
}
