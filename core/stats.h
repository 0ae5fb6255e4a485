/* stats: what was dropped and why, and what went through. Only counters; ovpn status shows them. */
#ifndef OV_CORE_STATS_H
#define OV_CORE_STATS_H

#include "types.h"

/* Every reason to drop something, each with its counter. */
#define OV_DROPS(X)                                                                                \
    X(MALFORMED, malformed, "malformed datagram")                                                  \
    X(UNKNOWN_SESSION, unknown_session, "no such session")                                         \
    X(AUTH, auth, "authentication failed")                                                         \
    X(REPLAY, replay, "replayed or too old")                                                       \
    X(HANDSHAKE_LIMIT, handshake_limit, "too many handshakes from one source")                     \
    X(HANDSHAKE_REPLAY, handshake_replay, "replayed handshake")                                    \
    X(BAD_IDENTITY, bad_identity, "identity without proof of work")                                \
    X(CONFLICT, conflict, "second key for a known address")                                        \
    X(MALFORMED_MESSAGE, malformed_message, "malformed message")                                   \
    X(UNEXPECTED, unexpected, "message not expected from this peer")                               \
    X(NOT_MEMBER, not_member, "sender has no valid membership")                                    \
    X(NOT_JOINED, not_joined, "frame for a network we are not in")                                 \
    X(MALFORMED_FRAME, malformed_frame, "malformed Ethernet frame")                                \
    X(SOURCE_MAC, source_mac, "source MAC is not the sender's")                                    \
    X(SOURCE_IP, source_ip, "source IP is not the sender's")                                       \
    X(NO_DESTINATION, no_destination, "no member with this MAC")                                   \
    X(TOO_LARGE, too_large, "frame larger than the network's MTU")                                 \
    X(MULTICAST_LIMIT, multicast_limit, "multicast rate limit")                                    \
    X(QUEUE_FULL, queue_full, "queue of a connecting peer full")                                   \
    X(NO_PATH, no_path, "no path to the peer")                                                     \
    X(FRAGMENTS, fragments, "incomplete or overlapping fragments")                                 \
    X(RELAY_REFUSED, relay_refused, "relaying is not offered here")                                \
    X(RELAY_UNKNOWN, relay_unknown, "relay destination not connected")                             \
    X(RELAY_LIMIT, relay_limit, "relay rate limit")                                                \
    X(OUTPUT_FULL, output_full, "output buffer full")                                              \
    X(TABLE_FULL, table_full, "a table is full")                                                   \
    X(LIMIT, limit, "rate limit")

enum ov_drop {
#define X(name, key, text) OV_DROP_##name,
    OV_DROPS(X)
#undef X
        OV_DROP_COUNT
};
const char *ov_drop_name(enum ov_drop d); /* "UNKNOWN_SESSION": for JSON, in lower case */
const char *ov_drop_text(enum ov_drop d); /* "no such session": for people */

struct ov_node_stats {
    uint64_t drops[OV_DROP_COUNT];
    uint64_t rx_datagrams, rx_bytes, tx_datagrams, tx_bytes;
    uint64_t rx_frames, rx_frame_bytes, tx_frames, tx_frame_bytes; /* from the TAP, to the TAP */
    uint64_t relayed_datagrams, relayed_bytes;                     /* through us as a root */
    uint64_t handshakes, conflicts;
    uint64_t lan_sent, lan_heard, lan_known, lan_tries; /* beacons; known: of our networks */
    size_t peers, sessions;
};

#endif
