#include "progress.h"

#include "text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static sigset_t stop_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    return set;
}

void ov_progress_begin(struct ov_progress *p, bool quiet)
{
    const char *term = getenv("TERM");
    sigset_t set = stop_signals();

    memset(p, 0, sizeof *p);
    p->on = !quiet && isatty(STDERR_FILENO) && (!term || strcmp(term, "dumb") != 0);
    sigprocmask(SIG_BLOCK, &set, &p->old);
}

/* Cut `text` to what one terminal line takes: a line that wraps cannot be written over. */
static void cut(char *text, size_t columns)
{
    size_t len = strlen(text);

    while (len && ov_text_width(text) > columns) {
        do
            len--;
        while (len && ((unsigned char)text[len] & 0xc0) == 0x80);
        text[len] = '\0';
    }
}

void ov_progress_say(struct ov_progress *p, const char *fmt, ...)
{
    static const char wheel[] = "|/-\\";
    struct winsize size = {0};
    char text[512], *clean;
    va_list ap;

    if (!p->on)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    clean = ov_text_clean(text, false);
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col < 20)
        size.ws_col = 80;
    cut(clean, (size_t)size.ws_col - 3);
    fprintf(stderr, "\r\033[K%c %s", wheel[p->turn++ % 4], clean);
    fflush(stderr);
    free(clean);
    p->shown = true;
}

void ov_progress_clear(struct ov_progress *p)
{
    if (p->shown)
        fputs("\r\033[K", stderr);
    fflush(stderr);
    p->shown = false;
}

bool ov_progress_wait(struct ov_progress *p, uint64_t ms)
{
    struct timespec t = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    sigset_t set = stop_signals();
    (void)p;

    return sigtimedwait(&set, NULL, &t) < 0 && errno != EINVAL;
}

void ov_progress_end(struct ov_progress *p)
{
    ov_progress_clear(p);
    sigprocmask(SIG_SETMASK, &p->old, NULL);
}

double ov_progress_clock(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}
