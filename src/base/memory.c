// SPDX-License-Identifier: MIT
// memory.c: checked allocation and the arena.

#include "base/memory.h"

#include "base/err.h"

#include <assert.h>
#include <stdalign.h>
#include <stdint.h>
#include <string.h>

// The first chunk is one that malloc gives away and takes back without a lock; most arenas need no
// second.
#define ARENA_CHUNK_BYTES_MIN 960
#define ARENA_CHUNK_BYTES_MAX 16384

void *xmalloc(size_t bytes)
{
    void *p = malloc(bytes ? bytes : 1);
    assert(p && "out of memory");
    return p;
}

void *xcalloc(size_t count, size_t bytes)
{
    void *p = calloc(count ? count : 1, bytes ? bytes : 1);
    assert(p && "out of memory");
    return p;
}

void *xrealloc(void *old, size_t bytes)
{
    void *p = realloc(old, bytes ? bytes : 1);
    assert(p && "out of memory");
    return p;
}

char *xstrdup(const char *text)
{
    if (!text)
        return NULL;
    size_t bytes = strlen(text) + 1;
    return memcpy(xmalloc(bytes), text, bytes);
}

void *grow(void *array, size_t count, size_t *capacity, size_t element_bytes)
{
    if (count < *capacity)
        return array;
    *capacity = *capacity ? *capacity * 2 : 16;
    assert(*capacity < SIZE_MAX / element_bytes);
    return xrealloc(array, *capacity * element_bytes);
}

struct arena_chunk {
    struct arena_chunk *next;
    size_t used;
    size_t bytes;
    alignas(8) unsigned char data[];
};

void *arena_alloc(struct arena *a, size_t bytes)
{
    size_t rounded = (bytes + 7) & ~(size_t)7;
    struct arena_chunk *c = a->head;
    if (!c || c->bytes - c->used < rounded) {
        size_t usual = c ? MIN(4 * c->bytes, ARENA_CHUNK_BYTES_MAX) : ARENA_CHUNK_BYTES_MIN;
        size_t room = MAX(rounded, usual);
        c = xmalloc(sizeof *c + room);
        *c = (struct arena_chunk){.next = a->head, .used = 0, .bytes = room};
        a->head = c;
    }
    void *p = c->data + c->used;
    c->used += rounded;
    return p;
}

char *arena_copy(struct arena *a, const char *p, size_t n)
{
    char *copy = arena_alloc(a, n + 1);
    memcpy(copy, p, n);
    copy[n] = '\0';
    return copy;
}

char *arena_text(struct arena *a, const char *text)
{
    return text ? arena_copy(a, text, strlen(text)) : NULL;
}

void arena_clear(struct arena *a)
{
    while (a->head) {
        struct arena_chunk *next = a->head->next;
        free(a->head);
        a->head = next;
    }
}
