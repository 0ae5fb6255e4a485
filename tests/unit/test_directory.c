#include "core/directory.h"

#include "wire_up.h"

#define BASE 0x2000000000ull

/* A root that is the controller, its directory, and members that exist only as certificates. */
struct dir {
    struct wu *w;
    struct wu_node *root;
    struct ov_directory *d;
    struct ov_msg_found found;
    uint8_t buf[OV_MESSAGE_MAX];
    struct ov_identity id; /* the one made last */
};

static struct dir *dir_new(uint64_t seed)
{
    struct dir *x = calloc(1, sizeof *x);

    assert_non_null(x);
    x->w = wu_new(seed);
    x->root = wu_node(x->w, OV_CAP_ROOT | OV_CAP_CONTROLLER);
    wu_network(x->w, x->root);
    x->d = x->root->n->o.directory;
    assert_non_null(x->d);
    return x;
}

static void dir_free(struct dir *x)
{
    wu_free(x->w);
    free(x);
}

static struct ov_ip ip_of(unsigned i)
{
    return (struct ov_ip){4, {10, 1, (uint8_t)(i >> 8), (uint8_t)i}};
}

/* Make the root see a live session with `id`. */
static struct ov_peer *enliven(struct dir *x, const struct ov_identity *id)
{
    struct ov_peer *p;

    ov_node_tick(x->root->n, x->w->now);
    assert_int_equal(ov_peer_get(x->root->e, id, &p), OV_OK);
    if (!p->s.current)
        p->s.current = calloc(1, sizeof *p->s.current);
    assert_non_null(p->s.current);
    p->s.current->born = x->w->now;
    p->last_rx = x->w->now;
    return p;
}

/* Announce `id` with one IP and a multicast group; true if it was taken. */
static bool announce(struct dir *x, struct ov_peer *from, const struct ov_identity *id,
                     ov_wall stamp, const struct ov_ip *ip, uint16_t perms, uint8_t group)
{
    uint8_t cert[OV_CERT_MAX];
    struct ov_msg_announce m = {.controller = x->root->id.pub};
    uint64_t drops = wu_drops(x->root, NOT_MEMBER) + wu_drops(x->root, TABLE_FULL);

    m.cert = (struct ov_slice){cert, wu_cert(x->w, id, stamp, perms, ip, cert)};
    if (group) {
        m.ngroups = 1;
        m.groups[0] = (struct ov_mac){{0x01, 0, 0x5e, 0, 0, group}};
    }
    ov_directory_announced(x->d, from, &m);
    return wu_drops(x->root, NOT_MEMBER) + wu_drops(x->root, TABLE_FULL) == drops;
}

/* The usual member number i, alive. */
static struct ov_peer *member(struct dir *x, unsigned i, uint16_t perms, uint8_t group)
{
    struct ov_ip ip = ip_of(i);

    x->id = wu_fake(x->w, BASE + i);
    struct ov_peer *p = enliven(x, &x->id);
    assert_true(announce(x, p, &x->id, x->w->net.stamp, &ip, perms, group));
    return p;
}

/* Who the root knows by this address. */
static struct ov_identity id_of(const struct dir *x, ov_addr a)
{
    const struct ov_peer *p = ov_peer_find(x->root->e, a);

    return p ? p->id : (struct ov_identity){.addr = a};
}

static int ask(struct dir *x, ov_addr who, const struct ov_msg_lookup *m)
{
    struct ov_identity id = id_of(x, who);
    int len = ov_directory_answer(x->d, &id, m, x->buf);

    memset(&x->found, 0, sizeof x->found);
    if (len > 0)
        assert_int_equal(ov_msg_found_decode(x->buf + 1, (size_t)len - 1, &x->found), OV_OK);
    return len;
}

static void withdraw(struct dir *x, ov_netid net, ov_addr who)
{
    struct ov_identity id = id_of(x, who);

    ov_directory_withdraw(x->d, net, &id);
}

static int ask_ip(struct dir *x, ov_addr who, unsigned i)
{
    return ask(x, who,
               &(struct ov_msg_lookup){.netid = x->w->net.config.netid,
                                       .key = {.kind = OV_LOOKUP_IP, .ip = ip_of(i)}});
}

