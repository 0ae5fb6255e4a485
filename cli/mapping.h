/* mapping: the port mapping of transport/portmap.h, as the daemon uses it: what it maps, whom it
 * tells, and when it looks again. */
#ifndef OV_CLI_MAPPING_H
#define OV_CLI_MAPPING_H

#include "core/identity.h"
#include "daemon.h"

#include <jansson.h>

/* Nothing with `portmap = no` or without an IPv4 socket. OV_ENOMEM. */
OV_CHECK int ov_mapping_open(struct ov_daemon *d, const struct ov_identity_secret *id);
/* Addresses or routes of this host changed, or it slept. */
void ov_mapping_check(struct ov_daemon *d);
/* A peer's state changed: if roots see us at another IPv4 address than before, the router has
 * another one. */
void ov_mapping_look(struct ov_daemon *d);
void ov_mapping_close(struct ov_daemon *d);
/* PORT_MAPPING of docs/api.md. */
json_t *ov_json_of_mapping(const struct ov_daemon *d);

#endif
