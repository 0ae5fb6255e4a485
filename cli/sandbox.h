/* sandbox: what the daemon gives up before it reads a byte from anybody.
 *
 * Root's identity (it becomes the user `ovpn`), root's rights (caps.h), files (landlock.h), system
 * calls (syscalls.h), gaining rights by running a program (no_new_privs), being looked into and
 * dumped, and being swapped to a disk. It is entered once, by the process's only thread, so all
 * that comes later is inside: stored state, sockets, the local API, the threads of libuv's pool.
 * Each part that this system does not have is left out, told in the log and by `ovpn status`. */
#ifndef OV_CLI_SANDBOX_H
#define OV_CLI_SANDBOX_H

#include "config.h"
#include "user.h"

#define OV_SANDBOX_PARTS 6

struct ov_sandbox {
    bool on;
    bool no_new_privs, seccomp, memory_locked;
    uint64_t kept; /* capabilities, once it has started */
    int landlock;  /* the kernel's version of it; 0: none */
    char user[OV_USER_NAME];
    size_t nmissing;
    char missing[OV_SANDBOX_PARTS][OV_WHY_MAX];
};

/* OV_EPERM, OV_EIO: neither in nor out, so do not go on. With `[node] sandbox = no` nothing is
 * done. */
OV_CHECK int ov_sandbox_enter(const struct ov_settings *s, struct ov_sandbox *out,
                              char why[OV_WHY_MAX]);
/* Around what takes the rights that are left. Without a sandbox (NULL, or off) they do nothing. */
void ov_sandbox_raise(const struct ov_sandbox *s);
void ov_sandbox_lower(const struct ov_sandbox *s);
/* All ports are bound: the right to those below 1024 is given up, for this thread and those to
 * come. */
void ov_sandbox_bound(const struct ov_sandbox *s);
/* The daemon has started, which takes more memory than running: give back what is free. */
void ov_sandbox_trim(const struct ov_sandbox *s);

#endif
