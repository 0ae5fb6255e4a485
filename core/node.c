#include "node.h"

#include "node_state.h"

#include "directory.h"
#include "input.h"
#include "rootlink.h"
#include "member.h"
#include "punch.h"
#include "reflect.h"
#include "relay.h"
#include "volunteer.h"

#include <stdlib.h>
#include <string.h>

#define OUT_BYTES   (2u << 20)
#define TIMER_TURNS 16

/* ---- turns ---- */

/* Sample the time. It never goes back, whatever the edge says. */
void ov_node_turn_begin(struct ov_node *n, ov_time now)
{
    if (now > n->e.now)
        n->e.now = now;
}

/* What became due by this input, or by the time that passed, happens in the same turn. */
void ov_node_turn_end(struct ov_node *n)
{
    for (int i = 0; i < TIMER_TURNS && ov_timers_next(&n->e.timers) <= n->e.now; i++)
        ov_timers_run(&n->e.timers, n->e.now);
    ov_engine_keep_stamp(&n->e);
}

/* ---- other happenings ---- */

/* A root is back: whatever waited for a relay goes on now, without waiting for its own timer. */
static void root_up(struct ov_node *n, struct ov_peer *root)
{
    struct ov_peer *p;
    ov_locate_retry(&n->locate);
    for (size_t it = 0; (p = ov_map_next(&n->e.peers, &it, NULL)) != NULL;) {
        if (p == root)
            continue;
        if (p->hs_wanted && p->hs_next > n->e.now) {
            p->hs_next = n->e.now;
            ov_peer_wake(p, n->e.now);
        }
        if (p->paths && p->paths->active < 0 && n->e.now - p->last_frame < OV_PEER_ACTIVE &&
            p->last_frame)
            ov_punch_kick(p);
    }
}

static void on_session(void *arg, struct ov_peer *p, bool fresh)
{
    struct ov_node *n = arg;
    if (ov_roots_session(&n->roots, p)) {
        root_up(n, p);
        ov_rootlink_look(&n->roots);
    }
    if (n->o.directory && fresh)
        ov_directory_met(n->o.directory, p);
    for (size_t i = 0; i < n->o.n; i++)
        ov_network_session(n->o.nets[i], p, fresh);
    ov_lan_session(&n->lan, p);
    ov_node_pings_go(n, p);
}

static void on_located(void *arg, const struct ov_identity *id)
{
    struct ov_node *n = arg;
    struct ov_peer *p;
    for (size_t i = 0; i < n->o.n; i++)
        ov_network_controller(n->o.nets[i], id);
    for (int i = 0; i < OV_NODE_PINGS_MAX; i++)
        if (n->ping[i].addr == id->addr && ov_peer_get(&n->e, id, &p) == OV_OK)
            ov_peer_connect(p);
}

static void on_iam(void *arg, const struct ov_iam *iam, uint16_t socket,
                   const struct ov_endpoint *from)
{
    struct ov_node *n = arg;
    (void)socket;
    ov_roots_iam(&n->roots, iam, from);
}

static void on_forgotten(void *arg, struct ov_peer *p)
{
    struct ov_node *n = arg;
    ov_member_forgotten(&n->o, p);
}

static void on_seek(void *arg, struct ov_peer *p)
{
    struct ov_node *n = arg;
    const struct ov_lookup_key key = {.kind = OV_LOOKUP_MEMBER, .member = p->id.addr};
    for (size_t i = 0; i < n->o.n; i++) {
        const struct ov_member *m = ov_member_find(n->o.nets[i], p->id.addr);
        if (m && ov_member_is(m, p) && ov_member_valid(n->o.nets[i], m))
            ov_lan_seek(&n->lan, n->o.nets[i], &key);
    }
}

static void on_relayed(void *arg, struct ov_peer *p)
{
    struct ov_node *n = arg;
    ov_volunteer_seek(&n->o, p);
}

static bool on_may_relay(void *arg, struct ov_peer *from, struct ov_peer *to)
{
    struct ov_node *n = arg;
    return ov_volunteer_may(&n->o, from, to);
}

static enum ov_tie on_tie(void *arg, const struct ov_peer *p)
{
    const struct ov_node *n = arg;
    return ov_member_tie(&n->o, p);
}

static void on_way(void *arg, struct ov_peer *p)
{
    struct ov_node *n = arg;
    (void)p;
    ov_rootlink_look(&n->roots);
}

static const struct ov_engine_ops ops = {.message = ov_node_message,
                                         .session = on_session,
                                         .forgotten = on_forgotten,
                                         .located = on_located,
                                         .way = on_way,
                                         .iam = on_iam,
                                         .seek = on_seek,
                                         .relayed = on_relayed,
                                         .may_relay = on_may_relay,
                                         .tie = on_tie};

