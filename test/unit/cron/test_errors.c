// SPDX-License-Identifier: MIT
// test_errors.c: what a refused schedule tells.
//
// The table of the specification: code, field, position, message and hint. Clients show a caret
// under the position, and their users paste the hint, so that these are promises.

#include "cron_test.h"

struct refusal {
    const char *text;
    enum cron_code code;
    enum cron_field field;
    size_t position;
    const char *message; // A part of it.
    const char *hint;
};

static const struct refusal refusals[] = {
    {"60 * * * *", CRON_RANGE, CRON_MINUTE, 0, "60 is out of range 0-59", ""},
    {"* * * *", CRON_FIELD_COUNT, CRON_NO_FIELD, 0, "expected 5, 6 or 7 fields, found 4",
     "minute hour day month weekday"},
    {"5/15 * * * *", CRON_STEP, CRON_MINUTE, 0, "a step needs `*` or a range before it", "5-59/15"},
    {"/5 * * * *", CRON_STEP, CRON_MINUTE, 0, "a step needs `*` or a range before it", "*/5"},
    {"*/0 * * * *", CRON_STEP, CRON_MINUTE, 2, "step must be at least 1", ""},
    {"*/90 * * * *", CRON_STEP, CRON_MINUTE, 2, "step 90 is larger than the field's 60 values",
     "@every 90m"},
    {"0 22-2 * * *", CRON_BACKWARDS, CRON_HOUR, 2, "range 22-2 runs backwards", "22-23,0-2"},
    {"0 0 * * FRI-MON", CRON_BACKWARDS, CRON_WEEKDAY, 8, "range FRI-MON runs backwards",
     "FRI-SUN,MON"},
    {"0 0 * * MONDAY", CRON_SYNTAX, CRON_WEEKDAY, 8, "expected 0-7 or SUN-SAT, found 'MONDAY'",
     "MON"},
    {"? * * * *", CRON_CHAR, CRON_MINUTE, 0, "`?` is only for the two day fields", "*"},
    {"0 0 l * *", CRON_SYNTAX, CRON_DAY, 4, "'l'", "L"},
    {"0 0 * * L", CRON_SYNTAX, CRON_WEEKDAY, 8, "`L` needs a weekday", "6L, or L in the day field"},
    {"0 0 * * 5#6", CRON_RANGE, CRON_WEEKDAY, 10, "occurrence 6 is out of range 1-5", ""},
    {"1,,2 * * * *", CRON_SYNTAX, CRON_MINUTE, 2, "value expected, found ','", ""},
    {"0 0 1 1 * 2030", CRON_RANGE, CRON_WEEKDAY, 10, "2030 is out of range 0-7",
     "six fields start with seconds; add `0` in front: 0 0 0 1 1 * 2030"},
    {"@Daily", CRON_NICKNAME, CRON_NO_FIELD, 0, "unknown nickname '@Daily'", "@daily"},
    {"@reboot", CRON_UNSUPPORTED, CRON_NO_FIELD, 0, "@reboot is not supported by a service", ""},
    {"@every 500ms", CRON_DURATION, CRON_NO_FIELD, 7, "not a duration such as 90s or 1h30m", ""},
    // And what the table does not name.
    {"  60 * * * *", CRON_RANGE, CRON_MINUTE, 2, "60 is out of range 0-59", ""},
    {"4294967296 * * * *", CRON_RANGE, CRON_MINUTE, 0, "4294967296 is out of range 0-59", ""},
    {"*/4294967297 * * * *", CRON_STEP, CRON_MINUTE, 2, "is larger than the field's 60 values", ""},
    {"0 0 15w * *", CRON_SYNTAX, CRON_DAY, 4, "'15w'", "15W"},
    {"0 0 * * fril", CRON_SYNTAX, CRON_WEEKDAY, 8, "'fril'", "friL"},
    {"h * * * *", CRON_SYNTAX, CRON_MINUTE, 0, "'h'", "H"},
    {"0 0 * MON *", CRON_SYNTAX, CRON_MONTH, 6, "'MON'", "MON belongs in the weekday field"},
    {"0 0 * January *", CRON_SYNTAX, CRON_MONTH, 6, "'January'", "JAN"},
    {"0 0 * * MON-FRI#2", CRON_SYNTAX, CRON_WEEKDAY, 8, "`#` needs one weekday", "MON#2,TUE#2"},
    {"0 0 * * 6-0", CRON_BACKWARDS, CRON_WEEKDAY, 8, "range 6-0 runs backwards", "6-7"},
    {"0 0 * NOV-FEB *", CRON_BACKWARDS, CRON_MONTH, 6, "range NOV-FEB", "NOV-DEC,JAN-FEB"},
    {"0 0 0 1 1 * 2030-2029", CRON_BACKWARDS, CRON_YEAR, 12, "2030-2029", "2029-2030"},
    {"0 0 1,2 *", CRON_FIELD_COUNT, CRON_NO_FIELD, 0, "found 4", "minute hour day month weekday"},
    {"", CRON_FIELD_COUNT, CRON_NO_FIELD, 0, "found 0", "minute hour day month weekday"},
    {"1, * * * *", CRON_SYNTAX, CRON_MINUTE, 2, "found the end of the field", ""},
    {"-1 * * * *", CRON_SYNTAX, CRON_MINUTE, 0, "value expected before '-'", ""},
    {"5- * * * *", CRON_SYNTAX, CRON_MINUTE, 2, "value expected after '-'", ""},
    {"*/ * * * *", CRON_SYNTAX, CRON_MINUTE, 2, "step expected after '/'", ""},
    {"0 9\xe2\x80\x93"
     "17 * * *",
     CRON_CHAR, CRON_NO_FIELD, 3, "byte 0xe2", ""},
    {"0 0\xc2\xa0* * *", CRON_CHAR, CRON_NO_FIELD, 3, "byte 0xc2", ""},
    {"* * * * *\n", CRON_CHAR, CRON_NO_FIELD, 9, "byte 0x0a", ""},
    {"@daily x", CRON_NICKNAME, CRON_NO_FIELD, 7, "nothing may follow @daily", ""},
    {"@every", CRON_NICKNAME, CRON_NO_FIELD, 0, "@every needs a duration", "@every 90s"},
    {"@every 367d", CRON_DURATION, CRON_NO_FIELD, 7, "at most 366d", ""},
    {"@every 0s", CRON_DURATION, CRON_NO_FIELD, 7, "at least 1s", ""},
    {"@every 1m1h", CRON_DURATION, CRON_NO_FIELD, 7, "not a duration", ""},
    {"@every 99999999999999999999d", CRON_DURATION, CRON_NO_FIELD, 7, "at most 366d", ""},
    {"2026-02-30T00:00", CRON_ONESHOT, CRON_NO_FIELD, 8, "day 30 is out of range 1-28", ""},
    {"2026-01-01T00:60", CRON_ONESHOT, CRON_NO_FIELD, 14, "minute 60 is out of range", ""},
    {"2026-01-01T00:00:00+24:00", CRON_ONESHOT, CRON_NO_FIELD, 20, "offset hour 24", ""},
    {"2026-01-01T00:00:00.5Z", CRON_ONESHOT, CRON_NO_FIELD, 19, "not an ISO 8601",
     "2026-01-01T00:00:00Z"},
    {"1969-12-31T00:00", CRON_ONESHOT, CRON_NO_FIELD, 0, "year 1969 is out of range", ""},
    {"2026-01-01", CRON_FIELD_COUNT, CRON_NO_FIELD, 0, "found 1", "2026-01-01T00:00:00"},
    {"H(0-99) * * * *", CRON_RANGE, CRON_MINUTE, 4, "99 is out of range 0-59", ""},
    {"H(5) * * * *", CRON_SYNTAX, CRON_MINUTE, 2, "a range is expected", ""},
    {"H(1-5 * * * *", CRON_SYNTAX, CRON_MINUTE, 0, "')' expected", ""},
    {"H(5-1) * * * *", CRON_BACKWARDS, CRON_MINUTE, 2, "5-1 runs backwards", ""},
    {"0 0 0 1 1 * H", CRON_SYNTAX, CRON_YEAR, 12, "expected 1970-2199", ""},
    // Ranges that run backwards, with a step: all values, or nothing where they are too many.
    {"58-2/2 * * * *", CRON_BACKWARDS, CRON_MINUTE, 0, "58-2", "58,0,2"},
    {"* * * * 5-1/2", CRON_BACKWARDS, CRON_WEEKDAY, 8, "5-1", "5,0"},
    {"0 0 * NOV-FEB/2 *", CRON_BACKWARDS, CRON_MONTH, 6, "NOV-FEB", "NOV,JAN"},
    {"0 22-2/1 * * *", CRON_BACKWARDS, CRON_HOUR, 2, "22-2", "22-23,0-2"},
    {"31-30/2 * * * *", CRON_BACKWARDS, CRON_MINUTE, 0, "31-30",
     "31,33,35,37,39,41,43,45,47,49,51,53,55,57,59,1,3,5,7,9,11,13,15,17,19,21,23,25,27,29"},
    {"58-2/x * * * *", CRON_BACKWARDS, CRON_MINUTE, 0, "58-2", ""},
    {"58-2/0 * * * *", CRON_BACKWARDS, CRON_MINUTE, 0, "58-2", ""},
    // Random values of cronie and OpenBSD.
    {"0~59 * * * *", CRON_SYNTAX, CRON_MINUTE, 0, "'0~59'", "H(0-59)"},
    {"~ * * * *", CRON_SYNTAX, CRON_MINUTE, 0, "'~'", "H"},
    {"5 6~18 * * *", CRON_SYNTAX, CRON_HOUR, 2, "'6~18'", "H(6-18)"},
    {"5 ~18 * * *", CRON_SYNTAX, CRON_HOUR, 2, "'~18'", "H(0-18)"},
    {"5 6~ * * *", CRON_SYNTAX, CRON_HOUR, 2, "'6~'", "H(6-23)"},
    {"0 0 * * MON~FRI", CRON_SYNTAX, CRON_WEEKDAY, 8, "'MON~FRI'", "H(MON-FRI)"},
    {"6~99 * * * *", CRON_SYNTAX, CRON_MINUTE, 0, "'6~99'", ""},
    {"0 0 0 1 1 * 2030~2040", CRON_SYNTAX, CRON_YEAR, 12, "'2030~2040'", ""},
    {"0 22-2", CRON_FIELD_COUNT, CRON_NO_FIELD, 0, "found 2", "minute hour day month weekday"},
};

