// SPDX-License-Identifier: MIT
// test_pace.c: requests leave for a host at no more than so many a second, and none is lost by
// that.

#include "core/core_priv.h"
#include "core_test.h"

#include <stdio.h>
#include <string.h>

static struct rig *started_at_rate(uint32_t rate)
{
    struct rig *r = rig_new();
    r->limits.host_rate_max = rate;
    rig_start(r);
    rig_record(r);
    return r;
}

static struct job *job_at(const char *schedule, const char *host)
{
    char api[64];
    struct job *j = job_of(schedule);
    snprintf(api, sizeof api, "http://%s.test/", host);
    job_set_text(&j->api, api);
    return j;
}

static void create_many(struct rig *r, size_t count, const char *schedule)
{
    for (size_t i = 0; i < count; i++)
        rig_create(r, job_at(schedule, "a"));
}

// Requests to this host in [from, to).
static size_t sent_between(const struct rig *r, const char *host, wall_ms from, wall_ms to)
{
    char api[64];
    size_t count = 0;
    snprintf(api, sizeof api, "http://%s.test/", host);
    for (size_t i = 0; i < r->send_count; i++)
        count += strcmp(r->sends[i].api, api) == 0 && from <= r->sends[i].at && r->sends[i].at < to;
    return count;
}

// Answers what is on the wire, again and again, while time passes.
static void run_answering(struct rig *r, dur_ms d)
{
    for (dur_ms t = 0; t < d; t += 50) {
        rig_run(r, 50);
        for (size_t i = 0; i < r->send_count; i++)
            if (!r->sends[i].answered)
                rig_answer(r, i, 200);
        rig_record(r);
    }
}

// --- The rate ---

// In no stretch of time are there more requests than the bucket holds and those that came
// meanwhile.
static void assert_rate(const struct rig *r, uint32_t rate)
{
    for (size_t i = 0; i < r->send_count; i++)
        for (size_t k = i; k < r->send_count; k++) {
            int64_t passed = r->sends[k].at - r->sends[i].at;
            assert_true((int64_t)(k - i + 1) <= rate + passed * rate / 1000);
        }
}

static void the_rate_holds_over_a_minute_of_more_work_than_it_lets_through(void **state)
{
    (void)state;
    struct rig *r = started_at_rate(5);
    create_many(r, 8, "* * * * * *"); // 8 a second are due.
    run_answering(r, MINUTE);
    assert_rate(r, 5);
    assert_in_range(r->send_count, 5 * 59, 5 * 61); // And no more slowly than it may.
    rig_free(r);
}

static void a_second_of_requests_leaves_at_once_and_the_rest_one_by_one(void **state)
{
    (void)state;
    struct rig *r = started_at_rate(4);
    create_many(r, 10, "2026-11-24T10:01:00");
    rig_run(r, MINUTE);
    assert_int_equal(r->send_count, 4);
    assert_int_equal(core_status(r->core).waiting_for_rate, 6);
    rig_run(r, 249);
    assert_int_equal(r->send_count, 4);
    for (size_t i = 4; i < 10; i++) {
        assert_int_equal(r->out.wake_mono, r->now.mono + (i == 4 ? 1 : 250));
        rig_run(r, i == 4 ? 1 : 250);
        assert_int_equal(r->send_count, i + 1);
        assert_int_equal(r->sends[i].key.job, i + 1); // In the order in which they came.
    }
    assert_int_equal(core_status(r->core).waiting, 0);
    rig_free(r);
}

static void the_core_sleeps_between_two_tokens(void **state)
{
    (void)state;
    struct rig *r = started_at_rate(1);
    create_many(r, 3, "2026-11-24T10:01:00");
    rig_run(r, MINUTE);
    run_answering(r, 50);
    assert_int_equal(r->send_count, 1);
    rig_tick(r);
    assert_int_equal(r->out.wake_mono, 5000000 + MINUTE + SECOND);
    rig_free(r);
}

static void a_retry_takes_a_token_too(void **state)
{
    (void)state;
    struct rig *r = started_at_rate(1);
    struct job *j = job_of("2026-11-24T10:01:00");
    j->retry_base_ms = 1;
    rig_create(r, j);
    rig_run(r, MINUTE);
    rig_answer(r, 0, 500);
    rig_run(r, 990);
    assert_int_equal(r->send_count, 1);
    rig_run(r, 10);
    assert_int_equal(r->send_count, 2);
    assert_int_equal(r->sends[1].attempt, 2);
    rig_free(r);
}

static void without_a_limit_there_is_no_pace(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    create_many(r, 100, "2026-11-24T10:01:00");
    rig_run(r, MINUTE);
    assert_int_equal(r->send_count, 100);
    assert_int_equal(agenda_count(r->core->paces), 0);
    rig_free(r);
}

