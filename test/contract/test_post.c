// SPDX-License-Identifier: MIT
// test_post.c: what is asked of one node is carried out once by the node that owns the job, and
// answered as on a single node; in memory and on PostgreSQL.
//
// Nodes are services, engines and stores in this process. The store of each node in memory is the
// same one; those of PostgreSQL are several on one database.

#include "base/log.h"
#include "cluster/post.h"
#include "dispatch/dispatch.h"
#include "engine/engine.h"
#include "postgres_server.h"
#include "service/service.h"
#include "store/commands.h"
#include "store_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define SHARDS 4
#define NEVER_DUE "0 0 0 1 1 *"
#define PATIENCE_MS 10000

static const struct store_adapter *adapter;

static struct {
    struct store *first; // Lives as long as the test.
    char url[POSTGRES_URL_BYTES];
} place;

static int setup(void **state)
{
    (void)state;
    if (adapter->is_server)
        postgres_database_new(place.url);
    store_assert_ok(adapter->is_server ? store_postgres_open(place.url, SHARDS, &place.first, f)
                                       : store_memory_open(SHARDS, &place.first, f));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store_close(place.first);
    if (adapter->is_server)
        postgres_database_drop(place.url);
    return 0;
}

// --- Nodes -----------------------------------------------------------------------------------

struct node {
    struct store *store;
    struct engine *engine;
    struct service *service; // NULL: the node takes no changes.
    struct cluster_post *post;
    bool owns;
    atomic_uint told_free; // How often the node was told that shards are free.
};

static void store_lost(const struct fault *f)
{
    fail_msg("the store is lost: %s", f->text);
}

static void shard_loaded(void *context, uint32_t shard, int64_t epoch)
{
    struct node *n = context;
    if (n->owns)
        cluster_post_loaded(n->post, shard, epoch);
}

static enum err hand_on(void *context, const struct command *c, cluster_reply *done, void *reply)
{
    struct node *n = context;
    return engine_submit(n->engine, c, done, reply);
}

static void shards_free(void *context)
{
    struct node *n = context;
    atomic_fetch_add(&n->told_free, 1);
}

static enum err submit(void *context, const struct command *c, engine_reply *done, void *reply)
{
    struct node *n = context;
    return cluster_post_submit(n->post, c, done, reply);
}

static void open_engine(struct node *n)
{
    const struct engine_options o = {.limits = core_limits_default,
                                     .dispatch_open = dispatch_wire_open,
                                     .dispatch = {.version = "0"},
                                     .mails_max = 1000,
                                     .store_lost = store_lost,
                                     .shard_loaded = shard_loaded,
                                     .context = n};
    store_assert_ok(engine_open(&o, n->store, &n->engine, f));
}

static void take_shards(struct node *n)
{
    for (uint32_t s = 0; s < SHARDS; s++) {
        struct shard row;
        store_assert_ok(store_take_shard(n->store, s, &row, f));
        engine_shard_gained(n->engine, &row);
    }
    engine_lease(n->engine, MONO_NEVER);
}

static void open_post(struct node *n, bool asks, dur_ms timeout_ms)
{
    const struct cluster_post_options o = {.store = n->store,
                                           .asks = asks,
                                           .hand_on = n->owns ? hand_on : NULL,
                                           .shards_free = n->owns ? shards_free : NULL,
                                           .context = n,
                                           .timeout_ms = timeout_ms};
    store_assert_ok(cluster_post_open(&o, &n->post, f));
}

static void open_service(struct node *n)
{
    const struct service_options o = {.readers = 1,
                                      .questions_max = 10,
                                      .changes_max = 100,
                                      .submit = submit,
                                      .submit_context = n};
    store_assert_ok(service_open(&o, n->store, n->engine, &n->service, f));
}

static struct node *node_new(bool asks, bool owns, dur_ms timeout_ms)
{
    struct node *n = xcalloc(1, sizeof *n);
    n->owns = owns;
    n->store = place.first;
    if (adapter->is_server)
        store_assert_ok(store_postgres_open(place.url, SHARDS, &n->store, f));
    open_engine(n);
    open_post(n, asks, timeout_ms);
    if (asks)
        open_service(n);
    if (owns)
        take_shards(n);
    store_assert_ok(engine_start(n->engine, f));
    return n;
}

