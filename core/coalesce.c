#include "coalesce.h"

#include <string.h>

#define IP4_HEADER 20
#define IP6_HEADER 40
#define PROTO_TCP  6
#define TCP_HEADER 20
#define TCP_SEQ    4
#define TCP_ACK    8
#define TCP_DATA   12
#define TCP_FLAGS  13
#define TCP_WINDOW 14
#define TCP_SUM    16
#define TCP_URGENT 18
#define FLAG_FIN   0x01
#define FLAG_PSH   0x08
#define FLAG_ACK   0x10
#define IP_MAX     65535

/* A frame, as far as it is a TCP segment. */
struct segment {
    const uint8_t *frame;
    size_t len;
    bool ip6, mergeable;
    size_t ip, transport, payload;
};

/* Could this one be part of a train? */
static bool is_mergeable(const struct ov_coalesce *c, const struct segment *g,
                         const struct ov_packet *p, const struct ov_offload *o)
{
    const uint8_t *ip = g->frame + g->ip, *tcp = g->frame + g->transport;

    if (!o->partial || !(g->ip6 ? c->tcp6 : c->tcp4) || p->end != g->len || g->payload >= g->len ||
        g->payload > OV_COALESCE_HEADS)
        return false;
    if (g->transport - g->ip != (g->ip6 ? IP6_HEADER : IP4_HEADER))
        return false;
    if (!g->ip6 && ov_sum16(0, ip, IP4_HEADER) != 0xffff) /* or it would get a good one */
        return false;
    return (tcp[TCP_DATA] & 15) == 0 && (tcp[TCP_FLAGS] & ~(FLAG_FIN | FLAG_PSH)) == FLAG_ACK;
}

/* OV_ENOENT: another protocol. OV_EINVAL: it cannot be told what flow it is of. */
static int look(const struct ov_coalesce *c, const uint8_t *frame, size_t len,
                const struct ov_offload *o, struct segment *g)
{
    struct ov_packet p;

    if (ov_packet_find(frame, len, &p) != OV_OK)
        return OV_EINVAL;
    if (p.proto != PROTO_TCP)
        return OV_ENOENT;
    if (p.end - p.transport < TCP_HEADER)
        return OV_EINVAL;
    size_t header = (size_t)(frame[p.transport + TCP_DATA] >> 4) * 4;
    if (header < TCP_HEADER || header > p.end - p.transport)
        return OV_EINVAL;
    *g = (struct segment){.frame = frame,
                          .len = len,
                          .ip6 = p.ip6,
                          .ip = p.ip,
                          .transport = p.transport,
                          .payload = p.transport + header};
    g->mergeable = is_mergeable(c, g, &p, o);
    return OV_OK;
}

static bool equal(const uint8_t *a, const uint8_t *b, size_t from, size_t to)
{
    return memcmp(a + from, b + from, to - from) == 0;
}

/* What TCP calls a connection, on the same link. */
static bool same_flow(const struct ov_train *t, const struct segment *g)
{
    const uint8_t *a = t->first, *b = g->frame;

    if (t->ip != g->ip || !equal(a, b, 0, g->ip))
        return false;
    bool addresses =
        g->ip6 ? equal(a, b, g->ip + 8, g->ip + 40) : equal(a, b, g->ip + 12, g->ip + 20);
    return addresses && memcmp(a + t->transport, b + g->transport, 4) == 0;
}

/* Are the IP headers alike but for the length? IDs count on, unless they mean nothing. */
static bool same_ip(const struct ov_train *t, const struct segment *g)
{
    const uint8_t *a = t->first + t->ip, *b = g->frame + g->ip;

    if (g->ip6)
        return equal(a, b, 0, 4) && equal(a, b, 6, 8);
    bool df = b[6] & 0x40;
    return equal(a, b, 0, 2) && equal(a, b, 6, 10) &&
           (df || ov_load16(b + 4) == (uint16_t)(ov_load16(a + 4) + t->frames));
}

/* Does the segment go on where the train ends? */
static bool follows(const struct ov_train *t, const struct segment *g)
{
    const uint8_t *a = t->first + t->transport, *b = g->frame + g->transport;
    size_t bytes = g->len - g->payload;
    uint32_t seq = (uint32_t)(ov_load32(a + TCP_SEQ) + (t->len - t->payload));

    return g->mergeable && !t->ended && t->frames < OV_COALESCE_SEGMENTS &&
           t->transport == g->transport && t->payload == g->payload && bytes <= t->size &&
           t->len + bytes - t->ip <= IP_MAX && same_ip(t, g) && ov_load32(b + TCP_SEQ) == seq &&
           equal(a, b, TCP_ACK, TCP_FLAGS) && equal(a, b, TCP_WINDOW, TCP_SUM) &&
           equal(a, b, TCP_URGENT, g->payload - g->transport);
}

