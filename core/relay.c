#include "relay.h"

#include <string.h>

#define RELAY_RATE_ROOT   12500000ull /* bytes a second of each source, unless set */
#define RELAY_RATE_MEMBER 2500000ull

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

void ov_relay_forward(struct ov_engine *e, struct ov_peer *from, const struct ov_relay *r,
                      const uint8_t *datagram, size_t len)
{
    struct ov_via via;
    if (!(e->caps & OV_CAP_ROOT) && !e->volunteer) {
        ov_drop(e, OV_DROP_RELAY_REFUSED);
        return;
    }
    if (!from->relay_bucket_ready) {
        uint64_t usual = e->caps & OV_CAP_ROOT ? RELAY_RATE_ROOT : RELAY_RATE_MEMBER;
        uint64_t rate = e->relay_rate ? e->relay_rate : usual;
        ov_bucket_init(&from->relay_bucket, rate, rate / 4, e->now);
        from->relay_bucket_ready = true;
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
    if (!ov_bucket_take(&from->relay_bucket, len, e->now)) {
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
