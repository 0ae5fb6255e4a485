#include "core/relay.h"

#include "core/member.h"

#include "wire_up.h"

/* A root with two that can reach it, and not each other. */
struct trio {
    struct wu *w;
    struct wu_node *root, *a, *b;
};

static struct trio trio(uint64_t seed, uint64_t rate)
{
    struct trio t = {.w = wu_new(seed)};

    t.root = wu_node_with(t.w, &(struct ov_node_config){.caps = OV_CAP_ROOT, .relay_rate = rate});
    t.a = wu_node(t.w, 0);
    t.b = wu_node(t.w, 0);
    wu_root(t.a, t.root);
    wu_root(t.b, t.root);
    wu_run(t.w, OV_SEC);
    return t;
}

/* Have `from` hand `relay` an inner datagram of `len` bytes for `dest`. */
static bool hand_over(struct wu_node *from, struct wu_node *relay, ov_addr dest, uint8_t type,
                      size_t len)
{
    struct ov_via via = {.relay = wu_peer(from, relay)};

    ov_node_tick(from->n, from->w->now);
    uint8_t *out = ov_relay_reserve(from->e, &via, 0, dest, len);
    if (!out)
        return false;
    memset(out, 0, len);
    out[0] = type;
    wu_drain(from);
    wu_run(from->w, from->w->delay);
    return true;
}

static void test_relayed(void **state)
{
    struct trio t = trio(1, 0);

    (void)state;
    wu_know(t.a, t.b);
    ov_peer_connect(wu_peer(t.a, t.b));
    wu_run(t.w, OV_SEC);
    assert_true(ov_peer_up(wu_peer(t.a, t.b)) && ov_peer_up(wu_peer(t.b, t.a)));
    wu_log_clear(t.w);
    wu_message(t.a, t.b, (uint8_t[]){0xee}, 1);
    wu_run(t.w, 2 * t.w->delay);
    assert_int_equal(wu_drops(t.b, MALFORMED_MESSAGE), 1);
    const struct wu_packet *in = wu_sent(t.w, t.a, OV_WIRE_RELAY);
    const struct wu_packet *out = wu_sent(t.w, t.root, OV_WIRE_RELAY);
    struct ov_relay ri, ro;
    assert_int_equal(in->len, out->len);
    assert_memory_equal(in->data + OV_RELAY_HEADER, out->data + OV_RELAY_HEADER,
                        in->len - OV_RELAY_HEADER);
    assert_int_equal(ov_relay_decode(in->data, in->len, &ri), OV_OK);
    assert_int_equal(ov_relay_decode(out->data, out->len, &ro), OV_OK);
    assert_true(!ri.relayed && ro.relayed && ri.addr == t.b->addr && ro.addr == t.a->addr);
    assert_true(ov_endpoint_equal(&out->to, &t.b->ep));
    assert_true(t.root->e->stats.relayed_datagrams > 0);
    assert_true(t.root->e->stats.relayed_bytes >= in->len);
    assert_int_equal(wu_drops(t.root, RELAY_UNKNOWN), 0);
    wu_free(t.w);
}

static void test_unknown_destination(void **state)
{
    struct trio t = trio(2, 0);

    (void)state;
    assert_true(hand_over(t.a, t.root, 0x1234567890, OV_WIRE_DATA, 100));
    assert_int_equal(wu_drops(t.root, RELAY_UNKNOWN), 1);
    assert_true(hand_over(t.a, t.root, t.a->addr, OV_WIRE_DATA, 100)); /* back to itself */
    assert_int_equal(wu_drops(t.root, RELAY_UNKNOWN), 2);
    assert_true(hand_over(t.a, t.root, t.root->addr, OV_WIRE_DATA, 100));
    assert_int_equal(wu_drops(t.root, RELAY_UNKNOWN), 3);
    assert_int_equal(t.root->e->stats.relayed_datagrams, 0);
    wu_free(t.w);
}

/* Only roots relay, and only for our own roots do we open what they relay. */
static void test_refused(void **state)
{
    struct trio t = trio(3, 0);

    (void)state;
    wu_connect(t.a, t.b);
    assert_true(hand_over(t.a, t.b, t.root->addr, OV_WIRE_DATA, 100));
    assert_int_equal(wu_drops(t.b, RELAY_REFUSED), 1);
    uint8_t buf[OV_RELAY_HEADER + 100] = {0};
    ov_keypair_relay_header(wu_peer(t.a, t.b)->s.current, t.root->addr, true, buf);
    wu_inject(t.b, &t.a->ep, buf, sizeof buf);
    assert_int_equal(wu_drops(t.b, UNEXPECTED), 1);
    wu_free(t.w);
}

