// SPDX-License-Identifier: MIT
// test_give_back.c: a shard goes to another node in an orderly way, and what is under way goes on.

#include "nodes.h"

#define FLIGHTS_MS (30 * SECOND)

static void give_back(struct node *n, uint32_t shard, dur_ms flights_ms)
{
    step(n, &(struct event){.kind = EVENT_SHARD_GIVE_BACK,
                            .give_back = {shard, "first", world.now.wall + flights_ms}});
    assert_true(n->out.batch->awaited);
    assert_int_equal(core_epoch(n->core, shard), 0);
    assert_int_equal(record(n), COMMIT_DONE);
}

static job_id create_job(struct node *n, enum job_type type, enum overlap overlap,
                         uint32_t in_flight_max)
{
    struct job *j = job_new();
    job_set_text(&j->schedule, "@yearly");
    job_set_text(&j->timezone, "UTC");
    job_set_text(&j->api, "http://a/");
    j->type = (uint8_t)type;
    j->overlap = (uint8_t)overlap;
    j->max_in_flight = in_flight_max;
    j->timeout_ms = 10 * SECOND;
    struct command cmd = {.kind = COMMAND_CREATE, .shard = 2, .job = j, .zone = zone_utc()};
    assert_int_equal(ask(n, &cmd), ERR_OK);
    return n->reply.job;
}

// A request of the job is under way at *first, and the shard is at *second by now.
static job_id hand_over(enum job_type type, dur_ms flights_ms, struct node **first,
                        struct node **second)
{
    *first = owner_of(1, 2);
    *second = owner_of(3, 3);
    job_id id = create_job(*first, type, OVERLAP_ALLOW, 1);
    assert_int_equal(trigger(*first, id), ERR_OK);
    while ((*first)->out.batch->count > 0)
        assert_int_equal(record(*first), COMMIT_DONE);
    assert_int_equal((*first)->send_count, 1);
    give_back(*first, 2, flights_ms);
    gain(*second, 2);
    run(*second, SECOND);
    return id;
}

static void free_both(struct node *first, struct node *second)
{
    node_free(first);
    node_free(second);
}

// What the first node handed off arrives at the second one.
static enum err deliver(const struct node *first, struct node *second)
{
    assert_true(first->handoffs > 0);
    struct command c = {
        .kind = COMMAND_OUTCOME, .id = first->handoff.job, .outcome = &first->handoff.outcome};
    return ask(second, &c);
}

static enum err note_execution(void *context, const struct execution *e)
{
    struct execution *out = context;
    *out = *e;
    out->error = out->reason = out->request_body = out->origin = NULL;
    static char node[32];
    if (e->held_by)
        out->held_by = strcpy(node, e->held_by);
    return ERR_OK;
}

// The only execution of the job, as the store has it.
static struct execution row_of(job_id id)
{
    const struct execution_query q = {
        .job = id, .trigger = -1, .to = WALL_LAST, .before = {WALL_NEVER, INT64_MAX}, .limit = 1};
    struct execution out = {0};
    struct store_reader *r;
    assert_int_equal(store_reader_open(world.store, &r, NULL), ERR_OK);
    assert_int_equal(store_list_executions(r, &q, note_execution, &out, NULL), ERR_OK);
    store_reader_close(r);
    assert_true(out.id > 0);
    return out;
}

static void record_all(struct node *n)
{
    while (n->out.batch->count > 0)
        assert_int_equal(record(n), COMMIT_DONE);
}

