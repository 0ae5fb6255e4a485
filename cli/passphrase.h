/* passphrase: read from the terminal without echo, or from a file; never from an argument, which
 * every user of the computer can see. Wipe it with ov_passphrase_wipe() when done. */
#ifndef OV_CLI_PASSPHRASE_H
#define OV_CLI_PASSPHRASE_H

#include "file.h"

#define OV_PASSPHRASE_MIN 8 /* bytes; of a new one */
#define OV_PASSPHRASE_MAX 1024

struct ov_passphrase {
    size_t len;
    char text[OV_PASSPHRASE_MAX + 1];
};

/* From the first line of `file` ("-": standard input; "/dev/fd/3"), or with NULL from the terminal
 * after `prompt`. A new one is asked for twice there, and has its least length. OV_EINVAL: too
 * short, too long, or not typed the same twice; OV_ESTATE: stopped by a signal; OV_ENOENT: no such
 * file, or no terminal. On an error `why` says what to do, and *out is wiped. */
OV_CHECK int ov_passphrase_read(struct ov_passphrase *out, const char *file, const char *prompt,
                                bool is_new, char why[OV_WHY_MAX]);
void ov_passphrase_wipe(struct ov_passphrase *p);

#endif
