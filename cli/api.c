/* Theory of operation: libmicrohttpd keeps its descriptors in an epoll set of its own and runs in
 * our thread: the loop polls that set, and a timer follows MHD_get_timeout() for the connections'
 * time-outs. Sockets never block, so a silent client costs a connection slot for at most
 * OV_API_TIMEOUT_S, and one that goes on a byte at a time for at most OV_API_REQUEST_S.
 *
 * A request is seen in pieces: its head (who is it, may it), its body, and
 * its end, where the route is looked up, the JSON is read and the handler answers at once. */
#include "api.h"

#include "api_call.h"
#include "daemon.h"
#include "state.h"
#include "text.h"

#include <errno.h>
#include <grp.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECTION_MEMORY (16 * 1024)
#define BACKLOG           128 /* a client beyond it is refused at once */
#define GROUP             "ovpn"
#define GROUPS_MAX        256
#define PATH_WORDS        6
#define PATH_TEXT         512

/* A connection; it has until since + OV_API_REQUEST_S to be through with a request. */
struct slot {
    struct MHD_Connection *conn; /* NULL: free */
    int fd;
    uint64_t since; /* it began, or was last answered; uv_now() */
};

struct ov_api {
    struct ov_daemon *d;
    char path[OV_PATH_MAX];
    struct MHD_Daemon *http;
    bool has_group;
    gid_t group;
    uv_poll_t poll;
    uv_timer_t timer;
    unsigned open_handles;
    struct slot slots[OV_API_CONNECTIONS_MAX];
};

/* What may be done on a connection. */
enum access { ACCESS_NONE, ACCESS_READ, ACCESS_ALL };

struct request {
    size_t len, cap;
    bool too_large;
    char *body;
};

/* ---- answers ---- */

void ov_api_reply(struct ov_api_call *c, unsigned status, json_t *reply)
{
    json_decref(c->reply);
    c->status = status;
    c->reply = reply;
}

void ov_api_error(struct ov_api_call *c, unsigned status, const char *code, const char *hint,
                  const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    json_t *message = json_string(text);
    if (message == NULL) /* the request's own words were no UTF-8 */
        message = json_string("the request is not understood");
    ov_api_reply(
        c, status,
        json_pack("{s:{s:s,s:o,s:s*}}", "error", "code", code, "message", message, "hint", hint));
}

void ov_api_failed(struct ov_api_call *c, int err, const char *message, const char *hint)
{
    static const struct {
        int err;
        unsigned status;
        const char *code;
    } MAP[] = {
        {OV_EINVAL, 400, "bad_request"},   {OV_ETRUNC, 400, "bad_request"},
        {OV_EAUTH, 400, "bad_request"},    {OV_EPERM, 403, "forbidden"},
        {OV_ENOENT, 404, "not_found"},     {OV_EEXIST, 409, "conflict"},
        {OV_ESTATE, 409, "conflict"},      {OV_EFULL, 429, "limit"},
        {OV_ELIMIT, 429, "limit"},         {OV_EIO, 507, "storage"},
        {OV_EVERSION, 400, "bad_request"},
    };
    for (size_t i = 0; i < sizeof(MAP) / sizeof(MAP[0]); i++) {
        if (MAP[i].err == err) {
            ov_api_error(c, MAP[i].status, MAP[i].code, hint, "%s", message);
            return;
        }
    }
    ov_api_error(c, 500, "failed", hint, "%s", message);
}

bool ov_api_keys(struct ov_api_call *c, const char *const *keys)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)c->body, key, value)
    {
        size_t i = 0;
        while (keys[i] != NULL && strcmp(keys[i], key) != 0)
            i++;
        if (keys[i] == NULL) {
            ov_api_error(c, 400, "bad_request", NULL, "unknown key \"%.64s\"", key);
            return false;
        }
    }
    return true;
}

bool ov_api_text(struct ov_api_call *c, const char *key, const char **out)
{
    const json_t *v = json_object_get(c->body, key);
    if (v == NULL || json_is_null(v))
        return true;
    if (!json_is_string(v)) {
        ov_api_error(c, 400, "bad_request", NULL, "\"%s\" must be text", key);
        return false;
    }
    *out = json_string_value(v);
    return true;
}

/* ---- routes ---- */

