// SPDX-License-Identifier: MIT
// test_dispatch.c: what an attempt says to its target, and how answers are reported.

#define _GNU_SOURCE // strcasestr

#include "dispatch_harness.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MEGABYTE_HEAD "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n"
#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static char megabyte_answer[sizeof MEGABYTE_HEAD - 1 + (1 << 20)];
static char bounded_answer[128 + RESPONSE_BYTES_MAX];

// Rows whose text is made in main() come first.
static struct script scripts[] = {
    {"/megabyte", megabyte_answer, sizeof megabyte_answer, SCRIPT_KEEP},
    {"/bounded", bounded_answer, 0, SCRIPT_KEEP},
    {"/ok", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 0, SCRIPT_KEEP},
    {"/", OK_ANSWER, 0, SCRIPT_KEEP},
    {"/?a=/b", OK_ANSWER, 0, SCRIPT_KEEP},
    {"/until-close", "HTTP/1.1 200 OK\r\n\r\nto the end", 0, SCRIPT_CLOSE},
    {"/old", "HTTP/1.0 200 OK\r\n\r\nold", 0, SCRIPT_CLOSE},
    {"/created", "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n", 0, SCRIPT_KEEP},
    {"/head", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", 0, SCRIPT_KEEP}, // An answer to HEAD.
    {"/no-content", "HTTP/1.1 204 No Content\r\n\r\n", 0, SCRIPT_KEEP},
    {"/moved", "HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n", 0, SCRIPT_KEEP},
    {"/moved-oddly",
     "HTTP/1.1 308 Moved\r\nlocation:  http://b/%00\xe4?x= y \r\nContent-Length: 0\r\n\r\n", 0,
     SCRIPT_KEEP},
    {"/moved-folded", "HTTP/1.1 301 Moved\r\nLocation:\r\n\t/folded\r\nContent-Length: 0\r\n\r\n",
     0, SCRIPT_KEEP},
    {"/moved-nowhere", "HTTP/1.1 303 See\r\nContent-Length: 0\r\n\r\n", 0, SCRIPT_KEEP},
    {"/moved-blank", "HTTP/1.1 303 See\r\nLocation: \r\nContent-Length: 0\r\n\r\n", 0, SCRIPT_KEEP},
    {"/created-at", "HTTP/1.1 201 Created\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", 0,
     SCRIPT_KEEP},
    {"/not-found", "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone", 0, SCRIPT_KEEP},
    {"/broken", "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n", 0, SCRIPT_KEEP},
    {"/odd", "HTTP/1.1 599\r\nContent-Length: 0\r\n\r\n", 0, SCRIPT_KEEP},
    {"/chunked",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
     "3;x=y\r\nabc\r\n4\r\ndefg\r\n0\r\nTrailer: t\r\n\r\n",
     0, SCRIPT_KEEP},
    {"/interim",
     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" OK_ANSWER, 0,
     SCRIPT_KEEP},
    {"/closing", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", 0,
     SCRIPT_CLOSE},
    {"/busy", "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", 0, SCRIPT_KEEP},
    {"/busy-long",
     "HTTP/1.1 429 Slow\r\nretry-after:  Tue, 01 Jan 2199 00:00:00 GMT \r\nContent-Length: "
     "0\r\n\r\n",
     0, SCRIPT_KEEP},
    {"/busy-850",
     "HTTP/1.1 503 Busy\r\nRetry-After: Wednesday, 01-Jan-70 00:00:00 GMT\r\n" // 2070
     "Content-Length: 0\r\n\r\n",
     0, SCRIPT_KEEP},
    {"/busy-asctime",
     "HTTP/1.1 503 Busy\r\nRetry-After: Tue Jan  1 00:00:00 2199\r\nContent-Length: 0\r\n\r\n", 0,
     SCRIPT_KEEP},
    {"/busy-odd", "HTTP/1.1 503 Busy\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n", 0,
     SCRIPT_KEEP},
    {"/binary", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\na\xff\0\xc3\xa4", 43, SCRIPT_KEEP},
    {NULL, NULL, 0, SCRIPT_KEEP},
};

static int setup(void **state)
{
    return harness_setup(state, scripts, NULL, NULL, NULL);
}

// --- Answers -------------------------------------------------------------------------------------

static void an_answer_is_reported_with_its_status_and_body(void **state)
{
    static const struct {
        const char *path;
        unsigned status;
        const char *body;
    } cases[] = {
        {"/ok", 200, "hello"},        {"/until-close", 200, "to the end"},
        {"/old", 200, "old"},         {"/created", 201, NULL},
        {"/no-content", 204, NULL},   {"/not-found", 404, "gone"},
        {"/broken", 500, NULL},       {"/odd", 599, NULL},
        {"/chunked", 200, "abcdefg"}, {"/interim", 200, "ok"},
        {"/closing", 200, "ok"},
    };
    struct harness *h = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct seen *s = harness_post(h, cases[i].path);
        assert_string_equal(s->error, "");
        assert_null(s->attempt.error);
        assert_int_equal(s->kind, OUTCOME_ANSWERED);
        assert_int_equal(s->attempt.http_status, cases[i].status);
        assert_string_equal(s->response, cases[i].body ? cases[i].body : "");
        assert_int_equal(s->attempt.response != NULL, cases[i].body != NULL);
        assert_false(s->attempt.response_truncated || s->attempt.response_damaged);
    }
    assert_int_equal(scripted_target_requests(h->target), COUNT_OF(cases));
}

static void a_redirect_is_an_answer_that_tells_where_it_leads(void **state)
{
    static const struct {
        const char *path;
        unsigned status;
        const char *location; // "" when it tells none.
    } cases[] = {
        {"/moved", 302, "/ok"},
        {"/moved-oddly", 308, "http://b/%00%E4?x=%20y"},
        {"/moved-folded", 301, "/folded"},
        {"/moved-nowhere", 303, ""},
        {"/moved-blank", 303, ""},
        {"/created-at", 201, ""},
    };
    struct harness *h = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct seen *s = harness_post(h, cases[i].path);
        assert_int_equal(s->kind, OUTCOME_ANSWERED);
        assert_int_equal(s->attempt.http_status, cases[i].status);
        assert_string_equal(s->location, cases[i].location);
    }
    assert_int_equal(scripted_target_requests(h->target), COUNT_OF(cases));
}

