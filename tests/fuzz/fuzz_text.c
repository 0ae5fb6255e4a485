/* The text forms of addresses: what parses is written in one way, and that parses to the same. */
#include "core/types.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void endpoints(const char *text)
{
    struct ov_endpoint e, again;
    char out[OV_ENDPOINT_TEXT];

    if (ov_endpoint_parse(text, &e) != OV_OK)
        return;
    check(ov_endpoint_parse(ov_endpoint_format(&e, out), &again) == OV_OK);
    check(ov_endpoint_equal(&e, &again));
}

static void addresses(const char *text)
{
    struct ov_prefix p, p2;
    struct ov_ip ip, ip2;
    char out[OV_PREFIX_TEXT];

    if (ov_ip_parse(text, &ip) == OV_OK) {
        check(ov_ip_parse(ov_ip_format(&ip, out), &ip2) == OV_OK);
        check(ov_ip_equal(&ip, &ip2));
    }
    if (ov_prefix_parse(text, &p) == OV_OK) {
        check(ov_prefix_parse(ov_prefix_format(&p, out), &p2) == OV_OK);
        check(ov_ip_equal(&p.ip, &p2.ip) && p.bits == p2.bits);
        check(ov_prefix_contains(&p, &p.ip));
    }
}

static void numbers(const char *text)
{
    char out[OV_NETID_TEXT];
    ov_netid net, net2;
    ov_addr a, a2;

    if (ov_addr_parse(text, &a) == OV_OK)
        check(ov_addr_parse(ov_addr_format(a, out), &a2) == OV_OK && a == a2);
    if (ov_netid_parse(text, &net) == OV_OK)
        check(ov_netid_parse(ov_netid_format(net, out), &net2) == OV_OK && net == net2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *text = malloc(len + 1);

    if (text == NULL)
        return 0;
    if (len > 0)
        memcpy(text, data, len);
    text[len] = '\0';
    endpoints(text);
    addresses(text);
    numbers(text);
    free(text);
    return 0;
}
