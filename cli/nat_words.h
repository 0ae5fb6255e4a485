/* nat_words: what a NAT means, in words for people; `status` and `doctor` say the same. */
#ifndef OV_CLI_NAT_WORDS_H
#define OV_CLI_NAT_WORDS_H

#include <jansson.h>

/* Of its "mapping", "filtering" and "ports", in terms of RFC 4787, as the API gives them. */
const char *ov_nat_words(const json_t *nat);

#endif
