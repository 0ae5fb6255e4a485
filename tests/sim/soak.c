#include "soak.h"

#include "traffic.h"

#include "controller/controller.h"
#include "core/peer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define STEP        (100 * OV_MS)
#define MEMBERS_MAX 5
#define PEERS_MAX   64
#define ROOT_PORT   4793
#define CHAOS_MIN   40  /* s */
#define CHAOS_MORE  200 /* s, at most */
#define READY_IN    (120 * OV_SEC)
#define REACH_IN    (60 * OV_SEC)
#define LEARN_IN    (3 * OV_SEC) /* of a revocation, where nothing is lost */
#define AFTER_IT    (10 * OV_SEC)
#define SILENCE     (700 * OV_SEC)
#define WINDOW      "120"
#define STALE_AFTER (30 * OV_SEC)
#define STALE_CHAOS 240 /* s: so long that certificates get old meanwhile */
#define LINES       60  /* of a diagram */

static uint64_t pick(struct soak *k, uint64_t n)
{
    return sim_random(&k->random) % n;
}

/* ---- the world ---- */

static struct sim_site *any_site(struct soak *k)
{
    struct sim *s = k->s;

    switch (pick(k, 8)) {
    case 0:
        return sim_public(s);
    case 1:
        return sim_nat_hard(s, (enum sim_allocation)pick(k, 4), 1);
    case 2: {
        struct sim_site *last = s->sites[s->nsites - 1]; /* a neighbour on the same LAN */
        if (last->nat && last->nhosts < 2)
            return last;
        return sim_nat(s, SIM_EIM, SIM_APDF);
    }
    default:
        return sim_nat(s, (enum sim_mapping)pick(k, 3), (enum sim_filtering)pick(k, 3));
    }
}

static struct sim_node *make(struct soak *k, ov_netid net)
{
    struct sim_node *n = sim_node(k->s, any_site(k), 0, (uint16_t)(10000 + pick(k, 50000)));
    struct sim_node *second = k->s->nodes[1]->caps & OV_CAP_ROOT ? k->s->nodes[1] : NULL;

    if (second != NULL)
        sim_root(n, second, "second.example");
    if (net != 0)
        sim_join(n, k->control, net);
    else
        sim_root(n, k->control, "root.example");
    n->odd_clock = pick(k, 3) == 0;
    return n;
}

static void make_foes(struct soak *k)
{
    struct enemy *e = &k->enemy;

    if (enemy_has(e, ENEMY_MEMBER))
        e->member = make(k, k->net);
    if (enemy_has(e, ENEMY_GUEST))
        e->guest = make(k, k->other);
    if (enemy_has(e, ENEMY_STRANGER))
        e->stranger = make(k, 0);
    for (size_t i = 0; i < k->s->nnodes; i++)
        k->s->nodes[i]->foe = k->s->nodes[i] == e->member || k->s->nodes[i] == e->guest ||
                              k->s->nodes[i] == e->stranger || k->s->nodes[i] == e->root;
}

static void make_world(struct soak *k)
{
    struct sim *s = k->s;
    size_t members = 2 + pick(k, MEMBERS_MAX - 1);

    k->control = sim_node(s, sim_public(s), OV_CAP_ROOT | OV_CAP_CONTROLLER, ROOT_PORT);
    k->net = sim_controller(k->control, "10.147.0.0/16");
    k->other = sim_network(k->control, "other", "10.148.0.0/16");
    k->short_window = pick(k, 3) == 0;
    if (k->short_window) {
        sim_set(k->control, k->net, "window", WINDOW);
        k->safety.window = 120 * OV_SEC;
    }
    enemy_init(&k->enemy, s, &k->safety, sim_random(&k->random), k->net);
    if (enemy_has(&k->enemy, ENEMY_ROOT) || pick(k, 2)) {
        struct sim_node *second = sim_node(s, sim_public(s), OV_CAP_ROOT, ROOT_PORT);
        if (enemy_has(&k->enemy, ENEMY_ROOT))
            k->enemy.root = second;
    }
    for (size_t i = 0; i < members; i++)
        make(k, k->net);
    make_foes(k);
    faults_init(&k->faults, s, &k->safety, sim_random(&k->random));
    k->idle = pick(k, 4) == 0;
    if (k->short_window && pick(k, 2))
        k->enemy.stale = s->now + STALE_AFTER;
}

struct soak *soak_new(uint64_t seed)
{
    struct soak *k = calloc(1, sizeof(*k));

