#include "network.h"

#include "directory.h"
#include "lan.h"
#include "lookup.h"
#include "member.h"
#include "multicast.h"

#include <stdlib.h>
#include <string.h>

#define ASK_FIRST      OV_SEC
#define ASK_MAX        (30 * OV_SEC)
#define ASK_WAITING    (15 * OV_SEC) /* admission is pushed; this is for a push that got lost */
#define REFRESH_PART   24            /* the certificate is renewed this often in its window... */
#define REFRESH_MIN_S  60            /* ...but not more often than this */
#define REFRESH_MAX_S  3600
#define ANNOUNCE_EVERY (240 * OV_SEC)
#define ANNOUNCE_AGAIN 2  /* repeats after 1 and 4 s: nobody acknowledges, and a line may lose */
#define REPLY_BURST    30 /* changes of the controller at once, */
#define REPLY_COST     2  /* and seconds between them later */
#define ASK_LEFT_OUT   (5 * OV_SEC)  /* what came too soon is asked for */
#define TOLD_RATE      500           /* certificates a second of those that directories name */
#define SAVE_AGAIN     (100 * OV_MS) /* when there was no room for what is to be stored or told */
#define SAVE_GAP       OV_SEC /* from one to the next of what comes as often as a controller likes */
#define REVOKE_RATE    200    /* a second, of the controller: a signature to check each */
#define REVOKE_BURST   1000
#define FLOOD_RATE     20 /* a second, to all members */
#define FLOOD_BURST    200
#define MULTICAST_RATE 2000000ull /* replicated bytes a second */
#define PERSIST_MAX    (OV_CONFIG_MAX + OV_CERT_MAX + 512 + 13 * OV_REVOKED_MAX + 8)

const char *ov_net_state_text(enum ov_net_state s)
{
    static const char *const text[] = {"connecting", "asking", "waiting", "ready", "refused"};
    return (unsigned)s < sizeof text / sizeof text[0] ? text[s] : "?";
}

struct ov_network *ov_network_find(const struct ov_overlay *o, ov_netid id)
{
    for (size_t i = 0; i < o->n; i++)
        if (o->ids[i] == id)
            return o->nets[i];
    return NULL;
}

bool ov_network_ready(const struct ov_network *net)
{
    return net->state == OV_NET_STATE_READY && net->config && net->cert.netid;
}

void ov_network_changed(struct ov_network *net)
{
    net->untold =
        !ov_emit(net->o->e, &(struct ov_out_event){.kind = OV_EVENT_NETWORK, .net = net->id});
    if (net->untold)
        ov_network_wake(net, net->o->e->now + SAVE_AGAIN);
}

void ov_network_wake(struct ov_network *net, ov_time when)
{
    if (!ov_timer_active(&net->timer) || when < net->timer.when)
        ov_timer_start(&net->o->e->timers, &net->timer, when);
}

/* ---- persistence ---- */

/* {u8 version=3, identity 72 of the controller or zeroes, u8 secret length, secret, text host name,
 * text member name, u8 status, u16 + configuration blob, u16 + certificate blob, u16 n, (u40
 * member, u64 revoked until) x n, u64 floor of these}; version 1 ends before n, 2 before the
 * floor. */
void ov_network_persist(struct ov_network *net)
{
    uint8_t buf[PERSIST_MAX], id[OV_IDENTITY_LEN] = {0};
    struct ov_writer w;
    if (net->o->restoring)
        return;
    if (net->controller.addr)
        ov_identity_encode(&net->controller, id);
    ov_writer_init(&w, buf, sizeof buf);
    ov_writer_u8(&w, 3);
    ov_writer_bytes(&w, id, sizeof id);
    ov_writer_u8(&w, net->has_secret ? sizeof net->secret : 0);
    ov_writer_bytes(&w, net->secret, net->has_secret ? sizeof net->secret : 0);
    ov_writer_text(&w, net->hostname);
    ov_writer_text(&w, net->member_name);
    ov_writer_u8(&w, (uint8_t)net->status);
    ov_writer_u16(&w, (uint16_t)net->config_len);
    ov_writer_bytes(&w, net->config_blob, net->config_len);
    ov_writer_u16(&w, (uint16_t)net->cert_len);
    ov_writer_bytes(&w, net->cert_blob, net->cert_len);
    ov_writer_u16(&w, (uint16_t)net->revoked.n);
    for (size_t i = 0; i < net->revoked.n; i++) {
        ov_writer_u40(&w, net->revoked.of[i].addr);
        ov_writer_u64(&w, net->revoked.of[i].timestamp);
    }
    ov_writer_u64(&w, net->revoked.floor);
    net->unsaved = !ov_persist(net->o->e, OV_PERSIST_NETWORK, net->id, buf, w.len);
    net->save_next = net->o->e->now + (net->unsaved ? SAVE_AGAIN : SAVE_GAP);
    if (net->unsaved)
        ov_network_wake(net, net->save_next);
    ov_wipe(buf, sizeof buf);
}

