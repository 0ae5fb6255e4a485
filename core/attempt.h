/* attempt: more than plain punching, for one peer at a time.
 *
 * Theory of operation. Two kinds. A *fresh* attempt repeats plain punching from a new socket: where
 * a router took an early packet for its own, every new flow from the old port to that peer is
 * remapped as long as somebody keeps trying, and only another port helps. A *hard* one follows a
 * strategy other than plain (strategy.h), within the budget (budget.h):
 *
 *     SOCKETS  the edge opens them
 *     BASE     the first one asks a root how it is seen: the endpoint that the other side is told,
 *              and from which the next ports follow
 *     ASKED    PUNCH HARD is sent and its answer awaited; the side that is asked goes through
 *              SOCKETS and BASE first, too, then answers and runs
 *     RUN      openers, then probes, as the plan has it, with canaries in between
 *     LINGER   a path was proven: both sides settle on one; then the sockets of proven paths are
 *              kept, and all others closed
 *
 * If both ask at once, the one with the lower address stays the asker. Probes are sent and
 * forgotten: that one got through shows by its answer, or the other's probe, coming from a new
 * endpoint, which is then challenged as always. A node that is asked while it has an attempt
 * already, or no budget, says so at once: PUNCH HARD ACK with strategy 0. */
#ifndef OV_CORE_ATTEMPT_H
#define OV_CORE_ATTEMPT_H

#include "peer.h"
#include "strategy.h"
#include "why.h"

OV_CHECK int ov_attempts_init(struct ov_engine *e); /* OV_ENOMEM */
void ov_attempts_free(struct ov_engine *e);
/* Ask `p` for a hard attempt. */
void ov_attempt_hard(struct ov_peer *p, enum ov_strategy s);
/* A PUNCH with HARD came from `p`, which may punch. */
void ov_attempt_received(struct ov_peer *p, const struct ov_msg_punch *m);
/* Get a fresh socket and its outside endpoint, then call ov_punch_fresh(). False: not now. */
bool ov_attempt_fresh(struct ov_peer *p);
/* The peer is about to be forgotten. */
void ov_attempts_forget(struct ov_peer *p);
/* We are in another network: all end. */
/* Is this temporary socket one of an attempt to reach `p`, or kept for it? */
bool ov_attempt_has(const struct ov_peer *p, uint16_t socket);
void ov_attempts_abort(struct ov_engine *e);
bool ov_attempt_running(const struct ov_peer *p);

#endif
