#include "engine.h"

/* A node's request and what becomes of it.
 *
 * Theory of operation: a node proves its key by its session, so a request is authentic, and asks
 * again until it is answered, so nothing here has to be tried twice. What a request can lead to:
 *
 *     unknown  --fresh invite, or an open network-->  admitted
 *     unknown  --else-->  pending, one of at most OV_PENDING_MAX, the longest silent falling out
 *     pending  --fresh invite, open network, or the owner-->  admitted
 *     admitted --the owner-->  denied  --fresh invite, or the owner-->  admitted
 *
 * An admitted member gets configuration and certificate whatever secret it brings, so that an
 * answer that was lost on the way costs nothing. The reply OV_NET_OK follows the store's commit.
 *
 * An identity costs its maker a second, so there may be thousands that ask, each within its own
 * rate. So what is not known yet has one rate for all together, spent before anything is written or
 * the network is even read: a refused request costs one look by its sender's address, and a second
 * one if it brings a secret. A good invite is the owner's word, and draws from a rate that
 * strangers cannot spend. Who is known passes: members are the owner's choice, and those that wait
 * are OV_PENDING_MAX at most and cost no write, but for a sign of life once in PENDING_SEEN_MS.
 * They are not put out by who comes later as long as they give that, so the first come keep waiting
 * whatever floods in behind them. */

#include <stdio.h>
#include <string.h>

#define SEEN_MS         60000                      /* last_seen of a member is exact to this, */
#define PENDING_SEEN_MS (OV_PENDING_SILENT_MS / 3) /* and of one that is none to this */
#define TELL_EVERY_S    600
#define OVERLAP_MS      3600000 /* revocations this much older than the node's certificate go along */

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
    if (used != NULL && t.note[0] == '\0')
        snprintf(t.note, sizeof t.note, "%s", used->note);
    r = c->store->ops->member_put(c->store, &t, used);
    if (r != OV_OK)
        return r;
    *m = t;
    ov_log(&c->log, OV_LOG_INFO, "controller: network %s: admitted %s (%s)%s", n->name,
           ov_addr_format(m->id.addr, addr), m->name, used != NULL ? " by invite" : "");
    return OV_OK;
}

/* Is it time to say this again in the log? */
static bool tell(struct ov_controller *c, enum ov_engine_told what)
{
    return ov_bucket_take(&c->told[what], TELL_EVERY_S, c->uptime);
}

/* What a request is judged by. */
struct judgement {
    const struct ov_net_record *net;
    const struct ov_msg_net_request *req;
    struct ov_member_record m;
    bool known;                     /* `m` is in the store */
    enum ov_net_status secret;      /* what it is worth; OV_NET_OK also without one */
    struct ov_invite_record invite; /* to be used up, when `invited` */
    bool invited;
};

static bool is_member(const struct judgement *j)
{
    return j->known && j->m.state == OV_MEMBER_ADMITTED;
}

/* Look the secret up. OV_NET_OK: a fresh invite, or one that this member has used itself (then not
 * `invited`: it counts no second time). */
static enum ov_net_status judge_invite(struct ov_controller *c, struct judgement *j, ov_wall now)
{
    uint8_t hash[32];
    if (!j->req->has_secret)
        return OV_NET_OK;
    ov_hash(hash, sizeof hash, NULL, 0, j->req->secret, sizeof j->req->secret);
    int r = c->store->ops->invite_get(c->store, j->req->netid, hash, &j->invite);
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
        return c->store->ops->pending_put(c->store, &j->m, OV_PENDING_MAX,
                                          now > OV_PENDING_SILENT_MS ? now - OV_PENDING_SILENT_MS
                                                                     : 0);
    if (now - j->m.last_seen < PENDING_SEEN_MS)
        return OV_OK;
    return c->store->ops->member_seen(c->store, j->m.netid, j->m.id.addr, now);
}

/* Decide on a member that is not admitted, and store the decision. OV_EIO; OV_EFULL: it cannot even
 * wait, and *status is of no use. */
static int judge(struct ov_controller *c, struct judgement *j, ov_wall now,
                 enum ov_net_status *status)
{
    bool open = j->net->open && j->m.state == OV_MEMBER_PENDING;
    *status = j->secret;
    give_name(c, &j->m, j->req->hostname);
    if (j->invited || open) {
        ov_wall seen = j->m.last_seen;
        j->m.last_seen = now;
        int r = ov_engine_admit(c, j->net, &j->m, j->invited ? &j->invite : NULL, now);
        if (r != OV_EFULL)
            return r;
        if (tell(c, OV_TOLD_POOL))
            ov_log(&c->log, OV_LOG_WARN, "controller: network %s has no address left to give",
                   j->net->name);
        *status = OV_NET_POOL_EXHAUSTED;
        j->m.last_seen = seen;
    }
    int r = keep_pending(c, j, now);
    if (r == OV_EFULL && tell(c, OV_TOLD_WAITING))
        ov_log(&c->log, OV_LOG_WARN,
               "controller: network %s: %d nodes wait to be admitted, and no more can; an invite "
               "gets another one in",
               j->net->name, OV_PENDING_MAX);
    if (r == OV_EFULL && *status != OV_NET_OK)
        return OV_OK; /* it is refused, and need not be seen */
    if (r == OV_OK && *status == OV_NET_OK)
        *status = j->m.state == OV_MEMBER_DENIED ? OV_NET_DENIED : OV_NET_PENDING;
    return r;
}

