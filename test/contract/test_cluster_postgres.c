// SPDX-License-Identifier: MIT
// test_cluster_postgres.c: several nodes of a cluster on a real PostgreSQL, in one process.
//
// Each node has its threads and connections. A test waits for what nodes say, never for a time to
// pass, but as a bound after which it fails. A node is stopped as SIGSTOP would, by not returning
// from its events.

#include "postgres_server.h"

#include "base/log.h"
#include "cluster/cluster.h"
#include "store_fixture.h"

#include <libpq-fe.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SHARDS 16
#define TTL_MS 2000
#define NODES 4
#define PATIENCE_MS 60000 // A machine that is busy may be slow; then the test fails.

struct member {
    struct cluster *cluster;
    const char *name;
    bool is_frozen;         // The events of the node do not return.
    bool keeps;             // Does not give back when it is asked.
    int64_t epochs[SHARDS]; // 0: not this node's.
    mono_ms gained_at[SHARDS];
    uint32_t owned;
    unsigned losses;
    unsigned asked; // To give back.
    unsigned releases;
    mono_ms lease_until;
    unsigned leases;
    bool leads;
    unsigned burials;
    char buried[NODE_NAME_BYTES];
};

static struct {
    char url[POSTGRES_URL_BYTES];
    struct store *store;
    struct member members[NODES];
    pthread_mutex_t lock; // Guards all of it.
    pthread_cond_t changed;
} world = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

// --- What nodes say --------------------------------------------------------------------------

static struct member *enter(void *member)
{
    struct member *m = member;
    pthread_mutex_lock(&world.lock);
    while (m->is_frozen)
        pthread_cond_wait(&world.changed, &world.lock);
    return m;
}

static void leave(void)
{
    pthread_cond_broadcast(&world.changed);
    pthread_mutex_unlock(&world.lock);
}

static void gained(void *context, const struct shard *row)
{
    struct member *m = enter(context);
    assert_int_equal(m->epochs[row->number], 0);
    assert_int_equal(row->tick, 0);
    m->epochs[row->number] = row->epoch;
    m->gained_at[row->number] = clock_mono_ms();
    m->owned++;
    leave();
}

static void forget(struct member *m, uint32_t shard)
{
    assert_true(m->epochs[shard] > 0);
    m->epochs[shard] = 0;
    m->owned--;
}

static void lost(void *context, uint32_t shard)
{
    struct member *m = enter(context);
    forget(m, shard);
    m->losses++;
    leave();
}

static void lease(void *context, mono_ms until)
{
    struct member *m = enter(context);
    m->lease_until = until;
    m->leases++;
    leave();
}

static void give_back(void *context, uint32_t shard)
{
    struct member *m = enter(context);
    int64_t epoch = m->epochs[shard];
    bool keeps = m->keeps;
    m->asked++;
    if (!keeps)
        forget(m, shard);
    leave();
    if (!keeps)
        cluster_given_back(m->cluster, shard, epoch);
}

// As if another node had said it: a look that is asked for changes nothing.
static void released(void *context)
{
    struct member *m = enter(context);
    m->releases++;
    leave();
    cluster_look(m->cluster);
}

static void leader(void *context, bool is_leader)
{
    struct member *m = enter(context);
    m->leads = is_leader;
    leave();
}

static void buried(void *context, const char *name, dur_ms silent_ms)
{
    struct member *m = enter(context);
    assert_true(silent_ms >= TTL_MS);
    snprintf(m->buried, sizeof m->buried, "%s", name);
    m->burials++;
    leave();
}

// --- The world -------------------------------------------------------------------------------

static enum err try_to_join(unsigned n, const char *name, bool works, struct fault *f)
{
    struct member *m = &world.members[n];
    const struct cluster_postgres_options o = {.url = world.url,
                                               .name = name,
                                               .role = "all",
                                               .version = "1.0",
                                               .works = works,
                                               .ttl_ms = TTL_MS};
    const struct cluster_events e = {gained, lost, lease, give_back, released, leader, buried, m};
    *m = (struct member){.name = name};
    assert_int_equal(cluster_postgres_open(&o, &m->cluster, f), ERR_OK);
    return cluster_start(m->cluster, world.store, &e, f);
}

