// SPDX-License-Identifier: MIT
// test_nodes.c: nodes that share a database of PostgreSQL: beats and burials, and that a shard has
// one owner at a time, whose epoch nobody else ever has.

#include "postgres_server.h"
#include "store/nodes.h"
#include "store_fixture.h"

#include <libpq-fe.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define SHARDS 8
#define A_ID "00000000-0000-4000-8000-00000000000a"
#define B_ID "00000000-0000-4000-8000-00000000000b"
#define C_ID "00000000-0000-4000-8000-00000000000c"

struct shared {
    char url[POSTGRES_URL_BYTES];
    struct store *store;
    struct nodes *nodes;
};

static int setup(void **state)
{
    struct shared *x = calloc(1, sizeof *x);
    postgres_database_new(x->url);
    store_assert_ok(store_postgres_open(x->url, SHARDS, &x->store, f));
    x->nodes = nodes_new(x->url, 5000);
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    struct shared *x = *state;
    nodes_free(x->nodes);
    store_close(x->store);
    postgres_database_drop(x->url);
    free(x);
    return 0;
}

static struct node node_of(const char *id, const char *name)
{
    struct node n = {.ttl_ms = 5000, .works = true, .role = "all", .version = "1.0"};
    snprintf(n.id, sizeof n.id, "%s", id);
    snprintf(n.name, sizeof n.name, "%s", name);
    return n;
}

static void enter(struct shared *x, const char *id, const char *name)
{
    struct node self = node_of(id, name), twin;
    store_assert_ok(nodes_register(x->nodes, &self, NULL, &twin, f));
}

static void bury(struct shared *x, const char *id)
{
    char beat[24], sql[128];
    bool done = false;
    snprintf(sql, sizeof sql, "SELECT beat FROM nodes WHERE id = '%s'", id);
    postgres_meddle(x->url, sql, beat, sizeof beat);
    store_assert_ok(nodes_bury(x->nodes, id, strtoll(beat, NULL, 10), &done, f));
    assert_true(done);
}

// What the node takes; the rows stay until the next call.
static struct shard rows[SHARDS_MAX];

static size_t acquire(struct shared *x, const char *id, size_t limit)
{
    size_t count = 0;
    store_assert_ok(nodes_acquire(x->nodes, id, limit, rows, &count, f));
    return count;
}

static struct node_shards all_taken(size_t count)
{
    struct node_shards s = {.count = count};
    for (size_t i = 0; i < count; i++) {
        s.numbers[i] = rows[i].number;
        s.epochs[i] = rows[i].epoch;
    }
    return s;
}

// Makes a commit for the shard, whose next job gets this n.
static enum err commit(struct shared *x, const struct shard *row, int64_t tick, int64_t job_next)
{
    struct batch *b = batch_new(1);
    struct shard *r = shard_row(b, row->number);
    *r = *row;
    r->tick = tick;
    r->job_next = job_next;
    enum err err = store_commit_all(x->store, &b, 1, NULL);
    batch_free(b);
    return err;
}

// --- Beats -----------------------------------------------------------------------------------

static void node_that_registers_is_seen_with_its_beat(void **state)
{
    struct shared *x = *state;
    struct nodes_view v;
    int64_t clock_us = 0;
    enter(x, B_ID, "b");
    enter(x, A_ID, "a");
    store_assert_ok(nodes_renew(x->nodes, A_ID, &clock_us, f));
    assert_int_equal(acquire(x, A_ID, 3), 3);
    store_assert_ok(nodes_look(x->nodes, A_ID, &v, f));
    assert_in_range(v.clock_us, clock_us, clock_us + 60000000);
    assert_int_equal(v.count, 2);
    assert_string_equal(v.nodes[0].id, A_ID); // In order of name.
    assert_string_equal(v.nodes[0].name, "a");
    assert_string_equal(v.nodes[0].role, "all");
    assert_string_equal(v.nodes[0].version, "1.0");
    assert_int_equal(v.nodes[0].ttl_ms, 5000);
    assert_int_equal(v.nodes[0].beat, 2);
    assert_int_equal(v.nodes[1].beat, 1);
    assert_int_equal(v.nodes[0].shards, 3);
    assert_true(v.nodes[0].works && !v.nodes[0].is_draining);
    assert_int_equal(v.shards, SHARDS);
    assert_int_equal(v.unowned, SHARDS - 3);
    assert_int_equal(v.own, 3);
    assert_int_equal(v.own_epochs, rows[0].epoch + rows[1].epoch + rows[2].epoch);
    assert_true(v.timeline > 0);
    assert_int_equal(v.leader_epoch, 0);
    nodes_view_fini(&v);
}

