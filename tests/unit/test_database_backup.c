/* A controller's database saved to a file and put back. */
#include "cli/database_backup.h"

#include "cli/identity_file.h"
#include "controller/store_sqlite.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include "tempdir.h"

#define NOW 1700000000000ull

static const struct ov_pow easy = {.mem_kib = 8, .bits = 1};
static char dir[TEMPDIR_MAX], roots[TEMPDIR_MAX], copy[TEMPDIR_MAX + 16];
static struct ov_database at = {.pow = &easy};
static struct ov_database_backup got;
static char why[OV_WHY_MAX];

static int setup(void **state)
{
    struct ov_identity_secret id;
    (void)state;
    assert_int_equal(ov_crypto_init(), OV_OK);
    tempdir_make(dir);
    tempdir_make(roots);
    snprintf(at.state, sizeof at.state, "%s", dir);
    snprintf(at.path, sizeof at.path, "%s/controller.db", dir);
    snprintf(copy, sizeof copy, "%s/copy", roots);
    assert_int_equal(ov_identity_file_make(at.state, &easy, NULL, NULL, &id, why), OV_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tempdir_remove(dir);
    tempdir_remove(roots);
    return 0;
}

/* A database with a network in it. */
static void make_database(void)
{
    struct ov_net_record n = {.netid = 1,
                              .created = NOW,
                              .revision = 1,
                              .mtu = OV_MTU_DEFAULT,
                              .window_s = OV_WINDOW_DEFAULT,
                              .name = "dorm"};
    struct ov_store *s;
    assert_int_equal(ov_store_sqlite_open(at.path, &s, why), OV_OK);
    assert_int_equal(s->ops->net_put(s, &n), OV_OK);
    s->ops->close(s);
}

static void good(int err)
{
    if (err != OV_OK)
        fail_msg("%s", why);
}

static void there_and_back(void **state)
{
    (void)state;
    make_database();
    good(ov_database_save(&at, copy, false, NOW, &got, why));
    assert_int_equal(got.info.networks, 1);
    assert_int_equal(tempdir_mode(roots, "copy"), 0600);
    assert_int_equal(tempdir_count(roots, ""), 1);
    good(ov_database_check(&at, copy, &got, why));
    assert_int_equal(got.info.made, NOW);
    assert_int_equal(unlink(at.path), 0);
    good(ov_database_restore(&at, copy, NOW, &got, why));
    assert_string_equal(got.kept, "");
    good(ov_database_restore(&at, copy, NOW, &got, why));
    assert_memory_equal(got.kept, at.path, strlen(at.path));
}

static void never_over_another_file(void **state)
{
    char text[16];
    (void)state;
    make_database();
    tempdir_write(roots, "copy", "precious", 8);
    assert_int_equal(ov_database_save(&at, copy, false, NOW, &got, why), OV_EEXIST);
    assert_int_equal(tempdir_read(roots, "copy", text, sizeof text), 8);
    assert_string_equal(text, "precious");
    good(ov_database_save(&at, copy, true, NOW, &got, why));
    good(ov_database_check(&at, copy, &got, why));
    snprintf(copy, sizeof copy, "%s/no/copy", roots);
    assert_int_equal(ov_database_save(&at, copy, false, NOW, &got, why), OV_ENOENT);
    assert_int_equal(ov_database_check(&at, copy, &got, why), OV_ENOENT);
}

static void what_is_missing(void **state)
{
    (void)state;
    assert_int_equal(ov_database_save(&at, copy, false, NOW, &got, why), OV_ENOENT);
    assert_non_null(strstr(why, "controller.db"));
    assert_int_equal(tempdir_count(roots, ""), 0);
    assert_int_equal(mkfifo(copy, 0600), 0); /* nobody is kept waiting */
    assert_int_equal(ov_database_check(&at, copy, &got, why), OV_EIO);
    assert_false(got.no_identity);
    snprintf(at.state, sizeof at.state, "%s", roots);
    assert_int_equal(ov_database_check(&at, copy, &got, why), OV_ENOENT);
    assert_true(got.no_identity);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(there_and_back, setup, teardown),
        cmocka_unit_test_setup_teardown(never_over_another_file, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_missing, setup, teardown),
    };
    return cmocka_run_group_tests_name("database_backup", tests, NULL, NULL);
}
