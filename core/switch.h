/* switch: Ethernet frames between the host's TAP and other members.
 *
 * Outwards: a unicast MAC is a member's (derived, so it tells the address), one learned behind a
 * bridge, or unknown; ARP and ND for addresses in certificates are answered here, without leaving
 * the node. Inwards: only from valid members, only with a source MAC and IP that are theirs (unless
 * they may bridge), only for us. */
#ifndef OV_CORE_SWITCH_H
#define OV_CORE_SWITCH_H

#include "network.h"

/* A frame from the TAP, with OV_MSG_FRAME_HEADER bytes of room before it. */
void ov_switch_send(struct ov_network *net, uint8_t *frame, size_t len);
/* A FRAME message of `p` for this network. */
void ov_switch_receive(struct ov_network *net, struct ov_peer *p, const uint8_t *frame, size_t len);
/* Send to one member; `frame` as above. */
void ov_switch_unicast(struct ov_network *net, struct ov_member *m, uint8_t *frame, size_t len);
/* Tell the host that `ip` is at member `m`, in answer to its request. */
void ov_switch_answer(struct ov_network *net, const struct ov_frame_info *req,
                      const struct ov_ip *ip, const struct ov_member *m);

#endif
