// SPDX-License-Identifier: MIT
// test_parse.c: what expressions mean once compiled, and their normal form.

#include "cron_test.h"
#include "oracle.h"

static void normal_form(const char *text, const struct cron_options *o, char *out)
{
    struct cron_error e;
    if (cron_normalise(text, strlen(text), o, out, CRON_NORMAL_BYTES, &e))
        fail_msg("'%s': %s", text, e.message);
}

static void texts_have_one_normal_form(void **state)
{
    (void)state;
    static const struct {
        const char *text, *normal;
    } rows[] = {
        {"  05   08\t* * *  ", "5 8 * * *"},
        {"*/05 * ? * ?", "*/5 * * * *"},
        {"0 0 * jan-Mar mon,TUE", "0 0 * 1-3 1,2"},
        {"0 0 * * FRI-SUN", "0 0 * * 5-7"},
        {"0 0 * * 7", "0 0 * * 0"},
        {"0 0 * * MON-FRI/2", "0 0 * * 1-5/2"},
        {"0 0 L,LW,L-3,L-03W,015W * *", "0 0 L,LW,L-3,L-3W,15W * *"},
        {"0 0 13 * +FRI", "0 0 13 * +5"},
        {"0 0 13 * +?", "0 0 13 * *"},
        {"0 0 * * FRI#2,sunL,7#L", "0 0 * * 5#2,0L,0L"},
        {"0 0 0 1 1 * 2030-2040/2", "0 0 0 1 1 * 2030-2040/2"},
        {"*,5 * * * *", "*,5 * * * *"},
        {"@yearly", "0 0 1 1 *"},
        {"@hourly", "0 * * * *"},
        {"@every 1h30m", "@every 5400s"},
        {"2026-12-01T09:00", "2026-12-01T09:00:00"},
        {"2026-12-01T09:00:30+01:00", "2026-12-01T09:00:30+01:00"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char normal[CRON_NORMAL_BYTES];
        normal_form(rows[i].text, NULL, normal);
        assert_string_equal(normal, rows[i].normal);
    }
}

// For random texts: the normal form compiles to the same schedule and is its own normal form.
static void normal_forms_mean_the_same(void **state)
{
    (void)state;
    struct dice d = {.state = 4711};
    for (int i = 0; i < 20000; i++) {
        struct rule r;
        rule_random(&d, &r, dice_chance(&d, 3));
        if (strlen(r.text) > CRON_TEXT_BYTES_MAX)
            continue;
        char normal[CRON_NORMAL_BYTES], again[CRON_NORMAL_BYTES];
        normal_form(r.text, NULL, normal);
        normal_form(normal, NULL, again);
        struct cron_schedule a = schedule_of(r.text), b = schedule_of(normal);
        a.hashed = false;
        a.quartz_weekdays = false; // A warning about the text: the normal form has no `?`.
        if (memcmp(&a, &b, sizeof a) != 0 || strcmp(normal, again) != 0)
            fail_msg("'%s' differs from its normal form '%s' ('%s')", r.text, normal, again);
    }
}

static void different_texts_may_mean_the_same(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"0 0 * * FRI-SUN", "0 0 * * 5,6,0"},    {"0 0 * * 5-7", "0 0 * * 5,6,0"},
        {"0 0 * * SUN-TUE", "0 0 * * 0-2"},      {"0 0 * * 0-7", "0 0 * * 0-6"},
        {"0 0 * * 1-7", "0 0 * * 0-6"},          {"0 0 * * */2", "0 0 * * 0,2,4,6"},
        {"0 0 * */2 *", "0 0 * 1,3,5,7,9,11 *"}, {"1,2-5/2 0 * * *", "1,2-5/2,4 0 * * *"},
    };
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        struct cron_schedule a = schedule_of(pairs[i][0]), b = schedule_of(pairs[i][1]);
        assert_int_equal(a.minutes, b.minutes);
        assert_int_equal(a.months, b.months);
        assert_int_equal(a.weekdays, b.weekdays);
    }
}

// Fixed: none of second, minute and hour is written with `*` or `/`. The text decides, not the set.
static void the_text_decides_between_fixed_and_interval(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool fixed;
    } rows[] = {
        {"30 2 * * *", true},  {"0-59 2 * * *", true},  {"30 1-4 */2 * *", true},
        {"30 * * * *", false}, {"*/60 2 * * *", false}, {"5-5/1 2 * * *", false},
        {"@daily", true},      {"@hourly", false},      {"* 0 0 * * *", false},
        {"0 0 0 * * *", true}, {"@every 1d", false},    {"2026-12-01T09:00", true},
        {"H H * * *", true},   {"H/15 3 * * *", false},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct cron_schedule s = schedule_of(rows[i].text);
        if (cron_is_fixed(&s) != rows[i].fixed)
            fail_msg("'%s' has the wrong class", rows[i].text);
    }
}

