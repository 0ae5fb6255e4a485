#include "client.h"

#include "core/types.h"
#include "curl_load.h"
#include "text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define REPLY_MAX  ((size_t)64 << 20)
#define TIMEOUT_MS 30000L

struct ov_client {
    struct ov_curl api;
    CURL *curl;
    const struct ov_command_line *line;
    char socket[sizeof((struct sockaddr_un *)0)->sun_path];
    bool quiet;
    long timeout_ms;
    json_t *error; /* the last one, as the API words it */
};

struct reply {
    char *text;
    size_t len;
};

void ov_complain(const char *message, const char *hint)
{
    char *clean = ov_text_clean(message, true), *more = ov_text_clean(hint ? hint : "", true);

    fprintf(stderr, "ovpn: %s\n", clean);
    if (*more)
        fprintf(stderr, "      %s\n", more);
    free(clean);
    free(more);
}

int ov_failed(const struct ov_command_line *line, const char *message, const char *hint)
{
    json_t *error = json_pack("{s:{s:s,s:s,s:s}}", "error", "code", "failed", "message", message,
                              "hint", hint ? hint : "");
    ov_complain(message, hint);
    if (line->json)
        ov_json_print(error);
    json_decref(error);
    return OV_EXIT_FAILED;
}

/* A failure that the API did not word, in its form. */
static void complain_as(struct ov_client *c, const char *code, const char *message,
                        const char *hint)
{
    json_decref(c->error);
    c->error = json_pack("{s:{s:s,s:s,s:s}}", "error", "code", code, "message", message, "hint",
                         hint ? hint : "");
    if (!c->quiet)
        ov_client_blame(c);
}

void ov_client_quiet(struct ov_client *c, unsigned timeout_s)
{
    c->quiet = true;
    c->timeout_ms = (long)timeout_s * 1000;
}

bool ov_client_hush(struct ov_client *c, bool quiet)
{
    bool was = c->quiet;

    c->quiet = quiet;
    return was;
}

const char *ov_client_failure(const struct ov_client *c)
{
    return ov_json_text(json_object_get(c->error, "error"), "code", "");
}

void ov_client_blame(const struct ov_client *c)
{
    const json_t *error = json_object_get(c->error, "error");

    ov_complain(ov_json_text(error, "message", "it failed"), ov_json_text(error, "hint", NULL));
    if (c->line->json)
        ov_json_print(c->error);
}

static bool start_curl(struct ov_client *c)
{
    char why[512];

    if (ov_curl_load(&c->api, OV_CURL_LIBRARY, why, sizeof why) != OV_OK) {
        complain_as(c, "no_library", why, "the commands need it: sudo apt install libcurl4");
        return false;
    }
    /* The daemon is talked to in the clear, so TLS need not be started. */
    if (c->api.global_init(CURL_GLOBAL_NOTHING) != CURLE_OK || !(c->curl = c->api.easy_init())) {
        complain_as(c, "failed", "libcurl does not start", NULL);
        return false;
    }
    return true;
}

int ov_client_open(const struct ov_command_line *line, struct ov_client **out)
{
    struct ov_client *c = calloc(1, sizeof *c);
    int n;

    *out = NULL;
    if (!c)
        abort();
    c->line = line;
    c->timeout_ms = TIMEOUT_MS;
    if (!start_curl(c)) {
        ov_client_close(c);
        return OV_EXIT_FAILED;
    }
    n = snprintf(c->socket, sizeof c->socket, "%s/%s", line->state, OV_SOCKET_NAME);
    if (n < 0 || (size_t)n >= sizeof c->socket) {
        char why[128];
        snprintf(why, sizeof why,
                 "the path of the state directory is too long: a socket's is at most %zu letters",
                 sizeof c->socket - 1);
        ov_complain(why, "choose a shorter one with -H DIR");
        ov_client_close(c);
        return OV_EXIT_FAILED;
    }
    *out = c;
    return OV_EXIT_OK;
}

void ov_client_close(struct ov_client *c)
{
    if (!c)
        return;
    if (c->curl) {
        c->api.easy_cleanup(c->curl);
        c->api.global_cleanup();
    }
    ov_curl_unload(&c->api);
    json_decref(c->error);
    free(c);
}

