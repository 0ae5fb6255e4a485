/* ssdp: the messages by which UPnP devices are found (UPnP Device Architecture 1.1, chapter 1), as
 * text. */
#ifndef OV_TRANSPORT_SSDP_H
#define OV_TRANSPORT_SSDP_H

#include "core/types.h"

#define OV_SSDP_GROUP "239.255.255.250"
#define OV_SSDP_PORT  1900
#define OV_SSDP_MAX   1536 /* longer datagrams are not looked at */

/* A URL on a numeric IPv4 address; `path` is empty or starts with / and has no blanks in it. */
#define OV_SSDP_PATH 256
struct ov_ssdp_url {
    struct ov_endpoint server;
    char path[OV_SSDP_PATH];
};
/* OV_EINVAL for everything that is not http://A.B.C.D[:PORT][/PATH]. `len` without NUL. */
OV_CHECK int ov_ssdp_url_parse(const char *text, size_t len, struct ov_ssdp_url *out);

/* Search for internet gateways of UPnP `version` (1 or 2), sent to the group or to one device. */
#define OV_SSDP_SEARCH_MAX 256
size_t ov_ssdp_search_encode(const char *to, unsigned version, char out[OV_SSDP_SEARCH_MAX]);

enum ov_ssdp_kind {
    OV_SSDP_OTHER,   /* of a device that is no gateway */
    OV_SSDP_GATEWAY, /* an answer to the search: `url` is its description */
    OV_SSDP_ALIVE,   /* a gateway announces itself, `url` too */
    OV_SSDP_BYEBYE,  /* and goes */
};
struct ov_ssdp {
    enum ov_ssdp_kind kind;
    struct ov_ssdp_url url;
    uint32_t boot; /* another number after each start of the device; 0: it does not tell */
};
/* OV_EINVAL. */
OV_CHECK int ov_ssdp_decode(const char *in, size_t len, struct ov_ssdp *out);

#endif