static int ask_member(struct dir *x, ov_addr who, ov_addr a)
{
    return ask(x, who,
               &(struct ov_msg_lookup){.netid = x->w->net.config.netid,
                                       .key = {.kind = OV_LOOKUP_MEMBER, .member = a}});
}

/* group 0: broadcast. */
static int ask_group(struct dir *x, ov_addr who, uint8_t group, uint64_t version, ov_addr after)
{
    struct ov_mac mac = {{0x01, 0, 0x5e, 0, 0, group}};

    return ask(x, who,
               &(struct ov_msg_lookup){
                   .netid = x->w->net.config.netid,
                   .key = {.kind = OV_LOOKUP_GROUP, .group = group ? mac : wu_broadcast},
                   .version = version,
                   .after = after});
}

static ov_addr found_addr(const struct dir *x, int i)
{
    struct ov_cert c;

    assert_true(i < x->found.n);
    assert_int_equal(
        ov_cert_verify(x->found.certs[i].p, x->found.certs[i].len, &x->root->id.pub, &c), OV_OK);
    return c.member.addr;
}

/* ---- asking ---- */

static void test_lookups(void **state)
{
    struct dir *x = dir_new(1);

    (void)state;
    for (unsigned i = 1; i <= 5; i++)
        member(x, i, i == 5 ? OV_PERM_BRIDGE : 0, (uint8_t)(i % 2 ? 7 : 0));
    assert_int_equal(ov_directory_members(x->d), 5);
    assert_true(ask_ip(x, BASE + 1, 3) > 0);
    assert_int_equal(x->found.n, 1);
    assert_true(found_addr(x, 0) == BASE + 3);
    assert_true(ask_ip(x, BASE + 1, 77) > 0);
    assert_int_equal(x->found.n, 0);
    assert_true(ask_member(x, BASE + 1, BASE + 2) > 0);
    assert_true(found_addr(x, 0) == BASE + 2);
    assert_true(ask_member(x, BASE + 1, BASE + 99) > 0);
    assert_int_equal(x->found.n, 0);
    /* Everybody but the asker; those of a group, and bridges. */
    assert_true(ask_group(x, BASE + 2, 0, 0, 0) > 0);
    assert_int_equal(x->found.n, 4);
    assert_true(ask_group(x, BASE + 2, 7, 0, 0) > 0);
    assert_int_equal(x->found.n, 3);
    assert_true(ask_group(x, BASE + 2, 9, 0, 0) > 0);
    assert_int_equal(x->found.n, 1);
    assert_true(found_addr(x, 0) == BASE + 5);
    dir_free(x);
}

/* Who fell silent here is in no list, but is told to whoever asks for this very member: between the
 * two there may be a way that the directory knows nothing of. */
static void test_silent_member(void **state)
{
    struct dir *x = dir_new(14);

    (void)state;
    struct ov_peer *one = member(x, 1, 0, 7);
    member(x, 2, 0, 7);
    x->w->now += OV_DIRECTORY_ALIVE;
    enliven(x, &one->id);
    assert_true(ask_group(x, BASE + 1, 0, 0, 0) > 0);
    assert_int_equal(x->found.n, 0);
    assert_true(ask_group(x, BASE + 1, 7, 0, 0) > 0);
    assert_int_equal(x->found.n, 0);
    assert_true(ask_ip(x, BASE + 1, 2) > 0);
    assert_true(found_addr(x, 0) == BASE + 2);
    assert_true(ask_member(x, BASE + 1, BASE + 2) > 0);
    assert_true(found_addr(x, 0) == BASE + 2);
    dir_free(x);
}

static void test_not_announced(void **state)
{
    struct dir *x = dir_new(2);

    (void)state;
    assert_int_equal(ask_member(x, BASE + 1, BASE + 1), OV_EPERM); /* no such network */
    member(x, 1, 0, 0);
    assert_int_equal(ask_member(x, BASE + 2, BASE + 1), OV_EPERM);
    assert_int_equal(ask_ip(x, BASE + 2, 1), OV_EPERM);
    assert_int_equal(ask_group(x, BASE + 2, 0, 0, 0), OV_EPERM);
    withdraw(x, x->w->net.config.netid, BASE + 1);
    withdraw(x, x->w->net.config.netid, BASE + 1);
    withdraw(x, 0x1234567890000001, BASE + 1);
    assert_int_equal(ask_member(x, BASE + 1, BASE + 1), OV_EPERM);
    assert_int_equal(ov_directory_members(x->d), 0);
    dir_free(x);
}

