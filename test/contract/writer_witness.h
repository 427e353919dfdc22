// SPDX-License-Identifier: MIT
// writer_witness.h: notes what the writing thread of a store says, and waits for it.
//
// A test embeds a witness, whose functions for `committed` and `failed` it calls from its own.

#ifndef CARILLON_CONTRACT_WRITER_WITNESS_H
#define CARILLON_CONTRACT_WRITER_WITNESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct writer_witness {
    pthread_mutex_t lock; // Guards what follows.
    pthread_cond_t changed;
    uint64_t committed; // Every batch up to here is durable.
    unsigned stalls;
    unsigned failures;
};

static inline void witness_init(struct writer_witness *w)
{
    *w = (struct writer_witness){0};
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
}

static inline void witness_fini(struct writer_witness *w)
{
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
}

static inline void witness_committed(struct writer_witness *w, uint64_t sequence)
{
    pthread_mutex_lock(&w->lock);
    w->committed = sequence;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

// Counts `stalls` or `failures`.
static inline void witness_count(struct writer_witness *w, unsigned *counter)
{
    pthread_mutex_lock(&w->lock);
    ++*counter;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

// Waits until the batch is durable or the writer has failed. Returns up to where batches are.
static inline uint64_t witness_wait(struct writer_witness *w, uint64_t sequence)
{
    pthread_mutex_lock(&w->lock);
    while (w->committed < sequence && w->failures == 0)
        pthread_cond_wait(&w->changed, &w->lock);
    uint64_t committed = w->committed;
    pthread_mutex_unlock(&w->lock);
    return committed;
}

#endif