void ov_network_persist_soon(struct ov_network *net)
{
    if (net->o->e->now >= net->save_next) {
        ov_network_persist(net);
        return;
    }
    net->unsaved = !net->o->restoring;
    ov_network_wake(net, net->save_next);
}

/* ---- taking configuration and certificate ---- */

/* OV_EREPLAY: older than what we have. */
static int take_config(struct ov_network *net, const uint8_t *blob, size_t len)
{
    struct ov_net_config *c = malloc(sizeof *c);
    if (!c)
        return OV_ENOMEM;
    int err = len > sizeof net->config_blob ? OV_EINVAL
                                            : ov_net_config_verify(blob, len, &net->controller, c);
    if (err == OV_OK && c->netid != net->id)
        err = OV_EINVAL;
    if (err == OV_OK && net->config && c->revision < net->config->revision)
        err = OV_EREPLAY;
    if (err != OV_OK) {
        free(c);
        return err;
    }
    free(net->config);
    net->config = c;
    net->false_roots = 0;
    memmove(net->config_blob, blob, len);
    net->config_len = len;
    return OV_OK;
}

static int take_cert(struct ov_network *net, const uint8_t *blob, size_t len)
{
    struct ov_cert c;
    int err =
        len > sizeof net->cert_blob ? OV_EINVAL : ov_cert_verify(blob, len, &net->controller, &c);
    if (err != OV_OK)
        return err;
    if (c.netid != net->id || !ov_identity_equal(&c.member, &net->o->e->id.pub))
        return OV_EINVAL;
    if (net->cert.netid && c.timestamp < net->cert.timestamp)
        return OV_EREPLAY;
    net->cert = c;
    memmove(net->cert_blob, blob, len);
    net->cert_len = len;
    return OV_OK;
}

static void drop_cert(struct ov_network *net)
{
    memset(&net->cert, 0, sizeof net->cert);
    net->cert_len = 0;
}

static ov_time refresh_gap(const struct ov_network *net)
{
    uint32_t s = net->config->window_s / REFRESH_PART;
    s = s < REFRESH_MIN_S ? REFRESH_MIN_S : s > REFRESH_MAX_S ? REFRESH_MAX_S : s;
    return s * OV_SEC * 9 / 10 + ov_random_below(&net->o->e->random, s * 200) * OV_MS; /* +-10 % */
}

/* At once, so that no question to a directory overtakes it: who is not announced may not ask. */
static void announce(struct ov_network *net)
{
    net->announced = 0;
    net->announce_next = net->o->e->now + OV_SEC;
    ov_directory_announce(net);
    ov_network_wake(net, net->announce_next);
}

static void become_ready(struct ov_network *net)
{
    bool was = net->state == OV_NET_STATE_READY;
    net->state = OV_NET_STATE_READY;
    announce(net);
    if (!was) {
        ov_multicast_warm(net);
        ov_lan_kick(net->o->lan);
    }
}

void ov_network_refuse(struct ov_network *net, enum ov_net_status status)
{
    net->status = status;
    net->state = OV_NET_STATE_REFUSED;
    drop_cert(net);
    ov_member_clear(net);
    ov_multicast_clear(net);
    ov_lookup_clear(net);
    ov_peer_untie_all(net->o->e);
    net->request_next = net->o->e->now + ASK_MAX;
    ov_network_wake(net, net->request_next);
    ov_network_persist(net);
    ov_network_changed(net);
}

static void drop_secret(struct ov_network *net)
{
    net->has_secret = false;
    ov_wipe(net->secret, sizeof net->secret);
}

