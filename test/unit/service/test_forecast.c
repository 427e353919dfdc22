// SPDX-License-Identifier: MIT
// test_forecast.c: what many jobs will do comes in order of time, in pages, as each job by itself
// would do it.

#include "service/forecast_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define T0 ((wall_ms)1893456000000) // 2030-01-01T00:00:00Z, a Tuesday.
#define MINUTE ((wall_ms)60000)
#define HOUR (60 * MINUTE)
#define LIST_MAX 4000

struct list {
    struct forecast_place places[LIST_MAX];
    size_t count;
    size_t limit;
};

static enum err add(void *context, const struct forecast_place *o)
{
    struct list *l = context;
    l->places[l->count++] = *o;
    return l->count == l->limit ? ERR_LIMIT : ERR_OK;
}

static struct job *job_of(job_id id, const char *schedule)
{
    struct job *j = job_new();
    j->id = id;
    job_set_text(&j->schedule, schedule);
    job_set_text(&j->timezone, "UTC");
    job_set_text(&j->api, "http://example.com/");
    return j;
}

// Takes the job.
static void put(struct forecast *f, struct job *j)
{
    assert_int_equal(forecast_add(f, j), ERR_OK);
    job_free(j);
}

static void assert_place(const struct list *l, size_t i, wall_ms at, job_id job)
{
    assert_true(i < l->count);
    assert_int_equal(l->places[i].at, at);
    assert_int_equal(l->places[i].job, job);
}

static const struct forecast_place from_now = {T0, INT64_MAX};

static void runs_come_in_order_of_time_then_of_job(void **state)
{
    (void)state;
    struct forecast *f = forecast_new(T0, 100);
    struct list l = {.limit = LIST_MAX};
    put(f, job_of(1, "*/2 * * * *"));
    put(f, job_of(2, "* * * * *"));
    put(f, job_of(3, "*/2 * * * *"));
    put(f, job_of(4, "0 0 1 6 *"));
    assert_int_equal(forecast_list(f, &from_now, T0 + 2 * MINUTE, add, &l), ERR_OK);
    assert_int_equal(l.count, 4);
    assert_place(&l, 0, T0 + MINUTE, 2);
    assert_place(&l, 1, T0 + 2 * MINUTE, 1);
    assert_place(&l, 2, T0 + 2 * MINUTE, 2);
    assert_place(&l, 3, T0 + 2 * MINUTE, 3);
    forecast_free(f);
}

static void what_does_not_run_is_left_out(void **state)
{
    (void)state;
    struct forecast *f = forecast_new(T0, 100);
    struct list l = {.limit = LIST_MAX};
    struct job *j = job_of(1, "* * * * *");
    j->is_active = false;
    put(f, j);
    put(f, job_of(2, "no schedule"));
    j = job_of(3, "* * * * *");
    j->end_at = T0 + MINUTE;
    put(f, j);
    j = job_of(4, "* * * * *");
    j->start_at = T0 + 3 * MINUTE;
    put(f, j);
    j = job_of(5, "* * * * *");
    j->max_runs = 7;
    j->runs = 5;
    put(f, j);
    assert_int_equal(forecast_list(f, &from_now, T0 + 3 * MINUTE, add, &l), ERR_OK);
    assert_int_equal(l.count, 4);
    assert_place(&l, 0, T0 + MINUTE, 3);
    assert_place(&l, 1, T0 + MINUTE, 5);
    assert_place(&l, 2, T0 + 2 * MINUTE, 5);
    assert_place(&l, 3, T0 + 3 * MINUTE, 4);
    forecast_free(f);
}

static void fill(struct forecast *f)
{
    static const char *const schedules[] = {"*/7 * * * *",  "H * * * *",   "@every 90s",
                                            "30 */2 * * *", "*/7 * * * *", "5,25 0-3 * * *"};
    for (job_id id = 1; id <= 60; id++) {
        struct job *j = job_of(id, schedules[(size_t)id % COUNT_OF(schedules)]);
        j->max_runs = id % 10 ? 0 : 12;
        put(f, j);
    }
}

