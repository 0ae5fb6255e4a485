/* settings: an owner's words into a network's or a member's record, strictly. Pure: what needs the
 * store (is a name or an address free?) is the caller's to check.
 *
 * On error (OV_EINVAL) the record is as it was and `why` has a sentence. */
#ifndef OV_CONTROLLER_SETTINGS_H
#define OV_CONTROLLER_SETTINGS_H

#include "store.h"

OV_CHECK int ov_settings_net(struct ov_net_record *n, const char *key, const char *value,
                             char why[256]);
OV_CHECK int ov_settings_member(const struct ov_net_record *n, struct ov_member_record *m,
                                const char *key, const char *value, char why[256]);
/* ov_name_valid(), with what is wrong in words. */
OV_CHECK int ov_settings_name(const char *name, char why[256]);
/* UTF-8 without control characters, at most OV_NOTE_MAX - 1 bytes. */
OV_CHECK int ov_settings_note(const char *note, char why[256]);

#endif
