#include "directory.h"

#include "volunteer.h"

#include <stdlib.h>
#include <string.h>

#define SILENT (500 * OV_MS) /* a controller that owes an answer for so long is asked last */
#define NETS_SHARE                                                                                 \
    16 /* with so many networks, a controller's or source's new ones crowd out its own */
#define LOOK_EVERY OV_SEC /* who is alive is looked at so often */
#define EVICT_LOOK 256    /* entries looked at to find one that may give way */

struct entry {
    ov_addr addr;
    struct ov_cert cert;
    uint16_t len;
    uint8_t blob[OV_CERT_MAX];
    uint8_t ngroups;
    struct ov_mac groups[]; /* ngroups of them */
};

/* What is asked of every entry lies together: a list of 16384 is gone through for one LOOKUP. */
struct place {
    ov_addr addr;
    uint64_t groups; /* bits of those that it wants, see group_bit(); all for a bridge */
    struct entry *x;
    bool live; /* when last looked at */
};

struct dirnet {
    ov_netid id;
    struct ov_identity controller;
    struct ov_ip source; /* of who brought it here; family 0: not known */
    bool ours;           /* we control it, or are in it */
    uint64_t version;
    ov_time last_use;
    struct place *sorted; /* by address */
    size_t n, cap;
    ov_time looked;
    size_t live;       /* entries, of which */
    uint64_t live_sum; /* is a number that differs with who they are */
    struct ov_map ips; /* IP -> entry */
    struct ov_revoked revoked;
};

struct ov_directory {
    struct ov_engine *e;
    struct ov_map nets;
    size_t members;
    /* Where looking for one that may give way goes on: the map's place, the network, its entry. */
    size_t evict_it, evict_at;
    ov_netid evict_net;
};

struct ov_directory *ov_directory_new(struct ov_engine *e)
{
    struct ov_directory *d = calloc(1, sizeof *d);
    uint8_t seed[16];
    if (!d)
        return NULL;
    d->e = e;
    e->random.fill(e->random.arg, seed, sizeof seed);
    ov_map_init(&d->nets, OV_DIRECTORY_NETS, seed);
    return d;
}

size_t ov_directory_members(const struct ov_directory *d)
{
    return d->members;
}

/* ---- tables ---- */

static void unindex(struct dirnet *n, const struct entry *x)
{
    for (int i = 0; i < x->cert.naddrs; i++)
        if (ov_map_get(&n->ips, ov_key_ip(&x->cert.addrs[i].ip)) == x)
            ov_map_del(&n->ips, ov_key_ip(&x->cert.addrs[i].ip));
}

