/* day [NODES [HOURS]]: a network of NODES (200) for HOURS (24) with churn. Each hour nodes talk to
 * their friends, crash, lose their disks, move and change routers; the root restarts now and then.
 * Then there is silence for a while, and everything is counted: nothing may grow from hour to
 * hour. All the time safety.h holds. */
#include "safety.h"
#include "traffic.h"

#include "core/node_state.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HOUR       (3600 * OV_SEC)
#define BUSY       (40 * 60) /* s of each hour */
#define FRIENDS    4
#define TALKS      1    /* a second, of all */
#define BROADCASTS 1000 /* of so many frames one is for all */
#define CHURN_ONE  8    /* of so many nodes one has something happen to it each hour */
#define WARM_UP    4    /* hours that do not count: tables are filled for the first time */
#define FLAT       5    /* percent */
#define HOURS_MAX  1000
#define CERT_MAX_S (75 * 60) /* age of a certificate: renewed each hour */

/* What should be the same each hour. */
struct count {
    double rss_mb;
    uint64_t bytes, peers, sessions, timers, members, indices, stored;
};

struct day {
    struct sim *s;
    struct safety safety;
    uint64_t random;
    size_t nodes, hours;
    ov_netid net;
    uint32_t frames;
    struct count hour[HOURS_MAX];
};

static uint64_t pick(struct day *d, uint64_t n)
{
    return sim_random(&d->random) % n;
}

static bool ready(void *arg)
{
    return sim_all_ready(arg);
}

/* Only what a router does to mappings matters here; all kinds of NATs are the soak's. */
static void make(struct day *d)
{
    struct sim *s = d->s;
    struct sim_node *root = sim_node(s, sim_public(s), OV_CAP_ROOT | OV_CAP_CONTROLLER, 4793);

    d->net = sim_controller(root, "10.147.0.0/16");
    for (size_t i = 0; i < d->nodes; i++) {
        uint64_t r = sim_random(&d->random);
        struct sim_site *site = i % 10 == 0 ? sim_public(s)
                                            : sim_nat(s, r % 4 == 0 ? SIM_APDM : SIM_EIM,
                                                      (enum sim_filtering)(r / 4 % 3));
        sim_join(sim_node(s, site, 0, (uint16_t)(10000 + pick(d, 50000))), root, d->net);
        sim_run(s, NULL, NULL, 50 * OV_MS);
    }
}

/* ---- an hour ---- */

static struct sim_node *any(struct day *d)
{
    return d->s->nodes[1 + pick(d, d->nodes)];
}

static struct sim_node *friend_of(struct day *d, const struct sim_node *n)
{
    return d->s->nodes[1 + (n->index - 1 + 1 + pick(d, FRIENDS)) % d->nodes];
}

static void talk(struct day *d)
{
    struct sim_node *a = any(d), *b = friend_of(d, a);

    if (a->engine == NULL || !a->ready || b->mac.b[0] == 0 || a == b)
        return;
    sim_ping(a, &b->ip);
    traffic_send(a, pick(d, BROADCASTS) ? b : NULL, d->safety.wire.mark, ++d->frames,
                 TRAFFIC_LEAST + pick(d, 1000));
}

static void forget_mappings(struct sim_site *site)
{
    for (size_t i = 0; i < site->nbindings; i++)
        free(site->bindings[i].contacts);
    site->nbindings = 0;
}

static void crash(struct day *d, struct sim_node *n, bool keep)
{
    sim_node_remove(n);
    safety_ended(&d->safety, n);
    sim_run(d->s, NULL, NULL, pick(d, 5000) * OV_MS);
    if (!d->s->stop)
        sim_node_start(n, keep);
}

static void churn(struct day *d)
{
    struct sim_node *n = any(d);

    switch (pick(d, 4)) {
    case 0:
        forget_mappings(n->site);
        break;
    case 1:
        sim_node_sleep(n, pick(d, 300) * OV_SEC);
        break;
    case 2:
        crash(d, n, n->ahead || pick(d, 2));
        break;
    default:
        crash(d, n, true);
        break;
    }
}

static void one_hour(struct day *d, size_t hour)
{
    struct sim *s = d->s;
    ov_time end = (hour + 1) * HOUR;

    for (uint64_t second = 0; second < BUSY && !s->stop; second++) {
        for (int i = 0; i < TALKS; i++)
            talk(d);
        if (pick(d, BUSY * CHURN_ONE) < d->nodes)
            churn(d);
        if (second == BUSY / 2 && hour % 6 == 5)
            crash(d, s->nodes[0], true);
        sim_run(s, NULL, NULL, OV_SEC);
    }
    if (!s->stop && s->now < end)
        sim_run(s, NULL, NULL, end - s->now);
    s->npings = 0;
}

/* ---- counting ---- */

static double rss_mb(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    unsigned long size, resident = 0;

    assert(f != NULL);
    if (fscanf(f, "%lu %lu", &size, &resident) != 2)
        resident = 0;
    fclose(f);
    return (double)resident * (double)sysconf(_SC_PAGESIZE) / 1e6;
}

