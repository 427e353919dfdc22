// SPDX-License-Identifier: MIT
// test_gain.c: shards come and go while the engine works, and a start is the gain of what there is.

#include "../../contract/shard_rows.h"
#include "engine/engine_priv.h"
#include "engine_test.h"

#include "zones/zones.h"

#include <stdio.h>
#include <string.h>

#define MANY_JOBS 1000 // Several slices.

// The last owner of the shard has left so many jobs, which run once a year.
static void store_jobs(uint32_t shard, int64_t count)
{
    struct fault f = {0};
    struct batch *b = batch_new(1);
    struct shard *row = shard_row(b, shard);
    row->watermark = clock_wall_ms();
    row->job_next = count + 1;
    for (int64_t n = 1; n <= count; n++) {
        struct job *j = rig_job("@yearly");
        j->id = shard_id(shard, n, RIG_SHARDS);
        j->version = 1;
        struct change *c = batch_add(b, CHANGE_JOB_PUT);
        c->shard = shard;
        c->job = j;
    }
    if (shard_rows_commit(rig.inner, &b, 1, &f))
        fail_msg("%s", f.text);
    batch_free(b);
}

static job_id last_job_of(uint32_t shard, int64_t count)
{
    return shard_id(shard, count, RIG_SHARDS);
}

static void submit_trigger(job_id id, struct answer *a)
{
    const struct command c = {.kind = COMMAND_TRIGGER, .id = id};
    assert_int_equal(rig_submit(&c, a), ERR_OK);
}

static enum err trigger(job_id id)
{
    struct answer a;
    submit_trigger(id, &a);
    rig_wait_for(&a);
    return a.reply.err;
}

static size_t times_said(const char *log, const char *words)
{
    size_t count = 0;
    for (; (log = strstr(log, words)); log += strlen(words))
        count++;
    return count;
}

static void wait_for_loading(uint32_t shards)
{
    struct engine *e = rig.engine;
    pthread_mutex_lock(&e->lock);
    while (e->status.loading != shards)
        pthread_cond_wait(&e->turned, &e->lock);
    pthread_mutex_unlock(&e->lock);
    assert_int_equal(engine_status(e).loading, shards);
}

static void others_work_while_a_shard_is_gained(void **state)
{
    (void)state;
    store_jobs(0, 1);
    store_jobs(1, MANY_JOBS);
    rig_keep_log(LOG_LEVEL_INFO);
    assert_true(rig_open());
    engine_lease(rig.engine, MONO_NEVER);
    rig_gain(0);
    assert_int_equal(engine_start(rig.engine, NULL), ERR_OK);
    rig_shut_reading(true);
    rig_gain(1);
    rig_wait_for_reads(2);
    wait_for_loading(1);
    assert_int_equal(trigger(last_job_of(0, 1)), ERR_OK);
    rig_answer(1, 200);
    rig_shut_reading(false);
    assert_int_equal(trigger(last_job_of(1, MANY_JOBS)), ERR_OK);
    rig_answer(2, 200);
    wait_for_loading(0);
    assert_true(rig.reads > 3); // In slices.
    rig_stop();
    const char *log = rig_read_log();
    assert_int_equal(times_said(log, "engine.started jobs=1 "), 1);
    assert_int_equal(times_said(log, "shard.gained shard=1 epoch=1 jobs=1000 unfinished=0 ms="), 1);
    assert_int_equal(times_said(log, ".gained"), 1);
}

static void commands_wait_until_their_shard_is_loaded(void **state)
{
    (void)state;
    struct answer first, second;
    store_jobs(1, 1);
    assert_true(rig_start());
    rig_shut_reading(true);
    rig_gain(1);
    submit_trigger(last_job_of(1, 1), &first);
    submit_trigger(last_job_of(1, 2), &second); // No such job.
    assert_int_equal(trigger(last_job_of(2, 1)), ERR_AWAY);
    assert_false(rig_has(&first));
    assert_false(rig_has(&second));
    rig_shut_reading(false);
    rig_wait_for(&first);
    rig_wait_for(&second);
    assert_int_equal(first.reply.err, ERR_OK);
    assert_int_equal(second.reply.err, ERR_NOT_FOUND);
}

