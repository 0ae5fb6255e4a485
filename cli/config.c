/* Theory of operation: inih splits the text into (section, key, value) and calls us for each; it
 * does not tell lines, so it reads through next_line(), which counts them. One table has every key
 * with its parser. The first error is kept and the rest of the file is passed over. */
#include "config.h"

#include "text.h"

#include <ctype.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIG_MAX (64 * 1024)

typedef bool parse_fn(struct ov_settings *s, const char *value);

static bool parse_port_value(const char *v, uint16_t *out)
{
    uint64_t n;
    if (ov_text_number(v, UINT16_MAX, &n) != OV_OK || n == 0)
        return false;
    *out = (uint16_t)n;
    return true;
}

static bool parse_number(const char *v, uint32_t least, uint32_t most, uint32_t *out)
{
    uint64_t n;
    if (ov_text_number(v, most, &n) != OV_OK || n < least)
        return false;
    *out = (uint32_t)n;
    return true;
}

static bool parse_bool(const char *v, bool *out)
{
    static const char *const YES[] = {"yes", "true", "on", "1"}, *const NO[] = {"no", "false",
                                                                                "off", "0"};
    for (size_t i = 0; i < 4; i++) {
        if (strcmp(v, YES[i]) == 0 || strcmp(v, NO[i]) == 0) {
            *out = strcmp(v, YES[i]) == 0;
            return true;
        }
    }
    return false;
}

static bool parse_word(const char *v, char *out, size_t cap)
{
    size_t n = strlen(v);
    if (n == 0 || n >= cap)
        return false;
    for (size_t i = 0; i < n; i++)
        if (iscntrl((unsigned char)v[i]))
            return false;
    memcpy(out, v, n + 1);
    return true;
}

/* Add the comma-separated hosts of one line to a list. */
static bool parse_hosts(const char *v, struct ov_host *out, size_t *n, size_t cap)
{
    while (*v != '\0') {
        char one[OV_HOST_LABEL];
        v += strspn(v, " \t,");
        size_t len = strcspn(v, ", \t");
        if (len == 0)
            break;
        if (len >= sizeof(one) || *n == cap)
            return false;
        memcpy(one, v, len);
        one[len] = '\0';
        if (ov_host_parse(one, &out[*n]) != OV_OK)
            return false;
        (*n)++;
        v += len;
    }
    return true;
}

static bool set_port(struct ov_settings *s, const char *v)
{
    return parse_port_value(v, &s->port);
}

static bool set_bind(struct ov_settings *s, const char *v)
{
    return ov_ip_parse(v, &s->bind) == OV_OK;
}

static bool set_name(struct ov_settings *s, const char *v)
{
    return parse_word(v, s->name, sizeof(s->name));
}

/* An interface name as the kernel takes it; one %d at most, because it becomes a format there. */
static bool set_interface(struct ov_settings *s, const char *v)
{
    const char *percent = strchr(v, '%');
    if (strpbrk(v, "/ \t:") != NULL || strcmp(v, ".") == 0 || strcmp(v, "..") == 0)
        return false;
    if (percent != NULL && (percent[1] != 'd' || strchr(percent + 1, '%') != NULL))
        return false;
    return parse_word(v, s->interface, sizeof(s->interface));
}

static bool set_routes(struct ov_settings *s, const char *v)
{
    static const char *const WORDS[] = {
        [OV_CONSENT_PRIVATE] = "private", [OV_CONSENT_ALL] = "all", [OV_CONSENT_NONE] = "none"};
    for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++) {
        if (strcmp(v, WORDS[i]) == 0) {
            s->routes = (enum ov_consent)i;
            return true;
        }
    }
    return false;
}

static bool set_roots(struct ov_settings *s, const char *v)
{
    return parse_hosts(v, s->roots, &s->nroots, OV_ROOTS_MAX);
}

static bool set_offload(struct ov_settings *s, const char *v)
{
    return parse_bool(v, &s->offload);
}

static bool set_aes(struct ov_settings *s, const char *v)
{
    return parse_bool(v, &s->aes);
}

static bool set_portmap(struct ov_settings *s, const char *v)
{
    return parse_bool(v, &s->portmap);
}

static bool set_portmap_lease(struct ov_settings *s, const char *v)
{
    return parse_number(v, 8, 604800,
                        &s->portmap_lease_s); /* RFC 6887 and IGD:2 have a week at most */
}

static bool set_lan_discovery(struct ov_settings *s, const char *v)
{
    return parse_bool(v, &s->lan_discovery);
}

static bool set_priority(struct ov_settings *s, const char *v)
{
    if (strcmp(v, "realtime") != 0 && strcmp(v, "normal") != 0)
        return false;
    s->priority = v[0] == 'r';
    return true;
}

