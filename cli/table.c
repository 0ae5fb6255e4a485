#include "table.h"

#include "text.h"

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define GAP 2 /* blanks between columns */

void ov_table_init(struct ov_table *t, const char *const *heads)
{
    memset(t, 0, sizeof *t);
    t->heads = heads;
    while (heads[t->columns])
        t->columns++;
    assert(t->columns > 0 && t->columns <= OV_TABLE_COLUMNS);
}

void ov_table_add(struct ov_table *t, const char *text)
{
    if (t->cells == t->room) {
        t->room = t->room ? t->room * 2 : 64;
        t->cell = realloc(t->cell, t->room * sizeof *t->cell);
        if (!t->cell)
            abort();
    }
    t->cell[t->cells++] = ov_text_clean(text && *text ? text : "-", false);
}

void ov_table_addf(struct ov_table *t, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    ov_table_add(t, text);
}

size_t ov_table_rows(const struct ov_table *t)
{
    return t->cells / t->columns;
}

static bool right_aligned(const struct ov_table *t, size_t column)
{
    return t->heads[column][0] == '>';
}

static const char *head(const struct ov_table *t, size_t column)
{
    return t->heads[column] + right_aligned(t, column);
}

/* One cell, padded to its column's width unless it is the last of its line. */
static void print_cell(const struct ov_table *t, FILE *to, size_t column, const char *text,
                       size_t width)
{
    size_t own = ov_text_width(text), pad = width > own ? width - own : 0;
    bool last = column + 1 == t->columns;

    if (right_aligned(t, column))
        fprintf(to, "%*s%s", (int)pad, "", text);
    else
        fprintf(to, "%s%*s", text, last ? 0 : (int)pad, "");
    if (last)
        fputc('\n', to);
    else
        fprintf(to, "%*s", GAP, "");
}

void ov_table_print(const struct ov_table *t, FILE *to)
{
    size_t width[OV_TABLE_COLUMNS];
    bool any_head = false;

    for (size_t c = 0; c < t->columns; c++) {
        width[c] = ov_text_width(head(t, c));
        any_head = any_head || *head(t, c);
        for (size_t i = c; i < t->cells; i += t->columns) {
            size_t w = ov_text_width(t->cell[i]);
            if (w > width[c])
                width[c] = w;
        }
    }
    for (size_t c = 0; any_head && c < t->columns; c++)
        print_cell(t, to, c, head(t, c), width[c]);
    for (size_t i = 0; i < t->cells; i++)
        /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): without columns there are no cells */
        print_cell(t, to, i % t->columns, t->cell[i], width[i % t->columns]);
}

void ov_table_free(struct ov_table *t)
{
    for (size_t i = 0; i < t->cells; i++)
        free(t->cell[i]);
    free(t->cell);
    memset(t, 0, sizeof *t);
}
