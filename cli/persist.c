#include "persist.h"

#include "core/netstate.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Networks that are joined, as many that were left meanwhile, and the stamp. */
#define OWED_MAX  (2 * OV_NETWORKS_MAX + 1)
#define AGAIN_MS  1000
#define SELDOM_MS (60 * 1000)

struct item {
    struct item *next;
    enum ov_persist_kind kind;
    uint64_t id;
    size_t len;
    uint8_t data[];
};

struct ov_persist {
    uv_loop_t *loop;
    const struct ov_state *state;
    struct ov_log log;
    /* What could not be stored and must be. */
    struct item *owed;
    size_t nowed;
    char problem[OV_WHY_MAX]; /* why */
    uv_timer_t again;
    uint64_t pause_ms; /* until it is tried again */
    /* Peers. */
    struct item *waiting; /* loop thread only */
    size_t nwaiting;
    uint64_t left_out;
    atomic_bool given_up;
    /* While `busy` these belong to the worker. */
    bool busy;
    unsigned written; /* since old peers were last forgotten */
    uv_work_t work;
    struct item *writing;
    char why[OV_WHY_MAX]; /* of its last failure; empty: none */
    bool complained;
};

int ov_persist_open(uv_loop_t *loop, const struct ov_state *state, const struct ov_log *log,
                    struct ov_persist **out)
{
    struct ov_persist *p = calloc(1, sizeof(*p));
    if (p == NULL)
        return OV_ENOMEM;
    p->loop = loop;
    p->state = state;
    p->log = *log;
    p->work.data = p;
    uv_timer_init(loop, &p->again);
    p->again.data = p;
    *out = p;
    return OV_OK;
}

/* ---- a list of items ---- */

/* Where in the list it is, or would be appended. */
static struct item **find(struct item **list, enum ov_persist_kind kind, uint64_t id)
{
    while (*list != NULL && ((*list)->kind != kind || (*list)->id != id))
        list = &(*list)->next;
    return list;
}

static void drop(struct item **at)
{
    struct item *it = *at;
    *at = it->next;
    free(it);
}

/* Put a copy there, in place of what is there. */
static bool keep(struct item **at, const struct ov_out_persist *item)
{
    struct item *it = malloc(sizeof(*it) + item->len);
    if (it == NULL)
        return false;
    it->next = NULL;
    it->kind = item->kind;
    it->id = item->id;
    it->len = item->len;
    if (item->len > 0)
        memcpy(it->data, item->data, item->len);
    if (*at != NULL) {
        it->next = (*at)->next;
        free(*at);
    }
    *at = it;
    return true;
}

static int store(const struct ov_persist *p, const struct item *it, char why[OV_WHY_MAX])
{
    return ov_state_put(p->state, it->kind, it->id, it->data, it->len, why);
}

/* ---- peers, by the pool's thread ---- */

#define PRUNE_EVERY 256 /* peers written; so many may there be above the limit */

/* Write and free a whole list, or what of it there is time for. */
static void write_list(struct ov_persist *p, struct item **list)
{
    while (*list != NULL && !atomic_load(&p->given_up)) {
        char why[OV_WHY_MAX];
        if (store(p, *list, why) != OV_OK)
            memcpy(p->why, why, sizeof(p->why));
        drop(list);
        if (++p->written >= PRUNE_EVERY) {
            ov_state_prune_peers(p->state, OV_STATE_PEERS_MAX, OV_STATE_PEERS_AGE);
            p->written = 0;
        }
    }
}

static void on_work(uv_work_t *w)
{
    struct ov_persist *p = w->data;
    write_list(p, &p->writing);
}

/* One line a streak of failures: a full disk must not fill the journal too. */
static void complain(struct ov_persist *p)
{
    if (p->why[0] != '\0' && !p->complained)
        ov_log(&p->log, OV_LOG_WARN, "a peer is not remembered: %s", p->why);
    p->complained = p->why[0] != '\0';
    p->why[0] = '\0';
}

static void kick(struct ov_persist *p);

static void on_done(uv_work_t *w, int status)
{
    struct ov_persist *p = w->data;
    (void)status;
    p->busy = false;
    complain(p);
    kick(p);
}

static void kick(struct ov_persist *p)
{
    if (p->busy || p->waiting == NULL || atomic_load(&p->given_up))
        return;
    p->writing = p->waiting;
    p->waiting = NULL;
    p->nwaiting = 0;
    p->busy = uv_queue_work(p->loop, &p->work, on_work, on_done) == 0;
    if (!p->busy)
        write_list(p, &p->writing);
}

