/* pxp: the client of NAT-PMP and PCP.
 *
 * Theory of operation. For each of the two protocols one request is under way at most. It is sent
 * at 0, 250, 750 and 1750 ms and given up a second later; the socket is connected, so that the
 * kernel leaves out what others send, and tells at once when nobody listens at that port. A probe
 * asks NAT-PMP for the address outside, and PCP for nothing (ANNOUNCE). A mapping by NAT-PMP takes
 * two requests, since the answer does not tell the address: it is asked for first. A server of one
 * protocol answers requests of the other with "unsupported version", in its own format.
 *
 * Every answer carries the router's epoch; one that does not go on from the last means that it lost
 * its tables (RFC 6886, 3.6; RFC 6887, 8.5). */
#include "transport/pxp.h"

#include "transport/pmp.h"
#include "transport/sockaddr.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define NPROTOCOLS    2 /* OV_MAPPER_PCP and OV_MAPPER_PMP */
#define ANNOUNCE_PORT 5350
#define SENDS         4
#define YOUNG         3 /* s: a router that announces itself then has just started */

enum task { TASK_NONE, TASK_PROBE, TASK_ADDRESS, TASK_MAP, TASK_UNMAP };

struct request {
    struct ov_pxp *x;
    enum ov_mapper m;
    enum task task;
    unsigned sends;
    uv_timer_t timer;
    size_t len;
    uint8_t bytes[OV_PCP_MAP_LEN];
    uint16_t internal; /* of a mapping asked for */
    struct ov_endpoint wish;
    uint32_t lifetime;
    struct ov_epoch epoch;
};

struct ov_pxp {
    uv_udp_t socket, announced;
    unsigned open_handles;
    bool closing, listens;
    struct ov_gateway gateway;
    uint8_t nonce[OV_PCP_NONCE_LEN];
    struct request requests[NPROTOCOLS];
    struct ov_ip address; /* outside, as NAT-PMP said last */
    struct ov_mapper_events events;
    char buf[OV_PCP_MAX + 1];
};

/* ---- requests ---- */

static void finish(struct request *q)
{
    q->task = TASK_NONE;
    (void)uv_timer_stop(&q->timer);
}

static void fail(struct request *q, bool gone, const char *why)
{
    enum task task = q->task;
    const struct ov_mapper_events *e = &q->x->events;

    finish(q);
    if (task == TASK_PROBE)
        e->absent(e->arg, q->m);
    else if (task == TASK_UNMAP)
        e->unmapped(e->arg, q->m);
    else if (task != TASK_NONE)
        e->failed(e->arg, q->m, gone, why);
}

static void on_timer(uv_timer_t *timer);

/* Nobody listens there: nothing more is sent, and it is told from the loop. */
static void give_up(struct ov_pxp *x)
{
    for (size_t i = 0; i < NPROTOCOLS; i++) {
        struct request *q = &x->requests[i];
        if (q->task == TASK_NONE)
            continue;
        q->sends = SENDS;
        (void)uv_timer_start(&q->timer, on_timer, 0, 0);
    }
}

static void send_once(struct request *q)
{
    uv_buf_t buf = uv_buf_init((char *)q->bytes, (unsigned)q->len);

    /* What came back for an earlier datagram is told to whoever sends next. One that cannot be sent
     * for other reasons is sent again, like one that was lost. */
    if (uv_udp_try_send(&q->x->socket, &buf, 1, NULL) == UV_ECONNREFUSED) {
        give_up(q->x);
        return;
    }
    (void)uv_timer_start(&q->timer, on_timer, q->sends < SENDS - 1 ? 250ull << q->sends : 1000, 0);
    q->sends++;
}

static void on_timer(uv_timer_t *timer)
{
    struct request *q = timer->data;

    if (q->sends < SENDS)
        send_once(q);
    else
        fail(q, false, "the router does not answer");
}