static bool set_sandbox(struct ov_settings *s, const char *v)
{
    return parse_bool(v, &s->sandbox);
}

/* The environment's convention lets both be left out; here that is a mistake. */
static bool has_scheme_and_port(const char *url)
{
    static const char SCHEME[] = "http://";
    if (strncasecmp(url, SCHEME, sizeof(SCHEME) - 1) != 0)
        return false;
    const char *at = strrchr(url, '@'), *host = at != NULL ? at + 1 : url + sizeof(SCHEME) - 1;
    const char *bracket = strchr(host, ']');
    return strchr(bracket != NULL ? bracket : host, ':') != NULL;
}

static bool set_proxy(struct ov_settings *s, const char *v)
{
    s->proxy_set = true;
    return strcmp(v, "none") == 0 ||
           (has_scheme_and_port(v) && ov_connect_parse(v, &s->proxy) == OV_OK);
}

static bool set_root(struct ov_settings *s, const char *v)
{
    return parse_bool(v, &s->root);
}

static bool set_root_port(struct ov_settings *s, const char *v)
{
    return parse_port_value(v, &s->root_port);
}

static bool set_tcp_ports(struct ov_settings *s, const char *v)
{
    s->tcp_ports_set = true;
    if (strcmp(v, "none") == 0)
        return true;
    while (*v != '\0') {
        char one[8];
        v += strspn(v, " \t,");
        size_t len = strcspn(v, ", \t");
        if (len == 0)
            break;
        if (len >= sizeof(one) || s->ntcp_ports == sizeof(s->tcp_ports) / sizeof(s->tcp_ports[0]))
            return false;
        memcpy(one, v, len);
        one[len] = '\0';
        if (!parse_port_value(one, &s->tcp_ports[s->ntcp_ports++]))
            return false;
        v += len;
    }
    return true;
}

static bool parse_rate(const char *v, uint32_t *out)
{
    return parse_number(v, 1, 1000000, out);
}

static bool set_relay(struct ov_settings *s, const char *v)
{
    return parse_bool(v, &s->relay);
}

static bool set_member_rate(struct ov_settings *s, const char *v)
{
    return parse_rate(v, &s->member_rate_mbit);
}

static bool set_relay_rate(struct ov_settings *s, const char *v)
{
    return parse_rate(v, &s->relay_rate_mbit);
}

static bool set_public(struct ov_settings *s, const char *v)
{
    return parse_hosts(v, s->public, &s->npublic, OV_INVITE_HOSTS_MAX);
}

static bool set_controller(struct ov_settings *s, const char *v)
{
    return parse_bool(v, &s->controller);
}

static bool set_database(struct ov_settings *s, const char *v)
{
    return v[0] == '/' && parse_word(v, s->database, sizeof(s->database));
}

static bool set_level(struct ov_settings *s, const char *v)
{
    static const char *const LEVELS[] = {"error", "warn", "info", "debug"};
    for (size_t i = 0; i < 4; i++) {
        if (strcmp(v, LEVELS[i]) == 0) {
            s->log_level = (enum ov_log_level)i;
            return true;
        }
    }
    return false;
}

static const struct key {
    const char *section, *name;
    parse_fn *parse;
    bool list; /* more lines add to it */
    const char *want;
} KEYS[] = {
    {"node", "port", set_port, false, "a UDP port, 1 to 65535"},
    {"node", "bind", set_bind, false, "an IP address of this machine"},
    {"node", "name", set_name, false, "a name of at most 63 letters"},
    {"node", "interface", set_interface, false,
     "an interface name of at most 15 letters, as ovpn%d"},
    {"node", "roots", set_roots, true, "at most 8 servers, as vpn.example.org:4793"},
    {"node", "routes", set_routes, false, "private, all or none"},
    {"node", "offload", set_offload, false, "yes or no"},
    {"node", "aes", set_aes, false, "yes or no"},
    {"node", "portmap", set_portmap, false, "yes or no"},
    {"node", "portmap_lease", set_portmap_lease, false, "seconds, 8 to 604800"},
    {"node", "lan_discovery", set_lan_discovery, false, "yes or no"},
    {"node", "priority", set_priority, false, "realtime or normal"},
    {"node", "sandbox", set_sandbox, false, "yes or no"},
    {"node", "relay", set_relay, false, "yes or no"},
    {"node", "relay_rate_mbit", set_member_rate, false, "megabits a second, 1 to 1000000"},
    {"node", "proxy", set_proxy, false, "none, or http://[USER:PASSWORD@]HOST:PORT"},
    {"root", "enabled", set_root, false, "yes or no"},
    {"root", "port", set_root_port, false, "a UDP port, 1 to 65535"},
    {"root", "tcp_ports", set_tcp_ports, false, "none, or at most 4 TCP ports, as 4793, 443"},
    {"root", "relay_rate_mbit", set_relay_rate, false, "megabits a second, 1 to 1000000"},
    {"root", "public", set_public, true,
     "at most 4 addresses of this server, as vpn.example.org:4793"},
    {"controller", "enabled", set_controller, false, "yes or no"},
    {"controller", "database", set_database, false, "a path that starts with /"},
    {"log", "level", set_level, false, "error, warn, info or debug"},
};
#define NKEYS (sizeof(KEYS) / sizeof(KEYS[0]))
static const char *const SECTIONS[] = {"node", "root", "controller", "log"};
#define NSECTIONS (sizeof(SECTIONS) / sizeof(SECTIONS[0]))

