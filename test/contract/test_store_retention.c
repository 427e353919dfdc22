// SPDX-License-Identifier: MIT
// test_store_retention.c: what every store promises about removing old rows: the oldest go first,
// in small steps, with all that belongs to them; what is not over stays.

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

// `count` finished executions of job 1, one a second, each with an attempt and an alert.
static void fill_finished(struct store_fixture *x, int64_t count)
{
    struct batch *b = store_batch(x);
    store_add_job(b, 1);
    for (int64_t id = 1; id <= count; id++) {
        struct execution e = store_execution(id, 1, STORE_T0 + id * 1000);
        store_add_insert(b, store_finished(e, EXECUTION_FAILED));
        store_add_attempt(b, id, 1);
        store_add_alert(b, id, &e);
    }
    store_must(x, b);
}

static size_t retain(struct store_fixture *x, int64_t age_ms, int64_t executions_max, wall_ms now,
                     size_t rows_max)
{
    struct store_retention r = {.age_ms = age_ms, .executions_max = executions_max};
    size_t removed = 99999;
    store_assert_ok(store_retain(x->store, &r, now, rows_max, &removed, f));
    return removed;
}

static void check_left(struct store_fixture *x, int64_t oldest, int64_t newest)
{
    struct execution_query all = store_all_executions();
    struct store_ids ids;
    store_list_ids(x, &all, &ids);
    assert_int_equal(ids.count, newest - oldest + 1);
    for (size_t i = 0; i < ids.count; i++)
        assert_int_equal(ids.ids[i], newest - (int64_t)i);
    store_alert_ids(x, 0, INT64_MAX, 1000, &ids);
    assert_int_equal(ids.count, newest - oldest + 1);
    for (int64_t id = 1; id <= newest; id++)
        assert_int_equal(store_attempt_count(x, id), id >= oldest);
}

static void with_no_rule_nothing_goes(void **state)
{
    struct store_fixture *x = *state;
    fill_finished(x, 10);
    assert_int_equal(retain(x, 0, 0, WALL_NEVER, 100), 0);
    check_left(x, 1, 10);
}

// Finished at T0 + 3020 at the latest: older than 2 s at T0 + 5021, and not a millisecond before.
static void older_executions_go_with_all_that_belongs_to_them(void **state)
{
    struct store_fixture *x = *state;
    fill_finished(x, 10);
    assert_int_equal(retain(x, 2000, 0, STORE_T0 + 5020, 100), 2);
    check_left(x, 3, 10);
    assert_int_equal(retain(x, 2000, 0, STORE_T0 + 5021, 100), 1);
    check_left(x, 4, 10);
    assert_int_equal(retain(x, 2000, 0, STORE_T0 + 5021, 100), 0);
    store_reopen(x);
    check_left(x, 4, 10);
}

static void the_oldest_beyond_the_number_go(void **state)
{
    struct store_fixture *x = *state;
    fill_finished(x, 10);
    assert_int_equal(retain(x, 0, 10, STORE_T0, 100), 0);
    assert_int_equal(retain(x, 0, 7, STORE_T0, 100), 3);
    check_left(x, 4, 10);
    store_reopen(x); // The number is still known.
    assert_int_equal(retain(x, 0, 7, STORE_T0, 100), 0);
    assert_int_equal(retain(x, 0, 6, STORE_T0, 100), 1);
    check_left(x, 5, 10);
}

static void a_step_removes_no_more_than_it_may(void **state)
{
    struct store_fixture *x = *state;
    fill_finished(x, 10);
    assert_int_equal(retain(x, 1, 0, STORE_T0 + 60000, 4), 4);
    check_left(x, 5, 10);
    assert_int_equal(retain(x, 0, 1, STORE_T0 + 60000, 4), 4);
    check_left(x, 9, 10);
    assert_int_equal(retain(x, 1, 1, STORE_T0 + 60000, 4), 2);
}

