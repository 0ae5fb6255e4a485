#include "api_door.h"

#include "core/log.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG    128 /* a client beyond it is refused at once */
#define GROUP      "ovpn"
#define GROUPS_MAX 256

/* ---- who calls ---- */

static bool in_group(int fd, gid_t primary, gid_t group)
{
    gid_t groups[GROUPS_MAX];
    socklen_t len = sizeof(groups);
    if (primary == group)
        return true;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) != 0)
        return false;
    for (size_t i = 0; i < len / sizeof(groups[0]); i++)
        if (groups[i] == group)
            return true;
    return false;
}

static struct ov_api_caller caller_of(const struct ov_api_door *door, int fd)
{
    struct ucred who;
    socklen_t len = sizeof(who);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) != 0)
        return (struct ov_api_caller){.uid = (uid_t)-1};
    struct ov_api_caller c = {.uid = who.uid};
    if (who.uid == 0 || who.uid == geteuid())
        c.access = OV_API_ACCESS_ALL;
    else if (door->has_group && in_group(fd, who.gid, door->group))
        c.access = OV_API_ACCESS_READ;
    return c;
}

int ov_api_door_accept(const struct ov_api_door *door, struct ov_api_caller *who)
{
    int fd = accept4(door->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        *who = caller_of(door, fd);
    return fd;
}

/* ---- the socket ---- */

/* Let the group in, as far as the socket: the directory's secrets are 0600. */
static void open_to_group(struct ov_api_door *door, const char *path, const char *dir,
                          const struct ov_log *log)
{
    const struct group *g = getgrnam(GROUP);
    if (g == NULL)
        return;
    door->group = g->gr_gid;
    door->has_group = chown(path, (uid_t)-1, door->group) == 0 && chmod(path, 0660) == 0 &&
                      chown(dir, (uid_t)-1, door->group) == 0 && chmod(dir, 0710) == 0;
    if (!door->has_group)
        ov_log(log, OV_LOG_WARN, "the group " GROUP " cannot be let in: %s", strerror(errno));
}

int ov_api_door_open(struct ov_api_door *door, const char *path, const char *dir,
                     const struct ov_log *log, char why[OV_WHY_MAX])
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(sa.sun_path)) {
        snprintf(why, OV_WHY_MAX, "%.120s is too long for a socket: choose a shorter directory",
                 path);
        return OV_EIO;
    }
    memcpy(sa.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    mode_t old = umask(0177);
    if (fd < 0 || (unlink(path) != 0 && errno != ENOENT) ||
        bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) != 0 || listen(fd, BACKLOG) != 0) {
        snprintf(why, OV_WHY_MAX, "cannot listen on %.120s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    umask(old);
    if (fd < 0)
        return OV_EIO;
    *door = (struct ov_api_door){.fd = fd};
    open_to_group(door, path, dir, log);
    return OV_OK;
}
