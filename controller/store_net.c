#include "store_sqlite.h"

#include "core/bytes.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Networks. Pools, routes, DNS servers and roots are encoded lists, as many items as the column
 * holds. */

#define LIST_MAX 2048 /* the longest, roots: 8 x (5 + 72 + 1 + 4 x 19) */

struct lists {
    uint8_t pools[LIST_MAX], routes[LIST_MAX], dns[LIST_MAX], roots[LIST_MAX];
    uint8_t chosen[5 * OV_NET_ROOTS_MAX];
};

static size_t encode_pools(const struct ov_net_record *n, uint8_t out[LIST_MAX])
{
    struct ov_writer w;
    ov_writer_init(&w, out, LIST_MAX);
    for (size_t i = 0; i < n->npools; i++)
        ov_writer_prefix(&w, &n->pools[i]);
    assert(!w.failed);
    return w.len;
}

static size_t encode_routes(const struct ov_net_record *n, uint8_t out[LIST_MAX])
{
    struct ov_writer w;
    ov_writer_init(&w, out, LIST_MAX);
    for (size_t i = 0; i < n->nroutes; i++) {
        ov_writer_prefix(&w, &n->routes[i].dst);
        ov_writer_ip(&w, &n->routes[i].via);
    }
    assert(!w.failed);
    return w.len;
}

static size_t encode_dns(const struct ov_net_record *n, uint8_t out[LIST_MAX])
{
    struct ov_writer w;
    ov_writer_init(&w, out, LIST_MAX);
    for (size_t i = 0; i < n->ndns; i++)
        ov_writer_ip(&w, &n->dns[i]);
    assert(!w.failed);
    return w.len;
}

static size_t encode_roots(const struct ov_net_record *n, uint8_t out[LIST_MAX])
{
    struct ov_writer w;
    ov_writer_init(&w, out, LIST_MAX);
    for (size_t i = 0; i < n->nroots; i++) {
        uint8_t id[OV_IDENTITY_LEN];
        ov_identity_encode(&n->roots[i].id, id);
        ov_writer_u40(&w, n->roots[i].id.addr);
        ov_writer_bytes(&w, id, sizeof id);
        ov_writer_u8(&w, n->roots[i].nendpoints);
        for (size_t k = 0; k < n->roots[i].nendpoints; k++)
            ov_writer_endpoint(&w, &n->roots[i].endpoints[k]);
    }
    assert(!w.failed);
    return w.len;
}

/* Point a reader at a blob column. */
static void read_column(sqlite3_stmt *st, int i, struct ov_reader *r)
{
    const void *p = sqlite3_column_blob(st, i);
    ov_reader_init(r, p != NULL ? p : "", (size_t)sqlite3_column_bytes(st, i));
}

static size_t encode_chosen(const struct ov_net_record *n, uint8_t out[5 * OV_NET_ROOTS_MAX])
{
    struct ov_writer w;
    ov_writer_init(&w, out, 5 * OV_NET_ROOTS_MAX);
    for (size_t i = 0; i < n->nchosen; i++)
        ov_writer_u40(&w, n->chosen[i]);
    return w.len;
}

static bool decode_roots(struct ov_reader *r, struct ov_net_record *n)
{
    while (!r->failed && ov_reader_left(r) > 0 && n->nroots < OV_NET_ROOTS_MAX) {
        struct ov_net_root *root = &n->roots[n->nroots];
        uint8_t id[OV_IDENTITY_LEN];
        ov_addr addr = ov_reader_u40(r);
        ov_reader_copy(r, id, sizeof id);
        ov_identity_decode(id, &root->id);
        root->id.addr = addr;
        root->nendpoints = ov_reader_u8(r);
        if (root->nendpoints > OV_ROOT_ENDPOINTS_MAX)
            return false;
        for (size_t k = 0; k < root->nendpoints; k++)
            ov_reader_endpoint(r, &root->endpoints[k]);
        n->nroots++;
    }
    return ov_reader_done(r);
}

/* Fill the lists from their columns. False when one does not decode: damage, or somebody's edit. */
static bool decode_lists(sqlite3_stmt *st, struct ov_net_record *n)
{
    struct ov_reader r;
    read_column(st, 11, &r);
    while (!r.failed && ov_reader_left(&r) > 0 && n->npools < OV_POOLS_MAX) {
        ov_reader_prefix(&r, &n->pools[n->npools]);
        if (n->pools[n->npools++].ip.family != 4)
            return false;
    }
    if (!ov_reader_done(&r))
        return false;
    read_column(st, 12, &r);
    while (!r.failed && ov_reader_left(&r) > 0 && n->nroutes < OV_NET_ROUTES_MAX) {
        struct ov_route *route = &n->routes[n->nroutes++];
        ov_reader_prefix(&r, &route->dst);
        ov_reader_ip(&r, &route->via);
        if (route->dst.ip.family == 0)
            return false;
    }
    if (!ov_reader_done(&r))
        return false;
    read_column(st, 14, &r);
    while (!r.failed && ov_reader_left(&r) > 0 && n->ndns < OV_NET_DNS_MAX) {
        ov_reader_ip(&r, &n->dns[n->ndns]);
        if (n->dns[n->ndns++].family == 0)
            return false;
    }
    if (!ov_reader_done(&r))
        return false;
    read_column(st, 17, &r);
    while (!r.failed && ov_reader_left(&r) > 0 && n->nchosen < OV_NET_ROOTS_MAX)
        n->chosen[n->nchosen++] = ov_reader_u40(&r);
    if (!ov_reader_done(&r))
        return false;
    read_column(st, 15, &r);
    return decode_roots(&r, n);
}

