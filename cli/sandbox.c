#include "sandbox.h"

#include "caps.h"
#include "landlock.h"
#include "logger.h"
#include "syscalls.h"

#include <libgen.h>
#include <linux/capability.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#else
#define SANITIZED false
#endif

#define BIT(c) (UINT64_C(1) << (c))

#define READ  OV_LANDLOCK_READ
#define WRITE OV_LANDLOCK_WRITE
#define MAKE  OV_LANDLOCK_MAKE
#define IOCTL OV_LANDLOCK_IOCTL

/* /etc and /run are for the resolver, whose files are replaced while we run; a directory's rule
 * holds for those as well. /usr and /lib have the libraries that are opened by name (OpenSSL, the
 * resolver's modules). In /etc the user `ovpn` reads only what everybody may. */
static const struct ov_landlock_rule FILES[] = {
    {"/etc", READ},
    {"/usr", READ},
    {"/lib", READ},
    {"/lib64", READ},
    {"/run/systemd/resolve", READ},
    {"/run/systemd/userdb", READ},
    {"/run/NetworkManager", READ},
    {"/run/resolvconf", READ},
    {"/run/nscd", READ},
    {"/dev/null", READ | WRITE},
    {"/dev/random", READ},
    {"/dev/urandom", READ},
    {"/dev/net/tun", READ | WRITE | IOCTL},
    {"/proc/self/net", READ},                  /* groups and routes of this host */
    {"/proc/sys/net/ipv6/conf", READ | WRITE}, /* of our devices; CAP_NET_ADMIN is asked there */
    {"/sys/devices/system/cpu", READ},         /* malloc() asks how many there are */
};
#define NFILES (sizeof(FILES) / sizeof(FILES[0]))

__attribute__((format(printf, 2, 3))) static void miss(struct ov_sandbox *s, const char *fmt, ...)
{
    va_list ap;
    if (s->nmissing == OV_SANDBOX_PARTS)
        return;
    va_start(ap, fmt);
    vsnprintf(s->missing[s->nmissing++], OV_WHY_MAX, fmt, ap);
    va_end(ap);
}

static bool has_limit(__rlimit_resource_t what, rlim_t want)
{
    struct rlimit r = {want, want};
    (void)setrlimit(what, &r);
    return getrlimit(what, &r) == 0 && r.rlim_cur >= want;
}

/* Priority and locked memory are limits where those may be raised, as the systemd unit does, and
 * take no right then. A container may have the right without being able to raise the limit. */
static uint64_t kept(bool *may_lock)
{
    uint64_t k = BIT(CAP_NET_ADMIN);
    if (!has_limit(RLIMIT_RTPRIO, 1))
        k |= BIT(CAP_SYS_NICE);
    *may_lock = has_limit(RLIMIT_MEMLOCK, RLIM_INFINITY);
    if (!*may_lock && (ov_caps_permitted() & BIT(CAP_IPC_LOCK)) != 0) {
        k |= BIT(CAP_IPC_LOCK);
        *may_lock = true;
    }
    return k;
}

/* Keys, and all else: what is secret cannot be told from what is not when memory is used again. A
 * page is locked when it is first touched, so it costs nothing that was not used. */
static bool lock_memory(void)
{
    return mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0;
}

/* ASan writes its reports into a file beside the one named, and reads this program's symbols. */
static const char *report_dir(char out[OV_PATH_MAX])
{
    const char *options = getenv("ASAN_OPTIONS");
    const char *path = options != NULL ? strstr(options, "log_path=") : NULL;
    if (path == NULL)
        return "/proc";
    path += strlen("log_path=");
    snprintf(out, OV_PATH_MAX, "%.*s", (int)strcspn(path, ":"), path);
    return dirname(out);
}

/* Where /etc/resolv.conf leads to, on a system that none of FILES knows. */
static bool resolver_dir(char out[OV_PATH_MAX])
{
    char *path = realpath("/etc/resolv.conf", NULL);
    snprintf(out, OV_PATH_MAX, "%s", path != NULL ? dirname(path) : "/");
    free(path);
    return strcmp(out, "/") != 0;
}

