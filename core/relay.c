#include "relay.h"

#include <string.h>

#define RELAY_RATE_DEFAULT 12500000ull

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
    /* What goes through a root should be answered by it some day. */
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
    if (!(e->caps & OV_CAP_ROOT)) {
        ov_drop(e, OV_DROP_RELAY_REFUSED);
        return;
    }
    if (!from->relay_bucket_ready) {
        uint64_t rate = e->relay_rate ? e->relay_rate : RELAY_RATE_DEFAULT;
        ov_bucket_init(&from->relay_bucket, rate, rate / 4, e->now);
        from->relay_bucket_ready = true;
    }
    struct ov_peer *to = ov_peer_find(e, r->addr);
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
