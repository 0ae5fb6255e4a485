/* local: what the edge has to send from: numbered UDP sockets and the addresses they are reached
 * at. */
#ifndef OV_CORE_LOCAL_H
#define OV_CORE_LOCAL_H

#include "types.h"

/* Local UDP sockets are numbered by the edge, below OV_SOCKETS_MAX; `family` is 4 or 6. */
#define OV_SOCKETS_MAX 8
struct ov_local {
    uint16_t socket;
    struct ov_endpoint ep; /* an interface address this socket can be reached at */
};
#define OV_LOCALS_MAX 32

#endif
