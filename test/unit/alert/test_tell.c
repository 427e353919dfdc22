// SPDX-License-Identifier: MIT
// test_tell.c: who is told of an alert, when, and how often it is tried.

#include "alert/tell.h"

#include "base/memory.h"

#include <stdio.h>
#include <string.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#define OF(kind) ALERT_KIND_BIT(kind)

static size_t choose(const struct channel *channels, size_t count, const struct tell_subject *a,
                     bool *chosen)
{
    struct tell_index *x = tell_index_new(channels, count, NULL, 0);
    size_t found = tell_choose(x, a, chosen);
    assert_null(tell_silence(x, a));
    tell_index_free(x);
    return found;
}

// Who gets an alert of billing's job 7 that failed, of the channels of a case.
static void alert_goes_where_filters_match_else_to_the_default(void **state)
{
    static const struct {
        const char *what;
        struct channel channels[3];
        const char *names;
        const char *chosen; // A digit for each channel that is told.
    } cases[] = {
        {"no filter", {{.name = "a"}, {.name = "b"}}, NULL, "01"},
        {"kinds", {{.name = "a", .kinds = OF(ALERT_CLOCK)}, {.name = "b"}}, NULL, "1"},
        {"tags",
         {{.name = "a", .tags = "[\"x\",\"billing\"]"}, {.name = "b", .tags = "[\"ops\"]"}},
         NULL,
         "0"},
        {"jobs", {{.name = "a", .jobs = "[6]"}, {.name = "b", .jobs = "[6,7]"}}, NULL, "1"},
        {"all filters", {{.name = "a", .tags = "[\"billing\"]", .jobs = "[6]"}}, NULL, ""},
        {"default", {{.name = "a", .jobs = "[6]"}, {.name = "b", .is_default = true}}, NULL, "1"},
        {"no default", {{.name = "a"}, {.name = "b", .is_default = true}}, NULL, "0"},
        {"named", {{.name = "a"}, {.name = "b", .jobs = "[6]"}}, "[\"b\"]", "1"},
        {"named default", {{.name = "a"}, {.name = "b", .is_default = true}}, "[\"b\"]", "1"},
        {"named in vain", {{.name = "a"}, {.name = "b", .is_default = true}}, "[\"c\"]", "0"},
        {"damaged", {{.name = "a", .tags = "["}, {.name = "b", .is_default = true}}, NULL, "1"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct channel channels[3];
        bool chosen[3] = {true, true, true};
        char found[4] = "";
        size_t count = 0, told = 0;
        for (; count < 3 && cases[i].channels[count].name; count++) {
            channels[count] = cases[i].channels[count];
            channels[count].is_enabled = true;
        }
        struct tell_subject a = {ALERT_FAILURE, 7, "[\"billing\"]", cases[i].names, NULL};
        size_t n = choose(channels, count, &a, chosen);
        for (size_t c = 0; c < count; c++)
            if (chosen[c])
                found[told++] = (char)('0' + c);
        if (n != told || strcmp(found, cases[i].chosen) != 0)
            fail_msg("%s: \"%s\" instead of \"%s\"", cases[i].what, found, cases[i].chosen);
    }
}

static void channel_that_is_off_or_that_the_alert_is_about_is_not_told(void **state)
{
    struct channel channels[] = {{.name = "a", .is_enabled = true},
                                 {.name = "b", .is_enabled = false},
                                 {.name = "c", .is_enabled = true}};
    struct tell_subject a = {.kind = ALERT_CLOCK, .receiver = "a"};
    bool chosen[3];
    (void)state;
    assert_int_equal(choose(channels, 3, &a, chosen), 1);
    assert_true(chosen[2]);
}

static void alert_of_the_server_matches_no_filter_of_jobs(void **state)
{
    struct channel channels[] = {{.name = "a", .is_enabled = true, .jobs = "[0]"},
                                 {.name = "b", .is_enabled = true, .tags = "[\"x\"]"}};
    struct tell_subject a = {.kind = ALERT_CLOCK};
    bool chosen[2];
    (void)state;
    assert_int_equal(choose(channels, 2, &a, chosen), 0);
}

static void what_follows_goes_where_the_first_went(void **state)
{
    struct channel channels[] = {{.id = 3, .is_enabled = true},
                                 {.id = 30, .is_enabled = true},
                                 {.id = 5, .is_enabled = false}};
    bool chosen[3] = {false, true, true};
    (void)state;
    assert_int_equal(tell_follow(channels, 3, "3,5,3,", chosen), 1);
    assert_true(chosen[0] && !chosen[1] && !chosen[2]);
    assert_int_equal(tell_follow(channels, 3, "", chosen), 0);
}

static void silence_covers_what_matches_all_of_it(void **state)
{
    static const struct {
        struct silence silence;
        bool covers;
    } cases[] = {
        {{0}, true},
        {{.job = 7, .tag = "billing", .kinds = OF(ALERT_FAILURE)}, true},
        {{.job = 8}, false},
        {{.job = 7, .tag = "ops"}, false},
        {{.kinds = OF(ALERT_CLOCK)}, false},
    };
    struct tell_subject a = {.kind = ALERT_FAILURE, .job = 7, .tags = "[\"billing\"]"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct tell_index *x = tell_index_new(NULL, 0, &cases[i].silence, 1);
        assert_int_equal(tell_silence(x, &a) == &cases[i].silence, cases[i].covers);
        tell_index_free(x);
    }
}

// As many as there may be, asked one after the other: what was found for one alert is not kept for
// the next.
static void many_channels_and_silences_are_told_apart(void **state)
{
    enum { CHANNELS = CHANNEL_COUNT_MAX, SILENCES = SILENCE_COUNT_MAX };
    static char names[CHANNELS][16], tags[CHANNELS][16], jobs[CHANNELS][32], silent[SILENCES][16];
    static struct channel channels[CHANNELS];
    static struct silence silences[SILENCES];
    bool chosen[CHANNELS];
    (void)state;
    for (int i = 0; i < CHANNELS; i++) {
        snprintf(names[i], sizeof names[i], "c%d", i);
        snprintf(tags[i], sizeof tags[i], "[\"t%d\"]", i);
        snprintf(jobs[i], sizeof jobs[i], "[%d,%d]", i + 1, CHANNELS + 1);
        channels[i] = (struct channel){
            .name = names[i], .tags = tags[i], .jobs = jobs[i], .is_enabled = true};
    }
    for (int i = 0; i < SILENCES; i++) {
        snprintf(silent[i], sizeof silent[i], "s%d", i);
        silences[i] = (struct silence){.tag = silent[i]};
    }
    struct tell_index *x = tell_index_new(channels, CHANNELS, silences, SILENCES);
    for (int i = 0; i < CHANNELS; i++) {
        char both[40];
        snprintf(both, sizeof both, "[\"t%d\",\"s%d\"]", i, SILENCES - 1 - i);
        struct tell_subject a = {.kind = ALERT_FAILURE, .job = i + 1, .tags = both};
        assert_int_equal(tell_choose(x, &a, chosen), 1);
        assert_true(chosen[i]);
        assert_ptr_equal(tell_silence(x, &a), &silences[SILENCES - 1 - i]);
        a.tags = "[\"t0\",\"t1\"]";
        assert_int_equal(tell_choose(x, &a, chosen), i < 2);
        assert_null(tell_silence(x, &a));
    }
    tell_index_free(x);
}

static void window_doubles_while_messages_go_on(void **state)
{
    dur_ms window = 0;
    (void)state;
    assert_int_equal(window = tell_window(5000, 0, 0), 5000);
    for (dur_ms expected = 10000; expected < TELL_WINDOW_MS_MAX; expected *= 2)
        assert_int_equal(window = tell_window(5000, window, window), expected);
    assert_int_equal(tell_window(5000, 200000, 0), TELL_WINDOW_MS_MAX);
    assert_int_equal(tell_window(5000, window, 2 * window + 1), 5000); // A quiet time.
}

static void delay_doubles_to_a_quarter_of_an_hour(void **state)
{
    (void)state;
    assert_int_equal(tell_delay(1, 0, 0), 5000);
    assert_int_equal(tell_delay(2, 0, 0), 10000);
    assert_int_equal(tell_delay(20, 0, 0), 900000);
    assert_int_equal(tell_delay(1, 60000, 0), 60000); // The receiver has asked for it.
    for (uint32_t random = 0; random < 10000; random += 7)
        assert_in_range(tell_delay(3, 0, random), 20000, 22000);
}

static void clock_that_is_set_back_keeps_nobody_waiting(void **state)
{
    const wall_ms at = 1800000000000;
    (void)state;
    assert_true(tell_is_due(at, at, 5000));
    assert_true(tell_is_due(at, at + 86400000, 5000));
    assert_false(tell_is_due(at, at - 1, 5000));
    assert_false(tell_is_due(at, at - 5000, 5000));
    assert_true(tell_is_due(at, at - 5001, 5000));
    assert_true(tell_is_due(at, at - 3600000, 5000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alert_goes_where_filters_match_else_to_the_default),
        cmocka_unit_test(channel_that_is_off_or_that_the_alert_is_about_is_not_told),
        cmocka_unit_test(alert_of_the_server_matches_no_filter_of_jobs),
        cmocka_unit_test(what_follows_goes_where_the_first_went),
        cmocka_unit_test(silence_covers_what_matches_all_of_it),
        cmocka_unit_test(many_channels_and_silences_are_told_apart),
        cmocka_unit_test(window_doubles_while_messages_go_on),
        cmocka_unit_test(delay_doubles_to_a_quarter_of_an_hour),
        cmocka_unit_test(clock_that_is_set_back_keeps_nobody_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