// Three are too old; of the seven left, two are too many.
static void retention_by_age_and_by_count_hold_together(void **state)
{
    struct store_fixture *x = *state;
    fill_finished(x, 10);
    assert_int_equal(retain(x, 2000, 5, STORE_T0 + 5021, 100), 5);
    check_left(x, 6, 10);
}

static void open_executions_stay_however_old(void **state)
{
    struct store_fixture *x = *state;
    struct store_ids ids;
    struct execution_query all = store_all_executions();
    struct batch *b = store_batch(x);
    struct execution running = store_execution(2, 1, STORE_T0 + 2000);
    running.state = EXECUTION_RUNNING;
    store_add_job(b, 1);
    store_add_insert(b, store_execution(1, 1, STORE_T0 + 1000));
    store_add_insert(b, running);
    for (int64_t id = 3; id <= 6; id++)
        store_add_insert(
            b, store_finished(store_execution(id, 1, STORE_T0 + id * 1000), EXECUTION_SUCCESS));
    store_must(x, b);
    assert_int_equal(retain(x, 0, 3, STORE_T0, 100), 3);
    store_list_ids(x, &all, &ids);
    store_assert_ids(&ids, 6, 2, 1);
    assert_int_equal(retain(x, 1, 1, STORE_T0 + 900000, 100), 1);
    store_list_ids(x, &all, &ids);
    store_assert_ids(&ids, 2, 1);
}

// A range of missed occurrences from long ago that was only just written is not old.
static void age_counts_from_the_end(void **state)
{
    struct store_fixture *x = *state;
    struct batch *b = store_batch(x);
    struct execution missed = store_finished(store_execution(1, 1, STORE_T0), EXECUTION_MISSED);
    missed.completed_at = STORE_T0 + 100000;
    store_add_job(b, 1);
    store_add_insert(b, missed);
    store_must(x, b);
    assert_int_equal(retain(x, 5000, 0, STORE_T0 + 105000, 100), 0);
    assert_int_equal(retain(x, 5000, 0, STORE_T0 + 105001, 100), 1);
}

// The oldest is the one whose instant is the oldest, not the one that was planned first.
static void order_is_that_of_the_occurrences(void **state)
{
    struct store_fixture *x = *state;
    struct store_ids ids;
    struct execution_query all = store_all_executions();
    struct batch *b = store_batch(x);
    store_add_job(b, 1);
    store_add_insert(b, store_finished(store_execution(1, 1, STORE_T0 + 9000), EXECUTION_SUCCESS));
    store_add_insert(b, store_finished(store_execution(2, 1, STORE_T0 + 1000), EXECUTION_SUCCESS));
    store_add_insert(b, store_finished(store_execution(3, 1, STORE_T0 + 5000), EXECUTION_SUCCESS));
    store_must(x, b);
    assert_int_equal(retain(x, 0, 2, STORE_T0, 100), 1);
    store_list_ids(x, &all, &ids);
    store_assert_ids(&ids, 1, 3);
}

static void add_loose_alert(struct batch *b, int64_t id, job_id job, wall_ms at)
{
    store_add(b, CHANGE_ALERT)->alert = (struct alert){
        .id = id, .job = job, .kind = ALERT_CLOCK, .created_at = at, .to = at, .message = ""};
}

