#include "cli/table.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

/* What the table prints, to be freed. */
static char *printed(const struct ov_table *t)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);

    assert_non_null(f);
    ov_table_print(t, f);
    assert_int_equal(fclose(f), 0);
    return text;
}

static void assert_prints(struct ov_table *t, const char *expected)
{
    char *text = printed(t);

    assert_string_equal(text, expected);
    free(text);
    ov_table_free(t);
}

static void aligns_left_and_right(void **state)
{
    static const char *const heads[] = {"NAME", ">RX", "LAST", NULL};
    struct ov_table t;
    (void)state;

    ov_table_init(&t, heads);
    ov_table_add(&t, "laptop");
    ov_table_add(&t, "1.2 MiB");
    ov_table_add(&t, "x");
    ov_table_add(&t, "a");
    ov_table_addf(&t, "%d B", 7);
    ov_table_add(&t, "yes");
    assert_int_equal(ov_table_rows(&t), 2);
    assert_prints(&t, "NAME         RX  LAST\n"
                      "laptop  1.2 MiB  x\n"
                      "a           7 B  yes\n");
}

static void missing_cells_are_dashes(void **state)
{
    static const char *const heads[] = {"A", "B", NULL};
    struct ov_table t;
    (void)state;

    ov_table_init(&t, heads);
    ov_table_add(&t, NULL);
    ov_table_add(&t, "");
    assert_prints(&t, "A  B\n-  -\n");
}

static void wide_and_combining_letters_align(void **state)
{
    static const char *const heads[] = {"NAME", "X", NULL};
    struct ov_table t;
    (void)state;

    ov_table_init(&t, heads);
    ov_table_add(&t, "\xe7\x8e\x8b\xe7\x8e\x8b"); /* two Chinese letters: four columns */
    ov_table_add(&t, "1");
    ov_table_add(&t, "M\xc3\xbcll"); /* four columns, five bytes */
    ov_table_add(&t, "2");
    ov_table_add(&t, "e\xcc\x81"); /* e and a combining accent: one column */
    ov_table_add(&t, "3");
    assert_prints(&t, "NAME  X\n"
                      "\xe7\x8e\x8b\xe7\x8e\x8b  1\n"
                      "M\xc3\xbcll  2\n"
                      "e\xcc\x81     3\n");
}

/* A member may call itself what it likes: it must not reach the terminal as a command. */
static void hostile_names_are_harmless(void **state)
{
    static const char *const heads[] = {"NAME", NULL};
    struct ov_table t;
    (void)state;

    ov_table_init(&t, heads);
    ov_table_add(&t, "\033[2Jevil\n\x7f");
    ov_table_add(&t, "\xff\xc3"); /* no UTF-8 */
    ov_table_add(&t, "a\xc2\x9b"
                     "31mred"); /* CSI as a C1 control */
    assert_prints(&t, "NAME\n?[2Jevil??\n??\na?31mred\n");
}

static void no_heads_no_head_line(void **state)
{
    static const char *const heads[] = {"", "", NULL};
    struct ov_table t;
    (void)state;

    ov_table_init(&t, heads);
    ov_table_add(&t, "netid");
    ov_table_add(&t, "1");
    assert_prints(&t, "netid  1\n");
}

static void grows(void **state)
{
    static const char *const heads[] = {">N", NULL};
    struct ov_table t;
    char *text;
    (void)state;

    ov_table_init(&t, heads);
    for (int i = 0; i < 5000; i++)
        ov_table_addf(&t, "%d", i);
    assert_int_equal(ov_table_rows(&t), 5000);
    text = printed(&t);
    assert_int_equal(strlen(text), 5001 * 5);
    assert_string_equal(text + 5000 * 5, "4999\n");
    free(text);
    ov_table_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aligns_left_and_right),
        cmocka_unit_test(missing_cells_are_dashes),
        cmocka_unit_test(wide_and_combining_letters_align),
        cmocka_unit_test(hostile_names_are_harmless),
        cmocka_unit_test(no_heads_no_head_line),
        cmocka_unit_test(grows),
    };
    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
