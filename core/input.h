/* input: what a datagram goes through, in this order: length by type, look up, authenticate,
 * replay, path, deliver. Nothing before authentication changes any state but counters and rate
 * limits. */
#ifndef OV_CORE_INPUT_H
#define OV_CORE_INPUT_H

#include "locate.h"

struct ov_via;

/* `via` is direct; `data` is opened in place. */
void ov_input_datagram(struct ov_engine *e, struct ov_locate *l, const struct ov_via *via,
                       uint8_t *data, size_t len);

#endif
