#include "stream.h"

#include "sockaddr.h"
#include "waiting.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK        8192  /* bytes of datagrams in one write, or one TLS record */
#define UNSENT       16384 /* the kernel is given more only when it has less than this */
#define READ_MAX     65536 /* bytes read in one go */
#define READS_MAX    4     /* of these in one turn of the loop */
#define USER_TIMEOUT 20000 /* ms: the other side acknowledges nothing */
#define OUT_MAX      65536 /* bytes not taken by the kernel: more is somebody who makes us answer */
#define TLS_FIRST    0x16  /* a TLS handshake record */
#define LOOK_EVERY   5000  /* ms, once the first OV_STREAM_SHAKE are over */

enum phase { CONNECTING, ASKING, SNIFFING, SHAKING, GREETING, UP, OVER };

struct ov_stream {
    uv_loop_t *loop;
    const struct ov_stream_events *ev;
    void *arg, *data;
    int fd;
    enum phase phase;
    bool client, trusted, use_tls;
    int watching; /* what the loop watches for now */
    struct ov_endpoint remote;
    uv_poll_t poll;
    uv_timer_t timer;
    int open_handles;      /* freed with the last one */
    uint64_t began, heard; /* ms */
    struct ov_tls *tls;
    struct ov_connect connect;
    struct ov_frames frames;
    struct ov_waiting waiting;
    uint8_t *out; /* bytes that the kernel did not take; NULL: none */
    size_t out_len, out_at;
    size_t request_len;
    char *request; /* to the proxy */
};

static void on_ready(uv_poll_t *p, int status, int events);

static ov_time now_of(const struct ov_stream *s)
{
    return uv_now(s->loop) * OV_MS;
}

static void watch(struct ov_stream *s, int events)
{
    if (s->phase == OVER || s->watching == events)
        return;
    s->watching = events;
    uv_poll_start(&s->poll, events, on_ready);
}

/* ---- the end ---- */

static void on_closed(uv_handle_t *h)
{
    struct ov_stream *s = h->data;
    if (--s->open_handles > 0)
        return;
    close(s->fd);
    ov_waiting_free(&s->waiting);
    ov_frames_free(&s->frames);
    ov_tls_free(s->tls);
    if (s->request)
        ov_wipe(s->request, s->request_len);
    free(s->request);
    free(s->out);
    free(s);
}

static void finish(struct ov_stream *s)
{
    s->phase = OVER;
    uv_poll_stop(&s->poll);
    shutdown(s->fd, SHUT_RDWR);
    uv_close((uv_handle_t *)&s->poll, on_closed);
    uv_close((uv_handle_t *)&s->timer, on_closed);
}

static void fail(struct ov_stream *s, const char *why)
{
    char copy[OV_STREAM_WHY];
    if (s->phase == OVER)
        return;
    snprintf(copy, sizeof copy, "%s", why);
    finish(s);
    s->ev->down(s->arg, s, copy);
}

static void fail_errno(struct ov_stream *s, const char *what, int e)
{
    char why[OV_STREAM_WHY];
    snprintf(why, sizeof why, "%s: %s", what, strerror(e));
    fail(s, why);
}

/* ---- writing ---- */

/* Keep what the kernel did not take. Datagrams wait elsewhere, so there is little of it, unless the
 * other side asks for answers (of TLS) and does not read them. */
static bool keep(struct ov_stream *s, const uint8_t *data, size_t len)
{
    size_t old = s->out_len - s->out_at;
    uint8_t *p = old + len <= OUT_MAX ? malloc(old + len) : NULL;
    if (!p) {
        errno = old + len <= OUT_MAX ? ENOMEM : ENOBUFS;
        return false;
    }
    if (s->out)
        memcpy(p, s->out + s->out_at, old);
    memcpy(p + old, data, len);
    s->out_len = old + len;
    s->out_at = 0;
    free(s->out);
    s->out = p;
    return true;
}

/* As many of these bytes as the kernel takes now; < 0: the connection broke. */
static ssize_t push(struct ov_stream *s, const uint8_t *data, size_t len)
{
    ssize_t n;
    do
        n = send(s->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) ? 0 : n;
}

/* Bytes for the wire, after those that wait. False: it broke, and `why` is errno's. */
static bool wire(struct ov_stream *s, const uint8_t *data, size_t len)
{
    ssize_t n = 0;
    if (!s->out && (n = push(s, data, len)) < 0)
        return false;
    return (size_t)n == len || keep(s, data + n, len - (size_t)n);
}