// --- Whose rate ---

static void hosts_do_not_wait_for_each_other(void **state)
{
    (void)state;
    struct rig *r = started_at_rate(2);
    char host[16];
    for (int i = 0; i < 60; i++) {
        snprintf(host, sizeof host, "h%d", i % 20);
        rig_create(r, job_at("2026-11-24T10:01:00", host));
    }
    rig_run(r, MINUTE);
    assert_int_equal(r->send_count, 40);
    for (int i = 0; i < 20; i++) {
        snprintf(host, sizeof host, "h%d", i);
        assert_int_equal(sent_between(r, host, T0, T0 + HOUR), 2);
    }
    rig_run(r, 500);
    assert_int_equal(r->send_count, 60);
    rig_free(r);
}

static void a_job_with_a_rate_of_its_own_neither_waits_for_the_others_nor_slows_them(void **state)
{
    (void)state;
    struct rig *r = started_at_rate(3);
    create_many(r, 5, "2026-11-24T10:01:00");
    struct job *slow = job_of("* * * * * *");
    slow->max_rate_per_host = 1;
    job_set_text(&slow->api, "http://a.test/slow");
    rig_create(r, slow);
    struct job *fast = job_of("2026-11-24T10:01:00");
    fast->max_rate_per_host = 1000;
    rig_create(r, fast);
    rig_run(r, MINUTE);
    assert_int_equal(sent_between(r, "a", T0 + MINUTE, T0 + HOUR), 3 + 1);
    size_t before = r->send_count;
    assert_int_equal(before, 60 + 3 + 1); // The slow one leaves every second, on time.
    rig_run(r, SECOND);
    assert_int_equal(r->send_count, before + 2 + 1);
    rig_free(r);
}

static void a_rate_that_is_changed_holds_for_who_waits(void **state)
{
    (void)state;
    struct rig *r = started_at_rate(0);
    struct job *j = job_of("2026-11-24T10:01:00");
    j->max_rate_per_host = 1;
    job_id id = rig_create(r, j);
    for (int i = 0; i < 5; i++)
        assert_int_equal(rig_trigger(r, id, NULL), ERR_OK);
    rig_run(r, 10);
    assert_int_equal(r->send_count, 1);
    j = rig_job(r, id);
    j->max_rate_per_host = 3;
    assert_int_equal(rig_update(r, id, j), ERR_OK);
    assert_int_equal(r->send_count, 1 + 3);
    j = rig_job(r, id);
    j->max_rate_per_host = 0;
    assert_int_equal(rig_update(r, id, j), ERR_OK);
    assert_int_equal(r->send_count, 5);
    assert_int_equal(core_status(r->core).waiting, 0);
    rig_free(r);
}

// --- What waits ---

static void who_is_cancelled_or_deleted_while_waiting_takes_no_token(void **state)
{
    (void)state;
    struct rig *r = started_at_rate(1);
    create_many(r, 4, "2026-11-24T10:01:00");
    rig_run(r, MINUTE);
    assert_int_equal(core_status(r->core).waiting_for_rate, 3);
    struct execution_key second = {.job = 2, .scheduled_at = T0 + MINUTE};
    assert_int_equal(rig_cancel(r, &second), ERR_OK);
    assert_int_equal(rig_delete(r, 3), ERR_OK);
    rig_record(r);
    assert_state(r, 2, T0 + MINUTE, CANCELLED);
    assert_state(r, 3, T0 + MINUTE, CANCELLED);
    assert_int_equal(core_status(r->core).waiting_for_rate, 1);
    rig_run(r, SECOND);
    assert_int_equal(r->send_count, 2);
    assert_int_equal(r->sends[1].key.job, 4);
    rig_free(r);
}

static void a_restart_loses_nothing_that_waits(void **state)
{
    (void)state;
    struct rig *r = started_at_rate(2);
    create_many(r, 9, "2026-11-24T10:01:00");
    rig_run(r, MINUTE);
    run_answering(r, 100);
    assert_int_equal(r->send_count, 2);
    rig_crash(r, 10 * SECOND);
    run_answering(r, 10 * SECOND);
    for (job_id id = 1; id <= 9; id++)
        assert_state(r, id, T0 + MINUTE, SUCCESS);
    assert_int_equal(r->send_count, 9);
    assert_rate(r, 2);
    rig_free(r);
}

