// SPDX-License-Identifier: MIT
// test_shard.c: shards come, catch up and go: nodes that own some of them, over one store.

#include "nodes.h"

// --- It comes ---

static void ids_tell_the_shard_that_gave_them(void **state)
{
    (void)state;
    struct node *n = owner_of(0, 3);
    assert_int_equal(create(n, 2, "@yearly", JOB_ATLEAST_ONCE), shard_id(2, 1, SHARDS));
    assert_int_equal(create(n, 0, "@yearly", JOB_ATLEAST_ONCE), shard_id(0, 1, SHARDS));
    assert_int_equal(create(n, 2, "@yearly", JOB_ATLEAST_ONCE), shard_id(2, 2, SHARDS));
    job_id id = n->reply.job;
    assert_int_equal(trigger(n, id), ERR_OK);
    assert_int_equal(record(n), COMMIT_DONE);
    assert_int_equal(n->sends[0].shard, 2);
    assert_int_equal(-n->sends[0].request.key.series % SHARDS, 2); // The id of the execution.
    node_free(n);
}

static void commands_of_a_shard_that_is_not_here_are_refused(void **state)
{
    (void)state;
    struct node *n = owner_of(1, 1);
    job_id away = shard_id(2, 1, SHARDS);
    assert_int_equal(trigger(n, away), ERR_AWAY);
    assert_false(core_has_shard(n->core, 2));
    begin_to_gain(n, 2);
    assert_int_equal(trigger(n, away), ERR_AWAY); // The shard may still come in.
    step(n, &(struct event){.kind = EVENT_SHARD_LOADED, .shard_number = 2});
    tick(n);
    assert_true(core_has_shard(n->core, 2));
    assert_int_equal(trigger(n, away), ERR_NOT_FOUND);
    lose(n, 2);
    assert_int_equal(trigger(n, away), ERR_AWAY);
    assert_int_equal(core_status(n->core).shards, 1);
    node_free(n);
}

// Two nodes: what the first has left, the second carries on, and nothing twice.
static void a_shard_goes_on_where_its_last_owner_ended(void **state)
{
    (void)state;
    struct node *first = owner_of(1, 2);
    job_id moves = create(first, 2, "* * * * * *", JOB_ATLEAST_ONCE);
    job_id stays = create(first, 1, "* * * * * *", JOB_ATLEAST_ONCE);
    run(first, 5 * SECOND);
    size_t before = first->send_count;
    struct node *second = owner_of(3, 3);
    lose(first, 2);
    gain(second, 2);
    run(second, 10 * SECOND);
    assert_int_equal(sends_of(second, stays), 0);
    assert_true(sends_of(second, moves) >= 9);
    tick(first);
    for (size_t i = before; i < first->send_count; i++)
        assert_int_equal(first->sends[i].request.key.job, stays);
    node_free(first);
    node_free(second);
}

// A batch of an epoch that is over: nothing of it is written.
static void an_owner_that_has_not_noticed_writes_nothing(void **state)
{
    (void)state;
    struct node *first = owner_of(2, 2);
    struct node *second = owner_of(3, 3);
    gain(second, 2);
    create(first, 2, "@yearly", JOB_ATLEAST_ONCE);
    assert_int_equal(record(first), COMMIT_FENCED);
    run(second, SECOND);
    assert_int_equal(create(second, 2, "@yearly", JOB_ATLEAST_ONCE), shard_id(2, 1, SHARDS));
    node_free(first);
    node_free(second);
}

// --- Others stay on time ---

// An hour of a job that fires each second is planned in small steps. Meanwhile the shard that was
// here before has its rows up to the horizon after every tick.
static void a_shard_that_catches_up_holds_nobody_up(void **state)
{
    (void)state;
    struct node *first = owner_of(2, 2);
    create(first, 2, "* * * * * *", JOB_ATLEAST_ONCE);
    assert_int_equal(record(first), COMMIT_DONE);
    node_free(first);
    world.now.wall += HOUR;
    world.now.mono += HOUR;

    struct node *n = node_new(16);
    gain(n, 1);
    job_id steady = create(n, 1, "* * * * * *", JOB_ATLEAST_ONCE);
    run(n, 2 * SECOND);
    gain(n, 2);
    size_t turns = 0, answered = 0;
    while (core_status(n->core).watermark < world.now.wall) {
        size_t before = sends_of(n, steady);
        world.now.wall += SECOND;
        world.now.mono += SECOND;
        tick(n);
        assert_in_range(n->rows_of_step, 1, 16 + 16 / 4 + 1);
        assert_int_equal(record(n), COMMIT_DONE);
        while (n->out.batch->count > 0)
            assert_int_equal(record(n), COMMIT_DONE);
        assert_int_equal(sends_of(n, steady), before + 1);
        answer_all(n, &answered);
        assert_true(++turns < 1000);
    }
    assert_true(turns > 100);
    run(n, 2 * SECOND);
    struct shard one = core_shard(n->core, 1), two = core_shard(n->core, 2);
    assert_true(one.watermark >= world.now.wall + 1000);
    assert_true(two.watermark == one.watermark && two.watermark_job == one.watermark_job);
    node_free(n);
}

