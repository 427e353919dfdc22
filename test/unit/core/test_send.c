// SPDX-License-Identifier: MIT
// test_send.c: an execution from its instant to its end: the request, retries, alerts, claims.

#include "core_test.h"

#include <string.h>

// A job at T0 + 1 min, its request already sent: sends[0].
static struct rig *rig_sent(struct job *j, job_id *id)
{
    struct rig *r = rig_started();
    *id = rig_create(r, j);
    rig_run(r, MINUTE);
    assert_int_equal(r->send_count, 1);
    return r;
}

#define AT (T0 + MINUTE)
#define ONCE "2026-11-24T10:01:00"

// --- The request ---

static void the_request_says_what_the_job_says(void **state)
{
    (void)state;
    struct job *j = job_of(ONCE);
    job_set_text(&j->api, "http://a.test/hook?x=1");
    job_set_text(&j->headers, "X-A: b\n");
    job_set_text(&j->body, "the body");
    j->method = METHOD_PUT;
    j->timeout_ms = 4321;
    job_set_text(&j->tls_ca, "PEM");
    job_set_text(&j->tls_client_cert, "shown");
    job_set_text(&j->tls_client_key, "sealed");
    job_set_text(&j->success_body, "/a+/");
    job_set_text(&j->failure_body, "b");
    job_set_text(&j->signing, "a line");
    job_set_text(&j->oauth, "a client");
    j->body_is_json = true;
    j->tls_verify = false;
    j->fresh_connection = true;
    j->redirects = 10;
    j->response_excerpt_bytes = 65536;
    job_id id;
    struct rig *r = rig_sent(j, &id);
    const struct sent *s = &r->sends[0];
    assert_string_equal(s->api, "http://a.test/hook?x=1");
    assert_string_equal(s->headers, "X-A: b\n");
    assert_string_equal(s->body, "the body");
    assert_int_equal(s->method, METHOD_PUT);
    assert_int_equal(s->timeout_ms, 4321);
    assert_string_equal(s->signing, "a line");
    assert_string_equal(s->oauth, "a client");
    assert_string_equal(s->tls_ca, "PEM");
    assert_string_equal(s->tls_client_cert, "shown");
    assert_string_equal(s->tls_client_key, "sealed");
    assert_string_equal(s->success_body, "/a+/");
    assert_string_equal(s->failure_body, "b");
    assert_true(s->body_is_json);
    assert_false(s->tls_verify);
    assert_true(s->fresh_connection);
    assert_int_equal(s->redirects, 10);
    assert_int_equal(s->response_excerpt_bytes, 65536);
    assert_int_equal(s->attempt, 1);
    assert_int_equal(s->key.job, id);
    assert_int_equal(s->key.scheduled_at, AT);
    assert_int_equal(s->key.series, 0);
    assert_int_equal(s->trigger, TRIGGER_SCHEDULE);
    assert_int_equal(s->epoch, 1); // The first start of this store.
    rig_free(r);
}

// The first requests of a herd leave while the rest of it is still to be judged, in order.
static void a_herd_is_sent_in_slices_without_a_pause(void **state)
{
    (void)state;
    struct rig *r = rig_new();
    r->limits.due_max = 3;
    rig_start(r);
    job_id first = rig_create(r, job_of(ONCE));
    for (int i = 1; i < 8; i++)
        rig_create(r, job_of(ONCE));
    rig_run(r, MINUTE - 1);
    rig_pass(r, 1);
    for (size_t sent = 3; sent <= 9; sent += 3) {
        assert_true(r->out.wake_wall <= r->now.wall);
        rig_step(r, &(struct event){.kind = EVENT_TICK});
        assert_int_equal(r->send_count, MIN(sent, 8));
    }
    assert_true(r->out.wake_wall > r->now.wall);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(r->sends[i].key.job, first + (job_id)i);
    rig_free(r);
}

// --- What is awaited ---