static void database_without_nodes_can_be_looked_at(void **state)
{
    struct shared *x = *state;
    struct nodes_view v;
    store_assert_ok(nodes_look(x->nodes, A_ID, &v, f));
    assert_int_equal(v.count, 0);
    assert_int_equal(v.unowned, SHARDS);
    nodes_view_fini(&v);
}

static void two_nodes_that_live_have_two_names(void **state)
{
    struct shared *x = *state;
    struct node self = node_of(B_ID, "a"), twin = {0};
    struct fault f = {0};
    enter(x, A_ID, "a");
    assert_int_equal(nodes_register(x->nodes, &self, NULL, &twin, &f), ERR_EXISTS);
    assert_string_equal(f.text, "another node of the cluster has the name 'a': give this one a name"
                                " of its own with --node-name");
    assert_string_equal(twin.id, A_ID);
    assert_int_equal(twin.beat, 1);
    assert_int_equal(twin.ttl_ms, 5000);
    assert_int_equal(nodes_leave(x->nodes, A_ID, &f), ERR_OK);
    enter(x, B_ID, "a");
    enter(x, B_ID, "a"); // As after a lost answer.
    bury(x, B_ID);
    enter(x, C_ID, "a");
}

// A process that begins again leaves nothing of what it was.
static void node_that_begins_again_frees_what_it_had(void **state)
{
    struct shared *x = *state;
    struct node again = node_of(B_ID, "a"), twin;
    struct nodes_view v;
    enter(x, A_ID, "a");
    assert_int_equal(acquire(x, A_ID, 5), 5);
    struct shard before = rows[0];
    store_assert_ok(nodes_register(x->nodes, &again, A_ID, &twin, f));
    assert_int_equal(commit(x, &before, 1, 5), ERR_FENCED);
    store_assert_ok(nodes_look(x->nodes, B_ID, &v, f));
    assert_int_equal(v.count, 1);
    assert_int_equal(v.unowned, SHARDS);
    nodes_view_fini(&v);
}

// Whose beat has moved since it was seen is alive.
static void burial_needs_the_beat_that_was_seen(void **state)
{
    struct shared *x = *state;
    int64_t clock_us;
    bool done = true;
    struct fault f = {0};
    enter(x, A_ID, "a");
    assert_int_equal(nodes_renew(x->nodes, A_ID, &clock_us, &f), ERR_OK);
    assert_int_equal(nodes_bury(x->nodes, A_ID, 1, &done, &f), ERR_OK);
    assert_false(done);
    assert_int_equal(nodes_renew(x->nodes, A_ID, &clock_us, &f), ERR_OK);
    assert_int_equal(nodes_bury(x->nodes, A_ID, 3, &done, &f), ERR_OK);
    assert_true(done);
    assert_int_equal(nodes_bury(x->nodes, A_ID, 3, &done, &f), ERR_OK);
    assert_false(done); // Nobody is buried twice.
    assert_int_equal(nodes_renew(x->nodes, A_ID, &clock_us, &f), ERR_CLOSED);
    assert_int_equal(acquire(x, A_ID, 1), 0);
}

