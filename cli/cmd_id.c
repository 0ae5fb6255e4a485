/* id: the identity in the state directory, without the daemon. */
#include "cmd_id.h"

#include "identity_backup.h"
#include "progress.h"
#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void ov_id_print(const struct ov_command_line *line, const struct ov_identity *id, const char *what)
{
    char text[OV_IDENTITY_TEXT], address[OV_ADDR_TEXT];

    ov_identity_format(id, text);
    ov_addr_format(id->addr, address);
    if (line->json) {
        json_t *out = json_pack("{s:s,s:s}", "address", address, "identity", text);
        ov_json_print(out);
        json_decref(out);
    } else if (*what) {
        printf("%s %s\n", what, address);
    } else {
        printf("address   %s\nidentity  %s\n", address, text);
    }
    fflush(stdout); /* what is to be done about it follows on stderr */
}

struct search {
    struct ov_progress progress;
    double shown;
};

/* Called for every try; shows a few a second, ends on Ctrl-C. */
static bool on_try(void *arg, uint64_t tries)
{
    struct search *s = arg;
    double now = ov_progress_clock();

    if (now - s->shown < 0.1)
        return true;
    s->shown = now;
    ov_progress_say(&s->progress, "making an identity, try %llu (about a second)",
                    (unsigned long long)tries);
    return ov_progress_wait(&s->progress, 0);
}

bool ov_id_put_aside(const char *dir, char kept[OV_PATH_MAX], char why[OV_WHY_MAX])
{
    char from[OV_PATH_MAX], public[OV_PATH_MAX], name[64];
    struct tm tm;
    time_t now = time(NULL);

    if (gmtime_r(&now, &tm) == NULL ||
        strftime(name, sizeof name, OV_IDENTITY_SECRET_FILE ".old-%Y%m%d-%H%M%S", &tm) == 0 ||
        ov_path_join(from, dir, OV_IDENTITY_SECRET_FILE, why) < 0 ||
        ov_path_join(public, dir, OV_IDENTITY_PUBLIC_FILE, why) < 0 ||
        ov_path_join(kept, dir, name, why) < 0)
        return false;
    /* link() and unlink(), not rename(): an older copy made in the same second is not replaced */
    if (link(from, kept) < 0 || unlink(from) < 0) {
        snprintf(why, OV_WHY_MAX, "cannot put %.150s aside: %s", from, strerror(errno));
        return false;
    }
    return ov_file_remove(public, why) == OV_OK;
}

static int make(const struct ov_command_line *line, char why[OV_WHY_MAX])
{
    struct search s = {0};
    struct ov_identity_secret id = {0};
    int err;

    ov_progress_begin(&s.progress, line->json);
    err = ov_identity_file_make(line->state, &OV_POW_DEFAULT, on_try, &s, &id, why);
    ov_progress_end(&s.progress);
    if (err == OV_OK)
        ov_id_print(line, &id.pub, "made the identity of node");
    ov_identity_wipe(&id);
    return err;
}

static int id_new(int argc, char **argv)
{
    static const struct ov_synopsis synopsis = {
        .name = "id new",
        .usage = "",
        .about = "Make this node's identity, its key and its address, in the state directory. The "
                 "daemon\n"
                 "does it itself at its first start; use this to know the address before.",
        .examples = "id new\n-H ~/other id new",
        .max_args = 0,
    };
    struct ov_command_line line;
    bool force = false;
    const struct ov_option options[] = {
        {"force", 0, OV_OPTION_FLAG, &force, NULL,
         "replace the present identity; the old one is kept beside"},
    };
    char why[OV_WHY_MAX] = "", kept[OV_PATH_MAX] = "";
    int err, code = ov_options_parse(&synopsis, options, 1, argc, argv, &line);

    if (code != OV_GO_ON)
        return code;
    err = make(&line, why);
    if (err == OV_EEXIST && force) {
        if (!ov_id_put_aside(line.state, kept, why))
            return ov_failed(&line, why, NULL);
        err = make(&line, why);
        fprintf(stderr,
                "ovpn: the old identity is now %s\n"
                "      To every network this is a new node: it must be admitted again, and "
                "networks that the old\n"
                "      identity controls cannot be managed. Restart the daemon to use it.\n",
                kept);
    } else if (err == OV_EEXIST) {
        return ov_failed(&line, why,
                         "--force makes a new one, and keeps the old file; but every network then "
                         "sees a new node");
    }
    return err == OV_OK ? OV_EXIT_OK : ov_failed(&line, why, NULL);
}

static int id_show(int argc, char **argv)
{
    static const struct ov_synopsis synopsis = {
        .name = "id show",
        .usage = "",
        .about = "Print this node's address and its public identity. Neither is a secret.",
        .examples = "id show",
        .max_args = 0,
    };
    struct ov_command_line line;
    struct ov_identity id;
    char why[OV_WHY_MAX] = "";
    int code = ov_options_parse(&synopsis, NULL, 0, argc, argv, &line);

    if (code != OV_GO_ON)
        return code;
    code = ov_identity_file_public(line.state, &OV_POW_DEFAULT, &id, why);
    if (code != OV_OK)
        return ov_failed(&line, why, code == OV_ENOENT ? OV_ID_NONE : NULL);
    ov_id_print(&line, &id, "");
    return OV_EXIT_OK;
}

