// SPDX-License-Identifier: MIT
// test_mail.c: which commands the engine takes from clients, and that each that it takes is
// answered once.

#include "engine_test.h"
#include "zones/zones.h"

static const struct command accept_clock = {.kind = COMMAND_ACCEPT_CLOCK};

static struct command create(void)
{
    return (struct command){.kind = COMMAND_CREATE, .job = rig_job("@daily"), .zone = zone_utc()};
}

static void commands_wait_for_the_start_up_to_the_bound(void **state)
{
    (void)state;
    enum { WAITING_MAX = RIG_MAILS_MAX - 1 }; // The gain of the shard waits as well.
    struct answer answers[WAITING_MAX], refused;
    assert_true(rig_open());
    for (size_t i = 0; i < WAITING_MAX; i++)
        assert_int_equal(rig_submit(&accept_clock, &answers[i]), ERR_OK);
    assert_int_equal(rig_submit(&accept_clock, &refused), ERR_LIMIT);
    for (size_t i = 0; i < WAITING_MAX; i++)
        assert_false(rig_has(&answers[i]));
    assert_int_equal(engine_start(rig.engine, NULL), ERR_OK);
    for (size_t i = 0; i < WAITING_MAX; i++)
        rig_wait_for(&answers[i]);
    rig_stop();
    assert_int_equal(refused.count, 0);
}

static void a_command_of_an_engine_that_never_started_is_refused(void **state)
{
    (void)state;
    struct answer a;
    const struct command c = create();
    assert_true(rig_open());
    assert_int_equal(rig_submit(&c, &a), ERR_OK);
    rig_stop();
    assert_int_equal(a.count, 1);
    assert_int_equal(a.reply.err, ERR_CLOSED);
    assert_null(a.row);
}

static void a_command_after_the_drain_is_refused(void **state)
{
    (void)state;
    struct answer a;
    const struct command c = create();
    assert_int_equal(engine_drain(rig.engine, 60000), 0);
    assert_int_equal(rig_submit(&c, &a), ERR_OK);
    rig_wait_for(&a);
    assert_int_equal(a.reply.err, ERR_CLOSED);
}

// --- The reserve of the disk ---------------------------------------------------------------------

static struct command change(job_id id, bool is_active)
{
    struct command c = create();
    c.kind = COMMAND_UPDATE;
    c.id = id;
    c.job->is_active = is_active;
    return c;
}

static void submit_change(job_id id, bool is_active)
{
    struct answer a;
    const struct command c = change(id, is_active);
    assert_int_equal(rig_submit(&c, &a), ERR_OK);
    rig_wait_for(&a);
    assert_int_equal(a.reply.err, ERR_OK);
    job_free(a.row);
}

// The job was made while there was room. What makes room is let through: a pause and a deletion.
static void commands_that_need_the_reserve_are_refused(void **state)
{
    (void)state;
    struct answer a;
    rig.free_bytes = 0; // Not known: no reserve.
    assert_true(rig_start());
    job_id id = rig_create("@daily");
    submit_change(id, true);
    rig_stop();

    rig.free_bytes = 1;
    assert_true(rig_start());
    const struct command refused[] = {
        create(), {.kind = COMMAND_TRIGGER, .id = id}, change(id, true)};
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        assert_int_equal(rig_submit(&refused[i], &a), ERR_STORE_LOW);
        assert_int_equal(a.count, 0);
    }
    submit_change(id, false);
    const struct command delete = {.kind = COMMAND_DELETE, .id = id};
    assert_int_equal(rig_submit(&delete, &a), ERR_OK);
    rig_wait_for(&a);
    assert_int_equal(a.reply.err, ERR_OK);
    assert_int_equal(rig_submit(&accept_clock, &a), ERR_OK);
    rig_wait_for(&a);
    assert_int_equal(engine_status(rig.engine).store.free_bytes, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST_STORE(commands_wait_for_the_start_up_to_the_bound),
        RIG_TEST_STORE(a_command_of_an_engine_that_never_started_is_refused),
        RIG_TEST(a_command_after_the_drain_is_refused),
        RIG_TEST_STORE(commands_that_need_the_reserve_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
