#include "session.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(offsetof(struct ov_keypair, replay.top) % OV_LINE == 0 &&
                   offsetof(struct ov_keypair, recv) ==
                       offsetof(struct ov_keypair, replay.top) + OV_LINE,
               "what packets need of a keypair besides its keys is in one line");

void ov_session_init(struct ov_session *s, const struct ov_identity *remote)
{
    memset(s, 0, sizeof *s);
    ov_cookie_maker_init(&s->macs, &remote->dh);
}

static void free_keypair(struct ov_engine *e, struct ov_keypair **kp)
{
    if (!*kp)
        return;
    ov_indices_remove(&e->indices, &(*kp)->index);
    free((*kp)->relay_replay);
    ov_wipe(*kp, sizeof **kp);
    free(*kp);
    e->ended++;
    *kp = NULL;
}

static void free_handshake(struct ov_engine *e, struct ov_session *s)
{
    if (!s->hs)
        return;
    ov_indices_remove(&e->indices, &s->hs->index);
    ov_noise_wipe(&s->hs->noise);
    free(s->hs);
    s->hs = NULL;
    e->ended++;
}

void ov_session_wipe_keys(struct ov_engine *e, struct ov_session *s)
{
    free_keypair(e, &s->current);
    free_keypair(e, &s->previous);
    free_keypair(e, &s->next);
}

void ov_session_clear(struct ov_engine *e, struct ov_session *s)
{
    ov_session_wipe_keys(e, s);
    free_handshake(e, s);
}

/* Data and relay keys of one direction from Noise's transport key, by domain-separated BLAKE2b. */
static void derive(const uint8_t k[32], enum ov_aead alg, struct ov_aead_key *data,
                   uint8_t relay[16])
{
    static const char d[] = "ovpn data v1", r[] = "ovpn relay v1";
    uint8_t raw[32];
    ov_hash(raw, 32, k, 32, d, sizeof d - 1);
    ov_aead_init(data, alg, raw);
    ov_hash(relay, 16, k, 32, r, sizeof r - 1);
    ov_wipe(raw, sizeof raw);
}

/* A key pair from a finished handshake, entered under an index of its own, or under `index` of the
 * handshake. */
static struct ov_keypair *new_keypair(struct ov_engine *e, struct ov_peer *p,
                                      const struct ov_noise *hs, bool initiator, enum ov_aead alg,
                                      uint32_t remote)
{
    uint8_t i2r[32], r2i[32];
    struct ov_keypair *kp = ov_lines_alloc(sizeof *kp);
    if (!kp)
        return NULL;
    kp->index = (struct ov_index){.peer = p, .kp = kp};
    kp->remote = remote;
    kp->initiator = initiator;
    kp->born = kp->begun = e->now;
    ov_replay_init(&kp->replay);
    ov_noise_split(hs, i2r, r2i);
    derive(initiator ? i2r : r2i, alg, &kp->send, kp->relay_send);
    derive(initiator ? r2i : i2r, alg, &kp->recv, kp->relay_recv);
    ov_wipe(i2r, sizeof i2r);
    ov_wipe(r2i, sizeof r2i);
    return kp;
}

static int write_initiation(struct ov_engine *e, struct ov_session *s, struct ov_handshake *hs,
                            uint8_t out[OV_INITIATION_LEN])
{
    uint8_t payload[OV_INITIATION_PAYLOAD], seed[32];
    struct ov_initiation init = {.sign = e->id.pub.sign,
                                 .nonce = e->id.pub.nonce,
                                 .stamp = ov_engine_stamp(e),
                                 .aeads = e->aeads,
                                 .caps = e->caps,
                                 .boot = e->boot};
    ov_initiation_encode(&init, payload);
    e->random.fill(e->random.arg, seed, sizeof seed);
    memset(out, 0, 8);
    out[0] = OV_WIRE_INITIATION;
    ov_store32(out + 4, hs->index.id);
    int err = ov_noise_write1(&hs->noise, seed, payload, sizeof payload, out + 8);
    ov_wipe(seed, sizeof seed);
    if (err == OV_OK)
        ov_cookie_mac(&s->macs, out, OV_INITIATION_LEN, e->now);
    return err;
}

