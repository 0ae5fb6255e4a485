#include "dial.h"

#include "resolve.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_START  150  /* ms that plain TCP has: where it does, TLS is not needed */
#define RETRY_FIRST 1000 /* ms */
#define RETRY_LAST  30000
#define NAME_AGE    300000 /* ms: then the proxy's name is looked up again */
#define LEFT        2000 /* ms: a stream that was used is gone for good, if not used again by then */
#define WAYS_MAX    (2 * OV_ROOT_ENDPOINTS_MAX + 2)

struct root;

/* One way to a root: an address, a port, perhaps TLS, perhaps the proxy. */
struct way {
    struct root *r; /* NULL: not used */
    bool tls, proxied, seen;
    struct ov_endpoint to; /* not of a proxied one */
    uint16_t port;
    struct ov_links_item *k; /* NULL: none now */
    uint64_t next;           /* when to try again, ms of the loop */
    bool used;               /* the engine chose it, and perhaps left it again since: */
    uint64_t left;           /* ms of the loop; 0: it did not */
    uint64_t retry;
};

struct root {
    struct ov_dial *t;
    char host[OV_HOST_LABEL * 2]; /* empty: free */
    char name[OV_HOST_TEXT];      /* for SNI and the proxy */
    uint16_t port;
    bool seen, known, racing;
    struct ov_identity id;
    char problem[OV_STREAM_WHY + 64];
    struct way ways[WAYS_MAX];
};

struct ov_dial {
    struct ov_daemon *d;
    struct ov_links *l;
    uv_timer_t timer;
    struct root roots[OV_ROOTS_MAX];
    struct ov_resolve *look_up;
    struct ov_endpoint proxy[OV_RESOLVE_MAX];
    size_t nproxy, turn; /* turn: which of them is next */
    uint64_t looked;     /* 0: never */
    char proxy_why[128];
};

static void on_timer(uv_timer_t *t)
{
    struct ov_dial *dial = t->data;
    ov_links_mark(dial->l); /* what follows is done before the loop sleeps */
}

int ov_dial_open(struct ov_daemon *d, struct ov_links *l, struct ov_dial **out)
{
    struct ov_dial *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return OV_ENOMEM;
    t->d = d;
    t->l = l;
    uv_timer_init(&d->loop, &t->timer);
    t->timer.data = t;
    *out = t;
    return OV_OK;
}

static void on_closed(uv_handle_t *h)
{
    free(h->data);
}

void ov_dial_close(struct ov_dial *t)
{
    if (t == NULL)
        return;
    ov_resolve_cancel(t->look_up);
    uv_close((uv_handle_t *)&t->timer, on_closed);
}

bool ov_dial_proxy(const struct ov_dial *t)
{
    return t->d->settings->proxy.host[0] != '\0';
}

/* ---- the proxy's address ---- */

static void on_resolved(void *arg, const struct ov_endpoint *eps, size_t n, const char *error)
{
    struct ov_dial *t = arg;
    t->look_up = NULL;
    t->looked = uv_now(&t->d->loop) + 1;
    snprintf(t->proxy_why, sizeof(t->proxy_why), "%s", n > 0 ? "" : error);
    if (n > 0) {
        memcpy(t->proxy, eps, n * sizeof(*eps));
        t->nproxy = n;
    }
    ov_links_mark(t->l);
}

static void find_proxy(struct ov_dial *t)
{
    const struct ov_connect_proxy *p = &t->d->settings->proxy;
    uint64_t now = uv_now(&t->d->loop), age = t->nproxy > 0 ? NAME_AGE : RETRY_FIRST * 4;
    struct ov_host host = {.port = p->port};
    if (!ov_dial_proxy(t) || t->look_up != NULL || (t->looked != 0 && now < t->looked + age))
        return;
    t->looked = now + 1;
    snprintf(host.name, sizeof(host.name), "%.*s", (int)sizeof(host.name) - 1, p->host);
    if (ov_resolve_start(&t->d->loop, &host, on_resolved, t, &t->look_up) != OV_OK)
        t->look_up = NULL;
}

