// SPDX-License-Identifier: MIT
// test_store_days.c: what a database of PostgreSQL does with days: rows lie in the partition of
// theirs, which is made ahead; a day goes as a whole, and not before all of it may go.

#define _GNU_SOURCE // pipe2
#include "postgres_server.h"
#include "store_fixture.h"

#include <fcntl.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define DAY_MS INT64_C(86400000)
#define TODAY (STORE_T0 / DAY_MS) // 14 November 2023
#define DAY(n) ((TODAY + (n)) * DAY_MS)

static const struct store_adapter *const postgres = &store_adapters[STORE_POSTGRES];

static int setup(void **state)
{
    *state = store_fixture_new(postgres);
    return 0;
}

static int teardown(void **state)
{
    store_fixture_free(*state);
    return 0;
}

static int64_t ask(const struct store_fixture *x, const char *sql)
{
    char text[64];
    postgres_meddle(x->path, sql, text, sizeof text);
    return strtoll(text, NULL, 10);
}

static int make_days(struct store_fixture *x, wall_ms now)
{
    int made = -1;
    bool more = true;
    for (; more; made++)
        store_assert_ok(store_make_days(x->store, now, &more, f));
    return made;
}

static size_t retain(struct store_fixture *x, int64_t age_ms, int64_t executions_max, wall_ms now)
{
    struct store_retention r = {.age_ms = age_ms, .executions_max = executions_max};
    size_t removed = 99999;
    store_assert_ok(store_retain(x->store, &r, now, 100, &removed, f));
    return removed;
}

// Puts the mark of the shard, before which nothing is open.
static struct batch *batch_with_mark(struct store_fixture *x, wall_ms open_from)
{
    struct batch *b = store_batch(x);
    shard_row(b, 0)->open_from = x->shard.open_from = open_from;
    return b;
}

static size_t retain_bytes(struct store_fixture *x, int64_t bytes_max, wall_ms now)
{
    struct store_retention r = {.bytes_max = bytes_max};
    size_t removed = 99999;
    store_assert_ok(store_retain(x->store, &r, now, 100, &removed, f));
    return removed;
}

// --- Where rows lie --------------------------------------------------------------------------

static void days_are_made_ahead_and_take_the_rows_of_theirs(void **state)
{
    struct store_fixture *x = *state;
    assert_int_equal(make_days(x, STORE_T0), 8);
    assert_int_equal(make_days(x, STORE_T0), 0);
    assert_int_equal(make_days(x, DAY(1)), 1);
    struct batch *b = store_batch(x);
    store_add_job(b, 1);
    store_add_insert(b, store_execution(1, 1, DAY(0)));
    store_add_insert(b, store_execution(2, 1, DAY(1) - 1));
    store_add_insert(b, store_execution(3, 1, DAY(1)));
    store_add_insert(b, store_execution(4, 1, DAY(9)));
    store_add_insert(b, store_execution(5, 1, DAY(-1)));
    store_must(x, b);
    assert_int_equal(ask(x, "SELECT count(*) FROM job_executions_20231114"), 2);
    assert_int_equal(ask(x, "SELECT count(*) FROM job_executions_20231115"), 1);
    assert_int_equal(ask(x, "SELECT count(*) FROM job_executions_default"), 2);
    assert_int_equal(ask(x, "SELECT count(*) FROM job_executions"), 5);
}

// Finished with a second attempt, which has a row of its own, and an alert.
static void add_finished(struct batch *b, int64_t id, wall_ms scheduled_at)
{
    struct execution e = store_execution(id, 1, scheduled_at);
    store_add_insert(b, store_finished(e, EXECUTION_FAILED));
    store_add_attempt(b, id, 2);
    store_add_alert(b, id, &e);
}

