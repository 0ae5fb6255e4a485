/* tap: TAP devices of Linux.
 *
 * Frames are read one a system call into a buffer, one behind the other and each with headroom,
 * until the device has no more or the buffer cannot be sure to hold another superframe; then one
 * callback gets them all. The buffer is allocated once and not cleared: an idle device has touched
 * next to nothing of it.
 *
 * Offload. With IFF_VNET_HDR each frame has a struct virtio_net_hdr before it, both ways. What may
 * come in is asked for by TUNSETOFFLOAD, as much of it as the kernel knows; partial checksums and
 * TCP superframes may be written whatever was asked for. Without that header, the checksum is
 * completed here and nothing is put together. */
#include "tun/tap.h"

#include "core/coalesce.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define SLOT_CAPACITY (OV_SUPERFRAME_MAX + 2) /* the byte above the maximum tells */
#define BUFFER_BYTES  (5 * (OV_TAP_HEADROOM + SLOT_CAPACITY))
#define ALIGN         16
#define GROUP_LINES   4096 /* of /proc/net/dev_mcast that are looked at */

/* From Linux 6.2; the headers may be older than the kernel. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

_Static_assert(sizeof(struct virtio_net_hdr) <= OV_TAP_HEADROOM, "it is read into the headroom");

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
    size_t writes;     /* since the last flush */
    bool vnet;         /* frames have a struct virtio_net_hdr before them */
    unsigned offloads; /* enum ov_tap_offload */
    struct ov_tap_frame frames[OV_TAP_BATCH_MAX];
    uint8_t *buffer;
    struct ov_coalesce coalesce;
};

/* ---- in ---- */

/* What the kernel says of a frame. OV_EINVAL: nothing we know. */
static int offload_from_vnet(const uint8_t *header, struct ov_offload *out)
{
    struct virtio_net_hdr h;

    memcpy(&h, header, sizeof h);
    *out = (struct ov_offload){.partial = h.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM};
    if (out->partial) {
        out->csum_start = h.csum_start;
        out->csum_offset = h.csum_offset;
    }
    switch (h.gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
    case VIRTIO_NET_HDR_GSO_NONE:
        return OV_OK;
    case VIRTIO_NET_HDR_GSO_TCPV4:
        out->gso = OV_GSO_TCP4;
        break;
    case VIRTIO_NET_HDR_GSO_TCPV6:
        out->gso = OV_GSO_TCP6;
        break;
    case VIRTIO_NET_HDR_GSO_UDP_L4:
        out->gso = OV_GSO_UDP;
        break;
    default:
        return OV_EINVAL;
    }
    out->gso_size = h.gso_size;
    out->hdr_len = h.hdr_len;
    return OV_OK;
}

/* Read one frame behind the headroom at `slot`. False: the device has no more. A frame of length 0
 * is one that was dropped. */
static bool read_frame(struct ov_tap *t, uint8_t *slot, struct ov_tap_frame *out)
{
    size_t before = t->vnet ? sizeof(struct virtio_net_hdr) : 0;
    uint8_t *data = slot + OV_TAP_HEADROOM;
    ssize_t r;

    do {
        r = read(t->fd, data - before, before + SLOT_CAPACITY);
    } while (r < 0 && errno == EINTR);
    if (r <= 0)
        return false;
    *out = (struct ov_tap_frame){.data = data};
    if ((size_t)r < before ||
        (t->vnet && offload_from_vnet(data - before, &out->offload) != OV_OK)) {
        t->dropped++;
        return true;
    }
    size_t len = (size_t)r - before;
    size_t max = out->offload.gso != OV_GSO_NONE ? OV_SUPERFRAME_MAX : OV_TAP_FRAME_MAX;
    if (len > max) /* the kernel cuts what does not fit, and does not tell */
        t->dropped++;
    else
        out->len = len;
    return true;
}

