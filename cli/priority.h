/* priority: letting the daemon run ahead of ordinary programs.
 *
 * A network card's packets are moved by the kernel before any program runs. Ours are moved by a
 * program, which among busy ones would wait for its turn for milliseconds at each packet. So it
 * asks for the lowest realtime priority (SCHED_RR 1, sched(7)). Against the day when it has too
 * much to do, or a fault, and would starve everybody else: having run for OV_PRIORITY_BURST without
 * sleeping once, it becomes an ordinary program, by a signal that the kernel sends (RLIMIT_RTTIME),
 * and gets its priority back some seconds later. */
#ifndef OV_CLI_PRIORITY_H
#define OV_CLI_PRIORITY_H

#include "core/log.h"
#include "core/types.h"

#include <uv.h>

#define OV_PRIORITY_BURST (500 * OV_MS)
#define OV_PRIORITY_PAUSE (5 * OV_SEC)

struct ov_sandbox;

struct ov_priority {
    uv_timer_t again; /* runs only while the priority is lost */
    const struct ov_log *log;
    const struct ov_sandbox *sandbox;
    bool held;
};

/* Where it is not allowed, or not wanted, all stays as it is. */
void ov_priority_open(struct ov_priority *p, uv_loop_t *loop, bool wanted,
                      const struct ov_sandbox *sandbox, const struct ov_log *log);
/* Once in each turn of the loop: has it been lost? Cheap. */
void ov_priority_check(struct ov_priority *p);
bool ov_priority_held(const struct ov_priority *p);
void ov_priority_close(struct ov_priority *p);

#endif
