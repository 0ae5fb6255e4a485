/* daemon: what `ovpn service` is made of. The composition root owns the loop, the sockets and the
 * engine; each room (hosts, networks, owner, API) has a struct of its own and sees the others
 * through this board.
 *
 * The rule of use of the engine: each input is followed by ov_daemon_drain(), which carries the
 * outputs away. Draining never calls the engine's inputs: what an event asks for (a network to set
 * up, a request to answer) is marked, and done once before the loop sleeps. So nothing here is
 * re-entrant. */
#ifndef OV_CLI_DAEMON_H
#define OV_CLI_DAEMON_H

#include "clock.h"
#include "config.h"
#include "conflicts.h"
#include "pace.h"
#include "pings.h"
#include "priority.h"

#include <uv.h>

#define OV_DAEMON_SOCKETS 2 /* IPv4 and IPv6 */

struct ov_sandbox;
struct ov_udp;
struct ov_daemon_socket {
    struct ov_daemon *d;
    uint16_t index; /* its number in the engine */
    struct ov_udp *udp;
    struct ov_endpoint bound;
};

struct ov_daemon {
    const struct ov_settings *settings;
    const struct ov_sandbox *sandbox; /* NULL: none was entered */
    struct ov_log log;
    uv_loop_t loop;
    struct ov_node *node;
    struct ov_state *state;
    struct ov_hosts *hosts;
    struct ov_networks *networks;
    struct ov_uplink *uplink;
    struct ov_links *links;
    struct ov_owner *owner; /* NULL: no controller here */
    struct ov_pings pings;
    struct ov_conflicts conflicts;
    ov_time twin_said; /* when the log was last told that our identity is alive twice */
    struct ov_persist *persist;
    struct ov_watch *watch;
    struct ov_portmap *portmap;     /* NULL: switched off */
    struct ov_ip seen;              /* our IPv4 address, as roots saw it last */
    bool peer_changed;              /* since it was compared */
    struct ov_discovery *discovery; /* NULL: switched off */
    bool announce;                  /* the engine wants beacons sent */
    struct ov_api *api;
    size_t nsockets;
    struct ov_daemon_socket sockets[OV_DAEMON_SOCKETS];
    struct ov_daemon_socket reflect; /* of a root: its second port; udp NULL: none */
    struct ov_extra_sockets *extras; /* NULL: none were needed yet */
    size_t nlocals;                  /* as the engine was last told */
    struct ov_local locals[OV_LOCALS_MAX];
    uv_timer_t timer; /* the engine's deadline: */
    ov_time alarm;    /* when it is set to */
    struct ov_priority priority;
    struct ov_pace pace;
    uv_prepare_t prepare;
    uv_signal_t sigint, sigterm, sighup;
    uint64_t sent;  /* bytes given to the sockets */
    uint16_t other; /* the socket, not an ordinary one, that was last sent on; 0: none */
    bool by_hand;   /* run on a terminal */
    struct ov_clock clock;
    ov_time started;
};

/* Sampled now, by the clock above. */
ov_time ov_daemon_now(struct ov_daemon *d);
ov_wall ov_daemon_wall(void);
/* Carry away what the engine has put out. */
void ov_daemon_drain(struct ov_daemon *d);
/* This host's own addresses with the sockets' ports, the public ones first; how many. */
size_t ov_daemon_endpoints(struct ov_daemon *d, struct ov_endpoint *out, size_t cap);

/* Run until SIGINT or SIGTERM, in the sandbox that was entered. OV_OK, or an error that `why`
 * tells. All is closed then, except what *busy is about: a thread of libuv's pool is not back from
 * a name server or a disk that does not answer. It uses the state directory, which stays locked;
 * and exit() would wait for it, so the process ends by _exit(). */
OV_CHECK int ov_daemon_run(const struct ov_settings *settings, const struct ov_sandbox *sandbox,
                           bool *busy, char why[OV_WHY_MAX]);

#endif
