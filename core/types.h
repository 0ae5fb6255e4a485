/* types: the words of the overlay as C types, and their text forms.
 *
 * All text parsers take NUL-terminated text, consume it whole, and leave *out alone on error. All
 * formatters write a NUL-terminated string into a buffer of the stated OV_*_TEXT size and return
 * it. */
#ifndef OV_CORE_TYPES_H
#define OV_CORE_TYPES_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Monotonic time in nanoseconds. Zero is "never" for instants. OV_NEVER as a deadline is "not at
 * all". */
typedef uint64_t ov_time;
#define OV_NEVER UINT64_MAX
#define OV_MS    ((ov_time)1000000)
#define OV_SEC   ((ov_time)1000000000)

/* Wall clock: milliseconds since 1970-01-01 UTC. */
typedef uint64_t ov_wall;

/* A node's address: 40 bits, in the low bits; text is 10 lower-case hex digits. */
typedef uint64_t ov_addr;
#define OV_ADDR_MASK 0xffffffffffull
#define OV_ADDR_TEXT 11

/* A network id: the controller's address (high 40 bits) and 24 bits of its choice; 16 hex digits.
 */
typedef uint64_t ov_netid;
#define OV_NETID_TEXT 17

struct ov_mac {
    uint8_t b[6];
};
#define OV_MAC_TEXT 18

/* An IP address; `family` is 4 or 6 (0: none). IPv4 uses b[0..3], and the rest is zero. */
struct ov_ip {
    uint8_t family;
    uint8_t b[16];
};
#define OV_IP_TEXT 48

/* An IP address with a prefix length, as in 10.147.17.5/24: the host bits may be set. */
struct ov_prefix {
    struct ov_ip ip;
    uint8_t bits;
};
#define OV_PREFIX_TEXT 52

/* A UDP endpoint. `scope` is the IPv6 zone (interface index) of a link-local address, else 0. */
struct ov_endpoint {
    struct ov_ip ip;
    uint16_t port;
    uint32_t scope;
};
#define OV_ENDPOINT_TEXT 68 /* 192.0.2.1:4793, [2001:db8::1]:4793 */

/* An address is valid unless it is zero, above 40 bits, or starts with the reserved 0x00 or 0xff.
 */
bool ov_addr_valid(ov_addr a);
const char *ov_addr_format(ov_addr a, char out[OV_ADDR_TEXT]);
OV_CHECK int ov_addr_parse(const char *text, ov_addr *out);

static inline ov_addr ov_netid_controller(ov_netid id)
{
    return id >> 24;
}
const char *ov_netid_format(ov_netid id, char out[OV_NETID_TEXT]);
/* OV_EINVAL unless `text` is 16 hex digits whose first ten are a valid address. */
OV_CHECK int ov_netid_parse(const char *text, ov_netid *out);

/* What networks and members are called, and a DNS domain. Names are shown by programs and completed
 * by shells of people who did not choose them: so neither has a character that means anything
 * there.
 *
 * A name: 1 to 63 letters, digits, '.', '_', '-', the first a letter or digit, and nothing that
 * could be read as an address or a network id. A domain: 1 to 63 letters, digits, '.', '-', the
 * first and the last a letter or digit, no two dots in a row. */
#define OV_NAME_MAX 64 /* with NUL */
bool ov_name_valid(const char *name);
bool ov_domain_valid(const char *domain);

int ov_hex_digit(char c); /* its value, of either case, or -1 */

uint64_t ov_mac_u64(const struct ov_mac *m);
struct ov_mac ov_mac_from_u64(uint64_t v);
const char *ov_mac_format(const struct ov_mac *m, char out[OV_MAC_TEXT]);
bool ov_mac_is_multicast(const struct ov_mac *m); /* also true for broadcast */
bool ov_mac_is_broadcast(const struct ov_mac *m);
static inline bool ov_mac_equal(const struct ov_mac *a, const struct ov_mac *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

bool ov_ip_equal(const struct ov_ip *a, const struct ov_ip *b);
/* Is this address private to a site (RFC 1918, RFC 4193, link-local)? */
bool ov_ip_is_private(const struct ov_ip *ip);
bool ov_ip_is_link_local(const struct ov_ip *ip); /* IPv6: fe80::/10 */
const char *ov_ip_format(const struct ov_ip *ip, char out[OV_IP_TEXT]);
OV_CHECK int ov_ip_parse(const char *text, struct ov_ip *out);

const char *ov_prefix_format(const struct ov_prefix *p, char out[OV_PREFIX_TEXT]);
/* ADDRESS/BITS; bits may not exceed the family's width. */
OV_CHECK int ov_prefix_parse(const char *text, struct ov_prefix *out);
bool ov_prefix_contains(const struct ov_prefix *p, const struct ov_ip *ip);

bool ov_endpoint_equal(const struct ov_endpoint *a, const struct ov_endpoint *b);
const char *ov_endpoint_format(const struct ov_endpoint *e, char out[OV_ENDPOINT_TEXT]);
OV_CHECK int ov_endpoint_parse(const char *text, struct ov_endpoint *out); /* numeric only */

#endif
