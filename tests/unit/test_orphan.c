/* A pair of members that fell silent, with their server and without: who loses the other while it
 * is away does not find it again. */
#include "core/path.h"

#include "wire_up.h"

#define LONG_AGO (100 * OV_SEC) /* the last frame: nothing keeps the way alive any more */

static void frame(struct wu_node *from, struct wu_node *to)
{
    uint8_t f[OV_FRAME_MAX];
    struct ov_mac ma = wu_mac(from), mb = wu_mac(to);
    struct ov_ip ia = wu_ip(from), ib = wu_ip(to);

    wu_frame(from, f, wu_ip4(f, &mb, &ma, &ia, &ib, 10));
}

/* Two that talked, directly, and then did not for a while. */
static struct wu *pair(uint64_t seed)
{
    struct wu *w = wu_lan(seed, 2);
    struct wu_node *a = w->node[1], *b = w->node[2];

    for (int i = 0; i < 5; i++) {
        frame(a, b);
        frame(b, a);
        wu_run(w, OV_SEC);
    }
    assert_true(wu_peer(a, b)->paths->active >= 0);
    wu_run(w, LONG_AGO);
    return w;
}

static bool are_connected(struct wu_node *a, struct wu_node *b)
{
    const struct ov_peer *p = ov_peer_find(a->e, b->addr);

    return p && ov_peer_up(p) && p->paths->active >= 0;
}

static void test_server_there(void **state)
{
    struct wu *w = pair(1);

    (void)state;
    wu_run(w, 600 * OV_SEC);
    assert_false(are_connected(w->node[1], w->node[2])); /* nobody needs it */
    wu_free(w);
}

static void test_server_away(void **state)
{
    struct wu *w = pair(2);
    struct wu_node *a = w->node[1], *b = w->node[2];

    (void)state;
    wu_crash(w->node[0]);
    wu_run(w, 1800 * OV_SEC);
    assert_true(are_connected(a, b));
    assert_true(are_connected(b, a));
    uint64_t sent = a->e->stats.tx_datagrams;
    wu_run(w, 600 * OV_SEC);
    assert_true(a->e->stats.tx_datagrams - sent < 600); /* calls for the server among them */
    unsigned frames = b->frames;
    frame(a, b);
    wu_run(w, 3 * w->delay);
    assert_int_equal(b->frames, frames + 1);
    /* It is back: they may lose each other again. */
    wu_restart(w->node[0]);
    wu_run(w, 900 * OV_SEC);
    assert_false(are_connected(a, b));
    wu_free(w);
}

/* Whom we know no more as a member is not kept, nor one that we never talked with. */
static void test_no_strangers(void **state)
{
    struct wu *w = pair(3);
    struct wu_node *a = w->node[1], *b = w->node[2];

    (void)state;
    ov_peer_find(a->e, b->addr)->remember = false;
    ov_peer_find(b->e, a->addr)->remember = false;
    wu_crash(w->node[0]);
    wu_run(w, 600 * OV_SEC);
    assert_false(are_connected(a, b));
    wu_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server_there),
        cmocka_unit_test(test_server_away),
        cmocka_unit_test(test_no_strangers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
