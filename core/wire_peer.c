#include "wire.h"

#include <string.h>

/* Messages between any two peers: frames, fragments, paths, identities. */

static bool all_zero(const uint8_t *p, size_t n)
{
    uint8_t any = 0;

    for (size_t i = 0; i < n; i++)
        any |= p[i];
    return any == 0;
}

/* A place a datagram can be sent to. */
static bool endpoint_valid(const struct ov_endpoint *e)
{
    return e->ip.family != 0 && e->port != 0;
}

/* ---- frames and fragments ---- */

void ov_msg_frame_header(ov_netid net, uint8_t out[OV_MSG_FRAME_HEADER])
{
    out[0] = OV_MSG_FRAME;
    out[1] = 0;
    ov_store64(out + 2, net);
}

size_t ov_msg_frame_prepend(ov_netid net, const struct ov_offload *o, uint8_t *frame)
{
    size_t header = OV_MSG_FRAME_HEADER + (o->partial ? OV_MSG_FRAME_PARTIAL : 0);

    ov_msg_frame_header(net, frame - header);
    if (o->partial) {
        frame[1 - (ptrdiff_t)header] = OV_FRAME_PARTIAL;
        ov_store16(frame - 4, o->csum_start);
        ov_store16(frame - 2, o->csum_offset);
    }
    return header;
}

int ov_msg_frame_decode(const uint8_t *in, size_t len, ov_netid *net, struct ov_slice *frame,
                        struct ov_offload *o)
{
    size_t header = OV_MSG_FRAME_HEADER - 1;

    *o = (struct ov_offload){.partial = len > 0 && in[0] == OV_FRAME_PARTIAL};
    if (o->partial)
        header += OV_MSG_FRAME_PARTIAL;
    if (len < header + OV_ETH_LEN)
        return OV_ETRUNC;
    if ((in[0] & ~OV_FRAME_PARTIAL) != 0 || len - header > OV_FRAME_MAX)
        return OV_EINVAL;
    if (o->partial) {
        o->csum_start = ov_load16(in + header - 4);
        o->csum_offset = ov_load16(in + header - 2);
    }
    *net = ov_load64(in + 1);
    *frame = (struct ov_slice){in + header, len - header};
    return OV_OK;
}

static bool fragment_valid(const struct ov_msg_fragment *m)
{
    return m->bytes.len > 0 && m->total <= OV_MESSAGE_MAX && m->offset < m->total &&
           m->bytes.len <= (size_t)(m->total - m->offset);
}

void ov_msg_fragment_encode(struct ov_writer *w, const struct ov_msg_fragment *m)
{
    if (!fragment_valid(m)) {
        w->failed = true;
        return;
    }
    ov_writer_u8(w, OV_MSG_FRAGMENT);
    ov_writer_u16(w, m->id);
    ov_writer_u16(w, m->offset);
    ov_writer_u16(w, m->total);
    ov_writer_bytes(w, m->bytes.p, m->bytes.len);
}

int ov_msg_fragment_decode(const uint8_t *in, size_t len, struct ov_msg_fragment *m)
{
    struct ov_reader r;

    ov_reader_init(&r, in, len);
    m->id = ov_reader_u16(&r);
    m->offset = ov_reader_u16(&r);
    m->total = ov_reader_u16(&r);
    m->bytes.len = ov_reader_left(&r);
    m->bytes.p = ov_reader_take(&r, m->bytes.len);
    if (!ov_reader_done(&r) || m->bytes.len == 0)
        return OV_ETRUNC;
    return fragment_valid(m) ? OV_OK : OV_EINVAL;
}

/* ---- paths ---- */

void ov_msg_probe_encode(struct ov_writer *w, const struct ov_msg_probe *m)
{
    ov_writer_u8(w, OV_MSG_PROBE);
    ov_writer_u64(w, m->txid);
    ov_writer_zero(w, m->pad);
}

int ov_msg_probe_decode(const uint8_t *in, size_t len, struct ov_msg_probe *m)
{
    struct ov_reader r;
    const uint8_t *pad;

    ov_reader_init(&r, in, len);
    m->txid = ov_reader_u64(&r);
    m->pad = ov_reader_left(&r);
    pad = ov_reader_take(&r, m->pad);
    if (!ov_reader_done(&r))
        return OV_ETRUNC;
    return all_zero(pad, m->pad) ? OV_OK : OV_EINVAL;
}

/* Where a probe was seen from: a real endpoint, or none at all when it was relayed. */
static bool seen_valid(const struct ov_endpoint *e)
{
    return endpoint_valid(e) || (e->ip.family == 0 && e->port == 0);
}

void ov_msg_probe_ok_encode(struct ov_writer *w, const struct ov_msg_probe_ok *m)
{
    if (!seen_valid(&m->seen)) {
        w->failed = true;
        return;
    }
    ov_writer_u8(w, OV_MSG_PROBE_OK);
    ov_writer_u64(w, m->txid);
    ov_writer_u16(w, m->size);
    ov_writer_endpoint(w, &m->seen);
}

