#include "member.h"

#include "directory.h"
#include "lookup.h"
#include "multicast.h"
#include "volunteer.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(offsetof(struct ov_member, cert.addrs[1]) <= OV_LINE,
               "what every frame needs of a member is in its first line");

struct ov_member *ov_member_find(const struct ov_network *net, ov_addr a)
{
    return ov_map_get(&net->members, ov_key_u64(a));
}

struct ov_member *ov_member_by_ip(const struct ov_network *net, const struct ov_ip *ip)
{
    return ov_map_get(&net->ips, ov_key_ip(ip));
}

bool ov_member_valid(const struct ov_network *net, const struct ov_member *m)
{
    return net->cert.netid && net->config &&
           ov_cert_timely(&net->cert, &m->cert, net->config->window_s);
}

bool ov_member_is(const struct ov_member *m, const struct ov_peer *p)
{
    return ov_identity_equal(&m->cert.member, &p->id);
}

/* A valid certificate decides, or else what speaks against it: one that is not valid any more, or a
 * revocation. */
enum ov_tie ov_member_tie(const struct ov_overlay *o, const struct ov_peer *p)
{
    bool maybe = false, not = false;
    for (size_t i = 0; i < o->n; i++) {
        const struct ov_network *net = o->nets[i];
        const struct ov_member *m = ov_member_find(net, p->id.addr);
        if (!ov_network_ready(net))
            continue;
        if (m && ov_member_is(m, p) && ov_member_valid(net, m))
            return OV_TIE_MEMBER;
        maybe = true;
        not |= m || ov_revoked_until(&net->revoked, p->id.addr);
    }
    return maybe && !not ? OV_TIE_UNKNOWN : OV_TIE_NONE;
}

/* ---- members and peers ---- */

/* Frames of a peer, and to a member, find the other one by a pointer each: looked up and compared
 * once, and cut when either ends. A peer points to one of its memberships, the one used last. */
static void bind(struct ov_member *m, struct ov_peer *p)
{
    m->peer = p;
    p->upper = m;
}

static void unbind(struct ov_member *m)
{
    if (m->peer && m->peer->upper == m)
        m->peer->upper = NULL;
    m->peer = NULL;
}

struct ov_member *ov_member_of(const struct ov_peer *p, ov_netid id)
{
    struct ov_member *m = p->upper;
    return m && m->net->id == id ? m : NULL;
}

struct ov_member *ov_member_from(const struct ov_network *net, struct ov_peer *p)
{
    struct ov_member *m = ov_member_of(p, net->id);
    if (m)
        return m;
    m = ov_member_find(net, p->id.addr);
    if (!m || !ov_member_is(m, p))
        return NULL;
    bind(m, p);
    return m;
}

struct ov_peer *ov_member_peer(struct ov_member *m)
{
    struct ov_peer *p;
    if (!m->peer && ov_peer_claim(m->net->o->e, &m->cert.member, &p) == OV_OK)
        bind(m, p);
    return m->peer;
}

void ov_member_forgotten(struct ov_overlay *o, const struct ov_peer *p)
{
    for (size_t i = 0; i < o->n; i++) {
        struct ov_member *m = ov_member_find(o->nets[i], p->id.addr);
        if (m && m->peer == p)
            unbind(m);
    }
}

/* An address belongs to the member with the newest certificate that names it. False: no room. */
static bool index_ips(struct ov_network *net, struct ov_member *m)
{
    for (int i = 0; i < m->cert.naddrs; i++) {
        struct ov_member *other = ov_member_by_ip(net, &m->cert.addrs[i].ip);
        if (!other || other->cert.timestamp <= m->cert.timestamp)
            if (ov_map_put(&net->ips, ov_key_ip(&m->cert.addrs[i].ip), m) != OV_OK)
                return false;
    }
    return true;
}

static void unindex(struct ov_network *net, struct ov_member *m)
{
    for (int i = 0; i < m->cert.naddrs; i++)
        if (ov_member_by_ip(net, &m->cert.addrs[i].ip) == m)
            ov_map_del(&net->ips, ov_key_ip(&m->cert.addrs[i].ip));
}

static void free_member(struct ov_network *net, struct ov_member *m)
{
    struct ov_peer *p = ov_peer_find(net->o->e, m->cert.member.addr);
    if (p)
        p->volunteer = false; /* until it says so in another network */
    unindex(net, m);
    unbind(m);
    free(m->groups);
    free(m);
    net->o->e->ended++;
}

void ov_member_remove(struct ov_network *net, ov_addr a)
{
    struct ov_member *m = ov_map_del(&net->members, ov_key_u64(a));
    struct ov_learned *l;
    struct ov_key k;
    if (!m)
        return;
    free_member(net, m);
    for (size_t it = 0; (l = ov_map_next(&net->learned, &it, &k)) != NULL;)
        if (l->member == a) {
            ov_map_del(&net->learned, k);
            free(l);
        }
}

