#include "invite.h"

#include "bytes.h"

#include <string.h>

#define VERSION      1
#define CHECKSUM_LEN 4
/* version, netid, controller, secret, n, hosts (u8 length, text, u16 port), checksum */
#define BLOB_MAX                                                                                   \
    (1 + 8 + OV_IDENTITY_LEN + OV_INVITE_SECRET_LEN + 1 +                                          \
     OV_INVITE_HOSTS_MAX * (1 + OV_HOST_TEXT - 1 + 2) + CHECKSUM_LEN)

static const char prefix[] = "ovpn1";
#define PREFIX_LEN (sizeof(prefix) - 1)

_Static_assert(PREFIX_LEN + (BLOB_MAX * 8 + 4) / 5 < OV_INVITE_TEXT, "the longest invite fits");

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool alphanumeric(char c)
{
    return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z');
}

/* ---- hosts ---- */

/* A DNS name: labels of 1 to 63 letters, digits, - and _, not starting or ending with -. A dot may
 * end the name. A numeric IPv4 address has this shape too. */
static bool dns_name_valid(const char *s, size_t len)
{
    size_t label = 0;

    for (size_t i = 0; i < len; i++) {
        if (s[i] == '.') {
            if (label == 0 || s[i - 1] == '-')
                return false;
            label = 0;
            continue;
        }
        if (!alphanumeric(s[i]) && s[i] != '_' && (s[i] != '-' || label == 0))
            return false;
        if (++label > 63)
            return false;
    }
    return len > 0 && s[len - 1] != '-';
}

static bool name_valid(const char *name)
{
    struct ov_ip ip;

    return dns_name_valid(name, strlen(name)) ||
           (strchr(name, ':') && ov_ip_parse(name, &ip) == 0 && ip.family == 6);
}

/* A decimal port, 1..65535, and nothing behind it. */
static int port_parse(const char *text, uint16_t *out)
{
    uint32_t v = 0;

    if (*text < '1' || *text > '9')
        return OV_EINVAL;
    for (; *text >= '0' && *text <= '9'; text++) {
        v = v * 10 + (uint32_t)(*text - '0');
        if (v > UINT16_MAX)
            return OV_EINVAL;
    }
    if (*text != '\0')
        return OV_EINVAL;
    *out = (uint16_t)v;
    return OV_OK;
}

int ov_host_parse(const char *text, struct ov_host *out)
{
    const char *name = text, *end, *port;
    struct ov_host h = {.port = OV_DEFAULT_PORT};
    size_t len;

    if (text[0] == '[') {
        name = text + 1;
        end = strchr(name, ']');
        if (!end || (end[1] != '\0' && end[1] != ':'))
            return OV_EINVAL;
        port = end[1] == ':' ? end + 2 : NULL;
    } else {
        end = strchr(text, ':');
        port = end ? end + 1 : NULL;
        if (!end || strchr(port, ':')) { /* no port, or a bare IPv6 address */
            end = text + strlen(text);
            port = NULL;
        }
    }
    len = (size_t)(end - name);
    if (len >= sizeof(h.name) || (port && port_parse(port, &h.port) != 0))
        return OV_EINVAL;
    memcpy(h.name, name, len);
    if (!name_valid(h.name) || (text[0] == '[' && !strchr(h.name, ':')))
        return OV_EINVAL;
    *out = h;
    return OV_OK;
}

/* ---- base32 ---- */

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

/* Appends `len` bytes as base32 without padding, and a NUL. */
static void base32_write(const uint8_t *in, size_t len, char *out)
{
    uint32_t acc = 0;
    unsigned bits = 0;

    for (size_t i = 0; i < len; i++) {
        acc = acc << 8 | in[i];
        for (bits += 8; bits >= 5; bits -= 5)
            *out++ = alphabet[acc >> (bits - 5) & 31];
    }
    if (bits > 0)
        *out++ = alphabet[acc << (5 - bits) & 31];
    *out = '\0';
}

static int base32_digit(char c)
{
    c = lower(c);
    if (c >= 'a' && c <= 'z')
        return c - 'a';
    if (c >= '2' && c <= '7')
        return c - '2' + 26;
    return -1;
}

/* Returns the number of bytes, or OV_EINVAL: also when bits are left over, so that there is one
 * text for each invite. */
