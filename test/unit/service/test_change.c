// SPDX-License-Identifier: MIT
// test_change.c: a change on its way: accepted, refused, merged anew, answered exactly once.
//
// Engine and store are played by this file: the engine answers when the test says so, and the store
// has one job. So a second client can be made to win the race at any point.

#include "service/service_priv.h"
#include "store/store_priv.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define CHANGES_MAX 3

// --- The engine, played --------------------------------------------------------------------------

static struct {
    enum err submit;      // What engine_submit answers.
    enum err replies[16]; // What the next replies say, in order.
    size_t submits;       // So often it was called.
    struct command last;  // The last command, without the job.
    char last_name[64];   // The name in its job.
    char last_reason[64]; // Why it is paused.
    char last_body[64];
    bool last_active;
    bool last_finished;
    engine_reply *hold; // Not NULL: the reply waits for release().
    void *hold_context;
    struct job *hold_row;
    bool holding;
} engine;

static struct {
    struct job *job; // What store_get_job finds; NULL: nothing.
    int open_readers;
} store;

// Takes the row, which goes to a client whose change is durable.
static void reply(size_t index, struct job *row, engine_reply *done, void *context)
{
    enum err err = engine.replies[index];
    bool gives_back = err == ERR_RANGE;
    struct reply r = {.err = err,
                      .job = engine.last.id ? engine.last.id : 7,
                      .version = 2,
                      .key = {.job = 7, .series = -1},
                      .row = err && !gives_back ? NULL : row};
    if (r.row)
        r.row->id = r.job;
    if (!r.row)
        job_free(row);
    done(context, &r);
}

enum err engine_submit(struct engine *e, const struct command *c, engine_reply *done, void *context)
{
    (void)e;
    if (engine.submit) {
        job_free(c->job);
        return engine.submit;
    }
    engine.last = *c;
    engine.last.job = NULL;
    strcpy(engine.last_name, c->job && c->job->name ? c->job->name : "");
    strcpy(engine.last_reason, c->job && c->job->paused_reason ? c->job->paused_reason : "");
    strcpy(engine.last_body, c->body ? c->body : "");
    engine.last_active = c->job && c->job->is_active;
    engine.last_finished = c->job && c->job->finished;
    size_t index = engine.submits++;
    if (engine.holding) {
        engine.hold = done;
        engine.hold_context = context;
        engine.hold_row = c->job;
        return ERR_OK;
    }
    reply(index, c->job, done, context);
    return ERR_OK;
}

static void release(void)
{
    reply(0, engine.hold_row, engine.hold, engine.hold_context);
}

// --- The store, played ---------------------------------------------------------------------------

static void reader_close(struct store_reader *r)
{
    (void)r;
    store.open_readers--;
}

static enum err get_job(struct store_reader *r, job_id id, struct job **out, struct fault *f)
{
    (void)r;
    (void)f;
    if (!store.job || store.job->id != id)
        return ERR_NOT_FOUND;
    *out = job_copy(store.job);
    return ERR_OK;
}

static const struct store_reader_ops reader_ops = {.close = reader_close, .get_job = get_job};
static struct store_reader reader = {&reader_ops};

static enum err reader_open(struct store *s, struct store_reader **out, struct fault *f)
{
    (void)s;
    (void)f;
    store.open_readers++;
    *out = &reader;
    return ERR_OK;
}

static const struct store_ops store_ops = {.reader_open = reader_open};
static struct store played_store = {.ops = &store_ops};

// --- A client ------------------------------------------------------------------------------------

// Waits for the answer and keeps what it said.
struct client {
    pthread_mutex_t lock;
    pthread_cond_t answered;
    int answers;
    struct service_problem problem;
    char name[64]; // The name of the job in the answer.
    bool has_job;
    struct execution_key execution;
    int edits;
};

static void client_init(struct client *c)
{
    *c = (struct client){.lock = PTHREAD_MUTEX_INITIALIZER, .answered = PTHREAD_COND_INITIALIZER};
}

