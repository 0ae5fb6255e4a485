/* store_sqlite: what the files of the SQLite store share. Nobody else includes it (but its tests).
 *
 * Statements are prepared once and kept by number. A use is: ov_sqlite_stmt(), bind, step, and
 * always ov_sqlite_reset(), so that no read transaction stays open behind a call. */
#ifndef OV_CONTROLLER_STORE_SQLITE_H
#define OV_CONTROLLER_STORE_SQLITE_H

#include "store.h"

#include <sqlite3.h>

#define OV_SQLITE_APPLICATION_ID 0x6f76706e /* "ovpn": tells our files from another program's */

enum ov_sqlite_sql {
    OV_SQL_BEGIN,
    OV_SQL_COMMIT,
    OV_SQL_ROLLBACK,
    OV_SQL_NET_PUT,
    OV_SQL_NET_GET,
    OV_SQL_NET_BY_NAME,
    OV_SQL_NET_DELETE,
    OV_SQL_NET_EACH,
    OV_SQL_MEMBER_PUT,
    OV_SQL_MEMBER_GET,
    OV_SQL_MEMBER_BY_NAME,
    OV_SQL_MEMBER_DELETE,
    OV_SQL_MEMBER_EACH,
    OV_SQL_MEMBER_SEEN,
    OV_SQL_MEMBER_COUNT,
    OV_SQL_PENDING_COUNT,
    OV_SQL_PENDING_TRIM,
    OV_SQL_ADDRESS_CLEAR,
    OV_SQL_ADDRESS_PUT,
    OV_SQL_ADDRESS_EACH,
    OV_SQL_ADDRESS_TAKEN,
    OV_SQL_INVITE_PUT,
    OV_SQL_INVITE_USE,
    OV_SQL_INVITE_GET,
    OV_SQL_INVITE_EACH,
    OV_SQL_INVITE_DELETE,
    OV_SQL_REVOCATION_PUT,
    OV_SQL_REVOCATION_PRUNE,
    OV_SQL_REVOCATION_EACH,
    OV_SQL_CLOCK_GET,
    OV_SQL_CLOCK_PUT,
    OV_SQL_COUNT
};
extern const char *const ov_sqlite_sql[OV_SQL_COUNT];

/* Migration i takes a database from schema version i to i + 1. */
extern const char *const ov_sqlite_migrations[];
extern const int ov_sqlite_version; /* number of migrations: the version this program writes */

struct ov_sqlite {
    struct ov_store base; /* first: an ov_store is an ov_sqlite */
    sqlite3 *db;
    sqlite3_stmt *stmts[OV_SQL_COUNT];
    bool relaxed; /* the connection's present mode: commits do not wait for the disk */
    char path[];
};

/* The number that a pragma or query yields. Returns SQLite's code. */
int ov_sqlite_number(sqlite3 *db, const char *sql, sqlite3_int64 *out);
/* Run a pragma whose answer must be one of two words; `got` has the answer. Returns SQLite's code.
 */
int ov_sqlite_expect(sqlite3 *db, const char *sql, const char *a, const char *b, char got[64]);
/* Refuse another program's database (OV_EIO) and one made by a later version (OV_EVERSION). */
OV_CHECK int ov_sqlite_check_owner(sqlite3 *db, const char *path, int version, char error[256]);
/* Bring `db` up to version `n` in one transaction. OV_EVERSION when it is beyond that, OV_EIO;
 * `error` says why. */
OV_CHECK int ov_sqlite_migrate(sqlite3 *db, const char *path, const char *const *migrations, int n,
                               char error[256]);

/* The statement, prepared on first use; NULL (and an error noted) when that fails. */
sqlite3_stmt *ov_sqlite_stmt(struct ov_sqlite *q, enum ov_sqlite_sql which);
/* Step a statement that yields no row, then reset it. */
OV_CHECK int ov_sqlite_run(struct ov_sqlite *q, sqlite3_stmt *st);
/* Step once: OV_OK with a row, OV_ENOENT without one, OV_EIO. The caller resets. */
OV_CHECK int ov_sqlite_row(struct ov_sqlite *q, sqlite3_stmt *st);
void ov_sqlite_reset(sqlite3_stmt *st);
/* Note what went wrong (a SQLite result code) in q->base.error and say it as an ov_error. */
int ov_sqlite_fail(struct ov_sqlite *q, int rc);
/* A sentence on `rc` for people, with what to do about it. */
void ov_sqlite_explain(int rc, const char *path, const char *detail, char out[256]);

/* Every change is inside one of these pairs. A relaxed commit does not wait for the disk: it
 * survives kill -9, not a power cut. */
