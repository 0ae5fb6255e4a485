#include "engine.h"

/* What the controller says: replies, configuration with certificate, revocations. */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FLOOD_MAX 16384 /* revocations at once, to all members together */

static void send_reply(struct ov_controller *c, ov_addr to, const struct ov_msg_net_reply *reply)
{
    uint8_t buf[OV_ENGINE_REPLY_MAX];
    struct ov_writer w;
    ov_writer_init(&w, buf, sizeof buf);
    ov_msg_net_reply_encode(&w, reply);
    assert(!w.failed);
    c->send(c->send_arg, to, buf, w.len);
}

void ov_engine_reply(struct ov_controller *c, ov_netid id, ov_addr to, enum ov_net_status status,
                     const char *name)
{
    struct ov_msg_net_reply reply = {.netid = id, .status = (uint8_t)status};
    memcpy(reply.name, name, strnlen(name, sizeof reply.name - 1));
    send_reply(c, to, &reply);
}

/* A secret of the network's members: the same as long as the controller has its seed, so that
 * members with an older configuration know it too. */
static void lan_key(const struct ov_controller *c, ov_netid id, struct ov_secret32 *out)
{
    static const char label[] = "ovpn lan key v1";
    uint8_t text[sizeof label - 1 + 8];
    memcpy(text, label, sizeof label - 1);
    ov_store64(text + sizeof label - 1, id);
    ov_hash(out->b, sizeof out->b, c->identity.seed, sizeof c->identity.seed, text, sizeof text);
}

/* The signed configuration of the network's present revision, made when it is not at hand. */
static int config_of(struct ov_controller *c, const struct ov_net_record *n, ov_wall stamp,
                     struct ov_slice *out)
{
    struct ov_net_cache *e = ov_engine_cache(c, n->netid);
    if (e == NULL)
        return OV_ENOMEM;
    if (e->revision != n->revision) {
        struct ov_net_config v = {
            .netid = n->netid,
            .revision = n->revision,
            .timestamp = stamp,
            .flags = n->flags | OV_NET_LAN_KEY,
            .mtu = n->mtu,
            .window_s = n->window_s,
            .multicast_limit = n->multicast_limit,
            .nroutes = n->nroutes,
            .ndns = n->ndns,
            .nroots = n->nroots,
        };
        memcpy(v.name, n->name, sizeof v.name);
        memcpy(v.dns_domain, n->dns_domain, sizeof v.dns_domain);
        memcpy(v.routes, n->routes, sizeof v.routes);
        memcpy(v.dns, n->dns, sizeof v.dns);
        memcpy(v.roots, n->roots, sizeof v.roots);
        lan_key(c, n->netid, &v.lan_key);
        int len = ov_net_config_issue(&v, &c->identity, e->config);
        ov_wipe(&v, sizeof v);
        if (len < 0)
            return len;
        e->len = (size_t)len;
        e->revision = n->revision;
        e->signed_at = stamp;
    }
    *out = (struct ov_slice){e->config, e->len};
    return OV_OK;
}

int ov_engine_reply_ok(struct ov_controller *c, const struct ov_net_record *n,
                       const struct ov_member_record *m, ov_wall stamp)
{
    uint8_t cert[OV_CERT_MAX];
    struct ov_msg_net_reply reply = {.netid = n->netid, .status = OV_NET_OK};
    struct ov_cert v = {
        .netid = n->netid,
        .member = m->id,
        .timestamp = stamp > m->revoked ? stamp : m->revoked + 1,
        .perms = m->perms,
        .naddrs = m->naddrs,
    };
    memcpy(v.addrs, m->addrs, sizeof v.addrs);
    int r = config_of(c, n, stamp, &reply.config);
    if (r != OV_OK)
        return r;
    int len = ov_cert_issue(&v, &c->identity, cert);
    if (len < 0)
        return len;
    reply.cert = (struct ov_slice){cert, (size_t)len};
    memcpy(reply.name, m->name, sizeof reply.name);
    send_reply(c, m->id.addr, &reply);
    return OV_OK;
}

/* Push to one member. A failure is logged and not more: the member asks again by itself. Returns
 * when its certificates were revoked, as an address was taken from it; 0: they were not. */
static ov_wall push_one(struct ov_controller *c, const struct ov_net_record *n, ov_addr addr,
                        ov_wall now, ov_wall stamp)
{
    struct ov_member_record m;
    char text[OV_ADDR_TEXT];
    bool revoked = false;
    int r = c->store->ops->member_get(c->store, n->netid, addr, &m);
    if (r == OV_OK)
        r = ov_engine_refit(c, n, &m, now, &revoked);
    if (r == OV_OK)
        r = ov_engine_reply_ok(c, n, &m, stamp);
    if (r != OV_OK)
        ov_log(&c->log, OV_LOG_WARN, "controller: network %s: nothing sent to %s: %s", n->name,
               ov_addr_format(addr, text), ov_strerror(r));
    return revoked ? m.revoked : 0;
}