static void a_long_body_is_cut_and_the_answer_counts(void **state)
{
    struct harness *h = *state;
    const struct seen *s = harness_post(h, "/megabyte");
    assert_int_equal(s->kind, OUTCOME_ANSWERED);
    assert_int_equal(s->attempt.http_status, 200);
    assert_null(s->attempt.error);
    assert_int_equal(s->response_bytes, HARNESS_EXCERPT_BYTES);
    assert_int_equal(strspn(s->response, "m"), HARNESS_EXCERPT_BYTES);
    assert_int_equal(harness_post(h, "/ok")->attempt.http_status, 200);
    assert_int_equal(scripted_target_requests(h->target), 2);
}

// Up to the bound the body is read whole, so its connection can be used again.
static void a_body_of_the_full_size_is_read_to_its_end(void **state)
{
    struct harness *h = *state;
    assert_int_equal(harness_post(h, "/bounded")->kind, OUTCOME_ANSWERED);
    assert_int_equal(harness_post(h, "/ok")->kind, OUTCOME_ANSWERED);
    assert_int_equal(scripted_target_connections(h->target), 1);
}

static void the_excerpt_is_valid_utf8(void **state)
{
    const struct seen *s = harness_post(*state, "/binary");
    assert_string_equal(s->response, "a\xef\xbf\xbd\xef\xbf\xbd\xc3\xa4");
}

// "Come back in 7 seconds" is told to the core, which knows the job's own bound.
static void a_wait_that_the_target_asks_for_is_reported(void **state)
{
    static const struct {
        const char *path;
        dur_ms wait_ms;
    } cases[] = {{"/busy", 7000},        {"/ok", 0},       {"/busy-long", 3600000},
                 {"/busy-850", 3600000}, {"/busy-odd", 0}, {"/busy-asctime", 3600000}};
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(harness_post(*state, cases[i].path)->retry_after_ms, cases[i].wait_ms);
}

// --- Connections ---------------------------------------------------------------------------------

static void connections_are_used_again(void **state)
{
    struct harness *h = *state;
    for (int i = 0; i < 20; i++)
        assert_int_equal(harness_post(h, i % 2 ? "/ok" : "/chunked")->kind, OUTCOME_ANSWERED);
    assert_int_equal(scripted_target_connections(h->target), 1);
}

