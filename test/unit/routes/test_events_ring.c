// SPDX-License-Identifier: MIT
// test_events_ring.c: messages are numbered and kept for a while, and a client goes on from the one
// that it has seen, or is told that it cannot.

#include "api/events_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void add(struct ring *r, int count)
{
    for (int i = 0; i < count; i++) {
        json_t *data = json_pack("{s:i}", "n", i);
        ring_add(r, "jobs", data);
        json_decref(data);
    }
}

static bool resumes(const struct ring *r, const char *number, uint64_t *next)
{
    char id[64];
    snprintf(id, sizeof id, "%s-%s", r->life, number);
    return ring_resume(r, id, next);
}

static void a_message_has_an_id_an_event_and_data(void **state)
{
    (void)state;
    struct ring r;
    char expected[128];
    ring_init(&r);
    assert_null(ring_find(&r, 1));
    add(&r, 1);
    snprintf(expected, sizeof expected, "id: %s-1\nevent: jobs\ndata: {\"n\":0}\n\n", r.life);
    assert_string_equal(ring_find(&r, 1)->text, expected);
    assert_int_equal(ring_find(&r, 1)->bytes, strlen(expected));
    assert_null(ring_find(&r, 0));
    assert_null(ring_find(&r, 2));
    ring_fini(&r);
}

static void only_the_last_messages_are_kept(void **state)
{
    (void)state;
    struct ring r;
    ring_init(&r);
    add(&r, RING_MESSAGES + 5);
    assert_null(ring_find(&r, 5));
    assert_non_null(ring_find(&r, 6));
    assert_non_null(ring_find(&r, RING_MESSAGES + 5));
    ring_fini(&r);
}

static void a_client_goes_on_where_it_was(void **state)
{
    (void)state;
    struct ring r;
    uint64_t next;
    ring_init(&r);
    add(&r, RING_MESSAGES + 5);
    assert_true(ring_resume(&r, NULL, &next));
    assert_int_equal(next, RING_MESSAGES + 6); // The client has seen nothing: from now on.
    assert_true(resumes(&r, "100", &next));
    assert_int_equal(next, 101);
    assert_true(resumes(&r, "1029", &next)); // The last one.
    assert_int_equal(next, RING_MESSAGES + 6);
    assert_true(resumes(&r, "5", &next)); // The next one is the oldest that is kept.
    assert_int_equal(next, 6);
    ring_fini(&r);
}

static void a_client_that_comes_too_late_goes_on_from_now(void **state)
{
    (void)state;
    static const char *const numbers[] = {"4", "0", "1030", "9223372036854775807", "", "-1", "1x"};
    struct ring r;
    uint64_t next;
    ring_init(&r);
    add(&r, RING_MESSAGES + 5);
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        assert_false(resumes(&r, numbers[i], &next));
        assert_int_equal(next, RING_MESSAGES + 6);
    }
    assert_false(ring_resume(&r, "junk", &next));
    assert_false(ring_resume(&r, r.life, &next));
    ring_fini(&r);
}

static void a_new_life_knows_nothing_of_the_last_one(void **state)
{
    (void)state;
    struct ring r;
    uint64_t next;
    char id[64];
    ring_init(&r);
    add(&r, 3);
    snprintf(id, sizeof id, "%s-2", r.life);
    assert_true(ring_resume(&r, id, &next));
    ring_begin(&r);
    assert_false(ring_resume(&r, id, &next));
    assert_int_equal(next, 1);
    assert_null(ring_find(&r, 2));
    assert_true(resumes(&r, "0", &next)); // A client that came before the first message.
    ring_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_has_an_id_an_event_and_data),
        cmocka_unit_test(only_the_last_messages_are_kept),
        cmocka_unit_test(a_client_goes_on_where_it_was),
        cmocka_unit_test(a_client_that_comes_too_late_goes_on_from_now),
        cmocka_unit_test(a_new_life_knows_nothing_of_the_last_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