/* ---- one way ---- */

static void label(const struct way *w, char out[OV_STREAM_WHY])
{
    char ep[OV_ENDPOINT_TEXT];
    if (w->proxied)
        snprintf(out, OV_STREAM_WHY, "%s:%u by TLS through the proxy %.60s", w->r->name, w->port,
                 w->r->t->d->settings->proxy.host);
    else
        snprintf(out, OV_STREAM_WHY, "%s by %s", ov_endpoint_format(&w->to, ep),
                 w->tls ? "TLS" : "TCP");
}

static void failed(struct way *w, const char *why, bool telling)
{
    char what[OV_STREAM_WHY];
    struct ov_dial *t = w->r->t;
    label(w, what);
    ov_log(&t->d->log, OV_LOG_DEBUG, "server %s, %s: %s", w->r->host, what, why);
    if (telling)
        snprintf(w->r->problem, sizeof(w->r->problem), "%.140s: %.170s", what, why);
    w->k = NULL;
    w->used = false;
    w->left = 0;
    w->next = uv_now(&t->d->loop) + w->retry + randombytes_uniform((uint32_t)w->retry / 4);
    w->retry = w->retry * 2 < RETRY_LAST ? w->retry * 2 : RETRY_LAST;
}

static void dial(struct way *w)
{
    struct ov_dial *t = w->r->t;
    const struct ov_settings *s = t->d->settings;
    struct ov_stream_target target = {.to = w->to,
                                      .from = s->bind,
                                      .tls = w->tls,
                                      .name = w->r->name,
                                      .port = w->port,
                                      .expect = w->r->known ? &w->r->id : NULL,
                                      .proxy = w->proxied ? &s->proxy : NULL};
    char why[OV_STREAM_WHY];
    if (w->proxied && t->nproxy == 0) {
        failed(w, t->proxy_why[0] != '\0' ? t->proxy_why : "its name is looked up",
               t->proxy_why[0] != '\0');
        return;
    }
    if (w->proxied)
        target.to = t->proxy[t->turn++ % t->nproxy];
    w->k = ov_links_dial(t->l, &target, w, why);
    if (w->k == NULL)
        failed(w, why, false);
}

static void cut(struct way *w)
{
    if (w->k != NULL)
        ov_links_hang_up(w->k);
    w->k = NULL;
    w->used = false;
    w->left = 0;
}

static void hang_up(struct way *w)
{
    cut(w);
    w->next = 0;
    w->retry = RETRY_FIRST;
}

void ov_dial_up(void *way, struct ov_links_item *k)
{
    struct way *w = way;
    struct ov_dial *t = w->r->t;
    int err = ov_node_link_up(t->d->node, w->r->host, ov_links_endpoint(k), ov_daemon_now(t->d));
    if (err == OV_OK)
        ov_links_told(k);
    ov_daemon_drain(t->d);
    if (err != OV_OK) {
        cut(w);
        failed(w, ov_strerror(err), false);
    }
}

void ov_dial_down(void *way, struct ov_links_item *k, const char *why, bool refused)
{
    struct way *w = way;
    (void)k;
    failed(w, why, refused || w->proxied);
    ov_links_mark(w->r->t->l);
}

void ov_dial_proxy_of(const void *way, char *out, size_t cap)
{
    const struct way *w = way;
    out[0] = '\0';
    if (w == NULL || !w->proxied)
        return;
    const struct ov_connect_proxy *p = &w->r->t->d->settings->proxy;
    snprintf(out, cap, strchr(p->host, ':') != NULL ? "[%s]:%u" : "%s:%u", p->host, p->port);
}

/* ---- the ways to one root ---- */

