// SPDX-License-Identifier: MIT
// test_queue_codec.c: attempts and outcomes as bytes: what is written is read, and nothing else is.

#include "base/url.h"
#include "dispatch/queue/queue_priv.h"

#include <string.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

static const char node[] = "0123456789abcdef0123456789abcdef";

static struct send an_attempt(void)
{
    return (struct send){.ticket = UINT64_MAX - 6,
                         .shard = 255,
                         .request = {.api = "http://host/p\xc3\xa4th",
                                     .headers = "A: b\nContent-Type: text/x\n",
                                     .body = "",
                                     .signing = "v1 abcd1234 - sealed:v1:a:b\n",
                                     .method = METHOD_PATCH,
                                     .key = {.job = 7, .scheduled_at = 1700000000000, .series = -3},
                                     .trigger = TRIGGER_REPLAY,
                                     .origin = "7-1600000000000",
                                     .attempt = 4,
                                     .timeout_ms = 3600000,
                                     .epoch = (int64_t)3 << 32 | 1,
                                     .repeatable = true,
                                     .body_is_json = true,
                                     .tls_verify = true,
                                     .redirects = 10,
                                     .response_excerpt_bytes = 65536}};
}

static struct outcome an_outcome(void)
{
    return (struct outcome){.ticket = 9,
                            .kind = OUTCOME_ANSWERED,
                            .retry_after_ms = 3600000,
                            .location = "/there",
                            .attempt = {.http_status = 599,
                                        .started_at = 1700000000001,
                                        .duration_ms = 12,
                                        .dns_ms = -1,
                                        .connect_ms = 0,
                                        .tls_ms = 5,
                                        .first_byte_ms = 6,
                                        .response_truncated = true,
                                        .redirects = "302 http://a/\n",
                                        .response = "\xe2\x82\xac"}};
}

static struct request_text write_attempt(const struct send *s)
{
    struct request_text bytes = {0};
    assert_true(queue__encode_send(&bytes, node, s));
    return bytes;
}

static struct request_text write_outcome(const struct outcome *o)
{
    struct request_text bytes = {0};
    assert_true(queue__encode_outcome(&bytes, o));
    return bytes;
}

// --- There and back --------------------------------------------------------------------------

static void an_attempt_is_read_as_it_was_written(void **state)
{
    struct send s = an_attempt();
    struct request_text bytes = write_attempt(&s);
    struct queue_send x;
    (void)state;
    assert_int_equal(queue__decode_send(bytes.bytes, bytes.count, &x, NULL), ERR_OK);
    const struct request *a = &s.request, *b = &x.send.request;
    assert_string_equal(x.node, node);
    assert_true(x.send.ticket == s.ticket && x.send.shard == s.shard);
    assert_string_equal(b->api, a->api);
    assert_string_equal(b->headers, a->headers);
    assert_string_equal(b->body, a->body);
    assert_string_equal(b->signing, a->signing);
    assert_null(b->tls_ca);
    assert_string_equal(b->origin, a->origin);
    assert_memory_equal(&b->key, &a->key, sizeof a->key);
    assert_int_equal(b->method, a->method);
    assert_int_equal(b->trigger, a->trigger);
    assert_int_equal(b->attempt, a->attempt);
    assert_int_equal(b->timeout_ms, a->timeout_ms);
    assert_int_equal(b->epoch, a->epoch);
    assert_true(b->repeatable && b->body_is_json && b->tls_verify && !b->fresh_connection);
    assert_int_equal(b->redirects, a->redirects);
    assert_int_equal(b->response_excerpt_bytes, a->response_excerpt_bytes);
    arena_clear(&x.texts);
    free(bytes.bytes);
}

