/* inward: our own datagrams on their way into our own devices.
 *
 * A peer may say that it is reached at an address which lies inside of a network. A datagram to
 * there would go into the network's device, be sealed into another datagram to the same peer, and
 * so on for ever, with all of the processor. None of them may enter: such a path is never proven.
 */
#ifndef OV_CLI_INWARD_H
#define OV_CLI_INWARD_H

#include "core/types.h"

/* Is the frame a UDP datagram, or the first piece of one? Then *src is where it comes from. */
bool ov_inward_source(const uint8_t *frame, size_t len, struct ov_endpoint *src);

#endif
