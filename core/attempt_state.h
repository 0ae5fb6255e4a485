/* attempt_state: the inside of an attempt, for attempt.c and attempt_run.c only. */
#ifndef OV_CORE_ATTEMPT_STATE_H
#define OV_CORE_ATTEMPT_STATE_H

#include "attempt.h"
#include "extra.h"
#include "reflect.h"

#define ATTEMPTS_MAX 8
#define ATTEMPT_TICK (10 * OV_MS)

enum attempt_state { SOCKETS, BASE, ASKED, RUN, LINGER, FRESH, FAILED };

/* A root that canaries ask. */
struct canary_root {
    ov_addr addr;
    ov_time rtt;   /* before the attempt began */
    unsigned lost; /* its canaries, as canaries_lost counts those of all */
};

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
    ov_time began, t0;
    uint32_t openers, probes, canaries; /* sent so far */
    bool canary_out, canary_paused;     /* it left while all else waited for it */
    unsigned canaries_lost;             /* weighed against those that came home */
    ov_time first_lost;                 /* when the first canary was missed; 0: none was */
    struct canary_root roots[OV_REFLECT_ROOTS];
    size_t nroots, asked, turn; /* the one asked last; whose turn it is */
    uint32_t root_loss;         /* permille, before it began; of the worse one */
};

struct ov_attempts {
    struct ov_engine *e;
    struct attempt *v[ATTEMPTS_MAX]; /* NULL: free */
    struct ov_timer sweep;
};

/* attempt_run.c: do what is due. RUNNING: go on, in a tick; anything else: it is over. */
enum ov_attempt_result ov_attempt_run(struct attempt *a, ov_time now);

#endif
