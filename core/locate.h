/* locate: finding the identity behind an address by asking roots (WHOIS).
 *
 * Bounded: at most OV_LOCATE_MAX addresses are looked for at once. Answers prove themselves by
 * their proof of work, whoever gave them. */
#ifndef OV_CORE_LOCATE_H
#define OV_CORE_LOCATE_H

#include "peer.h"

#define OV_LOCATE_MAX 64

struct ov_locate {
    struct ov_engine *e;
    struct ov_timer timer;
    struct {
        ov_addr addr; /* 0: free */
        uint8_t tries;
        ov_time next;
    } want[OV_LOCATE_MAX];
};

/* OV_ENOMEM. */
OV_CHECK int ov_locate_init(struct ov_locate *l, struct ov_engine *e);
/* Look for `a`; ops->located follows when it is found. OV_EFULL. Gives up after about 15 s. */
int ov_locate_want(struct ov_locate *l, ov_addr a);
/* A root to ask came up. */
void ov_locate_retry(struct ov_locate *l);
void ov_locate_whois(struct ov_engine *e, struct ov_peer *from, const struct ov_msg_whois *m);
void ov_locate_identity(struct ov_locate *l, struct ov_msg_identity *m);
void ov_locate_free(struct ov_locate *l);

#endif
