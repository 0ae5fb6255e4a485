#include "doctor_text.h"

#include "client.h"
#include "nat_words.h"
#include "odd_port.h"
#include "text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define LABEL 16 /* columns of a line's label */
#define WIDTH 78

enum mark { GOOD, NOTE, BAD, PLAIN };

struct page {
    FILE *to;
    bool utf8;
    double now;
};

static void section(const struct page *p, const char *title)
{
    fprintf(p->to, "%s\n", title);
}

/* Text that is broken at blanks before WIDTH, its further lines indented. */
static void wrap(const struct page *p, const char *text, size_t indent)
{
    char *clean = ov_text_clean(text, false), *save = NULL;
    size_t column = indent;
    for (char *w = strtok_r(clean, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save)) {
        size_t len = ov_text_width(w);
        if (column > indent && column + 1 + len > WIDTH) {
            fprintf(p->to, "\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            fputc(' ', p->to);
            column++;
        }
        fputs(w, p->to);
        column += len;
    }
    fputc('\n', p->to);
    free(clean);
}

__attribute__((format(printf, 4, 5))) static void line(const struct page *p, enum mark m,
                                                       const char *label, const char *fmt, ...)
{
    static const char *const MARKS[2][4] = {{"+", "!", "x", " "}, {"\u2713", "!", "\u2717", " "}};
    char text[1024], *clean = ov_text_clean(label, false);
    size_t width = ov_text_width(clean);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fprintf(p->to, "  %s %s%*s ", MARKS[p->utf8][m], clean,
            (int)(width < LABEL ? LABEL - width : 0), "");
    wrap(p, text, 4 + LABEL + 1);
    free(clean);
}

static bool is(const json_t *o, const char *key, const char *word)
{
    return strcmp(ov_json_text(o, key, ""), word) == 0;
}

static bool no(const json_t *o, const char *key)
{
    return json_is_false(json_object_get(o, key));
}

static bool is_root(const json_t *status)
{
    const json_t *role;
    size_t i;
    json_array_foreach(json_object_get(status, "roles"), i, role)
    {
        if (strcmp(json_string_value(role), "root") == 0)
            return true;
    }
    return false;
}

/* ---- this computer ---- */

static void print_daemon(const struct page *p, const json_t *host, const json_t *status)
{
    char up[OV_TEXT_UNIT];
    const char *error = ov_json_text(host, "config_error", "");
    const char *state = ov_json_text(host, "state_error", "");
    if (is(host, "daemon", "running"))
        line(p, GOOD, "daemon", "runs for %s: node %s, ovpn %s",
             ov_text_duration(ov_json_number(status, "uptime_s", 0), up),
             ov_json_text(status, "address", "?"), ov_json_text(status, "version", "?"));
    else if (is(host, "daemon", "forbidden"))
        line(p, BAD, "daemon", "you may not ask it");
    else if (is(host, "daemon", "silent"))
        line(p, BAD, "daemon", "is there, but does not answer");
    else
        line(p, BAD, "daemon", "does not run");
    if (*error)
        line(p, BAD, "settings", "%s", error);
    if (json_is_true(json_object_get(host, "config_hidden")))
        line(p, NOTE, "settings", "you may not read them; with sudo they are looked at, too");
    if (*state)
        line(p, BAD, "state", "%s", state);
    if (no(host, "tun"))
        line(p, BAD, "network device", "this computer has no /dev/net/tun");
    if (no(host, "route"))
        line(p, NOTE, "Internet", "no default route: no network is connected");
    if (ov_json_flag(host, "send_denied"))
        line(p, NOTE, "firewall here", "it forbids ovpn to send");
}

static void print_network(const struct page *p, const json_t *n)
{
    const char *name = ov_json_text(n, "name", ""),
               *problem = ov_json_text(n, "device_problem", "");
    const char *label = *name ? name : ov_json_text(n, "netid", "?");
    char *ips = ov_json_join(json_object_get(n, "addresses"), NULL, ", ");
    const char *message = ov_json_text(n, "message", "");
    if (*problem)
        line(p, is(n, "device", "") || json_array_size(json_object_get(n, "left_out")) ? BAD : NOTE,
             label, "%s", problem);
    else if (is(n, "state", "ready"))
        line(p, no(json_object_get(n, "controller"), "online") ? NOTE : GOOD, label,
             "%s on %s, MTU %.0f%s", *ips ? ips : "no address",
             ov_json_text(n, "device", "no device"), ov_json_number(n, "mtu", 0),
             no(json_object_get(n, "controller"), "online") ? "; its controller does not answer"
                                                            : "");
    else
        line(p, is(n, "state", "refused") ? BAD : NOTE, label, "%s",
             *message ? message : ov_json_text(n, "state", "?"));
    free(ips);
}

static void print_host(const struct page *p, const json_t *report)
{
    const json_t *nets = json_object_get(report, "networks");
    const json_t *status = json_object_get(report, "status");
    char *roles = ov_json_join(json_object_get(status, "roles"), NULL, " and ");
    section(p, "This computer");
    print_daemon(p, json_object_get(report, "host"), status);
    for (size_t i = 0; i < json_array_size(nets); i++)
        print_network(p, json_array_get(nets, i));
    if (json_is_object(json_object_get(status, "twin")))
        line(p, BAD, "identity", "another computer uses it, too, at %s",
             ov_json_text(json_object_get(status, "twin"), "at", "a relay"));
    if (json_is_object(status) && json_array_size(nets) == 0)
        line(p, *roles ? PLAIN : NOTE, "networks", "none is joined");
    if (*roles)
        line(p, GOOD, "server", "this computer is one: %s", roles);
    free(roles);
}

/* ---- the way out ---- */

static void print_root(const struct page *p, const json_t *r)
{
    const json_t *link = json_object_get(r, "link");
    const char *proxy = ov_json_text(link, "proxy", "");
    double rtt = ov_json_number(r, "rtt_ms", 0);
    char unit[OV_TEXT_UNIT];
    if (!ov_json_flag(r, "online")) {
        line(p, BAD, ov_json_text(r, "host", "?"), "%s", ov_json_text(r, "problem", "no answer"));
        return;
    }
    line(p, json_is_object(link) ? NOTE : GOOD, ov_json_text(r, "host", "?"),
         "answers by %s%s%s%s%s%s",
         !json_is_object(link)     ? "UDP"
         : is(link, "kind", "tls") ? "TLS"
                                   : "TCP",
         *proxy ? " through the proxy " : "", proxy, rtt > 0 ? ", in " : "",
         rtt > 0 ? ov_text_ms(rtt, unit) : "",
         ov_json_flag(r, "relay") ? "" : "; it does not relay");
}

static bool has_root(const json_t *roots, const char *host)
{
    for (size_t i = 0; i < json_array_size(roots); i++)
        if (is(json_array_get(roots, i), "host", host))
            return true;
    return false;
}

static void print_no_udp(const struct page *p, const json_t *roots)
{
    struct ov_host odd;
    if (ov_odd_port_find(roots, &odd))
        line(p, NOTE, "UDP", "%s does not answer by it on port %u: is the port right?", odd.name,
             odd.port);
    else
        line(p, NOTE, "UDP", "is blocked here, as far as can be seen");
}

static void print_way(const struct page *p, const json_t *report)
{
    const json_t *status = json_object_get(report, "status");
    const json_t *roots = json_object_get(status, "roots");
    const json_t *servers = json_object_get(report, "servers");
    size_t shown = json_array_size(roots);
    if (shown + json_array_size(servers) == 0 && (!json_is_object(status) || is_root(status)))
        return;
    section(p, "The way out");
    for (size_t i = 0; i < json_array_size(roots); i++)
        print_root(p, json_array_get(roots, i));
    for (size_t i = 0; i < json_array_size(servers); i++) {
        const json_t *s = json_array_get(servers, i);
        const char *message = ov_json_text(s, "message", "");
        if (has_root(roots, ov_json_text(s, "host", "")))
            continue;
        shown++;
        line(p,
             is(s, "state", "failed")     ? BAD
             : is(s, "state", "answered") ? GOOD
                                          : PLAIN,
             ov_json_text(s, "host", "?"), "%s",
             *message ? message : ov_json_text(s, "state", "?"));
    }
    if (shown == 0)
        line(p, NOTE, "servers", "none is known");
    if (no(json_object_get(status, "nat"), "udp"))
        print_no_udp(p, roots);
}

/* ---- the router ---- */

static void nat_words(const json_t *nat, char *out, size_t size)
{
    if (is(nat, "mapping", "unknown"))
        snprintf(out, size, "%s", ov_nat_words(nat));
    else
        snprintf(out, size, "%s [%s mapping, %s filtering]", ov_nat_words(nat),
                 ov_json_text(nat, "mapping", "unknown"),
                 ov_json_text(nat, "filtering", "unknown"));
}

static void print_mapping(const struct page *p, const json_t *m)
{
    const char *state = ov_json_text(m, "state", "off");
    if (strcmp(state, "mapped") == 0)
        line(p, GOOD, "port", "%s, given by %s%s", ov_json_text(m, "external", "?"),
             ov_json_text(m, "protocol", "?"),
             ov_json_flag(m, "nat_outside") ? "; but another NAT is outside" : "");
    else if (strcmp(state, "none") == 0)
        line(p, PLAIN, "port", "none: %s", ov_json_text(m, "problem", "it gives none"));
    else if (strcmp(state, "asking") == 0)
        line(p, PLAIN, "port", "it is being asked for one");
    else if (strcmp(state, "off") == 0)
        line(p, PLAIN, "port", "not asked for: switched off in ovpn.conf");
    else if (strcmp(state, "no_router") == 0)
        line(p, PLAIN, "port", "none: there is no IPv4 router");
}

static void print_router(const struct page *p, const json_t *status)
{
    const json_t *nat = json_object_get(status, "nat");
    const char *seen = ov_json_text(nat, "seen_as", "");
    char words[256];
    if (!json_is_object(status) || json_array_size(json_object_get(status, "roots")) == 0)
        return;
    section(p, "Your router");
    nat_words(nat, words, sizeof words);
    if (no(nat, "nat"))
        line(p, GOOD, "NAT", "none: this computer has a public address");
    else if (is(nat, "mapping", "unknown"))
        line(p, PLAIN, "NAT", "%s", words);
    else
        line(p, is(nat, "mapping", "endpoint-independent") ? GOOD : NOTE, "NAT", "%s%s%s", words,
             *seen ? "; seen as " : "", seen);
    if (ov_json_number(nat, "dies_s", 0) > 0)
        line(p, NOTE, "",
             "it forgets connections that are silent for %.0f s, so ovpn keeps them alive more "
             "often",
             ov_json_number(nat, "dies_s", 0));
    if (ov_json_flag(nat, "narrow"))
        line(p, NOTE, "capacity", "it takes few connections or packets at once");
    print_mapping(p, json_object_get(status, "port_mapping"));
}

/* ---- the peer ---- */

static void print_path(const struct page *p, const json_t *peer)
{
    double rtt = ov_json_number(peer, "rtt_ms", 0), loss = ov_json_number(peer, "loss", 0);
    bool direct = is(peer, "path", "direct"), relay = is(peer, "path", "relay");
    char lasted[OV_TEXT_UNIT], unit[OV_TEXT_UNIT], lost[OV_TEXT_UNIT];
    if (!direct && !relay) {
        line(p, PLAIN, "way", "not connected now");
        return;
    }
    line(p, direct ? GOOD : NOTE, "way", "%s %s, for %s%s%s%s%s%s",
         direct ? "DIRECT to" : "RELAY by", ov_json_text(peer, direct ? "remote" : "via", "?"),
         ov_text_duration(p->now - ov_json_number(peer, "since", p->now), lasted),
         rtt > 0 ? ", " : "", rtt > 0 ? ov_text_ms(rtt, unit) : "", loss > 0 ? ", " : "",
         loss > 0 ? ov_text_percent(loss, lost) : "", loss > 0 ? " lost" : "");
}

static void print_tried(const struct page *p, const json_t *peer)
{
    const json_t *punch = json_object_get(peer, "punch"), *why = json_object_get(peer, "why");
    double attempts = ov_json_number(punch, "attempts", 0);
    char words[256];
    if (json_is_object(punch)) {
        nat_words(punch, words, sizeof words);
        line(p, PLAIN, "its router", "%s", words);
        if (attempts > 0)
            line(p, PLAIN, "was tried",
                 "%.0f round%s, and %.0f attempt%s with many ports (%s), %.0f packets: %s",
                 ov_json_number(punch, "rounds", 0),
                 ov_json_number(punch, "rounds", 0) == 1 ? "" : "s", attempts,
                 attempts == 1 ? "" : "s", ov_json_text(punch, "strategy", "?"),
                 ov_json_number(punch, "packets", 0), ov_json_text(punch, "result", "?"));
        else
            line(p, PLAIN, "was tried", "%.0f round%s", ov_json_number(punch, "rounds", 0),
                 ov_json_number(punch, "rounds", 0) == 1 ? "" : "s");
    }
    if (json_is_object(why))
        line(p, NOTE, "not direct", "%s", ov_json_text(why, "text", "?"));
}

static void print_peer(const struct page *p, const json_t *report)
{
    const json_t *peer = json_object_get(report, "peer"), *ping = json_object_get(report, "ping");
    const json_t *full = json_object_get(report, "full_ping");
    char title[160], unit[OV_TEXT_UNIT], *clean;
    const char *asked = ov_json_text(report, "asked", "");
    if (!*asked)
        return;
    snprintf(title, sizeof title, "The peer %.100s", asked);
    clean = ov_text_clean(title, false);
    section(p, clean);
    free(clean);
    if (is(ping, "state", "answered"))
        line(p, GOOD, "ping", "answered in %s",
             ov_text_ms(ov_json_number(ping, "rtt_ms", 0), unit));
    else if (is(ping, "state", "timeout"))
        line(p, BAD, "ping", "no answer");
    if (!json_is_object(peer)) {
        line(p, BAD, "way",
             is(json_object_get(report, "host"), "daemon", "running")
                 ? "not known here"
                 : "nobody looks after it without the daemon");
        return;
    }
    print_path(p, peer);
    if (is(peer, "path", "none"))
        return;
    print_tried(p, peer);
    if (is(full, "state", "timeout") && is(ping, "state", "answered"))
        line(p, BAD, "MTU", "large packets vanish on the way");
    else if (ov_json_number(peer, "mtu", 0) > 0)
        line(p, GOOD, "MTU", "%.0f bytes a packet proven", ov_json_number(peer, "mtu", 0));
}

static void print_relayed(const struct page *p, const json_t *report)
{
    const json_t *list = json_object_get(report, "relayed");
    if (json_array_size(list) == 0 || *ov_json_text(report, "asked", ""))
        return;
    section(p, "Peers that are reached through a relay");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *peer = json_array_get(list, i);
        line(p, NOTE, ov_json_text(peer, "address", "?"), "%s",
             ov_json_text(json_object_get(peer, "why"), "text", "the reason is not known"));
    }
}

void ov_doctor_print(const json_t *report, bool utf8, double now, FILE *to)
{
    const struct page p = {.to = to, .utf8 = utf8, .now = now};
    const json_t *advice = json_object_get(report, "advice");
    print_host(&p, report);
    print_way(&p, report);
    print_router(&p, json_object_get(report, "status"));
    print_peer(&p, report);
    print_relayed(&p, report);
    fputc('\n', to);
    wrap(&p, ov_json_text(report, "words", "?"), 0);
    if (json_array_size(advice) > 0)
        fputs("What to do:\n", to);
    for (size_t i = 0; i < json_array_size(advice); i++) {
        fputs("  - ", to);
        wrap(&p, json_string_value(json_array_get(advice, i)), 4);
    }
}
