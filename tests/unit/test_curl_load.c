/* libcurl, opened by name: all of it or nothing, and never in the way of a daemon. */
#include "cli/client.h"
#include "cli/curl_load.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

static bool is_empty(const struct ov_curl *c)
{
    static const struct ov_curl NONE;
    return memcmp(c, &NONE, sizeof *c) == 0;
}

static void nothing_is_loaded_at_the_start(void **state)
{
    (void)state;
    assert_null(dlopen(OV_CURL_LIBRARY, RTLD_LAZY | RTLD_NOLOAD));
}

static void says_what_is_missing(void **state)
{
    struct ov_curl c;
    char why[256] = "";
    (void)state;

    memset(&c, 0xff, sizeof c);
    assert_int_equal(ov_curl_load(&c, "libnobody-has.so.4", why, sizeof why), OV_ENOENT);
    assert_non_null(strstr(why, "libnobody-has.so.4"));
    assert_true(is_empty(&c));
    ov_curl_unload(&c);
}

static void takes_no_other_library(void **state)
{
    struct ov_curl c;
    char why[256] = "";
    (void)state;

    assert_int_equal(ov_curl_load(&c, "libc.so.6", why, sizeof why), OV_EVERSION);
    assert_non_null(strstr(why, "curl_"));
    assert_true(is_empty(&c));
}

static void words_are_cut_to_their_room(void **state)
{
    struct ov_curl c;
    char why[8] = "1234567";
    (void)state;

    assert_int_equal(ov_curl_load(&c, "libnobody-has.so.4", why, 7), OV_ENOENT);
    assert_int_equal(strlen(why), 6);
}

static void loads_all_of_it_again_and_again(void **state)
{
    struct ov_curl c;
    char why[256];
    CURL *handle;
    (void)state;

    for (int i = 0; i < 3; i++) {
        assert_int_equal(ov_curl_load(&c, OV_CURL_LIBRARY, why, sizeof why), OV_OK);
        assert_int_equal(c.global_init(CURL_GLOBAL_NOTHING), CURLE_OK);
        assert_non_null(handle = c.easy_init());
        assert_int_equal(c.easy_perform(handle), CURLE_URL_MALFORMAT); /* none was set */
        c.easy_reset(handle);
        assert_string_equal(c.easy_strerror(CURLE_OK), "No error");
        c.slist_free_all(c.slist_append(NULL, "one"));
        c.easy_cleanup(handle);
        c.global_cleanup();
        ov_curl_unload(&c);
        assert_true(is_empty(&c));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_loaded_at_the_start),
        cmocka_unit_test(says_what_is_missing),
        cmocka_unit_test(takes_no_other_library),
        cmocka_unit_test(words_are_cut_to_their_room),
        cmocka_unit_test(loads_all_of_it_again_and_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
