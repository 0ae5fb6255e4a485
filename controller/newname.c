#include "newname.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* For file systems that know no RENAME_NOREPLACE (of FUSE and NFS some): an empty file of ours
 * takes the name first, so that the one which is replaced is nobody else's. */
static bool by_placeholder(const char *from, const char *to)
{
    int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    close(fd);
    if (rename(from, to) == 0)
        return true;
    int err = errno;
    unlink(to);
    errno = err;
    return false;
}

bool ov_newname(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return true;
    return (errno == EINVAL || errno == ENOSYS) && by_placeholder(from, to);
}
