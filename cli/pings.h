/* pings: the measurements asked for by the API: at most OV_PINGS_MAX, each kept for a minute. */
#ifndef OV_CLI_PINGS_H
#define OV_CLI_PINGS_H

#include "core/node.h"

#define OV_PINGS_MAX  256
#define OV_PINGS_KEEP (60 * OV_SEC)
/* Pings of so short a time are one question: on a bad line some are lost. */
#define OV_PINGS_TOGETHER (4 * OV_SEC)

enum ov_ping_state { OV_PING_PENDING, OV_PING_ANSWERED, OV_PING_TIMEOUT };
struct ov_ping {
    uint64_t id; /* 0: free */
    ov_addr addr;
    bool full; /* with a large datagram */
    enum ov_ping_state state;
    ov_time asked, rtt;
    enum ov_peer_path path;
    struct ov_endpoint remote; /* family 0: none */
};
struct ov_pings {
    uint64_t last_id;
    struct ov_ping v[OV_PINGS_MAX];
};

/* A new pending one, or NULL: all are less than a minute old. */
struct ov_ping *ov_pings_add(struct ov_pings *p, ov_addr addr, ov_time now);
/* NULL: none, or too old. */
struct ov_ping *ov_pings_find(struct ov_pings *p, uint64_t id, ov_time now);
/* The last decided one to `addr`, of that kind, or else the last pending one; NULL: none, or too
 * old. */
const struct ov_ping *ov_pings_last(const struct ov_pings *p, ov_addr addr, bool full, ov_time now);
/* The last answered one of those that were asked together with the last one; else that one. */
const struct ov_ping *ov_pings_best(const struct ov_pings *p, ov_addr addr, bool full, ov_time now);

#endif
