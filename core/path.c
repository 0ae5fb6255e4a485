#include "path.h"

#include <string.h>

#define SWITCH_PROBES 3
#define NEAR_BONUS    (5 * OV_MS)
#define MTU_TRIES     3
#define MTU_RETRY     OV_SEC /* at first; twice as long each time, up to: */
#define MTU_RETRY_MAX (60 * OV_SEC)
#define MTU_MISSES    3
#define MTU_GAP       (250 * OV_MS)
#define MTU_JUMBO     2 /* the step that few paths take, so that failing says little of loss */
#define MTU_FIXED     UINT8_MAX /* as step: nothing to find out */
#define LINK_COST     (40 * OV_MS)

static const ov_time schedule[OV_PATH_TRIES] = {0, 100 * OV_MS, 300 * OV_MS, 700 * OV_MS,
                                                1500 * OV_MS};

void ov_quality_init(struct ov_path_quality *q)
{
    memset(q, 0, sizeof *q);
    q->mtu = OV_PATH_MTU_MIN;
}

void ov_paths_init(struct ov_paths *ps, ov_time now)
{
    memset(ps, 0, sizeof *ps);
    ps->active = OV_PATH_RELAY;
    ps->since = now;
    ov_quality_init(&ps->relay);
}

static bool is_path(const struct ov_path *p, uint16_t socket, const struct ov_endpoint *remote)
{
    return p->state != OV_PATH_FREE && p->socket == socket && ov_endpoint_equal(&p->remote, remote);
}

int ov_paths_find(const struct ov_paths *ps, uint16_t socket, const struct ov_endpoint *remote)
{
    /* Nearly all that comes, comes by the chosen path. */
    if (ps->active >= 0 && is_path(&ps->p[ps->active], socket, remote))
        return ps->active;
    for (int i = 0; i < OV_PATHS_MAX; i++)
        if (is_path(&ps->p[i], socket, remote))
            return i;
    return -1;
}

/* The slot to reuse: a free one; else the trying one that started first; else the worst idle one.
 */
static int victim(const struct ov_paths *ps)
{
    int best = -1;
    for (int i = 0; i < OV_PATHS_MAX; i++) {
        const struct ov_path *p = &ps->p[i];
        if (p->state == OV_PATH_FREE)
            return i;
        if (i == ps->active)
            continue;
        if (best < 0) {
            best = i;
            continue;
        }
        const struct ov_path *b = &ps->p[best];
        if (p->state != b->state         ? p->state == OV_PATH_TRYING
            : p->state == OV_PATH_TRYING ? p->base < b->base
                                         : p->last_ok < b->last_ok)
            best = i;
    }
    return best;
}

/* Forget probes under way on a slot that changes hands, so that no answer proves the wrong path. A
 * user's ping lives on without it: somebody waits for its end. */
static void forget_probes(struct ov_paths *ps, int i)
{
    for (int k = 0; k < OV_PROBES_MAX; k++) {
        if (ps->probes[k].path != i)
            continue;
        ps->probes[k].path = OV_PATH_NONE;
        if (!ps->probes[k].user_id)
            ps->probes[k].txid = 0;
    }
}

int ov_paths_add(struct ov_paths *ps, uint16_t socket, const struct ov_endpoint *remote,
                 uint8_t kind, ov_time now)
{
    int i = ov_paths_find(ps, socket, remote);
    if (i >= 0)
        return i;
    i = victim(ps);
    forget_probes(ps, i);
    struct ov_path *p = &ps->p[i];
    memset(p, 0, sizeof *p);
    p->state = OV_PATH_TRYING;
    p->socket = socket;
    p->remote = *remote;
    p->kind = kind;
    p->base = now;
    p->next_probe = OV_NEVER;
    ov_quality_init(&p->q);
    if (ov_path_is_link(p)) {
        p->q.mtu = OV_LINK_MTU;
        p->q.mtu_step = MTU_FIXED;
    }
    return i;
}

void ov_path_schedule(struct ov_path *p, ov_time now, ov_time delay)
{
    p->tries = 0;
    p->base = now + delay;
    p->next_probe = p->base;
}

void ov_path_advance(struct ov_path *p)
{
    p->tries++;
    p->next_probe = p->tries < OV_PATH_TRIES ? p->base + schedule[p->tries] : OV_NEVER;
}

void ov_path_remove(struct ov_paths *ps, int i)
{
    forget_probes(ps, i);
    memset(&ps->p[i], 0, sizeof ps->p[i]);
}

uint64_t ov_probe_add(struct ov_paths *ps, const struct ov_probe *probe)
{
    struct ov_probe *slot = &ps->probes[0];
    for (int i = 0; i < OV_PROBES_MAX; i++) {
        if (ps->probes[i].txid == 0) {
            slot = &ps->probes[i];
            break;
        }
        const struct ov_probe *q = &ps->probes[i];
        bool user = q->user_id != 0, slot_user = slot->user_id != 0;
        if (user == slot_user ? q->sent < slot->sent : slot_user)
            slot = &ps->probes[i];
    }
    uint64_t given_up = slot->txid ? slot->user_id : 0;
    *slot = *probe;
    return given_up;
}

bool ov_probe_take(struct ov_paths *ps, uint64_t txid, struct ov_probe *out)
{
    for (int i = 0; txid && i < OV_PROBES_MAX; i++) {
        if (ps->probes[i].txid != txid)
            continue;
        *out = ps->probes[i];
        ps->probes[i].txid = 0;
        return true;
    }
    return false;
}

