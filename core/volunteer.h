/* volunteer: members that relay for the other members of their networks, without being roots.
 *
 * Theory of operation. A member that relays lists a group of its own, OV_VOLUNTEERS, in what it
 * announces and shows, so that directories know who relays, and members hear it from itself. Who
 * has frames for a peer that only a relay reaches asks a directory of a network that they share,
 * and connects with up to three of those named. Which three follows from the addresses of both ends
 * and of each volunteer (highest random weight, Thaler and Ravishankar 1998): both ends pick the
 * same ones without a word between them, and the load is spread. What is good for the way is then
 * measured (hop.h). A volunteer relays only between two peers whose certificates of one of its
 * networks agree with its own; it sees what a root sees, and no more. */
#ifndef OV_CORE_VOLUNTEER_H
#define OV_CORE_VOLUNTEER_H

#include "network.h"

extern const struct ov_mac OV_VOLUNTEERS;

/* The groups to announce for a network: those of the host, and ours. Returns how many. */
size_t ov_volunteer_groups(const struct ov_network *net, struct ov_mac out[OV_GROUPS_MAX]);
/* Does this peer relay for one of our networks, as far as we know? Sets p->volunteer. */
void ov_volunteer_look(const struct ov_overlay *o, struct ov_peer *p);
/* May we relay from one to the other? */
bool ov_volunteer_may(const struct ov_overlay *o, struct ov_peer *from, struct ov_peer *to);
/* Frames for `p` go by relay: find, connect and offer members that could. */
void ov_volunteer_seek(const struct ov_overlay *o, struct ov_peer *p);
/* A directory named those that relay. */
void ov_volunteer_found(struct ov_network *net, const struct ov_msg_found *m);

#endif
