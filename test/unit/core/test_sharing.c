// SPDX-License-Identifier: MIT
// test_sharing.c: what alike jobs have in common is kept once, and nobody can tell.

#include "core_test.h"

#define EVERY_MINUTE "0 * * * * *"

static size_t sends_of(const struct rig *r, job_id id)
{
    size_t count = 0;
    for (size_t i = 0; i < r->send_count; i++)
        count += r->sends[i].key.job == id;
    return count;
}

// The first job changes its schedule, another its policy; the third stays as it was.
static void a_change_of_one_job_leaves_those_alike_alone(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id moved = rig_create(r, job_of(EVERY_MINUTE));
    job_id hasty = rig_create(r, job_of(EVERY_MINUTE));
    job_id still = rig_create(r, job_of(EVERY_MINUTE));
    struct job *j = rig_job(r, moved);
    job_set_text(&j->schedule, "30 * * * * *");
    assert_int_equal(rig_update(r, moved, j), ERR_OK);
    j = rig_job(r, hasty);
    j->timeout_ms = 777;
    assert_int_equal(rig_update(r, hasty, j), ERR_OK);
    rig_run(r, MINUTE);
    assert_int_equal(r->send_count, 3);
    assert_int_equal(r->sends[0].key.job, moved);
    assert_int_equal(r->sends[0].at, T0 + 30 * SECOND);
    assert_int_equal(r->sends[1].key.job, hasty);
    assert_int_equal(r->sends[1].timeout_ms, 777);
    assert_int_equal(r->sends[2].key.job, still);
    assert_int_equal(r->sends[2].at, T0 + MINUTE);
    assert_int_not_equal(r->sends[2].timeout_ms, 777);
    rig_free(r);
}

static void a_deleted_job_leaves_those_alike_what_they_share(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id gone = rig_create(r, job_of(EVERY_MINUTE));
    job_id stays = rig_create(r, job_of(EVERY_MINUTE));
    assert_int_equal(rig_delete(r, gone), ERR_OK);
    rig_run(r, 2 * MINUTE);
    assert_int_equal(sends_of(r, gone), 0);
    assert_int_equal(sends_of(r, stays), 2);
    rig_free(r);
}

// The same words stand for another second in each job: only what they compile to is shared.
static void jobs_that_spread_by_their_id_do_not_share_an_instant(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id a = rig_create(r, job_of("H * * * * *"));
    job_id b = rig_create(r, job_of("H * * * * *"));
    rig_run(r, MINUTE);
    assert_int_equal(sends_of(r, a), 1);
    assert_int_equal(sends_of(r, b), 1);
    assert_int_not_equal(r->sends[0].at, r->sends[1].at);
    rig_free(r);
}

// A job that says nothing, and one that says what is the default in words.
static void the_default_statuses_are_200_to_299(void **state)
{
    (void)state;
    struct status_set set;
    assert_int_equal(status_set_parse("200-299", &set, NULL), ERR_OK);
    assert_memory_equal(&set, &status_set_2xx, sizeof set);
    assert_false(status_set_has(&status_set_2xx, 199));
    assert_true(status_set_has(&status_set_2xx, 200));
    assert_true(status_set_has(&status_set_2xx, 299));
    assert_false(status_set_has(&status_set_2xx, 300));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_of_one_job_leaves_those_alike_alone),
        cmocka_unit_test(a_deleted_job_leaves_those_alike_what_they_share),
        cmocka_unit_test(jobs_that_spread_by_their_id_do_not_share_an_instant),
        cmocka_unit_test(the_default_statuses_are_200_to_299),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
