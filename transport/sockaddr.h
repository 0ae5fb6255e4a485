/* sockaddr: the system's socket addresses from endpoints and back; IPv4 and IPv6. */
#ifndef OV_TRANSPORT_SOCKADDR_H
#define OV_TRANSPORT_SOCKADDR_H

#include "core/types.h"

#include <netinet/in.h>
#include <sys/socket.h>

union ov_sockaddr {
    struct sockaddr any;
    struct sockaddr_in in4;
    struct sockaddr_in6 in6;
};

/* Returns its length. What is not IPv4 is IPv6. */
socklen_t ov_sockaddr_from_endpoint(const struct ov_endpoint *e, union ov_sockaddr *out);
union ov_sockaddr ov_sockaddr_of(const struct ov_ip *ip, uint16_t port);
/* False for other families, and NULL. The scope is kept of link-local addresses only. */
bool ov_sockaddr_to_endpoint(const struct sockaddr *sa, struct ov_endpoint *out);

#endif
