/* tap: TAP devices of Linux.
 *
 * Frames are read one a system call into an array of slots, each with headroom, until the device
 * has no more or the array is full; then one callback gets them all. The slots are allocated once
 * and not cleared: an idle device has touched next to none of them. */
#include "tun/tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define SLOT_BYTES    (OV_TAP_HEADROOM + OV_TAP_FRAME_MAX + 2) /* the byte above the maximum tells */
#define SLOT_CAPACITY (SLOT_BYTES - OV_TAP_HEADROOM)
#define GROUP_LINES   4096 /* of /proc/net/dev_mcast that are looked at */

struct ov_tap {
    uv_poll_t poll;
    int fd;
    bool closing;
    bool gone;
    unsigned ifindex;
    char name[OV_TAP_NAME_MAX];
    ov_tap_cb cb;
    void *arg;
    uint64_t dropped;
    struct ov_tap_frame frames[OV_TAP_BATCH_MAX];
    uint8_t *slots;
};

/* ---- in ---- */

/* Fill the array of frames; how many. Stops early when the device has no more. */
static size_t read_frames(struct ov_tap *t)
{
    size_t n = 0;

    for (unsigned i = 0; i < OV_TAP_BATCH_MAX; i++) {
        uint8_t *data = t->slots + n * SLOT_BYTES + OV_TAP_HEADROOM;
        ssize_t len;
        do {
            len = read(t->fd, data, SLOT_CAPACITY);
        } while (len < 0 && errno == EINTR);
        if (len <= 0)
            break;
        if (len > OV_TAP_FRAME_MAX) { /* the kernel cuts what does not fit, and does not tell */
            t->dropped++;
            continue;
        }
        t->frames[n++] = (struct ov_tap_frame){data, (size_t)len};
    }
    return n;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct ov_tap *t = poll->data;

    (void)events;
    if (status < 0) { /* a TAP has an error condition only when its device was deleted */
        (void)uv_poll_stop(poll);
        if (!t->gone) {
            t->gone = true;
            t->cb(t->arg, t, NULL, 0);
        }
        return;
    }
    size_t n = read_frames(t);
    if (n > 0)
        t->cb(t->arg, t, t->frames, n);
}

/* ---- out ---- */

static void write_vector(struct ov_tap *t, const struct iovec *v, int n)
{
    ssize_t r;

    do {
        r = writev(t->fd, v, n);
    } while (r < 0 && errno == EINTR);
    if (r < 0)
        t->dropped++;
}

void ov_tap_write(struct ov_tap *t, const uint8_t *frame, size_t len)
{
    struct iovec v = {(void *)(uintptr_t)frame, len};

    write_vector(t, &v, 1);
}

/* ---- what the host listens to ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

static bool parse_group(const char *hex, struct ov_mac *out)
{
    struct ov_mac mac;

    for (size_t i = 0; i < 6; i++) {
        int high = hex_digit(hex[2 * i]);
        int low = high < 0 ? -1 : hex_digit(hex[2 * i + 1]);
        if (low < 0)
            return false;
        mac.b[i] = (uint8_t)(high << 4 | low);
    }
    if (hex[12] != '\0')
        return false;
    *out = mac;
    return true;
}

/* Lines are: index, name, users, global users, address. The index is compared, not the name, which
 * may change. */
size_t ov_tap_groups(const struct ov_tap *t, struct ov_mac *out, size_t cap)
{
    FILE *f = fopen("/proc/net/dev_mcast", "re");
    char line[128], hex[65];
    unsigned index;
    size_t n = 0;

    if (!f)
        return 0;
    for (unsigned i = 0; i < GROUP_LINES && n < cap && fgets(line, sizeof line, f); i++) {
        if (sscanf(line, "%u %*s %*u %*u %64s", &index, hex) == 2 && index == t->ifindex &&
            parse_group(hex, &out[n]))
            n++;
    }
    fclose(f);
    return n;
}

/* ---- life ---- */

/* Write a setting of the interface below /proc/sys; a system that has it not, or not writable, is
 * left. */
static void set_ipv6(const struct ov_tap *t, const char *key, const char *value)
{
    char path[128];

    snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/%s", t->name, key);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t r = write(fd, value, strlen(value));
    (void)r;
    close(fd);
}

static int explain_open(int err, char why[256])
{
    switch (err) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
        snprintf(why, 256,
                 "/dev/net/tun is missing: this kernel has no TAP devices, or they are not loaded; "
                 "load them with: modprobe tun");
        return OV_ENOENT;
    case EPERM:
    case EACCES:
        snprintf(why, 256, "not allowed to open /dev/net/tun; run as root or give CAP_NET_ADMIN");
        return OV_EPERM;
    default:
        snprintf(why, 256, "cannot open /dev/net/tun: %s", strerror(err));
        return OV_EIO;
    }
}

