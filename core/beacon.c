#include "beacon.h"

#include "bytes.h"

#include <assert.h>
#include <string.h>

#define SALT      24
#define SEEK_ADDR 1 /* 4 and 6 are the families */

/* Associated data: the first four bytes and where it comes from. */
struct context {
    uint8_t b[4 + 1 + 16];
    size_t len;
};

static void make_context(const struct ov_ip *source, struct context *c)
{
    struct ov_writer w;
    ov_writer_init(&w, c->b, sizeof c->b);
    ov_writer_u32(&w, (uint32_t)OV_WIRE_BEACON << 24);
    ov_writer_ip(&w, source);
    c->len = w.len;
}

/* Keys may be alike where a controller wants trouble, so the nonces are not. */
static void make_nonce(const uint8_t salt[SALT], size_t entry, uint8_t out[SALT])
{
    memcpy(out, salt, SALT);
    out[SALT - 1] = (uint8_t)(out[SALT - 1] + entry);
}

static void write_seek(struct ov_writer *w, const struct ov_lookup_key *k)
{
    static const uint8_t zero[16];
    size_t end = w->len + 1 + sizeof zero;
    if (k->kind == OV_LOOKUP_MEMBER) {
        ov_writer_u8(w, SEEK_ADDR);
        ov_writer_u40(w, k->member);
    } else if (k->kind == OV_LOOKUP_IP) {
        ov_writer_ip(w, &k->ip);
    } else {
        ov_writer_u8(w, 0);
    }
    ov_writer_bytes(w, zero, end - w->len);
}

static void write_body(const struct ov_beacon *b, const struct ov_lookup_key *seek,
                       uint8_t out[OV_BEACON_BODY])
{
    uint8_t id[OV_IDENTITY_LEN];
    struct ov_writer w;
    ov_identity_encode(&b->id, id);
    ov_writer_init(&w, out, OV_BEACON_BODY);
    ov_writer_bytes(&w, id, sizeof id);
    ov_writer_u16(&w, b->port);
    ov_writer_u16(&w, b->boot);
    write_seek(&w, seek);
    assert(!w.failed && w.len == OV_BEACON_BODY);
}

/* How many entries tell nothing of how many networks there are, nearly. */
static size_t padded(size_t n)
{
    return n <= 2 ? 2 : n <= 4 ? 4 : OV_BEACON_ENTRIES_MAX;
}

size_t ov_beacon_encode(const struct ov_beacon *b, const struct ov_beacon_entry *v, size_t n,
                        const struct ov_ip *source, const struct ov_random *random,
                        uint8_t out[OV_BEACON_MAX])
{
    uint8_t body[OV_BEACON_BODY], nonce[SALT], *salt = out + 4;
    struct context c;
    size_t len = OV_BEACON_LEN(padded(n));
    assert(n > 0 && n <= OV_BEACON_ENTRIES_MAX);
    make_context(source, &c);
    memcpy(out, c.b, 4);
    random->fill(random->arg, salt, len - 4); /* the entries that are none, too */
    for (size_t i = 0; i < n; i++) {
        write_body(b, &v[i].seek, body);
        make_nonce(salt, i, nonce);
        ov_xaead_seal(v[i].key->b, nonce, c.b, c.len, body, sizeof body, out + OV_BEACON_LEN(i));
    }
    return len;
}

bool ov_beacon_valid(const uint8_t *in, size_t len)
{
    static const uint8_t start[4] = {OV_WIRE_BEACON};
    return (len == OV_BEACON_LEN(2) || len == OV_BEACON_LEN(4) || len == OV_BEACON_LEN(8)) &&
           memcmp(in, start, sizeof start) == 0;
}

static bool read_seek(struct ov_reader *r, struct ov_lookup_key *k)
{
    uint8_t kind = ov_reader_u8(r);
    const uint8_t *b = ov_reader_take(r, 16);
    size_t used = kind == SEEK_ADDR ? 5 : kind == 4 ? 4 : kind == 6 ? 16 : 0;
    memset(k, 0, sizeof *k);
    if (!b || (used == 0 && kind != 0))
        return false;
    for (size_t i = used; i < 16; i++)
        if (b[i] != 0)
            return false;
    if (kind == SEEK_ADDR) {
        k->kind = OV_LOOKUP_MEMBER;
        for (size_t i = 0; i < used; i++)
            k->member = k->member << 8 | b[i];
        return ov_addr_valid(k->member);
    }
    if (kind != 0) {
        k->kind = OV_LOOKUP_IP;
        k->ip.family = kind;
        memcpy(k->ip.b, b, used);
    }
    return true;
}

static int read_body(const uint8_t in[OV_BEACON_BODY], struct ov_beacon *out)
{
    struct ov_reader r;
    memset(out, 0, sizeof *out);
    ov_reader_init(&r, in, OV_BEACON_BODY);
    ov_identity_decode(ov_reader_take(&r, OV_IDENTITY_LEN), &out->id);
    out->port = ov_reader_u16(&r);
    out->boot = ov_reader_u16(&r);
    return read_seek(&r, &out->seek) && ov_reader_done(&r) && out->port ? OV_OK : OV_EINVAL;
}

int ov_beacon_open(const uint8_t *in, size_t len, const struct ov_ip *source,
                   const struct ov_secret32 *key, struct ov_beacon *out)
{
    uint8_t body[OV_BEACON_BODY], nonce[SALT];
    struct context c;
    if (!ov_beacon_valid(in, len))
        return OV_EINVAL;
    make_context(source, &c);
    for (size_t i = 0; OV_BEACON_LEN(i + 1) <= len; i++) {
        make_nonce(in + 4, i, nonce);
        if (ov_xaead_open(key->b, nonce, c.b, c.len, in + OV_BEACON_LEN(i), OV_BEACON_ENTRY,
                          body) == OV_OK)
            return read_body(body, out);
    }
    return OV_ENOENT;
}