static void want_way(struct root *r, bool proxied, bool tls, const struct ov_endpoint *ep,
                     uint16_t port)
{
    struct way *w = NULL;
    for (size_t i = 0; i < WAYS_MAX; i++) {
        struct way *v = &r->ways[i];
        if (v->r == NULL) {
            w = w != NULL ? w : v;
        } else if (v->proxied == proxied && v->tls == tls && v->port == port &&
                   (proxied || ov_endpoint_equal(&v->to, ep))) {
            v->seen = true;
            return;
        }
    }
    if (w == NULL)
        return;
    *w = (struct way){.r = r, .tls = tls, .proxied = proxied, .seen = true, .port = port};
    w->retry = RETRY_FIRST;
    if (!proxied)
        w->to = *ep;
}

static void list_ways(struct root *r, const struct ov_root_info *info)
{
    for (size_t i = 0; i < WAYS_MAX; i++)
        r->ways[i].seen = false;
    for (size_t i = 0; i < info->nendpoints; i++) {
        struct ov_endpoint ep = info->endpoints[i];
        want_way(r, false, false, &ep, ep.port);
        ep.port = OV_DIAL_PORT;
        want_way(r, false, true, &ep, ep.port);
    }
    if (ov_dial_proxy(r->t)) {
        want_way(r, true, true, NULL, OV_DIAL_PORT);
        if (r->port != OV_DIAL_PORT)
            want_way(r, true, true, NULL, r->port);
    }
    for (size_t i = 0; i < WAYS_MAX; i++) {
        struct way *w = &r->ways[i];
        if (w->r == NULL || w->seen)
            continue;
        hang_up(w);
        w->r = NULL;
    }
}

/* By which name others find it: the one it was given by, or an address. */
static void name(struct root *r, const struct ov_root_info *info)
{
    struct ov_host h;
    char ip[OV_IP_TEXT];
    if (ov_host_parse(info->host, &h) == OV_OK) {
        snprintf(r->name, sizeof(r->name), "%s", h.name);
        r->port = h.port;
    } else if (info->nendpoints > 0) {
        snprintf(r->name, sizeof(r->name), "%s", ov_ip_format(&info->endpoints[0].ip, ip));
        r->port = info->endpoints[0].port;
    }
}

/* A stream in TLS whose certificate is of another identity than the root turned out to have. */
static bool stranger(const struct root *r, const struct way *w)
{
    const struct ov_stream *s = ov_links_stream(w->k);
    const struct ov_identity *id =
        r->known && s != NULL && ov_stream_is_up(s) ? ov_stream_identity(s) : NULL;
    return id != NULL && !ov_identity_equal(id, &r->id);
}

/* The engine used this stream and found it dead, though TCP has not noticed, and would not for a
 * while (the router has forgotten it; this computer slept): begin anew. */
static void renew(struct way *w, uint64_t now, uint64_t *next)
{
    if (!w->used)
        return;
    if (w->left == 0)
        w->left = now;
    if (now >= w->left + LEFT)
        hang_up(w);
    else if (w->left + LEFT < *next)
        *next = w->left + LEFT;
}

/* `used`: the engine uses a stream to this root that stands. */
static void run_way(struct way *w, const struct ov_root_info *info, bool used, uint64_t *next)
{
    uint64_t now = uv_now(&w->r->t->d->loop);
    if (w->k != NULL && stranger(w->r, w)) {
        cut(w);
        failed(w, "what answers there is another server", true);
    }
    if (w->k != NULL && ov_endpoint_equal(ov_links_endpoint(w->k), &info->link)) {
        w->retry = RETRY_FIRST;
        w->used = true;
        w->left = 0;
        return;
    }
    if (info->link_state == OV_ROOTLINK_UNWANTED || used) {
        hang_up(w);
        return;
    }
    if (info->link_state != OV_ROOTLINK_WANTED)
        return;
    renew(w, now, next);
    if (w->k == NULL && now >= w->next)
        dial(w);
    if (w->k == NULL && w->next < *next)
        *next = w->next;
}

