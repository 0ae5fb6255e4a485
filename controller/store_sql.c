#include "store_sqlite.h"

/* All SQL of the store: the schema as a list of migrations, and the statements.
 *
 * A migration, once released, is never edited: a change of the schema is a new one at the end. */

#define NETWORK_COLUMNS                                                                            \
    "netid, name, note, created, revision, flags, mtu, window_s, multicast_limit, open, ip6, "     \
    "pools, routes, dns_domain, dns, roots, rules, chosen"
#define MEMBER_COLUMNS                                                                             \
    "netid, addr, identity, state, name, note, tags, perms, first_seen, admitted, last_seen, "     \
    "revoked"
#define INVITE_COLUMNS "netid, hash, note, created, expires, used_by, used"

static const char schema_1[] =
    "CREATE TABLE clock ("
    "  id INTEGER PRIMARY KEY CHECK (id = 1),"
    "  last INTEGER NOT NULL CHECK (last >= 0),"
    "  reserved INTEGER NOT NULL CHECK (reserved >= 0)"
    ") STRICT;"
    "INSERT INTO clock VALUES (1, 0, 0);"

    /* Lists that are only ever used whole (pools, routes, ...) are one encoded column each. */
    "CREATE TABLE network ("
    "  netid INTEGER PRIMARY KEY,"
    "  name TEXT NOT NULL UNIQUE CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 63),"
    "  note TEXT NOT NULL CHECK (length(CAST(note AS BLOB)) <= 255),"
    "  created INTEGER NOT NULL CHECK (created >= 0),"
    "  revision INTEGER NOT NULL CHECK (revision > 0),"
    "  flags INTEGER NOT NULL CHECK (flags BETWEEN 0 AND 65535),"
    "  mtu INTEGER NOT NULL CHECK (mtu BETWEEN 1280 AND 9000),"
    "  window_s INTEGER NOT NULL CHECK (window_s > 0),"
    "  multicast_limit INTEGER NOT NULL CHECK (multicast_limit >= 0),"
    "  open INTEGER NOT NULL CHECK (open IN (0, 1)),"
    "  ip6 INTEGER NOT NULL CHECK (ip6 IN (0, 1)),"
    "  pools BLOB NOT NULL,"
    "  routes BLOB NOT NULL,"
    "  dns_domain TEXT NOT NULL CHECK (length(CAST(dns_domain AS BLOB)) <= 63),"
    "  dns BLOB NOT NULL,"
    "  roots BLOB NOT NULL,"
    "  rules TEXT NOT NULL CHECK (length(CAST(rules AS BLOB)) <= 255)"
    ") STRICT;"

    "CREATE TABLE member ("
    "  netid INTEGER NOT NULL REFERENCES network (netid) ON DELETE CASCADE,"
    "  addr INTEGER NOT NULL CHECK (addr BETWEEN 1 AND 1099511627775),"
    "  identity BLOB NOT NULL CHECK (length(identity) = 72),"
    "  state INTEGER NOT NULL CHECK (state IN (0, 1, 2)),"
    "  name TEXT NOT NULL CHECK (length(CAST(name AS BLOB)) <= 63),"
    "  note TEXT NOT NULL CHECK (length(CAST(note AS BLOB)) <= 255),"
    "  tags TEXT NOT NULL CHECK (length(CAST(tags AS BLOB)) <= 255),"
    "  perms INTEGER NOT NULL CHECK (perms BETWEEN 0 AND 65535),"
    "  first_seen INTEGER NOT NULL CHECK (first_seen >= 0),"
    "  admitted INTEGER NOT NULL CHECK (admitted >= 0),"
    "  last_seen INTEGER NOT NULL CHECK (last_seen >= 0),"
    "  revoked INTEGER NOT NULL CHECK (revoked >= 0),"
    "  PRIMARY KEY (netid, addr)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE UNIQUE INDEX member_name ON member (netid, name) WHERE name <> '';"
    "CREATE INDEX member_pending ON member (netid, last_seen) WHERE state = 0;"

    "CREATE TABLE address ("
    "  netid INTEGER NOT NULL,"
    "  ip BLOB NOT NULL CHECK (length(ip) IN (4, 16)),"
    "  bits INTEGER NOT NULL CHECK (bits BETWEEN 0 AND 128),"
    "  addr INTEGER NOT NULL,"
    "  pos INTEGER NOT NULL,"
    "  PRIMARY KEY (netid, ip),"
    "  FOREIGN KEY (netid, addr) REFERENCES member (netid, addr) ON DELETE CASCADE"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX address_member ON address (netid, addr, pos);"

    /* No reference to member: a revocation outlives the member's deletion. */
    "CREATE TABLE revocation ("
    "  netid INTEGER NOT NULL REFERENCES network (netid) ON DELETE CASCADE,"
    "  addr INTEGER NOT NULL CHECK (addr BETWEEN 1 AND 1099511627775),"
    "  at INTEGER NOT NULL CHECK (at > 0),"
    "  PRIMARY KEY (netid, addr)"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX revocation_at ON revocation (netid, at);"

    "CREATE TABLE invite ("
    "  netid INTEGER NOT NULL REFERENCES network (netid) ON DELETE CASCADE,"
    "  hash BLOB NOT NULL CHECK (length(hash) = 32),"
    "  note TEXT NOT NULL CHECK (length(CAST(note AS BLOB)) <= 255),"
    "  created INTEGER NOT NULL CHECK (created >= 0),"
    "  expires INTEGER NOT NULL CHECK (expires >= 0),"
    "  used_by INTEGER NOT NULL CHECK (used_by BETWEEN 0 AND 1099511627775),"
    "  used INTEGER NOT NULL CHECK (used >= 0),"
    "  PRIMARY KEY (netid, hash)"
    ") STRICT, WITHOUT ROWID;";

