#include "verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *ov_outcome_text(enum ov_outcome o)
{
    static const char *const TEXT[] = {"good", "works", "broken"};
    return TEXT[o];
}

static const char * or (const char *text, const char *otherwise)
{
    return text != NULL && *text != '\0' ? text : otherwise;
}

__attribute__((format(printf, 4, 5))) static void say(struct ov_verdict *v, const char *id,
                                                      enum ov_outcome outcome, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    v->id = id;
    v->outcome = outcome;
    v->nadvice = 0;
    vsnprintf(v->words, sizeof(v->words), fmt, ap);
    va_end(ap);
}

__attribute__((format(printf, 2, 3))) static void advise(struct ov_verdict *v, const char *fmt, ...)
{
    va_list ap;
    if (v->nadvice == OV_ADVICE_MAX)
        return;
    va_start(ap, fmt);
    vsnprintf(v->advice[v->nadvice++], sizeof(v->advice[0]), fmt, ap);
    va_end(ap);
}

/* ---- this computer ---- */

static void advise_start(const struct ov_facts *f, struct ov_verdict *v)
{
    if (f->has_unit) {
        advise(v, "start it: sudo systemctl enable --now ovpn");
        advise(v, "if it ends again, its log says why: journalctl -u ovpn -n 20");
    } else {
        advise(v, "start it: %s", or (f->start, "sudo ovpn service"));
    }
}

static bool no_daemon(const struct ov_facts *f, struct ov_verdict *v)
{
    switch (f->daemon) {
    case OV_DAEMON_RUNNING:
        return false;
    case OV_DAEMON_FORBIDDEN:
        say(v, "forbidden", OV_OUTCOME_BROKEN,
            "The daemon may be running, but you may not ask it.");
        advise(v, "try again with sudo: sudo ovpn doctor");
        advise(v, "or let yourself in: sudo groupadd -f ovpn; sudo usermod -aG ovpn $USER; restart "
                  "the daemon; log in again");
        return true;
    case OV_DAEMON_SILENT:
        say(v, "daemon_silent", OV_OUTCOME_BROKEN, "The daemon is there, but does not answer.");
        advise(v, "its log may say why: journalctl -u ovpn -n 50");
        advise(v, "restart it: sudo systemctl restart ovpn");
        return true;
    case OV_DAEMON_STOPPED:
        break;
    }
    if (f->bad_config) {
        say(v, "bad_config", OV_OUTCOME_BROKEN,
            "The daemon is not running, and cannot: there is a mistake in its settings: %s",
            or (f->why, "?"));
        advise(v, "correct that line; sudo ovpn service --check tells whether it is good now");
    } else if (f->state_why) {
        say(v, "bad_state", OV_OUTCOME_BROKEN,
            "The daemon is not running, and cannot: it has no use of its state directory: %s",
            f->state_why);
    } else if (f->no_tun) {
        say(v, "no_tun", OV_OUTCOME_BROKEN,
            "The daemon is not running, and could make no network device: this computer has no "
            "/dev/net/tun.");
        advise(v, "load the kernel's driver: sudo modprobe tun");
        advise(v, "in a container or a rented server, its host must allow it (\"TUN/TAP\" in "
                  "many control panels)");
    } else {
        say(v, "no_daemon", OV_OUTCOME_BROKEN, "The daemon is not running on this computer.");
    }
    advise_start(f, v);
    return true;
}

/* ---- identities ---- */

static bool is_twin(const struct ov_facts *f, struct ov_verdict *v)
{
    if (f->twin == NULL)
        return false;
    say(v, "identity_twice", OV_OUTCOME_BROKEN,
        "Another computer uses the identity of this one, heard at %s; the two cut each other off.",
        f->twin);
    advise(v,
           "was this computer, its disk or its virtual machine copied? The copy needs an identity "
           "of its own; on it: sudo ovpn id new --force, restart the daemon, join again");
    advise(v,
           "if nobody copied it, the key was stolen: do the same here, and ask the owners of your "
           "networks to throw out the old address: ovpn net deauthorize NET ADDRESS");
    return true;
}

