#include "core/multicast.h"

#include "wire_up.h"

#define BASE 0x2000000000ull

static const struct ov_mac group = {{0x01, 0x00, 0x5e, 0x00, 0x00, 0xfb}};

/* A broadcast (or `dst`) frame from `n` with `payload` bytes. */
static void cast(struct wu_node *n, const struct ov_mac *dst, size_t payload)
{
    uint8_t f[OV_FRAME_MAX];
    struct ov_mac mac = wu_mac(n);
    struct ov_ip ip = wu_ip(n), all = {4, {255, 255, 255, 255}};

    wu_frame(n, f, wu_ip4(f, dst, &mac, &ip, &all, payload));
}

static unsigned heard(const struct wu *w)
{
    unsigned n = 0;

    for (size_t i = 0; i < w->nnodes; i++)
        n += w->node[i]->frames;
    return n;
}

static struct ov_group *group_of(const struct wu_node *n, const struct ov_mac *mac)
{
    struct ov_network *net = wu_net_of(n);

    for (int i = 0; i < OV_GROUP_CACHE; i++)
        if (net->group[i].used && memcmp(&net->group[i].mac, mac, sizeof *mac) == 0)
            return &net->group[i];
    return NULL;
}

/* ---- who hears it ---- */

static void test_broadcast_reaches_all(void **state)
{
    struct wu *w = wu_lan(1, 5);

    (void)state;
    cast(w->node[1], &wu_broadcast, 100);
    wu_run(w, 2 * OV_SEC);
    for (int i = 2; i <= 5; i++)
        assert_int_equal(w->node[i]->frames, 1);
    assert_int_equal(w->node[1]->frames, 0);
    wu_free(w);
}

static void test_group_reaches_subscribers(void **state)
{
    struct wu *w = wu_lan(2, 4);

    (void)state;
    for (int i = 2; i <= 3; i++) {
        ov_node_set_groups(w->node[i]->n, w->net.config.netid, &group, 1, w->now);
        wu_drain(w->node[i]);
    }
    wu_run(w, OV_SEC);
    cast(w->node[1], &group, 100);
    wu_run(w, 2 * OV_SEC);
    assert_int_equal(w->node[2]->frames, 1);
    assert_int_equal(w->node[3]->frames, 1);
    assert_int_equal(w->node[4]->frames, 0);
    /* One leaves the group, and within moments hears no more of it. */
    ov_node_set_groups(w->node[3]->n, w->net.config.netid, NULL, 0, w->now);
    wu_drain(w->node[3]);
    wu_run(w, 2 * OV_SEC);
    cast(w->node[1], &group, 100);
    wu_run(w, 2 * OV_SEC);
    assert_int_equal(w->node[2]->frames, 2);
    assert_int_equal(w->node[3]->frames, 1);
    wu_free(w);
}

/* ---- bounds ---- */

static void test_recipient_limit(void **state)
{
    struct wu *w = wu_lan(3, 6);

    (void)state;
    wu_net_of(w->node[1])->config->multicast_limit = 2;
    cast(w->node[1], &wu_broadcast, 100);
    wu_run(w, 2 * OV_SEC);
    assert_int_equal(heard(w), 2);
    assert_int_equal(wu_drops(w->node[1], MULTICAST_LIMIT), 3);
    wu_net_of(w->node[1])->config->multicast_limit = 0;
    cast(w->node[1], &wu_broadcast, 100);
    wu_run(w, 2 * OV_SEC);
    assert_int_equal(heard(w), 2);
    assert_int_equal(wu_drops(w->node[1], MULTICAST_LIMIT), 3 + 5);
    wu_free(w);
}

static void test_rate(void **state)
{
    struct wu *w = wu_lan(4, 2);
    struct wu_node *a = w->node[1];
    unsigned sent = 0;

    (void)state;
    cast(a, &wu_broadcast, 1200);
    wu_run(w, OV_SEC / 2);
    for (; wu_drops(a, MULTICAST_LIMIT) == 0; sent++) {
        assert_true(sent < 10000);
        cast(a, &wu_broadcast, 1200);
        wu_drain(a);
    }
    assert_in_range(sent * 1234, 3900000, 4100000); /* the burst: two seconds' worth */
    wu_run(w, OV_SEC / 10);
    uint64_t before = wu_drops(a, MULTICAST_LIMIT);
    for (int i = 0; i < 1000; i++)
        cast(a, &wu_broadcast, 1200);
    assert_in_range(1000 - (wu_drops(a, MULTICAST_LIMIT) - before), 150, 175); /* 2 MB/s */
    wu_free(w);
}

static void test_group_cache(void **state)
{
    struct wu *w = wu_lan(5, 2);
    struct wu_node *a = w->node[1];
    struct ov_mac mac = group;
    unsigned used = 0;

    (void)state;
    for (unsigned i = 0; i < 3 * OV_GROUP_CACHE; i++) {
        mac.b[5] = (uint8_t)i;
        cast(a, &mac, 10);
        wu_run(w, 20 * OV_MS);
    }
    for (int i = 0; i < OV_GROUP_CACHE; i++)
        used += wu_net_of(a)->group[i].used;
    assert_int_equal(used, OV_GROUP_CACHE);
    for (unsigned i = 2 * OV_GROUP_CACHE; i < 3 * OV_GROUP_CACHE; i++) {
        mac.b[5] = (uint8_t)i;
        assert_non_null(group_of(a, &mac)); /* those used last */
    }
    wu_free(w);
}

/* ---- held frames ---- */

static bool no_root(void *arg, struct wu_packet *p)
{
    const struct wu *w = arg;

    return p->src != w->node[0] && !ov_endpoint_equal(&p->to, &w->node[0]->ep);
}