// What is written for other schedulers: the hint is the whole text to write here.
static const struct refusal foreign[] = {
    {"cron(0 12 ? * MON-FRI *)", CRON_SYNTAX, CRON_NO_FIELD, 0, "written for AWS",
     "0 0 12 ? * MON-FRI *"},
    {"cron(0 12 * * ?)", CRON_SYNTAX, CRON_NO_FIELD, 0, "written for AWS", "0 12 * * ?"},
    {"CRON( 15 10 ? * 6L 2030-2035 )", CRON_SYNTAX, CRON_NO_FIELD, 0, "written for AWS",
     "0 15 10 ? * 6L 2030-2035"},
    {"rate(5 minutes)", CRON_SYNTAX, CRON_NO_FIELD, 0, "written for AWS", "@every 5m"},
    {"rate(1 hour)", CRON_SYNTAX, CRON_NO_FIELD, 0, "written for AWS", "@every 1h"},
    {"rate(7 days)", CRON_SYNTAX, CRON_NO_FIELD, 0, "written for AWS", "@every 7d"},
    {"at(2027-01-01T10:00:00)", CRON_SYNTAX, CRON_NO_FIELD, 0, "written for AWS",
     "2027-01-01T10:00:00"},
    {"TZ=Europe/Paris 0 9 * * *", CRON_SYNTAX, CRON_NO_FIELD, 0, "a setting beside it",
     "0 9 * * *"},
    {"CRON_TZ=Asia/Tokyo @daily", CRON_SYNTAX, CRON_NO_FIELD, 0, "a setting beside it", "@daily"},
    {"2027-01-01 10:00:00", CRON_FIELD_COUNT, CRON_NO_FIELD, 0, "found 2", "2027-01-01T10:00:00"},
    {"2027-01-01 10:00", CRON_FIELD_COUNT, CRON_NO_FIELD, 0, "found 2", "2027-01-01T10:00:00"},
    {"2027-01-01 10:00 UTC", CRON_FIELD_COUNT, CRON_NO_FIELD, 0, "found 3", "2027-01-01T10:00:00Z"},
    {"2027/01/01 10:00:30 +0530", CRON_FIELD_COUNT, CRON_NO_FIELD, 0, "found 3",
     "2027-01-01T10:00:30+05:30"},
    {"20270101T100000Z", CRON_FIELD_COUNT, CRON_NO_FIELD, 0, "found 1", "2027-01-01T10:00:00Z"},
    {"20270101", CRON_FIELD_COUNT, CRON_NO_FIELD, 0, "found 1", "2027-01-01T00:00:00"},
    {"1795900000", CRON_FIELD_COUNT, CRON_NO_FIELD, 0, "found 1", "2026-11-28T21:06:40Z"},
    {"1795900000123", CRON_FIELD_COUNT, CRON_NO_FIELD, 0, "found 1", "2026-11-28T21:06:40Z"},
    {"2027-01-01T10:00:00.000Z", CRON_ONESHOT, CRON_NO_FIELD, 19, "not an ISO 8601",
     "2027-01-01T10:00:00Z"},
    {"2027-01-01T10:00:00+0200", CRON_ONESHOT, CRON_NO_FIELD, 19, "not an ISO 8601",
     "2027-01-01T10:00:00+02:00"},
};

