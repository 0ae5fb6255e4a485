#include "settings.h"

#include "pools.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int refuse(char why[256], const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int refuse(char why[256], const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, 256, fmt, ap);
    va_end(ap);
    return OV_EINVAL;
}

static bool alnum(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9');
}

/* Only letters, digits and the characters of `more`. */
static bool made_of(const char *text, const char *more)
{
    for (; *text != '\0'; text++)
        if (!alnum(*text) && strchr(more, *text) == NULL)
            return false;
    return true;
}

/* The length of the UTF-8 sequence at `p` (RFC 3629), 0 when it is none. */
static size_t utf8(const unsigned char *p)
{
    size_t n = p[0] < 0x80                   ? 1
               : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
               : (p[0] & 0xf0) == 0xe0       ? 3
               : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
                                             : 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

/* ---- values ---- */

int ov_settings_name(const char *name, char why[256])
{
    ov_addr a;
    ov_netid id;
    size_t len = strlen(name);
    if (ov_name_valid(name))
        return OV_OK;
    if (len == 0 || len >= OV_NET_NAME_MAX)
        return refuse(why, "a name has 1 to %d characters", OV_NET_NAME_MAX - 1);
    if (ov_addr_parse(name, &a) == OV_OK || ov_netid_parse(name, &id) == OV_OK)
        return refuse(why, "%s could be read as an address or a network id: choose another name",
                      name);
    return refuse(why, "a name is made of letters, digits, '.', '_' and '-', and starts with a "
                       "letter or digit");
}

int ov_settings_note(const char *note, char why[256])
{
    if (strlen(note) >= OV_NOTE_MAX)
        return refuse(why, "a note has at most %d bytes", OV_NOTE_MAX - 1);
    for (const unsigned char *p = (const unsigned char *)note; *p != '\0';) {
        size_t n = utf8(p);
        if (n == 0 || *p < 0x20 || *p == 0x7f)
            return refuse(why, "a note is one line of UTF-8 text");
        p += n;
    }
    return OV_OK;
}

static int parse_switch(const char *key, const char *value, bool *out, char why[256])
{
    if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
        return refuse(why, "%s is on or off, not \"%.100s\"", key, value);
    *out = strcmp(value, "on") == 0;
    return OV_OK;
}

static int parse_number(const char *key, const char *value, uint32_t min, uint32_t max,
                        uint32_t *out, char why[256])
{
    char *end;
    errno = 0;
    unsigned long long v = strtoull(value, &end, 10);
    if (value[0] < '0' || value[0] > '9' || *end != '\0' || errno != 0 || v < min || v > max)
        return refuse(why, "%s is a number from %u to %u, not \"%.100s\"", key, min, max, value);
    *out = (uint32_t)v;
    return OV_OK;
}

/* Copy the next comma-separated word, spaces around it dropped, and step over it. False at the end;
 * a word that does not fit becomes "" and fails to parse, as an empty one does. */
static bool next_word(const char **text, char out[128])
{
    if (*text == NULL)
        return false;
    const char *start = *text + strspn(*text, " ");
    size_t len = strcspn(start, ",");
    *text = start[len] == ',' ? start + len + 1 : NULL;
    while (len > 0 && start[len - 1] == ' ')
        len--;
    if (len >= 128)
        len = 0;
    memcpy(out, start, len);
    out[len] = '\0';
    return true;
}

static bool is_none(const char *value)
{
    return value[0] == '\0' || strcmp(value, "none") == 0;
}

/* ---- a network's ---- */

static int check_pool(const struct ov_prefix *p, const char *word, char why[256])
{
    struct ov_prefix base;
    char text[OV_PREFIX_TEXT];
    if (p->ip.family != 4)
        return refuse(why, "%s is not IPv4: every member has an IPv6 address by \"ip6 on\"", word);
    if (p->bits < OV_POOL_BITS_MIN || p->bits > OV_POOL_BITS_MAX)
        return refuse(why, "the pool %s must be a subnet of /%d to /%d", word, OV_POOL_BITS_MIN,
                      OV_POOL_BITS_MAX);
    ov_pool_base(p, &base);
    if (!ov_ip_equal(&base.ip, &p->ip))
        return refuse(why, "%s is an address in a subnet: do you mean %s?", word,
                      ov_prefix_format(&base, text));
    if (p->ip.b[0] == 0 || p->ip.b[0] == 127 || p->ip.b[0] >= 224 ||
        (p->ip.b[0] == 169 && p->ip.b[1] == 254))
        return refuse(why, "%s cannot be used for hosts: take a private subnet, as 10.147.17.0/24",
                      word);
    return OV_OK;
}

static int set_pools(struct ov_net_record *n, const char *value, char why[256])
{
    char word[128];
    n->npools = 0;
    for (const char *at = is_none(value) ? NULL : value; next_word(&at, word);) {
        struct ov_prefix p;
        if (ov_prefix_parse(word, &p) != OV_OK)
            return refuse(why, "\"%s\" is not a subnet such as 10.147.17.0/24", word);
        int r = check_pool(&p, word, why);
        if (r != OV_OK)
            return r;
        if (n->npools == OV_POOLS_MAX)
            return refuse(why, "a network has at most %d pools", OV_POOLS_MAX);
        for (size_t i = 0; i < n->npools; i++)
            if (ov_pool_overlap(&n->pools[i], &p))
                return refuse(why, "the pool %s overlaps another one", word);
        n->pools[n->npools++] = p;
    }
    return OV_OK;
}

/* Can a member reach `via` on the link itself? */
static bool on_link(const struct ov_net_record *n, const struct ov_ip *via)
{
    if (via->family == 6) {
        struct ov_prefix p;
        ov_pool_ip6(n->netid, 1, &p);
        return n->ip6 && ov_prefix_contains(&p, via);
    }
    for (size_t i = 0; i < n->npools; i++)
        if (ov_pool_has_host(&n->pools[i], via))
            return true;
    return n->npools == 0; /* addresses that are not ours to know */
}

static int parse_route(const struct ov_net_record *n, char word[128], struct ov_route *out,
                       char why[256])
{
    struct ov_prefix base;
    char text[OV_PREFIX_TEXT];
    char *via = strstr(word, " via ");
    memset(out, 0, sizeof *out);
    if (via != NULL) {
        char *end = via;
        via += strlen(" via ");
        via += strspn(via, " ");
        while (end > word && end[-1] == ' ')
            end--;
        *end = '\0';
    }
    if (ov_prefix_parse(word, &out->dst) != OV_OK)
        return refuse(why, "\"%s\" is not a route such as 192.168.1.0/24 via 10.147.17.1", word);
    ov_pool_base(&out->dst, &base);
    if (!ov_ip_equal(&base.ip, &out->dst.ip))
        return refuse(why, "%s is an address in a subnet: do you mean %s?", word,
                      ov_prefix_format(&base, text));
    if (via == NULL)
        return OV_OK;
    if (ov_ip_parse(via, &out->via) != OV_OK)
        return refuse(why, "\"%s\" is not the address of a gateway", via);
    if (out->via.family != out->dst.ip.family)
        return refuse(why, "the route %s and its gateway %s are of two address families", word,
                      via);
    if (!on_link(n, &out->via))
        return refuse(why,
                      "the gateway %s is not a member's address: it lies outside of this "
                      "network's pools",
                      via);
    return OV_OK;
}

static int set_routes(struct ov_net_record *n, const char *value, char why[256])
{
    char word[128];
    n->nroutes = 0;
    for (const char *at = is_none(value) ? NULL : value; next_word(&at, word);) {
        struct ov_route route;
        int r = parse_route(n, word, &route, why);
        if (r != OV_OK)
            return r;
        if (n->nroutes == OV_NET_ROUTES_MAX)
            return refuse(why, "a network has at most %d routes", OV_NET_ROUTES_MAX);
        for (size_t i = 0; i < n->nroutes; i++)
            if (n->routes[i].dst.bits == route.dst.bits &&
                ov_ip_equal(&n->routes[i].dst.ip, &route.dst.ip))
                return refuse(why, "the route %s is given twice", word);
        n->routes[n->nroutes++] = route;
    }
    return OV_OK;
}

/* "DOMAIN IP,IP" */
static int set_dns(struct ov_net_record *n, const char *value, char why[256])
{
    char word[128];
    n->ndns = 0;
    n->dns_domain[0] = '\0';
    if (is_none(value))
        return OV_OK;
    size_t len = strcspn(value, " ");
    if (value[len] == '\0')
        return refuse(why, "dns is a domain and its servers, as \"dorm.lan 10.147.17.1\", or none");
    if (len == 0 || len >= OV_NET_NAME_MAX)
        return refuse(why, "a domain has 1 to %d characters", OV_NET_NAME_MAX - 1);
    memcpy(n->dns_domain, value, len);
    n->dns_domain[len] = '\0';
    if (!ov_domain_valid(n->dns_domain))
        return refuse(why, "\"%s\" is not a domain", n->dns_domain);
    for (const char *at = value + len + 1; next_word(&at, word);) {
        struct ov_ip ip;
        if (ov_ip_parse(word, &ip) != OV_OK)
            return refuse(why, "\"%s\" is not the address of a DNS server", word);
        if (n->ndns == OV_NET_DNS_MAX)
            return refuse(why, "a network has at most %d DNS servers", OV_NET_DNS_MAX);
        n->dns[n->ndns++] = ip;
    }
    return OV_OK;
}

/* "all", or the addresses of some; whether they are known is not looked at here. */
static int set_roots(struct ov_net_record *n, const char *value, char why[256])
{
    char word[128];
    n->nchosen = 0;
    if (strcmp(value, "all") == 0)
        return OV_OK;
    for (const char *at = value; next_word(&at, word);) {
        ov_addr a;
        if (ov_addr_parse(word, &a) != OV_OK)
            return refuse(why, "\"%s\" is not the address of a root: \"ovpn status\" shows them",
                          word);
        if (n->nchosen == OV_NET_ROOTS_MAX)
            return refuse(why, "a network names at most %d roots", OV_NET_ROOTS_MAX);
        for (size_t i = 0; i < n->nchosen; i++)
            if (n->chosen[i] == a)
                return refuse(why, "the root %s is given twice", word);
        n->chosen[n->nchosen++] = a;
    }
    return OV_OK;
}

static int set_flag(struct ov_net_record *n, uint16_t flag, const char *key, const char *value,
                    char why[256])
{
    bool on = false;
    int r = parse_switch(key, value, &on, why);
    if (r == OV_OK)
        n->flags = on ? n->flags | flag : n->flags & (uint16_t)~flag;
    return r;
}

static int set_net(struct ov_net_record *n, const char *key, const char *value, char why[256])
{
    int r;
    uint32_t v = 0;
    if (strcmp(key, "name") == 0) {
        r = ov_settings_name(value, why);
        if (r == OV_OK)
            snprintf(n->name, sizeof n->name, "%s", value);
        return r;
    }
    if (strcmp(key, "note") == 0) {
        r = ov_settings_note(value, why);
        if (r == OV_OK)
            snprintf(n->note, sizeof n->note, "%s", value);
        return r;
    }
    if (strcmp(key, "mtu") == 0) {
        r = parse_number(key, value, OV_MTU_MIN, OV_MTU_MAX, &v, why);
        if (r == OV_OK)
            n->mtu = (uint16_t)v;
        return r;
    }
    if (strcmp(key, "pool") == 0)
        return set_pools(n, value, why);
    if (strcmp(key, "ip6") == 0)
        return parse_switch(key, value, &n->ip6, why);
    if (strcmp(key, "check-ip") == 0)
        return set_flag(n, OV_NET_CHECK_IP, key, value, why);
    if (strcmp(key, "broadcast") == 0)
        return set_flag(n, OV_NET_BROADCAST, key, value, why);
    if (strcmp(key, "open") == 0)
        return parse_switch(key, value, &n->open, why);
    if (strcmp(key, "window") == 0)
        return parse_number(key, value, OV_WINDOW_MIN, OV_WINDOW_MAX, &n->window_s, why);
    if (strcmp(key, "multicast-limit") == 0)
        return parse_number(key, value, 0, 65536, &n->multicast_limit, why);
    if (strcmp(key, "routes") == 0)
        return set_routes(n, value, why);
    if (strcmp(key, "dns") == 0)
        return set_dns(n, value, why);
    if (strcmp(key, "roots") == 0)
        return set_roots(n, value, why);
    return refuse(why,
                  "a network has no setting \"%.60s\": there are name, note, mtu, pool, ip6, "
                  "check-ip, broadcast, open, window, multicast-limit, routes, dns and roots",
                  key);
}

int ov_settings_net(struct ov_net_record *n, const char *key, const char *value, char why[256])
{
    struct ov_net_record t = *n;
    int r = set_net(&t, key, value, why);
    if (r == OV_OK)
        *n = t;
    return r;
}

/* ---- a member's ---- */

/* Replace the IPv4 addresses; the IPv6 one is not the owner's to choose. */
static int set_ips(const struct ov_net_record *n, struct ov_member_record *m, const char *value,
                   char why[256])
{
    char word[128];
    m->naddrs = 0;
    for (const char *at = is_none(value) ? NULL : value; next_word(&at, word);) {
        struct ov_prefix p = {.bits = 0};
        if (ov_ip_parse(word, &p.ip) != OV_OK || p.ip.family != 4)
            return refuse(why, "\"%s\" is not an IPv4 address such as 10.147.17.5", word);
        for (size_t i = 0; i < n->npools && p.bits == 0; i++)
            if (ov_pool_has_host(&n->pools[i], &p.ip))
                p.bits = n->pools[i].bits;
        if (p.bits == 0)
            return refuse(why, "%s is not a host's address in this network's pools", word);
        if (m->naddrs == OV_CERT_ADDRS_MAX - 1)
            return refuse(why, "a member has at most %d addresses", OV_CERT_ADDRS_MAX - 1);
        for (size_t i = 0; i < m->naddrs; i++)
            if (ov_ip_equal(&m->addrs[i].ip, &p.ip))
                return refuse(why, "%s is given twice", word);
        m->addrs[m->naddrs++] = p;
    }
    return OV_OK;
}

static int set_tags(struct ov_member_record *m, const char *value, char why[256])
{
    char word[128];
    size_t len = 0;
    m->tags[0] = '\0';
    for (const char *at = value[0] == '\0' ? NULL : value; next_word(&at, word);) {
        if (word[0] == '\0' || !made_of(word, "._-"))
            return refuse(why, "a tag is made of letters, digits, '.', '_' and '-'; tags are "
                               "separated by commas");
        if (len + strlen(word) + 2 > OV_TAGS_MAX)
            return refuse(why, "all tags together have at most %d bytes", OV_TAGS_MAX - 1);
        len += (size_t)snprintf(m->tags + len, OV_TAGS_MAX - len, "%s%s", len > 0 ? "," : "", word);
    }
    return OV_OK;
}

static int set_member(const struct ov_net_record *n, struct ov_member_record *m, const char *key,
                      const char *value, char why[256])
{
    if (strcmp(key, "bridge") == 0) {
        bool on = false;
        int r = parse_switch(key, value, &on, why);
        if (r == OV_OK)
            m->perms = on ? m->perms | OV_PERM_BRIDGE : m->perms & (uint16_t)~OV_PERM_BRIDGE;
        return r;
    }
    if (strcmp(key, "ip") == 0)
        return set_ips(n, m, value, why);
    if (strcmp(key, "note") == 0) {
        int r = ov_settings_note(value, why);
        if (r == OV_OK)
            snprintf(m->note, sizeof m->note, "%s", value);
        return r;
    }
    if (strcmp(key, "tags") == 0)
        return set_tags(m, value, why);
    return refuse(why, "a member has no setting \"%.60s\": there are bridge, ip, note and tags",
                  key);
}

int ov_settings_member(const struct ov_net_record *n, struct ov_member_record *m, const char *key,
                       const char *value, char why[256])
{
    struct ov_member_record t = *m;
    int r = set_member(n, &t, key, value, why);
    if (r == OV_OK)
        *m = t;
    return r;
}
