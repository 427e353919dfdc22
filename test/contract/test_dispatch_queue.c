// SPDX-License-Identifier: MIT
// test_dispatch_queue.c: executors and Redis die, forget and come back, and strangers write there.

#include "base/metrics.h"
#include "dispatch/queue/queue_priv.h"
#include "dispatch_harness.h"
#include "redis_server.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct script scripts[] = {
    {"/ok", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 0, SCRIPT_KEEP},
    {"/hang", NULL, 0, SCRIPT_KEEP},
    {NULL, NULL, 0, SCRIPT_KEEP},
};

static int setup(void **state)
{
    redis_server_start(NULL);
    redis_meddle(NULL, 0, "FLUSHALL");
    return harness_setup(state, scripts, NULL, NULL, NULL);
}

// --- Helpers ---------------------------------------------------------------------------------

static long ask(const char *command)
{
    char text[256];
    redis_meddle(text, sizeof text, command);
    return strtol(text, NULL, 10);
}

static void await_answer(const char *command, long wanted)
{
    while (ask(command) != wanted)
        sched_yield();
}

// An attempt, and whether it went through the queue.
static const struct seen *post(struct harness *h, const char *path, bool queued)
{
    int64_t before = metric_get(METRIC_attempts_queued);
    const struct seen *s = harness_post(h, path);
    while (queued && metric_get(METRIC_attempts_queued) == before)
        sched_yield(); // The outcome may overtake the news that the attempt was added.
    assert_int_equal(metric_get(METRIC_attempts_queued) - before, queued);
    return s;
}

static void assert_answered(const struct seen *s)
{
    assert_string_equal(s->error, "");
    assert_int_equal(s->kind, OUTCOME_ANSWERED);
    assert_int_equal(s->attempt.http_status, 200);
}

// Until the target has so many requests.
static void await_requests(struct harness *h, size_t count)
{
    while (scripted_target_requests(h->target) < count)
        loop_turn(h->loop, -1);
}

// Sends an attempt that nobody answers, and waits until the target has it.
static void send_hanging(struct harness *h, dur_ms timeout_ms)
{
    size_t requests = scripted_target_requests(h->target);
    struct send s = harness_attempt(h, "/hang");
    s.request.timeout_ms = timeout_ms;
    harness_send(h, &s);
    await_requests(h, requests + 1);
}

static const struct seen *find_seen(const struct harness *h, uint64_t ticket)
{
    for (size_t i = 0; i < h->seen_count; i++)
        if (h->seen[i].ticket == ticket)
            return &h->seen[i];
    fail_msg("no outcome of %llu", (unsigned long long)ticket);
    return NULL;
}

// --- The way of an attempt -------------------------------------------------------------------

static void an_attempt_leaves_nothing_behind(void **state)
{
    struct harness *h = *state;
    for (int i = 0; i < 20; i++)
        assert_answered(post(h, "/ok", true));
    await_answer("XLEN carillon:queue", 0);
    await_answer("XPENDING carillon:queue executors", 0);
    while (executor_status(harness_executor()).sent < 20)
        sched_yield();
}

static void an_attempt_that_must_be_made_once_is_sent_here(void **state)
{
    struct harness *h = *state;
    struct send s = harness_attempt(h, "/ok");
    int64_t before = metric_get(METRIC_attempts_queued);
    assert_false(s.request.repeatable);
    dispatch_send(h->dispatch, &s);
    harness_wait(h, 1);
    assert_answered(&h->seen[0]);
    assert_int_equal(metric_get(METRIC_attempts_queued), before);
    assert_int_equal(executor_status(harness_executor()).sent, 0);
}

static void two_executors_share_what_there_is(void **state)
{
    struct harness *h = *state;
    struct executor *second;
    struct executor_options o = {.open = dispatch_wire_open,
                                 .dispatch = {.version = "2", .redis = harness_redis()},
                                 .in_flight_max = 2};
    harness_start_executor(h, 2);
    assert_int_equal(executor_start(&o, &second, NULL), ERR_OK);
    harness_await_executors(2);
    for (int i = 0; i < 4; i++) // More than either could hold.
        send_hanging(h, 60000);
    assert_int_equal(executor_status(harness_executor()).held, 2);
    assert_int_equal(executor_status(second).held, 2);
    executor_stop(second);
}

// --- Executors go ----------------------------------------------------------------------------

static void the_attempt_of_a_dead_executor_is_lost_and_the_next_is_made(void **state)
{
    struct harness *h = *state;
    send_hanging(h, 800);
    harness_stop_executor();
    harness_wait(h, 1);
    assert_int_equal(h->seen[0].kind, OUTCOME_LOST);
    assert_string_equal(h->seen[0].error, "no executor told in time what became of the attempt");
    harness_await_executors(0);
    assert_answered(post(h, "/ok", false));
    harness_start_executor(h, 100);
    harness_await_executors(1);
    assert_answered(post(h, "/ok", true));
}