// The same, where words come before the text.
static const struct refusal shifted[] = {
    {"0 12 ? * MON-FRI *", CRON_CHAR, CRON_HOUR, 5, "`?` is only for the two day fields",
     "six fields start with seconds; add `0` in front: 0 0 12 ? * MON-FRI *"},
    {"0 2 ? * 5L *", CRON_CHAR, CRON_HOUR, 4, "`?` is only for the two day fields",
     "six fields start with seconds; add `0` in front: 0 0 2 ? * 5L *"},
    {"0 2 * * ? 2030", CRON_CHAR, CRON_MONTH, 8, "`?` is only for the two day fields",
     "six fields start with seconds; add `0` in front: 0 0 2 * * ? 2030"},
    {"0 0 1 1 * 2030-2035", CRON_RANGE, CRON_WEEKDAY, 10, "2030 is out of range 0-7",
     "six fields start with seconds; add `0` in front: 0 0 0 1 1 * 2030-2035"},
    {"0 0 12 ? *", CRON_CHAR, CRON_MONTH, 7, "`?` is only for the two day fields",
     "five fields start with minutes; with seconds there are six: 0 0 12 ? * *"},
    {"0 ? 12 * * MON", CRON_CHAR, CRON_MINUTE, 2, "`?` is only for the two day fields", "*"},
};

