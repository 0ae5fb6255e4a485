/* revoked: until when certificates of one network's members are void, as revocations said.
 *
 * Certificates count only beside others of about their age (credential.h), so what is older than
 * the network's window makes room without harm. If all are younger, the one of the earliest instant
 * gives way, and a floor rises to that instant: certificates up to it are refused whoever they
 * name, rather than that of somebody expelled taken. An honest member has a newer one within the
 * hour. */
#ifndef OV_CORE_REVOKED_H
#define OV_CORE_REVOKED_H

#include "types.h"

#define OV_REVOKED_MAX 256

struct ov_revoked {
    size_t n;
    ov_wall floor; /* 0: none was given up */
    struct {
        ov_addr addr;
        ov_wall timestamp;
    } of[OV_REVOKED_MAX];
};

/* Certificates of `a` up to this instant are void; 0: none are. */
ov_wall ov_revoked_until(const struct ov_revoked *r, ov_addr a);
/* Those of `a` up to `timestamp` are. What is earlier than `horizon` matters no more: no
 * certificate of that age agrees with one in use. False: nothing new. */
bool ov_revoked_add(struct ov_revoked *r, ov_addr a, ov_wall timestamp, ov_wall horizon);

#endif
