#include "logger.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char *const LEVELS[] = {"error", "warning", "info", "debug"};

static void write_plain(void *arg, enum ov_log_level level, const char *line)
{
    (void)arg;
    struct timespec ts;
    struct tm tm;
    char when[32];
    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    (void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm); /* it fits */
    fprintf(stderr, "%s.%03ldZ %-7s %s\n", when, ts.tv_nsec / 1000000, LEVELS[level], line);
}

static void write_journal(void *arg, enum ov_log_level level, const char *line)
{
    static const int PRIORITY[] = {3, 4, 6, 7}; /* syslog(3) */
    (void)arg;
    fprintf(stderr, "<%d>%s\n", PRIORITY[level], line);
}

struct ov_log ov_logger(enum ov_log_level max)
{
    bool journal = getenv("JOURNAL_STREAM") != NULL || getenv("NOTIFY_SOCKET") != NULL;
    return (struct ov_log){.write = journal ? write_journal : write_plain, .max = max};
}
