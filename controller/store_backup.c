#include "store_backup.h"

#include "newname.h"
#include "store_sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Theory of operation. VACUUM INTO writes a whole, compact database from one read transaction, so
 * nothing of a half-done change and no page that was deleted is in it. It goes into an empty 0600
 * file beside the target, is marked, closed, synced, and only then gets its name. Restoring is the
 * same the other way round, with the database that was there linked to another name first: at every
 * instant `db` is the old one or the new one. */

#define BUSY_MS   10000
#define NO_BACKUP "%.120s is no backup: ovpn controller backup makes one"
/* So much are revisions ahead of a copy's: more changes than anybody makes between two copies. */
#define REVISIONS_AHEAD (1 << 20)
#define PATH_SIZE       1100

/* `err` and its sentence from errno. */
static int fail(char error[256], const char *doing, const char *path)
{
    int err = errno == ENOENT ? OV_ENOENT : errno == EEXIST ? OV_EEXIST : OV_EIO;
    snprintf(error, 256, "cannot %s %.150s: %s", doing, path, strerror(errno));
    return err;
}

static int explain(sqlite3 *db, int rc, const char *path, char error[256])
{
    ov_sqlite_explain(rc, path, db != NULL ? sqlite3_errmsg(db) : "", error);
    return OV_EIO;
}

/* Open one that is there. Close with sqlite3_close(), also after an error. */
static int open_db(const char *path, int flags, sqlite3 **db, char error[256])
{
    struct stat st;
    *db = NULL;
    if (stat(path, &st) != 0)
        return fail(error, "open", path);
    if (!S_ISREG(st.st_mode)) {
        snprintf(error, 256, "%.200s is not a file", path);
        return OV_EIO;
    }
    int rc = sqlite3_open_v2(path, db, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK)
        return explain(*db, rc, path, error);
    sqlite3_extended_result_codes(*db, 1);
    sqlite3_busy_timeout(*db, BUSY_MS);
    sqlite3_db_config(*db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(*db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_int64 app = 0;
    if (ov_sqlite_check_owner(*db, path, ov_sqlite_version, error) == OV_EVERSION)
        return OV_EVERSION;
    rc = ov_sqlite_number(*db, "PRAGMA application_id", &app);
    if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_NOTADB)
        return explain(*db, rc, path, error);
    if (app == OV_SQLITE_APPLICATION_ID)
        return OV_OK;
    snprintf(error, 256,
             "%.150s is not a controller database; \"ovpn controller backup FILE\" makes one",
             path);
    return OV_EIO;
}

/* A file of ours beside `path`, empty and 0600, and of the directory's owner: the daemon may be
 * another user than root, who restores. `tmp` gets its name. */
static int make_beside(const char *path, char tmp[PATH_SIZE], char error[256])
{
    char copy[PATH_SIZE];
    struct stat st;
    if (snprintf(tmp, PATH_SIZE, "%s.XXXXXX", path) >= PATH_SIZE) {
        snprintf(error, 256, "the path %.100s... is too long", path);
        return OV_EIO;
    }
    int fd = mkstemp(tmp);
    if (fd < 0) {
        int err = fail(error, "make a file beside", path);
        *tmp = '\0';
        return err;
    }
    snprintf(copy, sizeof copy, "%s", path);
    if (geteuid() == 0 && stat(dirname(copy), &st) == 0 && st.st_uid != 0)
        (void)!fchown(fd, st.st_uid, st.st_gid);
    close(fd);
    return OV_OK;
}

/* Copy the database at `from` into the empty file `to`. */
static int copy_db(const char *from, const char *to, char error[256])
{
    sqlite3 *db;
    sqlite3_stmt *st = NULL;
    int err = open_db(from, SQLITE_OPEN_READWRITE, &db, error);
    if (err == OV_OK) {
        int rc = sqlite3_prepare_v2(db, "VACUUM INTO ?1", -1, &st, NULL);
        if (rc == SQLITE_OK)
            rc = sqlite3_bind_text(st, 1, to, -1, SQLITE_STATIC);
        if (rc == SQLITE_OK)
            rc = sqlite3_step(st);
        if (rc != SQLITE_DONE)
            err = explain(db, rc, rc == SQLITE_FULL ? to : from, error);
        sqlite3_finalize(st);
    }
    sqlite3_close(db);
    return err;
}

/* Run statements on the copy `path`, which nobody else has; the rollback journal goes with them. */
static int change(const char *path, const char *sql, char error[256])
{
    sqlite3 *db;
    int err = open_db(path, SQLITE_OPEN_READWRITE, &db, error);
    if (err == OV_OK) {
        int rc = sqlite3_exec(db, "PRAGMA journal_mode = MEMORY", NULL, NULL, NULL);
        if (rc == SQLITE_OK)
            rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
        if (rc != SQLITE_OK)
            err = explain(db, rc, path, error);
    }
    sqlite3_close(db);
    return err;
}

static int sync_path(const char *path, int flags, char error[256])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | flags);
    int err = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL) ? OV_OK : fail(error, "write", path);
    if (fd >= 0)
        close(fd);
    return err;
}

