/* member: other members of a network: their certificates, exchanging ours, revocation. */
#ifndef OV_CORE_MEMBER_H
#define OV_CORE_MEMBER_H

#include "network.h"

/* Take in a certificate from wherever it came: OV_EAUTH, OV_EEXPIRED (revoked), OV_ECONFLICT
 * (another key is pinned for its address), OV_EFULL. `out` may be NULL. */
OV_CHECK int ov_member_accept(struct ov_network *net, const uint8_t *blob, size_t len,
                              struct ov_member **out);
/* The same for one that a directory named: its signature is checked at the expense of what this
 * network may spend on those (OV_ELIMIT); what we know already is free. Counts what it refuses. */
OV_CHECK int ov_member_told(struct ov_network *net, const uint8_t *blob, size_t len,
                            struct ov_member **out);
struct ov_member *ov_member_find(const struct ov_network *net, ov_addr a);
struct ov_member *ov_member_by_ip(const struct ov_network *net, const struct ov_ip *ip);
/* Does this certificate name the peer's very key? Addresses only look things up. */
bool ov_member_is(const struct ov_member *m, const struct ov_peer *p);
/* The member that this peer is in that network, by its key, or NULL. */
struct ov_member *ov_member_from(const struct ov_network *net, struct ov_peer *p);
/* The same without looking it up: NULL, too, when the peer's last frame was of another network. */
struct ov_member *ov_member_of(const struct ov_peer *p, ov_netid id);
/* The peer that has the member's key, made if need be; NULL: another key has its address. */
struct ov_peer *ov_member_peer(struct ov_member *m);
/* What the networks know of this peer, by its key. */
enum ov_tie ov_member_tie(const struct ov_overlay *o, const struct ov_peer *p);
/* The end of a peer. */
void ov_member_forgotten(struct ov_overlay *o, const struct ov_peer *p);
/* Its certificate and ours agree and are not revoked. */
bool ov_member_valid(const struct ov_network *net, const struct ov_member *m);
void ov_member_remove(struct ov_network *net, ov_addr a);
/* It said that it leaves. */
void ov_member_bye(struct ov_network *net, struct ov_peer *p);
void ov_member_clear(struct ov_network *net);

/* Show our certificate to a peer, and ask for its own if we have none that is valid. */
void ov_member_hello(struct ov_network *net, struct ov_peer *p, bool want_reply);
void ov_member_hello_received(struct ov_network *net, struct ov_peer *p,
                              const struct ov_msg_net_hello *m);
/* A frame came from a peer without valid membership: ask, but not too often. */
void ov_member_ask(struct ov_network *net, struct ov_peer *p);
/* A signed revocation, from anybody: act on it, remember it, pass it on. */
void ov_member_revoke(struct ov_network *net, const struct ov_peer *from, const uint8_t *blob,
                      size_t len);

#endif
