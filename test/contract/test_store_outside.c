// SPDX-License-Identifier: MIT
// test_store_outside.c: a database of SQLite from outside, beside the store that works on it: every
// fault that the inspection promises to find is made and found, and a backup is the database.

#include "store_fixture.h"

#include "store/inspect.h"
#include "store/sqlite.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct store_adapter *const sqlite = &store_adapters[STORE_SQLITE];

// Job 1 with three rows: one that succeeded, one that failed, and a missed range; job 2 deleted.
static void fill(struct store_fixture *x)
{
    struct batch *b = store_batch(x);
    *shard_row(b, 0) = x->shard = (struct shard){.watermark = STORE_T0 + 60000,
                                                 .job_next = 3,
                                                 .execution_next = 9,
                                                 .alert_next = 9,
                                                 .open_from = STORE_T0 + 60000};
    struct execution done = store_execution(1, 1, STORE_T0 + 1000);
    struct execution failed = store_execution(2, 1, STORE_T0 + 2000);
    struct execution missed = store_execution(3, 1, STORE_T0 + 3000);
    missed = store_finished(missed, EXECUTION_MISSED);
    missed.missed_to = STORE_T0 + 5000;
    missed.missed_count = 3;
    store_add_job(b, 1);
    store_add_version(b, 1, STORE_T0, JOB_ACTIVE);
    store_add_job(b, 2);
    store_add_version(b, 2, STORE_T0, JOB_ACTIVE);
    store_add(b, CHANGE_JOB_DELETE)->deleted.id = 2;
    b->changes[b->count - 1].deleted.at = STORE_T0 + 500;
    store_add_version(b, 2, STORE_T0 + 500, JOB_DELETED);
    store_add_insert(b, store_finished(done, EXECUTION_SUCCESS));
    store_add_insert(b, store_finished(failed, EXECUTION_FAILED));
    store_add_insert(b, missed);
    store_add_attempt(b, 2, 1);
    store_add_attempt(b, 2, 2);
    store_add_alert(b, 1, &failed);
    store_add_alert(b, 2, &missed);
    store_must(x, b);
}

static int setup(void **state)
{
    struct store_fixture *x = store_fixture_new(sqlite);
    fill(x);
    *state = x;
    return 0;
}

static int teardown(void **state)
{
    store_fixture_free(*state);
    return 0;
}

// A backup in the folder of the database.
struct names {
    char target[96];
    char partial[112];
};

static struct names names_in(const struct store_fixture *x)
{
    struct names n;
    snprintf(n.target, sizeof n.target, "%s/backup.db", x->folder);
    snprintf(n.partial, sizeof n.partial, "%s.partial", n.target);
    return n;
}

