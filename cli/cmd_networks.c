#include "client.h"

#include "net_words.h"
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

static void add(struct ov_table *t, const json_t *net)
{
    char *addresses = ov_json_join(json_object_get(net, "addresses"), NULL, ", ");
    const json_t *controller = json_object_get(net, "controller");
    bool away = ov_net_is_ready(net) && !ov_json_flag(controller, "online");

    ov_table_add(t, ov_json_text(net, "netid", ""));
    ov_table_add(t, ov_json_text(net, "name", ""));
    ov_table_addf(t, "%s%s%s", ov_net_state_words(net), ov_net_lack_words(net),
                  away ? ", controller away" : "");
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