static void a_flight_goes_on_and_its_outcome_is_handed_off(void **state)
{
    (void)state;
    struct node *first, *second;
    job_id id = hand_over(JOB_ATLEAST_ONCE, FLIGHTS_MS, &first, &second);
    assert_int_equal(first->cancelled, 0);
    assert_int_equal(core_status(first->core).in_flight, 1);
    assert_int_equal(core_status(first->core).jobs, 0);
    struct execution row = row_of(id);
    assert_int_equal(row.state, EXECUTION_RUNNING);
    assert_string_equal(row.held_by, "first");
    assert_true(row.held_until > T0 + 10 * SECOND && row.held_until < T0 + 15 * SECOND);
    assert_int_equal(second->send_count, 0);
    assert_int_equal(core_status(second->core).elsewhere, 1);
    assert_int_equal(core_status(second->core).in_flight, 0);

    answer(first, 0, 200);
    assert_int_equal(first->changes_of_step, 0);
    assert_int_equal(core_status(first->core).in_flight, 0);
    assert_int_equal(first->handoffs, 1);
    assert_int_equal(first->handoff.job, id);
    assert_int_equal(first->handoff.outcome.attempt.execution_id, row.id);
    assert_int_equal(first->handoff.outcome.attempt.number, 1);
    assert_int_equal(deliver(first, second), ERR_OK);
    record_all(second);
    row = row_of(id);
    assert_int_equal(row.state, EXECUTION_SUCCESS);
    assert_null(row.held_by);
    assert_int_equal(row.held_until, 0);
    assert_int_equal(row.attempts, 1);
    assert_int_equal(core_status(second->core).elsewhere, 0);
    assert_int_equal(deliver(first, second), ERR_NOT_FOUND); // A second time.
    run(second, 60 * SECOND);
    assert_int_equal(second->send_count, 0);
    free_both(first, second);
}

static void a_flight_that_failed_is_retried_by_the_new_owner(void **state)
{
    (void)state;
    struct node *first, *second;
    job_id id = hand_over(JOB_ATLEAST_ONCE, FLIGHTS_MS, &first, &second);
    answer(first, 0, 500);
    assert_int_equal(deliver(first, second), ERR_OK);
    record_all(second);
    run(second, 2 * SECOND);
    assert_int_equal(second->send_count, 1);
    assert_int_equal(second->sends[0].request.attempt, 2);
    assert_int_equal(row_of(id).retry_count, 0); // The next attempt's is not written yet.
    free_both(first, second);
}

// Nobody tells how it ended: nothing is sent until then, and after that as after a crash.
static void nothing_is_sent_while_a_flight_is_elsewhere(void **state)
{
    (void)state;
    struct node *first, *second;
    job_id id = hand_over(JOB_ATLEAST_ONCE, FLIGHTS_MS, &first, &second);
    wall_ms until = row_of(id).held_until;
    while (world.now.wall + 500 < until) {
        run(second, 500);
        assert_int_equal(second->send_count, 0);
    }
    run(second, 2 * SECOND);
    assert_int_equal(second->send_count, 1);
    assert_int_equal(second->sends[0].request.attempt, 2);
    assert_int_equal(core_status(second->core).elsewhere, 0);
    answer(second, 0, 200);
    record_all(second);
    assert_int_equal(row_of(id).state, EXECUTION_SUCCESS);
    assert_null(row_of(id).held_by);
    free_both(first, second);
}

static void an_at_most_once_flight_of_which_nothing_is_heard_fails(void **state)
{
    (void)state;
    struct node *first, *second;
    job_id id = hand_over(JOB_ATMOST_ONCE, FLIGHTS_MS, &first, &second);
    assert_int_equal(row_of(id).state, EXECUTION_RUNNING);
    run(second, 20 * SECOND);
    assert_int_equal(second->send_count, 0);
    assert_int_equal(row_of(id).state, EXECUTION_FAILED);
    answer(first, 0, 200);
    free_both(first, second);
}

// The drain has less time than the attempt: it is over for both at the same moment.
static void a_flight_is_cancelled_when_the_drain_is_over(void **state)
{
    (void)state;
    struct node *first, *second;
    job_id id = hand_over(JOB_ATLEAST_ONCE, 3 * SECOND, &first, &second);
    assert_int_equal(row_of(id).held_until, T0 + 500 + 500 + 3 * SECOND);
    run(first, SECOND);
    assert_int_equal(first->cancelled, 0);
    run(first, SECOND);
    assert_int_equal(first->cancelled, 1);
    assert_int_equal(core_status(first->core).in_flight, 0);
    answer(first, 0, 200);
    assert_int_equal(first->handoffs, 0);
    run(second, SECOND);
    assert_int_equal(second->send_count, 1);
    free_both(first, second);
}