static void test_paging(void **state)
{
    struct dir *x = dir_new(3);
    ov_addr after = 0;
    unsigned seen = 0, pages = 0;

    (void)state;
    for (unsigned i = 100; i > 0; i--) /* in any order */
        member(x, i, 0, 0);
    do {
        assert_true(ask_group(x, BASE + 50, 0, 0, after) > 0);
        pages++;
        for (int i = 0; i < x->found.n; i++, seen++) {
            ov_addr a = found_addr(x, i);
            assert_true(a > after && a != BASE + 50);
            after = a;
        }
    } while (x->found.flags & OV_FOUND_MORE);
    assert_int_equal(seen, 99);
    assert_int_equal(pages, 4);
    assert_true(ask_group(x, BASE + 50, 0, 0, BASE + 100) > 0); /* past the end */
    assert_int_equal(x->found.n, 0);
    assert_int_equal(x->found.flags, 0);
    dir_free(x);
}

/* "Unchanged" for who knows the version, until somebody comes, changes, goes or falls silent. */
static void test_version(void **state)
{
    struct dir *x = dir_new(4);

    (void)state;
    member(x, 1, 0, 0);
    member(x, 2, 0, 0);
    for (int change = 0; change < 4; change++) {
        assert_true(ask_group(x, BASE + 1, 0, 0, 0) > 0);
        uint64_t version = x->found.version;
        assert_true(version != 0);
        assert_true(ask_group(x, BASE + 1, 0, version, 0) > 0);
        assert_int_equal(x->found.flags, OV_FOUND_UNCHANGED);
        assert_int_equal(x->found.n, 0);
        struct ov_ip ip = ip_of(2);
        struct ov_identity two = ov_peer_find(x->root->e, BASE + 2)->id;
        switch (change) {
        case 0:
            member(x, 3, 0, 0);
            break;
        case 1: /* other groups */
            assert_true(
                announce(x, ov_peer_find(x->root->e, BASE + 2), &two, x->w->net.stamp, &ip, 0, 9));
            break;
        case 2: /* silent */
            x->w->now += OV_DIRECTORY_ALIVE;
            enliven(x, &ov_peer_find(x->root->e, BASE + 1)->id);
            enliven(x, &two);
            break;
        case 3:
            withdraw(x, x->w->net.config.netid, BASE + 2);
            break;
        }
        assert_true(ask_group(x, BASE + 1, 0, version, 0) > 0);
        assert_int_equal(x->found.flags, 0);
        assert_int_equal(x->found.n, change < 2 ? 2 : change == 2 ? 1 : 0);
    }
    dir_free(x);
}

/* ---- announcing ---- */

static void test_refused_announcements(void **state)
{
    struct dir *x = dir_new(5);
    struct wu_node *other = wu_node(x->w, OV_CAP_CONTROLLER);
    struct ov_identity a = wu_fake(x->w, BASE + 1), b = wu_fake(x->w, BASE + 2);
    struct ov_peer *pa = enliven(x, &a), *pb = enliven(x, &b);
    uint8_t cert[OV_CERT_MAX];
    struct ov_msg_announce m = {.controller = x->root->id.pub};
    struct ov_ip ip = ip_of(1);

    (void)state;
    assert_false(announce(x, pb, &a, WU_WALL, &ip, 0, 0)); /* somebody else's certificate */
    assert_false(announce(x, NULL, &a, WU_WALL, &ip, 0, 0));
    size_t len = wu_cert(x->w, &a, WU_WALL, 0, &ip, cert);
    uint64_t drops = wu_drops(x->root, NOT_MEMBER);
    for (size_t i = 0; i < len; i++) { /* any byte of it changed */
        cert[i] ^= 1;
        m.cert = (struct ov_slice){cert, len};
        ov_directory_announced(x->d, pa, &m);
        cert[i] ^= 1;
        assert_int_equal(wu_drops(x->root, NOT_MEMBER), ++drops);
        x->w->now += 100 * OV_MS; /* proofs of work are rationed */
        ov_node_tick(x->root->n, x->w->now);
    }
    for (size_t i = 0; i < len; i++) { /* cut off */
        m.cert = (struct ov_slice){cert, i};
        ov_directory_announced(x->d, pa, &m);
        assert_int_equal(wu_drops(x->root, NOT_MEMBER), ++drops);
    }
    /* A controller that the network id does not belong to, proven or not. */
    m.cert = (struct ov_slice){cert, len};
    m.controller = other->id.pub;
    ov_directory_announced(x->d, pa, &m);
    m.controller = wu_fake(x->w, x->root->addr);
    ov_directory_announced(x->d, pa, &m);
    assert_int_equal(wu_drops(x->root, NOT_MEMBER), drops + 2);
    assert_int_equal(ov_directory_members(x->d), 0);
    assert_true(announce(x, pa, &a, WU_WALL, &ip, 0, 0));
    assert_int_equal(ov_directory_members(x->d), 1);
    dir_free(x);
}

