// SPDX-License-Identifier: MIT
// test_breaker.c: a host where nothing answers: who waits, who is told, and who is not disturbed.

#include "core_test.h"

#include <stdio.h>
#include <string.h>

#define LOSSES 5
#define DEAD "http://dead.test:81/"
#define WELL "http://well.test/"

static struct rig *rig_of(uint32_t open_max)
{
    struct rig *r = rig_new();
    r->limits.breaker_losses = LOSSES;
    r->limits.open_max = open_max;
    rig_start(r);
    rig_record(r);
    return r;
}

// A job without retries.
static job_id create(struct rig *r, const char *schedule, const char *api)
{
    struct job *j = job_of(schedule);
    job_set_text(&j->api, api);
    j->max_retries = 0;
    return rig_create(r, j);
}

static bool is_for(const struct rig *r, size_t send, const char *api)
{
    return strcmp(r->sends[send].api, api) == 0;
}

static size_t sends_to(const struct rig *r, const char *api)
{
    size_t count = 0;
    for (size_t i = 0; i < r->send_count; i++)
        count += is_for(r, i, api);
    return count;
}

// The dead host refuses, the other one answers well.
static void end_all(struct rig *r)
{
    for (size_t i = 0; i < r->send_count; i++) {
        if (r->sends[i].answered)
            continue;
        if (is_for(r, i, DEAD))
            rig_refuse(r, i, "connection refused");
        else
            rig_answer(r, i, 200);
    }
}

static void run(struct rig *r, unsigned seconds)
{
    for (unsigned i = 0; i < 10 * seconds; i++) {
        rig_run(r, 100);
        end_all(r);
    }
}

static size_t told(const struct rig *r, enum alert_kind kind)
{
    return rig_alerts(r, 0, kind);
}

// Runs until so many attempts at the dead host have been lost.
static void run_until_down(struct rig *r)
{
    for (int i = 0; i < 200 && told(r, ALERT_TARGET_DOWN) == 0; i++) {
        rig_run(r, 100);
        end_all(r);
    }
    assert_int_equal(told(r, ALERT_TARGET_DOWN), 1);
}

// Answers everything, as the host does when it is back.
static void run_well(struct rig *r, unsigned seconds)
{
    for (unsigned i = 0; i < 10 * seconds; i++) {
        rig_run(r, 100);
        for (size_t k = 0; k < r->send_count; k++)
            if (!r->sends[k].answered)
                rig_answer(r, k, 200);
    }
}

// --- Waiting ---

static void attempts_wait_for_a_dead_host_and_all_leave_when_it_answers(void **state)
{
    (void)state;
    struct rig *r = rig_of(1000);
    job_id id = create(r, "* * * * * *", DEAD);
    run_until_down(r);
    size_t lost = sends_to(r, DEAD);
    assert_int_equal(lost, LOSSES);
    wall_ms down_at = r->now.wall;
    rig_run(r, 900);
    assert_int_equal(sends_to(r, DEAD), lost); // For a second nobody tries.
    run(r, 30);
    assert_true(sends_to(r, DEAD) > lost);
    wall_ms back_at = r->now.wall;
    run_well(r, 10);
    rig_record(r);
    for (wall_ms at = T0 + SECOND; at < r->now.wall - SECOND; at += SECOND) {
        struct execution e = rig_row(r, id, at);
        assert_true(e.state == EXECUTION_SUCCESS || (e.state == EXECUTION_FAILED && at < back_at));
    }
    assert_state(r, id, back_at - back_at % SECOND, SUCCESS);
    assert_true(down_at < back_at);
    assert_int_equal(core_status(r->core).waiting, 0);
    rig_free(r);
}

// --- Telling ---

static void an_outage_is_told_at_once_and_its_end_too(void **state)
{
    (void)state;
    struct rig *r = rig_of(1000);
    create(r, "* * * * * *", DEAD);
    run(r, 4);
    assert_int_equal(told(r, ALERT_TARGET_DOWN), 0);
    run_until_down(r);
    struct core_status s = core_status(r->core);
    assert_int_equal(s.hosts_down, 1);
    assert_string_equal(s.down[0].origin, "dead.test:81");
    assert_int_equal(s.down[0].since, T0 + SECOND); // The first that was lost.
    run(r, 60);
    assert_int_equal(told(r, ALERT_TARGET_DOWN), 1);
    assert_int_equal(told(r, ALERT_TARGET_UP), 0);
    run_well(r, 30);
    assert_int_equal(told(r, ALERT_TARGET_UP), 1);
    assert_int_equal(core_status(r->core).hosts_down, 0);
    rig_free(r);
}

