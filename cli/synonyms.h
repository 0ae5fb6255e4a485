/* synonyms: what other programs, and other people, call our commands. */
#ifndef OV_CLI_SYNONYMS_H
#define OV_CLI_SYNONYMS_H

#define OV_SYNONYM_TEXT 512
/* What somebody means who types "ovpn PREFIXWORD ARGS", as a command line with those of the `n`
 * arguments that have a place in it: "net set dorm name lair". NULL: we do not know. */
const char *ov_synonym(const char *prefix, const char *word, int n, char *const *args,
                       char out[OV_SYNONYM_TEXT]);

#endif
