/* json_of.h, what the engine knows: status, networks, peers. */
#include "json_of.h"

#include "beacons.h"
#include "daemon.h"
#include "hosts.h"
#include "links.h"
#include "mapping.h"
#include "networks.h"
#include "owner.h"
#include "persist.h"
#include "state.h"
#include "transport/udp.h"
#include "uplink.h"
#include "version.h"

#include <stdio.h>

/* What people should know of a root that does not answer. */
static void root_problem(struct ov_daemon *d, const struct ov_root_info *r, char out[512])
{
    const char *link = r->online ? NULL : ov_links_problem(d->links, r->host);
    if (r->mismatch)
        snprintf(out, 512, "another server than before answers there");
    else if (r->online)
        out[0] = '\0';
    else if (link != NULL)
        snprintf(out, 512, "no answer by UDP; %s", link);
    else
        snprintf(out, 512, "no answer%s",
                 r->link_state == OV_ROOTLINK_WANTED ? " by UDP, TCP or TLS" : "");
}

static json_t *status_roots(struct ov_daemon *d)
{
    struct ov_root_info v[OV_ROOTS_MAX];
    json_t *list = json_array();
    size_t n = ov_node_roots(d->node, v, OV_ROOTS_MAX);
    for (size_t i = 0; i < n; i++) {
        const struct ov_root_info *r = &v[i];
        char problem[512];
        root_problem(d, r, problem);
        json_array_append_new(
            list,
            json_pack("{s:o,s:o,s:b,s:b,s:o,s:o,s:o,s:o}", "host", ov_json_of_text(r->host),
                      "address", ov_json_of_addr(r->addr), "online", r->online, "relay", r->is_root,
                      "rtt_ms", ov_json_of_ms(r->rtt), "seen_as", ov_json_of_endpoint(&r->seen),
                      "link", ov_json_of_link(d, &r->link), "problem",
                      problem[0] != '\0' ? ov_json_of_text(problem) : json_null()));
    }
    return list;
}

json_t *ov_json_of_hosts(const struct ov_host_info *v, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{s:o,s:s,s:o}", "host", ov_json_of_text(v[i].host),
                                              "state", ov_host_state_text(v[i].state), "message",
                                              ov_json_of_text(v[i].message)));
    return list;
}

/* The servers that are known by name, also while that leads nowhere. */
static json_t *status_servers(const struct ov_daemon *d)
{
    struct ov_host_info v[OV_HOSTS_MAX];
    return ov_json_of_hosts(v, ov_hosts_all(d->hosts, v));
}

static void add_drop(json_t *drops, const char *name, uint64_t count, const char *text)
{
    if (count > 0)
        json_object_set_new(drops, name,
                            json_pack("{s:I,s:s}", "count", (json_int_t)count, "text", text));
}

/* The engine's reasons, and those of the sockets and devices around it. */
static json_t *status_drops(const struct ov_daemon *d, const struct ov_node_stats *s)
{
    json_t *drops = json_object();
    struct ov_udp_stats sum = {0};
    struct ov_fairq_stats q;
    struct ov_links_stats links;
    for (int i = 0; i < OV_DROP_COUNT; i++)
        add_drop(drops, ov_drop_name((enum ov_drop)i), s->drops[i], ov_drop_text((enum ov_drop)i));
    for (size_t i = 0; i < d->nsockets; i++) {
        struct ov_udp_stats u;
        ov_udp_stats(d->sockets[i].udp, &u);
        sum.send_dropped += u.send_dropped;
        sum.send_denied += u.send_denied;
        sum.send_errors += u.send_errors;
        sum.recv_truncated += u.recv_truncated;
    }
    add_drop(drops, "send_dropped", sum.send_dropped, "the kernel's send buffer was full");
    add_drop(drops, "send_denied", sum.send_denied, "a firewall on this computer forbade to send");
    add_drop(drops, "send_errors", sum.send_errors, "the kernel refused to send");
    add_drop(drops, "recv_truncated", sum.recv_truncated, "datagram too large");
    ov_uplink_stats(d->uplink, &q);
    add_drop(drops, "queue", q.dropped, "the line is slower than what was sent");
    ov_links_stats(d->links, &links);
    add_drop(drops, "stream_dropped", links.dropped,
             "too much for a TCP or TLS stream, or it ended");
    add_drop(drops, "stream_strangers", links.broken, "TCP connections that were not ovpn's");
    add_drop(drops, "device", ov_networks_dropped(d->networks), "the network device took no more");
    return drops;
}