/* Does `path` (split into words) fit the pattern? Fills the call's arguments. */
static bool fits(const char *pattern, char *const *words, size_t nwords, struct ov_api_call *c)
{
    size_t w = 0, nargs = 0;
    for (const char *p = pattern; *p == '/'; w++) {
        size_t len = strcspn(++p, "/");
        if (w == nwords)
            return false;
        if (len == 1 && *p == '?')
            c->args[nargs++] = words[w];
        else if (strlen(words[w]) != len || strncmp(words[w], p, len) != 0)
            return false;
        p += len;
    }
    return w == nwords;
}

static void route(struct ov_api_call *c, const char *method, const char *url)
{
    char path[PATH_TEXT], *words[PATH_WORDS], *save = NULL;
    size_t n = 0;
    bool found = false;
    if (snprintf(path, sizeof(path), "%s", url) < (int)sizeof(path))
        for (char *w = strtok_r(path, "/", &save); w != NULL && n <= PATH_WORDS;
             w = strtok_r(NULL, "/", &save), n++)
            if (n < PATH_WORDS)
                words[n] = w;
    const struct ov_api_route *const tables[] = {OV_API_NODE, OV_API_CONTROLLER};
    for (size_t t = 0; t < 2 && n <= PATH_WORDS; t++) {
        for (const struct ov_api_route *r = tables[t]; r->method != NULL; r++) {
            if (!fits(r->path, words, n, c))
                continue;
            found = true;
            if (strcmp(r->method, method) != 0)
                continue;
            if (t == 1 && c->d->owner == NULL)
                ov_api_error(c, 501, "not_enabled",
                             "type it where the network was made; to make one here, put "
                             "\"enabled = yes\" under [controller] in ovpn.conf and restart",
                             "this daemon is no controller");
            else
                r->fn(c);
            return;
        }
    }
    if (found)
        ov_api_error(c, 405, "method_not_allowed", NULL, "%.10s cannot be done with %.100s", method,
                     url);
    else
        ov_api_error(c, 404, "not_found", NULL, "there is nothing at %.100s", url);
}

/* ---- who calls ---- */

static bool in_group(int fd, gid_t primary, gid_t group)
{
    gid_t groups[GROUPS_MAX];
    socklen_t len = sizeof(groups);
    if (primary == group)
        return true;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) != 0)
        return false;
    for (size_t i = 0; i < len / sizeof(groups[0]); i++)
        if (groups[i] == group)
            return true;
    return false;
}

static enum access access_of(const struct ov_api *a, struct MHD_Connection *conn)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct ucred who;
    socklen_t len = sizeof(who);
    if (info == NULL || getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &who, &len) != 0)
        return ACCESS_NONE;
    if (who.uid == 0 || who.uid == geteuid())
        return ACCESS_ALL;
    return a->has_group && in_group(info->connect_fd, who.gid, a->group) ? ACCESS_READ
                                                                         : ACCESS_NONE;
}

static bool allowed(enum access access, const char *method, const char *url)
{
    static const char OWNER[] = "/v1/controller";
    if (access == ACCESS_ALL)
        return true;
    /* One spelling of each path, where route() takes several. */
    return access == ACCESS_READ && strcmp(method, "GET") == 0 && url[0] == '/' &&
           strstr(url, "//") == NULL && strncmp(url, OWNER, sizeof(OWNER) - 1) != 0;
}

/* ---- libmicrohttpd ---- */

static enum MHD_Result answer(struct MHD_Connection *conn, struct ov_api_call *c)
{
    const size_t flags = JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(OV_JSON_DIGITS);
    char *text = c->reply != NULL ? json_dumps(c->reply, flags) : NULL;
    if (c->status != 204 && text == NULL) { /* out of memory, or a bug: never a broken answer */
        c->status = 500;
        text = strdup("{\"error\":{\"code\":\"failed\",\"message\":\"out of memory\"}}");
    }
    struct MHD_Response *r = MHD_create_response_from_buffer(text != NULL ? strlen(text) : 0, text,
                                                             text != NULL ? MHD_RESPMEM_MUST_FREE
                                                                          : MHD_RESPMEM_PERSISTENT);
    json_decref(c->reply);
    c->reply = NULL;
    if (r == NULL) {
        free(text);
        return MHD_NO;
    }
    if (text != NULL)
        MHD_add_response_header(r, "Content-Type", "application/json");
    enum MHD_Result ok = MHD_queue_response(conn, c->status, r);
    MHD_destroy_response(r);
    return ok;
}

static void too_large(struct ov_api_call *c)
{
    ov_api_error(c, 413, "too_large", NULL, "the body is larger than %d bytes", OV_API_BODY_MAX);
}