// A day that nobody has made a partition for, as after a long outage: what is open goes on.
static void rows_of_the_default_partition_move_to_their_day(void **state)
{
    struct store_fixture *x = *state;
    struct execution open = store_execution(3, 1, DAY(-2) + 5000);
    struct execution other = store_execution(4, 1, DAY(-90));
    struct batch *b = store_batch(x);
    store_add_job(b, 1);
    add_finished(b, 1, DAY(-2));
    add_finished(b, 2, DAY(0));
    store_add_insert(b, open);
    store_add_insert(b, other); // Too old for a partition.
    store_must(x, b);
    char *before = store_dump(x);
    assert_int_equal(make_days(x, STORE_T0), 9);
    assert_int_equal(ask(x, "SELECT count(*) FROM job_executions_default"), 1);
    assert_int_equal(ask(x, "SELECT count(*) FROM job_attempts_default"), 0);
    assert_int_equal(ask(x, "SELECT count(*) FROM job_executions_20231112"), 2);
    assert_int_equal(ask(x, "SELECT count(*) FROM job_attempts_20231112"), 1);
    char *after = store_dump(x);
    assert_string_equal(before, after);
    b = store_batch(x);
    store_add_update(b, store_finished(open, EXECUTION_SUCCESS));
    store_add_update(b, store_finished(other, EXECUTION_SUCCESS));
    store_add_attempt(b, 3, 1);
    store_must(x, b);
    assert_int_equal(store_attempt_count(x, 1), 1);
    assert_int_equal(store_attempt_count(x, 3), 1);
    free(before);
    free(after);
}

static void names_of_indexes_are_there_on_the_whole_table(void **state)
{
    struct store_fixture *x = *state;
    make_days(x, STORE_T0);
    assert_int_equal(ask(x, "SELECT count(*) FROM pg_class WHERE relkind = 'I' AND relname IN"
                            " ('idx_job_executions_job_id', 'idx_job_executions_scheduled_at')"),
                     2);
    // Each partition has the two, and its own for the numbers of manual executions.
    assert_int_equal(ask(x, "SELECT count(*) FROM pg_index WHERE indrelid ="
                            " 'job_executions_20231114'::regclass"),
                     3);
}

// --- What cannot be in an index of all days --------------------------------------------------

// The key is unique wherever the row lies, and a manual execution is found by its number alone.
static void keys_are_unique_and_found_in_every_day(void **state)
{
    struct store_fixture *x = *state;
    make_days(x, STORE_T0);
    struct execution manual = store_execution(2, 1, DAY(3));
    manual.key.series = -2;
    struct batch *b = store_batch(x);
    store_add_job(b, 1);
    store_add_insert(b, store_execution(1, 1, DAY(-5)));
    store_add_insert(b, manual);
    store_must(x, b);
    struct execution *found =
        store_read_execution(x, (struct execution_key){.job = 1, .series = -2});
    assert_int_equal(found->key.scheduled_at, DAY(3));
    store_free_execution(found);
    b = store_batch(x);
    store_add_insert(b, store_execution(3, 1, DAY(-5)));
    assert_int_equal(store_try(x, b), ERR_CONFLICT);
    manual.id = 4;
    manual.key.scheduled_at++;
    b = store_batch(x);
    store_add_insert(b, manual);
    assert_int_equal(store_try(x, b), ERR_CONFLICT);
}

// --- Retention -------------------------------------------------------------------------------

static void day_goes_whole_when_it_is_old_enough(void **state)
{
    struct store_fixture *x = *state;
    struct store_ids ids;
    struct store_progress progress;
    make_days(x, STORE_T0);
    struct batch *b = batch_with_mark(x, DAY(2));
    store_add_job(b, 1);
    add_finished(b, 1, DAY(0));
    add_finished(b, 2, DAY(1) - 1);
    add_finished(b, 3, DAY(1));
    store_must(x, b);
    const wall_ms first = DAY(1) + 3600000; // An end within an hour after the day is allowed for.
    assert_int_equal(retain(x, 9 * DAY_MS, 0, first - 1 + 9 * DAY_MS), 0);
    assert_int_equal(retain(x, 9 * DAY_MS, 0, first + 9 * DAY_MS), 100); // The alerts,
    assert_int_equal(retain(x, 9 * DAY_MS, 0, first + 9 * DAY_MS), 100); // then the day.
    assert_int_equal(retain(x, 9 * DAY_MS, 0, first + 9 * DAY_MS), 0);
    assert_int_equal(ask(x, "SELECT count(*) FROM pg_class WHERE relname LIKE '%20231114%'"), 0);
    struct execution_query all = store_all_executions();
    store_list_ids(x, &all, &ids);
    store_assert_ids(&ids, 3);
    store_alert_ids(x, 0, INT64_MAX, 10, &ids);
    store_assert_ids(&ids, 3);
    assert_int_equal(store_attempt_count(x, 3), 1);
    store_assert_ok(store_read_progress(x->reader, 1, &progress, f));
    assert_int_equal(progress.removed_to, DAY(1) - 1);
    assert_int_equal(retain(x, 0, 1, STORE_T0), 0); // The number that is left is still known.
    b = store_batch(x);
    store_add_insert(b, store_execution(4, 1, DAY(0) + 1)); // There is room for it all the same.
    store_must(x, b);
    assert_int_equal(ask(x, "SELECT count(*) FROM job_executions_default"), 1);
}

