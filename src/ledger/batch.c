// SPDX-License-Identifier: MIT
// batch.c: changes that become durable together.

#include "ledger/ledger.h"

struct batch *batch_new(uint64_t sequence)
{
    struct batch *b = xcalloc(1, sizeof *b);
    b->sequence = sequence;
    return b;
}

static void free_change(struct change *c)
{
    if (c->kind == CHANGE_JOB_PUT)
        job_free(c->job);
}

void batch_free(struct batch *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->count; i++)
        free_change(&b->changes[i]);
    free(b->changes);
    arena_clear(&b->arena);
    free(b);
}

struct change *batch_add(struct batch *b, enum change_kind kind)
{
    b->changes = grow(b->changes, b->count, &b->capacity, sizeof *b->changes);
    struct change *c = &b->changes[b->count++];
    *c = (struct change){.kind = kind};
    return c;
}

struct shard *batch_shard(const struct batch *b, uint32_t number)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->changes[i].kind == CHANGE_SHARD && b->changes[i].row.number == number)
            return &b->changes[i].row;
    return NULL;
}

void batch_drop(struct batch *b, uint32_t shard)
{
    size_t kept = 0;
    for (size_t i = 0; i < b->count; i++) {
        if (b->changes[i].shard == shard)
            free_change(&b->changes[i]);
        else
            b->changes[kept++] = b->changes[i];
    }
    b->count = kept;
}
