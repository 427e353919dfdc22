// SPDX-License-Identifier: MIT
// test_explain.c: schedules in words.
//
// The words of common expressions say what cRonstrue says of them; its sentence stands beside ours
// where the two differ in wording. (Ours use a clock of 24 hours.) For random expressions, the
// words must not depend on how a set of values is written down.

#include "cron_test.h"
#include "oracle.h"

static const struct {
    const char *text, *words;
} rows[] = {
    {"* * * * *", "Every minute"},
    {"* * * * * *", "Every second"},
    {"*/10 * * * * *", "Every 10 seconds"},
    {"*/15 * * * *", "Every 15 minutes"},
    {"0 * * * *", "Every hour"},
    {"@hourly", "Every hour"},
    {"0 */2 * * *", "Every 2 hours"},
    {"5 * * * *", "At minute 5 of every hour"},
    {"30 2 * * *", "At 02:30, every day"},
    {"30 2,14 * * *", "At 02:30 and 14:30, every day"},
    {"15 30 2 * * *", "At 02:30:15, every day"},
    {"0 */12 * * *", "At 00:00 and 12:00, every day"},
    {"0 9-17 * * MON-FRI", "Every hour from 09:00 through 17:00, Monday through Friday"},
    {"*/15 9-17 * * 1-5", "Every 15 minutes, from 09:00 through 17:59, Monday through Friday"},
    {"* 5 * * *", "Every minute, from 05:00 through 05:59, every day"},
    {"* 9-17/2 * * *", "Every minute, during every 2nd hour from 09 through 17, every day"},
    {"31 10-15 1 * * MON-FRI", "At second 31 of every minute from 10 through 15, at 01 hours, "
                               "Monday through Friday"},
    {"23 0-20/2 * * *", "At minute 23 of every 2nd hour from 00 through 20, every day"},
    {"*/7 * * * *", "Every 7 minutes from 0 through 56 of every hour"},
    {"0 */5 * * *", "Every 5 hours from 00:00 through 20:00, every day"},
    {"31 * 1 * * *", "At second 31 of every minute, from 01:00 through 01:59, every day"},
    {"*/20 5 * * * *", "Every 20 seconds of minute 5 of every hour"},
    {"1,2,3,7 0 * * *", "At 00:01, 00:02, 00:03 and 00:07, every day"},
    {"1,2,3,7,9,20,30 0,4 * * *",
     "At minutes 1 through 3, 7, 9, 20 and 30, at 00 and 04 hours, every day"},
    {"0 22 * * 1-5", "At 22:00, Monday through Friday"},
    {"5 4 * * SUN", "At 04:05, on Sunday"},
    {"0 0 * * MON,WED,FRI", "At 00:00, on Monday, Wednesday and Friday"},
    {"0 0 * * FRI-SUN", "At 00:00, Friday through Sunday"},
    {"0 0 * * SAT,SUN", "At 00:00, on Saturday and Sunday"},
    {"0 0 * * MON#1", "At 00:00, on the first Monday of the month"},
    {"0 0 * * FRIL", "At 00:00, on the last Friday of the month"},
    {"0 0 * * MON#1,5L", "At 00:00, on the first Monday and the last Friday of the month"},
    {"0 0 * * TUE,MON#1", "At 00:00, on Tuesday, and on the first Monday of the month"},
    {"15 14 1 * *", "At 14:15, on day 1 of the month"},
    {"0 0 1,15 * *", "At 00:00, on days 1 and 15 of the month"},
    {"0 4 8-14 * *", "At 04:00, on days 8 through 14 of the month"},
    {"0 0 */3 * *", "At 00:00, on every 3rd day from day 1 through 31 of the month"},
    {"0 0 L * *", "At 00:00, on the last day of the month"},
    {"0 0 L-2 * *", "At 00:00, on the day 2 days before the last of the month"},
    {"0 0 LW * *", "At 00:00, on the last weekday of the month"},
    {"0 0 15W * *", "At 00:00, on the weekday nearest day 15 of the month"},
    {"0 0 13 * FRI", "At 00:00, on day 13 of the month or on Friday"},
    {"0 0 13 * +FRI", "At 00:00, on day 13 of the month if it is Friday"},
    {"0 0 1-7 * +MON,TUE", "At 00:00, on days 1 through 7 of the month if it is Monday or Tuesday"},
    {"0 0 1 JAN *", "At 00:00, on day 1 of the month, in January"},
    {"5 0 * 8 *", "At 00:05, every day in August"},
    {"* * * 6-8 *", "Every minute, from June through August"},
    {"0 0 0 1 1 * 2030", "At 00:00, on day 1 of the month, in January, in 2030"},
    {"0 0 0 1 1 * 2030-2040/2",
     "At 00:00, on day 1 of the month, in January, every 2 years from 2030 through 2040"},
    {"* * * * * * 2030-2032", "Every second, from 2030 through 2032"},
    {"0 0 30 2 *", "At 00:00, on day 30 of the month, in February (there is no such date)"},
    {"@every 90s", "Every 1 minute 30 seconds"},
    {"@every 1d", "Every 1 day"},
    {"2026-12-01T09:00", "Once, on 2026-12-01 at 09:00"},
    {"2026-12-01T09:00:05+01:00", "Once, on 2026-12-01 at 08:00:05 UTC"},
};

