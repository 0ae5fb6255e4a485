#include "listen.h"

#include "core/ratelimit.h"
#include "sockaddr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG     128
#define ACCEPTS     32   /* in one turn of the loop */
#define PAUSE       1000 /* ms without accepting when there are no descriptors left */
#define SOURCES     4096
#define DESCRIPTORS 8192 /* wanted, if the system lets us */
#define SPARE       64   /* descriptors for everything else */
#define NEWCOMERS   16 /* when all is taken, one in so many may be one who has not proven himself */

struct port {
    struct ov_listen *l;
    int fd;
    struct ov_endpoint at;
    uv_poll_t poll;
};

struct connection {
    struct ov_stream *s;
    struct ov_ip from; /* what counts as its source */
    bool trusted;
    ov_addr who;         /* when trusted */
    int his, neighbours; /* other trusted ones of the same `who`, and of the same source */
    uint64_t order;
};

struct ov_listen {
    struct ov_listen_config cfg;
    struct ov_ratelimit *rate;
    struct ov_bucket all;
    struct port ports[OV_LISTEN_PORTS * 2]; /* IPv4 and IPv6 */
    size_t nports, open_handles;
    uv_timer_t pause;
    struct connection *v; /* `max` of them */
    size_t n, max, strangers;
    uint64_t order, accepted, refused;
};

static void on_incoming(uv_poll_t *p, int status, int events);

/* A root serves many: take as many descriptors as the hard limit has. */
static size_t connections_max(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return OV_LISTEN_MAX / 16;
    if (r.rlim_cur < DESCRIPTORS && r.rlim_cur < r.rlim_max) {
        r.rlim_cur = r.rlim_max < DESCRIPTORS ? r.rlim_max : DESCRIPTORS;
        setrlimit(RLIMIT_NOFILE, &r);
        getrlimit(RLIMIT_NOFILE, &r);
    }
    size_t n = r.rlim_cur > 2 * SPARE ? (size_t)r.rlim_cur - SPARE : SPARE;
    return n < OV_LISTEN_MAX ? n : OV_LISTEN_MAX;
}

static void on_pause_over(uv_timer_t *t)
{
    struct ov_listen *l = t->data;
    for (size_t i = 0; i < l->nports; i++)
        uv_poll_start(&l->ports[i].poll, UV_READABLE, on_incoming);
}

int ov_listen_new(const struct ov_listen_config *cfg, struct ov_listen **out)
{
    struct ov_listen *l = calloc(1, sizeof *l);
    if (!l)
        return OV_ENOMEM;
    l->cfg = *cfg;
    l->max = cfg->max ? cfg->max : connections_max();
    l->v = calloc(l->max, sizeof *l->v);
    l->rate = ov_ratelimit_new(SOURCES, OV_LISTEN_RATE, OV_LISTEN_RATE * 2, cfg->seed);
    if (!l->v || !l->rate) {
        free(l->v);
        ov_ratelimit_free(l->rate);
        free(l);
        return OV_ENOMEM;
    }
    ov_bucket_init(&l->all, OV_LISTEN_RATE_ALL, OV_LISTEN_RATE_ALL * 2, uv_now(cfg->loop) * OV_MS);
    uv_timer_init(cfg->loop, &l->pause);
    l->pause.data = l;
    l->open_handles = 1;
    *out = l;
    return OV_OK;
}

/* ---- who may come ---- */

/* IPv6 counts by /64. */
static struct ov_ip source_of(const struct ov_ip *ip)
{
    struct ov_ip s = *ip;
    if (s.family == 6)
        memset(s.b + 8, 0, 8);
    return s;
}

/* The others of the same one, and of the same source, have one more or less beside them; and c has
 * them. */
static void count(struct ov_listen *l, struct connection *c, int step)
{
    c->his = c->neighbours = 0;
    for (size_t i = 0; i < l->n; i++) {
        struct connection *x = &l->v[i];
        if (!x->trusted || x == c)
            continue;
        bool his = x->who == c->who, near = ov_ip_equal(&x->from, &c->from);
        x->his += his ? step : 0;
        x->neighbours += near ? step : 0;
        c->his += his;
        c->neighbours += near;
    }
}

static void remove_at(struct ov_listen *l, size_t i)
{
    l->strangers -= !l->v[i].trusted;
    if (l->v[i].trusted)
        count(l, &l->v[i], -1);
    l->v[i] = l->v[--l->n];
}

