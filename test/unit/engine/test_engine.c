// SPDX-License-Identifier: MIT
// test_engine.c: what the engine tells whom, and when: replies, alerts, the end.

#include "engine/engine_priv.h"
#include "engine_test.h"
#include "zones/zones.h"

// Where the clock is held, the command raises an alert about the server, so both a reply and an
// alert wait for its batch.
static const struct command accept_clock = {.kind = COMMAND_ACCEPT_CLOCK};

static void a_reply_and_an_alert_wait_for_their_batch(void **state)
{
    (void)state;
    struct answer a;
    rig_wait_for_alerts(1); // The start raises an alert: schedules are held.
    rig_shut_gate(true);
    unsigned commits = rig.commits;
    assert_int_equal(rig_submit(&accept_clock, &a), ERR_OK);
    rig_wait_for_commits(commits + 1);
    assert_false(rig_has(&a));
    assert_int_equal(rig.alerts, 1);
    rig_shut_gate(false);
    rig_wait_for(&a);
    assert_int_equal(a.reply.err, ERR_OK);
    rig_stop();
    assert_int_equal(rig.alerts, 2);
}

// A reply that nothing was written for waits for nobody.
static void a_clock_that_holds_nothing_is_accepted_without_an_alert(void **state)
{
    (void)state;
    struct answer a;
    rig_wait_for_commits(1);
    rig_shut_gate(true);
    assert_int_equal(rig_submit(&accept_clock, &a), ERR_OK);
    rig_wait_for(&a);
    assert_int_equal(a.reply.err, ERR_OK);
    rig_shut_gate(false);
    rig_stop();
    assert_int_equal(rig.alerts, 0);
}

// The batch is dropped when the server stops while nothing can be written: what it holds has not
// happened, and its alert's id is given again in the next life.
static void an_alert_of_a_batch_that_was_dropped_is_not_raised(void **state)
{
    (void)state;
    struct answer a;
    rig_wait_for_alerts(1);
    unsigned commits = rig.commits;
    rig_submit_unwritten(&accept_clock, &a, ERR_STORE_FULL);
    rig_wait_for_commits(commits + 1);
    rig_stop();
    assert_int_equal(a.count, 1);
    assert_int_equal(a.reply.err, ERR_CLOSED);
    assert_int_equal(rig.alerts, 1);
}

// The row in the reply is the job as it is stored, with what the core made of it: the first run of
// this one is planned at once.
static void the_reply_to_a_create_carries_the_job(void **state)
{
    (void)state;
    struct answer a;
    struct job *draft = rig_job("* * * * * *"), *stored;
    draft->max_runs = 100;
    const struct command create = {.kind = COMMAND_CREATE, .job = draft, .zone = zone_utc()};
    assert_int_equal(rig_submit(&create, &a), ERR_OK);
    rig_wait_for(&a);
    struct store_reader *r;
    assert_int_equal(store_reader_open(rig.inner, &r, NULL), ERR_OK);
    assert_int_equal(store_get_job(r, a.reply.job, &stored, NULL), ERR_OK);
    assert_int_equal(a.row->id, stored->id);
    assert_int_equal(a.row->version, stored->version);
    assert_string_equal(a.row->schedule, stored->schedule);
    assert_true(a.row->runs > 0);
    store_reader_close(r);
    job_free(stored);
    job_free(a.row);
}

// The stall is told at the end of a turn.
static void wait_for_status(enum err stalled)
{
    struct engine *e = rig.engine;
    pthread_mutex_lock(&e->lock);
    while (e->status.store_stalled != stalled)
        pthread_cond_wait(&e->turned, &e->lock);
    pthread_mutex_unlock(&e->lock);
}

// Another node owns the job's shard: what was to be written was dropped, so the client hears that
// it was not done, and the alert of it is never raised.
static void a_fenced_batch_is_refused_and_its_alert_is_dropped(void **state)
{
    (void)state;
    struct answer a;
    rig_wait_for_alerts(1);
    rig_submit_unwritten(&accept_clock, &a, ERR_FENCED);
    rig_wait_for(&a);
    assert_int_equal(a.reply.err, ERR_FENCED);
    rig_stop();
    assert_int_equal(a.count, 1);
    assert_int_equal(rig.alerts, 1);
}

