#include "types.h"

#include <stdio.h>
#include <string.h>

int ov_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Exactly `digits` (at most 16) hex digits and nothing else. */
static int parse_hex(const char *text, size_t digits, uint64_t *out)
{
    uint64_t v = 0;

    for (size_t i = 0; i < digits; i++) {
        int d = ov_hex_digit(text[i]);
        if (d < 0)
            return OV_EINVAL;
        v = v << 4 | (uint64_t)d;
    }
    if (text[digits] != '\0')
        return OV_EINVAL;
    *out = v;
    return OV_OK;
}

/* Read a decimal number without sign or leading zeros, up to `max`, and move *text behind it. */
static int parse_decimal(const char **text, uint32_t max, uint32_t *out)
{
    const char *p = *text;
    uint64_t v = 0;

    if (*p < '0' || *p > '9' || (p[0] == '0' && p[1] >= '0' && p[1] <= '9'))
        return OV_EINVAL;
    for (; *p >= '0' && *p <= '9'; p++) {
        v = v * 10 + (uint64_t)(*p - '0');
        if (v > max)
            return OV_EINVAL;
    }
    *text = p;
    *out = (uint32_t)v;
    return OV_OK;
}

/* ---- addresses, network ids, MACs ---- */

bool ov_addr_valid(ov_addr a)
{
    uint64_t first = a >> 32;

    return first != 0x00 && first < 0xff;
}

const char *ov_addr_format(ov_addr a, char out[OV_ADDR_TEXT])
{
    snprintf(out, OV_ADDR_TEXT, "%010llx", (unsigned long long)(a & OV_ADDR_MASK));
    return out;
}

int ov_addr_parse(const char *text, ov_addr *out)
{
    uint64_t v;

    if (parse_hex(text, 10, &v) != OV_OK || !ov_addr_valid(v))
        return OV_EINVAL;
    *out = v;
    return OV_OK;
}

const char *ov_netid_format(ov_netid id, char out[OV_NETID_TEXT])
{
    snprintf(out, OV_NETID_TEXT, "%016llx", (unsigned long long)id);
    return out;
}

int ov_netid_parse(const char *text, ov_netid *out)
{
    uint64_t v;

    if (parse_hex(text, 16, &v) != OV_OK || !ov_addr_valid(ov_netid_controller(v)))
        return OV_EINVAL;
    *out = v;
    return OV_OK;
}

uint64_t ov_mac_u64(const struct ov_mac *m)
{
    uint64_t v = 0;

    for (size_t i = 0; i < sizeof(m->b); i++)
        v = v << 8 | m->b[i];
    return v;
}

struct ov_mac ov_mac_from_u64(uint64_t v)
{
    struct ov_mac m;

    for (size_t i = sizeof(m.b); i-- > 0; v >>= 8)
        m.b[i] = (uint8_t)v;
    return m;
}

const char *ov_mac_format(const struct ov_mac *m, char out[OV_MAC_TEXT])
{
    snprintf(out, OV_MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", m->b[0], m->b[1], m->b[2], m->b[3],
             m->b[4], m->b[5]);
    return out;
}

bool ov_mac_is_multicast(const struct ov_mac *m)
{
    return (m->b[0] & 1) != 0;
}

bool ov_mac_is_broadcast(const struct ov_mac *m)
{
    return ov_mac_u64(m) == 0xffffffffffffull;
}

/* ---- names ---- */

static bool alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* 1 to 63 letters, digits and characters of `more`; the first is a letter or digit. */
static bool word(const char *text, const char *more)
{
    size_t len = 0;

    for (; text[len] != '\0'; len++)
        if (len == OV_NAME_MAX - 1 || (!alnum(text[len]) && !strchr(more, text[len])))
            return false;
    return alnum(text[0]);
}

bool ov_name_valid(const char *name)
{
    ov_addr a;
    ov_netid id;

    return word(name, "._-") && ov_addr_parse(name, &a) && ov_netid_parse(name, &id);
}

bool ov_domain_valid(const char *domain)
{
    return word(domain, ".-") && alnum(domain[strlen(domain) - 1]) && !strstr(domain, "..");
}

/* ---- IP addresses ---- */

/* The bytes of an address, by family. */
static size_t ip_width(const struct ov_ip *ip)
{
    return ip->family == 4 ? 4 : ip->family == 6 ? 16 : 0;
}

bool ov_ip_equal(const struct ov_ip *a, const struct ov_ip *b)
{
    return a->family == b->family && memcmp(a->b, b->b, ip_width(a)) == 0;
}

/* Four decimal numbers from 0 to 255 with dots between, no leading zeros: never octal. */
static int parse_ip4(const char *text, uint8_t out[4])
{
    for (int i = 0; i < 4; i++) {
        uint32_t v;
        if (i > 0 && *text++ != '.')
            return OV_EINVAL;
        if (parse_decimal(&text, 255, &v) != OV_OK)
            return OV_EINVAL;
        out[i] = (uint8_t)v;
    }
    return *text == '\0' ? OV_OK : OV_EINVAL;
}