/* The head of a request: MHD lets an answer be given here, before any body. */
static enum MHD_Result begin(struct ov_api *a, struct MHD_Connection *conn, const char *url,
                             const char *method, void **state)
{
    struct ov_api_call c = {.d = a->d};
    if (!allowed(access_of(a, conn), method, url)) {
        ov_api_error(&c, 403, "forbidden", "run it as root (sudo)",
                     "you may not do this with the daemon");
        return answer(conn, &c);
    }
    *state = calloc(1, sizeof(struct request));
    return *state != NULL ? MHD_YES : MHD_NO;
}

/* Too much is read to its end and forgotten: an answer before that would meet a client that is
 * still writing, and get lost. */
static void take_body(struct request *r, const char *data, size_t len)
{
    if (r->too_large || len > OV_API_BODY_MAX - r->len) {
        r->too_large = true;
        return;
    }
    if (r->len + len > r->cap) {
        size_t cap = r->cap == 0 ? 1024 : r->cap;
        while (cap < r->len + len)
            cap *= 2;
        char *grown = realloc(r->body, cap);
        if (grown == NULL) {
            r->too_large = true;
            return;
        }
        r->body = grown;
        r->cap = cap;
    }
    memcpy(r->body + r->len, data, len);
    r->len += len;
}

static void finish(struct ov_api *a, const struct request *r, const char *url, const char *method,
                   struct ov_api_call *c)
{
    json_error_t error;
    json_t *body =
        r->len == 0 ? json_object() : json_loadb(r->body, r->len, JSON_REJECT_DUPLICATES, &error);
    c->d = a->d;
    if (r->too_large)
        too_large(c);
    else if (r->len > 0 && (strcmp(method, "GET") == 0 || strcmp(method, "DELETE") == 0))
        ov_api_error(c, 400, "bad_request", NULL, "%.10s takes no body", method);
    else if (body == NULL)
        ov_api_error(c, 400, "bad_request", NULL, "the body is no JSON: %s (line %d)",
                     r->len > 0 ? error.text : "out of memory", r->len > 0 ? error.line : 0);
    else if (!json_is_object(body))
        ov_api_error(c, 400, "bad_request", NULL, "the body must be a JSON object");
    else {
        c->body = body;
        route(c, method, url);
        c->body = NULL;
    }
    json_decref(body);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *conn, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **state)
{
    struct ov_api *a = cls;
    struct ov_api_call c = {0};
    (void)version;
    if (*state == NULL)
        return begin(a, conn, url, method, state);
    if (*size > 0) {
        take_body(*state, data, *size);
        *size = 0;
        return MHD_YES;
    }
    finish(a, *state, url, method, &c);
    return answer(conn, &c);
}

static void on_connection(void *cls, struct MHD_Connection *conn, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct ov_api *a = cls;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD);
    bool begins = what == MHD_CONNECTION_NOTIFY_STARTED;
    (void)context;
    for (size_t i = 0; i < OV_API_CONNECTIONS_MAX; i++) {
        struct slot *s = &a->slots[i];
        if (s->conn != (begins ? NULL : conn))
            continue;
        s->conn = begins ? conn : NULL;
        s->fd = info->connect_fd;
        s->since = uv_now(&a->d->loop);
        return;
    }
}

/* Whoever sends a byte now and then is never silent, but must not keep others out for ever. */
static void end_overdue(struct ov_api *a)
{
    uint64_t now = uv_now(&a->d->loop);
    for (size_t i = 0; i < OV_API_CONNECTIONS_MAX; i++)
        if (a->slots[i].conn != NULL && now - a->slots[i].since > OV_API_REQUEST_S * 1000)
            shutdown(a->slots[i].fd, SHUT_RDWR);
}

/* A path is text to us: one with a zero byte would be read as another, shorter one. */
static size_t unescape(void *cls, struct MHD_Connection *conn, char *text)
{
    size_t len = MHD_http_unescape(text);
    (void)cls;
    (void)conn;
    if (strlen(text) != len)
        text[len = 0] = '\0';
    return len;
}

static void on_completed(void *cls, struct MHD_Connection *conn, void **state,
                         enum MHD_RequestTerminationCode why)
{
    struct request *r = *state;
    struct ov_api *a = cls;
    (void)why;
    for (size_t i = 0; i < OV_API_CONNECTIONS_MAX; i++)
        if (a->slots[i].conn == conn)
            a->slots[i].since = uv_now(&a->d->loop);
    if (r == NULL)
        return;
    if (r->body != NULL)
        ov_wipe(r->body, r->cap); /* invites pass here */
    free(r->body);
    free(r);
    *state = NULL;
}

