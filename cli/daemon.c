#include "daemon.h"

#include "api.h"
#include "beacons.h"
#include "extras.h"
#include "hosts.h"
#include "identity_file.h"
#include "links.h"
#include "logger.h"
#include "mapping.h"
#include "networks.h"
#include "notify.h"
#include "owner.h"
#include "persist.h"
#include "sandbox.h"
#include "sockets.h"
#include "state.h"
#include "transport/udp.h"
#include "transport/watch.h"
#include "uplink.h"
#include "version.h"

#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define GRACE_MS 1000 /* for what still runs at the end: a name's look-up, peers being written */

ov_time ov_daemon_now(struct ov_daemon *d)
{
    return ov_clock_now(&d->clock);
}

ov_wall ov_daemon_wall(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return ((ov_wall)ts.tv_sec * OV_SEC + (ov_wall)ts.tv_nsec) / OV_MS;
}

static void random_fill(void *arg, void *buf, size_t len)
{
    (void)arg;
    randombytes_buf(buf, len);
}

/* ---- outputs ---- */

static void on_pong(struct ov_daemon *d, const struct ov_out_event *e)
{
    struct ov_ping *p = ov_pings_find(&d->pings, e->id, ov_daemon_now(d));
    struct ov_peer_info peer;
    if (p == NULL || p->state != OV_PING_PENDING)
        return;
    p->state = e->rtt > 0 ? OV_PING_ANSWERED : OV_PING_TIMEOUT;
    p->rtt = e->rtt;
    p->path = e->rtt == 0 ? OV_PEER_NONE : e->relayed ? OV_PEER_RELAY : OV_PEER_DIRECT;
    if (p->path == OV_PEER_DIRECT && ov_node_peer(d->node, e->addr, &peer) == OV_OK)
        p->remote = peer.remote;
}

/* Our own identity is alive elsewhere, too; of others the engine writes by itself. */
static void on_twin(struct ov_daemon *d, const struct ov_out_event *e)
{
    struct ov_twin_info twin;
    char by[OV_ADDR_TEXT], at[OV_ENDPOINT_TEXT];
    ov_time now = ov_daemon_now(d);
    if (e->addr != ov_node_identity(d->node)->addr || !ov_node_twin(d->node, &twin) ||
        (d->twin_said != 0 && now - d->twin_said < OV_TWINS_SHOWN))
        return;
    d->twin_said = now;
    ov_log(&d->log, OV_LOG_WARN,
           "%s hears another computer with this node's identity, at %s: \"ovpn doctor\" says what "
           "to do",
           ov_addr_format(twin.by, by),
           twin.at.ip.family != 0 ? ov_endpoint_format(&twin.at, at) : "a relay");
}

/* Mark what an event asks for; doing it is for on_prepare(). */
static void on_event(struct ov_daemon *d, const struct ov_out_event *e)
{
    char addr[OV_ADDR_TEXT];
    switch (e->kind) {
    case OV_EVENT_NETWORK:
        ov_networks_mark(d->networks, e->net);
        break;
    case OV_EVENT_ROOT:
        if (d->owner != NULL)
            ov_owner_mark_roots(d->owner);
        break;
    case OV_EVENT_CONFLICT:
        if (ov_conflicts_add(&d->conflicts, e->addr, ov_daemon_wall()))
            ov_log(&d->log, OV_LOG_WARN, "a second key claims the address %s; it is refused",
                   ov_addr_format(e->addr, addr));
        break;
    case OV_EVENT_REQUEST:
        if (d->owner != NULL)
            ov_owner_request(d->owner, e->from, e->request);
        break;
    case OV_EVENT_BYE:
        if (d->owner != NULL)
            ov_owner_bye(d->owner, e->from, e->net);
        break;
    case OV_EVENT_PONG:
        on_pong(d, e);
        break;
    case OV_EVENT_TWIN:
        on_twin(d, e);
        break;
    case OV_EVENT_SOCKETS:
        ov_extras_asked(d, e);
        break;
    case OV_EVENT_SOCKETS_CLOSE:
        ov_extras_close_some(d, e->socket, e->count);
        break;
    case OV_EVENT_LAN:
        d->announce = true;
        break;
    case OV_EVENT_LINK:
        ov_links_mark(d->links);
        break;
    case OV_EVENT_LINK_PROVEN:
        ov_links_proven(d->links, e->id, e->addr);
        break;
    case OV_EVENT_LINK_CLOSE:
        ov_links_end(d->links, e->id);
        break;
    case OV_EVENT_PEER:
        d->peer_changed = true;
        break;
    }
}

