/* net create, list, show, set, delete */
#include "cmd_net.h"

#include "consent.h"
#include "table.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OV_NET_KEYS                                                                                \
    "  name             what it is called\n"                                                       \
    "  note             a note for you\n"                                                          \
    "  mtu              1280 to 9000\n"                                                            \
    "  pool             where addresses come from: 10.147.17.0/24, or several with commas\n"       \
    "  ip6              on|off: also an IPv6 address for each member\n"                            \
    "  check-ip         on|off: a member may only send from its own addresses\n"                   \
    "  broadcast        on|off: carry broadcast and multicast\n"                                   \
    "  multicast-limit  how many members get one broadcast or multicast frame\n"                   \
    "  open             on|off: admit everybody who knows the id\n"                                \
    "  window           seconds until a removed member is out even where nothing reaches\n"        \
    "  routes           \"10.0.0.0/8 via 10.147.17.1, ...\"\n"                                     \
    "  dns              \"DOMAIN IP,IP\"\n"                                                        \
    "  roots            all, or addresses of this node's servers (ovpn status) for members to use"

static const char *json_on(const json_t *net, const char *key)
{
    return ov_json_flag(net, key) ? "on" : "off";
}

/* Names from the database come from people: fit for a terminal. */
static void print_field(const char *label, const char *value)
{
    char *clean = ov_text_clean(value, false);

    printf("  %-16s %s\n", label, *clean ? clean : "-");
    free(clean);
}

static void warn_public_one(const char *what, const char *subnet)
{
    struct ov_prefix p;

    if (subnet && ov_prefix_parse(subnet, &p) == OV_OK && !ov_consent_is_private(&p))
        printf(
            "Note: the %s %s is not private. Members' computers refuse it, as it would take\n"
            "traffic of the Internet, unless their ovpn.conf has \"routes = all\" under [node].\n",
            what, subnet);
}

/* What members will not take without their owners' word; better said to who can change it. */
static void warn_public(const json_t *net)
{
    const json_t *v;
    size_t i;

    json_array_foreach(json_object_get(net, "pools"), i, v)
    {
        warn_public_one("pool", json_string_value(v));
    }
    json_array_foreach(json_object_get(net, "routes"), i, v)
    {
        warn_public_one("route", ov_json_text(v, "dst", NULL));
    }
}

static void print_created(const struct ov_command_line *line, const json_t *net)
{
    char *pools = ov_json_join(json_object_get(net, "pools"), NULL, ", ");
    char *name = ov_text_clean(ov_json_text(net, "name", ""), false);
    const char *join = ov_json_text(net, "join", "?");
    bool open = ov_json_flag(net, "open");
    (void)line;

    printf("created %s, netid %s, addresses from %s\n\n"
           "Your friends type this, and %s:\n\n"
           "    %s\n\n",
           name, ov_json_text(net, "netid", "?"), *pools ? pools : "no pool yet",
           open ? "so does whoever else learns of it, for all are admitted"
                : "you then admit each with \"ovpn net authorize\"",
           join);
    if (strstr(join, "@HOST"))
        printf("where HOST is this server's name or address; \"public\" under [root] in ovpn.conf\n"
               "tells it to ovpn.%s",
               open ? "\n" : " ");
    if (!open)
        printf("Or make an invite for each, which joins and is admitted in one step:\n\n"
               "    ovpn net invite %s\n",
               name);
    warn_public(net);
    free(name);
    free(pools);
}

/* Split "KEY=VALUE" words into `set`; false at the first that is none. */
static bool add_settings(json_t *set, const struct ov_words *words)
{
    for (size_t i = 0; i < words->n; i++) {
        const char *eq = strchr(words->v[i], '=');
        char key[64];
        if (!eq || eq == words->v[i] || (size_t)(eq - words->v[i]) >= sizeof key)
            return false;
        snprintf(key, sizeof key, "%.*s", (int)(eq - words->v[i]), words->v[i]);
        if (json_object_set_new(set, key, json_string(eq + 1)) < 0)
            return false;
    }
    return true;
}

static void add_text(json_t *set, const char *key, const char *value)
{
    if (value)
        json_object_set_new(set, key, json_string(value));
}

