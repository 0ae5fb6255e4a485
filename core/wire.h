/* wire: every byte that leaves a node, its types, sizes and limits. docs/protocol.md draws them.
 *
 * Two layers: *datagrams* are what a UDP socket carries, *messages* are what travels sealed in a
 * DATA datagram. Encoders write into an ov_writer and let it fail stickily; decoders check shape,
 * ranges and full consumption (OV_ETRUNC, OV_EINVAL), never signatures. Decoded slices point into
 * the input. */
#ifndef OV_CORE_WIRE_H
#define OV_CORE_WIRE_H

#include "bytes.h"
#include "cookie.h"
#include "credential.h"
#include "frame.h"
#include "natprofile.h"
#include "noise.h"
#include "offload.h"

/* ---- datagrams ---- */

enum ov_wire_type {
    OV_WIRE_INITIATION = 1,
    OV_WIRE_RESPONSE = 2,
    OV_WIRE_COOKIE = 3,
    OV_WIRE_DATA = 4,
    OV_WIRE_RELAY = 5,
    OV_WIRE_WHO = 6, /* first contact: who is at this endpoint? */
    OV_WIRE_IAM = 7,
    OV_WIRE_HAIRPIN = 9, /* to ourselves: does our NAT bring it back? */
};

#define OV_PROLOGUE "ovpn protocol v1" /* Noise prologue, without NUL */

/* What both ends say of themselves inside the handshake. */
enum ov_cap { OV_CAP_ROOT = 1 << 0, OV_CAP_CONTROLLER = 1 << 1 };

/* INITIATION: u8 type, 3 zero, u32 sender, noise message 1 (payload below), mac1, mac2. */
struct ov_initiation {
    struct ov_sign_public sign; /* with Noise's static key: the initiator's whole identity */
    uint64_t nonce;
    uint64_t stamp; /* grows with every initiation of this identity; else replayed */
    uint8_t aeads;  /* bit (1 << enum ov_aead) for each one it can do */
    uint8_t caps;
    uint16_t boot; /* random for each start: another one tells that the sender forgot everything */
};
#define OV_INITIATION_PAYLOAD (32 + 8 + 8 + 1 + 1 + 2) /* in the order of the struct */
#define OV_INITIATION_LEN     (8 + OV_NOISE_MSG1_LEN + OV_INITIATION_PAYLOAD + OV_MACS_LEN)
void ov_initiation_encode(const struct ov_initiation *p, uint8_t out[OV_INITIATION_PAYLOAD]);
OV_CHECK int ov_initiation_decode(const uint8_t in[OV_INITIATION_PAYLOAD], struct ov_initiation *p);

/* RESPONSE: u8 type, 3 zero, u32 sender, u32 receiver, noise message 2 (payload below), mac1,
 * mac2. */
struct ov_response {
    uint8_t aead; /* the chosen one */
    uint8_t caps;
    uint16_t boot; /* as above */
};
#define OV_RESPONSE_PAYLOAD 4 /* aead, caps, u16 boot */
#define OV_RESPONSE_LEN     (12 + OV_NOISE_MSG2_LEN + OV_RESPONSE_PAYLOAD + OV_MACS_LEN)
void ov_response_encode(const struct ov_response *p, uint8_t out[OV_RESPONSE_PAYLOAD]);
OV_CHECK int ov_response_decode(const uint8_t in[OV_RESPONSE_PAYLOAD], struct ov_response *p);

/* COOKIE: u8 type, 3 zero, u32 receiver (the sender index of what it answers), cookie reply. */
#define OV_COOKIE_LEN (8 + OV_COOKIE_REPLY_LEN)

/* DATA: u8 type, 3 zero, u32 receiver, u64 counter, sealed message with tag. The 16 header bytes
 * are the associated data. An empty message is a keepalive. */
#define OV_DATA_HEADER   16
#define OV_DATA_OVERHEAD (OV_DATA_HEADER + OV_TAG_LEN)

/* RELAY: u8 type, u8 relayed (0 towards the root, 1 from it), 2 zero, u32 receiver, u64 counter,
 * u40 address, 3 zero, tag 16, inner datagram. Towards the root `address` is the destination, from
 * the root it is the source. The tag is SipHash-2-4-128 of the 24 bytes before it under the hop
 * session's relay key: the payload is not touched. */
