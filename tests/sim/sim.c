/* The clock, the event queue, and the turns of the engines. Events at the same instant happen in
 * the order they were posted. An engine is given one input, and then everything it says is taken
 * from it; what that causes in turn is posted as events, never done from inside the pulling. */
#include "sim.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define START     OV_SEC
#define WALL      1767225600000ull /* at START, in ms */
#define SITES_MAX 65536
#define LOOK_GAP  OV_MS /* conditions cost more than most events */
#define PEERS_MAX 2048

/* ---- randomness and trace ---- */

/* SplitMix64 (Steele, Lea, Flood 2014). */
uint64_t sim_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

void sim_fill(void *arg, void *buf, size_t len)
{
    uint8_t *p = buf;
    uint64_t v = 0;

    for (size_t i = 0; i < len; i++, v >>= 8) {
        if (i % 8 == 0)
            v = sim_random(arg);
        p[i] = (uint8_t)v;
    }
}

/* FNV-1a. */
void sim_trace(struct sim *s, const void *data, size_t len)
{
    const uint8_t *p = data;

    for (size_t i = 0; i < len; i++)
        s->hash = (s->hash ^ p[i]) * 0x100000001b3ull;
}

static void trace_event(struct sim *s, const struct sim_event *e)
{
    uint64_t head[4] = {e->at, e->kind, e->node != NULL ? e->node->index : UINT64_MAX, e->len};

    sim_trace(s, head, sizeof(head));
    sim_trace(s, e->from.ip.b, 4);
    sim_trace(s, &e->from.port, 2);
    sim_trace(s, e->to.ip.b, 4);
    sim_trace(s, &e->to.port, 2);
    if (e->kind == SIM_DATAGRAM || e->kind == SIM_FRAME)
        sim_trace(s, e->data + (e->kind == SIM_FRAME ? OV_FRAME_HEADROOM : 0), e->len);
}

ov_wall sim_wall(const struct sim_node *n)
{
    return WALL + (n->sim->now - START) / OV_MS + (ov_wall)n->skew;
}

/* ---- events ---- */

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at < b->at || (a->at == b->at && a->order < b->order);
}

struct sim_event *sim_post(struct sim *s, enum sim_event_kind kind, ov_time at, size_t headroom,
                           const void *data, size_t len)
{
    struct sim_event *e = calloc(1, sizeof(*e) + headroom + len);

    assert(e != NULL);
    *e = (struct sim_event){.at = at, .order = s->next_order++, .kind = kind, .len = len};
    if (len > 0)
        memcpy(e->data + headroom, data, len);
    if (s->nheap == s->heap_cap) {
        s->heap_cap = s->heap_cap > 0 ? s->heap_cap * 2 : 1024;
        s->heap = realloc(s->heap, s->heap_cap * sizeof(*s->heap));
        assert(s->heap != NULL);
    }
    size_t i = s->nheap++;
    for (; i > 0 && before(e, s->heap[(i - 1) / 2]); i = (i - 1) / 2)
        s->heap[i] = s->heap[(i - 1) / 2];
    s->heap[i] = e;
    return e;
}

static struct sim_event *next_event(struct sim *s)
{
    struct sim_event *top = s->heap[0], *last = s->heap[--s->nheap];
    size_t i = 0;

    for (size_t child; (child = 2 * i + 1) < s->nheap; i = child) {
        if (child + 1 < s->nheap && before(s->heap[child + 1], s->heap[child]))
            child++;
        if (!before(s->heap[child], last))
            break;
        s->heap[i] = s->heap[child];
    }
    s->heap[i] = last;
    return top;
}

/* ---- turns ---- */

static void handle_datagram(struct sim *s, struct sim_event *e)
{
    uint16_t port = e->to.port;
    struct sim_node *n =
        e->site != NULL ? sim_inbound_port(s, e->site, &e->from, &e->to, &port) : e->node;
    bool found = n != NULL && n->engine != NULL && sim_socket(n, port) >= 0;

    if (s->watch.came != NULL)
        s->watch.came(s->watch.arg, e->src, found ? n : NULL, &e->from, &e->to, e->data, e->len);
    if (found)
        sim_node_datagram(n, e, port);
    else
        s->filtered++;
}