/* No relay in a relay, and nothing shorter than a datagram. */
static void test_inner(void **state)
{
    struct trio t = trio(4, 0);

    (void)state;
    uint64_t before = wu_drops(t.b, MALFORMED);
    assert_true(hand_over(t.a, t.root, t.b->addr, OV_WIRE_RELAY, 100));
    assert_true(hand_over(t.a, t.root, t.b->addr, OV_WIRE_WHO, OV_WHO_LEN));
    assert_true(hand_over(t.a, t.root, t.b->addr, OV_WIRE_IAM, OV_IAM_LEN));
    wu_run(t.w, t.w->delay);
    assert_int_equal(wu_drops(t.b, MALFORMED), before + 3);
    for (size_t len = 0; len < OV_DATAGRAM_MIN; len++) {
        uint64_t lost = wu_drops(t.b, MALFORMED) + wu_drops(t.root, MALFORMED);
        hand_over(t.a, t.root, t.b->addr, OV_WIRE_DATA, len ? len : 1);
        wu_run(t.w, t.w->delay);
        assert_int_equal(wu_drops(t.b, MALFORMED) + wu_drops(t.root, MALFORMED), lost + 1);
    }
    wu_free(t.w);
}

static void test_replayed(void **state)
{
    struct trio t = trio(5, 0);

    (void)state;
    assert_true(hand_over(t.a, t.root, t.b->addr, OV_WIRE_DATA, 100));
    wu_run(t.w, OV_SEC);
    const struct wu_packet *p = wu_sent(t.w, t.a, OV_WIRE_RELAY);
    uint64_t relayed = t.root->e->stats.relayed_datagrams;
    wu_inject(t.root, &p->from, p->data, p->len);
    assert_int_equal(wu_drops(t.root, REPLAY), 1);
    assert_int_equal(t.root->e->stats.relayed_datagrams, relayed);
    wu_free(t.w);
}

/* Each source has its own rate, a quarter of a second's worth at once. */
static void test_rate(void **state)
{
    struct trio t = trio(6, 100000);
    size_t len = 1000 - OV_RELAY_HEADER;

    (void)state;
    t.w->delay = 1; /* so that next to no time passes */
    wu_peer(t.root, t.a)->announced = wu_peer(t.root, t.b)->announced = OV_BOND_OURS;
    for (int i = 0; i < 40; i++)
        assert_true(hand_over(t.a, t.root, t.b->addr, OV_WIRE_DATA, len));
    assert_int_equal(t.root->e->stats.relayed_datagrams, 25);
    assert_int_equal(wu_drops(t.root, RELAY_LIMIT), 15);
    assert_true(hand_over(t.b, t.root, t.a->addr, OV_WIRE_DATA, len));
    assert_int_equal(t.root->e->stats.relayed_datagrams, 26);
    wu_run(t.w, OV_SEC / 10);
    for (int i = 0; i < 40; i++)
        assert_true(hand_over(t.a, t.root, t.b->addr, OV_WIRE_DATA, len));
    assert_in_range(t.root->e->stats.relayed_datagrams, 26 + 9, 26 + 10);
    wu_free(t.w);
}

/* A root that lets each source relay a megabyte a second, so a quarter of one at once, and nodes
 * that are announced there as it is said, all but the first of them from one address if `together`.
 */
#define CROWD_DATAGRAM 1000
#define CROWD_SHARE    250

struct crowd {
    struct wu *w;
    struct wu_node *root, *to, *v[5];
};

static struct crowd crowd(uint64_t seed, enum ov_bond announced, bool together)
{
    struct crowd c = {.w = wu_new(seed)};

    c.root = wu_node_with(
        c.w, &(struct ov_node_config){.caps = OV_CAP_ROOT,
                                      .relay_rate = 4ull * CROWD_SHARE * CROWD_DATAGRAM});
    c.to = wu_node(c.w, 0);
    wu_root(c.to, c.root);
    for (int i = 0; i < 5; i++) {
        c.v[i] = wu_node(c.w, 0);
        if (together && i > 1) {
            c.v[i]->ep.ip = c.v[1]->ep.ip;
            ov_node_set_locals(c.v[i]->n, &(struct ov_local){0, c.v[i]->ep}, 1, c.w->now);
        }
        wu_root(c.v[i], c.root);
    }
    wu_run(c.w, OV_SEC);
    c.w->delay = 1; /* so that next to no time passes */
    for (int i = 0; i < 5; i++)
        wu_peer(c.root, c.v[i])->announced = announced;
    return c;
}

