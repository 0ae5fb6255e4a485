/* as_owner: what root does with files of the daemon's, it does as the daemon's user.
 *
 * Who runs code in the daemon, sandboxed, can put anything into its state directory: links to files
 * of the system in the place of its own, a journal beside a database that makes SQLite unlink what
 * it names. Root that opens such a file does what it says with root's rights. So a child that has
 * become that user does it, with no more rights than the daemon has, and root touches but the
 * descriptors it has opened itself, and the answer. */
#ifndef OV_CLI_AS_OWNER_H
#define OV_CLI_AS_OWNER_H

#include "file.h"

/* Work to do: what `in` has is read, and at `out`, plain memory without pointers, is the answer. It
 * prints nothing, and leaves nothing open that has to stay open. */
typedef int ov_as_owner_fn(const void *in, void *out, char why[OV_WHY_MAX]);

/* Do fn(in, out, why) as the user that the directory of `path` belongs to; when that is root, the
 * user that `path` does. Without root's rights, or when all is root's: here, in this process. What
 * comes to `out` is that user's word: look at it before it is believed. Returns what fn does;
 * OV_EPERM: root would have to work where others may write, or cannot become that user; OV_EIO:
 * the child did not come to its end. */
OV_CHECK int ov_as_owner(const char *path, ov_as_owner_fn *fn, const void *in, void *out,
                         size_t outlen, char why[OV_WHY_MAX]);

#endif
