/* peer: one other node: its pinned identity, session, paths, and what waits for it.
 *
 * Theory of operation. A peer is made when its identity is proven, and pins it: no other key can
 * have its address while the peer is known. A message goes out through ov_peer_send(): sealed under
 * the current key by the best direct path if there is one, else by relay; without a key it waits in
 * a bounded queue while a handshake runs. All timing of a peer is one timer and one function
 * (peer_service.c) that looks at its fields and does what is due; whoever sets a field to
 * something earlier calls ov_peer_wake(). The data path only notes instants.
 *
 * Silence is judged twice. `unanswered` is when we first sent on the chosen path without hearing on
 * it since: it makes that path covered by the relay, doubted, dead (path.h). `unheard` is the same
 * for the peer as a whole: it leads to a new handshake, since the other side may have lost its
 * keys. */
#ifndef OV_CORE_PEER_H
#define OV_CORE_PEER_H

#include "engine.h"
#include "fragment.h"
#include "keepalive.h"
#include "path.h"
#include "session.h"

#define OV_QUEUE_MAX      32
#define OV_QUEUE_BYTES    (48u << 10)
#define OV_PEER_ACTIVE    (60 * OV_SEC) /* after the last frame */
#define OV_PEER_FORGET    (600 * OV_SEC)
#define OV_KEEPALIVE_ROOT (20 * OV_SEC)
#define OV_KEEPALIVE_PEER (15 * OV_SEC)
#define OV_PEER_LARGE     OV_SEC /* the MTU is checked as often while large datagrams leave */
#define OV_PATH_TRUST     (30 * OV_SEC) /* a path not heard of for so long is covered by the relay */
#define OV_UNHEARD        (3 * OV_SEC)
#define OV_HINTS_MAX      4

struct ov_hops;
struct ov_punch;

struct ov_queued {
    struct ov_queued *next;
    size_t len;
    uint8_t msg[];
};

/* A way to hand over one datagram: direct, or through `relay`. */
struct ov_via {
    struct ov_peer *relay; /* NULL: direct */
    uint16_t socket;
    struct ov_ip local; /* the address of ours at this end; family 0: as the host routes */
    struct ov_endpoint ep;
};

/* What every packet reads and writes lies together, in two lines of memory (asserted in peer.c):
 * from the address, which ends the identity, to the keys, which begin the session. */
struct ov_peer {
    struct ov_timer timer;
    struct ov_peer *keep_next;
    ov_addr relay_via; /* the root it was last heard through; 0: none */
    struct ov_identity id;
    ov_time last_rx;             /* authenticated */
    ov_time unheard, unanswered; /* 0: not in doubt */
    uint64_t rx_bytes, rx_datagrams;
    ov_time last_tx, last_frame; /* authenticated; frames of a network */
    uint64_t tx_bytes, tx_datagrams;
    ov_time last_large; /* we last sent more than any path takes */
    void *upper;        /* rank 4: its membership used last; NULL: none */
    struct ov_engine *e;
    struct ov_paths *paths; /* NULL until a session is wanted */
    struct ov_session s;

    uint8_t caps;
    bool relay;        /* we use it as a relay: one of our roots that offers it */
    bool volunteer;    /* a member that relays for the members of a network of ours */
    bool chosen;       /* a root that the user named, so one of all our networks */
    unsigned keep;     /* how many want the connection kept */
    bool remember;     /* worth persisting: it is, or was when last looked at, tied to us */
    ov_time believed;  /* stored as tied to us, and until then that counts without a certificate;
                          OV_NEVER: from its first session on for a while; 0: it does not */
    ov_time persisted; /* last; 0: not since the start */
    enum ov_bond announced; /* by its entries in a directory of ours */
    bool claimed; /* only a certificate says that this key has the address: not proven here */

    struct ov_endpoint hints[OV_HINTS_MAX]; /* where it may be, for handshakes */
    uint8_t nhints;
    struct ov_via respond_via; /* where our unconfirmed RESPONSE went */
    uint16_t respond_boot;

    bool hs_wanted, hs_brief; /* brief: not worth much patience */
    unsigned hs_tries;
    ov_time hs_since, hs_next;

    struct ov_queued *queue, **queue_tail;
    size_t queued, queued_bytes;

    ov_time next_doubt, keepalive_next;

    struct ov_fragments *fragments;
    uint16_t next_fragment;
    struct ov_punch *punch;
    struct ov_hops *hops;          /* relays to it; NULL: no frames were relayed yet */
    struct ov_bucket relay_bucket; /* what it may relay through us */
    bool relay_bucket_ready;
    uint64_t relay_credit;        /* bytes of that which its address has paid for already */
    struct ov_bucket challenges;  /* endpoints it turned up at that we may probe */
    struct ov_bucket control;     /* requests of it that cost us something */
    struct ov_bucket reflections; /* REFLECTs of it */
    struct ov_bucket asks;        /* questions of ours for its certificate */
    ov_time lan_tried;            /* last, because a beacon said where it is; 0: never */
    ov_time sought;               /* last told the ranks above; 0: not since it was direct */
    struct ov_endpoint seen;      /* how it sees us (roots) */
    uint16_t reflect_port;        /* its other port (roots); 0: none known */
    uint8_t late;                 /* answers that we, a root, still owe it */
    struct ov_keepalive alive;
    struct ov_served *served; /* its streams to us, a root: the newest first */
    unsigned nserved;
};

