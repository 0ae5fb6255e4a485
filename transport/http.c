#include "transport/http.h"

#include "transport/sockaddr.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FIRST_BYTES 4096

struct ov_http {
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_connect_t connect;
    uv_write_t write;
    unsigned open_handles;
    bool done;
    char *data;
    size_t len, cap;
    ov_http_cb cb;
    void *arg;
    size_t request_len;
    char request[];
};

/* ---- the answer ---- */

/* The length of the header with its empty line; 0: not there yet. */
static size_t header_length(const char *data, size_t len)
{
    for (size_t i = 0; i + 1 < len; i++) {
        if (data[i] != '\n')
            continue;
        if (data[i + 1] == '\n')
            return i + 2;
        if (i + 2 < len && data[i + 1] == '\r' && data[i + 2] == '\n')
            return i + 3;
    }
    return 0;
}

struct ov_slice ov_http_field(const char *head, size_t len, const char *name)
{
    size_t namelen = strlen(name);

    for (const char *p = head, *end = head + len; p < end;) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));
        size_t n = (size_t)((eol ? eol : end) - p);
        if (n > namelen && p[namelen] == ':' && strncasecmp(p, name, namelen) == 0) {
            const char *v = p + namelen + 1, *vend = p + n;
            while (v < vend && (*v == ' ' || *v == '\t'))
                v++;
            while (vend > v && (vend[-1] == '\r' || vend[-1] == ' ' || vend[-1] == '\t'))
                vend--;
            return (struct ov_slice){(const uint8_t *)v, (size_t)(vend - v)};
        }
        p += n + 1;
    }
    return (struct ov_slice){0};
}

static int digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

/* A number of at most OV_HTTP_ANSWER_MAX at the front of `s`; how many digits it has, 0: none. */
static size_t number(struct ov_slice s, int base, size_t *out)
{
    size_t v = 0, i = 0;

    for (; i < s.len && digit(s.p[i]) < base; i++) {
        v = v * (size_t)base + (size_t)digit(s.p[i]);
        if (v > OV_HTTP_ANSWER_MAX)
            return 0;
    }
    *out = v;
    return i;
}

/* Walk over the chunks of a body; with `join`, put them together where they lie. 1: *total is their
 * length; 0: more must come; OV_EINVAL. */
static int walk_chunks(char *body, size_t len, bool join, size_t *total)
{
    size_t in = 0, out = 0, size;

    for (;;) {
        const char *eol = memchr(body + in, '\n', len - in);
        if (!eol)
            return 0;
        size_t line = (size_t)(eol - (body + in)) + 1;
        if (number((struct ov_slice){(const uint8_t *)body + in, line}, 16, &size) == 0)
            return OV_EINVAL;
        in += line;
        if (size == 0)
            break;
        if (len - in <= size)
            return 0;
        if (join)
            memmove(body + out, body + in, size);
        out += size;
        in += size;
        in += body[in] == '\r';
        if (in == len)
            return 0;
        if (body[in++] != '\n')
            return OV_EINVAL;
    }
    *total = out;
    return 1;
}

int ov_http_parse(char *data, size_t len, bool eof, struct ov_http_answer *out)
{
    size_t head = header_length(data, len), want;

    if (head == 0)
        return eof ? OV_EINVAL : 0;
    if (head < 12 || memcmp(data, "HTTP/1.", 7) != 0 || data[8] != ' ')
        return OV_EINVAL;
    struct ov_http_answer a = {.body = data + head, .len = len - head};
    for (size_t i = 9; i < 12; i++) {
        if (data[i] < '0' || data[i] > '9')
            return OV_EINVAL;
        a.status = a.status * 10 + (unsigned)(data[i] - '0');
    }
    struct ov_slice coding = ov_http_field(data, head, "Transfer-Encoding"),
                    length = ov_http_field(data, head, "Content-Length");
    if (coding.len == 7 && strncasecmp((const char *)coding.p, "chunked", 7) == 0) {
        int ready = walk_chunks(data + head, a.len, false, &want);
        if (ready != 1)
            return ready == 0 && eof ? OV_EINVAL : ready;
        (void)walk_chunks(data + head, a.len, true, &want);
        a.len = want;
    } else if (length.p) {
        if (number(length, 10, &want) != length.len || length.len == 0)
            return OV_EINVAL;
        if (a.len < want)
            return eof ? OV_EINVAL : 0;
        a.len = want;
    } else if (!eof) {
        return 0;
    }
    *out = a;
    return 1;
}