#define OV_RELAY_HEADER 40
#define OV_RELAY_TAG_AT 24
struct ov_relay {
    bool relayed; /* false: please relay to addr; true: relayed from addr */
    uint32_t receiver;
    uint64_t counter;
    ov_addr addr;
};
void ov_relay_encode(const struct ov_relay *r, const uint8_t key[16], uint8_t out[OV_RELAY_HEADER]);
OV_CHECK int ov_relay_decode(const uint8_t *in, size_t len, struct ov_relay *r); /* shape only */
OV_CHECK int ov_relay_verify(const uint8_t in[OV_RELAY_HEADER], const uint8_t key[16]);

/* WHO: u8 type, 3 zero, u64 nonce, zeroes up to OV_WHO_LEN, so that the answer is never longer.
 * IAM: u8 type, u8 caps, 2 zero, u64 nonce echoed, identity 72. */
#define OV_WHO_LEN 128
#define OV_IAM_LEN (12 + OV_IDENTITY_LEN)
struct ov_iam {
    uint64_t nonce;
    uint8_t caps;
    struct ov_identity id; /* unproven until ov_identity_check */
};
void ov_who_encode(uint64_t nonce, uint8_t out[OV_WHO_LEN]);
OV_CHECK int ov_who_decode(const uint8_t *in, size_t len, uint64_t *nonce);
void ov_iam_encode(const struct ov_iam *i, uint8_t out[OV_IAM_LEN]);
OV_CHECK int ov_iam_decode(const uint8_t *in, size_t len, struct ov_iam *i);

/* OPENER: 4 random bytes with a low TTL; too short to be anything else, never answered. */
#define OV_OPENER_LEN 4

/* HAIRPIN: u8 type, 31 random bytes, from one socket of ours to another's outside endpoint. */
#define OV_HAIRPIN_LEN 32

#define OV_DATAGRAM_MIN OV_DATA_OVERHEAD /* shorter ones are dropped unseen */
#define OV_DATAGRAM_MAX 9216             /* the largest datagram we ever send or take */
/* UDP payload that fits wherever IPv6 over PPPoE does: 1492 - 40 - 8. */
#define OV_PATH_MTU_SAFE 1444
/* ...and the least that IPv6 guarantees: 1280 - 40 - 8. */
#define OV_PATH_MTU_MIN 1232

/* ---- messages (inside DATA) ---- */

enum ov_msg {
    OV_MSG_FRAME = 0x01,
    OV_MSG_FRAGMENT = 0x02,
    OV_MSG_PROBE = 0x03,
    OV_MSG_PROBE_OK = 0x04,
    OV_MSG_CLOSE = 0x05,
    OV_MSG_REFLECT = 0x06,
    OV_MSG_REFLECT_OK = 0x07,
    OV_MSG_TWIN = 0x08,
    OV_MSG_WHOIS = 0x10,
    OV_MSG_IDENTITY = 0x11,
    OV_MSG_PUNCH = 0x12,
    OV_MSG_NET_REQUEST = 0x20,
    OV_MSG_NET_REPLY = 0x21,
    OV_MSG_NET_HELLO = 0x22,
    OV_MSG_REVOKE = 0x23,
    OV_MSG_NET_BYE = 0x24,
    OV_MSG_ANNOUNCE = 0x28,
    OV_MSG_LOOKUP = 0x29,
    OV_MSG_FOUND = 0x2a,
};
#define OV_MESSAGE_MAX 16384 /* the largest message, before fragmentation */

/* The first byte of every message is its enum ov_msg; the structs below are what follows. Encoders
 * write that byte too; decoders are given the bytes after it. */

/* FRAME: u8 type, u8 flags, u64 netid, Ethernet frame. With OV_FRAME_PARTIAL, u16 csum_start and
 * u16 csum_offset stand before the frame: its checksum is partial (offload.h). */