/* A packet from or to this peer will be dealt with soon. */
static inline void ov_peer_prefetch(const struct ov_peer *p)
{
    ov_prefetch(&p->id.addr);
    ov_prefetch(&p->s);
}

/* ---- table ---- */
struct ov_peer *ov_peer_find(const struct ov_engine *e, ov_addr a);
struct ov_peer *ov_peer_by_key(const struct ov_engine *e, const struct ov_dh_public *dh);
/* The peer of a proven identity, made if need be (then an idle one may be evicted). OV_ECONFLICT:
 * another key is pinned for the address (counted, told); OV_EFULL; OV_EINVAL: ourselves. */
OV_CHECK int ov_peer_get(struct ov_engine *e, const struct ov_identity *id, struct ov_peer **out);
/* The same for an identity that some network's controller vouches for: it pins the address only
 * until somebody proves to have it. */
OV_CHECK int ov_peer_claim(struct ov_engine *e, const struct ov_identity *id, struct ov_peer **out);
/* Has this key its address? Checks the proof of work of a claimed one. */
bool ov_peer_prove(struct ov_peer *p);
void ov_peer_forget(struct ov_peer *p);
void ov_peer_conflict(struct ov_engine *e, ov_addr a);
/* Keep connected, or not any more (counted). */
void ov_peer_keep(struct ov_peer *p);
void ov_peer_unkeep(struct ov_peer *p);
void ov_peer_hint(struct ov_peer *p, const struct ov_endpoint *ep);
void ov_peer_persist(struct ov_peer *p);
/* Unless that was done today: those long unheard of are forgotten one day. */
void ov_peer_persist_again(struct ov_peer *p);
/* Make a peer of what was persisted; recent ones are called at once. */
OV_CHECK int ov_peer_restore(struct ov_engine *e, ov_addr a, const void *data, size_t len);

/* ---- sending ---- */
enum ov_send_flag {
    OV_SEND_FRAME = 1 << 0, /* a network's frame: keeps the peer active, asks for a direct path */
    OV_SEND_QUIET = 1 << 1, /* an answer: expects none itself */
};
/* Send, or queue until a session stands. OV_EFULL, OV_ENOENT (no path), OV_ELIMIT: dropped and
 * counted. */
int ov_peer_send(struct ov_peer *p, const uint8_t *msg, size_t len, unsigned flags);
/* Send the segments of one frame of network `net` the same way, as one train. Each has room for
 * the message's header before it. A partial checksum crosses as it is, unless its four bytes more
 * would cost a fragment, or the frame has to wait. */
int ov_peer_send_segments(struct ov_peer *p, ov_netid net, struct ov_segments *s);
/* Send under the current key by a certain way; never queued, never fragmented. */
int ov_peer_send_via(struct ov_peer *p, const struct ov_via *via, uint8_t ttl, const uint8_t *msg,
                     size_t len);
/* Measure a path (index, OV_PATH_RELAY or OV_PATH_HOP); `size` pads the datagram to so many bytes.
 * False: it did not leave. */
bool ov_peer_probe(struct ov_peer *p, int path, uint16_t size, uint64_t user_id);
/* Tell whoever waits for the ping `user_id` that nothing came back. */
void ov_peer_ping_lost(struct ov_peer *p, uint64_t user_id);
void ov_peer_drop_queue(struct ov_peer *p);
/* What waited goes out, in order, if there are a key and a way for it. */
void ov_peer_flush(struct ov_peer *p);
bool ov_peer_up(const struct ov_peer *p); /* a key to send under */
void ov_peer_connect(struct ov_peer *p);  /* start a handshake if there is no session */
void ov_peer_rehandshake(struct ov_peer *p);
/* Call where it may be, at once, but not for long. */
void ov_peer_try(struct ov_peer *p);
/* We want to reach it and have no direct way: say so to the ranks above, every few seconds. */
void ov_peer_seek(struct ov_peer *p);
/* The way of path index i (or OV_PATH_RELAY, OV_PATH_HOP). False: there is none now. */
bool ov_peer_via(struct ov_peer *p, int path, struct ov_via *out);
bool ov_peer_route(struct ov_peer *p, struct ov_via *out);
/* What relays to `p` now, a root or a member; NULL: nothing does. See hop.h. */
struct ov_peer *ov_peer_relay_for(struct ov_peer *p);
/* Not silent for so long that it is doubtful. */
bool ov_peer_heard(const struct ov_peer *p);
bool ov_peer_online(const struct ov_peer *p); /* session, and not silent */

