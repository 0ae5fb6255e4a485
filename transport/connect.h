/* connect: the client's side of HTTP CONNECT (RFC 9110, section 9.3.6): a proxy is asked for a
 * connection to a server, and after its answer the stream is the server's. No socket: text out,
 * bytes in. */
#ifndef OV_TRANSPORT_CONNECT_H
#define OV_TRANSPORT_CONNECT_H

#include "core/types.h"

#define OV_CONNECT_HOST    256
#define OV_CONNECT_SECRET  256
#define OV_CONNECT_REQUEST 1024
#define OV_CONNECT_ANSWER  8192 /* a longer one is no answer */
#define OV_CONNECT_WHY     128

struct ov_connect_proxy {
    char host[OV_CONNECT_HOST]; /* empty: none */
    uint16_t port;
    char secret[OV_CONNECT_SECRET]; /* "user:password", percent-decoded; empty: none. Never shown */
};
/* "http://[USER:PASSWORD@]HOST[:PORT][/]", as environments have it. "http://" may be missing; the
 * port is 80 unless it is given. OV_EINVAL, also for proxies that are spoken to by TLS or SOCKS. */
OV_CHECK int ov_connect_parse(const char *url, struct ov_connect_proxy *out);

/* The request for a connection to host:port, into `out`; its length. 0: it does not fit. */
size_t ov_connect_request(const struct ov_connect_proxy *p, const char *host, uint16_t port,
                          char out[OV_CONNECT_REQUEST]);

/* The answer as far as it came. Zeroed, nothing has come. */
struct ov_connect {
    size_t len;
    uint8_t tail[4]; /* the last bytes */
    size_t line;     /* bytes of the first line kept */
    bool line_done;
    char first[96];
};
/* Bytes of the answer: *used of them belong to it. OV_OK: it is complete and the proxy agreed: what
 * follows is the server's. OV_ETRUNC: more is needed. OV_EPERM: the proxy refused; OV_EINVAL: this
 * is no HTTP. `why` says it in words. */
OV_CHECK int ov_connect_feed(struct ov_connect *c, const uint8_t *data, size_t len, size_t *used,
                             char why[OV_CONNECT_WHY]);

#endif
