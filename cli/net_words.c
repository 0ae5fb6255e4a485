#include "net_words.h"

#include "client.h"

#include <string.h>

bool ov_net_is_ready(const json_t *net)
{
    return strcmp(ov_json_text(net, "state", ""), "ready") == 0;
}

const char *ov_net_state_words(const json_t *net)
{
    static const char *const words[][2] = {
        {"connecting", "looking for controller"},
        {"asking", "asking controller"},
        {"waiting", "waiting for admission"},
    };
    const char *state = ov_json_text(net, "state", "");

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(state, words[i][0]) == 0)
            return words[i][1];
    return state;
}

const char *ov_net_lack_words(const json_t *net)
{
    const json_t *left_out = json_object_get(net, "left_out");
    const char *first = ov_json_text(json_array_get(left_out, 0), "address", "");

    if (!ov_net_is_ready(net) || json_array_size(left_out) == 0)
        return "";
    if (json_array_size(json_object_get(net, "addresses")) == 0)
        return ", without its address";
    return strchr(first, ':') ? ", without its IPv6 address" : ", without its IPv4 address";
}