static void join(unsigned n)
{
    static const char *const names[NODES] = {"a", "b", "c", "d"};
    struct fault f = {0};
    if (try_to_join(n, names[n], true, &f))
        fail_msg("node %s cannot start: %s", names[n], f.text);
}

static void part(unsigned n)
{
    struct member *m = &world.members[n];
    cluster_close(m->cluster);
    *m = (struct member){0};
}

static int setup(void **state)
{
    struct fault f = {0};
    (void)state;
    log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
    postgres_database_new(world.url);
    return store_postgres_open(world.url, SHARDS, &world.store, &f) != ERR_OK;
}

static void set_frozen(unsigned n, bool is_frozen)
{
    pthread_mutex_lock(&world.lock);
    world.members[n].is_frozen = is_frozen;
    leave();
}

static int teardown(void **state)
{
    (void)state;
    for (unsigned n = 0; n < NODES; n++) {
        set_frozen(n, false);
        part(n);
    }
    store_close(world.store);
    postgres_database_drop(world.url);
    return 0;
}

// Waits until it is so; called with the lock held.
typedef bool condition(const void *context);

static void wait_until(condition *is_so, const void *context, const char *what)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_MS / 1000;
    pthread_mutex_lock(&world.lock);
    while (!is_so(context))
        if (pthread_cond_timedwait(&world.changed, &world.lock, &until) != 0) {
            pthread_mutex_unlock(&world.lock);
            fail_msg("%s: not within %d ms", what, PATIENCE_MS);
        }
    pthread_mutex_unlock(&world.lock);
}

// All shards have an owner, and the first `count` nodes have this many of them.
static bool shares_are(const void *expected)
{
    const uint32_t *shares = expected;
    uint32_t all = 0;
    for (unsigned n = 0; n < NODES; n++) {
        all += world.members[n].owned;
        if (world.members[n].owned > shares[n])
            return false;
    }
    return all == SHARDS;
}

#define wait_for_shares(...) wait_until(shares_are, (uint32_t[NODES]){__VA_ARGS__}, #__VA_ARGS__)

static bool leads(const void *number)
{
    return world.members[*(const unsigned *)number].leads;
}

static bool has_lost(const void *number)
{
    return world.members[*(const unsigned *)number].losses > 0;
}

static bool has_leases(const void *number)
{
    return world.members[*(const unsigned *)number].leases >= 3;
}

static enum err commit(uint32_t shard, int64_t epoch, int64_t tick)
{
    struct batch *b = batch_new(1);
    struct shard *row = shard_row(b, shard);
    row->epoch = epoch;
    row->tick = tick;
    enum err err = store_commit_all(world.store, &b, 1, NULL);
    batch_free(b);
    return err;
}

static struct cluster_status status(unsigned n)
{
    struct cluster_status s;
    cluster_status(world.members[n].cluster, &s);
    return s;
}

// The status, once it is so: what has happened shows with the next look at the database.
static struct cluster_status
status_when(unsigned n, bool (*is_so)(const struct cluster_status *s, const void *context),
            const void *context)
{
    struct cluster_status s = status(n);
    while (!is_so(&s, context)) {
        cluster_status_fini(&s);
        pthread_mutex_lock(&world.lock);
        unsigned before = world.members[n].leases;
        while (world.members[n].leases == before)
            pthread_cond_wait(&world.changed, &world.lock);
        pthread_mutex_unlock(&world.lock);
        s = status(n);
    }
    return s;
}

// --- Balance ---------------------------------------------------------------------------------

