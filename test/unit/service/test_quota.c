// SPDX-License-Identifier: MIT
// test_quota.c: how many jobs a token may have: what is known of it, and when that is read again.
//
// The store is played by this file: it has what `stored` says, and a read may be held up.

#include "service/service_priv.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define TOKEN 7

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct job_sum stored;
    unsigned reads;
    bool is_held_up; // A read that has begun does not end.
    enum err err;
} store = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static enum err read_store(void *context, int64_t token, struct job_sum *out,
                           struct service_problem *p)
{
    (void)context;
    (void)token;
    pthread_mutex_lock(&store.lock);
    *out = store.stored;
    store.reads++;
    pthread_cond_broadcast(&store.changed);
    while (store.is_held_up)
        pthread_cond_wait(&store.changed, &store.lock);
    enum err err = store.err;
    pthread_mutex_unlock(&store.lock);
    return err ? service_refuse(p, err, PROBLEM_STORE, NULL, "away") : ERR_OK;
}

struct box {
    struct quotas *q;
    struct actor by;
    mono_ms now;
};

static int set_up(void **state)
{
    struct box *b = xcalloc(1, sizeof *b);
    store.stored = (struct job_sum){0};
    store.reads = 0;
    store.is_held_up = false;
    store.err = ERR_OK;
    b->q = service__quotas_new(read_store, NULL, false);
    b->by = (struct actor){.token = TOKEN, .max_jobs = 2, .max_bytes = 100};
    b->now = 1000000;
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct box *b = *state;
    service__quotas_free(b->q);
    free(b);
    return 0;
}

static struct quota_claim claim(int64_t jobs, int64_t bytes)
{
    return (struct quota_claim){.token = TOKEN, .change = {jobs, bytes}};
}

static enum err take(struct box *b, struct quota_claim *c)
{
    struct service_problem p;
    return service__quotas_take(b->q, &b->by, c, 1, b->now, &p);
}

static void settle(struct box *b, struct quota_claim *c, enum quota_end end)
{
    service__quotas_settle(b->q, c, 1, end);
    assert_false(c->is_held);
}

// A change from its beginning to its end, as the store then has it.
static enum err make(struct box *b, int64_t jobs, int64_t bytes)
{
    struct quota_claim c = claim(jobs, bytes);
    enum err err = take(b, &c);
    if (err)
        return err;
    store.stored.jobs += jobs;
    store.stored.bytes += bytes;
    settle(b, &c, QUOTA_MADE);
    return ERR_OK;
}

static void jobs_are_admitted_up_to_the_quota_and_read_once(void **state)
{
    struct box *b = *state;
    struct quota_claim c = claim(1, 1);
    struct service_problem p;
    store.stored.jobs = 1;
    assert_int_equal(make(b, 1, 1), ERR_OK);
    assert_int_equal(service__quotas_take(b->q, &b->by, &c, 1, b->now, &p), ERR_LIMIT);
    assert_int_equal(p.kind, PROBLEM_QUOTA);
    assert_string_equal(p.detail, "the token may have 2 jobs (its max_jobs) and has 2");
    assert_int_equal(store.reads, 1);
}

static void bytes_are_admitted_up_to_the_quota(void **state)
{
    struct box *b = *state;
    struct quota_claim c = claim(0, 41);
    struct service_problem p;
    assert_int_equal(make(b, 1, 60), ERR_OK);
    assert_int_equal(service__quotas_take(b->q, &b->by, &c, 1, b->now, &p), ERR_LIMIT);
    assert_non_null(strstr(p.detail, "100 bytes (its max_bytes) and have 60; these would be 41"));
    assert_int_equal(make(b, 0, 40), ERR_OK);
}

// However many ask before the first of them is over.
static void what_is_under_way_counts(void **state)
{
    struct box *b = *state;
    struct quota_claim c[3] = {claim(1, 1), claim(1, 1), claim(1, 1)};
    enum err first[] = {take(b, &c[0]), take(b, &c[1]), take(b, &c[2])};
    for (size_t i = 0; i < COUNT_OF(c); i++)
        settle(b, &c[i], QUOTA_NOT_MADE);
    assert_int_equal(first[0], ERR_OK);
    assert_int_equal(first[1], ERR_OK);
    assert_int_equal(first[2], ERR_LIMIT);
    assert_int_equal(make(b, 2, 2), ERR_OK);
}

