/* On the wire. */
#include "enemy.h"

#include "core/noise.h"

#include <assert.h>
#include <string.h>

#define KEEP_ONE_IN 3
#define TOUCH       20  /* of a thousand datagrams, by each kind of attack on the path */
#define CHALLENGE   512 /* bytes that one datagram from elsewhere may be challenged with */
#define FLOOD_AT    16  /* initiations a step */

const char *const enemy_names[ENEMY_KINDS] = {"corrupt", "hold back", "hijack", "divert", "replay",
                                              "forge",   "spoof",     "flood",  "mute",   "member",
                                              "guest",   "stranger",  "root"};

static const struct ov_pow pow_cheap = {8, 0};

uint64_t enemy_pick(struct enemy *e, uint64_t n)
{
    return sim_random(&e->random) % n;
}

bool enemy_has(const struct enemy *e, enum enemy_kind k)
{
    return e->kinds >> k & 1;
}

static struct ov_endpoint at_site(struct enemy *e, const struct sim_site *site)
{
    e->port = (uint16_t)(e->port % (SIM_ACCOUNTS - 1) + 1);
    return (struct ov_endpoint){.ip = site->wan, .port = e->port};
}

/* Send what is authentic, or may be, from our own place. Whoever takes it may challenge us. */
static void from_here(struct enemy *e, const struct ov_endpoint *to, ov_time delay,
                      const uint8_t *d, size_t len)
{
    struct ov_endpoint here = at_site(e, e->own);

    e->own->enemy[here.port].allowance += CHALLENGE;
    sim_inject(e->s, &here, to, delay, d, len);
}

/* ---- on the path ---- */

static void keep_copy(struct enemy *e, const struct sim_node *src, const struct ov_endpoint *from,
                      const struct ov_endpoint *to, const uint8_t *data, size_t len)
{
    if (len > ENEMY_BYTES)
        return;
    struct enemy_copy *c = &e->kept[e->nkept < ENEMY_KEPT ? e->nkept++ : enemy_pick(e, ENEMY_KEPT)];
    c->from = *from;
    c->to = *to;
    c->src = src;
    c->len = len;
    memcpy(c->data, data, len);
}

/* Change a copy of it: a bit, a byte, or where it ends. */
static size_t spoil(struct enemy *e, uint8_t *d, size_t len)
{
    switch (enemy_pick(e, 4)) {
    case 0:
        return 1 + enemy_pick(e, len);
    case 1:
        d[len] = 0;
        return len + 1;
    case 2:
        d[enemy_pick(e, len)] ^= (uint8_t)(1 + enemy_pick(e, 255));
        return len;
    default:
        d[enemy_pick(e, len)] ^= (uint8_t)(1u << enemy_pick(e, 8));
        return len;
    }
}

static bool touched(struct enemy *e, enum enemy_kind k)
{
    return enemy_has(e, k) && enemy_pick(e, 1000) < TOUCH;
}

static bool is_relay(const uint8_t *d, size_t len)
{
    return len > OV_RELAY_HEADER && d[0] == OV_WIRE_RELAY;
}

static void divert(struct enemy *e, uint8_t *d)
{
    ov_addr a = e->s->nodes[enemy_pick(e, e->s->nnodes)]->addr;

    for (int i = 0; i < 5; i++)
        d[16 + i] = (uint8_t)(a >> (32 - 8 * i));
}

static bool on_tap(void *arg, const struct sim_node *src, const struct ov_endpoint *from,
                   const struct ov_endpoint *to, const uint8_t *data, size_t len)
{
    struct enemy *e = arg;
    uint8_t d[ENEMY_BYTES + 1];
    ov_time delay = 20 * OV_MS;

    /* What comes to our own place we do not pass on: we would be a way there then, if a bad one. */
    if (ov_ip_equal(&to->ip, &e->own->wan))
        return true;
    if (enemy_pick(e, KEEP_ONE_IN) == 0)
        keep_copy(e, src, from, to, data, len);
    if (!e->on_path || len > ENEMY_BYTES)
        return true;
    memcpy(d, data, len);
    if (src == e->root && enemy_pick(e, 4) == 0) { /* a relay that relays badly */
        if (enemy_pick(e, 2))
            sim_inject(e->s, from, to, enemy_pick(e, 2000) * OV_MS, d, len);
        return false;
    }
    if (touched(e, ENEMY_CORRUPT)) {
        len = spoil(e, d, len);
        sim_inject(e->s, from, to, delay, d, len);
        return false;
    }
    if (touched(e, ENEMY_HOLD)) {
        sim_inject(e->s, from, to, enemy_pick(e, 3000) * OV_MS, d, len);
        return false;
    }
    if (touched(e, ENEMY_HIJACK)) {
        from_here(e, to, delay, d, len);
        return false;
    }
    if (is_relay(d, len) && touched(e, ENEMY_DIVERT)) {
        divert(e, d);
        sim_inject(e->s, from, to, delay, d, len);
        return false;
    }
    return true;
}

/* ---- from anywhere ---- */

static const struct enemy_copy *any_copy(struct enemy *e)
{
    return e->nkept > 0 ? &e->kept[enemy_pick(e, e->nkept)] : NULL;
}

/* Again, to whom it was for or to another, from where it came or from here. */
static void replay(struct enemy *e)
{
    const struct enemy_copy *c = any_copy(e), *other = any_copy(e);

    if (c == NULL)
        return;
    const struct ov_endpoint *to = enemy_pick(e, 4) ? &c->to : &other->to;
    if (enemy_pick(e, 4))
        sim_inject(e->s, &c->from, to, 0, c->data, c->len);
    else
        from_here(e, to, 0, c->data, c->len);
}

