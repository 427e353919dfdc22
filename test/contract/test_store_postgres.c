// SPDX-License-Identifier: MIT
// test_store_postgres.c: what a database of PostgreSQL asks for beside what every store promises:
// what it refuses to open, and what becomes of a commit when the server goes away, stands still,
// or is another one after a promotion.

#include "postgres_server.h"
#include "store_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

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

// --- Opening ---------------------------------------------------------------------------------

static void refuses(const char *url, uint32_t shards, enum err expected, const char *words)
{
    struct store *s = NULL;
    struct fault f = {0};
    assert_int_equal(store_postgres_open(url, shards, &s, &f), expected);
    if (!strstr(f.text, words))
        fail_msg("'%s' does not say '%s'", f.text, words);
    assert_null(s);
}

static void server_that_is_not_there_is_told_of(void **state)
{
    (void)state;
    refuses("postgresql://a@/b?host=/tmp/carillon-nowhere", 1, ERR_STORE_AWAY, "No such file");
    refuses("postgresql://a@127.0.0.1:1/b", 1, ERR_STORE_AWAY, "refused");
}

// A host that takes connections and does not serve them: a pooler or a balancer whose server is
// dead closes them, and a machine that is gone keeps silent.
struct bad_host {
    char folder[32];
    struct sockaddr_un address;
    int listener;
    pthread_t thread;
};

static void *close_connections(void *bad_host)
{
    const struct bad_host *b = bad_host;
    for (int fd; (fd = accept(b->listener, NULL, NULL)) >= 0;)
        close(fd);
    return NULL;
}

static void bad_host_begin(struct bad_host *b, bool closes)
{
    *b = (struct bad_host){.folder = "/tmp/carillon-host-XXXXXX", .address = {AF_UNIX, ""}};
    assert_non_null(mkdtemp(b->folder));
    snprintf(b->address.sun_path, sizeof b->address.sun_path, "%s/.s.PGSQL.5432", b->folder);
    b->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(b->listener, (struct sockaddr *)&b->address, sizeof b->address), 0);
    assert_int_equal(listen(b->listener, 16), 0);
    if (closes)
        assert_int_equal(pthread_create(&b->thread, NULL, close_connections, b), 0);
}

static void bad_host_end(struct bad_host *b, bool closes)
{
    shutdown(b->listener, SHUT_RDWR);
    if (closes)
        pthread_join(b->thread, NULL);
    close(b->listener);
    unlink(b->address.sun_path);
    rmdir(b->folder);
}

static void open_behind_bad_host(const struct store_fixture *x, bool closes)
{
    char url[2 * POSTGRES_URL_BYTES];
    struct bad_host bad;
    struct shard row;
    struct store *s;
    struct fault fault = {0};
    const char *host = strstr(x->path, "host=");
    assert_non_null(host);
    bad_host_begin(&bad, closes);
    snprintf(url, sizeof url, "%.*shost=%s,%s", (int)(host - x->path), x->path, bad.folder,
             host + strlen("host="));
    assert_int_equal(store_postgres_open(url, 1, &s, &fault), ERR_OK);
    assert_int_equal(store_get_shard(s, 0, &row, &fault), ERR_OK);
    assert_int_equal(fault.code, ERR_OK); // Nothing is told of the host that was left.
    store_close(s);
    bad_host_end(&bad, closes);
}

static void host_that_serves_is_found_behind_one_that_closes(void **state)
{
    open_behind_bad_host(*state, true);
}

static void host_that_serves_is_found_behind_one_that_is_silent(void **state)
{
    open_behind_bad_host(*state, false);
}

