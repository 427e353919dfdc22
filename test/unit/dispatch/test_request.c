// SPDX-License-Identifier: MIT
// test_request.c: the trace of an attempt follows from its key, and the job's own headers win.
// How whole requests look on the wire is shown by test/contract/test_dispatch.c.

#include "dispatch/request_priv.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
// clang-format on

#include <stdio.h>
#include <string.h>

#define NOW 1700000012345

static const struct request_target to = {.origin = "a:80"};

static struct request post(void)
{
    return (struct request){.api = "http://a/",
                            .method = METHOD_POST,
                            .key = {.job = 7, .scheduled_at = 1700000000000},
                            .attempt = 1};
}

static void build(struct request_parts *parts, const struct request *r,
                  const struct request_target *target)
{
    static const struct request_sender from = {.version = "1"};
    assert_int_equal(request_build(parts, r, target, &from, NOW, NULL), ERR_OK);
}

// The value of a header, "" when it is not there. Fails the test when it is there twice.
static const char *value_of(const struct request_parts *parts, const char *name)
{
    static char value[512];
    const char *line = strstr(parts->headers.bytes, name);
    value[0] = '\0';
    if (!line)
        return value;
    assert_null(strstr(line + 1, name));
    line += strlen(name);
    size_t n = strcspn(line, "\r");
    memcpy(value, line, n);
    value[n] = '\0';
    return value;
}

static void trace_of(const struct request *r, char out[static 64])
{
    struct request_parts parts = {0};
    build(&parts, r, &to);
    strcpy(out, value_of(&parts, "traceparent: "));
    request_fini(&parts);
}

static void the_trace_has_the_form_of_the_standard(void **state)
{
    (void)state;
    char trace[64];
    for (int64_t job = 1; job < 1000; job++) {
        struct request r = post();
        r.key.job = job;
        trace_of(&r, trace);
        assert_int_equal(strlen(trace), 55);
        assert_memory_equal(trace, "00-", 3);
        assert_int_equal(strspn(trace + 3, "0123456789abcdef"), 32);
        assert_int_equal(trace[35], '-');
        assert_int_equal(strspn(trace + 36, "0123456789abcdef"), 16);
        assert_string_equal(trace + 52, "-01");
        assert_true(strspn(trace + 3, "0") < 32);
        assert_true(strspn(trace + 36, "0") < 16);
    }
}

static void attempts_of_one_execution_share_a_trace(void **state)
{
    (void)state;
    char first[64];
    char again[64];
    char second[64];
    struct request r = post();
    trace_of(&r, first);
    trace_of(&r, again);
    r.attempt = 2;
    trace_of(&r, second);
    assert_string_equal(first, again);
    assert_memory_equal(first, second, 35);
    assert_memory_not_equal(first + 36, second + 36, 16);
}

static void executions_have_different_traces(void **state)
{
    (void)state;
    struct request requests[] = {post(), post(), post(), post()};
    requests[1].key.job = 8;
    requests[2].key.scheduled_at++;
    requests[3].key.series = -1;
    char traces[COUNT_OF(requests)][64];
    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        trace_of(&requests[i], traces[i]);
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(traces[i] + 3, traces[k] + 3, 32);
    }
}

// What was manual had no instant of its own, so its replay has the one at which it was asked for.
static void a_replay_is_for_the_instant_of_its_origin(void **state)
{
    (void)state;
    static const char *const origins[][2] = {
        {"7-1600000000000", "2020-09-13T12:26:40.000Z"},
        {"7-1600000000000-g2", "2020-09-13T12:26:40.000Z"},
        {"7-m5", "2023-11-14T22:13:20.000Z"},
    };
    for (size_t i = 0; i < COUNT_OF(origins); i++) {
        struct request r = post();
        struct request_parts parts = {0};
        r.key.series = -9;
        r.origin = origins[i][0];
        build(&parts, &r, &to);
        assert_string_equal(value_of(&parts, "Carillon-Origin: "), origins[i][0]);
        assert_string_equal(value_of(&parts, "Carillon-Scheduled-At: "), origins[i][1]);
        assert_string_equal(value_of(&parts, "webhook-id: "), "7-m9");
        assert_non_null(strstr(parts.body.bytes, origins[i][1]));
        request_fini(&parts);
    }
}

