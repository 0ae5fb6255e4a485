/* safety: what must hold after every event of a simulation, whatever breaks and whoever attacks.
 *
 * - What wirewatch.h says of the wire.
 * - A host gets only frames that another host of its network gave, each once, and only while the
 *   sender's newest certificate may agree with its own, is not revoked as far as it knows, and once
 *   the network is at peace again, not revoked at all. Answers that its own engine makes (ARP) tell
 *   the truth.
 * - An engine's memory and tables stay below their bounds, and all is given back at its end.
 * - An engine wants to be called again, not at once for ever, and not never; and wipes old keys.
 *
 * It knows what was issued from the controllers themselves, not from the engines. What is wrong is
 * said once, and stops the simulation. */
#ifndef OV_TESTS_SAFETY_H
#define OV_TESTS_SAFETY_H

#include "diagram.h"
#include "wirewatch.h"

#define SAFETY_NODES 224

/* What the controller of its network has said of a node. */
struct safety_member {
    ov_wall newest;  /* timestamp of its newest certificate; 0: none */
    ov_wall revoked; /* all up to this one are void */
    struct ov_mac mac;
    uint8_t naddrs;
    struct ov_ip ip[OV_CERT_ADDRS_MAX];
    bool out; /* by now everybody must know that it is not a member */
};

struct safety {
    struct sim *s;
    struct wirewatch wire;
    struct diagram *diagram; /* may be NULL */
    ov_time window;          /* in which certificates agree */
    size_t bytes_max;        /* of one engine */
    struct safety_member member[SAFETY_NODES];
    struct once frames;  /* what hosts gave: hash -> index below */
    struct given *given; /* ring */
    size_t next_given;
    ov_wall *known; /* [at][of]: revocations that a node has stored */
    unsigned known_life[SAFETY_NODES];
    ov_time sampled[SAFETY_NODES];
    uint64_t delivered, frames_given;
    const char *wrong; /* NULL: nothing */
    int node;          /* where */
};

void safety_init(struct safety *f, struct sim *s, struct diagram *d);
void safety_free(struct safety *f);
/* A frame that `from` sends past its own engine's switch, but in its own name. */
void safety_given(struct safety *f, const struct sim_node *from, const uint8_t *frame, size_t len);
/* From now on nothing that it sends may reach anybody. */
void safety_out(struct safety *f, const struct sim_node *n);
/* The engine of `n` has just ended. */
void safety_ended(struct safety *f, const struct sim_node *n);
void safety_fail(struct safety *f, const struct sim_node *n, const char *wrong);

#endif
