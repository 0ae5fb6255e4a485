#include "controller/store_sqlite.h"

#include "tempdir.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define NET 0x8056c2e21c000001ull

struct fixture {
    char dir[TEMPDIR_MAX], path[TEMPDIR_MAX + 32];
    struct ov_store *s;
};

static void open_store(struct fixture *f)
{
    char error[256];
    int r = ov_store_sqlite_open(f->path, &f->s, error);
    if (r != OV_OK)
        fail_msg("open: %s", error);
    assert_string_equal(error, "");
}

static void close_store(struct fixture *f)
{
    if (f->s != NULL)
        f->s->ops->close(f->s);
    f->s = NULL;
}

/* What was written must be what a new process reads. */
static void reopen(struct fixture *f)
{
    close_store(f);
    open_store(f);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    tempdir_make(f->dir);
    snprintf(f->path, sizeof f->path, "%s/c.db", f->dir);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    close_store(f);
    assert_true(tempdir_count(f->dir, ".") <= 3); /* the database, and nothing left over */
    tempdir_remove(f->dir);
    free(f);
    return 0;
}

static struct ov_ip ip(const char *text)
{
    struct ov_ip v;
    assert_int_equal(ov_ip_parse(text, &v), OV_OK);
    return v;
}

static struct ov_net_record net(ov_netid id, const char *name)
{
    struct ov_net_record n = {.netid = id,
                              .note = "notes: 宿舍",
                              .created = 1700000000000,
                              .revision = 7,
                              .flags = OV_NET_CHECK_IP,
                              .mtu = 1400,
                              .window_s = 86400,
                              .multicast_limit = 4000000000u,
                              .open = true,
                              .ip6 = true,
                              .npools = 2,
                              .nroutes = 2,
                              .ndns = 2,
                              .nroots = 1,
                              .nchosen = 2,
                              .chosen = {0x8056c2e21c, 0x1234567890},
                              .dns_domain = "dorm.lan",
                              .rules = "later"};
    snprintf(n.name, sizeof n.name, "%s", name);
    n.pools[0] = (struct ov_prefix){ip("10.147.17.0"), 24};
    n.pools[1] = (struct ov_prefix){ip("10.1.0.0"), 16};
    n.routes[0] = (struct ov_route){{ip("192.168.0.0"), 16}, ip("10.147.17.1")};
    n.routes[1].dst = (struct ov_prefix){ip("172.16.0.0"), 12};
    n.dns[0] = ip("10.147.17.1");
    n.dns[1] = ip("fd00::1");
    memset(n.roots[0].id.dh.b, 3, 32);
    memset(n.roots[0].id.sign.b, 4, 32);
    n.roots[0].id.nonce = 99;
    n.roots[0].id.addr = 0x8056c2e21c;
    n.roots[0].nendpoints = 2;
    n.roots[0].endpoints[0] = (struct ov_endpoint){ip("203.0.113.5"), 4793, 0};
    n.roots[0].endpoints[1] = (struct ov_endpoint){ip("2001:db8::5"), 4793, 0};
    return n;
}

static struct ov_member_record member(ov_netid id, ov_addr addr, const char *name)
{
    struct ov_member_record m = {.netid = id, .first_seen = 5, .last_seen = 6};
    memset(&m.id.dh, (int)(addr & 0xff), sizeof m.id.dh);
    memset(&m.id.sign, 9, sizeof m.id.sign);
    m.id.nonce = addr * 3;
    m.id.addr = addr;
    snprintf(m.name, sizeof m.name, "%s", name);
    return m;
}

static void put_net(struct fixture *f)
{
    struct ov_net_record n = net(NET, "dorm");
    assert_int_equal(f->s->ops->net_put(f->s, &n), OV_OK);
}