enum ov_frame_flag { OV_FRAME_PARTIAL = 1 << 0 };
#define OV_MSG_FRAME_HEADER  10
#define OV_MSG_FRAME_PARTIAL 4 /* more, when the checksum is partial */
void ov_msg_frame_header(ov_netid net, uint8_t out[OV_MSG_FRAME_HEADER]);
/* Write the header that `o` asks for right before `frame`; returns its length. */
size_t ov_msg_frame_prepend(ov_netid net, const struct ov_offload *o, uint8_t *frame);
/* `in` is after the type byte. OV_EINVAL for unknown flags. Where the checksum is, is not checked
 * here: ov_offload_valid(). */
OV_CHECK int ov_msg_frame_decode(const uint8_t *in, size_t len, ov_netid *net,
                                 struct ov_slice *frame, struct ov_offload *o);

/* FRAGMENT: a piece of a message that is larger than the path takes. u8 type, u16 id, u16 offset,
 * u16 total, bytes. offset + bytes <= total <= OV_MESSAGE_MAX; at most OV_FRAGMENTS_MAX pieces. */
#define OV_MSG_FRAGMENT_HEADER 7
#define OV_FRAGMENTS_MAX       16
struct ov_msg_fragment {
    uint16_t id, offset, total;
    struct ov_slice bytes;
};
void ov_msg_fragment_encode(struct ov_writer *w, const struct ov_msg_fragment *m);
OV_CHECK int ov_msg_fragment_decode(const uint8_t *in, size_t len, struct ov_msg_fragment *m);

/* PROBE: u64 txid, then zero bytes up to any size (path MTU). PROBE_OK: u64 txid, u16 size of the
 * probe's datagram as received, endpoint it was seen from (none when relayed). */
struct ov_msg_probe {
    uint64_t txid;
    size_t pad;
};
struct ov_msg_probe_ok {
    uint64_t txid;
    uint16_t size;
    struct ov_endpoint seen;
};
void ov_msg_probe_encode(struct ov_writer *w, const struct ov_msg_probe *m);
OV_CHECK int ov_msg_probe_decode(const uint8_t *in, size_t len, struct ov_msg_probe *m);
void ov_msg_probe_ok_encode(struct ov_writer *w, const struct ov_msg_probe_ok *m);
OV_CHECK int ov_msg_probe_ok_decode(const uint8_t *in, size_t len, struct ov_msg_probe_ok *m);

/* REFLECT: u64 txid, u8 flags, with LATER u8 wait, then zero bytes, so many that the answer is not
 * longer, or with LATER both answers together, their IPv6 and UDP headers included. REFLECT_OK: u64
 * txid, u8 flags, u16 the root's other port (0: it has none), the endpoint it was seen from, to
 * which alone the answer goes. */
enum ov_reflect_flag {
    OV_REFLECT_OTHER = 1 << 0, /* from the other port, please; it is */
    OV_REFLECT_LATER = 1 << 1, /* once more after `wait`, please; it will be */
    OV_REFLECT_LATE = 1 << 2,  /* in an answer: this is that one */
};
#define OV_REFLECT_PAD       21
#define OV_REFLECT_PAD_LATER 131
#define OV_REFLECT_WAIT_MAX  30 /* seconds */
struct ov_msg_reflect {
    uint64_t txid;
    uint8_t flags, wait; /* wait: seconds, 1..OV_REFLECT_WAIT_MAX; 0 without LATER */
    size_t pad;
};
struct ov_msg_reflect_ok {
    uint64_t txid;
    uint8_t flags;
    uint16_t other;
    struct ov_endpoint seen;
};
void ov_msg_reflect_encode(struct ov_writer *w, const struct ov_msg_reflect *m);
OV_CHECK int ov_msg_reflect_decode(const uint8_t *in, size_t len, struct ov_msg_reflect *m);
void ov_msg_reflect_ok_encode(struct ov_writer *w, const struct ov_msg_reflect_ok *m);
OV_CHECK int ov_msg_reflect_ok_decode(const uint8_t *in, size_t len, struct ov_msg_reflect_ok *m);

/* CLOSE: u8 reason. The sender has forgotten this session. */
enum ov_close_reason { OV_CLOSE_SHUTDOWN = 1 };
void ov_msg_close_encode(struct ov_writer *w, enum ov_close_reason reason);
OV_CHECK int ov_msg_close_decode(const uint8_t *in, size_t len, uint8_t *reason);

