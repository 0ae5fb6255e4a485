#include "peer.h"

#include "hop.h"
#include "punch.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define CHALLENGE_RATE   2 /* new endpoints a second that we answer with a challenge */
#define CHALLENGE_BURST  10
#define CONTROL_RATE     20 /* requests a second that cost us work */
#define CONTROL_BURST    60
#define REFLECT_RATE     50
#define REFLECT_BURST    100
#define ASK_RATE         1
#define ASK_BURST        3
#define RESTORE_CALL_AGE 86400000ull /* ms: peers heard of in the last day are called at start */
#define PERSIST_AGAIN    (86400 * OV_SEC)
#define RESTORE_CALLS    16
#define SEEK_GAP         (5 * OV_SEC)
#define CONFIRM          (5 * OV_SEC) /* who was answered so lately may be about to prove itself */

#define AT(member) offsetof(struct ov_peer, member)
_Static_assert(AT(id.addr) / OV_LINE + 2 == (AT(s.next) + sizeof(void *) - 1) / OV_LINE + 1,
               "what every packet needs of a peer is in two lines");

static struct ov_key dh_key(const struct ov_dh_public *dh)
{
    return (struct ov_key){ov_load64(dh->b), ov_load64(dh->b + 8)};
}

struct ov_peer *ov_peer_find(const struct ov_engine *e, ov_addr a)
{
    return ov_map_get(&e->peers, ov_key_u64(a));
}

struct ov_peer *ov_peer_by_key(const struct ov_engine *e, const struct ov_dh_public *dh)
{
    struct ov_peer *p = ov_map_get(&e->by_key, dh_key(dh));
    return p && ov_equal_ct(&p->id.dh, dh, sizeof *dh) ? p : NULL;
}

void ov_peer_conflict(struct ov_engine *e, ov_addr a)
{
    char text[OV_ADDR_TEXT];
    ov_drop(e, OV_DROP_CONFLICT);
    e->stats.conflicts++;
    ov_log(&e->log, OV_LOG_WARN, "refused a second key for address %s", ov_addr_format(a, text));
    ov_emit(e, &(struct ov_out_event){.kind = OV_EVENT_CONFLICT, .addr = a});
}

/* Who goes first when there is no room. A session is no merit by itself: identities are made once,
 * and then kept up for next to nothing. */
enum standing {
    NOBODY,         /* never proved to hold its key: a stranger makes as many as it pays for */
    CALLED,         /* we call it */
    WAS_HERE,       /* a stranger who had a session, */
    STRANGER,       /* or has one */
    MEMBER_AWAY,    /* perhaps stored before we started; or announced to us */
    ANSWERED,       /* just now: or else each newcomer would be the first to go for the next one */
    ANNOUNCED_HERE, /* in networks that are not ours, which anybody may have */
    MEMBER_HERE,
};

static enum standing standing(const struct ov_peer *p)
{
    enum ov_bond bond = ov_peer_bond(p);
    if (p->s.current && bond != OV_BOND_NONE)
        return bond == OV_BOND_OURS ? MEMBER_HERE : ANNOUNCED_HERE;
    if (!p->s.current && p->s.next && p->e->now - p->s.next->born < CONFIRM)
        return ANSWERED;
    if (bond != OV_BOND_NONE)
        return MEMBER_AWAY;
    if (p->s.current)
        return STRANGER;
    return ov_twins_boot(&p->s.twins) ? WAS_HERE : p->hs_wanted ? CALLED : NOBODY;
}

static bool is_busy(const struct ov_peer *p)
{
    for (const struct ov_busy *b = p->e->busy; b; b = b->outer)
        if (b->peer == p)
            return true;
    return false;
}

/* Make room: of those with the lowest standing that nobody keeps, the one longest without a packet.
 * Only members that are here go for nobody. */
