#include "options.h"

#include "text.h"

#include <assert.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMON 3 /* options that every command has */

static void common_options(struct ov_command_line *out, bool *help, struct ov_option common[COMMON])
{
    common[0] =
        (struct ov_option){"state",     'H',   OV_OPTION_TEXT,
                           &out->state, "DIR", "the daemon's state directory (/var/lib/ovpn)"};
    common[1] =
        (struct ov_option){"json", 0, OV_OPTION_FLAG, &out->json, NULL, "print JSON, for programs"};
    common[2] = (struct ov_option){"help", 'h', OV_OPTION_FLAG, help, NULL, "print this help"};
}

int ov_usage_error(const struct ov_synopsis *s, const char *fmt, ...)
{
    char text[1024], *clean;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    clean = ov_text_clean(text, true);
    fprintf(stderr, "ovpn %s: %s\nusage: ovpn %s%s%s\n       ovpn %s --help explains it\n", s->name,
            clean, s->name, *s->usage ? " " : "", s->usage, s->name);
    free(clean);
    return OV_EXIT_USAGE;
}

static void print_option(const struct ov_option *o)
{
    char left[64];

    snprintf(left, sizeof left, "%c%c%s --%s %s", o->letter ? '-' : ' ',
             o->letter ? o->letter : ' ', o->letter ? "," : " ", o->name, o->arg ? o->arg : "");
    printf("  %-24s %s\n", left, o->help);
}

static void print_help(const struct ov_synopsis *s, const struct ov_option *options, size_t n,
                       const struct ov_option common[COMMON])
{
    const char *line = s->examples;

    printf("usage: ovpn %s%s%s%s\n\n%s\n\noptions:\n", s->name, *s->usage ? " " : "", s->usage,
           n ? " [options]" : "", s->about);
    for (size_t i = 0; i < n; i++)
        print_option(&options[i]);
    for (size_t i = 0; i < COMMON; i++)
        print_option(&common[i]);
    printf("\nexample%s:\n", strchr(line, '\n') ? "s" : "");
    while (*line) {
        size_t len = strcspn(line, "\n");
        printf("  ovpn %.*s\n", (int)len, line);
        line += len + (line[len] == '\n');
    }
}

/* One option's value into its place; false with the reason in `why`. */
static bool store(const struct ov_option *o, const char *text, char why[160])
{
    struct ov_words *words = o->value;

    switch (o->kind) {
    case OV_OPTION_FLAG:
        *(bool *)o->value = true;
        return true;
    case OV_OPTION_TEXT:
        *(const char **)o->value = text;
        return true;
    case OV_OPTION_LIST:
        if (words->n < OV_WORDS_MAX) {
            words->v[words->n++] = text;
            return true;
        }
        snprintf(why, 160, "--%s: at most %d of them", o->name, OV_WORDS_MAX);
        return false;
    case OV_OPTION_NUMBER:
        if (ov_text_number(text, UINT64_MAX, o->value) == OV_OK)
            return true;
        snprintf(why, 160, "--%s wants a whole number, not \"%.60s\"", o->name, text);
        return false;
    case OV_OPTION_SECONDS:
        if (ov_text_seconds(text, o->value) == OV_OK)
            return true;
        snprintf(why, 160, "--%s wants a time like 30s, 15m, 24h or 7d, not \"%.60s\"", o->name,
                 text);
        return false;
    }
    return false;
}

/* What getopt did not like: an unknown option, or one whose value is missing. */
static int complain(const struct ov_synopsis *s, const struct option *longs, bool missing,
                    const char *arg)
{
    const char *names[OV_OPTIONS_MAX + COMMON], *near;
    char word[32];
    size_t n = 0;

    if (missing)
        return ov_usage_error(s, "%s needs a value", arg);
    if (optopt && strncmp(arg, "--", 2) != 0)
        return ov_usage_error(s, "unknown option -%c", optopt);
    if (optopt) /* getopt knows the option, so it was given a value it does not take */
        return ov_usage_error(s, "%.*s takes no value", (int)strcspn(arg, "="), arg);
    for (; longs[n].name; n++)
        names[n] = longs[n].name;
    snprintf(word, sizeof word, "%.*s", (int)strcspn(arg + 2, "="), arg + 2);
    near = ov_text_nearest(word, names, n);
    if (near)
        return ov_usage_error(s, "unknown option --%s; did you mean --%s?", word, near);
    return ov_usage_error(s, "unknown option --%s", word);
}

/* getopt's two descriptions of the same options; `val` is the index plus 256. */
static void describe(const struct ov_option *const *all, size_t n, char *shorts,
                     struct option *longs)
{
    *shorts++ = ':';
    for (size_t i = 0; i < n; i++) {
        bool value = all[i]->kind != OV_OPTION_FLAG;
        longs[i] = (struct option){all[i]->name, value ? required_argument : no_argument, NULL,
                                   256 + (int)i};
        if (all[i]->letter)
            *shorts++ = all[i]->letter;
        if (all[i]->letter && value)
            *shorts++ = ':';
    }
    *shorts = '\0';
    memset(&longs[n], 0, sizeof longs[n]);
}

static const struct ov_option *chosen(const struct ov_option *const *all, size_t n, int c)
{
    if (c >= 256)
        return all[c - 256];
    for (size_t i = 0; i < n; i++)
        if (all[i]->letter == c)
            return all[i];
    return NULL;
}

/* The network is named already where only the rest is missing. */
static int too_few(const struct ov_synopsis *s, const struct ov_command_line *line)
{
    const char *net = strstr(s->missing, " NET ");

    if (!net || line->nargs == 0)
        return ov_usage_error(s, "%s", s->missing);
    return ov_usage_error(s, "%.*s %.100s %s", (int)(net - s->missing), s->missing, line->args[0],
                          net + strlen(" NET "));
}

int ov_options_parse(const struct ov_synopsis *s, const struct ov_option *options, size_t n,
                     int argc, char **argv, struct ov_command_line *out)
{
    const struct ov_option *all[OV_OPTIONS_MAX + COMMON];
    struct option longs[OV_OPTIONS_MAX + COMMON + 1];
    char shorts[2 * (OV_OPTIONS_MAX + COMMON) + 2], why[160];
    struct ov_option common[COMMON];
    bool help = false;
    int c;

    assert(n <= OV_OPTIONS_MAX);
    *out = (struct ov_command_line){.state = OV_STATE_DIR};
    common_options(out, &help, common);
    for (size_t i = 0; i < n + COMMON; i++)
        all[i] = i < n ? &options[i] : &common[i - n];
    describe(all, n + COMMON, shorts, longs);
    optind = 0; /* glibc: start anew */
    opterr = 0;
    while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        const struct ov_option *o = chosen(all, n + COMMON, c);
        if (!o)
            return complain(s, longs, c == ':', argv[optind - 1]);
        if (!store(o, optarg, why))
            return ov_usage_error(s, "%s", why);
    }
    if (help) {
        print_help(s, options, n, common);
        return OV_EXIT_OK;
    }
    out->args = argv + optind;
    out->nargs = argc - optind;
    if (out->nargs < s->min_args)
        return too_few(s, out);
    if (s->max_args >= 0 && out->nargs > s->max_args)
        return ov_usage_error(s, "\"%s\" is one argument too many", out->args[s->max_args]);
    return OV_GO_ON;
}
