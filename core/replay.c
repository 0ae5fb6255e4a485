/* The window is a ring of 64-bit words, one more than the window needs: the word of the highest
 * counter is only partly used, and moving forward clears whole words instead of shifting bits. */
#include "replay.h"

#include <string.h>

static uint64_t *word_of(struct ov_replay *w, uint64_t counter)
{
    return &w->bits[counter / 64 % OV_REPLAY_WORDS];
}

void ov_replay_init(struct ov_replay *w)
{
    memset(w, 0, sizeof(*w));
}

bool ov_replay_check(const struct ov_replay *w, uint64_t counter)
{
    if (counter == UINT64_MAX)
        return false;
    if (counter >= w->next)
        return true;
    if (w->next - 1 - counter > OV_REPLAY_WINDOW)
        return false;
    return (w->bits[counter / 64 % OV_REPLAY_WORDS] >> counter % 64 & 1) == 0;
}

int ov_replay_accept(struct ov_replay *w, uint64_t counter)
{
    if (!ov_replay_check(w, counter))
        return OV_EREPLAY;
    if (counter >= w->next) {
        uint64_t at = w->next > 0 ? (w->next - 1) / 64 : 0, ahead = counter / 64 - at;
        if (ahead > OV_REPLAY_WORDS)
            ahead = OV_REPLAY_WORDS;
        for (uint64_t i = 0; i < ahead; i++)
            *word_of(w, counter - 64 * i) = 0;
        w->next = counter + 1;
    }
    *word_of(w, counter) |= 1ull << counter % 64;
    return OV_OK;
}
