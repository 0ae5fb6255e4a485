/* output: what a node wants done, queued until the edge pulls it.
 *
 * One turn's outputs live in a bounded arena that is used from its start again once everything was
 * pulled. Datagrams to one endpoint that follow each other and have one size grow into one train.
 * What does not fit is refused; the caller counts it as a drop. Frames are not copied: they point
 * into the input batch, so they die with it. */
#ifndef OV_CORE_OUTPUT_H
#define OV_CORE_OUTPUT_H

#include "wire.h"

enum ov_persist_kind {
    OV_PERSIST_STAMP = 1,   /* id 0: how far handshake stamps have been used */
    OV_PERSIST_NETWORK = 2, /* id: netid: controller, configuration, certificate */
    OV_PERSIST_PEER = 3,    /* id: address: pinned identity, last good endpoint */
};

enum ov_out_kind { OV_OUT_DATAGRAMS, OV_OUT_FRAME, OV_OUT_EVENT, OV_OUT_PERSIST };

/* A datagram train: `len` bytes, one datagram each `segment` bytes, the last may be shorter; all to
 * one endpoint. */
struct ov_out_datagrams {
    uint16_t socket;
    uint8_t ttl;       /* 0: the default */
    struct ov_ip from; /* the address of ours to send from; family 0: as the host routes */
    struct ov_endpoint to;
    const uint8_t *data;
    size_t len, segment;
};

struct ov_out_frame {
    ov_netid net;
    const uint8_t *data;
    size_t len;
    struct ov_offload offload; /* never a superframe; its checksum may be partial */
};

enum ov_event_kind {
    OV_EVENT_NETWORK,  /* state, configuration or certificate of `net` changed: ov_node_network() */
    OV_EVENT_PEER,     /* session or chosen path of `addr` changed: ov_node_peer() */
    OV_EVENT_ROOT,     /* a root answered, was lost, or is not who it was: `host` */
    OV_EVENT_CONFLICT, /* a second key claims `addr`; refused */
    OV_EVENT_REQUEST,  /* for the controller part: request from `from` */
    OV_EVENT_BYE,      /* for the controller part: `from` left `net`, or wants in no more */
    OV_EVENT_PONG,     /* `addr`, `id`, `rtt`, `relayed` */
    OV_EVENT_LINK,     /* streams to a root are wanted, in use or not wanted any more:
                          ov_node_roots() */
    OV_EVENT_LINK_PROVEN, /* of a root: the accepted stream numbered `id` is that of peer `addr` */
    OV_EVENT_LINK_CLOSE,  /* close that one: `addr` has too many, or is forgotten */
    /* Temporary sockets (local.h). The edge does these in the order in which they come. */
    OV_EVENT_SOCKETS, /* open `count` of them, numbered from `socket` on, each on a port of its
                         own; then answer by ov_node_extra_sockets() with `id` */
    OV_EVENT_SOCKETS_CLOSE, /* close those of `count` from `socket` on that are open */
    OV_EVENT_TWIN, /* `addr` is alive on two computers; our own: ov_node_twin(). Each time it shows
                    */
    OV_EVENT_LAN,  /* time to send ov_node_beacon() on every LAN */
};

struct ov_out_event {
    enum ov_event_kind kind;
    ov_netid net;
    ov_addr addr;
    uint64_t id;
    ov_time rtt;
    bool relayed;
    uint16_t socket, count;
    const char *host;
    const struct ov_identity *from; /* proven by its session */
    const struct ov_msg_net_request *request;
};

struct ov_out_persist { /* len 0: delete */
    enum ov_persist_kind kind;
    uint64_t id;
    const uint8_t *data;
    size_t len;
};

struct ov_output {
    enum ov_out_kind kind;
    union {
        struct ov_out_datagrams datagrams;
        struct ov_out_frame frame;
        struct ov_out_event event;
        struct ov_out_persist persist;
    };
};

struct ov_outq {
    uint8_t *arena;
    size_t used, cap;
    struct ov_output *items;
    size_t head, len, max;
    size_t kept; /* as many more, for events: a lost datagram is sent again, an event is not */
    bool secret; /* an event's copy of an invite's secret is in the arena */
};

/* `bytes` of arena and room for bytes / 512 outputs, and some events more. OV_ENOMEM. */
OV_CHECK int ov_outq_init(struct ov_outq *q, size_t bytes);
void ov_outq_free(struct ov_outq *q);
/* New input comes: frames of earlier input that nobody pulled are forgotten, since their buffers
 * may be gone. Returns how many. */
size_t ov_outq_begin(struct ov_outq *q);
/* Room for one datagram of `len` bytes, to be filled by the caller before anything else is queued;
 * NULL when full. `from` may be NULL: as the host routes. */
#define OV_TRAIN_SEGMENTS 64
#define OV_TRAIN_BYTES    65000
uint8_t *ov_outq_datagram(struct ov_outq *q, uint16_t socket, uint8_t ttl, const struct ov_ip *from,
                          const struct ov_endpoint *to, size_t len);
/* `data` is borrowed; `o` may be NULL: nothing is left to the host. */
OV_CHECK bool ov_outq_frame(struct ov_outq *q, ov_netid net, const uint8_t *data, size_t len,
                            const struct ov_offload *o);
/* Events and things to persist are copied, with all that they point to (but `host`, which must be
 * static for the turn). */
OV_CHECK bool ov_outq_event(struct ov_outq *q, const struct ov_out_event *e);
OV_CHECK bool ov_outq_persist(struct ov_outq *q, enum ov_persist_kind kind, uint64_t id,
                              const void *data, size_t len);
/* Copy of bytes that live as long as the turn's outputs; NULL when full. */
uint8_t *ov_outq_copy(struct ov_outq *q, const void *data, size_t len);
bool ov_outq_pull(struct ov_outq *q, struct ov_output *out);

#endif
