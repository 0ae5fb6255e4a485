#include "facts.h"

#include "core/path.h"
#include "json_of.h"
#include "odd_port.h"

#include <stdio.h>
#include <string.h>

#define FIRST_ANSWERS_S 10 /* after a start, not all servers may have had the time to answer */

/* NULL for what is missing, null or empty. */
static const char *text(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s != NULL && *s != '\0' ? s : NULL;
}

static bool is(const json_t *o, const char *key, const char *word)
{
    const char *s = text(o, key);
    return s != NULL && strcmp(s, word) == 0;
}

static bool yes(const json_t *o, const char *key)
{
    return json_is_true(json_object_get(o, key));
}

static bool no(const json_t *o, const char *key)
{
    return json_is_false(json_object_get(o, key));
}

static bool lists(const json_t *array, const char *word)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *s = json_string_value(json_array_get(array, i));
        if (s != NULL && strcmp(s, word) == 0)
            return true;
    }
    return false;
}

static void read_host(const json_t *host, struct ov_facts *f)
{
    f->daemon = is(host, "daemon", "stopped")     ? OV_DAEMON_STOPPED
                : is(host, "daemon", "silent")    ? OV_DAEMON_SILENT
                : is(host, "daemon", "forbidden") ? OV_DAEMON_FORBIDDEN
                                                  : OV_DAEMON_RUNNING;
    f->why = text(host, "config_error");
    f->bad_config = f->why != NULL;
    f->state_why = text(host, "state_error");
    f->start = text(host, "start");
    f->no_tun = no(host, "tun");
    f->has_unit = yes(host, "unit");
    f->offline = no(host, "route");
    f->send_refused = yes(host, "send_denied");
}

/* ---- the way out ---- */

static enum ov_way way_of(const json_t *root)
{
    const json_t *link = json_object_get(root, "link");
    return is(link, "kind", "tls") ? OV_WAY_TLS : is(link, "kind", "tcp") ? OV_WAY_TCP : OV_WAY_UDP;
}

/* A root that only a network's configuration knows is called "ADDRESS of network NETID". */
static bool is_nameless(const char *root)
{
    return root != NULL && strstr(root, " of network ") != NULL;
}

/* The first root stands for all while none answers; then the best way of one that does. */
static void read_root(const json_t *r, bool settled, struct ov_facts *f)
{
    bool online = yes(r, "online");
    enum ov_way way = online ? way_of(r) : OV_WAY_NONE;

    if (f->roots++ == 0 || (online && (f->online == 0 || way < f->way)) ||
        (online == (f->online > 0) && way == f->way && is_nameless(f->root))) {
        f->root = text(r, "host");
        f->way = way;
        f->proxy = online ? text(json_object_get(r, "link"), "proxy") : NULL;
    }
    f->online += online;
    if (!online && settled && f->silent_root == NULL)
        f->silent_root = text(r, "host");
    f->intercepted |= !online && yes(r, "intercepted");
}

static bool is_root_of(const json_t *roots, const char *host)
{
    for (size_t i = 0; i < json_array_size(roots); i++)
        if (is(json_array_get(roots, i), "host", host))
            return true;
    return false;
}

/* Servers that are not among the roots yet: their names are being looked up, or that failed. */
static void read_servers(const json_t *servers, const json_t *roots, struct ov_facts *f)
{
    for (size_t i = 0; i < json_array_size(servers); i++) {
        const json_t *s = json_array_get(servers, i);
        const char *host = text(s, "host");
        bool failed = is(s, "state", "failed"), known = host != NULL && is_root_of(roots, host);
        if (host == NULL || is(s, "state", "answered"))
            continue;
        if (known) {
            f->wrong_root |= failed;
            continue;
        }
        if (f->roots++ == 0)
            f->root = host;
        f->no_name |= failed;
        if (failed && f->silent_root == NULL)
            f->silent_root = host;
    }
}

/* Where else this node's identity is alive; for a peer, where it is. */
static void read_twins(const json_t *report, struct ov_facts *f, struct ov_facts_room *room)
{
    const json_t *twin = json_object_get(json_object_get(report, "status"), "twin");
    const json_t *twice = json_object_get(json_object_get(report, "peer"), "twice");
    const char *at = text(twice, "at"), *and_at = text(twice, "and_at");
    if (json_is_object(twin)) {
        const char *where = text(twin, "at");
        snprintf(room->twin, sizeof(room->twin), "%.60s", where != NULL ? where : "a relay");
        f->twin = room->twin;
    }
    if (json_is_object(twice)) {
        snprintf(room->twice, sizeof(room->twice), "%.60s and %.60s", at != NULL ? at : "a relay",
                 and_at != NULL ? and_at : "a relay");
        f->twice = room->twice;
    }
}

