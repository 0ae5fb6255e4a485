/* The verdict for every situation, from facts and from reports, and how a report is printed. */
#include "cli/doctor_text.h"
#include "cli/facts.h"
#include "cli/host_check.h"
#include "cli/verdict.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <setjmp.h>
#include <cmocka.h>

/* What is so where all is well, and a peer is asked for. */
#define WELL   .roots = 1, .online = 1, .root = "vpn.example.org", .way = OV_WAY_UDP, .networks = 1
#define PEER   WELL, .peer = "10.1.2.3", .known = true, .ping = OV_ANSWERED
#define DIRECT PEER, .path = OV_PEER_WAY_DIRECT
#define RELAY  PEER, .path = OV_PEER_WAY_RELAY, .via = "vpn.example.org"
#define BLOCKED                                                                                    \
    .roots = 1, .online = 1, .root = "vpn.example.org", .networks = 1, .udp_blocked = true

static const struct row {
    const char *id;
    enum ov_outcome outcome;
    const char *says; /* in its words or advice */
    struct ov_facts f;
} ROWS[] = {
    {"no_daemon", OV_OUTCOME_BROKEN, "sudo ovpn service", {.daemon = OV_DAEMON_STOPPED}},
    {"no_daemon", OV_OUTCOME_BROKEN, "systemctl", {.daemon = OV_DAEMON_STOPPED, .has_unit = true}},
    {"bad_config",
     OV_OUTCOME_BROKEN,
     "conf:2",
     {.daemon = OV_DAEMON_STOPPED, .bad_config = true, .why = "conf:2: no"}},
    {"bad_state",
     OV_OUTCOME_BROKEN,
     "the disk is full",
     {.daemon = OV_DAEMON_STOPPED, .state_why = "the disk is full"}},
    {"no_daemon",
     OV_OUTCOME_BROKEN,
     "service -H x",
     {.daemon = OV_DAEMON_STOPPED, .start = "sudo ovpn service -H x"}},
    {"udp_blocked",
     OV_OUTCOME_WORKS,
     "by TCP",
     {.roots = 1,
      .online = 1,
      .root = "a.b",
      .way = OV_WAY_TCP,
      .peer = "x",
      .known = true,
      .ping = OV_ANSWERED,
      .path = OV_PEER_WAY_RELAY,
      .relay_why = "failed"}},
    {"no_tun", OV_OUTCOME_BROKEN, "modprobe tun", {.daemon = OV_DAEMON_STOPPED, .no_tun = true}},
    {"forbidden", OV_OUTCOME_BROKEN, "sudo", {.daemon = OV_DAEMON_FORBIDDEN}},
    {"daemon_silent", OV_OUTCOME_BROKEN, "journalctl", {.daemon = OV_DAEMON_SILENT}},
    {"no_root_known", OV_OUTCOME_BROKEN, "ovpn join", {0}},
    {"controller_alone", OV_OUTCOME_BROKEN, "[root]", {.is_controller = true}},
    {"offline", OV_OUTCOME_BROKEN, "Wi-Fi", {.offline = true}},
    {"offline", OV_OUTCOME_BROKEN, "Wi-Fi", {.roots = 1, .offline = true, .no_name = true}},
    {"no_dns", OV_OUTCOME_BROKEN, "a.b", {.roots = 1, .root = "a.b", .no_name = true}},
    {"wrong_root", OV_OUTCOME_BROKEN, "not trusted", {.roots = 1, .wrong_root = true}},
    {"tls_intercepted", OV_OUTCOME_BROKEN, "inspection", {.roots = 1, .intercepted = true}},
    {"host_firewall", OV_OUTCOME_BROKEN, "nft", {.roots = 1, .send_refused = true}},
    {"no_root", OV_OUTCOME_BROKEN, "a.b", {.roots = 1, .root = "a.b", .udp_blocked = true}},
    {"no_root", OV_OUTCOME_BROKEN, "no other", {.roots = 2, .peer = "x", .known = true}},
    {"refused",
     OV_OUTCOME_BROKEN,
     "cut off",
     {WELL, .trouble = OV_NET_REFUSED, .net_message = "cut off"}},
    {"refused",
     OV_OUTCOME_BROKEN,
     "ovpn leave dorm",
     {WELL, .trouble = OV_NET_REFUSED, .net = "dorm", .net_reason = "not_found"}},
    {"refused",
     OV_OUTCOME_BROKEN,
     "ovpn join INVITE",
     {WELL, .trouble = OV_NET_REFUSED, .net = "dorm", .net_reason = "used_invite"}},
    {"refused",
     OV_OUTCOME_BROKEN,
     "net set dorm pool",
     {WELL, .trouble = OV_NET_REFUSED, .net = "dorm", .net_reason = "pool_exhausted"}},
    {"wrong_root",
     OV_OUTCOME_BROKEN,
     "a new invite",
     {.roots = 1, .root = "vpn.example.org", .wrong_root = true}},
    {"no_device", OV_OUTCOME_BROKEN, "CAP_NET_ADMIN", {WELL, .trouble = OV_NET_NO_DEVICE}},
    {"subnet_taken",
     OV_OUTCOME_BROKEN,
     "ovpn net set dorm pool 192.168.99.0/24",
     {WELL, .trouble = OV_NET_TAKEN, .net = "dorm", .net_address = "10.0.1.1/24"}},
    {"subnet_taken",
     OV_OUTCOME_BROKEN,
     "ovpn net set dorm pool 10.99.0.0/24",
     {WELL, .trouble = OV_NET_TAKEN, .net = "dorm", .net_address = "192.168.0.5/24"}},
    {"address_refused",
     OV_OUTCOME_BROKEN,
     "routes = all",
     {WELL, .trouble = OV_NET_NO_ADDRESS, .net = "dorm", .net_message = "routes = all"}},
    {"partly_set_up",
     OV_OUTCOME_WORKS,
     "not all that it wants",
     {WELL, .trouble = OV_NET_PARTLY, .net = "dorm"}},
    {"waiting",
     OV_OUTCOME_BROKEN,
     "this node is 12",
     {WELL, .trouble = OV_NET_WAITING, .net = "dorm", .net_message = "12"}},
    {"no_controller",
     OV_OUTCOME_BROKEN,
     "first 10 digits",
     {WELL, .trouble = OV_NET_NO_CONTROLLER}},
    {"controller_away", OV_OUTCOME_WORKS, "owner", {WELL, .trouble = OV_NET_AWAY}},
    {"not_joined", OV_OUTCOME_WORKS, "ovpn join", {.roots = 1, .online = 1, .way = OV_WAY_UDP}},
    {"narrow_router", OV_OUTCOME_WORKS, "UPnP", {WELL, .narrow = true}},
    {"some_relayed", OV_OUTCOME_WORKS, "2 peers are", {WELL, .relayed = 2}},
    {"some_relayed", OV_OUTCOME_WORKS, "1 peer is", {WELL, .relayed = 1}},
    {"ok", OV_OUTCOME_GOOD, "well", {WELL}},
    {"not_stored", OV_OUTCOME_WORKS, "disk space", {WELL, .state_why = "no disk space"}},
    {"ok", OV_OUTCOME_GOOD, "well", {.is_root = true}},
    {"udp_blocked", OV_OUTCOME_WORKS, "by TCP", {BLOCKED, .way = OV_WAY_TCP}},
    {"udp_blocked",
     OV_OUTCOME_WORKS,
     "by TCP",
     {BLOCKED, .peer = "x", .known = true, .way = OV_WAY_TCP, .path = OV_PEER_WAY_RELAY,
      .ping = OV_ANSWERED}},
    {"only_443", OV_OUTCOME_WORKS, "hotspot", {BLOCKED, .way = OV_WAY_TLS}},
    {"only_proxy", OV_OUTCOME_WORKS, "p:8080", {BLOCKED, .way = OV_WAY_TLS, .proxy = "p:8080"}},
    {"identity_twice", OV_OUTCOME_BROKEN, "192.0.2.7:1", {WELL, .twin = "192.0.2.7:1"}},
    {"identity_twice", OV_OUTCOME_BROKEN, "id new", {.roots = 1, .twin = "a relay"}},
    {"peer_twice", OV_OUTCOME_BROKEN, "x and y", {DIRECT, .twice = "x and y"}},
    {"direct", OV_OUTCOME_GOOD, "10.1.2.3", {DIRECT}},
    {"direct", OV_OUTCOME_GOOD, "10.1.2.3", {DIRECT, .strategy = "plain", .udp_blocked = true}},
    {"direct_lan", OV_OUTCOME_GOOD, "local network", {DIRECT, .near = OV_SAME_LAN}},
    {"direct_cgn", OV_OUTCOME_GOOD, "same provider", {DIRECT, .near = OV_SAME_PROVIDER}},
    {"direct_predicted", OV_OUTCOME_GOOD, "foreseen", {DIRECT, .strategy = "predict"}},
    {"direct_predicted", OV_OUTCOME_GOOD, "foreseen", {DIRECT, .strategy = "predict-both"}},
    {"direct_birthday", OV_OUTCOME_GOOD, "random", {DIRECT, .strategy = "birthday"}},
    {"direct_birthday", OV_OUTCOME_GOOD, "random", {DIRECT, .strategy = "block"}},
    {"relayed_both_random", OV_OUTCOME_WORKS, "IPv6", {RELAY, .relay_why = "both_hard"}},
    {"relayed_random", OV_OUTCOME_WORKS, "UPnP", {RELAY, .relay_why = "hard_failed"}},
    {"relayed_random", OV_OUTCOME_WORKS, "hour", {RELAY, .relay_why = "limit"}},
    {"relayed_busy", OV_OUTCOME_WORKS, "next", {RELAY, .relay_why = "busy"}},
    {"relayed_narrow", OV_OUTCOME_WORKS, "few", {RELAY, .relay_why = "narrow"}},
    {"relayed_family", OV_OUTCOME_WORKS, "only IPv4", {RELAY, .relay_why = "family"}},
    {"relayed_firewall", OV_OUTCOME_WORKS, "firewall", {RELAY, .relay_why = "failed"}},
    {"relayed_no_answer", OV_OUTCOME_WORKS, "UPnP", {RELAY, .relay_why = "no_answer"}},
    {"relayed_trying", OV_OUTCOME_WORKS, "minute", {RELAY, .relay_why = "trying"}},
    {"relayed_idle", OV_OUTCOME_WORKS, "traffic", {RELAY, .relay_why = "idle"}},
    {"relayed_sockets", OV_OUTCOME_WORKS, "LimitNOFILE", {RELAY, .relay_why = "sockets"}},
    {"relayed",
     OV_OUTCOME_WORKS,
     "for no reason",
     {RELAY, .relay_why = "new", .relay_words = "for no reason"}},
    {"udp_blocked", OV_OUTCOME_WORKS, "relayed", {RELAY, .relay_why = "udp_blocked"}},
    {"udp_blocked_there", OV_OUTCOME_WORKS, "there", {RELAY, .relay_why = "failed", .deaf = true}},
    {"peer_unknown", OV_OUTCOME_BROKEN, "ovpn peers", {WELL, .peer = "x"}},
    {"peer_offline",
     OV_OUTCOME_BROKEN,
     "switched off",
     {WELL, .peer = "x", .known = true, .met = true, .ping = OV_NO_ANSWER}},
    {"peer_not_found",
     OV_OUTCOME_BROKEN,
     "compare",
     {WELL, .peer = "x", .known = true, .ping = OV_NO_ANSWER}},
    {"root_away", OV_OUTCOME_WORKS, "a.b", {WELL, .silent_root = "a.b"}},
    {"peer_idle", OV_OUTCOME_GOOD, "ovpn ping x", {WELL, .peer = "x", .known = true}},
    {"mtu_blackhole", OV_OUTCOME_BROKEN, "1280", {DIRECT, .full_ping = OV_NO_ANSWER}},
    /* what is wrong elsewhere does not hide what works */
    {"direct",
     OV_OUTCOME_GOOD,
     "10.1.2.3",
     {.roots = 1,
      .peer = "10.1.2.3",
      .known = true,
      .path = OV_PEER_WAY_DIRECT,
      .ping = OV_ANSWERED}},
    {"waiting", OV_OUTCOME_BROKEN, "owner", {WELL, .peer = "x", .trouble = OV_NET_WAITING}},
};

