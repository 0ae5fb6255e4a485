/* store_backup: a copy of a controller's SQLite database while a daemon writes to it, and putting
 * one back.
 *
 * A copy is made by the process that wants it, not by the daemon: SQLite's write-ahead log lets one
 * read a snapshot while another commits, and neither waits for the other. The copy is one file, a
 * database with a seal of its controller's key behind it (backup_seal.h). It has no keys in it: the
 * identity is saved apart, and a copy is put back only beside the identity that it belongs to.
 *
 * Copies come and go as descriptors, so that who may open those files need not be who may open the
 * database. `name` is the file's, for sentences. `error` gets a sentence on failure. */
#ifndef OV_CONTROLLER_STORE_BACKUP_H
#define OV_CONTROLLER_STORE_BACKUP_H

#include "core/credential.h"

struct ov_store_backup {
    ov_wall made;
    uint64_t networks, members; /* members: that are admitted */
};

/* Write a copy of the database at `db` to the empty file `out`, sealed by the controller's
 * identity. OV_ENOENT: there is no database; OV_EVERSION; OV_EIO: not a controller's database,
 * damaged, or the disk; OV_ENOMEM. After an error `out` has anything in it. */
OV_CHECK int ov_store_backup_make(const char *db, int out, const struct ov_identity_secret *owner,
                                  ov_wall now, struct ov_store_backup *info, char error[256]);
/* Is `file` a copy that `owner` sealed (OV_EPERM: another one did), unchanged, whole (every page
 * and index is read), and of a schema that this program knows (OV_EVERSION)? OV_EIO, OV_ENOMEM. */
OV_CHECK int ov_store_backup_check(int file, const char *name, const struct ov_identity *owner,
                                   struct ov_store_backup *out, char error[256]);
/* Check, then put it in the place of `db`, which nobody may have open. `kept` gets the name
 * under which the database that was there stays; empty: there was none. What the controller signed
 * after the copy was made must not look newer to members than what it signs from now on, so
 * revisions and the clock of the restored one are moved ahead. Errors as above; the database that
 * was there is then still in its place. */
#define OV_STORE_KEPT_MAX 1100
OV_CHECK int ov_store_backup_restore(int file, const char *name, const char *db,
                                     const struct ov_identity *owner, ov_wall now,
                                     struct ov_store_backup *out, char kept[OV_STORE_KEPT_MAX],
                                     char error[256]);

#endif