static void answer(void *context, const struct service_result *r)
{
    struct client *c = context;
    pthread_mutex_lock(&c->lock);
    c->answers++;
    if (r->problem)
        c->problem = *r->problem;
    c->has_job = r->job != NULL;
    if (r->job && r->job->name)
        strcpy(c->name, r->job->name);
    c->execution = r->execution;
    pthread_cond_signal(&c->answered);
    pthread_mutex_unlock(&c->lock);
}

static void wait_for_answer(struct client *c)
{
    pthread_mutex_lock(&c->lock);
    while (c->answers == 0)
        pthread_cond_wait(&c->answered, &c->lock);
    pthread_mutex_unlock(&c->lock);
}

// Appends "+" to the name as it stands, so that a test sees what it was merged into.
static enum err append_plus(void *context, struct job *j, struct service_problem *p)
{
    (void)p;
    struct client *c = context;
    char name[64];
    c->edits++;
    strcpy(name, j->name);
    strcat(name, "+");
    job_set_text(&j->name, name);
    return ERR_OK;
}

static int setup(void **state)
{
    memset(&engine, 0, sizeof engine);
    store.job = job_new();
    store.job->id = 7;
    store.job->version = 1;
    job_set_text(&store.job->name, "stored");
    job_set_text(&store.job->schedule, "@daily");
    job_set_text(&store.job->timezone, "UTC");
    job_set_text(&store.job->api, "http://127.0.0.1/");
    struct service_options o = {.readers = 1, .questions_max = 2, .changes_max = CHANGES_MAX};
    return service_open(&o, &played_store, NULL, (struct service **)state, NULL) ? 1 : 0;
}

static int teardown(void **state)
{
    service_stop(*state);
    service_close(*state);
    job_free(store.job);
    return store.open_readers;
}

// --- Tests ---------------------------------------------------------------------------------------

// Nothing is read back: the job may be unreadable, or gone, by the time its client is answered.
static void a_created_job_is_answered_as_the_engine_made_it(void **state)
{
    struct client c;
    client_init(&c);
    struct service_problem p;
    struct job *draft = job_copy(store.job);
    store.job->id = 8; // Job 7 cannot be read.
    assert_int_equal(service_create_job(*state, NULL, draft, NULL, answer, &c, &p), ERR_OK);
    wait_for_answer(&c);
    assert_int_equal(c.problem.kind, PROBLEM_NONE);
    assert_string_equal(c.name, "stored");
    assert_int_equal(engine.last.kind, COMMAND_CREATE);
    assert_ptr_equal(engine.last.zone, zone_utc());
}

static void an_unacceptable_job_never_reaches_the_engine(void **state)
{
    struct client c;
    client_init(&c);
    struct service_problem p;
    assert_int_not_equal(service_create_job(*state, NULL, job_new(), NULL, answer, &c, &p), ERR_OK);
    assert_int_equal(p.kind, PROBLEM_FIELD);
    assert_int_equal(engine.submits, 0);
    assert_int_equal(c.answers, 0);
}

static void an_update_names_the_version_it_was_made_from(void **state)
{
    struct client c;
    client_init(&c);
    struct service_problem p;
    assert_int_equal(service_update_job(*state, NULL, 7, 0, append_plus, answer, &c, &p), ERR_OK);
    wait_for_answer(&c);
    assert_int_equal(engine.last.version_expected, 1);
    assert_string_equal(engine.last_name, "stored+");
    assert_true(c.has_job);
}

// Nobody's change is lost: it is merged into the job as the other client has left it.
static void an_update_that_lost_the_race_is_merged_anew(void **state)
{
    struct client c;
    client_init(&c);
    struct service_problem p;
    engine.replies[0] = ERR_CONFLICT;
    engine.holding = true;
    assert_int_equal(service_update_job(*state, NULL, 7, 0, append_plus, answer, &c, &p), ERR_OK);
    engine.holding = false;
    store.job->version = 5;
    job_set_text(&store.job->name, "theirs");
    release();
    wait_for_answer(&c);
    assert_int_equal(c.problem.kind, PROBLEM_NONE);
    assert_int_equal(c.edits, 2);
    assert_int_equal(engine.last.version_expected, 5);
    assert_string_equal(engine.last_name, "theirs+");
}

