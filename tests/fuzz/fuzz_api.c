/* The local API: requests as any local program may write them, to the rooms of a daemon that is a
 * controller and has no network, over the real HTTP server. The first byte says which request it is
 * (the path's variable words and the body follow, each on a line of its own), or that all bytes are
 * the input's. Whatever is asked, there is one answer of HTTP, with JSON, and none of 5xx; and the
 * daemon goes on. What an input made is undone after it. */
#include "cli/api.h"
#include "cli/daemon.h"
#include "cli/hosts.h"
#include "cli/links.h"
#include "cli/networks.h"
#include "cli/owner.h"
#include "cli/persist.h"
#include "cli/state.h"
#include "cli/uplink.h"

#include "tests/unit/edge.h"
#include "tests/unit/tempdir.h"

#include <errno.h>
#include <jansson.h>
#include <sys/un.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define TURNS_MAX  2000
#define ANSWER_MAX (1 << 20)
#define NETS       "/v1/controller/networks"

static const char *const REQUESTS[] = {
    "GET /v1/status",
    "GET /v1/networks",
    "POST /v1/networks",
    "GET /v1/networks/?",
    "DELETE /v1/networks/?",
    "GET /v1/peers",
    "GET /v1/peers/?",
    "POST /v1/pings",
    "GET /v1/pings/?",
    "GET /v1/doctor",
    "GET /v1/doctor/?",
    "GET " NETS,
    "POST " NETS,
    "GET " NETS "/?",
    "PATCH " NETS "/?",
    "DELETE " NETS "/?",
    "GET " NETS "/?/members",
    "GET " NETS "/?/members/?",
    "PATCH " NETS "/?/members/?",
    "DELETE " NETS "/?/members/?",
    "GET " NETS "/?/invites",
    "POST " NETS "/?/invites",
    "DELETE " NETS "/?/invites",
    "DELETE " NETS "/?/invites/?",
    "? ?",
};
#define NREQUESTS (sizeof(REQUESTS) / sizeof(REQUESTS[0]))

static struct ov_settings settings;
static struct ov_daemon *d;
static char dir[TEMPDIR_MAX];

/* ---- the daemon ---- */

static void clean_up(void)
{
    tempdir_remove(dir);
}

static void fill(void *arg, void *buf, size_t len)
{
    static uint64_t x = 1;
    uint8_t *p = buf;

    (void)arg;
    for (size_t i = 0; i < len; i++) {
        x = x * 6364136223846793005ull + 1442695040888963407ull;
        p[i] = (uint8_t)(x >> 56);
    }
}

static void must(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "api: %s\n", what);
    abort();
}

static void open_rooms(const struct ov_identity_secret *id)
{
    char why[OV_WHY_MAX] = "";

    must(ov_state_open(settings.state_dir, &d->log, &d->state, why) == OV_OK &&
             ov_persist_open(&d->loop, d->state, &d->log, &d->persist) == OV_OK &&
             ov_uplink_open(d, &d->uplink) == OV_OK && ov_networks_open(d, &d->networks) == OV_OK &&
             ov_hosts_open(d, &d->hosts) == OV_OK && ov_links_open(d, id, &d->links) == OV_OK &&
             ov_owner_open(d, id, &d->owner, why) == OV_OK && ov_api_open(d, &d->api, why) == OV_OK,
         why);
}

static void start(void)
{
    static const struct ov_pow pow = {8, 0};
    struct ov_identity_secret id;
    uint8_t seed[32] = {7};
    struct ov_node_config cfg = {.identity = &id,
                                 .caps = OV_CAP_CONTROLLER,
                                 .pow = pow,
                                 .random = {.fill = fill},
                                 .out_bytes = 65536};

    d = calloc(1, sizeof *d);
    must(d != NULL && edge_netns(), "no network namespace: run it as root");
    tempdir_make(dir);
    must(atexit(clean_up) == 0 && ov_crypto_init() == OV_OK, dir);
    ov_config_defaults(&settings);
    snprintf(settings.state_dir, sizeof settings.state_dir, "%s", dir);
    settings.controller = true;
    snprintf(settings.database, sizeof settings.database, ":memory:");
    d->settings = &settings;
    d->started = ov_daemon_now(d);
    uv_loop_init(&d->loop);
    uv_timer_init(&d->loop, &d->timer);
    d->timer.data = d;
    must(ov_identity_make(seed, &pow, NULL, NULL, &id) == OV_OK &&
             ov_node_new(&cfg, ov_daemon_now(d), ov_daemon_wall(), &d->node) == OV_OK,
         "no engine");
    open_rooms(&id);
}

/* Nothing is left of what was made. */
static int keep_id(void *arg, const struct ov_net_record *n)
{
    *(ov_netid *)arg = n->netid;
    return OV_ENOENT; /* one is enough for now */
}

