/* portmap: who is asked for the mapping, and when.
 *
 * Theory of operation. What we *do* and what we *have* are two things.
 *
 *     IDLE      no router, or none needed; the next ov_portmap_check() looks again
 *     PROBING   all three ways are asked whether they are there. As soon as no better one can
 *               answer any more, or 250 ms have passed, the best of those that answered is taken
 *     MAPPING   it was asked for the mapping. When it refuses, the next best; none left: RESTING
 *     HOLDING   until the mapping is to be prolonged (half of its life) or checked (UPnP, each
 *               two minutes, since it does not tell when the router restarts)
 *     RENEWING  it was asked to; when that fails: PROBING
 *     RESTING   nothing to be had; PROBING again after a pause that grows
 *
 * A mapping is *held* from when it was granted to when its life is over, the router says that there
 * is none, or the router is another one; all that time others are told of it, whatever we do.
 *
 * Routers tell that they restarted (news): then it is asked for again at once, or from RESTING all
 * are probed. That can be forged by others on the LAN, so it counts only once in NEWS_GAP. */
#include "transport/portmap.h"

#include "core/crypto.h"
#include "transport/gateway.h"
#include "transport/igd.h"
#include "transport/pxp.h"

#include <stdlib.h>
#include <string.h>

#define PREFER_MS   250
#define ARRIVED_MS  1000
#define RETRY_FIRST 5000
#define RETRY_LAST  (30 * 60 * 1000)
#define RENEW_LEAST 4000
#define HOUR        (3600 * 1000)
#define NEWS_GAP    3000
#define NEWS_DELAY  200 /* a router that comes up tells it several times */

enum doing { IDLE, PROBING, MAPPING, HOLDING, RENEWING, RESTING };

struct ov_portmap {
    uv_loop_t *loop;
    struct ov_portmap_config config;
    uv_timer_t timer;  /* of what we do */
    uv_timer_t expiry; /* of what we have */
    unsigned open_handles;
    bool closing;

    enum ov_gateway_kind kind;
    struct ov_gateway gateway;
    struct ov_pxp *pxp; /* both NULL unless a gateway is FOUND */
    struct ov_igd *igd;

    enum doing doing;
    bool found[OV_MAPPER_COUNT], out[OV_MAPPER_COUNT]; /* out: absent, or has refused */
    bool preferring;                                   /* a better one may still answer */
    enum ov_mapper asked;                              /* MAPPING: who */
    bool checking;                                     /* RENEWING: only looks */
    unsigned failures;
    const char *problem;
    bool arrived;   /* PROBING: the router told that it is there */
    uint64_t heard; /* when news counted last; ms of the loop */

    bool held;
    enum ov_mapper by;
    struct ov_mapping mapping;
    uint64_t renew_at, ends_at;
    uint32_t renewals;
};

const char *ov_mapper_name(enum ov_mapper m)
{
    static const char *const NAME[OV_MAPPER_COUNT] = {"PCP", "NAT-PMP", "UPnP"};
    return NAME[m];
}

uint64_t ov_portmap_renew_after(uint32_t seconds)
{
    uint64_t ms = seconds ? (uint64_t)seconds * 500 : HOUR;
    return ms < RENEW_LEAST ? RENEW_LEAST : ms;
}

uint64_t ov_portmap_retry_after(unsigned n)
{
    uint64_t ms = RETRY_FIRST;
    while (n-- > 0 && ms < RETRY_LAST)
        ms *= 2;
    return ms < RETRY_LAST ? ms : RETRY_LAST;
}

static uint64_t now_ms(const struct ov_portmap *p)
{
    return uv_now(p->loop);
}

static void on_timer(uv_timer_t *timer);

static void alarm_in(struct ov_portmap *p, uint64_t ms)
{
    (void)uv_timer_start(&p->timer, on_timer, ms, 0);
}

/* ---- what we have ---- */

static void lose(struct ov_portmap *p, const char *why)
{
    if (!p->held)
        return;
    p->held = false;
    (void)uv_timer_stop(&p->expiry);
    ov_log(&p->config.log, OV_LOG_INFO, "the port mapping is lost: %s", why);
    p->config.changed(p->config.arg, NULL);
}

static void on_expiry(uv_timer_t *timer)
{
    lose(timer->data, "its time is over");
}

