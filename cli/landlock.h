/* landlock: which files this process may still open, as the kernel sees to it (landlock(7)).
 *
 * Nothing below a directory that is not named may be opened, made, renamed or removed any more,
 * whoever owns it and whatever the user's rights. Looking at names and modes (stat, readlink) and
 * connecting to a Unix socket by its path are not its business. */
#ifndef OV_CLI_LANDLOCK_H
#define OV_CLI_LANDLOCK_H

#include <stdbool.h>
#include <stddef.h>

enum ov_landlock_right {
    OV_LANDLOCK_READ = 1,  /* files and directories */
    OV_LANDLOCK_WRITE = 2, /* files that are there */
    OV_LANDLOCK_MAKE = 4,  /* make, rename and remove files, directories and sockets */
    OV_LANDLOCK_IOCTL = 8, /* of a device */
};

struct ov_landlock_rule {
    const char *path; /* a file, or a directory with all below it; what is not there is left out */
    unsigned rights;
};

/* For this thread, and the threads and processes that it makes. Returns the kernel's version of it,
 * 0 where it has none or too old a one. `abstract`: Unix sockets in the abstract name space may be
 * connected to. */
int ov_landlock_restrict(const struct ov_landlock_rule *v, size_t n, bool abstract);

#endif
