/* doctor: what is wrong, and what to do about it. Works without a daemon, too: then this command
 * looks for itself at what keeps it from running. */
#include "client.h"

#include "config.h"
#include "doctor_text.h"
#include "facts.h"
#include "host_check.h"
#include "json_of.h"
#include "ping_request.h"
#include "progress.h"

#include <dirent.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POLL_MS     50
#define PINGS       4
#define PING_GAP_S  0.4
#define LARGE       12 /* pings: that none is answered says something only if loss is not the reason */
#define LARGE_GAP_S 0.25
#define SETTLE_S    10 /* that a direct way may take to be found, or not */
#define TIMEOUT_S   5  /* of the daemon's answer */
#define HOSTS_MAX   8
#define ROUNDS      3 /* of pings, where a path has to be found dead first */

static const struct ov_synopsis synopsis = {
    .name = "doctor",
    .usage = "[PEER]",
    .about =
        "Say in plain words whether ovpn works here, what is in the way, and what to do: this\n"
        "computer, the way out, the router, and the way to PEER (an address, its IP in a\n"
        "network, or on the controller a member's name). Works without a daemon, too.\n"
        "Ends with 0 if it works, 1 if something has to be done, 3 if no daemon runs.",
    .examples = "doctor\ndoctor 10.147.17.5\ndoctor 8056c2e21c --json",
    .max_args = 1,
};

struct doctor {
    struct ov_client *client;
    struct ov_command_line line;
    struct ov_progress progress;
    const char *config, *peer;
    bool stopped; /* by Ctrl-C */
};

/* ---- without a daemon ---- */

static void look_up(struct doctor *d, const char *label, json_t *servers)
{
    struct ov_host host;
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *found = NULL;
    char why[OV_WHY_MAX] = "";
    int err;

    if (json_array_size(servers) >= HOSTS_MAX || ov_host_parse(label, &host) != OV_OK)
        return;
    ov_progress_say(&d->progress, "looking up %s", host.name);
    err = getaddrinfo(host.name, NULL, &hints, &found);
    if (err != 0)
        snprintf(why, sizeof why, "cannot find %.80s: %s", host.name, gai_strerror(err));
    else
        freeaddrinfo(found);
    json_array_append_new(servers, json_pack("{s:s,s:s,s:s}", "host", label, "state",
                                             err ? "failed" : "asking", "message",
                                             err ? why : "its name is known; nobody asks it now"));
}

/* The servers by which networks were joined, from the daemon's state, if we may read it. */
static void look_up_joined(struct doctor *d, json_t *servers)
{
    char dir[OV_PATH_MAX], path[OV_PATH_MAX], text[1024], why[OV_WHY_MAX], *save = NULL;
    struct dirent *e;
    size_t len;
    DIR *list;

    if (ov_path_join(dir, d->line.state, "hosts", why) != OV_OK || !(list = opendir(dir)))
        return;
    while ((e = readdir(list)) != NULL) {
        if (e->d_name[0] == '.' || ov_path_join(path, dir, e->d_name, why) != OV_OK ||
            ov_file_read(path, text, sizeof text, &len, why) != OV_OK)
            continue;
        for (char *w = strtok_r(text, "\n", &save); w; w = strtok_r(NULL, "\n", &save))
            look_up(d, w, servers);
    }
    closedir(list);
}

/* How to start the daemon that was asked for; systemd knows only the usual one. */
static void how_to_start(const struct doctor *d, json_t *host)
{
    char text[2 * OV_PATH_MAX + 64] = "sudo ovpn service";
    size_t len = strlen(text);

    if (strcmp(d->line.state, OV_STATE_DIR) != 0) {
        len += (size_t)snprintf(text + len, sizeof text - len, " -H %.*s", OV_PATH_MAX - 1,
                                d->line.state);
        json_object_set_new(host, "unit", json_false());
    }
    if (d->config)
        snprintf(text + len, sizeof text - len, " -c %.*s", OV_PATH_MAX - 1, d->config);
    json_object_set_new(host, "start", ov_json_of_text(text));
}

