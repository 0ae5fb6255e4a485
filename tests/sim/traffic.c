#include "traffic.h"

#include "core/bytes.h"

#include <assert.h>
#include <string.h>

#define ETHERTYPE 0x88b5 /* for experiments */

void traffic_send(struct sim_node *from, const struct sim_node *to,
                  const uint8_t mark[TRAFFIC_MARK], uint32_t number, size_t len)
{
    uint8_t f[TRAFFIC_MOST];

    assert(len >= TRAFFIC_LEAST && len <= sizeof(f));
    memset(f, 0xff, 6);
    if (to != NULL)
        memcpy(f, to->mac.b, 6);
    memcpy(f + 6, from->mac.b, 6);
    f[12] = ETHERTYPE >> 8;
    f[13] = ETHERTYPE & 0xff;
    memcpy(f + OV_ETH_LEN, mark, TRAFFIC_MARK);
    ov_store32(f + OV_ETH_LEN + TRAFFIC_MARK, number);
    for (size_t i = TRAFFIC_LEAST; i < len; i++)
        f[i] = (uint8_t)i;
    struct sim_event *e = sim_post(from->sim, SIM_FRAME, from->sim->now, OV_FRAME_HEADROOM, f, len);
    e->node = from;
    e->life = from->life;
}
