/* json_of.h, the sandbox. */
#include "json_of.h"

#include "caps.h"
#include "daemon.h"
#include "sandbox.h"

#include <linux/capability.h>

static json_t *capabilities(void)
{
    static const struct {
        int bit;
        const char *name;
    } NAMES[] = {{CAP_NET_ADMIN, "net_admin"}, {CAP_NET_BIND_SERVICE, "net_bind_service"}};
    uint64_t have = ov_caps_permitted();
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++)
        if (have >> NAMES[i].bit & 1)
            json_array_append_new(list, json_string(NAMES[i].name));
    return list;
}

json_t *ov_json_of_sandbox(const struct ov_daemon *d)
{
    const struct ov_sandbox *s = d->sandbox;
    if (s == NULL || !s->on)
        return json_pack("{s:s}", "state", "off");
    json_t *missing = json_array();
    for (size_t i = 0; i < s->nmissing; i++)
        json_array_append_new(missing, ov_json_of_text(s->missing[i]));
    return json_pack("{s:s,s:o,s:o,s:b,s:b,s:i,s:b,s:o}", "state",
                     s->nmissing == 0 ? "complete" : "partial", "user", ov_json_of_text(s->user),
                     "capabilities", capabilities(), "no_new_privileges", s->no_new_privs,
                     "seccomp", s->seccomp, "landlock", s->landlock, "memory_locked",
                     s->memory_locked, "missing", missing);
}
