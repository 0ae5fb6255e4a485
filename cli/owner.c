#include "owner.h"

#include "daemon.h"
#include "resolve.h"
#include "state.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICK_MS  (5 * 60 * 1000) /* re-signing, and the public names are looked up again */
#define FIRST_MS 1000

struct request {
    bool bye; /* of req.netid; else a request */
    struct ov_identity from;
    struct ov_msg_net_request req;
};

struct ov_owner {
    struct ov_daemon *d;
    struct ov_controller *controller;
    struct ov_store *store;
    uv_timer_t timer;
    bool roots_dirty, roots_told;
    size_t nroots; /* as last told to the controller */
    struct ov_net_root roots[OV_NET_ROOTS_MAX];
    struct { /* [root] public, looked up */
        struct ov_owner *owner;
        struct ov_resolve *look_up;
        size_t n;
        struct ov_endpoint eps[OV_RESOLVE_MAX];
    } public[OV_INVITE_HOSTS_MAX];
    size_t head, nqueued;
    uint64_t overflowed;
    struct request queue[OV_OWNER_QUEUE_MAX];
};

static void random_fill(void *arg, void *buf, size_t len)
{
    (void)arg;
    randombytes_buf(buf, len);
}

static void send_message(void *arg, ov_addr to, const uint8_t *msg, size_t len)
{
    struct ov_daemon *d = ((struct ov_owner *)arg)->d;
    /* No session with it: it will ask again once there is one. */
    (void)!ov_node_send(d->node, to, msg, len, ov_daemon_now(d));
    ov_daemon_drain(d);
}

/* A name server gives addresses in another order each time, which is no news to members. */
static int by_address(const void *x, const void *y)
{
    const struct ov_endpoint *a = x, *b = y;
    int c = memcmp(&a->ip.family, &b->ip.family, sizeof(a->ip.family));
    if (c == 0)
        c = memcmp(a->ip.b, b->ip.b, sizeof(a->ip.b));
    if (c == 0)
        c = (a->port > b->port) - (a->port < b->port);
    return c != 0 ? c : (a->scope > b->scope) - (a->scope < b->scope);
}

static void put_in_order(struct ov_endpoint *v, size_t n)
{
    qsort(v, n, sizeof(*v), by_address);
}

static bool add_endpoint(struct ov_net_root *r, const struct ov_endpoint *ep)
{
    for (size_t i = 0; i < r->nendpoints; i++)
        if (ov_endpoint_equal(&r->endpoints[i], ep))
            return true;
    if (r->nendpoints == OV_ROOT_ENDPOINTS_MAX)
        return false;
    r->endpoints[r->nendpoints++] = *ep;
    return true;
}

/* Ourselves: the public endpoints as configured, or else the addresses we have. */
static size_t self_as_root(struct ov_owner *o, struct ov_net_root out[OV_NET_ROOTS_MAX])
{
    struct ov_daemon *d = o->d;
    struct ov_net_root *r = &out[0];
    r->id = *ov_node_identity(d->node);
    for (size_t i = 0; i < d->settings->npublic; i++)
        for (size_t k = 0; k < o->public[i].n; k++)
            add_endpoint(r, &o->public[i].eps[k]);
    if (d->settings->npublic == 0)
        r->nendpoints = (uint8_t)ov_daemon_endpoints(d, r->endpoints, OV_ROOT_ENDPOINTS_MAX);
    return r->nendpoints > 0 ? 1 : 0;
}

static struct ov_net_root *find_root(struct ov_net_root *v, size_t n, ov_addr a)
{
    for (size_t i = 0; i < n; i++)
        if (v[i].id.addr == a)
            return &v[i];
    return NULL;
}

/* The roots that this node's user chose, after the `n` that are there. Not those that only a
 * network names: it would name them for ever. *waiting: some have not said who they are. */
static size_t roots_of_node(struct ov_owner *o, struct ov_net_root out[OV_NET_ROOTS_MAX], size_t n,
                            bool *waiting)
{
    struct ov_root_info v[OV_ROOTS_MAX];
    size_t known = ov_node_roots(o->d->node, v, OV_ROOTS_MAX);
    *waiting = false;
    for (size_t i = 0; i < known && n < OV_NET_ROOTS_MAX; i++) {
        struct ov_peer_info peer;
        if (v[i].net != 0)
            continue;
        *waiting |= v[i].addr == 0 || (!v[i].is_root && !v[i].online);
        if (v[i].addr == 0 || !v[i].is_root || v[i].mismatch || find_root(out, n, v[i].addr) ||
            ov_node_peer(o->d->node, v[i].addr, &peer) != OV_OK)
            continue;
        out[n].id = peer.id;
        for (size_t k = 0; k < v[i].nendpoints; k++)
            add_endpoint(&out[n], &v[i].endpoints[k]);
        n += out[n].nendpoints > 0;
    }
    return n;
}

