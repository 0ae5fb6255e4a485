/* Messages of rank 4: what peers send to a node, and what it sends to them or to itself. */
#include "node.h"

#include "directory.h"
#include "lookup.h"
#include "member.h"
#include "node_state.h"
#include "switch.h"

#include <stdlib.h>

static void on_frame(struct ov_node *n, struct ov_peer *p, const uint8_t *m, size_t len)
{
    ov_netid id;
    struct ov_slice frame;
    struct ov_offload offload;
    if (ov_msg_frame_decode(m, len, &id, &frame, &offload) != OV_OK) {
        ov_drop(&n->e, OV_DROP_MALFORMED_MESSAGE);
        return;
    }
    const struct ov_member *last = ov_member_of(p, id);
    struct ov_network *net = last ? last->net : ov_network_find(&n->o, id);
    if (net)
        ov_switch_receive(net, p, frame.p, frame.len, &offload);
    else
        ov_drop(&n->e, OV_DROP_NOT_JOINED);
}

static void on_request(struct ov_node *n, struct ov_peer *p, const uint8_t *m, size_t len)
{
    struct ov_msg_net_request req;
    if (!(n->e.caps & OV_CAP_CONTROLLER))
        ov_drop(&n->e, OV_DROP_UNEXPECTED);
    else if (ov_msg_net_request_decode(m, len, &req) != OV_OK)
        ov_drop(&n->e, OV_DROP_MALFORMED_MESSAGE);
    else if (!ov_bucket_take(&p->control, 2, n->e.now))
        ov_drop(&n->e, OV_DROP_LIMIT);
    else
        ov_emit(&n->e, &(struct ov_out_event){.kind = OV_EVENT_REQUEST,
                                              .net = req.netid,
                                              .addr = p->id.addr,
                                              .from = &p->id,
                                              .request = &req});
}

static void on_reply(struct ov_node *n, struct ov_peer *p, const uint8_t *m, size_t len)
{
    struct ov_msg_net_reply r;
    if (ov_msg_net_reply_decode(m, len, &r) != OV_OK) {
        ov_drop(&n->e, OV_DROP_MALFORMED_MESSAGE);
        return;
    }
    struct ov_network *net = ov_network_find(&n->o, r.netid);
    if (net && net->controller_peer == p)
        ov_network_reply(net, &r);
    else
        ov_drop(&n->e, OV_DROP_UNEXPECTED);
}

static void on_hello(struct ov_node *n, struct ov_peer *p, const uint8_t *m, size_t len)
{
    struct ov_msg_net_hello h;
    if (ov_msg_net_hello_decode(m, len, &h) != OV_OK) {
        ov_drop(&n->e, OV_DROP_MALFORMED_MESSAGE);
        return;
    }
    struct ov_network *net = ov_network_find(&n->o, h.netid);
    if (!ov_bucket_take(&p->control, 1, n->e.now)) /* a signature to check costs us */
        ov_drop(&n->e, OV_DROP_LIMIT);
    else if (net)
        ov_member_hello_received(net, p, &h);
    else
        ov_drop(&n->e, OV_DROP_NOT_JOINED);
}

/* A revocation proves itself, so it may come from anybody; that costs a signature to check. */
static void on_revoke(struct ov_node *n, struct ov_peer *p, const uint8_t *m, size_t len)
{
    struct ov_revocation r;
    if (ov_revocation_decode(m, len, &r) != OV_OK) {
        ov_drop(&n->e, OV_DROP_MALFORMED_MESSAGE);
        return;
    }
    struct ov_network *net = ov_network_find(&n->o, r.netid);
    bool owner = net && p && net->controller_peer == p;
    if (p && !ov_bucket_take(owner ? &net->revokes : &p->control, 1, n->e.now)) {
        ov_drop(&n->e, OV_DROP_LIMIT);
        return;
    }
    if (n->o.directory)
        ov_directory_revoked(n->o.directory, m, len);
    if (net)
        ov_member_revoke(net, p, m, len);
}

static void on_bye(struct ov_node *n, struct ov_peer *p, const uint8_t *m, size_t len)
{
    ov_netid id;
    if (ov_msg_net_bye_decode(m, len, &id) != OV_OK) {
        ov_drop(&n->e, OV_DROP_MALFORMED_MESSAGE);
        return;
    }
    if (n->o.directory)
        ov_directory_withdraw(n->o.directory, id, &p->id);
    if (n->e.caps & OV_CAP_CONTROLLER && ov_bucket_take(&p->control, 1, n->e.now))
        ov_emit(&n->e, &(struct ov_out_event){
                           .kind = OV_EVENT_BYE, .net = id, .addr = p->id.addr, .from = &p->id});
    struct ov_network *net = ov_network_find(&n->o, id);
    if (net)
        ov_member_bye(net, p);
}

