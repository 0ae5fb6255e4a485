#include "engine.h"

/* One-time invites: made, told apart, and taken back. admission.c uses them up. */

#include "settings.h"

#include <stdio.h>
#include <string.h>

#define TTL_MAX_S (10ull * 365 * 86400)

int ov_controller_invite(struct ov_controller *c, const char *which, const char *note,
                         uint64_t ttl_s, const struct ov_host *hosts, size_t nhosts, ov_wall now,
                         char out[OV_INVITE_TEXT], char why[256])
{
    struct ov_net_record n;
    struct ov_invite inv = {.controller = c->identity.pub};
    struct ov_invite_record rec = {.created = now};
    int r = ov_settings_note(note, why);
    if (r == OV_OK)
        r = ov_controller_net_find(c, which, &n, why);
    if (r != OV_OK)
        return r;
    if (nhosts > OV_INVITE_HOSTS_MAX)
        return ov_engine_fail(why, OV_EINVAL, "an invite names at most %d hosts",
                              OV_INVITE_HOSTS_MAX);
    if (ttl_s > TTL_MAX_S)
        return ov_engine_fail(why, OV_EINVAL, "an invite lasts ten years at most; 0 is for ever");
    inv.netid = rec.netid = n.netid;
    inv.nhosts = (uint8_t)nhosts;
    for (size_t i = 0; i < nhosts; i++)
        inv.hosts[i] = hosts[i];
    snprintf(rec.note, sizeof rec.note, "%s", note);
    rec.expires = ttl_s == 0 ? 0 : now + ttl_s * 1000;
    c->random.fill(c->random.arg, inv.secret, sizeof inv.secret);
    ov_hash(rec.hash, sizeof rec.hash, NULL, 0, inv.secret, sizeof inv.secret);
    r = ov_invite_format(&inv, out);
    if (r != OV_OK)
        ov_engine_fail(why, r, "a host of the invite is not a name or an address");
    else if ((r = c->store->ops->invite_put(c->store, &rec)) != OV_OK)
        ov_engine_store_fail(c, why, r);
    if (r != OV_OK)
        ov_wipe(out, OV_INVITE_TEXT);
    ov_wipe(&inv, sizeof inv);
    return r;
}

const char *ov_controller_invite_id(const struct ov_invite_record *i, char out[OV_INVITE_ID_TEXT])
{
    for (size_t n = 0; n < (OV_INVITE_ID_TEXT - 1) / 2; n++)
        snprintf(out + 2 * n, 3, "%02x", i->hash[n]);
    return out;
}

struct search {
    const char *id;
    size_t count;
    struct ov_invite_record found;
};

static int match(void *arg, const struct ov_invite_record *i)
{
    struct search *s = arg;
    char id[OV_INVITE_ID_TEXT];
    if (strcmp(ov_controller_invite_id(i, id), s->id) != 0)
        return OV_OK;
    s->found = *i;
    s->count++;
    return OV_OK;
}

/* Delete one of the network, or with `hash` NULL all that are unused. */
static int take_back(struct ov_controller *c, const struct ov_net_record *n, const uint8_t *hash,
                     size_t *count, char why[256])
{
    int r = c->store->ops->invite_delete(c->store, n->netid, hash, count);
    if (r != OV_OK)
        return ov_engine_store_fail(c, why, r);
    ov_log(&c->log, OV_LOG_INFO, "controller: network %s: took back %zu invite%s", n->name, *count,
           *count == 1 ? "" : "s");
    return OV_OK;
}

int ov_controller_invite_revoke(struct ov_controller *c, const char *which, const char *id,
                                char why[256])
{
    struct ov_net_record n;
    struct search s = {.id = id};
    char addr[OV_ADDR_TEXT];
    size_t count;
    int r = ov_controller_net_find(c, which, &n, why);
    if (r != OV_OK)
        return r;
    r = c->store->ops->invite_each(c->store, n.netid, match, &s);
    if (r != OV_OK)
        return ov_engine_store_fail(c, why, r);
    if (s.count == 0)
        return ov_engine_fail(why, OV_ENOENT, "%s has no invite \"%.40s\"", n.name, id);
    if (s.count > 1)
        return ov_engine_fail(why, OV_EEXIST, "%zu invites of %s have the id %s", s.count, n.name,
                              id);
    if (s.found.used_by != 0)
        return ov_engine_fail(why, OV_ESTATE,
                              "%s has used this invite, and to take it back would not put it out",
                              ov_addr_format(s.found.used_by, addr));
    return take_back(c, &n, s.found.hash, &count, why);
}

int ov_controller_invites_revoke(struct ov_controller *c, const char *which, size_t *count,
                                 char why[256])
{
    struct ov_net_record n;
    int r = ov_controller_net_find(c, which, &n, why);
    return r == OV_OK ? take_back(c, &n, NULL, count, why) : r;
}
