/* The whole of port mapping against a router made here, which answers at an address of its own in
 * the same network namespace. UPnP and the real miniupnpd: tests/net/17-portmap.sh. */
#include "transport/gateway.h"
#include "transport/pcp.h"
#include "transport/pmp.h"
#include "transport/portmap.h"

#include "tests/unit/edge.h"

#include <arpa/inet.h>

#define PXP_PORT  15351
#define SSDP_PORT 11900
#define OUR_PORT  40231

enum { PMP = 1, PCP = 2, REFUSES = 4, FOREIGN = 8, SILENT_MAP = 16 };

/* A router that speaks NAT-PMP and PCP as its flags say. */
struct fixture {
    uv_loop_t loop;
    struct ov_portmap *p;
    uv_udp_t router;
    unsigned flags;
    uint32_t epoch, lifetime;
    uint8_t address[4];
    size_t probes, maps, unmaps, changes, losses;
    struct ov_endpoint external;
    char buf[2048];
    uint8_t nonce[OV_PCP_NONCE_LEN];
};

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    struct fixture *f = h->data;
    (void)suggested;
    *buf = uv_buf_init(f->buf, sizeof f->buf);
}

static void reply(struct fixture *f, uint8_t *b, size_t len, const struct sockaddr *to)
{
    uv_buf_t buf = uv_buf_init((char *)b, (unsigned)len);
    assert_int_equal(uv_udp_try_send(&f->router, &buf, 1, to), (int)len);
}

static void put32(uint8_t *p, uint32_t v)
{
    v = htonl(v);
    memcpy(p, &v, 4);
}

static uint32_t granted(const struct fixture *f, const uint8_t *asked)
{
    uint32_t v;
    memcpy(&v, asked, 4);
    return v ? f->lifetime : 0;
}

static void serve_pmp(struct fixture *f, const uint8_t *in, size_t n, const struct sockaddr *from)
{
    uint8_t out[16] = {0, (uint8_t)(in[1] | 0x80)};

    put32(out + 4, f->epoch);
    if (n == OV_PMP_ADDRESS_LEN) {
        f->probes++;
        memcpy(out + 8, f->address, 4);
        reply(f, out, 12, from);
        return;
    }
    assert_int_equal(n, OV_PMP_MAP_LEN);
    *(granted(f, in + 8) ? &f->maps : &f->unmaps) += 1;
    if (f->flags & SILENT_MAP)
        return;
    if (f->flags & REFUSES) {
        out[3] = OV_PMP_REFUSED;
        reply(f, out, 8, from);
        return;
    }
    memcpy(out + 8, in + 4, 4);
    put32(out + 12, granted(f, in + 8));
    reply(f, out, 16, from);
}

static void serve_pcp(struct fixture *f, const uint8_t *in, size_t n, const struct sockaddr *from)
{
    uint8_t out[OV_PCP_MAP_LEN];

    memcpy(out, in, n);
    out[1] |= 0x80;
    memset(out + 8, 0, 16);
    put32(out + 8, f->epoch);
    if (n == OV_PCP_ANNOUNCE_LEN) {
        f->probes++;
        reply(f, out, n, from);
        return;
    }
    assert_int_equal(n, OV_PCP_MAP_LEN);
    *(granted(f, in + 4) ? &f->maps : &f->unmaps) += 1;
    memcpy(f->nonce, in + 24, sizeof f->nonce);
    put32(out + 4, granted(f, in + 4));
    memcpy(out + 56, f->address, 4);
    if (f->flags & FOREIGN) /* the answer to somebody else comes first */
        out[24] ^= 1;
    if (f->flags & REFUSES)
        out[3] = OV_PCP_NO_RESOURCES;
    reply(f, out, n, from);
}

static void on_router(uv_udp_t *u, ssize_t n, const uv_buf_t *buf, const struct sockaddr *from,
                      unsigned flags)
{
    struct fixture *f = u->data;
    const uint8_t *in = (const uint8_t *)buf->base;

    (void)flags;
    if (n <= 0 || !from)
        return;
    if (in[0] == 0 && (f->flags & PMP))
        serve_pmp(f, in, (size_t)n, from);
    else if (in[0] == 2 && (f->flags & PCP))
        serve_pcp(f, in, (size_t)n, from);
}

static void on_changed(void *arg, const struct ov_endpoint *external)
{
    struct fixture *f = arg;

    if (external) {
        f->changes++;
        f->external = *external;
    } else {
        f->losses++;
    }
}

