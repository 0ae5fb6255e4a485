/* hosts: the servers that are known by name: from the configuration and from `ovpn join
 * NETID@HOST`.
 *
 * Each is looked up, given to the engine as a root, and looked up again: after a failure (1 s,
 * doubling to 1 min), after a network change, and every 5 min while it does not answer (a name that
 * moves). A host is held by the configuration or by the networks joined through it, and goes with
 * the last of them. */
#ifndef OV_CLI_HOSTS_H
#define OV_CLI_HOSTS_H

#include "config.h"

#define OV_HOSTS_MAX OV_ROOTS_MAX

struct ov_daemon;
struct ov_hosts;

enum ov_host_state {
    OV_HOST_RESOLVING,
    OV_HOST_ASKING,
    OV_HOST_ANSWERED,
    OV_HOST_FAILED,
};
const char *ov_host_state_text(enum ov_host_state s);

struct ov_host_info {
    char host[OV_HOST_LABEL]; /* the engine's label too */
    enum ov_host_state state;
    char message[OV_WHY_MAX]; /* empty: nothing to say */
};

OV_CHECK int ov_hosts_open(struct ov_daemon *d, struct ov_hosts **out);
void ov_hosts_close(struct ov_hosts *h);
/* Hold `host` for `net` (0: for the configuration). OV_EFULL. */
OV_CHECK int ov_hosts_add(struct ov_hosts *h, ov_netid net, const struct ov_host *host,
                          char why[OV_WHY_MAX]);
void ov_hosts_drop(struct ov_hosts *h, ov_netid net);
/* Look all names up again, soon. */
void ov_hosts_refresh(struct ov_hosts *h);
/* The hosts held for `net`; how many. */
size_t ov_hosts_of(const struct ov_hosts *h, ov_netid net, struct ov_host out[OV_HOSTS_MAX]);
/* All of them. */
size_t ov_hosts_all(const struct ov_hosts *h, struct ov_host_info out[OV_HOSTS_MAX]);
size_t ov_hosts_info(const struct ov_hosts *h, ov_netid net, struct ov_host_info out[OV_HOSTS_MAX]);

#endif
