#include "as_owner.h"

#include "user.h"

#include <errno.h>
#include <libgen.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* What the two processes share, and `outlen` bytes behind it. */
struct shared {
    int err;
    char why[OV_WHY_MAX];
    max_align_t out[];
};

/* Who it has to be, for root. A directory that is not there is nobody's: fn will say so. */
static int find_owner(const char *path, uid_t *uid, gid_t *gid, char why[OV_WHY_MAX])
{
    char copy[OV_PATH_MAX];
    struct stat dir, file;
    *uid = 0;
    *gid = 0;
    snprintf(copy, sizeof(copy), "%s", path);
    const char *up = dirname(copy);
    if (stat(up, &dir) != 0)
        return OV_OK;
    bool there = lstat(path, &file) == 0 && S_ISREG(file.st_mode);
    if (dir.st_uid != 0 || (there && file.st_uid != 0)) {
        *uid = dir.st_uid != 0 ? dir.st_uid : file.st_uid;
        *gid = dir.st_uid != 0 ? dir.st_gid : file.st_gid;
        return OV_OK;
    }
    if ((dir.st_mode & S_IWOTH) == 0 && ((dir.st_mode & S_IWGRP) == 0 || dir.st_gid == 0))
        return OV_OK;
    snprintf(why, OV_WHY_MAX,
             "others than root may write to %.120s, so root does not work there: chown it to the "
             "daemon's user",
             up);
    return OV_EPERM;
}

static _Noreturn void work(uid_t uid, gid_t gid, ov_as_owner_fn *fn, const void *in,
                           struct shared *s)
{
    if (ov_user_drop(uid, gid)) {
        s->err = fn(in, s->out, s->why);
    } else {
        s->err = OV_EPERM;
        snprintf(s->why, sizeof(s->why), "root cannot become the user %u: %s", (unsigned)uid,
                 strerror(errno));
    }
    _exit(0);
}

/* What a stranger may have written, for the terminal. */
static void make_plain(char text[OV_WHY_MAX])
{
    text[OV_WHY_MAX - 1] = '\0';
    for (char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
}

int ov_as_owner(const char *path, ov_as_owner_fn *fn, const void *in, void *out, size_t outlen,
                char why[OV_WHY_MAX])
{
    uid_t uid = geteuid();
    gid_t gid = getegid();
    int status = 0, err = uid == 0 ? find_owner(path, &uid, &gid, why) : OV_OK;
    if (err != OV_OK)
        return err;
    if (uid == geteuid())
        return fn(in, out, why);
    size_t len = sizeof(struct shared) + outlen;
    struct shared *s = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s == MAP_FAILED) {
        snprintf(why, OV_WHY_MAX, "out of memory");
        return OV_ENOMEM;
    }
    memcpy(s->out, out, outlen);
    pid_t child = fork();
    if (child == 0)
        work(uid, gid, fn, in, s);
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        err = s->err;
        memcpy(why, s->why, OV_WHY_MAX);
        make_plain(why);
        memcpy(out, s->out, outlen);
    } else {
        err = OV_EIO;
        snprintf(why, OV_WHY_MAX, "the work as user %u did not come to its end", (unsigned)uid);
    }
    munmap(s, len);
    return err;
}