/* One piece of a path, with all but RFC 3986's unreserved characters escaped. */
static void write_escaped(FILE *f, const char *piece)
{
    for (; *piece; piece++) {
        unsigned char b = (unsigned char)*piece;
        bool plain = (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || (b >= '0' && b <= '9') ||
                     strchr("-._~", b);
        if (plain)
            fputc(b, f);
        else
            fprintf(f, "%%%02X", b);
    }
}

char *ov_client_path_of(const char *const *pieces)
{
    char *path = NULL;
    size_t size;
    FILE *f = open_memstream(&path, &size);

    if (!f)
        abort();
    fputs("/v1", f);
    for (; *pieces; pieces++) {
        fputc('/', f);
        write_escaped(f, *pieces);
    }
    if (fclose(f) != 0)
        abort();
    return path;
}

static size_t take(char *data, size_t one, size_t n, void *arg)
{
    struct reply *r = arg;
    char *grown;

    n *= one;
    if (r->len + n > REPLY_MAX || !(grown = realloc(r->text, r->len + n + 1)))
        return 0;
    memcpy(grown + r->len, data, n);
    r->text = grown;
    r->len += n;
    r->text[r->len] = '\0';
    return n;
}

/* No daemon behind the socket, or no way to it. */
static int unreachable(struct ov_client *c)
{
    bool usual = strcmp(c->line->state, OV_STATE_DIR) == 0;
    char message[PATH_MAX + 128], hint[PATH_MAX + 128];
    long number = 0;

    c->api.easy_getinfo(c->curl, CURLINFO_OS_ERRNO, &number);
    if (number == EACCES || number == EPERM) {
        snprintf(message, sizeof message, "you may not talk to the daemon in %s", c->line->state);
        complain_as(c, "forbidden", message, "try sudo");
        return OV_EXIT_NO_DAEMON;
    }
    snprintf(message, sizeof message, "no daemon is running%s%s", usual ? "" : " in ",
             usual ? "" : c->line->state);
    if (usual)
        snprintf(hint, sizeof hint,
                 "start it: sudo systemctl start %s, or by hand: sudo ovpn service", "ovpn");
    else
        snprintf(hint, sizeof hint, "start it: sudo ovpn -H %s service", c->line->state);
    complain_as(c, "no_daemon", message, hint);
    return OV_EXIT_NO_DAEMON;
}

/* The transfer itself failed. */
static int broken(struct ov_client *c, CURLcode code)
{
    char message[256];

    if (code == CURLE_COULDNT_CONNECT)
        return unreachable(c);
    if (code == CURLE_OPERATION_TIMEDOUT) {
        complain_as(c, "timeout", "the daemon does not answer",
                    "its log may say why: journalctl -u ovpn");
        return OV_EXIT_FAILED;
    }
    if (code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR) {
        complain_as(c, "no_daemon", "the daemon went away in the middle of it",
                    "its log may say why: journalctl -u ovpn");
        return OV_EXIT_NO_DAEMON;
    }
    snprintf(message, sizeof message, "talking to the daemon failed: %s",
             c->api.easy_strerror(code));
    complain_as(c, "failed", message, NULL);
    return OV_EXIT_FAILED;
}

/* The daemon said no. */
static int refused(struct ov_client *c, long status, const json_t *reply)
{
    const json_t *error = json_object_get(reply, "error");
    const char *message = ov_json_text(error, "message", NULL);
    char fallback[64];

    if (!message) {
        snprintf(fallback, sizeof fallback, "the daemon answered with HTTP status %ld", status);
        complain_as(c, "failed", fallback,
                    "is it of the same version? ovpn status shows the daemon's");
        return OV_EXIT_FAILED;
    }
    json_decref(c->error);
    c->error = json_deep_copy(reply);
    if (status == 403 && !ov_json_text(error, "hint", NULL))
        json_object_set_new(json_object_get(c->error, "error"), "hint", json_string("try sudo"));
    if (!c->quiet)
        ov_client_blame(c);
    return OV_EXIT_FAILED;
}

static CURLcode transfer(struct ov_client *c, const char *method, const char *url, const char *body,
                         struct reply *r, long *status)
{
    const struct ov_curl *api = &c->api;
    struct curl_slist *headers = NULL;
    CURLcode code;

    api->easy_reset(c->curl);
    api->easy_setopt(c->curl, CURLOPT_UNIX_SOCKET_PATH, c->socket);
    api->easy_setopt(c->curl, CURLOPT_PROXY, ""); /* whatever the environment says */
    api->easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
    api->easy_setopt(c->curl, CURLOPT_TIMEOUT_MS, c->timeout_ms);
    api->easy_setopt(c->curl, CURLOPT_URL, url);
    api->easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, take);
    api->easy_setopt(c->curl, CURLOPT_WRITEDATA, r);
    if (body) {
        headers = api->slist_append(NULL, "Content-Type: application/json");
        api->easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
        api->easy_setopt(c->curl, CURLOPT_POSTFIELDS, body);
    }
    api->easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, method);
    code = api->easy_perform(c->curl);
    api->easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, status);
    api->slist_free_all(headers);
    return code;
}

