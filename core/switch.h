/* switch: Ethernet frames between the host's TAP and other members.
 *
 * Outwards: a unicast MAC is a member's (derived, so it tells the address), one learned behind a
 * bridge, or unknown; ARP and ND for addresses in certificates are answered here, without leaving
 * the node. Inwards: only from valid members, only with a source MAC and IP that are theirs (unless
 * they may bridge), only for us.
 *
 * A superframe to one member is looked at once and leaves as one train. Where a frame is held, or
 * goes to several members, its segments take the way of common frames, checksums completed. */
#ifndef OV_CORE_SWITCH_H
#define OV_CORE_SWITCH_H

#include "network.h"

/* A frame or superframe from the TAP, with OV_MSG_FRAME_HEADER + OV_MSG_FRAME_PARTIAL bytes of room
 * before it. Consumed. `owner` is the member whose own MAC the frame is to, if somebody looked it
 * up already, or NULL. */
void ov_switch_send(struct ov_network *net, uint8_t *frame, size_t len, const struct ov_offload *o,
                    struct ov_member *owner);
/* A FRAME message of `p` for this network. */
void ov_switch_receive(struct ov_network *net, struct ov_peer *p, const uint8_t *frame, size_t len,
                       const struct ov_offload *o);
/* Send to one member, with OV_MSG_FRAME_HEADER bytes of room before the frame. */
void ov_switch_unicast(struct ov_network *net, struct ov_member *m, uint8_t *frame, size_t len);
/* Tell the host that `ip` is at member `m`, in answer to its request. */
void ov_switch_answer(struct ov_network *net, const struct ov_frame_info *req,
                      const struct ov_ip *ip, const struct ov_member *m);

#endif
