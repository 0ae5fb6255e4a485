#include "pools.h"

#include "core/bytes.h"
#include "core/crypto.h"

#include <assert.h>
#include <string.h>

static unsigned width(const struct ov_ip *ip)
{
    return ip->family == 4 ? 32 : 128;
}

static uint32_t mask(const struct ov_prefix *p)
{
    return p->bits == 0 ? 0 : UINT32_MAX << (32 - p->bits);
}

void ov_pool_base(const struct ov_prefix *p, struct ov_prefix *out)
{
    *out = *p;
    for (unsigned bit = p->bits; bit < width(&p->ip); bit++)
        out->ip.b[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
}

bool ov_pool_is_base(const struct ov_prefix *p)
{
    struct ov_prefix base;
    ov_pool_base(p, &base);
    return ov_ip_equal(&base.ip, &p->ip);
}

uint32_t ov_pool_hosts(const struct ov_prefix *pool)
{
    return ~mask(pool) - 1;
}

void ov_pool_host(const struct ov_prefix *pool, uint32_t i, struct ov_ip *out)
{
    assert(i < ov_pool_hosts(pool));
    memset(out, 0, sizeof *out);
    out->family = 4;
    ov_store32(out->b, (ov_load32(pool->ip.b) & mask(pool)) + i + 1);
}

bool ov_pool_has_host(const struct ov_prefix *pool, const struct ov_ip *ip)
{
    if (ip->family != 4 || !ov_prefix_contains(pool, ip))
        return false;
    uint32_t host = ov_load32(ip->b) & ~mask(pool);
    return host != 0 && host != ~mask(pool);
}

bool ov_pool_overlap(const struct ov_prefix *a, const struct ov_prefix *b)
{
    return ov_prefix_contains(a, &b->ip) || ov_prefix_contains(b, &a->ip);
}

void ov_pool_ip6(ov_netid id, ov_addr member, struct ov_prefix *out)
{
    static const char label[] = "ovpn rfc4193 v1";
    uint8_t in[sizeof label + 8], hash[16];
    memcpy(in, label, sizeof label);
    ov_store64(in + sizeof label, id);
    ov_hash(hash, sizeof hash, NULL, 0, in, sizeof in);
    memset(out, 0, sizeof *out);
    out->bits = 64;
    out->ip.family = 6;
    out->ip.b[0] = 0xfd;
    memcpy(out->ip.b + 1, hash, 5);
    ov_store64(out->ip.b + 8, member);
}