static void no_more_commands_are_held_back_than_may_wait(void **state)
{
    (void)state;
    struct answer answers[2 * RIG_MAILS_MAX + 8];
    size_t count = 0;
    enum err err = ERR_OK;
    store_jobs(1, 1);
    assert_true(rig_start());
    rig_shut_reading(true);
    rig_gain(1);
    const struct command c = {.kind = COMMAND_TRIGGER, .id = last_job_of(1, 1)};
    while (!err) {
        assert_true(count < COUNT_OF(answers));
        err = rig_submit(&c, &answers[count]);
        count += !err;
    }
    assert_int_equal(err, ERR_LIMIT);
    assert_true(count >= RIG_MAILS_MAX - 1);
    rig_shut_reading(false);
    for (size_t i = 0; i < count; i++) {
        rig_wait_for(&answers[i]);
        assert_int_equal(answers[i].reply.err, ERR_OK);
    }
}

static void a_shard_that_is_lost_while_it_is_loaded_is_dropped(void **state)
{
    (void)state;
    struct answer a;
    store_jobs(1, MANY_JOBS);
    rig_keep_log(LOG_LEVEL_INFO);
    assert_true(rig_start());
    rig_shut_reading(true);
    rig_gain(1);
    rig_wait_for_reads(1);
    submit_trigger(last_job_of(1, 1), &a);
    engine_shard_lost(rig.engine, 1);
    rig_wait_for(&a);
    assert_int_equal(a.reply.err, ERR_AWAY);
    wait_for_loading(0);
    rig_shut_reading(false);
    rig_gain(1); // And is ours again.
    assert_int_equal(trigger(last_job_of(1, MANY_JOBS)), ERR_OK);
    assert_int_equal(engine_status(rig.engine).core.jobs, MANY_JOBS);
    rig_stop();
    const char *log = rig_read_log();
    assert_int_equal(times_said(log, "shard.lost shard=1 epoch=1\n"), 1);
    assert_int_equal(times_said(log, "shard.gained shard=1 epoch=2 "), 1);
    assert_int_equal(rig.fenced, 0);
}

// What was read is not ours: the other node may have changed it between two slices.
static void a_shard_that_another_took_while_it_was_read_is_lost(void **state)
{
    (void)state;
    struct answer a;
    struct shard row;
    store_jobs(1, 1);
    assert_true(rig_start());
    rig_shut_reading(true);
    rig_gain(1);
    rig_wait_for_reads(1);
    submit_trigger(last_job_of(1, 1), &a);
    assert_int_equal(store_take_shard(rig.inner, 1, &row, NULL), ERR_OK);
    rig_shut_reading(false);
    rig_wait_for(&a);
    assert_int_equal(a.reply.err, ERR_AWAY);
    rig_wait_for_fenced(1);
    rig_stop();
    assert_int_equal(rig.fenced, 1);
    assert_int_equal(rig.fenced_epoch, 1);
    assert_int_equal(rig.sends, 0);
}

static void shards_that_come_together_are_one_line_of_the_log(void **state)
{
    (void)state;
    store_jobs(1, 10);
    store_jobs(2, 20);
    store_jobs(3, 30);
    rig_keep_log(LOG_LEVEL_INFO);
    assert_true(rig_start());
    rig_shut_reading(true);
    for (uint32_t shard = 1; shard <= 3; shard++)
        rig_gain(shard);
    wait_for_loading(3);
    rig_shut_reading(false);
    for (uint32_t shard = 1; shard <= 3; shard++)
        assert_int_equal(trigger(last_job_of(shard, 10)), ERR_OK);
    wait_for_loading(0);
    rig_stop();
    const char *log = rig_read_log();
    assert_int_equal(times_said(log, "shards.gained shards=3 jobs=60 unfinished=0 ms="), 1);
    assert_int_equal(times_said(log, "shard.gained "), 0);
}

// Shard 1 is being read, and these come meanwhile.
static void gain_behind_another(uint32_t first, uint32_t last)
{
    store_jobs(1, 1);
    for (uint32_t shard = first; shard <= last; shard++)
        store_jobs(shard, 10);
    assert_true(rig_start());
    rig_shut_reading(true);
    rig_gain(1);
    rig_wait_for_reads(1);
    for (uint32_t shard = first; shard <= last; shard++)
        rig_gain(shard);
}