static void database_that_does_not_fit_is_refused_and_left_alone(void **state)
{
    struct store_fixture *x = *state;
    char tables[16];
    char url[POSTGRES_URL_BYTES];
    refuses(x->path, 4, ERR_STORE_OPEN, "has 1 shards, and 4 are wanted");
    postgres_meddle(x->path, "UPDATE carillon SET version = 999, oldest_node = 999", NULL, 0);
    refuses(x->path, 1, ERR_STORE_VERSION, "newer version of Carillon (schema 999");
    postgres_database_new(url);
    postgres_meddle(url, "CREATE TABLE orders (id int)", NULL, 0);
    refuses(url, 1, ERR_STORE_OPEN, "one of another program");
    postgres_meddle(url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", tables,
                    sizeof tables);
    assert_string_equal(tables, "1");
    postgres_database_drop(url);
}

// Many servers have this extension in each new database, by which what costs time is found.
static void views_of_an_extension_are_no_other_program(void **state)
{
    (void)state;
    struct store *s;
    char url[POSTGRES_URL_BYTES];
    postgres_database_new(url);
    postgres_meddle(url, "CREATE EXTENSION pg_stat_statements", NULL, 0);
    store_assert_ok(store_postgres_open(url, 1, &s, f));
    store_close(s);
    postgres_database_drop(url);
}

// In a rolling upgrade the tables are newer than the nodes that are not upgraded yet.
static void node_that_is_older_than_the_tables_starts_while_they_allow_it(void **state)
{
    struct store_fixture *x = *state;
    struct shard row;
    struct store *s;
    postgres_meddle(x->path, "UPDATE carillon SET version = 999", NULL, 0);
    store_assert_ok(store_postgres_open(x->path, 1, &s, f));
    store_assert_ok(store_get_shard(s, 0, &row, f));
    store_close(s);
}

static void database_that_is_read_only_is_refused(void **state)
{
    struct store_fixture *x = *state;
    char sql[96];
    char name[32];
    postgres_meddle(x->path, "SELECT current_database()", name, sizeof name);
    snprintf(sql, sizeof sql, "ALTER DATABASE %s SET default_transaction_read_only = on", name);
    postgres_meddle(x->path, sql, NULL, 0);
    refuses(x->path, 1, ERR_STORE_OPEN, "read-only");
}

static void url_chooses_the_adapter_with_all_shards(void **state)
{
    (void)state;
    char url[POSTGRES_URL_BYTES];
    struct store *s;
    postgres_database_new(url);
    store_assert_ok(store_open(url, &s, f));
    assert_int_equal(store_shard_count(s), SHARDS_MAX);
    store_close(s);
    postgres_database_drop(url);
}

static void names_of_tables_and_indexes_are_those_of_the_original(void **state)
{
    struct store_fixture *x = *state;
    char found[16];
    postgres_meddle(x->path,
                    "SELECT count(*) FROM pg_class WHERE relname IN ('jobs', 'job_executions',"
                    " 'idx_job_executions_job_id', 'idx_job_executions_scheduled_at',"
                    " 'idx_jobs_is_active', 'job_versions', 'job_attempts', 'alerts',"
                    " 'client_keys')",
                    found, sizeof found);
    assert_string_equal(found, "9");
}

// --- A server that goes away -----------------------------------------------------------------

// The process in the server that works for the writer, whose connection came first.
static pid_t process_of_writer(const struct store_fixture *x)
{
    char pid[16];
    postgres_meddle(x->path,
                    "SELECT pid FROM pg_stat_activity WHERE application_name = 'carillon'"
                    " AND datname = current_database() ORDER BY backend_start LIMIT 1",
                    pid, sizeof pid);
    return (pid_t)strtol(pid, NULL, 10);
}

static void end_connections(const struct store_fixture *x)
{
    postgres_end_connections(x->path);
}

