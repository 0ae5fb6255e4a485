#include "json_of.h"

#include "daemon.h"

#include <stdlib.h>
#include <string.h>

json_t *ov_json_of_text(const char *text)
{
    json_t *v = json_string(text);
    if (v != NULL)
        return v;
    char *copy = strdup(text);
    if (copy == NULL)
        return NULL;
    for (char *p = copy; *p != '\0'; p++)
        if ((unsigned char)*p >= 0x80)
            *p = '?';
    v = json_string(copy);
    free(copy);
    return v;
}

json_t *ov_json_of_wall(ov_wall when)
{
    return when == 0 ? json_null() : json_real((double)when / 1000);
}

json_t *ov_json_of_instant(struct ov_daemon *d, ov_time when)
{
    ov_time now = ov_daemon_now(d);
    if (when == 0)
        return json_null();
    return ov_json_of_wall(ov_daemon_wall() - (now > when ? now - when : 0) / OV_MS);
}

json_t *ov_json_of_ms(ov_time t)
{
    /* NOLINTNEXTLINE(bugprone-integer-division): whole microseconds */
    return t == 0 ? json_null() : json_real((double)(t / 1000) / 1000);
}

json_t *ov_json_of_addr(ov_addr a)
{
    char text[OV_ADDR_TEXT];
    return a == 0 ? json_null() : json_string(ov_addr_format(a, text));
}

json_t *ov_json_of_netid(ov_netid id)
{
    char text[OV_NETID_TEXT];
    return json_string(ov_netid_format(id, text));
}

json_t *ov_json_of_endpoint(const struct ov_endpoint *e)
{
    char text[OV_ENDPOINT_TEXT];
    return e->ip.family == 0 ? json_null() : json_string(ov_endpoint_format(e, text));
}

json_t *ov_json_of_twice(struct ov_daemon *d, const struct ov_peer_info *info)
{
    if (info->twice == 0)
        return json_null();
    return json_pack("{s:o,s:o,s:o}", "last", ov_json_of_instant(d, info->twice), "at",
                     ov_json_of_endpoint(&info->places[0]), "and_at",
                     ov_json_of_endpoint(&info->places[1]));
}

json_t *ov_json_of_prefixes(const struct ov_prefix *v, size_t n)
{
    char text[OV_PREFIX_TEXT];
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_string(ov_prefix_format(&v[i], text)));
    return list;
}

static json_t *of_ip(const struct ov_ip *ip)
{
    char text[OV_IP_TEXT];
    return ip->family == 0 ? json_null() : json_string(ov_ip_format(ip, text));
}

json_t *ov_json_of_routes(const struct ov_route *v, size_t n)
{
    char dst[OV_PREFIX_TEXT];
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_pack("{s:s,s:o}", "dst", ov_prefix_format(&v[i].dst, dst),
                                              "via", of_ip(&v[i].via)));
    return list;
}

json_t *ov_json_of_dns(const char *domain, const struct ov_ip *v, size_t n)
{
    json_t *servers = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(servers, of_ip(&v[i]));
    return json_pack("{s:o,s:o}", "domain", ov_json_of_text(domain), "servers", servers);
}

json_t *ov_json_of_caps(uint8_t caps)
{
    json_t *list = json_array();
    if (caps & OV_CAP_ROOT)
        json_array_append_new(list, json_string("root"));
    if (caps & OV_CAP_CONTROLLER)
        json_array_append_new(list, json_string("controller"));
    return list;
}