static void test_private_file(void **state)
{
    struct fixture *f = *state;
    mode_t was = umask(0);
    open_store(f);
    put_net(f);
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        struct stat st;
        char p[128];
        snprintf(p, sizeof p, "%s%s", f->path, suffixes[i]);
        assert_int_equal(stat(p, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    close_store(f);
    assert_int_equal(chmod(f->path, 0644), 0); /* somebody's copy, say */
    open_store(f);
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    umask(was);
}

static int count_net(void *arg, const struct ov_net_record *n)
{
    (void)n;
    ++*(int *)arg;
    return OV_OK;
}

static void test_network(void **state)
{
    struct fixture *f = *state;
    struct ov_net_record n = net(NET, "dorm"), got;
    open_store(f);
    assert_int_equal(f->s->ops->net_get(f->s, NET, &got), OV_ENOENT);
    assert_int_equal(f->s->ops->net_put(f->s, &n), OV_OK);
    reopen(f);
    assert_int_equal(f->s->ops->net_get(f->s, NET, &got), OV_OK);
    assert_memory_equal(&n, &got, sizeof n);
    assert_int_equal(f->s->ops->net_by_name(f->s, "dorm", &got), OV_OK);
    assert_memory_equal(&n, &got, sizeof n);
    assert_int_equal(f->s->ops->net_by_name(f->s, "drom", &got), OV_ENOENT);

    /* An update replaces every column. */
    n = (struct ov_net_record){
        .netid = NET, .name = "lan", .revision = 8, .mtu = 1280, .window_s = 1};
    assert_int_equal(f->s->ops->net_put(f->s, &n), OV_OK);
    reopen(f);
    assert_int_equal(f->s->ops->net_get(f->s, NET, &got), OV_OK);
    assert_memory_equal(&n, &got, sizeof n);

    /* A second network may not have its name, and the attempt leaves nothing. */
    struct ov_net_record twin = net(NET + 1, "lan");
    assert_int_equal(f->s->ops->net_put(f->s, &twin), OV_EEXIST);
    assert_string_equal(f->s->error, "the name lan is taken");
    assert_int_equal(f->s->ops->net_get(f->s, NET + 1, &got), OV_ENOENT);
    strcpy(twin.name, "lan2");
    assert_int_equal(f->s->ops->net_put(f->s, &twin), OV_OK);
    int count = 0;
    assert_int_equal(f->s->ops->net_each(f->s, count_net, &count), OV_OK);
    assert_int_equal(count, 2);
}

static void test_network_full_lists(void **state)
{
    struct fixture *f = *state;
    struct ov_net_record n = net(NET, "dorm"), got;
    open_store(f);
    n.npools = OV_POOLS_MAX;
    n.nroutes = OV_NET_ROUTES_MAX;
    n.ndns = OV_NET_DNS_MAX;
    n.nroots = OV_NET_ROOTS_MAX;
    for (int i = 0; i < OV_POOLS_MAX; i++)
        n.pools[i] = (struct ov_prefix){{4, {10, (uint8_t)i}}, 16};
    for (int i = 0; i < OV_NET_ROUTES_MAX; i++)
        n.routes[i] = (struct ov_route){{{6, {0xfd, (uint8_t)i}}, 32}, ip("fd00::1")};
    for (int i = 0; i < OV_NET_DNS_MAX; i++)
        n.dns[i] = ip("fd00::2");
    for (int i = 0; i < OV_NET_ROOTS_MAX; i++) {
        n.roots[i] = n.roots[0];
        n.roots[i].nendpoints = OV_ROOT_ENDPOINTS_MAX;
        for (int k = 0; k < OV_ROOT_ENDPOINTS_MAX; k++)
            n.roots[i].endpoints[k] = (struct ov_endpoint){ip("2001:db8::7"), (uint16_t)(k + 1), 0};
    }
    assert_int_equal(f->s->ops->net_put(f->s, &n), OV_OK);
    reopen(f);
    assert_int_equal(f->s->ops->net_get(f->s, NET, &got), OV_OK);
    assert_memory_equal(&n, &got, sizeof n);
}

static int stop_at_second(void *arg, const struct ov_member_record *m)
{
    int *n = arg;
    (void)m;
    return ++*n == 2 ? OV_ENOENT : OV_OK;
}

static void test_member(void **state)
{
    struct fixture *f = *state;
    struct ov_member_record m = member(NET, 0xfe23456789, "pc"), got;
    size_t admitted, pending;
    bool taken;
    open_store(f);
    assert_int_equal(f->s->ops->member_put(f->s, &m, NULL), OV_ENOENT); /* no such network */
    put_net(f);
    m.state = OV_MEMBER_ADMITTED;
    m.perms = OV_PERM_BRIDGE;
    strcpy(m.note, "note");
    strcpy(m.tags, "a,b");
    m.admitted = 1800000000000;
    m.revoked = 17;
    m.naddrs = 3;
    m.addrs[0] = (struct ov_prefix){ip("10.147.17.9"), 24};
    m.addrs[1] = (struct ov_prefix){ip("10.147.17.2"), 24};
    m.addrs[2] = (struct ov_prefix){ip("fd00::9"), 64};
    assert_int_equal(f->s->ops->member_put(f->s, &m, NULL), OV_OK);
    reopen(f);
    assert_int_equal(f->s->ops->member_get(f->s, NET, m.id.addr, &got), OV_OK);
    assert_memory_equal(&m, &got, sizeof m);
    assert_int_equal(f->s->ops->member_by_name(f->s, NET, "pc", &got), OV_OK);
    assert_memory_equal(&m, &got, sizeof m);
    assert_int_equal(f->s->ops->member_by_name(f->s, NET, "", &got), OV_ENOENT);
    assert_int_equal(f->s->ops->member_get(f->s, NET, 1, &got), OV_ENOENT);

    /* Names and addresses are one member's; the loser leaves nothing behind. */
    struct ov_member_record twin = member(NET, 0x2, "pc");
    assert_int_equal(f->s->ops->member_put(f->s, &twin, NULL), OV_EEXIST);
    assert_string_equal(f->s->error, "the name pc is taken");
    strcpy(twin.name, "pc2");
    twin.naddrs = 2;
    twin.addrs[0] = (struct ov_prefix){ip("10.147.17.3"), 24};
    twin.addrs[1] = m.addrs[1];
    assert_int_equal(f->s->ops->member_put(f->s, &twin, NULL), OV_EEXIST);
    assert_string_equal(f->s->error, "10.147.17.2 is given to another member");
    assert_int_equal(f->s->ops->member_get(f->s, NET, 2, &got), OV_ENOENT);
    assert_int_equal(f->s->ops->address_taken(f->s, NET, &twin.addrs[0].ip, &taken), OV_OK);
    assert_false(taken);
    assert_int_equal(f->s->ops->address_taken(f->s, NET, &m.addrs[1].ip, &taken), OV_OK);
    assert_true(taken);

    m.naddrs = 1;
    memset(m.addrs + 1, 0, sizeof m.addrs - sizeof m.addrs[0]);
    assert_int_equal(f->s->ops->member_put(f->s, &m, NULL), OV_OK);
    assert_int_equal(f->s->ops->member_put(f->s, &twin, NULL), OV_OK);
    struct ov_member_record nameless = member(NET, 3, ""), other = member(NET, 4, "");
    assert_int_equal(f->s->ops->member_put(f->s, &nameless, NULL), OV_OK);
    assert_int_equal(f->s->ops->member_put(f->s, &other, NULL), OV_OK);
    assert_int_equal(f->s->ops->member_count(f->s, NET, &admitted, &pending), OV_OK);
    assert_int_equal(admitted, 1);
    assert_int_equal(pending, 3);
    assert_int_equal(f->s->ops->member_seen(f->s, NET, 3, 777), OV_OK);
    assert_int_equal(f->s->ops->member_seen(f->s, NET, 5, 777), OV_ENOENT);
    int seen = 0;
    assert_int_equal(f->s->ops->member_each(f->s, NET, stop_at_second, &seen), OV_ENOENT);
    assert_int_equal(seen, 2);
    reopen(f);
    assert_int_equal(f->s->ops->member_get(f->s, NET, 3, &got), OV_OK);
    assert_int_equal(got.last_seen, 777);

    assert_int_equal(f->s->ops->member_delete(f->s, NET, m.id.addr), OV_OK);
    assert_int_equal(f->s->ops->member_delete(f->s, NET, m.id.addr), OV_ENOENT);
    assert_int_equal(f->s->ops->address_taken(f->s, NET, &m.addrs[0].ip, &taken), OV_OK);
    assert_false(taken);
}

static void test_invite(void **state)
{
    struct fixture *f = *state;
    struct ov_invite_record i = {.netid = NET, .note = "for Li", .created = 1, .expires = 2}, got;
    struct ov_member_record a = member(NET, 0xa, "a"), b = member(NET, 0xb, "b"), m;
    memset(i.hash, 5, sizeof i.hash);
    open_store(f);
    assert_int_equal(f->s->ops->invite_put(f->s, &i), OV_ENOENT);
    put_net(f);
    assert_int_equal(f->s->ops->invite_put(f->s, &i), OV_OK);
    assert_int_equal(f->s->ops->invite_put(f->s, &i), OV_EEXIST);
    reopen(f);
    assert_int_equal(f->s->ops->invite_get(f->s, NET, i.hash, &got), OV_OK);
    assert_memory_equal(&i, &got, sizeof i);

    /* The invite's use and the member go in together or not at all. */
    i.used_by = 0xa;
    i.used = 3;
    assert_int_equal(f->s->ops->member_put(f->s, &a, &i), OV_OK);
    assert_int_equal(f->s->ops->member_put(f->s, &a, &i), OV_OK); /* its own again */
    i.used_by = 0xb;
    assert_int_equal(f->s->ops->member_put(f->s, &b, &i), OV_EEXIST);
    assert_int_equal(f->s->ops->member_get(f->s, NET, 0xb, &m), OV_ENOENT);
    i.hash[0] ^= 1;
    assert_int_equal(f->s->ops->member_put(f->s, &b, &i), OV_ENOENT);
    assert_int_equal(f->s->ops->member_get(f->s, NET, 0xb, &m), OV_ENOENT);
    i.hash[0] ^= 1;
    reopen(f);
    assert_int_equal(f->s->ops->invite_get(f->s, NET, i.hash, &got), OV_OK);
    assert_int_equal(got.used_by, 0xa);
    assert_int_equal(got.used, 3);
}

static void test_invite_delete(void **state)
{
    struct fixture *f = *state;
    struct ov_invite_record i[4], got;
    size_t count = 99;
    open_store(f);
    put_net(f);
    for (uint8_t k = 0; k < 4; k++) {
        i[k] = (struct ov_invite_record){.netid = NET, .hash = {k}, .used_by = k == 3 ? 0xa : 0};
        assert_int_equal(f->s->ops->invite_put(f->s, &i[k]), OV_OK);
    }
    assert_int_equal(f->s->ops->invite_delete(f->s, NET, i[0].hash, &count), OV_OK);
    assert_int_equal(count, 1);
    assert_int_equal(f->s->ops->invite_delete(f->s, NET, i[0].hash, &count), OV_ENOENT);
    assert_int_equal(f->s->ops->invite_delete(f->s, NET, i[3].hash, &count), OV_ENOENT); /* used */
    assert_int_equal(f->s->ops->invite_delete(f->s, NET + 1, NULL, &count), OV_OK);
    assert_int_equal(count, 0);
    reopen(f);
    assert_int_equal(f->s->ops->invite_get(f->s, NET, i[0].hash, &got), OV_ENOENT);
    assert_int_equal(f->s->ops->invite_get(f->s, NET, i[1].hash, &got), OV_OK);
    assert_int_equal(f->s->ops->invite_delete(f->s, NET, NULL, &count), OV_OK);
    assert_int_equal(count, 2);
    assert_int_equal(f->s->ops->invite_get(f->s, NET, i[1].hash, &got), OV_ENOENT);
    assert_int_equal(f->s->ops->invite_get(f->s, NET, i[3].hash, &got), OV_OK);
}

struct revoked {
    struct ov_revocation v[8];
    int n;
};

static int add_revocation(void *arg, const struct ov_revocation *r)
{
    struct revoked *l = arg;
    l->v[l->n++] = *r;
    return OV_OK;
}

static void test_revocations(void **state)
{
    struct fixture *f = *state;
    open_store(f);
    put_net(f);
    for (ov_addr a = 1; a <= 5; a++) {
        struct ov_member_record m = member(NET, a, "");
        m.state = OV_MEMBER_DENIED;
        m.revoked = a * 100;
        assert_int_equal(f->s->ops->member_put(f->s, &m, NULL), OV_OK);
    }
    assert_int_equal(f->s->ops->member_delete(f->s, NET, 4), OV_OK);
    reopen(f);
    struct revoked l = {.n = 0};
    assert_int_equal(f->s->ops->revocation_each(f->s, NET, 200, 8, add_revocation, &l), OV_OK);
    assert_int_equal(l.n, 3); /* later than, newest first, the deleted member's too */
    assert_int_equal(l.v[0].member, 5);
    assert_int_equal(l.v[1].member, 4);
    assert_int_equal(l.v[2].timestamp, 300);
    l.n = 0;
    assert_int_equal(f->s->ops->revocation_each(f->s, NET, 0, 2, add_revocation, &l), OV_OK);
    assert_int_equal(l.n, 2);
    /* First who is thrown out: a renumbering of all others is not to hide that. */
    for (ov_addr a = 6; a <= 8; a++) {
        struct ov_member_record in = member(NET, a, "");
        in.state = OV_MEMBER_ADMITTED;
        in.revoked = a * 100;
        assert_int_equal(f->s->ops->member_put(f->s, &in, NULL), OV_OK);
    }
    l.n = 0;
    assert_int_equal(f->s->ops->revocation_each(f->s, NET, 200, 4, add_revocation, &l), OV_OK);
    assert_int_equal(l.n, 4);
    assert_int_equal(l.v[0].member, 5);
    assert_int_equal(l.v[1].member, 4);
    assert_int_equal(l.v[2].member, 3);
    assert_int_equal(l.v[3].member, 8);
    for (ov_addr a = 6; a <= 8; a++)
        assert_int_equal(f->s->ops->member_delete(f->s, NET, a), OV_OK);
    /* Those that no certificate can be older than go away by themselves. */
    struct ov_member_record m = member(NET, 9, "");
    m.state = OV_MEMBER_DENIED;
    m.revoked = 301 + (ov_wall)OV_WINDOW_MAX * 1000;
    assert_int_equal(f->s->ops->member_put(f->s, &m, NULL), OV_OK);
    l.n = 0;
    assert_int_equal(f->s->ops->revocation_each(f->s, NET, 0, 8, add_revocation, &l), OV_OK);
    assert_int_equal(l.n, 6); /* 4 to 9 */
}

static void test_clock(void **state)
{
    struct fixture *f = *state;
    ov_wall last = 1, reserved = 1;
    open_store(f);
    assert_int_equal(f->s->ops->clock_get(f->s, &last, &reserved), OV_OK);
    assert_int_equal(last + reserved, 0);
    assert_int_equal(f->s->ops->clock_put(f->s, 5, 60005, true), OV_OK);
    assert_int_equal(f->s->ops->clock_put(f->s, 6, 60005, false), OV_OK);
    reopen(f);
    assert_int_equal(f->s->ops->clock_get(f->s, &last, &reserved), OV_OK);
    assert_int_equal(last, 6);
    assert_int_equal(reserved, 60005);
}

static void test_net_delete(void **state)
{
    struct fixture *f = *state;
    struct ov_net_record other = net(NET + 1, "other");
    struct ov_member_record m = member(NET, 1, "pc"), kept = member(NET + 1, 1, "pc"), got;
    struct ov_invite_record i = {.netid = NET}, found;
    struct revoked l = {.n = 0};
    open_store(f);
    put_net(f);
    assert_int_equal(f->s->ops->net_put(f->s, &other), OV_OK);
    m.revoked = 5;
    m.naddrs = 1;
    m.addrs[0] = (struct ov_prefix){ip("10.147.17.9"), 24};
    assert_int_equal(f->s->ops->member_put(f->s, &m, NULL), OV_OK);
    assert_int_equal(f->s->ops->member_put(f->s, &kept, NULL), OV_OK);
    assert_int_equal(f->s->ops->invite_put(f->s, &i), OV_OK);
    assert_int_equal(f->s->ops->net_delete(f->s, NET), OV_OK);
    assert_int_equal(f->s->ops->net_delete(f->s, NET), OV_ENOENT);
    reopen(f);
    assert_int_equal(f->s->ops->member_get(f->s, NET, 1, &got), OV_ENOENT);
    assert_int_equal(f->s->ops->invite_get(f->s, NET, i.hash, &found), OV_ENOENT);
    assert_int_equal(f->s->ops->revocation_each(f->s, NET, 0, 8, add_revocation, &l), OV_OK);
    assert_int_equal(l.n, 0);
    bool taken = true;
    assert_int_equal(f->s->ops->address_taken(f->s, NET, &m.addrs[0].ip, &taken), OV_OK);
    assert_false(taken);
    assert_int_equal(f->s->ops->member_get(f->s, NET + 1, 1, &got), OV_OK);
}

static void test_pending_bounded(void **state)
{
    struct fixture *f = *state;
    size_t admitted, pending;
    struct ov_member_record m, got;
    open_store(f);
    put_net(f);
    m = member(NET, 0xffff, "admitted");
    m.state = OV_MEMBER_ADMITTED;
    m.last_seen = 0; /* never falls out, however long unheard */
    assert_int_equal(f->s->ops->member_put(f->s, &m, NULL), OV_OK);
    for (ov_addr a = 1; a <= 40; a++) {
        m = member(NET, a, "");
        m.last_seen = 1000 + a;
        assert_int_equal(f->s->ops->pending_put(f->s, &m, 16, 1000 + a), OV_OK);
        if (a == 20) /* this one keeps asking */
            assert_int_equal(f->s->ops->member_seen(f->s, NET, 20, 1040), OV_OK);
        assert_int_equal(f->s->ops->member_count(f->s, NET, &admitted, &pending), OV_OK);
        assert_int_equal(pending, a < 16 ? a : 16);
        assert_int_equal(admitted, 1);
    }
    assert_int_equal(f->s->ops->member_get(f->s, NET, 20, &got), OV_OK);
    assert_int_equal(f->s->ops->member_get(f->s, NET, 25, &got), OV_ENOENT);
    assert_int_equal(f->s->ops->member_get(f->s, NET, 26, &got), OV_OK);
    m = member(NET, 41, "");
    m.last_seen = 1050; /* none of the others is silent */
    sqlite3 *db = ((struct ov_sqlite *)f->s)->db;
    int written = sqlite3_total_changes(db);
    assert_int_equal(f->s->ops->pending_put(f->s, &m, 16, 1026), OV_EFULL);
    assert_int_equal(sqlite3_total_changes(db), written);
    assert_int_equal(f->s->ops->member_get(f->s, NET, 41, &got), OV_ENOENT);
    assert_int_equal(f->s->ops->pending_put(f->s, &m, 16, 1027), OV_OK); /* 26 is */
    assert_int_equal(f->s->ops->member_get(f->s, NET, 26, &got), OV_ENOENT);
    m = member(NET, 42, "");
    m.last_seen = 1; /* the clock went back: who was heard of in the future is not believed */
    assert_int_equal(f->s->ops->pending_put(f->s, &m, 16, 0), OV_OK);
    assert_int_equal(f->s->ops->member_get(f->s, NET, 42, &got), OV_OK);
    assert_int_equal(f->s->ops->member_get(f->s, NET, 27, &got), OV_ENOENT);
    /* more than there may be, from before there were so few: as many go as it takes, or none */
    m = member(NET, 43, "");
    m.last_seen = 1060;
    assert_int_equal(f->s->ops->pending_put(f->s, &m, 15, 2), OV_EFULL); /* 42 alone is silent */
    assert_int_equal(f->s->ops->member_get(f->s, NET, 42, &got), OV_OK);
    assert_int_equal(f->s->ops->pending_put(f->s, &m, 15, 1029), OV_OK);
    assert_int_equal(f->s->ops->member_count(f->s, NET, &admitted, &pending), OV_OK);
    assert_int_equal(pending, 15);
}

/* ---- files that are not what they should be ---- */

static void refuse(struct fixture *f, int err, const char *says)
{
    char error[256] = "";
    struct ov_store *s = (void *)1;
    assert_int_equal(ov_store_sqlite_open(f->path, &s, error), err);
    assert_null(s);
    if (strstr(error, says) == NULL || strstr(error, f->path) == NULL)
        fail_msg("\"%s\" does not say \"%s\" and the path", error, says);
}

static void write_file(const char *path, const void *data, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), (ssize_t)len);
    close(fd);
}

