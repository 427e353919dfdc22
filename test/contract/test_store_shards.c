// SPDX-License-Identifier: MIT
// test_store_shards.c: what every store promises the owner of a shard: nobody else writes there,
// and what is written twice, since an answer was lost, is there once.

#include "postgres_server.h"
#include "store_fixture.h"

#include <string.h>

static const struct store_adapter *adapter;

static int setup(void **state)
{
    *state = store_fixture_new(adapter);
    return 0;
}

static int teardown(void **state)
{
    store_fixture_free(*state);
    return 0;
}

static struct shard row_now(struct store *s, uint32_t number)
{
    struct shard row;
    store_assert_ok(store_get_shard(s, number, &row, f));
    return row;
}

// Adds a job to its shard, with the shard's row of this epoch and tick.
static struct batch *batch_of(struct store *s, job_id job, int64_t epoch, int64_t tick)
{
    uint32_t shard = shard_of(job, store_shard_count(s));
    static uint64_t sequence;
    struct batch *b = batch_new(++sequence);
    struct shard *row = shard_row(b, shard);
    row->epoch = epoch;
    row->tick = tick;
    row->job_next = job + 1;
    store_add_job(b, job);
    b->changes[b->count - 1].shard = shard;
    return b;
}

static enum err commit(struct store *s, struct batch *b)
{
    struct fault f = {0};
    enum err err = store_commit_all(s, &b, 1, &f);
    assert_int_equal(err != ERR_OK, f.text[0] != '\0');
    batch_free(b);
    return err;
}

static void check_jobs(struct store_fixture *x, size_t count)
{
    struct job_query all = {.is_active = -1, .limit = 10};
    struct store_ids ids;
    store_list_job_ids(x, &all, &ids);
    assert_int_equal(ids.count, count);
}

static void whoever_takes_a_shard_begins_an_epoch(void **state)
{
    struct store_fixture *x = *state;
    struct shard taken;
    assert_int_equal(commit(x->store, batch_of(x->store, 1, 0, 1)), ERR_OK);
    store_assert_ok(store_take_shard(x->store, 0, &taken, f));
    assert_int_equal(taken.epoch, 1);
    assert_int_equal(taken.tick, 0);
    assert_int_equal(taken.job_next, 2); // What was there goes on.
    store_reopen(x);
    assert_int_equal(row_now(x->store, 0).epoch, 1);
    store_assert_ok(store_take_shard(x->store, 0, &taken, f));
    assert_int_equal(taken.epoch, 2);
    assert_int_equal(commit(x->store, batch_of(x->store, 2, 2, 1)), ERR_OK);
    check_jobs(x, 2);
}

static void an_owner_of_before_writes_nothing(void **state)
{
    struct store_fixture *x = *state;
    struct shard taken;
    store_assert_ok(store_take_shard(x->store, 0, &taken, f));
    assert_int_equal(commit(x->store, batch_of(x->store, 1, 1, 1)), ERR_OK);
    store_assert_ok(store_take_shard(x->store, 0, &taken, f));
    char *before = store_dump(x);
    assert_int_equal(commit(x->store, batch_of(x->store, 2, 1, 2)), ERR_FENCED);
    assert_int_equal(commit(x->store, batch_of(x->store, 2, 1, 1)), ERR_FENCED);
    assert_int_equal(commit(x->store, batch_of(x->store, 2, 3, 1)),
                     ERR_FENCED); // An epoch that nobody has.
    char *after = store_dump(x);
    assert_string_equal(before, after);
    free(before);
    free(after);
}

// Written in one commit, and asked for again.
static void what_is_written_already_is_not_written_twice(void **state)
{
    struct store_fixture *x = *state;
    struct batch *batches[] = {batch_of(x->store, 1, 0, 1), batch_of(x->store, 2, 0, 2)};
    store_assert_ok(store_commit_all(x->store, batches, 2, f));
    char *before = store_dump(x);
    store_assert_ok(store_commit_all(x->store, batches, 2, f));
    store_reopen(x);
    store_assert_ok(store_commit_all(x->store, batches, 2, f));
    char *after = store_dump(x);
    assert_string_equal(before, after);
    assert_int_equal(row_now(x->store, 0).tick, 2);
    for (size_t i = 0; i < COUNT_OF(batches); i++)
        batch_free(batches[i]);
    free(before);
    free(after);
}

