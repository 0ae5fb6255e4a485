#include "store_sqlite.h"

#include <stdio.h>
#include <string.h>

/* Members and the addresses given to them. */

static size_t ip_len(const struct ov_ip *ip)
{
    return ip->family == 4 ? 4 : 16;
}

static int read_addresses(struct ov_sqlite *q, struct ov_member_record *m)
{
    sqlite3_stmt *st = ov_sqlite_stmt(q, OV_SQL_ADDRESS_EACH);
    if (st == NULL)
        return OV_EIO;
    ov_sqlite_bind_u64(st, 1, m->netid);
    ov_sqlite_bind_u64(st, 2, m->id.addr);
    int r;
    bool good = true;
    while (good && (r = ov_sqlite_row(q, st)) == OV_OK && m->naddrs < OV_CERT_ADDRS_MAX) {
        struct ov_prefix *p = &m->addrs[m->naddrs++];
        int bits = sqlite3_column_int(st, 1);
        p->ip.family = sqlite3_column_bytes(st, 0) == 4 ? 4 : 6;
        good = ov_sqlite_blob(st, 0, p->ip.b, ip_len(&p->ip)) && bits >= 0 &&
               bits <= (p->ip.family == 4 ? 32 : 128);
        p->bits = (uint8_t)bits;
    }
    ov_sqlite_reset(st);
    if (!good)
        return ov_sqlite_damaged(q, "a member's addresses");
    return r == OV_ENOENT ? OV_OK : r;
}

static int decode(struct ov_sqlite *q, sqlite3_stmt *st, struct ov_member_record *m)
{
    uint8_t id[OV_IDENTITY_LEN];
    int state = sqlite3_column_int(st, 3);
    memset(m, 0, sizeof *m);
    m->netid = ov_sqlite_u64(st, 0);
    if (!ov_sqlite_blob(st, 2, id, sizeof id) || state < OV_MEMBER_PENDING ||
        state > OV_MEMBER_DENIED)
        return ov_sqlite_damaged(q, "a member");
    ov_identity_decode(id, &m->id);
    m->id.addr = ov_sqlite_u64(st, 1);
    m->state = (enum ov_member_state)state;
    ov_sqlite_text(st, 4, m->name, sizeof m->name);
    ov_sqlite_text(st, 5, m->note, sizeof m->note);
    ov_sqlite_text(st, 6, m->tags, sizeof m->tags);
    m->perms = (uint16_t)sqlite3_column_int(st, 7);
    m->first_seen = ov_sqlite_u64(st, 8);
    m->admitted = ov_sqlite_u64(st, 9);
    m->last_seen = ov_sqlite_u64(st, 10);
    m->revoked = ov_sqlite_u64(st, 11);
    return read_addresses(q, m);
}

/* Insert or update the row alone, inside a transaction. */
static int put_row(struct ov_sqlite *q, const struct ov_member_record *m)
{
    uint8_t id[OV_IDENTITY_LEN];
    sqlite3_stmt *st = ov_sqlite_stmt(q, OV_SQL_MEMBER_PUT);
    if (st == NULL)
        return OV_EIO;
    ov_identity_encode(&m->id, id);
    ov_sqlite_bind_u64(st, 1, m->netid);
    ov_sqlite_bind_u64(st, 2, m->id.addr);
    ov_sqlite_bind_blob(st, 3, id, sizeof id);
    ov_sqlite_bind_u64(st, 4, (uint64_t)m->state);
    ov_sqlite_bind_text(st, 5, m->name);
    ov_sqlite_bind_text(st, 6, m->note);
    ov_sqlite_bind_text(st, 7, m->tags);
    ov_sqlite_bind_u64(st, 8, m->perms);
    ov_sqlite_bind_u64(st, 9, m->first_seen);
    ov_sqlite_bind_u64(st, 10, m->admitted);
    ov_sqlite_bind_u64(st, 11, m->last_seen);
    ov_sqlite_bind_u64(st, 12, m->revoked);
    int r = ov_sqlite_run(q, st);
    if (r == OV_EEXIST)
        snprintf(q->base.error, sizeof q->base.error, "the name %s is taken", m->name);
    return r;
}

