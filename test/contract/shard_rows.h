// SPDX-License-Identifier: MIT
// shard_rows.h: the rows of shards in batches that a test makes by hand.

#ifndef CARILLON_CONTRACT_SHARD_ROWS_H
#define CARILLON_CONTRACT_SHARD_ROWS_H

#include "store/store.h"

// The row of the shard in the batch, which gets one if it has none.
static inline struct shard *shard_row(struct batch *b, uint32_t number)
{
    struct shard *row = batch_shard(b, number);
    if (row)
        return row;
    struct change *c = batch_add(b, CHANGE_SHARD);
    c->shard = c->row.number = number;
    return &c->row;
}

// Makes the batches the next ones of whoever owns the shards now.
static inline void shard_rows_stamp(struct store *s, struct batch *const *batches, size_t count)
{
    for (uint32_t n = 0; n < store_shard_count(s); n++) {
        struct shard now;
        if (store_get_shard(s, n, &now, NULL))
            continue;
        for (size_t b = 0; b < count; b++) {
            struct shard *row = batch_shard(batches[b], n);
            if (!row)
                continue;
            row->epoch = now.epoch;
            row->tick = ++now.tick;
        }
    }
}

// store_commit, as an error: ERR_OK when all is durable.
static inline enum err store_commit_all(struct store *s, struct batch *const *batches, size_t count,
                                        struct fault *f)
{
    struct commit_cause cause = {0};
    if (store_commit(s, batches, count, &cause) != COMMIT_DONE && f)
        *f = cause.fault;
    return cause.fault.code;
}

static inline enum err shard_rows_commit(struct store *s, struct batch *const *batches,
                                         size_t count, struct fault *f)
{
    shard_rows_stamp(s, batches, count);
    return store_commit_all(s, batches, count, f);
}

#endif