static struct connection *find(struct ov_listen *l, const struct ov_stream *s)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->v[i].s == s)
            return &l->v[i];
    return NULL;
}

/* The stranger that is here the longest, of this source or (NULL) of any. */
static struct ov_stream *oldest(const struct ov_listen *l, const struct ov_ip *from)
{
    const struct connection *pick = NULL;
    for (size_t i = 0; i < l->n; i++) {
        const struct connection *c = &l->v[i];
        if (!c->trusted && (!from || ov_ip_equal(&c->from, from)) &&
            (!pick || c->order < pick->order))
            pick = c;
    }
    return pick ? pick->s : NULL;
}

/* Is `a` to go rather than `b`, meaning `bond` and `least` to us? */
static bool lesser(const struct connection *a, enum ov_bond bond, const struct connection *b,
                   enum ov_bond least)
{
    if (!b || bond != least)
        return !b || bond < least;
    if (a->his != b->his)
        return a->his > b->his;
    if (a->neighbours != b->neighbours)
        return a->neighbours > b->neighbours;
    return a->order < b->order;
}

/* Of those who have proven to be there the one that may go best; NULL: none may. */
static struct ov_stream *least_dear(const struct ov_listen *l)
{
    const struct connection *pick = NULL;
    enum ov_bond least = OV_BOND_OURS;
    for (size_t i = 0; i < l->n; i++) {
        const struct connection *c = &l->v[i];
        if (!c->trusted)
            continue;
        enum ov_bond bond = l->cfg.bond(l->cfg.arg, c->who);
        if (bond == OV_BOND_OURS || !lesser(c, bond, pick, least))
            continue;
        pick = c;
        least = bond;
    }
    return pick ? pick->s : NULL;
}

/* Is there room for one more of this source? Another one may have to go for it. Newcomers go first
 * only where they are many: one of them needs a moment to prove itself. */
static bool make_room(struct ov_listen *l, const struct ov_ip *from)
{
    size_t same = 0, strangers = 0;
    struct ov_stream *victim = NULL, *trusted = NULL;
    for (size_t i = 0; i < l->n; i++) {
        bool mine = ov_ip_equal(&l->v[i].from, from);
        same += mine;
        strangers += mine && !l->v[i].trusted;
    }
    if (strangers >= OV_LISTEN_SOURCE_STRANGERS || (same >= OV_LISTEN_SOURCE && strangers > 0))
        victim = oldest(l, from);
    else if (same >= OV_LISTEN_SOURCE)
        return false;
    else if (l->strangers < l->max / NEWCOMERS && l->n >= l->max)
        trusted = least_dear(l);
    if (!victim && !trusted && (l->strangers >= OV_LISTEN_STRANGERS || l->n >= l->max))
        victim = oldest(l, NULL);
    if (victim)
        ov_stream_end(victim, "too many strangers");
    if (trusted)
        ov_stream_end(trusted, "there is no room, and others have less");
    return l->n < l->max;
}

static void welcome(struct ov_listen *l, int fd, const struct ov_endpoint *from)
{
    struct ov_ip source = source_of(&from->ip);
    struct ov_stream *s;
    ov_time now = uv_now(l->cfg.loop) * OV_MS;
    if (!ov_ratelimit_allow(l->rate, &source, now) || !ov_bucket_take(&l->all, 1, now) ||
        !make_room(l, &source) ||
        ov_stream_adopt(l->cfg.loop, fd, from, l->cfg.ev, l->cfg.arg, &s) != OV_OK) {
        l->refused++;
        close(fd);
        return;
    }
    l->accepted++;
    l->strangers++;
    l->v[l->n++] = (struct connection){.s = s, .from = source, .order = ++l->order};
}

/* Not of IPv4 in IPv6's clothes: that has a socket of its own. */
static bool endpoint(const union ov_sockaddr *sa, struct ov_endpoint *out)
{
    static const uint8_t MAPPED[12] = {[10] = 0xff, [11] = 0xff};
    if (!ov_sockaddr_to_endpoint(&sa->any, out))
        return false;
    out->scope = 0; /* it is the engine's number of the stream */
    return out->ip.family == 4 || memcmp(out->ip.b, MAPPED, sizeof MAPPED) != 0;
}