/* The roots that the owner chose for a network, by address. */
static const char schema_2[] = "ALTER TABLE network ADD COLUMN chosen BLOB NOT NULL DEFAULT x''";

const char *const ov_sqlite_migrations[] = {schema_1, schema_2};
const int ov_sqlite_version = sizeof ov_sqlite_migrations / sizeof ov_sqlite_migrations[0];

const char *const ov_sqlite_sql[OV_SQL_COUNT] = {
    [OV_SQL_BEGIN] = "BEGIN IMMEDIATE",
    [OV_SQL_COMMIT] = "COMMIT",
    [OV_SQL_ROLLBACK] = "ROLLBACK",

    [OV_SQL_NET_PUT] =
        "INSERT INTO network (" NETWORK_COLUMNS ")"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)"
        " ON CONFLICT (netid) DO UPDATE SET name = ?2, note = ?3, created = ?4, revision = ?5,"
        " flags = ?6, mtu = ?7, window_s = ?8, multicast_limit = ?9, open = ?10, ip6 = ?11,"
        " pools = ?12, routes = ?13, dns_domain = ?14, dns = ?15, roots = ?16, rules = ?17,"
        " chosen = ?18",
    [OV_SQL_NET_GET] = "SELECT " NETWORK_COLUMNS " FROM network WHERE netid = ?1",
    [OV_SQL_NET_BY_NAME] = "SELECT " NETWORK_COLUMNS " FROM network WHERE name = ?1",
    [OV_SQL_NET_DELETE] = "DELETE FROM network WHERE netid = ?1",
    [OV_SQL_NET_EACH] = "SELECT " NETWORK_COLUMNS " FROM network ORDER BY name",

    [OV_SQL_MEMBER_PUT] =
        "INSERT INTO member (" MEMBER_COLUMNS ")"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
        " ON CONFLICT (netid, addr) DO UPDATE SET identity = ?3, state = ?4, name = ?5, note = ?6,"
        " tags = ?7, perms = ?8, first_seen = ?9, admitted = ?10, last_seen = ?11, revoked = ?12",
    [OV_SQL_MEMBER_GET] = "SELECT " MEMBER_COLUMNS " FROM member WHERE netid = ?1 AND addr = ?2",
    [OV_SQL_MEMBER_BY_NAME] =
        "SELECT " MEMBER_COLUMNS " FROM member WHERE netid = ?1 AND name = ?2 AND name <> ''",
    [OV_SQL_MEMBER_DELETE] = "DELETE FROM member WHERE netid = ?1 AND addr = ?2",
    [OV_SQL_MEMBER_EACH] = "SELECT " MEMBER_COLUMNS " FROM member WHERE netid = ?1 ORDER BY addr",
    [OV_SQL_MEMBER_SEEN] = "UPDATE member SET last_seen = ?3 WHERE netid = ?1 AND addr = ?2",
    [OV_SQL_MEMBER_COUNT] = "SELECT ifnull(sum(state = 1), 0), ifnull(sum(state = 0), 0)"
                            " FROM member WHERE netid = ?1",
    [OV_SQL_PENDING_COUNT] = "SELECT count(*) FROM member WHERE netid = ?1 AND state = 0",
    [OV_SQL_PENDING_TRIM] =
        "DELETE FROM member WHERE netid = ?1 AND addr IN (SELECT addr FROM member"
        " WHERE netid = ?1 AND state = 0 AND (last_seen < ?2 OR last_seen > ?3)"
        " ORDER BY last_seen LIMIT ?4)",

    [OV_SQL_ADDRESS_CLEAR] = "DELETE FROM address WHERE netid = ?1 AND addr = ?2",
    [OV_SQL_ADDRESS_PUT] =
        "INSERT INTO address (netid, ip, bits, addr, pos) VALUES (?1, ?2, ?3, ?4, ?5)",
    [OV_SQL_ADDRESS_EACH] =
        "SELECT ip, bits FROM address WHERE netid = ?1 AND addr = ?2 ORDER BY pos",
    [OV_SQL_ADDRESS_TAKEN] = "SELECT 1 FROM address WHERE netid = ?1 AND ip = ?2",

    [OV_SQL_INVITE_PUT] = "INSERT INTO invite (" INVITE_COLUMNS ")"
                          " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    [OV_SQL_INVITE_USE] = "UPDATE invite SET used_by = ?3, used = ?4"
                          " WHERE netid = ?1 AND hash = ?2 AND used_by IN (0, ?3)",
    [OV_SQL_INVITE_GET] = "SELECT " INVITE_COLUMNS " FROM invite WHERE netid = ?1 AND hash = ?2",
    [OV_SQL_INVITE_EACH] =
        "SELECT " INVITE_COLUMNS " FROM invite WHERE netid = ?1 ORDER BY created, hash",
    [OV_SQL_INVITE_DELETE] =
        "DELETE FROM invite WHERE netid = ?1 AND used_by = 0 AND hash = ifnull(?2, hash)",

    [OV_SQL_REVOCATION_PUT] = "INSERT INTO revocation (netid, addr, at) VALUES (?1, ?2, ?3)"
                              " ON CONFLICT (netid, addr) DO UPDATE SET at = max(at, ?3)",
    [OV_SQL_REVOCATION_PRUNE] = "DELETE FROM revocation WHERE netid = ?1 AND at < ?2",
    [OV_SQL_REVOCATION_EACH] = "SELECT r.addr, r.at FROM revocation r"
                               " LEFT JOIN member m ON m.netid = r.netid AND m.addr = r.addr"
                               " WHERE r.netid = ?1 AND r.at > ?2"
                               " ORDER BY m.state IS 1, r.at DESC LIMIT ?3", /* 1: admitted */
    [OV_SQL_CLOCK_GET] = "SELECT last, reserved FROM clock WHERE id = 1",
    [OV_SQL_CLOCK_PUT] = "UPDATE clock SET last = ?1, reserved = ?2 WHERE id = 1",
};