static int decode(struct ov_sqlite *q, sqlite3_stmt *st, struct ov_net_record *n)
{
    memset(n, 0, sizeof *n);
    n->netid = ov_sqlite_u64(st, 0);
    ov_sqlite_text(st, 1, n->name, sizeof n->name);
    ov_sqlite_text(st, 2, n->note, sizeof n->note);
    n->created = ov_sqlite_u64(st, 3);
    n->revision = ov_sqlite_u64(st, 4);
    n->flags = (uint16_t)sqlite3_column_int(st, 5);
    n->mtu = (uint16_t)sqlite3_column_int(st, 6);
    n->window_s = (uint32_t)ov_sqlite_u64(st, 7);
    n->multicast_limit = (uint32_t)ov_sqlite_u64(st, 8);
    n->open = sqlite3_column_int(st, 9) != 0;
    n->ip6 = sqlite3_column_int(st, 10) != 0;
    ov_sqlite_text(st, 13, n->dns_domain, sizeof n->dns_domain);
    ov_sqlite_text(st, 16, n->rules, sizeof n->rules);
    if (!decode_lists(st, n) || n->mtu < OV_MTU_MIN || n->mtu > OV_MTU_MAX)
        return ov_sqlite_damaged(q, "a network");
    return OV_OK;
}

int ov_sqlite_net_put(struct ov_store *s, const struct ov_net_record *n)
{
    struct ov_sqlite *q = (struct ov_sqlite *)s;
    struct lists l;
    sqlite3_stmt *st = ov_sqlite_stmt(q, OV_SQL_NET_PUT);
    if (st == NULL)
        return OV_EIO;
    int r = ov_sqlite_begin(q);
    if (r != OV_OK)
        return r;
    ov_sqlite_bind_u64(st, 1, n->netid);
    ov_sqlite_bind_text(st, 2, n->name);
    ov_sqlite_bind_text(st, 3, n->note);
    ov_sqlite_bind_u64(st, 4, n->created);
    ov_sqlite_bind_u64(st, 5, n->revision);
    ov_sqlite_bind_u64(st, 6, n->flags);
    ov_sqlite_bind_u64(st, 7, n->mtu);
    ov_sqlite_bind_u64(st, 8, n->window_s);
    ov_sqlite_bind_u64(st, 9, n->multicast_limit);
    ov_sqlite_bind_u64(st, 10, n->open);
    ov_sqlite_bind_u64(st, 11, n->ip6);
    ov_sqlite_bind_blob(st, 12, l.pools, encode_pools(n, l.pools));
    ov_sqlite_bind_blob(st, 13, l.routes, encode_routes(n, l.routes));
    ov_sqlite_bind_text(st, 14, n->dns_domain);
    ov_sqlite_bind_blob(st, 15, l.dns, encode_dns(n, l.dns));
    ov_sqlite_bind_blob(st, 16, l.roots, encode_roots(n, l.roots));
    ov_sqlite_bind_text(st, 17, n->rules);
    ov_sqlite_bind_blob(st, 18, l.chosen, encode_chosen(n, l.chosen));
    r = ov_sqlite_run(q, st);
    if (r == OV_EEXIST)
        snprintf(s->error, sizeof s->error, "the name %s is taken", n->name);
    return ov_sqlite_end(q, r);
}

/* The one row that `st`, bound already, finds. */
static int get(struct ov_sqlite *q, sqlite3_stmt *st, struct ov_net_record *out)
{
    int r = ov_sqlite_row(q, st);
    if (r == OV_OK)
        r = decode(q, st, out);
    ov_sqlite_reset(st);
    return r;
}

int ov_sqlite_net_get(struct ov_store *s, ov_netid id, struct ov_net_record *out)
{
    struct ov_sqlite *q = (struct ov_sqlite *)s;
    sqlite3_stmt *st = ov_sqlite_stmt(q, OV_SQL_NET_GET);
    if (st == NULL)
        return OV_EIO;
    ov_sqlite_bind_u64(st, 1, id);
    return get(q, st, out);
}

int ov_sqlite_net_by_name(struct ov_store *s, const char *name, struct ov_net_record *out)
{
    struct ov_sqlite *q = (struct ov_sqlite *)s;
    sqlite3_stmt *st = ov_sqlite_stmt(q, OV_SQL_NET_BY_NAME);
    if (st == NULL)
        return OV_EIO;
    ov_sqlite_bind_text(st, 1, name);
    return get(q, st, out);
}

int ov_sqlite_net_delete(struct ov_store *s, ov_netid id)
{
    struct ov_sqlite *q = (struct ov_sqlite *)s;
    sqlite3_stmt *st = ov_sqlite_stmt(q, OV_SQL_NET_DELETE);
    if (st == NULL)
        return OV_EIO;
    int r = ov_sqlite_begin(q);
    if (r != OV_OK)
        return r;
    ov_sqlite_bind_u64(st, 1, id);
    r = ov_sqlite_run(q, st);
    if (r == OV_OK && sqlite3_changes(q->db) == 0)
        r = OV_ENOENT;
    return ov_sqlite_end(q, r);
}

int ov_sqlite_net_each(struct ov_store *s, int (*fn)(void *arg, const struct ov_net_record *n),
                       void *arg)
{
    struct ov_sqlite *q = (struct ov_sqlite *)s;
    sqlite3_stmt *st = ov_sqlite_stmt(q, OV_SQL_NET_EACH);
    if (st == NULL)
        return OV_EIO;
    int r;
    for (;;) {
        struct ov_net_record n;
        r = ov_sqlite_row(q, st);
        if (r != OV_OK)
            break;
        if ((r = decode(q, st, &n)) != OV_OK || (r = fn(arg, &n)) != OV_OK)
            goto out;
    }
    if (r == OV_ENOENT)
        r = OV_OK; /* no more rows */
out:
    ov_sqlite_reset(st);
    return r;
}
