/* GET /v1/doctor: all that tells what is wrong, and a verdict. */
#include "api_call.h"

#include "daemon.h"
#include "facts.h"
#include "host_check.h"
#include "hosts.h"
#include "json_of.h"
#include "persist.h"
#include "transport/udp.h"

#include <stdlib.h>

#define DENIED_MS 15000 /* a root that does not answer is asked more often */

static void add_networks(struct ov_daemon *d, json_t *report)
{
    ov_netid ids[OV_NETWORKS_MAX];
    struct ov_network_info *info = malloc(sizeof(*info));
    json_t *networks = json_array();
    size_t n = info != NULL ? ov_node_networks(d->node, ids, OV_NETWORKS_MAX) : 0;
    for (size_t i = 0; i < n; i++) {
        if (ov_node_network(d->node, ids[i], info) == OV_OK)
            json_array_append_new(networks, ov_json_of_network(d, info));
    }
    free(info);
    json_object_set_new(report, "networks", networks);
}

static void add_servers(struct ov_daemon *d, json_t *report)
{
    struct ov_host_info v[OV_HOSTS_MAX];
    json_object_set_new(report, "servers", ov_json_of_hosts(v, ov_hosts_all(d->hosts, v)));
}

static json_t *relayed_peers(struct ov_daemon *d)
{
    struct ov_node_stats stats;
    struct ov_peer_info info;
    json_t *list = json_array();
    ov_node_stats(d->node, &stats);
    ov_addr *v = calloc(stats.peers + 1, sizeof(*v));
    size_t n = v != NULL ? ov_node_peers(d->node, v, stats.peers) : 0;
    for (size_t i = 0; i < n; i++)
        if (ov_node_peer(d->node, v[i], &info) == OV_OK && info.path == OV_PEER_RELAY &&
            info.session)
            json_array_append_new(list, ov_json_of_peer(d, &info));
    free(v);
    return list;
}

static void set_ping(struct ov_daemon *d, json_t *report, const char *key, ov_addr addr, bool full)
{
    const struct ov_ping *p = ov_pings_best(&d->pings, addr, full, ov_daemon_now(d));
    if (p != NULL)
        json_object_set_new(report, key, ov_json_of_ping(p));
}

static void add_peer(const struct ov_api_call *c, json_t *report)
{
    struct ov_daemon *d = c->d;
    const char *text = c->args[0];
    struct ov_peer_info info;
    bool asked;
    ov_addr addr = ov_api_find_peer(c, text, &asked);
    json_object_set_new(report, "asked", ov_json_of_text(text));
    if (addr == 0)
        return;
    json_object_set_new(report, "self", json_boolean(addr == ov_node_identity(d->node)->addr));
    json_object_set_new(report, "member", json_boolean(ov_api_is_member(c, addr)));
    if (ov_node_peer(d->node, addr, &info) == OV_OK)
        json_object_set_new(report, "peer", ov_json_of_peer(d, &info));
    set_ping(d, report, "ping", addr, false);
    set_ping(d, report, "full_ping", addr, true);
}

/* Does a packet filter of this host forbid to send, lately? */
static bool is_denied(const struct ov_daemon *d)
{
    struct ov_udp_stats u;
    bool denied = false;
    for (size_t i = 0; i < d->nsockets; i++) {
        ov_udp_stats(d->sockets[i].udp, &u);
        denied |= u.send_denied > 0 && uv_now(&d->loop) - u.denied_ms < DENIED_MS;
    }
    return denied;
}

void ov_api_get_doctor(struct ov_api_call *c)
{
    struct ov_daemon *d = c->d;
    json_t *host = ov_host_check();
    json_object_set_new(host, "daemon", json_string("running"));
    json_object_set_new(host, "send_denied", json_boolean(is_denied(d)));
    json_object_set_new(host, "config_error", json_null());
    json_object_set_new(host, "config_hidden", json_false());
    const char *unsaved = ov_persist_problem(d->persist);
    json_object_set_new(host, "state_error",
                        unsaved != NULL ? ov_json_of_text(unsaved) : json_null());
    json_t *report = json_pack("{s:o,s:o,s:o,s:n,s:b,s:b,s:n,s:n,s:n}", "host", host, "status",
                               ov_json_of_status(d), "relayed", relayed_peers(d), "asked", "self",
                               false, "member", false, "peer", "ping", "full_ping");
    if (report != NULL) {
        add_networks(d, report);
        add_servers(d, report);
        if (c->args[0] != NULL)
            add_peer(c, report);
        ov_facts_judge(report);
    }
    ov_api_reply(c, 200, report);
}
