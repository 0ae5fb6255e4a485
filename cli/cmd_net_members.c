/* net members, authorize, deauthorize, name, forget */
#include "cmd_net.h"

#include "table.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* "10.147.17.5, fd00::5": whoever reads this list does not care for the subnets' lengths. */
static char *addresses_of(const json_t *member)
{
    char *text = ov_json_join(json_object_get(member, "addresses"), NULL, ", "), *to = text;

    for (const char *from = text; *from;) {
        if (*from == '/')
            from += strcspn(from, ",");
        else
            *to++ = *from++;
    }
    *to = '\0';
    return text;
}

static void add(struct ov_table *t, const json_t *m, double now)
{
    char *addresses = addresses_of(m);
    const char *state = ov_json_text(m, "state", "");
    double left = ov_json_number(m, "left", 0);
    char unit[OV_TEXT_UNIT];

    ov_table_add(t, ov_json_text(m, "address", ""));
    ov_table_add(t, ov_json_text(m, "name", ""));
    ov_table_addf(t, "%s%s", strcmp(state, "pending") == 0 ? "WAITING" : state,
                  ov_json_flag(m, "bridge") ? ", bridge" : "");
    if (left > 0)
        ov_table_addf(t, "left %s", ov_text_ago(left, now, unit));
    else
        ov_table_add(t, ov_json_flag(m, "online")
                            ? "online"
                            : ov_text_ago(ov_json_number(m, "last_seen", 0), now, unit));
    ov_table_add(t, addresses);
    ov_table_add(t, ov_json_text(m, "note", ""));
    free(addresses);
}

static void print_members(const struct ov_command_line *line, const json_t *reply)
{
    static const char *const heads[] = {"ADDRESS", "NAME", "STATE", "SEEN", "IP", "NOTE", NULL};
    const json_t *members = json_object_get(reply, "members");
    const char *waiting = NULL;
    struct ov_table t;
    size_t i, n = 0;
    json_t *m;

    if (json_array_size(members) == 0) {
        printf(
            "Nobody has asked to join yet: \"ovpn net show %s\" has the line with which to join.\n",
            line->args[0]);
        return;
    }
    ov_table_init(&t, heads);
    json_array_foreach(members, i, m)
    {
        add(&t, m, (double)time(NULL));
        if (strcmp(ov_json_text(m, "state", ""), "pending") == 0) {
            waiting = ov_json_text(m, "address", "");
            n++;
        }
    }
    ov_table_print(&t, stdout);
    ov_table_free(&t);
    ov_json_warn_twice(members);
    if (n)
        printf("\n%zu %s for you. To admit: ovpn net authorize %s %s\n", n,
               n == 1 ? "waits" : "wait", line->args[0], n == 1 ? waiting : "ADDRESS");
}

int ov_net_members(int argc, char **argv)
{
    static const struct ov_synopsis synopsis = {
        .name = "net members",
        .usage = "NET",
        .about = "List who is in a network, who waits for admission, and who was thrown out.",
        .examples = "net members dorm",
        .min_args = 1,
        .max_args = 1,
        .missing = "of which network? ovpn net list shows them",
    };
    struct ov_command_line line;
    int code = ov_options_parse(&synopsis, NULL, 0, argc, argv, &line);

    if (code != OV_GO_ON)
        return code;
    return ov_net_request(&line, "GET",
                          ov_client_path("controller", "networks", line.args[0], "members"), NULL,
                          print_members);
}

/* "DID laptop (8056c2e21c) as 10.147.17.5", from the member that the API gives back. */
static void print_member(const char *did, const json_t *m, bool with_ip)
{
    char *name = ov_text_clean(ov_json_text(m, "name", ""), false);
    const char *ip = json_string_value(json_array_get(json_object_get(m, "addresses"), 0));
    const char *address = ov_json_text(m, "address", "?");

    printf("%s %s", did, *name ? name : address);
    if (*name)
        printf(" (%s)", address);
    if (with_ip && ip)
        printf(" as %.*s", (int)strcspn(ip, "/"), ip);
    putchar('\n');
    free(name);
}

static void print_admitted(const struct ov_command_line *line, const json_t *m)
{
    (void)line;
    print_member("admitted", m, true);
}