// A query costs a database more than a few rows do.
static void shards_that_wait_are_read_together(void **state)
{
    (void)state;
    gain_behind_another(2, 3);
    wait_for_loading(3);
    rig_shut_reading(false);
    for (uint32_t shard = 2; shard <= 3; shard++)
        assert_int_equal(trigger(last_job_of(shard, 10)), ERR_OK);
    wait_for_loading(0);
    assert_int_equal(rig.reads, 2); // Shard 1 is read by itself, both others together.
    assert_int_equal(engine_status(rig.engine).core.jobs, 21);
}

static void a_shard_that_is_lost_leaves_those_that_are_read_with_it(void **state)
{
    (void)state;
    gain_behind_another(2, 3);
    wait_for_loading(3);
    engine_shard_lost(rig.engine, 2);
    wait_for_loading(2);
    rig_shut_reading(false);
    assert_int_equal(trigger(last_job_of(3, 10)), ERR_OK);
    assert_int_equal(trigger(last_job_of(2, 10)), ERR_AWAY);
    wait_for_loading(0);
    assert_int_equal(engine_status(rig.engine).core.jobs, 11);
}

// A slice ends within the large one, and the next ones are its alone.
static void a_large_shard_and_a_small_one_are_read_together(void **state)
{
    (void)state;
    store_jobs(0, 1);
    store_jobs(2, 1);
    store_jobs(3, MANY_JOBS);
    assert_true(rig_start());
    rig_shut_reading(true);
    rig_gain(0);
    rig_wait_for_reads(1);
    rig_gain(3);
    rig_gain(2);
    wait_for_loading(3);
    rig_shut_reading(false);
    assert_int_equal(trigger(last_job_of(2, 1)), ERR_OK);
    assert_int_equal(trigger(last_job_of(3, MANY_JOBS)), ERR_OK);
    wait_for_loading(0);
    assert_int_equal(engine_status(rig.engine).core.jobs, MANY_JOBS + 2);
}

static void shards_that_cannot_be_read_together_are_tried_again(void **state)
{
    (void)state;
    gain_behind_another(2, 3);
    rig_set_read_answer(ERR_STORE_AWAY);
    rig_shut_reading(false);
    rig_wait_for_reads(2);
    rig_set_read_answer(ERR_OK);
    for (uint32_t shard = 1; shard <= 3; shard++)
        assert_int_equal(trigger(last_job_of(shard, 1)), ERR_OK);
    wait_for_loading(0);
    assert_int_equal(engine_status(rig.engine).core.jobs, 21);
}

static void a_start_without_a_shard_waits_for_one(void **state)
{
    (void)state;
    rig_keep_log(LOG_LEVEL_INFO);
    assert_true(rig_start());
    assert_int_equal(trigger(last_job_of(1, 1)), ERR_AWAY);
    assert_int_equal(engine_status(rig.engine).core.shards, 0);
    assert_true(engine_status(rig.engine).started_at > 0);
    store_jobs(1, 1);
    rig_gain(1);
    assert_int_equal(trigger(last_job_of(1, 1)), ERR_OK);
    rig_answer(1, 200);
    rig_stop();
    const char *log = rig_read_log();
    assert_int_equal(times_said(log, " watermark=\"none\" behind_ms=0 epoch=0 shards=0\n"), 1);
}

static void a_start_loads_all_of_its_shards(void **state)
{
    (void)state;
    rig_keep_log(LOG_LEVEL_INFO);
    assert_true(rig_open());
    for (uint32_t shard = 0; shard < RIG_SHARDS; shard++) {
        store_jobs(shard, 10);
        rig_gain(shard);
    }
    assert_int_equal(engine_start(rig.engine, NULL), ERR_OK);
    assert_int_equal(engine_status(rig.engine).core.jobs, 10 * RIG_SHARDS);
    assert_int_equal(engine_status(rig.engine).core.shards, RIG_SHARDS);
    rig_stop();
    const char *log = rig_read_log();
    assert_int_equal(times_said(log, "engine.started jobs=40 "), 1);
    assert_int_equal(times_said(log, " shards=4\n"), 1);
    assert_int_equal(times_said(log, ".gained"), 0);
}

