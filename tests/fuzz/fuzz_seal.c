/* The end of a file that is said to be a controller's backup. Whatever is there, only the owner's
 * own seal behind the very same bytes is taken. */
#include "controller/backup_seal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int unseal(const struct ov_identity_secret *owner, const uint8_t *file, size_t file_len,
                  size_t *len)
{
    ov_wall made;
    ov_addr by;

    return ov_backup_unseal(file, file_len, &owner->pub, len, &made, &by);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const struct ov_pow pow = {8, 0};
    static const uint8_t seed[32] = {7};
    static struct ov_identity_secret owner;
    size_t kept = 0;
    uint8_t *file;

    if (!owner.pub.addr &&
        (ov_crypto_init() != OV_OK || ov_identity_make(seed, &pow, NULL, NULL, &owner) != OV_OK))
        abort();
    file = malloc(len + OV_BACKUP_SEAL_LEN);
    if (!file)
        abort();
    if (len > 0)
        memcpy(file, data, len);
    if (len < OV_BACKUP_SEAL_LEN || memcmp(file + len - OV_BACKUP_SEAL_LEN, "ovpnbak1", 8) != 0)
        if (unseal(&owner, data, len, &kept) != OV_EINVAL)
            abort();
    if (unseal(&owner, data, len, &kept) == OV_OK)
        abort(); /* a signature cannot be guessed */
    ov_backup_seal(&owner, 1, file, len, file + len);
    if (unseal(&owner, file, len + OV_BACKUP_SEAL_LEN, &kept) != OV_OK || kept != len)
        abort();
    file[len > 0 ? data[0] % (len + OV_BACKUP_SEAL_LEN) : 0] ^= 1;
    if (unseal(&owner, file, len + OV_BACKUP_SEAL_LEN, &kept) == OV_OK)
        abort();
    free(file);
    return 0;
}
