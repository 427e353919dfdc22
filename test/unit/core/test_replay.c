// SPDX-License-Identifier: MIT
// test_replay.c: executions that are over and ranges of the past are carried out again.

#include "core_test.h"

#include <string.h>

#define EVERY_MINUTE "0 * * * * *"

static enum err replay(struct rig *r, const struct execution_key *origin, const char *body)
{
    struct command c = {
        .kind = COMMAND_REPLAY, .id = origin->job, .execution = *origin, .body = body};
    return rig_ask(r, &c);
}

static enum err backfill(struct rig *r, job_id id, wall_ms from, wall_ms to, uint32_t count)
{
    struct command c = {.kind = COMMAND_BACKFILL, .id = id, .from = from, .to = to, .count = count};
    return rig_ask(r, &c);
}

static struct execution manual_row(const struct rig *r, job_id id, int64_t number)
{
    struct execution e;
    assert_true(rig_find_manual(r, id, number, &e));
    return e;
}

static void a_replay_names_its_origin_and_is_not_sent_before_its_row_is_durable(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of(EVERY_MINUTE));
    const struct execution_key origin = {id, T0, 0};
    assert_int_equal(replay(r, &origin, "as it was"), ERR_OK);
    int64_t number = -r->reply.key.series;
    assert_true(number > 0);
    assert_int_equal(r->send_count, 0);
    rig_record(r);
    assert_int_equal(r->send_count, 1);
    assert_int_equal(r->sends[0].trigger, TRIGGER_REPLAY);
    assert_string_equal(r->sends[0].body, "as it was");
    assert_string_equal(r->sends[0].origin, "1-1795514400000");
    rig_answer(r, 0, 200);
    struct execution e = manual_row(r, id, number);
    assert_int_equal(e.state, EXECUTION_SUCCESS);
    assert_int_equal(e.trigger, TRIGGER_REPLAY);
    rig_free(r);
}

static void a_replay_of_an_unknown_job_is_refused(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    assert_int_equal(replay(r, &(struct execution_key){9, T0, 0}, NULL), ERR_NOT_FOUND);
    rig_free(r);
}

static size_t sends_of(const struct rig *r, const char *origin)
{
    size_t count = 0;
    for (size_t i = 0; i < r->send_count; i++)
        count += strcmp(r->sends[i].origin, origin) == 0;
    return count;
}

// The range includes its ends. All rows are durable at once.
static void a_backfill_carries_out_each_occurrence_of_the_range_once(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of(EVERY_MINUTE));
    size_t batches = r->durable_count;
    assert_int_equal(backfill(r, id, T0 - 10 * MINUTE, T0, 11), ERR_OK);
    rig_record(r);
    assert_int_equal(rig_rows(r, id), 11);
    assert_true(r->durable_count >= batches + 1);
    assert_int_equal(r->send_count, 11);
    for (int m = 0; m <= 10; m++) {
        char origin[EXECUTION_ID_BYTES];
        execution_id_format(&(struct execution_key){id, T0 - m * MINUTE, 0}, origin);
        assert_int_equal(sends_of(r, origin), 1);
    }
    rig_free(r);
}

static void a_crash_in_a_backfill_loses_none_and_makes_none_twice(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    struct job *j = job_of(EVERY_MINUTE);
    j->max_in_flight = 8;
    job_id id = rig_create(r, j);
    assert_int_equal(backfill(r, id, T0 - 10 * MINUTE, T0 - MINUTE, 10), ERR_OK);
    rig_record(r);
    assert_int_equal(r->send_count, 2); // A quarter of the places of the job.
    rig_answer(r, 0, 200);
    rig_record(r);
    rig_crash(r, SECOND);
    rig_record(r);
    for (size_t i = 0; core_status(r->core).open > 0; i++) {
        assert_true(i < 100);
        for (size_t k = 0; k < r->send_count; k++)
            if (r->sends[k].epoch == r->epoch && !r->sends[k].answered)
                rig_answer(r, k, 200);
        rig_run(r, SECOND);
    }
    assert_int_equal(rig_rows(r, id), 10);
    for (int64_t number = 1; number <= 10; number++)
        assert_int_equal(manual_row(r, id, number).state, EXECUTION_SUCCESS);
    assert_true(r->send_count <= 10 + 2); // What was under way at the crash is sent again.
    rig_free(r);
}

static void a_range_without_an_occurrence_or_of_the_future_makes_nothing(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of("0 0 12 * * *"));
    assert_int_equal(backfill(r, id, T0 - MINUTE, T0, 1), ERR_RANGE);
    assert_int_equal(backfill(r, id, T0 + MINUTE, T0 + 24 * HOUR, 1), ERR_RANGE);
    assert_int_equal(rig_rows(r, id), 0);
    rig_free(r);
}

// The occurrence of the next minute, and how it fares while replays wait.
static wall_ms next_minute(const struct rig *r)
{
    return (r->now.wall / MINUTE + 1) * MINUTE;
}

// Catch-up and replays take a quarter of the places of a job, so there is one for what is fresh.
static void an_occurrence_finds_its_place_though_replays_wait(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of(EVERY_MINUTE));
    assert_int_equal(backfill(r, id, T0 - 99 * MINUTE, T0, 100), ERR_OK);
    rig_record(r);
    assert_int_equal(r->send_count, 32);
    assert_int_equal(core_status(r->core).waiting, 68);
    wall_ms at = next_minute(r);
    rig_run(r, at - r->now.wall);
    assert_int_equal(r->sends[32].key.scheduled_at, at);
    assert_int_equal(r->sends[32].at, at);
    rig_free(r);
}

// Where executions must not overlap, one is under way at a time. What is fresh is neither skipped
// nor does it end a replay: it goes next.
static void executions_that_must_not_overlap_take_turns_with_replays(void **state)
{
    (void)state;
    static const uint8_t policies[] = {OVERLAP_SKIP, OVERLAP_QUEUE, OVERLAP_REPLACE};
    for (size_t i = 0; i < COUNT_OF(policies); i++) {
        struct rig *r = rig_started();
        struct job *j = job_of(EVERY_MINUTE);
        j->overlap = policies[i];
        job_id id = rig_create(r, j);
        assert_int_equal(backfill(r, id, T0 - 9 * MINUTE, T0, 10), ERR_OK);
        rig_record(r);
        assert_int_equal(r->send_count, 1);
        wall_ms at = next_minute(r);
        rig_run(r, at - r->now.wall + 5);
        assert_int_equal(r->send_count, 1);
        assert_state(r, id, at, PENDING);
        rig_answer(r, 0, 200);
        assert_int_equal(r->send_count, 2);
        assert_int_equal(r->sends[1].key.scheduled_at, at);
        assert_int_equal(r->sends[1].key.series, 0);
        rig_answer(r, 1, 200);
        assert_int_equal(r->send_count, 3);
        assert_int_equal(r->sends[2].trigger, TRIGGER_REPLAY);
        rig_free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_replay_names_its_origin_and_is_not_sent_before_its_row_is_durable),
        cmocka_unit_test(a_replay_of_an_unknown_job_is_refused),
        cmocka_unit_test(a_backfill_carries_out_each_occurrence_of_the_range_once),
        cmocka_unit_test(a_crash_in_a_backfill_loses_none_and_makes_none_twice),
        cmocka_unit_test(a_range_without_an_occurrence_or_of_the_future_makes_nothing),
        cmocka_unit_test(an_occurrence_finds_its_place_though_replays_wait),
        cmocka_unit_test(executions_that_must_not_overlap_take_turns_with_replays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
