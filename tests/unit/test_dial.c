/* Which streams are made to a root, and when: with a real engine, on wire_up's clock, and streams
 * that only stand for some. libuv's clock and timer are this file's, and so is what cli/links.c and
 * cli/daemon.c have. */
#include "cli/dial.h"

#include "wire_up.h"

#define STEP      (10 * OV_MS)
#define STEP_MS   10
#define TRIES_MAX 64

struct ov_links_item {
    void *way;
    bool tls, live, up;
    uint64_t at; /* ms */
    struct ov_endpoint ep;
    struct wu_stream *s; /* when it is up */
};

static struct world {
    struct wu *w;
    struct wu_node *root, *n;
    struct ov_settings settings;
    struct ov_daemon d;
    struct ov_dial *t;
    bool marked;
    unsigned seen;  /* events */
    uint64_t alarm; /* ms */
    struct ov_links_item item[TRIES_MAX];
    size_t n_items;
    enum { REFUSED, SILENT, ANSWERED } tcp; /* TLS is always refused, */
    bool tls_silent;                        /* or this */
} * x;

/* ---- what dial.c calls ---- */

uint64_t uv_now(const uv_loop_t *loop)
{
    (void)loop;
    return x->w->now / OV_MS;
}

int uv_timer_start(uv_timer_t *t, uv_timer_cb cb, uint64_t timeout, uint64_t repeat)
{
    (void)t, (void)cb, (void)repeat;
    x->alarm = uv_now(NULL) + timeout;
    return 0;
}

int uv_timer_stop(uv_timer_t *t)
{
    (void)t;
    x->alarm = UINT64_MAX;
    return 0;
}

ov_time ov_daemon_now(struct ov_daemon *d)
{
    (void)d;
    return x->w->now;
}

void ov_daemon_drain(struct ov_daemon *d)
{
    (void)d;
    wu_drain(x->n);
}

void ov_links_mark(struct ov_links *l)
{
    (void)l;
    x->marked = true;
}

struct ov_links_item *ov_links_dial(struct ov_links *l, const struct ov_stream_target *t,
                                    void *owner, char why[OV_STREAM_WHY])
{
    struct ov_links_item *k = &x->item[x->n_items++];

    (void)l, (void)why;
    assert_true(x->n_items < TRIES_MAX);
    *k = (struct ov_links_item){
        .way = owner, .tls = t->tls, .live = true, .at = uv_now(NULL), .ep = t->to};
    k->ep.scope = (uint32_t)(1000 + x->n_items);
    return k;
}

void ov_links_hang_up(struct ov_links_item *k)
{
    k->live = false;
    if (k->s)
        k->s->closed = true;
}

struct ov_stream *ov_links_stream(const struct ov_links_item *k)
{
    (void)k;
    return NULL;
}

const struct ov_endpoint *ov_links_endpoint(const struct ov_links_item *k)
{
    return &k->ep;
}

void ov_links_told(struct ov_links_item *k)
{
    k->up = true;
}

bool ov_links_info(const struct ov_links *l, const struct ov_endpoint *ep,
                   struct ov_links_info *out)
{
    (void)l, (void)out;
    for (size_t i = 0; i < x->n_items; i++)
        if (x->item[i].live && x->item[i].up && ov_endpoint_equal(&x->item[i].ep, ep))
            return true;
    return false;
}

/* ---- the world ---- */

static bool udp_blocked(void *arg, struct wu_packet *p)
{
    (void)arg;
    return p->stream && !p->stream->closed;
}

static void set_up(uint64_t seed)
{
    x = calloc(1, sizeof *x);
    assert_non_null(x);
    x->w = wu_new(seed);
    x->root = wu_node(x->w, OV_CAP_ROOT);
    x->n = wu_node(x->w, 0);
    x->w->hook = udp_blocked;
    x->alarm = UINT64_MAX;
    x->d.settings = &x->settings;
    x->d.node = x->n->n;
    assert_int_equal(uv_loop_init(&x->d.loop), 0);
    assert_int_equal(ov_dial_open(&x->d, NULL, &x->t), OV_OK);
    assert_int_equal(ov_node_add_root(x->n->n, "root", NULL, &x->root->ep, 1, x->w->now), OV_OK);
    wu_drain(x->n);
}

static void tear_down(void)
{
    ov_dial_close(x->t);
    uv_run(&x->d.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&x->d.loop), 0);
    wu_free(x->w);
    free(x);
}

static void answer(struct ov_links_item *k)
{
    k->s = wu_stream(x->n, x->root);
    k->ep = k->s->ep[0];
    ov_dial_up(k->way, k);
}

static void end(struct ov_links_item *k, const char *why)
{
    k->live = false;
    if (k->s) {
        k->s->closed = true;
        ov_node_link_down(x->n->n, &k->ep, x->w->now);
        wu_drain(x->n);
    }
    ov_dial_down(k->way, k, why, true);
}