// What a careless person does with the sqlite3 command, which knows no foreign keys.
static void meddle(const struct store_fixture *x, const char *sql)
{
    sqlite3 *db;
    char *error = NULL;
    assert_int_equal(sqlite3_open(x->path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
        fail_msg("%s: %s", sql, error);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

// --- The inspection --------------------------------------------------------------------------

struct findings {
    unsigned count;
    char text[4096]; // "check: what\n" each.
    enum store_check check;
};

static void note(void *context, const char *what)
{
    struct findings *n = context;
    size_t used = strlen(n->text);
    assert_null(strchr(what, '\n'));
    n->count++;
    snprintf(n->text + used, sizeof n->text - used, "%s: %s\n", store_check_name(n->check), what);
}

static struct findings inspect(const struct store_fixture *x)
{
    struct findings n = {0};
    struct store_inspection *i;
    store_assert_ok(store_inspection_open(x->path, &i, f));
    for (n.check = 0; n.check < STORE_CHECKS; n.check++)
        store_assert_ok(store_inspect(i, n.check, note, &n, f));
    store_inspection_close(i);
    return n;
}

static void a_sound_database_has_no_findings(void **state)
{
    struct store_fixture *x = *state;
    struct findings n = inspect(x);
    assert_string_equal(n.text, "");
    store_reopen(x);
    n = inspect(x);
    assert_int_equal(n.count, 0);
}

static const struct {
    const char *sql;
    const char *found;
} damages[] = {
    {"DROP INDEX idx_jobs_is_active",
     "tables and indexes: the index idx_jobs_is_active is missing"},
    {"ALTER TABLE jobs ADD COLUMN mine TEXT",
     "tables and indexes: the table jobs is not as this version makes it"},
    {"DELETE FROM job_executions WHERE id = 2",
     "references: a row names one that is not there: job_attempts"},
    {"DELETE FROM job_executions WHERE id = 1",
     "promises: rows came or went without their count: 3 were written, and 2 are there"},
    {"DELETE FROM alerts WHERE id = 1", "promises: a failure has no alert: execution 2 of job 1"},
    {"DELETE FROM alerts WHERE id = 2",
     "promises: a missed range has no alert: execution 3 of job 1"},
    {"UPDATE job_executions SET completed_at = NULL WHERE id = 1",
     "promises: a row is terminal without an end, or has an end and is not terminal: execution 1"},
    {"UPDATE job_executions SET status = 'RUNNING' WHERE id = 1",
     "promises: a row is terminal without an end, or has an end and is not terminal: execution 1"},
    {"UPDATE job_executions SET completed_at = NULL, status = 'RUNNING' WHERE id = 1",
     "promises: a start would not find an open row: execution 1 of job 1"},
    {"UPDATE job_executions SET missed_to = NULL WHERE id = 3",
     "promises: a missed range has no end, or no occurrences: execution 3"},
    {"DELETE FROM job_versions WHERE job_id = 1", "promises: a job has no version: job 1"},
    {"UPDATE progress SET execution_next = 3", "promises: an id would be given twice: of an exe"},
    {"UPDATE progress SET job_next = 1", "promises: an id would be given twice: of a job"},
    {"UPDATE progress SET alert_next = 2", "promises: an id would be given twice: of an alert"},
};

static void every_fault_that_is_made_is_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(damages); i++) {
        struct store_fixture *x = store_fixture_new(sqlite);
        fill(x);
        meddle(x, damages[i].sql);
        struct findings n = inspect(x);
        if (!strstr(n.text, damages[i].found))
            fail_msg("after %s: %s", damages[i].sql, n.text);
        store_fixture_free(x);
    }
}

// Until it is known whether its job wanted an alert for each failure then, nothing is said.
static void a_failure_before_the_last_change_of_its_job_is_not_judged(void **state)
{
    struct store_fixture *x = *state;
    meddle(x, "DELETE FROM alerts WHERE id = 1;"
              "UPDATE jobs SET version = 2, updated_at = 253402300799999;");
    struct findings n = inspect(x);
    assert_string_equal(n.text, "");
    meddle(x, "UPDATE jobs SET updated_at = 0;");
    n = inspect(x);
    assert_int_equal(n.count, 1);
    meddle(x, "UPDATE jobs SET alert_after = 2;");
    n = inspect(x);
    assert_int_equal(n.count, 0);
}

static void many_findings_of_a_kind_are_cut(void **state)
{
    struct store_fixture *x = *state;
    struct batch *b = store_batch(x);
    for (int64_t id = 100; id < 200; id++) {
        struct execution e = store_execution(id, 1, STORE_T0 + id * 1000);
        store_add_insert(b, store_finished(e, EXECUTION_FAILED));
    }
    shard_row(b, 0)->execution_next = 200;
    store_must(x, b);
    struct findings n = inspect(x);
    assert_int_equal(n.count, 21);
    assert_non_null(strstr(n.text, "a failure has no alert: and more\n"));
}

// A page in the middle is overwritten: either the check says so, or it cannot go on.
static void an_overwritten_page_is_damage(void **state)
{
    struct store_fixture *x = *state;
    store_reopen(x); // Everything is in the file, and nothing in the log.
    int fd = open(x->path, O_RDWR);
    assert_true(fd >= 0);
    char garbage[4096];
    memset(garbage, 0xA5, sizeof garbage);
    assert_int_equal(pwrite(fd, garbage, sizeof garbage, 4096 * 6), sizeof garbage);
    close(fd);

    struct store_inspection *i;
    struct findings n = {0};
    struct fault fault = {0};
    struct names names = names_in(x);
    store_assert_ok(store_inspection_open(x->path, &i, f));
    enum err err = store_inspect(i, STORE_CHECK_PAGES, note, &n, &fault);
    assert_true(n.count > 0 || err == ERR_STORE_CORRUPT);
    if (err)
        assert_non_null(strstr(fault.text, "restore a backup"));
    store_inspection_close(i);
    assert_int_equal(store_sqlite_backup(x->path, names.target, &fault), ERR_STORE_CORRUPT);
    assert_int_not_equal(access(names.target, F_OK), 0);
    assert_int_not_equal(access(names.partial, F_OK), 0);
}

static void a_file_that_is_no_database_is_refused(void **state)
{
    struct store_fixture *x = *state;
    static const struct {
        const char *text;
        enum err err;
    } files[] = {
        {"", ERR_STORE_OPEN},
        {"Once upon a midnight dreary, while I pondered, weak and weary", ERR_STORE_CORRUPT},
    };
    char path[128];
    snprintf(path, sizeof path, "%s/other", x->folder);
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        FILE *out = fopen(path, "w");
        fputs(files[i].text, out);
        fclose(out);
        struct store_inspection *inspection;
        struct fault f = {0};
        assert_int_equal(store_inspection_open(path, &inspection, &f), files[i].err);
        assert_non_null(strstr(f.text, path));
        unlink(path);
    }
    struct store_inspection *inspection;
    struct fault f = {0};
    assert_int_equal(store_inspection_open(path, &inspection, &f), ERR_STORE_OPEN);
    store_inspection_close(NULL);
}

