/* The handshake as strangers meet it: a node that is a root, and others at three endpoints that say
 * what they like: initiations and responses that are sealed right and hold anything, datagrams of
 * any kind with a right mac1 or without, cookies, and what is sent is heard and used. The AEAD is
 * the null one, the key exchange is not.
 *
 * What must hold: nobody who has not proven to be there is sent more bytes than he sent, nor is
 * anybody else for his sake; no more peers than the table may have. */
#include "reader.h"
#include "tests/unit/wire_up.h"

#include "core/peer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define STEPS_MAX   48
#define STRANGERS   3
#define MESSAGE_MAX 512

enum step { INITIATION, RESPONSE, COOKIE, MAC, RAW, CALL, TIME, FLOODED, STEPS };

struct stranger {
    struct ov_identity_secret id;
    struct ov_endpoint ep;
    struct ov_cookie_maker macs;
    uint32_t index; /* the victim's, of a handshake or session with us; 0: none */
};

struct world {
    struct wu *w;
    struct wu_node *victim;
    struct stranger who[STRANGERS];
    size_t out;                       /* bytes that the victim sent since this was set to 0 */
    uint8_t asked[OV_INITIATION_LEN]; /* the last initiation to a stranger */
    bool was_asked;
};

/* Nothing arrives: who is at the other end is played by the steps. */
static bool swallow(void *arg, struct wu_packet *p)
{
    struct world *w = arg;

    w->out += p->len;
    if (p->data[0] == OV_WIRE_INITIATION && p->len == OV_INITIATION_LEN) {
        memcpy(w->asked, p->data, p->len);
        w->was_asked = true;
    }
    for (int i = 0; i < STRANGERS; i++) {
        struct stranger *s = &w->who[i];
        if (!ov_endpoint_equal(&p->to, &s->ep))
            continue;
        if (p->data[0] == OV_WIRE_RESPONSE && p->len == OV_RESPONSE_LEN)
            s->index = ov_load32(p->data + 4);
        if (p->data[0] == OV_WIRE_COOKIE && p->len == OV_COOKIE_LEN)
            (void)!ov_cookie_consume(&s->macs, p->data + 8, w->w->now);
    }
    return false;
}

static void inject(struct world *w, const struct stranger *s, const uint8_t *d, size_t len)
{
    ov_node_tick(w->victim->n, w->w->now); /* what was due anyway is nobody's doing */
    wu_drain(w->victim);
    w->out = 0;
    wu_inject(w->victim, &s->ep, d, len);
    /* A response that was asked for, an IAM that was asked for, and what is sealed prove something.
     */
    if (len > 0 && (d[0] == OV_WIRE_RESPONSE || d[0] == OV_WIRE_IAM || d[0] == OV_WIRE_DATA ||
                    d[0] == OV_WIRE_RELAY || d[0] == OV_WIRE_COOKIE))
        return;
    if (w->out > len)
        abort();
}

/* An initiation with this inside; what the input does not say is as it should be. */
static void initiate(struct world *w, struct stranger *s, const uint8_t *p, size_t len)
{
    uint8_t d[OV_INITIATION_LEN] = {OV_WIRE_INITIATION}, payload[OV_INITIATION_PAYLOAD], seed[32];
    struct ov_initiation init = {.sign = s->id.pub.sign,
                                 .nonce = s->id.pub.nonce,
                                 .stamp = w->w->now,
                                 .aeads = 1 << OV_AEAD_CHACHA20POLY1305};
    struct ov_noise hs;

    ov_initiation_encode(&init, payload);
    for (size_t i = 0; i + 1 < len; i += 2)
        payload[p[i] % sizeof payload] = p[i + 1];
    wu_random(w->w, seed, sizeof seed);
    ov_store32(d + 4, len > 0 ? p[0] : 1);
    ov_noise_init_initiator(&hs, OV_PROLOGUE, sizeof OV_PROLOGUE - 1, &s->id.pub.dh, &s->id.dh,
                            &w->victim->id.pub.dh);
    if (ov_noise_write1(&hs, seed, payload, sizeof payload, d + 8) != OV_OK)
        abort();
    ov_noise_wipe(&hs);
    ov_cookie_mac(&s->macs, d, sizeof d, w->w->now);
    inject(w, s, d, sizeof d);
}

