/* punch: making a direct path through both NATs.
 *
 * Theory of operation. One side sends PUNCH with its candidates by relay; the other answers with
 * its own at once. Both then send an OPENER (low TTL: it opens our NAT and dies before theirs,
 * whose tables an early packet could poison) to the other's reflexive IPv4 candidates, and probe
 * all candidates: the private, IPv6 and mapped ones at once, the reflexive ones after a delay that
 * lets both openers leave first. The side that got the PUNCH waits for max(RTT by relay, 100 ms),
 * at most 300 ms; the side that got the ACK knows that the other's openers have left already. Each
 * candidate is probed at 0, 100, 300, 700 and 1500 ms. Rounds follow after 2, 5, 15, 60 s and then
 * every 5 min while there is traffic and no direct path; a network change starts over. (Ford 2005;
 * RFC 8445 for the candidates.) A PUNCH that is not answered is repeated twice in its round.
 *
 * Both tell the other what they know of their NATs. From it both know whether plain punching can
 * work at all; where more is needed, the side that asked starts a hard attempt (attempt.h), and
 * where nothing helps the reflexive candidates are left alone. From the second round on, plain
 * punching starts from a fresh socket. */
#ifndef OV_CORE_PUNCH_H
#define OV_CORE_PUNCH_H

#include "attempt.h"
#include "peer.h"
#include "strategy.h"

#define OV_PUNCH_TTL 3

struct ov_punch {
    uint64_t nonce; /* of our PUNCH under way */
    ov_time sent;   /* when; 0: none under way */
    uint8_t asks;   /* how often it was sent */
    ov_time ask_again;
    struct ov_endpoint fresh; /* that it tells of; port 0: none */
    ov_time next;             /* next round */
    uint8_t round;
    uint16_t socket; /* of reflexive candidates; 0: the ordinary one */
    bool told;       /* the other side answered, so that what follows is known */
    struct ov_nat_view theirs;
    enum ov_strategy strategy;
    bool families[2]; /* they have candidates of IPv4, IPv6 */
    /* the hard attempts so far */
    enum ov_attempt_result result;
    uint32_t attempts, packets;
};

/* There is traffic and no direct path: start a round if one is due. */
void ov_punch_kick(struct ov_peer *p);
/* Start over with round 0 (network change). */
void ov_punch_reset(struct ov_peer *p);
/* Our reflexive or mapped address is another than peers without a direct path were told: tell them.
 * Who is silent may be so because of it. */
void ov_punch_moved(struct ov_engine *e);
/* What we know of our NAT is another than was told: begin anew where it could matter. */
void ov_punch_profiled(struct ov_engine *e);
void ov_punch_received(struct ov_peer *p, const struct ov_msg_punch *m);
/* A round is due? Returns when to look again (OV_NEVER). */
ov_time ov_punch_service(struct ov_peer *p);

/* The fresh socket that a round waited for is there, seen from outside as `seen`; NULL: it is not,
 * and the ordinary one has to do. */
void ov_punch_fresh(struct ov_peer *p, uint16_t socket, const struct ov_endpoint *seen);
/* A low-TTL packet that opens our NAT for the other's endpoint. */
void ov_punch_opener(struct ov_engine *e, uint16_t socket, const struct ov_endpoint *to);
/* Is it worth sending to? Not to nowhere, not to groups, not to ourselves. */
bool ov_punch_usable(const struct ov_engine *e, const struct ov_endpoint *ep);
enum ov_why ov_punch_why(const struct ov_peer *p);

#endif