static void verdicts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        struct ov_verdict v;
        bool said;
        ov_verdict_find(&ROWS[i].f, &v);
        if (strcmp(v.id, ROWS[i].id) != 0)
            fail_msg("row %zu: %s, not %s", i, v.id, ROWS[i].id);
        assert_int_equal(v.outcome, ROWS[i].outcome);
        said = strstr(v.words, ROWS[i].says) != NULL;
        for (size_t k = 0; k < v.nadvice; k++)
            said |= strstr(v.advice[k], ROWS[i].says) != NULL;
        if (!said)
            fail_msg("row %zu does not say %s: %s", i, ROWS[i].says, v.words);
        if (v.outcome == OV_OUTCOME_BROKEN)
            assert_true(v.nadvice > 0);
    }
}

static void is_verdict(const char *report, const char *id)
{
    json_t *o = json_loads(report, 0, NULL);
    assert_non_null(o);
    ov_facts_judge(o);
    assert_string_equal(json_string_value(json_object_get(o, "verdict")), id);
    json_decref(o);
}

#define ONLINE                                                                                     \
    "'status':{'roots':[{'host':'h','address':'1234567890','online':true,'seen_as':'20.0.0.5:7'}]"
#define READY "'networks':[{'netid':'n','state':'ready','controller':{'online':true}}]"