static void nodes_that_are_too_old_are_refused_in_words(void **state)
{
    struct shared *x = *state;
    struct node self = node_of(B_ID, "b"), twin;
    struct fault f = {0};
    int64_t clock_us;
    enter(x, A_ID, "a");
    postgres_meddle(x->url, "UPDATE carillon SET oldest_node = 99", NULL, 0);
    assert_int_equal(nodes_renew(x->nodes, A_ID, &clock_us, &f), ERR_STORE_VERSION);
    assert_non_null(strstr(f.text, "install the version of the others"));
    assert_int_equal(nodes_register(x->nodes, &self, NULL, &twin, &f), ERR_STORE_VERSION);
}

// Renews until that fails.
struct renewals {
    struct shared *shared;
    enum err err;
    struct fault fault;
};

static void *renew_on(void *context)
{
    struct renewals *r = context;
    int64_t clock_us;
    while (!r->err)
        r->err = nodes_renew(r->shared->nodes, A_ID, &clock_us, &r->fault);
    return NULL;
}

static bool cancel_wait_for_replica(struct shared *x)
{
    char cancelled[16];
    postgres_meddle(x->url,
                    "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity"
                    " WHERE wait_event = 'SyncRep' AND datname = current_database()",
                    cancelled, sizeof cancelled);
    return strcmp(cancelled, "0") != 0;
}