    assert(k != NULL);
    k->seed = seed;
    k->random = seed * 0x9e3779b97f4a7c15ull + 1;
    k->s = sim_new(sim_random(&k->random));
    k->s->max_peers = PEERS_MAX;
    safety_init(&k->safety, k->s, &k->diagram);
    k->phase = "beginning";
    k->lines = LINES;
    make_world(k);
    return k;
}

void soak_free(struct soak *k)
{
    faults_free(&k->faults);
    safety_free(&k->safety);
    sim_free(k->s);
    free(k);
}

/* ---- traffic ---- */

static struct sim_node *any_host(struct soak *k)
{
    struct sim_node *n = k->s->nodes[pick(k, k->s->nnodes)];

    return n->net == k->net && n->mac.b[0] != 0 ? n : NULL;
}

static void some_traffic(struct soak *k)
{
    struct sim_node *a = any_host(k), *b = any_host(k);

    if (a == NULL || a == b || a->engine == NULL || !a->ready)
        return;
    for (uint64_t i = pick(k, 4); i > 0; i--)
        traffic_send(a, b, k->safety.wire.mark, ++k->frames,
                     TRAFFIC_LEAST + pick(k, pick(k, 4) ? 200 : 1300));
}

/* ---- phases ---- */

static bool honest(const struct soak *k, const struct sim_node *n)
{
    return n->net == k->net && !n->foe && n != k->denied;
}

static bool all_ready(void *arg)
{
    const struct soak *k = arg;

    for (size_t i = 0; i < k->s->nnodes; i++) {
        if (honest(k, k->s->nodes[i]) && !k->s->nodes[i]->ready)
            return false;
    }
    return true;
}

static bool all_answered(void *arg)
{
    const struct soak *k = arg;

    return sim_all_answered(k->s);
}

/* Steps, with enemies and traffic, until `done` or for at most `span`. */
static bool steps(struct soak *k, ov_time span, bool (*done)(void *arg), bool faults, bool traffic)
{
    ov_time end = k->s->now + span;

    while (!k->s->stop && k->s->now < end) {
        if (faults && k->s->now / STEP % 5 == 0)
            faults_step(&k->faults);
        enemy_step(&k->enemy);
        if (traffic && pick(k, 3) == 0)
            some_traffic(k);
        if (sim_run(k->s, done, k, STEP) && done != NULL)
            return true;
    }
    return false;
}

static void nobody_waits(struct soak *k, const char *what)
{
    const struct sim_node *n = NULL;

    for (size_t i = 0; i < k->s->nnodes; i++) {
        if (honest(k, k->s->nodes[i]) && !k->s->nodes[i]->ready)
            n = k->s->nodes[i];
    }
    for (size_t i = 0; n == NULL && i < k->s->npings; i++) {
        if (k->s->pings[i].rtt == 0)
            n = k->s->pings[i].from;
    }
    safety_fail(&k->safety, n, what);
}

/* Everybody pings everybody. */
static void reach(struct soak *k)
{
    struct sim *s = k->s;

    s->npings = 0;
    for (size_t i = 0; i < s->nnodes; i++) {
        for (size_t j = 0; j < s->nnodes; j++) {
            if (i != j && honest(k, s->nodes[i]) && honest(k, s->nodes[j]))
                sim_ping(s->nodes[i], &s->nodes[j]->ip);
        }
    }
    if (!steps(k, REACH_IN, all_answered, false, true))
        nobody_waits(k, "they do not reach each other, though nothing is broken any more");
}

static void chaos(struct soak *k)
{
    k->phase = "faults";
    k->enemy.on_path = true;
    k->faults.calm = pick(k, 4) == 0 ? 20 : 0;
    k->s->loss_permille = k->faults.calm;
    ov_time span = k->enemy.stale ? STALE_CHAOS : CHAOS_MIN + pick(k, CHAOS_MORE);
    steps(k, span * OV_SEC, NULL, true, true);
}

static void settle(struct soak *k)
{
    k->phase = "after the faults";
    k->enemy.on_path = false;
    k->faults.calm = 0;
    faults_stop(&k->faults);
    k->s->loss_permille = 0;
    if (!steps(k, READY_IN, all_ready, false, true))
        nobody_waits(k, "they do not become members, though nothing is broken any more");
    reach(k);
}

/* Has the controller a session with every member? It may have just been started
 * again. */