static void start(struct request *q, enum task task)
{
    const struct ov_ip *client = &q->x->gateway.local.ip;
    struct ov_pcp_map map = {.internal = q->internal, .external = q->wish};

    q->task = task;
    q->sends = 0;
    memcpy(map.nonce, q->x->nonce, sizeof map.nonce);
    if (q->m == OV_MAPPER_PCP && task == TASK_PROBE) {
        q->len = OV_PCP_ANNOUNCE_LEN;
        ov_pcp_announce_encode(client, q->bytes);
    } else if (q->m == OV_MAPPER_PCP) {
        q->len = OV_PCP_MAP_LEN;
        ov_pcp_map_encode(client, q->lifetime, &map, q->bytes);
    } else if (task == TASK_PROBE || task == TASK_ADDRESS) {
        q->len = OV_PMP_ADDRESS_LEN;
        ov_pmp_address_encode(q->bytes);
    } else {
        q->len = OV_PMP_MAP_LEN;
        ov_pmp_map_encode(q->internal, q->wish.port, q->lifetime, q->bytes);
    }
    send_once(q);
}

/* ---- answers ---- */

static void mapped(struct request *q, const struct ov_endpoint *external, uint32_t lifetime)
{
    const struct ov_mapper_events *e = &q->x->events;
    struct ov_mapping m = {.external = *external, .lifetime = lifetime};

    if (!ov_mapper_usable(&external->ip) || external->port == 0 || lifetime == 0) {
        fail(q, true, "the router tells an address that cannot be");
        return;
    }
    finish(q);
    e->mapped(e->arg, q->m, &m);
}

static void found(struct request *q)
{
    const struct ov_mapper_events *e = &q->x->events;

    finish(q);
    e->found(e->arg, q->m);
}

/* Has the router kept its tables since it was last heard? Up to 2 s that cannot be told. */
static bool goes_on(struct ov_pxp *x, enum ov_mapper m, uint32_t epoch)
{
    return ov_epoch_note(&x->requests[m].epoch, epoch, uv_now(x->socket.loop) / 1000);
}

/* The right answer to what is asked now? A late one to an earlier request is not. */
static bool pmp_fits(const struct request *q, const struct ov_pmp_answer *a)
{
    if (q->task == TASK_PROBE || q->task == TASK_ADDRESS)
        return a->op == OV_PMP_ADDRESS;
    return (q->task == TASK_MAP || q->task == TASK_UNMAP) && a->op == OV_PMP_MAP_UDP &&
           (a->result != OV_PMP_OK ||
            (a->internal == q->internal && (a->lifetime == 0) == (q->task == TASK_UNMAP)));
}

static void on_pmp(struct ov_pxp *x, const struct ov_pmp_answer *a)
{
    struct request *q = &x->requests[OV_MAPPER_PMP], *pcp = &x->requests[OV_MAPPER_PCP];
    struct ov_endpoint external = {.ip = x->address, .port = a->external};

    if (a->result == OV_PMP_BAD_VERSION) { /* ours is the only one it can have: it means PCP's */
        fail(pcp, false, "the router speaks NAT-PMP only");
        return;
    }
    if (a->result == OV_PMP_OK)
        (void)goes_on(x, OV_MAPPER_PMP, a->epoch); /* it is asked for what it lost just now */
    if (!pmp_fits(q, a))
        return;
    if (a->result != OV_PMP_OK) {
        fail(q, a->result != OV_PMP_NETWORK_FAILURE, ov_pmp_result_text(a->result));
        return;
    }
    if (a->op == OV_PMP_ADDRESS)
        x->address = a->address;
    if (q->task == TASK_ADDRESS) {
        start(q, TASK_MAP);
    } else if (q->task == TASK_MAP) {
        mapped(q, &external, a->lifetime);
    } else if (q->task == TASK_UNMAP) {
        fail(q, true, "");
    } else {
        found(q);
    }
}

