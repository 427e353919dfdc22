// SPDX-License-Identifier: MIT
// test_dispatch_redirect.c: redirects that a job wants followed, over every adapter.
//
// All requests of an attempt have one deadline, and the attempt has one outcome: that of the last
// request, with the way there.

#include "dispatch_harness.h"

#include <stdio.h>
#include <string.h>

#define LEADS(status, to)                                                                          \
    "HTTP/1.1 " status " Moved\r\nLocation: " to "\r\nContent-Length: 4\r\n\r\nmove"

// Locations that need the target's port; filled in by setup().
static char elsewhere[256];
static char loopback_6[256]; // The target listens on IPv4 only.

static struct script scripts[] = {
    {"/elsewhere", elsewhere, 0, SCRIPT_KEEP},
    {"/loopback-6", loopback_6, 0, SCRIPT_KEEP},
    {"/ok", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 0, SCRIPT_KEEP},
    {"/not-found", "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 0, SCRIPT_KEEP},
    {"/302", LEADS("302", "/ok"), 0, SCRIPT_KEEP},
    {"/307", LEADS("307", "/ok?a=%20"), 0, SCRIPT_KEEP},
    {"/twice", LEADS("301", "302"), 0, SCRIPT_KEEP},
    {"/to-not-found", LEADS("302", "/not-found"), 0, SCRIPT_KEEP},
    {"/loop", LEADS("307", "/loop"), 0, SCRIPT_KEEP},
    {"/to-ftp", LEADS("302", "ftp://127.0.0.1/"), 0, SCRIPT_KEEP},
    {"/to-hang", LEADS("307", "/hang"), 0, SCRIPT_KEEP},
    {"/hang", NULL, 0, SCRIPT_KEEP},
    {"/to-close", LEADS("307", "/close"), 0, SCRIPT_KEEP},
    {"/close", NULL, 0, SCRIPT_CLOSE},
    {"/stalled", "HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 9\r\n\r\nmo", 0,
     SCRIPT_KEEP},
    {"/cut", "HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 9\r\n\r\nmo", 0, SCRIPT_CLOSE},
    {NULL, NULL, 0, SCRIPT_KEEP},
};

static int setup(void **state)
{
    int rc = harness_setup(state, scripts, NULL, NULL, NULL);
    struct harness *h = *state;
    unsigned port = scripted_target_port(h->target);
    snprintf(elsewhere, sizeof elsewhere,
             "HTTP/1.1 307 Moved\r\nLocation: http://localhost:%u/ok\r\nContent-Length: 0\r\n\r\n",
             port);
    snprintf(loopback_6, sizeof loopback_6,
             "HTTP/1.1 307 Moved\r\nLocation: http://[::1]:%u/ok\r\nContent-Length: 0\r\n\r\n",
             port);
    return rc;
}

static struct send attempt_at(struct harness *h, const char *path, unsigned redirects)
{
    struct send s = harness_attempt(h, path);
    s.request.redirects = (uint8_t)redirects;
    s.request.body = "a body";
    s.request.headers = "Authorization: Bearer x\nX-Plain: y\n";
    return s;
}

static const struct seen *follow(struct harness *h, const char *path, unsigned redirects)
{
    struct send s = attempt_at(h, path, redirects);
    harness_send(h, &s);
    harness_wait(h, h->seen_count + 1);
    return &h->seen[h->seen_count - 1];
}

static const char *request(struct harness *h, size_t index)
{
    return scripted_target_request(h->target, index);
}

// "http://127.0.0.1:4711/x" for "/x".
static const char *url_of(struct harness *h, const char *path)
{
    static char url[128];
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", scripted_target_port(h->target), path);
    return url;
}

// --- Followed ------------------------------------------------------------------------------------

static void a_302_is_followed_by_get_without_a_body(void **state)
{
    struct harness *h = *state;
    char record[256];
    const struct seen *s = follow(h, "/302", 1);
    assert_string_equal(s->error, "");
    assert_int_equal(s->kind, OUTCOME_ANSWERED);
    assert_int_equal(s->attempt.http_status, 200);
    assert_string_equal(s->response, "ok");
    assert_string_equal(s->location, "");
    snprintf(record, sizeof record, "302 %s\n", url_of(h, "/ok"));
    assert_string_equal(s->redirects, record);
    assert_memory_equal(request(h, 0), "POST /302 ", 10);
    assert_memory_equal(request(h, 1), "GET /ok ", 8);
    assert_null(strstr(request(h, 1), "Content-"));
    assert_null(strstr(request(h, 1), "a body"));
}

static void a_307_is_followed_by_the_same_request(void **state)
{
    struct harness *h = *state;
    const struct seen *s = follow(h, "/307", 1);
    assert_int_equal(s->attempt.http_status, 200);
    const char *first = strchr(request(h, 0), '\n');
    const char *second = strchr(request(h, 1), '\n');
    assert_memory_equal(request(h, 1), "POST /ok?a=%20 ", 15);
    assert_string_equal(first, second); // Key, attempt, trace, body, all of it.
}

static void all_hops_of_one_target_take_one_connection(void **state)
{
    struct harness *h = *state;
    const struct seen *s = follow(h, "/twice", 2);
    assert_int_equal(s->attempt.http_status, 200);
    assert_int_equal(scripted_target_requests(h->target), 3);
    assert_int_equal(scripted_target_connections(h->target), 1);
}

static void credentials_stay_behind_when_the_origin_changes(void **state)
{
    struct harness *h = *state;
    assert_int_equal(follow(h, "/elsewhere", 1)->attempt.http_status, 200);
    assert_non_null(strstr(request(h, 0), "Authorization: Bearer x"));
    assert_null(strstr(request(h, 1), "Authorization"));
    assert_non_null(strstr(request(h, 1), "X-Plain: y"));
    assert_non_null(strstr(request(h, 1), "Idempotency-Key: \"7-1700000000000\""));
    assert_non_null(strstr(request(h, 1), "Host: localhost:"));
}

static void an_answer_that_is_cut_leads_on_as_well(void **state)
{
    struct harness *h = *state;
    const struct seen *s = follow(h, "/cut", 1);
    assert_int_equal(s->attempt.http_status, 200);
    assert_false(s->attempt.response_truncated); // The last answer came whole.
}

static void the_outcome_is_that_of_the_last_answer(void **state)
{
    struct harness *h = *state;
    const struct seen *s = follow(h, "/to-not-found", 5);
    assert_int_equal(s->kind, OUTCOME_ANSWERED);
    assert_int_equal(s->attempt.http_status, 404);
    assert_null(s->attempt.response);
}

// --- Not followed --------------------------------------------------------------------------------

static void without_redirects_nothing_is_followed(void **state)
{
    struct harness *h = *state;
    const struct seen *s = follow(h, "/302", 0);
    assert_int_equal(s->attempt.http_status, 302);
    assert_string_equal(s->location, "/ok");
    assert_string_equal(s->redirects, "");
    assert_int_equal(scripted_target_requests(h->target), 1);
}

static void a_loop_ends_where_the_job_says(void **state)
{
    struct harness *h = *state;
    const struct seen *s = follow(h, "/loop", 3);
    assert_int_equal(s->kind, OUTCOME_ANSWERED);
    assert_int_equal(s->attempt.http_status, 307);
    assert_string_equal(s->location, "/loop (not followed: 3 redirects were followed before)");
    assert_int_equal(scripted_target_requests(h->target), 4);
}

static void a_redirect_to_no_target_is_not_followed(void **state)
{
    const struct seen *s = follow(*state, "/to-ftp", 3);
    assert_int_equal(s->kind, OUTCOME_ANSWERED);
    assert_int_equal(s->attempt.http_status, 302);
    assert_string_equal(s->location, "ftp://127.0.0.1/ (not followed: the URL must begin with "
                                     "http:// or https://)");
}

static void every_hop_is_judged_by_the_policy(void **state)
{
    static struct address_policy targets; // Borrowed by the dispatcher.
    struct harness *h = *state;
    char text[256];
    const struct address_lists lists = {.deny = "::1"};
    assert_int_equal(address_policy_parse(&lists, &targets, NULL), ERR_OK);
    struct dispatch_options o = {.version = "1", .targets = &targets};
    harness_reopen(h, &o);
    const struct seen *s = follow(h, "/loopback-6", 3);
    assert_int_equal(s->kind, OUTCOME_ANSWERED);
    assert_int_equal(s->attempt.http_status, 307);
    unsigned port = scripted_target_port(h->target);
    snprintf(text, sizeof text,
             "http://[::1]:%u/ok (not followed: forbidden target: [::1]:%u is at ::1, a loopback "
             "address, which deny_targets denies)",
             port, port);
    assert_string_equal(s->location, text);
    assert_string_equal(s->redirects, "");
    assert_int_equal(scripted_target_requests(h->target), 1);
}

// --- Lost on the way -----------------------------------------------------------------------------

// The first target has had its request, so none of these is "not sent".
static void a_failure_behind_a_redirect_is_lost(void **state)
{
    static const struct {
        const char *path;
        const char *error;
    } cases[] = {
        {"/to-close", "connection closed by 127.0.0.1:{port} before an answer"},
        {"/loopback-6", NULL}, // Nobody listens there; what that is called depends on the machine.
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct seen *s = follow(*state, cases[i].path, 1);
        if (cases[i].error)
            assert_error(*state, s, cases[i].error);
        assert_string_not_equal(s->error, "");
        assert_int_equal(s->kind, OUTCOME_LOST);
        assert_int_equal(s->attempt.http_status, 0);
        assert_memory_equal(s->redirects, "307 http://", 11);
    }
}

static void all_hops_have_one_deadline(void **state)
{
    static const struct {
        const char *path;
        unsigned status;
    } cases[] = {{"/to-hang", 0}, {"/stalled", 302}};
    struct harness *h = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct send s = attempt_at(h, cases[i].path, 1);
        s.request.timeout_ms = 300;
        harness_send(h, &s);
        harness_wait(h, i + 1);
        assert_string_equal(h->seen[i].error, "timed out after 300 ms");
        assert_int_equal(h->seen[i].kind, OUTCOME_LOST);
        assert_int_equal(h->seen[i].attempt.http_status, cases[i].status);
        assert_true(h->seen[i].attempt.duration_ms >= 299); // Two clocks, each in whole ms.
    }
}

