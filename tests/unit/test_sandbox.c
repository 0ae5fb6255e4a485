/* The sandbox from inside: each attempt is made by a process of its own that entered it as the
 * daemon does. What the daemon needs works, and what an intruder would try fails. Run as root in
 * the network lab (26-sandbox.sh), where there is a user for it, it becomes that user, too. */
#include "cli/sandbox.h"

#include "cli/caps.h"
#include "edge.h"
#include "tempdir.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netdb.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#define KILLED 1000 /* by SIGSYS */
#define BROKEN 1001

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED true
#else
#define SANITIZED false
#endif
#define DEADLY (SANITIZED ? ENOSYS : KILLED) /* see cli/syscalls.h */

static char dir[TEMPDIR_MAX], secret[TEMPDIR_MAX + 16], state_dir[TEMPDIR_MAX + 16];
static struct ov_settings settings;
static struct ov_sandbox *box; /* shared with the children: how far the last one got in */

static int begin(void **state)
{
    (void)state;
    tempdir_make(dir);
    if (chmod(dir, 0755) != 0)
        return -1;
    snprintf(secret, sizeof(secret), "%s/secret", dir);
    snprintf(state_dir, sizeof(state_dir), "%s/state", dir);
    tempdir_write(dir, "secret", "of another program\n", 19);
    (void)chmod(secret, 0666); /* nothing but the sandbox is in the way */
    ov_config_defaults(&settings);
    settings.log_level = OV_LOG_ERROR;
    snprintf(settings.state_dir, sizeof(settings.state_dir), "%s", state_dir);
    box = mmap(NULL, sizeof(*box), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return box != MAP_FAILED ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    tempdir_remove(dir);
    return 0;
}

/* What comes of `fn` in a process in the sandbox: 0, an errno, KILLED or BROKEN. */
static int inside(int (*fn)(void))
{
    char why[OV_WHY_MAX];
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        if (ov_sandbox_enter(&settings, box, why) != OV_OK) {
            fprintf(stderr, "not in the sandbox: %s\n", why);
            _exit(255);
        }
        _exit(fn());
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return BROKEN;
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGSYS ? KILLED : BROKEN;
    return WEXITSTATUS(status) == 255 ? BROKEN : WEXITSTATUS(status);
}

/* 0 or the errno of a call that returns -1 when it fails. */
static int outcome(long r)
{
    return r == -1 ? errno : 0;
}

/* ---- what the daemon needs ---- */

static int keeps_state(void)
{
    char path[OV_PATH_MAX], other[OV_PATH_MAX], why[OV_WHY_MAX], text[16];
    size_t len;
    if (ov_path_join(path, state_dir, "sub", why) != OV_OK || ov_dir_make(path, why) != OV_OK ||
        ov_path_join(path, state_dir, "item", why) != OV_OK ||
        ov_path_join(other, state_dir, "sub/item", why) != OV_OK ||
        ov_file_write(path, "kept", 4, why) != OV_OK || rename(path, other) != 0 ||
        ov_file_read(other, text, sizeof(text), &len, why) != OV_OK)
        return EIO;
    return ov_file_remove(other, why) == OV_OK ? 0 : EIO;
}

static int looks_names_up(void)
{
    struct addrinfo *a = NULL;
    int err = getaddrinfo("localhost", "4793", NULL, &a);
    if (err == 0)
        freeaddrinfo(a);
    return err == 0 ? 0 : ENOENT;
}

static int loads_a_library(void)
{
    return dlopen("libssl.so.3", RTLD_NOW) != NULL || dlopen("libssl.so.1.1", RTLD_NOW) != NULL
               ? 0
               : ENOENT;
}

static void *in_thread(void *arg)
{
    *(int *)arg = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return NULL;
}

static int has_threads(void)
{
    pthread_t t;
    int fd = -1;
    int err = pthread_create(&t, NULL, in_thread, &fd);
    if (err == 0)
        err = pthread_join(t, NULL);
    return err != 0 ? err : fd < 0 ? EBADF : 0;
}

static int reads_routes(void)
{
    return outcome(open("/proc/net/route", O_RDONLY | O_CLOEXEC));
}

static int finds_random(void)
{
    return outcome(open("/dev/urandom", O_RDONLY | O_CLOEXEC));
}

static void needed(void **state)
{
    (void)state;
    assert_int_equal(inside(keeps_state), 0);
    assert_int_equal(inside(looks_names_up), 0);
    assert_int_equal(inside(loads_a_library), 0);
    assert_int_equal(inside(has_threads), 0);
    assert_int_equal(inside(reads_routes), 0);
    assert_int_equal(inside(finds_random), 0);
}

/* ---- files ---- */

static int reads_secret(void)
{
    return outcome(open(secret, O_RDONLY | O_CLOEXEC));
}

static int writes_secret(void)
{
    return outcome(open(secret, O_WRONLY | O_CLOEXEC));
}

static int removes_secret(void)
{
    return outcome(unlink(secret));
}

static int moves_state_out(void)
{
    char why[OV_WHY_MAX], path[OV_PATH_MAX], out[OV_PATH_MAX];
    if (ov_path_join(path, state_dir, "mine", why) != OV_OK ||
        ov_path_join(out, dir, "mine", why) != OV_OK || ov_file_write(path, "x", 1, why) != OV_OK)
        return EIO;
    return outcome(rename(path, out));
}

static int writes_settings(void)
{
    return outcome(open("/etc/ovpn-test", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

static int lists_the_root(void)
{
    return outcome(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static int reads_passwords(void)
{
    return outcome(open("/etc/shadow", O_RDONLY | O_CLOEXEC));
}

static int reads_a_disk(void)
{
    return outcome(open("/dev/mem", O_RDONLY | O_CLOEXEC));
}

static void forbidden_files(void **state)
{
    (void)state;
    assert_int_equal(inside(finds_random), 0);
    if (box->landlock == 0)
        skip();
    assert_int_equal(inside(reads_secret), EACCES);
    assert_int_equal(inside(writes_secret), EACCES);
    assert_int_equal(inside(removes_secret), EACCES);
    assert_int_not_equal(inside(moves_state_out), 0);
    assert_int_equal(inside(writes_settings), EACCES);
    assert_int_equal(inside(lists_the_root), EACCES);
    if (access("/dev/mem", F_OK) == 0)
        assert_int_equal(inside(reads_a_disk), EACCES);
    if (strcmp(box->user, "root") != 0 && access("/etc/shadow", F_OK) == 0)
        assert_int_equal(inside(reads_passwords), EACCES);
}

/* ---- system calls ---- */

static int runs_a_program(void)
{
    char *const argv[] = {(char *)(uintptr_t) "true", NULL};
    return outcome(execv("/bin/true", argv));
}

static int mounts(void)
{
    return outcome(mount("none", state_dir, "tmpfs", 0, NULL));
}

static int leaves_namespaces(void)
{
    return outcome(unshare(CLONE_NEWUSER));
}

static int loads_bpf(void)
{
    return outcome(syscall(SYS_bpf, 0, NULL, 0));
}

static int forks(void)
{
    return outcome(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
}

static int sees_packets(void)
{
    return outcome(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
}

static int talks_to_audit(void)
{
    return outcome(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 9));
}

static int makes_code(void)
{
    void *p =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? errno : 0;
}

static int turns_data_to_code(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED ? 0 : outcome(mprotect(p, 4096, PROT_READ | PROT_EXEC));
}

static int types_for_the_user(void)
{
    return outcome(ioctl(0, TIOCSTI, "x"));
}

static int uses_io_uring(void)
{
    return outcome(syscall(SYS_io_uring_setup, 8, NULL));
}

static int signals_others(void)
{
    return outcome(syscall(SYS_tgkill, getppid(), getppid(), 0));
}

static int becomes_root(void)
{
    return outcome(syscall(SYS_setuid, 0));
}

static int limits_others(void)
{
    return outcome(syscall(SYS_prlimit64, getppid(), 7, NULL, NULL));
}

static void forbidden_calls(void **state)
{
    (void)state;
    assert_int_equal(inside(finds_random), 0);
    if (!box->seccomp)
        skip();
    assert_int_equal(inside(runs_a_program), DEADLY);
    assert_int_equal(inside(mounts), DEADLY);
    assert_int_equal(inside(leaves_namespaces), DEADLY);
    assert_int_equal(inside(loads_bpf), DEADLY);
    if (!SANITIZED)
        assert_int_equal(inside(forks), ENOSYS);
    assert_int_equal(inside(sees_packets), ENOSYS);
    assert_int_equal(inside(talks_to_audit), ENOSYS);
    assert_int_equal(inside(makes_code), ENOSYS);
    assert_int_equal(inside(turns_data_to_code), ENOSYS);
    assert_int_equal(inside(types_for_the_user), ENOSYS);
    assert_int_equal(inside(uses_io_uring), ENOSYS);
    assert_int_equal(inside(signals_others), ENOSYS);
    assert_int_equal(inside(becomes_root), ENOSYS);
    assert_int_equal(inside(limits_others), ENOSYS);
}

/* ---- rights ---- */

static int make_device(void)
{
    struct ifreq req = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    snprintf(req.ifr_name, sizeof(req.ifr_name), "ovtest%%d");
    return fd < 0 ? errno : outcome(ioctl(fd, TUNSETIFF, &req));
}

static int makes_device_raised(void)
{
    ov_sandbox_raise(box);
    int err = make_device();
    ov_sandbox_lower(box);
    return err;
}

static int binds_a_low_port(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(1023)};
    ov_sandbox_bound(box);
    ov_sandbox_raise(box);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return outcome(bind(fd, (struct sockaddr *)&sa, sizeof(sa)));
}

static int sends_raw(void)
{
    ov_sandbox_raise(box);
    return outcome(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP));
}

static int keeps_only(void)
{
    return (ov_caps_permitted() & ~(box->kept | UINT64_C(1) << CAP_NET_BIND_SERVICE)) == 0 ? 0
                                                                                           : EPERM;
}

static void rights(void **state)
{
    FILE *f = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
    int first = 1024;
    (void)state;
    if (f != NULL) {
        if (fscanf(f, "%d", &first) != 1)
            first = 1024;
        fclose(f);
    }
    assert_int_equal(inside(keeps_only), 0);
    assert_int_equal(inside(sends_raw), EPERM);
    if (first > 1023)
        assert_int_equal(inside(binds_a_low_port), EACCES);
    if (geteuid() != 0 || access("/dev/net/tun", R_OK | W_OK) != 0)
        skip();
    assert_int_equal(inside(make_device), EPERM);
    assert_int_equal(inside(makes_device_raised), 0);
}

static void off(void **state)
{
    (void)state;
    settings.sandbox = false;
    assert_int_equal(inside(reads_secret), 0);
    assert_false(box->on);
    settings.sandbox = true;
}

/* Where there is a user for the daemon it is that one, and what root had stored is its own. */
static void user(void **state)
{
    struct stat st;
    char path[OV_PATH_MAX], why[OV_WHY_MAX];
    (void)state;
    assert_int_equal(ov_path_join(path, state_dir, "old", why), OV_OK);
    assert_int_equal(ov_file_write(path, "x", 1, why), OV_OK);
    assert_int_equal(inside(keeps_state), 0);
    if (geteuid() != 0)
        skip();
    if (getpwnam(OV_USER) == NULL) {
        assert_string_equal(box->user, "root");
        assert_non_null(strstr(box->missing[0], "useradd"));
        return;
    }
    assert_string_equal(box->user, OV_USER);
    assert_int_equal(stat(path, &st), 0);
    assert_int_not_equal(st.st_uid, 0);
    uid_t owner = st.st_uid;
    assert_int_equal(ov_file_write(path, "y", 1, why), OV_OK); /* by root, while it runs */
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_uid, owner);
}

int main(void)
{
    EDGE_NEED_NETNS();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(needed),
        cmocka_unit_test(forbidden_files),
        cmocka_unit_test(forbidden_calls),
        cmocka_unit_test(rights),
        cmocka_unit_test(user),
        cmocka_unit_test(off),
    };
    return cmocka_run_group_tests_name("sandbox", tests, begin, end);
}