static void on_incoming(uv_poll_t *p, int status, int events)
{
    struct port *port = p->data;
    (void)events;
    for (int i = 0; status == 0 && i < ACCEPTS; i++) {
        union ov_sockaddr sa = {0};
        struct ov_endpoint from;
        socklen_t len = sizeof sa;
        int fd = accept4(port->fd, &sa.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
            for (size_t k = 0; k < port->l->nports; k++)
                uv_poll_stop(&port->l->ports[k].poll);
            uv_timer_start(&port->l->pause, on_pause_over, PAUSE, 0);
            return;
        }
        if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (fd < 0)
            continue; /* that one is gone already */
        if (endpoint(&sa, &from))
            welcome(port->l, fd, &from);
        else
            close(fd);
    }
}

/* ---- ports ---- */

static int bind_to(const struct ov_endpoint *at, int *out)
{
    union ov_sockaddr sa;
    socklen_t len = ov_sockaddr_from_endpoint(at, &sa);
    int one = 1;
    int fd = socket(sa.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (sa.any.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    if (bind(fd, &sa.any, len) != 0 || listen(fd, BACKLOG) != 0) {
        int e = errno;
        close(fd);
        return e;
    }
    *out = fd;
    return 0;
}

int ov_listen_add(struct ov_listen *l, const struct ov_endpoint *at, char why[OV_STREAM_WHY])
{
    int fd = -1, e;
    if (l->nports == OV_LISTEN_PORTS * 2) {
        snprintf(why, OV_STREAM_WHY, "too many ports");
        return OV_EFULL;
    }
    e = bind_to(at, &fd);
    if (e != 0) {
        snprintf(why, OV_STREAM_WHY, "%s",
                 e == EADDRINUSE ? "another program has it (ss -tlnp shows it)" : strerror(e));
        return e == EADDRINUSE ? OV_EEXIST : e == EACCES || e == EPERM ? OV_EPERM : OV_EIO;
    }
    struct port *p = &l->ports[l->nports];
    *p = (struct port){.l = l, .fd = fd, .at = *at};
    if (uv_poll_init(l->cfg.loop, &p->poll, fd) != 0) {
        close(fd);
        snprintf(why, OV_STREAM_WHY, "the event loop does not take it");
        return OV_EIO;
    }
    p->poll.data = p;
    uv_poll_start(&p->poll, UV_READABLE, on_incoming);
    l->nports++;
    l->open_handles++;
    return OV_OK;
}

size_t ov_listen_ports(const struct ov_listen *l, struct ov_endpoint *out, size_t cap)
{
    size_t n = 0;
    for (; n < l->nports && n < cap; n++)
        out[n] = l->ports[n].at;
    return n;
}

void ov_listen_stats(const struct ov_listen *l, struct ov_listen_stats *out)
{
    *out = (struct ov_listen_stats){.connections = l->n,
                                    .strangers = l->strangers,
                                    .accepted = l->accepted,
                                    .refused = l->refused};
}

void ov_listen_trust(struct ov_listen *l, struct ov_stream *s, ov_addr who)
{
    struct connection *c = find(l, s);
    if (!c)
        return;
    if (c->trusted)
        count(l, c, -1);
    c->who = who;
    count(l, c, 1);
    if (c->trusted)
        return;
    c->trusted = true;
    l->strangers--;
    ov_stream_trust(s);
}

void ov_listen_gone(struct ov_listen *l, struct ov_stream *s)
{
    struct connection *c = find(l, s);
    if (c)
        remove_at(l, (size_t)(c - l->v));
}

/* ---- the end ---- */

static void release(struct ov_listen *l)
{
    if (--l->open_handles > 0)
        return;
    ov_ratelimit_free(l->rate);
    free(l->v);
    free(l);
}

static void on_port_closed(uv_handle_t *h)
{
    struct port *p = h->data;
    close(p->fd);
    release(p->l);
}

static void on_pause_closed(uv_handle_t *h)
{
    release(h->data);
}

void ov_listen_close(struct ov_listen *l)
{
    if (!l)
        return;
    while (l->n > 0)
        ov_stream_close(l->v[--l->n].s);
    for (size_t i = 0; i < l->nports; i++) {
        uv_poll_stop(&l->ports[i].poll);
        uv_close((uv_handle_t *)&l->ports[i].poll, on_port_closed);
    }
    uv_close((uv_handle_t *)&l->pause, on_pause_closed);
}
