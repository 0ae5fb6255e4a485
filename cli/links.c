#include "links.h"

#include "core/map.h"
#include "dial.h"
#include "transport/listen.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINKS_MAX    (OV_LISTEN_MAX + OV_LINKS_MAX)
#define TLS_AGAIN_MS (60 * 1000) /* after it could not be had: the reason may be gone */

struct ov_links_item {
    struct ov_links *l;
    struct ov_stream *s;   /* NULL: it is over */
    struct ov_endpoint ep; /* as the engine knows it */
    void *way;             /* dial.c's; NULL: accepted, or hung up */
    bool accepted, told;   /* told: the engine has to hear of its end */
    bool rose, over;       /* to be looked at before the loop sleeps */
    struct ov_links_item *next_marked, *next_dirty;
    bool dirty;
};

struct ov_links {
    struct ov_daemon *d;
    struct ov_identity_secret id; /* a root's: for its certificate */
    struct ov_tls_context *tls;   /* made when it is first needed */
    uint64_t tls_again;           /* when to try again; uv_now() */
    char tls_why[OV_TLS_WHY];     /* why there is none; empty: not known yet, or there is one */
    struct ov_dial *dial;
    struct ov_listen *listen; /* NULL: this is no root, or it has no port */
    struct ov_links_port ports[OV_LINKS_PORTS];
    size_t nports;
    struct ov_map by_id;
    uint32_t last_id;
    bool closing, wanted;
    struct ov_links_item *marked, *dirty;
    struct ov_links_stats stats;
};

/* ---- the table ---- */

static struct ov_links_item *find(const struct ov_links *l, const struct ov_endpoint *ep)
{
    struct ov_links_item *k = ov_map_get(&l->by_id, ov_key_u64(ep->scope));
    return k != NULL && k->s != NULL && ov_endpoint_equal(&k->ep, ep) ? k : NULL;
}

static struct ov_links_item *add(struct ov_links *l, struct ov_stream *s, void *way)
{
    struct ov_links_item *k = calloc(1, sizeof(*k));
    if (k == NULL)
        return NULL;
    do
        l->last_id++;
    while (l->last_id == 0 || ov_map_get(&l->by_id, ov_key_u64(l->last_id)) != NULL);
    if (ov_map_put(&l->by_id, ov_key_u64(l->last_id), k) != OV_OK) {
        free(k);
        return NULL;
    }
    k->l = l;
    k->s = s;
    k->way = way;
    k->ep = *ov_stream_remote(s);
    k->ep.scope = l->last_id;
    ov_stream_set_data(s, k);
    return k;
}

static void mark(struct ov_links_item *k)
{
    if (k->rose || k->over)
        return;
    k->next_marked = k->l->marked;
    k->l->marked = k;
}

static void clean(struct ov_links_item *k)
{
    for (struct ov_links_item **p = &k->l->dirty; *p != NULL; p = &(*p)->next_dirty) {
        if (*p != k)
            continue;
        *p = k->next_dirty;
        break;
    }
    k->dirty = false;
}

/* Its stream is gone: only the engine may still have to hear of it. */
static void bury(struct ov_links_item *k)
{
    if (k->dirty)
        clean(k);
    k->l->stats.dropped += ov_stream_dropped(k->s);
    if (k->accepted)
        ov_listen_gone(k->l->listen, k->s);
    k->s = NULL;
    mark(k);
    k->over = true;
}

/* ---- what streams tell ---- */

static void on_up(void *arg, struct ov_stream *s)
{
    struct ov_links *l = arg;
    struct ov_links_item *k = ov_stream_data(s);
    if (k == NULL) { /* accepted */
        k = add(l, s, NULL);
        if (k == NULL)
            ov_stream_end(s, "out of memory");
        else
            k->accepted = k->told = true;
        return;
    }
    mark(k);
    k->rose = true;
}