// A shard's jobs and executions are looked at a few in each tick.
static void a_shard_is_settled_in_slices(void **state)
{
    (void)state;
    struct node *first = owner_of(2, 2);
    for (int i = 0; i < 200; i++) {
        job_id id = create(first, 2, "0 0 0 1 1 *", JOB_ATLEAST_ONCE);
        assert_int_equal(trigger(first, id), ERR_OK);
    }
    assert_int_equal(record(first), COMMIT_DONE);
    node_free(first);

    struct node *n = node_new(16);
    gain(n, 1);
    job_id steady = create(n, 1, "* * * * * *", JOB_ATLEAST_ONCE);
    run(n, 2 * SECOND);
    gain(n, 2);
    size_t turns = 0;
    while (!core_has_shard(n->core, 2)) {
        size_t before = sends_of(n, steady);
        world.now.wall += SECOND;
        world.now.mono += SECOND;
        tick(n);
        assert_true(n->changes_of_step <= 2 * 16 + 4);
        while (n->out.batch->count > 0)
            assert_int_equal(record(n), COMMIT_DONE);
        assert_int_equal(sends_of(n, steady), before + 1);
        assert_true(++turns < 1000);
    }
    assert_true(turns >= 3 * 200 / 16 - 3);
    run(n, 5 * SECOND);
    assert_true(n->send_count >= 200);
    node_free(n);
}

// --- It goes ---

static void what_flies_when_a_shard_is_lost_is_cancelled_and_forgotten(void **state)
{
    (void)state;
    struct node *n = owner_of(1, 2);
    job_id lost = create(n, 2, "@yearly", JOB_ATLEAST_ONCE);
    job_id kept = create(n, 1, "@yearly", JOB_ATLEAST_ONCE);
    assert_int_equal(trigger(n, lost), ERR_OK);
    assert_int_equal(trigger(n, kept), ERR_OK);
    assert_int_equal(record(n), COMMIT_DONE);
    assert_int_equal(n->send_count, 2);
    lose(n, 2);
    assert_int_equal(n->cancelled, 1);
    assert_int_equal(core_status(n->core).in_flight, 1);
    assert_int_equal(core_status(n->core).open, 1);
    assert_int_equal(core_status(n->core).jobs, 1);
    answer(n, 0, 200);
    assert_int_equal(n->changes_of_step, 0); // Nobody's any more.
    answer(n, 1, 200);
    assert_true(n->changes_of_step > 0);
    node_free(n);
}

// The execution is made again, since its row says that it may have been sent. What the first
// attempt heard is for an owner that is no more.
static void a_late_outcome_of_another_epoch_is_dropped(void **state)
{
    (void)state;
    struct node *n = owner_of(1, 2);
    job_id id = create(n, 2, "@yearly", JOB_ATLEAST_ONCE);
    assert_int_equal(trigger(n, id), ERR_OK);
    assert_int_equal(record(n), COMMIT_DONE);
    assert_int_equal(n->send_count, 1);
    lose(n, 2);
    gain(n, 2);
    run(n, 2 * SECOND);
    assert_int_equal(n->send_count, 2);
    assert_int_equal(n->sends[1].request.epoch, n->sends[0].request.epoch + 1);
    assert_true(n->sends[1].ticket !=
                n->sends[0].ticket); // The old and the new request may be on the wire.
    answer(n, 0, 200);
    assert_int_equal(n->changes_of_step, 0);
    answer(n, 1, 200);
    assert_int_equal(core_status(n->core).open, 0);
    node_free(n);
}

static void a_shard_can_be_lost_while_it_comes_in(void **state)
{
    (void)state;
    struct node *first = owner_of(2, 2);
    for (int i = 0; i < 40; i++)
        assert_int_equal(trigger(first, create(first, 2, "@yearly", JOB_ATLEAST_ONCE)), ERR_OK);
    assert_int_equal(record(first), COMMIT_DONE);
    node_free(first);
    struct node *n = node_new(16);
    gain(n, 1);
    run(n, SECOND);
    for (int ticks = 0; ticks < 12; ticks++) {
        begin_to_gain(n, 2);
        if (ticks > 0)
            step(n, &(struct event){.kind = EVENT_SHARD_LOADED, .shard_number = 2});
        for (int i = 0; i < ticks; i++)
            tick(n);
        record(n);
        lose(n, 2);
        assert_int_equal(core_status(n->core).jobs, 0);
        assert_int_equal(core_status(n->core).open, 0);
        record(n);
    }
    lose(n, 3); // Which it never had.
    lose(n, 1);
    tick(n);
    assert_int_equal(core_status(n->core).shards, 0);
    node_free(n);
}