// The connection broke while the answer was on its way: the client is never told that it failed.
static void a_reply_in_doubt_is_no_failure(void **state)
{
    (void)state;
    struct answer a;
    const struct command create = {
        .kind = COMMAND_CREATE, .job = rig_job("@daily"), .zone = zone_utc()};
    rig_wait_for_commits(1);
    rig.commit_is_doubtful = true;
    rig_submit_unwritten(&create, &a, ERR_STORE_AWAY);
    wait_for_status(ERR_STORE_AWAY);
    rig_stop();
    assert_int_equal(a.count, 1);
    assert_int_equal(a.reply.err, ERR_DOUBT);
    assert_null(a.row);
}

static void a_reply_that_was_fenced_in_doubt_is_no_failure(void **state)
{
    (void)state;
    struct answer a;
    const struct command create = {
        .kind = COMMAND_CREATE, .job = rig_job("@daily"), .zone = zone_utc()};
    rig_wait_for_commits(1);
    rig.commit_is_doubtful = true;
    rig_submit_unwritten(&create, &a, ERR_STORE_AWAY);
    wait_for_status(ERR_STORE_AWAY);
    rig_set_commit_answer(ERR_FENCED);
    rig_wait_for(&a);
    assert_int_equal(a.reply.err, ERR_DOUBT);
    assert_null(a.row);
}

static void a_reply_that_is_dropped_takes_its_job_along(void **state)
{
    (void)state;
    struct answer a;
    const struct command create = {
        .kind = COMMAND_CREATE, .job = rig_job("@daily"), .zone = zone_utc()};
    rig_wait_for_commits(1);
    rig_submit_unwritten(&create, &a, ERR_STORE_FULL);
    rig_wait_for_commits(2);
    rig_stop();
    assert_int_equal(a.reply.err, ERR_CLOSED);
    assert_null(a.row);
}

static struct command update(job_id id, int64_t version_expected)
{
    return (struct command){.kind = COMMAND_UPDATE,
                            .id = id,
                            .version_expected = version_expected,
                            .job = rig_job("@daily"),
                            .zone = zone_utc()};
}

// Who is told of a conflict reads the job again, so what it conflicts with must be there by then.
static void a_conflict_is_told_when_what_it_conflicts_with_is_durable(void **state)
{
    (void)state;
    struct answer made, first, second, unknown;
    const struct command create = {
        .kind = COMMAND_CREATE, .job = rig_job("@daily"), .zone = zone_utc()};
    const struct command none = {.kind = COMMAND_DELETE, .id = 99};
    assert_int_equal(rig_submit(&create, &made), ERR_OK);
    rig_wait_for(&made);
    rig_shut_gate(true);
    const struct command fresh = update(made.reply.job, 1);
    assert_int_equal(rig_submit(&fresh, &first), ERR_OK);
    const struct command stale = update(made.reply.job, 1);
    assert_int_equal(rig_submit(&stale, &second), ERR_OK);
    assert_int_equal(rig_submit(&none, &unknown), ERR_OK);
    rig_wait_for(&unknown); // The second command came later, and was answered at once.
    assert_int_equal(unknown.reply.err, ERR_NOT_FOUND);
    assert_false(rig_has(&second));
    rig_shut_gate(false);
    rig_wait_for(&second);
    assert_int_equal(second.reply.err, ERR_CONFLICT);
    rig_wait_for(&first);
    assert_int_equal(first.reply.err, ERR_OK);
    const struct command late = update(made.reply.job, 1);
    assert_int_equal(rig_submit(&late, &second), ERR_OK); // Nothing is under way: at once.
    rig_wait_for(&second);
    assert_int_equal(second.reply.err, ERR_CONFLICT);
    job_free(made.row);
    job_free(first.row);
}

