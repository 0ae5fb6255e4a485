/* sockets: the daemon's UDP sockets, IPv4 and IPv6 on one port, and the addresses they are reached
 * at. */
#ifndef OV_CLI_SOCKETS_H
#define OV_CLI_SOCKETS_H

#include "daemon.h"

/* A fixed port that is taken is an error; a remembered one makes place for another. Only opens: the
 * engine is told by ov_sockets_tell(). */
OV_CHECK int ov_sockets_open(struct ov_daemon *d, char why[OV_WHY_MAX]);
void ov_sockets_close(struct ov_daemon *d);
void ov_sockets_tell(struct ov_daemon *d);
/* Look at this host's addresses and tell the engine when they changed; true when they did. */
bool ov_sockets_refresh(struct ov_daemon *d);
/* Does this socket get what is sent to this address of ours? */
bool ov_sockets_reachable_at(const struct ov_daemon_socket *s, const struct ov_ip *ip);
/* `arg` is the daemon. Our own devices are no way to reach us; nor are those of another ovpn on
 * this host: true for them. */
bool ov_sockets_skip(void *arg, const char *ifname);

/* The receiver of all of the daemon's sockets; `arg` is a struct ov_daemon_socket. */
struct ov_udp_packet;
void ov_sockets_on_packets(void *arg, struct ov_udp *u, const struct ov_udp_packet *v,
                           size_t count);
/* The socket with this number in the engine, or NULL. */
struct ov_udp *ov_sockets_udp(const struct ov_daemon *d, uint16_t number);
bool ov_sockets_have_port(const struct ov_daemon *d, uint16_t port);

#endif