static struct batch *end_of_execution(struct store *s, int64_t epoch, int64_t tick)
{
    struct batch *b = batch_of(s, 1, epoch, tick);
    store_add_update(b, store_finished(store_execution(1, 1, STORE_T0), EXECUTION_SUCCESS));
    return b;
}

// A node lost a shard and took it again while its last batches of before had to wait. They are told
// from the new ones before anything is made of their rows.
static void batches_of_two_epochs_of_one_node_do_not_mix(void **state)
{
    struct store_fixture *x = *state;
    struct shard taken;
    struct commit_cause cause = {0};
    struct batch *b = batch_of(x->store, 1, 0, 1);
    store_add_insert(b, store_execution(1, 1, STORE_T0));
    assert_int_equal(commit(x->store, b), ERR_OK);
    store_assert_ok(store_take_shard(x->store, 0, &taken, f));
    struct batch *batches[] = {end_of_execution(x->store, 0, 2),
                               end_of_execution(x->store, taken.epoch, 1)};
    assert_int_equal(store_commit(x->store, batches, 2, &cause), COMMIT_FENCED);
    assert_true(shard_set_has(&cause.fenced, 0));
    assert_int_equal(cause.fault.code, ERR_FENCED);
    batch_drop(batches[0], 0);
    store_assert_ok(store_commit_all(x->store, batches, 2, f));
    assert_int_equal(row_now(x->store, 0).tick, 1);
    for (size_t i = 0; i < COUNT_OF(batches); i++)
        batch_free(batches[i]);
}

// An owner that skips a tick, or goes back, has lost sight of what is there.
static void ticks_come_one_after_the_other(void **state)
{
    struct store_fixture *x = *state;
    assert_int_equal(commit(x->store, batch_of(x->store, 1, 0, 1)), ERR_OK);
    assert_int_equal(commit(x->store, batch_of(x->store, 2, 0, 3)), ERR_FENCED);
    assert_int_equal(commit(x->store, batch_of(x->store, 2, 0, 2)), ERR_OK);
    assert_int_equal(commit(x->store, batch_of(x->store, 3, 0, 1)), ERR_FENCED);
    struct batch *batches[] = {batch_of(x->store, 3, 0, 3), batch_of(x->store, 4, 0, 5)};
    assert_int_equal(store_commit_all(x->store, batches, 2, NULL), ERR_FENCED);
    for (size_t i = 0; i < COUNT_OF(batches); i++)
        batch_free(batches[i]);
    check_jobs(x, 2);
}

static enum err add_job_id(void *context, const struct job *j)
{
    struct store_ids *ids = context;
    ids->ids[ids->count++] = j->id;
    return ERR_OK;
}

static enum err add_execution_id(void *context, const struct execution *e)
{
    struct store_ids *ids = context;
    ids->ids[ids->count++] = e->id;
    return ERR_OK;
}

// Each slice goes on behind the last row of the one before; one that is not full is the last.
static void a_shard_is_loaded_in_slices(void **state)
{
    struct store_fixture *x = *state;
    struct batch *b = store_batch(x);
    for (job_id id = 1; id <= 5; id++) {
        store_add_job(b, id);
        store_add_insert(b, store_execution(10 * id, id, STORE_T0 - id)); // Due in reverse.
    }
    store_add_insert(b, store_finished(store_execution(25, 2, STORE_T0), EXECUTION_FAILED));
    store_must(x, b);
    for (int64_t last = 0; last < 5; last += 2) {
        struct store_slice jobs = {.after = last, .limit = 2};
        struct store_slice executions = {.after = 10 * last, .limit = 2};
        struct store_ids ids = {0};
        store_assert_ok(store_load_jobs(x->reader, &jobs, add_job_id, &ids, f));
        assert_int_equal(ids.count, MIN(2, 5 - last));
        assert_int_equal(ids.ids[0], last + 1);
        ids.count = 0;
        store_assert_ok(store_load_open(x->reader, &executions, add_execution_id, &ids, f));
        assert_int_equal(ids.count, MIN(2, 5 - last));
        assert_int_equal(ids.ids[0], 10 * (last + 1));
    }
}

