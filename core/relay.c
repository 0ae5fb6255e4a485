#include "relay.h"

#include <string.h>

#define RELAY_RATE_ROOT   12500000ull /* bytes a second of each source, unless set */
#define RELAY_RATE_MEMBER 2500000ull
#define SOURCES           4096
#define CREDITS           64 /* an address pays for a part like that of a second at once */
#define NEWCOMER_RATE     20 /* datagrams a second of an address, whatever strangers use up */
#define NEWCOMER_BURST    40

static void count_tx(struct ov_engine *e, size_t len)
{
    e->stats.tx_datagrams++;
    e->stats.tx_bytes += len;
}

/* The direct way to a root, and the key its relay headers are made with. */
static struct ov_keypair *hop(struct ov_peer *relay, struct ov_via *via)
{
    struct ov_keypair *kp = ov_session_sender(relay->e, &relay->s);
    if (!kp || !relay->paths || relay->paths->active < 0 ||
        !ov_peer_via(relay, relay->paths->active, via))
        return NULL;
    return kp;
}

uint8_t *ov_relay_reserve(struct ov_engine *e, const struct ov_via *via, uint8_t ttl, ov_addr dest,
                          size_t len)
{
    struct ov_via direct = *via;
    struct ov_keypair *kp = NULL;
    if (via->relay && !(kp = hop(via->relay, &direct))) {
        ov_drop(e, OV_DROP_NO_PATH);
        return NULL;
    }
    size_t total = len + ov_via_overhead(via);
    uint8_t *out = ov_outq_datagram(&e->out, direct.socket, ttl, &direct.local, &direct.ep, total);
    if (!out) {
        ov_drop(e, OV_DROP_OUTPUT_FULL);
        return NULL;
    }
    count_tx(e, total);
    if (!kp)
        return out;
    ov_keypair_relay_header(kp, dest, false, out);
    if (via->relay->volunteer)
        via->relay->last_frame = e->now; /* in use: it is kept alive like one that gets frames */
    /* What goes through a relay should be answered by it some day. */
    if (!via->relay->unheard) {
        via->relay->unheard = e->now;
        ov_peer_wake(via->relay, e->now + OV_PATH_DOUBT);
    }
    return out + OV_RELAY_HEADER;
}

/* ---- who may how much ---- */

static uint64_t usual_rate(const struct ov_engine *e)
{
    return e->relay_rate           ? e->relay_rate
           : e->caps & OV_CAP_ROOT ? RELAY_RATE_ROOT
                                   : RELAY_RATE_MEMBER;
}

int ov_relay_init(struct ov_engine *e)
{
    uint64_t rate = usual_rate(e);
    uint8_t seed[16];
    if (!(e->caps & OV_CAP_ROOT))
        return OV_OK;
    ov_bucket_init(&e->relay_strangers, rate, rate / 4, e->now);
    e->random.fill(e->random.arg, seed, sizeof seed);
    e->relay_sources = ov_ratelimit_new(SOURCES, rate, rate / 4, seed);
    e->relay_newcomers = ov_ratelimit_new(SOURCES, NEWCOMER_RATE, NEWCOMER_BURST, seed);
    return e->relay_sources && e->relay_newcomers ? OV_OK : OV_ENOMEM;
}

static const struct ov_ip *address(const struct ov_peer *p)
{
    static const struct ov_ip none;
    return p->paths && p->paths->active >= 0 ? &p->paths->p[p->paths->active].remote.ip : &none;
}

/* Where the address has something left, it pays a little ahead: looking it up for each datagram
 * would cost too much. */
static bool address_pays(struct ov_engine *e, struct ov_peer *from, size_t len)
{
    uint64_t part = usual_rate(e) / CREDITS;
    if (part < len)
        part = len;
    if (from->relay_credit < len) {
        if (!ov_ratelimit_take(e->relay_sources, address(from), part, e->now))
            return false;
        from->relay_credit += part;
    }
    from->relay_credit -= len;
    return true;
}

/* Each source has its rate. Identities cost a second each, and who has many must not have the whole
 * line: those in networks that anybody may have announced here share by address, and those in none
 * all together; but a few datagrams of each address always go, so that newcomers reach their
 * controller through us. */
static bool afford(struct ov_engine *e, struct ov_peer *from, size_t len)
{
    if (!from->relay_bucket_ready) {
        uint64_t rate = usual_rate(e);
        ov_bucket_init(&from->relay_bucket, rate, rate / 4, e->now);
        from->relay_bucket_ready = true;
    }
    if (!ov_bucket_take(&from->relay_bucket, len, e->now))
        return false;
    enum ov_bond bond = ov_peer_bond(from);
    if (bond == OV_BOND_OURS || !(e->caps & OV_CAP_ROOT))
        return true;
    if (bond == OV_BOND_ANNOUNCED)
        return address_pays(e, from, len);
    return ov_bucket_take(&e->relay_strangers, len, e->now) ||
           ov_ratelimit_allow(e->relay_newcomers, address(from), e->now);
}

void ov_relay_forward(struct ov_engine *e, struct ov_peer *from, const struct ov_relay *r,
                      const uint8_t *datagram, size_t len)
{
    struct ov_via via;
    if (!(e->caps & OV_CAP_ROOT) && !e->volunteer) {
        ov_drop(e, OV_DROP_RELAY_REFUSED);
        return;
    }
    struct ov_peer *to = ov_peer_find(e, r->addr);
    if (to && !(e->caps & OV_CAP_ROOT) && !e->ops->may_relay(e->ops_arg, from, to)) {
        ov_drop(e, OV_DROP_RELAY_REFUSED);
        return;
    }
    struct ov_keypair *kp = to && to != from ? hop(to, &via) : NULL;
    if (!kp) {
        ov_drop(e, OV_DROP_RELAY_UNKNOWN);
        return;
    }
    if (!afford(e, from, len)) {
        ov_drop(e, OV_DROP_RELAY_LIMIT);
        return;
    }
    uint8_t *out = ov_outq_datagram(&e->out, via.socket, 0, &via.local, &via.ep, len);
    if (!out) {
        ov_drop(e, OV_DROP_OUTPUT_FULL);
        return;
    }
    ov_keypair_relay_header(kp, from->id.addr, true, out);
    memcpy(out + OV_RELAY_HEADER, datagram + OV_RELAY_HEADER, len - OV_RELAY_HEADER);
    count_tx(e, len);
    e->stats.relayed_datagrams++;
    e->stats.relayed_bytes += len;
}
