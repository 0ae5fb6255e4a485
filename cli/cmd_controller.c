/* controller backup, controller restore: the database of this computer's networks. */
#include "client.h"

#include "config.h"
#include "database_backup.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define NO_IDENTITY "there is no identity here; a saved one is put back first: ovpn id import FILE"
#define RUNNING     "the daemon runs, and a database is put back only while it does not"

/* Where the database is: as the daemon reads it from the same settings. */
static int find_database(const struct ov_command_line *line, const char *config,
                         struct ov_database *out, char why[OV_WHY_MAX])
{
    struct ov_settings *s = calloc(1, sizeof *s);
    int err = s ? OV_OK : OV_ENOMEM;
    snprintf(why, OV_WHY_MAX, "out of memory");
    if (err == OV_OK) {
        ov_config_defaults(s);
        err = ov_config_read(config ? config : OV_CONFIG_PATH, s, why);
        if (err == OV_ENOENT && !config)
            err = OV_OK;
    }
    if (err == OV_OK && s->database[0])
        snprintf(out->path, sizeof out->path, "%s", s->database);
    else if (err == OV_OK)
        err = ov_path_join(out->path, line->state, "controller.db", why);
    free(s);
    snprintf(out->state, sizeof out->state, "%s", line->state);
    out->pow = &OV_POW_DEFAULT;
    return err;
}

static ov_wall now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (ov_wall)ts.tv_sec * 1000 + (ov_wall)ts.tv_nsec / 1000000;
}

/* "3 networks with 12 members" */
static void print_counts(const char *did, const struct ov_store_backup *b)
{
    printf("%s %llu network%s with %llu member%s", did, (unsigned long long)b->networks,
           b->networks == 1 ? "" : "s", (unsigned long long)b->members, b->members == 1 ? "" : "s");
}

static json_t *to_json(const struct ov_database_backup *b)
{
    char address[OV_ADDR_TEXT];
    return json_pack("{s:s,s:f,s:I,s:I}", "controller", ov_addr_format(b->controller, address),
                     "made", (double)b->info.made / 1000, "networks", (json_int_t)b->info.networks,
                     "members", (json_int_t)b->info.members);
}

static void print_json(json_t *out)
{
    ov_json_print(out);
    json_decref(out);
}

static const char config_help[] = "the daemon's settings, instead of " OV_CONFIG_PATH;

/* ---- backup ---- */

static int controller_backup(int argc, char **argv)
{
    static const struct ov_synopsis synopsis = {
        .name = "controller backup",
        .usage = "FILE",
        .about = "Copy this controller's networks, members and invites into one file, also while "
                 "the\n"
                 "daemon runs. The controller's key is not in it: save that with \"ovpn id "
                 "export\".",
        .examples = "controller backup /media/stick/networks.db",
        .min_args = 1,
        .max_args = 1,
        .missing = "into which file?",
    };
    struct ov_command_line line;
    struct ov_database_backup b = {0};
    struct ov_database at = {0};
    const char *config = NULL;
    bool force = false;
    const struct ov_option options[] = {
        {"config", 'c', OV_OPTION_TEXT, &config, "FILE", config_help},
        {"force", 0, OV_OPTION_FLAG, &force, NULL, "replace the file if there is one"},
    };
    char why[OV_WHY_MAX] = "";
    int code = ov_options_parse(&synopsis, options, 2, argc, argv, &line);

    if (code != OV_GO_ON)
        return code;
    if (find_database(&line, config, &at, why) != OV_OK)
        return ov_failed(&line, why, NULL);
    code = ov_database_save(&at, line.args[0], force, now_ms(), &b, why);
    if (code != OV_OK)
        return b.no_identity
                   ? ov_failed(&line, NO_IDENTITY, NULL)
                   : ov_failed(&line, why,
                               code == OV_EEXIST ? "--force replaces it"
                               : code == OV_ENOENT
                                   ? "is the daemon a controller, and was it started once?"
                                   : NULL);
    if (line.json) {
        json_t *out = to_json(&b);
        json_object_set_new(out, "file", json_string(line.args[0]));
        print_json(out);
        return OV_EXIT_OK;
    }
    print_counts("saved", &b.info);
    printf(" in %s\nIts key is not in there; if that is not saved yet: ovpn id export FILE\n",
           line.args[0]);
    return OV_EXIT_OK;
}

