/* progress: what a command is doing, on one line that is written over, and waiting that Ctrl-C
 * ends.
 *
 * Only on a terminal (stderr): a pipe or --json gets nothing of it. */
#ifndef OV_CLI_PROGRESS_H
#define OV_CLI_PROGRESS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct ov_progress {
    bool on;    /* there is a terminal to show it on */
    bool shown; /* a line stands there */
    unsigned turn;
    sigset_t old; /* signal mask to go back to */
};

/* From here to ov_progress_end(), SIGINT and SIGTERM only end ov_progress_wait(). */
void ov_progress_begin(struct ov_progress *p, bool quiet);
void ov_progress_say(struct ov_progress *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Take the line away, before something else is printed. */
void ov_progress_clear(struct ov_progress *p);
/* Wait; false when the user wants it to end. */
bool ov_progress_wait(struct ov_progress *p, uint64_t ms);
void ov_progress_end(struct ov_progress *p);

/* Monotonic seconds, for timeouts. */
double ov_progress_clock(void);

#endif