// Between the gate and the wire a request may be held up. What piles up there is no more than the
// bucket had, so that it all leaves at once within the rate.
static void what_a_stalled_store_holds_up_leaves_within_the_rate(void **state)
{
    (void)state;
    struct rig *r = started_at_rate(3);
    create_many(r, 20, "2026-11-24T10:01:00");
    rig_run(r, MINUTE - 10);
    rig_step(r, &(struct event){.kind = EVENT_STORE, .cause = ERR_BUSY});
    for (int i = 0; i < 100; i++) {
        rig_pass(r, 100);
        rig_tick(r);
    }
    assert_int_equal(r->send_count, 0);
    rig_step(r, &(struct event){.kind = EVENT_STORE, .cause = ERR_OK});
    assert_int_equal(r->send_count, 3);
    rig_run(r, 10 * SECOND);
    assert_int_equal(r->send_count, 20);
    assert_rate(r, 3);
    rig_free(r);
}

static void claims_leave_within_the_rate(void **state)
{
    (void)state;
    struct rig *r = started_at_rate(2);
    for (int i = 0; i < 6; i++) {
        struct job *j = job_of("2026-11-24T10:01:00");
        j->type = JOB_ATMOST_ONCE;
        rig_create(r, j);
    }
    run_answering(r, MINUTE + 5 * SECOND);
    assert_int_equal(r->send_count, 6);
    assert_rate(r, 2);
    rig_free(r);
}

// A host of which the last job was deleted is not a new one when the next job comes.
static void a_host_that_comes_back_finds_its_bucket_as_it_was(void **state)
{
    (void)state;
    struct rig *r = started_at_rate(2);
    for (int i = 0; i < 6; i++) {
        job_id id = rig_create(r, job_of("2026-12-24T10:01:00"));
        assert_int_equal(rig_trigger(r, id, NULL), ERR_OK);
        rig_record(r);
        if (r->send_count > 0 && !r->sends[r->send_count - 1].answered)
            rig_answer(r, r->send_count - 1, 200);
        assert_int_equal(rig_delete(r, id), ERR_OK);
        rig_record(r);
    }
    assert_int_equal(r->send_count, 2);
    rig_run(r, 2 * SECOND); // The bucket is full again, and with it goes the host.
    assert_int_equal(agenda_count(r->core->paces), 0);
    rig_free(r);
}

// --- Catch-up ---

static void fresh_occurrences_find_tokens_while_much_is_caught_up(void **state)
{
    (void)state;
    struct rig *r = started_at_rate(8);
    rig_create(r, job_of("* * * * * *"));
    rig_run(r, 1500);
    rig_crash(r, MINUTE);
    size_t before = r->send_count;
    run_answering(r, 6 * SECOND);
    for (size_t i = before; i < r->send_count; i++)
        if (r->sends[i].trigger == TRIGGER_SCHEDULE &&
            r->sends[i].key.scheduled_at > T0 + 62 * SECOND)
            assert_int_equal(r->sends[i].at, r->sends[i].key.scheduled_at);
    assert_in_range(r->send_count - before, 6 * 8 - 6, 6 * 8 + 8); // Nor is the rest of it wasted.
    rig_free(r);
}

static void status_names_the_host_and_the_rate_that_is_waited_for(void **state)
{
    (void)state;
    struct rig *r = started_at_rate(2);
    create_many(r, 5, "2026-11-24T10:01:00");
    rig_run(r, MINUTE);
    struct core_status s = core_status(r->core);
    assert_int_equal(s.hosts_paced, 1);
    assert_int_equal(s.paced[0].rate, 2);
    assert_int_equal(s.paced[0].waiting, 3);
    assert_non_null(strstr(s.paced[0].origin, "a.test"));
    rig_run(r, 2 * SECOND);
    assert_int_equal(core_status(r->core).hosts_paced, 0);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rate_holds_over_a_minute_of_more_work_than_it_lets_through),
        cmocka_unit_test(a_second_of_requests_leaves_at_once_and_the_rest_one_by_one),
        cmocka_unit_test(the_core_sleeps_between_two_tokens),
        cmocka_unit_test(a_retry_takes_a_token_too),
        cmocka_unit_test(without_a_limit_there_is_no_pace),
        cmocka_unit_test(hosts_do_not_wait_for_each_other),
        cmocka_unit_test(a_job_with_a_rate_of_its_own_neither_waits_for_the_others_nor_slows_them),
        cmocka_unit_test(a_rate_that_is_changed_holds_for_who_waits),
        cmocka_unit_test(who_is_cancelled_or_deleted_while_waiting_takes_no_token),
        cmocka_unit_test(a_restart_loses_nothing_that_waits),
        cmocka_unit_test(what_a_stalled_store_holds_up_leaves_within_the_rate),
        cmocka_unit_test(claims_leave_within_the_rate),
        cmocka_unit_test(a_host_that_comes_back_finds_its_bucket_as_it_was),
        cmocka_unit_test(fresh_occurrences_find_tokens_while_much_is_caught_up),
        cmocka_unit_test(status_names_the_host_and_the_rate_that_is_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