static bool is_peer_twice(const struct ov_facts *f, struct ov_verdict *v)
{
    if (f->peer == NULL || f->twice == NULL)
        return false;
    say(v, "peer_twice", OV_OUTCOME_BROKEN,
        "%s is alive on two computers, at %s. The two cut each other off, and which one answers "
        "changes all the time.",
        f->peer, f->twice);
    advise(v,
           "one is a copy of the other, its disk or its virtual machine; it needs an identity of "
           "its own, on it: sudo ovpn id new --force, restart the daemon, join again");
    advise(v,
           "if it is no copy, the key was stolen; the owner of the network throws it out: ovpn net "
           "deauthorize NET ADDRESS");
    return true;
}

/* ---- the way out ---- */

static void no_root_answers(const struct ov_facts *f, struct ov_verdict *v)
{
    const char *root = or (f->root, "the server");
    if (f->offline) {
        say(v, "offline", OV_OUTCOME_BROKEN,
            "This computer has no way to the Internet: no network is connected.");
        advise(v, "connect its cable or Wi-Fi; ovpn goes on by itself");
    } else if (f->no_name) {
        say(v, "no_dns", OV_OUTCOME_BROKEN, "The name %s cannot be looked up.", root);
        advise(v, "does a browser open a page? If not, this computer is not online, or a hotel or "
                  "campus page wants a log-in first");
        advise(v, "if other names work, this one is mistyped or gone: ask the server's owner");
    } else if (f->wrong_root) {
        say(v, "wrong_root", OV_OUTCOME_BROKEN,
            "Another server than before answers at %s, and it is not trusted.", root);
        advise(v, "ask its owner: was it installed anew, without its old identity? Then leave the "
                  "network (ovpn leave) and join again with a new invite");
    } else if (f->intercepted) {
        say(v, "tls_intercepted", OV_OUTCOME_BROKEN,
            "UDP is blocked here, and somebody opens TLS connections on their way to %s, as some "
            "company and school firewalls do. ovpn does not talk through that.",
            root);
        advise(v,
               "ask who runs this network to leave %s out of TLS inspection, or to allow UDP to "
               "it",
               root);
        advise(v, "or use another network, such as a phone's hotspot");
    } else if (f->send_refused) {
        say(v, "host_firewall", OV_OUTCOME_BROKEN,
            "This computer itself refuses to send to %s: a firewall on it stops ovpn.", root);
        advise(v, "let UDP out of this computer; sudo nft list ruleset, or sudo ufw status, shows "
                  "the rules");
    } else {
        say(v, "no_root", OV_OUTCOME_BROKEN, "%s does not answer%s.", root,
            f->roots > 1 ? ", and no other server either" : "");
        if (f->odd_host != NULL)
            advise(v, "is port %u of %s right? Usually it is 4793", f->odd_port, f->odd_host);
        advise(v, "does a browser open a page here? If not, this computer is not online");
        advise(v, "try another network, such as a phone's hotspot: if it works there, this network "
                  "blocks ovpn");
        advise(v,
               "else ask the owner of %s: does it run, and does its firewall let UDP in to its "
               "port (4793)? \"ovpn doctor\" on the server tells",
               root);
    }
}

static bool no_way_out(const struct ov_facts *f, struct ov_verdict *v)
{
    if (f->online > 0 || f->is_root)
        return false;
    if (f->roots > 0 || f->offline) {
        no_root_answers(f, v);
        return true;
    }
    if (f->is_controller) {
        say(v, "controller_alone", OV_OUTCOME_BROKEN,
            "This controller is no root and knows none: members find nobody through it.");
        advise(v,
               "make it a root: set \"enabled = yes\" under [root] in ovpn.conf, and restart the "
               "daemon");
        advise(v, "or let it use another one: put \"roots = HOST\" under [node] there");
        return true;
    }
    say(v, "no_root_known", OV_OUTCOME_BROKEN,
        "This node knows no server, so it cannot find anybody.");
    advise(v, "join a network: ovpn join NETID@HOST, or with an invite from its owner");
    return true;
}

/* ---- networks ---- */

