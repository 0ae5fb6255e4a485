#include "wirewatch.h"

#include "core/session.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define KEYS_MAX  65536
#define KEYS_KEPT (900 * OV_SEC) /* after their last use */
#define NONCES    32768
#define ANSWERS   16384
#define BEGUN     65536
#define RELAYS    16384
#define SAME      16 /* copies of a datagram by other ways follow it closely */
#define STRANGERS                                                                                  \
    40                  /* handshakes of strangers that are answered at once...                    \
                         */
#define STRANGERS_S  12 /* ...and a second */
#define KEY_USE_OVER OV_SEC

enum kind { DATA = 1, RELAY, EPHEMERAL, NONCE, ANSWER, BEGIN, RELAYED, ASKED };

/* The counters used under one key; `hash` is of the datagrams with the last of
 * them. */
struct counter {
    ov_time first, used;
    uint64_t next, last[SAME], hash[SAME];
};

static struct ov_key key_of(enum kind kind, const struct sim_node *n, uint64_t lo)
{
    return (struct ov_key){(uint64_t)kind << 32 | (n != NULL ? n->index : UINT32_MAX), lo};
}

void wirewatch_init(struct wirewatch *w)
{
    static const uint8_t seed[16] = {2};

    memset(w, 0, sizeof(*w));
    ov_map_init(&w->counters, KEYS_MAX, seed);
    once_init(&w->nonces, NONCES);
    once_init(&w->begun, BEGUN);
    once_init(&w->answers, ANSWERS);
    once_init(&w->relays, RELAYS);
}

void wirewatch_free(struct wirewatch *w)
{
    struct counter *c;
    struct ov_key k;

    for (size_t it = 0; (c = ov_map_next(&w->counters, &it, &k)) != NULL;)
        free(c);
    ov_map_free(&w->counters);
    once_free(&w->nonces);
    once_free(&w->begun);
    once_free(&w->answers);
    once_free(&w->relays);
}

void wirewatch_sweep(struct wirewatch *w, ov_time now)
{
    struct counter *c;
    struct ov_key k;

    for (size_t it = 0; (c = ov_map_next(&w->counters, &it, &k)) != NULL;) {
        if (now - c->used < KEYS_KEPT)
            continue;
        ov_map_del(&w->counters, k);
        free(c);
    }
}

/* ---- keys and counters ---- */

static struct counter *counter_of(struct wirewatch *w, struct ov_key key, ov_time now)
{
    struct counter *c = ov_map_get(&w->counters, key);

    if (c != NULL)
        return c;
    c = calloc(1, sizeof(*c));
    assert(c != NULL);
    c->first = now;
    int rc = ov_map_put(&w->counters, key, c);
    assert(rc == OV_OK);
    return c;
}

static const char *use_counter(struct wirewatch *w, enum kind kind, const struct sim_node *src,
                               const uint8_t *d, size_t len)
{
    ov_time now = src->sim->now;
    struct counter *c = counter_of(w, key_of(kind, src, ov_load32(d + 4)), now);
    uint64_t counter = ov_load64(d + 8), hash = once_hash(d, len);

    c->used = now;
    if (now - c->first > OV_REJECT_AFTER + KEY_USE_OVER)
        return "a key is in use for too long";
    if (counter >= c->next) {
        c->next = counter + 1;
        c->last[counter % SAME] = counter;
        c->hash[counter % SAME] = hash;
        return NULL;
    }
    if (kind == DATA && c->last[counter % SAME] == counter && c->hash[counter % SAME] == hash)
        return NULL; /* the same datagram by another way */
    return kind == DATA ? "a nonce is used twice under one key"
                        : "a relay counter is used twice under one key";
}

static struct ov_key value_key(enum kind kind, const uint8_t *value)
{
    return (struct ov_key){(uint64_t)kind << 56 | ov_load64(value) >> 8, ov_load64(value + 8)};
}

static const char *use_once(struct wirewatch *w, enum kind kind, const uint8_t *value,
                            const uint8_t *d, size_t len)
{
    return once_put(&w->nonces, value_key(kind, value), once_hash(d, len))
               ? NULL
               : "an ephemeral key or a nonce comes twice";
}

/* ---- strangers ---- */

/* The datagram goes to a place where only enemies are. */
static const char *to_enemy(struct wirewatch *w, const struct sim_site *site, uint16_t port,
                            const struct sim_node *src, const uint8_t *d, size_t len)
{
    struct sim_account *a = &site->enemy[port % SIM_ACCOUNTS];
    ov_time now = src->sim->now;

    a->told += len;
    if (site->mute)
        return "what has no valid mac1 is answered";
    if (a->told > a->asked + a->allowance)
        return "a stranger is told more than it asked";
    if (d[0] != OV_WIRE_RESPONSE || len != OV_RESPONSE_LEN)
        return NULL;
    if (w->strangers[src->index].answered++ == 0)
        w->strangers[src->index].first = now;
    if (w->strangers[src->index].answered >
        STRANGERS + (now - w->strangers[src->index].first) / OV_SEC * STRANGERS_S)
        return "strangers get as many handshakes as they like";
    return NULL;
}

/* Whose table of peers is full forgets whom it met, and with them their last
 * stamps. */
static bool forgetful(const struct sim_node *n)
{
    return n->inner->peers.len + 1 >= n->inner->max_peers;
}

static struct ov_key begun_key(uint32_t number)
{
    return key_of(BEGIN, NULL, number);
}