static void on_announce(struct ov_node *n, struct ov_peer *p, const uint8_t *m, size_t len)
{
    struct ov_msg_announce a;
    if (!n->o.directory)
        ov_drop(&n->e, OV_DROP_UNEXPECTED);
    else if (!ov_bucket_take(&p->control, 1, n->e.now))
        ov_drop(&n->e, OV_DROP_LIMIT);
    else if (ov_msg_announce_decode(m, len, &a) != OV_OK)
        ov_drop(&n->e, OV_DROP_MALFORMED_MESSAGE);
    else
        ov_directory_announced(n->o.directory, p, &a);
}

static void on_lookup(struct ov_node *n, struct ov_peer *p, const uint8_t *m, size_t len)
{
    struct ov_msg_lookup l;
    uint8_t *buf;
    if (!n->o.directory) {
        ov_drop(&n->e, OV_DROP_UNEXPECTED);
        return;
    }
    if (!ov_bucket_take(&p->control, 1, n->e.now)) {
        ov_drop(&n->e, OV_DROP_LIMIT);
        return;
    }
    if (ov_msg_lookup_decode(m, len, &l) != OV_OK || !(buf = malloc(OV_MESSAGE_MAX))) {
        ov_drop(&n->e, OV_DROP_MALFORMED_MESSAGE);
        return;
    }
    int answer = ov_directory_answer(n->o.directory, &p->id, &l, buf);
    if (answer > 0)
        ov_peer_send(p, buf, (size_t)answer, OV_SEND_QUIET);
    else
        ov_drop(&n->e, OV_DROP_NOT_MEMBER);
    free(buf);
}

static void on_found(struct ov_node *n, struct ov_peer *p, const uint8_t *m, size_t len)
{
    struct ov_msg_found f;
    if (ov_msg_found_decode(m, len, &f) != OV_OK) {
        ov_drop(&n->e, OV_DROP_MALFORMED_MESSAGE);
        return;
    }
    struct ov_network *net = ov_network_find(&n->o, f.netid);
    if (net && ov_directory_is(net, p))
        ov_lookup_found(net, p, &f);
    else
        ov_drop(&n->e, OV_DROP_UNEXPECTED);
}

void ov_node_message(void *arg, struct ov_peer *p, uint8_t *msg, size_t len)
{
    struct ov_node *n = arg;
    const uint8_t *m = msg + 1;
    size_t mlen = len - 1;
    switch (msg[0]) {
    case OV_MSG_FRAME:
        on_frame(n, p, m, mlen);
        break;
    case OV_MSG_NET_REQUEST:
        on_request(n, p, m, mlen);
        break;
    case OV_MSG_NET_REPLY:
        on_reply(n, p, m, mlen);
        break;
    case OV_MSG_NET_HELLO:
        on_hello(n, p, m, mlen);
        break;
    case OV_MSG_REVOKE:
        on_revoke(n, p, m, mlen);
        break;
    case OV_MSG_NET_BYE:
        on_bye(n, p, m, mlen);
        break;
    case OV_MSG_ANNOUNCE:
        on_announce(n, p, m, mlen);
        break;
    case OV_MSG_LOOKUP:
        on_lookup(n, p, m, mlen);
        break;
    case OV_MSG_FOUND:
        on_found(n, p, m, mlen);
        break;
    default:
        ov_drop(&n->e, OV_DROP_MALFORMED_MESSAGE);
    }
}

/* ---- from us ---- */

/* A message of our controller part to ourselves. */
static int send_self(struct ov_node *n, const uint8_t *msg, size_t len)
{
    struct ov_msg_net_reply r;
    if (len == 0)
        return OV_EINVAL;
    if (msg[0] == OV_MSG_REVOKE) {
        on_revoke(n, NULL, msg + 1, len - 1);
        return OV_OK;
    }
    if (msg[0] != OV_MSG_NET_REPLY || ov_msg_net_reply_decode(msg + 1, len - 1, &r) != OV_OK)
        return OV_EINVAL;
    struct ov_network *net = ov_network_find(&n->o, r.netid);
    if (!net)
        return OV_ENOENT;
    ov_network_reply(net, &r);
    return OV_OK;
}

int ov_node_send(struct ov_node *n, ov_addr to, const uint8_t *msg, size_t len, ov_time now)
{
    int err;
    ov_node_turn_begin(n, now);
    /* Our own directory learns of a revocation however it leaves. */
    if (len > 1 && msg[0] == OV_MSG_REVOKE && n->o.directory)
        ov_directory_revoked(n->o.directory, msg + 1, len - 1);
    if (to == n->e.id.pub.addr) {
        err = send_self(n, msg, len);
    } else {
        struct ov_peer *p = ov_peer_find(&n->e, to);
        err = p ? ov_peer_send(p, msg, len, OV_SEND_QUIET) : OV_ENOENT;
    }
    ov_node_turn_end(n);
    return err;
}