/* ---- what ties it to us (peer_tie.c) ---- */

/* At a glance, for whom there should be room; ov_peer_tied() looks closely. */
static inline enum ov_bond ov_peer_bond(const struct ov_peer *p)
{
    return p->keep || p->remember || p->upper ? OV_BOND_OURS : p->announced;
}

/* Is it a server of ours, or a member of a network of ours, now? */
bool ov_peer_tied(const struct ov_peer *p);
/* A tie may be gone. If no other is left it is a stranger: nothing is punched to it any more, and
 * it is not remembered; with `erase` not on the disk either. */
void ov_peer_untie(struct ov_peer *p, bool erase);
/* The same for all: we lost a membership. */
void ov_peer_untie_all(struct ov_engine *e);
/* A session stands. */
void ov_peer_tie_session(struct ov_peer *p);

/* ---- happenings ---- */
void ov_peer_wake(struct ov_peer *p, ov_time when);
/* `via`: the way the handshake proved; neither relay nor endpoint: none. */
void ov_peer_session_up(struct ov_peer *p, const struct ov_via *via, bool initiated, uint16_t boot);
/* A path was proven by an answer. */
void ov_peer_path_proven(struct ov_peer *p, int path, ov_time rtt);
/* The chosen path probably leads nowhere: unless just heard on, it has to be proven anew. True: so
 * it has, and the caller chooses. */
bool ov_peer_doubt_path(struct ov_peer *p);
/* The peer itself says so, by a handshake from elsewhere or a PUNCH: our direct paths, unless just
 * made, lead nowhere, however lately it was heard there. Go by relay until they are proven anew. */
void ov_peer_moved(struct ov_peer *p);
/* The same for paths just made: who starts anew has forgotten them. */
void ov_peer_left(struct ov_peer *p);
/* The chosen way is another: an event, and a line in the log. */
void ov_peer_tell(struct ov_peer *p);
/* Choose anew; tells and persists when it changed. */
void ov_peer_choose(struct ov_peer *p);
void ov_peer_lost(struct ov_peer *p); /* keys gone on the other side (CLOSE) */
/* ---- silence of the chosen direct path (peer_doubt.c) ---- */

/* The peer is heard by path `i`, which is proven and not the chosen one: call before its `last_rx`
 * is set. If that goes on while the chosen one is silent, both are probed, and the chosen one is in
 * doubt until it answers. */
void ov_peer_beside(struct ov_peer *p, int i);
/* So long may nothing come by the way in use before it is asked after. */
ov_time ov_peer_quiet(const struct ov_peer *p);
/* Should the relay carry a copy, as nothing came by the chosen direct path for long enough? */
bool ov_peer_covered(const struct ov_peer *p);
/* What is due; when to look again, or OV_NEVER. */
ov_time ov_peer_doubt(struct ov_peer *p);

/* All direct paths of this family (0: of both) are doubtful (network change). */
void ov_peer_network_changed(struct ov_peer *p, uint8_t family);
void ov_peer_service(void *peer, ov_time now); /* the timer */
/* ---- keepalives (peer_keepalive.c) ---- */

/* What is due now; when to look again, or OV_NEVER. */
ov_time ov_peer_keepalive(struct ov_peer *p);
/* The chosen way has just carried something both ways: the next one is due a whole gap from now. */
void ov_peer_kept_alive(struct ov_peer *p);
/* How long may the chosen way be silent, being in use? */
ov_time ov_peer_patience(const struct ov_peer *p);
/* The NAT turned out to forget sooner: no keepalive may come later than that. */
void ov_peers_keepalive(struct ov_engine *e);
OV_CHECK bool ov_peer_ensure_paths(struct ov_peer *p);

/* ---- streams (peer_link.c) ---- */

/* May it be reached by this one? Our roots, by those of ours to them that are not given up (what
 * comes by those does not open them anew); and where we are a root, its clients. */
bool ov_peer_may_link(const struct ov_peer *p, const struct ov_endpoint *ep);
/* A stream to it is up: try it. */
void ov_peer_link_up(struct ov_peer *p, const struct ov_endpoint *ep);
/* It is closed: that path is gone. */
void ov_peer_link_down(struct ov_peer *p, const struct ov_endpoint *ep);
/* Where we are a root: the peer has proven itself by this stream, so it is that peer's until
 * another does. The edge is told. Of too many of one peer the oldest is closed. */
void ov_peer_serve(struct ov_peer *p, const struct ov_endpoint *ep);
/* Such a stream is closed; all streams of this peer have to be. */
void ov_peer_served_down(struct ov_engine *e, const struct ov_endpoint *ep);
void ov_peer_serve_no_more(struct ov_peer *p);
/* As its root: it sends through us by this way now. Where a stream and UDP are both proven, the
 * answers take the same one. */
void ov_peer_follow(struct ov_peer *p, uint16_t socket, const struct ov_endpoint *ep);

#endif
