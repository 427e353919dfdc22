// SPDX-License-Identifier: MIT
// fence.c: whether whoever wrote these batches still owns the shards that they change.
//
// Every batch carries (epoch, tick) for each shard that it touches. In the epoch of the store's own
// row, the next tick is new, and the last one was written already: its commit's answer was lost,
// and it is asked for again. Anything else comes from an owner of before, or from one that has lost
// sight of what it wrote, which is the same: it has to load the shard again.

#include "store/store_priv.h"

#include <assert.h>
#include <string.h>

// The ticks of one shard in a commit.
struct span {
    int64_t first;
    int64_t count;
    bool is_broken; // Ticks of another epoch, or not one after the other.
};

static void add_row(struct span *spans, const struct shard *own, const struct shard *row)
{
    struct span *s = &spans[row->number];
    assert(row->number == own->number && row->tick > 0);
    if (s->count == 0)
        s->first = row->tick;
    s->is_broken |= row->epoch != own->epoch || row->tick != s->first + s->count;
    s->count++;
}

static enum fence judge(const struct span *s, const struct shard *own)
{
    if (s->is_broken)
        return FENCE_SHUT;
    if (s->first == own->tick + 1)
        return FENCE_OPEN;
    return s->first + s->count - 1 == own->tick ? FENCE_REPLAY : FENCE_SHUT;
}

enum fence store_fence(const struct shard *rows, uint32_t count, struct batch *const *batches,
                       size_t batch_count, struct shard_set *lost)
{
    struct span spans[SHARDS_MAX];
    assert(0 < count && count <= SHARDS_MAX);
    memset(spans, 0, count * sizeof *spans);
    for (size_t b = 0; b < batch_count; b++)
        for (size_t i = 0; i < batches[b]->count; i++) {
            const struct change *c = &batches[b]->changes[i];
            if (c->kind == CHANGE_SHARD)
                add_row(spans, &rows[c->shard], &c->row);
        }
    size_t seen[FENCE_SHUT + 1] = {0};
    *lost = (struct shard_set){0};
    for (uint32_t n = 0; n < count; n++) {
        enum fence fence = spans[n].count > 0 ? judge(&spans[n], &rows[n]) : FENCE_NONE;
        seen[fence]++;
        if (fence == FENCE_SHUT)
            shard_set_add(lost, n);
    }
    if (seen[FENCE_SHUT])
        return FENCE_SHUT;
    assert(!seen[FENCE_OPEN] || !seen[FENCE_REPLAY]); // A commit is whole.
    return seen[FENCE_OPEN] ? FENCE_OPEN : seen[FENCE_REPLAY] ? FENCE_REPLAY : FENCE_NONE;
}

enum err store_fence_cause(const struct shard_set *lost, struct commit_cause *cause)
{
    uint32_t n = 0;
    while (n < SHARDS_MAX && !shard_set_has(lost, n))
        n++;
    assert(n < SHARDS_MAX);
    cause->fenced = *lost;
    return fault_set(&cause->fault, ERR_FENCED,
                     "shard %u has another owner now, or has been written since", n);
}