bool ov_probe_lost(struct ov_paths *ps, ov_time now, struct ov_probe *out)
{
    for (int i = 0; i < OV_PROBES_MAX; i++) {
        if (!ps->probes[i].txid || now < ps->probes[i].sent + OV_PROBE_LOST)
            continue;
        *out = ps->probes[i];
        ps->probes[i].txid = 0;
        return true;
    }
    return false;
}

ov_time ov_probes_deadline(const struct ov_paths *ps)
{
    ov_time t = OV_NEVER;
    for (int i = 0; i < OV_PROBES_MAX; i++)
        if (ps->probes[i].txid && ps->probes[i].sent + OV_PROBE_LOST < t)
            t = ps->probes[i].sent + OV_PROBE_LOST;
    return t;
}

void ov_quality_answered(struct ov_path_quality *q, ov_time rtt)
{
    if (q->srtt == 0) {
        q->srtt = rtt ? rtt : 1;
        q->jitter = rtt / 2;
    } else {
        ov_time d = rtt > q->srtt ? rtt - q->srtt : q->srtt - rtt;
        q->jitter = (3 * q->jitter + d) / 4;
        q->srtt = (7 * q->srtt + rtt) / 8;
    }
    q->loss = q->loss * 7 / 8;
}

void ov_quality_lost(struct ov_path_quality *q)
{
    q->loss = (q->loss * 7 + 1000) / 8;
}

/* Sizes worth knowing: a 1492-byte link with IPv6, Ethernet with IPv6 and with IPv4, jumbo frames.
 */
static uint16_t mtu_size(uint8_t step, uint8_t family)
{
    static const uint16_t v4[] = {OV_PATH_MTU_SAFE, 1472, 8972},
                          v6[] = {OV_PATH_MTU_SAFE, 1452, 8952};
    if (step >= 3)
        return 0;
    return family == 4 ? v4[step] : v6[step];
}

uint16_t ov_quality_mtu_probe(const struct ov_path_quality *q, uint8_t family, ov_time now)
{
    return now < q->mtu_next ? 0 : mtu_size(q->mtu_step, family);
}

void ov_quality_mtu_sent(struct ov_path_quality *q, ov_time now)
{
    q->mtu_next = now + MTU_GAP;
    if (++q->mtu_tries >= MTU_TRIES) {
        ov_time wait = MTU_RETRY << q->mtu_rounds;
        if (q->mtu_step < MTU_JUMBO && wait < MTU_RETRY_MAX)
            q->mtu_rounds++;
        else
            wait = MTU_RETRY_MAX;
        q->mtu_tries = 0;
        q->mtu_next = now + wait;
    }
}

void ov_quality_mtu_missed(struct ov_path_quality *q, ov_time now)
{
    /* Of a path that loses every third, three in a row would be nothing. */
    if (q->mtu_step == MTU_FIXED || ++q->mtu_misses < MTU_MISSES + q->loss / 100)
        return;
    q->mtu = OV_PATH_MTU_MIN;
    q->mtu_step = q->mtu_tries = q->mtu_misses = q->mtu_rounds = 0;
    q->mtu_next = now;
}

void ov_quality_mtu_answered(struct ov_path_quality *q, uint16_t size, ov_time now)
{
    q->mtu_misses = 0;
    if (size <= q->mtu)
        return;
    q->mtu = size;
    q->mtu_step++;
    q->mtu_tries = q->mtu_rounds = 0;
    q->mtu_next = now;
}

ov_time ov_path_score(const struct ov_path *p)
{
    ov_time s = p->q.srtt + 2 * p->q.jitter + (ov_time)p->q.loss * 300 * OV_MS / 1000;
    if (ov_ip_is_private(&p->remote.ip))
        s = s * 8 / 10;
    if (p->remote.ip.family == 6)
        s = s * 95 / 100;
    return ov_path_is_link(p) ? s + LINK_COST : s;
}

bool ov_paths_has_near(const struct ov_paths *ps)
{
    for (int i = 0; i < OV_PATHS_MAX; i++)
        if (ps->p[i].state == OV_PATH_VALID && ps->p[i].near)
            return true;
    return false;
}

/* A path on the LAN needs nobody else, and does not go by the router twice: it is left only for one
 * that is better by far. */
static ov_time near_score(const struct ov_path *p)
{
    ov_time s = ov_path_score(p);
    return !p->near ? s : s > NEAR_BONUS ? s - NEAR_BONUS : 0;
}

int ov_paths_choose(struct ov_paths *ps, bool doubted)
{
    const struct ov_path *act =
        ps->active >= 0 && ps->p[ps->active].state == OV_PATH_VALID ? &ps->p[ps->active] : NULL;
    int best = OV_PATH_RELAY;
    for (int i = 0; i < OV_PATHS_MAX; i++) {
        const struct ov_path *p = &ps->p[i];
        if (p->state != OV_PATH_VALID || (doubted && act && p->last_ok <= act->last_rx))
            continue;
        if (best < 0 || near_score(p) < near_score(&ps->p[best]))
            best = i;
    }
    if (!act || best == ps->active)
        return best;
    if (best < 0)
        return ps->active;
    if (doubted || (ps->p[best].near && !act->near))
        return best;
    /* Both are good: do not flap. */
    if (near_score(&ps->p[best]) + OV_MS >= near_score(act) * 85 / 100) {
        ps->p[best].better = 0;
        return ps->active;
    }
    if (++ps->p[best].better < SWITCH_PROBES)
        return ps->active;
    ps->p[best].better = 0;
    return best;
}