/* Fill the array of frames; how many. Stops early when the device has no more. */
static size_t read_frames(struct ov_tap *t)
{
    size_t n = 0, at = 0;

    for (unsigned i = 0; i < OV_TAP_BATCH_MAX; i++) {
        struct ov_tap_frame *f = &t->frames[n];
        if (BUFFER_BYTES - at < OV_TAP_HEADROOM + SLOT_CAPACITY ||
            !read_frame(t, t->buffer + at, f))
            break;
        if (f->len == 0)
            continue;
        at += (OV_TAP_HEADROOM + f->len + ALIGN - 1) & ~(size_t)(ALIGN - 1);
        n++;
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

static void write_vector(struct ov_tap *t, const struct iovec *v, int n, size_t frames)
{
    ssize_t r;

    t->writes++;
    do {
        r = writev(t->fd, v, n);
    } while (r < 0 && errno == EINTR);
    if (r < 0)
        t->dropped += frames;
}

/* Without a header to tell that the checksum is partial, write the finished one in its place. */
static void write_completed(struct ov_tap *t, const uint8_t *frame, size_t len,
                            const struct ov_offload *o)
{
    size_t at = (size_t)o->csum_start + o->csum_offset;
    uint16_t sum;

    if (ov_offload_sum(o, frame, len, &sum) != OV_OK) {
        t->dropped++;
        return;
    }
    uint8_t bytes[2] = {(uint8_t)(sum >> 8), (uint8_t)sum};
    struct iovec v[] = {{(void *)(uintptr_t)frame, at},
                        {bytes, sizeof bytes},
                        {(void *)(uintptr_t)(frame + at + 2), len - at - 2}};
    write_vector(t, v, 3, 1);
}

static void vnet_from_offload(const struct ov_offload *o, struct virtio_net_hdr *h)
{
    memset(h, 0, sizeof *h);
    if (o->partial) {
        h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        h->csum_start = o->csum_start;
        h->csum_offset = o->csum_offset;
    }
    if (o->gso == OV_GSO_TCP4)
        h->gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
    else if (o->gso == OV_GSO_TCP6)
        h->gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
    h->gso_size = o->gso_size;
    h->hdr_len = o->hdr_len;
}

/* A frame, or segments put together. */
static void on_train(void *arg, const struct ov_train *train)
{
    struct ov_tap *t = arg;
    struct virtio_net_hdr h;
    struct iovec v[2 + OV_COALESCE_SEGMENTS];

    vnet_from_offload(&train->offload, &h);
    v[0] = (struct iovec){&h, sizeof h};
    for (size_t i = 0; i < train->n; i++)
        v[1 + i] = (struct iovec){(void *)(uintptr_t)train->slices[i].p, train->slices[i].len};
    write_vector(t, v, (int)train->n + 1, train->frames);
}

void ov_tap_write(struct ov_tap *t, const uint8_t *frame, size_t len, const struct ov_offload *o)
{
    struct iovec v = {(void *)(uintptr_t)frame, len};

    if (t->vnet)
        ov_coalesce_add(&t->coalesce, frame, len, o);
    else if (o && o->partial)
        write_completed(t, frame, len, o);
    else
        write_vector(t, &v, 1, 1);
}

size_t ov_tap_flush(struct ov_tap *t)
{
    if (t->vnet)
        ov_coalesce_flush(&t->coalesce);
    size_t writes = t->writes;
    t->writes = 0;
    return writes;
}

/* ---- what the host listens to ---- */

static bool parse_group(const char *hex, struct ov_mac *out)
{
    struct ov_mac mac;

    for (size_t i = 0; i < 6; i++) {
        int high = ov_hex_digit(hex[2 * i]);
        int low = high < 0 ? -1 : ov_hex_digit(hex[2 * i + 1]);
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
        /* NOLINTNEXTLINE(cert-err34-c): the kernel writes it */
        if (sscanf(line, "%u %*s %*u %*u %64s", &index, hex) == 2 && index == t->ifindex &&
            parse_group(hex, &out[n]))
            n++;
    }
    (void)fclose(f); /* it was only read */
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

/* Ask for as much offload as this kernel has. */
static void set_offload(struct ov_tap *t)
{
    static const struct {
        unsigned flags, means;
    } wishes[] = {
        {TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN | TUN_F_USO4 | TUN_F_USO6,
         OV_TAP_CSUM | OV_TAP_TSO | OV_TAP_USO},
        {TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN, OV_TAP_CSUM | OV_TAP_TSO},
        {TUN_F_CSUM, OV_TAP_CSUM},
    };
    int size = sizeof(struct virtio_net_hdr);

    if (!t->vnet) { /* somebody else may have had the device before, and wanted it otherwise */
        (void)ioctl(t->fd, TUNSETOFFLOAD, 0ul);
        return;
    }
    (void)ioctl(t->fd, TUNSETVNETHDRSZ, &size); /* so long it is by default */
    t->offloads = OV_TAP_GRO;
    for (size_t i = 0; i < sizeof wishes / sizeof wishes[0]; i++)
        if (ioctl(t->fd, TUNSETOFFLOAD, (unsigned long)wishes[i].flags) == 0) {
            t->offloads |= wishes[i].means;
            break;
        }
    ov_coalesce_init(&t->coalesce, true, true, on_train, t);
}

/* Make the device, with a vnet header where it is wanted and the kernel has it. 0 or an errno. */
static int set_interface(struct ov_tap *t, struct ifreq *req, bool offload)
{
    unsigned features = 0;

    req->ifr_flags = IFF_TAP | IFF_NO_PI;
    if (offload && ioctl(t->fd, TUNGETFEATURES, &features) == 0 && (features & IFF_VNET_HDR)) {
        t->vnet = true;
        req->ifr_flags |= IFF_VNET_HDR;
    }
    return ioctl(t->fd, TUNSETIFF, req) == 0 ? 0 : errno;
}

/* Make the device and prepare it, still down. */
static int create(struct ov_tap *t, const char *name, const struct ov_mac *mac, bool offload,
                  char why[256])
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
    int err = set_interface(t, &req, offload);
    if (err != 0)
        return explain_create(err, name, why);
    set_offload(t);
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
    free(t->buffer);
    free(t);
}

static void on_closed(uv_handle_t *handle)
{
    free_tap(handle->data);
}

int ov_tap_open(uv_loop_t *loop, const char *name, const struct ov_mac *mac, bool offload,
                ov_tap_cb cb, void *arg, struct ov_tap **out, char why[256])
{
    struct ov_tap *t = calloc(1, sizeof *t);
    int err = OV_ENOMEM, r;

    snprintf(why, 256, "no memory for a TAP device");
    if (!t)
        return OV_ENOMEM;
    t->fd = -1;
    t->cb = cb;
    t->arg = arg;
    t->buffer = malloc(BUFFER_BYTES);
    if (!t->buffer)
        goto out;
    err = create(t, name, mac, offload, why);
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

unsigned ov_tap_offloads(const struct ov_tap *t)
{
    return t->offloads;
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
