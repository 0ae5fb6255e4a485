/* lan: finding members on the LAN without leaving it, also where there is no internet at all.
 *
 * Theory of operation. The edge sends beacons (beacon.h) when we say so, and hands over those it
 * hears. We say so when networks become ready and when this host's network changes, at once and
 * then after 1, 4, 15 and 60 s and every 15 min; and when a member is sought: an IP that no
 * directory has answered for, or a peer that we have no direct path to. The same thing is sought
 * again after 5, 10, 20 ... s at most every 5 min, and all seeking together every 5 s, so that a
 * host that asks for what is not there does not wake the whole LAN.
 *
 * Nobody answers a beacon with another one. Who recognizes it begins an ordinary handshake with the
 * endpoint it names (an INITIATION is shorter than any beacon), if it has reason to: it does not
 * know the sender's certificate, is the one sought, or has traffic with the sender and no path on
 * the LAN; else it notes the endpoint. After the handshake both show their certificates, and so
 * know each other's addresses without a directory. A member that has a session already only probes
 * the endpoint.
 *
 * A beacon proves nothing: former members can make one, and everybody can repeat one from where it
 * came. So each costs the receiver little and is bounded: what is looked at, whose proof of work is
 * checked, and whom we try, one at most every 5 s for each peer. */
#ifndef OV_CORE_LAN_H
#define OV_CORE_LAN_H

#include "beacon.h"
#include "network.h"

#define OV_LAN_EVERY     (900 * OV_SEC)
#define OV_LAN_MET_MAX   256 /* the oldest gives way */
#define OV_LAN_SOUGHT    64  /* the oldest gives way */
#define OV_LAN_SEEK_GAP  (5 * OV_SEC)
#define OV_LAN_TRY_GAP   (5 * OV_SEC)
#define OV_LAN_HEAR_RATE 100 /* beacons a second that we look into */
#define OV_LAN_TRY_RATE  5   /* handshakes and probes a second that they lead to, */
#define OV_LAN_TRY_BURST 20
#define OV_LAN_POW_RATE  5 /* and proofs of work to check */
#define OV_LAN_POW_BURST 20

struct ov_lan {
    struct ov_overlay *o;
    bool on;
    struct ov_timer timer;
    unsigned step;
    ov_time next, told; /* told: 0: never */
    struct ov_bucket heard, tries, proofs, seeks;
    struct ov_ratelimit *sources;
    /* Whom we met on the LAN, and in which network. */
    struct {
        ov_addr addr; /* 0: free */
        ov_netid net;
        ov_time at;
    } met[OV_LAN_MET_MAX];
    /* What we sought, and how often in a row. */
    struct ov_lan_sought {
        ov_netid net; /* 0: free */
        struct ov_lookup_key key;
        ov_time at;
        unsigned times;
    } sought[OV_LAN_SOUGHT];
};

OV_CHECK int ov_lan_init(struct ov_lan *l, struct ov_overlay *o);
void ov_lan_free(struct ov_lan *l);
/* Off at first: then nothing is said, and nothing heard counts. */
void ov_lan_enable(struct ov_lan *l, bool on);
/* A network is ready, or the LAN may be another: say that we are here. */
void ov_lan_kick(struct ov_lan *l);
void ov_lan_moved(struct ov_lan *l);
/* Ask the LAN for a member: `key` is an IP or an address. */
void ov_lan_seek(struct ov_lan *l, const struct ov_network *net, const struct ov_lookup_key *key);
/* The beacon to send from `source`; 0: there is nothing to say. */
size_t ov_lan_beacon(struct ov_lan *l, const struct ov_ip *source, uint16_t port,
                     uint8_t out[OV_BEACON_MAX]);
/* A beacon from an address on the LAN (its scope set, if it needs one; its port does not matter).
 */
void ov_lan_heard(struct ov_lan *l, const struct ov_endpoint *from, const uint8_t *data,
                  size_t len);
/* A session stands: show our certificate to whom we met. */
void ov_lan_session(struct ov_lan *l, struct ov_peer *p);

#endif
