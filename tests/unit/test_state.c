#include "cli/conflicts.h"
#include "cli/persist.h"
#include "cli/pings.h"
#include "cli/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <time.h>

#include "tempdir.h"

static char dir[TEMPDIR_MAX], why[OV_WHY_MAX];
static struct ov_state *st;
static unsigned warnings;

static void count_warning(void *arg, enum ov_log_level level, const char *line)
{
    (void)arg;
    (void)level;
    (void)line;
    warnings++;
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);

/* A disk that is full, and one that lets one wait: where `slow`, each fsync tells `at_disk` and
 * waits for `go_on`. */
static bool slow, full;
static uv_sem_t at_disk, go_on;

int __wrap_fsync(int fd)
{
    if (slow) {
        uv_sem_post(&at_disk);
        uv_sem_wait(&go_on);
    }
    if (full) {
        errno = ENOSPC;
        return -1;
    }
    return __real_fsync(fd);
}

static const struct ov_log LOG = {.write = count_warning, .max = OV_LOG_WARN};

static int setup(void **state)
{
    (void)state;
    warnings = 0;
    tempdir_make(dir);
    assert_int_equal(ov_state_open(dir, &LOG, &st, why), OV_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    ov_state_close(st);
    tempdir_remove(dir);
    return 0;
}

struct seen {
    unsigned count;
    uint64_t id;
    size_t len;
    char data[64];
};

static void see(void *arg, enum ov_persist_kind kind, uint64_t id, const void *data, size_t len)
{
    struct seen *s = arg;
    (void)kind;
    s->count++;
    s->id = id;
    s->len = len;
    memcpy(s->data, data, len < sizeof(s->data) ? len : sizeof(s->data));
}

static struct seen load(enum ov_persist_kind kind)
{
    struct seen s = {0};
    ov_state_each(st, kind, see, &s);
    return s;
}

#define NET 0x8056c2e21c000001ull

static void one_daemon_a_directory(void **state)
{
    (void)state;
    struct ov_state *other;
    assert_int_equal(ov_state_open(dir, &LOG, &other, why), OV_EEXIST);
    assert_non_null(strstr(why, "another ovpn daemon"));
    ov_state_close(st);
    assert_int_equal(ov_state_open(dir, &LOG, &st, why), OV_OK);
}

static void items_come_back(void **state)
{
    (void)state;
    struct seen s;
    assert_int_equal(ov_state_put(st, OV_PERSIST_STAMP, 0, "12345678", 8, why), OV_OK);
    assert_int_equal(ov_state_put(st, OV_PERSIST_NETWORK, NET, "old", 3, why), OV_OK);
    assert_int_equal(ov_state_put(st, OV_PERSIST_NETWORK, NET, "newer", 5, why), OV_OK);
    assert_int_equal(ov_state_put(st, OV_PERSIST_PEER, 0x0156c2e21c, "p", 1, why), OV_OK);
    assert_int_equal(tempdir_mode(dir, "networks/8056c2e21c000001"), 0600);
    assert_int_equal(tempdir_mode(dir, "peers"), 0700);
    s = load(OV_PERSIST_STAMP);
    assert_int_equal(s.count, 1);
    assert_memory_equal(s.data, "12345678", 8);
    s = load(OV_PERSIST_NETWORK);
    assert_int_equal(s.count, 1);
    assert_int_equal(s.id, NET);
    assert_int_equal(s.len, 5);
    s = load(OV_PERSIST_PEER);
    assert_int_equal(s.id, 0x0156c2e21c);
    assert_int_equal(ov_state_put(st, OV_PERSIST_NETWORK, NET, NULL, 0, why), OV_OK);
    assert_int_equal(ov_state_put(st, OV_PERSIST_NETWORK, NET, NULL, 0, why), OV_OK);
    assert_int_equal(load(OV_PERSIST_NETWORK).count, 0);
    assert_int_equal(warnings, 0);
}

/* A crash between writing and renaming leaves a temporary file: never read, and gone at the next
 * start. */
static void temporaries_are_ignored(void **state)
{
    (void)state;
    assert_int_equal(ov_state_put(st, OV_PERSIST_NETWORK, NET, "good", 4, why), OV_OK);
    tempdir_write(dir, "networks/8056c2e21c000001.aB3dE6", "part", 4);
    tempdir_write(dir, "networks/8056c2e21c000002.aB3dE6", "part", 4);
    tempdir_write(dir, "networks/README", "mine", 4);
    assert_int_equal(load(OV_PERSIST_NETWORK).count, 1);
    assert_int_equal(load(OV_PERSIST_NETWORK).id, NET);
    ov_state_close(st);
    assert_int_equal(ov_state_open(dir, &LOG, &st, why), OV_OK);
    assert_int_equal(tempdir_count(dir, "networks"), 2); /* the item, and what is not ours */
}

static void unreadable_is_reported_and_kept(void **state)
{
    (void)state;
    static char large[OV_STATE_ITEM_MAX + 10];
    char path[TEMPDIR_MAX * 2];
    tempdir_write(dir, "networks/8056c2e21c000001", large, sizeof(large));
    snprintf(path, sizeof(path), "%s/peers/0156c2e21c", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(load(OV_PERSIST_NETWORK).count, 0);
    assert_int_equal(warnings, 1);
    assert_int_equal(load(OV_PERSIST_PEER).count, 0);
    assert_int_equal(warnings, 2);
    assert_int_equal(tempdir_count(dir, "networks"), 1);
    assert_int_equal(tempdir_count(dir, "peers"), 1);
}

static void port_is_remembered(void **state)
{
    (void)state;
    assert_int_equal(ov_state_port(st), 0);
    ov_state_set_port(st, 41234);
    assert_int_equal(ov_state_port(st), 41234);
    assert_int_equal(tempdir_mode(dir, "port"), 0600);
    tempdir_write(dir, "port", "99999\n", 6);
    assert_int_equal(ov_state_port(st), 0);
    tempdir_write(dir, "port", "", 0);
    assert_int_equal(ov_state_port(st), 0);
}

static void hosts_are_remembered(void **state)
{
    (void)state;
    struct ov_host in[2] = {{"vpn.example.org", OV_DEFAULT_PORT}, {"2001:db8::1", 99}};
    struct ov_host out[OV_STATE_HOSTS_MAX];
    ov_netid nets[4];
    assert_int_equal(ov_state_get_hosts(st, NET, out), 0);
    assert_int_equal(ov_state_put_hosts(st, NET, in, 2, why), OV_OK);
    assert_int_equal(ov_state_put_hosts(st, NET + 1, NULL, 0, why), OV_OK);
    assert_int_equal(ov_state_get_hosts(st, NET, out), 2);
    assert_string_equal(out[0].name, "vpn.example.org");
    assert_string_equal(out[1].name, "2001:db8::1");
    assert_int_equal(out[1].port, 99);
    assert_int_equal(ov_state_get_hosts(st, NET + 1, out), 0);
    assert_int_equal(ov_state_host_nets(st, nets, 4), 2);
    assert_int_equal(ov_state_host_nets(st, nets, 1), 1);
    ov_state_drop_hosts(st, NET);
    assert_int_equal(ov_state_host_nets(st, nets, 4), 1);
    assert_int_equal(nets[0], NET + 1);
    tempdir_write(dir, "hosts/8056c2e21c000001", "a\nb:99999\nc:7\n", 14);
    assert_int_equal(ov_state_get_hosts(st, NET, out), 2);
    assert_int_equal(out[1].port, 7);
    assert_int_equal(warnings, 1);
}

/* The servers of a network that was left serve to join it again; of so many networks only. */
static void left_hosts_are_remembered(void **state)
{
    (void)state;
    struct ov_host in = {"vpn.example.org", OV_DEFAULT_PORT}, out[OV_STATE_HOSTS_MAX];
    ov_netid nets[4];
    char path[TEMPDIR_MAX + 48];
    assert_int_equal(ov_state_leave_hosts(st, NET, why), OV_OK); /* had none: nothing happens */
    assert_int_equal(ov_state_get_left(st, NET, out), 0);
    assert_int_equal(ov_state_put_hosts(st, NET, &in, 1, why), OV_OK);
    assert_int_equal(ov_state_get_left(st, NET, out), 0);
    assert_int_equal(ov_state_leave_hosts(st, NET, why), OV_OK);
    assert_int_equal(ov_state_host_nets(st, nets, 4), 0);
    assert_int_equal(ov_state_get_hosts(st, NET, out), 0);
    assert_int_equal(ov_state_get_left(st, NET, out), 1);
    assert_string_equal(out[0].name, "vpn.example.org");
    assert_int_equal(ov_state_put_hosts(st, NET, out, 1, why), OV_OK); /* it is joined again */
    assert_int_equal(ov_state_get_left(st, NET, out), 0);
    assert_int_equal(ov_state_get_hosts(st, NET, out), 1);

    for (unsigned i = 0; i <= OV_STATE_LEFT_MAX; i++) {
        struct timespec when[2] = {{.tv_sec = 1000000 + i}, {.tv_sec = 1000000 + i}};
        assert_int_equal(ov_state_put_hosts(st, NET + 1 + i, &in, 1, why), OV_OK);
        assert_int_equal(ov_state_leave_hosts(st, NET + 1 + i, why), OV_OK);
        snprintf(path, sizeof(path), "%s/left/%016llx", dir, (unsigned long long)NET + 1 + i);
        assert_int_equal(utimensat(AT_FDCWD, path, when, 0), 0);
    }
    assert_int_equal(ov_state_get_left(st, NET + 1, out), 0); /* the first of them gave way */
    assert_int_equal(ov_state_get_left(st, NET + 2, out), 1);
    assert_int_equal(ov_state_get_left(st, NET + 1 + OV_STATE_LEFT_MAX, out), 1);
    assert_int_equal(warnings, 0);
}

/* A daemon dies, or the power goes, after it has left and before all is removed that tells of the
 * network: the next one does not join it again. */
static void leaving_is_finished_at_the_start(void **state)
{
    struct ov_host in = {"vpn.example.org", OV_DEFAULT_PORT}, out[OV_STATE_HOSTS_MAX];
    ov_netid nets[4];
    (void)state;
    assert_int_equal(ov_state_put_hosts(st, NET, &in, 1, why), OV_OK);
    assert_int_equal(ov_state_put_hosts(st, NET + 1, &in, 1, why), OV_OK);
    assert_int_equal(ov_state_put(st, OV_PERSIST_NETWORK, NET, "item", 4, why), OV_OK);
    assert_int_equal(ov_state_put(st, OV_PERSIST_NETWORK, NET + 1, "item", 4, why), OV_OK);
    assert_int_equal(ov_state_leave_hosts(st, NET, why), OV_OK);
    tempdir_write(dir, "hosts/8056c2e21c000001", "vpn.example.org\n", 16);
    ov_state_close(st);
    assert_int_equal(ov_state_open(dir, &LOG, &st, why), OV_OK);
    assert_int_equal(ov_state_host_nets(st, nets, 4), 1);
    assert_int_equal(nets[0], NET + 1);
    assert_int_equal(load(OV_PERSIST_NETWORK).count, 1);
    assert_int_equal(load(OV_PERSIST_NETWORK).id, NET + 1);
    assert_int_equal(ov_state_get_left(st, NET, out), 1); /* of it that stays */
    assert_int_equal(warnings, 0);
}

static void no_permission_is_said(void **state)
{
    (void)state;
    struct ov_state *other = NULL;
    tempdir_write(dir, "file", "x", 1);
    char path[TEMPDIR_MAX * 2];
    snprintf(path, sizeof(path), "%s/file", dir);
    assert_true(ov_state_open(path, &LOG, &other, why) != OV_OK);
    assert_non_null(strstr(why, "Not a directory"));
}

/* Peers are written behind the loop's back, the newest version of each, and none is lost at the
 * end. */
static void peers_are_written_behind(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct ov_persist *p;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(ov_persist_open(&loop, st, &LOG, &p), OV_OK);
    for (uint64_t round = 0; round < 3; round++)
        for (uint64_t i = 1; i <= 40; i++) {
            uint8_t data[2] = {(uint8_t)i, (uint8_t)round};
            ov_persist_put(p, &(struct ov_out_persist){OV_PERSIST_PEER, i, data, 2});
        }
    ov_persist_put(p, &(struct ov_out_persist){OV_PERSIST_PEER, 7, NULL, 0});
    ov_persist_put(p, &(struct ov_out_persist){OV_PERSIST_STAMP, 0, (const uint8_t *)"s", 1});
    assert_int_equal(load(OV_PERSIST_STAMP).count, 1); /* at once */
    uv_run(&loop, UV_RUN_DEFAULT);
    ov_persist_put(p, &(struct ov_out_persist){OV_PERSIST_PEER, 99, (const uint8_t *)"zz", 2});
    ov_persist_stop(p);
    uv_run(&loop, UV_RUN_DEFAULT);
    ov_persist_close(p);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(tempdir_count(dir, "peers"), 40);
    char out[8];
    assert_int_equal(tempdir_read(dir, "peers/0000000028", out, sizeof(out)), 2);
    assert_int_equal(out[1], 2);
    assert_int_equal(tempdir_read(dir, "peers/0000000007", out, sizeof(out)), -1);
    assert_int_equal(warnings, 0);
}

static void persist_queue_is_bounded(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct ov_persist *p;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(ov_persist_open(&loop, st, &LOG, &p), OV_OK);
    /* The loop does not run meanwhile: the first is under way, then the queue fills, and two are
     * left out. */
    for (uint64_t i = 1; i <= OV_PERSIST_QUEUE_MAX + 3; i++)
        ov_persist_put(p, &(struct ov_out_persist){OV_PERSIST_PEER, i, (const uint8_t *)"x", 1});
    ov_persist_stop(p);
    uv_run(&loop, UV_RUN_DEFAULT);
    ov_persist_close(p);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(tempdir_count(dir, "peers"), OV_PERSIST_QUEUE_MAX + 1);
    assert_int_equal(warnings, 1);
}

/* The end does not wait for a slow disk: what the thread has in hand is finished, no more. */
static void slow_disk_is_given_up(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct ov_persist *p;
    assert_int_equal(uv_sem_init(&at_disk, 0), 0);
    assert_int_equal(uv_sem_init(&go_on, 0), 0);
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(ov_persist_open(&loop, st, &LOG, &p), OV_OK);
    slow = true;
    ov_persist_put(p, &(struct ov_out_persist){OV_PERSIST_PEER, 1, (const uint8_t *)"x", 1});
    for (uint64_t i = 2; i <= 12; i++)
        ov_persist_put(p, &(struct ov_out_persist){OV_PERSIST_PEER, i, (const uint8_t *)"x", 1});
    uv_sem_post(&go_on); /* the first: its file and its directory */
    uv_sem_post(&go_on);
    uv_run(&loop, UV_RUN_ONCE);
    for (int i = 0; i < 3; i++)
        uv_sem_wait(&at_disk); /* the thread has all others now, the second in hand */
    ov_persist_put(p, &(struct ov_out_persist){OV_PERSIST_PEER, 13, (const uint8_t *)"x", 1});
    ov_persist_give_up(p);
    slow = false;
    uv_sem_post(&go_on);
    ov_persist_stop(p);
    uv_run(&loop, UV_RUN_DEFAULT);
    ov_persist_close(p);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(tempdir_count(dir, "peers"), 2);
    assert_int_equal(warnings, 1); /* that the others are not remembered */
    uv_sem_destroy(&at_disk);
    uv_sem_destroy(&go_on);
}

static void put(struct ov_persist *p, enum ov_persist_kind kind, uint64_t id, const char *text)
{
    ov_persist_put(p, &(struct ov_out_persist){kind, id, (const uint8_t *)text, strlen(text)});
}

/* What the disk did not take is tried again until it does: the newest of each, and of all that
 * counts. */
static void full_disk_is_tried_again(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct ov_persist *p;
    struct seen s;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(ov_persist_open(&loop, st, &LOG, &p), OV_OK);
    put(p, OV_PERSIST_NETWORK, NET, "before");
    for (uint64_t i = 0; i < 100; i++)
        put(p, OV_PERSIST_NETWORK, NET + 100 + i, "to be left");
    assert_null(ov_persist_problem(p));
    full = true;
    put(p, OV_PERSIST_NETWORK, NET, "she is a member");
    put(p, OV_PERSIST_NETWORK, NET, "she is revoked");
    put(p, OV_PERSIST_STAMP, 0, "stamp");
    for (uint64_t i = 1; i < OV_NETWORKS_MAX; i++)
        put(p, OV_PERSIST_NETWORK, NET + i, "joined");
    for (uint64_t i = 0; i < 100; i++)
        put(p, OV_PERSIST_NETWORK, NET + 100 + i, "");
    assert_non_null(strstr(ov_persist_problem(p), "free some disk space"));
    assert_int_equal(warnings, 1);
    uv_run(&loop, UV_RUN_ONCE); /* tried again, in vain */
    s = load(OV_PERSIST_NETWORK);
    assert_int_equal(s.count, 1);
    assert_memory_equal(s.data, "before", 6);
    full = false;
    while (ov_persist_problem(p) != NULL)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(load(OV_PERSIST_NETWORK).count, OV_NETWORKS_MAX);
    assert_int_equal(load(OV_PERSIST_STAMP).count, 1);
    char out[64];
    assert_int_equal(tempdir_read(dir, "networks/8056c2e21c000001", out, sizeof(out)), 14);
    assert_string_equal(out, "she is revoked");
    assert_int_equal(warnings, 1);

    full = true; /* a newer version that is stored at once pays for the older */
    put(p, OV_PERSIST_STAMP, 0, "older");
    full = false;
    put(p, OV_PERSIST_STAMP, 0, "newer");
    assert_null(ov_persist_problem(p));
    full = true; /* and the end tries once more */
    put(p, OV_PERSIST_NETWORK, NET, "last");
    full = false;
    ov_persist_stop(p);
    uv_run(&loop, UV_RUN_DEFAULT);
    ov_persist_close(p);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(tempdir_read(dir, "stamp", out, sizeof(out)), 5);
    assert_string_equal(out, "newer");
    assert_int_equal(tempdir_read(dir, "networks/8056c2e21c000001", out, sizeof(out)), 4);
    assert_int_equal(warnings, 3);
}

static void pings_are_bounded(void **state)
{
    (void)state;
    static struct ov_pings p;
    uint64_t first = 0;
    for (int i = 0; i < OV_PINGS_MAX; i++) {
        struct ov_ping *g = ov_pings_add(&p, 1, 10 * OV_SEC);
        assert_non_null(g);
        first = i == 0 ? g->id : first;
    }
    assert_null(ov_pings_add(&p, 1, 69 * OV_SEC));
    assert_non_null(ov_pings_find(&p, first, 69 * OV_SEC));
    assert_null(ov_pings_find(&p, first, 70 * OV_SEC));
    assert_null(ov_pings_find(&p, 0, 20 * OV_SEC));
    struct ov_ping *again = ov_pings_add(&p, 2, 70 * OV_SEC);
    assert_non_null(again);
    assert_true(again->id > OV_PINGS_MAX);
    assert_null(ov_pings_find(&p, first, 20 * OV_SEC));
}

/* What another client has just asked, and is not decided yet, hides no answer. */
static void pings_that_are_decided_go_first(void **state)
{
    (void)state;
    static struct ov_pings p;
    struct ov_ping *lost = ov_pings_add(&p, 1, 10 * OV_SEC);
    struct ov_ping *pending = ov_pings_add(&p, 1, 11 * OV_SEC);
    assert_ptr_equal(ov_pings_best(&p, 1, false, 12 * OV_SEC), pending);
    lost->state = OV_PING_TIMEOUT;
    assert_ptr_equal(ov_pings_best(&p, 1, false, 13 * OV_SEC), lost);
    pending->state = OV_PING_ANSWERED;
    assert_ptr_equal(ov_pings_best(&p, 1, false, 14 * OV_SEC), pending);
    assert_null(ov_pings_best(&p, 2, false, 14 * OV_SEC));
}

static void conflicts_are_bounded(void **state)
{
    (void)state;
    struct ov_conflicts c = {0};
    for (ov_addr a = 1; a <= OV_CONFLICTS_MAX; a++)
        assert_true(ov_conflicts_add(&c, a, 100 + a));
    assert_false(ov_conflicts_add(&c, 1, 1000)); /* the oldest is now 2 */
    assert_int_equal(c.v[0].count, 2);
    assert_true(ov_conflicts_add(&c, 99, 1001));
    assert_int_equal(c.n, OV_CONFLICTS_MAX);
    assert_int_equal(c.v[0].addr, 1);
    assert_int_equal(c.v[1].addr, 99);
    assert_int_equal(c.v[1].count, 1);
}

/* ---- forgetting peers ---- */

static void store_peer(ov_addr a, time_t age)
{
    char path[TEMPDIR_MAX + 32];
    struct timespec when[2] = {{.tv_sec = time(NULL) - age}, {.tv_sec = time(NULL) - age}};
    snprintf(path, sizeof(path), "%s/peers/%010llx", dir, (unsigned long long)a);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(fd, "x", 1), 1);
    assert_int_equal(futimens(fd, when), 0);
    close(fd);
}

static unsigned peers_left(void)
{
    struct seen s = {0};
    ov_state_each(st, OV_PERSIST_PEER, see, &s);
    return s.count;
}

static bool has_peer(ov_addr a)
{
    char path[TEMPDIR_MAX + 32];
    snprintf(path, sizeof(path), "%s/peers/%010llx", dir, (unsigned long long)a);
    return access(path, F_OK) == 0;
}

static void old_peers_are_forgotten(void **state)
{
    char path[TEMPDIR_MAX + 32];
    (void)state;

    assert_int_equal(ov_state_prune_peers(st, 0, 0), 0); /* none there */
    store_peer(0x1000000001, 100 * 86400);
    store_peer(0x1000000002, 91 * 86400);
    store_peer(0x1000000003, 89 * 86400);
    store_peer(0x1000000004, 0);
    for (ov_addr a = 5; a < OV_STATE_PEERS_KEPT + 5; a++)
        store_peer(0x1000000000 + a, -86400); /* stored while the clock was wrong */
    snprintf(path, sizeof(path), "%s/peers/notes", dir);
    int fd = open(path, O_CREAT | O_WRONLY, 0600); /* not ours: let alone */
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(ov_state_prune_peers(st, 100, 90 * 86400), 2);
    assert_int_equal(peers_left(), OV_STATE_PEERS_KEPT + 2);
    assert_false(has_peer(0x1000000001) || has_peer(0x1000000002));
    /* Too many: the oldest goes. */
    assert_int_equal(ov_state_prune_peers(st, OV_STATE_PEERS_KEPT + 1, 90 * 86400), 1);
    assert_false(has_peer(0x1000000003));
    assert_true(has_peer(0x1000000004) && has_peer(0x1000000005));
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(ov_state_prune_peers(st, 0, 90 * 86400), OV_STATE_PEERS_KEPT + 1);
    assert_int_equal(peers_left(), 0);
    assert_int_equal(warnings, 0);
}

/* The computer boots with a clock months ahead, and again after it has met somebody. */
static void wrong_clock_forgets_nobody(void **state)
{
    (void)state;
    for (ov_addr a = 1; a <= 100; a++)
        store_peer(0x1000000000 + a, 91 * 86400 + (time_t)a);
    assert_int_equal(ov_state_prune_peers(st, 1000, 90 * 86400), 0);
    store_peer(0x1000000000, 0);
    assert_int_equal(ov_state_prune_peers(st, 1000, 90 * 86400), 101 - OV_STATE_PEERS_KEPT);
    assert_true(has_peer(0x1000000000) && has_peer(0x1000000001)); /* the newest */
    assert_false(has_peer(0x1000000000 + OV_STATE_PEERS_KEPT));
    assert_int_equal(warnings, 0);
}

/* More are written than may stay. */
static void peers_are_bounded(void **state)
{
    uv_loop_t loop;
    struct ov_persist *p;
    (void)state;

    for (ov_addr a = 1; a <= OV_STATE_PEERS_MAX; a++)
        store_peer(0x2000000000 + a, 1000000 - (time_t)a);
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(ov_persist_open(&loop, st, &LOG, &p), OV_OK);
    for (ov_addr a = 1; a <= 512; a++) {
        ov_persist_put(p, &(struct ov_out_persist){OV_PERSIST_PEER, 0x3000000000 + a,
                                                   (const uint8_t *)"new", 3});
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    ov_persist_stop(p);
    uv_run(&loop, UV_RUN_DEFAULT);
    ov_persist_close(p);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_in_range(peers_left(), OV_STATE_PEERS_MAX, OV_STATE_PEERS_MAX + 255);
    assert_false(has_peer(0x2000000001)); /* the oldest */
    assert_true(has_peer(0x3000000001) && has_peer(0x3000000000 + 512));
    assert_true(has_peer(0x2000000000 + OV_STATE_PEERS_MAX));
    assert_int_equal(warnings, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_daemon_a_directory, setup, teardown),
        cmocka_unit_test_setup_teardown(items_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(temporaries_are_ignored, setup, teardown),
        cmocka_unit_test_setup_teardown(unreadable_is_reported_and_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(port_is_remembered, setup, teardown),
        cmocka_unit_test_setup_teardown(hosts_are_remembered, setup, teardown),
        cmocka_unit_test_setup_teardown(left_hosts_are_remembered, setup, teardown),
        cmocka_unit_test_setup_teardown(leaving_is_finished_at_the_start, setup, teardown),
        cmocka_unit_test_setup_teardown(no_permission_is_said, setup, teardown),
        cmocka_unit_test_setup_teardown(peers_are_written_behind, setup, teardown),
        cmocka_unit_test_setup_teardown(persist_queue_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(slow_disk_is_given_up, setup, teardown),
        cmocka_unit_test_setup_teardown(full_disk_is_tried_again, setup, teardown),
        cmocka_unit_test_setup_teardown(old_peers_are_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_clock_forgets_nobody, setup, teardown),
        cmocka_unit_test_setup_teardown(peers_are_bounded, setup, teardown),
        cmocka_unit_test(pings_are_bounded),
        cmocka_unit_test(pings_that_are_decided_go_first),
        cmocka_unit_test(conflicts_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
