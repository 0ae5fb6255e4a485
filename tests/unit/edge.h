/* What the tests of the edge share: a loop that gives up, and a network namespace of one's own. */
#ifndef OV_TESTS_EDGE_H
#define OV_TESTS_EDGE_H

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <setjmp.h>
#include <cmocka.h>

static inline void edge_timed_out(uv_timer_t *t)
{
    *(bool *)t->data = true;
}

/* Run `loop` until *n reaches `want`; false if that takes more than 10 s. */
static inline bool edge_wait(uv_loop_t *loop, const size_t *n, size_t want)
{
    uv_timer_t guard;
    bool timed_out = false;

    uv_timer_init(loop, &guard);
    guard.data = &timed_out;
    uv_timer_start(&guard, edge_timed_out, 10000, 0);
    while (*n < want && !timed_out)
        uv_run(loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&guard, NULL);
    uv_run(loop, UV_RUN_NOWAIT);
    return *n >= want;
}

/* Close a loop whose handles have all been asked to close; fails if one was forgotten. */
static inline void edge_loop_done(uv_loop_t *loop)
{
    uv_run(loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(loop), 0);
}

static inline bool edge_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

    if (fd >= 0)
        close(fd);
    return ok;
}

/* Enter a new network namespace (as root of a new user namespace if need be) with `lo` up. */
static inline bool edge_netns(void)
{
    char map[64];
    struct ifreq req;
    bool ok = true;

    if (unshare(CLONE_NEWNET) != 0) {
        snprintf(map, sizeof map, "0 %u 1", (unsigned)getuid());
        if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
            return false;
        ok = edge_write("/proc/self/uid_map", map);
    }
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    memset(&req, 0, sizeof req);
    memcpy(req.ifr_name, "lo", 3);
    req.ifr_flags = IFF_UP | IFF_RUNNING;
    ok = ok && fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &req) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

/* At the start of main: without a namespace these tests prove nothing, so say it loudly. */
#define EDGE_NEED_NETNS()                                                                          \
    do {                                                                                           \
        if (!edge_netns()) {                                                                       \
            fprintf(stderr, "SKIPPED %s: needs root, or user namespaces\n", __FILE__);             \
            return 0;                                                                              \
        }                                                                                          \
    } while (0)

/* All file descriptors that this process may have, but those of programs that it runs. */
struct edge_descriptors {
    struct rlimit before;
    int fd[64];
    size_t n;
};

static inline void edge_take_descriptors(struct edge_descriptors *t)
{
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &t->before), 0);
    struct rlimit few = {.rlim_cur = 64, .rlim_max = t->before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (t->n = 0; t->n < 64; t->n++)
        if ((t->fd[t->n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) < 0)
            break;
    assert_true(t->n > 0 && t->n < 64);
}

static inline void edge_give_descriptors(struct edge_descriptors *t)
{
    while (t->n > 0)
        close(t->fd[--t->n]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &t->before), 0);
}

/* Run a shell command; true when it succeeds. */
__attribute__((format(printf, 1, 2))) static inline bool edge_sh(const char *fmt, ...)
{
    char cmd[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(cmd, sizeof cmd, fmt, ap);
    va_end(ap);
    return system(cmd) == 0;
}

#endif