static void an_outcome_is_read_as_it_was_written(void **state)
{
    struct outcome o = an_outcome();
    struct request_text bytes = write_outcome(&o);
    struct queue_outcome x;
    (void)state;
    assert_int_equal(queue__decode_outcome(bytes.bytes, bytes.count, &x, NULL), ERR_OK);
    const struct attempt *a = &o.attempt, *b = &x.outcome.attempt;
    assert_int_equal(x.outcome.ticket, o.ticket);
    assert_int_equal(x.outcome.kind, o.kind);
    assert_int_equal(x.outcome.retry_after_ms, o.retry_after_ms);
    assert_string_equal(x.outcome.location, o.location);
    assert_int_equal(b->http_status, a->http_status);
    assert_int_equal(b->started_at, a->started_at);
    assert_int_equal(b->duration_ms, a->duration_ms);
    assert_true(b->dns_ms == -1 && b->connect_ms == 0 && b->tls_ms == 5 && b->first_byte_ms == 6);
    assert_true(b->response_truncated && !b->response_damaged);
    assert_string_equal(b->redirects, a->redirects);
    assert_string_equal(b->response, a->response);
    assert_null(b->error);
    arena_clear(&x.texts);
    free(bytes.bytes);
}

// --- Bounds ----------------------------------------------------------------------------------

static void what_is_beyond_the_bounds_is_not_written(void **state)
{
    static char long_url[URL_BYTES_MAX + 2];
    struct request_text bytes = {0};
    (void)state;
    memset(long_url, 'x', sizeof long_url - 1);
    for (int i = 0; i < 6; i++) {
        struct send s = an_attempt();
        if (i == 0)
            s.request.api = long_url;
        else if (i == 1)
            s.request.timeout_ms = 3600001;
        else if (i == 2)
            s.shard = SHARDS_MAX;
        else if (i == 3)
            s.request.key.job = 0;
        else if (i == 4)
            s.request.api = NULL;
        else
            s.request.api = "";
        assert_false(queue__encode_send(&bytes, node, &s));
        assert_int_equal(bytes.count, 0);
    }
    struct outcome o = an_outcome();
    o.attempt.http_status = 1000;
    assert_false(queue__encode_outcome(&bytes, &o));
    assert_int_equal(bytes.count, 0);
    free(bytes.bytes);
}

static void a_client_certificate_travels_with_its_sealed_key(void **state)
{
    struct send s = an_attempt();
    struct queue_send x;
    (void)state;
    s.request.tls_client_cert = "shown";
    s.request.tls_client_key = "sealed:v1:a:AAAA";
    struct request_text bytes = write_attempt(&s);
    assert_int_equal(queue__decode_send(bytes.bytes, bytes.count, &x, NULL), ERR_OK);
    assert_string_equal(x.send.request.tls_client_cert, "shown");
    assert_string_equal(x.send.request.tls_client_key, "sealed:v1:a:AAAA");
    arena_clear(&x.texts);
    free(bytes.bytes);
}

// What later versions have added stands at the end by name: a reader that knows nothing of it
// passes over it, and what a writer had nothing to say of is not there.
static void rules_for_bodies_and_what_came_of_them_are_read(void **state)
{
    struct send s = an_attempt();
    struct outcome o = an_outcome();
    struct request_text plain = write_attempt(&s), plain_outcome = write_outcome(&o);
    struct queue_send x;
    struct queue_outcome y;
    (void)state;
    s.request.success_body = "done";
    s.request.failure_body = "/\xc3\xa4?rror/";
    o.body_is_judged = true;
    o.body_error = "its body lacks success_body: done";
    struct request_text attempt = write_attempt(&s), outcome = write_outcome(&o);
    assert_memory_equal(attempt.bytes, plain.bytes, plain.count);
    assert_memory_equal(outcome.bytes, plain_outcome.bytes, plain_outcome.count);
    assert_false(queue__decode_send(attempt.bytes, attempt.count, &x, NULL));
    assert_string_equal(x.send.request.success_body, "done");
    assert_string_equal(x.send.request.failure_body, s.request.failure_body);
    arena_clear(&x.texts);
    assert_false(queue__decode_outcome(outcome.bytes, outcome.count, &y, NULL));
    assert_true(y.outcome.body_is_judged);
    assert_string_equal(y.outcome.body_error, o.body_error);
    arena_clear(&y.texts);
    for (size_t n = plain.count + 1; n < attempt.count; n++)
        if (queue__decode_send(attempt.bytes, n, &x, NULL) == ERR_OK) {
            assert_string_equal(x.send.request.success_body, "done");
            assert_null(x.send.request.failure_body); // Cut between the two.
            arena_clear(&x.texts);
        }
    free(attempt.bytes);
    free(outcome.bytes);
    free(plain.bytes);
    free(plain_outcome.bytes);
}