int ov_net_create(int argc, char **argv)
{
    static const struct ov_synopsis synopsis = {
        .name = "net create",
        .usage = "NAME",
        .about = "Make a network, of which this node is the controller, and print what to give to\n"
                 "friends. It gets a private /24 that no other network here uses, and IPv6. The "
                 "keys of\n"
                 "--set are those of \"ovpn net set\".",
        .examples = "net create dorm\nnet create lan-party --pool 10.20.0.0/16 --open",
        .min_args = 1,
        .max_args = 1,
        .missing = "what shall it be called?",
    };
    struct ov_command_line line;
    const char *mtu = NULL, *pool = NULL, *note = NULL;
    bool open = false, no_ip6 = false;
    struct ov_words sets = {0};
    const struct ov_option options[] = {
        {"pool", 0, OV_OPTION_TEXT, &pool, "CIDR", "where members' addresses come from"},
        {"mtu", 0, OV_OPTION_TEXT, &mtu, "N", "largest packet, 1280 to 9000"},
        {"no-ip6", 0, OV_OPTION_FLAG, &no_ip6, NULL, "no IPv6 addresses"},
        {"open", 0, OV_OPTION_FLAG, &open, NULL, "admit everybody who knows the netid"},
        {"note", 0, OV_OPTION_TEXT, &note, "TEXT", "a note for you"},
        {"set", 0, OV_OPTION_LIST, &sets, "KEY=VALUE", "any other setting"},
    };
    json_t *set;
    int code =
        ov_options_parse(&synopsis, options, sizeof options / sizeof *options, argc, argv, &line);

    if (code != OV_GO_ON)
        return code;
    set = json_object();
    add_text(set, "pool", pool);
    add_text(set, "mtu", mtu);
    add_text(set, "ip6", no_ip6 ? "off" : NULL);
    add_text(set, "open", open ? "on" : NULL);
    add_text(set, "note", note);
    if (!add_settings(set, &sets)) {
        json_decref(set);
        return ov_usage_error(&synopsis, "--set wants KEY=VALUE");
    }
    if (json_object_size(set) == 0) {
        json_decref(set);
        set = NULL;
    }
    return ov_net_request(&line, "POST", ov_client_path("controller", "networks"),
                          json_pack("{s:s,s:o*}", "name", line.args[0], "set", set), print_created);
}

static void print_list(const struct ov_command_line *line, const json_t *reply)
{
    static const char *const heads[] = {"NETID",     "NAME", ">MEMBERS", ">WAITING",
                                        "ADDRESSES", ">MTU", "CREATED",  NULL};
    const json_t *networks = json_object_get(reply, "networks");
    struct ov_table t;
    char unit[OV_TEXT_UNIT];
    size_t i;
    json_t *net;
    (void)line;

    if (json_array_size(networks) == 0) {
        printf("No network yet: ovpn net create NAME\n");
        return;
    }
    ov_table_init(&t, heads);
    json_array_foreach(networks, i, net)
    {
        const json_t *members = json_object_get(net, "members");
        char *pools = ov_json_join(json_object_get(net, "pools"), NULL, ", ");
        ov_table_add(&t, ov_json_text(net, "netid", ""));
        ov_table_add(&t, ov_json_text(net, "name", ""));
        ov_table_addf(&t, "%.0f", ov_json_number(members, "admitted", 0));
        ov_table_addf(&t, "%.0f", ov_json_number(members, "pending", 0));
        ov_table_add(&t, pools);
        ov_table_addf(&t, "%.0f", ov_json_number(net, "mtu", 0));
        ov_table_add(&t, ov_text_date(ov_json_number(net, "created", 0), unit));
        free(pools);
    }
    ov_table_print(&t, stdout);
    ov_table_free(&t);
}

int ov_net_list(int argc, char **argv)
{
    static const struct ov_synopsis synopsis = {
        .name = "net list",
        .usage = "",
        .about = "List the networks that this node is the controller of.",
        .examples = "net list",
        .max_args = 0,
    };
    struct ov_command_line line;
    int code = ov_options_parse(&synopsis, NULL, 0, argc, argv, &line);

    if (code != OV_GO_ON)
        return code;
    return ov_net_request(&line, "GET", ov_client_path("controller", "networks"), NULL, print_list);
}

