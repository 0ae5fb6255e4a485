#include "input.h"

#include "hop.h"
#include "input_state.h"
#include "punch.h"
#include "reflect.h"
#include "relay.h"

#include <string.h>

/* Canonical bytes of where it came from, for cookies. */
static size_t source_bytes(const struct ov_arrival *a, uint8_t out[32])
{
    struct ov_writer w;
    ov_writer_init(&w, out, 32);
    if (a->via.relay) {
        ov_writer_u40(&w, a->via.relay->id.addr);
        ov_writer_u40(&w, a->relayed_from);
    } else {
        ov_writer_endpoint(&w, &a->via.ep);
    }
    return w.len;
}

static void reply(struct ov_arrival *a, ov_addr dest, const uint8_t *msg, size_t len)
{
    uint8_t *out = ov_relay_reserve(a->e, &a->via, 0, dest, len);
    if (out)
        memcpy(out, msg, len);
}

static void heard(struct ov_arrival *a, struct ov_peer *p, bool reflection);

/* May a path to this peer go through the socket that it was heard on? Temporary ones close under
 * it, but for those that were opened for this very peer. */
static bool may_stay(const struct ov_peer *p, const struct ov_via *via)
{
    return via->relay || !ov_extra_is(via->socket) || ov_attempt_has(p, via->socket);
}

/* ---- handshake ---- */

/* Whose share of our time a handshake takes: an IP, or a relayed node in a prefix of its own. A
 * member that relays is not trusted to tell the truth about who that is. */
static struct ov_ip source_ip(const struct ov_arrival *a)
{
    struct ov_ip ip = {.family = 6, .b = {0xfc}};
    if (!a->via.relay)
        return a->via.ep.ip;
    ov_addr from = a->via.relay->relay ? a->relayed_from : a->via.relay->id.addr;
    for (int i = 0; i < 5; i++)
        ip.b[1 + i] = (uint8_t)(from >> (32 - 8 * i));
    return ip;
}

/* May this source, which may be forged, have an answer? Whoever floods from one address gets few.
 * With forged ones nobody can be told apart, and a bound for all keeps time for those we know; an
 * honest one then has to try more than once. What a relay passes on it has limited itself. */
static bool may_answer(struct ov_arrival *a, struct ov_ratelimit *shares)
{
    struct ov_engine *e = a->e;
    if (a->via.relay)
        return true;
    return ov_ratelimit_allow(shares, &a->via.ep.ip, e->now) &&
           ov_bucket_take(&e->answers, 1, e->now);
}

static void answer_cookie(struct ov_arrival *a)
{
    struct ov_engine *e = a->e;
    uint8_t src[32], out[OV_COOKIE_LEN] = {OV_WIRE_COOKIE};
    size_t slen = source_bytes(a, src);
    ov_drop(e, OV_DROP_HANDSHAKE_LIMIT);
    if (!may_answer(a, e->cookie_sources))
        return;
    memcpy(out + 4, a->d + 4, 4);
    ov_cookie_reply(&e->cookies, &e->random, a->d, a->len, src, slen, e->now, out + 8);
    reply(a, a->relayed_from, out, sizeof out);
}

/* Spend of `free`, or else of the source's share of `shares` if it showed its cookie. False: it got
 * one now, or it wants too much. */
static bool afford(struct ov_arrival *a, struct ov_bucket *free, struct ov_ratelimit *shares)
{
    struct ov_ip ip = source_ip(a);
    if (ov_bucket_take(free, 1, a->e->now))
        return true;
    if (a->mac != OV_MAC_VALID_WITH_COOKIE)
        answer_cookie(a);
    else if (ov_ratelimit_allow(shares, &ip, a->e->now))
        return true;
    else
        ov_drop(a->e, OV_DROP_HANDSHAKE_LIMIT);
    return false;
}

/* mac1 always; for initiations under load also the cookie. False: not for us, or answered by a
 * cookie. */
static bool admit_handshake(struct ov_arrival *a, bool initiation)
{
    struct ov_engine *e = a->e;
    uint8_t src[32];
    size_t slen = source_bytes(a, src);
    a->mac = ov_cookie_check(&e->cookies, &e->random, a->d, a->len, src, slen, e->now);
    if (a->mac == OV_MAC_INVALID) {
        ov_drop(e, OV_DROP_AUTH);
        return false;
    }
    /* A response that fits our index and mac1 was asked for: no load test there. */
    return !initiation || afford(a, &e->handshake_load, e->handshake_sources);
}

/* The peer that an opened initiation comes from: known by its key, or new and then its proof of
 * work is checked. */