static struct rig *rig_planned(struct job *j)
{
    struct rig *r = rig_started();
    rig_create(r, j);
    assert_true(r->out.batch->awaited); // By the client.
    rig_record(r);
    rig_pass(r, MINUTE - SECOND);
    rig_tick(r);
    assert_true(r->out.batch->count > 0);
    return r;
}

// What need not be durable at once may be gathered, which makes a commit cheaper.
static void rows_far_ahead_and_results_are_not_awaited(void **state)
{
    (void)state;
    struct rig *r = rig_planned(job_of(ONCE));
    assert_false(r->out.batch->awaited);
    rig_record(r);
    rig_pass(r, SECOND);
    rig_tick(r);
    rig_answer(r, 0, 200);
    assert_true(r->out.batch->count > 0);
    assert_false(r->out.batch->awaited);
    rig_free(r);
}

static void a_row_whose_instant_is_near_is_awaited(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    rig_create(r, job_of(ONCE));
    rig_record(r);
    rig_pass(r, MINUTE - 50); // Nothing ticked before.
    rig_tick(r);
    assert_true(r->out.batch->awaited);
    rig_free(r);
}

static void the_cause_that_holds_a_request_back_is_awaited(void **state)
{
    (void)state;
    struct rig *r = rig_planned(job_of(ONCE)); // The row is durable.
    rig_pass(r, SECOND);
    rig_tick(r);
    assert_true(r->out.batch->awaited);
    assert_int_equal(r->send_count, 0);
    rig_free(r);

    struct job *j = job_of(ONCE); // The claim is durable.
    j->type = JOB_ATMOST_ONCE;
    r = rig_planned(j);
    rig_record(r);
    rig_pass(r, SECOND);
    rig_tick(r);
    assert_true(r->out.batch->awaited);
    assert_int_equal(r->send_count, 0);
    rig_free(r);
}

// --- Success ---

static void success_writes_one_update(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_sent(job_of(ONCE), &id);
    rig_pass(r, 40);
    rig_answer(r, 0, 204);
    struct execution e = rig_row(r, id, AT);
    assert_int_equal(e.state, EXECUTION_SUCCESS);
    assert_int_equal(e.http_status, 204);
    assert_int_equal(e.started_at, AT);
    assert_int_equal(e.completed_at, AT + 40);
    assert_int_equal(e.attempts, 1);
    assert_int_equal(e.retry_count, 0);
    assert_null(e.error);
    assert_int_equal(rig_updates(r, id, AT), 1);
    assert_int_equal(rig_changes(r, CHANGE_ATTEMPT), 1);
    assert_int_equal(rig_changes(r, CHANGE_ALERT), 0);
    assert_int_equal(core_status(r->core).open, 0);
    rig_free(r);
}

static void running_is_written_only_when_the_flight_lasts(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_sent(job_of(ONCE), &id);
    rig_run(r, 999);
    assert_state(r, id, AT, PENDING);
    rig_run(r, 1);
    struct execution e = rig_row(r, id, AT);
    assert_int_equal(e.state, EXECUTION_RUNNING);
    assert_int_equal(e.attempts, 1);
    assert_int_equal(e.started_at, AT);
    rig_run(r, 5000);
    rig_answer(r, 0, 200);
    assert_state(r, id, AT, SUCCESS);
    assert_int_equal(rig_updates(r, id, AT), 2);
    rig_free(r);
}

static void only_200_to_299_is_success(void **state)
{
    (void)state;
    static const struct {
        unsigned status;
        bool success;
    } cases[] = {{199, false}, {200, true},  {201, true},  {299, true},
                 {300, false}, {302, false}, {404, false}, {500, false}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct job *j = job_of(ONCE);
        j->max_retries = 0;
        job_id id;
        struct rig *r = rig_sent(j, &id);
        rig_answer(r, 0, cases[i].status);
        assert_int_equal(rig_row(r, id, AT).state,
                         cases[i].success ? EXECUTION_SUCCESS : EXECUTION_FAILED);
        assert_int_equal(rig_row(r, id, AT).http_status, cases[i].status);
        rig_free(r);
    }
}