static void test_not_a_database(void **state)
{
    struct fixture *f = *state;
    char junk[8192], after[8192];
    memset(junk, 'x', sizeof junk);
    write_file(f->path, junk, sizeof junk);
    refuse(f, OV_EIO, "is not a controller database");
    int fd = open(f->path, O_RDONLY);
    assert_int_equal(read(fd, after, sizeof after), sizeof after);
    close(fd);
    assert_memory_equal(junk, after, sizeof junk); /* left as it was */
}

static void test_empty_file(void **state)
{
    struct fixture *f = *state;
    write_file(f->path, "", 0); /* a crash right after the file was made */
    open_store(f);
    put_net(f);
    reopen(f);
}

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void test_foreign(void **state)
{
    struct fixture *f = *state;
    run_sql(f->path, "CREATE TABLE t (x); INSERT INTO t VALUES (1)");
    refuse(f, OV_EIO, "another program's database");
    unlink(f->path);
    run_sql(f->path, "PRAGMA application_id = 5; PRAGMA user_version = 1; CREATE TABLE t (x)");
    refuse(f, OV_EIO, "another program's database");
}

static void test_newer(void **state)
{
    struct fixture *f = *state;
    open_store(f);
    put_net(f);
    close_store(f);
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA user_version = %d", ov_sqlite_version + 1);
    run_sql(f->path, sql);
    refuse(f, OV_EVERSION, "made by a newer ovpn");
    snprintf(sql, sizeof sql, "PRAGMA user_version = %d", ov_sqlite_version);
    run_sql(f->path, sql);
    open_store(f); /* and nothing was harmed */
    struct ov_net_record got;
    assert_int_equal(f->s->ops->net_get(f->s, NET, &got), OV_OK);
}

