#include "text.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

#define SECONDS_MAX 3.2e9 /* a century: what people mean, and what no arithmetic overflows on */

const char *ov_text_bytes(double n, char out[OV_TEXT_UNIT])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    size_t u = 0;

    if (!(n > 0))
        n = 0;
    /* 1023.95 would print as 1024.0: step up before that happens. */
    while (u + 1 < sizeof units / sizeof *units && n >= (u ? 1023.95 : 1023.5)) {
        n /= 1024;
        u++;
    }
    snprintf(out, OV_TEXT_UNIT, u ? "%.1f %s" : "%.0f %s", n, units[u]);
    return out;
}

const char *ov_text_ms(double ms, char out[OV_TEXT_UNIT])
{
    if (!(ms >= 0))
        snprintf(out, OV_TEXT_UNIT, "-");
    else if (ms < 9.995)
        snprintf(out, OV_TEXT_UNIT, "%.2f ms", ms);
    else if (ms < 999.95)
        snprintf(out, OV_TEXT_UNIT, "%.1f ms", ms);
    else
        snprintf(out, OV_TEXT_UNIT, "%.2f s", ms / 1000);
    return out;
}

const char *ov_text_duration(double s, char out[OV_TEXT_UNIT])
{
    uint64_t t = s > 0 && s < 1e15 ? (uint64_t)s : 0;
    unsigned long long d = t / 86400, h = t / 3600 % 24, m = t / 60 % 60, sec = t % 60;

    if (d)
        snprintf(out, OV_TEXT_UNIT, "%llud %lluh", d, h);
    else if (h)
        snprintf(out, OV_TEXT_UNIT, "%lluh %llum", h, m);
    else if (m)
        snprintf(out, OV_TEXT_UNIT, "%llum %llus", m, sec);
    else
        snprintf(out, OV_TEXT_UNIT, "%llus", sec);
    return out;
}

const char *ov_text_percent(double part, char out[OV_TEXT_UNIT])
{
    double p = part > 0 ? part * 100 : 0;

    snprintf(out, OV_TEXT_UNIT, p > 0 && p < 9.95 ? "%.1f%%" : "%.0f%%", p);
    return out;
}

const char *ov_text_ago(double then, double now, char out[OV_TEXT_UNIT])
{
    double gone = now - then;
    unsigned long long s = gone > 0 && gone < 1e15 ? (unsigned long long)gone : 0;

    if (!(then > 0))
        snprintf(out, OV_TEXT_UNIT, "never");
    else if (s < 1)
        snprintf(out, OV_TEXT_UNIT, "now");
    else if (s < 60)
        snprintf(out, OV_TEXT_UNIT, "%llus ago", s);
    else if (s < 3600)
        snprintf(out, OV_TEXT_UNIT, "%llum ago", s / 60);
    else if (s < 86400)
        snprintf(out, OV_TEXT_UNIT, "%lluh ago", s / 3600);
    else
        snprintf(out, OV_TEXT_UNIT, "%llud ago", s / 86400);
    return out;
}

const char *ov_text_date(double when, char out[OV_TEXT_UNIT])
{
    time_t t = (time_t)when;
    struct tm tm;

    if (!(when > 0) || !localtime_r(&t, &tm) || !strftime(out, OV_TEXT_UNIT, "%Y-%m-%d %H:%M", &tm))
        snprintf(out, OV_TEXT_UNIT, "-");
    return out;
}

int ov_text_seconds(const char *text, double *out)
{
    static const char letters[] = "smhd";
    static const double factors[] = {1, 60, 3600, 86400};
    size_t digits = strspn(text, "0123456789.");
    char number[24], *end;
    double v;

    if (!digits || digits >= sizeof number)
        return OV_EINVAL;
    memcpy(number, text, digits);
    number[digits] = '\0';
    v = strtod(number, &end);
    if (*end)
        return OV_EINVAL;
    text += digits;
    if (*text) {
        const char *unit = strchr(letters, *text);
        if (!unit || text[1])
            return OV_EINVAL;
        v *= factors[unit - letters];
    }
    if (v > SECONDS_MAX)
        return OV_EINVAL;
    *out = v;
    return OV_OK;
}

int ov_text_number(const char *text, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;

    if (!*text)
        return OV_EINVAL;
    for (; *text; text++) {
        uint64_t digit = (uint64_t)(*text - '0');
        if (*text < '0' || *text > '9' || digit > max || v > (max - digit) / 10)
            return OV_EINVAL;
        v = v * 10 + digit;
    }
    *out = v;
    return OV_OK;
}

/* Marks without width that turn the direction of what follows, end a line, or hide: with them one
 * name can be made to look like another. */
static bool is_trick(wchar_t c)
{
    return c == 0x61c || c == 0xfeff || c == 0x200b || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

/* Run `step` over the characters of `utf8` in the C.UTF-8 locale, whatever the user's is. `len` is
 * the bytes of the character, `width` its columns: -1 for what a terminal must not get. */
static void each_character(const char *utf8,
                           void (*step)(void *arg, const char *p, size_t len, int width), void *arg)
{
    locale_t utf = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    locale_t old = utf ? uselocale(utf) : (locale_t)0;
    size_t left = strlen(utf8);
    mbstate_t state = {0};

    while (left) {
        wchar_t wide;
        size_t len = mbrtowc(&wide, utf8, left, &state);
        if (len == (size_t)-1 || len == (size_t)-2 || len == 0) {
            memset(&state, 0, sizeof state);
            step(arg, utf8, len = 1, -1);
        } else {
            step(arg, utf8, len, is_trick(wide) ? -1 : wcwidth(wide));
        }
        utf8 += len;
        left -= len;
    }
    if (utf) {
        uselocale(old);
        freelocale(utf);
    }
}

static void add_width(void *arg, const char *p, size_t len, int width)
{
    size_t *sum = arg;
    (void)p;
    (void)len;
    *sum += width < 0 ? 1 : (size_t)width;
}

size_t ov_text_width(const char *utf8)
{
    size_t sum = 0;

    each_character(utf8, add_width, &sum);
    return sum;
}

struct cleaner {
    char *out;
    bool lines;
};

static void add_clean(void *arg, const char *p, size_t len, int width)
{
    struct cleaner *c = arg;

    if (width >= 0 || (c->lines && *p == '\n'))
        c->out = (char *)memcpy(c->out, p, len) + len;
    else
        *c->out++ = '?';
}

char *ov_text_clean(const char *utf8, bool lines)
{
    char *copy = malloc(strlen(utf8) + 1);
    struct cleaner c = {.out = copy, .lines = lines};

    if (!copy)
        abort();
    each_character(utf8, add_clean, &c);
    *c.out = '\0';
    return copy;
}

/* Levenshtein's distance of two short words; a long one is far from everything. */
static size_t distance(const char *a, const char *b)
{
    size_t row[32], na = strlen(a), nb = strlen(b);

    if (na >= 32 || nb >= 32)
        return SIZE_MAX;
    for (size_t j = 0; j <= nb; j++)
        row[j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[nb];
}

const char *ov_text_nearest(const char *word, const char *const *words, size_t n)
{
    const char *nearest = NULL;
    size_t len = strlen(word), best = len < 4 ? 1 : len < 8 ? 2 : 3;

    for (size_t i = 0; i < n; i++) {
        size_t d = distance(word, words[i]);
        /* "net" for "network" is an unfinished word, not a mistyped one */
        if (len >= 2 && strncmp(word, words[i], len) == 0)
            d = 1;
        if (d <= best && (!nearest || d < best)) {
            best = d;
            nearest = words[i];
        }
    }
    return nearest;
}
