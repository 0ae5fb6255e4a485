/* world: one engine under load, and all the others it talks to, in one process without sockets.
 *
 * `us` is the engine that is looked at. The others are real engines too, so that everything between
 * them is sealed, checked and answered as it would be; each has its own UDP address, and
 * world_run() carries datagrams to them and back. Known peers without an engine of their own are
 * restored from what a node persists. Everything random comes from one seed, and the clock is
 * simulated.
 *
 * Each call into `us` is bracketed, so that what it allocates can be told from what others do. */
#ifndef OV_BENCH_WORLD_H
#define OV_BENCH_WORLD_H

#include "core/node.h"

#define WORLD_FRAME_MAX (OV_FRAME_HEADROOM + OV_SUPERFRAME_MAX)

struct world_peer {
    struct ov_identity_secret id;
    struct ov_node *node;
    struct ov_endpoint ep;
    size_t net; /* the network it is in */
    struct ov_ip ip;
    uint64_t random;
};

struct world {
    ov_time now;
    uint64_t random;
    uint64_t our_random; /* of `us` */
    struct ov_identity_secret controller, id;
    struct ov_node *us;
    struct ov_endpoint ep;
    struct world_peer *peers; /* those with a session */
    size_t npeers, nnets;
    ov_netid nets[OV_NETWORKS_MAX];
    /* memory of `us`, in bytes with the allocator's own */
    size_t bytes_bare, bytes_known, bytes_live; /* alone; with known peers; with sessions */
};

/* `known` peers in all, `live` of them with a session and members of one of `nets` networks. */
struct world *world_new(size_t known, size_t live, size_t nets);
void world_free(struct world *w);
/* Run everybody for `span`; what `us` costs is added to `ticks` and `tick_ns`, which may be NULL.
 */
void world_run(struct world *w, ov_time span, uint64_t *ticks, uint64_t *tick_ns);

/* A frame of `len` bytes of UDP between us and peer `k`, outwards or inwards; a superframe when
 * `len` is more than fits. Writes behind OV_FRAME_HEADROOM and tells how to hand it over. */
struct ov_frame world_frame(const struct world *w, size_t k, bool outwards, size_t len,
                            uint8_t *buf);
/* The datagrams in which peer `k` sends us this frame, one after another into `out`; returns their
 * number, and the length of each in `lens`. */
size_t world_seal(struct world *w, size_t k, const struct ov_frame *f, uint8_t *out, size_t cap,
                  size_t *lens, size_t max);

uint64_t world_cpu_ns(void); /* of this thread */
size_t world_bytes(void);    /* allocated by `us` of all worlds */

#endif
