// SPDX-License-Identifier: MIT
// test_json_job.c: a job goes to JSON and back unchanged; what only the server sets cannot be set.

#include "api/api_priv.h"
#include "api/json_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char everything[] =
    "{\"name\":\"nightly\",\"schedule\":\"0 30 2 * * *\",\"api\":\"http://127.0.0.1/x\","
    "\"type\":\"ATMOST_ONCE\",\"timezone\":\"Europe/Paris\",\"dst_gap\":\"skip\","
    "\"dst_fold\":\"both\",\"method\":\"PUT\",\"headers\":{\"X-A\":\"1\",\"X-B\":\"two words\"},"
    "\"body\":\"{\\\"a\\\":1}\",\"is_active\":false,\"timeout_ms\":5000,\"max_retries\":7,"
    "\"retry_strategy\":\"exponential\",\"retry_base_ms\":250,\"retry_cap_ms\":9000,"
    "\"catch_up\":\"latest\",\"catch_up_window_s\":600,\"max_in_flight\":3,\"max_rate_per_host\":7,"
    "\"redirects\":5,\"tls_verify\":false,\"tls_ca\":\"-----BEGIN CERTIFICATE-----\","
    "\"success_body\":\"/do+ne/\",\"failure_body\":\"\\u00e9\","
    "\"fresh_connection\":true,\"response_excerpt_bytes\":0,"
    "\"tags\":[\"billing\",\"\\u00e9\"],\"paused_reason\":\"later\","
    "\"paused_until\":\"2030-01-01T00:00:00.000Z\"}";

static json_t *parse(const char *text)
{
    json_t *value = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(value);
    return value;
}

static enum err decode(const char *text, enum job_decoding how, struct job *j, struct problem *p)
{
    json_t *object = parse(text);
    enum err err = job_decode(object, &(struct job_reading){.how = how}, j, p);
    json_decref(object);
    return err;
}

static void every_member_comes_back_as_it_was_given(void **state)
{
    (void)state;
    struct problem p = {0};
    struct job *j = job_new();
    assert_int_equal(decode(everything, JOB_CREATE, j, &p), ERR_OK);
    json_t *given = parse(everything);
    json_t *back = json_job(j);
    const char *name;
    json_t *value;
    json_object_foreach(given, name, value) {
        if (!json_equal(value, json_object_get(back, name)))
            fail_msg("%s is not what was given", name);
    }
    json_decref(given);
    json_decref(back);
    job_free(j);
}

// An export holds what makes the same job elsewhere, and nothing that only this server knows.
static void an_exported_job_makes_the_same_job(void **state)
{
    (void)state;
    struct problem p = {0};
    struct job *j = job_new(), *copy = job_new();
    assert_int_equal(decode(everything, JOB_CREATE, j, &p), ERR_OK);
    j->id = 7;
    j->version = 3;
    json_t *exported = json_job_writable(j);
    assert_null(json_object_get(exported, "id"));
    assert_int_equal(job_decode(exported, &(struct job_reading){.how = JOB_CREATE}, copy, &p),
                     ERR_OK);
    json_t *again = json_job_writable(copy);
    assert_true(json_equal(exported, again));
    json_decref(exported);
    json_decref(again);
    job_free(j);
    job_free(copy);
}

// A client may PUT what it got: the job is then as before, member by member.
static void a_job_that_was_got_can_be_put(void **state)
{
    (void)state;
    struct problem p = {0};
    struct job *j = job_new();
    assert_int_equal(decode(everything, JOB_CREATE, j, &p), ERR_OK);
    j->id = 7;
    j->version = 3;
    j->created_at = j->updated_at = 1893456000000;
    struct service_schedule schedule;
    assert_true(service_read_schedule(j, &schedule));
    json_t *got = json_job_ahead(j, &schedule, "");
    json_object_set_new(got, "jobId", json_integer(7));
    json_object_set_new(got, "last_execution", json_null());
    struct job *again = job_copy(j);
    assert_int_equal(job_decode(got, &(struct job_reading){.how = JOB_REPLACE}, again, &p), ERR_OK);
    json_t *before = json_job(j), *after = json_job(again);
    assert_true(json_equal(before, after));
    json_decref(before);
    json_decref(after);
    json_decref(got);
    job_free(again);
    job_free(j);
}

