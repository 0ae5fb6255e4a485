#include "fault.h"

#include "controller/controller.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BEGIN_ONE_IN 4 /* steps */
#define SKEW_MAX     (400ll * 86400 * 1000)

const char *const fault_names[FAULT_KINDS] = {
    "crash", "amnesia", "root away", "controller away", "store full",   "partition",
    "clock", "sleep",   "disk full", "bad line",        "NAT restarts", "new address"};

static uint64_t pick(struct faults *f, uint64_t n)
{
    return sim_random(&f->random) % n;
}

/* ---- a full disk below a controller ---- */

static int no_net(struct ov_store *s, const struct ov_net_record *n)
{
    (void)s;
    (void)n;
    return OV_EIO;
}

static int no_member(struct ov_store *s, const struct ov_member_record *m,
                     const struct ov_invite_record *used)
{
    (void)s;
    (void)m;
    (void)used;
    return OV_EIO;
}

static int no_pending(struct ov_store *s, const struct ov_member_record *m, size_t max,
                      ov_wall silent)
{
    (void)s;
    (void)m;
    (void)max;
    (void)silent;
    return OV_EIO;
}

static int no_clock(struct ov_store *s, ov_wall last, ov_wall reserved, bool durable)
{
    (void)s;
    (void)last;
    (void)reserved;
    (void)durable;
    return OV_EIO;
}

static int no_seen(struct ov_store *s, ov_netid id, ov_addr a, ov_wall when)
{
    (void)s;
    (void)id;
    (void)a;
    (void)when;
    return OV_EIO;
}

static void break_store(struct faults *f, struct sim_node *n)
{
    f->whole = n->store->ops;
    *f->broken = *f->whole;
    f->broken->net_put = no_net;
    f->broken->member_put = no_member;
    f->broken->pending_put = no_pending;
    f->broken->clock_put = no_clock;
    f->broken->member_seen = no_seen;
    n->store->ops = f->broken;
}

/* ---- each fault: begin and end ---- */

static void crash(struct faults *f, struct sim_node *n)
{
    sim_node_remove(n);
    safety_ended(f->safety, n);
}

static void partition(struct faults *f)
{
    for (size_t i = 0; i < f->s->nsites; i++)
        f->s->sites[i]->island = (unsigned)pick(f, 2);
}

static void bad_line(struct faults *f)
{
    f->s->loss_permille = 50 + (unsigned)pick(f, 350);
    f->s->duplicate_permille = (unsigned)pick(f, 200);
    f->s->jitter = (1 + pick(f, 300)) * OV_MS;
}

static void forget_mappings(struct sim_site *site)
{
    for (size_t i = 0; i < site->nbindings; i++)
        free(site->bindings[i].contacts);
    site->nbindings = 0;
}

static void new_address(struct faults *f, struct sim_site *site)
{
    struct sim *s = f->s;

    ov_map_del(&s->by_ip, ov_key_ip(&site->wan));
    do {
        uint64_t r = sim_random(&f->random);
        site->wan = (struct ov_ip){4, {21, (uint8_t)(r >> 16), (uint8_t)(r >> 8), (uint8_t)r}};
    } while (ov_map_get(&s->by_ip, ov_key_ip(&site->wan)) != NULL);
    int rc = ov_map_put(&s->by_ip, ov_key_ip(&site->wan), site);
    assert(rc == OV_OK);
    forget_mappings(site);
}

static void tell(struct faults *f, const struct sim_node *n, enum fault_kind kind, const char *more)
{
    char words[DIAGRAM_NOTE];

    snprintf(words, sizeof(words), "%s%s", fault_names[kind], more);
    if (f->safety->diagram != NULL)
        diagram_remember(f->safety->diagram, f->s->now, n, words);
}

static void begin(struct faults *f, struct fault *x)
{
    struct sim_node *n = x->node;

    tell(f, n, x->kind, "");
    switch (x->kind) {
    case FAULT_CRASH:
    case FAULT_AMNESIA:
    case FAULT_ROOT:
        crash(f, n);
        break;
    case FAULT_CLOCK:
        crash(f, n);
        n->skew = (int64_t)pick(f, 2 * SKEW_MAX) - SKEW_MAX;
        sim_node_start(n, true);
        break;
    case FAULT_CONTROL:
        ov_controller_free(n->controller);
        n->controller = NULL;
        break;
    case FAULT_STORE:
        break_store(f, n);
        break;
    case FAULT_PARTITION:
        partition(f);
        break;
    case FAULT_SLEEP:
        sim_node_sleep(n, x->until - f->s->now);
        break;
    case FAULT_DISK:
        n->disk_full = true;
        break;
    case FAULT_LINE:
        bad_line(f);
        break;
    case FAULT_NAT:
        forget_mappings(n->site);
        break;
    case FAULT_ADDRESS:
        new_address(f, n->site);
        break;
    case FAULT_KINDS:
        break;
    }
    f->began[x->kind]++;
}

