#include "odd_port.h"

bool ov_odd_port_find(const json_t *roots, struct ov_host *out)
{
    bool found = false;
    for (size_t i = 0; i < json_array_size(roots); i++) {
        const json_t *r = json_array_get(roots, i);
        const char *name = json_string_value(json_object_get(r, "host"));
        struct ov_host host;
        if (json_is_true(json_object_get(r, "online")) &&
            !json_is_object(json_object_get(r, "link")))
            continue;
        /* (those that only a network names are called by no host) */
        if (name == NULL || ov_host_parse(name, &host) != OV_OK || host.port == OV_DEFAULT_PORT)
            return false;
        if (!found)
            *out = host;
        found = true;
    }
    return found;
}