static bool all_connected(void *arg)
{
    const struct soak *k = arg;

    for (size_t i = 0; i < k->s->nnodes; i++) {
        const struct sim_node *n = k->s->nodes[i];
        const struct ov_peer *p = ov_peer_find(k->control->inner, n->addr);
        if (honest(k, n) && (p == NULL || !ov_peer_up(p)))
            return false;
    }
    return true;
}

/* The owner cuts a member off, while all hear each other: at once nobody takes
 * its frames. */
static void deny(struct soak *k)
{
    char which[OV_NETID_TEXT], who[OV_ADDR_TEXT], why[256];
    struct sim_node *n = k->enemy.member;

    for (size_t i = 0; n == NULL && i < k->s->nnodes; i++) {
        if (k->s->nodes[i]->net == k->net)
            n = k->s->nodes[i];
    }
    if (k->s->stop || n == NULL || k->safety.member[n->index].newest == 0)
        return;
    k->phase = "after a member was cut off";
    if (!steps(k, REACH_IN, all_connected, false, true))
        safety_fail(&k->safety, k->control, "members do not come back to their controller");
    if (k->s->stop)
        return;
    k->denied = n;
    diagram_remember(&k->diagram, k->s->now, n, "is cut off");
    ov_netid_format(k->net, which);
    ov_addr_format(n->addr, who);
    int rc =
        ov_controller_deauthorize(k->control->controller, which, who, sim_wall(k->control), why);
    assert(rc == OV_OK);
    steps(k, LEARN_IN, NULL, false, true);
    safety_out(&k->safety, n);
    steps(k, AFTER_IT, NULL, false, true);
}

/* Long silence: keys are wiped, peers forgotten. Then all is as before. */
static void silence(struct soak *k)
{
    if (k->s->stop)
        return;
    k->phase = "after a long silence";
    sim_run(k->s, NULL, NULL, SILENCE);
    if (!k->s->stop)
        reach(k);
}

static void end(struct soak *k)
{
    k->phase = "at the end";
    for (size_t i = 0; i < k->s->nnodes; i++) {
        if (k->s->nodes[i]->engine == NULL)
            continue;
        sim_node_remove(k->s->nodes[i]);
        safety_ended(&k->safety, k->s->nodes[i]);
    }
}

bool soak_run(struct soak *k)
{
    k->phase = "joining";
    steps(k, 20 * OV_SEC, all_ready, false, false);
    chaos(k);
    if (!k->s->stop)
        settle(k);
    if (pick(k, 2))
        deny(k);
    if (k->idle)
        silence(k);
    if (!k->s->stop)
        end(k);
    return k->safety.wrong == NULL;
}

/* ---- telling ---- */

static void print_kinds(FILE *out, unsigned kinds, const char *const *names, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (kinds >> i & 1)
            fprintf(out, " %s,", names[i]);
    }
    fprintf(out, "\n");
}

static void print_node(const struct sim_node *n, FILE *out)
{
    struct ov_node_stats st;

    ov_node_stats(n->engine, &st);
    fprintf(out, "  %zu%s: %zu peers, %zu sessions, %zu bytes; dropped", n->index,
            n->foe ? " (an enemy)" : "", st.peers, st.sessions, n->bytes);
    for (int i = 0; i < OV_DROP_COUNT; i++) {
        if (st.drops[i] > 0)
            fprintf(out, " %s %llu,", ov_drop_name((enum ov_drop)i),
                    (unsigned long long)st.drops[i]);
    }
    fprintf(out, "\n");
}

void soak_print(const struct soak *k, FILE *out)
{
    const struct safety *f = &k->safety;

    fprintf(out, "seed %llu: %s\n", (unsigned long long)k->seed,
            f->wrong ? f->wrong : "all is well");
    fprintf(out, "  node %d, %s, at %.3f s; %zu nodes, window %s\n", f->node, k->phase,
            (double)k->s->now / 1e9, k->s->nnodes, k->short_window ? WINDOW " s" : "24 h");
    fprintf(out, "  hash %016llx\n  faults:", (unsigned long long)k->s->hash);
    print_kinds(out, k->faults.kinds, fault_names, FAULT_KINDS);
    fprintf(out, "  enemies:");
    print_kinds(out, k->enemy.kinds, enemy_names, ENEMY_KINDS);
    for (size_t i = 0; i < k->s->nnodes; i++) {
        if (k->s->nodes[i]->engine != NULL)
            print_node(k->s->nodes[i], out);
    }
    diagram_print(&k->diagram, k->s, f->node, k->lines, out);
    fprintf(out, "run it again: make soak SEED=%llu\n", (unsigned long long)k->seed);
}
