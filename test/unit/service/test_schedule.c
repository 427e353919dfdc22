// SPDX-License-Identifier: MIT
// test_schedule.c: the runs that lie ahead of a job, and the preview of a schedule.

#include "service/service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1893456000000 // 2030-01-01T00:00:00Z, a Tuesday.
#define HOUR 3600000

static struct job *hourly_job(void)
{
    struct job *j = job_new();
    job_set_text(&j->schedule, "0 * * * *");
    job_set_text(&j->timezone, "UTC");
    return j;
}

static size_t next_runs(const struct job *j, wall_ms now, size_t count, wall_ms *out)
{
    struct service_schedule s;
    assert_true(service_read_schedule(j, &s));
    return service_next_runs(j, &s, now, count, out);
}

static void an_active_job_has_runs_ahead(void **state)
{
    (void)state;
    struct job *j = hourly_job();
    wall_ms runs[3];
    assert_int_equal(next_runs(j, NOW, 3, runs), 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(runs[i], NOW + (i + 1) * HOUR);
    job_free(j);
}

// What lies before effective_from belongs to an older version of the job.
static void runs_begin_after_the_job_takes_effect(void **state)
{
    (void)state;
    struct job *j = hourly_job();
    j->effective_from = NOW + 2 * HOUR;
    wall_ms runs[1];
    assert_int_equal(next_runs(j, NOW, 1, runs), 1);
    assert_int_equal(runs[0], NOW + 3 * HOUR);
    job_free(j);
}

static void a_paused_job_has_none(void **state)
{
    (void)state;
    struct job *j = hourly_job();
    j->is_active = false;
    wall_ms runs[3];
    assert_int_equal(next_runs(j, NOW, 3, runs), 0);
    job_free(j);
}

static void a_oneshot_has_one(void **state)
{
    (void)state;
    struct job *j = hourly_job();
    job_set_text(&j->schedule, "2030-01-01T05:00:00Z");
    wall_ms runs[3];
    assert_int_equal(next_runs(j, NOW, 3, runs), 1);
    assert_int_equal(runs[0], NOW + 5 * HOUR);
    job_free(j);
}

static void a_preview_says_what_will_be(void **state)
{
    (void)state;
    struct service_preview preview;
    struct service_problem p = {0};
    assert_int_equal(
        service_preview_schedule("30 2 * * MON-FRI", "Europe/Paris", NOW, 4, &preview, &p), ERR_OK);
    assert_int_equal(preview.run_count, 4);
    assert_int_equal(preview.runs[0], NOW + HOUR + HOUR / 2);
    assert_true(preview.fixed);
    assert_false(preview.oneshot);
    assert_string_equal(zone_name(preview.zone), "Europe/Paris");
    assert_true(strlen(preview.words) > 0);
    assert_true(strlen(preview.normal) > 0);
}

static void a_preview_refuses_as_a_job_would(void **state)
{
    (void)state;
    struct service_preview preview;
    struct service_problem p = {0};
    assert_int_not_equal(service_preview_schedule("* * * *", NULL, NOW, 1, &preview, &p), ERR_OK);
    assert_int_equal(p.kind, PROBLEM_SCHEDULE);
    assert_int_not_equal(service_preview_schedule("@daily", "Mars/Base", NOW, 1, &preview, &p),
                         ERR_OK);
    assert_int_equal(p.kind, PROBLEM_TIMEZONE);
    assert_int_not_equal(service_preview_schedule("0 0 30 2 *", NULL, NOW, 1, &preview, &p),
                         ERR_OK);
    assert_string_equal(p.code, "never_fires");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_active_job_has_runs_ahead),
        cmocka_unit_test(runs_begin_after_the_job_takes_effect),
        cmocka_unit_test(a_paused_job_has_none),
        cmocka_unit_test(a_oneshot_has_one),
        cmocka_unit_test(a_preview_says_what_will_be),
        cmocka_unit_test(a_preview_refuses_as_a_job_would),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