// --- Retries ---

static void retries_come_after_1_2_and_3_seconds_and_then_it_failed(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_sent(job_of(ONCE), &id);
    static const wall_ms sent_at[] = {AT, AT + 1010, AT + 3020, AT + 6030};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(r->send_count, i + 1);
        assert_int_equal(r->sends[i].at, sent_at[i]);
        assert_int_equal(r->sends[i].attempt, i + 1);
        assert_int_equal(r->sends[i].key.scheduled_at, AT);
        rig_run(r, 10);
        rig_answer(r, i, 500);
        struct execution e = rig_row(r, id, AT);
        assert_int_equal(e.retry_count, i); // Retries made, not those to come.
        assert_string_equal(e.error, "answered with HTTP status 500");
        assert_int_equal(e.next_attempt_at, i < 3 ? sent_at[i + 1] : 0);
        assert_int_equal(e.state, i < 3 ? EXECUTION_RUNNING : EXECUTION_FAILED);
        if (i < 3)
            rig_run(r, (dur_ms)(i + 1) * SECOND);
    }
    rig_run(r, HOUR);
    assert_int_equal(r->send_count, 4);
    assert_int_equal(rig_changes(r, CHANGE_ATTEMPT), 4);
    assert_int_equal(rig_alerts(r, id, ALERT_FAILURE), 1);
    rig_free(r);
}

static void a_retry_that_succeeds_is_a_success_without_alert(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_sent(job_of(ONCE), &id);
    rig_answer(r, 0, 500);
    rig_run(r, SECOND);
    rig_lose(r, 1, "connection reset by a.test");
    rig_run(r, 2 * SECOND);
    rig_answer(r, 2, 200);
    struct execution e = rig_row(r, id, AT);
    assert_int_equal(e.state, EXECUTION_SUCCESS);
    assert_int_equal(e.retry_count, 2);
    assert_int_equal(e.attempts, 3);
    assert_null(e.error);
    assert_int_equal(rig_changes(r, CHANGE_ALERT), 0);
    rig_free(r);
}

// FAILED and its alert stand in one batch, so no crash can part them.
static void a_failure_and_its_alert_are_one_batch(void **state)
{
    (void)state;
    struct job *j = job_of(ONCE);
    j->max_retries = 0;
    job_id id;
    struct rig *r = rig_sent(j, &id);
    rig_record(r);
    rig_refuse(r, 0, "connection refused by a.test:80");
    const struct batch *b = r->out.batch;
    bool failed = false, alert = false;
    for (size_t i = 0; i < b->count; i++) {
        const struct change *c = &b->changes[i];
        failed |= c->kind == CHANGE_EXECUTION_UPDATE && c->execution.state == EXECUTION_FAILED;
        alert |= c->kind == CHANGE_ALERT && c->alert.job == id &&
                 strstr(c->alert.last_error, "connection refused by a.test:80");
    }
    assert_true(failed && alert);
    rig_free(r);
}

// The delay before each retry, in milliseconds.
static void retry_delays(struct job *j, size_t count, dur_ms *delays)
{
    job_id id;
    struct rig *r = rig_sent(j, &id);
    for (size_t i = 0; i < count; i++) {
        rig_answer(r, i, 500);
        wall_ms from = r->now.wall;
        rig_run(r, 2 * MINUTE);
        assert_int_equal(r->send_count, i + 2);
        delays[i] = r->sends[i + 1].at - from;
    }
    rig_free(r);
}

static struct job *job_retrying(enum retry_strategy s, unsigned base_ms, unsigned cap_ms)
{
    struct job *j = job_of(ONCE);
    j->retry_strategy = (uint8_t)s;
    j->retry_base_ms = base_ms;
    j->retry_cap_ms = cap_ms;
    j->max_retries = 6;
    return j;
}

