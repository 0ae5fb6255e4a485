/* verdict: from what is known of a node, and of its way to one peer, the one thing that matters: in
 * plain words, with what to do about it.
 *
 * A pure function of the facts. Its ids are stable, for programs; docs/api.md lists them. Facts are
 * looked at in the order in which they matter: no daemon; an identity used twice; no way out; no
 * root; no membership; the peer; then what only makes things slower. */
#ifndef OV_CLI_VERDICT_H
#define OV_CLI_VERDICT_H

#include <stdbool.h>
#include <stddef.h>

enum ov_daemon_state {
    OV_DAEMON_RUNNING,
    OV_DAEMON_STOPPED,
    OV_DAEMON_SILENT,    /* there, but it does not answer */
    OV_DAEMON_FORBIDDEN, /* the caller may not ask it */
};
/* How roots are reached. */
enum ov_way { OV_WAY_NONE, OV_WAY_UDP, OV_WAY_TCP, OV_WAY_TLS };
/* What is the matter with a network that was joined; the worst of all. */
enum ov_net_trouble {
    OV_NET_FINE,
    OV_NET_PARTLY,        /* a member, but a route, or the like, is not set */
    OV_NET_AWAY,          /* a member, but the controller does not answer */
    OV_NET_NO_CONTROLLER, /* no member yet, and it does not */
    OV_NET_WAITING,       /* for admission */
    OV_NET_NO_ADDRESS,    /* the user's settings, or the kernel, refuse it */
    OV_NET_TAKEN,         /* another interface is in its subnet */
    OV_NET_NO_DEVICE,
    OV_NET_REFUSED,
};
enum ov_asked { OV_NOT_ASKED, OV_ANSWERED, OV_NO_ANSWER };
enum ov_peer_way { OV_PEER_WAY_NONE, OV_PEER_WAY_RELAY, OV_PEER_WAY_DIRECT };
/* Where a peer that is reached directly is. */
enum ov_nearness { OV_FAR, OV_SAME_LAN, OV_SAME_PROVIDER };

/* Texts are NULL when not known. */
struct ov_facts {
    /* this computer */
    enum ov_daemon_state daemon;
    bool bad_config, no_tun, has_unit; /* has_unit: systemd would start the daemon */
    const char *why;                   /* of a bad configuration */
    const char *state_why;             /* the daemon cannot use its state directory, or not write */
    const char *start;                 /* the command that starts it by hand */
    bool offline;                      /* there is no route to anywhere */
    bool send_refused;                 /* the kernel refused to send datagrams */
    const char *twin;                  /* where else this identity is alive; NULL: nowhere */
    /* the way out */
    bool is_root, is_controller;
    unsigned roots, online;
    const char *root;        /* the one in use, or the first */
    const char *silent_root; /* one that does not answer */
    enum ov_way way;
    const char *proxy;
    bool wrong_root, no_name; /* of one that does not answer: another does; nobody knows its name */
    bool intercepted;         /* TLS ends at somebody else's */
    const char *odd_host; /* UDP is missed from no server but at an unusual port, here odd_port */
    unsigned odd_port;
    /* the router */
    bool udp_blocked, narrow;
    const char *no_mapping; /* why it gives no port */
    /* networks */
    unsigned networks;
    enum ov_net_trouble trouble;
    const char *net, *net_message; /* of the one with the trouble */
    const char *net_reason;        /* why it refuses, as the API calls it; NULL: not known */
    const char *net_address;       /* that another one must replace; NULL: none */
    unsigned relayed;              /* peers */
    /* the peer */
    const char *peer; /* as it was called; NULL: none was */
    bool known;       /* its address is */
    bool met;         /* somebody knows a node with that address: we, or our controller */
    bool self;
    enum ov_asked ping, full_ping; /* full_ping: with a large datagram */
    enum ov_peer_way path;
    enum ov_nearness near;
    const char *strategy;        /* "birthday"; of a hard attempt that got through */
    const char *relay_why, *via; /* by relay: a reason's code (core/why.h), and through whom */
    const char *relay_words;     /* that reason in words */
    const char *twice;           /* the two places where the peer is alive; NULL: there is one */
    bool deaf; /* the peer has never heard by UDP from a root: it is blocked there */
};

enum ov_outcome {
    OV_OUTCOME_GOOD,
    OV_OUTCOME_WORKS, /* but it could be better */
    OV_OUTCOME_BROKEN,
};
const char *ov_outcome_text(enum ov_outcome o); /* "good", "works", "broken" */

#define OV_ADVICE_MAX 4
struct ov_verdict {
    const char *id;
    enum ov_outcome outcome;
    char words[512];
    size_t nadvice;
    char advice[OV_ADVICE_MAX][320];
};
void ov_verdict_find(const struct ov_facts *f, struct ov_verdict *out);

#endif
