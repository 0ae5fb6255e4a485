/* file: small whole files and directories of the state. A file is replaced by writing a temporary
 * one beside it, fsync, rename and fsync of the directory, so that after a crash or with a full
 * disk there is the old content or the new, and never a mixture. `why` (256 bytes) gets a sentence
 * on every error. */
#ifndef OV_CLI_FILE_H
#define OV_CLI_FILE_H

#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>

#define OV_USER     "ovpn" /* the daemon's, where there is one */
#define OV_PATH_MAX 1024
#define OV_WHY_MAX  256

/* out = dir/name. OV_EINVAL when it would not fit. */
OV_CHECK int ov_path_join(char out[OV_PATH_MAX], const char *dir, const char *name,
                          char why[OV_WHY_MAX]);

/* Reads the whole file into buf and puts a NUL behind it (cap counts it). OV_ENOENT, OV_EPERM,
 * OV_EFULL (longer than cap - 1), OV_EIO. */
OV_CHECK int ov_file_read(const char *path, void *buf, size_t cap, size_t *len,
                          char why[OV_WHY_MAX]);
/* Write or replace, mode 0600; what root writes belongs to the directory's owner. OV_EPERM,
 * OV_EIO. */
OV_CHECK int ov_file_write(const char *path, const void *data, size_t len, char why[OV_WHY_MAX]);
/* The same, but OV_EEXIST when there is such a file: it is left alone. */
OV_CHECK int ov_file_create(const char *path, const void *data, size_t len, char why[OV_WHY_MAX]);
/* What root makes in the daemon's directory is the daemon's, or it could not read it: give a new
 * file the owner of the directory it is in. Without root's rights, nothing. OV_EPERM. */
OV_CHECK int ov_file_follow_owner(int fd, const char *path);
/* Removing what is not there is OV_OK. */
OV_CHECK int ov_file_remove(const char *path, char why[OV_WHY_MAX]);

/* Make a directory, its missing parents too, mode 0700. One that exists must be a directory of
 * ours, of root's, or to root the daemon's, that not everybody may write to; its group's right to
 * is taken away. */
OV_CHECK int ov_dir_make(const char *path, char why[OV_WHY_MAX]);

#endif