static void client_of_oauth_is_read_as_it_was_written(void **state)
{
    struct send s = an_attempt();
    struct queue_send x;
    (void)state;
    s.request.oauth = "token_url http://a/\n";
    struct request_text attempt = write_attempt(&s);
    assert_false(queue__decode_send(attempt.bytes, attempt.count, &x, NULL));
    assert_string_equal(x.send.request.oauth, s.request.oauth);
    assert_null(x.send.request.bearer);
    arena_clear(&x.texts);
    free(attempt.bytes);
}

static void additions_of_a_later_version_are_passed_over(void **state)
{
    struct send s = an_attempt();
    struct request_text bytes = write_attempt(&s);
    size_t before = bytes.count;
    struct queue_send x;
    (void)state;
    request_text_add(&bytes, "\4more\3\0\0\0abc\1x\0\0\0\0", 18);
    assert_false(queue__decode_send(bytes.bytes, bytes.count, &x, NULL));
    assert_string_equal(x.send.request.api, s.request.api);
    arena_clear(&x.texts);
    for (size_t n = before + 1; n < bytes.count; n++)
        if (n != before + 12) // Between the two.
            assert_int_equal(queue__decode_send(bytes.bytes, n, &x, NULL), ERR_SYNTAX);
    struct outcome o = an_outcome();
    struct request_text outcome = write_outcome(&o);
    struct queue_outcome y;
    request_text_add(&outcome, "\16body_is_judged\1\0\0\0\1", 20); // A number has eight bytes.
    assert_int_equal(queue__decode_outcome(outcome.bytes, outcome.count, &y, NULL), ERR_SYNTAX);
    free(outcome.bytes);
    free(bytes.bytes);
}

static void what_is_cut_or_too_long_is_refused(void **state)
{
    struct send s = an_attempt();
    struct outcome o = an_outcome();
    struct request_text attempt = write_attempt(&s), outcome = write_outcome(&o);
    struct queue_send x;
    struct queue_outcome y;
    (void)state;
    for (size_t n = 0; n < attempt.count; n++)
        assert_int_equal(queue__decode_send(attempt.bytes, n, &x, NULL), ERR_SYNTAX);
    for (size_t n = 0; n < outcome.count; n++)
        assert_int_equal(queue__decode_outcome(outcome.bytes, n, &y, NULL), ERR_SYNTAX);
    request_text_add(&attempt, "x", 1);
    request_text_add(&outcome, "x", 1);
    assert_int_equal(queue__decode_send(attempt.bytes, attempt.count, &x, NULL), ERR_SYNTAX);
    assert_int_equal(queue__decode_outcome(outcome.bytes, outcome.count, &y, NULL), ERR_SYNTAX);
    free(attempt.bytes);
    free(outcome.bytes);
}

// Each byte takes each value: what is still read keeps the bounds, and is written as the same
// bytes.
static void bytes_that_were_changed_are_refused_or_keep_the_bounds(void **state)
{
    struct send s = an_attempt();
    struct request_text bytes = write_attempt(&s), again = {0};
    (void)state;
    for (size_t i = 0; i < bytes.count * 256; i++) {
        struct queue_send x;
        char kept = bytes.bytes[i / 256];
        bytes.bytes[i / 256] = (char)(i % 256);
        if (queue__decode_send(bytes.bytes, bytes.count, &x, NULL) == ERR_OK) {
            again.count = 0;
            assert_true(queue__encode_send(&again, x.node, &x.send));
            assert_int_equal(again.count, bytes.count);
            assert_memory_equal(again.bytes, bytes.bytes, bytes.count);
            arena_clear(&x.texts);
        }
        bytes.bytes[i / 256] = kept;
    }
    free(bytes.bytes);
    free(again.bytes);
}

