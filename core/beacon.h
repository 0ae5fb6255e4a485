/* beacon: the datagram by which members of a network find each other on a LAN.
 *
 * It is sent to everybody there, and means something to members only: for each network of the
 * sender an entry sealed under that network's `lan_key`, which members got with the configuration.
 * A new salt each time, and entries of random bytes up to a power of two, so that strangers see
 * neither who it is, nor in what, nor that two beacons are of one node. The address that it comes
 * from is sealed in, too: copied to another one it means nothing to anybody.
 *
 * {u8 type=8, 0 0 0, salt 24, entry x 2, 4 or 8}, where entry i is XChaCha20-Poly1305 of the body
 * under lan_key, nonce the salt with i added to its last byte, associated data the four bytes
 * before the salt and the source as u8 family and its bytes. Body: {identity 72, u16 port, u16
 * boot, u8 kind, 16 bytes of key}: what the sender seeks: kind 0 nothing, 1 the address (u40) of a
 * member, 4 and 6 the IP of one; zeroes follow.
 *
 * Whoever knows the key can make one, so it is a hint and proves nothing. */
#ifndef OV_CORE_BEACON_H
#define OV_CORE_BEACON_H

#include "credential.h"
#include "wire.h"

#define OV_WIRE_BEACON         8
#define OV_BEACON_PORT         4795
#define OV_BEACON_GROUP4       "239.255.47.94"   /* RFC 2365: of local scope */
#define OV_BEACON_GROUP6       "ff02::4f56:504e" /* RFC 4291: of the link */
#define OV_BEACON_ENTRIES_MAX  8
#define OV_BEACON_BODY         (OV_IDENTITY_LEN + 2 + 2 + 1 + 16)
#define OV_BEACON_ENTRY        (OV_BEACON_BODY + OV_TAG_LEN)
#define OV_BEACON_HEADER       (4 + 24)
#define OV_BEACON_LEN(entries) (OV_BEACON_HEADER + (entries)*OV_BEACON_ENTRY)
#define OV_BEACON_MAX          OV_BEACON_LEN(OV_BEACON_ENTRIES_MAX)

struct ov_beacon {
    struct ov_identity id; /* unproven: addr is 0 */
    uint16_t port;         /* its socket of the family that the beacon came by */
    uint16_t boot;
    struct ov_lookup_key seek; /* OV_LOOKUP_IP, OV_LOOKUP_MEMBER, or kind 0: nothing */
};

/* One network of a beacon. */
struct ov_beacon_entry {
    const struct ov_secret32 *key;
    struct ov_lookup_key seek;
};

/* What `b` (but for `seek`) says in these networks, from the address `source`. Returns the length.
 * `n` is 1 to OV_BEACON_ENTRIES_MAX. */
size_t ov_beacon_encode(const struct ov_beacon *b, const struct ov_beacon_entry *v, size_t n,
                        const struct ov_ip *source, const struct ov_random *random,
                        uint8_t out[OV_BEACON_MAX]);
/* Has it the shape of one? Needs no key and costs nothing. */
bool ov_beacon_valid(const uint8_t *in, size_t len);
/* The entry under this key, of a valid one. OV_ENOENT: none is; OV_EINVAL: it says nonsense. */
OV_CHECK int ov_beacon_open(const uint8_t *in, size_t len, const struct ov_ip *source,
                            const struct ov_secret32 *key, struct ov_beacon *out);

#endif
