#include "transport/pcp.h"

#include "core/bytes.h"

#include <string.h>

#define ANSWER       0x80
#define PROTOCOL_UDP 17

static const uint8_t MAPPED[12] = {[10] = 0xff, [11] = 0xff}; /* ::ffff:a.b.c.d */

static void write_ip4(struct ov_writer *w, const struct ov_ip *ip)
{
    ov_writer_bytes(w, MAPPED, sizeof MAPPED);
    ov_writer_bytes(w, ip->b, 4); /* zero bytes for "any" */
}

static void write_header(struct ov_writer *w, uint8_t op, uint32_t lifetime,
                         const struct ov_ip *client)
{
    ov_writer_u8(w, OV_PCP_VERSION);
    ov_writer_u8(w, op);
    ov_writer_u16(w, 0);
    ov_writer_u32(w, lifetime);
    write_ip4(w, client);
}

void ov_pcp_announce_encode(const struct ov_ip *client, uint8_t out[OV_PCP_ANNOUNCE_LEN])
{
    struct ov_writer w;

    ov_writer_init(&w, out, OV_PCP_ANNOUNCE_LEN);
    write_header(&w, OV_PCP_ANNOUNCE, 0, client);
}

void ov_pcp_map_encode(const struct ov_ip *client, uint32_t lifetime, const struct ov_pcp_map *m,
                       uint8_t out[OV_PCP_MAP_LEN])
{
    struct ov_writer w;

    ov_writer_init(&w, out, OV_PCP_MAP_LEN);
    write_header(&w, OV_PCP_MAP, lifetime, client);
    ov_writer_bytes(&w, m->nonce, sizeof m->nonce);
    ov_writer_u8(&w, PROTOCOL_UDP);
    ov_writer_zero(&w, 3);
    ov_writer_u16(&w, m->internal);
    ov_writer_u16(&w, m->external.port);
    write_ip4(&w, &m->external.ip);
}

/* False unless it is an IPv4 address in IPv6 clothes. */
static bool read_ip4(struct ov_reader *r, struct ov_ip *out)
{
    const uint8_t *head = ov_reader_take(r, sizeof MAPPED);
    bool ok = head && memcmp(head, MAPPED, sizeof MAPPED) == 0;

    *out = (struct ov_ip){.family = 4};
    ov_reader_copy(r, out->b, 4);
    return ok;
}

static int read_map(struct ov_reader *r, struct ov_pcp_answer *a)
{
    ov_reader_copy(r, a->map.nonce, sizeof a->map.nonce);
    uint8_t protocol = ov_reader_u8(r);
    (void)ov_reader_take(r, 3);
    a->map.internal = ov_reader_u16(r);
    a->map.external.port = ov_reader_u16(r);
    bool ip4 = read_ip4(r, &a->map.external.ip);
    if (r->failed)
        return OV_ETRUNC;
    if (protocol != PROTOCOL_UDP || (!ip4 && a->result == OV_PCP_OK))
        return OV_EINVAL;
    a->has_map = true;
    return OV_OK;
}

int ov_pcp_decode(const uint8_t *in, size_t len, struct ov_pcp_answer *out)
{
    struct ov_reader r;
    struct ov_pcp_answer a = {0};

    ov_reader_init(&r, in, len);
    uint8_t version = ov_reader_u8(&r), op = ov_reader_u8(&r);
    (void)ov_reader_u8(&r);
    a.op = op & (uint8_t)~ANSWER;
    a.result = ov_reader_u8(&r);
    a.lifetime = ov_reader_u32(&r);
    a.epoch = ov_reader_u32(&r);
    (void)ov_reader_take(&r, 12);
    if (r.failed)
        return OV_ETRUNC;
    if (version != OV_PCP_VERSION || !(op & ANSWER) || len > OV_PCP_MAX)
        return OV_EINVAL;
    if (a.op == OV_PCP_MAP && (a.result == OV_PCP_OK || len >= OV_PCP_MAP_LEN)) {
        int err = read_map(&r, &a); /* options may follow: none was asked for */
        if (err != OV_OK)
            return err;
    }
    *out = a;
    return OV_OK;
}

const char *ov_pcp_result_text(uint8_t result)
{
    static const char *const TEXT[] = {
        [OV_PCP_OK] = "it is well",
        [OV_PCP_BAD_VERSION] = "it speaks another version",
        [OV_PCP_NOT_AUTHORIZED] = "it does not allow it",
        [OV_PCP_MALFORMED] = "it does not understand the request",
        [OV_PCP_BAD_OP] = "it does not know the request",
        [OV_PCP_BAD_OPTION] = "it does not know the option",
        [OV_PCP_MALFORMED_OPTION] = "it does not understand the option",
        [OV_PCP_NETWORK_FAILURE] = "it has no address outside",
        [OV_PCP_NO_RESOURCES] = "it has no room for one more",
        [OV_PCP_BAD_PROTOCOL] = "it does not map UDP",
        [OV_PCP_QUOTA] = "this computer has too many mappings",
        [OV_PCP_NO_EXTERNAL] = "it has no such port free",
        [OV_PCP_ADDRESS_MISMATCH] = "another NAT is before it",
        [OV_PCP_TOO_MANY_PEERS] = "it has no room for one more peer",
    };
    return result < sizeof TEXT / sizeof TEXT[0] ? TEXT[result] : "it fails for an unknown reason";
}

bool ov_epoch_note(struct ov_epoch *e, uint32_t router, uint64_t now)
{
    struct ov_epoch last = *e;

    *e = (struct ov_epoch){.known = true, .router = router, .here = now};
    if (!last.known)
        return true;
    if ((uint64_t)router + 1 < last.router) /* by one second it may go back: late datagrams */
        return false;
    uint64_t here = now - last.here, there = router < last.router ? 0 : router - last.router;
    return here + 2 >= there - there / 16 && there + 2 >= here - here / 16;
}