// Such a request would be no request of a job's.
static void headers_that_no_job_has_are_refused(void **state)
{
    static const char *const headers[] = {"no colon\n", "A: b\r\n", "Content-Length: 7\n",
                                          "Idempotency-Key: x\n", "A: \x01\n"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(headers); i++) {
        struct send s = an_attempt();
        struct queue_send x;
        s.request.headers = headers[i];
        struct request_text bytes = write_attempt(&s);
        assert_int_equal(queue__decode_send(bytes.bytes, bytes.count, &x, NULL), ERR_SYNTAX);
        free(bytes.bytes);
    }
}

static void an_outcome_that_contradicts_itself_is_refused(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct outcome o = an_outcome();
        struct queue_outcome x;
        if (i == 0)
            o.kind = OUTCOME_LOST; // Without an error.
        else if (i == 1)
            o.attempt.error = "but";
        else
            o.attempt.http_status = 0;
        struct request_text bytes = write_outcome(&o);
        assert_int_equal(queue__decode_outcome(bytes.bytes, bytes.count, &x, NULL), ERR_SYNTAX);
        free(bytes.bytes);
    }
}

// --- The clock of the server -----------------------------------------------------------------

static void the_clock_of_the_server_has_two_bounds(void **state)
{
    struct server_clock c = {0};
    (void)state;
    server_clock_learn(&c, 1000000, 100, 130); // Asked for at 100, known at 130.
    assert_true(c.is_known);
    assert_int_equal(c.low, 1000000 - 130);
    assert_int_equal(c.high, 1000001 - 100);
    server_clock_learn(&c, 1000100, 200, 201); // A better look.
    assert_int_equal(c.high - c.low, 2);
    server_clock_learn(&c, 2000100, 300, 301); // Set forward.
    assert_int_equal(c.high, 2000101 - 300);
}

// What is in the stream would be young again.
static void a_clock_turned_back_counts_when_all_attempts_are_old(void **state)
{
    struct server_clock c = {0};
    (void)state;
    server_clock_learn(&c, 1000000, 0, 1);
    int64_t before = c.high;
    server_clock_learn(&c, 900000, 1000, 1001);
    assert_int_equal(c.high, before);
    assert_int_equal(c.low, 900000 - 1001);
    server_clock_learn(&c, 910000, 11000, 11001);
    assert_int_equal(c.high, before);
    server_clock_learn(&c, 900000 + 2 * QUEUE_WINDOW_MS + 1, 1001 + 2 * QUEUE_WINDOW_MS,
                       1001 + 2 * QUEUE_WINDOW_MS);
    assert_int_equal(c.high, 900000 - 1001 + 2);
}

// --- Flights ---------------------------------------------------------------------------------

static void flights_are_found_by_their_tickets(void **state)
{
    struct flights all = {0};
    struct flight f[500];
    (void)state;
    for (uint64_t i = 0; i < COUNT_OF(f); i++) {
        f[i] = (struct flight){.ticket = i * i};
        flights__add(&all, &f[i]);
    }
    for (uint64_t i = 0; i < COUNT_OF(f); i++)
        assert_ptr_equal(flights__find(&all, i * i), &f[i]);
    assert_null(flights__find(&all, 3));
    for (struct flight *any; (any = flights__any(&all));)
        flights__remove(&all, any);
    assert_null(flights__find(&all, 0));
    flights__fini(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_attempt_is_read_as_it_was_written),
        cmocka_unit_test(an_outcome_is_read_as_it_was_written),
        cmocka_unit_test(what_is_beyond_the_bounds_is_not_written),
        cmocka_unit_test(rules_for_bodies_and_what_came_of_them_are_read),
        cmocka_unit_test(a_client_certificate_travels_with_its_sealed_key),
        cmocka_unit_test(client_of_oauth_is_read_as_it_was_written),
        cmocka_unit_test(additions_of_a_later_version_are_passed_over),
        cmocka_unit_test(what_is_cut_or_too_long_is_refused),
        cmocka_unit_test(bytes_that_were_changed_are_refused_or_keep_the_bounds),
        cmocka_unit_test(headers_that_no_job_has_are_refused),
        cmocka_unit_test(an_outcome_that_contradicts_itself_is_refused),
        cmocka_unit_test(the_clock_of_the_server_has_two_bounds),
        cmocka_unit_test(a_clock_turned_back_counts_when_all_attempts_are_old),
        cmocka_unit_test(flights_are_found_by_their_tickets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