/* The same with ' for ". */
static void judged(const char *text, const char *id)
{
    char *copy = strdup(text);
    assert_non_null(copy);
    for (char *p = copy; *p; p++)
        *p = *p == '\'' ? '"' : *p;
    is_verdict(copy, id);
    free(copy);
}

static void reports(void **state)
{
    (void)state;
    judged("{}", "no_root_known");
    judged("{'host':{'daemon':'stopped','tun':false}}", "no_tun");
    judged("{" ONLINE "}," READY "}", "ok");
    judged("{" ONLINE ",'nat':{'narrow':true}}," READY "}", "narrow_router");
    judged("{'status':{'uptime_s':11,'roots':[{'host':'h','online':true},{'host':'i'}]}," READY "}",
           "root_away");
    judged("{'status':{'uptime_s':2,'roots':[{'host':'h','online':true},{'host':'i'}]}," READY "}",
           "ok");
    judged("{'servers':[{'host':'h','state':'failed'}]}", "no_dns");
    judged("{'servers':[{'host':'h','state':'resolving'}]}", "no_root");
    judged("{'status':{'roots':[{'host':'h','online':false}]},"
           "'servers':[{'host':'h','state':'failed'}]}",
           "wrong_root");
    judged("{'status':{'roots':[{'host':'h','online':false,'intercepted':true}]}}",
           "tls_intercepted");
    judged("{'host':{'send_denied':true},'status':{'roots':[{'host':'h'}]}}", "host_firewall");
    judged("{'status':{'nat':{'udp':false},'roots':[{'host':'h','online':true,"
           "'link':{'kind':'tls','proxy':null}}]}," READY "}",
           "only_443");
    judged("{'status':{'nat':{'udp':false},'roots':[{'host':'h:4000','online':true,"
           "'link':{'kind':'tls','proxy':null}}]}," READY "}",
           "odd_port");
    judged("{'status':{'nat':{'udp':false},'roots':[{'host':'h:4000','online':true,"
           "'link':{'kind':'tls','proxy':null}},{'host':'[fd00::1]','online':false}]}," READY "}",
           "only_443");
    judged("{'status':{'roots':[{'host':'h','online':true,'link':{'kind':'tls','proxy':'p:1'}}]}"
           "," READY "}",
           "only_proxy");
    judged("{" ONLINE "},'networks':[{'netid':'n','state':'connecting'}]}", "no_controller");
    judged("{" ONLINE "},'networks':[{'state':'asking','reason':'denied'}]}", "refused");
    judged("{" ONLINE "},'networks':[{'state':'asking','reason':'unavailable'}]}", "no_controller");
    judged("{" ONLINE "},'networks':[{'state':'ready','device_problem':'x'}]}", "no_device");
    judged("{" ONLINE "},'networks':[{'state':'ready','device':'d','device_problem':'x',"
           "'left_out':[{'address':'10.0.1.1/24','reason':'taken'}]}]}",
           "subnet_taken");
    judged("{" ONLINE "},'networks':[{'state':'ready','device':'d','device_problem':'x',"
           "'left_out':[{'address':'8.8.8.1/24','reason':'refused'}]}]}",
           "address_refused");
    judged("{" ONLINE "},'networks':[{'state':'ready','device':'d','device_problem':'x',"
           "'left_out':[]}]}",
           "partly_set_up");
    judged("{" ONLINE "},'networks':[{'state':'ready','device':'d','device_problem':'x',"
           "'addresses':['10.0.1.1/24'],'left_out':[{'address':'fd00::1/64','reason':'failed'}]}]}",
           "partly_set_up");
    judged("{" ONLINE "},'networks':[{'state':'ready','device':'d','device_problem':'x',"
           "'addresses':[],'left_out':[{'address':'fd00::1/64','reason':'failed'}]}]}",
           "address_refused");
    judged("{" ONLINE "}," READY ",'relayed':[{}]}", "some_relayed");
}

