#include "budget.h"

#include <string.h>

void ov_budget_init(struct ov_budget *b, ov_time now)
{
    memset(b, 0, sizeof *b);
    ov_bucket_init(&b->pps, OV_BUDGET_PPS, OV_BUDGET_BURST, now);
}

static bool recent(ov_time at, ov_time now)
{
    return at && now - at < OV_BUDGET_HOUR;
}

static unsigned attempts(const struct ov_budget_peer *p, ov_time now)
{
    unsigned n = 0;
    for (int i = 0; i < OV_BUDGET_ATTEMPTS; i++)
        n += recent(p->at[i], now);
    return n;
}

/* The entry of `peer`, or one that may be given to it: its owner has no recent attempts. */
static struct ov_budget_peer *entry(struct ov_budget *b, ov_addr peer, ov_time now)
{
    struct ov_budget_peer *free = NULL;
    for (int i = 0; i < OV_BUDGET_PEERS; i++) {
        if (b->peers[i].addr == peer)
            return &b->peers[i];
        if (!free && attempts(&b->peers[i], now) == 0)
            free = &b->peers[i];
    }
    return free;
}

int ov_budget_reserve(struct ov_budget *b, ov_addr peer, ov_time now)
{
    const struct ov_budget_peer *p = entry(b, peer, now);
    if (b->busy)
        return OV_ESTATE;
    if (!p || (p->addr == peer && attempts(p, now) == OV_BUDGET_ATTEMPTS))
        return OV_ELIMIT;
    b->busy = true;
    b->started = false;
    b->peer = peer;
    b->packets = b->flows = b->ahead = 0;
    b->allowed = OV_BUDGET_AHEAD;
    return OV_OK;
}

void ov_budget_start(struct ov_budget *b, ov_time now)
{
    struct ov_budget_peer *p = entry(b, b->peer, now);
    if (!b->busy || b->started || !p)
        return;
    b->started = true;
    if (p->addr != b->peer)
        *p = (struct ov_budget_peer){.addr = b->peer};
    ov_time *oldest = &p->at[0];
    for (int i = 1; i < OV_BUDGET_ATTEMPTS; i++)
        if (p->at[i] < *oldest)
            oldest = &p->at[i];
    *oldest = now;
}

static enum ov_budget_verdict take(struct ov_budget *b, unsigned flows, ov_time now)
{
    if (!b->busy || b->packets >= OV_BUDGET_PACKETS || b->flows + flows > OV_BUDGET_FLOWS)
        return OV_BUDGET_SPENT;
    if (!ov_bucket_take(&b->pps, 1, now))
        return OV_BUDGET_LATER;
    b->packets++;
    b->flows += flows;
    return OV_BUDGET_GO;
}

enum ov_budget_verdict ov_budget_take(struct ov_budget *b, unsigned flows, ov_time now)
{
    if (b->busy && ov_budget_waits(b))
        return OV_BUDGET_CANARY;
    enum ov_budget_verdict v = take(b, flows, now);
    if (v == OV_BUDGET_GO)
        b->ahead++;
    return v;
}

enum ov_budget_verdict ov_budget_take_canary(struct ov_budget *b, ov_time now)
{
    return take(b, 1, now);
}

void ov_budget_canary_home(struct ov_budget *b)
{
    b->ahead = 0;
    b->allowed += b->allowed / 2;
    if (b->allowed > OV_BUDGET_TRUST)
        b->allowed = OV_BUDGET_TRUST;
}

void ov_budget_canary_lost(struct ov_budget *b)
{
    b->allowed /= 2;
    if (b->allowed < OV_BUDGET_WARY)
        b->allowed = OV_BUDGET_WARY;
}

bool ov_budget_waits(const struct ov_budget *b)
{
    return b->ahead >= b->allowed;
}

bool ov_budget_wants_canary(const struct ov_budget *b)
{
    return b->ahead >= b->allowed / 2;
}

void ov_budget_end(struct ov_budget *b)
{
    b->busy = b->started = false;
    b->peer = 0;
}

void ov_budget_hit(struct ov_budget *b, ov_time now)
{
    struct ov_budget_peer *p = b->started ? entry(b, b->peer, now) : NULL;
    if (!p || p->addr != b->peer)
        return;
    if (!recent(p->hits_since, now)) {
        p->hits_since = now;
        p->hits = 0;
    }
    if (p->hits >= OV_BUDGET_HITS)
        return;
    p->hits++;
    ov_time *newest = &p->at[0];
    for (int i = 1; i < OV_BUDGET_ATTEMPTS; i++)
        if (p->at[i] > *newest)
            newest = &p->at[i];
    *newest = 0;
}

void ov_budget_forget(struct ov_budget *b)
{
    memset(b->peers, 0, sizeof b->peers);
}
