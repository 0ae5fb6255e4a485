/* The routes of docs/api.md under "Node". */
#include "api_call.h"

#include "daemon.h"
#include "hosts.h"
#include "json_of.h"
#include "networks.h"
#include "owner.h"
#include "state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- GET ---- */

static void get_status(struct ov_api_call *c)
{
    ov_api_reply(c, 200, ov_json_of_status(c->d));
}

/* The network that the path names; false: answered with an error. */
static bool named_network(struct ov_api_call *c, struct ov_network_info *out)
{
    ov_netid id;
    if (ov_netid_parse(c->args[0], &id) != OV_OK) {
        ov_api_error(c, 400, "bad_request", "a network id is 16 hex digits: ovpn networks",
                     "\"%.40s\" is no network id", c->args[0]);
        return false;
    }
    if (ov_node_network(c->d->node, id, out) != OV_OK) {
        ov_api_error(c, 404, "not_found", "ovpn networks shows them", "not joined to %s",
                     c->args[0]);
        return false;
    }
    return true;
}

static void get_network(struct ov_api_call *c)
{
    struct ov_network_info info;
    if (named_network(c, &info))
        ov_api_reply(c, 200, ov_json_of_network(c->d, &info));
}

static void get_networks(struct ov_api_call *c)
{
    ov_netid ids[OV_NETWORKS_MAX];
    struct ov_network_info info;
    json_t *list = json_array();
    size_t n = ov_node_networks(c->d->node, ids, OV_NETWORKS_MAX);
    for (size_t i = 0; i < n; i++)
        if (ov_node_network(c->d->node, ids[i], &info) == OV_OK)
            json_array_append_new(list, ov_json_of_network(c->d, &info));
    ov_api_reply(c, 200, json_pack("{s:o}", "networks", list));
}

struct naming {
    struct ov_store *store;
    json_t *names; /* by address */
};

static int add_name(void *arg, const struct ov_member_record *m)
{
    struct naming *s = arg;
    char addr[OV_ADDR_TEXT];
    if (m->state == OV_MEMBER_ADMITTED && m->name[0] != '\0')
        json_object_set_new(s->names, ov_addr_format(m->id.addr, addr), ov_json_of_text(m->name));
    return OV_OK;
}

static int add_names_of(void *arg, const struct ov_net_record *n)
{
    struct naming *s = arg;
    return s->store->ops->member_each(s->store, n->netid, add_name, s);
}

/* What members of our networks are called, by address; nothing to those who may not list them. */
static json_t *member_names(const struct ov_api_call *c)
{
    struct naming s = {.names = json_object()};
    if (c->d->owner == NULL || !c->owner)
        return s.names;
    s.store = ov_owner_store(c->d->owner);
    (void)!s.store->ops->net_each(s.store, add_names_of, &s);
    return s.names;
}

static json_t *named_peer(struct ov_daemon *d, const struct ov_peer_info *info, const json_t *names)
{
    json_t *peer = ov_json_of_peer(d, info);
    json_t *name = json_object_get(names, json_string_value(json_object_get(peer, "address")));
    json_object_set_new(peer, "name", name != NULL ? json_incref(name) : json_null());
    return peer;
}

static void get_peers(struct ov_api_call *c)
{
    struct ov_node_stats stats;
    struct ov_peer_info info;
    json_t *list = json_array(), *names = member_names(c);
    ov_node_stats(c->d->node, &stats);
    ov_addr *v = calloc(stats.peers + 1, sizeof(*v));
    size_t n = v != NULL ? ov_node_peers(c->d->node, v, stats.peers) : 0;
    for (size_t i = 0; i < n; i++)
        if (ov_node_peer(c->d->node, v[i], &info) == OV_OK)
            json_array_append_new(list, named_peer(c->d, &info, names));
    json_decref(names);
    free(v);
    ov_api_reply(c, 200, json_pack("{s:o}", "peers", list));
}

static void get_peer(struct ov_api_call *c)
{
    ov_addr addr;
    struct ov_peer_info info;
    if (ov_addr_parse(c->args[0], &addr) != OV_OK) {
        ov_api_error(c, 400, "bad_request", "an address is 10 hex digits: ovpn peers",
                     "\"%.40s\" is no address", c->args[0]);
    } else if (ov_node_peer(c->d->node, addr, &info) != OV_OK) {
        ov_api_error(c, 404, "not_found", "ovpn peers shows those that are known",
                     "no peer %s is known here", c->args[0]);
    } else {
        json_t *names = member_names(c);
        ov_api_reply(c, 200, named_peer(c->d, &info, names));
        json_decref(names);
    }
}

