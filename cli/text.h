/* text: numbers, times and names as people read them, and people's text as numbers.
 *
 * Nothing here prints. Formatters write into the caller's buffer of OV_TEXT_UNIT bytes and return
 * it. */
#ifndef OV_CLI_TEXT_H
#define OV_CLI_TEXT_H

#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OV_TEXT_UNIT 32

/* Significant digits of a number in JSON: all that a double surely keeps. */
#define OV_JSON_DIGITS 15

const char *ov_text_bytes(double n, char out[OV_TEXT_UNIT]); /* 512 B, 1.2 MiB */
const char *ov_text_ms(double ms,
                       char out[OV_TEXT_UNIT]); /* 0.21 ms, 12.3 ms, 1.20 s; below 0: - */
const char *ov_text_duration(double s, char out[OV_TEXT_UNIT]);   /* 42s, 3m 5s, 3h 12m, 5d 2h */
const char *ov_text_percent(double part, char out[OV_TEXT_UNIT]); /* of 1: 0%, 0.4%, 12% */
/* Both are seconds since 1970; `then` of 0 or less is "never". One unit is enough here: 3m ago. */
const char *ov_text_ago(double then, double now, char out[OV_TEXT_UNIT]);
/* Local time, 2026-01-31 18:05; 0 or less: "-". */
const char *ov_text_date(double when, char out[OV_TEXT_UNIT]);

/* "90", "30s", "15m", "24h", "7d". Also fractions: "0.2". OV_EINVAL, also above a century. */
OV_CHECK int ov_text_seconds(const char *text, double *out);
/* A whole decimal number up to `max`. OV_EINVAL. */
OV_CHECK int ov_text_number(const char *text, uint64_t max, uint64_t *out);

/* Columns that UTF-8 text takes on a terminal: wide letters count two, combining ones none. */
size_t ov_text_width(const char *utf8);
/* A copy fit for a terminal: names come from other machines, so control characters and broken UTF-8
 * become '?', but '\n' stays if `lines`. Ends the process if memory is out; free() it. */
char *ov_text_clean(const char *utf8, bool lines);

/* Of `n` words the one most like `word`, or NULL if none is near. */
const char *ov_text_nearest(const char *word, const char *const *words, size_t n);

#endif