static void undo(void)
{
    struct ov_controller *c = ov_owner_controller(d->owner);
    struct ov_store *s = ov_owner_store(d->owner);
    ov_netid nets[OV_NETWORKS_MAX], net;
    char error[256], which[OV_NETID_TEXT];

    while (s->ops->net_each(s, keep_id, &net) == OV_ENOENT)
        must(ov_controller_net_delete(c, ov_netid_format(net, which), ov_daemon_wall(), error) ==
                 OV_OK,
             error);
    size_t n = ov_node_networks(d->node, nets, OV_NETWORKS_MAX);
    for (size_t i = 0; i < n; i++) {
        must(ov_node_leave(d->node, nets[i], ov_daemon_now(d)) == OV_OK, "cannot leave");
        ov_daemon_drain(d);
        ov_hosts_drop(d->hosts, nets[i]);
        ov_state_drop_hosts(d->state, nets[i]);
    }
}

/* ---- requests ---- */

struct text {
    char p[3 * 4096];
    size_t len;
};

static void add(struct text *t, const void *p, size_t len)
{
    if (len > sizeof(t->p) - t->len)
        len = sizeof(t->p) - t->len;
    memcpy(t->p + t->len, p, len);
    t->len += len;
}

/* A line of the input, without its end. */
static const uint8_t *line(const uint8_t **p, size_t *left, size_t *len)
{
    const uint8_t *begin = *p, *end = memchr(begin, '\n', *left);

    *len = end ? (size_t)(end - begin) : *left;
    size_t used = *len + (end ? 1 : 0);
    *p += used;
    *left -= used;
    return begin;
}

static void compose(struct text *t, const char *pattern, const uint8_t *p, size_t left)
{
    char head[128];
    size_t len;

    for (; *pattern; pattern++) {
        if (*pattern == '?') {
            const uint8_t *word = line(&p, &left, &len);
            add(t, word, len);
        } else {
            add(t, pattern, 1);
        }
    }
    snprintf(head, sizeof head,
             " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n", left);
    add(t, head, strlen(head));
    add(t, p, left);
}

/* One status line, and after the headers JSON or nothing. `ours`: the request was well-formed HTTP.
 */
static void judge(char *answer, size_t len, bool ours)
{
    const char *body;
    int status;

    answer[len] = '\0';
    if (len == 0 && !ours)
        return; /* libmicrohttpd hangs up on what is no HTTP at all */
    must(sscanf(answer, "HTTP/1.%*d %d ", &status) == 1, "no HTTP answer");
    must(status < 500 || status == 501 || status == 505, answer);
    body = strstr(answer, "\r\n\r\n");
    must(body != NULL, "no end of headers");
    if (strstr(answer, "application/json") == NULL || body[4] == '\0')
        return;
    json_t *j = json_loads(body + 4, ours ? 0 : JSON_DISABLE_EOF_CHECK, NULL);
    must(j != NULL, "no JSON");
    json_decref(j);
}

static int dial(void)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    snprintf(sa.sun_path, sizeof sa.sun_path, "%s/ovpn.sock", dir);
    must(fd >= 0 && connect(fd, (const struct sockaddr *)&sa, sizeof sa) == 0, "cannot connect");
    return fd;
}

/* The whole request at once, then no more; turn the loop until the answer has ended. */
static void ask(const struct text *t, bool ours)
{
    static char answer[ANSWER_MAX];
    size_t sent = 0, len = 0;
    int fd = dial();

    for (int turn = 0; turn < TURNS_MAX; turn++) {
        if (sent < t->len) {
            ssize_t n = send(fd, t->p + sent, t->len - sent, MSG_NOSIGNAL);
            sent += n > 0 ? (size_t)n : 0;
            if (sent == t->len || (n < 0 && errno != EAGAIN)) {
                sent = t->len;
                shutdown(fd, SHUT_WR);
            }
        }
        uv_run(&d->loop, UV_RUN_NOWAIT);
        ssize_t n = recv(fd, answer + len, sizeof(answer) - 1 - len, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            break;
        len += n > 0 ? (size_t)n : 0;
    }
    close(fd);
    uv_run(&d->loop, UV_RUN_NOWAIT);
    judge(answer, len, ours);
}

/* Words that leave the request line what it is. */
static bool clean(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len && p[i] != '{'; i++)
        if (p[i] != '\n' && (p[i] <= ' ' || p[i] > '~'))
            return false;
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct text t;

    if (!d)
        start();
    if (len == 0 || len > 4096)
        return 0;
    /* Several requests: what one makes, others find. A zero byte is between them. */
    while (len > 0) {
        const uint8_t *end = memchr(data + 1, '\0', len - 1);
        size_t n = end ? (size_t)(end - data) : len;
        uint8_t which = data[0] % (NREQUESTS + 1);
        t.len = 0;
        if (which == NREQUESTS)
            add(&t, data + 1, n - 1);
        else
            compose(&t, REQUESTS[which], data + 1, n - 1);
        ask(&t, which < NREQUESTS - 1 && clean(data + 1, n - 1));
        data += n + (end ? 1 : 0);
        len -= n + (end ? 1 : 0);
    }
    undo();
    return 0;
}