static json_t *status_traffic(const struct ov_node_stats *s)
{
    return json_pack(
        "{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "rx_datagrams", (json_int_t)s->rx_datagrams,
        "rx_bytes", (json_int_t)s->rx_bytes, "tx_datagrams", (json_int_t)s->tx_datagrams,
        "tx_bytes", (json_int_t)s->tx_bytes, "rx_frames", (json_int_t)s->rx_frames, "tx_frames",
        (json_int_t)s->tx_frames, "relayed_datagrams", (json_int_t)s->relayed_datagrams,
        "relayed_bytes", (json_int_t)s->relayed_bytes);
}

static json_t *status_queue(const struct ov_daemon *d)
{
    struct ov_fairq_stats q;
    ov_uplink_stats(d->uplink, &q);
    return json_pack("{s:I,s:I,s:I,s:I}", "bytes", (json_int_t)q.bytes, "flows",
                     (json_int_t)q.flows, "dropped", (json_int_t)q.dropped, "marked",
                     (json_int_t)q.marked);
}

static json_t *status_conflicts(const struct ov_daemon *d)
{
    json_t *list = json_array();
    for (size_t i = 0; i < d->conflicts.n; i++) {
        const struct ov_conflict *c = &d->conflicts.v[i];
        json_array_append_new(list, json_pack("{s:o,s:I,s:o}", "address", ov_json_of_addr(c->addr),
                                              "count", (json_int_t)c->count, "last",
                                              ov_json_of_wall(c->last)));
    }
    return list;
}

/* Our own identity on another computer; null: not that anybody told. */
static json_t *status_twin(struct ov_daemon *d)
{
    struct ov_twin_info twin;
    if (!ov_node_twin(d->node, &twin))
        return json_null();
    return json_pack("{s:o,s:o,s:o}", "last", ov_json_of_instant(d, twin.told), "told_by",
                     ov_json_of_addr(twin.by), "at", ov_json_of_endpoint(&twin.at));
}

static json_t *answer(uint8_t a)
{
    return a == OV_NAT_YES ? json_true() : a == OV_NAT_NO ? json_false() : json_null();
}

static json_t *seconds(uint16_t s)
{
    return s ? json_integer(s) : json_null();
}

/* What is known of the NAT in front of us; null before the first root answered. */
static json_t *status_nat(const struct ov_daemon *d)
{
    struct ov_nat_profile p;
    ov_node_nat(d->node, &p);
    return json_pack(
        "{s:o,s:s,s:s,s:s,s:i,s:o,s:o,s:o,s:o,s:o,s:o}", "nat", answer(p.nat), "mapping",
        ov_nat_mapping_text(p.view.mapping), "filtering", ov_nat_filtering_text(p.view.filtering),
        "ports", ov_nat_allocation_text(p.view.allocation), "step", (int)p.view.step, "hairpin",
        answer(p.hairpin), "udp", answer(p.udp), "narrow", answer(p.narrow), "seen_as",
        ov_json_of_endpoint(&p.seen), "lives_s", seconds(p.lives_s), "dies_s", seconds(p.dies_s));
}

json_t *ov_json_of_status(struct ov_daemon *d)
{
    struct ov_node_stats s;
    char identity[OV_IDENTITY_TEXT], offload[OV_OFFLOAD_TEXT];
    ov_netid nets[OV_NETWORKS_MAX];
    const struct ov_identity *id = ov_node_identity(d->node);
    uint8_t caps = (uint8_t)((d->settings->root ? OV_CAP_ROOT : 0) |
                             (d->settings->controller ? OV_CAP_CONTROLLER : 0));
    json_t *sockets = json_array();
    for (size_t i = 0; i < d->nsockets; i++)
        json_array_append_new(
            sockets, json_pack("{s:o}", "address", ov_json_of_endpoint(&d->sockets[i].bound)));
    const char *not_stored = ov_persist_problem(d->persist);
    ov_time uptime_ms = (ov_daemon_now(d) - d->started) / OV_MS;
    ov_node_stats(d->node, &s);
    ov_networks_offload(d->networks, offload);
    return json_pack(
        "{s:s,s:o,s:s,s:f,s:o,s:i,s:o,s:o,s:o,s:o,s:o,s:o,s:I,s:I,s:I,s:o,s:s,s:o,s:o,s:o,s:o,s:o,"
        "s:o,"
        "s:o,"
        "s:o,s:o}",
        "version", OV_VERSION, "address", ov_json_of_addr(id->addr), "identity",
        ov_identity_format(id, identity), "uptime_s", (double)uptime_ms / 1000, "state_dir",
        ov_json_of_text(ov_state_dir(d->state)), "udp_port", (int)d->sockets[0].bound.port, "roles",
        ov_json_of_caps(caps), "sockets", sockets, "roots", status_roots(d), "servers",
        status_servers(d), "nat", status_nat(d), "traffic", status_traffic(&s), "peers",
        (json_int_t)s.peers, "sessions", (json_int_t)s.sessions, "networks",
        (json_int_t)ov_node_networks(d->node, nets, OV_NETWORKS_MAX), "own_networks",
        d->owner != NULL ? json_integer((json_int_t)ov_owner_networks(d->owner)) : json_null(),
        "offload", offload, "drops", status_drops(d, &s), "conflicts", status_conflicts(d), "twin",
        status_twin(d), "port_mapping", ov_json_of_mapping(d), "lan_discovery", ov_json_of_lan(d),
        "queue", status_queue(d), "tcp", ov_json_of_served(d), "sandbox", ov_json_of_sandbox(d),
        "not_stored", not_stored != NULL ? ov_json_of_text(not_stored) : json_null());
}