/* Status OV_NET_OK with blobs. */
static void admitted(struct ov_network *net, const struct ov_msg_net_reply *m)
{
    int got = take_config(net, m->config.p, m->config.len), err = got;
    if (got == OV_OK || got == OV_EREPLAY)
        err = take_cert(net, m->cert.p, m->cert.len);
    if (got == OV_OK && err == OV_EREPLAY)
        err = OV_OK; /* our certificate is the newer one and stays */
    if (err == OV_EREPLAY)
        return;
    if (err != OV_OK) {
        ov_drop(net->o->e, OV_DROP_AUTH);
        ov_log(&net->o->e->log, OV_LOG_WARN, "refused an answer of the controller: %s",
               ov_strerror(err));
        return;
    }
    net->status = OV_NET_OK;
    drop_secret(net);
    memcpy(net->member_name, m->name, sizeof net->member_name);
    net->request_tries = 0;
    net->request_next = net->o->e->now + refresh_gap(net);
    become_ready(net);
    ov_network_persist(net);
    ov_network_changed(net);
    net->o->roots_changed(net->o->arg);
}

static bool same_blob(const struct ov_slice *s, const uint8_t *blob, size_t len)
{
    return s->len == len && memcmp(s->p, blob, len) == 0;
}

/* Is it what we have, to the byte? A sign of life, and nothing to check, store or tell again. */
static bool known(const struct ov_network *net, const struct ov_msg_net_reply *m)
{
    return m->status == OV_NET_OK && ov_network_ready(net) && net->status == OV_NET_OK &&
           !net->has_secret && strcmp(m->name, net->member_name) == 0 &&
           same_blob(&m->config, net->config_blob, net->config_len) &&
           same_blob(&m->cert, net->cert_blob, net->cert_len);
}

/* A change costs signatures to check and a write to the disk, which are not one controller's to
 * have without end. What is left out we ask for later; with ourselves we have patience. */
static bool too_many(struct ov_network *net)
{
    ov_time now = net->o->e->now;
    if (!net->controller_peer || ov_bucket_take(&net->replies, REPLY_COST, now))
        return false;
    ov_drop(net->o->e, OV_DROP_LIMIT);
    if (now + ASK_LEFT_OUT < net->request_next)
        net->request_next = now + ASK_LEFT_OUT;
    ov_network_wake(net, net->request_next);
    return true;
}

void ov_network_reply(struct ov_network *net, const struct ov_msg_net_reply *m)
{
    ov_time now = net->o->e->now;
    net->controller_online = true;
    if (known(net, m)) {
        net->request_tries = 0;
        net->request_next = now + refresh_gap(net);
        return;
    }
    if (too_many(net))
        return;
    ov_network_wake(net, now);
    if (m->status == OV_NET_OK) {
        admitted(net, m);
        return;
    }
    net->status = (enum ov_net_status)m->status;
    net->request_tries = 0;
    switch (m->status) {
    case OV_NET_PENDING:
        if (net->state == OV_NET_STATE_READY)
            ov_network_refuse(net, OV_NET_PENDING);
        net->state = OV_NET_STATE_WAITING;
        net->request_next = now + ASK_WAITING;
        break;
    case OV_NET_UNAVAILABLE:
        net->request_next = now + ASK_MAX / 3;
        break;
    default:
        ov_network_refuse(net, (enum ov_net_status)m->status);
        return;
    }
    ov_network_changed(net);
}

/* ---- asking ---- */

static void fill_request(struct ov_network *net, struct ov_msg_net_request *m)
{
    memset(m, 0, sizeof *m);
    m->netid = net->id;
    m->have_revision = net->config ? net->config->revision : 0;
    m->have_timestamp = net->cert.timestamp;
    m->has_secret = net->has_secret;
    memcpy(m->secret, net->secret, sizeof m->secret);
    memcpy(m->hostname, net->hostname, sizeof m->hostname);
}

static void ask(struct ov_network *net)
{
    struct ov_engine *e = net->o->e;
    struct ov_msg_net_request m;
    uint8_t buf[256];
    struct ov_writer w;
    fill_request(net, &m);
    if (net->controller.addr == e->id.pub.addr) {
        ov_emit(e, &(struct ov_out_event){.kind = OV_EVENT_REQUEST,
                                          .net = net->id,
                                          .addr = e->id.pub.addr,
                                          .from = &e->id.pub,
                                          .request = &m});
    } else {
        ov_writer_init(&w, buf, sizeof buf);
        ov_msg_net_request_encode(&w, &m);
        ov_peer_send(net->controller_peer, buf, w.len, 0);
        ov_wipe(buf, sizeof buf);
    }
    ov_wipe(&m, sizeof m);
}