/* TWIN: the receiver's identity is alive on another computer, too; the endpoint where the sender
 * heard that one last (none: behind a relay). */
struct ov_msg_twin {
    struct ov_endpoint seen;
};
void ov_msg_twin_encode(struct ov_writer *w, const struct ov_msg_twin *m);
OV_CHECK int ov_msg_twin_decode(const uint8_t *in, size_t len, struct ov_msg_twin *m);

/* WHOIS: u8 n (1..16), u40 x n. IDENTITY: u8 n, identity x n; unknown addresses are left out. */
#define OV_WHOIS_MAX 16
struct ov_msg_whois {
    uint8_t n;
    ov_addr addrs[OV_WHOIS_MAX];
};
struct ov_msg_identity {
    uint8_t n;
    struct ov_identity ids[OV_WHOIS_MAX]; /* unproven: addr is 0 */
};
void ov_msg_whois_encode(struct ov_writer *w, const struct ov_msg_whois *m);
OV_CHECK int ov_msg_whois_decode(const uint8_t *in, size_t len, struct ov_msg_whois *m);
void ov_msg_identity_encode(struct ov_writer *w, const struct ov_msg_identity *m);
OV_CHECK int ov_msg_identity_decode(const uint8_t *in, size_t len, struct ov_msg_identity *m);

/* PUNCH: u64 nonce, u8 flags, u8 round, u16 delay_ms (start probing after it), the sender's NAT: u8
 * mapping, u8 filtering, u8 allocation, u16 step, u16 base, u16 spread; u8 strategy, u8 n, (u8
 * kind, endpoint) x n. Travels by relay; the answer is a PUNCH with ACK and the same nonce. With
 * HARD it agrees on an attempt of more than plain punching, by the strategy that it names. */
enum ov_punch_flag { OV_PUNCH_ACK = 1 << 0, OV_PUNCH_HARD = 1 << 1 };
enum ov_candidate_kind {
    OV_CANDIDATE_LOCAL = 1,     /* an interface address */
    OV_CANDIDATE_REFLEXIVE = 2, /* as a root saw it */
    OV_CANDIDATE_MAPPED = 3,    /* asked of a router */
    OV_CANDIDATE_SEEN = 4,      /* an authenticated packet came from there; local use only */
};
#define OV_CANDIDATES_MAX 16
struct ov_candidate {
    uint8_t kind;
    struct ov_endpoint ep;
};
struct ov_msg_punch {
    uint64_t nonce;
    uint8_t flags, round;
    uint16_t delay_ms;
    struct ov_nat_view nat;
    uint8_t strategy; /* enum ov_strategy */
    uint8_t n;
    struct ov_candidate c[OV_CANDIDATES_MAX];
};
void ov_msg_punch_encode(struct ov_writer *w, const struct ov_msg_punch *m);
OV_CHECK int ov_msg_punch_decode(const uint8_t *in, size_t len, struct ov_msg_punch *m);

/* NET_REQUEST (node to controller): u64 netid, u64 revision and u64 timestamp it has (0: none),
 * text host name, u8 secret length (0 or 16), secret. */
struct ov_msg_net_request {
    ov_netid netid;
    uint64_t have_revision;
    ov_wall have_timestamp;
    char hostname[OV_NET_NAME_MAX];
    bool has_secret;
    uint8_t secret[16]; /* of an invite */
};
void ov_msg_net_request_encode(struct ov_writer *w, const struct ov_msg_net_request *m);
OV_CHECK int ov_msg_net_request_decode(const uint8_t *in, size_t len, struct ov_msg_net_request *m);

/* NET_REPLY: u64 netid, u8 status, text member name, u16 + configuration blob, u16 + certificate
 * blob (both empty unless OV_NET_OK). The name is empty, or one (types.h). */
