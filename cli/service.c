/* service: the command line of the daemon. */
#include "command.h"

#include "config.h"
#include "daemon.h"
#include "options.h"
#include "sandbox.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const struct ov_synopsis synopsis = {
    .name = "service",
    .usage = "",
    .about = "Run the daemon: joined networks, and the local API for the other commands.\n"
             "It stays in the foreground and logs to stderr; systemd runs it like that too.\n"
             "Settings come from " OV_CONFIG_PATH ", if there is one, then from here.",
    .examples = "service\nservice --check\nservice -H /tmp/test --root --controller --port 4793",
    .min_args = 0,
    .max_args = 0,
};

struct switches {
    const char *config;
    bool check, foreground, root, controller, debug;
    uint64_t port;
};

/* Settings from the file (only one that was asked for must exist), then the switches. */
static int gather(const struct switches *sw, const char *state_dir, struct ov_settings *s,
                  char why[OV_WHY_MAX])
{
    ov_config_defaults(s);
    const char *path = sw->config != NULL ? sw->config : OV_CONFIG_PATH;
    int err = ov_config_read(path, s, why);
    if (err == OV_ENOENT && sw->config == NULL)
        err = OV_OK;
    if (err != OV_OK)
        return err;
    if (ov_config_exposed(path, s, why))
        fprintf(stderr, "ovpn service: %s\n", why);
    if (snprintf(s->state_dir, sizeof(s->state_dir), "%s", state_dir) >=
        (int)sizeof(s->state_dir)) {
        snprintf(why, OV_WHY_MAX, "the state directory's path is too long");
        return OV_EINVAL;
    }
    if (sw->port != 0)
        s->port = (uint16_t)sw->port;
    s->root |= sw->root;
    s->controller |= sw->controller;
    if (sw->debug)
        s->log_level = OV_LOG_DEBUG;
    if (ov_config_environment(s, why) != OV_OK) /* it need not be meant for us */
        fprintf(stderr, "ovpn service: %s\n", why);
    return OV_OK;
}

static int run(const struct ov_settings *s, bool *busy, char why[OV_WHY_MAX])
{
    struct ov_sandbox sandbox;
    int err = ov_sandbox_enter(s, &sandbox, why);
    return err == OV_OK ? ov_daemon_run(s, &sandbox, busy, why) : err;
}

int ov_cmd_service(int argc, char **argv)
{
    struct switches sw = {0};
    const struct ov_option options[] = {
        {"config", 'c', OV_OPTION_TEXT, &sw.config, "FILE", "settings, instead of " OV_CONFIG_PATH},
        {"check", 0, OV_OPTION_FLAG, &sw.check, NULL, "only check the settings"},
        {"foreground", 0, OV_OPTION_FLAG, &sw.foreground, NULL, "the only way there is; ignored"},
        {"port", 'p', OV_OPTION_NUMBER, &sw.port, "PORT", "UDP port"},
        {"root", 0, OV_OPTION_FLAG, &sw.root, NULL, "be a root: others find and relay through us"},
        {"controller", 0, OV_OPTION_FLAG, &sw.controller, NULL, "have networks of our own"},
        {"debug", 0, OV_OPTION_FLAG, &sw.debug, NULL, "log more"},
    };
    struct ov_command_line line;
    char why[OV_WHY_MAX];
    bool busy = false;
    int code = ov_options_parse(&synopsis, options, sizeof(options) / sizeof(options[0]), argc,
                                argv, &line);
    if (code != OV_GO_ON)
        return code;
    if (sw.port > UINT16_MAX)
        return ov_usage_error(&synopsis, "a UDP port is 1 to 65535");
    struct ov_settings *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return OV_EXIT_FAILED;
    int err = gather(&sw, line.state, s, why);
    /* Starting again does not help against wrong settings, and the unit knows this code. */
    code = err == OV_OK ? OV_EXIT_FAILED : OV_EXIT_USAGE;
    if (err == OV_OK && sw.check && ov_config_alone(s, why))
        printf("the settings can be read, but %s\n", why);
    else if (err == OV_OK && sw.check)
        printf("the settings are good\n");
    else if (err == OV_OK)
        err = run(s, &busy, why);
    if (err != OV_OK)
        fprintf(stderr, "ovpn service: %s\n", why);
    if (err == OV_OK)
        code = OV_EXIT_OK;
    if (busy) {
        fflush(NULL);
        _exit(code);
    }
    free(s);
    return code;
}
