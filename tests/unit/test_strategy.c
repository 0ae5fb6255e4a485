/* What follows from reflections, and what two nodes make of it. */
#include "core/natprofile.h"
#include "core/strategy.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static struct ov_endpoint endpoint(uint8_t host, uint16_t port)
{
    return (struct ov_endpoint){.ip = {4, {20, 0, 0, host}}, .port = port};
}

/* Sockets 0, 1, ... reflect by root 1, then socket 0 by its other port, and by root 2 and its. */
static size_t burst(struct ov_nat_sample v[16], const uint16_t *ports, size_t n)
{
    static const uint8_t host[] = {1, 2, 2};
    static const uint16_t port[] = {4794, 4793, 4794};

    for (size_t i = 0; i < n; i++) {
        bool again = i + 3 >= n;
        v[i] = (struct ov_nat_sample){
            .socket = again ? 0 : (uint16_t)i,
            .port = (uint16_t)(30000 + (again ? 0 : i)),
            .to = again ? endpoint(host[i + 3 - n], port[i + 3 - n]) : endpoint(1, 4793),
            .seen = endpoint(9, ports[i]),
        };
    }
    return n;
}

static struct ov_nat_view classify(const uint16_t *ports, size_t n)
{
    struct ov_nat_view view = {.filtering = OV_NAT_APDF};
    struct ov_nat_sample v[16];

    ov_nat_classify(v, burst(v, ports, n), &view);
    assert_int_equal(view.filtering, OV_NAT_APDF); /* not its business */
    return view;
}
#define CLASSIFY(...)                                                                              \
    classify((const uint16_t[]){__VA_ARGS__},                                                      \
             sizeof((const uint16_t[]){__VA_ARGS__}) / sizeof(uint16_t))

static void assert_view(const struct ov_nat_view *v, int mapping, int allocation, int step,
                        int base, int spread)
{
    assert_int_equal(v->mapping, mapping);
    assert_int_equal(v->allocation, allocation);
    assert_int_equal(v->step, step);
    assert_int_equal(v->base, base);
    assert_int_equal(v->spread, spread);
}

static void test_classify(void **state)
{
    struct ov_nat_view v;

    (void)state;
    v = CLASSIFY(30000, 30001, 30002, 30003, 30000, 30000, 30000);
    assert_view(&v, OV_NAT_EIM, OV_NAT_PRESERVING, 0, 0, 0);
    v = CLASSIFY(50123, 21001, 42002, 33003, 50123, 50123, 50123);
    assert_view(&v, OV_NAT_EIM, OV_NAT_RANDOM, 0, 0, 0);
    v = CLASSIFY(40000, 40001, 40002, 40003, 40004, 40005, 40006);
    assert_view(&v, OV_NAT_APDM, OV_NAT_SEQUENTIAL, 1, 40006, 0);
    v = CLASSIFY(60000, 59999, 59997, 59996, 59995, 59994, 59993);
    assert_view(&v, OV_NAT_APDM, OV_NAT_SEQUENTIAL, -1, 59993, 0);
    v = CLASSIFY(40000, 40004, 40012, 40016, 40020, 40024, 40028);
    assert_view(&v, OV_NAT_APDM, OV_NAT_SEQUENTIAL, 4, 40028, 0);
    v = CLASSIFY(41997, 41998, 41999, 40000, 40001, 40002, 40003); /* wraps */
    assert_view(&v, OV_NAT_APDM, OV_NAT_SEQUENTIAL, 1, 40003, 0);
    v = CLASSIFY(40000, 40001, 40003, 40002, 40004, 40005, 40006); /* overtaken */
    assert_view(&v, OV_NAT_APDM, OV_NAT_SEQUENTIAL, 1, 40006, 0);
    v = CLASSIFY(11000, 12200, 10300, 11800, 10900, 12100, 10500);
    assert_view(&v, OV_NAT_APDM, OV_NAT_BLOCK, 0, 10300, 1900);
    v = CLASSIFY(11000, 12200, 10300, 11800, 10900, 12100, 12400);
    assert_view(&v, OV_NAT_APDM, OV_NAT_RANDOM, 0, 0, 0);
    v = CLASSIFY(51000, 12200, 20300, 61800, 51000, 33333, 33333); /* by address only */
    assert_view(&v, OV_NAT_ADM, OV_NAT_RANDOM, 0, 0, 0);
    v = CLASSIFY(51000, 51000, 51000); /* one socket and three destinations */
    assert_view(&v, OV_NAT_EIM, 0, 0, 0, 0);
}

