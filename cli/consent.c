#include "consent.h"

#include <stdio.h>
#include <string.h>

/* Link-local space is not in it: 169.254.169.254 is where clouds give out keys. */
bool ov_consent_is_private(const struct ov_prefix *p)
{
    static const struct ov_prefix PRIVATE[] = {
        {{.family = 4, .b = {10}}, 8},        {{.family = 4, .b = {172, 16}}, 12},
        {{.family = 4, .b = {192, 168}}, 16}, {{.family = 4, .b = {100, 64}}, 10},
        {{.family = 6, .b = {0xfc}}, 7},
    };
    for (size_t i = 0; i < sizeof(PRIVATE) / sizeof(PRIVATE[0]); i++)
        if (p->bits >= PRIVATE[i].bits && ov_prefix_contains(&PRIVATE[i], &p->ip))
            return true;
    return false;
}

static void complain(char why[OV_WHY_MAX], const char *kind, const struct ov_prefix *p,
                     enum ov_consent c)
{
    char text[OV_PREFIX_TEXT];
    if (why[0] != '\0')
        return;
    ov_prefix_format(p, text);
    if (c == OV_CONSENT_NONE && ov_consent_is_private(p))
        snprintf(why, OV_WHY_MAX, "%s %s is refused: ovpn.conf has \"routes = none\"", kind, text);
    else
        snprintf(why, OV_WHY_MAX,
                 "%s %s is refused: it is not private, so the network would take traffic of the "
                 "Internet; \"routes = all\" under [node] in ovpn.conf lets it",
                 kind, text);
}

void ov_consent_filter(enum ov_consent c, struct ov_link_state *wish, char why[OV_WHY_MAX])
{
    struct ov_link_state w;
    why[0] = '\0';
    if (c == OV_CONSENT_ALL)
        return;
    memset(&w, 0, sizeof(w)); /* wishes are compared as bytes */
    w.up = wish->up;
    w.mtu = wish->mtu;
    for (size_t i = 0; i < wish->naddrs; i++) {
        if (ov_consent_is_private(&wish->addrs[i]))
            w.addrs[w.naddrs++] = wish->addrs[i];
        else
            complain(why, "address", &wish->addrs[i], c);
    }
    for (size_t i = 0; i < wish->nroutes; i++) {
        if (c == OV_CONSENT_PRIVATE && ov_consent_is_private(&wish->routes[i].dst))
            w.routes[w.nroutes++] = wish->routes[i];
        else
            complain(why, "route", &wish->routes[i].dst, c);
    }
    *wish = w;
}