static void nodes_share_the_shards_as_they_come_and_go(void **state)
{
    (void)state;
    join(0);
    wait_for_shares(16);
    join(1);
    wait_for_shares(8, 8);
    join(2);
    wait_for_shares(6, 6, 6);
    join(3);
    wait_for_shares(4, 4, 4, 4);
    for (unsigned n = 0; n < NODES; n++)
        assert_int_equal(world.members[n].losses, 0);
    assert_true(world.members[0].releases > 0); // Who waits for shards may be told.
    assert_int_equal(world.members[3].releases, 0);
    assert_int_equal(cluster_drain(world.members[1].cluster, PATIENCE_MS), 0);
    part(1);
    wait_for_shares(6, 0, 6, 6);
    assert_int_equal(cluster_drain(world.members[0].cluster, PATIENCE_MS), 0);
    wait_for_shares(0, 0, 8, 8);
    assert_int_equal(world.members[3].releases, 0);
    for (unsigned n = 0; n < NODES; n++)
        assert_int_equal(world.members[n].losses, 0);
}

static void node_that_does_not_work_takes_nothing(void **state)
{
    (void)state;
    assert_int_equal(try_to_join(0, "api", false, NULL), ERR_OK);
    join(1);
    wait_for_shares(0, 16);
    unsigned one = 1;
    wait_until(leads, &one, "the worker leads");
    assert_false(world.members[0].leads);
}

// A shard that is not given back yet stays with its owner.
static void shard_moves_when_its_owner_is_done_with_it(void **state)
{
    (void)state;
    unsigned zero = 0;
    join(0);
    wait_for_shares(16);
    pthread_mutex_lock(&world.lock);
    world.members[0].keeps = true;
    pthread_mutex_unlock(&world.lock);
    join(1);
    wait_until(has_leases, &zero, "renewals");
    int64_t epoch = 0;
    uint32_t shard = 0;
    pthread_mutex_lock(&world.lock);
    while (world.members[0].asked < 8)
        pthread_cond_wait(&world.changed, &world.lock);
    assert_int_equal(world.members[1].owned, 0);
    for (uint32_t n = 0; n < SHARDS; n++)
        if (!cluster_owns(world.members[0].cluster, n))
            shard = n;
    epoch = world.members[0].epochs[shard];
    pthread_mutex_unlock(&world.lock);
    assert_int_equal(commit(shard, epoch, 1), ERR_OK);              // Still its own.
    cluster_given_back(world.members[0].cluster, shard, epoch + 1); // Another epoch's answer.
    assert_int_equal(commit(shard, epoch, 2), ERR_OK);
    pthread_mutex_lock(&world.lock);
    forget(&world.members[0], shard);
    pthread_mutex_unlock(&world.lock);
    cluster_given_back(world.members[0].cluster, shard, epoch);
    pthread_mutex_lock(&world.lock);
    while (world.members[1].owned == 0)
        pthread_cond_wait(&world.changed, &world.lock);
    assert_int_equal(world.members[1].owned, 1);
    assert_true(world.members[1].epochs[shard] > epoch);
    pthread_mutex_unlock(&world.lock);
    assert_int_equal(commit(shard, epoch, 3), ERR_FENCED);
}

// --- Death -----------------------------------------------------------------------------------

// Others take over after the node has stopped sending, and soon after that. The node wakes, drops
// what it had, and comes again as another one.
static void node_that_stands_still_is_replaced_after_its_lease(void **state)
{
    (void)state;
    unsigned zero = 0, one = 1;
    join(0);
    join(1);
    wait_for_shares(8, 8);
    wait_until(leads, &zero, "the first one leads");
    set_frozen(0, true);
    int64_t before[SHARDS];
    pthread_mutex_lock(&world.lock);
    memcpy(before, world.members[0].epochs, sizeof before);
    mono_ms frozen_at = clock_mono_ms();
    mono_ms lease_until = world.members[0].lease_until;
    while (world.members[1].owned < SHARDS)
        pthread_cond_wait(&world.changed, &world.lock);
    for (uint32_t n = 0; n < SHARDS; n++) {
        if (!before[n])
            continue;
        assert_true(world.members[1].gained_at[n] >= lease_until);
        assert_true(world.members[1].epochs[n] > before[n]);
        if (world.members[1].gained_at[n] > frozen_at + TTL_MS + 1500)
            print_message("slow: taken over after %lld ms\n",
                          (long long)(world.members[1].gained_at[n] - frozen_at));
    }
    pthread_mutex_unlock(&world.lock);
    for (uint32_t n = 0; n < SHARDS; n++)
        if (before[n])
            assert_int_equal(commit(n, before[n], 1), ERR_FENCED);
    wait_until(leads, &one, "the second one leads");
    set_frozen(0, false);
    wait_until(has_lost, &zero, "the first one has lost its shards");
    wait_for_shares(8, 8);
    assert_int_equal(world.members[0].losses, 8);
    assert_int_equal(world.members[1].losses, 0);
    pthread_mutex_lock(&world.lock);
    assert_false(world.members[0].leads);
    assert_int_equal(world.members[1].burials, 1);
    assert_string_equal(world.members[1].buried, "a");
    assert_int_equal(world.members[0].burials, 0);
    pthread_mutex_unlock(&world.lock);
}

