#include "mapping.h"

#include "json_of.h"
#include "sockets.h"
#include "transport/portmap.h"

#include <string.h>

static void on_changed(void *arg, const struct ov_endpoint *external)
{
    struct ov_daemon *d = arg;
    ov_node_set_mapped(d->node, external, ov_daemon_now(d));
    ov_daemon_drain(d);
}

int ov_mapping_open(struct ov_daemon *d, const struct ov_identity_secret *id)
{
    static const char LABEL[] = "ovpn port mapping";
    struct ov_portmap_config c = {
        .skip = ov_sockets_skip,
        .changed = on_changed,
        .arg = d,
        .log = d->log,
        .lease_s = d->settings->portmap_lease_s,
    };
    for (size_t i = 0; i < d->nsockets && c.port == 0; i++)
        if (d->sockets[i].bound.ip.family == 4)
            c.port = d->sockets[i].bound.port;
    if (!d->settings->portmap || c.port == 0)
        return OV_OK;
    if (d->settings->bind.family == 4)
        c.only = d->settings->bind;
    ov_hash(c.key, sizeof(c.key), id->seed, sizeof(id->seed), LABEL, sizeof(LABEL));
    int err = ov_portmap_open(&d->loop, &c, &d->portmap);
    ov_wipe(c.key, sizeof(c.key));
    return err;
}

void ov_mapping_check(struct ov_daemon *d)
{
    if (d->portmap != NULL)
        ov_portmap_check(d->portmap);
}

void ov_mapping_look(struct ov_daemon *d)
{
    struct ov_root_info v[OV_ROOTS_MAX];
    struct ov_ip seen = {0};
    if (d->portmap == NULL)
        return;
    size_t n = ov_node_roots(d->node, v, OV_ROOTS_MAX);
    for (size_t i = 0; i < n && seen.family == 0; i++)
        if (v[i].online && v[i].seen.ip.family == 4)
            seen = v[i].seen.ip;
    if (seen.family == 0 || ov_ip_equal(&seen, &d->seen))
        return;
    bool first = d->seen.family == 0;
    d->seen = seen;
    if (!first)
        ov_portmap_check(d->portmap);
}

void ov_mapping_close(struct ov_daemon *d)
{
    ov_portmap_close(d->portmap);
    d->portmap = NULL;
}

json_t *ov_json_of_mapping(const struct ov_daemon *d)
{
    static const char *const STATE[] = {
        [OV_PORTMAP_UNNEEDED] = "unneeded", [OV_PORTMAP_NO_ROUTER] = "no_router",
        [OV_PORTMAP_ASKING] = "asking",     [OV_PORTMAP_MAPPED] = "mapped",
        [OV_PORTMAP_NONE] = "none",
    };
    struct ov_portmap_status s = {0};
    if (d->portmap == NULL)
        return json_pack("{s:s}", "state", "off");
    ov_portmap_status(d->portmap, &s);
    json_t *o = json_pack("{s:s}", "state", STATE[s.state]);
    if (s.state == OV_PORTMAP_MAPPED) {
        json_object_set_new(o, "protocol", json_string(ov_mapper_name(s.by)));
        json_object_set_new(o, "external", ov_json_of_endpoint(&s.external));
        json_object_set_new(o, "nat_outside", json_boolean(s.nat_outside));
        json_object_set_new(o, "lease_s", s.permanent ? json_null() : json_integer(s.lease_s));
        json_object_set_new(o, "renew_s", json_integer((json_int_t)(s.renew_ms / 1000)));
        json_object_set_new(o, "renewals", json_integer(s.renewals));
    } else if (s.state == OV_PORTMAP_NONE) {
        json_object_set_new(o, "problem", json_string(s.problem));
        json_object_set_new(o, "retry_s", json_integer((json_int_t)(s.renew_ms / 1000)));
    }
    return o;
}
