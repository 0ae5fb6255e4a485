/* reflect_state: the inside of struct ov_reflect, for reflect.c and reflect_profile.c only. */
#ifndef OV_CORE_REFLECT_STATE_H
#define OV_CORE_REFLECT_STATE_H

#include "reflect.h"

#define ASKS_MAX       64
#define FRESH          6
#define SAMPLES_MAX    16
#define TAG_FROM_OTHER 100

struct ask {
    struct ov_reflect_ask a; /* its root may be gone: see `addr` */
    ov_addr addr;
    uint64_t txid; /* 0: free */
    uint8_t tries;
    ov_time sent;
};

enum stage { IDLE, DUE, SOCKETS, FIRST, SECOND };

struct measure {
    enum stage stage;
    ov_time when; /* what comes next */
    ov_time last; /* when the last one began */
    struct ov_extra_owner owner;
    uint16_t socket[FRESH];
    size_t nsockets;
    size_t nhosts; /* roots that took part */
    struct ov_nat_sample sample[SAMPLES_MAX];
    bool answered[SAMPLES_MAX];
    size_t nsamples, waiting;
    bool other_asked, other_heard;
    uint8_t token[OV_HAIRPIN_LEN];
    bool hairpin_sent, hairpin_heard;
};

struct ov_reflect {
    struct ov_engine *e;
    struct ov_timer timer;
    ov_time checked; /* roots were last asked because somebody was silent; 0: never */
    struct ask ask[ASKS_MAX];
    struct measure m;
};

/* reflect_profile.c */
void ov_reflect_measure_init(struct ov_reflect *r);
ov_time ov_reflect_measure_service(struct ov_reflect *r); /* when to look again */

/* reflect.c */
void ov_reflect_wake(struct ov_reflect *r, ov_time when);

#endif
