/* Certificates, configurations and revocations. The input is first read as it is; then it is
 * signed, as if a controller had said it, so that what stands behind the signature check is reached
 * too. What is accepted must be issued again as the same bytes. */
#include "core/bytes.h"
#include "core/credential.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define SIGNATURE sizeof(struct ov_signature)

/* A controller that owns whatever network the blob names; its address needs no proof of work here.
 */
static void controller_of(const uint8_t *blob, size_t len, struct ov_identity_secret *out)
{
    static const uint8_t seed[32] = {1};

    memset(out, 0, sizeof(*out));
    ov_sign_from_seed(seed, &out->pub.sign, &out->sign);
    out->pub.addr = len >= 9 ? ov_load64(blob + 1) >> 24 : 0;
}

static void sign(const struct ov_identity_secret *c, const char *domain, uint8_t *blob, size_t len)
{
    struct ov_signature sig;

    ov_sign(&c->sign, domain, blob, len, &sig);
    memcpy(blob + len, sig.b, SIGNATURE);
}

static void same(int got, const uint8_t *again, const uint8_t *blob, size_t len)
{
    if (got < 0 || (size_t)got != len || memcmp(again, blob, len) != 0)
        abort();
}

static void signed_ones(uint8_t *blob, size_t len)
{
    static uint8_t again[OV_CONFIG_MAX];
    struct ov_identity_secret c;
    struct ov_net_config config;
    struct ov_revocation rev;
    struct ov_cert cert;
    size_t whole = len + SIGNATURE;

    controller_of(blob, len, &c);
    sign(&c, "ovpn certificate v1", blob, len);
    if (ov_cert_verify(blob, whole, &c.pub, &cert) == OV_OK)
        same(ov_cert_issue(&cert, &c, again), again, blob, whole);
    sign(&c, "ovpn network v1", blob, len);
    if (ov_net_config_verify(blob, whole, &c.pub, &config) == OV_OK)
        same(ov_net_config_issue(&config, &c, again), again, blob, whole);
    sign(&c, "ovpn revocation v1", blob, len);
    if (ov_revocation_verify(blob, whole, &c.pub, &rev) == OV_OK) {
        ov_revocation_issue(&rev, &c, again);
        same(OV_REVOCATION_LEN, again, blob, whole);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static uint8_t blob[OV_CONFIG_MAX];
    struct ov_revocation rev;
    struct ov_cert cert;

    if (ov_crypto_init() != OV_OK)
        abort();
    if (ov_cert_decode(data, len, &cert) == OV_OK && cert.naddrs > OV_CERT_ADDRS_MAX)
        abort();
    if (ov_revocation_decode(data, len, &rev) == OV_OK && len != OV_REVOCATION_LEN)
        abort();
    if (len + SIGNATURE <= sizeof(blob)) {
        if (len > 0)
            memcpy(blob, data, len);
        signed_ones(blob, len);
    }
    return 0;
}
