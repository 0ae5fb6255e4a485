/* The local API over a real daemon: one child process with a controller in a network namespace of
 * its own, spoken to by libcurl and by bare sockets. */
#include "cli/api.h"
#include "cli/api_guests.h"
#include "cli/daemon.h"

#include "edge.h"
#include "tempdir.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <grp.h>
#include <jansson.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/un.h>
#include <sys/wait.h>

#define PATIENCE_MS 60000 /* a loaded machine with sanitizers makes an identity slowly */
#define NETID       "8056c2e21c000001"

static char dir[TEMPDIR_MAX], sock[TEMPDIR_MAX + 16];
static int notify_fd;
static gid_t group; /* whose members may look */
static pid_t child;

/* ---- the daemon ---- */

static void run_daemon(void)
{
    char why[OV_WHY_MAX];
    bool busy;
    static struct ov_settings s;
    ov_config_defaults(&s);
    snprintf(s.state_dir, sizeof(s.state_dir), "%s/state", dir);
    s.controller = true;
    s.log_level = OV_LOG_ERROR;
    s.npublic = 1;
    s.public[0] = (struct ov_host){"self.invalid", OV_DEFAULT_PORT};
    int err = ov_daemon_run(&s, NULL, &busy, why);
    if (err != OV_OK)
        fprintf(stderr, "daemon: %s\n", why);
    if (busy)
        _exit(err == OV_OK ? 0 : 1);
    exit(err == OV_OK ? 0 : 1);
}

static bool notified(const char *what)
{
    char text[64];
    struct pollfd p = {.fd = notify_fd, .events = POLLIN};
    if (poll(&p, 1, PATIENCE_MS) != 1)
        return false;
    ssize_t n = recv(notify_fd, text, sizeof(text) - 1, 0);
    if (n < 0)
        return false;
    text[n] = '\0';
    return strcmp(text, what) == 0;
}

static bool start_daemon(void)
{
    fflush(NULL);
    child = fork();
    if (child == 0)
        run_daemon();
    return child > 0 && notified("READY=1");
}

static bool stop_daemon(void)
{
    int status = -1;
    kill(child, SIGTERM);
    bool told = notified("STOPPING=1");
    waitpid(child, &status, 0);
    return told && access(sock, F_OK) != 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* There is a group of the daemon's here, as on an installed system. 0: there can be none. */
static gid_t make_group(void)
{
    const struct group *g = getgrnam("ovpn");
    if (g != NULL)
        return g->gr_gid;
    return geteuid() == 0 && unshare(CLONE_NEWNS) == 0 &&
                   mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
                   edge_sh("cp /etc/group %s/group && echo ovpn:x:65533: >> %s/group && "
                           "mount --bind %s/group /etc/group",
                           dir, dir, dir)
               ? 65533
               : 0;
}

static int start(void **state)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    (void)state;
    tempdir_make(dir);
    group = make_group();
    snprintf(sock, sizeof(sock), "%s/state/ovpn.sock", dir);
    snprintf(sa.sun_path, sizeof(sa.sun_path), "%.90s/notify", dir);
    notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(notify_fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    setenv("NOTIFY_SOCKET", sa.sun_path, 1);
    return start_daemon() ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    bool good = stop_daemon();
    close(notify_fd);
    tempdir_remove(dir);
    return good ? 0 : -1;
}

/* ---- a client ---- */

struct text {
    char *p;
    size_t len;
};

static size_t take(char *data, size_t size, size_t n, void *arg)
{
    struct text *t = arg;
    t->p = realloc(t->p, t->len + size * n + 1);
    memcpy(t->p + t->len, data, size * n);
    t->len += size * n;
    t->p[t->len] = '\0';
    return size * n;
}

/* Returns the status and, when it is JSON, the answer in *out. */
static long ask(const char *method, const char *path, const char *body, bool chunked, json_t **out)
{
    char url[256], error[CURL_ERROR_SIZE] = "";
    struct text t = {0};
    long status = 0;
    CURL *c = curl_easy_init();
    struct curl_slist *h = chunked ? curl_slist_append(NULL, "Transfer-Encoding: chunked") : NULL;
    h = curl_slist_append(h, "Expect:");
    snprintf(url, sizeof(url), "http://x%s", path);
    curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, sock);
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, h);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, &t);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)PATIENCE_MS);
    curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
    if (body != NULL)
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
    CURLcode rc = curl_easy_perform(c);
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    if (status == 0)
        fprintf(stderr, "%s %s: %d %s\n", method, path, (int)rc, error);
    json_t *answer = t.p != NULL ? json_loads(t.p, 0, NULL) : NULL;
    if (out != NULL)
        *out = answer;
    else
        json_decref(answer);
    free(t.p);
    curl_slist_free_all(h);
    curl_easy_cleanup(c);
    return status;
}

static const char *text_of(const json_t *o, const char *key)
{
    const char *t = json_string_value(json_object_get(o, key));
    return t != NULL ? t : "";
}