static void test_corrupted(void **state)
{
    struct fixture *f = *state;
    open_store(f);
    put_net(f);
    for (ov_addr a = 1; a <= 500; a++) {
        struct ov_member_record m = member(NET, a, "");
        assert_int_equal(f->s->ops->pending_put(f->s, &m, 1000, 0), OV_OK);
    }
    close_store(f);
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    assert_true(st.st_size > 3 * 4096);
    uint8_t junk[4096];
    memset(junk, 0xa5, sizeof junk);
    int fd = open(f->path, O_WRONLY);
    for (off_t at = 4096; at + 4096 <= st.st_size; at += 8192)
        assert_int_equal(pwrite(fd, junk, sizeof junk, at), sizeof junk);
    close(fd);
    refuse(f, OV_EIO, "is damaged");
}

static void test_truncated(void **state)
{
    struct fixture *f = *state;
    open_store(f);
    put_net(f);
    close_store(f);
    struct stat st;
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(truncate(f->path, st.st_size / 8192 * 4096), 0);
    refuse(f, OV_EIO, "is damaged");
}

static int any_member(void *arg, const struct ov_member_record *m)
{
    (void)arg, (void)m;
    return OV_OK;
}

static int any_invite(void *arg, const struct ov_invite_record *i)
{
    (void)arg, (void)i;
    return OV_OK;
}

