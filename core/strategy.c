#include "strategy.h"

#define PORTS       (65536 - OV_NAT_PORT_MIN)
#define TARGET      20 /* PREDICT_BOTH: the mapping after the base that both aim at */
#define PREDICT_MAX 32
#define STEP_PRIME  7919 /* a prime that divides no range below */
#define RATE        400  /* datagrams a second */
#define MARGIN      (100 * OV_MS)

static bool is_easy(const struct ov_nat_view *v)
{
    return v->mapping == OV_NAT_EIM;
}

/* Lets in, on its one endpoint, who was sent to at another port, or anybody. */
static bool is_open(const struct ov_nat_view *v)
{
    return is_easy(v) && (v->filtering == OV_NAT_EIF || v->filtering == OV_NAT_ADF);
}

/* By how the hard side's ports come. Without a pattern they are random. */
static enum ov_strategy against(const struct ov_nat_view *hard)
{
    switch (hard->allocation) {
    case OV_NAT_SEQUENTIAL:
        return OV_STRATEGY_PREDICT;
    case OV_NAT_BLOCK:
        return OV_STRATEGY_BLOCK;
    default:
        return OV_STRATEGY_BIRTHDAY;
    }
}

enum ov_strategy ov_strategy_choose(const struct ov_nat_view *mine,
                                    const struct ov_nat_view *theirs)
{
    if (!mine->mapping || !theirs->mapping || is_open(mine) || is_open(theirs))
        return OV_STRATEGY_PLAIN;
    if (is_easy(mine))
        return is_easy(theirs) ? OV_STRATEGY_PLAIN : against(theirs);
    if (is_easy(theirs))
        return against(mine);
    if (mine->allocation == OV_NAT_SEQUENTIAL && theirs->allocation == OV_NAT_SEQUENTIAL)
        return OV_STRATEGY_PREDICT_BOTH;
    return OV_STRATEGY_RELAY;
}

bool ov_strategy_is_hard(enum ov_strategy s)
{
    return s > OV_STRATEGY_PLAIN && s < OV_STRATEGIES;
}

static ov_time pace(unsigned datagrams)
{
    return datagrams * OV_SEC / RATE;
}

/* The easy side's first probe: when the last of the other's openers has left. The hard side's:
 * after half of the easy side's, since at full TTL it may get in the way of those. */
static ov_time lead(unsigned openers)
{
    return pace(openers) + MARGIN;
}

struct ov_plan ov_strategy_plan(enum ov_strategy s, const struct ov_nat_view *mine)
{
    bool easy = is_easy(mine);
    switch (s) {
    case OV_STRATEGY_PREDICT:
        if (easy)
            return (struct ov_plan){
                .sockets = 1, .probes = PREDICT_MAX, .probes_at = lead(4), .end = 1500 * OV_MS};
        return (struct ov_plan){.hard = true,
                                .sockets = 4,
                                .openers = 4,
                                .probes = 4,
                                .probes_at = lead(4) + pace(PREDICT_MAX),
                                .end = 1500 * OV_MS};
    case OV_STRATEGY_PREDICT_BOTH:
        return (struct ov_plan){.hard = true,
                                .sockets = 25,
                                .openers = 25,
                                .probes = 14 * 25,
                                .probes_at = 150 * OV_MS,
                                .repeat = 100 * OV_MS,
                                .end = 2 * OV_SEC};
    case OV_STRATEGY_BLOCK:
        if (easy)
            return (struct ov_plan){.sockets = 1,
                                    .canaries = 4,
                                    .probes = 256,
                                    .probes_at = lead(64),
                                    .end = 1500 * OV_MS};
        return (struct ov_plan){.hard = true,
                                .sockets = 64,
                                .openers = 64,
                                .probes = 64,
                                .probes_at = lead(64) + pace(128),
                                .end = 1500 * OV_MS};
    case OV_STRATEGY_BIRTHDAY:
        if (easy)
            return (struct ov_plan){.sockets = 1,
                                    .canaries = 16,
                                    .probes = 1024,
                                    .probes_at = lead(256),
                                    .end = 4 * OV_SEC};
        return (struct ov_plan){.hard = true,
                                .sockets = 256,
                                .openers = 256,
                                .probes = 256,
                                .probes_at = lead(256) + pace(512),
                                .end = 4 * OV_SEC};
    default:
        return (struct ov_plan){0};
    }
}

/* Member i of a walk through all of `n` ports from `first`, beginning where the salt says: an
 * arithmetic progression whose step has no factor in common with n. */
static uint16_t walk(uint32_t first, uint32_t n, uint32_t i, uint64_t salt)
{
    return (uint16_t)(first + (salt % n + (uint64_t)i * STEP_PRIME) % n);
}

/* Round the range of ports that NATs give. */
static uint16_t within(int port)
{
    while (port > 65535)
        port -= PORTS;
    while (port < OV_NAT_PORT_MIN)
        port += PORTS;
    return (uint16_t)port;
}

/* All ports of any block that has the ones seen in it. */
static uint16_t block_port(const struct ov_nat_view *v, uint32_t i, uint64_t salt)
{
    int rest = OV_NAT_BLOCK_PORTS - 1 - v->spread;
    int low = v->base - (rest > 0 ? rest : 0), high = v->base + OV_NAT_BLOCK_PORTS - 1;
    low = low < OV_NAT_PORT_MIN ? OV_NAT_PORT_MIN : low;
    high = high > 65535 ? 65535 : high;
    return walk((uint32_t)low, (uint32_t)(high - low + 1), i, salt);
}

uint16_t ov_strategy_port(enum ov_strategy s, const struct ov_nat_view *theirs, uint32_t i,
                          uint64_t salt)
{
    switch (s) {
    case OV_STRATEGY_PREDICT:
        return within(theirs->base + theirs->step * (int)(i % PREDICT_MAX + 1));
    case OV_STRATEGY_PREDICT_BOTH:
        return within(theirs->base + theirs->step * TARGET);
    case OV_STRATEGY_BLOCK:
        return block_port(theirs, i, salt);
    default:
        return walk(OV_NAT_PORT_MIN, PORTS, i, salt);
    }
}

const char *ov_strategy_text(enum ov_strategy s)
{
    static const char *const words[OV_STRATEGIES] = {"relay",        "plain", "predict",
                                                     "predict-both", "block", "birthday"};
    return (unsigned)s < OV_STRATEGIES ? words[s] : "unknown";
}
