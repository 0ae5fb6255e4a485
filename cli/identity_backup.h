/* identity_backup: an identity as a text under a passphrase, to be kept elsewhere, also on paper.
 *
 *     # lines for people
 *     ovpn identity backup v1
 *     address 10 hex digits
 *     kdf argon2id13 passes 3 memory 262144        (KiB)
 *     salt 32 hex digits
 *     nonce 48 hex digits
 *     seal 56 hex digits
 *     seal 56 hex digits
 *     check 16 hex digits
 *
 * Only the digits and words count: lines that begin with '#', blanks, ends of lines and the case of
 * letters do not, so that it can be typed in again. Sealed are seed and nonce of the identity (40
 * bytes) with XChaCha20-Poly1305, under the key that Argon2id makes of the passphrase; all before
 * the first "seal" is authenticated with it. "check" is BLAKE2b of all before it: it tells a
 * damaged text from a wrong passphrase, and proves nothing. */
#ifndef OV_CLI_IDENTITY_BACKUP_H
#define OV_CLI_IDENTITY_BACKUP_H

#include "core/identity.h"
#include "passphrase.h"

/* What a guess of the passphrase costs. */
struct ov_backup_cost {
    uint32_t passes, mem_kib;
};
extern const struct ov_backup_cost OV_BACKUP_COST; /* but in tests: a second or so, 256 MiB */
#define OV_BACKUP_PASSES_MAX 64
#define OV_BACKUP_MEM_MAX    (1u << 20) /* KiB */

#define OV_BACKUP_TEXT 1024 /* with NUL; that is made */
#define OV_BACKUP_MAX  4096 /* with NUL; that is read */

/* `why` gets a sentence on every error. OV_ENOMEM. */
OV_CHECK int ov_identity_backup_seal(const struct ov_identity_secret *id,
                                     const struct ov_passphrase *p,
                                     const struct ov_backup_cost *cost, char out[OV_BACKUP_TEXT],
                                     char why[OV_WHY_MAX]);
/* Is it a backup? By its first words, whatever comes behind. */
bool ov_identity_backup_is(const char *text);
/* Whose is it, and is it whole? Needs no passphrase, and proves nothing. OV_EINVAL: damaged, or no
 * backup; OV_EVERSION: of a newer ovpn. */
OV_CHECK int ov_identity_backup_look(const char *text, ov_addr *out, char why[OV_WHY_MAX]);
/* As look; OV_EAUTH: another passphrase; OV_ENOMEM. The identity's proof of work is checked. */
OV_CHECK int ov_identity_backup_open(const char *text, const struct ov_passphrase *p,
                                     const struct ov_pow *pow, struct ov_identity_secret *out,
                                     char why[OV_WHY_MAX]);

#endif