static void print_denied(const struct ov_command_line *line, const json_t *m)
{
    (void)line;
    print_member("threw out", m, false);
}

static void print_named(const struct ov_command_line *line, const json_t *m)
{
    (void)line;
    print_member("named", m, false);
}

static void print_forgotten(const struct ov_command_line *line, const json_t *reply)
{
    char *clean = ov_text_clean(line->args[1], false);
    (void)reply;

    printf("forgot %s\n", clean);
    free(clean);
}

static char *member_path(const struct ov_command_line *line)
{
    return ov_client_path("controller", "networks", line->args[0], "members", line->args[1]);
}

int ov_net_authorize(int argc, char **argv)
{
    static const struct ov_synopsis synopsis = {
        .name = "net authorize",
        .usage = "NET MEMBER",
        .about = "Admit a node that asked to join. It gets an address and is in at once.",
        .examples = "net authorize dorm 8056c2e21c\nnet authorize dorm 8056c2e21c --name laptop",
        .min_args = 2,
        .max_args = 2,
        .missing = "to which network, and whom? ovpn net members NET shows who waits",
    };
    struct ov_command_line line;
    const char *name = NULL;
    const struct ov_option options[] = {
        {"name", 'n', OV_OPTION_TEXT, &name, "NAME", "also give it this name"},
    };
    int code = ov_options_parse(&synopsis, options, 1, argc, argv, &line);

    if (code != OV_GO_ON)
        return code;
    return ov_net_request(&line, "PATCH", member_path(&line),
                          json_pack("{s:s,s:s*}", "state", "admitted", "name", name),
                          print_admitted);
}

int ov_net_deauthorize(int argc, char **argv)
{
    static const struct ov_synopsis synopsis = {
        .name = "net deauthorize",
        .usage = "NET MEMBER",
        .about =
            "Throw a member out. All members are told at once and stop talking to it; where the\n"
            "word does not reach, its membership ends within the network's window (24 h). An "
            "unused\n"
            "invite lets it in again: \"ovpn net revoke\" takes those back.",
        .examples = "net deauthorize dorm laptop",
        .min_args = 2,
        .max_args = 2,
        .missing = "from which network, and whom? ovpn net members NET shows them",
    };
    struct ov_command_line line;
    int code = ov_options_parse(&synopsis, NULL, 0, argc, argv, &line);

    if (code != OV_GO_ON)
        return code;
    code = ov_net_request(&line, "PATCH", member_path(&line), json_pack("{s:s}", "state", "denied"),
                          print_denied);
    if (code == OV_EXIT_OK && !line.json)
        ov_net_warn_invites(&line);
    return code;
}

int ov_net_name(int argc, char **argv)
{
    static const struct ov_synopsis synopsis = {
        .name = "net name",
        .usage = "NET MEMBER NAME",
        .about = "Give a member a name, by which commands and people then know it.",
        .examples = "net name dorm 8056c2e21c laptop",
        .min_args = 3,
        .max_args = 3,
        .missing =
            "in which network, whom, and what name? As in: ovpn net name dorm 8056c2e21c laptop",
    };
    struct ov_command_line line;
    int code = ov_options_parse(&synopsis, NULL, 0, argc, argv, &line);

    if (code != OV_GO_ON)
        return code;
    return ov_net_request(&line, "PATCH", member_path(&line),
                          json_pack("{s:s}", "name", line.args[2]), print_named);
}

int ov_net_forget(int argc, char **argv)
{
    static const struct ov_synopsis synopsis = {
        .name = "net forget",
        .usage = "NET MEMBER",
        .about = "Forget a member wholly: its name, its address and its place. It may ask to join "
                 "again\n"
                 "like a new one; to keep it out, \"ovpn net deauthorize\" it instead.",
        .examples = "net forget dorm 8056c2e21c",
        .min_args = 2,
        .max_args = 2,
        .missing = "in which network, and whom? ovpn net members NET shows them",
    };
    struct ov_command_line line;
    int code = ov_options_parse(&synopsis, NULL, 0, argc, argv, &line);

    if (code != OV_GO_ON)
        return code;
    return ov_net_request(&line, "DELETE", member_path(&line), NULL, print_forgotten);
}
