/* A state directory that others have their hands in, and one that a crash has left its litter in.
 */
#include "cli/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include "tempdir.h"

#include <errno.h>

static char dir[TEMPDIR_MAX], why[OV_WHY_MAX];
static const struct ov_log LOG = {.max = OV_LOG_ERROR};

static int setup(void **state)
{
    (void)state;
    tempdir_make(dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tempdir_remove(dir);
    return 0;
}

static int try_open(void)
{
    struct ov_state *s = NULL;
    int err = ov_state_open(dir, &LOG, &s, why);
    ov_state_close(s);
    return err;
}

/* Whoever may write there can plant an identity of his own, or links to anybody's files. */
static void world_writable(void **state)
{
    (void)state;
    for (unsigned sticky = 0; sticky <= 01000; sticky += 01000) {
        assert_int_equal(chmod(dir, 0777 | sticky), 0);
        assert_int_equal(try_open(), OV_EPERM);
        assert_non_null(strstr(why, dir));
        assert_non_null(strstr(why, "everybody"));
        assert_int_equal(tempdir_count(dir, "."), 0); /* nothing was made in it */
    }
}

/* A umask of 002 makes such directories; what is in them is of one's own group. */
static void group_writable(void **state)
{
    (void)state;
    assert_int_equal(chmod(dir, 0775), 0);
    assert_int_equal(try_open(), OV_OK);
    assert_int_equal(tempdir_mode(dir, "."), 0755);
    assert_int_equal(chmod(dir, 0710), 0); /* as the API leaves it for the group ovpn */
    assert_int_equal(try_open(), OV_OK);
    assert_int_equal(tempdir_mode(dir, "."), 0710);
}

static void of_another(void **state)
{
    (void)state;
    if (chown(dir, 4711, (gid_t)-1) != 0) {
        assert_true(errno == EPERM || errno == EINVAL); /* only root can make this case */
        return;
    }
    assert_int_equal(try_open(), OV_EPERM);
    assert_non_null(strstr(why, "belongs to another user"));
    assert_int_equal(chown(dir, geteuid(), (gid_t)-1), 0);
}

/* A copy of the secret key must not lie about for ever, and the others add up. */
static void litter(void **state)
{
    static const char *const LITTER[] = {"identity.secret.Ab3dEf", "identity.public.000000",
                                         "port.zzzzzz", "stamp.123456"},
                             *const KEPT[] = {"identity.secret.old-20260101-000000", "port.txt",
                                              "notes.abcdef", "stamp.1234567"};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        tempdir_write(dir, LITTER[i], "x", 1);
        tempdir_write(dir, KEPT[i], "x", 1);
    }
    assert_int_equal(try_open(), OV_OK);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(tempdir_mode(dir, LITTER[i]), 0);
        assert_int_equal(tempdir_mode(dir, KEPT[i]), 0600);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(world_writable, setup, teardown),
        cmocka_unit_test_setup_teardown(group_writable, setup, teardown),
        cmocka_unit_test_setup_teardown(of_another, setup, teardown),
        cmocka_unit_test_setup_teardown(litter, setup, teardown),
    };
    return cmocka_run_group_tests_name("attack_state", tests, NULL, NULL);
}