// --- Several shards, which a database of SQLite cannot have --------------------------------------

static uint32_t shards; // So many do the next stores have.

struct many {
    struct store *store;
    char url[POSTGRES_URL_BYTES];
};

static int setup_many(void **state)
{
    struct many *m = xcalloc(1, sizeof *m);
    *state = m;
    if (adapter->is_server)
        postgres_database_new(m->url);
    store_assert_ok(adapter->is_server ? store_postgres_open(m->url, shards, &m->store, f)
                                       : store_memory_open(shards, &m->store, f));
    return 0;
}

static int teardown_many(void **state)
{
    struct many *m = *state;
    store_close(m->store);
    if (adapter->is_server)
        postgres_database_drop(m->url);
    free(m);
    return 0;
}

static void each_shard_has_its_own_owner(void **state)
{
    struct store *s = ((struct many *)*state)->store;
    struct shard taken;
    assert_int_equal(store_shard_count(s), shards);
    store_assert_ok(store_take_shard(s, 1, &taken, f));
    assert_int_equal(taken.number, 1);
    assert_int_equal(commit(s, batch_of(s, shard_id(1, 1, shards), 1, 1)), ERR_OK);
    assert_int_equal(commit(s, batch_of(s, shard_id(2, 1, shards), 0, 1)), ERR_OK);
    assert_int_equal(commit(s, batch_of(s, shard_id(1, 2, shards), 0, 1)), ERR_FENCED);
    assert_int_equal(row_now(s, 1).tick, 1);
    assert_int_equal(row_now(s, 2).epoch, 0);
    assert_int_equal(row_now(s, 3).tick, 0);
}

static void commit_fences(struct store *s, struct batch *const *batches, size_t count,
                          uint32_t shard)
{
    struct commit_cause cause = {0};
    assert_int_equal(store_commit(s, batches, count, &cause), COMMIT_FENCED);
    for (uint32_t n = 0; n < shards; n++)
        assert_int_equal(shard_set_has(&cause.fenced, n), n == shard);
}

// A single lost shard is enough: the others are not written either.
static void a_commit_of_several_shards_is_whole(void **state)
{
    struct store *s = ((struct many *)*state)->store;
    struct shard taken;
    store_assert_ok(store_take_shard(s, 3, &taken, f));
    struct batch *batches[] = {batch_of(s, shard_id(2, 1, shards), 0, 1),
                               batch_of(s, shard_id(3, 1, shards), 0, 1)};
    struct fault fault = {0};
    assert_int_equal(store_commit_all(s, batches, 2, &fault), ERR_FENCED);
    assert_non_null(strstr(fault.text, "shard 3"));
    commit_fences(s, batches, 2, 3);
    assert_int_equal(row_now(s, 2).tick, 0);
    store_assert_ok(store_commit_all(s, batches, 1, f));
    assert_int_equal(row_now(s, 2).tick, 1);
    for (size_t i = 0; i < COUNT_OF(batches); i++)
        batch_free(batches[i]);
}

