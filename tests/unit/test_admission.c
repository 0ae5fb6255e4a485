/* Floods of join requests, each by an identity of its own: they cost the controller a bounded
 * number of writes, and neither members, nor who has an invite, nor who waited before notices. */
#include "controller/controller.h"
#include "controller/store_sqlite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define T0     1700000000000ull
#define MINUTE 60000ull

enum { MEMBER = 1, EARLY, GUEST, LATE, CROWD = 1000 };

struct world {
    struct ov_identity_secret id;
    struct ov_store *store;
    struct ov_controller *c;
    struct ov_net_record net;
    uint64_t seed;
    ov_wall now;
    ov_addr told; /* who got the last reply, and of which kind */
    int status;
    char why[256];
};

static void fill(void *arg, void *buf, size_t len)
{
    struct world *w = arg;
    for (size_t i = 0; i < len; i++) {
        w->seed = w->seed * 6364136223846793005ull + 1442695040888963407ull;
        ((uint8_t *)buf)[i] = (uint8_t)(w->seed >> 56);
    }
}

static void note(void *arg, ov_addr to, const uint8_t *msg, size_t len)
{
    struct world *w = arg;
    struct ov_msg_net_reply r;
    if (msg[0] != OV_MSG_NET_REPLY)
        return;
    assert_int_equal(ov_msg_net_reply_decode(msg + 1, len - 1, &r), OV_OK);
    w->told = to;
    w->status = r.status;
}

static int set_up(void **state)
{
    static const struct ov_pow easy = {.mem_kib = 8, .bits = 1};
    static const uint8_t seed[32] = {42};
    struct world *w = calloc(1, sizeof *w);
    w->seed = 1;
    w->now = T0;
    assert_int_equal(ov_identity_make(seed, &easy, NULL, NULL, &w->id), OV_OK);
    assert_int_equal(ov_store_sqlite_open(":memory:", &w->store, w->why), OV_OK);
    struct ov_controller_config cfg = {
        .identity = &w->id, .store = w->store, .random = {fill, w}, .send = note, .send_arg = w};
    assert_int_equal(ov_controller_new(&cfg, &w->c), OV_OK);
    assert_int_equal(ov_controller_net_create(w->c, "dorm", &w->net, w->now, w->why), OV_OK);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    ov_controller_free(w->c);
    w->store->ops->close(w->store);
    free(w);
    return 0;
}

/* A node; its session has proven the key, so any bytes do for one here. */
static struct ov_identity node(unsigned n)
{
    struct ov_identity id = {.nonce = n, .addr = 0x1000000000ull + n};
    memset(id.dh.b, 7, 32);
    memset(id.sign.b, 8, 32);
    return id;
}

/* Ask now; returns what it is told, -1 when nothing. `secret` may be NULL. */
static int ask(struct world *w, unsigned n, const uint8_t *secret)
{
    struct ov_identity id = node(n);
    struct ov_msg_net_request req = {.netid = w->net.netid, .hostname = "pc"};
    if (secret != NULL) {
        req.has_secret = true;
        memcpy(req.secret, secret, sizeof req.secret);
    }
    w->told = 0;
    int r = ov_controller_request(w->c, &id, &req, w->now);
    assert_true(w->told == 0 || w->told == id.addr);
    assert_int_equal(r == OV_ELIMIT, w->told == 0);
    return w->told == 0 ? -1 : w->status;
}

static void invite(struct world *w, uint8_t secret[OV_INVITE_SECRET_LEN])
{
    const struct ov_host host = {.name = "vpn.example.org", .port = 4793};
    char text[OV_INVITE_TEXT];
    struct ov_invite inv;
    assert_int_equal(ov_controller_invite(w->c, "dorm", "", 0, &host, 1, w->now, text, w->why),
                     OV_OK);
    assert_int_equal(ov_invite_parse(text, &inv), OV_OK);
    memcpy(secret, inv.secret, OV_INVITE_SECRET_LEN);
}