/* Do we know the controller, and hold a connection to it? Looks for it if not. */
static bool reach_controller(struct ov_network *net)
{
    struct ov_engine *e = net->o->e;
    ov_addr a = ov_netid_controller(net->id);
    if (a == e->id.pub.addr) {
        net->controller = e->id.pub;
        return true;
    }
    if (!net->controller.addr) {
        struct ov_peer *p = ov_peer_find(e, a);
        if (p && ov_peer_prove(p))
            ov_network_controller(net, &p->id);
        else
            ov_locate_want(net->o->locate, a);
    }
    return net->controller_peer != NULL;
}

static void service_request(struct ov_network *net)
{
    ov_time now = net->o->e->now;
    if (now < net->request_next)
        return;
    if (!reach_controller(net)) {
        net->request_next = now + OV_SEC;
        return;
    }
    if (net->request_tries > 2)
        net->controller_online = false;
    ask(net);
    ov_time gap = net->request_tries > 5 ? ASK_MAX : ASK_FIRST << net->request_tries;
    net->request_next = now + (gap > ASK_MAX ? ASK_MAX : gap);
    if (net->request_tries < 255)
        net->request_tries++;
}

void ov_network_controller(struct ov_network *net, const struct ov_identity *id)
{
    struct ov_peer *p;
    if (net->controller_peer || id->addr != ov_netid_controller(net->id) ||
        id->addr == net->o->e->id.pub.addr)
        return;
    if (net->controller.addr && !ov_identity_equal(&net->controller, id)) {
        ov_peer_conflict(net->o->e, id->addr);
        return;
    }
    if (ov_peer_get(net->o->e, id, &p) != OV_OK)
        return;
    net->controller = *id;
    net->controller_peer = p;
    ov_peer_keep(p);
    if (net->state == OV_NET_STATE_CONNECTING)
        net->state = OV_NET_STATE_ASKING;
    net->request_next = net->o->e->now;
    ov_network_wake(net, net->request_next);
    ov_network_persist(net);
    ov_network_changed(net);
}

static void service(void *arg, ov_time now)
{
    struct ov_network *net = arg;
    ov_time next;
    if (net->unsaved && now >= net->save_next)
        ov_network_persist(net);
    if (net->untold)
        ov_network_changed(net);
    service_request(net);
    next = net->request_next;
    if (net->unsaved && net->save_next < next)
        next = net->save_next;
    if (net->untold && now + SAVE_AGAIN < next)
        next = now + SAVE_AGAIN;
    if (ov_network_ready(net)) {
        if (now >= net->announce_next) {
            ov_directory_announce(net);
            net->announce_next =
                now +
                (net->announced < ANNOUNCE_AGAIN ? OV_SEC << 2 * ++net->announced : ANNOUNCE_EVERY);
        }
        if (net->announce_next < next)
            next = net->announce_next;
        ov_time t = ov_lookup_service(net);
        next = t < next ? t : next;
        t = ov_multicast_service(net);
        next = t < next ? t : next;
    }
    ov_network_wake(net, next > now ? next : now + OV_MS);
}

void ov_network_session(struct ov_network *net, struct ov_peer *p, bool fresh)
{
    struct ov_engine *e = net->o->e;
    if (p == net->controller_peer && (fresh || net->state != OV_NET_STATE_READY)) {
        net->request_tries = 0;
        net->request_next = e->now;
        ov_network_wake(net, e->now);
    }
    if (!ov_network_ready(net))
        return;
    if (fresh && ov_directory_is(net, p))
        announce(net);
    struct ov_member *m = ov_member_find(net, p->id.addr);
    if (m && ov_member_valid(net, m) && (fresh || m->hello_ts != net->cert.timestamp))
        ov_member_hello(net, p, false);
    if (p->keep)
        ov_lookup_retry(net);
}

void ov_network_set_groups(struct ov_network *net, const struct ov_mac *v, size_t n)
{
    if (n > OV_GROUPS_MAX)
        n = OV_GROUPS_MAX;
    if (n == net->ngroups && (n == 0 || memcmp(net->groups, v, n * sizeof *v) == 0))
        return;
    if (n)
        memcpy(net->groups, v, n * sizeof *v);
    net->ngroups = n;
    if (ov_network_ready(net))
        announce(net);
}

/* ---- joining and leaving ---- */

