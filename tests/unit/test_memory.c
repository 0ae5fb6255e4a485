/* No memory: the allocator refuses now and then, inside the engine only. What cannot be done for
 * lack of it is left undone; nothing breaks, nothing is believed that should not be, and once there
 * is memory again all is as if nothing had been.
 *
 * The linker sends the engine's inputs and all allocations here (--wrap). */
#include "tests/unit/wire_up.h"

static bool inside;    /* of an engine */
static unsigned every; /* each so many-th allocation fails; 0: none does */
static unsigned counted;
static unsigned refused;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_aligned_alloc(size_t align, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);

static bool refuse(void)
{
    if (!inside || every == 0 || ++counted % every != 0)
        return false;
    refused++;
    return true;
}

void *__wrap_malloc(size_t n)
{
    return refuse() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return refuse() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    return refuse() ? NULL : __real_realloc(p, n);
}

void *__wrap_aligned_alloc(size_t align, size_t n)
{
    return refuse() ? NULL : __real_aligned_alloc(align, n);
}

void __real_ov_node_datagrams(struct ov_node *n, const struct ov_datagram *v, size_t count,
                              ov_time now);
void __real_ov_node_frames(struct ov_node *n, ov_netid net, const struct ov_frame *v, size_t count,
                           ov_time now);
void __real_ov_node_tick(struct ov_node *n, ov_time now);
void __wrap_ov_node_datagrams(struct ov_node *n, const struct ov_datagram *v, size_t count,
                              ov_time now);
void __wrap_ov_node_frames(struct ov_node *n, ov_netid net, const struct ov_frame *v, size_t count,
                           ov_time now);
void __wrap_ov_node_tick(struct ov_node *n, ov_time now);

void __wrap_ov_node_datagrams(struct ov_node *n, const struct ov_datagram *v, size_t count,
                              ov_time now)
{
    inside = true;
    __real_ov_node_datagrams(n, v, count, now);
    inside = false;
}

void __wrap_ov_node_frames(struct ov_node *n, ov_netid net, const struct ov_frame *v, size_t count,
                           ov_time now)
{
    inside = true;
    __real_ov_node_frames(n, net, v, count, now);
    inside = false;
}

void __wrap_ov_node_tick(struct ov_node *n, ov_time now)
{
    inside = true;
    __real_ov_node_tick(n, now);
    inside = false;
}

/* ---- a node that is made ---- */

/* Each allocation of a new node fails once: it is not made, and what it had is given back. */
static void test_new_node(void **state)
{
    struct wu *w = wu_new(1);
    struct wu_node *model = wu_node(w, OV_CAP_ROOT | OV_CAP_CONTROLLER);
    unsigned needs = 0;

    (void)state;
    for (;;) {
        struct ov_node *n = NULL;
        every = needs + 1;
        counted = refused = 0;
        inside = true;
        int rc = ov_node_new(&model->cfg, w->now, wu_wall(w), &n);
        inside = false;
        every = 0;
        if (refused == 0) {
            assert_int_equal(rc, OV_OK);
            ov_node_free(n);
            break;
        }
        assert_int_equal(rc, OV_ENOMEM);
        assert_null(n);
        needs++;
    }
    assert_true(needs >= 5);
    wu_free(w);
}

/* ---- a network that lives ---- */

static void talk(struct wu *w)
{
    uint8_t f[OV_FRAME_MAX];

    for (size_t i = 1; i < w->nnodes; i++) {
        for (size_t k = 1; k < w->nnodes; k++) {
            struct wu_node *a = w->node[i], *b = w->node[k];
            struct ov_mac to = wu_mac(b), from = wu_mac(a);
            struct ov_ip src = wu_ip(a), dst = wu_ip(b);
            if (a == b || !wu_net_of(a))
                continue;
            wu_frame(a, f, wu_ip4(f, &to, &from, &src, &dst, 100));
            wu_frame(a, f, wu_ip4(f, &to, &from, &src, &dst, 1300));
            wu_frame(a, f, wu_arp(f, 1, &wu_broadcast, &from, &src, &dst));
            wu_run(w, 20 * OV_MS);
        }
    }
}

/* Frames of all members reach all others. */
static bool all_hear(struct wu *w)
{
    bool good = true;

    for (size_t i = 1; i < w->nnodes; i++)
        w->node[i]->frames = 0;
    talk(w);
    wu_run(w, OV_SEC);
    for (size_t i = 1; i < w->nnodes; i++)
        good = good && w->node[i]->frames >= 2 * (w->nnodes - 2);
    return good;
}

static void poor(unsigned n)
{
    struct wu *w = wu_new(n);
    struct wu_node *root = wu_node(w, OV_CAP_ROOT | OV_CAP_CONTROLLER);

    refused = counted = 0;
    every = n;
    wu_network(w, root);
    for (size_t i = 0; i < 3; i++) {
        struct wu_node *m = wu_node(w, 0);
        wu_root(m, root);
        wu_join(m);
    }
    for (int i = 0; i < 20; i++) {
        wu_run(w, 3 * OV_SEC);
        talk(w);
    }
    wu_run(w, 130 * OV_SEC); /* new keys */
    talk(w);
    every = 0;
    assert_true(refused > 0);
    /* Enough again: what was left undone is tried again. */
    wu_run(w, 120 * OV_SEC);
    for (size_t i = 1; i < w->nnodes; i++)
        if (!wu_net_of(w->node[i]) || !ov_network_ready(wu_net_of(w->node[i])))
            fail_msg("every %u: node %zu is no member", n, i);
    talk(w);
    wu_run(w, 10 * OV_SEC);
    if (!all_hear(w))
        fail_msg("every %u: not all hear each other", n);
    wu_log_clear(w);
    wu_free(w);
}

static void test_poor_network(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 60; n++)
        poor(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_new_node),
                                       cmocka_unit_test(test_poor_network)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
