#include "client.h"

#include "table.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

static const struct ov_synopsis synopsis = {
    .name = "networks",
    .usage = "",
    .about =
        "List the networks this node joined: how far each is, its device, how many other members\n"
        "it knows just now, and our addresses in it.",
    .examples = "networks",
    .max_args = 0,
};

static const char *state_words(const char *state)
{
    static const char *const words[][2] = {
        {"connecting", "looking for controller"},
        {"asking", "asking controller"},
        {"waiting", "waiting for admission"},
    };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(state, words[i][0]) == 0)
            return words[i][1];
    return state;
}

/* What the network gave this computer, and did not get a place on it. */
static const char *lack_words(const json_t *net)
{
    const json_t *left_out = json_object_get(net, "left_out");
    const char *first = ov_json_text(json_array_get(left_out, 0), "address", "");

    if (json_array_size(left_out) == 0)
        return "";
    if (json_array_size(json_object_get(net, "addresses")) == 0)
        return ", without its address";
    return strchr(first, ':') ? ", without its IPv6 address" : ", without its IPv4 address";
}

static void add(struct ov_table *t, const json_t *net)
{
    char *addresses = ov_json_join(json_object_get(net, "addresses"), NULL, ", ");
    const json_t *controller = json_object_get(net, "controller");
    const char *state = ov_json_text(net, "state", "");
    bool ready = strcmp(state, "ready") == 0;

    ov_table_add(t, ov_json_text(net, "netid", ""));
    ov_table_add(t, ov_json_text(net, "name", ""));
    ov_table_addf(t, "%s%s%s", state_words(state), ready ? lack_words(net) : "",
                  ready && !ov_json_flag(controller, "online") ? ", controller away" : "");
    ov_table_add(t, ov_json_text(net, "device", ""));
    ov_table_addf(t, "%.0f", ov_json_number(net, "members", 0));
    ov_table_add(t, addresses);
    free(addresses);
}

/* Under the table: what is wrong with those that do not work, and what to do. */
static void print_notes(const json_t *networks, const char *self)
{
    size_t i;
    json_t *net;

    json_array_foreach(networks, i, net)
    {
        const char *state = ov_json_text(net, "state", ""), *netid = ov_json_text(net, "netid", "");
        const char *problem = ov_json_text(net, "device_problem", NULL);
        const char *message = ov_json_text(net, "message", NULL);
        char *clean = ov_text_clean(problem ? problem : message ? message : "", true);

        if (strcmp(state, "waiting") == 0)
            printf("\n%s waits for its owner, who must type: ovpn net authorize %s %s\n", netid,
                   netid, self);
        else if (*clean && (problem || strcmp(state, "ready") != 0))
            printf("\n%s: %s\n", netid, clean);
        free(clean);
    }
}

static int print_all(struct ov_client *client, const json_t *networks)
{
    static const char *const heads[] = {"NETID",  "NAME",      "STATE", "DEVICE",
                                        ">PEERS", "ADDRESSES", NULL};
    json_t *status = NULL, *net;
    struct ov_table t;
    size_t i;
    int code;

    if (json_array_size(networks) == 0) {
        printf("This node has not joined any network yet: ovpn join NETID[@HOST], or ovpn join "
               "INVITE\n");
        return OV_EXIT_OK;
    }
    code = ov_client_get(client, ov_client_path("status"), &status);
    if (code != OV_EXIT_OK)
        return code;
    ov_table_init(&t, heads);
    json_array_foreach(networks, i, net)
    {
        add(&t, net);
    }
    ov_table_print(&t, stdout);
    ov_table_free(&t);
    print_notes(networks, ov_json_text(status, "address", "ADDRESS"));
    json_decref(status);
    return OV_EXIT_OK;
}

int ov_cmd_networks(int argc, char **argv)
{
    struct ov_command_line line;
    struct ov_client *client = NULL;
    json_t *reply = NULL;
    int code = ov_options_parse(&synopsis, NULL, 0, argc, argv, &line);

    if (code != OV_GO_ON)
        return code;
    code = ov_client_open(&line, &client);
    if (code == OV_EXIT_OK)
        code = ov_client_get(client, ov_client_path("networks"), &reply);
    if (code == OV_EXIT_OK && line.json)
        ov_json_print(reply);
    else if (code == OV_EXIT_OK)
        code = print_all(client, json_object_get(reply, "networks"));
    json_decref(reply);
    ov_client_close(client);
    return code;
}
