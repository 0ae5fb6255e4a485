/* Sending to a peer: choosing the way, sealing, fragmenting, queueing, probing. */
#include "peer.h"

#include "hop.h"
#include "punch.h"
#include "relay.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Wait for a session. The oldest gives way: fresh data matters more than stale. */
static int enqueue(struct ov_peer *p, const uint8_t *msg, size_t len)
{
    if (len > OV_QUEUE_BYTES) {
        ov_drop(p->e, OV_DROP_QUEUE_FULL);
        return OV_EFULL;
    }
    while (p->queued >= OV_QUEUE_MAX || p->queued_bytes + len > OV_QUEUE_BYTES) {
        struct ov_queued *old = p->queue;
        assert(old != NULL); /* some are queued */
        p->queue = old->next;
        if (!p->queue)
            p->queue_tail = &p->queue;
        p->queued--;
        p->queued_bytes -= old->len;
        ov_wipe(old->msg, old->len); /* perhaps a request with an invite's secret */
        free(old);
        ov_drop(p->e, OV_DROP_QUEUE_FULL);
    }
    struct ov_queued *q = malloc(sizeof *q + len);
    if (!q) {
        ov_drop(p->e, OV_DROP_QUEUE_FULL);
        return OV_ENOMEM;
    }
    q->next = NULL;
    q->len = len;
    if (len)
        memcpy(q->msg, msg, len);
    *p->queue_tail = q;
    p->queue_tail = &q->next;
    p->queued++;
    p->queued_bytes += len;
    return OV_OK;
}

/* Note that we sent something that the other side should react to. */
static void note_sent(struct ov_peer *p, unsigned flags)
{
    ov_time now = p->e->now;
    bool wake = false;
    p->last_tx = now;
    if (flags & OV_SEND_FRAME)
        p->last_frame = now;
    if (flags & OV_SEND_QUIET)
        return;
    if (!p->unanswered || !p->unheard)
        wake = true;
    if (!p->unanswered)
        p->unanswered = now;
    if (!p->unheard)
        p->unheard = now;
    if (wake)
        ov_peer_wake(p, now + ov_peer_quiet(p));
}

/* Was nothing heard by the chosen direct path for so long? */
static bool is_silent(const struct ov_peer *p, ov_time span)
{
    return p->e->now - p->paths->p[p->paths->active].last_rx >= span;
}

/* Should the relay carry a copy, because the chosen direct path is in doubt? */
static bool needs_cover(const struct ov_peer *p)
{
    if (p->paths->active < 0)
        return false;
    return ov_peer_covered(p) || is_silent(p, OV_PATH_TRUST) ||
           (is_silent(p, 2 * OV_KEEPALIVE_FLOOR) && is_silent(p, 2 * ov_peer_patience(p)));
}

static void copy_to(struct ov_peer *p, struct ov_peer *relay, const uint8_t *sealed, size_t len)
{
    struct ov_via via = {.relay = relay};
    if (!relay)
        return;
    uint8_t *out = ov_relay_reserve(p->e, &via, 0, p->id.addr, len);
    if (out)
        memcpy(out, sealed, len);
}

/* The first large one for a while: watch the path's MTU from now on. */
static void note_large(struct ov_peer *p)
{
    ov_time now = p->e->now;
    if (!p->last_large || now - p->last_large >= OV_PEER_LARGE)
        ov_peer_wake(p, now + OV_PEER_LARGE);
    p->last_large = now;
}

/* Seal one message that fits and hand it over. */
static int seal_one(struct ov_peer *p, struct ov_keypair *kp, const struct ov_via *via,
                    const uint8_t *msg, size_t len)
{
    size_t dlen = len + OV_DATA_OVERHEAD;
    uint8_t *out = ov_relay_reserve(p->e, via, 0, p->id.addr, dlen);
    if (!out)
        return OV_ENOENT;
    ov_keypair_seal(kp, msg, len, out);
    p->tx_datagrams++;
    p->tx_bytes += dlen;
    if (dlen + ov_via_overhead(via) > OV_PATH_MTU_MIN)
        note_large(p);
    if (via->relay)
        copy_to(p, ov_hop_second(p, via->relay), out, dlen);
    else if (needs_cover(p))
        copy_to(p, ov_peer_relay_for(p), out, dlen);
    return OV_OK;
}

