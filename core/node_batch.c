/* Batches of datagrams and frames.
 *
 * Theory of operation. What a packet needs of a node with many peers is seldom in the processor's
 * caches, and is found by following pointers: slot, key pair, peer, paths; or slot, member, peer,
 * key pair and paths. Waiting for memory four times costs more than encrypting a small frame. But a
 * batch tells some packets ahead what will be needed. So each packet takes a few steps before it is
 * dealt with, each a moment after the one before: a step asks for the memory that the next step, or
 * the dealing itself, is going to read, and waits for nothing. The steps change nothing; a packet
 * that they guess wrong about is only slower.
 *
 * The steps of one packet hand pointers to each other while other packets are dealt with, and those
 * may end what is pointed to. e.ended counts such ends: after one, the steps of the packets under
 * way do nothing. */
#include "node.h"

#include "node_state.h"

#include "input.h"
#include "member.h"
#include "switch.h"

#include <string.h>

#define STEPS 5 /* step 0 is the first, STEPS the dealing itself */
#define GAP   2 /* packets dealt with between one step and the next */
#define RING  16

_Static_assert(RING >= STEPS * GAP && (RING & (RING - 1)) == 0, "one place for each under way");

/* What the steps of one packet know so far; NULL: nothing more to ask for. */
struct ahead {
    uint64_t ended; /* when it began */
    uint64_t hash;
    struct ov_index *ix;
    struct ov_member *m;
    struct ov_peer *p;
};

static void ask_path(const struct ov_peer *p)
{
    const struct ov_paths *ps = p->paths;
    if (ps && ps->active >= 0) {
        ov_prefetch(&ps->p[ps->active]);
        ov_prefetch(&ps->p[ps->active].q.mtu);
    }
}

/* ---- datagrams ---- */

static uint32_t receiver(const struct ov_datagram *d)
{
    return d->len >= OV_DATAGRAM_MIN ? ov_load32(d->data + 4) : 0;
}

static void datagram_step(struct ov_engine *e, const struct ov_datagram *d, int step,
                          struct ahead *a)
{
    switch (step) {
    case 0:
        ov_indices_prefetch(&e->indices, receiver(d));
        break;
    case 1:
        a->ix = ov_indices_find(&e->indices, receiver(d));
        ov_prefetch(a->ix);
        break;
    case 2:
        if (!a->ix || !a->ix->kp)
            break;
        a->p = a->ix->peer;
        ov_peer_prefetch(a->p);
        ov_keypair_prefetch_open(a->ix->kp);
        break;
    case 3:
        if (!a->p)
            break;
        ov_prefetch(a->p->paths);
        ov_prefetch(a->p->upper);
        break;
    default:
        if (a->p)
            ask_path(a->p);
    }
}

/* The steps that are due when packet t begins; those under way are in `ring`. */
static void datagram_steps(struct ov_engine *e, const struct ov_datagram *v, size_t count, size_t t,
                           struct ahead *ring)
{
    for (int step = 0; step < STEPS; step++) {
        size_t i = t - (size_t)(step * GAP); /* huge when it is not its turn yet */
        struct ahead *a = &ring[i % RING];
        if (i >= count)
            continue;
        if (step == 0) { /* what follows its like finds all there */
            bool like = i > 0 && receiver(&v[i]) == receiver(&v[i - 1]);
            *a = (struct ahead){.ended = e->ended - like};
        }
        if (a->ended == e->ended)
            datagram_step(e, &v[i], step, a);
    }
}

void ov_node_datagrams(struct ov_node *n, const struct ov_datagram *v, size_t count, ov_time now)
{
    struct ahead ring[RING];
    size_t lead = count > 1 ? (size_t)STEPS * GAP : 0;
    ov_node_turn_begin(n, now);
    n->e.stats.drops[OV_DROP_OUTPUT_FULL] += ov_outq_begin(&n->e.out);
    for (size_t t = 0; t < count + lead; t++) {
        if (lead)
            datagram_steps(&n->e, v, count, t, ring);
        size_t i = t - lead;
        if (i >= count)
            continue;
        struct ov_via via = {.socket = v[i].socket, .local = v[i].to, .ep = v[i].from};
        ov_input_datagram(&n->e, &n->locate, &via, v[i].data, v[i].len);
    }
    ov_node_turn_end(n);
}

/* ---- frames ---- */

/* The member's address that the frame's destination MAC is made of, or 0. */
static ov_addr destination(const struct ov_network *net, const struct ov_frame *f)
{
    struct ov_mac dst;
    ov_addr a;
    if (f->len < OV_ETH_LEN)
        return 0;
    memcpy(&dst, f->data, sizeof dst);
    return ov_mac_underive(&dst, net->id, &a) ? a : 0;
}

static void frame_step(struct ov_network *net, const struct ov_frame *f, int step, struct ahead *a)
{
    struct ov_key k = ov_key_u64(destination(net, f));
    switch (step) {
    case 0:
        a->hash = ov_map_hash(&net->members, k);
        ov_map_prefetch(&net->members, a->hash);
        break;
    case 1:
        a->m = ov_map_get_hashed(&net->members, k, a->hash);
        ov_prefetch(a->m);
        break;
    case 2:
        if (!a->m || !a->m->peer)
            break;
        a->p = a->m->peer;
        ov_peer_prefetch(a->p);
        break;
    case 3:
        if (!a->p)
            break;
        ov_prefetch(a->p->paths);
        if (a->p->s.current)
            ov_keypair_prefetch_seal(a->p->s.current);
        break;
    default:
        if (a->p)
            ask_path(a->p);
    }
}

static void frame_steps(struct ov_network *net, const struct ov_frame *v, size_t count, size_t t,
                        struct ahead *ring)
{
    const struct ov_engine *e = net->o->e;
    for (int step = 0; step < STEPS; step++) {
        size_t i = t - (size_t)(step * GAP);
        struct ahead *a = &ring[i % RING];
        if (i >= count)
            continue;
        if (step == 0)
            *a = (struct ahead){.ended = e->ended};
        if (a->ended == e->ended)
            frame_step(net, &v[i], step, a);
    }
}

void ov_node_frames(struct ov_node *n, ov_netid id, const struct ov_frame *v, size_t count,
                    ov_time now)
{
    struct ahead ring[RING];
    size_t lead = count > 1 ? (size_t)STEPS * GAP : 0;
    ov_node_turn_begin(n, now);
    n->e.stats.drops[OV_DROP_OUTPUT_FULL] += ov_outq_begin(&n->e.out);
    struct ov_network *net = ov_network_find(&n->o, id);
    if (!net)
        n->e.stats.drops[OV_DROP_NOT_JOINED] += count;
    for (size_t t = 0; net && t < count + lead; t++) {
        if (lead)
            frame_steps(net, v, count, t, ring);
        size_t i = t - lead;
        const struct ahead *a = &ring[i % RING];
        if (i < count)
            ov_switch_send(net, v[i].data, v[i].len, &v[i].offload,
                           lead && a->ended == n->e.ended ? a->m : NULL);
    }
    ov_node_turn_end(n);
}
