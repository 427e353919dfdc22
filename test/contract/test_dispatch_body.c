// SPDX-License-Identifier: MIT
// test_dispatch_body.c: what a job wants of the body of an answer, and what the outcome says of it.

#include "dispatch_harness.h"

#include <stdio.h>
#include <string.h>

#define FAR 60000 // Beyond any excerpt of a test.

static char far_body[RESPONSE_BYTES_MAX + 128];
static char beyond_body[RESPONSE_BYTES_MAX + 128];

static const struct script scripts[] = {
    {"/far", far_body, 0, SCRIPT_KEEP},
    {"/beyond", beyond_body, 0, SCRIPT_KEEP},
    {"/done", "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{\"done\": true}", 0, SCRIPT_KEEP},
    {"/no", "HTTP/1.1 500 No\r\nContent-Length: 4\r\n\r\ndone", 0, SCRIPT_KEEP},
    {"/empty", "HTTP/1.1 204 No Content\r\n\r\n", 0, SCRIPT_KEEP},
    {"/short", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ndone", 0, SCRIPT_CLOSE},
    {"/chunks",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\ndo\r\n2\r\nne\r\n0\r\n\r\n", 0,
     SCRIPT_KEEP},
    {"/hop", "HTTP/1.1 302 Found\r\nLocation: /done\r\nContent-Length: 5\r\n\r\nmoved", 0,
     SCRIPT_KEEP},
    {"/lost", "", 0, SCRIPT_CLOSE},
    {NULL, NULL, 0, SCRIPT_KEEP},
};

struct told {
    bool is_judged;
    char error[ERROR_TEXT_MAX];
};

static struct told told;

static void note(struct harness *h, const struct outcome *o)
{
    (void)h;
    told.is_judged = o->body_is_judged;
    snprintf(told.error, sizeof told.error, "%s", o->body_error ? o->body_error : "");
}

static int setup(void **state)
{
    int failed = harness_setup(state, scripts, NULL, NULL, NULL);
    ((struct harness *)*state)->on_outcome = note;
    return failed;
}

static const struct seen *ask(struct harness *h, const char *path, const char *success,
                              const char *failure)
{
    struct send s = harness_attempt(h, path);
    s.request.success_body = success;
    s.request.failure_body = failure;
    s.request.redirects = 1;
    told = (struct told){0};
    harness_send(h, &s);
    harness_wait(h, h->seen_count + 1);
    return &h->seen[h->seen_count - 1];
}

static void a_body_is_judged_by_both_rules(void **state)
{
    static const struct {
        const char *path, *success, *failure, *error;
    } cases[] = {
        {"/done", "done", NULL, ""},
        {"/done", "/\"done\":\\s*true/", NULL, ""},
        {"/done", NULL, "error", ""},
        {"/done", "done", "error", ""},
        {"/done", "ready", NULL, "its body lacks success_body: ready"},
        {"/done", "/^done/", NULL, "its body lacks success_body: /^done/"},
        {"/done", NULL, "true", "its body has failure_body: true"},
        {"/done", "done", "/t..e/", "its body has failure_body: /t..e/"}, // failure_body wins.
        {"/done", "ready", "true", "its body has failure_body: true"},
        {"/no", "done", NULL, ""}, // The status is not dispatch's business.
        {"/empty", "done", NULL, "its body lacks success_body: done"},
        {"/empty", NULL, "done", ""},
        {"/short", "done", NULL, ""}, // As much as came.
        {"/chunks", "done", NULL, ""},
        {"/hop", "done", "moved", ""}, // The last answer counts.
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct seen *s = ask(*state, cases[i].path, cases[i].success, cases[i].failure);
        assert_int_equal(s->kind, OUTCOME_ANSWERED);
        assert_string_equal(s->error, "");
        assert_true(told.is_judged);
        assert_string_equal(told.error, cases[i].error);
    }
}

// The excerpt stays what the job says, however much is read to be judged.
static void the_first_64_kib_of_a_body_are_judged(void **state)
{
    struct harness *h = *state;
    const struct seen *s = ask(h, "/far", "needle", NULL);
    assert_string_equal(told.error, "");
    assert_int_equal(s->response_bytes, HARNESS_EXCERPT_BYTES);
    ask(h, "/far", "/n[e]+dle$/", NULL);
    assert_string_equal(told.error, "its body lacks success_body: /n[e]+dle$/");
    ask(h, "/beyond", NULL, "needle");
    assert_string_equal(told.error, "");
    struct send none = harness_attempt(h, "/far");
    none.request.response_excerpt_bytes = 0;
    none.request.failure_body = "needle";
    harness_send(h, &none);
    harness_wait(h, h->seen_count + 1);
    assert_string_equal(told.error, "its body has failure_body: needle");
    assert_int_equal(h->seen[h->seen_count - 1].response_bytes, 0);
}

static void a_search_without_an_end_is_a_failure(void **state)
{
    ask(*state, "/far", "/^(x+x+)+y/", NULL);
    assert_string_equal(told.error,
                        "the search for success_body in its body took too many steps: /^(x+x+)+y/");
    ask(*state, "/far", NULL, "/^(x+x+)+y/");
    assert_string_equal(told.error,
                        "the search for failure_body in its body took too many steps: /^(x+x+)+y/");
}

static void a_rule_that_cannot_be_read_is_a_failure(void **state)
{
    ask(*state, "/done", "/(/", NULL);
    assert_string_equal(told.error,
                        "success_body of the job cannot be used: the regular expression is wrong "
                        "at byte 3: missing closing parenthesis");
}

static void a_long_rule_is_cut_in_the_error(void **state)
{
    char rule[400] = "", words[128];
    for (size_t i = 0; i < 100; i++)
        strcat(rule, "\xe2\x82\xac");
    snprintf(words, sizeof words, "its body lacks success_body: %.78s...", rule);
    ask(*state, "/done", rule, NULL);
    assert_string_equal(told.error, words); // Between two characters.
}

static void nothing_is_judged_without_a_rule_or_an_answer(void **state)
{
    ask(*state, "/done", NULL, NULL);
    assert_false(told.is_judged);
    const struct seen *s = ask(*state, "/lost", "done", "error");
    assert_int_equal(s->kind, OUTCOME_LOST);
    assert_false(told.is_judged);
    assert_string_equal(told.error, "");
}

// The text "needle" stands at `at`, and x everywhere else.
static void make_body(char *out, size_t bytes, int at, int count)
{
    int n = snprintf(out, bytes, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", count);
    memset(out + n, 'x', (size_t)count);
    memcpy(out + n + at, "needle", 6);
}

int main(void)
{
    make_body(far_body, sizeof far_body, FAR, RESPONSE_BYTES_MAX);
    make_body(beyond_body, sizeof beyond_body, RESPONSE_BYTES_MAX - 3, RESPONSE_BYTES_MAX + 10);
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, harness_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_body_is_judged_by_both_rules),
        TEST(the_first_64_kib_of_a_body_are_judged),
        TEST(a_search_without_an_end_is_a_failure),
        TEST(a_rule_that_cannot_be_read_is_a_failure),
        TEST(a_long_rule_is_cut_in_the_error),
        TEST(nothing_is_judged_without_a_rule_or_an_answer),
    };
    return harness_run("dispatch bodies", tests, COUNT_OF(tests));
}
