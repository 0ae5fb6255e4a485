/* json_of.h, what the controller's store knows: networks, members, invites. */
#include "json_of.h"

#include "daemon.h"
#include "owner.h"

#include <stdio.h>

/* The line with which somebody else joins. */
static json_t *join_line(struct ov_daemon *d, ov_netid netid)
{
    struct ov_host hosts[OV_INVITE_HOSTS_MAX];
    char net[OV_NETID_TEXT], host[OV_HOST_LABEL];
    size_t n = ov_owner_hosts(d->owner, hosts);
    return json_sprintf("ovpn join %s@%s", ov_netid_format(netid, net),
                        n > 0 ? ov_host_format(&hosts[0], host) : "HOST");
}

/* The addresses of the roots that members are told of. */
static json_t *net_roots(const struct ov_net_record *n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n->nroots; i++)
        json_array_append_new(list, ov_json_of_addr(n->roots[i].id.addr));
    return list;
}

json_t *ov_json_of_net(struct ov_daemon *d, const struct ov_net_record *n)
{
    struct ov_store *s = ov_owner_store(d->owner);
    size_t admitted = 0, pending = 0;
    if (s->ops->member_count(s, n->netid, &admitted, &pending) != OV_OK)
        admitted = pending = 0;
    return json_pack(
        "{s:o,s:o,s:o,s:o,s:I,s:i,s:o,s:b,s:b,s:b,s:b,s:I,s:I,s:o,s:o,s:o,s:{s:I,s:I},s:o}",
        "netid", ov_json_of_netid(n->netid), "name", ov_json_of_text(n->name), "note",
        ov_json_of_text(n->note), "created", ov_json_of_wall(n->created), "revision",
        (json_int_t)n->revision, "mtu", (int)n->mtu, "pools",
        ov_json_of_prefixes(n->pools, n->npools), "ip6", n->ip6, "check_ip",
        (n->flags & OV_NET_CHECK_IP) != 0, "broadcast", (n->flags & OV_NET_BROADCAST) != 0, "open",
        n->open, "window_s", (json_int_t)n->window_s, "multicast_limit",
        (json_int_t)n->multicast_limit, "routes", ov_json_of_routes(n->routes, n->nroutes), "dns",
        ov_json_of_dns(n->dns_domain, n->dns, n->ndns), "roots", net_roots(n), "members",
        "admitted", (json_int_t)admitted, "pending", (json_int_t)pending, "join",
        join_line(d, n->netid));
}

json_t *ov_json_of_member(struct ov_daemon *d, const struct ov_member_record *m)
{
    static const char *const STATE[] = {"pending", "admitted", "denied"};
    struct ov_peer_info peer = {0};
    char identity[OV_IDENTITY_TEXT];
    bool online = ov_node_peer(d->node, m->id.addr, &peer) == OV_OK && peer.session;
    ov_wall left = ov_controller_left(ov_owner_controller(d->owner), m->netid, m->id.addr);
    online |= m->id.addr == ov_node_identity(d->node)->addr;
    return json_pack("{s:o,s:s,s:o,s:s,s:o,s:b,s:o,s:o,s:o,s:o,s:o,s:b,s:o,s:o}", "address",
                     ov_json_of_addr(m->id.addr), "identity", ov_identity_format(&m->id, identity),
                     "name", ov_json_of_text(m->name), "state", STATE[m->state], "addresses",
                     ov_json_of_prefixes(m->addrs, m->naddrs), "bridge",
                     (m->perms & OV_PERM_BRIDGE) != 0, "note", ov_json_of_text(m->note), "tags",
                     ov_json_of_text(m->tags), "first_seen", ov_json_of_wall(m->first_seen),
                     "admitted", ov_json_of_wall(m->admitted), "last_seen",
                     ov_json_of_wall(m->last_seen), "online", online && left == 0, "left",
                     ov_json_of_wall(left), "twice", ov_json_of_twice(d, &peer));
}

json_t *ov_json_of_invite(const struct ov_invite_record *i, ov_wall now)
{
    char id[OV_INVITE_ID_TEXT];
    const char *state = i->used_by != 0                        ? "used"
                        : i->expires != 0 && now >= i->expires ? "expired"
                                                               : "good";
    return json_pack("{s:s,s:s,s:o,s:o,s:o,s:o,s:o}", "id", ov_controller_invite_id(i, id), "state",
                     state, "note", ov_json_of_text(i->note), "created",
                     ov_json_of_wall(i->created), "expires", ov_json_of_wall(i->expires), "used_by",
                     ov_json_of_addr(i->used_by), "used", ov_json_of_wall(i->used));
}
