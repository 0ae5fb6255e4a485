/* user: the user that the daemon becomes when root starts it.
 *
 * Where there is a user `ovpn`, what lies in the state directory is given to it, and the process
 * becomes it, for ever. That takes that it reaches all it needs later: the state directory, the
 * database, /dev/net/tun. Where it does not, root stays the user, without root's rights. */
#ifndef OV_CLI_USER_H
#define OV_CLI_USER_H

#include "file.h"

#include <stdbool.h>
#include <sys/types.h>

#define OV_USER_NAME 33

/* The name of the user that we are, or its number. */
const char *ov_user_name(char out[OV_USER_NAME]);
/* Become that user, in no other group, for ever. False with errno: half-way, so do not go on. */
OV_CHECK bool ov_user_drop(uid_t uid, gid_t gid);
/* Become OV_USER, with the capabilities that were permitted; none is in effect after it. `dir` is
 * there already; `database` is a file, or empty. OV_ESTATE: we stay who we are, and `why` says for
 * what reason; OV_EPERM: it went wrong half-way, so do not go on. */
OV_CHECK int ov_user_become(const char *dir, const char *database, char why[OV_WHY_MAX]);

#endif
