// SPDX-License-Identifier: MIT
// test_completion.c: a target takes a request at once, and says later how that ended.

#include "core_test.h"

#include <string.h>

#define AT (T0 + MINUTE)
#define ONCE "2026-11-24T10:01:00"
#define EVERY_MINUTE "0 * * * * *"
#define WAIT_S 3600

static struct job *long_job(const char *schedule)
{
    struct job *j = job_of(schedule);
    j->completion_timeout_s = WAIT_S;
    return j;
}

// A job whose request, sends[0], has just left. Only its row is durable.
static struct rig *rig_flying(struct job *j, job_id *id)
{
    struct rig *r = rig_started();
    *id = rig_create(r, j);
    rig_run(r, MINUTE);
    assert_int_equal(r->send_count, 1);
    return r;
}

// The same, and its target has asked to wait.
static struct rig *rig_waiting(struct job *j, job_id *id)
{
    struct rig *r = rig_flying(j, id);
    rig_ask_to_wait(r, 0);
    rig_record(r);
    return r;
}

static enum err complete(struct rig *r, job_id id, unsigned attempt, const char *error)
{
    struct command c = {.kind = COMMAND_COMPLETE,
                        .id = id,
                        .execution = {id, AT, 0},
                        .attempt = (uint16_t)attempt,
                        .has_failed = error != NULL,
                        .body = error};
    return rig_ask(r, &c);
}

static enum err note(struct rig *r, job_id id, unsigned attempt, const char *line)
{
    struct command c = {.kind = COMMAND_NOTE,
                        .id = id,
                        .execution = {id, AT, 0},
                        .attempt = (uint16_t)attempt,
                        .body = line};
    return rig_ask(r, &c);
}

static void only_jobs_that_wait_offer_a_callback(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_flying(job_of(ONCE), &id);
    assert_false(r->sends[0].wants_callback);
    rig_ask_to_wait(r, 0); // Nobody waits: it was a success.
    assert_state(r, id, AT, SUCCESS);
    rig_free(r);
    r = rig_flying(long_job(ONCE), &id);
    assert_true(r->sends[0].wants_callback);
    rig_answer(r, 0, 202);
    assert_state(r, id, AT, SUCCESS);
    rig_free(r);
}

static void what_waits_holds_its_job_and_nothing_else(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_waiting(long_job(ONCE), &id);
    struct execution e = rig_row(r, id, AT);
    assert_int_equal(e.state, EXECUTION_RUNNING);
    assert_int_equal(e.completion_deadline, r->now.wall + WAIT_S * SECOND);
    assert_int_equal(e.next_attempt_at, 0);
    assert_int_equal(rig_changes(r, CHANGE_ATTEMPT), 1);
    struct core_status s = core_status(r->core);
    assert_int_equal(s.awaiting, 1);
    assert_int_equal(s.in_flight, 0);
    assert_int_equal(complete(r, id, 1, NULL), ERR_OK);
    e = rig_row(r, id, AT);
    assert_int_equal(e.state, EXECUTION_SUCCESS);
    assert_int_equal(e.completion, COMPLETION_SUCCESS);
    assert_int_equal(e.completion_deadline, 0);
    assert_int_equal(core_status(r->core).open, 0);
    assert_int_equal(complete(r, id, 1, NULL), ERR_CONFLICT); // The row says how it ended.
    rig_free(r);
}

static void executions_that_must_not_overlap_do_not(void **state)
{
    (void)state;
    static const enum overlap overlaps[] = {OVERLAP_SKIP, OVERLAP_QUEUE, OVERLAP_REPLACE};
    for (size_t i = 0; i < COUNT_OF(overlaps); i++) {
        job_id id;
        struct job *j = long_job(EVERY_MINUTE);
        j->overlap = (uint8_t)overlaps[i];
        struct rig *r = rig_waiting(j, &id);
        rig_run(r, MINUTE);
        struct execution first = rig_row(r, id, AT), second = rig_row(r, id, AT + MINUTE);
        bool replaces = overlaps[i] == OVERLAP_REPLACE;
        assert_int_equal(r->send_count, replaces ? 2 : 1);
        assert_int_equal(first.state, replaces ? EXECUTION_CANCELLED : EXECUTION_RUNNING);
        if (overlaps[i] == OVERLAP_SKIP)
            assert_int_equal(second.state, EXECUTION_SKIPPED);
        if (overlaps[i] == OVERLAP_QUEUE) {
            assert_int_equal(complete(r, id, 1, NULL), ERR_OK);
            rig_record(r);
            assert_int_equal(r->send_count, 2);
        }
        rig_free(r);
    }
}

