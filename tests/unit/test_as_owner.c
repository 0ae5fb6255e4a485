/* Root's work in the directory of another user is done with that user's rights. */
#include "cli/as_owner.h"

#include <errno.h>
#include <grp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include "tempdir.h"

#define UID 65534
#define GID 65533

static char dir[TEMPDIR_MAX], path[TEMPDIR_MAX + 16], why[OV_WHY_MAX];

struct found {
    pid_t pid;
    uid_t uid;
    gid_t gid;
    int ngroups;
    bool may_return;
};

static int setup(void **state)
{
    (void)state;
    tempdir_make(dir);
    snprintf(path, sizeof path, "%s/file", dir);
    *why = '\0';
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tempdir_remove(dir);
    return 0;
}

static void need_root(void)
{
    if (geteuid() == 0)
        return;
    print_message("SKIPPED: only root can become somebody else; run this as root\n");
    skip();
}

static int look(const void *in, void *out, char said[OV_WHY_MAX])
{
    struct found *f = out;
    gid_t groups[64];
    f->pid = getpid();
    f->uid = geteuid();
    f->gid = getegid();
    f->ngroups = getgroups(64, groups);
    if (f->pid != *(const pid_t *)in)
        f->may_return = setuid(0) == 0 || seteuid(0) == 0 || setegid(0) == 0;
    snprintf(said, OV_WHY_MAX, "looked");
    return OV_EINVAL;
}

static struct found find(void)
{
    struct found f = {0};
    pid_t self = getpid();
    assert_int_equal(ov_as_owner(path, look, &self, &f, sizeof f, why), OV_EINVAL);
    assert_string_equal(why, "looked");
    return f;
}

static void our_own(void **state)
{
    (void)state;
    assert_int_equal(find().pid, getpid()); /* no file there */
    tempdir_write(dir, "file", "", 0);
    assert_int_equal(find().pid, getpid());
    snprintf(path, sizeof path, "%s/no/file", dir); /* nor a directory */
    assert_int_equal(find().pid, getpid());
}

static void is_other(void)
{
    struct found f = find();
    assert_int_not_equal(f.pid, getpid());
    assert_int_equal(f.uid, UID);
    assert_int_equal(f.gid, GID);
    assert_int_equal(f.ngroups, 1);
    assert_false(f.may_return);
    assert_int_equal(geteuid(), 0);
}

static void anothers(void **state)
{
    (void)state;
    need_root();
    assert_int_equal(chown(dir, UID, GID), 0);
    is_other();
    tempdir_write(dir, "file", "", 0); /* a file of root's makes no difference */
    is_other();
    /* one of another user in root's directory does */
    assert_int_equal(chown(dir, 0, 0), 0);
    assert_int_equal(find().pid, getpid());
    assert_int_equal(chown(path, UID, GID), 0);
    is_other();
}

static void nobodys(void **state)
{
    struct found f = {0};
    pid_t self = getpid();
    (void)state;
    need_root();
    assert_int_equal(chmod(dir, 01777), 0);
    assert_int_equal(ov_as_owner(path, look, &self, &f, sizeof f, why), OV_EPERM);
    assert_non_null(strstr(why, "others than root"));
    assert_int_equal(f.pid, 0);
    assert_int_equal(chmod(dir, 0770), 0);
    assert_int_equal(find().pid, getpid()); /* root's group is root's */
    assert_int_equal(chown(dir, 0, GID), 0);
    assert_int_equal(ov_as_owner(path, look, &self, &f, sizeof f, why), OV_EPERM);
}

static int die(const void *in, void *out, char said[OV_WHY_MAX])
{
    (void)in;
    *(int *)out = 5;
    snprintf(said, OV_WHY_MAX, "never said");
    kill(getpid(), SIGKILL);
    return OV_OK;
}

static int rant(const void *in, void *out, char said[OV_WHY_MAX])
{
    (void)in;
    (void)out;
    memset(said, 'x', OV_WHY_MAX);
    memcpy(said, "a\033[2Jb\n", 7);
    return OV_EIO;
}

static void strange_answers(void **state)
{
    int out = 3;
    (void)state;
    need_root();
    assert_int_equal(chown(dir, UID, GID), 0);
    assert_int_equal(ov_as_owner(path, die, NULL, &out, sizeof out, why), OV_EIO);
    assert_int_equal(out, 3);
    assert_non_null(strstr(why, "end"));
    assert_int_equal(ov_as_owner(path, rant, NULL, &out, sizeof out, why), OV_EIO);
    assert_memory_equal(why, "a?[2Jb?xx", 9);
    assert_int_equal(strlen(why), OV_WHY_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(our_own, setup, teardown),
        cmocka_unit_test_setup_teardown(anothers, setup, teardown),
        cmocka_unit_test_setup_teardown(nobodys, setup, teardown),
        cmocka_unit_test_setup_teardown(strange_answers, setup, teardown),
    };
    return cmocka_run_group_tests_name("as_owner", tests, NULL, NULL);
}
