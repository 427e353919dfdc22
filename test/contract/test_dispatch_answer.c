// SPDX-License-Identifier: MIT
// test_dispatch_answer.c: what an answer is worth that is odd, cut off or damaged.
//
// One rule: a head that came whole is the answer, and whatever comes after does not change that,
// but the attempt says so. Before the end of the head the attempt is lost, and knows its status
// once the status line was read. The rule is the same for every adapter.

#include "dispatch_harness.h"

#include <stdio.h>
#include <string.h>

#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
#define HALF_BODY "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"
#define LONG_HEAD_BYTES 200000
#define TEN_TIMES(text) text text text text text text text text text text

static char long_head[LONG_HEAD_BYTES + 64];
static char long_body[RESPONSE_BYTES_MAX + 128];
static char bounded_body[RESPONSE_BYTES_MAX + 128];

// Rows whose text is made in main() come first.
static const struct script scripts[] = {
    {"/long-head", long_head, 0, SCRIPT_KEEP},
    {"/long-body", long_body, 0, SCRIPT_KEEP},
    {"/bounded-body", bounded_body, 0, SCRIPT_KEEP},
    {"/no", "HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno", 0, SCRIPT_KEEP},
    {"/half-character", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\xc3\xa4", 0, SCRIPT_KEEP},
    {"/ok", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 0, SCRIPT_KEEP},
    {"/wait", "HTTP/1.1 202 Accepted\r\ncarillon-completion: Wait \r\nContent-Length: 0\r\n\r\n", 0,
     SCRIPT_KEEP},
    {"/accepted", "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", 0, SCRIPT_KEEP},
    {"/wait-200", "HTTP/1.1 200 OK\r\nCarillon-Completion: wait\r\nContent-Length: 0\r\n\r\n", 0,
     SCRIPT_KEEP},
    {"/wait-long",
     "HTTP/1.1 202 Accepted\r\nCarillon-Completion: wait, please\r\nContent-Length: 0\r\n\r\n", 0,
     SCRIPT_KEEP},
    {"/folded", "HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 2\r\n\r\nok", 0, SCRIPT_KEEP},
    {"/both-lengths",
     "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
     "2\r\nok\r\n0\r\n\r\n",
     0, SCRIPT_KEEP},
    {"/coding-first",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"
     "2\r\nok\r\n0\r\n\r\n",
     0, SCRIPT_KEEP},
    {"/different-lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk",
     0, SCRIPT_KEEP},
    {"/no-colon", "HTTP/1.1 404 No\r\nno colon\r\nContent-Length: 0\r\n\r\n", 0, SCRIPT_KEEP},
    {"/bad-length", "HTTP/1.1 200 OK\r\nContent-Length: 2x\r\n\r\nok", 0, SCRIPT_KEEP},
    {"/bare-cr", "HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 2\r\n\r\nok", 0, SCRIPT_KEEP},
    {"/switching", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nok", 0, SCRIPT_KEEP},
    {"/to-the-end", "HTTP/1.1 200 OK\r\n\r\nto the end", 0, SCRIPT_CLOSE},
    {"/to-a-reset", "HTTP/1.1 200 OK\r\n\r\nto a reset", 0, SCRIPT_RESET},
    {"/half-body", HALF_BODY, 0, SCRIPT_KEEP},
    {"/short", HALF_BODY, 0, SCRIPT_CLOSE},
    {"/short-reset", HALF_BODY, 0, SCRIPT_RESET},
    {"/short-error", "HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\nhalf", 0, SCRIPT_CLOSE},
    {"/short-chunk", CHUNKED "2\r\nok\r\n5\r\nha", 0, SCRIPT_CLOSE},
    {"/no-last-chunk", CHUNKED "2\r\nok\r\n", 0, SCRIPT_CLOSE},
    {"/bad-size", CHUNKED "2\r\nok\r\nx\r\n", 0, SCRIPT_KEEP},
    {"/long-size", CHUNKED "2\r\nok\r\n00000000000000002\r\nok\r\n0\r\n\r\n", 0, SCRIPT_KEEP},
    {NULL, NULL, 0, SCRIPT_KEEP},
};

static int setup(void **state)
{
    return harness_setup(state, scripts, NULL, NULL, NULL);
}

static void an_odd_head_is_a_head(void **state)
{
    static const char *const paths[] = {"/folded", "/both-lengths", "/coding-first", "/long-head"};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        const struct seen *s = harness_post(*state, paths[i]);
        assert_string_equal(s->error, "");
        assert_int_equal(s->kind, OUTCOME_ANSWERED);
        assert_int_equal(s->attempt.http_status, 200);
        assert_string_equal(s->response, "ok");
        assert_false(s->attempt.response_truncated || s->attempt.response_damaged);
    }
}

// Only such an answer, and only to a request that has said where the target can tell how it ended.
static void a_target_may_ask_to_wait(void **state)
{
    static const struct {
        const char *path;
        bool has_callback, waits;
    } cases[] = {{"/wait", true, true},
                 {"/wait", false, false},
                 {"/accepted", true, false},
                 {"/wait-200", true, false},
                 {"/wait-long", true, false}};
    struct harness *h = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct send s = harness_attempt(h, cases[i].path);
        s.request.callback = cases[i].has_callback ? "http://c.test/e?token=1-secret" : NULL;
        harness_send(h, &s);
        harness_wait(h, i + 1);
        assert_int_equal(h->seen[i].kind, OUTCOME_ANSWERED);
        assert_int_equal(h->seen[i].asks_to_wait, cases[i].waits);
        const char *header = strstr(scripted_target_request(h->target, i),
                                    "\r\nCarillon-Callback: http://c.test/e?token=1-secret\r\n");
        assert_int_equal(header != NULL, cases[i].has_callback);
    }
}