// Also the shard that could be read has not begun.
static void a_start_that_cannot_read_has_done_nothing(void **state)
{
    (void)state;
    struct fault f = {0};
    struct answer a;
    store_jobs(0, 1);
    assert_true(rig_open());
    rig_gain(0);
    submit_trigger(last_job_of(0, 1), &a);
    rig_set_read_answer(ERR_STORE_AWAY);
    assert_int_equal(engine_start(rig.engine, &f), ERR_STORE_AWAY);
    assert_string_equal(f.text, "as played");
    assert_false(rig_has(&a));
    rig_stop();
    assert_int_equal(a.reply.err, ERR_CLOSED);
    assert_int_equal(rig.commits, 0);
    assert_int_equal(rig.sends, 0);
}

static void a_shard_that_cannot_be_read_is_tried_again(void **state)
{
    (void)state;
    struct answer a;
    store_jobs(1, 1);
    rig_keep_log(LOG_LEVEL_INFO);
    assert_true(rig_start());
    rig_set_read_answer(ERR_STORE_AWAY);
    rig_gain(1);
    submit_trigger(last_job_of(1, 1), &a);
    rig_wait_for_reads(2);
    assert_false(rig_has(&a));
    rig_set_read_answer(ERR_OK);
    rig_wait_for(&a);
    assert_int_equal(a.reply.err, ERR_OK);
    rig_stop();
    const char *log = rig_read_log();
    assert_int_equal(times_said(log, "shard.load_failed shard=1 "), 1);
    assert_int_equal(times_said(log, "shard.gained shard=1 epoch=1 jobs=1 "), 1);
}

// A node that loses its lease and takes the shard at once may say only that it has it.
static void a_shard_that_is_gained_again_was_lost_before(void **state)
{
    (void)state;
    store_jobs(1, 1);
    rig_keep_log(LOG_LEVEL_INFO);
    assert_true(rig_start());
    rig_gain(1);
    assert_int_equal(trigger(last_job_of(1, 1)), ERR_OK);
    rig_wait_for_sends(1);
    rig_gain(1);
    assert_int_equal(trigger(last_job_of(1, 1)), ERR_OK);
    rig_stop();
    const char *log = rig_read_log();
    assert_int_equal(times_said(log, "shard.lost shard=1 epoch=1\n"), 1);
    assert_int_equal(times_said(log, "shard.gained shard=1 epoch=2 "), 1);
    assert_int_equal(rig.cancels, 1);
}

static void an_engine_stops_while_it_loads(void **state)
{
    (void)state;
    struct answer a;
    store_jobs(1, MANY_JOBS);
    assert_true(rig_start());
    rig_shut_reading(true);
    rig_gain(1);
    rig_wait_for_reads(1);
    submit_trigger(last_job_of(1, 1), &a);
    rig_set_read_answer(ERR_STORE_AWAY); // The list would be tried again for ever.
    rig_shut_reading(false);
    rig_wait_for_reads(2);
    rig_stop();
    assert_int_equal(a.count, 1);
    assert_int_equal(a.reply.err, ERR_CLOSED);
}

// --- A shard is given back -----------------------------------------------------------------------

static void start_with(uint32_t shard, int64_t jobs)
{
    store_jobs(shard, jobs);
    assert_true(rig_start());
    rig_gain(shard);
    assert_int_equal(trigger(last_job_of(shard, 1)), ERR_OK);
    rig_wait_for_sends(1);
}

static void assert_not_given_back(void)
{
    pthread_mutex_lock(&rig.lock);
    assert_int_equal(rig.given_back, 0);
    pthread_mutex_unlock(&rig.lock);
}

static void a_shard_is_given_back_when_its_last_batch_is_durable(void **state)
{
    (void)state;
    start_with(1, 1);
    rig_shut_gate(true);
    unsigned commits = rig.commits;
    engine_shard_give_back(rig.engine, 1, 30000);
    assert_int_equal(trigger(last_job_of(1, 1)), ERR_AWAY);
    rig_wait_for_commits(commits + 1);
    assert_not_given_back();
    rig_shut_gate(false);
    rig_wait_for_given_back(1);
    assert_int_equal(rig.given_epoch, 1);
    assert_int_equal(rig.cancels, 0);
    rig_answer(1, 200);
    rig_wait_for_handed_off(1);
    assert_int_equal(rig.handed_job, last_job_of(1, 1));
    assert_int_equal(rig.handed.number, 1);
    assert_int_equal(rig.handed.http_status, 200);
    assert_true(rig.handed.execution_id > 0);
}