static void node_free(struct node *n)
{
    if (n->service)
        service_stop(n->service);
    cluster_post_stop(n->post);
    engine_stop(n->engine);
    if (n->service)
        service_settle(n->service);
    service_close(n->service);
    cluster_post_close(n->post);
    if (n->store != place.first)
        store_close(n->store);
    free(n);
}

// --- Clients ---------------------------------------------------------------------------------

struct client {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned answers;
    struct service_problem problem;
    struct job *job;
    struct execution_key execution;
    bool replayed;
};

static void client_init(struct client *c)
{
    *c = (struct client){.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
}

static void answered(void *context, const struct service_result *r)
{
    struct client *c = context;
    pthread_mutex_lock(&c->lock);
    c->answers++;
    if (r->problem)
        c->problem = *r->problem;
    if (r->job)
        c->job = job_copy(r->job);
    c->execution = r->execution;
    c->replayed = r->replayed;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

static void wait_for(struct client *c)
{
    pthread_mutex_lock(&c->lock);
    while (c->answers == 0)
        pthread_cond_wait(&c->changed, &c->lock);
    assert_int_equal(c->answers, 1);
    pthread_mutex_unlock(&c->lock);
}

static struct job *draft(const char *name)
{
    struct job *j = job_new();
    job_set_text(&j->schedule, NEVER_DUE);
    job_set_text(&j->api, "http://127.0.0.1:1/");
    job_set_text(&j->name, name);
    return j;
}

static void ask_to_create(struct node *n, struct client *c, const char *name,
                          const struct service_key *key)
{
    struct service_problem p = {0};
    client_init(c);
    if (service_create_job(n->service, NULL, draft(name), key, answered, c, &p))
        fail_msg("refused: %s", p.detail);
}

// The client frees its job.
static void done_with(struct client *c)
{
    job_free(c->job);
    c->job = NULL;
}

static job_id create(struct node *n, const char *name)
{
    struct client c;
    ask_to_create(n, &c, name, NULL);
    wait_for(&c);
    if (!c.job)
        fail_msg("no job: %s", c.problem.detail);
    job_id id = c.job->id;
    assert_string_equal(c.job->name, name);
    assert_int_equal(c.job->version, 1);
    done_with(&c);
    return id;
}

static size_t count_jobs(void)
{
    struct store_fixture x = {.store = place.first};
    struct job_query all = {.is_active = -1, .limit = 100};
    struct store_ids *ids = xmalloc(sizeof *ids);
    store_assert_ok(store_reader_open(x.store, &x.reader, f));
    store_list_job_ids(&x, &all, ids);
    store_reader_close(x.reader);
    size_t count = ids->count;
    free(ids);
    return count;
}

static enum err fill_in(void *context, struct job *j, struct service_problem *p)
{
    (void)context;
    (void)p;
    job_set_text(&j->schedule, NEVER_DUE);
    job_set_text(&j->api, "http://127.0.0.1:1/");
    return ERR_OK;
}

static enum err rename_it(void *context, struct job *j, struct service_problem *p)
{
    (void)context;
    (void)p;
    job_set_text(&j->name, "renamed");
    return ERR_OK;
}

// --- Stories ---------------------------------------------------------------------------------

static void changes_at_one_node_are_made_by_another(void **state)
{
    (void)state;
    struct node *owner = node_new(false, true, PATIENCE_MS);
    struct node *api = node_new(true, false, PATIENCE_MS);
    struct service_problem p;
    struct client c;
    job_id id = create(api, "first");
    client_init(&c);
    assert_int_equal(service_update_job(api->service, NULL, id, 1, rename_it, answered, &c, &p),
                     ERR_OK);
    wait_for(&c);
    assert_string_equal(c.job->name, "renamed");
    assert_int_equal(c.job->version, 2);
    done_with(&c);
    client_init(&c);
    assert_int_equal(service_trigger_job(api->service, NULL, id, xstrdup("by hand"), false, NULL,
                                         answered, &c, &p),
                     ERR_OK);
    wait_for(&c);
    assert_int_equal(c.problem.kind, PROBLEM_NONE);
    assert_int_equal(c.execution.job, id);
    assert_true(c.execution.series < 0);
    client_init(&c);
    assert_int_equal(service_delete_job(api->service, NULL, id, 0, answered, &c, &p), ERR_OK);
    wait_for(&c);
    assert_int_equal(c.problem.kind, PROBLEM_NONE);
    assert_int_equal(count_jobs(), 0);
    node_free(api);
    node_free(owner);
}

// A node goes the same way to itself.
static void node_that_does_both_answers_itself(void **state)
{
    (void)state;
    struct node *n = node_new(true, true, PATIENCE_MS);
    struct service_problem p;
    struct client c;
    for (unsigned i = 0; i < 20; i++)
        create(n, "one of many");
    assert_int_equal(count_jobs(), 20);
    client_init(&c);
    assert_int_equal(service_accept_clock(n->service, NULL, answered, &c, &p), ERR_OK);
    wait_for(&c);
    assert_int_equal(c.problem.kind, PROBLEM_NONE);
    node_free(n);
}

static void many_clients_at_once_are_all_answered(void **state)
{
    (void)state;
    enum { CLIENTS = 100 };
    struct node *owner = node_new(false, true, PATIENCE_MS);
    struct node *api = node_new(true, false, PATIENCE_MS);
    struct client *clients = xcalloc(CLIENTS, sizeof *clients);
    for (unsigned i = 0; i < CLIENTS; i++)
        ask_to_create(api, &clients[i], "many", NULL);
    for (unsigned i = 0; i < CLIENTS; i++) {
        wait_for(&clients[i]);
        assert_non_null(clients[i].job);
        done_with(&clients[i]);
    }
    assert_int_equal(count_jobs(), CLIENTS);
    free(clients);
    node_free(api);
    node_free(owner);
}

static void refusals_keep_their_words(void **state)
{
    (void)state;
    struct node *owner = node_new(false, true, PATIENCE_MS);
    struct node *api = node_new(true, false, PATIENCE_MS);
    struct service_problem p;
    struct client c;
    client_init(&c);
    assert_int_equal(service_delete_job(api->service, NULL, 77, 0, answered, &c, &p), ERR_OK);
    wait_for(&c);
    assert_int_equal(c.problem.kind, PROBLEM_NOT_FOUND);
    struct job *never = draft("never");
    job_set_text(&never->schedule, "0 0 0 H(30-31) 2 *"); // The id decides its instants.
    client_init(&c);
    enum err err = service_create_job(api->service, NULL, never, NULL, answered, &c, &p);
    if (!err) {
        wait_for(&c);
        assert_int_equal(c.problem.kind, PROBLEM_SCHEDULE);
    }
    node_free(api);
    node_free(owner);
}

// --- Client keys -----------------------------------------------------------------------------

static void one_key_at_two_nodes_at_once_is_one_job(void **state)
{
    (void)state;
    struct node *one = node_new(true, false, PATIENCE_MS);
    struct node *two = node_new(true, false, PATIENCE_MS);
    const struct service_key key = {.text = "k", .digest = {1}};
    const struct service_key other = {.text = "k", .digest = {2}};
    struct client a, b, c;
    ask_to_create(one, &a, "keyed", &key);
    ask_to_create(two, &b, "keyed", &key);
    pthread_mutex_lock(&b.lock); // Nobody owns anything yet: one of them waits, the other not.
    pthread_mutex_unlock(&b.lock);
    struct node *owner = node_new(false, true, PATIENCE_MS);
    wait_for(&a);
    wait_for(&b);
    struct client *winner = a.job ? &a : &b, *loser = a.job ? &b : &a;
    assert_non_null(winner->job);
    assert_true(loser->problem.kind == PROBLEM_KEY_BUSY ||
                (loser->replayed && loser->job->id == winner->job->id));
    assert_int_equal(count_jobs(), 1);
    ask_to_create(two, &c, "keyed", &key);
    wait_for(&c);
    assert_true(c.replayed);
    assert_int_equal(c.job->id, winner->job->id);
    done_with(&c);
    ask_to_create(one, &c, "keyed", &other);
    wait_for(&c);
    assert_int_equal(c.problem.kind, PROBLEM_KEY_REUSED);
    done_with(&a);
    done_with(&b);
    node_free(one);
    node_free(two);
    node_free(owner);
}

static void key_of_a_trigger_gives_the_same_execution(void **state)
{
    (void)state;
    struct node *n = node_new(true, true, PATIENCE_MS);
    const struct service_key key = {.text = "t", .digest = {1}};
    struct service_problem p;
    struct client a, b;
    job_id id = create(n, "triggered");
    client_init(&a);
    assert_int_equal(service_trigger_job(n->service, NULL, id, NULL, false, &key, answered, &a, &p),
                     0);
    wait_for(&a);
    client_init(&b);
    assert_int_equal(service_trigger_job(n->service, NULL, id, NULL, false, &key, answered, &b, &p),
                     0);
    wait_for(&b);
    assert_false(a.replayed);
    assert_true(b.replayed);
    assert_memory_equal(&a.execution, &b.execution, sizeof a.execution);
    node_free(n);
}

// --- Keys of jobs ----------------------------------------------------------------------------

static void ask_to_put(struct node *n, struct client *c)
{
    struct service_problem p = {0};
    client_init(c);
    if (service_put_job_by_key(n->service, NULL, "nightly", 0, fill_in, answered, c, &p))
        fail_msg("refused: %s", p.detail);
}

static void job_that_is_put_at_two_nodes_at_once_is_one_job(void **state)
{
    (void)state;
    struct node *one = node_new(true, false, PATIENCE_MS);
    struct node *two = node_new(true, false, PATIENCE_MS);
    struct service_problem p = {0};
    struct client a, b, c;
    ask_to_put(one, &a);
    ask_to_put(two, &b);
    struct node *owner = node_new(false, true, PATIENCE_MS);
    wait_for(&a);
    wait_for(&b);
    assert_non_null(a.job);
    assert_non_null(b.job);
    assert_int_equal(a.job->id, b.job->id);
    // The job was made and then changed; who made it is shown it as it stands by then.
    assert_int_equal(MAX(a.job->version, b.job->version), 2);
    assert_int_equal(count_jobs(), 1);
    struct job *new = draft("another");
    job_set_text(&new->key, "nightly");
    client_init(&c);
    assert_int_equal(service_create_job(two->service, NULL, new, NULL, answered, &c, &p), 0);
    wait_for(&c);
    assert_int_equal(c.problem.kind, PROBLEM_JOB_KEY);
    done_with(&a);
    done_with(&b);
    node_free(one);
    node_free(two);
    node_free(owner);
}

// Nobody owns the shards: the second command was never put, and says so.
static void job_that_waits_for_another_with_its_key_gives_up(void **state)
{
    (void)state;
    struct node *one = node_new(true, false, 300);
    struct node *two = node_new(true, false, 300);
    struct client a, b;
    ask_to_put(one, &a);
    ask_to_put(two, &b);
    wait_for(&a);
    wait_for(&b);
    assert_null(a.job);
    assert_null(b.job);
    node_free(one);
    node_free(two);
    assert_int_equal(count_jobs(), 0);
}

// --- Owners that die, and answers that are lost ----------------------------------------------

static void ignore_wake_up(void *context, const char *channel)
{
    (void)context;
    (void)channel;
}

static void ignore_row(void *context, const struct command_row *r)
{
    (void)r;
    ++*(size_t *)context;
}

// Claims, in the epochs that the shards have now, until there is a command, and does nothing then:
// as an owner that dies, or one whose answer is lost.
static void claim_in_vain(void)
{
    struct command_shard shards[SHARDS];
    struct store_commands *line;
    size_t count = 0;
    for (uint32_t s = 0; s < SHARDS; s++) {
        struct shard row;
        store_assert_ok(store_get_shard(place.first, s, &row, f));
        shards[s] = (struct command_shard){s, MAX(row.epoch, 1)};
    }
    const struct command_claim o = {.shards = shards, .shard_count = SHARDS, .limit = 10};
    store_assert_ok(store_commands_open(place.first, &line, f));
    store_assert_ok(store_commands_listen(line, "commands", f));
    while (count == 0) {
        store_assert_ok(store_commands_claim(line, &o, clock_wall_ms(), ignore_row, &count, f));
        if (count == 0)
            store_assert_ok(store_commands_hear(line, -1, 50, ignore_wake_up, NULL, f));
    }
    store_commands_close(line);
}

static void take_all_once(void)
{
    for (uint32_t s = 0; s < SHARDS; s++) {
        struct shard row;
        store_assert_ok(store_take_shard(place.first, s, &row, f));
    }
}

static void owner_that_dies_after_its_claim_is_succeeded(void **state)
{
    (void)state;
    struct node *api = node_new(true, false, PATIENCE_MS);
    struct client c;
    take_all_once();
    ask_to_create(api, &c, "owed", NULL);
    claim_in_vain();
    struct node *owner = node_new(false, true, PATIENCE_MS);
    wait_for(&c);
    assert_non_null(c.job);
    assert_int_equal(count_jobs(), 1);
    done_with(&c);
    node_free(api);
    node_free(owner);
}

// The owner's own claim, in its own epoch, of which it does not know.
static void claim_whose_answer_was_lost_is_asked_for_again(void **state)
{
    (void)state;
    struct node *api = node_new(true, false, PATIENCE_MS);
    struct client c;
    struct shard row;
    ask_to_create(api, &c, "owed", NULL);
    for (uint32_t s = 0; s < SHARDS; s++) // The epochs that the owner will have.
        store_assert_ok(store_get_shard(place.first, s, &row, f));
    claim_in_vain(); // In epoch 1, before anybody has it.
    struct node *owner = node_new(false, true, PATIENCE_MS);
    store_assert_ok(store_get_shard(place.first, 0, &row, f));
    assert_int_equal(row.epoch, 1);
    wait_for(&c);
    assert_non_null(c.job);
    assert_int_equal(count_jobs(), 1);
    done_with(&c);
    node_free(api);
    node_free(owner);
}

static void command_that_nobody_takes_is_withdrawn(void **state)
{
    (void)state;
    struct node *api = node_new(true, false, 300);
    const struct service_key key = {.text = "k", .digest = {1}};
    struct client c;
    ask_to_create(api, &c, "nobody", &key);
    wait_for(&c);
    assert_int_equal(c.problem.kind, PROBLEM_AWAY);
    node_free(api);
    struct node *n = node_new(true, true, PATIENCE_MS);
    ask_to_create(n, &c, "somebody", &key); // The key is free again.
    wait_for(&c);
    assert_non_null(c.job);
    assert_int_equal(count_jobs(), 1);
    done_with(&c);
    node_free(n);
}

static void what_was_claimed_is_in_doubt_and_done_later(void **state)
{
    (void)state;
    struct node *api = node_new(true, false, 1000);
    const struct service_key key = {.text = "k", .digest = {1}};
    struct client c;
    take_all_once();
    ask_to_create(api, &c, "late", &key);
    claim_in_vain();
    wait_for(&c);
    assert_int_equal(c.problem.kind, PROBLEM_DOUBT);
    node_free(api);
    struct node *n = node_new(true, true, PATIENCE_MS);
    do {
        ask_to_create(n, &c, "late", &key); // The first request is under way, or done.
        wait_for(&c);
    } while (c.problem.kind == PROBLEM_KEY_BUSY);
    assert_true(c.replayed);
    assert_int_equal(count_jobs(), 1);
    done_with(&c);
    node_free(n);
}

static void shard_that_goes_to_another_node_is_answered_there(void **state)
{
    (void)state;
    struct node *api = node_new(true, false, PATIENCE_MS);
    struct node *first = node_new(false, true, PATIENCE_MS);
    create(api, "at the first");
    struct node *second = node_new(false, true, PATIENCE_MS); // Takes all.
    for (unsigned i = 0; i < 8; i++)
        create(api, "at the second");
    assert_int_equal(count_jobs(), 9);
    node_free(first);
    node_free(second);
    node_free(api);
}

// --- Rows of others --------------------------------------------------------------------------

static void add_reply(void *context, const struct command_reply *r)
{
    *(struct command_reply *)context = *r;
}

// A row of a newer version, or one that somebody has edited.
static void row_that_cannot_be_read_is_answered(void **state)
{
    (void)state;
    struct node *owner = node_new(false, true, PATIENCE_MS);
    struct store_commands *line;
    struct command_put p = {.id = {{1, 2, 3}},
                            .shard = 2,
                            .expires_at = clock_wall_ms() + PATIENCE_MS,
                            .body = "what is this?",
                            .bytes = 13};
    struct command_reply r = {0};
    store_assert_ok(store_commands_open(place.first, &line, f));
    store_assert_ok(store_commands_listen(line, "replies", f));
    store_assert_ok(store_commands_put(line, &p, 1, clock_wall_ms(), f));
    store_assert_ok(store_commands_notify(line, "commands", f));
    while (!command_id_is_set(&r.command)) {
        store_assert_ok(store_commands_hear(line, -1, 50, ignore_wake_up, NULL, f));
        store_assert_ok(store_commands_read(line, &p.id, 1, add_reply, &r, f));
    }
    assert_int_equal(r.err, ERR_UNSUPPORTED);
    store_commands_close(line);
    node_free(owner);
}

// --- A server of a database ------------------------------------------------------------------

// As behind a pooler, or when all wake-ups are lost: NOTIFY does nothing.
static void without_wake_ups_commands_are_found_by_looking(void **state)
{
    char sql[512];
    const char *name = strrchr(place.url, '@') + 2;
    snprintf(sql, sizeof sql,
             "CREATE FUNCTION public.pg_notify(text, text) RETURNS void LANGUAGE sql AS '';"
             "ALTER DATABASE %.*s SET search_path = public, pg_catalog",
             (int)strcspn(name, "?"), name);
    postgres_meddle(place.url, sql, NULL, 0);
    changes_at_one_node_are_made_by_another(state);
}

static void connections_that_end_lose_no_command(void **state)
{
    (void)state;
    struct node *owner = node_new(false, true, PATIENCE_MS);
    struct node *api = node_new(true, false, PATIENCE_MS);
    unsigned made = 0, doubtful = 0;
    for (unsigned i = 0; i < 3; i++) {
        struct client c;
        postgres_meddle(place.url,
                        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
                        NULL, 0);
        ask_to_create(api, &c, "cut off", NULL);
        wait_for(&c);
        made += c.job != NULL;
        doubtful += c.problem.kind == PROBLEM_DOUBT;
        done_with(&c);
    }
    size_t jobs = count_jobs();
    assert_true(made <= jobs && jobs <= made + doubtful);
    create(api, "at the end");
    node_free(api);
    node_free(owner);
}

// Nobody knows when the other one begins to hear, and a wake-up may be lost, so it is said again.
static void shards_that_are_free_are_told_to_those_who_want_them(void **state)
{
    (void)state;
    struct node *owner = node_new(false, true, PATIENCE_MS);
    struct node *api = node_new(true, false, PATIENCE_MS);
    mono_ms until = clock_mono_ms() + PATIENCE_MS;
    while (atomic_load(&owner->told_free) < 3 && clock_mono_ms() < until)
        cluster_post_tell_free(api->post);
    assert_true(atomic_load(&owner->told_free) >= 3);
    assert_int_equal(atomic_load(&api->told_free), 0);
    node_free(api);
    node_free(owner);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(changes_at_one_node_are_made_by_another),
        TEST(node_that_does_both_answers_itself),
        TEST(many_clients_at_once_are_all_answered),
        TEST(refusals_keep_their_words),
        TEST(one_key_at_two_nodes_at_once_is_one_job),
        TEST(key_of_a_trigger_gives_the_same_execution),
        TEST(job_that_is_put_at_two_nodes_at_once_is_one_job),
        TEST(job_that_waits_for_another_with_its_key_gives_up),
        TEST(owner_that_dies_after_its_claim_is_succeeded),
        TEST(claim_whose_answer_was_lost_is_asked_for_again),
        TEST(command_that_nobody_takes_is_withdrawn),
        TEST(what_was_claimed_is_in_doubt_and_done_later),
        TEST(shard_that_goes_to_another_node_is_answered_there),
        TEST(row_that_cannot_be_read_is_answered),
        TEST(shards_that_are_free_are_told_to_those_who_want_them),
    };
    const struct CMUnitTest server_tests[] = {
        TEST(without_wake_ups_commands_are_found_by_looking),
        TEST(connections_that_end_lose_no_command),
    };
    int failed = 0;
    signal(SIGPIPE, SIG_IGN);
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    for (size_t i = 0; i < store_adapter_count; i++) {
        adapter = &store_adapters[i];
        if (i != STORE_SQLITE)
            failed += cmocka_run_group_tests_name(adapter->name, tests, NULL, NULL);
        if (adapter->is_server)
            failed += cmocka_run_group_tests_name(adapter->name, server_tests, NULL, NULL);
    }
    return failed;
}
