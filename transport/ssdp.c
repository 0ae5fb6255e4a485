#include "transport/ssdp.h"

#include "transport/http.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define DEVICE "urn:schemas-upnp-org:device:InternetGatewayDevice:"

int ov_ssdp_url_parse(const char *text, size_t len, struct ov_ssdp_url *out)
{
    static const char SCHEME[] = "http://";
    struct ov_ssdp_url u = {.server.port = 80};
    char host[32];

    if (len < sizeof SCHEME - 1 || strncasecmp(text, SCHEME, sizeof SCHEME - 1) != 0)
        return OV_EINVAL;
    text += sizeof SCHEME - 1;
    len -= sizeof SCHEME - 1;
    const char *slash = memchr(text, '/', len);
    size_t hostlen = slash ? (size_t)(slash - text) : len, pathlen = len - hostlen;
    if (hostlen >= sizeof host || pathlen >= sizeof u.path)
        return OV_EINVAL;
    for (size_t i = 0; i < pathlen; i++)
        if (slash[i] <= ' ' || slash[i] > '~')
            return OV_EINVAL;
    if (pathlen)
        memcpy(u.path, slash, pathlen);
    memcpy(host, text, hostlen);
    host[hostlen] = '\0';
    bool has_port = strchr(host, ':') != NULL;
    if (has_port ? ov_endpoint_parse(host, &u.server) != OV_OK
                 : ov_ip_parse(host, &u.server.ip) != OV_OK)
        return OV_EINVAL;
    if (u.server.ip.family != 4 || u.server.port == 0)
        return OV_EINVAL;
    *out = u;
    return OV_OK;
}

size_t ov_ssdp_search_encode(const char *to, unsigned version, char out[OV_SSDP_SEARCH_MAX])
{
    int n = snprintf(out, OV_SSDP_SEARCH_MAX,
                     "M-SEARCH * HTTP/1.1\r\n"
                     "HOST: %s:%d\r\n"
                     "MAN: \"ssdp:discover\"\r\n"
                     "MX: 1\r\n"
                     "ST: " DEVICE "%u\r\n"
                     "\r\n",
                     to, OV_SSDP_PORT, version);
    return n > 0 && n < OV_SSDP_SEARCH_MAX ? (size_t)n : 0;
}

static bool starts(struct ov_slice s, const char *with)
{
    size_t n = strlen(with);
    return s.len >= n && memcmp(s.p, with, n) == 0;
}

/* Only compared: what does not fit may wrap around. */
static uint32_t number(struct ov_slice s)
{
    uint32_t v = 0;

    for (size_t i = 0; i < s.len && s.p[i] >= '0' && s.p[i] <= '9'; i++)
        v = v * 10 + (uint32_t)(s.p[i] - '0');
    return v;
}

int ov_ssdp_decode(const char *in, size_t len, struct ov_ssdp *out)
{
    struct ov_slice all = {(const uint8_t *)in, len};
    struct ov_ssdp m = {.kind = OV_SSDP_OTHER};
    bool answer = starts(all, "HTTP/1.1 200") || starts(all, "HTTP/1.0 200");

    if (len > OV_SSDP_MAX || (!answer && !starts(all, "NOTIFY * HTTP/1.")))
        return OV_EINVAL;
    if (starts(ov_http_field(in, len, answer ? "ST" : "NT"), DEVICE)) {
        struct ov_slice url = ov_http_field(in, len, "LOCATION"),
                        nts = ov_http_field(in, len, "NTS");
        if (!answer && starts(nts, "ssdp:byebye"))
            m.kind = OV_SSDP_BYEBYE;
        else if (answer || starts(nts, "ssdp:alive"))
            m.kind = answer ? OV_SSDP_GATEWAY : OV_SSDP_ALIVE;
        if (m.kind != OV_SSDP_OTHER && m.kind != OV_SSDP_BYEBYE &&
            ov_ssdp_url_parse((const char *)url.p, url.len, &m.url) != OV_OK)
            return OV_EINVAL;
        m.boot = number(ov_http_field(in, len, "BOOTID.UPNP.ORG"));
    }
    *out = m;
    return OV_OK;
}
