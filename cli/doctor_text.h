/* doctor_text: the doctor's report (docs/api.md) as people read it: sections of lines with a check
 * mark each, then the verdict and what to do. Texts in it that come from other machines are made
 * fit for a terminal. */
#ifndef OV_CLI_DOCTOR_TEXT_H
#define OV_CLI_DOCTOR_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* `utf8`: the terminal has check marks; `now`: seconds since 1970. */
void ov_doctor_print(const json_t *report, bool utf8, double now, FILE *to);

#endif