/* ---- NETWORK ---- */

static const char *reason(enum ov_net_status s)
{
    static const char *const TEXT[] = {
        [OV_NET_DENIED] = "denied",
        [OV_NET_NOT_FOUND] = "not_found",
        [OV_NET_BAD_INVITE] = "bad_invite",
        [OV_NET_USED_INVITE] = "used_invite",
        [OV_NET_EXPIRED_INVITE] = "expired_invite",
        [OV_NET_POOL_EXHAUSTED] = "pool_exhausted",
        [OV_NET_UNAVAILABLE] = "unavailable",
    };
    return (size_t)s < sizeof(TEXT) / sizeof(TEXT[0]) ? TEXT[s] : NULL;
}

/* What the controller's last answer means, and what to do. */
static const char *advice(enum ov_net_status s)
{
    switch (s) {
    case OV_NET_DENIED:
        return "the owner has cut this node off; ask the owner to admit it again";
    case OV_NET_NOT_FOUND:
        return "the controller has no such network: its owner deleted it, or the id is mistyped";
    case OV_NET_BAD_INVITE:
        return "the controller does not know this invite; ask the owner for a new one";
    case OV_NET_USED_INVITE:
        return "this invite has been used already; ask the owner for a new one";
    case OV_NET_EXPIRED_INVITE:
        return "this invite has expired; ask the owner for a new one";
    case OV_NET_POOL_EXHAUSTED:
        return "the network has no address left to give; the owner must add one: ovpn net set NET "
               "pool ...";
    case OV_NET_UNAVAILABLE:
        return "the controller takes no new node now: too many wait there, or its disk is full; it "
               "is "
               "asked again, and who has an invite goes first";
    default:
        return "";
    }
}

/* While no controller is found: which server is the trouble? */
static void connecting_message(const struct ov_network_info *info, const struct ov_host_info *hosts,
                               size_t nhosts, char out[512])
{
    char addr[OV_ADDR_TEXT];
    const char *problem = NULL, *asked = NULL, *answers = NULL;
    ov_addr_format(ov_netid_controller(info->net), addr);
    for (size_t i = 0; i < nhosts; i++) {
        if (hosts[i].state == OV_HOST_ANSWERED) {
            answers = hosts[i].host;
            break;
        }
        if (hosts[i].state == OV_HOST_ASKING)
            asked = hosts[i].host;
        if (hosts[i].message[0] != '\0')
            problem = hosts[i].message;
    }
    if (answers != NULL)
        snprintf(out, 512, "%.400s answers, but knows no controller %s: is the network id right?",
                 answers, addr);
    else if (problem != NULL)
        snprintf(out, 512, "%s", problem);
    else if (asked != NULL)
        snprintf(out, 512, "%.400s was asked and has not answered yet", asked);
    else
        snprintf(out, 512, "looking for the controller %s", addr);
}

static void network_message(struct ov_daemon *d, const struct ov_network_info *info,
                            const struct ov_host_info *hosts, size_t nhosts, const char *problem,
                            char out[512])
{
    char net[OV_NETID_TEXT], addr[OV_ADDR_TEXT];
    out[0] = '\0';
    switch (info->state) {
    case OV_NET_STATE_CONNECTING:
        connecting_message(info, hosts, nhosts, out);
        break;
    case OV_NET_STATE_ASKING:
        snprintf(out, 512, "%s",
                 reason(info->status) != NULL ? advice(info->status)
                                              : "the controller is known and has been asked, but "
                                                "does not answer");
        break;
    case OV_NET_STATE_WAITING:
        snprintf(out, 512,
                 "waiting for the owner to admit this node, there with: ovpn net authorize %s %s",
                 ov_netid_format(info->net, net),
                 ov_addr_format(ov_node_identity(d->node)->addr, addr));
        break;
    case OV_NET_STATE_READY:
        snprintf(out, 512, "%s", problem != NULL ? problem : "");
        break;
    case OV_NET_STATE_REFUSED:
        snprintf(out, 512, "%s", advice(info->status));
        break;
    }
}