/* One to four hex digits as a group; moves *text behind them. */
static int parse_group(const char **text, uint8_t out[2])
{
    unsigned v = 0;
    int digits = 0, d;

    for (; (d = ov_hex_digit(**text)) >= 0; (*text)++) {
        if (++digits > 4)
            return OV_EINVAL;
        v = v << 4 | (unsigned)d;
    }
    out[0] = (uint8_t)(v >> 8);
    out[1] = (uint8_t)v;
    return digits > 0 ? OV_OK : OV_EINVAL;
}

/* All three forms of RFC 4291 section 2.2. `gap` is where "::" was seen, which stands for one or
 * more groups. */
static int parse_ip6(const char *p, uint8_t out[16])
{
    uint8_t b[16] = {0};
    size_t n = 0, gap = sizeof(b) + 1;

    if (p[0] == ':' && p[1] == ':') {
        gap = 0;
        p += 2;
    }
    while (*p != '\0') {
        size_t word = strspn(p, "0123456789abcdefABCDEF");
        if (p[word] == '.') {
            if (n > 12 || parse_ip4(p, b + n) != OV_OK)
                return OV_EINVAL;
            n += 4;
            break;
        }
        if (n > 14 || parse_group(&p, b + n) != OV_OK)
            return OV_EINVAL;
        n += 2;
        if (*p == '\0')
            break;
        if (*p++ != ':')
            return OV_EINVAL;
        if (*p == ':') {
            if (gap <= sizeof(b))
                return OV_EINVAL;
            gap = n;
            p++;
        } else if (*p == '\0') {
            return OV_EINVAL;
        }
    }
    if (gap <= sizeof(b)) {
        if (n > 14)
            return OV_EINVAL;
        memmove(b + sizeof(b) - (n - gap), b + gap, n - gap);
        memset(b + gap, 0, sizeof(b) - n);
    } else if (n != sizeof(b)) {
        return OV_EINVAL;
    }
    memcpy(out, b, sizeof(b));
    return OV_OK;
}

int ov_ip_parse(const char *text, struct ov_ip *out)
{
    struct ov_ip ip = {0};
    int rc;

    if (strchr(text, ':') != NULL) {
        ip.family = 6;
        rc = parse_ip6(text, ip.b);
    } else {
        ip.family = 4;
        rc = parse_ip4(text, ip.b);
    }
    if (rc == OV_OK)
        *out = ip;
    return rc;
}

/* The longest run of two or more zero groups, the first of equals (RFC 5952 section 4.2). */
static void longest_zeros(const uint16_t g[8], int *at, int *len)
{
    *at = -1;
    *len = 1;
    for (int i = 0; i < 8; i++) {
        int n = 0;
        while (i + n < 8 && g[i + n] == 0)
            n++;
        if (n > *len) {
            *at = i;
            *len = n;
        }
        if (n > 0)
            i += n - 1;
    }
}

/* RFC 5952. Only IPv4-mapped addresses are written in the mixed form. */
static void format_ip6(const uint8_t b[16], char out[OV_IP_TEXT])
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    uint16_t g[8];
    int gap, run;
    size_t n = 0;

    if (memcmp(b, mapped, sizeof(mapped)) == 0) {
        snprintf(out, OV_IP_TEXT, "::ffff:%u.%u.%u.%u", b[12], b[13], b[14], b[15]);
        return;
    }
    for (int i = 0; i < 8; i++)
        g[i] = (uint16_t)(b[2 * i] << 8 | b[2 * i + 1]);
    longest_zeros(g, &gap, &run);
    for (int i = 0; i < 8; i++) {
        if (i == gap) {
            n += (size_t)snprintf(out + n, OV_IP_TEXT - n, "::");
            i += run - 1;
        } else {
            const char *colon = i == 0 || (gap >= 0 && i == gap + run) ? "" : ":";
            n += (size_t)snprintf(out + n, OV_IP_TEXT - n, "%s%x", colon, g[i]);
        }
    }
}

bool ov_ip_is_private(const struct ov_ip *ip)
{
    const uint8_t *b = ip->b;
    if (ip->family == 4)
        return b[0] == 10 || (b[0] == 172 && (b[1] & 0xf0) == 16) || (b[0] == 192 && b[1] == 168) ||
               (b[0] == 169 && b[1] == 254);
    return (b[0] & 0xfe) == 0xfc || ov_ip_is_link_local(ip);
}

bool ov_ip_is_link_local(const struct ov_ip *ip)
{
    return ip->family == 6 && ip->b[0] == 0xfe && (ip->b[1] & 0xc0) == 0x80;
}