// The oldest go first, and those of the present day not at all.
static void days_go_while_the_database_is_larger_than_it_may_be(void **state)
{
    struct store_fixture *x = *state;
    struct store_ids ids;
    const wall_ms now = DAY(3) + 5000;
    make_days(x, STORE_T0);
    struct batch *b = batch_with_mark(x, now);
    store_add_job(b, 1);
    for (int64_t day = 0; day < 4; day++) {
        struct execution e = store_execution(1 + day, 1, DAY(day));
        store_add_insert(b, store_finished(e, EXECUTION_SUCCESS));
    }
    store_must(x, b);
    assert_int_equal(retain_bytes(x, INT64_C(1) << 50, now), 0);
    struct execution_query all = store_all_executions();
    store_list_ids(x, &all, &ids);
    store_assert_ids(&ids, 4, 3, 2, 1);
    assert_int_equal(retain_bytes(x, 1, now), 100);
    store_list_ids(x, &all, &ids);
    store_assert_ids(&ids, 4, 3, 2);
    assert_int_equal(retain_bytes(x, 1, now), 100);
    assert_int_equal(retain_bytes(x, 1, now), 0); // The day before ends late for an hour.
    store_list_ids(x, &all, &ids);
    store_assert_ids(&ids, 4, 3);
    assert_int_equal(retain_bytes(x, 1, now + 3600000), 100);
    assert_int_equal(retain_bytes(x, 1, now + 3600000), 0);
    store_list_ids(x, &all, &ids);
    store_assert_ids(&ids, 4);
}

// Whatever the age says: open executions are found by the mark of their shard, or linger.
static void day_with_open_executions_stays(void **state)
{
    struct store_fixture *x = *state;
    make_days(x, STORE_T0);
    struct execution open = store_execution(2, 1, DAY(0) + 1000);
    struct batch *b = batch_with_mark(x, DAY(0));
    store_add_job(b, 1);
    store_add_insert(b, store_finished(store_execution(1, 1, DAY(0)), EXECUTION_SUCCESS));
    store_add_insert(b, open);
    store_must(x, b);
    assert_int_equal(retain(x, 9 * DAY_MS, 0, DAY(100)), 0); // The mark.
    b = batch_with_mark(x, DAY(5));
    open.lingers = true;
    open.state = EXECUTION_RUNNING;
    store_add_update(b, open);
    store_must(x, b);
    assert_int_equal(retain(x, 9 * DAY_MS, 0, DAY(100)), 100); // The days from 1 to 4 are empty.
    for (int empty = 3; empty > 0; empty--)
        assert_int_equal(retain(x, 9 * DAY_MS, 0, DAY(100)), 100);
    assert_int_equal(retain(x, 9 * DAY_MS, 0, DAY(100)), 0);
    assert_int_equal(ask(x, "SELECT count(*) FROM job_executions_20231114"), 2);
    b = store_batch(x);
    store_add_update(b, store_finished(open, EXECUTION_SUCCESS));
    store_must(x, b);
    assert_int_equal(retain(x, 9 * DAY_MS, 0, DAY(100)), 100);
    assert_int_equal(ask(x, "SELECT count(*) FROM job_executions"), 0);
}

