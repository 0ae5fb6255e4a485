#include "networks.h"

#include "consent.h"
#include "core/node.h"
#include "daemon.h"
#include "inward.h"
#include "sandbox.h"
#include "sockets.h"
#include "transport/watch.h"
#include "tun/link.h"
#include "tun/tap.h"
#include "uplink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TICK_MS     2000 /* how often the host's multicast groups are looked at */
#define RETRY       (10 * OV_SEC)
#define FRAME_BATCH OV_TAP_BATCH_MAX

struct net {
    struct ov_networks *table; /* NULL: this slot is free */
    ov_netid id;
    enum ov_net_state state; /* as last told in the log */
    struct ov_tap *tap;      /* NULL: no device */
    struct ov_link *link;    /* NULL: no device */
    struct ov_link_state applied;
    char problem[OV_WHY_MAX]; /* empty: none */
    char refused[OV_WHY_MAX]; /* what the user has not consented to; empty: nothing */
    ov_time retry;            /* 0: not needed */
    size_t ngroups;
    struct ov_mac groups[OV_GROUPS_MAX];
};

struct ov_networks {
    struct ov_daemon *d;
    uv_timer_t timer; /* runs only while there is a device, or one is missing */
    bool ticking;
    uint64_t dropped; /* by devices that are gone */
    /* What each packet asks for, beside the large slots: bit i is about v[i]. */
    uint32_t dirty, written;       /* marked; has frames since the last flush */
    ov_netid ids[OV_NETWORKS_MAX]; /* 0: free */
    struct net v[OV_NETWORKS_MAX];
};
_Static_assert(OV_NETWORKS_MAX <= 32, "a bit for each");

static struct net *find(const struct ov_networks *n, ov_netid id)
{
    for (size_t i = 0; i < OV_NETWORKS_MAX; i++)
        if (id != 0 && n->ids[i] == id)
            return (struct net *)&n->v[i];
    return NULL;
}

static uint32_t bit(const struct net *net)
{
    return (uint32_t)1 << (net - net->table->v);
}

int ov_networks_open(struct ov_daemon *d, struct ov_networks **out)
{
    struct ov_networks *n = calloc(1, sizeof(*n));
    if (n == NULL)
        return OV_ENOMEM;
    n->d = d;
    uv_timer_init(&d->loop, &n->timer);
    n->timer.data = n;
    *out = n;
    return OV_OK;
}

static void take_down(struct net *net);
static void set_problem(struct net *net, const char *why);

/* Whoever deleted a device may do so again, so the next one comes with the usual retry. */
static void on_deleted(struct net *net)
{
    char why[OV_WHY_MAX];
    snprintf(why, sizeof(why), "somebody deleted %s; a new one is made soon",
             ov_tap_name(net->tap));
    take_down(net);
    set_problem(net, why);
}

/* Is it an address of this host, on a device of ours or elsewhere? */
static bool is_ours(const struct ov_networks *n, const struct ov_ip *ip)
{
    for (size_t i = 0; i < n->d->nlocals; i++)
        if (ov_ip_equal(&n->d->locals[i].ep.ip, ip))
            return true;
    for (size_t i = 0; i < OV_NETWORKS_MAX; i++)
        for (size_t k = 0; n->v[i].table != NULL && k < n->v[i].applied.naddrs; k++)
            if (ov_ip_equal(&n->v[i].applied.addrs[k].ip, ip))
                return true;
    return false;
}

/* Is it a datagram of our own sockets? */
static bool is_inward(const struct ov_networks *n, const struct ov_tap_frame *f)
{
    struct ov_endpoint src;
    if (!ov_inward_source(f->data, f->len, &src))
        return false;
    return ov_sockets_have_port(n->d, src.port) && is_ours(n, &src.ip);
}