static void strategies_wait_as_they_say_and_never_above_the_cap(void **state)
{
    (void)state;
    dur_ms d[6], again[6];
    retry_delays(job_retrying(RETRY_FIXED, 700, 60000), 6, d);
    for (int i = 0; i < 6; i++)
        assert_int_equal(d[i], 700);
    retry_delays(job_retrying(RETRY_LINEAR, 700, 3000), 6, d);
    for (int i = 0; i < 6; i++)
        assert_int_equal(d[i], MIN(700 * (i + 1), 3000));

    // Full jitter: anywhere up to the doubled base, yet the same in every run.
    retry_delays(job_retrying(RETRY_EXPONENTIAL, 1000, 5000), 6, d);
    retry_delays(job_retrying(RETRY_EXPONENTIAL, 1000, 5000), 6, again);
    for (int i = 0; i < 6; i++) {
        assert_in_range(d[i], 0, MIN(1000 << i, 5000));
        assert_int_equal(d[i], again[i]);
    }
    assert_true(d[3] != d[4] || d[4] != d[5]);
}

// Were the retry sent first and the write lost, the next life would use its number again.
static void a_retry_waits_until_the_attempt_before_it_is_durable(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_sent(job_of(ONCE), &id);
    rig_record(r);
    rig_answer(r, 0, 500);
    rig_pass(r, 5 * SECOND); // The disk takes its time.
    rig_tick(r);
    assert_int_equal(r->send_count, 1);
    rig_record(r);
    assert_int_equal(r->send_count, 2);
    rig_free(r);
}

// The steps of the wall clock do not matter to a wait.
static void a_wait_runs_on_the_monotonic_clock(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_sent(job_of(ONCE), &id);
    rig_answer(r, 0, 500);
    rig_record(r);
    r->now.wall += HOUR;
    rig_tick(r);
    assert_int_equal(r->send_count, 1);
    r->now.wall -= HOUR;
    r->now.mono += SECOND;
    rig_tick(r);
    assert_int_equal(r->send_count, 2);
    rig_free(r);
}

// --- At most once ---

static struct job *job_at_most_once(void)
{
    struct job *j = job_of(ONCE);
    j->type = JOB_ATMOST_ONCE;
    return j;
}

static void at_most_once_is_claimed_durably_before_it_is_sent(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_at_most_once());
    rig_record(r);
    rig_pass(r, MINUTE);
    rig_tick(r); // Planned and due.
    rig_step(r, &(struct event){.kind = EVENT_RECORDED, .sequence = r->sequence - 1});
    assert_int_equal(r->send_count, 0);
    rig_record(r); // The row, and then the claim; the rig checks that it was durable.
    assert_int_equal(r->send_count, 1);
    struct execution e;
    assert_true(rig_find(r, id, AT, false, &e));
    assert_int_equal(e.state, EXECUTION_RUNNING);
    assert_int_equal(e.attempts, 1);
    assert_int_equal(e.started_at, AT);
    rig_answer(r, 0, 200);
    assert_state(r, id, AT, SUCCESS);
    rig_free(r);
}

// The claim alone is not enough: until it is durable, nothing leaves.
static void an_undurable_claim_holds_the_request_back(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    rig_create(r, job_at_most_once());
    rig_run(r, MINUTE - 500);
    rig_pass(r, 500);
    rig_tick(r);
    assert_int_equal(rig_updates(r, 1, AT), 1);
    assert_int_equal(r->send_count, 0);
    rig_record(r);
    assert_int_equal(r->send_count, 1);
    rig_free(r);
}

static void at_most_once_is_sent_again_only_when_no_byte_left(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_sent(job_at_most_once(), &id);
    rig_refuse(r, 0, "connection refused by a.test:80");
    rig_run(r, SECOND);
    assert_int_equal(r->send_count, 2);
    assert_int_equal(r->sends[1].attempt, 2);
    rig_lose(r, 1, "connection reset by a.test");
    assert_state(r, id, AT, FAILED);
    assert_int_equal(rig_alerts(r, id, ALERT_FAILURE), 1);
    rig_run(r, HOUR);
    assert_int_equal(r->send_count, 2);
    rig_free(r);
}