static void test_newer_certificate_wins(void **state)
{
    struct dir *x = dir_new(6);
    struct ov_ip one = ip_of(1), two = ip_of(2);
    ov_wall t = x->w->net.stamp;

    (void)state;
    struct ov_peer *p = member(x, 1, 0, 0);
    struct ov_identity a = x->id;
    assert_true(announce(x, p, &a, t + 5, &two, 0, 0));
    assert_true(announce(x, p, &a, t, &one, 0, 0)); /* an old one changes nothing */
    assert_int_equal(ov_directory_members(x->d), 1);
    assert_true(ask_ip(x, BASE + 1, 1) > 0);
    assert_int_equal(x->found.n, 0);
    assert_true(ask_ip(x, BASE + 1, 2) > 0);
    assert_int_equal(x->found.n, 1);
    /* An address that was given to somebody else since stays with them. */
    struct ov_peer *q = member(x, 3, 0, 0);
    struct ov_identity c = x->id;
    assert_true(announce(x, q, &c, t + 9, &two, 0, 0));
    assert_true(ask_ip(x, BASE + 1, 2) > 0);
    assert_true(found_addr(x, 0) == BASE + 3);
    withdraw(x, x->w->net.config.netid, BASE + 1);
    assert_true(announce(x, p, &a, t + 5, &two, 0, 0));
    assert_true(ask_ip(x, BASE + 1, 2) > 0);
    assert_true(found_addr(x, 0) == BASE + 3);
    assert_true(ask_ip(x, BASE + 1, 3) > 0);
    assert_int_equal(x->found.n, 0);
    dir_free(x);
}

static void test_revoked(void **state)
{
    struct dir *x = dir_new(7);
    uint8_t blob[OV_REVOCATION_LEN];
    ov_wall t = x->w->net.stamp;
    struct ov_ip ip = ip_of(1);

    (void)state;
    member(x, 2, 0, 0);
    struct ov_peer *p = member(x, 1, 0, 0);
    struct ov_identity a = x->id;
    wu_revoke(x->w, BASE + 1, t - 1, blob); /* older than its certificate */
    ov_directory_revoked(x->d, blob, sizeof blob);
    assert_int_equal(ov_directory_members(x->d), 2);
    wu_revoke(x->w, BASE + 1, t, blob);
    blob[sizeof blob - 1] ^= 1;
    ov_directory_revoked(x->d, blob, sizeof blob);
    ov_directory_revoked(x->d, blob, sizeof blob - 1);
    assert_int_equal(ov_directory_members(x->d), 2);
    blob[sizeof blob - 1] ^= 1;
    ov_directory_revoked(x->d, blob, sizeof blob);
    assert_int_equal(ov_directory_members(x->d), 1);
    assert_int_equal(ask_ip(x, BASE + 1, 2), OV_EPERM);
    assert_false(announce(x, p, &a, t, &ip, 0, 0));
    assert_true(announce(x, p, &a, t + 1, &ip, 0, 0)); /* admitted again */
    /* More revocations than are remembered: the oldest are forgotten, nothing grows. */
    for (unsigned i = 0; i < 600; i++) {
        wu_revoke(x->w, BASE + 1000 + i, t + 10 + i, blob);
        ov_directory_revoked(x->d, blob, sizeof blob);
    }
    struct ov_identity b = wu_fake(x->w, BASE + 1000 + 599);
    assert_false(announce(x, enliven(x, &b), &b, t + 10, &ip, 0, 0));
    dir_free(x);
}