// The job may have one at a time.
static void a_flight_elsewhere_counts_against_the_limits(void **state)
{
    (void)state;
    struct node *first, *second;
    job_id id = hand_over(JOB_ATLEAST_ONCE, FLIGHTS_MS, &first, &second);
    assert_int_equal(trigger(second, id), ERR_OK);
    record_all(second);
    run(second, SECOND);
    assert_int_equal(second->send_count, 0);
    assert_int_equal(core_status(second->core).waiting, 1);
    answer(first, 0, 200);
    assert_int_equal(deliver(first, second), ERR_OK);
    record_all(second);
    assert_int_equal(second->send_count, 1);
    free_both(first, second);
}

// The job is deleted while its request is under way at the node of before.
static void a_flight_elsewhere_of_a_deleted_job_ends_as_it_did(void **state)
{
    (void)state;
    struct node *first, *second;
    job_id id = hand_over(JOB_ATLEAST_ONCE, FLIGHTS_MS, &first, &second);
    assert_int_equal(ask(second, &(struct command){.kind = COMMAND_DELETE, .id = id}), ERR_OK);
    record_all(second);
    assert_int_equal(row_of(id).state, EXECUTION_RUNNING);
    give_back(second, 2, FLIGHTS_MS); // And the third owner knows no such job.
    struct node *third = owner_of(0, 0);
    gain(third, 2);
    run(third, SECOND);
    assert_int_equal(row_of(id).state, EXECUTION_RUNNING);
    assert_string_equal(row_of(id).held_by, "first");
    answer(first, 0, 200);
    assert_int_equal(deliver(first, second), ERR_AWAY);
    assert_int_equal(deliver(first, third), ERR_OK);
    record_all(third);
    assert_int_equal(row_of(id).state, EXECUTION_SUCCESS);
    node_free(third);
    free_both(first, second);
}

// Whether the job would have tried again is not known any more.
static void a_flight_elsewhere_of_a_deleted_job_that_fails_is_cancelled(void **state)
{
    (void)state;
    struct node *first, *second;
    job_id id = hand_over(JOB_ATLEAST_ONCE, FLIGHTS_MS, &first, &second);
    assert_int_equal(ask(second, &(struct command){.kind = COMMAND_DELETE, .id = id}), ERR_OK);
    record_all(second);
    give_back(second, 2, FLIGHTS_MS);
    struct node *third = owner_of(0, 0);
    gain(third, 2);
    run(third, SECOND);
    answer(first, 0, 500);
    assert_int_equal(deliver(first, third), ERR_OK);
    record_all(third);
    assert_int_equal(row_of(id).state, EXECUTION_CANCELLED);
    node_free(third);
    free_both(first, second);
}

// What is between two attempts, what waits in line and what has just been claimed is the next
// owner's, who makes every attempt once.
static void what_has_not_left_is_sent_by_the_new_owner(void **state)
{
    (void)state;
    struct node *first = owner_of(1, 2), *second = owner_of(3, 3);
    job_id id = create_job(first, JOB_ATLEAST_ONCE, OVERLAP_ALLOW, 1);
    assert_int_equal(trigger(first, id), ERR_OK);
    assert_int_equal(trigger(first, id), ERR_OK); // Waits for the first one, whose place it gets.
    job_id once = create_job(first, JOB_ATMOST_ONCE, OVERLAP_ALLOW, 1);
    record_all(first);
    assert_int_equal(trigger(first, once), ERR_OK);
    assert_int_equal(record(first), COMMIT_DONE); // The row; the claim is in the open batch.
    assert_true(first->out.batch->count > 0);
    assert_int_equal(first->send_count, 1);
    answer(first, 0, 500); // The retry waits a second.
    assert_int_equal(first->send_count, 2);
    give_back(first, 2, FLIGHTS_MS);
    assert_int_equal(first->send_count, 2);
    assert_int_equal(core_status(first->core).open, 0);
    gain(second, 2);
    run(second, 5 * SECOND);
    assert_int_equal(sends_of(second, id), 0); // There is one place.
    answer(first, 1, 200);
    assert_int_equal(deliver(first, second), ERR_OK);
    size_t answered = 0;
    for (int i = 0; i < 20; i++) {
        answer_all(second, &answered);
        run(second, SECOND);
    }
    assert_int_equal(second->send_count, 2);
    assert_int_equal(sends_of(second, once), 1);
    assert_int_equal(row_of(once).state, EXECUTION_SUCCESS);
    assert_int_equal(row_of(once).attempts, 1);
    free_both(first, second);
}

