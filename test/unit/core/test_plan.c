// SPDX-License-Identifier: MIT
// test_plan.c: rows ahead of time, the watermark with them, slices, and what comes too late.

#include "core_test.h"

static const struct change *first_insert(const struct batch *b)
{
    for (size_t i = 0; i < b->count; i++)
        if (b->changes[i].kind == CHANGE_EXECUTION_INSERT)
            return &b->changes[i];
    return NULL;
}

static void rows_are_planned_ahead_with_the_watermark_in_one_batch(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of("0 * * * * *"));
    rig_record(r);
    rig_pass(r, MINUTE - r->limits.lookahead_ms - 1);
    rig_tick(r);
    assert_false(rig_find(r, id, T0 + MINUTE, true, &(struct execution){0})); // Too early yet.
    rig_pass(r, 1);
    rig_tick(r);
    const struct change *c = first_insert(r->out.batch);
    assert_non_null(c);
    assert_int_equal(c->execution.key.scheduled_at, T0 + MINUTE);
    assert_int_equal(c->execution.state, EXECUTION_PENDING);
    assert_int_equal(batch_shard(r->out.batch, 0)->watermark, r->now.wall + r->limits.lookahead_ms);
    assert_int_equal(core_status(r->core).watermark, T0 + MINUTE);
    rig_free(r);
}

static size_t count_inserts(const struct batch *b)
{
    size_t count = 0;
    for (size_t i = 0; i < b->count; i++)
        count += b->changes[i].kind == CHANGE_EXECUTION_INSERT;
    return count;
}

// Two jobs that fire in each of the seconds from 10 on, four rows to a tick.
static struct rig *rig_that_gathers(uint32_t gather_max)
{
    struct rig *r = rig_new();
    r->limits.lookahead_ms = 4 * SECOND;
    r->limits.gather_ms = 2 * SECOND;
    r->limits.gather_max = gather_max;
    r->limits.step_max = 4;
    rig_start(r);
    rig_create(r, job_of("10-20 * * * * *"));
    rig_create(r, job_of("10-20 * * * * *"));
    rig_record(r);
    assert_int_equal(r->out.wake_wall, T0 + 8 * SECOND);
    return r;
}

// A tick that leaves some for the next one says so: they belong into one batch.
static void rows_of_several_instants_are_planned_in_one_go(void **state)
{
    (void)state;
    struct rig *r = rig_that_gathers(100);
    rig_pass(r, 8 * SECOND);
    rig_step(r, &(struct event){.kind = EVENT_TICK});
    assert_int_equal(count_inserts(r->out.batch), 4);
    assert_true(r->out.is_planning);
    rig_step(r, &(struct event){.kind = EVENT_TICK});
    assert_int_equal(count_inserts(r->out.batch), 6); // 10, 11 and 12 s.
    assert_false(r->out.is_planning);
    rig_record(r);
    rig_pass(r, 2999);
    rig_tick(r);
    assert_int_equal(count_inserts(r->out.batch), 0); // The next one is 2001 ms away.
    rig_pass(r, 1);
    rig_tick(r);
    assert_int_equal(count_inserts(r->out.batch), 6);
    rig_free(r);
}

// The rows of many jobs would take memory for long, and hold up what is due.
static void very_many_rows_are_not_planned_in_one_go(void **state)
{
    (void)state;
    struct rig *r = rig_that_gathers(3);
    rig_pass(r, 8 * SECOND);
    rig_step(r, &(struct event){.kind = EVENT_TICK});
    assert_int_equal(count_inserts(r->out.batch), 3); // The second one of 11 s is left.
    assert_false(r->out.is_planning);
    assert_int_equal(r->out.wake_wall, T0 + 9 * SECOND);
    rig_record(r);
    rig_pass(r, 1 * SECOND);
    rig_tick(r);
    assert_int_equal(count_inserts(r->out.batch), 3);
    rig_free(r);
}

static void nothing_is_sent_before_its_instant_nor_before_its_row_is_durable(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    rig_create(r, job_of("0 * * * * *"));
    rig_record(r);
    rig_pass(r, MINUTE - 1000);
    rig_tick(r);
    rig_record(r);
    rig_pass(r, 999);
    rig_tick(r);
    assert_int_equal(r->send_count, 0); // A millisecond early.
    rig_pass(r, 1);
    rig_tick(r);
    assert_int_equal(r->send_count, 1);
    assert_int_equal(r->sends[0].at, T0 + MINUTE);

    rig_pass(r, MINUTE);
    rig_tick(r); // Plans the next one, and it is due at once, but not durable.
    assert_int_equal(r->send_count, 1);
    rig_record(r);
    assert_int_equal(r->send_count, 2);
    rig_free(r);
}