// The answer of a commit was lost, and before it is asked for again somebody else takes one of its
// shards. The other shard's part was written and is not written twice; of the lost one's part the
// old owner is told nothing.
static void a_commit_in_doubt_is_asked_for_without_the_shard_that_was_lost(void **state)
{
    struct store *s = ((struct many *)*state)->store;
    struct shard taken;
    struct batch *batches[] = {batch_of(s, shard_id(2, 1, shards), 0, 1),
                               batch_of(s, shard_id(3, 1, shards), 0, 1)};
    store_assert_ok(store_commit_all(s, batches, 2, f));
    store_assert_ok(store_take_shard(s, 3, &taken, f));
    commit_fences(s, batches, 2, 3);
    for (size_t i = 0; i < COUNT_OF(batches); i++)
        batch_drop(batches[i], 3);
    assert_int_equal(batches[1]->count, 0);
    store_assert_ok(store_commit_all(s, batches, 2, f));
    assert_int_equal(row_now(s, 2).tick, 1);
    assert_int_equal(row_now(s, 3).epoch, 1);
    assert_int_equal(row_now(s, 3).tick, 0);
    for (size_t i = 0; i < COUNT_OF(batches); i++)
        batch_free(batches[i]);
}

static void each_shard_counts_its_own_ids(void **state)
{
    struct store *s = ((struct many *)*state)->store;
    struct store_reader *r;
    struct last_ids last;
    for (int64_t n = 1; n <= 3; n++)
        assert_int_equal(commit(s, batch_of(s, shard_id(1, n, shards), 0, n)), ERR_OK);
    assert_int_equal(commit(s, batch_of(s, shard_id(2, 1, shards), 0, 1)), ERR_OK);
    store_assert_ok(store_reader_open(s, &r, f));
    store_assert_ok(store_read_last_ids(r, 1, &last, f));
    assert_int_equal(last.job, 3);
    store_assert_ok(store_read_last_ids(r, 2, &last, f));
    assert_int_equal(last.job, 1);
    store_assert_ok(store_read_last_ids(r, 0, &last, f));
    assert_int_equal(last.job, 0);
    store_reader_close(r);
}

// A job of the shard, and an execution of it that is open.
static void store_open_job(struct store *s, uint32_t shard, int64_t n)
{
    job_id job = shard_id(shard, n, shards);
    struct batch *b = batch_of(s, job, 0, n);
    store_add_insert(b, store_execution(job, job, STORE_T0 - n));
    b->changes[b->count - 1].shard = shard;
    assert_int_equal(commit(s, b), ERR_OK);
}

// The next slice of both lists, which hold the same numbers. Moves *at behind it.
static size_t load_both(struct store_reader *r, struct store_slice *at, struct store_ids *all)
{
    struct store_ids jobs = {0};
    struct store_ids executions = {0};
    store_assert_ok(store_load_jobs(r, at, add_job_id, &jobs, f));
    store_assert_ok(store_load_open(r, at, add_execution_id, &executions, f));
    assert_int_equal(jobs.count, executions.count);
    for (size_t i = 0; i < jobs.count; i++) {
        assert_int_equal(jobs.ids[i], executions.ids[i]);
        all->ids[all->count++] = jobs.ids[i];
        at->shard = shard_of(jobs.ids[i], shards);
        at->after = jobs.ids[i];
    }
    return jobs.count;
}

static void load_in_slices_of(struct store_reader *r, size_t limit, struct store_ids *all)
{
    struct shard_set further;
    struct store_slice at = {.shard = 1, .limit = limit};
    size_t count;
    *all = (struct store_ids){0};
    do {
        further = (struct shard_set){0};
        for (uint32_t n = MAX(at.shard, 1) + 1; n < shards; n++)
            shard_set_add(&further, n);
        at.further = &further;
        count = load_both(r, &at, all);
    } while (count == limit);
}

// Rows of shards that are read together come in order of shard and id: a slice may end within a
// shard, between two, or go over one that is empty. Shard 0 is somebody else's.
static void several_shards_are_loaded_in_one_slice(void **state)
{
    struct store *s = ((struct many *)*state)->store;
    struct store_reader *r;
    struct store_ids all;
    const job_id expected[] = {shard_id(1, 1, shards), shard_id(1, 2, shards),
                               shard_id(1, 3, shards), shard_id(3, 1, shards),
                               shard_id(3, 2, shards)};
    for (int64_t n = 1; n <= 3; n++)
        store_open_job(s, 1, n);
    for (int64_t n = 1; n <= 2; n++)
        store_open_job(s, 3, n);
    store_open_job(s, 0, 1);
    store_assert_ok(store_reader_open(s, &r, f));
    for (size_t limit = 1; limit <= COUNT_OF(expected) + 1; limit++) {
        load_in_slices_of(r, limit, &all);
        assert_int_equal(all.count, COUNT_OF(expected));
        assert_memory_equal(all.ids, expected, sizeof expected);
    }
    store_reader_close(r);
}

