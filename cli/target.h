/* target: what `ovpn join` is given, checked before the daemon is asked, so that a mistyped letter
 * is told at once and precisely. */
#ifndef OV_CLI_TARGET_H
#define OV_CLI_TARGET_H

#include "core/invite.h"

struct ov_target {
    ov_netid netid;
    bool has_host, is_invite;
    struct ov_host host;
};

/* What was typed, or pasted, as one text: of an invite the pieces that line breaks and spaces made,
 * put together again; else the words with a space between. "ovpn join" in front is left out. Wipe
 * it when done. */
#define OV_TARGET_TEXT (OV_INVITE_TEXT + 64)
void ov_target_gather(int n, char *const *words, char out[OV_TARGET_TEXT]);

#define OV_TARGET_WHY 512
/* NETID, NETID@HOST[:PORT] or an invite. OV_EINVAL with a sentence in `why` that says what is wrong
 * with it and what it should look like. */
OV_CHECK int ov_target_parse(const char *text, struct ov_target *out, char why[OV_TARGET_WHY]);

#endif
