// SPDX-License-Identifier: MIT
// test_audit.c: what is recorded of a change: what it alters, how that was and is, and no secret.

#include "service/service_priv.h"

#include <string.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

static const struct actor by = {
    .token_name = "deploy", .token = 3, .address = "192.0.2.7", .request_id = "r-1"};

static struct job *sample(void)
{
    struct job *j = job_new();
    j->id = 7;
    j->version = 4;
    job_set_text(&j->name, "bell");
    job_set_text(&j->schedule, "@daily");
    job_set_text(&j->timezone, "UTC");
    job_set_text(&j->api, "http://a.test/");
    return j;
}

// Takes the jobs. What is recorded is the caller's, until finish().
static struct service_change change(enum command_kind kind, struct job *before, struct job *row)
{
    struct service_change c = {
        .kind = kind, .before = before, .row = row, .by = (struct actor *)(uintptr_t)&by};
    if (kind == COMMAND_UPDATE)
        c.update = service__update_kind(before, row);
    service__audit_make(&c);
    return c;
}

static void finish(struct service_change *c)
{
    service__audit_drop(c);
    job_free(c->before);
    job_free(c->row);
}

#define CHECK_TEXT(text, expected)                                                                 \
    do {                                                                                           \
        const char *expected_ = (expected);                                                        \
        if (!expected_)                                                                            \
            assert_null(text);                                                                     \
        else                                                                                       \
            assert_string_equal((text), expected_);                                                \
    } while (0)

static void update_is_recorded_with_what_it_alters(void **state)
{
    (void)state;
    struct job *row = sample();
    job_set_text(&row->name, "clock");
    row->timeout_ms = 5000;
    row->end_at = 1795514400000;
    row->version = 5; // The server's.
    row->runs = 3;
    struct service_change c = change(COMMAND_UPDATE, sample(), row);
    assert_int_equal(c.audit.action, AUDIT_JOB_UPDATE);
    assert_string_equal(c.audit.by.address, "192.0.2.7");
    assert_string_equal(c.audit.by.token_name, "deploy");
    assert_string_equal(c.audit.before, "{\"name\":\"bell\",\"timeout_ms\":30000,\"end_at\":null}");
    assert_string_equal(c.audit.after, "{\"name\":\"clock\",\"timeout_ms\":5000,"
                                       "\"end_at\":\"2026-11-24T10:00:00.000Z\"}");
    finish(&c);
}

static void pause_and_resumption_are_told_apart(void **state)
{
    (void)state;
    struct job *paused = sample();
    paused->is_active = false;
    job_set_text(&paused->paused_reason, "repairs");
    struct service_change c = change(COMMAND_UPDATE, sample(), job_copy(paused));
    assert_int_equal(c.audit.action, AUDIT_JOB_PAUSE);
    assert_string_equal(c.audit.before, "{\"is_active\":true,\"paused_reason\":null}");
    assert_string_equal(c.audit.after, "{\"is_active\":false,\"paused_reason\":\"repairs\"}");
    finish(&c);
    c = change(COMMAND_UPDATE, paused, sample());
    assert_int_equal(c.audit.action, AUDIT_JOB_RESUME);
    finish(&c);
}

static void new_and_deleted_jobs_are_recorded_as_they_are(void **state)
{
    (void)state;
    static const char whole[] = "{\"name\":\"bell\",\"schedule\":\"@daily\","
                                "\"api\":\"http://a.test/\",\"timezone\":\"UTC\"}";
    struct service_change c = change(COMMAND_CREATE, NULL, sample());
    assert_int_equal(c.audit.action, AUDIT_JOB_CREATE);
    assert_null(c.audit.before);
    assert_string_equal(c.audit.after, whole);
    finish(&c);
    c = change(COMMAND_DELETE, sample(), NULL);
    assert_int_equal(c.audit.action, AUDIT_JOB_DELETE);
    assert_string_equal(c.audit.before, whole);
    assert_null(c.audit.after);
    finish(&c);
    c = change(COMMAND_DELETE, NULL, NULL); // The row cannot be read.
    assert_null(c.audit.before);
    finish(&c);
}

