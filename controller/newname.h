/* newname: the last step of writing a file that may replace none. It was written under another name
 * beside its own, and gets its own when it is whole. Also where there are no hard links: FAT and
 * exFAT, which is what sticks are. */
#ifndef OV_CONTROLLER_NEWNAME_H
#define OV_CONTROLLER_NEWNAME_H

#include "core/error.h"

#include <stdbool.h>

/* Rename `from` to `to`, both in one directory. False with errno: EEXIST when there is such a file,
 * which is left alone; `from` is then still there. */
OV_CHECK bool ov_newname(const char *from, const char *to);

#endif
