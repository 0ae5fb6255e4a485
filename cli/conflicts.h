/* conflicts: which addresses a second key has claimed. The engine refuses and counts them; here is
 * remembered which, at most OV_CONFLICTS_MAX; the one seen longest ago makes room. */
#ifndef OV_CLI_CONFLICTS_H
#define OV_CLI_CONFLICTS_H

#include "core/types.h"

#define OV_CONFLICTS_MAX 32

struct ov_conflict {
    ov_addr addr;
    uint64_t count;
    ov_wall last;
};
struct ov_conflicts {
    size_t n;
    struct ov_conflict v[OV_CONFLICTS_MAX];
};

/* Returns true when this address is new in the list: worth a line in the log. */
bool ov_conflicts_add(struct ov_conflicts *c, ov_addr addr, ov_wall now);

#endif
