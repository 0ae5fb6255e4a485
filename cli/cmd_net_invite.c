/* net invite, invites, revoke */
#include "cmd_net.h"

#include "table.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

static void print_invite(const struct ov_command_line *line, const json_t *reply)
{
    char unit[OV_TEXT_UNIT];
    double expires = ov_json_number(reply, "expires", 0);
    (void)line;

    printf("One computer joins with this line, and is admitted at once:\n\n    %s\n\n",
           ov_json_text(reply, "command", "?"));
    if (expires > 0)
        printf("It works once, until %s. Send it like a password.\n", ov_text_date(expires, unit));
    else
        printf("It works once. Send it like a password.\n");
}

int ov_net_invite(int argc, char **argv)
{
    static const struct ov_synopsis synopsis = {
        .name = "net invite",
        .usage = "NET",
        .about = "Make an invite: one line with which one computer joins and is admitted at once.\n"
                 "Whoever has the line first can use it, so send it like a password. HOST is how "
                 "others\n"
                 "reach this server; by default what the daemon's configuration says.",
        .examples = "net invite dorm\nnet invite dorm --note \"for Ada\" --ttl 30d\n"
                    "net invite dorm --host vpn.example.org",
        .min_args = 1,
        .max_args = 1,
        .missing = "to which network? ovpn net list shows them",
    };
    struct ov_command_line line;
    const char *note = NULL;
    double ttl = -1;
    struct ov_words hosts = {0};
    const struct ov_option options[] = {
        {"note", 'n', OV_OPTION_TEXT, &note, "TEXT", "whom it is for, for you to remember"},
        {"ttl", 't', OV_OPTION_SECONDS, &ttl, "TIME",
         "how long it can be used: 12h, 30d (default 7d; 0: for ever)"},
        {"host", 0, OV_OPTION_LIST, &hosts, "HOST", "HOST[:PORT] of this server; may be repeated"},
    };
    json_t *body, *list;
    int code = ov_options_parse(&synopsis, options, 3, argc, argv, &line);

    if (code != OV_GO_ON)
        return code;
    body = json_pack("{s:s*}", "note", note);
    if (ttl >= 0)
        json_object_set_new(body, "ttl_s", json_integer((json_int_t)ttl));
    if (hosts.n) {
        list = json_array();
        for (size_t i = 0; i < hosts.n; i++)
            json_array_append_new(list, json_string(hosts.v[i]));
        json_object_set_new(body, "hosts", list);
    }
    return ov_net_request(&line, "POST",
                          ov_client_path("controller", "networks", line.args[0], "invites"), body,
                          print_invite);
}

static void print_invites(const struct ov_command_line *line, const json_t *reply)
{
    static const char *const heads[] = {"ID",      "STATE", "MADE", "USABLE UNTIL",
                                        "USED BY", "USED",  "NOTE", NULL};
    const json_t *invites = json_object_get(reply, "invites");
    char unit[OV_TEXT_UNIT];
    struct ov_table t;
    size_t i;
    json_t *v;

    if (json_array_size(invites) == 0) {
        printf("No invite yet: ovpn net invite %s\n", line->args[0]);
        return;
    }
    ov_table_init(&t, heads);
    json_array_foreach(invites, i, v)
    {
        double expires = ov_json_number(v, "expires", 0);
        ov_table_add(&t, ov_json_text(v, "id", ""));
        ov_table_add(&t, ov_json_text(v, "state", ""));
        ov_table_add(&t, ov_text_date(ov_json_number(v, "created", 0), unit));
        ov_table_add(&t, expires > 0 ? ov_text_date(expires, unit) : "for ever");
        ov_table_add(&t, ov_json_text(v, "used_by", ""));
        ov_table_add(&t, ov_text_date(ov_json_number(v, "used", 0), unit));
        ov_table_add(&t, ov_json_text(v, "note", ""));
    }
    ov_table_print(&t, stdout);
    ov_table_free(&t);
}

int ov_net_invites(int argc, char **argv)
{
    static const struct ov_synopsis synopsis = {
        .name = "net invites",
        .usage = "NET",
        .about =
            "List the invites made for a network: for whom, until when, and who used them. A good\n"
            "one can still be used; \"ovpn net revoke\" takes it back, by its id.",
        .examples = "net invites dorm",
        .min_args = 1,
        .max_args = 1,
        .missing = "of which network? ovpn net list shows them",
    };
    struct ov_command_line line;
    int code = ov_options_parse(&synopsis, NULL, 0, argc, argv, &line);

    if (code != OV_GO_ON)
        return code;
    return ov_net_request(&line, "GET",
                          ov_client_path("controller", "networks", line.args[0], "invites"), NULL,
                          print_invites);
}

void ov_net_warn_invites(const struct ov_command_line *line)
{
    struct ov_client *client = NULL;
    json_t *reply = NULL, *v;
    size_t i, good = 0;
    int code = ov_client_open(line, &client);

    if (code == OV_EXIT_OK)
        code = ov_client_get(
            client, ov_client_path("controller", "networks", line->args[0], "invites"), &reply);
    json_array_foreach(json_object_get(reply, "invites"), i, v)
    {
        good += strcmp(ov_json_text(v, "state", ""), "good") == 0;
    }
    if (code == OV_EXIT_OK && good > 0)
        printf("%zu unused invite%s still good, and who has %s can come back: ovpn net invites "
               "%s\n",
               good, good == 1 ? " is" : "s are", good == 1 ? "it" : "one", line->args[0]);
    json_decref(reply);
    ov_client_close(client);
}

static void print_revoked(const struct ov_command_line *line, const json_t *reply)
{
    char *clean = line->nargs > 1 ? ov_text_clean(line->args[1], false) : NULL;
    double n = ov_json_number(reply, "revoked", 0);

    if (clean)
        printf("took back the invite %s: nobody can join by it any more\n", clean);
    else
        printf("took back %.0f invite%s\n", n, n == 1 ? "" : "s");
    free(clean);
}

int ov_net_revoke(int argc, char **argv)
{
    static const struct ov_synopsis synopsis = {
        .name = "net revoke",
        .usage = "NET ID|--unused",
        .about = "Take an invite back that nobody has used yet: who has it cannot join by it any "
                 "more.\n"
                 "Whoever is in already stays in; \"ovpn net deauthorize\" throws a member out.",
        .examples = "net revoke dorm 1f0c77ab\nnet revoke dorm --unused",
        .min_args = 1,
        .max_args = 2,
        .missing = "of which network? ovpn net list shows them",
    };
    struct ov_command_line line;
    bool unused = false;
    const struct ov_option options[] = {
        {"unused", 0, OV_OPTION_FLAG, &unused, NULL,
         "all that are not used, and forget those that have expired"},
    };
    int code = ov_options_parse(&synopsis, options, 1, argc, argv, &line);

    if (code != OV_GO_ON)
        return code;
    if (unused && line.nargs > 1)
        return ov_usage_error(&synopsis, "either the id of one, or --unused");
    if (!unused && (line.nargs < 2 || !*line.args[1]))
        return ov_usage_error(&synopsis,
                              "which one? \"ovpn net invites %s\" shows their ids; --unused takes "
                              "all back",
                              line.args[0]);
    return ov_net_request(&line, "DELETE",
                          ov_client_path("controller", "networks", line.args[0], "invites",
                                         unused ? NULL : line.args[1]),
                          NULL, print_revoked);
}