/* Replace the member's addresses. */
static int put_addresses(struct ov_sqlite *q, const struct ov_member_record *m)
{
    sqlite3_stmt *clear = ov_sqlite_stmt(q, OV_SQL_ADDRESS_CLEAR);
    sqlite3_stmt *put = ov_sqlite_stmt(q, OV_SQL_ADDRESS_PUT);
    if (clear == NULL || put == NULL)
        return OV_EIO;
    ov_sqlite_bind_u64(clear, 1, m->netid);
    ov_sqlite_bind_u64(clear, 2, m->id.addr);
    int r = ov_sqlite_run(q, clear);
    for (size_t i = 0; r == OV_OK && i < m->naddrs; i++) {
        ov_sqlite_bind_u64(put, 1, m->netid);
        ov_sqlite_bind_blob(put, 2, m->addrs[i].ip.b, ip_len(&m->addrs[i].ip));
        ov_sqlite_bind_u64(put, 3, m->addrs[i].bits);
        ov_sqlite_bind_u64(put, 4, m->id.addr);
        ov_sqlite_bind_u64(put, 5, i);
        r = ov_sqlite_run(q, put);
        if (r == OV_EEXIST) {
            char ip[OV_IP_TEXT];
            snprintf(q->base.error, sizeof q->base.error, "%s is given to another member",
                     ov_ip_format(&m->addrs[i].ip, ip));
        }
    }
    return r;
}

int ov_sqlite_member_put(struct ov_store *s, const struct ov_member_record *m,
                         const struct ov_invite_record *used)
{
    struct ov_sqlite *q = (struct ov_sqlite *)s;
    int r = ov_sqlite_begin(q);
    if (r != OV_OK)
        return r;
    r = put_row(q, m);
    if (r == OV_OK)
        r = put_addresses(q, m);
    if (r == OV_OK && used != NULL)
        r = ov_sqlite_invite_use(q, used);
    if (r == OV_OK && m->revoked != 0)
        r = ov_sqlite_revocation_put(q, m);
    return ov_sqlite_end(q, r);
}

static int count_pending(struct ov_sqlite *q, ov_netid id, size_t *n)
{
    sqlite3_stmt *st = ov_sqlite_stmt(q, OV_SQL_PENDING_COUNT);
    if (st == NULL)
        return OV_EIO;
    ov_sqlite_bind_u64(st, 1, id);
    int r = ov_sqlite_row(q, st);
    if (r == OV_OK)
        *n = (size_t)ov_sqlite_u64(st, 0);
    ov_sqlite_reset(st);
    return r;
}

/* Remove `n` of the silent ones, inside a transaction. */
static int trim_pending(struct ov_sqlite *q, const struct ov_member_record *newcomer, size_t n,
                        ov_wall silent)
{
    sqlite3_stmt *st = ov_sqlite_stmt(q, OV_SQL_PENDING_TRIM);
    if (st == NULL)
        return OV_EIO;
    ov_sqlite_bind_u64(st, 1, newcomer->netid);
    ov_sqlite_bind_u64(st, 2, silent);
    ov_sqlite_bind_u64(st, 3, newcomer->last_seen);
    ov_sqlite_bind_u64(st, 4, n);
    int r = ov_sqlite_run(q, st);
    return r == OV_OK && (size_t)sqlite3_changes(q->db) < n ? OV_EFULL : r;
}

int ov_sqlite_pending_put(struct ov_store *s, const struct ov_member_record *m, size_t max,
                          ov_wall silent)
{
    struct ov_sqlite *q = (struct ov_sqlite *)s;
    size_t n = 0;
    int r = count_pending(q, m->netid, &n);
    if (r == OV_OK)
        r = ov_sqlite_begin_relaxed(q);
    if (r != OV_OK)
        return r;
    if (n >= max)
        r = trim_pending(q, m, n - max + 1, silent);
    if (r == OV_OK)
        r = put_row(q, m);
    return ov_sqlite_end(q, r);
}

/* The one row that `st`, bound already, finds. */
static int get(struct ov_sqlite *q, sqlite3_stmt *st, struct ov_member_record *out)
{
    int r = ov_sqlite_row(q, st);
    if (r == OV_OK)
        r = decode(q, st, out);
    ov_sqlite_reset(st);
    return r;
}

int ov_sqlite_member_get(struct ov_store *s, ov_netid id, ov_addr a, struct ov_member_record *out)
{
    struct ov_sqlite *q = (struct ov_sqlite *)s;
    sqlite3_stmt *st = ov_sqlite_stmt(q, OV_SQL_MEMBER_GET);
    if (st == NULL)
        return OV_EIO;
    ov_sqlite_bind_u64(st, 1, id);
    ov_sqlite_bind_u64(st, 2, a);
    return get(q, st, out);
}

