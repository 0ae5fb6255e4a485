#include "log.h"

#include <stdarg.h>
#include <stdio.h>

#define LINE_MAX_BYTES 512 /* longer lines are cut */

/* Replace control bytes, so that text from the network cannot forge lines or drive a terminal. */
static void tame(char *line)
{
    for (; *line != '\0'; line++) {
        if ((unsigned char)*line < 0x20 || *line == 0x7f)
            *line = '?';
    }
}

void ov_log(const struct ov_log *log, enum ov_log_level level, const char *fmt, ...)
{
    char line[LINE_MAX_BYTES];
    va_list ap;

    if (log == NULL || log->write == NULL || level > log->max)
        return;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    tame(line);
    log->write(log->arg, level, line);
}
