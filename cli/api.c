/* Theory of operation: libmicrohttpd keeps its descriptors in an epoll set of its own and runs in
 * our thread: the loop polls that set, and a timer follows MHD_get_timeout() for the connections'
 * time-outs. Sockets never block, so a silent client costs a place for at most
 * OV_API_TIMEOUT_S, and one that goes on a byte at a time for at most OV_API_REQUEST_S. Who may
 * have how many places is decided when they come (api_guests.h), so we accept connections
 * ourselves.
 *
 * A request is seen in pieces: its head (who is it, may it), its body, and
 * its end, where the route is looked up, the JSON is read and the handler answers at once. */
#include "api.h"

#include "api_call.h"
#include "api_door.h"
#include "api_guests.h"
#include "daemon.h"
#include "state.h"
#include "text.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CONNECTION_MEMORY (16 * 1024)
#define ACCEPT_MAX        16   /* in one turn of the loop */
#define STARVED_MS        1000 /* without descriptors or memory for who waits */
#define PATH_WORDS        6
#define PATH_TEXT         512

struct ov_api {
    struct ov_daemon *d;
    char path[OV_PATH_MAX];
    struct MHD_Daemon *http;
    struct ov_api_door door;
    bool starved;
    uv_poll_t poll, knock;
    uv_timer_t timer;
    unsigned open_handles;
    struct ov_api_guests guests;
    struct ov_api_guest *entering;
};

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
    json_t *more = hint != NULL ? json_string(hint) : NULL; /* the same: then there is none */
    ov_api_reply(
        c, status,
        json_pack("{s:{s:s,s:o,s:o*}}", "error", "code", code, "message", message, "hint", more));
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

static struct ov_api_guest *guest_of(struct MHD_Connection *conn)
{
    return MHD_get_connection_info(conn, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

static bool allowed(enum ov_api_access access, const char *method, const char *url)
{
    static const char OWNER[] = "/v1/controller";
    if (access == OV_API_ACCESS_ALL)
        return true;
    /* One spelling of each path, where route() takes several. */
    return access == OV_API_ACCESS_READ && strcmp(method, "GET") == 0 && url[0] == '/' &&
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
    struct ov_api_guest *g = guest_of(conn);
    if (++g->requests >= OV_API_REQUESTS_MAX && g->access != OV_API_ACCESS_ALL)
        MHD_add_response_header(r, "Connection", "close");
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
    if (!allowed(guest_of(conn)->access, method, url)) {
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

static void finish(const struct request *r, const char *url, const char *method,
                   struct ov_api_call *c)
{
    json_error_t error;
    json_t *body =
        r->len == 0 ? json_object() : json_loadb(r->body, r->len, JSON_REJECT_DUPLICATES, &error);
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
    struct ov_api_call c = {.d = a->d, .owner = guest_of(conn)->access == OV_API_ACCESS_ALL};
    (void)version;
    if (*state == NULL)
        return begin(a, conn, url, method, state);
    if (*size > 0) {
        take_body(*state, data, *size);
        *size = 0;
        return MHD_YES;
    }
    finish(*state, url, method, &c);
    return answer(conn, &c);
}

static void on_connection(void *cls, struct MHD_Connection *conn, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct ov_api *a = cls;
    (void)conn;
    if (what == MHD_CONNECTION_NOTIFY_STARTED)
        *context = a->entering;
    else
        ((struct ov_api_guest *)*context)->here = false;
}

/* Whoever sends a byte now and then is never silent, but must not keep others out for ever. */
static void end_overdue(struct ov_api *a)
{
    uint64_t now = uv_now(&a->d->loop);
    for (size_t i = 0; i < OV_API_GUESTS_MAX; i++)
        if (a->guests.v[i].here && now - a->guests.v[i].since > OV_API_REQUEST_S * 1000)
            shutdown(a->guests.v[i].fd, SHUT_RDWR);
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
    guest_of(conn)->since = uv_now(&a->d->loop);
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
    struct ov_api *a = t->data;
    a->starved = false;
    run(a);
}

static void on_poll(uv_poll_t *p, int status, int events)
{
    (void)status;
    (void)events;
    run(p->data);
}

static void on_knock(uv_poll_t *p, int status, int events);

/* Accept while there is room; nobody's connection is looked at before. */
static void listen_if_room(struct ov_api *a)
{
    if (ov_api_guests_room(&a->guests) && !a->starved)
        uv_poll_start(&a->knock, UV_READABLE, on_knock);
    else
        uv_poll_stop(&a->knock);
}

static void run(struct ov_api *a)
{
    MHD_UNSIGNED_LONG_LONG ms = 0;
    end_overdue(a);
    MHD_run(a->http);
    listen_if_room(a);
    bool timed = MHD_get_timeout(a->http, &ms) == MHD_YES;
    if (a->starved && (!timed || ms > STARVED_MS))
        ms = STARVED_MS;
    if (timed || a->starved)
        uv_timer_start(&a->timer, on_timer, ms, 0);
    else
        uv_timer_stop(&a->timer);
}

static void let_in(struct ov_api *a, int fd, const struct ov_api_caller *who)
{
    const struct sockaddr_un sa = {.sun_family = AF_UNIX};
    struct ov_api_guest *out;
    a->entering = ov_api_guests_enter(&a->guests, who, fd, uv_now(&a->d->loop), &out);
    if (out != NULL)
        shutdown(out->fd, SHUT_RDWR);
    if (MHD_add_connection(a->http, fd, (const struct sockaddr *)&sa, sizeof(sa)) != MHD_YES)
        a->entering->here = false; /* it is closed */
}

static void on_knock(uv_poll_t *p, int status, int events)
{
    struct ov_api *a = p->data;
    struct ov_api_caller who;
    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPT_MAX && ov_api_guests_room(&a->guests); i++) {
        int fd = ov_api_door_accept(&a->door, &who);
        if (fd < 0) {
            a->starved = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
            break;
        }
        let_in(a, fd, &who);
    }
    run(a);
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
    const char *dir = ov_state_dir(d->state);
    int err = ov_path_join(a->path, dir, "ovpn.sock", why);
    if (err == OV_OK)
        err = ov_api_door_open(&a->door, a->path, dir, &d->log, why);
    if (err == OV_OK) {
        a->http = MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL,
                                   on_request, a, MHD_OPTION_CONNECTION_LIMIT,
                                   (unsigned)OV_API_GUESTS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
                                   (unsigned)OV_API_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                                   (size_t)CONNECTION_MEMORY, MHD_OPTION_NOTIFY_COMPLETED,
                                   on_completed, a, MHD_OPTION_NOTIFY_CONNECTION, on_connection, a,
                                   MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL, MHD_OPTION_END);
        if (a->http == NULL) {
            snprintf(why, OV_WHY_MAX, "the local API cannot start");
            close(a->door.fd);
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
    uv_poll_init(&d->loop, &a->knock, a->door.fd);
    a->timer.data = a->poll.data = a->knock.data = a;
    a->open_handles = 3;
    uv_poll_start(&a->poll, UV_READABLE, on_poll);
    listen_if_room(a);
    *out = a;
    return OV_OK;
}

void ov_api_close(struct ov_api *a)
{
    if (a == NULL)
        return;
    uv_poll_stop(&a->poll); /* before their descriptors go */
    uv_poll_stop(&a->knock);
    uv_close((uv_handle_t *)&a->poll, on_closed);
    uv_close((uv_handle_t *)&a->knock, on_closed);
    uv_close((uv_handle_t *)&a->timer, on_closed);
    MHD_stop_daemon(a->http);
    close(a->door.fd);
    unlink(a->path);
}
