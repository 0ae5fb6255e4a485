/* api_call: one request to the local API on its way through its handler, and what handlers share.
 */
#ifndef OV_CLI_API_CALL_H
#define OV_CLI_API_CALL_H

#include "core/types.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OV_API_ARGS_MAX 2

struct ov_daemon;

struct ov_api_call {
    struct ov_daemon *d;
    bool owner;                        /* who calls may use /v1/controller */
    const char *args[OV_API_ARGS_MAX]; /* what stood where the path has '?' */
    const json_t *body;                /* an object, never NULL */
    unsigned status;                   /* of the answer */
    json_t *reply;                     /* owned; NULL: an empty answer */
};

/* `path` as "/v1/networks/?" with '?' for any one word. */
struct ov_api_route {
    const char *method, *path;
    void (*fn)(struct ov_api_call *c);
};
extern const struct ov_api_route OV_API_NODE[], OV_API_CONTROLLER[]; /* end with method NULL */

/* Takes over `reply`. */
void ov_api_reply(struct ov_api_call *c, unsigned status, json_t *reply);
/* `hint` may be NULL. */
__attribute__((format(printf, 5, 6))) void ov_api_error(struct ov_api_call *c, unsigned status,
                                                        const char *code, const char *hint,
                                                        const char *fmt, ...);
/* The answer for an enum ov_error, with a sentence that came with it. */
void ov_api_failed(struct ov_api_call *c, int err, const char *message, const char *hint);

/* Whom people mean: an address, an overlay IP, for the owner of a controller a member's name too.
 * 0: nobody; with *asked somebody may be known in a second. */
ov_addr ov_api_find_peer(const struct ov_api_call *c, const char *text, bool *asked);
/* Is it a member of a network whose controller runs here? False to all but the owner. */
bool ov_api_is_member(const struct ov_api_call *c, ov_addr addr);
/* /v1/doctor: api_doctor.c */
void ov_api_get_doctor(struct ov_api_call *c);

/* The body has no other keys than these (NULL-terminated); else the answer is 400 and this false.
 */
bool ov_api_keys(struct ov_api_call *c, const char *const *keys);
/* A text of the body; *out stays as it is when the key is missing. False: it is no text, answered
 * with 400. */
bool ov_api_text(struct ov_api_call *c, const char *key, const char **out);

#endif
