/* beacons: the daemon's part in finding members on the LAN: carries beacons between the engine and
 * transport/discovery. All of it is nothing when [node] lan_discovery is off. */
#ifndef OV_CLI_BEACONS_H
#define OV_CLI_BEACONS_H

#include "daemon.h"

#include <jansson.h>

/* After the sockets; what fails is logged, for a node lives without it. */
void ov_beacons_open(struct ov_daemon *d);
void ov_beacons_refresh(struct ov_daemon *d); /* this host's interfaces changed */
void ov_beacons_send(struct ov_daemon *d);    /* the engine asked for it */
void ov_beacons_close(struct ov_daemon *d);
json_t *ov_json_of_lan(const struct ov_daemon *d);

#endif