static void a_connection_that_the_target_closed_meanwhile_is_not_used(void **state)
{
    struct harness *h = *state;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(harness_post(h, "/ok")->kind, OUTCOME_ANSWERED);
        scripted_target_hang_up(h->target);
    }
    assert_int_equal(scripted_target_connections(h->target), 20);
    assert_int_equal(scripted_target_requests(h->target), 20);
}

// What comes on an idle connection would be taken for the answer to the next request.
static void an_answer_that_nobody_asked_for_is_never_heard(void **state)
{
    struct harness *h = *state;
    const char *forged = "HTTP/1.1 404 Not Found\r\nContent-Length: 6\r\n\r\nforged";
    for (int turns = 0; turns < 2; turns++) { // Whether the loop has seen it by then or not.
        for (int i = 0; i < 10; i++) {
            const struct seen *s = harness_post(h, "/ok");
            assert_int_equal(s->attempt.http_status, 200);
            assert_string_equal(s->response, "hello");
            scripted_target_speak(h->target, forged);
            for (int turn = 0; turn < turns; turn++)
                loop_turn(h->loop, 0);
        }
    }
    assert_int_equal(scripted_target_connections(h->target), 20);
}

static void a_fresh_connection_is_nobody_elses(void **state)
{
    struct harness *h = *state;
    harness_post(h, "/ok"); // Leaves a kept connection.
    for (size_t i = 0; i < 3; i++) {
        struct send s = harness_attempt(h, "/ok");
        s.request.fresh_connection = true;
        harness_send(h, &s);
        harness_wait(h, i + 2);
        assert_int_equal(h->seen[i + 1].attempt.http_status, 200);
        assert_true(h->seen[i + 1].attempt.connect_ms >= 0);
        assert_int_equal(scripted_target_connections(h->target), i + 2);
    }
    harness_post(h, "/ok");
    assert_int_equal(scripted_target_connections(h->target), 4); // The kept one was still there.
}

static void phases_are_measured_where_they_happened(void **state)
{
    struct harness *h = *state;
    wall_ms before = clock_wall_ms();
    struct attempt fresh = harness_post(h, "/ok")->attempt;
    struct attempt again = harness_post(h, "/ok")->attempt;
    wall_ms after = clock_wall_ms();

    assert_true(before <= fresh.started_at && fresh.started_at <= after);
    assert_true(fresh.started_at <= again.started_at && again.started_at <= after);
    assert_true(fresh.duration_ms >= 0 && again.duration_ms >= 0);
    assert_true(fresh.dns_ms >= 0 && fresh.connect_ms >= 0 && fresh.first_byte_ms >= 0);
    assert_int_equal(fresh.tls_ms, -1);
    assert_int_equal(again.dns_ms, -1);
    assert_int_equal(again.connect_ms, -1);
    assert_true(again.first_byte_ms >= 0);
}

// --- Requests ------------------------------------------------------------------------------------

// The request `index`, with what differs from run to run replaced: the port, the time of sending
// and the trace.
static const char *normal_form(struct harness *h, size_t index)
{
    static char text[8192];
    char port[16];
    snprintf(text, sizeof text, "%s", scripted_target_request(h->target, index));
    snprintf(port, sizeof port, ":%u", scripted_target_port(h->target));
    const char *varying[] = {port, "webhook-timestamp: ", "traceparent: "};
    for (size_t i = 0; i < COUNT_OF(varying); i++) {
        char *value = strstr(text, varying[i]);
        assert_non_null(value);
        value += i == 0 ? 1 : strlen(varying[i]);
        char *end = value + strcspn(value, "\r");
        *value = '*';
        memmove(value + 1, end, strlen(end) + 1);
    }
    return text;
}

static void a_request_is_exactly_this(void **state)
{
    struct harness *h = *state;
    harness_post(h, "/ok");
    assert_string_equal(normal_form(h, 0),
                        "POST /ok HTTP/1.1\r\n"
                        "Host: 127.0.0.1:*\r\n"
                        "Idempotency-Key: \"7-1700000000000\"\r\n"
                        "webhook-id: 7-1700000000000\r\n"
                        "webhook-timestamp: *\r\n"
                        "Carillon-Job: 7\r\n"
                        "Carillon-Scheduled-At: 2023-11-14T22:13:20.000Z\r\n"
                        "Carillon-Attempt: 1\r\n"
                        "Carillon-Fence: 3\r\n"
                        "traceparent: *\r\n"
                        "User-Agent: Carillon/1.2.3\r\n"
                        "Content-Type: application/json\r\n"
                        "Content-Length: 99\r\n"
                        "\r\n"
                        "{\"job_id\":7,\"execution_id\":\"7-1700000000000\","
                        "\"scheduled_at\":\"2023-11-14T22:13:20.000Z\",\"attempt\":1}");
}

