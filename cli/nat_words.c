#include "nat_words.h"

#include "client.h"

#include <string.h>

const char *ov_nat_words(const json_t *nat)
{
    const char *mapping = ov_json_text(nat, "mapping", "unknown");
    const char *filtering = ov_json_text(nat, "filtering", "unknown");
    const char *ports = ov_json_text(nat, "ports", "unknown");

    if (strcmp(mapping, "unknown") == 0)
        return "not known";
    if (strcmp(mapping, "endpoint-independent") == 0)
        return strcmp(filtering, "endpoint-independent") == 0
                   ? "open: everybody can reach this port"
                   : "friendly: one outside port for all destinations";
    if (strcmp(ports, "sequential") == 0)
        return "difficult: another port for each destination, in order";
    if (strcmp(ports, "block") == 0)
        return "difficult: another port for each destination, out of a few";
    return "difficult: another random port for each destination";
}
