/* config: what the daemon is told, from ovpn.conf and the command line.
 *
 * The file is INI and strict: an unknown section or key, a key given twice, or a value that is not
 * understood is an error with its line, and nothing of the file is used. A list may go on in
 * indented lines. */
#ifndef OV_CLI_CONFIG_H
#define OV_CLI_CONFIG_H

#include "consent.h"
#include "core/invite.h"
#include "core/log.h"
#include "core/node.h"
#include "file.h"
#include "transport/connect.h"
#include "tun/tap.h"

#define OV_CONFIG_PATH "/etc/ovpn/ovpn.conf"

struct ov_settings {
    char state_dir[OV_PATH_MAX];
    /* [node] */
    uint16_t port;                   /* 0: a random, remembered one */
    struct ov_ip bind;               /* family 0: every address */
    char name[OV_NET_NAME_MAX];      /* told to controllers */
    char interface[OV_TAP_NAME_MAX]; /* may have one %d */
    enum ov_consent routes;          /* what networks may put on this computer */
    size_t nroots;
    struct ov_host roots[OV_ROOTS_MAX];
    bool offload;                  /* of checksums and segmentation, where the kernel has it */
    bool portmap;                  /* ask the router for a port mapping */
    uint32_t portmap_lease_s;      /* for how long; 0: the usual */
    bool lan_discovery;            /* find members on the LAN by multicast */
    bool priority;                 /* run ahead of ordinary programs */
    bool sandbox;                  /* give up all that is not needed */
    bool relay;                    /* relay for members of our networks */
    uint32_t member_rate_mbit;     /* then for each of them; 0: the engine's default */
    bool aes;                      /* offer AES-256-GCM, where the processor has AES instructions */
    struct ov_connect_proxy proxy; /* for streams to roots; no host: none */
    bool proxy_set;                /* in the file: the environment does not count */
    /* [root] */
    bool root;
    uint16_t root_port;
    bool tcp_ports_set; /* else: root_port and 443 */
    size_t ntcp_ports;
    uint16_t tcp_ports[4];
    uint32_t relay_rate_mbit; /* for each source; 0: the engine's default */
    size_t npublic;
    struct ov_host public[OV_INVITE_HOSTS_MAX];
    /* [controller] */
    bool controller;
    char database[OV_PATH_MAX]; /* empty: STATE/controller.db */
    /* [log] */
    enum ov_log_level log_level;
};

/* The defaults: name is this host's, everything else off. */
void ov_config_defaults(struct ov_settings *s);
/* Read `path` over what *s has. OV_ENOENT (no such file: *s is untouched), OV_EINVAL, OV_EPERM,
 * OV_EIO. */
OV_CHECK int ov_config_read(const char *path, struct ov_settings *s, char why[OV_WHY_MAX]);
/* The same from text; `name` is how messages call it. */
OV_CHECK int ov_config_parse(const char *name, char *text, struct ov_settings *s,
                             char why[OV_WHY_MAX]);
/* Does the file `path`, from which *s was read, tell a proxy's password to everybody on this
 * computer? Then `why` has a sentence with what to do. */
bool ov_config_exposed(const char *path, const struct ov_settings *s, char why[OV_WHY_MAX]);
/* Is it a controller, and neither a root nor led to one? Then `why` has a sentence with what to do.
 */
bool ov_config_alone(const struct ov_settings *s, char why[OV_WHY_MAX]);
/* Take the proxy of the environment (https_proxy, HTTPS_PROXY), unless the file has set one or
 * none. OV_EINVAL: it is not understood; `why` says which, without its password. */
OV_CHECK int ov_config_environment(struct ov_settings *s, char why[OV_WHY_MAX]);
/* The UDP port that is wanted: a root's is fixed; 0: any. */
uint16_t ov_config_port(const struct ov_settings *s);
/* "HOST", or "HOST:PORT" when the port is not the default one. */
#define OV_HOST_LABEL (OV_HOST_TEXT + 8)
const char *ov_host_format(const struct ov_host *h, char out[OV_HOST_LABEL]);

#endif