static void append(struct ov_train *t, const struct segment *g)
{
    size_t bytes = g->len - g->payload;
    uint8_t flags = g->frame[g->transport + TCP_FLAGS];

    t->slices[t->n++] = (struct ov_slice){g->frame + g->payload, bytes};
    t->frames++;
    t->len += bytes;
    t->flags |= flags;
    t->ended = bytes < t->size || (flags & (FLAG_FIN | FLAG_PSH));
}

static void begin(struct ov_train *t, const struct segment *g, const struct ov_offload *o)
{
    t->n = 1; /* the headers' */
    t->frames = 0;
    t->len = g->payload;
    t->offload = *o;
    t->first = g->frame;
    t->first_len = g->len;
    t->ip = g->ip;
    t->transport = g->transport;
    t->payload = g->payload;
    t->size = g->len - g->payload;
    t->flags = 0;
    append(t, g);
}

/* The headers of several segments together. */
static void write_heads(struct ov_train *t)
{
    uint8_t *ip = t->heads + t->ip, *tcp = t->heads + t->transport;

    memcpy(t->heads, t->first, t->payload);
    bool ip6 = ip[0] >> 4 == 6;
    if (ip6) {
        ov_store16(ip + 4, (uint16_t)(t->len - t->transport));
    } else {
        ov_store16(ip + 2, (uint16_t)(t->len - t->ip));
        ov_store16(ip + 10, 0);
        ov_store16(ip + 10, (uint16_t)~ov_sum16(0, ip, IP4_HEADER));
    }
    tcp[TCP_FLAGS] = t->flags;
    ov_store16(tcp + TCP_SUM, ov_sum16_resize(ov_load16(tcp + TCP_SUM), t->first_len - t->transport,
                                              t->len - t->transport));
    t->offload.gso = ip6 ? OV_GSO_TCP6 : OV_GSO_TCP4;
    t->offload.gso_size = (uint16_t)t->size;
    t->offload.hdr_len = (uint16_t)t->payload;
    t->slices[0] = (struct ov_slice){t->heads, t->payload};
}

static void give(struct ov_coalesce *c, struct ov_train *t)
{
    if (t->frames == 0)
        return;
    if (t->frames > 1) {
        write_heads(t);
    } else {
        t->n = 1;
        t->slices[0] = (struct ov_slice){t->first, t->first_len};
    }
    c->emit(c->arg, t);
    t->frames = 0;
}

/* A frame on its own. */
static void pass(const struct ov_coalesce *c, const uint8_t *frame, size_t len,
                 const struct ov_offload *o)
{
    struct ov_train t;

    t.n = t.frames = 1;
    t.len = len;
    t.offload = *o;
    t.slices[0] = (struct ov_slice){frame, len};
    c->emit(c->arg, &t);
}

void ov_coalesce_init(struct ov_coalesce *c, bool tcp4, bool tcp6,
                      void (*emit)(void *arg, const struct ov_train *t), void *arg)
{
    c->tcp4 = tcp4;
    c->tcp6 = tcp6;
    c->emit = emit;
    c->arg = arg;
    for (size_t i = 0; i < OV_COALESCE_FLOWS; i++)
        c->trains[i].frames = 0;
}

void ov_coalesce_add(struct ov_coalesce *c, const uint8_t *frame, size_t len,
                     const struct ov_offload *o)
{
    struct ov_train *t = NULL, *spare = NULL;
    struct segment g;

    if (!o)
        o = &ov_offload_none;
    int err = look(c, frame, len, o, &g);
    if (err != OV_OK) {
        if (err == OV_EINVAL) /* a fragment may belong to any flow */
            ov_coalesce_flush(c);
        pass(c, frame, len, o);
        return;
    }
    for (size_t i = 0; i < OV_COALESCE_FLOWS && !t; i++) {
        if (c->trains[i].frames != 0)
            t = same_flow(&c->trains[i], &g) ? &c->trains[i] : NULL;
        else if (!spare)
            spare = &c->trains[i];
    }
    if (t && follows(t, &g)) {
        append(t, &g);
        return;
    }
    if (t) {
        give(c, t);
        spare = t;
    }
    if (!g.mergeable) {
        pass(c, frame, len, o);
        return;
    }
    if (!spare) {
        ov_coalesce_flush(c);
        spare = &c->trains[0];
    }
    begin(spare, &g, o);
}

void ov_coalesce_flush(struct ov_coalesce *c)
{
    for (size_t i = 0; i < OV_COALESCE_FLOWS; i++)
        give(c, &c->trains[i]);
}
