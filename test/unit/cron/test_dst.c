// SPDX-License-Identifier: MIT
// test_dst.c: gaps and repeated hours, as the specification's worked examples have them.

#include "cron_test.h"

struct example {
    const char *text;
    const char *after;
    const char *runs; // All of them up to the last one that matters.
};

static void check(const char *zone, const struct cron_options *o, const struct example *examples,
                  size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct example *e = &examples[i];
        struct cron_schedule s = schedule_with(e->text, o);
        int wanted = 1;
        for (const char *c = e->runs; *c; c++)
            wanted += *c == ' ';
        char got[512];
        runs_of(&s, zone, e->after, wanted, got, sizeof got);
        if (strcmp(got, e->runs) != 0)
            fail_msg("'%s' in %s after %s:\n  expected %s\n  got      %s", e->text, zone, e->after,
                     e->runs, got);
    }
}

// Paris, 2026-03-29: 02:00 becomes 03:00 at 01:00Z.
static void a_gap_moves_fixed_times_and_drops_intervals(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z 2026-03-30T00:30:00Z"},
        {"0,30 2 * * *", "2026-03-28T12:00:00Z",
         "2026-03-29T01:00:00Z 2026-03-30T00:00:00Z 2026-03-30T00:30:00Z"},
        {"0 2,3 * * *", "2026-03-28T12:00:00Z",
         "2026-03-29T01:00:00Z 2026-03-30T00:00:00Z 2026-03-30T01:00:00Z"},
        {"30 2,14 * * *", "2026-03-28T22:00:00Z",
         "2026-03-29T01:00:00Z 2026-03-29T12:30:00Z 2026-03-30T00:30:00Z"},
        {"30 1-4 * * *", "2026-03-28T22:00:00Z",
         "2026-03-29T00:30:00Z 2026-03-29T01:00:00Z 2026-03-29T01:30:00Z 2026-03-29T02:30:00Z"},
        {"*/15 2 * * *", "2026-03-28T12:00:00Z", "2026-03-30T00:00:00Z"},
        {"30 * * * *", "2026-03-29T00:00:00Z",
         "2026-03-29T00:30:00Z 2026-03-29T01:30:00Z 2026-03-29T02:30:00Z"},
        {"0 */2 * * *", "2026-03-28T22:00:00Z", "2026-03-28T23:00:00Z 2026-03-29T02:00:00Z"},
    };
    check("Europe/Paris", NULL, examples, COUNT_OF(examples));
}

// Paris, 2026-10-25: 03:00 becomes 02:00 at 01:00Z.
static void a_repeated_hour_runs_fixed_times_once_and_intervals_twice(void **state)
{
    (void)state;
    static const struct example examples[] = {
        {"30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z 2026-10-26T01:30:00Z"},
        {"30 2 * * *", "2026-10-25T00:45:00Z", "2026-10-26T01:30:00Z"},
        {"30 1-4 * * *", "2026-10-24T22:00:00Z",
         "2026-10-24T23:30:00Z 2026-10-25T00:30:00Z 2026-10-25T02:30:00Z 2026-10-25T03:30:00Z"},
        {"0,30 * * * *", "2026-10-24T23:45:00Z",
         "2026-10-25T00:00:00Z 2026-10-25T00:30:00Z 2026-10-25T01:00:00Z 2026-10-25T01:30:00Z "
         "2026-10-25T02:00:00Z"},
        {"*/15 2 * * *", "2026-10-24T12:00:00Z",
         "2026-10-25T00:00:00Z 2026-10-25T00:15:00Z 2026-10-25T00:30:00Z 2026-10-25T00:45:00Z "
         "2026-10-25T01:00:00Z 2026-10-25T01:15:00Z 2026-10-25T01:30:00Z 2026-10-25T01:45:00Z "
         "2026-10-26T01:00:00Z"},
        {"0 */2 * * *", "2026-10-24T22:30:00Z",
         "2026-10-25T00:00:00Z 2026-10-25T01:00:00Z 2026-10-25T03:00:00Z"},
    };
    check("Europe/Paris", NULL, examples, COUNT_OF(examples));
}

