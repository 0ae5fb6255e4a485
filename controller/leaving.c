#include "engine.h"

/* Nodes that said good-bye.
 *
 * Who waits to be admitted and asks no more is nobody that the owner has to decide on, so it is
 * forgotten. A member keeps its name and its address, for when it comes back; that it is away is
 * only shown, so it is kept in memory, and a good-bye that got lost costs nothing but a wrong word
 * until its session ends. */

#include <stdlib.h>

static struct ov_key key(ov_netid id, ov_addr member)
{
    return (struct ov_key){id, member};
}

void ov_engine_forget_left(struct ov_controller *c)
{
    struct ov_key k;
    ov_wall *when;
    for (size_t it = 0; (when = ov_map_next(&c->left, &it, &k)) != NULL;) {
        ov_map_del(&c->left, k);
        free(when);
    }
}

void ov_engine_back(struct ov_controller *c, ov_netid id, ov_addr member)
{
    free(ov_map_del(&c->left, key(id, member)));
}

ov_wall ov_controller_left(const struct ov_controller *c, ov_netid id, ov_addr member)
{
    const ov_wall *when = ov_map_get(&c->left, key(id, member));
    return when != NULL ? *when : 0;
}

void ov_engine_gone(struct ov_controller *c, ov_netid id, ov_addr member, ov_wall now)
{
    ov_engine_back(c, id, member);
    if (c->left.len >= OV_LEFT_MAX)
        ov_engine_forget_left(c);
    ov_wall *when = malloc(sizeof *when);
    if (when == NULL)
        return;
    *when = now;
    if (ov_map_put(&c->left, key(id, member), when) != OV_OK)
        free(when);
}

int ov_controller_bye(struct ov_controller *c, const struct ov_identity *from, ov_netid id,
                      ov_wall now)
{
    struct ov_member_record m;
    if (!ov_engine_allowed(c, from->addr, now))
        return OV_ELIMIT;
    int r = c->store->ops->member_get(c->store, id, from->addr, &m);
    if (r == OV_ENOENT || (r == OV_OK && !ov_identity_equal(&m.id, from)))
        return OV_OK;
    if (r == OV_OK && m.state == OV_MEMBER_PENDING)
        r = c->store->ops->member_delete(c->store, id, from->addr);
    else if (r == OV_OK)
        ov_engine_gone(c, id, from->addr, now);
    return r == OV_OK ? r : OV_EIO;
}
