// SPDX-License-Identifier: MIT
// test_reply.c: commands that are rows of the store: the reply is recorded with its effects, and
// only by who has claimed the command.

#include "core_test.h"

#include <string.h>

#define EVERY_MINUTE "0 * * * * *"

static struct command command_of(const struct rig *r, uint8_t number, enum command_kind kind,
                                 job_id id)
{
    return (struct command){
        .kind = kind, .id = id, .command_id = {{[0] = number}}, .epoch = core_epoch(r->core, 0)};
}

static enum err ask(struct rig *r, struct command *c)
{
    rig_step(r, &(struct event){.kind = EVENT_COMMAND, .command = c});
    return r->reply.err;
}

// The only reply in the open batch.
static const struct command_reply *recorded(const struct rig *r)
{
    const struct command_reply *found = NULL;
    for (size_t i = 0; i < r->out.batch->count; i++)
        if (r->out.batch->changes[i].kind == CHANGE_REPLY) {
            assert_null(found);
            found = &r->out.batch->changes[i].reply;
        }
    assert_non_null(found);
    return found;
}

static void reply_is_recorded_with_its_effects(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of(EVERY_MINUTE));
    assert_false(r->reply.is_recorded);
    rig_record(r);
    struct command c = command_of(r, 7, COMMAND_TRIGGER, id);
    assert_int_equal(ask(r, &c), ERR_OK);
    assert_true(r->reply.is_recorded);
    const struct command_reply *reply = recorded(r);
    assert_int_equal(reply->command.bytes[0], 7);
    assert_int_equal(reply->err, ERR_OK);
    assert_int_equal(reply->job, id);
    assert_int_equal(reply->version, 1);
    assert_int_equal(reply->execution.series, -1);
    assert_int_equal(reply->at, r->now.wall);
    assert_int_equal(rig_changes(r, CHANGE_EXECUTION_INSERT), 1);
    assert_true(r->out.batch->awaited);
    assert_non_null(batch_shard(r->out.batch, 0));
    rig_free(r);
}

static void refusal_is_recorded_too(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    struct command c = command_of(r, 7, COMMAND_DELETE, 5);
    assert_int_equal(ask(r, &c), ERR_NOT_FOUND);
    assert_int_equal(recorded(r)->err, ERR_NOT_FOUND);
    assert_true(r->reply.is_recorded);
    assert_true(r->out.batch->awaited);
    rig_free(r);
}

// By its id, of which an `H` depends, the client is told why.
static void refusal_of_what_would_never_run_names_the_id_of_the_job(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    struct command c = command_of(r, 7, COMMAND_CREATE, 0);
    c.job = job_of("2020-01-01T00:00:00Z");
    assert_int_equal(ask(r, &c), ERR_RANGE);
    assert_int_equal(recorded(r)->err, ERR_RANGE);
    assert_int_equal(recorded(r)->job, 1);
    rig_free(r);
}

// The shard has come back to this node after the claim: the command is claimed again.
static void claim_of_another_epoch_is_left_to_the_next_one(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of(EVERY_MINUTE));
    rig_record(r);
    struct command c = command_of(r, 7, COMMAND_DELETE, id);
    rig_crash(r, 100);
    size_t before = rig_changes(r, CHANGE_JOB_DELETE);
    assert_int_equal(ask(r, &c), ERR_AWAY);
    assert_false(r->reply.is_recorded);
    assert_int_equal(rig_changes(r, CHANGE_REPLY), 0);
    assert_int_equal(rig_changes(r, CHANGE_JOB_DELETE), before);
    c.epoch++;
    assert_int_equal(ask(r, &c), ERR_OK);
    assert_int_equal(recorded(r)->err, ERR_OK);
    rig_free(r);
}

static void node_that_stops_leaves_the_command_to_the_next_owner(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    job_id id = rig_create(r, job_of(EVERY_MINUTE));
    rig_record(r);
    rig_step(r, &(struct event){.kind = EVENT_DRAIN});
    struct command c = command_of(r, 7, COMMAND_DELETE, id);
    assert_int_equal(ask(r, &c), ERR_CLOSED);
    assert_int_equal(rig_changes(r, CHANGE_REPLY), 0);
    rig_free(r);
}

static void shard_that_is_not_here_is_not_answered_for(void **state)
{
    (void)state;
    struct rig *r = rig_started();
    struct command c = command_of(r, 7, COMMAND_DELETE, 1);
    rig_step(r, &(struct event){.kind = EVENT_SHARD_LOST, .shard_number = 0});
    assert_int_equal(ask(r, &c), ERR_AWAY);
    assert_int_equal(rig_changes(r, CHANGE_REPLY), 0);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reply_is_recorded_with_its_effects),
        cmocka_unit_test(refusal_is_recorded_too),
        cmocka_unit_test(refusal_of_what_would_never_run_names_the_id_of_the_job),
        cmocka_unit_test(claim_of_another_epoch_is_left_to_the_next_one),
        cmocka_unit_test(node_that_stops_leaves_the_command_to_the_next_owner),
        cmocka_unit_test(shard_that_is_not_here_is_not_answered_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