struct parse {
    const char *name; /* of the file, without directories */
    char *rest;       /* what is not read yet */
    int line, last_line[NKEYS];
    struct ov_settings *s;
    int failed; /* the line of the first error; 0: none */
    char *why;
};

__attribute__((format(printf, 2, 3))) static void complain(struct parse *p, const char *fmt, ...)
{
    if (p->failed != 0)
        return;
    p->failed = p->line;
    int n = snprintf(p->why, OV_WHY_MAX, "%.60s:%d: ", p->name, p->line);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(p->why + n, OV_WHY_MAX - (size_t)n, fmt, ap);
    va_end(ap);
}

/* "; did you mean \"x\"?" when one of `words` is near. */
static void did_you_mean(const char *word, const char *const *words, size_t n, char out[64])
{
    const char *near = ov_text_nearest(word, words, n);
    out[0] = '\0';
    if (near != NULL)
        snprintf(out, 64, "; did you mean \"%s\"?", near);
}

static bool known_section(const char *name)
{
    for (size_t i = 0; i < NSECTIONS; i++)
        if (strcmp(SECTIONS[i], name) == 0)
            return true;
    return false;
}

/* inih never tells of a section without keys, so they are looked at here. */
static void check_section(struct parse *p, const char *line)
{
    char name[64], hint[64];
    size_t len = line[0] == '[' ? strcspn(line + 1, "]\n") : 0;
    if (line[0] != '[' || line[1 + len] != ']')
        return; /* an indented one may be the next word of a list */
    snprintf(name, sizeof(name), "%.*s", (int)(len < 60 ? len : 60), line + 1);
    if (known_section(name))
        return;
    did_you_mean(name, SECTIONS, NSECTIONS, hint);
    complain(p, "unknown section [%.40s]%s", name, hint);
}

/* fgets() over memory, for inih. */
static char *next_line(char *str, int num, void *stream)
{
    struct parse *p = stream;
    if (*p->rest == '\0' || num < 2)
        return NULL;
    size_t len = strcspn(p->rest, "\n");
    size_t fits = len < (size_t)num - 1 ? len : (size_t)num - 2;
    p->line++;
    if (fits < len)
        complain(p, "the line is longer than %d characters; a list may go on in an indented line",
                 num - 2);
    memcpy(str, p->rest, fits);
    str[fits] = '\0';
    p->rest += len + (p->rest[len] == '\n');
    check_section(p, str);
    return str;
}

static int unknown_key(struct parse *p, const char *section, const char *name)
{
    const char *names[NKEYS];
    char hint[64];
    size_t n = 0;
    if (!known_section(section)) {
        complain(p, "unknown section [%.40s]", section);
        return 0;
    }
    for (size_t i = 0; i < NKEYS; i++)
        if (strcmp(KEYS[i].section, section) == 0)
            names[n++] = KEYS[i].name;
    did_you_mean(name, names, n, hint);
    for (size_t i = 0; i < NKEYS && hint[0] == '\0'; i++)
        if (strcmp(KEYS[i].name, name) == 0)
            snprintf(hint, sizeof(hint), "; it belongs in [%s]", KEYS[i].section);
    complain(p, "unknown key \"%.40s\" in [%s]%s", name, section, hint);
    return 0;
}

static int on_value(void *user, const char *section, const char *name, const char *value)
{
    struct parse *p = user;
    if (p->failed != 0)
        return 0;
    if (section[0] == '\0') {
        complain(p, "\"%.40s\" stands before any [section]", name);
        return 0;
    }
    for (size_t i = 0; i < NKEYS; i++) {
        const struct key *k = &KEYS[i];
        if (strcmp(k->section, section) != 0 || strcmp(k->name, name) != 0)
            continue;
        if (p->last_line[i] != 0 && !k->list) {
            complain(p, "\"%s\" is given again (first in line %d)", name, p->last_line[i]);
            return 0;
        }
        p->last_line[i] = p->line;
        if (!k->parse(p->s, value)) {
            complain(p, "%s = \"%.60s\" is not understood; it takes %s", name,
                     k->parse == set_proxy ? "..." : value /* a password may be in it */, k->want);
            return 0;
        }
        return 1;
    }
    return unknown_key(p, section, name);
}