/* Give `tmp` its name, on the disk. */
static int give_name(const char *tmp, const char *path, bool replace, char error[256])
{
    char copy[PATH_SIZE];
    int err = sync_path(tmp, 0, error);
    if (err != OV_OK)
        return err;
    if (replace ? rename(tmp, path) != 0 : !ov_newname(tmp, path))
        return fail(error, "write", path);
    snprintf(copy, sizeof copy, "%s", path);
    return sync_path(dirname(copy), O_DIRECTORY, error);
}

/* ---- making ---- */

static int count(sqlite3 *db, const char *sql, const char *path, uint64_t *out, char error[256])
{
    sqlite3_int64 n = 0;
    int rc = ov_sqlite_number(db, sql, &n);
    if (rc != SQLITE_OK)
        return explain(db, rc, path, error);
    *out = (uint64_t)n;
    return OV_OK;
}

static int count_all(sqlite3 *db, const char *path, struct ov_store_backup *out, char error[256])
{
    int err = count(db, "SELECT count(*) FROM network", path, &out->networks, error);
    if (err == OV_OK)
        err = count(db, "SELECT count(*) FROM member WHERE state = 1", path, &out->members, error);
    return err;
}

/* Whose copy it is, and of when. */
static int mark(const char *path, const struct ov_identity *owner, ov_wall now,
                struct ov_store_backup *out, char error[256])
{
    char sql[512], id[OV_IDENTITY_TEXT];
    sqlite3 *db;
    snprintf(sql, sizeof sql,
             "CREATE TABLE backup (controller TEXT NOT NULL, made INTEGER NOT NULL) STRICT;"
             "INSERT INTO backup VALUES ('%s', %llu);",
             ov_identity_format(owner, id), (unsigned long long)now);
    int err = change(path, sql, error);
    if (err != OV_OK)
        return err;
    err = open_db(path, SQLITE_OPEN_READONLY, &db, error);
    if (err == OV_OK)
        err = count_all(db, path, out, error);
    sqlite3_close(db);
    out->made = now;
    return err;
}

int ov_store_backup_make(const char *db, const char *to, bool replace,
                         const struct ov_identity *owner, ov_wall now, struct ov_store_backup *out,
                         char error[256])
{
    char tmp[PATH_SIZE];
    if (!replace && access(to, F_OK) == 0) {
        errno = EEXIST;
        return fail(error, "write", to);
    }
    int err = make_beside(to, tmp, error);
    if (err == OV_OK)
        err = copy_db(db, tmp, error);
    if (err == OV_OK)
        err = mark(tmp, owner, now, out, error);
    if (err == OV_OK)
        err = give_name(tmp, to, replace, error);
    if (err != OV_OK && *tmp)
        unlink(tmp);
    return err;
}

/* ---- checking ---- */

/* The mark of the copy. A database without one is a controller's own, not a copy of one. */
static int check_mark(sqlite3 *db, const char *path, const struct ov_identity *owner,
                      struct ov_store_backup *out, char error[256])
{
    sqlite3_stmt *st = NULL;
    char id[OV_IDENTITY_TEXT], mine[OV_ADDR_TEXT];
    int err = OV_EIO;
    ov_identity_format(owner, id);
    if (sqlite3_prepare_v2(db, "SELECT controller, made FROM backup", -1, &st, NULL) != SQLITE_OK ||
        sqlite3_step(st) != SQLITE_ROW || sqlite3_column_text(st, 0) == NULL) {
        snprintf(error, 256, NO_BACKUP, path);
    } else if (strcmp((const char *)sqlite3_column_text(st, 0), id) != 0) {
        snprintf(error, 256,
                 "%.90s is of the controller %.10s, and this is %s: put that one's identity back "
                 "first, with ovpn id import",
                 path, (const char *)sqlite3_column_text(st, 0), ov_addr_format(owner->addr, mine));
        err = OV_EPERM;
    } else {
        out->made = (ov_wall)sqlite3_column_int64(st, 1);
        err = OV_OK;
    }
    sqlite3_finalize(st);
    return err;
}