static bool evict(struct ov_engine *e)
{
    struct ov_peer *p, *pick = NULL;
    enum standing least = NOBODY;
    for (size_t it = 0; (p = ov_map_next(&e->peers, &it, NULL)) != NULL;) {
        if (p->keep || is_busy(p))
            continue;
        enum standing rank = standing(p);
        if (pick && (rank > least || (rank == least && p->last_rx >= pick->last_rx)))
            continue;
        pick = p;
        least = rank;
    }
    if (!pick || (least == MEMBER_HERE && e->now - pick->last_rx < OV_PEER_ACTIVE))
        return false;
    ov_peer_forget(pick);
    return true;
}

static struct ov_peer *new_peer(struct ov_engine *e, const struct ov_identity *id)
{
    struct ov_peer *p = ov_lines_alloc(sizeof *p);
    if (!p)
        return NULL;
    p->e = e;
    p->id = *id;
    p->queue_tail = &p->queue;
    ov_session_init(&p->s, id);
    ov_timer_init(&p->timer, ov_peer_service, p);
    ov_bucket_init(&p->challenges, CHALLENGE_RATE, CHALLENGE_BURST, e->now);
    ov_bucket_init(&p->control, CONTROL_RATE, CONTROL_BURST, e->now);
    ov_bucket_init(&p->reflections, REFLECT_RATE, REFLECT_BURST, e->now);
    ov_bucket_init(&p->asks, ASK_RATE, ASK_BURST, e->now);
    p->last_rx = e->now;
    if (ov_timers_reserve(&e->timers, e->peers.len + 64) != OV_OK ||
        ov_map_put(&e->peers, ov_key_u64(id->addr), p) != OV_OK) {
        free(p);
        return NULL;
    }
    if (ov_map_put(&e->by_key, dh_key(&id->dh), p) != OV_OK) {
        ov_map_del(&e->peers, ov_key_u64(id->addr));
        free(p);
        return NULL;
    }
    ov_peer_wake(p, e->now + OV_PEER_FORGET);
    return p;
}

int ov_peer_get(struct ov_engine *e, const struct ov_identity *id, struct ov_peer **out)
{
    if (ov_identity_equal(id, &e->id.pub))
        return OV_EINVAL;
    struct ov_peer *p = ov_peer_find(e, id->addr);
    if (p && p->claimed && !p->keep && !is_busy(p) && !ov_identity_equal(&p->id, id)) {
        ov_peer_forget(p); /* a certificate lied */
        p = NULL;
    }
    if (p ? !ov_identity_equal(&p->id, id) : id->addr == e->id.pub.addr) {
        ov_peer_conflict(e, id->addr);
        return OV_ECONFLICT;
    }
    if (!p && e->peers.len >= e->max_peers && !evict(e)) {
        ov_drop(e, OV_DROP_TABLE_FULL);
        return OV_EFULL;
    }
    if (!p && !(p = new_peer(e, id))) {
        ov_drop(e, OV_DROP_TABLE_FULL);
        return OV_EFULL;
    }
    p->claimed = false;
    *out = p;
    return OV_OK;
}

/* Does this identity prove the address it is said to have? */
static bool proves(struct ov_engine *e, const struct ov_identity *id)
{
    struct ov_identity copy = *id;
    return ov_bucket_take(&e->pow_checks, 1, e->now) &&
           ov_identity_check(&copy, &e->pow) == OV_OK && copy.addr == id->addr;
}

int ov_peer_claim(struct ov_engine *e, const struct ov_identity *id, struct ov_peer **out)
{
    struct ov_peer *p = ov_peer_find(e, id->addr);
    bool rival = p && !ov_identity_equal(&p->id, id);
    if (p && !rival) {
        *out = p;
        return OV_OK;
    }
    if (rival && (!p->claimed || !proves(e, id))) {
        ov_drop(e, OV_DROP_CONFLICT);
        return OV_ECONFLICT;
    }
    int err = ov_peer_get(e, id, out);
    if (err == OV_OK)
        (*out)->claimed = !rival;
    return err;
}

bool ov_peer_prove(struct ov_peer *p)
{
    if (p->claimed && proves(p->e, &p->id))
        p->claimed = false;
    return !p->claimed;
}

