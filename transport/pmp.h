/* pmp: the messages of NAT-PMP (RFC 6886), as bytes. */
#ifndef OV_TRANSPORT_PMP_H
#define OV_TRANSPORT_PMP_H

#include "core/types.h"

#define OV_PMP_VERSION 0
#define OV_PMP_PORT    5351 /* of the router, for PCP too */

enum ov_pmp_op { OV_PMP_ADDRESS = 0, OV_PMP_MAP_UDP = 1 };
enum ov_pmp_result {
    OV_PMP_OK = 0,
    OV_PMP_BAD_VERSION = 1,
    OV_PMP_REFUSED = 2,
    OV_PMP_NETWORK_FAILURE = 3, /* the router has no address itself */
    OV_PMP_NO_RESOURCES = 4,
    OV_PMP_BAD_OP = 5,
};

struct ov_pmp_answer {
    uint8_t op; /* enum ov_pmp_op */
    uint16_t result;
    uint32_t epoch;              /* seconds since the router's tables began */
    struct ov_ip address;        /* of an ADDRESS that is OK */
    uint16_t internal, external; /* of a MAP that is OK */
    uint32_t lifetime;
};

#define OV_PMP_ADDRESS_LEN 2
#define OV_PMP_MAP_LEN     12
void ov_pmp_address_encode(uint8_t out[OV_PMP_ADDRESS_LEN]);
/* `lifetime` in seconds; 0 removes the mapping, and `external` is 0 then. */
void ov_pmp_map_encode(uint16_t internal, uint16_t external, uint32_t lifetime,
                       uint8_t out[OV_PMP_MAP_LEN]);
/* An answer or an announcement. OV_ETRUNC; OV_EINVAL for requests and what is not NAT-PMP. One with
 * an error has nothing behind the epoch, or less. */
OV_CHECK int ov_pmp_decode(const uint8_t *in, size_t len, struct ov_pmp_answer *out);
const char *ov_pmp_result_text(uint16_t result);

#endif