static void on_pcp(struct ov_pxp *x, const struct ov_pcp_answer *a)
{
    struct request *q = &x->requests[OV_MAPPER_PCP], *pmp = &x->requests[OV_MAPPER_PMP];

    /* "My version is 2", said to a request of NAT-PMP; to ours it says so only when it is broken.
     */
    if (a->result == OV_PCP_BAD_VERSION) {
        fail(pmp, false, "the router speaks PCP only");
        return;
    }
    if (a->has_map &&
        (memcmp(a->map.nonce, x->nonce, sizeof x->nonce) != 0 || a->map.internal != q->internal))
        return;
    (void)goes_on(x, OV_MAPPER_PCP, a->epoch);
    if (q->task == TASK_PROBE && a->op == OV_PCP_ANNOUNCE) {
        if (a->result != OV_PCP_OK)
            fail(q, true, ov_pcp_result_text(a->result));
        else
            found(q);
    } else if (q->task == TASK_UNMAP && a->op == OV_PCP_MAP) {
        if (a->result != OV_PCP_OK || a->lifetime == 0) /* else: of an earlier request */
            fail(q, true, "");
    } else if (q->task == TASK_MAP && a->op == OV_PCP_MAP) {
        if (a->result != OV_PCP_OK)
            fail(q, a->result != OV_PCP_NETWORK_FAILURE, ov_pcp_result_text(a->result));
        else
            mapped(q, &a->map.external, a->lifetime);
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct ov_pxp *x = handle->data;

    (void)suggested;
    *buf = uv_buf_init(x->buf, sizeof x->buf);
}

static void on_datagram(uv_udp_t *socket, ssize_t n, const uv_buf_t *buf,
                        const struct sockaddr *from, unsigned flags)
{
    struct ov_pxp *x = socket->data;
    struct ov_pmp_answer pmp;
    struct ov_pcp_answer pcp;

    if (x->closing)
        return;
    if (n == UV_ECONNREFUSED) {
        give_up(x);
        return;
    }
    if (n <= 0 || !from || (flags & UV_UDP_PARTIAL))
        return;
    if (ov_pmp_decode((const uint8_t *)buf->base, (size_t)n, &pmp) == OV_OK)
        on_pmp(x, &pmp);
    else if (ov_pcp_decode((const uint8_t *)buf->base, (size_t)n, &pcp) == OV_OK)
        on_pcp(x, &pcp);
}

/* What the router tells everybody. */
static void on_announced(uv_udp_t *socket, ssize_t n, const uv_buf_t *buf,
                         const struct sockaddr *from, unsigned flags)
{
    struct ov_pxp *x = socket->data;
    struct ov_pmp_answer pmp;
    struct ov_pcp_answer pcp;
    struct ov_endpoint ep;

    if (x->closing || n <= 0 || !from || from->sa_family != AF_INET || (flags & UV_UDP_PARTIAL))
        return;
    if (!ov_sockaddr_to_endpoint(from, &ep) || !ov_ip_equal(&ep.ip, &x->gateway.ip))
        return;
    if (ov_pmp_decode((const uint8_t *)buf->base, (size_t)n, &pmp) == OV_OK &&
        pmp.result == OV_PMP_OK && pmp.op == OV_PMP_ADDRESS) {
        bool other = x->address.family && !ov_ip_equal(&pmp.address, &x->address);
        bool kept = goes_on(x, OV_MAPPER_PMP, pmp.epoch) && pmp.epoch > YOUNG;
        x->events.news(x->events.arg, OV_MAPPER_PMP, other || !kept);
    } else if (ov_pcp_decode((const uint8_t *)buf->base, (size_t)n, &pcp) == OV_OK &&
               pcp.op == OV_PCP_ANNOUNCE) {
        bool kept = goes_on(x, OV_MAPPER_PCP, pcp.epoch) && pcp.epoch > YOUNG;
        x->events.news(x->events.arg, OV_MAPPER_PCP, !kept);
    }
}

/* ---- life ---- */

static void on_closed(uv_handle_t *handle)
{
    struct ov_pxp *x = handle->data;

    if (--x->open_handles == 0)
        free(x);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct request *q = handle->data;

    if (--q->x->open_handles == 0)
        free(q->x);
}

/* Best effort: without it a restart is noticed at the next renewal. */
static void listen_announcements(struct ov_pxp *x)
{
    static const struct ov_ip ALL_HOSTS = {4, {224, 0, 0, 1}};
    union ov_sockaddr in = ov_sockaddr_of(&ALL_HOSTS, ANNOUNCE_PORT);
    char local[OV_IP_TEXT];

    x->listens =
        uv_udp_bind(&x->announced, &in.any, UV_UDP_REUSEADDR) == 0 &&
        uv_udp_set_membership(&x->announced, "224.0.0.1", ov_ip_format(&x->gateway.local.ip, local),
                              UV_JOIN_GROUP) == 0 &&
        uv_udp_recv_start(&x->announced, on_alloc, on_announced) == 0;
}

int ov_pxp_open(uv_loop_t *loop, const struct ov_gateway *gateway,
                const uint8_t nonce[OV_PCP_NONCE_LEN], uint16_t port,
                const struct ov_mapper_events *events, struct ov_pxp **out)
{
    struct ov_pxp *x = calloc(1, sizeof *x);
    union ov_sockaddr local = ov_sockaddr_of(&gateway->local.ip, 0),
                      remote = ov_sockaddr_of(&gateway->ip, port ? port : OV_PMP_PORT);

    if (!x)
        return OV_ENOMEM;
    x->gateway = *gateway;
    x->events = *events;
    memcpy(x->nonce, nonce, sizeof x->nonce);
    (void)uv_udp_init(loop, &x->socket); /* these cannot fail */
    (void)uv_udp_init(loop, &x->announced);
    x->socket.data = x->announced.data = x;
    for (size_t i = 0; i < NPROTOCOLS; i++) {
        struct request *q = &x->requests[i];
        q->x = x;
        q->m = i == OV_MAPPER_PCP ? OV_MAPPER_PCP : OV_MAPPER_PMP;
        (void)uv_timer_init(loop, &q->timer);
        q->timer.data = q;
    }
    x->open_handles = 2 + NPROTOCOLS;
    if (uv_udp_bind(&x->socket, &local.any, 0) != 0 ||
        uv_udp_connect(&x->socket, &remote.any) != 0 ||
        uv_udp_recv_start(&x->socket, on_alloc, on_datagram) != 0) {
        ov_pxp_close(x);
        return OV_EIO;
    }
    listen_announcements(x);
    *out = x;
    return OV_OK;
}

void ov_pxp_probe(struct ov_pxp *x)
{
    for (size_t i = 0; i < NPROTOCOLS; i++)
        start(&x->requests[i], TASK_PROBE);
}

void ov_pxp_map(struct ov_pxp *x, enum ov_mapper m, uint16_t internal,
                const struct ov_endpoint *external, uint32_t lifetime)
{
    struct request *q = &x->requests[m];

    q->internal = internal;
    q->wish = *external;
    q->lifetime = lifetime;
    start(q, m == OV_MAPPER_PMP ? TASK_ADDRESS : TASK_MAP);
}

void ov_pxp_unmap(struct ov_pxp *x, enum ov_mapper m, uint16_t internal)
{
    struct request *q = &x->requests[m];

    q->internal = internal;
    q->wish = (struct ov_endpoint){0};
    q->lifetime = 0;
    start(q, TASK_UNMAP);
}

void ov_pxp_close(struct ov_pxp *x)
{
    if (!x || x->closing)
        return;
    x->closing = true;
    uv_close((uv_handle_t *)&x->socket, on_closed);
    uv_close((uv_handle_t *)&x->announced, on_closed);
    for (size_t i = 0; i < NPROTOCOLS; i++)
        uv_close((uv_handle_t *)&x->requests[i].timer, on_timer_closed);
}
