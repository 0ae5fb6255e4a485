/* What the engine of each node has allocated: the linker sends all calls of the allocator here
 * (--wrap), and the simulation tells on whose behalf they are. */
#include "sim.h"

#include <assert.h>
#include <malloc.h>
#include <stdlib.h>

#define PAGE 4096

bool sim_touch;

static struct sim_node *owner;

/* Weak: a program that does not wrap the allocator does not count, but links. */
#define REAL __attribute__((weak))
void *__real_malloc(size_t n) REAL;
void *__real_calloc(size_t n, size_t size) REAL;
void *__real_realloc(void *p, size_t n) REAL;
void *__real_aligned_alloc(size_t align, size_t n) REAL;
void __real_free(void *p) REAL;
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_aligned_alloc(size_t align, size_t n);
void __wrap_free(void *p);

void sim_enter(struct sim_node *n)
{
    assert(owner == NULL);
    owner = n;
}

void sim_leave(void)
{
    owner = NULL;
}

/* Write what is there to each page. */
static void touch(void *p)
{
    volatile uint8_t *b = p;

    for (size_t i = 0, n = p != NULL ? malloc_usable_size(p) : 0; i < n; i += PAGE)
        b[i] = b[i];
}

static void *took(void *p)
{
    if (sim_touch)
        touch(p);
    if (owner != NULL && p != NULL) {
        owner->bytes += malloc_usable_size(p);
        if (owner->bytes > owner->bytes_most)
            owner->bytes_most = owner->bytes;
    }
    return p;
}

static void gave(void *p)
{
    if (owner != NULL && p != NULL)
        owner->bytes -= malloc_usable_size(p);
}

void *__wrap_malloc(size_t n)
{
    return took(__real_malloc(n));
}

void *__wrap_calloc(size_t n, size_t size)
{
    return took(__real_calloc(n, size));
}

void *__wrap_realloc(void *p, size_t n)
{
    gave(p);
    return took(__real_realloc(p, n));
}

void *__wrap_aligned_alloc(size_t align, size_t n)
{
    return took(__real_aligned_alloc(align, n));
}

void __wrap_free(void *p)
{
    gave(p);
    __real_free(p);
}