// At the URL of a primary with a replica, the replica alone answers while the primary is away.
static void replica_that_answers_for_the_primary_is_no_loss(void **state)
{
    struct store_fixture *x = *state;
    char sql[192];
    char name[32];
    struct shard row;
    struct store_reader *reader = NULL;
    postgres_meddle(x->path, "SELECT current_database()", name, sizeof name);
    snprintf(sql, sizeof sql, "ALTER DATABASE %s SET default_transaction_read_only = on", name);
    postgres_meddle(x->path, sql, NULL, 0);
    end_connections(x);
    struct fault fault = {0};
    assert_int_equal(store_get_shard(x->store, 0, &row, &fault), ERR_STORE_AWAY);
    assert_non_null(strstr(fault.text, "replica"));
    assert_int_equal(store_reader_open(x->store, &reader, &fault), ERR_STORE_AWAY);
    snprintf(sql, sizeof sql,
             "SET TRANSACTION READ WRITE;"
             " ALTER DATABASE %s RESET default_transaction_read_only",
             name);
    postgres_meddle(x->path, sql, NULL, 0);
    store_assert_ok(store_get_shard(x->store, 0, &row, f));
}

static enum err count(struct store_reader *reader)
{
    int64_t counts[EXECUTION_STATES];
    struct fault fault = {0};
    return store_count_executions(reader, 0, WALL_LAST, counts, &fault);
}