static void run(struct fixture *f, const char *sql)
{
    assert_int_equal(sqlite3_exec(((struct ov_sqlite *)f->s)->db, sql, NULL, NULL, NULL), 0);
}

/* Rows that the schema forbids, as a damaged page or somebody's edit leaves them: its checks are
 * not done when reading. */
static void test_damaged_rows(void **state)
{
    static const char *const members[] = {
        "UPDATE member SET identity = x'00'",
        "UPDATE member SET identity = x''",
        "UPDATE member SET identity = zeroblob(73)",
        "UPDATE member SET state = 3",
        "UPDATE address SET ip = zeroblob(17)",
        "UPDATE address SET ip = x''",
        "UPDATE address SET bits = 129",
        "UPDATE address SET bits = -1",
    };
    static const char *const nets[] = {
        "UPDATE network SET mtu = 100",          "UPDATE network SET pools = x'0000'",
        "UPDATE network SET pools = x'04'",      "UPDATE network SET dns = x'00'",
        "UPDATE network SET routes = x'000000'",
    };
    struct fixture *f = *state;
    struct ov_member_record m = member(NET, 0xfe23456789, "pc"), got;
    struct ov_net_record n;
    struct ov_invite_record inv = {.netid = NET, .hash = {7}};
    open_store(f);
    put_net(f);
    m.naddrs = 1;
    m.addrs[0] = (struct ov_prefix){ip("10.147.17.5"), 24};
    assert_int_equal(f->s->ops->member_put(f->s, &m, NULL), OV_OK);
    assert_int_equal(f->s->ops->invite_put(f->s, &inv), OV_OK);
    run(f, "PRAGMA ignore_check_constraints = ON");
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        run(f, "SAVEPOINT whole");
        run(f, members[i]);
        assert_int_equal(f->s->ops->member_get(f->s, NET, m.id.addr, &got), OV_EIO);
        assert_non_null(strstr(f->s->error, "is damaged"));
        assert_int_equal(f->s->ops->member_each(f->s, NET, any_member, NULL), OV_EIO);
        run(f, "ROLLBACK TO whole; RELEASE whole");
        assert_int_equal(f->s->ops->member_get(f->s, NET, m.id.addr, &got), OV_OK);
    }
    for (size_t i = 0; i < sizeof nets / sizeof nets[0]; i++) {
        run(f, "SAVEPOINT whole");
        run(f, nets[i]);
        assert_int_equal(f->s->ops->net_get(f->s, NET, &n), OV_EIO);
        assert_non_null(strstr(f->s->error, "is damaged"));
        run(f, "ROLLBACK TO whole; RELEASE whole");
    }
    assert_int_equal(f->s->ops->net_get(f->s, NET, &n), OV_OK);
    run(f, "UPDATE invite SET hash = x'07'");
    assert_int_equal(f->s->ops->invite_each(f->s, NET, any_invite, NULL), OV_EIO);
}