static void on_packets(void *arg, struct ov_stream *s, const struct ov_frames_packet *v, size_t n)
{
    struct ov_links *l = arg;
    const struct ov_links_item *k = ov_stream_data(s);
    struct ov_datagram batch[OV_STREAM_BATCH];
    if (k == NULL)
        return;
    for (size_t i = 0; i < n; i++)
        batch[i] = (struct ov_datagram){
            .socket = OV_SOCKET_LINK, .from = k->ep, .data = v[i].data, .len = v[i].len};
    ov_node_datagrams(l->d->node, batch, n, ov_daemon_now(l->d));
    ov_daemon_drain(l->d);
}

static void on_down(void *arg, struct ov_stream *s, const char *why)
{
    struct ov_links *l = arg;
    struct ov_links_item *k = ov_stream_data(s);
    char ep[OV_ENDPOINT_TEXT];
    if (k == NULL) { /* a stranger that never said hello */
        l->stats.broken++;
        if (l->listen != NULL)
            ov_listen_gone(l->listen, s);
        return;
    }
    ov_log(&l->d->log, OV_LOG_DEBUG, "stream %s %s: %s", k->accepted ? "from" : "to",
           ov_endpoint_format(ov_stream_remote(s), ep), why);
    void *way = k->way;
    bool refused = ov_stream_refused(s);
    k->way = NULL;
    bury(k);
    if (way != NULL)
        ov_dial_down(way, k, why, refused);
}

/* NULL: there is none for now, as tls_why says. Told once, not at each try. */
static struct ov_tls_context *context(struct ov_links *l)
{
    char why[OV_TLS_WHY];
    uint64_t now = uv_now(&l->d->loop);
    if (l->tls != NULL || now < l->tls_again)
        return l->tls;
    l->tls_again = now + TLS_AGAIN_MS;
    if (ov_tls_context_new(l->d->settings->root ? &l->id : NULL, &l->tls, why) != OV_OK) {
        l->tls = NULL;
        if (strcmp(why, l->tls_why) != 0)
            ov_log(&l->d->log, OV_LOG_WARN, "no TLS: %s", why);
        memcpy(l->tls_why, why, sizeof(l->tls_why));
        return NULL;
    }
    if (l->tls_why[0] != '\0')
        ov_log(&l->d->log, OV_LOG_INFO, "TLS is there again");
    l->tls_why[0] = '\0';
    return l->tls;
}

static struct ov_tls_context *on_tls(void *arg)
{
    return context(arg);
}

static const struct ov_stream_events EVENTS = {
    .up = on_up, .packets = on_packets, .down = on_down, .tls = on_tls};

/* ---- through ---- */

static const struct ov_links_item *accepted(const struct ov_links *l, uint64_t number)
{
    const struct ov_links_item *k = l != NULL ? ov_map_get(&l->by_id, ov_key_u64(number)) : NULL;
    return k != NULL && k->s != NULL && k->accepted ? k : NULL;
}

void ov_links_proven(struct ov_links *l, uint64_t number, ov_addr who)
{
    const struct ov_links_item *k = accepted(l, number);
    if (k != NULL)
        ov_listen_trust(l->listen, k->s, who);
}

void ov_links_end(struct ov_links *l, uint64_t number)
{
    const struct ov_links_item *k = accepted(l, number);
    if (k != NULL)
        ov_stream_end(k->s, "its node has newer ones, or is forgotten");
}

void ov_links_send(struct ov_links *l, const struct ov_out_datagrams *d)
{
    struct ov_links_item *k = l != NULL ? find(l, &d->to) : NULL;
    for (size_t at = 0; at < d->len; at += d->segment) {
        size_t len = d->len - at < d->segment ? d->len - at : d->segment;
        if (k == NULL) {
            if (l != NULL)
                l->stats.dropped++;
            continue;
        }
        ov_stream_send(k->s, d->data + at, len);
    }
    if (k == NULL || k->dirty)
        return;
    k->dirty = true;
    k->next_dirty = l->dirty;
    l->dirty = k;
}

void ov_links_flush(struct ov_links *l)
{
    while (l != NULL && l->dirty != NULL) {
        struct ov_links_item *k = l->dirty;
        l->dirty = k->next_dirty;
        k->dirty = false;
        ov_stream_flush(k->s);
    }
}

/* ---- before the loop sleeps ---- */

void ov_links_mark(struct ov_links *l)
{
    if (l != NULL)
        l->wanted = true;
}