/* What the networks named until now, as far as it is not in `out`. */
static size_t keep_roots(const struct ov_owner *o, struct ov_net_root out[OV_NET_ROOTS_MAX],
                         size_t n)
{
    for (size_t i = 0; i < o->nroots && n < OV_NET_ROOTS_MAX; i++)
        if (find_root(out, n, o->roots[i].id.addr) == NULL)
            out[n++] = o->roots[i];
    return n;
}

static void tell_roots(struct ov_owner *o)
{
    struct ov_net_root v[OV_NET_ROOTS_MAX];
    bool waiting;
    memset(v, 0, sizeof(v)); /* compared as bytes below */
    size_t n = roots_of_node(o, v, o->d->settings->root ? self_as_root(o, v) : 0, &waiting);
    o->roots_dirty = false;
    /* A server that does not answer at the moment is no reason to forget the one that did. */
    if (waiting)
        n = keep_roots(o, v, n);
    if (n == 0)
        return;
    for (size_t i = 0; i < n; i++)
        put_in_order(v[i].endpoints, v[i].nendpoints);
    /* NOLINTNEXTLINE(bugprone-suspicious-memory-comparison,cert-exp42-c,cert-flp37-c): zeroed */
    if (o->roots_told && n == o->nroots && memcmp(v, o->roots, sizeof(v)) == 0)
        return;
    o->roots_told = true;
    memcpy(o->roots, v, sizeof(v));
    o->nroots = n;
    if (ov_controller_set_roots(o->controller, v, n, ov_daemon_wall()) != OV_OK)
        ov_log(&o->d->log, OV_LOG_WARN, "the list of roots is not stored: %s", o->store->error);
}

/* The roots that a stored network names: the ones last told to the controller. */
static int stored_roots(void *arg, const struct ov_net_record *n)
{
    struct ov_owner *o = arg;
    o->nroots = n->nroots;
    memcpy(o->roots, n->roots, sizeof(o->roots));
    return 1;
}

static void on_public(void *arg, const struct ov_endpoint *eps, size_t n, const char *error)
{
    struct ov_owner *o = *(struct ov_owner **)arg;
    for (size_t i = 0; i < OV_INVITE_HOSTS_MAX; i++) {
        if (arg != &o->public[i].owner)
            continue;
        o->public[i].look_up = NULL;
        if (n == 0) {
            ov_log(&o->d->log, OV_LOG_WARN, "[root] public %s: %s", o->d->settings->public[i].name,
                   error);
            return;
        }
        o->public[i].n = n;
        memcpy(o->public[i].eps, eps, n * sizeof(eps[0]));
        put_in_order(o->public[i].eps, n); /* of many, the same few count each time */
        o->roots_dirty = true;
    }
}

static void look_up_public(struct ov_owner *o)
{
    for (size_t i = 0; i < o->d->settings->npublic; i++)
        if (o->public[i].look_up == NULL &&
            ov_resolve_start(&o->d->loop, &o->d->settings->public[i], on_public,
                             &o -> public[i].owner, &o->public[i].look_up) != OV_OK)
            ov_log(&o->d->log, OV_LOG_WARN, "out of memory");
}

static void on_tick(uv_timer_t *t)
{
    struct ov_owner *o = t->data;
    look_up_public(o);
    ov_controller_tick(o->controller, ov_daemon_wall());
}

