/* netstate: how far we are with a network we joined. */
#ifndef OV_CORE_NETSTATE_H
#define OV_CORE_NETSTATE_H

#define OV_NETWORKS_MAX 16

enum ov_net_state {
    OV_NET_STATE_CONNECTING, /* looking for the controller */
    OV_NET_STATE_ASKING,     /* controller known, request sent */
    OV_NET_STATE_WAITING,    /* waiting for admission */
    OV_NET_STATE_READY,      /* member */
    OV_NET_STATE_REFUSED,    /* see `status` */
};
const char *ov_net_state_text(enum ov_net_state s);

#endif
