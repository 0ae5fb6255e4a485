/* igd: the client of UPnP.
 *
 * Theory of operation. A search goes to the group and to the router at 0, 250 and 1000 ms (a
 * firewall on this host lets only the latter's answer in). A goal (map, check, unmap) is then a
 * walk of steps, each one HTTP exchange:
 *
 *     map:    DESCRIBE (once) -> ADDRESS -> ADD -> VERIFY
 *     check:  ADDRESS -> VERIFY -> (not there: ADD -> VERIFY)
 *     unmap:  DELETE
 *
 * ADD goes back to itself with another port when that one is taken, and without a lease when the
 * router wants none. VERIFY asks for what was made: some routers say yes to everything. Where they
 * cannot answer that, they are believed. ADDRESS goes back to itself with the second connection of
 * a router that has two (WANIP and WANPPP). */
#include "transport/igd.h"

#include "transport/http.h"
#include "transport/soap.h"
#include "transport/sockaddr.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEARCHES    3
#define PORT_TRIES  5
#define PORT_FIRST  16384
#define PORT_COUNT  32768
#define DESCRIPTION "ovpn"

enum step { STEP_NONE, STEP_DESCRIBE, STEP_ADDRESS, STEP_ADD, STEP_VERIFY, STEP_DELETE };

struct ov_igd {
    uv_loop_t *loop;
    uv_udp_t search, notify;
    uv_timer_t searching, later;
    unsigned open_handles;
    bool closing;
    struct ov_gateway gateway;
    uint16_t ssdp_port;
    struct ov_mapper_events events;

    unsigned searches;
    struct ov_ssdp_url description; /* port 0: none */
    uint32_t boot;                  /* of who gave it; 0: not known */
    struct ov_soap_service services[OV_SOAP_SERVICES];
    size_t nservices, service;

    struct ov_http *http;
    enum step step;
    bool checking, verifies;
    unsigned tries; /* of ports */
    uint16_t internal, port;
    uint32_t wanted, asked, granted, seed; /* lifetimes */
    struct ov_ip address;
    const char *why; /* of a failure that is told later */
    char buf[OV_SSDP_MAX + 1];
};

/* ---- the end of a goal ---- */

static void fail(struct ov_igd *i, bool gone, const char *why)
{
    enum step step = i->step;

    i->step = STEP_NONE;
    if (step == STEP_DELETE)
        i->events.unmapped(i->events.arg, OV_MAPPER_UPNP);
    else
        i->events.failed(i->events.arg, OV_MAPPER_UPNP, gone, why);
}

static void on_later(uv_timer_t *timer)
{
    struct ov_igd *i = timer->data;
    fail(i, false, i->why);
}

static void fail_later(struct ov_igd *i, const char *why)
{
    i->why = why;
    (void)uv_timer_start(&i->later, on_later, 0, 0);
}

static void succeed(struct ov_igd *i)
{
    struct ov_mapping m = {.external = {.ip = i->address, .port = i->port}, .lifetime = i->granted};

    i->step = STEP_NONE;
    i->events.mapped(i->events.arg, OV_MAPPER_UPNP, &m);
}

/* ---- steps ---- */

static void on_answer(void *arg, const struct ov_http_answer *answer, const char *why);

static void exchange(struct ov_igd *i, enum step step, const struct ov_ssdp_url *to,
                     const char *request, size_t len)
{
    i->step = step;
    if (len == 0 || ov_http_start(i->loop, &to->server, request, len, on_answer, i, &i->http) != 0)
        fail_later(i, "the router cannot be asked");
}

static void call(struct ov_igd *i, enum step step, const char *action,
                 const struct ov_soap_arg *args, size_t nargs)
{
    const struct ov_soap_service *s = &i->services[i->service];
    char request[OV_SOAP_REQUEST_MAX];

    exchange(i, step, &s->control, request, ov_soap_call(s, action, args, nargs, request));
}

static void step_describe(struct ov_igd *i)
{
    char request[OV_SOAP_REQUEST_MAX];

    exchange(i, STEP_DESCRIBE, &i->description, request, ov_soap_get(&i->description, request));
}

static void step_address(struct ov_igd *i)
{
    call(i, STEP_ADDRESS, "GetExternalIPAddress", NULL, 0);
}