void ov_daemon_drain(struct ov_daemon *d)
{
    struct ov_output o;
    struct ov_udp *udp;
    while (ov_node_pull(d->node, &o)) {
        switch (o.kind) {
        case OV_OUT_DATAGRAMS:
            if (o.datagrams.socket == OV_SOCKET_LINK) {
                ov_links_send(d->links, &o.datagrams);
                break;
            }
            d->sent += o.datagrams.len;
            if (o.datagrams.socket >= d->nsockets)
                d->other = o.datagrams.socket;
            udp = ov_sockets_udp(d, o.datagrams.socket);
            if (udp != NULL)
                ov_udp_send(udp, &o.datagrams.from, &o.datagrams.to, o.datagrams.ttl,
                            o.datagrams.data, o.datagrams.len, o.datagrams.segment);
            break;
        case OV_OUT_FRAME:
            ov_networks_frame(d->networks, &o.frame);
            break;
        case OV_OUT_EVENT:
            on_event(d, &o.event);
            break;
        case OV_OUT_PERSIST:
            ov_persist_put(d->persist, &o.persist);
            break;
        }
    }
    for (size_t i = 0; i < d->nsockets; i++)
        ov_udp_flush(d->sockets[i].udp);
    ov_links_flush(d->links);
    ov_networks_flush(d->networks);
}

/* ---- the loop ---- */

static void on_deadline(uv_timer_t *t)
{
    struct ov_daemon *d = t->data;
    ov_node_tick(d->node, ov_daemon_now(d));
    ov_daemon_drain(d);
}

/* No address tells that this host is elsewhere, or that it was away. `family`: only the packets of
 * that one go elsewhere; 0: all do. */
static void prove_paths(struct ov_daemon *d, uint8_t family)
{
    ov_node_rerouted(d->node, family, ov_daemon_now(d));
    ov_daemon_drain(d);
    ov_hosts_refresh(d->hosts);
    ov_links_refresh(d->links);
}

static void on_reroute(struct ov_daemon *d, unsigned ways)
{
    static const struct {
        const char *words;
        uint8_t family;
    } WHICH[] = {[OV_WATCH_WAY4] = {" for IPv4", 4},
                 [OV_WATCH_WAY6] = {" for IPv6", 6},
                 [OV_WATCH_WAY4 | OV_WATCH_WAY6] = {"", 0}};
    ov_log(&d->log, OV_LOG_INFO, "the default route%s is another; its paths are proven anew",
           WHICH[ways].words);
    prove_paths(d, WHICH[ways].family);
}

static void on_network(void *arg, unsigned ways)
{
    struct ov_daemon *d = arg;
    ov_mapping_check(d);
    ov_beacons_refresh(d);
    if (!ov_sockets_refresh(d)) {
        if (ways != 0)
            on_reroute(d, ways);
        return;
    }
    ov_log(&d->log, OV_LOG_DEBUG, "the addresses of this host changed");
    ov_watch_proven(d->watch);
    ov_hosts_refresh(d->hosts);
    ov_links_refresh(d->links);
    if (d->owner != NULL)
        ov_owner_mark_roots(d->owner);
}

static void arm_timer(struct ov_daemon *d)
{
    ov_time when = ov_node_deadline(d->node), now;
    ov_clock_alarm(&d->clock, when);
    if (when == d->alarm && uv_is_active((uv_handle_t *)&d->timer))
        return; /* most packets change no deadline */
    d->alarm = when;
    if (when == OV_NEVER) {
        uv_timer_stop(&d->timer);
        return;
    }
    now = ov_daemon_now(d);
    uv_update_time(&d->loop);
    uv_timer_start(&d->timer, on_deadline, when <= now ? 0 : (when - now + OV_MS - 1) / OV_MS, 0);
}

/* How often this thread has slept: given the processor away because it had nothing to do. */
static uint64_t sleeps(void)
{
    struct rusage r = {0};
    (void)getrusage(RUSAGE_THREAD, &r);
    return (uint64_t)r.ru_nvcsw;
}

/* Rest, if it is time to. */
static void rest(struct ov_daemon *d)
{
    struct pollfd waiting = {.fd = uv_backend_fd(&d->loop), .events = POLLIN};
    ov_time now;
    if (!ov_priority_held(&d->priority) || !ov_pace_due(&d->pace, now = ov_daemon_now(d)))
        return;
    ov_time pause = ov_pace_rest(&d->pace, poll(&waiting, 1, 0) == 0, now);
    if (pause == OV_PACE_BREATH && !ov_pace_breathless(&d->pace, sleeps()))
        pause = 0;
    if (pause > 0)
        (void)nanosleep(&(struct timespec){.tv_nsec = (long)pause}, NULL);
}

