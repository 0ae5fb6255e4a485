/* credential: what a controller signs: membership certificates, network configuration, revocations.
 *
 * All three are Ed25519-signed by the controller under separate domains ("ovpn certificate v1",
 * "ovpn network v1", "ovpn revocation v1"), over every byte before the signature. Decoding checks
 * shape only; verify checks the signature and that the network is the controller's (OV_EAUTH), so
 * the controller's identity must have been checked. Unknown flag and permission bits are kept and
 * ignored. All decoders: OV_EVERSION, OV_ETRUNC, OV_EINVAL; *out is undefined after an error.
 * Timestamps are the controller's wall clock and are only ever compared with each other. */
#ifndef OV_CORE_CREDENTIAL_H
#define OV_CORE_CREDENTIAL_H

#include "identity.h"

#define OV_CERT_ADDRS_MAX 8
#define OV_CERT_MAX       512 /* encoded bytes */
enum ov_perm {
    OV_PERM_BRIDGE = 1 << 0, /* may send frames from MACs and IPs that are not its own */
};

/* {u8 version=1, u64 netid, u40 member address, identity 72, u64 timestamp, u16 permissions, u8 n,
 *  prefix x n, signature} */
struct ov_cert {
    ov_wall timestamp; /* with what follows up to the first address, what every frame needs */
    uint16_t perms;
    uint8_t naddrs;
    struct ov_prefix addrs[OV_CERT_ADDRS_MAX]; /* the member's address with the subnet's length */
    ov_netid netid;
    struct ov_identity member; /* addr: see verify */
};

/* Sign and encode. Returns the length, or OV_EINVAL when there are too many addresses. */
OV_CHECK int ov_cert_issue(const struct ov_cert *c, const struct ov_identity_secret *controller,
                           uint8_t out[OV_CERT_MAX]);
/* Decode, check the signature with the controller's key. Does not check the member's proof of work
 * (the controller did before it signed): sets member.addr from the u40 the controller put in. */
OV_CHECK int ov_cert_verify(const uint8_t *in, size_t len, const struct ov_identity *controller,
                            struct ov_cert *out);
/* Shape only, signature unchecked: to learn the netid and member before the key is known. */
OV_CHECK int ov_cert_decode(const uint8_t *in, size_t len, struct ov_cert *out);
/* Agreement is relative: two certificates of one network agree when their timestamps differ by at
 * most `window_s`. */
bool ov_cert_agree(const struct ov_cert *a, const struct ov_cert *b, uint32_t window_s);
/* The same of two that are known to be of one network. */
bool ov_cert_timely(const struct ov_cert *a, const struct ov_cert *b, uint32_t window_s);
bool ov_cert_has_ip(const struct ov_cert *c, const struct ov_ip *ip);

#define OV_NET_NAME_MAX       OV_NAME_MAX
#define OV_NET_ROUTES_MAX     32
#define OV_NET_ROOTS_MAX      8
#define OV_NET_DNS_MAX        4
#define OV_ROOT_ENDPOINTS_MAX 4
#define OV_CONFIG_MAX         4096 /* encoded bytes */
#define OV_MTU_MIN            1280
#define OV_MTU_MAX            9000
#define OV_MTU_DEFAULT        1344 /* never fragments on a 1492-byte IPv6 path through a relay */
#define OV_WINDOW_MIN         1
#define OV_WINDOW_DEFAULT     86400
#define OV_WINDOW_MAX         31536000

enum ov_net_flag {
    OV_NET_CHECK_IP = 1 << 0,  /* a frame's source IP must be in the sender's certificate */
    OV_NET_BROADCAST = 1 << 1, /* broadcast and multicast are carried */
    OV_NET_LAN_KEY = 1 << 2,   /* `lan_key` is there */
};

struct ov_route {
    struct ov_prefix dst;
    struct ov_ip via; /* family 0: on the link */
};

struct ov_net_root {
    struct ov_identity id; /* addr: as signed by the controller */
    uint8_t nendpoints;
    struct ov_endpoint endpoints[OV_ROOT_ENDPOINTS_MAX];
};

/* {u8 version=1, u64 netid, u64 revision, u64 timestamp, text name, u16 flags, u16 mtu,
 *  u32 window_s, u32 multicast_limit, u8 nroutes, (prefix dst, ip via)..., u8 ndns, text domain,
 *  ip..., u8 nroots, (u40 addr, identity, u8 n, endpoint...)..., with OV_NET_LAN_KEY 32 bytes of
 *  lan_key, signature} */
struct ov_net_config {
    ov_netid netid;
    uint64_t revision; /* monotonic: a lower one is refused */
    ov_wall timestamp;
    char name[OV_NET_NAME_MAX];
    uint16_t flags;
    uint16_t mtu;
    uint32_t window_s;        /* agreement window in seconds */
    uint32_t multicast_limit; /* most recipients of one broadcast or multicast frame */
    uint8_t nroutes, ndns, nroots;
    char dns_domain[OV_NET_NAME_MAX];
    struct ov_route routes[OV_NET_ROUTES_MAX];
    struct ov_ip dns[OV_NET_DNS_MAX];
    struct ov_net_root roots[OV_NET_ROOTS_MAX];
    struct ov_secret32 lan_key; /* what members know and nobody else: see beacon.h */
};
OV_CHECK int ov_net_config_issue(const struct ov_net_config *c,
                                 const struct ov_identity_secret *controller,
                                 uint8_t out[OV_CONFIG_MAX]);
/* Also checks that mtu, window and counts are in range, the name and the domain (which may be
 * empty) are such (types.h), and the netid is the controller's. */
OV_CHECK int ov_net_config_verify(const uint8_t *in, size_t len,
                                  const struct ov_identity *controller, struct ov_net_config *out);

/* All certificates of `member` with timestamp <= `timestamp` are void.
 * {u8 version=1, u64 netid, u40 member, u64 timestamp, signature} */
struct ov_revocation {
    ov_netid netid;
    ov_addr member;
    ov_wall timestamp;
};
#define OV_REVOCATION_LEN (1 + 8 + 5 + 8 + 64)
void ov_revocation_issue(const struct ov_revocation *r, const struct ov_identity_secret *controller,
                         uint8_t out[OV_REVOCATION_LEN]);
OV_CHECK int ov_revocation_verify(const uint8_t *in, size_t len,
                                  const struct ov_identity *controller, struct ov_revocation *out);
/* Shape only, signature unchecked. */
OV_CHECK int ov_revocation_decode(const uint8_t *in, size_t len, struct ov_revocation *out);

#endif