// --- The ledger ------------------------------------------------------------------------------

static enum err see_job(void *context, const struct job_versions *l, const struct store_progress *p)
{
    assert_int_equal(p->shard.watermark, STORE_T0 + 60000);
    fprintf(context, "job %lld:", (long long)l->rows[0].job);
    for (size_t i = 0; i < l->count; i++)
        fprintf(context, " %s", job_phase_name(l->rows[i].phase));
    return ERR_OK;
}

static enum err see_record(void *context, const struct store_record *r)
{
    fprintf(context, " %lld", (long long)(r->scheduled_at - STORE_T0) / 1000);
    if (r->missed_to)
        fprintf(context, "-%lld", (long long)(r->missed_to - STORE_T0) / 1000);
    if (r->series)
        fprintf(context, "g%lld", (long long)r->series);
    return ERR_OK;
}

static enum err see_end(void *context)
{
    fprintf(context, "\n");
    return ERR_OK;
}

// Also of deleted jobs; manual executions account for nothing.
static void the_ledger_is_told_job_by_job_in_order(void **state)
{
    struct store_fixture *x = *state;
    struct batch *b = store_batch(x);
    struct execution manual = store_execution(10, 1, STORE_T0 + 7000);
    struct execution again = store_execution(11, 1, STORE_T0 + 1000);
    manual.key.series = -10;
    again.key.series = 1;
    store_add_insert(b, manual);
    store_add_insert(b, again);
    store_add_insert(b, store_execution(12, 1, STORE_T0 + 500));
    store_add_insert(b, store_execution(13, 2, STORE_T0 + 400));
    store_must(x, b);

    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    struct store_ledger_visitor visitor = {see_job, see_record, see_end, out};
    struct store_inspection *i;
    store_assert_ok(store_inspection_open(x->path, &i, f));
    store_assert_ok(store_inspect_ledger(i, &visitor, f));
    store_inspection_close(i);
    fclose(out);
    assert_string_equal(text, "job 1: active 3-5 0 1 1g1 2 3\n"
                              "job 2: active deleted 0\n");
    free(text);
}

static enum err stop(void *context)
{
    ++*(int *)context;
    return ERR_TIMEOUT;
}

static enum err pass_job(void *context, const struct job_versions *l,
                         const struct store_progress *p)
{
    (void)context;
    (void)l;
    (void)p;
    return ERR_OK;
}

