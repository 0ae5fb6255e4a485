/* Schedules: the input says what happens in a small overlay, and in which order: traffic, faults,
 * enemies, lost and late datagrams, time. While it happens and after it, all that
 * tests/sim/safety.h knows must hold; once the faults are over, the honest members must become
 * members again.
 *
 * The simulation draws what it does at random from a few streams; the input sets them anew before
 * each step, so that every choice is the input's. */
#include "reader.h"
#include "tests/sim/enemy.h"
#include "tests/sim/fault.h"
#include "tests/sim/traffic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define STEPS_MAX 96
#define ROOT_PORT 4793
#define PEERS_MAX 64
#define SETTLE    (240 * OV_SEC)
#define LONG_MAX  4 /* long waits in one schedule */

/* Three bytes each: what, and two of how. */
enum step { RUN, FRAME, PING, FAULT, PEACE, ENEMY, LINE, ORDER, WAIT, STEPS };

struct schedule {
    struct sim *s;
    struct safety safety;
    struct faults faults;
    struct enemy enemy;
    struct sim_node *control;
    ov_netid net;
    uint32_t frames;
    unsigned waits;
};

/* ---- the world ---- */

static void join(struct schedule *k, struct sim_site *site, ov_netid net)
{
    struct sim_node *n = sim_node(k->s, site, 0, (uint16_t)(20000 + k->s->nnodes));

    sim_root(n, k->s->nodes[1], "second.example");
    if (net != 0)
        sim_join(n, k->control, net);
    else
        sim_root(n, k->control, "root.example");
}

static struct sim_node *last(const struct schedule *k)
{
    return k->s->nodes[k->s->nnodes - 1];
}

/* The first byte: the NATs of two members, and whether the second root is an enemy. */
static void make_world(struct schedule *k, uint8_t how)
{
    struct sim *s = k->s = sim_new(1);

    s->max_peers = PEERS_MAX;
    safety_init(&k->safety, s, NULL);
    k->control = sim_node(s, sim_public(s), OV_CAP_ROOT | OV_CAP_CONTROLLER, ROOT_PORT);
    k->net = sim_controller(k->control, "10.147.0.0/16");
    ov_netid other = sim_network(k->control, "other", "10.148.0.0/16");
    enemy_init(&k->enemy, s, &k->safety, 1, k->net);
    sim_node(s, sim_public(s), OV_CAP_ROOT, ROOT_PORT);
    if (how & 0x80)
        k->enemy.root = last(k);
    join(k, sim_nat(s, (enum sim_mapping)(how % 3), (enum sim_filtering)(how / 3 % 3)), k->net);
    join(k, sim_nat(s, (enum sim_mapping)(how / 9 % 3), SIM_APDF), k->net);
    join(k, sim_public(s), k->net);
    k->enemy.member = last(k);
    join(k, sim_public(s), other);
    k->enemy.guest = last(k);
    join(k, sim_public(s), 0);
    k->enemy.stranger = last(k);
    for (size_t i = 0; i < s->nnodes; i++)
        s->nodes[i]->foe = s->nodes[i] == k->enemy.member || s->nodes[i] == k->enemy.guest ||
                           s->nodes[i] == k->enemy.stranger || s->nodes[i] == k->enemy.root;
    faults_init(&k->faults, s, &k->safety, 1);
    k->enemy.on_path = true;
}

static bool honest(const struct schedule *k, const struct sim_node *n)
{
    return n->net == k->net && !n->foe;
}

static bool all_ready(void *arg)
{
    const struct schedule *k = arg;

    for (size_t i = 0; i < k->s->nnodes; i++)
        if (honest(k, k->s->nodes[i]) && !k->s->nodes[i]->ready)
            return false;
    return true;
}

/* ---- steps ---- */

/* A member, by number; NULL when it is not up. */
static struct sim_node *member(const struct schedule *k, unsigned i)
{
    struct sim_node *n = k->s->nodes[2 + i % 3];

    return n->engine != NULL && n->ready ? n : NULL;
}

static void traffic(struct schedule *k, enum step what, uint8_t a, uint8_t b)
{
    struct sim_node *from = member(k, a), *to = member(k, a / 3u);

    if (from == NULL || from == to)
        return;
    if (what == FRAME)
        traffic_send(from, to, k->safety.wire.mark, ++k->frames, TRAFFIC_LEAST + b * 6u % 1300);
    else if (to != NULL)
        sim_ping(from, &to->ip);
}

static void step(struct schedule *k, enum step what, uint8_t a, uint8_t b)
{
    uint64_t choice = (uint64_t)a << 8 | b;

    switch (what) {
    case RUN:
        sim_run(k->s, NULL, NULL, (a + 1u) * 5 * OV_MS);
        break;
    case FRAME:
    case PING:
        traffic(k, what, a, b);
        break;
    case FAULT:
        k->faults.kinds = 1u << a % FAULT_KINDS;
        k->faults.random = choice;
        faults_step(&k->faults);
        break;
    case PEACE:
        faults_stop(&k->faults);
        break;
    case ENEMY:
        k->enemy.kinds = 1u << a % ENEMY_KINDS;
        if (k->enemy.root == NULL)
            k->enemy.kinds &= ~(1u << ENEMY_ROOT);
        k->enemy.random = choice;
        enemy_step(&k->enemy);
        break;
    case LINE:
        k->s->loss_permille = a % 8 * 60u;
        k->s->duplicate_permille = a / 8 % 4 * 100u;
        k->s->jitter = (b + 1u) * OV_MS;
        break;
    case ORDER:
        k->s->random = choice;
        break;
    default:
        if (k->waits++ < LONG_MAX)
            sim_run(k->s, NULL, NULL, (a + 1u) * OV_SEC);
    }
}

static void verdict(const struct schedule *k)
{
    if (k->safety.wrong == NULL)
        return;
    fprintf(stderr, "node %d, at %.3f s: %s\n", k->safety.node, (double)k->s->now / 1e9,
            k->safety.wrong);
    abort();
}

/* Nothing is broken any more: they find together again. */
static void settle(struct schedule *k)
{
    faults_stop(&k->faults);
    k->enemy.on_path = false;
    k->s->loss_permille = k->s->duplicate_permille = 0;
    k->s->jitter = 2 * OV_MS;
    if (!sim_run(k->s, all_ready, k, SETTLE) && !k->s->stop)
        safety_fail(&k->safety, NULL, "they do not become members, though nothing is broken");
    verdict(k);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct schedule *k = calloc(1, sizeof(*k));
    struct input in = {data, len};

    if (k == NULL)
        abort();
    make_world(k, input_u8(&in));
    sim_run(k->s, all_ready, k, 20 * OV_SEC);
    for (int i = 0; i < STEPS_MAX && in.left > 0 && !k->s->stop; i++) {
        uint8_t what = input_u8(&in), a = input_u8(&in), b = input_u8(&in);
        step(k, (enum step)(what % STEPS), a, b);
        verdict(k);
    }
    settle(k);
    faults_free(&k->faults);
    safety_free(&k->safety);
    sim_free(k->s);
    free(k);
    return 0;
}