/* ---- join and leave ---- */

struct join {
    ov_netid net;
    bool has_invite;
    struct ov_invite invite;
    size_t nhosts;
    struct ov_host hosts[OV_STATE_HOSTS_MAX];
};

static bool read_invite(struct ov_api_call *c, const char *text, struct join *j)
{
    int err = ov_invite_parse(text, &j->invite);
    if (err == OV_OK)
        err = ov_identity_check(&j->invite.controller, &OV_POW_DEFAULT);
    if (err == OV_OK && j->invite.controller.addr != ov_netid_controller(j->invite.netid))
        err = OV_EAUTH;
    if (err != OV_OK) {
        ov_api_error(c, 400, "bad_request", "copy it whole, or ask the owner for a new one",
                     "this is no valid invite");
        return false;
    }
    j->has_invite = true;
    j->net = j->invite.netid;
    j->nhosts = j->invite.nhosts;
    memcpy(j->hosts, j->invite.hosts, j->nhosts * sizeof(j->hosts[0]));
    return true;
}

static bool read_hosts(struct ov_api_call *c, struct join *j)
{
    const json_t *list = json_object_get(c->body, "hosts");
    if (list == NULL)
        return true;
    if (!json_is_array(list) || json_array_size(list) > OV_STATE_HOSTS_MAX) {
        ov_api_error(c, 400, "bad_request", NULL, "\"hosts\" must be a list of at most %d servers",
                     OV_STATE_HOSTS_MAX);
        return false;
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text == NULL || ov_host_parse(text, &j->hosts[j->nhosts]) != OV_OK) {
            ov_api_error(c, 400, "bad_request", "as in vpn.example.org or 203.0.113.5:4793",
                         "\"%.60s\" is no server", text != NULL ? text : "(not text)");
            return false;
        }
        j->nhosts++;
    }
    return true;
}

static bool read_join(struct ov_api_call *c, struct join *j)
{
    static const char *const KEYS[] = {"netid", "hosts", "invite", NULL};
    const char *netid = NULL, *invite = NULL;
    if (!ov_api_keys(c, KEYS) || !ov_api_text(c, "netid", &netid) ||
        !ov_api_text(c, "invite", &invite))
        return false;
    if ((netid == NULL) == (invite == NULL)) {
        ov_api_error(c, 400, "bad_request", NULL, "give either \"netid\" or \"invite\"");
        return false;
    }
    if (invite != NULL && json_object_get(c->body, "hosts") != NULL) {
        ov_api_error(c, 400, "bad_request", NULL, "an invite brings its own \"hosts\"");
        return false;
    }
    if (invite != NULL)
        return read_invite(c, invite, j);
    if (ov_netid_parse(netid, &j->net) != OV_OK) {
        ov_api_error(c, 400, "bad_request", "a network id is 16 hex digits",
                     "\"%.40s\" is no network id", netid);
        return false;
    }
    return read_hosts(c, j);
}

/* Nobody to ask means waiting for ever. Our own networks need nobody. */
static bool has_someone_to_ask(struct ov_api_call *c, const struct join *j)
{
    struct ov_root_info roots[OV_ROOTS_MAX];
    char net[OV_NETID_TEXT];
    if (j->nhosts > 0 || c->d->settings->nroots > 0 ||
        ov_node_roots(c->d->node, roots, OV_ROOTS_MAX) > 0 ||
        ov_netid_controller(j->net) == ov_node_identity(c->d->node)->addr)
        return true;
    ov_netid_format(j->net, net);
    ov_api_error(c, 400, "bad_request",
                 "name the network's server: ovpn join NETID@HOST, or use an invite",
                 "no server is known that could find the network %s", net);
    return false;
}

/* Hold and remember the servers, those of an earlier join too. */
static bool keep_hosts(struct ov_api_call *c, const struct join *j)
{
    struct ov_host all[OV_HOSTS_MAX];
    char why[OV_WHY_MAX];
    int err = OV_OK;
    for (size_t i = 0; i < j->nhosts && err == OV_OK; i++)
        err = ov_hosts_add(c->d->hosts, j->net, &j->hosts[i], why);
    size_t n = ov_hosts_of(c->d->hosts, j->net, all);
    if (err == OV_OK)
        err = ov_state_put_hosts(c->d->state, j->net, all, n, why);
    if (err != OV_OK)
        ov_api_failed(c, err, why, NULL);
    return err == OV_OK;
}

