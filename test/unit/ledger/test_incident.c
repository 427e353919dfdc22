// SPDX-License-Identifier: MIT
// test_incident.c: what is remembered of a job's incidents, as a text and back.

#include "ledger/ledger.h"

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

#include <string.h>

static void incidents_come_back_from_their_text(void **state)
{
    (void)state;
    struct incidents is = {0}, was;
    char text[INCIDENTS_BYTES];
    assert_null(incidents_format(&is, text));
    int64_t *numbers = (int64_t *)&is;
    for (size_t i = 0; i < sizeof is / sizeof *numbers; i++)
        numbers[i] = INT64_MAX / 4 - (int64_t)i; // All of them have room.
    assert_ptr_equal(incidents_format(&is, text), text);
    incidents_parse(text, &was);
    assert_memory_equal(&is, &was, sizeof is);
}

static void what_cannot_be_read_of_incidents_is_taken_for_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t id;
        int64_t count;
    } cases[] = {
        {NULL, 0, 0},
        {"", 0, 0},
        {"failure:7,1000,3,0,1000,0", 7, 3},
        {"failure:7,1000,3", 7, 3},                          // A shorter list.
        {"failure:7,1000,3,0,1000,0,8,9,10,11,12,13", 7, 3}, // By a later version.
        {"weather:1,2;failure:7,1000,3,0,1000,0", 7, 3},     // The same.
        {"failure;failure:7,1000,3;", 7, 3},
        {"failure:x", 0, 0},
        {"failure:7,-1000,3", 0, 0},
        {"failure:7,99999999999999999999,3", 0, 0},
        {"failure:7,1000.3", 0, 0},
        {"failures:7,1000,3", 0, 0},
        {";;:;,", 0, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct incidents was;
        incidents_parse(cases[i].text, &was);
        assert_int_equal(was.of[CAUSE_FAILURE].id, cases[i].id);
        assert_int_equal(was.of[CAUSE_FAILURE].count, cases[i].count);
    }
}

static void a_failure_rate_is_two_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum err err;
        unsigned failures;
        unsigned of;
    } cases[] = {
        {NULL, ERR_OK, 0, 0},        {"3/10", ERR_OK, 3, 10},     {"1/2", ERR_OK, 1, 2},
        {"60/60", ERR_OK, 60, 60},   {"", ERR_SYNTAX, 0, 0},      {"3", ERR_SYNTAX, 0, 0},
        {"3/", ERR_SYNTAX, 0, 0},    {"/3", ERR_SYNTAX, 0, 0},    {"3/10 ", ERR_SYNTAX, 0, 0},
        {" 3/10", ERR_SYNTAX, 0, 0}, {"3 /10", ERR_SYNTAX, 0, 0}, {"3/ 10", ERR_SYNTAX, 0, 0},
        {"3/+10", ERR_SYNTAX, 0, 0}, {"-3/10", ERR_SYNTAX, 0, 0}, {"3/1000", ERR_SYNTAX, 0, 0},
        {"0/10", ERR_RANGE, 0, 0},   {"11/10", ERR_RANGE, 0, 0},  {"1/1", ERR_RANGE, 0, 0},
        {"3/61", ERR_RANGE, 0, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct failure_rate r;
        assert_int_equal(failure_rate_parse(cases[i].text, &r, NULL), cases[i].err);
        assert_int_equal(r.failures, cases[i].failures);
        assert_int_equal(r.of, cases[i].of);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(incidents_come_back_from_their_text),
        cmocka_unit_test(a_failure_rate_is_two_numbers),
        cmocka_unit_test(what_cannot_be_read_of_incidents_is_taken_for_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