/* An error with this status, this code and this word in its message. */
static void refused(const char *method, const char *path, const char *body, long status,
                    const char *code, const char *word)
{
    json_t *o = NULL;
    assert_int_equal(ask(method, path, body, false, &o), status);
    const json_t *e = json_object_get(o, "error");
    assert_string_equal(text_of(e, "code"), code);
    if (strstr(text_of(e, "message"), word) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", word, text_of(e, "message"));
    json_decref(o);
}

/* ---- other users ---- */

/* Do it as another user whom nothing but the API keeps out. The process, or 0: there is no other
 * user. */
static pid_t as_nobody(gid_t gid, int (*fn)(const int *fds), const int *fds)
{
    char path[TEMPDIR_MAX + 8], byte = 0;
    int told[2];
    if (geteuid() != 0 || gid == 0)
        return 0;
    snprintf(path, sizeof(path), "%s/state", dir);
    assert_int_equal(chmod(dir, 0755) + chmod(path, 0755) + chmod(sock, 0666) + pipe(told), 0);
    pid_t pid = fork();
    if (pid == 0) {
        byte = setgroups(0, NULL) == 0 && setgid(gid) == 0 && setuid(65534) == 0;
        (void)!write(told[1], &byte, 1);
        close(told[0]);
        close(told[1]);
        _exit(byte ? fn(fds) : 0);
    }
    close(told[1]);
    assert_int_equal(read(told[0], &byte, 1), 1);
    close(told[0]);
    if (byte)
        return pid;
    waitpid(pid, NULL, 0);
    return 0;
}

static void no_other_user(const char *what)
{
    fprintf(stderr, "SKIPPED: %s: there is no second user here\n", what);
    skip();
}

static int outcome(pid_t pid)
{
    int st = -1;
    assert_int_equal(waitpid(pid, &st, 0), pid);
    assert_true(WIFEXITED(st));
    return WEXITSTATUS(st);
}

/* ---- tests ---- */

static void status(void **state)
{
    json_t *o;
    (void)state;
    assert_int_equal(ask("GET", "/v1/status", NULL, false, &o), 200);
    assert_int_equal(strlen(text_of(o, "address")), 10);
    assert_int_equal(strlen(text_of(o, "identity")), OV_IDENTITY_TEXT - 1);
    assert_true(json_integer_value(json_object_get(o, "udp_port")) >= 1024);
    assert_string_equal(json_string_value(json_array_get(json_object_get(o, "roles"), 0)),
                        "controller");
    assert_true(json_array_size(json_object_get(o, "sockets")) >= 1);
    assert_int_equal(json_array_size(json_object_get(o, "roots")), 0);
    assert_true(json_is_object(json_object_get(o, "traffic")));
    assert_true(json_is_object(json_object_get(o, "drops")));
    assert_true(json_real_value(json_object_get(o, "uptime_s")) >= 0);
    json_decref(o);
    assert_int_equal(ask("GET", "/v1/peers", NULL, false, &o), 200);
    assert_int_equal(json_array_size(json_object_get(o, "peers")), 0);
    json_decref(o);
}

static void bad_requests(void **state)
{
    (void)state;
    refused("GET", "/", NULL, 404, "not_found", "nothing at /");
    refused("GET", "/v1/nothing", NULL, 404, "not_found", "/v1/nothing");
    refused("GET", "/v1/a/b/c/d/e/f/g/h", NULL, 404, "not_found", "nothing at");
    refused("PUT", "/v1/status", "{}", 405, "method_not_allowed", "PUT");
    refused("DELETE", "/v1/networks", NULL, 405, "method_not_allowed", "DELETE");
    refused("POST", "/v1/networks", "{", 400, "bad_request", "no JSON");
    refused("POST", "/v1/networks", "{\"netid\":\"\\u0000\"}", 400, "bad_request", "no JSON");
    refused("POST", "/v1/networks", "[1]", 400, "bad_request", "object");
    refused("POST", "/v1/networks", "{\"a\":1,\"a\":2}", 400, "bad_request", "duplicate");
    refused("POST", "/v1/networks", "{\"netid\":\"" NETID "\",\"x\":1}", 400, "bad_request",
            "unknown key \"x\"");
    refused("POST", "/v1/networks", "{\"netid\":5}", 400, "bad_request", "must be text");
    refused("GET", "/v1/status", "{}", 400, "bad_request", "no body");
    refused("GET", "/v1/networks/xyz", NULL, 400, "bad_request", "no network id");
    refused("GET", "/v1/networks/" NETID, NULL, 404, "not_found", "not joined");
    refused("GET", "/v1/peers/" NETID, NULL, 400, "bad_request", "no address");
    refused("GET", "/v1/peers/8056c2e21c", NULL, 404, "not_found", "8056c2e21c");
    refused("GET", "/v1/pings/1x", NULL, 404, "not_found", "ping");
}

static void oversize_bodies(void **state)
{
    (void)state;
    char *body = malloc(OV_API_BODY_MAX + 2);
    assert_non_null(body);
    memset(body, ' ', OV_API_BODY_MAX + 1);
    body[0] = '{';
    body[1] = '}';
    body[OV_API_BODY_MAX + 1] = '\0';
    assert_int_equal(ask("POST", "/v1/pings", body, false, NULL), 413);
    assert_int_equal(ask("POST", "/v1/pings", body, true, NULL), 413); /* no length said before */
    body[OV_API_BODY_MAX] = '\0';
    assert_int_equal(ask("POST", "/v1/pings", body, false, NULL),
                     400); /* read, and found wanting */
    assert_int_equal(ask("POST", "/v1/pings", body, true, NULL), 400);
    free(body);
}

static void join_and_leave(void **state)
{
    json_t *o;
    char text[256];
    (void)state;
    refused("POST", "/v1/networks", "{\"netid\":\"12\"}", 400, "bad_request", "no network id");
    refused("POST", "/v1/networks", "{\"netid\":\"" NETID "\"}", 400, "bad_request",
            "no server is known");
    refused("POST", "/v1/networks", "{\"netid\":\"" NETID "\",\"hosts\":[\"a b\"]}", 400,
            "bad_request", "no server");
    refused("POST", "/v1/networks", "{\"netid\":\"" NETID "\",\"hosts\":[7]}", 400, "bad_request",
            "no server");
    refused("POST", "/v1/networks", "{\"invite\":\"ovpn1abcd\"}", 400, "bad_request",
            "no valid invite");
    assert_int_equal(ask("POST", "/v1/networks",
                         "{\"netid\":\"" NETID "\",\"hosts\":[\"127.0.0.1:9\"]}", false, &o),
                     201);
    assert_string_equal(text_of(o, "netid"), NETID);
    assert_string_equal(text_of(o, "state"), "connecting");
    const json_t *h = json_array_get(json_object_get(o, "hosts"), 0);
    assert_string_equal(text_of(h, "host"), "127.0.0.1:9");
    assert_string_equal(text_of(h, "state"), "asking");
    assert_string_equal(text_of(json_object_get(o, "controller"), "address"), "8056c2e21c");
    json_decref(o);
    assert_int_equal(ask("POST", "/v1/networks",
                         "{\"netid\":\"" NETID "\",\"hosts\":[\"127.0.0.1:10\"]}", false, &o),
                     200);
    assert_int_equal(json_array_size(json_object_get(o, "hosts")), 2);
    json_decref(o);
    assert_int_equal(ask("GET", "/v1/networks", NULL, false, &o), 200);
    assert_int_equal(json_array_size(json_object_get(o, "networks")), 1);
    json_decref(o);
    assert_true(tempdir_read(dir, "state/hosts/" NETID, text, sizeof(text)) > 0);
    assert_non_null(strstr(text, "127.0.0.1:9\n127.0.0.1:10\n"));
    assert_int_equal(ask("DELETE", "/v1/networks/" NETID, NULL, false, NULL), 204);
    refused("DELETE", "/v1/networks/" NETID, NULL, 404, "not_found", "not joined");
    assert_int_equal(tempdir_read(dir, "state/hosts/" NETID, text, sizeof(text)), -1);
    assert_int_equal(ask("GET", "/v1/status", NULL, false, &o), 200);
    assert_int_equal(json_array_size(json_object_get(o, "roots")), 0);
    json_decref(o);
}

/* Ask for the network until it has the state; the last answer, or fails. */
static json_t *wait_state(const char *path, const char *want)
{
    struct timespec t0, t;
    json_t *o;
    clock_gettime(CLOCK_MONOTONIC, &t0);
    do {
        assert_int_equal(ask("GET", path, NULL, false, &o), 200);
        if (strcmp(text_of(o, "state"), want) == 0)
            return o;
        json_decref(o);
        clock_gettime(CLOCK_MONOTONIC, &t);
    } while (t.tv_sec - t0.tv_sec < PATIENCE_MS / 1000);
    fail_msg("%s did not become %s", path, want);
    return NULL;
}

/* Once a network is ready it has its device, and says so when somebody deletes it. */
static void device_of(const char *path)
{
    json_t *o;
    char device[OV_TAP_NAME_MAX];
    if (access("/dev/net/tun", R_OK | W_OK) != 0) {
        fprintf(stderr, "SKIPPED: the device of a network, for want of /dev/net/tun\n");
        return;
    }
    assert_int_equal(ask("GET", path, NULL, false, &o), 200);
    snprintf(device, sizeof(device), "%s", text_of(o, "device"));
    assert_true(json_is_null(json_object_get(o, "device_problem")));
    json_decref(o);
    assert_memory_equal(device, "ovpn", 4);
    assert_int_not_equal(if_nametoindex(device), 0);
    assert_true(edge_sh("ip -4 addr show dev %s | grep -q 'inet 10\\.147\\.'", device));
    assert_true(edge_sh("ip link show dev %s | grep -q 'mtu 1500'", device));
    assert_true(edge_sh("ip link del %s", device));
    bool told = false;
    for (int i = 0; i < 100000 && !told; i++) {
        assert_int_equal(ask("GET", path, NULL, false, &o), 200);
        told = strstr(text_of(o, "device_problem"), "somebody deleted") != NULL;
        assert_true(!told || json_is_null(json_object_get(o, "device")));
        json_decref(o);
    }
    assert_true(told);
}

/* Is it this node, and a member of a network of its own, by this name and in capitals? */
static void doctor_knows(const char *name, bool self, bool member)
{
    char path[128], capitals[64];
    size_t len = strlen(name);
    json_t *o;
    assert_in_range(len, 1, sizeof(capitals) - 1);
    for (size_t i = 0; i <= len; i++)
        capitals[i] = (char)toupper((unsigned char)name[i]);
    for (int i = 0; i < (strspn(name, "0123456789abcdef:.") == len ? 2 : 1); i++) {
        snprintf(path, sizeof(path), "/v1/doctor/%s", i == 0 ? name : capitals);
        assert_int_equal(ask("GET", path, NULL, false, &o), 200);
        if (json_is_true(json_object_get(o, "self")) != self ||
            json_is_true(json_object_get(o, "member")) != member)
            fail_msg("doctor, of %s: %s", path, json_dumps(o, 0));
        json_decref(o);
    }
}

/* A name of the member that this node is tells who may not list members nothing. */
static int names_tell_nothing(const int *fds)
{
    json_t *o;
    (void)fds;
    if (ask("GET", "/v1/doctor/server", NULL, false, &o) != 200)
        return 1;
    return json_is_false(json_object_get(o, "self")) &&
                   json_is_false(json_object_get(o, "member")) &&
                   json_is_null(json_object_get(o, "peer"))
               ? 0
               : 2;
}

static void members_are_the_owners(void)
{
    pid_t pid = as_nobody(group, names_tell_nothing, NULL);
    if (pid == 0)
        fprintf(stderr, "SKIPPED: what the group learns of members: no second user here\n");
    else
        assert_int_equal(outcome(pid), 0);
}

#define NETS "/v1/controller/networks"

static void own_network(void **state)
{
    json_t *o;
    char netid[OV_NETID_TEXT], path[128], body[128], self[OV_ADDR_TEXT];
    (void)state;
    assert_int_equal(ask("GET", "/v1/status", NULL, false, &o), 200);
    snprintf(self, sizeof(self), "%s", text_of(o, "address"));
    json_decref(o);

    refused("GET", NETS "/dorm", NULL, 404, "not_found", "dorm");
    refused("POST", NETS, "{}", 400, "bad_request", "name");
    refused("POST", NETS, "{\"name\":\"bad\",\"set\":{\"mtu\":\"99999\"}}", 400, "bad_request",
            "mtu");
    refused("GET", NETS "/bad", NULL, 404, "not_found", "bad"); /* nothing half made stays */
    assert_int_equal(
        ask("POST", NETS, "{\"name\":\"dorm\",\"set\":{\"note\":\"ours\"}}", false, &o), 201);
    snprintf(netid, sizeof(netid), "%s", text_of(o, "netid"));
    assert_memory_equal(netid, self, 10);
    assert_string_equal(text_of(o, "name"), "dorm");
    assert_string_equal(text_of(o, "note"), "ours");
    assert_int_equal(json_array_size(json_object_get(o, "pools")), 1);
    json_decref(o);
    refused("POST", NETS, "{\"name\":\"dorm\"}", 409, "conflict", "dorm");
    refused("PATCH", NETS "/dorm", "{\"set\":{\"colour\":\"red\"}}", 400, "bad_request", "colour");
    refused("PATCH", NETS "/dorm", "{\"set\":{\"mtu\":1400}}", 400, "bad_request", "must be text");
    assert_int_equal(ask("PATCH", NETS "/dorm", "{\"set\":{\"mtu\":\"1400\"}}", false, &o), 200);
    assert_int_equal(json_integer_value(json_object_get(o, "mtu")), 1400);
    json_decref(o);

    /* All, or nothing: the good ones before a bad one do not stay. */
    refused("PATCH", NETS "/dorm",
            "{\"set\":{\"mtu\":\"1500\",\"note\":\"new\",\"window\":\"never\"}}", 400,
            "bad_request", "window");
    assert_int_equal(ask("GET", NETS "/dorm", NULL, false, &o), 200);
    assert_int_equal(json_integer_value(json_object_get(o, "mtu")), 1400);
    assert_string_equal(text_of(o, "note"), "ours");
    json_int_t revision = json_integer_value(json_object_get(o, "revision"));
    json_decref(o);
    assert_int_equal(ask("PATCH", NETS "/dorm",
                         "{\"set\":{\"mtu\":\"1500\",\"note\":\"new\",\"broadcast\":\"off\"}}",
                         false, &o),
                     200);
    assert_int_equal(json_integer_value(json_object_get(o, "mtu")), 1500);
    assert_string_equal(text_of(o, "note"), "new");
    assert_int_equal(json_integer_value(json_object_get(o, "revision")), revision + 1);
    json_decref(o);
    assert_int_equal(ask("PATCH", NETS "/dorm", "{\"set\":{}}", false, &o), 200);
    assert_int_equal(json_integer_value(json_object_get(o, "revision")), revision + 1);
    json_decref(o);

    /* The controller's own node joins it, and is admitted by its owner. */
    snprintf(body, sizeof(body), "{\"netid\":\"%s\"}", netid);
    assert_int_equal(ask("POST", "/v1/networks", body, false, NULL), 201);
    snprintf(path, sizeof(path), "/v1/networks/%s", netid);
    o = wait_state(path, "waiting");
    assert_non_null(strstr(text_of(o, "message"), "ovpn net authorize"));
    json_decref(o);
    assert_int_equal(ask("GET", NETS "/dorm/members", NULL, false, &o), 200);
    const json_t *m = json_array_get(json_object_get(o, "members"), 0);
    assert_string_equal(text_of(m, "address"), self);
    assert_string_equal(text_of(m, "state"), "pending");
    json_decref(o);
    char member[128];
    snprintf(member, sizeof(member), NETS "/dorm/members/%s", self);
    refused("PATCH", member, "{\"state\":\"king\"}", 400, "bad_request", "admitted");
    assert_int_equal(
        ask("PATCH", member, "{\"state\":\"admitted\",\"name\":\"server\"}", false, &o), 200);
    assert_string_equal(text_of(o, "state"), "admitted");
    assert_string_equal(text_of(o, "name"), "server");
    json_decref(o);
    o = wait_state(path, "ready");
    assert_int_equal(json_integer_value(json_object_get(o, "mtu")), 1500);
    const json_t *addresses = json_object_get(o, "addresses");
    assert_int_equal(json_array_size(addresses), 2); /* IPv4 and IPv6 */
    for (size_t i = 0; i < 2; i++) {
        char ip[64];
        snprintf(ip, sizeof(ip), "%s", json_string_value(json_array_get(addresses, i)));
        *strchr(ip, '/') = '\0';
        doctor_knows(ip, true, true);
    }
    json_decref(o);
    doctor_knows(self, true, true);
    doctor_knows("server", true, true);
    members_are_the_owners();
    doctor_knows("8056c2e21c", false, false);
    doctor_knows("10.99.99.99", false, false);
    device_of(path);
    assert_int_equal(ask("GET", NETS "/dorm/members/server", NULL, false, NULL), 200);
    refused("GET", NETS "/dorm/members/nobody", NULL, 404, "not_found", "nobody");
    assert_int_equal(ask("DELETE", path, NULL, false, NULL), 204);
    assert_int_equal(ask("DELETE", NETS "/dorm", NULL, false, NULL), 204);
    refused("DELETE", NETS "/dorm", NULL, 404, "not_found", "dorm");
}

static void invites(void **state)
{
    json_t *o;
    (void)state;
    assert_int_equal(ask("POST", NETS, "{\"name\":\"inv\"}", false, NULL), 201);
    struct ov_invite inv;
    assert_int_equal(ask("POST", NETS "/inv/invites", "{}", false, &o), 201);
    assert_int_equal(ov_invite_parse(text_of(o, "invite"), &inv), OV_OK);
    assert_int_equal(inv.nhosts, 1);
    assert_string_equal(inv.hosts[0].name, "self.invalid");
    json_decref(o);
    refused("POST", NETS "/inv/invites", "{\"hosts\":[\"a b\"]}", 400, "bad_request", "no server");
    refused("POST", NETS "/inv/invites", "{\"hosts\":[\"h\"],\"ttl_s\":-1}", 400, "bad_request",
            "ttl_s");
    refused("POST", NETS "/inv/invites", "{\"hosts\":[\"a\",\"b\",\"c\",\"d\",\"e\"]}", 400,
            "bad_request", "at most");
    assert_int_equal(ask("POST", NETS "/inv/invites",
                         "{\"note\":\"for Ann\",\"hosts\":[\"vpn.example.org\"],\"ttl_s\":60}",
                         false, &o),
                     201);
    assert_int_equal(ov_invite_parse(text_of(o, "invite"), &inv), OV_OK);
    assert_string_equal(inv.hosts[0].name, "vpn.example.org");
    assert_true(json_real_value(json_object_get(o, "expires")) > 1.7e9);
    char secret[2 * OV_INVITE_SECRET_LEN + 1];
    for (size_t i = 0; i < OV_INVITE_SECRET_LEN; i++)
        snprintf(secret + 2 * i, 3, "%02x", inv.secret[i]);
    json_decref(o);
    assert_int_equal(ask("GET", NETS "/inv/invites", NULL, false, &o), 200);
    const json_t *list = json_object_get(o, "invites");
    assert_int_equal(json_array_size(list), 2);
    bool found = false;
    for (size_t i = 0; i < 2; i++) {
        const json_t *v = json_array_get(list, i);
        found |= strcmp(text_of(v, "note"), "for Ann") == 0;
        assert_true(json_is_null(json_object_get(v, "used_by")));
    }
    assert_true(found);
    char *text = json_dumps(o, 0);
    assert_null(strstr(text, secret));
    free(text);
    char path[128];
    snprintf(path, sizeof(path), NETS "/inv/invites/%s", text_of(json_array_get(list, 0), "id"));
    assert_string_equal(text_of(json_array_get(list, 0), "state"), "good");
    json_decref(o);
    assert_int_equal(ask("DELETE", path, NULL, false, NULL), 204);
    refused("DELETE", path, NULL, 404, "not_found", "no invite");
    assert_int_equal(ask("DELETE", NETS "/inv/invites", NULL, false, &o), 200);
    assert_int_equal(json_integer_value(json_object_get(o, "revoked")), 1);
    json_decref(o);
    refused("DELETE", NETS "/vni/invites", NULL, 404, "not_found", "vni");
    assert_int_equal(ask("DELETE", NETS "/inv", NULL, false, NULL), 204);
}

static void pings(void **state)
{
    json_t *o;
    char body[64], path[64];
    (void)state;
    assert_int_equal(ask("GET", "/v1/status", NULL, false, &o), 200);
    snprintf(body, sizeof(body), "{\"peer\":\"%s\"}", text_of(o, "address"));
    json_decref(o);
    refused("POST", "/v1/pings", body, 400, "bad_request", "this node itself");
    refused("POST", "/v1/pings", "{}", 400, "bad_request", "missing");
    refused("POST", "/v1/pings", "{\"peer\":\"nobody\"}", 404, "not_found", "nobody");
    refused("POST", "/v1/pings", "{\"peer\":\"10.1.2.3\"}", 404, "not_found", "10.1.2.3");
    assert_int_equal(ask("POST", "/v1/pings", "{\"peer\":\"8056c2e21c\"}", false, &o), 201);
    assert_string_equal(text_of(o, "address"), "8056c2e21c");
    assert_string_equal(text_of(o, "state"), "pending");
    snprintf(path, sizeof(path), "/v1/pings/%s", text_of(o, "id"));
    json_decref(o);
    o = wait_state(path, "timeout");
    assert_true(json_is_null(json_object_get(o, "rtt_ms")));
    json_decref(o);
}

/* The answer's first host; borrowed. */
static const json_t *first_host(const json_t *net)
{
    return json_array_get(json_object_get(net, "hosts"), 0);
}

/* Ask for NETID until its first host has the state; fails if that never comes. */
static void wait_host(const char *want)
{
    json_t *o;
    bool there = false;
    for (int i = 0; i < 100000 && !there; i++) {
        assert_int_equal(ask("GET", "/v1/networks/" NETID, NULL, false, &o), 200);
        there = strcmp(text_of(first_host(o), "state"), want) == 0;
        json_decref(o);
    }
    assert_true(there);
}

static void join_host(const char *host)
{
    char body[128];
    snprintf(body, sizeof(body), "{\"netid\":\"" NETID "\",\"hosts\":[\"%s\"]}", host);
    assert_int_equal(ask("POST", "/v1/networks", body, false, NULL), 201);
}

static void names(void **state)
{
    json_t *o;
    (void)state;
    join_host("localhost:9");
    wait_host("asking");
    assert_int_equal(ask("DELETE", "/v1/networks/" NETID, NULL, false, NULL), 204);

    join_host("self.invalid"); /* a name that we are known by: nobody needs to be asked */
    wait_host("answered");
    assert_int_equal(ask("DELETE", "/v1/networks/" NETID, NULL, false, NULL), 204);

    join_host("nowhere.invalid");
    wait_host("failed");
    assert_int_equal(ask("GET", "/v1/networks/" NETID, NULL, false, &o), 200);
    assert_non_null(strstr(text_of(o, "message"), "cannot find nowhere.invalid"));
    assert_string_equal(text_of(first_host(o), "message"), text_of(o, "message"));
    json_decref(o);
    assert_int_equal(ask("DELETE", "/v1/networks/" NETID, NULL, false, NULL), 204);
}

static void hosts_are_bounded(void **state)
{
    (void)state;
    refused("POST", "/v1/networks",
            "{\"netid\":\"" NETID "\",\"hosts\":[\"1.1.1.1\",\"1.1.1.2\",\"1.1.1.3\",\"1.1.1.4\","
            "\"1.1.1.5\",\"1.1.1.6\",\"1.1.1.7\",\"1.1.1.8\",\"1.1.1.9\"]}",
            400, "bad_request", "at most 8");
    assert_int_equal(ask("POST", "/v1/networks",
                         "{\"netid\":\"" NETID "\",\"hosts\":[\"127.0.0.1:1\",\"127.0.0.1:2\","
                         "\"127.0.0.1:3\",\"127.0.0.1:4\",\"127.0.0.1:5\",\"127.0.0.1:6\","
                         "\"127.0.0.1:7\",\"127.0.0.1:8\"]}",
                         false, NULL),
                     201);
    refused("POST", "/v1/networks", "{\"netid\":\"8056c2e21c000002\",\"hosts\":[\"127.0.0.1:9\"]}",
            429, "limit", "one server too many");
    refused("GET", "/v1/networks/8056c2e21c000002", NULL, 404, "not_found", "not joined");
    assert_int_equal(ask("DELETE", "/v1/networks/" NETID, NULL, false, NULL), 204);
}

/* What was joined, the servers of it and the port are there again after a restart. */
static void restart(void **state)
{
    json_t *o;
    (void)state;
    assert_int_equal(ask("POST", "/v1/networks",
                         "{\"netid\":\"" NETID "\",\"hosts\":[\"127.0.0.1:9\"]}", false, NULL),
                     201);
    assert_int_equal(ask("GET", "/v1/status", NULL, false, &o), 200);
    json_int_t port = json_integer_value(json_object_get(o, "udp_port"));
    char address[OV_ADDR_TEXT];
    snprintf(address, sizeof(address), "%s", text_of(o, "address"));
    json_decref(o);
    assert_true(stop_daemon());
    assert_true(start_daemon());
    assert_int_equal(ask("GET", "/v1/status", NULL, false, &o), 200);
    assert_int_equal(json_integer_value(json_object_get(o, "udp_port")), port);
    assert_string_equal(text_of(o, "address"), address);
    json_decref(o);
    assert_int_equal(ask("GET", "/v1/networks/" NETID, NULL, false, &o), 200);
    assert_string_equal(text_of(first_host(o), "host"), "127.0.0.1:9");
    json_decref(o);
    assert_int_equal(ask("DELETE", "/v1/networks/" NETID, NULL, false, NULL), 204);
}

/* Each is one sentence with what to do, and nothing is left running. */
static void failed_starts(void **state)
{
    static struct ov_settings s;
    char why[OV_WHY_MAX], other[TEMPDIR_MAX + 8];
    bool busy;
    (void)state;
    ov_config_defaults(&s);
    s.log_level = OV_LOG_ERROR;
    snprintf(s.state_dir, sizeof(s.state_dir), "%s/state", dir);
    assert_int_equal(ov_daemon_run(&s, NULL, &busy, why), OV_EEXIST);
    assert_non_null(strstr(why, "another ovpn daemon"));

    snprintf(other, sizeof(other), "%s/other", dir);
    snprintf(s.state_dir, sizeof(s.state_dir), "%s", other);
    assert_int_equal(mkdir(other, 0700), 0);
    tempdir_write(other, "identity.secret", "rubbish", 7);
    assert_int_equal(ov_daemon_run(&s, NULL, &busy, why), OV_EINVAL);
    assert_non_null(strstr(why, "is broken"));
    assert_int_equal(unlink(strcat(other, "/identity.secret")), 0);

    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(4793)};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
    s.root = true;
    assert_int_equal(ov_daemon_run(&s, NULL, &busy, why), OV_EEXIST);
    assert_non_null(strstr(why, "UDP port 4793 is in use"));
    close(fd);

    s.root = false;
    s.controller = true;
    snprintf(s.database, sizeof(s.database), "%s/no/such/dir/db", dir);
    assert_true(ov_daemon_run(&s, NULL, &busy, why) != OV_OK);
    assert_non_null(strstr(why, "no/such/dir/db"));
}

