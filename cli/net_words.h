/* net_words: how far a joined network is, in words for people; `networks` and `status` say the
 * same. */
#ifndef OV_CLI_NET_WORDS_H
#define OV_CLI_NET_WORDS_H

#include <jansson.h>
#include <stdbool.h>

/* Of a NETWORK as the API gives it; all are literals, "" where there is nothing to say. */
const char *ov_net_state_words(const json_t *net);
/* To go behind "ready": what the network gave this computer, and did not get a place on it. */
const char *ov_net_lack_words(const json_t *net);
bool ov_net_is_ready(const json_t *net);

#endif