/* ---- the exchange ---- */

static void on_closed(uv_handle_t *handle)
{
    struct ov_http *h = handle->data;

    if (--h->open_handles > 0)
        return;
    free(h->data);
    free(h);
}

static void close_all(struct ov_http *h)
{
    h->done = true;
    uv_close((uv_handle_t *)&h->tcp, on_closed);
    uv_close((uv_handle_t *)&h->timer, on_closed);
}

static void finish(struct ov_http *h, const struct ov_http_answer *answer, const char *why)
{
    if (h->done)
        return;
    close_all(h);
    h->cb(h->arg, answer, why);
}

static void on_timer(uv_timer_t *timer)
{
    finish(timer->data, NULL, "it takes too long to answer");
}

/* Grows as the answer does. */
static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct ov_http *h = handle->data;

    (void)suggested;
    if (h->len == h->cap && h->cap < OV_HTTP_ANSWER_MAX) {
        size_t cap = h->cap ? h->cap * 2 : FIRST_BYTES;
        char *data = realloc(h->data, cap);
        if (data) {
            h->data = data;
            h->cap = cap;
        }
    }
    *buf = h->len < h->cap ? uv_buf_init(h->data + h->len, (unsigned)(h->cap - h->len))
                           : uv_buf_init(NULL, 0);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct ov_http *h = stream->data;
    struct ov_http_answer answer;

    (void)buf;
    if (h->done || n == 0)
        return;
    if (n < 0 && n != UV_EOF) {
        finish(h, NULL,
               n == UV_ENOBUFS ? "its answer is too long" : "it breaks the connection off");
        return;
    }
    if (n > 0)
        h->len += (size_t)n;
    int ready = ov_http_parse(h->data, h->len, n == UV_EOF, &answer);
    if (ready < 0)
        finish(h, NULL, "its answer is no HTTP");
    else if (ready == 1)
        finish(h, &answer, NULL);
}

static void on_written(uv_write_t *write, int status)
{
    if (status < 0)
        finish(write->data, NULL, "it breaks the connection off");
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct ov_http *h = connect->data;
    uv_buf_t buf = uv_buf_init(h->request, (unsigned)h->request_len);

    if (status < 0 || uv_write(&h->write, (uv_stream_t *)&h->tcp, &buf, 1, on_written) != 0 ||
        uv_read_start((uv_stream_t *)&h->tcp, on_alloc, on_read) != 0)
        finish(h, NULL, "it takes no connection");
}

int ov_http_start(uv_loop_t *loop, const struct ov_endpoint *server, const char *request,
                  size_t len, ov_http_cb cb, void *arg, struct ov_http **out)
{
    struct ov_http *h = calloc(1, sizeof *h + len);
    union ov_sockaddr to = ov_sockaddr_of(&server->ip, server->port);

    if (!h)
        return OV_ENOMEM;
    memcpy(h->request, request, len);
    h->request_len = len;
    h->cb = cb;
    h->arg = arg;
    (void)uv_tcp_init(loop, &h->tcp); /* these cannot fail */
    (void)uv_timer_init(loop, &h->timer);
    h->tcp.data = h->timer.data = h->connect.data = h->write.data = h;
    h->open_handles = 2;
    if (uv_tcp_connect(&h->connect, &h->tcp, &to.any, on_connected) != 0) {
        close_all(h);
        return OV_EIO;
    }
    (void)uv_timer_start(&h->timer, on_timer, OV_HTTP_PATIENCE, 0);
    *out = h;
    return OV_OK;
}

void ov_http_cancel(struct ov_http *h)
{
    if (h && !h->done)
        close_all(h);
}
