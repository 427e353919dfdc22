// SPDX-License-Identifier: MIT
// test_cancel.c: a client wants no further attempt of an execution, wherever it is just now.

#include "core_test.h"

#define EVERY_MINUTE "0 * * * * *"

// A job whose next row is planned, a second before its instant.
static struct rig *rig_planned(job_id *id)
{
    struct rig *r = rig_started();
    *id = rig_create(r, job_of(EVERY_MINUTE));
    rig_run(r, MINUTE - SECOND);
    return r;
}

static struct execution manual_row(const struct rig *r, job_id id, int64_t number)
{
    struct execution e;
    assert_true(rig_find_manual(r, id, number, &e));
    return e;
}

static void what_waits_for_a_retry_is_cancelled_at_once(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of(EVERY_MINUTE));
    assert_int_equal(rig_trigger(r, id, NULL), ERR_OK);
    struct execution_key key = r->reply.key;
    rig_record(r);
    rig_answer(r, 0, 500);
    assert_int_equal(rig_cancel(r, &key), ERR_OK);
    assert_int_equal(r->reply.key.series, key.series);
    struct execution e = manual_row(r, id, -key.series);
    assert_int_equal(e.state, EXECUTION_CANCELLED);
    assert_string_equal(e.reason, "cancelled on request");
    assert_string_equal(e.error, "answered with HTTP status 500");
    rig_run(r, 10 * SECOND);
    assert_int_equal(r->send_count, 1);
    assert_int_equal(rig_cancel(r, &key), ERR_NOT_FOUND); // The execution is over.
    rig_free(r);
}

// The row says so before the attempt has ended, and a crash between makes no other.
static void an_attempt_under_way_is_cut_and_none_follows_it(void **state)
{
    (void)state;
    for (int crashes = 0; crashes < 2; crashes++) {
        struct rig *r = rig_started();
        job_id id = rig_create(r, job_of(EVERY_MINUTE));
        assert_int_equal(rig_trigger(r, id, NULL), ERR_OK);
        struct execution_key key = r->reply.key;
        rig_record(r);
        assert_int_equal(rig_cancel(r, &key), ERR_OK);
        assert_int_equal(rig_cancel(r, &key), ERR_OK); // Asking twice is no mistake.
        assert_int_equal(manual_row(r, id, -key.series).state, EXECUTION_RUNNING);
        rig_record(r);
        if (crashes)
            rig_crash(r, SECOND);
        else
            rig_lose(r, 0, "cancelled");
        rig_run(r, 10 * SECOND);
        struct execution e = manual_row(r, id, -key.series);
        assert_int_equal(e.state, EXECUTION_CANCELLED);
        assert_string_equal(e.reason, "cancelled on request: the attempt under way was cut");
        assert_int_equal(r->send_count, 1);
        assert_int_equal(rig_alerts(r, id, ALERT_FAILURE), 0);
        assert_int_equal(core_status(r->core).open, 0);
        rig_free(r);
    }
}

static void an_answer_that_came_first_counts_though_it_was_cancelled(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of(EVERY_MINUTE));
    assert_int_equal(rig_trigger(r, id, NULL), ERR_OK);
    struct execution_key key = r->reply.key;
    rig_record(r);
    assert_int_equal(rig_cancel(r, &key), ERR_OK);
    rig_answer(r, 0, 200);
    struct execution e = manual_row(r, id, -key.series);
    assert_int_equal(e.state, EXECUTION_SUCCESS);
    assert_null(e.reason);
    rig_free(r);
}

// The row of an occurrence to come stays open until its instant: a change of the job meanwhile
// finds it there, and makes no second one.
static void an_occurrence_to_come_is_cancelled_at_its_instant(void **state)
{
    (void)state;
    for (int crashes = 0; crashes < 2; crashes++) {
        job_id id;
        struct rig *r = rig_planned(&id);
        wall_ms at = r->now.wall + SECOND;
        assert_int_equal(rig_cancel(r, &(struct execution_key){id, at, 0}), ERR_OK);
        assert_state(r, id, at, PENDING);
        rig_record(r);
        if (crashes)
            rig_crash(r, 10);
        assert_int_equal(rig_update(r, id, job_of("0 * * * * *")), ERR_OK); // The same instants.
        rig_run(r, 2 * SECOND);
        assert_state(r, id, at, CANCELLED);
        assert_string_equal(rig_row(r, id, at).reason, "cancelled on request");
        assert_int_equal(r->send_count, 0);
        rig_run(r, MINUTE);
        assert_int_equal(r->send_count, 1); // The next one is none of it.
        rig_free(r);
    }
}

static void the_last_attempt_of_a_deleted_job_can_be_cut(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of(EVERY_MINUTE));
    assert_int_equal(rig_trigger(r, id, NULL), ERR_OK);
    struct execution_key key = r->reply.key;
    rig_record(r);
    assert_int_equal(rig_delete(r, id), ERR_OK);
    assert_int_equal(rig_cancel(r, &key), ERR_OK);
    rig_lose(r, 0, "cancelled");
    assert_int_equal(manual_row(r, id, -key.series).state, EXECUTION_CANCELLED);
    assert_int_equal(rig_cancel(r, &key), ERR_NOT_FOUND);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_waits_for_a_retry_is_cancelled_at_once),
        cmocka_unit_test(an_attempt_under_way_is_cut_and_none_follows_it),
        cmocka_unit_test(an_answer_that_came_first_counts_though_it_was_cancelled),
        cmocka_unit_test(an_occurrence_to_come_is_cancelled_at_its_instant),
        cmocka_unit_test(the_last_attempt_of_a_deleted_job_can_be_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
