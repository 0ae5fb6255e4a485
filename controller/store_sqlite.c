#include "store_sqlite.h"

/* The embedded store: opening, migrating, and the plumbing that the files by subject stand on.
 *
 * Write-ahead log with synchronous=FULL: COMMIT returns after the log is on the disk, so what a
 * call acknowledged survives power loss; a transaction cut off anywhere is not there at the next
 * open. The log and its index get the mode of the database file, which is made 0600 before SQLite
 * sees it. */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_BUSY_MS 2000 /* another process may be recovering the log */
#define BUSY_MS      200  /* the daemon's loop waits meanwhile */

void ov_sqlite_explain(int rc, const char *path, const char *detail, char out[256])
{
    switch (rc & 0xff) {
    case SQLITE_FULL:
        snprintf(out, 256, "no space left for %.120s: free some space on that disk, then try again",
                 path);
        break;
    case SQLITE_NOTADB:
        snprintf(out, 256,
                 "%.120s is not a controller database: move it away to start anew, or "
                 "restore a backup",
                 path);
        break;
    case SQLITE_CORRUPT:
        snprintf(out, 256, "%.100s is damaged (%.60s): restore a backup (it is left as it is)",
                 path, detail);
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        snprintf(out, 256, "%.120s is in use by another program: stop that, then try again", path);
        break;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        snprintf(out, 256, "%.120s cannot be written: check its owner, mode and file system", path);
        break;
    case SQLITE_CANTOPEN:
        snprintf(out, 256, "cannot open %.120s: check that its directory exists and may be written",
                 path);
        break;
    case SQLITE_IOERR:
        snprintf(out, 256, "cannot read or write %.120s (%.50s): check the disk and its free space",
                 path, detail);
        break;
    default:
        snprintf(out, 256, "database %.120s: %.100s", path, detail);
    }
}

int ov_sqlite_fail(struct ov_sqlite *q, int rc)
{
    int ext = sqlite3_extended_errcode(q->db);
    if (ext == SQLITE_CONSTRAINT_FOREIGNKEY) {
        snprintf(q->base.error, sizeof q->base.error, "no such network or member");
        return OV_ENOENT;
    }
    if (ext == SQLITE_CONSTRAINT_UNIQUE || ext == SQLITE_CONSTRAINT_PRIMARYKEY) {
        snprintf(q->base.error, sizeof q->base.error, "is there already");
        return OV_EEXIST;
    }
    ov_sqlite_explain(rc, q->path, sqlite3_errmsg(q->db), q->base.error);
    return OV_EIO;
}

sqlite3_stmt *ov_sqlite_stmt(struct ov_sqlite *q, enum ov_sqlite_sql which)
{
    if (q->stmts[which] == NULL) {
        int rc = sqlite3_prepare_v3(q->db, ov_sqlite_sql[which], -1, SQLITE_PREPARE_PERSISTENT,
                                    &q->stmts[which], NULL);
        if (rc != SQLITE_OK) {
            ov_sqlite_explain(rc, q->path, sqlite3_errmsg(q->db), q->base.error);
            return NULL;
        }
    }
    return q->stmts[which];
}

void ov_sqlite_reset(sqlite3_stmt *st)
{
    sqlite3_reset(st); /* repeats the error of the last step, which was handled there */
    sqlite3_clear_bindings(st);
}

int ov_sqlite_run(struct ov_sqlite *q, sqlite3_stmt *st)
{
    int rc = sqlite3_step(st);
    int r = rc == SQLITE_DONE || rc == SQLITE_ROW ? OV_OK : ov_sqlite_fail(q, rc);
    ov_sqlite_reset(st);
    return r;
}

int ov_sqlite_row(struct ov_sqlite *q, sqlite3_stmt *st)
{
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        return OV_OK;
    return rc == SQLITE_DONE ? OV_ENOENT : ov_sqlite_fail(q, rc);
}

bool ov_sqlite_blob(sqlite3_stmt *st, int i, void *out, size_t len)
{
    const void *p = sqlite3_column_blob(st, i);
    bool good = p != NULL && (size_t)sqlite3_column_bytes(st, i) == len;
    if (good)
        memcpy(out, p, len);
    else
        memset(out, 0, len);
    return good;
}

int ov_sqlite_damaged(struct ov_sqlite *q, const char *what)
{
    ov_sqlite_explain(SQLITE_CORRUPT, q->path, what, q->base.error);
    return OV_EIO;
}

void ov_sqlite_text(sqlite3_stmt *st, int i, char *out, size_t cap)
{
    const unsigned char *t = sqlite3_column_text(st, i);
    snprintf(out, cap, "%s", t != NULL ? (const char *)t : "");
}