static int dial(void)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(sa.sun_path, sizeof(sa.sun_path), "%.100s", sock);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    return fd;
}

/* Clients that say nothing, or stop in the middle, neither block others nor stay for ever. */
static void slow_clients(void **state)
{
    static const char HALF[] = "POST /v1/pings HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{";
    int fds[OV_API_CONNECTIONS_MAX + 4];
    size_t n = sizeof(fds) / sizeof(fds[0]);
    (void)state;
    for (size_t i = 0; i < OV_API_CONNECTIONS_MAX / 2; i++) {
        fds[i] = dial();
        if (i % 2 == 0)
            assert_int_equal(write(fds[i], HALF, sizeof(HALF) - 1), sizeof(HALF) - 1);
    }
    assert_int_equal(ask("GET", "/v1/status", NULL, false, NULL), 200);
    for (size_t i = OV_API_CONNECTIONS_MAX / 2; i < n; i++)
        fds[i] = dial();
    /* All places are taken now: the next is served once the silent ones have timed out. */
    assert_int_equal(ask("GET", "/v1/status", NULL, false, NULL), 200);
    for (size_t i = 0; i < n; i++)
        close(fds[i]);
}

static void rubbish(void **state)
{
    char text[256] = "";
    (void)state;
    int fd = dial();
    assert_int_equal(write(fd, "\1\2\3\r\n\r\n", 7), 7);
    (void)!read(fd, text, sizeof(text) - 1); /* an HTTP error, or an end */
    close(fd);
    assert_int_equal(ask("GET", "/v1/status", NULL, false, NULL), 200);
}