static void set(struct world *w, const char *key, const char *value)
{
    assert_int_equal(ov_controller_net_set(w->c, "dorm", key, value, w->now, w->why), OV_OK);
}

/* Rows written until now. */
static int written(struct world *w)
{
    return sqlite3_total_changes(((struct ov_sqlite *)w->store)->db);
}

static size_t pending(struct world *w)
{
    size_t admitted, n;
    assert_int_equal(w->store->ops->member_count(w->store, w->net.netid, &admitted, &n), OV_OK);
    return n;
}

static bool is_stored(struct world *w, unsigned n)
{
    struct ov_member_record m;
    int r = w->store->ops->member_get(w->store, w->net.netid, node(n).addr, &m);
    assert_true(r == OV_OK || r == OV_ENOENT);
    return r == OV_OK;
}

/* A member, and a node that waits. */
static void populate(struct world *w)
{
    char addr[OV_ADDR_TEXT];
    assert_int_equal(ask(w, MEMBER, NULL), OV_NET_PENDING);
    assert_int_equal(ov_controller_authorize(w->c, "dorm", ov_addr_format(node(MEMBER).addr, addr),
                                             w->now, w->why),
                     OV_OK);
    assert_int_equal(ask(w, EARLY, NULL), OV_NET_PENDING);
}

/* `n` strangers ask, one each millisecond; returns the rows that were written for them. */
static int flood(struct world *w, unsigned first, unsigned n)
{
    int rows = 0;
    for (unsigned i = 0; i < n; i++) {
        int before = written(w);
        w->now++;
        (void)!ask(w, CROWD + first + i, NULL);
        rows += written(w) - before;
        if (i % 1000 != 999)
            continue;
        /* meanwhile the others are answered, and who waits costs nothing */
        assert_int_equal(ask(w, MEMBER, NULL), OV_NET_OK);
        before = written(w);
        assert_int_equal(ask(w, EARLY, NULL), OV_NET_PENDING);
        assert_int_equal(written(w), before);
    }
    return rows;
}

static void flood_of_identities(void **state)
{
    struct world *w = *state;
    uint8_t secret[OV_INVITE_SECRET_LEN];
    populate(w);
    invite(w, secret);
    assert_in_range(flood(w, 0, 10000), 100, OV_NEWCOMER_BURST + 10 * OV_NEWCOMER_RATE);
    assert_int_equal(ask(w, LATE, NULL), -1);
    assert_int_equal(ask(w, GUEST, secret), OV_NET_OK); /* at once */
    flood(w, 10000, 10000);
    assert_int_equal(pending(w), OV_PENDING_MAX);
    assert_int_equal(flood(w, 20000, 10000), 0); /* all places are taken by nodes that live */
    assert_true(is_stored(w, EARLY));
}

/* The same ones again and again, as fast as each may. */
static void flood_of_the_same(void **state)
{
    struct world *w = *state;
    populate(w);
    flood(w, 0, 3600);
    for (int round = 0; round < 20; round++)
        flood(w, 0, 3600);
    assert_int_equal(pending(w), OV_PENDING_MAX);
    assert_int_equal(flood(w, 0, 3600), 0);
    assert_true(is_stored(w, EARLY));
}