/* Once before the loop sleeps: do what events have asked for, then set the alarm. */
static void on_prepare(uv_prepare_t *p)
{
    struct ov_daemon *d = p->data;
    ov_priority_check(&d->priority);
    ov_extras_run(d);
    bool more = ov_networks_run(d->networks);
    if (d->owner != NULL)
        more |= ov_owner_run(d->owner);
    if (ov_clock_woke(&d->clock)) {
        ov_log(&d->log, OV_LOG_INFO,
               "this host slept, or the daemon was stopped; all paths are proven anew");
        ov_watch_proven(d->watch);
        prove_paths(d, 0);
        ov_mapping_check(d);
    }
    if (d->announce) {
        d->announce = false;
        ov_beacons_send(d);
    }
    if (d->peer_changed) {
        d->peer_changed = false;
        ov_mapping_look(d);
    }
    ov_links_run(d->links);
    if (more) {
        uv_timer_start(&d->timer, on_deadline, 0, 0);
        ov_clock_alarm(&d->clock, OV_NEVER);
        return;
    }
    arm_timer(d);
    rest(d);
}

static void on_signal(uv_signal_t *s, int signum)
{
    struct ov_daemon *d = s->data;
    (void)signum;
    uv_stop(&d->loop);
}

/* A terminal that is gone takes the daemon with it, cleanly. Elsewhere a HUP is somebody's wish to
 * have the settings read anew, which is no reason to die of it: to systemd that would look wanted.
 */
static void on_hangup(uv_signal_t *s, int signum)
{
    struct ov_daemon *d = s->data;
    if (d->by_hand)
        on_signal(s, signum);
    else
        ov_log(&d->log, OV_LOG_WARN, "SIGHUP does nothing: restart the daemon for new settings");
}

/* ---- start ---- */

static int get_identity(struct ov_daemon *d, struct ov_identity_secret *id, char why[OV_WHY_MAX])
{
    const char *dir = ov_state_dir(d->state);
    int err = ov_identity_file_load(dir, &OV_POW_DEFAULT, id, why);
    if (err == OV_ENOENT) {
        ov_log(&d->log, OV_LOG_INFO, "making an identity; this takes a few seconds, once");
        err = ov_identity_file_make(dir, &OV_POW_DEFAULT, NULL, NULL, id, why);
    }
    if (err == OV_OK && ov_identity_file_publish(dir, &id->pub, why) != OV_OK)
        ov_log(&d->log, OV_LOG_WARN, "%s", why);
    return err;
}

static void restore_one(void *arg, enum ov_persist_kind kind, uint64_t id, const void *data,
                        size_t len)
{
    static const char *const KIND[] = {"", "stamp", "network", "peer"};
    struct ov_daemon *d = arg;
    int err = ov_node_restore(d->node, kind, id, data, len, ov_daemon_now(d));
    if (err != OV_OK)
        ov_log(&d->log, OV_LOG_WARN, "the stored %s %llx is not used: %s; the file is kept",
               KIND[kind], (unsigned long long)id, ov_strerror(err));
}

static int open_engine(struct ov_daemon *d, const struct ov_identity_secret *id,
                       char why[OV_WHY_MAX])
{
    const struct ov_settings *s = d->settings;
    struct ov_node_config cfg = {
        .identity = id,
        .caps = (uint8_t)((s->root ? OV_CAP_ROOT : 0) | (s->controller ? OV_CAP_CONTROLLER : 0)),
        .no_aes = !s->aes,
        .pow = OV_POW_DEFAULT,
        .random = {.fill = random_fill},
        .log = d->log,
        .volunteer = s->relay,
        .relay_rate = (uint64_t)(s->root ? s->relay_rate_mbit : s->member_rate_mbit) * 125000,
    };
    int err = ov_node_new(&cfg, ov_daemon_now(d), ov_daemon_wall(), &d->node);
    if (err != OV_OK) {
        snprintf(why, OV_WHY_MAX, "the engine cannot start: %s", ov_strerror(err));
        return err;
    }
    ov_state_prune_peers(d->state, OV_STATE_PEERS_MAX, OV_STATE_PEERS_AGE);
    ov_state_each(d->state, OV_PERSIST_STAMP, restore_one, d);
    ov_state_each(d->state, OV_PERSIST_PEER, restore_one, d);
    ov_state_each(d->state, OV_PERSIST_NETWORK, restore_one, d);
    return OV_OK;
}

