/* node: the protocol engine, and the one public header of core/.
 *
 * A node is a state machine without I/O. The edge gives it batches of datagrams and frames and the
 * time; randomness is a callback; outputs are pulled. The rule of use is one turn:
 *
 *     ov_node_datagrams(n, batch, count, now);     or _frames(), _tick(), or any other input
 *     while (ov_node_pull(n, &out)) ...            all outputs of the turn
 *     sleep until ov_node_deadline(n), then ov_node_tick(n, now)
 *
 * Outputs point into the node or into the input batch and live until the next input call, so input
 * buffers must outlive the pulling. What does not fit into the output buffer is dropped and
 * counted. Nothing here allocates for each packet. A node is used from one thread; nodes share
 * nothing.
 *
 * Time (`now`) is monotonic nanoseconds, never zero, and never goes back. */
#ifndef OV_CORE_NODE_H
#define OV_CORE_NODE_H

#include "beacon.h"
#include "local.h"
#include "log.h"
#include "natprofile.h"
#include "netstate.h"
#include "output.h"
#include "stats.h"
#include "strategy.h"
#include "twins.h"
#include "types.h"
#include "why.h"
#include "wire.h"

struct ov_node;

struct ov_node_config {
    const struct ov_identity_secret *identity; /* copied */
    uint8_t caps;                              /* enum ov_cap: what this node offers */
    struct ov_pow pow;                         /* OV_POW_DEFAULT but in tests */
    struct ov_random random;
    struct ov_log log;
    size_t out_bytes;    /* output buffer; 0: 2 MiB */
    size_t max_peers;    /* 0: 16384 */
    bool volunteer;      /* relay for the members of our networks, root or not */
    uint64_t relay_rate; /* bytes a second each source may relay through us; 0: 12.5 MB as a root,
                            2.5 MB for members */
    bool no_aes;         /* never offer AES-256-GCM (tests, benchmarks) */
};

/* `wall` feeds only handshake stamps. OV_ENOMEM, OV_EINVAL. */
OV_CHECK int ov_node_new(const struct ov_node_config *cfg, ov_time now, ov_wall wall,
                         struct ov_node **out);
void ov_node_free(struct ov_node *n); /* wipes all keys */
const struct ov_identity *ov_node_identity(const struct ov_node *n);

/* ---- the edge tells what it has ---- */

/* The whole list again whenever it changes; a change is a network change: paths are proven anew.
 * Addresses of our own TAPs must not be in it. */
void ov_node_set_locals(struct ov_node *n, const struct ov_local *v, size_t count, ov_time now);
/* A router forwards this endpoint to our IPv4 socket; NULL: none does. */
void ov_node_set_mapped(struct ov_node *n, const struct ov_endpoint *ep, ov_time now);
void ov_node_set_sockets(struct ov_node *n, const uint8_t *families, size_t count, ov_time now);
/* A root's second UDP port, socket OV_SOCKET_REFLECT, on which it answers who asks for it (NAT
 * profiles); 0: it has none. */
#define OV_REFLECT_PORT(root) ((uint16_t)((root) + 1)) /* by default */
void ov_node_set_reflect_port(struct ov_node *n, uint16_t port, ov_time now);
/* The answer to OV_EVENT_SOCKETS: `ports[i]` is the port of socket `first` + i, 0 where it could
 * not be opened. Without an answer the node gets along with its ordinary sockets. */
void ov_node_extra_sockets(struct ov_node *n, uint64_t id, uint16_t first, const uint16_t *ports,
                           size_t count, ov_time now);
/* The host slept, or something else made all paths doubtful. */
void ov_node_network_changed(struct ov_node *n, ov_time now);
/* The same for what goes by IPv4 (`family` 4) or IPv6 (6) alone, all of it (0). */
void ov_node_rerouted(struct ov_node *n, uint8_t family, ov_time now);

/* Find members on the LAN (lan.h): send beacons when OV_EVENT_LAN says so, and take those heard.
 * Off at first. */
void ov_node_set_lan(struct ov_node *n, bool on, ov_time now);
/* The beacon to send from the address `source` of ours to everybody on its LAN; `port` is that of
 * our socket of its family. A new one for each interface. Returns its length, 0: nothing to say. */
size_t ov_node_beacon(struct ov_node *n, const struct ov_ip *source, uint16_t port,
                      uint8_t out[OV_BEACON_MAX], ov_time now);
