/* multicast: broadcast and multicast frames to every member that wants them.
 *
 * Theory of operation. The sender replicates. Who wants a group is asked of a directory and kept
 * for a second; while the group is in use it is asked again in time, with the known version, so
 * that the usual answer is "unchanged" and a stream never waits. A frame that finds no list, or an
 * old one, waits for that answer, shortly: a newcomer must hear the one broadcast that asks who is
 * there. Where no directory answers, the last list, or all that we know ourselves, has to do.
 * Replication is bounded by the network's multicast limit and by a rate in bytes; what is above is
 * dropped and counted. */
#ifndef OV_CORE_MULTICAST_H
#define OV_CORE_MULTICAST_H

#include "network.h"

/* `frame` has OV_MSG_FRAME_HEADER bytes of room before it. */
void ov_multicast_send(struct ov_network *net, const struct ov_mac *group, uint8_t *frame,
                       size_t len);
/* An ARP request or solicitation that no directory could answer: to whoever might. */
void ov_multicast_unresolved(struct ov_network *net, uint8_t *frame, size_t len);
/* A frame for a MAC or IP that is no member's: to all bridges. */
void ov_multicast_bridges(struct ov_network *net, uint8_t *frame, size_t len);
void ov_multicast_found(struct ov_network *net, struct ov_peer *from, const struct ov_msg_found *m);
void ov_multicast_warm(struct ov_network *net);   /* learn who is there before anybody asks */
void ov_multicast_joined(struct ov_network *net); /* a member unknown until now: lists are old */
void ov_multicast_retry(struct ov_network *net);
ov_time ov_multicast_service(struct ov_network *net);
void ov_multicast_clear(struct ov_network *net);

#endif