static enum err pass_record(void *context, const struct store_record *r)
{
    (void)context;
    (void)r;
    return ERR_OK;
}

static void an_error_of_a_callback_ends_the_walk(void **state)
{
    struct store_fixture *x = *state;
    int jobs = 0;
    struct fault fault = {0};
    struct store_ledger_visitor visitor = {pass_job, pass_record, stop, &jobs};
    struct store_inspection *i;
    store_assert_ok(store_inspection_open(x->path, &i, f));
    assert_int_equal(store_inspect_ledger(i, &visitor, &fault), ERR_TIMEOUT);
    assert_int_equal(jobs, 1);
    store_inspection_close(i);
}

// --- Backups ---------------------------------------------------------------------------------

// What is still in the log is in the backup, too; what comes later is not.
static void a_backup_is_the_database_of_one_moment(void **state)
{
    struct store_fixture *x = *state;
    struct names n = names_in(x);
    char *before = store_dump(x);
    assert_int_equal(chmod(x->path, 0600), 0);
    store_assert_ok(store_sqlite_backup(x->path, n.target, f));
    struct batch *b = store_batch(x);
    store_add_insert(b, store_execution(4, 1, STORE_T0 + 9000));
    store_must(x, b);
    assert_int_not_equal(access(n.partial, F_OK), 0);
    struct stat st;
    assert_int_equal(stat(n.target, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);

    // A server can go on from it.
    struct store_fixture copy = {.adapter = sqlite};
    snprintf(copy.path, sizeof copy.path, "%s", n.target);
    store_assert_ok(store_sqlite_open(copy.path, &copy.store, f));
    store_assert_ok(store_reader_open(copy.store, &copy.reader, f));
    char *after = store_dump(&copy);
    assert_string_equal(before, after);
    store_reader_close(copy.reader);
    store_close(copy.store);
    free(before);
    free(after);
    unlink(n.target);
}

static void a_backup_writes_over_nothing(void **state)
{
    struct store_fixture *x = *state;
    struct names n = names_in(x);
    const char *const taken[] = {n.target, n.partial};
    for (size_t i = 0; i < COUNT_OF(taken); i++) {
        struct fault f = {0};
        FILE *out = fopen(taken[i], "w");
        fputs("precious", out);
        fclose(out);
        assert_int_equal(store_sqlite_backup(x->path, n.target, &f), ERR_EXISTS);
        assert_non_null(strstr(f.text, taken[i]));
        struct stat st;
        assert_int_equal(stat(taken[i], &st), 0);
        assert_int_equal(st.st_size, strlen("precious"));
        unlink(taken[i]);
        assert_int_not_equal(access(taken[1 - i], F_OK), 0);
    }
}

static void a_backup_that_cannot_be_made_leaves_nothing(void **state)
{
    struct store_fixture *x = *state;
    struct names n = names_in(x);
    struct fault f = {0};
    assert_int_equal(store_sqlite_backup("/no/such/file", n.target, &f), ERR_STORE_OPEN);
    assert_int_equal(store_sqlite_backup(x->path, "/no/such/folder/backup.db", &f), ERR_SYSTEM);
    assert_non_null(strstr(f.text, "/no/such/folder"));
    assert_int_not_equal(access(n.target, F_OK), 0);
    assert_int_not_equal(access(n.partial, F_OK), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_sound_database_has_no_findings),
        cmocka_unit_test(every_fault_that_is_made_is_found),
        TEST(a_failure_before_the_last_change_of_its_job_is_not_judged),
        TEST(many_findings_of_a_kind_are_cut),
        TEST(an_overwritten_page_is_damage),
        TEST(a_file_that_is_no_database_is_refused),
        TEST(the_ledger_is_told_job_by_job_in_order),
        TEST(an_error_of_a_callback_ends_the_walk),
        TEST(a_backup_is_the_database_of_one_moment),
        TEST(a_backup_writes_over_nothing),
        TEST(a_backup_that_cannot_be_made_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