static void the_jobs_own_words_are_sent(void **state)
{
    struct harness *h = *state;
    struct send s = harness_attempt(h, "/ok?a=b&c=%20/../d");
    s.request.headers = "X-First: 1\nuser-agent: mine\nContent-type: text/plain\n"
                        "Accept: text/html\nX-Empty: \nX-Last: a  b\n";
    s.request.body = "not \xc3\xa4 JSON";
    s.request.attempt = 12;
    harness_send(h, &s);
    harness_wait(h, 1);
    assert_string_equal(normal_form(h, 0), "POST /ok?a=b&c=%20/../d HTTP/1.1\r\n"
                                           "Host: 127.0.0.1:*\r\n"
                                           "Idempotency-Key: \"7-1700000000000\"\r\n"
                                           "webhook-id: 7-1700000000000\r\n"
                                           "webhook-timestamp: *\r\n"
                                           "Carillon-Job: 7\r\n"
                                           "Carillon-Scheduled-At: 2023-11-14T22:13:20.000Z\r\n"
                                           "Carillon-Attempt: 12\r\n"
                                           "Carillon-Fence: 3\r\n"
                                           "traceparent: *\r\n"
                                           "X-First: 1\r\n"
                                           "user-agent: mine\r\n"
                                           "Content-type: text/plain\r\n"
                                           "Accept: text/html\r\n"
                                           "X-Empty:\r\n"
                                           "X-Last: a  b\r\n"
                                           "Content-Length: 11\r\n"
                                           "\r\n"
                                           "not \xc3\xa4 JSON");
}

// A single connection and handle carry all requests, so that nothing of one request may stick to
// the next.
static void every_method_is_sent_with_the_body_it_should_have(void **state)
{
    static const struct {
        enum job_method method;
        const char *body;
        const char *start;
        const char *length; // NULL: nothing is said of a body.
    } cases[] = {
        {METHOD_POST, "abc", "POST /ok", "3"},     {METHOD_GET, NULL, "GET /ok", NULL},
        {METHOD_PUT, NULL, "PUT /ok", "99"},       {METHOD_GET, "abc", "GET /ok", "3"},
        {METHOD_PATCH, "", "PATCH /ok", "0"},      {METHOD_DELETE, NULL, "DELETE /ok", "99"},
        {METHOD_GET, NULL, "GET /ok", NULL},       {METHOD_POST, "", "POST /ok", "0"},
        {METHOD_DELETE, "", "DELETE /ok", NULL},   {METHOD_PUT, "", "PUT /ok", "0"},
        {METHOD_GET, "", "GET /ok", NULL},         {METHOD_DELETE, "abc", "DELETE /ok", "3"},
        {METHOD_POST, NULL, "POST /ok", "99"},     {METHOD_HEAD, NULL, "HEAD /head", NULL},
        {METHOD_PUT, "abc", "PUT /ok", "3"},       {METHOD_HEAD, "abc", "HEAD /head", NULL},
        {METHOD_GET, NULL, "GET /ok", NULL},       {METHOD_OPTIONS, NULL, "OPTIONS /ok", NULL},
        {METHOD_OPTIONS, "a", "OPTIONS /ok", "1"},
    };
    struct harness *h = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct send s = harness_attempt(h, strchr(cases[i].start, '/'));
        s.request.method = cases[i].method;
        s.request.body = cases[i].body;
        harness_send(h, &s);
        harness_wait(h, i + 1);
        const char *request = scripted_target_request(h->target, i);
        char length[64];
        snprintf(length, sizeof length, "\r\nContent-Length: %s\r\n", cases[i].length);
        assert_memory_equal(request, cases[i].start, strlen(cases[i].start));
        assert_int_equal(strstr(request, length) != NULL, cases[i].length != NULL);
        assert_int_equal(strstr(request, "Content-Length") != NULL, cases[i].length != NULL);
        bool has_body = cases[i].length && *cases[i].length != '0';
        assert_int_equal(strstr(request, "Content-Type") != NULL, has_body);
    }
    assert_int_equal(scripted_target_connections(h->target), 1);
}