enum ov_net_status {
    OV_NET_OK = 0,
    OV_NET_PENDING = 1,    /* known, waiting for the owner's admission */
    OV_NET_DENIED = 2,     /* was cut off */
    OV_NET_NOT_FOUND = 3,  /* no such network here */
    OV_NET_BAD_INVITE = 4, /* invite unknown */
    OV_NET_USED_INVITE = 5,
    OV_NET_EXPIRED_INVITE = 6,
    OV_NET_POOL_EXHAUSTED = 7, /* no address left to give */
    OV_NET_UNAVAILABLE = 8,    /* the controller cannot store it now; try again */
};
struct ov_msg_net_reply {
    ov_netid netid;
    uint8_t status;
    char name[OV_NET_NAME_MAX];
    struct ov_slice config, cert;
};
void ov_msg_net_reply_encode(struct ov_writer *w, const struct ov_msg_net_reply *m);
OV_CHECK int ov_msg_net_reply_decode(const uint8_t *in, size_t len, struct ov_msg_net_reply *m);

/* NET_HELLO (member to member): u64 netid, u8 flags, u16 + certificate blob, u8 n, MAC x n. */
enum ov_hello_flag {
    OV_HELLO_WANT_REPLY = 1 << 0, /* I have no certificate of yours */
};
#define OV_GROUPS_MAX 64
struct ov_msg_net_hello {
    ov_netid netid;
    uint8_t flags;
    struct ov_slice cert;
    uint8_t ngroups;
    struct ov_mac groups[OV_GROUPS_MAX];
};
void ov_msg_net_hello_encode(struct ov_writer *w, const struct ov_msg_net_hello *m);
OV_CHECK int ov_msg_net_hello_decode(const uint8_t *in, size_t len, struct ov_msg_net_hello *m);

/* REVOKE: the revocation blob. NET_BYE: u64 netid: the sender left. */
void ov_msg_revoke_encode(struct ov_writer *w, const uint8_t blob[OV_REVOCATION_LEN]);
void ov_msg_net_bye_encode(struct ov_writer *w, ov_netid net);
OV_CHECK int ov_msg_net_bye_decode(const uint8_t *in, size_t len, ov_netid *net);

/* ANNOUNCE (member to directory, that is to roots and the controller): identity 72 of the
 * controller, u16 + certificate blob, u8 n, MAC x n. A NET_BYE withdraws it. */
struct ov_msg_announce {
    struct ov_identity controller; /* unproven */
    struct ov_slice cert;
    uint8_t ngroups;
    struct ov_mac groups[OV_GROUPS_MAX];
};
void ov_msg_announce_encode(struct ov_writer *w, const struct ov_msg_announce *m);
OV_CHECK int ov_msg_announce_decode(const uint8_t *in, size_t len, struct ov_msg_announce *m);

/* LOOKUP (member to directory): u64 netid, u8 kind, key, u64 version (0, or the one last FOUND:
 * then "unchanged" may be the answer), u40 after (paging). FOUND: the same key, u64 version, u8
 * flags, u8 n, (u16 + certificate blob) x n, ordered by address. */
enum ov_lookup_kind {
    OV_LOOKUP_IP = 1,     /* key: ip */
    OV_LOOKUP_GROUP = 2,  /* key: MAC; ff:ff:ff:ff:ff:ff is every member */
    OV_LOOKUP_MEMBER = 3, /* key: u40 */
};
struct ov_lookup_key {
    uint8_t kind;
    struct ov_ip ip;
    struct ov_mac group;
    ov_addr member;
};
bool ov_lookup_key_equal(const struct ov_lookup_key *a, const struct ov_lookup_key *b);
struct ov_msg_lookup {
    ov_netid netid;
    struct ov_lookup_key key;
    uint64_t version;
    ov_addr after;
};
enum ov_found_flag { OV_FOUND_MORE = 1 << 0, OV_FOUND_UNCHANGED = 1 << 1 };
#define OV_FOUND_MAX 32
struct ov_msg_found {
    ov_netid netid;
    struct ov_lookup_key key;
    uint64_t version;
    uint8_t flags, n;
    struct ov_slice certs[OV_FOUND_MAX];
};
void ov_msg_lookup_encode(struct ov_writer *w, const struct ov_msg_lookup *m);
OV_CHECK int ov_msg_lookup_decode(const uint8_t *in, size_t len, struct ov_msg_lookup *m);
void ov_msg_found_encode(struct ov_writer *w, const struct ov_msg_found *m);
OV_CHECK int ov_msg_found_decode(const uint8_t *in, size_t len, struct ov_msg_found *m);

#endif
