/* database_backup: saving a controller's database to a file and putting it back, on behalf of
 * somebody who may do more than the daemon. Files named by him are opened by him, and the daemon's
 * by a process that has only the daemon's rights. */
#ifndef OV_CLI_DATABASE_BACKUP_H
#define OV_CLI_DATABASE_BACKUP_H

#include "controller/store_backup.h"
#include "file.h"

/* Where things are. */
struct ov_database {
    char state[OV_PATH_MAX]; /* the state directory, with the controller's identity */
    char path[OV_PATH_MAX];
    const struct ov_pow *pow;
};

struct ov_database_backup {
    struct ov_store_backup info;
    ov_addr controller;
    char kept[OV_STORE_KEPT_MAX]; /* by restore: the database that was there; empty: none was */
    bool no_identity, running;    /* why it failed, if so: there is none here; the daemon runs */
};

/* Save it to the file `to`, 0600: all of it or nothing. `why` gets a sentence on every error.
 * OV_EEXIST: there is such a file, and not `replace`; OV_ENOENT: there is no database, or no
 * directory for `to`; the others of store_backup.h, identity_file.h and file.h. */
OV_CHECK int ov_database_save(const struct ov_database *at, const char *to, bool replace,
                              ov_wall now, struct ov_database_backup *out, char why[OV_WHY_MAX]);
/* Is it good for this controller? */
OV_CHECK int ov_database_check(const struct ov_database *at, const char *file,
                               struct ov_database_backup *out, char why[OV_WHY_MAX]);
/* Put it back, while no daemon runs there. */
OV_CHECK int ov_database_restore(const struct ov_database *at, const char *file, ov_wall now,
                                 struct ov_database_backup *out, char why[OV_WHY_MAX]);

#endif