static struct ov_network *new_network(struct ov_overlay *o, ov_netid id)
{
    struct ov_engine *e = o->e;
    uint8_t seed[16];
    struct ov_network *net = calloc(1, sizeof *net);
    if (!net || ov_timers_reserve(&e->timers, e->peers.len + 64) != OV_OK) {
        free(net);
        return NULL;
    }
    net->o = o;
    net->id = id;
    net->mac = ov_mac_derive(e->id.pub.addr, id);
    e->random.fill(e->random.arg, seed, sizeof seed);
    ov_map_init(&net->members, OV_MEMBERS_MAX, seed);
    ov_map_init(&net->ips, (size_t)OV_MEMBERS_MAX * OV_CERT_ADDRS_MAX, seed);
    ov_map_init(&net->learned, OV_LEARNED_MAX, seed);
    ov_bucket_init(&net->multicast, MULTICAST_RATE, MULTICAST_RATE * 2, e->now);
    ov_bucket_init(&net->told, TOLD_RATE, OV_MEMBERS_MAX, e->now);
    ov_bucket_init(&net->replies, 1, REPLY_BURST * REPLY_COST, e->now);
    ov_bucket_init(&net->revokes, REVOKE_RATE, REVOKE_BURST, e->now);
    ov_bucket_init(&net->floods, FLOOD_RATE, FLOOD_BURST, e->now);
    ov_timer_init(&net->timer, service, net);
    net->request_next = e->now;
    net->announce_next = OV_NEVER;
    o->ids[o->n] = id;
    o->nets[o->n++] = net;
    ov_network_wake(net, e->now);
    return net;
}

static bool invite_refused(const struct ov_network *net)
{
    return net->status == OV_NET_BAD_INVITE || net->status == OV_NET_USED_INVITE ||
           net->status == OV_NET_EXPIRED_INVITE;
}

/* Who joins without an invite after one was refused asks the owner, and not the same again. */
static void set_secret(struct ov_network *net, const uint8_t *secret)
{
    if (!secret && invite_refused(net))
        drop_secret(net);
    if (!secret)
        return;
    memcpy(net->secret, secret, sizeof net->secret);
    net->has_secret = true;
}

int ov_network_join(struct ov_overlay *o, ov_netid id, const struct ov_identity *controller,
                    const uint8_t *secret, const char *hostname)
{
    struct ov_network *net = ov_network_find(o, id);
    int err = net ? OV_EEXIST : OV_OK;
    if (!net && o->n == OV_NETWORKS_MAX)
        return OV_EFULL;
    if (!net && !(net = new_network(o, id)))
        return OV_ENOMEM;
    if (hostname && strlen(hostname) < sizeof net->hostname)
        memcpy(net->hostname, hostname, strlen(hostname) + 1);
    set_secret(net, secret);
    if (controller)
        ov_network_controller(net, controller);
    if (net->state != OV_NET_STATE_READY) {
        net->state = net->controller_peer ? OV_NET_STATE_ASKING : OV_NET_STATE_CONNECTING;
        net->status = OV_NET_OK;
        net->request_tries = 0;
        net->request_next = o->e->now;
        ov_network_wake(net, o->e->now);
    }
    ov_network_persist(net);
    ov_network_changed(net);
    return err;
}

