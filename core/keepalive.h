/* keepalive: how long a direct path may be silent before it dies, learned from those that did.
 *
 * The probe that ends a silence of more than a few seconds is a test of it: answered, or lost. Two
 * deaths with no answer between them halve the silence that is allowed (floor 8 s); after ten
 * minutes at one length (20, 40, 80 if growing has failed) it grows by a quarter, until nothing is
 * left of the limit.
 * A silence is counted once, however many probes are lost after it. A NAT of ours that forgets soon
 * is known beforehand (ov_nat_patience); this is for what is in front of the other side, and for
 * IPv6. */
#ifndef OV_CORE_KEEPALIVE_H
#define OV_CORE_KEEPALIVE_H

#include "types.h"

#define OV_KEEPALIVE_FLOOR   (8 * OV_SEC)
#define OV_KEEPALIVE_SILENCE (5 * OV_SEC) /* a shorter one kills nothing */

/* Zeroed, nothing is learned. */
struct ov_keepalive {
    ov_time limit;         /* 0: none */
    ov_time since;         /* when the limit became what it is */
    ov_time tested, heard; /* the silence whose test is under way, and when it began; 0: none */
    ov_time died;          /* when the last one that killed the path began */
    uint8_t deaths;
    uint8_t halved; /* how often: growing waits longer each time */
};

/* The gap to keep, instead of the planned one. */
ov_time ov_keepalive_gap(const struct ov_keepalive *k, ov_time planned);
/* A probe is sent, nothing having come since `heard`. True: it is a test, and one of the two below
 * has to follow. */
bool ov_keepalive_test(struct ov_keepalive *k, ov_time heard, ov_time now, ov_time planned);
void ov_keepalive_answered(struct ov_keepalive *k, ov_time now, ov_time planned);
void ov_keepalive_unanswered(struct ov_keepalive *k, ov_time now, ov_time planned);

#endif