int ov_msg_probe_ok_decode(const uint8_t *in, size_t len, struct ov_msg_probe_ok *m)
{
    struct ov_reader r;

    ov_reader_init(&r, in, len);
    m->txid = ov_reader_u64(&r);
    m->size = ov_reader_u16(&r);
    ov_reader_endpoint(&r, &m->seen);
    if (!ov_reader_done(&r))
        return OV_ETRUNC;
    return seen_valid(&m->seen) ? OV_OK : OV_EINVAL;
}

static bool wait_valid(const struct ov_msg_reflect *m)
{
    return m->flags & OV_REFLECT_LATER ? m->wait > 0 && m->wait <= OV_REFLECT_WAIT_MAX
                                       : m->wait == 0;
}

static size_t reflect_pad(const struct ov_msg_reflect *m)
{
    return m->flags & OV_REFLECT_LATER ? OV_REFLECT_PAD_LATER : OV_REFLECT_PAD;
}

void ov_msg_reflect_encode(struct ov_writer *w, const struct ov_msg_reflect *m)
{
    if (m->pad < reflect_pad(m) || !wait_valid(m)) {
        w->failed = true;
        return;
    }
    ov_writer_u8(w, OV_MSG_REFLECT);
    ov_writer_u64(w, m->txid);
    ov_writer_u8(w, m->flags);
    if (m->flags & OV_REFLECT_LATER)
        ov_writer_u8(w, m->wait);
    ov_writer_zero(w, m->pad);
}

int ov_msg_reflect_decode(const uint8_t *in, size_t len, struct ov_msg_reflect *m)
{
    struct ov_reader r;
    const uint8_t *pad;

    ov_reader_init(&r, in, len);
    m->txid = ov_reader_u64(&r);
    m->flags = ov_reader_u8(&r);
    m->wait = m->flags & OV_REFLECT_LATER ? ov_reader_u8(&r) : 0;
    m->pad = ov_reader_left(&r);
    pad = ov_reader_take(&r, m->pad);
    if (!ov_reader_done(&r) || m->pad < reflect_pad(m))
        return OV_ETRUNC;
    return wait_valid(m) && all_zero(pad, m->pad) ? OV_OK : OV_EINVAL;
}

void ov_msg_reflect_ok_encode(struct ov_writer *w, const struct ov_msg_reflect_ok *m)
{
    if (!endpoint_valid(&m->seen)) {
        w->failed = true;
        return;
    }
    ov_writer_u8(w, OV_MSG_REFLECT_OK);
    ov_writer_u64(w, m->txid);
    ov_writer_u8(w, m->flags);
    ov_writer_u16(w, m->other);
    ov_writer_endpoint(w, &m->seen);
}

int ov_msg_reflect_ok_decode(const uint8_t *in, size_t len, struct ov_msg_reflect_ok *m)
{
    struct ov_reader r;

    ov_reader_init(&r, in, len);
    m->txid = ov_reader_u64(&r);
    m->flags = ov_reader_u8(&r);
    m->other = ov_reader_u16(&r);
    ov_reader_endpoint(&r, &m->seen);
    if (!ov_reader_done(&r))
        return OV_ETRUNC;
    return endpoint_valid(&m->seen) ? OV_OK : OV_EINVAL;
}

void ov_msg_close_encode(struct ov_writer *w, enum ov_close_reason reason)
{
    ov_writer_u8(w, OV_MSG_CLOSE);
    ov_writer_u8(w, (uint8_t)reason);
}

int ov_msg_close_decode(const uint8_t *in, size_t len, uint8_t *reason)
{
    struct ov_reader r;

    ov_reader_init(&r, in, len);
    *reason = ov_reader_u8(&r);
    return ov_reader_done(&r) ? OV_OK : OV_ETRUNC;
}

void ov_msg_twin_encode(struct ov_writer *w, const struct ov_msg_twin *m)
{
    ov_writer_u8(w, OV_MSG_TWIN);
    ov_writer_endpoint(w, &m->seen);
}

int ov_msg_twin_decode(const uint8_t *in, size_t len, struct ov_msg_twin *m)
{
    struct ov_reader r;

    ov_reader_init(&r, in, len);
    ov_reader_endpoint(&r, &m->seen);
    if (!ov_reader_done(&r))
        return OV_ETRUNC;
    return m->seen.ip.family == 0 || m->seen.port != 0 ? OV_OK : OV_EINVAL;
}

static bool candidates_valid(const struct ov_msg_punch *m)
{
    if (m->n > OV_CANDIDATES_MAX)
        return false;
    for (size_t i = 0; i < m->n; i++)
        if (m->c[i].kind < OV_CANDIDATE_LOCAL || m->c[i].kind > OV_CANDIDATE_MAPPED ||
            !endpoint_valid(&m->c[i].ep))
            return false;
    return true;
}

