// SPDX-License-Identifier: MIT
// test_version.c: the history of a job, and the occurrences that each part of it had.

#include "ledger/ledger.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <string.h>

#define T0 1795514400000 // 2026-11-24T10:00:00Z, a Tuesday.
#define HOUR 3600000

static struct job *new_job(void)
{
    struct job *j = job_new();
    j->id = 7;
    j->version = 1;
    j->effective_from = j->created_at = j->updated_at = T0;
    job_set_text(&j->schedule, "0 * * * *");
    job_set_text(&j->timezone, "UTC");
    return j;
}

// What decides occurrences begins a version; a new name or the planner's own count does not.
static void only_what_decides_occurrences_begins_a_version(void **state)
{
    (void)state;
    struct job *before = new_job();
    struct job *j = job_copy(before);
    j->effective_from += HOUR;
    j->version = 2;
    j->runs = 5;
    j->max_retries = 0;
    job_set_text(&j->name, "another");
    assert_false(job_version_begins(before, j));

    wall_ms *const times[] = {&j->start_at, &j->end_at, &j->paused_until};
    char **const texts[] = {&j->schedule, &j->timezone, &j->paused_reason};
    uint8_t *const bytes[] = {&j->dst_gap, &j->dst_fold};
    bool *const flags[] = {&j->is_active, &j->finished};
    for (size_t i = 0; i < COUNT_OF(times); i++) {
        *times[i] -= 1;
        assert_true(job_version_begins(before, j));
        *times[i] += 1;
    }
    for (size_t i = 0; i < COUNT_OF(bytes); i++) {
        *bytes[i] ^= 1;
        assert_true(job_version_begins(before, j));
        *bytes[i] ^= 1;
    }
    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        *flags[i] = !*flags[i];
        assert_true(job_version_begins(before, j));
        *flags[i] = !*flags[i];
    }
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        char *kept = xstrdup(*texts[i]);
        job_set_text(texts[i], "x");
        assert_true(job_version_begins(before, j));
        job_set_text(texts[i], kept);
        free(kept);
    }
    j->max_runs = 1;
    assert_true(job_version_begins(before, j));
    job_free(before);
    job_free(j);
}

static void a_version_says_what_the_job_is_up_to(void **state)
{
    (void)state;
    struct job_versions l = {0};
    struct job *j = new_job();
    static const enum job_phase phases[] = {JOB_ACTIVE, JOB_PAUSED, JOB_FINISHED, JOB_DELETED};
    j->paused_until = T0 + 9 * HOUR;
    job_set_text(&j->paused_reason, "holidays");
    for (size_t i = 0; i < COUNT_OF(phases); i++)
        job_versions_begin(&l, j, T0 + (wall_ms)i * HOUR, phases[i]);
    job_free(j);

    assert_int_equal(l.count, COUNT_OF(phases));
    for (size_t i = 0; i < l.count; i++) {
        const struct job_version *v = &l.rows[i];
        assert_int_equal(v->phase, phases[i]);
        assert_int_equal(v->number, i + 1);
        assert_int_equal(v->from_at, T0 + (wall_ms)i * HOUR);
        assert_string_equal(v->schedule, "0 * * * *");
        assert_int_equal(v->reason != NULL, phases[i] == JOB_PAUSED);
        assert_int_equal(v->paused_until, phases[i] == JOB_PAUSED ? T0 + 9 * HOUR : WALL_NEVER);
    }
    job_versions_fini(&l);
    assert_int_equal(l.count, 0);
}

static void add(struct job_versions *l, wall_ms from_at, const char *schedule)
{
    struct job *j = new_job();
    job_set_text(&j->schedule, schedule);
    job_versions_begin(l, j, from_at, JOB_ACTIVE);
    job_free(j);
}

static struct job_span *spans_of(const struct job_versions *l)
{
    struct job_span *spans;
    assert_int_equal(job_spans_new(l, &spans), ERR_OK);
    for (size_t i = 0; i < l->count; i++)
        spans[i].zone = zone_utc();
    return spans;
}