/* Frames from the host's network stack. */
static void on_frames(void *arg, struct ov_tap *t, const struct ov_tap_frame *v, size_t count)
{
    struct net *net = arg;
    struct ov_daemon *d = net->table->d;
    struct ov_frame batch[FRAME_BATCH];
    ov_time now = ov_daemon_now(d);
    _Static_assert(OV_TAP_HEADROOM >= OV_FRAME_HEADROOM, "the engine writes before a frame");
    (void)t;
    if (count == 0) {
        on_deleted(net);
        return;
    }
    while (count > 0) {
        size_t n = count < FRAME_BATCH ? count : FRAME_BATCH, kept = 0;
        for (size_t i = 0; i < n; i++) {
            if (is_inward(net->table, &v[i]))
                net->table->dropped++;
            else
                batch[kept++] = (struct ov_frame){v[i].data, v[i].len, v[i].offload};
        }
        ov_pace_count(&d->pace, n);
        if (kept > 0)
            ov_uplink_frames(d->uplink, net->id, batch, kept, now);
        v += n;
        count -= n;
    }
}

static void take_down(struct net *net)
{
    if (net->tap == NULL)
        return;
    char name[OV_NETID_TEXT];
    ov_log(&net->table->d->log, OV_LOG_INFO, "network %s: %s removed",
           ov_netid_format(net->id, name), ov_tap_name(net->tap));
    if (net->link != NULL)
        ov_link_close(net->link);
    (void)!ov_watch_ignore(net->table->d->watch, ov_tap_index(net->tap), false);
    net->table->dropped += ov_tap_dropped(net->tap);
    ov_tap_close(net->tap);
    net->link = NULL;
    net->tap = NULL;
    net->ngroups = 0;
}

/* What the device should be like. A route through ourselves is for the others only. */
static struct ov_link_state wish(const struct ov_network_info *info)
{
    struct ov_link_state w;
    memset(&w, 0, sizeof(w)); /* it is compared as bytes */
    w.up = true;
    w.mtu = info->config.mtu;
    for (size_t i = 0; i < info->cert.naddrs && i < OV_LINK_ADDRS_MAX; i++)
        w.addrs[w.naddrs++] = info->cert.addrs[i];
    for (size_t i = 0; i < info->config.nroutes && i < OV_LINK_ROUTES_MAX; i++) {
        const struct ov_route *r = &info->config.routes[i];
        if (r->via.family != 0 && ov_cert_has_ip(&info->cert, &r->via))
            continue;
        w.routes[w.nroutes].dst = r->dst;
        w.routes[w.nroutes++].via = r->via;
    }
    return w;
}

/* Keep a problem for people; told once in the log, not at each retry. */
static void set_problem(struct net *net, const char *why)
{
    char name[OV_NETID_TEXT];
    if (why[0] != '\0' && strcmp(why, net->problem) != 0)
        ov_log(&net->table->d->log, OV_LOG_WARN, "network %s: %s", ov_netid_format(net->id, name),
               why);
    snprintf(net->problem, sizeof(net->problem), "%s", why);
    net->retry = why[0] != '\0' ? ov_daemon_now(net->table->d) + RETRY : 0;
}

/* The same for what is refused; trying again would not help. */
static void set_refused(struct net *net, const char *why)
{
    char name[OV_NETID_TEXT];
    if (why[0] != '\0' && strcmp(why, net->refused) != 0)
        ov_log(&net->table->d->log, OV_LOG_WARN, "network %s: %s", ov_netid_format(net->id, name),
               why);
    snprintf(net->refused, sizeof(net->refused), "%s", why);
}

static int open_device(struct net *net, const struct ov_network_info *info, char why[OV_WHY_MAX])
{
    struct ov_daemon *d = net->table->d;
    char name[OV_NETID_TEXT];
    int err = ov_tap_open(&d->loop, d->settings->interface, &info->mac, d->settings->offload,
                          on_frames, net, &net->tap, why);
    if (err != OV_OK) {
        net->tap = NULL;
        return err;
    }
    err = ov_link_open(ov_tap_index(net->tap), &net->link, why);
    if (err != OV_OK) {
        net->link = NULL;
        ov_tap_close(net->tap);
        net->tap = NULL;
        return err;
    }
    memset(&net->applied, 0, sizeof(net->applied));
    /* Without it our own device only wakes us more often. */
    (void)!ov_watch_ignore(d->watch, ov_tap_index(net->tap), true);
    ov_log(&d->log, OV_LOG_INFO, "network %s: ready on %s", ov_netid_format(net->id, name),
           ov_tap_name(net->tap));
    return OV_OK;
}

static bool same_state(const struct ov_link_state *a, const struct ov_link_state *b)
{
    return a->up == b->up && a->mtu == b->mtu && a->naddrs == b->naddrs &&
           a->nroutes == b->nroutes && memcmp(a->addrs, b->addrs, sizeof(a->addrs)) == 0 &&
           memcmp(a->routes, b->routes, sizeof(a->routes)) == 0;
}

