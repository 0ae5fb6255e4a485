/* fairq: flow queues, turns and memory.
 *
 * Turns (RFC 8290 section 4.2). A flow with frames is on one of two lists. `fresh` are those that
 * had nothing waiting before, and go first; with its turn used up, or its queue empty, a flow goes
 * to the end of `old`. An empty one on `old` is forgotten when its turn comes: by then all others
 * had theirs, so stopping and starting again wins nothing.
 *
 * Memory comes in slots of a few sizes, from malloc, and goes back to a list for each size, the one
 * used last first. A slot holds a struct parcel, room for its taker, and the frame. */
#include "fairq.h"

#include "bytes.h"
#include "crypto.h"
#include "frame.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SLOT_FIRST 2048 /* and twice as much for each size */
#define SLOT_SIZES 6
#define SLOT_LAST  ((SLOT_FIRST << (SLOT_SIZES - 1)) + 1024)
#define RECENT     16 /* intervals after which CoDel starts anew */

#define PROTO_TCP     6
#define PROTO_UDP     17
#define PROTO_DCCP    33
#define PROTO_SCTP    132
#define PROTO_UDPLITE 136

struct parcel {
    struct parcel *next;
    ov_time since;
    ov_netid net;
    uint64_t taken; /* in which call the last piece of it was */
    unsigned size;  /* of the slot: SLOT_FIRST << size */
    size_t len;
    struct ov_offload offload;
    bool split;           /* leaves in pieces: */
    struct ov_segments s; /* only then in use */
};

_Static_assert(sizeof(struct parcel) + OV_FAIRQ_ROOM + OV_SUPERFRAME_MAX <= SLOT_LAST,
               "the largest frame fits the largest slot");
_Static_assert(sizeof(struct parcel) + OV_FAIRQ_ROOM + OV_ETH_LEN + 8 + 1500 <= SLOT_FIRST,
               "an ordinary frame fits the smallest slot");

enum list { IDLE, FRESH, OLD };

struct flow {
    struct flow *next;
    enum list on;
    struct parcel *head, *tail;
    size_t bytes, memory;
    int64_t deficit;
    /* CoDel's, named as in RFC 8289 */
    ov_time first_above, drop_next;
    uint32_t count, last_count;
    bool dropping;
};

struct flow_list {
    struct flow *head, *tail;
};

struct ov_fairq {
    uint8_t seed[16];
    size_t quantum;
    ov_time target;
    uint64_t calls; /* of ov_fairq_take */
    size_t bytes, parcels, memory, spare_memory;
    uint64_t dropped, marked;
    struct parcel *done; /* taken to the end; free with the next call */
    struct parcel *spare[SLOT_SIZES];
    struct flow_list fresh, old;
    struct flow flows[OV_FAIRQ_FLOWS];
};

/* ---- memory ---- */

static size_t slot_bytes(unsigned size)
{
    return size + 1 < SLOT_SIZES ? (size_t)SLOT_FIRST << size : SLOT_LAST;
}

static uint8_t *frame_of(struct parcel *p)
{
    return (uint8_t *)(p + 1) + OV_FAIRQ_ROOM;
}

void ov_fairq_trim(struct ov_fairq *q)
{
    for (unsigned i = 0; i < SLOT_SIZES; i++)
        while (q->spare[i] != NULL) {
            struct parcel *p = q->spare[i];
            q->spare[i] = p->next;
            free(p);
        }
    q->spare_memory = 0;
}

/* A slot, which is not cleared; the caller has made room for it. */
static struct parcel *get_slot(struct ov_fairq *q, unsigned size)
{
    struct parcel *p = q->spare[size];
    if (p != NULL) {
        q->spare[size] = p->next;
        q->spare_memory -= slot_bytes(size);
    } else {
        if (q->memory + q->spare_memory + slot_bytes(size) > OV_FAIRQ_BYTES)
            ov_fairq_trim(q);
        p = malloc(slot_bytes(size));
        if (p == NULL)
            return NULL;
        p->size = size;
    }
    q->memory += slot_bytes(size);
    return p;
}

static void put_slot(struct ov_fairq *q, struct parcel *p)
{
    q->memory -= slot_bytes(p->size);
    q->spare_memory += slot_bytes(p->size);
    p->next = q->spare[p->size];
    q->spare[p->size] = p;
}

static void put_done(struct ov_fairq *q)
{
    while (q->done != NULL) {
        struct parcel *p = q->done;
        q->done = p->next;
        put_slot(q, p);
    }
}

/* ---- what is in a frame ---- */

