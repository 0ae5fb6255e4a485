#include "store_sqlite.h"

#include <stdio.h>
#include <string.h>

/* Invites, revocations, and the clock of what was signed. */

static int decode(struct ov_sqlite *q, sqlite3_stmt *st, struct ov_invite_record *i)
{
    memset(i, 0, sizeof *i);
    i->netid = ov_sqlite_u64(st, 0);
    if (!ov_sqlite_blob(st, 1, i->hash, sizeof i->hash))
        return ov_sqlite_damaged(q, "an invite");
    ov_sqlite_text(st, 2, i->note, sizeof i->note);
    i->created = ov_sqlite_u64(st, 3);
    i->expires = ov_sqlite_u64(st, 4);
    i->used_by = ov_sqlite_u64(st, 5);
    i->used = ov_sqlite_u64(st, 6);
    return OV_OK;
}

int ov_sqlite_invite_put(struct ov_store *s, const struct ov_invite_record *i)
{
    struct ov_sqlite *q = (struct ov_sqlite *)s;
    sqlite3_stmt *st = ov_sqlite_stmt(q, OV_SQL_INVITE_PUT);
    if (st == NULL)
        return OV_EIO;
    int r = ov_sqlite_begin(q);
    if (r != OV_OK)
        return r;
    ov_sqlite_bind_u64(st, 1, i->netid);
    ov_sqlite_bind_blob(st, 2, i->hash, sizeof i->hash);
    ov_sqlite_bind_text(st, 3, i->note);
    ov_sqlite_bind_u64(st, 4, i->created);
    ov_sqlite_bind_u64(st, 5, i->expires);
    ov_sqlite_bind_u64(st, 6, i->used_by);
    ov_sqlite_bind_u64(st, 7, i->used);
    return ov_sqlite_end(q, ov_sqlite_run(q, st));
}

/* Mark an invite used, inside the transaction that admits its user. */
int ov_sqlite_invite_use(struct ov_sqlite *q, const struct ov_invite_record *i)
{
    sqlite3_stmt *st = ov_sqlite_stmt(q, OV_SQL_INVITE_USE);
    if (st == NULL)
        return OV_EIO;
    ov_sqlite_bind_u64(st, 1, i->netid);
    ov_sqlite_bind_blob(st, 2, i->hash, sizeof i->hash);
    ov_sqlite_bind_u64(st, 3, i->used_by);
    ov_sqlite_bind_u64(st, 4, i->used);
    int r = ov_sqlite_run(q, st);
    if (r != OV_OK || sqlite3_changes(q->db) == 1)
        return r;
    struct ov_invite_record found;
    r = ov_sqlite_invite_get(&q->base, i->netid, i->hash, &found);
    if (r == OV_OK) {
        r = OV_EEXIST;
        snprintf(q->base.error, sizeof q->base.error, "the invite is used already");
    }
    return r;
}

int ov_sqlite_invite_get(struct ov_store *s, ov_netid id, const uint8_t hash[32],
                         struct ov_invite_record *out)
{
    struct ov_sqlite *q = (struct ov_sqlite *)s;
    sqlite3_stmt *st = ov_sqlite_stmt(q, OV_SQL_INVITE_GET);
    if (st == NULL)
        return OV_EIO;
    ov_sqlite_bind_u64(st, 1, id);
    ov_sqlite_bind_blob(st, 2, hash, 32);
    int r = ov_sqlite_row(q, st);
    if (r == OV_OK)
        r = decode(q, st, out);
    ov_sqlite_reset(st);
    return r;
}

int ov_sqlite_invite_each(struct ov_store *s, ov_netid id,
                          int (*fn)(void *arg, const struct ov_invite_record *i), void *arg)
{
    struct ov_sqlite *q = (struct ov_sqlite *)s;
    sqlite3_stmt *st = ov_sqlite_stmt(q, OV_SQL_INVITE_EACH);
    if (st == NULL)
        return OV_EIO;
    ov_sqlite_bind_u64(st, 1, id);
    int r;
    for (;;) {
        struct ov_invite_record i;
        r = ov_sqlite_row(q, st);
        if (r != OV_OK)
            break;
        if ((r = decode(q, st, &i)) != OV_OK || (r = fn(arg, &i)) != OV_OK)
            goto out;
    }
    if (r == OV_ENOENT)
        r = OV_OK; /* no more rows */
out:
    ov_sqlite_reset(st);
    return r;
}