void ov_msg_punch_encode(struct ov_writer *w, const struct ov_msg_punch *m)
{
    if (!candidates_valid(m)) {
        w->failed = true;
        return;
    }
    ov_writer_u8(w, OV_MSG_PUNCH);
    ov_writer_u64(w, m->nonce);
    ov_writer_u8(w, m->flags);
    ov_writer_u8(w, m->round);
    ov_writer_u16(w, m->delay_ms);
    ov_writer_u8(w, m->nat.mapping);
    ov_writer_u8(w, m->nat.filtering);
    ov_writer_u8(w, m->nat.allocation);
    ov_writer_u16(w, (uint16_t)m->nat.step);
    ov_writer_u16(w, m->nat.base);
    ov_writer_u16(w, m->nat.spread);
    ov_writer_u8(w, m->strategy);
    ov_writer_u8(w, m->n);
    for (size_t i = 0; i < m->n; i++) {
        ov_writer_u8(w, m->c[i].kind);
        ov_writer_endpoint(w, &m->c[i].ep);
    }
}

int ov_msg_punch_decode(const uint8_t *in, size_t len, struct ov_msg_punch *m)
{
    struct ov_reader r;

    ov_reader_init(&r, in, len);
    m->nonce = ov_reader_u64(&r);
    m->flags = ov_reader_u8(&r);
    m->round = ov_reader_u8(&r);
    m->delay_ms = ov_reader_u16(&r);
    m->nat.mapping = ov_reader_u8(&r);
    m->nat.filtering = ov_reader_u8(&r);
    m->nat.allocation = ov_reader_u8(&r);
    m->nat.step = (int16_t)ov_reader_u16(&r);
    m->nat.base = ov_reader_u16(&r);
    m->nat.spread = ov_reader_u16(&r);
    m->strategy = ov_reader_u8(&r);
    m->n = ov_reader_u8(&r);
    for (size_t i = 0; i < m->n && i < OV_CANDIDATES_MAX; i++) {
        m->c[i].kind = ov_reader_u8(&r);
        ov_reader_endpoint(&r, &m->c[i].ep);
    }
    if (!ov_reader_done(&r))
        return OV_ETRUNC;
    return candidates_valid(m) ? OV_OK : OV_EINVAL;
}

/* ---- identities ---- */

static bool whois_valid(const struct ov_msg_whois *m)
{
    if (m->n == 0 || m->n > OV_WHOIS_MAX)
        return false;
    for (size_t i = 0; i < m->n; i++)
        if (!ov_addr_valid(m->addrs[i]))
            return false;
    return true;
}

void ov_msg_whois_encode(struct ov_writer *w, const struct ov_msg_whois *m)
{
    if (!whois_valid(m)) {
        w->failed = true;
        return;
    }
    ov_writer_u8(w, OV_MSG_WHOIS);
    ov_writer_u8(w, m->n);
    for (size_t i = 0; i < m->n; i++)
        ov_writer_u40(w, m->addrs[i]);
}

int ov_msg_whois_decode(const uint8_t *in, size_t len, struct ov_msg_whois *m)
{
    struct ov_reader r;

    ov_reader_init(&r, in, len);
    m->n = ov_reader_u8(&r);
    for (size_t i = 0; i < m->n && i < OV_WHOIS_MAX; i++)
        m->addrs[i] = ov_reader_u40(&r);
    if (!ov_reader_done(&r))
        return OV_ETRUNC;
    return whois_valid(m) ? OV_OK : OV_EINVAL;
}

void ov_msg_identity_encode(struct ov_writer *w, const struct ov_msg_identity *m)
{
    uint8_t id[OV_IDENTITY_LEN];

    if (m->n > OV_WHOIS_MAX) {
        w->failed = true;
        return;
    }
    ov_writer_u8(w, OV_MSG_IDENTITY);
    ov_writer_u8(w, m->n);
    for (size_t i = 0; i < m->n; i++) {
        ov_identity_encode(&m->ids[i], id);
        ov_writer_bytes(w, id, sizeof(id));
    }
}

int ov_msg_identity_decode(const uint8_t *in, size_t len, struct ov_msg_identity *m)
{
    uint8_t id[OV_IDENTITY_LEN];
    struct ov_reader r;

    ov_reader_init(&r, in, len);
    m->n = ov_reader_u8(&r);
    for (size_t i = 0; i < m->n && i < OV_WHOIS_MAX; i++) {
        ov_reader_copy(&r, id, sizeof(id));
        ov_identity_decode(id, &m->ids[i]);
    }
    if (!ov_reader_done(&r))
        return OV_ETRUNC;
    return m->n <= OV_WHOIS_MAX ? OV_OK : OV_EINVAL;
}