// Whatever the page's length is, pages put together are the whole list.
static void pages_neither_repeat_nor_skip(void **state)
{
    (void)state;
    struct forecast *f = forecast_new(T0, 100);
    struct list whole = {.limit = LIST_MAX};
    fill(f);
    assert_int_equal(forecast_list(f, &from_now, T0 + 4 * HOUR, add, &whole), ERR_OK);
    assert_true(whole.count > 1000);
    for (size_t limit = 1; limit < 100; limit = 3 * limit + 1) {
        struct list pages = {.limit = 0};
        struct forecast_place after = from_now;
        while (pages.count == pages.limit) {
            pages.limit += limit;
            enum err err = forecast_list(f, &after, T0 + 4 * HOUR, add, &pages);
            assert_int_equal(err, pages.count == pages.limit ? ERR_LIMIT : ERR_OK);
            after = pages.places[pages.count - 1];
        }
        assert_int_equal(pages.count, whole.count);
        assert_memory_equal(pages.places, whole.places, whole.count * sizeof *whole.places);
    }
    forecast_free(f);
}

// Each job by itself, as its page shows it.
static void a_job_runs_as_it_would_alone(void **state)
{
    (void)state;
    struct forecast *f = forecast_new(T0, 100);
    struct list l = {.limit = LIST_MAX};
    fill(f);
    assert_int_equal(forecast_list(f, &from_now, T0 + 4 * HOUR, add, &l), ERR_OK);
    for (job_id id = 1; id <= 60; id += 7) {
        wall_ms runs[200];
        struct service_schedule s;
        static const char *const schedules[] = {"*/7 * * * *",  "H * * * *",   "@every 90s",
                                                "30 */2 * * *", "*/7 * * * *", "5,25 0-3 * * *"};
        struct job *j = job_of(id, schedules[(size_t)id % COUNT_OF(schedules)]);
        j->max_runs = id % 10 ? 0 : 12;
        assert_true(service_read_schedule(j, &s));
        size_t expected = service_next_runs(j, &s, T0, COUNT_OF(runs), runs), seen = 0;
        for (size_t i = 0; i < l.count; i++) {
            if (l.places[i].job == id)
                assert_int_equal(l.places[i].at, runs[seen++]);
        }
        assert_true(seen == expected || runs[seen] > T0 + 4 * HOUR);
        job_free(j);
    }
    forecast_free(f);
}

static void too_many_rules_are_refused(void **state)
{
    (void)state;
    struct forecast *f = forecast_new(T0, 2);
    put(f, job_of(1, "1 * * * *"));
    put(f, job_of(2, "2 * * * *"));
    put(f, job_of(3, "1 * * * *"));
    struct job *j = job_of(4, "3 * * * *");
    assert_int_equal(forecast_add(f, j), ERR_LIMIT);
    job_free(j);
    forecast_free(f);
}

static void runs_are_counted_only_so_far(void **state)
{
    (void)state;
    struct forecast *f = forecast_new(T0, 2);
    struct list l = {.limit = 1};
    struct job *j = job_of(1, "* * * * * *");
    j->max_runs = 1000000000;
    put(f, j);
    const struct forecast_place near = {T0 + 24 * HOUR, 1}, far = {T0 + 24 * 365 * HOUR, 1};
    assert_int_equal(forecast_list(f, &near, WALL_NEVER, add, &l), ERR_LIMIT);
    assert_place(&l, 0, T0 + 24 * HOUR + 1000, 1);
    assert_int_equal(forecast_list(f, &far, WALL_NEVER, add, &l), ERR_RANGE);
    forecast_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_come_in_order_of_time_then_of_job),
        cmocka_unit_test(what_does_not_run_is_left_out),
        cmocka_unit_test(pages_neither_repeat_nor_skip),
        cmocka_unit_test(a_job_runs_as_it_would_alone),
        cmocka_unit_test(too_many_rules_are_refused),
        cmocka_unit_test(runs_are_counted_only_so_far),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