int ov_session_initiate(struct ov_engine *e, struct ov_session *s, struct ov_peer *p,
                        const struct ov_identity *remote, uint8_t out[OV_INITIATION_LEN])
{
    free_handshake(e, s);
    struct ov_handshake *hs = calloc(1, sizeof *hs);
    if (!hs)
        return OV_ENOMEM;
    s->hs = hs;
    hs->index.peer = p;
    hs->begun = e->now;
    int err = ov_indices_add(&e->indices, &e->random, &hs->index);
    if (err == OV_OK) {
        ov_noise_init_initiator(&hs->noise, OV_PROLOGUE, sizeof OV_PROLOGUE - 1, &e->id.pub.dh,
                                &e->id.dh, &remote->dh);
        err = write_initiation(e, s, hs, out);
    }
    if (err != OV_OK)
        free_handshake(e, s);
    else
        e->stats.handshakes++;
    return err;
}

static enum ov_aead choose_aead(const struct ov_engine *e, uint8_t theirs)
{
    uint8_t both = e->aeads & theirs;
    if (both & 1 << OV_AEAD_AES256GCM)
        return OV_AEAD_AES256GCM;
    return both & 1 << OV_AEAD_CHACHA20POLY1305 ? OV_AEAD_CHACHA20POLY1305 : OV_AEAD_NONE;
}

int ov_session_respond(struct ov_engine *e, struct ov_session *s, struct ov_peer *p,
                       struct ov_noise *hs, const struct ov_initiation *init, uint32_t sender,
                       uint8_t out[OV_RESPONSE_LEN])
{
    uint8_t payload[OV_RESPONSE_PAYLOAD], seed[32];
    struct ov_response resp = {
        .aead = (uint8_t)choose_aead(e, init->aeads), .caps = e->caps, .boot = e->boot};
    if (resp.aead == OV_AEAD_NONE)
        return OV_EVERSION;
    ov_response_encode(&resp, payload);
    e->random.fill(e->random.arg, seed, sizeof seed);
    memset(out, 0, 12);
    int err = ov_noise_write2(hs, seed, payload, sizeof payload, out + 12);
    ov_wipe(seed, sizeof seed);
    if (err != OV_OK)
        return err;
    struct ov_keypair *kp = new_keypair(e, p, hs, false, resp.aead, sender);
    if (!kp)
        return OV_ENOMEM;
    err = ov_indices_add(&e->indices, &e->random, &kp->index);
    if (err != OV_OK) {
        free_keypair(e, &kp);
        return err;
    }
    out[0] = OV_WIRE_RESPONSE;
    ov_store32(out + 4, kp->index.id);
    ov_store32(out + 8, sender);
    ov_cookie_mac(&s->macs, out, OV_RESPONSE_LEN, e->now);
    free_keypair(e, &s->next);
    s->next = kp;
    ov_twins_took(&s->twins, init->boot, init->stamp);
    e->stats.handshakes++;
    return OV_OK;
}

/* Was `next` there before the key pair of our own making that is current? Then both sides began a
 * handshake before they heard of the other's. */
static bool is_crossed(const struct ov_session *s)
{
    return s->next && s->current && s->current->initiator && s->next->born <= s->current->born;
}

/* The initiator's key pair is current at once. An unconfirmed one of the peer's making stays where
 * it is: packets under the keys before come until the first one under it. If it was never used by
 * the time of another exchange, it never will be. */
static void install_initiated(struct ov_engine *e, struct ov_session *s, struct ov_keypair *kp)
{
    free_keypair(e, &s->previous);
    if (is_crossed(s))
        free_keypair(e, &s->next);
    s->previous = s->current;
    s->current = kp;
    s->aead = kp->send.alg;
}

int ov_session_finish(struct ov_engine *e, struct ov_session *s, struct ov_peer *p,
                      const uint8_t *msg, size_t len, struct ov_response *resp)
{
    uint8_t payload[OV_RESPONSE_PAYLOAD];
    if (!s->hs || len != OV_RESPONSE_LEN)
        return OV_ESTATE;
    int err = ov_noise_read2(&s->hs->noise, msg + 12, len - 12 - OV_MACS_LEN, payload);
    if (err != OV_OK)
        return err;
    err = ov_response_decode(payload, resp);
    if (err == OV_OK && !(e->aeads & 1 << resp->aead))
        err = OV_EVERSION;
    if (err != OV_OK)
        return err;
    struct ov_keypair *kp = new_keypair(e, p, &s->hs->noise, true, resp->aead, ov_load32(msg + 4));
    if (!kp)
        return OV_ENOMEM;
    kp->begun = s->hs->begun;
    /* The index under which we asked is the one the peer will use. */
    ov_indices_replace(&e->indices, &s->hs->index, &kp->index);
    free_handshake(e, s);
    install_initiated(e, s, kp);
    return OV_OK;
}