/* One turn of the daemon's loop, and so much time. */
static void turn(void)
{
    x->marked |= x->n->events[OV_EVENT_LINK] != x->seen || uv_now(NULL) >= x->alarm;
    x->seen = x->n->events[OV_EVENT_LINK];
    while (x->marked) {
        x->marked = false;
        ov_dial_run(x->t);
    }
    for (size_t i = 0; i < x->n_items; i++) {
        struct ov_links_item *k = &x->item[i];
        if (!k->live || k->up)
            continue;
        if (k->tls ? !x->tls_silent : x->tcp == REFUSED)
            end(k, "refused");
        else if (!k->tls && x->tcp == ANSWERED)
            answer(k);
    }
    wu_run(x->w, STEP);
}

static void run(unsigned ms)
{
    for (unsigned i = 0; i < ms / STEP_MS; i++)
        turn();
}

/* When the way was tried, from the `first` item on. */
static size_t tries(bool tls, size_t first, uint64_t out[TRIES_MAX])
{
    size_t n = 0;

    for (size_t i = first; i < x->n_items; i++)
        if (x->item[i].tls == tls)
            out[n++] = x->item[i].at;
    return n;
}

/* Pauses double from a second to half a minute, each plus up to a quarter. */
static void expect_pauses(const uint64_t *at, size_t n)
{
    uint64_t pause = 1000;

    for (size_t i = 1; i < n; i++) {
        assert_in_range(at[i] - at[i - 1], pause, pause + pause / 4 + 2 * STEP_MS);
        pause = pause * 2 < 30000 ? pause * 2 : 30000;
    }
}

/* ---- tests ---- */

static void test_backoff(void **state)
{
    uint64_t tcp[TRIES_MAX], tls[TRIES_MAX];

    (void)state;
    set_up(1);
    run(1400);
    assert_int_equal(x->n_items, 0); /* nothing is wanted yet */
    run(160 * 1000);
    size_t n = tries(false, 0, tcp), m = tries(true, 0, tls);
    assert_in_range(n, 8, 10);
    assert_in_range(m, 8, 10);
    assert_in_range(tls[0] - tcp[0], 150, 150 + STEP_MS); /* the head start of plain TCP */
    expect_pauses(tcp, n);
    expect_pauses(tls, m);
    assert_true(x->alarm < UINT64_MAX);
    assert_non_null(strstr(ov_dial_problem(x->t, "root"), "refused"));
    tear_down();
}

/* The network changed: all is tried at once, and pauses begin anew. */
static void test_refresh(void **state)
{
    uint64_t at[TRIES_MAX];

    (void)state;
    set_up(2);
    run(20 * 1000);
    for (int tls = 0; tls < 2; tls++)
        assert_true(tries(tls, 0, at) > 3);
    size_t before = x->n_items;
    ov_dial_refresh(x->t);
    x->marked = true;
    uint64_t now = uv_now(NULL);
    run(9 * 1000);
    for (int tls = 0; tls < 2; tls++) {
        size_t n = tries(tls, before, at);
        assert_int_equal(n, 4); /* after 0, 1, 3 and 7 s, or a little later */
        assert_int_equal(at[0], now);
        expect_pauses(at, n);
    }
    tear_down();
}

/* A stream is in use: the other way is hung up, and nothing is tried. When it breaks, all ways
 * are, at once, with pauses from the start. */
static void test_used_and_broken(void **state)
{
    uint64_t at[TRIES_MAX];

    (void)state;
    set_up(3);
    x->tls_silent = true;
    run(6 * 1000);
    assert_true(tries(false, 0, at) >= 2);
    x->tcp = ANSWERED;
    run(10 * 1000);
    size_t used = x->n_items - 1;
    assert_true(x->item[used].up && !x->item[used].tls);
    for (size_t i = 0; i < used; i++)
        assert_false(x->item[i].live);
    assert_null(ov_dial_problem(x->t, "root"));
    run(100 * 1000);
    assert_int_equal(x->n_items, used + 1);
    x->tcp = REFUSED;
    x->tls_silent = false;
    end(&x->item[used], "broken");
    uint64_t now = uv_now(NULL);
    run(9 * 1000);
    size_t n = tries(false, used + 1, at);
    assert_in_range(at[0] - now, 0, 2 * STEP_MS);
    assert_int_equal(n, 4);
    expect_pauses(at, n);
    n = tries(true, used + 1, at);
    assert_in_range(at[0] - now, 150, 150 + 2 * STEP_MS);
    expect_pauses(at, n);
    tear_down();
}

/* UDP is back: what is being tried is hung up, and all timers stop. */
static void test_wanted_no_more(void **state)
{
    (void)state;
    set_up(4);
    x->tls_silent = true;
    x->tcp = SILENT;
    run(5 * 1000);
    assert_int_equal(x->n_items, 2); /* both still wait for an answer */
    assert_true(x->item[0].live && x->item[1].live);
    x->w->hook = NULL;
    run(60 * 1000);
    assert_false(x->item[0].live || x->item[1].live);
    assert_int_equal(x->n_items, 2);
    assert_true(x->alarm == UINT64_MAX);
    tear_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_backoff),
        cmocka_unit_test(test_refresh),
        cmocka_unit_test(test_used_and_broken),
        cmocka_unit_test(test_wanted_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
