// SPDX-License-Identifier: MIT
// test_writer_faults.c: the nth call of the writing thread to its disk fails, for every n.
//
// A disk that breaks, or whose power goes, ends it: what it has confirmed is there afterwards, and
// so is the order of the batches. A full disk is waited for, and then everything is there. Between
// the batches it keeps house, which fails in its turn, too.

#include "../contract/store_fixture.h"
#include "../contract/writer_witness.h"
#include "disk.h"
#include "hurry.h"

#define BATCHES 6
#define ROWS 5          // In each batch,
#define ROWS_KEPT_MAX 8 // of which so many stay.

#define ROOM_BYTES 100000  // Room on the small disk, which its log would fill
#define CHANGES_OF_JOB 100 // long before so many.

struct scene {
    struct store_fixture *fixture;
    struct store_writer *writer;
    struct writer_witness witness;
};

static void on_committed(void *context, uint64_t sequence)
{
    struct scene *x = context;
    witness_committed(&x->witness, sequence);
}

// Somebody makes room as soon as the disk is found full.
static void on_stalled(void *context, const struct fault *f, uint64_t doubtful)
{
    struct scene *x = context;
    assert_int_equal(f->code, ERR_STORE_FULL);
    assert_int_equal(doubtful, 0);
    disk_plan(NULL);
    disk_limit(0);
    witness_count(&x->witness, &x->witness.stalls);
}

static void on_failed(void *context, const struct fault *f)
{
    struct scene *x = context;
    assert_int_equal(f->code, ERR_STORE_IO);
    witness_count(&x->witness, &x->witness.failures);
}

static void open_scene(struct scene *x)
{
    const struct store_writer_events events = {
        .committed = on_committed, .stalled = on_stalled, .failed = on_failed, .context = x};
    const struct store_writer_options o = {.retention = {.executions_max = ROWS_KEPT_MAX}};
    disk_start();
    *x = (struct scene){.fixture = store_fixture_new(&store_adapters[STORE_SQLITE])};
    witness_init(&x->witness);
    store_assert_ok(store_writer_start(x->fixture->store, &o, &events, &x->writer, f));
}

static void close_scene(struct scene *x)
{
    store_fixture_free(x->fixture);
    disk_stop();
    witness_fini(&x->witness);
}

// Batch n ends executions ROWS * (n - 1) + 1 to ROWS * n of job 1.
static struct batch *batch(struct store_fixture *x)
{
    struct batch *b = store_batch(x);
    int64_t n = (int64_t)b->sequence;
    shard_row(b, 0)->watermark = n;
    if (n == 1)
        store_add_job(b, 1);
    for (int64_t id = ROWS * (n - 1) + 1; id <= ROWS * n; id++)
        store_add_insert(b,
                         store_finished(store_execution(id, 1, STORE_T0 + id), EXECUTION_SUCCESS));
    return b;
}

// True when it was confirmed, false when the store is lost.
static bool put_and_wait(struct scene *x, struct batch *b)
{
    uint64_t n = b->sequence;
    store_writer_put(x->writer, b);
    return witness_wait(&x->witness, n) >= n;
}

// Batches one by one, with time to tidy up between them. True when all were confirmed.
static bool put_batches(struct scene *x)
{
    for (int i = 0; i < BATCHES; i++)
        if (!put_and_wait(x, batch(x->fixture)))
            return false;
    return true;
}

// After the power was cut: every batch up to the watermark, and nothing else, but for old rows.
static void check(struct scene *x)
{
    const struct disk_plan off = {DISK_ON_EVERY, 1, true, DISK_DEAD};
    struct store_fixture *s = x->fixture;
    disk_plan(&off);
    store_reader_close(s->reader);
    store_close(s->store);
    disk_cut_power(DISK_LOSES_ALL, 1);
    store_assert_ok(store_open(s->path, &s->store, f));
    store_assert_ok(store_reader_open(s->store, &s->reader, f));

    struct shard p;
    struct store_ids ids;
    struct execution_query all = store_all_executions();
    store_assert_ok(store_get_shard(s->store, 0, &p, f));
    store_list_ids(s, &all, &ids);
    assert_true((uint64_t)p.watermark >= x->witness.committed);
    assert_true(ids.count >= (size_t)MIN(ROWS_KEPT_MAX, ROWS * p.watermark));
    for (size_t i = 0; i < ids.count; i++)
        assert_int_equal(ids.ids[i], ROWS * p.watermark - (int64_t)i);
}

// True when the call came.
static bool fail_call(uint32_t calls, uint64_t nth, enum disk_failure failure)
{
    struct disk_plan plan = {calls, nth, failure == DISK_FULL, failure};
    struct scene x;
    open_scene(&x);
    disk_plan(&plan);
    bool all = put_batches(&x);
    store_writer_stop(x.writer);
    assert_true(all || x.witness.failures);
    if (failure == DISK_FULL)
        assert_true(all && !x.witness.failures);
    bool reached = x.witness.stalls > 0 || disk_plan_was_reached();
    check(&x);
    close_scene(&x);
    return reached;
}

static void confirmed_batches_survive_a_broken_disk(void **state)
{
    (void)state;
    uint64_t nth = 1;
    while (fail_call(DISK_ON_EVERY, nth, DISK_BROKEN))
        nth++;
    assert_true(nth > 50);
}

static void confirmed_batches_survive_a_cut_of_the_power(void **state)
{
    (void)state;
    uint64_t nth = 1;
    while (fail_call(DISK_ON_CHANGES, nth, DISK_DEAD))
        nth++;
    assert_true(nth > 50);
}

static void a_full_disk_is_waited_for(void **state)
{
    (void)state;
    uint64_t nth = 1;
    while (fail_call(DISK_ON(DISK_WRITE) | DISK_ON(DISK_SYNC), nth, DISK_FULL))
        nth++;
    assert_true(nth > 50);
}

// The log alone would fill this disk: what it holds is folded into the database, which does not
// grow, and its room is used again. Nobody has to make any.
static void a_log_that_fills_the_disk_makes_room_by_itself(void **state)
{
    (void)state;
    struct scene x;
    open_scene(&x);
    assert_true(put_batches(&x));
    disk_limit(disk_bytes_used() + ROOM_BYTES);
    for (int i = 0; i < CHANGES_OF_JOB; i++) {
        struct batch *b = store_batch(x.fixture);
        store_add_job(b, 1);
        assert_true(put_and_wait(&x, b));
    }
    assert_int_equal(x.witness.stalls, 0);
    store_writer_stop(x.writer);
    disk_limit(0);
    close_scene(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(confirmed_batches_survive_a_broken_disk),
        cmocka_unit_test(confirmed_batches_survive_a_cut_of_the_power),
        cmocka_unit_test(a_full_disk_is_waited_for),
        cmocka_unit_test(a_log_that_fills_the_disk_makes_room_by_itself),
    };
    hurry();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