/* A database in use, with a log beside it, which a copy by hand may lack. Told before SQLite opens
 * it, which would make a log. */
static bool has_log(const char *path)
{
    unsigned char head[20] = {0}; /* of the file format: 18 and 19 tell the kind of journal */
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool found = fd >= 0 && read(fd, head, sizeof head) == sizeof head &&
                 memcmp(head, "SQLite format 3", 16) == 0 && head[19] == 2;
    if (fd >= 0)
        close(fd);
    return found;
}

int ov_store_backup_check(const char *file, const struct ov_identity *owner,
                          struct ov_store_backup *out, char error[256])
{
    sqlite3 *db;
    char got[64] = "";
    if (has_log(file)) {
        snprintf(error, 256, NO_BACKUP, file);
        return OV_EIO;
    }
    int err = open_db(file, SQLITE_OPEN_READONLY, &db, error);
    if (err == OV_OK) {
        int rc = ov_sqlite_expect(db, "PRAGMA integrity_check(1)", "ok", "ok", got);
        sqlite3_int64 orphan = 0;
        if (rc == SQLITE_OK)
            rc = ov_sqlite_number(db, "SELECT count(*) FROM pragma_foreign_key_check", &orphan);
        if (rc != SQLITE_OK || orphan != 0) {
            snprintf(error, 256, "%.100s is damaged (%.60s): take another backup", file,
                     *got     ? got
                     : orphan ? "a member of no network"
                              : sqlite3_errmsg(db));
            err = OV_EIO;
        }
    }
    if (err == OV_OK)
        err = check_mark(db, file, owner, out, error);
    if (err == OV_OK)
        err = count_all(db, file, out, error);
    sqlite3_close(db);
    return err;
}

/* ---- restoring ---- */

/* Make a database of its own of the copy, ahead of all that was signed since. */
static int revive(const char *path, ov_wall now, char error[256])
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "BEGIN; DROP TABLE backup;"
             "UPDATE network SET revision = revision + %d;"
             "UPDATE clock SET last = max(last, %llu), reserved = max(reserved, %llu);"
             "COMMIT;",
             REVISIONS_AHEAD, (unsigned long long)now, (unsigned long long)now);
    return change(path, sql, error);
}

/* Bring what stands in the log of `db` into it, so that it is one file; the last one to close does
 * that. A damaged one keeps its log, which is renamed with it. */
static void fold_log(const char *db)
{
    sqlite3 *old = NULL;
    if (sqlite3_open_v2(db, &old, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK)
        sqlite3_exec(old, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL);
    sqlite3_close(old);
}

/* `db` gets a second name, and its log, if there is one still, goes there. */
static int put_aside(const char *db, char kept[OV_STORE_KEPT_MAX], char error[256])
{
    char from[PATH_SIZE + 8], to[OV_STORE_KEPT_MAX + 8], stamp[32];
    struct tm tm;
    time_t now = time(NULL);
    *kept = '\0';
    if (access(db, F_OK) != 0)
        return errno == ENOENT ? OV_OK : fail(error, "read", db);
    fold_log(db);
    gmtime_r(&now, &tm);
    (void)strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &tm); /* it fits */
    snprintf(kept, OV_STORE_KEPT_MAX, "%s.old-%s", db, stamp);
    if (link(db, kept) != 0) {
        *kept = '\0';
        return fail(error, "put aside", db);
    }
    snprintf(from, sizeof from, "%s-wal", db);
    snprintf(to, sizeof to, "%s-wal", kept);
    if (rename(from, to) != 0 && errno != ENOENT)
        return fail(error, "put aside", from);
    snprintf(from, sizeof from, "%s-shm", db);
    (void)unlink(from); /* made anew from the log */
    return OV_OK;
}

int ov_store_backup_restore(const char *file, const char *db, const struct ov_identity *owner,
                            ov_wall now, struct ov_store_backup *out, char kept[OV_STORE_KEPT_MAX],
                            char error[256])
{
    char tmp[PATH_SIZE] = "";
    *kept = '\0';
    int err = ov_store_backup_check(file, owner, out, error);
    if (err == OV_OK)
        err = make_beside(db, tmp, error);
    if (err == OV_OK)
        err = copy_db(file, tmp, error);
    if (err == OV_OK)
        err = revive(tmp, now, error);
    if (err == OV_OK)
        err = put_aside(db, kept, error);
    if (err == OV_OK)
        err = give_name(tmp, db, true, error);
    if (err != OV_OK && *tmp)
        unlink(tmp);
    return err;
}
