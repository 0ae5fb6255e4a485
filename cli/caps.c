#include "caps.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* glibc has no wrappers, and for two calls libcap would be a library more. The first half of a set
 * has capabilities 0 to 31. */
static int get(struct __user_cap_data_struct set[2])
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    return syscall(SYS_capget, &head, set) == 0 ? OV_OK : OV_EPERM;
}

static int put(uint64_t permitted, uint64_t effective)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct set[2] = {
        {.permitted = (uint32_t)permitted, .effective = (uint32_t)effective},
        {.permitted = (uint32_t)(permitted >> 32), .effective = (uint32_t)(effective >> 32)}};
    return syscall(SYS_capset, &head, set) == 0 ? OV_OK : OV_EPERM;
}

uint64_t ov_caps_permitted(void)
{
    struct __user_cap_data_struct set[2];
    return get(set) == OV_OK ? (uint64_t)set[1].permitted << 32 | set[0].permitted : 0;
}

int ov_caps_limit(uint64_t want, uint64_t always)
{
    uint64_t left = ov_caps_permitted() & want;
    /* Nor can any come back by running a program. Without CAP_SETPCAP the bounding set stays, and
     * no_new_privs makes it meaningless. */
    for (int c = 0; prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
        if (c > 63 || (want >> c & 1) == 0)
            (void)prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return put(left, left & always);
}

void ov_caps_raise(void)
{
    uint64_t all = ov_caps_permitted();
    (void)!put(all, all);
}

void ov_caps_lower(uint64_t always)
{
    uint64_t all = ov_caps_permitted();
    (void)!put(all, all & always);
}