static void forget_hosts(struct ov_daemon *d, ov_netid net)
{
    ov_hosts_drop(d->hosts, net);
    ov_state_drop_hosts(d->state, net);
}

/* One that was left before is found where it was then. */
static void recall_hosts(const struct ov_daemon *d, struct join *j)
{
    if (j->nhosts == 0)
        j->nhosts = ov_state_get_left(d->state, j->net, j->hosts);
}

static void post_network(struct ov_api_call *c)
{
    struct ov_daemon *d = c->d;
    struct ov_network_info info;
    struct join j = {0};
    ov_netid ids[OV_NETWORKS_MAX];
    bool was_joined = false;
    if (!read_join(c, &j))
        goto out;
    was_joined = ov_node_network(d->node, j.net, &info) == OV_OK;
    if (!was_joined)
        recall_hosts(d, &j);
    if (!was_joined && !has_someone_to_ask(c, &j))
        goto out;
    if (!was_joined && ov_node_networks(d->node, ids, OV_NETWORKS_MAX) == OV_NETWORKS_MAX) {
        ov_api_failed(c, OV_EFULL, "too many networks are joined", "ovpn leave NETID makes room");
        goto out;
    }
    if (!keep_hosts(c, &j)) {
        if (!was_joined)
            forget_hosts(d, j.net);
        goto out;
    }
    int err =
        ov_node_join(d->node, j.net, j.has_invite ? &j.invite.controller : NULL,
                     j.has_invite ? j.invite.secret : NULL, d->settings->name, ov_daemon_now(d));
    ov_daemon_drain(d);
    if (err != OV_OK && err != OV_EEXIST) {
        if (!was_joined)
            forget_hosts(d, j.net);
        ov_api_failed(c, err, err == OV_EFULL ? "too many networks are joined" : ov_strerror(err),
                      err == OV_EFULL ? "ovpn leave NETID makes room" : NULL);
        goto out;
    }
    if (ov_node_network(d->node, j.net, &info) == OV_OK)
        ov_api_reply(c, was_joined ? 200 : 201, ov_json_of_network(d, &info));
    else
        ov_api_error(c, 500, "failed", NULL, "the network is gone again");
out:
    ov_wipe(&j, sizeof(j));
}

/* It could not be left after all. */
static void stay(struct ov_daemon *d, ov_netid net)
{
    struct ov_host all[OV_HOSTS_MAX];
    char why[OV_WHY_MAX];
    size_t n = ov_hosts_of(d->hosts, net, all);
    if (ov_state_put_hosts(d->state, net, all, n, why) != OV_OK)
        ov_log(&d->log, OV_LOG_ERROR, "state is not stored: %s", why);
}

static void delete_network(struct ov_api_call *c)
{
    struct ov_network_info info;
    char why[OV_WHY_MAX];
    if (!named_network(c, &info))
        return;
    int err = ov_state_leave_hosts(c->d->state, info.net, why);
    if (err != OV_OK) {
        ov_api_failed(c, err, why, NULL);
        return;
    }
    err = ov_node_leave(c->d->node, info.net, ov_daemon_now(c->d));
    ov_daemon_drain(c->d);
    if (err != OV_OK) {
        stay(c->d, info.net);
        ov_api_failed(c, err, ov_strerror(err), NULL);
        return;
    }
    ov_networks_mark(c->d->networks, info.net);
    ov_hosts_drop(c->d->hosts, info.net);
    ov_api_reply(c, 204, NULL);
}

/* ---- pings ---- */

/* Where the controller runs, members are known by name and IP even before there is a session. */
struct member_search {
    ov_addr addr; /* 0: not by that */
    const char *name;
    struct ov_ip ip; /* family 0: by name */
    struct ov_store *store;
    ov_addr found;
    unsigned count;
};

static int match_member(void *arg, const struct ov_member_record *m)
{
    struct member_search *s = arg;
    bool hit =
        s->addr != 0 ? m->id.addr == s->addr : s->ip.family == 0 && strcmp(m->name, s->name) == 0;
    for (size_t i = 0; i < m->naddrs && s->ip.family != 0; i++)
        hit |= ov_ip_equal(&m->addrs[i].ip, &s->ip);
    if (hit && m->state == OV_MEMBER_ADMITTED && m->id.addr != s->found) {
        s->found = m->id.addr;
        s->count++;
    }
    return OV_OK;
}

static int match_members_of(void *arg, const struct ov_net_record *n)
{
    struct member_search *s = arg;
    return s->store->ops->member_each(s->store, n->netid, match_member, s);
}

/* The one member of our networks that is meant; 0: there is none, or there are several. Who may not
 * list them may not try them out here either. */