static int restrict_files(const struct ov_settings *s)
{
    struct ov_landlock_rule v[NFILES + 6];
    char resolver[OV_PATH_MAX], database[OV_PATH_MAX], reports[OV_PATH_MAX];
    char program[OV_PATH_MAX] = ""; /* NOLINT(clang-analyzer-deadcode.DeadStores): if SANITIZED */
    const char *notify = getenv("NOTIFY_SOCKET");
    size_t n = NFILES;
    memcpy(v, FILES, sizeof(FILES));
    v[n++] = (struct ov_landlock_rule){s->state_dir, READ | WRITE | MAKE};
    snprintf(database, sizeof(database), "%s", s->database);
    if (database[0] != '\0')
        v[n++] = (struct ov_landlock_rule){dirname(database), READ | WRITE | MAKE};
    if (resolver_dir(resolver))
        v[n++] = (struct ov_landlock_rule){resolver, READ};
    if (SANITIZED) {
        v[n++] = (struct ov_landlock_rule){"/proc", READ};
        v[n++] = (struct ov_landlock_rule){report_dir(reports), READ | WRITE | MAKE};
        if (readlink("/proc/self/exe", program, sizeof(program) - 1) > 0)
            v[n++] = (struct ov_landlock_rule){program, READ};
    }
    return ov_landlock_restrict(v, n, notify != NULL && notify[0] == '@');
}

static int become_user(const struct ov_settings *s, struct ov_sandbox *out, char why[OV_WHY_MAX])
{
    int err = OV_OK;
    if (geteuid() == 0) {
        err = ov_user_become(s->state_dir, s->database, why);
        if (err == OV_ESTATE) {
            miss(out, "%s", why);
            err = OV_OK;
        }
    }
    ov_user_name(out->user);
    return err;
}

/* Once it is done nothing here can be undone, so the order is: what takes rights, what limits them.
 */
static int give_up_rights(const struct ov_settings *s, struct ov_sandbox *out, char why[OV_WHY_MAX])
{
    bool may_lock;
    out->kept = kept(&may_lock);
    int err = become_user(s, out, why);
    if (err == OV_OK &&
        ov_caps_limit(out->kept | BIT(CAP_NET_BIND_SERVICE), BIT(CAP_IPC_LOCK)) != OV_OK) {
        snprintf(why, OV_WHY_MAX, "root's rights cannot be given up");
        err = OV_EPERM;
    }
    out->memory_locked = err == OV_OK && may_lock && lock_memory();
    if (!out->memory_locked)
        miss(out, "memory with keys may be swapped to disk (RLIMIT_MEMLOCK)");
    return err;
}

int ov_sandbox_enter(const struct ov_settings *s, struct ov_sandbox *out, char why[OV_WHY_MAX])
{
    struct ov_log log = ov_logger(s->log_level);
    memset(out, 0, sizeof(*out));
    if (!s->sandbox)
        return OV_OK;
    out->on = true;
    int err = ov_dir_make(s->state_dir, why);
    if (err == OV_OK)
        err = give_up_rights(s, out, why);
    if (err != OV_OK)
        return err;
    (void)prctl(PR_SET_DUMPABLE, SANITIZED, 0, 0, 0); /* the leak checker looks into us */
    out->no_new_privs = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
    out->landlock = restrict_files(s);
    if (out->landlock == 0)
        miss(out, "this kernel has no Landlock, or one older than Linux 5.19");
    out->seccomp = ov_syscalls_restrict(SANITIZED) == OV_OK;
    if (!out->seccomp)
        miss(out, "this kernel has no seccomp filters");
    for (size_t i = 0; i < out->nmissing; i++)
        ov_log(&log, OV_LOG_INFO, "the sandbox is not complete: %s", out->missing[i]);
    return OV_OK;
}

void ov_sandbox_raise(const struct ov_sandbox *s)
{
    if (s != NULL && s->on)
        ov_caps_raise();
}

void ov_sandbox_lower(const struct ov_sandbox *s)
{
    if (s != NULL && s->on)
        ov_caps_lower(BIT(CAP_IPC_LOCK));
}

void ov_sandbox_bound(const struct ov_sandbox *s)
{
    if (s != NULL && s->on)
        (void)!ov_caps_limit(s->kept, BIT(CAP_IPC_LOCK));
}

/* What is locked cannot be given back. */
void ov_sandbox_trim(const struct ov_sandbox *s)
{
    if (s != NULL && s->memory_locked)
        (void)munlockall();
    malloc_trim(0);
    if (s != NULL && s->memory_locked)
        (void)lock_memory();
}