static void a_trial_has_an_id_that_no_execution_has(void **state)
{
    (void)state;
    struct request r = post();
    struct request_parts parts = {0};
    struct execution_key ignored;
    r.key = (struct execution_key){.scheduled_at = 1700000000000, .series = 3};
    r.is_trial = true;
    build(&parts, &r, &to);
    assert_string_equal(value_of(&parts, "webhook-id: "), "test-1700000000000-3");
    assert_string_equal(value_of(&parts, "Carillon-Job: "), "0");
    assert_false(execution_id_parse("test-1700000000000-3", &ignored));
    request_fini(&parts);
}

static void every_execution_is_named_by_its_public_id(void **state)
{
    (void)state;
    static const struct {
        struct execution_key key;
        const char *id;
    } cases[] = {
        {{7, 1700000000000, 0}, "7-1700000000000"},
        {{7, 1700000000000, 2}, "7-1700000000000-g2"},
        {{7, 1700000000000, -3}, "7-m3"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct request_parts parts = {0};
        struct request r = post();
        char quoted[64] = "\"";
        strcat(strcat(quoted, cases[i].id), "\"");
        r.key = cases[i].key;
        build(&parts, &r, &to);
        assert_string_equal(value_of(&parts, "webhook-id: "), cases[i].id);
        assert_string_equal(value_of(&parts, "webhook-timestamp: "), "1700000012");
        assert_string_equal(value_of(&parts, "Idempotency-Key: "), quoted);
        assert_non_null(strstr(parts.body.bytes, quoted));
        request_fini(&parts);
    }
}

// A name that only begins like one of ours, or stands inside a value, overrides nothing.
static void only_a_whole_name_overrides(void **state)
{
    (void)state;
    struct request_parts parts = {0};
    struct request r = post();
    r.headers = "User-Agent-X: a\nX: Content-Type: b\n";
    build(&parts, &r, &to);
    assert_string_equal(value_of(&parts, "User-Agent: "), "Carillon/1");
    assert_non_null(strstr(parts.headers.bytes, "\r\nContent-Type: application/json\r\n"));
    request_fini(&parts);
}

static void host_is_the_jobs_or_the_urls(void **state)
{
    (void)state;
    static const struct {
        const char *origin;
        bool https;
        const char *headers;
        const char *host;
    } cases[] = {
        {"a.example:80", false, NULL, "a.example"},
        {"a.example:443", true, NULL, "a.example"},
        {"a.example:443", false, NULL, "a.example:443"},
        {"a.example:8080", false, "X-Host: b\n", "a.example:8080"},
        {"[::1]:80", false, NULL, "[::1]"},
        {"127.0.0.1:8080", false, "X: 1\nhost: b.example:80\nY: 2\n", "b.example:80"},
        {"127.0.0.1:80", false, "Host:b.example", "b.example"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct request_parts parts = {0};
        struct request r = post();
        struct request_target target = {.origin = cases[i].origin, .https = cases[i].https};
        char line[64];
        snprintf(line, sizeof line, "Host: %s\r\n", cases[i].host);
        r.headers = cases[i].headers;
        build(&parts, &r, &target);
        assert_memory_equal(parts.headers.bytes, line, strlen(line));
        assert_null(strstr(parts.headers.bytes, "\r\nhost:"));
        assert_null(strstr(parts.headers.bytes, "\r\nHost:"));
        request_fini(&parts);
    }
}

static void buffers_are_used_again_and_trimmed(void **state)
{
    (void)state;
    static char large[100000];
    memset(large, 'x', sizeof large - 1);
    struct request_parts parts = {0};
    struct request r = post();
    r.body = large;
    build(&parts, &r, &to);
    assert_int_equal(parts.body.count, sizeof large - 1);
    request_trim(&parts);
    assert_null(parts.body.bytes);
    r.body = "small";
    build(&parts, &r, &to);
    request_trim(&parts);
    assert_string_equal(parts.body.bytes, "small");
    assert_int_equal(parts.body.count, 5);
    r.method = METHOD_GET;
    r.body = NULL;
    build(&parts, &r, &to);
    assert_false(parts.has_length);
    assert_int_equal(parts.body.count, 0);
    request_fini(&parts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_trace_has_the_form_of_the_standard),
        cmocka_unit_test(attempts_of_one_execution_share_a_trace),
        cmocka_unit_test(executions_have_different_traces),
        cmocka_unit_test(a_replay_is_for_the_instant_of_its_origin),
        cmocka_unit_test(a_trial_has_an_id_that_no_execution_has),
        cmocka_unit_test(every_execution_is_named_by_its_public_id),
        cmocka_unit_test(only_a_whole_name_overrides),
        cmocka_unit_test(host_is_the_jobs_or_the_urls),
        cmocka_unit_test(buffers_are_used_again_and_trimmed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
