// SPDX-License-Identifier: MIT
// test_clock.c: the wall clock steps, while the server runs and while it is down.
//
// The rig refuses a second row for a key, and a request before its instant.

#include "core_test.h"

#include <string.h>

#define AT (T0 + MINUTE)
#define EVERY_MINUTE "0 * * * * *"
#define DAY (24 * HOUR)

static enum err rig_accept_clock(struct rig *r)
{
    struct command c = {.kind = COMMAND_ACCEPT_CLOCK, .token = r};
    rig_step(r, &(struct event){.kind = EVENT_COMMAND, .command = &c});
    return r->reply.err;
}

// The core knows how late it was before the step.
static void step_clock(struct rig *r, dur_ms d)
{
    rig_tick(r);
    rig_record(r);
    r->now.wall += d;
    rig_tick(r);
    rig_record(r);
}

static size_t count_sends(const struct rig *r, job_id job, wall_ms at)
{
    size_t count = 0;
    for (size_t i = 0; i < r->send_count; i++)
        count += r->sends[i].key.job == job && r->sends[i].key.scheduled_at == at;
    return count;
}

static bool find_series(const struct rig *r, job_id job, wall_ms at, int64_t series,
                        struct execution *out)
{
    bool found = false;
    for (size_t i = 0; i <= r->durable_count; i++) {
        const struct batch *b = i < r->durable_count ? r->durable[i] : r->out.batch;
        for (size_t k = 0; k < b->count; k++) {
            const struct change *c = &b->changes[k];
            if (c->kind != CHANGE_EXECUTION_INSERT && c->kind != CHANGE_EXECUTION_UPDATE)
                continue;
            const struct execution_key *key = &c->execution.key;
            if (key->job != job || key->scheduled_at != at || key->series != series)
                continue;
            *out = c->execution;
            found = true;
        }
    }
    return found;
}

// --- A hold ---

static void a_small_step_back_holds_and_nothing_fires_twice(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of(EVERY_MINUTE));
    rig_run(r, MINUTE);
    rig_answer(r, 0, 200);
    rig_record(r);
    step_clock(r, -10 * SECOND);
    assert_int_equal(rig_alerts(r, 0, ALERT_CLOCK), 1);
    rig_run(r, 70 * SECOND);
    assert_int_equal(count_sends(r, id, AT), 1);
    assert_int_equal(count_sends(r, id, AT + MINUTE), 1);
    rig_free(r);
}

// Where the clock has been before, a change holds only beyond the rows that are there. But what is
// not planned yet is the new version's, however far the clock has been.
static void a_change_in_a_hold_begins_where_the_rows_end(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->limits.open_max = 1; // Planning waits for the request below.
    rig_start(r);
    rig_create(r, job_of("2026-11-24T10:00:01"));
    job_id id = rig_create(r, job_of("*/5 * * * * *"));
    rig_run(r, SECOND);
    assert_int_equal(r->send_count, 1);
    rig_run(r, 29 * SECOND);
    step_clock(r, -10 * SECOND);
    struct job *j = rig_job(r, id);
    job_set_text(&j->schedule, "*/10 * * * * *");
    assert_int_equal(rig_update(r, id, j), ERR_OK); // At T0 + 20 s.
    rig_record(r);
    rig_answer(r, 0, 200);
    for (int i = 0; i < 40; i++) {
        rig_run(r, SECOND);
        for (size_t s = 1; s < r->send_count; s++)
            if (!r->sends[s].answered)
                rig_answer(r, s, 200);
    }
    for (int s = 5; s <= 20; s += 5)
        rig_row(r, id, T0 + s * SECOND);
    rig_row(r, id, T0 + 30 * SECOND);
    rig_row(r, id, T0 + 40 * SECOND);
    assert_false(rig_find(r, id, T0 + 25 * SECOND, true, &(struct execution){0}));
    rig_free(r);
}