#define ASKED "'asked':'p','ping':{'state':'answered'},'peer':{'address':'0123456789',"

static void reports_of_peers(void **state)
{
    (void)state;
    judged("{" ONLINE "}," READY ",'asked':'p'}", "peer_unknown");
    judged("{" ONLINE "}," READY ",'asked':'p','ping':{'state':'timeout'}}", "peer_not_found");
    judged("{" ONLINE "}," READY
           ",'asked':'p','ping':{'state':'timeout'},'peer':{'address':'0123456789'}}",
           "peer_offline");
    judged("{" ONLINE "}," READY
           ",'asked':'p','ping':{'state':'timeout'},'self':false,'member':true}",
           "peer_offline");
    judged("{" ONLINE "}," READY ",'asked':'p','self':true}", "peer_self");
    judged("{" ONLINE "}," READY ",'asked':'p','self':false}", "peer_unknown");
    judged("{" ONLINE "}," READY "," ASKED "'path':'direct','remote':'20.0.0.6:7'}}", "direct");
    judged("{" ONLINE "}," READY "," ASKED "'path':'direct','remote':'20.0.0.5:8'}}", "direct_cgn");
    judged("{" ONLINE "}," READY "," ASKED "'path':'direct','remote':'100.64.9.9:8'}}",
           "direct_cgn");
    judged("{" ONLINE "}," READY "," ASKED "'path':'direct','remote':'10.0.0.9:8'}}", "direct_lan");
    judged("{" ONLINE "}," READY "," ASKED "'path':'direct','remote':'20.0.0.6:7','punch':"
           "{'result':'hit','strategy':'birthday'}}}",
           "direct_birthday");
    judged("{" ONLINE "}," READY "," ASKED "'path':'direct','remote':'20.0.0.6:7','punch':"
           "{'result':'running','strategy':'predict'}}}",
           "direct_predicted");
    judged("{" ONLINE "}," READY "," ASKED "'path':'direct','remote':'20.0.0.6:7','punch':"
           "{'result':'missed','strategy':'birthday'}}}",
           "direct");
    judged("{" ONLINE "}," READY "," ASKED "'path':'relay','via':'1234567890','why':"
           "{'code':'both_hard'}}}",
           "relayed_both_random");
    judged("{" ONLINE "}," READY "," ASKED "'path':'relay','why':{'code':'failed'},'punch':"
           "{'rounds':2,'strategy':'plain','mapping':'unknown','filtering':'unknown'}}}",
           "udp_blocked_there");
    judged("{" ONLINE "}," READY ",'full_ping':{'state':'timeout'}," ASKED "'path':'relay'}}",
           "mtu_blackhole");
}

