/* Some worlds of soak.h; `make soak` runs many more. */
#include "soak.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <cmocka.h>

#define SEEDS 12

static void run(uint64_t seed)
{
    struct soak *k = soak_new(seed);
    bool good = soak_run(k);

    if (!good)
        soak_print(k, stdout);
    soak_free(k);
    if (!good)
        fail_msg("seed %llu", (unsigned long long)seed);
}

static void test_some_seeds(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_some_seeds)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
