#include "transport/soap.h"

#include <miniupnpc/igd_desc_parse.h>
#include <miniupnpc/miniupnpc.h>
#include <miniupnpc/upnpreplyparse.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVICE "urn:schemas-upnp-org:service:"

/* The library looks one byte behind what it is given: a copy with a NUL there. */
static char *terminated(const char *xml, size_t len)
{
    char *copy = malloc(len + 1);

    if (copy) {
        if (len)
            memcpy(copy, xml, len);
        copy[len] = '\0';
    }
    return copy;
}

/* ---- the description ---- */

/* It goes into a header and into XML: nothing there may have a meaning of its own. */
static bool is_plain(const char *type)
{
    for (; *type; type++)
        if (*type <= ' ' || *type > '~' || strchr("\"<>&'#", *type))
            return false;
    return true;
}

static bool is_wan_connection(const char *type)
{
    return strncmp(type, SERVICE "WANIPConnection:", sizeof SERVICE "WANIPConnection:" - 1) == 0 ||
           strncmp(type, SERVICE "WANPPPConnection:", sizeof SERVICE "WANPPPConnection:" - 1) == 0;
}

static bool service(const struct IGDdatas *parsed, const struct IGDdatas_service *which,
                    const struct ov_ssdp_url *from, struct ov_soap_service *out)
{
    struct IGDdatas data = *parsed;
    struct UPNPUrls urls = {0};
    char text[OV_ENDPOINT_TEXT + OV_SSDP_PATH + 8], server[OV_ENDPOINT_TEXT];
    bool ok = false;

    if (!is_wan_connection(which->servicetype) || !is_plain(which->servicetype))
        return false;
    data.first = *which; /* the one that the library makes the URL of */
    snprintf(text, sizeof text, "http://%s%s", ov_endpoint_format(&from->server, server),
             from->path);
    GetUPNPUrls(&urls, &data, text, 0);
    if (urls.controlURL)
        ok = ov_ssdp_url_parse(urls.controlURL, strlen(urls.controlURL), &out->control) == OV_OK &&
             ov_ip_equal(&out->control.server.ip, &from->server.ip);
    FreeUPNPUrls(&urls);
    snprintf(out->type, sizeof out->type, "%s", which->servicetype);
    return ok;
}

size_t ov_soap_services(const char *xml, size_t len, const struct ov_ssdp_url *from,
                        struct ov_soap_service out[OV_SOAP_SERVICES])
{
    struct IGDdatas data;
    char *copy = terminated(xml, len);
    size_t n = 0;

    if (!copy)
        return 0;
    memset(&data, 0, sizeof data);
    parserootdesc(copy, (int)len, &data);
    free(copy);
    if (service(&data, &data.first, from, &out[n]))
        n++;
    if (service(&data, &data.second, from, &out[n]))
        n++;
    return n;
}

/* ---- requests ---- */

__attribute__((format(printf, 3, 4))) static size_t append(char *out, size_t len, const char *fmt,
                                                           ...)
{
    va_list ap;
    int n;

    if (len >= OV_SOAP_REQUEST_MAX) /* did not fit before */
        return len;
    va_start(ap, fmt);
    n = vsnprintf(out + len, OV_SOAP_REQUEST_MAX - len, fmt, ap);
    va_end(ap);
    return n < 0 ? OV_SOAP_REQUEST_MAX : len + (size_t)n;
}

static size_t head(const char *verb, const struct ov_ssdp_url *url, char *out)
{
    char server[OV_ENDPOINT_TEXT];

    return append(out, 0, "%s %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n", verb,
                  url->path[0] ? url->path : "/", ov_endpoint_format(&url->server, server));
}

size_t ov_soap_get(const struct ov_ssdp_url *url, char out[OV_SOAP_REQUEST_MAX])
{
    size_t n = append(out, head("GET", url, out), "\r\n");
    return n < OV_SOAP_REQUEST_MAX ? n : 0;
}

size_t ov_soap_call(const struct ov_soap_service *s, const char *action,
                    const struct ov_soap_arg *args, size_t nargs, char out[OV_SOAP_REQUEST_MAX])
{
    char body[OV_SOAP_REQUEST_MAX];
    size_t n = append(body, 0,
                      "<?xml version=\"1.0\"?>\r\n"
                      "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" "
                      "s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\">"
                      "<s:Body><u:%s xmlns:u=\"%s\">",
                      action, s->type);
    for (size_t i = 0; i < nargs; i++)
        n = append(body, n, "<%s>%s</%s>", args[i].name, args[i].value, args[i].name);
    n = append(body, n, "</u:%s></s:Body></s:Envelope>\r\n", action);
    if (n >= OV_SOAP_REQUEST_MAX)
        return 0;
    n = append(out, head("POST", &s->control, out),
               "Content-Type: text/xml; charset=\"utf-8\"\r\n"
               "SOAPAction: \"%s#%s\"\r\n"
               "Content-Length: %zu\r\n\r\n%s",
               s->type, action, n, body);
    return n < OV_SOAP_REQUEST_MAX ? n : 0;
}

/* ---- answers ---- */

int ov_soap_value(const char *xml, size_t len, const char *name, char out[OV_SOAP_VALUE])
{
    struct NameValueParserData data;
    char *copy = terminated(xml, len);
    int err = OV_ENOENT;

    if (!copy)
        return OV_ENOMEM;
    memset(&data, 0, sizeof data);
    ParseNameValue(copy, (int)len, &data);
    free(copy);
    const char *value = GetValueFromNameValueList(&data, name);
    if (value) {
        snprintf(out, OV_SOAP_VALUE, "%s", value);
        err = OV_OK;
    }
    ClearNameValueList(&data);
    return err;
}

int ov_soap_number(const char *xml, size_t len, const char *name, uint32_t max, uint32_t *out)
{
    char text[OV_SOAP_VALUE];
    uint64_t v = 0;
    int err = ov_soap_value(xml, len, name, text);

    if (err != OV_OK)
        return err;
    for (const char *p = text; *p; p++) {
        if (*p < '0' || *p > '9' || (v = v * 10 + (uint64_t)(*p - '0')) > max)
            return OV_EINVAL;
    }
    if (!text[0])
        return OV_EINVAL;
    *out = (uint32_t)v;
    return OV_OK;
}
