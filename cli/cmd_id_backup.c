/* id export, id import: the identity as a text under a passphrase. */
#include "cmd_id.h"

#include "identity_backup.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROMPT "passphrase of the backup"

static const char from_file[] = "read it from the first line of FILE (-: standard input)";

static bool is_standard(const char *file)
{
    return file != NULL && strcmp(file, "-") == 0;
}

/* ---- export ---- */

static int put_out(const struct ov_command_line *line, const struct ov_identity *id,
                   const char *text)
{
    const char *file = line->nargs && !is_standard(line->args[0]) ? line->args[0] : NULL;
    char why[OV_WHY_MAX] = "", address[OV_ADDR_TEXT];
    int err = file ? ov_file_create(file, text, strlen(text), why) : OV_OK;

    if (err != OV_OK)
        return ov_failed(line, why,
                         err == OV_EEXIST ? "name another file; none is overwritten" : NULL);
    ov_addr_format(id->addr, address);
    if (line->json) {
        json_t *out = json_pack("{s:s,s:s?,s:s?}", "address", address, "file", file, "backup",
                                file ? NULL : text);
        ov_json_print(out);
        json_decref(out);
    } else if (file) {
        printf("wrote a backup of the identity of node %s to %s\n"
               "Keep it away from this computer. Without the passphrase it is worth nothing.\n"
               "A controller's networks are not in it: ovpn controller backup FILE saves them.\n",
               address, file);
    } else {
        fputs(text, stdout);
    }
    return OV_EXIT_OK;
}

static int export(const struct ov_command_line *line, const char *file,
                  const struct ov_identity_secret *id)
{
    struct ov_passphrase pass = {0};
    char why[OV_WHY_MAX] = "", text[OV_BACKUP_TEXT];
    int err = ov_passphrase_read(&pass, file, "a passphrase for the backup", true, why);

    if (err == OV_OK)
        err = ov_identity_backup_seal(id, &pass, &OV_BACKUP_COST, text, why);
    ov_passphrase_wipe(&pass);
    return err == OV_OK ? put_out(line, &id->pub, text) : ov_failed(line, why, NULL);
}

int ov_id_export(int argc, char **argv)
{
    static const struct ov_synopsis synopsis = {
        .name = "id export",
        .usage = "[FILE]",
        .about = "Make a backup of this node's identity under a passphrase: a short text, which "
                 "can be\n"
                 "printed on paper. Whoever has it and the passphrase is this node.",
        .examples = "id export /media/stick/server.id\nid export | lpr",
        .max_args = 1,
    };
    struct ov_command_line line;
    struct ov_identity_secret id = {0};
    const char *file = NULL;
    const struct ov_option options[] = {
        {"passphrase-file", 0, OV_OPTION_TEXT, &file, "FILE", from_file},
    };
    char why[OV_WHY_MAX] = "";
    int code = ov_options_parse(&synopsis, options, 1, argc, argv, &line);

    if (code != OV_GO_ON)
        return code;
    if (line.nargs && !is_standard(line.args[0]) && access(line.args[0], F_OK) == 0)
        return ov_failed(&line, "there is such a file already, and none is overwritten",
                         line.args[0]); /* told before the passphrase is typed twice */
    code = ov_identity_file_load(line.state, &OV_POW_DEFAULT, &id, why);
    if (code != OV_OK)
        return ov_failed(&line, why, code == OV_ENOENT ? OV_ID_NONE : NULL);
    code = export(&line, file, &id);
    ov_identity_wipe(&id);
    return code;
}

/* ---- import ---- */

/* Put the old identity aside and the new one in its place; if that fails, the old one back. */
static int replace(const char *dir, const struct ov_identity_secret *id, char kept[OV_PATH_MAX],
                   char why[OV_WHY_MAX])
{
    char path[OV_PATH_MAX], ignored[OV_WHY_MAX];
    if (!ov_id_put_aside(dir, kept, why))
        return OV_EIO;
    int err = ov_identity_file_put(dir, id, why);
    if (err != OV_OK && ov_path_join(path, dir, OV_IDENTITY_SECRET_FILE, ignored) == OV_OK &&
        link(kept, path) == 0)
        unlink(kept);
    return err;
}

