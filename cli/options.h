/* options: command lines, by one table for each command, from which --help is printed too.
 *
 * Every command takes -H DIR / --state DIR, --json and --help beside its own options. Options and
 * arguments may be mixed; "--" ends the options. All complaints go to stderr and name what to do.
 */
#ifndef OV_CLI_OPTIONS_H
#define OV_CLI_OPTIONS_H

#include "command.h"

#include <stdbool.h>
#include <stddef.h>

enum ov_option_kind {
    OV_OPTION_FLAG,    /* bool: set to true */
    OV_OPTION_TEXT,    /* const char * into argv */
    OV_OPTION_LIST,    /* struct ov_words: each use adds one */
    OV_OPTION_NUMBER,  /* uint64_t */
    OV_OPTION_SECONDS, /* double: 30, 1.5, 15m, 24h, 7d */
};

#define OV_WORDS_MAX 16
struct ov_words {
    size_t n;
    const char *v[OV_WORDS_MAX];
};

#define OV_OPTIONS_MAX 16 /* of one command */
struct ov_option {
    const char *name; /* without its dashes */
    char letter;      /* 0: none */
    enum ov_option_kind kind;
    void *value;
    const char *arg; /* what its value is called; NULL for a flag */
    const char *help;
};

struct ov_synopsis {
    const char *name;     /* "net create" */
    const char *usage;    /* its arguments: "NAME" */
    const char *about;    /* what it does, in lines of at most 78 columns */
    const char *examples; /* one a line, each without "ovpn " */
    int min_args, max_args;
    const char *missing; /* the question when there are fewer: "which network?" */
};

struct ov_command_line {
    const char *state; /* the state directory */
    bool json;
    int nargs;
    char **args;
};

#define OV_GO_ON (-1)
/* OV_GO_ON, or the exit code with which the command is over (help was asked for, or bad usage). */
int ov_options_parse(const struct ov_synopsis *s, const struct ov_option *options, size_t n,
                     int argc, char **argv, struct ov_command_line *out);

/* "ovpn NAME: message", then where the help is; returns OV_EXIT_USAGE. */
int ov_usage_error(const struct ov_synopsis *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

struct ov_subcommand {
    const char *name, *usage, *about;
    int (*run)(int argc, char **argv);
    const char *group; /* printed before the first of a group; NULL: as above */
};

/* Run the subcommand that argv names, after its leading global options. `prefix` is "" or "net ":
 * what stands before a subcommand's name; `about` opens the help. */
int ov_dispatch(const struct ov_subcommand *table, size_t n, const char *prefix, const char *about,
                int argc, char **argv);

#endif