static void several_are_taken_together_or_not_at_all(void **state)
{
    struct box *b = *state;
    struct quota_claim c[2] = {claim(3, 3), {.token = 8, .change = {1, 1}}};
    struct service_problem p;
    assert_int_equal(service__quotas_take(b->q, &b->by, c, 2, b->now, &p), ERR_LIMIT);
    assert_string_equal(
        p.detail, "the token may have 2 jobs (its max_jobs) and has 0; these would be 3 more");
    assert_false(c[0].is_held || c[1].is_held);
    assert_int_equal(make(b, 2, 2), ERR_OK);
}

static void a_deletion_frees_at_once(void **state)
{
    struct box *b = *state;
    assert_int_equal(make(b, 2, 100), ERR_OK);
    assert_int_equal(make(b, 1, 1), ERR_LIMIT);
    assert_int_equal(make(b, -1, -50), ERR_OK);
    assert_int_equal(make(b, 1, 50), ERR_OK);
    assert_int_equal(make(b, 1, 0), ERR_LIMIT);
    assert_int_equal(store.reads, 1);
}

// What another server deletes is not heard of.
static void nobody_is_refused_by_an_old_number(void **state)
{
    struct box *b = *state;
    assert_int_equal(make(b, 2, 2), ERR_OK);
    store.stored = (struct job_sum){1, 1};
    assert_int_equal(make(b, 1, 1), ERR_LIMIT); // Read within the second.
    b->now += 1000;
    assert_int_equal(make(b, 1, 1), ERR_OK);
    assert_int_equal(make(b, 1, 1), ERR_LIMIT);
    assert_int_equal(store.reads, 2);
}

// The read may have seen it: counted twice, it refuses nobody once it is over.
static void what_was_under_way_during_a_read_is_read_again(void **state)
{
    struct box *b = *state;
    struct quota_claim first = claim(1, 1);
    assert_int_equal(take(b, &first), ERR_OK);
    b->now += 1000;
    store.stored = (struct job_sum){1, 1}; // The first is durable, and that is not known yet.
    struct quota_claim bulk = claim(2, 2);
    assert_int_equal(take(b, &bulk), ERR_LIMIT);
    assert_int_equal(store.reads, 2);
    settle(b, &first, QUOTA_MADE);
    assert_int_equal(make(b, 1, 1), ERR_OK);
    assert_int_equal(store.reads, 3);
    assert_int_equal(make(b, 1, 1), ERR_LIMIT);
}

static void a_release_that_a_read_may_have_seen_is_not_counted_twice(void **state)
{
    struct box *b = *state;
    struct quota_claim gone = claim(-1, -1);
    assert_int_equal(make(b, 2, 2), ERR_OK);
    assert_int_equal(take(b, &gone), ERR_OK);
    b->now += 1000;
    store.stored = (struct job_sum){1, 1}; // The deletion is durable, and that is not known yet.
    assert_int_equal(make(b, 1, 1), ERR_OK);
    settle(b, &gone, QUOTA_MADE);
    assert_int_equal(make(b, 1, 1), ERR_LIMIT);
}

static void what_is_in_doubt_counts_until_it_is_read(void **state)
{
    struct box *b = *state;
    struct quota_claim c = claim(2, 2);
    assert_int_equal(take(b, &c), ERR_OK);
    settle(b, &c, QUOTA_IN_DOUBT); // Not made, as it turns out.
    assert_int_equal(make(b, 2, 2), ERR_OK);
    assert_int_equal(store.reads, 2);
    c = claim(-2, -2);
    assert_int_equal(take(b, &c), ERR_OK);
    settle(b, &c, QUOTA_IN_DOUBT); // Neither.
    assert_int_equal(make(b, 1, 1), ERR_LIMIT);
    assert_int_equal(store.reads, 3);
}

static void where_others_change_jobs_a_number_is_believed_for_a_second(void **state)
{
    struct box *b = *state;
    struct quota_claim c = claim(1, 1);
    service__quotas_free(b->q);
    b->q = service__quotas_new(read_store, NULL, true);
    assert_int_equal(make(b, 1, 1), ERR_OK);
    store.stored.jobs = 2;
    b->now += 1000;
    assert_int_equal(make(b, 1, 1), ERR_LIMIT);
    assert_int_equal(store.reads, 2);
    store.stored.jobs = 1;
    b->now += 1000;
    assert_int_equal(take(b, &c), ERR_OK);
    assert_int_equal(store.reads, 3);
    b->now += 1000; // Not while something is under way, for five seconds.
    assert_int_equal(make(b, 0, 1), ERR_OK);
    assert_int_equal(store.reads, 3);
    b->now += 4000;
    assert_int_equal(make(b, 0, 1), ERR_OK);
    assert_int_equal(store.reads, 4);
    settle(b, &c, QUOTA_NOT_MADE);
}