// `H` depends on the job and the field, and on nothing else.
static void hashed_values_are_stable_and_spread(void **state)
{
    (void)state;
    char normal[CRON_NORMAL_BYTES];
    // Frozen: a change of these would move the jobs of everybody.
    normal_form("H H H H H", &(struct cron_options){.hash_seed = 1}, normal);
    assert_string_equal(normal, "55 3 16 8 4");
    normal_form("H/15 H(9-17) * * H(MON-FRI)", &(struct cron_options){.hash_seed = 42}, normal);
    assert_string_equal(normal, "8-59/15 15 * * 1");

    unsigned seen[60] = {0};
    for (int64_t job = 0; job < 6000; job++) {
        struct cron_options o = {.hash_seed = job};
        struct cron_schedule s = schedule_with("H H H * H(1-5)", &o);
        assert_int_equal(__builtin_popcountll(s.minutes), 1);
        assert_int_equal(s.days & ~UINT32_C(0x1ffffffe), 0); // Days 1 to 28.
        assert_int_equal(s.weekdays & ~0x3e, 0);
        seen[__builtin_ctzll(s.minutes)]++;
    }
    for (int minute = 0; minute < 60; minute++)
        assert_in_range(seen[minute], 50, 150); // 100 expected, 10 is the standard deviation.
}

// "31 H" is never the 31st of February. Whatever the job's id: if there is a date at all, it is one
// that exists, and the schedule fires.
static void hashed_dates_exist(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0 0 31 H *",      "0 0 30 H *",        "0 0 29 H *",          "0 0 31W H *",
        "0 0 L-30 H *",    "0 0 H(29-31) H *",  "0 0 31 H/12 *",       "0 0 H(30-31) H(2-3) *",
        "0 0 30 H(1-2) *", "0 0 0 29 H ? 2027", "0 0 0 31 10 +H 2027", "0 0 0 H(28-30) 2 +H 2028",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        for (int64_t job = 0; job < 500; job++) {
            struct cron_options o = {.hash_seed = job};
            char normal[CRON_NORMAL_BYTES];
            struct cron_schedule s = schedule_with(texts[i], &o), drawn;
            assert_true(cron_is_hashed(&s));
            if (cron_next(&s, zone_utc(), 0) == WALL_NEVER)
                fail_msg("'%s' never fires for job %d", texts[i], (int)job);
            normal_form(texts[i], &o, normal);
            drawn = schedule_of(normal);
            assert_int_equal(s.days, drawn.days);
            assert_int_equal(s.months, drawn.months);
            assert_int_equal(s.weekdays, drawn.weekdays);
        }
    }
}

// What does not exist for the first draw is drawn from all that does, and evenly.
static void hashed_dates_that_exist_are_spread(void **state)
{
    (void)state;
    unsigned seen[13] = {0};
    for (int64_t job = 0; job < 7000; job++) {
        struct cron_options o = {.hash_seed = job};
        struct cron_schedule s = schedule_with("0 0 31 H *", &o);
        seen[__builtin_ctz(s.months)]++;
    }
    for (unsigned month = 1; month <= 12; month++) {
        bool has_31 = days_in_month(2027, month) == 31;
        assert_in_range(seen[month], has_31 ? 850 : 0, has_31 ? 1150 : 0); // 1000 expected.
    }
}

// No draw helps: the 30th of February.
static void a_date_that_no_draw_can_save_never_fires(void **state)
{
    (void)state;
    struct cron_schedule s =
        schedule_with("H H H(30-31) 2 *", &(struct cron_options){.hash_seed = 7});
    assert_int_equal(cron_next(&s, zone_utc(), 0), WALL_NEVER);
}

static void a_hashed_step_keeps_its_distance(void **state)
{
    (void)state;
    for (int64_t job = 0; job < 1000; job++) {
        struct cron_options o = {.hash_seed = job};
        struct cron_schedule s = schedule_with("H/20 H(0-5)/10 * * *", &o);
        assert_int_equal(__builtin_popcountll(s.minutes), 3);
        uint64_t first = s.minutes & -s.minutes;
        assert_int_equal(s.minutes, first | first << 20 | first << 40);
        assert_int_equal(__builtin_popcount(s.hours), 1);
        assert_int_equal(s.hours & ~0x3fu, 0);
    }
}

// A million of them are kept in memory.
static void a_schedule_is_small(void **state)
{
    (void)state;
    assert_int_equal(sizeof(struct cron_schedule), 104);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_have_one_normal_form),
        cmocka_unit_test(normal_forms_mean_the_same),
        cmocka_unit_test(different_texts_may_mean_the_same),
        cmocka_unit_test(the_text_decides_between_fixed_and_interval),
        cmocka_unit_test(hashed_values_are_stable_and_spread),
        cmocka_unit_test(hashed_dates_exist),
        cmocka_unit_test(hashed_dates_that_exist_are_spread),
        cmocka_unit_test(a_date_that_no_draw_can_save_never_fires),
        cmocka_unit_test(a_hashed_step_keeps_its_distance),
        cmocka_unit_test(a_schedule_is_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