/* ---- restore ---- */

static void print_restored(const struct ov_database_backup *b)
{
    char when[64] = "";
    time_t made = (time_t)(b->info.made / 1000);
    struct tm tm;
    if (localtime_r(&made, &tm) == NULL || strftime(when, sizeof when, "%Y-%m-%d %H:%M", &tm) == 0)
        when[0] = '\0';
    print_counts("restored", &b->info);
    printf(", as of %s\n", when);
    if (*b->kept)
        printf("the database that was here is now %s\n", b->kept);
    printf("What was changed after that is not in it: who was thrown out since is in again, and "
           "invites used\n"
           "since can be used once more. Look with \"ovpn net members NET\" once the daemon "
           "runs.\n"
           "Members find this server by the name or address it had. If it has others now, each "
           "types once:\n\n"
           "    ovpn join NETID@NEWHOST\n");
}

static int controller_restore(int argc, char **argv)
{
    static const struct ov_synopsis synopsis = {
        .name = "controller restore",
        .usage = "FILE",
        .about = "Put a copy back that \"ovpn controller backup\" made, while the daemon does not "
                 "run. The\n"
                 "database that is there is kept beside it.",
        .examples = "controller restore /media/stick/networks.db\n"
                    "controller restore --check /media/stick/networks.db",
        .min_args = 1,
        .max_args = 1,
        .missing = "which file? It is the one that ovpn controller backup made",
    };
    struct ov_command_line line;
    struct ov_database_backup b = {0};
    struct ov_database at = {0};
    const char *config = NULL;
    bool check = false;
    const struct ov_option options[] = {
        {"config", 'c', OV_OPTION_TEXT, &config, "FILE", config_help},
        {"check", 0, OV_OPTION_FLAG, &check, NULL, "only say whether FILE is good for it"},
    };
    char why[OV_WHY_MAX] = "";
    int code = ov_options_parse(&synopsis, options, 2, argc, argv, &line);

    if (code != OV_GO_ON)
        return code;
    if (find_database(&line, config, &at, why) != OV_OK)
        return ov_failed(&line, why, NULL);
    if (check)
        code = ov_database_check(&at, line.args[0], &b, why);
    else
        code = ov_database_restore(&at, line.args[0], now_ms(), &b, why);
    if (b.running)
        return ov_failed(&line, RUNNING, "stop it: sudo systemctl stop ovpn");
    if (code != OV_OK)
        return ov_failed(&line, b.no_identity ? NO_IDENTITY : why, NULL);
    if (line.json) {
        json_t *out = to_json(&b);
        json_object_set_new(out, "kept", *b.kept ? json_string(b.kept) : json_null());
        print_json(out);
    } else if (check) {
        print_counts("good:", &b.info);
        putchar('\n');
    } else {
        print_restored(&b);
    }
    return OV_EXIT_OK;
}

int ov_cmd_controller(int argc, char **argv)
{
    static const struct ov_subcommand commands[] = {
        {"backup", "FILE", "save networks, members and invites, also while the daemon runs",
         controller_backup, NULL},
        {"restore", "FILE", "put a backup back, while the daemon does not run", controller_restore,
         NULL},
    };

    if (ov_crypto_init() != OV_OK) {
        ov_complain("the cryptographic library does not start", NULL);
        return OV_EXIT_FAILED;
    }
    return ov_dispatch(commands, sizeof commands / sizeof *commands, "controller ",
                       "The database of the networks that this computer controls.", argc, argv);
}