/* ---- the loop ---- */

static void run(struct ov_api *a);

static void on_timer(uv_timer_t *t)
{
    run(t->data);
}

static void on_poll(uv_poll_t *p, int status, int events)
{
    (void)status;
    (void)events;
    run(p->data);
}

static bool full(const struct ov_api *a)
{
    const union MHD_DaemonInfo *i =
        MHD_get_daemon_info(a->http, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
    return i->num_connections >= OV_API_CONNECTIONS_MAX;
}

/* At its limit libmicrohttpd stops listening, and only begins again in the run after one that made
 * room. */
static void run(struct ov_api *a)
{
    MHD_UNSIGNED_LONG_LONG ms = 0;
    bool was_full = full(a);
    end_overdue(a);
    MHD_run(a->http);
    if (was_full && !full(a))
        MHD_run(a->http);
    if (MHD_get_timeout(a->http, &ms) == MHD_YES)
        uv_timer_start(&a->timer, on_timer, ms, 0);
    else
        uv_timer_stop(&a->timer);
}

/* Let the group in, as far as the socket: the directory's secrets are 0600. */
static void open_to_group(struct ov_api *a)
{
    const struct group *g = getgrnam(GROUP);
    if (g == NULL)
        return;
    a->group = g->gr_gid;
    a->has_group = chown(a->path, (uid_t)-1, a->group) == 0 && chmod(a->path, 0660) == 0 &&
                   chown(ov_state_dir(a->d->state), (uid_t)-1, a->group) == 0 &&
                   chmod(ov_state_dir(a->d->state), 0710) == 0;
    if (!a->has_group)
        ov_log(&a->d->log, OV_LOG_WARN, "the group " GROUP " cannot be let in: %s",
               strerror(errno));
}

/* The lock on the state directory is ours, so a socket that is there already is a dead one. */
static int listen_on(struct ov_api *a, char why[OV_WHY_MAX])
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    if (strlen(a->path) >= sizeof(sa.sun_path)) {
        snprintf(why, OV_WHY_MAX, "%.120s is too long for a socket: choose a shorter directory",
                 a->path);
        return -1;
    }
    memcpy(sa.sun_path, a->path, strlen(a->path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    mode_t old = umask(0177);
    if (fd < 0 || (unlink(a->path) != 0 && errno != ENOENT) ||
        bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) != 0 || listen(fd, BACKLOG) != 0) {
        snprintf(why, OV_WHY_MAX, "cannot listen on %.120s: %s", a->path, strerror(errno));
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    umask(old);
    return fd;
}

static void on_closed(uv_handle_t *h)
{
    struct ov_api *a = h->data;
    if (--a->open_handles == 0)
        free(a);
}

int ov_api_open(struct ov_daemon *d, struct ov_api **out, char why[OV_WHY_MAX])
{
    struct ov_api *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return OV_ENOMEM;
    a->d = d;
    int fd = -1, err = ov_path_join(a->path, ov_state_dir(d->state), "ovpn.sock", why);
    if (err == OV_OK && (fd = listen_on(a, why)) < 0)
        err = OV_EIO;
    if (err == OV_OK) {
        open_to_group(a);
        a->http = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, a,
                                   MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
                                   (unsigned)OV_API_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
                                   (unsigned)OV_API_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                                   (size_t)CONNECTION_MEMORY, MHD_OPTION_NOTIFY_COMPLETED,
                                   on_completed, a, MHD_OPTION_NOTIFY_CONNECTION, on_connection, a,
                                   MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL, MHD_OPTION_END);
        if (a->http == NULL) {
            snprintf(why, OV_WHY_MAX, "the local API cannot start");
            close(fd);
            err = OV_EIO;
        }
    }
    if (err != OV_OK) {
        free(a);
        return err;
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(a->http, MHD_DAEMON_INFO_EPOLL_FD);
    uv_timer_init(&d->loop, &a->timer);
    uv_poll_init(&d->loop, &a->poll, info->epoll_fd);
    a->timer.data = a->poll.data = a;
    a->open_handles = 2;
    uv_poll_start(&a->poll, UV_READABLE, on_poll);
    *out = a;
    return OV_OK;
}

void ov_api_close(struct ov_api *a)
{
    if (a == NULL)
        return;
    uv_poll_stop(&a->poll); /* before its descriptor goes */
    uv_close((uv_handle_t *)&a->poll, on_closed);
    uv_close((uv_handle_t *)&a->timer, on_closed);
    MHD_stop_daemon(a->http);
    unlink(a->path);
}