static void settle(struct ov_links_item *k)
{
    struct ov_links *l = k->l;
    bool rose = k->rose, over = k->over;
    k->rose = k->over = false;
    if (rose && !over && k->way != NULL)
        ov_dial_up(k->way, k);
    if (!over)
        return;
    if (k->told && !l->closing) {
        ov_node_link_down(l->d->node, &k->ep, ov_daemon_now(l->d));
        ov_daemon_drain(l->d);
    }
    ov_map_del(&l->by_id, ov_key_u64(k->ep.scope));
    free(k);
}

void ov_links_run(struct ov_links *l)
{
    if (l == NULL)
        return;
    /* What is settled may mark more, but not without end: each stream rises and ends once. */
    while (l->marked != NULL || l->wanted) {
        struct ov_links_item *k = l->marked;
        if (k != NULL) {
            l->marked = k->next_marked;
            settle(k);
            l->wanted = true;
            continue;
        }
        l->wanted = false;
        ov_dial_run(l->dial);
    }
}

static bool is_ours(const struct ov_daemon *d, const struct ov_ip *ip)
{
    static const struct ov_ip LOOPBACK = {.family = 6, .b = {[15] = 1}};
    if (ov_ip_is_link_local(ip) || (ip->family == 4 && ip->b[0] == 127) ||
        ov_ip_equal(ip, &LOOPBACK))
        return true; /* not among those that the engine is told */
    for (size_t i = 0; i < d->nlocals; i++)
        if (ov_ip_equal(&d->locals[i].ep.ip, ip))
            return true;
    return d->nlocals == OV_LOCALS_MAX; /* perhaps one that did not fit */
}

void ov_links_refresh(struct ov_links *l)
{
    struct ov_links_item *k;
    struct ov_ip ip;
    if (l == NULL)
        return;
    for (size_t it = 0; (k = ov_map_next(&l->by_id, &it, NULL)) != NULL;)
        if (k->s != NULL && !k->accepted && ov_stream_local(k->s, &ip) && !is_ours(l->d, &ip))
            ov_stream_end(k->s, "this host's address changed");
    ov_dial_refresh(l->dial);
    l->wanted = true;
}

/* ---- for dial.c ---- */

struct ov_links_item *ov_links_dial(struct ov_links *l, const struct ov_stream_target *t,
                                    void *owner, char why[OV_STREAM_WHY])
{
    struct ov_stream *s;
    if (t->tls && context(l) == NULL) {
        snprintf(why, OV_STREAM_WHY, "%.200s", l->tls_why);
        return NULL;
    }
    if (ov_stream_dial(&l->d->loop, t, l->tls, &EVENTS, l, &s, why) != OV_OK)
        return NULL;
    struct ov_links_item *k = add(l, s, owner);
    if (k == NULL) {
        ov_stream_close(s);
        snprintf(why, OV_STREAM_WHY, "out of memory");
    }
    return k;
}

void ov_links_hang_up(struct ov_links_item *k)
{
    struct ov_stream *s = k->s;
    k->way = NULL;
    if (s == NULL)
        return;
    bury(k);
    ov_stream_close(s);
}

struct ov_stream *ov_links_stream(const struct ov_links_item *k)
{
    return k->s;
}

const struct ov_endpoint *ov_links_endpoint(const struct ov_links_item *k)
{
    return &k->ep;
}

void ov_links_told(struct ov_links_item *k)
{
    k->told = true;
}

/* ---- a root's ports ---- */

static void listen_on(struct ov_links *l, uint16_t port)
{
    const struct ov_ip *only = &l->d->settings->bind;
    struct ov_links_port *p = &l->ports[l->nports++];
    char why[OV_STREAM_WHY];
    bool any = false;
    p->port = port;
    for (uint8_t family = 4; family <= 6; family = (uint8_t)(family + 2)) {
        struct ov_endpoint at = {.ip = {.family = family}, .port = port};
        if (only->family != 0 && only->family != family)
            continue;
        if (only->family != 0)
            at.ip = *only;
        if (ov_listen_add(l->listen, &at, why) == OV_OK)
            any = true;
        else if (family == 4 || !any)
            snprintf(p->problem, sizeof(p->problem), "%s", why);
    }
    if (p->problem[0] != '\0')
        ov_log(&l->d->log, OV_LOG_WARN,
               "TCP port %u is not served: %s. Nodes whose networks stop UDP may not get through",
               port, p->problem);
}