struct draining {
    struct executor *executor;
    size_t left;
};

static void *drain(void *draining)
{
    struct draining *d = draining;
    d->left = executor_drain(d->executor, 60000);
    return NULL;
}

static void an_executor_that_leaves_finishes_what_it_holds(void **state)
{
    struct harness *h = *state;
    struct draining d = {.executor = harness_executor(), .left = 1};
    pthread_t thread;
    send_hanging(h, 2000);
    assert_int_equal(pthread_create(&thread, NULL, drain, &d), 0);
    harness_await_executors(0);
    harness_wait(h, 1);
    pthread_join(thread, NULL);
    assert_int_equal(d.left, 0);
    assert_string_equal(h->seen[0].error, "timed out after 2 s");
    assert_int_equal(ask("XLEN carillon:queue"), 0);
    assert_answered(post(h, "/ok", false));
    harness_stop_executor();
    char consumers[64];
    redis_meddle(consumers, sizeof consumers, "XINFO CONSUMERS carillon:queue executors");
    assert_string_equal(consumers, "");
}

// What an executor took and never told is taken over by nobody, and swept away.
static void what_the_dead_left_is_swept_and_not_sent(void **state)
{
    struct harness *h = *state;
    harness_stop_executor();
    harness_await_executors(0);
    for (int i = 0; i < 3; i++)
        redis_meddle(NULL, 0, "XADD carillon:queue %d-1 e x", i + 1);
    redis_meddle(NULL, 0, "XREADGROUP GROUP executors dead COUNT 2 STREAMS carillon:queue >");
    redis_meddle(NULL, 0, "XCLAIM carillon:queue executors dead 0 1-1 IDLE 61000");
    harness_start_executor(h, 100);
    await_answer("XLEN carillon:queue", 1); // 3-1 is refused as well; 2-1 is too young.
    await_answer("XPENDING carillon:queue executors", 1);
    harness_await_executors(1);
    assert_answered(post(h, "/ok", true));
    assert_int_equal(scripted_target_requests(h->target), 1);
}

// What executors hold stays in the stream without its group, and is not taken a second time.
static void a_group_that_was_destroyed_is_made_anew_and_repeats_nothing(void **state)
{
    struct harness *h = *state;
    send_hanging(h, 60000);
    assert_int_equal(ask("XGROUP DESTROY carillon:queue executors"), 1);
    await_answer("XGROUP CREATECONSUMER carillon:queue executors probe", 1);
    harness_await_executors(1);
    assert_answered(post(h, "/ok", true));
    assert_int_equal(scripted_target_requests(h->target), 2);
}

// --- Time ------------------------------------------------------------------------------------

static void nothing_is_sent_past_its_time(void **state)
{
    struct harness *h = *state;
    harness_start_executor(h, 1);
    harness_await_executors(1);
    send_hanging(h, 600);
    struct send late = harness_attempt(h, "/ok");
    late.request.timeout_ms = 200; // The executor has no room before that is over.
    harness_send(h, &late);
    harness_wait(h, 2);
    const struct seen *s = find_seen(h, late.ticket);
    assert_int_equal(s->kind, OUTCOME_HELD);
    assert_string_equal(s->error, "the attempt waited too long before a request could leave");
    assert_int_equal(scripted_target_requests(h->target), 1);
}

// The owner's lease ends before the executor has room.
static void nothing_is_sent_past_the_lease_of_its_owner(void **state)
{
    struct harness *h = *state;
    harness_start_executor(h, 1);
    harness_await_executors(1);
    send_hanging(h, 1000);
    dispatch_set_lease(h->dispatch, clock_mono_ms() + 300);
    struct send late = harness_attempt(h, "/ok");
    harness_send(h, &late);
    harness_wait(h, 2);
    assert_int_equal(find_seen(h, late.ticket)->kind, OUTCOME_HELD);
    assert_int_equal(scripted_target_requests(h->target), 1);
}

static void a_cancelled_attempt_ends_at_once(void **state)
{
    struct harness *h = *state;
    send_hanging(h, 60000);
    dispatch_cancel(h->dispatch, h->tickets);
    assert_int_equal(h->seen_count, 0);
    harness_wait(h, 1);
    assert_int_equal(h->seen[0].kind, OUTCOME_LOST);
    assert_string_equal(h->seen[0].error, "cancelled");
    assert_int_equal(dispatch_in_flight(h->dispatch), 0);
}

