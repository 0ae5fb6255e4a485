#include "wire.h"

#include <string.h>

/* Datagrams, and the payloads inside the handshake. The sealed messages are in wire_peer.c and
 * wire_net.c. */

/* ---- handshake payloads ---- */

void ov_initiation_encode(const struct ov_initiation *p, uint8_t out[OV_INITIATION_PAYLOAD])
{
    struct ov_writer w;

    ov_writer_init(&w, out, OV_INITIATION_PAYLOAD);
    ov_writer_bytes(&w, p->sign.b, sizeof(p->sign.b));
    ov_writer_u64(&w, p->nonce);
    ov_writer_u64(&w, p->stamp);
    ov_writer_u8(&w, p->aeads);
    ov_writer_u8(&w, p->caps);
    ov_writer_u16(&w, p->boot);
}

int ov_initiation_decode(const uint8_t in[OV_INITIATION_PAYLOAD], struct ov_initiation *p)
{
    struct ov_reader r;

    ov_reader_init(&r, in, OV_INITIATION_PAYLOAD);
    ov_reader_copy(&r, p->sign.b, sizeof(p->sign.b));
    p->nonce = ov_reader_u64(&r);
    p->stamp = ov_reader_u64(&r);
    p->aeads = ov_reader_u8(&r);
    p->caps = ov_reader_u8(&r);
    p->boot = ov_reader_u16(&r);
    if (!ov_reader_done(&r))
        return OV_ETRUNC;
    /* ChaCha20-Poly1305 is what everybody has, so that there is always a common one. */
    return p->aeads & 1 << OV_AEAD_CHACHA20POLY1305 ? OV_OK : OV_EINVAL;
}

void ov_response_encode(const struct ov_response *p, uint8_t out[OV_RESPONSE_PAYLOAD])
{
    out[0] = p->aead;
    out[1] = p->caps;
    out[2] = (uint8_t)(p->boot >> 8);
    out[3] = (uint8_t)p->boot;
}

int ov_response_decode(const uint8_t in[OV_RESPONSE_PAYLOAD], struct ov_response *p)
{
    p->aead = in[0];
    p->caps = in[1];
    p->boot = (uint16_t)(in[2] << 8 | in[3]);
    if (p->aead != OV_AEAD_CHACHA20POLY1305 && p->aead != OV_AEAD_AES256GCM)
        return OV_EINVAL;
    return OV_OK;
}

/* ---- relay header ---- */

void ov_relay_encode(const struct ov_relay *r, const uint8_t key[16], uint8_t out[OV_RELAY_HEADER])
{
    struct ov_writer w;

    ov_writer_init(&w, out, OV_RELAY_HEADER);
    ov_writer_u8(&w, OV_WIRE_RELAY);
    ov_writer_u8(&w, r->relayed);
    ov_writer_zero(&w, 2);
    ov_writer_u32(&w, r->receiver);
    ov_writer_u64(&w, r->counter);
    ov_writer_u40(&w, r->addr);
    ov_writer_zero(&w, 3);
    ov_siphash128(out + OV_RELAY_TAG_AT, key, out, OV_RELAY_TAG_AT);
}

int ov_relay_decode(const uint8_t *in, size_t len, struct ov_relay *r)
{
    static const uint8_t zero[3];

    if (len < OV_RELAY_HEADER + OV_DATAGRAM_MIN)
        return OV_ETRUNC;
    if (in[0] != OV_WIRE_RELAY || in[1] > 1 || memcmp(in + 2, zero, 2) != 0 ||
        memcmp(in + 21, zero, 3) != 0)
        return OV_EINVAL;
    r->relayed = in[1] != 0;
    r->receiver = ov_load32(in + 4);
    r->counter = ov_load64(in + 8);
    r->addr = ov_load64(in + 16) >> 24;
    return ov_addr_valid(r->addr) ? OV_OK : OV_EINVAL;
}

int ov_relay_verify(const uint8_t in[OV_RELAY_HEADER], const uint8_t key[16])
{
    uint8_t tag[OV_RELAY_HEADER - OV_RELAY_TAG_AT];

    ov_siphash128(tag, key, in, OV_RELAY_TAG_AT);
    return ov_equal_ct(tag, in + OV_RELAY_TAG_AT, sizeof(tag)) ? OV_OK : OV_EAUTH;
}

/* ---- first contact ---- */

void ov_who_encode(uint64_t nonce, uint8_t out[OV_WHO_LEN])
{
    memset(out, 0, OV_WHO_LEN);
    out[0] = OV_WIRE_WHO;
    ov_store64(out + 4, nonce);
}

int ov_who_decode(const uint8_t *in, size_t len, uint64_t *nonce)
{
    uint8_t expected[OV_WHO_LEN];

    if (len != OV_WHO_LEN)
        return OV_ETRUNC;
    *nonce = ov_load64(in + 4);
    ov_who_encode(*nonce, expected);
    return memcmp(in, expected, sizeof(expected)) == 0 ? OV_OK : OV_EINVAL;
}

void ov_iam_encode(const struct ov_iam *i, uint8_t out[OV_IAM_LEN])
{
    out[0] = OV_WIRE_IAM;
    out[1] = i->caps;
    out[2] = out[3] = 0;
    ov_store64(out + 4, i->nonce);
    ov_identity_encode(&i->id, out + 12);
}

int ov_iam_decode(const uint8_t *in, size_t len, struct ov_iam *i)
{
    if (len != OV_IAM_LEN)
        return OV_ETRUNC;
    if (in[0] != OV_WIRE_IAM || in[2] != 0 || in[3] != 0)
        return OV_EINVAL;
    i->caps = in[1];
    i->nonce = ov_load64(in + 4);
    ov_identity_decode(in + 12, &i->id);
    return OV_OK;
}
