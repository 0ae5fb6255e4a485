/* cmd_id: what the files of `ovpn id` share. */
#ifndef OV_CLI_CMD_ID_H
#define OV_CLI_CMD_ID_H

#include "client.h"
#include "identity_file.h"

/* Rename the secret identity, since a lost one cannot be made again; `kept` is its new path. */
bool ov_id_put_aside(const char *dir, char kept[OV_PATH_MAX], char why[OV_WHY_MAX]);
/* "what ADDRESS", or with "" both forms of the identity. */
void ov_id_print(const struct ov_command_line *line, const struct ov_identity *id,
                 const char *what);

#define OV_ID_NONE "there is none yet: the daemon makes one at its first start, or \"ovpn id new\""

int ov_id_export(int argc, char **argv);
int ov_id_import(int argc, char **argv);

#endif