/* Our addresses that this computer did not get go to *left_out, and the others are returned. */
static json_t *network_addresses(struct ov_daemon *d, const struct ov_network_info *info,
                                 json_t **left_out)
{
    json_t *addresses = json_array();
    *left_out = json_array();
    for (size_t i = 0; info->state == OV_NET_STATE_READY && i < info->cert.naddrs; i++) {
        char text[OV_PREFIX_TEXT];
        const struct ov_prefix *p = &info->cert.addrs[i];
        const char *reason = ov_networks_left_out(d->networks, info->net, p);
        ov_prefix_format(p, text);
        if (reason == NULL)
            json_array_append_new(addresses, json_string(text));
        else
            json_array_append_new(*left_out,
                                  json_pack("{s:s,s:s}", "address", text, "reason", reason));
    }
    return addresses;
}

json_t *ov_json_of_network(struct ov_daemon *d, const struct ov_network_info *info)
{
    static const char *const STATE[] = {
        [OV_NET_STATE_CONNECTING] = "connecting", [OV_NET_STATE_ASKING] = "asking",
        [OV_NET_STATE_WAITING] = "waiting",       [OV_NET_STATE_READY] = "ready",
        [OV_NET_STATE_REFUSED] = "refused",
    };
    struct ov_host_info hosts[OV_HOSTS_MAX];
    size_t nhosts = ov_hosts_info(d->hosts, info->net, hosts);
    const char *device, *problem;
    char message[512], mac[OV_MAC_TEXT];
    bool ready = info->state == OV_NET_STATE_READY;
    const struct ov_net_config *cfg = &info->config;
    ov_networks_device(d->networks, info->net, &device, &problem);
    network_message(d, info, hosts, nhosts, problem, message);
    json_t *left_out, *addresses = network_addresses(d, info, &left_out);
    json_t *o = json_pack(
        "{s:o,s:o,s:o,s:s,s:s?,s:o,s:s?,s:o,s:s,s:o,s:o,s:o}", "netid", ov_json_of_netid(info->net),
        "name", ov_json_of_text(info->has_config ? cfg->name : ""), "member_name",
        ov_json_of_text(info->member_name), "state", STATE[info->state], "reason",
        ready ? NULL : reason(info->status), "message", ov_json_of_text(message), "device", device,
        "device_problem", problem != NULL ? ov_json_of_text(problem) : json_null(), "mac",
        ov_mac_format(&info->mac, mac), "mtu",
        info->has_config ? json_integer(cfg->mtu) : json_null(), "addresses", addresses, "left_out",
        left_out);
    if (o == NULL)
        return NULL;
    json_object_set_new(o, "routes",
                        ov_json_of_routes(cfg->routes, info->has_config ? cfg->nroutes : 0));
    json_object_set_new(o, "dns",
                        ov_json_of_dns(info->has_config ? cfg->dns_domain : "", cfg->dns,
                                       info->has_config ? cfg->ndns : 0));
    json_object_set_new(o, "controller",
                        json_pack("{s:o,s:b}", "address",
                                  ov_json_of_addr(ov_netid_controller(info->net)), "online",
                                  info->controller_online));
    json_object_set_new(o, "hosts", ov_json_of_hosts(hosts, nhosts));
    json_object_set_new(o, "members", json_integer((json_int_t)info->members));
    json_object_set_new(o, "bridge", json_boolean(ready && (info->cert.perms & OV_PERM_BRIDGE)));
    return o;
}

/* ---- PEER ---- */

static const char *cipher(enum ov_aead a)
{
    return a == OV_AEAD_AES256GCM          ? "AES-256-GCM"
           : a == OV_AEAD_CHACHA20POLY1305 ? "ChaCha20-Poly1305"
                                           : NULL;
}

static json_t *peer_networks(const struct ov_peer_info *info)
{
    json_t *list = json_array();
    for (size_t i = 0; i < info->nnets && i < sizeof(info->nets) / sizeof(info->nets[0]); i++)
        json_array_append_new(
            list, json_pack("{s:o,s:o}", "netid", ov_json_of_netid(info->nets[i].net), "addresses",
                            ov_json_of_prefixes(info->nets[i].addrs, info->nets[i].naddrs)));
    return list;
}