// --- The lease ---

static void set_lease(struct node *n, mono_ms until)
{
    step(n, &(struct event){.kind = EVENT_LEASE, .until = until});
}

static void nothing_is_sent_past_the_lease(void **state)
{
    (void)state;
    struct node *n = owner_of(1, 1);
    job_id id = create(n, 1, "@yearly", JOB_ATLEAST_ONCE);
    set_lease(n, world.now.mono);
    assert_int_equal(trigger(n, id), ERR_OK);
    assert_int_equal(record(n), COMMIT_DONE);
    assert_int_equal(n->send_count, 0);
    assert_int_equal(core_status(n->core).waiting, 1);
    set_lease(n, world.now.mono + 1);
    assert_int_equal(n->send_count, 1);
    world.now.mono += 1;
    assert_int_equal(trigger(n, id), ERR_OK);
    assert_int_equal(record(n), COMMIT_DONE);
    assert_int_equal(n->send_count, 1);
    node_free(n);
}

// A claim is on the way to the disk when the lease ends. Nothing was sent, so it is claimed anew.
static void a_claim_outlives_the_lease_unsent(void **state)
{
    (void)state;
    struct node *n = owner_of(1, 1);
    job_id id = create(n, 1, "@yearly", JOB_ATMOST_ONCE);
    assert_int_equal(record(n), COMMIT_DONE);
    assert_int_equal(trigger(n, id), ERR_OK);
    assert_int_equal(record(n), COMMIT_DONE); // The row; now it claims.
    assert_true(n->out.batch->count > 0);
    set_lease(n, world.now.mono);
    assert_int_equal(record(n), COMMIT_DONE);
    run(n, 2 * SECOND);
    assert_int_equal(n->send_count, 0);
    set_lease(n, MONO_NEVER);
    run(n, SECOND);
    assert_int_equal(n->send_count, 1);
    assert_int_equal(n->sends[0].request.attempt, 1);
    node_free(n);
}

static void before_the_first_lease_nothing_is_sent(void **state)
{
    (void)state;
    struct node *n = node_new(512);
    set_lease(n, 0);
    gain(n, 1);
    job_id id = create(n, 1, "@yearly", JOB_ATLEAST_ONCE);
    assert_int_equal(trigger(n, id), ERR_OK);
    assert_int_equal(record(n), COMMIT_DONE);
    assert_int_equal(n->send_count, 0);
    node_free(n);
}

// --- Rows of shards ---

static size_t rows_in(const struct batch *b)
{
    size_t rows = 0;
    for (size_t i = 0; i < b->count; i++)
        rows += b->changes[i].kind == CHANGE_SHARD;
    return rows;
}

// A batch has the rows of the shards that it changes. The others are written once a minute.
static void idle_shards_are_not_written_with_others(void **state)
{
    (void)state;
    struct node *n = owner_of(0, 3);
    create(n, 2, "@yearly", JOB_ATLEAST_ONCE);
    create(n, 2, "@yearly", JOB_ATLEAST_ONCE);
    assert_int_equal(rows_in(n->out.batch), 1);
    create(n, 1, "@yearly", JOB_ATLEAST_ONCE);
    assert_int_equal(rows_in(n->out.batch), 2);
    assert_int_equal(record(n), COMMIT_DONE);
    world.now.wall += 59 * SECOND;
    world.now.mono += 59 * SECOND;
    tick(n);
    assert_int_equal(rows_in(n->out.batch), 0);
    world.now.wall += SECOND;
    world.now.mono += SECOND;
    tick(n);
    assert_true(rows_in(n->out.batch) >= 2);
    struct shard *row = batch_shard(n->out.batch, 3);
    assert_true(row->watermark >= world.now.wall + 1000);
    node_free(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NODES_TEST(ids_tell_the_shard_that_gave_them),
        NODES_TEST(commands_of_a_shard_that_is_not_here_are_refused),
        NODES_TEST(a_shard_goes_on_where_its_last_owner_ended),
        NODES_TEST(an_owner_that_has_not_noticed_writes_nothing),
        NODES_TEST(a_shard_that_catches_up_holds_nobody_up),
        NODES_TEST(a_shard_is_settled_in_slices),
        NODES_TEST(what_flies_when_a_shard_is_lost_is_cancelled_and_forgotten),
        NODES_TEST(a_late_outcome_of_another_epoch_is_dropped),
        NODES_TEST(a_shard_can_be_lost_while_it_comes_in),
        NODES_TEST(nothing_is_sent_past_the_lease),
        NODES_TEST(a_claim_outlives_the_lease_unsent),
        NODES_TEST(before_the_first_lease_nothing_is_sent),
        NODES_TEST(idle_shards_are_not_written_with_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
