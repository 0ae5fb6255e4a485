#include "state.h"

#include "config.h"
#include "identity_file.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct ov_state {
    char dir[OV_PATH_MAX];
    struct ov_log log;
    int lock;
};

#define HOSTS_TEXT   4096
#define NETID_DIGITS (OV_NETID_TEXT - 1)
#define ADDR_DIGITS  (OV_ADDR_TEXT - 1)

static const char *const SUBDIRS[] = {"networks", "peers", "hosts", "left"};

/* Is this a temporary file of what file.c writes: a known name, '.' and six characters? */
static bool is_temporary(const char *name)
{
    static const char *const NAMES[] = {OV_IDENTITY_SECRET_FILE, OV_IDENTITY_PUBLIC_FILE, "port",
                                        "stamp"};
    size_t len = strlen(name), stem = strspn(name, "0123456789abcdef");
    if (len < 7 || name[len - 7] != '.')
        return false;
    if (stem == len - 7 && (stem == NETID_DIGITS || stem == ADDR_DIGITS))
        return true;
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++)
        if (strlen(NAMES[i]) == len - 7 && strncmp(NAMES[i], name, len - 7) == 0)
            return true;
    return false;
}

/* The daemon before us may have died between making a temporary file and renaming it. */
static void remove_temporaries(const char *dir)
{
    char path[OV_PATH_MAX], why[OV_WHY_MAX];
    DIR *d = opendir(dir);
    if (d == NULL)
        return;
    for (const struct dirent *e; (e = readdir(d)) != NULL;)
        if (is_temporary(e->d_name) && ov_path_join(path, dir, e->d_name, why) == OV_OK)
            unlink(path);
    closedir(d);
}

static int take_lock(struct ov_state *s, char why[OV_WHY_MAX])
{
    char path[OV_PATH_MAX];
    int err = ov_path_join(path, s->dir, "lock", why);
    if (err != OV_OK)
        return err;
    s->lock = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (s->lock < 0) {
        snprintf(why, OV_WHY_MAX, "cannot open %.140s: %s%s", path, strerror(errno),
                 errno == EACCES || errno == EPERM ? "; run it as root (sudo)" : "");
        return errno == EACCES || errno == EPERM ? OV_EPERM : OV_EIO;
    }
    (void)!ov_file_follow_owner(s->lock, path);
    if (flock(s->lock, LOCK_EX | LOCK_NB) == 0)
        return OV_OK;
    if (errno == EWOULDBLOCK) {
        snprintf(why, OV_WHY_MAX,
                 "another ovpn daemon uses %.120s; stop it, or give this one its own with -H DIR",
                 s->dir);
        return OV_EEXIST;
    }
    snprintf(why, OV_WHY_MAX, "cannot lock %.140s: %s", path, strerror(errno));
    return OV_EIO;
}

static void finish_leaving(const struct ov_state *s);

int ov_state_open(const char *dir, const struct ov_log *log, struct ov_state **out,
                  char why[OV_WHY_MAX])
{
    char sub[OV_PATH_MAX];
    struct ov_state *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        snprintf(why, OV_WHY_MAX, "out of memory");
        return OV_ENOMEM;
    }
    s->log = *log;
    s->lock = -1;
    int err = ov_dir_make(dir, why);
    if (err == OV_OK) {
        snprintf(s->dir, sizeof(s->dir), "%s", dir);
        err = take_lock(s, why);
    }
    if (err == OV_OK)
        remove_temporaries(dir);
    for (size_t i = 0; i < sizeof(SUBDIRS) / sizeof(SUBDIRS[0]) && err == OV_OK; i++) {
        err = ov_path_join(sub, dir, SUBDIRS[i], why);
        if (err == OV_OK)
            err = ov_dir_make(sub, why);
        if (err == OV_OK)
            remove_temporaries(sub);
    }
    if (err != OV_OK) {
        ov_state_close(s);
        return err;
    }
    finish_leaving(s);
    *out = s;
    return OV_OK;
}

void ov_state_close(struct ov_state *s)
{
    if (s == NULL)
        return;
    if (s->lock >= 0)
        close(
            s->lock); /* the lock goes with it; the file stays, or two could lock different ones */
    free(s);
}

