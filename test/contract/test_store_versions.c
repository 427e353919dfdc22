// SPDX-License-Identifier: MIT
// test_store_versions.c: what every store remembers about what decided a job's occurrences: a row
// for each change of that and for nothing else, for as long as executions of its time are kept.

#include "store_fixture.h"

#include <string.h>

#define HOUR 3600000LL

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

static enum err keep(void *context, const struct job_version *v)
{
    job_versions_add(context, v);
    return ERR_OK;
}

static struct job_versions list(struct store_fixture *x, job_id job)
{
    struct job_versions l = {0};
    store_assert_ok(store_list_versions(x->reader, job, keep, &l, f));
    return l;
}

// The phases of the job's versions, one letter each: "apd".
static void check_phases(struct store_fixture *x, job_id job, const char *expected)
{
    char found[32] = "";
    struct job_versions l = list(x, job);
    for (size_t i = 0; i < l.count; i++)
        found[i] = *job_phase_name(l.rows[i].phase);
    assert_string_equal(found, expected);
    job_versions_fini(&l);
}

// The job as store_add_job makes it, changed at `at`.
static struct job *edit(struct batch *b, job_id id, wall_ms at)
{
    store_add_job(b, id);
    struct job *j = b->changes[b->count - 1].job;
    j->version = 2;
    j->updated_at = j->effective_from = at;
    return j;
}

static struct job_state *change_state(struct batch *b, job_id id, wall_ms at)
{
    struct job_state *s = &store_add(b, CHANGE_JOB_STATE)->state;
    *s = (struct job_state){.id = id,
                            .version = 2,
                            .updated_at = at,
                            .effective_from = at,
                            .paused_until = WALL_NEVER,
                            .is_active = true};
    return s;
}

static void remove_job(struct batch *b, job_id id, wall_ms at)
{
    struct change *c = store_add(b, CHANGE_JOB_DELETE);
    c->deleted.id = id;
    c->deleted.at = at;
}

static void create(struct store_fixture *x, job_id id)
{
    struct batch *b = store_batch(x);
    store_add_job(b, id);
    store_add_version(b, id, STORE_T0, JOB_ACTIVE);
    store_must(x, b);
}

static void a_version_comes_back_with_all_that_decides(void **state)
{
    struct store_fixture *x = *state;
    struct batch *b = store_batch(x);
    struct job *j = edit(b, 5, STORE_T0 + HOUR);
    job_set_text(&j->schedule, "31 10-15 1 * * MON-FRI");
    job_set_text(&j->timezone, "Europe/Berlin");
    job_set_text(&j->paused_reason, "Ferien – ü");
    j->dst_gap = CRON_GAP_SKIP;
    j->dst_fold = CRON_FOLD_SECOND;
    j->start_at = STORE_T0 + 2 * HOUR;
    j->end_at = STORE_T0 + 3 * HOUR;
    j->max_runs = 100;
    j->runs = 7;
    j->paused_until = STORE_T0 + 4 * HOUR;
    j->is_active = false;
    store_add_version(b, 5, STORE_T0 + HOUR, JOB_PAUSED);
    store_must(x, b);
    store_reopen(x);

    struct job_versions l = list(x, 5);
    assert_int_equal(l.count, 1);
    const struct job_version *v = l.rows;
    assert_int_equal(v->job, 5);
    assert_int_equal(v->number, 1);
    assert_int_equal(v->version, 2);
    assert_int_equal(v->from_at, STORE_T0 + HOUR);
    assert_int_equal(v->phase, JOB_PAUSED);
    assert_string_equal(v->schedule, "31 10-15 1 * * MON-FRI");
    assert_string_equal(v->timezone, "Europe/Berlin");
    assert_string_equal(v->reason, "Ferien – ü");
    assert_int_equal(v->dst_gap, CRON_GAP_SKIP);
    assert_int_equal(v->dst_fold, CRON_FOLD_SECOND);
    assert_int_equal(v->start_at, STORE_T0 + 2 * HOUR);
    assert_int_equal(v->end_at, STORE_T0 + 3 * HOUR);
    assert_int_equal(v->paused_until, STORE_T0 + 4 * HOUR);
    assert_int_equal(v->max_runs, 100);
    assert_int_equal(v->runs, 7);
    job_versions_fini(&l);
    check_phases(x, 6, "");
}

// Changes of the row alone, such as of the URL or of a count, begin none.
static void a_version_begins_when_it_is_told_and_not_else(void **state)
{
    struct store_fixture *x = *state;
    create(x, 1);
    struct batch *b = store_batch(x);
    struct job *j = edit(b, 1, STORE_T0 + HOUR);
    job_set_text(&j->api, "http://127.0.0.1:9999/other");
    change_state(b, 1, STORE_T0 + 2 * HOUR)->runs = 3;
    change_state(b, 1, STORE_T0 + 3 * HOUR)->failures = 3;
    store_must(x, b);
    check_phases(x, 1, "a");
}

