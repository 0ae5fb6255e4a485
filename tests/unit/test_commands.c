/* The binary as people call it, where no daemon is: usage, exit codes, and what it says. */
#include "cli/command.h"
#include "cli/version.h"
#include "tempdir.h"

#include <fcntl.h>
#include <jansson.h>
#include <pty.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <setjmp.h>
#include <cmocka.h>

struct world {
    char binary[1024];
    char dir[TEMPDIR_MAX]; /* an empty state directory */
};

struct result {
    int code;
    char out[16384], err[65536]; /* progress on a busy machine is long */
};

static size_t drain(int fd, char *to, size_t cap)
{
    size_t len = 0;
    ssize_t n;

    while (len + 1 < cap && (n = read(fd, to + len, cap - 1 - len)) > 0)
        len += (size_t)n;
    to[len] = '\0';
    close(fd);
    return len;
}

/* Run the words of `line`, where '%' is the state directory. stderr may be a terminal. */
static struct result run_on(const struct world *w, const char *line, bool terminal)
{
    char words[2048] = "ovpn ", *argv[32], *save = NULL;
    struct result r = {0};
    int out[2], err[2], status, argc = 0;
    size_t len = strlen(words);
    pid_t pid;

    for (; *line; line++) {
        if (*line == '%')
            len += (size_t)snprintf(words + len, sizeof words - len, "%s", w->dir);
        else
            words[len++] = *line;
    }
    words[len] = '\0';
    for (char *word = strtok_r(words, " ", &save); word && argc < 31;
         word = strtok_r(NULL, " ", &save))
        argv[argc++] = word;
    argv[argc] = NULL;