static int seal_fragments(struct ov_peer *p, struct ov_keypair *kp, const struct ov_via *via,
                          const uint8_t *msg, size_t len, size_t room)
{
    uint8_t buf[OV_DATAGRAM_MAX];
    size_t piece = room - 1 - OV_MSG_FRAGMENT_HEADER;
    struct ov_msg_fragment f = {.id = p->next_fragment++, .total = (uint16_t)len};
    if (len > OV_MESSAGE_MAX || (len + piece - 1) / piece > OV_FRAGMENTS_MAX) {
        ov_drop(p->e, OV_DROP_TOO_LARGE);
        return OV_EINVAL;
    }
    for (size_t at = 0; at < len; at += piece) {
        struct ov_writer w;
        f.offset = (uint16_t)at;
        f.bytes = (struct ov_slice){msg + at, len - at < piece ? len - at : piece};
        ov_writer_init(&w, buf, sizeof buf);
        ov_msg_fragment_encode(&w, &f);
        int err = seal_one(p, kp, via, buf, w.len);
        if (err != OV_OK)
            return err;
    }
    return OV_OK;
}

static struct ov_path_quality *quality(struct ov_peer *p, const struct ov_via *via)
{
    return via->relay ? &p->paths->relay : &p->paths->p[p->paths->active].q;
}

/* The key and the way that a message, or a train of them, takes now. */
struct way {
    struct ov_keypair *kp;
    struct ov_via via;
    size_t room; /* for a message that needs no fragments */
};

/* OV_ESTATE: no session yet, one is wanted. OV_ENOENT: no path; the caller counts what it drops. */
static int choose_way(struct ov_peer *p, struct way *w)
{
    struct ov_engine *e = p->e;
    w->kp = ov_session_sender(e, &p->s);
    if (!w->kp) {
        ov_peer_connect(p);
        return OV_ESTATE;
    }
    if (ov_session_wants_rekey(e, &p->s))
        ov_peer_rehandshake(p);
    if (!ov_peer_route(p, &w->via)) {
        /* Perhaps the way is lost for good: ask anew where it may be. */
        ov_peer_rehandshake(p);
        return OV_ENOENT;
    }
    w->room = quality(p, &w->via)->mtu - OV_DATA_OVERHEAD - ov_via_overhead(&w->via);
    return OV_OK;
}

static int seal_message(struct ov_peer *p, const struct way *w, const uint8_t *msg, size_t len)
{
    return len <= w->room ? seal_one(p, w->kp, &w->via, msg, len)
                          : seal_fragments(p, w->kp, &w->via, msg, len, w->room);
}

static void went(struct ov_peer *p, const struct way *w, unsigned flags)
{
    note_sent(p, flags);
    if (flags & OV_SEND_FRAME && w->via.relay) {
        ov_punch_kick(p);
        ov_peer_seek(p);
    }
}

int ov_peer_send(struct ov_peer *p, const uint8_t *msg, size_t len, unsigned flags)
{
    struct way w;
    int err = choose_way(p, &w);
    if (err == OV_ESTATE)
        return enqueue(p, msg, len);
    if (err != OV_OK) {
        ov_drop(p->e, OV_DROP_NO_PATH);
        return err;
    }
    err = seal_message(p, &w, msg, len);
    if (err == OV_OK)
        went(p, &w, flags);
    return err;
}

