/* The backup of an identity, from anybody: looked at, never opened (that costs a second by design).
 */
#include "cli/identity_backup.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char text[OV_BACKUP_MAX + 64], why[OV_WHY_MAX] = "";
    ov_addr addr = 0;

    if (len >= sizeof text || ov_crypto_init() != OV_OK)
        return 0;
    memcpy(text, data, len);
    text[len] = '\0';
    int err = ov_identity_backup_look(text, &addr, why);
    if ((err == OV_OK) != (*why == '\0') || (err == OV_OK && !ov_identity_backup_is(text)))
        abort();
    return 0;
}
