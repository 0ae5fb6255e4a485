/* Found by strace of all network tests, and by reading what the libraries do in the cases that no
 * test meets: a full disk, a signal, another resolver, a thread that ends. The calls are named as
 * text because those that an older libseccomp or another processor does not have are left out. */
#include "syscalls.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <linux/sockios.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Whatever their arguments are. */
static const char *const ALLOWED[] = {
    /* Packets: sockets, devices, and waiting for them. */
    "read", "write", "readv", "writev", "recvfrom", "sendto", "recvmsg", "sendmsg", "recvmmsg",
    "sendmmsg", "close", "bind", "connect", "listen", "accept", "accept4", "shutdown",
    "getsockname", "getpeername", "getsockopt", "setsockopt", "epoll_create", "epoll_create1",
    "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "ppoll_time64",
    "select", "_newselect", "pselect6", "pselect6_time64", "eventfd", "eventfd2", "pipe", "pipe2",
    "dup", "dup2", "dup3", "fcntl", "fcntl64",
    /* Files: the state, SQLite, the resolver's settings, libraries. Which ones is Landlock's and
     * the user's to say. */
    "open", "openat", "openat2", "creat", "access", "faccessat", "faccessat2", "stat", "stat64",
    "lstat", "lstat64", "fstat", "fstat64", "newfstatat", "fstatat64", "statx", "statfs",
    "statfs64", "fstatfs", "fstatfs64", "lseek", "_llseek", "pread64", "pwrite64", "preadv",
    "pwritev", "fsync", "fdatasync", "ftruncate", "ftruncate64", "truncate", "fallocate",
    "fadvise64", "flock", "getdents", "getdents64", "mkdir", "mkdirat", "rmdir", "rename",
    "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat", "readlink", "readlinkat",
    "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "fchownat", "utimensat",
    "utimes", "getcwd", "umask", "sync_file_range",
    /* Memory. mmap() and mprotect() are below. */
    "brk", "munmap", "mremap", "madvise", "msync", "mincore", "mlock", "mlock2", "munlock",
    "mlockall", "munlockall", "membarrier",
    /* Threads and signals. clone() is below. */
    "futex", "futex_time64", "futex_waitv", "set_robust_list", "get_robust_list", "rseq",
    "set_tid_address", "sched_yield", "sched_getaffinity", "sched_getparam", "sched_getscheduler",
    "sched_setscheduler", "gettid", "exit", "exit_group", "rt_sigaction", "rt_sigprocmask",
    "rt_sigreturn", "sigreturn", "rt_sigtimedwait", "rt_sigpending", "sigaltstack",
    "restart_syscall",
    /* Time, chance, and who we are. */
    "clock_gettime", "clock_gettime64", "clock_getres", "clock_nanosleep", "clock_nanosleep_time64",
    "nanosleep", "gettimeofday", "time", "times", "timerfd_create", "timerfd_settime", "getrandom",
    "getpid", "getppid", "getpgrp", "getuid", "geteuid", "getgid", "getegid", "getresuid",
    "getresgid", "getgroups", "getrusage", "getrlimit", "ugetrlimit", "setrlimit", "uname",
    "sysinfo", "getcpu", "capget", "capset", "arch_prctl", "riscv_flush_icache"};

/* No library has a reason to, at any time. */
static const char *const DEADLY[] = {"execve",
                                     "execveat",
                                     "fork",
                                     "vfork",
                                     "ptrace",
                                     "process_vm_readv",
                                     "process_vm_writev",
                                     "kcmp",
                                     "pidfd_getfd",
                                     "mount",
                                     "umount2",
                                     "pivot_root",
                                     "chroot",
                                     "move_mount",
                                     "open_tree",
                                     "fsopen",
                                     "fsmount",
                                     "setns",
                                     "unshare",
                                     "init_module",
                                     "finit_module",
                                     "delete_module",
                                     "kexec_load",
                                     "kexec_file_load",
                                     "bpf",
                                     "perf_event_open",
                                     "userfaultfd",
                                     "add_key",
                                     "request_key",
                                     "keyctl",
                                     "open_by_handle_at",
                                     "iopl",
                                     "ioperm",
                                     "settimeofday",
                                     "clock_settime",
                                     "adjtimex",
                                     "reboot",
                                     "swapon",
                                     "swapoff",
                                     "quotactl",
                                     "acct",
                                     "sethostname",
                                     "setdomainname",
                                     "personality",
                                     "modify_ldt",
                                     "uselib",
                                     "lookup_dcookie"};

