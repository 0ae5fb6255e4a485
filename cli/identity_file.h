/* identity_file: the identity of a node on disk.
 *
 * DIR/identity.secret (0600) is the one file that cannot be made again:
 *
 *     ovpn identity v1
 *     seed 64 hex digits
 *     nonce 16 hex digits
 *     address 10 hex digits
 *     check 16 hex digits: BLAKE2b of all the lines before
 *
 * and DIR/identity.public has the public identity in one line of text. A file that exists is never
 * overwritten, broken or not: a node that lost its identity has lost its memberships. `why` (256
 * bytes) gets a sentence that says what to do on every error. */
#ifndef OV_CLI_IDENTITY_FILE_H
#define OV_CLI_IDENTITY_FILE_H

#include "core/identity.h"
#include "file.h"

#define OV_IDENTITY_SECRET_FILE "identity.secret"
#define OV_IDENTITY_PUBLIC_FILE "identity.public"

/* OV_ENOENT: there is none; OV_EINVAL: broken; OV_EVERSION: of a newer ovpn; OV_EAUTH: the proof of
 * work or the address does not hold; OV_EPERM, OV_EIO. The proof of work is checked (milliseconds).
 */
OV_CHECK int ov_identity_file_load(const char *dir, const struct ov_pow *pow,
                                   struct ov_identity_secret *out, char why[OV_WHY_MAX]);
/* A new identity from the system's randomness, stored before it returns; the directory is made when
 * it is missing. About a second; `progress` (may be NULL) as in ov_identity_make. OV_EEXIST when
 * there is one. */
OV_CHECK int ov_identity_file_make(const char *dir, const struct ov_pow *pow,
                                   bool (*progress)(void *arg, uint64_t tries), void *arg,
                                   struct ov_identity_secret *out, char why[OV_WHY_MAX]);
/* Store an identity that was made before, as make does. OV_EEXIST. */
OV_CHECK int ov_identity_file_put(const char *dir, const struct ov_identity_secret *id,
                                  char why[OV_WHY_MAX]);
/* The public identity from identity.public, proven; as load. */
OV_CHECK int ov_identity_file_public(const char *dir, const struct ov_pow *pow,
                                     struct ov_identity *out, char why[OV_WHY_MAX]);

/* Write identity.public again when it is missing or is not `id`'s. */
OV_CHECK int ov_identity_file_publish(const char *dir, const struct ov_identity *id,
                                      char why[OV_WHY_MAX]);

#endif
