#include "priority.h"

#include "sandbox.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Set by the signal, taken back by the loop. A signal handler has no other place to write to. */
static volatile sig_atomic_t lost;

/* The kernel's: too long without sleep. Nothing is taken for granted of the loop, which may be the
 * one that hangs, so the handler gives the priority up itself. */
static void on_too_long(int signum)
{
    static const struct sched_param none = {0};
    int err = errno;
    (void)signum;
    (void)sched_setscheduler(0, SCHED_OTHER, &none); /* of the thread that was too long */
    lost = 1;
    errno = err;
}

/* 0 or an errno. Threads that are made later inherit it, and have to: libuv's loop spins with
 * sched_yield() while a thread of its pool is about to wake it, and for a thread of lower priority
 * on the same processor it would wait for ever. */
static int take(const struct ov_sandbox *sandbox)
{
    static const struct sched_param lowest = {.sched_priority = 1};
    ov_sandbox_raise(sandbox);
    int err = sched_setscheduler(getpid(), SCHED_RR, &lowest) == 0 ? 0 : errno;
    ov_sandbox_lower(sandbox);
    return err;
}

/* Without this limit there is no priority. False: it cannot be had. */
static bool limit_burst(void)
{
    struct rlimit r;
    struct sigaction act = {.sa_handler = on_too_long, .sa_flags = SA_RESTART};
    sigemptyset(&act.sa_mask);
    if (getrlimit(RLIMIT_RTTIME, &r) != 0)
        return false;
    r.rlim_cur = OV_PRIORITY_BURST / 1000; /* microseconds */
    if (r.rlim_max < r.rlim_cur)
        return false; /* the kernel would kill us before */
    return sigaction(SIGXCPU, &act, NULL) == 0 && setrlimit(RLIMIT_RTTIME, &r) == 0;
}

void ov_priority_open(struct ov_priority *p, uv_loop_t *loop, bool wanted,
                      const struct ov_sandbox *sandbox, const struct ov_log *log)
{
    p->log = log;
    p->sandbox = sandbox;
    p->held = false;
    uv_timer_init(loop, &p->again);
    p->again.data = p;
    uv_unref((uv_handle_t *)&p->again);
    lost = 0;
    if (!wanted)
        return;
    int err = limit_burst() ? take(sandbox) : EPERM;
    p->held = err == 0;
    if (err != 0)
        ov_log(log, OV_LOG_INFO,
               "no realtime priority (%s): while other programs are busy, packets take longer",
               strerror(err));
}

static void on_again(uv_timer_t *t)
{
    struct ov_priority *p = t->data;
    int err = take(p->sandbox);
    p->held = err == 0;
    if (err != 0)
        ov_log(p->log, OV_LOG_WARN, "realtime priority is not given back: %s", strerror(err));
}

void ov_priority_check(struct ov_priority *p)
{
    if (!lost)
        return;
    lost = 0;
    p->held = false;
    ov_log(p->log, OV_LOG_INFO, "too busy for realtime priority; trying again in %u s",
           (unsigned)(OV_PRIORITY_PAUSE / OV_SEC));
    uv_timer_start(&p->again, on_again, OV_PRIORITY_PAUSE / OV_MS, 0);
}

bool ov_priority_held(const struct ov_priority *p)
{
    return p->held;
}

void ov_priority_close(struct ov_priority *p)
{
    static const struct sched_param none = {0};
    if (p->held || uv_is_active((uv_handle_t *)&p->again)) {
        (void)sched_setscheduler(0, SCHED_OTHER, &none);
        signal(SIGXCPU, SIG_DFL);
    }
    uv_close((uv_handle_t *)&p->again, NULL);
}