static void a_failure_is_retried_and_then_is_the_end(void **state)
{
    (void)state;
    job_id id;
    struct job *j = long_job(ONCE);
    j->max_retries = 1;
    struct rig *r = rig_waiting(j, &id);
    assert_int_equal(complete(r, id, 1, "no paper"), ERR_OK);
    assert_int_equal(complete(r, id, 1, "no paper"), ERR_OK); // The answer was lost.
    assert_int_equal(complete(r, id, 1, NULL), ERR_EXISTS);
    rig_run(r, 2 * SECOND);
    assert_int_equal(r->send_count, 2);
    rig_ask_to_wait(r, 1);
    rig_record(r);
    assert_int_equal(complete(r, id, 1, NULL), ERR_EXISTS); // Another attempt was begun.
    assert_int_equal(complete(r, id, 2, "no ink"), ERR_OK);
    struct execution e = rig_row(r, id, AT);
    assert_int_equal(e.state, EXECUTION_FAILED);
    assert_int_equal(e.retry_count, 1);
    assert_string_equal(e.error, "the target said that it failed: no ink");
    assert_int_equal(rig_alerts(r, id, ALERT_FAILURE), 1);
    rig_free(r);
}

static void what_was_delivered_at_most_once_is_not_made_again(void **state)
{
    (void)state;
    job_id id;
    struct job *j = long_job(ONCE);
    j->type = JOB_ATMOST_ONCE;
    struct rig *r = rig_waiting(j, &id);
    assert_int_equal(complete(r, id, 1, "no paper"), ERR_OK);
    assert_state(r, id, AT, FAILED);
    rig_run(r, HOUR);
    assert_int_equal(r->send_count, 1);
    rig_free(r);
}

static void silence_fails_at_the_deadline_without_another_attempt(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_waiting(long_job(ONCE), &id);
    rig_run(r, WAIT_S * SECOND - 1);
    assert_state(r, id, AT, RUNNING);
    rig_run(r, 1);
    assert_state(r, id, AT, FAILED);
    assert_string_equal(rig_row(r, id, AT).error,
                        "no completion came until 2026-11-24T11:01:00.000Z");
    assert_int_equal(rig_alerts(r, id, ALERT_FAILURE), 1);
    rig_run(r, HOUR);
    assert_int_equal(r->send_count, 1);
    rig_free(r);
}

static void a_start_goes_on_waiting_and_sends_nothing(void **state)
{
    (void)state;
    for (int type = JOB_ATLEAST_ONCE; type <= JOB_ATMOST_ONCE; type++) {
        job_id id;
        struct job *j = long_job(ONCE);
        j->type = (uint8_t)type;
        struct rig *r = rig_waiting(j, &id);
        rig_crash(r, 30 * MINUTE);
        rig_run(r, 10 * MINUTE);
        assert_int_equal(r->send_count, 1);
        assert_int_equal(core_status(r->core).awaiting, 1);
        assert_int_equal(complete(r, id, 1, NULL), ERR_OK);
        assert_state(r, id, AT, SUCCESS);
        rig_free(r);
    }
}

// What the target said while nobody heard it, it says again.
static void a_deadline_that_passed_meanwhile_leaves_some_grace(void **state)
{
    (void)state;
    for (int speaks = 0; speaks < 2; speaks++) {
        job_id id;
        struct rig *r = rig_waiting(long_job(ONCE), &id);
        rig_crash(r, 2 * HOUR);
        rig_run(r, 9 * SECOND);
        assert_state(r, id, AT, RUNNING);
        if (speaks)
            assert_int_equal(complete(r, id, 1, NULL), ERR_OK);
        rig_run(r, 2 * SECOND);
        assert_int_equal(rig_row(r, id, AT).state, speaks ? EXECUTION_SUCCESS : EXECUTION_FAILED);
        assert_int_equal(r->send_count, 1);
        rig_free(r);
    }
}