/* How many of `n` datagrams does the root pass on? */
static unsigned passed(const struct crowd *c, struct wu_node *from, unsigned n)
{
    uint64_t before = c->root->e->stats.relayed_datagrams;

    for (unsigned i = 0; i < n; i++)
        assert_true(
            hand_over(from, c->root, c->to->addr, OV_WIRE_DATA, CROWD_DATAGRAM - OV_RELAY_HEADER));
    return (unsigned)(c->root->e->stats.relayed_datagrams - before);
}

/* Strangers have one share together, wherever they are; each member has its own; and a newcomer's
 * few datagrams go even so. */
static void test_strangers_share(void **state)
{
    struct crowd c = crowd(8, OV_BOND_NONE, false);
    unsigned sum = 0;

    (void)state;
    for (int i = 0; i < 3; i++)
        sum += passed(&c, c.v[i], 2 * CROWD_SHARE);
    assert_in_range(sum, CROWD_SHARE, CROWD_SHARE + 3 * 41);
    assert_int_equal(passed(&c, c.v[3], 20), 20);
    wu_peer(c.root, c.v[4])->announced = OV_BOND_OURS;
    assert_in_range(passed(&c, c.v[4], 2 * CROWD_SHARE), CROWD_SHARE, CROWD_SHARE + 1);
    wu_free(c.w);
}

/* Networks of anybody: those of one address share, those of different ones do not. */
static void test_addresses_share(void **state)
{
    struct crowd c = crowd(9, OV_BOND_ANNOUNCED, true);
    unsigned sum = 0;

    (void)state;
    for (int i = 1; i < 4; i++)
        sum += passed(&c, c.v[i], 2 * CROWD_SHARE);
    assert_in_range(sum, CROWD_SHARE * 9 / 10, CROWD_SHARE + 1);
    sum = passed(&c, c.v[0], 2 * CROWD_SHARE);
    assert_in_range(sum, CROWD_SHARE * 9 / 10, CROWD_SHARE + 1);
    wu_peer(c.root, c.v[4])->announced = OV_BOND_OURS; /* a member behind that address */
    assert_in_range(passed(&c, c.v[4], 2 * CROWD_SHARE), CROWD_SHARE, CROWD_SHARE + 1);
    wu_free(c.w);
}

/* Without a session, or a way, nothing is handed over, and that is counted. */
static void test_no_way(void **state)
{
    struct trio t = trio(7, 0);
    struct wu_node *c = wu_node(t.w, OV_CAP_ROOT);

    (void)state;
    wu_know(t.a, c);
    assert_false(hand_over(t.a, c, t.b->addr, OV_WIRE_DATA, 100));
    assert_int_equal(wu_drops(t.a, NO_PATH), 1);
    wu_free(t.w);
}

/* ---- members that relay ---- */

/* Three members, of which the last relays, and somebody who is none. All know each other. */
struct club {
    struct wu *w;
    struct wu_node *a, *b, *v, *stranger;
};

static void show(struct wu_node *from, struct wu_node *to)
{
    ov_node_tick(from->n, from->w->now);
    ov_member_hello(wu_net_of(from), wu_peer(from, to), true);
    wu_drain(from);
    wu_run(from->w, 4 * from->w->delay);
}

static struct club club(uint64_t seed)
{
    struct club c = {.w = wu_lan(seed, 3)};

    c.a = c.w->node[1];
    c.b = c.w->node[2];
    c.v = c.w->node[3];
    c.v->e->volunteer = true;
    c.stranger = wu_node(c.w, 0);
    wu_connect(c.a, c.v);
    wu_connect(c.b, c.v);
    wu_connect(c.a, c.b);
    wu_connect(c.stranger, c.v);
    show(c.a, c.v);
    show(c.b, c.v);
    return c;
}

static void test_member_relays(void **state)
{
    struct club c = club(20);
    struct ov_peer *p = wu_peer(c.a, c.v);

    (void)state;
    assert_true(p->volunteer && wu_peer(c.b, c.v)->volunteer);
    assert_false(wu_peer(c.v, c.a)->volunteer);
    uint64_t unknown = wu_drops(c.b, UNKNOWN_SESSION);
    assert_true(hand_over(c.a, c.v, c.b->addr, OV_WIRE_DATA, 100));
    wu_run(c.w, c.w->delay);
    assert_int_equal(c.v->e->stats.relayed_datagrams, 1);
    assert_int_equal(wu_drops(c.b, UNKNOWN_SESSION), unknown + 1); /* it was opened */
    assert_true(c.a->e->now - p->last_frame < OV_SEC);             /* in use: kept alive */
    wu_free(c.w);
}