void ov_member_bye(struct ov_network *net, struct ov_peer *p)
{
    const struct ov_member *m = ov_member_find(net, p->id.addr);
    if (!m || !ov_member_is(m, p))
        return;
    ov_member_remove(net, p->id.addr);
    p->believed = 0;
    ov_peer_untie(p, false);
}

void ov_member_clear(struct ov_network *net)
{
    struct ov_member *m;
    struct ov_learned *l;
    struct ov_key k;
    for (size_t it = 0; (m = ov_map_next(&net->members, &it, &k)) != NULL;) {
        ov_map_del(&net->members, k);
        free_member(net, m);
    }
    for (size_t it = 0; (l = ov_map_next(&net->learned, &it, &k)) != NULL;) {
        ov_map_del(&net->learned, k);
        free(l);
    }
}

static void evict_oldest(struct ov_network *net)
{
    struct ov_member *m, *pick = NULL;
    for (size_t it = 0; (m = ov_map_next(&net->members, &it, NULL)) != NULL;)
        if (!pick || m->heard < pick->heard)
            pick = m;
    if (pick)
        ov_member_remove(net, pick->cert.member.addr);
}

static struct ov_member *new_member(struct ov_network *net, ov_addr a)
{
    if (net->members.len >= OV_MEMBERS_MAX)
        evict_oldest(net);
    struct ov_member *m = ov_lines_alloc(sizeof *m);
    if (m)
        m->net = net;
    if (m && ov_map_put(&net->members, ov_key_u64(a), m) != OV_OK) {
        free(m);
        m = NULL;
    }
    ov_multicast_joined(net);
    return m;
}

/* Does this certificate name the key that we have pinned for its address? */
static int check_pin(struct ov_network *net, const struct ov_identity *id)
{
    const struct ov_peer *p = ov_peer_find(net->o->e, id->addr);
    const struct ov_member *m = ov_member_find(net, id->addr);
    if ((p && !p->claimed && !ov_identity_equal(&p->id, id)) ||
        (m && !ov_identity_equal(&m->cert.member, id))) {
        ov_peer_conflict(net->o->e, id->addr);
        return OV_ECONFLICT;
    }
    return OV_OK;
}

/* `checks`: what pays for a signature to be checked; NULL: the caller has. */
static int accept(struct ov_network *net, const uint8_t *blob, size_t len, struct ov_bucket *checks,
                  struct ov_member **out)
{
    struct ov_cert c;
    int err = ov_cert_decode(blob, len, &c);
    if (err != OV_OK)
        return err;
    struct ov_member *m = ov_member_find(net, c.member.addr);
    if (c.netid != net->id || !net->controller.addr)
        return OV_EINVAL;
    /* What we have already is at least as new: spare the signature. */
    if (m && m->cert.timestamp >= c.timestamp && ov_identity_equal(&m->cert.member, &c.member))
        goto known;
    if (checks && !ov_bucket_take(checks, 1, net->o->e->now))
        return OV_ELIMIT;
    err = ov_cert_verify(blob, len, &net->controller, &c);
    if (err != OV_OK)
        return err;
    if (c.timestamp <= ov_revoked_until(&net->revoked, c.member.addr))
        return OV_EEXPIRED;
    if (c.member.addr == net->o->e->id.pub.addr)
        return OV_EEXIST;
    err = check_pin(net, &c.member);
    if (err != OV_OK)
        return err;
    if (m)
        unindex(net, m);
    else if (!(m = new_member(net, c.member.addr)))
        return OV_EFULL;
    m->cert = c;
    /* One who cannot be found by his addresses would never be reached: better he is asked again. */
    if (!index_ips(net, m)) {
        ov_drop(net->o->e, OV_DROP_TABLE_FULL);
        ov_member_remove(net, c.member.addr);
        return OV_EFULL;
    }
known:
    m->heard = net->o->e->now;
    if (out)
        *out = m;
    return OV_OK;
}

int ov_member_accept(struct ov_network *net, const uint8_t *blob, size_t len,
                     struct ov_member **out)
{
    return accept(net, blob, len, NULL, out);
}

int ov_member_told(struct ov_network *net, const uint8_t *blob, size_t len, struct ov_member **out)
{
    int err = accept(net, blob, len, &net->told, out);
    if (err != OV_OK && err != OV_EEXIST)
        ov_drop(net->o->e, err == OV_ELIMIT ? OV_DROP_LIMIT : OV_DROP_NOT_MEMBER);
    return err;
}

/* ---- showing certificates ---- */

