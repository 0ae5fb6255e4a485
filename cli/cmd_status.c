/* status: is it working, and if not, what to look at. */
#include "client.h"

#include "nat_words.h"
#include "net_words.h"
#include "odd_port.h"
#include "table.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct ov_synopsis synopsis = {
    .name = "status",
    .usage = "",
    .about =
        "Show this node: its address, whether its roots (the servers that introduce and relay)\n"
        "answer, its networks and its traffic.",
    .examples = "status\nstatus --verbose\nstatus --json",
    .max_args = 0,
};

static void print_node(const json_t *s)
{
    char up[OV_TEXT_UNIT];
    char *roles = ov_json_join(json_object_get(s, "roles"), NULL, " and ");
    char *sockets = ov_json_join(json_object_get(s, "sockets"), "address", ", ");

    printf("node %s is up for %s (ovpn %s%s%s)\n", ov_json_text(s, "address", "?"),
           ov_text_duration(ov_json_number(s, "uptime_s", 0), up), ov_json_text(s, "version", "?"),
           *roles ? ", also " : "", roles);
    printf("listening on %s\n", *sockets ? sockets : "no UDP socket");
    free(sockets);
    free(roles);
}

/* Can others reach this node without its router's help being guessed at? */
static void print_mapping(const json_t *s)
{
    const json_t *m = json_object_get(s, "port_mapping");
    const char *state = ov_json_text(m, "state", "off");
    char when[OV_TEXT_UNIT];

    printf("port mapping: ");
    if (strcmp(state, "mapped") == 0)
        printf("%s by %s%s, renewed in %s\n", ov_json_text(m, "external", "?"),
               ov_json_text(m, "protocol", "?"),
               ov_json_flag(m, "nat_outside") ? " (another NAT is outside)" : "",
               ov_text_duration(ov_json_number(m, "renew_s", 0), when));
    else if (strcmp(state, "none") == 0)
        printf("none: %s; tried again in %s\n", ov_json_text(m, "problem", "?"),
               ov_text_duration(ov_json_number(m, "retry_s", 0), when));
    else if (strcmp(state, "asking") == 0)
        printf("the router is being asked\n");
    else if (strcmp(state, "unneeded") == 0)
        printf("not needed, this computer has a public address\n");
    else if (strcmp(state, "no_router") == 0)
        printf("none: there is no IPv4 router\n");
    else
        printf("off\n");
}

static bool is_among(const json_t *roots, const char *host)
{
    for (size_t i = 0; i < json_array_size(roots); i++)
        if (strcmp(ov_json_text(json_array_get(roots, i), "host", ""), host) == 0)
            return true;
    return false;
}

/* One that has another identity than before; NULL: none. */
static const char *wrong_root(const json_t *s)
{
    const json_t *list = json_object_get(s, "servers");

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *server = json_array_get(list, i);
        const char *host = ov_json_text(server, "host", "");
        if (strcmp(ov_json_text(server, "state", ""), "failed") == 0 &&
            is_among(json_object_get(s, "roots"), host))
            return host;
    }
    return NULL;
}

static bool has_role(const json_t *s, const char *which)
{
    size_t i;
    json_t *role;

    json_array_foreach(json_object_get(s, "roles"), i, role)
    {
        if (json_is_string(role) && strcmp(json_string_value(role), which) == 0)
            return true;
    }
    return false;
}

/* No root answers: without one, no new peer is found. */
static void print_root_advice(const json_t *s, size_t roots, size_t nameless)
{
    const char *wrong = wrong_root(s);

    if (roots == 0 && nameless > 0) {
        printf(
            "\nNo server is found by its name, so nobody else is found. Is the name right, and is "
            "this\ncomputer online? \"ovpn doctor\" tells more.\n");
        return;
    }
    if (roots == 0 && has_role(s, "controller")) {
        printf("\nThis controller is no root and knows none: members find nobody through it. Set "
               "\"enabled = yes\"\nunder [root] in /etc/ovpn/ovpn.conf, and restart the daemon.\n");
        return;
    }
    if (roots == 0) {
        printf("\nThis node knows no root, so it cannot find others. Join with the server's name,\n"
               "\"ovpn join NETID@HOST\", or put \"roots = HOST\" under [node] in\n"
               "/etc/ovpn/ovpn.conf.\n");
        return;
    }
    if (wrong) {
        printf(
            "\nAnother server than before answers at %s, and it is not trusted. Was it installed "
            "anew, without\nits old identity? Then leave the network (ovpn leave) and join again "
            "with a new invite. Its owner knows.\n",
            wrong);
        return;
    }
    printf("\nNo root answers, so no new peer can be found. What to check:\n"
           "  - is this computer online at all?\n"
           "  - does a firewall here stop UDP, from port %.0f? Without it TCP to the port above, "
           "TLS to\n"
           "    port 443 or a proxy ([node] proxy in ovpn.conf) will do\n"
           "  - is the server up, and does its firewall let UDP and TCP in to the port above?\n"
           "    (\"ovpn status\" on the server)\n",
           ov_json_number(s, "udp_port", 0));
}

