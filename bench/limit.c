/* limit: what TAP and UDP alone allow. A pump between a TAP device and a UDP socket with no
 * handshake, no peers, no look-ups and no replay window: whatever carries Ethernet over UDP in one
 * thread does all of this and more, so its distance to this program is what its protocol costs. It
 * is no VPN: the key is a constant.
 *
 *   limit DEVICE MTU LOCAL REMOTE PATH CIPHER
 *
 * PATH is how frames and datagrams go through the kernel:
 *   frames  a system call for each frame and each datagram
 *   trains  frames still come and go one by one; runs of datagrams of one size leave in one send
 *           (UDP_SEGMENT) and arrive in one receive (UDP_GRO)
 *   tso     trains, and the kernel also hands over TCP unsegmented (IFF_VNET_HDR, TUNSETOFFLOAD):
 * up to 64 KB with one header. They are cut into datagrams as they are and put together again on
 * the other side, which costs less than making real segments would. CIPHER is none, aes
 * (AES-256-GCM) or chacha (ChaCha20-Poly1305), both by the library that ovpn takes here.
 *
 * A datagram is a header of 8 bytes (a counter << 2 | last piece << 1 | first piece; it is nonce
 * and associated data too), a piece of a frame, and the tag. A frame with a missing piece is
 * dropped. */
#include "core/crypto.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define PORT      5400
#define HEADER    8
#define ETHERNET  14
#define SEGMENTS  64    /* the kernel's limit for UDP_SEGMENT */
#define TRAIN_MAX 65000 /* bytes of a train: a UDP datagram before it is cut */
#define FRAME_MAX (65536 + 256)
#define ROUNDS    64 /* reads before the other side has its turn */
#define BUFFER    (4 << 20)

enum path { FRAMES, TRAINS, TSO };
enum cipher { NONE, AES, CHACHA };

struct pump {
    int tap, udp;
    enum path path;
    enum cipher cipher;
    size_t piece; /* bytes of a frame in one datagram at most */
    size_t tag;
    struct ov_aead_key key;
    bool side; /* so that the two directions share no nonce */

    uint64_t counter;
    uint8_t train[TRAIN_MAX];
    size_t train_len, train_segment; /* the size of its datagrams; the last may be shorter */
    unsigned train_count;

    uint64_t expected; /* the counter that continues the frame being put together; 0: none is */
    size_t whole_len;
    uint8_t whole[FRAME_MAX];
    uint8_t frame[FRAME_MAX], datagrams[FRAME_MAX];
};

static void die(const char *what)
{
    fprintf(stderr, "limit: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- cipher ---- */

static void seal(const struct pump *p, uint8_t *out, const uint8_t *in, size_t len,
                 const uint8_t header[HEADER], uint64_t counter)
{
    if (p->cipher == NONE)
        memcpy(out, in, len);
    else
        ov_aead_seal(&p->key, counter << 1 | p->side, header, HEADER, in, len, out);
}

/* False: not sealed by the other side. `len` is with the tag. */
static bool unseal(const struct pump *p, uint8_t *out, const uint8_t *in, size_t len,
                   const uint8_t header[HEADER], uint64_t counter)
{
    if (p->cipher == NONE) {
        memcpy(out, in, len);
        return true;
    }
    return ov_aead_open(&p->key, counter << 1 | !p->side, header, HEADER, in, len, out) == OV_OK;
}

/* ---- TAP to UDP ---- */

/* One datagram after the other, where a device's kernel cuts no trains (EIO, before Linux 6.11, of
 * one that makes no checksums). */
static void send_singly(const struct pump *p)
{
    for (size_t at = 0; at < p->train_len; at += p->train_segment) {
        size_t left = p->train_len - at;
        (void)!send(p->udp, p->train + at, left < p->train_segment ? left : p->train_segment, 0);
    }
}

/* What a socket refuses is lost, as on any wire. */
static void flush(struct pump *p)
{
    union {
        char bytes[CMSG_SPACE(sizeof(uint16_t))];
        struct cmsghdr align;
    } control;
    struct iovec iov = {.iov_base = p->train, .iov_len = p->train_len};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};

    if (p->train_count == 0)
        return;
    if (p->train_count > 1) {
        uint16_t size = (uint16_t)p->train_segment;
        memset(&control, 0, sizeof control);
        m.msg_control = &control;
        m.msg_controllen = sizeof control.bytes;
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_UDP;
        c->cmsg_type = UDP_SEGMENT;
        c->cmsg_len = CMSG_LEN(sizeof size);
        memcpy(CMSG_DATA(c), &size, sizeof size);
    }
    if (sendmsg(p->udp, &m, 0) < 0 && errno == EIO && p->train_count > 1)
        send_singly(p);
    p->train_len = p->train_count = 0;
}

/* Put one piece into the train; one of another size begins a new train, a shorter one ends it. */
static void add_piece(struct pump *p, const uint8_t *data, size_t len, bool first, bool last)
{
    size_t size = HEADER + len + p->tag;
    uint64_t header = ++p->counter << 2 | (uint64_t)last << 1 | first;
    uint8_t *out;

    if (p->train_count > 0 && (size > p->train_segment || p->train_len + size > TRAIN_MAX))
        flush(p);
    if (p->train_count == 0)
        p->train_segment = size;
    out = p->train + p->train_len;
    memcpy(out, &header, HEADER);
    seal(p, out + HEADER, data, len, out, p->counter);
    p->train_len += size;
    p->train_count++;
    if (p->path == FRAMES || size < p->train_segment || p->train_count == SEGMENTS)
        flush(p);
}

static void send_frames(struct pump *p)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        ssize_t n = read(p->tap, p->frame, sizeof p->frame);
        if (n <= 0)
            break;
        size_t len = (size_t)n;
        if (p->path != TSO && len > p->piece)
            continue;
        for (size_t at = 0; at < len; at += p->piece) {
            size_t left = len - at, take = left < p->piece ? left : p->piece;
            add_piece(p, p->frame + at, take, at == 0, take == left);
        }
    }
    flush(p);
}

