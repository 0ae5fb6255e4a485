/* backup_seal: the last bytes of a controller's backup, by which it is known to be whole, unchanged
 * and its controller's before anything else reads it.
 *
 * {8 "ovpnbak1", identity 72, u40 address, u64 made, signature 64}. Signed, with the domain "ovpn
 * controller backup v1": BLAKE2b-512 of all that stands before the signature. */
#ifndef OV_CONTROLLER_BACKUP_SEAL_H
#define OV_CONTROLLER_BACKUP_SEAL_H

#include "core/identity.h"

#define OV_BACKUP_SEAL_LEN (8 + OV_IDENTITY_LEN + 5 + 8 + 64)

/* The seal that belongs behind these bytes. */
void ov_backup_seal(const struct ov_identity_secret *by, ov_wall made, const void *copy, size_t len,
                    uint8_t out[OV_BACKUP_SEAL_LEN]);
/* Is `file` sealed by `owner`? *made is when, and *len of it stand before the seal. OV_EINVAL:
 * there is no seal; OV_EPERM: another controller's, and *by its address, which is not proven;
 * OV_EAUTH: it was damaged or changed. */
OV_CHECK int ov_backup_unseal(const void *file, size_t file_len, const struct ov_identity *owner,
                              size_t *len, ov_wall *made, ov_addr *by);

#endif
