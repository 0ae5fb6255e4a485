/* json_of: what the engine and the store know, in the JSON of docs/api.md. Every function returns a
 * new value, or NULL when memory is out. Text from elsewhere that is no UTF-8 is made so. */
#ifndef OV_CLI_JSON_OF_H
#define OV_CLI_JSON_OF_H

#include "controller/store.h"
#include "core/node.h"

#include <jansson.h>

struct ov_daemon;
struct ov_host_info;
struct ov_ping;

json_t *ov_json_of_text(const char *text);
json_t *ov_json_of_wall(ov_wall when); /* 0: null */
/* Where and when a peer showed to be alive on two computers; null: it is not. */
json_t *ov_json_of_twice(struct ov_daemon *d, const struct ov_peer_info *info);
json_t *ov_json_of_instant(struct ov_daemon *d, ov_time when); /* 0: null */
json_t *ov_json_of_ms(ov_time t);                              /* 0: null */
json_t *ov_json_of_addr(ov_addr a);                            /* 0: null */
json_t *ov_json_of_netid(ov_netid id);
json_t *ov_json_of_endpoint(const struct ov_endpoint *e); /* family 0: null */
json_t *ov_json_of_prefixes(const struct ov_prefix *v, size_t n);
json_t *ov_json_of_routes(const struct ov_route *v, size_t n);
json_t *ov_json_of_dns(const char *domain, const struct ov_ip *v, size_t n);
json_t *ov_json_of_caps(uint8_t caps); /* ["root", "controller"] */

/* A stream by its endpoint in the engine; none: null. Of a root: its ports and connections. */
json_t *ov_json_of_link(struct ov_daemon *d, const struct ov_endpoint *ep);
json_t *ov_json_of_served(struct ov_daemon *d);

/* Servers that are known by name. */
json_t *ov_json_of_hosts(const struct ov_host_info *v, size_t n);

/* What the daemon has given up. */
json_t *ov_json_of_sandbox(const struct ov_daemon *d);

json_t *ov_json_of_status(struct ov_daemon *d);
json_t *ov_json_of_network(struct ov_daemon *d, const struct ov_network_info *info);
json_t *ov_json_of_peer(struct ov_daemon *d, const struct ov_peer_info *info);

json_t *ov_json_of_ping(const struct ov_ping *p);

json_t *ov_json_of_net(struct ov_daemon *d, const struct ov_net_record *n);
json_t *ov_json_of_member(struct ov_daemon *d, const struct ov_member_record *m);
json_t *ov_json_of_invite(const struct ov_invite_record *i, ov_wall now);

#endif