// Each goes into the element with its number, and nothing is said of the other shards.
static void rows_and_last_ids_of_several_shards_come_at_once(void **state)
{
    struct store *s = ((struct many *)*state)->store;
    struct store_reader *r;
    struct shard_set of = {0};
    struct last_ids last[SHARDS_MAX] = {[2] = {.job = 99}};
    struct shard rows[SHARDS_MAX] = {[2] = {.epoch = 99}};
    struct shard taken;
    store_open_job(s, 1, 1);
    store_open_job(s, 1, 2);
    store_assert_ok(store_take_shard(s, 3, &taken, f));
    shard_set_add(&of, 1);
    shard_set_add(&of, 3);
    store_assert_ok(store_reader_open(s, &r, f));
    store_assert_ok(store_read_last_ids_of(r, &of, last, f));
    store_assert_ok(store_read_shards(r, &of, rows, f));
    store_reader_close(r);
    assert_int_equal(last[1].job, 2);
    assert_int_equal(last[1].execution, 2);
    assert_int_equal(last[2].job, 99);
    assert_int_equal(last[3].job, 0);
    assert_int_equal(rows[1].tick, 2);
    assert_int_equal(rows[2].epoch, 99);
    assert_int_equal(rows[3].epoch, taken.epoch);
}

// So who reads for an owner finds out that the shard has become another node's.
static void a_reader_sees_the_epoch_of_each_shard(void **state)
{
    struct store *s = ((struct many *)*state)->store;
    struct store_reader *r;
    struct shard row;
    struct shard seen;
    store_assert_ok(store_reader_open(s, &r, f));
    store_assert_ok(store_take_shard(s, 2, &row, f));
    store_assert_ok(store_read_shard(r, 2, &seen, f));
    assert_int_equal(seen.number, 2);
    assert_int_equal(seen.epoch, row.epoch);
    store_assert_ok(store_take_shard(s, 2, &row, f));
    store_assert_ok(store_read_shard(r, 2, &seen, f));
    assert_int_equal(seen.epoch, row.epoch);
    store_assert_ok(store_read_shard(r, 3, &seen, f));
    assert_int_equal(seen.number, 3);
    store_reader_close(r);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

#define MANY(function) cmocka_unit_test_setup_teardown(function, setup_many, teardown_many)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(whoever_takes_a_shard_begins_an_epoch),
        TEST(an_owner_of_before_writes_nothing),
        TEST(what_is_written_already_is_not_written_twice),
        TEST(batches_of_two_epochs_of_one_node_do_not_mix),
        TEST(ticks_come_one_after_the_other),
        TEST(a_shard_is_loaded_in_slices),
    };
    const struct CMUnitTest many[] = {
        MANY(each_shard_has_its_own_owner),
        MANY(a_commit_of_several_shards_is_whole),
        MANY(a_commit_in_doubt_is_asked_for_without_the_shard_that_was_lost),
        MANY(each_shard_counts_its_own_ids),
        MANY(several_shards_are_loaded_in_one_slice),
        MANY(rows_and_last_ids_of_several_shards_come_at_once),
        MANY(a_reader_sees_the_epoch_of_each_shard),
    };
    static const uint32_t numbers[] = {4, SHARDS_MAX};
    int failed = 0;
    for (size_t i = 0; i < store_adapter_count; i++) {
        adapter = &store_adapters[i];
        failed += cmocka_run_group_tests_name(adapter->name, tests, NULL, NULL);
        for (size_t k = 0; k < COUNT_OF(numbers) && i != STORE_SQLITE; k++) {
            shards = numbers[k];
            failed += cmocka_run_group_tests_name("several shards", many, NULL, NULL);
        }
    }
    return failed;
}
