// SPDX-License-Identifier: MIT
// memory.h: allocation that cannot be forgotten to check, and an arena.
//
// A small allocation that fails on Linux means that the machine is lost, so the x-functions stop
// the program with a message instead of returning NULL; recovery from a crash is a path which is
// tested anyway. Anything whose size an outsider chooses is bounded before it gets here.

#ifndef CARILLON_BASE_MEMORY_H
#define CARILLON_BASE_MEMORY_H

#include <stddef.h>
#include <stdlib.h>

void *xmalloc(size_t bytes) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t bytes) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *old, size_t bytes) __attribute__((returns_nonnull));
char *xstrdup(const char *text); // NULL gives NULL.

// Makes room for one more element: doubles *capacity when `count` has reached it.
void *grow(void *array, size_t count, size_t *capacity, size_t element_bytes);

// Many small allocations that die together. Zeroed is empty.
struct arena_chunk;
struct arena {
    struct arena_chunk *head;
};

void *arena_alloc(struct arena *a, size_t bytes);           // Aligned to 8; never NULL.
char *arena_text(struct arena *a, const char *text);        // A copy; NULL gives NULL.
char *arena_copy(struct arena *a, const char *p, size_t n); // A copy with a NUL added.
void arena_clear(struct arena *a);

#endif