// The core asks to be woken when rows are to be planned and when they are due, and only then.
static void the_core_asks_to_be_woken_for_the_plan_and_for_the_instant(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    rig_create(r, job_of("30 * * * * *"));
    rig_record(r);
    assert_int_equal(r->out.wake_wall, T0 + 30 * SECOND - r->limits.lookahead_ms);
    assert_true(r->out.wake_mono == MONO_NEVER);
    rig_pass(r, r->out.wake_wall - r->now.wall);
    rig_tick(r);
    assert_int_equal(r->out.wake_wall, T0 + 30 * SECOND);
    rig_free(r);
}

static void a_quiet_server_writes_its_watermark_once_a_minute(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    size_t before = r->durable_count;
    rig_run(r, 10 * MINUTE);
    assert_in_range(r->durable_count - before, 9, 10);
    assert_in_range(batch_shard(r->durable[r->durable_count - 1], 0)->watermark,
                    r->now.wall - MINUTE, r->now.wall + 2000);
    rig_free(r);
}

// A slice that ends in the middle of an instant is written down as such, and after a crash the rest
// of that instant follows, without a second row for the jobs that had theirs.
static void a_crash_in_the_middle_of_an_instant_goes_on_exactly_there(void **state)
{
    (void)state;
    for (int slices = 1; slices <= 5; slices++) {
        struct rig *r = rig_new();
        r->limits.step_max = 3;
        rig_start(r);
        job_id first = rig_create(r, job_of("0 * * * * *"));
        for (int i = 1; i < 13; i++)
            rig_create(r, job_of("0 * * * * *"));
        rig_record(r);
        rig_pass(r, MINUTE - 1000);
        for (int i = 0; i < slices; i++)
            rig_step(r, &(struct event){.kind = EVENT_TICK});
        rig_record(r);
        size_t planned = 0;
        for (job_id id = first; id < first + 13; id++)
            planned += rig_find(r, id, T0 + MINUTE, false, &(struct execution){0});
        assert_int_equal(planned, MIN(slices * 3, 13));

        rig_crash(r, 100); // The rig refuses a second row for a key.
        rig_run(r, 2000);
        for (job_id id = first; id < first + 13; id++)
            assert_int_equal(rig_rows(r, id), 1);
        assert_int_equal(r->send_count, 13);
        rig_free(r);
    }
}

// The batch with the slice is lost as well: the same rows come again.
static void a_plan_that_is_lost_is_made_again(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of("* * * * * *"));
    rig_run(r, 10 * SECOND);
    rig_pass(r, 500);
    rig_tick(r); // Planned, never recorded.
    size_t sent = r->send_count;
    rig_crash(r, 200);
    rig_run(r, 5 * SECOND);
    for (int s = 1; s <= 15; s++)
        rig_row(r, id, T0 + s * SECOND);
    assert_true(r->send_count > sent);
    rig_free(r);
}

static void late_planning_waits_for_room(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->limits.open_max = 20;
    rig_start(r);
    for (int i = 0; i < 10; i++)
        rig_create(r, job_of("0 * * * * *"));
    rig_record(r);
    rig_pass(r, MINUTE + 5 * SECOND);
    rig_tick(r);
    assert_int_equal(core_status(r->core).open, 4); // A quarter of what is free.
    assert_true(r->out.wake_wall > r->now.wall);
    rig_record(r);
    assert_int_equal(r->send_count, 4);
    for (size_t i = 0; i < 4; i++)
        rig_answer(r, i, 200);
    assert_true(r->out.wake_wall <= r->now.wall); // Since there is room again.
    rig_tick(r);
    rig_record(r);
    assert_int_equal(r->send_count, 8);
    rig_free(r);
}

// --- Late ---

// A job every minute that was down from T0 + 30 s on, for `down`.
static struct rig *rig_down(enum catch_up policy, unsigned window_s, dur_ms down, job_id *id)
{
    struct rig *r = rig_started();
    struct job *j = job_of("0 * * * * *");
    j->catch_up = (uint8_t)policy;
    j->catch_up_window_s = window_s;
    *id = rig_create(r, j);
    rig_run(r, 30 * SECOND);
    rig_crash(r, down);
    rig_run(r, 1000);
    return r;
}