static void common_schedules_read_well(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct cron_schedule s = schedule_of(rows[i].text);
        char words[CRON_WORDS_BYTES];
        size_t length = cron_explain(&s, words, sizeof words);
        if (strcmp(words, rows[i].words) != 0)
            fail_msg("'%s' reads\n  '%s', not\n  '%s'", rows[i].text, words, rows[i].words);
        assert_int_equal(length, strlen(words));
    }
}

// What cRonstrue 3.39.0 says (with a clock of 24 hours).
static const struct {
    const char *text, *says;
} cronstrue[] = {
    {"*/15 * * * *", "Every 15 minutes"},
    {"0 */2 * * *", "On the hour, every 2 hours"},
    {"30 2,14 * * *", "At 02:30 and 14:30"},
    {"15 30 2 * * *", "At 02:30:15"},
    {"0 9-17 * * MON-FRI", "Every hour, between 09:00 and 17:00, Monday through Friday"},
    {"*/15 9-17 * * 1-5", "Every 15 minutes, between 09:00 and 17:59, Monday through Friday"},
    {"* 5 * * *", "Every minute, between 05:00 and 05:59"},
    {"0 22 * * 1-5", "At 22:00, Monday through Friday"},
    {"5 4 * * SUN", "At 04:05, only on Sunday"},
    {"0 0 * * MON,WED,FRI", "At 00:00, only on Monday, Wednesday, and Friday"},
    {"0 0 * * SAT,SUN", "At 00:00, only on Saturday and Sunday"},
    {"0 0 * * MON#1", "At 00:00, on the first Monday of the month"},
    {"0 0 * * 5L", "At 00:00, on the last Friday of the month"},
    {"15 14 1 * *", "At 14:15, on day 1 of the month"},
    {"0 0 1,15 * *", "At 00:00, on day 1 and 15 of the month"},
    {"0 4 8-14 * *", "At 04:00, between day 8 and 14 of the month"},
    {"0 0 L * *", "At 00:00, on the last day of the month"},
    {"0 0 LW * *", "At 00:00, on the last weekday of the month"},
    {"0 0 15W * *", "At 00:00, on the weekday nearest day 15 of the month"},
    {"0 0 13 * FRI", "At 00:00, on day 13 of the month, and on Friday"},
    {"0 0 1 JAN *", "At 00:00, on day 1 of the month, only in January"},
    {"5 0 * 8 *", "At 00:05, only in August"},
    {"* * * 6-8 *", "Every minute, June through August"},
    {"*/10 * * * * *", "Every 10 seconds"},
    {"0 0 0 1 1 * 2030", "At 00:00, on day 1 of the month, only in January, only in 2030"},
};

// A word that carries meaning: a time, a number, the name of a day or month, "last", "nearest".
static bool is_fact(const char *word)
{
    static const char *const small[] = {"first", "last", "nearest", "weekday", "through"};
    for (size_t i = 0; i < COUNT_OF(small); i++)
        if (!strcmp(word, small[i]))
            return true;
    static const char *const opening[] = {"At", "Every", "On"};
    for (size_t i = 0; i < COUNT_OF(opening); i++)
        if (!strcmp(word, opening[i]))
            return false;
    return (*word >= '0' && *word <= '9') || (*word >= 'A' && *word <= 'Z');
}

static bool has_word(const char *sentence, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = sentence; (at = strstr(at, word)); at++)
        if ((at == sentence || at[-1] == ' ') && strchr(" ,", at[length]))
            return true;
    return false;
}