static bool is_other(const struct cluster_status *s, const void *id)
{
    return s->node_count == 1 && strcmp(s->nodes[0].id, id) != 0;
}

// So many calls of the function wait for a lock: none, or one.
static void wait_for_blocked(const char *function, const char *count)
{
    char sql[256];
    char waiting[16] = "";
    snprintf(sql, sizeof sql,
             "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
             " AND query LIKE '%%%s%%' AND datname = current_database()",
             function);
    while (strcmp(waiting, count) != 0)
        postgres_meddle(world.url, sql, waiting, sizeof waiting);
}

static void wait_for_blocked_renewal(void)
{
    wait_for_blocked("FROM carillon_renew", "1");
}

// Others see the new beat as soon as it is there, so what came after that is not this node's time.
static void lease_counts_from_before_the_renewal(void **state)
{
    (void)state;
    struct member *m = &world.members[0];
    join(0);
    PGconn *other = PQconnectdb(world.url);
    PQclear(PQexec(other, "BEGIN"));
    PQclear(PQexec(other, "UPDATE nodes SET beat = beat"));
    wait_for_blocked_renewal();
    mono_ms asked_at_most = clock_mono_ms();
    pthread_mutex_lock(&world.lock);
    mono_ms before = m->lease_until;
    pthread_mutex_unlock(&world.lock);
    wait_for_blocked_renewal(); // Some time passes, in which the answer does not come.
    PQclear(PQexec(other, "COMMIT"));
    PQfinish(other);
    pthread_mutex_lock(&world.lock);
    while (m->lease_until == before)
        pthread_cond_wait(&world.changed, &world.lock);
    mono_ms until = m->lease_until;
    pthread_mutex_unlock(&world.lock);
    assert_true(until <= asked_at_most + TTL_MS - 300);
}

static void *join_first(void *unused)
{
    (void)unused;
    join(0);
    return NULL;
}

static void start_waits_for_what_others_lock(void **state)
{
    (void)state;
    pthread_t thread;
    PGconn *other = PQconnectdb(world.url);
    PQclear(PQexec(other, "BEGIN"));
    PQclear(PQexec(other, "LOCK TABLE nodes IN EXCLUSIVE MODE"));
    assert_int_equal(pthread_create(&thread, NULL, join_first, NULL), 0);
    wait_for_blocked("FROM carillon_register", "1");
    wait_for_blocked("FROM carillon_register", "0"); // The server has given that up.
    wait_for_blocked("FROM carillon_register", "1");
    PQclear(PQexec(other, "COMMIT"));
    PQfinish(other);
    pthread_join(thread, NULL);
    wait_for_shares(16);
}

static void node_that_was_buried_begins_again(void **state)
{
    (void)state;
    unsigned zero = 0;
    join(0);
    wait_for_shares(16);
    struct cluster_status s = status(0);
    char id[NODE_ID_BYTES];
    assert_int_equal(s.node_count, 1);
    memcpy(id, s.nodes[0].id, sizeof id);
    cluster_status_fini(&s);
    postgres_meddle(world.url, "UPDATE nodes SET dead = 1", NULL, 0);
    wait_until(has_lost, &zero, "the shards are lost");
    wait_for_shares(16);
    assert_int_equal(world.members[0].losses, 16);
    s = status_when(0, is_other, id);
    assert_string_equal(s.nodes[0].name, "a");
    cluster_status_fini(&s);
}