/* Where what is behind the VLAN tags starts; its EtherType. 0: too short. */
static size_t network_header(const uint8_t *frame, size_t len, uint16_t *type)
{
    size_t at = OV_ETH_LEN;
    if (len < at)
        return 0;
    *type = ov_load16(frame + 12);
    while ((*type == OV_ETH_VLAN || *type == OV_ETH_QINQ) && at < OV_ETH_LEN + 8 && len >= at + 4) {
        at += 4;
        *type = ov_load16(frame + at - 2);
    }
    return at;
}

static bool has_ports(uint8_t proto)
{
    return proto == PROTO_TCP || proto == PROTO_UDP || proto == PROTO_DCCP || proto == PROTO_SCTP ||
           proto == PROTO_UDPLITE;
}

static struct flow *find_flow(struct ov_fairq *q, ov_netid net, const uint8_t *frame, size_t len)
{
    uint8_t key[8 + 2 + 1 + 32 + 4] = {0}, proto = 0;
    uint16_t type = 0;
    size_t at = network_header(frame, len, &type), ports = 0;
    const uint8_t *ip = frame + at;

    ov_store64(key, net);
    ov_store16(key + 8, type);
    if (type == OV_ETH_IP4 && len >= at + 20) {
        proto = ip[9];
        memcpy(key + 11, ip + 12, 8);
        if ((ov_load16(ip + 6) & 0x3fff) == 0)
            ports = at + (size_t)(ip[0] & 15) * 4;
    } else if (type == OV_ETH_IP6 && len >= at + 40) {
        proto = ip[6];
        memcpy(key + 11, ip + 8, 32);
        ports = at + 40;
    } else {
        memcpy(key + 11, frame, len < 12 ? len : 12);
    }
    key[10] = proto;
    if (ports != 0 && has_ports(proto) && len >= ports + 4)
        memcpy(key + 43, frame + ports, 4);
    return &q->flows[ov_siphash64(q->seed, key, sizeof(key)) % OV_FAIRQ_FLOWS];
}

/* Set "congestion experienced" (RFC 3168) in a packet that takes it; false: it does not. `write`:
 * else only ask. */
static bool mark(uint8_t *frame, size_t len, bool write)
{
    uint16_t type = 0;
    size_t at = network_header(frame, len, &type);
    uint8_t *ip = frame + at;

    if (type == OV_ETH_IP4 && len >= at + 20 && ip[0] >> 4 == 4) {
        if ((ip[1] & 3) == 0)
            return false;
        if (write) { /* the checksum by RFC 1624, with the field's old and new value */
            uint16_t was = ov_load16(ip), is = was | 3;
            uint32_t sum = (uint32_t)(uint16_t)~ov_load16(ip + 10) + (uint16_t)~was + is;
            ov_store16(ip, is);
            ov_store16(ip + 10, (uint16_t)~ov_sum16(sum, NULL, 0));
        }
        return true;
    }
    if (type == OV_ETH_IP6 && len >= at + 40 && ip[0] >> 4 == 6) {
        if ((ip[1] & 0x30) == 0)
            return false;
        if (write)
            ip[1] |= 0x30;
        return true;
    }
    return false;
}

/* ---- parcels ---- */

/* Bytes of the frames that `n` segments of a superframe from `first` on are. */
static size_t segment_bytes(const struct ov_segments *s, size_t first, size_t n)
{
    size_t from = first * s->size, end = (first + n) * s->size, all = s->len - s->payload;
    return (end < all ? end : all) - from + n * s->payload;
}

static size_t left(const struct parcel *p)
{
    return p->split ? segment_bytes(&p->s, p->s.next, p->s.n - p->s.next) : p->len;
}

static size_t first_bytes(const struct parcel *p)
{
    return p->split ? segment_bytes(&p->s, p->s.next, 1) : p->len;
}

static struct parcel *unlink_head(struct ov_fairq *q, struct flow *f)
{
    struct parcel *p = f->head;
    f->head = p->next;
    if (f->head == NULL)
        f->tail = NULL;
    f->memory -= slot_bytes(p->size);
    q->parcels--;
    return p;
}

static void take_bytes(struct ov_fairq *q, struct flow *f, size_t bytes)
{
    f->bytes -= bytes;
    q->bytes -= bytes;
}

/* Drop the first frame of a flow; of a superframe, its first segment. */
static void drop_first(struct ov_fairq *q, struct flow *f)
{
    struct parcel *p = f->head;
    take_bytes(q, f, first_bytes(p));
    q->dropped++;
    if (!p->split || ++p->s.next == p->s.n)
        put_slot(q, unlink_head(q, f));
}

static void drop_parcel(struct ov_fairq *q, struct flow *f)
{
    struct parcel *p = f->head;
    take_bytes(q, f, left(p));
    q->dropped += p->split ? p->s.n - p->s.next : 1;
    put_slot(q, unlink_head(q, f));
}

