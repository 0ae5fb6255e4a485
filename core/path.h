/* path: the ways to one peer's UDP endpoint, and which one is best.
 *
 * A path is (local socket, remote endpoint), and the address of ours that the peer uses for it:
 * learned from what arrives, as a host with several addresses must answer from the one that was
 * asked, and forgotten when it is ours no more or the path falls silent. It is *trying* until a
 * PROBE_OK with the right random txid came for it (RFC 9000 section 8.2's idea of path validation):
 * only then may traffic go there. A path that was chosen and falls silent while we send frames is
 * asked and soon covered by the relay (peer_doubt.c); after 1.5 s it is doubted, so that another
 * that answers is taken; after 6 s it is dead. Path MTU (RFC 8899) is
 * found by padded probes, upwards from the least that IPv6 guarantees. */
#ifndef OV_CORE_PATH_H
#define OV_CORE_PATH_H

#include "local.h"
#include "types.h"
#include "wire.h"

#define OV_PATHS_MAX  20
#define OV_PROBE_PAD  21 /* bytes at least */
#define OV_PROBES_MAX 24
#define OV_PATH_DOUBT (1500 * OV_MS)
#define OV_PATH_COVER (2500 * OV_MS)
#define OV_PATH_DEAD  (6 * OV_SEC)
#define OV_PROBE_LOST (2 * OV_SEC)
#define OV_PATH_RELAY (-1) /* stands for "by relay" where an index is asked for */
#define OV_PATH_NONE  (-2)
#define OV_PATH_TRIES 5

enum ov_path_state { OV_PATH_FREE, OV_PATH_TRYING, OV_PATH_VALID };

/* What probes tell of any way to the peer, direct or relayed. */
struct ov_path_quality {
    uint16_t mtu; /* largest UDP payload proven */
    uint8_t mtu_step, mtu_tries, mtu_rounds, mtu_misses;
    uint32_t loss;        /* of probes, moving average, permille */
    ov_time srtt, jitter; /* RFC 6298's smoothing; 0: not measured */
    ov_time mtu_next;     /* when to try again */
};

/* What packets need comes first: up to the MTU. */
struct ov_path {
    enum ov_path_state state;
    uint16_t socket;
    uint8_t kind; /* enum ov_candidate_kind */
    bool near;    /* proven, and on a LAN that we are on */
    uint8_t tries;
    struct ov_endpoint remote;
    ov_time last_rx;    /* authenticated, from this very endpoint */
    struct ov_ip local; /* ours, where it was last heard; family 0: as the host routes */
    uint8_t better;     /* probes in a row on which it beat the chosen one */
    struct ov_path_quality q;
    ov_time base;       /* trying: start of the probe schedule */
    ov_time next_probe; /* OV_NEVER: none planned */
    ov_time last_ok;    /* PROBE_OK or handshake that proved it */
};

struct ov_probe {
    uint64_t txid; /* 0: free */
    int path;      /* index, OV_PATH_RELAY, OV_PATH_HOP, or OV_PATH_NONE: that path is gone */
    ov_time sent;
    uint16_t size;    /* UDP payload bytes it was sent with */
    bool mtu;         /* its loss says nothing but that it was too large */
    bool test;        /* it ended a silence: what comes of it is told to keepalive.h */
    uint64_t user_id; /* of ov_node_ping; 0: our own */
};

struct ov_paths {
    int active; /* index, or OV_PATH_RELAY when no direct path is good */
    struct ov_path p[OV_PATHS_MAX];
    struct ov_path_quality relay; /* the relayed way in use */
    ov_time since;                /* when `active` was chosen */
    ov_time mtu_watch;            /* when to look whether its MTU still holds, while it matters */
    struct ov_probe probes[OV_PROBES_MAX];
};

void ov_paths_init(struct ov_paths *ps, ov_time now);
void ov_quality_init(struct ov_path_quality *q);
/* The index of this path, or -1. */
int ov_paths_find(const struct ov_paths *ps, uint16_t socket, const struct ov_endpoint *remote);
/* Find or make a trying path; evicts the trying one that is oldest, or the worst valid one that is
 * not active. Never fails. */
int ov_paths_add(struct ov_paths *ps, uint16_t socket, const struct ov_endpoint *remote,
                 uint8_t kind, ov_time now);
/* Start (again) the probe schedule of a path, `delay` from now. */
void ov_path_schedule(struct ov_path *p, ov_time now, ov_time delay);
/* After a probe was sent: when is the next of the schedule (0, 100, 300, 700, 1500 ms)? */
void ov_path_advance(struct ov_path *p);
void ov_path_remove(struct ov_paths *ps, int i);

/* Remember a probe under way; when the table is full the oldest is forgotten, users' pings last.
 * Returns the user_id of the one forgotten, 0 if no user waits for it. */
OV_CHECK uint64_t ov_probe_add(struct ov_paths *ps, const struct ov_probe *probe);
/* Take the probe with this txid out of the table. False: not ours. */
bool ov_probe_take(struct ov_paths *ps, uint64_t txid, struct ov_probe *out);
/* Take one probe that is lost by now. */
bool ov_probe_lost(struct ov_paths *ps, ov_time now, struct ov_probe *out);
ov_time ov_probes_deadline(const struct ov_paths *ps); /* of the first loss; OV_NEVER */

void ov_quality_answered(struct ov_path_quality *q, ov_time rtt);
void ov_quality_lost(struct ov_path_quality *q);
/* The next size to probe for: 0 when there is none now. */
uint16_t ov_quality_mtu_probe(const struct ov_path_quality *q, uint8_t family, ov_time now);
void ov_quality_mtu_sent(struct ov_path_quality *q, ov_time now);
/* A probe of the proven size went missing while small ones arrive: after three in a row, more
 * where small ones are lost too, start over (RFC 8899's black hole detection). */
void ov_quality_mtu_missed(struct ov_path_quality *q, ov_time now);
void ov_quality_mtu_answered(struct ov_path_quality *q, uint16_t size, ov_time now);

/* Does it go through a stream to or from a root? */
static inline bool ov_path_is_link(const struct ov_path *p)
{
    return p->socket == OV_SOCKET_LINK;
}

/* Lower is better; nanoseconds (nat-traversal: srtt + 2 jitter + 300 ms loss, less on a LAN and
 * IPv6, 40 ms more by a stream). */
ov_time ov_path_score(const struct ov_path *p);
/* The direct path to use: index or OV_PATH_RELAY. Sticks to the active one unless another is
 * clearly better three times in a row, or near and not slower; but when the active one is in doubt,
 * any that was proven since it was last heard wins. */
int ov_paths_choose(struct ov_paths *ps, bool doubted);

/* Is one of the good paths near? */
bool ov_paths_has_near(const struct ov_paths *ps);

#endif
