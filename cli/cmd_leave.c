#include "client.h"

#include "text.h"

#include <stdlib.h>

static const struct ov_synopsis synopsis = {
    .name = "leave",
    .usage = "NETID|NAME",
    .about =
        "Leave a network: its device and addresses go away, also over a reboot. Its server is\n"
        "remembered, so joining again later needs only the network's id. It gives the same\n"
        "address, unless its owner has forgotten you.",
    .examples = "leave dorm",
    .min_args = 1,
    .max_args = 1,
    .missing = "which network? ovpn networks lists them",
};

int ov_cmd_leave(int argc, char **argv)
{
    struct ov_command_line line;
    struct ov_client *client = NULL;
    json_t *net = NULL, *reply = NULL;
    int code = ov_options_parse(&synopsis, NULL, 0, argc, argv, &line);

    if (code != OV_GO_ON)
        return code;
    code = ov_client_open(&line, &client);
    if (code == OV_EXIT_OK)
        code = ov_client_network(client, line.args[0], &net);
    if (code == OV_EXIT_OK)
        code = ov_client_call(client, "DELETE",
                              ov_client_path("networks", ov_json_text(net, "netid", "")), NULL,
                              &reply, NULL);
    if (code == OV_EXIT_OK && line.json) {
        ov_json_print(reply);
    } else if (code == OV_EXIT_OK) {
        char *name = ov_text_clean(ov_json_text(net, "name", ""), false);
        printf("left %s%s%s\n", name, *name ? ", " : "", ov_json_text(net, "netid", ""));
        free(name);
    }
    json_decref(reply);
    json_decref(net);
    ov_client_close(client);
    return code;
}