static bool wire_rest(struct ov_stream *s)
{
    while (s->out) {
        ssize_t n = push(s, s->out + s->out_at, s->out_len - s->out_at);
        if (n <= 0)
            return n == 0;
        s->out_at += (size_t)n;
        if (s->out_at < s->out_len)
            continue;
        free(s->out);
        s->out = NULL;
        s->out_len = s->out_at = 0;
    }
    return true;
}

/* What TLS has to say. */
static bool wire_tls(struct ov_stream *s)
{
    uint8_t buf[OV_TLS_WIRE];
    size_t n;
    while ((n = ov_tls_take(s->tls, buf, sizeof buf)) > 0)
        if (!wire(s, buf, n))
            return false;
    return true;
}

static bool write_plain(struct ov_stream *s, const uint8_t *data, size_t len)
{
    if (!s->tls)
        return wire(s, data, len);
    return ov_tls_write(s->tls, data, len) == OV_OK && wire_tls(s);
}

/* False: it broke. */
static bool flush(struct ov_stream *s)
{
    uint8_t buf[OV_FRAMES_HEAD + OV_FRAMES_MAX];
    size_t n;
    while (wire_rest(s)) {
        if (s->out || s->phase != UP)
            goto wait;
        /* One datagram larger than a chunk goes alone. */
        n = ov_waiting_take(&s->waiting, buf, CHUNK, now_of(s));
        if (n == 0)
            n = ov_waiting_take(&s->waiting, buf, sizeof buf, now_of(s));
        if (n == 0)
            goto wait;
        if (!write_plain(s, buf, n))
            return false;
    }
    return false;
wait:
    watch(s, UV_READABLE | (s->out || s->phase == CONNECTING ? UV_WRITABLE : 0));
    return true;
}

void ov_stream_send(struct ov_stream *s, const uint8_t *data, size_t len)
{
    if (s->phase != UP || len < OV_FRAMES_MIN || len > OV_FRAMES_MAX)
        s->waiting.dropped++;
    else
        ov_waiting_put(&s->waiting, data, len, now_of(s));
}

void ov_stream_flush(struct ov_stream *s)
{
    if (s->phase == UP && !s->out && !flush(s))
        fail_errno(s, "the connection broke", errno);
}

/* ---- reading ---- */

static void gone_up(struct ov_stream *s)
{
    s->phase = UP;
    s->ev->up(s->arg, s);
}

/* Plaintext came. False: `s` is over. */
static bool take(struct ov_stream *s, uint8_t *data, size_t len)
{
    struct ov_frames_packet v[OV_STREAM_BATCH];
    size_t n, used;
    while (len > 0) {
        int err = ov_frames_cut(&s->frames, data, len, v, OV_STREAM_BATCH, &n, &used);
        if (err != OV_OK) {
            fail(s, err == OV_EINVAL ? "what came is not ovpn's" : "out of memory");
            return false;
        }
        data += used;
        len -= used;
        if (s->phase == GREETING && !s->frames.hello)
            gone_up(s);
        if (s->phase == UP && n > 0)
            s->ev->packets(s->arg, s, v, n);
        if (s->phase == OVER)
            return false;
    }
    return true;
}

/* The way is free: a client says what it wants, a server waits to hear it. */
static bool shaken(struct ov_stream *s)
{
    if (!s->client) {
        s->phase = GREETING;
        s->frames.hello = true;
        return true;
    }
    if (!write_plain(s, (const uint8_t *)OV_FRAMES_HELLO, OV_FRAMES_HELLO_LEN)) {
        fail(s, "the connection broke");
        return false;
    }
    gone_up(s);
    return s->phase != OVER;
}

/* Bytes of TLS. False: over. */
static bool take_tls(struct ov_stream *s, const uint8_t *data, size_t len)
{
    uint8_t buf[OV_TLS_RECORD];
    int err = ov_tls_feed(s->tls, data, len), n;
    bool wired = wire_tls(s);
    if (err != OV_OK || !wired) {
        fail(s, err != OV_OK ? ov_tls_why(s->tls) : "the connection broke");
        return false;
    }
    if (s->phase == SHAKING && ov_tls_open(s->tls) && !shaken(s))
        return false;
    while ((n = ov_tls_read(s->tls, buf, sizeof buf)) > 0)
        if (!take(s, buf, (size_t)n))
            return false;
    if (n < 0)
        fail(s, ov_tls_why(s->tls));
    return n == 0;
}