/* All places are taken: a newcomer gets that of who was silent, and never of another. */
static void silent_ones_give_way(void **state)
{
    struct world *w = *state;
    uint8_t secret[OV_INVITE_SECRET_LEN];
    const unsigned n = OV_PENDING_MAX - 1;
    populate(w);
    for (unsigned i = 0; i < n; i++, w->now += 20)
        assert_int_equal(ask(w, CROWD + i, NULL), OV_NET_PENDING);
    assert_int_equal(pending(w), OV_PENDING_MAX);
    int before = written(w);
    assert_int_equal(ask(w, LATE, NULL), OV_NET_UNAVAILABLE);
    assert_int_equal(written(w), before);
    for (int k = 0; k < 4; k++) { /* all but one are heard of */
        w->now += 5 * MINUTE;
        assert_int_equal(ask(w, EARLY, NULL), OV_NET_PENDING);
        for (unsigned i = 1; i < n; i++)
            assert_int_equal(ask(w, CROWD + i, NULL), OV_NET_PENDING);
    }
    assert_int_equal(ask(w, LATE, NULL), OV_NET_PENDING);
    assert_false(is_stored(w, CROWD));
    assert_true(is_stored(w, EARLY));
    assert_int_equal(ask(w, LATE + 1, NULL), OV_NET_UNAVAILABLE);
    assert_int_equal(pending(w), OV_PENDING_MAX);
    /* a wrong invite is told all the same, and needs no place */
    assert_int_equal(ask(w, GUEST, (const uint8_t[OV_INVITE_SECRET_LEN]){1}), OV_NET_BAD_INVITE);
    assert_false(is_stored(w, GUEST));
    invite(w, secret);
    assert_int_equal(ask(w, GUEST, secret), OV_NET_OK);
    w->now += 20 * MINUTE; /* nobody was heard of meanwhile */
    assert_int_equal(ask(w, LATE + 1, NULL), OV_NET_PENDING);
}

static void who_waits_writes_seldom(void **state)
{
    struct world *w = *state;
    populate(w);
    int before = written(w);
    for (int i = 0; i < 19; i++) { /* a node asks four times a minute */
        w->now += 15000;
        assert_int_equal(ask(w, EARLY, NULL), OV_NET_PENDING);
    }
    assert_int_equal(written(w), before);
    for (int i = 0; i < 40; i++) {
        w->now += 15000;
        assert_int_equal(ask(w, EARLY, NULL), OV_NET_PENDING);
    }
    assert_int_equal(written(w), before + 2);
}

/* Guessing secrets is no way around the strangers' rate. */
static void bad_invites_count(void **state)
{
    struct world *w = *state;
    uint8_t secret[OV_INVITE_SECRET_LEN] = {0};
    unsigned served = 0;
    for (unsigned i = 0; i < 5000; i++) {
        memcpy(secret, &i, sizeof i);
        served += ask(w, CROWD + i, secret) != -1;
    }
    assert_int_equal(served, OV_NEWCOMER_BURST);
    assert_int_equal(pending(w), OV_NEWCOMER_BURST);
    w->now += 1000;
    for (unsigned i = 0; i < 5000; i++)
        served += ask(w, CROWD + 5000 + i, NULL) != -1;
    assert_int_equal(served, OV_NEWCOMER_BURST + OV_NEWCOMER_RATE);
}

/* An invite that cannot be used up, because no address is left, in the hands of many. */
static void shared_invite(void **state)
{
    struct world *w = *state;
    uint8_t secret[OV_INVITE_SECRET_LEN];
    unsigned served = 0;
    set(w, "ip6", "off");
    set(w, "pool", "10.9.0.0/30");
    set(w, "open", "on");
    assert_int_equal(ask(w, MEMBER, NULL), OV_NET_OK);
    assert_int_equal(ask(w, EARLY, NULL), OV_NET_OK);
    set(w, "open", "off");
    invite(w, secret);
    int before = written(w);
    for (unsigned i = 0; i < 5000; i++)
        served += ask(w, CROWD + i, secret) != -1;
    assert_int_equal(served, OV_INVITED_BURST);
    assert_int_equal(written(w) - before, OV_INVITED_BURST);
    assert_int_equal(ask(w, LATE, NULL), OV_NET_PENDING); /* others have their own rate */
    assert_int_equal(ask(w, MEMBER, NULL), OV_NET_OK);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    if (ov_crypto_init() != OV_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        TEST(flood_of_identities),     TEST(flood_of_the_same), TEST(silent_ones_give_way),
        TEST(who_waits_writes_seldom), TEST(bad_invites_count), TEST(shared_invite),
    };
    return cmocka_run_group_tests_name("admission", tests, NULL, NULL);
}
