/* ping: the round trip to a peer, measured by the daemons inside their session: neither the peer's
 * firewall nor its IP settings have a say in it. */
#include "client.h"

#include "ping_request.h"
#include "progress.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

#define POLL_MS 20
#define TRIES   4 /* how many pings when -c is not given */

static const struct ov_synopsis synopsis = {
    .name = "ping",
    .usage = "PEER",
    .about =
        "Measure the round trip to a peer, connecting to it first if need be, and say whether\n"
        "it is DIRECT or by RELAY. PEER is a node's address or its IP address in a\n"
        "network; on the controller, a member's name too. Succeeds if one answer came.",
    .examples = "ping 10.147.17.5\nping 8056c2e21c -c 20 -i 0.2",
    .min_args = 1,
    .max_args = 1,
    .missing = "whom? Give a node's address, its IP in a network, or a member's name",
};

struct ping {
    struct ov_client *client;
    struct ov_command_line line;
    struct ov_progress progress;
    const char *peer;
    double least, most, sum;
    unsigned sent, answered, relayed;
    json_t *all; /* for --json */
};

static void count(struct ping *p, const json_t *answer)
{
    double rtt = ov_json_number(answer, "rtt_ms", 0);

    if (p->answered == 0 || rtt < p->least)
        p->least = rtt;
    if (rtt > p->most)
        p->most = rtt;
    p->sum += rtt;
    p->answered++;
    if (strcmp(ov_json_text(answer, "path", ""), "relay") == 0)
        p->relayed++;
}

static void print_answer(struct ping *p, const json_t *answer)
{
    bool relay = strcmp(ov_json_text(answer, "path", ""), "relay") == 0;
    const char *remote = ov_json_text(answer, "remote", NULL);
    char unit[OV_TEXT_UNIT];

    ov_progress_clear(&p->progress);
    if (strcmp(ov_json_text(answer, "state", ""), "answered") != 0) {
        printf("no answer from %s\n", ov_json_text(answer, "address", p->peer));
    } else {
        printf("answer %u from %s: %s %s%s%s\n", p->sent, ov_json_text(answer, "address", p->peer),
               ov_text_ms(ov_json_number(answer, "rtt_ms", 0), unit), relay ? "RELAY" : "DIRECT",
               remote ? " " : "", remote ? remote : "");
    }
    fflush(stdout);
}

/* One ping from its question to its answer. *go_on is false after Ctrl-C. */
static int once(struct ping *p, bool *go_on)
{
    json_t *answer = NULL;
    char id[OV_TEXT_UNIT];
    double began = ov_progress_clock();
    int code = ov_ping_request(p->client, &p->progress, p->peer, false, &answer);

    if (code != OV_EXIT_OK)
        return code;
    p->sent++;
    if (json_is_string(json_object_get(answer, "id")))
        snprintf(id, sizeof id, "%s", ov_json_text(answer, "id", ""));
    else
        snprintf(id, sizeof id, "%.0f", ov_json_number(answer, "id", 0));
    do {
        json_decref(answer);
        answer = NULL;
        code = ov_client_get(p->client, ov_client_path("pings", id), &answer);
        if (code != OV_EXIT_OK || strcmp(ov_json_text(answer, "state", ""), "pending") != 0)
            break;
        if (ov_progress_clock() - began > 0.3)
            ov_progress_say(&p->progress, "waiting for an answer from %s", p->peer);
    } while ((*go_on = ov_progress_wait(&p->progress, POLL_MS)));

    if (code == OV_EXIT_OK && strcmp(ov_json_text(answer, "state", ""), "answered") == 0)
        count(p, answer);
    if (!*go_on)
        p->sent--; /* nobody waited for its answer */
    else if (code == OV_EXIT_OK && !p->line.json)
        print_answer(p, answer);
    if (code == OV_EXIT_OK && *go_on && p->line.json)
        json_array_append(p->all, answer);
    json_decref(answer);
    return code;
}

/* Is there a server that could tell where a peer is? A root knows by itself. */
static bool is_helpless(const struct ping *p)
{
    json_t *status = NULL, *v;
    bool helped = false;
    size_t i;

    if (ov_client_get(p->client, ov_client_path("status"), &status) != OV_EXIT_OK)
        return false;
    json_array_foreach(json_object_get(status, "roots"), i, v)
    {
        helped = helped || ov_json_flag(v, "online");
    }
    json_array_foreach(json_object_get(status, "roles"), i, v)
    {
        helped = helped || strcmp(json_string_value(v) ? json_string_value(v) : "", "root") == 0;
    }
    json_decref(status);
    return !helped;
}

static void print_summary(const struct ping *p)
{
    char least[OV_TEXT_UNIT], mean[OV_TEXT_UNIT], most[OV_TEXT_UNIT], loss[OV_TEXT_UNIT];

    printf("\n%u sent, %u answered, %s lost", p->sent, p->answered,
           ov_text_percent(1 - (double)p->answered / p->sent, loss));
    if (p->answered)
        printf("; round trip %s least, %s mean, %s most; %s\n", ov_text_ms(p->least, least),
               ov_text_ms(p->sum / p->answered, mean), ov_text_ms(p->most, most),
               p->relayed == 0             ? "DIRECT"
               : p->relayed == p->answered ? "RELAY"
                                           : "partly by RELAY");
    else if (is_helpless(p))
        printf("\nNo server answers, so a peer that is not connected now cannot be found: ovpn "
               "doctor\n");
    else
        printf("\nIs the other computer on, and its ovpn running? \"ovpn peers\" shows when it was "
               "last connected.\n");
}

static void print_json(const struct ping *p)
{
    json_t *out = json_pack("{s:i,s:i,s:O}", "sent", (int)p->sent, "answered", (int)p->answered,
                            "pings", p->all);

    ov_json_print(out);
    json_decref(out);
}

int ov_cmd_ping(int argc, char **argv)
{
    struct ping p = {0};
    uint64_t tries = TRIES;
    double interval = 1;
    bool go_on = true;
    const struct ov_option options[] = {
        {"count", 'c', OV_OPTION_NUMBER, &tries, "N", "how many (default 4; 0: until Ctrl-C)"},
        {"interval", 'i', OV_OPTION_SECONDS, &interval, "TIME",
         "from one to the next (default 1s)"},
    };
    int code = ov_options_parse(&synopsis, options, 2, argc, argv, &p.line);

    if (code != OV_GO_ON)
        return code;
    code = ov_client_open(&p.line, &p.client);
    if (code != OV_EXIT_OK)
        return code;
    p.peer = p.line.args[0];
    p.all = json_array();
    ov_progress_begin(&p.progress, p.line.json);
    while (code == OV_EXIT_OK && go_on && (tries == 0 || p.sent < tries)) {
        if (p.sent > 0)
            go_on = ov_progress_wait(&p.progress, (uint64_t)(interval * 1000));
        if (go_on)
            code = once(&p, &go_on);
    }
    ov_progress_end(&p.progress);
    if (code == OV_EXIT_OK && p.sent && p.line.json)
        print_json(&p);
    else if (code == OV_EXIT_OK && p.sent)
        print_summary(&p);
    if (code == OV_EXIT_OK && p.answered == 0)
        code = OV_EXIT_FAILED;
    json_decref(p.all);
    ov_client_close(p.client);
    return code;
}
