#include "landlock.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The headers may be older than the kernel. */
#define FS_TRUNCATE    (UINT64_C(1) << 14) /* version 3 */
#define FS_IOCTL_DEV   (UINT64_C(1) << 15) /* version 5 */
#define SCOPE_ABSTRACT (UINT64_C(1) << 0)  /* version 6 */
#define SCOPE_SIGNAL   (UINT64_C(1) << 1)

#define VERSION_MIN 2 /* the first one lets nothing be renamed from one directory to another */

struct ruleset { /* struct landlock_ruleset_attr of version 6 */
    uint64_t fs, net, scoped;
};

#define READS  (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITES (LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE)
#define MAKES                                                                                      \
    (LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_SOCK |    \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REFER)
#define OTHERS                                                                                     \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_FIFO |    \
     LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)
/* What can be said of a file; a rule for one that says more is refused. */
#define OF_A_FILE (LANDLOCK_ACCESS_FS_READ_FILE | WRITES | FS_IOCTL_DEV)

static uint64_t known_to(int version)
{
    uint64_t all = READS | WRITES | MAKES | OTHERS | FS_IOCTL_DEV;
    if (version < 3)
        all &= ~FS_TRUNCATE;
    if (version < 5)
        all &= ~FS_IOCTL_DEV;
    return all;
}

static uint64_t access_of(unsigned rights)
{
    return (rights & OV_LANDLOCK_READ ? READS : 0) | (rights & OV_LANDLOCK_WRITE ? WRITES : 0) |
           (rights & OV_LANDLOCK_MAKE ? MAKES : 0) |
           (rights & OV_LANDLOCK_IOCTL ? FS_IOCTL_DEV : 0);
}

static void add(int ruleset, const struct ov_landlock_rule *r, uint64_t known)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = access_of(r->rights) & known};
    struct stat st;
    rule.parent_fd = open(r->path, O_PATH | O_CLOEXEC);
    if (rule.parent_fd < 0)
        return;
    if (fstat(rule.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
        rule.allowed_access &= OF_A_FILE;
    (void)syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    /* In /proc a directory that nobody holds is made anew when it is next looked at, and a rule
     * knows the old one: those stay open. */
    if (r->path[0] != '/' || __builtin_strncmp(r->path, "/proc/", 6) != 0)
        close(rule.parent_fd);
}

int ov_landlock_restrict(const struct ov_landlock_rule *v, size_t n, bool abstract)
{
    int version =
        (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < VERSION_MIN)
        return 0;
    uint64_t known = known_to(version);
    struct ruleset set = {
        .fs = known, .scoped = version < 6 ? 0 : SCOPE_SIGNAL | (abstract ? 0 : SCOPE_ABSTRACT)};
    size_t size = version < 4 ? sizeof(set.fs) : version < 6 ? 2 * sizeof(set.fs) : sizeof(set);
    int fd = (int)syscall(SYS_landlock_create_ruleset, &set, size, 0);
    if (fd < 0)
        return 0;
    for (size_t i = 0; i < n; i++)
        add(fd, &v[i], known);
    int done = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
               syscall(SYS_landlock_restrict_self, fd, 0) == 0;
    close(fd);
    return done ? version : 0;
}
