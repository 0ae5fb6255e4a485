/* Sealed messages, with their type byte: what decodes encodes to the same bytes. */
#include "core/wire.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define AGAIN(name)                                                                                \
    static bool again_##name(const uint8_t *in, size_t len, struct ov_writer *w)                   \
    {                                                                                              \
        struct ov_msg_##name m;                                                                    \
                                                                                                   \
        if (ov_msg_##name##_decode(in, len, &m) != OV_OK)                                          \
            return false;                                                                          \
        ov_msg_##name##_encode(w, &m);                                                             \
        return true;                                                                               \
    }
AGAIN(fragment)
AGAIN(probe)
AGAIN(probe_ok)
AGAIN(twin)
AGAIN(reflect)
AGAIN(reflect_ok)
AGAIN(whois)
AGAIN(identity)
AGAIN(punch)
AGAIN(net_request)
AGAIN(net_reply)
AGAIN(net_hello)
AGAIN(announce)
AGAIN(lookup)
AGAIN(found)

static bool again_frame(const uint8_t *in, size_t len, struct ov_writer *w)
{
    static uint8_t room[OV_MSG_FRAME_HEADER + OV_MSG_FRAME_PARTIAL + OV_FRAME_MAX];
    uint8_t *copy = room + OV_MSG_FRAME_HEADER + OV_MSG_FRAME_PARTIAL;
    struct ov_offload o;
    struct ov_slice frame;
    ov_netid net;

    if (ov_msg_frame_decode(in, len, &net, &frame, &o) != OV_OK)
        return false;
    memcpy(copy, frame.p, frame.len);
    size_t header = ov_msg_frame_prepend(net, &o, copy);
    ov_writer_bytes(w, copy - header, header + frame.len);
    return true;
}

static bool again_close(const uint8_t *in, size_t len, struct ov_writer *w)
{
    uint8_t reason;

    if (ov_msg_close_decode(in, len, &reason) != OV_OK)
        return false;
    ov_msg_close_encode(w, (enum ov_close_reason)reason);
    return true;
}

static bool again_net_bye(const uint8_t *in, size_t len, struct ov_writer *w)
{
    ov_netid net;

    if (ov_msg_net_bye_decode(in, len, &net) != OV_OK)
        return false;
    ov_msg_net_bye_encode(w, net);
    return true;
}

/* Decode the message of this type and write it again; false when it is not a good one. */
static bool again(enum ov_msg type, const uint8_t *in, size_t len, struct ov_writer *w)
{
    static const struct {
        enum ov_msg type;
        bool (*again)(const uint8_t *in, size_t len, struct ov_writer *w);
    } known[] = {
        {OV_MSG_FRAME, again_frame},         {OV_MSG_FRAGMENT, again_fragment},
        {OV_MSG_PROBE, again_probe},         {OV_MSG_PROBE_OK, again_probe_ok},
        {OV_MSG_REFLECT, again_reflect},     {OV_MSG_REFLECT_OK, again_reflect_ok},
        {OV_MSG_TWIN, again_twin},           {OV_MSG_CLOSE, again_close},
        {OV_MSG_WHOIS, again_whois},         {OV_MSG_IDENTITY, again_identity},
        {OV_MSG_PUNCH, again_punch},         {OV_MSG_NET_REQUEST, again_net_request},
        {OV_MSG_NET_REPLY, again_net_reply}, {OV_MSG_NET_HELLO, again_net_hello},
        {OV_MSG_NET_BYE, again_net_bye},     {OV_MSG_ANNOUNCE, again_announce},
        {OV_MSG_LOOKUP, again_lookup},       {OV_MSG_FOUND, again_found},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (known[i].type == type)
            return known[i].again(in, len, w);
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static uint8_t out[32768];
    struct ov_writer w;

    if (len == 0 || len > sizeof(out))
        return 0;
    ov_writer_init(&w, out, sizeof(out));
    if (!again((enum ov_msg)data[0], data + 1, len - 1, &w))
        return 0;
    if (w.failed || w.len != len || memcmp(out, data, len) != 0)
        abort();
    return 0;
}
