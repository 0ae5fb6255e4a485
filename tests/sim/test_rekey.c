/* Keys change while frames flow: none is lost or delivered twice for it, and none overtakes
 * another, whoever sends, directly or relayed. On a bad line none comes twice or broken, and no
 * change of keys stops the flow. */
#include "sim.h"

#include "core/bytes.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define GAP         (5 * OV_MS)
#define ETHERTYPE   0x88b5 /* for experiments */
#define HEADER      (OV_ETH_LEN + 4)
#define FRAME_LARGE (OV_ETH_LEN + 9000) /* goes in fragments */

/* Numbered frames from one node to another. */
struct flow {
    struct sim_node *from, *to;
    uint32_t sent, next; /* next: highest number that came, + 1 */
    uint8_t *seen;       /* of each number: how often it came */
    size_t cap;
    uint64_t got, twice, overtaken, broken;
    ov_time last, longest; /* without any frame */
    uint32_t key;          /* index under which the last datagram went */
    unsigned keys;         /* how many different ones followed each other */
};

struct traffic {
    struct sim *s;
    struct sim_node *root;
    struct flow flows[2];
    bool hold; /* initiations, until each side has sent one: then both go on their way */
    struct {
        struct ov_endpoint to;
        size_t len;
        uint8_t data[OV_INITIATION_LEN];
    } held[2]; /* each side's last one */
};

static bool ready(void *arg)
{
    return sim_all_ready(arg);
}

static bool answered(void *arg)
{
    return sim_all_answered(arg);
}

static bool direct(void *arg)
{
    const struct traffic *t = arg;
    const struct sim_node *a = t->flows[0].from, *b = t->flows[1].from;

    return sim_path(a, b) == OV_PEER_DIRECT && sim_path(b, a) == OV_PEER_DIRECT;
}

/* The content follows from sender and number. Every 50th frame is larger than any path takes. */
static size_t make(const struct flow *f, uint32_t number, uint8_t *frame)
{
    uint64_t content = (uint64_t)f->from->index << 32 | number;
    size_t len = HEADER + 42 + sim_random(&content) % 1300;

    if (number % 50 == 0)
        len = FRAME_LARGE;
    memcpy(frame, f->to->mac.b, 6);
    memcpy(frame + 6, f->from->mac.b, 6);
    frame[12] = ETHERTYPE >> 8;
    frame[13] = ETHERTYPE & 0xff;
    ov_store32(frame + OV_ETH_LEN, number);
    for (size_t i = HEADER; i < len; i++)
        frame[i] = (uint8_t)(content >> i % 8 * 8) ^ (uint8_t)i;
    return len;
}

static void send_next(struct traffic *t, struct flow *f)
{
    uint8_t frame[FRAME_LARGE];
    size_t len = make(f, f->sent, frame);

    if (f->sent == f->cap) {
        f->cap = f->cap > 0 ? 2 * f->cap : 4096;
        f->seen = realloc(f->seen, f->cap);
        assert_non_null(f->seen);
    }
    f->seen[f->sent++] = 0;
    sim_post(t->s, SIM_FRAME, t->s->now, OV_FRAME_HEADROOM, frame, len)->node = f->from;
}

static void arrived(void *arg, const struct sim_node *at, const uint8_t *frame, size_t len)
{
    struct traffic *t = arg;
    struct flow *f = &t->flows[at == t->flows[1].to];
    uint8_t want[FRAME_LARGE];

    if (len < HEADER || frame[12] != ETHERTYPE >> 8 || frame[13] != (ETHERTYPE & 0xff))
        return;
    assert_ptr_equal(f->to, at);
    uint32_t number = ov_load32(frame + OV_ETH_LEN);
    if (number >= f->sent || len != make(f, number, want) || memcmp(frame, want, len) != 0) {
        f->broken++;
        return;
    }
    f->got++;
    f->twice += f->seen[number] > 0;
    f->seen[number] = 1;
    f->overtaken += number < f->next;
    if (number >= f->next)
        f->next = number + 1;
    if (f->last > 0 && t->s->now - f->last > f->longest)
        f->longest = t->s->now - f->last;
    f->last = t->s->now;
}

/* Looks at every datagram between the two: which key is it under, is it an initiation? */
static bool swallow(void *arg, const struct sim_node *from, const struct ov_endpoint *to,
                    const uint8_t *data, size_t len)
{
    struct traffic *t = arg;
    size_t side = from == t->flows[1].from;
    struct flow *f = &t->flows[side];
    bool relayed = data[0] == OV_WIRE_RELAY;

    if (from != f->from || (!relayed && !ov_ip_equal(&to->ip, &f->to->site->wan)))
        return false;
    if (relayed) {
        data += OV_RELAY_HEADER;
        len -= OV_RELAY_HEADER;
    }
    if (data[0] == OV_WIRE_INITIATION && t->hold) {
        assert_true(len == OV_INITIATION_LEN);
        if (!relayed) {
            memcpy(t->held[side].data, data, len);
            t->held[side].len = len;
            t->held[side].to = *to;
        }
        return true;
    }
    if (data[0] == OV_WIRE_DATA && len >= OV_DATA_OVERHEAD && f->key != ov_load32(data + 4)) {
        f->key = ov_load32(data + 4);
        f->keys++;
    }
    return false;
}

/* Two members that talk directly, or by the root; from here on every frame counts. */
static struct traffic begin(uint64_t seed, bool relayed, ov_time delay)
{
    struct traffic t = {.s = sim_new(seed)};
    struct sim_site *site[2];