void ov_peer_drop_queue(struct ov_peer *p)
{
    while (p->queue) {
        struct ov_queued *q = p->queue;
        p->queue = q->next;
        ov_wipe(q->msg, q->len);
        free(q);
        ov_drop(p->e, OV_DROP_NO_PATH);
    }
    p->queue_tail = &p->queue;
    p->queued = p->queued_bytes = 0;
}

static void unlink_keep(struct ov_peer *p)
{
    for (struct ov_peer **q = &p->e->keep; *q; q = &(*q)->keep_next) {
        if (*q != p)
            continue;
        *q = p->keep_next;
        p->keep_next = NULL;
        return;
    }
}

void ov_peer_forget(struct ov_peer *p)
{
    struct ov_engine *e = p->e;
    ov_attempts_forget(p);
    ov_peer_serve_no_more(p);
    unlink_keep(p);
    ov_timer_stop(&e->timers, &p->timer);
    ov_map_del(&e->peers, ov_key_u64(p->id.addr));
    if (ov_map_get(&e->by_key, dh_key(&p->id.dh)) == p) /* one key may have several addresses */
        ov_map_del(&e->by_key, dh_key(&p->id.dh));
    ov_session_clear(e, &p->s);
    ov_peer_drop_queue(p);
    if (p->fragments)
        ov_fragments_free(p->fragments);
    free(p->fragments);
    free(p->punch);
    free(p->hops);
    for (int i = 0; p->paths && i < OV_PROBES_MAX; i++) /* nobody shall wait for ever */
        if (p->paths->probes[i].txid && p->paths->probes[i].user_id)
            ov_peer_ping_lost(p, p->paths->probes[i].user_id);
    free(p->paths);
    e->ops->forgotten(e->ops_arg, p);
    ov_wipe(p, sizeof *p);
    free(p);
    e->ended++;
}

void ov_peer_keep(struct ov_peer *p)
{
    if (p->keep++)
        return;
    p->keep_next = p->e->keep;
    p->e->keep = p;
    ov_peer_connect(p);
}

void ov_peer_unkeep(struct ov_peer *p)
{
    if (!p->keep || --p->keep)
        return;
    unlink_keep(p);
    ov_peer_untie(p, false);
}

void ov_peer_hint(struct ov_peer *p, const struct ov_endpoint *ep)
{
    for (int i = 0; i < p->nhints; i++)
        if (ov_endpoint_equal(&p->hints[i], ep))
            return;
    if (p->nhints == OV_HINTS_MAX) {
        memmove(&p->hints[0], &p->hints[1], (OV_HINTS_MAX - 1) * sizeof p->hints[0]);
        p->nhints--;
    }
    p->hints[p->nhints++] = *ep;
}

bool ov_peer_ensure_paths(struct ov_peer *p)
{
    if (p->paths)
        return true;
    p->paths = ov_lines_alloc(sizeof *p->paths);
    if (p->paths)
        ov_paths_init(p->paths, p->e->now);
    return p->paths != NULL;
}

/* {u8 version=1, identity 72, u64 wall ms last heard of, endpoint or none} */
#define PERSIST_MAX (1 + OV_IDENTITY_LEN + 8 + 1 + 16 + 2)

/* Where it may be found another day: the chosen path, or another good one when that is of a zone,
 * whose number means nothing by then. */
static struct ov_endpoint last_good(const struct ov_peer *p)
{
    const struct ov_path *q =
        p->paths && p->paths->active >= 0 ? &p->paths->p[p->paths->active] : NULL;
    for (int i = 0; q && q->remote.scope && i < OV_PATHS_MAX; i++)
        if (p->paths->p[i].state == OV_PATH_VALID && !p->paths->p[i].remote.scope)
            q = &p->paths->p[i];
    return q && !q->remote.scope ? q->remote : (struct ov_endpoint){0};
}

void ov_peer_persist(struct ov_peer *p)
{
    uint8_t buf[PERSIST_MAX], id[OV_IDENTITY_LEN];
    struct ov_writer w;
    struct ov_endpoint ep = last_good(p);
    ov_identity_encode(&p->id, id);
    ov_writer_init(&w, buf, sizeof buf);
    ov_writer_u8(&w, 1);
    ov_writer_bytes(&w, id, sizeof id);
    ov_writer_u64(&w, ov_engine_wall(p->e));
    ov_writer_endpoint(&w, &ep);
    ov_persist(p->e, OV_PERSIST_PEER, p->id.addr, buf, w.len);
    p->persisted = p->e->now;
}