// After a crash the server shows what its replica may never have had.
static void reader_that_connects_shows_what_the_replica_has(void **state)
{
    struct store_fixture *x = *state;
    struct store_reader *reader;
    store_fill(x, 1, 3);
    store_assert_ok(store_reader_open(x->store, &reader, f));
    assert_int_equal(count(reader), ERR_OK);
    postgres_meddle(x->path, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'", NULL, 0);
    postgres_meddle(x->path, "SELECT pg_reload_conf()", NULL, 0);
    assert_int_equal(count(reader), ERR_OK); // A connection that was there before.
    enum err err;
    do
        end_connections(x);
    while ((err = count(reader)) == ERR_OK); // The server has not read its settings yet.
    assert_int_equal(err, ERR_STORE_AWAY);
    postgres_meddle(x->path, "ALTER SYSTEM RESET synchronous_standby_names", NULL, 0);
    postgres_meddle(x->path, "SELECT pg_reload_conf()", NULL, 0);
    while (count(reader) == ERR_STORE_AWAY)
        continue; // As before.
    assert_int_equal(count(reader), ERR_OK);
    store_reader_close(reader);
}

// The end of the connection is found out before anything is sent, which leaves no doubt.
static void connection_that_ended_is_made_anew(void **state)
{
    struct store_fixture *x = *state;
    store_fill(x, 1, 3);
    end_connections(x);
    struct batch *b = store_batch(x);
    struct commit_cause cause = {0};
    shard_row(b, 0)->epoch = 0;
    shard_row(b, 0)->tick = 2;
    store_add_insert(b, store_execution(4, 1, STORE_T0 + 4000));
    assert_int_equal(store_commit(x->store, &b, 1, &cause), COMMIT_DONE);
    batch_free(b);

    struct execution_query all = store_all_executions();
    struct store_ids ids = {0};
    store_list_ids(x, &all, &ids);
    assert_int_equal(ids.count, 4);
}

// Stopped in the middle, the server answers nothing: the call ends by itself, and nobody knows
// whether it was written. It was, once.
static void commit_without_an_answer_ends_in_time_and_is_written_once(void **state)
{
    struct store_fixture *x = *state;
    store_fill(x, 1, 1);
    pid_t stopped = process_of_writer(x);
    struct batch *b = store_batch(x);
    struct commit_cause cause = {0};
    shard_row(b, 0)->tick = 2;
    store_add_insert(b, store_execution(2, 1, STORE_T0 + 2000));
    assert_int_equal(kill(stopped, SIGSTOP), 0);
    assert_int_equal(store_commit(x->store, &b, 1, &cause), COMMIT_AGAIN);
    assert_int_equal(cause.fault.code, ERR_STORE_AWAY);
    assert_true(cause.is_doubtful);
    assert_int_equal(kill(stopped, SIGCONT), 0);
    cause = (struct commit_cause){0};
    assert_int_equal(store_commit(x->store, &b, 1, &cause), COMMIT_DONE);
    batch_free(b);
    struct shard row;
    store_assert_ok(store_get_shard(x->store, 0, &row, f));
    assert_int_equal(row.tick, 2);
}

// --- Two owners, and a promotion -------------------------------------------------------------

static void shard_taken_by_another_node_fences_the_first(void **state)
{
    struct store_fixture *x = *state;
    struct store *other;
    struct shard row;
    store_fill(x, 1, 1);
    store_assert_ok(postgres->open(x->path, &other, f));
    store_assert_ok(store_take_shard(other, 0, &row, f));
    struct batch *b = store_batch(x);
    struct commit_cause cause = {0};
    shard_row(b, 0)->tick = 2;
    store_add_insert(b, store_execution(2, 1, STORE_T0 + 2000));
    assert_int_equal(store_commit(x->store, &b, 1, &cause), COMMIT_FENCED);
    assert_true(shard_set_has(&cause.fenced, 0));
    batch_free(b);
    store_close(other);
}

// What the old primary had given out may be lost: its epochs and its ids do not come again.
static void epoch_and_ids_jump_on_another_timeline(void **state)
{
    struct store_fixture *x = *state;
    struct shard row;
    store_assert_ok(store_take_shard(x->store, 0, &row, f));
    assert_int_equal(row.epoch, 1);
    postgres_meddle(x->path, "UPDATE shards SET timeline = timeline + 1, job_next = 7", NULL, 0);
    store_assert_ok(store_take_shard(x->store, 0, &row, f));
    assert_int_equal(row.epoch, ((int64_t)1 << 32) + 1);
    assert_int_equal(row.job_next, 7 + (1 << 20));
    store_assert_ok(store_take_shard(x->store, 0, &row, f));
    assert_int_equal(row.epoch, ((int64_t)1 << 32) + 2);
    assert_int_equal(row.job_next, 7 + (1 << 20));
}

// --- An execution that was edited by hand ----------------------------------------------------

// The instant of the row is none, so nobody can say in which partition it is: a start ends it all
// the same.
static void execution_whose_instant_was_edited_is_found_and_ends(void **state)
{
    static const char *const edits[] = {"9223372036854775807", "-5", "0"};
    struct store_fixture *x = *state;
    char sql[96], found[16];
    store_fill(x, 1, COUNT_OF(edits));
    for (size_t i = 0; i < COUNT_OF(edits); i++) {
        int64_t id = (int64_t)i + 1;
        struct execution e = store_execution(id, 1, 0);
        snprintf(sql, sizeof sql, "UPDATE job_executions SET scheduled_at = %s WHERE id = %lld",
                 edits[i], (long long)id);
        postgres_meddle(x->path, sql, NULL, 0);
        struct batch *b = store_batch(x);
        store_add_update(b, store_finished(e, EXECUTION_FAILED));
        store_add_alert(b, id, &e);
        store_must(x, b);
    }
    postgres_meddle(x->path, "SELECT count(*) FROM job_executions WHERE status = 'FAILED'", found,
                    sizeof found);
    assert_string_equal(found, "3");
}

// --- Texts -----------------------------------------------------------------------------------

// A commit must not fail because a target answered in another encoding.
static void text_that_is_no_utf8_is_written_all_the_same(void **state)
{
    struct store_fixture *x = *state;
    store_fill(x, 1, 1);
    struct execution e = store_execution(1, 1, STORE_T0 + 1000);
    struct execution done = store_finished(e, EXECUTION_FAILED);
    done.error = "gr\xfc\xdf from \xc3\xa4";
    struct batch *b = store_batch(x);
    store_add_update(b, done);
    store_must(x, b);
    struct execution *found = store_read_execution(x, e.key);
    assert_string_equal(found->error, "gr?? from \xc3\xa4");
    store_free_execution(found);
}

// --- Rows that were edited by hand -----------------------------------------------------------

static enum err count_version(void *context, const struct job_version *v)
{
    (void)v;
    ++*(size_t *)context;
    return ERR_OK;
}

// What an operator decides by hand is a version too: whoever asks is shown it at once, and one of
// the chores writes it down.
static void edited_job_gets_its_version(void **state)
{
    struct store_fixture *x = *state;
    struct store_retention none = {0};
    char found[96];
    size_t removed, seen = 0;
    struct batch *b = store_batch(x);
    for (job_id id = 1; id <= 2; id++) {
        store_add_job(b, id);
        store_add_version(b, id, STORE_T0, JOB_ACTIVE);
    }
    store_must(x, b);
    postgres_meddle(x->path,
                    "UPDATE jobs SET schedule = '0 0 * * * *', effective_from = 7"
                    " WHERE id = 2",
                    NULL, 0);
    store_assert_ok(store_list_versions(x->reader, 1, count_version, &seen, f));
    assert_int_equal(seen, 1);
    store_assert_ok(store_list_versions(x->reader, 2, count_version, &seen, f));
    assert_int_equal(seen, 3);
    store_assert_ok(store_retain(x->store, &none, STORE_T0, 10, &removed, f));
    postgres_meddle(x->path,
                    "SELECT string_agg(format('%s/%s@%s', job_id, number, from_at), ' '"
                    " ORDER BY job_id, number) FROM job_versions",
                    found, sizeof found);
    assert_string_equal(found, "1/1@1700000000000 2/1@1700000000000 2/2@7");
}

// A list by tag leaves the job out, and any other has it.
static void tags_that_are_no_json_hide_their_job_from_lists_by_tag_alone(void **state)
{
    struct store_fixture *x = *state;
    struct store_ids ids;
    struct job_query q = {.is_active = -1, .limit = 10};
    struct batch *b = store_batch(x);
    for (job_id id = 1; id <= 4; id++)
        store_add_job(b, id);
    store_must(x, b);
    postgres_meddle(x->path,
                    "UPDATE jobs SET tags = CASE id WHEN 1 THEN '[\"a\", 3]'"
                    " WHEN 2 THEN '[\"a' WHEN 3 THEN '{\"a\": 1}' END",
                    NULL, 0);
    store_list_job_ids(x, &q, &ids);
    store_assert_ids(&ids, 1, 2, 3, 4);
    q.tag = "a";
    store_list_job_ids(x, &q, &ids);
    store_assert_ids(&ids, 1);
    q.tag = "3";
    store_list_job_ids(x, &q, &ids);
    store_assert_ids(&ids);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_that_is_not_there_is_told_of),
        TEST(host_that_serves_is_found_behind_one_that_closes),
        TEST(host_that_serves_is_found_behind_one_that_is_silent),
        TEST(database_that_does_not_fit_is_refused_and_left_alone),
        TEST(views_of_an_extension_are_no_other_program),
        TEST(node_that_is_older_than_the_tables_starts_while_they_allow_it),
        TEST(database_that_is_read_only_is_refused),
        cmocka_unit_test(url_chooses_the_adapter_with_all_shards),
        TEST(names_of_tables_and_indexes_are_those_of_the_original),
        TEST(replica_that_answers_for_the_primary_is_no_loss),
        TEST(reader_that_connects_shows_what_the_replica_has),
        TEST(connection_that_ended_is_made_anew),
        TEST(commit_without_an_answer_ends_in_time_and_is_written_once),
        TEST(shard_taken_by_another_node_fences_the_first),
        TEST(epoch_and_ids_jump_on_another_timeline),
        TEST(execution_whose_instant_was_edited_is_found_and_ends),
        TEST(text_that_is_no_utf8_is_written_all_the_same),
        TEST(edited_job_gets_its_version),
        TEST(tags_that_are_no_json_hide_their_job_from_lists_by_tag_alone),
    };
    return cmocka_run_group_tests_name("postgres", tests, NULL, NULL);
}
