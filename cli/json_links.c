/* json_of.h, streams to and from roots. */
#include "json_of.h"

#include "daemon.h"
#include "links.h"
#include "transport/listen.h"

json_t *ov_json_of_link(struct ov_daemon *d, const struct ov_endpoint *ep)
{
    struct ov_links_info k;
    if (!ov_links_info(d->links, ep, &k))
        return json_null();
    return json_pack("{s:s,s:o,s:o}", "kind", k.tls ? "tls" : "tcp", "remote",
                     ov_json_of_endpoint(&k.remote), "proxy",
                     k.proxy[0] != '\0' ? ov_json_of_text(k.proxy) : json_null());
}

json_t *ov_json_of_served(struct ov_daemon *d)
{
    struct ov_links_port v[OV_LINKS_PORTS];
    struct ov_listen_stats s;
    json_t *ports = json_array();
    size_t n = ov_links_ports(d->links, v);
    if (!ov_links_served(d->links, &s)) {
        json_decref(ports);
        return json_null();
    }
    for (size_t i = 0; i < n; i++)
        json_array_append_new(
            ports,
            json_pack("{s:i,s:o}", "port", (int)v[i].port, "problem",
                      v[i].problem[0] != '\0' ? ov_json_of_text(v[i].problem) : json_null()));
    return json_pack("{s:o,s:I,s:I,s:I,s:I}", "ports", ports, "connections",
                     (json_int_t)s.connections, "strangers", (json_int_t)s.strangers, "accepted",
                     (json_int_t)s.accepted, "refused", (json_int_t)s.refused);
}