/* ---- lists ---- */

static void push(struct flow_list *l, struct flow *f, enum list on)
{
    f->on = on;
    f->next = NULL;
    if (l->head == NULL)
        l->head = f;
    else
        l->tail->next = f;
    l->tail = f;
}

static void pop(struct flow_list *l)
{
    struct flow *f = l->head;
    l->head = f->next;
    f->on = IDLE;
}

/* The flow with most memory. */
static struct flow *fattest(const struct ov_fairq *q)
{
    struct flow *most = NULL;
    const struct flow_list *lists[] = {&q->fresh, &q->old};
    for (int i = 0; i < 2; i++)
        for (struct flow *f = lists[i]->head; f != NULL; f = f->next)
            if (most == NULL || f->memory > most->memory)
                most = f;
    return most;
}

/* ---- CoDel ---- */

static uint32_t square_root(uint64_t v)
{
    uint64_t root = 0;
    for (uint64_t bit = (uint64_t)1 << 31; bit != 0; bit >>= 1)
        if ((root | bit) * (root | bit) <= v)
            root |= bit;
    return (uint32_t)root;
}

static ov_time next_drop(ov_time from, uint32_t count)
{
    return from + OV_FAIRQ_INTERVAL * 1024 / square_root((uint64_t)count << 20);
}

/* Has every frame of the last interval stayed too long? */
static bool stands(const struct ov_fairq *q, struct flow *f, ov_time now)
{
    if (f->head == NULL || f->bytes <= OV_FAIRQ_QUANTUM || now < f->head->since + q->target) {
        f->first_above = 0;
        return false;
    }
    if (f->first_above == 0) {
        f->first_above = now + OV_FAIRQ_INTERVAL;
        return false;
    }
    return now >= f->first_above;
}

/* A frame is to be dropped. True: it takes a mark instead, which is left to the caller. */
static bool punish(struct ov_fairq *q, struct flow *f)
{
    struct parcel *p = f->head;
    if (p->split ? mark(p->s.heads, p->s.payload, false) : mark(frame_of(p), p->len, false))
        return true;
    drop_first(q, f);
    return false;
}

/* Drop what is to be dropped before the flow's next frame; true: that one is to be marked. */
static bool codel(struct ov_fairq *q, struct flow *f, ov_time now)
{
    bool stood = stands(q, f, now), marked = false;

    if (!stood) {
        f->dropping = false;
    } else if (!f->dropping) {
        uint32_t before = f->count - f->last_count;
        bool recent = now < f->drop_next + RECENT * OV_FAIRQ_INTERVAL;
        f->dropping = true;
        f->count = before > 1 && recent ? before : 1;
        f->last_count = f->count;
        f->drop_next = next_drop(now, f->count);
        marked = punish(q, f);
        if (!marked)
            (void)stands(q, f, now);
    } else {
        while (f->dropping && !marked && now >= f->drop_next) {
            f->count += f->count < UINT32_MAX;
            marked = punish(q, f);
            if (!marked && !stands(q, f, now))
                f->dropping = false;
            f->drop_next = next_drop(f->drop_next, f->count);
        }
    }
    return marked;
}

/* ---- in and out ---- */

int ov_fairq_new(const uint8_t seed[16], struct ov_fairq **out)
{
    struct ov_fairq *q = calloc(1, sizeof(*q));
    if (q == NULL)
        return OV_ENOMEM;
    memcpy(q->seed, seed, sizeof(q->seed));
    ov_fairq_set_rate(q, 0);
    *out = q;
    return OV_OK;
}

void ov_fairq_free(struct ov_fairq *q)
{
    if (q == NULL)
        return;
    put_done(q);
    for (size_t i = 0; i < OV_FAIRQ_FLOWS; i++)
        while (q->flows[i].head != NULL)
            drop_parcel(q, &q->flows[i]);
    ov_fairq_trim(q);
    ov_wipe(q->seed, sizeof(q->seed));
    free(q);
}

void ov_fairq_set_rate(struct ov_fairq *q, uint64_t rate)
{
    uint64_t turn = rate / (OV_SEC / OV_FAIRQ_TURN);
    q->quantum = turn < OV_FAIRQ_QUANTUM    ? OV_FAIRQ_QUANTUM
                 : turn > OV_SUPERFRAME_MAX ? OV_SUPERFRAME_MAX
                                            : (size_t)turn;
    ov_time frames = rate == 0 ? 0 : OV_FAIRQ_QUANTUM * 3 / 2 * OV_SEC / rate;
    q->target = frames < OV_FAIRQ_TARGET         ? OV_FAIRQ_TARGET
                : frames > OV_FAIRQ_INTERVAL / 2 ? OV_FAIRQ_INTERVAL / 2
                                                 : frames;
}

