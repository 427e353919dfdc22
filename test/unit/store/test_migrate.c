// SPDX-License-Identifier: MIT
// test_migrate.c: a database of an older version keeps what it holds and gets what came later.
//
// No file of an old version is kept for this: the first step alone makes a database of version 1.

#include "../../contract/shard_rows.h"
#include "store/sqlite/sqlite_priv.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

// A job with every column of version 1 that must be there.
static const char old_job[] =
    "INSERT INTO jobs (id, schedule, api, type, is_active, created_at, updated_at, timezone,"
    "  dst_gap, dst_fold, method, body, timeout_ms, max_retries, retry_strategy, retry_base_ms,"
    "  retry_cap_ms, catch_up, catch_up_window_s, max_in_flight, overlap, jitter_ms, runs,"
    "  alert_after, failures, permanent_4xx, finished, effective_from, version)"
    " VALUES (7, '@daily', 'http://a/', 'ATLEAST_ONCE', 1, 1, 1, 'UTC', 'run_after', 'default',"
    "  'POST', '{\"a\":1}', 30000, 3, 'linear', 1000, 60000, 'all', 3600, 128, 'allow', 0, 0, 1, 0,"
    "  0, 0, 1, 1);";

struct place {
    char folder[64];
    char path[96];
};

static struct store *open_ok(const struct place *p)
{
    struct store *s = NULL;
    struct fault f = {0};
    if (store_sqlite_open(p->path, &s, &f) != ERR_OK)
        fail_msg("%s", f.text);
    return s;
}

static void run_sql(const struct place *p, const char *sql)
{
    sqlite3 *db;
    char *error = NULL;
    assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
        fail_msg("%s", error);
    sqlite3_close(db);
}

static void remove_files(const struct place *p)
{
    static const char *const endings[] = {"", "-wal", "-shm"};
    char path[112];
    for (size_t i = 0; i < COUNT_OF(endings); i++) {
        snprintf(path, sizeof path, "%s%s", p->path, endings[i]);
        unlink(path);
    }
}

// Leaves a new database of version 1 with the old job at p->path.
static void make_version_1(const struct place *p)
{
    sqlite3 *db;
    struct fault f = {0};
    remove_files(p);
    assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
    if (sqlite_migrate(db, 1, &f) != ERR_OK)
        fail_msg("%s", f.text);
    sqlite3_close(db);
    run_sql(p, old_job);
}

