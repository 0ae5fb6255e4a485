#include "identity_file.h"

#include "core/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TITLE     "ovpn identity v"
#define FILE_MAX  512
#define CHECK_LEN 16 /* of ov_hash, of which half are written */

/* The sentence for a file whose content is wrong; `what` names what is. */
static int broken(char why[OV_WHY_MAX], int err, const char *path, const char *what)
{
    snprintf(
        why, OV_WHY_MAX,
        "%.100s is broken (%s): put a backup of it back, or move it away to get a new identity "
        "(networks must then be joined again)",
        path, what);
    return err;
}

/* Take "key HEX\n" from the front of *p into out; false when it is anything else. */
static bool take_hex(const char **p, const char *key, uint8_t *out, size_t len)
{
    size_t n = strlen(key);
    if (strncmp(*p, key, n) != 0 || (*p)[n] != ' ')
        return false;
    const char *hex = *p + n + 1, *end = NULL;
    size_t got = 0;
    if (strnlen(hex, 2 * len + 1) != 2 * len + 1 ||
        sodium_hex2bin(out, len, hex, 2 * len, NULL, &got, &end) != 0 || got != len ||
        end != hex + 2 * len || *end != '\n')
        return false;
    *p = end + 1;
    return true;
}

static uint64_t load_be(const uint8_t *p, size_t n)
{
    uint64_t v = 0;
    while (n-- > 0)
        v = v << 8 | *p++;
    return v;
}

/* The text of identity.secret, check line included; returns its length. */
static size_t format_secret(const struct ov_identity_secret *id, char out[FILE_MAX])
{
    char seed[65], addr[OV_ADDR_TEXT];
    sodium_bin2hex(seed, sizeof(seed), id->seed, sizeof(id->seed));
    int n = snprintf(out, FILE_MAX, TITLE "1\nseed %s\nnonce %016llx\naddress %s\n", seed,
                     (unsigned long long)id->pub.nonce, ov_addr_format(id->pub.addr, addr));
    ov_wipe(seed, sizeof(seed));
    uint8_t sum[CHECK_LEN];
    ov_hash(sum, sizeof(sum), NULL, 0, out, (size_t)n);
    n += snprintf(out + n, FILE_MAX - (size_t)n, "check %016llx\n",
                  (unsigned long long)ov_load64(sum));
    return (size_t)n;
}

static int parse_secret(const char *text, size_t len, const char *path, const struct ov_pow *pow,
                        struct ov_identity_secret *out, char why[OV_WHY_MAX])
{
    uint8_t seed[32], nonce[8], addr[5], check[8], sum[CHECK_LEN];
    int err;
    if (strncmp(text, TITLE, strlen(TITLE)) != 0)
        return broken(why, OV_EINVAL, path, len == 0 ? "it is empty" : "it is no identity file");
    const char *p = text + strlen(TITLE);
    if (strncmp(p, "1\n", 2) != 0) {
        snprintf(why, OV_WHY_MAX,
                 "%.100s was made by a newer ovpn: install the newer version again", path);
        return OV_EVERSION;
    }
    p += 2;
    if (!take_hex(&p, "seed", seed, sizeof(seed)) || !take_hex(&p, "nonce", nonce, sizeof(nonce)) ||
        !take_hex(&p, "address", addr, sizeof(addr))) {
        err = broken(why, OV_EINVAL, path, "a line is damaged or missing");
        goto out;
    }
    ov_hash(sum, sizeof(sum), NULL, 0, text, (size_t)(p - text));
    if (!take_hex(&p, "check", check, sizeof(check)) || p != text + len ||
        ov_load64(check) != ov_load64(sum)) {
        err = broken(why, OV_EINVAL, path, "its check line does not match");
        goto out;
    }
    err = ov_identity_load(seed, ov_load64(nonce), pow, out);
    if (err == OV_OK && out->pub.addr != load_be(addr, sizeof(addr))) {
        ov_identity_wipe(out);
        err = OV_EAUTH;
    }
    if (err == OV_EAUTH)
        broken(why, err, path, "its address does not follow from its keys");
    else if (err != OV_OK)
        snprintf(why, OV_WHY_MAX, "cannot check %.100s: %s", path, ov_strerror(err));
out:
    ov_wipe(seed, sizeof(seed));
    return err;
}

/* A backup put back is often readable by all: a secret is not left so. Root may be led here by a
 * link of the daemon's, and changes no other file than the one that has this name. */
static int make_private(const char *path, char why[OV_WHY_MAX])
{
    struct stat st;
    if (stat(path, &st) != 0 || (st.st_mode & 077) == 0)
        return OV_OK; /* what is not there is for reading to tell */
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    errno = fd < 0 ? errno : EPERM;
    bool done = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 &&
                fchmod(fd, 0600) == 0;
    if (fd >= 0)
        close(fd);
    if (done)
        return OV_OK;
    snprintf(why, OV_WHY_MAX, "%.100s can be read by others, and that cannot be changed: %s", path,
             strerror(errno));
    return OV_EPERM;
}

