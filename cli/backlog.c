#include "backlog.h"

static void set_rate(struct ov_backlog *b, uint64_t rate)
{
    uint64_t most = OV_BACKLOG_MAX * (OV_SEC / OV_BACKLOG_AHEAD);
    b->rate = rate > most ? most : rate > 0 ? rate : 1;
    uint64_t limit = b->rate / (OV_SEC / OV_BACKLOG_AHEAD);
    b->limit = limit < OV_BACKLOG_MIN ? OV_BACKLOG_MIN : (size_t)limit;
    b->drained = 0;
    b->busy = 0;
}

void ov_backlog_init(struct ov_backlog *b)
{
    *b = (struct ov_backlog){.limit = OV_BACKLOG_FIRST};
}

static void faster(struct ov_backlog *b)
{
    set_rate(b, 2 * b->limit * (OV_SEC / OV_BACKLOG_AHEAD));
}

void ov_backlog_before(struct ov_backlog *b, size_t below, bool alone, ov_time now)
{
    ov_time span = now - b->at;
    if (b->at == 0 || b->below == 0 || !alone || span == 0)
        return;
    if (below == 0) {
        if (b->held)
            faster(b);
        return;
    }
    if (below > b->below)
        return;
    b->drained += b->below - below;
    b->busy += span;
    if ((b->busy < OV_BACKLOG_WINDOW || b->drained < OV_BACKLOG_SAMPLE) &&
        b->busy < OV_BACKLOG_LONG)
        return;
    uint64_t seen = b->drained * OV_SEC / b->busy;
    set_rate(b, b->rate == 0 ? seen : (3 * b->rate + seen) / 4);
}

void ov_backlog_after(struct ov_backlog *b, size_t below, size_t sent, bool held, ov_time now)
{
    if (sent >= b->limit && below < b->limit / 4 && now != b->at)
        faster(b);
    b->below = below;
    b->held = held;
    b->at = now;
}