static ov_addr by_membership(const struct ov_api_call *c, struct member_search s)
{
    if (c->d->owner == NULL || !c->owner)
        return 0;
    s.store = ov_owner_store(c->d->owner);
    if (s.store->ops->net_each(s.store, match_members_of, &s) != OV_OK)
        return 0;
    return s.count == 1 ? s.found : 0;
}

bool ov_api_is_member(const struct ov_api_call *c, ov_addr addr)
{
    return by_membership(c, (struct member_search){.addr = addr}) != 0;
}

ov_addr ov_api_find_peer(const struct ov_api_call *c, const char *text, bool *asked)
{
    struct ov_daemon *d = c->d;
    ov_addr addr = 0;
    struct ov_ip ip = {0};
    *asked = false;
    if (ov_addr_parse(text, &addr) == OV_OK)
        return addr;
    if (ov_ip_parse(text, &ip) == OV_OK) {
        addr = ov_node_seek(d->node, &ip, asked, ov_daemon_now(d));
        ov_daemon_drain(d);
    }
    return addr ? addr : by_membership(c, (struct member_search){.name = text, .ip = ip});
}

static void not_found(struct ov_api_call *c, const char *text, bool asked)
{
    if (asked)
        ov_api_error(
            c, 404, "seeking",
            "is it a member, and was its computer on lately? \"ovpn peers\" shows those that "
            "are known",
            "nobody is known here as %.60s; the network's servers were asked", text);
    else
        ov_api_error(c, 404, "not_found", "\"ovpn peers\" shows those that are known",
                     "no peer \"%.60s\" is known here", text);
}

static void post_ping(struct ov_api_call *c)
{
    static const char *const KEYS[] = {"peer", "full", NULL};
    const json_t *full = json_object_get(c->body, "full");
    const char *text = NULL;
    struct ov_daemon *d = c->d;
    if (!ov_api_keys(c, KEYS) || !ov_api_text(c, "peer", &text))
        return;
    if (full != NULL && !json_is_boolean(full)) {
        ov_api_error(c, 400, "bad_request", NULL, "\"full\" is true or false");
        return;
    }
    if (text == NULL) {
        ov_api_error(c, 400, "bad_request", NULL, "\"peer\" is missing");
        return;
    }
    bool asked;
    ov_addr addr = ov_api_find_peer(c, text, &asked);
    if (addr == 0) {
        not_found(c, text, asked);
        return;
    }
    if (addr == ov_node_identity(d->node)->addr) {
        ov_api_error(c, 400, "bad_request", NULL, "%.60s is this node itself", text);
        return;
    }
    struct ov_ping *p = ov_pings_add(&d->pings, addr, ov_daemon_now(d));
    if (p == NULL) {
        ov_api_error(c, 429, "limit", "try again in a minute", "too many pings");
        return;
    }
    uint64_t id = p->id;
    p->full = json_is_true(full);
    int err = p->full ? ov_node_ping_full(d->node, addr, id, ov_daemon_now(d))
                      : ov_node_ping(d->node, addr, id, ov_daemon_now(d));
    ov_daemon_drain(d);
    if (err != OV_OK) {
        p->id = 0;
        ov_api_failed(c, err, ov_strerror(err), NULL);
        return;
    }
    ov_api_reply(c, 201, ov_json_of_ping(p));
}

static void get_ping(struct ov_api_call *c)
{
    char *end = NULL;
    uint64_t id = strtoull(c->args[0], &end, 10);
    const struct ov_ping *p =
        *end == '\0' ? ov_pings_find(&c->d->pings, id, ov_daemon_now(c->d)) : NULL;
    if (p == NULL)
        ov_api_error(c, 404, "not_found", NULL, "no such ping; they are kept for a minute");
    else
        ov_api_reply(c, 200, ov_json_of_ping(p));
}

const struct ov_api_route OV_API_NODE[] = {
    {"GET", "/v1/status", get_status},
    {"GET", "/v1/networks", get_networks},
    {"POST", "/v1/networks", post_network},
    {"GET", "/v1/networks/?", get_network},
    {"DELETE", "/v1/networks/?", delete_network},
    {"GET", "/v1/peers", get_peers},
    {"GET", "/v1/peers/?", get_peer},
    {"POST", "/v1/pings", post_ping},
    {"GET", "/v1/pings/?", get_ping},
    {"GET", "/v1/doctor", ov_api_get_doctor},
    {"GET", "/v1/doctor/?", ov_api_get_doctor},
    {NULL, NULL, NULL},
};