// After an outage of weeks a range of missed occurrences begins long ago. It has only just ended.
static void day_whose_rows_ended_late_stays_as_long_as_these(void **state)
{
    struct store_fixture *x = *state;
    struct store_progress progress;
    make_days(x, STORE_T0);
    struct execution missed = store_execution(1, 1, DAY(0) + 5);
    missed.state = EXECUTION_MISSED;
    missed.missed_to = DAY(29);
    missed.missed_count = 1000;
    missed.completed_at = DAY(30);
    struct batch *b = batch_with_mark(x, DAY(30));
    store_add_job(b, 1);
    store_add_insert(b, missed);
    store_must(x, b);
    for (int day = 1; day <= 7; day++)
        assert_int_equal(retain(x, 9 * DAY_MS, 0, DAY(39)), 100);
    assert_int_equal(retain(x, 9 * DAY_MS, 0, DAY(39)), 0);
    assert_int_equal(ask(x, "SELECT count(*) FROM job_executions_20231114"), 1);
    assert_int_equal(retain(x, 9 * DAY_MS, 0, DAY(39) + 2 * 3600000), 100);
    store_assert_ok(store_read_progress(x->reader, 1, &progress, f));
    assert_true(progress.removed_to >= missed.missed_to);
}

// The same for rows that were moved from the default partition.
static void day_that_was_made_late_knows_how_long_its_rows_stay(void **state)
{
    struct store_fixture *x = *state;
    struct execution missed = store_execution(1, 1, DAY(0) + 5);
    missed.state = EXECUTION_MISSED;
    missed.missed_to = DAY(29);
    missed.completed_at = DAY(30);
    struct batch *b = batch_with_mark(x, DAY(30));
    store_add_job(b, 1);
    store_add_insert(b, missed);
    store_must(x, b);
    assert_int_equal(make_days(x, DAY(30)), 9);
    assert_int_equal(ask(x, "SELECT count(*) FROM job_executions_20231114"), 1);
    assert_int_equal(retain(x, 9 * DAY_MS, 0, DAY(39)), 0);
    assert_int_equal(retain(x, 9 * DAY_MS, 0, DAY(39) + 1), 100);
    assert_int_equal(ask(x, "SELECT count(*) FROM job_executions"), 0);
}

// --- Others at work on the tables ------------------------------------------------------------

static void fill_day(struct store_fixture *x, int64_t rows)
{
    struct batch *b = batch_with_mark(x, DAY(2));
    store_add_job(b, 1);
    for (int64_t id = 1; id <= rows; id++) {
        struct execution e = store_execution(id, 1, DAY(0) + id);
        store_add_insert(b, store_finished(e, EXECUTION_SUCCESS));
    }
    store_must(x, b);
}

static void plan_and_end(struct store_fixture *x, int64_t id)
{
    struct execution e = store_execution(id, 1, DAY(1) + id * 10);
    struct batch *b = store_batch(x);
    store_add_insert(b, e);
    store_must(x, b);
    b = store_batch(x);
    store_add_update(b, store_finished(e, EXECUTION_SUCCESS));
    store_add_attempt(b, id, 1);
    store_must(x, b);
}

static void run_on(PGconn *c, const char *sql)
{
    PGresult *result = PQexec(c, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(c));
    PQclear(result);
}

// A snapshot that somebody forgot to close, with its locks on every partition: commits go on, and
// what would have to wait for the locks is left for later.
static void old_snapshot_holds_up_no_commit_and_puts_chores_off(void **state)
{
    struct store_fixture *x = *state;
    make_days(x, STORE_T0);
    fill_day(x, 3);
    PGconn *snapshot = PQconnectdb(x->path);
    run_on(snapshot, "BEGIN ISOLATION LEVEL REPEATABLE READ");
    run_on(snapshot, "SELECT count(*) FROM job_executions");
    for (int64_t id = 10; id < 110; id++)
        plan_and_end(x, id);
    assert_int_equal(make_days(x, DAY(1)), 0);
    assert_int_equal(retain(x, 9 * DAY_MS, 0, DAY(100)), 0);
    plan_and_end(x, 110);
    assert_int_equal(ask(x, "SELECT count(*) FROM job_executions"), 104);
    run_on(snapshot, "COMMIT");
    PQfinish(snapshot);
    assert_int_equal(make_days(x, DAY(1)), 1);
    assert_int_equal(retain(x, 9 * DAY_MS, 0, DAY(100)), 100);
    assert_int_equal(ask(x, "SELECT count(*) FROM job_executions"), 101);
}

