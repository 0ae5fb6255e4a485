#include "store_backup.h"

#include "backup_seal.h"
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

/* Theory of operation. VACUUM INTO makes a whole, compact database from one read transaction, so
 * nothing of a half-done change and no page that was deleted is in it. It goes into memory, where
 * nobody else has it, and from there in one piece into the file, with a signature behind it. What
 * is to be restored is read into memory as well, and SQLite sees it when the signature is right,
 * and never a journal or log that somebody has put beside the file. The database in its place is
 * linked to another name before the new one gets it: at every instant `db` is the old one or the
 * new one. */

#define BUSY_MS   10000
#define COPY      "file:/copy?vfs=memdb"
#define MAX_LEN   (1 << 30) /* SQLite's own limit of a database in memory */
#define NO_BACKUP "%.120s is no backup: ovpn controller backup makes one"
#define UNSIGNED                                                                                   \
    "%.90s is not whole, or an ovpn made it that did not sign backups yet: if you trust it, copy " \
    "it to controller.db in the state directory while the daemon does not run"
/* So much are revisions ahead of a copy's: more changes than anybody makes between two copies. */
#define REVISIONS_AHEAD (1 << 20)
#define PATH_SIZE       1100

/* A database as bytes. Free with sqlite3_free(). */
struct image {
    unsigned char *bytes;
    size_t len;
};

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

/* Is this a controller's database, and one that we know? */
static int set_up(sqlite3 *db, const char *path, char error[256])
{
    sqlite3_int64 app = 0;
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, BUSY_MS);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    if (ov_sqlite_check_owner(db, path, ov_sqlite_version, error) == OV_EVERSION)
        return OV_EVERSION;
    int rc = ov_sqlite_number(db, "PRAGMA application_id", &app);
    if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_NOTADB)
        return explain(db, rc, path, error);
    if (app == OV_SQLITE_APPLICATION_ID)
        return OV_OK;
    snprintf(error, 256, "%.200s is not a controller database", path);
    return OV_EIO;
}

/* Open one that is there. Close with sqlite3_close(), also after an error. */
static int open_db(const char *path, sqlite3 **db, char error[256])
{
    char name[PATH_SIZE + 2]; /* never a URI: those begin with "file:" */
    struct stat st;
    *db = NULL;
    if (stat(path, &st) != 0)
        return fail(error, "open", path);
    if (!S_ISREG(st.st_mode)) {
        snprintf(error, 256, "%.200s is not a file", path);
        return OV_EIO;
    }
    if (snprintf(name, sizeof name, "%s%s", *path == '/' ? "" : "./", path) >= (int)sizeof name) {
        snprintf(error, 256, "the path %.100s... is too long", path);
        return OV_EIO;
    }
    int rc = sqlite3_open_v2(name, db,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
    return rc == SQLITE_OK ? set_up(*db, path, error) : explain(*db, rc, path, error);
}

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

static bool write_all(int fd, const void *data, size_t len)
{
    for (const unsigned char *p = data; len > 0;) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        }
    }
    return true;
}

static int take_image(sqlite3 *db, const char *path, struct image *out, char error[256])
{
    sqlite3_int64 len = 0;
    out->bytes = sqlite3_serialize(db, "main", &len, 0);
    out->len = (size_t)len;
    if (out->bytes != NULL)
        return OV_OK;
    snprintf(error, 256, "not enough memory for a copy of %.150s", path);
    return OV_ENOMEM;
}

/* ---- making ---- */

/* Copy the database at `path` to one in memory. */
static int copy_db(const char *path, sqlite3 **copy, char error[256])
{
    sqlite3 *db = NULL;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX;
    int rc = sqlite3_open_v2(COPY, copy, flags, NULL);
    if (rc != SQLITE_OK)
        return explain(*copy, rc, COPY, error);
    int err = open_db(path, &db, error);
    if (err == OV_OK &&
        (rc = sqlite3_exec(db, "VACUUM INTO '" COPY "'", NULL, NULL, NULL)) != SQLITE_OK)
        err = explain(db, rc, path, error);
    if (err == OV_EIO && rc == SQLITE_FULL)
        snprintf(error, 256, "%.150s is too large to be copied", path);
    sqlite3_close(db);
    return err;
}

