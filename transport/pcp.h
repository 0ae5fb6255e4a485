/* pcp: the messages of the Port Control Protocol (RFC 6887) that a client of MAP needs, as bytes,
 * for IPv4. And the epoch of RFC 6887 and RFC 6886: how a router tells that it forgot. */
#ifndef OV_TRANSPORT_PCP_H
#define OV_TRANSPORT_PCP_H

#include "core/types.h"

#define OV_PCP_VERSION 2

enum ov_pcp_op { OV_PCP_ANNOUNCE = 0, OV_PCP_MAP = 1 };
enum ov_pcp_result {
    OV_PCP_OK = 0,
    OV_PCP_BAD_VERSION = 1,
    OV_PCP_NOT_AUTHORIZED = 2,
    OV_PCP_MALFORMED = 3,
    OV_PCP_BAD_OP = 4,
    OV_PCP_BAD_OPTION = 5,
    OV_PCP_MALFORMED_OPTION = 6,
    OV_PCP_NETWORK_FAILURE = 7,
    OV_PCP_NO_RESOURCES = 8,
    OV_PCP_BAD_PROTOCOL = 9,
    OV_PCP_QUOTA = 10,
    OV_PCP_NO_EXTERNAL = 11,
    OV_PCP_ADDRESS_MISMATCH = 12, /* another NAT is between us and the router */
    OV_PCP_TOO_MANY_PEERS = 13,
};

#define OV_PCP_NONCE_LEN 12
struct ov_pcp_map {
    uint8_t nonce[OV_PCP_NONCE_LEN];
    uint16_t internal;
    struct ov_endpoint external; /* in a request: wished for; family 0: any */
};
struct ov_pcp_answer {
    uint8_t op, result; /* enum ov_pcp_op, enum ov_pcp_result */
    uint32_t lifetime;  /* of the mapping; of the error when there is one */
    uint32_t epoch;
    bool has_map; /* an error may come without */
    struct ov_pcp_map map;
};

#define OV_PCP_ANNOUNCE_LEN 24
#define OV_PCP_MAP_LEN      60
#define OV_PCP_MAX          1100
void ov_pcp_announce_encode(const struct ov_ip *client, uint8_t out[OV_PCP_ANNOUNCE_LEN]);
/* Map UDP. `lifetime` 0 removes the mapping. */
void ov_pcp_map_encode(const struct ov_ip *client, uint32_t lifetime, const struct ov_pcp_map *m,
                       uint8_t out[OV_PCP_MAP_LEN]);
/* OV_ETRUNC; OV_EINVAL for requests, other versions, other protocols than UDP, IPv6 outside. */
OV_CHECK int ov_pcp_decode(const uint8_t *in, size_t len, struct ov_pcp_answer *out);
const char *ov_pcp_result_text(uint8_t result);

struct ov_epoch {
    bool known;
    uint32_t router;
    uint64_t here; /* seconds */
};
/* Note the router's epoch, seen at `now` (seconds of a monotonic clock). False when it does not go
 * on from the last one: then the router lost its mappings in between (RFC 6887, 8.5). */
bool ov_epoch_note(struct ov_epoch *e, uint32_t router, uint64_t now);

#endif