/* Position of the first entry whose address is at least `a`. */
static size_t lower_bound(const struct dirnet *n, ov_addr a)
{
    size_t lo = 0, hi = n->n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (n->sorted[mid].addr < a)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static struct entry *find(const struct dirnet *n, ov_addr a)
{
    size_t i = lower_bound(n, a);
    return i < n->n && n->sorted[i].addr == a ? n->sorted[i].x : NULL;
}

/* The entry of this very key; another one may have the address. */
static struct entry *find_member(const struct dirnet *n, const struct ov_identity *id)
{
    struct entry *x = find(n, id->addr);
    return x && ov_identity_equal(&x->cert.member, id) ? x : NULL;
}

/* ---- what peers are by it ---- */

static enum ov_bond level(const struct dirnet *n)
{
    return n->ours ? OV_BOND_OURS : OV_BOND_ANNOUNCED;
}

static void note_announced(const struct dirnet *n, struct ov_peer *p)
{
    if (p && p->announced < level(n))
        p->announced = level(n);
}

void ov_directory_met(const struct ov_directory *d, struct ov_peer *p)
{
    const struct dirnet *n;
    p->announced = OV_BOND_NONE;
    for (size_t it = 0; (n = ov_map_next(&d->nets, &it, NULL)) != NULL;)
        if (find_member(n, &p->id) || ov_identity_equal(&n->controller, &p->id))
            note_announced(n, p);
}

/* ---- entries ---- */

static uint64_t weight(ov_addr a)
{
    return a * 0x9e3779b97f4a7c15ull;
}

static void set_live(struct dirnet *n, struct place *at, bool live)
{
    if (at->live == live)
        return;
    at->live = live;
    n->live += live ? 1u : (size_t)-1;
    n->live_sum += live ? weight(at->addr) : -weight(at->addr);
}

static void remove_entry(struct ov_directory *d, struct dirnet *n, ov_addr a)
{
    size_t i = lower_bound(n, a);
    if (i == n->n || n->sorted[i].addr != a)
        return;
    set_live(n, &n->sorted[i], false);
    unindex(n, n->sorted[i].x);
    free(n->sorted[i].x);
    memmove(&n->sorted[i], &n->sorted[i + 1], (n->n - i - 1) * sizeof *n->sorted);
    n->n--;
    d->members--;
    n->version++;
    struct ov_peer *p = ov_peer_find(d->e, a);
    if (p && p->announced)
        ov_directory_met(d, p);
}

/* (Who is in another network like this one is noted anew when it announces itself there.) */
static void free_net(struct ov_directory *d, struct dirnet *n)
{
    for (size_t i = 0; i < n->n; i++) {
        struct ov_peer *p = ov_peer_find(d->e, n->sorted[i].addr);
        if (p && p->announced <= level(n))
            p->announced = OV_BOND_NONE;
        free(n->sorted[i].x);
    }
    d->members -= n->n;
    free(n->sorted);
    ov_map_free(&n->ips);
    ov_map_del(&d->nets, ov_key_u64(n->id));
    free(n);
}

void ov_directory_free(struct ov_directory *d)
{
    struct dirnet *n;
    if (!d)
        return;
    for (size_t it = 0; (n = ov_map_next(&d->nets, &it, NULL)) != NULL;)
        free_net(d, n);
    ov_map_free(&d->nets);
    free(d);
}

/* ---- who is there ---- */

static bool alive(const struct ov_directory *d, const struct entry *x)
{
    if (x->addr == d->e->id.pub.addr)
        return true;
    const struct ov_peer *p = ov_peer_find(d->e, x->addr);
    return p && ov_identity_equal(&p->id, &x->cert.member) && p->s.current &&
           d->e->now - p->last_rx < OV_DIRECTORY_ALIVE;
}

static void look(const struct ov_directory *d, struct dirnet *n)
{
    if (n->looked && d->e->now - n->looked < LOOK_EVERY)
        return;
    n->looked = d->e->now;
    for (size_t i = 0; i < n->n; i++)
        set_live(n, &n->sorted[i], alive(d, n->sorted[i].x));
}

/* ---- room ---- */

/* Where this announcement comes from, as one place is: an IPv4 address, an IPv6 /64, or all that is
 * relayed. */
static struct ov_ip source_of(const struct ov_peer *from)
{
    struct ov_ip ip = {0};
    if (from && from->paths && from->paths->active >= 0)
        ip = from->paths->p[from->paths->active].remote.ip;
    if (ip.family == 6)
        memset(ip.b + 8, 0, 8);
    return ip;
}

/* Is `a` to go rather than `b`: with fewer members there, else longer without an announcement? */
static bool lesser(const struct dirnet *a, const struct dirnet *b)
{
    return !b || a->live < b->live || (a->live == b->live && a->last_use < b->last_use);
}

/* Make room for a network of `controller` that comes from `source`: of those of the same one when
 * that has its share, else of anybody's; never one of ours. */
static bool evict_net(struct ov_directory *d, ov_addr controller, const struct ov_ip *source)
{
    struct dirnet *n, *pick = NULL, *own = NULL, *near = NULL;
    size_t owns = 0, nears = 0;
    if (d->nets.len < OV_DIRECTORY_NETS)
        return true;
    for (size_t it = 0; (n = ov_map_next(&d->nets, &it, NULL)) != NULL;) {
        if (n->ours)
            continue;
        look(d, n);
        if (lesser(n, pick))
            pick = n;
        if (ov_ip_equal(&n->source, source) && ++nears && lesser(n, near))
            near = n;
        if (n->controller.addr == controller && ++owns && lesser(n, own))
            own = n;
    }
    if (nears >= NETS_SHARE)
        pick = near;
    if (owns >= NETS_SHARE)
        pick = own;
    if (pick)
        free_net(d, pick);
    return pick != NULL;
}

/* All places are taken: a member that is not there any more gives way. False: none was found now;
 * the next one goes on looking from here. */
static bool evict_member(struct ov_directory *d)
{
    for (int i = 0; i < EVICT_LOOK; i++) {
        struct dirnet *n = ov_map_get(&d->nets, ov_key_u64(d->evict_net));
        if (!n || d->evict_at >= n->n) {
            n = ov_map_next(&d->nets, &d->evict_it, NULL);
            d->evict_it = n ? d->evict_it : 0;
            d->evict_net = n ? n->id : 0;
            d->evict_at = 0;
            continue;
        }
        if (!alive(d, n->sorted[d->evict_at].x)) {
            remove_entry(d, n, n->sorted[d->evict_at].addr);
            return true;
        }
        d->evict_at++;
    }
    return false;
}

/* The network of a certificate just seen to be its controller's: made if need be. */
static struct dirnet *make_net(struct ov_directory *d, ov_netid id, const struct ov_identity *c,
                               const struct ov_peer *from)
{
    struct ov_engine *e = d->e;
    struct ov_ip source = source_of(from);
    uint8_t seed[16];
    if (!evict_net(d, c->addr, &source))
        return NULL;
    struct dirnet *n = calloc(1, sizeof *n);
    if (!n || ov_map_put(&d->nets, ov_key_u64(id), n) != OV_OK) {
        free(n);
        return NULL;
    }
    n->id = id;
    n->controller = *c;
    n->source = source;
    n->ours = c->addr == e->id.pub.addr;
    n->version = ov_random_u64(&e->random) >> 16; /* so that a restart is noticed */
    e->random.fill(e->random.arg, seed, sizeof seed);
    ov_map_init(&n->ips, (size_t)OV_DIRECTORY_MEMBERS * OV_CERT_ADDRS_MAX, seed);
    struct ov_peer *owner = ov_peer_find(e, c->addr);
    if (owner && ov_identity_equal(&owner->id, c))
        note_announced(n, owner);
    return n;
}

/* A network enters with the first member that shows a certificate of a controller whose identity
 * proves itself against the network id. Nothing is made room for before that. */
static struct dirnet *proven_net(struct ov_directory *d, const struct ov_peer *from,
                                 const struct ov_msg_announce *m, struct ov_cert *c)
{
    struct ov_engine *e = d->e;
    struct dirnet *n = ov_map_get(&d->nets, ov_key_u64(c->netid));
    struct ov_identity id = m->controller;
    if (n && !ov_identity_equal(&n->controller, &id))
        return NULL;
    if (!n &&
        (!ov_bucket_take(&e->pow_checks, 1, e->now) || ov_identity_check(&id, &e->pow) != OV_OK ||
         id.addr != ov_netid_controller(c->netid)))
        return NULL;
    if (ov_cert_verify(m->cert.p, m->cert.len, n ? &n->controller : &id, c) != OV_OK)
        return NULL;
    return n ? n : make_net(d, c->netid, &id, from);
}

/* ---- serving ---- */

/* One of 64 bits, which nobody outside can choose: without it an entry does not want the group. */
static uint64_t group_bit(const struct dirnet *n, const struct ov_mac *g)
{
    struct ov_key k = {0};
    memcpy(&k.lo, g->b, sizeof g->b);
    return 1ull << (ov_map_hash(&n->ips, k) & 63);
}

static uint64_t group_bits(const struct dirnet *n, const struct entry *x)
{
    uint64_t bits = x->cert.perms & OV_PERM_BRIDGE ? UINT64_MAX : 0;
    for (int i = 0; i < x->ngroups; i++)
        bits |= group_bit(n, &x->groups[i]);
    return bits;
}

/* Broadcast means everybody; bridges hear every group, for whoever is behind them. */
static bool wants(const struct entry *x, const struct ov_mac *group)
{
    if (ov_mac_is_broadcast(group) || (x->cert.perms & OV_PERM_BRIDGE))
        return true;
    for (int i = 0; i < x->ngroups; i++)
        if (ov_mac_equal(&x->groups[i], group))
            return true;
    return false;
}

static struct entry *make_entry(const struct ov_cert *c, const struct ov_msg_announce *m)
{
    struct entry *x = malloc(sizeof *x + m->ngroups * sizeof x->groups[0]);
    if (!x)
        return NULL;
    x->addr = c->member.addr;
    x->cert = *c;
    x->len = (uint16_t)m->cert.len;
    memcpy(x->blob, m->cert.p, m->cert.len);
    x->ngroups = m->ngroups;
    memcpy(x->groups, m->groups, m->ngroups * sizeof x->groups[0]);
    return x;
}

static bool insert(struct ov_directory *d, struct dirnet *n, struct entry *x)
{
    if (n->n == n->cap) {
        size_t cap = n->cap ? n->cap * 2 : 16;
        struct place *v = realloc(n->sorted, cap * sizeof *v);
        if (!v)
            return false;
        n->sorted = v;
        n->cap = cap;
    }
    size_t i = lower_bound(n, x->addr);
    memmove(&n->sorted[i + 1], &n->sorted[i], (n->n - i) * sizeof *n->sorted);
    n->sorted[i] = (struct place){x->addr, group_bits(n, x), x, false};
    set_live(n, &n->sorted[i], true);
    n->n++;
    d->members++;
    n->version++;
    for (int k = 0; k < x->cert.naddrs; k++) {
        const struct entry *other = ov_map_get(&n->ips, ov_key_ip(&x->cert.addrs[k].ip));
        if (other && other->cert.timestamp > x->cert.timestamp)
            continue; /* was given to somebody else since */
        if (ov_map_put(&n->ips, ov_key_ip(&x->cert.addrs[k].ip), x) != OV_OK)
            ov_drop(d->e, OV_DROP_TABLE_FULL);
    }
    return true;
}

static bool same_entry(const struct entry *x, const struct ov_msg_announce *m)
{
    return x->len == m->cert.len && memcmp(x->blob, m->cert.p, x->len) == 0 &&
           x->ngroups == m->ngroups &&
           memcmp(x->groups, m->groups, m->ngroups * sizeof x->groups[0]) == 0;
}

void ov_directory_announced(struct ov_directory *d, struct ov_peer *from,
                            const struct ov_msg_announce *m)
{
    struct ov_engine *e = d->e;
    const struct ov_identity *who = from ? &from->id : &e->id.pub;
    struct ov_cert c;
    if (ov_cert_decode(m->cert.p, m->cert.len, &c) != OV_OK || !ov_identity_equal(&c.member, who)) {
        ov_drop(e, OV_DROP_NOT_MEMBER);
        return;
    }
    struct dirnet *n = proven_net(d, from, m, &c);
    if (!n || c.timestamp <= ov_revoked_until(&n->revoked, c.member.addr)) {
        ov_drop(e, OV_DROP_NOT_MEMBER);
        return;
    }
    n->last_use = e->now;
    n->ours |= !from;
    struct entry *old = find(n, c.member.addr);
    if (old && (same_entry(old, m) || c.timestamp < old->cert.timestamp)) {
        if (find_member(n, who))
            note_announced(n, from);
        return;
    }
    if (!old && d->members >= OV_DIRECTORY_MEMBERS && !evict_member(d)) {
        ov_drop(e, OV_DROP_TABLE_FULL);
        return;
    }
    struct entry *x = make_entry(&c, m);
    if (old)
        remove_entry(d, n, c.member.addr);
    if (x && insert(d, n, x))
        note_announced(n, from);
    else
        free(x);
}

void ov_directory_withdraw(struct ov_directory *d, ov_netid net, const struct ov_identity *member)
{
    struct dirnet *n = ov_map_get(&d->nets, ov_key_u64(net));
    if (!n || !find_member(n, member))
        return;
    remove_entry(d, n, member->addr);
    if (member->addr != d->e->id.pub.addr)
        return;
    n->ours = n->controller.addr == member->addr;
    for (size_t i = 0; i < n->n; i++) {
        struct ov_peer *p = ov_peer_find(d->e, n->sorted[i].addr);
        if (p)
            ov_directory_met(d, p);
    }
}

void ov_directory_revoked(struct ov_directory *d, const uint8_t *blob, size_t len)
{
    struct ov_revocation r;
    if (ov_revocation_decode(blob, len, &r) != OV_OK)
        return;
    struct dirnet *n = ov_map_get(&d->nets, ov_key_u64(r.netid));
    if (!n || ov_revocation_verify(blob, len, &n->controller, &r) != OV_OK ||
        !ov_revoked_add(&n->revoked, r.member, r.timestamp, 0)) /* its window is not known here */
        return;
    const struct entry *x = find(n, r.member);
    if (x && x->cert.timestamp <= r.timestamp)
        remove_entry(d, n, r.member);
}

/* What an asker remembers to hear "unchanged": differs whenever an entry does, and a second later
 * than who is alive. */
static uint64_t state_of(const struct ov_directory *d, struct dirnet *n)
{
    look(d, n);
    uint64_t sum = n->version + n->live_sum;
    return sum ? sum : 1; /* 0 means "none" in a LOOKUP */
}

static void add(struct ov_msg_found *f, const struct entry *x)
{
    f->certs[f->n++] = (struct ov_slice){x->blob, x->len};
}

static void collect_group(const struct dirnet *n, ov_addr who, const struct ov_msg_lookup *m,
                          struct ov_msg_found *f)
{
    size_t bytes = 0;
    bool all = ov_mac_is_broadcast(&m->key.group);
    uint64_t bit = group_bit(n, &m->key.group);
    for (size_t i = lower_bound(n, m->after + 1); i < n->n; i++) {
        const struct entry *x = n->sorted[i].x;
        if (!n->sorted[i].live || (!all && !(n->sorted[i].groups & bit)))
            continue;
        if (x->addr == who || !wants(x, &m->key.group))
            continue;
        if (f->n == OV_FOUND_MAX || bytes + x->len + 2 > OV_MESSAGE_MAX - 256) {
            f->flags |= OV_FOUND_MORE;
            return;
        }
        bytes += x->len + 2u;
        add(f, x);
    }
}

int ov_directory_answer(struct ov_directory *d, const struct ov_identity *who,
                        const struct ov_msg_lookup *m, uint8_t *out)
{
    struct dirnet *n = ov_map_get(&d->nets, ov_key_u64(m->netid));
    const struct entry *x;
    struct ov_writer w;
    if (!n || !find_member(n, who))
        return OV_EPERM;
    struct ov_msg_found f = {.netid = m->netid, .key = m->key};
    if (m->key.kind == OV_LOOKUP_GROUP) {
        f.version = state_of(d, n);
        if (m->version == f.version && m->after == 0)
            f.flags = OV_FOUND_UNCHANGED;
        else
            collect_group(n, who->addr, m, &f);
    }
    /* One member: alive or not, as the asker may be on its LAN, or hold a path to it. */
    if (m->key.kind == OV_LOOKUP_IP) {
        if ((x = ov_map_get(&n->ips, ov_key_ip(&m->key.ip))) != NULL)
            add(&f, x);
    } else if (m->key.kind == OV_LOOKUP_MEMBER && (x = find(n, m->key.member)) != NULL) {
        add(&f, x);
    }
    ov_writer_init(&w, out, OV_MESSAGE_MAX);
    ov_msg_found_encode(&w, &f);
    return w.failed ? OV_EFULL : (int)w.len;
}

/* ---- using ---- */

static bool names(const struct ov_network *net, const struct ov_peer *p)
{
    for (int i = 0; net->config && i < net->config->nroots; i++)
        if (ov_identity_equal(&net->config->roots[i].id, &p->id))
            return true;
    return false;
}

bool ov_directory_is(const struct ov_network *net, const struct ov_peer *p)
{
    return p == net->controller_peer ||
           (p->keep && (p->caps & OV_CAP_ROOT) && (p->chosen || names(net, p)));
}

struct ov_peer *ov_directory_pick(const struct ov_network *net, unsigned nth, bool *self)
{
    struct ov_engine *e = net->o->e;
    struct ov_peer *list[2 + 16];
    unsigned n = 0;
    bool own = net->o->directory && net->controller.addr == e->id.pub.addr;
    *self = own && nth == 0;
    if (own)
        list[n++] = NULL;
    struct ov_peer *c = net->controller_peer;
    bool up = c && ov_peer_up(c), silent = up && c->unheard && e->now - c->unheard >= SILENT;
    if (up && !silent)
        list[n++] = c;
    for (struct ov_peer *p = e->keep; p && n < 16; p = p->keep_next)
        if (p != net->controller_peer && ov_directory_is(net, p) && ov_peer_up(p))
            list[n++] = p;
    if (silent) /* the last resort: the next packet may show that it is there */
        list[n++] = c;
    if (n == 0)
        return NULL;
    if (own && nth % n == 0)
        *self = true;
    return list[nth % n];
}

void ov_directory_announce(struct ov_network *net)
{
    struct ov_engine *e = net->o->e;
    struct ov_msg_announce a = {.controller = net->controller,
                                .cert = {net->cert_blob, net->cert_len}};
    uint8_t buf[1024 + OV_CERT_MAX];
    struct ov_writer w;
    a.ngroups = (uint8_t)ov_volunteer_groups(net, a.groups);
    if (net->o->directory)
        ov_directory_announced(net->o->directory, NULL, &a);
    ov_writer_init(&w, buf, sizeof buf);
    ov_msg_announce_encode(&w, &a);
    if (w.failed)
        return;
    for (struct ov_peer *p = e->keep; p; p = p->keep_next)
        if (ov_directory_is(net, p) && ov_peer_up(p))
            ov_peer_send(p, buf, w.len, OV_SEND_QUIET);
}