static void step_add(struct ov_igd *i)
{
    char external[8], internal[8], lease[12], local[OV_IP_TEXT];
    const struct ov_soap_arg args[] = {
        {"NewRemoteHost", ""},
        {"NewExternalPort", external},
        {"NewProtocol", "UDP"},
        {"NewInternalPort", internal},
        {"NewInternalClient", ov_ip_format(&i->gateway.local.ip, local)},
        {"NewEnabled", "1"},
        {"NewPortMappingDescription", DESCRIPTION},
        {"NewLeaseDuration", lease},
    };

    snprintf(external, sizeof external, "%u", i->port);
    snprintf(internal, sizeof internal, "%u", i->internal);
    snprintf(lease, sizeof lease, "%u", i->asked);
    call(i, STEP_ADD, "AddPortMapping", args, sizeof args / sizeof args[0]);
}

static void step_entry(struct ov_igd *i, enum step step, const char *action)
{
    char external[8];
    const struct ov_soap_arg args[] = {
        {"NewRemoteHost", ""}, {"NewExternalPort", external}, {"NewProtocol", "UDP"}};

    snprintf(external, sizeof external, "%u", i->port);
    call(i, step, action, args, sizeof args / sizeof args[0]);
}

static void step_verify(struct ov_igd *i)
{
    step_entry(i, STEP_VERIFY, "GetSpecificPortMappingEntry");
}

/* ---- answers ---- */

static uint32_t error_code(const struct ov_http_answer *a)
{
    uint32_t code;
    return ov_soap_number(a->body, a->len, "errorCode", 999, &code) == OV_OK ? code : a->status;
}

static void on_description(struct ov_igd *i, const struct ov_http_answer *a)
{
    i->service = 0;
    i->nservices =
        a->status == 200 ? ov_soap_services(a->body, a->len, &i->description, i->services) : 0;
    if (i->nservices == 0)
        fail(i, true, "its description names no internet connection of its own");
    else
        step_address(i);
}

static void on_address(struct ov_igd *i, const struct ov_http_answer *a)
{
    char text[OV_SOAP_VALUE];
    struct ov_ip ip;

    if (a->status == 200 && ov_soap_value(a->body, a->len, "NewExternalIPAddress", text) == OV_OK &&
        ov_ip_parse(text, &ip) == OV_OK && ov_mapper_usable(&ip)) {
        i->address = ip;
        if (i->checking && i->verifies)
            step_verify(i);
        else if (i->checking)
            succeed(i);
        else
            step_add(i);
        return;
    }
    if (i->service + 1 < i->nservices) {
        i->service++;
        step_address(i);
        return;
    }
    i->service = 0;
    fail(i, true, "the router has no address outside");
}

/* Numbers that nobody needs to be unable to foresee (a linear congruential generator). */
static uint16_t next_port(struct ov_igd *i)
{
    i->seed = i->seed * 1664525 + 1013904223;
    return (uint16_t)(PORT_FIRST + (i->seed >> 16) % PORT_COUNT);
}

static void another_port(struct ov_igd *i)
{
    if (++i->tries == PORT_TRIES) {
        fail(i, true, "all ports tried are taken");
        return;
    }
    i->port = next_port(i);
    step_add(i);
}

static void on_added(struct ov_igd *i, const struct ov_http_answer *a)
{
    if (a->status == 200) {
        i->granted = i->asked;
        step_verify(i);
        return;
    }
    uint32_t code = error_code(a);
    if (code == OV_SOAP_CONFLICT || code == OV_SOAP_CONFLICT_OTHER) {
        another_port(i);
    } else if (i->asked != 0 && (code == OV_SOAP_ONLY_PERMANENT || code == OV_SOAP_INVALID_ARGS ||
                                 code == OV_SOAP_ACTION_FAILED)) {
        i->asked = 0;
        step_add(i);
    } else {
        fail(i, true, "the router refuses the mapping");
    }
}

/* Is the entry ours? One that is not told in full is believed to be. */
static bool is_ours(const struct ov_igd *i, const struct ov_http_answer *a)
{
    char text[OV_SOAP_VALUE];
    struct ov_ip ip;
    uint32_t port;

    if (ov_soap_value(a->body, a->len, "NewInternalClient", text) == OV_OK &&
        ov_ip_parse(text, &ip) == OV_OK && !ov_ip_equal(&ip, &i->gateway.local.ip))
        return false;
    return ov_soap_number(a->body, a->len, "NewInternalPort", UINT16_MAX, &port) != OV_OK ||
           port == i->internal;
}

