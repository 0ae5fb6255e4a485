#include "keepalive.h"

#define DEATHS 2
#define UPWARD (600 * OV_SEC)
#define SLOWER 4 /* it takes up to 2^3 times as long */

ov_time ov_keepalive_gap(const struct ov_keepalive *k, ov_time planned)
{
    return k->limit && k->limit < planned ? k->limit : planned;
}

bool ov_keepalive_test(struct ov_keepalive *k, ov_time heard, ov_time now, ov_time planned)
{
    ov_time silence = now - heard;
    /* One that was longer than intended (nobody cared for the path) tells nothing of the gap. */
    if (silence < OV_KEEPALIVE_SILENCE || silence > ov_keepalive_gap(k, planned) * 5 / 4 ||
        heard == k->died || heard == k->heard)
        return false;
    k->tested = silence;
    k->heard = heard;
    return true;
}

void ov_keepalive_answered(struct ov_keepalive *k, ov_time now, ov_time planned)
{
    ov_time silence = k->tested;
    k->tested = k->heard = 0;
    k->deaths = 0;
    if (!k->limit || silence < k->limit * 3 / 4 || now - k->since < UPWARD << (k->halved - 1))
        return;
    k->limit = k->limit * 5 / 4;
    k->since = now;
    if (k->limit >= planned)
        k->limit = k->halved = 0;
}

void ov_keepalive_unanswered(struct ov_keepalive *k, ov_time now, ov_time planned)
{
    if (!k->tested)
        return;
    k->died = k->heard;
    k->tested = k->heard = 0;
    if (++k->deaths < DEATHS)
        return;
    ov_time half = ov_keepalive_gap(k, planned) / 2;
    k->limit = half > OV_KEEPALIVE_FLOOR ? half : OV_KEEPALIVE_FLOOR;
    k->since = now;
    k->deaths = 0;
    if (k->halved < SLOWER)
        k->halved++;
}
