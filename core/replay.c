/* The window is a ring of 64-bit words, and one more for the highest counters, which is only partly
 * used; moving forward clears whole words instead of shifting bits. The top word goes into the
 * ring, over the oldest, when a higher one begins. Packets in order are all in the top word: what
 * they need of 1 KiB is 16 bytes. */
#include "replay.h"

#include <string.h>

void ov_replay_init(struct ov_replay *w)
{
    memset(w, 0, sizeof(*w));
}

/* The number of the word in `top`. */
static uint64_t top_of(const struct ov_replay *w)
{
    return w->next > 0 ? (w->next - 1) / 64 : 0;
}

static const uint64_t *word_of(const struct ov_replay *w, uint64_t counter)
{
    return counter / 64 == top_of(w) ? &w->top : &w->bits[counter / 64 % OV_REPLAY_WORDS];
}

bool ov_replay_check(const struct ov_replay *w, uint64_t counter)
{
    if (counter == UINT64_MAX)
        return false;
    if (counter >= w->next)
        return true;
    if (w->next - 1 - counter > OV_REPLAY_WINDOW)
        return false;
    return (*word_of(w, counter) >> counter % 64 & 1) == 0;
}

/* Make the word of `counter`, which is a higher one, the top. */
static void advance(struct ov_replay *w, uint64_t counter)
{
    uint64_t top = top_of(w), ahead = counter / 64 - top;

    w->bits[top % OV_REPLAY_WORDS] = w->top;
    if (ahead > OV_REPLAY_WORDS)
        ahead = OV_REPLAY_WORDS + 1; /* all of the ring is between */
    for (uint64_t i = 1; i < ahead; i++)
        w->bits[(counter / 64 - i) % OV_REPLAY_WORDS] = 0;
    w->top = 0;
}

int ov_replay_accept(struct ov_replay *w, uint64_t counter)
{
    if (!ov_replay_check(w, counter))
        return OV_EREPLAY;
    if (counter >= w->next) {
        if (counter / 64 != top_of(w))
            advance(w, counter);
        w->next = counter + 1;
    }
    if (counter / 64 == top_of(w))
        w->top |= 1ull << counter % 64;
    else
        w->bits[counter / 64 % OV_REPLAY_WORDS] |= 1ull << counter % 64;
    return OV_OK;
}