static void who_is_on_the_way_can_be_cancelled(void **state)
{
    struct harness *h = *state;
    struct send s = attempt_at(h, "/to-hang", 1);
    harness_send(h, &s);
    while (scripted_target_requests(h->target) < 2)
        loop_turn(h->loop, -1);
    dispatch_cancel(h->dispatch, s.ticket);
    harness_wait(h, 1);
    assert_string_equal(h->seen[0].error, "cancelled");
    assert_int_equal(h->seen[0].kind, OUTCOME_LOST);
    // And one that is under way when the dispatcher is closed is forgotten like any other.
    s = attempt_at(h, "/to-hang", 1);
    harness_send(h, &s);
    while (scripted_target_requests(h->target) < 4)
        loop_turn(h->loop, -1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_302_is_followed_by_get_without_a_body),
        TEST(a_307_is_followed_by_the_same_request),
        TEST(all_hops_of_one_target_take_one_connection),
        TEST(credentials_stay_behind_when_the_origin_changes),
        TEST(an_answer_that_is_cut_leads_on_as_well),
        TEST(the_outcome_is_that_of_the_last_answer),
        TEST(without_redirects_nothing_is_followed),
        TEST(a_loop_ends_where_the_job_says),
        TEST(a_redirect_to_no_target_is_not_followed),
        TEST(every_hop_is_judged_by_the_policy),
        TEST(a_failure_behind_a_redirect_is_lost),
        TEST(all_hops_have_one_deadline),
        TEST(who_is_on_the_way_can_be_cancelled),
    };
    return harness_run("dispatch redirects", tests, COUNT_OF(tests));
}