static void test_classify_little(void **state)
{
    struct ov_nat_view v = {0};
    struct ov_nat_sample s[2] = {
        {.socket = 0, .port = 5, .to = endpoint(1, 4793), .seen = endpoint(9, 700)},
        {.socket = 1, .port = 6, .to = endpoint(1, 4793), .seen = endpoint(9, 900)},
    };

    (void)state;
    ov_nat_classify(s, 0, &v);
    assert_view(&v, 0, 0, 0, 0, 0);
    ov_nat_classify(s, 2, &v); /* two sockets tell nothing of the mapping */
    assert_view(&v, 0, 0, 0, 0, 0);
    s[1].socket = 0;
    ov_nat_classify(s, 2, &v); /* the same destination twice, neither */
    assert_int_equal(v.mapping, 0);
    s[1].to.port = 4794;
    ov_nat_classify(s, 2, &v);
    assert_int_equal(v.mapping, OV_NAT_APDM);
}

/* ---- the table ---- */

enum kind { UNKNOWN, FULL, ADDRESS, PORT, SEQ, DEC, BLOCK, RANDOM, RANDOM_ADM, KINDS };

static const struct ov_nat_view views[KINDS] = {
    [FULL] = {OV_NAT_EIM, OV_NAT_EIF, OV_NAT_PRESERVING, 0, 0, 0},
    [ADDRESS] = {OV_NAT_EIM, OV_NAT_ADF, OV_NAT_RANDOM, 0, 0, 0},
    [PORT] = {OV_NAT_EIM, OV_NAT_APDF, OV_NAT_PRESERVING, 0, 0, 0},
    [SEQ] = {OV_NAT_APDM, OV_NAT_APDF, OV_NAT_SEQUENTIAL, 1, 40000, 0},
    [DEC] = {OV_NAT_APDM, OV_NAT_APDF, OV_NAT_SEQUENTIAL, -2, 40000, 0},
    [BLOCK] = {OV_NAT_APDM, OV_NAT_APDF, OV_NAT_BLOCK, 0, 10300, 1900},
    [RANDOM] = {OV_NAT_APDM, OV_NAT_APDF, OV_NAT_RANDOM, 0, 0, 0},
    [RANDOM_ADM] = {OV_NAT_ADM, OV_NAT_APDF, OV_NAT_RANDOM, 0, 0, 0},
};

static void test_table(void **state)
{
    enum {
        P = OV_STRATEGY_PLAIN,
        D = OV_STRATEGY_PREDICT,
        O = OV_STRATEGY_PREDICT_BOTH,
        B = OV_STRATEGY_BLOCK,
        Y = OV_STRATEGY_BIRTHDAY,
        R = OV_STRATEGY_RELAY
    };
    static const int table[KINDS][KINDS] = {
        /*            ?  F  A  P  S  D  B  R  RA */
        [UNKNOWN] = {P, P, P, P, P, P, P, P, P},    [FULL] = {P, P, P, P, P, P, P, P, P},
        [ADDRESS] = {P, P, P, P, P, P, P, P, P},    [PORT] = {P, P, P, P, D, D, B, Y, Y},
        [SEQ] = {P, P, P, D, O, O, R, R, R},        [DEC] = {P, P, P, D, O, O, R, R, R},
        [BLOCK] = {P, P, P, B, R, R, R, R, R},      [RANDOM] = {P, P, P, Y, R, R, R, R, R},
        [RANDOM_ADM] = {P, P, P, Y, R, R, R, R, R},
    };

    (void)state;
    for (int a = 0; a < KINDS; a++) {
        for (int b = 0; b < KINDS; b++) {
            assert_int_equal(ov_strategy_choose(&views[a], &views[b]), table[a][b]);
            assert_int_equal(table[a][b], table[b][a]); /* both sides come to the same */
        }
    }
}

/* Filtering that is not known is the worst, and a mapping without a pattern is random. */
static void test_table_unsure(void **state)
{
    struct ov_nat_view port = views[PORT], hard = views[RANDOM];

    (void)state;
    port.filtering = 0;
    assert_int_equal(ov_strategy_choose(&port, &views[SEQ]), OV_STRATEGY_PREDICT);
    hard.allocation = 0;
    assert_int_equal(ov_strategy_choose(&port, &hard), OV_STRATEGY_BIRTHDAY);
    hard.filtering = OV_NAT_EIF; /* no help without a fixed endpoint */
    assert_int_equal(ov_strategy_choose(&port, &hard), OV_STRATEGY_BIRTHDAY);
}