// Changes of half an hour and two hours, at midnight, and a day that never was.
static void odd_changes_follow_the_same_rule(void **state)
{
    (void)state;
    static const struct {
        const char *zone;
        struct example example;
    } rows[] = {
        {"Australia/Lord_Howe", {"15 2 * * *", "2026-10-03T12:00:00Z", "2026-10-03T15:30:00Z"}},
        {"Australia/Lord_Howe",
         {"45 1 * * *", "2026-04-04T12:00:00Z", "2026-04-04T14:45:00Z 2026-04-05T15:15:00Z"}},
        {"Australia/Lord_Howe",
         {"*/15 * * * *", "2026-04-04T14:15:00Z",
          "2026-04-04T14:30:00Z 2026-04-04T14:45:00Z 2026-04-04T15:00:00Z 2026-04-04T15:15:00Z "
          "2026-04-04T15:30:00Z"}},
        {"Africa/Cairo", {"0 0 * * *", "2026-04-23T12:00:00Z", "2026-04-23T22:00:00Z"}},
        {"Africa/Cairo",
         {"15 0 * * *", "2026-04-23T12:00:00Z", "2026-04-23T22:00:00Z 2026-04-24T21:15:00Z"}},
        {"Antarctica/Troll", {"30 1 * * *", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"}},
        {"Antarctica/Troll", {"30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"}},
        {"America/Nuuk", {"30 23 * * 6", "2026-03-27T12:00:00Z", "2026-03-29T01:00:00Z"}},
        {"Pacific/Apia",
         {"0 10 * * *", "2011-12-29T12:00:00Z",
          "2011-12-29T20:00:00Z 2011-12-30T20:00:00Z 2011-12-31T20:00:00Z"}},
        // The whole of 2011-12-30 is missing, so what only happens then happens never.
        {"Pacific/Apia", {"0 0 10 30 12 * 2011", "2011-12-01T00:00:00Z", "-"}},
        {"Pacific/Kiritimati", {"0 0 31 12 *", "1994-12-01T00:00:00Z", "1995-12-30T10:00:00Z"}},
        {"Pacific/Apia", {"0 10 31 * *", "2011-12-29T00:00:00Z", "2011-12-30T20:00:00Z"}},
        // Half of the date exists: the gap ends at 23:00 by the other side of the date line.
        {"America/Asuncion", {"0 0 1 10 *", "2017-09-30T00:00:00Z", "2017-10-01T04:00:00Z"}},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        check(rows[i].zone, NULL, &rows[i].example, 1);
}

static void a_job_may_skip_what_a_gap_swallows(void **state)
{
    (void)state;
    const struct cron_options o = {.gap = CRON_GAP_SKIP};
    static const struct example examples[] = {
        {"30 2 * * *", "2026-03-28T12:00:00Z", "2026-03-30T00:30:00Z"},
        {"0 2,3 * * *", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z 2026-03-30T00:00:00Z"},
        {"30 2 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z 2026-10-26T01:30:00Z"},
    };
    check("Europe/Paris", &o, examples, COUNT_OF(examples));
}

static void a_job_may_choose_the_pass_of_a_repeated_hour(void **state)
{
    (void)state;
    const struct cron_options both = {.fold = CRON_FOLD_BOTH};
    const struct cron_options second = {.fold = CRON_FOLD_SECOND};
    const struct cron_options first = {.fold = CRON_FOLD_FIRST};
    static const struct example twice = {
        "30 2 * * *", "2026-10-24T12:00:00Z",
        "2026-10-25T00:30:00Z 2026-10-25T01:30:00Z 2026-10-26T01:30:00Z"};
    static const struct example later = {"30 2 * * *", "2026-10-24T12:00:00Z",
                                         "2026-10-25T01:30:00Z 2026-10-26T01:30:00Z"};
    // Once a year, asked between the passes: the match a year later must not hide the second pass.
    static const struct example yearly = {"30 2 25 10 *", "2026-10-25T00:45:00Z",
                                          "2026-10-25T01:30:00Z 2027-10-25T00:30:00Z"};
    check("Europe/Paris", &both, &yearly, 1);
    check("Europe/Paris", &both, &twice, 1);
    check("Europe/Paris", &second, &later, 1);
    // An interval job may leave out one of the passes, too.
    static const struct example silent = {
        "0,30 * * * *", "2026-10-25T00:15:00Z",
        "2026-10-25T00:30:00Z 2026-10-25T02:00:00Z 2026-10-25T02:30:00Z"};
    static const struct example waits = {"0,30 * * * *", "2026-10-24T23:45:00Z",
                                         "2026-10-25T01:00:00Z 2026-10-25T01:30:00Z"};
    check("Europe/Paris", &first, &silent, 1);
    check("Europe/Paris", &second, &waits, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gap_moves_fixed_times_and_drops_intervals),
        cmocka_unit_test(a_repeated_hour_runs_fixed_times_once_and_intervals_twice),
        cmocka_unit_test(odd_changes_follow_the_same_rule),
        cmocka_unit_test(a_job_may_skip_what_a_gap_swallows),
        cmocka_unit_test(a_job_may_choose_the_pass_of_a_repeated_hour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
