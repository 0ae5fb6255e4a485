/* hop: which relay carries what goes to a peer that has no direct path.
 *
 * Theory of operation. A relay may be a root of ours, or a member of one of our networks that
 * relays for others (volunteer.h) and to which we have a direct path. Whether the other end has one
 * too is asked by the probe that measures: it goes through the relay, and comes back the same way
 * or not at all. So nobody has to tell anybody which relays he has, and what is compared is what
 * packets will get: srtt + 2 jitter + 300 ms x loss of the whole way, and 5 ms for a member, 10 ms
 * for a root. Rounds of probes go out while frames are relayed: six in the first 4.5 s, then every
 * 15 s. A way is left for a better one (below 0.85 of it, less 1 ms) only when that held three
 * times. Both ends measure the same ways; where they still differ, the one with the higher address
 * follows the other.
 *
 * When nothing came through the chosen relay for a quarter of a second and a round trip, though
 * something was sent that asks for an answer, all ways are probed; after twice that, what is sent
 * goes by the second best too; and as soon as the peer is heard by another one, that is chosen. So
 * the death of a relay costs less than a second wherever there is another.
 *
 * The quality of the chosen way is the one in ov_paths; those of the others are kept here. */
#ifndef OV_CORE_HOP_H
#define OV_CORE_HOP_H

#include "peer.h"

#define OV_HOPS_MAX     11         /* every root of ours, and */
#define OV_HOPS_MEMBERS 3          /* so many members */
#define OV_HOP_ROUNDS   6          /* the last one comes again and again */
#define OV_PATH_HOP(k)  (-3 - (k)) /* where the index of a path is asked for: through this relay */
#define OV_HOP_OF(path) (-3 - (path))

struct ov_hop {
    ov_addr relay; /* 0: free */
    bool member;   /* of one of our networks; else a root of ours */
    uint8_t better;
    ov_time last_rx; /* the peer was heard through it; 0: never */
    ov_time left;    /* when it was given up for silence; 0: it was not, or is back */
    struct ov_path_quality q;
};

struct ov_hops {
    int chosen; /* -1: none yet */
    uint8_t round;
    ov_time next;   /* round of probes */
    ov_time doubt;  /* next probes while in doubt */
    ov_time called; /* when the ranks above are asked again for members that relay */
    uint8_t calls;
    struct ov_hop h[OV_HOPS_MAX];
};

/* Score of a relayed way; nanoseconds, lower is better. OV_NEVER: not measured. */
ov_time ov_hop_score(const struct ov_path_quality *q, bool member);
/* The way that OV_PATH_HOP(k) stands for. False: it cannot be used now. */
bool ov_hop_via(struct ov_peer *p, int path, struct ov_via *out);
/* A member that would relay to `p`. */
void ov_hop_offer(struct ov_peer *p, const struct ov_peer *relay);
/* What is known of the way that a probe took (path < 0); NULL: it is not known any more. */
struct ov_path_quality *ov_hop_quality(struct ov_peer *p, int path);
/* A probe through a relay was answered, after its round trip was counted. */
void ov_hop_answered(struct ov_peer *p, int path);
/* An authenticated datagram of `p` came through this relay. */
void ov_hop_heard(struct ov_peer *p, const struct ov_peer *relay);
/* The relay through which a second copy should go, besides `first`, which is in doubt; or NULL. */
struct ov_peer *ov_hop_second(struct ov_peer *p, const struct ov_peer *first);
/* When it is worth looking at the way again, something having been sent now. */
ov_time ov_hop_doubt(const struct ov_peer *p);
/* Rounds and doubts; when to look again (OV_NEVER). */
ov_time ov_hop_service(struct ov_peer *p);
/* Measured before the peer restarted: nothing of it counts. */
void ov_hop_restart(struct ov_peer *p);

#endif
