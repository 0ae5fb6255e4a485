/* reflect: how roots see our sockets, and what that tells of the NAT in front of us.
 *
 * Theory of operation. A REFLECT goes sealed to a root from any socket of ours, to any port of the
 * root's; the answer tells where it came from, and goes nowhere else. A root that has a second
 * port says so in each answer, and on request answers from there, which shows the filtering: our
 * NAT knows that port only once we sent to it.
 *
 * The profile is measured after the first root answered in a network, with six fresh sockets,
 * since the mappings of old ones may have friends from before:
 *
 *     FIRST   each socket asks the first root; socket 0 asks the second root too, and the first one
 *             to answer from its other port
 *     SECOND  socket 1 asks the first root's other port, and HAIRPINs go between sockets 0 and 1
 *
 * It is not socket 0 that does, since on a router that takes for its own what nobody inside asked
 * for, the datagram from the other port has spoilt the way there.
 *
 * Where the edge gives no sockets, the ordinary one does alone. (RFC 5780 has the idea.)
 *
 * Then, how long do mappings live? Four more fresh sockets each ask the root for two answers, one
 * at once and one after 12 s (two of them) or 23 s, and are silent in between. A root says in the
 * first answer whether the second will come, so one that is missing tells of the NAT: not of the
 * root, which is asked again before anything is concluded. Where both of a pair are missing,
 * keepalives have to come more often (ov_nat_patience); that is looked at again after ten minutes,
 * later every hour. */
#ifndef OV_CORE_REFLECT_H
#define OV_CORE_REFLECT_H

#include "extra.h"
#include "peer.h"

#define OV_REFLECT_ROOTS 2 /* that are asked */

/* `seen` is NULL: no answer. `rtt` is of the last try. */
typedef void ov_reflect_fn(void *arg, unsigned tag, const struct ov_endpoint *seen, ov_time rtt);

OV_CHECK int ov_reflect_init(struct ov_engine *e); /* OV_ENOMEM */
void ov_reflect_free(struct ov_engine *e);

struct ov_reflect_ask {
    struct ov_peer *root;
    uint16_t socket;
    bool to_other;   /* to the root's other port */
    bool from_other; /* answer from there */
    uint8_t tries;
    ov_time wait; /* for each */
    ov_reflect_fn *fn;
    void *arg;
    unsigned tag;
};
/* False: not sent, and fn is not called. */
bool ov_reflect_ask(struct ov_engine *e, const struct ov_reflect_ask *a);
/* No answer to `arg` any more. */
void ov_reflect_cancel(struct ov_engine *e, const void *arg);
/* A root's IPv4 endpoint by UDP, if that is how we reach it; else NULL. */
const struct ov_endpoint *ov_reflect_endpoint(const struct ov_peer *root);
/* Roots that we have such a way to, the one in use first. */
size_t ov_reflect_roots(struct ov_engine *e, struct ov_peer *out[OV_REFLECT_ROOTS]);

/* ---- happenings ---- */
void ov_reflect_asked(struct ov_peer *p, const struct ov_via *via, const uint8_t *m, size_t len);
void ov_reflect_answered(struct ov_peer *p, const uint8_t *m, size_t len);
/* A HAIRPIN came: ours? */
void ov_reflect_hairpin(struct ov_engine *e, uint16_t socket, const uint8_t *d, size_t len);
/* A root told how it sees our ordinary socket; `was` is how it did before (port 0: the first time
 * in this network). */
void ov_reflect_seen(struct ov_peer *root, const struct ov_endpoint *was);
/* Somebody is silent: has our endpoint changed? Asks roots with plain probes, seldom enough. */
void ov_reflect_check(struct ov_engine *e);
/* The router in front of us takes no more flows or packets: to find that out is a nuisance to
 * others behind it, so it is believed for hours, in other networks and back, too. */
void ov_reflect_narrow(struct ov_engine *e);
bool ov_reflect_is_narrow(const struct ov_engine *e);
/* We are in another network. */
void ov_reflect_restart(struct ov_engine *e);
/* The profile as far as it is known now. */
void ov_reflect_profile(const struct ov_engine *e, struct ov_nat_profile *out);

#endif