static void trigger_is_recorded_with_the_body_it_brings(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        bool is_json;
        const char *after;
    } cases[] = {
        {NULL, false, NULL},
        {"by hand", false, "{\"body\":\"by hand\"}"},
        {"{\"a\":1}", true, "{\"body\":{\"a\":1}}"},
        {"{\"a\":", true, "{\"body\":\"{\\\"a\\\":\"}"}, // No server writes that.
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct service_change c = {.kind = COMMAND_TRIGGER,
                                   .by = (struct actor *)(uintptr_t)&by,
                                   .text = (char *)(uintptr_t)cases[i].body,
                                   .text_is_json = cases[i].is_json};
        service__audit_make(&c);
        assert_int_equal(c.audit.action, AUDIT_JOB_TRIGGER);
        assert_null(c.audit.before);
        CHECK_TEXT(c.audit.after, cases[i].after);
        service__audit_drop(&c);
    }
}

// A credential that has changed is recorded as that, and nothing else of it.
static void secrets_are_not_recorded(void **state)
{
    (void)state;
    struct job *before = sample(), *row = sample();
    job_set_text(&before->headers, "Authorization: Bearer old\nX-Plain: a\n");
    job_set_text(&row->headers, "authorization: Bearer new\nX-Plain: a\n"
                                "X-Other: sealed:v1:k1:AAAA\nCOOKIE: c=1\n");
    job_set_text(&row->body, "sealed:v1:k1:AAAA");
    struct service_change c = change(COMMAND_UPDATE, before, row);
    assert_string_equal(c.audit.before, "{\"headers\":{\"Authorization\":{\"secret\":true},"
                                        "\"X-Plain\":\"a\"},\"body\":null}");
    assert_string_equal(c.audit.after, "{\"headers\":{\"authorization\":{\"secret\":true},"
                                       "\"X-Plain\":\"a\",\"X-Other\":{\"secret\":true},"
                                       "\"COOKIE\":{\"secret\":true}},"
                                       "\"body\":{\"secret\":true}}");
    finish(&c);
}

// printf 'a%.0s' {1..5000} | sha256sum
static void long_text_is_recorded_as_its_digest(void **state)
{
    (void)state;
    char text[5001];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    struct job *row = sample();
    job_set_text(&row->body, text);
    struct service_change c = change(COMMAND_UPDATE, sample(), row);
    assert_string_equal(c.audit.before, "{\"body\":null}");
    assert_string_equal(c.audit.after,
                        "{\"body\":{\"bytes\":5000,\"sha256\":"
                        "\"c526c6222044dab5674de9c4ac7f4566ebb5e4d8bf9d8ea34c9cc8a7cc3c869c\"}}");
    finish(&c);
}

// What somebody has written into the database may be no text at all.
static void text_that_is_no_utf_8_ends_where_it_begins_to_be_none(void **state)
{
    (void)state;
    struct job *row = sample();
    job_set_text(&row->name, "a\xff"
                             "b");
    job_set_text(&row->tags, "[\"x\"");
    struct service_change c = change(COMMAND_UPDATE, sample(), row);
    assert_string_equal(c.audit.after, "{\"name\":\"a\",\"tags\":\"[\\\"x\\\"\"}");
    finish(&c);
}

static void body_that_becomes_json_is_a_change(void **state)
{
    (void)state;
    struct job *before = sample(), *row = sample();
    job_set_text(&before->body, "[1]");
    job_set_text(&row->body, "[1]");
    row->body_is_json = true;
    struct service_change c = change(COMMAND_UPDATE, before, row);
    assert_string_equal(c.audit.before, "{\"body\":\"[1]\"}");
    assert_string_equal(c.audit.after, "{\"body\":[1]}");
    finish(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(update_is_recorded_with_what_it_alters),
        cmocka_unit_test(pause_and_resumption_are_told_apart),
        cmocka_unit_test(new_and_deleted_jobs_are_recorded_as_they_are),
        cmocka_unit_test(trigger_is_recorded_with_the_body_it_brings),
        cmocka_unit_test(secrets_are_not_recorded),
        cmocka_unit_test(long_text_is_recorded_as_its_digest),
        cmocka_unit_test(text_that_is_no_utf_8_ends_where_it_begins_to_be_none),
        cmocka_unit_test(body_that_becomes_json_is_a_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