/* One came from an address on a LAN of ours, its scope set if it is link-local. */
void ov_node_beacon_heard(struct ov_node *n, const struct ov_endpoint *from, const uint8_t *data,
                          size_t len, ov_time now);

/* A root (or a server that is asked first) known by name: `host` labels it in events and status. If
 * its identity is known it is given, else it is asked (WHO) at the endpoints. Call again with new
 * endpoints after a new look-up of the name. OV_EFULL above OV_ROOTS_MAX. */
#define OV_ROOTS_MAX 8
OV_CHECK int ov_node_add_root(struct ov_node *n, const char *host, const struct ov_identity *id,
                              const struct ov_endpoint *eps, size_t count, ov_time now);
void ov_node_remove_root(struct ov_node *n, const char *host, ov_time now);

/* Streams to roots, see local.h. OV_EVENT_LINK tells when some are wanted (ov_root_info). What
 * comes by them goes into ov_node_datagrams with socket OV_SOCKET_LINK, as for streams that clients
 * of ours, a root, have made; those need no `up`. */
OV_CHECK int ov_node_link_up(struct ov_node *n, const char *host, const struct ov_endpoint *ep,
                             ov_time now); /* OV_ENOENT: no such root; OV_EFULL */
void ov_node_link_down(struct ov_node *n, const struct ov_endpoint *ep, ov_time now);

/* Join: `controller` may be NULL (then it is learnt from a root and proven against the netid);
 * `secret` (16 bytes, of an invite) may be NULL. OV_EEXIST if joined already (a secret is then used
 * for another request), OV_EFULL above OV_NETWORKS_MAX. */
OV_CHECK int ov_node_join(struct ov_node *n, ov_netid net, const struct ov_identity *controller,
                          const uint8_t *secret, const char *hostname, ov_time now);
OV_CHECK int ov_node_leave(struct ov_node *n, ov_netid net, ov_time now);
/* Multicast groups the host's TAP listens to (broadcast is always on). Whole list each time. */
void ov_node_set_groups(struct ov_node *n, ov_netid net, const struct ov_mac *v, size_t count,
                        ov_time now);

/* Give back what OV_OUT_PERSIST stored, before the first input. Broken data is OV_EINVAL and
 * ignored; but a network of which only the configuration or the certificate is no good (any more)
 * is joined all the same, and asks for others. */
OV_CHECK int ov_node_restore(struct ov_node *n, enum ov_persist_kind kind, uint64_t id,
                             const void *data, size_t len, ov_time now);

/* ---- input ---- */

/* A datagram, opened in place: the buffer is consumed. */
struct ov_datagram {
    uint16_t socket;
    struct ov_endpoint from;
    uint8_t *data;
    size_t len;
    struct ov_ip to; /* the address of ours that it came to; family 0: not known */
};
void ov_node_datagrams(struct ov_node *n, const struct ov_datagram *v, size_t count, ov_time now);

/* An Ethernet frame from the TAP, or a superframe as `offload` tells. It is consumed, and
 * OV_FRAME_HEADROOM bytes before `data` belong to the engine too. */
#define OV_FRAME_HEADROOM 16
struct ov_frame {
    uint8_t *data;
    size_t len;
    struct ov_offload offload;
};
void ov_node_frames(struct ov_node *n, ov_netid net, const struct ov_frame *v, size_t count,
                    ov_time now);
void ov_node_tick(struct ov_node *n, ov_time now);
ov_time ov_node_deadline(const struct ov_node *n);

/* A message of the controller part to a node: NET_REPLY or REVOKE, already encoded. To ourselves
 * too. To a known peer without a session it waits for one; OV_ENOENT when the peer is not known
 * (the node will ask again). */
OV_CHECK int ov_node_send(struct ov_node *n, ov_addr to, const uint8_t *msg, size_t len,
                          ov_time now);

/* The member that has this IP in one of our networks, ourselves too; 0: nobody that is known. Then
 * the directories of the network whose subnet it is in are asked, and *asked is true: it may be
 * known in a second. */
ov_addr ov_node_seek(struct ov_node *n, const struct ov_ip *ip, bool *asked, ov_time now);

/* Measure the round trip to a peer, connecting first if need be; OV_EVENT_PONG follows with `id`,
 * rtt 0 when nothing came within 5 s. */
OV_CHECK int ov_node_ping(struct ov_node *n, ov_addr to, uint64_t id, ov_time now);
/* The same with a datagram of the least size that every path has to carry: where only small ones
 * get through, this one does not. */