static void handle(struct sim *s, struct sim_event *e)
{
    struct sim_node *n = e->node;

    if (e->kind == SIM_DATAGRAM)
        handle_datagram(s, e);
    else if (e->kind == SIM_PING)
        sim_stack_ping(s, e->ping);
    else if (n->engine != NULL && (e->life == 0 || e->life == n->life))
        sim_node_event(n, e); /* else it crashed in the meantime */
}

bool sim_run(struct sim *s, bool (*done)(void *arg), void *arg, ov_time limit)
{
    ov_time end = s->now + limit, look_at = s->now;
    bool is_done = done != NULL && done(arg);

    while (!is_done && !s->stop && s->nheap > 0 && s->heap[0]->at <= end) {
        struct sim_event *e = next_event(s);
        assert(e->at >= s->now);
        s->now = e->at;
        s->events++;
        trace_event(s, e);
        handle(s, e);
        free(e);
        if (done != NULL && s->now >= look_at) {
            is_done = done(arg);
            look_at = s->now + LOOK_GAP;
        }
    }
    if (!is_done && done != NULL)
        is_done = done(arg);
    if (!s->stop && (!is_done || done == NULL))
        s->now = end;
    return is_done;
}

/* ---- making and ending ---- */

struct sim *sim_new(uint64_t seed)
{
    struct sim *s = calloc(1, sizeof(*s));
    uint8_t key[16];

    assert(s != NULL);
    int rc = ov_crypto_init();
    assert(rc == OV_OK);
    s->now = START;
    s->random = seed;
    s->hash = 0xcbf29ce484222325ull;
    s->jitter = 2 * OV_MS;
    s->max_peers = PEERS_MAX;
    sim_fill(&s->random, key, sizeof(key));
    ov_map_init(&s->by_ip, SITES_MAX, key);
    return s;
}

void sim_free(struct sim *s)
{
    for (size_t i = 0; i < s->nnodes; i++) {
        sim_node_free(s->nodes[i]);
    }
    for (size_t i = 0; i < s->nsites; i++) {
        for (size_t j = 0; j < s->sites[i]->nbindings; j++)
            free(s->sites[i]->bindings[j].contacts);
        free(s->sites[i]->bindings);
        free(s->sites[i]->enemy);
        free(s->sites[i]);
    }
    while (s->nheap > 0)
        free(s->heap[--s->nheap]);
    ov_map_free(&s->by_ip);
    free(s->heap);
    free(s->sites);
    free(s->nodes);
    free(s->pings);
    free(s);
}

/* ---- looking and pinging ---- */

bool sim_all_ready(struct sim *s)
{
    for (size_t i = 0; i < s->nnodes; i++) {
        if (s->nodes[i]->net != 0 && s->nodes[i]->engine != NULL && !s->nodes[i]->ready)
            return false;
    }
    return true;
}

bool sim_all_answered(struct sim *s)
{
    for (size_t i = 0; i < s->npings; i++) {
        if (s->pings[i].rtt == 0)
            return false;
    }
    return true;
}

size_t sim_ping(struct sim_node *from, const struct ov_ip *to)
{
    struct sim *s = from->sim;

    s->pings = realloc(s->pings, (s->npings + 1) * sizeof(*s->pings));
    assert(s->pings != NULL);
    s->pings[s->npings] = (struct sim_ping){.from = from, .to = *to, .sent = s->now};
    sim_stack_ping(s, s->npings);
    return s->npings++;
}

enum ov_peer_path sim_path(const struct sim_node *from, const struct sim_node *to)
{
    struct ov_peer_info *info = malloc(sizeof(*info));
    enum ov_peer_path path = OV_PEER_NONE;

    assert(info != NULL);
    if (ov_node_peer(from->engine, to->addr, info) == OV_OK)
        path = info->path;
    free(info);
    return path;
}