static void open_router(struct fixture *f, unsigned flags)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(PXP_PORT)};

    inet_pton(AF_INET, "10.0.1.1", &in.sin_addr);
    f->flags = flags;
    uv_udp_init(&f->loop, &f->router);
    f->router.data = f;
    assert_int_equal(uv_udp_bind(&f->router, (struct sockaddr *)&in, 0), 0);
    assert_int_equal(uv_udp_recv_start(&f->router, on_alloc, on_router), 0);
}

static void open_map(struct fixture *f)
{
    struct ov_portmap_config c = {.port = OUR_PORT,
                                  .key = {1, 2, 3},
                                  .changed = on_changed,
                                  .arg = f,
                                  .pxp_port = PXP_PORT,
                                  .ssdp_port = SSDP_PORT};

    assert_int_equal(ov_portmap_open(&f->loop, &c, &f->p), OV_OK);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_true(
        edge_sh("ip link add a0 type veth peer name b0 && ip addr add 10.0.1.2/24 dev a0 && "
                "ip link set a0 up && ip link set b0 up && "
                "ip route add default via 10.0.1.1 && ip addr add 10.0.1.1/32 dev lo"));
    uv_loop_init(&f->loop);
    f->epoch = 1000;
    f->lifetime = 7200;
    memcpy(f->address, "\x14\0\0\x0a", 4);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    ov_portmap_close(f->p);
    if (f->router.data && !uv_is_closing((uv_handle_t *)&f->router)) {
        /* The mapping is removed first: keep answering until it is. */
        for (int i = 0; i < 100 && uv_run(&f->loop, UV_RUN_NOWAIT); i++)
            usleep(1000);
        uv_close((uv_handle_t *)&f->router, NULL);
    }
    edge_loop_done(&f->loop);
    free(f);
    return edge_sh("ip link delete a0; ip addr del 10.0.1.1/32 dev lo") ? 0 : -1;
}

static struct ov_portmap_status status(const struct fixture *f)
{
    struct ov_portmap_status s;
    ov_portmap_status(f->p, &s);
    return s;
}

static void expect_mapped(struct fixture *f, enum ov_mapper by)
{
    assert_true(edge_wait(&f->loop, &f->changes, 1));
    assert_int_equal(status(f).state, OV_PORTMAP_MAPPED);
    assert_int_equal(status(f).by, by);
    assert_int_equal(f->external.port, OUR_PORT);
    assert_memory_equal(f->external.ip.b, f->address, 4);
    struct ov_portmap_status s = status(f);
    assert_true(ov_endpoint_equal(&f->external, &s.external));
}

static void test_gateway(void **state)
{
    struct ov_gateway g;

    (void)state;
    assert_int_equal(ov_gateway_find(NULL, NULL, &g), OV_GATEWAY_FOUND);
    assert_memory_equal(g.ip.b, ((uint8_t[]){10, 0, 1, 1}), 4);
    assert_memory_equal(g.local.ip.b, ((uint8_t[]){10, 0, 1, 2}), 4);
    assert_int_equal(g.local.bits, 24);
    assert_int_equal(g.ifindex, if_nametoindex("a0"));
    assert_true(edge_sh("ip route del default && ip route add default dev a0"));
    assert_int_equal(ov_gateway_find(NULL, NULL, &g), OV_GATEWAY_NONE);
    assert_true(edge_sh("ip route del default"));
    assert_int_equal(ov_gateway_find(NULL, NULL, &g), OV_GATEWAY_NONE);
    assert_true(edge_sh("ip addr add 20.0.0.9/24 dev a0 && ip route add default via 20.0.0.1"));
    assert_int_equal(ov_gateway_find(NULL, NULL, &g), OV_GATEWAY_PUBLIC);
}

static bool skip_a0(void *arg, const char *ifname)
{
    (void)arg;
    return strcmp(ifname, "a0") == 0;
}

static void test_gateway_skipped(void **state)
{
    struct ov_gateway g;

    (void)state;
    assert_int_equal(ov_gateway_find(skip_a0, NULL, &g), OV_GATEWAY_NONE);
}

/* PCP is preferred to NAT-PMP; at the end it is removed, with the same nonce. */
static void test_prefers_pcp(void **state)
{
    struct fixture *f = *state;
    uint8_t nonce[OV_PCP_NONCE_LEN];

    open_router(f, PMP | PCP);
    open_map(f);
    expect_mapped(f, OV_MAPPER_PCP);
    assert_int_equal(status(f).lease_s, 7200);
    assert_true(status(f).renew_ms > 3590000 && status(f).renew_ms <= 3600000);
    memcpy(nonce, f->nonce, sizeof nonce);
    ov_portmap_close(f->p);
    f->p = NULL;
    assert_true(edge_wait(&f->loop, &f->unmaps, 1));
    assert_memory_equal(nonce, f->nonce, sizeof nonce);
    assert_int_equal(f->losses, 0); /* nobody is told any more */
}

