/* The life of a node: made, joined, crashed, started again. */
#include "sim.h"

#include "controller/controller.h"
#include "core/node_state.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUT_BYTES ((size_t)256 << 10)

static const struct ov_pow pow_cheap = {8, 0};

void sim_node_socket(struct sim_node *n, uint16_t number, uint16_t port)
{
    n->sockets = realloc(n->sockets, (n->nsockets + 1) * sizeof(*n->sockets));
    assert(n->sockets != NULL);
    n->sockets[n->nsockets++] = (struct sim_socket){number, port};
    if (n->nsockets > n->sockets_most)
        n->sockets_most = n->nsockets;
}

/* ---- the end ---- */

void sim_node_remove(struct sim_node *n)
{
    if (n->controller != NULL)
        ov_controller_free(n->controller);
    if (n->engine != NULL) {
        sim_enter(n);
        ov_node_free(n->engine);
        sim_leave();
    }
    n->controller = NULL;
    n->engine = NULL;
    n->inner = NULL;
    n->ready = false;
    n->nsockets = 0;
    n->nneighbours = 0;
    n->asleep_until = 0;
    n->late = 0;
}

static void forget_disk(struct sim_node *n)
{
    while (n->nstored > 0)
        free(n->stored[--n->nstored].data);
}

void sim_node_free(struct sim_node *n)
{
    sim_node_remove(n);
    if (n->store != NULL)
        n->store->ops->close(n->store);
    forget_disk(n);
    free(n->stored);
    free(n->sockets);
    free(n);
}

void sim_node_sleep(struct sim_node *n, ov_time span)
{
    n->asleep_until = n->sim->now + span;
}

void sim_node_wake(struct sim_node *n)
{
    n->asleep_until = 0;
    n->late = 0;
    sim_enter(n);
    ov_node_network_changed(n->engine, n->sim->now);
    sim_leave();
    sim_node_drain(n);
}

/* ---- the beginning ---- */

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

/* The secret identity is made from what the node's own random stream begins with. */
static void secret_of(const struct sim_node *n, struct ov_identity_secret *out)
{
    uint64_t stream = n->stream;
    uint8_t seed[32];

    sim_fill(&stream, seed, sizeof(seed));
    int rc = ov_identity_make(seed, &pow_cheap, NULL, NULL, out);
    assert(rc == OV_OK);
}

static void start_engine(struct sim_node *n)
{
    struct ov_identity_secret id;

    secret_of(n, &id);
    struct ov_node_config cfg = {
        .identity = &id,
        .caps = n->caps,
        .pow = pow_cheap,
        .random = {sim_fill, &n->random},
        .out_bytes = n->caps != 0 ? 0 : OUT_BYTES,
        .max_peers = n->sim->max_peers,
        .volunteer = n->volunteer,
        .no_aes = true, /* so that the hash is the same on every machine */
    };
    sim_enter(n);
    int rc = ov_node_new(&cfg, n->sim->now, sim_wall(n), &n->engine);
    sim_leave();
    assert(rc == OV_OK);
    n->inner = &n->engine->e;
    n->addr = id.pub.addr;
    n->life++;
    n->tick_at = 0;
    n->eager = 0;
    ov_identity_wipe(&id);
}

static void plug_in(struct sim_node *n)
{
    uint8_t family = 4;
    uint16_t port = n->local.port;
    ov_time now = n->sim->now;

    if (n->caps & OV_CAP_ROOT)
        sim_node_socket(n, OV_SOCKET_REFLECT, OV_REFLECT_PORT(port));
    sim_enter(n);
    if (n->caps & OV_CAP_ROOT)
        ov_node_set_reflect_port(n->engine, OV_REFLECT_PORT(port), now);
    ov_node_set_sockets(n->engine, &family, 1, now);
    sim_leave();
    sim_node_drain(n);
    sim_enter(n);
    ov_node_set_locals(n->engine, &(struct ov_local){0, n->local}, 1, now);
    sim_leave();
    sim_node_drain(n);
}

struct sim_node *sim_node(struct sim *s, struct sim_site *site, uint8_t caps, uint16_t port)
{
    struct sim_node *n = node_place(s, site, port);
    uint8_t seed[32];

    sim_fill(&n->random, seed, sizeof(seed)); /* what its identity is made of is spent */
    n->caps = caps;
    n->volunteer = s->volunteers;
    start_engine(n);
    plug_in(n);
    return n;
}

/* ---- controllers ---- */

void sim_set(struct sim_node *n, ov_netid net, const char *key, const char *value)
{
    char error[256], which[OV_NETID_TEXT];

    ov_netid_format(net, which);
    int rc = ov_controller_net_set(n->controller, which, key, value, sim_wall(n), error);
    assert(rc == OV_OK);
}