/* The servers and networks of last time. */
static void take_up_again(struct ov_daemon *d)
{
    struct ov_host hosts[OV_STATE_HOSTS_MAX];
    ov_netid nets[OV_NETWORKS_MAX];
    char why[OV_WHY_MAX];
    for (size_t i = 0; i < d->settings->nroots; i++)
        if (ov_hosts_add(d->hosts, 0, &d->settings->roots[i], why) != OV_OK)
            ov_log(&d->log, OV_LOG_WARN, "%s", why);
    size_t n = ov_state_host_nets(d->state, nets, OV_NETWORKS_MAX);
    for (size_t i = 0; i < n; i++) {
        size_t nhosts = ov_state_get_hosts(d->state, nets[i], hosts);
        for (size_t k = 0; k < nhosts; k++)
            if (ov_hosts_add(d->hosts, nets[i], &hosts[k], why) != OV_OK)
                ov_log(&d->log, OV_LOG_WARN, "%s", why);
        /* One that never got an answer is not in the engine's own memory. */
        int err = ov_node_join(d->node, nets[i], NULL, NULL, d->settings->name, ov_daemon_now(d));
        ov_daemon_drain(d);
        if (err != OV_OK && err != OV_EEXIST)
            ov_log(&d->log, OV_LOG_WARN, "a network cannot be joined: %s", ov_strerror(err));
    }
    n = ov_node_networks(d->node, nets, OV_NETWORKS_MAX);
    for (size_t i = 0; i < n; i++)
        ov_networks_mark(d->networks, nets[i]);
}

static int open_rooms(struct ov_daemon *d, const struct ov_identity_secret *id,
                      char why[OV_WHY_MAX])
{
    snprintf(why, OV_WHY_MAX, "out of memory");
    int err = ov_persist_open(&d->loop, d->state, &d->log, &d->persist);
    if (err == OV_OK)
        err = ov_uplink_open(d, &d->uplink);
    if (err == OV_OK)
        err = ov_networks_open(d, &d->networks);
    if (err == OV_OK)
        err = ov_hosts_open(d, &d->hosts);
    if (err == OV_OK) {
        ov_sandbox_raise(d->sandbox);
        err = ov_links_open(d, id, &d->links);
        ov_sandbox_bound(d->sandbox);
    }
    if (err == OV_OK && d->settings->controller)
        err = ov_owner_open(d, id, &d->owner, why);
    if (err != OV_OK)
        return err;
    ov_sockets_tell(d);
    err = ov_watch_open(&d->loop, on_network, d, &d->watch);
    if (err != OV_OK) {
        snprintf(why, OV_WHY_MAX, "cannot watch this host's addresses: %s", ov_strerror(err));
        return err;
    }
    ov_sockets_refresh(d);
    err = ov_mapping_open(d, id);
    if (err != OV_OK)
        return err;
    take_up_again(d);
    ov_beacons_open(d);
    return ov_api_open(d, &d->api, why);
}

static int start(struct ov_daemon *d, char why[OV_WHY_MAX])
{
    struct ov_identity_secret id = {0};
    struct sigaction hup;
    int err = get_identity(d, &id, why);
    if (err == OV_OK) {
        ov_sandbox_raise(d->sandbox);
        err = ov_sockets_open(d, why);
        ov_sandbox_lower(d->sandbox);
    }
    if (err == OV_OK)
        err = open_engine(d, &id, why);
    if (err == OV_OK)
        err = open_rooms(d, &id, why);
    ov_identity_wipe(&id);
    if (err != OV_OK)
        return err;
    uv_signal_start(&d->sigint, on_signal, SIGINT);
    uv_signal_start(&d->sigterm, on_signal, SIGTERM);
    if (sigaction(SIGHUP, NULL, &hup) == 0 && hup.sa_handler != SIG_IGN) /* nohup stays nohup */
        uv_signal_start(&d->sighup, on_hangup, SIGHUP);
    uv_prepare_start(&d->prepare, on_prepare);
    return OV_OK;
}

static void say_hello(struct ov_daemon *d)
{
    char addr[OV_ADDR_TEXT];
    ov_log(&d->log, OV_LOG_INFO, "ovpn " OV_VERSION ": node %s on UDP port %u%s%s, state in %s",
           ov_addr_format(ov_node_identity(d->node)->addr, addr), d->sockets[0].bound.port,
           d->settings->root ? ", root" : "", d->settings->controller ? ", controller" : "",
           ov_state_dir(d->state));
}