/* What the daemon would say, as far as it can be seen from outside. */
static json_t *alone(struct doctor *d, const char *daemon)
{
    struct ov_settings *s = calloc(1, sizeof *s);
    json_t *host = ov_host_check(), *servers = json_array(), *report;
    char why[OV_WHY_MAX] = "", label[OV_HOST_LABEL];
    int err;

    if (!s)
        abort();
    ov_config_defaults(s);
    err = ov_config_read(d->config ? d->config : OV_CONFIG_PATH, s, why);
    json_object_set_new(host, "config_hidden", json_boolean(err == OV_EPERM));
    if (err == OV_EPERM || (err == OV_ENOENT && !d->config))
        err = OV_OK; /* not for us to read; the defaults do */
    for (size_t i = 0; err == OV_OK && i < s->nroots; i++)
        look_up(d, ov_host_format(&s->roots[i], label), servers);
    look_up_joined(d, servers);
    free(s);
    json_object_set_new(host, "daemon", json_string(daemon));
    json_object_set_new(host, "config_error", err == OV_OK ? json_null() : json_string(why));
    json_object_set_new(host, "state_error",
                        strcmp(daemon, "stopped") == 0 && ov_host_state(d->line.state, why)
                            ? ov_json_of_text(why)
                            : json_null());
    how_to_start(d, host);
    report = json_pack("{s:o,s:n,s:[],s:o,s:[],s:s?,s:b,s:b,s:n,s:n,s:n}", "host", host, "status",
                       "networks", "servers", servers, "relayed", "asked", d->peer, "self", false,
                       "member", false, "peer", "ping", "full_ping");
    if (!report)
        abort();
    ov_facts_judge(report);
    return report;
}

/* ---- with one ---- */

/* Ask for a ping; NULL: a member of the group ovpn may not. */
static char *ask(struct doctor *d, bool full)
{
    json_t *answer = NULL;
    char *id = NULL;

    if (ov_ping_request(d->client, &d->progress, d->peer, full, &answer) == OV_EXIT_OK) {
        id = strdup(ov_json_text(answer, "id", ""));
        if (!id)
            abort();
    }
    json_decref(answer);
    return id;
}

enum state { PENDING, ANSWERED, LOST };

static enum state state_of(struct doctor *d, const char *id)
{
    json_t *answer = NULL;
    enum state s = LOST;

    if (ov_client_get(d->client, ov_client_path("pings", id), &answer) == OV_EXIT_OK) {
        const char *text = ov_json_text(answer, "state", "");
        s = strcmp(text, "pending") == 0    ? PENDING
            : strcmp(text, "answered") == 0 ? ANSWERED
                                            : LOST;
    }
    json_decref(answer);
    return s;
}

/* True when one was answered: on a bad line some are lost, so a few are sent, one after the other,
 * until one is. */
static bool ping(struct doctor *d, bool full)
{
    char *id[LARGE] = {NULL};
    const size_t most = full ? LARGE : PINGS;
    size_t n = 0, pending = 1;
    bool answered = false;
    double next = 0;

    while (pending > 0 && !answered && !d->stopped) {
        if (n < most && ov_progress_clock() >= next) {
            id[n] = ask(d, full);
            if (!id[n])
                break;
            n++;
            next = ov_progress_clock() + (full ? LARGE_GAP_S : PING_GAP_S);
        }
        ov_progress_say(&d->progress, "waiting for an answer from %s", d->peer);
        pending = most - n;
        for (size_t i = 0; i < n && !answered; i++) {
            enum state s = state_of(d, id[i]);
            answered = s == ANSWERED;
            pending += s == PENDING;
        }
        if (pending > 0 && !answered)
            d->stopped = !ov_progress_wait(&d->progress, POLL_MS);
    }
    while (n > 0)
        free(id[--n]);
    return answered;
}

static bool is_direct(const struct doctor *d)
{
    json_t *report = NULL;
    bool direct =
        ov_client_get(d->client, ov_client_path("doctor", d->peer), &report) == OV_EXIT_OK &&
        strcmp(ov_json_text(json_object_get(report, "peer"), "path", ""), "direct") == 0;

    json_decref(report);
    return direct;
}

/* A direct path that nobody used for a while may be dead; a ping finds that out, and the next ones
 * go by relay. */
static bool reached(struct doctor *d)
{
    bool direct = is_direct(d), again = true;

    for (int i = 0; i < ROUNDS && again && !d->stopped; i++) {
        if (ping(d, false))
            return true;
        again = direct;
        direct = is_direct(d);
    }
    return false;
}

