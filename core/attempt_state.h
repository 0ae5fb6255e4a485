/* attempt_state: the inside of an attempt, for attempt.c and attempt_run.c only. */
#ifndef OV_CORE_ATTEMPT_STATE_H
#define OV_CORE_ATTEMPT_STATE_H

#include "attempt.h"
#include "extra.h"

#define ATTEMPTS_MAX 8
#define ATTEMPT_TICK (10 * OV_MS)

enum attempt_state { SOCKETS, BASE, ASKED, RUN, LINGER, FRESH, FAILED };

struct attempt {
    struct ov_engine *e;
    struct ov_peer *p;
    bool hard;      /* else fresh */
    bool answering; /* the other side asked */
    enum attempt_state state;
    enum ov_strategy strategy;
    struct ov_plan plan;
    uint64_t nonce, salt;
    struct ov_timer timer;
    struct ov_extra_owner owner;
    size_t wanted, nsockets;
    uint16_t socket[OV_EXTRA_MAX];
    unsigned asks;

    struct ov_nat_view mine, theirs;
    struct ov_endpoint seen, target; /* ours and theirs, from outside */
    ov_time began, t0, root_rtt;
    uint32_t openers, probes, canaries; /* sent so far */
    bool canary_out, canary_paused;     /* it left while all else waited for it */
    unsigned canaries_lost;             /* weighed against those that came home */
    uint32_t root_loss;                 /* permille, before it began */
};

struct ov_attempts {
    struct ov_engine *e;
    struct attempt *v[ATTEMPTS_MAX]; /* NULL: free */
    struct ov_timer sweep;
};

/* attempt_run.c: do what is due. RUNNING: go on, in a tick; anything else: it is over. */
enum ov_attempt_result ov_attempt_run(struct attempt *a, ov_time now);

#endif