static void hold(struct ov_portmap *p, enum ov_mapper by, const struct ov_mapping *m)
{
    bool same = p->held && p->by == by && ov_endpoint_equal(&m->external, &p->mapping.external);
    char text[OV_ENDPOINT_TEXT];
    /* One for ever is believed in for as long as we would have asked for. */
    uint64_t life = (uint64_t)(m->lifetime ? m->lifetime : OV_PORTMAP_LEASE) * 1000;

    p->renewals = same ? p->renewals + !p->checking : 0;
    if (!same || !p->checking)
        p->renew_at = now_ms(p) + ov_portmap_renew_after(m->lifetime);
    p->ends_at = now_ms(p) + life;
    p->held = true;
    p->by = by;
    p->mapping = *m;
    (void)uv_timer_start(&p->expiry, on_expiry, life, 0);
    ov_log(&p->config.log, same ? OV_LOG_DEBUG : OV_LOG_INFO,
           "port %u is mapped: %s by %s, for %u s", p->config.port,
           ov_endpoint_format(&m->external, text), ov_mapper_name(by), m->lifetime);
    if (!same)
        p->config.changed(p->config.arg, &p->mapping.external);
}

/* ---- what we do ---- */

static void rest(struct ov_portmap *p)
{
    uint64_t pause = ov_portmap_retry_after(p->failures);

    if (p->arrived) /* it came up while it was being asked */
        pause = ARRIVED_MS;
    else
        p->failures++;
    p->arrived = false;
    p->doing = RESTING;
    ov_log(&p->config.log, OV_LOG_DEBUG, "no port mapping: %s; trying again in %u s", p->problem,
           (unsigned)(pause / 1000));
    alarm_in(p, pause);
}

static void probe(struct ov_portmap *p)
{
    p->doing = PROBING;
    p->preferring = true;
    p->checking = p->arrived = false;
    p->problem = "no router answered";
    memset(p->found, 0, sizeof p->found);
    memset(p->out, 0, sizeof p->out);
    alarm_in(p, PREFER_MS);
    ov_pxp_probe(p->pxp);
    ov_igd_probe(p->igd);
}

static void ask(struct ov_portmap *p, enum ov_mapper m)
{
    uint32_t lease = p->config.lease_s ? p->config.lease_s : OV_PORTMAP_LEASE, seed;
    struct ov_endpoint wish = {.ip.family = 4, .port = p->config.port};

    if (p->held && p->by == m) /* the same again, where that can be had */
        wish = p->mapping.external;
    if (m == OV_MAPPER_UPNP) {
        memcpy(&seed, p->config.key, sizeof seed);
        ov_igd_map(p->igd, p->config.port, wish.port, lease, seed ^ (uint32_t)now_ms(p));
    } else {
        ov_pxp_map(p->pxp, m, p->config.port, &wish, lease);
    }
}

/* PROBING: is it time to ask one of them? */
static void decide(struct ov_portmap *p)
{
    bool pending = false;

    for (int m = 0; m < OV_MAPPER_COUNT; m++) {
        if (p->found[m] && !p->out[m] && !(pending && p->preferring)) {
            p->doing = MAPPING;
            p->asked = (enum ov_mapper)m;
            (void)uv_timer_stop(&p->timer);
            ask(p, p->asked);
            return;
        }
        pending = pending || (!p->found[m] && !p->out[m]);
    }
    if (!pending)
        rest(p);
}

static void settle(struct ov_portmap *p)
{
    uint64_t now = now_ms(p), check = p->config.check_s ? p->config.check_s : OV_PORTMAP_CHECK,
             wait = p->renew_at > now ? p->renew_at - now : 0;

    p->doing = HOLDING;
    if (p->by == OV_MAPPER_UPNP && wait > check * 1000)
        wait = check * 1000;
    alarm_in(p, wait);
}

/* Ask the one that we have it from; `look`: only whether it is there, if it can be asked that. */
static void renew(struct ov_portmap *p, bool look)
{
    p->doing = RENEWING;
    p->checking = look && p->by == OV_MAPPER_UPNP;
    (void)uv_timer_stop(&p->timer);
    if (p->checking)
        ov_igd_check(p->igd);
    else
        ask(p, p->by);
}

static void on_timer(uv_timer_t *timer)
{
    struct ov_portmap *p = timer->data;

    switch (p->doing) {
    case PROBING:
        p->preferring = false;
        decide(p);
        break;
    case HOLDING:
        renew(p, now_ms(p) < p->renew_at);
        break;
    case RESTING:
        probe(p);
        break;
    case IDLE:
    case MAPPING:
    case RENEWING:
        break;
    }
}