int ov_peer_send_segments(struct ov_peer *p, ov_netid net, struct ov_segments *s)
{
    struct way w;
    uint8_t *frame;
    size_t len;
    int err = choose_way(p, &w), way = err;
    bool sent = false;
    if (way == OV_ENOENT) {
        p->e->stats.drops[OV_DROP_NO_PATH] += s->n - s->next;
        return err;
    }
    while ((frame = ov_segments_next(s, &len)) != NULL) {
        struct ov_offload o = s->offload;
        size_t header = OV_MSG_FRAME_HEADER + OV_MSG_FRAME_PARTIAL;
        bool finish = way != OV_OK ||
                      (header + len > w.room && header + len - OV_MSG_FRAME_PARTIAL <= w.room);
        if (finish && ov_offload_complete(&o, frame, len) != OV_OK)
            continue; /* cannot be: it was checked with the frame */
        header = ov_msg_frame_prepend(net, &o, frame);
        err = way == OV_OK ? seal_message(p, &w, frame - header, header + len)
                           : enqueue(p, frame - header, header + len);
        sent |= way == OV_OK && err == OV_OK;
    }
    if (sent)
        went(p, &w, OV_SEND_FRAME);
    return err;
}

int ov_peer_send_via(struct ov_peer *p, const struct ov_via *via, uint8_t ttl, const uint8_t *msg,
                     size_t len)
{
    struct ov_keypair *kp = ov_session_sender(p->e, &p->s);
    if (!kp)
        return OV_ENOENT;
    uint8_t *out = ov_relay_reserve(p->e, via, ttl, p->id.addr, len + OV_DATA_OVERHEAD);
    if (!out)
        return OV_ENOENT;
    ov_keypair_seal(kp, msg, len, out);
    p->last_tx = p->e->now;
    p->tx_datagrams++;
    p->tx_bytes += len + OV_DATA_OVERHEAD;
    return OV_OK;
}

/* Does a probe sent now end a silence of the chosen path? */
static bool tests(struct ov_peer *p, int path)
{
    return path >= 0 && path == p->paths->active && !p->keep &&
           ov_keepalive_test(&p->alive, p->paths->p[path].last_rx, p->e->now, OV_KEEPALIVE_PEER);
}

bool ov_peer_probe(struct ov_peer *p, int path, uint16_t size, uint64_t user_id)
{
    uint8_t buf[OV_DATAGRAM_MAX];
    struct ov_writer w;
    struct ov_via via;
    if (!ov_peer_ensure_paths(p) || !ov_peer_via(p, path, &via))
        return false;
    struct ov_msg_probe m = {.txid = ov_random_u64(&p->e->random) | 1};
    size_t least = 1 + 8 + OV_DATA_OVERHEAD + ov_via_overhead(&via);
    /* Never shorter than its answer, which tells an IPv6 endpoint. */
    m.pad = size > least + OV_PROBE_PAD ? size - least : OV_PROBE_PAD;
    ov_writer_init(&w, buf, sizeof buf);
    ov_msg_probe_encode(&w, &m);
    if (w.failed || ov_peer_send_via(p, &via, 0, buf, w.len) != OV_OK)
        return false;
    uint64_t given_up = ov_probe_add(p->paths, &(struct ov_probe){.txid = m.txid,
                                                                  .path = path,
                                                                  .sent = p->e->now,
                                                                  .size = size,
                                                                  .mtu = size != 0,
                                                                  .test = tests(p, path),
                                                                  .user_id = user_id});
    if (given_up)
        ov_peer_ping_lost(p, given_up);
    ov_peer_wake(p, p->e->now + OV_PROBE_LOST);
    return true;
}

void ov_peer_ping_lost(struct ov_peer *p, uint64_t user_id)
{
    ov_emit(p->e, &(struct ov_out_event){.kind = OV_EVENT_PONG, .addr = p->id.addr, .id = user_id});
}

void ov_peer_flush(struct ov_peer *p)
{
    struct ov_queued *q = p->queue;
    struct ov_via via;
    if (!q || !ov_peer_up(p) || !ov_peer_route(p, &via))
        return;
    p->queue = NULL;
    p->queue_tail = &p->queue;
    p->queued = p->queued_bytes = 0;
    while (q) {
        struct ov_queued *next = q->next;
        ov_peer_send(p, q->msg, q->len, q->len && q->msg[0] == OV_MSG_FRAME ? OV_SEND_FRAME : 0);
        ov_wipe(q->msg, q->len);
        free(q);
        q = next;
    }
}

