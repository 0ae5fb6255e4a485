/* The controller's part of a daemon, without the daemon around it, and with a name server of this
 * file's own. */
#include "cli/daemon.h"
#include "cli/owner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define ADDRESSES (OV_ROOT_ENDPOINTS_MAX + 2)

static unsigned asked, answered;

/* In place of the C library's: so many addresses, beginning with another one each time. */
int getaddrinfo(const char *restrict node, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict res)
{
    static struct addrinfo v[ADDRESSES];
    static struct sockaddr_in sin[ADDRESSES];
    (void)node, (void)service, (void)hints;
    for (unsigned i = 0; i < ADDRESSES; i++) {
        sin[i] = (struct sockaddr_in){.sin_family = AF_INET};
        sin[i].sin_addr.s_addr = htonl(0xcb007101 + (asked + i) % ADDRESSES); /* 203.0.113.1 .. */
        v[i] = (struct addrinfo){.ai_family = AF_INET,
                                 .ai_addr = (struct sockaddr *)&sin[i],
                                 .ai_addrlen = sizeof(sin[i]),
                                 .ai_next = i + 1 < ADDRESSES ? &v[i + 1] : NULL};
    }
    asked++;
    *res = v;
    return 0;
}

void freeaddrinfo(struct addrinfo *res)
{
    answered += res != NULL;
}

static void fill(void *arg, void *buf, size_t len)
{
    static uint8_t x;
    (void)arg;
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)buf)[i] = (uint8_t)(x += 37);
}

static void wait_for_answers(struct ov_daemon *d, unsigned n)
{
    while (answered < n)
        uv_run(&d->loop, UV_RUN_ONCE);
    (void)ov_owner_run(d->owner);
}

/* A new revision of every network is signed, pushed to all members and written by each: not every
 * five minutes, only because the name of the server has several addresses. */
static void turning_addresses_are_no_news(void **state)
{
    static const struct ov_pow pow = {8, 0};
    static struct ov_settings settings;
    static struct ov_daemon d;
    struct ov_identity_secret id;
    struct ov_net_record before, after;
    struct ov_node_config cfg = {.identity = &id,
                                 .caps = OV_CAP_ROOT | OV_CAP_CONTROLLER,
                                 .pow = pow,
                                 .random = {.fill = fill}};
    const uint8_t seed[32] = {7};
    char why[OV_WHY_MAX] = "";
    (void)state;

    assert_int_equal(ov_crypto_init(), OV_OK);
    assert_int_equal(ov_identity_make(seed, &pow, NULL, NULL, &id), OV_OK);
    ov_config_defaults(&settings);
    settings.root = settings.controller = true;
    settings.npublic = 1;
    settings.public[0] = (struct ov_host){"vpn.example.org", OV_DEFAULT_PORT};
    snprintf(settings.database, sizeof(settings.database), ":memory:");
    d.settings = &settings;
    assert_int_equal(uv_loop_init(&d.loop), 0);
    assert_int_equal(ov_node_new(&cfg, ov_daemon_now(&d), ov_daemon_wall(), &d.node), OV_OK);
    assert_int_equal(ov_owner_open(&d, &id, &d.owner, why), OV_OK);
    wait_for_answers(&d, 1);
    assert_int_equal(ov_controller_net_create(ov_owner_controller(d.owner), "dorm", &before,
                                              ov_daemon_wall(), why),
                     OV_OK);
    assert_int_equal(before.nroots, 1);
    assert_int_equal(before.roots[0].nendpoints, OV_ROOT_ENDPOINTS_MAX);
    assert_int_equal(before.roots[0].endpoints[0].ip.b[3], 1);
    wait_for_answers(&d, 2); /* by its timer, a second after the first */
    assert_int_equal(ov_controller_net_find(ov_owner_controller(d.owner), "dorm", &after, why),
                     OV_OK);
    assert_int_equal(after.revision, before.revision);

    ov_owner_close(d.owner);
    ov_node_free(d.node);
    ov_identity_wipe(&id);
    uv_run(&d.loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&d.loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turning_addresses_are_no_news),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