// Changes one after the other, each from the job as the one before has left it: nobody has to try
// again, and nothing is lost.
static void updates_of_one_job_take_turns(void **state)
{
    struct client c[3];
    struct service_problem p;
    engine.holding = true;
    for (size_t i = 0; i < COUNT_OF(c); i++) {
        client_init(&c[i]);
        assert_int_equal(service_update_job(*state, NULL, 7, 0, append_plus, answer, &c[i], &p),
                         ERR_OK);
    }
    assert_int_equal(engine.submits, 1);
    assert_string_equal(engine.last_name, "stored+");
    engine.holding = false;
    store.job->version = 2; // The first one is durable.
    job_set_text(&store.job->name, "stored+");
    release();
    for (size_t i = 0; i < COUNT_OF(c); i++) {
        wait_for_answer(&c[i]);
        assert_int_equal(c[i].problem.kind, PROBLEM_NONE);
        assert_int_equal(c[i].edits, 1);
    }
    assert_int_equal(engine.submits, 3);
    assert_int_equal(engine.last.version_expected, 2);
    assert_string_equal(engine.last_name, "stored++");
}

static void updates_of_other_jobs_do_not_wait(void **state)
{
    struct client c[2];
    struct service_problem p;
    client_init(&c[0]);
    client_init(&c[1]);
    engine.holding = true;
    assert_int_equal(service_update_job(*state, NULL, 7, 0, append_plus, answer, &c[0], &p),
                     ERR_OK);
    engine_reply *first = engine.hold;
    void *context = engine.hold_context;
    struct job *row = engine.hold_row;
    store.job->id = 7 + CHANGE_BUCKETS;
    assert_int_equal(
        service_update_job(*state, NULL, 7 + CHANGE_BUCKETS, 0, append_plus, answer, &c[1], &p),
        ERR_OK);
    assert_int_equal(engine.submits, 2);
    release();
    wait_for_answer(&c[1]);
    reply(0, row, first, context);
    wait_for_answer(&c[0]);
}

// The version is judged when it is the client's turn.
static void a_client_that_named_a_version_is_told_of_who_came_before(void **state)
{
    struct client first, named, last;
    struct service_problem p;
    client_init(&first);
    client_init(&named);
    client_init(&last);
    engine.holding = true;
    assert_int_equal(service_update_job(*state, NULL, 7, 0, append_plus, answer, &first, &p),
                     ERR_OK);
    assert_int_equal(service_update_job(*state, NULL, 7, 1, append_plus, answer, &named, &p),
                     ERR_OK);
    assert_int_equal(service_update_job(*state, NULL, 7, 0, append_plus, answer, &last, &p),
                     ERR_OK);
    engine.holding = false;
    store.job->version = 2;
    release();
    wait_for_answer(&named);
    assert_int_equal(named.problem.kind, PROBLEM_VERSION);
    wait_for_answer(&last); // Who waits behind a refusal is not forgotten.
    assert_int_equal(last.problem.kind, PROBLEM_NONE);
}

static void who_waits_for_a_turn_is_answered_at_the_end(void **state)
{
    struct client first, second;
    struct service_problem p;
    client_init(&first);
    client_init(&second);
    engine.holding = true;
    assert_int_equal(service_update_job(*state, NULL, 7, 0, append_plus, answer, &first, &p),
                     ERR_OK);
    assert_int_equal(service_update_job(*state, NULL, 7, 0, append_plus, answer, &second, &p),
                     ERR_OK);
    service_stop(*state);
    release();
    service_settle(*state);
    assert_int_equal(first.answers, 1);
    assert_int_equal(first.problem.kind, PROBLEM_NONE);
    assert_int_equal(second.answers, 1);
    assert_int_equal(second.problem.kind, PROBLEM_CLOSED);
}

