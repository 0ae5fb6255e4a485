/* command: the subcommands of the one binary, and what they return.
 *
 * main.c looks the subcommand up and calls it with its own argument vector: argv[0] is the
 * subcommand's name. Global options that stood before it (-H DIR, --json) are moved behind it, so
 * every command parses them like its own, and there is no global state. */
#ifndef OV_CLI_COMMAND_H
#define OV_CLI_COMMAND_H

#define OV_STATE_DIR   "/var/lib/ovpn"
#define OV_SOCKET_NAME "ovpn.sock" /* in the state directory */

enum ov_exit {
    OV_EXIT_OK = 0,
    OV_EXIT_FAILED = 1,    /* refused, or it did not work */
    OV_EXIT_USAGE = 2,     /* the command line is wrong */
    OV_EXIT_NO_DAEMON = 3, /* the daemon cannot be reached */
};

int ov_cmd_service(int argc, char **argv);
int ov_cmd_join(int argc, char **argv);
int ov_cmd_leave(int argc, char **argv);
int ov_cmd_status(int argc, char **argv);
int ov_cmd_networks(int argc, char **argv);
int ov_cmd_peers(int argc, char **argv);
int ov_cmd_ping(int argc, char **argv);
int ov_cmd_doctor(int argc, char **argv);
int ov_cmd_id(int argc, char **argv);
int ov_cmd_controller(int argc, char **argv);
int ov_cmd_net(int argc, char **argv);

#endif