// The length may have been what the target meant: the rest would be taken for the next answer.
static void a_connection_whose_answer_had_two_lengths_is_not_used_again(void **state)
{
    struct harness *h = *state;
    harness_post(h, "/both-lengths");
    harness_post(h, "/coding-first");
    harness_post(h, "/ok");
    assert_int_equal(scripted_target_connections(h->target), 3);
    harness_post(h, "/ok");
    assert_int_equal(scripted_target_connections(h->target), 3);
}

static void bytes_behind_the_head_do_not_change_the_answer(void **state)
{
    static const struct {
        const char *path;
        unsigned status;
        bool truncated, damaged;
        const char *body;
    } cases[] = {
        {"/to-the-end", 200, false, false, "to the end"},
        {"/to-a-reset", 200, true, false, "to a reset"},
        {"/short", 200, true, false, "half"},
        {"/short-reset", 200, true, false, "half"},
        {"/short-error", 500, true, false, "half"},
        {"/short-chunk", 200, true, false, "okha"},
        {"/no-last-chunk", 200, true, false, "ok"},
        {"/bad-size", 200, false, true, "ok"},
        {"/long-size", 200, false, true, "ok"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct seen *s = harness_post(*state, cases[i].path);
        assert_string_equal(s->error, "");
        assert_int_equal(s->kind, OUTCOME_ANSWERED);
        assert_int_equal(s->attempt.http_status, cases[i].status);
        assert_string_equal(s->response, cases[i].body);
        assert_int_equal(s->attempt.response_truncated, cases[i].truncated);
        assert_int_equal(s->attempt.response_damaged, cases[i].damaged);
    }
}

static void a_head_that_cannot_be_read_is_damaged(void **state)
{
    static const struct {
        const char *path;
        unsigned status;
    } cases[] = {
        {"/different-lengths", 200}, {"/no-colon", 404},  {"/bad-length", 200},
        {"/bare-cr", 200},           {"/switching", 101},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct seen *s = harness_post(*state, cases[i].path);
        assert_memory_equal(s->error, "malformed answer from 127.0.0.1:", 32);
        assert_int_equal(s->kind, OUTCOME_LOST);
        assert_int_equal(s->attempt.http_status, cases[i].status);
        assert_true(s->attempt.response_damaged);
        assert_false(s->attempt.response_truncated);
        assert_null(s->attempt.response);
    }
}

// The body is read all the same, so its connection is used again.
static void as_much_of_a_body_is_kept_as_the_job_says(void **state)
{
    static const struct {
        const char *path;
        uint32_t most;
        size_t kept;
    } cases[] = {
        {"/bounded-body", 0, 0},         {"/bounded-body", 1, 1}, {"/bounded-body", 4097, 4097},
        {"/bounded-body", 65536, 65536}, {"/ok", 65536, 2},       {"/no", 1, 1},
        {"/half-character", 1, 0},
    };
    struct harness *h = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct send s = harness_attempt(h, cases[i].path);
        s.request.response_excerpt_bytes = cases[i].most;
        harness_send(h, &s);
        harness_wait(h, i + 1);
        assert_int_equal(h->seen[i].response_bytes, cases[i].kept);
        assert_int_equal(h->seen[i].attempt.response != NULL, cases[i].kept > 0);
        assert_false(h->seen[i].attempt.response_truncated);
    }
    assert_int_equal(scripted_target_connections(h->target), 1);
}

