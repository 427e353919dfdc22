// SPDX-License-Identifier: MIT
// agenda.c: a 4-ary heap in one array.
//
// Four children per node make the tree half as deep as a binary heap and keep siblings in one or
// two cache lines. Popping moves the hole down to the bottom along the smallest children first and
// then the last entry up from there: two passes, but fewer comparisons than asking at each level
// whether to stop, since the last entry nearly always belongs near the bottom.

#include "agenda/agenda.h"

#include "base/memory.h"

#include <assert.h>

#define CHILDREN 4

struct entry {
    int64_t at;
    int64_t tie;
    struct agenda_node *node;
};

struct agenda {
    struct entry *heap;
    size_t count;
    size_t capacity;
};

struct agenda *agenda_new(void)
{
    return xcalloc(1, sizeof(struct agenda));
}

void agenda_free(struct agenda *a)
{
    if (!a)
        return;
    free(a->heap);
    free(a);
}

static bool before(const struct entry *a, const struct entry *b)
{
    return a->at < b->at || (a->at == b->at && a->tie < b->tie);
}

static void place(struct agenda *a, size_t i, struct entry e)
{
    a->heap[i] = e;
    e.node->position = (uint32_t)i + 1;
}

// Moves `e` from the hole at `i` towards the root until its parent is not later.
static void rise(struct agenda *a, size_t i, struct entry e)
{
    while (i > 0) {
        size_t parent = (i - 1) / CHILDREN;
        if (!before(&e, &a->heap[parent]))
            break;
        place(a, i, a->heap[parent]);
        i = parent;
    }
    place(a, i, e);
}

// Moves the hole at `i` to the bottom, lifting the earliest child each time.
static size_t sink_hole(struct agenda *a, size_t i)
{
    for (;;) {
        size_t first = i * CHILDREN + 1;
        if (first >= a->count)
            return i;
        size_t earliest = first;
        size_t end = first + CHILDREN < a->count ? first + CHILDREN : a->count;
        for (size_t c = first + 1; c < end; c++)
            if (before(&a->heap[c], &a->heap[earliest]))
                earliest = c;
        place(a, i, a->heap[earliest]);
        i = earliest;
    }
}

static void remove_at(struct agenda *a, size_t i)
{
    a->heap[i].node->position = 0;
    struct entry last = a->heap[--a->count];
    if (i == a->count)
        return;
    // The hole may sink first, or the last entry may have to rise above the place it fills.
    rise(a, sink_hole(a, i), last);
}

void agenda_put(struct agenda *a, struct agenda_node *n, int64_t at, int64_t tie)
{
    agenda_remove(a, n);
    assert(a->count < UINT32_MAX - 1);
    a->heap = grow(a->heap, a->count, &a->capacity, sizeof *a->heap);
    rise(a, a->count++, (struct entry){at, tie, n});
}

void agenda_remove(struct agenda *a, struct agenda_node *n)
{
    if (n->position == 0)
        return;
    assert(n->position <= a->count && a->heap[n->position - 1].node == n);
    remove_at(a, n->position - 1);
}

struct agenda_node *agenda_pop(struct agenda *a, int64_t now)
{
    if (a->count == 0 || a->heap[0].at > now)
        return NULL;
    struct agenda_node *n = a->heap[0].node;
    remove_at(a, 0);
    return n;
}

struct agenda_node *agenda_first(const struct agenda *a)
{
    return a->count ? a->heap[0].node : NULL;
}

int64_t agenda_next(const struct agenda *a)
{
    return a->count ? a->heap[0].at : AGENDA_NEVER;
}

int64_t agenda_when(const struct agenda *a, const struct agenda_node *n)
{
    assert(n->position > 0 && n->position <= a->count);
    return a->heap[n->position - 1].at;
}

size_t agenda_count(const struct agenda *a)
{
    return a->count;
}
