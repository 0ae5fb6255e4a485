#include "beacons.h"

#include "core/beacon.h"
#include "sockets.h"
#include "transport/discovery.h"

static const struct ov_daemon_socket *socket_of(const struct ov_daemon *d, uint8_t family)
{
    for (size_t i = 0; i < d->nsockets; i++)
        if (d->sockets[i].bound.ip.family == family)
            return &d->sockets[i];
    return NULL;
}

static size_t make(void *arg, const struct ov_ip *source, uint8_t *out, size_t cap)
{
    struct ov_daemon *d = arg;
    const struct ov_daemon_socket *s = socket_of(d, source->family);
    if (s == NULL || cap < OV_BEACON_MAX || !ov_sockets_reachable_at(s, source))
        return 0;
    return ov_node_beacon(d->node, source, s->bound.port, out, ov_daemon_now(d));
}

static void heard(void *arg, const struct ov_endpoint *from, const uint8_t *data, size_t len)
{
    struct ov_daemon *d = arg;
    ov_node_beacon_heard(d->node, from, data, len, ov_daemon_now(d));
    ov_daemon_drain(d);
}

void ov_beacons_open(struct ov_daemon *d)
{
    struct ov_discovery_config c = {.skip = ov_sockets_skip,
                                    .make = make,
                                    .heard = heard,
                                    .arg = d,
                                    .ip4 = socket_of(d, 4) != NULL,
                                    .ip6 = socket_of(d, 6) != NULL,
                                    .largest = OV_BEACON_MAX,
                                    .log = d->log};
    if (!d->settings->lan_discovery)
        return;
    if (ov_discovery_open(&d->loop, &c, &d->discovery) != OV_OK) {
        ov_log(&d->log, OV_LOG_WARN,
               "members on the LAN are not looked for: UDP port %d cannot be used", OV_BEACON_PORT);
        return;
    }
    ov_node_set_lan(d->node, true, ov_daemon_now(d));
    ov_daemon_drain(d);
}

void ov_beacons_refresh(struct ov_daemon *d)
{
    if (d->discovery != NULL)
        ov_discovery_refresh(d->discovery);
}

void ov_beacons_send(struct ov_daemon *d)
{
    if (d->discovery != NULL)
        ov_discovery_announce(d->discovery);
    ov_daemon_drain(d);
}

void ov_beacons_close(struct ov_daemon *d)
{
    ov_discovery_close(d->discovery);
    d->discovery = NULL;
}

json_t *ov_json_of_lan(const struct ov_daemon *d)
{
    struct ov_node_stats s;
    if (d->discovery == NULL)
        return json_pack("{s:s}", "state", "off");
    ov_node_stats(d->node, &s);
    return json_pack("{s:s,s:I,s:I,s:I,s:I,s:I}", "state", "on", "addresses",
                     (json_int_t)ov_discovery_lans(d->discovery), "sent", (json_int_t)s.lan_sent,
                     "heard", (json_int_t)s.lan_heard, "recognized", (json_int_t)s.lan_known,
                     "tries", (json_int_t)s.lan_tries);
}