static void add_state(struct ov_table *t, const json_t *root)
{
    const char *problem = ov_json_text(root, "problem", "");
    char *link = ov_json_link(root);

    ov_table_addf(t, "%s%s%s%s%s", ov_json_flag(root, "online") ? "online" : "offline", link,
                  ov_json_flag(root, "online") && !ov_json_flag(root, "relay") ? ", no relay" : "",
                  *problem ? ": " : "", problem);
    free(link);
}

/* Servers that were asked for by name and are no roots yet; how many names lead nowhere. */
static size_t add_nameless(struct ov_table *t, const json_t *s)
{
    const json_t *list = json_object_get(s, "servers");
    size_t n = 0;

    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *server = json_array_get(list, i);
        const char *state = ov_json_text(server, "state", ""),
                   *message = ov_json_text(server, "message", ""),
                   *host = ov_json_text(server, "host", "");
        if (strcmp(state, "answered") == 0 || is_among(json_object_get(s, "roots"), host))
            continue;
        ov_table_add(t, host);
        for (int k = 0; k < 3; k++)
            ov_table_add(t, "");
        ov_table_add(t, strncmp(message, "cannot find ", 12) == 0 ? "its name is not found"
                        : *message                                ? message
                                                                  : "its name is being looked up");
        n += strcmp(state, "failed") == 0;
    }
    return n;
}

static void print_roots(const json_t *s)
{
    static const char *const heads[] = {"ROOT", "ADDRESS", ">RTT", "SEES US AS", "STATE", NULL};
    const json_t *roots = json_object_get(s, "roots");
    bool any_online = false;
    struct ov_table t;
    char unit[OV_TEXT_UNIT];
    size_t i, nameless, rows;
    json_t *r;

    ov_table_init(&t, heads);
    json_array_foreach(roots, i, r)
    {
        bool online = ov_json_flag(r, "online");
        any_online = any_online || online;
        ov_table_add(&t, ov_json_text(r, "host", ""));
        ov_table_add(&t, ov_json_text(r, "address", ""));
        ov_table_add(&t, ov_text_ms(online ? ov_json_number(r, "rtt_ms", -1) : -1, unit));
        ov_table_add(&t, ov_json_text(r, "seen_as", ""));
        add_state(&t, r);
    }
    nameless = add_nameless(&t, s);
    rows = ov_table_rows(&t);
    if (rows) {
        putchar('\n');
        ov_table_print(&t, stdout);
    }
    ov_table_free(&t);
    bool looking = json_array_size(roots) == 0 && rows > nameless;
    if (!any_online && !has_role(s, "root") && !looking)
        print_root_advice(s, json_array_size(roots), nameless);
}

/* How others see us decides who can be reached directly. */
static void print_nat(const json_t *s)
{
    const json_t *nat = json_object_get(s, "nat");
    const char *mapping = ov_json_text(nat, "mapping", "unknown");
    const char *filtering = ov_json_text(nat, "filtering", "unknown");
    const char *ports = ov_json_text(nat, "ports", "unknown");
    struct ov_host odd;
    bool no_udp = json_is_false(json_object_get(nat, "udp"));

    if (no_udp && ov_odd_port_find(json_object_get(s, "roots"), &odd))
        printf("\nNAT       not known: %s does not answer by UDP on port %u. Is the port right? "
               "(usually 4793)\n",
               odd.name, odd.port);
    else if (no_udp)
        printf("\nNAT       UDP is blocked here, as far as can be seen: no root answers by it\n");
    else if (json_is_false(json_object_get(nat, "nat")))
        printf("\nNAT       none: this host has a public address%s\n",
               strcmp(filtering, "address-and-port-dependent") == 0 ? ", behind a firewall" : "");
    else if (strcmp(mapping, "unknown") != 0)
        printf("\nNAT       %s\n          (%s mapping, %s filtering, %s ports)\n",
               ov_nat_words(nat), mapping, filtering, ports);
}

/* What an intruder would find. */
static void print_sandbox(const json_t *s)
{
    const json_t *box = json_object_get(s, "sandbox");
    const char *state = ov_json_text(box, "state", "off");
    char *missing = ov_json_join(json_object_get(box, "missing"), NULL, "; ");

    if (strcmp(state, "off") == 0)
        printf("sandbox   off\n");
    else
        printf("sandbox   %s, as user %s%s%s\n", state, ov_json_text(box, "user", "?"),
               *missing ? ": " : "", missing);
    free(missing);
}

/* How many, and those that do not work: people look here first. */
static void print_networks(const json_t *s, const json_t *networks)
{
    size_t i, n = 0;
    json_t *net;

    printf("\nnetworks  %.0f", ov_json_number(s, "networks", 0));
    if (json_is_integer(json_object_get(s, "own_networks")))
        printf(" joined, %.0f of its own", ov_json_number(s, "own_networks", 0));
    json_array_foreach(networks, i, net)
    {
        const char *name = ov_json_text(net, "name", "");
        const char *lack = ov_net_lack_words(net);
        char *clean = ov_text_clean(*name ? name : ov_json_text(net, "netid", "?"), false);
        bool works = ov_net_is_ready(net) && !*lack && *ov_json_text(net, "device", "");
        if (!works)
            printf("%s %s %s%s", n++ ? "," : ":", clean,
                   ov_net_is_ready(net) && !*lack ? "has no device" : ov_net_state_words(net),
                   lack);
        free(clean);
    }
    printf("%s\n", n ? " (ovpn networks tells why)" : "");
}

