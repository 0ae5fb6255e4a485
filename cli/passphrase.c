#include "passphrase.h"

#include "core/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* Theory of operation, for the terminal: echo is off while a line is read, and must be on again
 * however that ends. So signals that would end the program only end the wait for input; the
 * terminal is put back, then the command ends by itself. They are blocked but for that wait (ppoll
 * lets them in and waits in one step), or one that comes just before it would be lost. /dev/tty is
 * asked and not standard input, which may be the backup. */

static const int SIGNALS[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};
#define NSIGNALS (sizeof SIGNALS / sizeof *SIGNALS)

static void interrupt(int signum)
{
    (void)signum; /* ppoll() returns EINTR */
}

/* A line without its end; OV_ESTATE when a signal came that `waiting`, the signal mask of the wait,
 * lets in. NULL: the mask stays as it is. */
static int read_line(int fd, const sigset_t *waiting, struct ov_passphrase *out)
{
    struct pollfd input = {.fd = fd, .events = POLLIN};
    char c;
    out->len = 0;
    for (;;) {
        ssize_t n = ppoll(&input, 1, NULL, waiting) < 0 ? -1 : read(fd, &c, 1);
        if (n < 0)
            return errno == EINTR ? OV_ESTATE : OV_EIO;
        if (n == 0 || c == '\n')
            break;
        if (out->len > OV_PASSPHRASE_MAX - 1)
            return OV_EFULL;
        out->text[out->len++] = c;
    }
    if (out->len > 0 && out->text[out->len - 1] == '\r')
        out->len--;
    out->text[out->len] = '\0';
    ov_wipe(&c, sizeof c);
    return OV_OK;
}

static int ask(int tty, const char *prompt, struct ov_passphrase *out)
{
    struct sigaction old[NSIGNALS], act = {.sa_handler = interrupt};
    struct termios was, quiet;
    sigset_t ours, before, waiting;
    int err = OV_EIO;

    if (tcgetattr(tty, &was) != 0)
        return OV_EIO;
    quiet = was;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    quiet.c_lflag |= ECHONL | ICANON;
    sigemptyset(&act.sa_mask);
    sigemptyset(&ours);
    for (size_t i = 0; i < NSIGNALS; i++)
        sigaddset(&ours, SIGNALS[i]);
    sigprocmask(SIG_BLOCK, &ours, &before);
    waiting = before;
    for (size_t i = 0; i < NSIGNALS; i++) {
        sigdelset(&waiting, SIGNALS[i]);
        sigaction(SIGNALS[i], &act, &old[i]);
    }
    /* TCSAFLUSH: what was typed before the question is no answer to it */
    if (tcsetattr(tty, TCSAFLUSH, &quiet) == 0) {
        dprintf(tty, "%s: ", prompt);
        err = read_line(tty, &waiting, out);
        (void)tcsetattr(tty, TCSAFLUSH, &was);
    }
    for (size_t i = 0; i < NSIGNALS; i++)
        sigaction(SIGNALS[i], &old[i], NULL);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return err;
}

/* The words for an error of reading. */
static int explain(int err, const char *from, char why[OV_WHY_MAX])
{
    if (err == OV_ESTATE)
        snprintf(why, OV_WHY_MAX, "stopped");
    else if (err == OV_EFULL)
        snprintf(why, OV_WHY_MAX, "a passphrase has at most %d bytes", OV_PASSPHRASE_MAX);
    else if (err != OV_OK)
        snprintf(why, OV_WHY_MAX, "cannot read the passphrase from %.120s: %s", from,
                 strerror(errno));
    return err == OV_EFULL ? OV_EINVAL : err;
}

static int check_new(const struct ov_passphrase *p, char why[OV_WHY_MAX])
{
    if (p->len >= OV_PASSPHRASE_MIN)
        return OV_OK;
    snprintf(why, OV_WHY_MAX,
             "a passphrase of %zu characters is soon guessed: take one of %d at least, better a "
             "few words",
             p->len, OV_PASSPHRASE_MIN);
    return OV_EINVAL;
}

static int from_terminal(struct ov_passphrase *out, const char *prompt, bool is_new,
                         char why[OV_WHY_MAX])
{
    struct ov_passphrase again = {0};
    int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (tty < 0) {
        snprintf(why, OV_WHY_MAX,
                 "there is no terminal to ask for the passphrase on: give it in a "
                 "file, with --passphrase-file");
        return OV_ENOENT;
    }
    int err = explain(ask(tty, prompt, out), "the terminal", why);
    if (err == OV_OK && is_new)
        err = check_new(out, why);
    if (err == OV_OK && is_new)
        err = explain(ask(tty, "the same again", &again), "the terminal", why);
    if (err == OV_OK && is_new && (again.len != out->len || strcmp(again.text, out->text) != 0)) {
        snprintf(why, OV_WHY_MAX, "the two passphrases are not the same; nothing was done");
        err = OV_EINVAL;
    }
    ov_passphrase_wipe(&again);
    close(tty);
    return err;
}

static int from_file(struct ov_passphrase *out, const char *file, bool is_new, char why[OV_WHY_MAX])
{
    bool standard = strcmp(file, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return explain(errno == ENOENT ? OV_ENOENT : OV_EIO, file, why);
    int err = explain(read_line(fd, NULL, out), standard ? "standard input" : file, why);
    if (!standard)
        close(fd);
    if (err == OV_OK && is_new)
        err = check_new(out, why);
    if (err == OV_OK && out->len == 0) {
        snprintf(why, OV_WHY_MAX,
                 "the first line of %.120s, where the passphrase should be, is empty",
                 standard ? "standard input" : file);
        err = OV_EINVAL;
    }
    return err;
}

int ov_passphrase_read(struct ov_passphrase *out, const char *file, const char *prompt, bool is_new,
                       char why[OV_WHY_MAX])
{
    int err =
        file != NULL ? from_file(out, file, is_new, why) : from_terminal(out, prompt, is_new, why);
    if (err != OV_OK)
        ov_passphrase_wipe(out);
    return err;
}

void ov_passphrase_wipe(struct ov_passphrase *p)
{
    ov_wipe(p, sizeof *p);
}