static char *routes_text(const json_t *net)
{
    char *text = NULL;
    size_t size, i;
    json_t *route;
    FILE *f = open_memstream(&text, &size);

    if (!f)
        abort();
    json_array_foreach(json_object_get(net, "routes"), i, route)
    {
        const char *via = ov_json_text(route, "via", NULL);
        fprintf(f, "%s%s%s%s", i ? ", " : "", ov_json_text(route, "dst", "?"), via ? " via " : "",
                via ? via : "");
    }
    if (fclose(f) != 0)
        abort();
    return text;
}

static void print_numbers(const json_t *net)
{
    const json_t *members = json_object_get(net, "members");
    char unit[OV_TEXT_UNIT], text[128];

    snprintf(text, sizeof text, "%.0f admitted, %.0f waiting",
             ov_json_number(members, "admitted", 0), ov_json_number(members, "pending", 0));
    print_field("members", text);
    print_field("created", ov_text_date(ov_json_number(net, "created", 0), unit));
    snprintf(text, sizeof text, "%.0f", ov_json_number(net, "revision", 0));
    print_field("revision", text);
    snprintf(text, sizeof text, "%.0f", ov_json_number(net, "mtu", 0));
    print_field("mtu", text);
    snprintf(text, sizeof text, "%.0f", ov_json_number(net, "multicast_limit", 0));
    print_field("multicast-limit", text);
    snprintf(text, sizeof text, "%.0f", ov_json_number(net, "window_s", 0));
    print_field("window", text);
}

static void print_net(const struct ov_command_line *line, const json_t *net)
{
    static const char *const flags[][2] = {
        {"ip6", "ip6"}, {"check-ip", "check_ip"}, {"broadcast", "broadcast"}, {"open", "open"}};
    char *pools = ov_json_join(json_object_get(net, "pools"), NULL, ", "),
         *routes = routes_text(net),
         *roots = ov_json_join(json_object_get(net, "roots"), NULL, ", ");
    const json_t *dns = json_object_get(net, "dns");
    char *servers = ov_json_join(json_object_get(dns, "servers"), NULL, ","), text[512];
    (void)line;

    print_field("netid", ov_json_text(net, "netid", ""));
    print_field("name", ov_json_text(net, "name", ""));
    print_field("note", ov_json_text(net, "note", ""));
    print_field("pool", pools);
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        print_field(flags[i][0], json_on(net, flags[i][1]));
    print_numbers(net);
    print_field("routes", routes);
    snprintf(text, sizeof text, "%s%s%s", ov_json_text(dns, "domain", ""), *servers ? " " : "",
             servers);
    print_field("dns", text);
    print_field("roots", roots);
    print_field("to join", ov_json_text(net, "join", ""));
    free(servers);
    free(roots);
    free(routes);
    free(pools);
}

int ov_net_show(int argc, char **argv)
{
    static const struct ov_synopsis synopsis = {
        .name = "net show",
        .usage = "NET",
        .about = "Show one network with all its settings, and the line with which to join it.",
        .examples = "net show dorm",
        .min_args = 1,
        .max_args = 1,
        .missing = "which network? ovpn net list shows them",
    };
    struct ov_command_line line;
    int code = ov_options_parse(&synopsis, NULL, 0, argc, argv, &line);

    if (code != OV_GO_ON)
        return code;
    return ov_net_request(&line, "GET", ov_client_path("controller", "networks", line.args[0]),
                          NULL, print_net);
}

static void print_set(const struct ov_command_line *line, const json_t *reply)
{
    char *clean = ov_text_clean(ov_json_text(reply, "name", line->args[0]), false);

    printf("changed %s; members get it at once\n", clean);
    warn_public(reply);
    free(clean);
}

/* The words behind NET: KEY VALUE KEY VALUE ..., or KEY=VALUE ... */
static json_t *settings(char **words, int n)
{
    json_t *set = json_object();
    struct ov_words pairs = {0};
    bool equals = n > 0 && strchr(words[0], '=') && n <= OV_WORDS_MAX;

    for (int i = 0; equals && i < n; i++)
        pairs.v[pairs.n++] = words[i];
    if (equals && add_settings(set, &pairs))
        return set;
    for (int i = 0; !equals && n % 2 == 0 && i < n; i += 2)
        json_object_set_new(set, words[i], json_string(words[i + 1]));
    if (!equals && n && n % 2 == 0)
        return set;
    json_decref(set);
    return NULL;
}

