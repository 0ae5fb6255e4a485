/* store: what a controller keeps, behind a small table of functions, so that another database can
 * stand beside SQLite. Every call is one transaction: when it returns OV_OK the change survives
 * kill -9 and power loss; on error nothing of it is there. Errors: OV_EIO (disk full among them;
 * `ov_store.error` says it in words), OV_ENOENT, OV_EEXIST, OV_EVERSION.
 *
 * The callbacks of the _each functions stop the walk by returning other than OV_OK, which is then
 * the result. They may read other things from the store, but neither change it nor start the same
 * walk again. A store is used from one thread. */
#ifndef OV_CONTROLLER_STORE_H
#define OV_CONTROLLER_STORE_H

#include "core/credential.h"
#include "core/invite.h"

#define OV_NOTE_MAX  256
#define OV_TAGS_MAX  256 /* comma-separated words */
#define OV_POOLS_MAX 4

/* Everything the owner can set on a network. */
struct ov_net_record {
    ov_netid netid;
    char name[OV_NET_NAME_MAX]; /* unique in a controller */
    char note[OV_NOTE_MAX];
    ov_wall created;
    uint64_t revision; /* of the signed configuration; grows with each change */
    uint16_t flags, mtu;
    uint32_t window_s, multicast_limit;
    bool open; /* members are admitted without asking the owner */
    uint8_t npools;
    struct ov_prefix pools[OV_POOLS_MAX]; /* IPv4 subnets that addresses are given from */
    bool ip6;                             /* one RFC 4193 address for each member */
    uint8_t nroutes, ndns;
    struct ov_route routes[OV_NET_ROUTES_MAX];
    char dns_domain[OV_NET_NAME_MAX];
    struct ov_ip dns[OV_NET_DNS_MAX];
    uint8_t nroots;
    struct ov_net_root roots[OV_NET_ROOTS_MAX];
    uint8_t nchosen; /* 0: all roots that the controller's node has; else only these */
    ov_addr chosen[OV_NET_ROOTS_MAX];
    char rules[OV_NOTE_MAX]; /* kept for later use */
};

enum ov_member_state { OV_MEMBER_PENDING = 0, OV_MEMBER_ADMITTED = 1, OV_MEMBER_DENIED = 2 };

struct ov_member_record {
    ov_netid netid;
    struct ov_identity id; /* addr set */
    enum ov_member_state state;
    char name[OV_NET_NAME_MAX]; /* given by the owner, or the host name it told */
    char note[OV_NOTE_MAX], tags[OV_TAGS_MAX];
    uint16_t perms;
    ov_wall first_seen, admitted, last_seen;
    uint8_t naddrs;
    struct ov_prefix addrs[OV_CERT_ADDRS_MAX];
    ov_wall revoked; /* certificates up to this instant are void; 0: none */
};

struct ov_invite_record {
    ov_netid netid;
    uint8_t hash[32]; /* BLAKE2b-256 of the secret; the secret itself is not kept */
    char note[OV_NOTE_MAX];
    ov_wall created, expires; /* expires 0: never */
    ov_addr used_by;          /* 0: not used */
    ov_wall used;
};

struct ov_store {
    const struct ov_store_ops *ops;
    char error[256]; /* the last failure in words */
};

struct ov_store_ops {
    void (*close)(struct ov_store *s);
    int (*net_put)(struct ov_store *s,
                   const struct ov_net_record *n); /* insert or update; OV_EEXIST: name taken */
    int (*net_get)(struct ov_store *s, ov_netid id, struct ov_net_record *out);
    int (*net_by_name)(struct ov_store *s, const char *name, struct ov_net_record *out);
    int (*net_delete)(struct ov_store *s, ov_netid id); /* with its members and invites */
    int (*net_each)(struct ov_store *s, int (*fn)(void *arg, const struct ov_net_record *n),
                    void *arg);
    /* One transaction: the member, and (when not NULL) the invite it used. */
    /* OV_EEXIST: the name or an address belongs to another member, or the invite is used;
     * OV_ENOENT: no such network or invite. A new `revoked` is also kept as a revocation, which
     * outlives the member, as long as the longest agreement window (OV_WINDOW_MAX). */
    int (*member_put)(struct ov_store *s, const struct ov_member_record *m,
                      const struct ov_invite_record *used);
    /* Put a new pending member without addresses. Where there are `max` already, the ones seen
     * longest ago give way, if that was before `silent` (or after m->last_seen, which is now: the
     * clock was wrong once); else OV_EFULL, and nothing is written. May be lost in a power cut, not
     * in a crash: the node asks again. */
    int (*pending_put)(struct ov_store *s, const struct ov_member_record *m, size_t max,
                       ov_wall silent);
    int (*member_get)(struct ov_store *s, ov_netid id, ov_addr a, struct ov_member_record *out);
    int (*member_by_name)(struct ov_store *s, ov_netid id, const char *name,
                          struct ov_member_record *out);
    int (*member_delete)(struct ov_store *s, ov_netid id, ov_addr a);
    int (*member_each)(struct ov_store *s, ov_netid id,
                       int (*fn)(void *arg, const struct ov_member_record *m), void *arg);
    int (*member_seen)(struct ov_store *s, ov_netid id, ov_addr a,
                       ov_wall when); /* may be lost in a crash */
    int (*member_count)(struct ov_store *s, ov_netid id, size_t *admitted, size_t *pending);
    /* Is this address given to a member of the network? */
    int (*address_taken)(struct ov_store *s, ov_netid id, const struct ov_ip *ip, bool *taken);
    int (*invite_put)(struct ov_store *s, const struct ov_invite_record *i);
    int (*invite_get)(struct ov_store *s, ov_netid id, const uint8_t hash[32],
                      struct ov_invite_record *out);
    int (*invite_each)(struct ov_store *s, ov_netid id,
                       int (*fn)(void *arg, const struct ov_invite_record *i), void *arg);
    /* Delete this invite, or with `hash` NULL all of the network, as far as they are unused; *count
     * (at least one, when `hash` is given; else OV_ENOENT). */
    int (*invite_delete)(struct ov_store *s, ov_netid id, const uint8_t *hash, size_t *count);
    /* Revocations later than `after`, at most `max`: of who is no member any more, then of who was
     * given other addresses; the newest first. */
    int (*revocation_each)(struct ov_store *s, ov_netid id, ov_wall after, size_t max,
                           int (*fn)(void *arg, const struct ov_revocation *r), void *arg);
    /* The clock of what was signed (see engine.h): `last` may be lost in a power cut, and with it
     * the whole call unless `durable`. */
    int (*clock_get)(struct ov_store *s, ov_wall *last, ov_wall *reserved);
    int (*clock_put)(struct ov_store *s, ov_wall last, ov_wall reserved, bool durable);
};

/* The embedded default: SQLite, WAL, schema version and migrations. `path` may be ":memory:". On
 * failure *out is NULL and `error` (at least 256 bytes) has a sentence that says what to do: OV_EIO
 * (no permission, not a database, disk full), OV_EVERSION (made by a newer ovpn). The file is made
 * 0600. */
OV_CHECK int ov_store_sqlite_open(const char *path, struct ov_store **out, char error[256]);

#endif