static void at_most_once_does_not_retry_a_bad_answer(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_sent(job_at_most_once(), &id);
    rig_answer(r, 0, 503);
    assert_state(r, id, AT, FAILED);
    rig_run(r, HOUR);
    assert_int_equal(r->send_count, 1);
    rig_free(r);
}

// --- What is kept of an answer ---

static void assert_kept(unsigned status, const char *response)
{
    job_id id;
    struct rig *r = rig_sent(job_of(ONCE), &id);
    struct outcome o = {.ticket = r->sends[0].ticket,
                        .epoch = r->sends[0].epoch,
                        .kind = OUTCOME_ANSWERED,
                        .attempt = {.http_status = (uint16_t)status, .response = response}};
    rig_step(r, &(struct event){.kind = EVENT_OUTCOME, .outcome = &o});
    const char *kept = NULL;
    for (size_t i = 0; i < r->out.batch->count; i++)
        if (r->out.batch->changes[i].kind == CHANGE_ATTEMPT)
            kept = r->out.batch->changes[i].attempt.response;
    assert_int_equal(kept != NULL, response != NULL);
    if (kept)
        assert_string_equal(kept, response);
    rig_free(r);
}

// How much that may be is the request's word to dispatch.
static void the_excerpt_of_an_answer_is_kept_whether_it_is_good_or_bad(void **state)
{
    (void)state;
    static char text[JOB_MAX(response_excerpt_bytes) + 1];
    memset(text, 'a', sizeof text - 1);
    for (unsigned status = 200; status <= 500; status += 300) {
        assert_kept(status, text);
        assert_kept(status, "ok");
        assert_kept(status, NULL);
    }
}

// --- What this machine lacks ---

// The attempt did not happen: no retry is used up, no row of it is written, its number is given
// again, and nobody is told that the target is down.
static void an_attempt_that_is_held_did_not_happen(void **state)
{
    (void)state;
    struct job *j = job_of(ONCE);
    j->max_retries = 0;
    job_id id;
    struct rig *r = rig_sent(j, &id);
    dur_ms waits[] = {250, 500, 1000, 2000, 4000, 5000, 5000};
    for (size_t i = 0; i < COUNT_OF(waits); i++) {
        rig_hold(r, i, "cannot connect to a.test:80: too many open files here");
        rig_record(r);
        rig_run(r, waits[i] - 1);
        assert_int_equal(r->send_count, i + 1);
        rig_run(r, 1);
        assert_int_equal(r->send_count, i + 2);
        assert_int_equal(r->sends[i + 1].attempt, 1);
    }
    for (size_t i = COUNT_OF(waits); i < 80; i++) { // More than open a breaker.
        rig_hold(r, i, "cannot connect to a.test:80: too many open files here");
        rig_run(r, 5000);
    }
    assert_int_equal(core_status(r->core).hosts_down, 0);
    rig_answer(r, r->send_count - 1, 200);
    rig_record(r);
    struct execution e = rig_row(r, id, AT);
    assert_int_equal(e.state, EXECUTION_SUCCESS);
    assert_int_equal(e.attempts, 1);
    assert_int_equal(e.retry_count, 0);
    assert_int_equal(rig_alerts(r, id, ALERT_FAILURE), 0);
    assert_int_equal(rig_alerts(r, 0, ALERT_TARGET_DOWN), 0);
    rig_free(r);
}