int ov_config_parse(const char *name, char *text, struct ov_settings *s, char why[OV_WHY_MAX])
{
    struct ov_settings copy = *s;
    const char *base = strrchr(name, '/');
    struct parse p = {.name = base != NULL ? base + 1 : name, .rest = text, .s = &copy, .why = why};
    int line = ini_parse_stream(next_line, &p, on_value, &p);
    if (line > 0 && (p.failed == 0 || line < p.failed)) {
        p.failed = 0; /* what came later may only follow from it */
        p.line = line;
        complain(&p, "this is neither a [section] nor key = value");
    } else if (line < 0) {
        snprintf(why, OV_WHY_MAX, "out of memory");
        return OV_ENOMEM;
    }
    if (p.failed != 0)
        return OV_EINVAL;
    if (copy.root && copy.port != 0) {
        snprintf(why, OV_WHY_MAX, "%.60s: a root listens on [root] port; take port out of [node]",
                 p.name);
        return OV_EINVAL;
    }
    *s = copy;
    return OV_OK;
}

int ov_config_read(const char *path, struct ov_settings *s, char why[OV_WHY_MAX])
{
    size_t len = 0;
    char *text = malloc(CONFIG_MAX);
    if (text == NULL)
        return OV_ENOMEM;
    int err = ov_file_read(path, text, CONFIG_MAX, &len, why);
    if (err == OV_EPERM)
        snprintf(why, OV_WHY_MAX,
                 "may not read %.80s: run it as root (sudo), or let the daemon's user in with "
                 "chgrp " OV_USER " and chmod g+r",
                 path);
    if (err == OV_OK && strlen(text) != len) {
        snprintf(why, OV_WHY_MAX, "%.160s has zero bytes in it: it is no text file", path);
        err = OV_EINVAL;
    }
    if (err == OV_OK)
        err = ov_config_parse(path, text, s, why);
    free(text);
    return err;
}

bool ov_config_exposed(const char *path, const struct ov_settings *s, char why[OV_WHY_MAX])
{
    struct stat st;
    if (s->proxy.secret[0] == '\0' || stat(path, &st) != 0 || (st.st_mode & S_IROTH) == 0)
        return false;
    snprintf(why, OV_WHY_MAX,
             "everybody on this computer may read the proxy's password in %.60s: chgrp " OV_USER
             " and chmod 640 keep it to root and the daemon",
             path);
    return true;
}

bool ov_config_alone(const struct ov_settings *s, char why[OV_WHY_MAX])
{
    if (!s->controller || s->root || s->nroots > 0)
        return false;
    snprintf(why, OV_WHY_MAX,
             "this controller is no root and names none: members find nobody through it; set "
             "\"enabled = yes\" under [root], too");
    return true;
}

void ov_config_defaults(struct ov_settings *s)
{
    *s = (struct ov_settings){.offload = true,
                              .portmap = true,
                              .lan_discovery = true,
                              .aes = true,
                              .priority = true,
                              .sandbox = true,
                              .root_port = OV_DEFAULT_PORT,
                              .log_level = OV_LOG_INFO};
    snprintf(s->interface, sizeof(s->interface), "ovpn%%d");
    if (gethostname(s->name, sizeof(s->name)) != 0)
        s->name[0] = '\0';
    s->name[sizeof(s->name) - 1] = '\0';
    s->name[strcspn(s->name, ".")] = '\0'; /* the first label is enough for people */
}

int ov_config_environment(struct ov_settings *s, char why[OV_WHY_MAX])
{
    static const char *const NAMES[] = {"https_proxy", "HTTPS_PROXY"};
    for (size_t i = 0; i < 2 && !s->proxy_set; i++) {
        const char *v = getenv(NAMES[i]);
        if (v == NULL || v[0] == '\0')
            continue;
        if (ov_connect_parse(v, &s->proxy) == OV_OK)
            return OV_OK;
        snprintf(why, OV_WHY_MAX, "%s in the environment is no http://HOST:PORT; it is not used",
                 NAMES[i]);
        return OV_EINVAL;
    }
    return OV_OK;
}

uint16_t ov_config_port(const struct ov_settings *s)
{
    return s->port != 0 || !s->root ? s->port : s->root_port;
}

const char *ov_host_format(const struct ov_host *h, char out[OV_HOST_LABEL])
{
    bool v6 = strchr(h->name, ':') != NULL;
    int n = snprintf(out, OV_HOST_LABEL, v6 ? "[%s]" : "%s", h->name);
    if (h->port != OV_DEFAULT_PORT && n > 0 && n < OV_HOST_LABEL)
        snprintf(out + n, OV_HOST_LABEL - (size_t)n, ":%u", h->port);
    return out;
}
