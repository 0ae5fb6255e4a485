/* resolve: turns a host name into UDP endpoints without blocking the loop. */
#ifndef OV_CLI_RESOLVE_H
#define OV_CLI_RESOLVE_H

#include "core/credential.h"
#include "core/invite.h"

#include <uv.h>

#define OV_RESOLVE_MAX 16 /* of more, it is chance which ones come */

struct ov_resolve;
/* `n` 0: it failed, and `error` says why in words. */
typedef void (*ov_resolve_cb)(void *arg, const struct ov_endpoint *eps, size_t n,
                              const char *error);

/* Numeric addresses are answered at once, before this returns, and *out is then NULL. The call back
 * comes exactly once, unless it is cancelled first. OV_ENOMEM. */
OV_CHECK int ov_resolve_start(uv_loop_t *loop, const struct ov_host *host, ov_resolve_cb cb,
                              void *arg, struct ov_resolve **out);
void ov_resolve_cancel(struct ov_resolve *r); /* NULL is fine; the call back will not come */

#endif