OV_CHECK int ov_sqlite_begin(struct ov_sqlite *q);
OV_CHECK int ov_sqlite_begin_relaxed(struct ov_sqlite *q);
/* Commit when `r` is OV_OK, else roll back; returns how it ended. */
OV_CHECK int ov_sqlite_end(struct ov_sqlite *q, int r);

static inline void ov_sqlite_bind_u64(sqlite3_stmt *st, int i, uint64_t v)
{
    sqlite3_bind_int64(st, i,
                       (sqlite3_int64)v); /* netids use all 64 bits: kept as two's complement */
}
static inline uint64_t ov_sqlite_u64(sqlite3_stmt *st, int i)
{
    return (uint64_t)sqlite3_column_int64(st, i);
}
/* Bound for the duration of the call only: the caller's memory must live until the reset. */
static inline void ov_sqlite_bind_text(sqlite3_stmt *st, int i, const char *v)
{
    sqlite3_bind_text(st, i, v, -1, SQLITE_STATIC);
}
static inline void ov_sqlite_bind_blob(sqlite3_stmt *st, int i, const void *v, size_t len)
{
    if (len == 0)
        sqlite3_bind_zeroblob(st, i, 0);
    else
        sqlite3_bind_blob(st, i, v, (int)len, SQLITE_STATIC);
}
/* Copy a blob column that must have this length; false, and all zeroes, when it has another. */
bool ov_sqlite_blob(sqlite3_stmt *st, int i, void *out, size_t len);
/* A row that cannot be ours, whatever the schema's checks say: they are not done when reading.
 * Notes it and returns OV_EIO. */
int ov_sqlite_damaged(struct ov_sqlite *q, const char *what);
/* Copy a text column, cut at `cap`; the schema's checks make that impossible for our own rows. */
void ov_sqlite_text(sqlite3_stmt *st, int i, char *out, size_t cap);

/* ---- by subject: the functions of the ops table ---- */

int ov_sqlite_net_put(struct ov_store *s, const struct ov_net_record *n);
int ov_sqlite_net_get(struct ov_store *s, ov_netid id, struct ov_net_record *out);
int ov_sqlite_net_by_name(struct ov_store *s, const char *name, struct ov_net_record *out);
int ov_sqlite_net_delete(struct ov_store *s, ov_netid id);
int ov_sqlite_net_each(struct ov_store *s, int (*fn)(void *arg, const struct ov_net_record *n),
                       void *arg);

int ov_sqlite_member_put(struct ov_store *s, const struct ov_member_record *m,
                         const struct ov_invite_record *used);
int ov_sqlite_pending_put(struct ov_store *s, const struct ov_member_record *m, size_t max,
                          ov_wall silent);
int ov_sqlite_member_get(struct ov_store *s, ov_netid id, ov_addr a, struct ov_member_record *out);
int ov_sqlite_member_by_name(struct ov_store *s, ov_netid id, const char *name,
                             struct ov_member_record *out);
int ov_sqlite_member_delete(struct ov_store *s, ov_netid id, ov_addr a);
int ov_sqlite_member_each(struct ov_store *s, ov_netid id,
                          int (*fn)(void *arg, const struct ov_member_record *m), void *arg);
int ov_sqlite_member_seen(struct ov_store *s, ov_netid id, ov_addr a, ov_wall when);
int ov_sqlite_member_count(struct ov_store *s, ov_netid id, size_t *admitted, size_t *pending);
int ov_sqlite_address_taken(struct ov_store *s, ov_netid id, const struct ov_ip *ip, bool *taken);

int ov_sqlite_invite_put(struct ov_store *s, const struct ov_invite_record *i);
int ov_sqlite_invite_get(struct ov_store *s, ov_netid id, const uint8_t hash[32],
                         struct ov_invite_record *out);
int ov_sqlite_invite_each(struct ov_store *s, ov_netid id,
                          int (*fn)(void *arg, const struct ov_invite_record *i), void *arg);
int ov_sqlite_invite_delete(struct ov_store *s, ov_netid id, const uint8_t *hash, size_t *count);
int ov_sqlite_invite_use(struct ov_sqlite *q, const struct ov_invite_record *i);

int ov_sqlite_revocation_put(struct ov_sqlite *q, const struct ov_member_record *m);
int ov_sqlite_revocation_each(struct ov_store *s, ov_netid id, ov_wall after, size_t max,
                              int (*fn)(void *arg, const struct ov_revocation *r), void *arg);
int ov_sqlite_clock_get(struct ov_store *s, ov_wall *last, ov_wall *reserved);
int ov_sqlite_clock_put(struct ov_store *s, ov_wall last, ov_wall reserved, bool durable);

#endif