/* ---- bounds ---- */

/* A certificate of member `id` in network number `k` of controller `c`. */
static bool announce_in(struct dir *x, struct ov_peer *from, const struct ov_identity_secret *c,
                        unsigned k)
{
    struct ov_cert cert = {
        .netid = c->pub.addr << 24 | k, .member = from->id, .timestamp = WU_WALL};
    uint8_t blob[OV_CERT_MAX];
    struct ov_msg_announce m = {.controller = c->pub};
    uint64_t drops = wu_drops(x->root, NOT_MEMBER);
    int len = ov_cert_issue(&cert, c, blob);

    assert_true(len > 0);
    m.cert = (struct ov_slice){blob, (size_t)len};
    x->w->now += 100 * OV_MS;
    ov_node_tick(x->root->n, x->w->now);
    ov_directory_announced(x->d, from, &m);
    return wu_drops(x->root, NOT_MEMBER) == drops;
}

/* Networks are bounded: the one longest not used gives way, but never the root's own. */
static void test_networks_bound(void **state)
{
    struct dir *x = dir_new(8);
    struct ov_identity_secret c;
    uint8_t seed[32];

    (void)state;
    struct ov_peer *own = member(x, 1, 0, 0);
    struct ov_identity id = wu_fake(x->w, BASE + 2);
    struct ov_peer *p = enliven(x, &id);
    for (unsigned i = 0; i < OV_DIRECTORY_NETS + 50; i++) {
        wu_random(x->w, seed, sizeof seed);
        assert_int_equal(ov_identity_make(seed, &wu_pow, NULL, NULL, &c), OV_OK);
        assert_true(announce_in(x, p, &c, 1));
        assert_true(ov_directory_members(x->d) <= OV_DIRECTORY_NETS);
    }
    assert_int_equal(ov_directory_members(x->d), OV_DIRECTORY_NETS);
    assert_true(ask_member(x, own->id.addr, own->id.addr) > 0);
    /* One controller with many networks crowds out its own only. */
    for (unsigned i = 2; i < 100; i++)
        assert_true(announce_in(x, p, &c, i));
    assert_int_equal(ov_directory_members(x->d), OV_DIRECTORY_NETS);
    unsigned kept = 0;
    for (unsigned i = 1; i < 100; i++) {
        struct ov_msg_lookup m = {.netid = c.pub.addr << 24 | i,
                                  .key = {.kind = OV_LOOKUP_MEMBER, .member = BASE + 2}};
        kept += ask(x, BASE + 2, &m) > 0;
    }
    assert_int_equal(kept, 16);
    dir_free(x);
}

/* Peers come from this address. */
static struct ov_peer *peer_at(struct dir *x, unsigned i, uint8_t last)
{
    struct ov_identity id = wu_fake(x->w, BASE + i);
    struct ov_peer *p = enliven(x, &id);
    assert_true(ov_peer_ensure_paths(p));
    p->paths->active = 0;
    p->paths->p[0].remote = (struct ov_endpoint){.ip = {4, {198, 51, 100, last}}, .port = 4000};
    return p;
}

static void make_controller(struct dir *x, struct ov_identity_secret *c)
{
    uint8_t seed[32];
    wu_random(x->w, seed, sizeof seed);
    assert_int_equal(ov_identity_make(seed, &wu_pow, NULL, NULL, c), OV_OK);
}

