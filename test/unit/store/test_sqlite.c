// SPDX-License-Identifier: MIT
// test_sqlite.c: what is promised of the SQLite database itself: its tables for people and tools,
// its durability settings, versions, and errors that say what to do.

#include "../../contract/shard_rows.h"
#include "store/sqlite/reader_priv.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// clang-format off
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
// clang-format on

struct place {
    char folder[64];
    char path[96];
};

static int setup(void **state)
{
    struct place *p = xcalloc(1, sizeof *p);
    snprintf(p->folder, sizeof p->folder, "/tmp/carillon-sqlite-XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    snprintf(p->path, sizeof p->path, "%s/carillon.db", p->folder);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    static const char *const endings[] = {"", "-wal", "-shm"};
    struct place *p = *state;
    char path[112];
    for (size_t i = 0; i < COUNT_OF(endings); i++) {
        snprintf(path, sizeof path, "%s%s", p->path, endings[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(p->folder), 0);
    free(p);
    return 0;
}

static struct sqlite_store *open_ok(const struct place *p)
{
    struct store *s = NULL;
    struct fault f = {0};
    if (store_sqlite_open(p->path, &s, &f) != ERR_OK)
        fail_msg("%s", f.text);
    return (struct sqlite_store *)s;
}

static void assert_refused(const char *path, enum err expected, const char *part)
{
    struct store *s = NULL;
    struct fault f = {0};
    assert_int_equal(store_open(path, &s, &f), expected);
    assert_null(s);
    if (!strstr(f.text, part))
        fail_msg("\"%s\" does not say \"%s\"", f.text, part);
}

// Runs SQL as another program would.
static void run_sql(const char *path, const char *sql)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static int64_t number(sqlite3 *db, const char *sql)
{
    int64_t value = -1;
    struct fault f = {0};
    if (sqlite_number(db, sql, &value, &f) != ERR_OK)
        fail_msg("%s: %s", sql, f.text);
    return value;
}

// --- Tables ----------------------------------------------------------------------------------

static void assert_columns(sqlite3 *db, const char *table, const char *const *names, size_t count)
{
    char sql[256];
    for (size_t i = 0; i < count; i++) {
        snprintf(sql, sizeof sql, "SELECT count(*) FROM pragma_table_info('%s') WHERE name = '%s'",
                 table, names[i]);
        if (number(db, sql) != 1)
            fail_msg("table %s has no column %s", table, names[i]);
    }
}

// What a person with the sqlite3 command finds: the names of the architecture.
static void tables_and_indexes_have_their_names(void **state)
{
    static const char *const jobs[] = {"id",        "schedule",   "api",       "type",
                                       "is_active", "created_at", "updated_at"};
    static const char *const executions[] = {
        "id",           "job_id",   "status",      "scheduled_at", "started_at",
        "completed_at", "duration", "http_status", "error",        "retry_count"};
    static const char *const indexes[] = {"idx_job_executions_job_id",
                                          "idx_job_executions_scheduled_at", "idx_jobs_is_active"};
    struct sqlite_store *s = open_ok(*state);
    assert_columns(s->db, "jobs", jobs, COUNT_OF(jobs));
    assert_columns(s->db, "job_executions", executions, COUNT_OF(executions));
    for (size_t i = 0; i < COUNT_OF(indexes); i++) {
        char sql[128];
        snprintf(sql, sizeof sql,
                 "SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND name = '%s'",
                 indexes[i]);
        assert_int_equal(number(s->db, sql), 1);
    }
    assert_int_equal(number(s->db, "SELECT count(*) FROM pragma_foreign_key_list('job_executions')"
                                   " WHERE \"table\" = 'jobs' AND \"from\" = 'job_id'"),
                     1);
    store_close(&s->store);
}

#define FIRST_ATTEMPT_COLUMNS 12

// A column of the tables that no struct fills would stay empty unnoticed.
static void every_column_is_written(void **state)
{
    static const struct {
        const struct row_map *map;
        int columns_more; // Written by statements of their own.
    } tables[] = {
        {&job_rows, 1},      {&execution_rows, FIRST_ATTEMPT_COLUMNS},
        {&attempt_rows, 0},  {&alert_rows, 0},
        {&progress_rows, 0},
    };
    struct sqlite_store *s = open_ok(*state);
    for (size_t i = 0; i < COUNT_OF(tables); i++) {
        char sql[128];
        snprintf(sql, sizeof sql, "SELECT count(*) FROM pragma_table_info('%s')",
                 tables[i].map->table);
        assert_int_equal(number(s->db, sql),
                         (int64_t)tables[i].map->count + tables[i].columns_more);
    }
    assert_int_equal(first_attempt_rows.count, 1 + FIRST_ATTEMPT_COLUMNS); // With the row's key.
    store_close(&s->store);
}

static struct change *add(struct batch *b, enum change_kind kind)
{
    shard_row(b, 0);
    return batch_add(b, kind);
}

static struct batch *batch_with_job(uint64_t sequence)
{
    struct batch *b = batch_new(sequence);
    struct job *j = job_new();
    j->id = 1;
    job_set_text(&j->schedule, "* * * * * *");
    job_set_text(&j->timezone, "UTC");
    job_set_text(&j->api, "http://a/");
    add(b, CHANGE_JOB_PUT)->job = j;
    return b;
}

static enum err commit(struct sqlite_store *s, struct batch *b, struct fault *f)
{
    enum err err = shard_rows_commit(&s->store, &b, 1, f);
    batch_free(b);
    return err;
}

static void words_times_and_durations_are_readable(void **state)
{
    struct sqlite_store *s = open_ok(*state);
    struct fault f = {0};
    struct batch *b = batch_with_job(1);
    add(b, CHANGE_EXECUTION_INSERT)->execution = (struct execution){
        .id = 1,
        .key = {.job = 1, .scheduled_at = 1700000000000},
        .started_at = 1700000000002,
        .completed_at = 1700000000019,
        .state = EXECUTION_SUCCESS,
    };
    add(b, CHANGE_EXECUTION_INSERT)->execution =
        (struct execution){.id = 2, .key = {.job = 1, .scheduled_at = 1700000001000}};
    assert_int_equal(commit(s, b, &f), ERR_OK);
    assert_int_equal(number(s->db, "SELECT type = 'ATLEAST_ONCE' AND is_active = 1"
                                   " AND paused_until IS NULL FROM jobs"),
                     1);
    assert_int_equal(number(s->db, "SELECT status = 'SUCCESS' AND duration = 17"
                                   " AND http_status IS NULL AND error IS NULL"
                                   " FROM job_executions WHERE id = 1"),
                     1);
    assert_int_equal(number(s->db, "SELECT status = 'PENDING' AND started_at IS NULL"
                                   " AND completed_at IS NULL AND duration IS NULL"
                                   " FROM job_executions WHERE id = 2"),
                     1);
    store_close(&s->store);
}

// What an ordinary execution costs: a row ahead of its time, and that row again at its end.
static void an_execution_of_one_attempt_is_two_writes(void **state)
{
    struct sqlite_store *s = open_ok(*state);
    struct fault f = {0};
    struct execution e = {.id = 1, .key = {.job = 1, .scheduled_at = 1700000000000}};
    struct batch *b = batch_with_job(1);
    add(b, CHANGE_EXECUTION_INSERT)->execution = e;
    assert_int_equal(commit(s, b, &f), ERR_OK);

    int before = sqlite3_total_changes(s->db);
    b = batch_new(2);
    add(b, CHANGE_ATTEMPT)->attempt = (struct attempt){
        .execution_id = 1, .scheduled_at = 1700000000000, .number = 1, .started_at = 1700000000002};
    e.state = EXECUTION_SUCCESS;
    e.started_at = e.completed_at = 1700000000002;
    add(b, CHANGE_EXECUTION_UPDATE)->execution = e;
    assert_int_equal(commit(s, b, &f), ERR_OK);
    assert_int_equal(sqlite3_total_changes(s->db) - before, 2); // The job's row and the progress.
    assert_int_equal(number(s->db, "SELECT first_started_at FROM job_executions"), 1700000000002);
    store_close(&s->store);
}

// --- Durability ------------------------------------------------------------------------------

static void wal_and_full_synchronous_are_in_force(void **state)
{
    struct sqlite_store *s = open_ok(*state);
    assert_int_equal(number(s->db, "SELECT count(*) FROM pragma_journal_mode"
                                   " WHERE journal_mode = 'wal'"),
                     1);
    assert_int_equal(number(s->db, "PRAGMA synchronous"), 2); // FULL
    assert_int_equal(number(s->db, "PRAGMA foreign_keys"), 1);
    assert_int_equal(number(s->db, "PRAGMA wal_autocheckpoint"), 0);
    store_close(&s->store);
}

static void a_reader_cannot_write(void **state)
{
    struct place *p = *state;
    struct sqlite_store *s = open_ok(p);
    sqlite3 *db = NULL;
    struct fault f = {0};
    assert_int_equal(sqlite_connect_reader(p->path, &db, &f), ERR_OK);
    assert_int_equal(sqlite3_exec(db, "DELETE FROM jobs", NULL, NULL, NULL) & 0xff,
                     SQLITE_READONLY);
    sqlite3_close(db);
    store_close(&s->store);
}

static double log_bytes(const struct place *p)
{
    char path[112];
    struct stat st;
    snprintf(path, sizeof path, "%s-wal", p->path);
    return stat(path, &st) == 0 ? (double)st.st_size : 0;
}

// So that few rows make many pages.
static const char long_text[] = "in the town where the bells are, every hour has its tune, and the "
                                "children know by it when to come home, when to go to sleep, and "
                                "that tomorrow is a holiday; only the ringer knows that some of "
                                "the tunes are much the same";

static void insert_rows(struct sqlite_store *s, uint64_t sequence, int64_t first, int64_t count)
{
    struct fault f = {0};
    struct batch *b = sequence == 1 ? batch_with_job(1) : batch_new(sequence);
    for (int64_t id = first; id < first + count; id++)
        add(b, CHANGE_EXECUTION_INSERT)->execution = (struct execution){
            .id = id,
            .key = {.job = 1, .scheduled_at = id},
            .error = long_text,
        };
    assert_int_equal(commit(s, b, &f), ERR_OK);
}

// Without checkpoints the log would grow for ever. With them it is used again from its beginning.
static void checkpoints_bound_the_log(void **state)
{
    struct place *p = *state;
    struct sqlite_store *s = open_ok(p);
    struct fault f = {0};
    for (uint64_t i = 0; i < 60; i++) {
        insert_rows(s, i + 1, (int64_t)i * 2000 + 1, 2000);
        assert_int_equal(store_tidy(&s->store, &f), ERR_OK);
        assert_true(s->log_pages_done <= s->log_pages);
    }
    double database = (double)number(s->db, "PRAGMA page_count") * 4096;
    assert_true(database > 24e6);       // More went through the log
    assert_true(log_bytes(p) < 20.0e6); // than it holds: 4096 pages and a commit.
    store_close(&s->store);
}

// While a reader looks at an old state the log grows, and when it has left the log is cut.
static void a_log_that_grew_is_cut_when_readers_allow(void **state)
{
    struct place *p = *state;
    struct sqlite_store *s = open_ok(p);
    struct fault f = {0};
    sqlite3 *reader = NULL;
    insert_rows(s, 1, 1, 10);
    assert_int_equal(sqlite_connect_reader(p->path, &reader, &f), ERR_OK);
    assert_int_equal(sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM jobs", NULL, NULL, NULL),
                     SQLITE_OK);
    uint64_t sequence = 2;
    int64_t id = 11;
    for (; s->log_pages <= 16384; sequence++, id += 8000) {
        insert_rows(s, sequence, id, 8000);
        assert_int_equal(store_tidy(&s->store, &f), ERR_OK);
    }
    assert_true(log_bytes(p) > 64e6);
    sqlite3_close(reader);
    insert_rows(s, sequence, id, 10);
    assert_int_equal(store_tidy(&s->store, &f), ERR_OK);
    assert_true(log_bytes(p) == 0);
    store_close(&s->store);
}

// --- Versions --------------------------------------------------------------------------------

static void a_new_file_is_brought_to_the_current_version(void **state)
{
    struct place *p = *state;
    run_sql(p->path, "PRAGMA user_version = 0");
    struct sqlite_store *s = open_ok(p);
    assert_int_equal(number(s->db, "PRAGMA user_version"), sqlite_schema_version);
    store_close(&s->store);
    s = open_ok(p); // And opens again without a change.
    assert_int_equal(number(s->db, "SELECT count(*) FROM progress"), 1);
    store_close(&s->store);
}

static void a_newer_database_is_refused_and_left_alone(void **state)
{
    struct place *p = *state;
    store_close(&open_ok(p)->store);
    run_sql(p->path, "PRAGMA user_version = 99");
    assert_refused(p->path, ERR_STORE_VERSION, "newer version of Carillon (schema 99");
    char current[64];
    snprintf(current, sizeof current, "PRAGMA user_version = %d", sqlite_schema_version);
    run_sql(p->path, current);
    store_close(&open_ok(p)->store);
}

static void a_database_of_another_program_is_refused_and_left_alone(void **state)
{
    struct place *p = *state;
    run_sql(p->path, "CREATE TABLE songs (title); INSERT INTO songs VALUES ('Greensleeves')");
    assert_refused(p->path, ERR_STORE_OPEN, "database of another program");
    sqlite3 *db;
    assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
    assert_int_equal(number(db, "SELECT count(*) FROM sqlite_schema"), 1);
    assert_int_equal(number(db, "SELECT count(*) FROM pragma_journal_mode"
                                " WHERE journal_mode = 'delete'"),
                     1);
    sqlite3_close(db);
}

// --- Errors ----------------------------------------------------------------------------------

static void opening_says_what_is_wrong_with_the_path(void **state)
{
    struct place *p = *state;
    char path[160];
    assert_refused(p->folder, ERR_STORE_OPEN, "is a folder");
    snprintf(path, sizeof path, "%s/missing/carillon.db", p->folder);
    assert_refused(path, ERR_STORE_OPEN, "No such file or directory");
    assert_refused("/dev/null", ERR_STORE_OPEN, "not a regular file");
    assert_refused("/proc/carillon.db", ERR_STORE_OPEN, "/proc");
    assert_refused("mysql://127.0.0.1/carillon", ERR_UNSUPPORTED, "\"mysql://\"");
}

static void a_file_that_is_no_database_is_told_apart(void **state)
{
    struct place *p = *state;
    FILE *out = fopen(p->path, "w");
    assert_non_null(out);
    for (int i = 0; i < 1000; i++)
        fputs("This is a letter to my aunt.\n", out);
    fclose(out);
    assert_refused(p->path, ERR_STORE_CORRUPT, "not a database");
}

static void a_locked_database_is_told(void **state)
{
    struct place *p = *state;
    store_close(&open_ok(p)->store);
    struct sqlite_store *s = open_ok(p);
    sqlite3 *other;
    struct fault f = {0};
    assert_int_equal(sqlite3_open(p->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_busy_timeout(s->db, 0); // Not to make the test wait for it.
    assert_int_equal(commit(s, batch_with_job(1), &f), ERR_BUSY);
    assert_non_null(strstr(f.text, "locked by another program"));
    sqlite3_close(other);
    assert_int_equal(commit(s, batch_with_job(1), &f), ERR_OK);
    store_close(&s->store);
}

// A page full of nonsense in the middle of the file.
static void a_damaged_database_is_told(void **state)
{
    struct place *p = *state;
    struct sqlite_store *s = open_ok(p);
    insert_rows(s, 1, 1, 5000);
    int64_t root =
        number(s->db, "SELECT rootpage FROM sqlite_schema WHERE name = 'job_executions'");
    store_close(&s->store);
    FILE *file = fopen(p->path, "r+");
    assert_non_null(file);
    fseek(file, (long)(root - 1) * 4096, SEEK_SET);
    for (int i = 0; i < 4096; i++)
        fputc(0xa5, file);
    fclose(file);

    s = open_ok(p);
    struct fault f = {0};
    struct batch *b = batch_new(2);
    add(b, CHANGE_EXECUTION_INSERT)->execution =
        (struct execution){.id = 9000, .key = {.job = 1, .scheduled_at = 9000}};
    assert_int_equal(commit(s, b, &f), ERR_STORE_CORRUPT);
    assert_non_null(strstr(f.text, "restore a backup"));
    store_close(&s->store);
}

// On a small disk the log and what it makes the database grow by must both find room.
static void the_log_may_take_a_quarter_of_the_room(void **state)
{
    (void)state;
    static const struct {
        uint64_t free_bytes;
        int pages;
    } cases[] = {{0, 64}, {1 << 20, 64}, {2 << 20, 128}, {16 << 20, 1024}, {1ull << 50, 2048}};
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(sqlite_log_pages_max(cases[i].free_bytes), cases[i].pages);
}

// The same commit that found the disk full goes through when there is room.
static void a_full_disk_writes_nothing_and_can_be_tried_again(void **state)
{
    struct sqlite_store *s = open_ok(*state);
    insert_rows(s, 1, 1, 10);
    int64_t pages = number(s->db, "PRAGMA page_count");
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA max_page_count = %lld", (long long)pages + 2);
    assert_int_equal(number(s->db, sql), pages + 2);

    struct batch *b = batch_new(2);
    for (int64_t id = 11; id < 2000; id++)
        add(b, CHANGE_EXECUTION_INSERT)->execution =
            (struct execution){.id = id, .key = {.job = 1, .scheduled_at = id}};
    shard_row(b, 0)->watermark = 5;
    struct commit_cause cause = {0};
    shard_rows_stamp(&s->store, &b, 1);
    assert_int_equal(store_commit(&s->store, &b, 1, &cause), COMMIT_AGAIN);
    assert_int_equal(cause.fault.code, ERR_STORE_FULL);
    assert_false(cause.is_doubtful); // The commit was rolled back.
    assert_non_null(strstr(cause.fault.text, "the disk is full"));
    assert_int_equal(number(s->db, "SELECT count(*) FROM job_executions"), 10);
    assert_int_equal(store_commit(&s->store, &b, 1, &cause), COMMIT_AGAIN);

    assert_int_equal(number(s->db, "PRAGMA max_page_count = 1000000"), 1000000);
    cause = (struct commit_cause){0};
    assert_int_equal(store_commit(&s->store, &b, 1, &cause), COMMIT_DONE);
    assert_int_equal(number(s->db, "SELECT count(*) FROM job_executions"), 1999);
    assert_int_equal(number(s->db, "SELECT watermark FROM progress"), 5);
    assert_int_equal(number(s->db, "SELECT executions FROM progress"), 1999);
    batch_free(b);
    store_close(&s->store);
}

// A query that would take for ever does not hold up the log for ever.
static void a_long_query_ends(void **state)
{
    struct sqlite_store *s = open_ok(*state);
    struct store_reader *r = NULL;
    struct fault f = {0};
    int64_t counts[EXECUTION_STATES] = {[EXECUTION_PENDING] = -7};
    insert_rows(s, 1, 1, 20000);
    s->reader_time_ms = 0;
    assert_int_equal(store_reader_open(&s->store, &r, &f), ERR_OK);
    assert_int_equal(store_count_executions(r, 0, WALL_NEVER, counts, &f), ERR_TIMEOUT);
    assert_int_equal(counts[EXECUTION_PENDING], -7);
    assert_int_equal(store_count_executions(r, 0, 10, counts, &f), ERR_OK);
    assert_int_equal(counts[EXECUTION_PENDING], 10);
    store_reader_close(r);
    store_close(&s->store);
}

// A foreign hand wrote a word that this program does not know: it says where, and goes no further.
// --- Rows that were edited by hand -----------------------------------------------------------

static void a_progress_that_cannot_be_is_told_with_its_place(void **state)
{
    struct place *p = *state;
    store_close(&open_ok(p)->store);
    run_sql(p->path, "UPDATE progress SET watermark = -5");
    struct store *s;
    struct fault f = {0};
    assert_int_equal(store_sqlite_open(p->path, &s, &f), ERR_STORE_CORRUPT);
    assert_string_equal(f.text, "column watermark of table progress holds '-5' in row 1");
}

static enum err load_jobs(struct sqlite_store *s, store_each_job *each, void *context)
{
    const struct store_slice all = {.limit = SIZE_MAX};
    struct store_reader *r;
    assert_int_equal(store_reader_open(&s->store, &r, NULL), ERR_OK);
    enum err err = store_load_jobs(r, &all, each, context, NULL);
    store_reader_close(r);
    return err;
}

static enum err load_open(struct sqlite_store *s, store_each_execution *each, void *context)
{
    const struct store_slice all = {.limit = SIZE_MAX};
    struct store_reader *r;
    assert_int_equal(store_reader_open(&s->store, &r, NULL), ERR_OK);
    enum err err = store_load_open(r, &all, each, context, NULL);
    store_reader_close(r);
    return err;
}

static enum err see_execution(void *context, const struct execution *e)
{
    char *seen = context;
    assert_true(e->damaged);
    assert_false(execution_state_is_terminal(e->state));
    snprintf(seen, 200, "%s", e->error);
    return ERR_OK;
}

static void an_edited_execution_comes_with_its_damage(void **state)
{
    static const struct {
        const char *sql;
        const char *error;
    } cases[] = {
        {"UPDATE job_executions SET status = 'DONE'", "its row in the database is damaged: status"},
        {"UPDATE job_executions SET trigger = '', attempts = 70000",
         "its row in the database is damaged: trigger, attempts"},
        {"UPDATE job_executions SET status = 'SUCCESS'",
         "its row in the database is damaged: SUCCESS without an end"},
    };
    struct place *p = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char seen[200] = "";
        struct sqlite_store *s = open_ok(p);
        if (i == 0)
            insert_rows(s, 1, 1, 1);
        store_close(&s->store);
        run_sql(p->path, "UPDATE job_executions SET status = 'PENDING', trigger = 'manual',"
                         " attempts = 0, completed_at = NULL");
        run_sql(p->path, cases[i].sql);
        s = open_ok(p);
        assert_int_equal(load_open(s, see_execution, seen), ERR_OK);
        assert_string_equal(seen, cases[i].error);
        store_close(&s->store);
    }
}

static enum err see_job(void *context, const struct job *j)
{
    *(struct job **)context = job_copy(j);
    return ERR_OK;
}

// What each edit makes of a job: the columns that are named, and that nobody could stumble over
// what the rest of the job says.
static void an_edited_job_comes_with_its_damage(void **state)
{
    static const struct {
        const char *sql;
        const char *damaged;
    } cases[] = {
        {"headers = 'nonsense'", "headers"},
        {"headers = 'A:b'", NULL}, // As good as 'A: b' and an end of the line.
        {"headers = 'A' || char(10)", "headers"},
        {"headers = 'Content-Length: 5' || char(10)", "headers"},
        {"headers = ''", NULL},
        {"tags = 'red'", "tags"},
        {"tags = '{}'", "tags"},
        {"tags = '[1]'", "tags"},
        {"api = 'ftp://a/'", "api"},
        {"api = ''", "api"},
        {"success_status = '2xx'", "success_status"},
        {"type = 'SOMETIMES', method = 'BREW'", "type, method"},
        {"timeout_ms = 0", "timeout_ms"},
        {"max_retries = -1", "max_retries"},
        {"retry_base_ms = 2000, retry_cap_ms = 1000", "retry_cap_ms"},
        {"max_in_flight = 0, jitter_ms = 4000000000", "max_in_flight, jitter_ms"},
        {"alert_after = 0", "alert_after"},
        {"created_at = 9e15, effective_from = -1", "created_at, effective_from"},
        {"paused_until = 9e15", "paused_until"},
        {"runs = -1", "runs"},
        {"schedule = 'whenever', timezone = 'Mars/Olympus'", NULL}, // Not for the store to say.
    };
    struct place *p = *state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char sql[200];
        struct job *j = NULL;
        unlink(p->path);
        struct sqlite_store *s = open_ok(p);
        insert_rows(s, 1, 1, 1);
        store_close(&s->store);
        snprintf(sql, sizeof sql, "UPDATE jobs SET %s", cases[i].sql);
        run_sql(p->path, sql);
        s = open_ok(p);
        assert_int_equal(load_jobs(s, see_job, &j), ERR_OK);
        assert_non_null(j);
        if (!cases[i].damaged)
            assert_null(j->damaged);
        else if (!j->damaged || strcmp(j->damaged, cases[i].damaged) != 0)
            fail_msg("%s: %s", cases[i].sql, j->damaged ? j->damaged : "nothing");
        job_free(j);
        store_close(&s->store);
    }
}

// The core keeps jobs by their ids, which must be some that it could have given.
static void a_row_without_a_possible_id_is_no_job(void **state)
{
    struct place *p = *state;
    struct job *j = NULL;
    struct sqlite_store *s = open_ok(p);
    insert_rows(s, 1, 1, 1);
    store_close(&s->store);
    run_sql(p->path, "PRAGMA foreign_keys = OFF; UPDATE jobs SET id = -1");
    s = open_ok(p);
    assert_int_equal(load_jobs(s, see_job, &j), ERR_OK);
    assert_null(j);
    store_close(&s->store);
}

static enum err count_execution(void *count, const struct execution *e)
{
    (void)e;
    ++*(size_t *)count;
    return ERR_OK;
}

static const char *const damages[] = {
    "UPDATE job_executions SET status = 'DONE' WHERE id = 2",
    "UPDATE job_executions SET trigger = '' WHERE id = 2",
    "UPDATE job_executions SET attempts = 65536 WHERE id = 2",
    "UPDATE job_executions SET started_at = -1 WHERE id = 2",
    "UPDATE job_executions SET started_at = 253402300800000 WHERE id = 2", // Year 10000.
};

// The other rows are as good as ever.
static void a_list_leaves_out_a_row_that_no_server_has_written(void **state)
{
    struct place *p = *state;
    for (size_t i = 0; i < COUNT_OF(damages); i++) {
        struct sqlite_store *s = open_ok(p);
        if (i == 0)
            insert_rows(s, 1, 1, 3);
        run_sql(p->path, damages[i]);
        struct store_reader *r = NULL;
        struct fault f = {0};
        struct execution_query q = {
            .trigger = -1,
            .to = WALL_NEVER,
            .before = {.scheduled_at = WALL_NEVER, .id = INT64_MAX},
            .limit = 10,
        };
        size_t count = 0;
        assert_int_equal(store_reader_open(&s->store, &r, &f), ERR_OK);
        assert_int_equal(store_list_executions(r, &q, count_execution, &count, &f), ERR_OK);
        assert_int_equal(count, 2);
        assert_int_equal(f.code, ERR_STORE_CORRUPT);
        assert_non_null(strstr(f.text, "in row 2"));

        struct execution_key key = {.job = 1, .scheduled_at = 2};
        f = (struct fault){0};
        assert_int_equal(store_get_execution(r, &key, count_execution, &count, &f),
                         ERR_STORE_CORRUPT);
        store_reader_close(r);
        store_close(&s->store);
    }
}

// A list with a filter must not read bodies only to leave their jobs out: of the pages of all
// bodies it touches none.
static enum err count_job(void *context, const struct job *j)
{
    (void)j;
    ++*(int *)context;
    return ERR_OK;
}

static int pages_read(struct store_reader *r, const struct job_query *q, int expected)
{
    struct fault f = {0};
    int read = 0, highest, count = 0;
    sqlite3 *db = ((struct sqlite_reader *)r)->db;
    sqlite3_db_release_memory(db);
    sqlite3_db_status(db, SQLITE_DBSTATUS_CACHE_MISS, &read, &highest, 1);
    assert_int_equal(store_list_jobs(r, q, count_job, &count, &f), ERR_OK);
    assert_int_equal(count, expected);
    sqlite3_db_status(db, SQLITE_DBSTATUS_CACHE_MISS, &read, &highest, 1);
    return read;
}

static void a_filter_reads_no_bodies(void **state)
{
    struct sqlite_store *s = open_ok(*state);
    struct store_reader *r;
    struct fault f = {0};
    struct batch *b = batch_new(1);
    char body[40000];
    memset(body, 'x', sizeof body - 1);
    body[sizeof body - 1] = '\0';
    for (job_id id = 1; id <= 20; id++) {
        struct job *j = job_new();
        j->id = id;
        job_set_text(&j->schedule, "* * * * * *");
        job_set_text(&j->timezone, "UTC");
        job_set_text(&j->api, id == 20 ? "http://wanted/" : "http://a/");
        job_set_text(&j->body, body);
        add(b, CHANGE_JOB_PUT)->job = j;
    }
    assert_int_equal(commit(s, b, &f), ERR_OK);
    assert_int_equal(store_reader_open(&s->store, &r, &f), ERR_OK);
    struct job_query q = {.text = "WANTED", .is_active = -1, .limit = 50};
    int few = pages_read(r, &q, 1);
    q.text = "http://";
    int all = pages_read(r, &q, 20);
    assert_true(few < 60 && all > 180); // Ten pages for each body that is shown.
    store_reader_close(r);
    store_close(&s->store);
}

// However many jobs a token has, none of their rows is read to count them.
static void the_jobs_of_a_token_are_counted_in_an_index(void **state)
{
    struct place *p = *state;
    struct sqlite_store *s = open_ok(p);
    struct store_reader *r;
    struct fault f = {0};
    char sql[512];
    sqlite3_stmt *plan;
    assert_int_equal(store_reader_open(&s->store, &r, &f), ERR_OK);
    struct sqlite_reader *reader = (struct sqlite_reader *)r;
    snprintf(sql, sizeof sql, "EXPLAIN QUERY PLAN %s", sqlite3_sql(reader->queries[JOBS_SUM]));
    assert_int_equal(sqlite3_prepare_v2(reader->db, sql, -1, &plan, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(plan), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(plan, 3),
                        "SEARCH jobs USING COVERING INDEX idx_jobs_created_by"
                        " (created_by=? AND deleted_at=?)");
    sqlite3_finalize(plan);
    store_reader_close(r);
    store_close(&s->store);
}

// The SQL that copies what decides from a job's row to its version forgets no member.
static void every_member_of_timing_goes_into_the_version(void **state)
{
    static const char *const members[] = {
#define JOB_OF_TIMING(member) #member,
#include "ledger/job.def"
    };
    char all[256] = "";
    (void)state;
    for (size_t i = 0; i < COUNT_OF(members); i++)
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? ", " : "", members[i]);
    assert_string_equal(SQLITE_DECIDES, all);
    row_names(&version_rows, all, sizeof all);
    assert_string_equal(SQLITE_VERSION_COLUMNS, all);
}

// What an operator decides by hand, with no server at work, is a version too: whoever asks is shown
// it at once, the next start writes it down, and the one after it writes nothing.
static enum err count_version(void *context, const struct job_version *v)
{
    int64_t *seen = context;
    seen[0]++;
    seen[1] = v->from_at;
    seen[2] = strcmp(v->schedule, "@hourly") == 0;
    return ERR_OK;
}

static void assert_versions(struct sqlite_store *s, int64_t count, bool is_edited)
{
    struct store_reader *r;
    struct fault f = {0};
    int64_t seen[3] = {0};
    assert_int_equal(store_reader_open(&s->store, &r, &f), ERR_OK);
    assert_int_equal(store_list_versions(r, 1, count_version, seen, &f), ERR_OK);
    store_reader_close(r);
    assert_int_equal(seen[0], count);
    assert_int_equal(seen[1], 1);
    assert_int_equal(seen[2], is_edited);
}

static void an_edit_by_hand_is_a_version(void **state)
{
    struct place *p = *state;
    struct sqlite_store *s = open_ok(p);
    struct fault f = {0};
    struct batch *b = batch_with_job(1);
    b->changes[b->count - 1].job->effective_from = 1;
    struct change *c = add(b, CHANGE_VERSION);
    c->version.id = 1;
    c->version.from_at = 1;
    c->version.phase = JOB_ACTIVE;
    assert_int_equal(commit(s, b, &f), ERR_OK);
    assert_versions(s, 1, false);
    run_sql(p->path, "UPDATE jobs SET schedule = '@hourly', paused_until = 5");
    assert_versions(s, 2, true);
    assert_int_equal(number(s->db, "SELECT count(*) FROM job_versions"), 1);
    for (int starts = 0; starts < 2; starts++) {
        store_close(&s->store);
        s = open_ok(p);
        assert_versions(s, 2, true);
        for (int step = 0; step < 3; step++)
            assert_int_equal(store_tidy(&s->store, &f), ERR_OK);
        assert_versions(s, 2, true);
        assert_int_equal(number(s->db, "SELECT count(*) FROM job_versions"), 2);
    }
    run_sql(p->path,
            "UPDATE jobs SET paused_until = 6, api = 'http://b/'"); // The pause of an active job.
    assert_versions(s, 2, true);
    store_close(&s->store);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

// --- A bound for the database ---

#define RECORDS 2000

// Records of a job, one a second, each with half a KiB of text.
static void add_records(struct sqlite_store *s)
{
    char error[512];
    memset(error, 'x', sizeof error - 1);
    error[sizeof error - 1] = '\0';
    struct batch *b = batch_new(1);
    struct job *j = job_new();
    j->id = 1;
    j->version = 1;
    job_set_text(&j->schedule, "* * * * * *");
    job_set_text(&j->api, "http://a.test/");
    job_set_text(&j->timezone, "UTC");
    batch_add(b, CHANGE_JOB_PUT)->job = j;
    for (int64_t id = 1; id <= RECORDS; id++)
        batch_add(b, CHANGE_EXECUTION_INSERT)->execution =
            (struct execution){.id = id,
                               .key = {.job = 1, .scheduled_at = id * 1000},
                               .state = EXECUTION_FAILED,
                               .started_at = id * 1000,
                               .completed_at = id * 1000 + 1,
                               .error = error};
    shard_row(b, 0);
    struct fault f = {0};
    if (shard_rows_commit(&s->store, &b, 1, &f))
        fail_msg("%s", f.text);
    batch_free(b);
}

static int64_t bytes_in_use(struct sqlite_store *s)
{
    return (number(s->db, "PRAGMA page_count") - number(s->db, "PRAGMA freelist_count")) * 4096;
}

static size_t keep_bytes(struct sqlite_store *s, int64_t bytes_max, size_t rows_max)
{
    struct store_retention r = {.bytes_max = bytes_max};
    struct fault f = {0};
    size_t removed = 0;
    if (store_retain(&s->store, &r, RECORDS * 1000 + 5000, rows_max, &removed, &f))
        fail_msg("%s", f.text);
    return removed;
}

static void oldest_executions_go_while_the_database_is_larger_than_it_may_be(void **state)
{
    struct place *p = *state;
    struct sqlite_store *s = open_ok(p);
    add_records(s);
    const int64_t full = bytes_in_use(s), most = full * 2 / 3;
    assert_int_equal(keep_bytes(s, 0, 500), 0);
    assert_int_equal(keep_bytes(s, full, 500), 0);
    assert_int_equal(keep_bytes(s, most, 50), 50); // No more than may go in a step.
    int steps = 0;
    while (bytes_in_use(s) > most) {
        keep_bytes(s, most, 500);
        assert_true(++steps < 20);
    }
    assert_int_equal(keep_bytes(s, most, 500), 0);
    assert_true(bytes_in_use(s) > most * 8 / 10); // Little more than needed has gone.
    int64_t oldest = number(s->db, "SELECT min(id) FROM job_executions");
    assert_true(oldest > 50);
    assert_int_equal(number(s->db, "SELECT max(id) FROM job_executions"), RECORDS);
    assert_int_equal(number(s->db, "SELECT count(*) FROM job_executions"), RECORDS + 1 - oldest);
    assert_int_equal(s->progress.removed_to, (oldest - 1) * 1000);
    store_close(&s->store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tables_and_indexes_have_their_names),
        TEST(every_column_is_written),
        TEST(words_times_and_durations_are_readable),
        TEST(an_execution_of_one_attempt_is_two_writes),
        TEST(wal_and_full_synchronous_are_in_force),
        TEST(a_reader_cannot_write),
        TEST(checkpoints_bound_the_log),
        TEST(a_log_that_grew_is_cut_when_readers_allow),
        TEST(a_new_file_is_brought_to_the_current_version),
        TEST(a_newer_database_is_refused_and_left_alone),
        TEST(a_database_of_another_program_is_refused_and_left_alone),
        TEST(opening_says_what_is_wrong_with_the_path),
        TEST(a_file_that_is_no_database_is_told_apart),
        TEST(a_locked_database_is_told),
        TEST(a_damaged_database_is_told),
        TEST(a_full_disk_writes_nothing_and_can_be_tried_again),
        cmocka_unit_test(the_log_may_take_a_quarter_of_the_room),
        TEST(a_long_query_ends),
        TEST(a_progress_that_cannot_be_is_told_with_its_place),
        TEST(an_edited_execution_comes_with_its_damage),
        TEST(an_edited_job_comes_with_its_damage),
        TEST(a_row_without_a_possible_id_is_no_job),
        TEST(a_list_leaves_out_a_row_that_no_server_has_written),
        TEST(a_filter_reads_no_bodies),
        TEST(every_member_of_timing_goes_into_the_version),
        TEST(the_jobs_of_a_token_are_counted_in_an_index),
        TEST(an_edit_by_hand_is_a_version),
        TEST(oldest_executions_go_while_the_database_is_larger_than_it_may_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
