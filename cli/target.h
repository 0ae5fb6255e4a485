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

#define OV_TARGET_WHY 512
/* NETID, NETID@HOST[:PORT] or an invite. OV_EINVAL with a sentence in `why` that says what is wrong
 * with it and what it should look like. */
OV_CHECK int ov_target_parse(const char *text, struct ov_target *out, char why[OV_TARGET_WHY]);

#endif