const char *ov_state_dir(const struct ov_state *s)
{
    return s->dir;
}

static int item_path(const struct ov_state *s, enum ov_persist_kind kind, uint64_t id,
                     char out[OV_PATH_MAX], char why[OV_WHY_MAX])
{
    char name[48];
    switch (kind) {
    case OV_PERSIST_STAMP:
        snprintf(name, sizeof(name), "stamp");
        break;
    case OV_PERSIST_NETWORK:
        snprintf(name, sizeof(name), "networks/%016llx", (unsigned long long)id);
        break;
    case OV_PERSIST_PEER:
        snprintf(name, sizeof(name), "peers/%010llx", (unsigned long long)id);
        break;
    default:
        snprintf(why, OV_WHY_MAX, "no such kind of item: %d", (int)kind);
        return OV_EINVAL;
    }
    return ov_path_join(out, s->dir, name, why);
}

int ov_state_put(const struct ov_state *s, enum ov_persist_kind kind, uint64_t id, const void *data,
                 size_t len, char why[OV_WHY_MAX])
{
    char path[OV_PATH_MAX];
    int err = item_path(s, kind, id, path, why);
    if (err != OV_OK)
        return err;
    return len == 0 ? ov_file_remove(path, why) : ov_file_write(path, data, len, why);
}

/* The id that a file's name stands for: exactly `digits` lower-case hex digits. */
static bool parse_id(const char *name, size_t digits, uint64_t *out)
{
    if (strlen(name) != digits || strspn(name, "0123456789abcdef") != digits)
        return false;
    *out = strtoull(name, NULL, 16);
    return true;
}

struct each {
    const struct ov_state *s;
    enum ov_persist_kind kind;
    void (*fn)(void *arg, enum ov_persist_kind kind, uint64_t id, const void *data, size_t len);
    void *arg;
    char *buf;
};

static void load_one(const struct each *e, uint64_t id)
{
    char path[OV_PATH_MAX], why[OV_WHY_MAX];
    size_t len = 0;
    int err = item_path(e->s, e->kind, id, path, why);
    if (err == OV_OK)
        err = ov_file_read(path, e->buf, OV_STATE_ITEM_MAX, &len, why);
    if (err == OV_OK)
        e->fn(e->arg, e->kind, id, e->buf, len);
    else if (err != OV_ENOENT)
        ov_log(&e->s->log, OV_LOG_WARN, "%s; it is kept, and not used", why);
}

static void load_dir(const struct each *e, const char *sub, size_t digits)
{
    char path[OV_PATH_MAX], why[OV_WHY_MAX];
    DIR *d = ov_path_join(path, e->s->dir, sub, why) == OV_OK ? opendir(path) : NULL;
    if (d == NULL)
        return;
    uint64_t id;
    for (const struct dirent *f; (f = readdir(d)) != NULL;)
        if (parse_id(f->d_name, digits, &id))
            load_one(e, id);
    closedir(d);
}

void ov_state_each(const struct ov_state *s, enum ov_persist_kind kind,
                   void (*fn)(void *arg, enum ov_persist_kind kind, uint64_t id, const void *data,
                              size_t len),
                   void *arg)
{
    struct each e = {.s = s, .kind = kind, .fn = fn, .arg = arg, .buf = malloc(OV_STATE_ITEM_MAX)};
    if (e.buf == NULL)
        return;
    if (kind == OV_PERSIST_STAMP)
        load_one(&e, 0);
    else if (kind == OV_PERSIST_NETWORK)
        load_dir(&e, "networks", NETID_DIGITS);
    else
        load_dir(&e, "peers", ADDR_DIGITS);
    free(e.buf);
}

/* ---- forgetting ---- */

struct aged {
    time_t stored;
    uint64_t id;
};

static int older(const void *a, const void *b)
{
    const struct aged *x = a, *y = b;
    return (x->stored > y->stored) - (x->stored < y->stored);
}