static struct ov_peer *initiator(struct ov_arrival *a, const struct ov_noise *hs,
                                 const struct ov_initiation *init)
{
    struct ov_engine *e = a->e;
    struct ov_peer *p = ov_peer_by_key(e, &hs->rs);
    struct ov_identity id = {.dh = hs->rs, .sign = init->sign, .nonce = init->nonce};
    if (p && ov_identity_equal(&p->id, &id))
        return p;
    if (!afford(a, &e->pow_free, e->stranger_sources))
        return NULL;
    if (!ov_bucket_take(&e->pow_checks, 1, e->now)) {
        ov_drop(e, OV_DROP_HANDSHAKE_LIMIT);
        return NULL;
    }
    if (ov_identity_check(&id, &e->pow) != OV_OK) {
        ov_drop(e, OV_DROP_BAD_IDENTITY);
        return NULL;
    }
    /* A new peer may take the place of another one, and never that of the relay it came by. */
    ov_addr relay = a->via.relay ? a->via.relay->id.addr : 0;
    if (ov_peer_get(e, &id, &p) != OV_OK)
        return NULL;
    return !relay || ov_peer_find(e, relay) == a->via.relay ? p : NULL;
}

static void on_initiation(struct ov_arrival *a)
{
    struct ov_engine *e = a->e;
    uint8_t payload[OV_INITIATION_PAYLOAD], out[OV_RESPONSE_LEN];
    struct ov_initiation init;
    struct ov_noise hs;
    if (a->len != OV_INITIATION_LEN) {
        ov_drop(e, OV_DROP_MALFORMED);
        return;
    }
    if (!admit_handshake(a, true))
        return;
    ov_noise_init_responder(&hs, OV_PROLOGUE, sizeof OV_PROLOGUE - 1, &e->id.pub.dh, &e->id.dh);
    if (ov_noise_read1(&hs, a->d + 8, a->len - 8 - OV_MACS_LEN, payload) != OV_OK ||
        ov_initiation_decode(payload, &init) != OV_OK) {
        ov_drop(e, OV_DROP_AUTH);
        goto out;
    }
    struct ov_peer *p = initiator(a, &hs, &init);
    if (!p)
        goto out;
    if (!ov_twins_fresh(&p->s.twins, init.boot, init.stamp)) {
        ov_drop(e, OV_DROP_HANDSHAKE_REPLAY);
        goto out;
    }
    if (!ov_peer_ensure_paths(p) ||
        ov_session_respond(e, &p->s, p, &hs, &init, ov_load32(a->d + 4), out) != OV_OK) {
        ov_drop(e, OV_DROP_TABLE_FULL);
        goto out;
    }
    p->caps = init.caps;
    p->respond_boot = init.boot;
    p->respond_via = may_stay(p, &a->via) ? a->via : (struct ov_via){0};
    reply(a, p->id.addr, out, sizeof out);
    ov_peer_wake(p, e->now + OV_WIPE_AFTER);
out:
    ov_noise_wipe(&hs);
}

/* Did our initiation go that way? */
static bool asked_there(const struct ov_peer *p, const struct ov_via *via)
{
    const struct ov_engine *e = p->e;
    if (via->relay)
        return true;
    if (!may_stay(p, via))
        return false;
    if (p->paths && p->paths->active >= 0 &&
        ov_endpoint_equal(&p->paths->p[p->paths->active].remote, &via->ep))
        return true;
    for (int i = 0; i < p->nhints; i++)
        if (ov_endpoint_equal(&p->hints[i], &via->ep))
            return true;
    for (int i = 0; i < OV_LINKS_MAX; i++)
        if (e->links[i].peer == p && ov_endpoint_equal(&e->links[i].ep, &via->ep))
            return true;
    return false;
}

static void on_response(struct ov_arrival *a)
{
    struct ov_engine *e = a->e;
    struct ov_response resp;
    struct ov_via way = a->via;
    if (a->len != OV_RESPONSE_LEN) {
        ov_drop(e, OV_DROP_MALFORMED);
        return;
    }
    struct ov_index *ix = ov_indices_find(&e->indices, ov_load32(a->d + 8));
    if (!ix || ix->kp) {
        ov_drop(e, OV_DROP_UNKNOWN_SESSION);
        return;
    }
    if (!admit_handshake(a, false))
        return;
    struct ov_peer *p = ix->peer;
    if (ov_session_finish(e, &p->s, p, a->d, a->len, &resp) != OV_OK) {
        ov_drop(e, OV_DROP_AUTH);
        return;
    }
    p->caps = resp.caps;
    p->last_rx = e->now;
    bool there = asked_there(p, &a->via);
    if (!there)
        way = (struct ov_via){.relay = ov_peer_relay_for(p)};
    ov_peer_session_up(p, &way, true, resp.boot);
    if (!there) /* it may have been carried off: a place that was not asked is challenged first */
        heard(a, p, false);
    /* The responder may send only once it heard us under the new key. */
    if (p->s.current->counter == 0 && ov_peer_route(p, &way))
        ov_peer_send(p, NULL, 0, OV_SEND_QUIET);
}

