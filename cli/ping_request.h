/* ping_request: asking the daemon for a ping. */
#ifndef OV_CLI_PING_REQUEST_H
#define OV_CLI_PING_REQUEST_H

#include "client.h"
#include "progress.h"

/* Of `peer` as the user wrote it; *out is the API's answer. For an IP that nobody is known to have
 * the network's servers are asked; that takes a moment, and is waited for. OV_EXIT_OK or the exit
 * code, and `c` knows why. */
int ov_ping_request(struct ov_client *c, struct ov_progress *p, const char *peer, bool full,
                    json_t **out);

#endif
