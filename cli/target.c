#include "target.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define NETID_DIGITS 16
#define SPACE        " \t\r\n\v\f"
#define LOOKS_LIKE   "a network id is 16 hex digits, like 8056c2e21c000001"

/* Why `text`, which is not a network id, is none. */
static void explain_netid(const char *text, char why[OV_TARGET_WHY])
{
    size_t len = strlen(text), hex = strspn(text, "0123456789abcdefABCDEF");

    if (len == 0)
        snprintf(why, OV_TARGET_WHY, "the network id is missing: %s", LOOKS_LIKE);
    else if (hex == len && len == OV_ADDR_TEXT - 1)
        snprintf(why, OV_TARGET_WHY, "%s is the address of a node (10 digits); %s", text,
                 LOOKS_LIKE);
    else if (hex == len && len != NETID_DIGITS)
        snprintf(why, OV_TARGET_WHY, "\"%.40s\" has %zu hex digit%s; %s", text, len,
                 len == 1 ? "" : "s", LOOKS_LIKE);
    else if (hex == len)
        snprintf(
            why, OV_TARGET_WHY,
            "no network has the id %s: the address of its controller, %.10s, is a reserved one. "
            "Is a digit mistyped?",
            text, text);
    else if (hex >= NETID_DIGITS / 2 && (unsigned char)text[hex] > ' ' &&
             (unsigned char)text[hex] < 0x7f)
        snprintf(why, OV_TARGET_WHY, "\"%.60s\" has a '%c' at place %zu; %s", text, text[hex],
                 hex + 1, LOOKS_LIKE);
    else
        snprintf(why, OV_TARGET_WHY, "\"%.60s\" is not a network id; %s (its owner can tell it)",
                 text, LOOKS_LIKE);
}

static int parse_netid(const char *text, ov_netid *out, char why[OV_TARGET_WHY])
{
    char lower[OV_NETID_TEXT];
    size_t len = strlen(text);

    if (len == NETID_DIGITS) {
        for (size_t i = 0; i <= len; i++)
            lower[i] = (char)tolower((unsigned char)text[i]);
        if (ov_netid_parse(lower, out) == OV_OK)
            return OV_OK;
    }
    explain_netid(text, why);
    return OV_EINVAL;
}

static int parse_invite(const char *text, struct ov_target *out, char why[OV_TARGET_WHY])
{
    struct ov_invite invite;
    int err = ov_invite_parse(text, &invite);

    if (err == OV_OK) {
        out->netid = invite.netid;
        out->is_invite = true;
    } else if (err == OV_EVERSION) {
        snprintf(why, OV_TARGET_WHY, "this invite is of a newer ovpn than this one: update ovpn");
    } else {
        snprintf(
            why, OV_TARGET_WHY,
            "this invite is mistyped or cut off: its check sum does not fit its %zu letters. "
            "Copy the "
            "whole line again, from \"ovpn1\" to its end (a line break in it ends the command)",
            strlen(text));
    }
    ov_wipe(&invite, sizeof invite);
    return err == OV_OK ? OV_OK : OV_EINVAL;
}

/* Where `text` goes on behind `word` and space; NULL: it does not start so. */
static const char *behind(const char *text, const char *word)
{
    size_t len = strlen(word);

    if (strncmp(text, word, len) != 0 || !isspace((unsigned char)text[len]))
        return NULL;
    return text + len + strspn(text + len, SPACE);
}

void ov_target_gather(int n, char *const *words, char out[OV_TARGET_TEXT])
{
    char text[OV_TARGET_TEXT];
    const char *from = text, *next;
    size_t len = 0, end;

    text[0] = '\0';
    for (int i = 0; i < n && len < sizeof text; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", i ? " " : "", words[i]);
    from += strspn(from, SPACE);
    while ((next = behind(from, "sudo")) || (next = behind(from, "ovpn")) ||
           (next = behind(from, "join")))
        from = next;
    end = strlen(from);
    while (end > 0 && isspace((unsigned char)from[end - 1]))
        end--;
    len = 0;
    for (size_t i = 0; i < end; i++)
        if (!ov_invite_looks_like(from) || !isspace((unsigned char)from[i]))
            out[len++] = from[i];
    out[len] = '\0';
    ov_wipe(text, sizeof text);
}

int ov_target_parse(const char *text, struct ov_target *out, char why[OV_TARGET_WHY])
{
    struct ov_target t = {0};
    char netid[64];
    const char *at = strchr(text, '@');
    size_t len = at ? (size_t)(at - text) : strlen(text);
    int err;

    if (ov_invite_looks_like(text)) {
        err = parse_invite(text, &t, why);
    } else {
        snprintf(netid, sizeof netid, "%.*s", (int)(len < sizeof netid ? len : sizeof netid - 1),
                 text);
        err = parse_netid(netid, &t.netid, why);
    }
    if (err == OV_OK && !t.is_invite && at) {
        t.has_host = true;
        if (ov_host_parse(at + 1, &t.host) != OV_OK) {
            snprintf(why, OV_TARGET_WHY,
                     "\"%.100s\" after the @ is not a server: it is HOST or HOST:PORT, like "
                     "vpn.example.org:%d, 203.0.113.5 or [2001:db8::1]:%d",
                     at + 1, OV_DEFAULT_PORT, OV_DEFAULT_PORT);
            err = OV_EINVAL;
        }
    }
    if (err == OV_OK)
        *out = t;
    return err;
}
