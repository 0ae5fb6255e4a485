/* syscalls: which system calls this process may still make, by a seccomp filter (libseccomp).
 *
 * What is not listed answers ENOSYS, as a kernel that has it not: for that libraries are prepared,
 * so a newer one that tries a newer call first takes its older way. What only an intruder would
 * call (run a program, look into another process, mount, load a module) ends the process. */
#ifndef OV_CLI_SYSCALLS_H
#define OV_CLI_SYSCALLS_H

#include "core/error.h"

#include <stdbool.h>

/* For this thread, and the threads that it makes. `sanitizers`: what ASan's runtime does at the end
 * of a process is allowed, too. OV_EIO: this kernel has no filters, or takes no more. */
OV_CHECK int ov_syscalls_restrict(bool sanitizers);

#endif