/* ---- what they say ---- */

static void on_found(void *arg, enum ov_mapper m)
{
    struct ov_portmap *p = arg;

    p->found[m] = true;
    if (p->doing == PROBING && !p->closing)
        decide(p);
}

static void on_absent(void *arg, enum ov_mapper m)
{
    struct ov_portmap *p = arg;

    p->out[m] = true;
    if (p->doing == PROBING && !p->closing)
        decide(p);
}

static void on_mapped(void *arg, enum ov_mapper m, const struct ov_mapping *mapping)
{
    struct ov_portmap *p = arg;
    bool awaited = (p->doing == MAPPING && m == p->asked) || (p->doing == RENEWING && m == p->by);

    if (p->closing || !awaited)
        return;
    p->failures = 0;
    hold(p, m, mapping);
    p->checking = false;
    settle(p);
}

static void on_failed(void *arg, enum ov_mapper m, bool gone, const char *why)
{
    struct ov_portmap *p = arg;

    if (p->closing)
        return;
    if (gone && p->held && p->by == m)
        lose(p, why);
    if (p->doing == MAPPING && m == p->asked) {
        p->problem = why;
        p->out[m] = true;
        p->doing = PROBING;
        p->preferring = false;
        decide(p);
    } else if (p->doing == RENEWING && m == p->by) {
        ov_log(&p->config.log, OV_LOG_DEBUG, "the port mapping is not prolonged: %s", why);
        probe(p);
    }
}

static void on_news(void *arg, enum ov_mapper m, bool lost)
{
    struct ov_portmap *p = arg;
    uint64_t now = now_ms(p);

    p->arrived = p->doing == PROBING;
    if (p->closing || (p->heard && now - p->heard < NEWS_GAP))
        return;
    /* What speaks PCP and NAT-PMP is one program of the router. */
    bool ours = (m == OV_MAPPER_UPNP) == (p->by == OV_MAPPER_UPNP);
    if ((p->doing == HOLDING && lost && ours) || p->doing == RESTING) {
        p->heard = now;
        if (p->doing == RESTING)
            p->failures = 0;
        else
            p->renew_at = now;
        alarm_in(p, NEWS_DELAY);
    }
}

/* ---- the router ---- */

static void on_unmapped(void *arg, enum ov_mapper m);

static void close_mappers(struct ov_portmap *p)
{
    ov_pxp_close(p->pxp);
    ov_igd_close(p->igd);
    p->pxp = NULL;
    p->igd = NULL;
}

/* The same program on the same router must come back with the same nonce; elsewhere it should not
 * be known by it. */
static void make_nonce(const struct ov_portmap *p, uint8_t nonce[OV_PCP_NONCE_LEN])
{
    uint8_t where[8], hash[16];

    memcpy(where, p->gateway.ip.b, 4);
    memcpy(where + 4, p->gateway.local.ip.b, 4);
    ov_hash(hash, sizeof hash, p->config.key, sizeof p->config.key, where, sizeof where);
    memcpy(nonce, hash, OV_PCP_NONCE_LEN);
}

static bool open_mappers(struct ov_portmap *p)
{
    struct ov_mapper_events events = {.found = on_found,
                                      .absent = on_absent,
                                      .mapped = on_mapped,
                                      .failed = on_failed,
                                      .unmapped = on_unmapped,
                                      .news = on_news,
                                      .arg = p};
    uint8_t nonce[OV_PCP_NONCE_LEN];

    make_nonce(p, nonce);
    if (ov_pxp_open(p->loop, &p->gateway, nonce, p->config.pxp_port, &events, &p->pxp) == OV_OK &&
        ov_igd_open(p->loop, &p->gateway, p->config.ssdp_port, &events, &p->igd) == OV_OK)
        return true;
    close_mappers(p);
    return false;
}

static bool same_gateway(const struct ov_gateway *a, const struct ov_gateway *b)
{
    return ov_ip_equal(&a->ip, &b->ip) && ov_ip_equal(&a->local.ip, &b->local.ip) &&
           a->local.bits == b->local.bits && a->ifindex == b->ifindex;
}

