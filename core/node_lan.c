/* The LAN, as the edge sees it. */
#include "node.h"

#include "node_state.h"

void ov_node_set_lan(struct ov_node *n, bool on, ov_time now)
{
    ov_node_turn_begin(n, now);
    ov_lan_enable(&n->lan, on);
    ov_node_turn_end(n);
}

size_t ov_node_beacon(struct ov_node *n, const struct ov_ip *source, uint16_t port,
                      uint8_t out[OV_BEACON_MAX], ov_time now)
{
    ov_node_turn_begin(n, now);
    return ov_lan_beacon(&n->lan, source, port, out);
}

void ov_node_beacon_heard(struct ov_node *n, const struct ov_endpoint *from, const uint8_t *data,
                          size_t len, ov_time now)
{
    ov_node_turn_begin(n, now);
    ov_lan_heard(&n->lan, from, data, len);
    ov_node_turn_end(n);
}
