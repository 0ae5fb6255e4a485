/* Files written to a stick: FAT has no hard links, and of other file systems some cannot rename
 * without replacing. Each case is a process to which the kernel refuses what such a file system
 * does. */
#include "controller/newname.h"

#include "cli/database_backup.h"
#include "cli/identity_file.h"
#include "controller/store_sqlite.h"

#include <errno.h>
#include <seccomp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "tempdir.h"

static const struct ov_pow easy = {.mem_kib = 8, .bits = 1};
static char dir[TEMPDIR_MAX], from[TEMPDIR_MAX + 16], to[TEMPDIR_MAX + 16];

static int begin(void **state)
{
    (void)state;
    tempdir_make(dir);
    snprintf(from, sizeof(from), "%s/from", dir);
    snprintf(to, sizeof(to), "%s/to", dir);
    return 0;
}

static int end(void **state)
{
    (void)state;
    tempdir_remove(dir);
    return 0;
}

/* What the file system answers to each call. 0: it can. */
struct disk {
    int link, noreplace, rename;
};

static const struct disk GOOD = {0}, FAT = {.link = EPERM},
                         OLD = {.link = EPERM, .noreplace = EINVAL},
                         OLDER = {.link = EPERM, .noreplace = ENOSYS},
                         FULL = {.link = EPERM, .noreplace = EINVAL, .rename = ENOSPC};

static bool refuse(scmp_filter_ctx f, int err, int call)
{
    return err == 0 || seccomp_rule_add(f, SCMP_ACT_ERRNO((uint16_t)err), call, 0) == 0;
}

static bool be_on(const struct disk *d)
{
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
    bool ok = f != NULL && refuse(f, d->link, SCMP_SYS(link)) &&
              refuse(f, d->link, SCMP_SYS(linkat)) && refuse(f, d->rename, SCMP_SYS(rename)) &&
              refuse(f, d->rename, SCMP_SYS(renameat)) &&
              (d->noreplace == 0 ||
               seccomp_rule_add(f, SCMP_ACT_ERRNO((uint16_t)d->noreplace), SCMP_SYS(renameat2), 1,
                                SCMP_A4(SCMP_CMP_NE, 0)) == 0) &&
              seccomp_load(f) == 0;
    seccomp_release(f);
    return ok;
}

/* What `fn` comes to on such a disk: a small number. */
static int on(const struct disk *d, int (*fn)(void))
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(be_on(d) ? fn() : 200);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_not_equal(WEXITSTATUS(status), 200);
    return WEXITSTATUS(status);
}

static int name_it(void)
{
    return ov_newname(from, to) ? 0 : errno;
}

static int create(void)
{
    char why[OV_WHY_MAX];
    return -ov_file_create(to, "new", 3, why);
}

static int back_up(void)
{
    struct ov_database at = {.pow = &easy};
    struct ov_database_backup out;
    char why[OV_WHY_MAX];
    snprintf(at.state, sizeof(at.state), "%s", dir);
    snprintf(at.path, sizeof(at.path), "%s", from);
    return -ov_database_save(&at, to, false, 1700000000000ull, &out, why);
}

static void holds(const char *name, const char *text)
{
    char got[16];
    assert_int_equal(tempdir_read(dir, name, got, sizeof(got)), (ssize_t)strlen(text));
    assert_string_equal(got, text);
}

static void renamed(void **state)
{
    const struct disk *const disks[] = {&GOOD, &FAT, &OLD, &OLDER};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        tempdir_write(dir, "from", "new", 3);
        assert_int_equal(on(disks[i], name_it), 0);
        holds("to", "new");
        assert_int_equal(tempdir_count(dir, ""), 1);
        tempdir_write(dir, "from", "newer", 5);
        assert_int_equal(on(disks[i], name_it), EEXIST);
        holds("to", "new");
        holds("from", "newer");
        assert_int_equal(unlink(to), 0);
    }
    assert_int_equal(on(&FULL, name_it), ENOSPC);
    holds("from", "newer");
    assert_int_equal(tempdir_count(dir, ""), 1); /* no empty file has the name */
}

/* ovpn id export FILE */
static void an_identity(void **state)
{
    const struct disk *const disks[] = {&GOOD, &FAT, &OLD, &OLDER};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(on(disks[i], create), 0);
        holds("to", "new");
        assert_int_equal(tempdir_mode(dir, "to"), 0600);
        tempdir_write(dir, "to", "precious", 8);
        assert_int_equal(on(disks[i], create), -OV_EEXIST);
        holds("to", "precious");
        assert_int_equal(tempdir_count(dir, ""), 1);
        assert_int_equal(unlink(to), 0);
    }
    assert_int_equal(on(&FULL, create), -OV_EIO);
    assert_int_equal(tempdir_count(dir, ""), 0);
}

/* ovpn controller backup FILE */
static void a_controller(void **state)
{
    const struct disk *const disks[] = {&GOOD, &FAT, &OLD, &OLDER};
    struct ov_store *s;
    struct ov_identity_secret id;
    char error[256];
    (void)state;
    assert_int_equal(ov_crypto_init(), OV_OK);
    assert_int_equal(ov_identity_file_make(dir, &easy, NULL, NULL, &id, error), OV_OK);
    assert_int_equal(ov_store_sqlite_open(from, &s, error), OV_OK);
    s->ops->close(s);
    size_t before = tempdir_count(dir, "");
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(on(disks[i], back_up), 0);
        assert_int_equal(tempdir_mode(dir, "to"), 0600);
        assert_int_equal(tempdir_count(dir, ""), before + 1);
        tempdir_write(dir, "to", "precious", 8);
        assert_int_equal(on(disks[i], back_up), -OV_EEXIST);
        holds("to", "precious");
        assert_int_equal(unlink(to), 0);
    }
    assert_int_equal(on(&FULL, back_up), -OV_EIO);
    assert_int_equal(tempdir_count(dir, ""), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(renamed, begin, end),
        cmocka_unit_test_setup_teardown(an_identity, begin, end),
        cmocka_unit_test_setup_teardown(a_controller, begin, end),
    };
    return cmocka_run_group_tests_name("newname", tests, NULL, NULL);
}