static void a_shard_that_is_not_ours_is_given_back_at_once(void **state)
{
    (void)state;
    struct node *n = owner_of(1, 1);
    step(n, &(struct event){.kind = EVENT_SHARD_GIVE_BACK, .give_back = {2, "first", T0}});
    assert_int_equal(n->changes_of_step, 0);
    begin_to_gain(n, 2);
    step(n, &(struct event){.kind = EVENT_SHARD_GIVE_BACK, .give_back = {2, "first", T0}});
    assert_int_equal(n->changes_of_step, 0);
    assert_int_equal(core_epoch(n->core, 2), 0);
    node_free(n);
}

// The last batch was refused: the shard was another's before, who knows nothing of these flights.
static void flights_of_a_shard_that_was_anothers_are_cancelled(void **state)
{
    (void)state;
    struct node *first = owner_of(1, 2);
    job_id id = create_job(first, JOB_ATLEAST_ONCE, OVERLAP_ALLOW, 1);
    assert_int_equal(trigger(first, id), ERR_OK);
    record_all(first);
    struct node *second = owner_of(2, 2);
    step(first, &(struct event){.kind = EVENT_SHARD_GIVE_BACK,
                                .give_back = {2, "first", T0 + FLIGHTS_MS}});
    assert_int_equal(record(first), COMMIT_FENCED);
    lose(first, 2);
    assert_int_equal(first->cancelled, 1);
    assert_int_equal(core_status(first->core).in_flight, 0);
    free_both(first, second);
}

// Two owners later the same attempt is still under way.
static void a_flight_outlives_two_owners(void **state)
{
    (void)state;
    struct node *first, *second;
    job_id id = hand_over(JOB_ATLEAST_ONCE, FLIGHTS_MS, &first, &second);
    lose(second, 2);
    struct node *third = owner_of(0, 0);
    gain(third, 2);
    run(third, SECOND);
    assert_int_equal(third->send_count, 0);
    answer(first, 0, 200);
    assert_int_equal(deliver(first, third), ERR_OK);
    record_all(third);
    assert_int_equal(row_of(id).state, EXECUTION_SUCCESS);
    node_free(third);
    free_both(first, second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NODES_TEST(a_flight_goes_on_and_its_outcome_is_handed_off),
        NODES_TEST(a_flight_that_failed_is_retried_by_the_new_owner),
        NODES_TEST(nothing_is_sent_while_a_flight_is_elsewhere),
        NODES_TEST(an_at_most_once_flight_of_which_nothing_is_heard_fails),
        NODES_TEST(a_flight_is_cancelled_when_the_drain_is_over),
        NODES_TEST(a_flight_elsewhere_counts_against_the_limits),
        NODES_TEST(a_flight_elsewhere_of_a_deleted_job_ends_as_it_did),
        NODES_TEST(a_flight_elsewhere_of_a_deleted_job_that_fails_is_cancelled),
        NODES_TEST(what_has_not_left_is_sent_by_the_new_owner),
        NODES_TEST(a_shard_that_is_not_ours_is_given_back_at_once),
        NODES_TEST(flights_of_a_shard_that_was_anothers_are_cancelled),
        NODES_TEST(a_flight_outlives_two_owners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