static void run_root(struct root *r, const struct ov_root_info *info, uint64_t *next)
{
    uint64_t now = uv_now(&r->t->d->loop);
    struct ov_links_info any;
    /* (the engine has not heard yet of what was hung up in this very turn) */
    bool used = ov_links_info(r->t->l, &info->link, &any);
    r->known = info->id != NULL;
    if (r->known)
        r->id = *info->id;
    if (!used && info->link_state == OV_ROOTLINK_WANTED) {
        name(r, info);
        list_ways(r, info);
        for (size_t i = 0; !r->racing && i < WAYS_MAX; i++) {
            r->ways[i].next = r->ways[i].tls ? now + HEAD_START : now;
            r->ways[i].retry = RETRY_FIRST;
        }
        r->racing = true;
    } else {
        r->racing = false;
        r->problem[0] = '\0';
    }
    for (size_t i = 0; i < WAYS_MAX; i++)
        if (r->ways[i].r != NULL)
            run_way(&r->ways[i], info, used, next);
}

static void drop(struct root *r)
{
    for (size_t i = 0; i < WAYS_MAX; i++)
        hang_up(&r->ways[i]);
    memset(r, 0, sizeof(*r));
}

static struct root *root_of(struct ov_dial *t, const char *host, bool make)
{
    struct root *r = NULL;
    for (size_t i = 0; i < OV_ROOTS_MAX; i++) {
        if (t->roots[i].host[0] == '\0')
            r = r != NULL ? r : &t->roots[i];
        else if (strcmp(t->roots[i].host, host) == 0)
            return &t->roots[i];
    }
    if (!make || r == NULL)
        return NULL;
    memset(r, 0, sizeof(*r));
    r->t = t;
    snprintf(r->host, sizeof(r->host), "%s", host);
    return r;
}

void ov_dial_run(struct ov_dial *t)
{
    struct ov_root_info v[OV_ROOTS_MAX];
    size_t n = ov_node_roots(t->d->node, v, OV_ROOTS_MAX);
    uint64_t next = UINT64_MAX, now = uv_now(&t->d->loop);
    bool wanted = false;
    for (size_t i = 0; i < OV_ROOTS_MAX; i++)
        t->roots[i].seen = false;
    for (size_t i = 0; i < n; i++) {
        struct root *r = root_of(t, v[i].host, v[i].link_state == OV_ROOTLINK_WANTED);
        if (r != NULL)
            r->seen = true;
        wanted |= v[i].link_state == OV_ROOTLINK_WANTED;
    }
    if (wanted)
        find_proxy(t);
    for (size_t i = 0; i < OV_ROOTS_MAX; i++)
        if (t->roots[i].host[0] != '\0' && !t->roots[i].seen)
            drop(&t->roots[i]);
    for (size_t i = 0; i < n; i++) {
        struct root *r = root_of(t, v[i].host, v[i].link_state == OV_ROOTLINK_WANTED);
        if (r != NULL)
            run_root(r, &v[i], &next);
    }
    if (next == UINT64_MAX)
        uv_timer_stop(&t->timer);
    else
        uv_timer_start(&t->timer, on_timer, next > now ? next - now : 1, 0);
}

void ov_dial_refresh(struct ov_dial *t)
{
    t->looked = 0;
    for (size_t i = 0; i < OV_ROOTS_MAX; i++)
        for (size_t k = 0; t->roots[i].host[0] != '\0' && k < WAYS_MAX; k++) {
            t->roots[i].ways[k].next = 0;
            t->roots[i].ways[k].retry = RETRY_FIRST;
        }
}

const char *ov_dial_problem(const struct ov_dial *t, const char *host)
{
    for (size_t i = 0; i < OV_ROOTS_MAX; i++)
        if (strcmp(t->roots[i].host, host) == 0 && t->roots[i].problem[0] != '\0')
            return t->roots[i].problem;
    return NULL;
}