/* ---- end ---- */

static void on_grace_over(uv_timer_t *t)
{
    struct ov_daemon *d = t->data;
    ov_persist_give_up(d->persist);
    uv_stop(t->loop);
}

/* Let the loop finish what is closing, but not for ever. True when it is empty; else a thread of
 * the pool still runs. */
static bool run_out(struct ov_daemon *d)
{
    uv_timer_t grace;
    uv_timer_init(&d->loop, &grace);
    grace.data = d;
    uv_timer_start(&grace, on_grace_over, GRACE_MS, 0);
    uv_unref((uv_handle_t *)&grace);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&grace, NULL);
    uv_run(&d->loop, UV_RUN_NOWAIT);
    return uv_loop_close(&d->loop) == 0;
}

static void stop(struct ov_daemon *d)
{
    ov_api_close(d->api);
    if (d->node != NULL && d->networks != NULL) {
        ov_node_shutdown(d->node, ov_daemon_now(d));
        ov_daemon_drain(d);
    }
    ov_mapping_close(d);
    ov_beacons_close(d);
    ov_links_close(d->links);
    d->links = NULL;
    ov_hosts_close(d->hosts);
    ov_owner_close(d->owner);
    ov_networks_close(d->networks);
    ov_uplink_close(d->uplink);
    if (d->watch != NULL)
        ov_watch_close(d->watch);
    ov_sockets_close(d);
    ov_persist_stop(d->persist);
    ov_priority_close(&d->priority);
    uv_close((uv_handle_t *)&d->timer, NULL);
    uv_close((uv_handle_t *)&d->prepare, NULL);
    uv_close((uv_handle_t *)&d->sigint, NULL);
    uv_close((uv_handle_t *)&d->sigterm, NULL);
    uv_close((uv_handle_t *)&d->sighup, NULL);
}

static void init_loop(struct ov_daemon *d)
{
    uv_loop_init(&d->loop);
    uv_timer_init(&d->loop, &d->timer);
    ov_priority_open(&d->priority, &d->loop, d->settings->priority, d->sandbox, &d->log);
    uv_prepare_init(&d->loop, &d->prepare);
    uv_signal_init(&d->loop, &d->sigint);
    uv_signal_init(&d->loop, &d->sigterm);
    uv_signal_init(&d->loop, &d->sighup);
    d->timer.data = d->prepare.data = d->sigint.data = d->sigterm.data = d->sighup.data = d;
}

/* After the loop. What a thread of the pool may still use stays, and the lock of the state with it:
 * the next daemon must not write beside that thread. */
static bool end(struct ov_daemon *d)
{
    bool empty = run_out(d);
    ov_node_free(d->node);
    if (!empty) {
        ov_log(&d->log, OV_LOG_INFO, "a name's look-up or the disk is not waited for any longer");
        return false;
    }
    ov_persist_close(d->persist);
    ov_state_close(d->state);
    free(d);
    return true;
}

int ov_daemon_run(const struct ov_settings *settings, const struct ov_sandbox *sandbox, bool *busy,
                  char why[OV_WHY_MAX])
{
    static const struct rlimit NO_CORE = {0, 0};
    struct ov_daemon *d = calloc(1, sizeof(*d));
    *busy = false;
    snprintf(why, OV_WHY_MAX, "out of memory");
    if (d == NULL)
        return OV_ENOMEM;
    d->settings = settings;
    d->sandbox = sandbox;
    d->log = ov_logger(settings->log_level);
    d->started = ov_daemon_now(d);
    d->by_hand = isatty(STDIN_FILENO) || isatty(STDERR_FILENO);
    signal(SIGPIPE, SIG_IGN);
    (void)!setrlimit(RLIMIT_CORE, &NO_CORE); /* the keys of all sessions would be in it */
    int err = ov_crypto_init();
    if (err == OV_OK)
        err = ov_state_open(settings->state_dir, &d->log, &d->state, why);
    if (err != OV_OK) {
        free(d);
        return err;
    }
    init_loop(d);
    err = start(d, why);
    if (err == OV_OK) {
        ov_sandbox_trim(sandbox);
        say_hello(d);
        ov_notify("READY=1");
        uv_run(&d->loop, UV_RUN_DEFAULT);
        ov_notify("STOPPING=1");
        ov_log(&d->log, OV_LOG_INFO, "stopping");
    }
    stop(d);
    *busy = !end(d);
    return err;
}