static void a_url_without_a_path_asks_for_the_root(void **state)
{
    static const char *const cases[][2] = {{"", "POST / HTTP/1.1\r\n"},
                                           {"/", "POST / HTTP/1.1\r\n"},
                                           {"?a=/b", "POST /?a=/b HTTP/1.1\r\n"}};
    struct harness *h = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(harness_post(h, cases[i][0])->attempt.http_status, 200);
        const char *request = scripted_target_request(h->target, i);
        assert_memory_equal(request, cases[i][1], strlen(cases[i][1]));
    }
}

// A virtual server behind the address of the URL is reached by its name, which comes first and
// once.
static void the_jobs_own_host_is_sent_instead_of_the_urls(void **state)
{
    struct harness *h = *state;
    struct send s = harness_attempt(h, "/ok");
    s.request.headers = "X-One: 1\nhost: b.example:81\nTitle: \xc3\x9c"
                        "ber \xe2\x9c\x93\n";
    harness_send(h, &s);
    harness_wait(h, 1);
    const char *request = scripted_target_request(h->target, 0);
    assert_non_null(strstr(request, " HTTP/1.1\r\nHost: b.example:81\r\n"));
    assert_null(strcasestr(strstr(request, "Host:") + 1, "\r\nhost:"));
    assert_non_null(strstr(request, "\r\nTitle: \xc3\x9c"
                                    "ber \xe2\x9c\x93\r\n"));
}

// What a job says of certificates matters to TLS alone: in plain text all share a connection.
static void plain_text_shares_a_connection_whatever_is_said_of_tls(void **state)
{
    struct harness *h = *state;
    for (size_t i = 0; i < 4; i++) {
        struct send s = harness_attempt(h, "/ok");
        s.request.tls_verify = i & 1;
        harness_send(h, &s);
        harness_wait(h, i + 1);
    }
    assert_int_equal(scripted_target_connections(h->target), 1);
}

// The job's own Content-Type wins, also where there is nothing it could be the type of.
static void a_body_has_the_type_it_came_in(void **state)
{
    static const struct {
        const char *body;
        bool is_json;
        const char *headers;
        const char *type; // NULL: none.
    } cases[] = {
        {NULL, false, NULL, "application/json"},
        {"{\"a\":1}", true, NULL, "application/json"},
        {"{\"a\":1}", false, NULL, "text/plain; charset=utf-8"},
        {"{\"a\":1}", true, "content-type: a/b\n", "a/b"},
        {"a=1", false, "Content-Type: a/b\n", "a/b"},
        {"", false, NULL, NULL},
        {"", false, "Content-Type: a/b\n", "a/b"},
    };
    struct harness *h = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct send s = harness_attempt(h, "/ok");
        s.request.body = cases[i].body;
        s.request.body_is_json = cases[i].is_json;
        s.request.headers = cases[i].headers;
        harness_send(h, &s);
        harness_wait(h, i + 1);
        const char *line = strcasestr(scripted_target_request(h->target, i), "\r\ncontent-type: ");
        assert_int_equal(line != NULL, cases[i].type != NULL);
        if (!line)
            continue;
        line += strlen("\r\ncontent-type: ");
        assert_memory_equal(line, cases[i].type, strlen(cases[i].type));
        assert_memory_equal(line + strlen(cases[i].type), "\r\n", 2);
        assert_null(strcasestr(line, "\r\ncontent-type: "));
    }
}

static void texts_that_a_request_borrows_are_copied(void **state)
{
    struct harness *h = *state;
    char url[64];
    char headers[] = "X-Own: kept\n";
    char body[] = "kept";
    struct send s = harness_attempt(h, "/ok");
    snprintf(url, sizeof url, "%s", s.request.api);
    s.request.api = url;
    s.request.headers = headers;
    s.request.body = body;
    harness_send(h, &s);
    memset(url, 'x', sizeof url);
    memset(headers, 'x', sizeof headers);
    memset(body, 'x', sizeof body);
    harness_wait(h, 1);
    assert_non_null(strstr(scripted_target_request(h->target, 0), "X-Own: kept\r\n"));
    assert_non_null(strstr(scripted_target_request(h->target, 0), "\r\n\r\nkept"));
}