static void test_only_pmp(void **state)
{
    struct fixture *f = *state;

    open_router(f, PMP);
    open_map(f);
    expect_mapped(f, OV_MAPPER_PMP);
    ov_portmap_close(f->p);
    f->p = NULL;
    assert_true(edge_wait(&f->loop, &f->unmaps, 1));
}

/* What PCP refuses, NAT-PMP may give. */
static void test_falls_back(void **state)
{
    struct fixture *f = *state;

    open_router(f, PCP | PMP | REFUSES);
    open_map(f);
    assert_true(edge_wait(&f->loop, &f->maps, 2)); /* both were asked */
    f->flags &= ~(unsigned)REFUSES;
    assert_int_equal(f->changes, 0);
    ov_portmap_check(f->p); /* while it is under way: nothing new */
    assert_true(edge_wait(&f->loop, &f->changes, 1));
}

/* An answer with another's nonce is not ours; a private address outside is used all the same. */
static void test_foreign_nonce(void **state)
{
    struct fixture *f = *state;

    memcpy(f->address, "\x64\x40\x1\x2", 4);
    open_router(f, PCP | FOREIGN);
    open_map(f);
    assert_true(edge_wait(&f->loop, &f->maps, 2)); /* it is asked again */
    assert_int_equal(f->changes, 0);
    f->flags &= ~(unsigned)FOREIGN;
    expect_mapped(f, OV_MAPPER_PCP);
    assert_true(status(f).nat_outside);
}

static void test_impossible_address(void **state)
{
    static const uint8_t BAD[][4] = {
        {0, 0, 0, 0}, {127, 0, 0, 1}, {224, 0, 0, 1}, {255, 255, 255, 255}};

    for (size_t i = 0; i < 4; i++) {
        struct fixture *f = *state;
        memcpy(f->address, BAD[i], 4);
        if (!f->p) {
            open_router(f, PCP);
            open_map(f);
        } else {
            ov_portmap_check(f->p);
        }
        assert_true(edge_wait(&f->loop, &f->maps, i + 1));
        while (status(f).state == OV_PORTMAP_ASKING)
            uv_run(&f->loop, UV_RUN_ONCE);
        assert_int_equal(status(f).state, OV_PORTMAP_NONE);
        assert_int_equal(f->changes, 0);
    }
}

/* The router grants little: half of it is waited, not half of what was asked for. */
static void test_renews(void **state)
{
    struct fixture *f = *state;

    f->lifetime = 8;
    open_router(f, PMP);
    open_map(f);
    expect_mapped(f, OV_MAPPER_PMP);
    assert_int_equal(f->maps, 1);
    uint64_t before = uv_hrtime();
    assert_true(edge_wait(&f->loop, &f->maps, 2));
    uint64_t took = (uv_hrtime() - before) / 1000000;
    assert_true(took > 3500 && took < 6000);
    while (status(f).renewals == 0)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_int_equal(f->changes, 1); /* it is the same: nobody needs to know */
}

/* It is not prolonged any more: held to its end, then lost. */
static void test_expires(void **state)
{
    struct fixture *f = *state;

    f->lifetime = 5;
    open_router(f, PMP);
    open_map(f);
    expect_mapped(f, OV_MAPPER_PMP);
    uv_close((uv_handle_t *)&f->router, NULL);
    uint64_t before = uv_hrtime();
    assert_true(edge_wait(&f->loop, &f->losses, 1));
    assert_true((uv_hrtime() - before) / 1000000 > 4000);
    assert_int_not_equal(status(f).state, OV_PORTMAP_MAPPED);
}

static void announce(struct fixture *f)
{
    uint8_t b[12] = {0, 128};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(5350)};

    put32(b + 4, f->epoch);
    memcpy(b + 8, f->address, 4);
    inet_pton(AF_INET, "224.0.0.1", &to.sin_addr);
    assert_int_equal(uv_udp_set_multicast_interface(&f->router, "10.0.1.2"), 0);
    reply(f, b, sizeof b, (struct sockaddr *)&to);
}

static void on_ended(uv_timer_t *t)
{
    ++*(size_t *)t->data;
}