static void a_body_beyond_the_bound_is_truncated(void **state)
{
    const struct seen *s = harness_post(*state, "/long-body");
    assert_int_equal(s->kind, OUTCOME_ANSWERED);
    assert_true(s->attempt.response_truncated);
    assert_false(s->attempt.response_damaged);
}

static void assert_half_body(const struct seen *s)
{
    assert_string_equal(s->error, "");
    assert_int_equal(s->kind, OUTCOME_ANSWERED);
    assert_int_equal(s->attempt.http_status, 200);
    assert_string_equal(s->response, "half");
    assert_true(s->attempt.response_truncated);
}

static void a_body_that_is_too_slow_is_truncated(void **state)
{
    struct harness *h = *state;
    struct send s = harness_attempt(h, "/half-body");
    s.request.timeout_ms = 300;
    harness_send(h, &s);
    harness_wait(h, 1);
    assert_half_body(&h->seen[0]);
    assert_true(h->seen[0].attempt.duration_ms >= 299); // Two clocks, each in whole ms.
    assert_int_equal(harness_post(h, "/ok")->attempt.http_status, 200);
    assert_int_equal(scripted_target_connections(h->target), 2);
}

// The owner of an attempt that is given up is told what was known by then.
static void who_is_cancelled_while_the_body_comes_was_answered(void **state)
{
    struct harness *h = *state;
    struct send s = harness_attempt(h, "/half-body");
    harness_send(h, &s);
    while (scripted_target_answers(h->target) == 0)
        loop_turn(h->loop, -1);
    for (int i = 0; i < 3; i++)
        loop_turn(h->loop, 0); // What was written can be read at once.
    dispatch_cancel(h->dispatch, s.ticket);
    harness_wait(h, 1);
    assert_half_body(&h->seen[0]);
}

static void make_body(char *out, size_t size, size_t bytes)
{
    int n = snprintf(out, size, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", bytes);
    memset(out + n, 'b', bytes);
}

// In lines that are not too many: newer versions of libcurl (8.14 does) read 5000 of a head.
static void make_texts(void)
{
    static const char line[] = "X: " TEN_TIMES("yyyyyyy") "\r\n";
    const int bytes = (int)sizeof line - 1;
    int n = snprintf(long_head, sizeof long_head, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n");
    for (; n + bytes < LONG_HEAD_BYTES; n += bytes)
        memcpy(long_head + n, line, (size_t)bytes);
    snprintf(long_head + n, sizeof long_head - (size_t)n, "\r\nok");

    make_body(long_body, sizeof long_body, RESPONSE_BYTES_MAX + 1);
    make_body(bounded_body, sizeof bounded_body, RESPONSE_BYTES_MAX);
}

int main(void)
{
    make_texts();
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_odd_head_is_a_head),
        TEST(a_target_may_ask_to_wait),
        TEST(a_connection_whose_answer_had_two_lengths_is_not_used_again),
        TEST(bytes_behind_the_head_do_not_change_the_answer),
        TEST(a_head_that_cannot_be_read_is_damaged),
        TEST(as_much_of_a_body_is_kept_as_the_job_says),
        TEST(a_body_beyond_the_bound_is_truncated),
        TEST(a_body_that_is_too_slow_is_truncated),
    };
    const struct CMUnitTest here[] = {
        TEST(who_is_cancelled_while_the_body_comes_was_answered),
    };
    return harness_run("dispatch answers", tests, COUNT_OF(tests)) +
           harness_run_here("dispatch answers here", here, COUNT_OF(here));
}
