#include "api_guests.h"

#include <assert.h>

static bool is_owner(const struct ov_api_guest *p)
{
    return p->access == OV_API_ACCESS_ALL;
}

static bool placed(const struct ov_api_guest *p)
{
    return p->here && !p->going;
}

static size_t count(const struct ov_api_guests *g, bool owner)
{
    size_t n = 0;
    for (size_t i = 0; i < OV_API_GUESTS_MAX; i++)
        n += placed(&g->v[i]) && is_owner(&g->v[i]) == owner;
    return n;
}

static size_t count_user(const struct ov_api_guests *g, uid_t uid)
{
    size_t n = 0;
    for (size_t i = 0; i < OV_API_GUESTS_MAX; i++)
        n += placed(&g->v[i]) && !is_owner(&g->v[i]) && g->v[i].uid == uid;
    return n;
}

static struct ov_api_guest *unused(struct ov_api_guests *g)
{
    for (size_t i = 0; i < OV_API_GUESTS_MAX; i++)
        if (!g->v[i].here)
            return &g->v[i];
    return NULL;
}

bool ov_api_guests_room(const struct ov_api_guests *g)
{
    size_t n = 0;
    for (size_t i = 0; i < OV_API_GUESTS_MAX; i++)
        n += g->v[i].here;
    return n < OV_API_GUESTS_MAX && count(g, true) < OV_API_CONNECTIONS_MAX;
}

/* The connection of this user that is idle for longest. */
static struct ov_api_guest *idlest(struct ov_api_guests *g, uid_t uid)
{
    struct ov_api_guest *best = NULL;
    for (size_t i = 0; i < OV_API_GUESTS_MAX; i++) {
        struct ov_api_guest *p = &g->v[i];
        if (placed(p) && !is_owner(p) && p->uid == uid && (best == NULL || p->since < best->since))
            best = p;
    }
    return best;
}

/* The same of the user who has most of them, a newcomer's counted in. */
static struct ov_api_guest *idlest_of_most(struct ov_api_guests *g, uid_t newcomer, bool owner)
{
    struct ov_api_guest *best = NULL;
    size_t most = 0;
    for (size_t i = 0; i < OV_API_GUESTS_MAX; i++) {
        struct ov_api_guest *p = &g->v[i];
        if (!placed(p) || is_owner(p))
            continue;
        size_t n = count_user(g, p->uid) + (!owner && p->uid == newcomer);
        if (best == NULL || n > most || (n == most && p->since < best->since)) {
            best = p;
            most = n;
        }
    }
    return best;
}

struct ov_api_guest *ov_api_guests_enter(struct ov_api_guests *g, const struct ov_api_caller *who,
                                         int fd, uint64_t now, struct ov_api_guest **out)
{
    bool owner = who->access == OV_API_ACCESS_ALL;
    size_t others = count(g, false), all = others + count(g, true);
    assert(ov_api_guests_room(g));
    *out = NULL;
    if (!owner && count_user(g, who->uid) >= OV_API_USER_MAX)
        *out = idlest(g, who->uid);
    else if (all >= OV_API_CONNECTIONS_MAX || (!owner && others >= OV_API_OTHERS_MAX))
        *out = idlest_of_most(g, who->uid, owner);
    if (*out != NULL)
        (*out)->going = true;
    struct ov_api_guest *p = unused(g);
    *p = (struct ov_api_guest){
        .here = true, .uid = who->uid, .access = who->access, .fd = fd, .since = now};
    return p;
}