static void run_for(struct fixture *f, uint64_t ms)
{
    uv_timer_t timer;
    size_t ended = 0;

    uv_update_time(&f->loop);
    uv_timer_init(&f->loop, &timer);
    timer.data = &ended;
    uv_timer_start(&timer, on_ended, ms, 0);
    while (!ended)
        uv_run(&f->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&f->loop, UV_RUN_NOWAIT);
}

/* An announcement that goes on from before changes nothing; one of a restart does; so does another
 * address. */
static void test_announcements(void **state)
{
    struct fixture *f = *state;
    open_router(f, PMP);
    open_map(f);
    expect_mapped(f, OV_MAPPER_PMP);
    announce(f);
    f->epoch += 1;
    announce(f);
    run_for(f, 400); /* a renewal would come 200 ms after the news */
    assert_int_equal(f->maps, 1);
    f->epoch = 10;
    memcpy(f->address, "\x14\0\0\x0b", 4);
    announce(f);
    assert_true(edge_wait(&f->loop, &f->changes, 2));
    assert_int_equal(f->maps, 2);
    assert_memory_equal(f->external.ip.b, f->address, 4);
}

/* The network changes: the same router is asked again, another one means that all is lost. */
static void test_network_changes(void **state)
{
    struct fixture *f = *state;
    struct edge_descriptors all;

    open_router(f, PCP);
    open_map(f);
    expect_mapped(f, OV_MAPPER_PCP);
    edge_take_descriptors(&all);
    ov_portmap_check(f->p); /* nobody knows */
    edge_give_descriptors(&all);
    assert_int_equal(f->losses, 0);
    assert_int_equal(status(f).state, OV_PORTMAP_MAPPED);
    ov_portmap_check(f->p);
    assert_true(edge_wait(&f->loop, &f->maps, 2));
    while (status(f).renewals == 0)
        uv_run(&f->loop, UV_RUN_ONCE);
    assert_true(edge_sh("ip route del default"));
    ov_portmap_check(f->p);
    assert_int_equal(f->losses, 1);
    assert_int_equal(status(f).state, OV_PORTMAP_NO_ROUTER);
    assert_true(edge_sh("ip addr del 10.0.1.1/32 dev lo && ip route add default via 10.0.1.1 && "
                        "ip addr add 10.0.1.1/32 dev lo"));
    ov_portmap_check(f->p);
    assert_true(edge_wait(&f->loop, &f->changes, 2));
}

/* The end is in time, whatever is under way and whether anybody answers. */
static void test_closes_in_time(void **state)
{
    struct fixture *f = *state;

    open_router(f, PMP | SILENT_MAP);
    open_map(f);
    assert_true(
        edge_wait(&f->loop, &f->maps, 1)); /* asked for, not granted: removed all the same */
    uint64_t before = uv_hrtime();
    ov_portmap_close(f->p);
    ov_portmap_close(f->p);
    f->p = NULL;
    assert_true(edge_wait(&f->loop, &f->unmaps, 1));
    uv_close((uv_handle_t *)&f->router, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_true((uv_hrtime() - before) / 1000000 < OV_PORTMAP_GRACE + 200);
    ov_portmap_close(NULL);
}

static void test_closes_at_once(void **state)
{
    struct fixture *f = *state;

    open_map(f);
    ov_portmap_close(f->p);
    f->p = NULL;
    uint64_t before = uv_hrtime();
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_true((uv_hrtime() - before) / 1000000 < 100);
}

static void test_schedule(void **state)
{
    (void)state;
    assert_int_equal(ov_portmap_renew_after(7200), 3600000);
    assert_int_equal(ov_portmap_renew_after(20), 10000);
    assert_int_equal(ov_portmap_renew_after(1), 4000);
    assert_int_equal(ov_portmap_renew_after(UINT32_MAX), (uint64_t)UINT32_MAX * 500);
    assert_int_equal(ov_portmap_renew_after(0), 3600000);
    assert_int_equal(ov_portmap_retry_after(0), 5000);
    assert_int_equal(ov_portmap_retry_after(1), 10000);
    assert_int_equal(ov_portmap_retry_after(1000), 1800000);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schedule),
        T(test_gateway),
        T(test_gateway_skipped),
        T(test_prefers_pcp),
        T(test_only_pmp),
        T(test_falls_back),
        T(test_foreign_nonce),
        T(test_impossible_address),
        T(test_renews),
        T(test_expires),
        T(test_announcements),
        T(test_network_changes),
        T(test_closes_in_time),
        T(test_closes_at_once),
    };
    EDGE_NEED_NETNS();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
