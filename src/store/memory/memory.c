// SPDX-License-Identifier: MIT
// memory.c: a store that forgets when it is closed: for tests and the simulator.
//
// It is the plain reading of the port's rules: changes are applied one by one, in order, each
// checked, and all taken back when one is refused. The contract suite holds the database adapters
// to what this one does. One lock guards everything, callbacks included: a callback must not call
// the store.

#include "store/memory/memory_priv.h"

#include <assert.h>

static void close_store(struct store *store)
{
    struct memory_store *s = (struct memory_store *)store;
    memory_tables_free(s);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static enum err get_shard(struct store *store, uint32_t number, struct shard *out, struct fault *f)
{
    struct memory_store *s = (struct memory_store *)store;
    (void)f;
    pthread_mutex_lock(&s->lock);
    *out = s->shards[number];
    pthread_mutex_unlock(&s->lock);
    return ERR_OK;
}

static enum err take_shard(struct store *store, uint32_t number, struct shard *out, struct fault *f)
{
    struct memory_store *s = (struct memory_store *)store;
    (void)f;
    pthread_mutex_lock(&s->lock);
    s->shards[number].epoch++;
    s->shards[number].tick = 0;
    *out = s->shards[number];
    pthread_mutex_unlock(&s->lock);
    return ERR_OK;
}

static const struct store_ops ops = {
    .close = close_store,
    .commit = memory_commit,
    .get_shard = get_shard,
    .take_shard = take_shard,
    .retain = memory_retain,
    .reader_open = memory_reader_open,
    .commands_open = memory_commands_open,
    .registry_open = memory_registry_open,
};

static struct memory_store *new_store(uint32_t shards)
{
    assert(shards > 0 && shards <= SHARDS_MAX);
    struct memory_store *s = xcalloc(1, sizeof *s);
    s->store.ops = &ops;
    s->store.shards = shards;
    s->shards = xcalloc(shards, sizeof *s->shards);
    for (uint32_t i = 0; i < shards; i++)
        s->shards[i].number = i;
    pthread_mutex_init(&s->lock, NULL);
    memory_tables_init(s);
    return s;
}

enum err store_memory_open(uint32_t shards, struct store **out, struct fault *f)
{
    (void)f;
    *out = &new_store(shards)->store;
    return ERR_OK;
}

struct store *store_memory_clone(const struct store *store)
{
    const struct memory_store *from = (const struct memory_store *)store;
    struct memory_store *to = new_store(from->store.shards);
    memory_tables_copy(to, from);
    return &to->store;
}