static void catch_up_all_sends_everything_that_was_missed(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_down(CATCH_UP_ALL, 3600, 10 * MINUTE, &id);
    assert_int_equal(r->send_count, 10);
    for (int m = 1; m <= 10; m++) {
        assert_int_equal(r->sends[m - 1].key.scheduled_at, T0 + m * MINUTE); // Oldest first.
        assert_int_equal(rig_row(r, id, T0 + m * MINUTE).trigger, TRIGGER_CATCH_UP);
    }
    assert_int_equal(rig_alerts(r, id, ALERT_MISSED), 0);
    rig_free(r);
}

static void occurrences_older_than_the_window_are_one_missed_range_with_one_alert(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_down(CATCH_UP_ALL, 180, 10 * MINUTE, &id); // Up at 10:10:30.
    struct execution e = rig_row(r, id, T0 + MINUTE);
    assert_int_equal(e.state, EXECUTION_MISSED);
    assert_int_equal(e.missed_to, T0 + 7 * MINUTE);
    assert_int_equal(e.missed_count, 7);
    assert_string_equal(e.reason, "older than the catch-up window");
    assert_int_equal(rig_alerts(r, id, ALERT_MISSED), 1);
    assert_int_equal(rig_rows(r, id), 1 + 3);
    assert_int_equal(r->send_count, 3);
    assert_int_equal(r->sends[0].key.scheduled_at, T0 + 8 * MINUTE);
    rig_free(r);
}

static void catch_up_latest_sends_the_last_one_only(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_down(CATCH_UP_LATEST, 3600, 10 * MINUTE, &id);
    struct execution e = rig_row(r, id, T0 + MINUTE);
    assert_int_equal(e.state, EXECUTION_MISSED);
    assert_int_equal(e.missed_to, T0 + 9 * MINUTE);
    assert_int_equal(e.missed_count, 9);
    assert_string_equal(e.reason, "not caught up, by the job's policy");
    assert_int_equal(r->send_count, 1);
    assert_int_equal(r->sends[0].key.scheduled_at, T0 + 10 * MINUTE);
    assert_int_equal(rig_alerts(r, id, ALERT_MISSED), 1);
    rig_free(r);
}

static void catch_up_none_sends_nothing_that_was_missed(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_down(CATCH_UP_NONE, 3600, 10 * MINUTE, &id);
    struct execution e = rig_row(r, id, T0 + MINUTE);
    assert_int_equal(e.state, EXECUTION_MISSED);
    assert_int_equal(e.missed_to, T0 + 10 * MINUTE);
    assert_int_equal(e.missed_count, 10);
    assert_int_equal(r->send_count, 0);
    rig_run(r, MINUTE); // The next one is on time.
    assert_int_equal(r->send_count, 1);
    assert_int_equal(r->sends[0].at, T0 + 11 * MINUTE);
    rig_free(r);
}

// A MISSED range reaches beyond the watermark: a crash just after it must not plan it again.
static void a_missed_range_survives_a_crash(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_down(CATCH_UP_NONE, 3600, 10 * MINUTE, &id);
    rig_crash(r, 100);
    rig_run(r, 1000);
    assert_int_equal(rig_rows(r, id), 1);
    assert_int_equal(r->send_count, 0);
    rig_free(r);
}

// The process was stopped, not killed: the same rules.
static void a_stopped_process_catches_up_like_one_that_was_down(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    struct job *j = job_of("0 * * * * *");
    j->catch_up = CATCH_UP_LATEST;
    job_id id = rig_create(r, j);
    rig_run(r, 30 * SECOND);
    rig_pass(r, 10 * MINUTE);
    rig_run(r, 1000);
    assert_int_equal(rig_row(r, id, T0 + MINUTE).missed_count, 9);
    assert_int_equal(r->send_count, 1);
    rig_free(r);
}

// --- The end of a schedule ---

static void a_one_shot_job_is_finished_when_it_has_run(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of("2026-11-24T10:00:10"));
    rig_run(r, 10 * SECOND);
    assert_int_equal(r->send_count, 1);
    struct job *j = rig_job(r, id);
    assert_true(j->is_active); // The execution is still under way.
    job_free(j);
    rig_answer(r, 0, 200);
    j = rig_job(r, id);
    assert_false(j->is_active);
    assert_true(j->finished);
    assert_int_equal(core_status(r->core).jobs_active, 0);
    job_free(j);
    rig_free(r);
}

