/* api_door: the socket at which the local API is called, and who calls: the kernel tells
 * (SO_PEERCRED). */
#ifndef OV_CLI_API_DOOR_H
#define OV_CLI_API_DOOR_H

#include "file.h"

#include <stdbool.h>
#include <sys/types.h>

struct ov_log;

/* What may be done on a connection: nothing; look at what is not the owner's alone; everything. */
enum ov_api_access { OV_API_ACCESS_NONE, OV_API_ACCESS_READ, OV_API_ACCESS_ALL };

struct ov_api_door {
    int fd;
    bool has_group;
    gid_t group;
};

struct ov_api_caller {
    uid_t uid;
    enum ov_api_access access;
};

/* Listen on `path`, in the state directory `dir`, and let the group in, where there is one. The
 * lock on the directory is ours: a socket that is there already is a dead one. OV_EIO. */
OV_CHECK int ov_api_door_open(struct ov_api_door *door, const char *path, const char *dir,
                              const struct ov_log *log, char why[OV_WHY_MAX]);
/* The next who waits, as a socket that does not block, the caller's from now on. -1 with errno. */
OV_CHECK int ov_api_door_accept(const struct ov_api_door *door, struct ov_api_caller *who);

#endif