static void test_member_refuses(void **state)
{
    struct club c = club(21);
    uint8_t blob[OV_REVOCATION_LEN], buf[OV_RELAY_HEADER + 100] = {0};

    (void)state;
    /* From a stranger to a member, and the other way; to nobody; to itself. */
    assert_true(hand_over(c.stranger, c.v, c.b->addr, OV_WIRE_DATA, 100));
    assert_int_equal(wu_drops(c.v, RELAY_REFUSED), 1);
    assert_true(hand_over(c.a, c.v, c.stranger->addr, OV_WIRE_DATA, 100));
    assert_int_equal(wu_drops(c.v, RELAY_REFUSED), 2);
    assert_true(hand_over(c.a, c.v, 0x1234567890, OV_WIRE_DATA, 100));
    assert_true(hand_over(c.a, c.v, c.a->addr, OV_WIRE_DATA, 100));
    assert_int_equal(wu_drops(c.v, RELAY_UNKNOWN), 2);
    assert_int_equal(c.v->e->stats.relayed_datagrams, 0);
    /* A member that relays for nobody, and one that hands over what nobody asked it for. */
    assert_true(hand_over(c.v, c.a, c.b->addr, OV_WIRE_DATA, 100));
    assert_int_equal(wu_drops(c.a, RELAY_REFUSED), 1);
    ov_keypair_relay_header(wu_peer(c.a, c.b)->s.current, c.v->addr, true, buf);
    uint64_t unexpected = wu_drops(c.b, UNEXPECTED);
    wu_inject(c.b, &c.a->ep, buf, sizeof buf);
    assert_int_equal(wu_drops(c.b, UNEXPECTED), unexpected + 1);
    /* Somebody without the key of the hop. */
    ov_keypair_relay_header(wu_peer(c.a, c.v)->s.current, c.b->addr, false, buf);
    buf[OV_RELAY_TAG_AT] ^= 1;
    uint64_t forged = wu_drops(c.v, AUTH);
    wu_inject(c.v, &c.a->ep, buf, sizeof buf);
    assert_int_equal(wu_drops(c.v, AUTH), forged + 1);
    /* What was relayed is not relayed on. */
    ov_keypair_relay_header(wu_peer(c.a, c.v)->s.current, c.b->addr, true, buf);
    wu_inject(c.v, &c.a->ep, buf, sizeof buf);
    assert_int_equal(c.v->e->stats.relayed_datagrams, 0);
    /* Thrown out: refused at once. */
    assert_true(hand_over(c.a, c.v, c.b->addr, OV_WIRE_DATA, 100));
    assert_int_equal(c.v->e->stats.relayed_datagrams, 1);
    wu_revoke(c.w, c.b->addr, c.w->net.stamp + 1000, blob);
    ov_member_revoke(wu_net_of(c.v), NULL, blob, sizeof blob);
    wu_drain(c.v);
    assert_true(hand_over(c.a, c.v, c.b->addr, OV_WIRE_DATA, 100));
    assert_int_equal(wu_drops(c.v, RELAY_REFUSED), 3);
    assert_int_equal(c.v->e->stats.relayed_datagrams, 1);
    wu_free(c.w);
}

/* The relay itself is thrown out, or does not offer it any more: nobody listens to it. */
static void test_member_ends(void **state)
{
    struct club c = club(22);
    uint8_t blob[OV_REVOCATION_LEN];

    (void)state;
    c.v->e->volunteer = false;
    show(c.v, c.a);
    assert_false(wu_peer(c.a, c.v)->volunteer);
    assert_true(wu_peer(c.b, c.v)->volunteer);
    wu_revoke(c.w, c.v->addr, c.w->net.stamp + 1000, blob);
    ov_member_revoke(wu_net_of(c.b), NULL, blob, sizeof blob);
    assert_false(wu_peer(c.b, c.v)->volunteer);
    wu_free(c.w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_relayed),         cmocka_unit_test(test_unknown_destination),
        cmocka_unit_test(test_refused),         cmocka_unit_test(test_inner),
        cmocka_unit_test(test_replayed),        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_strangers_share), cmocka_unit_test(test_addresses_share),
        cmocka_unit_test(test_no_way),          cmocka_unit_test(test_member_relays),
        cmocka_unit_test(test_member_refuses),  cmocka_unit_test(test_member_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
