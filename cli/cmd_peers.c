#include "client.h"

#include "table.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct ov_synopsis synopsis = {
    .name = "peers",
    .usage = "[ADDRESS]",
    .about =
        "List the nodes this one knows, and the way to each:\n"
        "  DIRECT  datagrams go straight to it, REMOTE is where\n"
        "  RELAY   they go through the root or member named under VIA, slower but as secret\n"
        "  -       not connected now; the first frame to it connects; SINCE tells when it was\n"
        "          last seen",
    .examples = "peers\npeers 8056c2e21c --json",
    .max_args = 1,
};

/* What people know a peer by: what it is, else its overlay addresses. */
static void add_name(struct ov_table *t, const json_t *peer)
{
    char *roles = ov_json_join(json_object_get(peer, "roles"), NULL, ", "), *ips = NULL, *slash;
    const json_t *networks = json_object_get(peer, "networks");
    const char *name = ov_json_text(peer, "name", NULL);

    for (size_t i = 0; i < json_array_size(networks); i++) {
        const json_t *addresses = json_object_get(json_array_get(networks, i), "addresses");
        if (json_array_size(addresses) && !ips)
            ips = ov_json_join(addresses, NULL, "\n");
    }
    slash = ips ? strpbrk(ips, "/\n") : NULL; /* the first one, without its prefix length */
    if (slash)
        *slash = '\0';
    if (name && ips)
        ov_table_addf(t, "%s %s", name, ips);
    else if (ips && *roles)
        ov_table_addf(t, "%s (%s)", ips, roles);
    else
        ov_table_add(t, name ? name : ips ? ips : roles);
    free(ips);
    free(roles);
}

static void add(struct ov_table *t, const json_t *p, double now)
{
    const char *path = ov_json_text(p, "path", "none");
    bool direct = strcmp(path, "direct") == 0, relay = strcmp(path, "relay") == 0;
    bool measured = ov_json_number(p, "rtt_ms", 0) > 0;
    char unit[OV_TEXT_UNIT];

    ov_table_add(t, ov_json_text(p, "address", ""));
    add_name(t, p);
    ov_table_add(t, direct ? "DIRECT" : relay ? "RELAY" : "-");
    char *link = ov_json_link(p);
    bool member = strcmp(ov_json_text(p, "via_kind", ""), "member") == 0;
    ov_table_addf(t, "%s%s%s",
                  direct  ? ov_json_text(p, "remote", "")
                  : relay ? ov_json_text(p, "via", "")
                          : "",
                  relay && member ? " (member)" : "", link);
    free(link);
    if (direct || relay)
        ov_table_add(t, ov_text_ago(ov_json_number(p, "since", 0), now, unit));
    else if (ov_json_number(p, "last_rx", 0) > 0)
        ov_table_addf(t, "seen %s", ov_text_ago(ov_json_number(p, "last_rx", 0), now, unit));
    else
        ov_table_add(t, "");
    ov_table_add(t, measured ? ov_text_ms(ov_json_number(p, "rtt_ms", 0), unit) : "");
    ov_table_add(t, measured ? ov_text_percent(ov_json_number(p, "loss", 0), unit) : "");
    ov_table_add(t, ov_text_bytes(ov_json_number(p, "rx_bytes", 0), unit));
    ov_table_add(t, ov_text_bytes(ov_json_number(p, "tx_bytes", 0), unit));
}

static void print_all(const json_t *peers)
{
    static const char *const heads[] = {"ADDRESS", "NAME/IP", "PATH", "REMOTE/VIA", ">SINCE",
                                        ">RTT",    ">LOSS",   ">RX",  ">TX",        NULL};
    double now = (double)time(NULL);
    bool relayed = false;
    struct ov_table t;
    size_t i, reasons = 0;
    json_t *p;

    if (json_array_size(peers) == 0) {
        printf(
            "No peers yet. They appear when a root answers and a network is joined: ovpn status\n");
        return;
    }
    ov_table_init(&t, heads);
    json_array_foreach(peers, i, p)
    {
        add(&t, p, now);
        relayed = relayed || strcmp(ov_json_text(p, "path", ""), "relay") == 0;
    }
    ov_table_print(&t, stdout);
    ov_table_free(&t);
    json_array_foreach(peers, i, p)
    {
        const char *why = ov_json_text(json_object_get(p, "why"), "text", "");
        if (*why)
            printf("%s%s: %s\n", reasons++ ? "" : "\n", ov_json_text(p, "address", ""), why);
    }
    ov_json_warn_twice(peers);
    if (relayed)
        printf(
            "\nRELAY: no direct way to that peer was found yet, so its datagrams go through a root "
            "or a member\n"
            "that relays (encrypted end to end, but slower). ovpn keeps trying. "
            "\"ovpn doctor PEER\" tells what\n"
            "stands in the way, and what helps.\n");
}

int ov_cmd_peers(int argc, char **argv)
{
    struct ov_command_line line;
    struct ov_client *client = NULL;
    json_t *reply = NULL;
    int code = ov_options_parse(&synopsis, NULL, 0, argc, argv, &line);

    if (code != OV_GO_ON)
        return code;
    code = ov_client_open(&line, &client);
    if (code == OV_EXIT_OK)
        code = ov_client_get(client, ov_client_path("peers", line.nargs ? line.args[0] : NULL),
                             &reply);
    if (code == OV_EXIT_OK && line.json) {
        ov_json_print(reply);
    } else if (code == OV_EXIT_OK) {
        json_t *peers =
            line.nargs ? json_pack("[O]", reply) : json_incref(json_object_get(reply, "peers"));
        print_all(peers);
        json_decref(peers);
    }
    json_decref(reply);
    ov_client_close(client);
    return code;
}
