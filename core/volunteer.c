#include "volunteer.h"

#include "hop.h"
#include "lookup.h"
#include "member.h"
#include "punch.h"

#include <string.h>

#define ASK_GAP   (60 * OV_SEC)
#define ASK_EMPTY (10 * OV_SEC) /* while none is known */

/* Locally administered, a group, and no program's. */
const struct ov_mac OV_VOLUNTEERS = {{0x03, 'o', 'v', 'p', 'n', 'r'}};

static bool same(const struct ov_mac *a, const struct ov_mac *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

size_t ov_volunteer_groups(const struct ov_network *net, struct ov_mac out[OV_GROUPS_MAX])
{
    size_t n = 0;
    if (net->o->e->volunteer)
        out[n++] = OV_VOLUNTEERS;
    for (size_t i = 0; i < net->ngroups && n < OV_GROUPS_MAX; i++)
        if (!same(&net->groups[i], &OV_VOLUNTEERS))
            out[n++] = net->groups[i];
    return n;
}

static bool told(const struct ov_member *m)
{
    for (int i = 0; i < m->ngroups; i++)
        if (same(&m->groups[i], &OV_VOLUNTEERS))
            return true;
    return false;
}

/* Its membership in `net`, if that is valid now. */
static struct ov_member *valid_in(const struct ov_network *net, struct ov_peer *p)
{
    struct ov_member *m = ov_network_ready(net) ? ov_member_find(net, p->id.addr) : NULL;
    return m && ov_member_is(m, p) && ov_member_valid(net, m) ? m : NULL;
}

void ov_volunteer_look(const struct ov_overlay *o, struct ov_peer *p)
{
    p->volunteer = false;
    /* One whose address is not proven gives way to whoever proves it, perhaps while it relays. */
    for (size_t i = 0; !p->claimed && i < o->n && !p->volunteer; i++) {
        const struct ov_member *m = valid_in(o->nets[i], p);
        p->volunteer = m && told(m);
    }
}

bool ov_volunteer_may(const struct ov_overlay *o, struct ov_peer *from, struct ov_peer *to)
{
    if (!o->e->volunteer)
        return false;
    for (size_t i = 0; i < o->n; i++)
        if (valid_in(o->nets[i], from) && valid_in(o->nets[i], to))
            return true;
    return false;
}

/* ---- finding them ---- */

static void ask(struct ov_network *net)
{
    struct ov_volunteers *v = &net->volunteers;
    ov_time now = net->o->e->now;
    struct ov_msg_lookup m = {.netid = net->id,
                              .key = {.kind = OV_LOOKUP_GROUP, .group = OV_VOLUNTEERS}};
    if (v->asked && now - v->asked < (v->n ? ASK_GAP : ASK_EMPTY))
        return;
    v->asked = now;
    v->asking = true;
    ov_lookup_ask(net, &m, v->tries++);
}

void ov_volunteer_found(struct ov_network *net, const struct ov_msg_found *f)
{
    struct ov_volunteers *v = &net->volunteers;
    struct ov_member *m;
    if (!v->asking || f->flags & OV_FOUND_UNCHANGED)
        return;
    v->asking = false;
    v->n = 0;
    for (int i = 0; i < f->n; i++)
        if (ov_member_told(net, f->certs[i].p, f->certs[i].len, &m) == OV_OK)
            v->member[v->n++] = m->cert.member.addr;
}

/* The weight of a volunteer for a pair, the same at both ends (SplitMix64's finish). */
static uint64_t weight(ov_addr a, ov_addr b, ov_addr volunteer)
{
    uint64_t x = (a ^ b) * 0x9e3779b97f4a7c15ull ^ volunteer;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    return x ^ x >> 31;
}

/* The volunteers with the most weight, heaviest first; returns how many. */
static int pick(const struct ov_network *net, const struct ov_peer *p,
                struct ov_member *out[OV_HOPS_MEMBERS])
{
    const struct ov_volunteers *v = &net->volunteers;
    ov_addr self = net->o->e->id.pub.addr;
    uint64_t w[OV_HOPS_MEMBERS];
    int n = 0;
    for (size_t i = 0; i < v->n; i++) {
        struct ov_member *m = ov_member_find(net, v->member[i]);
        if (!m || m->cert.member.addr == p->id.addr || !ov_member_valid(net, m))
            continue;
        uint64_t x = weight(self, p->id.addr, m->cert.member.addr);
        int at = n < OV_HOPS_MEMBERS ? n++ : OV_HOPS_MEMBERS;
        for (; at > 0 && w[at - 1] < x; at--)
            if (at < OV_HOPS_MEMBERS) {
                w[at] = w[at - 1];
                out[at] = out[at - 1];
            }
        if (at < OV_HOPS_MEMBERS) {
            w[at] = x;
            out[at] = m;
        }
    }
    return n;
}

/* Have a direct path to it, its own word that it relays, and it ours that we are a member. */
static void approach(struct ov_network *net, struct ov_member *m, struct ov_peer *p)
{
    struct ov_peer *r = ov_member_peer(m);
    if (!r || r->relay)
        return;
    r->last_frame = net->o->e->now; /* as if used: kept alive, and punched to */
    ov_volunteer_look(net->o, r);
    if (!ov_peer_up(r) || !r->volunteer)
        ov_member_ask(net, r); /* connects, if need be */
    else if (ov_peer_online(r))
        ov_hop_offer(p, r);
    if (ov_peer_up(r) && r->paths && r->paths->active < 0)
        ov_punch_kick(r);
}

void ov_volunteer_seek(const struct ov_overlay *o, struct ov_peer *p)
{
    struct ov_member *m[OV_HOPS_MEMBERS];
    for (size_t i = 0; i < o->n; i++) {
        struct ov_network *net = o->nets[i];
        if (!valid_in(net, p))
            continue;
        ask(net);
        int n = pick(net, p, m);
        for (int k = 0; k < n; k++)
            approach(net, m[k], p);
        if (n)
            return;
    }
}