/* The first byte tells what the client speaks. */
static bool sniff(struct ov_stream *s, uint8_t first)
{
    if (first != TLS_FIRST)
        return shaken(s);
    struct ov_tls_context *c = s->ev->tls ? s->ev->tls(s->arg) : NULL;
    if (!c || ov_tls_server(c, &s->tls) != OV_OK) {
        fail(s, "there is no TLS here");
        return false;
    }
    s->phase = SHAKING;
    return true;
}

static bool start_tls(struct ov_stream *s)
{
    if (!s->use_tls)
        return shaken(s);
    s->phase = SHAKING;
    return take_tls(s, NULL, 0);
}

/* The proxy's answer. */
static bool take_answer(struct ov_stream *s, const uint8_t *data, size_t len, size_t *used)
{
    char why[OV_CONNECT_WHY];
    int err = ov_connect_feed(&s->connect, data, len, used, why);
    if (err == OV_ETRUNC)
        return true;
    if (err != OV_OK) {
        fail(s, why);
        return false;
    }
    return start_tls(s);
}

static bool take_bytes(struct ov_stream *s, uint8_t *data, size_t len)
{
    size_t used = 0;
    s->heard = uv_now(s->loop);
    if (s->phase == ASKING && !take_answer(s, data, len, &used))
        return false;
    if (used == len)
        return true;
    if (s->phase == SNIFFING && !sniff(s, data[0]))
        return false;
    return s->tls ? take_tls(s, data + used, len - used) : take(s, data + used, len - used);
}

static bool read_some(struct ov_stream *s)
{
    uint8_t buf[READ_MAX];
    for (int i = 0; i < READS_MAX; i++) {
        ssize_t n = recv(s->fd, buf, sizeof buf, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return true;
        if (n < 0) {
            fail_errno(s, s->phase == UP ? "the connection broke" : "it was cut off", errno);
            return false;
        }
        if (n == 0) {
            fail(s,
                 s->phase == UP ? "the other side closed it" : "the other side closed it at once");
            return false;
        }
        if (!take_bytes(s, buf, (size_t)n))
            return false;
        if ((size_t)n < sizeof buf)
            return true;
    }
    return true;
}

/* ---- connecting ---- */

static bool connected(struct ov_stream *s)
{
    int e = 0;
    socklen_t len = sizeof e;
    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &e, &len) != 0)
        e = errno;
    if (e != 0) {
        fail(s, strerror(e));
        return false;
    }
    if (!s->request)
        return start_tls(s);
    s->phase = ASKING;
    if (wire(s, (const uint8_t *)s->request, s->request_len))
        return true;
    fail_errno(s, "the connection broke", errno);
    return false;
}

static void on_ready(uv_poll_t *p, int status, int events)
{
    struct ov_stream *s = p->data;
    if (status < 0) {
        fail(s, uv_strerror(status));
        return;
    }
    if (s->phase == CONNECTING && !(events & UV_WRITABLE))
        return;
    if (s->phase == CONNECTING && !connected(s))
        return;
    if ((events & UV_READABLE) && !read_some(s))
        return;
    if (!flush(s))
        fail_errno(s, "the connection broke", errno);
}

static void on_timer(uv_timer_t *t)
{
    struct ov_stream *s = t->data;
    uint64_t now = uv_now(s->loop);
    ov_waiting_expire(&s->waiting, now_of(s)); /* nobody may come for it any more */
    if (s->phase != UP && now - s->began >= OV_STREAM_SHAKE)
        fail(s, s->phase == CONNECTING ? "no answer" : "it stopped half-way");
    else if (!s->client && !s->trusted && now - s->began >= OV_STREAM_SHAKE)
        fail(s, "nobody proved to be there");
    else if (now - s->heard >= OV_STREAM_IDLE)
        fail(s, "silent for too long");
}

/* ---- start ---- */

static void tune(int fd)
{
    int one = 1, unsent = UNSENT, patience = USER_TIMEOUT;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience, sizeof patience);
}

/* Owns nothing yet but memory: `fd` is the caller's until this went well. */
static int open_stream(uv_loop_t *loop, int fd, const struct ov_stream_events *ev, void *arg,
                       struct ov_stream **out)
{
    struct ov_stream *s = calloc(1, sizeof *s);
    if (!s)
        return OV_ENOMEM;
    if (uv_poll_init(loop, &s->poll, fd) != 0) {
        free(s);
        return OV_EIO;
    }
    tune(fd);
    uv_timer_init(loop, &s->timer);
    uv_timer_start(&s->timer, on_timer, OV_STREAM_SHAKE, LOOK_EVERY);
    s->poll.data = s->timer.data = s;
    s->open_handles = 2;
    s->loop = loop;
    s->ev = ev;
    s->arg = arg;
    s->fd = fd;
    s->began = s->heard = uv_now(loop);
    *out = s;
    return OV_OK;
}