void ov_portmap_check(struct ov_portmap *p)
{
    struct ov_gateway gateway = {0};
    enum ov_gateway_kind kind = ov_gateway_find(p->config.skip, p->config.arg, &gateway);

    if (p->closing || kind == OV_GATEWAY_UNKNOWN)
        return;
    if (kind == OV_GATEWAY_FOUND && p->config.only.family &&
        !ov_ip_equal(&p->config.only, &gateway.local.ip))
        kind = OV_GATEWAY_NONE; /* what it forwarded would not reach us */
    p->failures = 0;
    if (kind == OV_GATEWAY_FOUND && p->pxp && same_gateway(&gateway, &p->gateway)) {
        if (p->doing == HOLDING)
            renew(p, false);
        else if (p->doing == RESTING)
            probe(p);
        return; /* else it is being asked already */
    }
    close_mappers(p);
    (void)uv_timer_stop(&p->timer);
    p->doing = IDLE;
    p->kind = kind;
    p->gateway = gateway;
    lose(p, "the router is another one");
    if (kind != OV_GATEWAY_FOUND)
        return;
    if (open_mappers(p))
        probe(p);
    else /* an address that goes away again; its end is a change, too */
        ov_log(&p->config.log, OV_LOG_DEBUG, "the router cannot be asked for a port mapping");
}

/* ---- life ---- */

static void on_opened(uv_timer_t *timer)
{
    ov_portmap_check(timer->data);
}

int ov_portmap_open(uv_loop_t *loop, const struct ov_portmap_config *config,
                    struct ov_portmap **out)
{
    struct ov_portmap *p = calloc(1, sizeof *p);

    if (!p)
        return OV_ENOMEM;
    p->loop = loop;
    p->config = *config;
    p->problem = "";
    (void)uv_timer_init(loop, &p->timer); /* these cannot fail */
    (void)uv_timer_init(loop, &p->expiry);
    p->timer.data = p->expiry.data = p;
    p->open_handles = 2;
    (void)uv_timer_start(&p->timer, on_opened, 0, 0);
    *out = p;
    return OV_OK;
}

static void on_closed(uv_handle_t *handle)
{
    struct ov_portmap *p = handle->data;

    if (--p->open_handles > 0)
        return;
    ov_wipe(p->config.key, sizeof p->config.key);
    free(p);
}

static void close_all(struct ov_portmap *p)
{
    if (uv_is_closing((uv_handle_t *)&p->timer))
        return;
    close_mappers(p);
    uv_close((uv_handle_t *)&p->timer, on_closed);
    uv_close((uv_handle_t *)&p->expiry, on_closed);
}

static void on_unmapped(void *arg, enum ov_mapper m)
{
    (void)m;
    close_all(arg);
}

static void on_grace_over(uv_timer_t *timer)
{
    close_all(timer->data);
}

void ov_portmap_close(struct ov_portmap *p)
{
    if (!p || p->closing)
        return;
    p->closing = true;
    (void)uv_timer_stop(&p->expiry);
    /* One that was asked for and not granted yet may be made all the same. */
    bool maybe = p->doing == MAPPING;
    enum ov_mapper m = maybe ? p->asked : p->by;
    if (!p->igd || (!p->held && !maybe)) {
        close_all(p);
        return;
    }
    (void)uv_timer_start(&p->timer, on_grace_over, OV_PORTMAP_GRACE, 0);
    if (m == OV_MAPPER_UPNP)
        ov_igd_unmap(p->igd);
    else
        ov_pxp_unmap(p->pxp, m, p->config.port);
}

void ov_portmap_status(const struct ov_portmap *p, struct ov_portmap_status *out)
{
    uint64_t now = now_ms(p);

    *out = (struct ov_portmap_status){.problem = p->problem};
    if (p->held) {
        out->state = OV_PORTMAP_MAPPED;
        out->by = p->by;
        out->external = p->mapping.external;
        out->nat_outside = ov_gateway_is_private(&p->mapping.external.ip);
        out->permanent = p->mapping.lifetime == 0;
        out->lease_s = p->mapping.lifetime;
        out->renew_ms = p->renew_at > now ? p->renew_at - now : 0;
        out->renewals = p->renewals;
    } else if (p->kind != OV_GATEWAY_FOUND) {
        out->state = p->kind == OV_GATEWAY_PUBLIC ? OV_PORTMAP_UNNEEDED : OV_PORTMAP_NO_ROUTER;
    } else if (p->doing == RESTING) {
        out->state = OV_PORTMAP_NONE;
        out->renew_ms = uv_timer_get_due_in(&p->timer);
    } else if (p->doing == IDLE) {
        out->state = OV_PORTMAP_NO_ROUTER;
    } else {
        out->state = OV_PORTMAP_ASKING;
    }
}