static void null_sets_the_default(void **state)
{
    (void)state;
    struct problem p = {0};
    struct job *j = job_new(), *defaults = job_new();
    assert_int_equal(decode(everything, JOB_CREATE, j, &p), ERR_OK);
    json_t *nulls = parse(everything);
    const char *name;
    json_t *value;
    json_object_foreach(nulls, name, value)
        json_object_set_new(nulls, name, json_null());
    assert_int_equal(job_decode(nulls, &(struct job_reading){.how = JOB_MERGE}, j, &p), ERR_OK);
    json_t *reset = json_job(j), *fresh = json_job(defaults);
    assert_true(json_equal(reset, fresh));
    json_decref(reset);
    json_decref(fresh);
    json_decref(nulls);
    job_free(defaults);
    job_free(j);
}

// A 0 would say that it never ran.
static void runs_that_nobody_counts_are_null(void **state)
{
    (void)state;
    struct job *j = job_new();
    json_t *without = json_job(j);
    assert_true(json_is_null(json_object_get(without, "runs")));
    j->max_runs = 3;
    json_t *with = json_job(j);
    assert_int_equal(json_integer_value(json_object_get(with, "runs")), 0);
    assert_true(json_is_integer(json_object_get(with, "runs")));
    json_decref(without);
    json_decref(with);
    job_free(j);
}

static const struct {
    const char *name;
    unsigned status; // What a PUT with another value than the job's is answered; 0: the value is
                     // passed over.
} read_only[] = {
    {"id", 400},         {"jobId", 400},        {"created_at", 400},
    {"created_by", 400}, {"version", 412}, // Somebody has changed the job since it was read.
    {"updated_at", 412}, {"finished", 0},  // The service compares.
    {"runs", 0},         {"schedule_words", 0}, {"schedule_normalized", 0},
    {"next_runs", 0},    {"last_execution", 0},
};

static void members_of_the_server_are_refused_or_must_be_as_they_are(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(read_only); i++) {
        struct problem p = {0};
        struct job *j = job_new();
        json_t *object = json_pack("{s:i}", read_only[i].name, 99);
        assert_int_equal(job_decode(object, &(struct job_reading){.how = JOB_CREATE}, j, &p),
                         ERR_FORBIDDEN);
        assert_string_equal(p.what.pointer + 1, read_only[i].name);
        assert_int_equal(job_decode(object, &(struct job_reading){.how = JOB_MERGE}, j, &p),
                         ERR_FORBIDDEN);
        enum err err = job_decode(object, &(struct job_reading){.how = JOB_REPLACE}, j, &p);
        if ((err ? problem_status(&p) : 0) != read_only[i].status)
            fail_msg("%s: %s", read_only[i].name, p.what.detail);
        assert_int_equal(j->id, 0);
        assert_int_equal(j->version, 0);
        json_decref(object);
        job_free(j);
    }
}

static const struct {
    const char *text;
    const char *pointer;
} wrong[] = {
    {"{\"shedule\":\"@daily\"}", "/shedule"},
    {"{\"schedule\":5}", "/schedule"},
    {"{\"type\":\"ONCE\"}", "/type"},
    {"{\"type\":1}", "/type"},
    {"{\"timeout_ms\":\"1000\"}", "/timeout_ms"},
    {"{\"timeout_ms\":1000.5}", "/timeout_ms"},
    {"{\"timeout_ms\":99}", "/timeout_ms"},
    {"{\"max_retries\":70000}", "/max_retries"},
    {"{\"is_active\":1}", "/is_active"},
    {"{\"headers\":[]}", "/headers"},
    {"{\"headers\":{\"X-A\":1}}", "/headers/X-A"},
    {"{\"headers\":{\"Host\":\"x/y\"}}", "/headers/Host"},
    {"{\"headers\":{\"X-A\":\"1\",\"x-a\":\"2\"}}", "/headers"},
    {"{\"tags\":\"a\"}", "/tags"},
    {"{\"paused_until\":\"tomorrow\"}", "/paused_until"},
    {"{\"paused_until\":7}", "/paused_until"},
};

