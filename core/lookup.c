#include "lookup.h"

#include "directory.h"
#include "lan.h"
#include "member.h"
#include "multicast.h"
#include "switch.h"
#include "volunteer.h"

#include <stdlib.h>
#include <string.h>

/* A member just admitted announces itself within moments, while the host asks for it only once a
 * second: so "nobody" is asked again after 100, 200 and 400 ms, before the host's next request. */
#define RETRY     (100 * OV_MS)
#define TRIES_MAX 4

/* ---- held frames ---- */

bool ov_held_add(struct ov_held *h, const uint8_t *frame, size_t len)
{
    if (h->n >= OV_HELD_MAX || h->bytes + len > OV_HELD_BYTES)
        return false;
    struct ov_queued *q = malloc(sizeof *q + OV_MSG_FRAME_HEADER + len);
    if (!q)
        return false;
    q->next = NULL;
    q->len = len;
    memcpy(q->msg + OV_MSG_FRAME_HEADER, frame, len);
    if (!h->head)
        h->tail = &h->head;
    *h->tail = q;
    h->tail = &q->next;
    h->n++;
    h->bytes += len;
    return true;
}

struct ov_queued *ov_held_take(struct ov_held *h)
{
    struct ov_queued *q = h->head;
    if (!q)
        return NULL;
    h->head = q->next;
    h->n--;
    h->bytes -= q->len;
    return q;
}

void ov_held_clear(struct ov_held *h)
{
    struct ov_queued *q;
    while ((q = ov_held_take(h)) != NULL)
        free(q);
    memset(h, 0, sizeof *h);
}

/* ---- asking ---- */

static void ask_self(struct ov_network *net, const struct ov_msg_lookup *m)
{
    struct ov_engine *e = net->o->e;
    uint8_t *buf = malloc(OV_MESSAGE_MAX);
    struct ov_msg_found f;
    if (!buf)
        return;
    int len = ov_directory_answer(net->o->directory, &e->id.pub, m, buf);
    if (len > 0 && ov_msg_found_decode(buf + 1, (size_t)len - 1, &f) == OV_OK)
        ov_lookup_found(net, NULL, &f);
    free(buf);
}

bool ov_lookup_ask(struct ov_network *net, const struct ov_msg_lookup *m, unsigned nth)
{
    uint8_t buf[64];
    struct ov_writer w;
    bool self;
    struct ov_peer *p = ov_directory_pick(net, nth, &self);
    if (!p && !self)
        return false;
    if (self) {
        ask_self(net, m);
        return true;
    }
    ov_writer_init(&w, buf, sizeof buf);
    ov_msg_lookup_encode(&w, m);
    ov_peer_send(p, buf, w.len, 0);
    return true;
}

static struct ov_lookup *find(struct ov_network *net, const struct ov_lookup_key *key)
{
    for (int i = 0; i < OV_LOOKUPS_MAX; i++)
        if (ov_lookup_key_equal(&net->lookups[i].key, key))
            return &net->lookups[i];
    return NULL;
}

static void finish(struct ov_lookup *l)
{
    ov_held_clear(&l->held);
    memset(l, 0, sizeof *l);
}

static void count_held(struct ov_network *net, const struct ov_lookup *l, enum ov_drop why)
{
    net->o->e->stats.drops[why] += l->held.n;
}

/* A slot for a new question; the oldest one is given up when all are taken. */
static struct ov_lookup *start(struct ov_network *net, const struct ov_lookup_key *key)
{
    struct ov_lookup *l = &net->lookups[0];
    for (int i = 0; i < OV_LOOKUPS_MAX; i++) {
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): net is not NULL because find() is */
        if (net->lookups[i].key.kind == 0) {
            l = &net->lookups[i];
            break;
        }
        if (net->lookups[i].born < l->born)
            l = &net->lookups[i];
    }
    if (l->key.kind)
        ov_drop(net->o->e, OV_DROP_TABLE_FULL);
    finish(l);
    l->key = *key;
    l->born = l->next = net->o->e->now;
    return l;
}

static void send_question(struct ov_network *net, struct ov_lookup *l)
{
    struct ov_msg_lookup m = {.netid = net->id, .key = l->key};
    l->next = net->o->e->now + (RETRY << l->tries);
    ov_network_wake(net, l->next);
    unsigned nth = l->tries++;
    bool asked = ov_lookup_ask(net, &m, nth); /* may answer, and free the slot, at once */
    if (!asked || nth > 0)
        ov_lan_seek(net->o->lan, net, &m.key);
}

void ov_lookup_ip(struct ov_network *net, const struct ov_frame_info *req, const struct ov_ip *ip,
                  const uint8_t *frame, size_t len)
{
    struct ov_lookup_key key = {.kind = OV_LOOKUP_IP, .ip = *ip};
    struct ov_lookup *l = find(net, &key);
    bool fresh = !l;
    if (fresh)
        l = start(net, &key);
    l->has_request = true;
    l->request = *req;
    if (l->held.n == 0 && !ov_held_add(&l->held, frame, len))
        ov_drop(net->o->e, OV_DROP_QUEUE_FULL);
    if (fresh)
        send_question(net, l);
}