// Every fact of one sentence is in the other. Ranges of values are "between" there, "through" here.
static void assert_has_facts_of(const char *sentence, const char *other)
{
    char copy[CRON_WORDS_BYTES];
    snprintf(copy, sizeof copy, "%s", other);
    for (char *word = strtok(copy, " ,"); word; word = strtok(NULL, " ,")) {
        bool range = !strcmp(word, "through");
        bool found = has_word(sentence, word) || (range && has_word(sentence, "between"));
        if (is_fact(word) && !found)
            fail_msg("'%s' is not in '%s', but in '%s'", word, sentence, other);
    }
}

static void words_mean_what_cronstrue_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cronstrue); i++) {
        struct cron_schedule s = schedule_of(cronstrue[i].text);
        char words[CRON_WORDS_BYTES];
        cron_explain(&s, words, sizeof words);
        assert_has_facts_of(words, cronstrue[i].says);
        assert_has_facts_of(cronstrue[i].says, words);
    }
}

// The same set of instants, however it is written, has the same words; other sets have others.
static void words_follow_the_meaning(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool same;
    } pairs[] = {
        {"0,15,30,45 * * * *", "*/15 * * * *", true}, {"0 0 * * 1,2,3", "0 0 * * MON-WED", true},
        {"0 0 1 * +MON", "0 0 1 * MON", false},       {"0 0 1W * *", "0 0 1 * *", false},
        {"0 0 L-1 * *", "0 0 L * *", false},          {"0 0 * * 1#1", "0 0 * * 1#2", false},
        {"0 0 0 1 1 * 2030", "0 0 1 1 *", false},     {"0 0 1 1 *", "0 0 1 2 *", false},
        {"0 0 1-31 * MON", "0 0 * * MON", false},
    };
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        char a[CRON_WORDS_BYTES], b[CRON_WORDS_BYTES];
        struct cron_schedule s = schedule_of(pairs[i].a), t = schedule_of(pairs[i].b);
        cron_explain(&s, a, sizeof a);
        cron_explain(&t, b, sizeof b);
        if ((strcmp(a, b) == 0) != pairs[i].same)
            fail_msg("'%s' reads '%s' and '%s' reads '%s'", pairs[i].a, a, pairs[i].b, b);
    }
}

// Every list of values that the words name is complete: the minute lists of random schedules are
// read back from the words.
static void words_name_every_minute(void **state)
{
    (void)state;
    struct dice d = {.state = 99};
    for (int i = 0; i < 2000; i++) {
        // Far apart and irregular, so that the words are a list.
        unsigned a = dice_below(&d, 10), b = 11 + dice_below(&d, 10), c = 40 + dice_below(&d, 19);
        if (b - a == c - b)
            continue;
        char text[64], words[CRON_WORDS_BYTES], wanted[64];
        snprintf(text, sizeof text, "%u,%u,%u * * * *", c, a, b);
        snprintf(wanted, sizeof wanted, "At minutes %u, %u and %u of every hour", a, b, c);
        struct cron_schedule s = schedule_of(text);
        cron_explain(&s, words, sizeof words);
        assert_string_equal(words, wanted);
    }
}

static void any_schedule_fits_and_is_a_sentence(void **state)
{
    (void)state;
    struct dice d = {.state = 5};
    for (int i = 0; i < 20000; i++) {
        struct rule r;
        rule_random(&d, &r, dice_chance(&d, 2));
        if (strlen(r.text) > CRON_TEXT_BYTES_MAX)
            continue;
        struct cron_schedule s = schedule_of(r.text);
        char words[CRON_WORDS_BYTES];
        size_t length = cron_explain(&s, words, sizeof words);
        bool begins = words[0] == 'A' || words[0] == 'E';
        if (length >= sizeof words || !begins || strstr(words, "  ") || strstr(words, " ,") ||
            strstr(words, ",,"))
            fail_msg("'%s' reads '%s'", r.text, words);
    }
}

static void a_short_buffer_is_terminated(void **state)
{
    (void)state;
    struct cron_schedule s = schedule_of("30 2 * * *");
    char words[8];
    assert_int_equal(cron_explain(&s, words, sizeof words), strlen("At 02:30, every day"));
    assert_string_equal(words, "At 02:3");
    assert_int_equal(cron_explain(&s, NULL, 0), strlen("At 02:30, every day"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(common_schedules_read_well),
        cmocka_unit_test(words_mean_what_cronstrue_says),
        cmocka_unit_test(words_follow_the_meaning),
        cmocka_unit_test(words_name_every_minute),
        cmocka_unit_test(any_schedule_fits_and_is_a_sentence),
        cmocka_unit_test(a_short_buffer_is_terminated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
