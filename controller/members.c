#include "engine.h"

/* The owner's side of members.
 *
 * Whatever takes a right or an address away from a member also revokes the certificates that gave
 * it: they would hold for the rest of the network's window otherwise. */

#include "settings.h"

#include <stdio.h>
#include <string.h>

/* Network and member by what the owner calls them. An address wins over a name of that form. */
static int find(struct ov_controller *c, const char *which, const char *member,
                struct ov_net_record *n, struct ov_member_record *m, char why[256])
{
    ov_addr a;
    int r = ov_controller_net_find(c, which, n, why);
    if (r != OV_OK)
        return r;
    r = ov_addr_parse(member, &a) == OV_OK
            ? c->store->ops->member_get(c->store, n->netid, a, m)
            : c->store->ops->member_by_name(c->store, n->netid, member, m);
    if (r == OV_ENOENT)
        return ov_engine_fail(why, r,
                              "no member \"%.64s\" in %s: a node is known once it has asked to "
                              "join",
                              member, n->name);
    return r == OV_OK ? r : ov_engine_store_fail(c, why, r);
}

int ov_controller_member_find(struct ov_controller *c, const char *which, const char *member,
                              struct ov_member_record *out, char why[256])
{
    struct ov_net_record n;
    return find(c, which, member, &n, out, why);
}

/* Tell a member what it is now. It is stored, so a failure here is only a delay: it asks again. */
static void tell(struct ov_controller *c, const struct ov_net_record *n,
                 const struct ov_member_record *m, ov_wall now)
{
    ov_wall stamp;
    int r = ov_engine_stamp_config(c, now, &stamp);
    if (r == OV_OK)
        r = ov_engine_reply_ok(c, n, m, stamp);
    if (r != OV_OK)
        ov_log(&c->log, OV_LOG_WARN, "controller: network %s: %s not told: %s", n->name, m->name,
               ov_strerror(r));
}

int ov_controller_authorize(struct ov_controller *c, const char *which, const char *member,
                            ov_wall now, char why[256])
{
    struct ov_net_record n;
    struct ov_member_record m;
    int r = find(c, which, member, &n, &m, why);
    if (r != OV_OK)
        return r;
    if (m.state != OV_MEMBER_ADMITTED)
        r = ov_engine_admit(c, &n, &m, NULL, now);
    if (r == OV_EFULL)
        return ov_engine_fail(why, r,
                              "%s has no address left to give: add a pool, or delete members (a "
                              "denied one keeps its address until then)",
                              n.name);
    if (r != OV_OK)
        return ov_engine_store_fail(c, why, r);
    tell(c, &n, &m, now);
    return OV_OK;
}

/* Store the member as denied, its certificates revoked, and tell everyone. */
static int deny(struct ov_controller *c, const struct ov_net_record *n, struct ov_member_record *m,
                ov_wall now, char why[256])
{
    int r = OV_OK;
    if (m->state != OV_MEMBER_DENIED) {
        if (m->admitted != 0)
            r = ov_engine_stamp_revocation(c, now, &m->revoked);
        m->state = OV_MEMBER_DENIED;
        if (r == OV_OK)
            r = c->store->ops->member_put(c->store, m, NULL);
        if (r != OV_OK)
            return ov_engine_store_fail(c, why, r);
    }
    if (m->revoked != 0)
        ov_engine_flood(c, n, m->id.addr, m->revoked);
    ov_engine_reply(c, n->netid, m->id.addr, OV_NET_DENIED, m->name);
    return OV_OK;
}

int ov_controller_deauthorize(struct ov_controller *c, const char *which, const char *member,
                              ov_wall now, char why[256])
{
    struct ov_net_record n;
    struct ov_member_record m;
    int r = find(c, which, member, &n, &m, why);
    return r == OV_OK ? deny(c, &n, &m, now, why) : r;
}

int ov_controller_member_delete(struct ov_controller *c, const char *which, const char *member,
                                ov_wall now, char why[256])
{
    struct ov_net_record n;
    struct ov_member_record m;
    int r = find(c, which, member, &n, &m, why);
    if (r == OV_OK && m.state == OV_MEMBER_ADMITTED)
        r = deny(c, &n, &m, now, why);
    if (r != OV_OK)
        return r;
    r = c->store->ops->member_delete(c->store, n.netid, m.id.addr);
    if (r != OV_OK)
        return ov_engine_store_fail(c, why, r);
    ov_engine_forget(c, n.netid); /* its addresses are free */
    return OV_OK;
}

int ov_controller_member_name(struct ov_controller *c, const char *which, const char *member,
                              const char *name, ov_wall now, char why[256])
{
    struct ov_net_record n;
    struct ov_member_record m;
    int r = ov_settings_name(name, why);
    if (r == OV_OK)
        r = find(c, which, member, &n, &m, why);
    if (r != OV_OK)
        return r;
    snprintf(m.name, sizeof m.name, "%s", name);
    r = c->store->ops->member_put(c->store, &m, NULL);
    if (r == OV_EEXIST)
        return ov_engine_fail(why, r, "another member of %s is named %s", n.name, name);
    if (r != OV_OK)
        return ov_engine_store_fail(c, why, r);
    if (m.state == OV_MEMBER_ADMITTED)
        tell(c, &n, &m, now);
    return OV_OK;
}

int ov_controller_member_set(struct ov_controller *c, const char *which, const char *member,
                             const char *key, const char *value, ov_wall now, char why[256])
{
    struct ov_net_record n;
    struct ov_member_record m;
    int r = find(c, which, member, &n, &m, why);
    if (r == OV_OK)
        r = ov_settings_member(&n, &m, key, value, why);
    if (r != OV_OK)
        return r;
    bool cert = strcmp(key, "bridge") == 0 || strcmp(key, "ip") == 0;
    struct ov_assigned assigned;
    bool told = cert && m.state == OV_MEMBER_ADMITTED;
    if (told)
        r = ov_engine_assign(c, &n, &m, &assigned);
    if (r == OV_EFULL)
        return ov_engine_fail(why, r, "%s has no address left to give: add a pool", n.name);
    if (r == OV_OK && told)
        r = ov_engine_stamp_revocation(c, now, &m.revoked);
    if (r == OV_OK)
        r = c->store->ops->member_put(c->store, &m, NULL);
    if (r != OV_OK)
        return ov_engine_store_fail(c, why, r);
    if (cert)
        ov_engine_forget(c, n.netid); /* addresses may have become free */
    if (told) {
        tell(c, &n, &m, now); /* the new certificate first, then the end of the old ones */
        ov_engine_flood(c, &n, m.id.addr, m.revoked);
    }
    return OV_OK;
}
