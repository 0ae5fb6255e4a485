/* owner: the controller part of a daemon: its database, the requests of nodes, and the list of
 * roots that its networks tell their members (this server, if it is a root; else the roots it uses
 * itself).
 *
 * Requests are queued by events, OV_OWNER_QUEUE_MAX at most (a node that gets no answer asks
 * again), and answered once before the loop sleeps. That is as many as one batch of datagrams can
 * bring, so that strangers who ask all at once crowd no member out; most of theirs cost 3 us. */
#ifndef OV_CLI_OWNER_H
#define OV_CLI_OWNER_H

#include "controller/controller.h"
#include "file.h"

#define OV_OWNER_QUEUE_MAX 512

struct ov_daemon;
struct ov_owner;

/* OV_EIO, OV_EVERSION, OV_EPERM: the database; `why` says it. */
OV_CHECK int ov_owner_open(struct ov_daemon *d, const struct ov_identity_secret *identity,
                           struct ov_owner **out, char why[OV_WHY_MAX]);
void ov_owner_close(struct ov_owner *o);

void ov_owner_request(struct ov_owner *o, const struct ov_identity *from,
                      const struct ov_msg_net_request *req);
/* It left the network, or asks no more. Done in turn with the requests. */
void ov_owner_bye(struct ov_owner *o, const struct ov_identity *from, ov_netid id);
/* The roots or our own addresses may have changed. */
void ov_owner_mark_roots(struct ov_owner *o);
/* Do what is queued and marked; true when that has queued more. */
bool ov_owner_run(struct ov_owner *o);

struct ov_controller *ov_owner_controller(struct ov_owner *o);
struct ov_store *ov_owner_store(struct ov_owner *o);
/* How many networks are its own. */
size_t ov_owner_networks(struct ov_owner *o);
/* How this server is reached from elsewhere: [root] public, or else the addresses it has; for
 * invites. */
size_t ov_owner_hosts(struct ov_owner *o, struct ov_host out[OV_INVITE_HOSTS_MAX]);

#endif