static void bring_up(struct net *net, const struct ov_network_info *info)
{
    char why[OV_WHY_MAX] = "";
    if (net->tap == NULL && open_device(net, info, why) != OV_OK) {
        set_problem(net, why);
        return;
    }
    struct ov_link_state want = wish(info);
    ov_consent_filter(net->table->d->settings->routes, &want, why);
    set_refused(net, why);
    why[0] = '\0';
    if (same_state(&want, &net->applied) && net->problem[0] == '\0')
        return;
    int err = ov_link_apply(net->link, &want, why);
    if (err == OV_OK)
        why[0] = '\0';
    net->applied = want;
    set_problem(net, why);
}

/* Tell the engine which groups the host listens to, when they are others than before. */
static void poll_groups(struct net *net)
{
    struct ov_daemon *d = net->table->d;
    struct ov_mac now[OV_GROUPS_MAX];
    size_t n = ov_tap_groups(net->tap, now, OV_GROUPS_MAX);
    if (n == net->ngroups && memcmp(now, net->groups, n * sizeof(now[0])) == 0)
        return;
    memcpy(net->groups, now, n * sizeof(now[0]));
    net->ngroups = n;
    ov_node_set_groups(d->node, net->id, now, n, ov_daemon_now(d));
    ov_daemon_drain(d);
}

/* Being ready is told with the device. */
static void log_state(struct net *net, enum ov_net_state state)
{
    char name[OV_NETID_TEXT];
    if (state != net->state && state != OV_NET_STATE_READY)
        ov_log(&net->table->d->log, OV_LOG_INFO, "network %s: %s", ov_netid_format(net->id, name),
               ov_net_state_text(state));
    net->state = state;
}

static void update(struct net *net)
{
    struct ov_network_info info;
    bool joined = ov_node_network(net->table->d->node, net->id, &info) == OV_OK;
    net->table->dirty &= ~bit(net);
    if (joined)
        log_state(net, info.state);
    if (joined && info.state == OV_NET_STATE_READY && info.has_config) {
        bring_up(net, &info);
        if (net->tap != NULL)
            poll_groups(net);
        return;
    }
    take_down(net);
    net->problem[0] = net->refused[0] = '\0';
    net->retry = 0;
    if (!joined) {
        net->table->ids[net - net->table->v] = 0;
        net->table = NULL;
    }
}

static void on_tick(uv_timer_t *t)
{
    struct ov_networks *n = t->data;
    ov_time now = ov_daemon_now(n->d);
    for (size_t i = 0; i < OV_NETWORKS_MAX; i++) {
        struct net *net = &n->v[i];
        if (net->table == NULL)
            continue;
        if (net->retry != 0 && now >= net->retry)
            n->dirty |= bit(net);
        else if (net->tap != NULL)
            poll_groups(net);
    }
}

static struct net *add(struct ov_networks *n, ov_netid id)
{
    for (size_t i = 0; i < OV_NETWORKS_MAX; i++) {
        if (n->v[i].table != NULL)
            continue;
        n->v[i] = (struct net){.table = n, .id = id};
        n->ids[i] = id;
        return &n->v[i];
    }
    return NULL; /* the engine has no more networks than we have places */
}

void ov_networks_mark(struct ov_networks *n, ov_netid id)
{
    struct net *net = find(n, id);
    if (net == NULL)
        net = add(n, id);
    if (net != NULL)
        n->dirty |= bit(net);
}

bool ov_networks_run(struct ov_networks *n)
{
    bool needed = false;
    uint32_t now = n->dirty;
    if (now == 0)
        return false;
    ov_sandbox_raise(n->d->sandbox); /* devices come, change and go */
    for (size_t i = 0; i < OV_NETWORKS_MAX; i++) {
        if (now >> i & 1)
            update(&n->v[i]);
        needed |= n->v[i].table != NULL && (n->v[i].tap != NULL || n->v[i].retry != 0);
    }
    ov_sandbox_lower(n->d->sandbox);
    if (needed != n->ticking) {
        n->ticking = needed;
        if (needed)
            uv_timer_start(&n->timer, on_tick, TICK_MS, TICK_MS);
        else
            uv_timer_stop(&n->timer);
    }
    return n->dirty != 0;
}