static void test_no_such_place(void **state)
{
    struct fixture *f = *state;
    snprintf(f->path, sizeof f->path, "%s/missing/c.db", f->dir);
    refuse(f, OV_EIO, "directory does not exist");
    snprintf(f->path, sizeof f->path, "%s", f->dir);
    refuse(f, OV_EIO, "is not a file");
    snprintf(f->path, sizeof f->path, "%s/c.db", f->dir);
}

/* Permissions bind only those who are not root, so a child gives that up. */
static void test_no_permission(void **state)
{
    struct fixture *f = *state;
    open_store(f);
    close_store(f);
    assert_int_equal(chmod(f->path, 0400), 0);
    assert_int_equal(chmod(f->dir, 0555), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char error[256] = "";
        struct ov_store *s;
        if (geteuid() == 0 && (setegid(65534) != 0 || seteuid(65534) != 0))
            _exit(2);
        int r = ov_store_sqlite_open(f->path, &s, error);
        if (r != OV_EIO ||
            (strstr(error, "cannot be written") == NULL && strstr(error, "cannot open") == NULL)) {
            fprintf(stderr, "%d: %s\n", r, error);
            _exit(1);
        }
        strcat(f->path, "x"); /* and a file that is not there yet */
        r = ov_store_sqlite_open(f->path, &s, error);
        if (r != OV_EIO || strstr(error, "check the owner and mode") == NULL) {
            fprintf(stderr, "%d: %s\n", r, error);
            _exit(1);
        }
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(chmod(f->dir, 0755), 0);
}

static void test_disk_full(void **state)
{
    struct fixture *f = *state;
    struct rlimit was, limit;
    signal(SIGXFSZ, SIG_IGN);
    open_store(f);
    put_net(f);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    limit = was;
    limit.rlim_cur = 256 * 1024;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    int r = OV_OK;
    ov_addr a = 0;
    struct ov_member_record m, got;
    while (r == OV_OK && a < 5000) {
        m = member(NET, ++a, "");
        m.state = OV_MEMBER_ADMITTED;
        m.naddrs = 1;
        m.addrs[0] = (struct ov_prefix){{4, {10, 1, (uint8_t)(a >> 8), (uint8_t)a}}, 16};
        r = f->s->ops->member_put(f->s, &m, NULL);
    }
    assert_int_equal(r, OV_EIO);
    assert_non_null(strstr(f->s->error, "space"));
    /* Reading goes on, and of the refused one nothing is there. */
    assert_int_equal(f->s->ops->member_get(f->s, NET, a, &got), OV_ENOENT);
    assert_int_equal(f->s->ops->member_get(f->s, NET, a - 1, &got), OV_OK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_int_equal(f->s->ops->member_put(f->s, &m, NULL), OV_OK); /* works again */
    reopen(f);
    size_t admitted, pending;
    assert_int_equal(f->s->ops->member_count(f->s, NET, &admitted, &pending), OV_OK);
    assert_int_equal(admitted, a);
}

/* Somebody at the database with another tool: readable meanwhile, and writable after. */
static void test_locked(void **state)
{
    struct fixture *f = *state;
    struct ov_net_record n = net(NET + 1, "lan"), got;
    sqlite3 *other;
    open_store(f);
    put_net(f);
    assert_int_equal(sqlite3_open(f->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(f->s->ops->net_put(f->s, &n), OV_EIO);
    assert_non_null(strstr(f->s->error, "in use by another program"));
    assert_int_equal(f->s->ops->net_get(f->s, NET, &got), OV_OK);
    sqlite3_close(other);
    assert_int_equal(f->s->ops->net_put(f->s, &n), OV_OK);
}

/* ---- migrations ---- */

static const char one[] = "CREATE TABLE t (x); INSERT INTO t VALUES (7)";
static const char two[] = "ALTER TABLE t ADD COLUMN y NOT NULL DEFAULT 8";
static const char broken[] = "ALTER TABLE t ADD COLUMN z; CREATE GARBAGE";

static int integer(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *st;
    int v = -1;
    if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
        v = sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    return v;
}

static void test_migrations(void **state)
{
    (void)state;
    const char *const good[] = {one, two}, *const bad[] = {one, two, broken};
    char error[256] = "";
    sqlite3 *db;
    assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
    assert_int_equal(ov_sqlite_migrate(db, "p", good, 1, error), OV_OK);
    assert_int_equal(integer(db, "PRAGMA user_version"), 1);
    assert_int_equal(integer(db, "PRAGMA application_id"), OV_SQLITE_APPLICATION_ID);
    assert_int_equal(ov_sqlite_migrate(db, "p", good, 2, error), OV_OK); /* keeps the rows */
    assert_int_equal(integer(db, "SELECT x + y FROM t"), 15);
    assert_int_equal(ov_sqlite_migrate(db, "p", good, 2, error), OV_OK); /* and once only */
    assert_int_equal(integer(db, "SELECT count(*) FROM t"), 1);
    assert_int_equal(ov_sqlite_migrate(db, "p", bad, 3, error), OV_EIO);
    assert_string_not_equal(error, "");
    assert_int_equal(integer(db, "PRAGMA user_version"), 2); /* all or nothing */
    assert_int_equal(integer(db, "SELECT count(*) FROM pragma_table_info('t')"), 2);
    assert_int_equal(ov_sqlite_migrate(db, "p", good, 1, error), OV_EVERSION);
    sqlite3_close(db);
}

static void test_memory(void **state)
{
    (void)state;
    char error[256];
    struct ov_store *s;
    assert_int_equal(ov_store_sqlite_open(":memory:", &s, error), OV_OK);
    struct ov_net_record n = net(NET, "dorm"), got;
    assert_int_equal(s->ops->net_put(s, &n), OV_OK);
    assert_int_equal(s->ops->net_get(s, NET, &got), OV_OK);
    s->ops->close(s);
}

#define FILE_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(test_private_file),
        FILE_TEST(test_network),
        FILE_TEST(test_network_full_lists),
        FILE_TEST(test_member),
        FILE_TEST(test_invite),
        FILE_TEST(test_invite_delete),
        FILE_TEST(test_revocations),
        FILE_TEST(test_clock),
        FILE_TEST(test_net_delete),
        FILE_TEST(test_pending_bounded),
        FILE_TEST(test_not_a_database),
        FILE_TEST(test_empty_file),
        FILE_TEST(test_foreign),
        FILE_TEST(test_newer),
        FILE_TEST(test_corrupted),
        FILE_TEST(test_truncated),
        FILE_TEST(test_damaged_rows),
        FILE_TEST(test_no_such_place),
        FILE_TEST(test_no_permission),
        FILE_TEST(test_disk_full),
        FILE_TEST(test_locked),
        cmocka_unit_test(test_migrations),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