struct commit {
    struct store_fixture *fixture;
    struct batch *batch;
};

static void *commit_one(void *context)
{
    struct commit *c = context;
    store_must(c->fixture, c->batch);
    return NULL;
}

// The commit has looked up where its rows go, and waits for the lock of that partition, while their
// day is being attached.
static void commit_that_met_a_day_as_it_was_made_is_made_again(void **state)
{
    struct store_fixture *x = *state;
    struct batch *b = store_batch(x);
    store_add_job(b, 1);
    store_must(x, b);
    PGconn *maker = PQconnectdb(x->path);
    char sql[96];
    snprintf(sql, sizeof sql, "SELECT carillon_make_day_1(%lld)", (long long)TODAY);
    run_on(maker, "BEGIN");
    run_on(maker, sql);
    struct commit c = {x, store_batch(x)};
    store_add_insert(c.batch, store_execution(1, 1, DAY(0) + 1000));
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, commit_one, &c), 0);
    while (ask(x, "SELECT count(*) FROM pg_locks WHERE NOT granted") == 0)
        sched_yield();
    run_on(maker, "COMMIT");
    assert_int_equal(pthread_join(thread, NULL), 0);
    PQfinish(maker);
    assert_int_equal(ask(x, "SELECT count(*) FROM job_executions_20231114"), 1);
}

// What the dump says, as statements that PQexec takes.
static char *read_dump(FILE *from)
{
    char *text = NULL, *line = NULL;
    size_t bytes = 0, room = 0;
    FILE *out = open_memstream(&text, &bytes);
    while (getline(&line, &room, from) > 0)
        if (*line != '\\')
            fputs(line, out);
    fclose(out);
    free(line);
    return text;
}

// The dump stands still in the middle, with a lock on every table, since nobody reads what it says.
static FILE *start_dump(const struct store_fixture *x, pid_t *pid)
{
    int ends[2];
    const char *arguments[] = {"pg_dump", "--inserts", "-d", x->path, NULL};
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    *pid = postgres_program_start("pg_dump", arguments, ends[1]);
    close(ends[1]);
    FILE *from = fdopen(ends[0], "r");
    int first = fgetc(from);
    assert_int_equal(ungetc(first, from), '-');
    return from;
}

static void days_are_not_dropped_under_a_dump_which_comes_out_whole(void **state)
{
    enum { ROWS = 3000 };
    struct store_fixture *x = *state;
    char url[POSTGRES_URL_BYTES];
    struct store *restored;
    pid_t pid;
    int status;
    make_days(x, STORE_T0);
    fill_day(x, ROWS);
    FILE *dump = start_dump(x, &pid);
    assert_int_equal(retain(x, 9 * DAY_MS, 0, DAY(100)), 0);
    plan_and_end(x, ROWS + 1);
    char *text = read_dump(dump);
    fclose(dump);
    assert_true(waitpid(pid, &status, 0) == pid && status == 0);
    assert_int_equal(retain(x, 9 * DAY_MS, 0, DAY(100)), 100);
    assert_int_equal(ask(x, "SELECT count(*) FROM job_executions"), 1);

    postgres_database_new(url);
    postgres_meddle(url, text, NULL, 0);
    store_assert_ok(store_postgres_open(url, 1, &restored, f));
    struct store_fixture there = {.store = restored};
    snprintf(there.path, sizeof there.path, "%s", url);
    assert_int_equal(ask(&there, "SELECT count(*) FROM job_executions_20231114"), ROWS);
    assert_int_equal(make_days(&there, STORE_T0), 0);
    assert_int_equal(retain(&there, 9 * DAY_MS, 0, DAY(100)), 100);
    store_close(restored);
    postgres_database_drop(url);
    free(text);
}

