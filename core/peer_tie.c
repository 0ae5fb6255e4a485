/* What ties a peer to us beyond its session: a network in common, or that it is a server of ours.
 *
 * Theory of operation. Candidates make a node send where it is told, and tell where it is: they are
 * for those who are tied to us at that moment (ov_peer_tied), whatever they were before. `remember`
 * is the trace of such a tie that costs nothing to look at; it goes when the last tie is seen to be
 * gone, at once or with the next session. After a restart no certificate of anybody is known: those
 * that were stored are believed until they had the time to show theirs, unless we know better. */
#include "attempt.h"
#include "peer.h"

#include <stdlib.h>

bool ov_peer_tied(const struct ov_peer *p)
{
    if (p->keep)
        return true;
    enum ov_tie tie = p->e->ops->tie(p->e->ops_arg, p);
    return tie == OV_TIE_MEMBER || (tie == OV_TIE_UNKNOWN && p->e->now < p->believed);
}

void ov_peer_untie(struct ov_peer *p, bool erase)
{
    if (ov_peer_tied(p))
        return;
    ov_attempts_forget(p);
    free(p->punch);
    p->punch = NULL;
    p->last_frame = 0;
    p->believed = 0;
    if (erase && p->remember && ov_persist(p->e, OV_PERSIST_PEER, p->id.addr, NULL, 0))
        p->persisted = 0;
    p->remember = false;
}

void ov_peer_untie_all(struct ov_engine *e)
{
    struct ov_peer *p;
    for (size_t it = 0; (p = ov_map_next(&e->peers, &it, NULL)) != NULL;)
        if (p->remember || p->last_frame)
            ov_peer_untie(p, false);
}

void ov_peer_tie_session(struct ov_peer *p)
{
    if (p->believed == OV_NEVER)
        p->believed = p->e->now + OV_PEER_ACTIVE;
    if (p->remember)
        ov_peer_untie(p, false);
}