static void a_host_that_answers_now_and_then_is_one_outage(void **state)
{
    (void)state;
    struct rig *r = rig_of(1000);
    for (int i = 0; i < LOSSES; i++)
        create(r, "* * * * * *", DEAD);
    run_until_down(r);
    for (int i = 0; i < 10; i++) {
        run(r, 5);
        run_well(r, 2); // Closed, and soon open again.
    }
    run(r, 5);
    assert_int_equal(told(r, ALERT_TARGET_DOWN), 1);
    assert_int_equal(told(r, ALERT_TARGET_UP), 0);
    run_well(r, 30);
    assert_int_equal(told(r, ALERT_TARGET_UP), 1);
    run(r, 30);
    assert_int_equal(told(r, ALERT_TARGET_DOWN), 2); // Another outage.
    rig_free(r);
}

static void an_outage_ends_with_the_last_job_that_calls_there(void **state)
{
    (void)state;
    struct rig *r = rig_of(1000);
    job_id id = create(r, "* * * * * *", DEAD);
    run_until_down(r);
    assert_int_equal(rig_delete(r, id), ERR_OK);
    run(r, 20);
    assert_int_equal(told(r, ALERT_TARGET_UP), 1);
    assert_int_equal(core_status(r->core).hosts_down, 0);
    rig_free(r);
}

// --- Room ---

// P10: what piles up for a dead host leaves room for everybody else, who stay on time.
static void a_dead_host_takes_no_room_from_others(void **state)
{
    (void)state;
    struct rig *r = rig_of(60);
    job_id dead[10];
    for (int i = 0; i < 10; i++)
        dead[i] = create(r, "* * * * * *", DEAD);
    job_id well = create(r, "* * * * * *", WELL);
    run(r, 120);
    assert_true(core_status(r->core).open <= 31 + 2); // A half, and what the other one has.
    for (int s = 1; s <= 119; s++)
        assert_state(r, well, T0 + s * SECOND, SUCCESS);
    for (size_t i = 0; i < r->send_count; i++)
        if (is_for(r, i, WELL))
            assert_int_equal(r->sends[i].at, r->sends[i].key.scheduled_at);
    for (int i = 0; i < 10; i++) {
        size_t missed = 0;
        for (int s = 1; s <= 119; s++) // Everything has its record.
            missed += rig_row(r, dead[i], T0 + s * SECOND).state == EXECUTION_MISSED;
        assert_true(0 < missed && missed <= rig_alerts(r, dead[i], ALERT_MISSED));
    }
    rig_free(r);
}

static void an_execution_that_finds_no_room_is_missed_with_an_alert_that_says_so(void **state)
{
    (void)state;
    struct rig *r = rig_of(20);
    job_id id = create(r, "* * * * * *", DEAD);
    rig_run(r, 30 * SECOND); // The host hangs: nobody answers, nobody refuses.
    assert_true(core_status(r->core).open <= 10);
    assert_state(r, id, T0 + 9 * SECOND, RUNNING);
    for (int s = 10; s <= 30; s++) {
        struct execution e = rig_row(r, id, T0 + s * SECOND);
        assert_int_equal(e.state, EXECUTION_MISSED);
        assert_int_equal(e.missed_count, 1);
        assert_string_equal(e.reason, "no room: too many executions are open at its host");
    }
    assert_int_equal(rig_alerts(r, id, ALERT_MISSED),
                     rig_rows(r, id) - 9 - 1); // The last row is to come.
    assert_int_equal(rig_trigger(r, id, NULL), ERR_LIMIT);
    rig_free(r);
}

static void the_room_that_a_crash_leaves_is_the_same(void **state)
{
    (void)state;
    struct rig *r = rig_of(20);
    job_id id = create(r, "* * * * * *", DEAD);
    rig_run(r, 30 * SECOND);
    rig_crash(r, 100);
    rig_run(r, 5 * SECOND);
    assert_true(core_status(r->core).open <= 10);
    for (int s = 10; s <= 34; s++)
        assert_state(r, id, T0 + s * SECOND, MISSED);
    rig_free(r);
}

// What a downtime left behind is not given up because there is much of it: it waits for its turn,
// as long as its host answers.
static void catch_up_waits_for_room_at_a_host_that_is_well(void **state)
{
    (void)state;
    struct rig *r = rig_of(20);
    job_id id = create(r, "* * * * * *", WELL);
    run(r, 2);
    rig_crash(r, 5 * MINUTE);
    run(r, 60);
    for (int s = 1; s <= 359; s++)
        assert_state(r, id, T0 + s * SECOND, SUCCESS);
    rig_free(r);
}

static void catch_up_of_a_dead_host_does_not_hold_up_others(void **state)
{
    (void)state;
    struct rig *r = rig_of(60);
    for (int i = 0; i < 10; i++)
        create(r, "* * * * * *", DEAD);
    job_id well = create(r, "* * * * * *", WELL);
    run(r, 20);
    rig_crash(r, MINUTE);
    run(r, 20);
    for (int s = 1; s <= 98; s++)
        assert_state(r, well, T0 + s * SECOND, SUCCESS);
    const struct sent *last = &r->sends[r->send_count - 1];
    for (size_t i = r->send_count; i-- > 0 && !is_for(r, i, WELL);)
        last = &r->sends[i - 1];
    assert_int_equal(last->at, last->key.scheduled_at);
    rig_free(r);
}

