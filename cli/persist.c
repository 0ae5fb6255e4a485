#include "persist.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct item {
    struct item *next;
    uint64_t id;
    size_t len;
    uint8_t data[];
};

struct ov_persist {
    uv_loop_t *loop;
    const struct ov_state *state;
    struct ov_log log;
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
    *out = p;
    return OV_OK;
}

#define PRUNE_EVERY 256 /* peers written; so many may there be above the limit */

/* Write and free a whole list, or what of it there is time for. */
static void write_list(struct ov_persist *p, struct item **list)
{
    while (*list != NULL && !atomic_load(&p->given_up)) {
        struct item *it = *list;
        *list = it->next;
        char why[OV_WHY_MAX];
        if (ov_state_put(p->state, OV_PERSIST_PEER, it->id, it->data, it->len, why) != OV_OK)
            memcpy(p->why, why, sizeof(p->why));
        free(it);
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
    struct item **at = &p->waiting;
    while (*at != NULL && (*at)->id != item->id)
        at = &(*at)->next;
    struct item *old = *at;
    if (old == NULL && p->nwaiting == OV_PERSIST_QUEUE_MAX) {
        p->left_out++;
        return;
    }
    struct item *it = malloc(sizeof(*it) + item->len);
    if (it == NULL) {
        p->left_out++;
        return;
    }
    it->next = old != NULL ? old->next : NULL;
    it->id = item->id;
    it->len = item->len;
    if (item->len > 0)
        memcpy(it->data, item->data, item->len);
    *at = it;
    p->nwaiting += old == NULL;
    free(old);
    kick(p);
}

void ov_persist_put(struct ov_persist *p, const struct ov_out_persist *item)
{
    char why[OV_WHY_MAX];
    if (item->kind == OV_PERSIST_PEER)
        put_peer(p, item);
    else if (ov_state_put(p->state, item->kind, item->id, item->data, item->len, why) != OV_OK)
        ov_log(&p->log, OV_LOG_ERROR, "state is not stored: %s", why);
}

void ov_persist_give_up(struct ov_persist *p)
{
    if (p != NULL)
        atomic_store(&p->given_up, true);
}

static void drop_list(struct ov_persist *p, struct item **list)
{
    while (*list != NULL) {
        struct item *it = *list;
        *list = it->next;
        free(it);
        p->left_out++;
    }
}

void ov_persist_close(struct ov_persist *p)
{
    if (p == NULL)
        return;
    drop_list(p, &p->writing);
    drop_list(p, &p->waiting);
    complain(p);
    if (p->left_out > 0)
        ov_log(&p->log, OV_LOG_WARN, "%llu changes of peers were not stored: the disk was too slow",
               (unsigned long long)p->left_out);
    free(p);
}
