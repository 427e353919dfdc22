// SPDX-License-Identifier: MIT
// test_delay.c: the expression of a schedule that is so many seconds later.

#include "cron_test.h"

static const struct {
    const char *text;
    uint32_t delay_s;
    const char *delayed; // NULL: no one expression says it.
} rows[] = {
    {"* * * * *", 30, "30 * * * * *"},
    {"30 2  * * MON", 5, "5 30 2  * * MON"},
    {"H H(6-18) * * *", 5, "5 H H(6-18) * * *"},
    {"@daily", 15, "15 0 0 * * *"},
    {"@hourly", 60, "1 * * * *"},
    {"* * * * *", 60, "* * * * *"},
    {"* * * * *", 61, "1 * * * * *"},
    {"* * * * MON", 60, NULL}, // The last minute of a Monday would come on a Tuesday.
    {"* 2 * * *", 60, NULL},   // And the last of an hour in the next one.
    {"*/5 * * * *", 120, "2-59/5 * * * *"},
    {"*/20 3 * * *", 3661, "1 1-59/20 4 * * *"},
    {"*/5 * * * *", 300, "0-59/5 * * * *"},
    {"*/7 * * * *", 300, "1,5,12,19,26,33,40,47,54 * * * *"},
    {"58,59 * * * *", 60, "0,59 * * * *"},
    {"58,59 2 * * *", 60, NULL},
    {"58,59 2 * * *", 120, "0,1 3 * * *"},
    {"0 0-23/2 * * *", 3600, "0 1-23/2 * * *"},
    {"0 9-17 * * *", 3600, "0 10-18 * * *"},
    {"59 23 * * *", 60, "0 0 * * *"},
    {"0-10/5 3 * * *", 60, "1-11/5 3 * * *"},
    {"0-59 2 * * *", 3600, "0-59 3 * * *"},
    {"*/7 3 * * *", 180, "3-59/7 3 * * *"},
    {"*/7,1 3 * * *", 180, NULL}, // As a list it would not follow the clock any more.
    {"59 23 1 * *", 60, NULL},
    {"59 22 1 * *", 60, "0 23 1 * *"},
    {"0 0 * * *", 86400, "0 0 * * *"},
    {"0 0 * * THU", 120, "2 0 * * 4"},
    {"H 0 * * *", 60, NULL},
    {"0 0 H * *", 60, NULL},
    {"@every 5m", 30, NULL},
    {"2027-01-01T00:00", 30, NULL},
    {"30 * * * * *", 5, NULL}, // A second is there already.
    {"0 0 31 2 *", 60, "1 0 31 2 *"},
    {"61 * * * *", 5, NULL},
};

static void a_delay_is_part_of_the_expression(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char out[CRON_TEXT_BYTES_MAX + 1] = "unchanged";
        enum err err =
            cron_delay(rows[i].text, strlen(rows[i].text), rows[i].delay_s, out, sizeof out);
        const char *wanted = rows[i].delayed ? rows[i].delayed : "unchanged";
        if ((err == ERR_OK) != (rows[i].delayed != NULL) || strcmp(out, wanted) != 0)
            fail_msg("%s and %u s: %s", rows[i].text, rows[i].delay_s, out);
    }
    char small[8];
    assert_int_equal(cron_delay("* * * * *", 9, 30, small, sizeof small), ERR_LIMIT);
    assert_int_equal(cron_delay("x", 1, 30, small, sizeof small), ERR_SYNTAX);
}

static void check_next(const struct cron_schedule *s, wall_ms after, wall_ms wanted,
                       const char *text)
{
    wall_ms next = cron_next(s, zone_utc(), after);
    if (next != wanted)
        fail_msg("%s: %lld after %lld", text, (long long)(next - after),
                 (long long)(wanted - after));
}

// Every instant of a week, one by one.
static void a_delayed_schedule_fires_as_often_and_later(void **state)
{
    (void)state;
    const wall_ms start = instant_of("2026-11-23T00:00:00Z");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char out[CRON_TEXT_BYTES_MAX + 1];
        if (cron_delay(rows[i].text, strlen(rows[i].text), rows[i].delay_s, out, sizeof out) ||
            strchr(rows[i].text, 'H'))
            continue;
        struct cron_schedule first = schedule_with(rows[i].text, NULL);
        struct cron_schedule second = schedule_with(out, NULL);
        wall_ms delay = rows[i].delay_s * INT64_C(1000);
        wall_ms a = cron_next(&first, zone_utc(), start);
        for (int n = 0; n < 200 && a < start + 7 * INT64_C(86400000); n++) {
            wall_ms b = cron_next(&second, zone_utc(), a + delay - 1000);
            if (b != a + delay)
                fail_msg("%s becomes %s", rows[i].text, out);
            a = cron_next(&first, zone_utc(), a);
            if (a != WALL_NEVER)
                check_next(&second, b, a + delay, out);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_delay_is_part_of_the_expression),
        cmocka_unit_test(a_delayed_schedule_fires_as_often_and_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
