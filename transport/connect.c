#include "connect.h"

#include "core/crypto.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT_DEFAULT 80 /* of http:// */

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undo percent-encoding. False: broken, a zero byte, or too long. */
static bool decode(const char *in, size_t len, char *out, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        int c = (unsigned char)in[i];
        if (c == '%') {
            if (i + 2 >= len || hex(in[i + 1]) < 0 || hex(in[i + 2]) < 0)
                return false;
            c = hex(in[i + 1]) * 16 + hex(in[i + 2]);
            i += 2;
        }
        if (c == 0 || n + 1 >= cap)
            return false;
        out[n++] = (char)c;
    }
    out[n] = '\0';
    return true;
}

static bool parse_port(const char *text, size_t len, uint16_t *out)
{
    unsigned v = 0;
    if (len == 0 || len > 5)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!isdigit((unsigned char)text[i]))
            return false;
        v = v * 10 + (unsigned)(text[i] - '0');
    }
    *out = (uint16_t)v;
    return v > 0 && v <= UINT16_MAX;
}

/* HOST, HOST:PORT, [IP6] or [IP6]:PORT. */
static bool parse_authority(const char *s, size_t len, struct ov_connect_proxy *out)
{
    const char *host = s, *end = memchr(s, ':', len);
    size_t hlen = end ? (size_t)(end - s) : len;
    if (len > 0 && s[0] == '[') {
        const char *close = memchr(s, ']', len);
        if (!close)
            return false;
        host = s + 1;
        hlen = (size_t)(close - host);
        end = close + 1 < s + len ? close + 1 : NULL;
        if (end && *end != ':')
            return false;
    }
    if (hlen == 0 || hlen >= sizeof out->host)
        return false;
    for (size_t i = 0; i < hlen; i++)
        if (!isgraph((unsigned char)host[i]) || strchr("/?#@[]\\", host[i]))
            return false;
    memcpy(out->host, host, hlen);
    out->host[hlen] = '\0';
    out->port = PORT_DEFAULT;
    return !end || parse_port(end + 1, (size_t)(s + len - end - 1), &out->port);
}

int ov_connect_parse(const char *url, struct ov_connect_proxy *out)
{
    struct ov_connect_proxy p = {.port = 0};
    const char *scheme = strstr(url, "://"), *s = scheme ? scheme + 3 : url;
    int err = OV_EINVAL;
    if (scheme && (scheme - url != 4 || strncmp(url, "http", 4) != 0))
        return OV_EINVAL;
    size_t len = strcspn(s, "/?#");
    if (s[len] != '\0' && strcmp(s + len, "/") != 0)
        return OV_EINVAL;
    const char *at = NULL;
    for (size_t i = 0; i < len; i++)
        if (s[i] == '@')
            at = s + i;
    if (at && !decode(s, (size_t)(at - s), p.secret, sizeof p.secret))
        goto out;
    if (at) {
        len -= (size_t)(at + 1 - s);
        s = at + 1;
    }
    if (!parse_authority(s, len, &p))
        goto out;
    *out = p;
    err = OV_OK;
out:
    ov_wipe(&p, sizeof p);
    return err;
}

static void base64(const char *in, char *out)
{
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t len = strlen(in);
    for (size_t i = 0; i < len; i += 3) {
        unsigned v = (unsigned)(uint8_t)in[i] << 16;
        v |= i + 1 < len ? (unsigned)(uint8_t)in[i + 1] << 8 : 0;
        v |= i + 2 < len ? (unsigned)(uint8_t)in[i + 2] : 0;
        *out++ = DIGITS[v >> 18];
        *out++ = DIGITS[v >> 12 & 63];
        *out++ = i + 1 < len ? DIGITS[v >> 6 & 63] : '=';
        *out++ = i + 2 < len ? DIGITS[v & 63] : '=';
    }
    *out = '\0';
}

size_t ov_connect_request(const struct ov_connect_proxy *p, const char *host, uint16_t port,
                          char out[OV_CONNECT_REQUEST])
{
    char secret[OV_CONNECT_SECRET * 4 / 3 + 8] = "";
    bool v6 = strchr(host, ':') != NULL;
    const char *open = v6 ? "[" : "", *close = v6 ? "]" : "";
    base64(p->secret, secret);
    int n = snprintf(
        out, OV_CONNECT_REQUEST, "CONNECT %s%s%s:%u HTTP/1.1\r\nHost: %s%s%s:%u\r\n%s%s%s\r\n",
        open, host, close, port, open, host, close, port,
        secret[0] ? "Proxy-Authorization: Basic " : "", secret, secret[0] ? "\r\n" : "");
    ov_wipe(secret, sizeof secret);
    return n > 0 && n < OV_CONNECT_REQUEST ? (size_t)n : 0;
}

/* What the first line says. */
static int judge(const struct ov_connect *c, char why[OV_CONNECT_WHY])
{
    const char *s = c->first;
    bool http = strncmp(s, "HTTP/1.", 7) == 0 && isdigit((unsigned char)s[7]) && s[8] == ' ' &&
                isdigit((unsigned char)s[9]) && isdigit((unsigned char)s[10]) &&
                isdigit((unsigned char)s[11]) && (s[12] == ' ' || s[12] == '\0');
    if (!http) {
        snprintf(why, OV_CONNECT_WHY, "what answers there is no HTTP proxy");
        return OV_EINVAL;
    }
    if (s[9] == '2')
        return OV_OK;
    if (strncmp(s + 9, "407", 3) == 0 || strncmp(s + 9, "401", 3) == 0) /* tinyproxy's */
        snprintf(why, OV_CONNECT_WHY,
                 "the proxy wants a user and a password, or others than it was given");
    else
        snprintf(why, OV_CONNECT_WHY, "the proxy refused: %s", s + 9);
    return OV_EPERM;
}

int ov_connect_feed(struct ov_connect *c, const uint8_t *data, size_t len, size_t *used,
                    char why[OV_CONNECT_WHY])
{
    for (*used = 0; *used < len;) {
        uint8_t b = data[(*used)++];
        c->line_done |= b == '\n';
        if (!c->line_done && b != '\r' && c->line + 1 < sizeof c->first)
            c->first[c->line++] = isprint(b) ? (char)b : '?';
        memmove(c->tail, c->tail + 1, 3);
        c->tail[3] = b;
        if (++c->len > OV_CONNECT_ANSWER) {
            snprintf(why, OV_CONNECT_WHY, "the proxy's answer does not end");
            return OV_EINVAL;
        }
        if (memcmp(c->tail, "\r\n\r\n", 4) == 0 || memcmp(c->tail + 2, "\n\n", 2) == 0)
            return judge(c, why);
    }
    /* A server of another kind need not be waited for. */
    if (c->len > 0 && strncmp(c->first, "HTTP/", c->line < 5 ? c->line : 5) != 0)
        return judge(c, why);
    return OV_ETRUNC;
}
