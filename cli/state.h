/* state: the state directory of one daemon.
 *
 *     STATE/lock              held while a daemon lives: two never share a directory
 *     STATE/port              the remembered UDP port, as text
 *     STATE/stamp             what the engine wants kept, as it gave it ...
 *     STATE/networks/NETID    ... controller, configuration and certificate of a joined network
 *     STATE/peers/ADDRESS     ... a pinned identity and a last good endpoint
 *     STATE/hosts/NETID       the servers a network was joined by, one HOST[:PORT] a line
 *     STATE/left/NETID        the same, of a network that was left, whatever the others say
 *
 * Every write is atomic (file.h). A file that cannot be read or is broken is reported and kept;
 * left-over temporary files are removed. Everything here may block on the disk; a struct is used
 * from one thread, but ov_state_put may be called from another one meanwhile (it only reads the
 * directory's name). */
#ifndef OV_CLI_STATE_H
#define OV_CLI_STATE_H

#include "core/invite.h"
#include "core/log.h"
#include "core/node.h"
#include "file.h"

#define OV_STATE_ITEM_MAX  (64 * 1024) /* bytes the engine may keep in one item */
#define OV_STATE_HOSTS_MAX OV_ROOTS_MAX

struct ov_state;

/* Make what is missing and take the lock. OV_EEXIST: another daemon runs there; OV_EPERM, OV_EIO.
 */
OV_CHECK int ov_state_open(const char *dir, const struct ov_log *log, struct ov_state **out,
                           char why[OV_WHY_MAX]);
void ov_state_close(struct ov_state *s);
const char *ov_state_dir(const struct ov_state *s);

/* Store one item of the engine; len 0 deletes it. */
OV_CHECK int ov_state_put(const struct ov_state *s, enum ov_persist_kind kind, uint64_t id,
                          const void *data, size_t len, char why[OV_WHY_MAX]);
/* Call `fn` for each stored item of a kind. */
void ov_state_each(const struct ov_state *s, enum ov_persist_kind kind,
                   void (*fn)(void *arg, enum ov_persist_kind kind, uint64_t id, const void *data,
                              size_t len),
                   void *arg);

/* Forget the peers that were stored more than `max_age_s` before the newest one, and of the others
 * the oldest beyond `max`. Returns how many. The engine stores a peer anew each day that it meets
 * it. The newest OV_STATE_PEERS_KEPT never are too old. */
#define OV_STATE_PEERS_MAX  4096
#define OV_STATE_PEERS_AGE  (90 * 86400)
#define OV_STATE_PEERS_KEPT 64
size_t ov_state_prune_peers(const struct ov_state *s, size_t max, int64_t max_age_s);

uint16_t ov_state_port(const struct ov_state *s); /* 0: none is remembered */
void ov_state_set_port(const struct ov_state *s, uint16_t port);

/* The servers of a network. get returns how many; 0 as well when there is no file. */
OV_CHECK int ov_state_put_hosts(const struct ov_state *s, ov_netid net, const struct ov_host *v,
                                size_t n, char why[OV_WHY_MAX]);
size_t ov_state_get_hosts(const struct ov_state *s, ov_netid net,
                          struct ov_host out[OV_STATE_HOSTS_MAX]);
void ov_state_drop_hosts(const struct ov_state *s, ov_netid net);
/* The network is being left: its servers are kept apart, should it be joined again; those of the
 * last OV_STATE_LEFT_MAX networks. With that it is left: should we die before the engine's own item
 * of it is removed, ov_state_open() does it. get as above; put forgets that it was left. */
#define OV_STATE_LEFT_MAX 64
OV_CHECK int ov_state_leave_hosts(const struct ov_state *s, ov_netid net, char why[OV_WHY_MAX]);
size_t ov_state_get_left(const struct ov_state *s, ov_netid net,
                         struct ov_host out[OV_STATE_HOSTS_MAX]);
/* Networks that have such a file; how many were written to `out`. */
size_t ov_state_host_nets(const struct ov_state *s, ov_netid *out, size_t cap);

#endif
