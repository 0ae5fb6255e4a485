/* ovpn: one binary; `ovpn service` is the daemon, every other subcommand is a client of it. */
#include "options.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct ov_subcommand commands[] = {
    {"join", "NETID|INVITE", "join a network", ov_cmd_join, "this computer"},
    {"leave", "NETWORK", "leave a network", ov_cmd_leave, NULL},
    {"status", "", "is it working, and if not, why", ov_cmd_status, NULL},
    {"networks", "", "the networks this node joined", ov_cmd_networks, NULL},
    {"peers", "", "other nodes, and the way to each", ov_cmd_peers, NULL},
    {"ping", "PEER", "measure the way to a peer", ov_cmd_ping, NULL},
    {"doctor", "[PEER]", "what is wrong, and what to do about it", ov_cmd_doctor, NULL},
    {"id", "new|show|export|...", "this node's identity, and its backup", ov_cmd_id, NULL},
    {"net", "COMMAND", "create networks, admit members, make invites", ov_cmd_net,
     "your own networks (where the daemon is a controller)"},
    {"controller", "backup|restore", "save what this controller keeps, put it back",
     ov_cmd_controller, NULL},
    {"service", "", "run the daemon", ov_cmd_service, "the daemon"},
};

static const char about[] =
    "A private LAN over the Internet: join a network, and its members are as if on one switch.";

/* A full disk behind `ovpn ... > file` must not look like success. */
static int finish(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    if (errno != EPIPE)
        fprintf(stderr, "ovpn: cannot write the output: %s\n", strerror(errno));
    return code == OV_EXIT_OK ? OV_EXIT_FAILED : code;
}

int main(int argc, char **argv)
{
    /* `ovpn peers | head` ends with a failed write, not by a signal in the middle of something */
    signal(SIGPIPE, SIG_IGN);
    return finish(ov_dispatch(commands, sizeof commands / sizeof *commands, "", about, argc, argv));
}
