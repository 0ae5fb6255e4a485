/* why: what came of looking for a direct way to a peer, for people. */
#ifndef OV_CORE_WHY_H
#define OV_CORE_WHY_H

/* How the last hard attempt ended. */
enum ov_attempt_result {
    OV_ATTEMPT_NONE,
    OV_ATTEMPT_RUNNING,
    OV_ATTEMPT_HIT,
    OV_ATTEMPT_MISSED,
    OV_ATTEMPT_NO_ANSWER, /* the other side did not agree in time */
    OV_ATTEMPT_REFUSED,   /* it was busy, or has had enough of us */
    OV_ATTEMPT_BUSY,      /* we are, with another peer */
    OV_ATTEMPT_LIMIT,     /* three in an hour */
    OV_ATTEMPT_NARROW,    /* our router does not take it */
    OV_ATTEMPT_NO_SOCKETS,
};

/* Why traffic to a peer goes by relay, for people. */
#define OV_WHYS(X)                                                                                 \
    X(NONE, none, "")                                                                              \
    X(IDLE, idle, "no direct way is looked for without traffic")                                   \
    X(TRYING, trying, "a direct way is being looked for")                                          \
    X(UDP_BLOCKED, udp_blocked, "UDP is blocked here")                                             \
    X(NO_ANSWER, no_answer, "the other side does not answer when asked to connect directly")       \
    X(FAMILY, family, "one side has only IPv4 and the other only IPv6")                            \
    X(BOTH_HARD, both_hard, "both sides are behind NATs with random ports")                        \
    X(HARD_FAILED, hard_failed, "one side's NAT gives random ports, and none was hit so far")      \
    X(REFUSED, refused, "the other side takes no more attempts for now")                           \
    X(BUSY, busy, "a direct way to another peer is being made; this one is next")                  \
    X(LIMIT, limit, "three attempts in an hour did not get through; more have to wait")            \
    X(NARROW, narrow, "the router here does not take as many flows as an attempt needs")           \
    X(SOCKETS, sockets, "this host could not open the sockets that an attempt needs")              \
    X(FAILED, failed, "nothing got through: a firewall on the way may forbid it")
enum ov_why {
#define X(name, key, text) OV_WHY_##name,
    OV_WHYS(X)
#undef X
        OV_WHY_COUNT
};
const char *ov_why_name(enum ov_why w); /* "both_hard" */
const char *ov_why_text(enum ov_why w);

#endif