static void a_version_of_no_job_is_refused(void **state)
{
    struct store_fixture *x = *state;
    struct batch *b = store_batch(x);
    store_add_version(b, 1, STORE_T0, JOB_ACTIVE);
    assert_int_equal(store_try(x, b), ERR_CONFLICT);
    check_phases(x, 1, "");
}

static void each_turn_of_a_job_is_a_version(void **state)
{
    struct store_fixture *x = *state;
    create(x, 1);
    struct batch *b = store_batch(x);
    job_set_text(&edit(b, 1, STORE_T0 + HOUR)->schedule, "* * * * *");
    store_add_version(b, 1, STORE_T0 + HOUR, JOB_ACTIVE);
    edit(b, 1, STORE_T0 + 2 * HOUR)->is_active = false;
    store_add_version(b, 1, STORE_T0 + 2 * HOUR, JOB_PAUSED);
    change_state(b, 1, STORE_T0 + 3 * HOUR);
    store_add_version(b, 1, STORE_T0 + 3 * HOUR, JOB_ACTIVE);
    store_must(x, b);
    b = store_batch(x);
    struct job_state *s = change_state(b, 1, STORE_T0 + 4 * HOUR);
    s->effective_from = STORE_T0 + 3 * HOUR;
    s->is_active = false;
    s->finished = true;
    store_add_version(b, 1, STORE_T0 + 4 * HOUR, JOB_FINISHED);
    remove_job(b, 1, STORE_T0 + 5 * HOUR);
    store_add_version(b, 1, STORE_T0 + 5 * HOUR, JOB_DELETED);
    store_must(x, b);
    store_reopen(x);

    check_phases(x, 1, "aapafd");
    struct job_versions l = list(x, 1);
    assert_string_equal(l.rows[0].schedule, "* * * * * *");
    assert_string_equal(l.rows[1].schedule, "* * * * *");
    for (size_t i = 0; i < l.count; i++) {
        assert_int_equal(l.rows[i].number, i + 1);
        assert_int_equal(l.rows[i].from_at, STORE_T0 + (wall_ms)i * HOUR);
    }
    job_versions_fini(&l);
}

static void a_refused_commit_leaves_no_version(void **state)
{
    struct store_fixture *x = *state;
    create(x, 1);
    struct batch *b = store_batch(x);
    store_add_job(b, 2);
    store_add_version(b, 2, STORE_T0, JOB_ACTIVE);
    edit(b, 1, STORE_T0 + HOUR)->is_active = false;
    store_add_version(b, 1, STORE_T0 + HOUR, JOB_PAUSED);
    remove_job(b, 1, STORE_T0 + 2 * HOUR);
    store_add_version(b, 1, STORE_T0 + 2 * HOUR, JOB_DELETED);
    remove_job(b, 1, STORE_T0 + 3 * HOUR); // The job is not there any more.
    assert_int_equal(store_try(x, b), ERR_CONFLICT);
    check_phases(x, 1, "a");
    check_phases(x, 2, "");
}

static void retain(struct store_fixture *x, int64_t executions_max)
{
    struct store_retention r = {.executions_max = executions_max};
    size_t removed;
    store_assert_ok(store_retain(x->store, &r, STORE_T0, 100, &removed, f));
}

static void check_removed_to(struct store_fixture *x, wall_ms expected)
{
    struct store_progress p;
    store_assert_ok(store_read_progress(x->reader, 1, &p, f));
    assert_int_equal(p.removed_to, expected);
}

// What is not known any more can be told from what never was.
static void retention_leaves_a_mark(void **state)
{
    struct store_fixture *x = *state;
    struct batch *b = store_batch(x);
    struct execution missed =
        store_finished(store_execution(1, 1, STORE_T0 + HOUR), EXECUTION_MISSED);
    missed.missed_to = STORE_T0 + 3 * HOUR;
    struct execution other = store_execution(2, 1, STORE_T0 + 2 * HOUR);
    struct execution last = store_execution(3, 1, STORE_T0 + 4 * HOUR);
    store_add_job(b, 1);
    store_add_insert(b, missed);
    store_add_insert(b, store_finished(other, EXECUTION_SUCCESS));
    store_add_insert(b, store_finished(last, EXECUTION_SUCCESS));
    store_must(x, b);
    check_removed_to(x, 0);
    retain(x, 2);
    check_removed_to(x, STORE_T0 + 3 * HOUR); // The end of the range.
    retain(x, 1);
    check_removed_to(x, STORE_T0 + 3 * HOUR);
    store_reopen(x);
    check_removed_to(x, STORE_T0 + 3 * HOUR);
}