static void put_peer(struct ov_persist *p, const struct ov_out_persist *item)
{
    struct item **at = find(&p->waiting, item->kind, item->id);
    bool is_new = *at == NULL;
    if ((is_new && p->nwaiting == OV_PERSIST_QUEUE_MAX) || !keep(at, item)) {
        p->left_out++;
        return;
    }
    p->nwaiting += is_new;
    kick(p);
}

/* ---- the others, at once, or else until it is done ---- */

/* Returns whether nothing is owed. */
static bool pay(struct ov_persist *p)
{
    for (struct item **at = &p->owed; *at != NULL;) {
        if (store(p, *at, p->problem) == OV_OK) {
            drop(at);
            p->nowed--;
        } else {
            at = &(*at)->next;
        }
    }
    return p->owed == NULL;
}

static void all_paid(struct ov_persist *p)
{
    ov_log(&p->log, OV_LOG_INFO, "state is stored again");
    p->problem[0] = '\0';
    p->pause_ms = 0;
    uv_timer_stop(&p->again);
}

static void on_again(uv_timer_t *t)
{
    struct ov_persist *p = t->data;
    if (pay(p)) {
        all_paid(p);
        return;
    }
    p->pause_ms = p->pause_ms < SELDOM_MS / 2 ? 2 * p->pause_ms : SELDOM_MS;
    uv_timer_start(t, on_again, p->pause_ms, 0);
}

/* Of so many, most are networks that were left: state.h knows that of them, too. */
static void make_room(struct ov_persist *p)
{
    struct item **at = &p->owed;
    while (p->nowed == OWED_MAX && *at != NULL) {
        if ((*at)->len > 0) {
            at = &(*at)->next;
            continue;
        }
        drop(at);
        p->nowed--;
    }
}

static void owe(struct ov_persist *p, const struct ov_out_persist *item)
{
    struct item **at = find(&p->owed, item->kind, item->id);
    bool is_new = *at == NULL;
    if (p->pause_ms == 0) {
        ov_log(&p->log, OV_LOG_ERROR, "state is not stored: %s; trying again until it is",
               p->problem);
        p->pause_ms = AGAIN_MS;
        uv_timer_start(&p->again, on_again, p->pause_ms, 0);
    }
    if (is_new && p->nowed == OWED_MAX) {
        make_room(p);
        at = find(&p->owed, item->kind, item->id);
    }
    if (keep(at, item))
        p->nowed += is_new;
    else
        ov_log(&p->log, OV_LOG_ERROR, "state is lost: out of memory");
}

static void put_now(struct ov_persist *p, const struct ov_out_persist *item)
{
    char why[OV_WHY_MAX];
    if (ov_state_put(p->state, item->kind, item->id, item->data, item->len, why) != OV_OK) {
        memcpy(p->problem, why, sizeof(p->problem));
        owe(p, item);
        return;
    }
    struct item **at = find(&p->owed, item->kind, item->id);
    if (*at == NULL)
        return;
    drop(at);
    if (--p->nowed == 0)
        all_paid(p);
}

void ov_persist_put(struct ov_persist *p, const struct ov_out_persist *item)
{
    if (item->kind == OV_PERSIST_PEER)
        put_peer(p, item);
    else
        put_now(p, item);
}

const char *ov_persist_problem(const struct ov_persist *p)
{
    return p != NULL && p->owed != NULL ? p->problem : NULL;
}

/* ---- the end ---- */

void ov_persist_stop(struct ov_persist *p)
{
    if (p == NULL)
        return;
    if (p->owed != NULL && !pay(p))
        ov_log(&p->log, OV_LOG_ERROR, "state is lost: %s", p->problem);
    uv_close((uv_handle_t *)&p->again, NULL);
}

void ov_persist_give_up(struct ov_persist *p)
{
    if (p != NULL)
        atomic_store(&p->given_up, true);
}

static size_t drop_list(struct item **list)
{
    size_t n = 0;
    for (; *list != NULL; n++)
        drop(list);
    return n;
}

void ov_persist_close(struct ov_persist *p)
{
    if (p == NULL)
        return;
    (void)drop_list(&p->owed);
    p->left_out += drop_list(&p->writing) + drop_list(&p->waiting);
    complain(p);
    if (p->left_out > 0)
        ov_log(&p->log, OV_LOG_WARN, "%llu changes of peers were not stored: the disk was too slow",
               (unsigned long long)p->left_out);
    free(p);
}
