#include "cookie.h"

#include <assert.h>
#include <string.h>

/* A cookie is used a little shorter than its secret lives, as it takes time to get here. */
#define COOKIE_LIFE (OV_COOKIE_SECRET_LIFE - 5 * OV_SEC)

static const char mac1_label[] = "ovpn mac1 v1";
static const char cookie_label[] = "ovpn cookie v1";

/* Both keys that hang on the public key of whoever is called. */
static void derive_keys(const struct ov_dh_public *pub, uint8_t mac1_key[32],
                        uint8_t cookie_key[32])
{
    ov_hash2(mac1_key, 32, mac1_label, sizeof(mac1_label) - 1, pub->b, sizeof(pub->b));
    ov_hash2(cookie_key, 32, cookie_label, sizeof(cookie_label) - 1, pub->b, sizeof(pub->b));
}

/* Over everything before mac1. */
static void mac1_make(const uint8_t key[32], const uint8_t *msg, size_t len,
                      uint8_t out[OV_MAC_LEN])
{
    ov_hash(out, OV_MAC_LEN, key, 32, msg, len - OV_MACS_LEN);
}

/* Over everything before mac2, with mac1. */
static void mac2_make(const uint8_t cookie[16], const uint8_t *msg, size_t len,
                      uint8_t out[OV_MAC_LEN])
{
    ov_hash(out, OV_MAC_LEN, cookie, 16, msg, len - OV_MAC_LEN);
}

/* ---- responder ---- */

void ov_cookie_checker_init(struct ov_cookie_checker *c, const struct ov_dh_public *own)
{
    memset(c, 0, sizeof(*c));
    derive_keys(own, c->mac1_key, c->cookie_key);
}

static void renew_secret(struct ov_cookie_checker *c, const struct ov_random *rnd, ov_time now)
{
    if (c->secret_born != 0 && now - c->secret_born < OV_COOKIE_SECRET_LIFE)
        return;
    rnd->fill(rnd->arg, c->secret.b, sizeof(c->secret.b));
    c->secret_born = now;
}

/* The cookie of a source: nothing has to be remembered for it. */
static void cookie_make(const struct ov_cookie_checker *c, const void *source, size_t slen,
                        uint8_t out[16])
{
    ov_hash(out, 16, c->secret.b, sizeof(c->secret.b), source, slen);
}

/* Most have no mac2, above all those of a flood: they cost one hash and not three. It is no secret.
 */
static bool is_zero(const uint8_t *p, size_t len)
{
    uint8_t any = 0;
    for (size_t i = 0; i < len; i++)
        any |= p[i];
    return any == 0;
}

enum ov_mac_state ov_cookie_check(struct ov_cookie_checker *c, const struct ov_random *rnd,
                                  const uint8_t *msg, size_t len, const void *source, size_t slen,
                                  ov_time now)
{
    uint8_t mac[OV_MAC_LEN], cookie[16];
    bool proven;

    if (len < OV_MACS_LEN)
        return OV_MAC_INVALID;
    mac1_make(c->mac1_key, msg, len, mac);
    if (!ov_equal_ct(mac, msg + len - OV_MACS_LEN, sizeof(mac)))
        return OV_MAC_INVALID;
    if (is_zero(msg + len - OV_MAC_LEN, OV_MAC_LEN))
        return OV_MAC_VALID;
    renew_secret(c, rnd, now);
    cookie_make(c, source, slen, cookie);
    mac2_make(cookie, msg, len, mac);
    proven = ov_equal_ct(mac, msg + len - OV_MAC_LEN, sizeof(mac));
    ov_wipe(cookie, sizeof(cookie));
    return proven ? OV_MAC_VALID_WITH_COOKIE : OV_MAC_VALID;
}

void ov_cookie_reply(struct ov_cookie_checker *c, const struct ov_random *rnd, const uint8_t *msg,
                     size_t len, const void *source, size_t slen, ov_time now,
                     uint8_t out[OV_COOKIE_REPLY_LEN])
{
    const uint8_t *mac1 = msg + len - OV_MACS_LEN;
    uint8_t cookie[16];

    assert(len >= OV_MACS_LEN);
    renew_secret(c, rnd, now);
    cookie_make(c, source, slen, cookie);
    rnd->fill(rnd->arg, out, 24);
    ov_xaead_seal(c->cookie_key, out, mac1, OV_MAC_LEN, cookie, sizeof(cookie), out + 24);
    ov_wipe(cookie, sizeof(cookie));
}

/* ---- initiator ---- */

void ov_cookie_maker_init(struct ov_cookie_maker *m, const struct ov_dh_public *remote)
{
    memset(m, 0, sizeof(*m));
    derive_keys(remote, m->mac1_key, m->cookie_key);
}

void ov_cookie_mac(struct ov_cookie_maker *m, uint8_t *msg, size_t len, ov_time now)
{
    uint8_t *mac1 = msg + len - OV_MACS_LEN, *mac2 = msg + len - OV_MAC_LEN;

    assert(len >= OV_MACS_LEN);
    mac1_make(m->mac1_key, msg, len, mac1);
    memcpy(m->last_mac1, mac1, sizeof(m->last_mac1));
    m->sent_mac1 = true;
    if (m->cookie_born != 0 && now - m->cookie_born < COOKIE_LIFE)
        mac2_make(m->cookie, msg, len, mac2);
    else
        memset(mac2, 0, OV_MAC_LEN);
}

int ov_cookie_consume(struct ov_cookie_maker *m, const uint8_t reply[OV_COOKIE_REPLY_LEN],
                      ov_time now)
{
    uint8_t cookie[16];

    if (!m->sent_mac1)
        return OV_EAUTH;
    if (ov_xaead_open(m->cookie_key, reply, m->last_mac1, sizeof(m->last_mac1), reply + 24,
                      OV_COOKIE_REPLY_LEN - 24, cookie) != 0)
        return OV_EAUTH;
    memcpy(m->cookie, cookie, sizeof(m->cookie));
    m->cookie_born = now;
    m->sent_mac1 = false; /* one reply is enough: a replayed one must not set the clock back */
    ov_wipe(cookie, sizeof(cookie));
    return OV_OK;
}