static void a_wrong_member_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct problem p = {0};
        struct job *j = job_new();
        assert_int_not_equal(decode(wrong[i].text, JOB_CREATE, j, &p), ERR_OK);
        assert_string_equal(p.what.pointer, wrong[i].pointer);
        assert_int_equal(problem_status(&p), 400);
        job_free(j);
    }
}

static const struct {
    const char *text;
    const char *hint;
} unknown[] = {
    {"{\"url\":\"x\"}", "did you mean api?"},
    {"{\"URL\":\"x\"}", "did you mean api?"},
    {"{\"cron\":\"x\"}", "did you mean schedule?"},
    {"{\"paused\":true}", "did you mean is_active?"},
    {"{\"shedule\":\"x\"}", "did you mean schedule?"},
    {"{\"timeout\":5}", "did you mean timeout_ms?"},
    {"{\"time-zone\":\"UTC\"}", "did you mean timezone?"},
    {"{\"maxRetries\":5}", "did you mean max_retries?"},
    {"{\"versions\":5}", ""}, // Nobody may set the version.
    {"{\"zzz\":5}", ""},
};

static void an_unknown_field_is_told_the_one_that_is_meant(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(unknown); i++) {
        struct problem p = {0};
        struct job *j = job_new();
        assert_int_not_equal(decode(unknown[i].text, JOB_CREATE, j, &p), ERR_OK);
        assert_string_equal(p.what.hint, unknown[i].hint);
        job_free(j);
    }
}

static void an_unknown_word_is_told_the_known_ones(void **state)
{
    (void)state;
    struct problem p = {0};
    struct job *j = job_new();
    assert_int_not_equal(decode("{\"retry_strategy\":\"hope\"}", JOB_CREATE, j, &p), ERR_OK);
    assert_string_equal(p.what.detail, "retry_strategy must be linear, exponential or fixed");
    job_free(j);
}

static void more_headers_than_a_job_may_have_are_not_even_looked_at(void **state)
{
    (void)state;
    struct job *j = job_new();
    struct problem p = {0};
    json_t *headers = json_object();
    for (int i = 0; i <= 2 * SERVICE_HEADERS_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "X-%d", i);
        json_object_set_new(headers, name, json_string("1"));
    }
    json_t *object = json_pack("{s:o}", "headers", headers);
    assert_int_equal(job_decode(object, &(struct job_reading){.how = JOB_MERGE}, j, &p), ERR_LIMIT);
    assert_string_equal(p.what.pointer, "/headers");
    assert_null(j->headers);
    json_decref(object);
    job_free(j);
}

// RFC 7396 merges objects: of headers, PATCH changes those it names, and null removes one.
static void headers_are_merged_by_patch_and_replaced_by_put(void **state)
{
    (void)state;
    struct problem p = {0};
    struct job *j = job_new();
    assert_int_equal(decode(everything, JOB_CREATE, j, &p), ERR_OK);
    assert_int_equal(decode("{\"headers\":{\"x-a\":null,\"X-C\":\"3\"}}", JOB_MERGE, j, &p),
                     ERR_OK);
    assert_string_equal(j->headers, "X-B: two words\nX-C: 3\n");
    assert_int_equal(decode("{\"headers\":{\"X-D\":\"4\"}}", JOB_REPLACE, j, &p), ERR_OK);
    assert_string_equal(j->headers, "X-D: 4\n");
    assert_int_not_equal(decode("{\"headers\":{\"X-D\":null}}", JOB_REPLACE, j, &p), ERR_OK);
    job_free(j);
}