static void a_retry_that_is_held_is_still_the_retry(void **state)
{
    (void)state;
    struct job *j = job_of(ONCE);
    j->max_retries = 1;
    job_id id;
    struct rig *r = rig_sent(j, &id);
    rig_answer(r, 0, 500);
    rig_run(r, 1000);
    assert_int_equal(r->send_count, 2);
    rig_hold(r, 1, "too many open files here");
    rig_run(r, 250);
    assert_int_equal(r->send_count, 3);
    assert_int_equal(r->sends[2].attempt, 2);
    rig_answer(r, 2, 500);
    rig_record(r);
    struct execution e = rig_row(r, id, AT);
    assert_int_equal(e.state, EXECUTION_FAILED);
    assert_int_equal(e.attempts, 2);
    assert_int_equal(e.retry_count, 1);
    rig_free(r);
}

// The next life knows from the row that the attempt to come is the first.
static void an_attempt_held_over_a_crash_uses_up_no_retry(void **state)
{
    (void)state;
    static const dur_ms downs[] = {10, 5 * SECOND}; // Within the wait, and beyond it.
    for (size_t i = 0; i < COUNT_OF(downs); i++) {
        job_id id;
        struct rig *r = rig_sent(job_of(ONCE), &id);
        rig_hold(r, 0, "too many open files here");
        rig_record(r);
        rig_crash(r, downs[i]);
        rig_record(r);
        rig_run(r, 5 * SECOND);
        rig_record(r);
        assert_int_equal(r->send_count, 2);
        rig_answer(r, 1, 200);
        rig_record(r);
        struct execution e = rig_row(r, id, AT);
        assert_int_equal(e.state, EXECUTION_SUCCESS);
        assert_int_equal(e.retry_count, 0);
        rig_free(r);
    }
}

// Nothing was sent, so an at-most-once job may go on, also after a crash while it waits.
static void a_held_attempt_of_an_at_most_once_job_is_made_later(void **state)
{
    (void)state;
    struct job *j = job_of(ONCE);
    j->type = JOB_ATMOST_ONCE;
    job_id id;
    struct rig *r = rig_sent(j, &id);
    rig_hold(r, 0, "too many open files here");
    rig_record(r);
    rig_crash(r, 100);
    rig_run(r, 10000);
    assert_int_equal(r->send_count, 2);
    rig_answer(r, 1, 200);
    rig_record(r);
    assert_int_equal(rig_row(r, id, AT).state, EXECUTION_SUCCESS);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_request_says_what_the_job_says),
        cmocka_unit_test(a_herd_is_sent_in_slices_without_a_pause),
        cmocka_unit_test(rows_far_ahead_and_results_are_not_awaited),
        cmocka_unit_test(a_row_whose_instant_is_near_is_awaited),
        cmocka_unit_test(the_cause_that_holds_a_request_back_is_awaited),
        cmocka_unit_test(success_writes_one_update),
        cmocka_unit_test(running_is_written_only_when_the_flight_lasts),
        cmocka_unit_test(only_200_to_299_is_success),
        cmocka_unit_test(retries_come_after_1_2_and_3_seconds_and_then_it_failed),
        cmocka_unit_test(a_retry_that_succeeds_is_a_success_without_alert),
        cmocka_unit_test(a_failure_and_its_alert_are_one_batch),
        cmocka_unit_test(strategies_wait_as_they_say_and_never_above_the_cap),
        cmocka_unit_test(a_retry_waits_until_the_attempt_before_it_is_durable),
        cmocka_unit_test(a_wait_runs_on_the_monotonic_clock),
        cmocka_unit_test(at_most_once_is_claimed_durably_before_it_is_sent),
        cmocka_unit_test(an_undurable_claim_holds_the_request_back),
        cmocka_unit_test(at_most_once_is_sent_again_only_when_no_byte_left),
        cmocka_unit_test(at_most_once_does_not_retry_a_bad_answer),
        cmocka_unit_test(the_excerpt_of_an_answer_is_kept_whether_it_is_good_or_bad),
        cmocka_unit_test(an_attempt_that_is_held_did_not_happen),
        cmocka_unit_test(a_retry_that_is_held_is_still_the_retry),
        cmocka_unit_test(an_attempt_held_over_a_crash_uses_up_no_retry),
        cmocka_unit_test(a_held_attempt_of_an_at_most_once_job_is_made_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
