// SPDX-License-Identifier: MIT
// test_descriptors.c: clients and attempts share what there is, and nothing is given out twice.

#include "app/descriptors_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct descriptors wanted = {.api_threads = 2, .connections = 2048, .attempts = 16384};

static void with_enough_descriptors_nothing_is_lowered(void **state)
{
    (void)state;
    struct descriptors d = wanted;
    assert_int_equal(descriptors_share(1048576, &d, NULL), ERR_OK);
    assert_int_equal(d.connections, 2048);
    assert_int_equal(d.reserve, 64);
    assert_int_equal(d.attempts, 16384);
}

static void descriptors_given_out_never_exceed_the_limit(void **state)
{
    (void)state;
    static const uint64_t connections[] = {16, 100, 2048, 100000};
    static const uint64_t attempts[] = {16, 100, 16384, 1000000};
    for (uint64_t limit = 0; limit < 40000; limit += limit < 400 ? 1 : 997) {
        for (size_t i = 0; i < 4; i++) {
            for (size_t k = 0; k < 4; k++) {
                struct descriptors d = {2, connections[i], 0, attempts[k]};
                if (descriptors_share(limit, &d, NULL) == ERR_LIMIT) {
                    assert_true(limit < 108);
                    continue;
                }
                assert_in_range(d.connections, 16, connections[i]);
                assert_in_range(d.attempts, 16, attempts[k]);
                assert_in_range(d.reserve, 8, 64);
                assert_true(d.connections + 2 * d.reserve + d.attempts + 60 <= limit);
            }
        }
    }
}

// Which of the two is lowered depends on what each wants.
static void descriptors_that_targets_do_not_want_clients_may_have(void **state)
{
    (void)state;
    static const struct {
        uint64_t limit, connections, attempts, connections_given, attempts_given;
    } cases[] = {
        {4096, 2048, 16384, 883, 3027}, // A quarter and three quarters.
        {4096, 2048, 500, 2048, 500},   // Clients and targets have what they want.
        {2000, 2048, 500, 1312, 500},   // The clients get what the attempts leave.
        {2000, 100, 16384, 100, 1824},  // And the other way round.
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct descriptors d = {2, cases[i].connections, 0, cases[i].attempts};
        assert_int_equal(descriptors_share(cases[i].limit, &d, NULL), ERR_OK);
        assert_int_equal(d.connections, cases[i].connections_given);
        assert_int_equal(d.attempts, cases[i].attempts_given);
    }
}

static void too_few_descriptors_are_refused_with_the_number(void **state)
{
    (void)state;
    struct descriptors d = wanted;
    struct fault f = {0};
    assert_int_equal(descriptors_share(90, &d, &f), ERR_LIMIT);
    assert_non_null(strstr(f.text, "may open 90 files"));
    assert_non_null(strstr(f.text, "at least 108"));
    assert_int_equal(descriptors_share(108, &d, NULL), ERR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_enough_descriptors_nothing_is_lowered),
        cmocka_unit_test(descriptors_given_out_never_exceed_the_limit),
        cmocka_unit_test(descriptors_that_targets_do_not_want_clients_may_have),
        cmocka_unit_test(too_few_descriptors_are_refused_with_the_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