    assert_int_equal(pipe(out), 0);
    if (terminal)
        assert_int_equal(openpty(&err[0], &err[1], NULL, NULL, NULL), 0);
    else
        assert_int_equal(pipe(err), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int null = open("/dev/null", O_RDONLY);
        dup2(null, STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        dup2(err[1], STDERR_FILENO);
        setenv("TERM", "xterm", 1);
        execv(w->binary, argv);
        _exit(127);
    }
    close(out[1]);
    drain(out[0], r.out, sizeof r.out);
    if (!terminal)
        close(err[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (terminal)
        close(err[1]);
    drain(err[0], r.err, sizeof r.err);
    r.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return r;
}

static struct result run(void **state, const char *line)
{
    return run_on(*state, line, false);
}

static void assert_says(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in: %s", part, text);
}

static void help_of_everything(void **state)
{
    static const char *const commands[] = {
        "join",       "leave",       "status",          "networks",          "peers",
        "ping",       "id",          "id new",          "id show",           "id check",
        "id export",  "id import",   "controller",      "controller backup", "controller restore",
        "net",        "net create",  "net list",        "net show",          "net set",
        "net delete", "net members", "net authorize",   "net forget",        "net name",
        "net invite", "net invites", "net deauthorize", "service",           "doctor",
        "net revoke",
    };

    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        char line[64], usage[64];
        struct result r;
        snprintf(line, sizeof line, "%s --help", commands[i]);
        r = run(state, line);
        assert_int_equal(r.code, OV_EXIT_OK);
        assert_says(r.out, "usage: ovpn");
        snprintf(usage, sizeof usage, "%s", commands[i]);
        assert_says(r.out, usage);
        assert_string_equal(r.err, "");
    }
}

static void top_level(void **state)
{
    struct result r = run(state, "--version");

    assert_int_equal(r.code, OV_EXIT_OK);
    assert_string_equal(r.out, "ovpn " OV_VERSION "\n");
    r = run(state, "-H % --json --version");
    assert_int_equal(r.code, OV_EXIT_OK);
    assert_string_equal(r.out, "ovpn " OV_VERSION "\n");
    r = run(state, "--help");
    assert_int_equal(r.code, OV_EXIT_OK);
    assert_says(r.out, "join NETID");
    r = run(state, "help net");
    assert_int_equal(r.code, OV_EXIT_OK);
    assert_says(r.out, "authorize NET MEMBER");
    r = run(state, "");
    assert_int_equal(r.code, OV_EXIT_USAGE);
    assert_string_equal(r.out, "");
    assert_says(r.err, "usage: ovpn");
}

static void usage_errors(void **state)
{
    static const struct {
        const char *line, *says;
    } cases[] = {
        {"jion", "did you mean \"ovpn join\"?"},
        {"net creat x", "did you mean \"ovpn net create\"?"},
        {"down", "did you mean \"ovpn leave NETWORK\"?"},
        {"down dorm", "did you mean \"ovpn leave dorm\"?"},
        {"help down", "did you mean \"ovpn leave NETWORK\"?"},
        {"up", "did you mean \"ovpn join NETID\"?"},
        {"list", "did you mean \"ovpn networks\"?"},
        {"info", "did you mean \"ovpn status\"?"},
        {"version", "did you mean \"ovpn --version\"?"},
        {"listnetworks", "did you mean \"ovpn networks\"?"},
        {"listpeers", "did you mean \"ovpn peers\"?"},
        {"members dorm", "did you mean \"ovpn net members dorm\"?"},
        {"net rename dorm lair", "did you mean \"ovpn net set dorm name lair\"?"},
        {"net rm dorm", "did you mean \"ovpn net delete dorm\"?"},
        {"net remove dorm eve", "did you mean \"ovpn net deauthorize dorm eve\"?"},
        {"-H % net kick dorm eve", "did you mean \"ovpn net deauthorize dorm eve\"?"},
        {"net approve dorm", "did you mean \"ovpn net authorize dorm ADDRESS\"?"},
        {"id backup", "did you mean \"ovpn id export FILE\"?"},
        {"net authorize dorm", "ovpn net members dorm shows who waits"},
        {"net authorize", "ovpn net members NET shows who waits"},
        {"net revoke dorm", "\"ovpn net invites dorm\" shows their ids"},
        {"frobnicate", "there is no command"},
        {"--nonsense status", "--nonsense"},
        {"-H", "-H"},
        {"join", "which network?"},
        {"join a b", "one argument too many"},
        {"join 8056c2e21c00001", "has 15 hex digits"},
        {"join 8056c2e21c000001 --timeout soon", "30s, 15m"},
        {"join 8056c2e21c000001 --timeot 3s", "did you mean --timeout?"},
        {"join 8056c2e21c000001 --timeout", "needs a value"},
        {"join 8056c2e21c000001 --no-wait=1", "takes no value"},
        {"join 8056c2e21c000001 -x", "unknown option -x"},
        {"join ovpn1aaaaaaaa", "mistyped"},
        {"ping", "whom?"},
        {"ping x -c many", "whole number"},
        {"net delete dorm", "--yes"},
        {"net set dorm mtu", "KEY needs its VALUE"},
        {"net set dorm", "which network, and what?"},
        {"net create dorm --set mtu", "KEY=VALUE"},
        {"service -c %/none.conf", "none.conf"},
        {"service --prot 3", "did you mean --port?"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct result r = run(state, cases[i].line);
        if (r.code != OV_EXIT_USAGE)
            fail_msg("\"%s\" ended with %d: %s", cases[i].line, r.code, r.err);
        assert_string_equal(r.out, "");
        assert_says(r.err, cases[i].says);
    }
}

static void no_daemon(void **state)
{
    static const char *const lines[] = {
        "-H % status",
        "status -H %",
        "--state=% networks",
        "-H% peers",
        "-H % ping x",
        "-H % leave dorm",
        "-H % join 8056c2e21c000001",
        "-H % net list",
        "net -H % members dorm",
        "net delete dorm --yes -H %",
        "-H %/none status",
    };

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct result r = run(state, lines[i]);
        if (r.code != OV_EXIT_NO_DAEMON)
            fail_msg("\"%s\" ended with %d: %s", lines[i], r.code, r.err);
        assert_string_equal(r.out, "");
        assert_says(r.err, "no daemon is running in ");
        assert_says(r.err, "service");
    }
}

static void no_daemon_as_json(void **state)
{
    struct result r = run(state, "-H % --json status");
    json_t *reply = json_loads(r.out, 0, NULL);

    assert_int_equal(r.code, OV_EXIT_NO_DAEMON);
    assert_non_null(reply);
    assert_string_equal(json_string_value(json_object_get(json_object_get(reply, "error"), "code")),
                        "no_daemon");
    json_decref(reply);
}

static void state_directory_too_long(void **state)
{
    char line[512] = "-H /";
    struct result r;

    memset(line + 4, 'x', 200);
    strcpy(line + 204, " status");
    r = run(state, line);
    assert_int_equal(r.code, OV_EXIT_FAILED);
    assert_says(r.err, "too long");
}

static void identity(void **state)
{
    struct result r = run(state, "-H %/id id show"), again;
    char address[11], line[512];
    json_t *shown;

    assert_int_equal(r.code, OV_EXIT_FAILED);
    assert_says(r.err, "the daemon makes one");
    r = run(state, "-H %/id id check");
    assert_int_equal(r.code, OV_EXIT_FAILED);
    assert_says(r.err, "the daemon makes one");
    r = run(state, "-H %/id id new");

    assert_int_equal(r.code, OV_EXIT_OK);
    assert_string_equal(r.err, ""); /* no progress in a pipe */
    assert_int_equal(sscanf(r.out, "made the identity of node %10[0-9a-f]", address), 1);
    again = run(state, "-H %/id id new");
    assert_int_equal(again.code, OV_EXIT_FAILED);
    assert_says(again.err, "--force");

    r = run(state, "-H %/id --json id show");
    assert_int_equal(r.code, OV_EXIT_OK);
    shown = json_loads(r.out, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(shown, "address")), address);
    snprintf(line, sizeof line, "id check %s",
             json_string_value(json_object_get(shown, "identity")));
    json_decref(shown);
    assert_int_equal(run(state, line).code, OV_EXIT_OK);
    line[30] = line[30] == 'a' ? 'b' : 'a';
    r = run(state, line);
    assert_int_equal(r.code, OV_EXIT_FAILED);
    assert_says(r.err, "not genuine");
    assert_int_equal(run(state, "-H %/id id check").code, OV_EXIT_OK);
    assert_int_equal(run(state, "id check %/id/identity.public").code, OV_EXIT_OK);
    assert_int_equal(run(state, "id check %/id/identity.secret").code, OV_EXIT_FAILED);
    assert_int_equal(run(state, "id check %").code, OV_EXIT_FAILED);
    assert_int_equal(run(state, "id check nonsense").code, OV_EXIT_FAILED);
}

static void identity_forced(void **state)
{
    struct result first = run(state, "-H %/forced id new"), r;
    const char *kept;
    char path[512];
    struct stat st;

    r = run_on(*state, "-H %/forced id new --force", true);
    assert_int_equal(r.code, OV_EXIT_OK);
    assert_string_not_equal(r.out, first.out);
    assert_says(r.err, "must be admitted again");
    assert_says(r.err, "\r\033[K"); /* stderr was a terminal: there was progress */
    kept = strstr(r.err, "is now ");
    assert_non_null(kept);
    assert_int_equal(sscanf(kept, "is now %511[^ \r\n]", path), 1);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void put_file(const struct world *w, const char *name, const char *text)
{
    char path[128];
    FILE *f;
    snprintf(path, sizeof path, "%s/%s", w->dir, name);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

/* There and back: what was saved is what is put back, and nothing is half done on the way. */
static void identity_backup(void **state)
{
    const struct world *w = *state;
    char address[11], path[128], kept[512];
    struct stat st;
    struct result r = run(state, "-H %/from id new");

    assert_int_equal(sscanf(r.out, "made the identity of node %10[0-9a-f]", address), 1);
    put_file(w, "pass", "correct horse\n");
    put_file(w, "wrong", "incorrect horse\n");
    r = run(state, "-H %/from id export %/backup --passphrase-file %/pass");
    assert_int_equal(r.code, OV_EXIT_OK);
    assert_says(r.out, address);
    assert_says(r.out, "ovpn controller backup FILE");
    snprintf(path, sizeof path, "%s/backup", w->dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    r = run(state, "-H %/from id export %/backup --passphrase-file %/pass");
    assert_int_equal(r.code, OV_EXIT_FAILED); /* never overwritten */
    r = run(state, "id check %/backup");
    assert_int_equal(r.code, OV_EXIT_OK);
    assert_says(r.out, address);

    r = run(state, "-H %/to id import %/backup --passphrase-file %/wrong");
    assert_int_equal(r.code, OV_EXIT_FAILED);
    assert_says(r.err, "not the passphrase");
    snprintf(path, sizeof path, "%s/to/identity.secret", w->dir);
    assert_int_equal(stat(path, &st), -1); /* nothing was left */
    r = run(state, "-H %/to id import %/backup --passphrase-file %/pass");
    assert_int_equal(r.code, OV_EXIT_OK);
    assert_says(r.err, "no other computer");
    assert_says(r.out, "ovpn controller restore FILE");
    r = run(state, "-H %/to --json id show");
    assert_says(r.out, address);
    r = run(state, "-H %/to id import %/backup --passphrase-file %/pass");
    assert_int_equal(r.code, OV_EXIT_OK);
    assert_says(r.out, "nothing to do");

    r = run(state, "-H %/other id new");
    r = run(state, "-H %/other id import %/backup --passphrase-file %/pass");
    assert_int_equal(r.code, OV_EXIT_FAILED);
    assert_says(r.err, "--force");
    r = run(state, "-H %/other id import %/backup --passphrase-file %/pass --force");
    assert_int_equal(r.code, OV_EXIT_OK);
    assert_int_equal(sscanf(strstr(r.err, "is now "), "is now %511[^ \r\n]", kept), 1);
    assert_int_equal(stat(kept, &st), 0);
    r = run(state, "-H %/other --json id show");
    assert_says(r.out, address);

    r = run(state, "-H %/from --json id export --passphrase-file %/pass");
    json_t *reply = json_loads(r.out, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(reply, "address")), address);
    put_file(w, "printed", json_string_value(json_object_get(reply, "backup")));
    json_decref(reply);
    assert_int_equal(run(state, "id check %/printed").code, OV_EXIT_OK);
}

static void identity_backup_refused(void **state)
{
    struct result r = run(state, "-H %/none2 id export %/b2 --passphrase-file %/pass");

    assert_int_equal(r.code, OV_EXIT_FAILED);
    assert_says(r.err, "the daemon makes one");
    r = run(state, "-H %/none2 id import %/pass --passphrase-file %/pass");
    assert_int_equal(r.code, OV_EXIT_FAILED);
    assert_says(r.err, "no backup");
    r = run(state, "-H %/none2 id import %/missing --passphrase-file %/pass");
    assert_int_equal(r.code, OV_EXIT_FAILED);
    r = run(state, "-H %/none2 id import - --passphrase-file -");
    assert_int_equal(r.code, OV_EXIT_USAGE);
    r = run(state, "-H %/none2 --json id import %/pass --passphrase-file %/pass");
    assert_says(r.out, "\"error\"");
}

/* `ovpn ... > /dev/full` must not look like success. */
static void full_disk(void **state)
{
    const struct world *w = *state;
    char command[2048];
    int status;

    snprintf(command, sizeof command, "'%s' --help > /dev/full 2> /dev/null", w->binary);
    status = system(command);
    assert_int_equal(WEXITSTATUS(status), OV_EXIT_FAILED);
}

int main(int argc, char **argv)
{
    struct world w = {0};
    void *state = &w;
    const char *slash = strrchr(argv[0], '/');
    int failed;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(help_of_everything, state),
        cmocka_unit_test_prestate(top_level, state),
        cmocka_unit_test_prestate(usage_errors, state),
        cmocka_unit_test_prestate(no_daemon, state),
        cmocka_unit_test_prestate(no_daemon_as_json, state),
        cmocka_unit_test_prestate(state_directory_too_long, state),
        cmocka_unit_test_prestate(identity, state),
        cmocka_unit_test_prestate(identity_forced, state),
        cmocka_unit_test_prestate(identity_backup, state),
        cmocka_unit_test_prestate(identity_backup_refused, state),
        cmocka_unit_test_prestate(full_disk, state),
    };
    (void)argc;

    /* BUILD/tests/unit/test_commands -> BUILD/ovpn */
    snprintf(w.binary, sizeof w.binary, "%.*s/../../ovpn", slash ? (int)(slash - argv[0]) : 1,
             slash ? argv[0] : ".");
    tempdir_make(w.dir);
    failed = cmocka_run_group_tests_name("commands", tests, NULL, NULL);
    tempdir_remove(w.dir);
    return failed;
}
