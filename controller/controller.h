/* controller: networks, admission, address pools and signing. Pure like core/: requests and the
 * wall clock in, messages out through a callback, state through a store. It never touches a socket.
 *
 * Whatever it acknowledges (a reply OV_NET_OK, a function returning OV_OK) is stored first. */
#ifndef OV_CONTROLLER_CONTROLLER_H
#define OV_CONTROLLER_CONTROLLER_H

#include "core/log.h"
#include "core/wire.h"
#include "store.h"

struct ov_controller;

struct ov_controller_config {
    const struct ov_identity_secret *identity; /* copied */
    struct ov_store *store;                    /* borrowed, must outlive the controller */
    struct ov_random random;
    struct ov_log log;
    /* Send an encoded message (NET_REPLY, REVOKE) to a node; best effort: it will ask again. One
     * call of an owner's function may send to every member. It must not call the controller. */
    void (*send)(void *arg, ov_addr to, const uint8_t *msg, size_t len);
    void *send_arg;
    /* Roots put into new networks' configuration (usually this very server). */
    uint8_t nroots;
    struct ov_net_root roots[OV_NET_ROOTS_MAX];
};
OV_CHECK int ov_controller_new(const struct ov_controller_config *cfg, struct ov_controller **out);
void ov_controller_free(struct ov_controller *c);
/* The roots changed (an address of this server, say): networks with another list get this one, and
 * their members are told. A list given to ov_controller_new (when it is not empty) is brought in
 * with the first request or tick. */
OV_CHECK int ov_controller_set_roots(struct ov_controller *c, const struct ov_net_root *roots,
                                     size_t n, ov_wall now);

/* A node asks. Answers by one send(), or silently drops what is beyond a bound (OV_ELIMIT): each
 * sender has one, those not known yet have one together, and those of them with a good invite one
 * of their own. Unknown nodes become pending members, at most OV_PENDING_MAX in a network; where
 * all of these are heard of, a new one is told OV_NET_UNAVAILABLE (OV_EFULL). OV_ECONFLICT, OV_EIO.
 */
#define OV_PENDING_MAX       1024
#define OV_PENDING_SILENT_MS (15 * 60000) /* who is silent for this long gives way */
#define OV_NEWCOMER_RATE     50           /* requests a second of nodes not known yet, */
#define OV_NEWCOMER_BURST    200
#define OV_INVITED_RATE      50 /* and of those that bring a good invite */
#define OV_INVITED_BURST     200
int ov_controller_request(struct ov_controller *c, const struct ov_identity *from,
                          const struct ov_msg_net_request *req, ov_wall now);
/* A node says that it left the network. One that only waits to be admitted is forgotten; a member
 * stays one, and is remembered to be away until it asks again. OV_OK also when it is nobody here;
 * OV_ELIMIT, OV_EIO. */
#define OV_LEFT_MAX                                                                                \
    4096 /* that many are remembered, in all networks; beyond it they are forgotten */
int ov_controller_bye(struct ov_controller *c, const struct ov_identity *from, ov_netid id,
                      ov_wall now);
/* When it left, as far as this run of the controller heard of it; 0: it did not. */
ov_wall ov_controller_left(const struct ov_controller *c, ov_netid id, ov_addr member);

/* ---- the owner's side; `why` (256 bytes) gets a sentence for people on every error ---- */

/* A random netid, a random 10.147.X.0/24 pool that no other network here uses, IPv6 on, checks on,
 * MTU OV_MTU_DEFAULT. */
OV_CHECK int ov_controller_net_create(struct ov_controller *c, const char *name,
                                      struct ov_net_record *out, ov_wall now, char why[256]);
/* `which` is a name or a netid, everywhere below. OV_ENOENT. */
OV_CHECK int ov_controller_net_find(struct ov_controller *c, const char *which,
                                    struct ov_net_record *out, char why[256]);
/* One setting by name and text value. */
struct ov_setting {
    const char *key, *value;
};
/* Change settings, all of them in one transaction or, when one is refused, none; keys: name, note,
 * mtu, pool (comma-separated prefixes), ip6 (on|off), check-ip (on|off), broadcast (on|off), open
 * (on|off), window (seconds), multicast-limit, routes ("10.0.0.0/8 via 10.147.17.1, ..."), dns
 * ("domain ip,ip"). Bumps the revision and pushes, once. */
OV_CHECK int ov_controller_net_change(struct ov_controller *c, const char *which,
                                      const struct ov_setting *v, size_t n, ov_wall now,
                                      char why[256]);
OV_CHECK int ov_controller_net_set(struct ov_controller *c, const char *which, const char *key,
                                   const char *value, ov_wall now, char why[256]);
/* Its members are told OV_NET_NOT_FOUND. */
OV_CHECK int ov_controller_net_delete(struct ov_controller *c, const char *which, ov_wall now,
                                      char why[256]);

/* `member` is an address or a unique name. Admitting a node that never asked is possible by address
 * only when it is known already (OV_ENOENT otherwise). Pushes configuration and certificate. */
OV_CHECK int ov_controller_authorize(struct ov_controller *c, const char *which, const char *member,
                                     ov_wall now, char why[256]);
/* Stores and floods a revocation to every member, and tells the node OV_NET_DENIED. */
OV_CHECK int ov_controller_deauthorize(struct ov_controller *c, const char *which,
                                       const char *member, ov_wall now, char why[256]);
OV_CHECK int ov_controller_member_name(struct ov_controller *c, const char *which,
                                       const char *member, const char *name, ov_wall now,
                                       char why[256]);
/* Keys: bridge (on|off), ip (comma-separated addresses from the pools), note, tags. */
OV_CHECK int ov_controller_member_set(struct ov_controller *c, const char *which,
                                      const char *member, const char *key, const char *value,
                                      ov_wall now, char why[256]);
/* Forget a member wholly (it may ask again). */
OV_CHECK int ov_controller_member_delete(struct ov_controller *c, const char *which,
                                         const char *member, ov_wall now, char why[256]);
/* For showing one; `member` as above. OV_ENOENT. */
OV_CHECK int ov_controller_member_find(struct ov_controller *c, const char *which,
                                       const char *member, struct ov_member_record *out,
                                       char why[256]);
/* A one-time invite; ttl_s 0: never expires. `hosts` go into it as the way to find us. */
OV_CHECK int ov_controller_invite(struct ov_controller *c, const char *which, const char *note,
                                  uint64_t ttl_s, const struct ov_host *hosts, size_t nhosts,
                                  ov_wall now, char out[OV_INVITE_TEXT], char why[256]);
/* How people call one: the first digits of its secret's hash. */
#define OV_INVITE_ID_TEXT 9
const char *ov_controller_invite_id(const struct ov_invite_record *i, char out[OV_INVITE_ID_TEXT]);
/* Take an invite back: who has it is told OV_NET_BAD_INVITE from now on. OV_ENOENT; OV_ESTATE: it
 * is used; OV_EEXIST: two have this id. */
OV_CHECK int ov_controller_invite_revoke(struct ov_controller *c, const char *which, const char *id,
                                         char why[256]);
/* All that are not used, also those that have expired; *count of them. */
OV_CHECK int ov_controller_invites_revoke(struct ov_controller *c, const char *which, size_t *count,
                                          char why[256]);

/* Once in a while (minutes): re-sign what has grown old. Returns nothing to wait for. */
void ov_controller_tick(struct ov_controller *c, ov_wall now);

#endif
