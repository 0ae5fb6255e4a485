/* Copies of a controller's database: whole while it is written to, refused when they are not right,
 * and put back so that nothing is lost on the way. */
#include "controller/backup_seal.h"
#include "controller/store_backup.h"
#include "controller/store_sqlite.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "tempdir.h"

#define NET 0x8056c2e21c000001ull
#define NOW 1700000000000ull
#define DB  "controller.db"

static char dir[TEMPDIR_MAX], db[OV_STORE_KEPT_MAX], file[TEMPDIR_MAX + 32], error[256];
static struct ov_identity_secret owner, stranger;
static struct ov_store_backup info;
static char kept[OV_STORE_KEPT_MAX];

static int setup(void **state)
{
    (void)state;
    static const struct ov_pow easy = {.mem_kib = 8, .bits = 1};
    static const uint8_t seeds[2][32] = {{1}, {2}};
    assert_int_equal(ov_crypto_init(), OV_OK);
    assert_int_equal(ov_identity_make(seeds[0], &easy, NULL, NULL, &owner), OV_OK);
    assert_int_equal(ov_identity_make(seeds[1], &easy, NULL, NULL, &stranger), OV_OK);
    tempdir_make(dir);
    snprintf(db, sizeof db, "%s/" DB, dir);
    snprintf(file, sizeof file, "%s/copy", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tempdir_remove(dir);
    return 0;
}

static struct ov_store *open_store(void)
{
    struct ov_store *s;
    if (ov_store_sqlite_open(db, &s, error) != OV_OK)
        fail_msg("%s", error);
    return s;
}

static void put_net(struct ov_store *s, ov_netid id, const char *name, uint64_t revision)
{
    struct ov_net_record n = {.netid = id,
                              .created = NOW,
                              .revision = revision,
                              .mtu = OV_MTU_DEFAULT,
                              .window_s = OV_WINDOW_DEFAULT};
    snprintf(n.name, sizeof n.name, "%s", name);
    assert_int_equal(s->ops->net_put(s, &n), OV_OK);
}

/* Member `i`: a name and an address of its own. */
static int put_member(struct ov_store *s, unsigned i)
{
    struct ov_member_record m = {
        .netid = NET,
        .id = {.nonce = i, .addr = 0x1000000000 + i},
        .state = OV_MEMBER_ADMITTED,
        .first_seen = NOW,
        .naddrs = 1,
        .addrs = {
            {.ip = {.family = 4, .b = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}},
             .bits = 8}}};
    snprintf(m.name, sizeof m.name, "m%u", i);
    return s->ops->member_put(s, &m, NULL);
}

static size_t admitted(struct ov_store *s)
{
    size_t n = 0, pending;
    assert_int_equal(s->ops->member_count(s, NET, &n, &pending), OV_OK);
    return n;
}

static void make(void)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (ov_store_backup_make(db, fd, &owner, NOW, &info, error) != OV_OK)
        fail_msg("%s", error);
    assert_int_equal(close(fd), 0);
}

static int check(const struct ov_identity_secret *by)
{
    int fd = open(file, O_RDONLY);
    int err = ov_store_backup_check(fd, file, &by->pub, &info, error);
    close(fd);
    return err;
}

static int try_restore(ov_wall now)
{
    int fd = open(file, O_RDONLY);
    int err = ov_store_backup_restore(fd, file, db, &owner.pub, now, &info, kept, error);
    close(fd);
    return err;
}

static void restore(void)
{
    if (try_restore(NOW + 1000) != OV_OK)
        fail_msg("%s", error);
}

static void there_and_back(void **state)
{
    struct ov_store *s = open_store();
    struct ov_net_record n;
    ov_wall last, reserved;
    (void)state;
    put_net(s, NET, "dorm", 5);
    assert_int_equal(put_member(s, 1), OV_OK);
    assert_int_equal(s->ops->clock_put(s, NOW + 5, NOW + 9, true), OV_OK);
    make(); /* while it is open */
    assert_int_equal(info.networks, 1);
    assert_int_equal(info.members, 1);
    assert_int_equal(put_member(s, 2), OV_OK);
    s->ops->close(s);
    assert_int_equal(tempdir_count(dir, ""), 2); /* database and copy: no journal, nothing half */

    restore();
    assert_int_equal(info.made, NOW);
    s = open_store();
    assert_int_equal(admitted(s), 1);
    /* members hold a later revision than the copy's: it must not look old to them */
    assert_int_equal(s->ops->net_get(s, NET, &n), OV_OK);
    assert_true(n.revision > 1000);
    assert_int_equal(s->ops->clock_get(s, &last, &reserved), OV_OK);
    assert_int_equal(last, NOW + 1000);
    assert_int_equal(reserved, NOW + 1000);
    s->ops->close(s);
    assert_int_equal(tempdir_mode(dir, DB), 0600);
    /* what was there is kept, the last member in it */
    strcpy(db, kept);
    s = open_store();
    assert_int_equal(admitted(s), 2);
    s->ops->close(s);
}

