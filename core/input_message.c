/* Messages of rank 3: what peers say to each other about paths, punching and themselves. */
#include "input.h"

#include "hop.h"
#include "input_state.h"
#include "punch.h"
#include "reflect.h"
#include "relay.h"

#include <stdlib.h>
#include <string.h>

static void on_probe(struct ov_arrival *a, struct ov_peer *p, const uint8_t *m, size_t len)
{
    uint8_t buf[64];
    struct ov_writer w;
    struct ov_msg_probe probe;
    if (ov_msg_probe_decode(m, len, &probe) != OV_OK) {
        ov_drop(a->e, OV_DROP_MALFORMED_MESSAGE);
        return;
    }
    struct ov_msg_probe_ok ok = {.txid = probe.txid,
                                 .size = (uint16_t)(a->len + ov_via_overhead(&a->via))};
    if (!a->via.relay && a->via.socket != OV_SOCKET_LINK)
        ok.seen = a->via.ep;
    ok.seen.scope = 0;
    ov_writer_init(&w, buf, sizeof buf);
    ov_msg_probe_ok_encode(&w, &ok);
    ov_peer_send_via(p, &a->via, 0, buf, w.len);
}

static struct ov_path_quality *probed_quality(struct ov_peer *p, const struct ov_probe *probe)
{
    return probe->path < 0 ? ov_hop_quality(p, probe->path) : &p->paths->p[probe->path].q;
}

static void on_probe_ok(struct ov_arrival *a, struct ov_peer *p, const uint8_t *m, size_t len)
{
    struct ov_engine *e = a->e;
    struct ov_msg_probe_ok ok;
    struct ov_probe probe;
    if (ov_msg_probe_ok_decode(m, len, &ok) != OV_OK) {
        ov_drop(e, OV_DROP_MALFORMED_MESSAGE);
        return;
    }
    if (!p->paths || !ov_probe_take(p->paths, ok.txid, &probe))
        return; /* answered twice, or given up: nothing wrong */
    ov_time rtt = e->now - probe.sent;
    if (probe.test)
        ov_keepalive_answered(&p->alive, e->now, OV_KEEPALIVE_PEER);
    struct ov_path_quality *q = probed_quality(p, &probe);
    if (probe.mtu && q) {
        ov_quality_mtu_answered(q, probe.size, e->now);
        ov_peer_wake(p, e->now);
    } else if (probe.path < 0 && q) {
        ov_quality_answered(q, rtt);
        ov_hop_answered(p, probe.path);
    } else if (probe.path >= 0) {
        ov_peer_path_proven(p, probe.path, rtt);
        p->paths->p[probe.path].last_rx = e->now;
        if (probe.path == p->paths->active)
            p->unanswered = 0;
    }
    /* How a node sees us tells our reflexive address; only those we chose as roots are believed. */
    if (p->relay && probe.path >= 0 && !ov_path_is_link(&p->paths->p[probe.path]) &&
        ok.seen.ip.family && !ov_endpoint_equal(&p->seen, &ok.seen)) {
        struct ov_endpoint was = p->seen;
        p->seen = ok.seen;
        if (was.port && was.ip.family == ok.seen.ip.family)
            e->moved = e->now;
        ov_reflect_seen(p, &was);
        ov_punch_moved(e);
        ov_emit(e, &(struct ov_out_event){.kind = OV_EVENT_PEER, .addr = p->id.addr});
    }
    if (probe.user_id)
        ov_emit(e, &(struct ov_out_event){.kind = OV_EVENT_PONG,
                                          .addr = p->id.addr,
                                          .id = probe.user_id,
                                          .rtt = rtt ? rtt : 1,
                                          .relayed = a->via.relay != NULL});
}

static void on_fragment(struct ov_arrival *a, struct ov_peer *p, const uint8_t *m, size_t len)
{
    struct ov_engine *e = a->e;
    struct ov_msg_fragment f;
    struct ov_slice msg;
    struct ov_fragment_seal seal = {a->kp->index.id, ov_load64(a->d + 8)};
    uint64_t lost = 0;
    if (ov_msg_fragment_decode(m, len, &f) != OV_OK) {
        ov_drop(e, OV_DROP_MALFORMED_MESSAGE);
        return;
    }
    if (!p->fragments && !(p->fragments = calloc(1, sizeof *p->fragments)))
        return;
    bool known = p->keep || p->remember || p->upper;
    int err = ov_fragments_add(p->fragments, &f, &seal, e->now,
                               known ? &e->reassembly : &e->reassembly_strangers,
                               known ? OV_FRAGMENT_SLOTS : 1, &lost, &msg);
    e->stats.drops[OV_DROP_FRAGMENTS] += lost;
    ov_peer_wake(p, e->now + OV_FRAGMENT_LIFE); /* others need the memory too */
    if (err == OV_EFULL)
        return;
    if (err != OV_OK) {
        ov_drop(e, OV_DROP_FRAGMENTS);
        return;
    }
    /* A frame in it must live as long as this turn's outputs. */
    uint8_t *copy = ov_outq_copy(&e->out, msg.p, msg.len);
    ov_fragments_release(p->fragments);
    if (copy)
        ov_input_message(a, p, copy, msg.len, true);
    else
        ov_drop(e, OV_DROP_OUTPUT_FULL);
}