int ov_sqlite_invite_delete(struct ov_store *s, ov_netid id, const uint8_t *hash, size_t *count)
{
    struct ov_sqlite *q = (struct ov_sqlite *)s;
    sqlite3_stmt *st = ov_sqlite_stmt(q, OV_SQL_INVITE_DELETE);
    if (st == NULL)
        return OV_EIO;
    int r = ov_sqlite_begin(q);
    if (r != OV_OK)
        return r;
    ov_sqlite_bind_u64(st, 1, id);
    if (hash != NULL)
        ov_sqlite_bind_blob(st, 2, hash, 32); /* else NULL, as after each reset */
    r = ov_sqlite_run(q, st);
    *count = r == OV_OK ? (size_t)sqlite3_changes(q->db) : 0;
    if (r == OV_OK && hash != NULL && *count == 0)
        r = OV_ENOENT;
    return ov_sqlite_end(q, r);
}

/* Keep the member's revocation, and drop those that no living certificate can be older than. */
int ov_sqlite_revocation_put(struct ov_sqlite *q, const struct ov_member_record *m)
{
    sqlite3_stmt *put = ov_sqlite_stmt(q, OV_SQL_REVOCATION_PUT);
    sqlite3_stmt *prune = ov_sqlite_stmt(q, OV_SQL_REVOCATION_PRUNE);
    if (put == NULL || prune == NULL)
        return OV_EIO;
    ov_sqlite_bind_u64(put, 1, m->netid);
    ov_sqlite_bind_u64(put, 2, m->id.addr);
    ov_sqlite_bind_u64(put, 3, m->revoked);
    int r = ov_sqlite_run(q, put);
    const ov_wall keep = (ov_wall)OV_WINDOW_MAX * 1000;
    if (r == OV_OK && m->state != OV_MEMBER_ADMITTED && m->revoked > keep) {
        ov_sqlite_bind_u64(prune, 1, m->netid);
        ov_sqlite_bind_u64(prune, 2, m->revoked - keep);
        r = ov_sqlite_run(q, prune);
    }
    return r;
}

int ov_sqlite_revocation_each(struct ov_store *s, ov_netid id, ov_wall after, size_t max,
                              int (*fn)(void *arg, const struct ov_revocation *r), void *arg)
{
    struct ov_sqlite *q = (struct ov_sqlite *)s;
    sqlite3_stmt *st = ov_sqlite_stmt(q, OV_SQL_REVOCATION_EACH);
    if (st == NULL)
        return OV_EIO;
    ov_sqlite_bind_u64(st, 1, id);
    ov_sqlite_bind_u64(st, 2, after);
    ov_sqlite_bind_u64(st, 3, max);
    int r;
    for (;;) {
        r = ov_sqlite_row(q, st);
        if (r != OV_OK)
            break;
        struct ov_revocation v = {
            .netid = id, .member = ov_sqlite_u64(st, 0), .timestamp = ov_sqlite_u64(st, 1)};
        if ((r = fn(arg, &v)) != OV_OK)
            goto out;
    }
    if (r == OV_ENOENT)
        r = OV_OK; /* no more rows */
out:
    ov_sqlite_reset(st);
    return r;
}

int ov_sqlite_clock_get(struct ov_store *s, ov_wall *last, ov_wall *reserved)
{
    struct ov_sqlite *q = (struct ov_sqlite *)s;
    sqlite3_stmt *st = ov_sqlite_stmt(q, OV_SQL_CLOCK_GET);
    if (st == NULL)
        return OV_EIO;
    int r = ov_sqlite_row(q, st);
    if (r == OV_OK) {
        *last = ov_sqlite_u64(st, 0);
        *reserved = ov_sqlite_u64(st, 1);
    }
    ov_sqlite_reset(st);
    return r;
}

int ov_sqlite_clock_put(struct ov_store *s, ov_wall last, ov_wall reserved, bool durable)
{
    struct ov_sqlite *q = (struct ov_sqlite *)s;
    sqlite3_stmt *st = ov_sqlite_stmt(q, OV_SQL_CLOCK_PUT);
    if (st == NULL)
        return OV_EIO;
    int r = durable ? ov_sqlite_begin(q) : ov_sqlite_begin_relaxed(q);
    if (r != OV_OK)
        return r;
    ov_sqlite_bind_u64(st, 1, last);
    ov_sqlite_bind_u64(st, 2, reserved);
    r = ov_sqlite_run(q, st);
    if (r == OV_OK && sqlite3_changes(q->db) != 1)
        r = OV_ENOENT;
    return ov_sqlite_end(q, r);
}