static void read_status(const json_t *report, struct ov_facts *f, struct ov_facts_room *room)
{
    const json_t *s = json_object_get(report, "status"), *roots = json_object_get(s, "roots");
    bool settled = json_number_value(json_object_get(s, "uptime_s")) >= FIRST_ANSWERS_S;
    const json_t *nat = json_object_get(s, "nat"), *mapping = json_object_get(s, "port_mapping");
    for (size_t i = 0; i < json_array_size(roots); i++)
        read_root(json_array_get(roots, i), settled, f);
    read_servers(json_object_get(report, "servers"), roots, f);
    f->is_root = lists(json_object_get(s, "roles"), "root");
    f->is_controller = lists(json_object_get(s, "roles"), "controller");
    f->udp_blocked = no(nat, "udp");
    if (ov_odd_port_find(roots, &room->odd)) {
        f->odd_host = room->odd.name;
        f->odd_port = room->odd.port;
    }
    f->narrow = yes(nat, "narrow");
    if (is(mapping, "state", "none"))
        f->no_mapping = text(mapping, "problem");
}

/* ---- networks ---- */

/* The first address that this computer did not get, for that reason; NULL: none. */
static const char *left_out(const json_t *n, const char *reason)
{
    const json_t *list = json_object_get(n, "left_out");
    for (size_t i = 0; i < json_array_size(list); i++)
        if (is(json_array_get(list, i), "reason", reason))
            return text(json_array_get(list, i), "address");
    return NULL;
}

static enum ov_net_trouble trouble_of(const json_t *n)
{
    bool ready = is(n, "state", "ready"), refused = text(n, "reason") != NULL;
    if (is(n, "state", "refused") || (!ready && refused && !is(n, "reason", "unavailable")))
        return OV_NET_REFUSED;
    if (text(n, "device_problem") != NULL && text(n, "device") == NULL)
        return OV_NET_NO_DEVICE;
    if (left_out(n, "taken") != NULL)
        return OV_NET_TAKEN;
    if (left_out(n, "refused") != NULL ||
        (left_out(n, "failed") != NULL && json_array_size(json_object_get(n, "addresses")) == 0))
        return OV_NET_NO_ADDRESS;
    if (is(n, "state", "waiting"))
        return OV_NET_WAITING;
    if (!ready)
        return OV_NET_NO_CONTROLLER;
    if (no(json_object_get(n, "controller"), "online"))
        return OV_NET_AWAY;
    return text(n, "device_problem") != NULL ? OV_NET_PARTLY : OV_NET_FINE;
}

/* What is told of that trouble. */
static const char *message_of(const json_t *n, enum ov_net_trouble t)
{
    bool device = t == OV_NET_NO_DEVICE || t == OV_NET_TAKEN || t == OV_NET_NO_ADDRESS;
    return text(n, device || t == OV_NET_PARTLY ? "device_problem" : "message");
}

static void read_networks(const json_t *report, struct ov_facts *f, struct ov_facts_room *room)
{
    const json_t *list = json_object_get(report, "networks");
    const char *self = text(json_object_get(report, "status"), "address");
    f->networks = (unsigned)json_array_size(list);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *n = json_array_get(list, i);
        enum ov_net_trouble t = trouble_of(n);
        if (t <= f->trouble)
            continue;
        f->trouble = t;
        f->net = text(n, "name") != NULL ? text(n, "name") : text(n, "netid");
        f->net_message = message_of(n, t);
        f->net_reason = text(n, "reason");
        f->net_address = left_out(n, t == OV_NET_TAKEN ? "taken" : "refused");
        if (t == OV_NET_WAITING && self != NULL) {
            snprintf(room->waiting, sizeof(room->waiting), "%.20s", self);
            f->net_message = room->waiting;
        }
    }
    f->relayed = (unsigned)json_array_size(json_object_get(report, "relayed"));
}

/* ---- the peer ---- */

static bool is_shared(const struct ov_ip *ip) /* RFC 6598 */
{
    return ip->family == 4 && ip->b[0] == 100 && (ip->b[1] & 0xc0) == 64;
}