// The instant at which a version ends belongs to it, and not to the next one.
static void a_span_has_the_occurrences_of_its_time_only(void **state)
{
    (void)state;
    struct job_versions l = {0};
    wall_ms hour = T0 / HOUR * HOUR;
    add(&l, hour, "0 * * * *");
    add(&l, hour + 2 * HOUR, "0,30 * * * *");
    struct job_span *s = spans_of(&l);
    assert_int_equal(job_span_next(&s[0], 0, WALL_NEVER), hour + HOUR);
    assert_int_equal(job_span_next(&s[0], hour + HOUR, WALL_NEVER), hour + 2 * HOUR);
    assert_int_equal(job_span_next(&s[0], hour + 2 * HOUR, WALL_NEVER), WALL_NEVER);
    assert_int_equal(job_span_next(&s[1], 0, WALL_NEVER), hour + 5 * HOUR / 2);
    assert_int_equal(job_span_next(&s[1], 0, hour + 5 * HOUR / 2), hour + 5 * HOUR / 2);
    assert_int_equal(job_span_next(&s[1], 0, hour + 5 * HOUR / 2 - 1), WALL_NEVER);
    free(s);
    job_versions_fini(&l);
}

static void a_span_keeps_to_the_bounds_of_its_job(void **state)
{
    (void)state;
    struct job_versions l = {0};
    wall_ms hour = T0 / HOUR * HOUR;
    add(&l, hour, "0 * * * *");
    l.rows[0].start_at = hour + 2 * HOUR;
    l.rows[0].end_at = hour + 3 * HOUR;
    struct job_span *s = spans_of(&l);
    assert_int_equal(job_span_next(&s[0], 0, WALL_NEVER), hour + 2 * HOUR);
    assert_int_equal(job_span_next(&s[0], hour + 2 * HOUR, WALL_NEVER), hour + 3 * HOUR);
    assert_int_equal(job_span_next(&s[0], hour + 3 * HOUR, WALL_NEVER), WALL_NEVER);
    l.rows[0].phase = JOB_PAUSED;
    assert_int_equal(job_span_next(&s[0], 0, WALL_NEVER), WALL_NEVER);
    free(s);
    job_versions_fini(&l);
}

// After a clock that was far ahead, a later version may begin before an earlier one.
static void a_version_that_begins_earlier_takes_the_time_of_those_before(void **state)
{
    (void)state;
    struct job_versions l = {0};
    add(&l, T0, "0 * * * *");
    add(&l, T0 + 9 * HOUR, "1 * * * *");
    add(&l, T0 + 5 * HOUR, "2 * * * *");
    struct job_span *s = spans_of(&l);
    assert_int_equal(s[0].until, T0 + 5 * HOUR);
    assert_int_equal(s[1].until, T0 + 5 * HOUR);
    assert_int_equal(job_span_next(&s[1], 0, WALL_NEVER), WALL_NEVER);
    assert_int_equal(s[2].until, WALL_NEVER);
    free(s);
    job_versions_fini(&l);
}

static void pruning_keeps_the_version_that_held_then(void **state)
{
    (void)state;
    struct job_versions l = {0};
    for (int i = 1; i <= 4; i++)
        add(&l, T0 + i * HOUR, "0 * * * *");
    job_versions_prune(&l, T0);
    assert_int_equal(l.count, 4);
    job_versions_prune(&l, T0 + 3 * HOUR - 1);
    assert_int_equal(l.count, 3);
    assert_int_equal(l.rows[0].number, 2);
    job_versions_prune(&l, T0 + 3 * HOUR);
    assert_int_equal(l.rows[0].number, 3);
    job_versions_prune(&l, WALL_NEVER);
    assert_int_equal(l.count, 1);
    assert_int_equal(l.rows[0].number, 4);
    job_versions_fini(&l);
}

static void a_schedule_that_cannot_be_read_is_said(void **state)
{
    (void)state;
    struct job_versions l = {0};
    struct job_span *spans;
    add(&l, T0, "0 * * * *");
    add(&l, T0, "nonsense");
    assert_int_not_equal(job_spans_new(&l, &spans), ERR_OK);
    job_versions_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_decides_occurrences_begins_a_version),
        cmocka_unit_test(a_version_says_what_the_job_is_up_to),
        cmocka_unit_test(a_span_has_the_occurrences_of_its_time_only),
        cmocka_unit_test(a_span_keeps_to_the_bounds_of_its_job),
        cmocka_unit_test(a_version_that_begins_earlier_takes_the_time_of_those_before),
        cmocka_unit_test(pruning_keeps_the_version_that_held_then),
        cmocka_unit_test(a_schedule_that_cannot_be_read_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
