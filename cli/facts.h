/* facts: what a report (docs/api.md) says, as the verdict needs it. */
#ifndef OV_CLI_FACTS_H
#define OV_CLI_FACTS_H

#include "core/invite.h"
#include "verdict.h"

#include <jansson.h>

/* Texts in *out are the report's, but for those of `room`. What is missing counts as not known. */
struct ov_facts_room {
    char peer[128], waiting[64], twin[64], twice[128];
    struct ov_host odd;
};
void ov_facts_read(const json_t *report, struct ov_facts *out, struct ov_facts_room *room);
/* Read the facts, and put what follows from them into the report: "verdict" and its company. */
void ov_facts_judge(json_t *report);

#endif
