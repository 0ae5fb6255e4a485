/* Invites and hosts as people paste them; and invites whose checksum is made right first. What is
 * accepted is written in one way, and that reads as the same. */
#include "core/invite.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void invite(const char *text)
{
    char once[OV_INVITE_TEXT], twice[OV_INVITE_TEXT];
    struct ov_invite inv, again;

    if (ov_invite_parse(text, &inv) != OV_OK)
        return;
    if (!ov_invite_looks_like(text) || ov_invite_format(&inv, once) != OV_OK ||
        strlen(once) != strlen(text) || ov_invite_parse(once, &again) != OV_OK ||
        ov_invite_format(&again, twice) != OV_OK || strcmp(once, twice) != 0)
        abort();
}

/* What ov_host_parse takes, an invite can carry. */
static void host(const char *text)
{
    struct ov_invite inv = {.netid = 0x8056c2e21c000001, .nhosts = 1};
    char out[OV_INVITE_TEXT];

    if (ov_host_parse(text, &inv.hosts[0]) != OV_OK)
        return;
    if (inv.hosts[0].port == 0 || ov_invite_format(&inv, out) != OV_OK)
        abort();
    invite(out);
}

/* The bytes as the inside of an invite. */
static void inside(const uint8_t *data, size_t len)
{
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";
    uint8_t blob[640], sum[16];
    char text[5 + sizeof(blob) * 8 / 5 + 2];
    size_t n = 5, bits;

    if (len > sizeof(blob) - 4)
        return;
    if (len > 0)
        memcpy(blob, data, len);
    ov_hash(sum, sizeof(sum), NULL, 0, data, len);
    memcpy(blob + len, sum, 4);
    memcpy(text, "ovpn1", 5);
    bits = 8 * (len + 4);
    for (size_t at = 0; at < bits; at += 5) {
        unsigned v = 0;

        for (size_t b = at; b < at + 5; b++)
            v = v << 1 | (b < bits ? (unsigned)blob[b / 8] >> (7 - b % 8) & 1u : 0u);
        text[n++] = digits[v];
    }
    text[n] = '\0';
    invite(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *text = malloc(len + 1);

    if (!text || ov_crypto_init() != OV_OK)
        abort();
    if (len > 0)
        memcpy(text, data, len);
    text[len] = '\0';
    invite(text);
    host(text);
    inside(data, len);
    free(text);
    return 0;
}
