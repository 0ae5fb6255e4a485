/* client: one request at a time to the daemon's local API (docs/api.md), over its Unix socket.
 *
 * Failures are reported here, once, in words (on stderr) and with --json also as the API's error
 * object (on stdout); callers only pass the exit code on. */
#ifndef OV_CLI_CLIENT_H
#define OV_CLI_CLIENT_H

#include "options.h"

#include <jansson.h>
#include <stdio.h>

struct ov_client;

/* OV_EXIT_OK, or the exit code. The command line must outlive the client. */
int ov_client_open(const struct ov_command_line *line, struct ov_client **out);
void ov_client_close(struct ov_client *c); /* NULL is fine */

/* Report nothing from now on, and wait no longer than that for each answer. */
void ov_client_quiet(struct ov_client *c, unsigned timeout_s);
/* Whether to report nothing, for a while; returns how it was. */
bool ov_client_hush(struct ov_client *c, bool quiet);
/* The code of the last failure ("no_daemon", "forbidden", "timeout"...); "": there was none. */
const char *ov_client_failure(const struct ov_client *c);
/* Report it after all. */
void ov_client_blame(const struct ov_client *c);

/* A request path from its pieces, which are escaped; a NULL among them ends it early. free() it. */
#define ov_client_path(...) ov_client_path_of((const char *const[]){__VA_ARGS__, NULL})
char *ov_client_path_of(const char *const *pieces);

/* `path` and `body` (NULL: none) are taken over. *out (NULL: not wanted) is the reply's JSON, an
 * empty object if it has none; `status` (may be NULL) gets the HTTP status. OV_EXIT_OK for 2xx. */
int ov_client_call(struct ov_client *c, const char *method, char *path, json_t *body, json_t **out,
                   long *status);
/* As call with GET. */
int ov_client_get(struct ov_client *c, char *path, json_t **out);

/* A network that this node joined, by netid or name, as JSON. Says which there are if it is none.
 */
int ov_client_network(struct ov_client *c, const char *which, json_t **out);

/* Say that something failed, on stderr: "ovpn: message", then the hint (NULL: none) indented. */
void ov_complain(const char *message, const char *hint);

/* The same of a command that does not ask the API; with --json also as the API words errors.
 * Returns OV_EXIT_FAILED. */
int ov_failed(const struct ov_command_line *line, const char *message, const char *hint);

/* Warn of those of a list, peers or members, that are alive on two computers. */
void ov_json_warn_twice(const json_t *list);

/* Print for programs. */
void ov_json_print(const json_t *json);

/* Members of an object, with a value for when they are missing, null or of another type; a text
 * also when it is empty. */
const char *ov_json_text(const json_t *object, const char *key, const char *otherwise);
double ov_json_number(const json_t *object, const char *key, double otherwise);
bool ov_json_flag(const json_t *object, const char *key);
/* The texts of an array, or of a member of its objects, joined: "a, b". "" if none. free() it. */
char *ov_json_join(const json_t *array, const char *member, const char *separator);
/* What the "link" of an object says: " by TLS", " by TCP", " by TLS through the proxy HOST:PORT";
 * "" if there is none. free() it. */
char *ov_json_link(const json_t *object);

#endif