static void has_line(const char *text, const char *line)
{
    if (strstr(text, line) == NULL)
        fail_msg("no \"%s\" in:\n%s", line, text);
}

static void printed(void **state)
{
    json_t *o = json_pack(
        "{s:{s:s,s:b},s:{s:s,s:f,s:s,s:[{s:s,s:b,s:b,s:f}],s:{s:s,s:s,s:s},s:{s:s,s:s}},"
        "s:[{s:s,s:s,s:[s],s:s,s:i}],s:s,s:{s:s,s:f},s:{s:s,s:s,s:s,s:i}}",
        "host", "daemon", "running", "route", 1, "status", "address", "8056c2e21c", "uptime_s",
        61.0, "version", "1", "roots", "host", "h\33[2J.org", "online", 1, "relay", 1, "rtt_ms",
        12.3, "nat", "mapping", "address-and-port-dependent", "filtering", "unknown", "ports",
        "random", "port_mapping", "state", "none", "problem", "no router answered", "networks",
        "name", "dorm", "state", "ready", "addresses", "10.1.1.1/24", "device", "ovpn0", "mtu",
        1400, "asked", "bob", "ping", "state", "answered", "rtt_ms", 3.0, "peer", "address",
        "0123456789", "path", "relay", "via", "1234567890", "mtu", 1424);
    char *text = NULL;
    size_t size;
    (void)state;
    assert_non_null(o);
    ov_facts_judge(o);
    for (int utf8 = 0; utf8 < 2; utf8++) {
        FILE *f = open_memstream(&text, &size);
        assert_non_null(f);
        ov_doctor_print(o, utf8, 1e9, f);
        assert_int_equal(fclose(f), 0);
        has_line(text, utf8 ? "  \u2713 dorm             10.1.1.1/24 on ovpn0, MTU 1400\n"
                            : "  + dorm             10.1.1.1/24 on ovpn0, MTU 1400\n");
        has_line(text, "runs for 1m 1s: node 8056c2e21c");
        has_line(text, "h?[2J.org");
        has_line(text, "another random port for each destination");
        has_line(text, "port             none: no router answered\n");
        has_line(text, "The peer bob\n");
        has_line(text, "MTU              1424 bytes a packet proven\n");
        has_line(text, "\nbob (0123456789) is reached, but through 1234567890");
        has_line(text, "What to do:\n  - ");
        assert_null(strchr(text, '\33'));
        for (char *p = text, *end; (end = strchr(p, '\n')) != NULL; p = end + 1)
            assert_in_range((uintmax_t)(end - p), 0, 90);
        free(text);
    }
    json_decref(o);
}