int ov_owner_open(struct ov_daemon *d, const struct ov_identity_secret *identity,
                  struct ov_owner **out, char why[OV_WHY_MAX])
{
    char path[OV_PATH_MAX];
    struct ov_owner *o = calloc(1, sizeof(*o));
    int err = OV_ENOMEM;
    snprintf(why, OV_WHY_MAX, "out of memory");
    if (o == NULL)
        return err;
    o->d = d;
    o->roots_dirty = true;
    for (size_t i = 0; i < OV_INVITE_HOSTS_MAX; i++)
        o->public[i].owner = o;
    if (d->settings->database[0] != '\0')
        snprintf(path, sizeof(path), "%s", d->settings->database);
    else if ((err = ov_path_join(path, ov_state_dir(d->state), "controller.db", why)) != OV_OK)
        goto fail;
    err = ov_store_sqlite_open(path, &o->store, why);
    if (err != OV_OK)
        goto fail;
    /* When it cannot be read now, they are only told anew. */
    (void)!o->store->ops->net_each(o->store, stored_roots, o);
    struct ov_controller_config cfg = {
        .identity = identity,
        .store = o->store,
        .random = {.fill = random_fill},
        .log = d->log,
        .send = send_message,
        .send_arg = o,
    };
    err = ov_controller_new(&cfg, &o->controller);
    if (err != OV_OK) {
        snprintf(why, OV_WHY_MAX, "the controller cannot start: %.200s", ov_strerror(err));
        o->store->ops->close(o->store);
        goto fail;
    }
    uv_timer_init(&d->loop, &o->timer);
    o->timer.data = o;
    look_up_public(o);
    uv_timer_start(&o->timer, on_tick, FIRST_MS, TICK_MS);
    *out = o;
    return OV_OK;
fail:
    free(o);
    return err;
}

static void on_closed(uv_handle_t *t)
{
    free(t->data);
}

void ov_owner_close(struct ov_owner *o)
{
    if (o == NULL)
        return;
    for (size_t i = 0; i < OV_INVITE_HOSTS_MAX; i++)
        ov_resolve_cancel(o->public[i].look_up);
    ov_controller_free(o->controller);
    o->store->ops->close(o->store);
    sodium_memzero(o->queue, sizeof(o->queue)); /* secrets of invites */
    uv_close((uv_handle_t *)&o->timer, on_closed);
}

static void queue(struct ov_owner *o, const struct request *r)
{
    if (o->nqueued == OV_OWNER_QUEUE_MAX) {
        if (o->overflowed++ == 0)
            ov_log(&o->d->log, OV_LOG_WARN, "more requests of nodes than can be answered at once");
        return;
    }
    o->queue[(o->head + o->nqueued++) % OV_OWNER_QUEUE_MAX] = *r;
}

void ov_owner_request(struct ov_owner *o, const struct ov_identity *from,
                      const struct ov_msg_net_request *req)
{
    struct request r = {.from = *from, .req = *req};
    queue(o, &r);
    sodium_memzero(&r, sizeof(r));
}

void ov_owner_bye(struct ov_owner *o, const struct ov_identity *from, ov_netid id)
{
    queue(o, &(struct request){.bye = true, .from = *from, .req.netid = id});
}

void ov_owner_mark_roots(struct ov_owner *o)
{
    o->roots_dirty = true;
}

bool ov_owner_run(struct ov_owner *o)
{
    if (o->roots_dirty)
        tell_roots(o);
    /* Answering may put out events that queue more; what there is now is done now. */
    for (size_t n = o->nqueued; n > 0; n--) {
        struct request *r = &o->queue[o->head];
        ov_wall now = ov_daemon_wall();
        int err = r->bye ? ov_controller_bye(o->controller, &r->from, r->req.netid, now)
                         : ov_controller_request(o->controller, &r->from, &r->req, now);
        if (err == OV_EIO)
            ov_log(&o->d->log, OV_LOG_ERROR, "a request could not be answered: %s",
                   o->store->error);
        sodium_memzero(r, sizeof(*r));
        o->head = (o->head + 1) % OV_OWNER_QUEUE_MAX;
        o->nqueued--;
    }
    return o->nqueued > 0 || o->roots_dirty;
}

struct ov_controller *ov_owner_controller(struct ov_owner *o)
{
    return o->controller;
}

static int count(void *arg, const struct ov_net_record *n)
{
    (void)n;
    ++*(size_t *)arg;
    return OV_OK;
}

size_t ov_owner_networks(struct ov_owner *o)
{
    struct ov_store *s = ov_owner_store(o);
    size_t n = 0;
    (void)!s->ops->net_each(s, count, &n);
    return n;
}

struct ov_store *ov_owner_store(struct ov_owner *o)
{
    return o->store;
}

size_t ov_owner_hosts(struct ov_owner *o, struct ov_host out[OV_INVITE_HOSTS_MAX])
{
    struct ov_endpoint eps[OV_INVITE_HOSTS_MAX];
    const struct ov_settings *s = o->d->settings;
    if (s->npublic > 0) {
        memcpy(out, s->public, s->npublic * sizeof(out[0]));
        return s->npublic;
    }
    size_t n = ov_daemon_endpoints(o->d, eps, OV_INVITE_HOSTS_MAX);
    for (size_t i = 0; i < n; i++) {
        ov_ip_format(&eps[i].ip, out[i].name);
        out[i].port = eps[i].port;
    }
    return n;
}
