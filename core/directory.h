/* directory: who is in a network, kept by roots and controllers for members to ask.
 *
 * A member announces itself with its certificate and multicast groups to the controller and to the
 * roots that its user chose or the network names. Other members ask for an IP, a MAC group or an
 * address and get certificates, which prove themselves: a directory can keep silent, but not lie.
 * Only somebody announced may ask, and entries are known by their whole key: an address alone is
 * nobody. In lists for a group an entry counts while its member's session is alive; who asks for
 * one member is answered all the same, as he may reach it where the directory does not. Bounded in
 * networks and members; nothing is stored. */
#ifndef OV_CORE_DIRECTORY_H
#define OV_CORE_DIRECTORY_H

#include "network.h"

#define OV_DIRECTORY_NETS    256
#define OV_DIRECTORY_MEMBERS 16384 /* in all networks */
#define OV_DIRECTORY_ALIVE   (75 * OV_SEC)

/* ---- serving ---- */
struct ov_directory *ov_directory_new(struct ov_engine *e); /* NULL: no memory */
void ov_directory_free(struct ov_directory *d);
/* `from` NULL: ourselves. */
void ov_directory_announced(struct ov_directory *d, struct ov_peer *from,
                            const struct ov_msg_announce *m);
/* A peer has a session, as after a restart: is it announced? (ov_peer.announced) */
void ov_directory_met(const struct ov_directory *d, struct ov_peer *p);
void ov_directory_withdraw(struct ov_directory *d, ov_netid net, const struct ov_identity *member);
/* Answer a LOOKUP of `who` into `out` (OV_MESSAGE_MAX bytes). Returns the length or OV_EPERM (not
 * announced, revoked). */
OV_CHECK int ov_directory_answer(struct ov_directory *d, const struct ov_identity *who,
                                 const struct ov_msg_lookup *m, uint8_t *out);
void ov_directory_revoked(struct ov_directory *d, const uint8_t *blob, size_t len);
size_t ov_directory_members(const struct ov_directory *d);

/* ---- using ---- */
/* Is this peer a directory for the network: its controller, a root that the user chose, or one that
 * its configuration names? What another network names is told nothing of this one. */
bool ov_directory_is(const struct ov_network *net, const struct ov_peer *p);
/* The directory to ask as the `nth` (0: the best); NULL with *self set when it is ourselves. */
struct ov_peer *ov_directory_pick(const struct ov_network *net, unsigned nth, bool *self);
/* Announce ourselves to all directories that are there. */
void ov_directory_announce(struct ov_network *net);

#endif