OV_CHECK int ov_node_ping_full(struct ov_node *n, ov_addr to, uint64_t id, ov_time now);

/* Tell peers that we go (sessions closed); pull once more after it. */
void ov_node_shutdown(struct ov_node *n, ov_time now);

/* ---- output: see output.h ---- */

bool ov_node_pull(struct ov_node *n, struct ov_output *out);

/* ---- what people may see ---- */

void ov_node_stats(const struct ov_node *n, struct ov_node_stats *out);

/* What is known of the NAT in front of us. */
void ov_node_nat(const struct ov_node *n, struct ov_nat_profile *out);

struct ov_network_info {
    ov_netid net;
    enum ov_net_state state;
    enum ov_net_status status; /* last answer of the controller */
    ov_addr controller;
    bool controller_online; /* answered to our last request */
    struct ov_mac mac;
    char member_name[OV_NET_NAME_MAX];
    bool has_config;
    struct ov_net_config config; /* when has_config */
    struct ov_cert cert;         /* when state is READY */
    size_t members;              /* that we know a valid certificate of */
};
OV_CHECK int ov_node_network(const struct ov_node *n, ov_netid net, struct ov_network_info *out);
size_t ov_node_networks(const struct ov_node *n, ov_netid *out, size_t cap);

/* What was done to get to a peer directly. */
struct ov_punch_info {
    bool told; /* the peer told what NAT it is behind: `theirs`, and what follows from it */
    struct ov_nat_view theirs;
    enum ov_strategy strategy;
    unsigned round;
    unsigned attempts, packets; /* hard attempts, and their datagrams */
    enum ov_attempt_result result;
};

/* Is our own identity alive on another computer, too, as a root or controller told lately? */
bool ov_node_twin(const struct ov_node *n, struct ov_twin_info *out);

enum ov_peer_path { OV_PEER_NONE, OV_PEER_RELAY, OV_PEER_DIRECT };
struct ov_peer_info {
    struct ov_identity id;
    uint8_t caps;
    bool is_root, session;
    enum ov_aead aead;
    enum ov_peer_path path;
    struct ov_endpoint remote; /* DIRECT: the peer's; RELAY: none */
    bool link;                 /* DIRECT: by a stream, and `remote` is its remote end */
    ov_addr via;               /* RELAY: the address of the root, */
    bool via_member;           /* or of a member that relays */
    ov_time since;             /* when this path was chosen */
    ov_time last_rx, last_tx;  /* authenticated */
    ov_time rtt, jitter;       /* 0: not measured */
    uint32_t loss_permille;    /* of probes, recent */
    uint16_t mtu;              /* largest UDP payload proven on this path */
    uint64_t rx_bytes, tx_bytes, rx_datagrams, tx_datagrams;
    enum ov_why why; /* RELAY: why not direct */
    struct ov_punch_info punch;
    ov_time twice; /* when it last showed to be alive on two computers; 0: it is not */
    struct ov_endpoint places[2]; /* then: where it was heard last, and before; family 0: a relay */
    size_t nnets;
    struct {
        ov_netid net;
        uint8_t naddrs;
        struct ov_prefix addrs[OV_CERT_ADDRS_MAX];
    } nets[4]; /* networks in which its certificate is valid */
};
OV_CHECK int ov_node_peer(const struct ov_node *n, ov_addr addr, struct ov_peer_info *out);
enum ov_bond ov_node_bond(const struct ov_node *n, ov_addr addr);
size_t ov_node_peers(const struct ov_node *n, ov_addr *out, size_t cap);

struct ov_root_info {
    char host[OV_NET_NAME_MAX * 2];
    ov_netid net;          /* the network whose configuration names it; 0: the user did */
    ov_addr addr;          /* 0: has not answered yet */
    bool online, mismatch; /* mismatch: another identity than the pinned one answered */
    bool is_root;          /* offers to relay */
    uint8_t nendpoints;
    struct ov_endpoint endpoints[OV_ROOT_ENDPOINTS_MAX];
    struct ov_endpoint seen; /* how it sees us */
    ov_time rtt;
    ov_time asked;                     /* since when we try */
    enum ov_rootlink_state link_state; /* what is wanted of streams to it */
    struct ov_endpoint link; /* the stream that is the chosen way; family 0: none. Close others */
    const struct ov_identity *id; /* NULL: not known yet. Lives until the next input */
};
size_t ov_node_roots(const struct ov_node *n, struct ov_root_info *out, size_t cap);

#endif