void ov_member_hello(struct ov_network *net, struct ov_peer *p, bool want_reply)
{
    struct ov_msg_net_hello h = {.netid = net->id,
                                 .flags = want_reply ? OV_HELLO_WANT_REPLY : 0,
                                 .cert = {net->cert_blob, net->cert_len}};
    uint8_t buf[1024 + OV_CERT_MAX];
    struct ov_writer w;
    struct ov_member *m = ov_member_find(net, p->id.addr);
    if (!ov_network_ready(net))
        return;
    h.ngroups = (uint8_t)ov_volunteer_groups(net, h.groups);
    ov_writer_init(&w, buf, sizeof buf);
    ov_msg_net_hello_encode(&w, &h);
    if (!w.failed && ov_peer_send(p, buf, w.len, want_reply ? 0 : OV_SEND_QUIET) == OV_OK && m)
        m->hello_ts = net->cert.timestamp;
}

void ov_member_ask(struct ov_network *net, struct ov_peer *p)
{
    if (ov_bucket_take(&p->asks, 1, net->o->e->now))
        ov_member_hello(net, p, true);
}

static void take_groups(struct ov_member *m, const struct ov_msg_net_hello *h)
{
    size_t size = h->ngroups * sizeof h->groups[0];
    struct ov_mac *g = malloc(size ? size : 1);
    if (!g)
        return;
    memcpy(g, h->groups, size);
    free(m->groups);
    m->groups = g;
    m->ngroups = h->ngroups;
}

void ov_member_hello_received(struct ov_network *net, struct ov_peer *p,
                              const struct ov_msg_net_hello *h)
{
    struct ov_engine *e = net->o->e;
    struct ov_member *m;
    struct ov_cert c;
    if (!ov_network_ready(net) || ov_cert_decode(h->cert.p, h->cert.len, &c) != OV_OK ||
        !ov_identity_equal(&c.member, &p->id)) {
        ov_drop(e, OV_DROP_NOT_MEMBER);
        return;
    }
    p->believed = 0; /* now it is known */
    if (ov_member_accept(net, h->cert.p, h->cert.len, &m) != OV_OK) {
        ov_drop(e, OV_DROP_NOT_MEMBER);
        ov_peer_untie(p, false);
        return;
    }
    take_groups(m, h);
    if (!p->remember && ov_member_valid(net, m) && ov_peer_prove(p)) {
        p->remember = true;
        ov_peer_persist_again(p);
    }
    ov_volunteer_look(net->o, p);
    ov_lookup_met(net, m);
    if ((h->flags & OV_HELLO_WANT_REPLY) && ov_bucket_take(&p->control, 5, e->now))
        ov_member_hello(net, p, false);
}

/* ---- revocation ---- */

/* Certificates from before agree with none that agrees with ours: all that they revoke is over. */
static ov_wall horizon(const struct ov_network *net)
{
    ov_wall window = net->config ? net->config->window_s * 1000ull : 0;
    return net->config && net->cert.timestamp > window ? net->cert.timestamp - window : 0;
}

/* To every member we are connected with, and to the directories. */
/* Members that the controller does not reach get it from others. Not of a controller that throws
 * out without end: it reaches its members itself. */
static void flood(struct ov_network *net, const struct ov_peer *from, const uint8_t *blob)
{
    uint8_t buf[1 + OV_REVOCATION_LEN];
    struct ov_writer w;
    if (!ov_bucket_take(&net->floods, 1, net->o->e->now)) {
        ov_drop(net->o->e, OV_DROP_LIMIT);
        return;
    }
    ov_writer_init(&w, buf, sizeof buf);
    ov_msg_revoke_encode(&w, blob);
    ov_network_tell(net, from, buf, w.len);
}

void ov_member_revoke(struct ov_network *net, const struct ov_peer *from, const uint8_t *blob,
                      size_t len)
{
    struct ov_engine *e = net->o->e;
    struct ov_revocation r;
    if (!net->controller.addr || ov_revocation_verify(blob, len, &net->controller, &r) != OV_OK ||
        r.netid != net->id) {
        ov_drop(e, OV_DROP_AUTH);
        return;
    }
    if (!ov_revoked_add(&net->revoked, r.member, r.timestamp, horizon(net)))
        return;
    ov_network_persist_soon(net); /* or a restart would let it in again */
    flood(net, from, blob);
    if (r.member == e->id.pub.addr) {
        if (net->cert.netid && net->cert.timestamp <= r.timestamp)
            ov_network_refuse(net, OV_NET_DENIED);
        return;
    }
    const struct ov_member *m = ov_member_find(net, r.member);
    if (m && m->cert.timestamp <= r.timestamp)
        ov_member_remove(net, r.member);
    struct ov_peer *p = ov_peer_find(e, r.member);
    if (p)
        ov_peer_untie(p, true);
    ov_network_changed(net);
}