int ov_store_backup_make(const char *db, int out, const struct ov_identity_secret *owner,
                         ov_wall now, struct ov_store_backup *info, char error[256])
{
    uint8_t seal[OV_BACKUP_SEAL_LEN];
    struct image image = {0};
    sqlite3 *copy = NULL;
    int err = copy_db(db, &copy, error);
    if (err == OV_OK)
        err = count_all(copy, db, info, error);
    if (err == OV_OK)
        err = take_image(copy, db, &image, error);
    sqlite3_close(copy);
    if (err == OV_OK) {
        info->made = now;
        ov_backup_seal(owner, now, image.bytes, image.len, seal);
        if (!write_all(out, image.bytes, image.len) || !write_all(out, seal, sizeof seal))
            err = fail(error, "write", "the copy");
    }
    sqlite3_free(image.bytes);
    return err;
}

/* ---- checking ---- */

static int read_all(int fd, const char *name, struct image *out, char error[256])
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return fail(error, "read", name);
    if (!S_ISREG(st.st_mode) || st.st_size > MAX_LEN) {
        snprintf(error, 256, NO_BACKUP, name);
        return OV_EIO;
    }
    out->bytes = sqlite3_malloc64((sqlite3_uint64)st.st_size + 1);
    if (out->bytes == NULL) {
        snprintf(error, 256, "not enough memory to read %.150s", name);
        return OV_ENOMEM;
    }
    while (out->len < (size_t)st.st_size) {
        ssize_t n =
            pread(fd, out->bytes + out->len, (size_t)st.st_size - out->len, (off_t)out->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(error, "read", name);
        if (n == 0)
            break;
        out->len += (size_t)n;
    }
    return OV_OK;
}

static bool is_database(const struct image *file)
{
    static const char MAGIC[16] = "SQLite format 3";
    return file->len > sizeof MAGIC && memcmp(file->bytes, MAGIC, sizeof MAGIC) == 0;
}

/* Cut the seal off, if it is right. */
static int unseal(struct image *file, const char *name, const struct ov_identity *owner,
                  ov_wall *made, char error[256])
{
    char theirs[OV_ADDR_TEXT], mine[OV_ADDR_TEXT];
    ov_addr by = 0;
    switch (ov_backup_unseal(file->bytes, file->len, owner, &file->len, made, &by)) {
    case OV_OK:
        return OV_OK;
    case OV_EINVAL:
        snprintf(error, 256, is_database(file) ? UNSIGNED : NO_BACKUP, name);
        return OV_EIO;
    case OV_EPERM:
        snprintf(error, 256,
                 "%.90s is of the controller %s, and this is %s: put that one's identity back "
                 "first, with ovpn id import",
                 name, ov_addr_format(by, theirs), ov_addr_format(owner->addr, mine));
        return OV_EPERM;
    default:
        snprintf(error, 256, "%.120s is damaged, or somebody changed it: take another backup",
                 name);
        return OV_EIO;
    }
}

/* Read every page and index. The seal tells what was damaged later, not what was copied so. */
static int check_whole(sqlite3 *db, const char *name, char error[256])
{
    char got[64] = "";
    sqlite3_int64 orphan = 0;
    int rc = ov_sqlite_expect(db, "PRAGMA integrity_check(1)", "ok", "ok", got);
    if (rc == SQLITE_OK)
        rc = ov_sqlite_number(db, "SELECT count(*) FROM pragma_foreign_key_check", &orphan);
    if (rc == SQLITE_OK && orphan == 0)
        return OV_OK;
    snprintf(error, 256, "%.100s is damaged (%.60s): take another backup", name,
             *got     ? got
             : orphan ? "a member of no network"
                      : sqlite3_errmsg(db));
    return OV_EIO;
}

