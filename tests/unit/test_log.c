#include "core/log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct sink {
    char line[2048];
    enum ov_log_level level;
    int lines;
};

static void take(void *arg, enum ov_log_level level, const char *line)
{
    struct sink *s = arg;

    assert_true(strlen(line) < sizeof(s->line));
    strcpy(s->line, line);
    s->level = level;
    s->lines++;
}

static void test_levels(void **state)
{
    struct sink s = {.lines = 0};
    struct ov_log log = {take, &s, OV_LOG_INFO};
    struct ov_log silent = {NULL, &s, OV_LOG_DEBUG};

    (void)state;
    ov_log(&log, OV_LOG_INFO, "%s %d", "peer", 7);
    assert_string_equal(s.line, "peer 7");
    assert_int_equal(s.level, OV_LOG_INFO);
    ov_log(&log, OV_LOG_DEBUG, "no");
    ov_log(&silent, OV_LOG_ERROR, "no");
    ov_log(NULL, OV_LOG_ERROR, "no");
    assert_int_equal(s.lines, 1);
    ov_log(&log, OV_LOG_ERROR, "yes");
    assert_int_equal(s.lines, 2);
}

/* Text from the network can neither start a new line nor reach a terminal's controls. */
static void test_control_bytes(void **state)
{
    struct sink s = {.lines = 0};
    struct ov_log log = {take, &s, OV_LOG_INFO};

    (void)state;
    ov_log(&log, OV_LOG_INFO, "name %s", "a\nb\x1b[2J\x7f\tgr\xc3\xbc\xc3\x9f");
    assert_string_equal(s.line, "name a?b?[2J??gr\xc3\xbc\xc3\x9f");
}

static void test_long_line(void **state)
{
    static char text[4096];
    struct sink s = {.lines = 0};
    struct ov_log log = {take, &s, OV_LOG_INFO};

    (void)state;
    memset(text, 'a', sizeof(text) - 1);
    ov_log(&log, OV_LOG_INFO, "%s", text);
    assert_int_equal(s.lines, 1);
    assert_in_range(strlen(s.line), 200, 1023);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_control_bytes),
        cmocka_unit_test(test_long_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
