/* Database rows: whatever bytes stand in the columns of a network, a member with an address, and an
 * invite, as a damaged file or another program may leave them, behind the schema's back. What is
 * read is within its bounds or refused, and what was read can be stored and read again. */
#include "reader.h"

#include "controller/store_sqlite.h"
#include "core/bytes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define NETID 0x8056c2e21c000001

static sqlite3 *db;
static struct ov_store *store;

static void sql(const char *text)
{
    if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
        abort();
}

/* The checks and references of the schema are off; columns keep their types. */
static void open_store(void)
{
    char error[256];

    if (store)
        return;
    if (ov_store_sqlite_open(":memory:", &store, error) != OV_OK)
        abort();
    db = ((struct ov_sqlite *)store)->db;
    sql("PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF");
}

/* Bind what stands for `types` in a template: i integer, t text, b blob; capital: from the input,
 * else a harmless one. */
static void bind(sqlite3_stmt *st, const char *types, struct input *in)
{
    static const uint8_t zeroes[72];
    size_t len;

    for (int i = 1; types[i - 1]; i++) {
        const uint8_t *p;
        switch (types[i - 1]) {
        case 'n':
            ov_sqlite_bind_u64(st, i, NETID);
            break;
        case 'a':
            ov_sqlite_bind_u64(st, i, 0x8056c2e21c);
            break;
        case 'd':
            sqlite3_bind_blob(st, i, zeroes, 72, SQLITE_STATIC);
            break;
        case 'i':
            p = input_bytes(in, &len);
            ov_sqlite_bind_u64(st, i, len == 8 ? ov_load64(p) : len > 0 ? p[0] : 0u);
            break;
        case 't':
            p = input_bytes(in, &len);
            sqlite3_bind_text(st, i, len > 0 ? (const char *)p : "", (int)len, SQLITE_STATIC);
            break;
        default:
            p = input_bytes(in, &len);
            ov_sqlite_bind_blob(st, i, p, len);
        }
    }
}

static void insert(const char *table, const char *types, struct input *in)
{
    char text[256];
    sqlite3_stmt *st;
    int n = snprintf(text, sizeof text, "INSERT OR IGNORE INTO %s VALUES (?", table);

    for (size_t i = 1; types[i]; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, ",?");
    snprintf(text + n, sizeof text - (size_t)n, ")");
    if (sqlite3_prepare_v2(db, text, -1, &st, NULL) != SQLITE_OK)
        abort();
    bind(st, types, in);
    (void)sqlite3_step(st); /* a NULL or a wrong type is refused: fine */
    sqlite3_finalize(st);
}

/* ---- what is read ---- */

static void is_text(const char *s, size_t cap)
{
    if (memchr(s, '\0', cap) == NULL)
        abort();
}

static void is_prefix(const struct ov_prefix *p)
{
    if ((p->ip.family != 4 && p->ip.family != 6) || p->bits > (p->ip.family == 4 ? 32 : 128))
        abort();
}

static int on_net(void *arg, const struct ov_net_record *n)
{
    (void)arg;
    is_text(n->name, sizeof n->name);
    is_text(n->note, sizeof n->note);
    is_text(n->dns_domain, sizeof n->dns_domain);
    is_text(n->rules, sizeof n->rules);
    if (n->npools > OV_POOLS_MAX || n->nroutes > OV_NET_ROUTES_MAX || n->ndns > OV_NET_DNS_MAX ||
        n->nroots > OV_NET_ROOTS_MAX || n->nchosen > OV_NET_ROOTS_MAX)
        abort();
    for (size_t i = 0; i < n->npools; i++)
        is_prefix(&n->pools[i]);
    return OV_OK;
}

static int on_member(void *arg, const struct ov_member_record *m)
{
    (void)arg;
    is_text(m->name, sizeof m->name);
    is_text(m->note, sizeof m->note);
    is_text(m->tags, sizeof m->tags);
    if (m->naddrs > OV_CERT_ADDRS_MAX || m->state > OV_MEMBER_DENIED)
        abort();
    for (size_t i = 0; i < m->naddrs; i++)
        is_prefix(&m->addrs[i]);
    return OV_OK;
}

static int on_invite(void *arg, const struct ov_invite_record *i)
{
    (void)arg;
    is_text(i->note, sizeof i->note);
    return OV_OK;
}

static int on_revocation(void *arg, const struct ov_revocation *r)
{
    (void)arg;
    return r->netid == NETID ? OV_OK : OV_EINVAL;
}

/* Every way of reading; each gives an error or good records. */
static void read_all(const char *name, size_t len)
{
    static struct ov_net_record n;
    static struct ov_member_record m;
    size_t admitted, pending;
    char text[64];
    int rc;

    snprintf(text, sizeof text, "%.*s", (int)(len < 60 ? len : 60), name);
    rc = store->ops->net_each(store, on_net, NULL);
    if (store->ops->net_get(store, NETID, &n) == OV_OK)
        on_net(NULL, &n);
    if (store->ops->net_by_name(store, text, &n) == OV_OK)
        on_net(NULL, &n);
    rc = store->ops->member_each(store, NETID, on_member, NULL);
    if (store->ops->member_get(store, NETID, 0x8056c2e21c, &m) == OV_OK)
        on_member(NULL, &m);
    if (store->ops->member_by_name(store, NETID, text, &m) == OV_OK)
        on_member(NULL, &m);
    rc = store->ops->member_count(store, NETID, &admitted, &pending);
    rc = store->ops->invite_each(store, NETID, on_invite, NULL);
    rc = store->ops->revocation_each(store, NETID, 0, 100, on_revocation, NULL);
    (void)rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct input in = {data, len};

    open_store();
    insert("network",
           "ntt"
           "iiiiiiii"
           "bbtbbtb",
           &in);
    insert("member",
           input_u8(&in) & 1 ? "nadittt"
                               "iiiii"
                             : "nabittt"
                               "iiiii",
           &in);
    insert("address", "nbiai", &in);
    insert("invite", "nbtiiii", &in);
    insert("revocation", "nii", &in);
    read_all((const char *)data, len);
    sql("DELETE FROM network; DELETE FROM member; DELETE FROM address; DELETE FROM invite;"
        "DELETE FROM revocation");
    return 0;
}
