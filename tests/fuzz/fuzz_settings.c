/* An owner's settings: what is refused changes nothing and says why; what is taken can be signed.
 */
#include "controller/pools.h"
#include "controller/settings.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(bool ok)
{
    if (!ok)
        abort();
}

/* Every list within its bounds, every pool usable. */
static void check_net(const struct ov_net_record *n)
{
    check(n->mtu >= OV_MTU_MIN && n->mtu <= OV_MTU_MAX);
    check(n->window_s >= OV_WINDOW_MIN && n->window_s <= OV_WINDOW_MAX);
    check(n->npools <= OV_POOLS_MAX && n->nroutes <= OV_NET_ROUTES_MAX &&
          n->ndns <= OV_NET_DNS_MAX);
    check(strlen(n->name) < sizeof n->name && strlen(n->note) < sizeof n->note);
    for (size_t i = 0; i < n->npools; i++)
        check(ov_pool_is_base(&n->pools[i]) && ov_pool_hosts(&n->pools[i]) >= 2);
    for (size_t i = 0; i < n->nroutes; i++)
        check(ov_pool_is_base(&n->routes[i].dst) &&
              (n->routes[i].via.family == 0 ||
               n->routes[i].via.family == n->routes[i].dst.ip.family));
    for (size_t i = 0; i < n->ndns; i++)
        check(n->dns[i].family == 4 || n->dns[i].family == 6);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char *const net_keys[] = {"name",   "note",   "mtu",       "pool",
                                           "ip6",    "open",   "broadcast", "dns",
                                           "routes", "window", "check-ip",  "multicast-limit",
                                           "nothing"};
    static const char *const member_keys[] = {"bridge", "ip", "note", "tags", "nothing"};
    const size_t nets = sizeof net_keys / sizeof net_keys[0];
    const size_t members = sizeof member_keys / sizeof member_keys[0];
    struct ov_net_record n = {.netid = 0x8056c2e21c000001,
                              .mtu = OV_MTU_DEFAULT,
                              .window_s = OV_WINDOW_DEFAULT,
                              .ip6 = true,
                              .npools = 1,
                              .pools = {{.ip = {4, {10, 147, 17, 0}}, .bits = 24}}};
    struct ov_net_record n0 = n;
    struct ov_member_record m = {.netid = n.netid}, m0 = m;
    char why[256] = "", *value;

    if (len == 0 || (value = malloc(len)) == NULL)
        return 0;
    memcpy(value, data + 1, len - 1);
    value[len - 1] = '\0';
    size_t key = data[0] % (nets + members);
    int r = key < nets ? ov_settings_net(&n, net_keys[key], value, why)
                       : ov_settings_member(&n, &m, member_keys[key - nets], value, why);
    check(r == OV_OK || r == OV_EINVAL);
    if (r != OV_OK)
        check(why[0] != '\0' && strlen(why) < sizeof why && memcmp(&n, &n0, sizeof n) == 0 &&
              memcmp(&m, &m0, sizeof m) == 0);
    check_net(&n);
    check(m.naddrs < OV_CERT_ADDRS_MAX);
    for (size_t i = 0; i < m.naddrs; i++)
        check(ov_pool_has_host(&n.pools[0], &m.addrs[i].ip) && m.addrs[i].bits == 24);
    free(value);
    return 0;
}