static void a_client_that_named_a_version_is_told_of_the_race(void **state)
{
    struct client c;
    client_init(&c);
    struct service_problem p;
    engine.replies[0] = ERR_CONFLICT;
    assert_int_equal(service_update_job(*state, NULL, 7, 1, append_plus, answer, &c, &p), ERR_OK);
    wait_for_answer(&c);
    assert_int_equal(c.problem.kind, PROBLEM_VERSION);
    assert_int_equal(c.edits, 1);
}

static void a_stale_version_is_refused_at_once(void **state)
{
    struct client c;
    client_init(&c);
    struct service_problem p;
    assert_int_equal(service_update_job(*state, NULL, 7, 9, append_plus, answer, &c, &p),
                     ERR_CONFLICT);
    assert_int_equal(p.kind, PROBLEM_VERSION);
    assert_int_equal(engine.submits, 0);
}

static void merging_anew_ends_some_time(void **state)
{
    struct client c;
    client_init(&c);
    struct service_problem p;
    for (size_t i = 0; i < COUNT_OF(engine.replies); i++)
        engine.replies[i] = ERR_CONFLICT;
    assert_int_equal(service_update_job(*state, NULL, 7, 0, append_plus, answer, &c, &p), ERR_OK);
    wait_for_answer(&c);
    assert_int_equal(c.problem.kind, PROBLEM_CONTENDED);
    assert_true(engine.submits < COUNT_OF(engine.replies));
}

static void a_pause_keeps_everything_else(void **state)
{
    struct client c;
    client_init(&c);
    struct service_problem p;
    assert_int_equal(service_pause_job(*state, NULL, 7, 0, "repairs", WALL_NEVER, answer, &c, &p),
                     ERR_OK);
    wait_for_answer(&c);
    assert_int_equal(engine.last.kind, COMMAND_UPDATE);
    assert_string_equal(engine.last_name, "stored");
}

static enum err pause_only(void *context, struct job *j, struct service_problem *p)
{
    (void)context;
    (void)p;
    j->is_active = false;
    return ERR_OK;
}

// A pause that ended by itself leaves its reason in the row; the next pause must not show it.
static void an_old_reason_does_not_come_back(void **state)
{
    struct client c;
    client_init(&c);
    struct service_problem p;
    job_set_text(&store.job->paused_reason, "long ago");
    assert_int_equal(service_update_job(*state, NULL, 7, 0, pause_only, answer, &c, &p), ERR_OK);
    wait_for_answer(&c);
    assert_string_equal(engine.last_reason, "");
    client_init(&c);
    assert_int_equal(service_pause_job(*state, NULL, 7, 0, "now", WALL_NEVER, answer, &c, &p),
                     ERR_OK);
    wait_for_answer(&c);
    assert_string_equal(engine.last_reason, "now");
}

// A job that can fire no more cannot be resumed; it needs a new schedule.
static void a_finished_job_is_not_resumed(void **state)
{
    struct client c;
    client_init(&c);
    struct service_problem p;
    store.job->is_active = false;
    store.job->finished = true;
    job_set_text(&store.job->schedule, "2001-01-01T00:00:00Z");
    assert_int_equal(service_resume_job(*state, NULL, 7, 0, answer, &c, &p), ERR_RANGE);
    assert_int_equal(p.kind, PROBLEM_SCHEDULE);
    assert_int_equal(engine.submits, 0);
}

// The core alone knows the id of a new job, and how many of its runs are left. What it refuses is
// worded for the client, as if the service had refused it.
static void a_schedule_that_the_core_finds_vain_is_told_as_any_bad_one(void **state)
{
    struct client c;
    client_init(&c);
    struct service_problem p;
    struct job *draft = job_copy(store.job);
    draft->id = 0;
    job_set_text(&draft->schedule, "0 0 0 H H ? 2029");
    draft->end_at = 1861920000000; // 2029-01-01T00:00:00Z
    engine.replies[0] = ERR_RANGE;
    assert_int_equal(service_create_job(*state, NULL, draft, NULL, answer, &c, &p), ERR_OK);
    wait_for_answer(&c);
    assert_int_equal(c.problem.kind, PROBLEM_FIELD);
    assert_string_equal(c.problem.pointer, "/end_at");

    client_init(&c);
    store.job->max_runs = store.job->runs = 5;
    engine.submits = 0;
    assert_int_equal(service_update_job(*state, NULL, 7, 0, append_plus, answer, &c, &p), ERR_OK);
    wait_for_answer(&c);
    assert_int_equal(c.problem.kind, PROBLEM_FIELD);
    assert_string_equal(c.problem.pointer, "/max_runs");
}

