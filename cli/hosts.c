#include "hosts.h"

#include "daemon.h"
#include "links.h"
#include "resolve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RETRY_FIRST 1000 /* ms */
#define RETRY_LAST  60000
#define LOOK_AGAIN  300000 /* a name whose server does not answer may have moved */
#define PATIENCE    (5 * OV_SEC)

struct host {
    struct ov_hosts *table; /* NULL: this slot is free */
    struct ov_host host;
    char label[OV_HOST_LABEL];
    bool by_config;
    size_t nnets;
    ov_netid nets[OV_NETWORKS_MAX];

    struct ov_resolve *look_up; /* NULL: none runs */
    bool known;                 /* looked up at least once and given to the engine */
    bool self;                  /* it is this very daemon: nobody to ask */
    uint64_t retry_ms;
    uv_timer_t timer;
    char error[OV_WHY_MAX]; /* of the last look-up; empty: it went well */
};

/* Freed once all its timers are closed. */
struct ov_hosts {
    struct ov_daemon *d;
    struct host v[OV_HOSTS_MAX];
};

static void look_up(struct host *e);

const char *ov_host_state_text(enum ov_host_state s)
{
    static const char *const TEXT[] = {"resolving", "asking", "answered", "failed"};
    return TEXT[s];
}

int ov_hosts_open(struct ov_daemon *d, struct ov_hosts **out)
{
    struct ov_hosts *h = calloc(1, sizeof(*h));
    if (h == NULL)
        return OV_ENOMEM;
    h->d = d;
    for (size_t i = 0; i < OV_HOSTS_MAX; i++) {
        uv_timer_init(&d->loop, &h->v[i].timer);
        h->v[i].timer.data = &h->v[i];
    }
    *out = h;
    return OV_OK;
}

static void on_timer_closed(uv_handle_t *t)
{
    (void)t;
}

/* The last timer's close call back frees the table that all of them live in. */
static void on_last_closed(uv_handle_t *t)
{
    free(t->data);
}

void ov_hosts_close(struct ov_hosts *h)
{
    if (h == NULL)
        return;
    for (size_t i = 0; i < OV_HOSTS_MAX; i++) {
        bool last = i + 1 == OV_HOSTS_MAX;
        ov_resolve_cancel(h->v[i].look_up);
        if (last)
            h->v[i].timer.data = h;
        uv_close((uv_handle_t *)&h->v[i].timer, last ? on_last_closed : on_timer_closed);
    }
}

static bool held_by(const struct host *e, ov_netid net)
{
    if (e->table == NULL)
        return false;
    if (net == 0)
        return e->by_config;
    for (size_t i = 0; i < e->nnets; i++)
        if (e->nets[i] == net)
            return true;
    return false;
}

static void on_timer(uv_timer_t *t)
{
    look_up(t->data);
}

static bool root_info(const struct host *e, struct ov_root_info *out)
{
    struct ov_root_info v[OV_ROOTS_MAX];
    size_t n = ov_node_roots(e->table->d->node, v, OV_ROOTS_MAX);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(v[i].host, e->label) == 0) {
            *out = v[i];
            return true;
        }
    }
    return false;
}

/* Is this ourselves: by an address we have, or by a name we are known by? */
static bool is_self(const struct host *e, const struct ov_endpoint *eps, size_t n)
{
    const struct ov_daemon *d = e->table->d;
    char label[OV_HOST_LABEL];
    for (size_t i = 0; i < d->settings->npublic; i++)
        if (strcmp(ov_host_format(&d->settings->public[i], label), e->label) == 0)
            return true;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < d->nlocals; k++)
            if (ov_endpoint_equal(&eps[i], &d->locals[k].ep))
                return true;
    return false;
}

/* Let the engine forget it. */
static void unroot(struct host *e)
{
    struct ov_daemon *d = e->table->d;
    if (!e->known)
        return;
    e->known = false;
    ov_node_remove_root(d->node, e->label, ov_daemon_now(d));
    ov_daemon_drain(d);
}

static void on_resolved(void *arg, const struct ov_endpoint *eps, size_t n, const char *error)
{
    struct host *e = arg;
    struct ov_daemon *d = e->table->d;
    e->look_up = NULL;
    e->error[0] = '\0';
    int err = OV_OK;
    e->self = is_self(e, eps, n);
    if (e->self) {
        unroot(e);
    } else if (n > 0) {
        err = ov_node_add_root(d->node, e->label, NULL, eps, n, ov_daemon_now(d));
        ov_daemon_drain(d);
        if (err == OV_OK)
            e->known = true;
        else
            snprintf(e->error, sizeof(e->error), "%s",
                     err == OV_EFULL ? "too many servers are known; leave a network first"
                                     : ov_strerror(err));
    } else {
        snprintf(e->error, sizeof(e->error), "cannot find %.80s: %.120s", e->host.name, error);
        /* Where nothing but a proxy gets out, the proxy is who can find it. */
        if (!e->known && ov_links_proxy(d->links)) {
            e->known =
                ov_node_add_root(d->node, e->label, NULL, NULL, 0, ov_daemon_now(d)) == OV_OK;
            ov_daemon_drain(d);
        }
    }
    if (e->error[0] == '\0') {
        e->retry_ms = RETRY_FIRST;
        uv_timer_start(&e->timer, on_timer, LOOK_AGAIN, 0);
        return;
    }
    ov_log(&d->log, e->retry_ms == RETRY_FIRST ? OV_LOG_WARN : OV_LOG_DEBUG,
           "server %s: %s; trying again in %u s", e->label, e->error,
           (unsigned)(e->retry_ms / 1000));
    uv_timer_start(&e->timer, on_timer, e->retry_ms, 0);
    e->retry_ms = e->retry_ms * 2 < RETRY_LAST ? e->retry_ms * 2 : RETRY_LAST;
}

