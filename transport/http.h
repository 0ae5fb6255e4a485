/* http: one HTTP exchange with a device on the LAN that is not trusted: what it may send and how
 * long it may take are bounded, and it can be cancelled at any time. */
#ifndef OV_TRANSPORT_HTTP_H
#define OV_TRANSPORT_HTTP_H

#include "core/bytes.h"

#include <uv.h>

#define OV_HTTP_ANSWER_MAX 65536
#define OV_HTTP_PATIENCE   3000 /* ms for all of it */

struct ov_http_answer {
    unsigned status; /* 200 */
    const char *body;
    size_t len;
};
/* Look at what has come so far; `eof` when no more will. 1: complete, *out points into `data`, in
 * which a chunked body was joined; 0: not yet; OV_EINVAL. */
OV_CHECK int ov_http_parse(char *data, size_t len, bool eof, struct ov_http_answer *out);

/* The value of a field of a header, without the blanks around it; p is NULL when it is not there.
 */
struct ov_slice ov_http_field(const char *head, size_t len, const char *name);

struct ov_http;
/* `answer` is NULL when there is none: `why` then tells. Not from within ov_http_start. */
typedef void (*ov_http_cb)(void *arg, const struct ov_http_answer *answer, const char *why);
/* Connect to `server` (IPv4), send `request` (copied) and await the answer. OV_ENOMEM, OV_EIO. */
OV_CHECK int ov_http_start(uv_loop_t *loop, const struct ov_endpoint *server, const char *request,
                           size_t len, ov_http_cb cb, void *arg, struct ov_http **out);
/* No callback comes any more. After the callback it must not be called. NULL is nothing. */
void ov_http_cancel(struct ov_http *h);

#endif
