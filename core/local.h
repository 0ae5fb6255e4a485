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
#define OV_EXTRA_MAX      256 /* at once */
struct ov_local {
    uint16_t socket;
    struct ov_endpoint ep; /* an interface address this socket can be reached at */
};
#define OV_LOCALS_MAX 32

#endif
