/* odd_port: is it the port, and not this network, that keeps UDP from a server? */
#ifndef OV_CLI_ODD_PORT_H
#define OV_CLI_ODD_PORT_H

#include "core/invite.h"

#include <jansson.h>

/* The first of a STATUS's roots (docs/api.md) that does not answer by UDP, when all those that do
 * not are called by another port than the usual one: then nothing tells that UDP is blocked. False:
 * all answer by it, or one at the usual port does not. */
bool ov_odd_port_find(const json_t *roots, struct ov_host *out);

#endif