// The row is there, but perhaps the next primary will not have it.
static void renewal_that_no_replica_has_is_not_granted(void **state)
{
    struct shared *x = *state;
    struct renewals r = {.shared = x};
    pthread_t thread;
    enter(x, A_ID, "a");
    postgres_meddle(x->url, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'", NULL, 0);
    postgres_meddle(x->url, "SELECT pg_reload_conf()", NULL, 0);
    assert_int_equal(pthread_create(&thread, NULL, renew_on, &r), 0);
    while (!cancel_wait_for_replica(x))
        continue; // The server has not read its settings yet, or nobody waits.
    pthread_join(thread, NULL);
    postgres_meddle(x->url, "ALTER SYSTEM RESET synchronous_standby_names", NULL, 0);
    postgres_meddle(x->url, "SELECT pg_reload_conf()", NULL, 0);
    assert_int_equal(r.err, ERR_STORE_AWAY);
    assert_string_equal(r.fault.text, "the server gave up waiting for its replica");
    int64_t clock_us;
    struct fault f = {0};
    while (nodes_renew(x->nodes, A_ID, &clock_us, &f) == ERR_STORE_AWAY)
        cancel_wait_for_replica(x); // Until the server has read its settings again.
}

// --- Shards ----------------------------------------------------------------------------------

static void shard_has_one_owner_at_a_time(void **state)
{
    struct shared *x = *state;
    enter(x, A_ID, "a");
    enter(x, B_ID, "b");
    assert_int_equal(acquire(x, A_ID, 5), 5);
    assert_int_equal(acquire(x, B_ID, SHARDS), 3);
    assert_int_equal(acquire(x, B_ID, SHARDS), 0);
    bury(x, A_ID);
    assert_int_equal(acquire(x, B_ID, SHARDS), 5);
}

// The next owner goes on from the last commit, and the one of before can write no more.
static void next_owner_gets_what_the_last_commit_left(void **state)
{
    struct shared *x = *state;
    enter(x, A_ID, "a");
    enter(x, B_ID, "b");
    assert_int_equal(acquire(x, A_ID, SHARDS), SHARDS);
    struct shard before = rows[3];
    assert_int_equal(commit(x, &before, 1, 41), ERR_OK);
    bury(x, A_ID);
    assert_int_equal(commit(x, &before, 2, 42), ERR_OK); // Nobody has taken the shard yet.
    assert_int_equal(acquire(x, B_ID, SHARDS), SHARDS);
    assert_int_equal(rows[3].number, before.number);
    assert_int_equal(rows[3].job_next, 42);
    assert_int_equal(rows[3].epoch, before.epoch + 1);
    assert_int_equal(rows[3].tick, 0);
    assert_int_equal(commit(x, &before, 3, 43), ERR_FENCED);
    assert_int_equal(commit(x, &rows[3], 1, 43), ERR_OK);
}

// The row of a commit that is under way is not handed out as it was before that.
static void shard_is_not_taken_while_a_commit_is_under_way(void **state)
{
    struct shared *x = *state;
    enter(x, A_ID, "a");
    enter(x, B_ID, "b");
    assert_int_equal(acquire(x, A_ID, SHARDS), SHARDS);
    bury(x, A_ID);
    PGconn *commit_of_a = PQconnectdb(x->url);
    PQclear(PQexec(commit_of_a, "BEGIN"));
    PQclear(PQexec(commit_of_a, "UPDATE shards SET tick = 1, job_next = 77 WHERE id = 0"));
    assert_int_equal(acquire(x, B_ID, SHARDS), SHARDS - 1);
    assert_int_equal(rows[0].number, 1);
    PQclear(PQexec(commit_of_a, "COMMIT"));
    PQfinish(commit_of_a);
    assert_int_equal(acquire(x, B_ID, SHARDS), 1);
    assert_int_equal(rows[0].job_next, 77);
}

static void released_shard_is_written_by_nobody(void **state)
{
    struct shared *x = *state;
    struct nodes_view v;
    enter(x, A_ID, "a");
    enter(x, B_ID, "b");
    assert_int_equal(acquire(x, A_ID, SHARDS), SHARDS);
    struct node_shards some = all_taken(3);
    some.epochs[2]--; // An epoch that has ended gives nothing back.
    store_assert_ok(nodes_release(x->nodes, A_ID, &some, false, f));
    assert_int_equal(commit(x, &rows[0], 1, 5), ERR_FENCED);
    assert_int_equal(commit(x, &rows[2], 1, 5), ERR_OK);
    store_assert_ok(nodes_release(x->nodes, B_ID, &some, false, f)); // Not its own.
    store_assert_ok(nodes_look(x->nodes, A_ID, &v, f));
    assert_int_equal(v.unowned, 2);
    assert_false(v.nodes[0].is_draining);
    nodes_view_fini(&v);
    assert_int_equal(acquire(x, B_ID, SHARDS), 2);
}

static void node_that_drains_takes_nothing(void **state)
{
    struct shared *x = *state;
    struct nodes_view v;
    struct node_shards none = {0};
    enter(x, A_ID, "a");
    store_assert_ok(nodes_release(x->nodes, A_ID, &none, true, f));
    assert_int_equal(acquire(x, A_ID, SHARDS), 0);
    store_assert_ok(nodes_look(x->nodes, A_ID, &v, f));
    assert_true(v.nodes[0].is_draining);
    nodes_view_fini(&v);
}

// After a promotion the rows and what a node believes may differ either way.
static void node_learns_which_shards_are_not_its_own(void **state)
{
    struct shared *x = *state;
    struct shard_set lost;
    enter(x, A_ID, "a");
    enter(x, B_ID, "b");
    assert_int_equal(acquire(x, A_ID, SHARDS), SHARDS);
    struct node_shards held = all_taken(SHARDS - 1); // The answer about the last one was lost.
    held.epochs[1]++;                                // The epoch that it took was lost.
    postgres_meddle(x->url, "UPDATE shards SET owner = '" B_ID "' WHERE id = 0", NULL, 0);
    store_assert_ok(nodes_compare(x->nodes, A_ID, &held, &lost, f));
    for (uint32_t n = 0; n < SHARDS; n++)
        assert_int_equal(shard_set_has(&lost, n), n <= 1);
    assert_int_equal(acquire(x, B_ID, SHARDS), 2); // What A does not know of as its own.
    assert_int_equal(rows[0].number, 1);
    assert_int_equal(rows[1].number, SHARDS - 1);
}

// A promotion may have lost epochs and ids that were given.
static void epoch_and_ids_jump_at_a_change_of_the_timeline(void **state)
{
    struct shared *x = *state;
    enter(x, A_ID, "a");
    assert_int_equal(acquire(x, A_ID, 1), 1);
    struct node_shards one = all_taken(1);
    postgres_meddle(x->url, "UPDATE shards SET timeline = timeline + 1, job_next = 7", NULL, 0);
    store_assert_ok(nodes_release(x->nodes, A_ID, &one, false, f)); // Hides nothing of it.
    assert_int_equal(acquire(x, A_ID, SHARDS), SHARDS);
    for (size_t i = 0; i < SHARDS; i++) {
        assert_int_equal(rows[i].epoch, (1LL << 32) | 1);
        assert_int_equal(rows[i].job_next, 7 + (1 << 20));
    }
}

// --- The leader ------------------------------------------------------------------------------

static bool leads(struct shared *x, const char *id)
{
    bool is_leader = false;
    store_assert_ok(nodes_lead(x->nodes, id, &is_leader, f));
    return is_leader;
}

static void one_node_is_the_leader(void **state)
{
    struct shared *x = *state;
    struct node_shards none = {0};
    struct nodes_view v;
    enter(x, A_ID, "a");
    enter(x, B_ID, "b");
    assert_true(leads(x, A_ID));
    assert_false(leads(x, B_ID));
    assert_true(leads(x, A_ID));
    store_assert_ok(nodes_release(x->nodes, A_ID, &none, true, f)); // Node A drains.
    assert_true(leads(x, B_ID));
    bury(x, B_ID);
    assert_false(leads(x, B_ID));
    enter(x, C_ID, "c");
    assert_true(leads(x, C_ID));
    store_assert_ok(nodes_look(x->nodes, A_ID, &v, f));
    assert_string_equal(v.leader, C_ID);
    assert_int_equal(v.leader_epoch, 3);
    nodes_view_fini(&v);
}

// The epoch of a leader that a promotion has lost is nobody else's either.
static void epoch_of_the_leader_jumps_with_the_timeline(void **state)
{
    struct shared *x = *state;
    struct nodes_view v;
    enter(x, A_ID, "a");
    enter(x, B_ID, "b");
    assert_true(leads(x, A_ID));
    postgres_meddle(x->url, "UPDATE leader SET timeline = timeline - 1", NULL, 0);
    bury(x, A_ID);
    assert_true(leads(x, B_ID));
    store_assert_ok(nodes_look(x->nodes, B_ID, &v, f));
    assert_int_equal(v.leader_epoch, (1LL << 32) | 1);
    nodes_view_fini(&v);
}

static void database_without_replicas_says_so(void **state)
{
    struct shared *x = *state;
    struct node_replica *found;
    size_t count = 9;
    char standbys[NODE_STANDBYS_BYTES] = "x";
    store_assert_ok(nodes_list_replicas(x->nodes, &found, &count, standbys, f));
    assert_int_equal(count, 0);
    assert_string_equal(standbys, "");
    free(found);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(node_that_registers_is_seen_with_its_beat),
        TEST(database_without_nodes_can_be_looked_at),
        TEST(two_nodes_that_live_have_two_names),
        TEST(node_that_begins_again_frees_what_it_had),
        TEST(burial_needs_the_beat_that_was_seen),
        TEST(nodes_that_are_too_old_are_refused_in_words),
        TEST(renewal_that_no_replica_has_is_not_granted),
        TEST(shard_has_one_owner_at_a_time),
        TEST(next_owner_gets_what_the_last_commit_left),
        TEST(shard_is_not_taken_while_a_commit_is_under_way),
        TEST(released_shard_is_written_by_nobody),
        TEST(node_that_drains_takes_nothing),
        TEST(node_learns_which_shards_are_not_its_own),
        TEST(epoch_and_ids_jump_at_a_change_of_the_timeline),
        TEST(one_node_is_the_leader),
        TEST(epoch_of_the_leader_jumps_with_the_timeline),
        TEST(database_without_replicas_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
