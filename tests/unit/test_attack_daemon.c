/* The daemon's process: no core with keys in it, no death by a stray signal, and an API that a few
 * bad clients cannot keep for themselves. */
#include "cli/api.h"
#include "cli/api_guests.h"
#include "cli/daemon.h"

#include "edge.h"
#include "tempdir.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <sys/wait.h>

#define PATIENCE_MS 60000

static char binary[1024], dir[TEMPDIR_MAX];
static int notify_fd;
static pid_t child;

static bool notified(const char *what)
{
    char text[64];
    struct pollfd p = {.fd = notify_fd, .events = POLLIN};
    if (poll(&p, 1, PATIENCE_MS) != 1)
        return false;
    ssize_t n = recv(notify_fd, text, sizeof(text) - 1, 0);
    text[n < 0 ? 0 : n] = '\0';
    return strcmp(text, what) == 0;
}

static int start(void **state)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int null = open("/dev/null", O_RDWR);
    char conf[TEMPDIR_MAX + 8];
    (void)state;
    tempdir_make(dir);
    tempdir_write(dir, "conf", "[controller]\nenabled = yes\n", 27);
    snprintf(conf, sizeof(conf), "%s/conf", dir);
    snprintf(sa.sun_path, sizeof(sa.sun_path), "%.90s/notify", dir);
    notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(notify_fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    setenv("NOTIFY_SOCKET", sa.sun_path, 1);
    child = fork();
    if (child == 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDERR_FILENO);
        struct rlimit core;
        getrlimit(RLIMIT_CORE, &core);
        core.rlim_cur = core.rlim_max;
        setrlimit(RLIMIT_CORE, &core);
        execl(binary, "ovpn", "-H", dir, "service", "-c", conf, (char *)NULL);
        _exit(127);
    }
    close(null);
    return notified("READY=1") ? 0 : -1;
}

static int stop(void **state)
{
    int status = -1;
    (void)state;
    kill(child, SIGTERM);
    bool told = notified("STOPPING=1");
    waitpid(child, &status, 0);
    close(notify_fd);
    tempdir_remove(dir);
    return told && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static int connect_api(void)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(sa.sun_path, sizeof(sa.sun_path), "%.90s/ovpn.sock", dir);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    return fd;
}

static void send_text(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* The status line of the answer has `code`. */
static bool answered(int fd, const char *code)
{
    char text[4096];
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, PATIENCE_MS) != 1)
        return false;
    ssize_t n = recv(fd, text, sizeof(text) - 1, 0);
    text[n < 0 ? 0 : n] = '\0';
    return strncmp(text, "HTTP/1.1 ", 9) == 0 && strncmp(text + 9, code, 3) == 0;
}

static bool alive(void)
{
    int fd = connect_api();
    send_text(fd, "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n");
    bool good = answered(fd, "200");
    close(fd);
    return good;
}

static void no_core(void **state)
{
    char path[64], limits[4096];
    (void)state;
    snprintf(path, sizeof(path), "/proc/%d", (int)child);
    assert_true(tempdir_read(path, "limits", limits, sizeof(limits)) > 0);
    const char *core = strstr(limits, "Max core file size");
    assert_non_null(core);
    assert_int_equal(core[strcspn(core, "0123456789u")], '0');
}

static void hangup(void **state)
{
    (void)state;
    assert_int_equal(kill(child, SIGHUP), 0);
    assert_int_equal(kill(child, SIGPIPE), 0);
    assert_true(alive());
    assert_int_equal(waitpid(child, NULL, WNOHANG), 0);
}

/* Requests that never end, a byte at a time, hold every place. They have to make room. */
static void dripping(void **state)
{
    int fds[OV_API_CONNECTIONS_MAX], user;
    bool served = false;
    (void)state;
    for (size_t i = 0; i < OV_API_CONNECTIONS_MAX; i++)
        send_text(fds[i] = connect_api(), "GET /v1/status HTTP/1.1\r\nX: ");
    user = connect_api();
    send_text(user, "GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n");
    struct pollfd p = {.fd = user, .events = POLLIN};
    for (int ms = 0; ms < PATIENCE_MS / 2 && !served; ms += 500) {
        served = poll(&p, 1, 500) == 1;
        for (size_t i = 0; i < OV_API_CONNECTIONS_MAX; i++)
            (void)!send(fds[i], "x", 1, MSG_NOSIGNAL);
    }
    assert_true(served);
    assert_true(answered(user, "200"));
    close(user);
    for (size_t i = 0; i < OV_API_CONNECTIONS_MAX; i++)
        close(fds[i]);
}

/* A zero byte in a path must not cut it: DELETE of "dorm%00x" is not one of "dorm". */
static void zero_byte(void **state)
{
    static const char BODY[] = "{\"name\":\"dorm\"}";
    char text[256];
    (void)state;
    int fd = connect_api();
    snprintf(text, sizeof(text),
             "POST /v1/controller/networks HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s",
             strlen(BODY), BODY);
    send_text(fd, text);
    assert_true(answered(fd, "201"));
    close(fd);
    fd = connect_api();
    send_text(fd, "DELETE /v1/controller/networks/dorm%00x HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(answered(fd, "404"));
    close(fd);
    fd = connect_api();
    send_text(fd, "GET /v1/controller/networks/%64orm HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(answered(fd, "200"));
    close(fd);
}

int main(int argc, char **argv)
{
    EDGE_NEED_NETNS();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_core),
        cmocka_unit_test(hangup),
        cmocka_unit_test(zero_byte),
        cmocka_unit_test(dripping),
    };
    const char *slash = strrchr(argv[0], '/');
    (void)argc;
    snprintf(binary, sizeof(binary), "%.*s/../../ovpn", slash ? (int)(slash - argv[0]) : 1,
             slash ? argv[0] : ".");
    return cmocka_run_group_tests_name("attack_daemon", tests, start, stop);
}
