/* twins: one identity on two computers, as its peers can see it.
 *
 * A copied state directory or virtual machine is a second node with the same key. Each of the two
 * has a boot number of its own, random for each start. A node that is started anew, roams, sleeps
 * or is given another mapping by its NAT has another number or keeps the one it had, but never goes
 * back to one that it left. So a return is the sign: a start that was heard, then another one, then
 * the first again, in a handshake whose half of ours was made after the other one had proven to be
 * alive, so that it can be no late answer. One return can come of a virtual machine set back to a
 * snapshot. Two of them within OV_TWINS_WINDOW cannot: that is two nodes, which take turns in
 * cutting each other off. A stranger can forge none of it, as all of it is confirmed sessions.
 *
 * Handshake stamps are kept apart for each start that is remembered. The copy of a running node
 * begins some minutes ahead of it (engine.h), so compared with all stamps of the identity, the
 * original would be a replay of the past and never be heard again. Each initiation is still taken
 * once at most: one of a start that is not remembered has to be newer than all there were. */
#ifndef OV_CORE_TWINS_H
#define OV_CORE_TWINS_H

#include "types.h"

#define OV_TWINS_LIVES  4
#define OV_TWINS_WINDOW (600 * OV_SEC) /* from one return to the next */
#define OV_TWINS_SHOWN  (900 * OV_SEC) /* so long after the last return it is told */

/* One start of the peer that has proven to be alive. */
struct ov_life {
    uint32_t boot; /* 1 << 16 | its number; 0: free */
    uint64_t stamp;
    ov_time since, heard;    /* heard of in a row since; last handshake */
    struct ov_endpoint from; /* where it was; family 0: behind a relay */
};

struct ov_twins {
    struct ov_life life[OV_TWINS_LIVES]; /* the last heard first */
    uint64_t stamp;                      /* the newest of all taken */
    unsigned returns;                    /* one after the other, each within OV_TWINS_WINDOW */
    ov_time returned;                    /* the last */
};

/* A root or controller of ours told that our own identity is alive twice. */
struct ov_twin_info {
    ov_time told; /* last; 0: never */
    ov_addr by;
    struct ov_endpoint at; /* where it heard the other one; family 0: behind a relay */
};

/* May an initiation with these be taken, as far as its stamp tells? */
bool ov_twins_fresh(const struct ov_twins *t, uint16_t boot, uint64_t stamp);
/* It was. */
void ov_twins_took(struct ov_twins *t, uint16_t boot, uint64_t stamp);
/* A session with the start `boot` is confirmed; our half of its handshake was made at `begun`.
 * True when it is another start than the one heard last. */
bool ov_twins_heard(struct ov_twins *t, uint16_t boot, ov_time begun,
                    const struct ov_endpoint *from, ov_time now);
/* The number of the start heard last, as in ov_life; 0: none. */
uint32_t ov_twins_boot(const struct ov_twins *t);
/* Is the identity alive twice? Then life[0] and life[1] are the two. */
bool ov_twins_seen(const struct ov_twins *t, ov_time now);

#endif
