/* table: rows of text as aligned columns.
 *
 * Cells are copied and made fit for a terminal. The last column is not padded, so nothing ends in
 * blanks. Memory running out ends the process: a command has nothing better to do. */
#ifndef OV_CLI_TABLE_H
#define OV_CLI_TABLE_H

#include <stddef.h>
#include <stdio.h>

#define OV_TABLE_COLUMNS 12

struct ov_table {
    size_t columns, cells, room;
    const char *const *heads;
    char **cell; /* row by row */
};

/* `heads` is NULL-terminated and must outlive the table; a head that starts with '>' makes a
 * right-aligned column. An empty string for all heads prints no head line. */
void ov_table_init(struct ov_table *t, const char *const *heads);
/* The next cell, left to right; NULL or "" is printed as "-". */
void ov_table_add(struct ov_table *t, const char *text);
void ov_table_addf(struct ov_table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
size_t ov_table_rows(const struct ov_table *t);
void ov_table_print(const struct ov_table *t, FILE *to);
void ov_table_free(struct ov_table *t);

#endif