static void check_node(struct day *d, const struct sim_node *n)
{
    const struct ov_network *net = ov_network_find(&n->engine->o, n->net);
    ov_wall now = sim_wall(n);

    if (n->net == 0)
        return;
    if (net == NULL || !ov_network_ready(net))
        safety_fail(&d->safety, n, "after a quiet quarter of an hour it is no member");
    else if (net->cert.timestamp + CERT_MAX_S * 1000 < now)
        safety_fail(&d->safety, n, "its certificate was not renewed");
    else if (n->inner->stats.sessions == 0 && n->inner->peers.len == 0)
        safety_fail(&d->safety, n, "it has nobody");
}

static struct count count(struct day *d)
{
    struct count c = {.rss_mb = rss_mb()};

    for (size_t i = 0; i < d->s->nnodes; i++) {
        const struct sim_node *n = d->s->nodes[i];
        struct ov_node_stats st;
        check_node(d, n);
        ov_node_stats(n->engine, &st);
        c.bytes += n->bytes;
        c.peers += st.peers;
        c.sessions += st.sessions;
        c.timers += n->inner->timers.len;
        c.indices += n->inner->indices.len;
        c.stored += n->nstored;
        for (size_t k = 0; k < n->engine->o.n; k++)
            c.members += n->engine->o.nets[k]->members.len;
    }
    return c;
}

static void print(const struct day *d, size_t hour, clock_t began)
{
    const struct count *c = &d->hour[hour];

    printf("%2zu h: RSS %.1f MB, engines %.1f MB, %llu peers, %llu sessions, %llu timers, "
           "%llu indices, %llu members known, %llu things stored; %llu datagrams, %.0f s of CPU\n",
           hour + 1, c->rss_mb, (double)c->bytes / 1e6, (unsigned long long)c->peers,
           (unsigned long long)c->sessions, (unsigned long long)c->timers,
           (unsigned long long)c->indices, (unsigned long long)c->members,
           (unsigned long long)c->stored, (unsigned long long)d->s->sent,
           (double)(clock() - began) / CLOCKS_PER_SEC);
    fflush(stdout);
}

/* By how many percent do the hours after the warm-up differ? */
static double spread(const struct day *d, double (*of)(const struct count *c))
{
    double least = of(&d->hour[WARM_UP]), most = least;

    for (size_t i = WARM_UP; i < d->hours; i++) {
        double v = of(&d->hour[i]);
        least = v < least ? v : least;
        most = v > most ? v : most;
    }
    return least > 0 ? (most - least) * 100 / least : 0;
}

static double of_rss(const struct count *c)
{
    return c->rss_mb;
}

static double of_bytes(const struct count *c)
{
    return (double)c->bytes;
}

static double of_peers(const struct count *c)
{
    return (double)c->peers;
}

static double of_sessions(const struct count *c)
{
    return (double)c->sessions;
}

static double of_timers(const struct count *c)
{
    return (double)c->timers;
}

static double of_indices(const struct count *c)
{
    return (double)c->indices;
}

static bool flat(const struct day *d)
{
    static const struct {
        const char *name;
        double (*of)(const struct count *c);
    } all[] = {{"RSS", of_rss},           {"memory of engines", of_bytes}, {"peers", of_peers},
               {"sessions", of_sessions}, {"timers", of_timers},           {"indices", of_indices}};
    bool good = true;

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        double s = spread(d, all[i].of);
        printf("%s: %s within %.1f %%\n", s <= FLAT ? "ok" : "FAILED", all[i].name, s);
        good &= s <= FLAT;
    }
    return good;
}

int main(int argc, char **argv)
{
    static struct day d;
    clock_t began = clock();
    bool good = true;

    d.nodes = argc > 1 ? (size_t)atoi(argv[1]) : 200;
    d.hours = argc > 2 ? (size_t)atoi(argv[2]) : 24;
    if (d.nodes <= FRIENDS || d.nodes >= SAFETY_NODES || d.hours <= WARM_UP || d.hours > HOURS_MAX)
        return 2;
    sim_touch = true; /* so that what is resident is what is allocated */
    d.random = 24;
    d.s = sim_new(d.nodes);
    d.s->max_peers = d.nodes + 56;
    d.s->loss_permille = 5;
    safety_init(&d.safety, d.s, NULL);
    make(&d);
    good = sim_run(d.s, ready, d.s, 300 * OV_SEC);
    for (size_t i = 0; i < d.hours && good && !d.s->stop; i++) {
        one_hour(&d, i);
        if (d.s->stop)
            break;
        d.hour[i] = count(&d);
        print(&d, i, began);
    }
    if (d.safety.wrong != NULL)
        printf("FAILED: %s, node %d, at %.3f s\n", d.safety.wrong, d.safety.node,
               (double)d.s->now / 1e9);
    good = good && d.safety.wrong == NULL && flat(&d);
    printf("%zu nodes, %zu hours: %llu frames delivered: %s\n", d.nodes, d.hours,
           (unsigned long long)d.safety.delivered, good ? "ok" : "FAILED");
    safety_free(&d.safety);
    sim_free(d.s);
    return good ? 0 : 1;
}