// The row at the very edge of the watermark may have been carried out by the life before.
static void a_change_after_a_start_in_a_hold_spares_the_last_row(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->limits.open_max = 1; // Planning ends with the first row.
    rig_start(r);
    job_id id = rig_create(r, job_of(EVERY_MINUTE));
    rig_run(r, MINUTE);
    assert_int_equal(r->send_count, 1);
    rig_answer(r, 0, 200);
    rig_record(r);
    r->now.wall -= 10 * SECOND;
    rig_crash(r, 100);
    rig_record(r);
    struct job *j = rig_job(r, id);
    job_set_text(&j->schedule, "0,30 * * * * *"); // Names that instant too.
    assert_int_equal(rig_update(r, id, j), ERR_OK);
    rig_run(r, 45 * SECOND);
    assert_int_equal(count_sends(r, id, AT), 1);
    rig_row(r, id, AT + 30 * SECOND);
    rig_free(r);
}

// A 410 ends the version that had taken the row back, and begins behind it: the row is not what
// the version after the pause owes.
static void an_occurrence_that_an_edit_took_back_stays_so_after_a_410(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    struct job *j = job_of("*/30 * * * * *");
    j->permanent_4xx = true;
    job_id id = rig_create(r, j);
    rig_run(r, 29 * SECOND);
    rig_row(r, id, T0 + 30 * SECOND); // Is planned.
    step_clock(r, -10 * SECOND);
    j = rig_job(r, id);
    job_set_text(&j->schedule, "7 * * * * *");
    assert_int_equal(rig_update(r, id, j), ERR_OK); // Begins at T0 + 29 s.
    rig_record(r);
    rig_crash(r, 100); // A life that begins in a hold takes all planned instants for past.
    rig_record(r);
    assert_int_equal(rig_trigger(r, id, NULL), ERR_OK);
    rig_record(r);
    rig_answer(r, r->send_count - 1, 410);
    assert_int_equal(rig_resume(r, id), ERR_OK);
    rig_run(r, MINUTE);
    assert_state(r, id, T0 + 30 * SECOND, CANCELLED);
    rig_free(r);
}

// --- A correction ---

static void a_large_step_back_begins_a_new_series(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of(EVERY_MINUTE));
    rig_run(r, MINUTE - SECOND);
    step_clock(r, -2 * HOUR);
    assert_state(r, id, AT, CANCELLED);
    rig_run(r, 30 * SECOND);
    struct execution e;
    assert_int_equal(r->send_count, 1);
    assert_true(find_series(r, id, AT - 2 * HOUR, 1, &e));
    rig_free(r);
}

// The job's only row is given up, but not its only instant.
static void one_instant_that_comes_again_is_not_forgotten(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of("2026-11-24T10:01:00"));
    rig_run(r, MINUTE - SECOND);
    step_clock(r, -2 * HOUR);
    assert_state(r, id, AT, CANCELLED);
    rig_run(r, 2 * HOUR + SECOND);
    struct execution e;
    assert_true(find_series(r, id, AT, 1, &e));
    assert_int_equal(r->send_count, 1);
    rig_free(r);
}

// What lies behind the corrected clock does not come again, so it is owed, also when it is due
// later.
static void a_correction_spares_what_lies_behind_it(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    struct job *j = job_of(EVERY_MINUTE);
    j->jitter_ms = 59 * SECOND;
    job_id id = rig_create(r, j);
    wall_ms at = AT;
    rig_run(r, MINUTE);
    while (rig_row(r, id, at).due_at < at + 30 * SECOND) {
        rig_run(r, MINUTE);
        at += MINUTE;
    }
    rig_run(r, 20 * SECOND);
    step_clock(r, -10 * SECOND);
    assert_int_equal(rig_accept_clock(r), ERR_OK);
    rig_record(r);
    assert_int_equal(rig_row(r, id, at).state, EXECUTION_PENDING);
    rig_run(r, 59 * SECOND);
    assert_int_equal(count_sends(r, id, at), 1);
    rig_free(r);
}

