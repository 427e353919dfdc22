// SPDX-License-Identifier: MIT
// test_dispatch.c: what an attempt says to its target, and how answers are reported.

#include "dispatch_harness.h"

#include <stdio.h>
#include <string.h>

static const struct script scripts[] = {
    {"/ok", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 0, SCRIPT_KEEP},
    {NULL, NULL, 0, SCRIPT_KEEP},
};

static int setup(void **state)
{
    return harness_setup(state, scripts, NULL, NULL, NULL);
}

static void a_good_answer_is_reported_with_status_and_body(void **state)
{
    struct harness *h = *state;
    wall_ms before = clock_wall_ms();
    const struct seen *s = harness_post(h, "/ok");
    assert_int_equal(s->kind, OUTCOME_ANSWERED);
    assert_int_equal(s->attempt.http_status, 200);
    assert_string_equal(s->response, "hello");
    assert_null(s->attempt.error);
    assert_in_range(s->attempt.started_at, before, clock_wall_ms());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_good_answer_is_reported_with_status_and_body, setup,
                                        harness_teardown),
    };
    return harness_run("dispatch", tests, COUNT_OF(tests));
}