/* A peer is told by its announcements from a stranger, and by its strongest one. */
static void test_announced_peers(void **state)
{
    struct dir *x = dir_new(15);
    struct ov_identity_secret other;
    struct ov_identity id = wu_fake(x->w, BASE + 1), rival = id;
    struct ov_peer *p = enliven(x, &id);
    struct ov_ip ip = ip_of(1);
    uint8_t blob[OV_REVOCATION_LEN];
    ov_wall t = x->w->net.stamp;

    (void)state;
    make_controller(x, &other);
    assert_int_equal(p->announced, OV_BOND_NONE);
    struct ov_peer *owner = enliven(x, &other.pub);
    assert_true(announce_in(x, p, &other, 1));
    assert_int_equal(p->announced, OV_BOND_ANNOUNCED);
    assert_int_equal(owner->announced, OV_BOND_ANNOUNCED); /* though it has not joined */
    owner->announced = OV_BOND_NONE;
    ov_directory_met(x->d, owner);
    assert_int_equal(owner->announced, OV_BOND_ANNOUNCED);
    assert_true(announce(x, p, &id, t, &ip, 0, 0));
    assert_int_equal(p->announced, OV_BOND_OURS);
    assert_true(announce_in(x, p, &other, 2));
    assert_int_equal(p->announced, OV_BOND_OURS);
    wu_revoke(x->w, id.addr, t, blob);
    ov_directory_revoked(x->d, blob, sizeof blob);
    assert_int_equal(p->announced, OV_BOND_ANNOUNCED);
    withdraw(x, other.pub.addr << 24 | 1, id.addr);
    assert_int_equal(p->announced, OV_BOND_ANNOUNCED);
    withdraw(x, other.pub.addr << 24 | 2, id.addr);
    assert_int_equal(p->announced, OV_BOND_NONE);
    /* One that was forgotten and is back has not said it again yet. */
    assert_true(announce(x, p, &id, t + 1, &ip, 0, 0));
    p->announced = OV_BOND_NONE;
    ov_directory_met(x->d, p);
    assert_int_equal(p->announced, OV_BOND_OURS);
    p->announced = OV_BOND_NONE;
    assert_true(announce(x, p, &id, t + 1, &ip, 0, 0));
    assert_int_equal(p->announced, OV_BOND_OURS);
    /* It is the key that counts. */
    p->id.dh.b[0] ^= 1;
    ov_directory_met(x->d, p);
    assert_int_equal(p->announced, OV_BOND_NONE);
    p->id = rival;
    dir_free(x);
}

/* Is this peer's network number `k` of `c` here? */
static bool serves(struct dir *x, const struct ov_peer *p, const struct ov_identity_secret *c,
                   unsigned k)
{
    struct ov_msg_lookup m = {.netid = c->pub.addr << 24 | k,
                              .key = {.kind = OV_LOOKUP_MEMBER, .member = p->id.addr}};
    return ask(x, p->id.addr, &m) > 0;
}

/* One host with many identities and networks of its own announces all day: those of others stay,
 * also one of which a single member is there. */
static void test_networks_of_others(void **state)
{
    struct dir *x = dir_new(13);
    struct ov_identity_secret one, two, evil[20];
    struct ov_peer *enemy[20];

    (void)state;
    make_controller(x, &one);
    make_controller(x, &two);
    struct ov_peer *a = peer_at(x, 1, 1), *b = peer_at(x, 2, 2), *c = peer_at(x, 3, 3);
    assert_true(announce_in(x, a, &one, 1));
    assert_true(announce_in(x, b, &two, 1) && announce_in(x, c, &two, 1));
    for (unsigned i = 0; i < 20; i++) {
        make_controller(x, &evil[i]);
        enemy[i] = peer_at(x, 100 + i, 66);
    }
    for (unsigned k = 0; k < 800; k++) {
        enliven(x, &a->id);
        enliven(x, &b->id);
        enliven(x, &c->id);
        assert_true(announce_in(x, enemy[k % 20], &evil[k % 20], k / 20 % 18));
    }
    assert_true(serves(x, a, &one, 1));
    assert_true(serves(x, b, &two, 1));
    /* From everywhere: where fewest members are goes first. */
    for (unsigned k = 0; k < 400; k++) {
        enliven(x, &b->id);
        enliven(x, &c->id);
        enemy[k % 20]->paths->p[0].remote.ip.b[3] = (uint8_t)(66 + k % 180);
        assert_true(announce_in(x, enemy[k % 20], &evil[k % 20], 20 + k / 20 % 18));
    }
    assert_true(serves(x, b, &two, 1));
    dir_free(x);
}

/* A certificate that is not the controller's makes no room for anybody. */
static void test_false_certificate_evicts_nobody(void **state)
{
    struct dir *x = dir_new(14);
    struct ov_identity_secret c;
    uint8_t blob[OV_CERT_MAX];

    (void)state;
    struct ov_peer *p = peer_at(x, 1, 1);
    for (unsigned i = 0; i < OV_DIRECTORY_NETS; i++) {
        make_controller(x, &c);
        assert_true(announce_in(x, p, &c, 1));
    }
    make_controller(x, &c);
    struct ov_cert cert = {.netid = c.pub.addr << 24 | 1, .member = p->id, .timestamp = WU_WALL};
    struct ov_msg_announce m = {.controller = c.pub};
    int len = ov_cert_issue(&cert, &c, blob);
    assert_true(len > 0);
    blob[len - 1] ^= 1;
    m.cert = (struct ov_slice){blob, (size_t)len};
    ov_directory_announced(x->d, p, &m);
    assert_int_equal(wu_drops(x->root, NOT_MEMBER), 1);
    assert_int_equal(ov_directory_members(x->d), OV_DIRECTORY_NETS);
    dir_free(x);
}