static void on_cookie(struct ov_arrival *a)
{
    if (a->len != OV_COOKIE_LEN) {
        ov_drop(a->e, OV_DROP_MALFORMED);
        return;
    }
    struct ov_index *ix = ov_indices_find(&a->e->indices, ov_load32(a->d + 4));
    if (!ix || ix->kp) {
        ov_drop(a->e, OV_DROP_UNKNOWN_SESSION);
        return;
    }
    struct ov_peer *p = ix->peer;
    if (ov_cookie_consume(&p->s.macs, a->d + 8, a->e->now) != OV_OK) {
        ov_drop(a->e, OV_DROP_AUTH);
        return;
    }
    if (p->hs_wanted) {
        p->hs_next = a->e->now;
        ov_peer_wake(p, a->e->now);
    }
}

/* ---- data ---- */

/* Reflections come from and go to sockets that are no path. */
static bool is_reflection(const uint8_t *msg, size_t len)
{
    return len > 0 && (msg[0] == OV_MSG_REFLECT || msg[0] == OV_MSG_REFLECT_OK);
}

/* Note that the peer was heard this way; an endpoint we do not know is challenged, not followed. */
static void heard(struct ov_arrival *a, struct ov_peer *p, bool reflection)
{
    struct ov_engine *e = a->e;
    p->last_rx = e->now;
    p->rx_datagrams++;
    p->rx_bytes += a->len;
    p->unheard = 0;
    if (!p->paths)
        return;
    if (a->via.relay) {
        p->relay_via = a->via.relay->id.addr;
        ov_hop_heard(p, a->via.relay);
        return;
    }
    /* (from a neighbor it tells nothing of the way out) */
    if (a->via.socket != OV_SOCKET_LINK &&
        (p->relay || p->keep || !ov_ip_is_private(&a->via.ep.ip)))
        e->udp_heard = e->now;
    int i = ov_paths_find(p->paths, a->via.socket, &a->via.ep);
    if (i >= 0)
        p->paths->p[i].local = a->via.local;
    if (i >= 0 && p->paths->p[i].state == OV_PATH_VALID) {
        if (i == p->paths->active)
            p->unanswered = 0;
        else
            ov_peer_beside(p, i);
        p->paths->p[i].last_rx = e->now;
        return;
    }
    if (a->via.socket == OV_SOCKET_LINK && !ov_peer_may_link(p, &a->via.ep))
        return;
    /* Two symmetric NATs give each packet another source: without a limit, challenges would breed.
     */
    bool tried = i >= 0 && e->now - p->paths->p[i].base < 2 * OV_SEC;
    if (tried || reflection || a->via.socket == OV_SOCKET_REFLECT || !may_stay(p, &a->via) ||
        !ov_bucket_take(&p->challenges, 1, e->now))
        return;
    i = ov_paths_add(p->paths, a->via.socket, &a->via.ep, OV_CANDIDATE_SEEN, e->now);
    p->paths->p[i].local = a->via.local;
    ov_path_schedule(&p->paths->p[i], e->now, 0);
    ov_peer_wake(p, e->now);
}

static bool same_way(const struct ov_via *a, const struct ov_via *b)
{
    return a->relay == b->relay &&
           (a->relay || (a->socket == b->socket && ov_endpoint_equal(&a->ep, &b->ep)));
}

/* The way that the first packet under a new key proves: the one our response went, if the packet
 * came back by it. A packet from elsewhere proves nothing of that place, but that the response
 * arrived; the relay is safer still. Perhaps there is no way at all. */
static struct ov_via proven_way(const struct ov_arrival *a, struct ov_peer *p)
{
    struct ov_via way = {.relay = ov_peer_relay_for(p)};
    if (same_way(&a->via, &p->respond_via))
        return a->via;
    return way.relay || p->respond_via.relay ? way : p->respond_via;
}

static void on_data(struct ov_arrival *a)
{
    struct ov_engine *e = a->e;
    uint8_t *msg;
    size_t mlen;
    struct ov_index *ix =
        a->len >= OV_DATA_OVERHEAD ? ov_indices_find(&e->indices, ov_load32(a->d + 4)) : NULL;
    if (!ix || !ix->kp || ov_keypair_expired(e, ix->kp)) {
        ov_drop(e, a->len < OV_DATA_OVERHEAD ? OV_DROP_MALFORMED : OV_DROP_UNKNOWN_SESSION);
        return;
    }
    struct ov_peer *p = ix->peer;
    int err = ov_keypair_open(ix->kp, a->d, a->len, &msg, &mlen);
    if (err != OV_OK) {
        ov_drop(e, err == OV_EREPLAY ? OV_DROP_REPLAY : OV_DROP_AUTH);
        return;
    }
    if (ov_session_confirm(e, &p->s, ix->kp)) {
        struct ov_via way = proven_way(a, p);
        p->last_rx = e->now;
        ov_peer_session_up(p, &way, false, p->respond_boot);
    }
    heard(a, p, is_reflection(msg, mlen));
    a->kp = ix->kp;
    struct ov_busy busy = {p, e->busy};
    e->busy = &busy;
    ov_input_message(a, p, msg, mlen, false);
    e->busy = busy.outer;
}