static void test_plans(void **state)
{
    (void)state;
    for (int s = 0; s < OV_STRATEGIES; s++) {
        for (int k = PORT; k < KINDS; k++) {
            struct ov_plan p = ov_strategy_plan((enum ov_strategy)s, &views[k]);
            if (!ov_strategy_is_hard((enum ov_strategy)s)) {
                assert_int_equal(p.sockets + p.openers + p.probes, 0);
                continue;
            }
            assert_true(p.hard == (k != PORT || s == OV_STRATEGY_PREDICT_BOTH));
            assert_in_range(p.sockets + p.canaries, 1, 256);
            assert_in_range(p.openers + p.probes, 1, 1300 - 64); /* some are for canaries */
            assert_true(p.openers <= p.sockets && p.end > p.probes_at);
        }
    }
}

static void test_ports(void **state)
{
    static uint8_t got[65536];
    static const struct {
        enum ov_strategy s;
        enum kind k;
        unsigned n;
    } of[] = {{OV_STRATEGY_PREDICT, SEQ, 32},
              {OV_STRATEGY_PREDICT, DEC, 32},
              {OV_STRATEGY_BLOCK, BLOCK, 256},
              {OV_STRATEGY_BIRTHDAY, RANDOM, 64512}};

    (void)state;
    for (size_t c = 0; c < sizeof of / sizeof *of; c++) {
        for (uint64_t salt = 0; salt < 3; salt++) {
            memset(got, 0, sizeof got);
            for (unsigned i = 0; i < of[c].n; i++) {
                uint16_t port =
                    ov_strategy_port(of[c].s, &views[of[c].k], i, salt * 0x9e3779b97f4a7c15ull);
                assert_true(port >= OV_NAT_PORT_MIN);
                assert_false(got[port]++);
                if (of[c].s == OV_STRATEGY_BLOCK)
                    assert_in_range(port, 12200 - 2047, 10300 + 2047);
            }
        }
    }
    assert_int_equal(ov_strategy_port(OV_STRATEGY_PREDICT, &views[SEQ], 0, 0), 40001);
    assert_int_equal(ov_strategy_port(OV_STRATEGY_PREDICT, &views[DEC], 1, 0), 39996);
    assert_int_equal(ov_strategy_port(OV_STRATEGY_PREDICT_BOTH, &views[SEQ], 7, 9), 40020);
    assert_int_equal(ov_strategy_port(OV_STRATEGY_PREDICT_BOTH, &views[DEC], 0, 0), 39960);
    struct ov_nat_view edge = {.allocation = OV_NAT_SEQUENTIAL, .step = 16, .base = 65500};
    assert_int_equal(ov_strategy_port(OV_STRATEGY_PREDICT, &edge, 2, 0), 65548 - 64512);
    edge = (struct ov_nat_view){.allocation = OV_NAT_BLOCK, .base = 0, .spread = 65535};
    for (unsigned i = 0; i < 300; i++) /* what a liar may claim */
        assert_in_range(ov_strategy_port(OV_STRATEGY_BLOCK, &edge, i, 1), OV_NAT_PORT_MIN, 65535);
    edge.base = 65535;
    for (unsigned i = 0; i < 300; i++)
        assert_in_range(ov_strategy_port(OV_STRATEGY_BLOCK, &edge, i, 1), OV_NAT_PORT_MIN, 65535);
    edge = (struct ov_nat_view){.base = 0, .step = INT16_MIN};
    for (unsigned i = 0; i < 40; i++)
        assert_true(ov_strategy_port(OV_STRATEGY_PREDICT, &edge, i, 1) >= OV_NAT_PORT_MIN);
}

static void test_words(void **state)
{
    (void)state;
    assert_string_equal(ov_nat_mapping_text(OV_NAT_APDM), "address-and-port-dependent");
    assert_string_equal(ov_nat_filtering_text(OV_NAT_EIF), "endpoint-independent");
    assert_string_equal(ov_nat_allocation_text(OV_NAT_BLOCK), "block");
    assert_string_equal(ov_nat_allocation_text(200), "unknown");
    assert_string_equal(ov_strategy_text(OV_STRATEGY_BIRTHDAY), "birthday");
    assert_string_equal(ov_strategy_text((enum ov_strategy)77), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classify), cmocka_unit_test(test_classify_little),
        cmocka_unit_test(test_table),    cmocka_unit_test(test_table_unsure),
        cmocka_unit_test(test_plans),    cmocka_unit_test(test_ports),
        cmocka_unit_test(test_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
