/* diagram: the last packets of a simulation, to be drawn as a sequence diagram when something is
 * wrong. */
#ifndef OV_TESTS_DIAGRAM_H
#define OV_TESTS_DIAGRAM_H

#include "sim.h"

#include <stdio.h>

#define DIAGRAM_KEPT 4096 /* packets and notes */
#define DIAGRAM_LONG 256
#define DIAGRAM_NOTE 80

enum diagram_fate { DIAGRAM_CAME, DIAGRAM_NOBODY, DIAGRAM_LOST, DIAGRAM_NOTED };

/* -1: not a node, but an enemy or nobody. */
struct diagram_line {
    ov_time at;
    int from, to;
    enum diagram_fate fate;
    struct ov_endpoint other; /* of a packet to nobody: where; from an enemy: as from where */
    size_t len;
    union {
        uint8_t head[DIAGRAM_NOTE]; /* how the packet begins */
        char words[DIAGRAM_NOTE];   /* of a note */
    };
};

struct diagram {
    size_t n; /* so many were ever written; the last ones are kept */
    struct diagram_line line[DIAGRAM_KEPT];
    size_t nlong; /* the same of notes that are of interest for long */
    struct diagram_line memory[DIAGRAM_LONG];
};

void diagram_packet(struct diagram *d, ov_time at, const struct sim_node *from,
                    const struct sim_node *to, enum diagram_fate fate,
                    const struct ov_endpoint *other, const uint8_t *data, size_t len);
void diagram_note(struct diagram *d, ov_time at, const struct sim_node *n, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* One that is still of interest when its packets are long forgotten. */
void diagram_remember(struct diagram *d, ov_time at, const struct sim_node *n, const char *words);
/* What is remembered, and the last `lines` of packets and notes that have to do with the node
 * `about`; -1: all. */
void diagram_print(const struct diagram *d, const struct sim *s, int about, size_t lines,
                   FILE *out);

#endif