int ov_identity_file_load(const char *dir, const struct ov_pow *pow, struct ov_identity_secret *out,
                          char why[OV_WHY_MAX])
{
    char path[OV_PATH_MAX], text[FILE_MAX];
    size_t len = 0;
    int err = ov_path_join(path, dir, OV_IDENTITY_SECRET_FILE, why);
    if (err == OV_OK)
        err = make_private(path, why);
    if (err == OV_OK)
        err = ov_file_read(path, text, sizeof(text), &len, why);
    if (err == OV_OK && strlen(text) != len)
        err = broken(why, OV_EINVAL, path, "it has zero bytes in it");
    else if (err == OV_OK)
        err = parse_secret(text, len, path, pow, out, why);
    else if (err == OV_EFULL)
        err = broken(why, OV_EINVAL, path, "it is too large");
    ov_wipe(text, sizeof(text));
    return err;
}

int ov_identity_file_publish(const char *dir, const struct ov_identity *id, char why[OV_WHY_MAX])
{
    char path[OV_PATH_MAX], text[OV_IDENTITY_TEXT + 1], old[FILE_MAX];
    int err = ov_path_join(path, dir, OV_IDENTITY_PUBLIC_FILE, why);
    if (err != OV_OK)
        return err;
    ov_identity_format(id, text);
    size_t len = strlen(text);
    text[len++] = '\n';
    size_t have = 0;
    if (ov_file_read(path, old, sizeof(old), &have, why) == OV_OK && have == len &&
        memcmp(old, text, len) == 0)
        return OV_OK;
    return ov_file_write(path, text, len, why);
}

/* The directory is there, and no identity is in it; `path` is where it goes. */
static int find_room(const char *dir, char path[OV_PATH_MAX], char why[OV_WHY_MAX])
{
    char text[FILE_MAX];
    size_t len = 0;
    int err = ov_dir_make(dir, why);
    if (err == OV_OK)
        err = ov_path_join(path, dir, OV_IDENTITY_SECRET_FILE, why);
    if (err != OV_OK)
        return err;
    err = ov_file_read(path, text, sizeof(text), &len, why);
    ov_wipe(text, sizeof(text));
    if (err == OV_ENOENT)
        return OV_OK;
    if (err != OV_OK && err != OV_EFULL)
        return err;
    snprintf(why, OV_WHY_MAX, "%.160s exists and is never overwritten", path);
    return OV_EEXIST;
}

static int store(const char *dir, const char *path, const struct ov_identity_secret *id,
                 char why[OV_WHY_MAX])
{
    char text[FILE_MAX];
    int err = ov_file_create(path, text, format_secret(id, text), why);
    ov_wipe(text, sizeof(text));
    return err == OV_OK ? ov_identity_file_publish(dir, &id->pub, why) : err;
}

int ov_identity_file_put(const char *dir, const struct ov_identity_secret *id, char why[OV_WHY_MAX])
{
    char path[OV_PATH_MAX];
    int err = find_room(dir, path, why);
    return err == OV_OK ? store(dir, path, id, why) : err;
}

int ov_identity_file_make(const char *dir, const struct ov_pow *pow,
                          bool (*progress)(void *arg, uint64_t tries), void *arg,
                          struct ov_identity_secret *out, char why[OV_WHY_MAX])
{
    char path[OV_PATH_MAX];
    uint8_t seed[32];
    int err = find_room(dir, path, why);
    if (err != OV_OK)
        return err;
    randombytes_buf(seed, sizeof(seed));
    err = ov_identity_make(seed, pow, progress, arg, out);
    ov_wipe(seed, sizeof(seed));
    if (err != OV_OK) {
        snprintf(why, OV_WHY_MAX, "no identity was made: %s",
                 err == OV_ESTATE ? "stopped" : ov_strerror(err));
        return err;
    }
    err = store(dir, path, out, why);
    if (err != OV_OK)
        ov_identity_wipe(out);
    return err;
}

int ov_identity_file_public(const char *dir, const struct ov_pow *pow, struct ov_identity *out,
                            char why[OV_WHY_MAX])
{
    char path[OV_PATH_MAX], text[FILE_MAX];
    size_t len = 0;
    int err = ov_path_join(path, dir, OV_IDENTITY_PUBLIC_FILE, why);
    if (err == OV_OK)
        err = ov_file_read(path, text, sizeof(text), &len, why);
    if (err != OV_OK)
        return err;
    text[strcspn(text, "\n")] = '\0';
    err = ov_identity_parse(text, pow, out);
    if (err != OV_OK)
        snprintf(why, OV_WHY_MAX,
                 "%.140s is broken: remove it, and \"ovpn service\" makes it again", path);
    return err;
}