/* Another subnet must not be that of the same home, however wide that is. */
static void advise_subnet(const struct ov_facts *f, struct ov_verdict *v)
{
    const char *clash = or (f->net_address, ":");
    if (strchr(clash, ':') == NULL) /* (those of IPv6 are not chosen by people) */
        advise(v, "ask the network's owner for another subnet, such as: ovpn net set %s pool %s",
               or (f->net, "NET"),
               strncmp(clash, "10.", 3) == 0 ? "192.168.99.0/24" : "10.99.0.0/24");
}

static void advise_refused(const struct ov_facts *f, struct ov_verdict *v)
{
    const char *net = or (f->net, "NETID"), *reason = or (f->net_reason, "");
    if (strcmp(reason, "not_found") == 0) {
        advise(v, "if it was deleted, forget it here, too: sudo ovpn leave %s", net);
        advise(v, "if the id is mistyped, leave it and join with the right one");
    } else if (strstr(reason, "invite") != NULL) {
        advise(v, "with a new invite from the owner: sudo ovpn join INVITE");
    } else if (strcmp(reason, "pool_exhausted") == 0) {
        advise(v, "ask the owner for more room: ovpn net set %s pool ...; it is asked again", net);
    } else {
        advise(v, "ask the owner to admit this node again");
        advise(v, "if it shall not come back, forget the network: sudo ovpn leave %s", net);
    }
}

static bool net_trouble(const struct ov_facts *f, struct ov_verdict *v)
{
    const char *net = or (f->net, "?"), *message = or (f->net_message, "");
    switch (f->trouble) {
    case OV_NET_REFUSED:
        say(v, "refused", OV_OUTCOME_BROKEN, "The network %s does not let this node in: %s.", net,
            or (message, "no reason was given"));
        advise_refused(f, v);
        return true;
    case OV_NET_NO_DEVICE:
        say(v, "no_device", OV_OUTCOME_BROKEN,
            "The network %s has no device on this computer, so no program can use it: %s.", net,
            or (message, "?"));
        advise(v, "/dev/net/tun must be there, and the daemon run as root or with CAP_NET_ADMIN "
                  "(its systemd unit does)");
        return true;
    case OV_NET_TAKEN:
        say(v, "subnet_taken", OV_OUTCOME_BROKEN,
            "This computer is in the network %s, but without its address %s there, as that subnet "
            "is in use here already, mostly by the local network at home: %s.",
            net, or (f->net_address, "?"), or (message, "?"));
        advise_subnet(f, v);
        advise(v, "or give the local network another one, in its router's settings; ovpn goes on "
                  "by itself");
        return true;
    case OV_NET_NO_ADDRESS:
        say(v, "address_refused", OV_OUTCOME_BROKEN,
            "This computer is in the network %s, but without its address there: %s.", net,
            or (message, "?"));
        advise_subnet(f, v);
        if (v->nadvice == 0)
            advise(v, "it is tried again every 10 s; the daemon's log may say more: journalctl -u "
                      "ovpn -n 20");
        return true;
    case OV_NET_WAITING:
        say(v, "waiting", OV_OUTCOME_BROKEN,
            "This node waits until the owner of the network %s admits it.", net);
        advise(v, "tell the owner%s%s", *message ? "; this node is " : "", message);
        return true;
    case OV_NET_NO_CONTROLLER:
        say(v, "no_controller", OV_OUTCOME_BROKEN,
            "The server answers, but the controller of the network %s does not, and only it can "
            "let this node in.",
            net);
        advise(v, "ask the network's owner whether the controller is on, and connected to the same "
                  "server");
        advise(v, "is the id right? Its first 10 digits are the controller's address");
        return true;
    case OV_NET_AWAY:
    case OV_NET_PARTLY:
    case OV_NET_FINE:
        break;
    }
    return false;
}

/* ---- the peer ---- */

static void advise_direct(const struct ov_facts *f, struct ov_verdict *v)
{
    advise(v,
           "switch UPnP, NAT-PMP or PCP on in the router of one side, mostly a tick in its "
           "settings%s%s%s",
           f->no_mapping ? " (here: " : "", or (f->no_mapping, ""), f->no_mapping ? ")" : "");
    advise(v, "or let one router forward a UDP port to its computer, and put \"port = NUMBER\" "
              "under [node] in ovpn.conf there");
    advise(v, "or use IPv6 on both sides, where the providers have it");
}

