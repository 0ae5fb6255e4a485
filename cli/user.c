#include "user.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define TUN   "/dev/net/tun"
#define DEPTH 2 /* of directories in the state directory */

const char *ov_user_name(char out[OV_USER_NAME])
{
    const struct passwd *pw = getpwuid(geteuid());
    if (pw != NULL)
        snprintf(out, OV_USER_NAME, "%s", pw->pw_name);
    else
        snprintf(out, OV_USER_NAME, "%u", (unsigned)geteuid());
    return out;
}

/* The directory that has a file. */
static const char *parent(const char *path, char out[OV_PATH_MAX])
{
    snprintf(out, OV_PATH_MAX, "%s", path);
    return dirname(out);
}

/* ---- giving away ---- */

/* A file with a second name may be somebody else's file that was linked here: it stays root's. */
static void give(int dir, const char *name, const struct passwd *to, int depth);

static void give_all(int fd, const struct passwd *to, int depth)
{
    DIR *d = fdopendir(fd);
    if (d == NULL) {
        close(fd);
        return;
    }
    for (const struct dirent *e; (e = readdir(d)) != NULL;)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            give(dirfd(d), e->d_name, to, depth);
    closedir(d);
}

static void give(int dir, const char *name, const struct passwd *to, int depth)
{
    struct stat st;
    int fd = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return;
    bool is_dir = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
    if (is_dir || (S_ISREG(st.st_mode) && st.st_nlink == 1))
        if (st.st_uid != to->pw_uid)
            (void)!fchownat(fd, "", to->pw_uid, to->pw_gid, AT_EMPTY_PATH);
    close(fd);
    fd = is_dir && depth > 0 ? openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                             : -1;
    if (fd >= 0)
        give_all(fd, to, depth - 1);
}

/* With what SQLite keeps beside it. */
static void give_database(const char *path, const struct passwd *to)
{
    static const char *const SUFFIXES[] = {"", "-wal", "-shm"};
    char name[OV_PATH_MAX + 8];
    for (size_t i = 0; i < sizeof(SUFFIXES) / sizeof(SUFFIXES[0]); i++) {
        snprintf(name, sizeof(name), "%s%s", path, SUFFIXES[i]);
        give(AT_FDCWD, name, to, 0);
    }
}

/* ---- becoming ---- */

/* In no group but its own: looking for others would load the resolver's modules for good. */
bool ov_user_drop(uid_t uid, gid_t gid)
{
    return setgroups(1, &gid) == 0 && setresgid(gid, gid, gid) == 0 &&
           setresuid(uid, uid, uid) == 0;
}

static bool become(const struct passwd *to)
{
    return ov_user_drop(to->pw_uid, to->pw_gid);
}

enum obstacle { NOTHING, IDENTITY, STATE, DATABASE, DEVICE };

/* What would be in its way. A child tries it, because there is no way back. */
static enum obstacle try(const struct passwd *to, const char *dir, const char *database)
{
    char up[OV_PATH_MAX];
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        enum obstacle o = NOTHING;
        if (!become(to))
            o = IDENTITY;
        else if (access(parent(dir, up), X_OK) != 0)
            o = STATE;
        else if (database[0] != '\0' && access(parent(database, up), W_OK | X_OK) != 0)
            o = DATABASE;
        else if (access(TUN, R_OK | W_OK) != 0 && errno != ENOENT)
            o = DEVICE;
        _exit(o);
    }
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return child > 0 && WIFEXITED(status) ? (enum obstacle)WEXITSTATUS(status) : IDENTITY;
}

int ov_user_become(const char *dir, const char *database, char why[OV_WHY_MAX])
{
    static const char *const OBSTACLES[] = {
        [IDENTITY] = "the user " OV_USER " cannot be had here",
        [STATE] = "the user " OV_USER " cannot reach the state directory",
        [DATABASE] = "the user " OV_USER " may not write where the database is",
        [DEVICE] = "the user " OV_USER " may not use " TUN,
    };
    char up[OV_PATH_MAX];
    const struct passwd *pw = getpwnam(OV_USER);
    if (pw == NULL || pw->pw_uid == 0) {
        snprintf(why, OV_WHY_MAX,
                 "there is no user " OV_USER "; make it: useradd -r -s /usr/sbin/nologin " OV_USER);
        return OV_ESTATE;
    }
    if (strcmp(parent(database, up), dir) == 0)
        database = "";
    enum obstacle o = try(pw, dir, database);
    if (o != NOTHING) {
        snprintf(why, OV_WHY_MAX, "%s", OBSTACLES[o]);
        return OV_ESTATE;
    }
    give(AT_FDCWD, dir, pw, DEPTH);
    if (database[0] != '\0')
        give_database(database, pw);
    (void)prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
    bool done = become(pw);
    (void)prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
    if (!done) {
        snprintf(why, OV_WHY_MAX, "cannot become the user " OV_USER ": %s", strerror(errno));
        return OV_EPERM;
    }
    return OV_OK;
}