int ov_stream_adopt(uv_loop_t *loop, int fd, const struct ov_endpoint *from,
                    const struct ov_stream_events *ev, void *arg, struct ov_stream **out)
{
    int err = open_stream(loop, fd, ev, arg, out);
    if (err != OV_OK)
        return err;
    (*out)->remote = *from;
    (*out)->phase = SNIFFING;
    watch(*out, UV_READABLE);
    return OV_OK;
}

static bool bind_from(int fd, const struct ov_ip *from)
{
    union ov_sockaddr sa;
    socklen_t len = ov_sockaddr_from_endpoint(&(struct ov_endpoint){.ip = *from}, &sa);
    return from->family == 0 || bind(fd, &sa.any, len) == 0;
}

/* What has to be ready before the connection stands. */
static int prepare(struct ov_stream *s, const struct ov_stream_target *t,
                   struct ov_tls_context *tls)
{
    s->client = true;
    s->use_tls = t->tls;
    s->remote = t->to;
    if (t->proxy) {
        s->request = malloc(OV_CONNECT_REQUEST);
        if (!s->request)
            return OV_ENOMEM;
        s->request_len = ov_connect_request(t->proxy, t->name, t->port, s->request);
        if (s->request_len == 0)
            return OV_EINVAL;
    }
    return t->tls ? ov_tls_client(tls, t->name, t->expect, &s->tls) : OV_OK;
}

int ov_stream_dial(uv_loop_t *loop, const struct ov_stream_target *t, struct ov_tls_context *tls,
                   const struct ov_stream_events *ev, void *arg, struct ov_stream **out,
                   char why[OV_STREAM_WHY])
{
    union ov_sockaddr sa;
    struct ov_stream *s;
    socklen_t len = ov_sockaddr_from_endpoint(&t->to, &sa);
    int fd = socket(sa.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || !bind_from(fd, &t->from) ||
        (connect(fd, &sa.any, len) != 0 && errno != EINPROGRESS)) {
        snprintf(why, OV_STREAM_WHY, "%s", strerror(errno));
        if (fd >= 0)
            close(fd);
        return OV_EIO;
    }
    int err = open_stream(loop, fd, ev, arg, &s);
    if (err != OV_OK) {
        snprintf(why, OV_STREAM_WHY, "%s", ov_strerror(err));
        close(fd);
        return err;
    }
    err = prepare(s, t, tls);
    if (err != OV_OK) {
        snprintf(why, OV_STREAM_WHY, "%s", ov_strerror(err));
        finish(s);
        return err;
    }
    s->phase = CONNECTING;
    watch(s, UV_WRITABLE);
    *out = s;
    return OV_OK;
}

void ov_stream_trust(struct ov_stream *s)
{
    s->trusted = true;
}

void ov_stream_end(struct ov_stream *s, const char *why)
{
    fail(s, why);
}

void ov_stream_close(struct ov_stream *s)
{
    if (s->phase == OVER)
        return;
    if (s->phase == UP)
        (void)!flush(s);
    finish(s);
}

/* ---- what it is ---- */

bool ov_stream_is_up(const struct ov_stream *s)
{
    return s->phase == UP;
}

bool ov_stream_is_tls(const struct ov_stream *s)
{
    return s->tls != NULL;
}

bool ov_stream_refused(const struct ov_stream *s)
{
    return s->tls && ov_tls_refused(s->tls);
}

const struct ov_endpoint *ov_stream_remote(const struct ov_stream *s)
{
    return &s->remote;
}

bool ov_stream_local(const struct ov_stream *s, struct ov_ip *out)
{
    union ov_sockaddr sa;
    struct ov_endpoint ep = {0};
    socklen_t len = sizeof sa;
    bool known = getsockname(s->fd, &sa.any, &len) == 0 && ov_sockaddr_to_endpoint(&sa.any, &ep);
    *out = ep.ip;
    return known;
}

const struct ov_identity *ov_stream_identity(const struct ov_stream *s)
{
    return s->client && s->tls && ov_tls_open(s->tls) ? ov_tls_identity(s->tls) : NULL;
}

uint64_t ov_stream_dropped(const struct ov_stream *s)
{
    return s->waiting.dropped;
}

size_t ov_stream_waiting(const struct ov_stream *s)
{
    return s->waiting.bytes + s->out_len - s->out_at;
}

void ov_stream_set_data(struct ov_stream *s, void *data)
{
    s->data = data;
}

void *ov_stream_data(const struct ov_stream *s)
{
    return s->data;
}