// No hint, because nothing that could be written instead is certain.
static const struct refusal hopeless[] = {
    {"cron(* * *)", CRON_SYNTAX, CRON_NO_FIELD, 0, "written for AWS",
     "second minute hour day month weekday year, without `cron(` and `)`"},
    {"cron(cron(0 12 ? * MON *))", CRON_SYNTAX, CRON_NO_FIELD, 0, "written for AWS",
     "second minute hour day month weekday year, without `cron(` and `)`"},
    {"rate(often)", CRON_SYNTAX, CRON_NO_FIELD, 0, "written for AWS", "@every 5m"},
    {"2027-13-01 10:00", CRON_FIELD_COUNT, CRON_NO_FIELD, 0, "found 2",
     "minute hour day month weekday"},
    {"179590000", CRON_FIELD_COUNT, CRON_NO_FIELD, 0, "found 1", "minute hour day month weekday"},
    {"0 0 24 * * *", CRON_RANGE, CRON_HOUR, 4, "24 is out of range", ""},
};

static void check_refusals(const struct refusal *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct refusal *r = &rows[i];
        struct cron_schedule s;
        struct cron_error e = {0};
        enum err err = cron_parse(r->text, strlen(r->text), NULL, &s, &e);
        if (!err)
            fail_msg("'%s' is accepted", r->text);
        if (e.code != r->code || e.field != r->field || e.position != r->position ||
            !strstr(e.message, r->message) || strcmp(e.hint, r->hint) != 0)
            fail_msg("'%s' gives %s in '%s' at %zu: %s (hint '%s')", r->text,
                     cron_code_name(e.code), cron_field_name(e.field), e.position, e.message,
                     e.hint);
    }
}