static int base32_read(const char *text, uint8_t *out, size_t cap)
{
    uint32_t acc = 0;
    unsigned bits = 0;
    size_t n = 0;

    for (; *text; text++) {
        int d = base32_digit(*text);

        if (d < 0)
            return OV_EINVAL;
        acc = acc << 5 | (uint32_t)d;
        bits += 5;
        if (bits < 8)
            continue;
        if (n == cap)
            return OV_EINVAL;
        bits -= 8;
        out[n++] = (uint8_t)(acc >> bits);
    }
    if (bits >= 5 || (acc & ((1u << bits) - 1)) != 0)
        return OV_EINVAL;
    return (int)n;
}

/* ---- invites ---- */

bool ov_invite_looks_like(const char *text)
{
    for (size_t i = 0; i < PREFIX_LEN; i++)
        if (lower(text[i]) != prefix[i])
            return false;
    return true;
}

static bool invite_valid(const struct ov_invite *inv)
{
    if (!ov_addr_valid(ov_netid_controller(inv->netid)) || inv->nhosts > OV_INVITE_HOSTS_MAX)
        return false;
    for (size_t i = 0; i < inv->nhosts; i++)
        if (!name_valid(inv->hosts[i].name) || inv->hosts[i].port == 0)
            return false;
    return true;
}

int ov_invite_format(const struct ov_invite *inv, char out[OV_INVITE_TEXT])
{
    uint8_t blob[BLOB_MAX], id[OV_IDENTITY_LEN], checksum[16];
    struct ov_writer w;
    int err = OV_EINVAL;

    if (!invite_valid(inv))
        return OV_EINVAL;
    ov_identity_encode(&inv->controller, id);
    ov_writer_init(&w, blob, sizeof(blob));
    ov_writer_u8(&w, VERSION);
    ov_writer_u64(&w, inv->netid);
    ov_writer_bytes(&w, id, sizeof(id));
    ov_writer_bytes(&w, inv->secret, sizeof(inv->secret));
    ov_writer_u8(&w, inv->nhosts);
    for (size_t i = 0; i < inv->nhosts; i++) {
        ov_writer_text(&w, inv->hosts[i].name);
        ov_writer_u16(&w, inv->hosts[i].port);
    }
    if (!w.failed) {
        ov_hash(checksum, sizeof(checksum), NULL, 0, blob, w.len);
        ov_writer_bytes(&w, checksum, CHECKSUM_LEN);
    }
    if (!w.failed) {
        memcpy(out, prefix, PREFIX_LEN);
        base32_write(blob, w.len, out + PREFIX_LEN);
        err = OV_OK;
    }
    ov_wipe(blob, sizeof(blob));
    return err;
}

/* The fields of a blob whose checksum holds. */
static int blob_read(const uint8_t *blob, size_t len, struct ov_invite *inv)
{
    uint8_t id[OV_IDENTITY_LEN];
    struct ov_reader r;

    ov_reader_init(&r, blob, len);
    if (ov_reader_u8(&r) != VERSION && !r.failed)
        return OV_EVERSION;
    inv->netid = ov_reader_u64(&r);
    ov_reader_copy(&r, id, sizeof(id));
    ov_identity_decode(id, &inv->controller);
    inv->controller.addr = ov_netid_controller(inv->netid);
    ov_reader_copy(&r, inv->secret, sizeof(inv->secret));
    inv->nhosts = ov_reader_u8(&r);
    for (size_t i = 0; i < inv->nhosts && i < OV_INVITE_HOSTS_MAX; i++) {
        ov_reader_text(&r, inv->hosts[i].name, sizeof(inv->hosts[i].name));
        inv->hosts[i].port = ov_reader_u16(&r);
    }
    if (!ov_reader_done(&r))
        return OV_ETRUNC;
    return invite_valid(inv) ? OV_OK : OV_EINVAL;
}

int ov_invite_parse(const char *text, struct ov_invite *out)
{
    uint8_t blob[BLOB_MAX], checksum[16];
    struct ov_invite inv = {0};
    int len, err = OV_EINVAL;

    if (!ov_invite_looks_like(text))
        return OV_EINVAL;
    len = base32_read(text + PREFIX_LEN, blob, sizeof(blob));
    if (len <= CHECKSUM_LEN)
        goto out;
    len -= CHECKSUM_LEN;
    ov_hash(checksum, sizeof(checksum), NULL, 0, blob, (size_t)len);
    if (memcmp(checksum, blob + len, CHECKSUM_LEN) != 0)
        goto out;
    if ((err = blob_read(blob, (size_t)len, &inv)) == 0)
        *out = inv;
out:
    ov_wipe(blob, sizeof(blob));
    ov_wipe(&inv, sizeof(inv));
    return err;
}