/* Members are bounded: who is not there any more gives way; when all are there, nobody comes in. */
static void test_members_bound(void **state)
{
    struct dir *x = dir_new(9);
    struct ov_ip ip = ip_of(9);

    (void)state;
    x->root->e->max_peers = x->root->e->peers.max = x->root->e->by_key.max =
        OV_DIRECTORY_MEMBERS + 10;
    for (unsigned i = 0; i < OV_DIRECTORY_MEMBERS; i++)
        member(x, i, 0, 0);
    assert_int_equal(ov_directory_members(x->d), OV_DIRECTORY_MEMBERS);
    struct ov_identity late = wu_fake(x->w, BASE + 0x100000);
    struct ov_peer *p = enliven(x, &late);
    assert_false(announce(x, p, &late, WU_WALL, &ip, 0, 0));
    assert_int_equal(wu_drops(x->root, TABLE_FULL), 1);
    assert_int_equal(ov_directory_members(x->d), OV_DIRECTORY_MEMBERS);
    ov_peer_find(x->root->e, BASE + 77)->last_rx = 1;
    /* Not all are looked at for each announcement, but in the end the one that is gone is found. */
    unsigned tries = 1;
    while (!announce(x, p, &late, WU_WALL, &ip, 0, 0) && tries < OV_DIRECTORY_MEMBERS)
        tries++;
    assert_in_range(tries, 1, OV_DIRECTORY_MEMBERS / 256 + 2);
    assert_int_equal(ov_directory_members(x->d), OV_DIRECTORY_MEMBERS);
    assert_int_equal(ask_member(x, BASE + 77, BASE + 1), OV_EPERM);
    assert_true(ask_member(x, late.addr, BASE + 76) > 0);
    assert_int_equal(x->found.n, 1);
    dir_free(x);
}

/* Who has another key under a member's address is not that member. */
static void test_address_is_nobody(void **state)
{
    struct dir *x = dir_new(12);
    struct ov_msg_lookup m = {.netid = x->w->net.config.netid,
                              .key = {.kind = OV_LOOKUP_IP, .ip = ip_of(2)}};

    (void)state;
    member(x, 1, 0, 0);
    member(x, 2, 0, 0);
    struct ov_identity real = id_of(x, BASE + 1), other = wu_fake(x->w, BASE + 1);
    assert_true(ov_directory_answer(x->d, &real, &m, x->buf) > 0);
    assert_int_equal(ov_directory_answer(x->d, &other, &m, x->buf), OV_EPERM);
    ov_directory_withdraw(x->d, x->w->net.config.netid, &other);
    assert_int_equal(ov_directory_members(x->d), 2);
    /* It is not alive by the other's session either. */
    ov_peer_find(x->root->e, BASE + 2)->id = wu_fake(x->w, BASE + 2);
    assert_true(
        ask(x, BASE + 1,
            &(struct ov_msg_lookup){.netid = m.netid,
                                    .key = {.kind = OV_LOOKUP_GROUP, .group = wu_broadcast}}) > 0);
    assert_int_equal(x->found.n, 0);
    ov_directory_withdraw(x->d, x->w->net.config.netid, &real);
    assert_int_equal(ov_directory_members(x->d), 1);
    dir_free(x);
}

/* ---- over the wire ---- */

/* A root that another network brought along hears nothing of this one, until the user chooses it or
 * the network names it. */