bool ov_session_confirm(struct ov_engine *e, struct ov_session *s, struct ov_keypair *kp)
{
    if (kp != s->next)
        return false;
    free_keypair(e, &s->previous);
    if (is_crossed(s) && s->current->index.id < kp->remote) {
        s->previous = s->next;
        s->next = NULL;
        return false;
    }
    s->previous = s->current;
    s->current = s->next;
    s->next = NULL;
    s->aead = kp->send.alg;
    return true;
}

bool ov_keypair_expired(const struct ov_engine *e, const struct ov_keypair *kp)
{
    return e->now - kp->born >= OV_REJECT_AFTER || kp->counter >= OV_REJECT_MESSAGES;
}

struct ov_keypair *ov_session_sender(struct ov_engine *e, struct ov_session *s)
{
    return s->current && !ov_keypair_expired(e, s->current) ? s->current : NULL;
}

bool ov_session_wants_rekey(const struct ov_engine *e, const struct ov_session *s)
{
    const struct ov_keypair *kp = s->current;
    return kp && (kp->counter >= OV_REKEY_MESSAGES ||
                  (kp->initiator && e->now - kp->born >= OV_REKEY_AFTER) ||
                  (!kp->initiator && e->now - kp->born >= OV_REKEY_AFTER + 20 * OV_SEC));
}

void ov_keypair_seal(struct ov_keypair *kp, const uint8_t *msg, size_t len, uint8_t *out)
{
    uint64_t counter = kp->counter++;
    ov_store32(out, (uint32_t)OV_WIRE_DATA << 24);
    ov_store32(out + 4, kp->remote);
    ov_store64(out + 8, counter);
    ov_aead_seal(&kp->send, counter, out, OV_DATA_HEADER, msg, len, out + OV_DATA_HEADER);
}

int ov_keypair_open(struct ov_keypair *kp, uint8_t *d, size_t len, uint8_t **msg, size_t *mlen)
{
    uint64_t counter = ov_load64(d + 8);
    if (!ov_replay_check(&kp->replay, counter))
        return OV_EREPLAY;
    uint8_t *body = d + OV_DATA_HEADER;
    int err = ov_aead_open(&kp->recv, counter, d, OV_DATA_HEADER, body, len - OV_DATA_HEADER, body);
    if (err != OV_OK)
        return err;
    err = ov_replay_accept(&kp->replay, counter);
    if (err != OV_OK)
        return err;
    *msg = body;
    *mlen = len - OV_DATA_OVERHEAD;
    return OV_OK;
}

/* Short messages need the key schedule at the beginning of an expanded key, and the few powers of
 * the hash key at its end; what else longer ones need is then read in order, which processors guess
 * by themselves. */
static void prefetch_key(const struct ov_aead_key *k)
{
    const uint8_t *p = (const uint8_t *)k;
    ov_prefetch_range(p, 256);
    ov_prefetch_range(p + sizeof *k - 3 * OV_LINE, 3 * OV_LINE);
}

void ov_keypair_prefetch_open(const struct ov_keypair *kp)
{
    ov_prefetch(&kp->replay.top);
    prefetch_key(&kp->recv);
}

void ov_keypair_prefetch_seal(const struct ov_keypair *kp)
{
    ov_prefetch(&kp->replay.top);
    prefetch_key(&kp->send);
}

void ov_keypair_relay_header(struct ov_keypair *kp, ov_addr addr, bool relayed,
                             uint8_t out[OV_RELAY_HEADER])
{
    struct ov_relay r = {
        .relayed = relayed, .receiver = kp->remote, .counter = kp->relay_counter++, .addr = addr};
    ov_relay_encode(&r, kp->relay_send, out);
}

int ov_keypair_relay_check(struct ov_keypair *kp, const uint8_t *header, const struct ov_relay *r)
{
    int err = ov_relay_verify(header, kp->relay_recv);
    if (err != OV_OK)
        return err;
    if (!kp->relay_replay) {
        kp->relay_replay = malloc(sizeof *kp->relay_replay);
        if (!kp->relay_replay)
            return OV_ENOMEM;
        ov_replay_init(kp->relay_replay);
    }
    return ov_replay_accept(kp->relay_replay, r->counter);
}