int ov_sqlite_member_by_name(struct ov_store *s, ov_netid id, const char *name,
                             struct ov_member_record *out)
{
    struct ov_sqlite *q = (struct ov_sqlite *)s;
    sqlite3_stmt *st = ov_sqlite_stmt(q, OV_SQL_MEMBER_BY_NAME);
    if (st == NULL)
        return OV_EIO;
    ov_sqlite_bind_u64(st, 1, id);
    ov_sqlite_bind_text(st, 2, name);
    return get(q, st, out);
}

int ov_sqlite_member_delete(struct ov_store *s, ov_netid id, ov_addr a)
{
    struct ov_sqlite *q = (struct ov_sqlite *)s;
    sqlite3_stmt *st = ov_sqlite_stmt(q, OV_SQL_MEMBER_DELETE);
    if (st == NULL)
        return OV_EIO;
    int r = ov_sqlite_begin(q);
    if (r != OV_OK)
        return r;
    ov_sqlite_bind_u64(st, 1, id);
    ov_sqlite_bind_u64(st, 2, a);
    r = ov_sqlite_run(q, st);
    if (r == OV_OK && sqlite3_changes(q->db) == 0)
        r = OV_ENOENT;
    return ov_sqlite_end(q, r);
}

int ov_sqlite_member_each(struct ov_store *s, ov_netid id,
                          int (*fn)(void *arg, const struct ov_member_record *m), void *arg)
{
    struct ov_sqlite *q = (struct ov_sqlite *)s;
    sqlite3_stmt *st = ov_sqlite_stmt(q, OV_SQL_MEMBER_EACH);
    if (st == NULL)
        return OV_EIO;
    ov_sqlite_bind_u64(st, 1, id);
    int r;
    for (;;) {
        struct ov_member_record m;
        r = ov_sqlite_row(q, st);
        if (r != OV_OK)
            break;
        if ((r = decode(q, st, &m)) != OV_OK || (r = fn(arg, &m)) != OV_OK)
            goto out;
    }
    if (r == OV_ENOENT)
        r = OV_OK; /* no more rows */
out:
    ov_sqlite_reset(st);
    return r;
}

int ov_sqlite_member_seen(struct ov_store *s, ov_netid id, ov_addr a, ov_wall when)
{
    struct ov_sqlite *q = (struct ov_sqlite *)s;
    sqlite3_stmt *st = ov_sqlite_stmt(q, OV_SQL_MEMBER_SEEN);
    if (st == NULL)
        return OV_EIO;
    int r = ov_sqlite_begin_relaxed(q);
    if (r != OV_OK)
        return r;
    ov_sqlite_bind_u64(st, 1, id);
    ov_sqlite_bind_u64(st, 2, a);
    ov_sqlite_bind_u64(st, 3, when);
    r = ov_sqlite_run(q, st);
    if (r == OV_OK && sqlite3_changes(q->db) == 0)
        r = OV_ENOENT;
    return ov_sqlite_end(q, r);
}

int ov_sqlite_member_count(struct ov_store *s, ov_netid id, size_t *admitted, size_t *pending)
{
    struct ov_sqlite *q = (struct ov_sqlite *)s;
    sqlite3_stmt *st = ov_sqlite_stmt(q, OV_SQL_MEMBER_COUNT);
    if (st == NULL)
        return OV_EIO;
    ov_sqlite_bind_u64(st, 1, id);
    int r = ov_sqlite_row(q, st);
    if (r == OV_OK) {
        *admitted = (size_t)ov_sqlite_u64(st, 0);
        *pending = (size_t)ov_sqlite_u64(st, 1);
    }
    ov_sqlite_reset(st);
    return r;
}

int ov_sqlite_address_taken(struct ov_store *s, ov_netid id, const struct ov_ip *ip, bool *taken)
{
    struct ov_sqlite *q = (struct ov_sqlite *)s;
    sqlite3_stmt *st = ov_sqlite_stmt(q, OV_SQL_ADDRESS_TAKEN);
    if (st == NULL)
        return OV_EIO;
    ov_sqlite_bind_u64(st, 1, id);
    ov_sqlite_bind_blob(st, 2, ip->b, ip_len(ip));
    int r = ov_sqlite_row(q, st);
    ov_sqlite_reset(st);
    if (r != OV_OK && r != OV_ENOENT)
        return r;
    *taken = r == OV_OK;
    return OV_OK;
}
