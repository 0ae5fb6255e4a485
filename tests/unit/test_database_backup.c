/* A controller's database saved and put back by root, from and to a directory of the daemon's,
 * which may be an enemy by then: it can plant there what makes SQLite, or a careless program,
 * change files of the system. */
#include "cli/database_backup.h"

#include "cli/identity_file.h"
#include "controller/store_sqlite.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "tempdir.h"

#define NOW 1700000000000ull
#define UID 65534
#define GID 65533

static const struct ov_pow easy = {.mem_kib = 8, .bits = 1};
static char dir[TEMPDIR_MAX], roots[TEMPDIR_MAX], copy[TEMPDIR_MAX + 16], victim[TEMPDIR_MAX + 16];
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
    snprintf(victim, sizeof victim, "%s/victim", roots);
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
    assert_int_equal(ov_database_save(&at, copy, false, NOW, &got, why), OV_EIO);
    assert_non_null(strstr(why, "directory"));
    assert_non_null(strstr(why, "/no/"));
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

/* ---- an enemy in the daemon's place ---- */

static void need_root(void)
{
    if (geteuid() == 0)
        return;
    print_message("SKIPPED: whether root is misled is told to root only; run this as root\n");
    skip();
}

static int give_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return lchown(path, UID, GID);
}

static void give_away(void)
{
    assert_int_equal(nftw(dir, give_one, 16, FTW_PHYS), 0);
}

static void make_victim(void)
{
    tempdir_write(roots, "victim", "of the system\n", 14);
}

/* As it was, and root's. */
static void is_unharmed(void)
{
    struct stat st;
    char text[32];
    assert_int_equal(tempdir_read(roots, "victim", text, sizeof text), 14);
    assert_string_equal(text, "of the system\n");
    assert_int_equal(stat(victim, &st), 0);
    assert_int_equal(st.st_uid, 0);
    assert_int_equal(st.st_mode & 07777, 0600);
}

static size_t put_u32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
    return 4;
}

/* A hot journal of no pages, whose super-journal is the victim: who opens the database to write
 * rolls it back, and then removes what it takes for a super-journal that all are done with. */
static void plant_journal(void)
{
    static const uint8_t magic[8] = {0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7};
    uint8_t j[1024] = {0};
    char head[19], name[64];
    struct stat st;
    sqlite3 *db;
    assert_int_equal(sqlite3_open(at.path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(tempdir_read(dir, "controller.db", head, sizeof head), 18);
    uint32_t page = (uint32_t)(uint8_t)head[16] << 8 | (uint8_t)head[17], sum = 0;
    assert_int_equal(stat(at.path, &st), 0);
    memcpy(j, magic, sizeof magic);
    put_u32(j + 16, (uint32_t)st.st_size / page);
    put_u32(j + 20, 512);
    put_u32(j + 24, page);
    size_t len = 512, n = strlen(victim);
    len += put_u32(j + len, 0x40000000 / page + 1);
    memcpy(j + len, victim, n);
    for (size_t i = 0; i < n; i++)
        sum += (uint8_t)victim[i];
    len += n;
    len += put_u32(j + len, (uint32_t)n);
    len += put_u32(j + len, sum);
    memcpy(j + len, magic, sizeof magic);
    snprintf(name, sizeof name, "controller.db-journal");
    tempdir_write(dir, name, j, len + sizeof magic);
    give_away();
}

/* What this is about: root who just opens it. */
static void the_journal_is_hot(void)
{
    sqlite3 *db;
    make_victim();
    plant_journal();
    assert_int_equal(sqlite3_open_v2(at.path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    sqlite3_exec(db, "SELECT count(*) FROM network", NULL, NULL, NULL);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(access(victim, F_OK), -1);
}

static void a_planted_journal(void **state)
{
    struct stat st;
    (void)state;
    need_root();
    make_database();
    give_away();
    good(ov_database_save(&at, copy, false, NOW, &got, why)); /* it works for that user */
    assert_int_equal(got.info.networks, 1);
    assert_int_equal(stat(copy, &st), 0);
    assert_int_equal(st.st_uid, 0);
    the_journal_is_hot();

    make_victim();
    plant_journal();
    (void)!ov_database_save(&at, copy, true, NOW, &got, why);
    is_unharmed();
    plant_journal();
    (void)!ov_database_restore(&at, copy, NOW, &got, why);
    is_unharmed();
    assert_int_equal(unlink(at.path), 0);
    good(ov_database_restore(&at, copy, NOW, &got, why));
    assert_int_equal(stat(at.path, &st), 0);
    assert_int_equal(st.st_uid, UID);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void planted_links(void **state)
{
    static const char *const NAMES[] = {"lock", "controller.db", "controller.db-wal",
                                        "identity.secret", "identity.public"};
    char name[OV_PATH_MAX + 32];
    (void)state;
    need_root();
    make_database();
    good(ov_database_save(&at, copy, false, NOW, &got, why));
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        snprintf(name, sizeof name, "%s/%s", at.state, NAMES[i]);
        make_victim();
        give_away();
        unlink(name);
        assert_int_equal(symlink(victim, name), 0);
        (void)!ov_database_save(&at, copy, true, NOW, &got, why);
        (void)!ov_database_restore(&at, copy, NOW, &got, why);
        is_unharmed();
    }
}

/* ovpn id export, id check: root reads the secret, and makes it private. */
static void a_link_for_a_secret(void **state)
{
    struct ov_identity_secret id;
    struct stat st;
    char name[OV_PATH_MAX + 32];
    (void)state;
    snprintf(name, sizeof name, "%s/" OV_IDENTITY_SECRET_FILE, at.state);
    assert_int_equal(chmod(name, 0644), 0);
    good(ov_identity_file_load(at.state, &easy, &id, why));
    assert_int_equal(tempdir_mode(dir, OV_IDENTITY_SECRET_FILE), 0600);
    make_victim();
    assert_int_equal(chmod(victim, 0644) + unlink(name) + symlink(victim, name), 0);
    assert_int_equal(ov_identity_file_load(at.state, &easy, &id, why), OV_EPERM);
    assert_int_equal(unlink(name) + link(victim, name), 0);
    assert_int_equal(ov_identity_file_load(at.state, &easy, &id, why), OV_EPERM);
    assert_int_equal(stat(victim, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(there_and_back, setup, teardown),
        cmocka_unit_test_setup_teardown(never_over_another_file, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_missing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_planted_journal, setup, teardown),
        cmocka_unit_test_setup_teardown(planted_links, setup, teardown),
        cmocka_unit_test_setup_teardown(a_link_for_a_secret, setup, teardown),
    };
    return cmocka_run_group_tests_name("database_backup", tests, NULL, NULL);
}