static int is_turned_away(const int *fds)
{
    (void)fds;
    return ask("GET", "/v1/status", NULL, false, NULL) == 403 &&
                   ask("POST", NETS, "{\"name\":\"x\"}", false, NULL) == 403
               ? 0
               : 1;
}

/* Everybody but root, ourselves and the group is turned away. */
static void strangers(void **state)
{
    (void)state;
    pid_t pid = as_nobody(65534, is_turned_away, NULL);
    if (pid == 0)
        no_other_user("strangers");
    assert_int_equal(outcome(pid), 0);
}

/* One request and its answer, in `text`. False: the connection is at its end, or silent for so
 * long. */
static bool talk(int fd, int ms, char text[4096])
{
    static const char GET[] = "GET /v1/networks HTTP/1.1\r\nHost: x\r\n\r\n";
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (send(fd, GET, sizeof(GET) - 1, MSG_NOSIGNAL) != sizeof(GET) - 1 || poll(&p, 1, ms) != 1)
        return false;
    ssize_t n = recv(fd, text, 4095, 0);
    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

#define CROWD OV_API_CONNECTIONS_MAX

/* As many connections as there are, none of them ever silent for long, until fds[1] is closed. */
static int crowd(const int *fds)
{
    struct pollfd enough = {.fd = fds[0], .events = POLLIN};
    int conn[CROWD];
    bool in[CROWD] = {0}; /* it was served before: it is kept, however busy the daemon is */
    char text[4096];
    unsigned served = 0;
    close(fds[1]);
    for (size_t i = 0; i < CROWD; i++)
        conn[i] = -1;
    for (bool first = true; first || poll(&enough, 1, 0) == 0; first = false) {
        for (size_t i = 0; i < CROWD; i++) {
            if (conn[i] < 0)
                conn[i] = dial();
            in[i] = talk(conn[i], in[i] ? PATIENCE_MS : 100, text);
            if (in[i]) {
                served++;
            } else {
                close(conn[i]);
                conn[i] = -1;
            }
        }
        if (first && write(fds[2], "", 1) != 1)
            return 1;
    }
    return served >= CROWD / 2 ? 0 : 2;
}

/* One user who keeps all connections that he gets keeps nobody out. */
static void crowded(void **state)
{
    int enough[2], begun[2];
    char byte;
    (void)state;
    assert_int_equal(pipe(enough) + pipe(begun), 0);
    pid_t pid = as_nobody(group, crowd, (const int[]){enough[0], enough[1], begun[1]});
    if (pid == 0)
        no_other_user("a crowd");
    assert_int_equal(read(begun[0], &byte, 1), 1);
    for (int i = 0; i < 20; i++)
        assert_int_equal(ask("GET", "/v1/status", NULL, false, NULL), 200);
    close(enough[1]);
    assert_int_equal(outcome(pid), 0);
    close(enough[0]);
    close(begun[0]);
    close(begun[1]);
}

/* Nothing is left of a connection after its last request. */
static int is_ended(const int *fds)
{
    char text[4096];
    int fd = dial();
    (void)fds;
    for (unsigned i = 1; i <= OV_API_REQUESTS_MAX; i++)
        if (!talk(fd, PATIENCE_MS, text) ||
            (strcasestr(text, "\r\nconnection: close\r\n") != NULL) != (i == OV_API_REQUESTS_MAX))
            return 1;
    return recv(fd, text, sizeof(text), 0) == 0 ? 0 : 2;
}

static void requests_are_counted(void **state)
{
    char text[4096];
    (void)state;
    pid_t pid = as_nobody(group, is_ended, NULL);
    if (pid == 0)
        no_other_user("how many requests a connection has");
    assert_int_equal(outcome(pid), 0);
    int fd = dial(); /* an owner's goes on */
    for (unsigned i = 0; i < OV_API_REQUESTS_MAX + 10; i++) {
        assert_true(talk(fd, PATIENCE_MS, text));
        assert_null(strcasestr(text, "connection: close"));
    }
    close(fd);
}

int main(void)
{
    EDGE_NEED_NETNS();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status),
        cmocka_unit_test(bad_requests),
        cmocka_unit_test(join_and_leave),
        cmocka_unit_test(oversize_bodies),
        cmocka_unit_test(own_network),
        cmocka_unit_test(invites),
        cmocka_unit_test(pings),
        cmocka_unit_test(rubbish),
        cmocka_unit_test(strangers),
        cmocka_unit_test(crowded),
        cmocka_unit_test(requests_are_counted),
        cmocka_unit_test(names),
        cmocka_unit_test(hosts_are_bounded),
        cmocka_unit_test(restart),
        cmocka_unit_test(failed_starts),
        cmocka_unit_test(slow_clients),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