/* A public identity as text. */
static int check_text(const struct ov_command_line *line, const char *text)
{
    struct ov_identity id;
    char trimmed[OV_IDENTITY_TEXT + 8];
    int err = OV_EINVAL, n;

    text += strspn(text, " \t\r\n");
    n = snprintf(trimmed, sizeof trimmed, "%.*s", (int)strcspn(text, " \t\r\n"), text);
    if (n == OV_IDENTITY_TEXT - 1)
        err = ov_identity_parse(trimmed, &OV_POW_DEFAULT, &id);
    if (err == OV_OK) {
        ov_id_print(line, &id, "good: this is the identity of");
        return OV_EXIT_OK;
    }
    if (err == OV_EAUTH)
        return ov_failed(
            line, "this identity is not genuine: its address and its keys do not belong together",
            NULL);
    return ov_failed(line,
                     "this is not a public identity: it is an address, a colon and 144 hex digits",
                     "ovpn id show prints one");
}

/* A backup, without its passphrase. */
static int check_backup(const struct ov_command_line *line, const char *text)
{
    char why[OV_WHY_MAX] = "", address[OV_ADDR_TEXT];
    ov_addr addr;

    if (ov_identity_backup_look(text, &addr, why) != OV_OK)
        return ov_failed(line, why, NULL);
    ov_addr_format(addr, address);
    if (line->json) {
        json_t *out = json_pack("{s:s}", "address", address);
        ov_json_print(out);
        json_decref(out);
    } else {
        printf("whole: this is a backup of the identity of %s; its passphrase was not tried\n",
               address);
    }
    return OV_EXIT_OK;
}

/* What a file has in it. */
static int check_file(const struct ov_command_line *line, const char *text)
{
    if (ov_identity_backup_is(text))
        return check_backup(line, text);
    if (strncmp(text, "ovpn identity", 13) == 0)
        return ov_failed(line, "this is a secret identity; give its directory instead", NULL);
    return check_text(line, text);
}

/* The identity in a state directory: the secret with its proof of work. */
static int check_dir(const struct ov_command_line *line, const char *dir)
{
    struct ov_identity_secret id = {0};
    char why[OV_WHY_MAX] = "";
    int err = ov_identity_file_load(dir, &OV_POW_DEFAULT, &id, why);

    if (err == OV_OK)
        ov_id_print(line, &id.pub, "good: this is the secret identity of");
    ov_identity_wipe(&id);
    return err == OV_OK ? OV_EXIT_OK : ov_failed(line, why, err == OV_ENOENT ? OV_ID_NONE : NULL);
}

static int id_check(int argc, char **argv)
{
    static const struct ov_synopsis synopsis = {
        .name = "id check",
        .usage = "[DIR|FILE|IDENTITY]",
        .about = "Check that an identity is whole and genuine: a state directory's secret one (by "
                 "default\n"
                 "this node's), a backup, or a public one, in a file or as text.",
        .examples = "id check\nid check /var/lib/ovpn/identity.public",
        .max_args = 1,
    };
    struct ov_command_line line;
    struct stat st;
    char why[OV_WHY_MAX] = "", text[OV_BACKUP_MAX];
    size_t len;
    int code = ov_options_parse(&synopsis, NULL, 0, argc, argv, &line);

    if (code != OV_GO_ON)
        return code;
    if (line.nargs == 0)
        return check_dir(&line, line.state);
    if (stat(line.args[0], &st) < 0)
        return strchr(line.args[0], ':')
                   ? check_text(&line, line.args[0])
                   : ov_failed(&line, "there is no such file or directory", line.args[0]);
    if (S_ISDIR(st.st_mode))
        return check_dir(&line, line.args[0]);
    if (ov_file_read(line.args[0], text, sizeof text, &len, why) != OV_OK)
        return ov_failed(&line, why, NULL);
    code = check_file(&line, text);
    ov_wipe(text, sizeof text);
    return code;
}

int ov_cmd_id(int argc, char **argv)
{
    static const struct ov_subcommand commands[] = {
        {"new", "", "make an identity", id_new, "identity"},
        {"show", "", "print the address and the public identity", id_show, NULL},
        {"check", "[DIR|FILE|IDENTITY]", "is an identity whole and genuine?", id_check, NULL},
        {"export", "[FILE]", "make a backup of it, under a passphrase", ov_id_export, "backup"},
        {"import", "FILE", "put a backup back", ov_id_import, NULL},
    };

    if (ov_crypto_init() != OV_OK) {
        ov_complain("the cryptographic library does not start", NULL);
        return OV_EXIT_FAILED;
    }
    return ov_dispatch(
        commands, sizeof commands / sizeof *commands, "id ",
        "The identity of this node: a key pair, and the address that follows from it.", argc, argv);
}