static void direct(const struct ov_facts *f, struct ov_verdict *v)
{
    const char *how = or (f->strategy, "");
    if (f->near == OV_SAME_LAN)
        say(v, "direct_lan", OV_OUTCOME_GOOD,
            "%s is reached directly, inside the same local network.", f->peer);
    else if (f->near == OV_SAME_PROVIDER)
        say(v, "direct_cgn", OV_OUTCOME_GOOD,
            "%s is reached directly, behind the same provider or router as this computer.",
            f->peer);
    else if (strncmp(how, "predict", 7) == 0)
        say(v, "direct_predicted", OV_OUTCOME_GOOD,
            "%s is reached directly: a router gives another port for each destination, but in an "
            "order that could be foreseen.",
            f->peer);
    else if (strcmp(how, "birthday") == 0 || strcmp(how, "block") == 0)
        say(v, "direct_birthday", OV_OUTCOME_GOOD,
            "%s is reached directly: a router gives random ports, but one of many tries met.",
            f->peer);
    else
        say(v, "direct", OV_OUTCOME_GOOD, "%s is reached directly.", f->peer);
}

/* Why a peer is relayed, in words that follow "through HOST: ". */
static const struct reason {
    const char *why, *id, *words;
    bool advise; /* a port on one side would help */
} REASONS[] = {
    {"idle", "relayed_idle",
     "no direct way was looked for, as there was no traffic. The first will begin it", false},
    {"trying", "relayed_trying", "a direct way is being looked for just now", false},
    {"no_answer", "relayed_no_answer",
     "the other side does not answer when asked to connect directly", true},
    {"family", "relayed_family",
     "one side has only IPv4 and the other only IPv6, so they have no common way", false},
    {"both_hard", "relayed_both_random",
     "both routers choose another port for every destination, so neither can foresee where to send",
     true},
    {"hard_failed", "relayed_random",
     "one router chooses random ports, and none of many tries met. They go on", true},
    {"limit", "relayed_random",
     "one router chooses random ports, and three attempts in an hour did not get through. More "
     "follow later",
     true},
    {"refused", "relayed_busy", "the other side takes no more attempts for now. They go on", true},
    {"busy", "relayed_busy", "a direct way to another peer is being made. This one is next", false},
    {"narrow", "relayed_narrow",
     "the router here takes too few connections for the attempts that are needed", true},
    {"sockets", "relayed_sockets", "this computer could not open as many sockets as are needed",
     true},
    {"failed", "relayed_firewall",
     "nothing gets through directly: a firewall on the way may forbid it", true},
};

static void advise_reason(const struct ov_facts *f, const struct reason *r, struct ov_verdict *v)
{
    if (strcmp(r->why, "family") == 0)
        advise(v, "give one side both: most providers have IPv6 for a tick in the router");
    else if (strcmp(r->why, "sockets") == 0)
        advise(v, "raise the daemon's limit of open files: LimitNOFILE=4096 in its systemd unit");
    else if (strcmp(r->why, "trying") == 0)
        advise(v, "ask again in a minute: ovpn doctor %s", f->peer);
    if (r->advise)
        advise_direct(f, v);
}

static void blocked(const struct ov_facts *f, struct ov_verdict *v, const char *subject);

