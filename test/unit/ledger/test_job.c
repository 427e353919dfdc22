// SPDX-License-Identifier: MIT
// test_job.c: a new job has the documented defaults, and a copy shares nothing with its original.

#include "ledger/ledger.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <string.h>

static void a_new_job_has_the_documented_defaults(void **state)
{
    (void)state;
    struct job *j = job_new();
    assert_int_equal(j->type, JOB_ATLEAST_ONCE);
    assert_int_equal(j->method, METHOD_POST);
    assert_int_equal(j->timeout_ms, 30000);
    assert_int_equal(j->max_retries, 3);
    assert_int_equal(j->retry_strategy, RETRY_LINEAR);
    assert_int_equal(j->retry_base_ms, 1000);
    assert_int_equal(j->retry_cap_ms, 60000);
    assert_int_equal(j->catch_up, CATCH_UP_ALL);
    assert_int_equal(j->catch_up_window_s, 3600);
    assert_int_equal(j->max_in_flight, 128);
    assert_int_equal(j->dst_gap, CRON_GAP_RUN_AFTER);
    assert_int_equal(j->dst_fold, CRON_FOLD_DEFAULT);
    assert_true(j->is_active);
    assert_false(j->finished);
    assert_true(j->paused_until == WALL_NEVER);
    assert_null(j->name);
    job_free(j);
    job_free(NULL);
}

// Every string member, so that one which copying forgets is found.
static char **const *texts_of(struct job *j)
{
    static char **texts[9];
    char **all[] = {&j->name,    &j->schedule, &j->timezone, &j->api,
                    &j->headers, &j->body,     &j->tags,     &j->paused_reason};
    memcpy(texts, all, sizeof all);
    return texts;
}

static void a_copy_has_texts_of_its_own(void **state)
{
    (void)state;
    struct job *j = job_new();
    char text[] = "text 0";
    for (char **const *t = texts_of(j); *t; t++, text[5]++)
        job_set_text(*t, text);
    j->max_retries = 7;
    struct job *copy = job_copy(j);
    text[5] = '0';
    for (char **const *t = texts_of(j); *t; t++, text[5]++)
        job_set_text(*t, "changed");
    text[5] = '0';
    for (char **const *t = texts_of(copy); *t; t++, text[5]++)
        assert_string_equal(**t, text);
    assert_int_equal(text[5], '8'); // All eight were looked at.
    assert_int_equal(copy->max_retries, 7);
    job_free(j);
    job_free(copy);
}

static void texts_not_given_stay_so(void **state)
{
    (void)state;
    struct job *j = job_new();
    struct job *copy = job_copy(j);
    for (char **const *t = texts_of(copy); *t; t++)
        assert_null(**t);
    job_set_text(&copy->name, "a name");
    job_set_text(&copy->name, copy->name); // The old value is a fine new one.
    assert_string_equal(copy->name, "a name");
    job_set_text(&copy->name, NULL);
    assert_null(copy->name);
    job_free(j);
    job_free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_job_has_the_documented_defaults),
        cmocka_unit_test(a_copy_has_texts_of_its_own),
        cmocka_unit_test(texts_not_given_stay_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