static void every_refusal_names_place_and_remedy(void **state)
{
    (void)state;
    check_refusals(refusals, COUNT_OF(refusals));
}

static void texts_of_other_schedulers_get_what_to_write_here(void **state)
{
    (void)state;
    check_refusals(foreign, COUNT_OF(foreign));
    check_refusals(shifted, COUNT_OF(shifted));
    check_refusals(hopeless, COUNT_OF(hopeless));
    for (size_t i = 0; i < COUNT_OF(foreign); i++)
        schedule_of(foreign[i].hint);
    for (size_t i = 0; i < COUNT_OF(shifted) - 1; i++)
        schedule_of(strrchr(shifted[i].hint, ':') + 2);
}

// The line for people has the field, the message and what is expected, each of them once.
static void an_error_line_says_what_is_expected_once(void **state)
{
    (void)state;
    static const struct {
        const char *text, *line;
    } rows[] = {
        {"x * * * *", "minute: expected 0-59, found 'x'"},
        {"* * 25-L * *", "day: expected 1-31, found 'L'"},
        {"60 * * * *", "minute: 60 is out of range 0-59"},
        {"1,,2 * * * *", "minute: value expected, found ',' (0-59)"},
        {"*/90 * * * *", "minute: step 90 is larger than the field's 60 values, expected 1-60"},
        {"* * *", "expected 5, 6 or 7 fields, found 3"},
        {"@every 0s", "the interval must be at least 1s, expected [nd][nh][nm][ns], 1s to 366d"},
        {"@reboot", "@reboot is not supported by a service"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct cron_schedule s;
        struct cron_error e;
        char line[CRON_ERROR_BYTES];
        assert_true(cron_parse(rows[i].text, strlen(rows[i].text), NULL, &s, &e));
        cron_error_text(&e, line, sizeof line);
        assert_string_equal(line, rows[i].line);
    }
}

// A hint that looks like an expression is one: put in place of what is wrong, it parses.
static void hints_can_be_pasted(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "5/15 * * * *", "/5 * * * *",   "0 22-2 * * *",   "0 0 * * FRI-MON",   "0 0 * * MONDAY",
        "? * * * *",    "0 0 l * *",    "0 0 15w * *",    "0 0 lw * *",        "0 0 * * fril",
        "0 0 * * 7-1",  "h * * * *",    "@Daily",         "0 0 * NOV-FEB *",   "0 0 25-5 * *",
        "0 0 * * 6-0",  "0 23-0 * * *", "58-2/2 * * * *", "0 0 * * SAT-MON/2", "5 6~18 * * *",
        "~ * * * *"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct cron_schedule s;
        struct cron_error e;
        char fixed[300];
        assert_true(cron_parse(texts[i], strlen(texts[i]), NULL, &s, &e));
        snprintf(fixed, sizeof fixed, "%.*s%s%s", (int)e.position, texts[i], e.hint,
                 texts[i] + e.position + e.length);
        schedule_of(fixed);
    }
}