/* The slot for a frame of `len` bytes. */
static unsigned size_for(size_t len)
{
    unsigned size = 0;
    while (slot_bytes(size) < sizeof(struct parcel) + OV_FAIRQ_ROOM + len)
        size++;
    return size;
}

void ov_fairq_add(struct ov_fairq *q, ov_netid net, const uint8_t *frame, size_t len,
                  const struct ov_offload *o, ov_time now)
{
    struct parcel *p = NULL;

    put_done(q);
    if (len <= OV_SUPERFRAME_MAX) {
        unsigned size = size_for(len);
        while (q->memory + slot_bytes(size) > OV_FAIRQ_BYTES) {
            struct flow *f = fattest(q);
            assert(f != NULL); /* it is in somebody's parcels */
            drop_parcel(q, f);
        }
        p = get_slot(q, size);
    }
    if (p == NULL) {
        q->dropped++;
        return;
    }
    p->next = NULL;
    p->since = now;
    p->net = net;
    p->taken = 0;
    p->len = len;
    p->offload = *o;
    memcpy(frame_of(p), frame, len);
    p->split = o->gso != OV_GSO_NONE && ov_segments_init(&p->s, o, frame_of(p), len) == OV_OK;

    struct flow *f = find_flow(q, net, frame, len);
    if (f->head == NULL)
        f->head = p;
    else
        f->tail->next = p;
    f->tail = p;
    f->memory += slot_bytes(p->size);
    f->bytes += left(p);
    q->bytes += left(p);
    q->parcels++;
    if (f->on == IDLE) {
        f->deficit = (int64_t)q->quantum;
        push(&q->fresh, f, FRESH);
    }
}

/* The flow whose turn it is, with a turn that is not used up; NULL: nothing waits. */
static struct flow *next_flow(struct ov_fairq *q)
{
    for (;;) {
        struct flow_list *l = q->fresh.head != NULL ? &q->fresh : &q->old;
        struct flow *f = l->head;
        if (f == NULL)
            return NULL;
        if (f->head != NULL && f->deficit > 0)
            return f;
        pop(l);
        if (f->head != NULL)
            f->deficit += (int64_t)q->quantum;
        if (f->head != NULL || (l == &q->fresh && q->old.head != NULL))
            push(&q->old, f, OLD);
    }
}

/* As much of the flow's first parcel as its turn and `bytes` allow, and one segment in any case. */
static void cut(struct ov_fairq *q, struct flow *f, size_t bytes, struct ov_fairq_piece *out)
{
    struct parcel *p = f->head;
    bool whole = true;

    *out = (struct ov_fairq_piece){p->net, frame_of(p), p->len, p->offload};
    size_t cost = p->len;
    if (p->split) {
        size_t each = p->s.payload + p->s.size, turn = ((size_t)f->deficit + each - 1) / each;
        size_t first = p->s.next, n = bytes / each < turn ? bytes / each : turn;
        out->data = ov_segments_take(&p->s, n > 0 ? n : 1, &out->offload, &out->len);
        cost = segment_bytes(&p->s, first, p->s.next - first);
        whole = p->s.next == p->s.n;
    }
    take_bytes(q, f, cost);
    f->deficit -= (int64_t)cost;
    p->taken = q->calls;
    if (whole) {
        (void)unlink_head(q, f);
        p->next = q->done;
        q->done = p;
    }
}

size_t ov_fairq_take(struct ov_fairq *q, struct ov_fairq_piece *out, size_t max, size_t bytes,
                     ov_time now)
{
    size_t n = 0;

    put_done(q);
    q->calls++;
    while (n < max) {
        struct flow *f = next_flow(q);
        /* The next piece of a superframe is written over the end of the one before. */
        if (f == NULL || f->head->taken == q->calls)
            break;
        if (n > 0 && first_bytes(f->head) > bytes)
            break;
        bool marked = codel(q, f, now);
        if (f->head == NULL)
            continue;
        cut(q, f, bytes, &out[n]);
        if (marked && mark(out[n].data, out[n].len, true))
            q->marked++;
        bytes -= out[n].len < bytes ? out[n].len : bytes;
        n++;
    }
    return n;
}

bool ov_fairq_empty(const struct ov_fairq *q)
{
    return q->parcels == 0;
}

void ov_fairq_stats(const struct ov_fairq *q, struct ov_fairq_stats *out)
{
    *out = (struct ov_fairq_stats){.bytes = q->bytes,
                                   .memory = q->memory + q->spare_memory,
                                   .dropped = q->dropped,
                                   .marked = q->marked};
    for (size_t i = 0; i < OV_FAIRQ_FLOWS; i++)
        out->flows += q->flows[i].head != NULL;
}
