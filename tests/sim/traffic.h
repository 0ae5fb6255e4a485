/* traffic: frames of hosts that can be recognized: no two are the same, and all have a mark. */
#ifndef OV_TESTS_TRAFFIC_H
#define OV_TESTS_TRAFFIC_H

#include "sim.h"

#define TRAFFIC_MARK  16
#define TRAFFIC_LEAST (OV_ETH_LEN + TRAFFIC_MARK + 4)
#define TRAFFIC_MOST  1358

/* The `number`th frame, of `len` bytes, to a host or to all of them (NULL). */
void traffic_send(struct sim_node *from, const struct sim_node *to,
                  const uint8_t mark[TRAFFIC_MARK], uint32_t number, size_t len);

#endif
