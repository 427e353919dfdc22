// SPDX-License-Identifier: MIT
// test_actor.c: a copy of who asks outlives the request that it was taken from.

#include "ledger/ledger.h"

#include <string.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

static void a_copy_of_an_actor_has_texts_of_its_own(void **state)
{
    (void)state;
    char name[] = "deploy", address[] = "192.0.2.7", request[] = "r-1";
    struct actor a = {.token_name = name,
                      .token = 12,
                      .address = address,
                      .request_id = request,
                      .max_jobs = 5,
                      .max_bytes = 6};
    struct actor *copy = actor_copy(&a);
    memset(name, 'x', sizeof name - 1);
    memset(address, 'x', sizeof address - 1);
    memset(request, 'x', sizeof request - 1);
    assert_string_equal(copy->token_name, "deploy");
    assert_int_equal(copy->token, 12);
    assert_int_equal(copy->max_jobs, 5);
    assert_int_equal(copy->max_bytes, 6);
    assert_string_equal(copy->address, "192.0.2.7");
    assert_string_equal(copy->request_id, "r-1");
    free(copy);
}

static void a_copy_keeps_what_is_not_known_of_an_actor(void **state)
{
    (void)state;
    struct actor *partly = actor_copy(&(struct actor){.address = "::1"});
    assert_null(partly->token_name);
    assert_string_equal(partly->address, "::1");
    assert_null(partly->request_id);
    free(partly);

    struct actor *nobody = actor_copy(NULL);
    assert_null(nobody->token_name);
    assert_int_equal(nobody->token, 0);
    assert_null(nobody->address);
    assert_null(nobody->request_id);
    free(nobody);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_copy_of_an_actor_has_texts_of_its_own),
        cmocka_unit_test(a_copy_keeps_what_is_not_known_of_an_actor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
