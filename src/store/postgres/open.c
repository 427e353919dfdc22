// SPDX-License-Identifier: MIT
// open.c: opens and closes, and what the owner of shards asks of them.

#include "store/postgres/postgres_priv.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static void close_store(struct store *store)
{
    struct postgres_store *s = (struct postgres_store *)store;
    link_fini(&s->link);
    link_fini(&s->chores);
    free(s);
}

// Runs a statement that returns the row of one shard.
static enum err read_shard(struct postgres_store *s, const char *sql, uint32_t number,
                           struct shard *out, struct fault *f)
{
    struct parameters p = {0};
    PGresult *result;
    parameter_integer(&p, number);
    enum err err = link_run(&s->link, sql, &p, &result, f);
    parameters_fini(&p);
    if (err)
        return err;
    struct result_row r = {result, 0};
    if (PQntuples(result) == 1)
        result_shard(&r, out);
    else
        err = fault_set(f, ERR_STORE_CORRUPT, "table shards has no row %u", number);
    PQclear(result);
    return err;
}

static enum err get_shard(struct store *store, uint32_t number, struct shard *out, struct fault *f)
{
    return read_shard((struct postgres_store *)store,
                      "SELECT " SHARD_COLUMNS " FROM shards WHERE id = $1", number, out, f);
}

// When the answer is lost, the shard may be in an epoch that nobody knows of, and is taken again.
static enum err take_shard(struct store *store, uint32_t number, struct shard *out, struct fault *f)
{
    struct postgres_store *s = (struct postgres_store *)store;
    struct shard taken;
    enum err err =
        read_shard(s, "SELECT " SHARD_COLUMNS " FROM carillon_take_1($1)", number, &taken, f);
    if (!err && s->link.has_warned)
        err = fault_set(f, ERR_STORE_AWAY, "the server gave up waiting for its replica");
    if (!err)
        *out = taken;
    return err;
}

static const struct store_ops ops = {
    .chores_beside = true,
    .close = close_store,
    .commit = postgres_commit,
    .get_shard = get_shard,
    .take_shard = take_shard,
    .retain = postgres_retain,
    .make_days = postgres_make_days,
    .reader_open = postgres_reader_open,
    .commands_open = postgres_commands_open,
    .registry_open = postgres_registry_open,
};

enum err store_postgres_open(const char *url, uint32_t shards, struct store **out, struct fault *f)
{
    assert(shards > 0 && shards <= SHARDS_MAX);
    struct postgres_store *s = xcalloc(1, sizeof *s);
    s->store.ops = &ops;
    s->store.shards = shards;
    link_init(&s->link, url);
    link_init(&s->chores, url);
    enum err err = link_connect(&s->link, f);
    if (!err)
        err = postgres_prepare(&s->link, shards, f);
    if (err) {
        close_store(&s->store);
        return err;
    }
    *out = &s->store;
    return ERR_OK;
}

// What the URL says last counts.
enum err store_open_replica(const char *place, struct store **out, struct fault *f)
{
    if (strncmp(place, "postgresql://", 13) != 0 && strncmp(place, "postgres://", 11) != 0)
        return fault_set(f, ERR_UNSUPPORTED, "a replica is given as postgresql://...");
    size_t bytes = strlen(place) + 32;
    char *url = xmalloc(bytes);
    snprintf(url, bytes, "%s%ctarget_session_attrs=any", place, strchr(place, '?') ? '&' : '?');
    struct postgres_store *s = xcalloc(1, sizeof *s);
    s->store.ops = &ops;
    s->store.shards = SHARDS_MAX;
    s->is_replica = true;
    link_init(&s->link, url);
    free(url);
    *out = &s->store;
    return ERR_OK;
}
