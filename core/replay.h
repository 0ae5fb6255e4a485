/* replay: a sliding window over 64-bit counters (RFC 6479's block-wise shift). */
#ifndef OV_CORE_REPLAY_H
#define OV_CORE_REPLAY_H

#include "types.h"

#define OV_REPLAY_WINDOW 8192 /* at least this many counters behind the highest are told apart */
#define OV_REPLAY_WORDS  (OV_REPLAY_WINDOW / 64)

struct ov_replay {
    uint64_t bits[OV_REPLAY_WORDS]; /* of the words before the top one */
    uint64_t top;                   /* the word that the highest counter is in */
    uint64_t next;                  /* highest accepted counter + 1; 0: none yet */
};

void ov_replay_init(struct ov_replay *w);
/* Would `counter` be accepted? Cheap look before the cryptography; changes nothing. */
bool ov_replay_check(const struct ov_replay *w, uint64_t counter);
/* Accept an authenticated counter: OV_EREPLAY when seen or older than the window. UINT64_MAX is
 * never accepted. */
OV_CHECK int ov_replay_accept(struct ov_replay *w, uint64_t counter);

#endif