// What was submitted before the stall waits for its commit; what comes later is refused at once,
// and told why.
static void a_stall_is_called_what_it_is(void **state)
{
    (void)state;
    static const enum err causes[] = {ERR_STORE_FULL, ERR_BUSY};
    struct answer first, late;
    rig_wait_for_commits(1);
    for (size_t i = 0; i < COUNT_OF(causes); i++) {
        const struct command create = {
            .kind = COMMAND_CREATE, .job = rig_job("@daily"), .zone = zone_utc()};
        rig_submit_unwritten(&create, &first, causes[i]);
        wait_for_status(causes[i]);
        assert_int_equal(rig_submit(&accept_clock, &late), causes[i]);
        assert_false(rig_has(&first));
        rig_set_commit_answer(ERR_OK);
        rig_wait_for(&first);
        assert_int_equal(first.reply.err, ERR_OK);
        job_free(first.row);
        wait_for_status(ERR_OK);
    }
}

// What clients then ask for is answered by what the start has written.
static void a_start_is_durable_when_it_returns(void **state)
{
    (void)state;
    struct shard p;
    assert_int_equal(store_get_shard(rig.inner, 0, &p, NULL), ERR_OK);
    assert_int_equal(p.epoch, 1);
}

// The row of the execution becomes durable when the engine's thread has ended. It is for the next
// life to send the request: nobody would hear of its outcome now.
static void a_stop_sends_nothing_that_waited_for_its_commit(void **state)
{
    (void)state;
    struct answer made, triggered;
    struct command create = {.kind = COMMAND_CREATE, .job = rig_job("@yearly")};
    assert_int_equal(zone_find("UTC", &create.zone, NULL), ERR_OK);
    assert_int_equal(rig_submit(&create, &made), ERR_OK);
    rig_wait_for(&made);
    job_free(made.row);
    rig_shut_gate(true);
    unsigned commits = rig.commits;
    struct command trigger = {.kind = COMMAND_TRIGGER, .id = made.reply.job};
    assert_int_equal(rig_submit(&trigger, &triggered), ERR_OK);
    rig_wait_for_commits(commits + 1);
    rig_stop_during_commit();
    assert_int_equal(triggered.count, 1);
    assert_int_equal(triggered.reply.err, ERR_OK);
    assert_int_equal(rig.sends, 0);
}

static void deadlines_know_milliseconds(void **state)
{
    (void)state;
    static const struct {
        long now_ns;
        dur_ms wait_ms;
        time_t second;
        long ns;
    } cases[] = {
        {0, 0, 100, 0},           {0, 500, 100, 500000000},        {500000000, 499, 100, 999000000},
        {500000000, 500, 101, 0}, {999999999, 30001, 131, 999999},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct timespec now = {.tv_sec = 100, .tv_nsec = cases[i].now_ns};
        struct timespec t = engine__deadline(now, cases[i].wait_ms);
        assert_int_equal(t.tv_sec, cases[i].second);
        assert_int_equal(t.tv_nsec, cases[i].ns);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST_HELD(a_reply_and_an_alert_wait_for_their_batch),
        RIG_TEST(a_clock_that_holds_nothing_is_accepted_without_an_alert),
        RIG_TEST_HELD(an_alert_of_a_batch_that_was_dropped_is_not_raised),
        RIG_TEST_HELD(a_fenced_batch_is_refused_and_its_alert_is_dropped),
        RIG_TEST(a_reply_in_doubt_is_no_failure),
        RIG_TEST(a_reply_that_was_fenced_in_doubt_is_no_failure),
        RIG_TEST(the_reply_to_a_create_carries_the_job),
        RIG_TEST(a_reply_that_is_dropped_takes_its_job_along),
        RIG_TEST(a_conflict_is_told_when_what_it_conflicts_with_is_durable),
        RIG_TEST(a_stall_is_called_what_it_is),
        RIG_TEST(a_start_is_durable_when_it_returns),
        RIG_TEST(a_stop_sends_nothing_that_waited_for_its_commit),
        cmocka_unit_test(deadlines_know_milliseconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
