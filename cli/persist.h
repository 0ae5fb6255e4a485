/* persist: stores what the engine gives as OV_OUT_PERSIST.
 *
 * Stamps and networks are on the disk when put returns: the engine relies on it. What the disk does
 * not take is owed: kept, the newest version of each, and tried again, after a second and then ever
 * more seldom down to once a minute, until it is there; so a disk that was full for a while has no
 * say in who was thrown out. Peers are many and can be learnt again, so a thread of libuv's pool
 * writes them, the newest version of each only, and forgets those that were not met for long
 * (state.h). */
#ifndef OV_CLI_PERSIST_H
#define OV_CLI_PERSIST_H

#include "state.h"

#include <uv.h>

#define OV_PERSIST_QUEUE_MAX 1024 /* peers waiting to be written; more are left out and counted */

struct ov_persist;

OV_CHECK int ov_persist_open(uv_loop_t *loop, const struct ov_state *state,
                             const struct ov_log *log, struct ov_persist **out);
void ov_persist_put(struct ov_persist *p, const struct ov_out_persist *item);
/* Why something is owed; NULL: nothing is. */
const char *ov_persist_problem(const struct ov_persist *p);

/* The end, in three steps; of the first two NULL is fine. Nothing more comes: what is owed is tried
 * once more. While the loop goes on, peers are written. */
void ov_persist_stop(struct ov_persist *p);
/* The loop has no more time: the pool's thread finishes the file that it has in hand, and the peers
 * that still wait are not remembered. */
void ov_persist_give_up(struct ov_persist *p);
/* Only once the loop is empty: until then the pool's thread may use it. */
void ov_persist_close(struct ov_persist *p);

#endif
