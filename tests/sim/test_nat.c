/* The simulated NAT boxes are what RFC 4787 says they are: hosts without engines send through them.
 */
#include "sim.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* A host with an address at a site, and nothing that would take a datagram. */
static struct sim_node host(struct sim *s, struct sim_site *site, uint16_t port)
{
    return (struct sim_node){.sim = s, .site = site, .local = {.ip = site->wan, .port = port}};
}

static void behind(struct sim_node *n, uint8_t last)
{
    n->local.ip = (struct ov_ip){4, {192, 168, 1, last}};
    n->site->hosts[n->site->nhosts++] = n;
}

/* Send, and tell from what endpoint it arrives (port 0: it never does). */
static struct ov_endpoint seen(struct sim_node *from, const struct ov_endpoint *to, uint8_t ttl)
{
    struct sim *s = from->sim;
    struct ov_endpoint source = {0};
    size_t before = s->nheap;

    sim_send(from, to, ttl, (const uint8_t *)"x", 1);
    for (size_t i = 0; i < s->nheap && s->nheap > before; i++) {
        if (s->heap[i]->order == s->next_order - 1)
            source = s->heap[i]->from;
    }
    return source;
}

static struct ov_endpoint endpoint(const struct sim_site *site, uint16_t port)
{
    return (struct ov_endpoint){.ip = site->wan, .port = port};
}

static void test_mapping(void **state)
{
    (void)state;
    for (int m = SIM_EIM; m <= SIM_APDM; m++) {
        struct sim *s = sim_new(1);
        struct sim_node n = host(s, sim_nat(s, (enum sim_mapping)m, SIM_EIF), 5000);
        struct sim_site *a = sim_public(s), *b = sim_public(s);
        struct ov_endpoint a1 = endpoint(a, 1), a2 = endpoint(a, 2), b1 = endpoint(b, 1);
        behind(&n, 10);
        struct ov_endpoint at_a1 = seen(&n, &a1, 0);
        assert_true(ov_ip_equal(&at_a1.ip, &n.site->wan));
        assert_int_equal(at_a1.port == 5000, m == SIM_EIM);
        assert_int_equal(seen(&n, &a1, 0).port, at_a1.port);
        assert_int_equal(seen(&n, &a2, 0).port == at_a1.port, m != SIM_APDM);
        assert_int_equal(seen(&n, &b1, 0).port == at_a1.port, m == SIM_EIM);
        s->now += n.site->timeout + 1;
        assert_int_equal(seen(&n, &a1, 0).port == at_a1.port, m == SIM_EIM);
        assert_int_equal(n.site->nbindings, 1);
        sim_free(s);
    }
}

static void test_filtering(void **state)
{
    (void)state;
    for (int f = SIM_EIF; f <= SIM_APDF; f++) {
        struct sim *s = sim_new(1);
        struct sim_site *home = sim_nat(s, SIM_EIM, (enum sim_filtering)f);
        struct sim_node n = host(s, home, 5000);
        struct sim_site *a = sim_public(s), *b = sim_public(s);
        struct ov_endpoint a1 = endpoint(a, 1), a2 = endpoint(a, 2), b1 = endpoint(b, 1);
        struct ov_endpoint outside = endpoint(home, 5000), closed = endpoint(home, 5001);
        behind(&n, 10);
        assert_null(sim_inbound(s, home, &a1, &outside)); /* nothing was sent yet */
        seen(&n, &a1, 0);
        assert_ptr_equal(sim_inbound(s, home, &a1, &outside), &n);
        assert_null(sim_inbound(s, home, &a1, &closed));
        assert_int_equal(sim_inbound(s, home, &a2, &outside) != NULL, f != SIM_APDF);
        assert_int_equal(sim_inbound(s, home, &b1, &outside) != NULL, f == SIM_EIF);
        s->now += home->timeout + 1;
        assert_null(sim_inbound(s, home, &a1, &outside));
        sim_free(s);
    }
}

/* A contact that was not used for long is let in no more, though the mapping lives on. */
static void test_contact_expires(void **state)
{
    struct sim *s = sim_new(1);
    struct sim_node n = host(s, sim_nat(s, SIM_EIM, SIM_APDF), 5000);
    struct ov_endpoint a = endpoint(sim_public(s), 1), b = endpoint(sim_public(s), 1);
    struct ov_endpoint outside = endpoint(n.site, 5000);

    (void)state;
    behind(&n, 10);
    seen(&n, &a, 0);
    s->now += n.site->timeout - 1;
    seen(&n, &b, 0);
    s->now += 2;
    assert_null(sim_inbound(s, n.site, &a, &outside));
    assert_ptr_equal(sim_inbound(s, n.site, &b, &outside), &n);
    sim_free(s);
}

/* A low TTL opens the mapping, and the datagram dies on its way. */
static void test_opener(void **state)
{
    struct sim *s = sim_new(1);
    struct sim_node n = host(s, sim_nat(s, SIM_EIM, SIM_APDF), 5000);
    struct ov_endpoint a = endpoint(sim_public(s), 1), outside = endpoint(n.site, 5000);

    (void)state;
    behind(&n, 10);
    assert_int_equal(seen(&n, &a, 3).port, 0);
    assert_ptr_equal(sim_inbound(s, n.site, &a, &outside), &n);
    sim_free(s);
}

/* Two hosts with the same port get different ones outside; on their LAN they need no NAT. */
static void test_lan(void **state)
{
    struct sim *s = sim_new(1);
    struct sim_site *home = sim_nat(s, SIM_EIM, SIM_EIF);
    struct sim_node n = host(s, home, 5000), m = host(s, home, 5000);
    struct ov_endpoint a = endpoint(sim_public(s), 1);

    (void)state;
    behind(&n, 10);
    behind(&m, 11);
    uint16_t one = seen(&n, &a, 0).port, two = seen(&m, &a, 0).port;
    assert_int_equal(one, 5000);
    assert_int_not_equal(two, one);
    struct ov_endpoint out1 = endpoint(home, one), out2 = endpoint(home, two);
    assert_ptr_equal(sim_inbound(s, home, &a, &out1), &n);
    assert_ptr_equal(sim_inbound(s, home, &a, &out2), &m);
    struct ov_endpoint direct = seen(&n, &m.local, 1);
    assert_true(ov_endpoint_equal(&direct, &n.local));
    assert_int_equal(seen(&n, &out2, 0).port, 0); /* no hairpin */
    struct ov_endpoint nobody = {.ip = {4, {192, 168, 1, 99}}, .port = 5000};
    assert_int_equal(seen(&n, &nobody, 0).port, 0);
    sim_free(s);
}

static void test_loss_and_copies(void **state)
{
    struct sim *s = sim_new(1);
    struct sim_node n = host(s, sim_public(s), 5000);
    struct ov_endpoint a = endpoint(sim_public(s), 1);

    (void)state;
    s->loss_permille = 300;
    s->duplicate_permille = 100;
    for (int i = 0; i < 10000; i++)
        sim_send(&n, &a, 0, (const uint8_t *)"x", 1);
    assert_in_range(s->lost, 2700, 3300);
    assert_in_range(s->nheap, 7700 - 400, 7700 + 400);
    sim_run(s, NULL, NULL, OV_SEC);
    assert_int_equal(s->nheap, 0);
    sim_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mapping), cmocka_unit_test(test_filtering),
        cmocka_unit_test(test_opener),  cmocka_unit_test(test_contact_expires),
        cmocka_unit_test(test_lan),     cmocka_unit_test(test_loss_and_copies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
