// SPDX-License-Identifier: MIT
// memory.c: a store that forgets when it is closed: for tests and the simulator.
//
// It is the plain reading of the port's rules: changes are applied one by one, in order, each
// checked, and all taken back when one is refused. The contract suite holds the database adapters
// to what this one does. One lock guards everything, callbacks included: a callback must not call
// the store.

#include "store/memory/memory_priv.h"

static void close_store(struct store *store)
{
    struct memory_store *s = (struct memory_store *)store;
    memory_tables_free(s);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static enum err get_progress(struct store *store, struct progress *out, struct fault *f)
{
    (void)f;
    *out = ((struct memory_store *)store)->progress;
    return ERR_OK;
}

static int64_t last_id(const struct table *t)
{
    return t->count > 0 ? t->id_of(t->rows[t->count - 1]) : 0;
}

static enum err get_last_ids(struct store *store, struct last_ids *out, struct fault *f)
{
    const struct memory_store *s = (const struct memory_store *)store;
    (void)f;
    *out = (struct last_ids){last_id(&s->jobs), last_id(&s->executions), last_id(&s->alerts)};
    return ERR_OK;
}

static enum err tidy(struct store *store, struct fault *f)
{
    (void)store;
    (void)f;
    return ERR_OK;
}

static const struct store_ops ops = {
    .close = close_store,
    .commit = memory_commit,
    .get_progress = get_progress,
    .get_last_ids = get_last_ids,
    .load_jobs = memory_load_jobs,
    .load_open = memory_load_open,
    .retain = memory_retain,
    .tidy = tidy,
    .reader_open = memory_reader_open,
};

static struct memory_store *new_store(void)
{
    struct memory_store *s = xcalloc(1, sizeof *s);
    s->store.ops = &ops;
    pthread_mutex_init(&s->lock, NULL);
    memory_tables_init(s);
    return s;
}

enum err store_memory_open(struct store **out, struct fault *f)
{
    (void)f;
    *out = &new_store()->store;
    return ERR_OK;
}

struct store *store_memory_clone(const struct store *store)
{
    const struct memory_store *from = (const struct memory_store *)store;
    struct memory_store *to = new_store();
    memory_tables_copy(to, from);
    return &to->store;
}