// The answer is slower than the word of the target, or never comes.
static void what_is_said_before_the_answer_is_kept(void **state)
{
    (void)state;
    for (int way = 0; way < 4; way++) {
        job_id id;
        struct rig *r = rig_flying(long_job(ONCE), &id);
        assert_int_equal(complete(r, id, 1, NULL), ERR_OK);
        rig_record(r);
        assert_state(r, id, AT, RUNNING);
        if (way == 0)
            rig_ask_to_wait(r, 0);
        else if (way == 1)
            rig_lose(r, 0, "reset");
        else if (way == 2)
            rig_answer(r, 0, 500);
        else
            rig_crash(r, SECOND);
        rig_run(r, 5 * SECOND);
        assert_state(r, id, AT, SUCCESS);
        assert_int_equal(r->send_count, 1);
        rig_free(r);
    }
}

// The row has both when the server dies.
static void what_is_said_before_a_cut_outlives_a_crash(void **state)
{
    (void)state;
    for (int is_failure = 0; is_failure < 2; is_failure++) {
        job_id id;
        struct rig *r = rig_flying(long_job(ONCE), &id);
        struct command cut = {.kind = COMMAND_CANCEL, .id = id, .execution = {id, AT, 0}};
        assert_int_equal(complete(r, id, 1, is_failure ? "no paper" : NULL), ERR_OK);
        assert_int_equal(rig_ask(r, &cut), ERR_OK);
        rig_record(r);
        rig_crash(r, SECOND);
        rig_run(r, SECOND);
        assert_int_equal(r->send_count, 1);
        assert_int_equal(rig_row(r, id, AT).state,
                         is_failure ? EXECUTION_CANCELLED : EXECUTION_SUCCESS);
        rig_free(r);
    }
}

// The target was told that its word counts. After a start, others are looked at before the row
// ends.
static void a_success_that_was_answered_is_not_cancelled(void **state)
{
    (void)state;
    for (int is_failure = 0; is_failure < 2; is_failure++) {
        job_id id;
        struct job *j = long_job(EVERY_MINUTE);
        j->overlap = OVERLAP_REPLACE;
        struct rig *r = rig_flying(j, &id);
        assert_int_equal(complete(r, id, 1, is_failure ? "no paper" : NULL), ERR_OK);
        rig_run(r, MINUTE - 1); // The row of the next one is there.
        rig_record(r);
        rig_crash(r, 2 * SECOND);
        rig_run(r, 5 * SECOND);
        assert_int_equal(rig_row(r, id, AT).state,
                         is_failure ? EXECUTION_CANCELLED : EXECUTION_SUCCESS);
        rig_free(r);
    }
}

static void what_was_said_first_counts(void **state)
{
    (void)state;
    job_id id;
    struct job *j = long_job(ONCE);
    j->max_retries = 0;
    struct rig *r = rig_flying(j, &id);
    assert_int_equal(complete(r, id, 1, "no paper"), ERR_OK);
    assert_int_equal(complete(r, id, 1, "no paper"), ERR_OK);
    assert_int_equal(complete(r, id, 1, NULL), ERR_EXISTS);
    rig_answer(r, 0, 200);
    struct execution e = rig_row(r, id, AT);
    assert_int_equal(e.state, EXECUTION_FAILED);
    assert_string_equal(e.error, "the target said that it failed: no paper");
    rig_free(r);
}

// The attempt was believed to have failed.
static void what_is_said_before_the_next_attempt_saves_it(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_flying(long_job(ONCE), &id);
    rig_lose(r, 0, "timed out");
    rig_record(r);
    assert_int_equal(complete(r, id, 0, NULL), ERR_EXISTS); // Nobody waits for it.
    assert_int_equal(complete(r, id, 1, NULL), ERR_OK);
    assert_state(r, id, AT, SUCCESS);
    rig_run(r, 10 * SECOND);
    assert_int_equal(r->send_count, 1);
    rig_free(r);
}