static int setup(void **state)
{
    struct place *p = xcalloc(1, sizeof *p);
    snprintf(p->folder, sizeof p->folder, "/tmp/carillon-migrate-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    snprintf(p->path, sizeof p->path, "%s/carillon.db", p->folder);
    make_version_1(p);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    remove_files(p);
    assert_int_equal(rmdir(p->folder), 0);
    free(p);
    return 0;
}

// Brings the database to the present version and reads the job.
static struct job *job_after(const struct place *p)
{
    struct fault f = {0};
    struct store *s = open_ok(p);
    struct store_reader *r = NULL;
    struct job *j = NULL;
    assert_int_equal(store_reader_open(s, &r, &f), ERR_OK);
    if (store_get_job(r, 7, &j, &f) != ERR_OK)
        fail_msg("%s", f.text);
    store_reader_close(r);
    store_close(s);
    return j;
}

static void a_job_of_version_1_has_the_defaults_of_what_came_later(void **state)
{
    struct job *j = job_after(*state);
    assert_string_equal(j->body, "{\"a\":1}");
    assert_true(j->body_is_json);
    j->body_is_json = job_defaults.body_is_json; // This member follows from the body.
    for (size_t i = 0; i < job_member_count; i++) {
        const struct job_member *m = &job_members[i];
        if (m->role == ROLE_POLICY && !job_same_member(m, j, &job_defaults))
            fail_msg("%s has not its default", m->name);
    }
    assert_null(j->tls_ca);
    assert_null(j->tls_client_cert);
    assert_null(j->tls_client_key);
    assert_null(j->oauth);
    job_free(j);
}

// Every body went out as JSON. What is JSON goes on so; a text is called one from now on.
static void bodies_of_version_1_keep_the_type_that_was_right(void **state)
{
    static const struct {
        const char *body;
        bool is_json;
    } cases[] = {{"NULL", false}, {"''", false},      {"'a=1&b=2'", false},
                 {"'5'", true},   {"'[1, 2]'", true}, {"'{\"a\":1}'", true}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char sql[128];
        snprintf(sql, sizeof sql, "UPDATE jobs SET body = %s", cases[i].body);
        make_version_1(*state);
        run_sql(*state, sql);
        struct job *j = job_after(*state);
        assert_int_equal(j->body_is_json, cases[i].is_json);
        job_free(j);
    }
}

// A trigger that waits at the upgrade sends what it would have sent; what is over is left alone.
static void a_waiting_trigger_of_version_1_sends_json(void **state)
{
    run_sql(*state,
            "INSERT INTO job_executions (id, job_id, status, scheduled_at, completed_at, series,"
            "  retry_count, trigger, attempts, recoveries, request_body) VALUES"
            " (1, 7, 'PENDING', 5, NULL, -1, 0, 'manual', 0, 0, 'a=1'),"
            " (2, 7, 'SUCCESS', 5, 6, -2, 0, 'manual', 1, 0, 'a=1'),"
            " (3, 7, 'PENDING', 5, NULL, 0, 0, 'schedule', 0, 0, NULL);");
    struct sqlite_store *s = (struct sqlite_store *)open_ok(*state);
    struct fault f = {0};
    int64_t sum = 0;
    assert_int_equal(sqlite_number(s->db,
                                   "SELECT sum(id) FROM job_executions WHERE request_body_is_json",
                                   &sum, &f),
                     ERR_OK);
    assert_int_equal(sum, 1);
    store_close(&s->store);
}

static enum err check_old_alert(void *seen, const struct alert *a)
{
    assert_string_equal(a->message, "clock stepped: it was ahead before");
    assert_null(a->subject);
    assert_null(a->last_error);
    assert_true(a->attempts == 0 && a->count == 0 && a->from == 0 && a->to == 0);
    *(bool *)seen = true;
    return ERR_OK;
}

static void an_alert_of_version_1_keeps_its_sentence(void **state)
{
    struct fault f = {0};
    struct store_reader *r = NULL;
    bool seen = false;
    run_sql(*state, "INSERT INTO alerts (id, kind, created_at, message)"
                    " VALUES (1, 'clock', 5, 'clock stepped: it was ahead before');");
    struct store *s = open_ok(*state);
    assert_int_equal(store_reader_open(s, &r, &f), ERR_OK);
    const struct alert_query q = {.before = {WALL_NEVER, INT64_MAX}, .limit = 9};
    assert_int_equal(store_list_alerts(r, &q, check_old_alert, &seen, &f), ERR_OK);
    assert_true(seen);
    store_reader_close(r);
    store_close(s);
}

struct seen_attempts {
    unsigned count;
    unsigned statuses[4];
};

static enum err see_attempt(void *context, const struct attempt *a)
{
    struct seen_attempts *seen = context;
    assert_int_equal(a->number, ++seen->count);
    seen->statuses[seen->count] = a->http_status;
    return ERR_OK;
}

static struct seen_attempts attempts_of(struct store *s, int64_t id)
{
    struct seen_attempts seen = {0};
    struct fault f = {0};
    struct store_reader *r = NULL;
    assert_int_equal(store_reader_open(s, &r, &f), ERR_OK);
    if (store_list_attempts(r, &(struct execution_place){id, 5}, see_attempt, &seen, &f) !=
            ERR_OK ||
        f.code)
        fail_msg("%s", f.text);
    store_reader_close(r);
    return seen;
}

// A first attempt that has a row of its own keeps it; the second follows it there.
static void a_retry_under_way_of_version_1_keeps_its_first_attempt(void **state)
{
    run_sql(*state,
            "INSERT INTO job_executions (id, job_id, status, scheduled_at, started_at, series,"
            "  retry_count, trigger, attempts, recoveries, next_attempt_at)"
            "  VALUES (1, 7, 'RUNNING', 5, 5, 0, 0, 'schedule', 1, 0, 9);"
            "INSERT INTO job_attempts (execution_id, number, http_status, started_at, duration_ms)"
            "  VALUES (1, 1, 503, 5, 2);");
    struct store *s = open_ok(*state);
    assert_int_equal(attempts_of(s, 1).count, 1);

    struct fault f = {0};
    struct batch *b = batch_new(1);
    shard_row(b, 0);
    batch_add(b, CHANGE_ATTEMPT)->attempt = (struct attempt){
        .execution_id = 1, .scheduled_at = 5, .number = 2, .http_status = 200, .started_at = 9};
    batch_add(b, CHANGE_EXECUTION_UPDATE)->execution =
        (struct execution){.id = 1,
                           .key = {.job = 7, .scheduled_at = 5},
                           .state = EXECUTION_SUCCESS,
                           .completed_at = 10,
                           .attempts = 2};
    assert_int_equal(shard_rows_commit(s, &b, 1, &f), ERR_OK);
    batch_free(b);

    struct seen_attempts seen = attempts_of(s, 1);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.statuses[1], 503);
    assert_int_equal(seen.statuses[2], 200);
    store_close(s);
}

static enum err see_open(void *context, const struct execution *e)
{
    int64_t *sum = context;
    assert_true(e->lingers);
    *sum += e->id;
    return ERR_OK;
}

// Versions up to the eighth have an index of what is open, and no mark: all of that lingers.
static void what_is_open_in_version_1_is_found(void **state)
{
    run_sql(*state,
            "INSERT INTO job_executions (id, job_id, status, scheduled_at, completed_at, series,"
            "  retry_count, trigger, attempts, recoveries, next_attempt_at) VALUES"
            " (1, 7, 'PENDING', 5, NULL, 0, 0, 'schedule', 0, 0, NULL),"
            " (2, 7, 'SUCCESS', 6, 7, 0, 0, 'schedule', 1, 0, NULL),"
            " (4, 7, 'RUNNING', 7, NULL, 0, 0, 'schedule', 1, 0, 9000),"
            " (8, 7, 'PENDING', 99, NULL, 0, 0, 'schedule', 0, 0, NULL);"
            "UPDATE progress SET watermark = 50;");
    struct store *s = open_ok(*state);
    struct fault f = {0};
    int64_t sum = 0;
    const struct store_slice all = {.limit = SIZE_MAX};
    struct store_reader *r;
    assert_int_equal(store_reader_open(s, &r, &f), ERR_OK);
    assert_int_equal(store_load_open(r, &all, see_open, &sum, &f), ERR_OK);
    store_reader_close(r);
    assert_int_equal(sum, 1 + 4 + 8);
    struct shard row;
    assert_int_equal(store_get_shard(s, 0, &row, &f), ERR_OK);
    assert_int_equal(row.open_from, 50);
    store_close(s);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_job_of_version_1_has_the_defaults_of_what_came_later),
        TEST(bodies_of_version_1_keep_the_type_that_was_right),
        TEST(a_waiting_trigger_of_version_1_sends_json),
        TEST(an_alert_of_version_1_keeps_its_sentence),
        TEST(a_retry_under_way_of_version_1_keeps_its_first_attempt),
        TEST(what_is_open_in_version_1_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