// What had been begun under the clock that was ahead stays owed, also after a crash, and by the
// version of the job that began it.
static void an_execution_begun_before_a_correction_goes_on_after_a_crash(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of(EVERY_MINUTE));
    rig_run(r, MINUTE);
    step_clock(r, -2 * HOUR);
    struct job *j = rig_job(r, id);
    job_set_text(&j->schedule, "0 0 0 1 1 *");
    assert_int_equal(rig_update(r, id, j), ERR_OK);
    rig_record(r);
    rig_crash(r, 100);
    rig_run(r, SECOND);
    assert_int_equal(r->send_count, 2);
    assert_int_equal(r->sends[1].key.scheduled_at, AT);
    assert_int_equal(r->sends[1].attempt, 2);
    rig_free(r);
}

// --- Down ---

static void a_trigger_does_not_wait_for_the_clock(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of("0 0 0 1 1 *"));
    assert_int_equal(rig_trigger(r, id, NULL), ERR_OK);
    rig_record(r);
    assert_int_equal(r->send_count, 1);
    r->now.wall -= 2 * HOUR;
    rig_crash(r, 100);
    rig_run(r, SECOND);
    assert_int_equal(r->send_count, 2);
    assert_int_equal(r->sends[1].attempt, 2);
    rig_free(r);
}

static void a_request_on_the_wire_of_a_paused_job_is_not_sent_again(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of(EVERY_MINUTE));
    rig_run(r, MINUTE + 2 * SECOND);
    assert_state(r, id, AT, RUNNING);
    assert_int_equal(rig_pause(r, id, WALL_NEVER), ERR_OK);
    rig_record(r);
    r->now.wall -= 10 * MINUTE;
    rig_crash(r, 100);
    rig_run(r, HOUR);
    assert_int_equal(r->send_count, 1);
    assert_state(r, id, AT, CANCELLED);
    rig_free(r);
}

// The monotonic clock is a little faster: the retry left before the wall clock came to its time.
static void a_retry_that_may_have_left_counts_although_the_clocks_differ(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    rig_create(r, job_of("2026-11-24T10:01:00"));
    rig_run(r, MINUTE);
    rig_answer(r, 0, 500);
    rig_record(r);
    r->now.mono += SECOND;
    r->now.wall += SECOND - 30;
    rig_tick(r);
    assert_int_equal(r->send_count, 2);
    rig_crash(r, 0);
    rig_run(r, SECOND);
    assert_int_equal(r->send_count, 3);
    assert_int_equal(r->sends[2].attempt, 3);
    rig_free(r);
}

// The wait was a second. That the clock is a day back does not make it a day.
static void a_wait_does_not_grow_when_the_clock_goes_back(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    rig_create(r, job_of("2026-11-24T10:01:00"));
    rig_run(r, MINUTE);
    rig_answer(r, 0, 500);
    rig_record(r);
    r->now.wall -= DAY;
    rig_crash(r, 100);
    rig_run(r, MINUTE);
    assert_int_equal(r->send_count, 2);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_step_back_holds_and_nothing_fires_twice),
        cmocka_unit_test(a_change_in_a_hold_begins_where_the_rows_end),
        cmocka_unit_test(a_change_after_a_start_in_a_hold_spares_the_last_row),
        cmocka_unit_test(an_occurrence_that_an_edit_took_back_stays_so_after_a_410),
        cmocka_unit_test(a_large_step_back_begins_a_new_series),
        cmocka_unit_test(one_instant_that_comes_again_is_not_forgotten),
        cmocka_unit_test(a_correction_spares_what_lies_behind_it),
        cmocka_unit_test(an_execution_begun_before_a_correction_goes_on_after_a_crash),
        cmocka_unit_test(a_trigger_does_not_wait_for_the_clock),
        cmocka_unit_test(a_request_on_the_wire_of_a_paused_job_is_not_sent_again),
        cmocka_unit_test(a_retry_that_may_have_left_counts_although_the_clocks_differ),
        cmocka_unit_test(a_wait_does_not_grow_when_the_clock_goes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