const char *ov_ip_format(const struct ov_ip *ip, char out[OV_IP_TEXT])
{
    if (ip->family == 4)
        snprintf(out, OV_IP_TEXT, "%u.%u.%u.%u", ip->b[0], ip->b[1], ip->b[2], ip->b[3]);
    else if (ip->family == 6)
        format_ip6(ip->b, out);
    else
        snprintf(out, OV_IP_TEXT, "none");
    return out;
}

/* ---- prefixes and endpoints ---- */

/* Copy the part of `text` before `end` into `out`, if it is short enough to be an address. */
static int cut(const char *text, const char *end, char out[OV_IP_TEXT])
{
    size_t n = (size_t)(end - text);

    if (n >= OV_IP_TEXT)
        return OV_EINVAL;
    memcpy(out, text, n);
    out[n] = '\0';
    return OV_OK;
}

const char *ov_prefix_format(const struct ov_prefix *p, char out[OV_PREFIX_TEXT])
{
    char ip[OV_IP_TEXT];

    snprintf(out, OV_PREFIX_TEXT, "%s/%u", ov_ip_format(&p->ip, ip), p->bits);
    return out;
}

int ov_prefix_parse(const char *text, struct ov_prefix *out)
{
    const char *slash = strchr(text, '/'), *p;
    char head[OV_IP_TEXT];
    struct ov_ip ip;
    uint32_t bits;

    if (slash == NULL || cut(text, slash, head) != OV_OK || ov_ip_parse(head, &ip) != OV_OK)
        return OV_EINVAL;
    p = slash + 1;
    if (parse_decimal(&p, (uint32_t)ip_width(&ip) * 8, &bits) != OV_OK || *p != '\0')
        return OV_EINVAL;
    *out = (struct ov_prefix){ip, (uint8_t)bits};
    return OV_OK;
}

bool ov_prefix_contains(const struct ov_prefix *p, const struct ov_ip *ip)
{
    size_t whole = p->bits / 8, width = ip_width(ip);

    if (width == 0 || p->ip.family != ip->family || p->bits > width * 8)
        return false;
    if (memcmp(p->ip.b, ip->b, whole) != 0)
        return false;
    if (p->bits % 8 == 0)
        return true;
    return ((p->ip.b[whole] ^ ip->b[whole]) >> (8 - p->bits % 8)) == 0;
}

bool ov_endpoint_equal(const struct ov_endpoint *a, const struct ov_endpoint *b)
{
    return ov_ip_equal(&a->ip, &b->ip) && a->port == b->port && a->scope == b->scope;
}

const char *ov_endpoint_format(const struct ov_endpoint *e, char out[OV_ENDPOINT_TEXT])
{
    char ip[OV_IP_TEXT];

    ov_ip_format(&e->ip, ip);
    if (e->ip.family == 4)
        snprintf(out, OV_ENDPOINT_TEXT, "%s:%u", ip, e->port);
    else if (e->ip.family == 6 && e->scope != 0)
        snprintf(out, OV_ENDPOINT_TEXT, "[%s%%%u]:%u", ip, (unsigned)e->scope, e->port);
    else if (e->ip.family == 6)
        snprintf(out, OV_ENDPOINT_TEXT, "[%s]:%u", ip, e->port);
    else
        snprintf(out, OV_ENDPOINT_TEXT, "none");
    return out;
}

/* What stands between the brackets: an IPv6 address, perhaps with %ZONE behind it. */
static int parse_bracketed(const char *text, struct ov_endpoint *e)
{
    const char *zone = strchr(text, '%');
    char head[OV_IP_TEXT];

    if (cut(text, zone != NULL ? zone : text + strlen(text), head) != OV_OK ||
        ov_ip_parse(head, &e->ip) != OV_OK || e->ip.family != 6)
        return OV_EINVAL;
    if (zone == NULL)
        return OV_OK;
    zone++;
    if (parse_decimal(&zone, UINT32_MAX, &e->scope) != OV_OK || *zone != '\0' || e->scope == 0)
        return OV_EINVAL;
    return OV_OK;
}

int ov_endpoint_parse(const char *text, struct ov_endpoint *out)
{
    const char *colon = strrchr(text, ':');
    struct ov_endpoint e = {0};
    char head[OV_ENDPOINT_TEXT];
    uint32_t port;

    if (colon == NULL || (size_t)(colon - text) >= sizeof(head))
        return OV_EINVAL;
    size_t n = (size_t)(colon - text);
    memcpy(head, text, n);
    head[n] = '\0';
    if (head[0] == '[') {
        if (n < 2 || head[n - 1] != ']')
            return OV_EINVAL;
        head[n - 1] = '\0';
        if (parse_bracketed(head + 1, &e) != OV_OK)
            return OV_EINVAL;
    } else if (ov_ip_parse(head, &e.ip) != OV_OK || e.ip.family != 4) {
        return OV_EINVAL;
    }
    colon++;
    if (parse_decimal(&colon, UINT16_MAX, &port) != OV_OK || *colon != '\0')
        return OV_EINVAL;
    e.port = (uint16_t)port;
    *out = e;
    return OV_OK;
}