static void a_refusal_leaves_the_schedule_alone(void **state)
{
    (void)state;
    struct cron_schedule s = schedule_of("1 2 3 4 5"), before = s;
    struct cron_error e;
    assert_true(cron_parse("0 0 0 0 0", 9, NULL, &s, &e));
    assert_memory_equal(&s, &before, sizeof s);
    assert_true(cron_parse("nonsense", 8, NULL, &s, NULL)); // Nobody needs to read the error.
}

// Exactly 256 bytes are read, one more is refused.
static void the_longest_text_has_a_bound(void **state)
{
    (void)state;
    char text[CRON_TEXT_BYTES_MAX + 2];
    struct cron_schedule s;
    struct cron_error e;
    memset(text, ' ', sizeof text);
    memcpy(text, "* * * * *", 9);
    assert_int_equal(cron_parse(text, CRON_TEXT_BYTES_MAX, NULL, &s, &e), ERR_OK);
    assert_int_equal(cron_parse(text, CRON_TEXT_BYTES_MAX + 1, NULL, &s, &e), ERR_LIMIT);
    assert_int_equal(e.code, CRON_LENGTH);
}

static enum cron_code check_code(const char *text, const char *zone, const char *now,
                                 struct cron_error *e)
{
    struct cron_schedule s = schedule_of(text);
    *e = (struct cron_error){0};
    enum err err = cron_check(&s, zone_of(zone), instant_of(now), e);
    assert_int_equal(err, err ? ERR_RANGE : ERR_OK);
    return err ? e->code : CRON_FINE;
}

// What parses may still be refused for a new job.
static void a_schedule_that_never_runs_is_found_out(void **state)
{
    (void)state;
    struct cron_error e;
    const char *now = "2026-01-01T00:00:00Z";
    assert_int_equal(check_code("0 0 30 2 *", "UTC", now, &e), CRON_NEVER_FIRES);
    assert_string_equal(e.message, "no such date exists before 2200");
    assert_int_equal(check_code("0 0 0 1 1 * 2020", "UTC", now, &e), CRON_NEVER_FIRES);
    assert_string_equal(e.message, "all its dates are in the past");
    assert_int_equal(check_code("0 0 29 2 *", "UTC", now, &e), CRON_FINE);
    assert_int_equal(check_code("2026-03-29T02:30:00", "Europe/Paris", now, &e), CRON_NO_SUCH_TIME);
    assert_string_equal(e.message, "local time skipped 02:00-03:00 in Europe/Paris");
    assert_string_equal(e.hint, "add an offset, or 03:00");
    assert_int_equal(check_code("2026-03-29T03:00", "Europe/Paris", now, &e), CRON_FINE);
    assert_int_equal(check_code("2026-03-29T02:30:00Z", "Europe/Paris", now, &e), CRON_FINE);
    assert_int_equal(check_code("2026-01-01T00:00", "UTC", now, &e), CRON_PAST);
    assert_int_equal(check_code("2026-01-01T00:00:01", "UTC", now, &e), CRON_FINE);
    assert_int_equal(check_code("2025-12-31T23:59Z", "UTC", now, &e), CRON_PAST);
    assert_int_equal(check_code("@every 1s", "UTC", now, &e), CRON_FINE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_refusal_names_place_and_remedy),
        cmocka_unit_test(texts_of_other_schedulers_get_what_to_write_here),
        cmocka_unit_test(an_error_line_says_what_is_expected_once),
        cmocka_unit_test(hints_can_be_pasted),
        cmocka_unit_test(a_refusal_leaves_the_schedule_alone),
        cmocka_unit_test(the_longest_text_has_a_bound),
        cmocka_unit_test(a_schedule_that_never_runs_is_found_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