static void on_roots_changed(void *arg)
{
    struct ov_node *n = arg;
    ov_roots_follow(&n->roots);
}

/* ---- life ---- */

int ov_node_new(const struct ov_node_config *cfg, ov_time now, ov_wall wall, struct ov_node **out)
{
    if (!cfg->identity || !cfg->random.fill || now == 0 || ov_crypto_init() != OV_OK)
        return OV_EINVAL;
    struct ov_node *n = calloc(1, sizeof *n);
    if (!n)
        return OV_ENOMEM;
    int err =
        ov_engine_init(&n->e, cfg->identity, cfg->caps, &cfg->pow, &cfg->random, &cfg->log,
                       cfg->out_bytes ? cfg->out_bytes : OUT_BYTES, cfg->max_peers, now, wall);
    if (err != OV_OK) {
        free(n);
        return err;
    }
    n->e.ops = &ops;
    n->e.ops_arg = n;
    n->e.relay_rate = cfg->relay_rate;
    n->e.volunteer = cfg->volunteer;
    if (cfg->no_aes)
        n->e.aeads = 1 << OV_AEAD_CHACHA20POLY1305;
    n->o = (struct ov_overlay){.e = &n->e,
                               .locate = &n->locate,
                               .lan = &n->lan,
                               .roots_changed = on_roots_changed,
                               .arg = n};
    if (cfg->caps)
        n->o.directory = ov_directory_new(&n->e);
    if ((cfg->caps && !n->o.directory) || ov_relay_init(&n->e) != OV_OK ||
        ov_reflect_init(&n->e) != OV_OK || ov_attempts_init(&n->e) != OV_OK ||
        ov_locate_init(&n->locate, &n->e) != OV_OK || ov_roots_init(&n->roots, &n->o) != OV_OK ||
        ov_lan_init(&n->lan, &n->o) != OV_OK) {
        ov_node_free(n);
        return OV_ENOMEM;
    }
    ov_timer_init(&n->ping_timer, ov_node_ping_timeout, n);
    *out = n;
    return OV_OK;
}

void ov_node_free(struct ov_node *n)
{
    struct ov_peer *p;
    if (!n)
        return;
    while (n->o.n)
        ov_network_free(n->o.nets[0]);
    if (n->roots.o)
        ov_roots_free(&n->roots);
    ov_lan_free(&n->lan);
    for (size_t it = 0; (p = ov_map_next(&n->e.peers, &it, NULL)) != NULL;)
        ov_peer_forget(p);
    ov_directory_free(n->o.directory);
    ov_attempts_free(&n->e);
    ov_reflect_free(&n->e);
    if (n->locate.e)
        ov_locate_free(&n->locate);
    ov_engine_free(&n->e);
    free(n);
}

const struct ov_identity *ov_node_identity(const struct ov_node *n)
{
    return &n->e.id.pub;
}

void ov_node_shutdown(struct ov_node *n, ov_time now)
{
    uint8_t buf[4];
    struct ov_writer w;
    struct ov_peer *p;
    ov_node_turn_begin(n, now);
    ov_writer_init(&w, buf, sizeof buf);
    ov_msg_close_encode(&w, OV_CLOSE_SHUTDOWN);
    for (size_t i = 0; i < n->o.n; i++) /* while there is room */
        if (n->o.nets[i]->unsaved)
            ov_network_persist(n->o.nets[i]);
    for (size_t it = 0; (p = ov_map_next(&n->e.peers, &it, NULL)) != NULL;)
        if (ov_peer_up(p))
            ov_peer_send(p, buf, w.len, OV_SEND_QUIET);
}

/* ---- what the edge has ---- */

void ov_node_network_changed(struct ov_node *n, ov_time now)
{
    ov_node_rerouted(n, 0, now);
}

void ov_node_rerouted(struct ov_node *n, uint8_t family, ov_time now)
{
    struct ov_peer *p;
    ov_node_turn_begin(n, now);
    if (family != 6) { /* NATs are IPv4's */
        ov_attempts_abort(&n->e);
        ov_budget_forget(&n->e.budget);
        ov_reflect_restart(&n->e);
    }
    for (size_t it = 0; (p = ov_map_next(&n->e.peers, &it, NULL)) != NULL;)
        ov_peer_network_changed(p, family);
    ov_lan_moved(&n->lan);
    ov_rootlink_network_changed(&n->roots);
    ov_node_turn_end(n);
}