static void on_verified(struct ov_igd *i, const struct ov_http_answer *a)
{
    bool made = !i->checking;
    uint32_t left;

    i->checking = false; /* what comes now is making it */
    if (a->status == 200 && is_ours(i, a)) {
        i->verifies = true;
        if (ov_soap_number(a->body, a->len, "NewLeaseDuration", UINT32_MAX, &left) == OV_OK &&
            (left < i->granted || i->granted == 0))
            i->granted = left;
        succeed(i);
    } else if (a->status == 200) {
        another_port(i); /* another's */
    } else if (made) {
        i->verifies = false;
        succeed(i);
    } else {
        i->tries = 0;
        i->asked = i->wanted;
        step_add(i);
    }
}

static void on_answer(void *arg, const struct ov_http_answer *a, const char *why)
{
    struct ov_igd *i = arg;

    i->http = NULL;
    if (!a) {
        fail(i, false, why);
        return;
    }
    switch (i->step) {
    case STEP_DESCRIBE:
        on_description(i, a);
        break;
    case STEP_ADDRESS:
        on_address(i, a);
        break;
    case STEP_ADD:
        on_added(i, a);
        break;
    case STEP_VERIFY:
        on_verified(i, a);
        break;
    case STEP_DELETE:
    case STEP_NONE:
        fail(i, true, "");
        break;
    }
}

/* ---- the search ---- */

static const struct ov_ip GROUP = {4, {239, 255, 255, 250}};

static void search_at(struct ov_igd *i, const struct ov_ip *to)
{
    char text[OV_SSDP_SEARCH_MAX], ip[OV_IP_TEXT];
    union ov_sockaddr in = ov_sockaddr_of(to, i->ssdp_port);

    for (unsigned version = 1; version <= 2; version++) {
        size_t n = ov_ssdp_search_encode(ov_ip_format(to, ip), version, text);
        uv_buf_t buf = uv_buf_init(text, (unsigned)n);
        (void)uv_udp_try_send(&i->search, &buf, 1, &in.any); /* lost ones: again */
    }
}

static void search_ends(struct ov_igd *i)
{
    (void)uv_timer_stop(&i->searching);
    i->nservices = 0; /* until now they were good for an unmap */
    if (i->description.server.port)
        i->events.found(i->events.arg, OV_MAPPER_UPNP);
    else
        i->events.absent(i->events.arg, OV_MAPPER_UPNP);
}

static void on_searching(uv_timer_t *timer)
{
    static const uint64_t GAPS[SEARCHES] = {250, 750, 1500};
    struct ov_igd *i = timer->data;

    if (i->searches == SEARCHES) {
        search_ends(i);
        return;
    }
    search_at(i, &GROUP);
    search_at(i, &i->gateway.ip);
    (void)uv_timer_start(&i->searching, on_searching, GAPS[i->searches++], 0);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct ov_igd *i = handle->data;

    (void)suggested;
    *buf = uv_buf_init(i->buf, sizeof i->buf);
}

/* A message of the router about itself? Of nobody else: whoever can forge his address on the LAN
 * would send us to any host of it, and a port that is open on another router is of no use. */
static bool decode(struct ov_igd *i, ssize_t n, const uv_buf_t *buf, const struct sockaddr *from,
                   unsigned flags, struct ov_ssdp *m)
{
    struct ov_endpoint ep;

    if (i->closing || n <= 0 || !from || from->sa_family != AF_INET || (flags & UV_UDP_PARTIAL))
        return false;
    (void)ov_sockaddr_to_endpoint(from, &ep);
    if (!ov_ip_equal(&ep.ip, &i->gateway.ip))
        return false;
    if (ov_ssdp_decode(buf->base, (size_t)n, m) != OV_OK || m->kind == OV_SSDP_OTHER)
        return false;
    return m->kind == OV_SSDP_BYEBYE || ov_ip_equal(&m->url.server.ip, &ep.ip);
}

static void on_search_answer(uv_udp_t *socket, ssize_t n, const uv_buf_t *buf,
                             const struct sockaddr *from, unsigned flags)
{
    struct ov_igd *i = socket->data;
    struct ov_ssdp m;

    if (!decode(i, n, buf, from, flags, &m) || m.kind != OV_SSDP_GATEWAY ||
        !uv_is_active((uv_handle_t *)&i->searching))
        return;
    i->description = m.url;
    i->boot = m.boot;
    search_ends(i);
}

