/* soap: what is said to the WAN connection service of a UPnP internet gateway, and what it answers.
 * The XML is libminiupnpc's to parse. All of it comes from a device that is not trusted. */
#ifndef OV_TRANSPORT_SOAP_H
#define OV_TRANSPORT_SOAP_H

#include "transport/ssdp.h"

/* A WANIPConnection or WANPPPConnection. */
#define OV_SOAP_TYPE 128
struct ov_soap_service {
    struct ov_ssdp_url control;
    char type[OV_SOAP_TYPE];
};
/* The services in a device description that came from `from`, at most two; how many. Those whose
 * control URL leads to another host are left out: we would become its messenger. */
#define OV_SOAP_SERVICES 2
size_t ov_soap_services(const char *xml, size_t len, const struct ov_ssdp_url *from,
                        struct ov_soap_service out[OV_SOAP_SERVICES]);

/* Requests, each with its HTTP header. Returns the length; 0 when it does not fit. */
#define OV_SOAP_REQUEST_MAX 2048
size_t ov_soap_get(const struct ov_ssdp_url *url, char out[OV_SOAP_REQUEST_MAX]);
struct ov_soap_arg {
    const char *name, *value; /* nothing in them that XML would need escaped */
};
size_t ov_soap_call(const struct ov_soap_service *s, const char *action,
                    const struct ov_soap_arg *args, size_t nargs, char out[OV_SOAP_REQUEST_MAX]);

/* The element `name` of an answer. OV_ENOENT, OV_ENOMEM. */
#define OV_SOAP_VALUE 128
OV_CHECK int ov_soap_value(const char *xml, size_t len, const char *name, char out[OV_SOAP_VALUE]);
/* The same as a number up to `max`. OV_ENOENT, OV_ENOMEM, OV_EINVAL. */
OV_CHECK int ov_soap_number(const char *xml, size_t len, const char *name, uint32_t max,
                            uint32_t *out);

/* Error codes of AddPortMapping that something can be done about (WANIPConnection:1, 2.4.16). */
enum ov_soap_error {
    OV_SOAP_INVALID_ARGS = 402,
    OV_SOAP_ACTION_FAILED = 501,
    OV_SOAP_NO_SUCH_ENTRY = 714,
    OV_SOAP_CONFLICT = 718,
    OV_SOAP_ONLY_PERMANENT = 725,
    OV_SOAP_CONFLICT_OTHER = 729,
};

#endif
