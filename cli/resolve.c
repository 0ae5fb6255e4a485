#include "resolve.h"

#include "transport/sockaddr.h"

#include <stdlib.h>
#include <string.h>

struct ov_resolve {
    uv_getaddrinfo_t req;
    ov_resolve_cb cb; /* NULL: cancelled */
    void *arg;
    uint16_t port;
};

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *res)
{
    struct ov_resolve *r = req->data;
    struct ov_endpoint eps[OV_RESOLVE_MAX];
    size_t n = 0;
    for (const struct addrinfo *a = res; a != NULL && n < OV_RESOLVE_MAX; a = a->ai_next) {
        if (!ov_sockaddr_to_endpoint(a->ai_addr, &eps[n]))
            continue;
        eps[n].port = r->port;
        n++;
    }
    uv_freeaddrinfo(res);
    ov_resolve_cb cb = r->cb;
    void *arg = r->arg;
    free(r);
    if (cb != NULL)
        cb(arg, eps, n, status < 0 ? uv_strerror(status) : n == 0 ? "it has no address" : NULL);
}

int ov_resolve_start(uv_loop_t *loop, const struct ov_host *host, ov_resolve_cb cb, void *arg,
                     struct ov_resolve **out)
{
    struct ov_endpoint ep = {.port = host->port};
    *out = NULL;
    if (ov_ip_parse(host->name, &ep.ip) == OV_OK) {
        cb(arg, &ep, 1, NULL);
        return OV_OK;
    }
    struct ov_resolve *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return OV_ENOMEM;
    r->req.data = r;
    r->cb = cb;
    r->arg = arg;
    r->port = host->port;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM};
    int err = uv_getaddrinfo(loop, &r->req, on_resolved, host->name, NULL, &hints);
    if (err != 0) {
        free(r);
        cb(arg, NULL, 0, uv_strerror(err));
        return OV_OK;
    }
    *out = r;
    return OV_OK;
}

void ov_resolve_cancel(struct ov_resolve *r)
{
    if (r == NULL)
        return;
    r->cb = NULL;
    uv_cancel((uv_req_t *)&r->req); /* one that runs already ends by itself, unheard */
}
