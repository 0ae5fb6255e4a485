#include "file.h"

#include "controller/newname.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Turn errno into one of ours and a sentence that says what to do. */
static int fail(char why[OV_WHY_MAX], const char *doing, const char *path, int err)
{
    const char *hint = err == ENOSPC || err == EDQUOT  ? "free some disk space"
                       : err == EACCES || err == EPERM ? "run it as root (sudo)"
                       : err == EROFS                  ? "the file system is read-only"
                                                       : NULL;
    snprintf(why, OV_WHY_MAX, "cannot %s %.140s: %s%s%s", doing, path, strerror(err),
             hint ? "; " : "", hint ? hint : "");
    switch (err) {
    case ENOENT:
        return OV_ENOENT;
    case EEXIST:
        return OV_EEXIST;
    case EACCES:
    case EPERM:
        return OV_EPERM;
    default:
        return OV_EIO;
    }
}

int ov_path_join(char out[OV_PATH_MAX], const char *dir, const char *name, char why[OV_WHY_MAX])
{
    int n = snprintf(out, OV_PATH_MAX, "%s/%s", dir, name);
    if (n < 0 || n >= OV_PATH_MAX) {
        snprintf(why, OV_WHY_MAX, "the path of %.64s is too long", name);
        return OV_EINVAL;
    }
    return OV_OK;
}

int ov_file_read(const char *path, void *buf, size_t cap, size_t *len, char why[OV_WHY_MAX])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return fail(why, "read", path, errno);
    size_t have = 0;
    int err = OV_OK;
    while (have < cap) {
        ssize_t n = read(fd, (char *)buf + have, cap - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            err = fail(why, "read", path, errno);
        if (n <= 0)
            break;
        have += (size_t)n;
    }
    close(fd);
    if (err == OV_OK && have == cap) {
        snprintf(why, OV_WHY_MAX, "%.180s is too large to be what it should be", path);
        err = OV_EFULL;
    }
    if (err != OV_OK)
        return err;
    ((char *)buf)[have] = '\0';
    *len = have;
    return OV_OK;
}

static bool write_all(int fd, const void *data, size_t len)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

/* Make a change of names in the directory of `path` survive a power loss. */
static int sync_parent(const char *path, char why[OV_WHY_MAX])
{
    char dir[OV_PATH_MAX];
    snprintf(dir, sizeof(dir), "%s", path);
    char *slash = strrchr(dir, '/');
    if (slash == NULL)
        snprintf(dir, sizeof(dir), ".");
    else
        slash[slash == dir ? 1 : 0] = '\0';
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return fail(why, "open", dir, errno);
    int err = fsync(fd) == 0 || errno == EINVAL ? OV_OK : fail(why, "write", dir, errno);
    close(fd);
    return err;
}

int ov_file_follow_owner(int fd, const char *path)
{
    char dir[OV_PATH_MAX];
    struct stat st, file;
    snprintf(dir, sizeof(dir), "%s", path);
    if (geteuid() != 0 || stat(dirname(dir), &st) != 0 || st.st_uid == 0)
        return OV_OK;
    errno = EPERM;
    if (fstat(fd, &file) != 0 || (S_ISREG(file.st_mode) && file.st_nlink != 1))
        return OV_EPERM; /* one of another's, that was linked there */
    return fchown(fd, st.st_uid, st.st_gid) == 0 ? OV_OK : OV_EPERM;
}

/* The common way of write and create; a temporary file is never left behind but by a crash. */
static int put(const char *path, const void *data, size_t len, bool replace, char why[OV_WHY_MAX])
{
    char tmp[OV_PATH_MAX + 8];
    snprintf(tmp, sizeof(tmp), "%s.XXXXXX", path);
    int fd = mkostemp(tmp, O_CLOEXEC); /* 0600 */
    if (fd < 0)
        return fail(why, "write", path, errno);
    int err = OV_OK;
    if (ov_file_follow_owner(fd, path) != OV_OK || !write_all(fd, data, len) || fsync(fd) != 0)
        err = fail(why, "write", path, errno);
    if (close(fd) != 0 && err == OV_OK)
        err = fail(why, "write", path, errno);
    if (err == OV_OK && !(replace ? rename(tmp, path) == 0 : ov_newname(tmp, path)))
        err = fail(why, "write", path, errno);
    if (err != OV_OK)
        unlink(tmp);
    return err == OV_OK ? sync_parent(path, why) : err;
}

int ov_file_write(const char *path, const void *data, size_t len, char why[OV_WHY_MAX])
{
    return put(path, data, len, true, why);
}

int ov_file_create(const char *path, const void *data, size_t len, char why[OV_WHY_MAX])
{
    return put(path, data, len, false, why);
}

int ov_file_remove(const char *path, char why[OV_WHY_MAX])
{
    if (unlink(path) != 0)
        return errno == ENOENT ? OV_OK : fail(why, "remove", path, errno);
    return sync_parent(path, why);
}

/* The daemon's directory, seen by root. */
static bool is_the_daemons(uid_t uid)
{
    const struct passwd *pw = geteuid() == 0 ? getpwnam(OV_USER) : NULL;
    return pw != NULL && pw->pw_uid == uid;
}

/* Who else may write to a directory of secrets can plant a key of his own, or links to others'
 * files. */
static int keep_others_out(const char *path, const struct stat *st, char why[OV_WHY_MAX])
{
    if (st->st_uid != geteuid() && st->st_uid != 0 && !is_the_daemons(st->st_uid)) {
        snprintf(why, OV_WHY_MAX,
                 "%.120s belongs to another user, who could change what is in it: take another "
                 "directory, or chown this one",
                 path);
        return OV_EPERM;
    }
    if ((st->st_mode & S_IWOTH) != 0) {
        snprintf(why, OV_WHY_MAX,
                 "everybody may write to %.120s: take another directory, or empty this one and "
                 "chmod 700 it",
                 path);
        return OV_EPERM;
    }
    if ((st->st_mode & S_IWGRP) != 0 && chmod(path, st->st_mode & 07757) != 0)
        return fail(why, "take the group's write permission from", path, errno);
    return OV_OK;
}

/* A new one of root's in the daemon's is the daemon's. */
static int give_dir(const char *path, char why[OV_WHY_MAX])
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int err = fd < 0 ? OV_EPERM : ov_file_follow_owner(fd, path);
    int code = errno;
    if (fd >= 0)
        close(fd);
    return err == OV_OK ? OV_OK : fail(why, "make", path, code);
}

int ov_dir_make(const char *path, char why[OV_WHY_MAX])
{
    char p[OV_PATH_MAX];
    if (snprintf(p, sizeof(p), "%s", path) >= OV_PATH_MAX || path[0] == '\0') {
        snprintf(why, OV_WHY_MAX, "\"%.140s\" is no usable directory name", path);
        return OV_EINVAL;
    }
    for (char *s = p + 1; *s != '\0'; s++) {
        if (*s != '/')
            continue;
        *s = '\0';
        if (mkdir(p, 0755) != 0 && errno != EEXIST)
            return fail(why, "make", p, errno);
        *s = '/';
    }
    if (mkdir(p, 0700) == 0)
        return give_dir(p, why);
    struct stat st;
    if (errno != EEXIST || stat(p, &st) != 0)
        return fail(why, "make", p, errno);
    if (!S_ISDIR(st.st_mode))
        return fail(why, "use", p, ENOTDIR);
    return keep_others_out(p, &st, why);
}
