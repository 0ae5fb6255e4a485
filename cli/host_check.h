/* host_check: what can be said of this computer without a daemon. */
#ifndef OV_CLI_HOST_CHECK_H
#define OV_CLI_HOST_CHECK_H

#include <jansson.h>
#include <stdbool.h>

/* {"tun": is /dev/net/tun there, "route": is there a default route, "unit": would systemd start
 * the daemon}. `routes` are the kernel's two tables, /proc/net/route and /proc/net/ipv6_route. */
json_t *ov_host_check(void);
/* Would a daemon stumble over its state directory, where that exists? `why` (OV_WHY_MAX) says it.
 */
bool ov_host_state(const char *dir, char *why);
bool ov_host_has_route(const char *route4, const char *route6);

#endif