void sim_node_controller(struct sim_node *n)
{
    struct ov_identity_secret id;

    secret_of(n, &id);
    struct ov_controller_config cfg = {
        .identity = &id,
        .store = n->store,
        .random = {sim_fill, &n->random},
        .send = sim_node_say,
        .send_arg = n,
        .nroots = 1,
        .roots = {{.id = id.pub, .nendpoints = 1, .endpoints = {n->local}}},
    };
    int rc = ov_controller_new(&cfg, &n->controller);
    assert(rc == OV_OK);
    ov_identity_wipe(&id);
}

ov_netid sim_network(struct sim_node *n, const char *name, const char *pool)
{
    struct ov_net_record record;
    char error[256];

    int rc = ov_controller_net_create(n->controller, name, &record, sim_wall(n), error);
    assert(rc == OV_OK);
    sim_set(n, record.netid, "pool", pool);
    sim_set(n, record.netid, "open", "on");
    return record.netid;
}

ov_netid sim_controller(struct sim_node *n, const char *pool)
{
    char error[256];

    int rc = ov_store_sqlite_open(":memory:", &n->store, error);
    assert(rc == OV_OK);
    sim_node_controller(n);
    return sim_network(n, "sim", pool);
}

/* ---- joining ---- */

static void add_root(struct sim_node *n, const struct sim_node *root, const char *host)
{
    struct ov_identity_secret id;

    secret_of(root, &id); /* it may be down now */
    sim_enter(n);
    int rc = ov_node_add_root(n->engine, host, &id.pub, &root->local, 1, n->sim->now);
    sim_leave();
    assert(rc == OV_OK);
    ov_identity_wipe(&id);
    sim_node_drain(n);
}

void sim_root(struct sim_node *n, struct sim_node *root, const char *host)
{
    assert(n->nroots < SIM_ROOTS_MAX && strlen(host) < sizeof(n->roots[0].host));
    n->roots[n->nroots].node = root;
    strcpy(n->roots[n->nroots++].host, host);
    add_root(n, root, host);
}

static int join(struct sim_node *n)
{
    char name[32];

    snprintf(name, sizeof(name), "host%zu", n->index);
    sim_enter(n);
    int rc = ov_node_join(n->engine, n->net, NULL, NULL, name, n->sim->now);
    sim_leave();
    sim_node_drain(n);
    return rc;
}

void sim_join(struct sim_node *n, struct sim_node *root, ov_netid net)
{
    sim_root(n, root, "root.example");
    n->net = net;
    int rc = join(n);
    assert(rc == OV_OK);
}

/* ---- starting again ---- */

/* As the daemon does: stamps first, then who was met, then networks. */
static void restore(struct sim_node *n)
{
    static const enum ov_persist_kind order[] = {OV_PERSIST_STAMP, OV_PERSIST_PEER,
                                                 OV_PERSIST_NETWORK};
    struct sim_stored *disk = n->stored;
    size_t count = n->nstored;

    n->stored = NULL; /* what the engine stores meanwhile goes onto a new disk */
    n->nstored = 0;
    for (size_t k = 0; k < 3; k++) {
        for (size_t i = 0; i < count; i++) {
            if (disk[i].kind != order[k])
                continue;
            sim_enter(n);
            int rc = ov_node_restore(n->engine, disk[i].kind, disk[i].id, disk[i].data, disk[i].len,
                                     n->sim->now);
            sim_leave();
            assert(rc == OV_OK);
            sim_node_drain(n);
        }
    }
    for (size_t i = 0; i < count; i++) {
        bool newer = false;
        for (size_t k = 0; k < n->nstored; k++)
            newer |= n->stored[k].kind == disk[i].kind && n->stored[k].id == disk[i].id;
        if (newer) {
            free(disk[i].data);
            continue;
        }
        n->stored = realloc(n->stored, (n->nstored + 1) * sizeof(*n->stored));
        assert(n->stored != NULL);
        n->stored[n->nstored++] = disk[i];
    }
    free(disk);
}

void sim_node_start(struct sim_node *n, bool keep)
{
    assert(n->engine == NULL);
    start_engine(n);
    if (n->store != NULL)
        sim_node_controller(n);
    n->ahead = keep && n->nstored > 0;
    if (keep)
        restore(n);
    else
        forget_disk(n);
    plug_in(n);
    for (size_t i = 0; i < n->nroots; i++)
        add_root(n, n->roots[i].node, n->roots[i].host);
    if (n->net != 0) {
        int rc = join(n);
        assert(rc == OV_OK || rc == OV_EEXIST); /* restored */
    }
}
