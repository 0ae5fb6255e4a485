/* api_guests: the connections to the local API: how many of whom, and who goes when there are too
 * many.
 *
 * An owner (root, or the daemon's own user: OV_API_ACCESS_ALL) may have all OV_API_CONNECTIONS_MAX
 * places, and somebody else's is taken for him when they are full: he only ever waits for owners.
 * All others together have OV_API_OTHERS_MAX, and each of them OV_API_USER_MAX: whoever wants more
 * loses the one of his own that is idle for longest; and where all are taken, who has most does.
 *
 * The table knows no sockets. A connection that was told to go keeps its entry, but not its place,
 * until the server has let go of it. */
#ifndef OV_CLI_API_GUESTS_H
#define OV_CLI_API_GUESTS_H

#include "api_door.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define OV_API_CONNECTIONS_MAX 32
#define OV_API_OTHERS_MAX      24
#define OV_API_USER_MAX        16
#define OV_API_GUESTS_MAX      (2 * OV_API_CONNECTIONS_MAX) /* with those that are going */

struct ov_api_guest {
    bool here, going;
    uid_t uid;
    enum ov_api_access access;
    int fd;
    unsigned requests; /* answered */
    uint64_t since;    /* it came, or was last answered, in ms */
};

struct ov_api_guests {
    struct ov_api_guest v[OV_API_GUESTS_MAX];
};

/* Is there a place for whoever comes? Else owners have all, or too many are about to go. */
bool ov_api_guests_room(const struct ov_api_guests *g);
/* There is room. The newcomer's entry; *out has to go for it, or is NULL. */
struct ov_api_guest *ov_api_guests_enter(struct ov_api_guests *g, const struct ov_api_caller *who,
                                         int fd, uint64_t now, struct ov_api_guest **out);

#endif