/* Revocations to all members, unless those are too many for that: then members get the latest with
 * their next request, within an hour. */
static void tell_taken(struct ov_controller *c, const struct ov_net_record *n, const ov_addr *v,
                       const ov_wall *revoked, size_t count)
{
    size_t taken = 0;
    for (size_t i = 0; i < count; i++)
        taken += revoked[i] != 0;
    if (taken * count > FLOOD_MAX) {
        ov_log(&c->log, OV_LOG_INFO,
               "controller: network %s: %zu members have other addresses; all learn within an hour "
               "that the old ones of up to %d are void, and lose the others within %u s",
               n->name, taken, OV_ENGINE_REVOCATIONS, n->window_s);
        return;
    }
    for (size_t i = 0; i < count; i++)
        if (revoked[i] != 0)
            ov_engine_flood(c, n, v[i], revoked[i]);
}

void ov_engine_push(struct ov_controller *c, const struct ov_net_record *n, ov_wall now)
{
    ov_addr *v = NULL;
    ov_wall *revoked = NULL;
    size_t count = 0;
    ov_wall stamp;
    int r = ov_engine_stamp_config(c, now, &stamp);
    if (r == OV_OK)
        r = ov_engine_list(c, n->netid, 1u << OV_MEMBER_ADMITTED, &v, &count);
    if (r == OV_OK && (revoked = calloc(count + 1, sizeof *revoked)) == NULL)
        r = OV_ENOMEM;
    if (r != OV_OK) {
        ov_log(&c->log, OV_LOG_WARN, "controller: network %s: members not told: %s", n->name,
               r == OV_ENOMEM ? ov_strerror(r) : c->store->error);
        free(v);
        free(revoked);
        return;
    }
    for (size_t i = 0; i < count; i++)
        revoked[i] = push_one(c, n, v[i], now, stamp);
    tell_taken(c, n, v, revoked, count);
    free(revoked);
    free(v);
    struct ov_net_cache *e = ov_engine_cache(c, n->netid);
    if (e != NULL)
        e->pushed = now;
}

/* ---- revocations ---- */

static void send_revocation(struct ov_controller *c, const struct ov_revocation *v, ov_addr to)
{
    uint8_t blob[OV_REVOCATION_LEN], buf[1 + OV_REVOCATION_LEN];
    struct ov_writer w;
    ov_revocation_issue(v, &c->identity, blob);
    ov_writer_init(&w, buf, sizeof buf);
    ov_msg_revoke_encode(&w, blob);
    assert(!w.failed);
    c->send(c->send_arg, to, buf, w.len);
}

void ov_engine_flood(struct ov_controller *c, const struct ov_net_record *n, ov_addr about,
                     ov_wall revoked)
{
    struct ov_revocation v = {.netid = n->netid, .member = about, .timestamp = revoked};
    uint8_t blob[OV_REVOCATION_LEN], buf[1 + OV_REVOCATION_LEN];
    struct ov_writer w;
    ov_addr *to = NULL;
    size_t count = 0;
    ov_revocation_issue(&v, &c->identity, blob);
    ov_writer_init(&w, buf, sizeof buf);
    ov_msg_revoke_encode(&w, blob);
    assert(!w.failed);
    if (ov_engine_list(c, n->netid, 1u << OV_MEMBER_ADMITTED, &to, &count) != OV_OK)
        ov_log(&c->log, OV_LOG_WARN, "controller: network %s: a revocation was not flooded: %s",
               n->name, c->store->error);
    for (size_t i = 0; i < count; i++)
        if (to[i] != about)
            c->send(c->send_arg, to[i], buf, w.len);
    for (size_t i = 0; i < n->nroots; i++) {
        ov_addr root = n->roots[i].id.addr;
        bool told = root == about || root == c->identity.pub.addr;
        for (size_t k = 0; k < count && !told; k++)
            told = to[k] == root;
        if (!told)
            c->send(c->send_arg, root, buf, w.len);
    }
    free(to);
}

struct revocations {
    struct ov_revocation v[OV_ENGINE_REVOCATIONS];
    size_t n;
};

static int keep_revocation(void *arg, const struct ov_revocation *v)
{
    struct revocations *l = arg;
    if (l->n < OV_ENGINE_REVOCATIONS)
        l->v[l->n++] = *v;
    return OV_OK;
}

void ov_engine_send_revocations(struct ov_controller *c, ov_netid id, ov_addr to, ov_wall after)
{
    struct revocations l = {.n = 0};
    if (c->store->ops->revocation_each(c->store, id, after, OV_ENGINE_REVOCATIONS, keep_revocation,
                                       &l) != OV_OK)
        ov_log(&c->log, OV_LOG_WARN, "controller: %s", c->store->error);
    for (size_t i = 0; i < l.n; i++)
        if (l.v[i].member != to)
            send_revocation(c, &l.v[i], to);
}
