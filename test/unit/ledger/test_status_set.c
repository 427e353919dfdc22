// SPDX-License-Identifier: MIT
// test_status_set.c: a list of statuses and ranges holds just what it names, and a malformed one is
// refused where it goes wrong.

#include "ledger/ledger.h"

#include <string.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

static void a_list_holds_what_it_names_and_nothing_else(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned ranges[3][2]; // A range has both ends; zeros are none.
    } cases[] = {
        {"200", {{200, 200}}},
        {"100", {{100, 100}}},
        {"599", {{599, 599}}},
        {"100-599", {{100, 599}}},
        {"200-299", {{200, 299}}},
        {"200-200", {{200, 200}}},
        {"200,201,404", {{200, 201}, {404, 404}}},
        {"404,200-202", {{200, 202}, {404, 404}}},
        {"163-164,227-228,291", {{163, 164}, {227, 228}, {291, 291}}},
        {"200-210,205-215", {{200, 215}}},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct status_set set;
        assert_int_equal(status_set_parse(cases[i].text, &set, NULL), ERR_OK);
        for (unsigned status = 0; status < 700; status++) {
            bool expected = false;
            for (size_t k = 0; k < COUNT_OF(cases[i].ranges); k++)
                expected |= status > 0 && cases[i].ranges[k][0] <= status &&
                            status <= cases[i].ranges[k][1];
            if (status_set_has(&set, status) != expected)
                fail_msg("%s: %u", cases[i].text, status);
        }
        assert_false(status_set_has(&set, UINT32_MAX));
    }
}

static void a_malformed_list_is_refused_where_it_goes_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum err err;
        const char *part; // Part of what is said.
    } cases[] = {
        {"", ERR_SYNTAX, "from 100 to 599 at \"\""},
        {"20", ERR_SYNTAX, "at \"20\""},
        {"2x0", ERR_SYNTAX, "at \"2x0\""},
        {"20/", ERR_SYNTAX, "at \"20/\""},
        {"20:", ERR_SYNTAX, "at \"20:\""},
        {"2-3", ERR_SYNTAX, "at \"2-3\""},
        {"099", ERR_SYNTAX, "at \"099\""},
        {"600", ERR_SYNTAX, "at \"600\""},
        {"2000", ERR_SYNTAX, "a comma or a dash at \"0\""},
        {"200 ", ERR_SYNTAX, "a comma or a dash at \" \""},
        {"200;201", ERR_SYNTAX, "a comma or a dash at \";201\""},
        {" 200", ERR_SYNTAX, "at \" 200\""},
        {"200,", ERR_SYNTAX, "from 100 to 599 at \"\""},
        {"200,,201", ERR_SYNTAX, "at \",201\""},
        {"200-", ERR_SYNTAX, "from 100 to 599 at \"\""},
        {"200-29", ERR_SYNTAX, "at \"29\""},
        {"200-600", ERR_SYNTAX, "at \"600\""},
        {"200-299-", ERR_SYNTAX, "a comma or a dash at \"-\""},
        {"299-298", ERR_RANGE, "range 299-298 runs backwards"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct status_set set = status_set_2xx;
        struct fault f = {0};
        if (status_set_parse(cases[i].text, &set, &f) != cases[i].err)
            fail_msg("'%s': %s", cases[i].text, f.text);
        if (!strstr(f.text, cases[i].part))
            fail_msg("'%s' is told as: %s", cases[i].text, f.text);
        assert_memory_equal(&set, &status_set_2xx, sizeof set); // Left alone.
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_list_holds_what_it_names_and_nothing_else),
        cmocka_unit_test(a_malformed_list_is_refused_where_it_goes_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