void ov_networks_frame(struct ov_networks *n, const struct ov_out_frame *f)
{
    struct net *net = find(n, f->net);
    if (net == NULL || net->tap == NULL)
        return;
    ov_tap_write(net->tap, f->data, f->len, &f->offload);
    n->written |= bit(net);
}

void ov_networks_flush(struct ov_networks *n)
{
    for (; n->written != 0; n->written &= n->written - 1) {
        struct net *net = &n->v[__builtin_ctz(n->written)];
        if (net->table != NULL && net->tap != NULL)
            ov_pace_count(&n->d->pace, ov_tap_flush(net->tap));
    }
}

void ov_networks_offload(const struct ov_networks *n, char out[OV_OFFLOAD_TEXT])
{
    static const struct {
        unsigned bit;
        const char *word;
    } words[] = {
        {OV_TAP_CSUM, "csum"}, {OV_TAP_TSO, "tso"}, {OV_TAP_USO, "uso"}, {OV_TAP_GRO, "gro"}};
    unsigned used = 0;
    size_t len = 0;
    for (size_t i = 0; i < OV_NETWORKS_MAX; i++)
        if (n->v[i].table != NULL && n->v[i].tap != NULL)
            used |= ov_tap_offloads(n->v[i].tap);
    snprintf(out, OV_OFFLOAD_TEXT, "none");
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (used & words[i].bit)
            len += (size_t)snprintf(out + len, OV_OFFLOAD_TEXT - len, "%s%s", len ? " " : "",
                                    words[i].word);
}

void ov_networks_device(const struct ov_networks *n, ov_netid id, const char **device,
                        const char **problem)
{
    const struct net *net = find(n, id);
    *device = net != NULL && net->tap != NULL ? ov_tap_name(net->tap) : NULL;
    *problem = net == NULL               ? NULL
               : net->problem[0] != '\0' ? net->problem
               : net->refused[0] != '\0' ? net->refused
                                         : NULL;
}

const char *ov_networks_left_out(const struct ov_networks *n, ov_netid id,
                                 const struct ov_prefix *addr)
{
    const struct net *net = find(n, id);
    if (net == NULL || net->tap == NULL)
        return NULL;
    for (size_t i = 0; i < net->applied.naddrs; i++) {
        if (memcmp(&net->applied.addrs[i], addr, sizeof(*addr)) != 0)
            continue;
        int err = ov_link_addr(net->link, addr);
        return err == OV_OK ? NULL : err == OV_EEXIST ? "taken" : "failed";
    }
    return "refused";
}

uint64_t ov_networks_dropped(const struct ov_networks *n)
{
    uint64_t sum = n->dropped;
    for (size_t i = 0; i < OV_NETWORKS_MAX; i++)
        if (n->v[i].table != NULL && n->v[i].tap != NULL)
            sum += ov_tap_dropped(n->v[i].tap);
    return sum;
}

/* Is `tap` a port of the bridge `ifname`? */
static bool bridged_in(const char *tap, const char *ifname)
{
    char link[64], target[256];
    snprintf(link, sizeof(link), "/sys/class/net/%.20s/master", tap);
    ssize_t len = readlink(link, target, sizeof(target) - 1);
    if (len <= 0)
        return false;
    target[len] = '\0';
    const char *base = strrchr(target, '/');
    return base != NULL && strcmp(base + 1, ifname) == 0;
}

bool ov_networks_owns(const struct ov_networks *n, const char *ifname)
{
    for (size_t i = 0; i < OV_NETWORKS_MAX; i++) {
        const struct net *net = &n->v[i];
        if (net->table == NULL || net->tap == NULL)
            continue;
        if (strcmp(ov_tap_name(net->tap), ifname) == 0 || bridged_in(ov_tap_name(net->tap), ifname))
            return true;
    }
    return false;
}

static void on_closed(uv_handle_t *t)
{
    free(t->data);
}

void ov_networks_close(struct ov_networks *n)
{
    if (n == NULL)
        return;
    for (size_t i = 0; i < OV_NETWORKS_MAX; i++)
        if (n->v[i].table != NULL)
            take_down(&n->v[i]);
    uv_close((uv_handle_t *)&n->timer, on_closed);
}