/* Numbers are random: in a long run two initiations may bear the same. */
static const char *initiated(struct wirewatch *w, const uint8_t *d, size_t len)
{
    struct ov_key number = begun_key(ov_load32(d + 4));
    bool again = once_get(&w->nonces, value_key(EPHEMERAL, d + 8)) != NULL;
    const char *wrong = use_once(w, EPHEMERAL, d + 8, d, len);

    if (again || wrong != NULL)
        return wrong;
    uint64_t *times = once_get(&w->begun, number);
    if (times != NULL)
        (*times)++;
    else
        once_put(&w->begun, number, 1);
    return NULL;
}

static const char *answered(struct wirewatch *w, const struct sim_node *src, const uint8_t *d,
                            size_t len)
{
    struct ov_key key = key_of(ANSWER, src, (uint64_t)src->life << 32 | ov_load32(d + 8));
    const uint64_t *begun = once_get(&w->begun, begun_key(ov_load32(d + 8)));
    uint64_t times = begun != NULL ? *begun : 1; /* (enemies give each of theirs its own) */

    for (uint64_t i = 0; i < times; i++) {
        if (once_put(&w->answers, key, once_hash(d, len)))
            return NULL;
        key.hi += 1ull << 40;
    }
    return forgetful(src) ? NULL : "an initiation is answered twice";
}

/* ---- relays ---- */

static const struct sim_node *node_of(const struct sim *s, ov_addr a)
{
    for (size_t i = 0; i < s->nnodes; i++) {
        if (s->nodes[i]->addr == a)
            return s->nodes[i];
    }
    return NULL;
}

static ov_addr relay_addr(const uint8_t *d)
{
    return (uint64_t)ov_load32(d + 16) << 8 | d[20];
}

static struct ov_key relay_key(enum kind kind, const struct sim_node *from, const uint8_t *d,
                               size_t len)
{
    return key_of(kind, from, once_hash(d + OV_RELAY_HEADER, len - OV_RELAY_HEADER));
}

/* What a node asks to be relayed is noted, with the number of times; what a
 * relay passes on must have been asked for so often. What was broken on its way
 * is not found, and proves nothing. */
static const char *relayed(struct wirewatch *w, const struct sim_node *src, const uint8_t *d,
                           size_t len)
{
    const struct sim_node *from = d[1] ? node_of(src->sim, relay_addr(d)) : src;
    uint64_t *asked, *done;

    if (from == NULL)
        return "a relay passes on what comes from nowhere";
    if (!d[1]) {
        struct ov_key key = relay_key(ASKED, from, d, len);
        asked = once_get(&w->relays, key);
        if (asked != NULL)
            *asked += 1ull << 48;
        else
            once_put(&w->relays, key, 1ull << 48 | relay_addr(d));
        return NULL;
    }
    asked = once_get(&w->relays, relay_key(ASKED, from, d, len));
    if (asked == NULL)
        return NULL;
    struct ov_key key = relay_key(RELAYED, from, d, len);
    once_put(&w->relays, key, 0);
    done = once_get(&w->relays, key);
    return ++*done > *asked >> 48 ? "a relay passes on more than it was asked to" : NULL;
}

/* ---- all of it ---- */

const char *wirewatch_sent(struct wirewatch *w, const struct sim_node *src,
                           const struct ov_endpoint *to, const uint8_t *d, size_t len)
{
    struct sim_site *site = ov_map_get(&src->sim->by_ip, ov_key_ip(&to->ip));
    const char *wrong = NULL;

    if (memmem(d, len, w->mark, sizeof(w->mark)) != NULL)
        return "a frame goes out in plain";
    if (site != NULL && site->enemy != NULL)
        wrong = to_enemy(w, site, to->port, src, d, len);
    if (wrong == NULL && len > OV_RELAY_HEADER && d[0] == OV_WIRE_RELAY) {
        wrong = use_counter(w, RELAY, src, d, len);
        if (wrong == NULL)
            wrong = relayed(w, src, d, len);
        if (d[1])
            return wrong; /* what is inside is somebody else's */
        d += OV_RELAY_HEADER;
        len -= OV_RELAY_HEADER;
    }
    if (wrong != NULL || len < OV_DATAGRAM_MIN)
        return wrong;
    if (d[0] == OV_WIRE_DATA)
        return use_counter(w, DATA, src, d, len);
    if (d[0] == OV_WIRE_INITIATION)
        return initiated(w, d, len);
    if (d[0] == OV_WIRE_COOKIE)
        return use_once(w, NONCE, d + 8, d, len);
    if (d[0] != OV_WIRE_RESPONSE)
        return NULL;
    wrong = use_once(w, EPHEMERAL, d + 12, d, len);
    return wrong != NULL ? wrong : answered(w, src, d, len);
}

const char *wirewatch_came(struct wirewatch *w, const struct sim_node *src,
                           const struct sim_node *at, const uint8_t *d, size_t len)
{
    if (src == NULL || at == NULL || len <= OV_RELAY_HEADER || d[0] != OV_WIRE_RELAY || !d[1])
        return NULL;
    const struct sim_node *from = node_of(src->sim, relay_addr(d));
    const uint64_t *asked = from ? once_get(&w->relays, relay_key(ASKED, from, d, len)) : NULL;
    const struct sim_node *meant = asked ? node_of(src->sim, *asked & OV_ADDR_MASK) : NULL;
    /* A router that lost its mappings may give the port to a neighbour. */
    if (meant != NULL && meant != at && meant->site != at->site)
        return "a relay passes on to somebody else than it was asked to";
    return NULL;
}