/* Where is it, seen from here? Behind the same outside address is behind the same provider. */
static enum ov_nearness nearness(const json_t *status, const json_t *peer)
{
    const json_t *roots = json_object_get(status, "roots");
    const char *remote = text(peer, "remote");
    struct ov_endpoint ep, seen;
    if (remote == NULL || ov_endpoint_parse(remote, &ep) != OV_OK)
        return OV_FAR;
    if (is_shared(&ep.ip))
        return OV_SAME_PROVIDER;
    if (ov_ip_is_private(&ep.ip))
        return OV_SAME_LAN;
    for (size_t i = 0; i < json_array_size(roots); i++) {
        const char *s = text(json_array_get(roots, i), "seen_as");
        if (s != NULL && ov_endpoint_parse(s, &seen) == OV_OK && ov_ip_equal(&seen.ip, &ep.ip))
            return OV_SAME_PROVIDER;
    }
    return OV_FAR;
}

static enum ov_asked asked(const json_t *ping)
{
    return is(ping, "state", "answered")  ? OV_ANSWERED
           : is(ping, "state", "timeout") ? OV_NO_ANSWER
                                          : OV_NOT_ASKED;
}

/* The name of the root with that address; else the address. */
static const char *name_of(const json_t *status, const char *address)
{
    const json_t *roots = json_object_get(status, "roots");
    for (size_t i = 0; address != NULL && i < json_array_size(roots); i++)
        if (is(json_array_get(roots, i), "address", address) &&
            text(json_array_get(roots, i), "host") != NULL)
            return text(json_array_get(roots, i), "host");
    return address;
}

static void read_punch(const json_t *peer, struct ov_facts *f)
{
    const json_t *punch = json_object_get(peer, "punch"), *why = json_object_get(peer, "why");
    json_int_t rounds = json_integer_value(json_object_get(punch, "rounds"));
    f->relay_why = text(why, "code");
    f->relay_words = text(why, "text");
    /* (a running attempt that has got through lingers for a while) */
    if (is(punch, "result", "hit") || is(punch, "result", "running"))
        f->strategy = text(punch, "strategy");
    f->deaf = rounds > 1 && text(punch, "strategy") != NULL && is(punch, "mapping", "unknown") &&
              is(punch, "filtering", "unknown");
}

static void read_peer(const json_t *report, struct ov_facts *f, struct ov_facts_room *room)
{
    const json_t *status = json_object_get(report, "status"), *p = json_object_get(report, "peer");
    const char *name = text(report, "asked"), *address = text(p, "address");
    if (name == NULL)
        return;
    if (address != NULL && strcmp(name, address) != 0)
        snprintf(room->peer, sizeof(room->peer), "%.60s (%.20s)", name, address);
    else
        snprintf(room->peer, sizeof(room->peer), "%.60s", name);
    f->peer = room->peer;
    f->ping = asked(json_object_get(report, "ping"));
    f->full_ping = asked(json_object_get(report, "full_ping"));
    f->met = address != NULL || yes(report, "member");
    f->known = f->met || f->ping == OV_NO_ANSWER;
    f->self = yes(report, "self");
    f->path = is(p, "path", "direct")  ? OV_PEER_WAY_DIRECT
              : is(p, "path", "relay") ? OV_PEER_WAY_RELAY
                                       : OV_PEER_WAY_NONE;
    f->near = nearness(status, p);
    f->via = name_of(status, text(p, "via"));
    read_punch(p, f);
}

void ov_facts_read(const json_t *report, struct ov_facts *out, struct ov_facts_room *room)
{
    memset(out, 0, sizeof(*out));
    read_host(json_object_get(report, "host"), out);
    read_status(report, out, room);
    read_networks(report, out, room);
    read_peer(report, out, room);
    read_twins(report, out, room);
}

void ov_facts_judge(json_t *report)
{
    struct ov_facts f;
    struct ov_facts_room room;
    struct ov_verdict v;
    json_t *advice = json_array();
    ov_facts_read(report, &f, &room);
    ov_verdict_find(&f, &v);
    for (size_t i = 0; i < v.nadvice; i++)
        json_array_append_new(advice, ov_json_of_text(v.advice[i]));
    json_object_set_new(report, "verdict", json_string(v.id));
    json_object_set_new(report, "outcome", json_string(ov_outcome_text(v.outcome)));
    json_object_set_new(report, "words", ov_json_of_text(v.words));
    json_object_set_new(report, "advice", advice);
}
