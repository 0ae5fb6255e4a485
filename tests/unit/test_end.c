/* The end of a daemon. When a thread hangs, as a name server is silent, or a disk, it comes in
 * time, all the same, and until it has come, the state directory is not anybody else's. When it
 * comes at a bad moment, nothing is left half done. */
#include "cli/command.h"
#include "cli/state.h"

#include "edge.h"
#include "tempdir.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/un.h>
#include <sys/wait.h>

#define PATIENCE_MS 60000
#define PEERS       12
#define NETID       "8056c2e21c000001"

static char dir[TEMPDIR_MAX], why[OV_WHY_MAX];
static const struct ov_log LOG = {.max = OV_LOG_ERROR};
static int notify_fd, hung[2];
static pid_t child;

/* ---- what hangs, in the daemon ---- */

static void hang(void)
{
    (void)!write(hung[1], "x", 1);
    for (;;)
        (void)poll(NULL, 0, -1);
}

/* In place of the C library's. */
int getaddrinfo(const char *restrict node, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict res)
{
    (void)node;
    (void)service;
    (void)hints;
    (void)res;
    hang();
    return EAI_AGAIN;
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
bool __real_ov_node_pull(struct ov_node *n, struct ov_output *out);
bool __wrap_ov_node_pull(struct ov_node *n, struct ov_output *out);

static atomic_uint peers;
static int *die_at; /* shared: at which of the next calls of fsync() to die; 0: at none */

/* The pool's thread, which writes peers, hangs; the loop's own does not, but it may die. */
int __wrap_fsync(int fd)
{
    if (peers > 0 && gettid() != getpid())
        hang();
    if (*die_at > 0 && --*die_at == 0)
        _exit(9);
    return __real_fsync(fd);
}

/* As if the engine had met some peers. */
bool __wrap_ov_node_pull(struct ov_node *n, struct ov_output *out)
{
    if (peers == 0 || peers > PEERS)
        return __real_ov_node_pull(n, out);
    *out = (struct ov_output){
        .kind = OV_OUT_PERSIST,
        .persist = {OV_PERSIST_PEER, 0x1000000000 + peers++, (const uint8_t *)"peer", 4}};
    return true;
}

/* ---- the daemon ---- */

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

/* One directory serves all: making an identity takes a while. */
static int make_dir(void **state)
{
    (void)state;
    tempdir_make(dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    tempdir_remove(dir);
    return 0;
}

static int setup(void **state)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    (void)state;
    snprintf(sa.sun_path, sizeof(sa.sun_path), "%.90s/notify", dir);
    notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(notify_fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    assert_int_equal(pipe(hung), 0);
    setenv("NOTIFY_SOCKET", sa.sun_path, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (child > 0) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        child = 0;
    }
    unlink(getenv("NOTIFY_SOCKET"));
    close(notify_fd);
    close(hung[0]);
    close(hung[1]);
    return 0;
}

static void start(const char *conf_text)
{
    char conf[TEMPDIR_MAX + 8], state[TEMPDIR_MAX + 8];
    char *argv[] = {"service", "-H", state, "-c", conf, NULL};
    tempdir_write(dir, "conf", conf_text, strlen(conf_text));
    snprintf(conf, sizeof(conf), "%s/conf", dir);
    snprintf(state, sizeof(state), "%s/state", dir);
    fflush(NULL);
    child = fork();
    if (child == 0)
        exit(ov_cmd_service(5, argv));
    assert_true(child > 0 && notified("READY=1"));
}

static void wait_until_hung(void)
{
    struct pollfd p = {.fd = hung[0], .events = POLLIN};
    assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
}

/* The exit code, or -1: it does not end. */
static int ended(void)
{
    int status = -1;
    for (int ms = 0; ms < PATIENCE_MS; ms += 10) {
        if (waitpid(child, &status, WNOHANG) == child) {
            child = 0;
            return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        }
        (void)poll(NULL, 0, 10);
    }
    return -1;
}

static void ends_well(struct ov_state **out)
{
    char path[TEMPDIR_MAX + 8];
    snprintf(path, sizeof(path), "%s/state", dir);
    assert_int_equal(ov_state_open(path, &LOG, out, why), OV_EEXIST);
    assert_int_equal(kill(child, SIGTERM), 0);
    assert_true(notified("STOPPING=1"));
    /* Its socket goes at once, its lock with itself. */
    int err = OV_EEXIST;
    for (int ms = 0; ms < PATIENCE_MS && err == OV_EEXIST; ms += 10) {
        err = ov_state_open(path, &LOG, out, why);
        (void)poll(NULL, 0, 10);
    }
    assert_int_equal(err, OV_OK);
    assert_int_equal(ended(), 0);
    assert_int_equal(tempdir_mode(dir, "state/ovpn.sock"), 0);
}

static void name_server_is_silent(void **state)
{
    struct ov_state *next;
    (void)state;
    start("[controller]\nenabled = yes\n[root]\npublic = vpn.example.org\n");
    wait_until_hung();
    ends_well(&next);
    ov_state_close(next);
}

static void disk_is_silent(void **state)
{
    struct ov_state *next;
    (void)state;
    peers = 1;
    start("[controller]\nenabled = yes\n");
    peers = 0;
    wait_until_hung();
    ends_well(&next);
    /* They are not remembered, and nothing of the one in hand is left. */
    assert_int_equal(tempdir_count(dir, "state/peers"), 0);
    ov_state_close(next);
}

/* Tell the daemon to leave the network: is it done? False: it died. */
static bool leave(void)
{
    static const char REQUEST[] = "DELETE /v1/networks/" NETID " HTTP/1.1\r\n"
                                  "Host: ovpn\r\nConnection: close\r\n\r\n";
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    char answer[64] = "";
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(sa.sun_path, sizeof(sa.sun_path), "%.80s/state/ovpn.sock", dir);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    assert_int_equal(write(fd, REQUEST, sizeof(REQUEST) - 1), sizeof(REQUEST) - 1);
    ssize_t n = recv(fd, answer, sizeof(answer) - 1, MSG_WAITALL);
    close(fd);
    answer[n < 0 ? 0 : n] = '\0';
    assert_true(n <= 0 || strncmp(answer, "HTTP/1.1 204 ", 13) == 0);
    return n > 0;
}

/* Dying at each moment of it in turn: the network is joined as before, or it is left. */
static void leaving_is_whole(void **state)
{
    char path[TEMPDIR_MAX + 8];
    struct ov_state *next;
    int deaths = 0;
    (void)state;
    snprintf(path, sizeof(path), "%s/state", dir);
    for (bool done = false; !done; deaths += !done) {
        assert_int_equal(ov_state_open(path, &LOG, &next, why), OV_OK);
        assert_int_equal(ov_state_put_hosts(next, strtoull(NETID, NULL, 16), NULL, 0, why), OV_OK);
        ov_state_close(next);
        tempdir_write(dir, "state/networks/" NETID, "of another version", 18);
        start("[node]\nport = 4793\n");
        *die_at = deaths + 1;
        done = leave();
        *die_at = 0;
        if (done)
            kill(child, SIGKILL);
        assert_int_equal(ended(), done ? -1 : 9);
        assert_int_equal(ov_state_open(path, &LOG, &next, why), OV_OK);
        ov_state_close(next);
        mode_t hosts = tempdir_mode(dir, "state/hosts/" NETID),
               item = tempdir_mode(dir, "state/networks/" NETID);
        assert_int_equal(hosts != 0, item != 0);
        assert_false(done && item != 0);
    }
    assert_true(deaths >= 3);
}

int main(void)
{
    EDGE_NEED_NETNS();
    die_at = mmap(NULL, sizeof(*die_at), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (die_at == MAP_FAILED)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(name_server_is_silent, setup, teardown),
        cmocka_unit_test_setup_teardown(disk_is_silent, setup, teardown),
        cmocka_unit_test_setup_teardown(leaving_is_whole, setup, teardown),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
