/* lookup: asking directories for a member by IP or address, and what waits for the answer: an ARP
 * request or neighbour solicitation of the host (answered locally), or frames to a member not yet
 * known. */
#ifndef OV_CORE_LOOKUP_H
#define OV_CORE_LOOKUP_H

#include "network.h"

/* Who is at req's target IP? The host's request (frame of `len` bytes) is answered when it is
 * found; when nobody is, it goes to the bridges, or to all where source IPs are not checked. */
void ov_lookup_ip(struct ov_network *net, const struct ov_frame_info *req, const struct ov_ip *ip,
                  const uint8_t *frame, size_t len);
/* The same with nothing that waits for the answer. */
void ov_lookup_seek(struct ov_network *net, const struct ov_ip *ip);
/* Find a member by address; `frame` waits for it. */
void ov_lookup_member(struct ov_network *net, ov_addr a, const uint8_t *frame, size_t len);
/* FOUND came from `from` (NULL: ourselves). */
void ov_lookup_found(struct ov_network *net, struct ov_peer *from, const struct ov_msg_found *m);
/* A member showed its certificate: what waited for it goes on. */
void ov_lookup_met(struct ov_network *net, struct ov_member *m);
/* Send a LOOKUP to the nth-best directory (round-robin). False: there is none now. */
bool ov_lookup_ask(struct ov_network *net, const struct ov_msg_lookup *m, unsigned nth);
/* Retries and time-outs; returns when to look again. */
ov_time ov_lookup_service(struct ov_network *net);
void ov_lookup_retry(struct ov_network *net); /* a directory came up */
void ov_lookup_clear(struct ov_network *net);

/* ---- held frames ---- */
bool ov_held_add(struct ov_held *h, const uint8_t *frame, size_t len); /* false: full */
/* Take one out; the caller frees it. Its msg has OV_MSG_FRAME_HEADER bytes of room before the
 * frame. */
struct ov_queued *ov_held_take(struct ov_held *h);
void ov_held_clear(struct ov_held *h);

#endif
