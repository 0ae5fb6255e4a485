#include "engine.h"

#include <string.h>

#define HANDSHAKES_FREE   100 /* a second without anybody having to show a cookie */
#define HANDSHAKES_SOURCE 20  /* a second from one source that showed its cookie */
#define WHO_SOURCE        5   /* first contacts a second from one source */
#define COOKIE_SOURCE     50  /* cookies a second to one source */
#define SOURCES_MAX       4096
#define POW_CHECKS        50  /* identities never seen before, a second */
#define POW_FREE          10  /* of these without anybody having to show a cookie */
#define POW_SOURCE        5   /* of these from one source that showed its cookie */
#define UNPROVEN_RATE     500 /* datagrams a second to endpoints that have not answered yet */
#define UNPROVEN_BURST    1300
#define ANSWERS           50000 /* cookies and IAMs a second: more would cost those we know theirs */

/* What one persisted bound covers, in microseconds: five minutes of the wall clock, or of a clock
 * that lies behind the stamps, a million of them. */
#define STAMP_AHEAD 300000000ull
#define STAMP_SPARE 1000000ull

/* A per-purpose seed for the hash tables. */
static void random_seed(const struct ov_random *r, uint8_t seed[16])
{
    r->fill(r->arg, seed, 16);
}

static void init_maps(struct ov_engine *e)
{
    uint8_t seed[16];
    random_seed(&e->random, seed);
    ov_map_init(&e->peers, e->max_peers, seed);
    random_seed(&e->random, seed);
    ov_map_init(&e->by_key, e->max_peers, seed);
    ov_indices_init(&e->indices, e->max_peers * 4);
}

int ov_engine_init(struct ov_engine *e, const struct ov_identity_secret *id, uint8_t caps,
                   const struct ov_pow *pow, const struct ov_random *random,
                   const struct ov_log *log, size_t out_bytes, size_t max_peers, ov_time now,
                   ov_wall wall)
{
    uint8_t seed[16];
    memset(e, 0, sizeof *e);
    e->id = *id;
    e->caps = caps;
    e->pow = *pow;
    e->random = *random;
    e->log = *log;
    e->boot = (uint16_t)ov_random_u64(random);
    e->now = e->born = now;
    e->wall_born = wall;
    e->max_peers = max_peers ? max_peers : OV_PEERS_DEFAULT;
    e->aeads = 1 << OV_AEAD_CHACHA20POLY1305;
    if (ov_aead_available(OV_AEAD_AES256GCM))
        e->aeads |= 1 << OV_AEAD_AES256GCM;
    init_maps(e);
    ov_timers_init(&e->timers);
    ov_budget_init(&e->budget, now);
    e->changed = now;
    e->reassembly.limit = OV_REASSEMBLY_TOTAL - OV_REASSEMBLY_STRANGERS;
    e->reassembly_strangers.limit = OV_REASSEMBLY_STRANGERS;
    ov_cookie_checker_init(&e->cookies, &id->pub.dh);
    ov_bucket_init(&e->handshake_load, HANDSHAKES_FREE, HANDSHAKES_FREE * 2, now);
    ov_bucket_init(&e->answers, ANSWERS, ANSWERS / 10, now);
    ov_bucket_init(&e->pow_checks, POW_CHECKS, POW_CHECKS * 4, now);
    ov_bucket_init(&e->pow_free, POW_FREE, POW_FREE * 2, now);
    ov_bucket_init(&e->unproven, UNPROVEN_RATE, UNPROVEN_BURST, now);
    random_seed(random, seed);
    ov_map_init(&e->served, OV_SERVED_MAX, seed); /* nobody outside chooses its keys */
    e->stranger_sources = ov_ratelimit_new(SOURCES_MAX, POW_SOURCE, POW_SOURCE * 4, seed);
    random_seed(random, seed);
    e->handshake_sources =
        ov_ratelimit_new(SOURCES_MAX, HANDSHAKES_SOURCE, HANDSHAKES_SOURCE, seed);
    random_seed(random, seed);
    e->cookie_sources = ov_ratelimit_new(SOURCES_MAX, COOKIE_SOURCE, COOKIE_SOURCE * 2, seed);
    random_seed(random, seed);
    e->who_sources = ov_ratelimit_new(SOURCES_MAX, WHO_SOURCE, WHO_SOURCE * 2, seed);
    if (!e->handshake_sources || !e->stranger_sources || !e->cookie_sources || !e->who_sources ||
        ov_outq_init(&e->out, out_bytes) != OV_OK) {
        ov_engine_free(e);
        return OV_ENOMEM;
    }
    return OV_OK;
}