// An alert about the server, or about a job as such, belongs to no execution that could take it
// along.
static void alerts_about_no_execution_go_by_age(void **state)
{
    struct store_fixture *x = *state;
    struct store_ids ids;
    struct batch *b = store_batch(x);
    store_add_job(b, 1);
    add_loose_alert(b, 1, 0, STORE_T0);
    add_loose_alert(b, 2, 1, STORE_T0 + 1000);
    add_loose_alert(b, 3, 0, STORE_T0 + 2000);
    store_must(x, b);
    store_alert_ids(x, 0, INT64_MAX, 10, &ids);
    store_assert_ids(&ids, 3, 2, 1);
    store_alert_ids(x, 1, INT64_MAX, 10, &ids);
    store_assert_ids(&ids, 2);

    assert_int_equal(retain(x, 0, 1, STORE_T0 + 9000, 100), 0);
    assert_int_equal(retain(x, 5000, 0, STORE_T0 + 5001, 100), 0);
    store_alert_ids(x, 0, INT64_MAX, 10, &ids);
    store_assert_ids(&ids, 3, 2);

    // And a deleted job takes its own along.
    b = store_batch(x);
    store_add(b, CHANGE_JOB_DELETE)->deleted.id = 1;
    b->changes[b->count - 1].deleted.at = STORE_T0 + 3000;
    store_must(x, b);
    assert_int_equal(retain(x, 0, 0, STORE_T0 + 5001, 100), 0);
    store_alert_ids(x, 0, INT64_MAX, 10, &ids);
    store_assert_ids(&ids, 3);
}

// While a row of a deleted job is there, its alerts can be listed under the job. After the last has
// gone, the key of the job's table row is free, which only a second use of the id can show.
static void a_deleted_job_goes_with_its_last_execution(void **state)
{
    struct store_fixture *x = *state;
    struct store_ids ids;
    fill_finished(x, 2);
    struct batch *b = store_batch(x);
    store_add(b, CHANGE_JOB_DELETE)->deleted.id = 1;
    b->changes[b->count - 1].deleted.at = STORE_T0 + 9000;
    store_must(x, b);

    assert_int_equal(retain(x, 0, 1, STORE_T0, 100), 1);
    store_alert_ids(x, 1, INT64_MAX, 10, &ids);
    store_assert_ids(&ids, 2);
    b = store_batch(x);
    store_add_job(b, 1);
    assert_int_equal(store_try(x, b), ERR_CONFLICT);

    assert_int_equal(retain(x, 1, 0, STORE_T0 + 60000, 100), 1);
    b = store_batch(x);
    store_add_job(b, 1);
    store_must(x, b);
}

// The steps of deleted jobs go on where the last one ended, leave none out, and begin again.
static void small_steps_reach_every_deleted_job(void **state)
{
    struct store_fixture *x = *state;
    for (job_id round = 0; round < 2; round++) {
        const job_id first = 1 + round * 10, count = 5;
        struct batch *b = store_batch(x);
        for (job_id id = first; id < first + count; id++)
            store_add_job(b, id);
        store_must(x, b);
        b = store_batch(x);
        for (job_id id = first; id < first + count; id++) {
            struct change *c = store_add(b, CHANGE_JOB_DELETE);
            c->deleted.id = id;
            c->deleted.at = STORE_T0;
        }
        store_must(x, b);
        for (job_id step = 0; step < 3; step++) // Steps of two, two and one.
            assert_int_equal(retain(x, 0, 0, STORE_T0, 2), 0);
        b = store_batch(x);
        for (job_id id = first; id < first + count; id++)
            store_add_job(b, id);
        store_must(x, b); // The id of each can be used again.
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(with_no_rule_nothing_goes),
        TEST(older_executions_go_with_all_that_belongs_to_them),
        TEST(the_oldest_beyond_the_number_go),
        TEST(a_step_removes_no_more_than_it_may),
        TEST(retention_by_age_and_by_count_hold_together),
        TEST(open_executions_stay_however_old),
        TEST(age_counts_from_the_end),
        TEST(order_is_that_of_the_occurrences),
        TEST(alerts_about_no_execution_go_by_age),
        TEST(a_deleted_job_goes_with_its_last_execution),
        TEST(small_steps_reach_every_deleted_job),
    };
    int failed = 0;
    for (size_t i = 0; i < store_adapter_count; i++) {
        adapter = &store_adapters[i];
        failed += cmocka_run_group_tests_name(adapter->name, tests, NULL, NULL);
    }
    return failed;
}