// --- A job that moves ---

// Who corrects the URL of a job need not wait for the dead host that it no longer calls.
static void a_waiting_execution_follows_its_job_to_another_host(void **state)
{
    (void)state;
    struct rig *r = rig_of(1000);
    job_id id = create(r, "* * * * * *", DEAD);
    run_until_down(r);
    rig_run(r, 500);
    for (int i = 0; i < 10; i++)
        rig_trigger(r, id, NULL);
    rig_record(r);
    size_t waiting = core_status(r->core).waiting;
    assert_true(waiting >= 10);
    struct job *j = rig_job(r, id);
    job_set_text(&j->api, WELL);
    assert_int_equal(rig_update(r, id, j), ERR_OK);
    assert_int_equal(core_status(r->core).waiting, 0);
    assert_int_equal(sends_to(r, WELL), waiting);
    for (size_t i = 1; i < r->send_count; i++) // In order of their ids.
        if (is_for(r, i, WELL) && is_for(r, i - 1, WELL))
            assert_true((r->sends[i - 1].ticket >> 32) < (r->sends[i].ticket >> 32));
    run(r, 10);
    assert_int_equal(core_status(r->core).waiting, 0);
    rig_free(r);
}

// The execution has its place at the old host, and its claim is on its way to the disk.
static void a_claimed_one_follows_its_job_too(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->limits.breaker_losses = 1;
    rig_start(r);
    struct job *j = job_of("2026-11-24T10:00:01");
    j->type = JOB_ATMOST_ONCE;
    job_set_text(&j->api, DEAD);
    job_id id = rig_create(r, j);
    rig_run(r, 500);
    rig_pass(r, 500);
    rig_tick(r);
    assert_state(r, id, T0 + SECOND, RUNNING);
    assert_int_equal(r->send_count, 0);
    j = rig_job(r, id);
    job_set_text(&j->api, WELL);
    assert_int_equal(rig_update(r, id, j), ERR_OK);
    rig_record(r);
    assert_int_equal(r->send_count, 1);
    assert_string_equal(r->sends[0].api, WELL);
    rig_lose(r, 0, "connection reset");
    rig_tick(r);
    assert_string_equal(core_status(r->core).down[0].origin, "well.test:80");
    rig_free(r);
}

// The job's own host has answered, each time; who is dead is the one behind it.
static void a_host_that_redirects_to_a_dead_one_is_not_down(void **state)
{
    (void)state;
    struct rig *r = rig_of(1000);
    create(r, "* * * * * *", DEAD);
    for (unsigned i = 0; i < 2 * LOSSES; i++) {
        rig_run(r, SECOND);
        rig_lose_behind(r, r->send_count - 1, "302 http://b/\n", "connection refused by b:80");
    }
    assert_int_equal(r->send_count, 2 * LOSSES);
    assert_int_equal(told(r, ALERT_TARGET_DOWN), 0);
    rig_free(r);
}

// What an executor never told of says nothing of the target, neither bad nor good.
static void a_target_is_not_blamed_for_what_nobody_has_heard(void **state)
{
    (void)state;
    struct rig *r = rig_of(1000);
    create(r, "* * * * * *", DEAD);
    for (unsigned i = 0; i < 2 * LOSSES; i++) {
        rig_run(r, SECOND);
        if (i % 2)
            rig_lose(r, r->send_count - 1, "connection reset");
        else
            rig_lose_unheard(r, r->send_count - 1, "no executor told");
        assert_int_equal(told(r, ALERT_TARGET_DOWN), i == 2 * LOSSES - 1); // LOSSES were heard of.
    }
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(attempts_wait_for_a_dead_host_and_all_leave_when_it_answers),
        cmocka_unit_test(an_outage_is_told_at_once_and_its_end_too),
        cmocka_unit_test(a_host_that_answers_now_and_then_is_one_outage),
        cmocka_unit_test(an_outage_ends_with_the_last_job_that_calls_there),
        cmocka_unit_test(a_dead_host_takes_no_room_from_others),
        cmocka_unit_test(an_execution_that_finds_no_room_is_missed_with_an_alert_that_says_so),
        cmocka_unit_test(the_room_that_a_crash_leaves_is_the_same),
        cmocka_unit_test(catch_up_waits_for_room_at_a_host_that_is_well),
        cmocka_unit_test(catch_up_of_a_dead_host_does_not_hold_up_others),
        cmocka_unit_test(a_waiting_execution_follows_its_job_to_another_host),
        cmocka_unit_test(a_claimed_one_follows_its_job_too),
        cmocka_unit_test(a_host_that_redirects_to_a_dead_one_is_not_down),
        cmocka_unit_test(a_target_is_not_blamed_for_what_nobody_has_heard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
