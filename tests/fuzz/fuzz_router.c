/* Everything that a router, or who claims to be one, sends us. The first byte chooses. */
#include "transport/http.h"
#include "transport/pcp.h"
#include "transport/pmp.h"
#include "transport/soap.h"
#include "transport/ssdp.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void http(const uint8_t *data, size_t size)
{
    struct ov_http_answer a;

    for (int eof = 0; eof < 2; eof++) {
        char *copy = malloc(size ? size : 1);
        if (size)
            memcpy(copy, data, size);
        if (ov_http_parse(copy, size, eof, &a) == 1 &&
            (a.body < copy || a.body + a.len > copy + size))
            abort();
        free(copy);
    }
}

static void description(const uint8_t *data, size_t size)
{
    static const struct ov_ssdp_url FROM = {{{4, {10, 0, 1, 1}}, 5000, 0}, "/dir/root.xml"};
    struct ov_soap_service s[OV_SOAP_SERVICES];
    char request[OV_SOAP_REQUEST_MAX];
    size_t n = ov_soap_services((const char *)data, size, &FROM, s);

    for (size_t i = 0; i < n; i++) {
        if (!ov_ip_equal(&s[i].control.server.ip, &FROM.server.ip))
            abort();
        size_t len = ov_soap_call(&s[i], "GetExternalIPAddress", NULL, 0, request);
        if (len != 0 && (len != strlen(request) || strncmp(request, "POST /", 6) != 0))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ov_pmp_answer pmp;
    struct ov_pcp_answer pcp;
    struct ov_ssdp ssdp;
    char value[OV_SOAP_VALUE];

    if (size == 0)
        return 0;
    uint8_t which = *data++;
    size--;
    switch (which) {
    case 'n':
        (void)!ov_pmp_decode(data, size, &pmp);
        (void)!ov_pcp_decode(data, size, &pcp);
        break;
    case 's':
        (void)!ov_ssdp_decode((const char *)data, size, &ssdp);
        break;
    case 'h':
        http(data, size);
        break;
    case 'd':
        description(data, size);
        break;
    default:
        (void)!ov_soap_value((const char *)data, size, "NewExternalIPAddress", value);
    }
    return 0;
}