/* It is not one but two: tell it, as it cannot see that itself. */
static void tell_twin(struct ov_peer *p)
{
    char addr[OV_ADDR_TEXT], one[OV_ENDPOINT_TEXT], two[OV_ENDPOINT_TEXT];
    const struct ov_life *life = p->s.twins.life;
    const struct ov_msg_twin msg = {.seen = life[1].from};
    uint8_t buf[32];
    struct ov_writer w;
    if (p->s.twins.returns == 2) /* a line for each time that it begins */
        ov_log(&p->e->log, OV_LOG_WARN, "%s is alive on two computers: at %s and at %s",
               ov_addr_format(p->id.addr, addr),
               life[0].from.ip.family ? ov_endpoint_format(&life[0].from, one) : "a relay",
               life[1].from.ip.family ? ov_endpoint_format(&life[1].from, two) : "a relay");
    ov_writer_init(&w, buf, sizeof buf);
    ov_msg_twin_encode(&w, &msg);
    ov_peer_send(p, buf, w.len, OV_SEND_QUIET);
    ov_emit(p->e, &(struct ov_out_event){.kind = OV_EVENT_TWIN, .addr = p->id.addr});
}

/* A session stands: which start of the peer is it with? True: another than before. */
static bool meet(struct ov_peer *p, const struct ov_via *via, uint16_t boot)
{
    static const struct ov_endpoint nowhere;
    struct ov_twins *t = &p->s.twins;
    return ov_twins_heard(t, boot, p->s.current->begun, via->relay ? &nowhere : &via->ep,
                          p->e->now);
}

void ov_peer_session_up(struct ov_peer *p, const struct ov_via *via, bool initiated, uint16_t boot)
{
    struct ov_engine *e = p->e;
    bool fresh = meet(p, via, boot);
    if (initiated) {
        p->hs_wanted = false;
        p->hs_tries = 0;
    }
    if (!ov_peer_ensure_paths(p))
        return;
    p->unheard = 0;
    if (fresh) {
        p->unanswered = 0;
        ov_hop_restart(p);
    }
    /* Both directions of a finished handshake prove the way it took. */
    if (via->relay) {
        p->relay_via = via->relay->id.addr;
        if (fresh && p->paths->active >= 0) /* it may be elsewhere now: cover until heard there */
            p->paths->p[p->paths->active].last_rx = 0;
    } else if (via->ep.ip.family &&
               (via->socket != OV_SOCKET_LINK || ov_peer_may_link(p, &via->ep))) {
        int i = ov_paths_add(p->paths, via->socket, &via->ep, OV_CANDIDATE_SEEN, e->now);
        p->paths->p[i].local = via->local;
        if (i != p->paths->active && !initiated && fresh)
            ov_peer_left(p);
        else if (i != p->paths->active && !initiated)
            ov_peer_moved(p);
        else if (i != p->paths->active)
            ov_peer_doubt_path(p);
        ov_peer_path_proven(p, i, 0);
    }
    if (p->paths->active < 0)
        ov_peer_probe(p, OV_PATH_RELAY, 0, 0);
    ov_peer_tie_session(p);
    if (p->remember)
        ov_peer_persist_again(p);
    /* A handshake by a way that is measured did what a keepalive does. */
    if (fresh || p->paths->active < 0 || !p->paths->p[p->paths->active].q.srtt)
        p->keepalive_next = e->now;
    else
        ov_peer_kept_alive(p);
    ov_peer_wake(p, e->now);
    e->ops->session(e->ops_arg, p, fresh);
    ov_peer_flush(p);
    if (p->s.twins.returned == e->now && ov_twins_seen(&p->s.twins, e->now))
        tell_twin(p);
    if (fresh && p->paths->active < 0)
        ov_peer_tell(p);
    else
        ov_emit(e, &(struct ov_out_event){.kind = OV_EVENT_PEER, .addr = p->id.addr});
}