static bool routed(const char *v4, const char *v6)
{
    char name[2][32] = {"/tmp/ovpn-routeXXXXXX", "/tmp/ovpn-routeXXXXXX"};
    const char *text[2] = {v4, v6};
    bool found;
    for (int i = 0; i < 2; i++) {
        int fd = mkstemp(name[i]);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, text[i], strlen(text[i])), (ssize_t)strlen(text[i]));
        close(fd);
    }
    found = ov_host_has_route(name[0], name[1]);
    unlink(name[0]);
    unlink(name[1]);
    return found;
}

static void routes(void **state)
{
    static const char HEAD[] = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n";
    char v4[256], v6[256];
    (void)state;
    assert_false(routed("", ""));
    assert_false(ov_host_has_route("/nowhere/4", "/nowhere/6"));
    snprintf(v4, sizeof v4, "%seth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n", HEAD);
    assert_false(routed(v4, ""));
    snprintf(v4, sizeof v4, "%seth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n", HEAD);
    assert_true(routed(v4, ""));
    for (int eth = 0; eth < 2; eth++) {
        snprintf(v6, sizeof v6, "%032d 00 %032d 00 %032d 00000400 00000001 00000000 00200003 %8s\n",
                 0, 0, 0, eth ? "eth0" : "lo");
        assert_int_equal(routed("", v6), eth);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts), cmocka_unit_test(reports), cmocka_unit_test(reports_of_peers),
        cmocka_unit_test(printed),  cmocka_unit_test(routes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
