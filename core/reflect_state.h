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

#define LIFE_SOCKETS 4 /* half of them for each of two lengths of silence */

struct life {
    enum { LIFE_IDLE, LIFE_DUE, LIFE_OPENING, LIFE_ASKING, LIFE_CHECKING } stage;
    ov_time when;    /* what comes next; not while ASKING */
    ov_time checked; /* the root itself, as answers are missing */
    uint8_t repeats;
    struct ov_extra_owner owner;
    ov_addr root;
    uint32_t boot; /* the root's */
    struct life_ask {
        uint64_t txid; /* 0: free */
        uint16_t socket;
        uint8_t wait; /* seconds of silence */
        uint8_t tries;
        bool promised, refused, heard;
        ov_time sent;
    } v[LIFE_SOCKETS];
};

struct later;

struct ov_reflect {
    struct ov_engine *e;
    struct ov_timer timer;
    ov_time checked; /* roots were last asked because somebody was silent; 0: never */
    struct ask ask[ASKS_MAX];
    struct measure m;
    struct life life;
    struct ov_ip narrow_ip; /* outside address of the router that was found narrow, and when; family
                               0: none */
    ov_time narrow_at;
    struct later *later; /* a root's answers that are still due */
    size_t nlater;
};

/* reflect_profile.c */
void ov_reflect_measure_init(struct ov_reflect *r);
ov_time ov_reflect_measure_service(struct ov_reflect *r); /* when to look again */

/* reflect_life.c */
void ov_reflect_life_init(struct ov_reflect *r);
void ov_reflect_life_restart(struct ov_reflect *r);
/* There is a profile; another than before? */
void ov_reflect_life_profiled(struct ov_reflect *r, bool changed);
/* False: it was not asked for here. */
bool ov_reflect_life_answered(struct ov_reflect *r, const struct ov_peer *p,
                              const struct ov_msg_reflect_ok *ok);
ov_time ov_reflect_life_service(struct ov_reflect *r); /* when to look again */

/* reflect_later.c: answer once more after ask->wait. False: too many wait for that. */
bool ov_reflect_promise(struct ov_peer *p, const struct ov_via *via,
                        const struct ov_msg_reflect *ask);
void ov_reflect_later_free(struct ov_reflect *r);

/* reflect.c */
void ov_reflect_answer(struct ov_peer *p, const struct ov_via *to, uint64_t txid, uint8_t flags);
void ov_reflect_wake(struct ov_reflect *r, ov_time when);

#endif
