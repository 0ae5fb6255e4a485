/* extras: the temporary sockets that the engine asks for to get through NATs, IPv4 only, each on a
 * port that the kernel chooses. They share their buffers with the first ordinary socket. */
#ifndef OV_CLI_EXTRAS_H
#define OV_CLI_EXTRAS_H

#include "daemon.h"

/* Outputs of the engine, done at once; what it is to be told about them waits for
 * ov_extras_run(). */
void ov_extras_asked(struct ov_daemon *d, const struct ov_out_event *e);
void ov_extras_close_some(struct ov_daemon *d, uint16_t first, uint16_t count);
/* Tell the engine what was opened. */
void ov_extras_run(struct ov_daemon *d);
/* The socket of this number, or NULL. */
struct ov_udp *ov_extras_udp(const struct ov_daemon *d, uint16_t number);
bool ov_extras_has_port(const struct ov_daemon *d, uint16_t port);
void ov_extras_close(struct ov_daemon *d);

#endif
