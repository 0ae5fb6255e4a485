#include "client.h"

#include "text.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void ov_json_warn_twice(const json_t *list)
{
    size_t i, n = 0;
    const json_t *who;

    json_array_foreach(list, i, who)
    {
        const json_t *twice = json_object_get(who, "twice");
        if (!json_is_object(twice))
            continue;
        printf("%sWARNING: %s is alive on two computers, at %s and at %s\n", n++ ? "" : "\n",
               ov_json_text(who, "address", "?"), ov_json_text(twice, "at", "a relay"),
               ov_json_text(twice, "and_at", "a relay"));
    }
    if (n)
        printf(
            "Two with one identity cut each other off. On the copy: sudo ovpn id new --force, "
            "restart the daemon,\n"
            "join again. If it is no copy, the key was stolen: throw it out, ovpn net deauthorize "
            "NET ADDRESS\n");
}

void ov_json_print(const json_t *json)
{
    /* Strangers' names are in it: a terminal gets nothing that it could take for a command. */
    size_t ascii = isatty(STDOUT_FILENO) ? JSON_ENSURE_ASCII : 0;

    json_dumpf(json, stdout,
               JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_ENCODE_ANY |
                   JSON_REAL_PRECISION(OV_JSON_DIGITS) | ascii);
    putchar('\n');
}

const char *ov_json_text(const json_t *object, const char *key, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text && *text ? text : otherwise;
}

double ov_json_number(const json_t *object, const char *key, double otherwise)
{
    const json_t *v = json_object_get(object, key);

    return json_is_number(v) ? json_number_value(v) : otherwise;
}

bool ov_json_flag(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

char *ov_json_join(const json_t *array, const char *member, const char *separator)
{
    char *joined = NULL;
    size_t size, i;
    json_t *item;
    FILE *f = open_memstream(&joined, &size);
    bool any = false;

    if (!f)
        abort();
    json_array_foreach(array, i, item)
    {
        const char *text = json_string_value(member ? json_object_get(item, member) : item);
        if (text && *text) {
            fprintf(f, "%s%s", any ? separator : "", text);
            any = true;
        }
    }
    if (fclose(f) != 0)
        abort();
    return joined;
}

char *ov_json_link(const json_t *object)
{
    const json_t *link = json_object_get(object, "link");
    const char *kind = ov_json_text(link, "kind", NULL), *proxy = ov_json_text(link, "proxy", NULL);
    char *text = NULL;
    int n = !kind   ? asprintf(&text, "%s", "")
            : proxy ? asprintf(&text, " by TLS through the proxy %s", proxy)
                    : asprintf(&text, " by %s", strcmp(kind, "tls") == 0 ? "TLS" : "TCP");

    if (n < 0)
        abort();
    return text;
}
