// SPDX-License-Identifier: MIT
// test_job.c: the members of a job: defaults, copies, what begins a version, bounds.

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

static void change(const struct job_member *m, struct job *j)
{
    if (m->kind == MEMBER_TEXT)
        job_set_text(job_text_at(m, j), "changed");
    else if (m->kind != MEMBER_COMPUTED)
        job_set_integer(m, j, job_integer(m, j) ? 0 : 1);
}

static void a_copy_of_a_job_has_every_member_and_texts_of_its_own(void **state)
{
    (void)state;
    struct job *j = job_new();
    for (size_t i = 0; i < job_member_count; i++)
        change(&job_members[i], j);
    struct job *copy = job_copy(j);
    for (size_t i = 0; i < job_member_count; i++) {
        const struct job_member *m = &job_members[i];
        assert_true(job_same_member(m, copy, j));
        if (m->kind == MEMBER_TEXT)
            assert_ptr_not_equal(*job_text_at(m, copy), *job_text_at(m, j));
    }
    job_free(j);
    job_free(copy);
}

static void a_member_that_is_reset_has_its_default(void **state)
{
    (void)state;
    struct job *j = job_new();
    for (size_t i = 0; i < job_member_count; i++) {
        const struct job_member *m = &job_members[i];
        if (m->kind == MEMBER_COMPUTED)
            continue;
        change(m, j);
        assert_false(job_same_member(m, j, &job_defaults));
        job_reset(m, j);
        assert_true(job_same_member(m, j, &job_defaults));
    }
    job_free(j);
}

static void a_version_begins_by_members_of_timing_and_phase_alone(void **state)
{
    (void)state;
    static const char *const expected =
        "schedule* timezone* dst_gap* dst_fold* is_active finished start_at* end_at* max_runs* "
        "paused_reason paused_until ";
    char begin[256] = ""; // A star: which occurrences there are differs, too.
    for (size_t i = 0; i < job_member_count; i++) {
        struct job *j = job_new();
        change(&job_members[i], j);
        if (job_version_begins(&job_defaults, j)) {
            strcat(begin, job_members[i].name);
            strcat(begin, job_timing_differs(&job_defaults, j) ? "* " : " ");
        }
        job_free(j);
    }
    assert_string_equal(begin, expected);
}

static void occurrences_end_at_the_bounds_of_the_job(void **state)
{
    (void)state;
    struct cron_schedule every_second;
    const struct zone *utc = zone_utc();
    assert_int_equal(cron_parse("* * * * * *", 11, NULL, &every_second, NULL), ERR_OK);
    static const struct {
        struct job_bounds bounds;
        uint32_t runs;
        wall_ms after;
        wall_ms next;
    } cases[] = {
        {{0, WALL_NEVER, 0, 0}, 9, 4000, 5000},
        {{8000, WALL_NEVER, 0, 0}, 0, 4000, 8000}, // An instant at start_at is inside,
        {{0, 5000, 0, 0}, 0, 4000, 5000},          // and so is one at end_at.
        {{0, 4999, 0, 0}, 0, 4000, WALL_NEVER},
        {{0, 4000, 0, 0}, 0, 4000, WALL_NEVER},
        {{8001, 8999, 0, 0}, 0, 4000, WALL_NEVER},
        {{0, WALL_NEVER, 3, 0}, 2, 4000, 5000},
        {{0, WALL_NEVER, 3, 0}, 3, 4000, WALL_NEVER},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct job_bounds *b = &cases[i].bounds;
        wall_ms next = job_bounds_next(b, cases[i].runs, &every_second, utc, cases[i].after);
        assert_int_equal(next, cases[i].next);
        assert_true(next == WALL_NEVER || job_bounds_have(b, &every_second, utc, next));
    }
    struct job_bounds bounds = {5000, 6000, 0, 0};
    assert_false(job_bounds_have(&bounds, &every_second, utc, 4000));
    assert_true(job_bounds_have(&bounds, &every_second, utc, 5000));
    assert_false(job_bounds_have(&bounds, &every_second, utc, 5500));
    assert_true(job_bounds_have(&bounds, &every_second, utc, 6000));
    assert_false(job_bounds_have(&bounds, &every_second, utc, 7000));
}

static void the_bytes_of_a_job_are_those_of_its_request(void **state)
{
    (void)state;
    struct job *j = job_new();
    assert_int_equal(job_texts_bytes(j), 0);
    job_set_text(&j->api, "http://a/");
    assert_int_equal(job_texts_bytes(j), 10); // With its end.
    job_set_text(&j->body, "");
    assert_int_equal(job_texts_bytes(j), 11);
    job_set_text(&j->name, "not sent");
    job_set_text(&j->schedule, "@daily");
    assert_int_equal(job_texts_bytes(j), 11);
    job_free(j);
}

static void texts_not_given_stay_so(void **state)
{
    (void)state;
    struct job *j = job_new();
    struct job *copy = job_copy(j);
    for (size_t i = 0; i < job_member_count; i++)
        assert_true(job_same_member(&job_members[i], copy, j));
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
        cmocka_unit_test(a_copy_of_a_job_has_every_member_and_texts_of_its_own),
        cmocka_unit_test(a_member_that_is_reset_has_its_default),
        cmocka_unit_test(a_version_begins_by_members_of_timing_and_phase_alone),
        cmocka_unit_test(occurrences_end_at_the_bounds_of_the_job),
        cmocka_unit_test(the_bytes_of_a_job_are_those_of_its_request),
        cmocka_unit_test(texts_not_given_stay_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
