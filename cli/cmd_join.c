/* join: ask the daemon to join, then watch the network's state until it is decided.
 *
 * The daemon goes on whatever happens here: Ctrl-C, a timeout or a closed terminal only end the
 * watching. The states come from polling: connecting -> asking -> waiting -> ready, or refused. */
#include "client.h"

#include "progress.h"
#include "target.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

#define POLL_MS    200
#define PATIENCE_S 3 /* a server that answers knows its controllers by then */

static const struct ov_synopsis synopsis = {
    .name = "join",
    .usage = "NETID[@HOST[:PORT]] | INVITE",
    .about = "Join a network, and wait until its owner has admitted this computer.\n\n"
             "NETID is the network's id, 16 hex digits. HOST is the server that knows it, needed\n"
             "the first time unless the configuration names a root. An INVITE, ovpn1..., has all\n"
             "of it in one line and is admitted at once.\n\n"
             "Ctrl-C only stops the waiting: the join stays, also over a reboot.",
    .examples = "join 8056c2e21c000001@vpn.example.org\njoin ovpn1qkaiblrov2...\n"
                "join 8056c2e21c000001 --timeout 30s",
    .min_args = 1,
    .max_args = -1, /* an invite may have been broken into pieces on its way */
    .missing = "which network? Give its id, or the invite you got",
};

struct join {
    struct ov_client *client;
    struct ov_command_line line;
    struct ov_progress progress;
    struct ov_target target;
    char netid[OV_NETID_TEXT], text[OV_TARGET_TEXT]; /* text: what was typed */
    double began, timeout;
    double answered; /* when a server was first seen to have answered; 0: none has */
    bool told;       /* the owner's line has been printed */
    bool doubted;    /* and this, that nobody knows the controller */
};

/* An invite is a password until it is used, and everybody sees the argument lists of processes. */
static void hide_invite(struct join *j)
{
    for (int i = 0; j->target.is_invite && i < j->line.nargs; i++)
        memset(j->line.args[i], '*', strlen(j->line.args[i]));
}

static json_t *request(const struct join *j)
{
    char host[OV_HOST_TEXT + 16];

    if (j->target.is_invite)
        return json_pack("{s:s}", "invite", j->text);
    if (!j->target.has_host)
        return json_pack("{s:s}", "netid", j->netid);
    snprintf(host, sizeof host, strchr(j->target.host.name, ':') ? "[%s]:%u" : "%s:%u",
             j->target.host.name, j->target.host.port);
    return json_pack("{s:s,s:[s]}", "netid", j->netid, "hosts", host);
}

/* The line that the owner must type, printed once. It is no progress: pipes get it too. */
static void tell_owner(struct join *j)
{
    json_t *status = NULL;
    const char *address;

    if (j->told || j->line.json)
        return;
    j->told = true;
    ov_progress_clear(&j->progress);
    if (ov_client_get(j->client, ov_client_path("status"), &status) != OV_EXIT_OK)
        return;
    address = ov_json_text(status, "address", "ADDRESS");
    if (strncmp(j->netid, address, strlen(address)) == 0)
        printf("This computer is the network's controller, but no member yet. Admit it:\n\n");
    else
        printf(
            "The owner of the network must admit this computer. Send them this line to type:\n\n");
    printf("    ovpn net authorize %s %s\n\n", j->netid, address);
    fflush(stdout);
    json_decref(status);
}

/* A server has answered, and the controller is still looked for: the id may be mistyped. */
static void doubt(struct join *j, const json_t *net)
{
    double now = ov_progress_clock();

    if (j->answered <= 0)
        j->answered = now;
    if (j->doubted || now - j->answered < PATIENCE_S)
        return;
    j->doubted = true;
    ov_progress_clear(&j->progress);
    ov_complain(ov_json_text(net, "message", ""), "waiting on, in case it comes; Ctrl-C ends that");
}

/* What is going on before an answer, from how far each server that is asked has come. */
static void show_asking(struct join *j, const json_t *net, const char *waited)
{
    const json_t *hosts = json_object_get(net, "hosts");
    const char *state, *host = NULL, *trouble = NULL, *what = "looking for";
    bool answered = false;
    size_t i;
    json_t *h;

    json_array_foreach(hosts, i, h)
    {
        state = ov_json_text(h, "state", "");
        answered |= strcmp(state, "answered") == 0;
        if (strcmp(state, "failed") == 0) {
            trouble = ov_json_text(h, "message", "did not answer");
            host = host ? host : ov_json_text(h, "host", "");
        } else if (strcmp(state, "answered") != 0) {
            what = strcmp(state, "resolving") == 0 ? "looking up" : "asking";
            host = ov_json_text(h, "host", "");
            trouble = NULL;
            break;
        }
    }
    if (answered)
        doubt(j, net);
    if (host && trouble)
        ov_progress_say(&j->progress, "%s: %s; trying on (%s)", host, trouble, waited);
    else if (host)
        ov_progress_say(&j->progress, "%s %s (%s)", what, host, waited);
    else
        ov_progress_say(&j->progress, "looking for the network's controller %.10s (%s)", j->netid,
                        waited);
}

static void show(struct join *j, const json_t *net)
{
    const char *state = ov_json_text(net, "state", "");
    char waited[OV_TEXT_UNIT];

    ov_text_duration(ov_progress_clock() - j->began, waited);
    if (strcmp(state, "waiting") == 0) {
        tell_owner(j);
        ov_progress_say(&j->progress,
                        "waiting for admission, %s; Ctrl-C stops waiting, the join stays", waited);
    } else if (strcmp(state, "asking") == 0) {
        ov_progress_say(&j->progress, "controller %s known, asking it to let us in (%s)",
                        ov_json_text(json_object_get(net, "controller"), "address", j->netid),
                        waited);
    } else if (strcmp(state, "ready") == 0) {
        ov_progress_say(&j->progress, "admitted, setting up the device (%s)", waited);
    } else {
        show_asking(j, net, waited);
    }
}

