/* The clock, the event queue, and the turns of the engines. Events at the same instant happen in
 * the order they were posted. An engine is given one input, and then everything it says is taken
 * from it; what that causes in turn is posted as events, never done from inside the pulling. */
#include "sim.h"

#include "controller/controller.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START     OV_SEC
#define WALL      1767225600000ull /* at START, in ms */
#define OUT_BYTES ((size_t)256 << 10)
#define SITES_MAX 65536
#define LOOK_GAP  OV_MS /* conditions cost more than most events */

static const struct ov_pow pow_cheap = {8, 0};

/* A request to a controller on its way from the engine's event to its handling. */
struct request {
    struct ov_identity from;
    struct ov_msg_net_request msg;
};

/* ---- randomness and trace ---- */

/* SplitMix64 (Steele, Lea, Flood 2014). */
uint64_t sim_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static void fill(void *arg, void *buf, size_t len)
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

static ov_wall wall(const struct sim *s)
{
    return WALL + (s->now - START) / OV_MS;
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

/* The membership has changed: what the daemon would tell the TAP. */
static void refresh(struct sim_node *n)
{
    struct ov_network_info *info = malloc(sizeof(*info));

    assert(info != NULL);
    if (ov_node_network(n->engine, n->net, info) == OV_OK) {
        n->ready = info->state == OV_NET_STATE_READY;
        n->mac = info->mac;
        for (size_t i = 0; n->ready && i < info->cert.naddrs; i++) {
            if (info->cert.addrs[i].ip.family == 4)
                n->ip = info->cert.addrs[i].ip;
        }
    }
    free(info);
}

static void take_datagrams(struct sim_node *n, const struct ov_out_datagrams *d)
{
    uint16_t port = n->local.port;

    assert(d->segment > 0 && d->len > 0);
    for (size_t i = 0; d->socket != 0; i++) {
        assert(i < n->nsockets); /* one that is open */
        port = n->sockets[i].port;
        if (n->sockets[i].number == d->socket)
            break;
    }
    for (size_t at = 0; at < d->len; at += d->segment) {
        size_t len = d->len - at < d->segment ? d->len - at : d->segment;
        assert(len <= OV_DATAGRAM_MAX);
        sim_send_from(n, port, &d->to, d->ttl, d->data + at, len);
    }
}

/* ---- sockets ---- */

static void open_socket(struct sim_node *n, uint16_t number, uint16_t port)
{
    n->sockets = realloc(n->sockets, (n->nsockets + 1) * sizeof(*n->sockets));
    assert(n->sockets != NULL);
    n->sockets[n->nsockets++] = (struct sim_socket){number, port};
    if (n->nsockets > n->sockets_most)
        n->sockets_most = n->nsockets;
}

static void close_sockets(struct sim_node *n, uint16_t first, uint16_t count)
{
    for (size_t i = n->nsockets; i-- > 0;) {
        if (n->sockets[i].number >= first && n->sockets[i].number < first + count)
            n->sockets[i] = n->sockets[--n->nsockets];
    }
}

/* Open what the engine asks for; the answer comes as an event. */
static void open_extras(struct sim_node *n, const struct ov_out_event *e)
{
    struct sim *s = n->sim;
    uint16_t answer[2 + OV_EXTRA_MAX] = {e->socket, e->count};

    for (int i = 0; i < e->count; i++) {
        uint16_t port;
        do {
            port = (uint16_t)(10000 + sim_random(&s->random) % 50000);
        } while (sim_socket(n, port) >= 0);
        open_socket(n, (uint16_t)(e->socket + i), port);
        answer[2 + i] = port;
    }
    struct sim_event *ev = sim_post(s, SIM_SOCKETS, s->now, 0, answer, sizeof(answer));
    ev->node = n;
    ev->id = e->id;
}

static void take_event(struct sim_node *n, const struct ov_out_event *e)
{
    struct sim *s = n->sim;

    if (e->kind == OV_EVENT_NETWORK && n->net != 0 && e->net == n->net) {
        refresh(n);
    } else if (e->kind == OV_EVENT_REQUEST && n->controller != NULL) {
        struct request r = {*e->from, *e->request};
        sim_post(s, SIM_REQUEST, s->now, 0, &r, sizeof(r))->node = n;
    } else if (e->kind == OV_EVENT_PONG && e->rtt != 0) {
        n->pongs++;
    } else if (e->kind == OV_EVENT_SOCKETS) {
        open_extras(n, e);
    } else if (e->kind == OV_EVENT_SOCKETS_CLOSE) {
        close_sockets(n, e->socket, e->count);
    }
}

/* Take all that the engine has to say, and note when it wants to be called. */
static void drain(struct sim_node *n)
{
    struct ov_output out;

    while (ov_node_pull(n->engine, &out)) {
        if (out.kind == OV_OUT_DATAGRAMS)
            take_datagrams(n, &out.datagrams);
        else if (out.kind == OV_OUT_FRAME && out.frame.net == n->net)
            sim_stack_frame(n, out.frame.data, out.frame.len);
        else if (out.kind == OV_OUT_EVENT)
            take_event(n, &out.event);
    }
    ov_time at = ov_node_deadline(n->engine);
    if (at == OV_NEVER)
        return;
    if (at <= n->sim->now)
        at = n->sim->now + 1;
    if (n->tick_at <= n->sim->now || at < n->tick_at) {
        n->tick_at = at;
        sim_post(n->sim, SIM_TICK, at, 0, NULL, 0)->node = n;
    }
}

/* The controller's way out. Each message is pulled at once: the next input would end its life. */
static void controller_send(void *arg, ov_addr to, const uint8_t *msg, size_t len)
{
    struct sim_node *n = arg;

    if (ov_node_send(n->engine, to, msg, len, n->sim->now) == OV_OK)
        drain(n);
}

static void handle_datagram(struct sim *s, struct sim_event *e)
{
    uint16_t port = e->to.port;
    struct sim_node *n =
        e->site != NULL ? sim_inbound_port(s, e->site, &e->from, &e->to, &port) : e->node;
    int socket = n != NULL ? sim_socket(n, port) : -1;

    if (n == NULL || n->engine == NULL || socket < 0) {
        s->filtered++;
        return;
    }
    struct ov_datagram d = {
        .socket = (uint16_t)socket, .from = e->from, .data = e->data, .len = e->len};
    ov_node_datagrams(n->engine, &d, 1, s->now);
    drain(n);
}

static void handle_request(struct sim_node *n, const struct sim_event *e)
{
    struct request r;

    memcpy(&r, e->data, sizeof(r));
    int rc = ov_controller_request(n->controller, &r.from, &r.msg, wall(n->sim));
    sim_trace(n->sim, &rc, sizeof(rc));
}

static void handle_sockets(struct sim_node *n, const struct sim_event *e)
{
    uint16_t v[2 + OV_EXTRA_MAX];

    memcpy(v, e->data, sizeof(v));
    ov_node_extra_sockets(n->engine, e->id, v[0], v + 2, v[1], n->sim->now);
    drain(n);
}

static void handle(struct sim *s, struct sim_event *e)
{
    struct sim_node *n = e->node;

    if (e->kind == SIM_DATAGRAM) {
        handle_datagram(s, e);
    } else if (e->kind == SIM_PING) {
        sim_stack_ping(s, e->ping);
    } else if (n->engine == NULL) {
        return; /* crashed in the meantime */
    } else if (e->kind == SIM_REQUEST) {
        handle_request(n, e);
    } else if (e->kind == SIM_SOCKETS) {
        handle_sockets(n, e);
    } else if (e->kind == SIM_TICK && e->at == n->tick_at) {
        ov_node_tick(n->engine, s->now);
        drain(n);
    } else if (e->kind == SIM_FRAME) {
        struct ov_frame f = {.data = e->data + OV_FRAME_HEADROOM, .len = e->len};
        ov_node_frames(n->engine, n->net, &f, 1, s->now);
        drain(n);
    }
}

bool sim_run(struct sim *s, bool (*done)(void *arg), void *arg, ov_time limit)
{
    ov_time end = s->now + limit, look_at = s->now;
    bool is_done = done != NULL && done(arg);

    while (!is_done && s->nheap > 0 && s->heap[0]->at <= end) {
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
    if (!is_done || done == NULL)
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
    fill(&s->random, key, sizeof(key));
    ov_map_init(&s->by_ip, SITES_MAX, key);
    return s;
}

void sim_node_remove(struct sim_node *n)
{
    if (n->controller != NULL)
        ov_controller_free(n->controller);
    if (n->store != NULL)
        n->store->ops->close(n->store);
    if (n->engine != NULL)
        ov_node_free(n->engine);
    n->controller = NULL;
    n->store = NULL;
    n->engine = NULL;
    n->ready = false;
}

void sim_free(struct sim *s)
{
    for (size_t i = 0; i < s->nnodes; i++) {
        sim_node_remove(s->nodes[i]);
        free(s->nodes[i]->sockets);
        free(s->nodes[i]);
    }
    for (size_t i = 0; i < s->nsites; i++) {
        for (size_t j = 0; j < s->sites[i]->nbindings; j++)
            free(s->sites[i]->bindings[j].contacts);
        free(s->sites[i]->bindings);
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

/* A place for one more node in the list, and in its site. */
static struct sim_node *node_place(struct sim *s, struct sim_site *site, uint16_t port)
{
    struct sim_node *n = calloc(1, sizeof(*n));

    assert(n != NULL && site->nhosts < (site->nat ? SIM_HOSTS_MAX : 1));
    s->nodes = realloc(s->nodes, (s->nnodes + 1) * sizeof(*s->nodes));
    assert(s->nodes != NULL);
    n->sim = s;
    n->site = site;
    n->index = s->nnodes;
    n->stream = n->random = sim_random(&s->random);
    n->local.port = port;
    n->local.ip = site->wan;
    if (site->nat)
        n->local.ip = (struct ov_ip){4, {192, 168, 1, (uint8_t)(10 + site->nhosts)}};
    site->hosts[site->nhosts++] = n;
    s->nodes[s->nnodes++] = n;
    return n;
}

struct sim_node *sim_node(struct sim *s, struct sim_site *site, uint8_t caps, uint16_t port)
{
    struct sim_node *n = node_place(s, site, port);
    struct ov_identity_secret id;
    uint8_t seed[32], family = 4;

    fill(&n->random, seed, sizeof(seed));
    int rc = ov_identity_make(seed, &pow_cheap, NULL, NULL, &id);
    assert(rc == OV_OK);
    struct ov_node_config cfg = {
        .identity = &id,
        .caps = caps,
        .pow = pow_cheap,
        .random = {fill, &n->random},
        .out_bytes = caps != 0 ? 0 : OUT_BYTES,
        .max_peers = 2048,
        .volunteer = s->volunteers,
        .no_aes = true, /* so that the hash is the same on every machine */
    };
    rc = ov_node_new(&cfg, s->now, wall(s), &n->engine);
    assert(rc == OV_OK);
    n->addr = id.pub.addr;
    ov_identity_wipe(&id);
    if (caps & OV_CAP_ROOT) {
        open_socket(n, OV_SOCKET_REFLECT, OV_REFLECT_PORT(port));
        ov_node_set_reflect_port(n->engine, OV_REFLECT_PORT(port), s->now);
    }
    ov_node_set_sockets(n->engine, &family, 1, s->now);
    drain(n);
    ov_node_set_locals(n->engine, &(struct ov_local){0, n->local}, 1, s->now);
    drain(n);
    return n;
}

/* Remake the secret identity, which is not kept: the stream of a node begins with its seed. */
static void secret_of(const struct sim_node *n, struct ov_identity_secret *out)
{
    uint64_t stream = n->stream;
    uint8_t seed[32];

    fill(&stream, seed, sizeof(seed));
    int rc = ov_identity_make(seed, &pow_cheap, NULL, NULL, out);
    assert(rc == OV_OK && out->pub.addr == n->addr);
}

void sim_set(struct sim_node *n, ov_netid net, const char *key, const char *value)
{
    char error[256], which[OV_NETID_TEXT];

    ov_netid_format(net, which);
    int rc = ov_controller_net_set(n->controller, which, key, value, wall(n->sim), error);
    assert(rc == OV_OK);
}

ov_netid sim_controller(struct sim_node *n, const char *pool)
{
    struct ov_identity_secret id;
    struct ov_net_record record;
    char error[256];

    secret_of(n, &id);
    int rc = ov_store_sqlite_open(":memory:", &n->store, error);
    assert(rc == OV_OK);
    struct ov_controller_config cfg = {
        .identity = &id,
        .store = n->store,
        .random = {fill, &n->random},
        .send = controller_send,
        .send_arg = n,
        .nroots = 1,
        .roots = {{.id = id.pub, .nendpoints = 1, .endpoints = {n->local}}},
    };
    rc = ov_controller_new(&cfg, &n->controller);
    assert(rc == OV_OK);
    ov_identity_wipe(&id);
    rc = ov_controller_net_create(n->controller, "sim", &record, wall(n->sim), error);
    assert(rc == OV_OK);
    sim_set(n, record.netid, "pool", pool);
    sim_set(n, record.netid, "open", "on");
    return record.netid;
}

void sim_root(struct sim_node *n, struct sim_node *root, const char *host)
{
    int rc = ov_node_add_root(n->engine, host, ov_node_identity(root->engine), &root->local, 1,
                              n->sim->now);
    assert(rc == OV_OK);
    drain(n);
}

void sim_join(struct sim_node *n, struct sim_node *root, ov_netid net)
{
    char name[32];

    snprintf(name, sizeof(name), "host%zu", n->index);
    sim_root(n, root, "root.example");
    n->net = net;
    int rc = ov_node_join(n->engine, net, NULL, NULL, name, n->sim->now);
    assert(rc == OV_OK);
    drain(n);
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