static void node_of_a_name_is_alone(void **state)
{
    (void)state;
    struct fault f = {0};
    join(0);
    assert_int_equal(try_to_join(1, "a", true, &f), ERR_EXISTS);
    assert_string_equal(f.text, "another node of the cluster has the name 'a': give this one a name"
                                " of its own with --node-name");
    wait_for_shares(16);
    assert_int_equal(world.members[0].losses, 0);
}

// A process that was killed is followed by one with its name: that waits until it is sure.
static void node_that_died_is_followed_by_one_of_its_name(void **state)
{
    (void)state;
    join(0);
    wait_for_shares(16);
    set_frozen(0, true);
    struct fault f = {0};
    mono_ms before = world.members[0].lease_until;
    assert_int_equal(try_to_join(1, "a", true, &f), ERR_OK);
    assert_true(clock_mono_ms() >= before);
    pthread_mutex_lock(&world.lock);
    while (world.members[1].owned < 16)
        pthread_cond_wait(&world.changed, &world.lock);
    assert_int_equal(world.members[1].burials, 1);
    pthread_mutex_unlock(&world.lock);
}

// What hears the events may be gone while the lease is still renewed, and nobody takes the shards.
static void node_that_is_mute_keeps_its_shards_until_it_is_closed(void **state)
{
    (void)state;
    join(0);
    wait_for_shares(16);
    cluster_mute(world.members[0].cluster);
    unsigned leases = world.members[0].leases; // No event comes any more.
    join(1);
    pthread_mutex_lock(&world.lock);
    world.members[1].leases = 0;
    pthread_mutex_unlock(&world.lock);
    unsigned one = 1;
    wait_until(has_leases, &one, "the other one's renewals");
    assert_int_equal(world.members[0].leases, leases);
    assert_int_equal(world.members[0].asked, 0);
    assert_int_equal(world.members[1].owned, 0);
    cluster_close(world.members[0].cluster);
    world.members[0] = (struct member){0};
    wait_for_shares(0, 16);
}

// --- The database ----------------------------------------------------------------------------

// What the engine dropped since a commit was refused comes again, in a new epoch.
static void shard_that_was_fenced_comes_again(void **state)
{
    (void)state;
    join(0);
    wait_for_shares(16);
    pthread_mutex_lock(&world.lock);
    int64_t epoch = world.members[0].epochs[3];
    forget(&world.members[0], 3);
    pthread_mutex_unlock(&world.lock);
    cluster_fenced(world.members[0].cluster, 3, epoch + 1); // Another epoch.
    assert_true(cluster_owns(world.members[0].cluster, 3));
    cluster_fenced(world.members[0].cluster, 3, epoch);
    wait_for_shares(16);
    assert_true(world.members[0].epochs[3] > epoch);
    assert_int_equal(world.members[0].losses, 0);
}

// A promotion that lost the last commits leaves rows that do not fit what nodes believe.
static void node_finds_out_what_a_promotion_has_lost(void **state)
{
    (void)state;
    unsigned zero = 0;
    join(0);
    wait_for_shares(16);
    postgres_meddle(world.url,
                    "UPDATE shards SET owner = NULL, epoch = epoch - 1, timeline = timeline - 1"
                    " WHERE id IN (2, 5)",
                    NULL, 0);
    wait_until(has_lost, &zero, "the two shards are lost");
    wait_for_shares(16);
    assert_int_equal(world.members[0].losses, 2);
    assert_int_equal(world.members[0].epochs[2], (1LL << 32) | 1);
    assert_true(world.members[0].epochs[3] < 1LL << 32);
}

static void connections_that_end_cost_nothing(void **state)
{
    (void)state;
    unsigned zero = 0;
    join(0);
    wait_for_shares(16);
    postgres_end_connections(world.url);
    pthread_mutex_lock(&world.lock);
    world.members[0].leases = 0;
    pthread_mutex_unlock(&world.lock);
    wait_until(has_leases, &zero, "renewals go on");
    assert_int_equal(world.members[0].losses, 0);
    wait_for_shares(16);
}

