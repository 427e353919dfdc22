// SPDX-License-Identifier: MIT
// test_warn.c: which legal schedules are warned about.

#include "cron_test.h"

// The codes of all warnings, separated by blanks; *text becomes the text of the last.
static const char *warned(const char *expression, const char *zone, const struct cron_options *o,
                          char *codes, char *text)
{
    struct cron_schedule s = schedule_with(expression, o);
    struct cron_warning w[CRON_WARNING_CODES];
    size_t count = cron_warnings(&s, zone_of(zone), instant_of("2026-11-24T00:00:00Z"), w);
    *codes = *text = '\0';
    for (size_t i = 0; i < count; i++) {
        sprintf(codes + strlen(codes), "%s%s", i ? " " : "", cron_warning_name(w[i].code));
        strcpy(text, w[i].text);
    }
    return codes;
}

static void surprises_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *zone, *codes;
    } rows[] = {
        {"30 3 * * *", "Europe/Paris", ""},
        {"0 0 1 * MON", "UTC", "both_days"},
        {"0 0 1 * +MON", "UTC", ""},
        {"0 0 ? * MON", "UTC", ""},
        {"*/7 * * * *", "UTC", "uneven_step"},
        {"*/15 * * * *", "UTC", ""},
        {"*/15,3 */5 * * *", "UTC", "uneven_step"},
        {"10-50/7 * * * *", "UTC", ""}, // Nobody expects a range to close the circle.
        {"0-50/7 * * * *", "UTC", ""},
        {"10-59/7 * * * *", "UTC", ""},
        {"0 0 */2 * *", "UTC", "uneven_step step_origin"},
        {"0 0 10-20/4 * *", "UTC", "step_origin"},
        {"0 0 12-20/4 * *", "UTC", ""}, // Multiples of four all the same.
        {"0 0 1 */2 *", "UTC", "step_origin"},
        {"* 5 * * * *", "UTC", "frequent"},
        {"* */4 * * *", "UTC", "every_minute"},
        {"* 2 * * *", "UTC", "every_minute"},
        {"0 * 2,20 * * *", "UTC", "every_minute"},
        {"* * * * *", "UTC", ""},
        {"* 9-17 * * *", "UTC", ""},
        {"0-58 2 * * *", "UTC", ""},
        {"@every 1s", "UTC", "frequent"},
        {"*/2 * * * * *", "UTC", "frequent"},
        {"*/3 * * * * *", "UTC", ""},
        {"*/15 2 * * *", "Europe/Paris", "gap"},
        {"*/15 2 * * *", "UTC", ""},
        {"*/15 1-2 * * *", "Europe/Paris", ""}, // A part of it runs.
        {"*/15 2 * * MON", "Europe/Paris", ""}, // The change is on a Sunday.
        {"*/15 2 1 5 *", "Europe/Paris", ""},
        {"30 2 * * *", "Europe/Paris", "gap"},
        {"30 2 * * *", "Asia/Tokyo", ""},
        {"*/15 0 * * *", "America/Santiago", "gap"}, // From midnight to one.
        {"30 0 * * *", "America/Santiago", "gap"},
        {"*/15 0-1 * * *", "America/Santiago", ""},
        {"2027-03-28T02:30", "Europe/Paris", ""},
        {"0 0 30 2 *", "UTC", ""},
        {"0 0 12 ? * 2-6", "UTC", "quartz_weekdays"},
        {"0 12 ? * 2", "UTC", "quartz_weekdays"},
        {"0 0 12 ? * 6L", "UTC", "quartz_weekdays"},
        {"0 0 12 ? * 2#1 2030", "UTC", "quartz_weekdays"},
        {"0 0 12 ? * MON-FRI", "UTC", ""},
        {"0 0 12 ? * MON#2", "UTC", ""},
        {"0 0 12 ? * 0-5", "UTC", ""}, // Quartz has no day 0.
        {"0 0 12 ? * */2", "UTC", "uneven_step"},
        {"0 0 12 * * 2-6", "UTC", ""},
        {"0 0 12 15 * ?", "UTC", ""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char codes[128], text[256];
        if (strcmp(warned(rows[i].text, rows[i].zone, NULL, codes, text), rows[i].codes) != 0)
            fail_msg("'%s' in %s is warned of '%s' (%s)", rows[i].text, rows[i].zone, codes, text);
    }
}

static void a_gap_is_told_with_its_date_and_effect(void **state)
{
    (void)state;
    char codes[128], text[256];
    warned("*/15 2 * * *", "Europe/Paris", NULL, codes, text);
    assert_string_equal(text, "the clocks of Europe/Paris skip 02:00-03:00 on 2027-03-28: "
                              "it does not run on that day");
    warned("30 2 * * *", "Europe/Paris", NULL, codes, text);
    assert_string_equal(text, "the clocks of Europe/Paris skip 02:00-03:00 on 2027-03-28: "
                              "what is due in between runs at 03:00");
    const struct cron_options skip = {.gap = CRON_GAP_SKIP};
    warned("30 2 * * *", "Europe/Paris", &skip, codes, text);
    assert_string_equal(text, "the clocks of Europe/Paris skip 02:00-03:00 on 2027-03-28: "
                              "it does not run on that day");
    warned("30 2,4 * * *", "Europe/Paris", &skip, codes, text);
    assert_string_equal(codes, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(surprises_are_named),
        cmocka_unit_test(a_gap_is_told_with_its_date_and_effect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