/* The directory does not answer: so many frames wait, so long, and then go to whom we know. */
static void test_held(void **state)
{
    struct wu *w = wu_lan(6, 3);
    struct wu_node *a = w->node[1];

    (void)state;
    cast(a, &wu_broadcast, 10); /* so that a knows them */
    wu_run(w, OV_SEC);
    assert_int_equal(heard(w), 2);
    ov_node_set_groups(w->node[2]->n, w->net.config.netid, &group, 1, w->now);
    wu_drain(w->node[2]);
    wu_run(w, OV_SEC);
    ov_member_hello(wu_net_of(w->node[2]), wu_peer(w->node[2], a), false); /* tells its groups */
    wu_drain(w->node[2]);
    wu_run(w, 20 * OV_MS);
    w->hook = no_root;
    w->hook_arg = w;
    for (int i = 0; i < OV_HELD_MAX + 3; i++)
        cast(a, &group, 10);
    assert_int_equal(group_of(a, &group)->held.n, OV_HELD_MAX);
    assert_int_equal(wu_drops(a, QUEUE_FULL), 3);
    wu_run(w, 590 * OV_MS);
    assert_int_equal(heard(w), 2);
    wu_run(w, 30 * OV_MS);
    assert_int_equal(w->node[2]->frames, 1 + OV_HELD_MAX); /* the one that told us of the group */
    assert_int_equal(w->node[3]->frames, 1);
    assert_int_equal(group_of(a, &group)->held.n, 0);
    /* Leaving the network frees what waits. */
    struct ov_mac other = group;
    other.b[5] = 1;
    cast(a, &other, 10);
    assert_int_equal(group_of(a, &other)->held.n, 1);
    assert_int_equal(ov_node_leave(a->n, w->net.config.netid, w->now), OV_OK);
    assert_int_equal(wu_drops(a, NO_DESTINATION), 1);
    wu_free(w);
}

/* ---- lists of many pages ---- */

struct pages {
    struct wu *w;
    struct wu_node *a;
    struct ov_group *g;
    struct ov_msg_found f;
    uint8_t certs[OV_FOUND_MAX][OV_CERT_MAX];
};

/* A FOUND that names members first..first+n-1, from the root. */
static void page(struct pages *p, unsigned first, uint8_t n, uint8_t flags, uint64_t version)
{
    p->f.n = n;
    p->f.flags = flags;
    p->f.version = version;
    for (uint8_t i = 0; i < n; i++) {
        struct ov_identity id = wu_fake(p->w, BASE + first + i);
        const struct ov_member *known = ov_member_find(wu_net_of(p->a), id.addr);
        if (known)
            id = known->cert.member;
        size_t len = wu_cert(p->w, &id, p->w->net.stamp, 0, NULL, p->certs[i]);
        p->f.certs[i] = (struct ov_slice){p->certs[i], len};
    }
    ov_multicast_found(wu_net_of(p->a), wu_peer(p->a, p->w->node[0]), &p->f);
}

static struct pages *pages_new(uint64_t seed)
{
    struct pages *p = calloc(1, sizeof *p);

    assert_non_null(p);
    p->w = wu_lan(seed, 2);
    p->a = p->w->node[1];
    wu_run(p->w, OV_SEC);
    p->w->hook = no_root; /* its answers are ours to make */
    p->w->hook_arg = p->w;
    cast(p->a, &group, 10);
    p->g = group_of(p->a, &group);
    assert_non_null(p->g);
    p->f = (struct ov_msg_found){.netid = p->w->net.config.netid,
                                 .key = {.kind = OV_LOOKUP_GROUP, .group = group}};
    return p;
}

static void expect_members(const struct pages *p, size_t n)
{
    assert_true(p->g->known);
    assert_int_equal(p->g->n, n);
    for (size_t i = 0; i < n; i++)
        assert_true(p->g->members[i] == BASE + 1 + i);
}

static void pages_free(struct pages *p)
{
    wu_free(p->w);
    free(p);
}

static void test_pages(void **state)
{
    struct pages *p = pages_new(7);

    (void)state;
    page(p, 1, 32, OV_FOUND_MORE, 5);
    assert_false(p->g->known);
    page(p, 33, 32, OV_FOUND_MORE, 6);
    page(p, 65, 10, 0, 7);
    expect_members(p, 74);
    assert_int_equal(p->g->version, 5); /* what changed since shows the next time */
    pages_free(p);
}

/* A question that was asked twice is answered twice: no member is listed twice, none is lost. */
static void test_pages_twice(void **state)
{
    struct pages *p = pages_new(8);

    (void)state;
    page(p, 1, 32, OV_FOUND_MORE, 5);
    page(p, 1, 32, OV_FOUND_MORE, 5);
    page(p, 33, 8, 0, 5);
    expect_members(p, 40);
    page(p, 33, 8, 0, 5);
    expect_members(p, 40);
    page(p, 1, 32, OV_FOUND_MORE, 5);
    expect_members(p, 40);
    pages_free(p);
}

/* Nobody can make the list longer than the table of members. */
static void test_pages_bound(void **state)
{
    struct pages *p = pages_new(9);

    (void)state;
    for (unsigned i = 0; i < OV_MEMBERS_MAX / 32 + 4 && p->g->asking; i++)
        page(p, 1 + i * 32, 32, OV_FOUND_MORE, 5);
    assert_true(p->g->known);
    assert_int_equal(p->g->n, OV_MEMBERS_MAX);
    assert_true(wu_net_of(p->a)->members.len <= OV_MEMBERS_MAX);
    pages_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broadcast_reaches_all),
        cmocka_unit_test(test_group_reaches_subscribers),
        cmocka_unit_test(test_recipient_limit),
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_group_cache),
        cmocka_unit_test(test_held),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_pages_twice),
        cmocka_unit_test(test_pages_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