// --- Redis goes ------------------------------------------------------------------------------

static void without_redis_attempts_are_sent_here(void **state)
{
    struct harness *h = *state;
    redis_server_stop();
    harness_await_executors(0);
    assert_answered(post(h, "/ok", false));
    redis_server_start(NULL);
    harness_await_executors(1);
    assert_answered(post(h, "/ok", true));
}

static void redis_may_be_away_at_the_start(void **state)
{
    struct harness *h = *state;
    redis_server_stop();
    harness_await_executors(0);
    harness_start_executor(h, 10);
    assert_false(executor_status(harness_executor()).is_taking);
    redis_server_start(NULL);
    harness_await_executors(1);
    assert_answered(post(h, "/ok", true));
}

// The outcome of what was under way is told when Redis is back.
static void an_outcome_outlives_a_restart_of_redis(void **state)
{
    struct harness *h = *state;
    send_hanging(h, 1000);
    redis_server_stop();
    harness_await_executors(0);
    redis_server_start(NULL);
    harness_wait(h, 1);
    assert_string_equal(h->seen[0].error, "timed out after 1 s");
}

static void a_flush_loses_what_waits_and_heals(void **state)
{
    struct harness *h = *state;
    harness_start_executor(h, 1);
    harness_await_executors(1);
    send_hanging(h, 1000);
    struct send waits = harness_attempt(h, "/ok");
    waits.request.timeout_ms = 300;
    harness_send(h, &waits);
    await_answer("XLEN carillon:queue", 2);
    redis_meddle(NULL, 0, "FLUSHALL");
    harness_wait(h, 2);
    assert_string_equal(h->seen[0].error, "timed out after 1 s"); // Told all the same.
    assert_int_equal(h->seen[1].kind, OUTCOME_LOST);
    assert_string_equal(h->seen[1].error, "no executor told in time what became of the attempt");
    harness_await_executors(1);
    assert_answered(post(h, "/ok", true));
    assert_int_equal(scripted_target_requests(h->target), 2);
}

// A server that has its data back from its disk is another life: what is there may have been sent.
static void what_another_life_of_redis_held_is_not_sent(void **state)
{
    struct harness *h = *state;
    struct request_text bytes = {0};
    struct send s = harness_attempt(h, "/ok");
    assert_true(queue__encode_send(&bytes, "0123456789abcdef0123456789abcdef", &s));
    redis_meddle(NULL, 0, "XADD carillon:queue * n %lld w 0 r %s e %b",
                 (long long)clock_wall_ms() + 5000, "0123456789012345678901234567890123456789",
                 bytes.bytes, bytes.count);
    await_answer("XLEN carillon:queue", 0);
    assert_answered(post(h, "/ok", true));
    assert_int_equal(scripted_target_requests(h->target), 1);
    free(bytes.bytes);
}

// --- Strangers -------------------------------------------------------------------------------

static void strange_entries_are_dropped(void **state)
{
    struct harness *h = *state;
    char run_id[64], info[8192];
    redis_meddle(info, sizeof info, "INFO server");
    snprintf(run_id, sizeof run_id, "%.40s", strstr(info, "run_id:") + strlen("run_id:"));
    redis_meddle(NULL, 0, "XADD carillon:queue * a b");
    redis_meddle(NULL, 0, "XADD carillon:queue * n x w y r z e %b", "\1\0\xff", (size_t)3);
    redis_meddle(NULL, 0, "XADD carillon:queue * r %s", run_id);
    redis_meddle(NULL, 0, "XADD carillon:queue * n 99999999999999 r %s e %b", run_id, "",
                 (size_t)0);
    redis_meddle(NULL, 0, "XADD carillon:queue * n -5 r %s e %b", run_id, "\1abc", (size_t)4);
    await_answer("XLEN carillon:queue", 0);
    await_answer("XPENDING carillon:queue executors", 0);
    while (executor_status(harness_executor()).held > 0)
        sched_yield();
    assert_answered(post(h, "/ok", true));
}

// An attempt that says "for ever" is held to what a node would have asked for.
static void a_strange_instant_is_bounded(void **state)
{
    struct harness *h = *state;
    static const char *const instants[] = {"-1", "9223372036854775807", "0", "soon"};
    char run_id[64], info[8192];
    redis_meddle(info, sizeof info, "INFO server");
    snprintf(run_id, sizeof run_id, "%.40s", strstr(info, "run_id:") + strlen("run_id:"));
    for (size_t i = 0; i < COUNT_OF(instants); i++) {
        struct request_text bytes = {0};
        struct send s = harness_attempt(h, "/ok");
        assert_true(queue__encode_send(&bytes, "0123456789abcdef0123456789abcdef", &s));
        redis_meddle(NULL, 0, "XADD carillon:queue * n %s w 0 r %s e %b", instants[i], run_id,
                     bytes.bytes, bytes.count);
        free(bytes.bytes);
    }
    await_answer("XLEN carillon:queue", 0);
    assert_int_equal(scripted_target_requests(h->target), 0);
    assert_int_equal(ask("XLEN carillon:out:0123456789abcdef0123456789abcdef"), 4); // All HELD.
}