static enum err raise_max_runs(void *context, struct job *j, struct service_problem *p)
{
    (void)context, (void)p;
    j->max_runs = 10;
    return ERR_OK;
}

static enum err activate(void *context, struct job *j, struct service_problem *p)
{
    (void)context, (void)p;
    j->is_active = true;
    return ERR_OK;
}

static enum err pause_and_raise(void *context, struct job *j, struct service_problem *p)
{
    (void)context, (void)p;
    j->is_active = false;
    j->max_runs = 10;
    return ERR_OK;
}

// What an edit makes of a job that has had its runs.
static void a_finished_job_goes_on_when_it_has_something_to_run_for(void **state)
{
    static const struct {
        service_edit *edit;
        bool active;
        bool finished;
    } cases[] = {
        {append_plus, false, true}, // A new name is no reason.
        {raise_max_runs, true, false},
        {activate, true, false}, // The core judges it.
        {pause_and_raise, false, false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct client c;
        client_init(&c);
        struct service_problem p;
        store.job->is_active = false;
        store.job->finished = true;
        store.job->max_runs = store.job->runs = 5;
        assert_int_equal(service_update_job(*state, NULL, 7, 0, cases[i].edit, answer, &c, &p),
                         ERR_OK);
        wait_for_answer(&c);
        assert_int_equal(engine.last_active, cases[i].active);
        assert_int_equal(engine.last_finished, cases[i].finished);
    }
}

static void a_trigger_hands_its_body_on(void **state)
{
    struct client c;
    client_init(&c);
    struct service_problem p;
    char *body = xstrdup("mine"); // Taken.
    assert_int_equal(service_trigger_job(*state, NULL, 7, body, false, NULL, answer, &c, &p),
                     ERR_OK);
    wait_for_answer(&c);
    assert_string_equal(engine.last_body, "mine");
    assert_int_equal(c.execution.series, -1);
    assert_false(c.has_job);
}

static const struct {
    enum err err;
    enum problem_kind kind;
} meanings[] = {
    {ERR_NOT_FOUND, PROBLEM_NOT_FOUND},   {ERR_CLOSED, PROBLEM_CLOSED},
    {ERR_STORE_FULL, PROBLEM_STORE_FULL}, {ERR_BUSY, PROBLEM_STORE_BUSY},
    {ERR_STORE_AWAY, PROBLEM_STORE_AWAY}, {ERR_FENCED, PROBLEM_MOVED},
    {ERR_DOUBT, PROBLEM_DOUBT},           {ERR_LIMIT, PROBLEM_BUSY},
    {ERR_SYSTEM, PROBLEM_STORE}, // Any other, of which there is no story.
};

static void errors_of_the_engine_reach_the_client(void **state)
{
    for (size_t i = 0; i < COUNT_OF(meanings); i++) {
        struct client c;
        client_init(&c);
        struct service_problem p;
        engine.submit = meanings[i].err; // Refused when it is handed over.
        assert_int_equal(service_trigger_job(*state, NULL, 7, NULL, false, NULL, answer, &c, &p),
                         meanings[i].err);
        assert_int_equal(p.kind, meanings[i].kind);
        engine.submit = ERR_OK; // Refused in the reply.
        engine.submits = 0;
        engine.replies[0] = meanings[i].err;
        assert_int_equal(service_trigger_job(*state, NULL, 7, NULL, false, NULL, answer, &c, &p),
                         ERR_OK);
        wait_for_answer(&c);
        assert_int_equal(c.problem.kind, meanings[i].kind);
    }
}

static void too_many_changes_at_once_are_refused(void **state)
{
    struct client c[CHANGES_MAX], late;
    void *contexts[CHANGES_MAX];
    struct service_problem p;
    engine.holding = true;
    for (size_t i = 0; i < CHANGES_MAX; i++) {
        client_init(&c[i]);
        assert_int_equal(service_trigger_job(*state, NULL, 7, NULL, false, NULL, answer, &c[i], &p),
                         ERR_OK);
        contexts[i] = engine.hold_context;
    }
    client_init(&late);
    assert_int_equal(service_trigger_job(*state, NULL, 7, NULL, false, NULL, answer, &late, &p),
                     ERR_LIMIT);
    assert_int_equal(p.kind, PROBLEM_BUSY);
    assert_int_equal(late.answers, 0);
    for (size_t i = 0; i < CHANGES_MAX; i++) {
        reply(0, NULL, engine.hold, contexts[i]);
        wait_for_answer(&c[i]);
    }
}

static void once_stopped_no_command_leaves(void **state)
{
    struct client c;
    client_init(&c);
    struct service_problem p;
    service_stop(*state);
    assert_int_equal(service_trigger_job(*state, NULL, 7, NULL, false, NULL, answer, &c, &p),
                     ERR_CLOSED);
    assert_int_equal(p.kind, PROBLEM_CLOSED);
    assert_int_equal(engine.submits, 0);
}

// A change that loses its race while the server stops is not tried again, but it is answered.
static void a_race_lost_while_stopping_is_answered(void **state)
{
    struct client c;
    client_init(&c);
    struct service_problem p;
    engine.replies[0] = ERR_CONFLICT;
    engine.holding = true;
    assert_int_equal(service_update_job(*state, NULL, 7, 0, append_plus, answer, &c, &p), ERR_OK);
    service_stop(*state);
    release();
    wait_for_answer(&c);
    assert_int_equal(c.problem.kind, PROBLEM_CLOSED);
    assert_int_equal(engine.submits, 1);
}

static void a_durable_change_is_no_failure_when_the_job_is_gone_since(void **state)
{
    struct client c;
    client_init(&c);
    struct service_problem p;
    engine.holding = true;
    assert_int_equal(service_update_job(*state, NULL, 7, 0, append_plus, answer, &c, &p), ERR_OK);
    store.job->id = 8; // Somebody deleted it.
    release();
    wait_for_answer(&c);
    assert_int_equal(c.problem.kind, PROBLEM_NONE);
    assert_string_equal(c.name, "stored+");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_created_job_is_answered_as_the_engine_made_it),
        TEST(an_unacceptable_job_never_reaches_the_engine),
        TEST(an_update_names_the_version_it_was_made_from),
        TEST(an_update_that_lost_the_race_is_merged_anew),
        TEST(updates_of_one_job_take_turns),
        TEST(updates_of_other_jobs_do_not_wait),
        TEST(a_client_that_named_a_version_is_told_of_who_came_before),
        TEST(who_waits_for_a_turn_is_answered_at_the_end),
        TEST(a_client_that_named_a_version_is_told_of_the_race),
        TEST(a_stale_version_is_refused_at_once),
        TEST(merging_anew_ends_some_time),
        TEST(a_pause_keeps_everything_else),
        TEST(an_old_reason_does_not_come_back),
        TEST(a_finished_job_is_not_resumed),
        TEST(a_schedule_that_the_core_finds_vain_is_told_as_any_bad_one),
        TEST(a_finished_job_goes_on_when_it_has_something_to_run_for),
        TEST(a_trigger_hands_its_body_on),
        TEST(errors_of_the_engine_reach_the_client),
        TEST(too_many_changes_at_once_are_refused),
        TEST(once_stopped_no_command_leaves),
        TEST(a_race_lost_while_stopping_is_answered),
        TEST(a_durable_change_is_no_failure_when_the_job_is_gone_since),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
