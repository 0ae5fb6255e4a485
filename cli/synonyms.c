#include "synonyms.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Words in capitals are filled in by the arguments, in order. */
static const struct {
    const char *prefix, *word, *meant;
} TABLE[] = {
    {"", "up", "join NETID"},
    {"", "connect", "join NETID"},
    {"", "down", "leave NETWORK"},
    {"", "disconnect", "leave NETWORK"},
    {"", "list", "networks"},
    {"", "listnetworks", "networks"},
    {"", "listpeers", "peers"},
    {"", "info", "status"},
    {"", "show", "status"},
    {"", "version", "--version"},
    {"", "members", "net members NET"},
    {"", "create", "net create NAME"},
    {"", "invite", "net invite NET"},
    {"", "authorize", "net authorize NET ADDRESS"},
    {"net ", "add", "net create NAME"},
    {"net ", "ls", "net list"},
    {"net ", "rename", "net set NET name NAME"},
    {"net ", "approve", "net authorize NET ADDRESS"},
    {"net ", "admit", "net authorize NET ADDRESS"},
    {"net ", "kick", "net deauthorize NET MEMBER"},
    {"net ", "ban", "net deauthorize NET MEMBER"},
    {"net ", "peers", "net members NET"},
    {"id ", "backup", "id export FILE"},
    {"id ", "save", "id export FILE"},
    {"id ", "restore", "id import FILE"},
    {"controller ", "export", "controller backup FILE"},
    {"controller ", "save", "controller backup FILE"},
    {"controller ", "import", "controller restore FILE"},
};

static const char *meant(const char *prefix, const char *word, int n)
{
    /* a network goes by another command than a member does */
    if (strcmp(prefix, "net ") == 0 && (strcmp(word, "rm") == 0 || strcmp(word, "remove") == 0))
        return n < 2 ? "net delete NET" : "net deauthorize NET MEMBER";
    for (size_t i = 0; i < sizeof TABLE / sizeof *TABLE; i++)
        if (strcmp(TABLE[i].prefix, prefix) == 0 && strcmp(TABLE[i].word, word) == 0)
            return TABLE[i].meant;
    return NULL;
}

const char *ov_synonym(const char *prefix, const char *word, int n, char *const *args,
                       char out[OV_SYNONYM_TEXT])
{
    const char *from = meant(prefix, word, n);
    size_t len = 0;
    int next = 0;

    if (!from)
        return NULL;
    out[0] = '\0';
    while (*from && len < OV_SYNONYM_TEXT) {
        int part = (int)strcspn(from, " ");
        if (isupper((unsigned char)*from) && next < n)
            len += (size_t)snprintf(out + len, OV_SYNONYM_TEXT - len, "%.100s", args[next++]);
        else
            len += (size_t)snprintf(out + len, OV_SYNONYM_TEXT - len, "%.*s", part, from);
        from += part;
        if (*from && len < OV_SYNONYM_TEXT - 1) {
            out[len++] = *from++;
            out[len] = '\0';
        }
    }
    return out;
}
