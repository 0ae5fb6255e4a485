/* store_backup: a copy of a controller's SQLite database while a daemon writes to it, and putting
 * one back.
 *
 * A copy is made by the process that wants it, not by the daemon: SQLite's write-ahead log lets one
 * read a snapshot while another commits, and neither waits for the other. The copy is one file, a
 * database of its own with a table that names its controller. It has no keys in it: the identity is
 * saved apart, and a copy is put back only beside the identity that it belongs to. */
#ifndef OV_CONTROLLER_STORE_BACKUP_H
#define OV_CONTROLLER_STORE_BACKUP_H

#include "core/credential.h"

struct ov_store_backup {
    ov_wall made;
    uint64_t networks, members; /* members: that are admitted */
};

/* Copy the database at `db` to the file `to`, mode 0600; there is all of it or nothing. `owner`:
 * the controller's identity. `error` gets a sentence on failure. OV_ENOENT: there is no database;
 * OV_EEXIST: there is such a file, and not `replace`; OV_EVERSION; OV_EIO: not a controller's
 * database, damaged, or the disk. */
OV_CHECK int ov_store_backup_make(const char *db, const char *to, bool replace,
                                  const struct ov_identity *owner, ov_wall now,
                                  struct ov_store_backup *out, char error[256]);
/* Is `file` a whole copy (every page and index is read), of a schema that this program knows
 * (OV_EVERSION), and `owner`'s (OV_EPERM)? OV_ENOENT, OV_EIO: it is no backup, or damaged. */
OV_CHECK int ov_store_backup_check(const char *file, const struct ov_identity *owner,
                                   struct ov_store_backup *out, char error[256]);
/* Check, then put `file` in the place of `db`, which nobody may have open. `kept` gets the name
 * under which the database that was there stays; empty: there was none. What the controller signed
 * after the copy was made must not look newer to members than what it signs from now on, so
 * revisions and the clock of the restored one are moved ahead. Errors as above; the database that
 * was there is then still in its place. */
#define OV_STORE_KEPT_MAX 1100
OV_CHECK int ov_store_backup_restore(const char *file, const char *db,
                                     const struct ov_identity *owner, ov_wall now,
                                     struct ov_store_backup *out, char kept[OV_STORE_KEPT_MAX],
                                     char error[256]);

#endif