static void on_whois(struct ov_arrival *a, struct ov_peer *p, const uint8_t *m, size_t len)
{
    struct ov_msg_whois whois;
    if (ov_msg_whois_decode(m, len, &whois) != OV_OK)
        ov_drop(a->e, OV_DROP_MALFORMED_MESSAGE);
    else if (!ov_bucket_take(&p->control, 1, a->e->now))
        ov_drop(a->e, OV_DROP_LIMIT);
    else
        ov_locate_whois(a->e, p, &whois);
}

static void on_identity(struct ov_arrival *a, struct ov_peer *p, const uint8_t *m, size_t len)
{
    struct ov_msg_identity ids;
    if (!p->relay && !p->keep)
        ov_drop(a->e, OV_DROP_UNEXPECTED);
    else if (ov_msg_identity_decode(m, len, &ids) != OV_OK)
        ov_drop(a->e, OV_DROP_MALFORMED_MESSAGE);
    else
        ov_locate_identity(a->l, &ids);
}

static void on_punch(struct ov_arrival *a, struct ov_peer *p, const uint8_t *m, size_t len)
{
    struct ov_msg_punch punch;
    if (ov_msg_punch_decode(m, len, &punch) != OV_OK)
        ov_drop(a->e, OV_DROP_MALFORMED_MESSAGE);
    else
        ov_punch_received(p, &punch);
}

/* Our own identity is alive elsewhere. Whom we chose is believed: roots and controllers. */
static void on_twin(struct ov_arrival *a, struct ov_peer *p, const uint8_t *m, size_t len)
{
    struct ov_msg_twin twin;
    struct ov_engine *e = a->e;
    if (!p->keep)
        ov_drop(e, OV_DROP_UNEXPECTED);
    else if (ov_msg_twin_decode(m, len, &twin) != OV_OK)
        ov_drop(e, OV_DROP_MALFORMED_MESSAGE);
    else {
        e->twin = (struct ov_twin_info){e->now, p->id.addr, twin.seen};
        ov_emit(e, &(struct ov_out_event){.kind = OV_EVENT_TWIN, .addr = e->id.pub.addr});
    }
}

static void on_close(struct ov_arrival *a, struct ov_peer *p, const uint8_t *m, size_t len)
{
    uint8_t reason;
    if (ov_msg_close_decode(m, len, &reason) != OV_OK)
        ov_drop(a->e, OV_DROP_MALFORMED_MESSAGE);
    else if (a->kp == p->s.current) /* else it is late: a newer session stands */
        ov_peer_lost(p);
}

void ov_input_message(struct ov_arrival *a, struct ov_peer *p, uint8_t *msg, size_t len, bool whole)
{
    if (len == 0)
        return; /* keepalive */
    switch (msg[0]) {
    case OV_MSG_FRAGMENT:
        if (whole)
            ov_drop(a->e, OV_DROP_MALFORMED_MESSAGE);
        else
            on_fragment(a, p, msg + 1, len - 1);
        break;
    case OV_MSG_PROBE:
        on_probe(a, p, msg + 1, len - 1);
        break;
    case OV_MSG_PROBE_OK:
        on_probe_ok(a, p, msg + 1, len - 1);
        break;
    case OV_MSG_CLOSE:
        on_close(a, p, msg + 1, len - 1);
        break;
    case OV_MSG_REFLECT:
        ov_reflect_asked(p, &a->via, msg + 1, len - 1);
        break;
    case OV_MSG_REFLECT_OK:
        ov_reflect_answered(p, msg + 1, len - 1);
        break;
    case OV_MSG_TWIN:
        on_twin(a, p, msg + 1, len - 1);
        break;
    case OV_MSG_WHOIS:
        on_whois(a, p, msg + 1, len - 1);
        break;
    case OV_MSG_IDENTITY:
        on_identity(a, p, msg + 1, len - 1);
        break;
    case OV_MSG_PUNCH:
        on_punch(a, p, msg + 1, len - 1);
        break;
    default:
        a->e->ops->message(a->e->ops_arg, p, msg, len);
    }
}