static void relayed(const struct ov_facts *f, struct ov_verdict *v)
{
    const char *via = or (f->via, "a server"), *why = or (f->relay_why, "");
    if (f->udp_blocked || f->way > OV_WAY_UDP || strcmp(why, "udp_blocked") == 0) {
        blocked(f, v, f->peer);
        return;
    }
    if (f->deaf && (strcmp(why, "failed") == 0 || strcmp(why, "no_answer") == 0 ||
                    strcmp(why, "trying") == 0)) {
        say(v, "udp_blocked_there", OV_OUTCOME_WORKS,
            "%s is reached, but through %s: it seems that UDP is blocked on its side.", f->peer,
            via);
        advise(v, "run \"ovpn doctor\" there; it says what gets through");
        return;
    }
    for (size_t i = 0; i < sizeof(REASONS) / sizeof(REASONS[0]); i++) {
        const struct reason *r = &REASONS[i];
        if (strcmp(r->why, why) != 0)
            continue;
        say(v, r->id, OV_OUTCOME_WORKS, "%s is reached, but through %s: %s.", f->peer, via,
            r->words);
        advise_reason(f, r, v);
        return;
    }
    say(v, "relayed", OV_OUTCOME_WORKS, "%s is reached, but through %s%s%s.", f->peer, via,
        f->relay_words ? ": " : "", or (f->relay_words, ""));
    advise_direct(f, v);
}

static bool lost_peer(const struct ov_facts *f, struct ov_verdict *v)
{
    if (f->self) {
        say(v, "peer_self", OV_OUTCOME_GOOD, "%s is this computer itself.", f->peer);
        return true;
    }
    if (!f->known) {
        say(v, "peer_unknown", OV_OUTCOME_BROKEN, "No peer %s is known here.", f->peer);
        advise(v, "give its address (10 digits) or its IP in a network: \"ovpn peers\" lists those "
                  "that are known. What members are called, only their owner's controller knows");
        advise(v, "is it a member of the same network, and was it ever online?");
        return true;
    }
    if (f->ping == OV_NO_ANSWER && !f->met) {
        say(v, "peer_not_found", OV_OUTCOME_BROKEN,
            "This side works, but nobody knows where %s is: it is switched off or not online, or "
            "no node has this address.",
            f->peer);
        advise(v, "compare the address: \"ovpn status\" on that computer tells it");
        advise(v, "run \"ovpn doctor\" there");
        return true;
    }
    if (f->ping == OV_NO_ANSWER) {
        say(v, "peer_offline", OV_OUTCOME_BROKEN,
            "This side works, but %s does not answer: it is switched off, not online, or its ovpn "
            "does not run.",
            f->peer);
        advise(v, "run \"ovpn doctor\" on that computer");
        advise(v, "\"ovpn peers\" shows when it was last connected");
        return true;
    }
    if (f->full_ping == OV_NO_ANSWER) {
        say(v, "mtu_blackhole", OV_OUTCOME_BROKEN,
            "Small packets reach %s and large ones vanish on the way: connections begin, and then "
            "hang.",
            f->peer);
        advise(v, "something on the way carries less than 1280 bytes: often another VPN or a "
                  "tunnel below this one. Switch it off, or raise its MTU");
        return true;
    }
    return false;
}

static void peer(const struct ov_facts *f, struct ov_verdict *v)
{
    if (lost_peer(f, v))
        return;
    if (f->path == OV_PEER_WAY_DIRECT) {
        direct(f, v);
    } else if (f->path == OV_PEER_WAY_RELAY) {
        relayed(f, v);
    } else {
        say(v, "peer_idle", OV_OUTCOME_GOOD,
            "%s is not connected just now; the first packet to it connects.", f->peer);
        advise(v, "to try it: sudo ovpn ping %s", f->peer);
    }
}

/* ---- what only makes things slower ---- */