/* An address without its prefix length: 10.147.17.5/24 -> 10.147.17.5. */
static void print_joined(const json_t *net, const char *netid)
{
    const char *name = ov_json_text(net, "name", "");
    const char *first = json_string_value(json_array_get(json_object_get(net, "addresses"), 0));
    char *clean = ov_text_clean(*name ? name : netid, false);

    printf("joined %s", clean);
    if (first)
        printf(" as %.*s", (int)strcspn(first, "/"), first);
    printf(" on %s\n", ov_json_text(net, "device", "no device"));
    free(clean);
}

/* True when there is nothing more to wait for; *code is then the exit code. */
static bool decided(struct join *j, const json_t *net, int *code)
{
    const char *state = ov_json_text(net, "state", ""), *problem, *device;

    if (strcmp(state, "refused") == 0) {
        ov_progress_clear(&j->progress);
        ov_complain(ov_json_text(net, "message", "the controller refused this computer"), NULL);
        *code = OV_EXIT_FAILED;
        return true;
    }
    if (strcmp(state, "ready") != 0)
        return false;
    problem = ov_json_text(net, "device_problem", NULL);
    device = ov_json_text(net, "device", NULL);
    if (!problem && !device)
        return false; /* the device is being made */
    ov_progress_clear(&j->progress);
    if (device && !j->line.json)
        print_joined(net, j->netid);
    if (problem)
        ov_complain(device ? "not all that the network wants is set up"
                           : "admitted, but this computer has no network device for it",
                    problem);
    *code = device ? OV_EXIT_OK : OV_EXIT_FAILED;
    return true;
}

/* Not decided, and nobody waits any more. */
static void print_undecided(struct join *j, const json_t *net)
{
    const char *message = ov_json_text(net, "message", NULL);
    bool waiting = strcmp(ov_json_text(net, "state", ""), "waiting") == 0;

    ov_progress_clear(&j->progress);
    if (waiting)
        tell_owner(j);
    ov_complain(waiting   ? "not admitted yet"
                : message ? message
                          : "the network's controller did not answer yet",
                "the join stays, and goes on by itself: ovpn networks shows how far it is");
}

static int watch(struct join *j, json_t **net)
{
    int code = OV_EXIT_FAILED;

    for (;;) {
        json_t *next = NULL;
        if (decided(j, *net, &code))
            return code;
        show(j, *net);
        if ((j->timeout >= 0 && ov_progress_clock() - j->began >= j->timeout) ||
            !ov_progress_wait(&j->progress, POLL_MS)) {
            print_undecided(j, *net);
            return OV_EXIT_FAILED;
        }
        code = ov_client_get(j->client, ov_client_path("networks", j->netid), &next);
        if (code != OV_EXIT_OK)
            return code;
        json_decref(*net);
        *net = next;
    }
}

static void print_not_waiting(const struct join *j)
{
    printf("asked to join %s; \"ovpn networks\" shows how far it is\n", j->netid);
}

/* What is to be joined, from the words of the command line. OV_GO_ON or the exit code. */
static int find_target(struct join *j)
{
    struct ov_target first;
    char why[OV_TARGET_WHY], ignored[OV_TARGET_WHY];

    ov_target_gather(j->line.nargs, j->line.args, j->text);
    if (ov_target_parse(j->text, &j->target, why) == OV_OK)
        return OV_GO_ON;
    if (j->line.nargs > 1 && (!ov_invite_looks_like(j->text) ||
                              ov_target_parse(j->line.args[0], &first, ignored) == OV_OK))
        return ov_usage_error(&synopsis, "\"%s\" is one argument too many", j->line.args[1]);
    ov_complain(why, NULL);
    return OV_EXIT_USAGE;
}

int ov_cmd_join(int argc, char **argv)
{
    struct join j = {.timeout = -1};
    bool no_wait = false, member; /* it was one before */
    const struct ov_option options[] = {
        {"no-wait", 0, OV_OPTION_FLAG, &no_wait, NULL, "only ask, do not wait for the answer"},
        {"timeout", 't', OV_OPTION_SECONDS, &j.timeout, "TIME",
         "wait at most so long: 30s, 5m (default: for ever)"},
    };
    json_t *net = NULL;
    long status = 0;
    int code = ov_options_parse(&synopsis, options, 2, argc, argv, &j.line);

    if (code == OV_GO_ON)
        code = find_target(&j);
    if (code != OV_GO_ON) {
        ov_wipe(j.text, sizeof j.text);
        return code;
    }
    hide_invite(&j);
    ov_netid_format(j.target.netid, j.netid);
    code = ov_client_open(&j.line, &j.client);
    if (code != OV_EXIT_OK)
        return code;

    ov_progress_begin(&j.progress, j.line.json);
    j.began = ov_progress_clock();
    code = ov_client_call(j.client, "POST", ov_client_path("networks"), request(&j), &net, &status);
    member =
        code == OV_EXIT_OK && status == 200 && strcmp(ov_json_text(net, "state", ""), "ready") == 0;
    if (code == OV_EXIT_OK && !no_wait)
        code = watch(&j, &net);
    else if (code == OV_EXIT_OK && !j.line.json)
        print_not_waiting(&j);
    ov_progress_end(&j.progress);
    if (member && j.target.is_invite && !j.line.json)
        printf(
            "this computer was a member already: the invite is not used, and good for another\n");
    if (net && j.line.json)
        ov_json_print(net);
    json_decref(net);
    ov_client_close(j.client);
    ov_wipe(j.text, sizeof j.text);
    return code;
}
