// SPDX-License-Identifier: MIT
// test_doubt.c: a database was replaced by one that may lack the last moments: what may have been
// sent then, and must not be sent twice, is not sent.

#include "nodes.h"

static const struct execution *last_update(const struct node *n)
{
    for (size_t i = n->out.batch->count; i-- > 0;)
        if (n->out.batch->changes[i].kind == CHANGE_EXECUTION_UPDATE)
            return &n->out.batch->changes[i].execution;
    return NULL;
}

// The claim was durable, and the request left; then another server took the database's place, which
// does not have the claim. Its epochs say so.
static void request_that_a_lost_claim_allowed_is_not_made_again(void **state)
{
    (void)state;
    static const struct {
        int64_t epoch;
        dur_ms age_ms;
        bool is_over;
    } cases[] = {
        {(1LL << 32) | 1, 1, true},
        {(1LL << 32) | 1, 14999, true},
        {(1LL << 32) | 1, 15000, false},
        {(7LL << 32) | 1, 5000, true},
        {(1LL << 32) | 2, 5000, false},
        {1, 5000, false},
        {0, 5000, false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        store_close(world.store);
        assert_int_equal(store_memory_open(SHARDS, &world.store, NULL), ERR_OK);
        struct node *first = owner_of(1, 1), *second = node_new(512);
        job_id id = create(first, 1, "@yearly", JOB_ATMOST_ONCE);
        assert_int_equal(trigger(first, id), ERR_OK);
        assert_int_equal(record(first), COMMIT_DONE); // The row; the claim comes later.
        world.now.wall += cases[i].age_ms;
        world.now.mono += cases[i].age_ms;
        begin_to_gain_in(second, 1, cases[i].epoch);
        step(second, &(struct event){.kind = EVENT_SHARD_LOADED, .shard_number = 1});
        tick(second);
        const struct execution *x = last_update(second);
        assert_non_null(x);
        assert_int_equal(x->state, cases[i].is_over ? EXECUTION_FAILED : EXECUTION_RUNNING);
        assert_int_equal(core_status(second->core).open, !cases[i].is_over);
        if (cases[i].is_over)
            assert_non_null(strstr(x->error, "outcome unknown: the database was replaced"));
        assert_int_equal(second->send_count, 0); // Else it is claimed first.
        node_free(first);
        node_free(second);
    }
}

// What is repeated with its key is repeated, and what comes due later is nobody's but ours.
static void other_requests_are_made_after_a_database_was_replaced(void **state)
{
    (void)state;
    struct node *first = owner_of(1, 1), *second = node_new(512);
    job_id id = create(first, 1, "@yearly", JOB_ATLEAST_ONCE);
    job_id once = create(first, 1, "@yearly", JOB_ATMOST_ONCE);
    assert_int_equal(trigger(first, id), ERR_OK);
    assert_int_equal(record(first), COMMIT_DONE);
    begin_to_gain_in(second, 1, (1LL << 32) | 1);
    step(second, &(struct event){.kind = EVENT_SHARD_LOADED, .shard_number = 1});
    tick(second);
    assert_int_equal(last_update(second)->state, EXECUTION_RUNNING);
    world.now.wall++;
    assert_int_equal(trigger(second, once), ERR_OK);
    tick(second);
    assert_int_equal(core_status(second->core).open, 2);
    node_free(first);
    node_free(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        NODES_TEST(request_that_a_lost_claim_allowed_is_not_made_again),
        NODES_TEST(other_requests_are_made_after_a_database_was_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
