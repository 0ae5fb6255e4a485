/* Authenticated messages: a member of a network, its root and controller, another member, and what
 * each of the two may say to it under its session, in any order and with time between. The AEAD is
 * the null one, so what a datagram carries is written here as it is; and datagrams as a whole may
 * be anything as well.
 *
 * What must hold after every step: no frame reaches the TAP but under the MAC of the other member,
 * which sent it or for which it was answered here; tables and reassembly keep to their limits; the
 * node wants to be called again in the future, not in the past for ever. */
#include "reader.h"
#include "tests/unit/wire_up.h"

#include "core/peer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define STEPS_MAX   64
#define MESSAGE_MAX 4096
#define CALLS_MAX   20000 /* of a node whose clock stands still or goes in small steps */

/* Two bytes of a step: what, and who says it. */
enum step {
    MESSAGE,  /* a message, sealed */
    DATAGRAM, /* bytes as they are */
    RELAYED, /* bytes as they are, that the root says came from the other member, or from anybody */
    SEALED,  /* a message in a datagram whose counter is in the input too */
    HOST,    /* a frame from the member's own TAP */
    WAIT,    /* some milliseconds */
    LONG,    /* some seconds */
    LOSE,    /* from now on some datagrams do not arrive */
    STEPS,
};

struct world {
    struct wu *w;
    struct wu_node *root, *victim, *other;
    unsigned lose; /* a mask of counted datagrams */
    unsigned sent;
};

static bool lossy(void *arg, struct wu_packet *p)
{
    struct world *w = arg;

    (void)p;
    return w->lose == 0 || (w->sent++ & w->lose) != 0;
}

static void on_frame(struct wu_node *n, const struct ov_out_frame *f)
{
    const struct wu_node *other = n->w->node[2];
    struct ov_mac theirs = wu_mac(other);

    if (f->net != n->w->net.config.netid || f->len < OV_ETH_LEN || f->len > OV_FRAME_MAX ||
        memcmp(f->data + 6, theirs.b, 6) != 0)
        abort();
}

static void must_hold(const struct world *w)
{
    const struct ov_engine *e = w->victim->e;
    ov_time next = ov_node_deadline(w->victim->n);

    if (e->reassembly.bytes > e->reassembly.limit ||
        e->reassembly_strangers.bytes > OV_REASSEMBLY_STRANGERS || e->peers.len > e->max_peers)
        abort();
    if (next < w->w->now)
        abort();
}

static struct wu_node *speaker(const struct world *w, uint8_t who)
{
    return who & 1 ? w->other : w->root;
}

/* Under the key that the speaker has with the victim now, or not at all. */
static void sealed(struct world *w, struct wu_node *from, uint64_t counter, const uint8_t *msg,
                   size_t len)
{
    static uint8_t d[MESSAGE_MAX + OV_DATA_OVERHEAD];
    struct ov_peer *p = wu_peer(from, w->victim);
    struct ov_keypair *kp = p ? p->s.current : NULL;

    if (!kp || len > MESSAGE_MAX)
        return;
    memset(d, 0, OV_DATA_HEADER);
    d[0] = OV_WIRE_DATA;
    ov_store32(d + 4, kp->remote);
    ov_store64(d + 8, counter);
    ov_aead_seal(&kp->send, counter, d, OV_DATA_HEADER, msg, len, d + OV_DATA_HEADER);
    wu_inject(w->victim, &from->ep, d, len + OV_DATA_OVERHEAD);
}

/* From the root, in a relay header that is right. */
static void relayed(struct world *w, ov_addr source, const uint8_t *inner, size_t len)
{
    static uint8_t d[MESSAGE_MAX + OV_RELAY_HEADER];
    struct ov_peer *p = wu_peer(w->root, w->victim);
    struct ov_keypair *kp = p ? p->s.current : NULL;

    if (!kp || len > MESSAGE_MAX || len == 0)
        return;
    ov_keypair_relay_header(kp, source, true, d);
    memcpy(d + OV_RELAY_HEADER, inner, len);
    wu_inject(w->victim, &w->root->ep, d, len + OV_RELAY_HEADER);
}

static void step(struct world *w, struct input *in)
{
    enum step what = (enum step)(input_u8(in) % STEPS);
    uint8_t who = input_u8(in);
    uint16_t n = what >= WAIT ? input_u16(in) : 0;
    size_t len = 0;

    if (what == SEALED)
        n = input_u16(in);
    const uint8_t *p = what < WAIT ? input_bytes(in, &len) : NULL;
    switch (what) {
    case MESSAGE:
        if (len <= MESSAGE_MAX)
            wu_message(speaker(w, who), w->victim, p, len);
        break;
    case DATAGRAM:
        wu_inject(w->victim, &speaker(w, who)->ep, p, len);
        break;
    case RELAYED:
        relayed(w, who & 2 ? (ov_addr)who << 32 | 1 : w->other->addr, p, len);
        break;
    case SEALED:
        sealed(w, speaker(w, who), n, p, len);
        break;
    case HOST:
        wu_frame(w->victim, p, len);
        break;
    case WAIT:
        wu_run(w->w, n * OV_MS);
        break;
    case LONG:
        wu_run(w->w, n % 512 * OV_SEC);
        break;
    default:
        w->lose = who;
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct input in = {data, len};
    struct world w = {.w = wu_lan(1, 2)};

    w.root = w.w->node[0];
    w.victim = w.w->node[1];
    w.other = w.w->node[2];
    wu_connect(w.victim, w.other);
    w.victim->on_frame = on_frame;
    w.w->hook = lossy;
    w.w->hook_arg = &w;
    for (int i = 0; i < STEPS_MAX && in.left > 0; i++) {
        step(&w, &in);
        must_hold(&w);
    }
    wu_log_clear(w.w);
    wu_free(w.w);
    return 0;
}
