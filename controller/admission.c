#include "engine.h"

/* A node's request and what becomes of it.
 *
 * Theory of operation: a node proves its key by its session, so a request is authentic, and asks
 * again until it is answered, so nothing here has to be tried twice. What a request can lead to:
 *
 *     unknown  --fresh invite, or an open network-->  admitted
 *     unknown  --else-->  pending, one of at most OV_PENDING_MAX, the longest unheard falling out
 *     pending  --fresh invite, open network, or the owner-->  admitted
 *     admitted --the owner-->  denied  --fresh invite, or the owner-->  admitted
 *
 * An admitted member gets configuration and certificate whatever secret it brings, so that an
 * answer that was lost on the way costs nothing. The reply OV_NET_OK follows the store's commit. */

#include <stdio.h>
#include <string.h>

#define SEEN_MS    60000   /* last_seen is exact to this */
#define OVERLAP_MS 3600000 /* revocations this much older than the node's certificate go along */

/* ---- names ---- */

/* The first label of a host name, in lower case and without what a name may not have; "" when
 * nothing is left. */
static void clean_name(const char *host, char out[OV_NET_NAME_MAX])
{
    size_t n = 0;
    ov_addr a;
    for (; *host != '\0' && *host != '.' && n < OV_NET_NAME_MAX - 12; host++) {
        char ch = *host;
        if (ch >= 'A' && ch <= 'Z')
            ch = (char)(ch - 'A' + 'a');
        bool good = (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9');
        if (good || n > 0)
            out[n++] = good ? ch : '-';
    }
    while (n > 0 && out[n - 1] == '-')
        n--;
    out[n] = '\0';
    ov_netid id;
    if (ov_addr_parse(out, &a) == OV_OK || ov_netid_parse(out, &id) == OV_OK) {
        memmove(out + 5, out, n + 1);
        memcpy(out, "host-", 5);
    }
}

/* Is the name free, or this member's own? */
static bool name_free(struct ov_controller *c, ov_netid id, ov_addr self, const char *name)
{
    struct ov_member_record other;
    int r = c->store->ops->member_by_name(c->store, id, name, &other);
    return r == OV_ENOENT || (r == OV_OK && other.id.addr == self);
}

/* Give a nameless member its host's name: dorm-pc, dorm-pc-2 to -9, then with its address. */
static void give_name(struct ov_controller *c, struct ov_member_record *m, const char *host)
{
    char base[OV_NET_NAME_MAX], addr[OV_ADDR_TEXT];
    if (m->name[0] != '\0')
        return;
    clean_name(host, base);
    if (base[0] == '\0')
        return;
    snprintf(m->name, sizeof m->name, "%s", base);
    for (int i = 2; i <= 9 && !name_free(c, m->netid, m->id.addr, m->name); i++)
        snprintf(m->name, sizeof m->name, "%.50s-%d", base, i);
    if (!name_free(c, m->netid, m->id.addr, m->name))
        snprintf(m->name, sizeof m->name, "%.50s-%s", base, ov_addr_format(m->id.addr, addr));
    if (!name_free(c, m->netid, m->id.addr, m->name))
        m->name[0] = '\0';
}

/* ---- admission ---- */

int ov_engine_admit(struct ov_controller *c, const struct ov_net_record *n,
                    struct ov_member_record *m, const struct ov_invite_record *used, ov_wall now)
{
    struct ov_member_record t = *m;
    char addr[OV_ADDR_TEXT];
    struct ov_assigned assigned;
    int r = ov_engine_assign(c, n, &t, &assigned);
    if (r != OV_OK)
        return r;
    t.state = OV_MEMBER_ADMITTED;
    t.admitted = now;
    r = c->store->ops->member_put(c->store, &t, used);
    if (r != OV_OK)
        return r;
    *m = t;
    ov_log(&c->log, OV_LOG_INFO, "controller: network %s: admitted %s (%s)%s", n->name,
           ov_addr_format(m->id.addr, addr), m->name, used != NULL ? " by invite" : "");
    return OV_OK;
}

/* What a request is judged by. */
struct judgement {
    const struct ov_net_record *net;
    const struct ov_msg_net_request *req;
    struct ov_member_record m;
    bool known;                     /* `m` is in the store */
    struct ov_invite_record invite; /* to be used up, when `invited` */
    bool invited;
};

/* Look the secret up. OV_NET_OK: a fresh invite, or one that this member has used itself (then not
 * `invited`: it counts no second time). */
static enum ov_net_status judge_invite(struct ov_controller *c, struct judgement *j, ov_wall now)
{
    uint8_t hash[32];
    if (!j->req->has_secret)
        return OV_NET_OK;
    ov_hash(hash, sizeof hash, NULL, 0, j->req->secret, sizeof j->req->secret);
    int r = c->store->ops->invite_get(c->store, j->net->netid, hash, &j->invite);
    if (r == OV_ENOENT)
        return OV_NET_BAD_INVITE;
    if (r != OV_OK)
        return OV_NET_UNAVAILABLE;
    if (j->invite.used_by == j->m.id.addr)
        return OV_NET_OK;
    if (j->invite.used_by != 0)
        return OV_NET_USED_INVITE;
    if (j->invite.expires != 0 && now >= j->invite.expires)
        return OV_NET_EXPIRED_INVITE;
    j->invite.used_by = j->m.id.addr;
    j->invite.used = now;
    j->invited = true;
    return OV_NET_OK;
}

/* Keep a node that may not come in (yet) in the owner's sight. */
static int keep_pending(struct ov_controller *c, struct judgement *j, ov_wall now)
{
    if (!j->known)
        return c->store->ops->pending_put(c->store, &j->m, OV_PENDING_MAX);
    if (now - j->m.last_seen < SEEN_MS)
        return OV_OK;
    return c->store->ops->member_seen(c->store, j->m.netid, j->m.id.addr, now);
}

/* Decide on a member that is not admitted, and store the decision. */
static enum ov_net_status judge(struct ov_controller *c, struct judgement *j, ov_wall now)
{
    enum ov_net_status status = judge_invite(c, j, now);
    bool open = j->net->open && j->m.state == OV_MEMBER_PENDING;
    if (status == OV_NET_UNAVAILABLE)
        return status;
    give_name(c, &j->m, j->req->hostname);
    if (j->invited || open) {
        j->m.last_seen = now;
        int r = ov_engine_admit(c, j->net, &j->m, j->invited ? &j->invite : NULL, now);
        if (r != OV_EFULL)
            return r == OV_OK ? OV_NET_OK : OV_NET_UNAVAILABLE;
        ov_log(&c->log, OV_LOG_WARN, "controller: network %s has no address left to give",
               j->net->name);
        status = OV_NET_POOL_EXHAUSTED;
    }
    if (keep_pending(c, j, now) != OV_OK)
        return OV_NET_UNAVAILABLE;
    if (status != OV_NET_OK)
        return status;
    return j->m.state == OV_MEMBER_DENIED ? OV_NET_DENIED : OV_NET_PENDING;
}

/* Find the asking member, or start one. */
static int look_up(struct ov_controller *c, const struct ov_identity *from, struct judgement *j,
                   ov_wall now)
{
    char addr[OV_ADDR_TEXT];
    int r = c->store->ops->member_get(c->store, j->net->netid, from->addr, &j->m);
    if (r == OV_ENOENT) {
        j->m = (struct ov_member_record){.netid = j->net->netid,
                                         .id = *from,
                                         .state = OV_MEMBER_PENDING,
                                         .first_seen = now,
                                         .last_seen = now};
        return OV_OK;
    }
    if (r != OV_OK)
        return r;
    j->known = true;
    if (ov_identity_equal(&j->m.id, from))
        return OV_OK;
    ov_log(&c->log, OV_LOG_WARN, "controller: network %s: a second key claims %s; refused",
           j->net->name, ov_addr_format(from->addr, addr));
    return OV_ECONFLICT;
}

/* Configuration and certificate to a member, admitted now or before. */
static int answer_ok(struct ov_controller *c, struct judgement *j, ov_wall now)
{
    ov_wall stamp;
    bool revoked;
    int r = ov_engine_refit(c, j->net, &j->m, now, &revoked);
    if (r == OV_OK)
        r = ov_engine_stamp_config(c, now, &stamp);
    if (r == OV_OK && now - j->m.last_seen >= SEEN_MS)
        r = c->store->ops->member_seen(c->store, j->m.netid, j->m.id.addr, now);
    if (r == OV_OK)
        r = ov_engine_reply_ok(c, j->net, &j->m, stamp);
    if (r != OV_OK)
        return r;
    if (revoked)
        ov_engine_flood(c, j->net, j->m.id.addr, j->m.revoked);
    ov_wall had = j->req->have_timestamp, window = (ov_wall)j->net->window_s * 1000;
    ov_wall after = had > OVERLAP_MS ? had - OVERLAP_MS : 0;
    if (stamp > window && after < stamp - window)
        after = stamp - window; /* older certificates agree with nobody's any more */
    ov_engine_send_revocations(c, j->m.netid, j->m.id.addr, after);
    return OV_OK;
}

/* One request's worth of the sender's rate. The wall clock may go back: only its steps forward
 * count. */
static bool allowed(struct ov_controller *c, ov_addr from, ov_wall now)
{
    struct ov_ip source = {.family = 6}; /* limited by /64, so the address goes above that */
    if (c->seen != 0 && now > c->seen)
        c->uptime += (now - c->seen) * OV_MS;
    c->seen = now;
    ov_store64(source.b, from);
    return ov_ratelimit_allow(c->limit, &source, c->uptime);
}

int ov_controller_request(struct ov_controller *c, const struct ov_identity *from,
                          const struct ov_msg_net_request *req, ov_wall now)
{
    struct ov_net_record n;
    struct judgement j = {.net = &n, .req = req};
    if (!allowed(c, from->addr, now))
        return OV_ELIMIT;
    ov_engine_sync_roots(c, now);
    enum ov_net_status status = OV_NET_OK;
    int r = c->store->ops->net_get(c->store, req->netid, &n);
    if (r == OV_ENOENT) {
        ov_engine_reply(c, req->netid, from->addr, OV_NET_NOT_FOUND, "");
        return OV_OK;
    }
    if (r == OV_OK)
        r = look_up(c, from, &j, now);
    if (r == OV_ECONFLICT) {
        ov_engine_reply(c, req->netid, from->addr, OV_NET_DENIED, "");
        return r;
    }
    if (r == OV_OK) {
        if (j.m.state != OV_MEMBER_ADMITTED || !j.known)
            status = judge(c, &j, now);
        if (status == OV_NET_OK)
            r = answer_ok(c, &j, now);
    }
    if (r != OV_OK)
        status = r == OV_EFULL ? OV_NET_POOL_EXHAUSTED : OV_NET_UNAVAILABLE;
    if (status == OV_NET_UNAVAILABLE)
        ov_log(&c->log, OV_LOG_ERROR, "controller: network %s: request not served: %s", n.name,
               c->store->error);
    if (status != OV_NET_OK)
        ov_engine_reply(c, req->netid, from->addr, status, j.m.name);
    return status == OV_NET_UNAVAILABLE ? OV_EIO : OV_OK;
}
