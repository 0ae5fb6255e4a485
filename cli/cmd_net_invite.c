/* net invite, invites */
#include "cmd_net.h"

#include "table.h"
#include "text.h"

#include <time.h>

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
    static const char *const heads[] = {"MADE", "USABLE UNTIL", "USED BY", "USED", "NOTE", NULL};
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
        .about = "List the invites made for a network: for whom, until when, and who used them.",
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
