#include "pairs.h"

#include <string.h>

#define ROOT_PORT 4793
#define PING_GAP  (200 * OV_MS)

const char *const pair_names[PAIR_KINDS] = {"public",   "full",  "address", "port",
                                            "port-any", "open",  "seq",     "seq4",
                                            "dec",      "block", "random",  "adm"};

static bool is_open(enum pair_kind k)
{
    return k <= PAIR_ADDRESS;
}

static bool is_port(enum pair_kind k)
{
    return k == PAIR_PORT || k == PAIR_PORT_ANY || k == PAIR_OPEN;
}

static bool is_sequential(enum pair_kind k)
{
    return k == PAIR_SEQ || k == PAIR_SEQ4 || k == PAIR_DEC;
}

struct pair_goal pair_goal(enum pair_kind a, enum pair_kind b)
{
    enum pair_kind hard = is_port(a) ? b : a;
    if (is_open(a) || is_open(b))
        return (struct pair_goal){true, 1 * OV_SEC, 100};
    if (is_port(a) && is_port(b))
        return (struct pair_goal){true, a == PAIR_OPEN || b == PAIR_OPEN ? 1500 * OV_MS : OV_SEC,
                                  100};
    if (is_sequential(a) && is_sequential(b))
        return (struct pair_goal){true, 3 * OV_SEC, 95};
    if (!is_port(a) && !is_port(b))
        return (struct pair_goal){false, 0, 100};
    return (struct pair_goal){
        true, is_sequential(hard) || hard == PAIR_BLOCK ? 3 * OV_SEC : 8 * OV_SEC, 95};
}

static struct sim_site *site_of(struct sim *s, enum pair_kind k)
{
    struct sim_site *site;
    switch (k) {
    case PAIR_PUBLIC:
        return sim_public(s);
    case PAIR_FULL:
        return sim_nat(s, SIM_EIM, SIM_EIF);
    case PAIR_ADDRESS:
        return sim_nat(s, SIM_EIM, SIM_ADF);
    case PAIR_PORT_ANY:
        site = sim_nat(s, SIM_EIM, SIM_APDF);
        site->allocation = SIM_RANDOM;
        return site;
    case PAIR_OPEN:
        site = sim_nat(s, SIM_EIM, SIM_APDF);
        site->open_input = true;
        return site;
    case PAIR_SEQ:
        return sim_nat_hard(s, SIM_SEQUENTIAL, 1);
    case PAIR_SEQ4:
        return sim_nat_hard(s, SIM_SEQUENTIAL, 4);
    case PAIR_DEC:
        return sim_nat_hard(s, SIM_SEQUENTIAL, -1);
    case PAIR_BLOCK:
        return sim_nat_hard(s, SIM_BLOCK, 0);
    case PAIR_RANDOM:
        return sim_nat_hard(s, SIM_RANDOM, 0);
    case PAIR_ADM:
        return sim_nat(s, SIM_ADM, SIM_APDF);
    default:
        return sim_nat(s, SIM_EIM, SIM_APDF);
    }
}

static bool ready(void *arg)
{
    const struct pair_world *w = arg;
    struct ov_nat_profile p[2];
    if (!sim_all_ready(w->s))
        return false;
    for (int i = 0; i < 2; i++)
        ov_node_nat(w->n[i]->engine, &p[i]);
    return p[0].measured && p[1].measured;
}

bool pair_world(struct pair_world *w, uint64_t seed, enum pair_kind a, enum pair_kind b)
{
    memset(w, 0, sizeof *w);
    w->s = sim_new(seed);
    w->root = sim_node(w->s, sim_public(w->s), OV_CAP_ROOT | OV_CAP_CONTROLLER, ROOT_PORT);
    w->second = sim_node(w->s, sim_public(w->s), OV_CAP_ROOT, ROOT_PORT);
    w->net = sim_controller(w->root, "10.147.0.0/16");
    for (int i = 0; i < 2; i++) {
        w->n[i] = sim_node(w->s, site_of(w->s, i == 0 ? a : b), 0,
                           (uint16_t)(10000 + sim_random(&w->s->random) % 50000));
        sim_join(w->n[i], w->root, w->net);
        sim_root(w->n[i], w->second, "second.example");
    }
    bool ok = sim_run(w->s, ready, w, 20 * OV_SEC);
    sim_run(w->s, NULL, NULL, 2 * OV_SEC); /* perhaps measured again, with both roots */
    return ok;
}

void pair_world_free(struct pair_world *w)
{
    sim_free(w->s);
}

static bool direct(void *arg)
{
    const struct pair_world *w = arg;
    return sim_path(w->n[0], w->n[1]) == OV_PEER_DIRECT &&
           sim_path(w->n[1], w->n[0]) == OV_PEER_DIRECT;
}

static void fill_in(const struct pair_world *w, struct pair_result *r)
{
    struct ov_peer_info info;
    for (int i = 0; i < 2; i++) {
        const struct sim_site *site = w->n[i]->site;
        r->out[i] = site->out - r->out[i];
        r->flows[i] = site->flows - r->flows[i];
        r->peak[i] = site->peak;
        r->sockets[i] = w->n[i]->sockets_most;
        r->refused += site->refused;
        if (ov_node_peer(w->n[i]->engine, w->n[1 - i]->addr, &info) != OV_OK)
            continue;
        if (info.punch.attempts > r->attempts)
            r->attempts = info.punch.attempts;
        if (info.punch.packets > r->hard_out)
            r->hard_out = info.punch.packets;
        if (i == 0)
            r->why = info.why;
    }
}

void pair_talk(struct pair_world *w, ov_time span, struct pair_result *r)
{
    struct sim *s = w->s;
    ov_time began = s->now;

    memset(r, 0, sizeof *r);
    for (int i = 0; i < 2; i++) {
        r->out[i] = w->n[i]->site->out;
        r->flows[i] = w->n[i]->site->flows;
        w->n[i]->site->peak = 0;
    }
    while (s->now < began + span) {
        sim_ping(w->n[0], &w->n[1]->ip);
        ov_time from = s->now;
        if (r->direct)
            sim_run(s, NULL, NULL, PING_GAP);
        else if (sim_run(s, direct, w, PING_GAP))
            r->direct = s->now - began + 1;
        if (s->now < from + PING_GAP)
            sim_run(s, NULL, NULL, from + PING_GAP - s->now);
    }
    sim_run(s, NULL, NULL, OV_SEC);
    for (size_t i = 0; i < s->npings; i++) {
        ov_time at = s->pings[i].sent + s->pings[i].rtt - began;
        if (s->pings[i].rtt && (!r->first || at < r->first))
            r->first = at;
        r->gaps += s->pings[i].sent >= began + OV_SEC &&
                   (s->pings[i].rtt == 0 || s->pings[i].rtt > OV_SEC);
    }
    fill_in(w, r);
}

bool pair_run(uint64_t seed, enum pair_kind a, enum pair_kind b, struct pair_result *out)
{
    struct pair_goal goal = pair_goal(a, b);
    struct pair_world w;
    bool ok = pair_world(&w, seed, a, b);
    if (ok)
        pair_talk(&w, (goal.direct ? goal.within : 20 * OV_SEC) + OV_SEC, out);
    pair_world_free(&w);
    return ok;
}