/* The leak checker stops the process's threads from a child that shares its memory. */
static const char *const SANITIZERS[] = {"ptrace",
                                         "clone",
                                         "wait4",
                                         "waitpid",
                                         "prctl",
                                         "kill",
                                         "process_vm_readv",
                                         "sched_setaffinity",
                                         "personality"};

static const unsigned IOCTLS[] = {
    TUNSETIFF,    TUNGETIFF,   TUNGETFEATURES, TUNSETOFFLOAD, TUNSETVNETHDRSZ, SIOCSIFHWADDR,
    SIOCGIFINDEX, SIOCGIFNAME, SIOCGIFADDR,    SIOCGIFFLAGS,  SIOCGIFCONF,     SIOCOUTQ,
    FIONREAD,     FIONBIO,     FIOCLEX,        TCGETS /* isatty() */
};

#define LEN(v) (sizeof(v) / sizeof((v)[0]))

static bool rule(scmp_filter_ctx f, uint32_t action, const char *name, unsigned n,
                 const struct scmp_arg_cmp *args)
{
    int call = seccomp_syscall_resolve_name(name);
    return call < 0 || seccomp_rule_add_array(f, action, call, n, args) == 0;
}

static bool always(scmp_filter_ctx f, uint32_t action, const char *const *names, size_t n)
{
    bool good = true;
    for (size_t i = 0; i < n; i++)
        good = good && rule(f, action, names[i], 0, NULL);
    return good;
}

/* Argument number `i` is `value`, as far as `mask` goes. */
static bool when(scmp_filter_ctx f, const char *name, unsigned i, uint64_t mask, uint64_t value)
{
    const struct scmp_arg_cmp arg = SCMP_CMP64(i, SCMP_CMP_MASKED_EQ, mask, value);
    return rule(f, SCMP_ACT_ALLOW, name, 1, &arg);
}

static bool allow_some(scmp_filter_ctx f)
{
    static const int FAMILIES[] = {AF_UNIX, AF_INET, AF_INET6};
    const struct scmp_arg_cmp route[] = {SCMP_CMP64(0, SCMP_CMP_EQ, AF_NETLINK),
                                         SCMP_CMP64(2, SCMP_CMP_EQ, NETLINK_ROUTE)};
    bool good = rule(f, SCMP_ACT_ALLOW, "socket", 2, route);
    for (size_t i = 0; i < LEN(FAMILIES); i++)
        good = good && when(f, "socket", 0, UINT32_MAX, (uint64_t)FAMILIES[i]);
    for (size_t i = 0; i < LEN(IOCTLS); i++)
        good = good && when(f, "ioctl", 1, UINT32_MAX, IOCTLS[i]);
    /* No memory that was written becomes a program: libraries are mapped from their files. */
    good = good && when(f, "mmap", 2, PROT_EXEC, 0) && when(f, "mmap", 2, PROT_WRITE, 0) &&
           when(f, "mmap2", 2, PROT_EXEC, 0) && when(f, "mmap2", 2, PROT_WRITE, 0) &&
           when(f, "mprotect", 2, PROT_EXEC, 0);
    /* Threads, no processes. clone3() has its flags where no filter can see them, and glibc takes
     * clone() when there is none. */
    good = good && when(f, "clone", 0, CLONE_THREAD, CLONE_THREAD);
    good = good && when(f, "tgkill", 0, UINT32_MAX, (uint64_t)getpid());
    good = good && when(f, "prlimit64", 0, UINT32_MAX, 0);
    return good && when(f, "prctl", 0, UINT32_MAX, PR_SET_NAME) &&
           when(f, "prctl", 0, UINT32_MAX, PR_CAPBSET_READ);
}

int ov_syscalls_restrict(bool sanitizers)
{
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    if (f == NULL)
        return OV_ENOMEM;
    /* Against programs that a process lets in, as a browser does; it would cost each packet. */
    (void)seccomp_attr_set(f, SCMP_FLTATR_CTL_SSB, 1);
    (void)seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    bool good = always(f, SCMP_ACT_ALLOW, ALLOWED, LEN(ALLOWED)) && allow_some(f);
    if (sanitizers)
        good = good && always(f, SCMP_ACT_ALLOW, SANITIZERS, LEN(SANITIZERS));
    else
        good = good && always(f, SCMP_ACT_KILL_PROCESS, DEADLY, LEN(DEADLY));
    good = good && seccomp_load(f) == 0;
    seccomp_release(f);
    return good ? OV_OK : OV_EIO;
}