static void clock_of_the_database_is_followed(void **state)
{
    (void)state;
    join(0);
    char now[32];
    assert_true(clock_is_followed());
    wall_ms before = clock_wall_ms();
    postgres_meddle(world.url, "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
                    now, sizeof now);
    assert_true(strtoll(now, NULL, 10) >= before); // Never early.
}

// --- What is seen ----------------------------------------------------------------------------

static bool is_seen(const struct cluster_status *s, const void *unused)
{
    (void)unused;
    return s->node_count == 2 && s->unowned == 0 && s->nodes[0].shards == 8 &&
           s->nodes[1].shards == 8 && s->nodes[0].is_leader;
}

static void status_shows_all_nodes(void **state)
{
    (void)state;
    unsigned zero = 0;
    join(0);
    wait_until(leads, &zero, "the first one leads");
    join(1);
    wait_for_shares(8, 8);
    struct cluster_status s = status_when(1, is_seen, NULL);
    assert_string_equal(s.nodes[0].name, "a");
    assert_string_equal(s.nodes[1].name, "b");
    assert_string_equal(s.nodes[1].role, "all");
    assert_string_equal(s.nodes[1].version, "1.0");
    assert_true(s.nodes[1].is_self && !s.nodes[0].is_self);
    assert_true(s.nodes[0].works && !s.nodes[0].is_draining);
    assert_true(s.nodes[0].beat_age_ms < TTL_MS);
    assert_int_equal(s.shards, SHARDS);
    assert_int_equal(s.owned, 8);
    assert_int_equal(s.lease_ttl_ms, TTL_MS);
    assert_true(s.lease_until > clock_mono_ms());
    assert_true(s.lease_age_ms < TTL_MS);
    assert_int_equal(s.replica_count, 0);
    assert_true(s.timeline > 0 && s.leader_epoch > 0 && !s.is_leader && !s.is_draining);
    cluster_status_fini(&s);
}

static void options_are_checked(void **state)
{
    (void)state;
    struct cluster *c = NULL;
    struct fault f = {0};
    struct cluster_postgres_options o = {
        .url = "x", .name = "", .role = "all", .version = "1", .ttl_ms = 5000};
    assert_int_equal(cluster_postgres_open(&o, &c, &f), ERR_RANGE);
    o.name = "a";
    o.ttl_ms = 1999;
    assert_int_equal(cluster_postgres_open(&o, &c, &f), ERR_RANGE);
    o.ttl_ms = 60001;
    assert_int_equal(cluster_postgres_open(&o, &c, &f), ERR_RANGE);
    assert_null(c);
    o.url = "postgresql://a@/b?host=/tmp/carillon-nowhere";
    o.ttl_ms = 2000;
    const struct cluster_events e = {gained,   lost,   lease,  give_back,
                                     released, leader, buried, NULL};
    assert_int_equal(cluster_postgres_open(&o, &c, &f), ERR_OK);
    assert_int_equal(cluster_start(c, world.store, &e, &f), ERR_STORE_AWAY);
    cluster_close(c);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(nodes_share_the_shards_as_they_come_and_go),
        TEST(node_that_does_not_work_takes_nothing),
        TEST(shard_moves_when_its_owner_is_done_with_it),
        TEST(node_that_stands_still_is_replaced_after_its_lease),
        TEST(lease_counts_from_before_the_renewal),
        TEST(start_waits_for_what_others_lock),
        TEST(node_that_was_buried_begins_again),
        TEST(node_of_a_name_is_alone),
        TEST(node_that_died_is_followed_by_one_of_its_name),
        TEST(node_that_is_mute_keeps_its_shards_until_it_is_closed),
        TEST(shard_that_was_fenced_comes_again),
        TEST(node_finds_out_what_a_promotion_has_lost),
        TEST(connections_that_end_cost_nothing),
        TEST(clock_of_the_database_is_followed),
        TEST(status_shows_all_nodes),
        TEST(options_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