// The attempt was believed to have failed. A start makes no difference.
static void a_failure_that_is_known_changes_nothing(void **state)
{
    (void)state;
    for (int crashes = 0; crashes < 2; crashes++) {
        job_id id;
        struct job *j = long_job(ONCE);
        j->retry_base_ms = j->retry_cap_ms = 10 * MINUTE;
        struct rig *r = rig_flying(j, &id);
        rig_lose(r, 0, "timed out");
        rig_record(r);
        assert_int_equal(complete(r, id, 1, "no paper"), ERR_OK);
        rig_record(r);
        if (crashes)
            rig_crash(r, SECOND);
        assert_int_equal(complete(r, id, 1, NULL), ERR_OK);
        assert_state(r, id, AT, SUCCESS);
        rig_free(r);
    }
}

static void a_cancellation_ends_the_waiting(void **state)
{
    (void)state;
    const struct execution_key key_at = {.scheduled_at = AT};
    for (int early = 0; early < 2; early++) {
        job_id id;
        struct rig *r = early ? rig_flying(long_job(ONCE), &id) : rig_waiting(long_job(ONCE), &id);
        struct execution_key key = key_at;
        key.job = id;
        assert_int_equal(rig_cancel(r, &key), ERR_OK);
        if (early)
            rig_ask_to_wait(r, 0);
        assert_state(r, id, AT, CANCELLED);
        assert_int_equal(complete(r, id, 1, NULL), ERR_CONFLICT);
        assert_int_equal(core_status(r->core).open, 0);
        rig_free(r);
    }
}

// The target works on, whatever becomes of the job; but no further attempt is made.
static void a_job_that_stops_waits_for_what_is_under_way(void **state)
{
    (void)state;
    for (int way = 0; way < 6; way++) {
        job_id id;
        struct rig *r = rig_waiting(long_job(ONCE), &id);
        assert_int_equal(way % 2 ? rig_delete(r, id) : rig_pause(r, id, WALL_NEVER), ERR_OK);
        rig_record(r);
        if (way >= 4) {
            rig_crash(r, SECOND);
            rig_run(r, SECOND);
        }
        assert_state(r, id, AT, RUNNING);
        bool fails = way == 2 || way == 3;
        assert_int_equal(complete(r, id, 1, fails ? "no paper" : NULL), ERR_OK);
        assert_int_equal(rig_row(r, id, AT).state, fails ? EXECUTION_CANCELLED : EXECUTION_SUCCESS);
        assert_int_equal(core_status(r->core).open, 0);
        rig_free(r);
    }
}

static void silence_can_pause_the_job(void **state)
{
    (void)state;
    job_id id;
    struct job *j = long_job(EVERY_MINUTE);
    j->auto_pause_after = 1;
    j->completion_timeout_s = 10;
    struct rig *r = rig_waiting(j, &id);
    rig_run(r, 20 * SECOND);
    assert_state(r, id, AT, FAILED);
    assert_int_equal(rig_alerts(r, id, ALERT_JOB_PAUSED), 1);
    rig_free(r);
}

static void the_last_notes_are_kept(void **state)
{
    (void)state;
    job_id id;
    struct rig *r = rig_flying(long_job(ONCE), &id);
    assert_int_equal(note(r, id, 1, "0 begun"), ERR_OK); // Before the answer.
    assert_string_equal(rig_row(r, id, AT).notes, "1795514460000 0 begun\n");
    rig_ask_to_wait(r, 0);
    for (int i = 1; i <= NOTES_MAX; i++)
        assert_int_equal(note(r, id, 1, i < NOTES_MAX ? "50 half" : "- nearly"), ERR_OK);
    rig_record(r);
    rig_crash(r, SECOND);
    rig_run(r, SECOND);
    assert_int_equal(note(r, id, 2, "1 other"), ERR_EXISTS);
    assert_int_equal(complete(r, id, 1, NULL), ERR_OK);
    const char *notes = rig_row(r, id, AT).notes;
    size_t lines = 0;
    for (const char *at = notes; (at = strchr(at, '\n')); at++)
        lines++;
    assert_int_equal(lines, NOTES_MAX);
    assert_null(strstr(notes, "begun"));
    assert_non_null(strstr(notes, "- nearly\n"));
    assert_int_equal(note(r, id, 1, "99 late"), ERR_CONFLICT);
    rig_free(r);
}

// --- Targets of all kinds ------------------------------------------------------------------------

