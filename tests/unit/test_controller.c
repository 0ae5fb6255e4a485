#include "controller/controller.h"
#include "controller/engine.h"
#include "tempdir.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define T0     1700000000000ull
#define MINUTE 60000ull
#define HOUR   3600000ull

/* ---- a controller on a real file, and a recorder for what it sends ---- */

struct sent {
    ov_addr to;
    uint8_t type;
    size_t len;
    uint8_t msg[OV_ENGINE_REPLY_MAX];
};

struct world {
    char dir[TEMPDIR_MAX], path[TEMPDIR_MAX + 32];
    struct ov_identity_secret id;
    struct ov_store *store;
    struct ov_controller *c;
    struct ov_net_record net;
    uint64_t seed;
    ov_wall now;
    struct sent *sent;
    size_t nsent, cap;
    int ack; /* a descriptor to tell each OV_NET_OK to, or -1 */
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

static void record(void *arg, ov_addr to, const uint8_t *msg, size_t len)
{
    struct world *w = arg;
    if (w->ack >= 0) {
        struct ov_msg_net_reply r;
        if (ov_msg_net_reply_decode(msg + 1, len - 1, &r) == OV_OK && r.status == OV_NET_OK &&
            write(w->ack, &to, sizeof to) != sizeof to)
            _exit(3);
        return;
    }
    assert_true(len <= OV_ENGINE_REPLY_MAX);
    if (w->nsent == w->cap) {
        w->cap = w->cap == 0 ? 64 : w->cap * 2;
        w->sent = realloc(w->sent, w->cap * sizeof *w->sent);
        assert_non_null(w->sent);
    }
    struct sent *s = &w->sent[w->nsent++];
    s->to = to;
    s->type = msg[0];
    s->len = len;
    memcpy(s->msg, msg, len);
}

static struct ov_net_root root_of(const struct ov_identity *id, uint16_t port)
{
    struct ov_net_root r = {.id = *id, .nendpoints = 1};
    r.endpoints[0] = (struct ov_endpoint){{4, {203, 0, 113, 5}}, port, 0};
    return r;
}

static void start(struct world *w)
{
    struct ov_controller_config cfg = {
        .identity = &w->id, .random = {fill, w}, .send = record, .send_arg = w, .nroots = 1};
    if (ov_store_sqlite_open(w->path, &w->store, w->why) != OV_OK)
        fail_msg("open: %s", w->why);
    cfg.store = w->store;
    cfg.roots[0] = root_of(&w->id.pub, 4793);
    assert_int_equal(ov_controller_new(&cfg, &w->c), OV_OK);
}

static void stop(struct world *w)
{
    ov_controller_free(w->c);
    w->store->ops->close(w->store);
    w->c = NULL;
}

static void restart(struct world *w)
{
    stop(w);
    start(w);
}

static int set_up(void **state)
{
    static const struct ov_pow easy = {.mem_kib = 8, .bits = 1};
    static const uint8_t seed[32] = {42};
    struct world *w = calloc(1, sizeof *w);
    w->seed = 1;
    w->now = T0;
    w->ack = -1;
    tempdir_make(w->dir);
    snprintf(w->path, sizeof w->path, "%s/c.db", w->dir);
    assert_int_equal(ov_identity_make(seed, &easy, NULL, NULL, &w->id), OV_OK);
    start(w);
    assert_int_equal(ov_controller_net_create(w->c, "dorm", &w->net, w->now, w->why), OV_OK);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    if (w->c != NULL)
        stop(w);
    assert_true(tempdir_count(w->dir, ".") <= 3); /* the database, and nothing left over */
    tempdir_remove(w->dir);
    free(w->sent);
    free(w);
    return 0;
}

/* A node; its session has proven the key, so any bytes do for one here. */
static struct ov_identity node(unsigned n)
{
    struct ov_identity id = {.nonce = n, .addr = 0x1000000000ull + n};
    memset(id.dh.b, (int)(n & 0xff), 32);
    memset(id.sign.b, (int)(n >> 8 & 0xff), 32);
    return id;
}

/* ---- asking, and reading the answer ---- */

struct answer {
    int status; /* -1: no reply */
    char name[OV_NET_NAME_MAX];
    struct ov_net_config config;
    struct ov_cert cert;
};

/* The last NET_REPLY to `to`, checked as the node would. */
static struct answer last_reply(struct world *w, ov_addr to)
{
    struct answer a = {.status = -1};
    for (size_t i = w->nsent; i-- > 0;) {
        struct ov_msg_net_reply r;
        if (w->sent[i].to != to || w->sent[i].type != OV_MSG_NET_REPLY)
            continue;
        assert_int_equal(ov_msg_net_reply_decode(w->sent[i].msg + 1, w->sent[i].len - 1, &r),
                         OV_OK);
        a.status = r.status;
        strcpy(a.name, r.name);
        if (r.status == OV_NET_OK) {
            assert_int_equal(ov_net_config_verify(r.config.p, r.config.len, &w->id.pub, &a.config),
                             OV_OK);
            assert_int_equal(ov_cert_verify(r.cert.p, r.cert.len, &w->id.pub, &a.cert), OV_OK);
            assert_int_equal(a.cert.netid, r.netid);
            assert_int_equal(a.cert.member.addr, to);
        } else {
            assert_int_equal(r.config.len + r.cert.len, 0);
        }
        break;
    }
    return a;
}

static size_t count_sent(struct world *w, ov_addr to, uint8_t type)
{
    size_t n = 0;
    for (size_t i = 0; i < w->nsent; i++)
        n += w->sent[i].to == to && w->sent[i].type == type;
    return n;
}

/* The revocation sent to `to`; its timestamp, 0 when there is none. */
static ov_wall revocation_to(struct world *w, ov_addr to, ov_addr about)
{
    ov_wall found = 0;
    for (size_t i = 0; i < w->nsent; i++) {
        struct ov_revocation r;
        if (w->sent[i].to != to || w->sent[i].type != OV_MSG_REVOKE)
            continue;
        assert_int_equal(
            ov_revocation_verify(w->sent[i].msg + 1, w->sent[i].len - 1, &w->id.pub, &r), OV_OK);
        assert_int_equal(r.netid, w->net.netid);
        if (r.member == about)
            found = r.timestamp;
    }
    return found;
}

/* Ask once, a minute after the last one, with the secret of an invite or NULL. */
static struct answer ask_as(struct world *w, const struct ov_identity *id, const char *host,
                            const char *invite)
{
    struct ov_msg_net_request req = {.netid = w->net.netid};
    snprintf(req.hostname, sizeof req.hostname, "%s", host);
    if (invite != NULL) {
        struct ov_invite inv;
        assert_int_equal(ov_invite_parse(invite, &inv), OV_OK);
        assert_int_equal(inv.netid, w->net.netid);
        assert_true(ov_identity_equal(&inv.controller, &w->id.pub));
        req.has_secret = true;
        memcpy(req.secret, inv.secret, sizeof req.secret);
    }
    w->now += MINUTE;
    w->nsent = 0;
    int r = ov_controller_request(w->c, id, &req, w->now);
    struct answer a = last_reply(w, id->addr);
    assert_int_equal(count_sent(w, id->addr, OV_MSG_NET_REPLY), 1); /* always exactly one */
    assert_int_equal(r, a.status == OV_NET_UNAVAILABLE ? OV_EIO : OV_OK);
    return a;
}

static struct answer ask(struct world *w, unsigned n, const char *host, const char *invite)
{
    struct ov_identity id = node(n);
    return ask_as(w, &id, host, invite);
}

static void invite(struct world *w, uint64_t ttl_s, char out[OV_INVITE_TEXT])
{
    struct ov_host host = {.name = "vpn.example.org", .port = 4793};
    if (ov_controller_invite(w->c, "dorm", "a friend", ttl_s, &host, 1, w->now, out, w->why) !=
        OV_OK)
        fail_msg("invite: %s", w->why);
}

static const char *text_addr(unsigned n, char out[OV_ADDR_TEXT])
{
    return ov_addr_format(node(n).addr, out);
}

static void ok(struct world *w, int r)
{
    if (r != OV_OK)
        fail_msg("%d: %s", r, w->why);
}

static void set(struct world *w, const char *key, const char *value)
{
    w->nsent = 0;
    ok(w, ov_controller_net_set(w->c, "dorm", key, value, w->now, w->why));
}

static struct ov_member_record stored(struct world *w, unsigned n)
{
    struct ov_member_record m;
    assert_int_equal(w->store->ops->member_get(w->store, w->net.netid, node(n).addr, &m), OV_OK);
    return m;
}

static void first_ip(struct ov_cert cert, const char *want)
{
    char text[OV_PREFIX_TEXT];
    assert_true(cert.naddrs > 0);
    assert_string_equal(ov_prefix_format(&cert.addrs[0], text), want);
}

/* The text of host `last` in the network's own /24. */
static const char *host_text(struct world *w, unsigned last, const char *suffix)
{
    static char out[32];
    snprintf(out, sizeof out, "10.147.%u.%u%s", w->net.pools[0].ip.b[2], last, suffix);
    return out;
}

/* ---- tests ---- */

static void test_create(void **state)
{
    struct world *w = *state;
    struct ov_net_record n, got;
    assert_int_equal(ov_netid_controller(w->net.netid), w->id.pub.addr);
    assert_true(w->net.ip6);
    assert_int_equal(w->net.mtu, OV_MTU_DEFAULT);
    assert_true(w->net.flags & OV_NET_CHECK_IP);
    assert_int_equal(w->net.nroots, 1);
    assert_int_equal(ov_controller_net_create(w->c, "dorm", &n, w->now, w->why), OV_EEXIST);
    assert_non_null(strstr(w->why, "dorm"));
    assert_int_equal(ov_controller_net_create(w->c, "a b", &n, w->now, w->why), OV_EINVAL);
    restart(w);
    char id[OV_NETID_TEXT];
    ok(w, ov_controller_net_find(w->c, "dorm", &got, w->why));
    assert_memory_equal(&got, &w->net, sizeof got);
    ok(w, ov_controller_net_find(w->c, ov_netid_format(w->net.netid, id), &got, w->why));
    assert_memory_equal(&got, &w->net, sizeof got);
    assert_int_equal(ov_controller_net_find(w->c, "drom", &got, w->why), OV_ENOENT);
    assert_string_equal(w->why, "no network \"drom\" on this controller");
}

/* Members share a secret of their network that lives as long as the controller's identity. */
static void test_lan_key(void **state)
{
    struct world *w = *state;
    char inv[OV_INVITE_TEXT];
    invite(w, 0, inv);
    struct answer a = ask(w, 1, "one", inv), b;
    assert_int_equal(a.status, OV_NET_OK);
    assert_true(a.config.flags & OV_NET_LAN_KEY);
    restart(w);
    invite(w, 0, inv);
    b = ask(w, 2, "two", inv);
    assert_memory_equal(&a.config.lan_key, &b.config.lan_key, sizeof a.config.lan_key);
    struct ov_net_record first = w->net;
    ok(w, ov_controller_net_create(w->c, "other", &w->net, w->now, w->why));
    struct ov_host host = {.name = "vpn.example.org", .port = 4793};
    ok(w, ov_controller_invite(w->c, "other", "", 0, &host, 1, w->now, inv, w->why));
    b = ask(w, 1, "one", inv);
    assert_int_equal(b.status, OV_NET_OK);
    assert_memory_not_equal(&a.config.lan_key, &b.config.lan_key, sizeof a.config.lan_key);
    w->net = first;
}

/* All 256 pools of 10.147 are given once each, then the next block's. */
static void test_create_pools_differ(void **state)
{
    struct world *w = *state;
    bool used[256] = {false};
    used[w->net.pools[0].ip.b[2]] = true;
    for (int i = 0; i < 257; i++) {
        struct ov_net_record n;
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        ok(w, ov_controller_net_create(w->c, name, &n, w->now, w->why));
        assert_int_equal(n.pools[0].ip.b[1], i < 255 ? 147 : 148);
        if (i < 255) {
            assert_false(used[n.pools[0].ip.b[2]]);
            used[n.pools[0].ip.b[2]] = true;
        }
    }
}

static void test_authorize(void **state)
{
    struct world *w = *state;
    char addr[OV_ADDR_TEXT];
    assert_int_equal(ov_controller_authorize(w->c, "dorm", text_addr(1, addr), w->now, w->why),
                     OV_ENOENT);
    struct answer a = ask(w, 1, "Dorm-PC.lan", NULL);
    assert_int_equal(a.status, OV_NET_PENDING);
    assert_string_equal(a.name, "dorm-pc");
    restart(w);
    assert_int_equal(ask(w, 1, "Dorm-PC.lan", NULL).status, OV_NET_PENDING);
    w->nsent = 0;
    ok(w, ov_controller_authorize(w->c, "dorm", "dorm-pc", w->now, w->why));
    a = last_reply(w, node(1).addr); /* pushed, unasked */
    assert_int_equal(a.status, OV_NET_OK);
    assert_string_equal(a.name, "dorm-pc");
    assert_string_equal(a.config.name, "dorm");
    assert_int_equal(a.config.nroots, 1);
    assert_int_equal(a.cert.naddrs, 2);
    first_ip(a.cert, host_text(w, 1, "/24"));
    assert_int_equal(a.cert.addrs[1].ip.family, 6);
    assert_int_equal(a.cert.addrs[1].bits, 64);
    struct ov_identity id = node(1);
    assert_true(ov_identity_equal(&a.cert.member, &id)); /* the full key is bound */
    restart(w);
    struct answer b = ask(w, 1, "renamed", NULL);
    assert_int_equal(b.status, OV_NET_OK);
    assert_string_equal(b.name, "dorm-pc");
    first_ip(b.cert, host_text(w, 1, "/24"));
    assert_true(b.cert.timestamp > a.cert.timestamp);
}

static void test_invite(void **state)
{
    struct world *w = *state;
    char inv[OV_INVITE_TEXT], again[OV_INVITE_TEXT], addr[OV_ADDR_TEXT];
    invite(w, 0, inv);
    restart(w);
    assert_int_equal(ask(w, 1, "pc", inv).status, OV_NET_OK);
    restart(w);
    assert_int_equal(ask(w, 1, "pc", inv).status, OV_NET_OK); /* the answer was lost, say */
    assert_string_equal(stored(w, 1).note, "a friend");       /* as the owner noted */
    assert_int_equal(ask(w, 2, "pc", inv).status, OV_NET_USED_INVITE);
    assert_int_equal(stored(w, 2).state,
                     OV_MEMBER_PENDING); /* the owner may let it in all the same */

    /* Admitted members get in whatever they bring. */
    inv[0] = '\0';
    struct ov_identity id = node(1);
    struct ov_msg_net_request req = {.netid = w->net.netid, .has_secret = true, .secret = {9}};
    w->nsent = 0;
    assert_int_equal(ov_controller_request(w->c, &id, &req, w->now), OV_OK);
    assert_int_equal(last_reply(w, id.addr).status, OV_NET_OK);
    id = node(3);
    w->nsent = 0;
    assert_int_equal(ov_controller_request(w->c, &id, &req, w->now), OV_OK);
    assert_int_equal(last_reply(w, id.addr).status, OV_NET_BAD_INVITE);

    /* An invite ends when it says; before that it is good. */
    invite(w, 3600, inv);
    invite(w, 3600, again);
    w->now += 50 * MINUTE;
    assert_int_equal(ask(w, 4, "pc", inv).status, OV_NET_OK);
    w->now += 10 * MINUTE;
    assert_int_equal(ask(w, 5, "pc", again).status, OV_NET_EXPIRED_INVITE);
    assert_int_equal(ask(w, 5, "pc", NULL).status, OV_NET_PENDING);

    /* One removed stays out with its old invite, and comes back by a fresh one. */
    ok(w, ov_controller_deauthorize(w->c, "dorm", text_addr(4, addr), w->now, w->why));
    assert_int_equal(ask(w, 4, "pc", inv).status, OV_NET_DENIED);
    assert_int_equal(ask(w, 4, "pc", NULL).status, OV_NET_DENIED);
    invite(w, 0, again);
    ok(w, ov_controller_member_set(w->c, "dorm", addr, "note", "mine", w->now, w->why));
    struct answer a = ask(w, 4, "pc", again);
    assert_int_equal(a.status, OV_NET_OK);
    assert_string_equal(stored(w, 4).note, "mine"); /* a note of its own stays */
    assert_true(a.cert.timestamp > stored(w, 4).revoked);

    /* A forgotten one is a stranger, also with the invite it once used. */
    ok(w, ov_controller_member_delete(w->c, "dorm", text_addr(4, addr), w->now, w->why));
    assert_int_equal(ask(w, 4, "pc", again).status, OV_NET_PENDING);
}

/* The id under which the owner sees an invite. */
static const char *invite_id(const char *text, char id[OV_INVITE_ID_TEXT])
{
    struct ov_invite inv;
    struct ov_invite_record rec;
    assert_int_equal(ov_invite_parse(text, &inv), OV_OK);
    ov_hash(rec.hash, sizeof rec.hash, NULL, 0, inv.secret, sizeof inv.secret);
    return ov_controller_invite_id(&rec, id);
}

static void test_invite_revoked(void **state)
{
    struct world *w = *state;
    char used[OV_INVITE_TEXT], one[OV_INVITE_TEXT], old[OV_INVITE_TEXT], id[OV_INVITE_ID_TEXT];
    char addr[OV_ADDR_TEXT];
    size_t count = 99;
    invite(w, 0, used);
    invite(w, 0, one);
    invite(w, 60, old);
    assert_int_equal(ask(w, 1, "eve", used).status, OV_NET_OK);
    ok(w, ov_controller_deauthorize(w->c, "dorm", text_addr(1, addr), w->now, w->why));

    /* the unused one that she has as well is taken back, and she stays out */
    ok(w, ov_controller_invite_revoke(w->c, "dorm", invite_id(one, id), w->why));
    assert_int_equal(ask(w, 1, "eve", one).status, OV_NET_BAD_INVITE);
    assert_int_equal(stored(w, 1).state, OV_MEMBER_DENIED);
    assert_int_equal(ov_controller_invite_revoke(w->c, "dorm", id, w->why), OV_ENOENT);
    assert_int_equal(ov_controller_invite_revoke(w->c, "dorm", "", w->why), OV_ENOENT);
    assert_int_equal(ov_controller_invite_revoke(w->c, "drom", id, w->why), OV_ENOENT);
    assert_int_equal(ov_controller_invite_revoke(w->c, "dorm", invite_id(used, id), w->why),
                     OV_ESTATE);
    assert_non_null(strstr(w->why, addr));

    w->now += HOUR; /* `old` has expired; all that is unused goes */
    invite(w, 0, one);
    ok(w, ov_controller_invites_revoke(w->c, "dorm", &count, w->why));
    assert_int_equal(count, 2);
    assert_int_equal(ask(w, 2, "pc", one).status, OV_NET_BAD_INVITE);
    assert_int_equal(ask(w, 2, "pc", old).status, OV_NET_BAD_INVITE);
    ok(w, ov_controller_invites_revoke(w->c, "dorm", &count, w->why));
    assert_int_equal(count, 0);
    assert_int_equal(ov_controller_invites_revoke(w->c, "drom", &count, w->why), OV_ENOENT);
}

static bool is_stored(struct world *w, unsigned n)
{
    struct ov_member_record m;
    return w->store->ops->member_get(w->store, w->net.netid, node(n).addr, &m) == OV_OK;
}

static void test_bye(void **state)
{
    struct world *w = *state;
    struct ov_identity member = node(1), waiting = node(2), other = node(3);
    char addr[OV_ADDR_TEXT];
    const ov_netid id = w->net.netid;
    assert_int_equal(ask(w, 1, "a", NULL).status, OV_NET_PENDING);
    ok(w, ov_controller_authorize(w->c, "dorm", text_addr(1, addr), w->now, w->why));
    assert_int_equal(ask(w, 2, "b", NULL).status, OV_NET_PENDING);

    /* who only waited is gone; a member stays one, and is away */
    assert_int_equal(ov_controller_bye(w->c, &waiting, id, w->now), OV_OK);
    assert_false(is_stored(w, 2));
    assert_int_equal(ov_controller_left(w->c, id, waiting.addr), 0);
    assert_int_equal(ov_controller_bye(w->c, &member, id, w->now), OV_OK);
    assert_int_equal(stored(w, 1).state, OV_MEMBER_ADMITTED);
    assert_int_equal(ov_controller_left(w->c, id, member.addr), w->now);
    assert_int_equal(ov_controller_left(w->c, id + 1, member.addr), 0);
    assert_int_equal(ask(w, 1, "a", NULL).status, OV_NET_OK);
    assert_int_equal(ov_controller_left(w->c, id, member.addr), 0);

    /* nobody can say it for another, or of what is not there */
    other.addr = member.addr;
    w->now += MINUTE;
    assert_int_equal(ov_controller_bye(w->c, &other, id, w->now), OV_OK);
    assert_int_equal(ov_controller_left(w->c, id, member.addr), 0);
    assert_int_equal(ov_controller_bye(w->c, &member, id + 1, w->now), OV_OK);
    assert_int_equal(ov_controller_left(w->c, id + 1, member.addr), 0);

    /* and not for ever */
    int r = OV_OK;
    for (int i = 0; i < 1000 && r == OV_OK; i++)
        r = ov_controller_bye(w->c, &member, id, w->now);
    assert_int_equal(r, OV_ELIMIT);
    restart(w);
    assert_int_equal(ov_controller_left(w->c, id, member.addr), 0);
}

/* More members than are remembered say good-bye. */
static void test_byes_are_bounded(void **state)
{
    struct world *w = *state;
    for (ov_addr a = 1; a <= OV_LEFT_MAX; a++)
        ov_engine_gone(w->c, w->net.netid, a, w->now);
    ov_engine_gone(w->c, w->net.netid, 1, w->now + 1); /* again: no more than one */
    assert_int_equal(ov_controller_left(w->c, w->net.netid, 1), w->now + 1);
    assert_int_equal(ov_controller_left(w->c, w->net.netid, OV_LEFT_MAX), w->now);
    ov_engine_gone(w->c, w->net.netid, OV_LEFT_MAX + 1, w->now);
    assert_int_equal(w->c->left.len, 1);
    assert_int_equal(ov_controller_left(w->c, w->net.netid, OV_LEFT_MAX + 1), w->now);
}

static void test_invite_refused(void **state)
{
    struct world *w = *state;
    char inv[OV_INVITE_TEXT];
    struct ov_host hosts[OV_INVITE_HOSTS_MAX + 1] = {{.name = "a", .port = 1}};
    assert_int_equal(ov_controller_invite(w->c, "drom", "", 0, hosts, 1, w->now, inv, w->why),
                     OV_ENOENT);
    assert_int_equal(ov_controller_invite(w->c, "dorm", "a\nb", 0, hosts, 1, w->now, inv, w->why),
                     OV_EINVAL);
    assert_int_equal(
        ov_controller_invite(w->c, "dorm", "", UINT64_MAX, hosts, 1, w->now, inv, w->why),
        OV_EINVAL);
    assert_int_equal(ov_controller_invite(w->c, "dorm", "", 0, hosts, OV_INVITE_HOSTS_MAX + 1,
                                          w->now, inv, w->why),
                     OV_EINVAL);
}

static void test_open(void **state)
{
    struct world *w = *state;
    char addr[OV_ADDR_TEXT];
    assert_int_equal(ask(w, 1, "a", NULL).status, OV_NET_PENDING);
    set(w, "open", "on");
    restart(w);
    assert_int_equal(ask(w, 1, "a", NULL).status, OV_NET_OK);
    assert_int_equal(ask(w, 2, "b", NULL).status, OV_NET_OK);
    ok(w, ov_controller_deauthorize(w->c, "dorm", text_addr(2, addr), w->now, w->why));
    assert_int_equal(ask(w, 2, "b", NULL).status, OV_NET_DENIED); /* open, but not for it */
}

static void test_not_found(void **state)
{
    struct world *w = *state;
    w->net.netid++;
    assert_int_equal(ask(w, 1, "a", NULL).status, OV_NET_NOT_FOUND);
}

static void test_second_key(void **state)
{
    struct world *w = *state;
    struct ov_identity thief = node(1);
    struct ov_msg_net_request req = {.netid = w->net.netid};
    set(w, "open", "on");
    assert_int_equal(ask(w, 1, "a", NULL).status, OV_NET_OK);
    thief.dh.b[0] ^= 1;
    w->nsent = 0;
    assert_int_equal(ov_controller_request(w->c, &thief, &req, w->now), OV_ECONFLICT);
    assert_int_equal(last_reply(w, thief.addr).status, OV_NET_DENIED);
    assert_int_equal(ask(w, 1, "a", NULL).status, OV_NET_OK);
}

static void test_rate(void **state)
{
    struct world *w = *state;
    struct ov_identity id = node(1), other = node(2);
    struct ov_msg_net_request req = {.netid = w->net.netid};
    int allowed = 0;
    for (int i = 0; i < 100; i++) {
        int r = ov_controller_request(w->c, &id, &req, w->now);
        assert_true(r == OV_OK || r == OV_ELIMIT);
        allowed += r == OV_OK;
    }
    assert_in_range(allowed, 4, 32);
    assert_int_equal(w->nsent, (size_t)allowed); /* the others got nothing at all */
    assert_int_equal(ov_controller_request(w->c, &other, &req, w->now), OV_OK);
    /* The clock jumps back a year; it is the time that passes which counts. */
    w->now -= 365 * 24 * HOUR;
    assert_int_equal(ov_controller_request(w->c, &id, &req, w->now), OV_ELIMIT);
    w->now += 5000;
    assert_int_equal(ov_controller_request(w->c, &id, &req, w->now), OV_OK);
}

static void test_names(void **state)
{
    struct world *w = *state;
    char want[32], addr[OV_ADDR_TEXT];
    for (unsigned i = 1; i <= 12; i++) {
        struct answer a = ask(w, i, "dorm-pc", NULL);
        if (i == 1)
            snprintf(want, sizeof want, "dorm-pc");
        else if (i <= 9)
            snprintf(want, sizeof want, "dorm-pc-%u", i);
        else
            snprintf(want, sizeof want, "dorm-pc-%s", text_addr(i, addr));
        assert_string_equal(a.name, want);
    }
    assert_string_equal(ask(w, 20, "", NULL).name, "");
    assert_string_equal(ask(w, 21, "..", NULL).name, "");
    assert_string_equal(ask(w, 22, "\xe5\xae\xbf", NULL).name, "");
    assert_string_equal(ask(w, 23, "Li's PC_2.campus.edu", NULL).name, "li-s-pc-2");
    /* A host that calls itself by another node's address does not become it. */
    assert_string_equal(ask(w, 24, text_addr(1, addr), NULL).name, "host-1000000001");
    char host[OV_NET_NAME_MAX];
    memset(host, 'x', sizeof host - 1);
    host[sizeof host - 1] = '\0';
    assert_true(strlen(ask(w, 25, host, NULL).name) >= 50);
    assert_true(strlen(ask(w, 26, host, NULL).name) >= 50);

    ok(w, ov_controller_member_name(w->c, "dorm", "dorm-pc", "tower", w->now, w->why));
    assert_string_equal(stored(w, 1).name, "tower");
    assert_int_equal(ov_controller_member_name(w->c, "dorm", "dorm-pc-2", "tower", w->now, w->why),
                     OV_EEXIST);
    assert_int_equal(ov_controller_member_name(w->c, "dorm", "tower", "1000000001", w->now, w->why),
                     OV_EINVAL);
    assert_int_equal(ov_controller_member_name(w->c, "dorm", "nobody", "x", w->now, w->why),
                     OV_ENOENT);
    restart(w);
    assert_string_equal(ask(w, 1, "dorm-pc", NULL).name, "tower");
}

static void test_deauthorize(void **state)
{
    struct world *w = *state;
    struct ov_identity outside = node(0x77);
    struct ov_net_root roots[2] = {root_of(&w->id.pub, 4793), root_of(&outside, 4793)};
    ok(w, ov_controller_set_roots(w->c, roots, 2, w->now));
    set(w, "open", "on");
    struct answer a = {0};
    for (unsigned i = 1; i <= 4; i++)
        a = ask(w, i, "pc", NULL);
    assert_int_equal(ask(w, 0x77, "root", NULL).status, OV_NET_OK); /* a root may be a member too */
    set(w, "open", "off");
    assert_int_equal(ask(w, 5, "waiting", NULL).status, OV_NET_PENDING);
    w->now -= 2 * HOUR; /* the clock goes back before the owner acts */
    w->nsent = 0;
    ok(w, ov_controller_deauthorize(w->c, "dorm", "pc-4", w->now, w->why));
    ov_wall revoked = revocation_to(w, node(1).addr, node(4).addr);
    assert_true(revoked > a.cert.timestamp); /* and yet every certificate is covered */
    assert_int_equal(revocation_to(w, node(2).addr, node(4).addr), revoked);
    assert_int_equal(revocation_to(w, node(3).addr, node(4).addr), revoked);
    assert_int_equal(revocation_to(w, outside.addr, node(4).addr), revoked);
    assert_int_equal(count_sent(w, outside.addr, OV_MSG_REVOKE), 1);
    assert_int_equal(count_sent(w, w->id.pub.addr, OV_MSG_REVOKE), 0);
    assert_int_equal(count_sent(w, node(4).addr, OV_MSG_REVOKE), 0);
    assert_int_equal(count_sent(w, node(5).addr, OV_MSG_REVOKE), 0);
    assert_int_equal(last_reply(w, node(4).addr).status, OV_NET_DENIED);
    restart(w);
    assert_int_equal(ask(w, 4, "pc", NULL).status, OV_NET_DENIED);

    /* Again is the same: the flood is repeated, not a new revocation. */
    w->nsent = 0;
    ok(w, ov_controller_deauthorize(w->c, "dorm", "pc-4", w->now, w->why));
    assert_int_equal(revocation_to(w, node(1).addr, node(4).addr), revoked);

    /* A member that was away learns it with its next answer. */
    assert_int_equal(ask(w, 1, "pc", NULL).status, OV_NET_OK);
    assert_int_equal(revocation_to(w, node(1).addr, node(4).addr), revoked);

    w->nsent = 0;
    ok(w, ov_controller_authorize(w->c, "dorm", "pc-4", w->now, w->why));
    a = last_reply(w, node(4).addr);
    assert_int_equal(a.status, OV_NET_OK);
    assert_true(a.cert.timestamp > revoked);
    first_ip(a.cert, host_text(w, 4, "/24")); /* its own address waited for it */

    /* Denying one that only asked revokes nothing. */
    w->nsent = 0;
    ok(w, ov_controller_deauthorize(w->c, "dorm", "waiting", w->now, w->why));
    assert_int_equal(w->nsent, 1);
    assert_int_equal(last_reply(w, node(5).addr).status, OV_NET_DENIED);
}

static void test_old_revocations_stay_home(void **state)
{
    struct world *w = *state;
    set(w, "open", "on");
    ask(w, 1, "a", NULL);
    ask(w, 2, "b", NULL);
    ok(w, ov_controller_member_delete(w->c, "dorm", "b", w->now, w->why));
    assert_true(revocation_to(w, node(1).addr, node(2).addr) != 0);
    struct ov_identity id = node(1);
    struct ov_msg_net_request req = {.netid = w->net.netid};
    req.have_timestamp = ask(w, 1, "a", NULL).cert.timestamp;
    assert_true(revocation_to(w, id.addr, node(2).addr) != 0); /* although "b" is forgotten */
    w->now += 2 * HOUR;
    req.have_timestamp = w->now - 1000;
    w->nsent = 0;
    ok(w, ov_controller_request(w->c, &id, &req, w->now));
    assert_int_equal(revocation_to(w, id.addr, node(2).addr), 0); /* it was told before */
    w->now += 24 * HOUR;
    req.have_timestamp = 0;
    w->nsent = 0;
    ok(w, ov_controller_request(w->c, &id, &req, w->now));
    assert_int_equal(revocation_to(w, id.addr, node(2).addr), 0); /* no certificate is that old */
}

static void test_net_set_pushes(void **state)
{
    struct world *w = *state;
    set(w, "open", "on");
    struct answer a = ask(w, 1, "a", NULL);
    ask(w, 2, "b", NULL);
    set(w, "mtu", "1400");
    for (unsigned i = 1; i <= 2; i++) {
        struct answer b = last_reply(w, node(i).addr);
        assert_int_equal(b.status, OV_NET_OK);
        assert_int_equal(b.config.mtu, 1400);
        assert_int_equal(b.config.revision, a.config.revision + 1);
        assert_true(b.cert.timestamp > a.cert.timestamp);
    }
    restart(w);
    a = ask(w, 1, "a", NULL);
    assert_int_equal(a.config.mtu, 1400);
    set(w, "note", "nothing that members see");
    assert_int_equal(w->nsent, 0);
    set(w, "ip6", "off");
    a = last_reply(w, node(1).addr);
    assert_int_equal(a.cert.naddrs, 1);
    assert_int_equal(stored(w, 1).naddrs, 1);
    set(w, "ip6", "on");
    assert_int_equal(last_reply(w, node(1).addr).cert.naddrs, 2);
    w->nsent = 0;
    assert_int_equal(ov_controller_net_set(w->c, "dorm", "mtu", "5", w->now, w->why), OV_EINVAL);
    assert_int_equal(ov_controller_net_set(w->c, "drom", "mtu", "1400", w->now, w->why), OV_ENOENT);
    struct ov_net_record other;
    ok(w, ov_controller_net_create(w->c, "lan", &other, w->now, w->why));
    assert_int_equal(ov_controller_net_set(w->c, "dorm", "name", "lan", w->now, w->why), OV_EEXIST);
    assert_int_equal(w->nsent, 0);
}

/* Several settings are one revision, told once; a refused one takes the others with it. */
static void test_net_change_is_atomic(void **state)
{
    struct world *w = *state;
    static const struct ov_setting good[] = {{"mtu", "1500"}, {"name", "home"}, {"note", "x"}},
                                   bad[] = {{"mtu", "1600"}, {"name", "flat"}, {"mtu", "5"}},
                                   taken[] = {{"mtu", "1600"}, {"name", "lan"}},
                                   small[] = {{"mtu", "1600"}, {"pool", "10.9.0.0/30"}};
    struct ov_net_record before, after;
    set(w, "open", "on");
    for (unsigned i = 1; i <= 3; i++)
        ask(w, i, "pc", NULL);
    assert_int_equal(w->store->ops->net_get(w->store, w->net.netid, &before), OV_OK);
    w->nsent = 0;
    ok(w, ov_controller_net_change(w->c, "dorm", good, 3, w->now, w->why));
    assert_int_equal(w->nsent, 3);
    assert_int_equal(w->store->ops->net_get(w->store, w->net.netid, &after), OV_OK);
    assert_int_equal(after.revision, before.revision + 1);
    assert_int_equal(after.mtu, 1500);
    assert_string_equal(after.name, "home");
    assert_string_equal(after.note, "x");

    struct ov_net_record other;
    ok(w, ov_controller_net_create(w->c, "lan", &other, w->now, w->why));
    before = after;
    w->nsent = 0;
    assert_int_equal(ov_controller_net_change(w->c, "home", bad, 3, w->now, w->why), OV_EINVAL);
    assert_int_equal(ov_controller_net_change(w->c, "home", taken, 2, w->now, w->why), OV_EEXIST);
    assert_int_equal(ov_controller_net_change(w->c, "home", small, 2, w->now, w->why), OV_EINVAL);
    assert_int_equal(w->nsent, 0);
    assert_int_equal(w->store->ops->net_get(w->store, w->net.netid, &after), OV_OK);
    assert_memory_equal(&before, &after, sizeof before);
}

static void test_new_pool_renumbers(void **state)
{
    struct world *w = *state;
    set(w, "open", "on");
    for (unsigned i = 1; i <= 3; i++)
        ask(w, i, "pc", NULL);
    assert_int_equal(ov_controller_net_set(w->c, "dorm", "pool", "10.9.0.0/30", w->now, w->why),
                     OV_EINVAL);
    assert_non_null(strstr(w->why, "3 members need an address each"));
    set(w, "pool", "10.9.0.0/16");
    first_ip(last_reply(w, node(1).addr).cert, "10.9.0.1/16");
    struct answer third = last_reply(w, node(3).addr);
    first_ip(third.cert, "10.9.0.3/16");
    /* Or who had not heard of it yet would take frames from the old address, also when it is
     * another member's by then. */
    ov_wall void_until = revocation_to(w, node(1).addr, node(3).addr);
    assert_true(void_until > 0 && void_until < third.cert.timestamp);
    assert_int_equal(revocation_to(w, node(3).addr, node(3).addr), 0);
    restart(w);
    first_ip(ask(w, 3, "pc", NULL).cert, "10.9.0.3/16");
    set(w, "pool", "10.9.0.0/24"); /* the same addresses under another length */
    first_ip(last_reply(w, node(3).addr).cert, "10.9.0.3/24");
    assert_int_equal(revocation_to(w, node(1).addr, node(3).addr), 0);
    set(w, "pool", "10.9.0.0/24, 10.8.0.0/24"); /* nothing is taken from anybody */
    assert_int_equal(revocation_to(w, node(1).addr, node(3).addr), 0);
    set(w, "pool", "none");
    assert_true(revocation_to(w, node(1).addr, node(3).addr) > void_until);
    struct answer a = last_reply(w, node(3).addr);
    assert_int_equal(a.cert.naddrs, 1);
    assert_int_equal(a.cert.addrs[0].ip.family, 6);
}

static void test_pool_exhausted(void **state)
{
    struct world *w = *state;
    char inv[OV_INVITE_TEXT], addr[OV_ADDR_TEXT];
    set(w, "pool", "10.9.0.0/30");
    set(w, "open", "on");
    first_ip(ask(w, 1, "a", NULL).cert, "10.9.0.1/30");
    first_ip(ask(w, 2, "b", NULL).cert, "10.9.0.2/30");
    assert_int_equal(ask(w, 3, "c", NULL).status, OV_NET_POOL_EXHAUSTED);
    assert_int_equal(stored(w, 3).state, OV_MEMBER_PENDING);
    set(w, "open", "off");
    invite(w, 0, inv);
    assert_int_equal(ask(w, 3, "c", inv).status, OV_NET_POOL_EXHAUSTED);
    assert_int_equal(ov_controller_authorize(w->c, "dorm", "c", w->now, w->why), OV_EFULL);
    assert_non_null(strstr(w->why, "no address left"));
    ok(w, ov_controller_deauthorize(w->c, "dorm", "a", w->now, w->why));
    assert_int_equal(ask(w, 3, "c", inv).status, OV_NET_POOL_EXHAUSTED);
    ok(w, ov_controller_member_delete(w->c, "dorm", text_addr(1, addr), w->now, w->why));
    struct answer a = ask(w, 3, "c", inv); /* the invite was not used up */
    assert_int_equal(a.status, OV_NET_OK);
    first_ip(a.cert, "10.9.0.1/30"); /* the lowest free one */
    set(w, "pool", "10.9.0.0/30,10.8.0.0/24");
    assert_int_equal(ask(w, 4, "d", NULL).status, OV_NET_PENDING);
    ok(w, ov_controller_authorize(w->c, "dorm", "d", w->now, w->why));
    first_ip(last_reply(w, node(4).addr).cert, "10.8.0.1/24");
}

static void test_member_set(void **state)
{
    struct world *w = *state;
    set(w, "open", "on");
    struct answer was = ask(w, 1, "a", NULL);
    ask(w, 2, "b", NULL);
    w->nsent = 0;
    ok(w, ov_controller_member_set(w->c, "dorm", "a", "ip", host_text(w, 77, ""), w->now, w->why));
    struct answer a = last_reply(w, node(1).addr);
    first_ip(a.cert, host_text(w, 77, "/24"));
    assert_int_equal(a.cert.naddrs, 2); /* the IPv6 one stays */
    ov_wall revoked = revocation_to(w, node(2).addr, node(1).addr);
    assert_true(revoked > was.cert.timestamp && revoked < a.cert.timestamp);
    assert_int_equal(count_sent(w, node(1).addr, OV_MSG_REVOKE), 0);
    assert_int_equal(
        ov_controller_member_set(w->c, "dorm", "b", "ip", host_text(w, 77, ""), w->now, w->why),
        OV_EEXIST);
    assert_non_null(strstr(w->why, "given to another member"));
    ok(w, ov_controller_member_set(w->c, "dorm", "a", "bridge", "on", w->now, w->why));
    assert_int_equal(last_reply(w, node(1).addr).cert.perms, OV_PERM_BRIDGE);
    w->nsent = 0;
    ok(w, ov_controller_member_set(w->c, "dorm", "a", "note", "in the hall", w->now, w->why));
    assert_int_equal(w->nsent, 0);
    restart(w);
    a = ask(w, 1, "a", NULL);
    first_ip(a.cert, host_text(w, 77, "/24"));
    assert_int_equal(a.cert.perms, OV_PERM_BRIDGE);
    assert_string_equal(stored(w, 1).note, "in the hall");
    first_ip(ask(w, 3, "c", NULL).cert, host_text(w, 1, "/24")); /* free again */
    struct ov_member_record m;
    ok(w, ov_controller_member_find(w->c, "dorm", "a", &m, w->why));
    assert_int_equal(m.id.addr, node(1).addr);
    ok(w, ov_controller_member_set(w->c, "dorm", "a", "ip", "none", w->now, w->why));
    first_ip(last_reply(w, node(1).addr).cert, host_text(w, 3, "/24"));
}

static void test_net_delete(void **state)
{
    struct world *w = *state;
    set(w, "open", "on");
    ask(w, 1, "a", NULL);
    w->nsent = 0;
    ok(w, ov_controller_net_delete(w->c, "dorm", w->now, w->why));
    assert_int_equal(last_reply(w, node(1).addr).status, OV_NET_NOT_FOUND);
    restart(w);
    assert_int_equal(ask(w, 1, "a", NULL).status, OV_NET_NOT_FOUND);
    assert_int_equal(ov_controller_net_delete(w->c, "dorm", w->now, w->why), OV_ENOENT);
}

static void test_roots(void **state)
{
    struct world *w = *state;
    set(w, "open", "on");
    struct answer a = ask(w, 1, "a", NULL);
    struct ov_net_root moved = root_of(&w->id.pub, 5000);
    w->nsent = 0;
    ok(w, ov_controller_set_roots(w->c, &moved, 1, w->now));
    struct answer b = last_reply(w, node(1).addr);
    assert_int_equal(b.status, OV_NET_OK);
    assert_int_equal(b.config.roots[0].endpoints[0].port, 5000);
    assert_int_equal(b.config.revision, a.config.revision + 1);
    w->nsent = 0;
    ok(w, ov_controller_set_roots(w->c, &moved, 1, w->now));
    assert_int_equal(w->nsent, 0); /* nothing changed */
    restart(w);                    /* starts with the first list, which wins again */
    w->nsent = 0;
    ov_controller_tick(w->c, w->now);
    b = last_reply(w, node(1).addr);
    assert_int_equal(b.config.roots[0].endpoints[0].port, 4793);
    assert_int_equal(b.config.revision, a.config.revision + 2);
}

/* The owner names some of the roots; one that the node lost stays, one it never had is refused. */
static void test_chosen_roots(void **state)
{
    struct world *w = *state;
    char why[256], value[64], one[OV_ADDR_TEXT], two[OV_ADDR_TEXT];
    struct ov_identity other = node(77);
    struct ov_net_root roots[2] = {root_of(&w->id.pub, 4793), root_of(&other, 4794)};
    set(w, "open", "on");
    ask(w, 1, "a", NULL);
    ok(w, ov_controller_set_roots(w->c, roots, 2, w->now));
    assert_int_equal(last_reply(w, node(1).addr).config.nroots, 2);
    set(w, "roots", ov_addr_format(other.addr, two));
    struct answer b = last_reply(w, node(1).addr);
    assert_int_equal(b.config.nroots, 1);
    assert_true(ov_identity_equal(&b.config.roots[0].id, &other));
    assert_int_equal(b.config.roots[0].endpoints[0].port, 4794);
    /* Its endpoint changes; then the node does not know it any more, and it stays as it was. */
    roots[1] = root_of(&other, 4799);
    ok(w, ov_controller_set_roots(w->c, roots, 2, w->now));
    assert_int_equal(last_reply(w, node(1).addr).config.roots[0].endpoints[0].port, 4799);
    w->nsent = 0;
    ok(w, ov_controller_set_roots(w->c, roots, 1, w->now));
    assert_int_equal(w->nsent, 0);
    /* In the owner's order. */
    snprintf(value, sizeof value, "%s,%s", ov_addr_format(other.addr, two),
             ov_addr_format(w->id.pub.addr, one));
    set(w, "roots", value);
    b = last_reply(w, node(1).addr);
    assert_int_equal(b.config.nroots, 2);
    assert_int_equal(b.config.roots[0].id.addr, other.addr);
    /* Unknown: nothing changes. */
    w->nsent = 0;
    assert_int_equal(ov_controller_net_set(w->c, w->net.name, "roots", "1234512345", w->now, why),
                     OV_EINVAL);
    assert_non_null(strstr(why, "none of this node's servers"));
    assert_int_equal(w->nsent, 0);
    /* Chosen no more: gone with what the node has lost. */
    set(w, "roots", "all");
    b = last_reply(w, node(1).addr);
    assert_int_equal(b.config.nroots, 1);
    assert_int_equal(b.config.roots[0].id.addr, w->id.pub.addr);
}

/* Timestamps only grow, for each member and for the revocations between, whatever the clock does.
 */
static void test_clock_goes_back(void **state)
{
    struct world *w = *state;
    ov_wall last = 0;
    set(w, "open", "on");
    for (int i = 0; i < 40; i++) {
        struct answer a = ask(w, 1, "a", NULL);
        assert_int_equal(a.status, OV_NET_OK);
        assert_true(a.cert.timestamp > last);
        last = a.cert.timestamp;
        if (i % 5 == 4) {
            ok(w, ov_controller_deauthorize(w->c, "dorm", "a", w->now, w->why));
            ov_wall revoked = stored(w, 1).revoked;
            assert_true(revoked > last);
            last = revoked;
            ok(w, ov_controller_authorize(w->c, "dorm", "a", w->now, w->why));
        }
        if (i % 3 == 0)
            restart(w);
        w->now -= (unsigned)i % 7 * HOUR;
    }
    assert_true(last < T0 + 24 * HOUR); /* and they do not run away from it */
}

/* What a power cut may lose is the exact clock; its bound is on the disk, and revocations start
 * there. */
static void test_clock_after_power_cut(void **state)
{
    struct world *w = *state;
    ov_wall last, reserved;
    set(w, "open", "on");
    ask(w, 1, "a", NULL);
    struct answer a = ask(w, 1, "a", NULL);
    assert_int_equal(w->store->ops->clock_get(w->store, &last, &reserved), OV_OK);
    assert_true(reserved >= a.cert.timestamp);
    assert_int_equal(w->store->ops->clock_put(w->store, 0, reserved, true), OV_OK);
    restart(w);
    w->now = T0 - 24 * HOUR; /* and the machine has no clock battery */
    ok(w, ov_controller_deauthorize(w->c, "dorm", "a", w->now, w->why));
    assert_true(stored(w, 1).revoked >= a.cert.timestamp);
}

static void test_tick(void **state)
{
    struct world *w = *state;
    set(w, "open", "on");
    struct answer a = ask(w, 1, "a", NULL);
    w->nsent = 0;
    ov_controller_tick(w->c, w->now);
    w->now += HOUR;
    ov_controller_tick(w->c, w->now);
    assert_int_equal(w->nsent, 0);
    w->now += 6 * HOUR; /* a quarter of the window has passed */
    ov_controller_tick(w->c, w->now);
    struct answer b = last_reply(w, node(1).addr);
    assert_int_equal(b.status, OV_NET_OK);
    assert_true(b.cert.timestamp >= w->now);
    assert_true(b.config.timestamp > a.config.timestamp);
    assert_int_equal(b.config.revision, a.config.revision);
    w->nsent = 0;
    ov_controller_tick(w->c, w->now);
    assert_int_equal(w->nsent, 0);
}

static void test_pending_bounded(void **state)
{
    struct world *w = *state;
    size_t admitted, pending;
    set(w, "open", "on");
    ask(w, 5000, "kept", NULL);
    set(w, "open", "off");
    for (unsigned i = 1; i <= 2000; i++)
        assert_int_equal(ask(w, i, "flood", NULL).status, OV_NET_PENDING);
    assert_int_equal(w->store->ops->member_count(w->store, w->net.netid, &admitted, &pending),
                     OV_OK);
    assert_int_equal(pending, OV_PENDING_MAX);
    assert_int_equal(admitted, 1);
    struct ov_member_record m;
    assert_int_equal(w->store->ops->member_get(w->store, w->net.netid, node(976).addr, &m),
                     OV_ENOENT);
    assert_int_equal(stored(w, 977).state, OV_MEMBER_PENDING);
    assert_int_equal(ask(w, 5000, "kept", NULL).status, OV_NET_OK);
}

/* ---- a full disk, and a killed process ---- */

static void test_disk_full(void **state)
{
    struct world *w = *state;
    struct rlimit was, limit;
    signal(SIGXFSZ, SIG_IGN);
    set(w, "open", "on");
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    limit = was;
    limit.rlim_cur = 192 * 1024;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    unsigned n = 0;
    struct answer a;
    do {
        a = ask(w, ++n, "pc", NULL);
    } while (a.status == OV_NET_OK && n < 250);
    assert_int_equal(a.status, OV_NET_UNAVAILABLE);
    assert_true(n > 3);
    struct ov_net_record before, after;
    assert_int_equal(w->store->ops->net_get(w->store, w->net.netid, &before), OV_OK);
    w->nsent = 0;
    assert_int_equal(ov_controller_net_set(w->c, "dorm", "mtu", "1500", w->now, w->why), OV_EIO);
    assert_non_null(strstr(w->why, "space"));
    assert_int_equal(w->nsent, 0); /* what is not stored is not told */
    assert_int_equal(w->store->ops->net_get(w->store, w->net.netid, &after), OV_OK);
    assert_memory_equal(&before, &after, sizeof before);
    assert_int_equal(ask(w, n, "pc", NULL).status, OV_NET_UNAVAILABLE);

    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_int_equal(ask(w, n, "pc", NULL).status, OV_NET_OK);
    restart(w);
    for (unsigned i = 1; i <= n; i++) {
        struct ov_member_record m = stored(w, i);
        assert_int_equal(m.state, OV_MEMBER_ADMITTED);
        assert_int_equal(m.addrs[0].ip.b[3], i); /* and no address was lost on the way */
    }
}

/* Admit members one after the other until killed, telling each acknowledgement through the pipe. */
static _Noreturn void admit_for_ever(struct world *w, unsigned first, int fd)
{
    char error[256];
    struct ov_controller_config cfg = {
        .identity = &w->id, .random = {fill, w}, .send = record, .send_arg = w};
    struct ov_msg_net_request req = {.netid = w->net.netid, .hostname = "pc"};
    w->ack = fd;
    if (ov_store_sqlite_open(w->path, &w->store, error) != OV_OK)
        _exit(1);
    cfg.store = w->store;
    if (ov_controller_new(&cfg, &w->c) != OV_OK)
        _exit(1);
    for (unsigned i = first;; i++) {
        struct ov_identity id = node(i);
        w->now += 1000 / OV_NEWCOMER_RATE;
        if (ov_controller_request(w->c, &id, &req, w->now) != OV_OK)
            _exit(2);
    }
}

static void test_kill(void **state)
{
    struct world *w = *state;
    unsigned total = 0;
    set(w, "open", "on");
    set(w, "pool", "10.1.0.0/16");
    stop(w);
    for (unsigned round = 0; round < 20; round++) {
        int fds[2], status;
        ov_addr acked[4096];
        size_t n = 0;
        assert_int_equal(pipe(fds), 0);
        pid_t pid = fork();
        if (pid == 0) {
            close(fds[0]);
            admit_for_ever(w, 1 + round * 4096, fds[1]);
        }
        close(fds[1]);
        size_t until = 1 + round * 3; /* a different moment of its work each time */
        while (n < 4096 && read(fds[0], &acked[n], sizeof acked[n]) == sizeof acked[n]) {
            if (++n == until)
                assert_int_equal(kill(pid, SIGKILL), 0);
        }
        close(fds[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        start(w);
        for (size_t i = 0; i < n; i++) {
            struct ov_member_record m;
            assert_int_equal(w->store->ops->member_get(w->store, w->net.netid, acked[i], &m),
                             OV_OK);
            assert_int_equal(m.state, OV_MEMBER_ADMITTED);
            assert_int_equal(m.naddrs, 2);
            assert_string_not_equal(m.name, "");
        }
        total += (unsigned)n;
        size_t admitted, pending;
        assert_int_equal(w->store->ops->member_count(w->store, w->net.netid, &admitted, &pending),
                         OV_OK);
        assert_true(admitted >= total && pending == 0); /* none half in */
        total = (unsigned)admitted;
        stop(w);
    }
    start(w);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    if (ov_crypto_init() != OV_OK)
        return 1;
    const struct CMUnitTest tests[] = {
        TEST(test_create),
        TEST(test_lan_key),
        TEST(test_create_pools_differ),
        TEST(test_authorize),
        TEST(test_invite),
        TEST(test_invite_refused),
        TEST(test_invite_revoked),
        TEST(test_bye),
        TEST(test_byes_are_bounded),
        TEST(test_open),
        TEST(test_not_found),
        TEST(test_second_key),
        TEST(test_rate),
        TEST(test_names),
        TEST(test_deauthorize),
        TEST(test_old_revocations_stay_home),
        TEST(test_net_set_pushes),
        TEST(test_net_change_is_atomic),
        TEST(test_new_pool_renumbers),
        TEST(test_pool_exhausted),
        TEST(test_member_set),
        TEST(test_net_delete),
        TEST(test_roots),
        TEST(test_chosen_roots),
        TEST(test_clock_goes_back),
        TEST(test_clock_after_power_cut),
        TEST(test_tick),
        TEST(test_pending_bounded),
        TEST(test_disk_full),
        TEST(test_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
