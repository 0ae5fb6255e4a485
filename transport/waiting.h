/* waiting: what waits to be written to a stream: bounded in bytes and in time.
 *
 * TCP delivers everything, however late, and would keep seconds of it in buffers, while what is
 * tunnelled wants to lose packets when a link is full and be on time otherwise. So datagrams wait
 * here, and the socket is given little at a time. What waited too long, or is too much, is dropped
 * from the front: the newest is worth the most, and the sender hears of the loss the soonest.
 *
 * What is inside of the datagrams is sealed, so flows cannot be told apart; but what needs to be
 * quick (games, keys, acknowledgements) is small and what fills links is large. Small datagrams
 * wait in a line of their own, which goes first as long as it has not had more than the other one.
 */
#ifndef OV_TRANSPORT_WAITING_H
#define OV_TRANSPORT_WAITING_H

#include "core/types.h"

#define OV_WAITING_SMALL 400 /* bytes, at most */
#define OV_WAITING_BYTES (256u << 10)
#define OV_WAITING_WAIT  (200 * OV_MS)

struct ov_waiting_item;
struct ov_waiting_line {
    struct ov_waiting_item *head, *tail;
};

/* Zeroed, it is empty. */
struct ov_waiting {
    struct ov_waiting_line small, large;
    size_t bytes;     /* waiting, with the two of each length */
    int balance;      /* what small ones have had beyond large ones while both waited */
    uint64_t dropped; /* too many, or too old */
};

void ov_waiting_put(struct ov_waiting *b, const uint8_t *data, size_t len, ov_time now);
/* Fill `out` with whole datagrams, each with its length before it, that are still worth sending.
 * Returns the bytes; 0: none is left (or `cap` is too small for the next one). */
size_t ov_waiting_take(struct ov_waiting *b, uint8_t *out, size_t cap, ov_time now);
/* Drop what is too old by now: where nothing is put or taken any more, it would stay. */
void ov_waiting_expire(struct ov_waiting *b, ov_time now);
bool ov_waiting_empty(const struct ov_waiting *b);
void ov_waiting_free(struct ov_waiting *b);

#endif
