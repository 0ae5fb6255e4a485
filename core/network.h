/* network: one network we joined: its controller, configuration, our certificate, and the tables of
 * the switch.
 *
 * Theory of operation. A network is joined by its id. Its controller's identity comes from an
 * invite or from a root (WHOIS) and is pinned: the id holds its address. We ask the controller
 * (NET_REQUEST) until it answers; with configuration and certificate we are READY and stay so
 * without the controller: both are persisted, and certificates are only compared with each other
 * (credential.h). We ask again once in a while, so that our certificate keeps up with the others',
 * and at once when the controller was away. */
#ifndef OV_CORE_NETWORK_H
#define OV_CORE_NETWORK_H

#include "invite.h"
#include "locate.h"
#include "netstate.h"
#include "revoked.h"

#define OV_MEMBERS_MAX  4096
#define OV_LEARNED_MAX  4096
#define OV_LEARNED_LIFE (300 * OV_SEC)
#define OV_LOOKUPS_MAX  32
#define OV_GROUP_CACHE  32
#define OV_HELD_MAX     8
#define OV_HELD_BYTES   16384

/* Another member, as its certificate tells. The table holds none that is revoked. */
struct ov_member {
    struct ov_network *net;
    struct ov_peer *peer; /* with the certificate's key; NULL: not looked up yet, or gone */
    ov_time heard;        /* last certificate, hello or frame */
    ov_wall hello_ts;     /* timestamp of the certificate of ours that it was last sent */
    struct ov_cert cert;
    uint8_t ngroups;
    struct ov_mac *groups; /* it told us; NULL: not told */
};

/* Frames that wait for an answer of a directory. Bounded by count and bytes. */
struct ov_held {
    struct ov_queued *head, **tail;
    size_t n, bytes;
};

/* A question to a directory under way. */
struct ov_lookup {
    struct ov_lookup_key key; /* kind 0: free */
    ov_time next, born;
    uint8_t tries;
    bool has_request; /* an ARP request or solicitation to answer when found */
    struct ov_frame_info request;
    struct ov_held held;
};

/* Who gets frames for a multicast group, as a directory told. */
struct ov_group {
    struct ov_mac mac;
    bool used, known;
    bool asking;       /* an answer is expected, */
    ov_addr after;     /* which goes on after this member; 0: begins */
    ov_addr directory; /* who told; versions are its own */
    uint64_t version;
    ov_addr fresh_directory; /* of the pages being collected */
    uint64_t fresh_version;
    ov_time asked, last_use, hold_until;
    ov_time fresh_until; /* the list is good without asking again */
    size_t n, cap, fresh_n, fresh_cap;
    ov_addr *members; /* in use */
    ov_addr *fresh;   /* being collected, page by page */
    struct ov_held held;
};

struct ov_learned {
    ov_addr member;
    ov_time seen;
};

/* Members that relay, as a directory named them. */
struct ov_volunteers {
    ov_time asked; /* 0: never */
    bool asking;   /* an answer is expected */
    unsigned tries;
    size_t n;
    ov_addr member[OV_FOUND_MAX];
};

struct ov_overlay;

struct ov_network {
    struct ov_overlay *o;
    ov_netid id;
    struct ov_identity controller;   /* addr 0: not known yet */
    struct ov_peer *controller_peer; /* kept connected; NULL: none, or ourselves */
    bool has_secret;
    uint8_t secret[OV_INVITE_SECRET_LEN];
    char hostname[OV_NET_NAME_MAX], member_name[OV_NET_NAME_MAX];

    enum ov_net_state state;
    enum ov_net_status status;
    bool controller_online;
    bool unsaved;                 /* what changed is not persisted: no room, or too soon */
    ov_time save_next;            /* the earliest that it is, then */
    bool untold;                  /* there was no room for the event of a change */
    struct ov_net_config *config; /* NULL: none */
    uint8_t config_blob[OV_CONFIG_MAX], cert_blob[OV_CERT_MAX];
    size_t config_len, cert_len;
    struct ov_cert cert; /* ours; netid 0: none */
    uint8_t false_roots; /* of the configuration, by bits: identities without proof of work */

    struct ov_mac mac;
    size_t ngroups;
    struct ov_mac groups[OV_GROUPS_MAX]; /* ours */

    struct ov_map members; /* address -> struct ov_member */
    struct ov_map ips;     /* IP -> struct ov_member */
    struct ov_map learned; /* MAC -> struct ov_learned */
    ov_time learned_swept; /* looked through for old ones */
    struct ov_revoked revoked;

    struct ov_lookup lookups[OV_LOOKUPS_MAX];
    struct ov_group group[OV_GROUP_CACHE];
    struct ov_bucket multicast;
    struct ov_bucket replies; /* of the controller that change something */
    struct ov_bucket revokes; /* revocations from the controller itself */
    struct ov_bucket floods;  /* those that we pass on */
    struct ov_bucket told;    /* certificates new to us that directories name */
    struct ov_volunteers volunteers;

    struct ov_timer timer;
    ov_time request_next, announce_next;
    unsigned announced; /* times since it changed */
    unsigned request_tries;
};

struct ov_directory;
struct ov_lan;

/* What the ranks 4 share. */
struct ov_overlay {
    struct ov_engine *e;
    struct ov_locate *locate;
    struct ov_lan *lan;
    struct ov_directory *directory; /* NULL unless we are root or controller */
    struct ov_network *nets[OV_NETWORKS_MAX];
    ov_netid ids[OV_NETWORKS_MAX]; /* theirs */
    size_t n;
    bool restoring; /* nothing is to be persisted */
    /* Roots named by a network's configuration: the node adds and drops them. */
    void (*roots_changed)(void *arg);
    void *arg;
};

struct ov_network *ov_network_find(const struct ov_overlay *o, ov_netid id);
OV_CHECK int ov_network_join(struct ov_overlay *o, ov_netid id,
                             const struct ov_identity *controller, const uint8_t *secret,
                             const char *hostname);
OV_CHECK int ov_network_leave(struct ov_overlay *o, ov_netid id);
/* Send a message to all who belong to the network and are there: members and directories. What
 * other networks named is told nothing. `from` has it already; or NULL. */
void ov_network_tell(struct ov_network *net, const struct ov_peer *from, const uint8_t *msg,
                     size_t len);
OV_CHECK int ov_network_restore(struct ov_overlay *o, ov_netid id, const void *data, size_t len);
void ov_network_free(struct ov_network *net);
bool ov_network_ready(const struct ov_network *net);
/* The controller's proven identity became known. */
void ov_network_controller(struct ov_network *net, const struct ov_identity *id);
void ov_network_reply(struct ov_network *net, const struct ov_msg_net_reply *m);
/* A peer of ours (controller, root) has a session again; `fresh`: it may have forgotten us. */
void ov_network_session(struct ov_network *net, struct ov_peer *p, bool fresh);
void ov_network_persist(struct ov_network *net);
/* The same within a second, once for all that changes meanwhile. */
void ov_network_persist_soon(struct ov_network *net);
void ov_network_wake(struct ov_network *net, ov_time when);
void ov_network_changed(struct ov_network *net); /* tell the edge */
/* We lost our membership. */
void ov_network_refuse(struct ov_network *net, enum ov_net_status status);
void ov_network_set_groups(struct ov_network *net, const struct ov_mac *v, size_t n);

#endif
