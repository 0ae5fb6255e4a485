/* ratelimit: token buckets, alone and in a bounded table by source. */
#ifndef OV_CORE_RATELIMIT_H
#define OV_CORE_RATELIMIT_H

#include "crypto.h"
#include "map.h"

/* A bucket holds up to `burst` tokens and gains `rate` a second. */
struct ov_bucket {
    uint64_t rate, burst;
    uint64_t tokens_ns; /* tokens x 1e9, so that slow rates lose nothing */
    ov_time last;
};
void ov_bucket_init(struct ov_bucket *b, uint64_t rate, uint64_t burst,
                    ov_time now);                                       /* starts full */
bool ov_bucket_take(struct ov_bucket *b, uint64_t tokens, ov_time now); /* all of them or none */

/* Buckets by source address: IPv4 by /32, IPv6 by /64. Bounded: at `max` sources the one least
 * recently used is evicted. */
struct ov_ratelimit;
struct ov_ratelimit *ov_ratelimit_new(size_t max, uint64_t rate, uint64_t burst,
                                      const uint8_t seed[16]);
void ov_ratelimit_free(struct ov_ratelimit *r);
bool ov_ratelimit_allow(struct ov_ratelimit *r, const struct ov_ip *source, ov_time now); /* 1 */
bool ov_ratelimit_take(struct ov_ratelimit *r, const struct ov_ip *source, uint64_t tokens,
                       ov_time now);
size_t ov_ratelimit_sources(const struct ov_ratelimit *r);

#endif
