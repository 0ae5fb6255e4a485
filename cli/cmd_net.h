/* cmd_net: the subcommands of `ovpn net`, for the owner of networks. All are requests to
 * /v1/controller/networks of the local API. */
#ifndef OV_CLI_CMD_NET_H
#define OV_CLI_CMD_NET_H

#include "client.h"

int ov_net_create(int argc, char **argv);
int ov_net_list(int argc, char **argv);
int ov_net_show(int argc, char **argv);
int ov_net_set(int argc, char **argv);
int ov_net_delete(int argc, char **argv);

int ov_net_members(int argc, char **argv);
int ov_net_authorize(int argc, char **argv);
int ov_net_deauthorize(int argc, char **argv);
int ov_net_name(int argc, char **argv);
int ov_net_forget(int argc, char **argv);

int ov_net_invite(int argc, char **argv);
int ov_net_invites(int argc, char **argv);
int ov_net_revoke(int argc, char **argv);
/* Say that invites of line->args[0], a network, can still be used, if so. */
void ov_net_warn_invites(const struct ov_command_line *line);

/* One request, its reply printed as JSON or by `print` (may be NULL). Paths and bodies as in
 * client.h. */
int ov_net_request(const struct ov_command_line *line, const char *method, char *path, json_t *body,
                   void (*print)(const struct ov_command_line *line, const json_t *reply));

#endif
