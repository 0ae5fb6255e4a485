/* extra: temporary sockets that the edge opens on demand.
 *
 * Who wants some is an *owner*, which is called once all that it asked for are there (or could not
 * be opened). A socket that won a path is kept for a peer; the others go back when the owner
 * releases them. At most OV_EXTRA_MAX at once, at most OV_EXTRA_KEPT_MAX of them kept. */
#ifndef OV_CORE_EXTRA_H
#define OV_CORE_EXTRA_H

#include "local.h"

struct ov_engine;

#define OV_EXTRA_KEPT_MAX 64

struct ov_extra_owner {
    void (*ready)(void *arg);
    void *arg;
    unsigned pending; /* asked for and not answered */
};

struct ov_extras {
    struct ov_extra {
        struct ov_extra_owner *owner; /* NULL: free, or kept */
        ov_addr kept;                 /* for this peer; 0: not kept */
        uint64_t request;
        uint16_t port; /* 0: not open */
    } v[OV_EXTRA_MAX];
    uint64_t requests; /* so far */
    unsigned kept;
};

static inline bool ov_extra_is(uint16_t socket)
{
    return socket >= OV_SOCKET_EXTRA && socket < OV_SOCKET_EXTRA + OV_EXTRA_MAX;
}

/* Ask the edge for `count` sockets. OV_EFULL: there are not so many. */
OV_CHECK int ov_extra_take(struct ov_engine *e, struct ov_extra_owner *o, size_t count);
size_t ov_extra_free(const struct ov_engine *e); /* how many could be taken */
/* The edge's answer: `ports[i]` is that of socket `first` + i, 0 where it could not be opened. */
void ov_extra_opened(struct ov_engine *e, uint64_t request, uint16_t first, const uint16_t *ports,
                     size_t count);
/* Those of `o` that are open, in order of their numbers. */
size_t ov_extra_list(const struct ov_engine *e, const struct ov_extra_owner *o, uint16_t *out,
                     size_t cap);
bool ov_extra_of(const struct ov_engine *e, const struct ov_extra_owner *o, uint16_t socket);
uint16_t ov_extra_port(const struct ov_engine *e, uint16_t socket);
/* It carries traffic to `peer` now. False: too many do; it stays the owner's. */
bool ov_extra_keep(struct ov_engine *e, uint16_t socket, ov_addr peer);
void ov_extra_drop(struct ov_engine *e, uint16_t socket); /* a kept one: close it */
/* Close all that `o` still owns. */
void ov_extra_release(struct ov_engine *e, struct ov_extra_owner *o);

#endif