// The next owner hears how the attempt ended that was under way here.
static void an_outcome_from_elsewhere_ends_the_execution(void **state)
{
    (void)state;
    struct answer a;
    start_with(1, 1);
    engine_shard_give_back(rig.engine, 1, 30000);
    rig_wait_for_given_back(1);
    rig_gain(1);
    rig_answer(1, 200);
    rig_wait_for_handed_off(1);
    struct outcome o = {.kind = OUTCOME_ANSWERED, .attempt = rig.handed};
    const struct command c = {.kind = COMMAND_OUTCOME, .id = rig.handed_job, .outcome = &o};
    assert_int_equal(rig_submit(&c, &a), ERR_OK);
    rig_wait_for(&a);
    assert_int_equal(a.reply.err, ERR_OK);
    assert_int_equal(rig_submit(&c, &a), ERR_OK);
    rig_wait_for(&a);
    assert_int_equal(a.reply.err, ERR_NOT_FOUND);
    assert_int_equal(rig.sends, 1);
}

static void a_shard_that_is_being_loaded_is_given_back_at_once(void **state)
{
    (void)state;
    struct answer a;
    store_jobs(1, MANY_JOBS);
    assert_true(rig_start());
    rig_shut_reading(true);
    rig_gain(1);
    rig_wait_for_reads(1);
    submit_trigger(last_job_of(1, 1), &a);
    engine_shard_give_back(rig.engine, 1, 30000);
    rig_wait_for_given_back(1);
    assert_int_equal(rig.given_epoch, 1);
    rig_wait_for(&a);
    assert_int_equal(a.reply.err, ERR_AWAY);
    engine_shard_give_back(rig.engine, 1, 30000); // Once more, which asks for nothing.
    rig_wait_for_given_back(2);
    assert_int_equal(rig.given_epoch, 0);
    rig_shut_reading(false);
}

static void a_shard_that_is_lost_meanwhile_is_not_given_back(void **state)
{
    (void)state;
    start_with(1, 1);
    rig_shut_gate(true);
    unsigned commits = rig.commits;
    engine_shard_give_back(rig.engine, 1, 30000);
    rig_wait_for_commits(commits + 1);
    engine_shard_lost(rig.engine, 1);
    assert_int_equal(trigger(last_job_of(1, 1)), ERR_AWAY); // By now the loss is known.
    rig_shut_gate(false);
    rig_gain(1);
    assert_int_equal(trigger(last_job_of(1, 1)), ERR_OK);
    assert_not_given_back();
}

#define SHARDS_TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup_shards, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHARDS_TEST(others_work_while_a_shard_is_gained),
        SHARDS_TEST(commands_wait_until_their_shard_is_loaded),
        SHARDS_TEST(no_more_commands_are_held_back_than_may_wait),
        SHARDS_TEST(a_shard_that_is_lost_while_it_is_loaded_is_dropped),
        SHARDS_TEST(a_shard_that_another_took_while_it_was_read_is_lost),
        SHARDS_TEST(shards_that_come_together_are_one_line_of_the_log),
        SHARDS_TEST(shards_that_wait_are_read_together),
        SHARDS_TEST(a_shard_that_is_lost_leaves_those_that_are_read_with_it),
        SHARDS_TEST(a_large_shard_and_a_small_one_are_read_together),
        SHARDS_TEST(shards_that_cannot_be_read_together_are_tried_again),
        SHARDS_TEST(a_start_without_a_shard_waits_for_one),
        SHARDS_TEST(a_start_loads_all_of_its_shards),
        SHARDS_TEST(a_start_that_cannot_read_has_done_nothing),
        SHARDS_TEST(a_shard_that_cannot_be_read_is_tried_again),
        SHARDS_TEST(a_shard_that_is_gained_again_was_lost_before),
        SHARDS_TEST(an_engine_stops_while_it_loads),
        SHARDS_TEST(a_shard_is_given_back_when_its_last_batch_is_durable),
        SHARDS_TEST(an_outcome_from_elsewhere_ends_the_execution),
        SHARDS_TEST(a_shard_that_is_being_loaded_is_given_back_at_once),
        SHARDS_TEST(a_shard_that_is_lost_meanwhile_is_not_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