static void test_told_to_the_right_roots(void **state)
{
    struct wu *w = wu_lan(13, 1);
    struct wu_node *n = w->node[1], *chosen = wu_node(w, OV_CAP_ROOT);
    struct wu_node *named = wu_node(w, OV_CAP_ROOT);
    const ov_netid other = 0x1234567890000001;

    (void)state;
    assert_int_equal(ov_roots_add(&n->n->roots, "a", other, &chosen->id.pub, &chosen->ep, 1),
                     OV_OK);
    assert_int_equal(ov_roots_add(&n->n->roots, "b", other, &named->id.pub, &named->ep, 1), OV_OK);
    wu_drain(n);
    wu_run(w, 10 * OV_SEC);
    assert_true(wu_peer(n, chosen)->relay && wu_peer(n, named)->relay);
    assert_int_equal(ov_directory_members(chosen->n->o.directory), 0);
    assert_int_equal(ov_directory_members(named->n->o.directory), 0);

    wu_root(n, chosen);
    wu_run(w, OV_SEC);
    assert_int_equal(ov_directory_members(chosen->n->o.directory), 1);

    w->net.config.roots[w->net.config.nroots++] =
        (struct ov_net_root){.id = named->id.pub, .nendpoints = 1, .endpoints = {named->ep}};
    w->net.config.revision++;
    wu_net_of(n)->request_next = w->now;
    ov_network_wake(wu_net_of(n), w->now);
    wu_run(w, 2 * OV_SEC);
    assert_int_equal(ov_directory_members(named->n->o.directory), 1);
    wu_free(w);
}

static void test_over_the_wire(void **state)
{
    struct wu *w = wu_lan(10, 2);
    struct wu_node *root = w->node[0], *stranger = wu_node(w, 0);
    struct ov_msg_lookup m = {.netid = w->net.config.netid,
                              .key = {.kind = OV_LOOKUP_GROUP, .group = wu_broadcast}};
    uint8_t buf[64];
    struct ov_writer out;

    (void)state;
    assert_int_equal(ov_directory_members(root->n->o.directory), 2);
    wu_connect(stranger, root);
    ov_writer_init(&out, buf, sizeof buf);
    ov_msg_lookup_encode(&out, &m);
    wu_message(stranger, root, buf, out.len);
    assert_int_equal(wu_drops(root, NOT_MEMBER), 1);
    assert_int_equal(wu_drops(stranger, UNEXPECTED), 0); /* not answered */
    /* Who is no directory answers nobody. */
    wu_connect(w->node[1], w->node[2]);
    wu_message(w->node[1], w->node[2], buf, out.len);
    assert_int_equal(wu_drops(w->node[2], UNEXPECTED), 1);
    /* Leaving withdraws. */
    assert_int_equal(ov_node_leave(w->node[1]->n, w->net.config.netid, w->now), OV_OK);
    wu_drain(w->node[1]);
    wu_run(w, OV_SEC);
    assert_int_equal(ov_directory_members(root->n->o.directory), 1);
    wu_free(w);
}

/* Two questions in one round trip: the second does not wait for the answer of the first. */
static void test_questions_do_not_wait(void **state)
{
    struct wu *w = wu_lan(11, 3);
    struct wu_node *a = w->node[1];
    uint8_t f[OV_FRAME_MAX];
    struct ov_mac ma = wu_mac(a);
    struct ov_ip ia = wu_ip(a), ib = wu_ip(w->node[2]), ic = wu_ip(w->node[3]);

    (void)state;
    ov_member_clear(wu_net_of(a));
    wu_frame(a, f, wu_arp(f, 1, &wu_broadcast, &ma, &ia, &ib));
    wu_run(w, OV_MS);
    wu_frame(a, f, wu_arp(f, 1, &wu_broadcast, &ma, &ia, &ic));
    wu_run(w, 2 * w->delay);
    assert_int_equal(a->frames, 2);
    wu_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lookups),
        cmocka_unit_test(test_not_announced),
        cmocka_unit_test(test_silent_member),
        cmocka_unit_test(test_paging),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_refused_announcements),
        cmocka_unit_test(test_newer_certificate_wins),
        cmocka_unit_test(test_revoked),
        cmocka_unit_test(test_announced_peers),
        cmocka_unit_test(test_networks_bound),
        cmocka_unit_test(test_networks_of_others),
        cmocka_unit_test(test_false_certificate_evicts_nobody),
        cmocka_unit_test(test_members_bound),
        cmocka_unit_test(test_address_is_nobody),
        cmocka_unit_test(test_told_to_the_right_roots),
        cmocka_unit_test(test_over_the_wire),
        cmocka_unit_test(test_questions_do_not_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