static enum ov_bond bond(void *arg, ov_addr who)
{
    const struct ov_links *l = arg;
    return ov_node_bond(l->d->node, who);
}

static int serve(struct ov_links *l)
{
    const struct ov_settings *s = l->d->settings;
    struct ov_listen_config cfg = {.loop = &l->d->loop, .ev = &EVENTS, .bond = bond, .arg = l};
    randombytes_buf(cfg.seed, sizeof(cfg.seed));
    int err = ov_listen_new(&cfg, &l->listen);
    if (err != OV_OK)
        return err;
    if (!s->tcp_ports_set) {
        listen_on(l, ov_config_port(s));
        if (ov_config_port(s) != OV_DIAL_PORT)
            listen_on(l, OV_DIAL_PORT);
    }
    for (size_t i = 0; i < s->ntcp_ports; i++)
        listen_on(l, s->tcp_ports[i]);
    return OV_OK;
}

int ov_links_open(struct ov_daemon *d, const struct ov_identity_secret *id, struct ov_links **out)
{
    struct ov_links *l = calloc(1, sizeof(*l));
    uint8_t seed[16];
    if (l == NULL)
        return OV_ENOMEM;
    l->d = d;
    randombytes_buf(seed, sizeof(seed));
    ov_map_init(&l->by_id, LINKS_MAX, seed);
    int err = ov_dial_open(d, l, &l->dial);
    if (err == OV_OK && d->settings->root) {
        l->id = *id;
        err = serve(l);
    }
    *out = l;
    return err;
}

void ov_links_close(struct ov_links *l)
{
    struct ov_links_item *k;
    if (l == NULL)
        return;
    l->closing = true;
    ov_dial_close(l->dial);
    l->dial = NULL;
    for (size_t it = 0; (k = ov_map_next(&l->by_id, &it, NULL)) != NULL;)
        ov_links_hang_up(k);
    while (l->marked != NULL) {
        k = l->marked;
        l->marked = k->next_marked;
        settle(k);
    }
    ov_listen_close(l->listen);
    ov_map_free(&l->by_id);
    ov_tls_context_free(l->tls);
    ov_identity_wipe(&l->id);
    free(l);
}

/* ---- what people may see ---- */

bool ov_links_proxy(const struct ov_links *l)
{
    return l != NULL && ov_dial_proxy(l->dial);
}

bool ov_links_info(const struct ov_links *l, const struct ov_endpoint *ep,
                   struct ov_links_info *out)
{
    const struct ov_links_item *k = l != NULL && ep->ip.family != 0 ? find(l, ep) : NULL;
    if (k == NULL)
        return false;
    memset(out, 0, sizeof(*out));
    out->tls = ov_stream_is_tls(k->s);
    out->remote = *ov_stream_remote(k->s);
    ov_dial_proxy_of(k->way, out->proxy, sizeof(out->proxy));
    return true;
}

const char *ov_links_problem(const struct ov_links *l, const char *host)
{
    return l != NULL ? ov_dial_problem(l->dial, host) : NULL;
}

void ov_links_stats(const struct ov_links *l, struct ov_links_stats *out)
{
    struct ov_links_item *k;
    memset(out, 0, sizeof(*out));
    if (l == NULL)
        return;
    *out = l->stats;
    for (size_t it = 0; (k = ov_map_next(&l->by_id, &it, NULL)) != NULL;)
        if (k->s != NULL)
            out->dropped += ov_stream_dropped(k->s);
}

size_t ov_links_ports(const struct ov_links *l, struct ov_links_port out[OV_LINKS_PORTS])
{
    if (l == NULL)
        return 0;
    memcpy(out, l->ports, l->nports * sizeof(l->ports[0]));
    return l->nports;
}

bool ov_links_served(const struct ov_links *l, struct ov_listen_stats *out)
{
    if (l == NULL || l->listen == NULL)
        return false;
    ov_listen_stats(l->listen, out);
    return true;
}
