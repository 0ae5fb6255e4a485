#include "transport/sockaddr.h"

#include <string.h>

socklen_t ov_sockaddr_from_endpoint(const struct ov_endpoint *e, union ov_sockaddr *out)
{
    memset(out, 0, sizeof *out);
    if (e->ip.family == 4) {
        out->in4.sin_family = AF_INET;
        out->in4.sin_port = htons(e->port);
        memcpy(&out->in4.sin_addr, e->ip.b, 4);
        return sizeof out->in4;
    }
    out->in6.sin6_family = AF_INET6;
    out->in6.sin6_port = htons(e->port);
    out->in6.sin6_scope_id = e->scope;
    memcpy(&out->in6.sin6_addr, e->ip.b, 16);
    return sizeof out->in6;
}

union ov_sockaddr ov_sockaddr_of(const struct ov_ip *ip, uint16_t port)
{
    union ov_sockaddr sa;
    (void)ov_sockaddr_from_endpoint(&(struct ov_endpoint){.ip = *ip, .port = port}, &sa);
    return sa;
}

bool ov_sockaddr_to_endpoint(const struct sockaddr *sa, struct ov_endpoint *out)
{
    union ov_sockaddr u; /* theirs may lie anywhere */

    memset(out, 0, sizeof *out);
    if (sa && sa->sa_family == AF_INET) {
        memcpy(&u.in4, sa, sizeof u.in4);
        out->ip.family = 4;
        memcpy(out->ip.b, &u.in4.sin_addr, 4);
        out->port = ntohs(u.in4.sin_port);
        return true;
    }
    if (!sa || sa->sa_family != AF_INET6)
        return false;
    memcpy(&u.in6, sa, sizeof u.in6);
    out->ip.family = 6;
    memcpy(out->ip.b, &u.in6.sin6_addr, 16);
    out->port = ntohs(u.in6.sin6_port);
    if (IN6_IS_ADDR_LINKLOCAL(&u.in6.sin6_addr))
        out->scope = u.in6.sin6_scope_id;
    return true;
}
