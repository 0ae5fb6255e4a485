#include "cmd_net.h"

int ov_net_request(const struct ov_command_line *line, const char *method, char *path, json_t *body,
                   void (*print)(const struct ov_command_line *line, const json_t *reply))
{
    struct ov_client *client = NULL;
    json_t *reply = NULL;
    int code = ov_client_open(line, &client);

    if (code == OV_EXIT_OK) {
        code = ov_client_call(client, method, path, body, &reply, NULL);
    } else {
        json_decref(body);
        free(path);
    }
    if (code == OV_EXIT_OK && line->json)
        ov_json_print(reply);
    else if (code == OV_EXIT_OK && print)
        print(line, reply);
    json_decref(reply);
    ov_client_close(client);
    return code;
}

int ov_cmd_net(int argc, char **argv)
{
    static const struct ov_subcommand commands[] = {
        {"create", "NAME", "make a network", ov_net_create, "networks"},
        {"list", "", "the networks this controller has", ov_net_list, NULL},
        {"show", "NET", "one network with all its settings", ov_net_show, NULL},
        {"set", "NET KEY VALUE", "change a setting of a network, or of a member", ov_net_set, NULL},
        {"delete", "NET", "delete a network for all its members", ov_net_delete, NULL},
        {"members", "NET", "who is in it, and who waits for admission", ov_net_members, "members"},
        {"authorize", "NET MEMBER", "admit a member", ov_net_authorize, NULL},
        {"deauthorize", "NET MEMBER", "throw a member out", ov_net_deauthorize, NULL},
        {"name", "NET MEMBER NAME", "give a member a name", ov_net_name, NULL},
        {"forget", "NET MEMBER", "forget a member wholly", ov_net_forget, NULL},
        {"invite", "NET", "make a one-time invite", ov_net_invite, "invites"},
        {"invites", "NET", "the invites made so far", ov_net_invites, NULL},
        {"revoke", "NET ID|--unused", "take an unused invite back", ov_net_revoke, NULL},
    };

    return ov_dispatch(commands, sizeof commands / sizeof *commands, "net ",
                       "Make and manage networks. NET is a network's name or id, MEMBER a member's "
                       "address or name.",
                       argc, argv);
}
