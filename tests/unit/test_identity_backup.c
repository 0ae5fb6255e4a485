/* The backup of an identity: its text, and how its passphrase is read. */
#include "cli/identity_backup.h"

#include <errno.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/wait.h>
#include <termios.h>
#include <cmocka.h>

#include "tempdir.h"

static const struct ov_pow POW = {.mem_kib = 8, .bits = 4};            /* quick */
static const struct ov_backup_cost COST = {.passes = 1, .mem_kib = 8}; /* quick */
static const struct ov_passphrase PASS = {.len = 18, .text = "correct horse batt"};

static struct ov_identity_secret id;
static char text[OV_BACKUP_TEXT], why[OV_WHY_MAX], dir[TEMPDIR_MAX];

static int setup(void **state)
{
    static const uint8_t seed[32] = {1, 2, 3};
    (void)state;
    assert_int_equal(ov_crypto_init(), OV_OK);
    assert_int_equal(ov_identity_make(seed, &POW, NULL, NULL, &id), OV_OK);
    assert_int_equal(ov_identity_backup_seal(&id, &PASS, &COST, text, why), OV_OK);
    tempdir_make(dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    tempdir_remove(dir);
    return 0;
}

static void there_and_back(void **state)
{
    struct ov_identity_secret back;
    char second[OV_BACKUP_TEXT];
    ov_addr addr = 0;
    (void)state;
    assert_int_equal(ov_identity_backup_look(text, &addr, why), OV_OK);
    assert_int_equal(addr, id.pub.addr);
    assert_int_equal(ov_identity_backup_open(text, &PASS, &POW, &back, why), OV_OK);
    assert_memory_equal(&back, &id, sizeof id);
    /* salt and nonce are fresh: no two backups are alike */
    assert_int_equal(ov_identity_backup_seal(&id, &PASS, &COST, second, why), OV_OK);
    assert_string_not_equal(text, second);
}

static void the_secret_is_not_in_it(void **state)
{
    char hex[9], bare[OV_BACKUP_TEXT], *to = bare;
    (void)state;
    for (const char *p = text; *p; p++)
        if (*p != ' ' && *p != '\n')
            *to++ = *p;
    *to = '\0';
    for (size_t i = 0; i + 4 <= sizeof id.seed; i += 4) {
        snprintf(hex, sizeof hex, "%02x%02x%02x%02x", id.seed[i], id.seed[i + 1], id.seed[i + 2],
                 id.seed[i + 3]);
        if (strcmp(hex, "00000000") != 0)
            assert_null(strstr(bare, hex));
    }
}

/* As somebody types it from paper: no comment, other blanks, upper case. */
static void typed_in_again(void **state)
{
    struct ov_identity_secret back;
    char typed[OV_BACKUP_MAX], *to = typed;
    (void)state;
    for (const char *p = strstr(text, "ovpn identity backup"); *p; p++) {
        if (*p == ' ')
            continue;
        *to++ = (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
        if (*p == '\n')
            to += sprintf(to, "\r\n\t# my own note\n ");
    }
    *to = '\0';
    assert_true(ov_identity_backup_is(typed));
    assert_int_equal(ov_identity_backup_open(typed, &PASS, &POW, &back, why), OV_OK);
    assert_memory_equal(&back, &id, sizeof id);
}

static void another_passphrase(void **state)
{
    struct ov_identity_secret back;
    struct ov_passphrase other = PASS;
    (void)state;
    other.text[other.len - 1] ^= 1;
    assert_int_equal(ov_identity_backup_open(text, &other, &POW, &back, why), OV_EAUTH);
    assert_non_null(strstr(why, "passphrase"));
    other = PASS;
    other.len--;
    assert_int_equal(ov_identity_backup_open(text, &other, &POW, &back, why), OV_EAUTH);
}

/* Every digit and word counts; damage is told from a wrong passphrase, and before it is asked. */
static void every_character_counts(void **state)
{
    struct ov_identity_secret back;
    char bad[OV_BACKUP_TEXT];
    ov_addr addr;
    size_t start = (size_t)(strstr(text, "ovpn identity backup") - text), len = strlen(text);
    (void)state;
    for (size_t i = start; i < len; i++) {
        strcpy(bad, text);
        if (bad[i] == ' ' || bad[i] == '\n')
            continue;
        bad[i] = bad[i] == '7' ? '8' : '7';
        int err = ov_identity_backup_look(bad, &addr, why);
        assert_true(err == OV_EINVAL || err == OV_EVERSION);
        assert_int_equal(ov_identity_backup_open(bad, &PASS, &POW, &back, why), err);
        memcpy(bad, text, i); /* cut off */
        bad[i] = '\0';
        assert_int_not_equal(ov_identity_backup_look(bad, &addr, why), OV_OK);
    }
    snprintf(bad, sizeof bad, "%s7", text);
    assert_int_equal(ov_identity_backup_look(bad, &addr, why), OV_EINVAL);
    assert_int_equal(ov_identity_backup_look("", &addr, why), OV_EINVAL);
}

/* Replace a word and make the check line right again, as an enemy would. */
static void forge(char out[OV_BACKUP_TEXT], const char *from, const char *to)
{
    char bare[OV_BACKUP_TEXT], *b = bare;
    uint8_t sum[16];
    const char *at = strstr(text, from), *p;
    assert_non_null(at);
    snprintf(out, OV_BACKUP_TEXT, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    for (p = strstr(out, "ovpn identity backup"); p < strstr(out, "check "); p++)
        if (*p != ' ' && *p != '\n')
            *b++ = *p;
    ov_hash(sum, sizeof sum, NULL, 0, bare, (size_t)(b - bare));
    b = strstr(out, "check ") + 6;
    for (int i = 0; i < 8; i++)
        b += sprintf(b, "%02x", sum[i]);
}

static void a_forged_header(void **state)
{
    struct ov_identity_secret back;
    char forged[OV_BACKUP_TEXT], was[32], other[32], a[OV_ADDR_TEXT];
    ov_addr addr;
    (void)state;
    forge(forged, "\naddress", "\naddress"); /* as it is: the forger makes no mistake */
    assert_int_equal(ov_identity_backup_open(forged, &PASS, &POW, &back, why), OV_OK);
    snprintf(was, sizeof was, "\naddress %s", ov_addr_format(id.pub.addr, a));
    snprintf(other, sizeof other, "\naddress %s", ov_addr_format(id.pub.addr ^ 1, a));
    forge(forged, was, other);
    assert_int_equal(ov_identity_backup_look(forged, &addr, why), OV_OK);
    assert_int_equal(ov_identity_backup_open(forged, &PASS, &POW, &back, why), OV_EAUTH);
    /* what would cost us all memory, or is a mistake, is refused before it is tried */
    static const char *const costs[] = {"passes 0 memory 8",
                                        "passes 1 memory 4",
                                        "passes 1 memory 4294967295",
                                        "passes 99999 memory 8",
                                        "passes 18446744073709551615 memory 8",
                                        "passes memory 8"};
    for (size_t i = 0; i < sizeof costs / sizeof *costs; i++) {
        forge(forged, "passes 1 memory 8", costs[i]);
        assert_int_equal(ov_identity_backup_open(forged, &PASS, &POW, &back, why), OV_EINVAL);
    }
    forge(forged, "backup v1", "backup v2");
    assert_int_equal(ov_identity_backup_open(forged, &PASS, &POW, &back, why), OV_EVERSION);
}

/* ---- the passphrase ---- */

static void from_a_file(void **state)
{
    struct ov_passphrase p;
    char path[TEMPDIR_MAX + 8], line[OV_PASSPHRASE_MAX + 2];
    (void)state;
    snprintf(path, sizeof path, "%s/pass", dir);
    assert_int_equal(ov_passphrase_read(&p, path, "?", true, why), OV_ENOENT);
    tempdir_write(dir, "pass", "two words\r\nsecond line\n", 22);
    assert_int_equal(ov_passphrase_read(&p, path, "?", true, why), OV_OK);
    assert_string_equal(p.text, "two words");
    assert_int_equal(p.len, 9);
    tempdir_write(dir, "pass", "short", 5);
    assert_int_equal(ov_passphrase_read(&p, path, "?", true, why), OV_EINVAL);
    assert_int_equal(p.len + (size_t)p.text[0], 0);                         /* wiped */
    assert_int_equal(ov_passphrase_read(&p, path, "?", false, why), OV_OK); /* of an old backup */
    tempdir_write(dir, "pass", "\n", 1);
    assert_int_equal(ov_passphrase_read(&p, path, "?", false, why), OV_EINVAL);
    memset(line, 'x', sizeof line);
    tempdir_write(dir, "pass", line, OV_PASSPHRASE_MAX);
    assert_int_equal(ov_passphrase_read(&p, path, "?", true, why), OV_OK);
    tempdir_write(dir, "pass", line, OV_PASSPHRASE_MAX + 1);
    assert_int_equal(ov_passphrase_read(&p, path, "?", true, why), OV_EINVAL);
}

/* A person at a terminal: a child whose controlling terminal is ours to type on. It ends with 100
 * when what it read is `expect`, else with the error made positive. */
struct person {
    pid_t child;
    int tty;
    char seen[4096]; /* all that stood on the screen */
    size_t len;
};

static void sit_down(struct person *p, bool is_new, const char *expect)
{
    memset(p, 0, sizeof *p);
    p->child = forkpty(&p->tty, NULL, NULL, NULL);
    assert_true(p->child >= 0);
    if (p->child == 0) {
        struct ov_passphrase pass;
        (void)signal(SIGINT, SIG_DFL); /* whoever runs the tests may have it ignored */
        int err = ov_passphrase_read(&pass, NULL, "say the word", is_new, why);
        _exit(err == OV_OK ? (strcmp(pass.text, expect) == 0 ? 100 : 99) : -err);
    }
}

static void see(struct person *p, const char *words)
{
    while (strstr(p->seen, words) == NULL) {
        ssize_t n = read(p->tty, p->seen + p->len, sizeof p->seen - 1 - p->len);
        if (n <= 0)
            fail_msg("\"%s\" did not come, but: %s", words, p->seen);
        p->len += (size_t)n;
    }
}

static void type(struct person *p, const char *words)
{
    assert_int_equal(write(p->tty, words, strlen(words)), strlen(words));
}

static int leave(struct person *p)
{
    int status;
    ssize_t n;
    while ((n = read(p->tty, p->seen + p->len, sizeof p->seen - 1 - p->len)) > 0)
        p->len += (size_t)n;
    assert_int_equal(waitpid(p->child, &status, 0), p->child);
    close(p->tty);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void from_the_terminal(void **state)
{
    struct person p;
    (void)state;
    sit_down(&p, true, "open sesame");
    see(&p, "say the word: ");
    type(&p, "open sesame\n");
    see(&p, "the same again: ");
    type(&p, "open sesame\n");
    assert_int_equal(leave(&p), 100);
    assert_null(strstr(p.seen, "sesame")); /* no echo */

    sit_down(&p, true, "");
    see(&p, "say the word: ");
    type(&p, "open sesame\n");
    see(&p, "the same again: ");
    type(&p, "open sesami\n");
    assert_int_equal(leave(&p), -OV_EINVAL);

    sit_down(&p, false, "old"); /* once, and however short */
    see(&p, "say the word: ");
    type(&p, "old\n");
    assert_int_equal(leave(&p), 100);
}

/* Ctrl-C ends it, and the terminal has its echo again. */
static void interrupt_one(void)
{
    struct person p;
    struct termios t;
    sit_down(&p, true, "");
    see(&p, "say the word: ");
    assert_int_equal(tcgetattr(p.tty, &t), 0);
    assert_int_equal(t.c_lflag & ECHO, 0);
    type(&p, "open\003");
    int status;
    assert_int_equal(waitpid(p.child, &status, 0), p.child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), -OV_ESTATE);
    assert_int_equal(tcgetattr(p.tty, &t), 0);
    assert_int_not_equal(t.c_lflag & ECHO, 0);
    close(p.tty);
}

/* Many times: it may come between the question and the wait for its answer. */
static void interrupted(void **state)
{
    sigset_t blocked;
    (void)state;
    for (int i = 0; i < 200; i++)
        interrupt_one();
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT); /* as whoever started us may have left it */
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    interrupt_one();
    sigprocmask(SIG_UNBLOCK, &blocked, NULL);
}

static void no_terminal(void **state)
{
    pid_t child = fork();
    int status;
    (void)state;
    if (child == 0) {
        struct ov_passphrase p;
        if (setsid() < 0)
            _exit(1);
        _exit(-ov_passphrase_read(&p, NULL, "?", false, why));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), -OV_ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(the_secret_is_not_in_it),
        cmocka_unit_test(typed_in_again),
        cmocka_unit_test(another_passphrase),
        cmocka_unit_test(every_character_counts),
        cmocka_unit_test(a_forged_header),
        cmocka_unit_test(from_a_file),
        cmocka_unit_test(from_the_terminal),
        cmocka_unit_test(interrupted),
        cmocka_unit_test(no_terminal),
    };
    return cmocka_run_group_tests_name("identity_backup", tests, setup, teardown);
}