/* ---- relay ---- */

static void on_inner(struct ov_arrival *a);

static void on_relay(struct ov_arrival *a)
{
    struct ov_engine *e = a->e;
    struct ov_relay r;
    if (ov_relay_decode(a->d, a->len, &r) != OV_OK) {
        ov_drop(e, OV_DROP_MALFORMED);
        return;
    }
    struct ov_index *ix = ov_indices_find(&e->indices, r.receiver);
    if (!ix || !ix->kp || ov_keypair_expired(e, ix->kp)) {
        ov_drop(e, OV_DROP_UNKNOWN_SESSION);
        return;
    }
    int err = ov_keypair_relay_check(ix->kp, a->d, &r);
    if (err != OV_OK) {
        ov_drop(e, err == OV_EREPLAY ? OV_DROP_REPLAY : OV_DROP_AUTH);
        return;
    }
    struct ov_peer *p = ix->peer;
    heard(a, p, false);
    if (!r.relayed) {
        ov_peer_follow(p, a->via.socket, &a->via.ep);
        ov_relay_forward(e, p, &r, a->d, a->len);
        return;
    }
    if (!p->relay && !p->volunteer) {
        ov_drop(e, OV_DROP_UNEXPECTED);
        return;
    }
    struct ov_arrival inner = {.e = e,
                               .l = a->l,
                               .via = {.relay = p},
                               .relayed_from = r.addr,
                               .d = a->d + OV_RELAY_HEADER,
                               .len = a->len - OV_RELAY_HEADER};
    on_inner(&inner);
}

static void on_inner(struct ov_arrival *a)
{
    if (a->len < OV_DATAGRAM_MIN) {
        ov_drop(a->e, OV_DROP_MALFORMED);
        return;
    }
    switch (a->d[0]) {
    case OV_WIRE_INITIATION:
        on_initiation(a);
        break;
    case OV_WIRE_RESPONSE:
        on_response(a);
        break;
    case OV_WIRE_COOKIE:
        on_cookie(a);
        break;
    case OV_WIRE_DATA:
        on_data(a);
        break;
    default:
        ov_drop(a->e, OV_DROP_MALFORMED);
    }
}

/* ---- first contact ---- */

static void on_who(struct ov_arrival *a)
{
    uint8_t out[OV_IAM_LEN];
    struct ov_iam iam = {.caps = a->e->caps, .id = a->e->id.pub};
    if (!a->e->caps) {
        ov_drop(a->e, OV_DROP_UNEXPECTED);
        return;
    }
    if (ov_who_decode(a->d, a->len, &iam.nonce) != OV_OK) {
        ov_drop(a->e, OV_DROP_MALFORMED);
        return;
    }
    if (!may_answer(a, a->e->who_sources)) {
        ov_drop(a->e, OV_DROP_LIMIT);
        return;
    }
    ov_iam_encode(&iam, out);
    reply(a, 0, out, sizeof out);
}

static void on_iam(struct ov_arrival *a)
{
    struct ov_iam iam;
    if (ov_iam_decode(a->d, a->len, &iam) != OV_OK)
        ov_drop(a->e, OV_DROP_MALFORMED);
    else
        a->e->ops->iam(a->e->ops_arg, &iam, a->via.socket, &a->via.ep);
}

void ov_input_datagram(struct ov_engine *e, struct ov_locate *l, const struct ov_via *via,
                       uint8_t *data, size_t len)
{
    struct ov_arrival a = {.e = e, .l = l, .via = *via, .d = data, .len = len};
    e->stats.rx_datagrams++;
    e->stats.rx_bytes += len;
    if (len == OV_OPENER_LEN)
        return;
    if (len < OV_DATAGRAM_MIN || len > OV_DATAGRAM_MAX) {
        ov_drop(e, OV_DROP_MALFORMED);
        return;
    }
    switch (data[0]) {
    case OV_WIRE_RELAY:
        on_relay(&a);
        break;
    case OV_WIRE_WHO:
        on_who(&a);
        break;
    case OV_WIRE_IAM:
        on_iam(&a);
        break;
    case OV_WIRE_HAIRPIN:
        ov_reflect_hairpin(e, a.via.socket, data, len);
        break;
    default:
        on_inner(&a);
    }
}