/* Open a transaction; the mode of commits can only be changed outside of one. */
static int begin(struct ov_sqlite *q, bool relaxed)
{
    if (q->relaxed != relaxed) {
        int rc = sqlite3_exec(q->db,
                              relaxed ? "PRAGMA synchronous = NORMAL" : "PRAGMA synchronous = FULL",
                              NULL, NULL, NULL);
        if (rc != SQLITE_OK)
            return ov_sqlite_fail(q, rc);
        q->relaxed = relaxed;
    }
    sqlite3_stmt *st = ov_sqlite_stmt(q, OV_SQL_BEGIN);
    return st == NULL ? OV_EIO : ov_sqlite_run(q, st);
}

int ov_sqlite_begin(struct ov_sqlite *q)
{
    return begin(q, false);
}

int ov_sqlite_begin_relaxed(struct ov_sqlite *q)
{
    return begin(q, true);
}

int ov_sqlite_end(struct ov_sqlite *q, int r)
{
    if (r == OV_OK) {
        sqlite3_stmt *st = ov_sqlite_stmt(q, OV_SQL_COMMIT);
        r = st == NULL ? OV_EIO : ov_sqlite_run(q, st);
    }
    /* After a full disk SQLite may have rolled back by itself already. */
    if (r != OV_OK && !sqlite3_get_autocommit(q->db)) {
        sqlite3_stmt *st = ov_sqlite_stmt(q, OV_SQL_ROLLBACK);
        if (st != NULL) {
            sqlite3_step(st);
            ov_sqlite_reset(st);
        }
    }
    return r;
}

/* ---- opening ---- */

/* Make the file ours and private before SQLite touches it. An existing one is not opened here:
 * closing that descriptor would drop the locks of another connection of this process. */
static int prepare_file(const char *path, char error[256])
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) {
        close(fd);
        char copy[4096];
        snprintf(copy, sizeof copy, "%s", path);
        int dir = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir >= 0) {
            int failed = fsync(dir);
            close(dir);
            if (failed != 0 && errno == EIO) {
                ov_sqlite_explain(SQLITE_IOERR, path, strerror(EIO), error);
                return OV_EIO;
            }
        }
        return OV_OK;
    }
    if (errno == EEXIST) {
        struct stat st;
        if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
            snprintf(error, 256, "%.150s is not a file: name another place for the database", path);
            return OV_EIO;
        }
        static const char *const suffixes[] = {"", "-wal", "-shm"};
        for (size_t i = 0; i < 3; i++) {
            char name[4096];
            snprintf(name, sizeof name, "%s%s", path, suffixes[i]);
            if (stat(name, &st) == 0 && (st.st_mode & 077) != 0 && chmod(name, 0600) != 0) {
                snprintf(error, 256,
                         "%.150s is readable by others and is not ours to change: "
                         "chown it to the user of this daemon",
                         name);
                return OV_EIO;
            }
        }
        return OV_OK;
    }
    if (errno == ENOSPC || errno == EDQUOT)
        ov_sqlite_explain(SQLITE_FULL, path, "", error);
    else if (errno == ENOENT)
        snprintf(error, 256, "cannot make %.150s: its directory does not exist, create it", path);
    else
        snprintf(error, 256, "cannot make %.120s: %s; check the owner and mode of its directory",
                 path, strerror(errno));
    return OV_EIO;
}

int ov_sqlite_number(sqlite3 *db, const char *sql, sqlite3_int64 *out)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(st);
        if (rc == SQLITE_ROW) {
            *out = sqlite3_column_int64(st, 0);
            rc = SQLITE_OK;
        }
    }
    sqlite3_finalize(st);
    return rc;
}

int ov_sqlite_expect(sqlite3 *db, const char *sql, const char *a, const char *b, char got[64])
{
    sqlite3_stmt *st = NULL;
    got[0] = '\0';
    int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        ov_sqlite_text(st, 0, got, 64);
        rc = strcmp(got, a) == 0 || strcmp(got, b) == 0 ? SQLITE_OK : SQLITE_CORRUPT;
    }
    sqlite3_finalize(st);
    return rc;
}

int ov_sqlite_check_owner(sqlite3 *db, const char *path, int version, char error[256])
{
    sqlite3_int64 app = 0, have = 0, tables = 0;
    int rc = ov_sqlite_number(db, "PRAGMA application_id", &app);
    if (rc == SQLITE_OK)
        rc = ov_sqlite_number(db, "PRAGMA user_version", &have);
    if (rc == SQLITE_OK)
        rc = ov_sqlite_number(db, "SELECT count(*) FROM sqlite_schema", &tables);
    if (rc != SQLITE_OK) {
        ov_sqlite_explain(rc, path, sqlite3_errmsg(db), error);
        return OV_EIO;
    }
    if (app != OV_SQLITE_APPLICATION_ID && (app != 0 || have != 0 || tables != 0)) {
        snprintf(error, 256,
                 "%.120s is another program's database: name another place for the "
                 "controller's",
                 path);
        return OV_EIO;
    }
    if (have > version) {
        snprintf(error, 256,
                 "%.120s was made by a newer ovpn (schema %lld, this one knows %d): install that "
                 "version, or restore a backup",
                 path, (long long)have, version);
        return OV_EVERSION;
    }
    return OV_OK;
}