/* The files of a directory that are named by an id, oldest first; *v is the caller's to free. */
static size_t list_aged(const struct ov_state *s, const char *sub, size_t digits, struct aged **v)
{
    char path[OV_PATH_MAX], why[OV_WHY_MAX];
    size_t n = 0, room = 0;
    uint64_t id;
    struct stat st;
    DIR *d = ov_path_join(path, s->dir, sub, why) == OV_OK ? opendir(path) : NULL;
    *v = NULL;
    if (d == NULL)
        return 0;
    for (const struct dirent *f; (f = readdir(d)) != NULL;) {
        if (!parse_id(f->d_name, digits, &id) ||
            fstatat(dirfd(d), f->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
            continue;
        if (n == room) {
            struct aged *grown = realloc(*v, (room = room ? 2 * room : 256) * sizeof(**v));
            if (grown == NULL)
                break;
            *v = grown;
        }
        (*v)[n++] = (struct aged){st.st_mtime, id};
    }
    closedir(d);
    if (n > 0)
        qsort(*v, n, sizeof(**v), older);
    return n;
}

/* A clock that is far ahead, for one boot or for good, must not make everybody old: nobody is older
 * than by the newest that was stored, and the newest few stay whatever their age. */
size_t ov_state_prune_peers(const struct ov_state *s, size_t max, int64_t max_age_s)
{
    struct aged *v;
    size_t n = list_aged(s, "peers", ADDR_DIGITS, &v), gone = 0;
    char why[OV_WHY_MAX] = "";
    time_t now = time(NULL);
    if (n > 0 && now > v[n - 1].stored)
        now = v[n - 1].stored;
    for (size_t i = 0; i < n; i++) {
        bool old = n - i > OV_STATE_PEERS_KEPT && now - v[i].stored > max_age_s;
        if (!old && n - i <= max)
            break;
        gone += ov_state_put(s, OV_PERSIST_PEER, v[i].id, NULL, 0, why) == OV_OK;
    }
    if (why[0] != '\0')
        ov_log(&s->log, OV_LOG_WARN, "an old peer is not forgotten: %s", why);
    free(v);
    return gone;
}

uint16_t ov_state_port(const struct ov_state *s)
{
    char path[OV_PATH_MAX], text[32], why[OV_WHY_MAX];
    size_t len = 0;
    uint64_t n = 0;
    if (ov_path_join(path, s->dir, "port", why) != OV_OK ||
        ov_file_read(path, text, sizeof(text), &len, why) != OV_OK)
        return 0;
    text[strcspn(text, "\n")] = '\0';
    return ov_text_number(text, UINT16_MAX, &n) == OV_OK ? (uint16_t)n : 0;
}

void ov_state_set_port(const struct ov_state *s, uint16_t port)
{
    char path[OV_PATH_MAX], text[16], why[OV_WHY_MAX];
    int len = snprintf(text, sizeof(text), "%u\n", port);
    if (ov_path_join(path, s->dir, "port", why) != OV_OK ||
        ov_file_write(path, text, (size_t)len, why) != OV_OK)
        ov_log(&s->log, OV_LOG_WARN, "the UDP port is not remembered: %s", why);
}

static int hosts_path(const struct ov_state *s, const char *sub, ov_netid net,
                      char out[OV_PATH_MAX], char why[OV_WHY_MAX])
{
    char name[32];
    snprintf(name, sizeof(name), "%s/%016llx", sub, (unsigned long long)net);
    return ov_path_join(out, s->dir, name, why);
}

static void remove_hosts(const struct ov_state *s, const char *sub, ov_netid net)
{
    char path[OV_PATH_MAX], why[OV_WHY_MAX];
    if (hosts_path(s, sub, net, path, why) == OV_OK && ov_file_remove(path, why) != OV_OK)
        ov_log(&s->log, OV_LOG_WARN, "%s", why);
}

int ov_state_put_hosts(const struct ov_state *s, ov_netid net, const struct ov_host *v, size_t n,
                       char why[OV_WHY_MAX])
{
    char path[OV_PATH_MAX], text[OV_STATE_HOSTS_MAX * (OV_HOST_LABEL + 1) + 64],
        label[OV_HOST_LABEL];
    int err = hosts_path(s, "hosts", net, path, why);
    if (err != OV_OK)
        return err;
    size_t len = (size_t)snprintf(text, sizeof(text), "# servers this network was joined by\n");
    for (size_t i = 0; i < n && i < OV_STATE_HOSTS_MAX; i++)
        len +=
            (size_t)snprintf(text + len, sizeof(text) - len, "%s\n", ov_host_format(&v[i], label));
    err = ov_file_write(path, text, len, why);
    if (err == OV_OK)
        err = hosts_path(s, "left", net, path, why);
    return err == OV_OK ? ov_file_remove(path, why) : err;
}

static size_t read_hosts(const struct ov_state *s, const char *sub, ov_netid net,
                         struct ov_host out[OV_STATE_HOSTS_MAX])
{
    char path[OV_PATH_MAX], text[HOSTS_TEXT], why[OV_WHY_MAX];
    size_t len = 0, n = 0;
    if (hosts_path(s, sub, net, path, why) != OV_OK)
        return 0;
    int err = ov_file_read(path, text, sizeof(text), &len, why);
    if (err != OV_OK && err != OV_ENOENT)
        ov_log(&s->log, OV_LOG_WARN, "%s; it is kept, and not used", why);
    if (err != OV_OK)
        return 0;
    char *save = NULL;
    for (char *l = strtok_r(text, "\n", &save); l != NULL; l = strtok_r(NULL, "\n", &save)) {
        if (l[0] == '#' || n == OV_STATE_HOSTS_MAX)
            continue;
        if (ov_host_parse(l, &out[n]) == OV_OK)
            n++;
        else
            ov_log(&s->log, OV_LOG_WARN, "%s: a line is no HOST[:PORT] and is not used", path);
    }
    return n;
}

size_t ov_state_get_hosts(const struct ov_state *s, ov_netid net,
                          struct ov_host out[OV_STATE_HOSTS_MAX])
{
    return read_hosts(s, "hosts", net, out);
}

size_t ov_state_get_left(const struct ov_state *s, ov_netid net,
                         struct ov_host out[OV_STATE_HOSTS_MAX])
{
    return read_hosts(s, "left", net, out);
}

void ov_state_drop_hosts(const struct ov_state *s, ov_netid net)
{
    remove_hosts(s, "hosts", net);
}

/* Once left/NETID is there, the network is left; what else tells of it goes afterwards, now or at
 * the next start. With no room for that file the servers are forgotten. */
int ov_state_leave_hosts(const struct ov_state *s, ov_netid net, char why[OV_WHY_MAX])
{
    char from[OV_PATH_MAX], to[OV_PATH_MAX], text[HOSTS_TEXT];
    struct aged *v;
    size_t len = 0;
    int err = hosts_path(s, "hosts", net, from, why);
    if (err == OV_OK)
        err = hosts_path(s, "left", net, to, why);
    if (err != OV_OK)
        return err;
    err = ov_file_read(from, text, sizeof(text), &len, why);
    if (err == OV_ENOENT)
        return OV_OK;
    if (err != OV_OK || ov_file_write(to, text, len, why) != OV_OK)
        return ov_file_remove(from, why);
    remove_hosts(s, "hosts", net);
    size_t n = list_aged(s, "left", NETID_DIGITS, &v);
    for (size_t i = 0; n - i > OV_STATE_LEFT_MAX; i++)
        remove_hosts(s, "left", v[i].id);
    free(v);
    return OV_OK;
}

/* The daemon before us may have died while it left a network. */
static void finish_leaving(const struct ov_state *s)
{
    char why[OV_WHY_MAX];
    struct aged *v;
    size_t n = list_aged(s, "left", NETID_DIGITS, &v);
    for (size_t i = 0; i < n; i++) {
        remove_hosts(s, "hosts", v[i].id);
        if (ov_state_put(s, OV_PERSIST_NETWORK, v[i].id, NULL, 0, why) != OV_OK)
            ov_log(&s->log, OV_LOG_WARN, "%s", why);
    }
    free(v);
}

size_t ov_state_host_nets(const struct ov_state *s, ov_netid *out, size_t cap)
{
    char path[OV_PATH_MAX], why[OV_WHY_MAX];
    size_t n = 0;
    DIR *d = ov_path_join(path, s->dir, "hosts", why) == OV_OK ? opendir(path) : NULL;
    if (d == NULL)
        return 0;
    for (const struct dirent *e; n < cap && (e = readdir(d)) != NULL;)
        if (parse_id(e->d_name, NETID_DIGITS, &out[n]))
            n++;
    closedir(d);
    return n;
}