static void a_large_body_is_sent_at_once(void **state)
{
    struct harness *h = *state;
    static char body[1 << 17];
    memset(body, 'b', sizeof body - 1);
    struct send s = harness_attempt(h, "/ok");
    s.request.body = body;
    harness_send(h, &s);
    harness_wait(h, 1);
    assert_int_equal(h->seen[0].attempt.http_status, 200);
    assert_null(strstr(scripted_target_request(h->target, 0), "Expect"));
    assert_int_equal(strlen(strstr(scripted_target_request(h->target, 0), "\r\n\r\n")),
                     sizeof body - 1 + 4);
}

// --- Many ----------------------------------------------------------------------------------------

static void a_thousand_at_once_are_each_answered_once(void **state)
{
    struct harness *h = *state;
    enum { MANY = 1000 };
    bool answered[MANY + 1] = {false};
    for (int i = 0; i < MANY; i++) {
        struct send s = harness_attempt(h, i % 3 ? "/ok" : "/not-found");
        harness_send(h, &s);
    }
    assert_int_equal(dispatch_in_flight(h->dispatch), MANY);
    harness_wait(h, MANY);
    for (size_t i = 0; i < MANY; i++) {
        const struct seen *s = &h->seen[i];
        assert_false(answered[s->ticket]);
        answered[s->ticket] = true;
        assert_int_equal(s->attempt.http_status, (s->ticket - 1) % 3 ? 200 : 404);
    }
    assert_int_equal(scripted_target_requests(h->target), MANY);
    assert_int_equal(dispatch_in_flight(h->dispatch), 0);
}

static void send_again(struct harness *h, const struct outcome *o)
{
    (void)o;
    struct send s = harness_attempt(h, "/ok");
    if (h->seen_count < 10)
        harness_send(h, &s);
}

static void an_outcome_may_send_the_next(void **state)
{
    struct harness *h = *state;
    h->on_outcome = send_again;
    struct send s = harness_attempt(h, "/ok");
    harness_send(h, &s);
    harness_wait(h, 10);
    assert_int_equal(scripted_target_requests(h->target), 10);
}

int main(void)
{
    memcpy(megabyte_answer, MEGABYTE_HEAD, strlen(MEGABYTE_HEAD));
    memset(megabyte_answer + strlen(MEGABYTE_HEAD), 'm', 1 << 20);
    int head = snprintf(bounded_answer, sizeof bounded_answer,
                        "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", RESPONSE_BYTES_MAX);
    memset(bounded_answer + head, 'b', RESPONSE_BYTES_MAX);
    scripts[1].answer_bytes = (size_t)head + RESPONSE_BYTES_MAX;

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(an_answer_is_reported_with_its_status_and_body),
        TEST(a_redirect_is_an_answer_that_tells_where_it_leads),
        TEST(a_long_body_is_cut_and_the_answer_counts),
        TEST(a_body_of_the_full_size_is_read_to_its_end),
        TEST(the_excerpt_is_valid_utf8),
        TEST(a_wait_that_the_target_asks_for_is_reported),
        TEST(connections_are_used_again),
        TEST(a_connection_that_the_target_closed_meanwhile_is_not_used),
        TEST(an_answer_that_nobody_asked_for_is_never_heard),
        TEST(a_fresh_connection_is_nobody_elses),
        TEST(phases_are_measured_where_they_happened),
        TEST(a_request_is_exactly_this),
        TEST(the_jobs_own_words_are_sent),
        TEST(every_method_is_sent_with_the_body_it_should_have),
        TEST(a_body_has_the_type_it_came_in),
        TEST(a_url_without_a_path_asks_for_the_root),
        TEST(the_jobs_own_host_is_sent_instead_of_the_urls),
        TEST(plain_text_shares_a_connection_whatever_is_said_of_tls),
        TEST(texts_that_a_request_borrows_are_copied),
        TEST(a_large_body_is_sent_at_once),
        TEST(a_thousand_at_once_are_each_answered_once),
        TEST(an_outcome_may_send_the_next),
    };
    return harness_run("dispatch", tests, COUNT_OF(tests));
}
