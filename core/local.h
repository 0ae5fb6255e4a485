/* local: what the edge has to send from: numbered UDP sockets and the addresses they are reached
 * at.
 *
 * Numbers below OV_SOCKETS_MAX are ordinary sockets, open all the time. From OV_SOCKET_EXTRA on are
 * temporary ones, IPv4 only, which the engine asks for and gives back (OV_EVENT_SOCKETS). */
#ifndef OV_CORE_LOCAL_H
#define OV_CORE_LOCAL_H

#include "types.h"

/* Local UDP sockets are numbered by the edge, below OV_SOCKETS_MAX; `family` is 4 or 6. */
#define OV_SOCKETS_MAX    8
#define OV_SOCKET_REFLECT 6 /* of a root: its second port, on which nothing is ever expected */
#define OV_SOCKET_LINK    7 /* no UDP socket at all: TCP and TLS links */
#define OV_SOCKET_EXTRA   16
#define OV_EXTRA_MAX      272 /* at once: a hard punch has 256 of them */
struct ov_local {
    uint16_t socket;
    struct ov_endpoint ep; /* an interface address this socket can be reached at */
};
#define OV_LOCALS_MAX 32

/* Streams (TCP, TLS) between a node and its root, for where UDP does not get through, all have one
 * number, OV_SOCKET_LINK. Such a path's endpoint is the remote end of the stream, with a number
 * that the edge gave it as `scope`: so none is ever taken for a later one, nor for another through
 * the same proxy. */
#define OV_LINKS_MAX 64 /* of ours to roots, at a time */
/* Of others to us, a root; and of one peer, which tries up to ten ways at a time (cli/dial.h) and
 * closes all but one. */
#define OV_SERVED_MAX      4096
#define OV_SERVED_PEER_MAX 12
#define OV_LINK_MTU        8952 /* for one datagram: larger ones would keep the others waiting */

/* What a node is to us: when there is not room for all, those of the first kind go first. */
enum ov_bond {
    OV_BOND_NONE,
    OV_BOND_ANNOUNCED, /* to us as a directory, in a network that is not ours: anybody may be */
    OV_BOND_OURS,      /* a member of a network that we control or are in, or a server of ours */
};

/* What the engine wants of the streams to a root. */
enum ov_rootlink_state {
    OV_ROOTLINK_UNWANTED, /* close them */
    OV_ROOTLINK_KEPT,     /* UDP is back: make no more, but keep what there is for a while */
    OV_ROOTLINK_WANTED,
};

#endif
