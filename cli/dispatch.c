#include "options.h"

#include "synonyms.h"
#include "text.h"
#include "version.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_commands(const struct ov_subcommand *table, size_t n, const char *prefix,
                           const char *about, FILE *to)
{
    fprintf(to, "usage: ovpn [-H DIR] [--json] %sCOMMAND [arguments]\n\n%s\n", prefix, about);
    for (size_t i = 0; i < n; i++) {
        char left[64];
        if (table[i].group)
            fprintf(to, "\n%s:\n", table[i].group);
        snprintf(left, sizeof left, "%s %s", table[i].name, table[i].usage);
        fprintf(to, "  %-28s %s\n", left, table[i].about);
    }
    fprintf(to, "\novpn %sCOMMAND --help explains one command.\n", prefix);
}

/* How many words of argv the global option at argv[i] takes; 0 if it is none. */
static int global_option(int argc, char **argv, int i)
{
    const char *a = argv[i];

    if (strcmp(a, "-H") == 0 || strcmp(a, "--state") == 0)
        return i + 1 < argc ? 2 : 0;
    if (strncmp(a, "-H", 2) == 0 || strncmp(a, "--state=", 8) == 0 || strcmp(a, "--json") == 0)
        return 1;
    return 0;
}

/* argv[0] is no command here; the rest are its arguments. */
static int unknown(const struct ov_subcommand *table, size_t n, const char *prefix, int argc,
                   char **argv)
{
    const char *word = argv[0], *names[32], *near, *help = *prefix ? "--help" : "help";
    char meant[OV_SYNONYM_TEXT], text[OV_SYNONYM_TEXT + 256], *clean;

    for (size_t i = 0; i < n && i < sizeof names / sizeof *names; i++)
        names[i] = table[i].name;
    if (*word == '-')
        snprintf(text, sizeof text, "%.100s is no option here, or lacks its value", word);
    else if (ov_synonym(prefix, word, argc - 1, argv + 1, meant))
        snprintf(text, sizeof text, "there is no command \"%s%.100s\"; did you mean \"ovpn %s\"?",
                 prefix, word, meant);
    else if ((near = ov_text_nearest(word, names, n)))
        snprintf(text, sizeof text, "there is no command \"%s%.100s\"; did you mean \"ovpn %s%s\"?",
                 prefix, word, prefix, near);
    else
        snprintf(text, sizeof text, "there is no command \"%s%.100s\"", prefix, word);
    clean = ov_text_clean(text, false);
    fprintf(stderr, "ovpn: %s\n      ovpn %s%s lists what there is\n", clean, prefix, help);
    free(clean);
    return OV_EXIT_USAGE;
}

static const struct ov_subcommand *find(const struct ov_subcommand *table, size_t n,
                                        const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

/* "help CMD" is "CMD --help". */
static int help(const struct ov_subcommand *table, size_t n, const char *prefix, const char *about,
                char *topic)
{
    const struct ov_subcommand *found = topic ? find(table, n, topic) : NULL;
    char flag[] = "--help", *argv[] = {found ? (char *)found->name : NULL, flag, NULL};

    if (found)
        return found->run(2, argv);
    if (topic)
        return unknown(table, n, prefix, 1, &topic);
    print_commands(table, n, prefix, about, stdout);
    return OV_EXIT_OK;
}

int ov_dispatch(const struct ov_subcommand *table, size_t n, const char *prefix, const char *about,
                int argc, char **argv)
{
    const struct ov_subcommand *found;
    char **moved;
    int at = 1, words, code;

    while (at < argc && (words = global_option(argc, argv, at)) > 0)
        at += words;
    if (at == argc) {
        print_commands(table, n, prefix, about, stderr);
        return OV_EXIT_USAGE;
    }
    if (!*prefix && (strcmp(argv[at], "--version") == 0 || strcmp(argv[at], "-V") == 0)) {
        printf("ovpn %s\n", OV_VERSION);
        return OV_EXIT_OK;
    }
    if (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0 ||
        strcmp(argv[at], "help") == 0)
        return help(table, n, prefix, about, at + 1 < argc ? argv[at + 1] : NULL);
    found = find(table, n, argv[at]);
    if (!found)
        return unknown(table, n, prefix, argc - at, argv + at);
    /* the subcommand first, then the global options that stood before it, then the rest */
    moved = calloc((size_t)argc + 1, sizeof *moved);
    if (!moved)
        abort();
    moved[0] = argv[at];
    memcpy(moved + 1, argv + 1, (size_t)(at - 1) * sizeof *moved);
    memcpy(moved + at, argv + at + 1, (size_t)(argc - at - 1) * sizeof *moved);
    code = found->run(argc - 1, moved);
    free(moved);
    return code;
}