void ov_engine_free(struct ov_engine *e)
{
    ov_map_free(&e->peers);
    ov_map_free(&e->by_key);
    ov_map_free(&e->served);
    ov_indices_free(&e->indices);
    ov_timers_free(&e->timers);
    ov_ratelimit_free(e->relay_sources);
    ov_ratelimit_free(e->relay_newcomers);
    ov_ratelimit_free(e->handshake_sources);
    ov_ratelimit_free(e->stranger_sources);
    ov_ratelimit_free(e->cookie_sources);
    ov_ratelimit_free(e->who_sources);
    ov_outq_free(&e->out);
    ov_wipe(e, sizeof *e);
}

void ov_drop(struct ov_engine *e, enum ov_drop why)
{
    e->stats.drops[why]++;
}

bool ov_emit(struct ov_engine *e, const struct ov_out_event *ev)
{
    if (ov_outq_event(&e->out, ev))
        return true;
    ov_drop(e, OV_DROP_OUTPUT_FULL);
    return false;
}

bool ov_persist(struct ov_engine *e, enum ov_persist_kind kind, uint64_t id, const void *data,
                size_t len)
{
    if (ov_outq_persist(&e->out, kind, id, data, len))
        return true;
    ov_drop(e, OV_DROP_OUTPUT_FULL);
    return false;
}

ov_wall ov_engine_wall(const struct ov_engine *e)
{
    return e->wall_born + (e->now - e->born) / OV_MS;
}

static uint64_t stamp_clock(const struct ov_engine *e)
{
    return e->wall_born * 1000 + (e->now - e->born) / 1000;
}

/* Where the clock is behind the stamps they grow by one each, and so may the bound: many restarts
 * in a row take it hardly further ahead than one. */
void ov_engine_keep_stamp(struct ov_engine *e)
{
    uint64_t clock = stamp_clock(e) + STAMP_AHEAD, spare = e->stamp + STAMP_SPARE;
    uint64_t bound = clock > spare ? clock : spare;
    uint8_t buf[8];
    if (e->stamp <= e->stamp_stored)
        return;
    ov_store64(buf, bound);
    if (ov_persist(e, OV_PERSIST_STAMP, 0, buf, sizeof buf))
        e->stamp_stored = bound;
}

/* Stamps follow the wall clock in microseconds, but never go back: a clock that does is overruled
 * by the persisted bound, which always lies ahead of any stamp in use. */
uint64_t ov_engine_stamp(struct ov_engine *e)
{
    uint64_t clock = stamp_clock(e);
    e->stamp = clock > e->stamp ? clock : e->stamp + 1;
    ov_engine_keep_stamp(e);
    return e->stamp;
}

int ov_engine_restore_stamp(struct ov_engine *e, const void *data, size_t len)
{
    if (len != 8)
        return OV_EINVAL;
    uint64_t v = ov_load64(data);
    if (v > e->stamp)
        e->stamp = e->stamp_stored = v;
    return OV_OK;
}

bool ov_engine_is_local(const struct ov_engine *e, const struct ov_ip *ip)
{
    for (size_t i = 0; i < e->nlocals; i++)
        if (ov_ip_equal(&e->locals[i].ep.ip, ip))
            return true;
    return false;
}

bool ov_engine_is_near(const struct ov_engine *e, const struct ov_ip *ip)
{
    size_t same = ip->family == 4 ? 3 : 8;
    if (!ov_ip_is_private(ip))
        return false;
    if (ip->family == 6 && ip->b[0] == 0xfe)
        return true;
    for (size_t i = 0; i < e->nlocals; i++)
        if (e->locals[i].ep.ip.family == ip->family &&
            memcmp(e->locals[i].ep.ip.b, ip->b, same) == 0)
            return true;
    return false;
}

int ov_engine_socket(const struct ov_engine *e, uint8_t family)
{
    for (int i = 0; i < OV_SOCKETS_MAX; i++)
        if (e->socket_family[i] == family)
            return i;
    return -1;
}