/* Only streams get out. `subject` is reached through them; NULL: everything is. */
static void blocked(const struct ov_facts *f, struct ov_verdict *v, const char *subject)
{
    const char *root = or (f->root, "the server");
    if (f->odd_host != NULL && f->proxy == NULL) {
        say(v, "odd_port", OV_OUTCOME_WORKS,
            "%s does not answer by UDP on port %u: is the port right? (Usually it is 4793.) Until "
            "it answers, %s relayed through %s%s.",
            f->odd_host, f->odd_port, subject ? "this peer is" : "all is", root,
            f->way == OV_WAY_TLS   ? " by TLS"
            : f->way == OV_WAY_TCP ? " by TCP"
                                   : "");
        advise(v, "if it is not, leave the network and join with the right one, or correct it in "
                  "ovpn.conf (roots)");
        advise(v, "if it is, ask who runs this network (the campus, the company) to let UDP out, "
                  "and the server's owner to let it in");
        return;
    }
    if (f->proxy != NULL)
        say(v, "only_proxy", OV_OUTCOME_WORKS,
            "This network lets nothing out but through its proxy %s; %s relayed through %s by TLS.",
            f->proxy, subject ? "this peer is" : "all is", root);
    else if (f->way == OV_WAY_TLS)
        say(v, "only_443", OV_OUTCOME_WORKS,
            "This network blocks UDP and lets little more out than web pages; %s relayed through "
            "%s by TLS.",
            subject ? "this peer is" : "all is", root);
    else
        say(v, "udp_blocked", OV_OUTCOME_WORKS, "This network blocks UDP; %s relayed through %s%s.",
            subject ? "this peer is" : "all is", root, f->way == OV_WAY_TCP ? " by TCP" : "");
    advise(v, "it works, but slower. Direct ways need UDP: ask who runs this network (the campus, "
              "the company) to let it out");
    advise(v, "or use another network, such as a phone's hotspot");
}

static void health(const struct ov_facts *f, struct ov_verdict *v)
{
    if (f->state_why != NULL) {
        say(v, "not_stored", OV_OUTCOME_WORKS,
            "All works, but what this node has to remember cannot be stored, so a restart would "
            "forget it: %s",
            f->state_why);
        advise(v, "it is tried again, at least once a minute, until it works");
    } else if (f->online > 0 && (f->udp_blocked || f->way > OV_WAY_UDP)) {
        blocked(f, v, NULL);
    } else if (f->networks == 0 && !f->is_root) {
        say(v, "not_joined", OV_OUTCOME_WORKS, "All is well, but no network is joined.");
        advise(v, "join one: ovpn join NETID@HOST, or with an invite from its owner");
    } else if (f->trouble == OV_NET_AWAY) {
        say(v, "controller_away", OV_OUTCOME_WORKS,
            "The network %s works, but its controller does not answer: nobody new can join, and "
            "changes do not arrive.",
            or (f->net, "?"));
        advise(v, "if it stays away, tell the network's owner");
    } else if (f->trouble == OV_NET_PARTLY) {
        say(v, "partly_set_up", OV_OUTCOME_WORKS,
            "The network %s works, but not all that it wants is set up on this computer: %s.",
            or (f->net, "?"), or (f->net_message, "?"));
    } else if (f->narrow) {
        say(v, "narrow_router", OV_OUTCOME_WORKS,
            "This router takes few connections at once; ovpn holds back so as not to overrun it, "
            "and some peers stay relayed.");
        advise_direct(f, v);
    } else if (f->relayed > 0) {
        say(v, "some_relayed", OV_OUTCOME_WORKS,
            "All works, but %u peer%s reached through a relay.", f->relayed,
            f->relayed > 1 ? "s are" : " is");
        advise(v, "ovpn doctor ADDRESS tells why, and what helps");
    } else if (f->silent_root != NULL && f->online > 0) {
        say(v, "root_away", OV_OUTCOME_WORKS,
            "All works, but of %u servers only %u answer%s; %s does not.", f->roots, f->online,
            f->online == 1 ? "s" : "", f->silent_root);
        advise(v, "if it stays away, tell its owner; others do its work meanwhile");
        advise(v, "if it is gone for good, take it out of ovpn.conf (roots) or of the network");
    } else {
        say(v, "ok", OV_OUTCOME_GOOD, "All is well.");
    }
}

void ov_verdict_find(const struct ov_facts *f, struct ov_verdict *out)
{
    bool reached =
        f->peer != NULL && f->known && f->path != OV_PEER_WAY_NONE && f->ping != OV_NO_ANSWER;
    memset(out, 0, sizeof(*out));
    if (no_daemon(f, out) || is_twin(f, out) || is_peer_twice(f, out))
        return;
    /* What reaches the peer all the same is no trouble of this peer. */
    if (!(reached && f->path == OV_PEER_WAY_DIRECT) && no_way_out(f, out))
        return;
    if (!reached && net_trouble(f, out))
        return;
    if (f->peer != NULL)
        peer(f, out);
    else
        health(f, out);
}
