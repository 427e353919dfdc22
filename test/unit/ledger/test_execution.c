// SPDX-License-Identifier: MIT
// test_execution.c: public ids, the table of states, and the words of every enum.

#include "ledger/ledger.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <string.h>

// --- Public ids ---

static const struct {
    struct execution_key key;
    const char *id;
} ids[] = {
    {{.job = 1, .scheduled_at = 0}, "1-0"},
    {{.job = 42, .scheduled_at = 1795514400000}, "42-1795514400000"},
    {{.job = 42, .scheduled_at = 1795514400000, .series = 3}, "42-1795514400000-g3"},
    {{.job = 7, .series = -1}, "7-m1"},
    {{.job = 999999999999999999, .series = -999999999999999999},
     "999999999999999999-m999999999999999999"},
    {{.job = 999999999999999999, .scheduled_at = 999999999999999999, .series = 999999999999999999},
     "999999999999999999-999999999999999999-g999999999999999999"},
};

static void ids_are_written_and_read_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        char text[EXECUTION_ID_BYTES];
        struct execution_key key;
        execution_id_format(&ids[i].key, text);
        assert_string_equal(text, ids[i].id);
        assert_true(execution_id_parse(text, &key));
        assert_memory_equal(&key, &ids[i].key, sizeof key);
        assert_null(strchr(text, '.')); // Signatures cover parts separated by full stops.
    }
}

// A manual id does not tell the instant.
static void a_manual_id_leaves_the_instant_out(void **state)
{
    (void)state;
    struct execution_key key = {.job = 7, .scheduled_at = 5, .series = -12};
    char text[EXECUTION_ID_BYTES];
    execution_id_format(&key, text);
    assert_string_equal(text, "7-m12");
    assert_true(execution_id_parse(text, &key));
    assert_int_equal(key.scheduled_at, 0);
    assert_int_equal(key.series, -12);
}

static void a_text_that_would_not_be_written_so_is_no_id(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "1",
        "-",
        "1-",
        "-1",
        "0-5",
        "1-5 ",
        " 1-5",
        "+1-5",
        "1--5",
        "01-5",
        "1-05",
        "1-5-",
        "1-5-g",
        "1-5-g0",
        "1-5-g01",
        "1-5-g-1",
        "1-5-m1",
        "1-5-G1",
        "1-m",
        "1-m0",
        "1-m01",
        "1-m1-g1",
        "1-M1",
        "1-m-1",
        "m1-1",
        "1-5-g1-g1",
        "1-5\n",
        "1-5.5",
        "x-5",
        "1-x",
        "1000000000000000000-5",
        "1-1000000000000000000",
        "1-m1000000000000000000",
        "99999999999999999999999-5",
        "1-5-g99999999999999999999",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct execution_key key = {.job = -77};
        if (execution_id_parse(bad[i], &key))
            fail_msg("'%s' is taken for an id", bad[i]);
        assert_int_equal(key.job, -77); // Outputs change only on success.
    }
}

// --- States ---

// The picture above the machine, row by row: what may follow what.
static const char *const moves[EXECUTION_STATES] = {
    [EXECUTION_PENDING] = "RUNNING SUCCESS FAILED MISSED CANCELLED SKIPPED",
    [EXECUTION_RUNNING] = "SUCCESS FAILED CANCELLED",
    [EXECUTION_SUCCESS] = "",
    [EXECUTION_FAILED] = "",
    [EXECUTION_MISSED] = "",
    [EXECUTION_CANCELLED] = "",
    [EXECUTION_SKIPPED] = "",
};

static void states_move_as_the_picture_says(void **state)
{
    (void)state;
    for (enum execution_state from = 0; from < EXECUTION_STATES; from++) {
        for (enum execution_state to = 0; to < EXECUTION_STATES; to++)
            assert_int_equal(execution_may_move(from, to),
                             strstr(moves[from], execution_state_name(to)) != NULL);
        assert_int_equal(execution_state_is_terminal(from), moves[from][0] == '\0');
    }
}

// --- Words ---

// Databases and clients hold these words, so none may change or move.
static const struct {
    const struct enum_words *words;
    const char *list;
} enums[] = {
    {&job_type_words, "ATLEAST_ONCE or ATMOST_ONCE"},
    {&job_method_words, "POST, GET, PUT, PATCH, DELETE, HEAD or OPTIONS"},
    {&retry_strategy_words, "linear, exponential or fixed"},
    {&catch_up_words, "all, latest or none"},
    {&overlap_words, "allow, skip, queue or replace"},
    {&job_phase_words, "active, paused, finished or deleted"},
    {&execution_trigger_words, "schedule, manual, catch_up, replay or ping"},
    {&execution_state_words, "PENDING, RUNNING, SUCCESS, FAILED, MISSED, CANCELLED or SKIPPED"},
    {&alert_kind_words,
     "failure, missed, clock, target_down, target_up, job_unusable, job_paused, "
     "reminder, recovered, flapping, failure_rate, late, slow, silent, channel_down, "
     "channel_up, store_stalled, disk_low, disk_ok or lease_lost"},
    {&cron_gap_words, "run_after or skip"},
    {&cron_fold_words, "default, first, both or second"},
};

static void the_words_of_each_enum_stay_what_they_are(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(enums); i++) {
        char list[512];
        enum_list(enums[i].words, list, sizeof list);
        assert_string_equal(list, enums[i].list);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_written_and_read_back),
        cmocka_unit_test(a_manual_id_leaves_the_instant_out),
        cmocka_unit_test(a_text_that_would_not_be_written_so_is_no_id),
        cmocka_unit_test(states_move_as_the_picture_says),
        cmocka_unit_test(the_words_of_each_enum_stay_what_they_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