void ov_lookup_seek(struct ov_network *net, const struct ov_ip *ip)
{
    struct ov_lookup_key key = {.kind = OV_LOOKUP_IP, .ip = *ip};
    if (!find(net, &key))
        send_question(net, start(net, &key));
}

void ov_lookup_member(struct ov_network *net, ov_addr a, const uint8_t *frame, size_t len)
{
    struct ov_lookup_key key = {.kind = OV_LOOKUP_MEMBER, .member = a};
    struct ov_lookup *l = find(net, &key);
    bool fresh = !l;
    if (fresh)
        l = start(net, &key);
    if (!ov_held_add(&l->held, frame, len))
        ov_drop(net->o->e, OV_DROP_QUEUE_FULL);
    if (fresh)
        send_question(net, l);
}

/* ---- answers ---- */

/* No directory knows who this is: perhaps somebody behind a bridge. */
static void try_others(struct ov_network *net, struct ov_lookup *l)
{
    struct ov_held held = l->held;
    struct ov_queued *q;
    memset(&l->held, 0, sizeof l->held);
    while ((q = ov_held_take(&held)) != NULL) {
        if (l->key.kind == OV_LOOKUP_IP)
            ov_multicast_unresolved(net, q->msg + OV_MSG_FRAME_HEADER, q->len);
        else
            ov_multicast_bridges(net, q->msg + OV_MSG_FRAME_HEADER, q->len);
        free(q);
    }
}

static void give_up(struct ov_network *net, struct ov_lookup *l)
{
    try_others(net, l);
    finish(l);
}

static void resolved(struct ov_network *net, struct ov_lookup *l, struct ov_member *m)
{
    struct ov_lookup done = *l;
    struct ov_queued *q;
    memset(l, 0, sizeof *l);
    if (done.has_request)
        ov_switch_answer(net, &done.request, &done.key.ip, m);
    else
        while ((q = ov_held_take(&done.held)) != NULL) {
            ov_switch_unicast(net, m, q->msg + OV_MSG_FRAME_HEADER, q->len);
            free(q);
        }
    ov_held_clear(&done.held);
}

static bool fits(const struct ov_network *net, const struct ov_lookup *l, const struct ov_member *m)
{
    return ov_member_valid(net, m) &&
           (l->key.kind == OV_LOOKUP_IP ? ov_cert_has_ip(&m->cert, &l->key.ip)
                                        : m->cert.member.addr == l->key.member);
}

void ov_lookup_met(struct ov_network *net, struct ov_member *m)
{
    for (int i = 0; i < OV_LOOKUPS_MAX; i++)
        if (net->lookups[i].key.kind && fits(net, &net->lookups[i], m))
            resolved(net, &net->lookups[i], m);
}

void ov_lookup_found(struct ov_network *net, struct ov_peer *from, const struct ov_msg_found *m)
{
    struct ov_member *member = NULL;
    if (!ov_network_ready(net))
        return;
    if (m->key.kind == OV_LOOKUP_GROUP && ov_mac_equal(&m->key.group, &OV_VOLUNTEERS)) {
        ov_volunteer_found(net, m);
        return;
    }
    if (m->key.kind == OV_LOOKUP_GROUP) {
        ov_multicast_found(net, from, m);
        return;
    }
    struct ov_lookup *l = find(net, &m->key);
    if (!l)
        return;
    for (int i = 0; i < m->n; i++)
        if (ov_member_told(net, m->certs[i].p, m->certs[i].len, &member) == OV_OK &&
            fits(net, l, member)) {
            resolved(net, l, member);
            return;
        }
    if (l->key.kind == OV_LOOKUP_IP)
        try_others(net, l);
}

ov_time ov_lookup_service(struct ov_network *net)
{
    ov_time next = OV_NEVER, now = net->o->e->now;
    for (int i = 0; i < OV_LOOKUPS_MAX; i++) {
        struct ov_lookup *l = &net->lookups[i];
        if (l->key.kind && now >= l->next) {
            if (l->tries >= TRIES_MAX)
                give_up(net, l);
            else
                send_question(net, l);
        }
        if (l->key.kind && l->next < next)
            next = l->next;
    }
    return next;
}

void ov_lookup_retry(struct ov_network *net)
{
    for (int i = 0; i < OV_LOOKUPS_MAX; i++)
        if (net->lookups[i].key.kind) {
            net->lookups[i].next = net->o->e->now;
            ov_network_wake(net, net->o->e->now);
        }
    ov_multicast_retry(net);
}

void ov_lookup_clear(struct ov_network *net)
{
    for (int i = 0; i < OV_LOOKUPS_MAX; i++) {
        count_held(net, &net->lookups[i], OV_DROP_NO_DESTINATION);
        finish(&net->lookups[i]);
    }
}