static void a_strange_outcome_is_dropped(void **state)
{
    struct harness *h = *state;
    char key[64];
    assert_answered(post(h, "/ok", true));
    redis_meddle(key, sizeof key, "KEYS carillon:out:*"); // An outcome has just been there.
    assert_true(key[0]);
    redis_meddle(NULL, 0, "XADD %s * o %b", key, "\1\0\0", (size_t)3);
    redis_meddle(NULL, 0, "XADD %s * x y", key);
    struct request_text bytes = {0};
    struct outcome o = {
        .ticket = 4711, .kind = OUTCOME_ANSWERED, .attempt = {.http_status = 200, .dns_ms = -1}};
    assert_true(queue__encode_outcome(&bytes, &o));
    redis_meddle(NULL, 0, "XADD %s * o %b", key, bytes.bytes, bytes.count);
    free(bytes.bytes);
    assert_answered(post(h, "/ok", true));
    assert_int_equal(h->seen_count, 2);
}

static char body_error[ERROR_TEXT_MAX];

static void keep_body_error(struct harness *h, const struct outcome *o)
{
    (void)h;
    snprintf(body_error, sizeof body_error, "%s", o->body_error ? o->body_error : "");
}

// An executor that knows no rules for bodies passes over them and tells of an answer as ever: that
// is no success of an attempt which has rules.
static void an_answer_that_no_executor_judged_is_a_failure(void **state)
{
    struct harness *h = *state;
    char key[64];
    assert_answered(post(h, "/ok", true));
    redis_meddle(key, sizeof key, "KEYS carillon:out:*");
    struct send s = harness_attempt(h, "/hang");
    s.request.success_body = "hello";
    harness_send(h, &s);
    await_requests(h, 2);
    struct request_text bytes = {0};
    struct outcome o = {.ticket = s.ticket,
                        .kind = OUTCOME_ANSWERED,
                        .attempt = {.http_status = 200, .dns_ms = -1}};
    assert_true(queue__encode_outcome(&bytes, &o));
    h->on_outcome = keep_body_error;
    redis_meddle(NULL, 0, "XADD %s * o %b", key, bytes.bytes, bytes.count);
    free(bytes.bytes);
    harness_wait(h, 2);
    assert_int_equal(h->seen[1].kind, OUTCOME_ANSWERED);
    assert_string_equal(body_error, "its body was not judged: the executor is of an older version");
}

static void a_key_of_another_kind_is_no_queue(void **state)
{
    struct harness *h = *state;
    redis_meddle(NULL, 0, "DEL carillon:queue");
    redis_meddle(NULL, 0, "SET carillon:queue stranger");
    assert_answered(harness_post(h, "/ok"));
    redis_meddle(NULL, 0, "DEL carillon:queue");
    harness_await_executors(1);
    assert_answered(harness_post(h, "/ok"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_attempt_leaves_nothing_behind),
        TEST(an_attempt_that_must_be_made_once_is_sent_here),
        TEST(two_executors_share_what_there_is),
        TEST(the_attempt_of_a_dead_executor_is_lost_and_the_next_is_made),
        TEST(an_executor_that_leaves_finishes_what_it_holds),
        TEST(what_the_dead_left_is_swept_and_not_sent),
        TEST(a_group_that_was_destroyed_is_made_anew_and_repeats_nothing),
        TEST(nothing_is_sent_past_its_time),
        TEST(nothing_is_sent_past_the_lease_of_its_owner),
        TEST(a_cancelled_attempt_ends_at_once),
        TEST(without_redis_attempts_are_sent_here),
        TEST(redis_may_be_away_at_the_start),
        TEST(an_outcome_outlives_a_restart_of_redis),
        TEST(a_flush_loses_what_waits_and_heals),
        TEST(what_another_life_of_redis_held_is_not_sent),
        TEST(strange_entries_are_dropped),
        TEST(a_strange_instant_is_bounded),
        TEST(a_strange_outcome_is_dropped),
        TEST(an_answer_that_no_executor_judged_is_a_failure),
        TEST(a_key_of_another_kind_is_no_queue),
    };
    return harness_run_only("queue", "dispatch queue", tests, COUNT_OF(tests));
}
