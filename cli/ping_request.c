#include "ping_request.h"

#include <string.h>

#define SEEK_S  2 /* the daemon asks four times in 0.7 s */
#define POLL_MS 50

int ov_ping_request(struct ov_client *c, struct ov_progress *p, const char *peer, bool full,
                    json_t **out)
{
    double began = ov_progress_clock();
    bool was = ov_client_hush(c, true), on = true;
    int code;

    for (;;) {
        json_t *body = json_pack("{s:s,s:b}", "peer", peer, "full", full);

        code = ov_client_call(c, "POST", ov_client_path("pings"), body, out, NULL);
        if (code == OV_EXIT_OK || strcmp(ov_client_failure(c), "seeking") != 0 || !on ||
            ov_progress_clock() - began > SEEK_S)
            break;
        ov_progress_say(p, "looking for %s", peer);
        on = ov_progress_wait(p, POLL_MS);
    }
    ov_client_hush(c, was);
    if (code != OV_EXIT_OK && !was) {
        ov_progress_clear(p);
        ov_client_blame(c);
    }
    return code;
}