static void on_notify(uv_udp_t *socket, ssize_t n, const uv_buf_t *buf, const struct sockaddr *from,
                      unsigned flags)
{
    struct ov_igd *i = socket->data;
    struct ov_ssdp m;

    if (!decode(i, n, buf, from, flags, &m) || m.kind == OV_SSDP_GATEWAY)
        return;
    /* A restart often shows in another URL. */
    const struct ov_endpoint *used = &i->description.server;
    bool other = m.kind == OV_SSDP_ALIVE && (m.boot != i->boot || m.url.server.port != used->port ||
                                             strcmp(m.url.path, i->description.path) != 0);
    i->events.news(i->events.arg, OV_MAPPER_UPNP, other || m.kind == OV_SSDP_BYEBYE);
}

/* ---- life ---- */

static void on_closed(uv_handle_t *handle)
{
    struct ov_igd *i = handle->data;

    if (--i->open_handles == 0)
        free(i);
}

/* Best effort: without it a restart is noticed at the next check. Bound to the group, so that
 * whoever serves this port on this host keeps what is sent to the host. */
static void listen_notifications(struct ov_igd *i)
{
    union ov_sockaddr in = ov_sockaddr_of(&GROUP, i->ssdp_port);
    char local[OV_IP_TEXT];

    (void)ov_ip_format(&i->gateway.local.ip, local);
    if (uv_udp_bind(&i->notify, &in.any, UV_UDP_REUSEADDR) == 0 &&
        uv_udp_set_membership(&i->notify, OV_SSDP_GROUP, local, UV_JOIN_GROUP) == 0)
        (void)uv_udp_recv_start(&i->notify, on_alloc, on_notify);
}

int ov_igd_open(uv_loop_t *loop, const struct ov_gateway *gateway, uint16_t port,
                const struct ov_mapper_events *events, struct ov_igd **out)
{
    struct ov_igd *i = calloc(1, sizeof *i);
    union ov_sockaddr local = ov_sockaddr_of(&gateway->local.ip, 0);
    char text[OV_IP_TEXT];

    if (!i)
        return OV_ENOMEM;
    i->loop = loop;
    i->gateway = *gateway;
    i->ssdp_port = port ? port : OV_SSDP_PORT;
    i->events = *events;
    (void)uv_udp_init(loop, &i->search); /* these cannot fail */
    (void)uv_udp_init(loop, &i->notify);
    (void)uv_timer_init(loop, &i->searching);
    (void)uv_timer_init(loop, &i->later);
    i->search.data = i->notify.data = i->searching.data = i->later.data = i;
    i->open_handles = 4;
    if (uv_udp_bind(&i->search, &local.any, 0) != 0 ||
        uv_udp_set_multicast_interface(&i->search, ov_ip_format(&gateway->local.ip, text)) != 0 ||
        uv_udp_set_multicast_ttl(&i->search, 2) != 0 ||
        uv_udp_recv_start(&i->search, on_alloc, on_search_answer) != 0) {
        ov_igd_close(i);
        return OV_EIO;
    }
    listen_notifications(i);
    *out = i;
    return OV_OK;
}

static void stop(struct ov_igd *i)
{
    ov_http_cancel(i->http);
    i->http = NULL;
    i->step = STEP_NONE;
    (void)uv_timer_stop(&i->later);
}

void ov_igd_probe(struct ov_igd *i)
{
    stop(i);
    i->searches = 0;
    i->description = (struct ov_ssdp_url){0};
    on_searching(&i->searching);
}

void ov_igd_map(struct ov_igd *i, uint16_t internal, uint16_t external, uint32_t lifetime,
                uint32_t seed)
{
    stop(i);
    i->internal = internal;
    i->seed = seed;
    i->port = external ? external : next_port(i);
    i->wanted = i->asked = lifetime;
    i->tries = 0;
    i->checking = false;
    if (i->nservices)
        step_address(i);
    else
        step_describe(i);
}

void ov_igd_check(struct ov_igd *i)
{
    stop(i);
    i->checking = true;
    if (i->nservices)
        step_address(i);
    else
        step_describe(i);
}

void ov_igd_unmap(struct ov_igd *i)
{
    stop(i);
    if (i->nservices) {
        step_entry(i, STEP_DELETE, "DeletePortMapping");
        return;
    }
    i->step = STEP_DELETE;
    fail_later(i, "");
}

void ov_igd_close(struct ov_igd *i)
{
    if (!i || i->closing)
        return;
    stop(i);
    i->closing = true;
    uv_close((uv_handle_t *)&i->search, on_closed);
    uv_close((uv_handle_t *)&i->notify, on_closed);
    uv_close((uv_handle_t *)&i->searching, on_closed);
    uv_close((uv_handle_t *)&i->later, on_closed);
}
