// SPDX-License-Identifier: MIT
// loader_priv.h: what the two halves of the loader share: loader.c says what is read and when, and
// read.c reads it.

#ifndef CARILLON_ENGINE_LOADER_PRIV_H
#define CARILLON_ENGINE_LOADER_PRIV_H

#include "engine/engine_priv.h"

struct loader {
    struct engine *engine;
    pthread_t thread;
    bool thread_runs;
    struct store_reader *reader; // Owned by the thread. NULL while there is nothing to read.

    pthread_mutex_t lock; // Guards what follows.
    pthread_cond_t changed;
    struct shard queue[SHARDS_MAX]; // Rows of shards that wait to be loaded.
    size_t queued;
    int64_t wanted[SHARDS_MAX]; // By shard: the epoch in which it is to be loaded; 0: it is not.
    unsigned slices_out;
    bool is_start;
    bool ending;
};

// Shards on their way, in order of number.
struct group {
    struct loader *loader;
    struct shard rows[SHARDS_MAX]; // Not read to their ends yet.
    size_t count;
    struct store_slice slice; // What is to be read next, or has been.
    struct shard_set further; // The slice's further shards.
    struct load_part *first;  // The slice's parts, which are being filled.
    struct load_part *last;
    size_t slice_count; // The rows of the slice.
    bool is_told;       // The log says that the shards cannot be read.
    struct fault *fault;
};

// What may be read of the first `count` shards of a group. The parts go into its slice, and
// `slice` is moved behind the last row.
typedef enum err read_some(struct group *g, size_t count);
read_some engine__read_rows; // Also raises the next ids in the rows of the group.
read_some engine__read_jobs; // As the slice says, which is of these shards.
read_some engine__read_open; // The same.
read_some engine__read_ends;

// Adds a part to the slice.
struct load_part *engine__add_part(struct group *g, enum part_kind kind, const struct shard *row);

#endif
