#include "host_check.h"

#include "identity_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define ZEROS "00000000000000000000000000000000"

/* "wlan0 00000000 0100A8C0 0003 0 0 600 00000000 ..." */
static bool default4(const char *line)
{
    char dev[64], dst[16], gateway[16], mask[16];
    unsigned flags;
    /* NOLINTNEXTLINE(cert-err34-c): the kernel writes it */
    return sscanf(line, "%63s %15s %15s %x %*s %*s %*s %15s", dev, dst, gateway, &flags, mask) ==
               5 &&
           strcmp(dst, "00000000") == 0 && strcmp(mask, "00000000") == 0 && (flags & 1);
}

/* Destination and its bits, source and its bits, gateway, metric, two counters, flags, device. The
 * kernel always has a default route through lo that leads nowhere. */
static bool default6(const char *line)
{
    char dst[40], bits[8], dev[64];
    unsigned flags;
    /* NOLINTNEXTLINE(cert-err34-c): the kernel writes it */
    return sscanf(line, "%39s %7s %*s %*s %*s %*s %*s %*s %x %63s", dst, bits, &flags, dev) == 4 &&
           strcmp(dst, ZEROS) == 0 && strcmp(bits, "00") == 0 && strcmp(dev, "lo") != 0 &&
           (flags & 1);
}

static bool any_line(const char *path, bool (*fits)(const char *line))
{
    char line[512];
    bool found = false;
    FILE *f = fopen(path, "re");
    while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL)
        found = fits(line);
    if (f != NULL)
        (void)fclose(f); /* it was only read */
    return found;
}

bool ov_host_has_route(const char *route4, const char *route6)
{
    return any_line(route4, default4) || any_line(route6, default6);
}

static bool has_unit(void)
{
    static const char *const PLACES[] = {
        "/etc/systemd/system/ovpn.service", "/usr/local/lib/systemd/system/ovpn.service",
        "/usr/lib/systemd/system/ovpn.service", "/lib/systemd/system/ovpn.service"};
    bool found = false;
    for (size_t i = 0; i < sizeof(PLACES) / sizeof(PLACES[0]); i++)
        found |= access(PLACES[i], F_OK) == 0;
    return found && access("/run/systemd/system", F_OK) == 0;
}

bool ov_host_state(const char *dir, char *why)
{
    struct ov_identity_secret id;
    struct statvfs fs;
    struct stat st;
    if (stat(dir, &st) != 0) /* who may not look is not who runs the daemon */
        return false;
    if (!S_ISDIR(st.st_mode)) {
        snprintf(why, OV_WHY_MAX, "%.160s is no directory", dir);
        return true;
    }
    if (access(dir, R_OK | W_OK | X_OK) != 0) {
        snprintf(why, OV_WHY_MAX, "%.160s: %s", dir, strerror(errno));
        return errno != EACCES;
    }
    if (statvfs(dir, &fs) == 0 && (fs.f_bavail == 0 || (fs.f_files > 0 && fs.f_favail == 0))) {
        snprintf(why, OV_WHY_MAX, "the disk with %.160s is full", dir);
        return true;
    }
    int err = ov_identity_file_load(dir, &OV_POW_DEFAULT, &id, why);
    ov_identity_wipe(&id);
    return err != OV_OK && err != OV_ENOENT && err != OV_EPERM;
}

json_t *ov_host_check(void)
{
    return json_pack("{s:b,s:b,s:b}", "tun", access("/dev/net/tun", F_OK) == 0, "route",
                     ov_host_has_route("/proc/net/route", "/proc/net/ipv6_route"), "unit",
                     has_unit());
}