/* Find the asking member, or start one. */
static int look_up(struct ov_controller *c, const struct ov_identity *from, struct judgement *j,
                   ov_wall now)
{
    int r = c->store->ops->member_get(c->store, j->req->netid, from->addr, &j->m);
    if (r == OV_ENOENT) {
        j->m = (struct ov_member_record){.netid = j->req->netid,
                                         .id = *from,
                                         .state = OV_MEMBER_PENDING,
                                         .first_seen = now,
                                         .last_seen = now};
        return OV_OK;
    }
    if (r != OV_OK)
        return r;
    if (!ov_identity_equal(&j->m.id, from))
        return OV_ECONFLICT;
    j->known = true;
    return OV_OK;
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

/* ---- how often ---- */

void ov_engine_limits(struct ov_controller *c)
{
    ov_bucket_init(&c->newcomers, OV_NEWCOMER_RATE, OV_NEWCOMER_BURST, c->uptime);
    ov_bucket_init(&c->invited, OV_INVITED_RATE, OV_INVITED_BURST, c->uptime);
    for (size_t i = 0; i < OV_TOLD_COUNT; i++)
        ov_bucket_init(&c->told[i], 1, TELL_EVERY_S, c->uptime);
}

/* One request's worth of the sender's rate. The wall clock may go back: only its steps forward
 * count. */
bool ov_engine_allowed(struct ov_controller *c, ov_addr from, ov_wall now)
{
    struct ov_ip source = {.family = 6}; /* limited by /64, so the address goes above that */
    if (c->seen != 0 && now > c->seen)
        c->uptime += (now - c->seen) * OV_MS;
    c->seen = now;
    ov_store64(source.b, from);
    return ov_ratelimit_allow(c->limit, &source, c->uptime);
}

/* Is there room for it beside all others? See the theory of operation. */
static bool in_turn(struct ov_controller *c, const struct judgement *j)
{
    if (is_member(j))
        return true;
    if (j->invited)
        return ov_bucket_take(&c->invited, 1, c->uptime);
    if (j->known || ov_bucket_take(&c->newcomers, 1, c->uptime))
        return true;
    if (tell(c, OV_TOLD_CROWD))
        ov_log(&c->log, OV_LOG_WARN,
               "controller: more strangers ask to join than are looked at, %d a second; members, "
               "and nodes with an invite, do not notice",
               OV_NEWCOMER_RATE);
    return false;
}

/* ---- a request ---- */

/* Look at the sender and what it brings, and let it in if there is room. OV_ELIMIT. */
static int look_at(struct ov_controller *c, const struct ov_identity *from, struct judgement *j,
                   ov_wall now)
{
    if (!ov_engine_allowed(c, from->addr, now))
        return OV_ELIMIT;
    int r = look_up(c, from, j, now);
    ov_engine_back(c, j->req->netid, from->addr);
    if (r == OV_OK && !is_member(j))
        j->secret = judge_invite(c, j, now);
    if (r == OV_OK && j->secret == OV_NET_UNAVAILABLE)
        r = OV_EIO;
    return in_turn(c, j) ? r : OV_ELIMIT;
}

/* Do what it asks for, if it may have it. *status: what it is told, beside configuration and
 * certificate when that is OV_NET_OK. OV_EIO; OV_EFULL as judge(). */
static int serve(struct ov_controller *c, struct judgement *j, ov_wall now,
                 enum ov_net_status *status)
{
    int r = OV_OK;
    *status = OV_NET_OK;
    if (!is_member(j))
        r = judge(c, j, now, status);
    if (r != OV_OK || *status != OV_NET_OK)
        return r;
    r = answer_ok(c, j, now);
    if (r != OV_EFULL)
        return r;
    *status = OV_NET_POOL_EXHAUSTED;
    return OV_OK;
}

/* Say in the log what went wrong; returns what the sender is told. */
static enum ov_net_status failed(struct ov_controller *c, const struct judgement *j, int err)
{
    char addr[OV_ADDR_TEXT];
    if (err == OV_ECONFLICT)
        ov_log(&c->log, OV_LOG_WARN, "controller: network %s: a second key claims %s; refused",
               j->net->name, ov_addr_format(j->m.id.addr, addr));
    else if (err != OV_EFULL)
        ov_log(&c->log, OV_LOG_ERROR, "controller: network %s: request not served: %s",
               j->net->name, c->store->error);
    return err == OV_ECONFLICT ? OV_NET_DENIED : OV_NET_UNAVAILABLE;
}

int ov_controller_request(struct ov_controller *c, const struct ov_identity *from,
                          const struct ov_msg_net_request *req, ov_wall now)
{
    struct ov_net_record n;
    struct judgement j = {.net = &n, .req = req, .secret = OV_NET_OK};
    enum ov_net_status status;
    int r = look_at(c, from, &j, now);
    if (r == OV_ELIMIT)
        return r;
    ov_engine_sync_roots(c, now);
    n.name[0] = '\0';
    int found = c->store->ops->net_get(c->store, req->netid, &n);
    if (found == OV_ENOENT) {
        ov_engine_reply(c, req->netid, from->addr, OV_NET_NOT_FOUND, "");
        return OV_OK;
    }
    if (r == OV_OK)
        r = found;
    if (r == OV_OK)
        r = serve(c, &j, now, &status);
    if (r != OV_OK)
        status = failed(c, &j, r);
    if (status != OV_NET_OK)
        ov_engine_reply(c, req->netid, from->addr, status, j.known || r == OV_OK ? j.m.name : "");
    return r == OV_OK || r == OV_ECONFLICT || r == OV_EFULL ? r : OV_EIO;
}
