/* api: the local HTTP API on STATE/ovpn.sock (docs/api.md), by libmicrohttpd driven from the
 * daemon's loop. */
#ifndef OV_CLI_API_H
#define OV_CLI_API_H

#include "file.h"

#define OV_API_BODY_MAX     (64 * 1024)
#define OV_API_TIMEOUT_S    5   /* of a silent connection */
#define OV_API_REQUEST_S    10  /* for one request with its answer, however busy */
#define OV_API_REQUESTS_MAX 100 /* on one connection of whoever is no owner */

struct ov_daemon;
struct ov_api;

OV_CHECK int ov_api_open(struct ov_daemon *d, struct ov_api **out, char why[OV_WHY_MAX]);
void ov_api_close(struct ov_api *a); /* frees itself once the loop has let go */

#endif