int ov_sqlite_migrate(sqlite3 *db, const char *path, const char *const *migrations, int n,
                      char error[256])
{
    int r = ov_sqlite_check_owner(db, path, n, error);
    if (r != OV_OK)
        return r;
    sqlite3_int64 have = 0;
    int rc = ov_sqlite_number(db, "PRAGMA user_version", &have);
    if (rc == SQLITE_OK && have == n)
        return OV_OK;
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = ov_sqlite_number(db, "PRAGMA user_version",
                              &have); /* nobody can move it from here on */
    for (int v = (int)have; rc == SQLITE_OK && v < n; v++)
        rc = sqlite3_exec(db, migrations[v], NULL, NULL, NULL);
    char stamp[96];
    snprintf(stamp, sizeof stamp, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
             OV_SQLITE_APPLICATION_ID, n);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, stamp, NULL, NULL, NULL);
    if (rc != SQLITE_OK) {
        ov_sqlite_explain(rc, path, sqlite3_errmsg(db), error);
        if (!sqlite3_get_autocommit(db))
            sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
        return OV_EIO;
    }
    return OV_OK;
}

/* Settings of the connection, checks, and the schema. */
static int set_up(sqlite3 *db, const char *path, char error[256])
{
    char got[64] = "";
    sqlite3_extended_result_codes(db, 1);
    sqlite3_busy_timeout(db, OPEN_BUSY_MS);
    sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
    if (sqlite3_db_readonly(db, "main") == 1) {
        ov_sqlite_explain(SQLITE_READONLY, path, "", error);
        return OV_EIO;
    }
    int r = ov_sqlite_check_owner(db, path, ov_sqlite_version, error);
    if (r != OV_OK)
        return r;
    int rc = ov_sqlite_expect(db, "PRAGMA quick_check(1)", "ok", "ok", got);
    if (rc == SQLITE_OK)
        rc = ov_sqlite_expect(db, "PRAGMA journal_mode = WAL", "wal", "memory", got);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, "PRAGMA synchronous = FULL", NULL, NULL, NULL);
    if (rc != SQLITE_OK) {
        ov_sqlite_explain(rc, path, got[0] != '\0' ? got : sqlite3_errmsg(db), error);
        return OV_EIO;
    }
    r = ov_sqlite_migrate(db, path, ov_sqlite_migrations, ov_sqlite_version, error);
    sqlite3_busy_timeout(db, BUSY_MS);
    return r;
}

static void store_close(struct ov_store *s)
{
    struct ov_sqlite *q = (struct ov_sqlite *)s;
    for (int i = 0; i < OV_SQL_COUNT; i++)
        sqlite3_finalize(q->stmts[i]);
    int rc = sqlite3_close(q->db);
    assert(rc == SQLITE_OK); /* every statement was finalized above */
    (void)rc;
    free(q);
}

static const struct ov_store_ops ops = {
    .close = store_close,
    .net_put = ov_sqlite_net_put,
    .net_get = ov_sqlite_net_get,
    .net_by_name = ov_sqlite_net_by_name,
    .net_delete = ov_sqlite_net_delete,
    .net_each = ov_sqlite_net_each,
    .member_put = ov_sqlite_member_put,
    .pending_put = ov_sqlite_pending_put,
    .member_get = ov_sqlite_member_get,
    .member_by_name = ov_sqlite_member_by_name,
    .member_delete = ov_sqlite_member_delete,
    .member_each = ov_sqlite_member_each,
    .member_seen = ov_sqlite_member_seen,
    .member_count = ov_sqlite_member_count,
    .address_taken = ov_sqlite_address_taken,
    .invite_put = ov_sqlite_invite_put,
    .invite_get = ov_sqlite_invite_get,
    .invite_each = ov_sqlite_invite_each,
    .invite_delete = ov_sqlite_invite_delete,
    .revocation_each = ov_sqlite_revocation_each,
    .clock_get = ov_sqlite_clock_get,
    .clock_put = ov_sqlite_clock_put,
};

int ov_store_sqlite_open(const char *path, struct ov_store **out, char error[256])
{
    *out = NULL;
    error[0] = '\0';
    if (strcmp(path, ":memory:") != 0) {
        int r = prepare_file(path, error);
        if (r != OV_OK)
            return r;
    }
    struct ov_sqlite *q = calloc(1, sizeof *q + strlen(path) + 1);
    if (q == NULL) {
        snprintf(error, 256, "out of memory");
        return OV_ENOMEM;
    }
    memcpy(q->path, path, strlen(path) + 1);
    q->base.ops = &ops;
    int r;
    int rc = sqlite3_open_v2(path, &q->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK) {
        ov_sqlite_explain(rc, path, q->db != NULL ? sqlite3_errmsg(q->db) : "", error);
        r = OV_EIO;
        goto out;
    }
    r = set_up(q->db, path, error);
out:
    if (r != OV_OK) {
        store_close(&q->base);
        return r;
    }
    *out = &q->base;
    return OV_OK;
}