void ov_peer_persist_again(struct ov_peer *p)
{
    if (!p->persisted || p->e->now - p->persisted >= PERSIST_AGAIN)
        ov_peer_persist(p);
}

int ov_peer_restore(struct ov_engine *e, ov_addr a, const void *data, size_t len)
{
    struct ov_reader r;
    struct ov_identity id;
    struct ov_endpoint ep;
    struct ov_peer *p;
    ov_reader_init(&r, data, len);
    uint8_t version = ov_reader_u8(&r);
    const uint8_t *raw = ov_reader_take(&r, OV_IDENTITY_LEN);
    ov_wall heard = ov_reader_u64(&r);
    ov_reader_endpoint(&r, &ep);
    if (!ov_reader_done(&r) || version != 1 || !ov_addr_valid(a))
        return OV_EINVAL;
    ov_identity_decode(raw, &id);
    id.addr = a; /* proven when it was stored, in a directory only we can write */
    int err = ov_peer_get(e, &id, &p);
    if (err != OV_OK)
        return err;
    p->remember = true;
    p->believed = OV_NEVER;
    if (ep.ip.family && ep.port)
        ov_peer_hint(p, &ep);
    if (ov_engine_wall(e) < heard + RESTORE_CALL_AGE && e->peers.len <= RESTORE_CALLS)
        ov_peer_connect(p);
    return OV_OK;
}

/* ---- ways ---- */

bool ov_peer_up(const struct ov_peer *p)
{
    return p->s.current && !ov_keypair_expired(p->e, p->s.current);
}

bool ov_peer_heard(const struct ov_peer *p)
{
    return !p->unheard || p->e->now - p->unheard < OV_PATH_COVER;
}

bool ov_peer_online(const struct ov_peer *p)
{
    return ov_peer_up(p) && p->paths && p->paths->active >= 0 && ov_peer_heard(p);
}

bool ov_peer_via(struct ov_peer *p, int path, struct ov_via *out)
{
    if (path >= 0) {
        const struct ov_path *q = &p->paths->p[path];
        *out = (struct ov_via){.socket = q->socket, .local = q->local, .ep = q->remote};
        return q->state != OV_PATH_FREE;
    }
    if (path != OV_PATH_RELAY)
        return ov_hop_via(p, path, out);
    *out = (struct ov_via){.relay = ov_peer_relay_for(p)};
    return out->relay != NULL;
}

bool ov_peer_route(struct ov_peer *p, struct ov_via *out)
{
    return p->paths && ov_peer_via(p, p->paths->active, out);
}

void ov_peer_wake(struct ov_peer *p, ov_time when)
{
    if (!ov_timer_active(&p->timer) || when < p->timer.when)
        ov_timer_start(&p->e->timers, &p->timer, when);
}

void ov_peer_connect(struct ov_peer *p)
{
    if (!ov_peer_up(p))
        ov_peer_rehandshake(p);
}

void ov_peer_try(struct ov_peer *p)
{
    if (p->hs_wanted) {
        p->hs_next = p->e->now;
        ov_peer_wake(p, p->e->now);
        return;
    }
    ov_peer_rehandshake(p);
    p->hs_brief = true;
}

void ov_peer_seek(struct ov_peer *p)
{
    struct ov_engine *e = p->e;
    if (p->sought && e->now - p->sought < SEEK_GAP)
        return;
    p->sought = e->now;
    if (e->ops->seek)
        e->ops->seek(e->ops_arg, p);
}

void ov_peer_rehandshake(struct ov_peer *p)
{
    p->hs_brief = false;
    if (p->hs_wanted)
        return;
    p->hs_wanted = true;
    p->hs_tries = 0;
    p->hs_since = p->hs_next = p->e->now;
    ov_peer_wake(p, p->e->now);
}
