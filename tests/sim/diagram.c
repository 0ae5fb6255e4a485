#include "diagram.h"

#include "core/wire.h"

#include <stdarg.h>
#include <string.h>

#define COLUMN  9
#define NAMES   16 /* nodes that get a column */
#define WIDTH   (COLUMN * (NAMES + 1))
#define OUTSIDE NAMES /* the column of enemies and nobody */

static const char *type_name(uint8_t type)
{
    static const char *const names[] = {"?",     "INITIATION", "RESPONSE", "COOKIE", "DATA",
                                        "RELAY", "WHO",        "IAM",      "?",      "HAIRPIN"};

    return type < sizeof(names) / sizeof(names[0]) ? names[type] : "?";
}

static void describe(const uint8_t *d, size_t len, FILE *out)
{
    if (len >= OV_RELAY_HEADER && d[0] == OV_WIRE_RELAY) {
        fprintf(out, "RELAY %08x #%llu %s %02x%02x..: ", ov_load32(d + 4),
                (unsigned long long)ov_load64(d + 8), d[1] ? "from" : "to", d[16], d[17]);
        d += OV_RELAY_HEADER;
        len -= OV_RELAY_HEADER;
    }
    if (len == OV_OPENER_LEN)
        fprintf(out, "OPENER\n");
    else if (len < OV_DATAGRAM_MIN)
        fprintf(out, "? %zu\n", len);
    else if (d[0] == OV_WIRE_DATA)
        fprintf(out, "DATA %08x #%llu, %zu\n", ov_load32(d + 4),
                (unsigned long long)ov_load64(d + 8), len);
    else if (d[0] == OV_WIRE_RESPONSE)
        fprintf(out, "RESPONSE %08x to %08x\n", ov_load32(d + 4), ov_load32(d + 8));
    else if (d[0] == OV_WIRE_INITIATION || d[0] == OV_WIRE_COOKIE)
        fprintf(out, "%s %08x\n", type_name(d[0]), ov_load32(d + 4));
    else
        fprintf(out, "%s, %zu\n", type_name(d[0]), len);
}

static struct diagram_line *next_line(struct diagram *d, ov_time at)
{
    struct diagram_line *l = &d->line[d->n++ % DIAGRAM_KEPT];

    l->at = at;
    return l;
}

static int index_of(const struct sim_node *n)
{
    return n != NULL ? (int)n->index : -1;
}

void diagram_packet(struct diagram *d, ov_time at, const struct sim_node *from,
                    const struct sim_node *to, enum diagram_fate fate,
                    const struct ov_endpoint *other, const uint8_t *data, size_t len)
{
    struct diagram_line *l = next_line(d, at);

    l->from = index_of(from);
    l->to = index_of(to);
    l->fate = fate;
    l->other = *other;
    l->len = len;
    memcpy(l->head, data, len < sizeof(l->head) ? len : sizeof(l->head));
}

void diagram_note(struct diagram *d, ov_time at, const struct sim_node *n, const char *format, ...)
{
    struct diagram_line *l = next_line(d, at);
    va_list ap;

    l->from = l->to = index_of(n);
    l->fate = DIAGRAM_NOTED;
    va_start(ap, format);
    vsnprintf(l->words, sizeof(l->words), format, ap);
    va_end(ap);
}

void diagram_remember(struct diagram *d, ov_time at, const struct sim_node *n, const char *words)
{
    struct diagram_line *l = &d->memory[d->nlong++ % DIAGRAM_LONG];

    diagram_note(d, at, n, "%s", words);
    *l = d->line[(d->n - 1) % DIAGRAM_KEPT];
}

static bool concerns(const struct diagram_line *l, int about)
{
    return about < 0 || l->from == about || l->to == about ||
           (l->fate == DIAGRAM_NOTED && l->from < 0);
}

static size_t column(int node, size_t nodes)
{
    return COLUMN / 2 + COLUMN * (node >= 0 && node < NAMES ? (size_t)node : nodes);
}

static void draw(const struct diagram_line *l, size_t nodes, char row[WIDTH + 1])
{
    size_t a = column(l->from, nodes), b = column(l->to, nodes);
    size_t left = a < b ? a : b, right = a < b ? b : a;

    memset(row, ' ', WIDTH);
    row[WIDTH] = '\0';
    for (size_t i = 0; i <= nodes; i++)
        row[COLUMN / 2 + COLUMN * i] = '|';
    if (l->fate == DIAGRAM_NOTED) {
        row[a] = '*';
        return;
    }
    for (size_t i = left + 1; i < right; i++)
        row[i] = '-';
    if (a == b)
        row[a] = 'o';
    else if (l->fate != DIAGRAM_CAME)
        row[b] = 'x';
    else
        row[a < b ? b - 1 : b + 1] = a < b ? '>' : '<';
}

static void print_memory(const struct diagram *d, int about, FILE *out)
{
    size_t first = d->nlong > DIAGRAM_LONG ? d->nlong - DIAGRAM_LONG : 0;

    for (size_t i = first; i < d->nlong; i++) {
        const struct diagram_line *l = &d->memory[i % DIAGRAM_LONG];
        if (l->from < 0)
            fprintf(out, "%12.6f all: %s\n", (double)l->at / 1e9, l->words);
        else if (concerns(l, about))
            fprintf(out, "%12.6f %d: %s\n", (double)l->at / 1e9, l->from, l->words);
    }
}

static void print_head(const struct sim *s, size_t nodes, FILE *out)
{
    fprintf(out, "     seconds ");
    for (size_t i = 0; i < nodes; i++)
        fprintf(out, "%4zu%c    ", i, s->nodes[i]->caps & OV_CAP_ROOT ? 'R' : ' ');
    fprintf(out, "    others\n");
}

void diagram_print(const struct diagram *d, const struct sim *s, int about, size_t lines, FILE *out)
{
    size_t nodes = s->nnodes < NAMES ? s->nnodes : NAMES, kept = 0, first = d->n;
    char row[WIDTH + 1], ep[OV_ENDPOINT_TEXT];

    while (first > 0 && d->n - first < DIAGRAM_KEPT - 1 && kept < lines)
        kept += concerns(&d->line[--first % DIAGRAM_KEPT], about);
    print_memory(d, about, out);
    print_head(s, nodes, out);
    for (size_t i = first; i < d->n; i++) {
        const struct diagram_line *l = &d->line[i % DIAGRAM_KEPT];
        if (!concerns(l, about))
            continue;
        draw(l, nodes, row);
        fprintf(out, "%12.6f %.*s %s", (double)l->at / 1e9, (int)(COLUMN * (nodes + 1)), row,
                l->fate == DIAGRAM_LOST     ? "lost: "
                : l->fate == DIAGRAM_NOBODY ? "to nobody: "
                                            : "");
        if (l->fate != DIAGRAM_NOTED && (l->from < 0 || l->to < 0))
            fprintf(out, "[%s] ", ov_endpoint_format(&l->other, ep));
        if (l->fate == DIAGRAM_NOTED)
            fprintf(out, "%s\n", l->words);
        else
            describe(l->head, l->len, out);
    }
}