/* ---- UDP to TAP ---- */

static void take_piece(struct pump *p, const uint8_t *data, size_t len)
{
    uint64_t header, counter;
    size_t plain;

    if (len < HEADER + p->tag + 1)
        return;
    plain = len - HEADER - p->tag;
    memcpy(&header, data, HEADER);
    counter = header >> 2;
    if (header & 1)
        p->whole_len = 0;
    else if (p->expected != counter)
        return;
    p->expected = 0;
    if (p->whole_len + plain > sizeof p->whole ||
        !unseal(p, p->whole + p->whole_len, data + HEADER, len - HEADER, data, counter))
        return;
    p->whole_len += plain;
    if (header & 2)
        (void)!write(p->tap, p->whole, p->whole_len);
    else
        p->expected = counter + 1;
}

static void receive_datagrams(struct pump *p)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        union {
            char bytes[CMSG_SPACE(sizeof(int))];
            struct cmsghdr align;
        } control;
        struct iovec iov = {.iov_base = p->datagrams, .iov_len = sizeof p->datagrams};
        struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control};
        m.msg_controllen = sizeof control.bytes;
        ssize_t n = recvmsg(p->udp, &m, MSG_DONTWAIT);
        if (n <= 0)
            return;
        size_t len = (size_t)n, size = len;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
            if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
                int segment;
                memcpy(&segment, CMSG_DATA(c), sizeof segment);
                size = segment > 0 ? (size_t)segment : len;
            }
        }
        for (size_t at = 0; at < len; at += size)
            take_piece(p, p->datagrams + at, len - at < size ? len - at : size);
    }
}

/* ---- set-up ---- */

static void open_tap(struct pump *p, const char *name)
{
    struct ifreq req;

    memset(&req, 0, sizeof req);
    snprintf(req.ifr_name, sizeof req.ifr_name, "%s", name);
    req.ifr_flags = IFF_TAP | IFF_NO_PI;
    if (p->path == TSO)
        req.ifr_flags |= IFF_VNET_HDR;
    p->tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (p->tap < 0 || ioctl(p->tap, TUNSETIFF, &req) != 0)
        die(name);
    if (p->path == TSO && ioctl(p->tap, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) != 0)
        die("TUNSETOFFLOAD");
}

static void open_udp(struct pump *p, const char *local, const char *remote)
{
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_port = htons(PORT)}, to = from;
    int size = BUFFER, on = 1;

    if (inet_pton(AF_INET, local, &from.sin_addr) != 1 ||
        inet_pton(AF_INET, remote, &to.sin_addr) != 1) {
        fprintf(stderr, "limit: LOCAL and REMOTE are IPv4 addresses\n");
        exit(2);
    }
    p->side = ntohl(from.sin_addr.s_addr) > ntohl(to.sin_addr.s_addr);
    p->udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (p->udp < 0 || bind(p->udp, (struct sockaddr *)&from, sizeof from) != 0 ||
        connect(p->udp, (struct sockaddr *)&to, sizeof to) != 0)
        die("socket");
    if (setsockopt(p->udp, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0)
        setsockopt(p->udp, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (setsockopt(p->udp, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) != 0)
        setsockopt(p->udp, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (p->path != FRAMES && setsockopt(p->udp, SOL_UDP, UDP_GRO, &on, sizeof on) != 0)
        die("UDP_GRO");
}

static void prepare_cipher(struct pump *p)
{
    static const uint8_t key[32] = "not a secret: it is a benchmark";
    enum ov_aead alg = p->cipher == AES ? OV_AEAD_AES256GCM : OV_AEAD_CHACHA20POLY1305;

    if (ov_crypto_init() != OV_OK || !ov_aead_available(alg)) {
        fprintf(stderr, "limit: this processor has no AES\n");
        exit(1);
    }
    p->tag = p->cipher == NONE ? 0 : OV_TAG_LEN;
    ov_aead_init(&p->key, alg, key);
}

/* The index of `word` in `words`; the last of them is NULL. */
static int choose(const char *word, const char *const *words)
{
    for (int i = 0; words[i]; i++)
        if (strcmp(word, words[i]) == 0)
            return i;
    return -1;
}

int main(int argc, char **argv)
{
    static struct pump p; /* some 300 KB */
    static const char *const paths[] = {"frames", "trains", "tso", NULL};
    static const char *const ciphers[] = {"none", "aes", "chacha", NULL};
    unsigned long mtu = argc == 7 ? strtoul(argv[2], NULL, 10) : 0;
    int path = argc == 7 ? choose(argv[5], paths) : -1;
    int cipher = argc == 7 ? choose(argv[6], ciphers) : -1;

    if (path < 0 || cipher < 0 || mtu < 576 || mtu > 9000) {
        fprintf(stderr, "usage: limit DEVICE MTU LOCAL REMOTE frames|trains|tso none|aes|chacha\n");
        return 2;
    }
    p.path = (enum path)path;
    p.cipher = (enum cipher)cipher;
    p.piece = mtu + ETHERNET + (p.path == TSO ? sizeof(struct virtio_net_hdr) : 0);
    prepare_cipher(&p);
    open_tap(&p, argv[1]);
    open_udp(&p, argv[3], argv[4]);

    struct pollfd fds[2] = {{.fd = p.tap, .events = POLLIN}, {.fd = p.udp, .events = POLLIN}};
    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            die("poll");
        if (fds[0].revents)
            send_frames(&p);
        if (fds[1].revents)
            receive_datagrams(&p);
    }
}