/* What a stranger may guess: types, indices that were seen, counters that come next, garbage. */
static void forge(struct enemy *e)
{
    const struct enemy_copy *c = any_copy(e);
    uint8_t d[ENEMY_BYTES + 1];
    size_t len;

    if (c == NULL)
        return;
    memcpy(d, c->data, len = c->len);
    switch (enemy_pick(e, 5)) {
    case 0:
        len = spoil(e, d, len);
        break;
    case 1:
        d[0] = (uint8_t)enemy_pick(e, 12);
        break;
    case 2:
        if (len > 15)
            d[15] = (uint8_t)(d[15] + 1 + enemy_pick(e, 9)); /* the next counters */
        break;
    case 3:
        if (is_relay(d, len))
            divert(e, d);
        break;
    default:
        sim_fill(&e->random, d + 4, len > 4 ? len - 4 : 0);
        break;
    }
    if (enemy_pick(e, 2))
        sim_inject(e->s, &c->from, &c->to, 0, d, len);
    else
        from_here(e, &c->to, 0, d, len);
}

static const struct sim_node *any_node(struct enemy *e)
{
    return e->s->nodes[enemy_pick(e, e->s->nnodes)];
}

/* A genuine initiation of an identity that nobody has met, but for its mac1 if that is not wanted.
 */
static void initiate(struct enemy *e, const struct sim_node *to, struct sim_site *from, bool mac1)
{
    uint8_t d[OV_INITIATION_LEN] = {OV_WIRE_INITIATION}, payload[OV_INITIATION_PAYLOAD], seed[32];
    struct ov_endpoint here = at_site(e, from);
    struct ov_cookie_maker macs;
    struct ov_noise hs;

    if (to->engine == NULL)
        return;
    const struct ov_identity *id = ov_node_identity(to->engine);
    struct ov_initiation init = {.sign = e->self.pub.sign,
                                 .nonce = e->self.pub.nonce + ++e->floods,
                                 .stamp = e->floods,
                                 .aeads = 1 << OV_AEAD_CHACHA20POLY1305};
    sim_fill(&e->random, seed, sizeof(seed));
    /* any number, but each once: what is answered twice is known by it */
    ov_store32(d + 4, (uint32_t)e->floods * 2654435761u);
    ov_initiation_encode(&init, payload);
    ov_noise_init_initiator(&hs, OV_PROLOGUE, sizeof(OV_PROLOGUE) - 1, &e->self.pub.dh, &e->self.dh,
                            &id->dh);
    int rc = ov_noise_write1(&hs, seed, payload, sizeof(payload), d + 8);
    assert(rc == OV_OK);
    ov_cookie_maker_init(&macs, &id->dh);
    ov_cookie_mac(&macs, d, sizeof(d), e->s->now);
    if (!mac1)
        d[sizeof(d) - OV_MACS_LEN + enemy_pick(e, OV_MAC_LEN)] ^= 1;
    sim_inject(e->s, &here, &to->local, 0, d, sizeof(d));
}

/* A root above all; only a public host can be flooded without its router's help. */
static void flood(struct enemy *e, bool mac1)
{
    const struct sim_node *to = enemy_pick(e, 2) ? e->s->nodes[0] : any_node(e);

    for (int i = 0; i < FLOOD_AT && !to->site->nat; i++)
        initiate(e, to, mac1 ? e->own : e->mute, mac1);
}

static void spoof(struct enemy *e)
{
    struct ov_endpoint victim = at_site(e, e->victim);
    const struct sim_node *to = any_node(e);
    uint8_t d[OV_WHO_LEN];

    ov_who_encode(sim_random(&e->random), d);
    sim_inject(e->s, &victim, &to->local, 0, d, sizeof(d));
}

void enemy_wire_step(struct enemy *e)
{
    if (enemy_has(e, ENEMY_REPLAY))
        replay(e);
    if (enemy_has(e, ENEMY_FORGE))
        forge(e);
    if (enemy_has(e, ENEMY_SPOOF))
        spoof(e);
    if (enemy_has(e, ENEMY_FLOOD) && e->s->now / OV_SEC % 20 < 3)
        flood(e, true);
    if (enemy_has(e, ENEMY_MUTE) && enemy_pick(e, 8) == 0)
        flood(e, false);
}

void enemy_step(struct enemy *e)
{
    if (e->s->stop)
        return;
    enemy_wire_step(e);
    enemy_node_step(e);
}

static void identity(struct enemy *e, struct ov_identity_secret *out)
{
    uint8_t seed[32];

    sim_fill(&e->random, seed, sizeof(seed));
    int rc = ov_identity_make(seed, &pow_cheap, NULL, NULL, out);
    assert(rc == OV_OK);
}

void enemy_init(struct enemy *e, struct sim *s, struct safety *safety, uint64_t seed, ov_netid net)
{
    memset(e, 0, sizeof(*e));
    e->s = s;
    e->safety = safety;
    e->random = seed;
    e->net = net;
    e->kinds = (unsigned)(sim_random(&e->random) | sim_random(&e->random));
    e->own = sim_enemy(s);
    e->mute = sim_enemy(s);
    e->mute->mute = true;
    e->victim = sim_enemy(s);
    identity(e, &e->self);
    identity(e, &e->controller);
    s->tap = on_tap;
    s->tap_arg = e;
}