int ov_client_call(struct ov_client *c, const char *method, char *path, json_t *body, json_t **out,
                   long *status)
{
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    size_t size = strlen(path) + sizeof "http://ovpn";
    char *url = malloc(size);
    struct reply r = {0};
    long http = 0;
    json_t *reply = NULL;
    CURLcode code;
    int result;

    if (!url || (body && !text))
        abort();
    snprintf(url, size, "http://ovpn%s", path);
    code = transfer(c, method, url, text, &r, &http);
    if (code == CURLE_OK && r.len)
        reply = json_loadb(r.text, r.len, 0, NULL);
    if (code == CURLE_OK && http / 100 == 2 && !r.len)
        reply = json_object();

    if (code != CURLE_OK)
        result = broken(c, code);
    else if (http / 100 != 2 || !reply)
        result = refused(c, http, reply);
    else
        result = OV_EXIT_OK;
    if (result == OV_EXIT_OK && out)
        *out = json_incref(reply);
    if (status)
        *status = http;
    json_decref(reply);
    json_decref(body);
    free(r.text);
    free(url);
    free(text);
    free(path);
    return result;
}

int ov_client_get(struct ov_client *c, char *path, json_t **out)
{
    return ov_client_call(c, "GET", path, NULL, out, NULL);
}

/* "it is in: 8056c2e21c000001 (dorm), ...": those that wait for admission have no name yet. */
static void list_networks(const json_t *networks, char *out, size_t size)
{
    size_t i, len = (size_t)snprintf(out, size, "it is in:");
    json_t *net;

    json_array_foreach(networks, i, net)
    {
        const char *name = ov_json_text(net, "name", NULL);
        if (len >= size)
            return;
        len += (size_t)snprintf(out + len, size - len, "%s %s%s%s%s", i ? "," : "",
                                ov_json_text(net, "netid", "?"), name ? " (" : "", name ? name : "",
                                name ? ")" : "");
    }
}

/* Nothing, or too much, is called `which`. */
static int no_network(struct ov_client *c, const json_t *networks, const char *which, size_t found)
{
    char message[256], hint[512];

    if (found)
        snprintf(message, sizeof message, "%zu networks here are called \"%.100s\"", found, which);
    else
        snprintf(message, sizeof message, "this node has not joined a network \"%.100s\"", which);
    if (found)
        snprintf(hint, sizeof hint, "give the netid: ovpn networks shows it");
    else if (json_array_size(networks) == 0)
        snprintf(hint, sizeof hint, "it has not joined any: ovpn join NETID");
    else
        list_networks(networks, hint, sizeof hint);
    complain_as(c, found ? "conflict" : "not_found", message, hint);
    return OV_EXIT_FAILED;
}

int ov_client_network(struct ov_client *c, const char *which, json_t **out)
{
    json_t *reply = NULL, *networks, *net, *found = NULL;
    size_t i, n = 0;
    int code = ov_client_get(c, ov_client_path("networks"), &reply);

    if (code != OV_EXIT_OK)
        return code;
    networks = json_object_get(reply, "networks");
    json_array_foreach(networks, i, net)
    {
        if (strcasecmp(ov_json_text(net, "netid", ""), which) == 0) {
            found = net;
            n = 1;
            break;
        }
        if (strcmp(ov_json_text(net, "name", ""), which) == 0) {
            found = net;
            n++;
        }
    }
    if (n == 1)
        *out = json_incref(found);
    else
        code = no_network(c, networks, which, n);
    json_decref(reply);
    return code;
}
