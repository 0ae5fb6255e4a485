/* stats: what was dropped and why, and what went through. Only counters; ovpn status shows them. */
#ifndef OV_CORE_STATS_H
#define OV_CORE_STATS_H

#include "types.h"

/* Every reason to drop something, each with its counter. */
#define OV_DROPS(X)                                                                                \
    X(MALFORMED, "malformed datagram")                                                             \
    X(UNKNOWN_SESSION, "no such session")                                                          \
    X(AUTH, "authentication failed")                                                               \
    X(REPLAY, "replayed or too old")                                                               \
    X(HANDSHAKE_LIMIT, "too many handshakes from one source")                                      \
    X(HANDSHAKE_REPLAY, "replayed handshake")                                                      \
    X(BAD_IDENTITY, "identity without proof of work")                                              \
    X(CONFLICT, "second key for a known address")                                                  \
    X(MALFORMED_MESSAGE, "malformed message")                                                      \
    X(UNEXPECTED, "message not expected from this peer")                                           \
    X(NOT_MEMBER, "sender has no valid membership")                                                \
    X(NOT_JOINED, "frame for a network we are not in")                                             \
    X(MALFORMED_FRAME, "malformed Ethernet frame")                                                 \
    X(SOURCE_MAC, "source MAC is not the sender's")                                                \
    X(SOURCE_IP, "source IP is not the sender's")                                                  \
    X(NO_DESTINATION, "no member with this MAC")                                                   \
    X(TOO_LARGE, "frame larger than the network's MTU")                                            \
    X(MULTICAST_LIMIT, "multicast rate limit")                                                     \
    X(QUEUE_FULL, "queue of a connecting peer full")                                               \
    X(NO_PATH, "no path to the peer")                                                              \
    X(FRAGMENTS, "incomplete or overlapping fragments")                                            \
    X(RELAY_REFUSED, "relaying is not offered here")                                               \
    X(RELAY_UNKNOWN, "relay destination not connected")                                            \
    X(RELAY_LIMIT, "relay rate limit")                                                             \
    X(OUTPUT_FULL, "output buffer full")                                                           \
    X(TABLE_FULL, "a table is full")                                                               \
    X(LIMIT, "rate limit")

enum ov_drop {
#define X(name, text) OV_DROP_##name,
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
    size_t peers, sessions;
};

#endif