static int explain_create(int err, const char *name, char why[256])
{
    bool taken = err == EBUSY || err == EEXIST || (err == EINVAL && if_nametoindex(name) != 0);

    if (taken) {
        snprintf(why, 256,
                 "an interface named %s exists already and is in use; choose another name or "
                 "remove it with: ip link delete %s",
                 name, name);
        return OV_EEXIST;
    }
    switch (err) {
    case EPERM:
    case EACCES:
        snprintf(why, 256,
                 "not allowed to make the TAP device %s; run as root or give CAP_NET_ADMIN", name);
        return OV_EPERM;
    case EINVAL:
        snprintf(why, 256, "\"%s\" is no name for a network interface", name);
        return OV_EINVAL;
    case ENFILE:
        snprintf(why, 256, "all names of the form %s are taken", name);
        return OV_EEXIST;
    default:
        snprintf(why, 256, "cannot make the TAP device %s: %s", name, strerror(err));
        return OV_EIO;
    }
}

static int set_mac(const struct ov_tap *t, const struct ov_mac *mac, char why[256])
{
    struct ifreq req;

    memset(&req, 0, sizeof req);
    memcpy(req.ifr_name, t->name, sizeof t->name);
    req.ifr_hwaddr.sa_family = ARPHRD_ETHER;
    memcpy(req.ifr_hwaddr.sa_data, mac->b, 6);
    if (ioctl(t->fd, SIOCSIFHWADDR, &req) == 0)
        return OV_OK;
    if (errno == EADDRNOTAVAIL) {
        snprintf(why, 256, "the MAC address for %s is not one for an interface", t->name);
        return OV_EINVAL;
    }
    snprintf(why, 256, "cannot set the MAC address of %s: %s", t->name, strerror(errno));
    return errno == EPERM ? OV_EPERM : OV_EIO;
}

/* Make the device and prepare it, still down. */
static int create(struct ov_tap *t, const char *name, const struct ov_mac *mac, char why[256])
{
    struct ifreq req;
    size_t len = strlen(name);

    if (len == 0 || len >= sizeof req.ifr_name)
        return explain_create(EINVAL, name, why);
    t->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (t->fd < 0)
        return explain_open(errno, why);
    memset(&req, 0, sizeof req);
    memcpy(req.ifr_name, name, len);
    req.ifr_flags = IFF_TAP | IFF_NO_PI;
    if (ioctl(t->fd, TUNSETIFF, &req) != 0)
        return explain_create(errno, name, why);
    memcpy(t->name, req.ifr_name, sizeof t->name);
    t->name[sizeof t->name - 1] = '\0';
    t->ifindex = if_nametoindex(t->name);
    if (t->ifindex == 0)
        return explain_create(errno, t->name, why);
    set_ipv6(t, "addr_gen_mode", "0\n"); /* EUI-64 */
    set_ipv6(t, "accept_ra", "0\n");     /* and so no router solicitations */
    return set_mac(t, mac, why);
}

static void free_tap(struct ov_tap *t)
{
    free(t->slots);
    free(t);
}

static void on_closed(uv_handle_t *handle)
{
    free_tap(handle->data);
}

int ov_tap_open(uv_loop_t *loop, const char *name, const struct ov_mac *mac, ov_tap_cb cb,
                void *arg, struct ov_tap **out, char why[256])
{
    struct ov_tap *t = calloc(1, sizeof *t);
    int err = OV_ENOMEM, r;

    snprintf(why, 256, "no memory for a TAP device");
    if (!t)
        return OV_ENOMEM;
    t->fd = -1;
    t->cb = cb;
    t->arg = arg;
    t->slots = malloc((size_t)OV_TAP_BATCH_MAX * SLOT_BYTES);
    if (!t->slots)
        goto out;
    err = create(t, name, mac, why);
    if (err != OV_OK)
        goto out;
    r = uv_poll_init(loop, &t->poll, t->fd);
    if (r == 0) {
        t->poll.data = t;
        r = uv_poll_start(&t->poll, UV_READABLE, on_poll);
        if (r != 0) {
            ov_tap_close(t);
            t = NULL;
        }
    }
    if (r != 0) {
        snprintf(why, 256, "cannot wait for frames of a TAP device: %s", uv_strerror(r));
        err = OV_EIO;
        goto out;
    }
    why[0] = '\0';
    *out = t;
out:
    if (err != OV_OK && t) {
        if (t->fd >= 0)
            close(t->fd);
        free_tap(t);
    }
    return err;
}

const char *ov_tap_name(const struct ov_tap *t)
{
    return t->name;
}

unsigned ov_tap_index(const struct ov_tap *t)
{
    return t->ifindex;
}

uint64_t ov_tap_dropped(const struct ov_tap *t)
{
    return t->dropped;
}

void ov_tap_close(struct ov_tap *t)
{
    if (!t || t->closing)
        return;
    t->closing = true;
    uv_close((uv_handle_t *)&t->poll, on_closed);
    close(t->fd); /* libuv has let go of it already; the device goes with it */
}