static int store(const struct ov_command_line *line, const struct ov_identity_secret *id,
                 bool force)
{
    struct ov_identity old;
    char why[OV_WHY_MAX] = "", kept[OV_PATH_MAX] = "";
    int err = ov_identity_file_put(line->state, id, why);

    if (err == OV_EEXIST &&
        ov_identity_file_public(line->state, &OV_POW_DEFAULT, &old, why) == OV_OK &&
        ov_identity_equal(&old, &id->pub)) {
        ov_id_print(line, &id->pub, "nothing to do: this is already node");
        return OV_EXIT_OK;
    }
    if (err == OV_EEXIST && force)
        err = replace(line->state, id, kept, why);
    if (err != OV_OK)
        return ov_failed(line, why,
                         err == OV_EEXIST ? "--force puts the present identity aside, and this "
                                            "one in its place"
                                          : NULL);
    ov_id_print(line, &id->pub, "this computer is now node");
    if (!line->json) {
        printf("A controller's networks are not in it: ovpn controller restore FILE puts them "
               "back.\n");
        fflush(stdout);
    }
    if (*kept)
        fprintf(stderr,
                "ovpn: the old identity is now %s\n      Restart the daemon to use the "
                "new one.\n",
                kept);
    fputs("ovpn: Start the daemon here only if no other computer uses this identity any more: two "
          "at once\n      cut each other off.\n",
          stderr);
    return OV_EXIT_OK;
}

static int import(const struct ov_command_line *line, const char *file, bool force,
                  const char *text)
{
    struct ov_passphrase pass = {0};
    struct ov_identity_secret id = {0};
    char why[OV_WHY_MAX] = "";
    ov_addr addr;
    /* what is damaged is told before a passphrase is asked for */
    int err = ov_identity_backup_look(text, &addr, why), code;

    if (err == OV_OK)
        err = ov_passphrase_read(&pass, file, PROMPT, false, why);
    if (err == OV_OK)
        err = ov_identity_backup_open(text, &pass, &OV_POW_DEFAULT, &id, why);
    ov_passphrase_wipe(&pass);
    code = err == OV_OK ? store(line, &id, force) : ov_failed(line, why, NULL);
    ov_identity_wipe(&id);
    return code;
}

int ov_id_import(int argc, char **argv)
{
    static const struct ov_synopsis synopsis = {
        .name = "id import",
        .usage = "FILE",
        .about = "Put an identity back that \"ovpn id export\" saved (-: read it from standard "
                 "input).\n"
                 "The computer that had it before must not run with it any more.",
        .examples = "id import /media/stick/server.id",
        .min_args = 1,
        .max_args = 1,
        .missing = "which file? It is the one that ovpn id export made",
    };
    struct ov_command_line line;
    const char *file = NULL;
    bool force = false;
    const struct ov_option options[] = {
        {"passphrase-file", 0, OV_OPTION_TEXT, &file, "FILE", from_file},
        {"force", 0, OV_OPTION_FLAG, &force, NULL,
         "replace the present identity; the old one is kept beside"},
    };
    char why[OV_WHY_MAX] = "", text[OV_BACKUP_MAX];
    size_t len;
    int code = ov_options_parse(&synopsis, options, 2, argc, argv, &line);

    if (code != OV_GO_ON)
        return code;
    if (is_standard(file) && is_standard(line.args[0]))
        return ov_usage_error(&synopsis, "backup and passphrase cannot both come from standard "
                                         "input");
    if (ov_file_read(is_standard(line.args[0]) ? "/dev/stdin" : line.args[0], text, sizeof text,
                     &len, why) != OV_OK)
        return ov_failed(&line, why, NULL);
    return import(&line, file, force, text);
}