static void print_traffic(const json_t *s, bool verbose)
{
    const json_t *t = json_object_get(s, "traffic");
    char unit[OV_TEXT_UNIT];

    printf("peers     %.0f, %.0f with a session\n", ov_json_number(s, "peers", 0),
           ov_json_number(s, "sessions", 0));
    if (verbose)
        printf("offload   %s\n", ov_json_text(s, "offload", "none"));
    print_sandbox(s);
    printf("received  %s in %.0f datagrams\n",
           ov_text_bytes(ov_json_number(t, "rx_bytes", 0), unit),
           ov_json_number(t, "rx_datagrams", 0));
    printf("sent      %s in %.0f datagrams\n",
           ov_text_bytes(ov_json_number(t, "tx_bytes", 0), unit),
           ov_json_number(t, "tx_datagrams", 0));
    if (ov_json_number(t, "relayed_datagrams", 0) > 0)
        printf("relayed   %s in %.0f datagrams, for others\n",
               ov_text_bytes(ov_json_number(t, "relayed_bytes", 0), unit),
               ov_json_number(t, "relayed_datagrams", 0));
}

static void print_drops(const json_t *s)
{
    static const char *const heads[] = {">DROPPED", "WHY", NULL};
    json_t *drops = json_object_get(s, "drops"), *d;
    struct ov_table t;
    const char *name;

    ov_table_init(&t, heads);
    json_object_foreach(drops, name, d)
    {
        ov_table_addf(&t, "%.0f", ov_json_number(d, "count", 0));
        ov_table_add(&t, ov_json_text(d, "text", name));
    }
    if (ov_table_rows(&t)) {
        putchar('\n');
        ov_table_print(&t, stdout);
    }
    ov_table_free(&t);
}

/* A second key for a known address is an attack, or a copied or lost identity: always shown. */
static void print_conflicts(const json_t *s)
{
    char ago[OV_TEXT_UNIT];
    size_t i;
    json_t *c;

    json_array_foreach(json_object_get(s, "conflicts"), i, c)
    {
        printf("\nWARNING: %.0f times, somebody used the address %s with another key (last %s). It "
               "was refused.\n",
               ov_json_number(c, "count", 0), ov_json_text(c, "address", "?"),
               ov_text_ago(ov_json_number(c, "last", 0), (double)time(NULL), ago));
    }
}

/* Two computers with one identity cut each other off, and neither looks broken. */
static void print_twin(const json_t *s)
{
    const json_t *t = json_object_get(s, "twin");
    char ago[OV_TEXT_UNIT];

    if (!json_is_object(t))
        return;
    printf(
        "\nWARNING: another computer uses this node's identity, too (%s, at %s, as %s says). They "
        "cut each\n"
        "other off. Was this one, or its disk, copied? On the copy: sudo ovpn id new --force, "
        "restart the daemon\n"
        "and join again. If nobody copied it, the key was stolen: \"ovpn doctor\" says more.\n",
        ov_text_ago(ov_json_number(t, "last", 0), (double)time(NULL), ago),
        ov_json_text(t, "at", "a relay"), ov_json_text(t, "told_by", "?"));
}

/* What is admitted, revoked or left now is forgotten by a restart. */
static void print_not_stored(const json_t *s)
{
    const char *why = ov_json_text(s, "not_stored", "");

    if (*why)
        printf(
            "\nWARNING: what this node has to remember cannot be stored: %s.\nIt is tried again; "
            "until then, a restart would forget it.\n",
            why);
}

int ov_cmd_status(int argc, char **argv)
{
    struct ov_command_line line;
    struct ov_client *client = NULL;
    json_t *status = NULL, *networks = NULL;
    bool verbose = false;
    const struct ov_option options[] = {
        {"verbose", 'v', OV_OPTION_FLAG, &verbose, NULL,
         "also what the devices leave to the kernel, and what was dropped and why"},
    };
    int code = ov_options_parse(&synopsis, options, 1, argc, argv, &line);

    if (code != OV_GO_ON)
        return code;
    code = ov_client_open(&line, &client);
    if (code == OV_EXIT_OK)
        code = ov_client_get(client, ov_client_path("status"), &status);
    if (code == OV_EXIT_OK && !line.json)
        code = ov_client_get(client, ov_client_path("networks"), &networks);
    if (code == OV_EXIT_OK && line.json) {
        ov_json_print(status);
    } else if (code == OV_EXIT_OK) {
        print_node(status);
        print_mapping(status);
        print_roots(status);
        print_nat(status);
        print_networks(status, json_object_get(networks, "networks"));
        print_traffic(status, verbose);
        if (verbose)
            print_drops(status);
        print_conflicts(status);
        print_twin(status);
        print_not_stored(status);
    }
    json_decref(networks);
    json_decref(status);
    ov_client_close(client);
    return code;
}
