/* invite: the one line that joins and is admitted in one step.
 *
 * Text: "ovpn1" and then base32 (RFC 4648 alphabet, lower case, no padding) of
 *
 *     {u8 version=1, u64 netid, identity 72 of the controller, secret 16,
 *      u8 n, (text host, u16 port) x n,
 *      checksum 4: first bytes of BLAKE2b-128 over all before}
 *
 * so a mistyped letter is told from a used invite. It carries the controller's full key. */
#ifndef OV_CORE_INVITE_H
#define OV_CORE_INVITE_H

#include "identity.h"

#define OV_INVITE_SECRET_LEN 16
#define OV_INVITE_HOSTS_MAX  4
#define OV_INVITE_TEXT       1024
#define OV_HOST_TEXT         128

struct ov_host {
    char name[OV_HOST_TEXT]; /* DNS name or numeric address */
    uint16_t port;
};

struct ov_invite {
    ov_netid netid;
    struct ov_identity controller; /* addr set from the netid; check() the proof of work on use */
    uint8_t secret[OV_INVITE_SECRET_LEN];
    uint8_t nhosts;
    struct ov_host hosts[OV_INVITE_HOSTS_MAX];
};

/* Starts as an invite does; upper and lower case are the same. */
bool ov_invite_looks_like(const char *text);
/* OV_EINVAL when a host is not a name or address, or there are too many. */
OV_CHECK int ov_invite_format(const struct ov_invite *inv, char out[OV_INVITE_TEXT]);
/* OV_EINVAL (mistyped), OV_ETRUNC, OV_EVERSION. */
OV_CHECK int ov_invite_parse(const char *text, struct ov_invite *out);
/* "HOST", "HOST:PORT", "[V6]:PORT", "[V6]" or "V6", with 4793 as the default port. */
#define OV_DEFAULT_PORT 4793
OV_CHECK int ov_host_parse(const char *text, struct ov_host *out);

#endif