static void look_up(struct host *e)
{
    struct ov_root_info r;
    if (e->look_up != NULL)
        return;
    if (root_info(e, &r) && r.online) { /* all is well: look again later */
        uv_timer_start(&e->timer, on_timer, LOOK_AGAIN, 0);
        return;
    }
    if (ov_resolve_start(&e->table->d->loop, &e->host, on_resolved, e, &e->look_up) != OV_OK)
        on_resolved(e, NULL, 0, "out of memory");
}

int ov_hosts_add(struct ov_hosts *h, ov_netid net, const struct ov_host *host, char why[OV_WHY_MAX])
{
    char label[OV_HOST_LABEL];
    struct host *e = NULL;
    ov_host_format(host, label);
    for (size_t i = 0; i < OV_HOSTS_MAX; i++) {
        if (h->v[i].table != NULL && strcmp(h->v[i].label, label) == 0) {
            e = &h->v[i];
            break;
        }
        if (h->v[i].table == NULL && e == NULL)
            e = &h->v[i];
    }
    if (e == NULL || (e->table != NULL && net != 0 && e->nnets == OV_NETWORKS_MAX)) {
        snprintf(why, OV_WHY_MAX, "%.100s is one server too many: at most %d can be known by name",
                 label, OV_HOSTS_MAX);
        return OV_EFULL;
    }
    bool fresh = e->table == NULL;
    if (fresh) {
        e->table = h;
        e->host = *host;
        snprintf(e->label, sizeof(e->label), "%s", label);
        e->by_config = e->known = e->self = false;
        e->nnets = 0;
        e->retry_ms = RETRY_FIRST;
        e->error[0] = '\0';
    }
    if (net == 0)
        e->by_config = true;
    else if (!held_by(e, net))
        e->nets[e->nnets++] = net;
    if (fresh || !e->known)
        look_up(e);
    return OV_OK;
}

static void release(struct host *e)
{
    ov_resolve_cancel(e->look_up);
    e->look_up = NULL;
    uv_timer_stop(&e->timer);
    unroot(e);
    e->table = NULL;
}

void ov_hosts_drop(struct ov_hosts *h, ov_netid net)
{
    for (size_t i = 0; i < OV_HOSTS_MAX; i++) {
        struct host *e = &h->v[i];
        if (!held_by(e, net))
            continue;
        if (net == 0)
            e->by_config = false;
        for (size_t k = 0; k < e->nnets; k++)
            if (e->nets[k] == net)
                e->nets[k] = e->nets[--e->nnets];
        if (!e->by_config && e->nnets == 0)
            release(e);
    }
}

void ov_hosts_refresh(struct ov_hosts *h)
{
    for (size_t i = 0; i < OV_HOSTS_MAX; i++) {
        if (h->v[i].table == NULL)
            continue;
        h->v[i].retry_ms = RETRY_FIRST;
        uv_timer_start(&h->v[i].timer, on_timer, RETRY_FIRST, 0);
    }
}

size_t ov_hosts_of(const struct ov_hosts *h, ov_netid net, struct ov_host out[OV_HOSTS_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < OV_HOSTS_MAX; i++)
        if (held_by(&h->v[i], net))
            out[n++] = h->v[i].host;
    return n;
}

/* State and message of one host as people should see them. */
static void describe(const struct host *e, struct ov_host_info *out)
{
    struct ov_root_info r;
    char ep[OV_ENDPOINT_TEXT];
    snprintf(out->host, sizeof(out->host), "%s", e->label);
    out->message[0] = '\0';
    if (e->self) {
        out->state = OV_HOST_ANSWERED;
        snprintf(out->message, sizeof(out->message), "this is this server itself");
        return;
    }
    if (!e->known || !root_info(e, &r)) {
        out->state = e->error[0] != '\0' ? OV_HOST_FAILED : OV_HOST_RESOLVING;
        snprintf(out->message, sizeof(out->message), "%s", e->error);
        return;
    }
    if (r.mismatch) {
        out->state = OV_HOST_FAILED;
        snprintf(
            out->message, sizeof(out->message),
            "another server than before answers at %.100s; its owner must say if that is right",
            e->label);
        return;
    }
    out->state = r.online ? OV_HOST_ANSWERED : OV_HOST_ASKING;
    ov_time now = ov_daemon_now(e->table->d);
    if (!r.online && r.nendpoints > 0 && now > r.asked + PATIENCE)
        snprintf(out->message, sizeof(out->message),
                 "no answer from %s for %llu s: is the server running, and UDP port %u open to it?",
                 ov_endpoint_format(&r.endpoints[0], ep),
                 (unsigned long long)((now - r.asked) / OV_SEC), e->host.port);
}

size_t ov_hosts_info(const struct ov_hosts *h, ov_netid net, struct ov_host_info out[OV_HOSTS_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < OV_HOSTS_MAX; i++)
        if (held_by(&h->v[i], net))
            describe(&h->v[i], &out[n++]);
    return n;
}

size_t ov_hosts_all(const struct ov_hosts *h, struct ov_host_info out[OV_HOSTS_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < OV_HOSTS_MAX; i++)
        if (h->v[i].table != NULL)
            describe(&h->v[i], &out[n++]);
    return n;
}