/* What was done to reach it directly; null: nothing yet. */
static json_t *peer_punch(const struct ov_peer_info *info)
{
    static const char *const RESULT[] = {
        [OV_ATTEMPT_NONE] = "none",
        [OV_ATTEMPT_RUNNING] = "running",
        [OV_ATTEMPT_HIT] = "hit",
        [OV_ATTEMPT_MISSED] = "missed",
        [OV_ATTEMPT_NO_ANSWER] = "no_answer",
        [OV_ATTEMPT_REFUSED] = "refused",
        [OV_ATTEMPT_BUSY] = "busy",
        [OV_ATTEMPT_LIMIT] = "limit",
        [OV_ATTEMPT_NARROW] = "narrow",
        [OV_ATTEMPT_NO_SOCKETS] = "no_sockets",
    };
    const struct ov_punch_info *p = &info->punch;
    if (!p->told && p->round == 0)
        return json_null();
    return json_pack("{s:i,s:s?,s:s,s:s,s:s,s:i,s:i,s:s}", "rounds", (int)p->round, "strategy",
                     p->told ? ov_strategy_text(p->strategy) : NULL, "mapping",
                     ov_nat_mapping_text(p->theirs.mapping), "filtering",
                     ov_nat_filtering_text(p->theirs.filtering), "ports",
                     ov_nat_allocation_text(p->theirs.allocation), "attempts", (int)p->attempts,
                     "packets", (int)p->packets, "result", RESULT[p->result]);
}

static json_t *peer_why(const struct ov_peer_info *info)
{
    if (info->why == OV_WHY_NONE)
        return json_null();
    return json_pack("{s:s,s:s}", "code", ov_why_name(info->why), "text", ov_why_text(info->why));
}

static const char *via_kind(const struct ov_peer_info *info)
{
    if (!info->via)
        return NULL;
    return info->via_member ? "member" : "root";
}

/* The stream by which it is reached, or the root that relays for it. */
static json_t *peer_link(struct ov_daemon *d, const struct ov_peer_info *info)
{
    struct ov_peer_info root;
    if (info->link)
        return ov_json_of_link(d, &info->remote);
    if (info->path == OV_PEER_RELAY && ov_node_peer(d->node, info->via, &root) == OV_OK &&
        root.link)
        return ov_json_of_link(d, &root.remote);
    return json_null();
}

json_t *ov_json_of_peer(struct ov_daemon *d, const struct ov_peer_info *info)
{
    static const char *const PATH[] = {
        [OV_PEER_NONE] = "none", [OV_PEER_RELAY] = "relay", [OV_PEER_DIRECT] = "direct"};
    struct ov_endpoint remote = info->remote;
    if (info->link)
        remote.scope = 0; /* only tells streams apart */
    return json_pack(
        "{s:o,s:o,s:b,s:s?,s:s,s:o,s:o,s:s?,s:o,s:o,s:o,s:f,s:i,s:I,s:I,s:o,s:o,s:o,s:o,s:o,s:o,s:"
        "o}",
        "address", ov_json_of_addr(info->id.addr), "roles", ov_json_of_caps(info->caps), "session",
        info->session, "cipher", info->session ? cipher(info->aead) : NULL, "path",
        PATH[info->path], "remote", ov_json_of_endpoint(&remote), "via", ov_json_of_addr(info->via),
        "via_kind", via_kind(info), "since", ov_json_of_instant(d, info->since), "rtt_ms",
        ov_json_of_ms(info->rtt), "jitter_ms", ov_json_of_ms(info->jitter), "loss",
        (double)info->loss_permille / 1000, "mtu", (int)info->mtu, "rx_bytes",
        (json_int_t)info->rx_bytes, "tx_bytes", (json_int_t)info->tx_bytes, "last_rx",
        ov_json_of_instant(d, info->last_rx), "last_tx", ov_json_of_instant(d, info->last_tx),
        "networks", peer_networks(info), "why", peer_why(info), "punch", peer_punch(info), "link",
        peer_link(d, info), "twice", ov_json_of_twice(d, info));
}

/* ---- PING ---- */

json_t *ov_json_of_ping(const struct ov_ping *p)
{
    static const char *const STATE[] = {"pending", "answered", "timeout"};
    static const char *const PATH[] = {NULL, "relay", "direct"};
    char id[24];
    snprintf(id, sizeof(id), "%llu", (unsigned long long)p->id);
    return json_pack("{s:s,s:o,s:s,s:o,s:s?,s:o}", "id", id, "address", ov_json_of_addr(p->addr),
                     "state", STATE[p->state], "rtt_ms", ov_json_of_ms(p->rtt), "path",
                     PATH[p->path], "remote", ov_json_of_endpoint(&p->remote));
}
