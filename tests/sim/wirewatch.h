/* wirewatch: looks at every datagram that an engine sends, as a tap at its wire could.
 *
 * - No counter is used twice under a key, no ephemeral key and no nonce twice at all, unless for
 *   the very same bytes; counters only grow. No key is in use for longer than it may be.
 * - No frame of a host is there in plain.
 * - An initiation is answered once, and twice if another bears the same number by chance. What has
 *   no valid mac1 is not answered at all, nobody who has not proven to be there gets more bytes
 *   than it sent, and strangers not as many handshakes as they like.
 * - A relay passes on what it was asked to pass on, by whom it says, and not more often. */
#ifndef OV_TESTS_WIREWATCH_H
#define OV_TESTS_WIREWATCH_H

#include "once.h"
#include "sim.h"

#define WIREWATCH_NODES 256
#define WIREWATCH_MARK  16 /* bytes that are in each frame of a host */

struct wirewatch {
    uint8_t mark[WIREWATCH_MARK];
    struct ov_map counters; /* (kind, sender, receiver index) -> struct counter */
    struct once nonces, begun, answers, relays; /* begun: initiations that bear a number */
    struct {
        size_t answered;
        ov_time first;
    } strangers[WIREWATCH_NODES]; /* handshakes of theirs, by each node */
};

void wirewatch_init(struct wirewatch *w);
void wirewatch_free(struct wirewatch *w);
/* NULL, or what is wrong. */
const char *wirewatch_sent(struct wirewatch *w, const struct sim_node *src,
                           const struct ov_endpoint *to, const uint8_t *data, size_t len);
const char *wirewatch_came(struct wirewatch *w, const struct sim_node *src,
                           const struct sim_node *at, const uint8_t *data, size_t len);
/* Forget keys that are long gone. */
void wirewatch_sweep(struct wirewatch *w, ov_time now);

#endif
