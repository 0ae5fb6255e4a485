/* soak: one world of a seed. A few members, roots and a controller, traffic, faults and enemies for
 * some minutes; then the faults stop, and within a bound everybody has to reach everybody. All of
 * the time safety.h holds. */
#ifndef OV_TESTS_SOAK_H
#define OV_TESTS_SOAK_H

#include "enemy.h"
#include "fault.h"

struct soak {
    uint64_t seed, random;
    struct sim *s;
    struct safety safety;
    struct diagram diagram;
    struct faults faults;
    struct enemy enemy;
    ov_netid net, other; /* other: of the same controller */
    struct sim_node *control, *denied;
    uint32_t frames;
    const char *phase;
    size_t lines; /* of the diagram */
    bool idle, short_window;
};

struct soak *soak_new(uint64_t seed);
/* False: something was wrong; soak_print() tells. */
bool soak_run(struct soak *k);
void soak_print(const struct soak *k, FILE *out);
void soak_free(struct soak *k);

#endif