int ov_net_set(int argc, char **argv)
{
    static const struct ov_synopsis synopsis = {
        .name = "net set",
        .usage = "NET [--member MEMBER] KEY VALUE...",
        .about =
            "Change settings of a network, or of one member. KEY=VALUE works too. Members get\n"
            "the change at once. The keys of a network:\n" OV_NET_KEYS "\n\n"
            "and of a member:\n"
            "  ip               its addresses, from the pools, with commas\n"
            "  bridge           on|off: it may connect other devices, as an Ethernet bridge\n"
            "  note             a note for you\n"
            "  tags             words with commas",
        .examples = "net set dorm mtu 1400\nnet set dorm --member laptop ip 10.147.17.50\n"
                    "net set dorm --member 8056c2e21c bridge on",
        .min_args = 2,
        .max_args = 1 + 2 * OV_WORDS_MAX,
        .missing = "which network, and what? As in: ovpn net set dorm mtu 1400",
    };
    struct ov_command_line line;
    const char *member = NULL;
    const struct ov_option options[] = {
        {"member", 'm', OV_OPTION_TEXT, &member, "MEMBER",
         "a setting of this member, not of the network"},
    };
    json_t *set;
    char *path;
    int code = ov_options_parse(&synopsis, options, 1, argc, argv, &line);

    if (code != OV_GO_ON)
        return code;
    set = settings(line.args + 1, line.nargs - 1);
    if (!set)
        return ov_usage_error(&synopsis, "each KEY needs its VALUE, as in: mtu 1400");
    path =
        ov_client_path("controller", "networks", line.args[0], member ? "members" : NULL, member);
    return ov_net_request(&line, "PATCH", path, json_pack("{s:o}", "set", set), print_set);
}

/* On a terminal, ask; elsewhere only --yes will do. */
static bool confirmed(const json_t *net)
{
    char answer[128] = "", *name = ov_text_clean(ov_json_text(net, "name", ""), false);
    bool yes;

    fprintf(stderr,
            "Delete %s (%s) with its %.0f members and its invites? They are thrown out at once, "
            "and a new\n"
            "network will have another netid. Type its name to delete it: ",
            name, ov_json_text(net, "netid", "?"),
            ov_json_number(json_object_get(net, "members"), "admitted", 0));
    fflush(stderr);
    if (!fgets(answer, sizeof answer, stdin))
        answer[0] = '\0';
    answer[strcspn(answer, "\n")] = '\0';
    yes = strcmp(answer, ov_json_text(net, "name", "")) == 0 && *answer;
    free(name);
    return yes;
}

static void print_deleted(const struct ov_command_line *line, const json_t *reply)
{
    char *clean = ov_text_clean(line->args[0], false);
    (void)reply;

    printf("deleted %s\n", clean);
    free(clean);
}

int ov_net_delete(int argc, char **argv)
{
    static const struct ov_synopsis synopsis = {
        .name = "net delete",
        .usage = "NET",
        .about =
            "Delete a network with its members and invites. This cannot be undone: a new network\n"
            "has another netid. Asks first on a terminal; elsewhere it needs --yes.",
        .examples = "net delete dorm\nnet delete dorm --yes",
        .min_args = 1,
        .max_args = 1,
        .missing = "which network? ovpn net list shows them",
    };
    struct ov_command_line line;
    bool yes = false;
    const struct ov_option options[] = {
        {"yes", 'y', OV_OPTION_FLAG, &yes, NULL, "do not ask"},
    };
    struct ov_client *client = NULL;
    json_t *net = NULL;
    int code = ov_options_parse(&synopsis, options, 1, argc, argv, &line);

    if (code != OV_GO_ON)
        return code;
    if (!yes && !(isatty(STDIN_FILENO) && isatty(STDERR_FILENO)))
        return ov_usage_error(&synopsis, "there is nobody to ask here: give --yes if you are sure");
    if (!yes) {
        code = ov_client_open(&line, &client);
        if (code == OV_EXIT_OK)
            code =
                ov_client_get(client, ov_client_path("controller", "networks", line.args[0]), &net);
        if (code == OV_EXIT_OK && !confirmed(net)) {
            ov_complain("not deleted", NULL);
            code = OV_EXIT_FAILED;
        }
        json_decref(net);
        ov_client_close(client);
        if (code != OV_EXIT_OK)
            return code;
    }
    return ov_net_request(&line, "DELETE", ov_client_path("controller", "networks", line.args[0]),
                          NULL, print_deleted);
}