static void catch_up_follows_the_type_unless_it_is_given(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum catch_up catch_up;
    } given[] = {
        {"{}", CATCH_UP_ALL},
        {"{\"type\":\"ATMOST_ONCE\"}", CATCH_UP_NONE},
        {"{\"catch_up\":null,\"type\":\"ATMOST_ONCE\"}", CATCH_UP_NONE},
        {"{\"catch_up\":\"all\",\"type\":\"ATMOST_ONCE\"}", CATCH_UP_ALL},
    };
    for (size_t i = 0; i < COUNT_OF(given); i++) {
        struct problem p = {0};
        struct job *j = job_new();
        assert_int_equal(decode(given[i].text, JOB_CREATE, j, &p), ERR_OK);
        assert_int_equal(j->catch_up, given[i].catch_up);
        job_free(j);
    }
}

// What the job holds and what the API shows of a body.
static void a_body_is_a_text_or_json_and_is_shown_as_it_came(void **state)
{
    (void)state;
    static const struct {
        const char *given;
        const char *body; // NULL: the default body.
        bool is_json;
    } cases[] = {
        {"null", NULL, false},
        {"\"\"", "", false},
        {"\"a b\"", "a b", false},
        {"\"{\\\"a\\\":1}\"", "{\"a\":1}", false},
        {"{\"b\": [1, null], \"a\": \"x\"}", "{\"b\":[1,null],\"a\":\"x\"}", true},
        {"{}", "{}", true},
        {"[1.1,0.1,1e300,1.0]", "[1.1,0.1,1e300,1.0]", true},
        {"0.30000000000000004", "0.30000000000000004", true},
        {"false", "false", true},
        {"7", "7", true},
    };
    struct problem p = {0};
    struct job *j = job_new();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[128];
        snprintf(text, sizeof text, "{\"body\":%s}", cases[i].given);
        assert_int_equal(decode(text, JOB_REPLACE, j, &p), ERR_OK);
        assert_int_equal(j->body_is_json, cases[i].is_json);
        if (cases[i].body)
            assert_string_equal(j->body, cases[i].body);
        else
            assert_null(j->body);
        json_t *given = parse(text), *shown = json_job(j);
        assert_true(json_equal(json_object_get(given, "body"), json_object_get(shown, "body")));
        json_decref(given);
        json_decref(shown);
    }
    job_free(j);
}

// Bodies that older versions stored: JSON that no value of ours says exactly is shown as a text.
static void a_body_that_json_cannot_repeat_is_shown_as_a_text(void **state)
{
    (void)state;
    static const char *const bodies[] = {"\"x\"", "{\"a\":1,\"a\":2}", "123456789012345678901"};
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct job *j = job_new();
        job_set_text(&j->body, bodies[i]);
        j->body_is_json = true;
        json_t *shown = json_job(j);
        assert_string_equal(json_string_value(json_object_get(shown, "body")), bodies[i]);
        json_decref(shown);
        job_free(j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_member_comes_back_as_it_was_given),
        cmocka_unit_test(an_exported_job_makes_the_same_job),
        cmocka_unit_test(a_job_that_was_got_can_be_put),
        cmocka_unit_test(null_sets_the_default),
        cmocka_unit_test(runs_that_nobody_counts_are_null),
        cmocka_unit_test(members_of_the_server_are_refused_or_must_be_as_they_are),
        cmocka_unit_test(a_wrong_member_is_named),
        cmocka_unit_test(an_unknown_field_is_told_the_one_that_is_meant),
        cmocka_unit_test(an_unknown_word_is_told_the_known_ones),
        cmocka_unit_test(more_headers_than_a_job_may_have_are_not_even_looked_at),
        cmocka_unit_test(headers_are_merged_by_patch_and_replaced_by_put),
        cmocka_unit_test(catch_up_follows_the_type_unless_it_is_given),
        cmocka_unit_test(a_body_is_a_text_or_json_and_is_shown_as_it_came),
        cmocka_unit_test(a_body_that_json_cannot_repeat_is_shown_as_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
