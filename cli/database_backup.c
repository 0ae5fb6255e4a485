#include "database_backup.h"

#include "as_owner.h"
#include "identity_file.h"
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Theory of operation. Two users may be asked for work: the state directory's owner, for the
 * identity and the daemon's lock, and the database's. In the usual case they are one, and the
 * second is who we have become already. The copy goes through a file in memory, which is sealed
 * against changes before root looks at it. */

struct job {
    const struct ov_database *at;
    enum { SAVE, CHECK, RESTORE } what;
    int file; /* the copy, to be written or to be read */
    const char *name;
    ov_wall now;
    struct ov_identity_secret id; /* filled in by who may read it */
};

/* ---- as the database's owner ---- */

static int with_database(const void *in, void *out, char why[OV_WHY_MAX])
{
    const struct job *j = in;
    struct ov_database_backup *b = out;
    switch (j->what) {
    case SAVE:
        return ov_store_backup_make(j->at->path, j->file, &j->id, j->now, &b->info, why);
    case CHECK:
        return ov_store_backup_check(j->file, j->name, &j->id.pub, &b->info, why);
    default:
        return ov_store_backup_restore(j->file, j->name, j->at->path, &j->id.pub, j->now, &b->info,
                                       b->kept, why);
    }
}

/* ---- as the state directory's owner ---- */

static int with_state(const void *in, void *out, char why[OV_WHY_MAX])
{
    static const struct ov_log silent = {0};
    struct job j = *(const struct job *)in;
    struct ov_database_backup *b = out;
    struct ov_state *state = NULL;
    int err = ov_identity_file_load(j.at->state, j.at->pow, &j.id, why);
    b->no_identity = err == OV_ENOENT;
    if (err == OV_OK)
        b->controller = j.id.pub.addr;
    if (err == OV_OK && j.what == RESTORE) {
        /* with the daemon's own lock, so that none starts meanwhile */
        err = ov_state_open(j.at->state, &silent, &state, why);
        b->running = err == OV_EEXIST;
    }
    if (err == OV_OK)
        err = ov_as_owner(j.at->path, with_database, &j, b, sizeof(*b), why);
    ov_state_close(state);
    ov_identity_wipe(&j.id);
    return err;
}

/* ---- as who we are ---- */

static int run(const struct job *j, struct ov_database_backup *out, char why[OV_WHY_MAX])
{
    char path[OV_PATH_MAX];
    memset(out, 0, sizeof(*out));
    int err = ov_path_join(path, j->at->state, OV_IDENTITY_SECRET_FILE, why);
    if (err == OV_OK)
        err = ov_as_owner(path, with_state, j, out, sizeof(*out), why);
    out->kept[sizeof(out->kept) - 1] = '\0';
    return err;
}

static int open_for_reading(const char *path, char why[OV_WHY_MAX])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        snprintf(why, OV_WHY_MAX, "cannot open %.150s: %s", path, strerror(errno));
    return fd;
}

static int run_on(struct job *j, struct ov_database_backup *out, char why[OV_WHY_MAX])
{
    j->file = open_for_reading(j->name, why);
    if (j->file < 0)
        return errno == ENOENT ? OV_ENOENT : OV_EIO;
    int err = run(j, out, why);
    close(j->file);
    return err;
}

/* The bytes of a file in memory, which nobody changes from now on, to a file on the disk. */
static int keep(int fd, const char *to, bool replace, char why[OV_WHY_MAX])
{
    struct stat st;
    void *p = MAP_FAILED;
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0 &&
        fstat(fd, &st) == 0 && st.st_size > 0)
        p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p == MAP_FAILED) {
        snprintf(why, OV_WHY_MAX, "the copy cannot be read: %s", strerror(errno));
        return OV_EIO;
    }
    int err = (replace ? ov_file_write : ov_file_create)(to, p, (size_t)st.st_size, why);
    munmap(p, (size_t)st.st_size);
    return err;
}

/* Is there a directory to put it into? Told before the work is done. */
static int find_directory(const char *to, char why[OV_WHY_MAX])
{
    char dir[OV_PATH_MAX];
    const char *slash = strrchr(to, '/');
    struct stat st;
    if (slash == NULL)
        return OV_OK;
    if (snprintf(dir, sizeof(dir), "%.*s/", (int)(slash - to), to) >= (int)sizeof(dir)) {
        snprintf(why, OV_WHY_MAX, "the path %.100s... is too long", to);
        return OV_EINVAL;
    }
    if (stat(dir, &st) == 0)
        return OV_OK;
    snprintf(why, OV_WHY_MAX, "cannot write into the directory %.150s: %s", dir, strerror(errno));
    return OV_EIO;
}

int ov_database_save(const struct ov_database *at, const char *to, bool replace, ov_wall now,
                     struct ov_database_backup *out, char why[OV_WHY_MAX])
{
    struct job j = {.at = at, .what = SAVE, .name = to, .now = now};
    if (!replace && access(to, F_OK) == 0) { /* told before the work is done */
        snprintf(why, OV_WHY_MAX, "cannot write %.150s: %s", to, strerror(EEXIST));
        return OV_EEXIST;
    }
    int err = find_directory(to, why);
    if (err != OV_OK)
        return err;
    j.file = memfd_create("copy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (j.file < 0) {
        snprintf(why, OV_WHY_MAX, "no memory for the copy: %s", strerror(errno));
        return OV_EIO;
    }
    err = run(&j, out, why);
    if (err == OV_OK)
        err = keep(j.file, to, replace, why);
    close(j.file);
    return err;
}

int ov_database_check(const struct ov_database *at, const char *file,
                      struct ov_database_backup *out, char why[OV_WHY_MAX])
{
    struct job j = {.at = at, .what = CHECK, .name = file};
    return run_on(&j, out, why);
}

int ov_database_restore(const struct ov_database *at, const char *file, ov_wall now,
                        struct ov_database_backup *out, char why[OV_WHY_MAX])
{
    struct job j = {.at = at, .what = RESTORE, .name = file, .now = now};
    return run_on(&j, out, why);
}