// --- Plans -----------------------------------------------------------------------------------

// All rows of a commit in a day that has just been made have one instant: each is looked up once,
// in the one index that fits, though nothing is known of the table.
static void plans_of_a_commit_need_no_statistics(void **state)
{
    enum { ROWS = 2000, PART = 250 };
    struct store_fixture *x = *state;
    make_days(x, STORE_T0);
    struct batch *b = store_batch(x);
    for (job_id job = 1; job <= ROWS; job++) {
        store_add_job(b, job);
        store_add_insert(b, store_execution(job, job, DAY(1) + 1000));
    }
    store_must(x, b);
    for (int64_t first = 1; first < ROWS; first += PART) {
        b = store_batch(x);
        for (int64_t id = first; id < first + PART; id++) {
            struct execution e = store_execution(id, id, DAY(1) + 1000);
            store_add_update(b, store_finished(e, EXECUTION_FAILED));
            store_add_attempt(b, id, 1);
            store_add_attempt(b, id, 2);
            store_add_alert(b, id, &e);
        }
        store_must(x, b);
    }
    store_reader_close(x->reader); // A connection that ends says what it has read.
    x->reader = NULL;
    store_close(x->store);
    x->store = NULL;
    while (ask(x, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'carillon'"
                  " AND datname = current_database()"))
        continue;
    assert_int_equal(ask(x, "SELECT seq_tup_read FROM pg_stat_user_tables"
                            " WHERE relname = 'job_executions_20231115'"),
                     0);
    int64_t read = ask(x, "SELECT sum(idx_tup_read) FROM pg_stat_user_indexes"
                          " WHERE relname = 'job_executions_20231115'");
    if (read > 8 * ROWS) // An update, two checks, and what is dead among the versions of a row.
        fail_msg("%lld entries of indexes were read for %d rows", (long long)read, ROWS);
}

// Although all of them end in one commit, so that no old version of a row can go before.
static void executions_end_on_their_pages(void **state)
{
    enum { ROWS = 500 };
    struct store_fixture *x = *state;
    make_days(x, STORE_T0);
    struct batch *b = store_batch(x);
    store_add_job(b, 1);
    for (int64_t id = 1; id <= ROWS; id++)
        store_add_insert(b, store_execution(id, 1, DAY(1) + 1000 * id));
    store_must(x, b);
    int64_t bytes = ask(x, "SELECT pg_relation_size('job_executions_20231115')");
    b = store_batch(x);
    for (int64_t id = 1; id <= ROWS; id++) {
        struct execution e = store_execution(id, 1, DAY(1) + 1000 * id);
        store_add_update(b, store_finished(e, EXECUTION_SUCCESS));
        store_add_attempt(b, id, 1);
    }
    store_must(x, b);
    assert_int_equal(ask(x, "SELECT pg_relation_size('job_executions_20231115')"), bytes);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(days_are_made_ahead_and_take_the_rows_of_theirs),
        TEST(rows_of_the_default_partition_move_to_their_day),
        TEST(names_of_indexes_are_there_on_the_whole_table),
        TEST(keys_are_unique_and_found_in_every_day),
        TEST(day_goes_whole_when_it_is_old_enough),
        TEST(days_go_while_the_database_is_larger_than_it_may_be),
        TEST(day_with_open_executions_stays),
        TEST(day_whose_rows_ended_late_stays_as_long_as_these),
        TEST(day_that_was_made_late_knows_how_long_its_rows_stay),
        TEST(commit_that_met_a_day_as_it_was_made_is_made_again),
        TEST(old_snapshot_holds_up_no_commit_and_puts_chores_off),
        TEST(days_are_not_dropped_under_a_dump_which_comes_out_whole),
        TEST(plans_of_a_commit_need_no_statistics),
        TEST(executions_end_on_their_pages),
    };
    return cmocka_run_group_tests_name("days", tests, NULL, NULL);
}
