#include "backup_seal.h"

#include "core/bytes.h"

#include <string.h>

static const char magic[8] = "ovpnbak1";
static const char domain[] = "ovpn controller backup v1";

#define SIGNED_LEN (OV_BACKUP_SEAL_LEN - sizeof(struct ov_signature))

void ov_backup_seal(const struct ov_identity_secret *by, ov_wall made, const void *copy, size_t len,
                    uint8_t out[OV_BACKUP_SEAL_LEN])
{
    uint8_t id[OV_IDENTITY_LEN], hash[OV_HASH_LEN];
    struct ov_signature sig;
    struct ov_writer w;
    ov_identity_encode(&by->pub, id);
    ov_writer_init(&w, out, OV_BACKUP_SEAL_LEN);
    ov_writer_bytes(&w, magic, sizeof(magic));
    ov_writer_bytes(&w, id, sizeof(id));
    ov_writer_u40(&w, by->pub.addr);
    ov_writer_u64(&w, made);
    ov_hash2(hash, sizeof(hash), copy, len, out, SIGNED_LEN);
    ov_sign(&by->sign, domain, hash, sizeof(hash), &sig);
    ov_writer_bytes(&w, sig.b, sizeof(sig.b));
}

int ov_backup_unseal(const void *file, size_t file_len, const struct ov_identity *owner,
                     size_t *len, ov_wall *made, ov_addr *by)
{
    uint8_t id[OV_IDENTITY_LEN], hash[OV_HASH_LEN];
    struct ov_identity signer;
    struct ov_signature sig;
    struct ov_reader r;
    if (file_len < OV_BACKUP_SEAL_LEN)
        return OV_EINVAL;
    *len = file_len - OV_BACKUP_SEAL_LEN;
    ov_reader_init(&r, (const uint8_t *)file + *len, OV_BACKUP_SEAL_LEN);
    if (memcmp(ov_reader_take(&r, sizeof(magic)), magic, sizeof(magic)) != 0)
        return OV_EINVAL;
    ov_reader_copy(&r, id, sizeof(id));
    ov_identity_decode(id, &signer);
    *by = ov_reader_u40(&r);
    *made = ov_reader_u64(&r);
    ov_reader_copy(&r, sig.b, sizeof(sig.b));
    if (!ov_identity_equal(&signer, owner) || *by != owner->addr)
        return OV_EPERM;
    ov_hash(hash, sizeof(hash), NULL, 0, file, *len + SIGNED_LEN);
    return ov_sign_verify(&owner->sign, domain, hash, sizeof(hash), &sig);
}