static void what_others_do_to_the_jobs_counts_and_is_not_refused(void **state)
{
    struct box *b = *state;
    struct actor other = {.token = 9};
    struct quota_claim c = claim(0, 500);
    struct service_problem p;
    assert_int_equal(make(b, 1, 1), ERR_OK);
    assert_int_equal(service__quotas_take(b->q, &other, &c, 1, b->now, &p), ERR_OK);
    settle(b, &c, QUOTA_MADE);
    store.stored.bytes += 500;
    assert_int_equal(make(b, 0, 1), ERR_LIMIT);
    assert_int_equal(make(b, 1, 0), ERR_OK);
}

static void a_token_without_a_quota_costs_nothing(void **state)
{
    struct box *b = *state;
    b->by.max_jobs = b->by.max_bytes = 0;
    for (int i = 0; i < 100; i++)
        assert_int_equal(make(b, 1, 1), ERR_OK);
    assert_int_equal(store.reads, 0);
}

static void a_store_that_cannot_be_read_refuses(void **state)
{
    struct box *b = *state;
    store.err = ERR_STORE_AWAY;
    assert_int_equal(make(b, 1, 1), ERR_STORE_AWAY);
    store.err = ERR_OK;
    assert_int_equal(make(b, 1, 1), ERR_OK);
    assert_int_equal(store.reads, 2);
}

static void *take_one(void *box)
{
    struct quota_claim *c = xmalloc(sizeof *c);
    *c = claim(1, 1);
    if (take(box, c) == ERR_OK)
        return c;
    free(c);
    return NULL;
}

// Who comes while the number is read waits for it, and asks for no other.
static void a_number_that_is_being_read_is_waited_for(void **state)
{
    struct box *b = *state;
    pthread_t threads[8];
    void *claims[COUNT_OF(threads)];
    unsigned taken = 0;
    store.is_held_up = true;
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_one, b), 0);
    pthread_mutex_lock(&store.lock);
    while (store.reads == 0)
        pthread_cond_wait(&store.changed, &store.lock);
    store.is_held_up = false;
    pthread_cond_broadcast(&store.changed);
    pthread_mutex_unlock(&store.lock);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        pthread_join(threads[i], &claims[i]);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        if (claims[i])
            settle(b, claims[i], QUOTA_NOT_MADE);
        taken += claims[i] != NULL;
        free(claims[i]);
    }
    assert_int_equal(taken, 2);
    assert_int_equal(store.reads, 1);
}

// What is known of a token that nobody uses makes room, and is read again.
static void tokens_take_turns_in_a_bucket(void **state)
{
    struct box *b = *state;
    struct quota_claim held = claim(2, 2);
    assert_int_equal(take(b, &held), ERR_OK);
    for (int i = 0; i < 6; i++) {
        struct actor other = {.token = TOKEN + 1024 * (1 + i % 3), .max_jobs = 1};
        struct quota_claim c = {.token = other.token, .change = {1, 1}};
        struct service_problem p;
        assert_int_equal(service__quotas_take(b->q, &other, &c, 1, b->now, &p), ERR_OK);
        settle(b, &c, QUOTA_NOT_MADE);
    }
    assert_int_equal(store.reads, 7);
    assert_int_equal(make(b, 1, 1), ERR_LIMIT);
    settle(b, &held, QUOTA_NOT_MADE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(jobs_are_admitted_up_to_the_quota_and_read_once),
        TEST(bytes_are_admitted_up_to_the_quota),
        TEST(what_is_under_way_counts),
        TEST(several_are_taken_together_or_not_at_all),
        TEST(a_deletion_frees_at_once),
        TEST(nobody_is_refused_by_an_old_number),
        TEST(what_was_under_way_during_a_read_is_read_again),
        TEST(a_release_that_a_read_may_have_seen_is_not_counted_twice),
        TEST(what_is_in_doubt_counts_until_it_is_read),
        TEST(where_others_change_jobs_a_number_is_believed_for_a_second),
        TEST(what_others_do_to_the_jobs_counts_and_is_not_refused),
        TEST(a_token_without_a_quota_costs_nothing),
        TEST(a_store_that_cannot_be_read_refuses),
        TEST(a_number_that_is_being_read_is_waited_for),
        TEST(tokens_take_turns_in_a_bucket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