static void end(struct faults *f, struct fault *x)
{
    struct sim_node *n = x->node;

    tell(f, n, x->kind, " is over");
    x->until = 0;
    switch (x->kind) {
    case FAULT_CRASH:
    case FAULT_ROOT:
        sim_node_start(n, true);
        break;
    case FAULT_AMNESIA:
        sim_node_start(n, false);
        break;
    case FAULT_CLOCK:
        crash(f, n);
        n->skew = 0;
        sim_node_start(n, true);
        break;
    case FAULT_CONTROL:
        sim_node_controller(n);
        break;
    case FAULT_STORE:
        n->store->ops = f->whole;
        break;
    case FAULT_PARTITION:
        for (size_t i = 0; i < f->s->nsites; i++)
            f->s->sites[i]->island = 0;
        break;
    case FAULT_SLEEP:
        if (pick(f, 2))
            sim_node_wake(n);
        else
            sim_node_drain(n); /* its next turn is not where it was */
        break;
    case FAULT_DISK:
        n->disk_full = false;
        break;
    case FAULT_LINE:
        f->s->loss_permille = f->calm;
        f->s->duplicate_permille = 0;
        f->s->jitter = 2 * OV_MS;
        break;
    default:
        break;
    }
}

/* ---- choosing ---- */

static bool busy(const struct faults *f, const struct sim_node *n)
{
    for (size_t i = 0; i < FAULTS_MAX; i++) {
        if (f->now[i].until != 0 && f->now[i].node == n)
            return true;
    }
    return false;
}

/* Whom this kind of fault may hit. */
static bool fits(enum fault_kind kind, const struct sim_node *n)
{
    bool root = n->caps & OV_CAP_ROOT;

    if (n->foe && !root)
        return false; /* enemies are well */
    switch (kind) {
    case FAULT_ROOT:
        return root;
    case FAULT_CONTROL:
    case FAULT_STORE:
        return n->controller != NULL;
    case FAULT_AMNESIA:
        return !root && !n->odd_clock && !n->ahead;
    case FAULT_CLOCK:
        return !root && n->nstored > 0 && n->odd_clock;
    case FAULT_DISK:
        return !n->odd_clock;
    case FAULT_NAT:
    case FAULT_ADDRESS:
        return n->site->nat;
    default:
        return !root;
    }
}

static bool choose(struct faults *f, struct fault *x)
{
    x->kind = (enum fault_kind)pick(f, FAULT_KINDS);
    if (!(f->kinds >> x->kind & 1))
        return false;
    x->node = NULL;
    if (x->kind != FAULT_PARTITION && x->kind != FAULT_LINE)
        x->node = f->s->nodes[pick(f, f->s->nnodes)];
    if (busy(f, x->node))
        return false;
    if (x->node != NULL && !fits(x->kind, x->node))
        return false;
    x->until = f->s->now + (pick(f, 3) == 0 ? pick(f, 100) * OV_SEC : pick(f, 8000) * OV_MS) + 1;
    return true;
}

void faults_step(struct faults *f)
{
    struct fault *free_one = NULL;

    for (size_t i = 0; i < FAULTS_MAX; i++) {
        struct fault *x = &f->now[i];
        if (x->until != 0 && x->until <= f->s->now)
            end(f, x);
        if (x->until == 0)
            free_one = x;
    }
    if (free_one == NULL || pick(f, BEGIN_ONE_IN) != 0 || f->s->stop)
        return;
    struct fault x;
    if (choose(f, &x)) {
        *free_one = x;
        begin(f, free_one);
    }
}

void faults_stop(struct faults *f)
{
    for (size_t i = 0; i < FAULTS_MAX; i++) {
        if (f->now[i].until != 0 && !f->s->stop)
            end(f, &f->now[i]);
    }
    for (size_t i = 0; i < f->s->nnodes; i++)
        f->s->nodes[i]->asleep_until = 0;
}

void faults_init(struct faults *f, struct sim *s, struct safety *safety, uint64_t seed)
{
    memset(f, 0, sizeof(*f));
    f->s = s;
    f->safety = safety;
    f->random = seed;
    /* Most kinds in most worlds, but a world without one of them finds other things. */
    f->kinds = (unsigned)(sim_random(&f->random) | sim_random(&f->random));
    f->broken = malloc(sizeof(*f->broken));
    assert(f->broken != NULL);
}

void faults_free(struct faults *f)
{
    /* A store is closed by its own functions. */
    for (size_t i = 0; i < FAULTS_MAX; i++) {
        if (f->now[i].until != 0 && f->now[i].kind == FAULT_STORE)
            f->now[i].node->store->ops = f->whole;
    }
    free(f->broken);
}