// What a target does with one execution is drawn from a seed, and so is when the server dies. What
// it says and when it says so decide about the end, and nothing that it has taken is sent again.
struct target {
    dur_ms says_after; // -1: never.
    bool fails, repeats, is_early;
};

static unsigned draw(uint64_t *seed, unsigned below)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(*seed >> 33) % below;
}

static struct target draw_target(uint64_t *seed)
{
    struct target t = {.says_after = draw(seed, 4) ? (dur_ms)draw(seed, 15) * SECOND : -1,
                       .fails = draw(seed, 3) == 0,
                       .repeats = draw(seed, 2),
                       .is_early = draw(seed, 5) == 0};
    return t;
}

static enum err say(struct rig *r, job_id id, const struct target *t)
{
    return complete(r, id, 1, t->fails ? "no paper" : NULL);
}

// Time passes, and the server may die at any moment of it.
static void pass(struct rig *r, dur_ms d, uint64_t *seed)
{
    for (; d > 0; d -= SECOND) {
        rig_run(r, SECOND);
        if (draw(seed, 8) == 0)
            rig_crash(r, 10);
    }
}

static void play(uint64_t seed)
{
    job_id id;
    struct job *j = long_job(ONCE);
    j->completion_timeout_s = 10;
    j->max_retries = 0;
    struct rig *r = rig_flying(j, &id);
    struct target t = draw_target(&seed);
    if (t.is_early)
        assert_int_equal(say(r, id, &t), ERR_OK);
    rig_ask_to_wait(r, 0);
    rig_record(r);
    pass(r, t.says_after, &seed);
    bool waits = rig_row(r, id, AT).state == EXECUTION_RUNNING;
    if (t.says_after >= 0 && !t.is_early)
        assert_int_equal(say(r, id, &t), waits ? ERR_OK : ERR_CONFLICT);
    if (t.repeats && t.says_after >= 0)
        assert_int_equal(say(r, id, &t), ERR_CONFLICT); // Which the row answers.
    rig_record(r);
    pass(r, 30 * SECOND, &seed);
    rig_run(r, MINUTE);
    bool was_heard = t.is_early || (t.says_after >= 0 && waits);
    bool is_good = was_heard && !t.fails;
    struct execution e = rig_row(r, id, AT);
    assert_int_equal(e.state, is_good ? EXECUTION_SUCCESS : EXECUTION_FAILED);
    assert_int_equal(e.completion, !was_heard ? COMPLETION_NONE
                                   : is_good  ? COMPLETION_SUCCESS
                                              : COMPLETION_FAILED);
    assert_int_equal(r->send_count, 1);
    assert_int_equal(rig_alerts(r, id, ALERT_FAILURE), !is_good);
    assert_int_equal(core_status(r->core).open, 0);
    rig_free(r);
}

static void no_seed_of_targets_and_crashes_breaks_a_promise(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++)
        play(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_jobs_that_wait_offer_a_callback),
        cmocka_unit_test(what_waits_holds_its_job_and_nothing_else),
        cmocka_unit_test(executions_that_must_not_overlap_do_not),
        cmocka_unit_test(a_failure_is_retried_and_then_is_the_end),
        cmocka_unit_test(what_was_delivered_at_most_once_is_not_made_again),
        cmocka_unit_test(silence_fails_at_the_deadline_without_another_attempt),
        cmocka_unit_test(a_start_goes_on_waiting_and_sends_nothing),
        cmocka_unit_test(a_deadline_that_passed_meanwhile_leaves_some_grace),
        cmocka_unit_test(what_is_said_before_the_answer_is_kept),
        cmocka_unit_test(what_is_said_before_a_cut_outlives_a_crash),
        cmocka_unit_test(a_success_that_was_answered_is_not_cancelled),
        cmocka_unit_test(what_was_said_first_counts),
        cmocka_unit_test(what_is_said_before_the_next_attempt_saves_it),
        cmocka_unit_test(a_failure_that_is_known_changes_nothing),
        cmocka_unit_test(a_cancellation_ends_the_waiting),
        cmocka_unit_test(a_job_that_stops_waits_for_what_is_under_way),
        cmocka_unit_test(silence_can_pause_the_job),
        cmocka_unit_test(the_last_notes_are_kept),
        cmocka_unit_test(no_seed_of_targets_and_crashes_breaks_a_promise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