/* Check all, and open it in memory. Close with sqlite3_close(), also after an error. */
static int open_copy(int file, const char *name, const struct ov_identity *owner, sqlite3 **db,
                     struct ov_store_backup *out, char error[256])
{
    struct image image = {0};
    *db = NULL;
    int err = read_all(file, name, &image, error);
    if (err == OV_OK)
        err = unseal(&image, name, owner, &out->made, error);
    if (err != OV_OK) {
        sqlite3_free(image.bytes);
        return err;
    }
    int rc = sqlite3_open_v2(":memory:", db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK)
        sqlite3_free(image.bytes);
    else /* which takes the bytes over */
        rc = sqlite3_deserialize(*db, "main", image.bytes, (sqlite3_int64)image.len,
                                 (sqlite3_int64)image.len,
                                 SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE);
    if (rc != SQLITE_OK)
        return explain(*db, rc, name, error);
    err = set_up(*db, name, error);
    if (err == OV_OK)
        err = check_whole(*db, name, error);
    return err == OV_OK ? count_all(*db, name, out, error) : err;
}

int ov_store_backup_check(int file, const char *name, const struct ov_identity *owner,
                          struct ov_store_backup *out, char error[256])
{
    sqlite3 *db;
    int err = open_copy(file, name, owner, &db, out, error);
    sqlite3_close(db);
    return err;
}

/* ---- restoring ---- */

/* Put the copy ahead of all that was signed since. */
static int revive(sqlite3 *db, const char *name, ov_wall now, char error[256])
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "BEGIN;"
             "UPDATE network SET revision = revision + %d;"
             "UPDATE clock SET last = max(last, %llu), reserved = max(reserved, %llu);"
             "COMMIT;",
             REVISIONS_AHEAD, (unsigned long long)now, (unsigned long long)now);
    int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? OV_OK : explain(db, rc, name, error);
}

/* Write it to a new file beside `path`, 0600 and on the disk. `tmp` gets its name. */
static int write_beside(const char *path, const struct image *image, char tmp[PATH_SIZE],
                        char error[256])
{
    if (snprintf(tmp, PATH_SIZE, "%s.XXXXXX", path) >= PATH_SIZE) {
        *tmp = '\0';
        snprintf(error, 256, "the path %.100s... is too long", path);
        return OV_EIO;
    }
    int fd = mkostemp(tmp, O_CLOEXEC), err = OV_OK;
    if (fd < 0) {
        err = fail(error, "make a file beside", path);
        *tmp = '\0';
        return err;
    }
    if (!write_all(fd, image->bytes, image->len) || fsync(fd) != 0)
        err = fail(error, "write", tmp);
    if (close(fd) != 0 && err == OV_OK)
        err = fail(error, "write", tmp);
    return err;
}

/* Give `tmp` its name, on the disk. */
static int give_name(const char *tmp, const char *path, char error[256])
{
    char copy[PATH_SIZE];
    if (rename(tmp, path) != 0)
        return fail(error, "write", path);
    snprintf(copy, sizeof copy, "%s", path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL) ? OV_OK : fail(error, "write", path);
    if (fd >= 0)
        close(fd);
    return err;
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

int ov_store_backup_restore(int file, const char *name, const char *db,
                            const struct ov_identity *owner, ov_wall now,
                            struct ov_store_backup *out, char kept[OV_STORE_KEPT_MAX],
                            char error[256])
{
    char tmp[PATH_SIZE] = "";
    struct image image = {0};
    sqlite3 *copy;
    *kept = '\0';
    int err = open_copy(file, name, owner, &copy, out, error);
    if (err == OV_OK)
        err = revive(copy, name, now, error);
    if (err == OV_OK)
        err = take_image(copy, name, &image, error);
    sqlite3_close(copy);
    if (err == OV_OK)
        err = write_beside(db, &image, tmp, error);
    sqlite3_free(image.bytes);
    if (err == OV_OK)
        err = put_aside(db, kept, error);
    if (err == OV_OK)
        err = give_name(tmp, db, error);
    if (err != OV_OK && *tmp)
        unlink(tmp);
    return err;
}
