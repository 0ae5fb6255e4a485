#include "core/reflect.h"

#include "wire_up.h"

#define HEADERS 48 /* of IPv6 and UDP */
#define WAIT    5

static bool lost(void *arg, struct wu_packet *p)
{
    return p->src != arg;
}

/* One REFLECT of `a` comes to the root from elsewhere, as its source is forged: what does that
 * place get? Headers count. Returns how many answers there were. */
static unsigned forged(struct wu_node *root, struct wu_node *a, const struct ov_endpoint *place,
                       const uint8_t *msg, size_t len, size_t *asked, size_t *got)
{
    struct wu *w = root->w;
    unsigned n = 0;

    wu_log_clear(w);
    w->hook = lost;
    w->hook_arg = a;
    wu_message(a, root, msg, len);
    const struct wu_packet *p = wu_sent(w, a, OV_WIRE_DATA);
    assert_non_null(p);
    w->hook = NULL;
    *asked = p->len + HEADERS;
    wu_inject(root, place, p->data, p->len);
    wu_run(w, (WAIT + 2) * OV_SEC);
    *got = 0;
    for (size_t i = 0; i < w->nlog; i++)
        if (w->log[i]->src == root && ov_ip_equal(&w->log[i]->to.ip, &place->ip)) {
            n++;
            *got += w->log[i]->len + HEADERS;
        }
    return n;
}

static size_t question(uint8_t *buf, uint8_t flags, size_t zeroes)
{
    struct ov_writer w;

    ov_writer_init(&w, buf, 300);
    ov_writer_u8(&w, OV_MSG_REFLECT);
    ov_writer_u64(&w, 77);
    ov_writer_u8(&w, flags);
    if (flags & OV_REFLECT_LATER)
        ov_writer_u8(&w, WAIT);
    ov_writer_zero(&w, zeroes);
    return w.len;
}

/* Whatever is asked, from whatever place, all answers together are not longer than the question. */
static void test_answers_are_paid_for(void **state)
{
    struct wu *w = wu_new(1);
    struct wu_node *root = wu_node(w, OV_CAP_ROOT), *a = wu_node(w, 0);
    struct ov_endpoint places[2] = {wu_endpoint(70, 7000),
                                    {.ip = {6, {0x20, 1, 0x0d, 0xb8, 1}}, .port = 7000}};
    size_t asked, got;
    uint8_t buf[300];

    (void)state;
    wu_root(a, root);
    wu_run(w, OV_SEC);
    assert_true(ov_peer_online(wu_peer(a, root)));
    for (int i = 0; i < 2; i++) {
        uint64_t malformed = wu_drops(root, MALFORMED_MESSAGE);
        size_t len = question(buf, 0, OV_REFLECT_PAD);
        assert_int_equal(forged(root, a, &places[i], buf, len, &asked, &got), 1);
        assert_true(got <= asked);
        len = question(buf, OV_REFLECT_LATER, OV_REFLECT_PAD_LATER);
        assert_int_equal(forged(root, a, &places[i], buf, len, &asked, &got), 2);
        assert_true(got <= asked);
        for (size_t zeroes = 0; zeroes < OV_REFLECT_PAD_LATER; zeroes += 10) {
            len = question(buf, OV_REFLECT_LATER, zeroes);
            assert_int_equal(forged(root, a, &places[i], buf, len, &asked, &got), 0);
        }
        assert_int_equal(wu_drops(root, MALFORMED_MESSAGE), malformed + 14);
    }
    wu_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_are_paid_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