void ov_node_set_locals(struct ov_node *n, const struct ov_local *v, size_t count, ov_time now)
{
    struct ov_engine *e = &n->e;
    bool first = !e->locals_told, same;
    if (count > OV_LOCALS_MAX)
        count = OV_LOCALS_MAX;
    same = count == e->nlocals;
    for (size_t i = 0; same && i < count; i++)
        same = v[i].socket == e->locals[i].socket && ov_endpoint_equal(&v[i].ep, &e->locals[i].ep);
    if (same)
        return;
    if (count)
        memcpy(e->locals, v, count * sizeof *v);
    e->nlocals = count;
    e->locals_told = true;
    if (!first)
        ov_node_network_changed(n, now);
}

void ov_node_set_mapped(struct ov_node *n, const struct ov_endpoint *ep, ov_time now)
{
    struct ov_endpoint mapped = ep ? *ep : (struct ov_endpoint){0};
    if (ov_endpoint_equal(&mapped, &n->e.mapped))
        return;
    ov_node_turn_begin(n, now);
    n->e.mapped = mapped;
    if (ep)
        ov_punch_moved(&n->e);
    ov_node_turn_end(n);
}

void ov_node_set_sockets(struct ov_node *n, const uint8_t *families, size_t count, ov_time now)
{
    ov_node_turn_begin(n, now);
    memset(n->e.socket_family, 0, sizeof n->e.socket_family);
    if (count)
        memcpy(n->e.socket_family, families, count < OV_SOCKETS_MAX ? count : OV_SOCKETS_MAX);
}

void ov_node_set_reflect_port(struct ov_node *n, uint16_t port, ov_time now)
{
    ov_node_turn_begin(n, now);
    n->e.reflect_port = port;
}

void ov_node_extra_sockets(struct ov_node *n, uint64_t id, uint16_t first, const uint16_t *ports,
                           size_t count, ov_time now)
{
    ov_node_turn_begin(n, now);
    ov_extra_opened(&n->e, id, first, ports, count);
    ov_node_turn_end(n);
}

int ov_node_add_root(struct ov_node *n, const char *host, const struct ov_identity *id,
                     const struct ov_endpoint *eps, size_t count, ov_time now)
{
    ov_node_turn_begin(n, now);
    int err = ov_roots_add(&n->roots, host, 0, id, eps, count);
    ov_node_turn_end(n);
    return err;
}

void ov_node_remove_root(struct ov_node *n, const char *host, ov_time now)
{
    ov_node_turn_begin(n, now);
    ov_roots_remove(&n->roots, host);
    ov_node_turn_end(n);
}

int ov_node_link_up(struct ov_node *n, const char *host, const struct ov_endpoint *ep, ov_time now)
{
    ov_node_turn_begin(n, now);
    int err = ov_rootlink_up(&n->roots, host, ep);
    ov_node_turn_end(n);
    return err;
}

void ov_node_link_down(struct ov_node *n, const struct ov_endpoint *ep, ov_time now)
{
    ov_node_turn_begin(n, now);
    ov_rootlink_down(&n->roots, ep);
    ov_node_turn_end(n);
}

int ov_node_join(struct ov_node *n, ov_netid net, const struct ov_identity *controller,
                 const uint8_t *secret, const char *hostname, ov_time now)
{
    ov_node_turn_begin(n, now);
    int err = ov_network_join(&n->o, net, controller, secret, hostname);
    ov_node_turn_end(n);
    return err;
}

int ov_node_leave(struct ov_node *n, ov_netid net, ov_time now)
{
    ov_node_turn_begin(n, now);
    int err = ov_network_leave(&n->o, net);
    ov_node_turn_end(n);
    return err;
}

void ov_node_set_groups(struct ov_node *n, ov_netid id, const struct ov_mac *v, size_t count,
                        ov_time now)
{
    ov_node_turn_begin(n, now);
    struct ov_network *net = ov_network_find(&n->o, id);
    if (net)
        ov_network_set_groups(net, v, count);
    ov_node_turn_end(n);
}

int ov_node_restore(struct ov_node *n, enum ov_persist_kind kind, uint64_t id, const void *data,
                    size_t len, ov_time now)
{
    ov_node_turn_begin(n, now);
    switch (kind) {
    case OV_PERSIST_STAMP:
        return ov_engine_restore_stamp(&n->e, data, len);
    case OV_PERSIST_NETWORK:
        return ov_network_restore(&n->o, id, data, len);
    case OV_PERSIST_PEER:
        return ov_peer_restore(&n->e, id, data, len);
    }
    return OV_EINVAL;
}

/* ---- input ---- */

void ov_node_tick(struct ov_node *n, ov_time now)
{
    ov_node_turn_begin(n, now);
    ov_node_turn_end(n);
}

ov_time ov_node_deadline(const struct ov_node *n)
{
    return ov_timers_next(&n->e.timers);
}

bool ov_node_pull(struct ov_node *n, struct ov_output *out)
{
    return ov_outq_pull(&n->e.out, out);
}