// A job that is paused and resumed every day for years must not fill the disk.
static void versions_that_retention_has_passed_go_at_the_next_change(void **state)
{
    struct store_fixture *x = *state;
    struct batch *b = store_batch(x);
    struct execution e = store_execution(1, 1, STORE_T0 + 3 * HOUR);
    store_add_job(b, 1);
    store_add_version(b, 1, STORE_T0, JOB_ACTIVE);
    store_add_insert(b, store_finished(e, EXECUTION_SUCCESS));
    store_add_insert(b,
                     store_finished(store_execution(2, 1, STORE_T0 + 4 * HOUR), EXECUTION_SUCCESS));
    edit(b, 1, STORE_T0 + 1 * HOUR)->is_active = false;
    store_add_version(b, 1, STORE_T0 + 1 * HOUR, JOB_PAUSED);
    edit(b, 1, STORE_T0 + 2 * HOUR);
    store_add_version(b, 1, STORE_T0 + 2 * HOUR, JOB_ACTIVE);
    edit(b, 1, STORE_T0 + 4 * HOUR)->is_active = false;
    store_add_version(b, 1, STORE_T0 + 4 * HOUR, JOB_PAUSED);
    store_must(x, b);
    retain(x, 1);
    check_phases(x, 1, "apap");
    b = store_batch(x);
    edit(b, 1, STORE_T0 + 5 * HOUR);
    store_add_version(b, 1, STORE_T0 + 5 * HOUR, JOB_ACTIVE);
    store_must(x, b);
    check_phases(x, 1, "apa"); // The one that held at the mark is the first.
    struct job_versions l = list(x, 1);
    assert_int_equal(l.rows[0].number, 3);
    assert_int_equal(l.rows[2].number, 5);
    job_versions_fini(&l);
}

static void versions_go_with_their_job(void **state)
{
    struct store_fixture *x = *state;
    struct batch *b = store_batch(x);
    store_add_job(b, 1);
    store_add_version(b, 1, STORE_T0, JOB_ACTIVE);
    store_add_job(b, 2);
    store_add_version(b, 2, STORE_T0, JOB_ACTIVE);
    store_add_insert(b, store_finished(store_execution(1, 1, STORE_T0), EXECUTION_SUCCESS));
    store_add_insert(b, store_finished(store_execution(2, 2, STORE_T0 + 1), EXECUTION_SUCCESS));
    remove_job(b, 1, STORE_T0 + HOUR);
    store_add_version(b, 1, STORE_T0 + HOUR, JOB_DELETED);
    store_must(x, b);
    retain(x, 2);
    check_phases(x, 1, "ad");
    retain(x, 1);
    check_phases(x, 1, "");
    check_phases(x, 2, "a");
}

// What was changed while the clock was ahead begins when it is set right.
static void a_corrected_clock_begins_what_was_to_come(void **state)
{
    struct store_fixture *x = *state;
    create(x, 1);
    struct batch *b = store_batch(x);
    edit(b, 1, STORE_T0 + 900 * HOUR)->is_active = false;
    store_add_version(b, 1, STORE_T0 + 900 * HOUR, JOB_PAUSED);
    edit(b, 1, STORE_T0 + 901 * HOUR);
    store_add_version(b, 1, STORE_T0 + 901 * HOUR, JOB_ACTIVE);
    store_must(x, b);
    x->shard.generation = 1;
    x->shard.corrected_at = STORE_T0 + HOUR;
    store_must(x, store_batch(x));
    x->shard.corrected_at = STORE_T0; // Only a higher generation counts.
    store_must(x, store_batch(x));
    struct job_versions l = list(x, 1);
    assert_int_equal(l.count, 3);
    assert_int_equal(l.rows[0].from_at, STORE_T0);
    assert_int_equal(l.rows[1].from_at, STORE_T0 + HOUR);
    assert_int_equal(l.rows[2].from_at, STORE_T0 + HOUR);
    job_versions_fini(&l);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_version_comes_back_with_all_that_decides),
        TEST(a_version_begins_when_it_is_told_and_not_else),
        TEST(a_version_of_no_job_is_refused),
        TEST(each_turn_of_a_job_is_a_version),
        TEST(a_refused_commit_leaves_no_version),
        TEST(retention_leaves_a_mark),
        TEST(versions_that_retention_has_passed_go_at_the_next_change),
        TEST(versions_go_with_their_job),
        TEST(a_corrected_clock_begins_what_was_to_come),
    };
    int failed = 0;
    for (size_t i = 0; i < store_adapter_count; i++) {
        adapter = &store_adapters[i];
        failed += cmocka_run_group_tests_name(adapter->name, tests, NULL, NULL);
    }
    return failed;
}
