/* consent: which addresses and routes a controller may put on this computer.
 *
 * Whoever runs a network signs what its members' routing tables get, and may be anybody. Without
 * the user's word it is private space only: a network cannot take the default route, half of the
 * Internet, a server's public address or a cloud's metadata address for itself. */
#ifndef OV_CLI_CONSENT_H
#define OV_CLI_CONSENT_H

#include "file.h"
#include "tun/link.h"

/* [node] routes */
enum ov_consent {
    OV_CONSENT_PRIVATE, /* addresses and routes of private space */
    OV_CONSENT_ALL,     /* whatever the network says */
    OV_CONSENT_NONE,    /* addresses of private space, no routes */
};

/* Lies the whole subnet in space that the Internet does not route? */
bool ov_consent_is_private(const struct ov_prefix *p);
/* Take out of a wish what is not consented to. `why` tells the first of it; empty: nothing. */
void ov_consent_filter(enum ov_consent c, struct ov_link_state *wish, char why[OV_WHY_MAX]);

#endif