static void a_schedule_whose_last_instant_passed_while_down_finishes_too(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    struct job *j = job_of("2026-11-24T10:00:10");
    j->catch_up = CATCH_UP_NONE;
    job_id id = rig_create(r, j);
    rig_record(r);
    rig_crash(r, HOUR);
    rig_run(r, 1000);
    assert_state(r, id, T0 + 10 * SECOND, MISSED);
    j = rig_job(r, id);
    assert_true(j->finished);
    job_free(j);
    rig_free(r);
}

// --- The clock ---

// Planned rows wait for their instants again, and nothing is planned twice nor sent twice.
static void a_small_step_back_holds(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of("* * * * * *"));
    rig_run(r, 10 * SECOND);
    assert_int_equal(r->send_count, 10);
    r->now.wall -= 5 * SECOND;
    rig_tick(r);
    rig_record(r);
    size_t rows = rig_rows(r, id);
    rig_run(r, 3 * SECOND);
    assert_int_equal(r->send_count, 10);
    assert_int_equal(rig_rows(r, id), rows);
    rig_run(r, 7 * SECOND);
    assert_int_equal(r->send_count, 15);
    rig_free(r);
}

// What fired before the clock went back has its row: a new version begins after it.
static void an_update_after_a_step_back_plans_nothing_twice(void **state)
{
    (void)state;
    for (int crash = 0; crash <= 1; crash++) {
        struct rig *r = rig_started();
        job_id id = rig_create(r, job_of("* * * * * *"));
        rig_run(r, 10 * SECOND);
        for (size_t i = 0; i < r->send_count; i++)
            rig_answer(r, i, 200);
        rig_record(r);
        r->now.wall -= 5 * SECOND;
        if (crash)
            rig_crash(r, 0);
        rig_tick(r);
        assert_int_equal(rig_update(r, id, job_of("*/2 * * * * *")), ERR_OK);
        rig_run(r, 15 * SECOND);
        // 12, 14, 16, 18 and 20 s. A new process knows the old time only by the watermark, so there
        // the old version holds until 11.5 s.
        assert_int_equal(r->send_count, 10 + 5 + (size_t)crash);
        rig_free(r);
    }
}

// Without jobs nothing else moves it; a start after a crash would have the more to look through.
static void an_idle_watermark_is_written_once_a_minute(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    for (int minute = 1; minute <= 3; minute++) {
        size_t rows = rig_changes(r, CHANGE_SHARD);
        assert_int_equal(r->out.wake_wall, T0 + minute * MINUTE);
        rig_pass(r, MINUTE - 1);
        rig_tick(r);
        rig_record(r);
        assert_int_equal(rig_changes(r, CHANGE_SHARD), rows);
        rig_pass(r, 1);
        rig_tick(r);
        rig_record(r);
        assert_int_equal(rig_changes(r, CHANGE_SHARD), rows + 1);
    }
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_planned_ahead_with_the_watermark_in_one_batch),
        cmocka_unit_test(rows_of_several_instants_are_planned_in_one_go),
        cmocka_unit_test(very_many_rows_are_not_planned_in_one_go),
        cmocka_unit_test(nothing_is_sent_before_its_instant_nor_before_its_row_is_durable),
        cmocka_unit_test(the_core_asks_to_be_woken_for_the_plan_and_for_the_instant),
        cmocka_unit_test(a_quiet_server_writes_its_watermark_once_a_minute),
        cmocka_unit_test(a_crash_in_the_middle_of_an_instant_goes_on_exactly_there),
        cmocka_unit_test(a_plan_that_is_lost_is_made_again),
        cmocka_unit_test(late_planning_waits_for_room),
        cmocka_unit_test(catch_up_all_sends_everything_that_was_missed),
        cmocka_unit_test(occurrences_older_than_the_window_are_one_missed_range_with_one_alert),
        cmocka_unit_test(catch_up_latest_sends_the_last_one_only),
        cmocka_unit_test(catch_up_none_sends_nothing_that_was_missed),
        cmocka_unit_test(a_missed_range_survives_a_crash),
        cmocka_unit_test(a_stopped_process_catches_up_like_one_that_was_down),
        cmocka_unit_test(a_one_shot_job_is_finished_when_it_has_run),
        cmocka_unit_test(a_schedule_whose_last_instant_passed_while_down_finishes_too),
        cmocka_unit_test(a_small_step_back_holds),
        cmocka_unit_test(an_update_after_a_step_back_plans_nothing_twice),
        cmocka_unit_test(an_idle_watermark_is_written_once_a_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
