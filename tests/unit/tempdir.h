/* tempdir: a directory of a test's own, and files in it. */
#ifndef OV_TESTS_TEMPDIR_H
#define OV_TESTS_TEMPDIR_H

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMPDIR_MAX 64

static inline void tempdir_make(char out[TEMPDIR_MAX])
{
    strcpy(out, "/tmp/ovpn-test-XXXXXX");
    if (mkdtemp(out) == NULL)
        abort();
}

static inline int tempdir_remove_one(const char *path, const struct stat *st, int type,
                                     struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void tempdir_remove(const char *dir)
{
    nftw(dir, tempdir_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void tempdir_write(const char *dir, const char *name, const void *data, size_t len)
{
    char path[TEMPDIR_MAX * 2];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, data, len) != (ssize_t)len || close(fd) != 0)
        abort();
}

/* Length, or -1 when there is no such file. */
static inline ssize_t tempdir_read(const char *dir, const char *name, char *out, size_t cap)
{
    char path[TEMPDIR_MAX * 2];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return -1;
    ssize_t n = read(fd, out, cap - 1);
    close(fd);
    if (n >= 0)
        out[n] = '\0';
    return n;
}

static inline mode_t tempdir_mode(const char *dir, const char *name)
{
    char path[TEMPDIR_MAX * 2];
    struct stat st;
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return stat(path, &st) == 0 ? st.st_mode & 07777 : 0;
}

/* How many entries `dir/sub` has. */
static inline size_t tempdir_count(const char *dir, const char *sub)
{
    char path[TEMPDIR_MAX * 2];
    size_t n = 0;
    snprintf(path, sizeof(path), "%s/%s", dir, sub);
    DIR *d = opendir(path);
    for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    if (d != NULL)
        closedir(d);
    return n;
}

#endif
