/* replay: runs a fuzz target over the files and folders named, so that a corpus is a regression
 * test with any compiler. Reports as TAP; a crash ends it. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Feeds one file; false when it cannot be read. */
static int feed(const char *path)
{
    FILE *f = fopen(path, "rb");
    long len;
    uint8_t *data;
    size_t got;

    if (!f || fseek(f, 0, SEEK_END) || (len = ftell(f)) < 0 || fseek(f, 0, SEEK_SET))
        return 0;
    data = malloc(len ? (size_t)len : 1);
    if (!data)
        return 0;
    got = fread(data, 1, (size_t)len, f);
    fclose(f);
    LLVMFuzzerTestOneInput(data, got);
    free(data);
    return got == (size_t)len;
}

/* Feeds a file, or every file of a folder; how many, or -1. */
static int feed_all(const char *path)
{
    struct stat st;
    struct dirent *e;
    DIR *d;
    int count = 0;

    if (stat(path, &st))
        return -1;
    if (!S_ISDIR(st.st_mode))
        return feed(path) ? 1 : -1;
    d = opendir(path);
    if (!d)
        return -1;
    while ((e = readdir(d))) {
        char file[4096];
        if (e->d_name[0] == '.')
            continue;
        snprintf(file, sizeof file, "%s/%s", path, e->d_name);
        if (!feed(file)) {
            closedir(d);
            return -1;
        }
        count++;
    }
    closedir(d);
    return count;
}

int main(int argc, char **argv)
{
    int failed = 0;

    for (int i = 1; i < argc; i++) {
        int count = feed_all(argv[i]);
        failed |= count < 1;
        printf("%s %d - %d inputs of %s\n", count < 1 ? "not ok" : "ok", i, count, argv[i]);
        fflush(stdout);
    }
    return failed;
}