/* The answer to the last initiation, by whoever it was for, with this inside. */
static void respond(struct world *w, struct stranger *s, const uint8_t *p, size_t len)
{
    uint8_t d[OV_RESPONSE_LEN] = {OV_WIRE_RESPONSE}, payload[OV_INITIATION_PAYLOAD], seed[32];
    uint8_t answer[OV_RESPONSE_PAYLOAD] = {OV_AEAD_CHACHA20POLY1305};
    struct ov_noise hs;

    if (!w->was_asked)
        return;
    for (size_t i = 0; i < len && i < sizeof answer; i++)
        answer[i] = p[i];
    ov_noise_init_responder(&hs, OV_PROLOGUE, sizeof OV_PROLOGUE - 1, &s->id.pub.dh, &s->id.dh);
    wu_random(w->w, seed, sizeof seed);
    memcpy(d + 8, w->asked + 4, 4);
    ov_store32(d + 4, 77);
    if (ov_noise_read1(&hs, w->asked + 8, OV_INITIATION_LEN - 8 - OV_MACS_LEN, payload) == OV_OK &&
        ov_noise_write2(&hs, seed, answer, sizeof answer, d + 12) == OV_OK) {
        ov_cookie_mac(&s->macs, d, sizeof d, w->w->now);
        inject(w, s, d, sizeof d);
    }
    ov_noise_wipe(&hs);
}

/* A cookie for the last initiation. */
static void cookie(struct world *w, const struct stranger *s, const uint8_t *p, size_t len)
{
    uint8_t d[OV_COOKIE_LEN] = {OV_WIRE_COOKIE};
    struct ov_cookie_checker c;

    if (!w->was_asked)
        return;
    ov_cookie_checker_init(&c, &s->id.pub.dh);
    ov_random_u64(&w->victim->cfg.random);
    ov_cookie_reply(&c, &w->victim->cfg.random, w->asked, sizeof w->asked, p, len, w->w->now,
                    d + 8);
    memcpy(d + 4, w->asked + 4, 4);
    inject(w, s, d, sizeof d);
}

/* The bytes, with the MACs that a handshake message ends with made right. */
static void with_mac(struct world *w, struct stranger *s, const uint8_t *p, size_t len)
{
    uint8_t d[MESSAGE_MAX];

    if (len > sizeof d)
        return;
    if (len > 0)
        memcpy(d, p, len);
    if (len >= 8 && (d[0] == OV_WIRE_DATA || d[0] == OV_WIRE_RESPONSE))
        ov_store32(d + (d[0] == OV_WIRE_DATA ? 4 : 8), s->index);
    if (len > OV_MACS_LEN && d[0] != OV_WIRE_DATA)
        ov_cookie_mac(&s->macs, d, len, w->w->now);
    inject(w, s, d, len);
}

/* The node wants to speak to a stranger, at that one's endpoint. */
static void call(struct world *w, const struct stranger *s)
{
    struct ov_peer *p;

    ov_node_tick(w->victim->n, w->w->now);
    if (ov_peer_get(w->victim->e, &s->id.pub, &p) == OV_OK) {
        ov_peer_hint(p, &s->ep);
        ov_peer_connect(p);
    }
    wu_drain(w->victim);
}

static void step(struct world *w, struct input *in)
{
    enum step what = (enum step)(input_u8(in) % STEPS);
    struct stranger *s = &w->who[input_u8(in) % STRANGERS];
    size_t len;
    const uint8_t *p = input_bytes(in, &len);

    switch (what) {
    case INITIATION:
        initiate(w, s, p, len);
        break;
    case RESPONSE:
        respond(w, s, p, len);
        break;
    case COOKIE:
        cookie(w, s, p, len);
        break;
    case MAC:
        with_mac(w, s, p, len);
        break;
    case RAW:
        inject(w, s, p, len);
        break;
    case CALL:
        call(w, s);
        break;
    case TIME:
        wu_run(w->w, (len > 0 ? p[0] : 1u) * (len > 1 ? p[1] : 1u) * 10 * OV_MS);
        break;
    default: /* a burst: after it the node is under load */
        for (unsigned i = 0; i < (len > 0 ? p[0] : 1u); i++)
            initiate(w, s, p, len);
    }
}

static void make_stranger(struct world *w, unsigned i)
{
    struct stranger *s = &w->who[i];
    uint8_t seed[32];

    wu_random(w->w, seed, sizeof seed);
    if (ov_identity_make(seed, &wu_pow, NULL, NULL, &s->id) != OV_OK)
        abort();
    s->ep = wu_endpoint(100 + i, 5000);
    ov_cookie_maker_init(&s->macs, &w->victim->id.pub.dh);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct input in = {data, len};
    struct world w = {.w = wu_new(1)};
    struct ov_node_config cfg = {.caps = OV_CAP_ROOT | OV_CAP_CONTROLLER, .max_peers = 2};

    w.victim = wu_node_with(w.w, &cfg);
    w.w->hook = swallow;
    w.w->hook_arg = &w;
    for (unsigned i = 0; i < STRANGERS; i++)
        make_stranger(&w, i);
    for (int i = 0; i < STEPS_MAX && in.left > 0; i++) {
        step(&w, &in);
        if (w.victim->e->peers.len > w.victim->e->max_peers)
            abort();
    }
    wu_free(w.w);
    return 0;
}