    t.s->jitter = 0;
    t.root = sim_node(t.s, sim_public(t.s), OV_CAP_ROOT | OV_CAP_CONTROLLER, 4793);
    ov_netid net = sim_controller(t.root, "10.147.0.0/16");
    sim_set(t.root, net, "mtu", "9000");
    for (size_t i = 0; i < 2; i++) {
        site[i] = relayed ? sim_nat(t.s, SIM_APDM, SIM_APDF) : sim_public(t.s);
        site[i]->delay = delay > 0 ? delay : site[i]->delay;
        t.flows[i].from = sim_node(t.s, site[i], 0, (uint16_t)(30001 + i));
        sim_join(t.flows[i].from, t.root, net);
    }
    t.flows[0].to = t.flows[1].from;
    t.flows[1].to = t.flows[0].from;
    assert_true(sim_run(t.s, ready, t.s, 30 * OV_SEC));
    for (int i = 0; i < 50; i++) {
        sim_ping(t.flows[0].from, &t.flows[0].to->ip);
        sim_run(t.s, NULL, NULL, 200 * OV_MS);
    }
    assert_true(sim_run(t.s, answered, t.s, 10 * OV_SEC));
    assert_int_equal(direct(&t), !relayed);
    return t;
}

static void end(struct traffic *t)
{
    free(t->flows[0].seen);
    free(t->flows[1].seen);
    sim_free(t->s);
}

static void let_go(struct traffic *t)
{
    t->hold = false;
    for (size_t i = 0; i < 2; i++)
        sim_send(t->flows[i].from, &t->held[i].to, 0, t->held[i].data, t->held[i].len);
}

enum { AB = 1, BA = 2 };

static void run(struct traffic *t, unsigned which, ov_time span)
{
    t->s->arg = t;
    t->s->arrived = arrived;
    t->s->swallow = swallow;
    for (ov_time stop = t->s->now + span; t->s->now < stop;) {
        for (unsigned i = 0; i < 2; i++) {
            if (which & 1u << i)
                send_next(t, &t->flows[i]);
        }
        if (t->hold && t->held[0].len > 0 && t->held[1].len > 0)
            let_go(t);
        sim_run(t->s, NULL, NULL, GAP);
    }
}

static void tell(const char *what, const struct traffic *t)
{
    for (size_t i = 0; i < 2; i++) {
        const struct flow *f = &t->flows[i];
        if (f->sent == 0)
            continue;
        print_message("%s, %s: %u frames under %u keys, %llu came, %llu overtaken, longest silence "
                      "%llu ms\n",
                      what, i == 0 ? "there" : "back", f->sent, f->keys, (unsigned long long)f->got,
                      (unsigned long long)f->overtaken, (unsigned long long)(f->longest / OV_MS));
    }
}

/* All came, once, and in order; and keys did change at least so often. */
static void expect_all(struct traffic *t, unsigned keys)
{
    sim_run(t->s, NULL, NULL, 3 * OV_SEC);
    for (size_t i = 0; i < 2; i++) {
        const struct flow *f = &t->flows[i];
        assert_int_equal(f->got, f->sent);
        assert_int_equal(f->twice, 0);
        assert_int_equal(f->overtaken, 0);
        assert_int_equal(f->broken, 0);
        assert_true(f->sent == 0 || f->keys >= keys);
    }
}

static void test_ordered(void **state)
{
    static const struct {
        const char *what;
        bool relayed;
        unsigned which;
        ov_time span;
    } cases[] = {{"direct", false, AB | BA, 380 * OV_SEC},
                 {"relayed", true, AB | BA, 300 * OV_SEC},
                 {"only one sends", false, AB, 300 * OV_SEC},
                 {"only the other sends", false, BA, 300 * OV_SEC},
                 {"only one sends, relayed", true, AB, 300 * OV_SEC},
                 {"only the other sends, relayed", true, BA, 300 * OV_SEC}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct traffic t = begin(41 + i, cases[i].relayed, 0);
        run(&t, cases[i].which, cases[i].span);
        tell(cases[i].what, &t);
        expect_all(&t, (unsigned)(cases[i].span / (150 * OV_SEC)) + 1);
        end(&t);
    }
}

/* Both begin a handshake before they hear of the other's. */
static void test_both_at_once(void **state)
{
    (void)state;
    for (uint64_t seed = 60; seed < 66; seed++) {
        struct traffic t = begin(seed, false, seed % 2 > 0 ? 200 * OV_MS : 0);
        t.hold = true;
        run(&t, AB | BA, 150 * OV_SEC);
        assert_false(t.hold);
        tell("both at once", &t);
        expect_all(&t, 2);
        end(&t);
    }
}

static void test_bad_line(void **state)
{
    (void)state;
    for (uint64_t seed = 80; seed < 82; seed++) {
        struct traffic t = begin(seed, seed % 2 > 0, 0);
        t.s->loss_permille = 30;
        t.s->duplicate_permille = 30;
        t.s->jitter = 40 * OV_MS;
        run(&t, AB | BA, 260 * OV_SEC);
        tell(seed % 2 > 0 ? "bad line, relayed" : "bad line", &t);
        for (size_t i = 0; i < 2; i++) {
            const struct flow *f = &t.flows[i];
            assert_int_equal(f->twice, 0);
            assert_int_equal(f->broken, 0);
            assert_true(f->overtaken > f->sent / 10);
            assert_true(f->got > f->sent * 85ull / 100);
            assert_true(f->longest < 500 * OV_MS);
            assert_true(f->keys >= 3);
        }
        end(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ordered),
        cmocka_unit_test(test_both_at_once),
        cmocka_unit_test(test_bad_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
