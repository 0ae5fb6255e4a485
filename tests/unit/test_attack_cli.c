/* What the command line must not give away, and what strangers must not do to its terminal. */
#include "cli/text.h"

#include "core/invite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

#include "tempdir.h"

#include <pty.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

static char binary[1024], dir[TEMPDIR_MAX];

static int setup(void **state)
{
    (void)state;
    tempdir_make(dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tempdir_remove(dir);
    return 0;
}

/* A daemon that listens. */
static int listen_as_daemon(void)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(sa.sun_path, sizeof(sa.sun_path), "%.90s/ovpn.sock", dir);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    assert_int_equal(listen(fd, 4), 0);
    return fd;
}

/* `ovpn -H DIR WORD WORD2` on a terminal, whose other end is *tty. */
static pid_t start(const char *word, const char *word2, int *tty)
{
    pid_t pid = forkpty(tty, NULL, NULL, NULL);
    assert_true(pid >= 0);
    if (pid == 0) {
        execl(binary, "ovpn", "-H", dir, word, word2, (char *)NULL);
        _exit(127);
    }
    return pid;
}

/* The request that comes, up to its end or as much as fits. */
static int take_request(int fd, char *out, size_t cap, const char *until)
{
    size_t len = 0;
    int client = accept(fd, NULL, NULL);
    out[0] = '\0';
    while (strstr(out, until) == NULL) {
        ssize_t n = recv(client, out + len, cap - 1 - len, 0);
        assert_true(n > 0);
        len += (size_t)n;
        out[len] = '\0';
    }
    return client;
}

/* Everybody on a computer sees the argument lists of all processes, and a join may wait for long.
 */
static void an_invite_leaves_the_process_list(void **state)
{
    struct ov_invite inv = {.netid = 0x8056c2e21c000001, .controller = {.addr = 0x8056c2e21c}};
    char text[OV_INVITE_TEXT], seen[8192], path[64];
    int tty, fd = listen_as_daemon();
    (void)state;
    memset(inv.secret, 0x33, sizeof(inv.secret));
    assert_int_equal(ov_invite_format(&inv, text), OV_OK);
    pid_t pid = start("join", text, &tty);
    int client = take_request(fd, seen, sizeof(seen), "\"}");
    assert_non_null(strstr(seen, text)); /* the daemon gets it whole */
    snprintf(path, sizeof(path), "/proc/%d", (int)pid);
    ssize_t n = tempdir_read(path, "cmdline", seen, sizeof(seen));
    assert_true(n > 10);
    for (ssize_t i = 0; i < n; i++)
        seen[i] = seen[i] == '\0' ? ' ' : seen[i];
    assert_non_null(strstr(seen, " join "));
    assert_null(strstr(seen, text + 20));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(client);
    close(fd);
    close(tty);
}

/* JSON on a terminal: a controller's name with an 8-bit CSI in it reaches no terminal raw. */
static void json_on_a_terminal(void **state)
{
    static const char REPLY[] = "HTTP/1.1 200 OK\r\nContent-Length: 37\r\n\r\n"
                                "{\"networks\":[{\"name\":\"\xc2\x9b"
                                "31m\xe2\x80\xaexx\"}]}\n";
    char seen[8192];
    size_t len = 0;
    ssize_t n;
    int tty, fd = listen_as_daemon();
    (void)state;
    pid_t pid = start("networks", "--json", &tty);
    int client = take_request(fd, seen, sizeof(seen), "\r\n\r\n");
    assert_int_equal(strlen(strstr(REPLY, "\r\n\r\n") + 4), 37);
    assert_true(send(client, REPLY, sizeof(REPLY) - 1, 0) > 0);
    while (len + 1 < sizeof(seen) && (n = read(tty, seen + len, sizeof(seen) - 1 - len)) > 0)
        len += (size_t)n;
    seen[len] = '\0';
    waitpid(pid, NULL, 0);
    assert_non_null(strstr(seen, "\\u009B31m\\u202Exx"));
    assert_null(strstr(seen, "\xc2\x9b"));
    close(client);
    close(fd);
    close(tty);
}

/* Marks that turn the direction of text make one name look like another. */
static void names_keep_their_direction(void **state)
{
    static const char *const MARKS[] = {
        "\xe2\x80\xaa", "\xe2\x80\xab", "\xe2\x80\xac", "\xe2\x80\xad", "\xe2\x80\xae",
        "\xe2\x81\xa6", "\xe2\x81\xa7", "\xe2\x81\xa8", "\xe2\x81\xa9", "\xe2\x80\x8e",
        "\xe2\x80\x8f", "\xd8\x9c",     "\xe2\x80\xa8", "\xe2\x80\xa9", "\xc2\x9b",
        "\xe2\x80\x8b", "\xef\xbb\xbf"};
    (void)state;
    for (size_t i = 0; i < sizeof(MARKS) / sizeof(MARKS[0]); i++) {
        char text[32], *clean;
        snprintf(text, sizeof(text), "a%sb", MARKS[i]);
        clean = ov_text_clean(text, true);
        assert_string_equal(clean, "a?b");
        free(clean);
        assert_int_equal(ov_text_width(text), 3);
    }
    char *plain = ov_text_clean("M\xc3\xbcller, \xe7\x8e\x8b, e\xcc\x81", false);
    assert_string_equal(plain, "M\xc3\xbcller, \xe7\x8e\x8b, e\xcc\x81");
    free(plain);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_invite_leaves_the_process_list, setup, teardown),
        cmocka_unit_test_setup_teardown(json_on_a_terminal, setup, teardown),
        cmocka_unit_test(names_keep_their_direction),
    };
    const char *slash = strrchr(argv[0], '/');
    (void)argc;
    snprintf(binary, sizeof(binary), "%.*s/../../ovpn", slash ? (int)(slash - argv[0]) : 1,
             slash ? argv[0] : ".");
    return cmocka_run_group_tests_name("attack_cli", tests, NULL, NULL);
}