/* Does this computer reach its servers by UDP? Without it there is no direct way to wait for. */
static bool has_udp(const json_t *status)
{
    const json_t *roots = json_object_get(status, "roots");

    if (json_is_false(json_object_get(json_object_get(status, "nat"), "udp")))
        return false;
    for (size_t i = 0; i < json_array_size(roots); i++)
        if (json_is_object(json_object_get(json_array_get(roots, i), "link")))
            return false;
    return true;
}

static bool is_settled(const json_t *report)
{
    static const char *const GOES_ON[] = {"trying", "idle", "no_answer", "failed"};
    const json_t *peer = json_object_get(report, "peer");
    const char *why = ov_json_text(json_object_get(peer, "why"), "code", "");

    if (strcmp(ov_json_text(peer, "path", ""), "relay") != 0 ||
        !has_udp(json_object_get(report, "status")))
        return true;
    for (size_t i = 0; i < sizeof GOES_ON / sizeof *GOES_ON; i++)
        if (strcmp(why, GOES_ON[i]) == 0)
            return false; /* another round may do it */
    return true;
}

/* A new peer is relayed for the first moments: wait until it is clear whether it stays so. Pings
 * are the traffic without which no direct way is looked for. */
static void settle(struct doctor *d)
{
    double until = ov_progress_clock() + SETTLE_S, next = ov_progress_clock() + 1;
    json_t *report = NULL;

    while (!d->stopped && ov_progress_clock() < until &&
           ov_client_get(d->client, ov_client_path("doctor", d->peer), &report) == OV_EXIT_OK) {
        bool done = is_settled(report);
        json_decref(report);
        report = NULL;
        if (done)
            return;
        if (ov_progress_clock() >= next) {
            ping(d, false);
            next = ov_progress_clock() + 1;
        }
        ov_progress_say(&d->progress, "looking for a direct way to %s", d->peer);
        d->stopped = !ov_progress_wait(&d->progress, 4 * POLL_MS);
    }
}

static int examine(struct doctor *d, json_t **report)
{
    const char *failure;
    int code;

    if (d->peer && reached(d)) {
        settle(d);
        if (!d->stopped)
            ping(d, true);
    }
    code = ov_client_get(d->client, ov_client_path("doctor", d->peer), report);
    if (code == OV_EXIT_OK)
        return code;
    failure = ov_client_failure(d->client);
    if (strcmp(failure, "forbidden") != 0 && strcmp(failure, "timeout") != 0 &&
        code != OV_EXIT_NO_DAEMON) {
        ov_client_blame(d->client);
        return code;
    }
    *report = alone(d, strcmp(failure, "forbidden") == 0 ? "forbidden"
                       : strcmp(failure, "timeout") == 0 ? "silent"
                                                         : "stopped");
    return code;
}

/* Has the terminal check marks? */
static bool is_utf8(void)
{
    const char *locale = getenv("LC_ALL");

    if (!locale || !*locale)
        locale = getenv("LC_CTYPE");
    if (!locale || !*locale)
        locale = getenv("LANG");
    return locale && (strcasestr(locale, "UTF-8") || strcasestr(locale, "utf8"));
}

int ov_cmd_doctor(int argc, char **argv)
{
    struct doctor d = {0};
    json_t *report = NULL;
    const struct ov_option options[] = {
        {"config", 'c', OV_OPTION_TEXT, &d.config, "FILE",
         "the daemon's settings, instead of " OV_CONFIG_PATH},
    };
    int code = ov_options_parse(&synopsis, options, 1, argc, argv, &d.line);

    if (code != OV_GO_ON)
        return code;
    code = ov_client_open(&d.line, &d.client);
    if (code != OV_EXIT_OK)
        return code;
    ov_client_quiet(d.client, TIMEOUT_S);
    d.peer = d.line.nargs ? d.line.args[0] : NULL;
    ov_progress_begin(&d.progress, d.line.json);
    code = examine(&d, &report);
    ov_progress_end(&d.progress);
    if (report && d.line.json)
        ov_json_print(report);
    else if (report)
        ov_doctor_print(report, is_utf8(), (double)time(NULL), stdout);
    if (code == OV_EXIT_OK && strcmp(ov_json_text(report, "outcome", ""), "broken") == 0)
        code = OV_EXIT_FAILED;
    json_decref(report);
    ov_client_close(d.client);
    return code;
}
