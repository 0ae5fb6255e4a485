/* The table of streams: what its streams need, and cannot always have. libuv's clock is this
 * file's. */
#include "cli/links.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static uint64_t now_ms;
static unsigned tries, told;
static const char *missing; /* why there is no TLS; NULL: there is */

uint64_t uv_now(const uv_loop_t *loop)
{
    (void)loop;
    return now_ms;
}

int __real_ov_tls_context_new(const struct ov_identity_secret *id, struct ov_tls_context **out,
                              char why[OV_TLS_WHY]);
int __wrap_ov_tls_context_new(const struct ov_identity_secret *id, struct ov_tls_context **out,
                              char why[OV_TLS_WHY]);

int __wrap_ov_tls_context_new(const struct ov_identity_secret *id, struct ov_tls_context **out,
                              char why[OV_TLS_WHY])
{
    tries++;
    if (missing == NULL)
        return __real_ov_tls_context_new(id, out, why);
    snprintf(why, OV_TLS_WHY, "%s", missing);
    return OV_ENOMEM;
}

static void count_warning(void *arg, enum ov_log_level level, const char *line)
{
    (void)arg, (void)line;
    told += level <= OV_LOG_WARN;
}

/* No descriptors or no memory for a moment is no reason to do without until the daemon restarts. */
static void tls_is_tried_again(void **state)
{
    static struct ov_settings settings;
    static struct ov_daemon d;
    const struct ov_stream_target target = {
        .to = {.ip = {.family = 4, .b = {127, 0, 0, 1}}, .port = 9},
        .tls = true,
        .name = "localhost"};
    struct ov_links *l;
    char why[OV_STREAM_WHY];
    (void)state;

    ov_config_defaults(&settings);
    assert_int_equal(ov_crypto_init(), OV_OK);
    assert_int_equal(uv_loop_init(&d.loop), 0);
    d.settings = &settings;
    d.log = (struct ov_log){.write = count_warning, .max = OV_LOG_WARN};
    now_ms = 1000;
    assert_int_equal(ov_links_open(&d, NULL, &l), OV_OK);
    missing = "Too many open files";
    assert_null(ov_links_dial(l, &target, NULL, why));
    assert_string_equal(why, "Too many open files");
    assert_null(ov_links_dial(l, &target, NULL, why));
    now_ms += 59 * 1000;
    assert_null(ov_links_dial(l, &target, NULL, why));
    assert_string_equal(why, "Too many open files");
    assert_int_equal(tries, 1); /* each costs something */
    now_ms += 1000;
    assert_null(ov_links_dial(l, &target, NULL, why));
    assert_int_equal(tries, 2);
    assert_int_equal(told, 1);
    missing = NULL;
    now_ms += 60 * 1000;
    for (int i = 0; i < 2; i++)
        assert_non_null(ov_links_dial(l, &target, NULL, why));
    assert_int_equal(tries, 3);
    ov_links_close(l);
    uv_run(&d.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&d.loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tls_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
