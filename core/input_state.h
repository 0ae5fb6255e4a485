/* input_state: a datagram on its way through input.c and input_message.c, for these only. */
#ifndef OV_CORE_INPUT_STATE_H
#define OV_CORE_INPUT_STATE_H

#include "peer.h"

/* One datagram on its way in. */
struct ov_arrival {
    struct ov_engine *e;
    struct ov_locate *l;
    struct ov_via via; /* how it came: answers go back there */
    ov_addr relayed_from;
    const struct ov_keypair *kp; /* it was sealed under */
    enum ov_mac_state mac;       /* of a handshake message */
    uint8_t *d;
    size_t len;
};

/* An authenticated message. `whole`: it came out of fragments, which may not nest. */
void ov_input_message(struct ov_arrival *a, struct ov_peer *p, uint8_t *msg, size_t len,
                      bool whole);

#endif