/* Nothing there yet: a new server. */
static void onto_an_empty_place(void **state)
{
    struct ov_store *s = open_store();
    (void)state;
    put_net(s, NET, "dorm", 1);
    make();
    s->ops->close(s);
    assert_int_equal(unlink(db), 0);
    restore();
    assert_string_equal(kept, "");
    s = open_store();
    s->ops->close(s);
}

/* The daemon was killed: what it acknowledged stands in the log still, and is kept with the rest.
 */
static void the_log_is_kept_too(void **state)
{
    struct ov_store *s = open_store();
    int status;
    (void)state;
    put_net(s, NET, "dorm", 1);
    make();
    s->ops->close(s);
    pid_t child = fork();
    if (child == 0) {
        s = open_store();
        for (unsigned i = 0; i < 10; i++)
            if (put_member(s, i) != OV_OK)
                _exit(1);
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_true(tempdir_mode(dir, DB "-wal") != 0);
    restore();
    assert_int_equal(tempdir_mode(dir, DB "-wal"), 0); /* a foreign log would spoil the new one */
    s = open_store();
    assert_int_equal(admitted(s), 0);
    s->ops->close(s);
    strcpy(db, kept);
    s = open_store();
    assert_int_equal(admitted(s), 10);
    s->ops->close(s);
}

static void refused(int want, const char *says)
{
    char before[64] = "", after[64] = "";
    int fd = open(db, O_RDONLY);
    assert_int_equal(read(fd, before, sizeof before), sizeof before);
    close(fd);
    size_t files = tempdir_count(dir, "");
    assert_int_equal(check(&owner), want);
    assert_int_equal(try_restore(NOW), want);
    if (!strstr(error, says))
        fail_msg("\"%s\" is not in: %s", says, error);
    assert_string_equal(kept, "");
    assert_int_equal(tempdir_count(dir, ""), files);
    fd = open(db, O_RDONLY);
    assert_int_equal(read(fd, after, sizeof after), sizeof after);
    close(fd);
    assert_memory_equal(before, after, sizeof before);
}

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *h;
    assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
    assert_int_equal(sqlite3_exec(h, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(h), SQLITE_OK);
}

/* The copy with another content, by who has the key. */
static void reseal(const struct ov_identity_secret *by, const char *sql)
{
    char bytes[1 << 18];
    uint8_t seal[OV_BACKUP_SEAL_LEN];
    ssize_t len = tempdir_read(dir, "copy", bytes, sizeof bytes);
    assert_true(len > OV_BACKUP_SEAL_LEN);
    tempdir_write(dir, "copy", bytes, (size_t)len - OV_BACKUP_SEAL_LEN);
    run_sql(file, sql);
    len = tempdir_read(dir, "copy", bytes, sizeof bytes - sizeof seal);
    ov_backup_seal(by, NOW, bytes, (size_t)len, seal);
    memcpy(bytes + len, seal, sizeof seal);
    tempdir_write(dir, "copy", bytes, (size_t)len + sizeof seal);
}

static void what_is_not_right_is_refused(void **state)
{
    struct ov_store *s = open_store();
    char bytes[1 << 18];
    (void)state;
    put_net(s, NET, "dorm", 1);
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(put_member(s, i), OV_OK);
    s->ops->close(s);

    tempdir_write(dir, "copy", "", 0);
    refused(OV_EIO, "no backup");
    memset(bytes, 'x', sizeof bytes);
    tempdir_write(dir, "copy", bytes, 5000);
    refused(OV_EIO, "no backup");
    assert_int_equal(unlink(file), 0);
    assert_int_equal(mkdir(file, 0700), 0);
    refused(OV_EIO, "no backup");
    assert_int_equal(rmdir(file), 0);

    /* the database itself, copied by hand, may be half of one, and anybody's */
    ssize_t len = tempdir_read(dir, DB, bytes, sizeof bytes);
    tempdir_write(dir, "copy", bytes, (size_t)len);
    refused(OV_EIO, "is not whole, or an ovpn made it that did not sign");

    make();
    assert_int_equal(check(&stranger), OV_EPERM);
    assert_non_null(strstr(error, ov_addr_format(owner.pub.addr, bytes)));
    reseal(&owner, "VACUUM");
    assert_int_equal(check(&owner), OV_OK);
    reseal(&owner, "PRAGMA user_version = 99");
    refused(OV_EVERSION, "newer");
    make();
    reseal(&owner, "PRAGMA foreign_keys = 0; DELETE FROM network");
    refused(OV_EIO, "damaged");
    make();
    reseal(&owner, "PRAGMA application_id = 5");
    refused(OV_EIO, "not a controller database");
}

/* Who may write to where the copy lies, and has not the key. */
static void a_changed_copy_is_refused(void **state)
{
    struct ov_store *s = open_store();
    char bytes[1 << 18];
    (void)state;
    put_net(s, NET, "dorm", 1);
    assert_int_equal(put_member(s, 1), OV_OK);
    s->ops->close(s);
    make();
    run_sql(file, "UPDATE member SET name = 'mallory'"); /* it is a database for SQLite, too */
    refused(OV_EIO, "changed");
    make();
    reseal(&stranger, "UPDATE member SET name = 'mallory'");
    refused(OV_EPERM, "is of the controller");
    /* with the owner's name on it, the seal is still another's */
    make();
    ssize_t len = tempdir_read(dir, "copy", bytes, sizeof bytes);
    uint8_t seal[OV_BACKUP_SEAL_LEN];
    size_t plain = (size_t)len - sizeof seal;
    struct ov_identity_secret forger = stranger;
    forger.pub = owner.pub;
    ov_backup_seal(&forger, NOW, bytes, plain, seal);
    memcpy(bytes + plain, seal, sizeof seal);
    tempdir_write(dir, "copy", bytes, (size_t)len);
    refused(OV_EIO, "changed");
    /* and when it was made is part of it */
    make();
    len = tempdir_read(dir, "copy", bytes, sizeof bytes);
    bytes[len - 64 - 1] ^= 1;
    tempdir_write(dir, "copy", bytes, (size_t)len);
    refused(OV_EIO, "changed");
}

/* Each page overwritten, and every length cut off, is noticed. */
static void damage_is_noticed(void **state)
{
    struct ov_store *s = open_store();
    char whole[1 << 18], bad[1 << 18];
    (void)state;
    put_net(s, NET, "dorm", 1);
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(put_member(s, i), OV_OK);
    make();
    s->ops->close(s);
    ssize_t len = tempdir_read(dir, "copy", whole, sizeof whole);
    assert_in_range(len, 20000, sizeof whole - 2);
    for (ssize_t at = 0; at < len; at += 4096) {
        memcpy(bad, whole, (size_t)len);
        memset(bad + at, 0xa5, 512);
        tempdir_write(dir, "copy", bad, (size_t)len);
        assert_int_not_equal(check(&owner), OV_OK);
        tempdir_write(dir, "copy", whole, (size_t)at);
        assert_int_not_equal(check(&owner), OV_OK);
    }
}

/* A writer that never rests, and copies meanwhile: each is whole, has all that was acknowledged
 * before it began, and the writer is never refused. */
static void under_load(void **state)
{
    struct ov_store *s = open_store();
    int acks[2], stop[2], status;
    unsigned done = 0, i;
    (void)state;
    put_net(s, NET, "dorm", 1);
    s->ops->close(s);
    assert_int_equal(pipe(acks) + pipe(stop), 0);
    pid_t child = fork();
    if (child == 0) {
        close(stop[1]);
        fcntl(stop[0], F_SETFL, O_NONBLOCK);
        s = open_store();
        char c;
        for (i = 0; read(stop[0], &c, 1) != 0; i++)
            if (put_member(s, i) != OV_OK || write(acks[1], &i, sizeof i) != sizeof i)
                _exit(1);
        s->ops->close(s);
        _exit(0);
    }
    close(acks[1]);
    close(stop[0]);
    fcntl(acks[0], F_SETFL, O_NONBLOCK);
    for (int round = 0; round < 20; round++) {
        unsigned before = done;
        while (done == before) /* there is progress between any two copies */
            while (read(acks[0], &i, sizeof i) == sizeof i)
                done = i + 1;
        make();
        assert_true(info.members >= done);
        assert_int_equal(check(&owner), OV_OK);
    }
    close(stop[1]);
    fcntl(acks[0], F_SETFL, 0);
    while (read(acks[0], &i, sizeof i) == sizeof i)
        done = i + 1;
    close(acks[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    s = open_store();
    assert_true(admitted(s) >= done);
    s->ops->close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(there_and_back, setup, teardown),
        cmocka_unit_test_setup_teardown(onto_an_empty_place, setup, teardown),
        cmocka_unit_test_setup_teardown(the_log_is_kept_too, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_right_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(damage_is_noticed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_changed_copy_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(under_load, setup, teardown),
    };
    return cmocka_run_group_tests_name("store_backup", tests, NULL, NULL);
}