int ov_network_restore(struct ov_overlay *o, ov_netid id, const void *data, size_t len)
{
    struct ov_reader r;
    struct ov_identity controller = {0};
    char hostname[OV_NET_NAME_MAX], name[OV_NET_NAME_MAX];
    ov_reader_init(&r, data, len);
    uint8_t version = ov_reader_u8(&r);
    const uint8_t *raw = ov_reader_take(&r, OV_IDENTITY_LEN);
    uint8_t nsecret = ov_reader_u8(&r);
    const uint8_t *secret = ov_reader_take(&r, nsecret);
    ov_reader_text(&r, hostname, sizeof hostname);
    ov_reader_text(&r, name, sizeof name);
    uint8_t status = ov_reader_u8(&r);
    uint16_t nconfig = ov_reader_u16(&r);
    const uint8_t *config = ov_reader_take(&r, nconfig);
    uint16_t ncert = ov_reader_u16(&r);
    const uint8_t *cert = ov_reader_take(&r, ncert);
    uint16_t nrevoked = version >= 2 ? ov_reader_u16(&r) : 0;
    struct ov_reader revoked = r;
    ov_reader_take(&r, (size_t)nrevoked * 13);
    ov_wall floor = version >= 3 ? ov_reader_u64(&r) : 0;
    if (!ov_reader_done(&r) || version < 1 || version > 3 || nrevoked > OV_REVOKED_MAX ||
        (nsecret && nsecret != OV_INVITE_SECRET_LEN) || status > OV_NET_UNAVAILABLE)
        return OV_EINVAL;
    static const uint8_t none[OV_IDENTITY_LEN];
    bool known = memcmp(raw, none, sizeof none) != 0;
    if (known) {
        /* It will be pinned: one that was damaged would keep the true one out for ever. */
        ov_identity_decode(raw, &controller);
        if (ov_identity_check(&controller, &o->e->pow) != OV_OK ||
            controller.addr != ov_netid_controller(id))
            return OV_EINVAL;
    }
    o->restoring = true; /* what is on disk is whole; joining has only half of it */
    int err = ov_network_join(o, id, known ? &controller : NULL, nsecret ? secret : NULL, hostname);
    o->restoring = false;
    if (err != OV_OK)
        return err;
    struct ov_network *net = ov_network_find(o, id);
    if (ov_name_valid(name))
        memcpy(net->member_name, name, sizeof name);
    net->status = (enum ov_net_status)status;
    net->revoked.floor = floor;
    for (net->revoked.n = 0; net->revoked.n < nrevoked; net->revoked.n++) {
        net->revoked.of[net->revoked.n].addr = ov_reader_u40(&revoked);
        net->revoked.of[net->revoked.n].timestamp = ov_reader_u64(&revoked);
    }
    if (known)
        net->controller = controller; /* also when it is us */
    if (nconfig && take_config(net, config, nconfig) != OV_OK)
        return OV_EINVAL;
    if (ncert && take_cert(net, cert, ncert) != OV_OK)
        return OV_EINVAL;
    if (net->config && net->cert.netid) {
        become_ready(net);
        o->roots_changed(o->arg);
        ov_network_changed(net);
    }
    return OV_OK;
}

void ov_network_free(struct ov_network *net)
{
    struct ov_overlay *o = net->o;
    ov_timer_stop(&o->e->timers, &net->timer);
    if (net->controller_peer)
        ov_peer_unkeep(net->controller_peer);
    ov_lookup_clear(net);
    ov_multicast_clear(net);
    ov_member_clear(net);
    ov_map_free(&net->members);
    ov_map_free(&net->ips);
    ov_map_free(&net->learned);
    free(net->config);
    for (size_t i = 0; i < o->n; i++)
        if (o->nets[i] == net) {
            o->nets[i] = o->nets[--o->n];
            o->ids[i] = o->ids[o->n];
            break;
        }
    ov_wipe(net, sizeof *net);
    free(net);
}

void ov_network_tell(struct ov_network *net, const struct ov_peer *from, const uint8_t *msg,
                     size_t len)
{
    struct ov_engine *e = net->o->e;
    struct ov_member *m;
    for (size_t it = 0; (m = ov_map_next(&net->members, &it, NULL)) != NULL;) {
        struct ov_peer *p = ov_peer_find(e, m->cert.member.addr);
        if (p && p != from && ov_peer_up(p))
            ov_peer_send(p, msg, len, OV_SEND_QUIET);
    }
    for (struct ov_peer *p = e->keep; p; p = p->keep_next)
        if (p != from && ov_peer_up(p) && ov_directory_is(net, p) &&
            !ov_member_find(net, p->id.addr))
            ov_peer_send(p, msg, len, OV_SEND_QUIET);
}

int ov_network_leave(struct ov_overlay *o, ov_netid id)
{
    struct ov_network *net = ov_network_find(o, id);
    uint8_t buf[9];
    struct ov_writer w;
    if (!net)
        return OV_ENOENT;
    if (!ov_persist(o->e, OV_PERSIST_NETWORK, id, NULL, 0)) /* a restart would join it again */
        return OV_EFULL;
    ov_writer_init(&w, buf, sizeof buf);
    ov_msg_net_bye_encode(&w, id);
    ov_network_tell(net, NULL, buf, w.len);
    if (o->directory)
        ov_directory_withdraw(o->directory, id, &o->e->id.pub);
    if (net->controller.addr == o->e->id.pub.addr)
        ov_emit(o->e, &(struct ov_out_event){.kind = OV_EVENT_BYE,
                                             .net = id,
                                             .addr = o->e->id.pub.addr,
                                             .from = &o->e->id.pub});
    ov_network_free(net);
    ov_peer_untie_all(o->e);
    ov_emit(o->e, &(struct ov_out_event){.kind = OV_EVENT_NETWORK, .net = id});
    o->roots_changed(o->arg);
    return OV_OK;
}
